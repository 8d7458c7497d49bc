//! One open link of a simulated peer: follows rules, clocks and orders; knows nothing of handshakes.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Order, Peer};
use crate::scenario::expect::Content;
use crate::scenario::file::{Fault, Then};
use crate::transport::deflate::Agreed;
use crate::transport::wire::{Event, Limits, Message, Outbox, Role, Setup};

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
    peer.write(|log| log.totals.links += 1);
    let mut setup = Setup::new(io, Role::Server);
    setup.deflate = deflate;
    setup.limits = Limits { max_message_bytes: 64 << 20, ..Limits::default() };
    let session = (then, context);
    serve(peer, setup, session, orders, stop).await;
    peer.write(|log| log.totals.links -= 1);
}

async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin>(
    peer: &Peer,
    setup: Setup<S>,
    (then, context): (Then, Value),
    mut orders: broadcast::Receiver<Order>,
    stop: CancellationToken,
) {
    let (mut inbox, outbox, link) = setup.open();
    let mut link = pin!(link.run(CancellationToken::new()));
    let mut session = Session { peer, outbox, asleep: false, over: false };
    let opened = Instant::now();
    let mut clocks: Vec<_> = peer.clocks().map(|(every, rule)| (opened + every, every, rule)).collect();
    let mut waiting: Vec<(Instant, Then, Value)> = Vec::new();
    let mut events = Vec::new();
    session.follow(&then, &context);
    loop {
        if session.over {
            return;
        }
        let awake = !session.asleep;
        let due = clocks.iter().map(|(at, ..)| *at).chain(waiting.iter().map(|(at, ..)| *at)).min();
        tokio::select! {
            biased;
            () = stop.cancelled() => return, // Cancel-safe: no state.
            order = orders.recv() => match order { // Cancel-safe per its docs.
                Ok(order) => session.order(order),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = link.as_mut(), if awake => return, // Polled again if it is not done: nothing is lost.
            count = inbox.recv_many(&mut events), if awake => { // Cancel-safe per its docs.
                if count == 0 {
                    return;
                }
                for event in events.drain(..) {
                    let Event::Message(message) = event else { continue };
                    let Some((rule, context)) = peer.message(&Content::new(message.data())) else { continue };
                    if rule.after.is_zero() {
                        session.follow(&rule.then, &context);
                    } else if waiting.len() < MAX_WAITING {
                        waiting.push((Instant::now() + rule.after, rule.then.clone(), context));
                    } else {
                        peer.problem(format!("more than {MAX_WAITING} answers wait for their time"));
                    }
                }
            }
            () = sleep_until(due.unwrap_or(opened)), if awake && due.is_some() => { // Cancel-safe: no state.
                let now = Instant::now();
                for (at, every, rule) in &mut clocks {
                    if *at <= now {
                        *at += *every;
                        session.follow(&rule.then, &Value::Object(serde_json::Map::new()));
                    }
                }
                for (_, then, context) in waiting.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>() {
                    session.follow(&then, &context);
                }
            }
        }
    }
}

struct Session<'a> {
    peer: &'a Peer,
    outbox: Outbox,
    /// Neither reads nor writes any more.
    asleep: bool,
    /// The connection is to be dropped.
    over: bool,
}

impl Session<'_> {
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
            Fault::HalfOpen => self.asleep = true,
            Fault::HugeFrame => self.push(Message::binary(Bytes::from(vec![0; HUGE]))),
            // They happen at the handshake, or to requests.
            Fault::NeverAnswer | Fault::AcceptAndClose | Fault::SlowDrip | Fault::BadDeflate | Fault::Cut => {
            }
        }
    }

    /// A text as it is, `{ binary = "00ff" }` as bytes, anything else as JSON.
    fn send(&mut self, value: &Value) {
        let message = match value {
            Value::String(text) => Message::text(text.clone()),
            Value::Object(members) if members.len() == 1 && members.contains_key("binary") => {
                match members["binary"].as_str().and_then(hex) {
                    Some(bytes) => Message::binary(bytes),
                    None => {
                        return self.peer.problem(format!("{value} has no bytes, such as `00 ff`"));
                    }
                }
            }
            json => Message::text(json.to_string()),
        };
        self.push(message);
    }

    fn push(&mut self, message: Message) {
        if let Err(error) = self.outbox.try_send(message) {
            self.peer.problem(format!("a message was not sent: {error}"));
        }
    }
}

/// The bytes of pairs of hexadecimal digits, with blanks between them or not.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks(2).map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}
