//! Runs a definition against a scenario: an element, its peers and the steps, in virtual time; opens no socket.

mod check;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::file::{Act, Counts, File, Step};
use super::network::Network;
use super::peer::{Order, Peer, Totals};
use crate::daemon::assemble::{System, assemble};
use crate::element::clock::Clock;
use crate::element::driver::{self, Services};
use crate::element::gate::Gate;
use crate::element::handle::{Handle, NewValue};
use crate::element::spec::Spec;
use crate::engine::link::budget::Limits;
use crate::language::model::{Access, Protocol};
use crate::language::source::Source;
use crate::settings;
use crate::tasks::Tasks;
use crate::transport::dial::Environment;
use crate::transport::http::Http;
use crate::transport::proxy;
use crate::value;

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
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// Why a scenario failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line of the step, from 1; none if it did not come to the steps.
    pub line: Option<usize>,
    /// What was expected, and what was there; may have several lines.
    pub message: String,
}

/// Runs a scenario; `folder` is that of the definition, for the files that it names.
///
/// Equal files give equal results: time is virtual, chance has the seed of the file, and nothing leaves the process.
pub fn run(file: &File, protocol: &Arc<Protocol>, folder: &Path) -> Outcome {
    let began = real_now();
    let failed = |message: String| Outcome {
        steps: 0,
        simulated: Duration::ZERO,
        real: began.elapsed(),
        failure: Some(Failure { line: None, message }),
    };
    let spec = match spec(file, protocol, folder) {
        Ok(spec) => Arc::new(spec),
        Err(problems) => return failed(problems),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(format!("the system has no room for a runtime: {error}")),
    };
    let mut outcome = runtime.block_on(play(file, spec, began));
    outcome.real = began.elapsed();
    outcome
}

/// The clock of the machine: only to end a scenario that would go on for ever.
#[allow(clippy::disallowed_methods, reason = "tokio's clock stands still here")]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The element of the scenario.
fn spec(file: &File, protocol: &Arc<Protocol>, folder: &Path) -> Result<Spec, String> {
    let mut element = file.element.clone();
    element.insert("name".into(), "scenario".into());
    element.insert("protocol".into(), "protocol.xml".into());
    let mut whole = toml::Table::new();
    whole.insert("element".into(), toml::Value::Array(vec![toml::Value::Table(element)]));
    let text = toml::to_string(&whole).map_err(|error| format!("[element]: {error}"))?;
    let (settings, report) = settings::parse(&Source::new("[element]", text), folder);
    let errors: Vec<String> = report.diagnostics().iter().map(|problem| problem.message.clone()).collect();
    let settings = match settings {
        Some(settings) if errors.is_empty() => settings,
        Some(_) | None => return Err(format!("[element]: {}", errors.join("; "))),
    };
    let Some(element) = settings.elements.first() else { return Err("there is no element".into()) };
    assemble(element, &settings, protocol, &System)
        .map_err(|problems| format!("[element]: {}", problems.join("; ")))
}

async fn play(file: &File, spec: Arc<Spec>, began: std::time::Instant) -> Outcome {
    let start = Instant::now();
    let clock = Clock::at(file.wall, file.seed);
    let peers: Vec<Arc<Peer>> =
        file.peers.iter().map(|described| Arc::new(Peer::new(described.clone(), clock.clone()))).collect();
    let mut below = Tasks::new(&CancellationToken::new());
    let network = Arc::new(Network::start(&peers, &mut below));
    let gate = Gate::new(Limits { per_second: None, per_host_per_second: None });
    let granting = gate.clone();
    below.spawn("dial budget", |stop| granting.run(stop));
    let services = Services {
        gate,
        store: None,
        dials: Environment {
            connector: Arc::clone(&network) as _,
            system_proxy: proxy::System::read(|_| None),
        },
        http: Http::simulated(network),
        scripts: Default::default(),
        clock,
    };
    let mut above = Tasks::new(&CancellationToken::new());
    let stop = CancellationToken::new();
    let handle = driver::start(spec, services, &mut above, stop.clone());
    let mut play = Play { handle, peers, began, cursors: HashMap::new() };
    let mut outcome = Outcome { steps: 0, simulated: Duration::ZERO, real: Duration::ZERO, failure: None };
    for step in &file.steps {
        if let Err(message) = play.step(step).await {
            outcome.failure = Some(Failure { line: Some(step.line), message });
            break;
        }
        outcome.steps += 1;
    }
    outcome.simulated = start.elapsed();
    stop.cancel();
    above.stop(GRACE).await;
    below.stop(GRACE).await;
    outcome
}

/// What a step looks for in what a peer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Handshake,
    Message,
    Request,
}

struct Play {
    handle: Handle,
    peers: Vec<Arc<Peer>>,
    began: std::time::Instant,
    /// The number of the first entry that no step has found yet.
    cursors: HashMap<(usize, Kind), u64>,
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
            | Act::Received(..)
            | Act::Handshake(..)
            | Act::Requested(..)
            | Act::Seen(..) => self.expect(step).await?,
        }
        self.problems()
    }

    /// A scenario that is wrong itself fails, whatever else happens.
    fn problems(&self) -> Result<(), String> {
        for (number, peer) in self.peers.iter().enumerate() {
            if let Some(problem) = peer.read(|log| log.problems.first().cloned()) {
                return Err(format!("peer {number} of the scenario: {problem}"));
            }
        }
        match self.began.elapsed() > REAL {
            true => Err(format!("the scenario takes more than {} s of real time", REAL.as_secs())),
            false => Ok(()),
        }
    }

    /// Lets virtual time pass, in pieces that a scenario without end can be ended between.
    async fn pass(&self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(Duration::from_secs(10))).await;
            self.problems()?;
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
            self.problems()?;
        }
    }

    async fn look(&mut self, act: &Act) -> Result<Look, String> {
        match act {
            Act::Params(values) => check::params(&self.handle, values).await,
            Act::Rows(rows) => check::rows(&self.handle, rows).await,
            Act::States(states) => check::states(&self.handle, states).await,
            Act::Timeout(expected) => {
                let found = self.handle.fresh_status().await.timeout;
                let why = if found { "the element is in timeout" } else { "the element is not in timeout" };
                Ok(if found == *expected { Look::Good } else { Look::Not(why.into()) })
            }
            Act::Received(peer, expected) => {
                let what = format!("a message with {}", super::expect::short(expected));
                Ok(self.find(*peer, Kind::Message, &what, |entry| entry.against_message(expected)))
            }
            Act::Handshake(peer, expected) => {
                let what = "an opening handshake like this";
                Ok(self.find(*peer, Kind::Handshake, what, |entry| entry.against_handshake(expected)))
            }
            Act::Requested(peer, expected, body) => {
                let method = expected.method.as_deref().unwrap_or("any method");
                let what = format!("{method} {}", expected.path.as_deref().unwrap_or("anywhere"));
                Ok(self.find(*peer, Kind::Request, &what, |entry| {
                    entry.against_request(expected, body.as_ref())
                }))
            }
            Act::Seen(peer, expected) => Ok(seen(*expected, self.peers[*peer].read(|log| log.totals))),
            Act::Wait(_)
            | Act::Set(_)
            | Act::Send(..)
            | Act::Close(..)
            | Act::Drop(_)
            | Act::Fault(..)
            | Act::Reachable(..) => Ok(Look::Good),
        }
    }

    /// Looks for an entry that no earlier step has found.
    fn find(
        &mut self,
        peer: usize,
        kind: Kind,
        what: &str,
        fits: impl Fn(&super::peer::Entry) -> Option<Result<(), super::expect::Difference>>,
    ) -> Look {
        let cursor = self.cursors.entry((peer, kind)).or_insert(0);
        let found = self.peers[peer].read(|log| {
            let mut differences = Vec::new();
            for (number, entry) in log.entries.iter().filter(|(number, _)| *number >= *cursor) {
                match fits(entry) {
                    Some(Ok(())) => return Ok(*number),
                    Some(Err(difference)) => {
                        differences.push((difference.depth, format!("{entry}: {difference}")))
                    }
                    None => {}
                }
            }
            // The nearest first; of equally near ones the last.
            differences.reverse();
            differences.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
            Err(differences)
        });
        match found {
            Ok(number) => {
                *cursor = number + 1;
                Look::Good
            }
            Err(differences) => {
                let mut why = format!("peer {peer} did not get {what}");
                match differences.len() {
                    0 => why.push_str(", nor any other since the last one that was found"),
                    count => why.push_str(&format!("; it got {count} others, the nearest first:")),
                }
                for (_, difference) in differences.iter().take(3) {
                    why.push_str(&format!("\n  {difference}"));
                }
                Look::Not(why)
            }
        }
    }

    /// Tells the open links of a peer something; waits for a link if there is none.
    async fn order(&self, peer: usize, order: Order, within: Duration) -> Result<(), String> {
        let end = Instant::now() + within;
        while self.peers[peer].read(|log| log.totals.reached(&order)) == 0 {
            if Instant::now() >= end {
                return Err(format!(
                    "after {}: peer {peer} has no open link",
                    humantime::format_duration(within)
                ));
            }
            sleep(LOOK).await;
            self.problems()?;
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
            let value = match value {
                Value::String(text) => value::Value::text(text.as_str()),
                Value::Bool(is) => value::Value::from(f64::from(u8::from(*is))),
                Value::Number(number) => value::Value::from(number.as_f64().unwrap_or_default()),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(format!("{value} is no value of a parameter: a text or a number is"));
                }
            };
            let value = match row {
                Some(row) => NewValue::Cell(row.into(), value),
                None => NewValue::Scalar(value),
            };
            self.handle
                .set(param, value, within)
                .await
                .map_err(|error| format!("parameter {key}: {error}"))?;
        }
        Ok(())
    }
}

/// Compares counts; what is too many stays so.
fn seen(expected: Counts, found: Totals) -> Look {
    let pairs = [
        ("opening handshakes", expected.handshakes, found.handshakes),
        ("messages", expected.messages, found.messages),
        ("requests", expected.requests, found.requests),
    ];
    let mut look = Look::Good;
    for (what, expected, found) in pairs {
        let Some(expected) = expected else { continue };
        let why = format!("the peer has seen {found} {what}, not {expected}");
        if found > expected {
            return Look::Never(why);
        }
        if found < expected {
            look = Look::Not(why);
        }
    }
    look
}

#[cfg(test)]
mod tests;
