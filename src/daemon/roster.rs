//! What the daemon shows of its elements to the API: a value that it publishes anew at each change; starts and stops nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::element::handle::Handle;
use crate::element::status::Status;

/// All elements of the daemon, and what it says of itself.
///
/// The daemon publishes it as `watch::Receiver<Arc<Roster>>`; the change of a running element's status is seen through its
/// handle and needs no new roster.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// How far the daemon is.
    pub phase: Phase,
    /// Why values cannot be saved; none while the store works.
    pub store_problem: Option<Arc<str>>,
    /// Where a store that turned out to be damaged since the start was put; what was saved in it is not in use.
    pub store_set_aside: Option<Arc<Path>>,
    /// The elements by name.
    pub elements: BTreeMap<Arc<str>, Entry>,
}

/// How far the daemon is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Definitions are being loaded; there may be elements missing.
    #[default]
    Starting,
    /// Every element has been started or found invalid.
    Ready,
    /// The elements are being stopped.
    Stopping,
}

/// One element as the daemon has it.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Its driver runs.
    Running(Handle),
    /// It has no driver now: invalid, waiting for its restart, or stopped; the status says which.
    Down(Arc<Status>),
}

impl Entry {
    /// The latest status.
    pub fn status(&self) -> Arc<Status> {
        match self {
            Self::Running(handle) => handle.status(),
            Self::Down(status) => status.clone(),
        }
    }
}
