//! The rows of a message into a table: keys, modes, limits, rows that vanish; reads no message.

use std::sync::Arc;

use crate::engine::param::change::{Event, Place, RowChange};
use crate::engine::param::rows::RowState;
use crate::engine::param::table::{MAX_ROWS, Rows};
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

/// What one row of a message did to a table.
enum RowOutcome {
    Same,
    Changed,
    Added,
    NoPlace,
}

/// A table while a message fills it.
struct Filling {
    table: TableIx,
    columns: Arc<[FillColumn]>,
    key_column: u16,
    mode: RowsMode,
    /// The most rows of the message that are taken.
    most: usize,
    /// By position: whether a row of the message has it.
    seen: Vec<bool>,
    /// How many rows that is.
    taken: usize,
    /// Where the next row is likely to be: lists mostly come in the same order.
    hint: usize,
    /// How many rows are new or changed.
    changed: usize,
    /// The first of them: its key, and its cells before.
    first: Option<(Arc<str>, Option<Box<[Value]>>)>,
    state_column: Option<usize>,
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
        let count = self.rows(fill.table).len();
        let state = described.columns.iter().position(|column| column.kind == ColumnKind::State);
        let mut filling = Filling {
            table: fill.table,
            columns: fill.columns,
            key_column: described.key,
            mode: fill.mode,
            most: match fill.mode {
                RowsMode::Replace => fill.limit.min(MAX_ROWS),
                RowsMode::Merge | RowsMode::Append => MAX_ROWS,
            },
            seen: vec![false; count],
            taken: 0,
            hint: 0,
            changed: 0,
            first: None,
            state_column: state,
            out: Filled::default(),
        };
        let mut cells = fill.cells;
        for row in cells.chunks_mut(filling.columns.len().max(1)) {
            match self.take_key(described, row, &filling) {
                Some(key) => match self.take_row(row, &key, &mut filling) {
                    RowOutcome::Same => {}
                    RowOutcome::Changed | RowOutcome::Added => filling.changed += 1,
                    RowOutcome::NoPlace => filling.out.too_many += 1,
                },
                None => filling.out.without_key += 1,
            }
        }
        let gone = match fill.mode {
            RowsMode::Replace => self.keep_seen(fill.table, &filling.seen),
            RowsMode::Merge | RowsMode::Append => self.keep_newest(fill.table, fill.limit.min(MAX_ROWS)),
        };
        let mut out = filling.out;
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
    fn take_key(&self, table: &Table, row: &mut [Option<Value>], filling: &Filling) -> Option<Arc<str>> {
        let at = filling.columns.iter().position(|column| column.column == table.key);
        let given = at.and_then(|at| row.get_mut(at)?.take()).filter(|value| !value.is_empty());
        let Some(value) = given else {
            let by_engine = table
                .columns
                .get(usize::from(table.key))
                .is_some_and(|column| column.kind == ColumnKind::AutoIncrement);
            // A key cell that finds nothing is a mistake of the message, also where rows are appended.
            let is_numbered = by_engine || (filling.mode == RowsMode::Append && at.is_none());
            return is_numbered.then(|| Arc::from(self.rows(filling.table).next_number().to_string()));
        };
        let key = self.fit_cell(filling.table, "", table.key, value, Origin::Message).ok()?.to_text();
        (!key.is_empty()).then_some(key)
    }

    fn take_row(&mut self, row: &mut [Option<Value>], key: &Arc<str>, filling: &mut Filling) -> RowOutcome {
        let rows = self.rows(filling.table);
        let is_hinted = rows.at(filling.hint).is_some_and(|row| row.key() == key);
        let position = if is_hinted { Some(filling.hint) } else { rows.position(key) };
        let Some(position) = position else {
            // Of a list that becomes the table, the rows that are not in it have not gone yet.
            if filling.taken >= filling.most {
                return RowOutcome::NoPlace;
            }
            let mut fitted = Vec::with_capacity(row.len());
            self.fit_cells(row, key, filling, &mut |column, value| fitted.push((column, value)));
            return match self.insert(filling.table, Arc::clone(key), fitted, 2 * MAX_ROWS) {
                Ok(key) => {
                    filling.seen.push(true);
                    filling.taken += 1;
                    filling.first.get_or_insert((key, None));
                    RowOutcome::Added
                }
                Err(_) => RowOutcome::NoPlace,
            };
        };
        filling.hint = position + 1;
        match filling.seen.get_mut(position) {
            Some(seen) if *seen => filling.out.doubled += 1,
            Some(seen) => {
                *seen = true;
                filling.taken += 1;
            }
            None => {}
        }
        self.overwrite(row, key, position, filling)
    }

    /// Overwrites the cells of a row that is there.
    fn overwrite(
        &mut self,
        row: &mut [Option<Value>],
        key: &Arc<str>,
        position: usize,
        filling: &mut Filling,
    ) -> RowOutcome {
        let key_column = filling.key_column;
        let mut fitted = Vec::with_capacity(row.len());
        self.fit_cells(row, key, filling, &mut |column, value| fitted.push((column, value)));
        let Some(cells) =
            self.tables[filling.table.index()].as_deref_mut().and_then(|rows| rows.cells_at(position))
        else {
            return RowOutcome::Same;
        };
        let differs = fitted.iter().any(|(column, value)| {
            *column != key_column && cells.get(usize::from(*column)).is_some_and(|cell| cell != value)
        });
        if differs {
            if filling.first.is_none() {
                filling.first = Some((Arc::clone(key), Some(Box::from(&*cells))));
            }
            for (column, value) in fitted {
                if let Some(cell) = cells.get_mut(usize::from(column)).filter(|_| column != key_column) {
                    *cell = value;
                }
            }
        }
        let state = if differs { RowState::Updated } else { RowState::Equal };
        if let Some(cell) = filling.state_column.and_then(|column| cells.get_mut(column)) {
            *cell = state.value();
        }
        if differs { RowOutcome::Changed } else { RowOutcome::Same }
    }

    /// Fits the cells of a row; what does not fit is counted.
    fn fit_cells(
        &mut self,
        row: &mut [Option<Value>],
        key: &str,
        filling: &mut Filling,
        take: &mut dyn FnMut(u16, Value),
    ) {
        let columns = Arc::clone(&filling.columns);
        for (column, cell) in columns.iter().zip(row) {
            let Some(value) = cell.take() else { continue };
            match self.fit_cell(filling.table, key, column.column, value, Origin::Message) {
                Ok(value) => take(column.column, value),
                Err(rejected) => {
                    self.rejected += 1;
                    match column.on_error {
                        Policy::Report => {
                            filling.out.cells += 1;
                            filling.out.first.get_or_insert((*column, rejected));
                        }
                        Policy::Keep => {}
                        Policy::Clear => take(column.column, Value::Empty),
                    }
                }
            }
        }
    }

    /// Takes away the rows that a message did not have; says how many.
    fn keep_seen(&mut self, table: TableIx, seen: &[bool]) -> usize {
        self.note_replaced(table);
        let Some(rows) = self.tables[table.index()].as_deref_mut() else { return 0 };
        if seen.iter().all(|seen| *seen) {
            return 0;
        }
        rows.retain_positions(seen)
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

impl Rows {
    /// Takes away the rows at the positions that were not seen.
    fn retain_positions(&mut self, seen: &[bool]) -> usize {
        let mut position = 0;
        self.retain_rows(|_| {
            position += 1;
            seen.get(position - 1).copied().unwrap_or(true)
        })
    }
}

#[cfg(test)]
mod tests;
