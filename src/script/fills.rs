//! The methods of `protocol` that fill tables with columns or rows; what becomes of the other rows is the engine's.

use std::sync::Arc;

use rquickjs::{Ctx, Exception, Result, Value as Js};

use crate::engine::logic::TableEdit;
use crate::engine::param::{Cells, Fill};
use crate::language::model::id::{ParamId, TableIx};
use crate::language::model::param::ColumnKind;
use crate::script::allowance::{Allowance, MEMBER};
use crate::script::lent::{self, Lent};
use crate::script::tables::{Null, cells, edit, flag, keys_of, table};
use crate::script::values;
use crate::value::Value;

/// Rows out of columns: each list of values goes to the next column that is filled from outside.
fn rows_of<'js>(
    ctx: &Ctx<'js>,
    allowance: &mut Allowance,
    method: &str,
    argument: Option<&Js<'js>>,
) -> Result<Vec<Vec<Option<Value>>>> {
    let lists = allowance.members(ctx, method, argument)?;
    lists.iter().map(|list| cells(ctx, allowance, method, Some(list), Null::Clears)).collect()
}

fn turned(
    ctx: &Ctx<'_>,
    allowance: &mut Allowance,
    lent: &Lent<'_>,
    table: TableIx,
    columns: Vec<Vec<Option<Value>>>,
) -> Result<Vec<Cells>> {
    let described = lent.engine.protocol().table(table);
    let filled = described
        .columns
        .iter()
        .enumerate()
        .filter(|(at, column)| column.kind == ColumnKind::Retrieved || *at == usize::from(described.key));
    let places: Vec<usize> = filled.map(|(at, _)| at).collect();
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    // The columns that are not given are cells too.
    allowance.take(ctx, height.saturating_mul(described.columns.len()).saturating_mul(MEMBER))?;
    let mut rows = vec![vec![None; described.columns.len()]; height];
    for (place, column) in places.into_iter().zip(columns) {
        for (row, value) in rows.iter_mut().zip(column) {
            if let Some(cell) = row.get_mut(place) {
                *cell = value;
            }
        }
    }
    Ok(rows)
}

fn fill<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>], method: &str, mode: Fill) -> Result<Js<'js>> {
    let mut allowance = Allowance::default();
    let lists = rows_of(ctx, &mut allowance, method, arguments.get(1))?;
    let option = values::whole(arguments.get(2));
    lent::with(ctx, |mut lent| {
        let Some(table) = table(ctx, &mut lent, method, arguments.first())? else {
            return Ok(flag(ctx, false));
        };
        let (rows, mode) = match option {
            Some(option) => (lists, if option == 1 { Fill::Merge } else { mode }),
            None => (turned(ctx, &mut allowance, &lent, table, lists)?, mode),
        };
        Ok(flag(ctx, edit(ctx, &mut lent, method, table, TableEdit::Fill { rows, mode })?))
    })
}

pub(super) fn fill_array<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    fill(ctx, arguments, "FillArray", Fill::Replace)
}

pub(super) fn fill_array_no_delete<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    fill(ctx, arguments, "FillArrayNoDelete", Fill::Merge)
}

pub(super) fn fill_array_with_column<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    const NAME: &str = "FillArrayWithColumn";
    let mut allowance = Allowance::default();
    let keys = allowance.members(ctx, NAME, arguments.get(2))?;
    let given = cells(ctx, &mut allowance, NAME, arguments.get(3), Null::Clears)?;
    let keys = keys_of(ctx, &mut allowance, &keys)?;
    if keys.len() != given.len() {
        let why = format!("{NAME}: {} keys and {} values", keys.len(), given.len());
        return Err(Exception::throw_range(ctx, &why));
    }
    lent::with(ctx, |mut lent| {
        let Some(table) = table(ctx, &mut lent, NAME, arguments.first())? else {
            return Ok(flag(ctx, false));
        };
        let id = values::whole(arguments.get(1));
        let protocol = lent.engine.protocol();
        let param = id.and_then(|id| protocol.param_by_id(ParamId(id)));
        let column = param.and_then(|param| protocol.param(param).column).filter(|(of, _)| *of == table);
        let (width, key_column) =
            (protocol.table(table).columns.len(), usize::from(protocol.table(table).key));
        let Some((_, column)) = column else {
            lent.engine
                .script_report(lent.now, lent.run.script, || format!("{NAME}: the table has no such column"));
            return Ok(flag(ctx, false));
        };
        let row = |(key, value): (Arc<str>, Option<Value>)| {
            let mut cells: Cells = vec![None; width];
            *cells.get_mut(usize::from(column))? = value;
            *cells.get_mut(key_column)? = Some(Value::Text(key));
            Some(cells)
        };
        allowance.take(ctx, keys.len().saturating_mul(width).saturating_mul(MEMBER))?;
        let pairs = keys.into_iter().zip(given).filter_map(|(key, value)| Some((key?, value)));
        let rows = pairs.filter_map(row).collect();
        Ok(flag(ctx, edit(ctx, &mut lent, NAME, table, TableEdit::Fill { rows, mode: Fill::Merge })?))
    })
}
