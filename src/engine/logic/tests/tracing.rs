//! What is noted of an input: what ran, what did not and why, what was read and refused; nothing unless asked for.

use super::*;
use crate::engine::logic::trace::{self, MAX_STEPS};
use crate::language::model::condition::{Condition, Expression};
use crate::language::model::logic::{Item, Time};
use crate::language::model::param::Range;

fn condition(truth: f64) -> Option<Condition> {
    Some(Condition { text: truth.to_string().into(), expression: Expression::Number(truth) })
}

/// The steps of the last input in words.
fn steps(rig: &mut Rig) -> Vec<String> {
    let (steps, left_out) = rig.engine.traced();
    rig.engine.effects();
    assert_eq!(left_out, 0);
    let line = |step: trace::Step| match step {
        trace::Step::Response { response, fit, sets, dropped } => {
            format!("response {} {fit:?} {} {dropped}", response.index(), sets.len())
        }
        trace::Step::Answer { session, exchange, .. } => format!("answer {} {exchange}", session.index()),
        trace::Step::Rejected { param, why } => format!("rejected {} {why}", param.index()),
        trace::Step::Trigger(ix, ran) => format!("trigger {} {ran:?}", ix.index()),
        trace::Step::Action(ix, ran) => format!("action {} {ran:?}", ix.index()),
        trace::Step::Group(ix, ran) => format!("group {} {ran:?}", ix.index()),
        trace::Step::Pair(ix, ran) => format!("pair {} {ran:?}", ix.index()),
        trace::Step::Session(ix, ran) => format!("session {} {ran:?}", ix.index()),
        trace::Step::Exchange(ix, at, ran) => format!("exchange {} {at} {ran:?}", ix.index()),
        trace::Step::Script(ix, after, ran) => format!("script {} {after:?} {ran:?}", ix.index()),
        trace::Step::ScriptSet { param, row, value, .. } => {
            format!("sets {} {row:?} {value:?}", param.index())
        }
        trace::Step::ScriptRows { table, edit, .. } => format!("rows {} {edit:?}", table.index()),
    };
    steps.into_iter().map(|traced| line(traced.step)).collect()
}

#[test]
fn what_ran_and_what_did_not_is_noted_in_order_if_somebody_asks() {
    let mut traced = Traced::new();
    let no = traced.build.action(Run::Nothing, |action| action.condition = condition(0.0));
    let group = traced.group("g");
    let add = traced.build.action(Run::Group(Targets::These(vec![group]), GroupOp::Execute), |_| {});
    let button = traced.button_for(&[Step::Action(no), Step::Action(add)]);
    traced.build.trigger(Some((Item::Param(button), Time::Change)), &[Step::Action(no)], |trigger| {
        trigger.condition = condition(0.0);
    });
    traced.build.trigger(Some((Item::Param(button), Time::Change)), &[], |trigger| {
        trigger.condition = condition(0.0);
        trigger.otherwise = vec![Step::Action(no)];
    });
    let mut rig = Rig::started(traced.build);
    rig.set(button, "x");
    assert_eq!(steps(&mut rig), [""; 0], "nobody has asked");
    rig.engine.trace();
    rig.set(button, "x");
    assert_eq!(
        steps(&mut rig),
        [
            "trigger 0 Yes",
            "action 0 No",
            "action 2 Yes",
            "trigger 1 No",
            "trigger 2 Otherwise",
            "action 0 No",
            "group 0 Yes",
            "action 1 Yes",
        ]
    );
    assert_eq!(steps(&mut rig), [""; 0], "what was taken is gone");
}

#[test]
fn what_a_message_sets_and_what_was_refused_of_it_is_noted_each_time() {
    let mut build = Build::new();
    build.connection(|_| {});
    let number = build.number("n");
    build.params[number.index()].range = Range { low: Some(0.0), high: Some(5.0) };
    build.response(&[number], |_| {});
    let mut rig = Rig::ready(build);
    rig.engine.trace();
    for _ in 0..2 {
        rig.message("7");
        // Reports are held back the second time; what is noted is not.
        assert_eq!(steps(&mut rig), ["response 0 Full 1 0", "rejected 0 7 is outside the range"]);
    }
    assert_eq!(rig.value(number), "");
}

#[test]
fn a_chain_without_end_is_noted_up_to_a_bound() {
    let mut traced = Traced::new();
    let button = traced.build.write("button");
    let mark = traced.step("x");
    for _ in 0..=MAX_STEPS {
        traced.build.trigger(Some((Item::Param(button), Time::Change)), &[mark], |_| {});
    }
    let mut rig = Rig::started(traced.build);
    rig.engine.trace();
    rig.set(button, "x");
    let (steps, left_out) = rig.engine.traced();
    assert_eq!((steps.len(), usize::try_from(left_out).unwrap()), (MAX_STEPS, MAX_STEPS + 2));
}
