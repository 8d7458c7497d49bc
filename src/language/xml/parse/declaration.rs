//! The XML declaration of a file: where it stands, and whether the encoding that it names is the one in use.

use quick_xml::events::BytesDecl;

use crate::language::diagnostic::{Code, Diagnostic, Severity};
use crate::language::source::Span;

use super::super::tag::{Fatal, malformed};

/// What is wrong with a declaration at a place, where nothing stands before it; a warning does not end the reading.
pub(super) fn check(
    declaration: &BytesDecl<'_>,
    text: &str,
    place: Span,
) -> Result<Option<Diagnostic>, Fatal> {
    if declaration.version().is_err() {
        return Err(malformed(place, "the XML declaration has no version")
            .with_help("write `<?xml version=\"1.0\" encoding=\"utf-8\"?>`")
            .into());
    }
    let encoding = match declaration.encoding() {
        Some(Ok(encoding)) => encoding,
        Some(Err(_)) | None => return Ok(None),
    };
    let same = ["utf-8", "utf8"].iter().any(|name| encoding.eq_ignore_ascii_case(name));
    // In ASCII nearly every encoding is the same as UTF-8, and text beyond it that reads as UTF-8 is UTF-8.
    if same || text.trim_start_matches('\u{feff}').is_ascii() {
        return Ok(None);
    }
    let message = format!("the file is UTF-8, but its declaration says `{encoding}`");
    let mut problem = Diagnostic::new(Code::NotUtf8, place, message);
    problem.severity = Severity::Warning;
    Ok(Some(problem.with_help("write `encoding=\"utf-8\"`: other programs believe the declaration")))
}

/// A declaration with something in front of it.
pub(super) fn late(place: Span) -> Fatal {
    malformed(place, "the XML declaration does not stand at the start of the file")
        .with_help("remove what stands in front of it, or the declaration, which is not needed")
        .into()
}
