//! Any bytes through the XML reader, with every text and place asked for; it must neither panic nor point outside the file.
#![no_main]

use backshell::language::source::{Source, Span};
use backshell::language::xml::{self, Element};
use libfuzzer_sys::fuzz_target;

fn inside(source: &Source, span: Span) {
    let (start, end) = (span.start as usize, span.end as usize);
    assert!(start <= end && end <= source.text().len(), "{span:?}");
    assert!(source.text().is_char_boundary(start) && source.text().is_char_boundary(end), "{span:?}");
}

fn look(source: &Source, element: Element<'_>) {
    inside(source, element.span());
    inside(source, element.tag_span());
    inside(source, element.name_span());
    let text = element.text();
    inside(source, text.span);
    assert_eq!(text.value.trim(), text.value);
    for offset in [0, 1, text.value.len()] {
        assert!(element.locate(offset) as usize <= source.text().len());
        assert!(element.locate_raw(offset) as usize <= source.text().len());
    }
    for attribute in element.attributes() {
        inside(source, attribute.span());
        inside(source, attribute.name_span());
        inside(source, attribute.value().span);
        inside(source, attribute.trimmed().span);
        assert!(attribute.locate(1) as usize <= source.text().len());
    }
    for child in element.children() {
        look(source, child);
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = Source::new("fuzz.xml", text);
    let (document, problems) = xml::parse(&source);
    for problem in &problems {
        inside(&source, problem.span);
        for related in &problem.related {
            inside(&source, related.span);
        }
    }
    match document.root() {
        Some(root) => look(&source, root),
        None => assert!(!problems.is_empty(), "refused without a reason"),
    }
});
