//! Problems in a definition as data, and the report that gathers them; renders nothing.

pub mod codes;

pub use codes::Code;

use crate::language::source::Span;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Probably a mistake; the definition still loads. Under `--strict` it counts as an error.
    Warning,
    /// The definition does not load.
    Error,
}

impl Severity {
    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A second place that belongs to a problem, such as "first defined here".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub span: Span,
    /// What is there, in a few words, lower case, no full stop.
    pub message: String,
}

/// One problem: what, where, how bad, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// How bad it is; usually the code's own severity.
    pub severity: Severity,
    /// One line that is enough by itself in a log: lower case start, no full stop, literals in backticks.
    pub message: String,
    /// The place.
    pub span: Span,
    /// Other places that belong to it.
    pub related: Vec<Related>,
    /// What the author can do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Makes a problem with the severity of its code; a text of more than [`MAX_CHARACTERS`] is cut, here and below.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        let severity = code.severity();
        Self { code, severity, message: cut(message.into()), span, related: Vec::new(), help: None }
    }

    /// Adds what the author can do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(cut(help.into()));
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn with_related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related { span, message: cut(message.into()) });
        self
    }
}

/// How long a text about a problem may be: what a file says of itself must not fill a log.
pub const MAX_CHARACTERS: usize = 2_000;

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_CHARACTERS) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// Something that the definition has and this runtime accepts without running it; a line of the portability report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRun {
    /// The feature in a few words, such as "SNMP parameters" or "C# QActions".
    pub feature: String,
    /// Where it occurs first.
    pub span: Span,
    /// How often it occurs.
    pub count: u32,
}

/// All that loading a file has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    not_run: Vec<NotRun>,
}

impl Report {
    /// Adds a problem.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Counts one more use of a feature that is not run; its place is the first in the file.
    pub fn not_run(&mut self, feature: impl AsRef<str>, span: Span) {
        let feature = feature.as_ref();
        match self.not_run.iter_mut().find(|entry| entry.feature == feature) {
            Some(entry) => {
                entry.count = entry.count.saturating_add(1);
                entry.span = entry.span.min(span);
            }
            None => self.not_run.push(NotRun { feature: feature.to_owned(), span, count: 1 }),
        }
    }

    /// Puts everything into file order, and drops problems that are the same in code, place and words.
    pub fn finish(&mut self) {
        self.diagnostics.sort_by(|a, b| {
            (a.span.start, a.span.end, a.code, &a.message).cmp(&(
                b.span.start,
                b.span.end,
                b.code,
                &b.message,
            ))
        });
        self.diagnostics.dedup_by(|a, b| a.code == b.code && a.span == b.span && a.message == b.message);
        self.not_run.sort_by_key(|entry| entry.span);
    }

    /// The problems; in file order after [`Report::finish`].
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// What is accepted and not run.
    pub fn features_not_run(&self) -> &[NotRun] {
        &self.not_run
    }

    /// Whether anything keeps the definition from loading.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}
