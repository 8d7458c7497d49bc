//! What the rows of a message raise and count.

use super::*;
use crate::engine::param::Params;
use crate::language::model::build::Build;
use crate::language::model::param::ValueType;

fn table(kind: ColumnKind) -> (Params, TableIx) {
    let mut build = Build::new();
    let columns = [
        ("key", ValueType::String, kind),
        ("level", ValueType::Double, ColumnKind::Retrieved),
        ("state", ValueType::Double, ColumnKind::State),
    ];
    let table = build.table("t", &columns, |_| {});
    (Params::new(build.done()), table)
}

fn fill(table: TableIx, mode: RowsMode, rows: &[(&str, f64)]) -> TableFill {
    let column = |column| FillColumn { column, on_error: Policy::Report };
    let cells = rows.iter().flat_map(|(key, level)| {
        let key = if key.is_empty() { None } else { Some(Value::text(*key)) };
        [key, Some(Value::Number(*level))]
    });
    TableFill {
        table,
        path: "$[*]".into(),
        columns: [column(0), column(1)].into(),
        cells: cells.collect(),
        mode,
        limit: 3,
    }
}

#[test]
fn one_changed_row_is_the_event_of_that_row_and_more_are_one_of_the_table() {
    let (mut params, table) = table(ColumnKind::Retrieved);
    let place = |params: &mut Params, mode, rows: &[(&str, f64)]| {
        params.take_rows(fill(table, mode, rows)).event.map(|event| event.place)
    };
    let of = |key: &str, what, old| Some(Place::Row { table, key: key.into(), what, old });
    let whole = Some(Place::Table { table });
    assert_eq!(place(&mut params, RowsMode::Merge, &[("a", 1.0)]), of("a", RowChange::Added, None));
    assert_eq!(place(&mut params, RowsMode::Merge, &[("a", 1.0)]), None);
    let old: Box<[Value]> = ["a".into(), 1.0.into(), 2.0.into()].into();
    assert_eq!(place(&mut params, RowsMode::Replace, &[("a", 5.0)]), of("a", RowChange::Set, Some(old)));
    assert_eq!(place(&mut params, RowsMode::Merge, &[("b", 1.0), ("c", 1.0)]), whole);
    assert_eq!(place(&mut params, RowsMode::Merge, &[("d", 1.0)]), whole, "the oldest goes for it");
    assert_eq!(place(&mut params, RowsMode::Replace, &[]), whole);
    assert_eq!(place(&mut params, RowsMode::Replace, &[]), None);
}

#[test]
fn the_engine_keeps_the_state_of_rows() {
    let (mut params, table) = table(ColumnKind::Retrieved);
    let states = |params: &Params| -> Vec<f64> {
        params.rows(table).iter().filter_map(|row| row.cells()[2].as_number()).collect()
    };
    params.take_rows(fill(table, RowsMode::Replace, &[("a", 1.0), ("b", 1.0)]));
    assert_eq!(states(&params), [3.0, 3.0]);
    params.take_rows(fill(table, RowsMode::Replace, &[("b", 2.0), ("a", 1.0)]));
    assert_eq!(states(&params), [2.0, 1.0]);
}

#[test]
fn rows_without_a_key_are_numbered_only_where_the_engine_numbers_them() {
    let (mut params, table_of) = table(ColumnKind::Retrieved);
    let filled = params.take_rows(fill(table_of, RowsMode::Merge, &[("", 1.0), ("x", 1.0)]));
    assert_eq!((filled.without_key, params.rows(table_of).len()), (1, 1));
    let (mut params, table) = table(ColumnKind::AutoIncrement);
    let filled = params.take_rows(fill(table, RowsMode::Merge, &[("", 1.0), ("", 2.0)]));
    let keys: Vec<_> = params.rows(table).keys().map(|key| key.to_string()).collect();
    assert_eq!((filled.without_key, keys), (0, vec!["1".to_owned(), "2".to_owned()]));
}

#[test]
fn rows_that_went_at_the_front_leave_the_others_where_they_are_found() {
    let (mut params, table) = table(ColumnKind::Retrieved);
    for number in 0..50_u8 {
        let key = number.to_string();
        params.take_rows(fill(table, RowsMode::Append, &[(&key, f64::from(number))]));
        if number % 7 == 3 {
            let _ = params.delete_row(table, &(number - 1).to_string(), Origin::Engine);
        }
        for (position, row) in params.rows(table).iter().enumerate() {
            assert_eq!(params.rows(table).position(row.key()), Some(position), "after {number}");
        }
    }
}
