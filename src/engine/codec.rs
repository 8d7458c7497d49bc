//! Values to messages and messages to values, and the evaluation of what `compile` compiled; sets and sends nothing.
//!
//! Every function reads [`Params`](crate::engine::param::Params) and answers with bytes or with a list of [`Set`]s that the
//! caller applies ([`Params::apply`](crate::engine::param::Params::apply)).

pub mod bits;
pub mod checksum;
pub mod command;
pub mod condition;
pub mod frame;
pub mod handshake;
pub mod http;
pub mod json;
pub mod layout;
pub mod mask;
pub mod message;
pub mod raw;
pub mod render;
pub mod response;
pub mod token;

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

#[cfg(test)]
mod clock {
    use crate::value::{Context, Wall};

    /// A context at a moment that is always the same by the wall clock, with a generator that always gives the same.
    #[allow(clippy::disallowed_methods, reason = "an instant can be made in no other way")]
    pub(super) fn context(wall: Wall) -> Context {
        Context::new(std::time::Instant::now(), wall, 1)
    }
}
