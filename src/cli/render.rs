//! Turns problems into text for people or JSON for programs; decides nothing about them.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::language::diagnostic::{Diagnostic, NotRun, Report, Severity};
use crate::language::source::{Source, Span};

/// Places further apart than this many lines are shown in pieces of their own.
const NEAR_LINES: u32 = 12;

/// Lines of a place that are shown at most; a place of a thousand lines says no more than its beginning.
const MAX_LINES: u32 = 8;

/// Excerpts of more bytes are left out: a file on one line is too long to be laid out once a problem.
const MAX_EXCERPT_BYTES: usize = 16 << 10;

/// How human output looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without escape codes.
    Plain,
    /// With colours; the writer may still take them out.
    Coloured,
}

/// A problem with its source lines, as several lines of text that end with a line feed.
pub fn human(source: &Source, diagnostic: &Diagnostic, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Note => Level::NOTE,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let mut group =
        Group::with_title(level.primary_title(printable(&diagnostic.message)).id(diagnostic.code.name()));
    if source.text().is_empty() {
        group = group.element(Origin::path(printable(source.name())));
    } else {
        for piece in pieces(source, diagnostic) {
            let (first, last) = lines(&piece);
            let range = (line_range(source, first).0, line_range(source, last).1);
            if (range.1.saturating_sub(range.0) as usize) <= MAX_EXCERPT_BYTES {
                group = group.element(excerpt(source, &piece));
                continue;
            }
            for mark in &piece {
                let place = source.position(mark.span.start);
                let path = printable(source.name());
                let origin = Origin::path(path).line(place.line as usize).char_column(place.column as usize);
                group = group.element(origin);
            }
        }
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    format!("{}\n", renderer.render(&[group]))
}

/// A place to show: lines, range, and what is said about it.
struct Mark<'a> {
    lines: (u32, u32),
    span: Span,
    kind: AnnotationKind,
    label: Option<&'a str>,
}

/// The places of a problem, those near each other together, the first with the main place.
fn pieces<'a>(source: &Source, diagnostic: &'a Diagnostic) -> Vec<Vec<Mark<'a>>> {
    let related = diagnostic.related.iter();
    let others = related.map(|other| (other.span, AnnotationKind::Context, Some(other.message.as_str())));
    let main = (diagnostic.span, AnnotationKind::Primary, None);
    let mut pieces: Vec<Vec<Mark<'a>>> = Vec::new();
    for (span, kind, label) in std::iter::once(main).chain(others) {
        let mark = mark(source, span, kind, label);
        let near = |piece: &&mut Vec<Mark<'a>>| {
            piece.iter().any(|other| {
                mark.lines.0 <= other.lines.1.saturating_add(NEAR_LINES)
                    && other.lines.0 <= mark.lines.1.saturating_add(NEAR_LINES)
            })
        };
        match pieces.iter_mut().find(near) {
            Some(piece) => piece.push(mark),
            None => pieces.push(vec![mark]),
        }
    }
    pieces
}

/// The first and the last line of a piece.
fn lines(marks: &[Mark<'_>]) -> (u32, u32) {
    let first = marks.iter().map(|mark| mark.lines.0).min().unwrap_or(1);
    (first, marks.iter().map(|mark| mark.lines.1).max().unwrap_or(first))
}

fn mark<'a>(source: &Source, span: Span, kind: AnnotationKind, label: Option<&'a str>) -> Mark<'a> {
    let first = source.position(span.start).line;
    let last = source.position(span.end).line.min(first.saturating_add(MAX_LINES));
    let end = if last < source.position(span.end).line { line_range(source, last).1 } else { span.end };
    Mark { lines: (first, last), span: Span { start: span.start, end }, kind, label }
}

/// The bytes of a line without its line break and without byte order marks.
fn line_range(source: &Source, line: u32) -> (u32, u32) {
    let Some(text) = source.line(line) else { return (0, 0) };
    let start = Span::new((text.as_ptr() as usize).wrapping_sub(source.text().as_ptr() as usize), 0).start;
    (start, Span::new(start as usize + text.len(), 0).start)
}

fn excerpt<'a>(source: &'a Source, marks: &[Mark<'a>]) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let (first, last) = lines(marks);
    let (start, end) = (line_range(source, first).0, line_range(source, last).1);
    let text = source.slice(Span { start, end });
    // The text may begin at another place than asked for, if that was inside a character.
    let inside = |offset: u32| {
        let mut offset = (offset.saturating_sub(start) as usize).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let annotations = marks.iter().map(|mark| {
        let span = inside(mark.span.start)..inside(mark.span.end).max(inside(mark.span.start));
        mark.kind.span(span).label(mark.label.map(printable))
    });
    Snippet::source(without_commands(text))
        .line_start(first as usize)
        .path(printable(source.name()))
        .annotations(annotations)
}

/// A text without anything that a terminal would obey: control characters are written as escapes.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Source text without the control characters that XML allows and the layout lets through: a terminal may obey them.
///
/// What stands for one has as many bytes, so that places hold.
fn without_commands(text: &str) -> Cow<'_, str> {
    let is_command = |character: char| matches!(character, '\u{80}'..='\u{9f}');
    if text.contains(is_command) {
        Cow::Owned(text.replace(is_command, "\u{b7}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A place in JSON: lines and columns from 1, columns in Unicode scalar values, end exclusive.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

impl Place {
    fn of(source: &Source, span: Span) -> Self {
        let (start, end) = (source.position(span.start), source.position(span.end));
        Self { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
    }
}

#[derive(Debug, Serialize)]
struct JsonRelated<'a> {
    message: &'a str,
    #[serde(flatten)]
    place: Place,
}

#[derive(Debug, Serialize)]
struct JsonDiagnostic<'a> {
    kind: &'static str,
    file: &'a str,
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    #[serde(flatten)]
    place: Place,
    help: Option<&'a str>,
    related: Vec<JsonRelated<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonNotRun<'a> {
    kind: &'static str,
    file: &'a str,
    feature: &'a str,
    count: u32,
    #[serde(flatten)]
    place: Place,
}

/// A problem as one line of JSON, without a line feed.
///
/// # Errors
///
/// None in practice: the types hold nothing that JSON cannot.
pub fn json(source: &Source, diagnostic: &Diagnostic) -> serde_json::Result<String> {
    let related = diagnostic.related.iter();
    serde_json::to_string(&JsonDiagnostic {
        kind: "diagnostic",
        file: source.name(),
        code: diagnostic.code.name(),
        severity: diagnostic.severity.name(),
        message: &diagnostic.message,
        place: Place::of(source, diagnostic.span),
        help: diagnostic.help.as_deref(),
        related: related
            .map(|other| JsonRelated { message: &other.message, place: Place::of(source, other.span) })
            .collect(),
    })
}

/// A feature that is not run as one line of JSON, without a line feed.
///
/// # Errors
///
/// None in practice: the types hold nothing that JSON cannot.
pub fn json_not_run(source: &Source, entry: &NotRun) -> serde_json::Result<String> {
    serde_json::to_string(&JsonNotRun {
        kind: "not-run",
        file: source.name(),
        feature: &entry.feature,
        count: entry.count,
        place: Place::of(source, entry.span),
    })
}

/// Prints every problem of a report to standard error, as `check` would.
pub(super) fn print_report(source: &Source, report: &Report) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = anstream::stderr().lock();
    for problem in report.diagnostics() {
        writeln!(out, "{}", human(source, problem, Style::Coloured))?;
    }
    Ok(())
}

/// Prints every problem of a report to standard error with its place, and nothing of the source.
pub(super) fn print_places(source: &Source, report: &Report) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = anstream::stderr().lock();
    for problem in report.diagnostics() {
        let place = source.position(problem.span.start);
        let (name, line, column) = (source.name(), place.line, place.column);
        let severity = problem.severity.name();
        writeln!(out, "{severity}[{}]: {}", problem.code, printable(&problem.message))?;
        writeln!(out, " --> {name}:{line}:{column}")?;
        if let Some(help) = &problem.help {
            writeln!(out, "  = help: {}", printable(help))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::diagnostic::Code;

    #[test]
    fn no_control_character_of_a_file_reaches_a_terminal() {
        let source = Source::new("a\u{9b}.xml", "<b x=\"ä\u{9b}31m\u{1b}[31m\u{7f}\"/>");
        let diagnostic = Diagnostic::new(Code::UnknownAttribute, Span::new(3, 4), "a \u{9b} b \u{1b}")
            .with_related(Span::new(10, 11), "c \u{9b}")
            .with_help("d \u{9b}");
        let shown = human(&source, &diagnostic, Style::Plain);
        let found: Vec<char> = shown.chars().filter(|c| c.is_control() && *c != '\n').collect();
        assert!(found.is_empty(), "{shown}");
        assert!(shown.contains("  |    ^    - c"), "{shown}");
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_as_escapes() {
        assert_eq!(printable("caf\u{e9} \u{1b}[31m\r\n\u{9b}1m"), "caf\u{e9} \\u{1b}[31m\\r\\n\\u{9b}1m");
    }
}
