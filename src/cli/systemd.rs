//! What systemd is told of the daemon (`Type=notify`): ready, reloading, stopping, a line of status; decides nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, Once, PoisonError};

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::daemon::roster::Roster;
use crate::element::status::ElementState;

/// What systemd is told of the life of the daemon: nothing follows the word that it stops, whoever speaks.
#[derive(Debug, Default)]
pub(super) struct Life {
    stopping: Mutex<bool>,
}

impl Life {
    /// Says that the daemon has started, or has reloaded.
    pub(super) fn ready(&self) {
        self.unless_stopping(&[NotifyState::Ready]);
    }

    /// Says that everything is read anew; [`Life::ready`] ends it. The time tells systemd which reload it is about.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(time) => self.unless_stopping(&[NotifyState::Reloading, time]),
            Err(error) => {
                tracing::warn!(%error, "the time of the reload is not known; systemd is not told of it")
            }
        }
    }

    /// Says that the daemon stops.
    pub(super) fn stopping(&self) {
        // Held while it is told: a word of another task comes before it or not at all.
        let mut stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        *stopping = true;
        tell(&[NotifyState::Stopping]);
    }

    fn unless_stopping(&self, state: &[NotifyState<'_>]) {
        let stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        if !*stopping {
            tell(state);
        }
    }
}

/// Keeps the line that `systemctl status` shows true, until `stop`.
pub(super) async fn status(mut roster: watch::Receiver<Arc<Roster>>, stop: CancellationToken) {
    loop {
        let line = line(&roster.borrow_and_update());
        tell(&[NotifyState::Status(&line)]);
        tokio::select! {
            () = stop.cancelled() => return,                            // Cancel-safe: no state.
            changed = roster.changed() => if changed.is_err() { return }, // Cancel-safe per docs of `watch`.
        }
    }
}

/// Does nothing where systemd did not start us: without `NOTIFY_SOCKET`.
fn tell(state: &[NotifyState<'_>]) {
    /// A socket that is gone stays gone; that must not fill the log.
    static SAID: Once = Once::new();
    if let Err(error) = sd_notify::notify(state) {
        SAID.call_once(|| tracing::warn!(%error, "systemd could not be told of the daemon's state"));
    }
}

/// How many elements are in which state, and what is wrong with the store.
fn line(roster: &Roster) -> String {
    let mut counts = BTreeMap::new();
    for entry in roster.elements.values() {
        let state = match entry.status().state {
            ElementState::Running => "running",
            ElementState::Invalid(_) => "invalid",
            ElementState::Restarting { .. } => "restarting",
            ElementState::Stopping => "stopping",
            ElementState::Stopped => "stopped",
        };
        *counts.entry(state).or_insert(0_usize) += 1;
    }
    let mut line = format!("{} elements", roster.elements.len());
    for (state, count) in counts {
        let _ = write!(line, ", {count} {state}");
    }
    if let Some(problem) = &roster.store_problem {
        let _ = write!(line, "; values are not saved: {problem}");
    }
    line
}
