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
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            Err(not_utf8(name, error.as_bytes(), valid))
        }
    }
}

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> Box<Refused> {
    let help = "save the file as UTF-8";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let message = "the file is UTF-16, not UTF-8";
        let problem = Diagnostic::new(Code::NotUtf8, Span::default(), message).with_help(help);
        return Refused::without_text(name, problem);
    }
    let source = Source::new(name, String::from_utf8_lossy(bytes).into_owned());
    let found = bytes.get(valid).copied().unwrap_or_default();
    let message = format!("the file is not UTF-8: byte 0x{found:02X} at offset {valid}");
    let shown = if source.slice(Span::new(valid, valid + 3)) == "\u{fffd}" { 3 } else { 0 };
    let problem = Diagnostic::new(Code::NotUtf8, Span::new(valid, valid + shown), message);
    // Without a mark, bytes beyond ASCII are usually of the old Western code page.
    let problem = match found {
        0x80..=0xff if bytes.get(..200.min(bytes.len())).is_some_and(|head| !head.contains(&0)) => {
            problem.with_help(format!("{help}; it may be in Windows-1252 or ISO-8859-1 now"))
        }
        _ => problem.with_help(help),
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
