//! Makes a driver and brings an element to life: saved values, first values, links; after that the driver's loop runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::element::driver::slot::{Life, Slot};
use crate::element::driver::{Driver, Services, number};
use crate::element::handle::Request;
use crate::element::spec::{ConnectionSpec, Spec};
use crate::element::status::{ElementState, Status};
use crate::engine::link::cause::Origin as LinkOrigin;
use crate::engine::link::policy::Policy;
use crate::engine::link::{Input, Link};
use crate::engine::logic::{Engine, First, Options};
use crate::engine::param::Cells;
use crate::engine::param::startup::{Address, Facts, Fingerprint, Provenance, Setting, Stored};
use crate::engine::session::Overrides;
use crate::language::model::Protocol;
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::{ConnectionIx, ParamId, TableIx};
use crate::store::{Applied, Loaded, Store};
use crate::tasks::Tasks;
use crate::value::Value;

/// How long an element waits for its saved values; without them it starts with what it has.
const LOAD: Duration = Duration::from_secs(10);

/// The store compares settings by a keyed hash and says only whether they are the same; these stand for its answers.
const THIS: Fingerprint = [1; 16];
const ANOTHER: Fingerprint = [0; 16];

impl Driver {
    pub(super) fn new(spec: Arc<Spec>, services: Services, requests: mpsc::Receiver<Request>) -> Self {
        let ctx = services.clock.context(services.clock.seed());
        let overrides = |spec: &ConnectionSpec| Overrides {
            timeout: Some(spec.timeout),
            retries: Some(spec.retries),
            element_timeout: Some(spec.element_timeout),
            max_message_bytes: Some(spec.limits.max_message_bytes),
            send_queue: Some(spec.limits.send_queue),
        };
        let mut options =
            Options { connections: spec.connections.iter().map(overrides).collect(), ..Options::default() };
        options.messages.tai_offset = i64::try_from(spec.tai_offset.as_secs()).unwrap_or(0);
        let slots = (0..spec.protocol.connections.len())
            .filter_map(ConnectionIx::new)
            .map(|connection| {
                let is_link = spec.protocol.connection(connection).kind == ConnectionKind::WebSocket;
                let settings = spec.connections.get(connection.index()).filter(|_| is_link);
                let life = settings.map(|settings| {
                    Box::new(Life {
                        link: Link::new(&ctx, Policy::of(&settings.reconnect, settings.timeout)),
                        ticket: None,
                        dial: None,
                        sockets: Vec::new(),
                        epoch: 0,
                        target: None,
                        peer: None,
                        last_close: None,
                        last_failure: None,
                        past: Default::default(),
                        last_unsent: None,
                    })
                });
                Slot { connection, life }
            })
            .collect();
        let status = Status {
            name: spec.name.clone(),
            protocol: spec.protocol.name.clone(),
            version: spec.protocol.version.clone(),
            state: ElementState::Running,
            timeout: false,
            counters: Default::default(),
            connections: Vec::new(),
        };
        let engine = Engine::new(spec.protocol.clone(), options);
        let mut driver = Self {
            spec,
            services,
            ctx,
            engine,
            slots,
            link_inputs: Default::default(),
            engine_effects: Vec::new(),
            link_effects: Vec::new(),
            first: 0,
            requests,
            waiting: Default::default(),
            by: LinkOrigin::Engine,
            acks: Vec::new(),
            unsaved: false,
            outside: None,
            status: watch::Sender::new(Arc::new(status)),
            status_is_old: true,
            state: ElementState::Running,
            subscribers: Vec::new(),
            taps: Vec::new(),
            tasks: Tasks::new(&CancellationToken::new()),
            stopping: None,
        };
        driver.publish();
        driver
    }

    pub(super) fn protocol(&self) -> &Arc<Protocol> {
        self.engine.protocol()
    }

    /// Everything before the first wait of the loop.
    pub(super) async fn begin(&mut self) {
        let loaded = load(self.services.store.clone(), self.spec.name.clone()).await;
        let first = first(&self.spec, loaded.as_ref());
        drop(loaded);
        self.services.clock.refresh(&mut self.ctx);
        self.engine.start(&mut self.ctx, first);
        self.settle();
        for index in 0..self.slots.len() {
            let Some(connection) = ConnectionIx::new(index) else { continue };
            if self.slots[index].life.is_some()
                && self.spec.connections.get(index).is_some_and(|c| !c.tls.verify)
            {
                tracing::warn!(
                    element = %self.spec.name, connection = index,
                    "certificates are not checked (verify=\"false\"): anyone on the way can read and change what is sent"
                );
            }
            let target = self.target_of(connection);
            self.step_link(connection, Input::Target(target));
        }
        self.settle();
        self.status_is_old = true;
        self.publish();
    }
}

/// What was saved; `None` if there is a store and it did not say.
async fn load(store: Option<Store>, name: Arc<str>) -> Option<Loaded> {
    let Some(store) = store else { return Some(Loaded::default()) };
    let reason = match tokio::time::timeout(LOAD, store.load(&name)).await {
        Ok(Ok(loaded)) => return Some(loaded),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the store did not answer in time".to_owned(),
    };
    tracing::error!(element = %name, %reason, "saved values could not be read; starting without them");
    None
}

/// The values that an element starts with: what was saved and what the settings say; the engine chooses.
fn first(spec: &Spec, loaded: Option<&Loaded>) -> First {
    let protocol = &spec.protocol;
    let values = loaded.map_or(&[][..], |loaded| &loaded.values);
    let mut first = First::default();
    let mut rows: Vec<(TableIx, Vec<Row>)> = Vec::new();
    for (cell, value) in values {
        // A parameter that the definition no longer has keeps its place in the store.
        let Some(param) = protocol.param_by_id(ParamId(cell.param.cast_signed())) else { continue };
        let described = protocol.param(param);
        match (&cell.row, described.column) {
            (None, None) => {
                first.stored.push((param, Stored { value: Some(value.clone()), applied: None }));
            }
            (Some(key), Some((table, column))) => add_cell(&mut rows, table, key, column, value),
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
        match first.stored.iter_mut().find(|(param, _)| *param == setting.param) {
            Some((_, stored)) => stored.applied = applied,
            None => first.stored.push((setting.param, Stored { value: None, applied })),
        }
        first.settings.push((setting.param, Setting { value, source, fingerprint: THIS }));
    }
    let address = |spec: &ConnectionSpec| Some(Address { host: spec.host.clone()?, port: spec.port });
    let addresses = spec.connections.iter().filter_map(address).collect();
    let bus = spec.connections.iter().filter_map(|spec| spec.bus_address.clone()).collect();
    first.facts = Facts { name: spec.name.clone(), addresses, bus };
    first.rows = rows
        .into_iter()
        .map(|(table, rows)| {
            let described = protocol.table(table);
            let cells = |row: Row| {
                let mut cells: Cells = vec![None; described.columns.len()];
                let key = std::iter::once((described.key, Value::Text(row.key)));
                for (column, value) in key.chain(row.cells) {
                    if let Some(cell) = cells.get_mut(usize::from(column)) {
                        *cell = Some(value);
                    }
                }
                cells
            };
            (table, rows.into_iter().map(cells).collect())
        })
        .collect();
    first
}

/// A saved row that is being put together.
struct Row {
    key: Arc<str>,
    cells: Vec<(u16, Value)>,
}

fn add_cell(
    tables: &mut Vec<(TableIx, Vec<Row>)>,
    table: TableIx,
    key: &Arc<str>,
    column: u16,
    value: &Value,
) {
    let at = tables.iter().position(|(of, _)| *of == table).unwrap_or_else(|| {
        tables.push((table, Vec::new()));
        tables.len() - 1
    });
    let rows = &mut tables[at].1;
    // The store gives the cells of a column by row; rows are few enough to look back from the end.
    let row = match rows.iter_mut().rposition(|row| row.key == *key) {
        Some(at) => &mut rows[at],
        None => {
            rows.push(Row { key: key.clone(), cells: Vec::new() });
            let last = rows.len() - 1;
            &mut rows[last]
        }
    };
    row.cells.push((column, value.clone()));
}
