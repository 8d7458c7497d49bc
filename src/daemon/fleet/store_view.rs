//! What the fleet shows of the store, and when that changes; asks the store for nothing.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::store::{Health, StoreStatus};

/// What is shown of the store, and when it changes.
pub(super) struct StoreView {
    status: Option<watch::Receiver<StoreStatus>>,
    pub(super) problem: Option<Arc<str>>,
    pub(super) set_aside: Option<Arc<Path>>,
}

impl StoreView {
    pub(super) fn new(status: Option<watch::Receiver<StoreStatus>>) -> Self {
        let mut view = Self { status, problem: None, set_aside: None };
        view.look();
        view
    }

    /// Takes over what the store says; whether that is news. Its counters are none.
    fn look(&mut self) -> bool {
        let Some(status) = &mut self.status else { return false };
        let (problem, set_aside) = {
            let now = status.borrow_and_update();
            let problem = match &now.health {
                Health::Ready => None,
                Health::Opening => Some(Arc::from("the store is being opened")),
                Health::Down(reason) => Some(reason.clone()),
                Health::Stopped => Some(Arc::from("the store has stopped")),
            };
            (problem, now.set_aside.as_deref().map(Arc::from))
        };
        let news = (&problem, &set_aside) != (&self.problem, &self.set_aside);
        (self.problem, self.set_aside) = (problem, set_aside);
        news
    }

    /// Waits for news of the store; for ever if there is none.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: news is taken over and returned without a wait in between.
    pub(super) async fn changed(&mut self) {
        loop {
            let Some(status) = &mut self.status else { return std::future::pending().await };
            if status.changed().await.is_err() {
                self.status = None;
            } else if self.look() {
                return;
            }
        }
    }
}
