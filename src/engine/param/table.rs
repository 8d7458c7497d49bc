//! The rows of one table, addressed by primary key; knows nothing of columns, types and events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::value::Value;

/// How many rows a table holds at most.
///
/// A definition that reads a device's log into a table would otherwise grow for ever.
pub const MAX_ROWS: usize = 100_000;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    key: Arc<str>,
    cells: Box<[Value]>,
}

impl Row {
    pub(super) fn new(key: Arc<str>, cells: Box<[Value]>) -> Self {
        Self { key, cells }
    }

    /// The primary key.
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The cells by column, the key's own included.
    pub fn cells(&self) -> &[Value] {
        &self.cells
    }
}

/// The rows of a table, in the order in which they came.
#[derive(Debug)]
pub struct Rows {
    rows: VecDeque<Row>,
    // Invariant: for every row its key with its position plus `gone`, and nothing else.
    positions: BTreeMap<Arc<str>, usize>,
    /// How many rows were taken away at the front, so that the positions of the others need no change.
    gone: usize,
    /// The highest number that a row was given by `autoincrement`.
    highest: u64,
}

impl Rows {
    /// No rows.
    pub(super) const fn none() -> Self {
        Self { rows: VecDeque::new(), positions: BTreeMap::new(), gone: 0, highest: 0 }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row with a primary key.
    pub fn get(&self, key: &str) -> Option<&Row> {
        self.rows.get(self.position(key)?)
    }

    /// The row at a position, from 0.
    pub fn at(&self, position: usize) -> Option<&Row> {
        self.rows.get(position)
    }

    /// The position of a row, from 0.
    pub fn position(&self, key: &str) -> Option<usize> {
        self.positions.get(key).and_then(|position| position.checked_sub(self.gone))
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// The primary keys in the order of the rows.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rows.iter().map(|row| &row.key)
    }

    /// The cells of a row, to be changed.
    pub(super) fn cells_mut(&mut self, key: &str) -> Option<&mut [Value]> {
        let position = self.position(key)?;
        self.rows.get_mut(position).map(|row| &mut *row.cells)
    }

    /// The cells of the row at a position, to be changed.
    pub(super) fn cells_at(&mut self, position: usize) -> Option<&mut [Value]> {
        self.rows.get_mut(position).map(|row| &mut *row.cells)
    }

    /// Takes the oldest row away; says its key.
    pub(super) fn pop_front(&mut self) -> Option<Arc<str>> {
        let row = self.rows.pop_front()?;
        self.positions.remove(&row.key);
        self.gone += 1;
        Some(row.key)
    }

    /// Adds a row at the end; the caller has made sure that its key is new.
    pub(super) fn push(&mut self, row: Row) {
        if let Ok(number) = row.key.parse() {
            self.highest = self.highest.max(number);
        }
        self.positions.insert(row.key.clone(), self.gone + self.rows.len());
        self.rows.push_back(row);
    }

    /// The next number for a column of type `autoincrement`.
    pub(super) fn next_number(&self) -> u64 {
        self.highest.saturating_add(1)
    }

    /// Takes one row away.
    pub(super) fn remove(&mut self, key: &str) -> Option<Row> {
        let place = self.positions.remove(key)?;
        for other in self.positions.values_mut().filter(|other| **other > place) {
            *other -= 1;
        }
        self.rows.remove(place.checked_sub(self.gone)?)
    }

    /// Takes away every row whose key is not among `keys`; says how many.
    pub(super) fn retain(&mut self, keys: &BTreeSet<Arc<str>>) -> usize {
        self.retain_rows(|row| keys.contains(&row.key))
    }

    /// Takes away every row that is not to be kept, which is asked for in order; says how many.
    pub(super) fn retain_rows(&mut self, keep: impl FnMut(&Row) -> bool) -> usize {
        let before = self.rows.len();
        self.rows.retain(keep);
        if self.rows.len() < before {
            self.gone = 0;
            self.positions =
                self.rows.iter().enumerate().map(|(position, row)| (row.key.clone(), position)).collect();
        }
        before - self.rows.len()
    }
}
