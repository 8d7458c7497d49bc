//! What the engine asks of its driver, and what it tells people about itself; performs none of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::codec::command::Outgoing;
use crate::engine::logic::script::Failure;
use crate::engine::param::Origin;
use crate::engine::param::change::{Change, Save};
use crate::engine::session::requests::Order;
use crate::language::model::Protocol;
use crate::language::model::id::{ActionIx, ConnectionIx, ParamIx, ScriptIx, TriggerIx};
use crate::language::model::logic::Item;
use crate::value::Value;

/// Something that the driver has to do, in the order in which it is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Hand a message to a ready link.
    Send {
        /// Over which connection.
        connection: ConnectionIx,
        /// The message; a text is UTF-8.
        message: Outgoing,
    },
    /// Send a request of an HTTP session; [`Engine::answered`](super::Engine::answered) takes what became of it.
    Request(Box<Order>),
    /// What [`Engine::prepare`](super::Engine::prepare) asked for is there, or could not be had.
    Prepared {
        /// Whose link may open.
        connection: ConnectionIx,
        /// Whether it is there.
        ready: bool,
    },
    /// A watched parameter was set: tell the link of the connection.
    Watched {
        /// Whose target or handshake is made of the parameter.
        connection: ConnectionIx,
        /// The parameter; its values may be secret.
        param: ParamIx,
        /// The value before.
        old: Value,
        /// The value now; the same as before if a person or a program set it again.
        new: Value,
        /// Who set it.
        origin: Origin,
    },
    /// Something for the store.
    Save(Save),
    /// For the store too: the setting of a parameter that was applied, see
    /// [`Start::remember`](crate::engine::param::startup::Start::remember).
    Remember {
        /// The parameter.
        param: ParamIx,
    },
    /// Something for those who watch the element.
    Change(Change),
    /// The action `open`.
    Open(ConnectionIx),
    /// The action `close`.
    Close(ConnectionIx),
    /// The action `reconnect`.
    Reconnect(ConnectionIx),
    /// The heartbeat pair of a ready link got no answer after its retries: drop the link.
    HeartbeatLost(ConnectionIx),
    /// The element is in timeout, or no longer.
    ElementTimeout {
        /// Whether it is.
        active: bool,
    },
    /// The action `read file`: read it below the configured directory and set the parameter, origin engine.
    ReadFile {
        /// The name that the definition gives; not checked.
        name: Arc<str>,
        /// How many bytes at the start are left out.
        start: u64,
        /// How many bytes are read; all that the driver allows if none.
        bytes: Option<u64>,
        /// Receives the content.
        into: ParamIx,
    },
    /// Something that people should know.
    Report(Report),
    /// A script wrote a line into the element's log. What was a secret then is hidden; whoever tells it hides what is one by then.
    ScriptLog(Box<ScriptLine>),
    /// A script failed. In the texts, what was a secret then is hidden; whoever tells them hides what is one by then.
    ScriptFailed(Box<ScriptFailure>),
}

/// A line that a script wrote into the element's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptLine {
    /// The script.
    pub script: ScriptIx,
    /// How much it matters.
    pub severity: Severity,
    /// What it wrote.
    pub text: String,
    /// How many lines were left out before this one, because there were too many.
    pub suppressed: u64,
}

/// A script that threw or exceeded a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFailure {
    /// The script.
    pub script: ScriptIx,
    /// What went wrong, and where.
    pub failure: Failure,
    /// How many failures of the script were left out before this one.
    pub suppressed: u64,
}

/// How much a report matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For information.
    Note,
    /// The engine went on without something.
    Warning,
    /// Something that the author wrote cannot work.
    Error,
}

/// What kind of thing is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Events that caused each other without end were cut.
    LoopCut,
    /// One input caused more work than is allowed, and the rest was cut.
    WorkCut,
    /// A group found no place in its queue.
    QueueFull,
    /// The groups of a queue put each other there without a pause.
    QueueBusy,
    /// A command could not be made.
    Command,
    /// A value was not taken by its parameter.
    Dropped,
    /// A condition could not be worked out.
    Condition,
    /// A response could not be read.
    Response,
    /// Rows of a message found no place in their table.
    Rows,
    /// An action has nothing to work on, or an operand that it cannot use.
    Action,
    /// Something that is not run yet.
    NotRun,
    /// A timer's period was cut to the longest there is.
    PeriodCut,
    /// A lock that was held for too long was taken away.
    LockReleased,
    /// A pair was not sent because too many wait for the link already.
    LinkQueueFull,
    /// A request of an HTTP session could not be made.
    Request,
    /// An answer has no token, or an odd one.
    Token,
    /// A script asked for something that is not there.
    Script,
    /// A script failed; told beside what it asked for.
    ScriptFailed,
}

/// A part of the definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// Something that triggers can be on.
    Item(Item),
    /// A trigger.
    Trigger(TriggerIx),
    /// An action.
    Action(ActionIx),
    /// A script.
    Script(ScriptIx),
}

impl Site {
    /// The part in words, with the author's number: `trigger 5`.
    pub fn describe(self, protocol: &Protocol) -> String {
        match self {
            Self::Trigger(ix) => format!("trigger {}", protocol.trigger(ix).id),
            Self::Action(ix) => format!("action {}", protocol.action(ix).id),
            Self::Script(ix) => format!("script {}", protocol.script(ix).id),
            Self::Item(Item::Protocol) => "protocol".to_owned(),
            Self::Item(Item::Communication) => "communication".to_owned(),
            Self::Item(Item::Param(ix)) => format!("parameter {}", protocol.param(ix).id),
            Self::Item(Item::Command(ix)) => format!("command {}", protocol.command(ix).id),
            Self::Item(Item::Response(ix)) => format!("response {}", protocol.response(ix).id),
            Self::Item(Item::Pair(ix)) => format!("pair {}", protocol.pair(ix).id),
            Self::Item(Item::Group(ix)) => format!("group {}", protocol.group(ix).id),
            Self::Item(Item::Session(ix)) => format!("session {}", protocol.session(ix).id),
            Self::Item(Item::Timer(ix)) => format!("timer {}", protocol.timer(ix).id),
            Self::Item(Item::Connection(ix)) => format!("connection {}", ix.index()),
        }
    }
}

/// Something that people should know about a running element.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing it is.
    pub code: Code,
    /// One line, understandable alone; holds no value of a parameter.
    pub text: String,
    /// The parts of the definition that it is about, the nearest first.
    pub sites: Vec<Site>,
    /// How many equal reports were left out before this one.
    pub suppressed: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.suppressed > 0 {
            write!(f, " ({} more since the last report)", self.suppressed)?;
        }
        Ok(())
    }
}

/// How often things happened since the start; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that came in.
    pub messages: u64,
    /// Messages that no response took.
    pub unmatched: u64,
    /// Messages that mean nothing, as the definition says.
    pub ignored: u64,
    /// Messages handed to links.
    pub sent: u64,
    /// Tries of pairs that got no answer.
    pub timeouts: u64,
    /// Pairs that were not sent because their link was down.
    pub not_sent: u64,
    /// Requests of HTTP sessions that were sent, every try counted.
    pub requests: u64,
    /// Answers to them that were 4xx, 5xx, or a redirect that is not followed.
    pub refusals: u64,
    /// Cycles of timers that were left out: their groups still waited, or the process was held up.
    pub skipped_cycles: u64,
    /// Groups that found no place in their queue.
    pub queue_full: u64,
    /// Chains of events that were cut.
    pub cuts: u64,
    /// Values that their parameters did not take.
    pub dropped_values: u64,
}

/// How long equal reports are held back after one was given.
///
/// A device that sends a wrong value a thousand times a second must not fill a log.
const QUIET: Duration = Duration::from_secs(60);

/// Lets one report of a kind about a part through in each [`QUIET`], and counts the others.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    // Bound: one entry for each kind and part of the definition.
    last: HashMap<(Code, Option<Site>), (Instant, u64)>,
    /// Everything is let through.
    pub(super) open: bool,
}

impl Throttle {
    /// Whether a report may go out now; if so, how many were held back before it.
    pub(super) fn pass(&mut self, now: Instant, code: Code, site: Option<Site>) -> Option<u64> {
        if self.open {
            return Some(0);
        }
        match self.last.get_mut(&(code, site)) {
            Some((last, suppressed)) if now.saturating_duration_since(*last) < QUIET => {
                *suppressed += 1;
                None
            }
            Some(entry) => {
                let held = entry.1;
                *entry = (now, 0);
                Some(held)
            }
            None => {
                self.last.insert((code, site), (now, 0));
                Some(0)
            }
        }
    }
}
