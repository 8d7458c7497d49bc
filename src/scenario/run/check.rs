//! Compares what an element shows with what a step expects; changes nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Look;
use crate::element::handle::{Handle, Readable, Reading};
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::ParamIx;
use crate::language::model::param::{Param, ValueType};
use crate::language::model::{Access, Protocol};
use crate::scenario::expect::{self, Content};
use crate::scenario::file::places::Wrong;
use crate::scenario::file::{Act, check};
use crate::value;

/// Finds a parameter by `10`, `Name`, or with the key of a row, `1002[key]`.
///
/// # Errors
///
/// There is none, or it is one with rows and no row is named, or the other way round.
pub(super) fn param<'a>(
    protocol: &Protocol,
    key: &'a str,
    access: Access,
) -> Result<(ParamIx, Option<&'a str>), String> {
    let (found, row) = protocol.find_place(key, access)?;
    let described = protocol.param(found);
    let name = name(described);
    match (described.column.is_some(), described.table.is_some(), row) {
        (true, _, None) => Err(format!("{name} is a column: say which row, such as `{key}[key]`")),
        (false, true, _) => Err(format!("{name} is a table: use `rows`, or a column's cell")),
        (false, false, Some(row)) => Err(format!("{name} is no column of a table: it has no row `{row}`")),
        (true, _, Some(_)) | (false, false, None) => Ok((found, row)),
    }
}

fn name(param: &Param) -> String {
    match param.name.as_ref() {
        "" => format!("parameter {}", param.id),
        name => format!("parameter {} ({name})", param.id),
    }
}

/// Whether a step fits the definition.
///
/// # Errors
///
/// It names what the definition does not have, or what nobody sees or sets.
pub(in crate::scenario) fn fits(act: &Act, protocol: &Protocol) -> Result<(), Wrong> {
    let at = |word: &str, key: &str, message| Err(Wrong::at(&[word, key], message));
    match act {
        Act::Params(values) => values.keys().try_for_each(|key| {
            let shown = param(protocol, key, Access::Read).map(|(ix, _)| protocol.param(ix));
            match shown {
                Ok(param) if param.secret => {
                    at("params", key, format!("{} is secret: nobody sees its value", name(param)))
                }
                Ok(_) => Ok(()),
                Err(message) => at("params", key, message),
            }
        }),
        Act::Set(values) => values.iter().try_for_each(|(key, given)| {
            let set = param(protocol, key, Access::Write)
                .and_then(|(ix, _)| value(protocol.param(ix), given).map(drop));
            set.or_else(|message| at("set", key, message))
        }),
        Act::Rows(rows) => rows
            .keys()
            .try_for_each(|key| table(protocol, key).map(drop).or_else(|message| at("rows", key, message))),
        Act::States(states) => {
            states.iter().try_for_each(|(index, state)| match protocol.connections.get(*index as usize) {
                Some(connection) => check::state(*index, state, Some(connection.kind)),
                None => at("states", &index.to_string(), format!("the definition has no connection {index}")),
            })
        }
        Act::ScriptFailed(_) if protocol.scripts.list.is_empty() => {
            Err(Wrong::at(&["script_failed"], "the definition has no scripts"))
        }
        Act::Received(..) => of_link("received", protocol),
        Act::Handshake(..) => of_link("handshake", protocol),
        Act::Send(..) => of_link("send", protocol),
        Act::Close(..) => of_link("close", protocol),
        Act::Drop(_) => of_link("drop", protocol),
        Act::Fault(..) => of_link("fault", protocol),
        Act::ScriptFailed(_)
        | Act::Wait(_)
        | Act::Timeout(_)
        | Act::Requested(..)
        | Act::Seen(..)
        | Act::Reachable(..) => Ok(()),
    }
}

/// Whether there can be a link, for a step that is about one.
fn of_link(word: &str, protocol: &Protocol) -> Result<(), Wrong> {
    if protocol.connections.iter().any(|connection| connection.kind == ConnectionKind::WebSocket) {
        return Ok(());
    }
    let message = format!("`{word}` is about links, and no connection of the definition is a WebSocket");
    Err(Wrong::at(&[word], message))
}

fn table(protocol: &Protocol, key: &str) -> Result<ParamIx, String> {
    let (ix, row) = protocol.find_place(key, Access::Read)?;
    let described = protocol.param(ix);
    match row.is_none() && described.table.is_some() {
        true => Ok(ix),
        false => Err(format!("parameter {key} is no table")),
    }
}

/// The value that a step sets.
///
/// # Errors
///
/// It is none.
pub(super) fn value(param: &Param, given: &Value) -> Result<value::Value, String> {
    Ok(match given {
        Value::String(text) => value::Value::text(text.as_str()),
        Value::Number(number) => value::Value::from(number.as_f64().unwrap_or_default()),
        Value::Bool(is) => {
            // Of a choice the one that means it; else as such a parameter holds it.
            let choice = param.discreets.iter().find(|choice| truth(&choice.value) == Some(*is));
            match (choice, param.value_type) {
                (Some(choice), _) => choice.value.clone(),
                (None, ValueType::Double | ValueType::HighNibble) => {
                    value::Value::from(f64::from(u8::from(*is)))
                }
                (None, ValueType::String) => value::Value::text(if *is { "true" } else { "false" }),
            }
        }
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(format!("{given} is no value of a parameter: a text or a number is"));
        }
    })
}

/// Whether a value means yes or no; none if it means neither.
fn truth(value: &value::Value) -> Option<bool> {
    match value.to_text().to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

async fn read(handle: &Handle, param: ParamIx) -> Result<Reading, String> {
    handle.get(param).await.ok_or_else(|| "the element has ended".to_owned())
}

/// How many differences are told.
const SHOWN: usize = 10;

/// Good where nothing differs, else a line for each difference.
fn look(differences: &[String]) -> Look {
    let more = differences.len().saturating_sub(SHOWN);
    let shown = &differences[..differences.len() - more];
    match (shown, more) {
        ([], _) => Look::Good,
        (shown, 0) => Look::Not(shown.join("\n")),
        (shown, more) => Look::Not(format!("{}\nand {more} more", shown.join("\n"))),
    }
}

/// Whether parameters have values.
pub(super) async fn params(handle: &Handle, values: &BTreeMap<String, Value>) -> Result<Look, String> {
    let mut differences = Vec::new();
    for (key, expected) in values {
        let (ix, row) = param(handle.protocol(), key, Access::Read)?;
        let reading = read(handle, ix).await?;
        let name = name(handle.protocol().param(ix));
        if reading.secret {
            return Err(format!("{name} is secret: nobody sees its value"));
        }
        let found = match (&reading.value, row) {
            (Readable::Scalar(value), _) => value,
            (Readable::Table(_), None) => return Err(format!("{name} is a table")),
            (Readable::Table(rows), Some(row)) => match rows.iter().find(|(key, _)| key.as_ref() == row) {
                Some((_, cells)) => cells.last().unwrap_or(&value::Value::Empty),
                None => {
                    differences.push(format!("{name} has no row `{row}`"));
                    continue;
                }
            },
        };
        let shown = content(found);
        let display = reading.display.as_deref().map(|text| Content::of_text(text, None));
        let is_shown = display.is_some_and(|display| expect::content(expected, &display).is_ok());
        let is_meant = expected.as_bool().is_some_and(|expected| truth(found) == Some(expected));
        if !is_shown && !is_meant && expect::content(expected, &shown).is_err() {
            let found = match found {
                value::Value::Empty => "empty".to_owned(),
                _ => expect::short(&shown.json.unwrap_or(Value::Null)),
            };
            let row = row.map(|row| format!(" of row `{row}`")).unwrap_or_default();
            differences.push(format!("{name}{row} is {found}, not {}", expect::short(expected)));
        }
    }
    Ok(look(&differences))
}

/// A value as a scenario writes it; an empty one is an empty text.
fn content(value: &value::Value) -> Content {
    let text = value.to_text().to_string();
    let json = match value {
        // A whole number as people write it, without `.0`.
        value::Value::Number(_) => serde_json::from_str(&text).unwrap_or_else(|_| text.clone().into()),
        value::Value::Empty | value::Value::Text(_) | value::Value::Bytes(_) => Value::String(text.clone()),
    };
    Content::of_text(&text, Some(json))
}

/// Whether tables have so many rows.
pub(super) async fn rows(handle: &Handle, rows: &BTreeMap<String, usize>) -> Result<Look, String> {
    let mut differences = Vec::new();
    for (key, expected) in rows {
        let ix = table(handle.protocol(), key)?;
        let Readable::Table(found) = read(handle, ix).await?.value else {
            return Err(format!("parameter {key} is no table"));
        };
        if found.len() != *expected {
            let keys: Vec<&str> = found.iter().take(10).map(|(key, _)| key.as_ref()).collect();
            differences.push(format!(
                "table {key} has {} rows, not {expected}: {}",
                found.len(),
                keys.join(", ")
            ));
        }
    }
    Ok(look(&differences))
}

/// Whether connections are in these states.
pub(super) async fn states(handle: &Handle, states: &BTreeMap<u32, String>) -> Result<Look, String> {
    let status = handle.fresh_status().await;
    let mut differences = Vec::new();
    for (index, expected) in states {
        let Some(connection) = status.connections.iter().find(|connection| connection.index == *index) else {
            return Err(format!("the definition has no connection {index}"));
        };
        let link = connection.link.as_ref().map(|link| link.state);
        let http = connection.http.as_ref().map(|http| http.state);
        let Some(found) = link.or(http) else {
            return Err(format!("connection {index} has no state: it is {}", connection.kind));
        };
        if found != expected {
            differences.push(format!("connection {index} is {found}, not {expected}"));
        }
    }
    Ok(look(&differences))
}
