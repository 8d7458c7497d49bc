//! The handle of a running element: gets, sets, subscriptions, taps; holds no state of the element.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use crate::element::queue::{self, Weight};
use crate::element::status::Status;
use crate::language::model::Protocol;
use crate::language::model::id::{ConnectionIx, ParamIx};
use crate::language::model::message::MessageKind;
use crate::value::{Value, Wall};

/// Requests that wait for the driver; when it is full, a caller waits for a place.
pub const REQUEST_QUEUE: usize = 64;
/// Changes that wait for one subscriber; when it is full, the subscription ends.
pub const CHANGE_QUEUE: usize = 1024;
/// Their bytes together, about; one change alone may be larger.
pub const CHANGE_BYTES: usize = 4 << 20;
/// Events that wait for one tap; when it is full, events are dropped and counted.
pub const TAP_QUEUE: usize = 1024;
/// Their bytes together, about.
pub const TAP_BYTES: usize = 4 << 20;
/// How much of a message a tap shows.
pub const TAP_SHOWN: usize = 64 << 10;

/// How everybody but the driver talks to an element.
#[derive(Clone, Debug)]
pub struct Handle {
    protocol: Arc<Protocol>,
    status: watch::Receiver<Arc<Status>>,
    requests: mpsc::Sender<Request>,
}

/// What a handle asks of the driver.
#[derive(Debug)]
pub enum Request {
    /// The status with its counters as they are now.
    Status(oneshot::Sender<Arc<Status>>),
    /// The present value of one parameter.
    Get(ParamIx, oneshot::Sender<Reading>),
    /// All present values, with the number of the last change.
    Snapshot(oneshot::Sender<Snapshot>),
    /// Sets a parameter and answers after the whole chain of events and its saves.
    Set(ParamIx, Box<NewValue>, oneshot::Sender<Result<SetDone, SetError>>),
    /// A snapshot and then every change.
    Subscribe(oneshot::Sender<Subscription>),
    /// The wire of every connection, from now on.
    Tap(queue::Sender<TapEvent>),
    /// The handshake that a connection would send now, line by line.
    Explain(ConnectionIx, oneshot::Sender<Result<Vec<ExplainedLine>, String>>),
    /// What HTTP sessions would send over a connection now.
    ExplainRequests(ConnectionIx, oneshot::Sender<Vec<ExplainedRequest>>),
}

/// A value as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The parameter.
    pub param: ParamIx,
    /// The value; empty for a secret.
    pub value: Readable,
    /// What people see for it (a discreet's or an exception's text), where that is not the value itself.
    pub display: Option<Arc<str>>,
    /// Whether the parameter is secret; its value never leaves the driver.
    pub secret: bool,
    /// Whether it has a value.
    pub set: bool,
}

/// A readable value.
#[derive(Clone, Debug, PartialEq)]
pub enum Readable {
    /// A standalone parameter.
    Scalar(Value),
    /// A table: rows by primary key, cells in the order of the columns; of one column the key and the cell.
    Table(Vec<(Arc<str>, Vec<Value>)>),
}

/// A value to be set.
#[derive(Clone, Debug, PartialEq)]
pub enum NewValue {
    /// For a standalone parameter.
    Scalar(Value),
    /// The whole content of a table: cells in the order of the columns, the key among them.
    Table(Vec<Vec<Value>>),
    /// One cell: the parameter of the request is the column.
    Cell(Arc<str>, Value),
}

/// A set that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetDone {
    /// Why something that had to be saved is not in the store, or does not hold at the next start; `None` if all is (or
    /// nothing had to be).
    pub not_saved: Option<String>,
}

/// A set that was refused; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// The parameter cannot be set by anyone.
    #[error("parameter {0} is fixed and cannot be set")]
    Fixed(i32),
    /// The value does not fit the parameter.
    #[error("{0}")]
    Unfit(String),
    /// The row is not there and the table does not make rows.
    #[error("there is no row `{0}`")]
    NoRow(String),
    /// The element has stopped, or did not answer in time.
    #[error("the element is not running")]
    NotRunning,
    /// The element did not answer in time; the set may still happen.
    #[error("the element did not answer in time")]
    Timeout,
}

/// All present values.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The number of the last change that is in it.
    pub seq: u64,
    /// The values, in the order of the parameters.
    pub readings: Vec<Reading>,
}

/// One change of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The number of the change; each is one more than the last.
    pub seq: u64,
    /// When it happened.
    pub at: Wall,
    /// What changed, as it now reads; a changed table carries its rows that changed.
    pub reading: Reading,
    /// Keys of rows that are gone.
    pub deleted: Vec<Arc<str>>,
    /// Whether the reading is the whole table, rows that are not in it being gone.
    pub whole: bool,
}

/// A snapshot and the changes after it.
#[derive(Debug)]
pub struct Subscription {
    /// All values at the start.
    pub snapshot: Snapshot,
    changes: queue::Receiver<Arc<Change>>,
}

impl Weight for Change {
    fn weight(&self) -> usize {
        let value = |value: &Value| {
            size_of::<Value>()
                + match value {
                    Value::Empty | Value::Number(_) => 0,
                    Value::Text(text) => text.len(),
                    Value::Bytes(bytes) => bytes.len(),
                }
        };
        let row = |(key, cells): &(Arc<str>, Vec<Value>)| {
            size_of::<(Arc<str>, Vec<Value>)>() + key.len() + cells.iter().map(value).sum::<usize>()
        };
        let reading = match &self.reading.value {
            Readable::Scalar(scalar) => value(scalar),
            Readable::Table(rows) => rows.iter().map(row).sum(),
        };
        size_of::<Self>() + reading + self.deleted.iter().map(|key| key.len()).sum::<usize>()
    }
}

impl Subscription {
    /// Pairs a snapshot with its changes.
    pub fn new(snapshot: Snapshot, changes: queue::Receiver<Arc<Change>>) -> Self {
        Self { snapshot, changes }
    }

    /// The next change; `None` when this subscriber was too slow or the element has stopped: subscribe anew to tell.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: no change is lost.
    pub async fn next(&mut self) -> Option<Arc<Change>> {
        self.changes.recv().await
    }
}

/// What happens on the wire; secrets are masked before it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct TapEvent {
    /// When.
    pub at: Wall,
    /// On which connection, by index.
    pub connection: u32,
    /// In which epoch of its link.
    pub epoch: u64,
    /// How many events were dropped before this one because the reader was too slow.
    pub missed: u64,
    /// What.
    pub wire: WireEvent,
}

/// One event on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum WireEvent {
    /// A line of the request that was sent.
    RequestLine(String),
    /// A line of the response that came.
    ResponseLine(String),
    /// A whole message that was sent.
    Sent(MessageKind, Payload),
    /// A whole message that came, and the id of the response that took it.
    Received(MessageKind, Payload, Option<i32>),
    /// The link changed its state: from, to, why.
    State(&'static str, &'static str, String),
    /// The link could not be opened: what went wrong.
    Failed(String),
    /// The link closed: code, reason, who.
    Closed(u16, String, String),
}

/// What is shown of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// The length of the message.
    pub size: usize,
    /// Its beginning, at most [`TAP_SHOWN`] bytes, of which secrets are masked; memory of its own.
    pub shown: Bytes,
    /// Whether the message goes on behind what is shown.
    pub cut: bool,
}

/// One line of an explained handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedLine {
    /// The line as it would be sent, secrets masked.
    pub line: String,
    /// Where its parts come from, such as `parameter 9 "Header"`; empty for what the runtime adds by itself.
    pub from: String,
}

/// One request of an HTTP session, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedRequest {
    /// Which one: its session, and its position in that.
    pub title: String,
    /// Its parts, or why it cannot be sent now.
    pub lines: Result<Vec<ExplainedLine>, String>,
}

impl Weight for TapEvent {
    fn weight(&self) -> usize {
        let own = match &self.wire {
            WireEvent::RequestLine(text) | WireEvent::ResponseLine(text) | WireEvent::Failed(text) => {
                text.len()
            }
            WireEvent::Sent(_, payload) | WireEvent::Received(_, payload, _) => payload.shown.len(),
            WireEvent::State(_, _, why) => why.len(),
            WireEvent::Closed(_, reason, by) => reason.len() + by.len(),
        };
        size_of::<Self>() + own
    }
}

impl Handle {
    /// Makes a handle; the other ends belong to the driver.
    pub fn new(
        protocol: Arc<Protocol>,
        status: watch::Receiver<Arc<Status>>,
        requests: mpsc::Sender<Request>,
    ) -> Self {
        Self { protocol, status, requests }
    }

    /// The protocol that the element runs, to look up parameters by id or name.
    pub fn protocol(&self) -> &Arc<Protocol> {
        &self.protocol
    }

    /// The latest status.
    pub fn status(&self) -> Arc<Status> {
        self.status.borrow().clone()
    }

    /// The status with its counters as they are now; the latest one if the element has stopped.
    pub async fn fresh_status(&self) -> Arc<Status> {
        match self.ask(Request::Status).await {
            Some(status) => status,
            None => self.status(),
        }
    }

    /// A receiver of the latest status, to wait for a change.
    pub fn watch_status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    /// The present value of a parameter; `None` if the element has stopped.
    pub async fn get(&self, param: ParamIx) -> Option<Reading> {
        self.ask(|reply| Request::Get(param, reply)).await
    }

    /// All present values; `None` if the element has stopped.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.ask(Request::Snapshot).await
    }

    /// Sets a parameter; answers after the whole chain of events that it causes, and after its saves.
    ///
    /// # Errors
    ///
    /// Says why nothing was set; after [`SetError::Timeout`] it may still happen.
    pub async fn set(&self, param: ParamIx, value: NewValue, within: Duration) -> Result<SetDone, SetError> {
        let request = |reply| Request::Set(param, Box::new(value), reply);
        match tokio::time::timeout(within, self.ask(request)).await {
            Ok(Some(done)) => done,
            Ok(None) => Err(SetError::NotRunning),
            Err(_) => Err(SetError::Timeout),
        }
    }

    /// A snapshot and then every change; `None` if the element has stopped.
    pub async fn subscribe(&self) -> Option<Subscription> {
        self.ask(Request::Subscribe).await
    }

    /// The wire of every connection from now on; ends when the element stops. `None` if it has stopped.
    pub async fn tap(&self) -> Option<queue::Receiver<TapEvent>> {
        // Full: events are dropped and the next one that fits says how many.
        let (tx, rx) = queue::channel(TAP_QUEUE, TAP_BYTES);
        self.requests.send(Request::Tap(tx)).await.ok()?;
        Some(rx)
    }

    /// The handshake that a connection would send now.
    ///
    /// # Errors
    ///
    /// Says why none would be sent, such as "there is no address yet".
    pub async fn explain(&self, connection: ConnectionIx) -> Option<Result<Vec<ExplainedLine>, String>> {
        self.ask(|reply| Request::Explain(connection, reply)).await
    }

    /// The requests that HTTP sessions would send over a connection now; `None` if the element has stopped.
    pub async fn explain_requests(&self, connection: ConnectionIx) -> Option<Vec<ExplainedRequest>> {
        self.ask(|reply| Request::ExplainRequests(connection, reply)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        // Full: the caller waits for a place; the driver takes requests at every turn.
        self.requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    }
}
