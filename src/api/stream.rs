//! The stream of changes: a snapshot of each element, then its changes and states; a slow client gets a new snapshot.
//!
//! ```text
//! element ──(its queue, bounded: ends the subscription when full)── follower ──(few messages)── socket ── client
//! ```
//!
//! One follower task for each element belongs to the client's task. A client that is slower than the changes fills the
//! socket, then the follower, then the element's queue; the element ends the subscription, and the follower takes a new one.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use tokio::sync::{mpsc, watch};

use crate::api::Shared;
use crate::api::problem::{Kind, Problem};
use crate::api::server::Slot;
use crate::api::upgrade::{Over, Socket, place, upgrade};
use crate::api::wire::from::Detail;
use crate::api::wire::{Element, StreamMessage};
use crate::daemon::roster::{Entry, Roster};
use crate::element::handle::Handle;
use crate::element::status::Status;
use crate::tasks::Tasks;

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
        let now = status.borrow_and_update().clone();
        self.status(now).await?;
        let mut watched = true;
        while let Some(mut subscription) = handle.subscribe().await {
            let protocol = handle.protocol();
            self.send(StreamMessage::snapshot(&self.name, protocol, &subscription.snapshot)).await?;
            loop {
                tokio::select! {
                    biased;
                    changed = status.changed(), if watched => { // Cancel-safe per docs of `watch`.
                        watched = changed.is_ok();
                        let now = status.borrow_and_update().clone();
                        self.status(now).await?;
                    }
                    change = subscription.next() => { // Cancel-safe per its docs.
                        let Some(change) = change else { break };
                        self.send(StreamMessage::change(&self.name, protocol, change)).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn status(&mut self, status: Arc<Status>) -> Result<(), Unheard> {
        if self.last.as_ref().is_some_and(|last| **last == *status) {
            return Ok(());
        }
        let message = StreamMessage::Status {
            element: self.name.clone(),
            status: Element::new(&self.name, &status, Detail::Full),
        };
        self.last = Some(status);
        self.send(message).await
    }

    async fn send(&self, message: StreamMessage) -> Result<(), Unheard> {
        // Full: this follower waits, and its element's queue takes what comes meanwhile.
        self.tx.send(message).await.map_err(|_| Unheard)
    }
}
