//! The dial budget as elements see it: ask for a place, get it or give it back; `engine::link::budget` decides who is next.
//!
//! The lock is held for moments and never over a wait. What waits is bounded by the links: each has one ticket at most.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::link::budget::{Budget, Limits};

/// Where elements ask before they dial; cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug)]
struct Queue {
    budget: Budget<u64>,
    waiting: HashMap<u64, oneshot::Sender<()>>,
    last: u64,
}

/// A place in the queue; dropping it gives it back.
#[derive(Debug)]
pub struct Ticket {
    number: u64,
    host: Box<str>,
    granted: oneshot::Receiver<()>,
    shared: Arc<Shared>,
}

impl Gate {
    /// A gate with full buckets; it grants nothing until [`Gate::run`] runs.
    pub fn new(limits: Limits) -> Self {
        let queue = Queue { budget: Budget::new(now(), limits), waiting: HashMap::new(), last: 0 };
        Self { shared: Arc::new(Shared { queue: Mutex::new(queue), changed: Notify::new() }) }
    }

    /// Changes the limits; what waits keeps its place.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.lock().budget.set_limits(now(), limits);
        self.shared.changed.notify_one();
    }

    /// Takes a place in the queue of a host.
    pub fn ask(&self, host: &str) -> Ticket {
        let (grant, granted) = oneshot::channel();
        let mut queue = self.shared.lock();
        queue.last += 1;
        let number = queue.last;
        queue.waiting.insert(number, grant);
        queue.budget.request(now(), host, number);
        drop(queue);
        self.shared.changed.notify_one();
        Ticket { number, host: host.into(), granted, shared: self.shared.clone() }
    }

    /// How many dials wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Grants places until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut granted = Vec::new();
        loop {
            let wake_at = {
                let mut queue = self.shared.lock();
                queue.budget.grant(now(), &mut granted);
                for number in granted.drain(..) {
                    if let Some(grant) = queue.waiting.remove(&number) {
                        // The other end is gone only between its drop and the return of its place: nothing to do.
                        let _ = grant.send(());
                    }
                }
                queue.budget.wake_at()
            };
            let wake = async {
                match wake_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,             // Cancel-safe: no state.
                () = self.shared.changed.notified() => {}    // Cancel-safe: a lost place in line, then the queue is looked at anyway.
                () = wake => {}                              // Cancel-safe: recomputed each turn.
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic while it was held leaves a queue that is whole: each change is one call.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The host in whose queue it is.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Ready when the dial may start.
    ///
    /// # Cancel safety
    ///
    /// Polling it again after it was ready is a mistake of the caller; before that it may be polled and left at will.
    pub fn poll_granted(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        std::pin::Pin::new(&mut self.granted).poll(cx).map(|_| ())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        if queue.waiting.remove(&self.number).is_some() {
            queue.budget.cancel(now(), self.number);
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::tasks::Tasks;

    #[tokio::test(start_paused = true)]
    async fn dials_to_one_host_are_spread_and_a_place_given_back_is_not_counted() {
        let gate = Gate::new(Limits { per_second: None, per_host_per_second: NonZeroU32::new(2) });
        let mut tasks = Tasks::new(&CancellationToken::new());
        let run = gate.clone();
        tasks.spawn("gate", |stop| run.run(stop));
        let start = Instant::now();
        let mut tickets: Vec<Ticket> = (0..6).map(|_| gate.ask("a")).collect();
        tickets.drain(4..);
        assert_eq!(gate.waiting(), 4);
        for ticket in &mut tickets {
            std::future::poll_fn(|cx| ticket.poll_granted(cx)).await;
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(900) && took <= Duration::from_millis(2_100), "{took:?}");
        assert_eq!(gate.waiting(), 0);
    }
}
