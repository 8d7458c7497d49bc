//! Says when a run of a script is over, also to a thread that watches it; stops nothing itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::script::pool::real_now;

/// The deadline while nothing runs.
const NOTHING_RUNS: u64 = u64::MAX;

/// The deadline once the element was given up: every run is over, for ever.
const ABANDONED: u64 = 0;

/// Says when a run is over.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    /// Microseconds after `began`, or one of the two above.
    deadline: AtomicU64,
    /// A run was interrupted since the last one began.
    expired: AtomicBool,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { began: real_now(), deadline: AtomicU64::new(NOTHING_RUNS), expired: AtomicBool::new(false) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether what runs has to stop.
    pub(super) fn is_over(&self) -> bool {
        let over = self.now() >= self.deadline.load(Ordering::Acquire);
        if over {
            self.expired.store(true, Ordering::Relaxed);
        }
        over
    }

    /// Begins a run; within another one it ends with that one at the latest. Gives what [`Clock::end`] puts back.
    pub(super) fn begin(&self, limit: Duration) -> u64 {
        let outer = self.deadline.load(Ordering::Acquire);
        let own = self.now().saturating_add(u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)).max(1);
        self.set(own.min(outer));
        if outer == NOTHING_RUNS {
            self.expired.store(false, Ordering::Relaxed);
        }
        outer
    }

    pub(super) fn end(&self, outer: u64) {
        self.set(outer);
    }

    fn set(&self, deadline: u64) {
        let unless_abandoned = |now| (now != ABANDONED).then_some(deadline);
        let _ = self.deadline.fetch_update(Ordering::AcqRel, Ordering::Acquire, unless_abandoned);
    }

    /// Gives up what runs if it should have been stopped so long ago; whether it was. A run that has ended at the same
    /// moment goes on as if nothing was asked.
    pub(super) fn abandon(&self, overdue: Duration) -> bool {
        let deadline = self.deadline.load(Ordering::Acquire);
        let since = self.now().checked_sub(deadline).map(Duration::from_micros);
        let late = deadline != NOTHING_RUNS && since.is_some_and(|since| since >= overdue);
        let abandoned = || {
            self.deadline.compare_exchange(deadline, ABANDONED, Ordering::AcqRel, Ordering::Acquire).is_ok()
        };
        late && abandoned()
    }

    /// Gives up what runs now and later, however much time it has left.
    pub(super) fn abandon_now(&self) {
        self.deadline.store(ABANDONED, Ordering::Release);
    }

    /// Whether the element was given up: nothing that is done for it may have an effect any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.deadline.load(Ordering::Acquire) == ABANDONED
    }

    /// Whether a run was interrupted since the last one began.
    pub(super) fn has_expired(&self) -> bool {
        self.expired.load(Ordering::Relaxed)
    }
}
