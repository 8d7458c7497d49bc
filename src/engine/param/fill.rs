//! The rows of a message into a table: keys, modes, limits, rows that vanish; reads no message.

use std::sync::Arc;

use crate::engine::param::change::{Event, Place, RowChange};
use crate::engine::param::filling::RowOutcome;
use crate::engine::param::table::MAX_ROWS;
use crate::engine::param::{Origin, Params, Rejected};
use crate::language::model::id::TableIx;
use crate::language::model::message::{FillColumn, Policy};
use crate::language::model::param::{ColumnKind, Table};
use crate::language::schema::enumerations::RowsMode;
use crate::value::Value;

/// Rows that a message has for a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableFill {
    /// The table.
    pub table: TableIx,
    /// The path of the list, for reports.
    pub path: Arc<str>,
    /// Which columns the cells are of; never empty.
    pub columns: Arc<[FillColumn]>,
    /// The cells, row after row, as many for each as there are columns; none leaves the value as it is.
    pub cells: Vec<Option<Value>>,
    /// What happens to the rows that are there.
    pub mode: RowsMode,
    /// The most rows that the table has then.
    pub limit: usize,
}

/// What became of the rows of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filled {
    /// The one event, if anything is new: of the row if it is only one, else of the table.
    pub event: Option<Event>,
    /// How many rows had no key and were left out.
    pub without_key: u32,
    /// How many rows had the key of another one of the same message, which they overwrote.
    pub doubled: u32,
    /// How many rows found no place in the table.
    pub too_many: u32,
    /// How many cells did not fit and are to be reported, and the first of them.
    pub cells: u32,
    /// Of which column the first of these cells is, and why it was not taken.
    pub first: Option<(FillColumn, Rejected)>,
}

/// What the rows of a message come with.
struct Given {
    columns: Arc<[FillColumn]>,
    mode: RowsMode,
    out: Filled,
}

impl Params {
    /// Whether a value would be taken by a standalone parameter.
    pub fn takes(&self, param: crate::language::model::id::ParamIx, value: &Value, origin: Origin) -> bool {
        let described = self.describe(param);
        let operand = |operand| self.get(operand).as_number();
        super::fit::fit(described, self.sequence_of(param), value.clone(), origin, &operand).is_ok()
    }

    /// Sets the rows of a message: at most one event, whatever their number.
    ///
    /// A row without a key is left out, unless the engine numbers it: in a column of type `autoincrement`, and in mode
    /// `append`. Of two rows with one key the later counts. A cell that does not fit keeps its value, or becomes empty where
    /// that is the policy of its column. All of this is counted in [`Params::rejected`].
    pub fn take_rows(&mut self, fill: TableFill) -> Filled {
        let protocol = Arc::clone(&self.protocol);
        let described = protocol.table(fill.table);
        let most = match fill.mode {
            RowsMode::Replace => fill.limit.min(MAX_ROWS),
            RowsMode::Merge | RowsMode::Append => MAX_ROWS,
        };
        let mut filling = self.filling(fill.table, most, 2 * MAX_ROWS);
        let mut given = Given { columns: fill.columns, mode: fill.mode, out: Filled::default() };
        let mut cells = fill.cells;
        for row in cells.chunks_mut(given.columns.len().max(1)) {
            let Some(key) = self.take_key(described, row, &given, fill.table) else {
                given.out.without_key += 1;
                continue;
            };
            let Some(spot) = self.spot(&mut filling, &key) else {
                given.out.too_many += 1;
                continue;
            };
            let fitted = self.fit_cells(row, &key, fill.table, &mut given);
            if self.put(&mut filling, key, spot, fitted) == RowOutcome::NoPlace {
                given.out.too_many += 1;
            }
        }
        let gone = match fill.mode {
            RowsMode::Replace => self.keep_seen(&filling),
            RowsMode::Merge | RowsMode::Append => self.keep_newest(fill.table, fill.limit.min(MAX_ROWS)),
        };
        let mut out = given.out;
        out.doubled = filling.doubled;
        self.rejected += u64::from(out.without_key) + u64::from(out.doubled) + u64::from(out.too_many);
        out.event = match (filling.changed, gone, filling.first) {
            (0, 0, _) => None,
            (1, 0, Some((key, old))) => {
                let what = if old.is_some() { RowChange::Set } else { RowChange::Added };
                Some(event(described, Place::Row { table: fill.table, key, what, old }))
            }
            (_, _, _) => Some(event(described, Place::Table { table: fill.table })),
        };
        out
    }

    /// The key of a row, whose cell is taken out of it.
    fn take_key(
        &self,
        table: &Table,
        row: &mut [Option<Value>],
        given: &Given,
        ix: TableIx,
    ) -> Option<Arc<str>> {
        let at = given.columns.iter().position(|column| column.column == table.key);
        let value = at.and_then(|at| row.get_mut(at)?.take()).filter(|value| !value.is_empty());
        let Some(value) = value else {
            let by_engine = table
                .columns
                .get(usize::from(table.key))
                .is_some_and(|column| column.kind == ColumnKind::AutoIncrement);
            // A key cell that finds nothing is a mistake of the message, also where rows are appended.
            let is_numbered = by_engine || (given.mode == RowsMode::Append && at.is_none());
            return is_numbered.then(|| Arc::from(self.rows(ix).next_number().to_string()));
        };
        let key = self.fit_cell(ix, "", table.key, value, Origin::Message).ok()?.to_text();
        (!key.is_empty()).then_some(key)
    }

    /// Fits the cells of a row; what does not fit is counted.
    fn fit_cells(
        &mut self,
        row: &mut [Option<Value>],
        key: &str,
        table: TableIx,
        given: &mut Given,
    ) -> Vec<(u16, Value)> {
        let mut fitted = Vec::with_capacity(row.len());
        for (column, cell) in given.columns.iter().zip(row) {
            let Some(value) = cell.take() else { continue };
            match self.fit_cell(table, key, column.column, value, Origin::Message) {
                Ok(value) => fitted.push((column.column, value)),
                Err(rejected) => {
                    self.rejected += 1;
                    match column.on_error {
                        Policy::Report => {
                            given.out.cells += 1;
                            given.out.first.get_or_insert((*column, rejected));
                        }
                        Policy::Keep => {}
                        Policy::Clear => fitted.push((column.column, Value::Empty)),
                    }
                }
            }
        }
        fitted
    }

    /// Takes the oldest rows away that are more than the limit; says how many.
    fn keep_newest(&mut self, table: TableIx, limit: usize) -> usize {
        let Some(rows) = self.tables[table.index()].as_deref_mut() else { return 0 };
        let gone: Vec<Arc<str>> = (limit..rows.len()).filter_map(|_| rows.pop_front()).collect();
        gone.iter().for_each(|key| self.note_gone(table, key));
        gone.len()
    }
}

fn event(table: &Table, place: Place) -> Event {
    Event { param: table.param, place, origin: Origin::Message, differs: true, previous: Value::Empty }
}

#[cfg(test)]
mod tests;
