//! Timers: periods without drift, loops, starts, pauses, skipped cycles, the actions on them.

use super::*;
use crate::engine::logic::MAX_PERIOD;
use crate::engine::logic::effect::Code;
use crate::language::model::build::condition;
use crate::language::model::condition::Expression;
use crate::language::model::id::TimerIx;
use crate::language::model::logic::{Item, Period, Time, TimerOp};
use crate::language::model::param::Wait;

fn every(millis: u64) -> Period {
    Period::Every(Duration::from_millis(millis))
}

/// A definition with a group that notes `x`, for a timer.
fn polled() -> (Traced, GroupIx) {
    let mut traced = Traced::new();
    let group = traced.group("x");
    (traced, group)
}

/// The times at which the trace of `x` grew, in ms since the start, sampled at each of the engine's wake-ups.
fn beats(rig: &mut Rig, trace: ParamIx, until: u64) -> Vec<u128> {
    let mut beats = Vec::new();
    let mut before = 0;
    loop {
        let length = rig.value(trace).len();
        for _ in before..length {
            beats.push(rig.ctx.now.duration_since(rig.began).as_millis());
        }
        before = length;
        let end = rig.began + Duration::from_millis(until);
        let Some(at) = rig.engine.wake_at().filter(|at| *at <= end) else { break };
        rig.ctx.advance(at.saturating_duration_since(rig.ctx.now));
        rig.engine.tick(&mut rig.ctx);
    }
    beats
}

#[test]
fn a_period_is_kept_from_the_start_also_when_ticks_come_late() {
    let (mut traced, group) = polled();
    traced.build.timer(every(100), &[group], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    assert_eq!(beats(&mut rig, trace, 350), [0, 100, 200, 300]);
    // 30 ms late once, then on the beat again.
    rig.ctx.advance(Duration::from_millis(130));
    rig.engine.tick(&mut rig.ctx);
    assert_eq!(rig.engine.wake_at(), Some(rig.began + Duration::from_millis(500)));
    // The process was held up for 5 periods: what was missed is counted and not made up for.
    rig.ctx.advance(Duration::from_millis(555));
    rig.engine.tick(&mut rig.ctx);
    assert_eq!(rig.engine.wake_at(), Some(rig.began + Duration::from_millis(1_000)));
    assert_eq!(rig.engine.counters().skipped_cycles, 4);
}

#[test]
fn initial_false_waits_for_the_action_start() {
    let (mut traced, group) = polled();
    let timer = traced.build.timer(every(100), &[group], |timer| timer.initial = false);
    let start = traced.button(Run::Timer(Targets::These(vec![timer]), TimerOp::Start));
    let stop = traced.button(Run::Timer(Targets::These(vec![timer]), TimerOp::Stop));
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.pass(1_000);
    assert_eq!(rig.value(trace), "");
    rig.set(start, "x");
    rig.pass(0);
    assert_eq!(rig.value(trace), "x");
    rig.pass(50);
    rig.set(start, "x");
    rig.pass(50);
    assert_eq!(rig.value(trace), "xx", "starting a timer that runs changes nothing");
    rig.set(stop, "x");
    rig.pass(1_000);
    assert_eq!(rig.value(trace), "xx");
}

#[test]
fn a_random_start_lies_in_its_range_and_equal_ranges_start_together() {
    for seed in 0..20 {
        let (mut traced, group) = polled();
        let other = traced.group("y");
        let third = traced.group("z");
        traced.build.timer(every(60_000), &[group], |timer| timer.random = Some((2, 5)));
        traced.build.timer(every(60_000), &[other], |timer| timer.random = Some((2, 5)));
        traced.build.timer(every(60_000), &[third], |timer| timer.random = Some((6, 6)));
        let trace = traced.trace;
        let mut rig = Rig::new(traced.build);
        rig.ctx = Context::new(rig.ctx.now, rig.ctx.wall, seed);
        rig.engine.start(&mut rig.ctx, First::default());
        let first = rig.engine.wake_at().expect("a timer waits").duration_since(rig.began);
        assert!((2_000..=5_000).contains(&first.as_millis()), "{first:?}");
        rig.pass(5_999);
        assert_eq!(rig.value(trace), "xy");
        rig.pass(1);
        assert_eq!(rig.value(trace), "xyz");
    }
}

#[test]
fn a_timer_whose_groups_still_wait_is_skipped_and_counted() {
    let mut traced = Traced::new();
    let ask = traced.build.fixed("ask", b"ask");
    let command = traced.build.command(&[ask], |_| {});
    let ok = traced.build.fixed("ok", b"ok");
    let response = traced.build.response(&[ok], |_| {});
    let pair = traced.build.pair(Some(command), &[response], |pair| {
        pair.timeout = Some(Duration::from_millis(350));
        pair.retries = Some(0);
    });
    let slow = traced.build.group(&[GroupRun::Pair(pair)], |_| {});
    let quick = traced.group("q");
    traced.build.timer(every(100), &[slow, quick], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.pass(0);
    assert_eq!(rig.sent(), ["0:0:ask"]);
    rig.pass(349);
    // `quick` waits behind the pair: the cycles at 100, 200 and 300 are left out.
    assert_eq!((rig.value(trace).as_str(), rig.engine.counters().skipped_cycles), ("", 3));
    rig.pass(1);
    assert_eq!(rig.value(trace), "q");
    rig.pass(50);
    assert_eq!(rig.sent(), ["400:0:ask"]);
}

#[test]
fn a_loop_begins_again_when_its_last_group_has_finished() {
    let mut traced = Traced::new();
    let group = traced.group("ab");
    traced.build.groups[group.index()].content[0].next = Some(Wait::Fixed(Duration::from_millis(70)));
    traced.build.timer(Period::Loop, &[group], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.pass(69);
    assert_eq!(rig.value(trace), "a");
    rig.pass(1);
    assert_eq!(rig.value(trace), "aba");
}

#[test]
fn a_loop_without_work_does_not_take_a_whole_processor() {
    let (mut traced, group) = polled();
    traced.build.timer(Period::Loop, &[group], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    assert_eq!(beats(&mut rig, trace, 35), [0, 10, 20, 30]);
}

#[test]
fn the_interval_is_the_pause_between_groups_and_next_overrides_it() {
    let mut traced = Traced::new();
    let groups = [traced.group("x"), traced.group("x"), traced.group("x")];
    traced.build.timer(every(10_000), &groups, |timer| {
        timer.interval = Duration::from_millis(100);
        timer.groups[1].next = Some(Wait::Fixed(Duration::from_millis(30)));
    });
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    assert_eq!(beats(&mut rig, trace, 5_000), [0, 100, 130]);
}

#[test]
fn the_interval_of_a_timer_holds_up_no_other_group() {
    let mut traced = Traced::new();
    let groups = [traced.group("x"), traced.group("y")];
    let other = traced.group("o");
    traced.build.timer(every(10_000), &groups, |timer| timer.interval = Duration::from_millis(100));
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.pass(10);
    rig.enqueue(other, GroupOp::Execute);
    assert_eq!(rig.value(trace), "xo");
    rig.pass(90);
    assert_eq!(rig.value(trace), "xoy");
}

#[test]
fn the_interval_is_the_pause_between_the_pairs_of_a_group_too() {
    let mut traced = Traced::new();
    let mut pairs = Vec::new();
    for text in [&b"a"[..], b"b"] {
        let fixed = traced.build.fixed("c", text);
        let command = traced.build.command(&[fixed], |_| {});
        pairs.push(GroupRun::Pair(traced.build.pair(Some(command), &[], |_| {})));
    }
    let group = traced.build.group(&pairs, |_| {});
    traced.build.timer(every(10_000), &[group], |timer| timer.interval = Duration::from_millis(40));
    let mut rig = Rig::ready(traced.build);
    rig.pass(0);
    assert_eq!(rig.sent(), ["0:0:a"]);
    rig.pass(40);
    assert_eq!(rig.sent(), ["40:0:b"]);
}

#[test]
fn groups_of_actions_and_triggers_run_at_once() {
    let Traced { build, trace } = {
        let mut traced = Traced::new();
        let queued = traced.group("q");
        let at_once = traced.group("a");
        traced.build.groups[at_once.index()].kind = GroupKind::Action;
        let step = traced.step("t");
        let trigger = traced.build.trigger(None, &[step], |_| {});
        let triggers =
            traced.build.group(&[GroupRun::Trigger(trigger)], |group| group.kind = GroupKind::Trigger);
        for (item, time, letter) in
            [(Item::Group(at_once), Time::Before, "<"), (Item::Group(at_once), Time::After, ">")]
        {
            let step = traced.step(letter);
            traced.build.trigger(Some((item, time)), &[step], |_| {});
        }
        let timer = traced.build.timer(every(1_000), &[queued, at_once, triggers], |_| {});
        for (time, letter) in [(Time::Before, "["), (Time::After, "]")] {
            let step = traced.step(letter);
            traced.build.trigger(Some((Item::Timer(timer), time)), &[step], |_| {});
        }
        traced
    };
    let mut rig = Rig::started(build);
    rig.pass(0);
    assert_eq!(rig.value(trace), "[<a>tq]");
}

#[test]
fn a_timer_with_a_condition_that_does_not_hold_runs_nothing() {
    let (mut traced, group) = polled();
    let allow = traced.build.number("allow");
    traced.build.timer(every(100), &[group], |timer| {
        timer.condition = Some(condition(Expression::Param(allow)));
    });
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.pass(250);
    assert_eq!(rig.value(trace), "");
    rig.set(allow, 1.0);
    rig.pass(100);
    assert_eq!(rig.value(trace), "x");
    assert_eq!(rig.engine.counters().skipped_cycles, 0);
}

/// A timer of 100 ms whose group waits behind one that sleeps for 250 ms, and a button with an action on it.
fn blocked(op: TimerOp) -> (Rig, ParamIx, ParamIx, TimerIx) {
    let mut traced = Traced::new();
    let blocker = traced.group("bb");
    traced.build.groups[blocker.index()].content[0].next = Some(Wait::Fixed(Duration::from_millis(250)));
    let group = traced.group("x");
    let timer = traced.build.timer(every(100), &[group], |timer| timer.initial = false);
    let start = traced.build.action(Run::Timer(Targets::These(vec![timer]), TimerOp::Start), |_| {});
    let first = Run::Group(Targets::These(vec![blocker]), GroupOp::Execute);
    let first = traced.build.action(first, |_| {});
    let steps = [Step::Action(first), Step::Action(start)];
    traced.build.trigger(Some((Item::Protocol, Time::AfterStartup)), &steps, |_| {});
    let button = traced.button(Run::Timer(Targets::These(vec![timer]), op));
    let trace = traced.trace;
    let rig = Rig::started(traced.build);
    (rig, button, trace, timer)
}

#[test]
fn restart_takes_queued_groups_away_and_keeps_the_clock() {
    let (mut rig, button, trace, _) = blocked(TimerOp::Restart { reschedule: false });
    rig.pass(30);
    assert_eq!(rig.engine.queued(), 1);
    rig.set(button, "x");
    assert_eq!(rig.engine.queued(), 0);
    rig.pass(69);
    assert_eq!(rig.engine.queued(), 0);
    rig.pass(1);
    assert_eq!(rig.engine.queued(), 1, "the beat is the old one");
    rig.pass(150);
    assert_eq!(rig.value(trace), "bbx");
}

#[test]
fn restart_with_reschedule_starts_the_clock_anew() {
    let (mut rig, button, _, _) = blocked(TimerOp::Restart { reschedule: true });
    rig.pass(30);
    rig.set(button, "x");
    rig.pass(99);
    assert_eq!(rig.engine.queued(), 0);
    rig.pass(1);
    assert_eq!(rig.engine.queued(), 1);
}

#[test]
fn reschedule_queues_the_groups_now_or_after_the_present_cycle_and_keeps_the_beat() {
    let (mut traced, group) = polled();
    let timer = traced.build.timer(every(100), &[group], |_| {});
    let button = traced.button(Run::Timer(Targets::These(vec![timer]), TimerOp::Reschedule));
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.pass(50);
    rig.set(button, "x");
    rig.pass(0);
    assert_eq!(rig.value(trace), "xx");
    rig.pass(50);
    assert_eq!(rig.value(trace), "xxx", "the beat is the old one");

    let (mut rig, button, trace, _) = blocked(TimerOp::Reschedule);
    rig.pass(30);
    rig.set(button, "x");
    rig.pass(219);
    assert_eq!(rig.value(trace), "b");
    rig.pass(1);
    assert_eq!(rig.value(trace), "bbxx", "one more after the cycle that was under way");
}

#[test]
fn a_period_of_more_than_24_days_is_cut_to_that_with_a_message() {
    let (mut traced, group) = polled();
    traced.build.timer(Period::Every(MAX_PERIOD * 3), &[group], |_| {});
    let mut rig = Rig::new(traced.build);
    rig.engine.start(&mut rig.ctx, First::default());
    assert!(rig.reports().iter().any(|report| report.code == Code::PeriodCut));
    rig.pass(0);
    assert_eq!(rig.engine.wake_at(), Some(rig.began + MAX_PERIOD));
}
