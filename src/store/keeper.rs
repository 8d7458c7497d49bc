//! The task that owns the file: it gathers work into transactions, retries a store that failed, sets a damaged one aside; reads no setting.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::store::database::{Database, DatabaseError, Work};
use crate::store::{Command, Health, Loaded, Reply, StoreError, StoreStatus};
use crate::tasks::blocking;
use crate::value::Wall;

/// The least time between two transactions that write: a flood of saves costs 20 syncs of the disk a second, not one each.
///
/// A save that comes alone does not wait.
pub(super) const PACE: Duration = Duration::from_millis(50);

/// The first wait before a store that failed is tried again; it doubles up to `LAST_RETRY`.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest wait before a store that failed is tried again.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// The owner of the file.
pub(super) struct Keeper {
    folder: PathBuf,
    started: (Instant, Wall),
    database: Option<Database>,
    /// When a store that failed is tried again; `None` while it works.
    retry_at: Option<Instant>,
    retry_wait: Duration,
    publish: watch::Sender<StoreStatus>,
    waiting: Arc<AtomicUsize>,
    /// When the next transaction may start.
    not_before: Option<Instant>,
}

/// Sleeps until a time; for ever without one.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Keeper {
    pub(super) fn new(
        folder: PathBuf,
        started: Wall,
        publish: watch::Sender<StoreStatus>,
        waiting: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            folder,
            started: (Instant::now(), started),
            database: None,
            retry_at: None,
            retry_wait: FIRST_RETRY,
            publish,
            waiting,
            not_before: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut queue: mpsc::Receiver<Command>,
        most: usize,
        stop: CancellationToken,
    ) {
        self.open().await;
        let mut batch = Vec::new();
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => { // Cancel-safe: no state.
                    // What is already in the queue is still written, at once; then `recv_many` gives nothing.
                    stopping = true;
                    self.not_before = None;
                    queue.close();
                }
                () = until(self.retry_at), if !stopping => self.open().await, // Cancel-safe: made anew each turn.
                () = until(self.not_before), if self.not_before.is_some() => self.not_before = None, // Likewise.
                // Cancel-safe per tokio's docs.
                received = queue.recv_many(&mut batch, most), if self.not_before.is_none() => {
                    if received == 0 {
                        break;
                    }
                    let bytes: usize = batch.iter().map(|command| command.work.bytes()).sum();
                    self.perform(std::mem::take(&mut batch)).await;
                    self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                    self.not_before = Some(Instant::now() + PACE).filter(|_| bytes > 0 && !stopping);
                }
            }
        }
        let database = self.database.take();
        // Closing writes the log back into the file.
        drop(blocking(move || drop(database)).await);
        self.publish.send_modify(|status| status.health = Health::Stopped);
    }

    async fn open(&mut self) {
        let (folder, seconds) = (self.folder.clone(), self.seconds());
        let opened = blocking(move || match Database::open(&folder) {
            Err(DatabaseError::Damaged { .. }) => {
                let aside = Database::set_aside(&folder, seconds)?;
                Database::open(&folder).map(|database| (database, Some(aside)))
            }
            Err(error) => Err(error),
            Ok(database) => Ok((database, None)),
        });
        match opened.await {
            Ok(Ok((database, aside))) => {
                self.database = Some(database);
                self.retry_at = None;
                self.retry_wait = FIRST_RETRY;
                if let Some(aside) = &aside {
                    tracing::error!(path = %aside.display(), "the store was damaged; set aside, a new one started");
                }
                let mut was_down = false;
                self.publish.send_modify(|status| {
                    was_down = matches!(status.health, Health::Down(_));
                    status.health = Health::Ready;
                    status.set_aside = aside.or(status.set_aside.take());
                });
                if was_down {
                    tracing::info!("the store is back");
                }
            }
            Ok(Err(error)) => self.down(chain(&error)),
            Err(ended) => self.down(format!("opening the store ended: {ended:?}")),
        }
    }

    async fn perform(&mut self, batch: Vec<Command>) {
        let (work, replies): (Vec<Work>, Vec<Reply>) =
            batch.into_iter().map(|command| (command.work, command.reply)).unzip();
        let Some(database) = self.database.take() else {
            self.perform_without(work, replies).await;
            return;
        };
        let (work, outcome) = match transact(database, work).await {
            Ok((database, work, outcome)) => {
                self.database = Some(database);
                (work, outcome)
            }
            Err(reason) => {
                self.down(reason);
                self.refuse(replies);
                return;
            }
        };
        let outcome = match outcome {
            Err(DatabaseError::Damaged { .. }) => self.perform_anew(work).await,
            outcome => outcome,
        };
        match outcome {
            Ok(loaded) => {
                self.publish.send_modify(|status| status.commits += 1);
                answer(replies, loaded);
            }
            Err(error) => {
                // Closed, so that opening it again, with a write of its own, is the test whether it works.
                let database = self.database.take();
                drop(blocking(move || drop(database)).await);
                self.down(chain(&error));
                self.refuse(replies);
            }
        }
    }

    /// The store is down: what was saved can often still be read, and nothing can be written.
    async fn perform_without(&mut self, work: Vec<Work>, replies: Vec<Reply>) {
        let (mut elements, mut loads, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for (work, reply) in work.into_iter().zip(replies) {
            match work {
                Work::Load { element } => {
                    elements.push(element);
                    loads.push(reply);
                }
                Work::Save { .. } => rest.push(reply),
            }
        }
        self.refuse(rest);
        if loads.is_empty() {
            return;
        }
        let folder = self.folder.clone();
        match blocking(move || Database::read_only(&folder, &elements)).await {
            Ok(Ok(loaded)) => answer(loads, loaded),
            Ok(Err(error)) => {
                tracing::debug!(error = %chain(&error), "saved values cannot be read either");
                self.refuse(loads);
            }
            Err(_) => self.refuse(loads),
        }
    }

    /// The file turned out to be damaged: the work is done in a new one.
    async fn perform_anew(&mut self, work: Vec<Work>) -> Result<Vec<Loaded>, DatabaseError> {
        let damaged = || DatabaseError::Damaged { path: self.folder.clone() };
        let error = damaged();
        let database = self.database.take();
        drop(blocking(move || drop(database)).await);
        let (folder, seconds) = (self.folder.clone(), self.seconds());
        match blocking(move || Database::set_aside(&folder, seconds)).await {
            Ok(Ok(aside)) => {
                tracing::error!(path = %aside.display(), "the store was damaged; set aside, a new one started");
                self.publish.send_modify(|status| status.set_aside = Some(aside));
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(error),
        }
        self.open().await;
        match self.database.take() {
            Some(database) => match transact(database, work).await {
                Ok((database, _, outcome)) => {
                    self.database = Some(database);
                    outcome
                }
                Err(_) => Err(error),
            },
            None => Err(error),
        }
    }

    fn down(&mut self, reason: String) {
        tracing::warn!(%reason, retry_in = ?self.retry_wait, "the store is down; links go on without it");
        self.retry_at = Some(Instant::now() + self.retry_wait);
        self.retry_wait = (self.retry_wait * 2).min(LAST_RETRY);
        self.publish.send_modify(|status| status.health = Health::Down(reason.into()));
    }

    fn refuse(&mut self, replies: Vec<Reply>) {
        let reason = match &self.publish.borrow().health {
            Health::Down(reason) => reason.clone(),
            Health::Opening | Health::Ready | Health::Stopped => Arc::from("not open"),
        };
        if replies.is_empty() {
            return;
        }
        self.publish.send_modify(|status| status.refused += replies.len() as u64);
        for reply in replies {
            reply.refuse(StoreError::Down(reason.clone()));
        }
    }

    /// Wall time in seconds, for the names of files that are set aside.
    fn seconds(&self) -> u64 {
        let (instant, wall) = self.started;
        wall.after(instant.elapsed()).0 / 1_000_000_000
    }
}

type Outcome = (Database, Vec<Work>, Result<Vec<Loaded>, DatabaseError>);

async fn transact(mut database: Database, work: Vec<Work>) -> Result<Outcome, String> {
    let run = move || {
        let outcome = database.perform(&work);
        (database, work, outcome)
    };
    blocking(run).await.map_err(|ended| format!("writing ended: {ended:?}"))
}

fn answer(replies: Vec<Reply>, loaded: Vec<Loaded>) {
    let mut loaded = loaded.into_iter();
    for reply in replies {
        // A caller that has gone away does not want the answer.
        match reply {
            Reply::Ack(reply) => drop(reply.send(Ok(()))),
            Reply::Load(reply) => drop(reply.send(Ok(loaded.next().unwrap_or_default()))),
        }
    }
}

/// An error with its causes, each once, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
