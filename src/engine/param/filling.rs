//! A table while many rows are put into it at once, by a message, a script or a program: where they belong, what is new; fits no
//! value and raises no event.

use std::sync::Arc;

use crate::engine::param::Params;
use crate::engine::param::rows::RowState;
use crate::engine::param::table::Rows;
use crate::language::model::id::TableIx;
use crate::language::model::param::ColumnKind;
use crate::value::Value;

/// What one row did to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowOutcome {
    /// It was there, with the same cells.
    Same,
    /// It was there, with other cells.
    Changed,
    /// It is new.
    Added,
    /// The table is full.
    NoPlace,
}

/// Where a row belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// It is there, at this position.
    There(usize),
    /// It is new.
    New,
}

/// A table while rows are put into it.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) table: TableIx,
    key_column: u16,
    state_column: Option<usize>,
    /// The most rows that are taken; those with one key are one.
    most: usize,
    /// The most rows that the table has meanwhile: those that go later are still there.
    room: usize,
    /// By position: whether a row was put there.
    seen: Vec<bool>,
    /// How many rows that is.
    taken: usize,
    /// Where the next row is likely to be: lists mostly come in the same order.
    hint: usize,
    /// How many rows had the key of another one, which they overwrote.
    pub(super) doubled: u32,
    /// How many rows are new or changed.
    pub(super) changed: usize,
    /// The first of them: its key, and its cells before.
    pub(super) first: Option<(Arc<str>, Option<Box<[Value]>>)>,
}

impl Params {
    /// Begins to put rows into a table: at most so many different ones, with at most so many in the table meanwhile.
    pub(super) fn filling(&self, table: TableIx, most: usize, room: usize) -> Filling {
        let described = self.protocol.table(table);
        Filling {
            table,
            key_column: described.key,
            state_column: described.columns.iter().position(|column| column.kind == ColumnKind::State),
            most,
            room,
            seen: vec![false; self.rows(table).len()],
            taken: 0,
            hint: 0,
            doubled: 0,
            changed: 0,
            first: None,
        }
    }

    /// Where the row with a key belongs; none if there is no place for it.
    pub(super) fn spot(&self, filling: &mut Filling, key: &str) -> Option<Spot> {
        let rows = self.rows(filling.table);
        let is_hinted = rows.at(filling.hint).is_some_and(|row| &**row.key() == key);
        let position = if is_hinted { Some(filling.hint) } else { rows.position(key) };
        let Some(position) = position else {
            // Of a list that becomes the table, the rows that are not in it have not gone yet.
            let is_place = filling.taken < filling.most && rows.len() < filling.room;
            return is_place.then_some(Spot::New);
        };
        filling.hint = position + 1;
        match filling.seen.get_mut(position) {
            Some(seen) if *seen => filling.doubled += 1,
            Some(_) if filling.taken >= filling.most => return None,
            Some(seen) => {
                *seen = true;
                filling.taken += 1;
            }
            None => {}
        }
        Some(Spot::There(position))
    }

    /// Writes the cells of a row that were fitted; the key stays as it is.
    pub(super) fn put(
        &mut self,
        filling: &mut Filling,
        key: Arc<str>,
        spot: Spot,
        fitted: Vec<(u16, Value)>,
    ) -> RowOutcome {
        let outcome = match spot {
            Spot::There(position) => self.overwrite(filling, key, position, fitted),
            Spot::New => match self.insert(filling.table, key, fitted, filling.room) {
                Ok(key) => {
                    filling.seen.push(true);
                    filling.taken += 1;
                    filling.first.get_or_insert((key, None));
                    RowOutcome::Added
                }
                Err(_) => RowOutcome::NoPlace,
            },
        };
        match outcome {
            RowOutcome::Changed | RowOutcome::Added => filling.changed += 1,
            RowOutcome::Same | RowOutcome::NoPlace => {}
        }
        outcome
    }

    /// Overwrites the cells of a row that is there.
    fn overwrite(
        &mut self,
        filling: &mut Filling,
        key: Arc<str>,
        position: usize,
        fitted: Vec<(u16, Value)>,
    ) -> RowOutcome {
        let Some(cells) =
            self.tables[filling.table.index()].as_deref_mut().and_then(|rows| rows.cells_at(position))
        else {
            return RowOutcome::Same;
        };
        let key_column = filling.key_column;
        let differs = fitted.iter().any(|(column, value)| {
            *column != key_column && cells.get(usize::from(*column)).is_some_and(|cell| cell != value)
        });
        if differs {
            if filling.first.is_none() {
                filling.first = Some((key, Some(Box::from(&*cells))));
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

    /// Takes away the rows that were not put; says how many.
    pub(super) fn keep_seen(&mut self, filling: &Filling) -> usize {
        self.note_replaced(filling.table);
        let Some(rows) = self.tables[filling.table.index()].as_deref_mut() else { return 0 };
        if filling.seen.iter().all(|seen| *seen) {
            return 0;
        }
        rows.retain_positions(&filling.seen)
    }
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
