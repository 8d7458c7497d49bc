//! What a script reaches while it runs: the engine of its element, lent for the time of a call; holds nothing between calls.

use rquickjs::{Ctx, Exception, Result};
use scoped_tls_hkt::scoped_thread_local;

use crate::engine::logic::Engine;
use crate::engine::logic::script::{Failure, Room, Run};
use crate::script::machine::State;
use crate::value::Context;

/// What a method of `protocol` works with.
pub(super) struct Lent<'a> {
    /// The element.
    pub(super) engine: &'a mut Engine,
    /// The time.
    pub(super) now: &'a mut Context,
    /// The run of the script.
    pub(super) run: &'a Run,
}

/// The JavaScript context that runs at present: further scripts run in it.
pub(super) trait Inside {
    /// Runs a script that another one has caused.
    fn run(&self, engine: &mut Engine, now: &mut Context, run: &Run) -> std::result::Result<(), Failure>;

    /// Whether there is enough of the machine's stack for one more script inside those that run.
    fn room(&self) -> Room;

    /// What the context knows of its element.
    fn state(&self) -> &State;
}

scoped_thread_local!(static mut LENT: for<'a> (&'a mut Engine, &'a mut Context, &'a Run));
scoped_thread_local!(static INSIDE: for<'a> &'a dyn Inside);

/// Lends the element to what `work` calls.
pub(super) fn lend<R>(engine: &mut Engine, now: &mut Context, run: &Run, work: impl FnOnce() -> R) -> R {
    LENT.set((engine, now, run), work)
}

/// Makes a context the one in which further scripts run.
pub(super) fn within<R>(inside: &dyn Inside, work: impl FnOnce() -> R) -> R {
    INSIDE.set(inside, work)
}

/// Works with the lent element.
///
/// # Errors
///
/// No script runs: a method of `protocol` was called while a module was being loaded. Or the element was given up.
pub(super) fn with<'js, R>(ctx: &Ctx<'js>, work: impl FnOnce(Lent<'_>) -> Result<R>) -> Result<R> {
    if !LENT.is_set() {
        let why = "the element can be used only while the function that a trigger calls is running";
        return Err(Exception::throw_message(ctx, why));
    }
    if inside(|inside| inside.state().clock.is_abandoned()) == Some(true) {
        return Err(Exception::throw_message(ctx, "interrupted"));
    }
    LENT.with(|(engine, now, run)| work(Lent { engine, now, run }))
}

/// Works with the context that runs at present; nothing if there is none.
pub(super) fn inside<R>(work: impl FnOnce(&dyn Inside) -> R) -> Option<R> {
    INSIDE.is_set().then(|| INSIDE.with(work))
}
