//! The element of a scenario as settings that the daemon reads, each value in its line; resolves nothing.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::places::{Places, Wrong};
use crate::language::source::{Source, Span};
use crate::settings;

/// What stands in front of the lines of the file.
const HEAD: &str = "[[element]]\nname = \"scenario\"\nprotocol = \"protocol.xml\"\n";

/// How many lines that are.
pub const HEAD_LINES: usize = 3;

/// The text of settings for the `[element]` of a file; a value stands [`HEAD_LINES`] lines below its place in the file.
pub(super) fn text(places: &Places<'_>) -> Source {
    let source = places.source();
    let mut leaves = Vec::new();
    if let Some(table) = places.table("element") {
        gather(source, table, "", &mut leaves);
    }
    leaves.sort();
    let mut text = HEAD.to_owned();
    let mut line = 1;
    for (at, pair) in leaves {
        while line < at {
            text.push('\n');
            line += 1;
        }
        text.push_str(&pair);
        text.push('\n');
        line += 1 + pair.matches('\n').count();
    }
    Source::new(source.name().as_ref(), text)
}

/// The values of a table and of the tables below it, with their lines; a table in braces is one value.
fn gather(source: &Source, table: &DeTable<'_>, above: &str, leaves: &mut Vec<(usize, String)>) {
    for (name, value) in table {
        let key = format!("{above}{}", toml::Value::String(name.get_ref().to_string()));
        let written = source.slice(Span::new(value.span().start, value.span().end));
        match value.get_ref() {
            DeValue::Table(table) if !written.starts_with('{') => {
                gather(source, table, &format!("{key}."), leaves);
            }
            _ => {
                let line = source.position(Span::new(name.span().start, name.span().end).start).line;
                leaves.push((line as usize, format!("{key} = {written}")));
            }
        }
    }
}

/// Checks the values as far as that goes without the definition.
pub(super) fn check(element: &Source) -> Result<(), Wrong> {
    let (_, report) = settings::parse(element, Path::new("."));
    let Some(first) = report.diagnostics().first() else { return Ok(()) };
    let line = element.position(first.span.start).line as usize;
    let help = first.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let message = format!("[element]: {}{help}", first.message);
    match line.checked_sub(HEAD_LINES).filter(|line| *line > 0) {
        Some(line) => Err(Wrong::in_line(Some(line), message)),
        None => Err(Wrong::at(&["element"], message)),
    }
}
