//! Runs one HTTP session of a group: its requests, their answers and what follows its end; sends by effects only.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::codec::condition;
use crate::engine::codec::handshake::{self, Address, Answer};
use crate::engine::codec::http::{self, Meaning, RequestFault};
use crate::engine::codec::response;
use crate::engine::logic::effect::{Code, Effect, Severity, Site};
use crate::engine::logic::queue::{Phase, Run};
use crate::engine::logic::state::Chain;
use crate::engine::logic::token::Permit;
use crate::engine::logic::trace::{Ran, Step};
use crate::engine::logic::{Engine, Life, limits};
use crate::engine::session::requests::{After, Ending, Input, Order, Redirects, Requests, State, Verdict};
use crate::engine::session::token::TokenState;
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::{ConnectionIx, SessionIx};
use crate::language::model::logic::{Item, Time};
use crate::value::Context;

/// The longest `Retry-After` that is waited for; a longer one is cut to that.
pub const MAX_HOLD: Duration = Duration::from_secs(300);

/// How long a connection is left alone after a session that got no answer, or could not be sent: a group that puts itself
/// back into its queue must not ask a dead device as fast as it fails.
pub const PAUSE_AFTER_SILENCE: Duration = Duration::from_millis(250);

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// An answer came.
    Answer {
        /// Its status.
        status: u16,
        /// Its head and body.
        answer: Answer<'a>,
        /// When the peer wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// No answer came.
    Silence {
        /// Whether any byte of the request may have reached the peer.
        written: Written,
    },
}

/// Whether a request may have reached its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It never left.
    No,
    /// It may have.
    Maybe,
}

impl Engine {
    /// Begins an HTTP session of the running group.
    pub(super) fn begin_session(
        &mut self,
        ctx: &Context,
        queue: u16,
        session: SessionIx,
        only: Option<u16>,
        connection: ConnectionIx,
    ) {
        let protocol = Arc::clone(&self.protocol);
        let holds = condition::allows(protocol.session(session).condition.as_ref(), &self.params, None);
        self.note(|| Step::Session(session, Ran::if_it(holds)));
        if !holds {
            self.pause_after_item(ctx, queue, None);
            return;
        }
        let connection = self.polled(connection);
        match protocol.connection(connection).kind {
            // A request may go to the host of a socket too: a token that opens it, for one.
            ConnectionKind::Http | ConnectionKind::WebSocket => {}
            ConnectionKind::Virtual | ConnectionKind::NotRun => {
                let site = Site::Item(Item::Session(session));
                self.report(ctx.now, Severity::Warning, Code::NotRun, &[site], |protocol| {
                    format!("{} is not run: its connection speaks no HTTP", site.describe(protocol))
                });
                self.pause_after_item(ctx, queue, None);
                return;
            }
        }
        let overrides = self.options.connections.get(connection.index()).copied().unwrap_or_default();
        let requests = Requests::new(&protocol, session, only, connection, overrides);
        if let State::Done(_) = requests.state {
            self.pause_after_item(ctx, queue, None);
            return;
        }
        if let Some(run) = self.lanes[usize::from(queue)].queue.runs.last_mut() {
            run.phase = Phase::Requests(requests);
        }
        self.fire(Item::Session(session), Time::Before);
        self.fire(Item::Communication, Time::Before);
    }

    /// The connection that carries what belongs to `connection`: under `RedundantPolling` perhaps the second of its kind.
    fn polled(&self, connection: ConnectionIx) -> ConnectionIx {
        let described = self.protocol.connection(connection);
        if !described.redundant_polling || !self.links[connection.index()].on_second {
            return connection;
        }
        let others = self.protocol.connections.iter();
        let second = others
            .map(|other| (other.index, other.kind))
            .find(|(index, kind)| *index != connection && *kind == described.kind);
        second.map_or(connection, |(index, _)| index)
    }

    /// Does the next thing of the running HTTP session.
    pub(super) fn advance_session(&mut self, ctx: &mut Context, queue: u16) -> bool {
        let Some(run) = self.lanes[usize::from(queue)].queue.runs.last() else { return false };
        let Phase::Requests(requests) = &run.phase else { return false };
        match requests.state {
            State::Waiting { .. } | State::Done(_) => return false,
            State::Ready => {}
        }
        let requests = requests.clone();
        let protocol = Arc::clone(&self.protocol);
        let exchange = &protocol.session(requests.session).exchanges[requests.exchange];
        if !condition::allows(exchange.condition.as_ref(), &self.params, None) {
            self.note(|| Step::Exchange(requests.session, requests.exchange, Ran::No));
            self.advance_requests(ctx, usize::from(queue), Input::Skipped);
            return true;
        }
        if self.links[requests.connection.index()].held_until().is_some_and(|until| until > ctx.now) {
            let site = Site::Item(Item::Session(requests.session));
            if self.life == Life::Stopping || !self.park(ctx, queue, requests.connection, site) {
                self.advance_requests(ctx, usize::from(queue), Input::GiveUp);
            }
            return true;
        }
        match self.permit(ctx, &requests) {
            Permit::Go(token) => self.with_token(queue, token),
            // The queue of the fetch may have had its turn already: it gets another one.
            Permit::Fetch => return true,
            // Whoever brings the token stirs the queues.
            Permit::Wait => return false,
            Permit::Without => {
                self.advance_requests(ctx, usize::from(queue), Input::WithoutToken);
                return true;
            }
        }
        match self.order(ctx, &requests) {
            Ok(order) => {
                self.note(|| Step::Exchange(requests.session, requests.exchange, Ran::Yes));
                self.counters.requests += 1;
                self.links[order.connection.index()].requests += 1;
                let sent = Input::Sent { id: order.id };
                self.effects.push(Effect::Request(Box::new(order)));
                self.advance_requests(ctx, usize::from(queue), sent);
            }
            Err(fault) => {
                self.report_request(ctx, requests.session, &fault);
                self.advance_requests(ctx, usize::from(queue), Input::GiveUp);
            }
        }
        true
    }

    /// Notes which token the next request of a queue carries.
    fn with_token(&mut self, queue: u16, token: Option<u64>) {
        if let Some(run) = self.lanes[usize::from(queue)].queue.runs.last_mut()
            && let Phase::Requests(requests) = &mut run.phase
        {
            requests.token = token;
        }
    }

    /// The request of the present exchange.
    fn order(&mut self, ctx: &mut Context, requests: &Requests) -> Result<Order, RequestFault> {
        let protocol = Arc::clone(&self.protocol);
        let connection = protocol.connection(requests.connection);
        let session = protocol.session(requests.session);
        let exchange = &session.exchanges[requests.exchange];
        let (max_bytes, _) = limits(&protocol, &self.options, requests.connection);
        let own = self.options.addresses.get(requests.connection.index());
        let address =
            own.map_or_else(Address::default, |own| Address { host: own.host.as_deref(), port: own.port });
        let order = http::Order { connection, session, exchange, address, max_bytes };
        let request = http::request(ctx, &self.params, &self.options.messages, order)?;
        let overrides =
            self.options.connections.get(requests.connection.index()).copied().unwrap_or_default();
        self.serial += 1;
        Ok(Order {
            id: self.serial,
            session: requests.session,
            exchange: requests.exchange,
            connection: requests.connection,
            request,
            timeout: exchange.timeout.or(overrides.timeout).unwrap_or(connection.defaults.timeout),
            redirects: if connection.custom_redirect { Redirects::Leave } else { Redirects::Follow },
            connection_after: if session.keep_alive || !requests.is_last() {
                After::Keep
            } else {
                After::Close
            },
            certificate: session.certificate,
            proxy: handshake::proxy_of(&self.params, session),
        })
    }

    fn report_request(&mut self, ctx: &Context, session: SessionIx, fault: &RequestFault) {
        let site = Site::Item(Item::Session(session));
        self.report(ctx.now, Severity::Warning, Code::Request, &[site], |protocol| {
            format!("{} was not sent: {fault}", site.describe(protocol))
        });
    }

    /// What became of a request, and all that this causes: the parameters of an answer change before the group goes on.
    ///
    /// One that nobody waits for any more changes nothing. Gives what it means for its session.
    pub fn answered(&mut self, ctx: &mut Context, id: u64, outcome: Outcome<'_>) -> Verdict {
        let Some((queue, requests)) = self.waiting_session(id) else { return Verdict::Nothing };
        self.begin();
        self.stirred = true;
        let protocol = Arc::clone(&self.protocol);
        let exchange = &protocol.session(requests.session).exchanges[requests.exchange];
        self.chain = Chain::Input(u16::try_from(queue).ok());
        let verdict = match outcome {
            Outcome::Answer { status, answer, retry_after } => {
                let verdict = self.answer_came(ctx, queue, &requests, status, &answer);
                if let Some(delay) = retry_after.filter(|_| status == 429 || status == 503) {
                    let link = &mut self.links[requests.connection.index()];
                    link.hold = link.hold.max(Some(ctx.now + delay.min(MAX_HOLD)));
                }
                verdict
            }
            Outcome::Silence { written } => {
                let repeatable = written == Written::No || http::may_be_repeated(&exchange.verb);
                let ignored = http::ignores_silence(exchange);
                self.advance_requests(ctx, queue, Input::Silence { repeatable, ignored })
            }
        };
        self.run(ctx);
        self.chain = Chain::Input(None);
        self.finish(ctx);
        verdict
    }

    fn answer_came(
        &mut self,
        ctx: &Context,
        queue: usize,
        requests: &Requests,
        status: u16,
        answer: &Answer<'_>,
    ) -> Verdict {
        let protocol = Arc::clone(&self.protocol);
        let exchange = &protocol.session(requests.session).exchanges[requests.exchange];
        let has_location = answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("location"));
        let custom = protocol.connection(requests.connection).custom_redirect;
        let meaning = http::meaning(exchange, custom, status, has_location);
        if let Some(number) = requests.token {
            if status != 401 {
                self.token_accepted(requests.connection, number);
            } else if !requests.renewed && self.token_refused(ctx.now, requests.connection, number) {
                return self.advance_requests(ctx, queue, Input::TokenRefused);
            }
        }
        if meaning != Meaning::Good {
            self.counters.refusals += 1;
            self.links[requests.connection.index()].refusals += 1;
        }
        let mut got = handshake::capture(&self.params, exchange, answer);
        if meaning == Meaning::Good {
            got.sets.extend(self.tokens_came(ctx, requests.session, requests.exchange, answer));
        }
        self.note(|| {
            let (session, exchange) = (requests.session, requests.exchange);
            Step::Answer { session, exchange, sets: got.sets.clone(), dropped: got.dropped + got.unsaid }
        });
        // The last frame runs first: what the end causes waits for the events of the values.
        let verdict = self.advance_requests(ctx, queue, Input::Answered(meaning));
        let got = response::with_parts(&self.params, &self.layouts, got);
        self.set_all(ctx, got, Site::Item(Item::Session(requests.session)));
        verdict
    }

    /// The queue whose running group waits for the answer to a request.
    fn waiting_session(&self, id: u64) -> Option<(usize, Requests)> {
        self.lanes.iter().enumerate().find_map(|(queue, lane)| {
            // A group that was forced between waits for its own; the one below it cannot be waiting.
            match &lane.queue.runs.last()?.phase {
                Phase::Requests(requests) if requests.state == (State::Waiting { id }) => {
                    Some((queue, requests.clone()))
                }
                Phase::Requests(_)
                | Phase::Exchange(..)
                | Phase::Begin
                | Phase::Item
                | Phase::End
                | Phase::Over => None,
            }
        })
    }

    /// Gives an input to the HTTP session of a queue, and does what follows.
    fn advance_requests(&mut self, ctx: &Context, queue: usize, input: Input) -> Verdict {
        let Some(run) = self.lanes[queue].queue.runs.last_mut() else { return Verdict::Nothing };
        let Phase::Requests(requests) = &mut run.phase else { return Verdict::Nothing };
        let (session, connection) = (requests.session, requests.connection);
        self.stirred = true;
        let verdict = requests.step(input);
        match verdict {
            Verdict::Nothing | Verdict::Next => {}
            Verdict::TryFailed => {
                self.counters.timeouts += 1;
                self.fire(Item::Communication, Time::Timeout);
                self.fire(Item::Session(session), Time::Timeout);
            }
            Verdict::Ended(ending) => {
                let of_group = run.connection;
                run.phase = Phase::Item;
                run.answers = run.answers.and_session(ending);
                self.session_ended(ctx, session, connection, ending);
                self.change_over(of_group, ending);
                if let Ok(queue) = u16::try_from(queue) {
                    self.pause_after_item(ctx, queue, None);
                }
            }
        }
        // An exchange that was left out says nothing about the device.
        if input == Input::Answered(Meaning::Good) {
            self.pair_answered(connection);
        }
        verdict
    }

    /// The element stops: groups in the middle of an HTTP session end there, without their triggers.
    ///
    /// What `before stop` begins afterwards is not touched; it may fetch a token anew.
    pub(super) fn give_requests_up(&mut self) {
        for lane in &mut self.lanes {
            let is_asking = |run: &Run| matches!(run.phase, Phase::Requests(_));
            if lane.held.is_none() && lane.queue.runs.last().is_some_and(is_asking) {
                lane.queue.runs.clear();
            }
        }
        self.tokens.iter_mut().for_each(TokenState::given_up);
    }

    /// `RedundantPolling`: what got no answer is asked over the other connection from now on, and back in the same way.
    fn change_over(&mut self, of_group: ConnectionIx, ending: Ending) {
        match ending {
            // Without a token the device was not even asked.
            Ending::TimedOut { .. } if self.protocol.connection(of_group).redundant_polling => {
                let link = &mut self.links[of_group.index()];
                link.on_second = !link.on_second;
            }
            Ending::TimedOut { .. }
            | Ending::WithoutToken
            | Ending::Succeeded
            | Ending::Refused { .. }
            | Ending::NotSent => {}
        }
    }

    /// The triggers after an HTTP session, and what its end says about the element.
    fn session_ended(&mut self, ctx: &Context, session: SessionIx, connection: ConnectionIx, ending: Ending) {
        let item = Item::Session(session);
        let pause = match ending {
            Ending::Succeeded | Ending::Refused { .. } => None,
            Ending::TimedOut { .. } | Ending::WithoutToken | Ending::NotSent => {
                Some(ctx.now + PAUSE_AFTER_SILENCE)
            }
        };
        let link = &mut self.links[connection.index()];
        link.pause = link.pause.max(pause);
        if ending == Ending::NotSent {
            self.counters.not_sent += 1;
            return;
        }
        // The last frame runs first.
        self.fire(Item::Communication, Time::After);
        self.fire(item, Time::After);
        let ignored = match ending {
            Ending::Refused { ignored } | Ending::TimedOut { ignored } => ignored,
            Ending::WithoutToken | Ending::Succeeded | Ending::NotSent => false,
        };
        match ending {
            Ending::NotSent => {}
            Ending::Succeeded => {
                self.fire(Item::Communication, Time::Succeeded);
                self.fire(item, Time::Succeeded);
            }
            Ending::Refused { .. } | Ending::TimedOut { .. } | Ending::WithoutToken => {
                self.counters.timeouts += 1;
                self.fire(Item::Communication, Time::TimeoutAfterRetries);
                self.fire(item, Time::TimeoutAfterRetries);
                self.fire(Item::Communication, Time::Timeout);
                self.fire(item, Time::Timeout);
                if !ignored {
                    self.pair_failed(ctx.now, connection);
                }
            }
        }
    }
}
