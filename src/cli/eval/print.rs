//! Writes what a message did for people; works nothing out.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::outcome::{After, Came, Named, Outcome, Ran, Set, Summary, Table, Then, What};
use crate::api::wire::Value;
use crate::cli::remote::{bare, columns, shown};
use crate::cli::render::printable;

/// How much of what would be sent stands on its line, in characters.
const SHOWN: usize = 1024;

/// How much of a value stands in its column, in characters.
const SHOWN_VALUE: usize = 120;

/// How many responses are named that do not take a message, and how many rows of a table in each list.
const LISTED: usize = 10;

/// What a message did, as several lines.
pub(super) fn outcome(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let (number, source) = (outcome.number, printable(&outcome.source));
    match (&outcome.came, &outcome.answers) {
        (None, _) => writeln!(out, "set {number}: {source}")?,
        (Some(Came { connection, form, size }), None) => {
            writeln!(out, "message {number}: {source}, {form}, {size} bytes, over connection {connection}")?
        }
        (Some(Came { connection, size, .. }), Some(answers)) => {
            let session = named("session", &answers.session);
            let line = printable(&answers.status_line);
            writeln!(out, "answer {number}: {source}, {line}, {size} bytes, over connection {connection}")?;
            writeln!(out, "  to {session}, request {}: {}", answers.exchange, answers.meaning)?;
        }
    }
    taken(out, outcome)?;
    values(out, &outcome.params)?;
    outcome.tables.iter().try_for_each(|one| table(out, one))?;
    if !outcome.then.is_empty() {
        writeln!(out, "  then")?;
    }
    for then in &outcome.then {
        writeln!(out, "    {}", line(then))?;
    }
    if outcome.left_out > 0 {
        writeln!(out, "    ... and {} more steps", outcome.left_out)?;
    }
    if outcome.waiting > 0 {
        let groups = plural(outcome.waiting, "group waits", "groups wait");
        match &outcome.awaits[..] {
            [] => writeln!(out, "  {groups} for time to pass: see --wait")?,
            awaits => writeln!(
                out,
                "  {groups} for the answer to {}, or for its time-out: see --wait",
                awaits.join(", ")
            )?,
        }
    }
    writeln!(out)
}

fn taken(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    match (&outcome.response, outcome.taken) {
        (Some(response), "whole") => writeln!(out, "  taken by {}", named("response", response))?,
        (Some(response), _) => {
            let why = outcome.why.first().map(|why| printable(&why.why)).unwrap_or_default();
            return writeln!(out, "  {} takes it only in part: {why}", named("response", response));
        }
        (None, "ignored") => writeln!(out, "  it is left out, as bs:Ignore says")?,
        (None, "none") if outcome.why.is_empty() => {
            let connection = outcome.came.map_or(0, |came| came.connection);
            writeln!(out, "  no response takes it: there is none for connection {connection}")?;
        }
        (None, "none") => writeln!(out, "  no response takes it; the nearest first:")?,
        (None, "part") => {
            let why = outcome.why.first().map(|why| printable(&why.why)).unwrap_or_default();
            return writeln!(out, "  its body gives nothing: {why}");
        }
        (None, _) => {}
    }
    // What all of them say is said once.
    let same = outcome.why.first().filter(|first| {
        first.response.is_some()
            && outcome.why.len() > 1
            && outcome.why.iter().all(|other| other.why == first.why)
    });
    if let Some(same) = same {
        let all: Vec<String> = outcome
            .why
            .iter()
            .take(LISTED)
            .filter_map(|why| Some(why.response.as_ref()?.id.to_string()))
            .collect();
        let more = if outcome.why.len() > LISTED { ", ..." } else { "" };
        return writeln!(out, "    responses {}{more}: {}", all.join(", "), printable(&same.why));
    }
    for why in outcome.why.iter().take(LISTED) {
        let of = why.response.as_ref().map(|response| format!("{}: ", named("response", response)));
        writeln!(out, "    {}{}", of.unwrap_or_default(), printable(&why.why))?;
    }
    if outcome.why.len() > LISTED {
        writeln!(out, "    ... and {} more", outcome.why.len() - LISTED)?;
    }
    Ok(())
}

fn values(out: &mut impl Write, sets: &[Set]) -> io::Result<()> {
    let rows: Vec<Vec<String>> = sets
        .iter()
        .map(|set| {
            let name = printable(&set.reading.name);
            let value = match cut(&shown(&set.reading), SHOWN_VALUE) {
                value if set.units.is_empty() || value == "(empty)" => value,
                value => format!("{value} {}", printable(&set.units)),
            };
            let what = match set.what {
                What::Changed => format!("was {}", cut(&set.was, SHOWN_VALUE)),
                What::Same => "as before".to_owned(),
                What::Rejected => {
                    let why = printable(set.why.as_deref().unwrap_or_default());
                    match &set.rejected {
                        Some(value) => format!("rejected {}: {why}", quoted(value)),
                        None => format!("rejected: {why}"),
                    }
                }
                What::Nothing => "stays: nothing there".to_owned(),
            };
            let from = set.from.as_ref().map(|from| format!("<- {}", printable(from)));
            // Two blanks and the gap of the columns.
            vec!["  ".to_owned(), set.reading.id.to_string(), name, value, what, from.unwrap_or_default()]
        })
        .collect();
    columns(out, &rows)
}

/// A value in one line, quoted where it is a text.
fn quoted(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("\"{}\"", cut(&printable(text), SHOWN_VALUE)),
        Value::Empty | Value::Number(_) | Value::Bytes(_) | Value::Table(_) => cut(&bare(value), SHOWN_VALUE),
    }
}

fn table(out: &mut impl Write, table: &Table) -> io::Result<()> {
    let counts =
        [(table.added.len(), "added"), (table.changed.len(), "changed"), (table.removed.len(), "gone")];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let rows = plural(table.rows, "row", "rows");
    writeln!(out, "  {}: {}, now {rows}", named("table", &table.named), counts.join(", "))?;
    let head: Vec<String> =
        table.columns.iter().map(|column| printable(&column.name).to_uppercase()).collect();
    let lead = |mark: &str| vec!["  ".to_owned(), mark.to_owned()];
    let cells =
        |row: &[Value]| row.iter().map(|cell| cut(&printable(&bare(cell)), SHOWN_VALUE)).collect::<Vec<_>>();
    let mut rows = vec![[lead(" "), head].concat()];
    rows.extend(table.added.iter().take(LISTED).map(|row| [lead("+"), cells(row)].concat()));
    for row in table.changed.iter().take(LISTED) {
        let pairs = row.before.iter().zip(&row.cells);
        let cell = |(before, now): (&Value, &Value)| match (
            cut(&printable(&bare(before)), SHOWN_VALUE),
            cut(&printable(&bare(now)), SHOWN_VALUE),
        ) {
            (before, now) if before == now => now,
            (before, now) => format!("{before} -> {now}"),
        };
        rows.push([lead("~"), pairs.map(cell).collect()].concat());
    }
    rows.extend(
        table
            .removed
            .iter()
            .take(LISTED)
            .map(|key| [lead("-"), vec![cut(&printable(key), SHOWN_VALUE)]].concat()),
    );
    columns(out, &rows)?;
    let listed = |count: usize| count.saturating_sub(LISTED);
    match listed(table.added.len()) + listed(table.changed.len()) + listed(table.removed.len()) {
        0 => Ok(()),
        more => writeln!(out, "    ... and {more} more"),
    }
}

/// One thing that followed.
fn line(then: &Then) -> String {
    match then {
        Then::Trigger(one) => ran("trigger", one),
        Then::Action(one) => ran("action", one),
        Then::Group(one) => ran("group", one),
        Then::Pair(one) => ran("pair", one),
        Then::Session(one) => ran("session", one),
        Then::Script { ran: one, after } => {
            let after = match after {
                After::Param(param) => named("parameter", param),
                After::Group(group) => named("group", group),
            };
            format!("after {after} {}", ran("script", one))
        }
        Then::Set { script, param, row, value } => {
            let row = row.as_ref().map(|key| format!(" of row \"{}\"", cut(&printable(key), SHOWN_VALUE)));
            let (script, param) = (named("script", script), named("parameter", param));
            format!("{script} sets {param}{} to {}", row.unwrap_or_default(), quoted(value))
        }
        Then::Rows { script, table, edit, count, keys } => {
            let (script, table) = (named("script", script), named("table", table));
            let rows = count.map_or_else(|| "all rows".to_owned(), |count| plural(count, "row", "rows"));
            let (verb, of) = match *edit {
                "added" => ("adds", "to"),
                "deleted" | "cleared" => ("takes", "out of"),
                _ => ("sets", "of"),
            };
            let listed = keys.iter().take(LISTED);
            let keys: Vec<String> =
                listed.map(|key| format!("\"{}\"", cut(&printable(key), SHOWN_VALUE))).collect();
            let keys = if keys.is_empty() { String::new() } else { format!(": {}", keys.join(", ")) };
            format!("{script} {verb} {rows} {of} {table}{keys}")
        }
        Then::Send { connection, form, size, data } => {
            let data = match data {
                Value::Text(text) => cut(&printable(text), SHOWN),
                Value::Bytes(bytes) => cut(&format!("base64:{}", BASE64.encode(bytes)), SHOWN),
                Value::Empty | Value::Number(_) | Value::Table(_) => String::new(),
            };
            format!("send over connection {connection}: {form} {size} bytes: {data}")
        }
        Then::Request { connection, session, line, body } => {
            let body =
                body.as_ref().map(|body| format!("  {}", cut(&printable(body), SHOWN))).unwrap_or_default();
            let session = named("session", session);
            format!("request over connection {connection}, {session}: {}{body}", printable(line))
        }
        Then::LeftOut { session, exchange, condition } => {
            let (session, condition) = (named("session", session), printable(condition));
            format!("{session}, request {exchange} is left out: its condition does not hold ({condition})")
        }
        Then::Move { connection, param, old, new } => {
            let param = named("parameter", param);
            let (old, new) = (cut(&printable(old), SHOWN_VALUE), cut(&printable(new), SHOWN_VALUE));
            format!("link {connection} moves: {param} {old} -> {new}")
        }
        Then::Link { connection, what } => format!("link {connection} {what}"),
        Then::Timeout { active: true } => "the element is in timeout".to_owned(),
        Then::Timeout { active: false } => "the element is no longer in timeout".to_owned(),
        Then::ReadFile { name, into } => {
            format!("read the file \"{}\" into {}", printable(name), named("parameter", into))
        }
        Then::Report { severity, text } => format!("{severity}: {}", printable(text)),
        Then::Later { after } => format!("after {} s:", *after as f64 / 1e3),
    }
}

fn ran(kind: &str, one: &Ran) -> String {
    let what = named(kind, &one.named);
    let condition = one.condition.as_ref().map(|text| format!(" ({})", printable(text))).unwrap_or_default();
    match one.ran {
        "no" => format!("{what} does not run: its condition does not hold{condition}"),
        "else" => format!("{what} runs its `else`: its condition does not hold{condition}"),
        _ => format!("{what} runs"),
    }
}

/// `response 2 "State"`.
fn named(kind: &str, one: &Named) -> String {
    if one.name.is_empty() {
        format!("{kind} {}", one.id)
    } else {
        format!("{kind} {} \"{}\"", one.id, printable(&one.name))
    }
}

/// The beginning of a text.
fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{} ...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// All messages in one line.
pub(super) fn summary(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let (one, many) = (summary.noun, format!("{}s", summary.noun));
    let counts = [
        (summary.not_taken, "not taken", "not taken"),
        (summary.changed, "value changed", "values changed"),
        (summary.rows, "row changed", "rows changed"),
        (summary.rejected, "value rejected", "values rejected"),
        (summary.sent, "message would be sent", "messages would be sent"),
        (summary.errors, "error", "errors"),
    ];
    let found: Vec<String> = counts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| plural(*count, one, many))
        .collect();
    let found = if found.is_empty() { "nothing changed".to_owned() } else { found.join(", ") };
    writeln!(out, "{}: {found}", plural(summary.messages, one, &many))
}

fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
