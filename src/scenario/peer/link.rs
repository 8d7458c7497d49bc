//! One open link of a simulated peer: follows rules, clocks and orders; knows nothing of handshakes.

mod quiet;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::quiet::Quiet;
use super::{Order, Peer};
use crate::scenario::expect::Content;
use crate::scenario::file::{Fault, Rule, Then};
use crate::transport::deflate::Agreed;
use crate::transport::wire::{Event, Limits, Message, Outbox, Role, SendError, Setup};

/// How long the other end may take to confirm a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the message of [`Fault::HugeFrame`] is: more than links take by default.
const HUGE: usize = 17 << 20;

/// Things that wait for their time; a rule that would be one more is left out.
const MAX_WAITING: usize = 1_000;

/// A final frame with compressed data, of the block type that does not exist (RFC 1951, 3.2.3).
const BAD_DEFLATE: [u8; 6] = [0xc1, 4, 0xff, 0xff, 0xff, 0xff];

/// Serves a link until it is over.
pub(super) async fn talk<S: AsyncRead + AsyncWrite + Send + Unpin>(
    peer: &Peer,
    mut io: S,
    deflate: Option<Agreed>,
    then: Then,
    context: Value,
    stop: CancellationToken,
) {
    match then.fault {
        Some(Fault::AcceptAndClose) => return,
        Some(Fault::BadDeflate) => {
            // Whoever is not there any more does not see it.
            let _gone = io.write_all(&BAD_DEFLATE).await;
            let _gone = io.flush().await;
        }
        Some(
            Fault::NeverAnswer
            | Fault::Reset
            | Fault::SlowDrip
            | Fault::HalfOpen
            | Fault::HugeFrame
            | Fault::Cut,
        )
        | None => {}
    }
    let orders = peer.orders.subscribe();
    let asleep = Arc::new(AtomicBool::new(false));
    peer.write(|log| log.totals.links += 1);
    let mut setup = Setup::new(Quiet::new(io, Arc::clone(&asleep)), Role::Server);
    setup.deflate = deflate;
    // A peer says what its rules say, and nothing by itself; nor does it end a link that is silent.
    setup.keep_alive.ping_interval = Duration::ZERO;
    setup.limits = Limits { max_message_bytes: 64 << 20, ..Limits::default() };
    let session = (then, context);
    serve(peer, setup, session, Told { orders, reachable: peer.reachable.subscribe(), stop }, &asleep).await;
    peer.write(|log| match asleep.load(Ordering::Relaxed) {
        true => log.totals.half_open -= 1,
        false => log.totals.links -= 1,
    });
}

/// What a link is told from outside.
struct Told {
    orders: broadcast::Receiver<Order>,
    reachable: watch::Receiver<bool>,
    stop: CancellationToken,
}

/// A rule that the clock follows: when next, how often, and its place.
struct Beat {
    at: Instant,
    every: Duration,
    rule: usize,
}

async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin>(
    peer: &Peer,
    setup: Setup<S>,
    (then, context): (Then, Value),
    mut told: Told,
    asleep: &AtomicBool,
) {
    let (mut inbox, outbox, link) = setup.open();
    let mut link = pin!(link.run(CancellationToken::new()));
    let mut linked = true;
    let opened = Instant::now();
    let beats = peer.clocks().map(|(every, rule)| Beat { at: opened + every, every, rule }).collect();
    let mut session = Session { peer, outbox, asleep, over: false, beats, waiting: Vec::new() };
    let mut events = Vec::new();
    session.follow(&then, &context);
    while !session.over {
        // A peer that is away neither takes nor gives anything, and goes on where it was.
        let here = *told.reachable.borrow_and_update();
        let due = session.due();
        tokio::select! {
            biased;
            () = told.stop.cancelled() => return, // Cancel-safe: no state.
            order = told.orders.recv() => match order { // Cancel-safe per its docs.
                Ok(order) => session.order(order),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = told.reachable.changed() => {} // Cancel-safe per its docs; the peer lives longer than its links.
            // What came before the end waits in the inbox, which ends after it.
            _ = link.as_mut(), if here && linked => linked = false, // Never polled again when it is done.
            count = inbox.recv_many(&mut events), if here => { // Cancel-safe per its docs.
                if count == 0 {
                    return;
                }
                session.take(&mut events);
            }
            () = sleep_until(due.unwrap_or(opened)), if here && due.is_some() => session.beat(), // Cancel-safe: no state.
        }
    }
}

struct Session<'a> {
    peer: &'a Peer,
    outbox: Outbox,
    /// Neither reads nor writes any more.
    asleep: &'a AtomicBool,
    /// The connection is to be dropped.
    over: bool,
    beats: Vec<Beat>,
    /// What follows later.
    waiting: Vec<(Instant, Then, Value)>,
}

impl Session<'_> {
    fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// When the clock has something to do next.
    fn due(&self) -> Option<Instant> {
        if self.is_asleep() {
            return None;
        }
        self.beats.iter().map(|beat| beat.at).chain(self.waiting.iter().map(|(at, ..)| *at)).min()
    }

    /// Takes what came in.
    fn take(&mut self, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            let Event::Message(message) = event else { continue };
            if self.is_asleep() {
                continue;
            }
            if let Some((rule, context)) = self.peer.message(&Content::new(message.data())) {
                self.start(rule, context);
            }
        }
    }

    /// Does what time has come for.
    fn beat(&mut self) {
        let now = Instant::now();
        let mut beats = std::mem::take(&mut self.beats);
        beats.retain_mut(|beat| {
            if beat.at > now {
                return true;
            }
            // What was missed while the peer was away is not made up for.
            let late = (now - beat.at).as_nanos() % beat.every.as_nanos().max(1);
            beat.at = now + beat.every - Duration::from_nanos(u64::try_from(late).unwrap_or_default());
            match self.peer.tick(beat.rule) {
                Some((rule, context)) => {
                    self.start(rule, context);
                    true
                }
                None => false,
            }
        });
        self.beats = beats;
        for (_, then, context) in self.waiting.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>() {
            self.follow(&then, &context);
        }
    }

    /// Follows a rule, now or after its time.
    fn start(&mut self, rule: &Rule, context: Value) {
        if rule.after.is_zero() {
            self.follow(&rule.then, &context);
        } else if self.waiting.len() < MAX_WAITING {
            self.waiting.push((Instant::now() + rule.after, rule.then.clone(), context));
        } else {
            self.peer.problem(format!("more than {MAX_WAITING} answers wait for their time"));
        }
    }

    fn follow(&mut self, then: &Then, context: &Value) {
        for value in &then.send {
            let value = self.peer.filled(value, context);
            self.send(&value);
        }
        if let Some(code) = then.close {
            self.outbox.close(code, "", CLOSE_TIMEOUT);
        }
        if let Some(fault) = then.fault {
            self.fault(fault);
        }
    }

    fn order(&mut self, order: Order) {
        if self.is_asleep() && !matches!(order, Order::Drop) {
            return;
        }
        match order {
            Order::Send(values) => {
                let context = Value::Object(serde_json::Map::new());
                for value in &values {
                    let value = self.peer.filled(value, &context);
                    self.send(&value);
                }
            }
            Order::Close(code) => self.outbox.close(code, "", CLOSE_TIMEOUT),
            Order::Drop => self.over = true,
            Order::Fault(fault) => self.fault(fault),
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Reset => self.over = true,
            Fault::HalfOpen => {
                if !self.asleep.swap(true, Ordering::Relaxed) {
                    self.peer.write(|log| {
                        log.totals.links -= 1;
                        log.totals.half_open += 1;
                    });
                }
            }
            Fault::HugeFrame => self.push(Message::binary(Bytes::from(vec![0; HUGE]))),
            // They happen at the handshake, or to requests.
            Fault::NeverAnswer | Fault::AcceptAndClose | Fault::SlowDrip | Fault::BadDeflate | Fault::Cut => {
            }
        }
    }

    /// A text as it is, bytes as they are, anything else as JSON.
    fn send(&mut self, value: &Value) {
        let message = match value {
            Value::String(text) => Message::text(text.clone()),
            other => match self.peer.bytes(other) {
                Some(bytes) => Message::binary(bytes),
                None => Message::text(other.to_string()),
            },
        };
        self.push(message);
    }

    fn push(&mut self, message: Message) {
        match self.outbox.try_send(message) {
            // The other end may leave at any time.
            Ok(()) | Err(SendError::Closed(_)) => {}
            Err(error @ (SendError::Full(_) | SendError::TooBig { .. })) => {
                self.peer.problem(format!("a message was not sent: {error}"));
            }
        }
    }
}
