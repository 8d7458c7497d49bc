//! What an engine does because of an input, step by step, for those who try a definition out; notes nothing unless asked to.

use std::sync::Arc;

use crate::engine::codec::Set;
use crate::engine::codec::response::Fit;
use crate::engine::logic::Engine;
use crate::engine::param::Rejected;
use crate::language::model::id::{
    ActionIx, GroupIx, PairIx, ParamIx, ResponseIx, ScriptIx, SessionIx, TableIx, TriggerIx,
};
use crate::language::model::script;
use crate::value::Value;

/// How many steps of one input are kept; a chain that goes on is the same again and again.
pub const MAX_STEPS: usize = 10_000;

/// Something that the engine did, or left out.
///
/// Values are as they came, secrets among them: whoever shows them masks them.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A response read the message.
    Response {
        /// Which one.
        response: ResponseIx,
        /// How well the message fits.
        fit: Fit,
        /// What it is about to set, in order.
        sets: Vec<Set>,
        /// How many values could not be worked out.
        dropped: u32,
    },
    /// An exchange of an HTTP session read its answer.
    Answer {
        /// Of which session.
        session: SessionIx,
        /// Which exchange of it, by position.
        exchange: usize,
        /// What it is about to set, in order.
        sets: Vec<Set>,
        /// How many values could not be worked out.
        dropped: u32,
    },
    /// A parameter did not take a value.
    Rejected {
        /// Which one.
        param: ParamIx,
        /// Why.
        why: Rejected,
    },
    /// A trigger fired.
    Trigger(TriggerIx, Ran),
    /// The turn of an action came.
    Action(ActionIx, Ran),
    /// The turn of a group came.
    Group(GroupIx, Ran),
    /// The turn of a pair of a group came.
    Pair(PairIx, Ran),
    /// The turn of an HTTP session of a group came.
    Session(SessionIx, Ran),
    /// The turn of a request of an HTTP session came, by position; it is left out if its condition does not hold.
    Exchange(SessionIx, usize, Ran),
    /// The turn of a script came, and what brought it.
    Script(ScriptIx, script::Trigger, Ran),
    /// A script has set a parameter, or a cell.
    ScriptSet {
        /// Which script.
        script: ScriptIx,
        /// Which parameter.
        param: ParamIx,
        /// The row's key, of a cell.
        row: Option<Arc<str>>,
        /// To what; not yet as the parameter keeps it.
        value: Value,
    },
    /// A script has changed rows of a table.
    ScriptRows {
        /// Which script.
        script: ScriptIx,
        /// Which table.
        table: TableIx,
        /// What it did to them.
        edit: RowsEdit,
    },
}

/// What a script did to rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowsEdit {
    /// Added one, with this key.
    Added(Arc<str>),
    /// Set cells of the one with this key.
    Set(Arc<str>),
    /// Took those with these keys away.
    Deleted(Vec<Arc<str>>),
    /// Set so many.
    Filled(usize),
    /// Took all away.
    Cleared,
}

impl Step {
    /// What a message or an answer is about to set, and how many of its values could not be worked out.
    pub fn read(&self) -> Option<(&[Set], u32)> {
        let (Self::Response { sets, dropped, .. } | Self::Answer { sets, dropped, .. }) = self else {
            return None;
        };
        Some((sets, *dropped))
    }

    /// All values that this step sets, with what they are for.
    pub fn values(&self) -> impl Iterator<Item = (ParamIx, &Value)> {
        let read = self.read().map_or(&[][..], |(sets, _)| sets).iter().map(|set| (set.param, &set.value));
        let by_script = match self {
            Self::ScriptSet { param, value, .. } => Some((*param, value)),
            Self::Response { .. }
            | Self::Answer { .. }
            | Self::Rejected { .. }
            | Self::Trigger(..)
            | Self::Action(..)
            | Self::Group(..)
            | Self::Pair(..)
            | Self::Session(..)
            | Self::Exchange(..)
            | Self::Script(..)
            | Self::ScriptRows { .. } => None,
        };
        read.chain(by_script)
    }

    /// The parameter that did not take a value, and why.
    pub fn rejected(&self) -> Option<(ParamIx, &Rejected)> {
        let Self::Rejected { param, why } = self else { return None };
        Some((*param, why))
    }
}

/// Whether something ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It did.
    Yes,
    /// The condition of a trigger does not hold: what stands for that (`Id else="true"`) ran.
    Otherwise,
    /// Its condition does not hold.
    No,
}

impl Ran {
    /// [`Ran::Yes`] if a condition holds.
    pub(super) fn if_it(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// A step and when it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    /// How many effects of the same input come before it.
    pub effects_before: usize,
    /// What happened.
    pub step: Step,
}

/// The steps of the present input.
#[derive(Debug, Default)]
pub(super) struct Trace {
    // Bound: `MAX_STEPS`; further ones are counted.
    steps: Vec<Traced>,
    left_out: u64,
}

impl Engine {
    /// Notes from now on what each input causes; [`Engine::traced`] gives it.
    pub fn trace(&mut self) {
        self.trace.get_or_insert_default();
    }

    /// Takes what was noted since the last call, and how many steps are not in it; to be called before [`Engine::effects`] are
    /// taken, which the steps count.
    pub fn traced(&mut self) -> (Vec<Traced>, u64) {
        let trace = self.trace.as_mut().map(|trace| std::mem::take(&mut **trace)).unwrap_or_default();
        (trace.steps, trace.left_out)
    }

    /// Whether anybody wants to know the steps.
    pub(super) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// Notes a step of the script that runs, if anybody wants to know.
    pub(super) fn note_script(&mut self, step: impl FnOnce(ScriptIx) -> Step) {
        if self.is_traced()
            && let Some(script) = self.stack.running()
        {
            self.note(|| step(script));
        }
    }

    /// Notes a step, if anybody wants to know.
    pub(super) fn note(&mut self, step: impl FnOnce() -> Step) {
        let Some(trace) = &mut self.trace else { return };
        if trace.steps.len() < MAX_STEPS {
            trace.steps.push(Traced { effects_before: self.effects.len(), step: step() });
        } else {
            trace.left_out += 1;
        }
    }
}
