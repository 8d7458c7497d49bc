//! What goes over a ready link: the life of one pair, its tries and its waits, as a value; sends nothing and fires no trigger.
//!
//! ```text
//!            begin             sent (with responses)            answered, bad command
//!   [made] ─────────> Ready ─────────────────────────> Waiting ─────────────────────> Done
//!                       ^  │ sent (no responses)          │ │ deadline: a try is used up
//!                       │  └───────────> Done             │ ├──> Ready (tries left) or Done(TimedOut)
//!                       │        link moved: no try used  │ │
//!                       └─────────────────────────────────┘ └ link down: as a deadline
//! ```

pub mod requests;
pub mod token;

use std::time::{Duration, Instant};

use crate::engine::codec::command::Outgoing;
use crate::language::model::Protocol;
use crate::language::model::id::{ConnectionIx, PairIx, ResponseIx};

/// What the element's settings say about a connection instead of the definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// How long an answer may take; the definition's `TimeoutTime` if none.
    pub timeout: Option<Duration>,
    /// Tries after the first; the definition's `Retries` if none.
    pub retries: Option<u32>,
    /// How long the element may get no answer before it is in timeout; counts for the main connection. The definition's
    /// `TimeoutTimeElement` if none.
    pub element_timeout: Option<Duration>,
    /// The longest message, in bytes; the definition's `bs:Limits maxMessageBytes` if none.
    pub max_message_bytes: Option<usize>,
    /// How many groups may wait for the link; the definition's `bs:Limits sendQueue` if none.
    pub send_queue: Option<usize>,
}

/// A pair that a group is running.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Which pair.
    pub pair: PairIx,
    /// Over which connection.
    pub connection: ConnectionIx,
    /// The message, from the time it was made.
    pub message: Option<Outgoing>,
    /// What a further try sends.
    pub again: Again,
    /// Tries that were sent.
    pub tries: u32,
    /// Tries left after the present one.
    pub retries: u32,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Where it stands.
    pub state: State,
}

/// What a try after the first one sends.
///
/// The raw values of a command are what the element was asked to send when its group ran, and a peer tells a repetition by its
/// equal bytes. A template is what is said at the time of sending: a health message that is repeated must not have the time of
/// the try before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same bytes.
    Same,
    /// The template, filled in anew.
    Anew,
}

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The next try may be sent as soon as the link is ready.
    Ready,
    /// Sent; an answer may come until the deadline.
    Waiting {
        /// When the try has failed.
        deadline: Instant,
    },
    /// Over.
    Done(Ending),
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Sent, and no answer was expected.
    Sent,
    /// An answer came.
    Succeeded,
    /// The answer was `ResponseOnBadCommand`.
    BadCommand,
    /// No try got an answer.
    TimedOut,
    /// It was not sent: the command could not be made, or the link was down and the pair does not wait.
    NotSent,
}

/// What happens to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The message of a try was handed to the link.
    Sent {
        /// The present.
        now: Instant,
        /// Whether the pair has responses.
        answer: Answer,
    },
    /// Time has passed.
    Tick {
        /// The present.
        now: Instant,
    },
    /// One of its responses took a message.
    Response(Received),
    /// The link is gone.
    LinkDown,
    /// The link moves, by our own will.
    LinkMoved,
    /// Nothing can be sent, now or later.
    GiveUp,
}

/// Whether a pair waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has responses.
    Expected,
    /// It has none and is done once it is sent.
    NotExpected,
}

/// What kind of answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// One of the pair's responses.
    Good,
    /// Its `ResponseOnBadCommand`.
    Bad,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do.
    Nothing,
    /// A try got no answer and another one follows.
    TryFailed,
    /// It is over.
    Ended(Ending),
}

impl Exchange {
    /// An exchange before its first try; the pair's own timeout and retries win over the settings, those over the connection's.
    ///
    /// `timeout` is what the action `timeout` has set for the pair, if it has.
    pub fn new(
        protocol: &Protocol,
        pair: PairIx,
        connection: ConnectionIx,
        overrides: Overrides,
        timeout: Option<Duration>,
    ) -> Self {
        let described = protocol.pair(pair);
        let defaults = &protocol.connection(connection).defaults;
        let timeout = timeout.or(described.timeout).or(overrides.timeout).unwrap_or(defaults.timeout);
        let retries = described.retries.or(overrides.retries).unwrap_or(defaults.retries);
        let (again, state) = (Again::Same, State::Ready);
        Self { pair, connection, message: None, again, tries: 0, retries, timeout, state }
    }

    /// Advances the exchange; inputs that do not fit the state change nothing.
    pub fn step(&mut self, input: Input) -> Verdict {
        match (self.state, input) {
            (State::Ready, Input::Sent { answer: Answer::NotExpected, .. }) => self.end(Ending::Sent),
            (State::Ready, Input::Sent { now, answer: Answer::Expected }) => {
                self.tries = self.tries.saturating_add(1);
                self.state = State::Waiting { deadline: now + self.timeout };
                Verdict::Nothing
            }
            (State::Waiting { deadline }, Input::Tick { now }) if deadline <= now => self.fail(),
            (State::Waiting { .. }, Input::LinkDown) => self.fail(),
            (State::Waiting { .. }, Input::Response(Received::Good)) => self.end(Ending::Succeeded),
            (State::Waiting { .. }, Input::Response(Received::Bad)) => self.end(Ending::BadCommand),
            (State::Waiting { .. }, Input::LinkMoved) => {
                self.state = State::Ready;
                Verdict::Nothing
            }
            (State::Ready | State::Waiting { .. }, Input::GiveUp) => self.end(Ending::NotSent),
            (State::Waiting { .. }, Input::Sent { .. } | Input::Tick { .. })
            | (State::Ready, Input::Tick { .. } | Input::Response(_) | Input::LinkDown | Input::LinkMoved)
            | (
                State::Done(_),
                Input::Sent { .. }
                | Input::Tick { .. }
                | Input::Response(_)
                | Input::LinkDown
                | Input::LinkMoved
                | Input::GiveUp,
            ) => Verdict::Nothing,
        }
    }

    /// When the exchange wants a [`Input::Tick`], if at all.
    pub fn wake_at(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { deadline } => Some(deadline),
            State::Ready | State::Done(_) => None,
        }
    }

    /// Whether a try was sent and its answer has not come.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    fn fail(&mut self) -> Verdict {
        match self.retries.checked_sub(1) {
            Some(left) => {
                self.retries = left;
                self.state = State::Ready;
                Verdict::TryFailed
            }
            None => self.end(Ending::TimedOut),
        }
    }

    fn end(&mut self, ending: Ending) -> Verdict {
        self.state = State::Done(ending);
        Verdict::Ended(ending)
    }
}

/// Which kind of answer a response is to a pair; none if it is not one of its responses.
pub fn answer_of(protocol: &Protocol, pair: PairIx, response: ResponseIx) -> Option<Received> {
    let described = protocol.pair(pair);
    if described.responses.contains(&response) {
        Some(Received::Good)
    } else if described.bad_commands.contains(&response) {
        Some(Received::Bad)
    } else {
        None
    }
}
