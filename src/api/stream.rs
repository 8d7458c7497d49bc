//! The stream of changes: a snapshot of each element, then its changes and states; a slow client gets a new snapshot.
//!
//! ```text
//! element ──(its queue, bounded: ends the subscription when full)── follower ──(few messages)── socket ── client
//! ```
//!
//! One follower task for each element belongs to the client's task. A client that is slower than the changes fills the
//! socket, then the follower, then the element's queue. When that is full the element ends the subscription, and when the
//! client has taken nothing for [`LAG`] the follower does, so that many elements together do not keep what one client does
//! not take. Either way the client gets a new snapshot, which is taken only when there is a place for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::api::problem::{Kind, Problem};
use crate::api::server::Slot;
use crate::api::upgrade::{Over, Socket, place, upgrade};
use crate::api::wire::from::Detail;
use crate::api::wire::{Element, StreamMessage};
use crate::api::{ELEMENT_TIMEOUT, Shared};
use crate::daemon::roster::{Entry, Roster};
use crate::element::handle::{Handle, Subscription};
use crate::element::status::Status;
use crate::language::model::Protocol;
use crate::tasks::Tasks;

/// How long a change may wait for the client before its subscription is given up for a new snapshot.
const LAG: Duration = Duration::from_secs(1);

/// Messages between the followers and the socket; when it is full, followers wait.
const QUEUE: usize = 16;

/// `GET /api/v1/stream?element=..`: several may be named; none means all, also those that come later.
pub(super) async fn open(
    State(shared): State<Shared>,
    Extension(slot): Extension<Slot>,
    request: Request,
) -> Result<Response, Problem> {
    let uri = request.uri().clone();
    let query = Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map_err(|error| Problem::new(Kind::BadRequest, &uri, error.body_text()))?;
    let mut names = BTreeSet::new();
    for (key, value) in &query.0 {
        if key != "element" {
            return Err(Problem::new(
                Kind::BadRequest,
                &uri,
                format!("no option `{key}`; there is `element`"),
            ));
        }
        names.insert(shared.entry(value, &uri)?.0);
    }
    let place = place(&shared, &uri)?;
    upgrade(request, &slot, place, move |socket| run(socket, shared.roster, names))
}

async fn run(mut socket: Socket, mut roster: watch::Receiver<Arc<Roster>>, names: BTreeSet<Arc<str>>) {
    let (tx, mut rx) = mpsc::channel(QUEUE);
    let mut followers = Tasks::new(socket.stop());
    let mut followed = BTreeSet::new();
    loop {
        let now = roster.borrow_and_update().clone();
        for name in now.elements.keys() {
            if (names.is_empty() || names.contains(name)) && followed.insert(name.clone()) {
                let follower = Follower { name: name.clone(), tx: tx.clone(), last: None };
                let roster = roster.clone();
                followers.spawn(name.as_ref(), |_| async move {
                    // It ends when its element or its client is gone; either is seen elsewhere.
                    let _ = follower.run(roster).await;
                });
            }
        }
        let message = tokio::select! {
            biased;
            over = socket.over() => break socket.end(over).await, // Cancel-safe per its docs.
            changed = roster.changed() => match changed {         // Cancel-safe per docs of `watch`.
                Ok(()) => continue,
                Err(_) => break socket.end(Over::Stopping).await,
            },
            Some((name, _)) = followers.join_next() => {          // Cancel-safe per its docs.
                followed.remove(name.as_str());
                continue;
            }
            Some(message) = rx.recv() => message,                 // Cancel-safe per docs of `mpsc`.
        };
        if let Err(over) = socket.send(&message).await {
            break socket.end(over).await;
        }
    }
}

/// The client's own task has ended.
struct Unheard;

/// Tells one client of one element.
struct Follower {
    name: Arc<str>,
    tx: mpsc::Sender<StreamMessage>,
    /// The state that was told last.
    last: Option<Arc<Status>>,
}

impl Follower {
    async fn run(mut self, mut roster: watch::Receiver<Arc<Roster>>) -> Result<(), Unheard> {
        loop {
            let entry = roster.borrow_and_update().elements.get(&self.name).cloned();
            match entry {
                None => return self.send(StreamMessage::Removed { element: self.name.clone() }).await,
                Some(Entry::Down(status)) => self.status(status).await?,
                Some(Entry::Running(handle)) => self.running(&handle).await?,
            }
            // Either the element has no driver, or its handle is an old one: the next roster has the news.
            roster.changed().await.map_err(|_| Unheard)?;
        }
    }

    /// Follows one driver until it ends.
    async fn running(&mut self, handle: &Handle) -> Result<(), Unheard> {
        let mut status = handle.watch_status();
        let tx = self.tx.clone();
        loop {
            // A subscription may have been given up for a state that could not be told.
            let now = status.borrow_and_update().clone();
            self.status(now).await?;
            // A place first: snapshots of thousands of elements must not wait in memory for one client.
            let place = tx.reserve().await.map_err(|_| Unheard)?;
            let Ok(subscribed) = timeout(ELEMENT_TIMEOUT, handle.subscribe()).await else { continue };
            let Some(subscription) = subscribed else { return Ok(()) };
            place.send(StreamMessage::snapshot(&self.name, handle.protocol(), &subscription.snapshot));
            self.changes(handle.protocol(), subscription, &mut status).await?;
        }
    }

    /// Tells of changes until the subscription ends, or is given up because the client lags.
    async fn changes(
        &mut self,
        protocol: &Protocol,
        mut subscription: Subscription,
        status: &mut watch::Receiver<Arc<Status>>,
    ) -> Result<(), Unheard> {
        let mut watched = true;
        loop {
            tokio::select! {
                biased;
                changed = status.changed(), if watched => { // Cancel-safe per docs of `watch`.
                    watched = changed.is_ok();
                    let now = status.borrow_and_update().clone();
                    match timeout(LAG, self.status(now)).await {
                        Ok(told) => told?,
                        Err(_) => return Ok(()),
                    }
                }
                change = subscription.next() => { // Cancel-safe per its docs.
                    let Some(change) = change else { return Ok(()) };
                    match timeout(LAG, self.tx.reserve()).await {
                        Ok(Ok(place)) => place.send(StreamMessage::change(&self.name, protocol, &change)),
                        Ok(Err(_)) => return Err(Unheard),
                        Err(_) => return Ok(()),
                    }
                }
            }
        }
    }

    async fn status(&mut self, status: Arc<Status>) -> Result<(), Unheard> {
        if self.last.as_ref().is_some_and(|last| **last == *status) {
            return Ok(());
        }
        let message = StreamMessage::Status {
            element: self.name.clone(),
            status: Element::new(&self.name, &status, Detail::Full),
        };
        self.send(message).await?;
        self.last = Some(status);
        Ok(())
    }

    async fn send(&self, message: StreamMessage) -> Result<(), Unheard> {
        // Full: this follower waits, and its element's queue takes what comes meanwhile.
        self.tx.send(message).await.map_err(|_| Unheard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::fake::{self, Fake};
    use crate::element::handle::NewValue;
    use crate::language::model::id::ParamIx;

    /// Followers of elements, and the end that the client's task has.
    fn follow(fakes: &[Fake]) -> (Tasks, watch::Sender<Arc<Roster>>, mpsc::Receiver<StreamMessage>) {
        let mut roster = Roster::default();
        for (index, fake) in fakes.iter().enumerate() {
            roster.elements.insert(Arc::from(format!("e{index}")), Entry::Running(fake.handle.clone()));
        }
        let (publish, seen) = watch::channel(Arc::new(roster));
        let (tx, rx) = mpsc::channel(QUEUE);
        let mut tasks = Tasks::default();
        for index in 0..fakes.len() {
            let follower = Follower { name: Arc::from(format!("e{index}")), tx: tx.clone(), last: None };
            let seen = seen.clone();
            tasks.spawn("follower", |_| async move { drop(follower.run(seen).await) });
        }
        (tasks, publish, rx)
    }

    async fn set(fake: &Fake, value: f64) {
        let level = ParamIx::new(2).unwrap();
        fake.handle.set(level, NewValue::Scalar(value.into()), ELEMENT_TIMEOUT).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_costs_no_more_than_the_queue_however_many_elements_there_are() {
        let fakes: Vec<Fake> = (0..500).map(|_| fake::start("one")).collect();
        let (_tasks, _roster, mut rx) = follow(&fakes);
        let mut subscriptions = 0;
        for round in 0..5_u32 {
            for fake in &fakes {
                set(fake, f64::from(round)).await;
            }
            tokio::time::sleep(LAG * 2).await;
            subscriptions = fakes.iter().map(|fake| *fake.listeners.borrow()).sum();
        }
        assert!(subscriptions <= QUEUE, "{subscriptions} snapshots wait for a client that takes nothing");
        // When it takes again it is told of all as they are now.
        let mut told = BTreeSet::new();
        while told.len() < fakes.len() {
            if let Some(
                StreamMessage::Snapshot { element, seq: 5, .. }
                | StreamMessage::Change { element, seq: 5, .. },
            ) = rx.recv().await
            {
                told.insert(element);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_subscription_that_a_client_does_not_take_is_given_up_for_a_new_snapshot() {
        let fakes = [fake::start("one")];
        let (_tasks, _roster, mut rx) = follow(&fakes);
        assert!(matches!(rx.recv().await, Some(StreamMessage::Status { .. })));
        assert!(matches!(rx.recv().await, Some(StreamMessage::Snapshot { seq: 0, .. })));
        // Fewer than the element's own queue holds, more than this client's.
        for value in 0..100_u32 {
            set(&fakes[0], f64::from(value)).await;
        }
        tokio::time::sleep(LAG * 2).await;
        for expected in 1..=QUEUE as u64 {
            assert!(matches!(rx.recv().await, Some(StreamMessage::Change { seq, .. }) if seq == expected));
        }
        assert!(matches!(rx.recv().await, Some(StreamMessage::Snapshot { seq: 100, .. })));
        set(&fakes[0], -1.0).await;
        assert!(matches!(rx.recv().await, Some(StreamMessage::Change { seq: 101, .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_state_that_a_client_does_not_take_gives_the_subscription_up_as_well() {
        let fakes = [fake::start("one")];
        let (_tasks, _roster, mut rx) = follow(&fakes);
        assert!(matches!(rx.recv().await, Some(StreamMessage::Status { .. })));
        assert!(matches!(rx.recv().await, Some(StreamMessage::Snapshot { seq: 0, .. })));
        for value in 0..QUEUE {
            set(&fakes[0], value as f64).await;
        }
        tokio::time::sleep(LAG / 2).await;
        fakes[0].status.send_modify(|status| Arc::make_mut(status).timeout = true);
        tokio::time::sleep(LAG / 2).await;
        for value in 0..100_u32 {
            set(&fakes[0], f64::from(value)).await;
        }
        tokio::time::sleep(LAG * 2).await;
        for expected in 1..=QUEUE as u64 {
            assert!(matches!(rx.recv().await, Some(StreamMessage::Change { seq, .. }) if seq == expected));
        }
        assert!(matches!(rx.recv().await, Some(StreamMessage::Status { status, .. }) if status.timeout));
        let last = QUEUE as u64 + 100;
        assert!(matches!(rx.recv().await, Some(StreamMessage::Snapshot { seq, .. }) if seq == last));
    }
}
