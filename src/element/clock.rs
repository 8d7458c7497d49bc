//! Gives the driver its time: tokio's monotonic clock, and a wall clock that runs with it from the start of the process.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::value::{Context, Wall};

/// A pair of clocks that agree: when tests stop tokio's clock, wall time stops with it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    wall: Wall,
    seed: Option<u64>,
}

impl Clock {
    /// Reads the system's wall clock once and goes on from there.
    ///
    /// A step of the system's clock is taken up by the next process; links and timers never see one.
    #[allow(clippy::disallowed_methods, reason = "the one place where wall time comes from")]
    pub fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { seed: None, ..Self::at(Wall(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)), 0) }
    }

    /// Starts at a given wall time, with a seed for everything that is left to chance; for tests.
    pub fn at(wall: Wall, seed: u64) -> Self {
        Self { start: now(), wall, seed: Some(seed) }
    }

    /// The seed of an element: a random one each time, unless a test gave one.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(rand::random)
    }

    /// The wall time of an instant; of one before the start, the start's.
    pub fn wall(&self, instant: Instant) -> Wall {
        self.wall.after(instant.saturating_duration_since(self.start))
    }

    /// A context for pure code, now.
    pub fn context(&self, seed: u64) -> Context {
        let now = now();
        Context::new(now, self.wall(now), seed)
    }

    /// Brings a context to the present.
    pub fn refresh(&self, ctx: &mut Context) {
        ctx.now = now();
        ctx.wall = self.wall(ctx.now);
    }
}

/// The present on tokio's clock.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
