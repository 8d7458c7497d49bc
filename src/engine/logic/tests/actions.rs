//! Every action and what it applies to.

use super::*;
use crate::engine::logic::effect::Code;
use crate::language::model::build::{condition, extract};
use crate::language::model::condition::Expression;
use crate::language::model::logic::{
    Item, ProtocolOp, Replace, ReplaceData, ReplacePart, ResponseOp, Stuffing, Time,
};
use crate::language::model::param::{ColumnKind, Discreet, Length, ParamKind, ValueType};

/// Runs an action on a text parameter with a value; `other` has the value `5`, shown as `five`.
fn text_after(start: &str, op: impl FnOnce(ParamIx) -> ParamOp) -> String {
    let mut traced = Traced::new();
    let other = traced.build.param("other", ParamKind::Read, ValueType::String, |param| {
        param.discreets = vec![Discreet { value: "5".into(), display: "five".into() }];
    });
    let target = traced.build.text("target");
    let button = traced.button(Run::Param(Targets::These(vec![target]), op(other)));
    let mut rig = Rig::started(traced.build);
    rig.set(other, "5");
    rig.set(target, start);
    rig.set(button, "x");
    rig.value(target)
}

#[test]
fn actions_on_texts() {
    let literal = |text: &str| Operand::Value(text.into());
    assert_eq!(text_after("a", |_| ParamOp::Append(literal("b"))), "ab");
    assert_eq!(text_after("a", |other| ParamOp::Append(Operand::Param(other))), "afive");
    assert_eq!(text_after("a", |other| ParamOp::AppendData(Operand::Param(other))), "a5");
    assert_eq!(text_after("a", |other| ParamOp::Copy(Some(Operand::Param(other)))), "5");
    // Without a source: the parameter that the trigger is on.
    assert_eq!(text_after("a", |_| ParamOp::Copy(None)), "x");
    assert_eq!(text_after("abc", |_| ParamOp::Reverse(Vec::new())), "cba");
    assert_eq!(text_after("a", |_| ParamOp::AppendHex(literal("AZ"), Some(1))), "a41 5A");
    assert_eq!(text_after("a", |_| ParamOp::CopyReverse(Some(literal("xyz")))), "zyx");
    assert_eq!(text_after("a-b-c", |_| ParamOp::ReplaceData(data("-", "+"))), "a+b+c");
    assert_eq!(text_after("a", |_| ParamOp::Clear), "");
}

/// Runs an action on a number that is 6; `other` is 4.
fn number_after(op: impl FnOnce(ParamIx) -> ParamOp) -> (String, usize) {
    let mut traced = Traced::new();
    let other = traced.build.number("other");
    let target = traced.build.number("target");
    let button = traced.button(Run::Param(Targets::These(vec![target]), op(other)));
    let mut rig = Rig::started(traced.build);
    rig.set(other, 4.0);
    rig.set(target, 6.0);
    rig.engine.effects();
    rig.set(button, "x");
    let complaints = rig.reports().iter().filter(|report| report.code == Code::Action).count();
    (rig.value(target), complaints)
}

#[test]
fn actions_on_numbers() {
    let literal = |number: f64| Operand::Value(number.into());
    let fine = |text: &str| (text.to_owned(), 0);
    let complained = |text: &str| (text.to_owned(), 1);
    assert_eq!(number_after(|_| ParamOp::Increment(literal(1.5))), fine("7.5"));
    assert_eq!(number_after(|other| ParamOp::Increment(Operand::Param(other))), fine("10"));
    assert_eq!(number_after(|_| ParamOp::Multiply(literal(-2.0))), fine("-12"));
    assert_eq!(number_after(|_| ParamOp::Pow(literal(2.0))), fine("36"));
    assert_eq!(number_after(|_| ParamOp::Pow(literal(100_000.0))), complained("6"));
    assert_eq!(number_after(|_| ParamOp::Increment(Operand::Value("x".into()))), complained("6"));
}

#[test]
fn an_empty_number_counts_from_zero() {
    let mut traced = Traced::new();
    let counter = traced.build.number("counter");
    let op = ParamOp::Increment(Operand::Value(1.0.into()));
    let button = traced.button(Run::Param(Targets::These(vec![counter]), op));
    let mut rig = Rig::started(traced.build);
    rig.set(button, "x");
    rig.set(button, "x");
    assert_eq!(rig.value(counter), "2");
}

#[test]
fn go_runs_what_a_change_would_and_save_saves() {
    let mut traced = Traced::new();
    let param = traced.build.param("p", ParamKind::Read, ValueType::String, |param| param.save = true);
    let step = traced.step("g");
    traced.build.trigger(Some((Item::Param(param), Time::Change)), &[step], |_| {});
    let go = traced.button(Run::Param(Targets::These(vec![param]), ParamOp::Go));
    let save = traced.button(Run::Param(Targets::These(vec![param]), ParamOp::Save));
    let hide = traced.button(Run::Param(Targets::These(vec![param]), ParamOp::ClearOnDisplay));
    let scripts = traced.button(Run::Param(Targets::These(vec![param]), ParamOp::RunActions));
    let mut rig = Rig::started(traced.build);
    rig.set(param, "v");
    rig.lines();
    rig.set(go, "x");
    assert_eq!(rig.lines(), ["change trace=gg", "save p=v", "change p=v", "change button=x"]);
    rig.set(save, "x");
    assert_eq!(rig.lines(), ["save p=v", "change button=x"]);
    rig.set(hide, "x");
    assert_eq!(rig.lines(), ["change p=", "change button=x"]);
    assert_eq!(rig.value(param), "v");
    rig.set(scripts, "x");
    assert_eq!(rig.lines(), ["change button=x"], "there are no scripts");
}

#[test]
fn an_action_runs_on_all_that_it_names_unless_its_condition_does_not_hold() {
    let mut traced = Traced::new();
    let (a, b) = (traced.build.text("a"), traced.build.text("b"));
    let allow = traced.build.number("allow");
    let copy = Run::Param(Targets::These(vec![a, b]), ParamOp::Copy(None));
    let action = traced.build.action(copy, |action| {
        action.condition = Some(condition(Expression::Param(allow)));
    });
    let button = traced.button_for(&[Step::Action(action)]);
    let mut rig = Rig::started(traced.build);
    rig.set(button, "1");
    assert_eq!([rig.value(a), rig.value(b)], ["", ""]);
    rig.set(allow, 1.0);
    rig.set(button, "2");
    assert_eq!([rig.value(a), rig.value(b)], ["2", "2"]);
}

#[test]
fn an_action_without_a_target_of_its_kind_says_so() {
    let mut traced = Traced::new();
    let button = traced.button(Run::Group(Targets::Fired, GroupOp::Execute));
    let mut rig = Rig::started(traced.build);
    rig.set(button, "x");
    let reports = rig.reports();
    assert_eq!(reports[0].text, "action 1 did nothing: it needs something to work on");
}

#[test]
fn in_a_row_columns_mean_the_cells_of_that_row() {
    let mut traced = Traced::new();
    let columns = [
        ("key", ValueType::String, ColumnKind::Retrieved),
        ("in", ValueType::Double, ColumnKind::Retrieved),
        ("out", ValueType::Double, ColumnKind::Retrieved),
    ];
    let table = traced.build.table("table", &columns, |table| table.auto_add = true);
    let param = |at: usize| traced.build.tables[table.index()].columns[at].param;
    let (input, output) = (param(1), param(2));
    let copy = Run::Param(Targets::These(vec![output]), ParamOp::Copy(Some(Operand::Param(input))));
    let copy = traced.build.action(copy, |_| {});
    traced.build.trigger(Some((Item::Param(input), Time::Change)), &[Step::Action(copy)], |_| {});
    let mut rig = Rig::started(traced.build);
    let row = vec![Some("k".into()), Some(1.0.into()), None];
    rig.engine
        .edit(&mut rig.ctx, table, crate::engine::logic::TableEdit::AddRow { cells: row }, Origin::Api)
        .expect("fits");
    rig.engine.set(&mut rig.ctx, input, Some("k"), 8.0.into(), Origin::Api).expect("fits");
    let cell = rig.engine.params().cell(table, "k", 2).cloned();
    assert_eq!(cell, Some(8.0.into()));
}

#[test]
fn the_link_actions_are_effects() {
    let connection = ConnectionIx::new(0).expect("small");
    let mut traced = Traced::new();
    let into = traced.build.text("into");
    let name = traced.build.param("name", ParamKind::Read, ValueType::String, |param| {
        param.default = Some("f.txt".into());
    });
    let steps: Vec<Step> = [
        ProtocolOp::Open(connection),
        ProtocolOp::Close(connection),
        ProtocolOp::Reconnect(connection),
        ProtocolOp::ReadFile { name, bytes: None, start: None, into },
    ]
    .into_iter()
    .map(|op| Step::Action(traced.build.action(Run::Protocol(op), |_| {})))
    .collect();
    let button = traced.button_for(&steps);
    let mut rig = Rig::started(traced.build);
    rig.set(button, "x");
    assert_eq!(rig.lines(), ["open 0", "close 0", "reconnect 0", "read f.txt into into", "change button=x"]);
}

/// Replaces one run of bytes by another everywhere.
fn data(from: &'static str, to: &'static str) -> ReplaceData {
    ReplaceData { pairs: vec![(from.into(), to.into())], start: 0, end: 0, part: ReplacePart::Inner }
}

/// A response of `<`, a value and `>`, with an action before and after it.
fn bracketed(before: Option<ResponseOp>, after: Option<ResponseOp>) -> (Rig, ParamIx) {
    let mut traced = Traced::new();
    let (left, right) = (traced.build.fixed("left", b"<"), traced.build.fixed("right", b">"));
    let value = traced.build.text("value");
    let response = traced.build.response(&[left, value, right], |_| {});
    for (time, op) in [(Time::Before, before), (Time::After, after)] {
        if let Some(op) = op {
            let action = traced.build.action(Run::Response(Targets::Fired, op), |_| {});
            traced.build.trigger(Some((Item::Response(response), time)), &[Step::Action(action)], |_| {});
        }
    }
    (Rig::ready(traced.build), value)
}

#[test]
fn actions_on_responses() {
    let stuffing = Stuffing { value: "-".into(), allowed: "".into(), start: 0, end: 0 };
    let cases: [(Option<ResponseOp>, Option<ResponseOp>, &str); 5] = [
        (None, None, "a-b"),
        (Some(ResponseOp::ReplaceData(data("b", "c"))), None, "a-c"),
        (Some(ResponseOp::Stuffing(stuffing.clone())), None, "a--b"),
        // An explicit read does no harm.
        (Some(ResponseOp::Read), Some(ResponseOp::Read), "a-b"),
        (Some(ResponseOp::Clear), None, ""),
    ];
    for (before, after, expected) in cases {
        let (mut rig, value) = bracketed(before, after);
        rig.message("<a-b>");
        assert_eq!(rig.value(value), expected);
    }
}

#[test]
fn replace_changes_the_parameters_of_a_response_and_read_cuts_a_value_out_again() {
    let mut traced = Traced::new();
    let (left, right) = (traced.build.fixed("left", b"<"), traced.build.fixed("right", b">"));
    let (first, second) = (traced.build.text("first"), traced.build.text("second"));
    let response = traced.build.response(&[left, first, right], |_| {});
    let which = traced.build.text("which");
    let id = traced.build.params[second.index()].id.to_string();
    let replace = ResponseOp::Replace(Replace { position: 1, by: which });
    let replace = traced.button(Run::Response(Targets::These(vec![response]), replace));
    let read = traced.button(Run::Param(Targets::These(vec![second]), ParamOp::Read));
    let mut rig = Rig::ready(traced.build);
    rig.message("<a>");
    rig.set(which, id.as_str());
    rig.set(replace, "x");
    rig.message("<b>");
    assert_eq!([rig.value(first), rig.value(second)], ["a", "b"]);
    rig.set(second, "other");
    rig.set(read, "x");
    assert_eq!(rig.value(second), "b");
}

#[test]
fn change_length_changes_where_a_field_ends() {
    let mut traced = Traced::new();
    let head = traced.build.param("head", ParamKind::Read, ValueType::String, |param| {
        param.length = Length::Fixed(1);
    });
    let rest = traced.build.text("rest");
    traced.build.response(&[head, rest], |_| {});
    let op = ParamOp::ChangeLength(Operand::Value(3.0.into()));
    let button = traced.button(Run::Param(Targets::These(vec![head]), op));
    let mut rig = Rig::ready(traced.build);
    rig.message("abcdef");
    assert_eq!([rig.value(head), rig.value(rest)], ["a", "bcdef"]);
    rig.set(button, "x");
    rig.message("abcdef");
    assert_eq!([rig.value(head), rig.value(rest)], ["abc", "def"]);
}

#[test]
fn a_trigger_that_is_only_called_keeps_what_its_caller_fired_for() {
    let mut traced = Traced::new();
    let copy = Run::Param(Targets::These(vec![traced.trace]), ParamOp::Copy(None));
    let copy = traced.build.action(copy, |_| {});
    let called = traced.build.trigger(None, &[Step::Action(copy)], |_| {});
    let button = traced.button_for(&[Step::Trigger(called)]);
    let trace = traced.trace;
    let mut rig = Rig::started(traced.build);
    rig.set(button, "v");
    assert_eq!(rig.value(trace), "v");
}

#[test]
fn a_response_by_paths_without_triggers_changes_its_parameters() {
    let mut traced = Traced::new();
    let level = traced.build.number("level");
    traced.build.response(&[], |response| response.mapping.extracts = vec![extract("payload.level", level)]);
    let mut rig = Rig::ready(traced.build);
    rig.message(r#"{"payload":{"level":12.5}}"#);
    rig.message(r#"{"payload":{"level":12.5}}"#);
    assert_eq!(rig.lines(), ["change level=12.5"]);
}
