//! Runs the groups of the queues, one item at a time: conditions, pauses, forced groups; sends nothing.

use std::sync::Arc;
use std::time::Instant;

use crate::engine::codec::condition;
use crate::engine::logic::effect::{Code, Severity, Site};
use crate::engine::logic::queue::{Answers, Entry, Part, Phase, Refused, Resume, Run, Stage};
use crate::engine::logic::stack::{self, Fired, Frame};
use crate::engine::logic::state::{Chain, Held, Hold, Lane};
use crate::engine::logic::trace::{Ran, Step};
use crate::engine::logic::{Engine, MAX_ITEMS, REST, limits};
use crate::language::model::id::{CommandIx, ConnectionIx, GroupIx};
use crate::language::model::logic::{Group, GroupOp, GroupRun, Item, Time};
use crate::value::Context;

impl Engine {
    /// Puts a group where an action says; under `MakeCommandByProtocol` its commands are made now.
    pub(super) fn enqueue(&mut self, ctx: &Context, group: GroupIx, op: GroupOp) {
        let entry = self.entry(group);
        let serial = entry.serial;
        let placed = self.lane_of(group).queue.place(entry, op);
        self.enqueued(ctx, group, serial, placed);
    }

    /// An entry for a queue.
    pub(super) fn entry(&mut self, group: GroupIx) -> Entry {
        self.serial += 1;
        Entry { serial: self.serial, group, part: Part::Low, timer: None, made: Vec::new(), resume: None }
    }

    /// The queue of a group; one that the definition does not have is the main one.
    pub(super) fn lane_of(&mut self, group: GroupIx) -> &mut Lane {
        let queue = usize::from(self.protocol.group(group).queue);
        let queue = if queue < self.lanes.len() { queue } else { 0 };
        &mut self.lanes[queue]
    }

    /// What follows when a group was put into its queue, or was not; whether it was.
    pub(super) fn enqueued(
        &mut self,
        ctx: &Context,
        group: GroupIx,
        serial: u64,
        placed: Result<(), Refused>,
    ) -> bool {
        self.stirred = true;
        match placed {
            Ok(()) => {
                self.make_early(group, serial);
                true
            }
            Err(Refused::Queued) => false,
            Err(Refused::Full) => {
                self.counters.queue_full += 1;
                let site = Site::Item(Item::Group(group));
                self.report(ctx.now, Severity::Warning, Code::QueueFull, &[site], |protocol| {
                    format!("{} was left out: its queue is full", site.describe(protocol))
                });
                false
            }
        }
    }

    /// `MakeCommandByProtocol`: the triggers before its commands run now, and what they make is kept.
    fn make_early(&mut self, group: GroupIx, serial: u64) {
        let protocol = Arc::clone(&self.protocol);
        let described = protocol.group(group);
        for item in described.content.iter().rev() {
            let GroupRun::Pair(pair) = item.run else { continue };
            let pair = protocol.pair(pair);
            let connection = pair.connection.unwrap_or(described.connection);
            if !protocol.connection(connection).make_command_by_protocol {
                continue;
            }
            if let Some(command) = pair.command {
                self.stack.push(Frame::Keep { serial, command });
                self.fire(Item::Command(command), Time::Before);
            }
        }
    }

    /// Keeps what the triggers before a command made.
    pub(super) fn keep_made(&mut self, serial: u64, command: CommandIx) {
        let at = self.made.iter().position(|made| made.command == command);
        let message = at.map(|at| self.made.swap_remove(at).message);
        let entry = self.lanes.iter_mut().find_map(|lane| lane.queue.entry_mut(serial));
        if let Some(entry) = entry {
            entry.made.push((command, message));
        }
    }

    /// Lets every queue go on as far as it can now, in turns.
    pub(super) fn pump(&mut self, ctx: &mut Context) {
        if self.rest.is_some_and(|rest| rest > ctx.now) {
            return;
        }
        self.rest = None;
        if let Some(queue) = self.lock.overdue(ctx.now) {
            self.lock.release(queue, ctx.now);
            self.report(ctx.now, Severity::Warning, Code::LockReleased, &[], |_| {
                format!(
                    "queue {queue} held the lock for a minute without doing anything else: it was taken away"
                )
            });
        }
        let (mut left, mut steps) = (MAX_ITEMS, 0);
        loop {
            let mut moved = false;
            for queue in 0..self.lanes.len() {
                if left > 0 && self.advance(ctx, queue) {
                    moved = true;
                    steps += self.max_steps - self.steps;
                    left = if steps < self.max_steps { left - 1 } else { 0 };
                }
            }
            if left == 0 {
                self.rest = Some(ctx.now + REST);
                let groups = self.groups_at_work();
                self.report(ctx.now, Severity::Warning, Code::QueueBusy, &groups, |protocol| {
                    let groups = stack::in_words(protocol, &groups);
                    format!("the queues of groups never come to rest and are slowed down: {groups}")
                });
                return;
            }
            if !moved {
                break;
            }
        }
        for lane in &mut self.lanes {
            lane.queue.trim();
        }
        self.chain = Chain::Input(None);
    }

    /// The groups that run, the outermost first, and those that are next; each once.
    fn groups_at_work(&self) -> Vec<Site> {
        let mut groups: Vec<Site> = Vec::new();
        for lane in &self.lanes {
            let running = lane.queue.runs.iter().map(|run| run.entry.group);
            for group in running.chain(lane.queue.front().map(|entry| entry.group)) {
                let site = Site::Item(Item::Group(group));
                if groups.len() < stack::MAX_PATH && !groups.contains(&site) {
                    groups.push(site);
                }
            }
        }
        groups
    }

    /// When a queue can go on.
    pub(super) fn lane_wake(&self, index: usize) -> Option<Instant> {
        let lane = self.lanes.get(index)?;
        if let Some(held) = &lane.held {
            return held.until;
        }
        if let Some(run) = lane.queue.runs.last() {
            return match &run.phase {
                Phase::Exchange(exchange, _) => exchange.wake_at().max(lane.queue.pause),
                // An answer, a token and the end of a hold are told.
                Phase::Requests(_) | Phase::Begin | Phase::Item | Phase::End | Phase::Over => {
                    lane.queue.pause
                }
            };
        }
        let gap = lane.queue.front().and_then(|entry| self.gap_of(entry));
        // One that waits for the lock hears of it when the lock is given back.
        let may_run = u16::try_from(index).is_ok_and(|queue| self.lock.lets_run(queue));
        if may_run && lane.queue.has_work() { lane.queue.pause.max(gap) } else { None }
    }

    /// Until when the group of a timer waits for the interval after the one before.
    fn gap_of(&self, entry: &Entry) -> Option<Instant> {
        entry.timer.and_then(|(timer, _)| self.clocks[timer.index()].gap)
    }

    /// Does the next thing of a queue; whether there was one.
    fn advance(&mut self, ctx: &mut Context, index: usize) -> bool {
        let Ok(queue) = u16::try_from(index) else { return false };
        if self.lanes[index].held.is_some() {
            return self.resume(ctx, queue);
        }
        let lane = &mut self.lanes[index];
        if lane.queue.pause.is_some_and(|pause| pause > ctx.now) {
            return false;
        }
        lane.queue.pause = None;
        let moved = match lane.queue.runs.last() {
            None => self.begin_next(ctx, queue),
            Some(_) => self.advance_run(ctx, queue),
        };
        if moved {
            self.chain(ctx, queue);
        }
        moved
    }

    /// Runs the events of an item; `sleep` and `lock` put the rest of them aside.
    fn chain(&mut self, ctx: &mut Context, queue: u16) {
        self.chain = Chain::Queue(queue);
        self.steps = self.max_steps;
        self.run(ctx);
        if let Some(hold) = self.hold.take() {
            let until = match hold {
                Hold::Until(until) => Some(until),
                Hold::Lock => None,
            };
            let stack = std::mem::take(&mut self.stack);
            self.lanes[usize::from(queue)].held = Some(Held { stack, until });
        }
    }

    /// Goes on with what was put aside, if its time has come.
    fn resume(&mut self, ctx: &mut Context, queue: u16) -> bool {
        let lane = &mut self.lanes[usize::from(queue)];
        let due = lane.held.as_ref().is_some_and(|held| match held.until {
            Some(until) => until <= ctx.now,
            None => self.lock.is_held_by(queue),
        });
        if !due {
            return false;
        }
        if let Some(held) = lane.held.take() {
            self.stack = held.stack;
            self.chain(ctx, queue);
        }
        true
    }

    /// Takes the next group; one whose condition does not hold is gone without its triggers.
    fn begin_next(&mut self, ctx: &mut Context, queue: u16) -> bool {
        if !self.lock.lets_run(queue) && !self.is_own_queue(queue) {
            return false;
        }
        let lane = &self.lanes[usize::from(queue)];
        let gap = lane.queue.front().and_then(|entry| self.gap_of(entry));
        let queue_of = &mut self.lanes[usize::from(queue)].queue;
        let entry = match queue_of.take_forced() {
            Some(entry) => Some(entry),
            None if gap.is_some_and(|gap| gap > ctx.now) => None,
            None => queue_of.take_front(),
        };
        let Some(entry) = entry else { return false };
        self.begin_run(ctx, queue, entry);
        true
    }

    fn begin_run(&mut self, ctx: &mut Context, queue: u16, mut entry: Entry) {
        let protocol = Arc::clone(&self.protocol);
        let described = protocol.group(entry.group);
        let connection = self.connection_of(described);
        let mut answers = Answers::Nothing;
        let (item, phase) = match entry.resume.take() {
            Some(resume) => {
                answers = resume.answers;
                let phase = match resume.phase {
                    Phase::Exchange(exchange, _) => {
                        let stage = if exchange.message.is_some() { Stage::Send } else { Stage::Before };
                        Phase::Exchange(exchange, stage)
                    }
                    phase @ (Phase::Requests(_) | Phase::Begin | Phase::Item | Phase::End | Phase::Over) => {
                        phase
                    }
                };
                (resume.item, phase)
            }
            None if !condition::allows(described.condition.as_ref(), &self.params, None) => {
                self.note(|| Step::Group(entry.group, Ran::No));
                self.group_over(ctx, &entry);
                return;
            }
            None => {
                self.note(|| Step::Group(entry.group, Ran::Yes));
                (0, Phase::Begin)
            }
        };
        let run = Run { entry, connection, item, phase, stop: false, answers };
        self.lanes[usize::from(queue)].queue.runs.push(run);
    }

    /// Lets the running group of a queue wait for a connection, so that the queue goes on; `site` is what it would have run.
    ///
    /// Where too many wait for it already the group goes on running, which is reported; then false.
    pub(super) fn park(&mut self, ctx: &Context, queue: u16, connection: ConnectionIx, site: Site) -> bool {
        let (_, limit) = limits(&self.protocol, &self.options, connection);
        let lane = &mut self.lanes[usize::from(queue)];
        let Some(mut run) = lane.queue.runs.pop() else { return false };
        run.entry.resume = Some(Box::new(Resume { item: run.item, phase: run.phase, answers: run.answers }));
        let Err(mut entry) = lane.queue.park(connection, run.entry, limit) else { return true };
        if let Some(resume) = entry.resume.take() {
            lane.queue.runs.push(Run { entry, phase: resume.phase, ..run });
        }
        self.report(ctx.now, Severity::Warning, Code::LinkQueueFull, &[site], |protocol| {
            let at = Site::Item(Item::Connection(connection)).describe(protocol);
            format!("{} was left out: too many wait for {at}", site.describe(protocol))
        });
        false
    }

    /// The connection that a group runs on now.
    fn connection_of(&self, group: &Group) -> ConnectionIx {
        let by_param = group.connection_param.and_then(|param| self.params.get(param).as_number());
        let named = by_param.and_then(|number| {
            self.protocol
                .connections
                .iter()
                .map(|connection| connection.index)
                .find(|ix| u32::try_from(ix.index()).is_ok_and(|index| f64::from(index) == number))
        });
        named.unwrap_or(group.connection)
    }

    /// Does the next thing of the running group.
    fn advance_run(&mut self, ctx: &mut Context, queue: u16) -> bool {
        let lane = &mut self.lanes[usize::from(queue)];
        let Some(run) = lane.queue.runs.last_mut() else { return false };
        let group = run.entry.group;
        match &run.phase {
            Phase::Begin => {
                run.phase = Phase::Item;
                self.fire(Item::Group(group), Time::Before);
                true
            }
            Phase::Item => {
                if let Some(entry) = lane.queue.take_forced() {
                    self.begin_run(ctx, queue, entry);
                } else {
                    self.begin_item(ctx, queue);
                }
                true
            }
            Phase::Exchange(..) => self.advance_pair(ctx, queue),
            Phase::Requests(..) => self.advance_session(ctx, queue),
            Phase::End => {
                run.phase = Phase::Over;
                let answers = run.answers;
                self.fire(Item::Group(group), Time::After);
                // The last frame runs first.
                match answers {
                    Answers::Well => self.fire(Item::Group(group), Time::Succeeded),
                    Answers::TimedOut => self.fire(Item::Group(group), Time::Timeout),
                    Answers::Nothing | Answers::Lacking => {}
                }
                true
            }
            Phase::Over => {
                if let Some(run) = lane.queue.runs.pop() {
                    self.group_over(ctx, &run.entry);
                    if self.is_own_queue(queue) {
                        self.own_group_over(ctx, &run.entry, run.answers);
                    }
                }
                true
            }
        }
    }

    /// Begins the next item of the running group.
    fn begin_item(&mut self, ctx: &mut Context, queue: u16) {
        let protocol = Arc::clone(&self.protocol);
        let Some(run) = self.lanes[usize::from(queue)].queue.runs.last_mut() else { return };
        let group = run.entry.group;
        let item = protocol.group(group).content.get(run.item).filter(|_| !run.stop);
        let Some(item) = item else {
            run.phase = Phase::End;
            return;
        };
        run.item += 1;
        let fired = Fired::on(Item::Group(group));
        match item.run {
            GroupRun::Param(_) => {}
            GroupRun::Action(action) => self.stack.push(Frame::Action { action, fired, next: 0 }),
            GroupRun::Trigger(trigger) => self.stack.push(Frame::Call { trigger, fired }),
            GroupRun::Session { session, exchange } => {
                let connection = run.connection;
                self.begin_session(ctx, queue, session, exchange, connection);
                return;
            }
            GroupRun::Pair(pair) => {
                let connection = protocol.pair(pair).connection.unwrap_or(run.connection);
                self.begin_pair(ctx, queue, pair, connection);
                return;
            }
        }
        self.pause_after_item(ctx, queue, None);
    }
}
