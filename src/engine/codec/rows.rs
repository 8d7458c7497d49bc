//! `bs:Rows`: the rows of a message, with their cells; knows nothing of the rows that a table has.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::engine::codec::Gathered;
use crate::engine::codec::json::{Found, Kind, Spot, Step, Tape};
use crate::engine::codec::mapping::{self, Problem, Why};
use crate::engine::codec::message::{Message, Node};
use crate::engine::codec::xml::{self, Search, Selected, Trouble};
use crate::engine::param::fill::TableFill;
use crate::engine::param::table::MAX_ROWS;
use crate::engine::param::{self, Params};
use crate::language::model::id::ParamIx;
use crate::language::model::message::{
    Cell, CellSource, JsonPath, Path, PathForm, Policy, Rows, Segment, XPath,
};
use crate::language::schema::enumerations::{AbsentRows, RowsMode};
use crate::value::Value;

/// Adds the rows that a message has for a table.
pub(super) fn gather(message: &Message, rows: &Rows, params: &Params, got: &mut Gathered) {
    let Path::Json(path) = &rows.path else { return };
    let mut filler = Filler::new(Some(message), rows, params);
    let is_there = match &path.form {
        PathForm::Singular(segments) | PathForm::Each(segments) => {
            message.each(path, &mut |trail| filler.literal(message, trail));
            filler.count > 0 || has_list(message, segments)
        }
        PathForm::General(general) => match message.tree_for(general) {
            Ok(Some(tree)) => {
                for located in general.query.query_located(tree).iter() {
                    if filler.tree(tree, located.location(), located.node()).is_break() {
                        break;
                    }
                }
                // What a filter finds nothing in may be there or not: nothing is an empty list.
                true
            }
            Ok(None) => false,
            Err(_) => {
                let problem = || Problem {
                    path: Some(path.text.clone()),
                    param: None,
                    table: Some(rows.table),
                    why: Why::TooMuch,
                };
                got.lose(1, problem);
                return;
            }
        },
    };
    filler.finish(is_there, got);
}

/// Adds the rows that a message in XML has for a table.
pub(super) fn gather_xml(tree: &xml::Tree, rows: &Rows, params: &Params, got: &mut Gathered) {
    let Path::Xml(path) = &rows.path else { return };
    let search = Search::new(tree, xml::LIST_FUEL);
    let mut filler = Filler::new(None, rows, params);
    let trouble = match search.select(path, search.whole()) {
        Ok(Selected::Nodes(nodes)) => nodes.into_iter().find_map(|node| filler.xml(&search, node).err()),
        Ok(Selected::Value(_)) => Some(Why::NoValue),
        Err(Trouble::TooMuch) => Some(Why::TooMuch),
        Err(Trouble::NoValue) => Some(Why::NoValue),
    };
    if let Some(why) = trouble {
        let path = Some(path.text.clone());
        got.lose(1, || Problem { path, param: None, table: Some(rows.table), why });
        return;
    }
    // What is around the elements of a list is not told apart from no list at all.
    let is_there = filler.count > 0 || has_parent(&search, path);
    filler.finish(is_there, got);
}

/// Whether there is an element that the elements of a list would stand in.
fn has_parent(search: &Search<'_>, path: &XPath) -> bool {
    let xpath_eval::Expr::Path(xpath_eval::PathExpr::Location(location)) = &*path.expression else {
        return false;
    };
    let mut steps = location.steps.clone();
    steps.pop();
    if steps.is_empty() {
        return false;
    }
    let around = xpath_eval::LocationPath { is_absolute: location.is_absolute, steps };
    let expression = xpath_eval::Expr::Path(xpath_eval::PathExpr::Location(around));
    let around = XPath { text: path.text.clone(), expression: Arc::new(expression) };
    matches!(search.select(&around, search.whole()), Ok(Selected::Nodes(nodes)) if !nodes.is_empty())
}

/// Whether the list is there that a path with a wildcard goes over, be it empty.
fn has_list(message: &Message, segments: &[Segment]) -> bool {
    let Some(last) = segments.iter().rposition(|segment| *segment == Segment::All) else { return false };
    let list = JsonPath {
        text: Arc::from(""),
        form: PathForm::Each(segments.get(..last).unwrap_or_default().into()),
    };
    let mut is_there = false;
    message.each(&list, &mut |trail| {
        let kind = trail.last().map(|step| step.spot.kind);
        is_there = matches!(kind, Some(Kind::Array | Kind::Object));
        if is_there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    is_there
}

/// Collects the cells of rows.
struct Filler<'r> {
    /// None for XML.
    message: Option<&'r Message>,
    rows: &'r Rows,
    params: &'r Params,
    cells: Vec<Option<Value>>,
    count: usize,
    too_many: u32,
    wrong: u32,
    first: Option<(Arc<str>, ParamIx, Why)>,
    unsaid: u32,
    /// For each cell that looks above its row: where it looked last, and what it found.
    above: Vec<Option<(usize, Result<Option<Value>, Why>)>>,
}

impl<'r> Filler<'r> {
    fn new(message: Option<&'r Message>, rows: &'r Rows, params: &'r Params) -> Self {
        Self {
            message,
            rows,
            params,
            cells: Vec::new(),
            count: 0,
            too_many: 0,
            wrong: 0,
            first: None,
            unsaid: 0,
            above: vec![None; rows.cells.len()],
        }
    }

    /// Whether there is room for one more row; makes its cells.
    fn begin(&mut self) -> bool {
        // Not by the limit of the table: of rows with one key only one counts, and only the table knows keys.
        if self.count >= MAX_ROWS {
            self.too_many = self.too_many.saturating_add(1);
            return false;
        }
        self.count += 1;
        self.cells.resize(self.cells.len() + self.rows.columns.len(), None);
        true
    }

    /// A row that is a value in the text.
    fn literal(&mut self, message: &Message, trail: &[Step]) -> ControlFlow<()> {
        let (Some(row), Ok(tape)) = (trail.last().copied(), message.tape()) else {
            return ControlFlow::Break(());
        };
        if !self.begin() {
            return ControlFlow::Continue(());
        }
        let text = message.json();
        // Without a tape of the whole message the row gets one of its own: each look would go over its text again.
        let own = if tape.has_notes() {
            None
        } else {
            row.spot.found(text).and_then(|found| OwnTape::new(found.literal))
        };
        // General paths need a tree.
        let mut tree = None;
        let rows = self.rows;
        for (number, cell) in rows.cells.iter().enumerate() {
            let value = match &cell.source {
                CellSource::Index => Ok(Some(position(self.count))),
                CellSource::Name => {
                    let name = row.name.and_then(|name| name.found(text));
                    Ok(name.map(|name| Value::text(&*name.text())))
                }
                CellSource::Path(Path::Json(path), 0) => {
                    let found = match &own {
                        Some(own) => {
                            Row::Literal { tape: &own.tape, text: own.text.as_bytes(), spot: own.root }
                        }
                        None => Row::Literal { tape, text, spot: row.spot },
                    };
                    self.cell(cell, path, found, &mut tree)
                }
                CellSource::Path(Path::Xml(_), _) => Ok(None),
                CellSource::Path(Path::Json(path), up) => match trail.len().checked_sub(up + 1) {
                    Some(at) => self.cell_above(
                        (number, cell),
                        path,
                        Row::Literal { tape, text, spot: trail[at].spot },
                    ),
                    None => Ok(cell.how.default.clone()),
                },
            };
            self.put(cell, value);
        }
        ControlFlow::Continue(())
    }

    /// What a cell finds above its row; the rows of one list have it in common.
    fn cell_above(
        &mut self,
        (number, cell): (usize, &Cell),
        path: &JsonPath,
        from: Row<'_>,
    ) -> Result<Option<Value>, Why> {
        let Row::Literal { spot, .. } = from else { return self.cell(cell, path, from, &mut None) };
        if let Some(Some((start, value))) = self.above.get(number)
            && *start == spot.start()
        {
            return value.clone();
        }
        let mut tree = None;
        let value = self.cell(cell, path, from, &mut tree);
        if let Some(last) = self.above.get_mut(number) {
            *last = Some((spot.start(), value.clone()));
        }
        value
    }

    /// A row that is a value of a tree.
    fn tree(
        &mut self,
        root: &serde_json::Value,
        location: &serde_json_path::NormalizedPath<'_>,
        row: &serde_json::Value,
    ) -> ControlFlow<()> {
        if !self.begin() {
            return ControlFlow::Continue(());
        }
        let rows = self.rows;
        for cell in &rows.cells {
            let value = match &cell.source {
                CellSource::Index => Ok(Some(position(self.count))),
                CellSource::Name => Ok(location.last().and_then(|last| last.as_name()).map(Value::from)),
                CellSource::Path(Path::Xml(_), _) => Ok(None),
                CellSource::Path(Path::Json(path), up) => {
                    let from = if *up == 0 { Some(row) } else { above(root, location, *up) };
                    match from {
                        Some(from) => self.cell(cell, path, Row::Tree(from), &mut None),
                        None => Ok(cell.how.default.clone()),
                    }
                }
            };
            self.put(cell, value);
        }
        ControlFlow::Continue(())
    }

    /// A row that is a node of XML; an error ends all.
    fn xml(&mut self, search: &Search<'_>, row: xml::Node<'_>) -> Result<(), Why> {
        if !self.begin() {
            return Ok(());
        }
        let rows = self.rows;
        for cell in &rows.cells {
            let value = match &cell.source {
                CellSource::Index => Ok(Some(position(self.count))),
                CellSource::Name => Ok(Some(Value::from(row.local_name()))),
                CellSource::Path(Path::Xml(path), _) => {
                    match mapping::in_xml(search, path, row, &cell.how, self.params.describe(cell.param)) {
                        Err(Why::TooMuch) => return Err(Why::TooMuch),
                        value => value,
                    }
                }
                CellSource::Path(Path::Json(_), _) => Ok(None),
            };
            self.put(cell, value);
        }
        Ok(())
    }

    /// What a cell finds in its row.
    fn cell(
        &self,
        cell: &Cell,
        path: &JsonPath,
        row: Row<'_>,
        tree: &mut Option<serde_json::Value>,
    ) -> Result<Option<Value>, Why> {
        let needs_tree = |path: &JsonPath| matches!(path.form, PathForm::General(_));
        let divisor = match &cell.how.divisor {
            Some(Path::Json(path)) => Some(path),
            Some(Path::Xml(_)) | None => None,
        };
        if let PathForm::General(general) = &path.form
            && !self.message.is_some_and(|message| message.allows(general))
        {
            return Err(Why::TooMuch);
        }
        let row = match row {
            Row::Literal { text, spot, .. } if needs_tree(path) || divisor.is_some_and(needs_tree) => {
                if tree.is_none() {
                    *tree = spot.found(text).and_then(|found| serde_json::from_str(found.literal).ok());
                }
                tree.as_ref().map(Row::Tree).ok_or(Why::TooMuch)?
            }
            row => row,
        };
        let described = self.params.describe(cell.param);
        mapping::convert(row.select(path), &cell.how, described, &param::EMPTY, || row.select(divisor?))
    }

    /// Notes what a cell has.
    fn put(&mut self, cell: &Cell, value: Result<Option<Value>, Why>) {
        let base = (self.count - 1) * self.rows.columns.len();
        let value = match (value, cell.how.on_error) {
            (Ok(value), _) => value,
            (Err(why), Policy::Report) => {
                self.wrong = self.wrong.saturating_add(1);
                if self.first.is_none() {
                    let path = match &cell.source {
                        CellSource::Path(path, _) => path.text().clone(),
                        CellSource::Name | CellSource::Index => self.rows.path.text().clone(),
                    };
                    self.first = Some((path, cell.param, why));
                }
                None
            }
            (Err(_), Policy::Keep) => {
                self.unsaid = self.unsaid.saturating_add(1);
                None
            }
            (Err(_), Policy::Clear) => {
                self.unsaid = self.unsaid.saturating_add(1);
                Some(Value::Empty)
            }
        };
        let Some(slot) = self.cells.get_mut(base + cell.at) else { return };
        let value = value.filter(|value| cell.join.is_none() || !value.is_empty());
        *slot = match (&cell.join, slot.take(), value) {
            (None, _, value) => value,
            (Some(_), None, None) => None,
            // A part that is not there is an empty text, so that no two keys become one.
            (Some(join), before, value) => {
                let [before, value] = [before, value].map(|part| part.map(|part| part.to_text()));
                let [before, value] = [&before, &value].map(|part| part.as_deref().unwrap_or_default());
                Some(Value::text(format!("{before}{join}{value}")))
            }
        };
    }

    fn finish(self, is_there: bool, got: &mut Gathered) {
        let table = self.rows.table;
        got.unsaid = got.unsaid.saturating_add(self.unsaid);
        if let Some((path, param, why)) = self.first {
            got.lose(self.wrong, || Problem {
                path: Some(path),
                param: Some(param),
                table: Some(table),
                why,
            });
        }
        let of_list =
            |why| Problem { path: Some(self.rows.path.text().clone()), param: None, table: Some(table), why };
        if self.too_many > 0 {
            got.lose(self.too_many, || of_list(Why::TooMany(self.too_many)));
        }
        let empties = match (self.rows.mode, self.rows.absent) {
            (RowsMode::Replace, AbsentRows::Empty) => true,
            (RowsMode::Replace, AbsentRows::Keep) => is_there,
            (RowsMode::Merge | RowsMode::Append, _) => false,
        };
        if self.count > 0 || empties {
            got.fills.push(TableFill {
                table,
                path: self.rows.path.text().clone(),
                columns: self.rows.columns.clone(),
                cells: self.cells,
                mode: self.rows.mode,
                limit: self.rows.limit,
            });
        }
    }
}

/// The position of the row that was begun last, from 0.
fn position(count: usize) -> Value {
    Value::Number(f64::from(u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX)))
}

/// A value so many levels above the place of a row.
fn above<'v>(
    root: &'v serde_json::Value,
    location: &serde_json_path::NormalizedPath<'_>,
    up: usize,
) -> Option<&'v serde_json::Value> {
    let steps = location.len().checked_sub(up)?;
    location.iter().take(steps).try_fold(root, |value, step| match (step.as_name(), step.as_index()) {
        (Some(name), _) => value.get(name),
        (None, Some(index)) => value.get(index),
        (None, None) => None,
    })
}

/// The tape of one row of a message that is too large to have one.
struct OwnTape<'t> {
    text: &'t str,
    tape: Tape,
    root: Spot,
}

impl<'t> OwnTape<'t> {
    fn new(text: &'t str) -> Option<Self> {
        let tape = Tape::new(text).ok()?;
        let root = tape.root(text.as_bytes())?;
        Some(Self { text, tape, root })
    }
}

/// Where the paths of cells begin.
#[derive(Clone, Copy)]
enum Row<'a> {
    Literal { tape: &'a Tape, text: &'a [u8], spot: Spot },
    Tree(&'a serde_json::Value),
}

impl<'a> Row<'a> {
    fn select(self, path: &JsonPath) -> Option<Node<'a>> {
        match (self, &path.form) {
            (Self::Literal { tape, text, spot }, PathForm::Singular(segments)) => {
                let found = if tape.has_notes() {
                    tape.find_from(text, spot, segments)
                } else {
                    first(tape, text, spot, segments)
                };
                found.map(Node::Literal)
            }
            (Self::Literal { tape, text, spot }, PathForm::Each(segments)) => {
                first(tape, text, spot, segments).map(Node::Literal)
            }
            (Self::Literal { .. }, PathForm::General(_)) => None,
            (Self::Tree(value), PathForm::Singular(segments) | PathForm::Each(segments)) => {
                walk(value, segments).map(Node::Tree)
            }
            (Self::Tree(value), PathForm::General(general)) => {
                general.query.query(value).first().map(Node::Tree)
            }
        }
    }
}

/// The first value of a path below a value of the text.
fn first<'a>(tape: &Tape, text: &'a [u8], spot: Spot, segments: &[Segment]) -> Option<Found<'a>> {
    let mut found = None;
    let mut trail = vec![Step { spot, name: None }];
    let _flow = tape.each(text, &mut trail, segments, &mut |trail| {
        found = trail.last().and_then(|step| step.spot.found(text));
        ControlFlow::Break(())
    });
    found
}

/// The first value of a path below a value of a tree.
fn walk<'v>(value: &'v serde_json::Value, segments: &[Segment]) -> Option<&'v serde_json::Value> {
    let Some((segment, rest)) = segments.split_first() else { return Some(value) };
    match segment {
        Segment::Name(name) => walk(value.get(&**name)?, rest),
        Segment::Index(index) => {
            let list = value.as_array()?;
            let at = match usize::try_from(*index) {
                Ok(at) => at,
                Err(_) => list.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
            };
            walk(list.get(at)?, rest)
        }
        Segment::All => match value {
            serde_json::Value::Array(list) => list.iter().find_map(|value| walk(value, rest)),
            serde_json::Value::Object(members) => members.values().find_map(|value| walk(value, rest)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests;
