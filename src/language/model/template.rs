//! The environment that a `bs:Template` is parsed in, and what rendering it needs from outside; renders nothing.
//!
//! # Who provides what
//!
//! `compile` takes [`environment`], adds the text with `add_template_owned(Template::NAME, text)` and works out
//! [`Template::params`](super::message::Template::params) with [`names`]: every name that the template uses without
//! setting it, and every literal argument of `param(..)`, must be a parameter or one of [`FUNCTIONS`]; an argument of `param`
//! that is no literal is an error of the author, since what a template reads must be known before it is rendered.
//!
//! The environment is pure: it has the formatter, the filter `json` and nothing that knows an element. `engine::codec::render`
//! passes a context object whose names are looked up while rendering: the parameters by name, and the functions `param`, `tai`,
//! `now` and `uuid`.

use minijinja::value::ValueKind;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, filters, tests,
};

/// The functions that a template may call; the engine provides them when it renders.
pub const FUNCTIONS: [&str; 4] = ["param", "tai", "now", "uuid"];

/// How many steps a template may take.
///
/// Loops are allowed; a message of a thousand values needs some ten thousand steps.
const FUEL: u64 = 200_000;

/// The filters of templates: those that cannot make a text or a list much longer than what they are given.
pub const FILTERS: [&str; 14] = [
    "json", "safe", "upper", "lower", "trim", "default", "length", "first", "last", "round", "abs", "int",
    "float", "string",
];

/// An environment without templates: undefined names are errors, output is JSON-escaped, steps are limited.
///
/// It has [`FILTERS`] and the tests `none`, `defined`, `number` and `string`. `compile` refuses the statements `set`,
/// `with` and `filter`: a text that is joined to itself thirty times over, or is kept instead of written, has no bound.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(format);
    environment.add_filter("json", json);
    environment.add_filter("safe", filters::safe);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("default", filters::default);
    environment.add_filter("length", filters::length);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("round", filters::round);
    environment.add_filter("abs", filters::abs);
    environment.add_filter("int", filters::int);
    environment.add_filter("float", filters::float);
    environment.add_filter("string", filters::string);
    environment.add_test("none", tests::is_none);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("number", tests::is_number);
    environment.add_test("string", tests::is_string);
    environment
}

/// The names that a template reads from outside: parameters and [`FUNCTIONS`].
pub fn names(template: &minijinja::Template<'_, '_>) -> Vec<String> {
    let mut names: Vec<_> = template.undeclared_variables(false).into_iter().collect();
    names.sort_unstable();
    names
}

/// Writes a value as the inside of a JSON text, without quotes; an empty value writes nothing.
fn format(output: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::new(ErrorKind::UndefinedError, "the value is not defined")),
        ValueKind::None => Ok(()),
        ValueKind::String if value.is_safe() => Ok(output.write_str(value.as_str().unwrap_or_default())?),
        ValueKind::String => {
            let quoted = literal(value)?;
            let inside = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            Ok(output.write_str(inside.unwrap_or(&quoted))?)
        }
        _ => Ok(output.write_str(&literal(value)?)?),
    }
}

/// The filter `json`: the whole literal, quotes included; an empty value is `null`.
fn json(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, "the value is not defined"));
    }
    Ok(Value::from_safe_string(literal(value)?))
}

/// A value as JSON; whole numbers without a fraction.
fn literal(value: &Value) -> Result<String, Error> {
    if value.kind() == ValueKind::Bytes {
        return Err(Error::new(ErrorKind::BadSerialization, "the bytes are not text"));
    }
    if value.kind() == ValueKind::Number
        && let Ok(number) = f64::try_from(value.clone())
        && !value.is_integer()
    {
        return if number.is_finite() {
            Ok(crate::value::format_number(number))
        } else {
            Err(Error::new(ErrorKind::BadSerialization, "the number is not finite"))
        };
    }
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, "has no JSON").with_source(error))
}
