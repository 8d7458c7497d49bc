//! RFC 9535 paths, told apart into those that go straight to a value and all others; evaluates none.

use std::sync::Arc;

use crate::language::definition::Text;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, User};
use crate::language::model::compile::value::short;
use crate::language::model::message::{JsonPath, PathForm, Segment};

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
            let form = match singular(&text.value) {
                Some(segments) => PathForm::Singular(segments.into()),
                None => PathForm::General(Arc::new(path)),
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

/// The names and indices of a path that has nothing else; the path is known to be valid.
fn singular(path: &str) -> Option<Vec<Segment>> {
    let mut rest = path.strip_prefix('$')?;
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, tail) = after.split_at_checked(end)?;
            // `..` and `.*` select more than one value; a blank is left to the library.
            if name.is_empty() || name == "*" || name.contains(char::is_whitespace) {
                return None;
            }
            segments.push(Segment::Name(Arc::from(name)));
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
                    segments.push(Segment::Index(index.parse().ok()?));
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
    fn a_path_of_names_and_indices_goes_straight_to_its_value() {
        let name = |name: &str| Segment::Name(Arc::from(name));
        for (path, segments) in [
            ("$", Some(vec![])),
            ("$.a.b", Some(vec![name("a"), name("b")])),
            (
                "$['a b'][\"c\"][0][-1]",
                Some(vec![name("a b"), name("c"), Segment::Index(0), Segment::Index(-1)]),
            ),
            ("$.a[*]", None),
            ("$..a", None),
            ("$.*", None),
            ("$[0,1]", None),
            ("$[0:2]", None),
            ("$['a','b']", None),
            ("$['a\\'b']", None),
            ("$[?@.a == 1]", None),
        ] {
            assert!(serde_json_path::JsonPath::parse(path).is_ok(), "{path}");
            assert_eq!(singular(path), segments, "{path}");
        }
    }
}
