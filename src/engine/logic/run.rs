//! Runs the stack of nested events: change events in their order, triggers and their steps; the loop guard cuts here.

use std::sync::Arc;

use crate::engine::codec::{Gathered, Set, bits, condition, response};
use crate::engine::logic::effect::{Code, Effect, Severity, Site};
use crate::engine::logic::stack::{self, Branch, Fired, Frame, Phase, Via};
use crate::engine::logic::state::Follow;
use crate::engine::logic::timer::Clock;
use crate::engine::logic::trace::{self, Ran};
use crate::engine::logic::{Engine, MAX_DEPTH};
use crate::engine::param::change::{Event, Place, RowChange};
use crate::engine::param::{Origin, Outcome};
use crate::language::model::Protocol;
use crate::language::model::id::{ParamIx, TriggerIx};
use crate::language::model::logic::{Item, Step, Time};
use crate::language::model::param::Column;
use crate::value::Context;

impl Engine {
    /// Runs everything on the stack, until it is done, cut, or held up.
    pub(super) fn run(&mut self, ctx: &mut Context) {
        if self.stack.is_empty() {
            return;
        }
        loop {
            self.run_to(ctx, 0);
            if self.hold.is_some() || !self.next_queued_script() {
                return;
            }
        }
    }

    /// Runs what is on the stack above the first `base` frames.
    pub(super) fn run_to(&mut self, ctx: &mut Context, base: usize) {
        let protocol = Arc::clone(&self.protocol);
        while self.stack.len() > base {
            let Some(frame) = self.stack.pop() else { return };
            let Some(left) = self.steps.checked_sub(1) else {
                self.stack.push(frame);
                self.cut_work(ctx);
                return;
            };
            self.steps = left;
            self.step(ctx, &protocol, frame);
            if self.hold.is_some() {
                return;
            }
        }
    }

    fn step(&mut self, ctx: &mut Context, protocol: &Protocol, frame: Frame) {
        match frame {
            Frame::Change { event, via, phase } => self.change(ctx, event, via, phase),
            Frame::Events { mut rest } => {
                if let Some(event) = rest.next() {
                    self.stack.push(Frame::Events { rest });
                    self.raise(ctx, event);
                }
            }
            Frame::Fire { fired, time, next } => {
                if let Some(trigger) = protocol.triggers_on(fired.item, time).get(next) {
                    self.stack.push(Frame::Fire { fired: fired.clone(), time, next: next + 1 });
                    self.call(ctx, protocol, *trigger, fired);
                }
            }
            Frame::Call { trigger, fired } => self.call(ctx, protocol, trigger, fired),
            Frame::Steps { trigger, branch, fired, next } => {
                let described = protocol.trigger(trigger);
                let steps = match branch {
                    Branch::Content => &described.content,
                    Branch::Otherwise => &described.otherwise,
                };
                if let Some(step) = steps.get(next) {
                    self.stack.push(Frame::Steps { trigger, branch, fired: fired.clone(), next: next + 1 });
                    match *step {
                        Step::Action(action) => self.stack.push(Frame::Action { action, fired, next: 0 }),
                        Step::Trigger(trigger) => self.call(ctx, protocol, trigger, fired),
                    }
                }
            }
            Frame::Action { action, fired, next } => self.act(ctx, protocol, action, fired, next),
            Frame::Read { response, then } => self.read_response(ctx, response, then),
            Frame::Keep { serial, command } => self.keep_made(serial, command),
            Frame::AtOnce { group, next } => self.at_once(protocol, group, next),
            Frame::Cycle { timer, next } => self.cycle(ctx, protocol, timer, next),
            Frame::Scripts { mut due, row, now } => {
                if let Some(next) = due.next() {
                    self.stack.push(Frame::Scripts { due, row: row.clone(), now });
                    self.call_script(ctx, protocol, next, row, now);
                }
            }
            // Only left behind by a script whose work was cut.
            Frame::Running { .. } => {}
        }
    }

    /// Runs the triggers of an item, if it has any.
    pub(super) fn fire(&mut self, item: Item, time: Time) {
        self.fire_for(Fired::on(item), time);
    }

    pub(super) fn fire_for(&mut self, fired: Fired, time: Time) {
        if let (Item::Group(group), Time::After) = (fired.item, time) {
            self.scripts_after_group(group);
        }
        if !self.protocol.triggers_on(fired.item, time).is_empty() {
            self.stack.push(Frame::Fire { fired, time, next: 0 });
        }
    }

    /// Runs a trigger if its conditions hold.
    fn call(&mut self, ctx: &Context, protocol: &Protocol, trigger: TriggerIx, fired: Fired) {
        let described = protocol.trigger(trigger);
        if !condition::allows(described.guard.as_ref(), &self.params, fired.row()) {
            self.note(|| trace::Step::Trigger(trigger, Ran::No));
            return;
        }
        let holds = condition::allows(described.condition.as_ref(), &self.params, fired.row());
        let (branch, steps) = if holds {
            (Branch::Content, &described.content)
        } else {
            (Branch::Otherwise, &described.otherwise)
        };
        let ran = match branch {
            Branch::Otherwise if !steps.is_empty() => Ran::Otherwise,
            Branch::Content | Branch::Otherwise => Ran::if_it(holds),
        };
        self.note(|| trace::Step::Trigger(trigger, ran));
        if steps.is_empty() {
            return;
        }
        if self.stack.is_full() {
            self.cut_loop(ctx, Site::Trigger(trigger));
            return;
        }
        self.stack.push(Frame::Steps { trigger, branch, fired, next: 0 });
    }

    /// Begins a change event; one that no trigger and no setter follows is over at once.
    pub(super) fn raise(&mut self, ctx: &Context, event: Event) {
        self.raise_via(ctx, event, Via::Set);
    }

    fn raise_via(&mut self, ctx: &Context, event: Event, via: Via) {
        let cause = cause(&event, via);
        let follow = self.follow[event.param.index()];
        if follow.is_none() {
            self.settle(&event, cause);
            self.feed(&event);
        } else if self.stack.is_full() {
            self.cut_loop(ctx, Site::Item(Item::Param(event.param)));
            // The value is there all the same: those who watch must not show another.
            self.settle(&event, cause);
            self.feed(&event);
        } else {
            // A message that has a group has its bits too: they are among its own values.
            if follow.has(Follow::PARTS) && event.origin != Origin::Message {
                self.set_parts(ctx, event.param, cause);
            }
            self.stack.push(Frame::Change { event, via, phase: Phase::Triggers });
        }
    }

    /// Sets what a parameter is a part of and what it is made of: the group of a write bit, the bits of a group, the fields of
    /// a response. All are set now, and their events run after that of the parameter.
    fn set_parts(&mut self, ctx: &Context, param: ParamIx, cause: Origin) {
        let mut events = Vec::new();
        let mut whole = param;
        if let Some(set) = bits::merged(&self.params, param) {
            whole = set.param;
            let outcome = self.params.set(whole, set.value, Origin::Engine);
            events.push((whole, outcome));
        }
        for Set { param, value } in response::parts(&self.params, &self.layouts, whole) {
            let outcome = self.params.set(param, value, Origin::Engine);
            events.push((param, outcome));
        }
        for (param, outcome) in events.into_iter().rev() {
            match outcome {
                Outcome::Event(event) => {
                    let via = Via::Setter(cause);
                    self.stack.push(Frame::Change { event, via, phase: Phase::Triggers });
                }
                Outcome::Quiet => {}
                Outcome::Rejected(rejected) => self.report_dropped(ctx.now, param, &rejected),
            }
        }
    }

    /// The order of a change event: triggers, links, store, setter, scripts, those who watch.
    fn change(&mut self, ctx: &Context, event: Event, via: Via, phase: Phase) {
        let follow = self.follow[event.param.index()];
        let fired = || Fired { item: Item::Param(event.param), row: event.row().cloned() };
        match phase {
            Phase::Triggers => {
                let fire = follow.has(Follow::CHANGE).then(|| Frame::Fire {
                    fired: fired(),
                    time: Time::Change,
                    next: 0,
                });
                let columns = self.columns_set(&event);
                self.stack.push(Frame::Change { event, via, phase: Phase::AfterResponse });
                // The first column's triggers have to be on top, below those of the table.
                columns.into_iter().rev().for_each(|fired| self.fire_for(fired, Time::Change));
                fire.into_iter().for_each(|frame| self.stack.push(frame));
            }
            Phase::AfterResponse => {
                let is_due = follow.has(Follow::AFTER_RESPONSE) && event.origin == Origin::Message;
                let fire =
                    is_due.then(|| Frame::Fire { fired: fired(), time: Time::ChangeAfterResponse, next: 0 });
                self.stack.push(Frame::Change { event, via, phase: Phase::Settle });
                fire.into_iter().for_each(|frame| self.stack.push(frame));
            }
            Phase::Settle => {
                let cause = cause(&event, via);
                self.settle(&event, cause);
                let setter = self.protocol.param(event.param).setter;
                let copy = setter.map(|setter| (setter, event.param, event.row().cloned()));
                let phase = if follow.has(Follow::SCRIPTS) { Phase::Scripts } else { Phase::Feed };
                self.stack.push(Frame::Change { event, via, phase });
                if let Some((setter, from, row)) = copy {
                    self.copy_to_read(ctx, setter, from, row.as_deref(), cause);
                }
            }
            Phase::Scripts => {
                let scripts = self.scripts_after(&event);
                self.stack.push(Frame::Change { event, via, phase: Phase::Feed });
                scripts.into_iter().for_each(|frame| self.stack.push(frame));
            }
            Phase::Feed => self.feed(&event),
        }
    }

    /// The columns with triggers whose cells an event about a row has changed, by position.
    fn columns_set(&self, event: &Event) -> Vec<Fired> {
        let Place::Row { table, key, what: RowChange::Added | RowChange::Set, old } = &event.place else {
            return Vec::new();
        };
        let columns = self.protocol.table(*table).columns.iter().enumerate();
        let changed = columns.filter(|(at, column)| {
            let now = self.params.get_in(column.param, Some(key));
            let before = old.as_ref().and_then(|cells| cells.get(*at));
            before.map_or(!now.is_empty(), |before| before != now)
                && !self.protocol.triggers_on(Item::Param(column.param), Time::Change).is_empty()
        });
        let fired =
            |(_, column): (_, &Column)| Fired { item: Item::Param(column.param), row: Some(Arc::clone(key)) };
        changed.map(fired).collect()
    }

    /// Tells the links and the store.
    fn settle(&mut self, event: &Event, cause: Origin) {
        if event.place == Place::Param {
            self.watched(event.param, cause);
        }
        if let Some(save) = self.params.save(event) {
            self.effects.push(Effect::Save(save));
        }
    }

    /// Tells the links what a parameter of theirs is now, next to what they were told before: where events nest, the inner
    /// one has told the last value already, and what its event itself replaced may never have been told.
    fn watched(&mut self, param: ParamIx, cause: Origin) {
        let Ok(at) = self.told.binary_search_by_key(&param, |(of, _)| *of) else { return };
        let told = &mut self.told[at].1;
        let new = self.params.get(param);
        // Changed and changed back by the engine: nothing has happened for a link.
        if told == new && !cause.always_an_event() {
            return;
        }
        let old = std::mem::replace(told, new.clone());
        for connection in &self.protocol.param(param).watched_by {
            let (old, new) = (old.clone(), new.clone());
            self.effects.push(Effect::Watched { connection: *connection, param, old, new, origin: cause });
        }
    }

    /// Tells those who watch.
    fn feed(&mut self, event: &Event) {
        let change = self.params.change(event);
        self.effects.push(Effect::Change(change));
    }

    /// `setter="true"`: the read parameter takes the value, as an engine set does.
    fn copy_to_read(
        &mut self,
        ctx: &Context,
        setter: ParamIx,
        from: ParamIx,
        row: Option<&str>,
        cause: Origin,
    ) {
        let value = self.params.get_in(from, row).clone();
        match self.params.set_in(setter, row, value, Origin::Engine) {
            Outcome::Event(event) => self.raise_via(ctx, event, Via::Setter(cause)),
            // A person set the value again: no event, but that is how to force a link to open anew.
            Outcome::Quiet if cause.always_an_event() => {
                self.watched(setter, cause);
            }
            Outcome::Quiet => {}
            Outcome::Rejected(rejected) => self.report_dropped(ctx.now, setter, &rejected),
        }
    }

    /// Sets a value as the engine does and runs what it causes, ahead of what is on the stack.
    pub(super) fn set_now(&mut self, ctx: &Context, outcome: Outcome, param: ParamIx) {
        match outcome {
            Outcome::Event(event) => self.raise(ctx, event),
            Outcome::Quiet => {}
            Outcome::Rejected(rejected) => self.report_dropped(ctx.now, param, &rejected),
        }
    }

    /// Sets all values of a message first; their events run in order afterwards.
    pub(super) fn set_all(&mut self, ctx: &Context, got: Gathered, site: Site) {
        let mut events = std::mem::take(&mut self.spare);
        self.report_lost(ctx.now, &got, site);
        for set in got.sets {
            match self.params.set(set.param, set.value, Origin::Message) {
                Outcome::Event(event) => events.push(event),
                Outcome::Quiet => {}
                Outcome::Rejected(rejected) => self.report_dropped(ctx.now, set.param, &rejected),
            }
        }
        for fill in got.fills {
            events.extend(self.fill_table(ctx.now, fill, site));
        }
        if events.iter().all(|event| self.follow[event.param.index()].is_none()) {
            for event in events.drain(..) {
                self.settle(&event, event.origin);
                self.feed(&event);
            }
            self.spare = events;
        } else {
            self.stack.push(Frame::Events { rest: events.into_iter() });
        }
    }

    pub(super) fn cut_loop(&mut self, ctx: &Context, last: Site) {
        self.counters.cuts += 1;
        let path = self.stack.path(last);
        let sites: Vec<Site> = [last].into_iter().chain(path.iter().copied()).collect();
        self.report(ctx.now, Severity::Error, Code::LoopCut, &sites, |protocol| {
            let words = stack::in_words(protocol, &path);
            format!("events nest deeper than {MAX_DEPTH} and were cut: {words}")
        });
    }

    fn cut_work(&mut self, ctx: &Context) {
        self.counters.cuts += 1;
        let (path, limit) = (self.stack.whole_path(), self.max_steps);
        // The values are there all the same: links, the store and those who watch must not have others.
        while let Some(frame) = self.stack.pop() {
            match frame {
                Frame::Change { event, via, phase } => {
                    match phase {
                        Phase::Triggers | Phase::AfterResponse | Phase::Settle => {
                            self.settle(&event, cause(&event, via));
                        }
                        Phase::Scripts | Phase::Feed => {}
                    }
                    self.feed(&event);
                }
                Frame::Events { rest } => rest.for_each(|event| {
                    self.settle(&event, event.origin);
                    self.feed(&event);
                }),
                Frame::Fire { .. }
                | Frame::Steps { .. }
                | Frame::Call { .. }
                | Frame::Action { .. }
                | Frame::Read { .. }
                | Frame::Keep { .. }
                | Frame::AtOnce { .. }
                | Frame::Cycle { .. }
                | Frame::Scripts { .. }
                | Frame::Running { .. } => {}
            }
        }
        self.forget_queued_scripts();
        for clock in self.clocks.iter_mut().filter(|clock| clock.outstanding == 0) {
            Clock::cycle_ended(clock, ctx.now);
        }
        self.report(ctx.now, Severity::Error, Code::WorkCut, &path, |protocol| {
            let words = stack::in_words(protocol, &path);
            format!("one input caused more than {limit} steps and the rest was cut: {words}")
        });
    }
}

/// Who is behind an event: who set the write parameter, if it is a setter's copy.
fn cause(event: &Event, via: Via) -> Origin {
    match via {
        Via::Set => event.origin,
        Via::Setter(origin) => origin,
    }
}
