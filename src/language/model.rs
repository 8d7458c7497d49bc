//! The resolved protocol that the engine runs: immutable, shared, valid by construction; reads no XML and evaluates nothing.
//!
//! References are dense indices (`ParamIx`, ...) that are valid in the same [`Protocol`]; what the author called an item
//! (`ParamId`, ...) is kept for messages, the API and the store. `compile` is the only constructor.

#[cfg(test)]
pub(crate) mod build;
pub mod compile;
pub mod condition;
pub mod connection;
pub mod id;
pub mod logic;
pub mod message;
pub mod names;
pub mod param;
pub mod script;
pub mod template;
pub mod token;

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use crate::language::model::connection::{Connection, Session};
use crate::language::model::id::{
    ActionIx, CommandIx, GroupIx, PairIx, ParamId, ParamIx, ResponseIx, SessionIx, TableIx, TimerIx,
    TriggerIx,
};
use crate::language::model::logic::{Action, Group, Item, Pair, Time, Timer, Trigger};
use crate::language::model::message::{Command, Ignore, Response};
pub use crate::language::model::names::{Access, NameEntry};
use crate::language::model::param::{Param, Table};
use crate::language::model::script::{Script, Scripts};
use crate::language::model::token::Token;

/// One protocol definition, resolved; equal to another one if both do the same, however they are written.
#[derive(Debug, PartialEq)]
pub struct Protocol {
    /// The definition's name.
    pub name: Arc<str>,
    /// The definition's version, empty if it has none.
    pub version: Arc<str>,
    /// The connections by index (`LANGUAGE` "index": position from 0).
    pub connections: Vec<Connection>,
    /// The parameters, sorted by id.
    // Invariant: sorted by `id`, no duplicates; the same holds for every other list with an id.
    pub params: Vec<Param>,
    /// The tables: parameters of type array with their columns.
    pub tables: Vec<Table>,
    /// The commands, sorted by id.
    pub commands: Vec<Command>,
    /// The responses, sorted by id.
    pub responses: Vec<Response>,
    /// Messages that mean nothing.
    pub ignores: Vec<Ignore>,
    /// The pairs, sorted by id.
    pub pairs: Vec<Pair>,
    /// The HTTP sessions, sorted by id.
    pub sessions: Vec<Session>,
    /// The groups, sorted by id.
    pub groups: Vec<Group>,
    /// The triggers, sorted by id.
    pub triggers: Vec<Trigger>,
    /// The actions, sorted by id.
    pub actions: Vec<Action>,
    /// The timers, sorted by id.
    pub timers: Vec<Timer>,
    /// The scripts that run.
    pub scripts: Scripts,
    /// How many group execution queues an element has: the main one, one for each further thread, and our own.
    pub queues: u16,
    /// How many of the last queues are our own: they fetch tokens and run what comes before a link.
    pub own_queues: u16,
    /// What requests and links need before they go out.
    pub tokens: Vec<Token>,
    /// Which triggers fire when; see [`Protocol::triggers_on`].
    pub(crate) dispatch: HashMap<(Item, Time), Box<[TriggerIx]>>,
    /// Triggers on `each` item of a kind: what fires for an item that has no trigger of its own for the time.
    pub(crate) each: HashMap<(Discriminant<Item>, Time), Box<[TriggerIx]>>,
    /// Parameters by name in lower case: the first of that name that can be read, and the first that can be written.
    pub(crate) names: HashMap<Arc<str>, NameEntry>,
    /// For each connection the responses that a message of it is offered to, in the order in which they are tried.
    pub(crate) candidates: Vec<Box<[ResponseIx]>>,
}

impl Protocol {
    /// The triggers that fire for an item at a time, in the author's order: its own, else those on `each`.
    pub fn triggers_on(&self, item: Item, time: Time) -> &[TriggerIx] {
        let own = self.dispatch.get(&(item, time));
        // A group of ours is none of the definition's.
        let is_ours = |group| self.group(group).queue >= self.queues - self.own_queues;
        let has_each = !matches!(item, Item::Group(group) if is_ours(group));
        let each = || self.each.get(&(discriminant(&item), time)).filter(|_| has_each);
        own.or_else(each).map_or(&[], |triggers| triggers)
    }

    /// The responses that take messages of a connection, in the order of trying; those of a waiting pair go first.
    pub fn candidates(&self, connection: id::ConnectionIx) -> &[ResponseIx] {
        self.candidates.get(connection.index()).map_or(&[], |responses| responses)
    }

    /// The script at an index of this protocol.
    pub fn script(&self, ix: id::ScriptIx) -> &Script {
        // An index is only made by `compile` for the protocol that it is used with.
        &self.scripts.list[ix.index()]
    }

    /// Finds a parameter by the author's id.
    pub fn param_by_id(&self, id: ParamId) -> Option<ParamIx> {
        let at = self.params.binary_search_by_key(&id, |param| param.id).ok()?;
        ParamIx::new(at)
    }

    /// Finds a trigger by the author's id.
    pub fn trigger_by_id(&self, id: id::TriggerId) -> Option<TriggerIx> {
        let at = self.triggers.binary_search_by_key(&id, |trigger| trigger.id).ok()?;
        TriggerIx::new(at)
    }

    /// Finds a pair by the author's id.
    pub fn pair_by_id(&self, id: id::PairId) -> Option<PairIx> {
        let at = self.pairs.binary_search_by_key(&id, |pair| pair.id).ok()?;
        PairIx::new(at)
    }
}

macro_rules! lookup {
    ($($method:ident, $list:ident, $ix:ty, $item:ty;)*) => {
        impl Protocol {
            $(
                #[doc = concat!("The item of `", stringify!($list), "` at an index of this protocol.")]
                pub fn $method(&self, ix: $ix) -> &$item {
                    // An index is only made by `compile` for the protocol that it is used with.
                    &self.$list[ix.index()]
                }
            )*
        }
    };
}

lookup! {
    connection, connections, id::ConnectionIx, Connection;
    param, params, ParamIx, Param;
    table, tables, TableIx, Table;
    command, commands, CommandIx, Command;
    response, responses, ResponseIx, Response;
    pair, pairs, PairIx, Pair;
    session, sessions, SessionIx, Session;
    group, groups, GroupIx, Group;
    trigger, triggers, TriggerIx, Trigger;
    action, actions, ActionIx, Action;
    timer, timers, TimerIx, Timer;
}
