//! One JavaScript engine for one element: made on first use, bounded in memory, stack and time; knows no method of `protocol`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rquickjs::context::intrinsic;
use rquickjs::{Context, Ctx, Error, Exception, Function, Result, Runtime, Value as Js};

use crate::engine::logic::Engine;
use crate::engine::logic::effect::Severity;
use crate::engine::logic::script::{Failure, Room, Run};
use crate::language::model::id::ScriptIx;
use crate::language::model::script::{Dialect, Script};
use crate::script::clock::Clock;
use crate::script::failure::{Map, Thrown, caught};
use crate::script::host::{Limits, Nested, Plan};
use crate::script::lent::{self, Inside};
use crate::script::source::{Files, Found, Names, Texts, classic, sloppy, text_of};
use crate::script::{log, methods, parameters, values};
use crate::value;

/// How many microtasks follow one run; a promise that makes another one each time would go on until the time limit.
const MAX_JOBS: u32 = 100_000;

/// What a script may use of the language: everything but a clock finer than a millisecond.
type Language = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
    intrinsic::WeakRef,
);

/// Bounds what cannot be interrupted.
const GUARD: &str = include_str!("guard.js");

/// How many promises are remembered that were rejected in one run.
const MAX_REJECTED: usize = 16;

/// Promises that were rejected and that nobody has handled so far: each with its reason behind it.
type Rejected<'js> = RefCell<Vec<Js<'js>>>;

/// A function of a script, in the list that is kept in the JavaScript context: where it is; the object that it is called on follows.
type Slot = usize;

/// What a context knows of its element; everything else is in JavaScript.
#[derive(Debug)]
pub(super) struct State {
    pub(super) plan: Arc<Plan>,
    pub(super) clock: Arc<Clock>,
    /// For each script, for each of its triggers: its function, once it was loaded.
    loaded: RefCell<Vec<Option<Box<[Option<Slot>]>>>>,
    /// The files of `include` that have run: several scripts may name one, and its declarations stand once.
    included: RefCell<BTreeSet<Arc<str>>>,
    /// How long the outermost script may run.
    limit: Cell<Duration>,
    /// How many scripts run inside each other.
    depth: Cell<usize>,
    /// When lines were written last, how many since, and how many were left out.
    pub(super) lines: Cell<Option<(Instant, u32, u64)>>,
    /// Where the stack of the thread was when the outermost script began.
    top: Cell<usize>,
    /// It may be short of memory, or was interrupted in the middle of something: another one is made for the next run.
    spoilt: Cell<bool>,
}

/// One JavaScript engine.
pub(super) struct Machine {
    context: Context,
    state: State,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("state", &self.state).finish_non_exhaustive()
    }
}

/// A context, bounded, with a loader; the clock stops what runs too long.
pub(super) fn context(
    limits: &Limits,
    clock: &Arc<Clock>,
    files: Files<impl Texts + 'static>,
) -> Result<Context> {
    let runtime = Runtime::new()?;
    runtime.set_memory_limit(limits.memory);
    runtime.set_max_stack_size(Limits::STACK);
    runtime.set_loader(Names, files);
    let watch = Arc::clone(clock);
    runtime.set_interrupt_handler(Some(Box::new(move || watch.is_over())));
    let context = Context::custom::<Language>(&runtime)?;
    context.with(|ctx| values::own::<()>(&ctx, GUARD))?;
    Ok(context)
}

/// The modules of a plan.
struct Planned(Arc<Plan>);

impl Texts for Planned {
    fn text(&mut self, path: &str) -> std::result::Result<Arc<str>, String> {
        let text = self.0.protocol.scripts.files.get(path);
        text.cloned().ok_or_else(|| format!("there is no file `{path}`"))
    }
}

impl Machine {
    /// Makes an engine with `protocol` in it; no script has run in it.
    pub(super) fn new(plan: &Arc<Plan>, clock: &Arc<Clock>) -> std::result::Result<Self, Failure> {
        let failed = |text: &str| Failure { text: text.to_owned(), ..Failure::default() };
        let files = Files::new(Planned(Arc::clone(plan)), &plan.protocol.scripts);
        let context = context(&plan.limits, clock, files);
        let context = context.map_err(|error| failed(&error.to_string()))?;
        context.runtime().set_host_promise_rejection_tracker(Some(Box::new(note_rejection)));
        let made = context.with(|ctx| {
            let _ = ctx.store_userdata(Rejected::default());
            let made = methods::install(&ctx, plan).map(|protocol| {
                // Nothing is borrowed: the context is new.
                let _ = ctx.store_userdata::<Vec<Js<'_>>>(vec![protocol.into_value()]);
            });
            caught(&ctx, made)
        });
        made.map_err(|thrown| failed(&thrown.text))?;
        let scripts = plan.protocol.scripts.list.len();
        let state = State {
            plan: Arc::clone(plan),
            clock: Arc::clone(clock),
            loaded: RefCell::new(vec![None; scripts]),
            included: RefCell::default(),
            limit: Cell::new(Duration::ZERO),
            depth: Cell::new(0),
            lines: Cell::new(None),
            top: Cell::new(0),
            spoilt: Cell::new(false),
        };
        Ok(Self { context, state })
    }

    /// Whether another one has to be made for the next run.
    pub(super) fn is_spoilt(&self) -> bool {
        self.state.spoilt.get()
    }

    /// Runs a script, for as long as one may run and no longer than `left`.
    pub(super) fn run(
        &self,
        engine: &mut Engine,
        now: &mut value::Context,
        run: &Run,
        left: Duration,
    ) -> std::result::Result<(), Failure> {
        self.state.top.set(stack_pointer());
        self.state.limit.set(left.min(self.state.plan.limits.time));
        self.context.with(|ctx| {
            let inside = In { ctx, state: &self.state };
            lent::within(&inside, || inside.run(engine, now, run))
        })
    }
}

/// A context that is in use.
struct In<'a, 'js> {
    ctx: Ctx<'js>,
    state: &'a State,
}

impl Inside for In<'_, '_> {
    fn run(
        &self,
        engine: &mut Engine,
        now: &mut value::Context,
        run: &Run,
    ) -> std::result::Result<(), Failure> {
        let clock = &self.state.clock;
        // Of a run that is over there is only as much left as it takes to notice.
        if clock.is_over() {
            return Err(self.failure(thrown("interrupted")));
        }
        let outer = clock.begin(self.state.limit.get());
        self.state.depth.update(|depth| depth + 1);
        let result = self.call(engine, now, run);
        self.state.depth.update(|depth| depth - 1);
        clock.end(outer);
        result.map_err(|thrown| self.failure(thrown))
    }

    fn room(&self) -> Room {
        let used = self.state.top.get().abs_diff(stack_pointer());
        if used < self.state.plan.limits.nested() { Room::Enough } else { Room::TooDeep }
    }

    fn state(&self) -> &State {
        self.state
    }
}

impl<'js> In<'_, 'js> {
    fn call(
        &self,
        engine: &mut Engine,
        now: &mut value::Context,
        run: &Run,
    ) -> std::result::Result<(), Thrown> {
        let ctx = &self.ctx;
        let slot = self.slot(run.script, run.entry)?;
        let (protocol, function, this) = match ctx.userdata::<Vec<Js<'js>>>() {
            Some(list) => {
                let at =
                    |slot: usize| list.get(slot).cloned().unwrap_or_else(|| Js::new_undefined(ctx.clone()));
                (at(0), at(slot), at(slot + 1))
            }
            None => return Err(thrown("the script was not loaded")),
        };
        let Some(function) = function.as_function().cloned() else {
            return Err(thrown("the script was not loaded"));
        };
        // Further scripts that this one causes run in this context.
        let stand_in = engine.set_scripts(Box::new(Nested));
        drop(stand_in);
        lent::lend(engine, now, run, || {
            let arguments = parameters::inputs(ctx, &self.state.plan, run, protocol);
            let result: Result<Js<'js>> = arguments.and_then(|mut arguments| {
                arguments.this(this)?;
                function.call_arg(arguments)
            });
            let result = caught(ctx, result);
            // Also after a throw: what promises have left behind belongs to this run, and not to the next one.
            let drained = self.drain();
            let result = result.and_then(|result| drained.and_then(|()| self.settle(&result)));
            if self.state.depth.get() == 1 {
                self.tell_rejections();
            }
            result
        })
    }

    /// Runs what promises have left behind.
    fn drain(&self) -> std::result::Result<(), Thrown> {
        let mut left = MAX_JOBS;
        while self.ctx.execute_pending_job() {
            left = left.saturating_sub(1);
            if left == 0 || self.state.clock.is_over() {
                self.state.spoilt.set(true);
                return Err(thrown("it goes on without end: its promises make further ones"));
            }
        }
        Ok(())
    }

    /// What became of a script that gave a promise; one that is never kept is a failure.
    fn settle(&self, result: &Js<'js>) -> std::result::Result<(), Thrown> {
        let Some(promise) = result.as_promise() else { return Ok(()) };
        // That it was rejected is told as the failure of the script.
        handle_rejection(&self.ctx, result);
        match promise.result::<Js<'js>>() {
            Some(result) => caught(&self.ctx, result).map(|_| ()),
            None => Err(thrown(
                "it waits for something that never comes: nothing but `protocol` is there to wait for",
            )),
        }
    }

    /// How long the list of rejected promises is.
    fn rejected(&self) -> usize {
        self.ctx.userdata::<Rejected<'_>>().map_or(0, |rejected| rejected.borrow().len())
    }

    /// Tells of promises that were rejected while nobody waited for them.
    fn tell_rejections(&self) {
        let rejected = match self.ctx.userdata::<Rejected<'js>>() {
            Some(rejected) => rejected.take(),
            None => return,
        };
        for pair in rejected.chunks_exact(2) {
            let reason = caught::<()>(&self.ctx, Err(self.ctx.throw(pair[1].clone())));
            let Err(thrown) = reason else { continue };
            let text =
                format!("a promise was rejected and nobody handled it: {}", self.map().failure(thrown));
            // The element was given up: nobody is told anything.
            let _ = caught(&self.ctx, log::write_line(&self.ctx, Severity::Warning, text));
        }
    }

    /// The function of a script for one of its triggers; the script is loaded when it runs for the first time.
    fn slot(&self, script: ScriptIx, entry: u16) -> std::result::Result<Slot, Thrown> {
        let described = self.state.plan.protocol.script(script);
        let entry = usize::from(entry);
        let known = |loaded: &Vec<Option<Box<[Option<Slot>]>>>| {
            let slots = loaded.get(script.index())?.as_ref()?;
            Some(slots.get(entry).copied().flatten())
        };
        let found = known(&self.state.loaded.borrow());
        let found = match found {
            Some(found) => found,
            None => {
                let before = self.rejected();
                let slots = caught(&self.ctx, self.load(described));
                if let (Err(_), Some(rejected)) = (&slots, self.ctx.userdata::<Rejected<'_>>()) {
                    // They are told as the failure of the script.
                    rejected.borrow_mut().truncate(before);
                }
                let slots = slots?;
                let slot = slots.get(entry).copied().flatten();
                if let Some(place) = self.state.loaded.borrow_mut().get_mut(script.index()) {
                    *place = Some(slots);
                }
                slot
            }
        };
        found.ok_or_else(|| thrown(&format!("the script has no function `{}`", described.entry(entry))))
    }

    /// Loads a script: runs the statements of a module once, and finds its functions.
    fn load(&self, script: &Script) -> Result<Box<[Option<Slot>]>> {
        let wanted = script.triggers.len().max(1);
        let functions: Vec<Option<(Function<'js>, Js<'js>)>> = match script.dialect {
            Dialect::Module => {
                let found = Found::load(&self.ctx, script)?;
                (0..wanted).map(|at| found.entry(&self.ctx, script.entry(at))).collect::<Result<_>>()?
            }
            Dialect::Classic => {
                for file in &script.includes {
                    self.include(&file.path)?;
                }
                let text = text_of(script, &self.state.plan.protocol.scripts);
                let text = text.map_err(|why| Exception::throw_reference(&self.ctx, &why))?;
                let function = classic(&self.ctx, script, &text)?;
                let this = Js::new_undefined(self.ctx.clone());
                vec![Some((function, this)); wanted]
            }
        };
        let Ok(Some(mut list)) = self.ctx.remove_userdata::<Vec<Js<'js>>>() else {
            return Err(Exception::throw_message(&self.ctx, "the script cannot be kept"));
        };
        let slots = functions
            .into_iter()
            .map(|function| {
                let (function, this) = function?;
                list.push(function.into_value());
                list.push(this);
                Some(list.len() - 2)
            })
            .collect();
        // Nothing is borrowed: it was taken out just now.
        let _ = self.ctx.store_userdata(*list);
        Ok(slots)
    }

    /// Runs a file of `include`, unless it has run.
    fn include(&self, path: &Arc<str>) -> Result<()> {
        if self.state.included.borrow().contains(path) {
            return Ok(());
        }
        let text = self.state.plan.protocol.scripts.files.get(path).cloned().unwrap_or_default();
        // Its functions are no arguments of a script's: what they call stands where all see it.
        if let Some(list) = self.ctx.userdata::<Vec<Js<'js>>>() {
            self.ctx.globals().set("SLScript", list.first().cloned())?;
        }
        self.ctx.eval_with_options::<(), _>(text.as_bytes(), sloppy(path))?;
        self.state.included.borrow_mut().insert(Arc::clone(path));
        Ok(())
    }

    fn map(&self) -> Map<'_> {
        let scripts = &self.state.plan.protocol.scripts;
        Map { definition: &scripts.definition, scripts }
    }

    fn failure(&self, mut thrown: Thrown) -> Failure {
        let limits = &self.state.plan.limits;
        if self.state.clock.has_expired() && thrown.text.contains("interrupted") {
            thrown.text = if self.state.limit.get() < limits.time {
                let limit = limits.input().as_millis();
                format!("stopped: the scripts of one input ran for longer than {limit} ms together")
            } else {
                format!("stopped: it ran for longer than {} ms", limits.time.as_millis())
            };
        }
        // A script that has filled its memory, or was stopped between two thoughts, must not fail for ever.
        let spoilt = self.state.clock.has_expired() || thrown.text.contains("out of memory");
        self.state.spoilt.set(self.state.spoilt.get() || spoilt);
        self.map().failure(thrown)
    }
}

/// A promise was rejected while nobody waited for it, or somebody has begun to.
fn note_rejection<'js>(ctx: Ctx<'js>, promise: Js<'js>, reason: Js<'js>, is_handled: bool) {
    if is_handled {
        handle_rejection(&ctx, &promise);
        return;
    }
    let Some(rejected) = ctx.userdata::<Rejected<'js>>() else { return };
    let mut rejected = rejected.borrow_mut();
    if rejected.len() < 2 * MAX_REJECTED {
        rejected.extend([promise, reason]);
    }
}

/// Forgets that a promise was rejected.
fn handle_rejection<'js>(ctx: &Ctx<'js>, promise: &Js<'js>) {
    let Some(rejected) = ctx.userdata::<Rejected<'js>>() else { return };
    let mut rejected = rejected.borrow_mut();
    let at = rejected.chunks_exact(2).position(|pair| pair[0] == *promise);
    at.into_iter().for_each(|at| _ = rejected.drain(2 * at..2 * at + 2));
}

/// About where the stack of the thread is. QuickJS counts its own calls anew in each call from outside, so that it cannot
/// see how deep scripts nest in each other.
#[inline(never)]
fn stack_pointer() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

fn thrown(text: &str) -> Thrown {
    Thrown { text: text.to_owned(), calls: Vec::new() }
}

impl From<Error> for Thrown {
    fn from(error: Error) -> Self {
        thrown(&error.to_string())
    }
}
