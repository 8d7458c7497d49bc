//! Random definitions and inputs: everything ends, queues keep their bound, equal seeds give equal effects.

use proptest::prelude::*;

use super::*;
use crate::engine::logic::queue::MAX_QUEUED;
use crate::language::model::id::{GroupIx, PairIx, TimerIx, TriggerIx};
use crate::language::model::logic::{Item, Period, ProtocolOp, Time, TimerOp};
use crate::language::model::param::{Bits, Length, ParamKind, RawType, ValueType, Wait};

const PARAMS: usize = 7;
/// The one of them that is a group; the two after it are its bits, one to read and one to write.
const BITS: usize = 4;
const GROUPS: usize = 4;
const TRIGGERS: usize = 5;
const PAIRS: usize = 2;
const TIMERS: usize = 2;

/// An action, drawn; indices are taken modulo what there is.
#[derive(Clone, Debug)]
enum AnyRun {
    Copy(usize),
    Increment(usize),
    Execute(usize, GroupOp),
    Timer(usize, u8),
    Sleep,
    Lock,
    Unlock,
    Stop,
}

/// What happens to the element, drawn.
#[derive(Clone, Debug)]
enum AnyInput {
    Set(usize, i8),
    Message(bool),
    Link(LinkChange),
    Pass(u16),
    Stop,
}

/// A definition, drawn.
#[derive(Clone, Debug)]
struct AnyDefinition {
    runs: Vec<AnyRun>,
    triggers: Vec<(usize, Vec<(bool, usize)>)>,
    groups: Vec<(Vec<(u8, usize)>, u16)>,
    periods: Vec<u16>,
    early: bool,
}

fn group_op() -> impl Strategy<Value = GroupOp> {
    prop_oneof![
        Just(GroupOp::AddToExecute),
        Just(GroupOp::Execute),
        Just(GroupOp::ExecuteNext),
        Just(GroupOp::ExecuteOne),
        Just(GroupOp::ExecuteOneTop),
        Just(GroupOp::ExecuteOneNow),
        Just(GroupOp::ForceExecute),
    ]
}

fn any_run() -> impl Strategy<Value = AnyRun> {
    prop_oneof![
        any::<usize>().prop_map(AnyRun::Copy),
        any::<usize>().prop_map(AnyRun::Increment),
        (any::<usize>(), group_op()).prop_map(|(group, op)| AnyRun::Execute(group, op)),
        (any::<usize>(), any::<u8>()).prop_map(|(timer, op)| AnyRun::Timer(timer, op)),
        Just(AnyRun::Sleep),
        Just(AnyRun::Lock),
        Just(AnyRun::Unlock),
        Just(AnyRun::Stop),
    ]
}

fn any_definition() -> impl Strategy<Value = AnyDefinition> {
    let steps = prop::collection::vec((any::<bool>(), any::<usize>()), 0..4);
    let items = prop::collection::vec((any::<u8>(), any::<usize>()), 0..4);
    (
        prop::collection::vec(any_run(), 1..8),
        prop::collection::vec((any::<usize>(), steps), TRIGGERS),
        prop::collection::vec((items, 0_u16..2), GROUPS),
        prop::collection::vec(0_u16..300, TIMERS),
        any::<bool>(),
    )
        .prop_map(|(runs, triggers, groups, periods, early)| AnyDefinition {
            runs,
            triggers,
            groups,
            periods,
            early,
        })
}

fn any_input() -> impl Strategy<Value = AnyInput> {
    prop_oneof![
        (0..PARAMS, any::<i8>()).prop_map(|(param, value)| AnyInput::Set(param, value)),
        any::<bool>().prop_map(AnyInput::Message),
        prop_oneof![
            Just(LinkChange::Ready),
            Just(LinkChange::Ready),
            Just(LinkChange::Moved),
            Just(LinkChange::Swapped),
            Just(LinkChange::Down),
            Just(LinkChange::Rejected),
            Just(LinkChange::Closed),
        ]
        .prop_map(AnyInput::Link),
        (0_u16..3_000).prop_map(AnyInput::Pass),
        Just(AnyInput::Stop),
    ]
}

fn build(drawn: &AnyDefinition) -> Build {
    let mut traced = Traced::new();
    let params: Vec<ParamIx> = (0..PARAMS)
        .map(|at| {
            let kind = match at {
                BITS => ParamKind::Group,
                5 => ParamKind::ReadBit,
                6 => ParamKind::WriteBit,
                _ if at % 2 == 0 => ParamKind::Read,
                _ => ParamKind::Write,
            };
            traced.build.param("p", kind, ValueType::Double, |param| {
                param.raw_type = RawType::UnsignedNumber;
                param.length = Length::Fixed(1);
                let group = ParamIx::new(1 + BITS).expect("small");
                param.bits = (at > BITS).then_some(Bits { group, start: 2, count: 5 });
            })
        })
        .collect();
    traced.build.connections[0].make_command_by_protocol = drawn.early;
    traced.build.queues = 2;
    let group = |at: usize| GroupIx::new(at % GROUPS).expect("small");
    let trigger = |at: usize| TriggerIx::new(at % TRIGGERS).expect("small");
    let timer = |at: usize| TimerIx::new(at % TIMERS).expect("small");
    let pair = |at: usize| PairIx::new(at % PAIRS).expect("small");
    let actions: Vec<ActionIx> = drawn
        .runs
        .iter()
        .map(|run| {
            let run = match run {
                AnyRun::Copy(at) => {
                    Run::Param(Targets::These(vec![params[at % PARAMS]]), ParamOp::Copy(None))
                }
                AnyRun::Increment(at) => {
                    let op = ParamOp::Increment(Operand::Value(1.0.into()));
                    Run::Param(Targets::These(vec![params[at % PARAMS]]), op)
                }
                AnyRun::Execute(at, op) => Run::Group(Targets::These(vec![group(*at)]), *op),
                AnyRun::Timer(at, op) => {
                    let op = match op % 4 {
                        0 => TimerOp::Start,
                        1 => TimerOp::Stop,
                        2 => TimerOp::Restart { reschedule: op % 8 == 2 },
                        _ => TimerOp::Reschedule,
                    };
                    Run::Timer(Targets::These(vec![timer(*at)]), op)
                }
                AnyRun::Sleep => Run::Protocol(ProtocolOp::Sleep(Operand::Value(50.0.into()))),
                AnyRun::Lock => Run::Protocol(ProtocolOp::Lock),
                AnyRun::Unlock => Run::Protocol(ProtocolOp::Unlock),
                AnyRun::Stop => Run::Protocol(ProtocolOp::StopCurrentGroup),
            };
            traced.build.action(run, |_| {})
        })
        .collect();
    let ask = traced.build.fixed("ask", b"ask");
    let ok = traced.build.fixed("ok", b"ok");
    let command = traced.build.command(&[ask], |_| {});
    let response = traced.build.response(&[ok], |_| {});
    traced.build.pair(Some(command), &[response], |_| {});
    traced.build.pair(Some(command), &[], |_| {});
    for (on, steps) in &drawn.triggers {
        let steps: Vec<Step> =
            steps
                .iter()
                .map(|(call, at)| {
                    if *call {
                        Step::Trigger(trigger(*at))
                    } else {
                        Step::Action(actions[at % actions.len()])
                    }
                })
                .collect();
        let on = match on % 9 {
            0..4 => (Item::Param(params[on / 9 % PARAMS]), Time::Change),
            4 => (Item::Group(group(*on / 9)), Time::After),
            5 => (Item::Pair(pair(*on / 9)), Time::After),
            6 => (Item::Timer(timer(*on / 9)), Time::Before),
            7 => (Item::Command(command), Time::Before),
            _ => (Item::Response(response), Time::After),
        };
        traced.build.trigger(Some(on), &steps, |_| {});
    }
    for (items, queue) in &drawn.groups {
        let content: Vec<GroupRun> = items
            .iter()
            .map(|(kind, at)| match kind % 3 {
                0 => GroupRun::Action(actions[at % actions.len()]),
                1 => GroupRun::Trigger(trigger(*at)),
                _ => GroupRun::Pair(pair(*at)),
            })
            .collect();
        traced.build.group(&content, |group| {
            group.queue = *queue;
            if let Some(item) = group.content.first_mut() {
                item.next = (queue % 2 == 1).then_some(Wait::Fixed(Duration::from_millis(5)));
            }
        });
    }
    for (at, period) in drawn.periods.iter().enumerate() {
        let period = match period {
            0..20 => Period::Loop,
            _ => Period::Every(Duration::from_millis(u64::from(*period))),
        };
        traced.build.timer(period, &[group(at), group(at + 1)], |timer| timer.random = Some((0, 1)));
    }
    traced.build
}

/// Plays the inputs and gives all effects as text.
fn play(drawn: &AnyDefinition, inputs: &[AnyInput]) -> String {
    let mut rig = Rig::new(build(drawn));
    // The bound is reached sooner, so that many definitions can be tried.
    rig.engine.max_steps = 2_000;
    rig.engine.start(&mut rig.ctx, First::default());
    let mut all = String::new();
    for input in inputs {
        match input {
            AnyInput::Set(at, value) => {
                let param = ParamIx::new(1 + at).expect("small");
                rig.set(param, f64::from(*value));
            }
            AnyInput::Message(good) => rig.message(if *good { "ok" } else { "what" }),
            AnyInput::Link(change) => rig.link(0, *change),
            AnyInput::Pass(millis) => pass_bounded(&mut rig, u64::from(*millis)),
            AnyInput::Stop => rig.engine.stop(&mut rig.ctx),
        }
        for lane in &rig.engine.lanes {
            // One connection: as many again may wait for its link.
            assert!(lane.queue.len() + lane.queue.runs.len() <= 2 * MAX_QUEUED);
        }
        assert!(rig.engine.stack.is_empty(), "an input is finished when its call returns");
        assert!(rig.engine.wake_at().is_none_or(|at| at >= rig.ctx.now), "a wake-up in the past");
        for line in rig.lines() {
            all.push_str(&line);
            all.push('\n');
        }
    }
    all
}

/// At most one wake-up for each millisecond and thing that can be waited for.
fn pass_bounded(rig: &mut Rig, millis: u64) {
    let end = rig.ctx.now + Duration::from_millis(millis.min(200));
    let mut ticks = 0;
    while let Some(at) = rig.engine.wake_at().filter(|at| *at <= end) {
        rig.ctx.advance(at.saturating_duration_since(rig.ctx.now));
        rig.engine.tick(&mut rig.ctx);
        ticks += 1;
        assert!(ticks < 1_000, "the engine never comes to rest");
    }
    rig.ctx.advance(end.saturating_duration_since(rig.ctx.now));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_ends_within_its_bounds_and_equal_seeds_give_equal_effects(
        drawn in any_definition(),
        inputs in prop::collection::vec(any_input(), 1..8),
    ) {
        let first = play(&drawn, &inputs);
        let second = play(&drawn, &inputs);
        prop_assert_eq!(first, second);
    }
}
