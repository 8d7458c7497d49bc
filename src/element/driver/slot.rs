//! One connection of a running element: its link, the dial under way and the sockets; decides nothing.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::element::gate::Ticket;
use crate::element::status::{CloseStatus, FailureStatus, LinkCounters};
use crate::engine::codec::Gathered;
use crate::engine::link::Link;
use crate::engine::link::status::{Epoch, Phase};
use crate::language::model::id::{ConnectionIx, SessionIx};
use crate::transport::dial::Opened;
use crate::transport::failure::{Failure, StageReport};
use crate::transport::http::Address;
use crate::transport::wire::{Counters, Event, Inbox, Outbox};
use crate::value::Wall;

/// One connection; without a link it only keeps the place of its index.
pub(super) struct Slot {
    pub(super) connection: ConnectionIx,
    pub(super) life: Option<Box<Life>>,
    /// Of requests of HTTP sessions; none before the first.
    pub(super) web: Option<Box<Web>>,
    /// The state of its requests that was shown last.
    pub(super) web_state: &'static str,
}

/// What a connection has that requests of HTTP sessions go over.
#[derive(Debug, Default)]
pub(super) struct Web {
    /// Where the last request went.
    pub(super) address: Option<Arc<Address>>,
    /// The status line of the last answer, masked, and when it came.
    pub(super) answered: Option<(Arc<str>, Wall)>,
    /// Exchanges that people have been told of as failing, and that have not worked since, each with its last failure; the
    /// latest is at the end.
    // Bound: one for each exchange of the definition.
    pub(super) failing: Vec<((SessionIx, usize), Arc<FailureStatus>)>,
    /// Why sessions could not ask at all, or got no token, until they have worked.
    // Bound: three for each session of the definition.
    pub(super) hindered: Vec<(SessionIx, Hindrance, Arc<FailureStatus>)>,
}

/// What hinders a session before it asks, or although it was answered well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// Its request cannot be made of the present values.
    Request,
    /// Its answer has no token.
    Token,
    /// Its token is used, but something about it is not as the definition says.
    OddToken,
}

/// What a WebSocket connection has.
pub(super) struct Life {
    pub(super) link: Link,
    /// A place in the dial budget.
    pub(super) ticket: Option<(Epoch, Ticket)>,
    /// The dial that waits for a token, or for the session before the link.
    pub(super) preparing: Option<Epoch>,
    /// The dial under way.
    pub(super) dial: Option<Dial>,
    /// The sockets: one, and under open-first or while an old one closes a second.
    pub(super) sockets: Vec<Socket>,
    /// The number of the last dial; 0 before the first.
    pub(super) epoch: u64,
    /// Where the last dial went, without secrets.
    pub(super) target: Option<Arc<str>>,
    /// `host:port` of the peer while the link is ready, for `Disconnections`.
    pub(super) peer: Option<Arc<str>>,
    pub(super) last_close: Option<CloseStatus>,
    pub(super) last_failure: Option<Arc<FailureStatus>>,
    /// Counts of the sockets that are over.
    pub(super) past: LinkCounters,
    /// When a message was not sent last.
    pub(super) last_unsent: Option<Instant>,
}

pub(super) struct Dial {
    pub(super) epoch: Epoch,
    pub(super) abort: AbortHandle,
    pub(super) result: oneshot::Receiver<Result<Opened, Failure>>,
    pub(super) target: Arc<str>,
    /// `host:port`, for `Disconnections`.
    pub(super) peer: Arc<str>,
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

pub(super) struct Socket {
    pub(super) epoch: Epoch,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    /// Its task; none once it ends by itself, within a bounded time.
    pub(super) abort: Option<AbortHandle>,
    pub(super) counters: Arc<Counters>,
    /// Where it goes, without secrets.
    pub(super) target: Arc<str>,
    /// `host:port` of the peer, for `Disconnections`.
    pub(super) peer: Arc<str>,
    pub(super) subprotocol: Option<Arc<str>>,
    pub(super) extensions: Option<Arc<str>>,
    /// When it opened and the stages of its dial, for a link that ends before its first message; empty once it has settled.
    pub(super) opening: (Instant, Vec<StageReport>),
    /// Whether it ever was the link; one that came too late was not.
    pub(super) was_up: bool,
    /// What the answer to the handshake has for parameters, until the link is up.
    pub(super) captured: Gathered,
    /// Events that are taken out and not handled yet; empty between turns, unless scripts took their time with those before.
    pub(super) events: Vec<Event>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

impl Socket {
    /// Leaves a link that is over to its task, which lets the peer end the connection, so that our last frame is not lost in a
    /// reset (RFC 6455, 7.1.1).
    pub(super) fn let_go(mut self) {
        self.abort = None;
    }
}

/// Something that happened to a connection.
pub(super) enum Happened {
    /// The dial budget has a place.
    Granted(Epoch),
    /// A dial is over; `None` if its task ended without a word.
    Dialled(Epoch, (Arc<str>, Arc<str>), Option<Box<Result<Opened, Failure>>>),
    /// Messages came, or a link ended; an empty list is a link whose task ended without a word.
    Events(Epoch, Vec<Event>),
}

/// How long all messages must have been sent before one that is not is news again.
const UNSENT_EPISODE: Duration = Duration::from_secs(60);

impl Slot {
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.life.as_ref().and_then(|life| life.link.wake_at())
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.wake_at().is_some_and(|at| at <= now)
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.life.as_ref().is_none_or(|life| life.link.phase() == Phase::Stopped)
    }
}

impl Life {
    pub(super) fn socket(&self, epoch: Epoch) -> Option<&Socket> {
        self.sockets.iter().find(|socket| socket.epoch == epoch)
    }

    pub(super) fn socket_mut(&mut self, epoch: Epoch) -> Option<&mut Socket> {
        self.sockets.iter_mut().find(|socket| socket.epoch == epoch)
    }

    /// Counts a message that was not sent; whether that is news, and no more of the same.
    pub(super) fn count_unsent(&mut self, now: Instant) -> bool {
        self.past.unsent += 1;
        let last = self.last_unsent.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) >= UNSENT_EPISODE)
    }

    /// Takes a socket away and keeps its counts.
    pub(super) fn remove_socket(&mut self, epoch: Epoch) -> Option<Socket> {
        let at = self.sockets.iter().position(|socket| socket.epoch == epoch)?;
        let socket = self.sockets.swap_remove(at);
        let counts = socket.counters.read();
        self.past.messages_in += counts.messages_in;
        self.past.messages_out += counts.messages_out;
        self.past.bytes_in += counts.bytes_in;
        self.past.bytes_out += counts.bytes_out;
        self.past.pauses += counts.pauses;
        Some(socket)
    }

    /// Counts of all sockets since the start.
    pub(super) fn counters(&self) -> LinkCounters {
        let snapshot = self.link.snapshot();
        let mut all = self.past;
        for socket in &self.sockets {
            let counts = socket.counters.read();
            all.messages_in += counts.messages_in;
            all.messages_out += counts.messages_out;
            all.bytes_in += counts.bytes_in;
            all.bytes_out += counts.bytes_out;
            all.pauses += counts.pauses;
        }
        LinkCounters { opened: snapshot.opens, dropped: snapshot.drops, stale: snapshot.stale, ..all }
    }
}

/// Looks at every connection in turn, from `first` on; ready with the first thing that happened.
///
/// The next look begins behind it, so that a noisy peer does not hold up the other connections.
/// Cancel-safe: what was taken out is returned at once, and `first` only changes then.
pub(super) fn poll(
    slots: &mut [Slot],
    first: &mut usize,
    cx: &mut TaskContext<'_>,
) -> Poll<(usize, Happened)> {
    let begin = *first;
    let turn = (begin..slots.len()).chain(0..begin.min(slots.len()));
    for index in turn {
        let Some(life) = slots.get_mut(index).and_then(|slot| slot.life.as_mut()) else { continue };
        *first = index + 1;
        if let Some((epoch, ticket)) = &mut life.ticket
            && ticket.poll_granted(cx).is_ready()
        {
            let epoch = *epoch;
            life.ticket = None;
            return Poll::Ready((index, Happened::Granted(epoch)));
        }
        if let Some(dial) = &mut life.dial
            && let Poll::Ready(result) = std::pin::Pin::new(&mut dial.result).poll(cx)
        {
            let (epoch, address) = (dial.epoch, (dial.target.clone(), dial.peer.clone()));
            life.dial = None;
            return Poll::Ready((index, Happened::Dialled(epoch, address, result.ok().map(Box::new))));
        }
        for socket in &mut life.sockets {
            if !socket.events.is_empty() {
                let events = std::mem::take(&mut socket.events);
                return Poll::Ready((index, Happened::Events(socket.epoch, events)));
            }
            if let Poll::Ready(taken) = socket.inbox.poll_recv_many(cx, &mut socket.events) {
                debug_assert_eq!(taken, socket.events.len());
                let events = std::mem::take(&mut socket.events);
                return Poll::Ready((index, Happened::Events(socket.epoch, events)));
            }
        }
    }
    *first = begin;
    Poll::Pending
}
