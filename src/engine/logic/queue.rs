//! The group execution queue: who waits where; runs no group.
//!
//! ```text
//! front                                                                        end
//!   execute next | ... execute ...                  | timers, add to execute
//!   (last first)   (after all but the last part)      (in the order of coming)
//! ```
//! `force execute` waits in a list of its own and goes between the items of the running group.

use std::collections::VecDeque;
use std::time::Instant;

use crate::engine::codec::command::Outgoing;
use crate::engine::session::requests::{self, Requests};
use crate::engine::session::{Ending, Exchange};
use crate::language::model::id::{CommandIx, ConnectionIx, GroupIx, TimerIx};
use crate::language::model::logic::GroupOp;

/// How many groups wait and run in one queue, and how many more wait for the link of each connection.
///
/// Definitions queue dozens; a thousand means that groups come faster than they run, and more would only be older.
/// Those that wait for a link have places of their own: a connection that is down takes none from one that works. When its
/// link is ready they all go back into the queue, which takes no other group until they have run.
pub const MAX_QUEUED: usize = 1_024;

/// How deep groups that force each other nest.
const MAX_FORCED_DEPTH: usize = 32;

/// A group in a queue.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Tells entries of the same group apart.
    pub(super) serial: u64,
    /// The group.
    pub(super) group: GroupIx,
    /// Which part of the queue it belongs to.
    pub(super) part: Part,
    /// The timer that put it there, and its position in the timer's list.
    pub(super) timer: Option<(TimerIx, usize)>,
    /// What was made when it was queued, under `MakeCommandByProtocol`.
    pub(super) made: Vec<(CommandIx, Option<Outgoing>)>,
    /// Set for a group that went on waiting for its connection: where it goes on.
    pub(super) resume: Option<Box<Resume>>,
}

/// A group that had started when its link was not ready, or its peer wanted to be left alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resume {
    pub(super) item: usize,
    pub(super) phase: Phase,
    pub(super) answers: Answers,
}

/// What became of the pairs and HTTP sessions of a running group so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// None has ended yet.
    Nothing,
    /// All were sent, and those that expect an answer got it.
    Well,
    /// One was not sent, or its command was refused by the peer.
    Lacking,
    /// One got no answer.
    TimedOut,
}

impl Answers {
    /// With one more HTTP session.
    pub(super) fn and_session(self, ending: requests::Ending) -> Self {
        self.and(match ending {
            requests::Ending::Succeeded => Ending::Succeeded,
            requests::Ending::Refused { .. }
            | requests::Ending::TimedOut { .. }
            | requests::Ending::WithoutToken => Ending::TimedOut,
            requests::Ending::NotSent => Ending::NotSent,
        })
    }

    /// With one more pair.
    pub(super) fn and(self, ending: Ending) -> Self {
        match (self, ending) {
            (Self::TimedOut, _) | (_, Ending::TimedOut) => Self::TimedOut,
            (Self::Lacking, _) | (_, Ending::BadCommand | Ending::NotSent) => Self::Lacking,
            (Self::Nothing | Self::Well, Ending::Sent | Ending::Succeeded) => Self::Well,
        }
    }
}

/// A part of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `execute next`, `execute`, `force execute`.
    High,
    /// Timers and `add to execute`.
    Low,
}

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It waits there already, and the action says that once is enough.
    Queued,
    /// There is no place left.
    Full,
}

/// Where a running group stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// Before its `before` triggers.
    Begin,
    /// Before the item `Run::item`.
    Item,
    /// In an exchange: its `before` triggers have run.
    Exchange(Exchange, Stage),
    /// In an HTTP session: its `before` triggers have run.
    Requests(Requests),
    /// After the last item.
    End,
    /// Its `after` triggers have run.
    Over,
}

/// Where an exchange of a running group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The triggers before the pair are next.
    Before,
    /// The command is made.
    Make,
    /// The triggers before the command have run.
    Made,
    /// The message goes out, or the answer is awaited.
    Send,
}

/// A running group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) entry: Entry,
    pub(super) connection: ConnectionIx,
    /// The next item.
    pub(super) item: usize,
    pub(super) phase: Phase,
    /// `stop current group`: ends after its present item.
    pub(super) stop: bool,
    pub(super) answers: Answers,
}

/// One group execution queue.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Entry>,
    /// With the number of runs below it: it runs between the items of the run that is last then.
    forced: VecDeque<(usize, Entry)>,
    /// The running group and those that were forced between its items; the last one runs.
    pub(super) runs: Vec<Run>,
    /// Groups whose link is not ready, by the order of waiting.
    // Bound: `MAX_QUEUED` for each connection.
    parked: Vec<(ConnectionIx, Entry)>,
    /// Nothing runs before: `next`, `Interval`, `sleep`.
    pub(super) pause: Option<Instant>,
}

/// Empty, with room for what most queues hold at a time: one group that waits and one that runs.
impl Default for Queue {
    fn default() -> Self {
        Queue {
            waiting: VecDeque::with_capacity(1),
            forced: VecDeque::new(),
            runs: Vec::with_capacity(1),
            parked: Vec::new(),
            pause: None,
        }
    }
}

impl Queue {
    /// Puts a group where an action says.
    pub(super) fn place(&mut self, mut entry: Entry, op: GroupOp) -> Result<(), Refused> {
        let once = match op {
            GroupOp::ExecuteOne | GroupOp::ExecuteOneTop | GroupOp::ExecuteOneNow => true,
            GroupOp::AddToExecute | GroupOp::Execute | GroupOp::ExecuteNext | GroupOp::ForceExecute => false,
        };
        if once && self.has(entry.group) {
            return Err(Refused::Queued);
        }
        if self.is_full() {
            return Err(Refused::Full);
        }
        entry.part = match op {
            GroupOp::AddToExecute | GroupOp::ExecuteOne => Part::Low,
            GroupOp::Execute
            | GroupOp::ExecuteNext
            | GroupOp::ExecuteOneTop
            | GroupOp::ForceExecute
            | GroupOp::ExecuteOneNow => Part::High,
        };
        match op {
            GroupOp::AddToExecute | GroupOp::ExecuteOne => self.waiting.push_back(entry),
            GroupOp::Execute | GroupOp::ExecuteOneNow => self.insert_high(entry),
            GroupOp::ExecuteNext | GroupOp::ExecuteOneTop => self.waiting.push_front(entry),
            GroupOp::ForceExecute => {
                self.forced.push_back((self.runs.len().min(MAX_FORCED_DEPTH), entry));
            }
        }
        Ok(())
    }

    /// Puts a group of a timer at the end, unless it waits already.
    pub(super) fn place_timed(&mut self, entry: Entry) -> Result<(), Refused> {
        if self.has(entry.group) {
            return Err(Refused::Queued);
        }
        if self.is_full() {
            return Err(Refused::Full);
        }
        self.waiting.push_back(entry);
        Ok(())
    }

    /// Whether a group waits; a running one does not.
    pub(super) fn has(&self, group: GroupIx) -> bool {
        self.all_waiting().any(|entry| entry.group == group)
    }

    /// Whether a group that a timer put there waits.
    pub(super) fn has_of_timer(&self, timer: TimerIx) -> bool {
        self.all_waiting().any(|entry| entry.timer.is_some_and(|(of, _)| of == timer))
    }

    /// How many groups wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.forced.len() + self.parked.len()
    }

    /// Whether there is no place for one more.
    fn is_full(&self) -> bool {
        self.waiting.len() + self.forced.len() + self.runs.len() >= MAX_QUEUED
    }

    /// Whether neither waits nor runs anything.
    pub(super) fn is_idle(&self) -> bool {
        self.runs.is_empty() && self.len() == 0
    }

    /// Whether anything could run now if nothing held it back.
    pub(super) fn has_work(&self) -> bool {
        !self.runs.is_empty() || !self.waiting.is_empty() || !self.forced.is_empty()
    }

    /// Takes the forced group that goes between the items of the present run, or ahead of all if none runs.
    pub(super) fn take_forced(&mut self) -> Option<Entry> {
        let depth = self.runs.len();
        let at = self.forced.iter().position(|(level, _)| *level >= depth)?;
        self.forced.remove(at).map(|(_, entry)| entry)
    }

    /// The next group.
    pub(super) fn front(&self) -> Option<&Entry> {
        self.waiting.front()
    }

    /// Takes the next group.
    pub(super) fn take_front(&mut self) -> Option<Entry> {
        self.waiting.pop_front()
    }

    /// Lets a group wait for a connection; gives it back if `limit` groups wait for that one already.
    pub(super) fn park(&mut self, connection: ConnectionIx, entry: Entry, limit: usize) -> Result<(), Entry> {
        let waiting = self.parked.iter().filter(|(of, _)| *of == connection).count();
        if waiting >= limit.min(MAX_QUEUED) {
            return Err(entry);
        }
        self.parked.push((connection, entry));
        Ok(())
    }

    /// A connection can carry again: its groups go where `execute` would put them, in their order.
    pub(super) fn unpark(&mut self, connection: ConnectionIx) {
        let mut left = Vec::new();
        for (of, mut entry) in std::mem::take(&mut self.parked) {
            if of == connection {
                entry.part = Part::High;
                self.insert_high(entry);
            } else {
                left.push((of, entry));
            }
        }
        self.parked = left;
    }

    /// Takes away what waits and fits, and gives it back.
    pub(super) fn remove(&mut self, fits: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut removed = Vec::new();
        let mut keep = |entry: &Entry| {
            let gone = fits(entry);
            if gone {
                removed.push(entry.clone());
            }
            !gone
        };
        self.waiting.retain(&mut keep);
        self.forced.retain(|(_, entry)| keep(entry));
        self.parked.retain(|(_, entry)| keep(entry));
        removed
    }

    /// An entry wherever it is, waiting or running.
    pub(super) fn entry_mut(&mut self, serial: u64) -> Option<&mut Entry> {
        let waiting = self.waiting.iter_mut().chain(self.forced.iter_mut().map(|(_, entry)| entry));
        let parked = self.parked.iter_mut().map(|(_, entry)| entry);
        let running = self.runs.iter_mut().map(|run| &mut run.entry);
        waiting.chain(parked).chain(running).find(|entry| entry.serial == serial)
    }

    /// Gives the memory of an empty queue back.
    pub(super) fn trim(&mut self) {
        if self.is_idle() && self.waiting.capacity() > 8 {
            self.waiting = VecDeque::new();
            self.forced = VecDeque::new();
            self.parked = Vec::new();
        }
    }

    fn insert_high(&mut self, entry: Entry) {
        let at = self.waiting.iter().rposition(|other| other.part == Part::High).map_or(0, |at| at + 1);
        self.waiting.insert(at, entry);
    }

    fn all_waiting(&self) -> impl Iterator<Item = &Entry> {
        let forced = self.forced.iter().map(|(_, entry)| entry);
        self.waiting.iter().chain(forced).chain(self.parked.iter().map(|(_, entry)| entry))
    }
}
