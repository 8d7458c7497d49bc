//! `bs:Template`: parses it, finds what it reads and what it calls, and reports names that mean nothing; renders nothing.
//!
//! The environment is that of [`model::template`](crate::language::model::template), which says who gives what.

mod texts;
mod walk;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::{Span as Place, Token, parse, tokenize};
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind};

use crate::language::definition::Text;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::compile::template::texts::with_texts;
use crate::language::model::compile::template::walk::Walk;
use crate::language::model::compile::value::short;
use crate::language::model::id::{ParamIx, TableIx};
use crate::language::model::message::Template;
use crate::language::model::param::{ParamKind, Table};
use crate::language::model::template::{FILTERS, FUNCTIONS, Inserted, environment};
use crate::language::schema::did_you_mean;
use crate::language::source::{Span, Spanned};

/// Longest template, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// Most words between one pair of braces, and most pairs: the library recurses on both.
const MAX_WORDS: usize = 300;
const MAX_TAGS: usize = 300;

/// Compiles a template; reports what is wrong with it at its place.
pub(super) fn compile(scope: &mut Scope, text: &Text<'_>, user: User) -> Option<Template> {
    if let Some((at, why)) = beyond_limits(&text.value) {
        scope.say(Code::BadTemplate, text.part(at..at + 2), format!("the template of {user} {why}"));
        return None;
    }
    let mut environment = environment();
    let (walk, inserted) = match load(&mut environment, &text.value) {
        Ok(loaded) => loaded,
        Err((why, range)) => {
            let range = whole_characters(&text.value, range.unwrap_or(0..text.value.len()));
            let message = format!("the template of {user} cannot be read: {}", short(&why));
            scope.push(Diagnostic::new(Code::BadTemplate, text.part(range), message).with_help(
                "a value stands between `{{` and `}}`, such as `{{ Name }}` or `{{ param(12) }}`",
            ));
            return None;
        }
    };
    let reads = resolve(scope, text, &walk, &environment, user)?;
    Some(Template {
        text: Arc::from(&*text.value),
        params: reads.params.into_iter().collect(),
        tables: reads.tables.into_iter().collect(),
        environment: Arc::new(environment),
        inserted,
    })
}

/// Gives a template to its environment; what it names, and what was put into it.
///
/// # Errors
///
/// Why it cannot be read, and where if that is known.
fn load<'t>(
    environment: &mut Environment<'static>,
    text: &'t str,
) -> Result<(Walk<'t>, Inserted), (String, Option<Range<usize>>)> {
    let why = |error: &Error| error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let tree = parse(text, Template::NAME, Default::default());
    let tree = tree.map_err(|error| (why(&error), error.range()))?;
    let mut walk = Walk::default();
    walk.statement(&tree);
    let (runs, inserted) = with_texts(text, &walk.texts);
    match environment.add_template_owned(Template::NAME, runs) {
        Ok(()) => Ok((walk, inserted)),
        Err(error) => Err((why(&error), error.range().map(|range| inserted.written(range)))),
    }
}

/// What of a template is more than the limits allow: where, and why.
fn beyond_limits(text: &str) -> Option<(usize, String)> {
    if text.len() > MAX_BYTES {
        return Some((0, format!("has more than {MAX_BYTES} bytes")));
    }
    let mut words = 0;
    let mut tags = 0;
    let tokens = tokenize(text, false, Default::default());
    for token in tokens {
        // What is wrong with a word is said by the parser.
        let Ok((token, place)) = token else { return None };
        match token {
            Token::TemplateData(_) => {}
            Token::VariableStart | Token::BlockStart => {
                tags += 1;
                words = 0;
            }
            _ => words += 1,
        }
        if words > MAX_WORDS {
            return Some((
                place.start_offset as usize,
                format!("has more than {MAX_WORDS} words between two braces"),
            ));
        }
        if tags > MAX_TAGS {
            return Some((place.start_offset as usize, format!("has more than {MAX_TAGS} pairs of braces")));
        }
    }
    None
}

/// What a template reads.
#[derive(Default)]
struct Reads {
    params: BTreeSet<ParamIx>,
    tables: BTreeSet<TableIx>,
}

/// Finds the parameters that a template reads, and reports names that mean nothing.
fn resolve(
    scope: &mut Scope,
    text: &Text<'_>,
    walk: &Walk<'_>,
    environment: &Environment<'_>,
    user: User,
) -> Option<Reads> {
    let at = |place: Place| text.part(place.start_offset as usize..place.end_offset as usize);
    let mut found = Reads::default();
    let mut sound = true;
    for (name, place) in &walk.variables {
        if walk.assigned.contains(name) || FUNCTIONS.contains(name) {
            continue;
        }
        match named(scope, name, &|| at(*place), user) {
            Some(param) => drop(found.params.insert(param)),
            None => sound = false,
        }
    }
    for (name, arguments, place) in &walk.calls {
        sound &= call(scope, (name, arguments), &|| at(*place), &mut found, user).is_some();
    }
    for (name, given, place) in &walk.filter_arguments {
        if *name == "hmac_sha256" && !(1..=2).contains(given) {
            scope.push(
                Diagnostic::new(
                    Code::BadTemplate,
                    at(*place),
                    format!("`hmac_sha256` in the template of {user} takes the key, and perhaps a form"),
                )
                .with_help("as in `{{ Text | hmac_sha256(Key) }}` or `hmac_sha256(Key, \"base64\")`"),
            );
            sound = false;
        }
    }
    for (word, place) in &walk.refused {
        scope.push(
            Diagnostic::new(
                Code::BadTemplate,
                at(*place),
                format!("the template of {user} has `{word}`, which templates here do not have"),
            )
            .with_help("write the value where it is used, or work it out in a parameter"),
        );
        sound = false;
    }
    for (name, place) in &walk.functions {
        if !FUNCTIONS.contains(name) {
            unknown(scope, "function", name, at(*place), user, FUNCTIONS.iter().copied());
            sound = false;
        }
    }
    let mut state = environment.empty_state();
    for (name, place) in &walk.filters {
        let error = state.apply_filter(name, &[]).err();
        if error.is_some_and(|error| error.kind() == ErrorKind::UnknownFilter) {
            unknown(scope, "filter", name, at(*place), user, FILTERS);
            sound = false;
        }
    }
    for (name, place) in &walk.tests {
        let error = state.perform_test(name, &[]).err();
        if error.is_some_and(|error| error.kind() == ErrorKind::UnknownTest) {
            unknown(scope, "test", name, at(*place), user, ["none", "defined", "number", "string"]);
            sound = false;
        }
    }
    sound.then_some(found)
}

/// What a call of a function of ours reads; none if its arguments are wrong.
fn call(
    scope: &mut Scope,
    (name, arguments): (&str, &[Option<Value>]),
    place: &dyn Fn() -> Span,
    found: &mut Reads,
    user: User,
) -> Option<()> {
    let wrong = |scope: &mut Scope, what: &str, help: &str| {
        let message = format!("`{name}` in the template of {user} {what}");
        scope.push(Diagnostic::new(Code::BadTemplate, place(), message).with_help(help));
    };
    let literal = "write the id or the name itself, so that it can be checked";
    match (name, arguments) {
        ("param", [argument]) => {
            found.params.insert(parameter(scope, argument.as_ref(), place, user)?);
        }
        ("param", _) => drop(parameter(scope, None, place, user)?),
        ("table", [argument]) => {
            let Some(param) = any_parameter(scope, argument.as_ref()) else {
                wrong(scope, "takes one number or one text, of a table", literal);
                return None;
            };
            let Some(table) = scope.table_at(param) else {
                wrong(
                    scope,
                    "names a parameter that is no table",
                    "`param(12)` reads a parameter that is none",
                );
                return None;
            };
            read_table(scope, table, found);
        }
        ("table", _) => {
            wrong(scope, "takes one number or one text, of a table", literal);
            return None;
        }
        ("cell", [argument, _]) => {
            let column = any_parameter(scope, argument.as_ref());
            let has = |table: &Table| table.columns.iter().any(|of| Some(of.param) == column);
            let Some(table) = scope.tables.iter().position(has).and_then(TableIx::new) else {
                wrong(scope, "takes first the number or the name of a column", "as in `cell(1002, \"key\")`");
                return None;
            };
            read_table(scope, table, found);
        }
        ("cell", _) => {
            wrong(scope, "takes a column and a key", "as in `cell(1002, \"key\")`");
            return None;
        }
        ("tai" | "now" | "uuid" | "unix" | "unix_ms", [_, ..]) => {
            wrong(scope, "takes no argument", "write it with empty brackets");
            return None;
        }
        // What does not exist is told of by its name.
        (_, _) => {}
    }
    Some(())
}

/// A parameter of any kind by a literal id or name.
fn any_parameter(scope: &Scope, argument: Option<&Value>) -> Option<ParamIx> {
    if let Some(name) = argument.and_then(Value::as_str) {
        let entry = scope.names.get(name.to_lowercase().as_str())?;
        return entry.read.or(entry.write);
    }
    let id = argument.and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok())?;
    scope.params.get(id)
}

/// Notes that a template reads a table, and so all of its columns: one of them may be secret.
fn read_table(scope: &Scope, table: TableIx, found: &mut Reads) {
    found.tables.insert(table);
    let columns = scope.tables.get(table.index()).map_or(&[][..], |table| &table.columns);
    found.params.extend(columns.iter().map(|column| column.param));
}

/// The argument of `param(...)`.
fn parameter(
    scope: &mut Scope,
    argument: Option<&Value>,
    place: &dyn Fn() -> Span,
    user: User,
) -> Option<ParamIx> {
    if let Some(name) = argument.and_then(Value::as_str) {
        return named(scope, name, place, user);
    }
    let id = argument.and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok());
    if let Some(ix) = id.and_then(|id| scope.params.get(id)) {
        return readable(scope, ix, place, user);
    }
    match id {
        Some(id) => {
            // A message that misses a part is no message, so this is no mere warning.
            scope.say(
                Code::UndefinedName,
                place(),
                format!("the template of {user} reads parameter {id}, which is not defined"),
            );
            None
        }
        None => {
            scope.push(
                Diagnostic::new(Code::BadTemplate, place(), format!("`param` in the template of {user} takes one number or one text"))
                    .with_help("write the id or the name itself, `param(12)` or `param(\"Some name\")`, so that it can be checked"),
            );
            None
        }
    }
}

/// A parameter that is there, unless it is a table.
fn readable(scope: &mut Scope, ix: ParamIx, place: &dyn Fn() -> Span, user: User) -> Option<ParamIx> {
    let fact = scope.fact(ix)?;
    if fact.kind != ParamKind::Array {
        return Some(ix);
    }
    let id = Spanned::new(fact.id, place());
    scope.param_for(id, user, Use::Source)
}

/// A parameter by its name.
fn named(scope: &mut Scope, name: &str, place: &dyn Fn() -> Span, user: User) -> Option<ParamIx> {
    let entry = scope.names.get(name.to_lowercase().as_str()).copied();
    if let Some(ix) = entry.and_then(|entry| entry.read.or(entry.write)) {
        return readable(scope, ix, place, user);
    }
    let mut diagnostic = Diagnostic::new(
        Code::UndefinedName,
        place(),
        format!("the template of {user} uses `{}`, which is the name of no parameter", short(name)),
    );
    let searched = scope.searches_left.checked_sub(1);
    scope.searches_left = searched.unwrap_or(0);
    let known = searched.and_then(|_| did_you_mean(name, scope.names.keys().map(|name| &**name)));
    let entry = known.and_then(|known| scope.names.get(known));
    let fact = entry.and_then(|entry| entry.read).and_then(|ix| scope.fact(ix));
    diagnostic = diagnostic.with_help(match fact {
        Some(fact) => format!("did you mean `{}`, parameter {}?", fact.name, fact.id),
        None => "it is the `Name` of a parameter; `param(12)` names one by its id".to_owned(),
    });
    scope.push(diagnostic);
    None
}

fn unknown(
    scope: &mut Scope,
    what: &str,
    name: &str,
    place: Span,
    user: User,
    known: impl IntoIterator<Item = &'static str>,
) {
    let known: Vec<&str> = known.into_iter().collect();
    let mut diagnostic = Diagnostic::new(
        Code::UndefinedName,
        place,
        format!("the template of {user} uses the {what} `{}`, which does not exist", short(name)),
    );
    diagnostic = match did_you_mean(name, known.iter().copied()) {
        Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
        None => diagnostic.with_help(format!(
            "there are {}",
            known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        )),
    };
    scope.push(diagnostic);
}

/// Widens a place to whole characters: the parser names one byte of a character that it does not expect.
fn whole_characters(text: &str, range: Range<usize>) -> Range<usize> {
    let start = (0..=range.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let end = (range.end.max(start)..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    start..end
}

#[cfg(test)]
mod tests {
    use crate::language::load;
    use crate::language::source::Source;

    fn report(template: &str) -> Vec<(String, String)> {
        let text = format!(
            "<Protocol xmlns:bs=\"urn:backshell:1\"><Params><Param id=\"12\"><Name>Volume</Name><Type>read</Type></Param>\
             <Param id=\"13\"><Name>Web socket URL</Name><Type>read</Type></Param>\
             <Param id=\"1000\"><Name>Items</Name><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"1001\"/></ArrayOptions></Param>\
             <Param id=\"1001\"><Name>Item key</Name><Type>read</Type></Param></Params><Commands><Command id=\"1\">\
             <WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template><![CDATA[\n  {template}\n]]></bs:Template></Content></Command></Commands></Protocol>"
        );
        let source = Source::new("test.xml", text);
        let report = load::check(&source);
        let told = |found: &crate::language::diagnostic::Diagnostic| {
            (source.slice(found.span).to_owned(), found.message.clone())
        };
        report.diagnostics().iter().map(told).collect()
    }

    #[test]
    fn a_character_that_is_not_expected_is_named_whole() {
        let found = report("{{ paräm(12) }}");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "ä", "{found:?}");
    }

    #[test]
    fn what_a_template_may_say_passes() {
        for template in [
            "plain",
            "{{ Volume }} {{ volume | json }} {{ param(12) }} {{ param(\"web socket url\") | upper }}",
            "{{ tai() }} {{ now() }} {{ uuid() }} {{ unix() }} {{ unix_ms() }}",
            "{% for row in table(1000) %}{{ row.key }}{% endfor %}{{ table(\"items\") | length }}{{ cell(1001, Volume) }}",
            "{{ Volume | urlencode | base64 }} {{ Volume | hmac_sha256(Volume, \"base64\") }} {{ Volume | sha256 }}",
            "{% if Volume is none %}a{% else %}b{% endif %}{% for x in [1, 2] %}{{ x }}{{ loop.index }}{% endfor %}",
            "{{ Volume | default(\"}}\") }}",
        ] {
            assert_eq!(report(template), [], "{template}");
        }
    }

    #[test]
    fn what_means_nothing_is_reported_at_its_place() {
        for (template, place, message) in [
            (
                "{{ Volum }}",
                "Volum",
                "the template of command 1 uses `Volum`, which is the name of no parameter",
            ),
            (
                "{{ param(14) }}",
                "param(14)",
                "the template of command 1 reads parameter 14, which is not defined",
            ),
            (
                "a {{ param(\"x\") }}",
                "param(\"x\")",
                "the template of command 1 uses `x`, which is the name of no parameter",
            ),
            (
                "{{ param(Volume) }}",
                "param(Volume)",
                "`param` in the template of command 1 takes one number or one text",
            ),
            ("{{ tai(1) }}", "tai(1)", "`tai` in the template of command 1 takes no argument"),
            (
                "{{ table(12) }}",
                "table(12)",
                "`table` in the template of command 1 names a parameter that is no table",
            ),
            (
                "{{ table(Volume) }}",
                "table(Volume)",
                "`table` in the template of command 1 takes one number or one text, of a table",
            ),
            (
                "{{ cell(12, 1) }}",
                "cell(12, 1)",
                "`cell` in the template of command 1 takes first the number or the name of a column",
            ),
            (
                "{{ Volume | hmac_sha256 }}",
                "hmac_sha256",
                "`hmac_sha256` in the template of command 1 takes the key, and perhaps a form",
            ),
            ("{{ tia() }}", "tia", "the template of command 1 uses the function `tia`, which does not exist"),
            (
                "{{ Volume | jsn }}",
                "jsn",
                "the template of command 1 uses the filter `jsn`, which does not exist",
            ),
            (
                "{{ Volume is odd }}",
                "odd",
                "the template of command 1 uses the test `odd`, which does not exist",
            ),
            (
                "{% set a = 1 %}",
                "set a = 1",
                "the template of command 1 has `{% set %}`, which templates here do not have",
            ),
            (
                "{{ __text_of(Volume) }}",
                "__text_of",
                "the template of command 1 uses the function `__text_of`, which does not exist",
            ),
            (
                "{{ __text_of }}",
                "__text_of",
                "the template of command 1 has `__text_of`, which templates here do not have",
            ),
            (
                "{% for __text_of in [1] %}{{ Volume ~ 1 }}{% endfor %}",
                "__text_of",
                "the template of command 1 has `__text_of`, which templates here do not have",
            ),
            (
                "{{ Volume",
                "Volume",
                "the template of command 1 cannot be read: unexpected end of input, expected end of variable block",
            ),
        ] {
            let found = report(template);
            let shown: Vec<(&str, &str)> =
                found.iter().map(|(at, said)| (at.as_str(), said.as_str())).collect();
            assert_eq!(shown, [(place, message)], "{template}");
        }
    }

    #[test]
    fn a_template_is_bounded() {
        let long = format!("{{{{ {}1 }}}}", "1 + ".repeat(5_000));
        let many = "{% if true %}".repeat(5_000);
        for template in [long, many] {
            assert!(report(&template)[0].1.contains("has more than"), "{}", report(&template)[0].1);
        }
    }
}
