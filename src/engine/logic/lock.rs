//! Which queue holds the lock that keeps the others from running groups; a value, runs nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a queue may hold the lock before it is taken away and reported.
///
/// A definition that forgets to unlock would stop every other queue for ever.
pub(super) const MAX_HELD: Duration = Duration::from_secs(60);

/// How a queue asks for the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// `lock`: after those who wait.
    Normal,
    /// `priority lock`: ahead of those who wait.
    High,
}

/// The lock.
#[derive(Debug, Default)]
pub(super) struct Lock {
    holder: Option<(u16, Instant)>,
    // Bound: each queue once.
    waiting: VecDeque<u16>,
}

impl Lock {
    /// Asks for the lock; whether the queue has it now. If not, it waits in line.
    pub(super) fn take(&mut self, queue: u16, priority: Priority, now: Instant) -> bool {
        match self.holder {
            None => {
                self.holder = Some((queue, now));
                true
            }
            Some((holder, _)) if holder == queue => true,
            Some(_) => {
                if !self.waiting.contains(&queue) {
                    match priority {
                        Priority::Normal => self.waiting.push_back(queue),
                        Priority::High => self.waiting.push_front(queue),
                    }
                }
                false
            }
        }
    }

    /// Gives the lock to the next in line; a queue that does not hold it changes nothing.
    pub(super) fn release(&mut self, queue: u16, now: Instant) {
        if self.is_held_by(queue) {
            self.holder = self.waiting.pop_front().map(|next| (next, now));
        }
    }

    /// Whether a queue holds it.
    pub(super) fn is_held_by(&self, queue: u16) -> bool {
        self.holder.is_some_and(|(holder, _)| holder == queue)
    }

    /// Whether a queue may begin a group.
    pub(super) fn lets_run(&self, queue: u16) -> bool {
        self.holder.is_none_or(|(holder, _)| holder == queue)
    }

    /// The queue that has held it for too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<u16> {
        self.holder.filter(|(_, since)| *since + MAX_HELD <= now).map(|(queue, _)| queue)
    }

    /// When it is taken away.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.holder.map(|(_, since)| since + MAX_HELD)
    }
}
