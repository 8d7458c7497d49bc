//! Change events: their order, equal values, nesting, loops, what one message causes, start and stop.

use std::sync::Arc;

use super::*;
use crate::engine::codec::{Gathered, Set};
use crate::engine::logic::effect::{Code, Severity};
use crate::engine::logic::{Life, MAX_DEPTH, TableEdit};
use crate::engine::param::Fill;
use crate::engine::param::startup::{Provenance, Setting, Stored};
use crate::language::model::build::{condition, extract};
use crate::language::model::condition::{Expression, Operator};
use crate::language::model::id::TableIx;
use crate::language::model::logic::{Item, Time};
use crate::language::model::param::{ColumnKind, ParamKind, ValueType};

#[test]
fn a_change_event_has_its_order() {
    let mut traced = Traced::new();
    let connection = ConnectionIx::new(0).expect("small");
    let read = traced.build.param("path", ParamKind::Read, ValueType::String, |param| {
        param.save = true;
        param.watched_by = vec![connection];
    });
    let write = traced.build.param("set path", ParamKind::Write, ValueType::String, |param| {
        param.save = true;
        param.watched_by = vec![connection];
        param.setter = Some(read);
    });
    for (param, letter) in [(read, "r"), (write, "w")] {
        let step = traced.step(letter);
        traced.build.trigger(Some((Item::Param(param), Time::Change)), &[step], |_| {});
    }
    let mut rig = Rig::started(traced.build);
    rig.set(write, "/a");
    let first = [
        "change trace=w",
        "watched 0 set path >/a User",
        "save set path=/a",
        // The setter's copy is an engine set with an event of its own, finished before the feed of the write parameter;
        // to the link it is the person who set it.
        "change trace=wr",
        "watched 0 path >/a User",
        "save path=/a",
        "change path=/a",
        "change set path=/a",
    ];
    assert_eq!(rig.lines(), first);
    // The same value again: an event of the write parameter, none of the read one; the link hears of it all the same.
    rig.set(write, "/a");
    let again = [
        "change trace=wrw",
        "watched 0 set path /a>/a User",
        "save set path=/a",
        "watched 0 path /a>/a User",
        "change set path=/a",
    ];
    assert_eq!(rig.lines(), again);
}

/// A watched parameter "path" that was "/a", and a trigger on it that sets it to `back` as soon as it is "/b".
fn set_by_its_own_trigger(back: &str) -> (Rig, ParamIx) {
    let mut build = Build::new();
    let connection = build.connection(|_| {});
    let path = build.param("path", ParamKind::Read, ValueType::String, |param| {
        param.default = Some("/a".into());
        param.watched_by = vec![connection];
    });
    let copy = ParamOp::Copy(Some(Operand::Value(back.into())));
    let set = build.action(Run::Param(Targets::These(vec![path]), copy), |_| {});
    let is_b = condition(Expression::Binary(
        Operator::Equal,
        Box::new(Expression::Param(path)),
        Box::new(Expression::Text("/b".into())),
    ));
    build.trigger(Some((Item::Param(path), Time::Change)), &[Step::Action(set)], |trigger| {
        trigger.condition = Some(is_b);
    });
    (Rig::started(build), path)
}

#[test]
fn a_link_is_told_the_last_of_nested_values_next_to_the_one_that_it_had() {
    let cases: [(&str, Origin, &[&str]); 4] = [
        // Changed and changed back by the engine: nothing has happened.
        ("/a", Origin::Engine, &[]),
        ("/c", Origin::Engine, &["watched 0 path /a>/c Engine"]),
        // A person moves the link all the same.
        ("/a", Origin::User, &["watched 0 path /a>/a User"]),
        ("/c", Origin::Api, &["watched 0 path /a>/c Engine", "watched 0 path /c>/c Api"]),
    ];
    for (back, origin, told) in cases {
        let (mut rig, path) = set_by_its_own_trigger(back);
        rig.engine.set(&mut rig.ctx, path, None, "/b".into(), origin).expect("fits");
        assert_eq!(rig.value(path), back);
        let lines = rig.lines();
        let watched: Vec<&str> =
            lines.iter().map(String::as_str).filter(|line| line.starts_with("watched")).collect();
        assert_eq!(watched, told, "{back} {origin:?}");
    }
}

#[test]
fn equal_values_are_events_by_who_sets_them_and_on_write_parameters() {
    let cases = [
        (ParamKind::Read, Origin::Engine, false),
        (ParamKind::Read, Origin::Message, false),
        (ParamKind::Read, Origin::User, true),
        (ParamKind::Read, Origin::Api, true),
        (ParamKind::Read, Origin::Script, true),
        (ParamKind::Write, Origin::Engine, true),
        (ParamKind::Write, Origin::Message, true),
    ];
    for (kind, origin, is_event) in cases {
        let mut traced = Traced::new();
        let param = traced.build.param("p", kind, ValueType::String, |_| {});
        let step = traced.step("x");
        traced.build.trigger(Some((Item::Param(param), Time::Change)), &[step], |_| {});
        let trace = traced.trace;
        let mut rig = Rig::started(traced.build);
        for _ in 0..2 {
            rig.engine.set(&mut rig.ctx, param, None, "same".into(), origin).expect("fits");
        }
        let expected = if is_event { "xx" } else { "x" };
        assert_eq!(rig.value(trace), expected, "{kind:?} {origin:?}");
    }
}

#[test]
fn clear_makes_the_next_value_count_as_new() {
    let mut traced = Traced::new();
    let param = traced.build.text("p");
    let step = traced.step("x");
    traced.build.trigger(Some((Item::Param(param), Time::Change)), &[step], |_| {});
    let clear = traced.button(Run::Param(Targets::These(vec![param]), ParamOp::Clear));
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    let set = |rig: &mut Rig| {
        rig.engine.set(&mut rig.ctx, param, None, "same".into(), Origin::Engine).expect("fits");
    };
    set(&mut rig);
    set(&mut rig);
    assert_eq!(rig.value(trace), "x");
    rig.set(clear, "1");
    set(&mut rig);
    assert_eq!(rig.value(trace), "xx");
}

#[test]
fn all_that_a_set_causes_is_finished_before_the_next_step() {
    let mut traced = Traced::new();
    let inner = traced.build.text("inner");
    let steps = [traced.step("2"), traced.step("3")];
    traced.build.trigger(Some((Item::Param(inner), Time::Change)), &steps, |_| {});
    let copy = Run::Param(Targets::These(vec![inner]), ParamOp::Copy(Some(Operand::Value("v".into()))));
    let copy = traced.build.action(copy, |_| {});
    let steps = [traced.step("1"), Step::Action(copy), traced.step("4")];
    let outer = traced.button_for(&steps);
    let second = traced.step("5");
    traced.build.trigger(Some((Item::Param(outer), Time::Change)), &[second], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.set(outer, "go");
    assert_eq!(rig.value(trace), "12345");
}

#[test]
fn the_other_branch_runs_when_the_condition_does_not_hold_and_nothing_when_the_guard_does_not() {
    let mut traced = Traced::new();
    let state = traced.build.number("state");
    let (yes, no) = (traced.step("y"), traced.step("n"));
    let compare = |operator, number| {
        condition(Expression::Binary(
            operator,
            Box::new(Expression::Param(state)),
            Box::new(Expression::Number(number)),
        ))
    };
    traced.build.trigger(Some((Item::Param(state), Time::Change)), &[yes], |trigger| {
        trigger.condition = Some(compare(Operator::Equal, 1.0));
        trigger.guard = Some(compare(Operator::Less, 5.0));
        trigger.otherwise = vec![no];
    });
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    for value in [1.0, 2.0, 9.0, 1.0] {
        rig.set(state, value);
    }
    assert_eq!(rig.value(trace), "yny");
}

#[test]
fn a_loop_is_cut_and_reported_with_its_path() {
    let mut traced = Traced::new();
    let counter = traced.build.number("counter");
    let more = Run::Param(Targets::These(vec![counter]), ParamOp::Increment(Operand::Value(1.0.into())));
    let more = traced.build.action(more, |_| {});
    traced.build.trigger(Some((Item::Param(counter), Time::Change)), &[Step::Action(more)], |_| {});
    let mut rig = Rig::started(traced.build);
    rig.set(counter, 0.0);
    let depth = rig.value(counter).parse::<usize>().expect("a number");
    assert_eq!(depth, MAX_DEPTH);
    let reports = rig.reports();
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].code, reports[0].severity), (Code::LoopCut, Severity::Error));
    assert_eq!(
        reports[0].text,
        "events nest deeper than 200 and were cut: parameter 2 -> trigger 1 -> action 1 -> parameter 2"
    );
    assert_eq!(rig.engine.counters().cuts, 1);
    // The element goes on.
    rig.set(counter, 0.0);
    assert_eq!(rig.engine.counters().cuts, 2);
    assert!(rig.reports().is_empty(), "the same again is only counted for a while");
}

#[test]
fn triggers_that_call_each_other_are_cut() {
    let mut traced = Traced::new();
    let first = traced.build.trigger(None, &[], |_| {});
    let second = traced.build.trigger(None, &[Step::Trigger(first)], |_| {});
    traced.build.triggers[first.index()].content = vec![Step::Trigger(second)];
    let button = traced.button_for(&[Step::Trigger(first)]);
    let mut rig = Rig::started(traced.build);
    rig.set(button, "x");
    let reports = rig.reports();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].text.ends_with("trigger 2 -> trigger 1 -> trigger 2"), "{}", reports[0].text);
}

#[test]
fn a_chain_that_branches_at_every_level_ends() {
    let mut traced = Traced::new();
    let mut below = None;
    for _ in 0..40 {
        let steps: Vec<Step> = below.into_iter().flat_map(|trigger| [Step::Trigger(trigger); 2]).collect();
        let steps = if steps.is_empty() { vec![traced.step("x")] } else { steps };
        below = Some(traced.build.trigger(None, &steps, |_| {}));
    }
    let connection = ConnectionIx::new(0).expect("small");
    let path = traced.build.param("path", ParamKind::Read, ValueType::String, |param| {
        param.save = true;
        param.watched_by = vec![connection];
    });
    let steps = [Step::Trigger(below.expect("there are triggers"))];
    traced.build.trigger(Some((Item::Param(path), Time::Change)), &steps, |_| {});
    let mut rig = Rig::started(traced.build);
    rig.set(path, "/a");
    let lines = rig.lines();
    assert!(lines.iter().any(|line| line.contains("and the rest was cut")), "{lines:?}");
    // The value that began it stays, so everybody has to have it.
    for told in ["watched 0 path >/a User", "save path=/a", "change path=/a"] {
        assert_eq!(lines.iter().filter(|line| *line == told).count(), 1, "{told} {lines:?}");
    }
    // Nothing is left over for the next input.
    let trace_before = rig.engine.counters().cuts;
    rig.pass(1_000);
    assert_eq!(rig.engine.counters().cuts, trace_before);
}

#[test]
fn all_values_of_a_message_are_set_before_the_first_event() {
    let mut traced = Traced::new();
    let (a, b) = (traced.build.text("a"), traced.build.text("b"));
    for (on, other) in [(a, b), (b, a)] {
        let copy = ParamOp::Append(Operand::Param(other));
        let copy = traced.build.action(Run::Param(Targets::These(vec![traced.trace]), copy), |_| {});
        traced.build.trigger(Some((Item::Param(on), Time::Change)), &[Step::Action(copy)], |_| {});
    }
    let late = traced.step("!");
    let response = traced.build.response(&[], |response| {
        response.mapping.extracts = vec![extract("a", a), extract("b", b)];
    });
    traced.build.trigger(Some((Item::Response(response), Time::After)), &[late], |_| {});
    let changed = traced.step("c");
    traced.build.trigger(Some((Item::Param(a), Time::ChangeAfterResponse)), &[changed], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.message(r#"{"a":"A","b":"B"}"#);
    assert_eq!(rig.value(trace), "BcA!");
    rig.message(r#"{"a":"A","b":"B"}"#);
    assert_eq!(rig.value(trace), "BcA!!", "equal values are no events, but every message counts");
    rig.set(a, "x");
    assert_eq!(rig.value(trace), "BcA!!B", "`change after response` is for messages only");
}

#[test]
fn values_that_do_not_fit_are_dropped_counted_and_reported_once() {
    let mut traced = Traced::new();
    let level = traced.build.param("level", ParamKind::Read, ValueType::Double, |param| {
        param.range.high = Some(10.0);
    });
    traced.build.response(&[], |response| response.mapping.extracts = vec![extract("v", level)]);
    let mut rig = Rig::ready(traced.build);
    for payload in [r#"{"v":5}"#, r#"{"v":50}"#, r#"{"v":51}"#] {
        rig.message(payload);
    }
    assert_eq!(rig.value(level), "5");
    assert_eq!(rig.engine.counters().dropped_values, 2);
    let reports = rig.reports();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].text, "a value for parameter 2 was dropped: 50 is outside the range");
    rig.pass(60_000);
    rig.message(r#"{"v":52}"#);
    assert_eq!(rig.reports()[0].suppressed, 1);
}

#[test]
fn a_message_that_no_response_takes_is_counted_for_its_connection() {
    let mut traced = Traced::new();
    traced.build.connection(|_| {});
    let ok = traced.build.fixed("ok", b"ok");
    traced.build.response(&[ok], |_| {});
    let mut rig = Rig::ready(traced.build);
    rig.message("ok");
    rig.message("other");
    for payload in ["another", "one more"] {
        rig.message_on(1, payload);
    }
    let counters = rig.engine.counters();
    assert_eq!((counters.messages, counters.unmatched), (4, 3));
    let of = |index| rig.engine.unmatched(ConnectionIx::new(index).expect("small"));
    assert_eq!([0, 1, 2].map(of), [1, 2, 0]);
    assert!(rig.lines().is_empty());
}

#[test]
fn captured_values_of_a_handshake_are_set_together() {
    let mut traced = Traced::new();
    let (status, header) = (traced.build.text("status"), traced.build.text("header"));
    let copy = ParamOp::Append(Operand::Param(header));
    let copy = traced.build.action(Run::Param(Targets::These(vec![traced.trace]), copy), |_| {});
    traced.build.trigger(Some((Item::Param(status), Time::Change)), &[Step::Action(copy)], |_| {});
    let mut rig = Rig::started(traced.build);
    let sets = vec![
        Set { param: status, value: "HTTP/1.1 101 Switching Protocols".into() },
        Set { param: header, value: "h".into() },
    ];
    let got = Gathered { sets, ..Gathered::default() };
    rig.engine.captured(&mut rig.ctx, ConnectionIx::new(0).expect("small"), got);
    let expected = ["change trace=h", "change status=HTTP/1.1 101 Switching Protocols", "change header=h"];
    assert_eq!(rig.lines(), expected);
}

#[test]
fn tables_raise_one_event_for_each_edit() {
    let mut traced = Traced::new();
    let columns =
        [("key", ValueType::String, ColumnKind::Retrieved), ("v", ValueType::Double, ColumnKind::Retrieved)];
    let table = traced.build.table("table", &columns, |_| {});
    let array = traced.build.tables[table.index()].param;
    let column = traced.build.tables[table.index()].columns[1].param;
    let (t, c) = (traced.step("t"), traced.step("c"));
    traced.build.trigger(Some((Item::Param(array), Time::Change)), &[t], |_| {});
    traced.build.trigger(Some((Item::Param(column), Time::Change)), &[c], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    let row = |key: &str, value: f64| vec![Some(key.into()), Some(value.into())];
    let rows = vec![row("a", 1.0), row("b", 2.0)];
    let fill = TableEdit::Fill { rows, mode: Fill::Replace };
    rig.engine.edit(&mut rig.ctx, table, fill, Origin::Message).expect("fits");
    assert_eq!(rig.value(trace), "t");
    rig.engine.set(&mut rig.ctx, column, Some("a"), 3.0.into(), Origin::Api).expect("the row is there");
    assert_eq!(rig.value(trace), "tc");
    assert!(rig.engine.set(&mut rig.ctx, column, Some("nobody"), 3.0.into(), Origin::Api).is_err());
}

#[test]
fn the_start_takes_saved_then_set_then_default_values_and_runs_after_startup_once() {
    let mut traced = Traced::new();
    let saved = traced.build.param("saved", ParamKind::Read, ValueType::String, |param| {
        param.save = true;
        param.default = Some("default".into());
    });
    let given = traced.build.param("given", ParamKind::Read, ValueType::String, |param| {
        param.default = Some("default".into());
    });
    let plain = traced.build.param("plain", ParamKind::Read, ValueType::String, |param| {
        param.default = Some("default".into());
    });
    let step = traced.step("s");
    traced.build.trigger(Some((Item::Protocol, Time::AfterStartup)), &[step], |_| {});
    let not = traced.step("!");
    traced.build.trigger(Some((Item::Param(saved), Time::Change)), &[not], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::new(traced.build);
    let setting = Setting { value: "set".into(), source: Provenance::Literal, fingerprint: [1; 16] };
    let first = First {
        stored: vec![(saved, Stored { value: Some("kept".into()), applied: None })],
        settings: vec![(given, setting)],
        rows: Vec::new(),
        ..First::default()
    };
    rig.engine.start(&mut rig.ctx, first);
    assert_eq!([rig.value(saved), rig.value(given), rig.value(plain)], ["kept", "set", "default"]);
    assert_eq!(rig.value(trace), "s");
    rig.engine.start(&mut rig.ctx, First::default());
    assert_eq!(rig.value(trace), "s");
}

#[test]
fn a_setting_that_does_not_fit_leaves_what_was_saved_or_the_default() {
    let mut traced = Traced::new();
    let mut number = |save| {
        traced.build.param("number", ParamKind::Read, ValueType::Double, |param| {
            param.save = save;
            param.default = Some(1.0.into());
        })
    };
    let params = [number(true), number(false), number(true)];
    let mut rig = Rig::new(traced.build);
    let setting = Setting { value: "none".into(), source: Provenance::Literal, fingerprint: [1; 16] };
    let stored = |value: Value| Stored { value: Some(value), applied: None };
    let first = First {
        stored: vec![(params[0], stored(5.0.into())), (params[1], stored(5.0.into()))],
        settings: params.iter().map(|param| (*param, setting.clone())).collect(),
        ..First::default()
    };
    rig.engine.start(&mut rig.ctx, first);
    assert_eq!(params.map(|param| rig.value(param)), ["5", "1", "1"]);
    let reports = rig.lines().iter().filter(|line| line.starts_with("report")).count();
    assert_eq!(reports, 3);
}

/// The rows of a table, in order: `a=A,1`.
fn rows(rig: &Rig, table: TableIx) -> Vec<String> {
    let rows = rig.engine.params().rows(table);
    let text = |key: &Arc<str>| {
        let cells = rows.get(key).expect("it is there").cells();
        let cells: Vec<String> = cells.iter().skip(1).map(|cell| cell.to_text().to_string()).collect();
        format!("{key}={}", cells.join(","))
    };
    let mut rows: Vec<String> = rows.keys().map(text).collect();
    rows.sort();
    rows
}

#[test]
fn what_was_saved_comes_late_and_undoes_nothing_that_was_set_meanwhile() {
    let row = |cells: [Option<&str>; 3]| cells.map(|cell| cell.map(Value::from)).to_vec();
    let saved = || vec![row([Some("a"), Some("A"), Some("1")]), row([Some("b"), Some("B"), Some("2")])];
    let stored = |value: &str| Stored { value: Some(value.into()), applied: None };
    let fill = |rows, mode| TableEdit::Fill { rows, mode };
    let mine = || row([Some("b"), Some("mine"), None]);
    for (edit, after) in [
        (None, vec!["a=A,1", "b=B,2"]),
        (Some(fill(vec![mine()], Fill::Merge)), vec!["a=A,1", "b=mine,2"]),
        // Whoever replaces a table wants no other rows, whether they are known or not.
        (Some(fill(vec![mine()], Fill::Replace)), vec!["b=mine,2"]),
        (Some(TableEdit::Clear), vec![]),
    ] {
        let mut build = Build::new();
        let connection = build.connection(|_| {});
        let param = |build: &mut Build, name| {
            build.param(name, ParamKind::Read, ValueType::String, |param| {
                param.save = true;
                param.default = Some("/default".into());
                param.watched_by = vec![connection];
            })
        };
        let (path, other) = (param(&mut build, "path"), param(&mut build, "other"));
        let column = |name| (name, ValueType::String, ColumnKind::Custom);
        let columns = [column("key"), column("one"), column("two")];
        let table = build.table("t", &columns, |table| {
            table.columns.iter_mut().for_each(|column| column.save = true);
        });
        let mut rig = Rig::new(build);
        rig.engine.start(&mut rig.ctx, First { unread: true, ..First::default() });
        rig.set(other, "/mine");
        let edited = edit.is_some();
        if let Some(edit) = edit {
            rig.engine.edit(&mut rig.ctx, table, edit, Origin::Engine).expect("it fits");
        }
        rig.lines();
        let late = || First {
            stored: vec![(path, stored("/saved")), (other, stored("/old"))],
            rows: vec![(table, saved())],
            ..First::default()
        };
        rig.engine.restore(&mut rig.ctx, late());
        assert_eq!((rig.value(path).as_str(), rig.value(other).as_str()), ("/saved", "/mine"));
        assert_eq!(rows(&rig, table), after);
        let lines = rig.lines();
        assert_eq!(lines[0], "watched 0 path /default>/saved Engine");
        // What the store has of the table is made what stands here.
        assert!(lines.iter().any(|line| line.starts_with("save Table")) || !edited, "{lines:?}");
        // Only once.
        rig.set(path, "/later");
        rig.engine.restore(&mut rig.ctx, late());
        assert_eq!(rig.value(path), "/later");
    }
}

#[test]
fn stop_ends_timers_forgets_what_waits_and_lets_before_stop_finish() {
    let mut traced = Traced::new();
    let ask = traced.build.fixed("bye", b"bye");
    let command = traced.build.command(&[ask], |_| {});
    let bye = traced.build.pair(Some(command), &[], |_| {});
    let farewell = traced.build.group(&[GroupRun::Pair(bye)], |_| {});
    let polled = traced.group("p");
    let period = crate::language::model::logic::Period::Every(Duration::from_secs(1));
    traced.build.timer(period, &[polled], |_| {});
    let execute = Run::Group(Targets::These(vec![farewell]), GroupOp::Execute);
    let execute = traced.build.action(execute, |_| {});
    traced.build.trigger(Some((Item::Protocol, Time::BeforeStop)), &[Step::Action(execute)], |_| {});
    let trace = traced.trace;
    let mut rig = Rig::ready(traced.build);
    rig.pass(1_000);
    let before = rig.value(trace);
    rig.engine.effects();
    rig.engine.stop(&mut rig.ctx);
    assert_eq!(rig.lines(), ["send 0 bye"]);
    assert!(rig.engine.is_idle());
    assert_eq!(rig.engine.life(), Life::Stopping);
    assert_eq!(rig.engine.wake_at(), None);
    rig.pass(10_000);
    assert_eq!(rig.value(trace), before);
}
