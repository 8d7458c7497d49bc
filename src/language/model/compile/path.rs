//! RFC 9535 paths, told apart into those that go straight to a value and all others; evaluates none.

use std::sync::Arc;

use crate::language::definition::Text;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, User};
use crate::language::model::compile::value::short;
use crate::language::model::message::{General, JsonPath, PathForm, Segment};

/// Longest path, in bytes.
const MAX_PATH: usize = 1_000;

/// How deep brackets of a path may be nested: the library that reads it recurses.
const MAX_DEPTH: usize = 16;

/// Compiles a path; reports what is wrong with it at its place.
pub(super) fn compile(scope: &mut Scope, text: &Text<'_>, user: User) -> Option<JsonPath> {
    let wrong = |scope: &mut Scope, at: usize, why: &str| {
        let place = text.part(at..text.value.len());
        let place = if place.start == place.end { text.span } else { place };
        scope.push(
            Diagnostic::new(
                Code::BadPath,
                place,
                format!("the path `{}` of {user} cannot be read: {why}", short(&text.value)),
            )
            .with_help("a path begins with `$`, such as `$.payload.items[0].value` (RFC 9535)"),
        );
        None
    };
    if text.value.len() > MAX_PATH {
        return wrong(scope, 0, "it is too long");
    }
    if depth(&text.value) > MAX_DEPTH {
        return wrong(scope, 0, "its brackets are nested too deep");
    }
    match serde_json_path::JsonPath::parse(&text.value) {
        Ok(path) => {
            let form = match plain(&text.value) {
                Some(segments) if segments.contains(&Segment::All) => PathForm::Each(segments.into()),
                Some(segments) => PathForm::Singular(segments.into()),
                None => match general(&text.value, path) {
                    Some(general) => PathForm::General(Arc::new(general)),
                    None => return wrong(scope, 0, "a regular expression in it is not written there"),
                },
            };
            Some(JsonPath { text: Arc::from(&*text.value), form })
        }
        Err(error) => {
            let why = match error.message() {
                _ if !text.value.starts_with('$') => "it does not begin with `$`",
                // The library's most general message says nothing to an author.
                "parser error" => "this is no part of a path",
                message => message,
            };
            wrong(scope, error.position(), why)
        }
    }
}

/// The deepest nesting of brackets; brackets in texts count too, which only makes the limit stricter.
fn depth(path: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in path.bytes() {
        match byte {
            b'[' | b'(' | b'!' => depth += 1,
            b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What a path with more than names, indices and wildcards can cost at most: how often it can come to one value.
///
/// None if a pattern comes out of the message: nobody knows what it costs.
fn general(text: &str, query: serde_json_path::JsonPath) -> Option<General> {
    /// The bracket of a function that takes a regular expression.
    const PATTERN: u8 = b'~';
    let is_pattern = |before: &str| before.ends_with("match") || before.ends_with("search");
    let (mut patterns, mut foreign_pattern) = (false, false);
    let mut quote = None;
    let mut open: Vec<u8> = Vec::new();
    let (mut descents, mut is_first_outside, mut fan, mut absolute_filter) = (0_u32, false, 1_u32, false);
    let bytes = text.as_bytes();
    let mut at = 1;
    let mut is_filter_seen = false;
    while let Some(byte) = bytes.get(at) {
        match (quote, *byte) {
            // What is escaped ends no text.
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'(') if is_pattern(text.get(..at).unwrap_or_default()) => {
                patterns = true;
                open.push(PATTERN);
            }
            (None, b'[' | b'(') => open.push(*byte),
            (None, b',') if open.last() == Some(&PATTERN) => {
                let next = text.get(at + 1..).unwrap_or_default().trim_start();
                foreign_pattern |= !next.starts_with(['"', '\'']);
            }
            (None, b']' | b')') => drop(open.pop()),
            (None, b'?') => is_filter_seen = true,
            (None, b',') if open.last() == Some(&b'[') => fan = fan.saturating_add(1).saturating_mul(2),
            (None, b'$') => absolute_filter = true,
            (None, b'.') if bytes.get(at + 1) == Some(&b'.') => {
                is_first_outside |= descents == 0 && open.is_empty() && !is_filter_seen;
                descents += 1;
                at += 1;
            }
            (None, _) => {}
        }
        at += 1;
    }
    // From the root each value is reached in one way.
    let power = descents - u32::from(is_first_outside);
    (!foreign_pattern).then_some(General { query, power, fan, absolute_filter, patterns })
}

/// The names, indices and wildcards of a path that has nothing else; the path is known to be valid.
fn plain(path: &str) -> Option<Vec<Segment>> {
    let mut rest = path.strip_prefix('$')?;
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, tail) = after.split_at_checked(end)?;
            // `..` selects values of any depth; a blank is left to the library.
            if name.is_empty() || name.contains(char::is_whitespace) {
                return None;
            }
            segments.push(if name == "*" { Segment::All } else { Segment::Name(Arc::from(name)) });
            rest = tail;
        } else {
            let after = rest.strip_prefix('[')?;
            let quote = after.chars().next().filter(|first| matches!(first, '\'' | '"'));
            rest = match quote {
                Some(quote) => {
                    let (name, tail) = after.get(1..)?.split_once(quote)?;
                    // An escape needs the library's reading.
                    if name.contains('\\') {
                        return None;
                    }
                    segments.push(Segment::Name(Arc::from(name)));
                    tail.strip_prefix(']')?
                }
                None => {
                    let (index, tail) = after.split_once(']')?;
                    segments.push(if index == "*" {
                        Segment::All
                    } else {
                        Segment::Index(index.parse().ok()?)
                    });
                    tail
                }
            };
        }
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_names_indices_and_wildcards_goes_straight_to_its_values() {
        let name = |name: &str| Segment::Name(Arc::from(name));
        for (path, segments) in [
            ("$", Some(vec![])),
            ("$.a.b", Some(vec![name("a"), name("b")])),
            (
                "$['a b'][\"c\"][0][-1]",
                Some(vec![name("a b"), name("c"), Segment::Index(0), Segment::Index(-1)]),
            ),
            ("$.a[*]", Some(vec![name("a"), Segment::All])),
            ("$..a", None),
            ("$.*", Some(vec![Segment::All])),
            ("$['*']", Some(vec![name("*")])),
            ("$[0,1]", None),
            ("$[0:2]", None),
            ("$['a','b']", None),
            ("$['a\\'b']", None),
            ("$[?@.a == 1]", None),
        ] {
            assert!(serde_json_path::JsonPath::parse(path).is_ok(), "{path}");
            assert_eq!(plain(path), segments, "{path}");
        }
    }

    #[test]
    fn what_a_path_may_cost_is_known_before_it_runs() {
        for (path, power, fan, absolute_filter) in [
            ("$..a", 0, 1, false),
            ("$..a..b", 1, 1, false),
            ("$.a[?@..b]", 1, 1, false),
            ("$[?@.a == '..$']", 0, 1, false),
            ("$[?@.a == $.b]", 0, 1, true),
            ("$['a','b']", 0, 4, false),
            ("$..a[?count(@..b) > count($..c)]", 2, 1, true),
        ] {
            let query =
                serde_json_path::JsonPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let general = general(path, query).expect("its patterns are its own");
            let found = (general.power, general.fan, general.absolute_filter);
            assert_eq!(found, (power, fan, absolute_filter), "{path}");
        }
        for (path, expected) in [
            ("$[?match(@.a, 'x,y')]", Some(true)),
            ("$[?search(value(@..a), \"x\")]", Some(true)),
            ("$[?length(@.a) > 3]", Some(false)),
            ("$[?match(@.a, @.b)]", None),
        ] {
            let query =
                serde_json_path::JsonPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(general(path, query).map(|general| general.patterns), expected, "{path}");
        }
    }
}
