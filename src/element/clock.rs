//! Gives the driver its time: tokio's monotonic clock, and a wall clock that follows the system's; sets neither.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::value::{Context, Wall};

/// How often the system's wall clock is taken over as it is; what it drifts meanwhile is milliseconds.
const READ_EVERY: Duration = Duration::from_secs(60);

/// A step of the system's wall clock that is taken over at once: it was set, or the machine has slept.
const STEP: Duration = Duration::from_secs(1);

/// A pair of clocks: the monotonic one decides, the wall clock is told to people and peers.
///
/// Clones share what they know of the wall clock.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    seed: Option<u64>,
    wall: Arc<WallClock>,
}

/// What is known of the system's wall clock.
struct WallClock {
    /// The wall time of [`Clock::start`] by the last reading, in nanoseconds since 1970.
    start: AtomicI64,
    /// When it was read last, in nanoseconds after the start.
    read_at: AtomicI64,
    /// Reads it; none if it runs with the monotonic clock.
    read: Option<fn() -> Wall>,
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WallClock").field("start", &self.start).finish_non_exhaustive()
    }
}

impl Clock {
    /// Follows the system's wall clock: each minute, and at once when it steps by a second or more.
    ///
    /// Links and timers never see a step: they have the monotonic clock.
    pub fn start() -> Self {
        Self::following(system)
    }

    /// Follows a wall clock.
    fn following(read: fn() -> Wall) -> Self {
        Self::new(read(), None, Some(read))
    }

    /// Starts at a given wall time, with a seed for everything that is left to chance; for tests.
    ///
    /// When tests stop tokio's clock, wall time stops with it.
    pub fn at(wall: Wall, seed: u64) -> Self {
        Self::new(wall, Some(seed), None)
    }

    fn new(wall: Wall, seed: Option<u64>, read: Option<fn() -> Wall>) -> Self {
        let wall = WallClock { start: AtomicI64::new(signed(wall)), read_at: AtomicI64::new(0), read };
        Self { start: now(), seed, wall: Arc::new(wall) }
    }

    /// The seed of an element: a random one each time, unless a test gave one.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(rand::random)
    }

    /// The wall time of an instant, by the last reading; of one before the start, the start's.
    pub fn wall(&self, instant: Instant) -> Wall {
        let wall = self.wall.start.load(Ordering::Relaxed).saturating_add(self.since(instant));
        Wall(u64::try_from(wall).unwrap_or(0))
    }

    /// A context for pure code, now.
    pub fn context(&self, seed: u64) -> Context {
        let now = now();
        self.follow(now);
        Context::new(now, self.wall(now), seed)
    }

    /// Brings a context to the present.
    pub fn refresh(&self, ctx: &mut Context) {
        ctx.now = now();
        self.follow(ctx.now);
        ctx.wall = self.wall(ctx.now);
    }

    /// Takes the system's wall clock over if it is time to, or if it has stepped.
    ///
    /// Not each time: times that are told would differ by microseconds from what was told before.
    fn follow(&self, now: Instant) {
        let Some(read) = self.wall.read else { return };
        let since = self.since(now);
        let start = signed(read()).saturating_sub(since);
        let step = start.saturating_sub(self.wall.start.load(Ordering::Relaxed));
        let has_stepped = Duration::from_nanos(step.unsigned_abs()) >= STEP;
        let last = self.wall.read_at.load(Ordering::Relaxed);
        let is_due = u128::from(since.saturating_sub(last).unsigned_abs()) >= READ_EVERY.as_nanos();
        if !has_stepped && !is_due {
            return;
        }
        // Several elements may see it; the first one says so.
        let before = self.wall.start.swap(start, Ordering::Relaxed);
        self.wall.read_at.store(since, Ordering::Relaxed);
        let step = start.saturating_sub(before);
        if Duration::from_nanos(step.unsigned_abs()) >= STEP {
            let seconds = step / 1_000_000_000;
            tracing::info!(seconds, "the system's clock was set or the machine slept; times follow it");
        }
    }

    /// Nanoseconds from the start to an instant; none for one before.
    fn since(&self, instant: Instant) -> i64 {
        let since = instant.saturating_duration_since(self.start);
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// The system's wall clock.
#[allow(clippy::disallowed_methods, reason = "the one place where wall time comes from")]
fn system() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// A wall time that can be subtracted; the year 2262 is the last.
fn signed(wall: Wall) -> i64 {
    i64::try_from(wall.0).unwrap_or(i64::MAX)
}

/// The present on tokio's clock.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::advance;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MILLI: u64 = 1_000_000;

    thread_local! {
        /// The wall clock of the test that runs on this thread, in nanoseconds.
        static SYSTEM: Cell<u64> = const { Cell::new(0) };
    }

    /// Both clocks go on, the wall clock by its own time.
    async fn pass(monotonic: Duration, wall: Duration) {
        advance(monotonic).await;
        set(SYSTEM.get() + u64::try_from(wall.as_nanos()).unwrap());
    }

    fn set(wall: u64) {
        SYSTEM.set(wall);
    }

    fn following() -> (Clock, Context) {
        let clock = Clock::following(|| Wall(SYSTEM.get()));
        let ctx = clock.context(0);
        (clock, ctx)
    }

    #[track_caller]
    fn check(clock: &Clock, ctx: &mut Context, wall: u64) {
        clock.refresh(ctx);
        assert_eq!((ctx.now, ctx.wall), (now(), Wall(wall)));
        assert_eq!(clock.wall(ctx.now), ctx.wall);
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_of_the_system_s_clock_and_a_sleep_of_the_machine_are_followed_at_once() {
        // No battery: 1970 until NTP has answered.
        set(5 * SECOND);
        let (clock, mut ctx) = following();
        let began = ctx.now;
        pass(Duration::from_secs(20), Duration::from_secs(20)).await;
        check(&clock, &mut ctx, 25 * SECOND);
        set(1_700_000_000 * SECOND);
        check(&clock, &mut ctx, 1_700_000_000 * SECOND);
        assert_eq!(clock.wall(began), Wall((1_700_000_000 - 20) * SECOND), "by what is known now");
        // An hour's sleep, of which the monotonic clock knows a second.
        pass(Duration::from_secs(1), Duration::from_secs(3_600)).await;
        check(&clock, &mut ctx, 1_700_003_600 * SECOND);
        // Back, also before the start.
        set(SECOND);
        check(&clock, &mut ctx, SECOND);
        assert_eq!(clock.wall(began), Wall(0));
        assert_eq!(ctx.now - began, Duration::from_secs(21), "the monotonic clock sees none of it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_drift_is_taken_over_each_minute_and_by_all_clones() {
        set(1_000 * SECOND);
        let (clock, mut ctx) = following();
        let clone = clock.clone();
        pass(Duration::from_secs(30), Duration::from_millis(30_020)).await;
        check(&clock, &mut ctx, 1_030 * SECOND);
        pass(Duration::from_secs(30), Duration::from_millis(30_020)).await;
        check(&clock, &mut ctx, 1_060 * SECOND + 40 * MILLI);
        assert_eq!(clone.wall(ctx.now), ctx.wall);
        pass(Duration::from_secs(59), Duration::from_millis(59_020)).await;
        check(&clone, &mut ctx, 1_119 * SECOND + 40 * MILLI);
        pass(Duration::from_secs(1), Duration::from_secs(1)).await;
        check(&clone, &mut ctx, 1_120 * SECOND + 60 * MILLI);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_of_a_test_runs_with_the_monotonic_one() {
        let clock = Clock::at(Wall(7), 3);
        let mut ctx = clock.context(clock.seed());
        pass(Duration::from_secs(100), Duration::ZERO).await;
        check(&clock, &mut ctx, 7 + 100 * SECOND);
    }
}
