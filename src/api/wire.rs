//! What the API says, version 1: its own types, made from the element's; the shell commands read the same ones.
//!
//! Field names are camelCase; times are RFC 3339 in UTC; a field without content is left out.

pub mod value;

pub(in crate::api) mod from;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use value::Value;

/// A short text that is mostly one of ours and is owned when it is read.
pub type Text = Cow<'static, str>;

/// `GET /healthz` and `/readyz`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`, or for `/readyz` `starting`, `ready` or `stopping`.
    pub status: Text,
    /// The daemon's version.
    pub version: Text,
    /// How many elements there are.
    pub elements: usize,
    /// `ok`, or why values cannot be saved.
    pub store: String,
    /// Where a store that was found damaged since the start was put; what was saved in it is not in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_set_aside: Option<String>,
}

/// An error (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URN that tells the kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This case in words.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
}

/// `GET /api/v1/elements`, an item, and `GET /api/v1/elements/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Element {
    /// The name.
    pub name: Arc<str>,
    /// The definition's name.
    pub protocol: Arc<str>,
    /// The definition's version.
    pub version: Arc<str>,
    /// `running`, `invalid`, `restarting`, `stopping` or `stopped`.
    pub state: Text,
    /// Why it is invalid or restarting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// When it is started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_at: Option<String>,
    /// Whether it is in timeout.
    pub timeout: bool,
    /// What happened in it since it started; not in the list of elements, and not while it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<ElementCounters>,
    /// Why its values cannot be saved at present; not in the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Arc<str>>,
    /// How its scripts are doing, if its definition has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Scripts>,
    /// Its connections.
    pub connections: Vec<Connection>,
}

/// How the scripts of an element are doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scripts {
    /// How often scripts ran since the element started.
    pub runs: u64,
    /// How many of these failed: they threw, or exceeded a limit.
    pub failures: u64,
    /// The last failure that was told; equal ones are told once in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<ScriptFailure>,
}

/// A script that failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptFailure {
    /// The id of the `QAction`.
    pub script: i32,
    /// What went wrong, in one line.
    pub error: String,
    /// File, line and column; left out if that is not known.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub place: Arc<str>,
    /// When.
    pub at: String,
}

/// Counters of an element; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElementCounters {
    /// Messages that no response took, or whose checksum was wrong.
    pub unmatched: u64,
    /// Messages that mean nothing, as `bs:Ignore` says.
    #[serde(default)]
    pub ignored: u64,
    /// Tries of pairs and HTTP requests that got no answer in time, or one that counts as none.
    pub timeouts: u64,
    /// Pairs that were not sent because their link was down, and requests that could not be made.
    pub not_sent: u64,
    /// Requests of HTTP sessions that were sent, every try counted.
    #[serde(default)]
    pub requests: u64,
    /// Answers to them that were 4xx, 5xx, or a redirect that is not followed.
    #[serde(default)]
    pub refusals: u64,
    /// Cycles of timers that were left out: their groups still waited, or the process was held up.
    pub skipped_cycles: u64,
    /// Groups that found no place in their queue.
    pub queue_full: u64,
    /// Chains of events that were cut because they would not have ended.
    pub cut_chains: u64,
    /// Values that their parameters did not take.
    pub dropped_values: u64,
}

/// One connection of an element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The index, from 0.
    pub index: u32,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// `websocket`, `http`, `virtual` or `not run`.
    pub kind: Text,
    /// The state of its link, or of an HTTP connection that of its requests; null for a connection that has neither.
    pub state: Option<Text>,
    /// Where it goes; of an HTTP connection scheme, host and port of its last request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Arc<str>>,
    /// The life of its link; not in the list of elements.
    #[serde(flatten)]
    pub link: Option<Link>,
    /// The requests of HTTP sessions over it; not in the list of elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// The token that its requests and its link need; not in the list of elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

/// The requests of HTTP sessions over a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// `idle`, `ready`, `timeout` or `stopped`.
    pub state: Text,
    /// Scheme, host and port of the last request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Arc<str>>,
    /// The status line of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_line: Option<Arc<str>>,
    /// When it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<String>,
    /// The last failure, until everything that failed has worked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// Until when the peer wants to be left alone (`Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<String>,
    /// How many requests were sent, every try counted.
    pub requests: u64,
    /// Answers that were 4xx, 5xx, or a redirect that is not followed.
    pub refusals: u64,
}

/// A token: whether there is one, never what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// `missing`, `fetching` or `ready`.
    pub state: Text,
    /// When it is renewed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<String>,
    /// When it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The life of a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// During a move that opens first: where the link that still serves goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Arc<str>>,
    /// The number of the last dial.
    pub epoch: u64,
    /// Since when it is in this state.
    pub since: String,
    /// Failed tries since it was last stable.
    pub attempts: u32,
    /// When it dials again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_dial: Option<String>,
    /// Why it moved last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Arc<str>>,
    /// Whether it comes and goes.
    pub flapping: bool,
    /// The last close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_close: Option<Close>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// The subprotocol that the peer selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subprotocol: Option<Arc<str>>,
    /// The extensions that were agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Arc<str>>,
    /// Counters since the element started.
    pub counters: Counters,
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Close {
    /// The close code.
    pub code: u16,
    /// The reason that came with it.
    pub reason: Arc<str>,
    /// Who or what ended it.
    pub by: Arc<str>,
    /// When.
    pub at: String,
}

/// A link that could not be opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub summary: String,
    /// What to do about it.
    pub advice: String,
    /// The HTTP status of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A piece of the refusal's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What was tried, in order.
    pub stages: Vec<Stage>,
    /// When.
    pub at: String,
}

/// One stage of opening a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Which.
    pub stage: Text,
    /// Whether it worked.
    pub ok: bool,
    /// What happened.
    pub detail: String,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
}

/// Counters of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Links opened.
    pub opened: u64,
    /// Links lost.
    pub dropped: u64,
    /// Events of older epochs that were ignored.
    pub stale: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Messages sent.
    pub messages_out: u64,
    /// Messages that were not sent: the peer reads too slowly, or the link was about to end.
    #[serde(default)]
    pub unsent: u64,
    /// Bytes of messages received.
    pub bytes_in: u64,
    /// Bytes of messages sent.
    pub bytes_out: u64,
    /// Messages that matched no response.
    pub unmatched: u64,
    /// Times that reading stopped.
    pub pauses: u64,
}

/// A parameter as it reads now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// The author's number.
    pub id: i32,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// The value; null if it is empty or secret.
    pub value: Value,
    /// What people see for it, where that is not the value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<Arc<str>>,
    /// Whether the value is kept from everybody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    /// Of a secret: whether it has a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<bool>,
}

/// `GET .../params`, an item, and `GET .../params/{id or name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Param {
    /// What it reads.
    #[serde(flatten)]
    pub reading: Reading,
    /// What people call it.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub description: Arc<str>,
    /// `read`, `write`, `fixed`, `table` or another type of the language.
    pub kind: Text,
    /// `number`, `text` or `table`.
    #[serde(rename = "type")]
    pub value_type: Text,
    /// Whether PUT can set it.
    pub settable: bool,
    /// Whether it survives a restart.
    pub save: bool,
    /// The unit.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub units: Arc<str>,
    /// The columns of a table, in the order of the cells of a row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
}

fn is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The author's number.
    pub id: i32,
    /// The name.
    pub name: Arc<str>,
    /// Whether it holds the primary key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
}

/// The body of `PUT .../params/{id or name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// The new value; null empties the parameter.
    pub value: Value,
    /// For a column: the primary key of the row whose cell is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Arc<str>>,
}

/// The answer to a PUT: the set and all that it caused has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutDone {
    /// Whether everything that had to be saved is in the store and holds at the next start.
    pub saved: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `GET .../connections/{index}/explain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The handshake, line by line; empty for a connection without a link.
    pub lines: Vec<ExplainedLine>,
    /// Why no handshake would be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The requests that HTTP sessions would send over the connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<ExplainedRequest>,
}

/// One request of an HTTP session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedRequest {
    /// Which one: its session, and its position in that.
    pub title: String,
    /// Its parts; the last line may be its body.
    pub lines: Vec<ExplainedLine>,
    /// Why it cannot be sent now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One line of a handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedLine {
    /// The line, secrets masked.
    pub line: String,
    /// Where its parts come from; empty for what the runtime adds.
    pub from: String,
}

/// A message of `GET /api/v1/stream`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum StreamMessage {
    /// All values: at the start, after a restart of the element, and whenever this client was too slow for the changes.
    Snapshot {
        /// Which element.
        element: Arc<str>,
        /// The number of the last change that is in it.
        seq: u64,
        /// The values.
        params: Vec<Reading>,
    },
    /// One change.
    Change {
        /// Which element.
        element: Arc<str>,
        /// The number of the change, one more than the last of this element.
        seq: u64,
        /// When.
        at: String,
        /// What changed; a table has the rows that changed.
        param: Reading,
        /// Of a table: the keys of rows that are gone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        deleted: Vec<Arc<str>>,
        /// Of a table: whether these are all its rows, and all others are gone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
    },
    /// The state of an element: at the start and whenever it changes.
    Status {
        /// Which element.
        element: Arc<str>,
        /// Its state.
        status: Element,
    },
    /// The element is no longer configured.
    Removed {
        /// Which element.
        element: Arc<str>,
    },
}

/// A message of `GET .../elements/{name}/tap`; secrets are masked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TapMessage {
    /// When.
    pub at: String,
    /// On which connection, by index.
    pub connection: u32,
    /// In which epoch of its link.
    pub epoch: u64,
    /// How many events were dropped before this one because the client was too slow.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
    /// What happened.
    #[serde(flatten)]
    pub wire: WireEvent,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One event on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WireEvent {
    /// A line of the request that was sent.
    RequestLine {
        /// The line.
        line: String,
    },
    /// A line of the response that came.
    ResponseLine {
        /// The line.
        line: String,
    },
    /// A whole message that was sent.
    Sent(Payload),
    /// A whole message that came.
    Received(Payload),
    /// The link changed its state.
    State {
        /// From.
        from: Text,
        /// To.
        to: Text,
        /// Why.
        why: String,
    },
    /// The link could not be opened.
    Failed {
        /// What went wrong.
        reason: String,
    },
    /// The link closed.
    Closed {
        /// The close code.
        code: u16,
        /// The reason that came with it.
        reason: String,
        /// Who or what ended it.
        by: String,
    },
}

/// A message on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// `text` or `binary`.
    pub kind: Text,
    /// Its length in bytes.
    pub size: usize,
    /// Its content: a string, or `{"base64": ...}` if it is binary; at most the first 64 KiB.
    pub data: Value,
    /// Whether the content was cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Of a received message: the id of the response that took it; none if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<i32>,
}
