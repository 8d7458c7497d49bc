//! What a link shows of itself: its phase, counters and the detection of flapping; decides nothing.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::link::cause::Cause;
use crate::engine::link::policy::Rejection;

/// So many drops within [`FLAP_PERIOD`] make a link a flapping one.
pub const FLAP_DROPS: usize = 5;

/// The time within which drops are counted; ten ceilings of the default back-off, so that a peer that always drops is noticed.
pub const FLAP_PERIOD: Duration = Duration::from_secs(300);

/// The number of a dial; it is never used again, so whatever carries an old one is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The state of a link as users see it; the names are those of `LANGUAGE.md` 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// There is no address yet.
    Idle,
    /// A dial waits for the budget or is under way.
    Connecting,
    /// Messages go both ways.
    Ready,
    /// The close handshake is under way.
    Closing,
    /// Waiting before the next dial.
    Backoff,
    /// The peer will not have us; waiting longer.
    Rejected,
    /// Closed by the action `close`.
    Closed,
    /// The element has stopped; final.
    Stopped,
}

impl Phase {
    /// All states, in the order of a link's life.
    pub fn all() -> impl Iterator<Item = Self> {
        let next = |phase: &Self| match phase {
            Self::Idle => Some(Self::Connecting),
            Self::Connecting => Some(Self::Ready),
            Self::Ready => Some(Self::Closing),
            Self::Closing => Some(Self::Backoff),
            Self::Backoff => Some(Self::Rejected),
            Self::Rejected => Some(Self::Closed),
            Self::Closed => Some(Self::Stopped),
            Self::Stopped => None,
        };
        std::iter::successors(Some(Self::Idle), next)
    }

    /// The name in logs, the API and pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::Closing => "closing",
            Self::Backoff => "backoff",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The close frame that the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code; 1005 if the frame had none.
    pub code: u16,
    /// The reason as text; empty if there was none. The peer's words: escape them.
    pub reason: Arc<str>,
}

/// The opening of a second link while the first lives (`handover="open-first"`).
#[derive(Clone, Debug, PartialEq)]
pub struct Successor {
    /// The dial that waits or is under way; `None` while waiting for the next try.
    pub epoch: Option<Epoch>,
    /// When the next try starts; `None` while one is under way.
    pub next_dial: Option<Instant>,
    /// Why the peer would not have it, if that is why it waits.
    pub rejection: Option<Rejection>,
}

/// All that the API tells of a link; a copy at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The state.
    pub phase: Phase,
    /// The dial that the state is about, if it is about one.
    pub epoch: Option<Epoch>,
    /// When the state was entered.
    pub since: Instant,
    /// Why the state was entered.
    pub why: Cause,
    /// Failures in a row since the link last settled.
    pub attempts: u32,
    /// When the next dial starts by itself, if the link waits for that.
    pub next_dial: Option<Instant>,
    /// Whether a dial waits for the dial budget.
    pub queued: bool,
    /// Why the link last moved, if it ever did.
    pub moved: Option<Cause>,
    /// The second link of an open-first move.
    pub successor: Option<Successor>,
    /// Why the peer will not have us, in the state rejected.
    pub rejection: Option<Rejection>,
    /// The last close frame of the peer.
    pub last_close: Option<Close>,
    /// Drops within [`FLAP_PERIOD`] if the link flaps.
    pub flapping: Option<usize>,
    /// Dials started.
    pub dials: u64,
    /// Links opened.
    pub opens: u64,
    /// Links lost without our asking.
    pub drops: u64,
    /// Events of older dials that were dropped.
    pub stale: u64,
}

/// Counts drops and says when a link starts or ends to flap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flaps {
    // Invariant: sorted, at most `FLAP_DROPS`; older drops do not matter.
    drops: VecDeque<Instant>,
    flapping: bool,
}

impl Flaps {
    pub(crate) fn drop_at(&mut self, now: Instant) {
        if self.drops.len() == FLAP_DROPS {
            self.drops.pop_front();
        }
        self.drops.push_back(now);
    }

    /// Whether that changed, and to what.
    pub(crate) fn turn(&mut self, now: Instant) -> Option<Option<usize>> {
        while self.drops.front().is_some_and(|first| *first + FLAP_PERIOD <= now) {
            self.drops.pop_front();
        }
        let flapping = self.drops.len() == FLAP_DROPS;
        let turned = flapping != self.flapping;
        self.flapping = flapping;
        turned.then(|| self.count())
    }

    pub(crate) fn count(&self) -> Option<usize> {
        self.flapping.then_some(self.drops.len())
    }

    /// When flapping ends by itself.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.drops.front().filter(|_| self.flapping).map(|first| *first + FLAP_PERIOD)
    }
}
