//! The receiving half of a link's task: messages to the inbox, control frames, and how reading ends.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Error};

use super::{LAST_ANSWERS, Link, Phase, ping_payload};
use crate::transport::wire::{CloseFrame, Counters, Event, Fact, Kind, Message, Violation, Why};

/// How many frames are taken before other tasks get a turn.
const TURN: usize = 1024;

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Link<S> {
    pub(super) fn receive(&mut self, cx: &mut Context<'_>, now: Instant) {
        if !self.reads() {
            return;
        }
        let Some(mut room) = self.shared.room() else {
            self.abandon(now);
            return;
        };
        if let Some(message) = self.held.take() {
            if room.take(&message) {
                self.batch.push(Event::Message(message));
                self.resume(now);
            } else if matches!(self.phase, Phase::Closing { .. }) {
                self.discard();
                self.resume(now);
            } else {
                self.held = Some(message);
                return;
            }
        }
        for turn in 0..TURN {
            let item = match self.ws.poll_next_unpin(cx) {
                Poll::Pending => {
                    self.shared.push(&mut self.batch);
                    if turn == 0 {
                        // Woken for nothing to read: an idle link keeps no memory for a batch.
                        self.batch = Vec::new();
                    }
                    return;
                }
                Poll::Ready(item) => item,
            };
            let Some(message) = self.take(item, now) else {
                if self.reads() {
                    continue;
                }
                break;
            };
            Counters::add(&self.shared.counters.messages_in, 1);
            Counters::add(&self.shared.counters.bytes_in, message.data().len());
            self.tell(|| Fact::Received(message.clone()));
            self.clocks.message(now);
            if room.take(&message) {
                self.batch.push(Event::Message(message));
                continue;
            }
            self.shared.push(&mut self.batch);
            match self.shared.room() {
                None => {
                    self.abandon(now);
                    return;
                }
                Some(newer) => room = newer,
            }
            if room.take(&message) {
                self.batch.push(Event::Message(message));
            } else if matches!(self.phase, Phase::Closing { .. }) {
                // Reading goes on, or the peer's close would never be seen.
                self.discard();
            } else {
                self.held = Some(message);
                if self.clocks.pause(now) {
                    Counters::add(&self.shared.counters.pauses, 1);
                }
                return;
            }
        }
        self.shared.push(&mut self.batch);
        cx.waker().wake_by_ref();
    }

    fn reads(&self) -> bool {
        match self.phase {
            Phase::Open | Phase::Closing { .. } => self.failing.is_none(),
            Phase::Ending { .. } | Phase::Lingering { .. } | Phase::Over { .. } => false,
        }
    }

    fn resume(&mut self, now: Instant) {
        if let Some(pause) = self.clocks.resume(now) {
            let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
            Counters::add_u64(&self.shared.counters.paused_micros, micros);
        }
    }

    fn discard(&self) {
        Counters::add(&self.shared.counters.discarded, 1);
    }

    /// Nobody receives any more: says goodbye and ends.
    fn abandon(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Open) {
            self.queue_close(CloseFrame { code: Some(1001), reason: String::new() });
            self.conclude(Why::Abandoned, now);
        }
        // A close that is under way goes on: it is bounded, and needs no receiver.
    }

    /// Handles what is no message; returns what is one.
    fn take(&mut self, item: Option<Result<tungstenite::Message, Error>>, now: Instant) -> Option<Message> {
        match item {
            Some(Ok(tungstenite::Message::Text(text))) => {
                Some(Message::checked(Kind::Text, Bytes::from(text)))
            }
            Some(Ok(tungstenite::Message::Binary(data))) => Some(Message::checked(Kind::Binary, data)),
            Some(Ok(tungstenite::Message::Ping(payload))) => {
                // tungstenite has queued the pong.
                self.unflushed = true;
                self.tell(|| Fact::PingReceived(payload));
                None
            }
            Some(Ok(tungstenite::Message::Pong(payload))) => {
                self.pong(payload);
                None
            }
            Some(Ok(tungstenite::Message::Close(reply))) => {
                self.peer_closed(reply, now);
                None
            }
            // tungstenite never gives out raw frames.
            Some(Ok(tungstenite::Message::Frame(_))) => None,
            Some(Err(error)) => {
                self.fail(error, now);
                None
            }
            None => {
                self.lost(Why::Eof);
                None
            }
        }
    }

    fn pong(&mut self, payload: Bytes) {
        // A pong for an earlier ping, or one that nobody asked for, is a byte like any other.
        if payload == ping_payload(self.ping.count)
            && let Some(sent) = self.ping.sent.take()
        {
            self.clocks.ponged();
            let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
            self.shared.counters.rtt.store(micros + 1, std::sync::atomic::Ordering::Relaxed);
        }
        self.tell(|| Fact::PongReceived(payload));
    }

    fn peer_closed(&mut self, reply: Option<tungstenite::protocol::CloseFrame>, now: Instant) {
        let received = self.ws.get_ref().peer_close().cloned();
        self.received = received.clone();
        if let Some(frame) = received {
            self.tell(|| Fact::CloseReceived(frame));
        }
        let why = if matches!(self.phase, Phase::Closing { .. }) {
            Why::Us
        } else {
            // tungstenite has queued the same frame as the answer.
            let sent = match reply {
                Some(frame) => CloseFrame { code: Some(frame.code.into()), reason: frame.reason.to_string() },
                None => CloseFrame { code: None, reason: String::new() },
            };
            self.tell(|| Fact::CloseSent(sent.clone()));
            self.sent = Some(sent);
            self.unflushed = true;
            // No message goes out behind it.
            self.stuck = None;
            Why::Peer
        };
        self.conclude(why, now);
    }

    /// An error of tungstenite or of the socket, while reading or writing.
    pub(super) fn fail(&mut self, error: Error, now: Instant) {
        let violation = match error {
            Error::Io(error) => match violation_of(&error) {
                Some(violation) => violation,
                None => return self.lost(io_why(&error)),
            },
            Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                return self.lost(Why::Eof);
            }
            Error::Protocol(error) => Violation::Protocol(error.to_string()),
            Error::Capacity(_) => Violation::TooBig { limit: self.limits.max_message_bytes },
            Error::Utf8(_) => Violation::NotUtf8,
            Error::ConnectionClosed | Error::AlreadyClosed => return self.lost(Why::Eof),
            error => return self.lost(Why::Io(error.to_string())),
        };
        // What came before the violation was right, and its answers go out before the close frame.
        self.failing = Some((violation, now + LAST_ANSWERS));
    }

    /// Tells the peer what it did wrong, and ends.
    pub(super) fn break_off(&mut self, violation: Violation, now: Instant) {
        if matches!(self.phase, Phase::Open) {
            let reason = violation.to_string();
            let reason = super::super::frame::fit_reason(&reason).to_owned();
            self.queue_close(CloseFrame { code: Some(violation.close_code()), reason });
        }
        self.conclude(Why::Violation(violation), now);
    }

    /// The connection is gone: there is nothing to send and nobody to wait for.
    fn lost(&mut self, why: Why) {
        match &self.phase {
            Phase::Open => {
                let closed = self.outcome(why);
                self.phase = Phase::Over { closed };
            }
            // A peer that just hangs up confirms a close in its own way.
            Phase::Closing { .. } => {
                let closed = self.outcome(Why::Us);
                self.phase = Phase::Over { closed };
            }
            Phase::Ending { closed, .. } | Phase::Lingering { closed, .. } => {
                self.phase = Phase::Over { closed: closed.clone() };
            }
            Phase::Over { .. } => {}
        }
    }
}

fn violation_of(error: &io::Error) -> Option<Violation> {
    error.get_ref()?.downcast_ref::<Violation>().cloned()
}

fn io_why(error: &io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Why::Reset
        }
        // TLS without a goodbye.
        io::ErrorKind::UnexpectedEof => Why::Eof,
        _ => Why::Io(error.to_string()),
    }
}
