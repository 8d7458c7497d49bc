//! The two bounded queues between a link's task and its element; no socket, no clock.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;

use crate::transport::wire::{CloseFrame, Closed, Counters, Counts, Event, Message};

/// Why a message was not taken; the message comes back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The queue is full; [`Outbox::room`] waits until it is not.
    #[error("the send queue is full")]
    Full(Message),
    /// The message is larger than a link may carry.
    #[error("the message is larger than the limit of {limit} bytes")]
    TooBig {
        /// What was to be sent.
        message: Message,
        /// The limit.
        limit: usize,
    },
    /// The link is closing or closed.
    #[error("the link is closed")]
    Closed(Message),
}

impl SendError {
    /// The message that was not taken.
    pub fn into_message(self) -> Message {
        match self {
            Self::Full(message) | Self::TooBig { message, .. } | Self::Closed(message) => message,
        }
    }
}

/// A close that the element asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloseRequest {
    pub(crate) frame: CloseFrame,
    pub(crate) within: Duration,
}

/// What waits for the element.
#[derive(Default)]
struct Incoming {
    events: Vec<Event>,
    messages: usize,
    bytes: usize,
    closed: Option<Box<Closed>>,
    /// The last event has been taken.
    over: bool,
    abandoned: bool,
    /// The receiver waits and has seen everything.
    idle: bool,
    /// The link wants to be woken when the receiver has seen everything.
    watched: bool,
}

/// What waits to be sent.
#[derive(Default)]
struct Outgoing {
    messages: VecDeque<Message>,
    bytes: usize,
    close: Option<CloseRequest>,
    over: bool,
}

/// Both queues of a link.
pub(crate) struct Shared {
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Outgoing>,
    /// The link's task: woken by room in the inbox, a message to send or a close.
    link: AtomicWaker,
    receiver: AtomicWaker,
    sender: AtomicWaker,
    pub(crate) counters: Arc<Counters>,
    receive_queue: usize,
    send_queue: usize,
    max_message_bytes: usize,
}

/// What the inbox can still take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    messages: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
    /// Takes the room of one message, if there is enough; a message always fits into an empty inbox.
    pub(crate) fn take(&mut self, message: &Message) -> bool {
        let length = message.data().len();
        if self.messages == 0 || (!self.empty && length > self.bytes) {
            return false;
        }
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(length);
        self.empty = false;
        true
    }
}

/// What the element wants of the link.
pub(crate) enum Wanted {
    Send(Message),
    Close(CloseRequest),
    Nothing,
}

impl Shared {
    pub(crate) fn new(receive_queue: usize, send_queue: usize, max_message_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            incoming: Mutex::default(),
            outgoing: Mutex::default(),
            link: AtomicWaker::new(),
            receiver: AtomicWaker::new(),
            sender: AtomicWaker::new(),
            counters: Arc::new(Counters::default()),
            receive_queue: receive_queue.max(1),
            send_queue: send_queue.max(1),
            max_message_bytes,
        })
    }

    // No code between lock and unlock can panic half-way, so a poisoned queue is still whole.
    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register_link(&self, cx: &Context<'_>) {
        self.link.register(cx.waker());
    }

    /// What fits at the moment; it only grows until the link pushes. `None` if nobody receives any more.
    pub(crate) fn room(&self) -> Option<Room> {
        let incoming = self.incoming();
        (!incoming.abandoned).then(|| Room {
            messages: self.receive_queue.saturating_sub(incoming.messages),
            bytes: self.max_message_bytes.saturating_sub(incoming.bytes),
            empty: incoming.messages == 0,
        })
    }

    /// Hands over a batch that fits, as `Room` said.
    pub(crate) fn push(&self, batch: &mut Vec<Event>) {
        if batch.is_empty() {
            return;
        }
        let bytes: usize = batch.iter().map(event_bytes).sum();
        let mut incoming = self.incoming();
        incoming.idle = false;
        incoming.messages += batch.len();
        incoming.bytes += bytes;
        if incoming.events.is_empty() {
            std::mem::swap(&mut incoming.events, batch);
        } else {
            incoming.events.append(batch);
        }
        drop(incoming);
        self.receiver.wake();
    }

    /// Whether the element has seen all that came and everything it sent in answer is on its way; wakes the link later if not.
    pub(crate) fn is_settled(&self) -> bool {
        let mut incoming = self.incoming();
        incoming.watched = true;
        let seen = incoming.idle || incoming.abandoned;
        drop(incoming);
        let outgoing = self.outgoing();
        seen && outgoing.messages.is_empty()
    }

    /// The last event; it needs no room.
    pub(crate) fn finish(&self, closed: Closed) {
        self.outgoing().over = true;
        let mut incoming = self.incoming();
        if !incoming.over {
            incoming.closed.get_or_insert(Box::new(closed));
        }
        drop(incoming);
        self.receiver.wake();
        self.sender.wake();
    }

    pub(crate) fn wanted(&self) -> Wanted {
        let mut outgoing = self.outgoing();
        if let Some(message) = outgoing.messages.pop_front() {
            outgoing.bytes -= message.data().len();
            if outgoing.messages.is_empty() && outgoing.messages.capacity() > 16 {
                outgoing.messages = VecDeque::new();
            }
            drop(outgoing);
            self.sender.wake();
            return Wanted::Send(message);
        }
        match outgoing.close.take() {
            Some(request) => {
                outgoing.over = true;
                Wanted::Close(request)
            }
            None => Wanted::Nothing,
        }
    }

    /// When the close that waits behind the messages has to be over, if one was asked for.
    pub(crate) fn close_within(&self) -> Option<Duration> {
        self.outgoing().close.as_ref().map(|request| request.within)
    }
}

fn event_bytes(event: &Event) -> usize {
    match event {
        Event::Message(message) => message.data().len(),
        Event::Closed(_) => 0,
    }
}

/// The element's end of what arrives.
///
/// At most [`crate::transport::wire::Limits::receive_queue`] messages wait, and `max_message_bytes` bytes together;
/// then the link stops reading until some are taken. Dropping it closes the link with code 1001.
pub struct Inbox {
    shared: Arc<Shared>,
}

impl Inbox {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Waits for events and appends all that wait; returns how many. 0 means that `Closed` has been taken before.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: events are only taken when the call is about to return.
    pub async fn recv_many(&mut self, events: &mut Vec<Event>) -> usize {
        poll_fn(|cx| self.poll_recv_many(cx, events)).await
    }

    /// Waits for the next event; `None` means that `Closed` has been taken before.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe, as [`Inbox::recv_many`], which is faster where messages come in numbers.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.shared.receiver.register(cx.waker());
        let mut incoming = self.shared.incoming();
        if incoming.events.is_empty() {
            if let Some(closed) = incoming.closed.take() {
                incoming.over = true;
                return Poll::Ready(Some(Event::Closed(closed)));
            }
            if incoming.over {
                return Poll::Ready(None);
            }
            incoming.rest(&self.shared.link);
            return Poll::Pending;
        }
        let event = incoming.events.remove(0);
        incoming.messages -= 1;
        incoming.bytes -= event_bytes(&event);
        drop(incoming);
        self.shared.link.wake();
        Poll::Ready(Some(event))
    }

    /// The same as [`Inbox::recv_many`] without waiting; 0 if nothing waits.
    pub fn try_recv_many(&mut self, events: &mut Vec<Event>) -> usize {
        let before = events.len();
        let mut incoming = self.shared.incoming();
        let had = incoming.messages > 0;
        if events.is_empty() {
            std::mem::swap(events, &mut incoming.events);
        } else {
            events.append(&mut incoming.events);
        }
        if incoming.events.capacity() > 0 && !had {
            // Nothing came since the last call: an idle link keeps no queue.
            incoming.events = Vec::new();
        }
        incoming.messages = 0;
        incoming.bytes = 0;
        if let Some(closed) = incoming.closed.take() {
            incoming.over = true;
            events.push(Event::Closed(closed));
        }
        drop(incoming);
        if had {
            self.shared.link.wake();
        }
        events.len() - before
    }

    pub(crate) fn poll_recv_many(&mut self, cx: &mut Context<'_>, events: &mut Vec<Event>) -> Poll<usize> {
        let count = self.try_recv_many(events);
        if count > 0 {
            return Poll::Ready(count);
        }
        self.shared.receiver.register(cx.waker());
        // What came between the look and the registration woke nobody.
        let count = self.try_recv_many(events);
        let mut incoming = self.shared.incoming();
        if count > 0 || incoming.over {
            return Poll::Ready(count);
        }
        if incoming.messages == 0 {
            incoming.rest(&self.shared.link);
        }
        Poll::Pending
    }

    /// The link's counts.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// The link's counters, to be read later or elsewhere.
    pub fn counters(&self) -> Arc<Counters> {
        self.shared.counters.clone()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut incoming = self.shared.incoming();
        incoming.abandoned = true;
        incoming.events = Vec::new();
        drop(incoming);
        self.shared.link.wake();
    }
}

/// The element's end of what is to be sent.
///
/// At most [`crate::transport::wire::Limits::send_queue`] messages wait, and `max_message_bytes` bytes together; then
/// [`Outbox::try_send`] says so. Dropping it leaves the link open.
pub struct Outbox {
    shared: Arc<Shared>,
}

impl Outbox {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// The queue is full, the message too large, or the link closing or closed; the message comes back.
    pub fn try_send(&mut self, message: Message) -> Result<(), SendError> {
        let limit = self.shared.max_message_bytes;
        if message.data().len() > limit {
            return Err(SendError::TooBig { message, limit });
        }
        let mut outgoing = self.shared.outgoing();
        if outgoing.over || outgoing.close.is_some() {
            return Err(SendError::Closed(message));
        }
        if !outgoing.has_room(&self.shared, message.data().len()) {
            return Err(SendError::Full(message));
        }
        outgoing.bytes += message.data().len();
        outgoing.messages.push_back(message);
        drop(outgoing);
        self.shared.link.wake();
        Ok(())
    }

    /// Waits until a message of `bytes` bytes would be taken, or refused for another reason than a full queue.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: nothing is reserved.
    pub async fn room(&mut self, bytes: usize) {
        poll_fn(|cx| {
            self.shared.sender.register(cx.waker());
            let outgoing = self.shared.outgoing();
            let settled = outgoing.over || outgoing.close.is_some() || bytes > self.shared.max_message_bytes;
            if settled || outgoing.has_room(&self.shared, bytes) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Asks for an orderly end: what was already handed over is sent, then a close frame, then the peer's is awaited.
    ///
    /// All of it together takes at most `within`, then the socket is dropped. Only the first call counts. A code that
    /// no close frame may hold (RFC 6455, 7.4) is sent as 1000; a reason is cut to 123 bytes. The outcome is the
    /// `Closed` event.
    pub fn close(&mut self, code: u16, reason: &str, within: Duration) {
        let code = if super::frame::may_be_sent(code) { code } else { 1000 };
        let frame = CloseFrame { code: Some(code), reason: super::frame::fit_reason(reason).to_owned() };
        let mut outgoing = self.shared.outgoing();
        if !outgoing.over {
            // A link that already closes has `over` set, so that a second request changes nothing.
            outgoing.close.get_or_insert(CloseRequest { frame, within });
        }
        drop(outgoing);
        self.shared.link.wake();
    }

    /// Whether nothing can be sent any more: a close was asked for, or the link is over.
    pub fn is_over(&self) -> bool {
        let outgoing = self.shared.outgoing();
        outgoing.over || outgoing.close.is_some()
    }

    /// Takes back what was queued and not begun; useful after the `Closed` event.
    pub fn take_unsent(&mut self) -> Vec<Message> {
        let mut outgoing = self.shared.outgoing();
        outgoing.bytes = 0;
        std::mem::take(&mut outgoing.messages).into()
    }

    /// How many messages wait, and how many bytes they have.
    pub fn waiting(&self) -> (usize, usize) {
        let outgoing = self.shared.outgoing();
        (outgoing.messages.len(), outgoing.bytes)
    }

    /// The link's counts.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }
}

impl Incoming {
    /// The receiver has seen everything and waits.
    fn rest(&mut self, link: &AtomicWaker) {
        self.idle = true;
        if std::mem::take(&mut self.watched) {
            link.wake();
        }
    }
}

impl Outgoing {
    fn has_room(&self, shared: &Shared, bytes: usize) -> bool {
        self.messages.len() < shared.send_queue
            && bytes <= shared.max_message_bytes.saturating_sub(self.bytes)
    }
}
