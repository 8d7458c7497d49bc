//! Saved values that survive the process, in SQLite below `data_dir`; decides nothing about which value wins.
//!
//! One task owns the file. Callers hand it work through a bounded queue and get a future for the acknowledgement; what has
//! gathered meanwhile goes into one transaction, so that many acknowledgements share one sync of the disk.
//! A store that cannot be used never stops anything else: work is answered with the reason, and the file is tried again with a
//! growing wait. A damaged file is set aside and a new one started.

mod database;
mod keeper;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ring::hmac;
use tokio::sync::{mpsc, oneshot, watch};

use crate::store::database::Work;
use crate::store::keeper::Keeper;
use crate::tasks::Tasks;
use crate::value::{Secret, Value, Wall};

/// How much may wait for the disk.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Pieces of work; a save beyond is refused, because its caller must not wait for a slow disk.
    queue: usize,
    /// Bytes of values in them; a lone larger save is taken.
    bytes: usize,
    /// Pieces in one transaction; bounds how long an acknowledgement waits for those behind it.
    batch: usize,
}

const BOUNDS: Bounds = Bounds { queue: 65_536, bytes: 64 * 1024 * 1024, batch: 4_096 };

/// Where a saved value belongs within an element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The parameter's id, or the column's.
    pub param: u32,
    /// The row's primary key; `None` for a standalone parameter.
    pub row: Option<Arc<str>>,
}

/// One change of what is saved.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Saves a value with its type: of a parameter also an empty one; an empty cell is deleted.
    Set {
        /// Of what.
        cell: Cell,
        /// The value.
        value: Value,
    },
    /// Deletes a parameter's value, or all cells of a column.
    Clear {
        /// Of which parameter or column.
        param: u32,
    },
    /// Notes which setting was applied to a parameter; only a keyed hash of it is kept.
    Applied {
        /// To which parameter.
        param: u32,
        /// The resolved value of the setting.
        value: Secret<Value>,
    },
}

impl Write {
    /// Saves the value of a standalone parameter.
    pub fn param(param: u32, value: Value) -> Self {
        Self::Set { cell: Cell { param, row: None }, value }
    }

    /// Saves a cell of a table.
    pub fn cell(column: u32, row: impl Into<Arc<str>>, value: Value) -> Self {
        Self::Set { cell: Cell { param: column, row: Some(row.into()) }, value }
    }
}

/// How a setting compares with the one that was last applied to its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// None was ever applied.
    Never,
    /// It is the same.
    Same,
    /// It is another one: the setting wins over what was saved.
    Differs,
}

/// All that is saved for one element.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values, standalone parameters first, by parameter and row.
    pub values: Vec<(Cell, Value)>,
    element: Arc<str>,
    applied: HashMap<u32, Vec<u8>>,
    key: Arc<Secret<hmac::Key>>,
}

impl Default for Loaded {
    /// Nothing saved, nothing applied: what an element starts with when there is no store.
    fn default() -> Self {
        Self {
            values: Vec::new(),
            element: Arc::from(""),
            applied: HashMap::new(),
            key: Arc::new(Secret::new(hmac::Key::new(hmac::HMAC_SHA256, &[]))),
        }
    }
}

/// Why something was not saved or loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be used at present; the text says why, its causes included.
    #[error("the store is down: {0}")]
    Down(Arc<str>),
    /// More work waits than is allowed: the disk is too slow for what is saved.
    #[error("the store is too slow for what is saved: its queue is full")]
    Full,
    /// The store has been stopped.
    #[error("the store has stopped")]
    Stopped,
}

/// Whether the store works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The file is being opened for the first time.
    Opening,
    /// Saves are acknowledged.
    Ready,
    /// Saves are refused for this reason; the store is tried again by itself.
    Down(Arc<str>),
    /// The store has been closed in order.
    Stopped,
}

/// What the API shows of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStatus {
    /// Whether it works.
    pub health: Health,
    /// Where the last damaged file was put.
    pub set_aside: Option<PathBuf>,
    /// Transactions written since the start.
    pub commits: u64,
    /// Pieces of work that were answered with an error since the start.
    pub refused: u64,
}

/// The acknowledgement of a save: `Ok` once it is on the disk.
///
/// # Cancel safety
///
/// Dropping it does not take the save back.
pub type Ack = oneshot::Receiver<Result<(), StoreError>>;

#[derive(Debug)]
enum Reply {
    Ack(oneshot::Sender<Result<(), StoreError>>),
    Load(oneshot::Sender<Result<Loaded, StoreError>>),
}

#[derive(Debug)]
struct Command {
    work: Work,
    reply: Reply,
}

/// A handle on the store; clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Store {
    // Full: a save is refused at once with `StoreError::Full`, a load waits.
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<StoreStatus>,
    /// Bytes of values that wait.
    waiting: Arc<AtomicUsize>,
    most_bytes: usize,
}

impl Store {
    /// Starts the task that owns the file below `data_dir`; returns at once.
    ///
    /// Stop `tasks` after those that save: what was handed over before the stop is still written.
    /// `started` is the wall time of now; it names files that are set aside.
    pub fn start(tasks: &mut Tasks, data_dir: &Path, started: Wall) -> Self {
        Self::start_within(BOUNDS, tasks, data_dir, started)
    }

    fn start_within(bounds: Bounds, tasks: &mut Tasks, data_dir: &Path, started: Wall) -> Self {
        let (commands, queue) = mpsc::channel(bounds.queue);
        let waiting = Arc::new(AtomicUsize::new(0));
        let status = StoreStatus { health: Health::Opening, set_aside: None, commits: 0, refused: 0 };
        let (publish, status) = watch::channel(status);
        let keeper = Keeper::new(data_dir.to_owned(), started, publish, waiting.clone());
        tasks.spawn("store", |stop| keeper.run(queue, bounds.batch, stop));
        Self { commands, status, waiting, most_bytes: bounds.bytes }
    }

    /// Hands over changes, which are written together or not at all, in the order of the calls.
    ///
    /// The acknowledgement never waits for longer than the disk does; await it with [`acknowledged`].
    pub fn save(&self, element: &Arc<str>, writes: Vec<Write>) -> Ack {
        let (reply, ack) = oneshot::channel();
        self.send(Command {
            work: Work::Save { element: element.clone(), writes },
            reply: Reply::Ack(reply),
        });
        ack
    }

    /// Reads everything of an element, after all that was handed over before; waits for its turn.
    ///
    /// # Errors
    ///
    /// Why the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: reading changes nothing.
    pub async fn load(&self, element: &Arc<str>) -> Result<Loaded, StoreError> {
        let (reply, loaded) = oneshot::channel();
        let command = Command { work: Work::Load { element: element.clone() }, reply: Reply::Load(reply) };
        if self.commands.send(command).await.is_err() {
            return Err(StoreError::Stopped);
        }
        loaded.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// Whether the store works, and its counters; changes can be waited for.
    pub fn status(&self) -> watch::Receiver<StoreStatus> {
        self.status.clone()
    }

    fn send(&self, command: Command) {
        let bytes = command.work.bytes();
        let waiting = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let refused = if waiting > 0 && waiting + bytes > self.most_bytes {
            Some((command, StoreError::Full))
        } else {
            match self.commands.try_send(command) {
                Ok(()) => None,
                Err(mpsc::error::TrySendError::Full(command)) => Some((command, StoreError::Full)),
                Err(mpsc::error::TrySendError::Closed(command)) => Some((command, StoreError::Stopped)),
            }
        };
        if let Some((command, error)) = refused {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            command.reply.refuse(error);
        }
    }
}

/// Waits until a save is on the disk.
///
/// # Errors
///
/// Why it is not.
///
/// # Cancel safety
///
/// Dropping the future does not take the save back.
pub async fn acknowledged(ack: Ack) -> Result<(), StoreError> {
    ack.await.unwrap_or(Err(StoreError::Stopped))
}

impl Work {
    /// What the work weighs in the queue; nothing if it writes nothing.
    fn bytes(&self) -> usize {
        let weight = |write: &Write| match write {
            Write::Set { cell, value } => 64 + cell.row.as_ref().map_or(0, |row| row.len()) + length(value),
            Write::Clear { .. } => 64,
            Write::Applied { value, .. } => 64 + length(value.expose()),
        };
        match self {
            Self::Save { writes, .. } => 64 + writes.iter().map(weight).sum::<usize>(),
            Self::Load { .. } => 0,
        }
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::Empty | Value::Number(_) => 8,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}

impl Reply {
    fn refuse(self, error: StoreError) {
        // A caller that has gone away does not want the answer.
        match self {
            Self::Ack(reply) => drop(reply.send(Err(error))),
            Self::Load(reply) => drop(reply.send(Err(error))),
        }
    }
}
