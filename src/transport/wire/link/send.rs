//! The sending half of a link's task: fragments, deflate, pings, the close frame.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_util::SinkExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{self, Frame};
use tokio_tungstenite::tungstenite::{self, Error};

use super::{Link, Phase, ping_payload};
use crate::transport::deflate::codec::{Deflater, Place};
use crate::transport::wire::queue::Wanted;
use crate::transport::wire::{CloseFrame, Counters, Fact, Kind, Message};

/// Messages over this are sent in fragments of it, so that a pong can pass between them.
const FRAGMENT: usize = 64 * 1024;

/// How many payload bytes, and how many frames, are handed over before other tasks get a turn.
const TURN_BYTES: usize = 256 * 1024;
const TURN_FRAMES: usize = 256;

/// A message on its way out.
pub(super) struct Sending {
    message: Message,
    /// Payload bytes handed over.
    done: usize,
    /// Decided with the first fragment, for all.
    compressed: bool,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Link<S> {
    pub(super) fn send(&mut self, cx: &mut Context<'_>, now: Instant) {
        if matches!(self.phase, Phase::Over { .. } | Phase::Lingering { .. }) {
            return;
        }
        if self.close_by.is_none()
            && let Some(within) = self.shared.close_within()
        {
            // A deadline beyond what the clock can show is none.
            self.close_by = now.checked_add(within);
        }
        let mut bytes = 0;
        for turn in 0.. {
            match self.ws.poll_ready_unpin(cx) {
                Poll::Pending => return,
                Poll::Ready(Err(error)) => return self.fail(error, now),
                Poll::Ready(Ok(())) => {}
            }
            if turn == TURN_FRAMES || bytes >= TURN_BYTES {
                cx.waker().wake_by_ref();
                break;
            }
            let Some(frame) = self.next_frame(now) else { break };
            bytes += frame.len();
            if let Err(error) = self.hand_over(frame) {
                return self.fail(error, now);
            }
            if self.stuck.is_some() {
                break;
            }
        }
        if self.unflushed {
            match self.ws.poll_flush_unpin(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => {
                    self.unflushed = false;
                    if matches!(self.phase, Phase::Closing { .. } | Phase::Ending { .. }) {
                        self.say_last_words(cx, now);
                    } else if self.stuck.is_some() {
                        cx.waker().wake_by_ref();
                    }
                }
                Poll::Ready(Err(error)) => self.fail(error, now),
            }
        }
    }

    /// Writes a close frame that found no room, now that everything before it is written.
    fn say_last_words(&mut self, cx: &mut Context<'_>, now: Instant) {
        if let Some(tungstenite::Message::Frame(frame)) = self.stuck.take() {
            let mut bytes = Vec::new();
            // Writing to memory does not fail.
            if frame.format(&mut bytes).is_ok() {
                self.last_words = Bytes::from(bytes);
            }
        }
        while !self.last_words.is_empty() {
            self.unflushed = true;
            match Pin::new(self.ws.get_mut()).poll_write(cx, &self.last_words) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => return self.fail(Error::Io(io::ErrorKind::WriteZero.into()), now),
                Poll::Ready(Ok(count)) => self.last_words.advance(count),
                Poll::Ready(Err(error)) => return self.fail(Error::Io(error), now),
            }
        }
        if self.unflushed {
            match Pin::new(self.ws.get_mut()).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => self.fail(Error::Io(error), now),
            }
        }
    }

    fn next_frame(&mut self, now: Instant) -> Option<tungstenite::Message> {
        match self.phase {
            Phase::Open => {}
            Phase::Closing { .. } | Phase::Ending { .. } | Phase::Lingering { .. } | Phase::Over { .. } => {
                return None;
            }
        }
        if let Some(stuck) = self.stuck.take() {
            return Some(stuck);
        }
        if std::mem::take(&mut self.ping.wanted) {
            self.ping.count += 1;
            self.ping.sent = Some(now);
            let payload = ping_payload(self.ping.count);
            self.tell(|| Fact::PingSent(payload.clone()));
            return Some(tungstenite::Message::Ping(payload));
        }
        if self.sending.is_none() {
            match self.shared.wanted() {
                Wanted::Send(message) => self.sending = Some(Sending { message, done: 0, compressed: false }),
                Wanted::Close(request) => {
                    let by = self.close_by.or_else(|| now.checked_add(request.within));
                    self.queue_close(request.frame);
                    self.phase = Phase::Closing { deadline: by.unwrap_or(now) };
                    return None;
                }
                Wanted::Nothing => return None,
            }
        }
        let sending = self.sending.as_mut()?;
        let frame = sending.next(self.deflater);
        if sending.is_done()
            && let Some(Sending { message, .. }) = self.sending.take()
        {
            Counters::add(&self.shared.counters.messages_out, 1);
            Counters::add(&self.shared.counters.bytes_out, message.data().len());
            self.tell(|| Fact::Sent(message));
        }
        Some(tungstenite::Message::Frame(frame))
    }

    fn hand_over(&mut self, frame: tungstenite::Message) -> Result<(), Error> {
        self.unflushed = true;
        match self.ws.start_send_unpin(frame) {
            Err(Error::WriteBufferFull(frame)) => {
                self.stuck = Some(*frame);
                Ok(())
            }
            other => other,
        }
    }

    /// Hands over our close frame; nothing can be sent after it.
    pub(super) fn queue_close(&mut self, close: CloseFrame) {
        self.stuck = None;
        self.sending = None;
        let frame = close
            .code
            .map(|code| frame::CloseFrame { code: code.into(), reason: close.reason.as_str().into() });
        // A failure shows in the flush that follows; the outcome is the same.
        if self.hand_over(tungstenite::Message::Close(frame)).is_ok() {
            self.tell(|| Fact::CloseSent(close.clone()));
            self.sent = Some(close);
        }
    }
}

impl Sending {
    fn is_done(&self) -> bool {
        self.done == self.message.data().len()
    }

    /// The next frame; called until all is done, at least once.
    fn next(&mut self, deflater: Option<Deflater>) -> Frame {
        let data = self.message.data();
        let end = data.len().min(self.done + FRAGMENT);
        let first = self.done == 0;
        let place = if end == data.len() { Place::Last } else { Place::Inner };
        let plain = data.slice(self.done..end);
        let payload = match deflater {
            Some(deflater) if first && Deflater::wants(data.len()) => match deflater.deflate(&plain, place) {
                Some(smaller) => {
                    self.compressed = true;
                    Bytes::from(smaller)
                }
                None => plain,
            },
            Some(deflater) if self.compressed => Bytes::from(deflater.deflate_always(&plain, place)),
            Some(_) | None => plain,
        };
        let kind = match (first, self.message.kind()) {
            (false, _) => Data::Continue,
            (true, Kind::Text) => Data::Text,
            (true, Kind::Binary) => Data::Binary,
        };
        let mut frame = Frame::message(payload, OpCode::Data(kind), place == Place::Last);
        frame.header_mut().rsv1 = first && self.compressed;
        self.done = end;
        frame
    }
}
