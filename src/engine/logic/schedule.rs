//! Cycles of timers: which groups go into the queue, which run at once, when a cycle ends; reads no clock.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::codec::condition;
use crate::engine::logic::effect::{Code, Severity, Site};
use crate::engine::logic::queue::Entry;
use crate::engine::logic::stack::{Fired, Frame};
use crate::engine::logic::timer;
use crate::engine::logic::{Engine, Life};
use crate::language::model::Protocol;
use crate::language::model::id::{ActionIx, GroupIx, TimerIx};
use crate::language::model::logic::{GroupKind, GroupRun, Item, Time, TimerOp};
use crate::language::model::param::Wait;
use crate::value::{Context, Value};

impl Engine {
    /// Begins the cycle of every timer that is due.
    pub(super) fn fire_timers(&mut self, ctx: &mut Context) {
        let protocol = Arc::clone(&self.protocol);
        for index in 0..self.clocks.len() {
            let Some(timer) = TimerIx::new(index) else { continue };
            if !self.clocks[index].due(ctx.now, &mut self.counters.skipped_cycles) {
                continue;
            }
            self.begin_cycle(ctx, &protocol, timer);
            self.run(ctx);
        }
    }

    fn begin_cycle(&mut self, ctx: &Context, protocol: &Protocol, timer: TimerIx) {
        if !condition::allows(protocol.timer(timer).condition.as_ref(), &self.params, None) {
            self.clocks[timer.index()].cycle_ended(ctx.now);
            return;
        }
        if self.lanes.iter().any(|lane| lane.queue.has_of_timer(timer)) {
            self.counters.skipped_cycles += 1;
            return;
        }
        self.stack.push(Frame::Cycle { timer, next: 0 });
        self.fire(Item::Timer(timer), Time::Before);
    }

    /// The next group of a cycle: into the queue, or at once.
    pub(super) fn cycle(&mut self, ctx: &Context, protocol: &Protocol, timer: TimerIx, next: usize) {
        let Some(item) = protocol.timer(timer).groups.get(next) else {
            if self.clocks[timer.index()].outstanding == 0 {
                self.cycle_over(ctx, timer);
            }
            return;
        };
        self.stack.push(Frame::Cycle { timer, next: next + 1 });
        match protocol.group(item.group).kind {
            GroupKind::Action | GroupKind::Trigger => {
                self.stack.push(Frame::AtOnce { group: item.group, next: 0 });
            }
            GroupKind::Poll | GroupKind::PollAction | GroupKind::PollTrigger => {
                let entry = Entry { timer: Some((timer, next)), ..self.entry(item.group) };
                let serial = entry.serial;
                let placed = self.lane_of(item.group).queue.place_timed(entry);
                if self.enqueued(ctx, item.group, serial, placed) {
                    self.clocks[timer.index()].outstanding += 1;
                }
            }
        }
    }

    /// A group that a timer runs without the queue: what needs a link is not run this way.
    pub(super) fn at_once(&mut self, protocol: &Protocol, group: GroupIx, next: usize) {
        let described = protocol.group(group);
        let fired = Fired::on(Item::Group(group));
        let Some(at) = next.checked_sub(1) else {
            if condition::allows(described.condition.as_ref(), &self.params, None) {
                self.stack.push(Frame::AtOnce { group, next: 1 });
                self.fire_for(fired, Time::Before);
            }
            return;
        };
        let Some(item) = described.content.get(at) else {
            self.fire_for(fired, Time::After);
            return;
        };
        self.stack.push(Frame::AtOnce { group, next: next + 1 });
        match item.run {
            GroupRun::Action(action) => self.stack.push(Frame::Action { action, fired, next: 0 }),
            GroupRun::Trigger(trigger) => self.stack.push(Frame::Call { trigger, fired }),
            GroupRun::Param(_) | GroupRun::Pair(_) | GroupRun::Session { .. } => {}
        }
    }

    /// A group has left its queue for good: it ran, or its condition did not hold, or it was taken away.
    pub(super) fn group_over(&mut self, ctx: &Context, entry: &Entry) {
        self.stirred = true;
        let Some((timer, position)) = entry.timer else { return };
        let described = self.protocol.timer(timer);
        let next = described.groups.get(position).and_then(|item| item.next);
        let pause = next.map_or(described.interval, |wait| self.wait(wait));
        let clock = &mut self.clocks[timer.index()];
        clock.gap = (!pause.is_zero()).then(|| ctx.now + pause);
        clock.outstanding = clock.outstanding.saturating_sub(1);
        if clock.outstanding == 0 {
            clock.gap = None;
            self.cycle_over(ctx, timer);
        }
    }

    fn cycle_over(&mut self, ctx: &Context, timer: TimerIx) {
        self.clocks[timer.index()].cycle_ended(ctx.now);
        self.stirred = true;
        self.fire(Item::Timer(timer), Time::After);
    }

    /// The actions on timers.
    pub(super) fn timer_op(&mut self, ctx: &mut Context, timer: TimerIx, op: &TimerOp) {
        self.stirred = true;
        let protocol = Arc::clone(&self.protocol);
        match op {
            TimerOp::Start if self.life == Life::Stopping => {}
            TimerOp::Start => {
                let random = protocol.timer(timer).random;
                let delay = random.map_or(Duration::ZERO, |range| timer::draw(range, ctx));
                self.clocks[timer.index()].start(ctx.now + delay);
                if timer::is_cut(protocol.timer(timer).period) {
                    self.report_cut_period(ctx, timer);
                }
            }
            TimerOp::Stop => self.clocks[timer.index()].stop(),
            TimerOp::Restart { reschedule } => {
                for lane in 0..self.lanes.len() {
                    let of_timer = |entry: &Entry| entry.timer.is_some_and(|(of, _)| of == timer);
                    for entry in self.lanes[lane].queue.remove(of_timer) {
                        self.group_over(ctx, &entry);
                    }
                }
                if *reschedule && self.life != Life::Stopping {
                    self.clocks[timer.index()].restart(ctx.now);
                }
            }
            TimerOp::Reschedule if self.life == Life::Stopping => {}
            TimerOp::Reschedule => self.clocks[timer.index()].cycle_soon(ctx.now),
        }
    }

    /// How long a wait is now.
    pub(super) fn wait(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Fixed(time) => time,
            Wait::Param(param) => millis(self.params.get(param)).unwrap_or(Duration::ZERO),
        }
        .min(timer::MAX_PERIOD)
    }

    /// Reports that an action has an operand that it cannot use.
    pub(super) fn report_operand(&mut self, ctx: &Context, action: ActionIx, wanted: &str) {
        let site = Site::Action(action);
        self.report(ctx.now, Severity::Warning, Code::Action, &[site], |protocol| {
            format!("{} did nothing: it needs {wanted}", site.describe(protocol))
        });
    }
}

/// A number of milliseconds as a time; none for what is no number or negative.
pub(super) fn millis(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_number()? / 1_000.0).ok()
}
