//! The task of one link: its phases, its clocks and its end; receiving and sending are in the files below.
//!
//! ```text
//! Open ── close asked, all sent ──> Closing ── peer's close, EOF, deadline ──┐
//!   │── peer's close, violation ─────────────────────────────────────────> Ending ── flushed ──> Lingering ──> Over
//!   └── EOF, reset, a clock, stop ────────────────────────────────────────────────────────────────────────────> Over
//! ```
//!
//! The element is told at the end of `Ending`; `Lingering` only waits for the peer to end the connection, so that our
//! last frame is not lost in a reset, and is bounded.

mod receive;
mod send;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::{self, WebSocketConfig};
use tokio_util::sync::CancellationToken;

use crate::transport::deflate::codec::Deflater;
use crate::transport::wire::below::Below;
use crate::transport::wire::clocks::{Clocks, Due};
use crate::transport::wire::inbound::Inbound;
use crate::transport::wire::queue::{Inbox, Outbox, Shared};
use crate::transport::wire::{
    CloseFrame, Closed, Counters, Event, Fact, Limits, Message, Role, Setup, Tap, Violation, Why,
};

use send::Sending;

/// tungstenite's own buffer; the adaptive one below it does the system calls.
const READ_BUFFER: usize = 4 * 1024;

/// How much is gathered before the socket is written to; a flush follows when nothing is left to send.
const WRITE_BUFFER: usize = 8 * 1024;

/// One fragment, what is gathered, and pongs to a peer that pings without reading; more pongs replace each other.
const MOST_UNWRITTEN: usize = 256 * 1024;

/// How long the end of a connection may take once the outcome is known.
const LINGER: Duration = Duration::from_secs(1);

/// How long the answers to messages before a violation may take; an element that is idle is not waited for.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// The work of one link; [`Link::run`] does it.
pub struct Link<S> {
    ws: WebSocketStream<Below<S>>,
    shared: Arc<Shared>,
    tap: Option<Arc<dyn Tap>>,
    limits: Limits,
    role: Role,
    deflater: Option<Deflater>,
    clocks: Clocks,
    phase: Phase,
    /// When a close that was asked for has to be over.
    close_by: Option<Instant>,
    received: Option<CloseFrame>,
    sent: Option<CloseFrame>,
    /// Received in this turn, not yet handed over.
    batch: Vec<Event>,
    /// The message that found no room: reading stands still.
    held: Option<Message>,
    /// What the peer did wrong, and until when the element may still answer what came before it.
    failing: Option<(Violation, Instant)>,
    sending: Option<Sending>,
    /// A frame that tungstenite's buffer had no room for.
    stuck: Option<tungstenite::Message>,
    /// What is left of our close frame where tungstenite had no room for it: it takes nothing after a close.
    last_words: Bytes,
    unflushed: bool,
    ping: Ping,
    bytes_read: u64,
    bytes_written: u64,
    sleep: Pin<Box<Sleep>>,
}

/// Where a link is in its life.
enum Phase {
    Open,
    /// Our close frame has been handed over; the peer's is awaited.
    Closing {
        deadline: Instant,
    },
    /// The outcome is known; our last frame is on its way.
    Ending {
        closed: Closed,
        deadline: Instant,
    },
    /// The element has been told; the peer may end the connection.
    Lingering {
        closed: Closed,
        deadline: Instant,
    },
    Over {
        closed: Closed,
    },
}

/// The ping under way.
#[derive(Default)]
struct Ping {
    /// To be sent as soon as a frame can be.
    wanted: bool,
    count: u64,
    sent: Option<Instant>,
}

pub(crate) fn open<S>(setup: Setup<S>) -> (Inbox, Outbox, Link<S>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let Setup { io, leftover, deflate, role, limits, keep_alive, tap } = setup;
    let shared = Shared::new(limits.receive_queue, limits.send_queue, limits.max_message_bytes);
    let deflater = deflate.and_then(|agreed| {
        Deflater::new(match role {
            Role::Client => agreed.client_max_window_bits(),
            Role::Server => agreed.server_max_window_bits(),
        })
    });
    let below = Below::new(io, &leftover, Inbound::new(role, limits.max_message_bytes, deflate));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MOST_UNWRITTEN)
        .max_message_size(Some(limits.max_message_bytes))
        .max_frame_size(Some(limits.max_message_bytes));
    let protocol_role = match role {
        Role::Client => protocol::Role::Client,
        Role::Server => protocol::Role::Server,
    };
    let ws = WebSocketStream::from_raw_socket(below, protocol_role, Some(config))
        .now_or_never()
        .expect("wrapping a raw socket waits for nothing");
    let now = Instant::now();
    let link = Link {
        ws,
        tap,
        limits,
        role,
        deflater,
        clocks: Clocks::new(keep_alive, limits.pause, now),
        phase: Phase::Open,
        close_by: None,
        received: None,
        sent: None,
        batch: Vec::new(),
        held: None,
        failing: None,
        sending: None,
        stuck: None,
        last_words: Bytes::new(),
        unflushed: false,
        ping: Ping::default(),
        bytes_read: 0,
        bytes_written: 0,
        sleep: Box::pin(tokio::time::sleep_until(now)),
        shared: shared.clone(),
    };
    (Inbox::new(shared.clone()), Outbox::new(shared), link)
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Link<S> {
    /// Runs the link to its end and says how it ended; the [`Inbox`] is told the same.
    ///
    /// When `stop` is cancelled, a close frame 1001 is written if the socket takes it at once, and the socket dropped.
    pub fn run(self, stop: CancellationToken) -> impl Future<Output = Closed> + Send {
        // Boxed: a future keeps its arguments twice, and there is one of it for every link.
        let mut link = Box::new(self);
        async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => link.cut(Why::Stopped, 1001, "going away"), // Cancel-safe: no state.
                () = poll_fn(|cx| link.poll(cx)) => {}                               // Never cancelled but by stop.
            }
            match &link.phase {
                Phase::Over { closed } | Phase::Ending { closed, .. } | Phase::Lingering { closed, .. } => {
                    closed.clone()
                }
                Phase::Open | Phase::Closing { .. } => link.outcome(Why::Stopped),
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.register_link(cx);
        loop {
            let now = Instant::now();
            self.receive(cx, now);
            let was_open = matches!(self.phase, Phase::Open);
            self.send(cx, now);
            if was_open && matches!(self.phase, Phase::Closing { .. }) {
                // Where reading stood still, it goes on: or the peer's close would not be seen.
                self.receive(cx, now);
            }
            self.count_bytes(now);
            self.end(cx, now);
            if let Phase::Over { closed } = &self.phase {
                self.shared.finish(closed.clone());
                return Poll::Ready(());
            }
            if self.act_on_clocks(now) {
                continue;
            }
            if self.sleep_polled(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Sets the timer to the next deadline; ready if that has come meanwhile.
    fn sleep_polled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.wake_at() else { return Poll::Pending };
        // A busy link moves its deadlines with every byte: a timer that is too early costs less than setting it anew.
        if self.sleep.is_elapsed() || at < self.sleep.deadline() {
            self.sleep.as_mut().reset(at);
        }
        match self.sleep.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) if at > Instant::now() => {
                self.sleep.as_mut().reset(at);
                self.sleep.as_mut().poll(cx)
            }
            Poll::Ready(()) => Poll::Ready(()),
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Open => {
                let failing = self.failing.as_ref().map(|(_, by)| *by);
                [self.clocks.wake_at(), self.close_by, failing].into_iter().flatten().min()
            }
            Phase::Closing { deadline }
            | Phase::Ending { deadline, .. }
            | Phase::Lingering { deadline, .. } => Some(*deadline),
            Phase::Over { .. } => None,
        }
    }

    /// Does what is due; returns whether there is something new to send or to end.
    fn act_on_clocks(&mut self, now: Instant) -> bool {
        match &self.phase {
            Phase::Open => {
                if self.close_by.is_some_and(|at| at <= now) {
                    self.cut(Why::CloseTimeout, 1000, "");
                    return true;
                }
                let Some(due) = self.clocks.due(now) else { return false };
                let keep_alive = self.clocks.keep_alive();
                match due {
                    Due::Ping => {
                        self.ping.wanted = true;
                        self.clocks.pinged(now);
                    }
                    Due::PongTimeout => self.cut(Why::PongTimeout(keep_alive.pong_timeout), 1011, "no pong"),
                    Due::Silence => self.cut(Why::Silence(keep_alive.silence), 1011, "no message"),
                    Due::Stalled => self.cut(Why::Stalled(self.limits.pause), 1013, "too slow"),
                }
                true
            }
            Phase::Closing { deadline } if *deadline <= now => {
                let closed = self.outcome(Why::CloseTimeout);
                self.phase = Phase::Over { closed };
                true
            }
            Phase::Closing { .. } | Phase::Ending { .. } | Phase::Lingering { .. } | Phase::Over { .. } => {
                false
            }
        }
    }

    /// Counts what crossed the socket and tells the clocks.
    fn count_bytes(&mut self, now: Instant) {
        let (read, written) = (self.ws.get_ref().bytes_read, self.ws.get_ref().bytes_written);
        if read != self.bytes_read {
            Counters::add_u64(&self.shared.counters.wire_bytes_in, read - self.bytes_read);
            self.bytes_read = read;
            self.clocks.alive(now);
        }
        if written != self.bytes_written {
            Counters::add_u64(&self.shared.counters.wire_bytes_out, written - self.bytes_written);
            self.bytes_written = written;
            if self.unflushed {
                // Our ping stands behind a large message: while the socket takes that, the peer lives.
                self.clocks.alive(now);
            }
        }
    }

    /// Moves an ending link on: tells the element when our last frame is out, then waits for the peer.
    fn end(&mut self, cx: &mut Context<'_>, now: Instant) {
        if let Some((violation, by)) = self.failing.take() {
            let answered = self.sending.is_none() && !self.unflushed && self.shared.is_settled();
            if answered || by <= now {
                self.break_off(violation, now);
                self.send(cx, now);
            } else {
                self.failing = Some((violation, by));
            }
        }
        if let Phase::Ending { closed, deadline } = &self.phase
            && (!self.unflushed || *deadline <= now)
        {
            self.shared.finish(closed.clone());
            self.phase = Phase::Lingering { closed: closed.clone(), deadline: *deadline };
        }
        if let Phase::Lingering { closed, deadline } = &self.phase {
            // The server ends the connection, so that the time-wait state is on its side (RFC 6455, 7.1.1).
            if self.role == Role::Server
                && Pin::new(self.ws.get_mut()).poll_shutdown(cx).is_pending()
                && *deadline > now
            {
                return;
            }
            if self.ws.get_mut().poll_discard(cx).is_ready() || *deadline <= now {
                let closed = closed.clone();
                // One try: TLS says goodbye with it.
                let _ = Pin::new(self.ws.get_mut()).poll_shutdown(cx);
                self.phase = Phase::Over { closed };
            }
        }
    }

    fn outcome(&self, why: Why) -> Closed {
        Closed { why, received: self.received.clone(), sent: self.sent.clone() }
    }

    /// The outcome is known and our last frame, if any, still has to go out.
    fn conclude(&mut self, why: Why, now: Instant) {
        let deadline = match &self.phase {
            Phase::Closing { deadline } => (*deadline).min(now + LINGER),
            Phase::Open | Phase::Ending { .. } | Phase::Lingering { .. } | Phase::Over { .. } => now + LINGER,
        };
        self.phase = Phase::Ending { closed: self.outcome(why), deadline };
    }

    /// Ends without waiting: a close frame goes out if the socket takes it at once.
    fn cut(&mut self, why: Why, code: u16, reason: &str) {
        if matches!(self.phase, Phase::Open) {
            self.queue_close(CloseFrame { code: Some(code), reason: reason.to_owned() });
            let _ = self.ws.poll_flush_unpin(&mut Context::from_waker(Waker::noop()));
        }
        if matches!(self.phase, Phase::Open | Phase::Closing { .. }) {
            let closed = self.outcome(why);
            self.phase = Phase::Over { closed };
        }
    }

    fn tell(&self, fact: impl FnOnce() -> Fact) {
        if let Some(tap) = self.tap.as_ref().filter(|tap| tap.is_on()) {
            tap.fact(fact());
        }
    }
}

impl<S> Drop for Link<S> {
    /// A task that was aborted, or never run, still tells the element.
    fn drop(&mut self) {
        let why = Why::Stopped;
        self.shared.finish(match &self.phase {
            Phase::Over { closed } | Phase::Ending { closed, .. } | Phase::Lingering { closed, .. } => {
                closed.clone()
            }
            Phase::Open | Phase::Closing { .. } => {
                Closed { why, received: self.received.clone(), sent: self.sent.clone() }
            }
        });
    }
}

/// The payload of a ping: which one it is.
fn ping_payload(count: u64) -> Bytes {
    Bytes::copy_from_slice(&count.to_be_bytes())
}
