//! One element of the fleet: what it should run, whether it does, and how long it waits after a failure; starts nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::daemon::fleet::units::Wanted;
use crate::daemon::plan::Identity;
use crate::daemon::roster::Entry;
use crate::element::clock::Clock;
use crate::element::handle::Handle;
use crate::element::status::{ElementState, Status};

/// The first pause before an element that failed is started again; it doubles up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause before an element that failed is started again.
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// An element that ran for so long has recovered: its next failure starts with the first pause.
const RECOVERED: Duration = Duration::from_secs(300);
/// One element of the fleet.
pub(super) struct Member {
    pub(super) identity: Identity,
    pub(super) wanted: Wanted,
    pub(super) life: Life,
    pub(super) failures: u32,
}

pub(super) enum Life {
    /// Its driver has a task.
    Running { handle: Handle, stop: CancellationToken, since: Instant },
    /// Waits for its restart.
    Failed { at: Instant, reason: Arc<str> },
    /// Its definition or its settings do not fit.
    Invalid(Arc<str>),
}

impl Member {
    /// Puts the element down until its next start; each failure in a row doubles the pause.
    pub(super) fn failed(&mut self, name: &str, reason: Arc<str>) {
        if let Life::Running { since, .. } = &self.life
            && since.elapsed() >= RECOVERED
        {
            self.failures = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LAST_PAUSE);
        self.failures += 1;
        tracing::error!(element = %name, %reason, pause_s = pause.as_secs(), "element failed and is started again");
        self.life = Life::Failed { at: Instant::now() + pause, reason };
    }

    /// When it is started again, if it waits for that.
    pub(super) fn restart_at(&self) -> Option<Instant> {
        match &self.life {
            Life::Failed { at, .. } => Some(*at),
            Life::Running { .. } | Life::Invalid(_) => None,
        }
    }

    /// What the API sees of it.
    pub(super) fn entry(&self, name: &Arc<str>, clock: &Clock) -> Entry {
        let state = match &self.life {
            Life::Running { handle, .. } => return Entry::Running(handle.clone()),
            Life::Failed { at, reason } => {
                ElementState::Restarting { reason: reason.clone(), at: clock.wall(at.into_std()) }
            }
            Life::Invalid(reason) => ElementState::Invalid(reason.clone()),
        };
        let (protocol, version) = self.wanted.protocol();
        Entry::Down(Arc::new(Status {
            name: name.clone(),
            protocol,
            version,
            state,
            timeout: false,
            counters: Default::default(),
            connections: Vec::new(),
            scripts: None,
        }))
    }
}
