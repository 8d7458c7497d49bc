//! Compares what an element shows with what a step expects; changes nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Look;
use crate::element::handle::{Handle, Readable, Reading};
use crate::language::model::id::ParamIx;
use crate::language::model::{Access, Protocol};
use crate::scenario::expect::{self, Content};
use crate::value;

/// Finds a parameter by `10`, `Name`, or with the key of a row, `1002[key]`.
pub(super) fn param<'a>(
    protocol: &Protocol,
    key: &'a str,
    access: Access,
) -> Result<(ParamIx, Option<&'a str>), String> {
    let (found, row) = protocol.find_place(key, access)?;
    if protocol.param(found).column.is_some() && row.is_none() {
        return Err(format!("parameter {key} is a column: say which row, such as `{key}[key]`"));
    }
    Ok((found, row))
}

async fn read(handle: &Handle, param: ParamIx) -> Result<Reading, String> {
    handle.get(param).await.ok_or_else(|| "the element has ended".to_owned())
}

/// Whether parameters have values.
pub(super) async fn params(handle: &Handle, values: &BTreeMap<String, Value>) -> Result<Look, String> {
    for (key, expected) in values {
        let (ix, row) = param(handle.protocol(), key, Access::Read)?;
        let reading = read(handle, ix).await?;
        let described = handle.protocol().param(ix);
        let name = match described.name.as_ref() {
            "" => format!("parameter {}", described.id),
            name => format!("parameter {} ({name})", described.id),
        };
        if reading.secret {
            return Err(format!("{name} is secret: nobody sees its value"));
        }
        let found = match (&reading.value, row) {
            (Readable::Scalar(value), _) => value,
            (Readable::Table(_), None) => {
                return Err(format!("{name} is a table: use `rows`, or a column's cell"));
            }
            (Readable::Table(rows), Some(row)) => match rows.iter().find(|(key, _)| key.as_ref() == row) {
                Some((_, cells)) => cells.last().unwrap_or(&value::Value::Empty),
                None => return Ok(Look::Not(format!("{name} has no row `{row}`"))),
            },
        };
        let shown = content(found);
        let display = reading.display.as_deref().map(|text| Content { text: text.to_owned(), json: None });
        let is_shown = display.is_some_and(|display| expect::content(expected, &display).is_ok());
        if !is_shown && expect::content(expected, &shown).is_err() {
            let found = match found {
                value::Value::Empty => "empty".to_owned(),
                _ => expect::short(&shown.json.unwrap_or(Value::Null)),
            };
            let row = row.map(|row| format!(" of row `{row}`")).unwrap_or_default();
            return Ok(Look::Not(format!("{name}{row} is {found}, not {}", expect::short(expected))));
        }
    }
    Ok(Look::Good)
}

/// A value as a scenario writes it; an empty one is an empty text.
fn content(value: &value::Value) -> Content {
    let text = value.to_text().to_string();
    let json = match value {
        // A whole number as people write it, without `.0`.
        value::Value::Number(_) => serde_json::from_str(&text).unwrap_or_else(|_| text.clone().into()),
        value::Value::Empty | value::Value::Text(_) | value::Value::Bytes(_) => Value::String(text.clone()),
    };
    Content { text, json: Some(json) }
}

/// Whether tables have so many rows.
pub(super) async fn rows(handle: &Handle, rows: &BTreeMap<String, usize>) -> Result<Look, String> {
    for (key, expected) in rows {
        let (ix, _) = param(handle.protocol(), key, Access::Read)?;
        let Readable::Table(found) = read(handle, ix).await?.value else {
            return Err(format!("parameter {key} is no table"));
        };
        if found.len() != *expected {
            let keys: Vec<&str> = found.iter().take(10).map(|(key, _)| key.as_ref()).collect();
            let why = format!("table {key} has {} rows, not {expected}: {}", found.len(), keys.join(", "));
            return Ok(Look::Not(why));
        }
    }
    Ok(Look::Good)
}

/// Whether connections are in these states.
pub(super) async fn states(handle: &Handle, states: &BTreeMap<u32, String>) -> Result<Look, String> {
    let status = handle.fresh_status().await;
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
            return Ok(Look::Not(format!("connection {index} is {found}, not {expected}")));
        }
    }
    Ok(Look::Good)
}
