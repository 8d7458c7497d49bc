//! Nested events as values: what is left to do, the innermost on top, and the guard that cuts loops; runs nothing.

use std::sync::Arc;

use crate::engine::logic::effect::Site;
use crate::engine::logic::script::Row;
use crate::engine::param::Origin;
use crate::engine::param::change::Event;
use crate::engine::session::Received;
use crate::language::model::Protocol;
use crate::language::model::id::{ActionIx, CommandIx, GroupIx, ResponseIx, ScriptIx, TimerIx, TriggerIx};
use crate::language::model::logic::{Item, Time};
use crate::language::model::script::{Call, Trigger};

/// How deep sets and triggers nest before the rest is cut.
pub const MAX_DEPTH: usize = 200;

/// How many parts of a loop's path a report names.
pub(super) const MAX_PATH: usize = 24;

/// Something that is left to do.
#[derive(Debug)]
pub(super) enum Frame {
    /// The rest of a change event.
    Change { event: Event, via: Via, phase: Phase },
    /// Change events of one message, one after the other.
    Events { rest: std::vec::IntoIter<Event> },
    /// The triggers of an item, from the `next` one.
    Fire { fired: Fired, time: Time, next: usize },
    /// The steps of a trigger, from the `next` one.
    Steps { trigger: TriggerIx, branch: Branch, fired: Fired, next: usize },
    /// A trigger that is called.
    Call { trigger: TriggerIx, fired: Fired },
    /// An action on its targets, from the `next` one; its condition is looked at before the first.
    Action { action: ActionIx, fired: Fired, next: usize },
    /// A message whose response has its `before` triggers behind it.
    Read { response: ResponseIx, then: Option<(u16, Received)> },
    /// Keeps what `before command` made for a group that was queued.
    Keep { serial: u64, command: CommandIx },
    /// A group that a timer runs at once, from the `next` item.
    AtOnce { group: GroupIx, next: usize },
    /// The cycle of a timer, from the `next` group.
    Cycle { timer: TimerIx, next: usize },
    /// Scripts, one after the other, each with what it runs after; `now` if they are taken from the list of queued ones.
    Scripts { due: std::vec::IntoIter<(Trigger, Call)>, row: Option<Arc<Row>>, now: bool },
    /// A script that runs: what it causes is above.
    Running { script: ScriptIx },
}

/// How a parameter came to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// By itself.
    Set,
    /// As the copy of a write parameter, or a part of another one, that was set by this one.
    Setter(Origin),
}

/// What of a change event is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Triggers on the parameter at `change`.
    Triggers,
    /// Triggers at `change after response`.
    AfterResponse,
    /// Links, the store, then the setter.
    Settle,
    /// Scripts.
    Scripts,
    /// Those who watch.
    Feed,
}

/// Which content of a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// The condition holds.
    Content,
    /// It does not.
    Otherwise,
}

/// What a trigger fired for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fired {
    /// The item.
    pub(super) item: Item,
    /// The row, if the item is a column or a table.
    pub(super) row: Option<Arc<str>>,
}

impl Fired {
    /// An item without a row.
    pub(super) fn on(item: Item) -> Self {
        Self { item, row: None }
    }

    /// The key of the row.
    pub(super) fn row(&self) -> Option<&str> {
        self.row.as_deref()
    }
}

impl Frame {
    /// Whether the frame is a level of nesting: a trigger, the copy of a setter or a part; all loops pass through one of them.
    fn is_level(&self) -> bool {
        match self {
            Self::Change { via: Via::Setter(_), .. } | Self::Steps { .. } | Self::Running { .. } => true,
            Self::Change { via: Via::Set, .. }
            | Self::Events { .. }
            | Self::Fire { .. }
            | Self::Call { .. }
            | Self::Action { .. }
            | Self::Read { .. }
            | Self::Keep { .. }
            | Self::AtOnce { .. }
            | Self::Cycle { .. }
            | Self::Scripts { .. } => false,
        }
    }

    /// The part of the definition that the frame stands for in a path.
    fn site(&self) -> Option<Site> {
        match self {
            Self::Change { event, .. } => Some(Site::Item(Item::Param(event.param))),
            Self::Steps { trigger, .. } => Some(Site::Trigger(*trigger)),
            Self::Action { action, .. } => Some(Site::Action(*action)),
            Self::AtOnce { group, .. } => Some(Site::Item(Item::Group(*group))),
            Self::Cycle { timer, .. } => Some(Site::Item(Item::Timer(*timer))),
            Self::Running { script } => Some(Site::Script(*script)),
            Self::Events { .. }
            | Self::Fire { .. }
            | Self::Call { .. }
            | Self::Read { .. }
            | Self::Keep { .. }
            | Self::Scripts { .. } => None,
        }
    }
}

/// What is left to do.
#[derive(Debug, Default)]
pub(super) struct Stack {
    frames: Vec<Frame>,
    // Invariant: how many of `frames` are levels.
    levels: usize,
}

impl Stack {
    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How much is left.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether one more level would be too deep.
    pub(super) fn is_full(&self) -> bool {
        self.levels >= MAX_DEPTH
    }

    /// Puts a frame on top; it runs before all others.
    pub(super) fn push(&mut self, frame: Frame) {
        self.levels += usize::from(frame.is_level());
        self.frames.push(frame);
    }

    /// Takes the frame on top.
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop()?;
        self.levels -= usize::from(frame.is_level());
        Some(frame)
    }

    /// Whether the message of a response is read once the triggers before it have run.
    pub(super) fn is_read_later(&self, of: ResponseIx) -> bool {
        self.frames.iter().any(|frame| match frame {
            Frame::Read { response, .. } => *response == of,
            Frame::Change { .. }
            | Frame::Events { .. }
            | Frame::Fire { .. }
            | Frame::Steps { .. }
            | Frame::Call { .. }
            | Frame::Action { .. }
            | Frame::Keep { .. }
            | Frame::AtOnce { .. }
            | Frame::Cycle { .. }
            | Frame::Scripts { .. }
            | Frame::Running { .. } => false,
        })
    }

    /// The script that runs, if nothing that it caused is left.
    pub(super) fn running(&self) -> Option<ScriptIx> {
        let Some(Frame::Running { script }) = self.frames.last() else { return None };
        Some(*script)
    }

    /// Gives the memory of an empty stack back if it is much.
    pub(super) fn trim(&mut self) {
        if self.frames.is_empty() && self.frames.capacity() > 16 {
            self.frames = Vec::new();
        }
    }

    /// The parts that are at work, the outermost first.
    pub(super) fn whole_path(&self) -> Vec<Site> {
        self.frames.iter().filter_map(Frame::site).take(MAX_PATH).collect()
    }

    /// The parts that lead to `last`: from its last occurrence if it is a loop, the nearest ones otherwise.
    pub(super) fn path(&self, last: Site) -> Vec<Site> {
        let sites: Vec<Site> = self.frames.iter().filter_map(Frame::site).collect();
        let from = sites.iter().rposition(|site| *site == last).unwrap_or(0);
        let from = from.max(sites.len().saturating_sub(MAX_PATH));
        sites[from..].iter().copied().chain([last]).collect()
    }
}

/// A path in words: `parameter 12 -> trigger 5 -> action 7 -> parameter 12`.
pub(super) fn in_words(protocol: &Protocol, path: &[Site]) -> String {
    let parts: Vec<String> = path.iter().map(|site| site.describe(protocol)).collect();
    parts.join(" -> ")
}
