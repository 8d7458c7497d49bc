//! The values of an element at a moment, and what differs between two; secrets are masked in all that leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::outcome::{Named, RowChange, Table};
use crate::api::wire::{self, Reading};
use crate::engine::codec::mask::{Ends, Mask};
use crate::engine::param::Params;
use crate::engine::param::change::display_text;
use crate::language::model::Protocol;
use crate::language::model::id::{ParamIx, TableIx};
use crate::language::model::param::Param;
use crate::value::Value;

/// What stands for a secret.
const STARS: &str = "***";

/// The rows of a table by key.
type Rows = BTreeMap<Arc<str>, Vec<Value>>;

/// The values at a moment.
pub(super) struct Snapshot {
    values: BTreeMap<ParamIx, Value>,
    tables: BTreeMap<TableIx, Rows>,
}

impl Snapshot {
    pub(super) fn of(params: &Params) -> Self {
        let values = params.standalone().map(|param| (param, params.get(param).clone())).collect();
        let tables = tables(params.protocol()).map(|table| (table, rows(params, table))).collect();
        Self { values, tables }
    }

    /// Takes the present values; gives the standalone parameters that differ with their values before, and what differs in
    /// those tables.
    pub(super) fn renew(
        &mut self,
        params: &Params,
        mask: &Mask,
        touched: &BTreeSet<TableIx>,
    ) -> (BTreeMap<ParamIx, Value>, Vec<Table>) {
        let mut changed = BTreeMap::new();
        for (param, value) in &mut self.values {
            let now = params.get(*param);
            if value != now {
                changed.insert(*param, std::mem::replace(value, now.clone()));
            }
        }
        let mut differing = Vec::new();
        for table in touched {
            let now = rows(params, *table);
            let before = self.tables.insert(*table, now).unwrap_or_default();
            let now = self.tables.get(table).into_iter().flatten();
            differing.extend(difference(params, mask, *table, before, now));
        }
        (changed, differing)
    }
}

fn tables(protocol: &Protocol) -> impl Iterator<Item = TableIx> {
    (0..protocol.tables.len()).filter_map(TableIx::new)
}

fn rows(params: &Params, table: TableIx) -> Rows {
    params.rows(table).iter().map(|row| (row.key().clone(), row.cells().to_vec())).collect()
}

/// What of a table is new, other or gone; none if nothing is.
fn difference<'a>(
    params: &Params,
    mask: &Mask,
    table: TableIx,
    mut before: Rows,
    now: impl Iterator<Item = (&'a Arc<str>, &'a Vec<Value>)>,
) -> Option<Table> {
    let protocol = params.protocol();
    let described = protocol.table(table);
    let columns: Vec<&Param> = described.columns.iter().map(|column| protocol.param(column.param)).collect();
    let cells = |cells: &[Value]| {
        let shown = columns.iter().zip(cells);
        shown.map(|(column, cell)| masked_by(mask, masked_value(column, cell))).collect()
    };
    let masked_key = |key: &str| masked_key(protocol, mask, table, key);
    let named = |param: &Param| Named { id: param.id.0, name: param.name.clone() };
    let mut shown = Table {
        named: named(protocol.param(described.param)),
        columns: columns.iter().map(|column| named(column)).collect(),
        rows: params.rows(table).len(),
        added: Vec::new(),
        changed: Vec::new(),
        removed: Vec::new(),
    };
    for (key, row) in now {
        match before.remove(key) {
            None => shown.added.push(cells(row)),
            Some(old) if old != *row => {
                shown.changed.push(RowChange {
                    key: masked_key(key),
                    before: cells(&old),
                    cells: cells(row),
                });
            }
            Some(_) => {}
        }
    }
    shown.removed = before.into_keys().map(|key| masked_key(&key)).collect();
    let is_same = shown.added.is_empty() && shown.changed.is_empty() && shown.removed.is_empty();
    (!is_same).then_some(shown)
}

/// A value as it may be shown.
pub(super) fn masked_value(described: &Param, value: &Value) -> wire::Value {
    if described.secret && !value.is_empty() {
        wire::Value::Text(STARS.into())
    } else {
        wire::Value::from(value)
    }
}

/// The key of a row as it may be shown.
pub(super) fn masked_key(protocol: &Protocol, mask: &Mask, table: TableIx, key: &str) -> Arc<str> {
    let described = protocol.table(table);
    let column = described.columns.get(usize::from(described.key));
    if column.is_some_and(|column| protocol.param(column.param).secret) {
        STARS.into()
    } else {
        masked(mask, key).into()
    }
}

/// A standalone parameter with a value, as the API reads it.
pub(super) fn reading(described: &Param, value: &Value) -> Reading {
    let display = display_text(described, value);
    Reading {
        id: described.id.0,
        name: described.name.clone(),
        value: if described.secret { wire::Value::Empty } else { wire::Value::from(value) },
        display: (!described.secret && *display != *value.to_text()).then_some(display),
        secret: described.secret,
        set: described.secret.then_some(!value.is_empty()),
    }
}

/// A value with `***` for each secret in its text.
pub(super) fn masked_by(mask: &Mask, value: wire::Value) -> wire::Value {
    match value {
        wire::Value::Text(text) => wire::Value::Text(masked(mask, &text).into()),
        wire::Value::Bytes(bytes) => wire::Value::Bytes(mask.shown(&bytes, usize::MAX, Ends::Cut).into()),
        other @ (wire::Value::Empty | wire::Value::Number(_) | wire::Value::Table(_)) => other,
    }
}

/// A text with `***` for each secret.
pub(super) fn masked(mask: &Mask, text: &str) -> String {
    String::from_utf8_lossy(&mask.shown(text.as_bytes(), usize::MAX, Ends::Cut)).into_owned()
}
