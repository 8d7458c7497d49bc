//! Renders a compiled template with the present values; parses none.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value as JinjaValue};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::engine::codec::command::Options;
use crate::engine::param::Params;
use crate::language::model::Access;
use crate::language::model::id::TableIx;
use crate::language::model::message::Template;
use crate::language::model::param::Column;
use crate::language::model::template::TEXT_OF;
use crate::value::{Context, Value, Wall};

/// Why a template has no result.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The engine of templates says no: an undefined name, a wrong operation, too many steps.
    #[error("at line {line}, `{part}`: {}", .error.kind())]
    Template {
        /// The line of the template, from 1.
        line: usize,
        /// The part of the template that has no result, as the author wrote it.
        part: String,
        /// What the engine says; it may name values.
        #[source]
        error: Error,
    },
    /// The output is longer than allowed, in bytes.
    #[error("the output is longer than {0} bytes")]
    TooLong(usize),
    /// The output is not UTF-8.
    #[error("the output is not text")]
    NotText(#[source] std::string::FromUtf8Error),
}

/// Renders a template.
///
/// # Errors
///
/// An undefined name, a parameter whose bytes are not text, too many steps, or an output longer than `options.max_bytes`.
pub fn render(
    ctx: &mut Context,
    params: &Params,
    template: &Template,
    options: &Options,
) -> Result<String, RenderError> {
    let names = JinjaValue::from_object(Names::new(ctx, params, template, options));
    let mut output = Limited { bytes: Vec::new(), left: options.max_bytes, full: false };
    let failed = |error: Error| {
        let range = error.range().map(|range| template.inserted.written(range));
        let part = range.and_then(|range| template.text.get(range)).unwrap_or_default();
        RenderError::Template { line: error.line().unwrap_or(0), part: short(part), error }
    };
    let compiled = template.environment.get_template(Template::NAME).map_err(failed)?;
    match compiled.render_captured_to(names, &mut output) {
        Err(_) if output.full => Err(RenderError::TooLong(options.max_bytes)),
        Err(error) => Err(failed(error)),
        Ok(_) => String::from_utf8(output.bytes).map_err(RenderError::NotText),
    }
}

/// The beginning of a part of a template.
fn short(part: &str) -> String {
    const MOST: usize = 60;
    part.trim().chars().take(MOST).collect()
}

/// Collects output up to a limit.
struct Limited {
    bytes: Vec<u8>,
    left: usize,
    full: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            self.full = true;
            return Err(io::Error::other("the output is too long"));
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The names that a template sees: a copy of what it reads, since the engine of templates keeps what it is given.
#[derive(Debug)]
struct Names {
    /// By name in lower case.
    by_name: BTreeMap<String, JinjaValue>,
    functions: Arc<Functions>,
}

/// What the functions of a template know.
struct Functions {
    by_id: BTreeMap<i64, JinjaValue>,
    by_name: BTreeMap<String, JinjaValue>,
    tables: Vec<Arc<TableCopy>>,
    wall: Wall,
    tai_offset: i64,
    rng: Mutex<StdRng>,
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions").field("wall", &self.wall).finish_non_exhaustive()
    }
}

impl Names {
    fn new(ctx: &mut Context, params: &Params, template: &Template, options: &Options) -> Self {
        let mut by_id = BTreeMap::new();
        let mut by_name = BTreeMap::new();
        for param in template.params.iter() {
            let described = params.describe(*param);
            let value = to_jinja(params.get(*param));
            by_id.insert(i64::from(described.id.0), value.clone());
            let name = described.name.to_lowercase();
            // A name means the parameter that can be read, where a read and a write parameter share it.
            if params.protocol().params_by_name(&name).meant(Access::Read) == Some(*param) {
                by_name.insert(name, value);
            }
        }
        let functions = Functions {
            by_id,
            by_name: by_name.clone(),
            tables: template.tables.iter().map(|table| Arc::new(TableCopy::new(params, *table))).collect(),
            wall: ctx.wall,
            tai_offset: options.tai_offset,
            rng: Mutex::new(StdRng::from_rng(&mut ctx.rng)),
        };
        Self { by_name, functions: Arc::new(functions) }
    }
}

impl Object for Names {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &JinjaValue) -> Option<JinjaValue> {
        let name = key.as_str().filter(|name| *name != TEXT_OF)?;
        if let Some(function) = Function::by_name(name) {
            return Some(JinjaValue::from_object(Callable { function, known: self.functions.clone() }));
        }
        self.by_name.get(&name.to_lowercase()).cloned()
    }
}

/// The functions of templates.
#[derive(Clone, Copy, Debug)]
enum Function {
    Param,
    Table,
    Cell,
    Tai,
    Now,
    Unix,
    UnixMillis,
    Uuid,
}

impl Function {
    fn by_name(name: &str) -> Option<Self> {
        match name {
            "param" => Some(Self::Param),
            "table" => Some(Self::Table),
            "cell" => Some(Self::Cell),
            "tai" => Some(Self::Tai),
            "now" => Some(Self::Now),
            "unix" => Some(Self::Unix),
            "unix_ms" => Some(Self::UnixMillis),
            "uuid" => Some(Self::Uuid),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Callable {
    function: Function,
    known: Arc<Functions>,
}

impl Object for Callable {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[JinjaValue]) -> Result<JinjaValue, Error> {
        match (self.function, args) {
            (Function::Param, [which]) => self.known.param(which),
            (Function::Param, _) => {
                Err(Error::new(ErrorKind::MissingArgument, "param takes one argument: an id or a name"))
            }
            (Function::Table, [which]) => self.known.table(which),
            (Function::Cell, [column, key]) => self.known.cell(column, key),
            (Function::Table | Function::Cell, _) => Err(Error::new(
                ErrorKind::MissingArgument,
                "table takes one argument, cell a column and a key",
            )),
            (Function::Unix, []) => Ok(JinjaValue::from(self.known.wall.0 / 1_000_000_000)),
            (Function::UnixMillis, []) => Ok(JinjaValue::from(self.known.wall.0 / 1_000_000)),
            (Function::Tai, []) => Ok(JinjaValue::from(tai(self.known.wall, self.known.tai_offset))),
            (Function::Now, []) => Ok(JinjaValue::from(self.known.wall.rfc3339())),
            (Function::Uuid, []) => Ok(JinjaValue::from(self.known.uuid())),
            (Function::Tai | Function::Now | Function::Unix | Function::UnixMillis | Function::Uuid, _) => {
                Err(Error::new(ErrorKind::TooManyArguments, "takes no argument"))
            }
        }
    }
}

impl Functions {
    fn param(&self, which: &JinjaValue) -> Result<JinjaValue, Error> {
        let found = match which.as_str() {
            Some(name) => self.by_name.get(&name.to_lowercase()),
            None => which.as_i64().and_then(|id| self.by_id.get(&id)),
        };
        found.cloned().ok_or_else(|| {
            Error::new(ErrorKind::UndefinedError, format!("there is no parameter {which} in this template"))
        })
    }

    /// The rows of a table.
    fn table(&self, which: &JinjaValue) -> Result<JinjaValue, Error> {
        let found = self.tables.iter().find(|table| table.is(which));
        let table = found.ok_or_else(|| {
            Error::new(ErrorKind::UndefinedError, format!("there is no table {which} in this template"))
        })?;
        let rows = (0..table.rows.len()).map(|at| JinjaValue::from_object(Row { table: table.clone(), at }));
        Ok(rows.collect())
    }

    /// The cell of a column in the row with a key; none if there is no such row.
    fn cell(&self, column: &JinjaValue, key: &JinjaValue) -> Result<JinjaValue, Error> {
        let found = self.tables.iter().find_map(|table| Some((table, table.column(column)?)));
        let (table, column) = found.ok_or_else(|| {
            Error::new(ErrorKind::UndefinedError, format!("there is no column {column} in this template"))
        })?;
        let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        let row = table.positions.get(key.as_str()).and_then(|at| table.rows.get(*at));
        Ok(row.and_then(|(_, cells)| cells.get(column).cloned()).unwrap_or_else(|| JinjaValue::from(())))
    }

    /// A random UUID (RFC 9562, version 4).
    fn uuid(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        let n = u128::from_be_bytes(bytes);
        let parts = [n >> 96, n >> 80 & 0xFFFF, n >> 64 & 0xFFFF, n >> 48 & 0xFFFF, n & 0xFFFF_FFFF_FFFF];
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", parts[0], parts[1], parts[2], parts[3], parts[4])
    }
}

/// A copy of a table that a template reads.
#[derive(Debug)]
struct TableCopy {
    id: i64,
    name: String,
    /// Name and id of each column.
    columns: Vec<(Arc<str>, i64)>,
    rows: Vec<(Arc<str>, Box<[JinjaValue]>)>,
    positions: BTreeMap<Arc<str>, usize>,
}

impl TableCopy {
    fn new(params: &Params, table: TableIx) -> Self {
        let described = params.protocol().table(table);
        let param = params.describe(described.param);
        let column = |of: &Column| {
            let param = params.describe(of.param);
            (param.name.clone(), i64::from(param.id.0))
        };
        let rows: Vec<_> = params
            .rows(table)
            .iter()
            .map(|row| (row.key().clone(), row.cells().iter().map(to_jinja).collect()))
            .collect();
        Self {
            id: i64::from(param.id.0),
            name: param.name.to_lowercase(),
            columns: described.columns.iter().map(column).collect(),
            positions: rows.iter().zip(0..).map(|((key, _), at)| (Arc::clone(key), at)).collect(),
            rows,
        }
    }

    fn is(&self, which: &JinjaValue) -> bool {
        match which.as_str() {
            Some(name) => self.name == name.to_lowercase(),
            None => which.as_i64() == Some(self.id),
        }
    }

    /// The position of a column by its name or id.
    fn column(&self, which: &JinjaValue) -> Option<usize> {
        match which.as_str() {
            Some(name) => {
                let name = name.to_lowercase();
                self.columns.iter().position(|(known, _)| known.to_lowercase() == name)
            }
            None => self.columns.iter().position(|(_, id)| which.as_i64() == Some(*id)),
        }
    }
}

/// A row of a table: its cells by the names or ids of their columns, and `key`.
#[derive(Debug)]
struct Row {
    table: Arc<TableCopy>,
    at: usize,
}

impl Object for Row {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &JinjaValue) -> Option<JinjaValue> {
        let (own, cells) = self.table.rows.get(self.at)?;
        match self.table.column(key) {
            Some(column) => cells.get(column).cloned(),
            None => (key.as_str() == Some("key")).then(|| JinjaValue::from(own.clone())),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.table.columns.iter().map(|(name, _)| JinjaValue::from(name.clone())).collect(),
        )
    }
}

/// A value as templates see it: whole numbers are integers, so that 5 prints as `5`; empty is `none`.
fn to_jinja(value: &Value) -> JinjaValue {
    match value {
        Value::Empty => JinjaValue::from(()),
        Value::Number(number) => match exact_integer(*number) {
            Some(integer) => JinjaValue::from(integer),
            None => JinjaValue::from(*number),
        },
        Value::Text(text) => JinjaValue::from(text.clone()),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => JinjaValue::from(text),
            Err(_) => JinjaValue::from_bytes(bytes.to_vec()),
        },
    }
}

/// A double that is a whole number and exact as such.
fn exact_integer(number: f64) -> Option<i64> {
    /// Two to the power of 53.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// TAI as `seconds:nanoseconds`, the way that NMOS writes time.
fn tai(wall: Wall, offset: i64) -> String {
    let seconds = i128::from(wall.0 / 1_000_000_000) + i128::from(offset);
    format!("{}:{}", seconds.max(0), wall.0 % 1_000_000_000)
}

#[cfg(test)]
mod tests;
