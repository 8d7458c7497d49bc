//! Watches an element with scripts from a task of its own, and gives it up if a script cannot be stopped; runs nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::element::spec::Spec;
use crate::language::model::Protocol;
use crate::script::host::Watch;
use crate::script::lost::{Losses, Lost};
use crate::script::pool::{Patience, Place, Pool};
use crate::tasks::{Ended, Tasks};

/// Knows whether a turn of one element is under way that may run scripts.
///
/// The driver cannot watch itself: a turn that runs in place keeps its task busy. The watching task sleeps while no turn is
/// under way, so that an element without anything to do costs no wake-ups.
#[derive(Debug)]
pub(super) struct Sentry {
    watch: Watch,
    patience: Patience,
    /// Ends the links and requests of the element.
    work: CancellationToken,
    /// What a turn has of the pool.
    pub(super) place: Place,
    losses: Losses,
    protocol: Arc<Protocol>,
    /// The thread of a run that cannot be stopped: that goes on as long as the driver has this, which it takes with it.
    lost: OnceLock<Lost>,
    /// Goes up when a turn begins and when it ends: odd while one is under way. Only the driver writes it.
    turns: AtomicU64,
    /// The watching task has seen a whole look without a turn, and has to be told of the next one.
    asleep: AtomicBool,
    wake: Notify,
}

/// What is left of an element that is over, whether it ended, was lost, or was aborted in the middle of a turn: its place is
/// free, its links end, and a run that goes on has no effect any more, as another element may have taken its place.
struct GivenUp<'a>(&'a Sentry);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.watch.abandon();
        self.0.place.free();
        self.0.work.cancel();
    }
}

/// A turn under way.
pub(super) struct UnderWay<'a>(&'a Sentry);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.turns.fetch_add(1, Ordering::SeqCst);
    }
}

impl Sentry {
    pub(super) fn new(watch: Watch, pool: &Pool, spec: &Spec, work: CancellationToken) -> Self {
        Self {
            watch,
            patience: pool.patience(),
            work,
            place: Place::default(),
            losses: pool.losses().clone(),
            protocol: Arc::clone(&spec.protocol),
            lost: OnceLock::new(),
            turns: AtomicU64::new(0),
            asleep: AtomicBool::new(true),
            wake: Notify::new(),
        }
    }

    /// A turn begins that may run scripts; it is over when what this gives is dropped.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        // Either the watching task sees the turn, or this sees that it is asleep: both sides write before they read.
        self.turns.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
        UnderWay(self)
    }

    /// Watches the task of the element `name` until it ends, and ends as it does.
    ///
    /// # Panics
    ///
    /// The task did, or a script cannot be stopped: the task is left alone, and whoever owns this one starts another element.
    pub(super) async fn keep(self: Arc<Self>, name: Arc<str>, mut driver: Tasks) {
        let _given_up = GivenUp(&self);
        tokio::select! {
            biased;
            // Cancel-safe per docs on `join_next()`.
            ended = driver.join_next() => match ended {
                Some((_, Ended::Panicked(text))) => std::panic::resume_unwind(Box::new(text)),
                Some((_, Ended::Done | Ended::Aborted)) | None => {}
            },
            // Cancel-safe: it is over when the other branch is ready.
            () = self.lost() => {
                let _ = self.lost.set(self.losses.add(&name, &self.protocol, &self.place));
                panic!("a script of {name} cannot be stopped: it is in a function of the language that never ends")
            }
        }
    }

    /// Waits until a run goes on that cannot be stopped.
    async fn lost(&self) {
        loop {
            self.wake.notified().await;
            while !self.may_sleep().await {
                if self.watch.give_up(self.patience.lost) {
                    return;
                }
            }
        }
    }

    /// Waits for a look, and says whether there was no turn meanwhile; the next one wakes the watching task.
    async fn may_sleep(&self) -> bool {
        let before = self.turns.load(Ordering::SeqCst);
        tokio::time::sleep(self.patience.look).await;
        if before % 2 == 1 || self.turns.load(Ordering::SeqCst) != before {
            return false;
        }
        self.asleep.store(true, Ordering::SeqCst);
        // A turn that began just before has not seen it.
        let begun = self.turns.load(Ordering::SeqCst) != before;
        !(begun && self.asleep.swap(false, Ordering::SeqCst))
    }
}
