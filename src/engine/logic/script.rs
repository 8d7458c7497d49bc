//! When scripts run and what they may do to the element: sets, rows, triggers, all finished before they go on; knows no language.
//!
//! The engine calls [`Scripts::run`] where a script is due, in the middle of a chain of events. The script calls back
//! ([`Engine::script_set`] and the others), and all that this causes, further scripts among it, runs before the call returns.

mod calls;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::codec::condition;
use crate::engine::codec::mask::{Ends, Mask};
use crate::engine::logic::Engine;
use crate::engine::logic::effect::{Code, Effect, ScriptFailure, Severity, Site};
use crate::engine::logic::stack::{self, Frame};
use crate::engine::logic::state::Chain;
use crate::engine::logic::trace::{Ran, Step};
use crate::engine::param::Rejected;
use crate::engine::param::change::{Event, Place, RowChange};
use crate::language::model::Protocol;
use crate::language::model::id::{GroupIx, ParamIx, ScriptIx, TableIx};
use crate::language::model::script::{Call, Trigger};
use crate::value::{Context, Value};

/// How many queued scripts wait; one more is left out and reported.
pub const MAX_QUEUED_SCRIPTS: usize = 1_024;

/// How many bytes of values the scripts of one input may set: what they set is kept until the input is over.
pub const MAX_SET_BYTES: usize = 64 << 20;

/// How long the text of a report is at most that a script caused, in characters: it may quote what the script has made.
pub const MAX_REPORT: usize = 500;

/// Runs scripts; the driver gives one to the engine of a definition that has any.
pub trait Scripts: Send + fmt::Debug {
    /// Runs one, to its end or to a limit.
    ///
    /// # Errors
    ///
    /// It threw, or exceeded a limit; what it had set stands.
    fn run(&mut self, engine: &mut Engine, ctx: &mut Context, run: &Run) -> Result<(), Failure>;

    /// Begins an input: what its scripts may take together is whole again.
    fn begin(&mut self) {}

    /// Whether one more can run.
    fn room(&self) -> Room {
        Room::Enough
    }
}

/// Whether one more script can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It can.
    Enough,
    /// Not inside those that run already: each takes a piece of the machine's stack.
    TooDeep,
    /// The scripts of the present input have run for as long as they may together.
    TooLong(Duration),
}

/// One run of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The script.
    pub script: ScriptIx,
    /// Which of its triggers runs it, from 0.
    pub entry: u16,
    /// The author's number of the parameter or the group that runs it.
    pub trigger: i32,
    /// Its input parameters, as they were at its start.
    pub inputs: Vec<Input>,
    /// The row, of a script with `row="true"` that runs after one was set.
    pub row: Option<Arc<Row>>,
}

/// An input parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The value of a parameter.
    Value(ParamIx, Value),
    /// The cells of a table by row.
    Table(Vec<Box<[Value]>>),
    /// The cells of a column.
    Column(Vec<Value>),
    /// One that the definition does not have.
    Missing,
}

/// The row that a script runs after.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The table.
    pub table: TableIx,
    /// The primary key.
    pub key: Arc<str>,
    /// Where it stands, from 1; 0 if it is gone.
    pub position: usize,
    /// The cells before; none of a new row.
    pub old: Option<Box<[Value]>>,
    /// The cells after; none of a row that is gone.
    pub new: Option<Box<[Value]>>,
}

/// Why a script failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// One line, such as `TypeError: not a function`.
    pub text: String,
    /// File, line and column, such as `protocol.xml:17:5`; empty if that is not known.
    pub place: String,
    /// The calls that led there, a line each, the innermost first; may be empty.
    pub stack: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.text)
        } else {
            write!(f, "{}: {}", self.place, self.text)
        }
    }
}

/// How the scripts of an element are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptCounters {
    /// How often scripts ran since the start.
    pub runs: u64,
    /// How many of these failed.
    pub failures: u64,
}

/// Why something that a script asked for was not done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The value was not taken.
    #[error(transparent)]
    Rejected(Rejected),
    /// One input causes more than is allowed, and the rest is cut.
    #[error("one input caused more than {steps} steps", steps = super::MAX_STEPS)]
    Steps,
    /// See [`MAX_SET_BYTES`].
    #[error("the scripts of one input have set more than {} MiB", MAX_SET_BYTES >> 20)]
    Bytes,
}

/// Who runs the scripts of an element, and what is left of what they may do.
#[derive(Debug)]
pub(super) struct Scripting {
    /// Not here while a script runs, unless it has put another one in its place.
    host: Option<Box<dyn Scripts>>,
    /// What is below belongs to those who wait for the script that runs.
    base: usize,
    // Bound: `MAX_QUEUED_SCRIPTS`.
    queued: VecDeque<(Trigger, Call, Option<Arc<Row>>)>,
    counters: ScriptCounters,
    bytes_left: usize,
}

impl Scripting {
    /// Begins an input.
    pub(super) fn begin(&mut self) {
        self.bytes_left = MAX_SET_BYTES;
        if let Some(host) = &mut self.host {
            host.begin();
        }
    }
}

/// Whether scripts run after a parameter, after a column of it, or after the rows of its table.
pub(super) fn follow(protocol: &Protocol, param: ParamIx) -> bool {
    let has = |param| !protocol.scripts.on_param(param).is_empty();
    let described = protocol.param(param);
    let columns = described.table.is_some_and(|table| {
        let mut columns = protocol.table(table).columns.iter();
        columns.any(|column| has(column.param))
    });
    has(param) || columns || described.column.is_some_and(|(table, _)| has(protocol.table(table).param))
}

/// A text of a script without secrets; it, or what it quotes, may have been cut.
fn without_secrets(mask: &Mask, text: String) -> String {
    if mask.is_empty() {
        return text;
    }
    String::from_utf8_lossy(&mask.shown(text.as_bytes(), usize::MAX, Ends::Cut)).into_owned()
}

/// The first `limit` characters of a text; the mark at the end of one that was cut tells a [`Mask`] that it was.
pub fn cut(mut text: String, limit: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(limit) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl Engine {
    /// Gives the engine who runs its scripts, and takes back who did until now; before the start, or within [`Scripts::run`],
    /// where it stands in until that returns.
    pub fn set_scripts(&mut self, host: Box<dyn Scripts>) -> Option<Box<dyn Scripts>> {
        if let Some(scripting) = &mut self.scripting {
            return scripting.host.replace(host);
        }
        self.scripting = Some(Box::new(Scripting {
            host: Some(host),
            base: 0,
            queued: VecDeque::new(),
            counters: ScriptCounters::default(),
            bytes_left: MAX_SET_BYTES,
        }));
        None
    }

    /// Takes away who runs the scripts: no more are run.
    pub fn take_scripts(&mut self) -> Option<Box<dyn Scripts>> {
        self.scripting.as_mut().and_then(|scripting| scripting.host.take())
    }

    /// How the scripts are doing; none if the definition has none.
    pub fn script_counters(&self) -> Option<&ScriptCounters> {
        self.scripting.as_ref().map(|scripting| &scripting.counters)
    }

    /// The secrets as they are now: before a text of a script is told, the script may have set others.
    fn mask(&self) -> Mask {
        Mask::of(&self.params)
    }

    /// The scripts that run after an event.
    pub(super) fn scripts_after(&self, event: &Event) -> Option<Frame> {
        let scripts = &self.protocol.scripts;
        let on =
            |param: ParamIx| scripts.on_param(param).iter().map(move |call| (Trigger::Param(param), *call));
        let mut due: Vec<(Trigger, Call)> = on(event.param).collect();
        match &event.place {
            Place::Param | Place::Table { .. } => {}
            Place::Cell { table, .. } => {
                let rows = on(self.protocol.table(*table).param);
                due.extend(rows.filter(|(_, call)| self.protocol.script(call.script).row));
            }
            Place::Row { table, key, what: RowChange::Added | RowChange::Set, old } => {
                for (at, column) in self.protocol.table(*table).columns.iter().enumerate() {
                    let now = self.params.get_in(column.param, Some(key));
                    let before = old.as_ref().and_then(|cells| cells.get(at));
                    if before.map_or(!now.is_empty(), |before| before != now) {
                        due.extend(on(column.param));
                    }
                }
            }
            Place::Row { what: RowChange::Deleted, .. } => {}
        }
        if due.is_empty() {
            return None;
        }
        let wants_row = due.iter().any(|(_, call)| self.protocol.script(call.script).row);
        let row = if wants_row { self.row_of(event) } else { None };
        Some(Frame::Scripts { due: due.into_iter(), row, now: false })
    }

    /// The row that an event is about.
    fn row_of(&self, event: &Event) -> Option<Arc<Row>> {
        let (table, key, old) = match &event.place {
            Place::Param | Place::Table { .. } => return None,
            Place::Row { table, key, old, .. } => (*table, key, old.clone()),
            Place::Cell { table, key, column } => {
                let cells = self.params.rows(*table).get(key).map(|row| Box::from(row.cells()));
                let old = cells.map(|mut cells: Box<[Value]>| {
                    if let Some(cell) = cells.get_mut(usize::from(*column)) {
                        *cell = event.previous.clone();
                    }
                    cells
                });
                (*table, key, old)
            }
        };
        let rows = self.params.rows(table);
        let position = rows.position(key).map_or(0, |position| position + 1);
        let new = rows.get(key).map(|row| row.cells().into());
        Some(Arc::new(Row { table, key: key.clone(), position, old, new }))
    }

    /// `options="group"`: the scripts that run when a group has ended.
    pub(super) fn scripts_after_group(&mut self, group: GroupIx) {
        let calls = self.protocol.scripts.on_group(group);
        if !calls.is_empty() {
            let due: Vec<_> = calls.iter().map(|call| (Trigger::Group(group), *call)).collect();
            self.stack.push(Frame::Scripts { due: due.into_iter(), row: None, now: false });
        }
    }

    /// Puts the next queued script onto the empty stack; whether there was one.
    pub(super) fn next_queued_script(&mut self) -> bool {
        let next = self.scripting.as_mut().and_then(|scripting| scripting.queued.pop_front());
        let Some((after, call, row)) = next else { return false };
        self.stack.push(Frame::Scripts { due: vec![(after, call)].into_iter(), row, now: true });
        true
    }

    /// The rest of the work of an input was cut.
    pub(super) fn forget_queued_scripts(&mut self) {
        if let Some(scripting) = &mut self.scripting {
            scripting.queued.clear();
        }
    }

    /// Runs a script if its condition holds; a queued one only if it is taken from its queue (`now`).
    pub(super) fn call_script(
        &mut self,
        ctx: &mut Context,
        protocol: &Protocol,
        (after, call): (Trigger, Call),
        row: Option<Arc<Row>>,
        now: bool,
    ) {
        let script = protocol.script(call.script);
        let row = row.filter(|_| script.row);
        if script.queued && !now {
            self.queue_script(ctx, after, call, row);
            return;
        }
        let key = row.as_ref().map(|row| &*row.key);
        let holds = condition::allows(script.condition.as_ref(), &self.params, key);
        self.note(|| Step::Script(call.script, after, Ran::if_it(holds)));
        if !holds {
            return;
        }
        let site = Site::Script(call.script);
        if self.stack.is_full() {
            self.cut_loop(ctx, site);
            return;
        }
        let host = self.scripting.as_mut().and_then(|scripting| scripting.host.take());
        let Some(mut host) = host else {
            self.report(ctx.now, Severity::Note, Code::NotRun, &[site], |protocol| {
                format!("{} is not run", site.describe(protocol))
            });
            return;
        };
        let room = host.room();
        if room != Room::Enough {
            if let Some(scripting) = &mut self.scripting {
                scripting.host = Some(host);
            }
            self.cut_scripts(ctx, site, room);
            return;
        }
        let trigger = match after {
            Trigger::Group(group) => protocol.group(group).id.0,
            Trigger::Param(param) => protocol.param(param).id.0,
        };
        let inputs = script.inputs.iter().map(|input| self.input(protocol, *input)).collect();
        let run = Run { script: call.script, entry: call.entry, trigger, inputs, row };
        self.stack.push(Frame::Running { script: call.script });
        let base = self.stack.len();
        let outer =
            self.scripting.as_mut().map_or(0, |scripting| std::mem::replace(&mut scripting.base, base));
        let chain = self.chain;
        if let Chain::Queue(queue) = chain {
            // What a script causes is finished when the script goes on: nothing of it can be put aside.
            self.chain = Chain::Input(Some(queue));
        }
        let result = host.run(self, ctx, &run);
        self.chain = chain;
        // Its frame, unless the work was cut.
        if self.stack.len() >= base {
            self.stack.pop();
        }
        let Some(scripting) = &mut self.scripting else { return };
        scripting.base = outer;
        scripting.host = Some(host);
        scripting.counters.runs += 1;
        if let Err(mut failure) = result {
            scripting.counters.failures += 1;
            if let Some(suppressed) = self.throttle.pass(ctx.now, Code::ScriptFailed, Some(site)) {
                let mask = self.mask();
                failure.text = without_secrets(&mask, failure.text);
                failure.stack = without_secrets(&mask, failure.stack);
                let failed = ScriptFailure { script: call.script, failure, suppressed };
                self.effects.push(Effect::ScriptFailed(Box::new(failed)));
            }
        }
    }

    /// Scripts cause each other deeper than the machine's stack allows, or one input causes too much of them.
    fn cut_scripts(&mut self, ctx: &Context, last: Site, room: Room) {
        self.counters.cuts += 1;
        let path = self.stack.path(last);
        let sites: Vec<Site> = [last].into_iter().chain(path.iter().copied()).collect();
        match room {
            Room::Enough => {}
            Room::TooDeep => self.report(ctx.now, Severity::Error, Code::LoopCut, &sites, |protocol| {
                let words = stack::in_words(protocol, &path);
                format!("scripts nest deeper than the stack allows and were cut: {words}")
            }),
            Room::TooLong(limit) => self.report(ctx.now, Severity::Error, Code::WorkCut, &sites, |protocol| {
                let (script, limit) = (last.describe(protocol), limit.as_millis());
                format!("{script} was left out: the scripts of one input ran for longer than {limit} ms together")
            }),
        }
    }

    fn queue_script(&mut self, ctx: &Context, after: Trigger, call: Call, row: Option<Arc<Row>>) {
        let Some(scripting) = &mut self.scripting else { return };
        if scripting.queued.len() < MAX_QUEUED_SCRIPTS {
            scripting.queued.push_back((after, call, row));
            return;
        }
        let site = Site::Script(call.script);
        self.report(ctx.now, Severity::Warning, Code::QueueFull, &[site], |protocol| {
            format!(
                "{} was left out: {MAX_QUEUED_SCRIPTS} queued scripts wait already",
                site.describe(protocol)
            )
        });
    }

    fn input(&self, protocol: &Protocol, param: Option<ParamIx>) -> Input {
        let Some(param) = param else { return Input::Missing };
        let described = protocol.param(param);
        match (described.table, described.column) {
            (Some(table), _) => {
                Input::Table(self.params.rows(table).iter().map(|row| row.cells().into()).collect())
            }
            (None, Some((table, column))) => {
                let rows = self.params.rows(table).iter();
                let cell = |cells: &[Value]| cells.get(usize::from(column)).cloned().unwrap_or_default();
                Input::Column(rows.map(|row| cell(row.cells())).collect())
            }
            (None, None) => Input::Value(param, self.params.get(param).clone()),
        }
    }
}
