//! The environment that a `bs:Template` is parsed in, and what rendering it needs from outside; renders nothing.
//!
//! # Who provides what
//!
//! `compile` takes [`environment`], gives it the text with [`TEXT_OF`] written around what a text is made of, and works out
//! [`Template::params`](super::message::Template::params) from the tree: every name that the template uses without setting it,
//! and every literal argument of `param(..)`, must be a parameter or one of [`FUNCTIONS`]; an argument of `param` that is no
//! literal is an error of the author, since what a template reads must be known before it is rendered.
//!
//! The environment is pure: it has the formatter, the filter `json` and nothing that knows an element. `engine::codec::render`
//! passes a context object whose names are looked up while rendering: the parameters by name, and the [`FUNCTIONS`].

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use minijinja::value::{Rest, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, filters, tests,
};

/// The functions that a template may call; the engine provides them when it renders.
pub const FUNCTIONS: [&str; 8] = ["param", "table", "cell", "tai", "now", "unix", "unix_ms", "uuid"];

/// A function that `compile` writes around what a template makes a text of: an empty value is an empty text there.
pub const TEXT_OF: &str = "__text_of";

/// What `compile` has put into a template, so that a place in what runs can be told as a place in what was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Where it begins in what runs, and how many bytes it has.
    // Invariant: sorted by the place.
    words: Vec<(usize, usize)>,
}

impl Inserted {
    /// Notes a word behind those before it.
    pub fn push(&mut self, at: usize, bytes: usize) {
        self.words.push((at, bytes));
    }

    /// The place in what was written for a place in what runs, in bytes.
    pub fn written(&self, place: Range<usize>) -> Range<usize> {
        let written = |offset: usize| {
            let before = self.words.iter().take_while(|(at, _)| *at < offset);
            offset - before.map(|(at, bytes)| (*bytes).min(offset - at)).sum::<usize>()
        };
        written(place.start)..written(place.end)
    }
}

/// How many steps a template may take.
///
/// Loops are allowed; a message of a thousand values needs some ten thousand steps.
const FUEL: u64 = 200_000;

/// The filters of templates: those that cannot make a text or a list much longer than what they are given.
pub const FILTERS: [&str; 20] = [
    "json",
    "safe",
    "upper",
    "lower",
    "trim",
    "default",
    "length",
    "first",
    "last",
    "round",
    "abs",
    "int",
    "float",
    "string",
    "urlencode",
    "base64",
    "base64url",
    "hex",
    "sha256",
    "hmac_sha256",
];

/// The longest text that is encoded or signed, so that encoding it again and again has a bound.
const MAX_ENCODED: usize = 4 << 20;

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
    environment.add_filter("default", |state: &State<'_, '_>, value: &Value, given: Rest<Value>| {
        // No name of a template is undefined: this is for values that are empty.
        let undefined = Value::UNDEFINED;
        filters::default(state, if value.is_none() { &undefined } else { value }, given)
    });
    environment.add_filter("length", filters::length);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("round", filters::round);
    environment.add_filter("abs", filters::abs);
    environment.add_filter("int", filters::int);
    environment.add_filter("float", filters::float);
    environment.add_filter("string", filters::string);
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("base64", |value: &Value| Ok::<_, Error>(STANDARD.encode(bytes(value)?)));
    environment
        .add_filter("base64url", |value: &Value| Ok::<_, Error>(URL_SAFE_NO_PAD.encode(bytes(value)?)));
    environment.add_filter("hex", |value: &Value| Ok::<_, Error>(in_hex(&bytes(value)?)));
    environment.add_filter("sha256", |value: &Value| {
        Ok::<_, Error>(in_hex(ring::digest::digest(&ring::digest::SHA256, &bytes(value)?).as_ref()))
    });
    environment.add_filter("hmac_sha256", hmac_sha256);
    environment.add_function(TEXT_OF, |value: Value| if value.is_none() { Value::from("") } else { value });
    environment.add_test("none", tests::is_none);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("number", tests::is_number);
    environment.add_test("string", tests::is_string);
    environment
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

/// The bytes of a value: of a text its UTF-8, of bytes themselves, of anything else its JSON; none of an empty value.
fn bytes(value: &Value) -> Result<Vec<u8>, Error> {
    let bytes = match (value.as_bytes(), value.kind()) {
        (_, ValueKind::Undefined) => {
            return Err(Error::new(ErrorKind::UndefinedError, "the value is not defined"));
        }
        // A text gives its bytes too.
        (Some(bytes), _) => bytes.to_vec(),
        (None, ValueKind::None) => Vec::new(),
        (None, _) => literal(value)?.into_bytes(),
    };
    if bytes.len() > MAX_ENCODED {
        return Err(Error::new(ErrorKind::InvalidOperation, "the text is too long to be encoded"));
    }
    Ok(bytes)
}

/// The filter `urlencode`: all but the unreserved characters (RFC 3986, 2.3) as `%XX`.
fn urlencode(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    for byte in bytes(value)? {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&in_hex(&[byte]).to_ascii_uppercase());
        }
    }
    Ok(text)
}

/// The filter `hmac_sha256`: the signature (RFC 2104) of a text with a key, in `hex`, `base64` or `base64url`.
fn hmac_sha256(value: &Value, key: &Value, form: Option<&str>) -> Result<String, Error> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &bytes(key)?);
    let tag = ring::hmac::sign(&key, &bytes(value)?);
    match form.unwrap_or("hex") {
        "hex" => Ok(in_hex(tag.as_ref())),
        "base64" => Ok(STANDARD.encode(tag.as_ref())),
        "base64url" => Ok(URL_SAFE_NO_PAD.encode(tag.as_ref())),
        _ => Err(Error::new(ErrorKind::InvalidOperation, "a signature is in hex, base64 or base64url")),
    }
}

/// Two digits a byte, in lower case.
fn in_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
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
