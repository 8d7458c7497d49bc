//! Writes the table and the codes as the reference page in Markdown; the guide around it is written by hand elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::enumerations::Enumeration;
use super::{Attribute, Child, Choice, Count, Element, Kind, Owner, Run, elements};
use crate::language::diagnostic::Code;

/// The reference page; `settings` is the section about the settings file in Markdown, left out if empty.
pub fn reference_page(settings: &str) -> String {
    let all = elements();
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n## Elements\n");
    for (path, element) in all.iter().filter(|(_, element)| !is_leaf(element)) {
        write_element(&mut out, path, element, &all);
    }
    out.push_str("\n## Words\n\nUpper and lower case are the same, and blanks around a word do not count.\n");
    for table in tables(&all).values() {
        write_table(&mut out, table);
    }
    if !settings.is_empty() {
        let _ = write!(out, "\n## Settings\n\n{}\n", settings.trim());
    }
    out.push_str("\n## Diagnostics\n\n");
    out.push_str(DIAGNOSTICS);
    for code in Code::ALL {
        write_code(&mut out, *code);
    }
    out
}

const INTRODUCTION: &str = "# Definition reference

<!-- Generated from the tables in src/language; UPDATE_GOLDEN=1 cargo test rewrites it. -->

Every element and attribute that a definition may have, with its values.
An element in no namespace, or in `http://www.skyline.be/protocol`, is the original language's; one with the prefix `bs:` is Backshell's own (`xmlns:bs=\"urn:backshell:1\"`).
Children stand in any order.
*Once* means that of several only the first counts, with a warning; *section* that several are read as one, with a warning.
*Not run* means that Backshell reads it, names it in the report of `backshell check`, and does nothing with it.
A value that is empty counts as absent, and so does one that does not fit, which `check` warns about.
`schemas/backshell-protocol.xsd` lets an editor complete and check definitions without a namespace, `schemas/backshell-protocol-namespaced.xsd` those in the original's.
";

const DIAGNOSTICS: &str = "`backshell check --explain CODE` prints what stands here. Under `--strict` a warning counts as an error.

With `--format json`, each line of the output is an object with a `kind`:

| kind | fields |
|---|---|
| `diagnostic` | `file`, `code`, `severity` (`error`, `warning`, `note`), `message`, `line`, `column`, `endLine`, `endColumn`, `help` (or null), `related`: a list of `message` and a place |
| `not-run` | `file`, `feature`, `count`, and the place of its first use |
| `summary` | the last line: `files`, `errors`, `warnings`, `notes`, `skipped` (files of folders whose names do not end in `.xml`) |

Lines and columns are counted from 1, columns in Unicode scalar values without a byte order mark; the end is behind the last character.
The exit status is 0 without errors, 1 with errors, 2 for a wrong command line.
";

fn write_element(out: &mut String, path: &str, element: &Element, all: &[(String, &'static Element)]) {
    let _ = write!(out, "\n### {path}\n\n{}\n", element.doc);
    let mut facts = Vec::new();
    match element.kind {
        Kind::Nothing => {}
        kind => facts.push(format!("Text: {}.", kind_text(kind))),
    }
    if !element.default.is_empty() {
        facts.push(format!("Default: `{}`.", element.default));
    }
    facts.extend(run_text(element.run));
    if !element.old_names.is_empty() {
        facts.push(format!("Also known as `{}`.", element.old_names.join("`, `")));
    }
    if !facts.is_empty() {
        let _ = write!(out, "\n{}\n", facts.join(" "));
    }
    if !element.attributes.is_empty() {
        out.push_str("\n| attribute | value | default | meaning |\n|---|---|---|---|\n");
        for attribute in element.attributes {
            write_attribute(out, attribute);
        }
        for attribute in element.attributes {
            write_choices(out, attribute);
        }
    }
    if !element.children.is_empty() {
        out.push_str("\n| element | times | text | meaning |\n|---|---|---|---|\n");
        for child in element.children {
            write_child(out, child, all);
        }
    }
}

/// Whether an element is told by its line in the table of its parent.
fn is_leaf(element: &Element) -> bool {
    element.attributes.is_empty() && element.children.is_empty() && element.old_names.is_empty()
}

fn write_child(out: &mut String, child: &Child, all: &[(String, &'static Element)]) {
    let element = child.element;
    let prefix = if element.owner == Owner::Ours { "bs:" } else { "" };
    let path = all.iter().find(|(_, known)| std::ptr::eq(*known, element)).map_or("", |(path, _)| path);
    let name = match is_leaf(element) {
        true => format!("`{prefix}{}`", element.name),
        false => format!("[{prefix}{}](#{})", element.name, anchor(path)),
    };
    let times = match (child.count, child.required) {
        (Count::Once, true) => "once, required",
        (Count::Once, false) => "once",
        (Count::Section, true) => "section, required",
        (Count::Section, false) => "section",
        (Count::Many, true) => "any, at least one",
        (Count::Many, false) => "any",
    };
    let text = match element.kind {
        Kind::Nothing => String::new(),
        kind => kind_text(kind),
    };
    let mut meaning = element.doc.to_owned();
    if !element.default.is_empty() {
        let _ = write!(meaning, " Default: `{}`.", element.default);
    }
    if let Some(fact) = run_text(element.run) {
        let _ = write!(meaning, " {fact}");
    }
    let _ = writeln!(out, "| {name} | {times} | {} | {} |", cell(&text), cell(&meaning));
}

/// The anchor that Markdown viewers give a heading: lower case, punctuation left out, blanks as dashes.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn write_attribute(out: &mut String, attribute: &Attribute) {
    let prefix = if attribute.owner == Owner::Ours { "bs:" } else { "" };
    let default =
        if attribute.default.is_empty() { String::new() } else { format!("`{}`", attribute.default) };
    let mut meaning = attribute.doc.to_owned();
    if attribute.required {
        meaning.push_str(" Required.");
    }
    if let Some(fact) = run_text(attribute.run) {
        let _ = write!(meaning, " {fact}");
    }
    let kind = kind_text(attribute.kind);
    let _ =
        writeln!(out, "| `{prefix}{}` | {} | {default} | {} |", attribute.name, cell(&kind), cell(&meaning));
}

fn write_choices(out: &mut String, attribute: &Attribute) {
    let Kind::Options(choices) = attribute.kind else { return };
    let _ = write!(out, "\nOptions in `{}`, among others:\n\n", attribute.name);
    for Choice { name, run, doc } in choices {
        let run = run_text(*run).map(|text| format!(" {text}")).unwrap_or_default();
        let _ = writeln!(out, "- `{name}`: {}{run}", doc);
    }
}

fn write_table(out: &mut String, table: &Enumeration) {
    let _ = write!(out, "\n### {}\n\n| word | meaning |\n|---|---|\n", heading(table));
    for word in table.values {
        let aliases = match word.aliases {
            [] => String::new(),
            aliases => format!(" (also `{}`)", aliases.join("`, `")),
        };
        let run = run_text(word.run).map(|text| format!(" {text}")).unwrap_or_default();
        let _ = writeln!(out, "| `{}`{aliases} | {} |", word.name, cell(&format!("{}{run}", word.doc)));
    }
}

fn heading(table: &Enumeration) -> String {
    let mut letters = table.what.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{} ({})", letters.as_str(), table.type_name)
}

fn write_code(out: &mut String, code: Code) {
    let entry = code.entry();
    let severity = entry.severity.name();
    let _ = write!(out, "\n### {}\n\n*{severity}*: {}\n\n{}\n", entry.name, entry.title, entry.explanation);
    let language = if code.is_of_settings() { "toml" } else { "xml" };
    for (title, example) in [("Wrong", entry.bad), ("Right", entry.good)] {
        if !example.is_empty() {
            let _ = write!(out, "\n{title}:\n\n```{language}\n{example}\n```\n");
        }
    }
}

fn tables(all: &[(String, &'static Element)]) -> BTreeMap<&'static str, &'static Enumeration> {
    let kinds = all.iter().flat_map(|(_, element)| {
        std::iter::once(element.kind).chain(element.attributes.iter().map(|attribute| attribute.kind))
    });
    kinds
        .filter_map(|kind| match kind {
            Kind::Enumeration(table) => Some((table.type_name, table)),
            Kind::Nothing
            | Kind::Text
            | Kind::Flag
            | Kind::Integer { .. }
            | Kind::Decimal
            | Kind::Milliseconds { .. }
            | Kind::Id(_)
            | Kind::Reference(_)
            | Kind::References(..)
            | Kind::Options(_)
            | Kind::Opaque => None,
        })
        .collect()
}

fn kind_text(kind: Kind) -> String {
    match kind {
        Kind::Nothing => "nothing".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Integer { min, max } => format!("whole number from {min} to {max}"),
        Kind::Decimal => "number".to_owned(),
        Kind::Milliseconds { min, max } => format!("milliseconds, {min} to {max}"),
        Kind::Id(_) => "whole number".to_owned(),
        Kind::Reference(item) => format!("id of {}", item.with_article()),
        Kind::References(item, separator) => format!("ids of {}s, separated by `{separator}`", item.name()),
        Kind::Enumeration(table) => format!("[{}](#{})", table.what, anchor(&heading(table))),
        Kind::Options(_) => "options, separated by `;`".to_owned(),
        Kind::Opaque => "anything".to_owned(),
    }
}

fn run_text(run: Run) -> Option<String> {
    match run {
        Run::Yes => None,
        Run::No(feature) => Some(format!("*Not run: {feature}.*")),
        Run::Remark => Some("*Without effect.*".to_owned()),
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
