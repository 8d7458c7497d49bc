//! What an element shows of itself: its state and that of its connections; plain data, no behaviour.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::logic::effect::Counters;
use crate::engine::logic::script::ScriptCounters;
use crate::value::Wall;

/// The state of an element and of its connections at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The element's name.
    pub name: Arc<str>,
    /// The definition's name; empty if it did not load.
    pub protocol: Arc<str>,
    /// The definition's version.
    pub version: Arc<str>,
    /// The state of the element itself.
    pub state: ElementState,
    /// Whether a connection has been in timeout for longer than its element timeout.
    pub timeout: bool,
    /// How often things happened since the element started.
    pub counters: Counters,
    /// The connections by index.
    pub connections: Vec<ConnectionStatus>,
    /// How its scripts are doing; none for a definition without scripts.
    pub scripts: Option<Box<ScriptStatus>>,
}

/// How the scripts of an element are doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScriptStatus {
    /// How often scripts ran and failed since the element started.
    pub counters: ScriptCounters,
    /// The last failure that was told.
    pub last_failure: Option<Arc<ScriptFault>>,
}

/// A script that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFault {
    /// The author's number of the script.
    pub script: i32,
    /// What went wrong, in one line, without secrets.
    pub text: String,
    /// File, line and column; empty if that is not known.
    pub place: Arc<str>,
    /// When.
    pub at: Wall,
}

/// The state of an element itself.
#[derive(Clone, Debug, PartialEq)]
pub enum ElementState {
    /// Running.
    Running,
    /// Its definition or its settings do not load; the text says why.
    Invalid(Arc<str>),
    /// It failed and is started again at a time; the text says why.
    Restarting {
        /// What went wrong.
        reason: Arc<str>,
        /// When it is started again.
        at: Wall,
    },
    /// It is being stopped.
    Stopping,
    /// It has stopped.
    Stopped,
}

/// The state of one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionStatus {
    /// The index, from 0.
    pub index: u32,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// `websocket`, `http`, `virtual` or `not run`.
    pub kind: &'static str,
    /// The life of the link; none for a connection that has no link.
    pub link: Option<LinkStatus>,
    /// The requests of HTTP sessions over it; none for a connection that carries none, or whose link has carried none yet.
    pub http: Option<HttpStatus>,
    /// The token that its requests and its link need; none if they need none.
    pub token: Option<TokenStatus>,
}

/// The states of a connection's requests, see [`HttpStatus::state`].
pub const HTTP_STATES: [&str; 4] = ["idle", "ready", "timeout", "stopped"];

/// The requests of HTTP sessions over one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpStatus {
    /// One of [`HTTP_STATES`].
    pub state: &'static str,
    /// Scheme, host and port of the last request; none before the first.
    pub target: Option<Arc<str>>,
    /// The status line of the last answer, and when it came.
    pub answered: Option<(Arc<str>, Wall)>,
    /// The last failure, until everything that failed has worked again.
    pub last_failure: Option<Arc<FailureStatus>>,
    /// Until when the peer wants to be left alone (`Retry-After`).
    pub held_until: Option<Wall>,
    /// How many requests were sent, every try counted.
    pub requests: u64,
    /// Answers that were 4xx, 5xx, or a redirect that is not followed.
    pub refusals: u64,
}

/// A token, of which nobody sees more than this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenStatus {
    /// `missing`, `fetching` or `ready`; one that is renewed is ready meanwhile.
    pub state: &'static str,
    /// When it is renewed by itself.
    pub renew_at: Option<Wall>,
    /// When it is over.
    pub ends_at: Option<Wall>,
    /// What is odd about it, in a line: an `exp` in the past, for one.
    pub note: Option<Arc<str>>,
}

/// The life of one link.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkStatus {
    /// `idle`, `connecting`, `ready`, `closing`, `backoff`, `rejected`, `closed` or `stopped`.
    pub state: &'static str,
    /// Where it goes, as a URL without secrets; none while there is no address.
    pub target: Option<Arc<str>>,
    /// During a move that opens first: where the link that still serves goes.
    pub serving: Option<Arc<str>>,
    /// The number of the last dial.
    pub epoch: u64,
    /// Since when it is in this state.
    pub since: Wall,
    /// Failed tries since it was last stable.
    pub attempts: u32,
    /// When it dials again.
    pub next_dial: Option<Wall>,
    /// Why it moved last, such as `parameter 8: "/a" -> "/b"`.
    pub cause: Option<Arc<str>>,
    /// Whether it comes and goes.
    pub flapping: bool,
    /// The last close.
    pub last_close: Option<CloseStatus>,
    /// The last failure, with its stages.
    pub last_failure: Option<Arc<FailureStatus>>,
    /// The subprotocol that the peer selected.
    pub subprotocol: Option<Arc<str>>,
    /// The extensions that were agreed, as in the header.
    pub extensions: Option<Arc<str>>,
    /// Counters since the element started.
    pub counters: LinkCounters,
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq)]
pub struct CloseStatus {
    /// The close code: the peer's or ours, 1005 without one, 1006 without a close frame.
    pub code: u16,
    /// The reason that came with it.
    pub reason: Arc<str>,
    /// Who or what ended it, in a few words.
    pub by: Arc<str>,
    /// When.
    pub at: Wall,
}

/// A link that could not be opened.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureStatus {
    /// One line: what went wrong.
    pub summary: String,
    /// One line: what to do about it.
    pub advice: String,
    /// The HTTP status of a refusal.
    pub status: Option<u16>,
    /// A piece of the refusal's body.
    pub body: Option<String>,
    /// What was tried, in order.
    pub stages: Vec<StageStatus>,
    /// When.
    pub at: Wall,
}

/// One stage of opening a link.
#[derive(Clone, Debug, PartialEq)]
pub struct StageStatus {
    /// `name`, `tcp`, `proxy`, `tls`, `http`, `negotiation`, `first message` or `body`.
    pub stage: &'static str,
    /// Whether it worked.
    pub ok: bool,
    /// What happened, in a few words.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

/// Counters of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
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
    pub unsent: u64,
    /// Bytes of messages received.
    pub bytes_in: u64,
    /// Bytes of messages sent.
    pub bytes_out: u64,
    /// Messages that matched no response.
    pub unmatched: u64,
    /// Times that reading stopped because the element was slower than the peer.
    pub pauses: u64,
}
