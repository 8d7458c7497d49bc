//! How many requests are under way to one server: a place for each, in the order of asking; sends nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests may be under way to the same scheme, host and port.
///
/// A device has few workers; what comes beyond waits here, in order, instead of in the device.
pub const PER_ORIGIN: usize = 32;

/// The places of all servers.
#[derive(Debug)]
pub(super) struct Origins {
    per_origin: AtomicUsize,
    // Bound: one entry for each origin with a request under way; the others are swept out.
    places: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A place; given back when it is dropped.
pub(super) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    _of: Arc<Semaphore>,
}

impl Origins {
    pub(super) fn new(per_origin: usize) -> Self {
        Self { per_origin: AtomicUsize::new(bounded(per_origin)), places: Mutex::default() }
    }

    /// Changes how many there are; requests that are under way or wait already keep to what held before.
    pub(super) fn set(&self, per_origin: usize) {
        self.per_origin.store(bounded(per_origin), Ordering::Relaxed);
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits for a place with a server, told by scheme, host and port; the caller's deadline bounds the wait.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: who stops waiting loses its turn.
    pub(super) async fn place(&self, origin: &str) -> Place {
        let semaphore = self.semaphore(origin);
        // It is never closed.
        let permit = semaphore.clone().acquire_owned().await.ok();
        Place { _permit: permit, _of: semaphore }
    }

    fn semaphore(&self, origin: &str) -> Arc<Semaphore> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = places.get(origin).and_then(Weak::upgrade) {
            return found;
        }
        if places.len() >= 1_024 && places.len().is_power_of_two() {
            places.retain(|_, place| place.strong_count() > 0);
        }
        let made = Arc::new(Semaphore::new(self.per_origin.load(Ordering::Relaxed)));
        places.insert(origin.to_owned(), Arc::downgrade(&made));
        made
    }
}

fn bounded(per_origin: usize) -> usize {
    per_origin.clamp(1, Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn each_server_has_its_own_places() {
        let origins = Origins::new(1);
        let first = origins.place("http://h:80").await;
        let mut second = Box::pin(origins.place("http://h:80"));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(origins.place("http://h:81").now_or_never().is_some());
        assert!(origins.place("https://h:443").now_or_never().is_some());
        drop(first);
        assert!(second.now_or_never().is_some());
    }

    #[tokio::test]
    async fn another_number_of_places_holds_at_once() {
        let origins = Origins::new(1);
        let _old = origins.place("http://h:80").await;
        origins.set(2);
        let _first = origins.place("http://h:80").now_or_never().unwrap();
        let _second = origins.place("http://h:80").now_or_never().unwrap();
        assert!(origins.place("http://h:80").now_or_never().is_none());
    }
}
