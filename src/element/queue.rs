//! A queue that is bounded in number and in bytes and never makes its sender wait; knows nothing of what it carries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// What takes memory while it waits.
pub trait Weight {
    /// About how many bytes that is.
    fn weight(&self) -> usize;
}

impl<T: Weight> Weight for Arc<T> {
    fn weight(&self) -> usize {
        (**self).weight()
    }
}

/// Why something was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room for one more, or for so many bytes more.
    Full,
    /// The receiver is gone.
    Closed,
}

/// The end of the one who sends; there is one only, so that nobody else fills what it has found room in.
#[derive(Debug)]
pub struct Sender<T> {
    items: mpsc::Sender<(T, usize)>,
    held: Arc<AtomicUsize>,
    most: usize,
}

/// The end of the one who takes.
#[derive(Debug)]
pub struct Receiver<T> {
    items: mpsc::Receiver<(T, usize)>,
    held: Arc<AtomicUsize>,
}

/// A queue for at most `number` items of together at most `bytes` bytes; a larger one is taken when nothing else waits.
pub fn channel<T: Weight>(number: usize, bytes: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(number);
    let held = Arc::new(AtomicUsize::new(0));
    (Sender { items: sender, held: held.clone(), most: bytes }, Receiver { items: receiver, held })
}

impl<T: Weight> Sender<T> {
    /// Queues an item.
    ///
    /// # Errors
    ///
    /// The queue is full, or the receiver is gone; the item is dropped.
    pub fn try_send(&self, item: T) -> Result<(), Refused> {
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        let weight = item.weight();
        // Only the receiver changes it meanwhile, and only to less.
        let held = self.held.load(Ordering::Relaxed);
        if held > 0 && held.saturating_add(weight) > self.most {
            return Err(Refused::Full);
        }
        self.held.fetch_add(weight, Ordering::Relaxed);
        self.items.try_send((item, weight)).map_err(|error| {
            self.held.fetch_sub(weight, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => Refused::Full,
                TrySendError::Closed(_) => Refused::Closed,
            }
        })
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.items.is_closed()
    }
}

impl<T> Receiver<T> {
    /// The next item; `None` when the sender is gone and all are taken.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: no item is lost.
    pub async fn recv(&mut self) -> Option<T> {
        let (item, weight) = self.items.recv().await?;
        self.held.fetch_sub(weight, Ordering::Relaxed);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Bytes(usize);

    impl Weight for Bytes {
        fn weight(&self) -> usize {
            self.0
        }
    }

    #[tokio::test]
    async fn a_queue_is_full_by_number_or_by_bytes_and_has_room_again_for_what_is_taken() {
        let (sender, mut receiver) = channel(3, 100);
        assert_eq!(sender.try_send(Bytes(90)), Ok(()));
        assert_eq!(sender.try_send(Bytes(11)), Err(Refused::Full));
        assert_eq!(sender.try_send(Bytes(10)), Ok(()));
        assert_eq!(receiver.recv().await, Some(Bytes(90)));
        assert_eq!(sender.try_send(Bytes(1)), Ok(()));
        assert_eq!(sender.try_send(Bytes(1)), Ok(()));
        assert_eq!(sender.try_send(Bytes(1)), Err(Refused::Full), "three wait");
        for expected in [10, 1, 1] {
            assert_eq!(receiver.recv().await, Some(Bytes(expected)));
        }
        assert_eq!(sender.try_send(Bytes(100)), Ok(()), "what was refused is not counted");
        assert_eq!(receiver.recv().await, Some(Bytes(100)));
        drop(receiver);
        assert_eq!(sender.try_send(Bytes(101)), Err(Refused::Closed));
    }

    #[tokio::test]
    async fn what_is_larger_than_the_queue_is_taken_alone() {
        let (sender, mut receiver) = channel(3, 100);
        assert_eq!(sender.try_send(Bytes(1_000)), Ok(()));
        assert_eq!(sender.try_send(Bytes(1)), Err(Refused::Full));
        assert_eq!(receiver.recv().await, Some(Bytes(1_000)));
        assert_eq!(sender.try_send(Bytes(1)), Ok(()));
        drop(sender);
        assert_eq!(receiver.recv().await, Some(Bytes(1)));
        assert_eq!(receiver.recv().await, None);
    }
}
