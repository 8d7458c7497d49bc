//! The parts that the engine's state is made of: queues with what they hold up, made messages, what follows a change.

use std::time::{Duration, Instant};

use crate::engine::codec::{self, response};
use crate::engine::logic::queue::Queue;
use crate::engine::logic::script;
use crate::engine::logic::stack::Stack;
use crate::language::model::Protocol;
use crate::language::model::id::{CommandIx, GroupIx, ParamIx};
use crate::language::model::logic::{Item, Time};
use crate::language::model::param::{Param, ParamKind};

/// A queue with the chain of events of one of its items that is held up by `sleep` or `lock`.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) queue: Queue,
    pub(super) held: Option<Held>,
}

/// A chain of events that goes on later.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) stack: Stack,
    /// The time, or none for the lock.
    pub(super) until: Option<Instant>,
}

/// Why the present chain of events cannot go on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// `sleep`.
    Until(Instant),
    /// `lock`, while another queue has it.
    Lock,
}

/// Who runs the present chain of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// An input; an answer belongs to the queue whose pair waited for it.
    Input(Option<u16>),
    /// An item of a queue's running group: the chain can be held up.
    Queue(u16),
}

/// A message that was made of a command and may still be changed by actions.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) command: CommandIx,
    pub(super) message: codec::command::Outgoing,
    /// By the action `make`.
    pub(super) explicit: bool,
    /// Changed by `replace data` or `stuffing`.
    pub(super) edited: bool,
}

/// What actions have set for a pair.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PairSettings {
    pub(super) timeout: Option<Duration>,
    /// `set next` on the pair itself, wherever it stands.
    pub(super) next: Option<Duration>,
}

/// `set next` on an item of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemNext {
    pub(super) group: GroupIx,
    /// The item by position, from 0.
    pub(super) item: usize,
    pub(super) next: Duration,
}

/// Whether a set of a parameter sets others: the bits of a group, the fields of a response, the group of a write bit.
fn has_parts(described: &Param) -> bool {
    response::is_split(described) || described.kind == ParamKind::WriteBit
}

/// What a change of a parameter causes besides telling those who watch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Follow(u8);

impl Follow {
    pub(super) const CHANGE: u8 = 1;
    pub(super) const AFTER_RESPONSE: u8 = 2;
    pub(super) const SETTER: u8 = 4;
    /// Other parameters are made of it, or it is one of the bits of a group.
    pub(super) const PARTS: u8 = 8;
    /// Scripts run after it, or after one of its columns, or after the rows of its table.
    pub(super) const SCRIPTS: u8 = 16;

    pub(super) fn of(protocol: &Protocol, param: ParamIx) -> Self {
        let item = Item::Param(param);
        // A row that is set fires the triggers of its columns too.
        let table = protocol.tables.iter().find(|table| table.param == param);
        let has_columns = table.is_some_and(|table| {
            let mut columns = table.columns.iter().map(|column| Item::Param(column.param));
            columns.any(|column| !protocol.triggers_on(column, Time::Change).is_empty())
        });
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        Self(
            flag(has_columns || !protocol.triggers_on(item, Time::Change).is_empty(), Self::CHANGE)
                | flag(
                    !protocol.triggers_on(item, Time::ChangeAfterResponse).is_empty(),
                    Self::AFTER_RESPONSE,
                )
                | flag(protocol.param(param).setter.is_some(), Self::SETTER)
                | flag(has_parts(protocol.param(param)), Self::PARTS)
                | flag(!protocol.scripts.is_empty() && script::follow(protocol, param), Self::SCRIPTS),
        )
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    /// Whether nothing but the links, the store and those who watch hears of it.
    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
}
