//! Tells somebody everything that an element reports, each time and not only now and then; a daemon has no use for it.

use std::sync::Arc;

use crate::element::queue::{self, Weight};
use crate::element::status::ScriptFault;

/// What may wait for a witness; what comes when there is no room is left out.
const QUEUE: usize = 1_000;

/// Its bytes together, about.
const BYTES: usize = 1 << 20;

/// What an element tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A warning or an error of the engine, without secrets.
    Report(String),
    /// A script failed.
    ScriptFailed(Arc<ScriptFault>),
}

impl Weight for Told {
    fn weight(&self) -> usize {
        match self {
            Self::Report(text) => text.len(),
            Self::ScriptFailed(fault) => fault.text.len() + fault.place.len(),
        }
    }
}

/// The end that an element tells it to.
pub type Witness = Arc<queue::Sender<Told>>;

/// A witness, and the end that hears it.
pub fn witness() -> (Witness, queue::Receiver<Told>) {
    let (told, heard) = queue::channel(QUEUE, BYTES);
    (Arc::new(told), heard)
}
