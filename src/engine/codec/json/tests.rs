//! Paths into JSON texts, against `serde_json` where it can tell.

use proptest::prelude::*;
use serde_json::Value as Tree;

use super::*;
use crate::language::model::build;
use crate::language::model::message::PathForm;

fn segments(path: &str) -> Vec<Segment> {
    match build::path(path).form {
        PathForm::Singular(segments) => segments.to_vec(),
        PathForm::Each(_) | PathForm::General(_) => panic!("{path} selects more than one value"),
    }
}

fn found(text: &str, path: &str) -> Option<String> {
    let tape = Tape::new(text).expect("valid JSON");
    let by_tape = tape.find(text.as_bytes(), &segments(path)).map(|found| found.text().into_owned());
    let by_walk = walk(text.as_bytes(), &segments(path)).map(|found| found.text().into_owned());
    assert_eq!(by_tape, by_walk, "{path} in {text}");
    by_tape
}

#[test]
fn a_path_finds_its_value() {
    let text = r#" {"a": {"b": [1, -2.5e3, "x\"\u00e9\ud83d\ude00", true, null, [], {}]}, "k\u0065y": 7, "a b": "\/"} "#;
    for (path, expected) in [
        ("a.b.0", Some("1")),
        ("a.b.1", Some("-2.5e3")),
        ("a.b.2", Some("x\"é😀")),
        ("a.b.3", Some("true")),
        ("a.b.4", Some("null")),
        ("a.b.5", Some("[]")),
        ("a.b.6", Some("{}")),
        ("a.b.7", None),
        ("a.b.-1", Some("{}")),
        ("a.b.-7", Some("1")),
        ("a.b.-8", None),
        ("a.c", None),
        ("a.b.c", None),
        ("a.0", None),
        ("key", Some("7")),
        ("a b", Some("/")),
        ("a.b.6.x", None),
        ("a.b.5.0", None),
    ] {
        assert_eq!(found(text, path).as_deref(), expected, "{path}");
    }
    assert_eq!(found("5", "").as_deref(), Some("5"));
}

#[test]
fn of_equal_names_the_last_counts() {
    assert_eq!(found(r#"{"a":1,"a":{"b":2},"a":3}"#, "a").as_deref(), Some("3"));
    assert_eq!(found(r#"{"a":{"b":2},"a":3}"#, "a.b"), None);
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character() {
    for (text, expected) in [
        (r#""\ud800""#, "\u{fffd}"),
        (r#""\ud800x""#, "\u{fffd}x"),
        (r#""\udc00\ud800""#, "\u{fffd}\u{fffd}"),
        (r#""\ud800\u0041""#, "\u{fffd}A"),
    ] {
        assert_eq!(found(text, "").as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    for (text, what, at) in [
        ("", "the text ends too early", 0),
        ("  ", "the text ends too early", 2),
        ("{\"a\":1", "the text ends too early", 6),
        ("{\"a\" 1}", "a colon is missing", 5),
        ("{a:1}", "a member without a name", 1),
        ("{\"a\":1,}", "a member without a name", 7),
        ("[1,]", "this begins no value", 3),
        ("[1 2]", "a comma or a closing bracket is missing", 3),
        ("[1}", "a comma or a closing bracket is missing", 2),
        ("NaN", "this begins no value", 0),
        ("nul", "this begins no value", 0),
        ("-", "a digit is missing", 1),
        ("01", "a number begins with a needless 0", 1),
        ("1.", "a digit is missing", 2),
        ("1e", "a digit is missing", 2),
        ("\"a\nb\"", "a control character in a string", 2),
        ("\"\\x\"", "an unknown escape", 1),
        ("\"\\u12g4\"", "an escape without four digits", 1),
        ("\"\\u12", "an escape without four digits", 1),
        ("{} {}", "text after the value", 3),
    ] {
        assert_eq!(Tape::new(text).expect_err(text), JsonError { what, at }, "{text}");
    }
}

#[test]
fn nesting_has_a_limit_and_no_depth_overflows_the_stack() {
    let nested = |open: &str, close: &str, depth: usize| [open.repeat(depth), close.repeat(depth)].concat();
    assert!(Tape::new(&nested("[", "]", MAX_DEPTH)).is_ok());
    assert!(Tape::new(&nested("[", "]", MAX_DEPTH + 1)).is_err());
    assert!(Tape::new(&"[".repeat(16 << 20)).is_err());
    assert!(Tape::new(&"{\"a\":".repeat(3 << 20)).is_err());
}

#[test]
fn a_text_of_very_many_values_is_read_without_notes() {
    let text = format!("{{\"list\":[{}0],\"last\":\"x\"}}", "1,".repeat(MAX_NOTES));
    let tape = Tape::new(&text).expect("valid JSON");
    assert!(tape.notes.is_empty());
    for (path, expected) in [("last", Some("x")), ("list.-1", Some("0")), ("list.5", Some("1")), ("x", None)]
    {
        let text = tape.find(text.as_bytes(), &segments(path)).map(|found| found.text().into_owned());
        assert_eq!(text.as_deref(), expected, "{path}");
    }
}

/// Trees without numbers that are written in more than one way.
fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::from),
        any::<i32>().prop_map(Tree::from),
        ".{0,40}".prop_map(Tree::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::from),
            prop::collection::btree_map("[a-c\"\\\\é]{0,2}", inner, 0..6)
                .prop_map(|members| Tree::Object(members.into_iter().collect())),
        ]
    })
}

fn steps() -> impl Strategy<Value = Vec<Segment>> {
    let step = prop_oneof![
        "[a-c\"\\\\é]{0,2}".prop_map(|name| Segment::Name(name.into())),
        (-3..4_i64).prop_map(Segment::Index)
    ];
    prop::collection::vec(step, 0..4)
}

fn in_tree<'a>(tree: &'a Tree, path: &[Segment]) -> Option<&'a Tree> {
    path.iter().try_fold(tree, |tree, segment| match segment {
        Segment::Name(name) => tree.as_object()?.get(&**name),
        Segment::Index(index) => {
            let list = tree.as_array()?;
            list.get(position(*index, || list.len())?)
        }
        Segment::All => None,
    })
}

proptest! {
    #[test]
    fn paths_find_what_a_tree_has_there(tree in trees(), path in steps(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) };
        let text = text.expect("a tree has a text");
        let expected = in_tree(&tree, &path);
        for found in [Tape::new(&text).expect("valid JSON").find(text.as_bytes(), &path), walk(text.as_bytes(), &path)] {
            let literal = found.map(|found| serde_json::from_str(found.literal).expect("a literal is JSON"));
            prop_assert_eq!(literal.as_ref(), expected);
            if let (Some(found), Some(Tree::String(text))) = (found, expected) {
                prop_assert_eq!(&*found.text(), text);
            }
        }
    }

    #[test]
    fn any_text_is_judged_as_serde_json_judges_it(text in "[\\[\\]{}:,\"\\\\u0-9a-f.eE+ tn-]{0,24}") {
        // Half a surrogate pair is an error there and a replacement character here.
        prop_assume!(!text.contains("\\ud"));
        // A number beyond the doubles is an error there; it is a number by the grammar.
        let theirs = serde_json::from_str::<Tree>(&text);
        let out_of_range = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        prop_assert_eq!(Tape::new(&text).is_ok() || out_of_range, theirs.is_ok() || out_of_range, "{}", text);
    }

    #[test]
    fn no_bytes_panic(text in ".{0,60}", path in steps()) {
        if let Ok(tape) = Tape::new(&text) {
            let _ = tape.find(text.as_bytes(), &path);
        }
        let _ = walk(text.as_bytes(), &path);
    }
}
