//! Pairs: making, sending, answers, timeouts, retries, links that drop or move, the element's timeout, heartbeats.

use super::*;
use crate::engine::logic::effect::Code;
use crate::engine::logic::queue::MAX_QUEUED;
use crate::engine::session::Overrides;
use crate::language::model::id::{CommandIx, PairIx, ResponseIx};
use crate::language::model::logic::{
    CommandOp, Item, Pair, PairOp, ReplaceData, ReplacePart, Time, WhenDown,
};

/// A pair `ask` with the answer `ok`, its group, and triggers that note each of its events:
/// `b` before, `t` timeout, `T` timeout after retries, `s` succeeded, `a` after.
struct Asking {
    traced: Traced,
    pair: PairIx,
    command: CommandIx,
    response: ResponseIx,
    group: GroupIx,
}

fn asking(with: impl FnOnce(&mut Pair)) -> Asking {
    let mut traced = Traced::new();
    let ask = traced.build.fixed("ask", b"ask");
    let ok = traced.build.fixed("ok", b"ok");
    let command = traced.build.command(&[ask], |_| {});
    let response = traced.build.response(&[ok], |_| {});
    let pair = traced.build.pair(Some(command), &[response], with);
    let group = traced.build.group(&[GroupRun::Pair(pair)], |_| {});
    for (time, letter) in [
        (Time::Before, "b"),
        (Time::Timeout, "t"),
        (Time::TimeoutAfterRetries, "T"),
        (Time::Succeeded, "s"),
        (Time::After, "a"),
    ] {
        let step = traced.step(letter);
        traced.build.trigger(Some((Item::Pair(pair), time)), &[step], |_| {});
    }
    Asking { traced, pair, command, response, group }
}

#[test]
fn an_answered_pair_succeeds() {
    let Asking { traced, group, .. } = asking(|_| {});
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    assert_eq!(rig.sent(), ["0:0:ask"]);
    rig.message("ok");
    assert_eq!(rig.value(trace), "bsa");
    rig.pass(100_000);
    assert_eq!(rig.value(trace), "bsa", "an answered pair has no timeout");
    rig.message("ok");
    assert_eq!(rig.value(trace), "bsa", "nobody waits any more");
}

#[test]
fn everything_around_a_pair_runs_in_its_order() {
    let Asking { mut traced, command, response, group, .. } = asking(|_| {});
    for (item, time, letter) in [
        (Item::Group(group), Time::Before, "("),
        (Item::Group(group), Time::After, ")"),
        (Item::Communication, Time::Before, "["),
        (Item::Communication, Time::After, "]"),
        (Item::Command(command), Time::Before, "<"),
        (Item::Command(command), Time::After, ">"),
        (Item::Response(response), Time::Before, "-"),
        (Item::Response(response), Time::After, "+"),
    ] {
        let step = traced.step(letter);
        traced.build.trigger(Some((item, time)), &[step], |_| {});
    }
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.message("ok");
    assert_eq!(rig.value(trace), "([b<>-+sa])");
}

#[test]
fn a_pair_without_responses_is_sent_and_done() {
    let Asking { mut traced, pair, group, .. } = asking(|_| {});
    traced.build.pairs[pair.index()].responses.clear();
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    assert_eq!(rig.value(trace), "ba");
    assert!(rig.engine.is_idle());
}

#[test]
fn each_failed_try_is_a_timeout_and_the_last_one_the_end() {
    type Case = (Option<u32>, Option<u64>, Overrides, &'static [&'static str], &'static str);
    let cases: [Case; 4] = [
        (None, None, Overrides::default(), &["0:0:ask", "1000:0:ask", "2000:0:ask"], "btttTa"),
        (Some(0), Some(300), Overrides::default(), &["0:0:ask"], "btTa"),
        (
            None,
            None,
            Overrides { timeout: Some(Duration::from_millis(200)), retries: Some(1), ..Overrides::default() },
            &["0:0:ask", "200:0:ask"],
            "bttTa",
        ),
        (
            Some(2),
            Some(50),
            Overrides { timeout: Some(Duration::from_millis(200)), retries: Some(1), ..Overrides::default() },
            &["0:0:ask", "50:0:ask", "100:0:ask"],
            "btttTa",
        ),
    ];
    for (retries, timeout, overrides, sent, expected) in cases {
        let Asking { traced, group, .. } = asking(|pair| {
            pair.retries = retries;
            pair.timeout = timeout.map(Duration::from_millis);
        });
        let trace = traced.trace;
        let mut rig = Rig::ready(traced.build);
        rig.engine.options.connections = vec![overrides];
        rig.enqueue(group, GroupOp::Execute);
        let mut all = rig.sent();
        while let Some(at) = rig.engine.wake_at().filter(|_| !rig.engine.is_idle()) {
            rig.ctx.advance(at.saturating_duration_since(rig.ctx.now));
            rig.engine.tick(&mut rig.ctx);
            all.extend(rig.sent());
        }
        assert_eq!(all, sent);
        assert_eq!(rig.value(trace), expected);
    }
}

#[test]
fn a_late_answer_to_an_earlier_try_counts() {
    let Asking { traced, group, .. } = asking(|_| {});
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.pass(1_500);
    rig.message("ok");
    assert_eq!(rig.value(trace), "btsa");
}

#[test]
fn a_bad_command_ends_the_pair_without_a_further_try() {
    for answer in ["no", "never"] {
        let Asking { mut traced, pair, group, .. } = asking(|_| {});
        for bad in ["no", "never"] {
            let fixed = traced.build.fixed(bad, bad.as_bytes());
            let bad = traced.build.response(&[fixed], |_| {});
            traced.build.pairs[pair.index()].bad_commands.push(bad);
        }
        let trace = traced.trace;
        let mut rig = Rig::ready(traced.build);
        rig.enqueue(group, GroupOp::Execute);
        rig.message(answer);
        assert_eq!(rig.value(trace), "ba", "{answer}");
        assert!(rig.engine.is_idle(), "{answer}");
    }
}

#[test]
fn the_waiting_pair_gets_the_message_before_other_responses() {
    let Asking { mut traced, response, group, .. } = asking(|_| {});
    // An earlier response would take anything.
    let any = traced.build.text("any");
    let taker = traced.build.response(&[any], |_| {});
    traced.build.responses.swap(response.index(), taker.index());
    traced.build.pairs[0].responses = vec![taker];
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.message("ok");
    assert_eq!(rig.value(any), "ok", "without a waiting pair the first response takes it");
    rig.enqueue(group, GroupOp::Execute);
    rig.message("push");
    assert_eq!((rig.value(any).as_str(), rig.value(trace).as_str()), ("push", "b"));
    rig.message("ok");
    assert_eq!((rig.value(any).as_str(), rig.value(trace).as_str()), ("push", "bsa"));
}

#[test]
fn an_answer_on_another_connection_is_none() {
    let Asking { mut traced, group, .. } = asking(|_| {});
    traced.build.connection(|_| {});
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.link(1, LinkChange::Ready);
    rig.enqueue(group, GroupOp::Execute);
    rig.message_on(1, "ok");
    assert_eq!(rig.value(trace), "b");
}

#[test]
fn a_link_that_drops_ends_the_try_and_the_next_one_runs_on_the_new_link() {
    let Asking { traced, group, .. } = asking(|_| {});
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.pass(100);
    rig.link(0, LinkChange::Down);
    assert_eq!(rig.value(trace), "bt");
    rig.sent();
    rig.pass(20_000);
    assert_eq!(rig.value(trace), "bt", "without a link there is no try that could fail");
    rig.link(0, LinkChange::Ready);
    assert_eq!(rig.sent(), ["20100:0:ask"]);
    rig.message("ok");
    assert_eq!(rig.value(trace), "btsa");
}

#[test]
fn a_link_that_drops_at_the_last_try_ends_the_pair() {
    let Asking { traced, group, .. } = asking(|pair| pair.retries = Some(0));
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.link(0, LinkChange::Down);
    assert_eq!(rig.value(trace), "btTa");
    assert!(rig.engine.is_idle());
}

#[test]
fn a_link_that_moves_repeats_the_pair_without_costing_a_try() {
    for change in [LinkChange::Moved, LinkChange::Swapped] {
        let Asking { traced, group, .. } = asking(|pair| pair.retries = Some(0));
        let trace = traced.trace;
        let mut rig = Rig::ready(traced.build);
        rig.enqueue(group, GroupOp::Execute);
        rig.sent();
        for _ in 0..3 {
            rig.link(0, change);
            rig.link(0, LinkChange::Ready);
            assert_eq!(rig.sent(), ["0:0:ask"], "{change:?}");
        }
        assert_eq!(rig.value(trace), "b");
        rig.pass(1_000);
        assert_eq!(rig.value(trace), "btTa", "{change:?}");
    }
}

#[test]
fn what_waits_for_a_link_is_kept_in_order_behind_what_opened_brings() {
    let mut traced = Traced::new();
    let mut groups = Vec::new();
    for text in ["login", "one", "two"] {
        let fixed = traced.build.fixed("c", text.as_bytes());
        let command = traced.build.command(&[fixed], |_| {});
        let pair = traced.build.pair(Some(command), &[], |_| {});
        groups.push(traced.build.group(&[GroupRun::Pair(pair)], |_| {}));
    }
    let login = Run::Group(Targets::These(vec![groups[0]]), GroupOp::Execute);
    let login = traced.build.action(login, |_| {});
    let connection = Item::Connection(ConnectionIx::new(0).expect("small"));
    traced.build.trigger(Some((connection, Time::Opened)), &[Step::Action(login)], |_| {});
    let mut rig = Rig::started(traced.build);
    rig.enqueue(groups[1], GroupOp::Execute);
    rig.enqueue(groups[2], GroupOp::Execute);
    assert_eq!(rig.engine.queued(), 2);
    rig.pass(60_000);
    rig.link(0, LinkChange::Ready);
    assert_eq!(rig.sent(), ["60000:0:login", "60000:0:one", "60000:0:two"]);
}

#[test]
fn a_group_that_waits_for_a_link_holds_up_no_other() {
    let Asking { mut traced, group, .. } = asking(|_| {});
    let other = traced.group("o");
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.enqueue(other, GroupOp::Execute);
    assert_eq!(rig.value(trace), "o");
}

#[test]
fn when_down_drop_leaves_the_pair_out_and_the_group_goes_on() {
    let Asking { mut traced, group, .. } = asking(|pair| pair.when_down = WhenDown::Drop);
    let end = traced.mark(".");
    let content = &mut traced.build.groups[group.index()].content;
    content.push(crate::language::model::logic::GroupItem { run: GroupRun::Action(end), next: None });
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    assert_eq!(rig.value(trace), ".");
    assert_eq!(rig.engine.counters().not_sent, 1);
    rig.link(0, LinkChange::Ready);
    assert!(rig.sent().is_empty());
}

#[test]
fn no_more_than_send_queue_wait_for_a_link() {
    let Asking { mut traced, group, .. } = asking(|_| {});
    traced.build.connections[0].limits.send_queue = 3;
    let mut rig = Rig::started(traced.build);
    for _ in 0..5 {
        rig.enqueue(group, GroupOp::Execute);
    }
    assert_eq!(rig.engine.queued(), 3);
    assert_eq!(rig.engine.counters().not_sent, 2);
    let reports = rig.reports();
    let report = reports.iter().find(|report| report.code == Code::LinkQueueFull).expect("a report");
    assert_eq!(report.text, "pair 1 was left out: too many wait for connection 0");
}

#[test]
fn what_waits_for_a_dead_link_takes_no_place_from_a_healthy_one() {
    let Asking { mut traced, group, .. } = asking(|_| {});
    traced.build.connections[0].limits.send_queue = MAX_QUEUED;
    let other = traced.build.connection(|_| {});
    let say = traced.build.fixed("say", b"hello");
    let say = traced.build.command(&[say], |_| {});
    let say = traced.build.pair(Some(say), &[], |_| {});
    let healthy = traced.build.group(&[GroupRun::Pair(say)], |group| group.connection = other);
    let mut rig = Rig::started(traced.build);
    rig.link(1, LinkChange::Ready);
    for _ in 0..MAX_QUEUED + 5 {
        rig.enqueue(group, GroupOp::AddToExecute);
    }
    rig.sent();
    rig.enqueue(healthy, GroupOp::AddToExecute);
    assert_eq!(rig.sent(), ["0:1:hello"]);
    let counters = rig.engine.counters();
    assert_eq!((counters.queue_full, counters.not_sent), (0, 5));
    // All that waited is sent once it can be, and the queue takes groups again.
    rig.link(0, LinkChange::Ready);
    for _ in 0..MAX_QUEUED {
        assert_eq!(rig.sent().len(), 1);
        rig.message("ok");
    }
    rig.enqueue(healthy, GroupOp::AddToExecute);
    assert_eq!(rig.sent().len(), 1);
}

#[test]
fn a_command_is_made_when_its_group_runs() {
    let mut traced = Traced::new();
    let value = traced.build.text("value");
    let command = traced.build.command(&[value], |_| {});
    let pair = traced.build.pair(Some(command), &[], |_| {});
    let group = traced.build.group(&[GroupRun::Pair(pair)], |_| {});
    let mut rig = Rig::started(traced.build);
    rig.set(value, "old");
    rig.enqueue(group, GroupOp::Execute);
    rig.set(value, "new");
    rig.link(0, LinkChange::Ready);
    assert_eq!(rig.sent(), ["0:0:new"], "what waits for its link has not been made yet");
}

/// A command of the parameters `head`, a length, and `body`, and a group that sends it.
fn framed() -> (Traced, CommandIx, GroupIx, ParamIx) {
    use crate::language::model::param::{ParamKind, ValueType};
    let mut traced = Traced::new();
    let head = traced.build.fixed("head", b"<");
    let length = traced.build.param("length", ParamKind::Length, ValueType::Double, |_| {});
    let body = traced.build.text("body");
    let command = traced.build.command(&[head, length, body], |_| {});
    let pair = traced.build.pair(Some(command), &[], |_| {});
    let group = traced.build.group(&[GroupRun::Pair(pair)], |_| {});
    (traced, command, group, body)
}

#[test]
fn actions_before_a_command_work_on_what_is_sent() {
    let data = |from: &'static str, to: &'static str| {
        let pairs = vec![(from.into(), to.into())];
        CommandOp::ReplaceData(ReplaceData { pairs, start: 0, end: 0, part: ReplacePart::Inner })
    };
    let cases: [(&[CommandOp], &str); 4] = [
        (&[CommandOp::Length], "<4abc"),
        (&[CommandOp::Length, CommandOp::Make], "<4abc"),
        (&[CommandOp::Make, CommandOp::Length], "<4abc"),
        (&[CommandOp::Length, data("b", "BB")], "<4aBBc"),
    ];
    for (ops, expected) in cases {
        let (mut traced, command, group, body) = framed();
        // Without `On@id` an action works on the command that fired.
        let steps: Vec<Step> = ops
            .iter()
            .map(|op| Step::Action(traced.build.action(Run::Command(Targets::Fired, op.clone()), |_| {})))
            .collect();
        traced.build.trigger(Some((Item::Command(command), Time::Before)), &steps, |_| {});
        let mut rig = Rig::ready(traced.build);
        rig.set(body, "abc");
        rig.engine.effects();
        rig.enqueue(group, GroupOp::Execute);
        assert_eq!(rig.sent(), [format!("0:0:{expected}")], "{ops:?}");
    }
}

#[test]
fn make_command_by_protocol_sends_what_was_made_when_the_group_was_queued() {
    let mut traced = Traced::new();
    traced.build.connections[0].make_command_by_protocol = true;
    let value = traced.build.text("value");
    let command = traced.build.command(&[value], |_| {});
    let pair = traced.build.pair(Some(command), &[], |_| {});
    let group = traced.build.group(&[GroupRun::Pair(pair)], |_| {});
    let make = traced.build.action(Run::Command(Targets::Fired, CommandOp::Make), |_| {});
    let steps = [traced.step("m"), Step::Action(make)];
    traced.build.trigger(Some((Item::Command(command), Time::Before)), &steps, |_| {});
    let before = traced.step("g");
    traced.build.trigger(Some((Item::Group(group), Time::Before)), &[before], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    for text in ["one", "two"] {
        rig.set(value, text);
        rig.enqueue(group, GroupOp::Execute);
    }
    rig.set(value, "three");
    rig.link(0, LinkChange::Ready);
    assert_eq!(rig.sent(), ["0:0:one", "0:0:two"]);
    assert_eq!(rig.value(trace), "mgmg");
}

#[test]
fn under_make_command_by_protocol_nothing_is_sent_that_no_action_made() {
    let Asking { mut traced, group, .. } = asking(|_| {});
    traced.build.connections[0].make_command_by_protocol = true;
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    let reports = rig.reports();
    assert!(reports.iter().any(|report| report.text == "command 1 was not sent: no action made it"));
    assert_eq!(rig.engine.counters().sent, 0);
    assert!(rig.engine.is_idle());
}

#[test]
fn a_text_command_that_is_no_text_is_reported_and_not_sent() {
    let mut traced = Traced::new();
    let bytes = traced.build.fixed("bytes", b"\xff\xfe");
    let command = traced.build.command(&[bytes], |command| command.kind = MessageKind::Text);
    let pair = traced.build.pair(Some(command), &[], |_| {});
    let group = traced.build.group(&[GroupRun::Pair(pair)], |_| {});
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    let reports = rig.reports();
    assert!(reports.iter().any(|report| report.code == Code::Command && report.text.contains("UTF-8")));
    assert_eq!((rig.engine.counters().sent, rig.engine.counters().not_sent), (0, 1));
}

#[test]
fn the_actions_timeout_and_set_next_hold_for_later_runs() {
    let Asking { mut traced, pair, group, .. } = asking(|pair| pair.retries = Some(0));
    let timeout = PairOp::Timeout(Operand::Value(70.0.into()));
    let timeout = traced.button(Run::Pair(Targets::These(vec![pair]), timeout));
    let next = PairOp::SetNext { positions: Vec::new(), wait: Operand::Value(30.0.into()) };
    let next = traced.button(Run::Pair(Targets::These(vec![pair]), next));
    let other = traced.group(".");
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.set(timeout, "x");
    rig.set(next, "x");
    rig.enqueue(group, GroupOp::Execute);
    rig.enqueue(other, GroupOp::Execute);
    for (millis, expected) in [(69, "b"), (1, "btTa"), (29, "btTa"), (1, "btTa.")] {
        rig.pass(millis);
        assert_eq!(rig.value(trace), expected);
    }
}

#[test]
fn the_element_goes_into_timeout_after_its_time_and_comes_back_with_an_answer() {
    for (ignore, expected) in [(false, &["timeout true", "timeout false"][..]), (true, &[])] {
        let Asking { mut traced, group, .. } = asking(|pair| {
            pair.retries = Some(0);
            pair.ignore_timeout = ignore;
        });
        traced.build.connections[0].defaults.element_timeout = Duration::from_secs(10);
        let mut rig = Rig::ready(traced.build);
        rig.enqueue(group, GroupOp::Execute);
        rig.pass(10_999);
        assert!(!rig.engine.is_in_timeout());
        rig.pass(1);
        assert_eq!(rig.engine.is_in_timeout(), !ignore);
        rig.enqueue(group, GroupOp::Execute);
        rig.message("ok");
        let lines: Vec<String> = rig.lines().into_iter().filter(|line| line.starts_with("timeout")).collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn an_element_without_its_link_goes_into_timeout_too() {
    let Asking { mut traced, .. } = asking(|_| {});
    traced.build.connections[0].defaults.element_timeout = Duration::from_secs(10);
    let mut rig = Rig::ready(traced.build);
    for _ in 0..3 {
        rig.link(0, LinkChange::Down);
        rig.pass(3_000);
    }
    assert!(!rig.engine.is_in_timeout());
    rig.pass(1_000);
    assert!(rig.engine.is_in_timeout(), "the first failure counts");
    rig.link(0, LinkChange::Ready);
    assert!(!rig.engine.is_in_timeout());
    rig.link(0, LinkChange::Closed);
    rig.pass(100_000);
    assert!(!rig.engine.is_in_timeout(), "closed on purpose is no failure");
}

#[test]
fn a_heartbeat_without_an_answer_drops_its_link() {
    let Asking { mut traced, pair, group, .. } = asking(|_| {});
    traced.build.connections[0].keep_alive.heartbeat = Some(pair);
    let mut rig = Rig::ready(traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.pass(2_999);
    assert!(!rig.lines().contains(&"heartbeat lost 0".to_owned()));
    rig.pass(1);
    assert!(rig.lines().contains(&"heartbeat lost 0".to_owned()));
}

#[test]
fn the_status_parameters_follow_the_link_on_changes_only() {
    let mut traced = Traced::new();
    let open = traced.build.number("open");
    let gone = traced.build.text("gone");
    traced.build.connections[0].connections_param = Some(open);
    traced.build.connections[0].disconnections_param = Some(gone);
    let connection = Item::Connection(ConnectionIx::new(0).expect("small"));
    for (time, letter) in [(Time::Opened, "o"), (Time::Closed, "c"), (Time::Rejected, "r")] {
        let step = traced.step(letter);
        traced.build.trigger(Some((connection, time)), &[step], |_| {});
    }
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    let cases: [(LinkChange, &[&str], &str); 8] = [
        (LinkChange::Down, &["change open=0"], ""),
        (LinkChange::Down, &[], ""),
        (LinkChange::Ready, &["change open=1", "change trace=o"], "o"),
        (LinkChange::Swapped, &["change gone=peer:1", "change trace=oo"], "oo"),
        (LinkChange::Moved, &["change open=0", "change trace=ooc"], "ooc"),
        (LinkChange::Ready, &["change open=1", "change trace=ooco"], "ooco"),
        (LinkChange::Down, &["change open=0", "change trace=oococ"], "oococ"),
        (LinkChange::Rejected, &["change trace=oococr"], "oococr"),
    ];
    for (change, lines, expected) in cases {
        rig.link(0, change);
        assert_eq!(rig.lines(), lines, "{change:?}");
        assert_eq!(rig.value(trace), expected, "{change:?}");
    }
}
