//! Runs the scripts of one element where its engine says so; the JavaScript engine is made when the first one runs.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::logic::Engine;
use crate::engine::logic::script::{Failure, Run, Scripts};
use crate::language::model::Protocol;
use crate::script::lent;
use crate::script::machine::{Clock, Machine};
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
}

/// Watches the runs of a host from another thread.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Clock>);

impl Watch {
    /// For how long a run goes on that should have been stopped: a few of the language's own functions cannot be interrupted.
    pub fn overdue(&self) -> Duration {
        self.0.overdue()
    }
}

impl Host {
    /// Costs nothing before a script runs.
    pub fn new(plan: Plan) -> Self {
        Self { plan: Arc::new(plan), clock: Arc::new(Clock::new()), machine: None }
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
        let result = machine.run(engine, ctx, run);
        self.machine = Some(machine).filter(|machine| !machine.is_spoilt());
        result
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

    fn has_room(&self) -> bool {
        lent::inside(|inside| inside.has_room()).unwrap_or(true)
    }
}
