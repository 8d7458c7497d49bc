//! The set of running elements: loads, plans, prepares, applies or aborts, restarts what failed, stops in order.
//!
//! ```text
//!   settings file ──┐                    ┌─ a unit that does not load ──> reported, what runs stays as it is
//!   definitions ────┼─> prepare ─> plan ─┤
//!   SIGHUP, notify ─┘                    └─ apply: stop what is gone or changed, start what is new or changed
//! ```
//!
//! A *unit* is one definition file with all elements that use it, or the settings file. A unit is applied whole or not at
//! all: everything of it is loaded, resolved and checked before the first element is touched.

mod load;
mod member;
mod refusal;
mod store_view;
mod units;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::daemon::assemble;
use crate::daemon::fleet::member::{Life, Member};
use crate::daemon::fleet::store_view::StoreView;
use crate::daemon::plan::{Plan, Step, plan};
use crate::daemon::roster::{Phase, Roster};
use crate::daemon::watch::Watch;
use crate::element::driver::{self, Services};
use crate::element::spec::Spec;
use crate::engine::link::budget::Limits;
use crate::settings::{Dial, Http};
use crate::store::Store;
use crate::tasks::{Ended, Tasks, panic_text};

pub use load::{Loaded, Trouble, load_settings};
pub use units::{Units, Wanted, WantedAll};

/// Asks for everything to be read anew; it is answered, or dropped, when that is done.
pub type Reload = oneshot::Sender<()>;

/// How long an element that is replaced may take to stop before it is aborted.
const REPLACE: Duration = Duration::from_secs(10);
/// How long an element that was aborted may take to end: as long as its task runs between two waits.
const ABORT: Duration = Duration::from_secs(1);
/// The first pause before a file that the system refused is read again; it doubles up to [`LAST_AGAIN`].
const FIRST_AGAIN: Duration = Duration::from_secs(1);
/// The longest pause before a file that the system refused is read again.
const LAST_AGAIN: Duration = Duration::from_secs(60);

/// The running elements and what is needed to change them.
pub struct Fleet {
    units: Units,
    watch: Watch,
    services: Services,
    store: StoreView,
    members: BTreeMap<Arc<str>, Member>,
    tasks: Tasks,
    // Not below the process's token: elements are stopped by us, in order.
    stop_all: CancellationToken,
    roster: watch::Sender<Arc<Roster>>,
    again: Option<Again>,
    /// The dial budget that the gate has.
    dial: Dial,
    /// The bounds that requests of HTTP sessions have.
    http: Http,
}

/// What wakes the fleet.
enum Turn {
    Stop,
    Ended(String, Ended),
    Restart,
    Store,
    Reload(Reload),
    Changed(BTreeSet<PathBuf>),
    TryAgain,
}

/// When files that the system refused are read again.
#[derive(Clone, Copy, Debug)]
struct Again {
    at: Instant,
    pause: Duration,
}

impl Fleet {
    /// A fleet without elements; [`Fleet::start`] loads and starts them.
    pub fn new(config: PathBuf, first: Loaded, services: Services) -> Self {
        Self {
            dial: first.settings.dial,
            http: first.settings.http,
            units: Units::new(config, first),
            watch: Watch::new(),
            store: StoreView::new(services.store.as_ref().map(Store::status)),
            services,
            members: BTreeMap::new(),
            tasks: Tasks::new(&CancellationToken::new()),
            stop_all: CancellationToken::new(),
            roster: watch::Sender::new(Arc::default()),
            again: None,
        }
    }

    /// Loads everything and starts what can be started; an element that does not load is there as invalid.
    pub async fn start(&mut self) {
        let files = self.units.files();
        self.watch.set_files(files.clone()).await;
        let wanted = self.units.first().await;
        self.apply(wanted).await;
        // The settings were read before they were watched.
        self.reload(files).await;
    }

    /// What the API sees.
    pub fn roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.roster.subscribe()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Runs until `stop`, then stops all elements within `grace`; returns the names of those that had to be aborted.
    ///
    /// A message on `reloads` reads everything anew (SIGHUP).
    pub async fn run(
        mut self,
        mut reloads: mpsc::Receiver<Reload>,
        stop: CancellationToken,
        grace: Duration,
    ) -> Vec<String> {
        loop {
            match self.turn(&mut reloads, &stop).await {
                Turn::Stop => break,
                Turn::Ended(name, ended) => self.ended(&name, &ended),
                Turn::Restart => self.restart_due(),
                Turn::Store => self.publish(),
                Turn::Reload(done) => {
                    let files = self.units.files();
                    if !self.reload_until(&stop, files).await {
                        break;
                    }
                    // Nobody may be interested any more.
                    let _ = done.send(());
                }
                Turn::Changed(files) => {
                    if !self.reload_until(&stop, files).await {
                        break;
                    }
                }
                Turn::TryAgain => {
                    if !self.try_again_until(&stop).await {
                        break;
                    }
                }
            }
        }
        self.stop(grace).await
    }

    async fn turn(&mut self, reloads: &mut mpsc::Receiver<Reload>, stop: &CancellationToken) -> Turn {
        let (restart_at, again_at) = (self.restart_at(), self.again.map(|again| again.at));
        tokio::select! {
            biased;
            () = stop.cancelled() => Turn::Stop, // Cancel-safe: no state.
            Some((name, ended)) = self.tasks.join_next() => Turn::Ended(name, ended), // Cancel-safe per its docs.
            () = until(restart_at) => Turn::Restart, // Cancel-safe: recomputed each turn.
            () = self.store.changed() => Turn::Store, // Cancel-safe: see there.
            Some(done) = reloads.recv() => Turn::Reload(done), // Cancel-safe per docs on `recv()`.
            () = until(again_at) => Turn::TryAgain, // Cancel-safe: the time stays.
            files = self.watch.changed() => Turn::Changed(files), // Cancel-safe per its docs.
        }
    }

    /// Reloads what changed, unless the daemon is stopped meanwhile; `false` if it is.
    async fn reload_until(&mut self, stop: &CancellationToken, changed: BTreeSet<PathBuf>) -> bool {
        tokio::select! {
            biased;
            () = stop.cancelled() => false, // Cancel-safe: no state.
            // What is half done when it is dropped is stopped with all else.
            () = self.reload(changed) => true,
        }
    }

    async fn reload(&mut self, mut changed: BTreeSet<PathBuf>) {
        // Files that are new in the settings were read before they were watched, so they are looked at once more.
        while !changed.is_empty() {
            match self.units.reload(&changed).await {
                Some(wanted) => self.apply(wanted).await,
                None => tracing::debug!("nothing to apply"),
            }
            changed = self.watch.set_files(self.units.files()).await;
        }
        self.schedule(FIRST_AGAIN);
    }

    /// Reads again what the system refused, unless the daemon is stopped meanwhile; `false` if it is.
    async fn try_again_until(&mut self, stop: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            () = stop.cancelled() => false, // Cancel-safe: no state.
            // What is half done when it is dropped is stopped with all else.
            () = self.try_again() => true,
        }
    }

    async fn try_again(&mut self) {
        let pause = self.again.map_or(FIRST_AGAIN, |again| again.pause.saturating_mul(2).min(LAST_AGAIN));
        match self.units.try_again().await {
            Some(wanted) => {
                self.apply(wanted).await;
                let changed = self.watch.set_files(self.units.files()).await;
                self.reload(changed).await;
            }
            None => self.schedule(pause),
        }
    }

    /// Sets the time of the next try, if something is refused for a reason that may pass.
    fn schedule(&mut self, pause: Duration) {
        let needed = !self.units.to_try_again().is_empty();
        self.again = needed.then(|| Again { at: Instant::now() + pause, pause });
    }

    /// Does what the plan says; the elements of all units that were prepared are applied together.
    async fn apply(&mut self, wanted: WantedAll) {
        let old = self.members.iter().map(|(name, member)| (name.clone(), member.identity.clone())).collect();
        let new = wanted.iter().map(|(name, wanted)| (name.clone(), wanted.identity())).collect();
        let plan = plan(&old, &new);
        if self.dial != self.units.dial() {
            self.dial = self.units.dial();
            self.services.gate.set_limits(Limits::from(self.dial));
        }
        let http = self.units.http();
        if self.http != http {
            self.http = http;
            self.services.http.set_per_origin(usize::try_from(http.per_origin).unwrap_or(usize::MAX));
        }
        // For the elements that are started from now on.
        self.services.scripts.set_limits(assemble::limits(self.units.script()));
        self.stop_replaced(&plan).await;
        for (name, step) in &plan {
            match step {
                Step::Keep => {}
                Step::Stop => tracing::info!(element = %name, "element removed"),
                Step::Start | Step::Restart(_) => {
                    let Some(wanted) = wanted.get(name) else { continue };
                    if let Step::Restart(reason) = step {
                        tracing::info!(element = %name, reason = reason.words(), "element restarts");
                    }
                    self.add(name.clone(), wanted.clone());
                }
            }
        }
        self.publish();
    }

    /// Stops the elements that a plan replaces or removes, all at once, and waits for them.
    async fn stop_replaced(&mut self, plan: &Plan) {
        let mut waiting = BTreeSet::new();
        for (name, step) in plan {
            if matches!(step, Step::Stop | Step::Restart(_))
                && let Some(member) = self.members.remove(name)
                && let Life::Running { stop, .. } = member.life
            {
                stop.cancel();
                waiting.insert(driver::task_name(name));
            }
        }
        if tokio::time::timeout(REPLACE, self.joined(&mut waiting)).await.is_ok() {
            return;
        }
        for name in &waiting {
            tracing::error!(task = %name, "did not stop in time; aborted");
            self.tasks.abort(name);
        }
        if tokio::time::timeout(ABORT, self.joined(&mut waiting)).await.is_err() {
            tracing::error!(tasks = ?waiting, "aborted, and still running: they never wait for anything");
        }
    }

    /// Waits until all these tasks have ended; others that end meanwhile are seen to.
    async fn joined(&mut self, waiting: &mut BTreeSet<String>) {
        while !waiting.is_empty() {
            let Some((name, ended)) = self.tasks.join_next().await else { return };
            if !waiting.remove(&name) {
                self.ended(&name, &ended);
            }
        }
    }

    fn add(&mut self, name: Arc<str>, wanted: Wanted) {
        let (life, failure) = match &wanted {
            Wanted::Valid { spec, .. } => match self.start_element(spec) {
                Ok(life) => (life, None),
                Err(reason) => (Life::Invalid(reason.clone()), Some(reason)),
            },
            Wanted::Invalid { reason, .. } => {
                tracing::error!(element = %name, %reason, "element is invalid");
                (Life::Invalid(reason.clone()), None)
            }
        };
        let mut member = Member { identity: wanted.identity(), wanted, life, failures: 0 };
        if let Some(reason) = failure {
            member.failed(&name, reason);
        }
        self.members.insert(name, member);
    }

    /// Starts a driver. One that panics before it has a task of its own must not take the fleet with it.
    fn start_element(&mut self, spec: &Arc<Spec>) -> Result<Life, Arc<str>> {
        let stop = self.stop_all.child_token();
        let start = || driver::start(spec.clone(), self.services.clone(), &mut self.tasks, stop.clone());
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(start)) {
            Ok(handle) => Ok(Life::Running { handle, stop, since: Instant::now() }),
            Err(panic) => Err(Arc::from(format!("it panicked: {}", panic_text(panic.as_ref())))),
        }
    }

    /// An element's task has ended, and nobody asked it to.
    fn ended(&mut self, task: &str, ended: &Ended) {
        let found = self.members.iter_mut().find(|(name, _)| driver::task_name(name) == task);
        let Some((name, member)) = found else { return };
        if !matches!(member.life, Life::Running { .. }) {
            return;
        }
        let reason: Arc<str> = match ended {
            Ended::Panicked(text) => Arc::from(format!("it panicked: {text}")),
            Ended::Done => Arc::from("it ended by itself"),
            // Only one that did not stop in time is aborted: the member of its name is already another.
            Ended::Aborted => return,
        };
        member.failed(name, reason);
        self.publish();
    }

    fn restart_at(&self) -> Option<Instant> {
        self.members.values().filter_map(Member::restart_at).min()
    }

    fn restart_due(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| member.restart_at().is_some_and(|at| at <= now))
            .filter_map(|(name, member)| Some((name.clone(), member.wanted.spec()?.clone())))
            .collect();
        for (name, spec) in due {
            let started = self.start_element(&spec);
            let Some(member) = self.members.get_mut(&name) else { continue };
            match started {
                Ok(life) => {
                    tracing::info!(element = %name, failures = member.failures, "element is started again");
                    member.life = life;
                }
                Err(reason) => member.failed(&name, reason),
            }
        }
        self.publish();
    }

    async fn stop(mut self, grace: Duration) -> Vec<String> {
        self.roster.send_modify(|roster| Arc::make_mut(roster).phase = Phase::Stopping);
        tracing::info!(elements = self.tasks.len(), "stopping");
        self.stop_all.cancel();
        self.tasks.stop(grace).await
    }

    fn publish(&self) {
        let entry =
            |(name, member): (&Arc<str>, &Member)| (name.clone(), member.entry(name, &self.services.clock));
        self.roster.send_replace(Arc::new(Roster {
            phase: Phase::Ready,
            store_problem: self.store.problem.clone(),
            store_set_aside: self.store.set_aside.clone(),
            elements: self.members.iter().map(entry).collect(),
        }));
    }
}

/// Sleeps until a time; for ever without one.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
