//! Change events, what has to be saved, and what those who watch get to see; runs and stores nothing.

use std::sync::Arc;

use crate::engine::param::{Marks, Origin, Params, fit};
use crate::language::model::id::{ParamIx, TableIx};
use crate::language::model::param::{ColumnKind, Exception, Param};
use crate::value::Value;

/// A change event that has to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The parameter: the standalone one, the column's for a cell, the array parameter for rows and whole tables.
    pub param: ParamIx,
    /// What of it was set.
    pub place: Place,
    /// Who set it.
    pub origin: Origin,
    /// Whether the value is another than before; a set by a person to the same value is an event as well.
    pub differs: bool,
    /// The value before, of a standalone parameter or a cell; empty otherwise.
    pub previous: Value,
}

impl Event {
    /// The primary key of the row that was set, if the event is about one.
    pub fn row(&self) -> Option<&Arc<str>> {
        match &self.place {
            Place::Cell { key, .. } | Place::Row { key, .. } => Some(key),
            Place::Param | Place::Table { .. } => None,
        }
    }
}

/// What of a parameter was set.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A standalone parameter.
    Param,
    /// One cell.
    Cell {
        /// The table.
        table: TableIx,
        /// The row.
        key: Arc<str>,
        /// The column by position.
        column: u16,
    },
    /// One row, set or added or deleted.
    Row {
        /// The table.
        table: TableIx,
        /// The row.
        key: Arc<str>,
        /// What became of it.
        what: RowChange,
        /// The cells before; none for a new row.
        old: Option<Box<[Value]>>,
    },
    /// Several rows at once: one event, whatever their number.
    Table {
        /// The table.
        table: TableIx,
    },
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// It is new.
    Added,
    /// Its cells were set.
    Set,
    /// It is gone.
    Deleted,
}

/// A value as people and programs may see it.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// The value.
    Value(Value),
    /// A secret.
    Secret {
        /// Whether it has a value.
        set: bool,
    },
}

impl Shown {
    /// Masks the value of a secret parameter.
    pub fn of(param: &Param, value: &Value) -> Self {
        if param.secret { Self::Secret { set: !value.is_empty() } } else { Self::Value(value.clone()) }
    }
}

/// What those who watch an element are told; the value is the one of the moment when it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Counts from 1, without gaps, in one life of the element.
    pub seq: u64,
    /// As in [`Event::param`].
    pub param: ParamIx,
    /// What is new.
    pub what: Changed,
}

/// What is new.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// The value of a standalone parameter.
    Value(Shown),
    /// A cell.
    Cell {
        /// The row.
        key: Arc<str>,
        /// The column by position.
        column: u16,
        /// The value.
        value: Shown,
    },
    /// A whole row.
    Row {
        /// The row.
        key: Arc<str>,
        /// The cells by column.
        cells: Vec<Shown>,
    },
    /// A row is gone.
    RowGone {
        /// The row.
        key: Arc<str>,
    },
    /// Many rows: read the table again.
    Table,
}

/// One thing that the store has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Save {
    /// Keep the value of a standalone parameter.
    Value {
        /// The parameter.
        param: ParamIx,
        /// Its value.
        value: Value,
    },
    /// Keep some cells of a row.
    Row {
        /// The array parameter.
        table: ParamIx,
        /// The row.
        key: Arc<str>,
        /// Column parameter and value.
        cells: Vec<(ParamIx, Value)>,
    },
    /// Forget a row.
    DeleteRow {
        /// The array parameter.
        table: ParamIx,
        /// The row.
        key: Arc<str>,
    },
    /// Keep these rows and forget all others.
    Table {
        /// The array parameter.
        table: ParamIx,
        /// The rows in order.
        rows: Vec<SavedRow>,
    },
}

/// What is saved of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedRow {
    /// The primary key.
    pub key: Arc<str>,
    /// Column parameter and value.
    pub cells: Vec<(ParamIx, Value)>,
}

impl Params {
    /// What an event means for those who watch; gives it the next number.
    pub fn change(&mut self, event: &Event) -> Change {
        self.sequence += 1;
        let what = match &event.place {
            Place::Param => Changed::Value(self.shown(event.param)),
            Place::Cell { table, key, column } => {
                let value = self.cell(*table, key, *column).unwrap_or(&super::EMPTY);
                let value = Shown::of(self.describe(event.param), value);
                Changed::Cell { key: key.clone(), column: *column, value }
            }
            Place::Row { table, key, .. } => match self.shown_row(*table, key) {
                Some(cells) => Changed::Row { key: key.clone(), cells },
                None => Changed::RowGone { key: key.clone() },
            },
            Place::Table { .. } => Changed::Table,
        };
        Change { seq: self.sequence, param: event.param, what }
    }

    /// What people see of a row, by column.
    pub fn shown_row(&self, table: TableIx, key: &str) -> Option<Vec<Shown>> {
        let columns = &self.protocol.table(table).columns;
        let cells = self.rows(table).get(key)?.cells();
        Some(columns.iter().zip(cells).map(|(c, cell)| Shown::of(self.describe(c.param), cell)).collect())
    }

    /// What the store has to do after an event; nothing if none of it is saved.
    pub fn save(&self, event: &Event) -> Option<Save> {
        match &event.place {
            Place::Param => {
                let marks = self.marks[event.param.index()];
                let saved = self.describe(event.param).save && !marks.has(Marks::EXTERNAL);
                saved.then(|| {
                    let value = self.values[event.param.index()].clone();
                    Save::Value { param: event.param, value }
                })
            }
            Place::Cell { table, key, column } => {
                let cells = self.saved_cells(*table, key, Some(*column))?;
                Some(Save::Row { table: self.protocol.table(*table).param, key: key.clone(), cells })
            }
            Place::Row { table, key, .. } => {
                let param = self.protocol.table(*table).param;
                if self.rows(*table).get(key).is_none() {
                    let any = self.is_saved_table(*table);
                    return any.then(|| Save::DeleteRow { table: param, key: key.clone() });
                }
                let cells = self.saved_cells(*table, key, None)?;
                Some(Save::Row { table: param, key: key.clone(), cells })
            }
            Place::Table { table } => {
                if !self.is_saved_table(*table) {
                    return None;
                }
                let saved = |key: &Arc<str>| {
                    let cells = self.saved_cells(*table, key, None)?;
                    Some(SavedRow { key: key.clone(), cells })
                };
                let rows = self.rows(*table).keys().filter_map(saved).collect();
                Some(Save::Table { table: self.protocol.table(*table).param, rows })
            }
        }
    }

    /// Whether a cell of the column survives a restart: by `save`, or because it is a key.
    pub fn is_saved_column(&self, table: TableIx, column: u16) -> bool {
        let described = self.protocol.table(table);
        if described.volatile {
            return false;
        }
        let Some(of) = described.columns.get(usize::from(column)) else { return false };
        let by_kind = match of.kind {
            ColumnKind::DisplayKey => true,
            ColumnKind::Retrieved | ColumnKind::AutoIncrement | ColumnKind::State | ColumnKind::Custom => {
                false
            }
        };
        of.save || by_kind || column == described.key
    }

    /// Whether anything of a table survives a restart: at least its keys do, unless it is volatile.
    fn is_saved_table(&self, table: TableIx) -> bool {
        !self.protocol.table(table).volatile
    }

    fn saved_cells(&self, table: TableIx, key: &str, only: Option<u16>) -> Option<Vec<(ParamIx, Value)>> {
        if !self.is_saved_table(table) {
            return None;
        }
        let columns = &self.protocol.table(table).columns;
        let cells = self.rows(table).get(key)?.cells();
        let saved: Vec<_> = (0_u16..)
            .zip(columns.iter().zip(cells))
            .filter(|(column, _)| only.is_none_or(|only| only == *column))
            .filter(|(column, _)| self.is_saved_column(table, *column))
            .map(|(_, (described, cell))| (described.param, cell.clone()))
            .collect();
        (!saved.is_empty()).then_some(saved)
    }
}

/// The text that people see for a value: an exception's or a discreet's, else the value's own.
pub fn display_text(param: &Param, value: &Value) -> Arc<str> {
    if value.is_empty() {
        return Arc::from("");
    }
    // One of `Others` is stored as what stands for it.
    let stands_for = |exception: &&Exception| match (&exception.stored, exception.other) {
        (Some(stored), true) => fit::same(stored, value),
        (Some(_) | None, _) => fit::same(&exception.value, value),
    };
    let exception = param.exceptions.iter().find(stands_for);
    if let Some(exception) = exception {
        return exception.display.clone();
    }
    let discreet = param.discreets.iter().find(|discreet| fit::same(&discreet.value, value));
    discreet.map_or_else(|| value.to_text(), |discreet| discreet.display.clone())
}
