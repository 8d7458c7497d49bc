//! An element that is simulated for the tests of the API and the shell: it answers requests and keeps plain values.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::daemon::roster::{Entry, Phase, Roster};
use crate::element::handle::{
    CHANGE_BYTES, CHANGE_QUEUE, Change, ExplainedLine, Handle, NewValue, Readable, Reading, Request, SetDone,
    SetError, Snapshot, Subscription, TapEvent,
};
use crate::element::queue;
use crate::element::status::{ConnectionStatus, ElementState, LinkCounters, LinkStatus, Status};
use crate::engine::logic::effect::Counters;
use crate::language::model::Protocol;
use crate::language::model::build::Build;
use crate::language::model::id::ParamIx;
use crate::language::model::param::{ColumnKind, ParamKind, ValueType};
use crate::tasks::Tasks;
use crate::value::{Value, Wall};

/// 2026-07-01T00:00:00Z.
pub(crate) const AT: Wall = Wall(1_782_864_000_000_000_000);

/// The test's end of a simulated element.
pub(crate) struct Fake {
    pub(crate) handle: Handle,
    pub(crate) status: watch::Sender<Arc<Status>>,
    pub(crate) tap: mpsc::Sender<TapEvent>,
    /// How many subscriptions and taps there have been.
    pub(crate) listeners: watch::Receiver<usize>,
    /// The driver; dropping it ends the element.
    pub(crate) driver: Tasks,
}

/// Parameters 1 Path (read), 2 Path (write), 3 Level, 4 Marker (fixed), 5 Token (secret), 6 Rows with columns 7 Key and
/// 8 Label, 9 `a/b é`, 10 Data.
pub(crate) fn protocol() -> Arc<Protocol> {
    let mut build = Build::new();
    let read = build.param("Path", ParamKind::Read, ValueType::String, |param| param.save = true);
    build.param("Path", ParamKind::Write, ValueType::String, |param| param.setter = Some(read));
    build.param("Level", ParamKind::Read, ValueType::Double, |param| {
        param.units = "dB".into();
        param.description = "Output level".into();
    });
    build.fixed("Marker", b"x");
    build.param("Token", ParamKind::Read, ValueType::String, |param| param.secret = true);
    let columns = [
        ("Key", ValueType::String, ColumnKind::Retrieved),
        ("Label", ValueType::String, ColumnKind::Retrieved),
    ];
    build.table("Rows", &columns, |_| {});
    build.text("a/b é");
    build.text("Data");
    build.connection(|connection| connection.name = "main".into());
    build.done()
}

/// A running element's status.
pub(crate) fn status(name: &str) -> Status {
    let link = LinkStatus {
        state: "ready",
        target: Some("ws://127.0.0.1:9001/a".into()),
        serving: None,
        epoch: 3,
        since: AT,
        attempts: 0,
        next_dial: None,
        cause: Some("parameter 2: \"/b\" -> \"/a\"".into()),
        flapping: false,
        last_close: None,
        last_failure: None,
        subprotocol: None,
        extensions: Some("permessage-deflate".into()),
        counters: LinkCounters { opened: 3, ..LinkCounters::default() },
    };
    Status {
        scripts: None,
        name: name.into(),
        protocol: "test".into(),
        version: "1".into(),
        state: ElementState::Running,
        timeout: false,
        counters: Counters { timeouts: 2, cuts: 1, ..Counters::default() },
        connections: vec![ConnectionStatus {
            index: 0,
            name: "main".into(),
            kind: "websocket",
            http: None,
            token: None,
            link: Some(link),
        }],
    }
}

/// Starts a simulated element.
pub(crate) fn start(name: &str) -> Fake {
    let protocol = protocol();
    let (status, seen) = watch::channel(Arc::new(status(name)));
    let (requests, incoming) = mpsc::channel(64);
    let (tap, wire) = mpsc::channel(64);
    let handle = Handle::new(protocol.clone(), seen, requests);
    let mut driver = Tasks::default();
    let (listeners, seen) = watch::channel(0);
    let state = Driver::new(protocol, listeners, status.subscribe());
    driver.spawn(name, |_| state.run(incoming, wire));
    Fake { handle, status, tap, listeners: seen, driver }
}

/// A roster of some running elements and one that is invalid, `broken`.
pub(crate) fn roster(running: &[(&str, &Fake)]) -> Roster {
    let mut elements = BTreeMap::new();
    for (name, fake) in running {
        elements.insert(Arc::from(*name), Entry::Running(fake.handle.clone()));
    }
    let broken = Status {
        name: "broken".into(),
        protocol: "".into(),
        version: "".into(),
        state: ElementState::Invalid("p.xml:3:1: `Pair` has no id".into()),
        timeout: false,
        counters: Default::default(),
        connections: Vec::new(),
        scripts: None,
    };
    elements.insert("broken".into(), Entry::Down(Arc::new(broken)));
    Roster { phase: Phase::Ready, elements, ..Roster::default() }
}

struct Driver {
    protocol: Arc<Protocol>,
    seq: u64,
    values: BTreeMap<ParamIx, Readable>,
    subscribers: Vec<queue::Sender<Arc<Change>>>,
    taps: Vec<queue::Sender<TapEvent>>,
    listeners: watch::Sender<usize>,
    status: watch::Receiver<Arc<Status>>,
}

impl Driver {
    fn new(
        protocol: Arc<Protocol>,
        listeners: watch::Sender<usize>,
        status: watch::Receiver<Arc<Status>>,
    ) -> Self {
        let mut values = BTreeMap::new();
        let rows = vec![("a".into(), vec![Value::from("a"), Value::from("first")])];
        for (index, value) in [
            (0, Readable::Scalar("/a".into())),
            (2, Readable::Scalar(Value::number(-12.5))),
            (4, Readable::Scalar("hunter2".into())),
            (5, Readable::Table(rows)),
        ] {
            values.insert(ParamIx::new(index).unwrap(), value);
        }
        Self { protocol, seq: 0, values, subscribers: Vec::new(), taps: Vec::new(), listeners, status }
    }

    async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut wire: mpsc::Receiver<TapEvent>) {
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.answer(request),
                    None => return,
                },
                Some(event) = wire.recv() => self.taps.retain(|tap| tap.try_send(event.clone()).is_ok()),
            }
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Get(param, reply) => drop(reply.send(self.read(param))),
            Request::Status(reply) => drop(reply.send(self.status.borrow().clone())),
            Request::Snapshot(reply) => drop(reply.send(self.snapshot())),
            Request::Set(param, value, reply) => drop(reply.send(self.set(param, *value))),
            Request::Subscribe(reply) => {
                let (tx, rx) = queue::channel(CHANGE_QUEUE, CHANGE_BYTES);
                self.subscribers.push(tx);
                drop(reply.send(Subscription::new(self.snapshot(), rx)));
                self.listeners.send_modify(|count| *count += 1);
            }
            Request::Tap(tap) => {
                self.taps.push(tap);
                self.listeners.send_modify(|count| *count += 1);
            }
            Request::ExplainRequests(_, reply) => drop(reply.send(Vec::new())),
            Request::Explain(connection, reply) => {
                assert_eq!(connection.index(), 0);
                let line = |line: &str, from: &str| ExplainedLine { line: line.into(), from: from.into() };
                let lines =
                    vec![line("GET /a HTTP/1.1", "parameter 1 \"Path\""), line("Upgrade: websocket", "")];
                let path = self.values.get(&ParamIx::new(0).unwrap());
                let is_set = path != Some(&Readable::Scalar(Value::Empty));
                drop(reply.send(if is_set { Ok(lines) } else { Err("there is no address yet".into()) }));
            }
        }
    }

    fn read(&self, param: ParamIx) -> Reading {
        let about = self.protocol.param(param);
        if let Some((table, own)) = about.column {
            let table = self.protocol.table(table);
            let Some(Readable::Table(rows)) = self.values.get(&table.param) else { panic!("no table") };
            let cell = |row: &[Value], at: u16| row[usize::from(at)].clone();
            let cells = |row: &[Value]| match own == table.key {
                true => vec![cell(row, own)],
                false => vec![cell(row, table.key), cell(row, own)],
            };
            let rows = rows.iter().map(|(key, row)| (key.clone(), cells(row))).collect();
            return Reading { param, value: Readable::Table(rows), display: None, secret: false, set: true };
        }
        let empty = match about.table {
            Some(_) => Readable::Table(Vec::new()),
            None => Readable::Scalar(Value::Empty),
        };
        let value = self.values.get(&param).cloned().unwrap_or(empty);
        let set = value != Readable::Scalar(Value::Empty);
        let display = (about.name.as_ref() == "Level" && set).then(|| "quiet".into());
        let shown = if about.secret { Readable::Scalar(Value::Empty) } else { value };
        Reading { param, value: shown, display, secret: about.secret, set }
    }

    fn snapshot(&self) -> Snapshot {
        let params = (0..self.protocol.params.len()).filter_map(ParamIx::new);
        let standalone = params.filter(|param| self.protocol.param(*param).column.is_none());
        Snapshot { seq: self.seq, readings: standalone.map(|param| self.read(param)).collect() }
    }

    fn set(&mut self, param: ParamIx, value: NewValue) -> Result<SetDone, SetError> {
        let about = self.protocol.param(param).clone();
        if !about.is_settable() {
            return Err(SetError::Fixed(about.id.0));
        }
        let value = match value {
            NewValue::Scalar(Value::Text(text)) if about.value_type == ValueType::Double => {
                return Err(SetError::Unfit(format!("parameter {} holds a number, not `{text}`", about.id)));
            }
            NewValue::Scalar(value) => Readable::Scalar(value),
            NewValue::Table(rows) => {
                Readable::Table(rows.into_iter().map(|row| (row[0].to_text(), row)).collect())
            }
            NewValue::Cell(row, _) if row.as_ref() != "a" => return Err(SetError::NoRow(row.to_string())),
            NewValue::Cell(row, value) => Readable::Table(vec![(row.clone(), vec![Value::Text(row), value])]),
        };
        let target = about.column.map_or(param, |(table, _)| self.protocol.table(table).param);
        for param in [Some(target), about.setter].into_iter().flatten() {
            self.values.insert(param, value.clone());
            self.seq += 1;
            let change = Arc::new(Change {
                seq: self.seq,
                at: AT,
                reading: self.read(param),
                deleted: Vec::new(),
                whole: about.table.is_some(),
            });
            self.subscribers.retain(|subscriber| subscriber.try_send(change.clone()).is_ok());
        }
        let not_saved = (about.name.as_ref() == "Data").then(|| "the disk is full".to_owned());
        Ok(SetDone { not_saved })
    }
}
