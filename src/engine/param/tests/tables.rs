//! Tests of tables: rows, keys, fills and their events.

use super::*;

fn keys(params: &Params, table: TableIx) -> Vec<&str> {
    params.rows(table).keys().map(|key| &**key).collect()
}

#[test]
fn rows_have_unique_keys_that_stay() {
    let (mut params, table) = table(|_| {});
    assert!(is_event(&params.add_row(table, cells("a", "x", 1.0), Origin::Script)));
    let taken = params.add_row(table, cells("a", "y", 1.0), Origin::Script);
    assert_eq!(taken, Outcome::Rejected(Rejected::KeyTaken("a".into())));
    assert_eq!(params.add_row(table, vec![None], Origin::Script), Outcome::Rejected(Rejected::NoKey));
    let moved = params.set_cell(table, "a", 0, "b".into(), Origin::Script);
    assert_eq!(moved, Outcome::Rejected(Rejected::KeyChange));
    let none = params.set_row(table, "b", cells("b", "x", 1.0), Origin::Script);
    assert_eq!(none, Outcome::Rejected(Rejected::NoRow("b".into())));
    let wrong = params.set_cell(table, "a", 9, "x".into(), Origin::Script);
    assert_eq!(wrong, Outcome::Rejected(Rejected::NoColumn(9)));
    let half = params.set_row(table, "a", vec![None, Some("z".into()), Some("no".into())], Origin::Script);
    assert_eq!(half, Outcome::Rejected(Rejected::NotANumber));
    assert_eq!(params.cell(table, "a", 1), Some(&"x".into()), "a refused row changes no cell");
}

#[test]
fn a_set_of_an_unknown_row_makes_it_where_the_table_says_so() {
    let (mut params, table) = table(|table| table.auto_add = true);
    let outcome = params.set_cell(table, "a", 2, 5.0.into(), Origin::Message);
    let event = outcome.event().expect("a new row");
    assert!(matches!(&event.place, Place::Row { what: change::RowChange::Added, .. }));
    assert_eq!(params.rows(table).get("a").expect("made").cells()[0], "a".into());
}

#[test]
fn a_cell_event_has_its_row_and_the_value_before() {
    let (mut params, table) = table(|_| {});
    let _ = params.add_row(table, cells("a", "x", 1.0), Origin::Engine);
    assert_eq!(params.set_cell(table, "a", 1, "x".into(), Origin::Engine), Outcome::Quiet);
    let event = params.set_cell(table, "a", 1, "y".into(), Origin::Engine).event().expect("differs");
    assert_eq!((event.previous.clone(), event.row().map(|key| &**key)), ("x".into(), Some("a")));
    let change = params.change(&event);
    let value = Shown::Value("y".into());
    assert_eq!(change.what, Changed::Cell { key: "a".into(), column: 1, value });
    assert_eq!((change.seq, params.sequence()), (1, 1));
}

#[test]
fn deleting_keeps_the_order_of_the_others() {
    let (mut params, table) = table(|_| {});
    for key in ["a", "b", "c", "d"] {
        let _ = params.add_row(table, cells(key, key, 0.0), Origin::Engine);
    }
    let event = params.delete_row(table, "b", Origin::Engine).event().expect("gone");
    assert_eq!(keys(&params, table), ["a", "c", "d"]);
    assert_eq!(params.rows(table).position("d"), Some(2));
    assert_eq!(params.cell(table, "d", 1), Some(&"d".into()));
    assert_eq!(params.change(&event).what, Changed::RowGone { key: "b".into() });
    assert_eq!(params.delete_row(table, "b", Origin::Engine), Outcome::Rejected(Rejected::NoRow("b".into())));
}

#[test]
fn a_fill_is_one_event_and_keeps_the_state_of_rows() {
    let (mut params, table) = table(|_| {});
    let state = |params: &Params, key| params.cell(table, key, 3).and_then(Value::as_number);
    let rows = vec![cells("a", "x", 1.0), cells("b", "x", 1.0), vec![None], cells("b", "y", 1.0)];
    let event = params.fill(table, rows, Fill::Replace, Origin::Message).event().expect("one event");
    assert_eq!(event.place, Place::Table { table });
    assert_eq!((keys(&params, table), params.rejected()), (vec!["a", "b"], 1));
    assert_eq!(params.cell(table, "b", 1), Some(&"y".into()));
    assert_eq!(state(&params, "a"), Some(3.0));

    let same = vec![cells("a", "x", 1.0), cells("b", "y", 1.0)];
    assert_eq!(params.fill(table, same, Fill::Replace, Origin::Message), Outcome::Quiet);
    assert_eq!(state(&params, "a"), Some(2.0));

    let merged = params.fill(table, vec![cells("c", "z", 2.0)], Fill::Merge, Origin::Message);
    assert!(is_event(&merged));
    assert_eq!(keys(&params, table), ["a", "b", "c"]);

    let replaced = params.fill(table, vec![cells("b", "new", 2.0)], Fill::Replace, Origin::Message);
    assert!(is_event(&replaced));
    assert_eq!((keys(&params, table), state(&params, "b")), (vec!["b"], Some(1.0)));

    let unfit = vec![vec![Some("b".into()), Some("kept".into()), Some("no number".into())]];
    let rejected = params.rejected();
    assert!(is_event(&params.fill(table, unfit, Fill::Replace, Origin::Message)));
    assert_eq!(params.rejected(), rejected + 1);
    assert_eq!(params.cell(table, "b", 2), Some(&2.0.into()), "a cell that does not fit keeps its value");

    // Who gets an answer is told, and nothing is half done.
    for (row, wrong) in [
        (vec![Some("b".into()), None, Some("no number".into())], "row 2, parameter"),
        (vec![None, Some("x".into())], "row 2: the row has no primary key"),
        (vec![Some("e".into()), None, None, None, Some("x".into())], "row 2: there is no column 4"),
    ] {
        let rows = vec![cells("f", "x", 1.0), row];
        let Outcome::Rejected(rejected) = params.fill(table, rows, Fill::Replace, Origin::Api) else {
            panic!("taken: {wrong}");
        };
        assert!(rejected.to_string().starts_with(wrong), "{rejected}");
        assert_eq!(keys(&params, table), ["b"]);
    }

    let all = params.clear(params.protocol().table(table).param);
    assert!(all.is_some() && params.rows(table).is_empty());
}

#[test]
fn an_autoincrement_key_is_the_highest_number_and_one() {
    let mut build = Build::new();
    let columns = [
        ("key", ValueType::String, ColumnKind::AutoIncrement),
        ("shown", ValueType::String, ColumnKind::DisplayKey),
    ];
    let table = build.table("t", &columns, |_| {});
    let mut params = Params::new(build.done());
    let restored = vec![Some("7".into())];
    assert_eq!(params.add_row(table, restored, Origin::Startup), Outcome::Quiet);
    assert!(is_event(&params.add_row(table, vec![None, None], Origin::Script)));
    assert_eq!(keys(&params, table), ["7", "8"]);
    assert_eq!(params.cell(table, "8", 1), Some(&"8".into()));
}

#[test]
fn a_table_has_a_bound() {
    let (mut params, table) = table(|_| {});
    let rows = (0..=table::MAX_ROWS).map(|key| vec![Some(Value::text(key.to_string()))]).collect();
    let _ = params.fill(table, rows, Fill::Replace, Origin::Message);
    assert_eq!((params.rows(table).len(), params.rejected()), (table::MAX_ROWS, 1));
    // Rows that take the place of others find it, and those with one key take one.
    let others = |count: usize| -> Vec<Cells> {
        let key = |number: usize| vec![Some(Value::text(format!("new {}", number.min(table::MAX_ROWS - 1))))];
        (0..count).map(key).collect()
    };
    let _ = params.fill(table, others(table::MAX_ROWS), Fill::Replace, Origin::Script);
    assert_eq!((params.rows(table).len(), params.rejected()), (table::MAX_ROWS, 1));
    assert!(params.rows(table).keys().all(|key| key.starts_with("new ")));
    let doubled = others(table::MAX_ROWS + 3);
    assert!(is_event(&params.fill(table, doubled, Fill::Replace, Origin::Api)), "rows with one key are one");
    let more = vec![vec![Some("one more".into())]];
    assert_eq!(params.fill(table, more, Fill::Merge, Origin::Api), Outcome::Rejected(Rejected::Full));
    let same = vec![vec![Some("new 0".into())]];
    assert!(is_event(&params.fill(table, same, Fill::Merge, Origin::Api)));
    assert_eq!(params.rows(table).len(), table::MAX_ROWS);
}
