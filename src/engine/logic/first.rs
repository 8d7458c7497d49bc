//! The values that an element starts with: facts, settings, what was saved, also when that comes late; knows no store.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::codec::{Set, bits, response};
use crate::engine::logic::effect::Effect;
use crate::engine::logic::report::dropped;
use crate::engine::logic::stack::Frame;
use crate::engine::logic::state::Follow;
use crate::engine::logic::{Engine, First, Life};
use crate::engine::param::change::Save;
use crate::engine::param::startup::{self, Setting, Start, Stored};
use crate::engine::param::{Fill, Origin, Outcome};
use crate::language::model::id::ParamIx;
use crate::value::Context;

impl Engine {
    /// What was saved, where the store could not be read at the start ([`First::unread`]); it has no effect a second time.
    ///
    /// Takes what would have been there at the start, except for what was set or deleted since then. All of it is set, then
    /// the events of what differs run, as of sets by the engine: links move to the address that was saved.
    pub fn restore(&mut self, ctx: &mut Context, first: First) {
        if self.life != Life::Running || !self.params.is_unread() {
            return;
        }
        self.begin();
        let protocol = Arc::clone(&self.protocol);
        let settings: HashMap<ParamIx, Setting> = first.settings.into_iter().collect();
        let mut events = Vec::new();
        for (param, stored) in first.stored {
            let described = protocol.param(param);
            if !described.save || first.facts.of(described.kind).is_some() || self.params.was_set(param) {
                continue;
            }
            let start =
                startup::choose(described.save, settings.get(&param), &stored, described.default.as_ref());
            if start.external {
                continue;
            }
            match self.params.restore(param, start.value.clone().unwrap_or_default()) {
                Outcome::Event(event) => events.push(event),
                Outcome::Quiet => {}
                Outcome::Rejected(rejected) => {
                    self.effects.push(Effect::Report(dropped(&protocol, param, &rejected)));
                    continue;
                }
            }
            self.keep_first(param, &start);
        }
        for (table, rows) in first.rows {
            match self.params.restore_rows(table, rows) {
                Outcome::Event(event) => events.push(event),
                Outcome::Quiet => {}
                Outcome::Rejected(rejected) => {
                    let param = protocol.table(table).param;
                    self.effects.push(Effect::Report(dropped(&protocol, param, &rejected)));
                }
            }
        }
        events.extend(self.params.restored());
        self.stack.push(Frame::Events { rest: events.into_iter() });
        self.run(ctx);
        self.stirred = true;
        self.finish(ctx);
    }

    /// What of a first value goes into the store.
    fn keep_first(&mut self, param: ParamIx, start: &Start) {
        if start.store_value {
            let value = self.params.get(param).clone();
            self.effects.push(Effect::Save(Save::Value { param, value }));
        }
        if start.remember.is_some() {
            self.effects.push(Effect::Remember { param });
        }
    }

    pub(super) fn first_values(&mut self, first: First) {
        let protocol = Arc::clone(&self.protocol);
        let mut stored: HashMap<ParamIx, Stored> = first.stored.into_iter().collect();
        let settings: HashMap<ParamIx, Setting> = first.settings.into_iter().collect();
        let params: Vec<ParamIx> = self.params.standalone().collect();
        for param in params {
            let described = protocol.param(param);
            if let Some(fact) = first.facts.of(described.kind) {
                let _quiet_at_the_start = self.params.set(param, fact, Origin::Startup);
                continue;
            }
            let stored = stored.remove(&param).unwrap_or_default();
            let start =
                startup::choose(described.save, settings.get(&param), &stored, described.default.as_ref());
            if start.external {
                self.params.mark_external(param);
            }
            if let Some(value) = start.value.clone()
                && let Outcome::Rejected(rejected) = self.params.set(param, value, Origin::Startup)
            {
                self.effects.push(Effect::Report(dropped(&protocol, param, &rejected)));
                // Rather what was saved, or the default, than nothing.
                let saved = stored.value.filter(|_| described.save);
                let fits =
                    |value| !matches!(self.params.set(param, value, Origin::Startup), Outcome::Rejected(_));
                let _found = saved.into_iter().chain(described.default.clone()).any(fits);
                continue;
            }
            self.keep_first(param, &start);
        }
        self.first_parts();
        if first.unread {
            self.params.wait_for_saved();
        }
        for (table, rows) in first.rows {
            let _quiet_at_the_start = self.params.fill(table, rows, Fill::Replace, Origin::Startup);
        }
    }

    /// The bits of groups: a group without a value of its own is made of its write bits, and its read bits are cut out of it.
    fn first_parts(&mut self) {
        let params: Vec<ParamIx> =
            self.params.standalone().filter(|param| self.follow[param.index()].has(Follow::PARTS)).collect();
        let empty: Vec<ParamIx> =
            params.iter().copied().filter(|param| self.params.get(*param).is_empty()).collect();
        for bit in &params {
            let merged = bits::merged(&self.params, *bit).filter(|set| empty.contains(&set.param));
            if let Some(Set { param, value }) = merged {
                let _quiet_at_the_start = self.params.set(param, value, Origin::Startup);
            }
        }
        for whole in params {
            if self.params.get(whole).is_empty() {
                continue;
            }
            for Set { param, value } in response::parts(&self.params, &self.layouts, whole) {
                if self.params.get(param).is_empty() {
                    let _quiet_at_the_start = self.params.set(param, value, Origin::Startup);
                }
            }
        }
    }
}
