//! Values to messages and messages to values, and the evaluation of what `compile` compiled; sets and sends nothing.
//!
//! Every function reads [`Params`] and answers with bytes or with a list of [`Set`]s that the
//! caller applies ([`Params::apply`](crate::engine::param::Params::apply)).

pub mod bits;
pub mod checksum;
pub mod command;
pub mod condition;
mod cookies;
pub mod frame;
pub mod handshake;
pub mod http;
pub mod json;
pub mod layout;
mod lines;
pub mod mapping;
pub mod mask;
pub mod message;
pub mod raw;
pub mod render;
pub mod response;
mod rows;
pub mod token;
pub mod why;
mod xml;

use bytes::Bytes;

use crate::engine::codec::mapping::Problem;
use crate::engine::param::Params;
use crate::engine::param::fill::TableFill;
use crate::language::model::id::ParamIx;
use crate::value::Value;

/// A value that a message or an answer has for a parameter, in the order in which it is to be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// The parameter.
    pub param: ParamIx,
    /// Its value, not yet fitted to the parameter.
    pub value: Value,
}

/// What a message or an answer has for the parameters: all of it is set before any of its events runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    /// Values of standalone parameters, in order, with [`Origin::Message`](crate::engine::param::Origin::Message).
    pub sets: Vec<Set>,
    /// Rows of tables.
    pub fills: Vec<TableFill>,
    /// How many values could not be worked out; to be counted and reported.
    pub dropped: u32,
    /// How many more could not be, of which the definition says that they are only counted.
    pub unsaid: u32,
    /// The first of those that are to be reported.
    pub problem: Option<Box<Problem>>,
}

impl Gathered {
    /// The values for secret parameters and columns, to hide them before they are set.
    pub fn secrets<'g>(&'g self, params: &'g Params) -> impl Iterator<Item = Bytes> + 'g {
        let is_secret = |param: ParamIx| params.describe(param).secret;
        let sets = self.sets.iter().filter(move |set| is_secret(set.param)).map(|set| set.value.to_bytes());
        let cells = self.fills.iter().flat_map(move |fill| {
            let columns = &params.protocol().table(fill.table).columns;
            let given = fill.cells.iter().zip(fill.columns.iter().cycle());
            given.filter_map(move |(cell, column)| {
                let of = columns.get(usize::from(column.column))?;
                cell.as_ref().filter(|_| is_secret(of.param)).map(Value::to_bytes)
            })
        });
        sets.chain(cells)
    }
}

#[cfg(test)]
mod clock {
    use crate::value::{Context, Wall};

    /// A context at a moment that is always the same by the wall clock, with a generator that always gives the same.
    #[allow(clippy::disallowed_methods, reason = "an instant can be made in no other way")]
    pub(super) fn context(wall: Wall) -> Context {
        Context::new(std::time::Instant::now(), wall, 1)
    }
}
