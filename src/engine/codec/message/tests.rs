//! One message, looked into by several.

use super::*;
use crate::language::model::build;

#[test]
fn what_a_match_asks_is_compared_by_meaning() {
    let text = r#"{"text":"5","number":5.0,"true":true,"null":null,"list":[5],"quoted":"a\"b","object":{}}"#;
    let message = Message::new(MessageKind::Text, Bytes::from(text));
    for (path, equals, expected) in [
        ("text", "5", true),
        ("number", "5", true),
        ("number", "5.0", true),
        ("number", "x", false),
        ("true", "true", true),
        ("true", "1", false),
        ("null", "null", true),
        ("null", "", false),
        ("list", "[5]", false),
        ("list.0", "5", true),
        ("list.-1", "5", true),
        ("quoted", "a\"b", true),
        ("none", "", false),
        ("$.list[?@ > 4]", "5", true),
        ("$.list[?@ > 5]", "5", false),
        ("$..quoted", "a\"b", true),
    ] {
        assert_eq!(message.fulfils(&[build::equals(path, equals)]), expected, "{path} = {equals}");
    }
}

#[test]
fn nothing_holds_on_what_is_no_json_not_even_that_nothing_is_there() {
    let absent = Match { at: Place::Part(build::path("a").into()), test: Test::Exists(false) };
    for (text, expected) in [(&b"{}"[..], true), (b"", false), (b"{", false), (b"\xFF", false)] {
        let message = Message::new(MessageKind::Binary, Bytes::from_static(text));
        assert_eq!(message.fulfils(std::slice::from_ref(&absent)), expected, "{text:?}");
        assert_eq!(message.json_error().is_none(), expected);
        assert!(message.fulfils(&[]), "no condition always holds");
    }
}

#[test]
fn a_byte_order_mark_is_passed() {
    let message = Message::new(MessageKind::Text, Bytes::from("\u{feff}{\"a\":1}"));
    assert!(message.fulfils(&[build::equals("a", "1"), build::equals("$..a", "1")]));
}

#[test]
fn a_deep_message_is_refused_for_both_kinds_of_paths() {
    let text = ["[".repeat(200_000), "]".repeat(200_000)].concat();
    let message = Message::new(MessageKind::Text, Bytes::from(text));
    assert_eq!(message.json_error().map(|error| error.what), Some("nesting too deep"));
    for path in ["", "$..a"] {
        assert!(message.select(&build::path(path)).is_none());
    }
}
