//! Sets of parameters as their callers see them.

mod tables;

use bytes::Bytes;
use proptest::prelude::*;

use super::change::{Changed, Save, SavedRow};
use super::rows::{Cells, Fill};
use super::startup::{Provenance, Setting, Start, Stored, choose};
use super::*;
use crate::language::model::build::Build;
use crate::language::model::param::{
    ColumnKind, Discreet, Exception, Range, RawType, SequenceOp, SequenceOperand, SequenceStep, ValueType,
};
use crate::language::schema::enumerations::{Rounding, Trim};

/// One parameter, changed by `with`.
fn one(kind: ParamKind, value_type: ValueType, with: impl FnOnce(&mut Param)) -> (Params, ParamIx) {
    let mut build = Build::new();
    let param = build.param("p", kind, value_type, with);
    (Params::new(build.done()), param)
}

fn is_event(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Event(_))
}

/// What people see for a standalone parameter.
fn seen(params: &Params, param: ParamIx) -> Arc<str> {
    match params.shown(param) {
        Shown::Value(value) => change::display_text(params.describe(param), &value),
        Shown::Secret { .. } => Arc::from(""),
    }
}

/// A table with a key, a text, a saved number and a state column.
fn table(with: impl FnOnce(&mut crate::language::model::param::Table)) -> (Params, TableIx) {
    let mut build = Build::new();
    let columns = [
        ("key", ValueType::String, ColumnKind::Retrieved),
        ("text", ValueType::String, ColumnKind::Retrieved),
        ("number", ValueType::Double, ColumnKind::Retrieved),
        ("state", ValueType::Double, ColumnKind::State),
    ];
    let table = build.table("t", &columns, |table| {
        table.columns[2].save = true;
        with(table);
    });
    (Params::new(build.done()), table)
}

fn cells(key: &str, text: &str, number: f64) -> Cells {
    vec![Some(key.into()), Some(text.into()), Some(number.into())]
}

#[test]
fn a_value_is_small() {
    assert!(size_of::<Value>() <= 40);
}

#[test]
fn an_equal_value_is_an_event_by_origin_and_kind() {
    use Origin::{Api, Engine, Message, Script, Startup, User};
    for (kind, origin, expected) in [
        (ParamKind::Read, Message, false),
        (ParamKind::Read, Engine, false),
        (ParamKind::Read, User, true),
        (ParamKind::Read, Api, true),
        (ParamKind::Read, Script, true),
        (ParamKind::Read, Startup, false),
        (ParamKind::Write, Message, true),
        (ParamKind::Write, Engine, true),
        (ParamKind::Write, User, true),
        (ParamKind::Write, Startup, false),
        (ParamKind::Dummy, Engine, false),
    ] {
        let (mut params, param) = one(kind, ValueType::String, |_| {});
        let first = params.set(param, "a".into(), origin);
        assert_eq!(is_event(&first), origin != Startup, "first, {kind:?} {origin:?}");
        let again = params.set(param, "a".into(), origin);
        assert_eq!(is_event(&again), expected, "again, {kind:?} {origin:?}");
        if let Outcome::Event(event) = again {
            assert!(!event.differs);
        }
    }
}

#[test]
fn after_clear_the_same_value_counts_as_new_and_people_still_see_the_old_one() {
    let (mut params, param) = one(ParamKind::Read, ValueType::String, |_| {});
    let _ = params.set(param, "a".into(), Origin::Message);
    assert_eq!(params.clear(param), None);
    assert_eq!(params.get(param), &Value::Empty);
    assert_eq!(params.shown(param), Shown::Value("a".into()));
    let event = params.set(param, "a".into(), Origin::Message).event().expect("counts as new");
    assert!(event.differs);
    assert_eq!(params.get(param), &"a".into());

    let change = params.clear_on_display(param);
    assert_eq!(change.what, Changed::Value(Shown::Value(Value::Empty)));
    assert_eq!((params.get(param), params.shown(param)), (&"a".into(), Shown::Value(Value::Empty)));
    let _ = params.set(param, "a".into(), Origin::Message);
    assert_eq!(params.shown(param), Shown::Value("a".into()));
}

#[test]
fn a_value_has_a_longest_length() {
    let (mut params, param) = one(ParamKind::Read, ValueType::String, |_| {});
    for (length, taken) in [(MAX_VALUE_BYTES, true), (MAX_VALUE_BYTES + 1, false)] {
        let outcome = params.set(param, Value::text("x".repeat(length)), Origin::Engine);
        assert_eq!(matches!(outcome, Outcome::Event(_)), taken, "{length}");
        assert_eq!(params.get(param).to_text().len(), MAX_VALUE_BYTES);
    }
}

#[test]
fn values_are_fitted_to_the_type() {
    let bytes = |bytes: &'static [u8]| Value::Bytes(Bytes::from_static(bytes));
    for (value_type, value, expected) in [
        (ValueType::Double, Value::text(" 12.5 "), Ok(12.5.into())),
        (ValueType::Double, bytes(b"7"), Ok(7.0.into())),
        (ValueType::Double, Value::text("x"), Err(Rejected::NotANumber)),
        (ValueType::Double, Value::Empty, Ok(Value::Empty)),
        (ValueType::String, 5.0.into(), Ok("5".into())),
        (ValueType::String, bytes(b"abc"), Ok("abc".into())),
        (ValueType::String, bytes(b"\xFF"), Ok(bytes(b"\xFF"))),
        (ValueType::HighNibble, 15.0.into(), Ok(15.0.into())),
        (ValueType::HighNibble, 16.0.into(), Err(Rejected::NotANibble)),
        (ValueType::HighNibble, 1.5.into(), Err(Rejected::NotANibble)),
    ] {
        let (mut params, param) = one(ParamKind::Read, value_type, |_| {});
        let outcome = params.set(param, value.clone(), Origin::Engine);
        match expected {
            Ok(expected) => assert_eq!(params.get(param), &expected, "{value_type:?} {value:?}"),
            Err(rejected) => assert_eq!(outcome, Outcome::Rejected(rejected), "{value_type:?} {value:?}"),
        }
    }
}

#[test]
fn what_does_not_fit_is_dropped_and_counted_and_changes_nothing() {
    let range = Range { low: Some(0.0), high: Some(100.0) };
    for (origin, value, is_taken) in [
        (Origin::Message, 100.0, true),
        (Origin::Message, 100.5, false),
        (Origin::Message, -1.0, false),
        (Origin::Api, 101.0, false),
        (Origin::Script, 101.0, true),
        (Origin::Engine, 101.0, true),
    ] {
        let (mut params, param) = one(ParamKind::Read, ValueType::Double, |p| p.range = range);
        let outcome = params.set(param, value.into(), origin);
        assert_eq!(is_event(&outcome), is_taken, "{origin:?} {value}");
        assert_eq!(params.rejected(), u64::from(!is_taken));
        assert_eq!(params.get(param).is_empty(), !is_taken);
    }
    let (mut params, param) = one(ParamKind::Read, ValueType::String, |p| p.raw_type = RawType::NumericText);
    assert_eq!(
        params.set(param, "x".into(), Origin::Message),
        Outcome::Rejected(Rejected::RawType),
        "a received value"
    );
    assert!(is_event(&params.set(param, "x".into(), Origin::Script)));
}

#[test]
fn exceptions_pass_the_range_and_others_never_come_from_scripts() {
    let (mut params, param) = one(ParamKind::Read, ValueType::Double, |p| {
        p.range = Range { low: Some(0.0), high: None };
        p.sequence = vec![SequenceStep { op: SequenceOp::Factor, operand: SequenceOperand::Number(10.0) }];
        p.exceptions = vec![
            Exception { value: Value::Number(-1.0), display: "N/A".into(), stored: None, other: false },
            Exception { value: "ERR".into(), display: "Error".into(), stored: None, other: true },
        ];
        p.discreets = vec![Discreet { value: Value::Number(10.0), display: "ten".into() }];
    });
    let mut check = |value: Value, origin, stored: Value, display: &str| {
        let _ = params.set(param, value.clone(), origin);
        assert_eq!(params.get(param), &stored, "{value:?}");
        assert_eq!(&*seen(&params, param), display, "{value:?}");
    };
    check("-1".into(), Origin::Message, Value::Number(-1.0), "N/A");
    check("ERR".into(), Origin::Message, "ERR".into(), "Error");
    check(1.0.into(), Origin::Message, Value::Number(10.0), "ten");
    // Refused as a number, so that what was there stays.
    check("ERR".into(), Origin::Script, Value::Number(10.0), "ten");
    check(2.5.into(), Origin::Script, Value::Number(2.5), "2.5");
}

#[test]
fn the_sequence_runs_when_the_parameter_itself_changes() {
    use SequenceOp::{Div, Factor, Log10, Log20, Minus, Offset, Pow, Rest};
    let number = SequenceOperand::Number;
    for (steps, value, expected) in [
        (vec![(Factor, number(10.0)), (Offset, number(1.0))], 2.0, Some(21.0)),
        (vec![(Offset, number(1.0)), (Factor, number(10.0))], 2.0, Some(30.0)),
        (vec![(Minus, number(5.0)), (Div, number(4.0))], 7.0, Some(0.5)),
        (vec![(Pow, number(2.0))], -3.0, Some(9.0)),
        (vec![(Rest, number(4.0))], 10.0, Some(2.0)),
        (vec![(Log10, number(0.0))], 1000.0, Some(30.0)),
        (vec![(Log20, number(0.0))], 1000.0, Some(60.0)),
        (vec![(Div, number(0.0))], 1.0, None),
        (vec![(Log10, number(0.0))], 0.0, None),
        (vec![(Pow, number(0.5))], -1.0, None),
    ] {
        let sequence: Vec<_> =
            steps.iter().map(|(op, operand)| SequenceStep { op: *op, operand: *operand }).collect();
        let (mut params, param) = one(ParamKind::Read, ValueType::Double, |p| p.sequence = sequence.clone());
        let _ = params.set(param, value.into(), Origin::Message);
        assert_eq!(params.get(param).as_number(), expected, "{steps:?} of {value}");
        let _ = params.set(param, value.into(), Origin::Script);
        assert_eq!(params.get(param).as_number(), Some(value), "a script sets the finished value");
    }
}

#[test]
fn an_operand_is_the_value_of_a_parameter_and_in_a_row_its_own_cell() {
    let mut build = Build::new();
    let scale = build.number("scale");
    let level = build.param("level", ParamKind::Read, ValueType::Double, |p| {
        p.sequence = vec![SequenceStep { op: SequenceOp::Div, operand: SequenceOperand::Param(scale) }];
    });
    let columns = [
        ("key", ValueType::String, ColumnKind::Retrieved),
        ("unit", ValueType::Double, ColumnKind::Retrieved),
        ("value", ValueType::Double, ColumnKind::Retrieved),
    ];
    let table = build.table("t", &columns, |table| table.auto_add = true);
    let unit = build.tables[0].columns[1].param;
    let value = build.tables[0].columns[2].param;
    build.params[value.index()].sequence =
        vec![SequenceStep { op: SequenceOp::Factor, operand: SequenceOperand::Param(unit) }];
    let mut params = Params::new(build.done());

    assert_eq!(params.set(level, 5.0.into(), Origin::Message), Outcome::Rejected(Rejected::Sequence));
    let _ = params.set(scale, 10.0.into(), Origin::Message);
    let _ = params.set(level, 5.0.into(), Origin::Message);
    assert_eq!(params.get(level), &0.5.into());

    for (key, by) in [("a", 2.0), ("b", 3.0)] {
        let _ = params.set_cell(table, key, 1, by.into(), Origin::Message);
        let _ = params.set_cell(table, key, 2, 7.0.into(), Origin::Message);
    }
    assert_eq!(params.cell(table, "a", 2), Some(&14.0.into()));
    assert_eq!(params.get_in(value, Some("b")), &21.0.into());
    assert_eq!(params.get_in(value, Some("c")), &Value::Empty);
}

#[test]
fn decimals_are_rounded_down() {
    for (number, decimals, expected) in [
        (0.29, 2, 0.29),
        (1.1, 1, 1.1),
        (1.999_999_9, 6, 1.999_999),
        (-1.25, 1, -1.3),
        (12.9, 0, 12.0),
        (1e20, 6, 1e20),
        (0.000_000_1, 6, 0.0),
        (123_456_789.123_456_78, 6, 123_456_789.123_456),
    ] {
        assert!((round(number, decimals, Rounding::Down) - expected).abs() < 1e-12, "{number} to {decimals}");
    }
}

#[test]
fn numbers_are_rounded_as_the_parameter_says() {
    use Rounding::{Down, HalfDown, HalfToInfinity, HalfToZero, HalfUp, ToInfinity, ToZero, Up};
    // 1.25, -1.25, 1.26, -1.24 to one digit.
    for (rounding, expected) in [
        (Down, [1.2, -1.3, 1.2, -1.3]),
        (Up, [1.3, -1.2, 1.3, -1.2]),
        (ToZero, [1.2, -1.2, 1.2, -1.2]),
        (ToInfinity, [1.3, -1.3, 1.3, -1.3]),
        (HalfDown, [1.2, -1.3, 1.3, -1.2]),
        (HalfUp, [1.3, -1.2, 1.3, -1.2]),
        (HalfToZero, [1.2, -1.2, 1.3, -1.2]),
        (HalfToInfinity, [1.3, -1.3, 1.3, -1.2]),
    ] {
        for (number, expected) in [1.25, -1.25, 1.26, -1.24].into_iter().zip(expected) {
            let (mut params, param) = one(ParamKind::Read, ValueType::Double, |p| {
                p.decimals = 1;
                p.rounding = rounding;
            });
            let _ = params.set(param, number.into(), Origin::Message);
            assert_eq!(params.get(param), &expected.into(), "{rounding:?} {number}");
        }
    }
    assert_eq!(round(1.005, 2, HalfUp), 1.01, "1.005 is a half, although its double is a little less");
}

#[test]
fn blanks_are_taken_off_what_was_received_only() {
    for (trim, expected) in
        [(None, " a "), (Some(Trim::Left), "a "), (Some(Trim::Right), " a"), (Some(Trim::Both), "a")]
    {
        let (mut params, param) = one(ParamKind::Read, ValueType::String, |p| p.trim = trim);
        let _ = params.set(param, " a ".into(), Origin::Message);
        assert_eq!(params.get(param), &expected.into(), "{trim:?}");
        let _ = params.set(param, " a ".into(), Origin::Api);
        assert_eq!(params.get(param), &" a ".into());
    }
}

#[test]
fn a_received_text_is_a_number_of_the_base() {
    for (base, text, expected) in [
        (16, "fF", Some(255.0)),
        (16, "-10", Some(-16.0)),
        (2, "101", Some(5.0)),
        (2, "2", None),
        (10, "1.5", Some(1.5)),
    ] {
        let (mut params, param) = one(ParamKind::Read, ValueType::Double, |p| p.base = base);
        let _ = params.set(param, text.into(), Origin::Message);
        assert_eq!(params.get(param).as_number(), expected, "{text} in base {base}");
    }
    let (mut params, param) = one(ParamKind::Read, ValueType::String, |p| p.base = 16);
    let _ = params.set(param, 255.0.into(), Origin::Engine);
    assert_eq!(params.get(param), &"FF".into());
}

#[test]
fn one_of_others_is_stored_as_what_stands_for_it() {
    let (mut params, param) = one(ParamKind::Read, ValueType::Double, |p| {
        p.exceptions = vec![Exception {
            value: Value::Bytes(Bytes::from_static(b"N/A")),
            display: "not available".into(),
            stored: Some((-1.0).into()),
            other: true,
        }];
    });
    let _ = params.set(param, "N/A".into(), Origin::Message);
    assert_eq!(params.get(param), &(-1.0).into());
    assert_eq!(&*seen(&params, param), "not available");
}

#[test]
fn constants_are_not_for_people_and_tables_not_for_plain_sets() {
    let mut build = Build::new();
    let fixed = build.fixed("f", b"\r\n");
    let table = build.table("t", &[("key", ValueType::String, ColumnKind::Retrieved)], |_| {});
    let column = build.tables[0].columns[0].param;
    let mut params = Params::new(build.done());
    assert_eq!(params.get(fixed), &Value::Bytes(Bytes::from_static(b"\r\n")));
    assert_eq!(params.set(fixed, "x".into(), Origin::Api), Outcome::Rejected(Rejected::Constant));
    assert_eq!(params.set(column, "x".into(), Origin::Api), Outcome::Rejected(Rejected::InTable));
    let refused = params.set_cell(table, "r", 0, "x".into(), Origin::Api);
    assert_eq!(refused, Outcome::Rejected(Rejected::NoRow("r".into())));
}

#[test]
fn only_what_is_saved_goes_to_the_store() {
    let (mut params, of) = table(|_| {});
    let array = params.protocol().table(of).param;
    let number = params.protocol().table(of).columns[2].param;
    let key = params.protocol().table(of).columns[0].param;
    let saved = vec![(key, "a".into()), (number, 1.0.into())];
    let added = params.add_row(of, cells("a", "x", 1.0), Origin::Engine).event().expect("new");
    let row = Save::Row { table: array, key: "a".into(), cells: saved.clone() };
    assert_eq!(params.save(&added), Some(row));
    let text = params.set_cell(of, "a", 1, "y".into(), Origin::Engine).event().expect("differs");
    assert_eq!(params.save(&text), None);
    let cell = params.set_cell(of, "a", 2, 2.0.into(), Origin::Engine).event().expect("differs");
    let cells_of = vec![(number, 2.0.into())];
    assert_eq!(params.save(&cell), Some(Save::Row { table: array, key: "a".into(), cells: cells_of }));
    let filled = params.fill(of, vec![cells("a", "y", 1.0)], Fill::Merge, Origin::Engine);
    let filled = filled.event().expect("differs");
    assert_eq!(
        params.save(&filled),
        Some(Save::Table { table: array, rows: vec![SavedRow { key: "a".into(), cells: saved }] })
    );
    let gone = params.delete_row(of, "a", Origin::Engine).event().expect("gone");
    assert_eq!(params.save(&gone), Some(Save::DeleteRow { table: array, key: "a".into() }));

    let (mut params, of) = table(|table| table.volatile = true);
    let added = params.add_row(of, cells("a", "x", 1.0), Origin::Engine).event().expect("new");
    assert_eq!(params.save(&added), None);

    let (mut params, param) = one(ParamKind::Read, ValueType::String, |p| p.save = true);
    let event = params.set(param, "a".into(), Origin::Engine).event().expect("new");
    assert_eq!(params.save(&event), Some(Save::Value { param, value: "a".into() }));
    params.mark_external(param);
    assert_eq!(params.save(&event), None, "a value from outside is never stored");
}

#[test]
fn secrets_are_masked_in_everything_for_people() {
    let (mut params, param) = one(ParamKind::Read, ValueType::String, |p| p.secret = true);
    assert_eq!(params.shown(param), Shown::Secret { set: false });
    let event = params.set(param, "hunter2".into(), Origin::Api).event().expect("new");
    assert_eq!(params.change(&event).what, Changed::Value(Shown::Secret { set: true }));
    assert_eq!(&*seen(&params, param), "");
    assert!(params.standalone().all(|param| params.shown(param) == Shown::Secret { set: true }));
}

#[test]
fn the_length_of_a_fixed_field_can_be_changed_and_no_other() {
    let (mut params, param) = one(ParamKind::Read, ValueType::String, |p| p.length = Length::Fixed(3));
    params.change_length(param, 5);
    params.change_length(param, 8_000_000);
    assert_eq!(params.length(param), Length::Fixed(MAX_LENGTH));
    let (mut params, param) = one(ParamKind::Read, ValueType::String, |_| {});
    params.change_length(param, 5);
    assert_eq!(params.length(param), Length::NextParam);
}

#[test]
fn which_value_wins_at_the_start() {
    let setting = |source| Setting { value: "set".into(), source, fingerprint: [1; 16] };
    let stored =
        |value: Option<&str>, applied: Option<[u8; 16]>| Stored { value: value.map(Value::from), applied };
    let (literal, external) = (setting(Provenance::Literal), setting(Provenance::External));
    let none = stored(None, None);
    for (what, save, setting, stored, value, remember, is_external) in [
        ("nothing but the default", true, None, none.clone(), "default", None, false),
        ("the setting before the default", false, Some(&literal), none.clone(), "set", None, false),
        ("saved without a setting", true, None, stored(Some("saved"), None), "saved", None, false),
        (
            "not saved, whatever the store has",
            false,
            None,
            stored(Some("saved"), None),
            "default",
            None,
            false,
        ),
        (
            "a setting never applied",
            true,
            Some(&literal),
            stored(Some("saved"), None),
            "set",
            Some([1; 16]),
            false,
        ),
        (
            "a setting that was applied",
            true,
            Some(&literal),
            stored(Some("saved"), Some([1; 16])),
            "saved",
            None,
            false,
        ),
        (
            "a setting that changed",
            true,
            Some(&literal),
            stored(Some("saved"), Some([2; 16])),
            "set",
            Some([1; 16]),
            false,
        ),
        ("applied, but nothing saved", true, Some(&literal), stored(None, Some([1; 16])), "set", None, false),
        (
            "from outside always",
            true,
            Some(&external),
            stored(Some("saved"), Some([1; 16])),
            "set",
            None,
            true,
        ),
    ] {
        let start = choose(save, setting, &stored, Some(&"default".into()));
        let expected = Start {
            value: Some(value.into()),
            external: is_external,
            remember,
            store_value: remember.is_some(),
        };
        assert_eq!(start, expected, "{what}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Empty),
        any::<f64>().prop_map(Value::number),
        ".{0,12}".prop_map(Value::text),
        "-?[0-9]{1,4}(\\.[0-9]{1,9})?".prop_map(Value::text),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
}

proptest! {
    #[test]
    fn rounding_down_is_never_up_and_done_once_is_done(number in -1e9..1e9_f64, decimals in 0..9_u8) {
        let rounded = round(number, decimals, Rounding::Down);
        let step = 10_f64.powi(-i32::from(decimals));
        let noise = number.abs() * 8.0 * f64::EPSILON + 1e-15;
        prop_assert!(rounded <= number + noise, "{rounded} > {number}");
        prop_assert!(number - rounded < step + noise, "{number} -> {rounded}");
        prop_assert_eq!(round(rounded, decimals, Rounding::Down), rounded);
    }

    #[test]
    fn a_value_that_was_taken_is_taken_again_as_it_is(value in values(), number in any::<bool>()) {
        let value_type = if number { ValueType::Double } else { ValueType::String };
        let (mut params, param) = one(ParamKind::Read, value_type, |_| {});
        let _ = params.set(param, value, Origin::Message);
        let stored = params.get(param).clone();
        prop_assert_eq!(params.set(param, stored.clone(), Origin::Message), Outcome::Quiet);
        prop_assert_eq!(params.get(param), &stored);
    }
}

#[test]
fn what_an_element_knows_of_itself_has_its_types() {
    let address = |host: &str, port| startup::Address { host: host.into(), port };
    let none = startup::Facts::default();
    let facts = startup::Facts {
        name: "studio".into(),
        addresses: vec![address("ws://10.4.2.8", Some(8050)), address("b.example", None)],
        bus: vec!["12".into(), "bypassProxy".into()],
    };
    for (kind, expected) in [
        (ParamKind::ElementName, Some("studio")),
        (ParamKind::Ip, Some("10.4.2.8:8050;b.example")),
        (ParamKind::PollingIp, Some("10.4.2.8;b.example")),
        (ParamKind::Bus, Some("12;bypassProxy")),
        (ParamKind::ElementDmaId, Some("1/1063243011")),
        (ParamKind::Read, None),
    ] {
        assert_eq!(facts.of(kind), expected.map(Value::from), "{kind:?}");
        assert_eq!(none.of(kind), None, "nothing is known");
    }
    // It stands in saved values and messages of definitions, so that it never changes.
    assert_eq!(facts.of(ParamKind::ElementId), Some(Value::number(1_063_243_011.0)));
    assert_eq!(none.of(ParamKind::ElementId), None);
}
