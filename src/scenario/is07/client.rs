//! One client of a simulated sender: its handshake, its subscriptions, its health, and the faults that it is to see.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{HEALTH_TIMEOUT, Mode, Orders, Shared};
use crate::transport::accept::{self, AcceptError, Arrived, Decision};
use crate::transport::wire::{Event, Message, Outbox, Role, Setup};

/// How long a client may take to confirm a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client may take to ask.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves a client until it leaves, is ill, or the sender stops.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Send + Unpin>(
    stream: S,
    shared: Arc<Shared>,
    orders: watch::Receiver<Orders>,
    stop: CancellationToken,
) {
    let mode = orders.borrow().mode;
    let accepted = tokio::select! {
        biased;
        () = stop.cancelled() => return, // Cancel-safe: no state.
        // A device that hangs: the kernel takes the connection and nobody answers.
        () = std::future::pending(), if mode == Mode::Silent => return,
        // Never polled again after another arm.
        accepted = accept::serve(stream, OPEN_TIMEOUT, |request| decide(&shared, mode, request)), if mode != Mode::Silent => accepted,
    };
    let served = match accepted {
        Ok(served) => served,
        Err(error) => {
            if matches!(error, AcceptError::Decided(_)) {
                shared.seen.send_modify(|seen| seen.refused += 1);
            }
            return debug!(%error, "a client of the simulated sender got no link");
        }
    };
    let mut setup = Setup::new(served.io, Role::Server);
    (setup.deflate, setup.leftover) = (served.deflate, served.leftover);
    shared.seen.send_modify(|seen| {
        seen.links += 1;
        seen.opened += 1;
    });
    talk(setup, &shared, orders, stop).await;
    shared.seen.send_modify(|seen| seen.links -= 1);
}

/// Serves the paths that there are, unless told to refuse.
fn decide(shared: &Shared, mode: Mode, request: &Arrived) -> Decision {
    let path = request.path.split(['?', '#']).next().unwrap_or_default();
    let status = match mode {
        Mode::Refuse(status) => status,
        Mode::Serve | Mode::Silent if shared.options.paths.iter().any(|served| served == path) => {
            let deflate = Some(shared.options.deflate);
            return Decision::Upgrade(accept::Options { deflate, ..accept::Options::default() });
        }
        Mode::Serve | Mode::Silent => http::StatusCode::NOT_FOUND,
    };
    Decision::Refuse { status: status.as_u16(), headers: Vec::new(), body: format!("{status}: {path}\n") }
}

/// What a client sends.
#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
enum Command {
    Subscription { sources: Vec<String> },
    Health { timestamp: Value },
}

async fn talk<S: AsyncRead + AsyncWrite + Send + Unpin>(
    setup: Setup<S>,
    shared: &Shared,
    mut orders: watch::Receiver<Orders>,
    stop: CancellationToken,
) {
    let (mut inbox, outbox, link) = setup.open();
    let mut link = pin!(link.run(CancellationToken::new()));
    let mut states = shared.states.subscribe();
    let mut session = Session { shared, outbox, subscribed: BTreeMap::new() };
    let mut healthy_until = Instant::now() + HEALTH_TIMEOUT;
    let mut told = *orders.borrow_and_update();
    let mut events = Vec::new();
    let mut closing = false;
    loop {
        // A silent sender neither reads nor writes: its link is not polled.
        let awake = told.mode != Mode::Silent;
        tokio::select! {
            biased;
            () = stop.cancelled(), if !closing => { // Cancel-safe: no state.
                session.announce("shutdown");
                session.outbox.close(1001, "the sender shuts down", CLOSE_TIMEOUT);
                closing = true;
                told.mode = Mode::Serve;
            }
            Ok(()) = orders.changed() => { // Cancel-safe per docs of `watch`.
                let now = *orders.borrow_and_update();
                if now.drops > told.drops {
                    return;
                }
                if now.reboots > told.reboots {
                    session.announce("reboot");
                    session.outbox.close(1001, "the sender restarts", CLOSE_TIMEOUT);
                    closing = true;
                }
                told = now;
            }
            _ = link.as_mut(), if awake => return, // Polled again if it is not done: nothing is lost.
            count = inbox.recv_many(&mut events), if awake => { // Cancel-safe per its docs.
                if count == 0 {
                    return;
                }
                for event in events.drain(..) {
                    let Event::Message(message) = event else { continue };
                    if session.take(&message) {
                        healthy_until = Instant::now() + HEALTH_TIMEOUT;
                    }
                }
            }
            () = tokio::time::sleep_until(healthy_until), if awake && !closing => { // Cancel-safe: no state.
                shared.seen.send_modify(|seen| seen.unhealthy += 1);
                session.subscribed.clear();
                session.outbox.close(1000, "no health command within 12 s", CLOSE_TIMEOUT);
                closing = true;
            }
            Ok(()) = states.changed(), if awake && !closing => { // Cancel-safe per docs of `watch`.
                states.mark_unchanged();
                session.send_news();
            }
            else => return,
        }
    }
}

/// What a client has subscribed to.
struct Session<'a> {
    shared: &'a Shared,
    outbox: Outbox,
    /// For the index of each source that was asked for: how often it had moved when its state was sent last.
    subscribed: BTreeMap<usize, Option<u64>>,
}

impl Session<'_> {
    /// Follows a command; `true` if it was a sign of health. What is no command is ignored, as devices do.
    fn take(&mut self, message: &Message) -> bool {
        match serde_json::from_slice(message.data()) {
            Ok(Command::Subscription { sources }) => {
                let all = self.shared.options.sources.iter().enumerate();
                let wanted = all.filter(|(_, source)| sources.contains(&source.id));
                // Every command gets all states anew, those of sources that were subscribed before as well.
                self.subscribed = wanted.map(|(index, _)| (index, None)).collect();
                self.send_news();
                false
            }
            Ok(Command::Health { timestamp }) => {
                let now = self.shared.timestamp();
                self.send(&json!({
                    "timing": {"origin_timestamp": timestamp, "creation_timestamp": now},
                    "message_type": "health",
                }));
                true
            }
            Err(error) => {
                debug!(%error, "the simulated sender does not know a command");
                false
            }
        }
    }

    /// Sends the state of each subscribed source that has moved since its state was sent last.
    fn send_news(&mut self) {
        let states = self.shared.states.borrow().clone();
        let mut subscribed = std::mem::take(&mut self.subscribed);
        for (index, sent) in &mut subscribed {
            let Some(source) = self.shared.options.sources.get(*index) else { continue };
            let moves = states.moves(*index);
            // A full queue leaves it for the next turn, which sends the state of then.
            if *sent != Some(moves) && self.send(&states.message(*index, source)) {
                *sent = Some(moves);
            }
        }
        self.subscribed = subscribed;
    }

    /// Sends a message about each subscribed source (IS-07, message types, 1.2 and 1.3).
    fn announce(&mut self, message_type: &str) {
        let now = self.shared.timestamp();
        for index in self.subscribed.keys().copied().collect::<Vec<_>>() {
            let Some(source) = self.shared.options.sources.get(index) else { continue };
            self.send(&json!({
                "identity": {"source_id": source.id, "flow_id": source.flow},
                "timing": {"creation_timestamp": now},
                "message_type": message_type,
            }));
        }
    }

    /// Queues a message; `false` if there is no room.
    fn send(&mut self, message: &Value) -> bool {
        self.outbox.try_send(Message::text(message.to_string())).is_ok()
    }
}
