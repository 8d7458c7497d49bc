//! Runs the scripts of one element where its engine says so; the JavaScript engine is made when the first one runs.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::logic::Engine;
use crate::engine::logic::script::{Failure, Room, Run, Scripts};
use crate::language::model::Protocol;
use crate::script::clock::Clock;
use crate::script::lent;
use crate::script::machine::Machine;
use crate::script::pool::real_now;
use crate::value::Context;

/// What one run of a script may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run, with all scripts that it causes; default 1 s.
    pub time: Duration,
    /// How much memory all scripts of an element may have together, in bytes; default 32 MiB.
    pub memory: usize,
    /// How large the stacks of the threads are that scripts run on, in bytes; default 2 MiB, as everywhere.
    pub thread: usize,
}

impl Limits {
    /// How many times the limit of one run all scripts of one input may run, those that cause each other counted once.
    pub const RUNS: u32 = 3;

    /// How long all scripts of one input may run together.
    pub fn input(&self) -> Duration {
        self.time.saturating_mul(Self::RUNS)
    }

    /// How much of the stack the JavaScript of one script has: calls nest some thousand deep in it.
    pub(super) const STACK: usize = 512 << 10;

    /// How much of the stack is left for what neither counts: the engine, the driver, and the calls in between.
    const REST: usize = 512 << 10;

    /// How much of the stack scripts may use that cause each other.
    pub(super) fn nested(&self) -> usize {
        self.thread.saturating_sub(Self::STACK + Self::REST)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(1), memory: 32 << 20, thread: 2 << 20 }
    }
}

/// What the scripts of an element know of it.
#[derive(Debug)]
pub struct Plan {
    /// The definition.
    pub protocol: Arc<Protocol>,
    /// The element's name.
    pub element: Arc<str>,
    /// What one run may take.
    pub limits: Limits,
}

/// Runs the scripts of one element.
#[derive(Debug)]
pub struct Host {
    plan: Arc<Plan>,
    clock: Arc<Clock>,
    machine: Option<Machine>,
    /// For how long the scripts of the present input have run.
    spent: Duration,
}

/// Watches the runs of a host from another thread.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Clock>);

impl Watch {
    /// Gives the element up if a run goes on that should have been stopped so long ago: a few of the language's own functions
    /// cannot be interrupted. Says whether it is given up: if that run returns, it has no effect any more.
    pub fn give_up(&self, overdue: Duration) -> bool {
        self.0.abandon(overdue)
    }

    /// Gives the element up, whatever runs: it is over for whoever owned it.
    pub fn abandon(&self) {
        self.0.abandon_now();
    }
}

/// What a run unwinds with, through the engine and the driver, whose element was given up while it went on.
#[derive(Clone, Copy, Debug)]
pub struct Abandoned;

impl Host {
    /// Costs nothing before a script runs.
    pub fn new(plan: Plan) -> Self {
        Self { plan: Arc::new(plan), clock: Arc::new(Clock::new()), machine: None, spent: Duration::ZERO }
    }

    /// Watches its runs.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.clock))
    }
}

impl Scripts for Host {
    fn run(&mut self, engine: &mut Engine, ctx: &mut Context, run: &Run) -> Result<(), Failure> {
        let machine = match self.machine.take() {
            Some(machine) => machine,
            None => Machine::new(&self.plan, &self.clock)?,
        };
        let began = real_now();
        let result = machine.run(engine, ctx, run, self.plan.limits.input().saturating_sub(self.spent));
        self.spent = self.spent.saturating_add(began.elapsed());
        if self.clock.is_abandoned() {
            // Another element has taken the place of this one; what waits in this engine must not come out.
            std::panic::resume_unwind(Box::new(Abandoned));
        }
        self.machine = Some(machine).filter(|machine| !machine.is_spoilt());
        result
    }

    fn begin(&mut self) {
        self.spent = Duration::ZERO;
    }

    fn room(&self) -> Room {
        let limit = self.plan.limits.input();
        if self.spent < limit { Room::Enough } else { Room::TooLong(limit) }
    }
}

/// Runs no script of an element, and says why each time that one is due.
#[derive(Debug)]
pub struct Off(pub String);

impl Scripts for Off {
    fn run(&mut self, _: &mut Engine, _: &mut Context, _: &Run) -> Result<(), Failure> {
        Err(Failure { text: self.0.clone(), ..Failure::default() })
    }
}

/// Stands in for a [`Host`] while one of its scripts runs: what that causes runs in the same JavaScript engine.
#[derive(Debug)]
pub(super) struct Nested;

impl Scripts for Nested {
    fn run(&mut self, engine: &mut Engine, ctx: &mut Context, run: &Run) -> Result<(), Failure> {
        let nested = lent::inside(|inside| inside.run(engine, ctx, run));
        nested
            .unwrap_or_else(|| Err(Failure { text: "no script is running".to_owned(), ..Failure::default() }))
    }

    fn room(&self) -> Room {
        lent::inside(|inside| inside.room()).unwrap_or(Room::Enough)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::logic::{First, Options};
    use crate::engine::param::Origin;
    use crate::language::model::id::ParamId;
    use crate::language::source::Source;
    use crate::script::load;
    use crate::value::Wall;

    const DEFINITION: &str = r#"<Protocol><Name>test</Name><Version>1.0.0.1</Version><Params>
        <Param id="1"><Name>Go</Name><Type>write</Type><Interprete><Type>string</Type></Interprete></Param>
        <Param id="2"><Name>Done</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param></Params>
        <QActions><QAction id="1" encoding="javascript" triggers="1"><![CDATA[
        function Run(protocol) {
            protocol.SetParameter(2, "before");
            // A search that QuickJS does not interrupt, and not so long that the guard refuses it.
            try { "x".repeat(1e6).indexOf("x".repeat(99) + "y"); protocol.SetParameter(2, "after"); } catch { }
        }]]></QAction></QActions></Protocol>"#;

    fn plan(limits: Limits) -> Plan {
        let source = Source::new("test.xml", DEFINITION);
        let protocol = load::whole(&source, None).protocol.unwrap();
        Plan { protocol, element: "unit".into(), limits }
    }

    /// Gives a run up while it is in the search; none if it was stopped before it came there.
    fn given_up(limit: Duration) -> Option<(bool, String)> {
        let plan = plan(Limits { time: limit, ..Limits::default() });
        let protocol = Arc::clone(&plan.protocol);
        let host = Host::new(plan);
        let watch = host.watch();
        let run = move || {
            let mut engine = Engine::new(Arc::clone(&protocol), Options::default());
            engine.set_scripts(Box::new(host));
            let mut ctx = Context::new(real_now(), Wall(0), 7);
            engine.start(&mut ctx, First::default());
            let param = |id| protocol.param_by_id(ParamId(id)).unwrap();
            let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                engine.set(&mut ctx, param(1), None, "x".into(), Origin::User)
            }));
            let done = engine.params().get(param(2)).to_text().to_string();
            (unwound.is_err_and(|why| why.is::<Abandoned>()), done)
        };
        let running = std::thread::spawn(run);
        while !watch.give_up(Duration::from_millis(1)) {
            if running.is_finished() {
                return None;
            }
            std::thread::yield_now();
        }
        Some(running.join().unwrap()).filter(|(_, done)| !done.is_empty())
    }

    #[test]
    fn a_run_that_ends_after_it_was_given_up_has_no_effect() {
        // A busy machine may need all of a short limit before the search begins.
        let ended = [20, 80, 320].map(Duration::from_millis).into_iter().find_map(given_up);
        assert_eq!(ended, Some((true, "before".to_owned())));
    }

    #[test]
    fn only_a_run_that_goes_on_too_long_is_given_up_and_for_ever() {
        let host = Host::new(plan(Limits::default()));
        let watch = host.watch();
        assert!(!watch.give_up(Duration::ZERO), "nothing runs");
        let outer = host.clock.begin(Duration::from_secs(60));
        assert!(!watch.give_up(Duration::ZERO), "it has time left");
        host.clock.end(outer);
        let outer = host.clock.begin(Duration::ZERO);
        let began = real_now();
        while began.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        assert!(!watch.give_up(Duration::from_secs(60)), "it is late, but not so much");
        assert!(watch.give_up(Duration::from_millis(1)));
        host.clock.end(outer);
        assert!(host.clock.is_abandoned() && host.clock.is_over());
        host.clock.begin(Duration::from_secs(60));
        assert!(host.clock.is_abandoned() && host.clock.is_over());
    }
}
