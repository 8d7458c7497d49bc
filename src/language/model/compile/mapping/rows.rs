//! `bs:Rows` and `bs:Cell` to those of the model: tables, columns, keys; fills none.

use std::collections::HashMap;
use std::sync::Arc;

use super::{how, part, policy};
use crate::language::definition::Text;
use crate::language::definition::message as written;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::id::TableIx;
use crate::language::model::message::{Cell, CellSource, FillColumn, Format, Rows};
use crate::language::model::param::{ColumnKind, ParamKind};
use crate::language::schema::enumerations::{AbsentRows, RowPart, RowsMode};
use crate::language::source::Span;

/// The most rows of a table that is appended to, if the author says nothing.
const APPEND_LIMIT: usize = 1_000;

/// The most rows of any table.
const MOST_ROWS: usize = 100_000;

/// How many levels above its row a cell may look; `schema` reports more.
const MOST_UP: usize = 16;

/// A `bs:Rows` while it is compiled.
struct Filling<'s> {
    scope: &'s mut Scope,
    user: User,
    format: &'s Format,
    table: TableIx,
    table_id: i32,
    columns: Vec<FillColumn>,
    by_column: HashMap<u16, usize>,
    cells: Vec<Cell>,
}

pub(super) fn compile(
    scope: &mut Scope,
    written: &written::Rows<'_>,
    format: &Format,
    user: User,
) -> Option<Rows> {
    let path = written.path.as_ref().and_then(|text| part(scope, text, format, user));
    let id = written.table?;
    let param = scope.param(id, user)?;
    let is_table = scope.fact(param).is_some_and(|fact| fact.kind == ParamKind::Array);
    let Some(table) = scope.table_at(param) else {
        if !is_table {
            scope.push(
                Diagnostic::new(
                    Code::TypeMismatch,
                    id.span,
                    format!("{user} fills parameter {} with rows, which is no table", id.value),
                )
                .with_help("give the parameter `<Type>array</Type>` and `ArrayOptions` with its columns"),
            );
        }
        return None;
    };
    scope.written.push(param);
    let mut filling = Filling {
        scope,
        user,
        format,
        table,
        table_id: id.value,
        columns: Vec::new(),
        by_column: HashMap::new(),
        cells: Vec::new(),
    };
    let mut is_sound = true;
    for cell in &written.cells {
        is_sound &= filling.cell(cell).is_some();
    }
    let (columns, cells) = (filling.columns, filling.cells);
    let mode = written.mode.as_ref().and_then(|text| RowsMode::parse(&text.value));
    let mode = mode.unwrap_or(RowsMode::Replace);
    if !is_sound || !has_key(scope, written.span, table, &columns, mode, user) || columns.is_empty() {
        return None;
    }
    let limit = written.limit.as_ref().and_then(Text::parse::<usize>).map(|limit| limit.value);
    let limit = limit.filter(|limit| (1..=MOST_ROWS).contains(limit));
    let absent = written.absent.as_ref().and_then(|text| AbsentRows::parse(&text.value));
    Some(Rows {
        path: path?,
        table,
        columns: columns.into(),
        cells,
        mode,
        limit: limit.unwrap_or(match mode {
            RowsMode::Append => APPEND_LIMIT,
            RowsMode::Replace | RowsMode::Merge => MOST_ROWS,
        }),
        absent: absent.unwrap_or(AbsentRows::Keep),
    })
}

/// Whether rows can have a key; says so if not.
fn has_key(
    scope: &mut Scope,
    place: Span,
    table: TableIx,
    columns: &[FillColumn],
    mode: RowsMode,
    user: User,
) -> bool {
    let Some(described) = scope.tables.get(table.index()) else { return false };
    let key = described.columns.get(usize::from(described.key));
    let by_engine = key.is_some_and(|column| column.kind == ColumnKind::AutoIncrement);
    let is_given = columns.iter().any(|column| column.column == described.key);
    let param = key.and_then(|column| scope.fact(column.param)).map(|fact| fact.id).unwrap_or_default();
    let id = scope.fact(described.param).map(|fact| fact.id).unwrap_or_default();
    let numbered = by_engine || (mode == RowsMode::Append && !columns.is_empty());
    if numbered || is_given {
        return true;
    }
    scope.push(
        Diagnostic::new(
            Code::RowsWithoutKey,
            place,
            format!("{user} fills table {id} with rows that have no key"),
        )
        .with_help(format!(
            "add a `bs:Cell` for its key column: `<bs:Cell path=\"$.id\" pid=\"{param}\"/>`, or `part=\"name\"` for the members of an object"
        )),
    );
    false
}

impl Filling<'_> {
    fn cell(&mut self, written: &written::Cell<'_>) -> Option<()> {
        let source = self.source(written);
        let (id, user) = (written.pid?, self.user);
        let param = self.scope.param_for(id, user, Use::Sink)?;
        let table = self.scope.tables.get(self.table.index())?;
        let key = table.key;
        let position = table.columns.iter().position(|column| column.param == param);
        let Some(column) = position.and_then(|at| u16::try_from(at).ok()) else {
            let place = self.scope.fact(param)?.span;
            let message = format!(
                "{user} puts a cell into parameter {}, which is no column of table {}",
                id.value, self.table_id
            );
            self.scope.push(
                Diagnostic::new(Code::CellMismatch, id.span, message)
                    .with_related(place, "defined here")
                    .with_help(
                        "name the parameter of one of the table's columns, or add a `ColumnOption` for it",
                    ),
            );
            return None;
        };
        // The key is a text, also where it is worked out as a number.
        if (written.how.divisor.is_some() || written.how.scale.is_some()) && column != key {
            self.scope.param_for(id, user, Use::NumberSink)?;
        }
        let how = how(self.scope, &written.how, Some(param), self.format, user);
        let join = written.join.as_ref().map(|text| Arc::from(&*text.value));
        let at = match self.by_column.get(&column) {
            Some(_) if join.is_none() => {
                self.scope.push(
                    Diagnostic::new(
                        Code::CellMismatch,
                        written.span,
                        format!("{user} fills column {} twice", id.value),
                    )
                    .with_help("take one away, or add `join=\"/\"` to this one: then both become one text"),
                );
                return None;
            }
            Some(at) => *at,
            None => {
                let on_error = policy(written.how.on_error.as_ref());
                self.by_column.insert(column, self.columns.len());
                self.columns.push(FillColumn { column, on_error });
                self.columns.len() - 1
            }
        };
        self.cells.push(Cell { source: source?, at, param, join, how: how? });
        Some(())
    }

    /// Where the value of a cell is: at a path, or a part of the row.
    fn source(&mut self, written: &written::Cell<'_>) -> Option<CellSource> {
        let part_of = written.part.as_ref().and_then(|text| RowPart::parse(&text.value));
        let up = written.up.as_ref().and_then(Text::parse::<usize>).map_or(0, |up| up.value.min(MOST_UP));
        match (part_of, &written.path) {
            (None, Some(text)) => {
                if up > 0 && *self.format == Format::Xml {
                    let place = written.up.as_ref().map_or(written.span, |text| text.span);
                    self.scope.push(
                        Diagnostic::new(
                            Code::FormatMismatch,
                            place,
                            format!("`up` in {} does nothing here", self.user),
                        )
                        .with_help("a path in XPath goes up by itself: `../@id`"),
                    );
                }
                Some(CellSource::Path(part(self.scope, text, self.format, self.user)?, up))
            }
            (Some(RowPart::Name), None) => Some(CellSource::Name),
            (Some(RowPart::Index), None) => Some(CellSource::Index),
            (Some(_), Some(_)) | (None, None) => {
                // A misspelt word of `part` was reported already.
                if written.part.is_none() || written.path.is_some() {
                    self.scope.push(
                        Diagnostic::new(
                            Code::CellMismatch,
                            written.span,
                            format!(
                                "a `bs:Cell` of {} has to say one thing: a `path`, or a `part`",
                                self.user
                            ),
                        )
                        .with_help(
                            "`path=\"$.name\"` is a part of the row, `part=\"name\"` the row's own name",
                        ),
                    );
                }
                None
            }
        }
    }
}
