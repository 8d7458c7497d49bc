//! A simulated NMOS IS-07 event sender (AMWA IS-07, WebSocket transport): sources that move by themselves, subscriptions,
//! health time-outs, and faults on demand; it is a peer, so it knows nothing of Backshell's own language.
//!
//! ```text
//! listener ── client (one task each) ── opening handshake ── subscription, health ──> state, health
//!    └─ wrong path: 404                     └─ 12 s without a health command: subscriptions cleared, closed
//! ```

mod client;
mod sources;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{ACCEPT_PAUSE, Incoming};
use crate::tasks::Tasks;
use crate::transport::deflate::Preference;
use crate::value::Wall;

pub use sources::{Kind, LABELS, Source, studio};

/// The path that a sender serves when nobody says otherwise.
pub const PATH: &str = "/x-nmos/events/ws";
/// How long a client may go without a health command (IS-07, WebSocket transport, 4.1).
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(12);
/// Clients at a time; one more is dropped unheard.
const MAX_CLIENTS: usize = 64;
/// How long clients have to take their close when the sender stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// What a sender is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The paths that are served, each with a leading slash; every other is 404.
    pub paths: Vec<String>,
    /// What there is to subscribe to.
    pub sources: Vec<Source>,
    /// How often one of the sources moves; they take turns.
    pub tick: Duration,
    /// What the sender wants of permessage-deflate; it agrees to it whenever a client offers it.
    pub deflate: Preference,
    /// The wall time at the start; from there tokio's clock counts.
    pub wall: Wall,
    /// TAI minus UTC, for the timestamps.
    pub tai_offset: Duration,
}

impl Options {
    /// A sender of one source of each kind on [`PATH`], one of which moves twice a second.
    pub fn new(wall: Wall) -> Self {
        Self {
            paths: vec![PATH.to_owned()],
            sources: studio(&LABELS),
            tick: Duration::from_millis(500),
            deflate: Preference::default(),
            wall,
            tai_offset: Duration::from_secs(37),
        }
    }
}

/// What a sender does with its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Serves them.
    #[default]
    Serve,
    /// Answers each new one with an HTTP status and leaves the others as they are.
    Refuse(http::StatusCode),
    /// Says nothing and reads nothing any more, like a device that hangs; what is open stays open.
    Silent,
}

/// What the sender was told to do; counters, so that each order is followed once by each client.
#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    mode: Mode,
    drops: u64,
    reboots: u64,
}

/// What can be seen of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Links open now.
    pub links: usize,
    /// Links opened since the start.
    pub opened: u64,
    /// Requests refused since the start.
    pub refused: u64,
    /// Clients closed because they did not report their health.
    pub unhealthy: u64,
}

/// Tells a running sender what to do, and sees what it does.
#[derive(Clone, Debug)]
pub struct Control {
    orders: Arc<watch::Sender<Orders>>,
    seen: watch::Receiver<Seen>,
}

impl Control {
    /// Drops every open link at once, without a close frame.
    pub fn drop_links(&self) {
        self.orders.send_modify(|orders| orders.drops += 1);
    }

    /// Announces a restart (`reboot` messages) and closes every open link with 1001.
    pub fn reboot(&self) {
        self.orders.send_modify(|orders| orders.reboots += 1);
    }

    /// Changes what happens to clients from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.orders.send_modify(|orders| orders.mode = mode);
    }

    /// What can be seen now.
    pub fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// A receiver to wait for what is to be seen.
    pub fn watch(&self) -> watch::Receiver<Seen> {
        self.seen.clone()
    }
}

/// What every client's task shares.
struct Shared {
    options: Options,
    started: Instant,
    states: watch::Sender<sources::States>,
    seen: watch::Sender<Seen>,
}

impl Shared {
    /// The present TAI time as IS-07 writes it: seconds, a colon, nanoseconds.
    fn timestamp(&self) -> String {
        let tai = self.options.wall.after(self.started.elapsed()).after(self.options.tai_offset);
        format!("{}:{}", tai.0 / 1_000_000_000, tai.0 % 1_000_000_000)
    }
}

/// Starts a sender as a task of `tasks`; when their token is cancelled it announces its shutdown and ends.
pub fn start(incoming: impl Incoming, options: Options, tasks: &mut Tasks) -> Control {
    let (orders, heard) = watch::channel(Orders::default());
    let (seen_tx, seen) = watch::channel(Seen::default());
    let states = watch::Sender::new(sources::States::new(&options.sources));
    let shared = Arc::new(Shared { options, started: Instant::now(), states, seen: seen_tx });
    tasks.spawn("IS-07 sender", |stop| async move { run(incoming, shared, heard, stop).await });
    Control { orders: Arc::new(orders), seen }
}

async fn run(
    mut incoming: impl Incoming,
    shared: Arc<Shared>,
    orders: watch::Receiver<Orders>,
    stop: CancellationToken,
) {
    let mut clients = Tasks::new(&stop);
    let mut ticks = tokio::time::interval(shared.options.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break, // Cancel-safe: no state.
            _ = ticks.tick() => {           // Cancel-safe per its docs.
                let now = shared.timestamp();
                shared.states.send_modify(|states| states.step(&shared.options.sources, &now));
            }
            Some((name, ended)) = clients.join_next() => { // Cancel-safe per its docs.
                debug!(client = %name, ?ended, "a client of the simulated sender has ended");
            }
            accepted = incoming.next() => match accepted { // Cancel-safe per its docs.
                Ok((stream, peer)) if clients.len() < MAX_CLIENTS => {
                    let (shared, orders) = (shared.clone(), orders.clone());
                    clients.spawn(peer, |stop| client::run(stream, shared, orders, stop));
                }
                Ok((_, peer)) => warn!(%peer, "the simulated sender has too many clients"),
                Err(error) => {
                    warn!(%error, "the simulated sender cannot accept");
                    // Most likely the system has no descriptor left; at once again would only spin.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(incoming);
    clients.stop(STOP_GRACE).await;
}

#[cfg(test)]
mod tests;
