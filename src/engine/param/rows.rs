//! Sets of cells, rows and whole tables; decides nothing about single values, which `fit` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::param::change::{Event, Place, RowChange};
use crate::engine::param::filling::{Filling, RowOutcome};
use crate::engine::param::table::{MAX_ROWS, Row, Rows};
use crate::engine::param::{Origin, Outcome, Params, Rejected, fit};
use crate::language::model::id::TableIx;
use crate::language::model::param::{ColumnKind, Table};
use crate::value::Value;

/// The cells of a row by column; `None` leaves a cell as it is, or empty in a new row.
pub type Cells = Vec<Option<Value>>;

/// What a fill does with the rows that it does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// They go.
    Replace,
    /// They stay.
    Merge,
}

/// What of a fill was not taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotTaken {
    /// How many rows: they have no key, or the table is full.
    pub rows: u64,
    /// How many cells of other rows: they do not fit.
    pub cells: u64,
    /// The first of all: where it is, and why.
    pub first: Option<Rejected>,
}

impl NotTaken {
    fn tell(&mut self, row: usize, param: Option<i32>, why: Rejected) {
        self.first.get_or_insert_with(|| Rejected::InRow { row, param, why: Box::new(why) });
    }
}

/// The state of a row in a column of type `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowState {
    Updated = 1,
    Equal = 2,
    New = 3,
}

impl RowState {
    pub(super) fn value(self) -> Value {
        Value::Number(f64::from(self as u8))
    }
}

impl Params {
    /// A cell; `None` if there is no such row or column.
    pub fn cell(&self, table: TableIx, key: &str, column: u16) -> Option<&Value> {
        self.rows(table).get(key)?.cells().get(usize::from(column))
    }

    /// Sets a cell; makes the row if the table says so (`autoAdd`).
    pub fn set_cell(
        &mut self,
        table: TableIx,
        key: &str,
        column: u16,
        value: Value,
        origin: Origin,
    ) -> Outcome {
        let described = self.protocol.table(table);
        let Some(of) = described.columns.get(usize::from(column)) else {
            return self.reject(Rejected::NoColumn(column));
        };
        let param = of.param;
        if self.rows(table).get(key).is_none() {
            let mut cells = vec![None; described.columns.len()];
            cells[usize::from(column)] = Some(value);
            return self.set_row(table, key, cells, origin);
        }
        let value = match self.fit_cell(table, key, column, value, origin) {
            Ok(value) => value,
            Err(rejected) => return self.reject(rejected),
        };
        if column == described.key {
            let same = &*value.to_text() == key;
            return if same { Outcome::Quiet } else { self.reject(Rejected::KeyChange) };
        }
        let Some((key, previous)) = self.replace_cell(table, key, column, value) else {
            return Outcome::Quiet;
        };
        let differs = self.cell(table, &key, column) != Some(&previous);
        if origin == Origin::Startup || !(differs || origin.always_an_event()) {
            return Outcome::Quiet;
        }
        Outcome::Event(Event { param, place: Place::Cell { table, key, column }, origin, differs, previous })
    }

    /// Sets the cells of a row; makes the row if the table says so (`autoAdd`). A cell that does not fit refuses all.
    pub fn set_row(&mut self, table: TableIx, key: &str, cells: Cells, origin: Origin) -> Outcome {
        let described = self.protocol.table(table);
        let (param, auto_add, key_column) = (described.param, described.auto_add, described.key);
        if self.rows(table).get(key).is_none() {
            if !auto_add && origin != Origin::Startup {
                return self.reject(Rejected::NoRow(Arc::from(key)));
            }
            let mut cells = cells;
            if let Some(cell) = cells.get_mut(usize::from(key_column)) {
                *cell = Some(Value::text(key));
            }
            return self.add_row(table, cells, origin);
        }
        let fitted = match self.fit_row(table, key, cells, origin) {
            Ok(fitted) => fitted,
            Err(rejected) => return self.reject(rejected),
        };
        let changes_key =
            fitted.iter().any(|(column, value)| *column == key_column && &*value.to_text() != key);
        if changes_key {
            return self.reject(Rejected::KeyChange);
        }
        let Some(row) = self.rows(table).get(key) else { return Outcome::Quiet };
        let (key, old) = (row.key().clone(), row.cells().into());
        let differs = self.write_cells(table, &key, fitted);
        if origin == Origin::Startup || !(differs || origin.always_an_event()) {
            return Outcome::Quiet;
        }
        let place = Place::Row { table, key, what: RowChange::Set, old: Some(old) };
        Outcome::Event(Event { param, place, origin, differs, previous: Value::Empty })
    }

    /// Adds a row; the key is the cell of the key column, or the next number if that column is `autoincrement`.
    pub fn add_row(&mut self, table: TableIx, cells: Cells, origin: Origin) -> Outcome {
        match self.try_add(table, cells, origin) {
            Ok(key) if origin != Origin::Startup => {
                let param = self.protocol.table(table).param;
                let place = Place::Row { table, key, what: RowChange::Added, old: None };
                Outcome::Event(Event { param, place, origin, differs: true, previous: Value::Empty })
            }
            Ok(_) => Outcome::Quiet,
            Err(rejected) => self.reject(rejected),
        }
    }

    /// Takes a row away.
    pub fn delete_row(&mut self, table: TableIx, key: &str, origin: Origin) -> Outcome {
        let removed = self.tables[table.index()].as_deref_mut().and_then(|rows| rows.remove(key));
        let Some(row) = removed else { return self.reject(Rejected::NoRow(Arc::from(key))) };
        self.note_gone(table, row.key());
        let place = Place::Row {
            table,
            key: row.key().clone(),
            what: RowChange::Deleted,
            old: Some(row.cells().into()),
        };
        let param = self.protocol.table(table).param;
        Outcome::Event(Event { param, place, origin, differs: true, previous: Value::Empty })
    }

    /// Takes several rows away, all of them before anything follows; gives an event for each, and the keys that no row has.
    pub fn delete_rows(
        &mut self,
        table: TableIx,
        keys: Vec<Arc<str>>,
        origin: Origin,
    ) -> (Vec<Event>, Vec<Arc<str>>) {
        let rows = self.tables[table.index()].as_deref_mut();
        let (removed, missing) = match rows {
            Some(rows) => rows.remove_all(keys),
            None => (Vec::new(), keys),
        };
        let param = self.protocol.table(table).param;
        let mut events = Vec::with_capacity(removed.len());
        for row in removed {
            self.note_gone(table, row.key());
            let (key, what, old) = (row.key().clone(), RowChange::Deleted, Some(row.cells().into()));
            let place = Place::Row { table, key, what, old };
            events.push(Event { param, place, origin, differs: true, previous: Value::Empty });
        }
        self.rejected += missing.len() as u64;
        (events, missing)
    }

    /// Takes all rows away and gives their memory back.
    pub fn clear_table(&mut self, table: TableIx, origin: Origin) -> Outcome {
        self.note_replaced(table);
        let had_rows = self.tables[table.index()].take().is_some_and(|rows| !rows.is_empty());
        self.table_event(table, had_rows, origin)
    }

    /// Sets many rows at once: one event, whatever their number.
    ///
    /// A cell that does not fit keeps its value, a row without a key is left out; both are counted in [`Params::rejected`].
    /// A person or a program, which gets an answer, is told of the first of these instead, and nothing changes.
    /// Of two rows with one key the last counts.
    pub fn fill(&mut self, table: TableIx, rows: Vec<Cells>, mode: Fill, origin: Origin) -> Outcome {
        if matches!(origin, Origin::User | Origin::Api)
            && let Err(rejected) = self.check_rows(table, &rows, mode, origin)
        {
            return self.reject(rejected);
        }
        self.fill_as_far(table, rows, mode, origin).0
    }

    /// As [`Params::fill`] of a script or a message: what can be taken is. Also tells what was not.
    pub fn fill_as_far(
        &mut self,
        table: TableIx,
        rows: Vec<Cells>,
        mode: Fill,
        origin: Origin,
    ) -> (Outcome, NotTaken) {
        let room = match mode {
            Fill::Replace => 2 * MAX_ROWS,
            Fill::Merge => MAX_ROWS,
        };
        let mut filling = self.filling(table, MAX_ROWS, room);
        let mut not_taken = NotTaken::default();
        for (row, cells) in (1..).zip(rows) {
            if let Err(why) = self.fill_row(&mut filling, (row, cells), origin, &mut not_taken) {
                not_taken.rows += 1;
                not_taken.tell(row, None, why);
            }
        }
        self.rejected += not_taken.rows + not_taken.cells;
        let gone = match mode {
            Fill::Replace => self.keep_seen(&filling),
            Fill::Merge => 0,
        };
        (self.table_event(table, filling.changed > 0 || gone > 0, origin), not_taken)
    }

    /// Whether all rows can be taken; those with one key are one.
    fn check_rows(&self, table: TableIx, rows: &[Cells], mode: Fill, origin: Origin) -> Result<(), Rejected> {
        let described = self.protocol.table(table);
        let there = self.rows(table);
        let mut count = match mode {
            Fill::Replace => 0,
            Fill::Merge => there.len(),
        };
        let mut keys = BTreeSet::new();
        for (row, cells) in (1..).zip(rows) {
            let wrong = |param, why| Rejected::InRow { row, param, why: Box::new(why) };
            let key = self.key_of(table, cells, origin).map_err(|why| wrong(None, why))?;
            for (column, cell) in (0_u16..).zip(cells) {
                let Some(value) = cell else { continue };
                self.fit_cell(table, &key, column, value.clone(), origin).map_err(|why| {
                    let of = described.columns.get(usize::from(column));
                    wrong(of.map(|of| self.describe(of.param).id.0), why)
                })?;
            }
            let has_key = cells
                .get(usize::from(described.key))
                .is_some_and(|key| key.as_ref().is_some_and(|key| !key.is_empty()));
            let is_there = mode == Fill::Merge && there.get(&key).is_some();
            // One that the engine numbers is always another one.
            count += usize::from(!has_key || (!is_there && keys.insert(key)));
            if count > MAX_ROWS {
                return Err(Rejected::Full);
            }
        }
        Ok(())
    }

    fn table_event(&mut self, table: TableIx, differs: bool, origin: Origin) -> Outcome {
        if origin == Origin::Startup || !(differs || origin.always_an_event()) {
            return Outcome::Quiet;
        }
        let param = self.protocol.table(table).param;
        let place = Place::Table { table };
        Outcome::Event(Event { param, place, origin, differs, previous: Value::Empty })
    }

    /// One row of a fill, by its number from 1; cells that do not fit are told.
    fn fill_row(
        &mut self,
        filling: &mut Filling,
        (row, cells): (usize, Cells),
        origin: Origin,
        not_taken: &mut NotTaken,
    ) -> Result<(), Rejected> {
        let table = filling.table;
        let key = self.key_of(table, &cells, origin)?;
        let spot = self.spot(filling, &key).ok_or(Rejected::Full)?;
        let (kept, dropped, first) = self.fitting_cells(table, &key, cells, origin);
        if self.put(filling, key, spot, kept) == RowOutcome::NoPlace {
            return Err(Rejected::Full);
        }
        not_taken.cells += dropped;
        if let Some((column, why)) = first {
            let of = self.protocol.table(table).columns.get(usize::from(column));
            not_taken.tell(row, of.map(|of| self.describe(of.param).id.0), why);
        }
        Ok(())
    }

    fn try_add(&mut self, table: TableIx, cells: Cells, origin: Origin) -> Result<Arc<str>, Rejected> {
        let key = self.key_of(table, &cells, origin)?;
        if self.rows(table).get(&key).is_some() {
            return Err(Rejected::KeyTaken(key));
        }
        let fitted = self.fit_row(table, &key, cells, origin)?;
        self.insert(table, key, fitted, MAX_ROWS)
    }

    /// Puts a new row at the end, with the columns that the engine fills; refuses it where there are `most` rows already.
    pub(super) fn insert(
        &mut self,
        table: TableIx,
        key: Arc<str>,
        fitted: Vec<(u16, Value)>,
        most: usize,
    ) -> Result<Arc<str>, Rejected> {
        let described = self.protocol.table(table);
        let mut cells = vec![Value::Empty; described.columns.len()];
        for (column, value) in fitted {
            cells[usize::from(column)] = value;
        }
        let rows = self.tables[table.index()].get_or_insert_with(|| Box::new(Rows::none()));
        if rows.len() >= most {
            return Err(Rejected::Full);
        }
        for (column, (of, cell)) in (0_u16..).zip(described.columns.iter().zip(&mut cells)) {
            match of.kind {
                ColumnKind::State => *cell = RowState::New.value(),
                ColumnKind::DisplayKey if cell.is_empty() => *cell = Value::Text(key.clone()),
                ColumnKind::AutoIncrement if cell.is_empty() && column != described.key => {
                    *cell = Value::text(rows.next_number().to_string());
                }
                ColumnKind::Retrieved
                | ColumnKind::AutoIncrement
                | ColumnKind::DisplayKey
                | ColumnKind::Custom => {}
            }
        }
        if let Some(cell) = cells.get_mut(usize::from(described.key)).filter(|cell| cell.is_empty()) {
            *cell = Value::Text(key.clone());
        }
        rows.push(Row::new(key.clone(), cells.into()));
        Ok(key)
    }

    /// The primary key that cells stand for.
    fn key_of(&self, table: TableIx, cells: &Cells, origin: Origin) -> Result<Arc<str>, Rejected> {
        let described = self.protocol.table(table);
        let column = described.key;
        let given = cells.get(usize::from(column)).cloned().flatten().unwrap_or(Value::Empty);
        if given.is_empty() {
            return if is_auto_increment(described, column) {
                Ok(Arc::from(self.rows(table).next_number().to_string()))
            } else {
                Err(Rejected::NoKey)
            };
        }
        let key = self.fit_cell(table, "", column, given, origin)?.to_text();
        if key.is_empty() { Err(Rejected::NoKey) } else { Ok(key) }
    }

    /// Fits all cells that are given, or says why one does not fit.
    fn fit_row(
        &self,
        table: TableIx,
        key: &str,
        cells: Cells,
        origin: Origin,
    ) -> Result<Vec<(u16, Value)>, Rejected> {
        let given = (0_u16..).zip(cells).filter_map(|(column, cell)| Some((column, cell?)));
        given.map(|(column, value)| Ok((column, self.fit_cell(table, key, column, value, origin)?))).collect()
    }

    /// The cells that fit, how many do not, and the first of these.
    fn fitting_cells(
        &self,
        table: TableIx,
        key: &str,
        cells: Cells,
        origin: Origin,
    ) -> (Vec<(u16, Value)>, u64, Option<(u16, Rejected)>) {
        let (mut dropped, mut first) = (0, None);
        let mut kept = Vec::with_capacity(cells.len());
        for (column, cell) in (0_u16..).zip(cells) {
            match cell.map(|value| self.fit_cell(table, key, column, value, origin)) {
                Some(Ok(value)) => kept.push((column, value)),
                Some(Err(why)) => {
                    dropped += 1;
                    first.get_or_insert((column, why));
                }
                None => {}
            }
        }
        (kept, dropped, first)
    }

    pub(super) fn fit_cell(
        &self,
        table: TableIx,
        key: &str,
        column: u16,
        value: Value,
        origin: Origin,
    ) -> Result<Value, Rejected> {
        let of = self.protocol.table(table).columns.get(usize::from(column));
        let of = of.ok_or(Rejected::NoColumn(column))?.param;
        let (param, sequence) = (self.describe(of), self.sequence_of(of));
        fit::fit(param, sequence, value, origin, &|operand| self.get_in(operand, Some(key)).as_number())
    }

    /// Puts a value into a cell that is there; answers the row's key and the value before.
    fn replace_cell(
        &mut self,
        table: TableIx,
        key: &str,
        column: u16,
        value: Value,
    ) -> Option<(Arc<str>, Value)> {
        let rows = self.tables[table.index()].as_deref_mut()?;
        let key = rows.get(key)?.key().clone();
        let cell = rows.cells_mut(&key)?.get_mut(usize::from(column))?;
        Some((key, std::mem::replace(cell, value)))
    }

    /// Writes cells that were fitted; says whether one differs.
    fn write_cells(&mut self, table: TableIx, key: &str, fitted: Vec<(u16, Value)>) -> bool {
        let Some(cells) = self.tables[table.index()].as_deref_mut().and_then(|rows| rows.cells_mut(key))
        else {
            return false;
        };
        let mut differs = false;
        for (column, value) in fitted {
            if let Some(cell) = cells.get_mut(usize::from(column)).filter(|cell| **cell != value) {
                *cell = value;
                differs = true;
            }
        }
        differs
    }
}

fn is_auto_increment(table: &Table, column: u16) -> bool {
    table.columns.get(usize::from(column)).is_some_and(|column| column.kind == ColumnKind::AutoIncrement)
}
