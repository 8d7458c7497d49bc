//! The current values of one element and what a set means; raises no trigger and sends nothing.
//!
//! [`Params`] is owned by the element's driver, the only writer. A set answers with an [`Outcome`]; the caller runs what an
//! [`Event`] asks for (triggers, links, setter, scripts) in the order of `LANGUAGE.md` 3, then makes the [`Change`] for
//! those who watch with [`Params::change`].

pub mod change;
pub mod fill;
mod filling;
mod fit;
pub mod rows;
mod saved;
pub mod startup;
pub mod table;

use std::sync::Arc;

use crate::engine::param::change::{Change, Event, Place, Shown};
use crate::engine::param::table::Rows;
use crate::language::model::Protocol;
use crate::language::model::id::{ParamIx, TableIx};
use crate::language::model::logic::Operand;
use crate::language::model::param::{Bits, Length, Param, ParamKind, SequenceStep};
use crate::value::Value;

pub use fit::round;
pub use rows::{Cells, Fill, NotTaken};

/// What a parameter without a value has.
pub static EMPTY: Value = Value::Empty;

/// The longest text or bytes that a parameter or a cell holds: 64 MiB, more than most limits of a message, and little enough
/// that a definition that appends without end does not take the process with it.
pub const MAX_VALUE_BYTES: usize = 64 * 1024 * 1024;

/// The longest field that `change length` can ask for, in bytes.
const MAX_LENGTH: u32 = 1_048_576;

/// Who sets a value; decides whether an equal value is an event and what the value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A message of the peer: a response, an HTTP answer. Must fit `RawType` and `Range`.
    Message,
    /// The engine itself: an action, a setter, the state of a link.
    Engine,
    /// A person.
    User,
    /// A program, by the API.
    Api,
    /// A script; may exceed `Range` and never means one of `Others`.
    Script,
    /// What was saved, the settings and the default, before anything runs: never an event.
    Startup,
}

impl Origin {
    /// Whether a set to an equal value is an event too.
    pub fn always_an_event(self) -> bool {
        match self {
            Self::User | Self::Api | Self::Script => true,
            Self::Message | Self::Engine | Self::Startup => false,
        }
    }
}

/// What became of a set.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Outcome {
    /// Nothing to do: the value is what it was, or the set was one of the start.
    Quiet,
    /// The change event has to run.
    Event(Event),
    /// The value was not taken; nothing changed.
    Rejected(Rejected),
}

impl Outcome {
    /// Whether the value was taken, or is what it was.
    pub fn is_taken(&self) -> bool {
        !matches!(self, Self::Rejected(_))
    }

    /// The event, if there is one.
    pub fn event(self) -> Option<Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Quiet | Self::Rejected(_) => None,
        }
    }
}

/// Why a value was not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejected {
    /// The parameter holds numbers and this is none.
    #[error("not a number")]
    NotANumber,
    /// The parameter holds four bits: a whole number from 0 to 15.
    #[error("not a whole number from 0 to 15")]
    NotANibble,
    /// What was received does not fit `RawType`.
    #[error("does not fit the raw type")]
    RawType,
    /// The number is outside `Range`.
    #[error("{value} is outside the range")]
    Range {
        /// The number, after `Sequence`.
        value: f64,
    },
    /// The value is longer than [`MAX_VALUE_BYTES`].
    #[error("longer than {MAX_VALUE_BYTES} bytes")]
    TooLong,
    /// A step of `Sequence` has no number to work with, or no finite result.
    #[error("the sequence has no result")]
    Sequence,
    /// The parameter is a constant of the definition.
    #[error("is a constant")]
    Constant,
    /// The parameter is a table or a column: rows and cells have calls of their own.
    #[error("is part of a table")]
    InTable,
    /// The table has no such row and makes none by itself.
    #[error("there is no row `{0}`")]
    NoRow(Arc<str>),
    /// The table has no such column.
    #[error("there is no column {0}")]
    NoColumn(u16),
    /// A row without a primary key.
    #[error("the row has no primary key")]
    NoKey,
    /// The primary key is there already.
    #[error("there is a row `{0}` already")]
    KeyTaken(Arc<str>),
    /// A primary key cannot be changed.
    #[error("the primary key of a row cannot change")]
    KeyChange,
    /// One of several rows cannot be taken.
    #[error("row {row}{}: {why}", .param.map_or_else(String::new, |param| format!(", parameter {param}")))]
    InRow {
        /// Which one, from 1.
        row: usize,
        /// The column's parameter, if it is one cell that does not fit.
        param: Option<i32>,
        /// What is wrong with it.
        why: Box<Rejected>,
    },
    /// The table has [`table::MAX_ROWS`] rows.
    #[error("the table is full")]
    Full,
}

/// What is remembered of a parameter besides its value.
#[derive(Clone, Copy, Debug, Default)]
struct Marks(u8);

impl Marks {
    /// `clear`: reads as empty, and the next value counts as new.
    const CLEARED: u8 = 1;
    /// `clear on display`: shown as empty until the next set.
    const HIDDEN: u8 = 2;
    /// Its setting comes from outside (`env`, `file`): never written to the store.
    const EXTERNAL: u8 = 4;

    fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }
}

/// The current values of one element.
///
/// A parameter takes 41 bytes besides its text; tables take memory only when they have rows.
#[derive(Debug)]
pub struct Params {
    protocol: Arc<Protocol>,
    // Invariant: as long as `protocol.params`, by `ParamIx`; array and column parameters stay empty here.
    values: Box<[Value]>,
    marks: Box<[Marks]>,
    // Invariant: as long as `protocol.tables`, by `TableIx`.
    tables: Box<[Option<Box<Rows>>]>,
    /// Field lengths that `change length` has set; few, so a list.
    lengths: Vec<(ParamIx, u32)>,
    /// Sequences that `set info` has set; few, so a list.
    sequences: Vec<(ParamIx, Box<[SequenceStep]>)>,
    // Invariant: sorted by group; a group and one of its bit parameters each.
    bits: Box<[(ParamIx, ParamIx)]>,
    sequence: u64,
    rejected: u64,
    /// As long as the saved values could not be read.
    unread: Option<Box<saved::Unread>>,
}

impl Params {
    /// All parameters empty, constants with their bytes.
    pub fn new(protocol: Arc<Protocol>) -> Self {
        let values = protocol.params.iter().map(first_value).collect();
        let marks = vec![Marks::default(); protocol.params.len()].into();
        let tables = protocol.tables.iter().map(|_| None).collect();
        let bits = bits(&protocol);
        Self {
            protocol,
            values,
            marks,
            tables,
            lengths: Vec::new(),
            sequences: Vec::new(),
            bits,
            sequence: 0,
            rejected: 0,
            unread: None,
        }
    }

    /// The definition that the values belong to.
    pub fn protocol(&self) -> &Arc<Protocol> {
        &self.protocol
    }

    /// The definition of a parameter.
    pub fn describe(&self, param: ParamIx) -> &Param {
        self.protocol.param(param)
    }

    /// The value of a standalone parameter; empty for tables and columns, and after `clear`.
    pub fn get(&self, param: ParamIx) -> &Value {
        if self.marks[param.index()].has(Marks::CLEARED) { &EMPTY } else { &self.values[param.index()] }
    }

    /// The value of a parameter as seen from a row: the cell of that row if it is a column, else the parameter's own.
    pub fn get_in(&self, param: ParamIx, row: Option<&str>) -> &Value {
        match (self.describe(param).column, row) {
            (Some((table, column)), Some(key)) => self.cell(table, key, column).unwrap_or(&EMPTY),
            (Some(_), None) | (None, _) => self.get(param),
        }
    }

    /// The value that an action works with.
    pub fn operand<'a>(&'a self, operand: &'a Operand) -> &'a Value {
        match operand {
            Operand::Value(value) => value,
            Operand::Param(param) => self.get(*param),
        }
    }

    /// Sets a standalone parameter.
    ///
    /// The value is fitted to the parameter (type, `Exceptions`, `Sequence`, `Decimals`, `Range`). It is an event when a
    /// person, a program or a script sets it, when the parameter is a write parameter, or when the value differs.
    pub fn set(&mut self, param: ParamIx, value: Value, origin: Origin) -> Outcome {
        let described = self.protocol.param(param);
        if described.table.is_some() || described.column.is_some() {
            return self.reject(Rejected::InTable);
        }
        let constant = !described.is_settable() && matches!(origin, Origin::User | Origin::Api);
        let fitted = if constant {
            Err(Rejected::Constant)
        } else {
            let sequence = self.sequence_of(param);
            fit::fit(described, sequence, value, origin, &|operand| self.get(operand).as_number())
        };
        let value = match fitted {
            Ok(value) => value,
            Err(rejected) => return self.reject(rejected),
        };
        let is_write = matches!(described.kind, ParamKind::Write | ParamKind::WriteBit);
        self.note_set(param, origin);
        let marks = &mut self.marks[param.index()];
        let differs = marks.has(Marks::CLEARED) || self.values[param.index()] != value;
        marks.0 &= !(Marks::CLEARED | Marks::HIDDEN);
        let previous = std::mem::replace(&mut self.values[param.index()], value);
        if origin == Origin::Startup || !(differs || is_write || origin.always_an_event()) {
            return Outcome::Quiet;
        }
        Outcome::Event(Event { param, place: Place::Param, origin, differs, previous })
    }

    /// Sets a parameter, or the cell of a row if it is a column.
    pub fn set_in(&mut self, param: ParamIx, row: Option<&str>, value: Value, origin: Origin) -> Outcome {
        match (self.protocol.param(param).column, row) {
            (Some((table, column)), Some(key)) => self.set_cell(table, key, column, value, origin),
            (Some(_), None) | (None, _) => self.set(param, value, origin),
        }
    }

    /// Sets several values, of one message say: all of them first, then the caller runs the events in order.
    pub fn apply(&mut self, sets: impl IntoIterator<Item = (ParamIx, Value)>, origin: Origin) -> Vec<Event> {
        sets.into_iter().filter_map(|(param, value)| self.set(param, value, origin).event()).collect()
    }

    /// The event of a value that stays what it is, for the action `go` and for scripts' `CheckTrigger`.
    pub fn touch(&self, param: ParamIx, origin: Origin) -> Event {
        Event { param, place: Place::Param, origin, differs: false, previous: self.get(param).clone() }
    }

    /// The action `clear`: a standalone parameter reads as empty and its next value counts as new, while people go on
    /// seeing the old one; a table loses its rows, which is an event.
    pub fn clear(&mut self, param: ParamIx) -> Option<Event> {
        let described = self.protocol.param(param);
        if let Some(table) = described.table {
            return self.clear_table(table, Origin::Engine).event();
        }
        if described.is_settable() {
            self.marks[param.index()].0 |= Marks::CLEARED;
        }
        None
    }

    /// The action `clear on display`: shown as empty until the next set; the answer is for those who watch.
    pub fn clear_on_display(&mut self, param: ParamIx) -> Change {
        self.marks[param.index()].0 |= Marks::HIDDEN;
        let event = self.touch(param, Origin::Engine);
        self.change(&event)
    }

    /// The action `change length`: the length of a field of fixed length, at most 1 MiB; zero is taken as one.
    pub fn change_length(&mut self, param: ParamIx, bytes: u32) {
        let bytes = bytes.clamp(1, MAX_LENGTH);
        match self.lengths.iter_mut().find(|(of, _)| *of == param) {
            Some((_, length)) => *length = bytes,
            None => self.lengths.push((param, bytes)),
        }
    }

    /// The action `set info`: what is calculated with each further value of a parameter, or of the cells of a column, instead
    /// of its `Sequence` and `Scale`; no steps leave values as they are.
    pub fn set_sequence(&mut self, param: ParamIx, steps: &[SequenceStep]) {
        self.sequences.retain(|(of, _)| *of != param);
        self.sequences.push((param, steps.into()));
    }

    /// What is calculated with each value of a parameter, `set info` included.
    fn sequence_of(&self, param: ParamIx) -> &[SequenceStep] {
        let changed = self.sequences.iter().find(|(of, _)| *of == param);
        changed.map_or(&self.describe(param).sequence, |(_, steps)| steps)
    }

    /// Where the field of a parameter ends in a message, `change length` included.
    pub fn length(&self, param: ParamIx) -> Length {
        match self.describe(param).length {
            Length::Fixed(bytes) => {
                let changed = self.lengths.iter().find(|(of, _)| *of == param);
                Length::Fixed(changed.map_or(bytes, |(_, bytes)| *bytes))
            }
            length @ (Length::NextParam | Length::LastNextParam | Length::OtherParam(_)) => length,
        }
    }

    /// The *read bit* and *write bit* parameters of a group, with their places in it, in the order of their ids.
    pub fn bits_of(&self, group: ParamIx) -> impl Iterator<Item = (ParamIx, Bits)> + '_ {
        let first = self.bits.partition_point(|(of, _)| of.index() < group.index());
        let own = self.bits[first..].iter().take_while(move |(of, _)| *of == group);
        own.filter_map(|(_, param)| Some((*param, self.describe(*param).bits?)))
    }

    /// Says that the setting of a parameter comes from `env` or `file`: its value is never written to the store.
    pub fn mark_external(&mut self, param: ParamIx) {
        self.marks[param.index()].0 |= Marks::EXTERNAL;
    }

    /// How many values were not taken since the start.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Counts a value that was dropped before it came to a set, such as a field that its raw type cannot read.
    pub fn reject(&mut self, rejected: Rejected) -> Outcome {
        self.rejected += 1;
        Outcome::Rejected(rejected)
    }

    /// What people see of a standalone parameter.
    pub fn shown(&self, param: ParamIx) -> Shown {
        let marks = self.marks[param.index()];
        let value = if marks.has(Marks::HIDDEN) { &EMPTY } else { &self.values[param.index()] };
        Shown::of(self.describe(param), value)
    }

    /// The standalone parameters: neither tables nor columns.
    pub fn standalone(&self) -> impl Iterator<Item = ParamIx> + '_ {
        let params = self.protocol.params.iter().enumerate();
        params
            .filter(|(_, described)| described.table.is_none() && described.column.is_none())
            .filter_map(|(index, _)| ParamIx::new(index))
    }

    /// The number of the last [`Change`].
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The rows of a table; none before the first row.
    pub fn rows(&self, table: TableIx) -> &Rows {
        static NONE: Rows = Rows::none();
        self.tables[table.index()].as_deref().unwrap_or(&NONE)
    }
}

/// Each group with each of its bit parameters.
fn bits(protocol: &Protocol) -> Box<[(ParamIx, ParamIx)]> {
    let params = protocol.params.iter().enumerate();
    let mut bits: Vec<_> =
        params.filter_map(|(index, param)| Some((param.bits?.group, ParamIx::new(index)?))).collect();
    bits.sort_by_key(|(group, _)| group.index());
    bits.into()
}

/// Constants start with their bytes, everything else empty.
fn first_value(param: &Param) -> Value {
    param.fixed.clone().map_or(Value::Empty, Value::Bytes)
}

#[cfg(test)]
mod tests;
