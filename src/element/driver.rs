//! The driver: one task that owns all of an element's state, is its only writer, and does what the engine and the links decide.
//!
//! ```text
//!   requests (handles) ──┐                          ┌──> link effects: dial, close, drop, state
//!   timers ──────────────┤   ┌────────┐   ┌──────┐  │
//!   stop ────────────────┼──>│ Driver │──>│Engine│──┼──> messages to links, saves to the store
//!   dials, messages ─────┤   └────────┘   │Links │  │
//!   answers of the store ┘                └──────┘  └──> status, changes, taps
//! ```
//!
//! Everything that decides is pure and lives in `engine`; this module waits, starts work and brings results back as inputs.
//! One turn takes one input, performs what follows from it until nothing follows any more, and then waits again.

mod dial;
mod effects;
mod files;
mod hindrance;
mod lend;
mod links;
mod requests;
mod saved;
mod sentry;
mod serve;
mod show;
mod slot;
mod start;
mod web;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::element::clock::Clock;
use crate::element::driver::show::{Subscriber, TapEnd};
use crate::element::driver::slot::{Happened, Slot};
use crate::element::gate::Gate;
use crate::element::handle::{Handle, REQUEST_QUEUE, Request};
use crate::element::spec::Spec;
use crate::element::status::{ElementState, Status};
use crate::element::witness::Witness;
use crate::engine::link::cause::Origin as LinkOrigin;
use crate::engine::link::{self, Input};
use crate::engine::logic::{Engine, First, effect};
use crate::language::model::id::{ConnectionIx, ParamId, ParamIx};
use crate::script::pool::Pool;
use crate::store::{Ack, Loaded, Store};
use crate::tasks::Tasks;
use crate::transport::dial::Environment;
use crate::transport::http::Http;
use crate::value::{Context, Value};

/// What an element may use of the process.
#[derive(Clone, Debug)]
pub struct Services {
    /// The dial budget.
    pub gate: Gate,
    /// The store; none if the process runs without one.
    pub store: Option<Store>,
    /// How links are dialled.
    pub dials: Environment,
    /// How requests of HTTP sessions are sent.
    pub http: Http,
    /// The threads that scripts run on.
    pub scripts: Pool,
    /// The time.
    pub clock: Clock,
    /// Who hears each report, in a test of a definition; else none, and what repeats itself is told now and then.
    pub witness: Option<Witness>,
}

/// How long `before stop` work may take before the links are closed.
pub const STOP_WORK: Duration = Duration::from_secs(3);

/// How long the store may take with the last saves when an element stops.
const LAST_SAVES: Duration = Duration::from_secs(2);

/// The name of an element's task.
pub fn task_name(element: &str) -> String {
    format!("element {element}")
}

/// Starts an element as a task of `tasks`; `stop` stops it gracefully, within [`STOP_WORK`] and the links' `closeTimeout`.
pub fn start(spec: Arc<Spec>, services: Services, tasks: &mut Tasks, stop: CancellationToken) -> Handle {
    let (requests_in, requests) = mpsc::channel(REQUEST_QUEUE);
    // Boxed: a future keeps its arguments twice, and there is one of it for every element.
    let driver = Box::new(Driver::new(spec, services, requests));
    let handle = Handle::new(driver.protocol().clone(), driver.status.subscribe(), requests_in);
    let (name, sentry) =
        (Arc::clone(&driver.spec.name), driver.scripts.as_ref().map(|scripts| scripts.sentry.clone()));
    match sentry {
        None => _ = tasks.spawn(task_name(&name), |_| driver.run(stop)),
        Some(sentry) => {
            let mut watched = Tasks::default();
            watched.spawn("driver", |_| driver.run(stop));
            tasks.spawn(task_name(&name), |_| sentry.keep(name, watched));
        }
    }
    handle
}

/// The values that an element starts with whose store is empty.
pub fn first_values(spec: &Spec) -> First {
    saved::first(spec, Some(&Loaded::default()))
}

/// The work that the driver waits for besides its links.
enum Came {
    /// Saves have been answered.
    Saved(serve::Saved),
    /// A file for the action `read file` has been read, or why not.
    File { into: ParamIx, content: Result<Value, String> },
}

/// The author's number of a parameter as the store and the links keep it.
fn number(id: ParamId) -> u32 {
    id.0.cast_unsigned()
}

async fn read(reading: &mut Option<BoxFuture<'static, Loaded>>) -> Option<Loaded> {
    match reading {
        Some(reading) => Some(reading.await),
        None => None,
    }
}

/// Work in no order.
type Work<T> = FuturesUnordered<BoxFuture<'static, T>>;

/// The next result; none while nothing is under way.
async fn next_of<T>(work: &mut Option<Box<Work<T>>>) -> Option<T> {
    work.as_mut()?.next().await
}

struct Driver {
    spec: Arc<Spec>,
    services: Services,
    ctx: Context,
    engine: Engine,
    slots: Vec<Slot>,
    /// Inputs for links that came up while others were performed.
    // Bound: emptied in every turn; each effect adds at most one.
    link_inputs: VecDeque<(ConnectionIx, Input)>,
    engine_effects: Vec<effect::Effect>,
    link_effects: Vec<link::Effect>,
    /// Which connection is looked at first.
    first: usize,
    requests: mpsc::Receiver<Request>,
    waiting: Work<Came>,
    /// Requests of HTTP sessions; none before the first one.
    asking: Option<Box<Work<Box<requests::Answered>>>>,
    /// What was saved, as long as it could not be read.
    reading: Option<BoxFuture<'static, Loaded>>,
    files: files::Files,
    /// Who caused what is being performed: the API during a set, else the definition itself.
    by: LinkOrigin,
    /// The saves of the set that is being performed.
    acks: Vec<Ack>,
    /// Something of that set had to be saved, and there is no store.
    unsaved: bool,
    /// A parameter of that set that is saved by the definition, and has a setting from outside that is never saved.
    outside: Option<ParamIx>,
    status: watch::Sender<Arc<Status>>,
    status_is_old: bool,
    state: ElementState,
    subscribers: Vec<Subscriber>,
    taps: Vec<TapEnd>,
    /// Dials and links; not below the element's own token, because links close in order when that is cancelled.
    tasks: Tasks,
    stopping: Option<Stopping>,
    /// What scripts need; none for a definition without scripts.
    scripts: Option<Box<lend::Lending>>,
}

/// How far the stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    /// `before stop` work runs, at most until then.
    Work(Instant),
    /// The links close.
    Links,
}

/// What a turn of the driver begins with.
enum Turn {
    Stop,
    Tick,
    Request(Request),
    Link(usize, Happened),
    Came(Came),
    Answered(Box<requests::Answered>),
    Loaded(Loaded),
    TaskEnded,
}

impl Driver {
    async fn run(mut self: Box<Self>, stop: CancellationToken) {
        let first = self.first().await;
        self = self.lent(move |driver| driver.begin(first)).await;
        let mut sleep = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        let mut stopped = std::pin::pin!(stop.cancelled());
        loop {
            let wake_at = self.wake_at();
            if let Some(at) = wake_at
                && sleep.deadline().into_std() != at
            {
                sleep.as_mut().reset(at.into());
            }
            let turn = {
                let Self { slots, first, requests, waiting, asking, reading, tasks, stopping, .. } =
                    &mut *self;
                tokio::select! {
                    biased;
                    () = stopped.as_mut(), if stopping.is_none() => Turn::Stop,      // Cancel-safe: it is taken once, and then stops.
                    () = sleep.as_mut(), if wake_at.is_some() => Turn::Tick,         // Cancel-safe: reset each turn.
                    Some(request) = requests.recv() => Turn::Request(request),       // Cancel-safe per docs on `recv()`.
                    Some(came) = waiting.next() => Turn::Came(came),                 // Cancel-safe: `next` on a `Stream`.
                    Some(answered) = next_of(asking) => Turn::Answered(answered),    // Cancel-safe: `next` on a `Stream`.
                    Some(loaded) = read(reading), if reading.is_some() => Turn::Loaded(loaded), // Cancel-safe: kept until it has come.
                    (at, happened) = poll_fn(|cx| slot::poll(slots, first, cx)) => Turn::Link(at, happened), // Cancel-safe: see `slot::poll`.
                    Some(_) = tasks.join_next() => Turn::TaskEnded,                  // Cancel-safe per docs on `join_next()`.
                }
            };
            if self.may_run_scripts(&turn) {
                self = self.lent(|driver| driver.take(turn)).await;
            } else {
                self.take(turn);
            }
            if self.has_stopped() {
                break;
            }
        }
        self.end().await;
    }

    /// Takes one turn with all that follows from it.
    fn take(&mut self, turn: Turn) {
        self.services.clock.refresh(&mut self.ctx);
        self.turn(turn);
        self.settle();
        self.go_on_stopping();
        self.publish();
    }

    fn turn(&mut self, turn: Turn) {
        // Only a set waits for the answers of the store; those of the last turn are nobody's any more.
        self.acks.clear();
        match turn {
            Turn::Stop => self.stop(),
            Turn::Tick => {
                self.engine.tick(&mut self.ctx);
                for index in 0..self.slots.len() {
                    if self.slots[index].is_due(self.ctx.now) {
                        self.step_link_at(index, Input::Tick);
                    }
                }
            }
            Turn::Request(request) => self.serve(request),
            Turn::Link(index, happened) => self.link_happened(index, happened),
            Turn::Came(Came::Saved(saved)) => saved.answer(),
            Turn::Came(Came::File { into, content }) => self.file_came(into, content),
            Turn::Answered(answered) => self.answered(*answered),
            Turn::Loaded(loaded) => self.saved_came(loaded),
            // A dial that failed to report or a link that panicked is seen at its channel; here it is only joined.
            Turn::TaskEnded => {}
        }
    }

    /// Performs what the engine and the links have decided, until nothing follows from it any more.
    fn settle(&mut self) {
        loop {
            let mut effects = std::mem::take(&mut self.engine_effects);
            effects.extend(self.engine.effects());
            let idle = effects.is_empty();
            for effect in effects.drain(..) {
                self.perform(effect);
            }
            self.engine_effects = effects;
            if let Some((connection, input)) = self.link_inputs.pop_front() {
                self.step_link(connection, input);
            } else if idle {
                return;
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let stop = self.stopping.and_then(|stopping| match stopping {
            Stopping::Work(until) => Some(until),
            Stopping::Links => None,
        });
        let links = self.slots.iter().filter_map(Slot::wake_at);
        links.chain(self.engine.wake_at()).chain(stop).min()
    }

    fn stop(&mut self) {
        self.state = ElementState::Stopping;
        self.status_is_old = true;
        self.stopping = Some(Stopping::Work(self.ctx.now + STOP_WORK));
        // What was asked for before is of no use any more; what the work of the stop asks for comes later.
        self.asking = None;
        self.engine.stop(&mut self.ctx);
    }

    fn go_on_stopping(&mut self) {
        if let Some(Stopping::Work(until)) = self.stopping
            && (self.engine.is_idle() || until <= self.ctx.now)
        {
            self.stopping = Some(Stopping::Links);
            self.asking = None;
            for index in 0..self.slots.len() {
                self.step_link_at(index, Input::Stop);
            }
            self.settle();
        }
    }

    fn has_stopped(&self) -> bool {
        self.stopping == Some(Stopping::Links) && self.slots.iter().all(Slot::has_stopped)
    }

    /// Waits a little for the last saves and answers the sets that caused them; what was not begun is refused.
    async fn end(mut self: Box<Self>) {
        self.state = ElementState::Stopped;
        self.status_is_old = true;
        self.publish();
        self.requests.close();
        let last_saves = async {
            while let Some(came) = self.waiting.next().await {
                match came {
                    Came::Saved(saved) => saved.answer(),
                    Came::File { .. } => {}
                }
            }
        };
        if tokio::time::timeout(LAST_SAVES, last_saves).await.is_err() {
            tracing::warn!(element = %self.spec.name, "the store did not answer in time; the last values may not be saved");
        }
        // Giving much memory back takes its time, which is not for a worker.
        self = self.lent(|driver| drop(driver.engine.take_scripts())).await;
        // What is left are sockets that were dropped: nothing to wait for.
        drop(self.tasks.stop(Duration::ZERO).now_or_never());
    }
}

#[cfg(test)]
mod tests;
