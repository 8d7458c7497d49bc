//! The message layer of one upgraded connection: its public types; dialling and deciding are elsewhere.
//!
//! ```text
//!  element ── Outbox ──> queue ──> Link::run ──> tungstenite ──> Below ──> socket
//!          <── Inbox ── queue <──      (one task)  frames      inflates, checks headers, counts bytes
//! ```
//!
//! One task owns the socket. It reads only while the inbox has room and writes only what the outbox holds; neither
//! waits for the other. While reading is paused, frames up to the first message that does not fit have been handled;
//! pings behind it are answered when the element takes messages again, or the link ends after [`Limits::pause`].

pub(crate) mod below;
pub(crate) mod clocks;
pub(crate) mod frame;
pub mod inbound;
pub(crate) mod link;
pub(crate) mod queue;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::transport::deflate::Agreed;

pub use link::Link;
pub use queue::{Inbox, Outbox, SendError};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We dialled: what we send is masked, what we receive must not be.
    Client,
    /// We accepted: what we receive must be masked, what we send is not.
    Server,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
}

/// A whole message, in or out; a text is known to be UTF-8.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    kind: Kind,
    data: Bytes,
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: Kind::Text, data: Bytes::from(text.into()) }
    }

    /// A binary message.
    pub fn binary(data: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Binary, data: data.into() }
    }

    /// A message of either kind.
    ///
    /// # Errors
    ///
    /// A text that is not UTF-8; the error says where it goes wrong.
    pub fn new(kind: Kind, data: Bytes) -> Result<Self, std::str::Utf8Error> {
        if kind == Kind::Text {
            std::str::from_utf8(&data)?;
        }
        Ok(Self { kind, data })
    }

    /// A message whose text tungstenite has checked.
    pub(crate) fn checked(kind: Kind, data: Bytes) -> Self {
        Self { kind, data }
    }

    /// Text or binary.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The payload.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The payload, without a copy.
    pub fn into_data(self) -> Bytes {
        self.data
    }
}

impl fmt::Debug for Message {
    /// Kind and length only: a payload may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?}, {} bytes)", self.kind, self.data.len())
    }
}

/// What the element gets from a link.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// The link is over; always the last event and always given.
    Closed(Box<Closed>),
}

/// What bounds a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message, in bytes after inflating, and what may wait in each direction together; default 16 MiB.
    pub max_message_bytes: usize,
    /// How many messages may wait to be sent; default 1,024.
    pub send_queue: usize,
    /// How many received messages may wait for the element; default 64.
    pub receive_queue: usize,
    /// How long reading may stand still because the element takes nothing, then the link ends; default 5 min, 0 is off.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 16 << 20,
            send_queue: 1024,
            receive_queue: 64,
            pause: Duration::from_secs(300),
        }
    }
}

/// When a link counts as dead; see `LANGUAGE.md` 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Time between our pings; default 30 s, 0 sends none.
    pub ping_interval: Duration,
    /// How long nothing at all may arrive after a ping; any byte counts, and the clock stands still while we have
    /// stopped reading; default 10 s, 0 waits for ever.
    pub pong_timeout: Duration,
    /// How long no text or binary message may arrive; stands still while we have stopped reading; default 0, off.
    pub silence: Duration,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(10),
            silence: Duration::ZERO,
        }
    }
}

/// A close frame's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The status code; `None` for a close frame without one, which RFC 6455 calls 1005.
    pub code: Option<u16>,
    /// The reason, often empty.
    pub reason: String,
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) if self.reason.is_empty() => write!(f, "{code}"),
            Some(code) => write!(f, "{code} {:?}", self.reason),
            None => f.write_str("no code"),
        }
    }
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// What ended it.
    pub why: Why,
    /// The peer's close frame, if one came.
    pub received: Option<CloseFrame>,
    /// Our close frame, if it was handed to the socket.
    pub sent: Option<CloseFrame>,
}

impl Closed {
    /// The close code of RFC 6455 7.1.5: the peer's, 1005 for a close frame without one, 1006 without a close frame.
    pub fn code(&self) -> u16 {
        match &self.received {
            Some(frame) => frame.code.unwrap_or(1005),
            None => 1006,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)?;
        if let (Some(frame), Why::Peer | Why::Us) = (&self.received, &self.why) {
            write!(f, ": {frame}")?;
        }
        Ok(())
    }
}

/// What ended a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The peer closed first; its code and reason are in [`Closed::received`].
    #[error("the peer closed")]
    Peer,
    /// We closed and the peer confirmed it.
    #[error("closed by us")]
    Us,
    /// We closed and the peer did not confirm it in time.
    #[error("closed by us, not confirmed in time")]
    CloseTimeout,
    /// The connection ended without a close frame.
    #[error("the connection ended without a close frame")]
    Eof,
    /// The connection was reset.
    #[error("the peer reset the connection")]
    Reset,
    /// Reading or writing failed otherwise, with the system's words.
    #[error("the connection failed: {0}")]
    Io(String),
    /// Nothing arrived in time after a ping.
    #[error("no pong within {0:?}")]
    PongTimeout(Duration),
    /// No text or binary message arrived for so long.
    #[error("no message within {0:?}")]
    Silence(Duration),
    /// The element took no message for [`Limits::pause`].
    #[error("received messages were not taken within {0:?}")]
    Stalled(Duration),
    /// The peer broke the protocol; we told it so.
    #[error(transparent)]
    Violation(Violation),
    /// The stop token of the task was cancelled.
    #[error("stopped")]
    Stopped,
    /// The [`Inbox`] was dropped.
    #[error("nobody receives any more")]
    Abandoned,
}

/// What a peer did that RFC 6455, RFC 7692 or our limits forbid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A frame or an order of frames that is not allowed; close code 1002.
    #[error("protocol violation: {0}")]
    Protocol(String),
    /// A text message or a close reason that is not UTF-8; close code 1007.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A compressed message that cannot be inflated; close code 1007.
    #[error("a compressed message cannot be inflated")]
    BadDeflate,
    /// A message larger than [`Limits::max_message_bytes`]; close code 1009.
    #[error("a message is larger than {limit} bytes")]
    TooBig {
        /// The limit that was in force.
        limit: usize,
    },
}

impl Violation {
    /// The code of the close frame that answers it.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::NotUtf8 | Self::BadDeflate => 1007,
            Self::TooBig { .. } => 1009,
        }
    }
}

/// What crossed the wire, for an observer.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A message arrived whole.
    Received(Message),
    /// A message was handed to the socket.
    Sent(Message),
    /// A ping arrived (and is answered with the same payload).
    PingReceived(Bytes),
    /// We sent a ping.
    PingSent(Bytes),
    /// A pong arrived.
    PongReceived(Bytes),
    /// The peer's close frame arrived.
    CloseReceived(CloseFrame),
    /// Our close frame was handed to the socket.
    CloseSent(CloseFrame),
}

/// Watches what crosses the wire; called from the link's task, so it must not wait.
pub trait Tap: Send + Sync {
    /// Whether anybody looks; asked before a fact is made.
    fn is_on(&self) -> bool;
    /// Takes a fact; the time is the present.
    fn fact(&self, fact: Fact);
}

/// Everything that a link is made of.
pub struct Setup<S> {
    /// The connection after the upgrade.
    pub io: S,
    /// What arrived behind the handshake's last byte.
    pub leftover: Bytes,
    /// The agreed compression, if any.
    pub deflate: Option<Agreed>,
    /// Which end this is.
    pub role: Role,
    /// Bounds.
    pub limits: Limits,
    /// Clocks.
    pub keep_alive: KeepAlive,
    /// An observer; `None` costs nothing.
    pub tap: Option<Arc<dyn Tap>>,
}

impl<S> Setup<S> {
    /// A setup with default limits and clocks, without compression and without an observer.
    pub fn new(io: S, role: Role) -> Self {
        Self {
            io,
            leftover: Bytes::new(),
            deflate: None,
            role,
            limits: Limits::default(),
            keep_alive: KeepAlive::default(),
            tap: None,
        }
    }

    /// Makes the link: two handles for the element, and the future that does the work.
    ///
    /// The caller runs `link.run(stop)` as an owned task; nothing is read or written before. Must be called within a
    /// tokio runtime with time enabled.
    pub fn open(self) -> (Inbox, Outbox, Link<S>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        link::open(self)
    }
}

/// Counts of one link, updated by its task and read by anybody.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) messages_in: AtomicU64,
    pub(crate) messages_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) wire_bytes_in: AtomicU64,
    pub(crate) wire_bytes_out: AtomicU64,
    pub(crate) pauses: AtomicU64,
    pub(crate) paused_micros: AtomicU64,
    pub(crate) discarded: AtomicU64,
    /// Round trip of the last ping in microseconds plus one; 0 is none yet.
    pub(crate) rtt: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whole messages received.
    pub messages_in: u64,
    /// Whole messages handed to the socket.
    pub messages_out: u64,
    /// Payload bytes of received messages, after inflating.
    pub bytes_in: u64,
    /// Payload bytes of sent messages, before deflating.
    pub bytes_out: u64,
    /// Bytes read from the socket.
    pub wire_bytes_in: u64,
    /// Bytes written to the socket.
    pub wire_bytes_out: u64,
    /// How often reading stopped because the element did not take messages.
    pub pauses: u64,
    /// How long reading stood still, in all; a pause under way is not counted yet.
    pub paused: Duration,
    /// Messages that arrived after our close frame and found no room.
    pub discarded: u64,
    /// Round trip of the last answered ping.
    pub rtt: Option<Duration>,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, amount: usize) {
        counter.fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_u64(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    /// Reads the counts; each is exact, together they may be a moment apart.
    pub fn read(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            messages_in: get(&self.messages_in),
            messages_out: get(&self.messages_out),
            bytes_in: get(&self.bytes_in),
            bytes_out: get(&self.bytes_out),
            wire_bytes_in: get(&self.wire_bytes_in),
            wire_bytes_out: get(&self.wire_bytes_out),
            pauses: get(&self.pauses),
            paused: Duration::from_micros(get(&self.paused_micros)),
            discarded: get(&self.discarded),
            rtt: get(&self.rtt).checked_sub(1).map(Duration::from_micros),
        }
    }
}

/// Wraps a violation so that it passes through tungstenite as an I/O error.
pub(crate) fn violation_error(violation: Violation) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, violation)
}

#[cfg(test)]
mod tests;
