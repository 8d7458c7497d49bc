//! The engine of one element: triggers, actions, groups, timers and pairs as values; performs no I/O and reads no clock.
//!
//! ```text
//!             set, message, link, captured, tick, stop
//!                              │
//!   ┌──────────────────────────▼───────────────────────────┐
//!   │ stack of frames: everything that the input causes is │  sets, triggers, actions: nested, finished before
//!   │ finished before the call returns                     │  the call returns, at most `MAX_DEPTH` deep
//!   └───────────────┬──────────────────────────▲───────────┘
//!           groups  │                          │ items, one by one
//!   ┌───────────────▼──────────────────────────┴───────────┐
//!   │ queues of groups, timers, exchanges: what waits      │  `wake_at` says until when
//!   └──────────────────────────────────────────────────────┘
//!                              │ effects, in order
//! ```
//!
//! The driver calls an input, performs the [`Effect`]s that [`Engine::effects`] drains, and calls [`Engine::tick`] at
//! [`Engine::wake_at`]. Work per input is bounded: [`MAX_STEPS`] steps of events and [`MAX_ITEMS`] items of groups.

mod action;

pub mod effect;
mod first;
mod group;
pub mod link;
mod lock;
mod octets;
mod pair;
mod param_action;
mod queue;
pub mod receive;
pub mod rehearse;
mod report;
mod run;
mod schedule;
pub mod script;
pub mod session;
mod stack;
mod state;
#[cfg(test)]
mod tests;
mod timer;
mod token;
pub mod trace;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::codec::layout::Layouts;
use crate::engine::codec::message::Message;
use crate::engine::codec::{self, Gathered, response};
use crate::engine::logic::effect::{Counters, Effect, Site, Throttle};
use crate::engine::logic::link::Link;
use crate::engine::logic::lock::Lock;
use crate::engine::logic::receive::Heard;
use crate::engine::logic::script::Scripting;
use crate::engine::logic::stack::Stack;
use crate::engine::logic::state::{Chain, Follow, Hold, ItemNext, Lane, Made, PairSettings};
use crate::engine::logic::timer::Clock;
use crate::engine::logic::trace::Trace;
use crate::engine::param::change::Event;
use crate::engine::param::startup::{self, Setting, Stored};
use crate::engine::param::{Cells, Fill, Origin, Outcome, Params, Rejected};
use crate::engine::session::Overrides;
use crate::engine::session::token::TokenState;
use crate::language::model::Protocol;
use crate::language::model::id::{ConnectionIx, PairIx, ParamIx, ResponseIx, TableIx};
use crate::language::model::logic::{Item, Time};
use crate::value::{Context, Value};

pub use queue::MAX_QUEUED;
pub use stack::MAX_DEPTH;
pub use timer::{MAX_PERIOD, MIN_PERIOD};

/// How many steps of events one input may cause; what is left is cut and reported.
///
/// The deepest chains that authors write take hundreds; a chain that branches at every level would take for ever.
pub const MAX_STEPS: u32 = 200_000;

/// How many items of groups one input may run; the rest goes on after [`REST`].
pub const MAX_ITEMS: u32 = 1_000;

/// How long a queue that never comes to rest is held up, so that the element's other inputs get their turn.
pub const REST: Duration = Duration::from_millis(10);

/// What the settings say about a running element.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For each connection by index; the definition's own where the list is shorter.
    pub connections: Vec<Overrides>,
    /// The element's own address of each connection by index; none where the list is shorter.
    pub addresses: Vec<OwnAddress>,
    /// How messages are built.
    pub messages: codec::command::Options,
}

/// The element's own address of a connection: its settings, else the definition's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAddress {
    /// The host, possibly with a scheme.
    pub host: Option<Arc<str>>,
    /// The port.
    pub port: Option<u16>,
}

/// The values that an element starts with.
#[derive(Debug, Default)]
pub struct First {
    /// What the store has of standalone parameters.
    pub stored: Vec<(ParamIx, Stored)>,
    /// What the settings give to standalone parameters.
    pub settings: Vec<(ParamIx, Setting)>,
    /// What the store has of tables: the saved cells of each row.
    pub rows: Vec<(TableIx, Vec<Cells>)>,
    /// The store could not be read: what it has comes later, by [`Engine::restore`].
    pub unread: bool,
    /// What the element knows of itself.
    pub facts: startup::Facts,
}

/// A change of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum TableEdit {
    /// Sets the cells of a row.
    SetRow {
        /// The primary key.
        key: Arc<str>,
        /// The cells.
        cells: Cells,
    },
    /// Adds a row.
    AddRow {
        /// The cells, the key's own included.
        cells: Cells,
    },
    /// Takes a row away.
    DeleteRow {
        /// The primary key.
        key: Arc<str>,
    },
    /// Sets many rows: one event.
    Fill {
        /// The cells of each row.
        rows: Vec<Cells>,
        /// What becomes of the other rows.
        mode: Fill,
    },
    /// Takes all rows away.
    Clear,
}

/// How far an element has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Made, not started.
    New,
    /// Started.
    Running,
    /// [`Engine::stop`] was called; what `before stop` queued may still run.
    Stopping,
}

/// The engine of one element.
#[derive(Debug)]
pub struct Engine {
    protocol: Arc<Protocol>,
    params: Params,
    layouts: Layouts,
    options: Options,
    life: Life,
    /// What a change of each parameter causes besides telling those who watch.
    follow: Box<[Follow]>,
    /// Which responses have `before` or `after` triggers, or need their message afterwards.
    heard: Box<[Heard]>,
    // Bound: emptied by the driver after each input; an input adds at most a few for each of its steps.
    effects: Vec<Effect>,
    stack: Stack,
    /// Steps of events left for the present input, or for the present item of a queue.
    steps: u32,
    /// [`MAX_STEPS`].
    max_steps: u32,
    chain: Chain,
    hold: Option<Hold>,
    lanes: Box<[Lane]>,
    clocks: Box<[Clock]>,
    links: Box<[Link]>,
    /// Whose message the present input is.
    receiving: Option<ConnectionIx>,
    lock: Lock,
    // Few: the commands of the groups that run at present.
    made: Vec<Made>,
    /// The last message of each response that actions read again.
    last: Vec<(ResponseIx, Message)>,
    pairs: Vec<(PairIx, PairSettings)>,
    // Bound: one for each item of the definition's groups.
    nexts: Vec<ItemNext>,
    /// Whether groups, timers or exchanges may have something to do: set by whatever touches them.
    stirred: bool,
    rest: Option<Instant>,
    wake: Option<Instant>,
    serial: u64,
    element_timeout: bool,
    counters: Counters,
    throttle: Throttle,
    spare: Vec<Event>,
    // Invariant: one entry for each watched parameter, sorted by it.
    /// What the links were told last of the parameters that they watch.
    told: Box<[(ParamIx, Value)]>,
    /// One for each token of the definition, in its order.
    tokens: Box<[TokenState]>,
    /// What the present input has caused so far; none unless somebody tries a definition out.
    trace: Option<Box<Trace>>,
    /// Who runs the scripts, and how that goes; none for a definition without scripts.
    scripting: Option<Box<Scripting>>,
}

/// The longest message of a connection and how many groups may wait for its link.
fn limits(protocol: &Protocol, options: &Options, connection: ConnectionIx) -> (usize, usize) {
    let defined = protocol.connection(connection).limits;
    let given = options.connections.get(connection.index()).copied().unwrap_or_default();
    let longest = given.max_message_bytes.unwrap_or(defined.max_message_bytes);
    (longest, given.send_queue.unwrap_or(defined.send_queue))
}

/// The parameters that links watch, empty.
fn watched(protocol: &Protocol) -> Box<[(ParamIx, Value)]> {
    let params = (0..protocol.params.len()).filter_map(ParamIx::new);
    params
        .filter(|param| !protocol.param(*param).watched_by.is_empty())
        .map(|param| (param, Value::Empty))
        .collect()
}

impl Engine {
    /// An element that has not started: all parameters empty.
    pub fn new(protocol: Arc<Protocol>, mut options: Options) -> Self {
        // A command does not know its connection: the bound of each is looked at when it is sent.
        let longest = protocol.connections.iter().map(|one| limits(&protocol, &options, one.index).0).max();
        options.messages.max_bytes = longest.unwrap_or(options.messages.max_bytes);
        let follow = (0..protocol.params.len())
            .map(|index| ParamIx::new(index).map_or(Follow::default(), |ix| Follow::of(&protocol, ix)))
            .collect();
        let lanes = (0..protocol.queues.max(1)).map(|_| Lane::default()).collect();
        Self {
            params: Params::new(Arc::clone(&protocol)),
            layouts: Layouts::default(),
            options,
            life: Life::New,
            follow,
            heard: receive::heard(&protocol),
            effects: Vec::new(),
            stack: Stack::default(),
            steps: 0,
            max_steps: MAX_STEPS,
            chain: Chain::Input(None),
            hold: None,
            lanes,
            clocks: Clock::all(&protocol),
            links: protocol.connections.iter().map(|_| Link::default()).collect(),
            receiving: None,
            lock: Lock::default(),
            made: Vec::with_capacity(1),
            last: Vec::new(),
            pairs: Vec::new(),
            nexts: Vec::new(),
            stirred: false,
            rest: None,
            wake: None,
            serial: 0,
            element_timeout: false,
            counters: Counters::default(),
            throttle: Throttle::default(),
            spare: Vec::new(),
            told: watched(&protocol),
            tokens: protocol.tokens.iter().map(|_| TokenState::default()).collect(),
            trace: None,
            scripting: None,
            protocol,
        }
    }

    /// The definition that runs.
    pub fn protocol(&self) -> &Arc<Protocol> {
        &self.protocol
    }

    /// How messages and bodies are made.
    pub fn message_options(&self) -> codec::command::Options {
        self.options.messages
    }

    /// The present values.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// How far the element has come.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Whether the element is in timeout.
    pub fn is_in_timeout(&self) -> bool {
        self.element_timeout
    }

    /// How often things happened since the start.
    pub fn counters(&self) -> Counters {
        Counters { dropped_values: self.params.rejected(), ..self.counters }
    }

    /// How many groups wait in all queues, those that wait for a link included.
    pub fn queued(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue.len()).sum()
    }

    /// Whether no group waits or runs and nothing is held up: after [`Engine::stop`] the element may go.
    pub fn is_idle(&self) -> bool {
        self.lanes.iter().all(|lane| lane.queue.is_idle() && lane.held.is_none())
    }

    /// When the engine wants [`Engine::tick`]; none if it waits for inputs only.
    pub fn wake_at(&self) -> Option<Instant> {
        self.wake
    }

    /// Takes what the driver has to do, in order; to be called after each input.
    pub fn effects(&mut self) -> std::vec::Drain<'_, Effect> {
        self.effects.drain(..)
    }

    /// Gives every parameter its first value, runs `after startup` and starts the timers; before the first dial.
    pub fn start(&mut self, ctx: &mut Context, first: First) {
        if self.life != Life::New {
            return;
        }
        self.life = Life::Running;
        self.begin();
        self.first_values(first);
        // The links ask for these themselves.
        self.told.iter_mut().for_each(|(param, told)| *told = self.params.get(*param).clone());
        self.fire(Item::Protocol, Time::AfterStartup);
        self.run(ctx);
        for (timer, at) in timer::first_starts(&Arc::clone(&self.protocol), ctx) {
            if timer::is_cut(self.protocol.timer(timer).period) {
                self.report_cut_period(ctx, timer);
            }
            self.clocks[timer.index()].start(at);
        }
        self.stirred = true;
        self.finish(ctx);
    }

    /// Sets a standalone parameter, or the cell of a row if it is a column, and runs all that this causes.
    ///
    /// # Errors
    ///
    /// The value was not taken; nothing changed.
    pub fn set(
        &mut self,
        ctx: &mut Context,
        param: ParamIx,
        row: Option<&str>,
        value: Value,
        origin: Origin,
    ) -> Result<(), Rejected> {
        let outcome = self.params.set_in(param, row, value, origin);
        self.set_done(ctx, outcome)
    }

    /// Changes a table and runs all that this causes.
    ///
    /// # Errors
    ///
    /// The change was not taken; nothing changed.
    pub fn edit(
        &mut self,
        ctx: &mut Context,
        table: TableIx,
        edit: TableEdit,
        origin: Origin,
    ) -> Result<(), Rejected> {
        let outcome = self.edited(table, edit, origin);
        self.set_done(ctx, outcome)
    }

    fn edited(&mut self, table: TableIx, edit: TableEdit, origin: Origin) -> Outcome {
        let params = &mut self.params;
        match edit {
            TableEdit::SetRow { key, cells } => params.set_row(table, &key, cells, origin),
            TableEdit::AddRow { cells } => params.add_row(table, cells, origin),
            TableEdit::DeleteRow { key } => params.delete_row(table, &key, origin),
            TableEdit::Fill { rows, mode } => params.fill(table, rows, mode, origin),
            TableEdit::Clear => params.clear_table(table, origin),
        }
    }

    /// What the answer to the handshake of a connection has: all is set, then the events run in order.
    pub fn captured(&mut self, ctx: &mut Context, connection: ConnectionIx, got: Gathered) {
        self.begin();
        let got = response::with_parts(&self.params, &self.layouts, got);
        let session = self.protocol.connection(connection).handshake;
        self.set_all(ctx, got, Site::Item(session.map_or(Item::Protocol, Item::Session)));
        self.run(ctx);
        self.finish(ctx);
    }

    /// Runs what is due; harmless at any time.
    pub fn tick(&mut self, ctx: &mut Context) {
        if self.wake.is_none_or(|wake| wake > ctx.now) {
            return;
        }
        self.begin();
        self.stirred = true;
        self.end_holds(ctx.now);
        self.fire_timers(ctx);
        self.renew_tokens(ctx);
        self.finish(ctx);
    }

    /// Stops the timers, forgets what waits, and runs `before stop`; [`Engine::is_idle`] says when its groups are done.
    ///
    /// The driver goes on with inputs and ticks until then, at most for its grace period.
    pub fn stop(&mut self, ctx: &mut Context) {
        if self.life == Life::Stopping {
            return;
        }
        let had_started = self.life == Life::Running;
        self.life = Life::Stopping;
        self.begin();
        for clock in &mut self.clocks {
            clock.stop();
        }
        for lane in &mut self.lanes {
            lane.queue.remove(|_| true);
        }
        self.give_requests_up();
        if had_started {
            self.fire(Item::Protocol, Time::BeforeStop);
        }
        self.run(ctx);
        self.stirred = true;
        self.finish(ctx);
    }

    fn set_done(&mut self, ctx: &mut Context, outcome: Outcome) -> Result<(), Rejected> {
        match outcome {
            Outcome::Quiet => Ok(()),
            Outcome::Rejected(rejected) => Err(rejected),
            Outcome::Event(event) => {
                self.begin();
                self.raise(ctx, event);
                self.run(ctx);
                self.finish(ctx);
                Ok(())
            }
        }
    }

    /// Begins an input.
    fn begin(&mut self) {
        self.steps = self.max_steps;
        if let Some(scripting) = &mut self.scripting {
            scripting.begin();
        }
        self.chain = Chain::Input(None);
    }

    /// Ends an input: lets the queues go on as far as they can now.
    fn finish(&mut self, ctx: &mut Context) {
        if !self.stirred {
            return;
        }
        self.stirred = false;
        self.pump(ctx);
        self.watch_timeouts(ctx);
        self.wake = self.next_wake();
        self.stack.trim();
    }

    /// The earliest time at which anything is due.
    fn next_wake(&self) -> Option<Instant> {
        let lanes = (0..self.lanes.len()).filter_map(|index| self.lane_wake(index));
        let queues = lanes.chain(self.lock.wake_at()).chain(self.holds_wake()).min();
        // While the queues rest, what is due in them waits for the end of the rest.
        let queues = queues.max(self.rest);
        let clocks = self.clocks.iter().filter_map(Clock::wake_at);
        clocks.chain(queues).chain(self.timeout_wake()).chain(self.tokens_wake()).min()
    }
}
