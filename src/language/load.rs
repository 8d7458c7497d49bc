//! The stages of loading in their order, as functions; each stage reports for itself.

use std::sync::Arc;

use crate::language::diagnostic::{Code, Diagnostic, Report};
use crate::language::model::Protocol;
use crate::language::model::compile::compile;
use crate::language::source::{Source, Span};
use crate::language::xml::Document;
use crate::language::{definition, schema, xml};

/// A file that cannot be loaded at all: the problem, with a source in which its place can be shown.
#[derive(Debug)]
pub struct Refused {
    /// The text as far as there is one.
    pub source: Source,
    /// Why.
    pub problem: Diagnostic,
}

impl Refused {
    /// A file without a text.
    pub fn without_text(name: &str, problem: Diagnostic) -> Box<Self> {
        Box::new(Self { source: Source::new(name, ""), problem })
    }
}

/// Makes a source of the bytes of a file.
///
/// # Errors
///
/// If the bytes are not UTF-8 or more than [`xml::MAX_BYTES`].
pub fn decode(name: &str, bytes: Vec<u8>) -> Result<Source, Box<Refused>> {
    if bytes.len() > xml::MAX_BYTES {
        let message = format!("the file has more than {} MiB", xml::MAX_BYTES >> 20);
        return Err(Refused::without_text(name, Diagnostic::new(Code::TooLarge, Span::default(), message)));
    }
    if let Some(encoding) = wide_encoding(&bytes) {
        let message = format!("the file is {encoding}, not UTF-8");
        let problem = Diagnostic::new(Code::NotUtf8, Span::default(), message).with_help(SAVE_AS_UTF8);
        return Err(Refused::without_text(name, problem));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            Err(not_utf8(name, error.as_bytes(), valid))
        }
    }
}

const SAVE_AS_UTF8: &str = "save the file as UTF-8";

/// The encoding with more than one byte for each character that a file is in, by its mark or by its first `<`.
fn wide_encoding(bytes: &[u8]) -> Option<&'static str> {
    const STARTS: &[(&[u8], &str)] = &[
        (b"\xff\xfe\0\0", "UTF-32"),
        (b"\0\0\xfe\xff", "UTF-32"),
        (b"<\0\0\0", "UTF-32"),
        (b"\0\0\0<", "UTF-32"),
        (b"\xff\xfe", "UTF-16"),
        (b"\xfe\xff", "UTF-16"),
        (b"<\0", "UTF-16"),
        (b"\0<", "UTF-16"),
    ];
    STARTS.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, encoding)| *encoding)
}

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> Box<Refused> {
    let source = Source::new(name, String::from_utf8_lossy(bytes).into_owned());
    let found = bytes.get(valid).copied().unwrap_or_default();
    let message = format!("the file is not UTF-8: byte 0x{found:02X} at offset {valid}");
    let shown = if source.slice(Span::new(valid, valid + 3)) == "\u{fffd}" { 3 } else { 0 };
    let problem = Diagnostic::new(Code::NotUtf8, Span::new(valid, valid + shown), message);
    // Without a mark, bytes beyond ASCII are usually of the old Western code page.
    let problem = match found {
        0x80..=0xff if bytes.get(..200.min(bytes.len())).is_some_and(|head| !head.contains(&0)) => {
            problem.with_help(format!("{SAVE_AS_UTF8}; it may be in Windows-1252 or ISO-8859-1 now"))
        }
        _ => problem.with_help(SAVE_AS_UTF8),
    };
    Box::new(Refused { source, problem })
}

/// Reads a text and checks it against the table; the document has a root if the later stages can go on.
pub fn read(source: &Source) -> (Document, Report) {
    let (document, problems) = xml::parse(source);
    let mut report = Report::default();
    for problem in problems {
        report.push(problem);
    }
    schema::validate(&document, &mut report);
    (document, report)
}

/// All stages: the protocol if the text has no error, and the report in file order.
pub fn whole(source: &Source) -> (Option<Arc<Protocol>>, Report) {
    let (document, mut report) = read(source);
    // What is wrong with a file that is no definition has been said; looking further would only add to it.
    let is_definition = document.root().is_some_and(|root| root.is("Protocol"));
    let written = if is_definition { definition::lower(&document) } else { None };
    let protocol = written.and_then(|written| compile(written, &mut report));
    report.finish();
    (protocol.map(Arc::new), report)
}

/// All that loading has to say about a text, in file order.
pub fn check(source: &Source) -> Report {
    whole(source).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_other_than_utf_8_is_named_with_or_without_a_mark() {
        let wide = |width: usize, big: bool, mark: bool| {
            let text = if mark { "\u{feff}<Protocol/>" } else { "<Protocol/>" };
            text.chars()
                .flat_map(|character| {
                    let mut bytes = u32::from(character).to_le_bytes()[..width].to_vec();
                    if big {
                        bytes.reverse();
                    }
                    bytes
                })
                .collect::<Vec<u8>>()
        };
        for (width, name) in [(2, "UTF-16"), (4, "UTF-32")] {
            for (big, mark) in [(false, false), (false, true), (true, false), (true, true)] {
                let refused = decode("a.xml", wide(width, big, mark)).unwrap_err();
                let expected = format!("the file is {name}, not UTF-8");
                assert_eq!(refused.problem.message, expected, "{big} {mark}");
            }
        }
        let refused = decode("a.xml", b"<P>caf\xe9</P>".to_vec()).unwrap_err();
        assert_eq!(refused.problem.message, "the file is not UTF-8: byte 0xE9 at offset 6");
    }
}
