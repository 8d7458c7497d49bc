//! What happens to values before what was saved is known, and how it is put in afterwards; reads no store.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::param::change::{Event, Place};
use crate::engine::param::table::MAX_ROWS;
use crate::engine::param::{Cells, Fill, Origin, Outcome, Params};
use crate::language::model::id::{ParamIx, TableIx};
use crate::value::Value;

/// What was done before the saved values could be read, and must not be undone by them.
#[derive(Debug, Default)]
pub(super) struct Unread {
    set: BTreeSet<ParamIx>,
    /// All rows that are not there now went.
    replaced: BTreeSet<TableIx>,
    // Bound: `MAX_ROWS`; a row that was deleted beyond comes back.
    gone: BTreeSet<(TableIx, Arc<str>)>,
}

impl Params {
    /// The saved values could not be read: remembers what is set from now on, until [`Params::restored`].
    pub fn wait_for_saved(&mut self) {
        self.unread = Some(Box::default());
    }

    /// Whether the saved values are still to come.
    pub fn is_unread(&self) -> bool {
        self.unread.is_some()
    }

    /// Whether a parameter was set since [`Params::wait_for_saved`].
    pub fn was_set(&self, param: ParamIx) -> bool {
        self.unread.as_ref().is_some_and(|unread| unread.set.contains(&param))
    }

    pub(super) fn note_set(&mut self, param: ParamIx, origin: Origin) {
        if let Some(unread) = &mut self.unread
            && origin != Origin::Startup
        {
            unread.set.insert(param);
        }
    }

    pub(super) fn note_replaced(&mut self, table: TableIx) {
        if let Some(unread) = &mut self.unread {
            unread.replaced.insert(table);
        }
    }

    pub(super) fn note_gone(&mut self, table: TableIx, key: &Arc<str>) {
        if let Some(unread) = &mut self.unread
            && unread.gone.len() < MAX_ROWS
        {
            unread.gone.insert((table, key.clone()));
        }
    }

    /// Puts the saved value of a standalone parameter in; an event, as of the engine, if it differs.
    pub fn restore(&mut self, param: ParamIx, value: Value) -> Outcome {
        let previous = self.get(param).clone();
        match self.set(param, value, Origin::Startup) {
            Outcome::Rejected(rejected) => return Outcome::Rejected(rejected),
            Outcome::Event(_) | Outcome::Quiet => {}
        }
        if *self.get(param) == previous {
            return Outcome::Quiet;
        }
        Outcome::Event(Event { param, place: Place::Param, origin: Origin::Engine, differs: true, previous })
    }

    /// Puts the saved cells of a table in: of rows that were not deleted, where nothing else stands now.
    pub fn restore_rows(&mut self, table: TableIx, rows: Vec<Cells>) -> Outcome {
        let Some(unread) = &self.unread else { return Outcome::Quiet };
        let was_replaced = unread.replaced.contains(&table);
        let key_column = usize::from(self.protocol.table(table).key);
        let kept = |mut cells: Cells| -> Option<Cells> {
            let key = cells.get(key_column)?.as_ref()?.to_text();
            match self.rows(table).get(&key) {
                Some(row) => {
                    for (saved, now) in cells.iter_mut().zip(row.cells()) {
                        *saved = saved.take().filter(|_| now.is_empty());
                    }
                    let has_more = cells.iter().any(Option::is_some);
                    cells[key_column] = Some(Value::Text(key));
                    has_more.then_some(cells)
                }
                None => (!was_replaced && !unread.gone.contains(&(table, key))).then_some(cells),
            }
        };
        let rows: Vec<Cells> = rows.into_iter().filter_map(kept).collect();
        if rows.is_empty() {
            return Outcome::Quiet;
        }
        match self.fill(table, rows, Fill::Merge, Origin::Startup) {
            Outcome::Rejected(rejected) => Outcome::Rejected(rejected),
            Outcome::Event(_) | Outcome::Quiet => Outcome::Event(self.whole(table)),
        }
    }

    /// All that was saved is in. Answers an event for each table that was replaced meanwhile: the store has rows of it that
    /// are to go.
    pub fn restored(&mut self) -> Vec<Event> {
        let Some(unread) = self.unread.take() else { return Vec::new() };
        unread.replaced.iter().map(|table| self.whole(*table)).collect()
    }

    fn whole(&self, table: TableIx) -> Event {
        let (param, place) = (self.protocol.table(table).param, Place::Table { table });
        Event { param, place, origin: Origin::Engine, differs: true, previous: Value::Empty }
    }
}
