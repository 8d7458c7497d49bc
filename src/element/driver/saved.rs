//! What the store has for an element: read at the start, or later if it cannot be, and put into the engine's terms.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::element::driver::number;
use crate::element::spec::{ConnectionSpec, Spec};
use crate::engine::logic::First;
use crate::engine::param::Cells;
use crate::engine::param::startup::{Address, Facts, Fingerprint, Provenance, Setting, Stored};
use crate::language::model::id::{ParamId, ParamIx, TableIx};
use crate::language::model::param::Table;
use crate::store::{Applied, Health, Loaded, Store};
use crate::value::Value;

/// How long an element waits for its saved values; without them it starts with what it has.
const LOAD: Duration = Duration::from_secs(10);

/// The first wait for a store that could not be read; it doubles up to `LAST_WAIT`.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait for a store that could not be read.
const LAST_WAIT: Duration = Duration::from_secs(60);

/// The store compares settings by a keyed hash and says only whether they are the same; these stand for its answers.
const THIS: Fingerprint = [1; 16];
const ANOTHER: Fingerprint = [0; 16];

/// What was saved; `None` if there is a store and it did not say.
pub(super) async fn load(store: Option<Store>, name: Arc<str>) -> Option<Loaded> {
    let Some(store) = store else { return Some(Loaded::default()) };
    let reason = match tokio::time::timeout(LOAD, store.load(&name)).await {
        Ok(Ok(loaded)) => return Some(loaded),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the store did not answer in time".to_owned(),
    };
    tracing::error!(element = %name, %reason, "saved values could not be read; starting without them until they can be");
    None
}

/// Reads what was saved as soon as the store can; never ends if that cannot be.
///
/// # Cancel safety
///
/// Reading changes nothing.
pub(super) async fn read_again(store: Store, name: Arc<str>) -> Loaded {
    let mut status = store.status();
    let mut wait = FIRST_WAIT;
    loop {
        // A file that is not there to be written can sometimes be read: it is tried in any case, though not often.
        let ready = status.wait_for(|status| status.health == Health::Ready);
        drop(tokio::time::timeout(wait, ready).await);
        match tokio::time::timeout(LOAD, store.load(&name)).await {
            Ok(Ok(loaded)) => return loaded,
            Ok(Err(_)) | Err(_) => tokio::time::sleep(wait).await,
        }
        wait = (wait * 2).min(LAST_WAIT);
    }
}

/// The values that an element starts with: what was saved and what the settings say; the engine chooses.
pub(super) fn first(spec: &Spec, loaded: Option<&Loaded>) -> First {
    let protocol = &spec.protocol;
    let values = loaded.map_or(&[][..], |loaded| &loaded.values);
    let mut first = First { unread: loaded.is_none(), ..First::default() };
    let mut tables: BTreeMap<TableIx, Rows> = BTreeMap::new();
    let mut stored: HashMap<ParamIx, Stored> = HashMap::new();
    for (cell, value) in values {
        // A parameter that the definition no longer has keeps its place in the store.
        let Some(param) = protocol.param_by_id(ParamId(cell.param.cast_signed())) else { continue };
        let described = protocol.param(param);
        match (&cell.row, described.column) {
            (None, None) => {
                stored.insert(param, Stored { value: Some(value.clone()), applied: None });
            }
            (Some(key), Some((table, column))) => {
                tables.entry(table).or_default().add(protocol.table(table), key, column, value);
            }
            // The definition made a column of it, or the other way round: what was saved does not fit.
            (None, Some(_)) | (Some(_), None) => {}
        }
    }
    for setting in &spec.params {
        let id = number(protocol.param(setting.param).id);
        let source = if setting.external { Provenance::External } else { Provenance::Literal };
        let value = setting.value.expose().clone();
        let applied = match loaded.map(|loaded| loaded.applied(id, setting.value.expose())) {
            Some(Applied::Never) => None,
            // Whether it is new cannot be known: it holds for now, and must not replace what may have been saved.
            Some(Applied::Same) | None => Some(THIS),
            Some(Applied::Differs) => Some(ANOTHER),
        };
        stored.entry(setting.param).or_default().applied = applied;
        first.settings.push((setting.param, Setting { value, source, fingerprint: THIS }));
    }
    let address = |spec: &ConnectionSpec| Some(Address { host: spec.host.clone()?, port: spec.port });
    let addresses = spec.connections.iter().filter_map(address).collect();
    let bus = spec.connections.iter().filter_map(|spec| spec.bus_address.clone()).collect();
    first.facts = Facts { name: spec.name.clone(), addresses, bus };
    first.stored = stored.into_iter().collect();
    first.stored.sort_by_key(|(param, _)| *param);
    first.rows = tables.into_iter().map(|(table, rows)| (table, rows.rows)).collect();
    first
}

/// The saved rows of a table while they are put together: the cells come column by column.
#[derive(Default)]
struct Rows {
    // Invariant: one entry for each of `rows`, with its place.
    places: HashMap<Arc<str>, usize>,
    rows: Vec<Cells>,
}

impl Rows {
    fn add(&mut self, table: &Table, key: &Arc<str>, column: u16, value: &Value) {
        let at = *self.places.entry(key.clone()).or_insert_with(|| {
            let mut cells: Cells = vec![None; table.columns.len()];
            if let Some(cell) = cells.get_mut(usize::from(table.key)) {
                *cell = Some(Value::Text(key.clone()));
            }
            self.rows.push(cells);
            self.rows.len() - 1
        });
        if let Some(cell) = self.rows.get_mut(at).and_then(|cells| cells.get_mut(usize::from(column))) {
            *cell = Some(value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::model::build::Build;
    use crate::language::model::param::{ColumnKind, ValueType};
    use crate::store::Cell;

    #[test]
    fn a_large_table_is_put_together_by_its_keys() {
        const ROWS: usize = 100_000;
        let mut build = Build::new();
        let column = |name| (name, ValueType::String, ColumnKind::Custom);
        let table = build.table("t", &[column("key"), column("one"), column("two")], |_| {});
        let protocol = build.done();
        let columns = &protocol.table(table).columns;
        let id = |column: usize| number(protocol.param(columns[column].param).id);
        let mut loaded = Loaded::default();
        // As the store gives them: column by column; one of them lacks a row.
        for (column, rows) in [(0, ROWS), (1, ROWS), (2, ROWS - 1)] {
            let cell = |row| {
                let key: Arc<str> = Arc::from(format!("key {row}"));
                (Cell { param: id(column), row: Some(key) }, Value::text(format!("{column}/{row}")))
            };
            loaded.values.extend((0..rows).map(cell));
        }
        let spec = Spec {
            name: Arc::from("e"),
            protocol: protocol.clone(),
            connections: Vec::new(),
            params: Vec::new(),
            tai_offset: Duration::ZERO,
            files: None,
        };
        let first = first(&spec, Some(&loaded));
        let (of, rows) = &first.rows[0];
        assert_eq!((*of, rows.len(), first.unread), (table, ROWS, false));
        let text = |row: usize| {
            let cells: Vec<_> = rows[row].iter().map(|cell| cell.as_ref().map(Value::to_text)).collect();
            format!("{cells:?}")
        };
        assert_eq!(text(7), r#"[Some("0/7"), Some("1/7"), Some("2/7")]"#);
        assert_eq!(text(ROWS - 1), r#"[Some("0/99999"), Some("1/99999"), None]"#);
    }
}
