//! The methods of `protocol` that fill tables with columns or rows; what becomes of the other rows is the engine's.

use rquickjs::{Ctx, Exception, Result, Value as Js};

use crate::engine::param::{Cells, Fill, NotTaken};
use crate::language::model::id::{ParamId, TableIx};
use crate::language::model::param::ColumnKind;
use crate::script::allowance::{Allowance, MEMBER};
use crate::script::lent::{self, Lent};
use crate::script::tables::{Null, cells, flag, keys_of, table, tell_lacking, told};
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
    lent: &mut Lent<'_>,
    (table, method): (TableIx, &str),
    columns: Vec<Vec<Option<Value>>>,
) -> Result<Vec<Cells>> {
    let described = lent.engine.protocol().table(table);
    let filled = described
        .columns
        .iter()
        .enumerate()
        .filter(|(at, column)| column.kind == ColumnKind::Retrieved || *at == usize::from(described.key));
    let places: Vec<usize> = filled.map(|(at, _)| at).collect();
    let width = described.columns.len();
    if columns.len() > places.len() {
        let (given, filled) = (columns.len(), places.len());
        lent.engine.script_report(lent.now, lent.run.script, || {
            format!("{method}: {given} columns are given, and {filled} of the table are filled from outside")
        });
    }
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    // The columns that are not given are cells too.
    allowance.take(ctx, height.saturating_mul(width).saturating_mul(MEMBER))?;
    let mut rows = vec![vec![None; width]; height];
    for (place, column) in places.into_iter().zip(columns) {
        for (row, value) in rows.iter_mut().zip(column) {
            if let Some(cell) = row.get_mut(place) {
                *cell = value;
            }
        }
    }
    Ok(rows)
}

/// What the lists are that a table is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lists {
    Rows,
    Columns,
}

fn fill<'js>(
    ctx: &Ctx<'js>,
    arguments: &[Js<'js>],
    method: &str,
    lists: Lists,
    mode: Fill,
) -> Result<Js<'js>> {
    let mut allowance = Allowance::default();
    let given = rows_of(ctx, &mut allowance, method, arguments.get(1))?;
    lent::with(ctx, |mut lent| {
        let Some(table) = table(ctx, &mut lent, method, arguments.first())? else {
            return Ok(flag(ctx, false));
        };
        let rows = match lists {
            Lists::Rows => given,
            Lists::Columns => turned(ctx, &mut allowance, &mut lent, (table, method), given)?,
        };
        put(ctx, &mut lent, method, table, rows, mode)
    })
}

/// Fills a table as far as it takes the rows; reports what it does not. Whether it took all.
fn put<'js>(
    ctx: &Ctx<'js>,
    lent: &mut Lent<'_>,
    method: &str,
    table: TableIx,
    rows: Vec<Cells>,
    mode: Fill,
) -> Result<Js<'js>> {
    match lent.engine.script_fill(lent.now, table, rows, mode) {
        Ok(NotTaken { first: None, .. }) => Ok(flag(ctx, true)),
        Ok(NotTaken { rows, cells, first: Some(first) }) => {
            let protocol = lent.engine.protocol();
            let id = protocol.param(protocol.table(table).param).id;
            lent.engine.script_report(lent.now, lent.run.script, || {
                format!("{method}: {rows} rows and {cells} cells for table {id} were not taken; the first: {first}")
            });
            Ok(flag(ctx, false))
        }
        Err(why) => {
            told(ctx, lent, method, table, &why)?;
            Ok(flag(ctx, false))
        }
    }
}

pub(super) fn fill_array<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    const NAME: &str = "FillArray";
    // The original has a time and a flag at this place, too: they are no numbers.
    let (lists, mode) = match arguments.get(2).filter(|option| option.is_number()) {
        None => (Lists::Columns, Fill::Replace),
        option => match values::whole(option) {
            Some(0) => (Lists::Rows, Fill::Replace),
            Some(1) => (Lists::Rows, Fill::Merge),
            Some(_) | None => {
                let why = format!("{NAME}: the option is `SaveOption.Full` or `SaveOption.Partial`");
                return Err(Exception::throw_range(ctx, &why));
            }
        },
    };
    fill(ctx, arguments, NAME, lists, mode)
}

pub(super) fn fill_array_no_delete<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    const NAME: &str = "FillArrayNoDelete";
    if arguments.get(2).is_some_and(Js::is_number) {
        let why =
            format!("{NAME} takes columns and no option: `FillArray` takes rows, with `SaveOption.Partial`");
        return Err(Exception::throw_type(ctx, &why));
    }
    fill(ctx, arguments, NAME, Lists::Columns, Fill::Merge)
}

pub(super) fn fill_array_with_column<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    const NAME: &str = "FillArrayWithColumn";
    let argument = |at: usize| arguments.get(at).cloned().unwrap_or_else(|| Js::new_undefined(ctx.clone()));
    let columns =
        Columns { table: argument(0), columns: vec![argument(1)], lists: vec![argument(2), argument(3)] };
    fill_columns(ctx, NAME, &mut Allowance::default(), columns)
}

/// Columns for some rows of a table, as a script gives them.
pub(super) struct Columns<'js> {
    /// The id of the table.
    pub(super) table: Js<'js>,
    /// The ids of the columns.
    pub(super) columns: Vec<Js<'js>>,
    /// The keys of the rows, and then the values of each column.
    pub(super) lists: Vec<Js<'js>>,
}

/// Fills columns of the rows with these keys, in one change; whether all was taken.
pub(super) fn fill_columns<'js>(
    ctx: &Ctx<'js>,
    method: &str,
    allowance: &mut Allowance,
    given: Columns<'js>,
) -> Result<Js<'js>> {
    let (keys, lists) =
        given.lists.split_first().map_or((None, [].as_slice()), |(keys, lists)| (Some(keys), lists));
    let keys = allowance.members(ctx, method, keys)?;
    let keys = keys_of(ctx, allowance, &keys)?;
    if lists.len() != given.columns.len() {
        let why = format!("{method}: {} columns and {} lists of values", given.columns.len(), lists.len());
        return Err(Exception::throw_range(ctx, &why));
    }
    let mut values = Vec::new();
    for list in lists {
        let list = cells(ctx, allowance, method, Some(list), Null::Clears)?;
        if keys.len() != list.len() {
            let why = format!("{method}: {} keys and {} values", keys.len(), list.len());
            return Err(Exception::throw_range(ctx, &why));
        }
        values.push(list);
    }
    lent::with(ctx, |mut lent| {
        let Some(table) = table(ctx, &mut lent, method, Some(&given.table))? else {
            return Ok(flag(ctx, false));
        };
        let Some(places) = places_of(&mut lent, method, table, &given.columns) else {
            return Ok(flag(ctx, false));
        };
        let lacking = tell_lacking(&mut lent, method, &keys);
        let described = lent.engine.protocol().table(table);
        let (width, key_column) = (described.columns.len(), usize::from(described.key));
        allowance.take(ctx, keys.len().saturating_mul(width).saturating_mul(MEMBER))?;
        let mut values: Vec<_> = values.into_iter().map(Vec::into_iter).collect();
        let mut rows = Vec::new();
        for key in keys {
            let mut row: Cells = vec![None; width];
            for (place, list) in places.iter().zip(&mut values) {
                if let (Some(cell), Some(value)) = (row.get_mut(*place), list.next()) {
                    *cell = value;
                }
            }
            if let (Some(cell), Some(key)) = (row.get_mut(key_column), key) {
                *cell = Some(Value::Text(key));
                rows.push(row);
            }
        }
        let all = put(ctx, &mut lent, method, table, rows, Fill::Merge)?;
        Ok(if lacking == 0 { all } else { flag(ctx, false) })
    })
}

/// The places of columns that are named by their parameters; reports one that the table does not have.
fn places_of(lent: &mut Lent<'_>, method: &str, table: TableIx, columns: &[Js<'_>]) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    for column in columns {
        let id = values::whole(Some(column));
        let protocol = lent.engine.protocol();
        let param = id.and_then(|id| protocol.param_by_id(ParamId(id)));
        let place = param.and_then(|param| protocol.param(param).column).filter(|(of, _)| *of == table);
        let Some((_, place)) = place else {
            let id = id.map(|id| format!(" {id}")).unwrap_or_default();
            let why = || format!("{method}: the table has no such column{id}");
            lent.engine.script_report(lent.now, lent.run.script, why);
            return None;
        };
        places.push(usize::from(place));
    }
    Some(places)
}
