//! XPath on messages, and the bounds of both.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> XPath {
    let expression = xpath_eval::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    XPath { text: text.into(), expression: Arc::new(expression) }
}

fn find(text: &str, at: &str) -> Result<Option<serde_json::Value>, Trouble> {
    find_within(1 << 17, text, at)
}

fn find_within(fuel: usize, text: &str, at: &str) -> Result<Option<serde_json::Value>, Trouble> {
    let tree = Tree::new(text.as_bytes()).expect("it is XML");
    let search = Search::new(&tree, fuel);
    search.value(&path(at), search.whole())
}

#[test]
fn paths_find_elements_attributes_texts_and_values() {
    let text = r#"<?xml version="1.0"?>
<s:status xmlns:s="urn:x" at="5"><level unit="dB">-12.5</level><s:level>7</s:level>
<note>a &amp; <b>b</b> c<![CDATA[ <d>]]></note><list><i k="1">x</i><i k="2">y</i><!-- no --><i/></list></s:status>"#;
    for (at, expected) in [
        ("/status/@at", Some("\"5\"")),
        ("/s:status/level/@unit", Some("\"dB\"")),
        ("/x:status", None),
        ("//level", Some("\"-12.5\"")),
        ("//s:level", Some("\"7\"")),
        ("//note", Some("\"a & b c <d>\"")),
        ("//note/text()", Some("\"a & \"")),
        ("//note/text()[last()]", Some("\" c <d>\"")),
        ("//i[@k = '2']", Some("\"y\"")),
        ("//i[3]", Some("\"\"")),
        ("//i[4]", None),
        ("count(//i)", Some("3")),
        ("sum(//@k)", Some("3")),
        ("//level + 0.5", Some("-12")),
        ("number('x')", Some("null")),
        ("1 div 0", Some("null")),
        ("//i[@k = ../i[1]/@k]/text()", Some("\"x\"")),
        ("count(//i) > 3", Some("false")),
        ("concat(//level/@unit, '/', name(//i))", Some("\"dB/i\"")),
        ("//i[2]/preceding-sibling::i/@k", Some("\"1\"")),
        ("//b/ancestor::note/following-sibling::list/i", Some("\"x\"")),
        ("normalize-space(//list)", Some("\"xy\"")),
    ] {
        let found = find(text, at).expect("in time").map(|value| value.to_string());
        assert_eq!(found.as_deref(), expected, "{at}");
    }
}

#[test]
fn what_is_no_xml_and_what_would_expand_is_refused() {
    let bomb = r#"<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;&y;</a>"#;
    for (text, why) in [
        (bomb, "a document type, which is never read"),
        ("<a>&other;</a>", "no well-formed XML"),
        ("<a><b></a>", "no well-formed XML"),
        ("", "no well-formed XML"),
        ("{}", "no well-formed XML"),
    ] {
        assert_eq!(Tree::new(text.as_bytes()).map(|_| ()), Err(why), "{text}");
    }
    let deep = ["<a>".repeat(100_000), "</a>".repeat(100_000)].concat();
    assert!(Tree::new(deep.as_bytes()).is_err());
    let many = format!("<a>{}</a>", "<b/>".repeat(MAX_NODES));
    assert_eq!(Tree::new(many.as_bytes()).map(|_| ()), Err("too many elements, attributes and texts"));
    assert_eq!(Tree::new(b"<a>\xE9</a>").map(|_| ()), Err("not text in its encoding"));
}

#[test]
fn a_declared_encoding_is_read() {
    for bytes in [
        &b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a>\xE9</a>"[..],
        &b"\xFE\xFF\0<\0a\0>\0\xE9\0<\0/\0a\0>"[..],
        "\u{feff}<a>é</a>".as_bytes(),
    ] {
        let tree = Tree::new(bytes).expect("it is XML");
        let search = Search::new(&tree, FUEL);
        assert_eq!(search.value(&path("/a"), search.whole()), Ok(Some("é".into())));
    }
}

#[test]
fn a_path_that_takes_too_many_steps_ends() {
    let wide = format!("<a>{}</a>", "<b><c>x</c></b>".repeat(4_000));
    for at in
        ["//b[count(preceding::b) > 5]", "//*[//c[. = 'y']]", "//*//*[string(/) = 'x']", "//b[../b = 'y']"]
    {
        assert_eq!(find(&wide, at), Err(Trouble::TooMuch), "{at}");
    }
    assert_eq!(find(&wide, "//b[4000]/c"), Ok(Some("x".into())));
}

proptest! {
    /// Any document and any of some paths: a value, nothing, or an error, and never a panic.
    #[test]
    fn any_text_is_a_tree_or_none(text in "(<a>|</a>|<b k='1'>|</b>|x|&amp;|<c/>| ){0,30}", at in prop::sample::select(vec![
        "//a", "//@k", "//a[last()]/b", "string(/)", "a/b/../@k", "//text()[2]", "id('1')", "//a | //b", "-(-//b)",
    ])) {
        if let Ok(tree) = Tree::new(format!("<r>{text}</r>").as_bytes()) {
            let search = Search::new(&tree, FUEL);
            prop_assert!(search.value(&path(at), search.whole()).is_ok());
            let Ok(Selected::Nodes(nodes)) = search.select(&path("//*"), search.whole()) else { panic!("elements") };
            for node in nodes {
                prop_assert!(text.contains(node.local_name()) || node.local_name() == "r");
            }
        }
    }
}
