//! Places in the queue, what is not queued twice, conditions, pauses, forced groups, threads and locks.

use super::*;
use crate::engine::logic::effect::{Code, Site};
use crate::engine::logic::queue::MAX_QUEUED;
use crate::language::model::build::condition;
use crate::language::model::condition::{Expression, Operator};
use crate::language::model::id::PairIx;
use crate::language::model::logic::{Item, ProtocolOp, Time};
use crate::language::model::param::Wait;

/// A definition whose group `hold` keeps the queue until its pair's answer `ok` comes.
struct Held {
    traced: Traced,
    hold: GroupIx,
}

fn held() -> Held {
    let mut traced = Traced::new();
    let pair = answered_pair(&mut traced);
    let end = traced.mark(".");
    let content = [GroupRun::Pair(pair), GroupRun::Action(end)];
    let hold = traced.build.group(&content, |_| {});
    Held { traced, hold }
}

fn answered_pair(traced: &mut Traced) -> PairIx {
    let ask = traced.build.fixed("ask", b"ask");
    let ok = traced.build.fixed("ok", b"ok");
    let command = traced.build.command(&[ask], |_| {});
    let response = traced.build.response(&[ok], |_| {});
    traced.build.pair(Some(command), &[response], |_| {})
}

#[test]
fn each_action_puts_a_group_in_its_place() {
    use GroupOp::{
        AddToExecute, Execute, ExecuteNext, ExecuteOne, ExecuteOneNow, ExecuteOneTop, ForceExecute,
    };
    // While the group `.` waits for its answer the groups a, b, ... are put into the queue in this way.
    let cases: &[(&str, &[GroupOp], &str)] = &[
        ("the end is the end", &[AddToExecute, AddToExecute], ".ab"),
        ("execute goes before what is at the very end", &[AddToExecute, Execute], ".ba"),
        ("execute keeps the order", &[Execute, Execute, Execute], ".abc"),
        ("execute goes after other executes", &[Execute, AddToExecute, Execute], ".acb"),
        ("execute next goes to the front", &[Execute, ExecuteNext], ".ba"),
        ("the last execute next is the first", &[ExecuteNext, ExecuteNext], ".ba"),
        ("execute goes after execute next", &[AddToExecute, ExecuteNext, Execute], ".bca"),
        ("forced groups go between the items, in order", &[Execute, ForceExecute, ForceExecute], "bc.a"),
        ("one: as add to execute", &[ExecuteOne, Execute], ".ba"),
        ("one top: as execute next", &[Execute, ExecuteOneTop], ".ba"),
        ("one now: as execute", &[AddToExecute, ExecuteOneNow], ".ba"),
        ("all", &[AddToExecute, Execute, ExecuteNext, ForceExecute, Execute, ExecuteNext], "d.fcbea"),
    ];
    for (what, ops, expected) in cases {
        let Held { mut traced, hold } = held();
        let groups: Vec<GroupIx> =
            ["a", "b", "c", "d", "e", "f"].iter().map(|letter| traced.group(letter)).collect();
        let trace = traced.trace;
        let mut rig = Rig::ready(traced.build);
        rig.enqueue(hold, Execute);
        for (group, op) in groups.iter().zip(*ops) {
            rig.enqueue(*group, *op);
        }
        assert_eq!(rig.value(trace), "", "{what}: nothing may run while a pair waits");
        rig.message("ok");
        assert_eq!(rig.value(trace), *expected, "{what}");
        assert!(rig.engine.is_idle(), "{what}");
    }
}

#[test]
fn once_means_once_while_waiting_and_a_running_group_does_not_wait() {
    use GroupOp::{Execute, ExecuteOne, ExecuteOneNow, ExecuteOneTop, ForceExecute};
    let cases: &[(&[GroupOp], &str)] = &[
        (&[ExecuteOne, ExecuteOne], ".a"),
        (&[Execute, ExecuteOneTop, ExecuteOneNow], ".a"),
        (&[ForceExecute, ExecuteOne], "a."),
        (&[ExecuteOne, Execute], ".aa"),
    ];
    for (ops, expected) in cases {
        let Held { mut traced, hold } = held();
        let group = traced.group("a");
        let trace = traced.trace;
        let mut rig = Rig::ready(traced.build);
        rig.enqueue(hold, Execute);
        for op in *ops {
            rig.enqueue(group, *op);
        }
        rig.message("ok");
        assert_eq!(rig.value(trace), *expected, "{ops:?}");
    }
    // The running group is queued once more.
    let Held { traced, hold } = held();
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(hold, Execute);
    rig.enqueue(hold, ExecuteOne);
    rig.message("ok");
    rig.message("ok");
    assert_eq!(rig.value(trace), "..");
}

#[test]
fn a_forced_group_goes_between_the_items_and_one_forced_by_it_between_its_own() {
    let mut traced = Traced::new();
    let inner = traced.group("xy");
    let force_inner =
        traced.build.action(Run::Group(Targets::These(vec![inner]), GroupOp::ForceExecute), |_| {});
    let (m, n) = (traced.mark("m"), traced.mark("n"));
    let content = [GroupRun::Action(m), GroupRun::Action(force_inner), GroupRun::Action(n)];
    let middle = traced.build.group(&content, |_| {});
    let late = traced.group("z");
    let force = Run::Group(Targets::These(vec![middle, late]), GroupOp::ForceExecute);
    let force = traced.build.action(force, |_| {});
    let (a, b) = (traced.mark("a"), traced.mark("b"));
    let outer =
        traced.build.group(&[GroupRun::Action(a), GroupRun::Action(force), GroupRun::Action(b)], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.enqueue(outer, GroupOp::Execute);
    assert_eq!(rig.value(trace), "amxynzb");
}

#[test]
fn a_condition_is_looked_at_when_the_group_is_taken_and_its_triggers_fire_only_then() {
    let Held { mut traced, hold } = held();
    let allow = traced.build.number("allow");
    let group = traced.group("g");
    traced.build.groups[group.index()].condition = Some(condition(Expression::Binary(
        Operator::Equal,
        Box::new(Expression::Param(allow)),
        Box::new(Expression::Number(1.0)),
    )));
    for (time, letter) in [(Time::Before, "<"), (Time::After, ">")] {
        let step = traced.step(letter);
        traced.build.trigger(Some((Item::Group(group), time)), &[step], |_| {});
    }
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    assert_eq!(rig.value(trace), "", "the condition does not hold");
    rig.enqueue(hold, GroupOp::Execute);
    rig.enqueue(group, GroupOp::Execute);
    rig.set(allow, 1.0);
    rig.message("ok");
    assert_eq!(rig.value(trace), ".<g>", "it holds by the time it is taken");
}

#[test]
fn next_delays_the_next_item_and_on_the_last_item_the_next_group() {
    let mut traced = Traced::new();
    let first = traced.group("ab");
    let second = traced.group("c");
    let content = &mut traced.build.groups[first.index()].content;
    content[0].next = Some(Wait::Fixed(Duration::from_millis(100)));
    content[1].next = Some(Wait::Fixed(Duration::from_millis(50)));
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.enqueue(first, GroupOp::Execute);
    rig.enqueue(second, GroupOp::Execute);
    for (millis, expected) in [(0, "a"), (99, "a"), (1, "ab"), (49, "ab"), (1, "abc")] {
        rig.pass(millis);
        assert_eq!(rig.value(trace), expected);
    }
}

#[test]
fn sleep_holds_up_the_rest_of_its_chain_and_the_queue_but_not_the_element() {
    let mut traced = Traced::new();
    let sleep = Run::Protocol(ProtocolOp::Sleep(Operand::Value(200.0.into())));
    let sleep = traced.build.action(sleep, |_| {});
    let steps = [traced.step("a"), Step::Action(sleep), traced.step("b")];
    let chain = traced.build.trigger(None, &steps, |_| {});
    let content = [GroupRun::Trigger(chain)];
    let group = traced.build.group(&content, |group| group.kind = GroupKind::PollTrigger);
    let other = traced.group("c");
    let steps = [traced.step("!")];
    let button = traced.button_for(&steps);
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.enqueue(other, GroupOp::Execute);
    assert_eq!(rig.value(trace), "a");
    rig.pass(199);
    rig.set(button, "x");
    assert_eq!(rig.value(trace), "a!", "an input does not wait for the queue");
    rig.pass(1);
    assert_eq!(rig.value(trace), "a!bc");
}

#[test]
fn sleep_has_a_default_and_a_least_time() {
    for (operand, millis) in [(Value::Empty, 5_000), (Value::Number(1.0), 15), (Value::Number(-3.0), 5_000)] {
        let mut traced = Traced::new();
        let sleep = Run::Protocol(ProtocolOp::Sleep(Operand::Value(operand)));
        let sleep = traced.build.action(sleep, |_| {});
        let done = traced.mark("d");
        let content = [GroupRun::Action(sleep), GroupRun::Action(done)];
        let group = traced.build.group(&content, |_| {});
        let trace = traced.trace;
        let mut rig = Rig::started(traced.build);
        rig.enqueue(group, GroupOp::Execute);
        rig.pass(millis - 1);
        assert_eq!(rig.value(trace), "");
        rig.pass(1);
        assert_eq!(rig.value(trace), "d");
    }
}

#[test]
fn stop_current_group_ends_it_after_its_present_pair() {
    let mut traced = Traced::new();
    let pair = answered_pair(&mut traced);
    let never = traced.mark("n");
    let group = traced.build.group(&[GroupRun::Pair(pair), GroupRun::Action(never)], |_| {});
    let stop = traced.build.action(Run::Protocol(ProtocolOp::StopCurrentGroup), |_| {});
    traced.build.trigger(Some((Item::Pair(pair), Time::Succeeded)), &[Step::Action(stop)], |_| {});
    let after = traced.step(">");
    traced.build.trigger(Some((Item::Group(group), Time::After)), &[after], |_| {});
    let next = traced.group("x");
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.enqueue(next, GroupOp::Execute);
    rig.message("ok");
    assert_eq!(rig.value(trace), ">x");
}

/// A group in the second queue.
fn threaded(traced: &mut Traced, letters: &str) -> GroupIx {
    traced.build.queues = 2;
    let group = traced.group(letters);
    traced.build.groups[group.index()].queue = 1;
    group
}

#[test]
fn a_queue_that_waits_does_not_hold_up_another() {
    let Held { mut traced, hold } = held();
    let other = threaded(&mut traced, "o");
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(hold, GroupOp::Execute);
    rig.enqueue(other, GroupOp::Execute);
    assert_eq!(rig.value(trace), "o");
}

/// A group of the main queue that takes the lock, sleeps 100 ms, writes `u` and gives it back.
fn locking(traced: &mut Traced, lock: ProtocolOp) -> GroupIx {
    let mut content = Vec::new();
    for op in [lock, ProtocolOp::Sleep(Operand::Value(100.0.into()))] {
        content.push(GroupRun::Action(traced.build.action(Run::Protocol(op), |_| {})));
    }
    content.push(GroupRun::Action(traced.mark("u")));
    content.push(GroupRun::Action(traced.build.action(Run::Protocol(ProtocolOp::Unlock), |_| {})));
    traced.build.group(&content, |_| {})
}

#[test]
fn lock_keeps_other_queues_from_running_groups() {
    let mut traced = Traced::new();
    let group = locking(&mut traced, ProtocolOp::Lock);
    let other = threaded(&mut traced, "o");
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.enqueue(other, GroupOp::Execute);
    rig.pass(99);
    assert_eq!(rig.value(trace), "");
    rig.pass(1);
    assert_eq!(rig.value(trace), "uo");
}

#[test]
fn a_priority_lock_goes_ahead_of_those_who_wait() {
    for (last, expected) in [(ProtocolOp::Lock, "uBC"), (ProtocolOp::PriorityLock, "uCB")] {
        let mut traced = Traced::new();
        traced.build.queues = 3;
        let first = locking(&mut traced, ProtocolOp::Lock);
        // Both wait before they ask, so that the first has the lock by then.
        let mut waiters = Vec::new();
        for (queue, letter, op) in [(1, "B", ProtocolOp::Lock), (2, "C", last)] {
            let mut content = Vec::new();
            for op in [ProtocolOp::Sleep(Operand::Value((20.0 * f64::from(queue)).into())), op] {
                content.push(GroupRun::Action(traced.build.action(Run::Protocol(op), |_| {})));
            }
            content.push(GroupRun::Action(traced.mark(letter)));
            content.push(GroupRun::Action(traced.build.action(Run::Protocol(ProtocolOp::Unlock), |_| {})));
            let group = traced.build.group(&content, |_| {});
            traced.build.groups[group.index()].queue = queue;
            waiters.push(group);
        }
        let trace = traced.trace;
        let mut rig = Rig::started(traced.build);
        rig.enqueue(waiters[0], GroupOp::Execute);
        rig.enqueue(waiters[1], GroupOp::Execute);
        rig.enqueue(first, GroupOp::Execute);
        rig.pass(200);
        assert_eq!(rig.value(trace), expected);
    }
}

#[test]
fn a_lock_that_is_never_given_back_is_taken_away_and_reported() {
    let mut traced = Traced::new();
    let lock = traced.build.action(Run::Protocol(ProtocolOp::Lock), |_| {});
    let group = traced.build.group(&[GroupRun::Action(lock)], |_| {});
    let other = threaded(&mut traced, "o");
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.enqueue(other, GroupOp::Execute);
    rig.pass(59_999);
    assert_eq!(rig.value(trace), "");
    rig.pass(1);
    assert_eq!(rig.value(trace), "o");
    assert!(rig.reports().iter().any(|report| report.code == Code::LockReleased));
}

#[test]
fn a_full_queue_refuses_counts_and_reports_once() {
    let Held { mut traced, hold } = held();
    let group = traced.group("a");
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(hold, GroupOp::Execute);
    for _ in 0..MAX_QUEUED + 5 {
        rig.enqueue(group, GroupOp::AddToExecute);
    }
    // The group that runs keeps its place.
    assert_eq!(rig.engine.queued(), MAX_QUEUED - 1);
    assert_eq!(rig.engine.counters().queue_full, 6);
    let reports = rig.reports();
    assert_eq!(reports.iter().filter(|report| report.code == Code::QueueFull).count(), 1);
    assert_eq!(reports[0].text, "group 2 was left out: its queue is full");
}

#[test]
fn a_group_that_queues_itself_is_slowed_down_and_inputs_get_their_turn() {
    let mut traced = Traced::new();
    let counter = traced.build.number("counter");
    let count = Run::Param(Targets::These(vec![counter]), ParamOp::Increment(Operand::Value(1.0.into())));
    let count = traced.build.action(count, |_| {});
    let group = traced.build.group(&[GroupRun::Action(count)], |_| {});
    let again = Run::Group(Targets::These(vec![group]), GroupOp::ExecuteNext);
    let again = traced.build.action(again, |_| {});
    traced.build.trigger(Some((Item::Group(group), Time::After)), &[Step::Action(again)], |_| {});
    let mut rig = Rig::started(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    let count = rig.value(counter).parse::<u32>().expect("a number");
    assert!((100..=1_000).contains(&count), "{count} rounds in one input");
    assert!(rig.engine.wake_at().is_some_and(|at| at > rig.ctx.now));
    assert!(rig.reports().iter().any(|report| report.code == Code::QueueBusy));
    rig.pass(10);
    assert!(rig.value(counter).parse::<u32>().expect("a number") > count, "it goes on later");
}

#[test]
fn connection_pid_chooses_the_connection_when_the_group_runs() {
    let mut traced = Traced::new();
    traced.build.connection(|_| {});
    let which = traced.build.number("which");
    let ask = traced.build.fixed("ask", b"ask");
    let command = traced.build.command(&[ask], |_| {});
    let pair = traced.build.pair(Some(command), &[], |_| {});
    let group = traced.build.group(&[GroupRun::Pair(pair)], |group| group.connection_param = Some(which));
    let mut rig = Rig::ready(traced.build);
    rig.link(1, LinkChange::Ready);
    for (value, expected) in [(0.0, "0:0:ask"), (1.0, "0:1:ask"), (7.0, "0:0:ask")] {
        rig.set(which, value);
        rig.engine.effects();
        rig.enqueue(group, GroupOp::Execute);
        assert_eq!(rig.sent(), [expected]);
    }
}

#[test]
fn a_group_that_forces_itself_nests_to_a_bound_and_is_reported_with_its_name() {
    let mut traced = Traced::new();
    let loops = GroupIx::new(0).expect("the first");
    let again = Run::Group(Targets::These(vec![loops]), GroupOp::ForceExecute);
    let again = traced.build.action(again, |_| {});
    let count = traced.build.number("count");
    let op = ParamOp::Increment(Operand::Value(1.0.into()));
    let counts = traced.build.action(Run::Param(Targets::These(vec![count]), op), |_| {});
    let items = [GroupRun::Action(counts), GroupRun::Action(again), GroupRun::Action(counts)];
    traced.build.group(&items, |group| group.kind = GroupKind::PollAction);
    let button = traced.button(Run::Group(Targets::These(vec![loops]), GroupOp::Execute));
    let mut rig = Rig::ready(traced.build);
    rig.set(button, 1.0);
    let runs = rig.engine.lanes[0].queue.runs.len();
    assert!((2..=33).contains(&runs), "{runs} runs are nested");
    let reports = rig.reports();
    let busy = reports.iter().find(|report| report.code == Code::QueueBusy).expect("reported");
    assert_eq!(busy.text, "the queues of groups never come to rest and are slowed down: group 1");
    assert_eq!(busy.sites, [Site::Item(Item::Group(loops))]);
    // The element's other inputs get their turn, and it can be stopped.
    rig.set(button, 2.0);
    assert!(rig.engine.wake_at().is_some_and(|at| at > rig.ctx.now));
    let before = rig.value(count);
    rig.pass(10);
    assert_ne!(rig.value(count), before, "it goes on after a rest");
}
