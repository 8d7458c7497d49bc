//! What the reader makes of good and bad texts; the rendering of its problems is tested in `tests/check.rs`.

use super::*;
use crate::language::diagnostic::{Code, Severity};

fn read(text: &str) -> Document {
    let (document, problems) = parse(&Source::new("a.xml", text));
    assert!(problems.is_empty(), "{text}: {problems:?}");
    document
}

/// Asserts the one problem of a text: the code, the text at its place, the message and the second places.
fn check(text: &str, code: Code, place: &str, message: &str, related: &[&str]) {
    let source = Source::new("a.xml", text);
    let (document, problems) = parse(&source);
    let [problem] = problems.as_slice() else { panic!("{text}: {problems:?}") };
    assert_eq!(problem.message, message, "{text}");
    assert_eq!(problem.code, code, "{text}");
    assert_eq!(source.slice(problem.span), place, "{text}: {:?}", source.position(problem.span.start));
    let shown: Vec<&str> = problem.related.iter().map(|related| source.slice(related.span)).collect();
    assert_eq!(shown, related, "{text}");
    assert!(document.root().is_none(), "{text}");
}

#[test]
fn elements_attributes_and_places_are_as_written() {
    let text = "<?xml version=\"1.0\"?>\n<!-- a --><Protocol a='1'  b = \"x &amp; y\">\n  <Name> n </Name><Params/>\n</Protocol>\n";
    let document = read(text);
    let source = document.source();
    let root = document.root().unwrap();
    assert_eq!(root.name(), "Protocol");
    assert_eq!(source.slice(root.name_span()), "Protocol");
    assert_eq!(source.slice(root.tag_span()), "<Protocol a='1'  b = \"x &amp; y\">");
    assert!(source.slice(root.span()).ends_with("</Protocol>"));
    assert_eq!(root.attributes().len(), 2);
    let b = root.attribute("b").unwrap();
    assert_eq!(b.value().value, "x & y");
    assert_eq!(source.slice(b.value().span), "x &amp; y");
    assert_eq!(source.slice(b.span()), "b = \"x &amp; y\"");
    assert_eq!(source.slice(Span { start: b.locate(4), end: b.value().span.end }), "y");
    assert_eq!(root.children().map(Element::name).collect::<Vec<_>>(), ["Name", "Params"]);
    let name = root.child("Name").unwrap();
    assert_eq!((name.text().value.as_ref(), source.slice(name.text().span)), ("n", "n"));
    assert_eq!(name.raw_text().value, " n ");
    assert_eq!(name.parent(), Some(root));
    assert!(!root.has_text());
    assert_eq!(root.child("Params").unwrap().text().value, "");
}

#[test]
fn text_is_all_text_and_cdata_joined_and_trimmed() {
    for (inside, text, raw) in [
        ("", "", ""),
        ("  ", "", "  "),
        ("a<!-- c -->b", "ab", "ab"),
        ("\r\n <![CDATA[x < y\r\nz]]> \r\n", "x < y\nz", "\n x < y\nz \n"),
        ("a &lt; b<![CDATA[ && ]]>c", "a < b && c", "a < b && c"),
        ("\n  <X/>\n  body\n", "body", "\n  body\n"),
        ("<X>no</X><![CDATA[body]]>\n<Y/>", "body", "body"),
        ("&#32;a&#10;", "a", " a\n"),
        ("&amp;", "&", "&"),
        ("ä&amp; ", "ä&", "ä& "),
    ] {
        let document = read(&format!("<P>{inside}</P>"));
        let root = document.root().unwrap();
        assert_eq!((root.text().value.as_ref(), root.raw_text().value.as_ref()), (text, raw), "{inside}");
    }
}

#[test]
fn places_in_a_text_lead_back_to_the_file() {
    let document = read("<P>\n  a &lt; <![CDATA[b]]> c&amp;\n</P>");
    let (root, source) = (document.root().unwrap(), document.source());
    assert_eq!(root.text().value, "a < b c&");
    assert_eq!(source.slice(root.text().span), "a &lt; <![CDATA[b]]> c&amp;");
    for (offset, rest) in [(0, "a &lt;"), (2, "&lt; "), (4, "b]]>"), (6, "c&amp;"), (7, "&amp;\n")] {
        let place = Span { start: root.locate(offset), end: root.span().end };
        assert!(source.slice(place).starts_with(rest), "{offset}: {}", source.slice(place));
    }
    assert_eq!(source.slice(Span { start: root.locate(900), end: root.span().end }), "</P>");
}

#[test]
fn byte_order_marks_line_ends_and_comments_do_no_harm() {
    for text in [
        "<P/>",
        "\u{feff}<P/>",
        "\u{feff}\u{feff}<P></P>",
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\" ?>\r\n<P>\r\n</P>\r\n",
        " \n<P a=\"\"/>\n<!-- end - of it -->\n<!---->",
        "<P\n\ta='x\"y'\n/>",
        "<P ></P >",
        "<P><![CDATA[</P>]]></P>",
    ] {
        let document = read(text);
        assert_eq!(document.root().map(Element::name), Some("P"), "{text}");
        let span = document.root().unwrap().span();
        assert!(document.source().slice(span).starts_with("<P"), "{text}");
    }
}

#[test]
fn names_belong_to_the_namespace_of_their_prefix() {
    let document = read(
        "<Protocol xmlns=\"http://www.skyline.be/protocol\" xmlns:mine=\"urn:backshell:1\" xmlns:f=\"urn:f\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:a=\"\" mine:b=\"\" c=\"\" f:d=\"\">\
         <mine:Limits/><Name/><f:Name/><X xmlns=\"urn:x\"><Y/></X><Z xmlns=\"\"/></Protocol>",
    );
    let root = document.root().unwrap();
    assert!(root.is("Protocol"));
    assert!(root.our_child("Limits").is_some() && root.child("Limits").is_none());
    let kinds: Vec<_> = root.children().map(Element::namespace).collect();
    use Namespace::{Foreign, Original, Ours, Standard};
    assert_eq!(kinds, [Ours, Original, Foreign, Foreign, Original]);
    let y = root.children().nth(3).and_then(|x| x.children().next()).unwrap();
    assert_eq!(y.namespace(), Foreign);
    let kinds: Vec<_> = root.attributes().map(Attribute::namespace).collect();
    assert_eq!(kinds, [Standard, Ours, Original, Foreign]);
    assert_eq!(document.declarations().len(), 6);
    assert_eq!(root.our_attribute("b").map(Attribute::full_name), Some("mine:b"));
}

#[test]
fn an_undeclared_prefix_is_an_error_once_and_ends_nothing() {
    let (document, problems) = parse(&Source::new("a.xml", "<P><bs:A/><bs:B bs:c=\"\"/></P>"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.first().unwrap();
    assert_eq!((problem.code, problem.severity), (Code::UndeclaredPrefix, Severity::Error));
    assert_eq!(document.source().slice(problem.span), "bs");
    assert!(document.root().is_some());
}

#[test]
fn a_missing_or_wrong_tag_is_told_with_its_other_half() {
    use Code::Malformed;
    check("<A><B>x</A>", Malformed, "</A>", "expected `</B>`, found `</A>`", &["B", "A"]);
    check("<A><B>x</b></A>", Malformed, "</b>", "expected `</B>`, found `</b>`", &["B"]);
    check("<A/></A>", Malformed, "</A>", "`</A>` closes nothing: no element is open", &[]);
    check("<A>\n<B>\n", Malformed, "", "the file ends before `<B>` is closed", &["B"]);
    check("<A>\n<B", Malformed, "<B", "the file ends inside the tag `<B`", &[]);
    check("<A></A", Malformed, "</A", "the file ends inside an end tag", &[]);
    check(
        "<A><B <C/></A>",
        Malformed,
        "<B",
        "the tag `<B` is not closed: found `<` where `>` was expected",
        &["<"],
    );
    check("<A><B/ ></A>", Malformed, " ", "expected `>` after `/` in the tag `<B`, found a blank", &[]);
    check("<A/><B/>", Malformed, "B", "a second root element `<B>`", &["A"]);
    check("<A/>junk", Malformed, "junk", "text behind the end of `<A>`", &["A"]);
    check("<A/>&amp;", Malformed, "&amp;", "text behind the end of `<A>`", &["A"]);
    check("junk <A/>", Malformed, "junk", "text in front of the first element", &[]);
    check("", Malformed, "", "the file is empty; expected `<Protocol>`", &[]);
    check("\u{feff} \n", Malformed, "", "the file is empty; expected `<Protocol>`", &[]);
    check("<!-- a -->", Malformed, "", "the file has no element; expected `<Protocol>`", &[]);
    check("<A>1 < 2</A>", Malformed, "<", "expected the name of an element after `<`, found a blank", &[]);
    check("<A><></A>", Malformed, "<", "expected the name of an element after `<`, found `>`", &[]);
    check(
        "<A></ ></A>",
        Malformed,
        "</ >",
        "expected `</A>`, found an end tag that is not closed or has no name",
        &["A"],
    );
}

#[test]
fn a_wrong_attribute_is_told_where_it_stands() {
    use Code::Malformed;
    check("<A a=\"1\" a=\"2\"/>", Malformed, "a", "attribute `a` is given twice in one tag", &["a"]);
    check("<A a/>", Malformed, "a", "attribute `a` has no value: `=` is missing", &[]);
    check("<A a=1/>", Malformed, "1", "the value of attribute `a` is not in quotes", &[]);
    check("<A a=x b=\"1\"/>", Malformed, "x", "the value of attribute `a` is not in quotes", &[]);
    check("<A a=\"1></A>", Malformed, "\"1", "the value of attribute `a` has no closing quote", &[]);
    check(
        "<A a=\"1>\n<B b=\"2\"/></A>",
        Malformed,
        "\"1",
        "the value of attribute `a` has no closing quote",
        &[],
    );
    check(
        "<A id=\"1 trending=\"false\"></A>",
        Malformed,
        "f",
        "expected a blank, `/` or `>` after the value of attribute `id`, found `f`",
        &["1 trending="],
    );
    check(
        "<A trending=\"false\"s></A>",
        Malformed,
        "s",
        "expected a blank, `/` or `>` after the value of attribute `trending`, found `s`",
        &[],
    );
    check("<A a=\"x<y\"/>", Malformed, "<", "`<` is not allowed in the value of attribute `a`", &[]);
    check("<A ,a=\"\"/>", Malformed, ",", "expected an attribute or `>` in the tag `<A`, found `,`", &[]);
    check("<A\"/>", Malformed, "\"", "`\"` cannot be part of an element's name", &[]);
}

#[test]
fn references_instructions_and_control_characters_are_checked() {
    use Code::{DoctypeRefused, Malformed, UnknownEntity};
    check("<A>&nbsp;</A>", UnknownEntity, "&nbsp;", "unknown entity `&nbsp;`", &[]);
    check("<A a=\"&x;\"/>", UnknownEntity, "&x;", "unknown entity `&x;`", &[]);
    check("<A>a & b</A>", Malformed, "&", "`&` begins no reference", &[]);
    check("<A>ä&b</A>", Malformed, "&", "`&` begins no reference", &[]);
    check("<A>a && b; c</A>", Malformed, "&", "`&` begins no reference", &[]);
    check("<A a=\"b&c\"/>", Malformed, "&", "`&` begins no reference", &[]);
    check("<A>&#0;</A>", Malformed, "&#0;", "`&#0;` is not a character that XML allows", &[]);
    check("<A>\u{1}</A>", Malformed, "\u{1}", "the control character U+0001 is not allowed in XML", &[]);
    check("<A><!-- </A>", Malformed, "<!--", "the comment is not closed", &[]);
    check("<A><!-\u{feff}</A>", Malformed, "<!-", "the comment is not closed", &[]);
    check("<A><![CDATA[</A>", Malformed, "<![CDATA[", "the CDATA section is not closed", &[]);
    for comment in ["<!-- a -- b -->", "<!-- a --->"] {
        check(&format!("<A>{comment}</A>"), Malformed, "--", "`--` is not allowed inside a comment", &[]);
    }
    assert_eq!(read("<A><!--- a -->--&gt;</A>").root().unwrap().text().value, "-->");
    check("<A>a]]></A>", Malformed, "]]>", "`]]>` ends no CDATA section", &[]);
    check("<A>\u{fffe}</A>", Malformed, "\u{fffe}", "the character U+FFFE is not allowed in XML", &[]);
    check(
        "<A><B\u{a0}id=''/></A>",
        Malformed,
        "\u{a0}",
        "the character U+00A0 cannot be part of a name",
        &[],
    );
    check("<A b×=''/>", Malformed, "×", "`×` cannot be part of a name", &[]);
    check("<A><?x </A>", Malformed, "<?", "the instruction is not closed", &[]);
    check("<A><!x></A>", Malformed, "<!", "`<!` begins neither a comment nor a CDATA section", &[]);
    let doctype = "a document type declaration is not allowed";
    check("<!DOCTYPE A><A/>", DoctypeRefused, "<!DOCTYPE A>", doctype, &[]);
    check("<!doctype A [\n<A/>", DoctypeRefused, "<!doctype A [", doctype, &[]);
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c \"&b;&b;\">]>";
    check(&format!("{bomb}<a>&c;</a>"), DoctypeRefused, bomb, doctype, &[]);
}

#[test]
fn the_declaration_stands_first_and_names_the_encoding_in_use() {
    let late = "the XML declaration does not stand at the start of the file";
    let declaration = "<?xml version=\"1.0\"?>";
    check(&format!("\n{declaration}<A/>"), Code::Malformed, declaration, late, &[]);
    check(&format!("<A>{declaration}</A>"), Code::Malformed, declaration, late, &[]);
    check("<?xml?><A/>", Code::Malformed, "<?xml?>", "the XML declaration has no version", &[]);
    for (encoding, text, warned) in [
        ("utf-8", "ä", false),
        ("UTF-8", "ä", false),
        ("utf-16", "a", false),
        ("ISO-8859-1", "a", false),
        ("ISO-8859-1", "ä", true),
        ("utf-16", "ä", true),
    ] {
        let text = format!("\u{feff}<?xml version='1.0' encoding='{encoding}'?><A>{text}</A>");
        let (document, problems) = parse(&Source::new("a.xml", text));
        let codes: Vec<_> = problems.iter().map(|problem| (problem.code, problem.severity)).collect();
        let expected: &[_] = if warned { &[(Code::NotUtf8, Severity::Warning)] } else { &[] };
        assert_eq!(codes, expected, "{encoding}");
        assert!(document.root().is_some(), "{encoding}");
    }
}

#[test]
fn limits_end_the_reading_with_their_own_code() {
    let deep = "<A>".repeat(1_000_000);
    check(&deep, Code::TooLarge, "A", "elements are nested more than 256 deep", &[]);
    let edge = format!("{}{}", "<A>".repeat(MAX_DEPTH), "</A>".repeat(MAX_DEPTH));
    assert_eq!(read(&edge).len(), MAX_DEPTH);
    let wide: String = (0..=MAX_ATTRIBUTES).map(|number| format!(" a{number}=\"\"")).collect();
    check(&format!("<A{wide}/>"), Code::TooLarge, "a64", "a tag has more than 64 attributes", &[]);
    let long = "n".repeat(MAX_NAME_BYTES + 1);
    for text in [format!("<{long}/>"), format!("<A {long}=\"\"/>")] {
        check(&text, Code::TooLarge, &long, "a name has more than 1000 bytes", &[]);
    }
    assert_eq!(read(&format!("<{}/>", "n".repeat(MAX_NAME_BYTES))).len(), 1);
    let many = format!("<A>{}</A>", "<b/>".repeat(MAX_ELEMENTS));
    check(&many, Code::TooLarge, "b", "the file has more than 1000000 elements", &[]);
}
