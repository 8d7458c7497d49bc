//! `ArrayOptions` and the column lists of array parameters to tables; fills no cell.

use std::collections::{BTreeMap, HashSet};

use crate::language::definition::Id;
use crate::language::definition::param::{ArrayOptions, ColumnOption, Param};
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::params::{kind_of, placeholder};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::id::{ParamIx, TableIx};
use crate::language::model::param::{self as model, Column, ColumnKind, ParamKind, Table, ValueType};
use crate::language::schema::enumerations::ColumnType;
use crate::language::source::Spanned;

/// Most columns of a table: a number of a column fits 16 bits with room.
const MAX_COLUMNS: usize = 4096;

/// The columns of an array parameter as written, by position.
fn columns<'p, 'a>(param: &'p Param<'a>) -> BTreeMap<i32, (Id, Option<&'p ColumnOption<'a>>)> {
    let mut columns = BTreeMap::new();
    // `<Type id="1001;1002">array</Type>` names the columns in order.
    for (at, part) in param.kind_id.iter().flat_map(|text| text.split(';')).enumerate() {
        if let (Ok(id), Ok(at)) = (part.value.parse(), i32::try_from(at)) {
            columns.insert(at, (Spanned::new(id, part.span), None));
        }
    }
    for option in param.array.iter().flat_map(|array| &array.columns) {
        if let (Some(idx), Some(pid)) = (option.idx, option.pid) {
            columns.insert(idx.value, (pid, Some(option)));
        }
    }
    columns
}

/// Adds the parameters that tables name as columns and nobody defines, and says which they are.
pub(super) fn add_missing(params: &mut Vec<Param<'_>>) -> Vec<(Id, User)> {
    let defined: HashSet<i32> = params.iter().map(|param| param.id.value).collect();
    let mut missing = Vec::new();
    for table in params.iter().filter(|param| kind_of(param) == ParamKind::Array) {
        for (id, _) in columns(table).values() {
            if !defined.contains(&id.value) {
                missing.push((*id, User("table", table.id.value)));
            }
        }
    }
    let mut added = HashSet::new();
    for (id, _) in &missing {
        if added.insert(id.value) {
            params.push(placeholder(*id));
        }
    }
    missing
}

/// Compiles all tables and tells their parameters.
pub(super) fn compile(scope: &mut Scope, written: &[Param<'_>], params: &mut [model::Param]) -> Vec<Table> {
    let mut tables = Vec::new();
    for (at, param) in written.iter().enumerate() {
        if kind_of(param) != ParamKind::Array {
            if let Some(array) = &param.array {
                scope.push(
                    Diagnostic::new(
                        Code::TypeMismatch,
                        array.span,
                        format!("parameter {} has `ArrayOptions` and is no table", param.id.value),
                    )
                    .with_help("give it `<Type>array</Type>`"),
                );
            }
            continue;
        }
        let (Some(ix), Some(table_ix)) = (ParamIx::new(at), TableIx::new(tables.len())) else { continue };
        let Some(table) = one(scope, param, ix) else { continue };
        for (position, column) in table.columns.iter().enumerate() {
            if let (Some(param), Ok(position)) =
                (params.get_mut(column.param.index()), u16::try_from(position))
            {
                param.column = Some((table_ix, position));
            }
        }
        if let Some(param) = params.get_mut(at) {
            param.table = Some(table_ix);
        }
        tables.push(table);
    }
    tables
}

fn one(scope: &mut Scope, written: &Param<'_>, ix: ParamIx) -> Option<Table> {
    let user = User("table", written.id.value);
    let by_position = columns(written);
    let option = |name: &str| {
        written
            .array
            .as_ref()
            .and_then(|array| array.options.as_ref())
            .is_some_and(|text| text.option(name).is_some())
    };
    let volatile = option("volatile");
    doubled_columns(scope, written, user);
    let numbers: Vec<i32> = by_position.keys().copied().collect();
    if by_position.is_empty() {
        // A matrix of the original is a table by type only.
        if written.kind_options.as_ref().is_some_and(|text| text.option("dimensions").is_some()) {
            return None;
        }
        scope.push(
            Diagnostic::new(Code::BadTable, written.span, format!("{user} has no columns"))
                .with_help("add `<ArrayOptions index=\"0\">` with a `ColumnOption` for each column"),
        );
        return None;
    }
    let gap = numbers.iter().enumerate().find(|(at, number)| i32::try_from(*at).ok() != Some(**number));
    if let (Some((at, number)), Some(array)) = (gap, &written.array) {
        scope.push(
            Diagnostic::new(
                Code::BadTable,
                array.span,
                format!("the columns of {user} are not numbered from 0 without a gap: {number} stands where {at} would"),
            )
            .with_help("the columns are taken in order, so their numbers are others than those written"),
        );
    }
    let key = key(scope, written.array.as_ref(), &numbers, user);
    let columns: Vec<Column> = by_position
        .values()
        .take(MAX_COLUMNS)
        .enumerate()
        .filter_map(|(at, (id, option))| {
            let is_key = usize::from(key) == at;
            column(scope, *id, *option, user, is_key.then_some(Key), volatile)
        })
        .collect();
    let key = if usize::from(key) < columns.len() { key } else { 0 };
    (!columns.is_empty()).then(|| Table { param: ix, key, columns, auto_add: option("autoAdd"), volatile })
}

/// Two columns at one place: the later one counts, and the other is not there at all.
fn doubled_columns(scope: &mut Scope, written: &Param<'_>, user: User) {
    let mut first: BTreeMap<i32, &ColumnOption<'_>> = BTreeMap::new();
    for option in written.array.iter().flat_map(|array| &array.columns) {
        let Some(idx) = option.idx else { continue };
        if let Some(known) = first.insert(idx.value, option) {
            scope.push(
                Diagnostic::new(
                    Code::BadTable,
                    idx.span,
                    format!("{user} has two columns with the `idx` {}", idx.value),
                )
                .with_related(known.span, "the other one, which does not count")
                .with_help("give each column a place of its own, counted from 0"),
            );
        }
    }
}

/// Says that a column is the key.
#[derive(Clone, Copy)]
struct Key;

/// The position of the key column.
fn key(scope: &mut Scope, array: Option<&ArrayOptions<'_>>, numbers: &[i32], user: User) -> u16 {
    let Some(index) = array.and_then(|array| array.index.as_ref()) else { return 0 };
    let Some(number) = index.parse::<i32>() else { return 0 };
    match numbers.iter().position(|known| *known == number.value).and_then(|at| u16::try_from(at).ok()) {
        Some(at) => at,
        None => {
            scope.push(
                Diagnostic::new(
                    Code::BadTable,
                    index.span,
                    format!("the key of {user} is column {}, which it does not have", number.value),
                )
                .with_help("columns are counted from 0; the first is taken"),
            );
            0
        }
    }
}

fn column(
    scope: &mut Scope,
    id: Id,
    option: Option<&ColumnOption<'_>>,
    user: User,
    key: Option<Key>,
    volatile: bool,
) -> Option<Column> {
    let param = scope.param_for(id, user, Use::Source)?;
    let kind = option.and_then(|option| option.kind.as_ref()).and_then(|text| ColumnType::parse(&text.value));
    let kind = match kind {
        Some(ColumnType::AutoIncrement) => ColumnKind::AutoIncrement,
        Some(ColumnType::State) => ColumnKind::State,
        Some(ColumnType::DisplayKey) => ColumnKind::DisplayKey,
        Some(ColumnType::Concatenation | ColumnType::Custom) => ColumnKind::Custom,
        Some(ColumnType::Index | ColumnType::Retrieved | ColumnType::Snmp | ColumnType::ViewTableKey)
        | None => ColumnKind::Retrieved,
    };
    if key.is_some()
        && kind != ColumnKind::AutoIncrement
        && let Some(fact) = scope.fact(param)
        && fact.value_type == ValueType::Double
    {
        let place = fact.span;
        scope.push(
            Diagnostic::new(Code::TypeMismatch, id.span, format!("the key of {user} is parameter {}, which holds numbers", id.value))
                .with_related(place, "defined here")
                .with_help("a key is a text: `<Interprete><Type>string</Type></Interprete>`; numbers are taken as their text"),
        );
    }
    // In the options of a column the first character is the separator.
    let options =
        option.and_then(|option| option.options.as_ref()).map(|text| text.lower()).unwrap_or_default();
    let separator = options.chars().next().filter(|first| !first.is_alphanumeric()).unwrap_or(';');
    let mut save = key.is_some() || kind == ColumnKind::DisplayKey;
    let mut lasting = !volatile;
    for part in options.split(separator).map(str::trim) {
        save |= matches!(part, "save" | "element");
        lasting &= part != "volatile";
        if let Some(table) = part.strip_prefix("foreignkey=") {
            save = true;
            let digits: String = table.chars().take_while(char::is_ascii_digit).collect();
            if let (Ok(id), Some(option)) = (digits.parse(), option) {
                scope.param(Spanned::new(id, option.span), user);
            }
        }
    }
    Some(Column { param, kind, save: save && lasting })
}
