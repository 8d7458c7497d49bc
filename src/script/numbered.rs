//! `protocol.NotifyProtocol`: the numbered calls of the original that do what a method of `protocol` does; no others.

use rquickjs::{Array, Ctx, Exception, Result, Value as Js};

use crate::language::model::id::ParamId;
use crate::script::allowance::Allowance;
use crate::script::fills::{self, Columns};
use crate::script::methods::{METHODS, Refers};
use crate::script::{lent, parameters, tables, values};
use crate::value::Value;

const NAME: &str = "NotifyProtocol";

/// How the two arguments of a call become those of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// As they are.
    Both,
    /// The first one; the other says nothing.
    First,
    /// The first one may be a list, of which the first entry counts; what follows are options that always hold here.
    Options,
    /// So many entries of the first one, which is a list, and then the second one.
    List(usize),
}

/// The calls that are a method: number, method and arguments.
///
/// The numbers and what they take are those of the original's documentation of its types of notifications.
const CALLS: &[(i32, &str, Takes)] = &[
    (73, "GetParameter", Takes::First),
    (85, "GetParameterByName", Takes::First),
    (134, "CheckTrigger", Takes::First),
    (149, "AddRow", Takes::Both),
    (156, "DeleteRow", Takes::Both),
    (163, "GetKeyPosition", Takes::Both),
    (193, "FillArray", Takes::Options),
    (194, "FillArrayNoDelete", Takes::Options),
    (195, "RowCount", Takes::First),
    (225, "SetRow", Takes::List(2)),
    (240, "AddRowReturnKey", Takes::Both),
    (265, "Exists", Takes::Both),
];

/// Sets a cell, by the key of its row or by its place.
const SET_CELL: i32 = 121;
/// The same for reading it.
const GET_CELL: i32 = 122;
/// Primary keys and display keys.
const GET_INDEXES: i32 = 168;
/// Primary keys.
const GET_KEYS: i32 = 397;
/// Reads a row; one that is not there has empty cells.
const GET_ROW: i32 = 215;
/// Fills columns.
const FILL_COLUMNS: i32 = 220;
/// Reads columns, by their places from 0.
const GET_COLUMNS: i32 = 321;
/// The table of a column.
const TABLE_OF_COLUMN: i32 = 393;

/// What the argument after the number refers to, or its first entry where it is a list; none of a call that does not run here.
pub(super) fn refers(number: i32) -> Option<Refers> {
    match number {
        SET_CELL | GET_CELL | GET_INDEXES | GET_KEYS | GET_ROW | FILL_COLUMNS | GET_COLUMNS => {
            Some(Refers::Table)
        }
        TABLE_OF_COLUMN => Some(Refers::Param),
        _ => {
            let (_, name, _) = CALLS.iter().find(|(of, _, _)| *of == number)?;
            METHODS.iter().find(|method| method.name == *name).map(|method| method.refers)
        }
    }
}

pub(super) fn notify_protocol<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    let none = || Js::new_null(ctx.clone());
    let number = values::whole(arguments.first());
    let first = arguments.get(1).cloned().unwrap_or_else(none);
    let second = arguments.get(2).cloned().unwrap_or_else(none);
    if let Some((_, method, takes)) = CALLS.iter().find(|(of, _, _)| Some(*of) == number) {
        let given = match takes {
            Takes::Both => vec![first, second],
            Takes::First => vec![first],
            Takes::Options => vec![entry(&first, 0)?.unwrap_or(first), second],
            Takes::List(count) => {
                let mut given = entries(ctx, &first, *count)?;
                given.push(second);
                given
            }
        };
        return call(ctx, method, &given);
    }
    match number {
        Some(GET_CELL) => {
            let given = entries(ctx, &first, 3)?;
            let by_key = given.get(1).is_some_and(Js::is_string);
            call(ctx, if by_key { "GetParameterIndexByKey" } else { "GetParameterIndex" }, &given)
        }
        Some(SET_CELL) => {
            let mut given = entries(ctx, &first, 3)?;
            if given.first().is_some_and(Js::is_array) {
                return Err(Exception::throw_type(ctx, &format!("{NAME}: {SET_CELL} sets one cell here")));
            }
            let by_key = given.get(1).is_some_and(Js::is_string);
            given.push(second);
            call(ctx, if by_key { "SetParameterIndexByKey" } else { "SetParameterIndex" }, &given)
        }
        Some(GET_INDEXES | GET_KEYS) if !is_table(ctx, &first)? => Ok(none()),
        Some(GET_KEYS) => tables::get_keys(ctx, &[first]),
        Some(GET_INDEXES) => {
            let both = Array::new(ctx.clone())?;
            for kind in 0..2 {
                let keys = tables::get_keys(ctx, &[first.clone(), Js::new_int(ctx.clone(), kind)])?;
                both.set(usize::from(kind == 1), keys)?;
            }
            Ok(both.into_value())
        }
        Some(GET_ROW) => {
            let given = entries(ctx, &first, 2)?;
            let row = tables::get_row(ctx, &given)?;
            if row.is_null() { empty_row(ctx, given.first()) } else { Ok(row) }
        }
        Some(FILL_COLUMNS) => columns(ctx, &first, &second),
        Some(GET_COLUMNS) => get_columns(ctx, &first, &second),
        Some(TABLE_OF_COLUMN) => table_of_column(ctx, &first),
        Some(_) | None => {
            lent::with(ctx, |lent| {
                let what =
                    number.map_or_else(|| "a call without a number".to_owned(), |number| number.to_string());
                let why = || format!("{NAME}: {what} is not one of the calls that run here");
                lent.engine.script_report(lent.now, lent.run.script, why);
                Ok(())
            })?;
            Ok(none())
        }
    }
}

/// Whether an argument names a table; reports one that does not.
fn is_table<'js>(ctx: &Ctx<'js>, argument: &Js<'js>) -> Result<bool> {
    lent::with(ctx, |mut lent| Ok(tables::table(ctx, &mut lent, NAME, Some(argument))?.is_some()))
}

fn empty_row<'js>(ctx: &Ctx<'js>, argument: Option<&Js<'js>>) -> Result<Js<'js>> {
    lent::with(ctx, |lent| {
        let protocol = lent.engine.protocol();
        let param = values::whole(argument).and_then(|id| protocol.param_by_id(ParamId(id)));
        match param.and_then(|param| protocol.param(param).table) {
            Some(table) => values::row(ctx, &vec![Value::Empty; protocol.table(table).columns.len()]),
            None => Ok(Js::new_null(ctx.clone())),
        }
    })
}

fn get_columns<'js>(ctx: &Ctx<'js>, table: &Js<'js>, columns: &Js<'js>) -> Result<Js<'js>> {
    let mut allowance = Allowance::default();
    let wanted = allowance.members(ctx, NAME, Some(columns))?;
    lent::with(ctx, |mut lent| {
        let Some(table) = tables::table(ctx, &mut lent, NAME, Some(table))? else {
            return Ok(Js::new_null(ctx.clone()));
        };
        let width = lent.engine.protocol().table(table).columns.len();
        let lists = Array::new(ctx.clone())?;
        for (at, column) in wanted.iter().enumerate() {
            let place = values::whole(Some(column)).and_then(|place| usize::try_from(place).ok());
            let Some(place) = place.filter(|place| *place < width) else {
                let why = || format!("{NAME}: the table has {width} columns, counted from 0");
                lent.engine.script_report(lent.now, lent.run.script, why);
                return Ok(Js::new_null(ctx.clone()));
            };
            let list = Array::new(ctx.clone())?;
            for (at, row) in lent.engine.params().rows(table).iter().enumerate() {
                allowance.member(ctx)?;
                list.set(at, values::to_js(ctx, row.cells().get(place).unwrap_or(&Value::Empty))?)?;
            }
            lists.set(at, list)?;
        }
        Ok(lists.into_value())
    })
}

fn table_of_column<'js>(ctx: &Ctx<'js>, column: &Js<'js>) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        let Some(param) = parameters::param(ctx, &mut lent, NAME, Some(column))? else {
            return Ok(Js::new_null(ctx.clone()));
        };
        let protocol = lent.engine.protocol();
        let (id, column) = (protocol.param(param).id, protocol.param(param).column);
        let table = column.map(|(table, _)| protocol.param(protocol.table(table).param).id);
        match table {
            Some(ParamId(table)) => Ok(Js::new_int(ctx.clone(), table)),
            None => {
                let why = || format!("{NAME}: parameter {id} is no column");
                lent.engine.script_report(lent.now, lent.run.script, why);
                Ok(Js::new_null(ctx.clone()))
            }
        }
    })
}

/// The table and its columns, and perhaps options; keys and values.
fn columns<'js>(ctx: &Ctx<'js>, named: &Js<'js>, lists: &Js<'js>) -> Result<Js<'js>> {
    let mut allowance = Allowance::default();
    let mut named = allowance.members(ctx, NAME, Some(named))?.into_iter();
    let lists = allowance.members(ctx, NAME, Some(lists))?;
    let table = named.next().unwrap_or_else(|| Js::new_undefined(ctx.clone()));
    // Options come last: that `Clear` and `Leave` hold, which they always do here.
    let columns = named.filter(|column| !column.is_bool() && !column.is_array()).collect();
    fills::fill_columns(ctx, NAME, &mut allowance, Columns { table, columns, lists })
}

/// Calls a method of the table.
fn call<'js>(ctx: &Ctx<'js>, name: &str, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    match METHODS.iter().find(|method| method.name == name) {
        Some(method) => (method.call)(ctx, arguments),
        None => Ok(Js::new_null(ctx.clone())),
    }
}

/// An entry of a list; none of what is no list.
fn entry<'js>(list: &Js<'js>, at: u32) -> Result<Option<Js<'js>>> {
    list.as_array().map(|list| list.get(at as usize)).transpose()
}

/// The first entries of a list; undefined where there are fewer.
fn entries<'js>(ctx: &Ctx<'js>, list: &Js<'js>, count: usize) -> Result<Vec<Js<'js>>> {
    let Some(list) = list.as_object() else {
        return Ok(vec![Js::new_undefined(ctx.clone()); count]);
    };
    (0..count).map(|at| list.get(u32::try_from(at).unwrap_or(u32::MAX))).collect()
}
