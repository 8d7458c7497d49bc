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

mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::daemon::plan::{Identity, Plan, Step, plan};
use crate::daemon::roster::{Entry, Roster};
use crate::daemon::watch::Watch;
use crate::element::driver::{self, Services};
use crate::element::handle::Handle;
use crate::element::status::{ElementState, Status};
use crate::tasks::{Ended, Tasks};

pub use units::{Loaded, Trouble, Units, Wanted, load_settings};

/// The first pause before an element that failed is started again; it doubles up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause before an element that failed is started again.
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// An element that ran for so long has recovered: its next failure starts with the first pause.
const RECOVERED: Duration = Duration::from_secs(300);
/// How long an element that is replaced may take to stop before it is aborted.
const REPLACE: Duration = Duration::from_secs(10);

/// One element of the fleet.
struct Member {
    identity: Identity,
    wanted: Wanted,
    life: Life,
    failures: u32,
}

enum Life {
    Running {
        handle: Handle,
        stop: CancellationToken,
        since: Instant,
    },
    /// Waits for its restart.
    Failed {
        at: Instant,
        reason: Arc<str>,
    },
    /// Its definition or its settings do not fit.
    Invalid(Arc<str>),
}

/// The running elements and what is needed to change them.
pub struct Fleet {
    units: Units,
    services: Services,
    members: BTreeMap<Arc<str>, Member>,
    tasks: Tasks,
    // Not below the process's token: elements are stopped by us, in order.
    stop_all: CancellationToken,
    roster: watch::Sender<Arc<Roster>>,
}

impl Fleet {
    /// Loads everything and starts what can be started; an element that does not load is there as invalid.
    ///
    /// # Errors
    ///
    /// Only settings that cannot be read.
    pub async fn start(config: PathBuf, first: Loaded, services: Services) -> Self {
        let mut fleet = Self {
            units: Units::new(config, first),
            services,
            members: BTreeMap::new(),
            tasks: Tasks::new(&CancellationToken::new()),
            stop_all: CancellationToken::new(),
            roster: watch::Sender::new(Arc::default()),
        };
        let wanted = fleet.units.first().await;
        fleet.apply(wanted).await;
        fleet
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
        mut reloads: mpsc::Receiver<()>,
        stop: CancellationToken,
        grace: Duration,
    ) -> Vec<String> {
        let mut watch = Watch::new();
        watch.set_files(self.units.files()).await;
        loop {
            let restart_at = self.restart_at();
            let restart = async {
                match restart_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let changed: BTreeSet<PathBuf> = tokio::select! {
                biased;
                () = stop.cancelled() => break,          // Cancel-safe: no state.
                Some((name, ended)) = self.tasks.join_next() => { // Cancel-safe per docs on `join_next()`.
                    self.ended(&name, &ended);
                    continue;
                }
                () = restart => {                        // Cancel-safe: recomputed each turn.
                    self.restart_due();
                    continue;
                }
                Some(()) = reloads.recv() => self.units.files(), // Cancel-safe per docs on `recv()`.
                changed = watch.changed() => changed,    // Cancel-safe per docs on `changed()`.
            };
            if let Some(wanted) = self.units.reload(&changed).await {
                self.apply(wanted).await;
            }
            watch.set_files(self.units.files()).await;
        }
        self.stop(grace).await
    }

    /// Does what the plan says; the elements of all units that were prepared are applied together.
    async fn apply(&mut self, wanted: BTreeMap<Arc<str>, Wanted>) {
        let old = self.members.iter().map(|(name, member)| (name.clone(), member.identity.clone())).collect();
        let new = wanted.iter().map(|(name, wanted)| (name.clone(), wanted.identity())).collect();
        let plan = plan(&old, &new);
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
        let all_stopped = async {
            while !waiting.is_empty() {
                let Some((name, ended)) = self.tasks.join_next().await else { return };
                if !waiting.remove(&name) {
                    self.ended(&name, &ended);
                }
            }
        };
        if tokio::time::timeout(REPLACE, all_stopped).await.is_err() {
            for name in waiting {
                tracing::error!(task = %name, "did not stop in time; aborted");
                self.tasks.abort(&name);
            }
        }
    }

    fn add(&mut self, name: Arc<str>, wanted: Wanted) {
        let life = match &wanted {
            Wanted::Valid { spec, .. } => self.start_element(spec),
            Wanted::Invalid { reason, .. } => {
                tracing::error!(element = %name, %reason, "element is invalid");
                Life::Invalid(reason.clone())
            }
        };
        self.members.insert(name, Member { identity: wanted.identity(), wanted, life, failures: 0 });
    }

    fn start_element(&mut self, spec: &Arc<crate::element::spec::Spec>) -> Life {
        let stop = self.stop_all.child_token();
        let handle = driver::start(spec.clone(), self.services.clone(), &mut self.tasks, stop.clone());
        Life::Running { handle, stop, since: Instant::now() }
    }

    /// An element's task has ended, and nobody asked it to.
    fn ended(&mut self, task: &str, ended: &Ended) {
        let found = self.members.iter_mut().find(|(name, _)| driver::task_name(name) == task);
        // One that was replaced or removed after its time to stop.
        let Some((name, member)) = found else { return };
        let Life::Running { since, .. } = &member.life else { return };
        if since.elapsed() >= RECOVERED {
            member.failures = 0;
        }
        let reason: Arc<str> = match ended {
            Ended::Panicked(text) => Arc::from(format!("it panicked: {text}")),
            Ended::Done => Arc::from("it ended by itself"),
            Ended::Aborted => Arc::from("it was aborted"),
        };
        let pause = FIRST_PAUSE.saturating_mul(1 << member.failures.min(10)).min(LAST_PAUSE);
        member.failures += 1;
        tracing::error!(element = %name, %reason, pause_s = pause.as_secs(), "element failed and is started again");
        member.life = Life::Failed { at: Instant::now() + pause, reason };
        self.publish();
    }

    fn restart_at(&self) -> Option<Instant> {
        self.members.values().filter_map(|member| restart_of(&member.life)).min()
    }

    fn restart_due(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| restart_of(&member.life).is_some_and(|at| at <= now))
            .filter_map(|(name, member)| Some((name.clone(), member.wanted.spec()?.clone())))
            .collect();
        for (name, spec) in due {
            let life = self.start_element(&spec);
            if let Some(member) = self.members.get_mut(&name) {
                member.life = life;
            }
        }
        self.publish();
    }

    async fn stop(mut self, grace: Duration) -> Vec<String> {
        self.roster.send_modify(|roster| {
            let mut stopping = Roster::clone(roster);
            stopping.ready = false;
            *roster = Arc::new(stopping);
        });
        tracing::info!(elements = self.tasks.len(), "stopping");
        self.stop_all.cancel();
        self.tasks.stop(grace).await
    }

    fn publish(&self) {
        let entry = |(name, member): (&Arc<str>, &Member)| {
            let down = |state| {
                let (protocol, version) = member.wanted.protocol();
                Entry::Down(Arc::new(Status {
                    name: name.clone(),
                    protocol,
                    version,
                    state,
                    timeout: false,
                    connections: Vec::new(),
                }))
            };
            let entry = match &member.life {
                Life::Running { handle, .. } => Entry::Running(handle.clone()),
                Life::Failed { at, reason } => down(ElementState::Restarting {
                    reason: reason.clone(),
                    at: self.services.clock.wall(at.into_std()),
                }),
                Life::Invalid(reason) => down(ElementState::Invalid(reason.clone())),
            };
            (name.clone(), entry)
        };
        let elements = self.members.iter().map(entry).collect();
        self.roster.send_replace(Arc::new(Roster { ready: true, store_problem: None, elements }));
    }
}

fn restart_of(life: &Life) -> Option<Instant> {
    match life {
        Life::Failed { at, .. } => Some(*at),
        Life::Running { .. } | Life::Invalid(_) => None,
    }
}
