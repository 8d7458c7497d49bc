//! An HTTP session that a group runs: its exchanges in order, their tries and their ends, as a value; sends nothing.
//!
//! ```text
//!           sent             answered well: the next exchange, or
//!  Ready ─────────> Waiting ────────────────────────────────────> Done(Succeeded)
//!    ^                │ │ answered with 4xx, 5xx: ────────────────> Done(Refused)
//!    └────────────────┘ │
//!  no answer, tries left └ no answer, no tries left: ─────────────> Done(TimedOut)
//! ```

use std::time::Duration;

use crate::engine::codec::http::Meaning;
use crate::engine::session::Overrides;
use crate::engine::target::Credentials;
use crate::engine::target::exchange::HttpRequest;
use crate::language::model::Protocol;
use crate::language::model::id::{ConnectionIx, SessionIx};
use crate::value::Secret;

/// A request for the driver to send; [`Engine::answered`](crate::engine::logic::Engine::answered) takes what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Names it in the answer; new for every try.
    pub id: u64,
    /// Of which session.
    pub session: SessionIx,
    /// Which exchange of it, by position.
    pub exchange: usize,
    /// Over which connection.
    pub connection: ConnectionIx,
    /// The request.
    pub request: HttpRequest,
    /// For everything, redirects and the body included.
    pub timeout: Duration,
    /// Whether redirects are followed.
    pub redirects: Redirects,
    /// Whether the connection may be kept for later requests.
    pub connection_after: After,
    /// `loginMethod="certificate"`: the client certificate of the connection's settings is shown.
    pub certificate: bool,
    /// `proxyServer` of the session: URL or `host:port`, and its credentials.
    pub proxy: Option<(Secret<String>, Option<Credentials>)>,
}

/// What is done with a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// It is followed.
    Follow,
    /// It is the answer (`customRedirect`).
    Leave,
}

/// What becomes of a connection behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is kept for a while: another exchange follows, or the session says `keepAlive`.
    Keep,
    /// The peer is asked to close it: a small device has few.
    Close,
}

/// Where an HTTP session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The present exchange may be sent.
    Ready,
    /// It was sent.
    Waiting {
        /// The id of its [`Order`].
        id: u64,
    },
    /// Over.
    Done(Ending),
}

/// How an HTTP session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every exchange was answered well.
    Succeeded,
    /// An answer was 4xx, 5xx, or a redirect that is not followed.
    Refused {
        /// The element's state is left alone.
        ignored: bool,
    },
    /// An exchange got no answer.
    TimedOut {
        /// The element's state is left alone.
        ignored: bool,
    },
    /// There was no token to ask with.
    WithoutToken,
    /// A request could not be made or sent.
    NotSent,
}

/// What happens to an HTTP session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A request was handed to the driver.
    Sent {
        /// The id of its order.
        id: u64,
    },
    /// An answer came.
    Answered(Meaning),
    /// None came.
    Silence {
        /// Whether the request may be sent again: it does no harm twice, or was never written.
        repeatable: bool,
        /// `ignoreTimeout="true"`.
        ignored: bool,
    },
    /// The condition of the present exchange does not hold: it is left out.
    Skipped,
    /// The token was refused: the request is sent again with another one, once, without costing a try.
    TokenRefused,
    /// There is no token for it.
    WithoutToken,
    /// Nothing can be sent.
    GiveUp,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do.
    Nothing,
    /// The next exchange may be sent.
    Next,
    /// A try got no answer and another one follows.
    TryFailed,
    /// It is over.
    Ended(Ending),
}

/// An HTTP session that a group runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Requests {
    /// Which session.
    pub session: SessionIx,
    /// Over which connection.
    pub connection: ConnectionIx,
    /// The present exchange, by position.
    pub exchange: usize,
    /// One past the last exchange.
    end: usize,
    /// Tries left after the present one, for this exchange.
    retries: u32,
    /// The same at the start of each exchange.
    all_retries: u32,
    /// Which token the last request carried; none if it needed none.
    pub token: Option<u64>,
    /// A refused token was replaced for the present exchange: that is tried once.
    pub renewed: bool,
    /// Where it stands.
    pub state: State,
}

impl Requests {
    /// A session before its first request; `only` is one exchange by position, all of them if none.
    pub fn new(
        protocol: &Protocol,
        session: SessionIx,
        only: Option<u16>,
        connection: ConnectionIx,
        overrides: Overrides,
    ) -> Self {
        let count = protocol.session(session).exchanges.len();
        let (exchange, end) = match only.map(usize::from) {
            Some(only) => (only.min(count), (only + 1).min(count)),
            None => (0, count),
        };
        let all_retries = overrides.retries.unwrap_or(protocol.connection(connection).defaults.retries);
        let state = if exchange < end { State::Ready } else { State::Done(Ending::Succeeded) };
        let (token, renewed) = (None, false);
        Self { session, connection, exchange, end, retries: all_retries, all_retries, token, renewed, state }
    }

    /// Whether the present exchange is the last one.
    pub fn is_last(&self) -> bool {
        self.exchange + 1 >= self.end
    }

    /// Advances the session; inputs that do not fit the state change nothing.
    pub fn step(&mut self, input: Input) -> Verdict {
        match (self.state, input) {
            (State::Ready, Input::Sent { id }) => {
                self.state = State::Waiting { id };
                Verdict::Nothing
            }
            (State::Waiting { .. }, Input::Answered(Meaning::Good)) | (State::Ready, Input::Skipped)
                if self.exchange + 1 < self.end =>
            {
                self.exchange += 1;
                self.renewed = false;
                self.retries = self.all_retries;
                self.state = State::Ready;
                Verdict::Next
            }
            (State::Waiting { .. }, Input::Answered(Meaning::Good)) | (State::Ready, Input::Skipped) => {
                self.ended(Ending::Succeeded)
            }
            (State::Waiting { .. }, Input::Answered(Meaning::Bad { ignored })) => {
                self.ended(Ending::Refused { ignored })
            }
            (State::Waiting { .. }, Input::Silence { repeatable, ignored }) => {
                match self.retries.checked_sub(1).filter(|_| repeatable) {
                    Some(left) => {
                        self.retries = left;
                        self.state = State::Ready;
                        Verdict::TryFailed
                    }
                    None => self.ended(Ending::TimedOut { ignored }),
                }
            }
            (State::Waiting { .. }, Input::TokenRefused) => {
                self.renewed = true;
                self.state = State::Ready;
                Verdict::Nothing
            }
            (State::Ready, Input::WithoutToken) => self.ended(Ending::WithoutToken),
            (State::Ready | State::Waiting { .. }, Input::GiveUp) => self.ended(Ending::NotSent),
            (State::Ready, Input::Answered(_) | Input::Silence { .. } | Input::TokenRefused)
            | (State::Waiting { .. }, Input::Sent { .. } | Input::Skipped | Input::WithoutToken)
            | (
                State::Done(_),
                Input::Sent { .. }
                | Input::Answered(_)
                | Input::Silence { .. }
                | Input::Skipped
                | Input::TokenRefused
                | Input::WithoutToken
                | Input::GiveUp,
            ) => Verdict::Nothing,
        }
    }

    fn ended(&mut self, ending: Ending) -> Verdict {
        self.state = State::Done(ending);
        Verdict::Ended(ending)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::language::model::build::{self, Build};
    use crate::language::model::connection::Source;

    const WELL: Input = Input::Answered(Meaning::Good);
    const SILENCE: Input = Input::Silence { repeatable: true, ignored: false };

    fn requests(exchanges: usize, only: Option<u16>, retries: u32) -> Requests {
        let mut build = Build::new();
        let all = (0..exchanges).map(|_| build::exchange(Source::Literal("/".into()))).collect();
        let session = build.session(all, |_| {});
        let connection = build.connection(|connection| connection.defaults.retries = retries);
        Requests::new(&build.done(), session, only, connection, Overrides::default())
    }

    #[test]
    fn exchanges_go_in_order_and_each_has_its_own_tries() {
        let mut session = requests(2, None, 1);
        let mut verdicts = Vec::new();
        let inputs = [SILENCE, WELL, SILENCE, SILENCE];
        for (id, input) in (1_u64..).zip(inputs) {
            assert_eq!(session.step(Input::Sent { id }), Verdict::Nothing);
            verdicts.push((session.step(input), session.exchange));
        }
        let timed_out = Verdict::Ended(Ending::TimedOut { ignored: false });
        assert_eq!(
            verdicts,
            [(Verdict::TryFailed, 0), (Verdict::Next, 1), (Verdict::TryFailed, 1), (timed_out, 1)]
        );
    }

    #[test]
    fn what_must_not_be_repeated_ends_the_session_at_once() {
        let mut session = requests(1, None, 5);
        session.step(Input::Sent { id: 1 });
        let silence = Input::Silence { repeatable: false, ignored: true };
        assert_eq!(session.step(silence), Verdict::Ended(Ending::TimedOut { ignored: true }));
    }

    #[test]
    fn a_group_may_ask_for_one_exchange_alone() {
        let mut session = requests(3, Some(1), 0);
        assert_eq!(session.exchange, 1);
        session.step(Input::Sent { id: 1 });
        assert_eq!(session.step(WELL), Verdict::Ended(Ending::Succeeded));
        assert_eq!(requests(1, Some(7), 0).state, State::Done(Ending::Succeeded));
        assert_eq!(requests(0, None, 0).state, State::Done(Ending::Succeeded));
    }

    proptest! {
        #[test]
        fn every_session_ends_and_stays_ended(
            exchanges in 1_usize..4,
            retries in 0_u32..4,
            inputs in prop::collection::vec(0_u8..5, 40),
        ) {
            let mut session = requests(exchanges, None, retries);
            let mut ended = None;
            let mut sent = 0_usize;
            for (id, input) in (0_u64..).zip(inputs) {
                let input = match input {
                    0 => WELL,
                    1 => SILENCE,
                    2 => Input::Silence { repeatable: false, ignored: false },
                    3 => Input::Answered(Meaning::Bad { ignored: false }),
                    _ => Input::GiveUp,
                };
                if session.state == State::Ready {
                    session.step(Input::Sent { id });
                    sent += 1;
                }
                let verdict = session.step(input);
                match ended {
                    Some(ending) => {
                        prop_assert_eq!(verdict, Verdict::Nothing);
                        prop_assert_eq!(session.state, State::Done(ending));
                    }
                    None => if let Verdict::Ended(ending) = verdict { ended = Some(ending); },
                }
            }
            prop_assert!(ended.is_some());
            prop_assert!(sent <= exchanges * (retries as usize + 1));
        }
    }
}
