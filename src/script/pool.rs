//! The threads that scripts run on: a bounded number, taken in the order of asking; knows no script and no element.
//!
//! An element is moved to a thread for a turn, with all its state, and comes back. Elements whose last turn took long may
//! have half of the threads at most, so that those whose scripts are quick wait for them only while they are not known as
//! slow yet, and otherwise for each other. An element whose last turns
//! were short stays where it is while a place is free: its worker hands all other tasks to another thread for that turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::script::host::Limits;
use crate::script::lost::Losses;
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

/// Up to when a turn counts as short: beside a longer one, the way to a thread and back costs next to nothing.
pub const SHORT: Duration = Duration::from_millis(10);

/// After how many short turns in a row an element is known for them.
pub const KNOWN: u8 = 3;

/// How long a run may go on that should have been stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often it is looked whether runs can be stopped, while there are any; default 2 s.
    pub look: Duration,
    /// How long after its end a run is lost, and its element with it; default 10 s.
    pub lost: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { look: Duration::from_secs(2), lost: Duration::from_secs(10) }
    }
}

/// How the last turns of an element went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    long: Option<Instant>,
    /// How many turns in a row were short, up to [`KNOWN`].
    short: u8,
}

impl Pace {
    /// Of an element whose turn took [`LONG`] or longer just now.
    pub fn slow() -> Self {
        Self { long: Some(real_now()), short: 0 }
    }

    /// Of an element whose last [`KNOWN`] turns were short.
    pub fn short() -> Self {
        Self { long: None, short: KNOWN }
    }

    /// The pace after one more turn.
    fn after(self, took: Duration) -> Self {
        if took >= LONG {
            Self::slow()
        } else if took >= SHORT {
            Self { short: 0, ..self }
        } else {
            Self { short: self.short.saturating_add(1).min(KNOWN), ..self }
        }
    }

    /// Whether the last [`KNOWN`] turns took less than [`SHORT`], and none was long within the last [`REMEMBERED`].
    pub fn is_short(&self) -> bool {
        self.short >= KNOWN && !self.is_slow()
    }

    /// Whether a turn took [`LONG`] or longer within the last [`REMEMBERED`].
    pub fn is_slow(&self) -> bool {
        self.long.is_some_and(|long| long.elapsed() < REMEMBERED)
    }
}

/// What a turn has of the pool: one of all threads, and one of those for slow elements if its element is.
type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// The place of a turn; whoever watches it frees the place of one that never ends.
#[derive(Debug, Default)]
pub struct Place(Mutex<Option<Permits>>);

impl Place {
    fn put(&self, permits: Option<Permits>) -> Option<Permits> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), permits)
    }

    /// Gives the place back although the turn goes on; without a turn it does nothing.
    pub fn free(&self) {
        drop(self.put(None));
    }

    /// Takes the place away, for whoever gives it back when the turn has ended.
    #[must_use]
    pub fn take(&self) -> Self {
        Self(Mutex::new(self.put(None)))
    }
}

/// Frees a place at the end of a turn, also of one that panics.
struct Taken<'a>(&'a Place);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.free();
    }
}

/// The threads, and what a run may take.
#[derive(Clone, Debug)]
pub struct Pool {
    all: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    /// How many turns ran where their elements were.
    in_place: Arc<AtomicU64>,
    losses: Losses,
    limits: Limits,
    patience: Patience,
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
        let slow = Arc::new(Semaphore::new(threads / 2));
        let (in_place, losses) = (Arc::default(), Losses::default());
        Self { all, slow, in_place, losses, limits, patience: Patience::default() }
    }

    /// Gives up runs that cannot be stopped after another time.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// When a run that cannot be stopped is given up.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// The threads that are lost.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// How many turns ran where their elements were, and not on a thread of their own, since the start.
    pub fn turns_in_place(&self) -> u64 {
        self.in_place.load(Ordering::Relaxed)
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

    /// Runs work on a thread as soon as there is one, or here if the last turns were short; gives its result and the pace
    /// after it.
    ///
    /// # Errors
    ///
    /// As of [`blocking`]. A panic of work that runs here is one of the caller.
    ///
    /// # Cancel safety
    ///
    /// Not cancel-safe: work that has begun runs to its end, and its result is lost. Its place is free at once: whoever gives
    /// up work that does not end must not take a place from all others for ever. That of work which runs here is freed by
    /// [`Place::free`], as nobody can drop a future that does not return.
    pub async fn run<T: Send + 'static>(
        &self,
        pace: Pace,
        place: &Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Pace), Ended> {
        let timed = move || {
            let began = real_now();
            let result = work();
            (result, pace.after(began.elapsed()))
        };
        if let Some(permit) = self.here(pace) {
            self.in_place.fetch_add(1, Ordering::Relaxed);
            drop(place.put(Some((permit, None))));
            let done = {
                let _taken = Taken(place);
                tokio::task::block_in_place(timed)
            };
            // An element that always has a next turn lets others have theirs: without a hop it would never wait.
            tokio::task::consume_budget().await;
            return Ok(done);
        }
        let slow = if pace.is_slow() { acquire(&self.slow).await } else { None };
        let all = acquire(&self.all).await;
        let _taken = Taken(place);
        drop(place.put(all.map(|all| (all, slow))));
        blocking(timed).await
    }

    /// A place for a turn that needs no thread of its own: one that should be short, where a worker has others to give its
    /// tasks to.
    fn here(&self, pace: Pace) -> Option<OwnedSemaphorePermit> {
        let flavor = Handle::try_current().ok()?.runtime_flavor();
        let fits = pace.is_short() && flavor == RuntimeFlavor::MultiThread;
        if fits { Arc::clone(&self.all).try_acquire_owned().ok() } else { None }
    }
}

/// A place; none once the pool is closed, which it never is.
async fn acquire(of: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
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

    async fn five(pool: &Pool, pace: Pace) -> u8 {
        pool.run(pace, &Place::default(), || 5).await.unwrap().0
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn slow_elements_leave_half_of_the_threads_to_quick_ones() {
        let pool = Pool::new(4, Limits::default());
        let (hold, held): (mpsc::Sender<()>, _) = mpsc::channel();
        let held = Arc::new(Mutex::new(held));
        let mut tasks = crate::tasks::Tasks::default();
        for _ in 0..8 {
            let (pool, held) = (pool.clone(), Arc::clone(&held));
            tasks.spawn("slow", |_| async move {
                let work = move || held.lock().unwrap().recv().is_ok();
                pool.run(Pace::slow(), &Place::default(), work).await.unwrap();
            });
        }
        while pool.slow.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // All places that slow ones may have are taken; a quick one goes ahead.
        assert_eq!(five(&pool, Pace::default()).await, 5);
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
            let place = Place::default();
            let mut running = Box::pin(pool.run(pace, &place, work));
            tokio::select! {
                _ = &mut running => panic!("it has ended"),
                begun = begun.recv() => assert_eq!(begun, Some(())),
            }
            drop(running);
            ends.push(end);
        }
        assert_eq!(five(&pool, Pace::slow()).await, 5);
        assert_eq!((pool.all.available_permits(), pool.slow.available_permits()), (2, 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_thread_that_is_lost_beyond_the_first_ones_takes_its_place_with_it_until_its_run_ends() {
        let text = "<Protocol><Name>test</Name><Version>1.0.0.1</Version></Protocol>";
        let source = crate::language::source::Source::new("test.xml", text);
        let (element, protocol) = (Arc::from("a"), crate::language::load::whole(&source).0.unwrap());
        let pool = Pool::new(16, Limits::default());
        let (mut lost, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            let (end, ended) = mpsc::channel::<()>();
            let (begin, mut begun) = tokio::sync::mpsc::channel(1);
            let work = move || begin.blocking_send(()).is_ok() && ended.recv().is_ok();
            let place = Place::default();
            let mut running = Box::pin(pool.run(Pace::default(), &place, work));
            tokio::select! {
                _ = &mut running => panic!("it has ended"),
                begun = begun.recv() => assert_eq!(begun, Some(())),
            }
            lost.push(pool.losses().add(&element, &protocol, &place));
            drop(running);
            ends.push(end);
        }
        assert_eq!((pool.losses().count(), pool.all.available_permits()), (10, 14));
        drop(lost);
        assert_eq!((pool.losses().count(), pool.all.available_permits()), (0, 16));
    }

    /// Runs work that tells its thread.
    async fn thread(pool: &Pool, pace: Pace) -> std::thread::ThreadId {
        pool.run(pace, &Place::default(), || std::thread::current().id()).await.unwrap().0
    }

    #[test]
    fn a_few_short_turns_in_a_row_are_short_and_a_long_one_is_remembered() {
        let ms = Duration::from_millis;
        let check = |turns: &[u64], short: bool, slow: bool| {
            let pace = turns.iter().fold(Pace::default(), |pace, took| pace.after(ms(*took)));
            assert_eq!((pace.is_short(), pace.is_slow()), (short, slow), "{turns:?}");
        };
        check(&[], false, false);
        check(&[1, 1], false, false);
        check(&[9, 0, 9], true, false);
        check(&[0; 300], true, false);
        check(&[0, 0, 0, 10], false, false);
        check(&[0, 0, 0, 99, 0, 0], false, false);
        check(&[0, 0, 0, 99, 0, 0, 0], true, false);
        check(&[0, 0, 0, 100], false, true);
        check(&[100, 0, 0, 0, 0], false, true);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn only_short_turns_run_where_they_are_and_only_while_a_place_is_free() {
        let (pool, here) = (Pool::new(2, Limits::default()), std::thread::current().id());
        assert_eq!(thread(&pool, Pace::short()).await, here);
        assert_ne!(thread(&pool, Pace::default()).await, here);
        assert_ne!(thread(&pool, Pace::slow()).await, here);
        let one = acquire(&pool.all).await;
        assert_eq!(thread(&pool, Pace::short()).await, here);
        let other = acquire(&pool.all).await;
        let mut waiting = std::pin::pin!(thread(&pool, Pace::short()));
        assert!(futures_util::poll!(&mut waiting).is_pending(), "there is no place");
        drop((one, other));
        assert_ne!(waiting.await, here);
        assert_eq!((pool.turns_in_place(), pool.all.available_permits()), (2, 2));
    }

    #[tokio::test]
    async fn a_runtime_with_one_thread_has_nobody_to_hand_its_tasks_to() {
        let (pool, here) = (Pool::default(), std::thread::current().id());
        assert_ne!(thread(&pool, Pace::short()).await, here);
        assert_eq!(pool.turns_in_place(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_turn_in_place_that_takes_long_holds_up_no_other_task_and_its_place_can_be_freed() {
        let (pool, place) = (Pool::new(2, Limits::default()), Arc::new(Place::default()));
        let (end, ended) = mpsc::channel::<()>();
        let (begin, mut begun) = tokio::sync::mpsc::channel(1);
        let mut tasks = crate::tasks::Tasks::default();
        let (long, kept) = (pool.clone(), Arc::clone(&place));
        tasks.spawn("long", |_| async move {
            let work = move || begin.try_send(()).is_ok() && ended.recv().is_ok();
            assert!(long.run(Pace::short(), &kept, work).await.unwrap().0);
        });
        // The only worker is in the turn, and this is a task that only a worker runs.
        let (done, mut doing) = tokio::sync::mpsc::channel(1);
        let free = pool.clone();
        tasks.spawn("other", |_| async move {
            begun.recv().await.unwrap();
            assert_eq!((free.turns_in_place(), free.all.available_permits()), (1, 1));
            place.free();
            assert_eq!(free.all.available_permits(), 2);
            done.send(()).await.unwrap();
        });
        let other = tokio::time::timeout(Duration::from_secs(60), doing.recv()).await;
        end.send(()).unwrap();
        assert_eq!(other, Ok(Some(())), "the other task waited for the turn");
        while let Some((name, ended)) = tasks.join_next().await {
            assert!(matches!(ended, Ended::Done), "{name}: {ended:?}");
        }
        assert_eq!(pool.all.available_permits(), 2, "a place that was freed is given back once");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_turn_in_place_that_panics_gives_its_place_back() {
        let pool = Pool::new(2, Limits::default());
        let mut tasks = crate::tasks::Tasks::default();
        let broken = pool.clone();
        tasks.spawn("broken", |_| async move {
            let work = || panic!("a panic that is part of a test");
            let _ = broken.run::<()>(Pace::short(), &Place::default(), work).await;
        });
        assert!(matches!(tasks.join_next().await, Some((_, Ended::Panicked(_)))));
        assert_eq!((pool.turns_in_place(), pool.all.available_permits()), (1, 2));
    }
}
