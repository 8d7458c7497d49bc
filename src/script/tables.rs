//! The methods of `protocol` about rows and cells; filling whole tables has a file of its own, and what a set means is the engine's.

use std::sync::Arc;

use rquickjs::{Array, Ctx, Exception, Result, Value as Js};

use crate::engine::logic::script::Refused;
use crate::engine::param::{Cells, Rejected};
use crate::language::model::id::TableIx;
use crate::language::model::param::ColumnKind;
use crate::script::allowance::Allowance;
use crate::script::lent::{self, Lent};
use crate::script::parameters::{param, refused};
use crate::script::values;
use crate::value::Value;

/// What null means as a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Null {
    Leaves,
    Clears,
}

/// The table that an argument names; reports one that is not there.
pub(super) fn table<'js>(
    ctx: &Ctx<'js>,
    lent: &mut Lent<'_>,
    method: &str,
    argument: Option<&Js<'js>>,
) -> Result<Option<TableIx>> {
    let Some(param) = param(ctx, lent, method, argument)? else { return Ok(None) };
    let described = lent.engine.protocol().param(param);
    let (table, id) = (described.table, described.id);
    if table.is_none() {
        lent.engine
            .script_report(lent.now, lent.run.script, || format!("{method}: parameter {id} is no table"));
    }
    Ok(table)
}

fn cell<'js>(
    ctx: &Ctx<'js>,
    allowance: &mut Allowance,
    value: &Js<'js>,
    null: Null,
) -> Result<Option<Value>> {
    if let Some(symbol) = value.as_symbol() {
        let description = symbol.description()?;
        let text = description.as_string().map(values::string).transpose()?;
        return match text.as_deref() {
            Some("Leave") => Ok(None),
            Some("Clear") => Ok(Some(Value::Empty)),
            Some(_) | None => {
                Err(Exception::throw_type(ctx, "a cell is a value, `protocol.Clear` or `protocol.Leave`"))
            }
        };
    }
    if value.is_undefined() || (value.is_null() && null == Null::Leaves) {
        return Ok(None);
    }
    allowance.value(ctx, value).map(Some)
}

pub(super) fn cells<'js>(
    ctx: &Ctx<'js>,
    allowance: &mut Allowance,
    method: &str,
    row: Option<&Js<'js>>,
    null: Null,
) -> Result<Cells> {
    let members = allowance.members(ctx, method, row)?;
    let one = |value: &Js<'js>| {
        allowance.member(ctx)?;
        cell(ctx, allowance, value, null)
    };
    members.iter().map(one).collect()
}

/// The key of a row: by itself, or of the row at a place that is counted from `first`.
fn key_of(lent: &Lent<'_>, table: TableIx, argument: Option<&Js<'_>>, first: i32) -> Option<Arc<str>> {
    let argument = argument?;
    if argument.is_string() {
        return values::key(Some(argument));
    }
    let place = values::whole(Some(argument))?.checked_sub(first)?;
    let row = lent.engine.params().rows(table).at(usize::try_from(place).ok()?)?;
    Some(row.key().clone())
}

/// The keys that members of an array are; none where one is no key.
pub(super) fn keys_of<'js>(
    ctx: &Ctx<'js>,
    allowance: &mut Allowance,
    members: &[Js<'js>],
) -> Result<Vec<Option<Arc<str>>>> {
    let one = |member: &Js<'js>| {
        allowance.member(ctx)?;
        let key = values::key(Some(member));
        allowance.take(ctx, key.as_ref().map_or(0, |key| key.len()))?;
        Ok(key)
    };
    members.iter().map(one).collect()
}

/// Reports those of some keys that are none; how many they are.
pub(super) fn tell_lacking(lent: &mut Lent<'_>, method: &str, keys: &[Option<Arc<str>>]) -> usize {
    let lacking = keys.iter().filter(|key| key.is_none()).count();
    if lacking > 0 {
        lent.engine.script_report(lent.now, lent.run.script, || {
            format!("{method}: {lacking} of the keys are neither a text nor a number")
        });
    }
    lacking
}

pub(super) fn told(
    ctx: &Ctx<'_>,
    lent: &mut Lent<'_>,
    method: &str,
    table: TableIx,
    why: &Refused,
) -> Result<()> {
    let protocol = lent.engine.protocol();
    let id = protocol.param(protocol.table(table).param).id;
    refused(ctx, lent, &format!("{method}: a change of table {id}"), why)
}

fn null<'js>(ctx: &Ctx<'js>) -> Js<'js> {
    Js::new_null(ctx.clone())
}

fn number<'js>(ctx: &Ctx<'js>, number: usize) -> Js<'js> {
    #[expect(clippy::cast_precision_loss, reason = "a table has at most 100,000 rows")]
    let number = number as f64;
    Js::new_number(ctx.clone(), number)
}

pub(super) fn flag<'js>(ctx: &Ctx<'js>, flag: bool) -> Js<'js> {
    Js::new_bool(ctx.clone(), flag)
}

/// Adds a row; its key.
fn add<'js>(ctx: &Ctx<'js>, method: &str, arguments: &[Js<'js>]) -> Result<Option<(TableIx, Arc<str>)>> {
    let row = arguments.get(1).filter(|row| !row.is_undefined() && !row.is_null());
    let given = match row {
        Some(row) if row.is_array() => {
            Some(cells(ctx, &mut Allowance::default(), method, Some(row), Null::Leaves)?)
        }
        Some(_) | None => None,
    };
    lent::with(ctx, |mut lent| {
        let Some(table) = table(ctx, &mut lent, method, arguments.first())? else { return Ok(None) };
        let described = lent.engine.protocol().table(table);
        let (columns, key) = (described.columns.len(), usize::from(described.key));
        let cells = given.unwrap_or_else(|| {
            let mut cells: Cells = vec![None; columns];
            if let Some(cell) = cells.get_mut(key) {
                *cell = values::key(row).map(Value::Text);
            }
            cells
        });
        match lent.engine.script_add_row(lent.now, table, cells) {
            Ok(key) => Ok(key.map(|key| (table, key))),
            Err(why) => {
                told(ctx, &mut lent, method, table, &why)?;
                Ok(None)
            }
        }
    })
}

pub(super) fn add_row<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    let added = add(ctx, "AddRow", arguments)?;
    lent::with(ctx, |lent| {
        let place = added.and_then(|(table, key)| lent.engine.params().rows(table).position(&key));
        Ok(number(ctx, place.map_or(0, |place| place + 1)))
    })
}

pub(super) fn add_row_return_key<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    match add(ctx, "AddRowReturnKey", arguments)? {
        Some((_, key)) => values::text(ctx, &key),
        None => Ok(null(ctx)),
    }
}

pub(super) fn set_row<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    const NAME: &str = "SetRow";
    let cells = cells(ctx, &mut Allowance::default(), NAME, arguments.get(2), Null::Leaves)?;
    lent::with(ctx, |mut lent| {
        let changes = Array::new(ctx.clone())?;
        let Some(table) = table(ctx, &mut lent, NAME, arguments.first())? else {
            return Ok(changes.into_value());
        };
        let Some(key) = key_of(&lent, table, arguments.get(1), 0) else {
            lent.engine.script_report(lent.now, lent.run.script, || format!("{NAME}: there is no such row"));
            return Ok(changes.into_value());
        };
        let length = cells.len();
        let changed = match lent.engine.script_set_row(lent.now, table, &key, cells) {
            Ok(changed) => changed,
            Err(why) => {
                told(ctx, &mut lent, NAME, table, &why)?;
                Vec::new()
            }
        };
        for at in 0..length {
            changes.set(at, i32::from(changed.get(at).copied().unwrap_or(false)))?;
        }
        Ok(changes.into_value())
    })
}

pub(super) fn get_row<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        let Some(table) = table(ctx, &mut lent, "GetRow", arguments.first())? else { return Ok(null(ctx)) };
        let key = key_of(&lent, table, arguments.get(1), 0);
        match key.and_then(|key| lent.engine.params().rows(table).get(&key)) {
            Some(row) => values::row(ctx, row.cells()),
            None => Ok(null(ctx)),
        }
    })
}

pub(super) fn delete_row<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    const NAME: &str = "DeleteRow";
    let mut allowance = Allowance::default();
    let several = match arguments.get(1) {
        Some(keys) if keys.is_array() => Some(allowance.members(ctx, NAME, Some(keys))?),
        Some(_) | None => None,
    };
    lent::with(ctx, |mut lent| {
        let Some(table) = table(ctx, &mut lent, NAME, arguments.first())? else { return Ok(number(ctx, 0)) };
        let keys = match several {
            Some(keys) => {
                let keys = keys_of(ctx, &mut allowance, &keys)?;
                tell_lacking(&mut lent, NAME, &keys);
                keys.into_iter().flatten().collect()
            }
            None => {
                let key = key_of(&lent, table, arguments.get(1), 1);
                if key.is_none() {
                    lent.engine
                        .script_report(lent.now, lent.run.script, || format!("{NAME}: there is no such row"));
                }
                Vec::from_iter(key)
            }
        };
        match lent.engine.script_delete_rows(lent.now, table, keys) {
            Ok(missing) => {
                if let Some(first) = missing.first() {
                    let why = Refused::Rejected(Rejected::NoRow(Arc::clone(first)));
                    told(ctx, &mut lent, NAME, table, &why)?;
                }
            }
            Err(why) => told(ctx, &mut lent, NAME, table, &why)?,
        }
        Ok(number(ctx, lent.engine.params().rows(table).len()))
    })
}

pub(super) fn clear_all_keys<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        if let Some(table) = table(ctx, &mut lent, "ClearAllKeys", arguments.first())?
            && let Err(why) = lent.engine.script_clear(lent.now, table)
        {
            told(ctx, &mut lent, "ClearAllKeys", table, &why)?;
        }
        Ok(Js::new_undefined(ctx.clone()))
    })
}

pub(super) fn exists<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        let table = table(ctx, &mut lent, "Exists", arguments.first())?;
        let found = table
            .zip(values::key(arguments.get(1)))
            .and_then(|(table, key)| lent.engine.params().rows(table).position(&key));
        Ok(flag(ctx, found.is_some()))
    })
}

pub(super) fn row_count<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        let table = table(ctx, &mut lent, "RowCount", arguments.first())?;
        Ok(number(ctx, table.map_or(0, |table| lent.engine.params().rows(table).len())))
    })
}

pub(super) fn get_keys<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        let keys = Array::new(ctx.clone())?;
        let Some(table) = table(ctx, &mut lent, "GetKeys", arguments.first())? else {
            return Ok(keys.into_value());
        };
        let columns = &lent.engine.protocol().table(table).columns;
        let display = columns.iter().position(|column| column.kind == ColumnKind::DisplayKey);
        let display = display.filter(|_| values::whole(arguments.get(1)) == Some(1));
        for (at, row) in lent.engine.params().rows(table).iter().enumerate() {
            let shown = display.and_then(|column| row.cells().get(column)).filter(|cell| !cell.is_empty());
            match shown {
                Some(cell) => keys.set(at, &*cell.to_text())?,
                None => keys.set(at, &**row.key())?,
            }
        }
        Ok(keys.into_value())
    })
}

pub(super) fn get_key_position<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        let table = table(ctx, &mut lent, "GetKeyPosition", arguments.first())?;
        let place = table
            .zip(values::key(arguments.get(1)))
            .and_then(|(table, key)| lent.engine.params().rows(table).position(&key));
        Ok(number(ctx, place.map_or(0, |place| place + 1)))
    })
}

/// The position of a column that is counted from 1.
fn column(argument: Option<&Js<'_>>) -> Option<u16> {
    u16::try_from(values::whole(argument)?.checked_sub(1)?).ok()
}

fn get_cell<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>], method: &str, first: i32) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        let Some(table) = table(ctx, &mut lent, method, arguments.first())? else { return Ok(null(ctx)) };
        let key = key_of(&lent, table, arguments.get(1), first);
        let found = key.zip(column(arguments.get(2)));
        match found.and_then(|(key, column)| lent.engine.params().cell(table, &key, column)) {
            Some(cell) => values::to_js(ctx, cell),
            None => Ok(null(ctx)),
        }
    })
}

fn set_cell<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>], method: &str, first: i32) -> Result<Js<'js>> {
    let value = match arguments.get(3) {
        Some(value) => values::from_js(ctx, value)?,
        None => Value::Empty,
    };
    lent::with(ctx, |mut lent| {
        let Some(table) = table(ctx, &mut lent, method, arguments.first())? else {
            return Ok(flag(ctx, false));
        };
        let key = key_of(&lent, table, arguments.get(1), first);
        let columns = &lent.engine.protocol().table(table).columns;
        let of = column(arguments.get(2)).and_then(|column| columns.get(usize::from(column)));
        let Some((key, param)) = key.zip(of.map(|column| column.param)) else {
            lent.engine
                .script_report(lent.now, lent.run.script, || format!("{method}: there is no such cell"));
            return Ok(flag(ctx, false));
        };
        match lent.engine.script_set(lent.now, param, Some(&key), value) {
            Ok(differs) => Ok(flag(ctx, differs)),
            Err(why) => {
                told(ctx, &mut lent, method, table, &why)?;
                Ok(flag(ctx, false))
            }
        }
    })
}

pub(super) fn get_parameter_index<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    get_cell(ctx, arguments, "GetParameterIndex", 1)
}

pub(super) fn set_parameter_index<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    set_cell(ctx, arguments, "SetParameterIndex", 1)
}

/// A key that is given as a number is that number's text.
fn with_key<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Vec<Js<'js>>> {
    let mut arguments = arguments.to_vec();
    if let Some(key) = arguments.get_mut(1)
        && let Some(text) = values::key(Some(key))
    {
        *key = values::text(ctx, &text)?;
    }
    Ok(arguments)
}

pub(super) fn get_parameter_index_by_key<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    get_cell(ctx, &with_key(ctx, arguments)?, "GetParameterIndexByKey", 1)
}

pub(super) fn set_parameter_index_by_key<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    set_cell(ctx, &with_key(ctx, arguments)?, "SetParameterIndexByKey", 1)
}

pub(super) fn row_key<'js>(ctx: &Ctx<'js>, _: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |lent| match &lent.run.row {
        Some(row) => values::text(ctx, &row.key),
        None => Ok(null(ctx)),
    })
}

pub(super) fn row_index<'js>(ctx: &Ctx<'js>, _: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |lent| Ok(number(ctx, lent.run.row.as_ref().map_or(0, |row| row.position))))
}

pub(super) fn old_row<'js>(ctx: &Ctx<'js>, _: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |lent| match lent.run.row.as_ref().and_then(|row| row.old.as_ref()) {
        Some(cells) => values::row(ctx, cells),
        None => Ok(null(ctx)),
    })
}

pub(super) fn new_row<'js>(ctx: &Ctx<'js>, _: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |lent| match lent.run.row.as_ref().and_then(|row| row.new.as_ref()) {
        Some(cells) => values::row(ctx, cells),
        None => Ok(null(ctx)),
    })
}
