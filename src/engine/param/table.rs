//! The rows of one table, addressed by primary key; knows nothing of columns, types and events.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
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
    /// How often the position of a row was worked out anew.
    #[cfg(test)]
    renumbered: std::sync::atomic::AtomicUsize,
}

impl Rows {
    /// No rows.
    pub(super) const fn none() -> Self {
        Self {
            rows: VecDeque::new(),
            positions: BTreeMap::new(),
            gone: 0,
            highest: 0,
            #[cfg(test)]
            renumbered: std::sync::atomic::AtomicUsize::new(0),
        }
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
        let mut renumbered = 0;
        for other in self.positions.values_mut().filter(|other| **other > place) {
            *other -= 1;
            renumbered += 1;
        }
        self.count_renumbered(renumbered);
        self.rows.remove(place.checked_sub(self.gone)?)
    }

    /// Takes several rows away at once; gives them in the order of `keys`, and the keys that no row has.
    pub(super) fn remove_all(&mut self, keys: Vec<Arc<str>>) -> (Vec<Row>, Vec<Arc<str>>) {
        // By position: which of those that go it is.
        let mut going: BTreeMap<usize, usize> = BTreeMap::new();
        let mut missing = Vec::new();
        for key in keys {
            let next = going.len();
            match self.position(&key).map(|position| going.entry(position)) {
                Some(Entry::Vacant(place)) => _ = place.insert(next),
                Some(Entry::Occupied(_)) | None => missing.push(key),
            }
        }
        let mut gone: Vec<Option<Row>> = vec![None; going.len()];
        if gone.is_empty() {
            return (Vec::new(), missing);
        }
        let rows = std::mem::take(&mut self.rows);
        for (position, row) in rows.into_iter().enumerate() {
            match going.get(&position).and_then(|place| gone.get_mut(*place)) {
                Some(place) => *place = Some(row),
                None => self.rows.push_back(row),
            }
        }
        self.number_anew();
        (gone.into_iter().flatten().collect(), missing)
    }

    /// Works out where each row is.
    fn number_anew(&mut self) {
        self.gone = 0;
        self.count_renumbered(self.rows.len());
        self.positions =
            self.rows.iter().enumerate().map(|(position, row)| (row.key.clone(), position)).collect();
    }

    #[cfg(not(test))]
    fn count_renumbered(&self, _: usize) {}

    #[cfg(test)]
    fn count_renumbered(&self, count: usize) {
        self.renumbered.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
    }

    /// Takes away every row that is not to be kept, which is asked for in order; says how many.
    pub(super) fn retain_rows(&mut self, keep: impl FnMut(&Row) -> bool) -> usize {
        let before = self.rows.len();
        self.rows.retain(keep);
        if self.rows.len() < before {
            self.number_anew();
        }
        before - self.rows.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    fn rows(count: usize) -> Rows {
        let mut rows = Rows::none();
        for number in 0..count {
            rows.push(Row::new(number.to_string().into(), [].into()));
        }
        rows
    }

    #[test]
    fn many_rows_are_taken_away_with_one_look_at_the_others() {
        const COUNT: usize = 3_000;
        let mut table = rows(COUNT);
        assert_eq!(table.pop_front().as_deref(), Some("0"));
        let mut keys: Vec<Arc<str>> = (2..COUNT).rev().map(|number| number.to_string().into()).collect();
        keys.extend(["2".into(), "none".into()]);
        let (gone, missing) = table.remove_all(keys.clone());
        assert_eq!(missing, ["2".into(), "none".into()]);
        assert!(gone.iter().map(Row::key).eq(&keys[..COUNT - 2]), "in the order of asking");
        assert_eq!((table.len(), table.position("1"), table.position("2")), (1, Some(0), None));
        assert!(table.renumbered.load(Ordering::Relaxed) <= COUNT, "{:?}", table.renumbered);
    }

    #[test]
    fn positions_are_right_after_any_rows_were_taken_away() {
        for wanted in [vec![], vec!["3"], vec!["0", "9"], vec!["5", "4", "x"]] {
            let mut table = rows(10);
            table.pop_front();
            let (gone, missing) = table.remove_all(wanted.iter().map(|key| Arc::from(*key)).collect());
            assert_eq!(gone.len() + missing.len(), wanted.len());
            assert_eq!(table.len(), 9 - gone.len());
            for (position, row) in table.iter().enumerate() {
                assert_eq!(table.position(row.key()), Some(position), "{wanted:?}");
            }
        }
    }
}
