//! A file in, a `model::Protocol` or a report out; pure, and never fails on what an author writes.

pub mod source;

pub mod diagnostic;

pub mod xml;

pub mod schema;

pub mod definition;

pub mod model;

pub mod load;

use std::sync::Arc;

use crate::language::diagnostic::Report;
use crate::language::source::Source;

/// Loads the text of a definition: the protocol if it has no error, and all that there is to say about it, in file order.
///
/// Never fails otherwise and never panics, whatever the text is. Scripts are not looked into here.
pub fn load(source: &Source) -> (Option<Arc<model::Protocol>>, Report) {
    load::whole(source)
}
