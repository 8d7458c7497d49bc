//! Whether what came is what a scenario expects, and if not, where it differs, in words; waits for nothing.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use regex::Regex;
use serde_json::Value;

use super::binary;
use super::file::Head;

/// How much of a value a difference shows.
const SHOWN: usize = 300;

/// Where something differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The place, such as `$.items[0].id` or `header Authorization`.
    pub place: String,
    /// What is wrong there.
    pub what: String,
    /// How deep the place is: of two candidates the one that differs deeper is nearer.
    pub depth: usize,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A message or a body: as text, and as JSON where it is that.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// The text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// The JSON.
    pub json: Option<Value>,
    /// The bytes, where they are not UTF-8.
    pub bytes: Option<Bytes>,
}

impl Content {
    /// Reads bytes.
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::of_text(text, serde_json::from_str(text).ok()),
            Err(_) => Self {
                text: String::from_utf8_lossy(bytes).into_owned(),
                json: None,
                bytes: Some(Bytes::copy_from_slice(bytes)),
            },
        }
    }

    /// A text that is known to be this JSON, or none.
    pub fn of_text(text: &str, json: Option<Value>) -> Self {
        Self { text: text.to_owned(), json, bytes: None }
    }

    /// About how much memory it takes.
    pub fn weight(&self) -> usize {
        fn of(json: &Value) -> usize {
            size_of::<Value>()
                + match json {
                    Value::Null | Value::Bool(_) | Value::Number(_) => 0,
                    Value::String(text) => text.len(),
                    Value::Array(list) => list.iter().map(of).sum(),
                    // A place in a tree, about.
                    Value::Object(members) => members
                        .iter()
                        .map(|(name, value)| 3 * size_of::<Value>() + name.len() + of(value))
                        .sum(),
                }
        }
        size_of::<Self>()
            + self.text.len()
            + self.json.as_ref().map_or(0, of)
            + self.bytes.as_ref().map_or(0, Bytes::len)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.json, &self.bytes) {
            (Some(json), _) => f.write_str(&short(json)),
            (None, Some(bytes)) => f.write_str(&shown(bytes)),
            (None, None) => write!(f, "`{}`", cut(&self.text)),
        }
    }
}

/// Whether a message or a body is what is expected: a text is the whole text, anything else a part of its JSON.
///
/// Of an object only the members that are expected count; a list has the same length. A text such as `{any}`, `{number}`,
/// `{string}` or `{match: REGEX}` stands for what it says.
pub fn content(expected: &Value, found: &Content) -> Result<(), Difference> {
    let as_text = || Difference {
        place: "the text".into(),
        what: format!("expected {}, found `{}`", short(expected), cut(&found.text)),
        depth: 0,
    };
    if let Some(bytes) = binary::bytes(expected) {
        let is = found.bytes.as_deref().unwrap_or(found.text.as_bytes());
        let what = match bytes {
            Ok(bytes) if bytes == is => return Ok(()),
            Ok(bytes) => format!("expected {}, found {}", shown(&bytes), shown(is)),
            Err(problem) => problem,
        };
        return Err(Difference { place: "the bytes".into(), what, depth: 0 });
    }
    match (expected, &found.json) {
        // A number or a word in quotes may be meant as JSON too.
        (Value::String(text), json) => match (pattern(text), json) {
            (Some(Pattern::Text(regex)), _) if regex.is_match(&found.text) => Ok(()),
            (Some(Pattern::Text(_)), _) => Err(as_text()),
            (Some(Pattern::Any), _) => Ok(()),
            (Some(_), Some(json)) => value(expected, json, "$", 0),
            (Some(_), None) => Err(as_text()),
            (None, _) if *text == found.text => Ok(()),
            (None, Some(json)) if json.as_str() == Some(text) => Ok(()),
            (None, _) => Err(as_text()),
        },
        (_, Some(json)) => value(expected, json, "$", 0),
        (_, None) => Err(Difference {
            place: "the text".into(),
            what: format!("expected JSON, found `{}`", cut(&found.text)),
            depth: 0,
        }),
    }
}

/// The head of a request: method, path and headers.
pub fn head(
    expected: &Head,
    method: &str,
    path: &str,
    headers: &BTreeMap<String, Vec<String>>,
) -> Result<(), Difference> {
    let differs = |place: &str, expected: &str, found: &str, depth| {
        Err(Difference {
            place: place.to_owned(),
            what: format!("expected `{expected}`, found `{}`", cut(found)),
            depth,
        })
    };
    if let Some(wanted) = expected.method.as_deref().filter(|wanted| !wanted.eq_ignore_ascii_case(method)) {
        return differs("the method", wanted, method, 0);
    }
    if let Some(wanted) = &expected.path {
        let alone = path.split(['?', '#']).next().unwrap_or(path);
        let fits = match (is_pattern(wanted), wanted.contains('?')) {
            (true, _) => text(wanted, path) || text(wanted, alone),
            (false, true) => wanted == path,
            (false, false) => wanted == alone,
        };
        if !fits {
            return differs("the path", wanted, path, 1);
        }
    }
    for (name, wanted) in &expected.headers {
        let found = headers.get(&name.to_ascii_lowercase()).map(|values| values.join(", "));
        let place = format!("header {name}");
        match (wanted, found) {
            (Value::Bool(false), None) => {}
            (Value::Bool(true), Some(_)) => {}
            (Value::Bool(false), Some(found)) => {
                let what = format!("expected none, found `{}`", cut(&found));
                return Err(Difference { place, what, depth: 2 });
            }
            (wanted, None) => {
                let what = format!("expected {}, there is none", short(wanted));
                return Err(Difference { place, what, depth: 2 });
            }
            (wanted, Some(found)) => {
                let wanted = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
                if !text(&wanted, &found) {
                    return differs(&place, &wanted, &found, 2);
                }
            }
        }
    }
    Ok(())
}

/// Whether a text is another, or what its pattern says.
fn text(expected: &str, found: &str) -> bool {
    match pattern(expected) {
        None => expected == found,
        Some(Pattern::Text(regex)) => regex.is_match(found),
        Some(Pattern::Any | Pattern::String) => true,
        Some(Pattern::Number) => found.parse::<f64>().is_ok(),
        Some(Pattern::Bad(_)) => false,
    }
}

enum Pattern {
    Any,
    Number,
    String,
    Text(Regex),
    Bad(String),
}

/// What stands in braces, if anything does.
fn pattern(text: &str) -> Option<Pattern> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    match inner {
        "any" => Some(Pattern::Any),
        "number" => Some(Pattern::Number),
        "string" => Some(Pattern::String),
        _ => {
            let regex = inner.strip_prefix("match:")?.trim();
            // The whole text, as everywhere in this file.
            Some(match Regex::new(&format!("^(?s:{regex})$")) {
                Ok(regex) => Pattern::Text(regex),
                // By itself, so that what is said of it shows what its author wrote.
                Err(error) => Pattern::Bad(Regex::new(regex).map_or_else(|own| own, |_| error).to_string()),
            })
        }
    }
}

/// Whether a text stands for what its braces say.
pub(super) fn is_pattern(text: &str) -> bool {
    pattern(text).is_some()
}

/// What is wrong with the pattern in a text; none if there is none, or nothing is wrong with it.
pub(super) fn bad_pattern(text: &str) -> Option<String> {
    match pattern(text)? {
        Pattern::Bad(error) => {
            // The last line says what is wrong; those before it draw where.
            let why = error.lines().next_back().unwrap_or(&error);
            Some(format!("`{text}` is no pattern: {}", why.trim_start_matches("error: ")))
        }
        Pattern::Any | Pattern::Number | Pattern::String | Pattern::Text(_) => None,
    }
}

/// The first difference of a value, from the top.
fn value(expected: &Value, found: &Value, place: &str, depth: usize) -> Result<(), Difference> {
    let differs = |what: String| Err(Difference { place: place.to_owned(), what, depth });
    let plain = || differs(format!("expected {}, found {}", short(expected), short(found)));
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (name, wanted) in expected {
                let place = format!("{place}.{name}");
                match found.get(name) {
                    Some(found) => value(wanted, found, &place, depth + 1)?,
                    None => {
                        let what = format!("expected {}, there is none", short(wanted));
                        return Err(Difference { place, what, depth: depth + 1 });
                    }
                }
            }
            Ok(())
        }
        (Value::Array(expected), Value::Array(found)) => {
            for (index, (wanted, found)) in expected.iter().zip(found).enumerate() {
                value(wanted, found, &format!("{place}[{index}]"), depth + 1)?;
            }
            match expected.len() == found.len() {
                true => Ok(()),
                false => differs(format!("expected {} in the list, found {}", expected.len(), found.len())),
            }
        }
        (Value::Number(expected), Value::Number(found)) if expected.as_f64() == found.as_f64() => Ok(()),
        (Value::String(text), _) => match (pattern(text), found) {
            (Some(Pattern::Any), _)
            | (Some(Pattern::Number), Value::Number(_))
            | (Some(Pattern::String), Value::String(_)) => Ok(()),
            (Some(Pattern::Text(regex)), Value::String(found)) if regex.is_match(found) => Ok(()),
            (Some(Pattern::Bad(error)), _) => differs(format!("the pattern is none: {error}")),
            (None, Value::String(found)) if text == found => Ok(()),
            (Some(_) | None, _) => plain(),
        },
        (expected, found) if expected == found => Ok(()),
        (_, _) => plain(),
    }
}

/// JSON for people, cut.
pub fn short(value: &Value) -> String {
    cut(&value.to_string())
}

/// A text for people, cut, and nothing in it that a terminal would obey.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", visible(text.get(..end).unwrap_or_default())),
        None => visible(text),
    }
}

/// A text without anything that a terminal would obey; blanks and line breaks are seen, as they make a difference.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // They turn a line around, and are no control characters for `char`.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => visible.extend(c.escape_unicode()),
            c if c.is_control() => visible.extend(c.escape_default()),
            c => visible.push(c),
        }
    }
    visible
}

/// Bytes for people, cut.
fn shown(bytes: &[u8]) -> String {
    let mut shown: Vec<String> = bytes.iter().take(SHOWN / 3).map(|byte| format!("{byte:02x}")).collect();
    if shown.len() < bytes.len() {
        shown.push("...".to_owned());
    }
    format!("the bytes {}", shown.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_of_the_json_is_enough_and_the_first_difference_is_named() {
        let check = |expected: Value, found: &str, difference: Option<&str>| {
            let found = content(&expected, &Content::new(found.as_bytes()));
            assert_eq!(
                found.map_err(|difference| difference.to_string()).err().as_deref(),
                difference,
                "{expected}"
            );
        };
        check(json!({"a": 1}), r#"{"a":1.0,"b":2}"#, None);
        check(json!({"a": {"b": [1, {"c": "x"}]}}), r#"{"a":{"b":[1,{"c":"x","d":0}]}}"#, None);
        check(json!({"a": 1}), r#"{"b":2}"#, Some("$.a: expected 1, there is none"));
        check(json!({"a": [1, 2]}), r#"{"a":[1]}"#, Some("$.a: expected 2 in the list, found 1"));
        check(json!({"a": [1]}), r#"{"a":["1"]}"#, Some("$.a[0]: expected 1, found \"1\""));
        check(json!({"a": null}), r#"{"a":null}"#, None);
        check(json!({"a": "{any}", "b": "{number}", "c": "{string}"}), r#"{"a":[],"b":1,"c":""}"#, None);
        check(json!({"a": "{number}"}), r#"{"a":"1"}"#, Some("$.a: expected \"{number}\", found \"1\""));
        check(json!({"a": "{match: [0-9]+}"}), r#"{"a":"12"}"#, None);
        check(
            json!({"a": "{match: [0-9]+}"}),
            r#"{"a":"12x"}"#,
            Some("$.a: expected \"{match: [0-9]+}\", found \"12x\""),
        );
        check(json!("dump"), "dump", None);
        check(json!("dump"), "\"dump\"", None);
        check(json!("dump"), "dumps", Some("the text: expected \"dump\", found `dumps`"));
        check(json!("{match: a.*}"), "a\nb", None);
        check(json!({"a": 1}), "no", Some("the text: expected JSON, found `no`"));
        check(json!({"binary": "6e 6f"}), "no", None);
        check(json!({"binary": "00"}), "no", Some("the bytes: expected the bytes 00, found the bytes 6e 6f"));
        check(
            json!("x"),
            "\u{1b}[31m\u{202e}",
            Some("the text: expected \"x\", found `\\u{1b}[31m\\u{202e}`"),
        );
    }

    #[test]
    fn blanks_and_line_breaks_are_seen_where_they_make_the_difference() {
        let difference = content(&json!("a"), &Content::new(b" a\r\n")).unwrap_err();
        assert_eq!(difference.what, "expected \"a\", found ` a\\r\\n`");
    }

    #[test]
    fn bytes_that_are_no_text_are_compared_as_bytes() {
        let found = Content::new(&[0, 255]);
        assert_eq!(content(&json!({"binary": "00ff"}), &found), Ok(()));
        assert_eq!(content(&json!({"base64": "AP8="}), &found), Ok(()));
        // What stands for bytes that are no text is not the bytes.
        assert!(content(&json!({"binary": "00 ef bf bd"}), &found).is_err());
        assert_eq!(found.to_string(), "the bytes 00 ff");
    }

    #[test]
    fn a_pattern_that_is_none_is_told() {
        assert_eq!(
            bad_pattern("{match: a(}").as_deref(),
            Some("`{match: a(}` is no pattern: unclosed group")
        );
        for good in ["{match: a()}", "{any}", "{match: [0-9]{2}}", "match: a(", "a"] {
            assert_eq!(bad_pattern(good), None, "{good}");
        }
    }

    #[test]
    fn a_head_is_compared_part_by_part() {
        let expected = |text: &str| toml::from_str::<Head>(text).expect("a head");
        let headers = BTreeMap::from([("authorization".to_owned(), vec!["Bearer t".to_owned()])]);
        let check = |expected: &Head, difference: Option<&str>| {
            let found = head(expected, "GET", "/x?a=1", &headers);
            assert_eq!(found.map_err(|difference| difference.to_string()).err().as_deref(), difference);
        };
        check(&expected(""), None);
        check(&expected("path = '/x'"), None);
        check(&expected("path = '/x?a=1'"), None);
        check(&expected("path = '/x?a=2'"), Some("the path: expected `/x?a=2`, found `/x?a=1`"));
        check(&expected("path = '{match: /[a-z]}'"), None);
        check(&expected("path = '{match: /x\\?a=[0-9]}'"), None);
        check(
            &expected("path = '{match: /[0-9]}'"),
            Some("the path: expected `{match: /[0-9]}`, found `/x?a=1`"),
        );
        check(&expected("headers = { Authorization = 'Bearer t', Cookie = false }"), None);
        check(&expected("headers = { Authorization = '{match: Bearer .+}' }"), None);
        check(
            &expected("headers = { Authorization = false }"),
            Some("header Authorization: expected none, found `Bearer t`"),
        );
        check(&expected("headers = { Cookie = 'a' }"), Some("header Cookie: expected \"a\", there is none"));
        let put = Head { method: Some("PUT".into()), ..Head::default() };
        check(&put, Some("the method: expected `PUT`, found `GET`"));
    }
}
