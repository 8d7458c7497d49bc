//! Runs a definition against a scenario: an element, its peers and the steps, in virtual time; opens no socket.

mod check;
mod seen;
mod why;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::expect::{self, Content};
use super::file::element::HEAD_LINES;
use super::file::{Act, File, Problem, Step};
use super::network::Network;
use super::peer::{Order, Peer};
use crate::daemon::assemble::{System, assemble};
use crate::element::clock::Clock;
use crate::element::driver::{self, Services};
use crate::element::gate::Gate;
use crate::element::handle::{Handle, NewValue};
use crate::element::spec::Spec;
use crate::element::witness;
use crate::engine::link::budget::Limits;
use crate::language::model::{Access, Protocol};
use crate::script::pool::{self, Pool};
use crate::settings;
use crate::tasks::Tasks;
use crate::transport::dial::Environment;
use crate::transport::http::Http;
use crate::transport::proxy;

/// How often a step looks whether what it waits for is there.
const LOOK: Duration = Duration::from_millis(20);

/// How long after an order the next step begins: time only passes when nothing is left to do at that moment.
const DONE: Duration = Duration::from_millis(1);

/// How much real time a scenario may take.
const REAL: Duration = Duration::from_secs(60);

/// How long the element has to stop at the end.
const GRACE: Duration = Duration::from_secs(10);

/// How a scenario went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many steps were done.
    pub steps: usize,
    /// How much virtual time went by.
    pub simulated: Duration,
    /// How much real time it took.
    pub real: Duration,
    /// Why it failed, in one line or several, with the place of the step; none if it did not come to the steps.
    pub failure: Option<Problem>,
}

/// Runs a scenario; `folder` is that of the definition, for the files that it names.
///
/// Equal files give equal results: time is virtual, chance has the seed of the file, and nothing leaves the process.
pub fn run(file: &File, protocol: &Arc<Protocol>, folder: &Path) -> Outcome {
    let began = real_now();
    let failed = |failure: Problem| Outcome {
        steps: 0,
        simulated: Duration::ZERO,
        real: began.elapsed(),
        failure: Some(failure),
    };
    let spec = match spec(file, protocol, folder) {
        Ok(spec) => Arc::new(spec),
        Err(problem) => return failed(problem),
    };
    for step in &file.steps {
        if let Err(wrong) = check::fits(&step.act, protocol) {
            return failed(file.problem(step, wrong));
        }
    }
    let play = |watch| -> std::io::Result<Outcome> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).thread_stack_size(pool::STACK).build()?;
        Ok(runtime.block_on(play(file, spec.clone(), real_now(), watch)))
    };
    let mut outcome = match play(Watch::Steps) {
        Ok(outcome) => outcome,
        Err(error) => {
            let message = format!("the system has no room for a runtime: {error}");
            return failed(Problem { line: None, column: None, message });
        }
    };
    // It fails again in the same way; looking closely takes time that those that hold need not spend.
    if let Some(failure) = &mut outcome.failure
        && began.elapsed() < REAL / 4
        && let Ok(Outcome { failure: Some(again), .. }) = play(Watch::Wire)
        && again.line == failure.line
    {
        *failure = again;
    }
    outcome.real = began.elapsed();
    outcome
}

/// How closely a run is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    /// What the steps need.
    Steps,
    /// Every message too.
    Wire,
}

/// The clock of the machine: only to end a scenario that would go on for ever.
#[allow(clippy::disallowed_methods, reason = "tokio's clock stands still here")]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The element of the scenario.
fn spec(file: &File, protocol: &Arc<Protocol>, folder: &Path) -> Result<Spec, Problem> {
    let whole = |message: String| Problem { line: None, column: None, message };
    let (settings, report) = settings::parse(&file.element, folder);
    let errors: Vec<String> = report.diagnostics().iter().map(|problem| problem.message.clone()).collect();
    let mut settings = match settings {
        Some(settings) if errors.is_empty() => settings,
        Some(_) | None => return Err(whole(format!("[element]: {}", errors.join("; ")))),
    };
    settings.lines = settings.lines.behind(HEAD_LINES);
    let Some(element) = settings.elements.first() else { return Err(whole("there is no element".into())) };
    assemble(element, &settings, protocol, &System).map_err(|problems| {
        placed(file.element.name(), &problems).unwrap_or_else(|| whole(problems.join("\n")))
    })
}

/// What is wrong with an element, each with the file and the line in front of it; the first line is the place of all.
fn placed(name: &str, problems: &[String]) -> Option<Problem> {
    let mut of_file = problems.iter().map(|problem| problem.strip_prefix(name)?.strip_prefix(':'));
    let (line, first) = of_file.next()??.split_once(": ")?;
    let others: Option<Vec<&str>> = of_file.collect();
    let message = [first].into_iter().chain(others?).collect::<Vec<_>>().join("\n");
    Some(Problem { line: Some(line.parse().ok()?), column: None, message })
}

async fn play(file: &File, spec: Arc<Spec>, began: std::time::Instant, watch: Watch) -> Outcome {
    let start = Instant::now();
    let clock = Clock::at(file.wall, file.seed);
    let peers: Vec<Arc<Peer>> =
        file.peers.iter().map(|described| Arc::new(Peer::new(described.clone(), clock.clone()))).collect();
    let mut below = Tasks::new(&CancellationToken::new());
    let network = Arc::new(Network::start(&peers, &mut below));
    let gate = Gate::new(Limits { per_second: None, per_host_per_second: None });
    let granting = gate.clone();
    below.spawn("dial budget", |stop| granting.run(stop));
    let (witness, told) = witness::witness();
    let services = Services {
        gate,
        store: None,
        dials: Environment {
            connector: Arc::clone(&network) as _,
            system_proxy: proxy::System::read(|_| None),
        },
        http: Http::simulated(network),
        scripts: Pool::default().on_large_stacks(),
        clock,
        witness: Some(witness),
    };
    let mut above = Tasks::new(&CancellationToken::new());
    let stop = CancellationToken::new();
    let handle = driver::start(spec, services, &mut above, stop.clone());
    let tap = match watch {
        Watch::Steps => None,
        Watch::Wire => handle.tap().await,
    };
    let expected = file.steps.iter().rposition(|step| matches!(step.act, Act::ScriptFailed(_)));
    let mut play = Play {
        handle,
        peers,
        began,
        cursors: seen::Cursors::default(),
        noticed: why::Noticed::new(tap, told),
        failures_end: expected.map_or(0, |last| last + 1),
        failures_found: 0,
        failures_accepted: 0,
        done: 0,
    };
    let mut outcome = Outcome { steps: 0, simulated: Duration::ZERO, real: Duration::ZERO, failure: None };
    for step in &file.steps {
        if let Err(message) = play.step(step).await {
            let message = play.with_reasons(message).await;
            outcome.failure = Some(Problem { line: Some(step.line), column: None, message });
            break;
        }
        play.done += 1;
    }
    outcome.steps = play.done;
    outcome.simulated = start.elapsed();
    stop.cancel();
    above.stop(GRACE).await;
    below.stop(GRACE).await;
    outcome
}

struct Play {
    handle: Handle,
    peers: Vec<Arc<Peer>>,
    began: std::time::Instant,
    cursors: seen::Cursors,
    noticed: why::Noticed,
    /// The number of the first step at which no script may fail: behind the last one that expects it.
    failures_end: usize,
    /// The number of the first failure of a script that no step has found or gone past.
    failures_found: u64,
    /// How many failures there were when a step last found one: the others among them need not be looked for.
    failures_accepted: u64,
    /// How many steps are done.
    done: usize,
}

/// What a look at the element or a peer gave.
enum Look {
    Good,
    /// Not yet, and why.
    Not(String),
    /// It cannot become good any more.
    Never(String),
}

impl Play {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.act {
            Act::Wait(time) => self.pass(*time).await?,
            Act::Set(values) => self.set(values, step.within).await?,
            Act::Send(peer, values) => self.order(*peer, Order::Send(values.clone()), step.within).await?,
            Act::Close(peer, code) => self.order(*peer, Order::Close(*code), step.within).await?,
            Act::Drop(peer) => self.order(*peer, Order::Drop, step.within).await?,
            Act::Fault(peer, fault) => self.order(*peer, Order::Fault(*fault), step.within).await?,
            Act::Reachable(peer, is) => self.peers[*peer].set_reachable(*is),
            Act::Params(_)
            | Act::Rows(_)
            | Act::States(_)
            | Act::Timeout(_)
            | Act::ScriptFailed(_)
            | Act::Received(..)
            | Act::Handshake(..)
            | Act::Requested(..)
            | Act::Seen(..) => self.expect(step).await?,
        }
        self.problems().await
    }

    /// A message, and below it everything that may be the reason.
    async fn with_reasons(&mut self, mut message: String) -> String {
        let status = self.handle.fresh_status().await;
        self.noticed.look();
        for reason in why::reasons(&status, &self.peers, &self.noticed) {
            if !message.contains(&reason) {
                message.push('\n');
                message.push_str(&reason);
            }
        }
        message
    }

    /// A scenario that is wrong itself fails, and one whose scripts fail unexpectedly, whatever else happens.
    async fn problems(&mut self) -> Result<(), String> {
        self.noticed.look();
        for (number, peer) in self.peers.iter().enumerate() {
            if let Some((_, problem)) = peer.read(|log| log.problems.front().cloned()) {
                return Err(format!("peer {number} of the scenario: {problem}"));
            }
        }
        if self.done >= self.failures_end && !self.handle.protocol().scripts.list.is_empty() {
            let status = self.handle.fresh_status().await;
            self.noticed.look();
            let failures = status.scripts.as_deref().map_or(0, |scripts| scripts.counters.failures);
            if failures > self.failures_accepted {
                let first = self.noticed.failures(self.failures_accepted).next();
                let what =
                    first.map_or_else(|| "a script failed".to_owned(), |(_, fault)| why::of_script(fault));
                return Err(format!("{what}\nno `script_failed` step expects it"));
            }
        }
        match self.began.elapsed() > REAL {
            true => Err(format!("the scenario takes more than {} s of real time", REAL.as_secs())),
            false => Ok(()),
        }
    }

    /// Lets virtual time pass, in pieces that a scenario without end can be ended between.
    async fn pass(&mut self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(Duration::from_secs(10))).await;
            self.problems().await?;
        }
    }

    /// Waits until what is expected is there.
    async fn expect(&mut self, step: &Step) -> Result<(), String> {
        let end = Instant::now() + step.within;
        loop {
            let why = match self.look(&step.act).await? {
                Look::Good => return Ok(()),
                Look::Never(why) => return Err(why),
                Look::Not(why) => why,
            };
            if Instant::now() >= end {
                return Err(format!("after {}: {why}", humantime::format_duration(step.within)));
            }
            sleep(LOOK).await;
            self.problems().await?;
        }
    }

    async fn look(&mut self, act: &Act) -> Result<Look, String> {
        if let Some(look) = self.cursors.look(act, &self.peers) {
            return Ok(look);
        }
        match act {
            Act::Params(values) => check::params(&self.handle, values).await,
            Act::Rows(rows) => check::rows(&self.handle, rows).await,
            Act::States(states) => check::states(&self.handle, states).await,
            Act::Timeout(expected) => {
                let found = self.handle.fresh_status().await.timeout;
                let why = if found { "the element is in timeout" } else { "the element is not in timeout" };
                Ok(if found == *expected { Look::Good } else { Look::Not(why.into()) })
            }
            Act::ScriptFailed(expected) => Ok(self.script_failed(expected).await),
            Act::Received(..)
            | Act::Handshake(..)
            | Act::Requested(..)
            | Act::Seen(..)
            | Act::Wait(_)
            | Act::Set(_)
            | Act::Send(..)
            | Act::Close(..)
            | Act::Drop(_)
            | Act::Fault(..)
            | Act::Reachable(..) => Ok(Look::Good),
        }
    }

    /// Whether a script has failed so since the last failure that a step found.
    async fn script_failed(&mut self, expected: &Value) -> Look {
        let status = self.handle.fresh_status().await;
        let Some(scripts) = status.scripts.as_deref() else {
            return Look::Never("the definition has no scripts".to_owned());
        };
        self.noticed.look();
        let mut nearest = None;
        let mut others = 0;
        for (number, fault) in self.noticed.failures(self.failures_found) {
            match expect::content(expected, &Content::of_text(&fault.text, None)) {
                Ok(()) => {
                    self.failures_found = number + 1;
                    self.failures_accepted = scripts.counters.failures;
                    return Look::Good;
                }
                Err(difference) => nearest = Some((fault.script, difference)),
            }
            others += 1;
        }
        let Some((script, difference)) = nearest else {
            return Look::Not("no script has failed".to_owned());
        };
        let more = match others {
            1 => String::new(),
            others => format!("; {others} runs of scripts failed, none of them so, and this is the last"),
        };
        Look::Not(format!("script {script} failed otherwise: {difference}{more}"))
    }

    /// Tells the open links of a peer something; waits for a link if there is none.
    async fn order(&mut self, peer: usize, order: Order, within: Duration) -> Result<(), String> {
        let end = Instant::now() + within;
        while self.peers[peer].read(|log| log.totals.reached(&order)) == 0 {
            if Instant::now() >= end {
                return Err(format!(
                    "after {}: peer {peer} has no open link",
                    humantime::format_duration(within)
                ));
            }
            sleep(LOOK).await;
            self.problems().await?;
        }
        if !self.peers[peer].is_reachable() && !matches!(order, Order::Drop) {
            return Err(format!("peer {peer} is not reachable now: only `drop` can happen to its links"));
        }
        self.peers[peer].order(order);
        // It has been done when the next step begins.
        sleep(DONE).await;
        Ok(())
    }

    async fn set(
        &self,
        values: &std::collections::BTreeMap<String, Value>,
        within: Duration,
    ) -> Result<(), String> {
        for (key, value) in values {
            let (param, row) = check::param(self.handle.protocol(), key, Access::Write)?;
            let value = check::value(self.handle.protocol().param(param), value)?;
            let value = match row {
                Some(row) => NewValue::Cell(row.into(), value),
                None => NewValue::Scalar(value),
            };
            self.handle
                .set(param, value, within)
                .await
                .map_err(|error| format!("`set` of `{key}`: {error}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
