//! The threads that scripts run on: a bounded number, taken in the order of asking; knows no script and no element.
//!
//! An element is moved to a thread for a turn, with all its state, and comes back. Elements whose last turn took long may
//! have half of the threads at most, so that those whose scripts are quick never wait for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::script::host::Limits;
use crate::tasks::{Ended, blocking};

/// How many threads there are at most, unless the settings say otherwise.
///
/// A thread that waits costs no more than its stack, and an endless loop has one for as long as its time limit.
pub const THREADS: usize = 64;

/// How large the stacks of the daemon's threads are: 200 scripts that cause each other nest in it. Only what is used is memory.
pub const STACK: usize = 8 << 20;

/// From when on a turn counts as long.
pub const LONG: Duration = Duration::from_millis(100);

/// How long an element whose turn was long counts as slow.
pub const REMEMBERED: Duration = Duration::from_secs(30);

/// How the last turns of an element went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    long: Option<Instant>,
}

impl Pace {
    /// Of an element whose turn took [`LONG`] or longer just now.
    pub fn slow() -> Self {
        Self { long: Some(real_now()) }
    }

    /// Whether a turn took [`LONG`] or longer within the last [`REMEMBERED`].
    pub fn is_slow(&self) -> bool {
        self.long.is_some_and(|long| long.elapsed() < REMEMBERED)
    }
}

/// The threads, and what a run may take.
#[derive(Clone, Debug)]
pub struct Pool {
    all: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    limits: Limits,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(THREADS, Limits::default())
    }
}

impl Pool {
    /// At most so many threads, at least two.
    pub fn new(threads: usize, limits: Limits) -> Self {
        let threads = threads.clamp(2, Semaphore::MAX_PERMITS);
        let all = Arc::new(Semaphore::new(threads));
        Self { all, slow: Arc::new(Semaphore::new(threads / 2)), limits }
    }

    /// What a run of a script may take, for elements that are started from now on.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes what a run may take; how large the stacks are stays as it is.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = Limits { thread: self.limits.thread, ..limits };
    }

    /// Says that the threads of the runtime have stacks of [`STACK`] (`thread_stack_size`).
    #[must_use]
    pub fn on_large_stacks(mut self) -> Self {
        self.limits.thread = STACK;
        self
    }

    /// Runs work on a thread as soon as there is one; gives its result and the pace after it.
    ///
    /// # Errors
    ///
    /// As of [`blocking`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel-safe: work that has begun runs to its end, and its result is lost. Its place is free at once: whoever gives
    /// up work that does not end must not take a place from all others for ever.
    pub async fn run<T: Send + 'static>(
        &self,
        pace: Pace,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Pace), Ended> {
        let slow = if pace.is_slow() { place(&self.slow).await } else { None };
        let place = place(&self.all).await;
        let _places = (place, slow);
        blocking(move || {
            let began = real_now();
            let result = work();
            (result, if began.elapsed() >= LONG { Pace::slow() } else { pace })
        })
        .await
    }
}

/// A place; none once the pool is closed, which it never is.
async fn place(of: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(of).acquire_owned().await.ok()
}

/// The time by the machine's clock: what a script takes is real, whatever a test's clock says.
#[expect(clippy::disallowed_methods, reason = "a script burns real time, whatever a test's clock says")]
pub fn real_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn slow_elements_leave_half_of_the_threads_to_quick_ones() {
        let pool = Pool::new(4, Limits::default());
        let (hold, held): (mpsc::Sender<()>, _) = mpsc::channel();
        let held = Arc::new(std::sync::Mutex::new(held));
        let mut tasks = crate::tasks::Tasks::default();
        for _ in 0..8 {
            let (pool, held) = (pool.clone(), Arc::clone(&held));
            tasks.spawn("slow", |_| async move {
                let work = move || held.lock().unwrap().recv().is_ok();
                pool.run(Pace::slow(), work).await.unwrap();
            });
        }
        while pool.slow.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // All places that slow ones may have are taken; a quick one goes ahead.
        assert_eq!(pool.run(Pace::default(), || 5).await.unwrap().0, 5);
        (0..8).for_each(|_| hold.send(()).unwrap());
        while tasks.join_next().await.is_some() {}
        assert_eq!(pool.all.available_permits(), 4);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn work_that_is_given_up_gives_its_place_back_before_it_ends() {
        let pool = Pool::new(2, Limits::default());
        let mut ends = Vec::new();
        for pace in [Pace::slow(), Pace::slow(), Pace::default(), Pace::default()] {
            let (end, ended) = mpsc::channel::<()>();
            let (begin, mut begun) = tokio::sync::mpsc::channel(1);
            let work = move || begin.blocking_send(()).is_ok() && ended.recv().is_ok();
            let mut running = Box::pin(pool.run(pace, work));
            tokio::select! {
                _ = &mut running => panic!("it has ended"),
                begun = begun.recv() => assert_eq!(begun, Some(())),
            }
            drop(running);
            ends.push(end);
        }
        assert_eq!(pool.run(Pace::slow(), || 5).await.unwrap().0, 5);
        assert_eq!((pool.all.available_permits(), pool.slow.available_permits()), (2, 1));
    }
}
