//! Scenario files (`*.scenario.toml`): what a peer does, what a definition must do, step by step; runs nothing.

pub(super) mod check;
pub mod element;
pub mod fault;
pub(super) mod places;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

pub use self::fault::{FAULTS, Fault};
use self::places::{Part, Places, Wrong};
use crate::language::schema::did_you_mean;
use crate::language::source::Source;
use crate::value::Wall;

/// How the name of a scenario file ends.
pub const SUFFIX: &str = ".scenario.toml";

/// The largest file that is read.
pub const MAX_BYTES: u64 = 4 << 20;

/// The name of the definition where the file names none.
pub const PROTOCOL: &str = "protocol.xml";

/// A problem of a file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; none if it is about the whole file.
    pub line: Option<usize>,
    /// The column in characters, from 1; none if it is about the line.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    /// The place as it stands behind the name of a file: `:3:8`, `:3`, or nothing.
    pub fn place(&self) -> String {
        let part = |number: Option<usize>| number.map(|number| format!(":{number}")).unwrap_or_default();
        format!("{}{}", part(self.line), part(self.column.filter(|_| self.line.is_some())))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place().strip_prefix(':') {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A whole file.
#[derive(Clone, Debug)]
pub struct File {
    /// What it shows, for people.
    pub title: String,
    /// The definition, as a path from the folder of the file; `protocol.xml` if the file names none.
    pub protocol: PathBuf,
    /// The wall time at the start; default 2026-01-01T00:00:00Z.
    pub wall: Wall,
    /// Decides what is left to chance; default 1.
    pub seed: u64,
    /// How long a step waits for what it expects; default 60 s.
    pub within: Duration,
    /// What `[element]` says, as the text of settings: see [`element`].
    pub element: Source,
    /// The peers.
    pub peers: Vec<Peer>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What was read.
    source: Source,
}

/// One simulated peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The host, or `host:port`, that it answers for; none answers for every one that no other peer answers for.
    pub host: Option<String>,
    /// Whether it agrees to permessage-deflate; default yes.
    pub deflate: bool,
    /// The subprotocols that it speaks.
    pub subprotocols: Vec<String>,
    /// What it does; of those that fit the first one counts.
    pub rules: Vec<Rule>,
}

/// What a peer does when something comes: one of `handshake`, `message`, `request` and `every`, and what follows.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The line where it begins, from 1; none for one that is not of the file.
    pub line: Option<usize>,
    /// What it waits for.
    pub when: When,
    /// How often it is followed; then it counts no more.
    pub times: Option<u32>,
    /// How long it waits before it does something.
    pub after: Duration,
    /// What it does.
    pub then: Then,
}

/// What a rule waits for.
#[derive(Clone, Debug)]
pub enum When {
    /// The opening handshake of a link.
    Handshake(Head),
    /// A message on a link.
    Message(Value),
    /// A request of an HTTP session.
    Request(Head, Option<Value>),
    /// Time, while a link is open.
    Every(Duration),
}

/// What a request must be.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The method, such as `PUT`; none is any.
    #[serde(skip)]
    pub method: Option<String>,
    /// Path and query, or a path only, which leaves the query open; a pattern fits one of both; none is any.
    pub path: Option<String>,
    /// Header fields: a text that the value must be, or `false` for one that must not be there.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
}

/// What follows.
#[derive(Clone, Debug, Default)]
pub struct Then {
    /// The status of the answer; default 101 for a handshake, and 200 for a request.
    pub status: Option<u16>,
    /// Headers of the answer.
    pub headers: BTreeMap<String, String>,
    /// The body of an answer to a request.
    pub body: Option<Value>,
    /// Messages on the link, in order.
    pub send: Vec<Value>,
    /// Closes the link with this code.
    pub close: Option<u16>,
    /// Does it wrong.
    pub fault: Option<Fault>,
}

/// One step, and the line where it begins.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place among the steps of the file, from 0.
    pub number: usize,
    /// The line, from 1.
    pub line: usize,
    /// What happens, or must have happened.
    pub act: Act,
    /// How long it is waited for, where it is.
    pub within: Duration,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Lets time pass.
    Wait(Duration),
    /// Sets parameters as a user.
    Set(BTreeMap<String, Value>),
    /// Parameters must have these values.
    Params(BTreeMap<String, Value>),
    /// Tables must have so many rows.
    Rows(BTreeMap<String, usize>),
    /// Connections must be in these states.
    States(BTreeMap<u32, String>),
    /// The element must be in timeout, or not.
    Timeout(bool),
    /// A script must have failed with a text like that, after the failures that earlier steps found.
    ScriptFailed(Value),
    /// A peer must have received a message like that, after those that earlier steps found.
    Received(usize, Value),
    /// A peer must have got an opening handshake like that.
    Handshake(usize, Head),
    /// A peer must have got a request like that, with that body.
    Requested(usize, Head, Option<Value>),
    /// A peer must have seen so many of each since the start.
    Seen(usize, Counts),
    /// A peer sends messages on its open links.
    Send(usize, Vec<Value>),
    /// A peer closes its open links.
    Close(usize, u16),
    /// A peer drops its open links without a close frame.
    Drop(usize),
    /// A peer's open links go wrong.
    Fault(usize, Fault),
    /// A peer cannot be reached any more, or again.
    Reachable(usize, bool),
}

/// What a peer has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Opening handshakes.
    pub handshakes: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
    /// Requests of HTTP sessions.
    pub requests: Option<u64>,
}

impl Act {
    /// Whether it looks at something, so that a scenario can fail by it.
    pub fn checks(&self) -> bool {
        match self {
            Self::Params(_)
            | Self::Rows(_)
            | Self::States(_)
            | Self::Timeout(_)
            | Self::ScriptFailed(_)
            | Self::Received(..)
            | Self::Handshake(..)
            | Self::Requested(..)
            | Self::Seen(..) => true,
            Self::Wait(_)
            | Self::Set(_)
            | Self::Send(..)
            | Self::Close(..)
            | Self::Drop(_)
            | Self::Fault(..)
            | Self::Reachable(..) => false,
        }
    }
}

/// Reads a file.
///
/// # Errors
///
/// The first problem, with its place.
pub fn parse(source: &Source) -> Result<File, Problem> {
    let raw: read::RawFile = toml::from_str(source.text()).map_err(|error| {
        places::problem(source, error.span().map(|span| span.start), clearer(error.message()))
    })?;
    let places = Places::new(source);
    raw.file(&places).map_err(|wrong| places.problem(wrong))
}

/// What serde says of a slip, with the word that was probably meant instead of all that there are.
fn clearer(message: &str) -> String {
    let is_slip = ["unknown field `", "unknown variant `"].iter().any(|begin| message.starts_with(begin));
    let mut words = message.split('`').skip(1).step_by(2);
    match words.next().filter(|_| is_slip).and_then(|written| did_you_mean(written, words)) {
        Some(meant) => {
            let slip = message.split(", expected").next().unwrap_or(message);
            format!("{slip}; did you mean `{meant}`?")
        }
        None => message.to_owned(),
    }
}

impl File {
    /// The path of its definition, for a file at `path`.
    pub fn definition(&self, path: &Path) -> PathBuf {
        path.parent().unwrap_or(Path::new(".")).join(&self.protocol)
    }

    /// What is wrong with a step, with its place.
    pub(super) fn problem(&self, step: &Step, wrong: Wrong) -> Problem {
        let way = [Part::from("step"), Part::Index(step.number)];
        Places::new(&self.source).problem(wrong.below(&way))
    }

    /// Whether it can fail: one whose steps look at nothing holds whatever happens, and shows nothing.
    ///
    /// # Errors
    ///
    /// It cannot, with the line of its last step.
    pub fn must_check(&self) -> Result<(), Problem> {
        if self.steps.iter().any(|step| step.act.checks()) {
            return Ok(());
        }
        let message = match self.steps.is_empty() {
            true => "it has no [[step]], and so it checks nothing",
            false => {
                "no step checks anything, such as `params`, `received` or `seen`: it would hold whatever happens"
            }
        };
        let line = self.steps.last().map_or(1, |step| step.line);
        Err(Problem { line: Some(line), column: None, message: message.to_owned() })
    }
}

#[cfg(test)]
mod tests;
