//! Gives messages and sets to an element that has no network, and says what each did; prints nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::followed::{Turn, followed, number};
use super::outcome::{Answers, Came, Named, Outcome, Set, What, Why};
use super::snapshot::{Snapshot, masked, masked_by, masked_value, reading};
use crate::cli::remote::shown;
use crate::cli::{Status, offline};
use crate::engine::codec::handshake::{self, Answer};
use crate::engine::codec::mask::Mask;
use crate::engine::codec::response::Fit;
use crate::engine::codec::{self, why};
use crate::engine::logic::Engine;
use crate::engine::logic::effect::Effect;
use crate::engine::logic::receive::Taken;
use crate::engine::logic::session::{self, Written};
use crate::engine::logic::trace::Step;
use crate::engine::param::Rejected;
use crate::engine::session::requests::{Ending, Verdict};
use crate::language::model::Protocol;
use crate::language::model::id::{ConnectionIx, ParamIx, ResponseIx, SessionIx, TableIx};
use crate::language::model::message::{Extract, MessageKind};
use crate::language::model::token::TokenPlace;
use crate::transport::failure::RetryAfter;
use crate::value::Context;

/// How often time may go on after one message; a definition that goes on for ever is left there.
const MAX_TICKS: usize = 10_000;

/// An element that is given messages.
pub(super) struct Trial {
    engine: Engine,
    ctx: Context,
    /// How much time passes after each message.
    wait: Duration,
    before: Snapshot,
    /// Every secret that stood in a parameter before the present input, or because of it.
    secrets: BTreeSet<Bytes>,
    count: usize,
    /// When each request that nobody answers has its time-out.
    // Bound: one for each queue of groups, and those of the last wait that were answered.
    asked: Vec<(Instant, u64)>,
}

/// The answer to a request of an HTTP session.
pub(super) struct Given<'a> {
    pub(super) session: SessionIx,
    /// Which request of it, by position.
    pub(super) exchange: usize,
    pub(super) status: u16,
    pub(super) answer: Answer<'a>,
}

/// What one input caused.
#[derive(Default)]
struct Caused {
    turns: Vec<Turn>,
    left_out: u64,
}

impl Caused {
    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.turns.iter().flat_map(|turn| turn.steps.iter().map(|traced| &traced.step))
    }

    /// What the message, or the answer, set, and how many of its values could not be worked out.
    fn read(&self) -> (Vec<codec::Set>, u32) {
        let found = self.steps().find_map(Step::read);
        found.map(|(sets, unreadable)| (sets.to_vec(), unreadable)).unwrap_or_default()
    }

    /// The tables that were changed.
    fn tables(&self, protocol: &Protocol) -> BTreeSet<TableIx> {
        let effects = self.turns.iter().flat_map(|turn| &turn.effects);
        let of = |effect: &Effect| {
            let Effect::Change(change) = effect else { return None };
            let described = protocol.param(change.param);
            described.table.or(described.column.map(|(table, _)| table))
        };
        effects.filter_map(of).collect()
    }
}

impl Trial {
    /// An element that has started; what it has done so far is forgotten.
    pub(super) fn new(mut engine: Engine, ctx: Context, wait: Duration) -> Self {
        let asked = engine.effects().filter_map(|effect| asked(&ctx, &effect)).collect();
        engine.trace();
        let before = Snapshot::of(engine.params());
        Self { engine, ctx, wait, before, secrets: BTreeSet::new(), count: 0, asked }
    }

    pub(super) fn protocol(&self) -> &Arc<Protocol> {
        self.engine.protocol()
    }

    /// A message of the peer.
    pub(super) fn message(
        &mut self,
        source: String,
        connection: ConnectionIx,
        kind: MessageKind,
        payload: Bytes,
    ) -> Outcome {
        let protocol = self.protocol().clone();
        let form = match kind {
            MessageKind::Text => "text",
            MessageKind::Binary => "binary",
        };
        let came = Came { connection: number(connection), form, size: payload.len() };
        let mut outcome = self.begin("message", source, Some(came));
        let taken = self.engine.message(&mut self.ctx, connection, kind, payload.clone());
        let taker = match taken {
            Taken::By(response) => Some(response),
            Taken::Unmatched | Taken::Ignored => None,
        };
        let caused = self.caused();
        let read = caused.steps().find_map(|step| {
            let Step::Response { response, fit, .. } = step else { return None };
            (Some(*response) == taker).then_some(*fit)
        });
        let (fit, (sets, unreadable)) = (read.unwrap_or(Fit::None), caused.read());
        outcome.taken = match (taken, fit) {
            (Taken::Ignored, _) => "ignored",
            (Taken::By(_) | Taken::Unmatched, Fit::None) => "none",
            (Taken::By(_) | Taken::Unmatched, Fit::Partial) => "part",
            (Taken::By(_) | Taken::Unmatched, Fit::Full) => "whole",
        };
        outcome.unreadable = unreadable;
        outcome.response = taker.map(|response| named_response(&protocol, response));
        let place = |param| place_in_response(&protocol, taker?, param);
        self.values(&mut outcome, &caused, sets, &place);
        if let Some(taker) = taker.filter(|_| fit == Fit::Full) {
            self.nothing_at(&mut outcome, why::places(&protocol.response(taker).mapping.extracts));
        }
        self.end(&mut outcome, caused);
        if fit != Fit::Full && taken != Taken::Ignored {
            let reasons = self.engine.mismatches(connection, kind, payload).into_iter();
            let about = reasons.filter(|reason| taker.is_none_or(|taker| taker == reason.response));
            let mask = self.mask();
            let why = about.map(|reason| Why {
                response: Some(named_response(&protocol, reason.response)),
                why: masked(&mask, &reason.why),
            });
            outcome.why = why.collect();
        }
        outcome
    }

    /// The answer to a request, as if that had just been sent.
    pub(super) fn answer(
        &mut self,
        source: String,
        over: Option<ConnectionIx>,
        given: &Given<'_>,
    ) -> Outcome {
        let protocol = self.protocol().clone();
        let described = protocol.session(given.session);
        let exchange = &described.exchanges[given.exchange];
        let opens = protocol.connections.iter().find(|one| one.handshake == Some(given.session));
        let asked =
            if opens.is_none() { self.engine.rehearse(given.session, given.exchange, over) } else { None };
        let connection = opens.map(|one| one.index).or(asked.map(|asked| asked.connection)).or(over);
        let connection = connection.unwrap_or(ConnectionIx::FIRST);
        let size = given.answer.body.map_or(0, Bytes::len);
        let came = Came { connection: number(connection), form: "body", size };
        let mut outcome = self.begin("answer", source, Some(came));
        let refused = why::refused_body(exchange, &given.answer);
        let (sets, unreadable, meaning, caused) = match asked {
            Some(asked) => {
                let came = session::Outcome::Answer {
                    status: given.status,
                    answer: given.answer,
                    retry_after: RetryAfter::of(given.answer.headers).map(|retry| retry.delay(self.ctx.wall)),
                };
                let verdict = self.engine.answered(&mut self.ctx, asked.id, came);
                let caused = self.caused();
                let (sets, unreadable) = caused.read();
                (sets, unreadable, meaning(verdict), caused)
            }
            None => {
                let got = handshake::capture(self.engine.params(), exchange, &given.answer);
                let (sets, unreadable) = (got.sets.clone(), got.dropped + got.unsaid);
                self.engine.captured(&mut self.ctx, connection, got);
                let meaning = match opens {
                    Some(_) => "it is the handshake of the connection",
                    None => "no group sends it: only its values are taken",
                };
                (sets, unreadable, meaning, self.caused())
            }
        };
        outcome.taken = if refused.is_some() { "part" } else { "whole" };
        outcome.unreadable = unreadable;
        let mask = self.mask();
        outcome.answers = Some(Answers {
            session: Named { id: described.id.0, name: described.name.clone() },
            exchange: given.exchange + 1,
            status_line: masked(&mask, given.answer.status_line),
            meaning,
        });
        self.values(&mut outcome, &caused, sets, &|param| place_in_answer(&protocol, given, param));
        match refused {
            Some(why) => outcome.why = vec![Why { response: None, why: masked(&mask, &why) }],
            None if given.answer.body.is_some() => {
                self.nothing_at(&mut outcome, why::places(&exchange.mapping.extracts));
            }
            None => {}
        }
        self.end(&mut outcome, caused);
        outcome
    }

    /// A value that a person sets: `PARAM=VALUE`, or `COLUMN[KEY]=VALUE`.
    ///
    /// # Errors
    ///
    /// What was wrong has been told on standard error.
    pub(super) fn set(&mut self, set: &str) -> Result<Outcome, Status> {
        // What stands behind it may be a secret.
        let place = set.split_once('=').map_or(set, |(place, _)| place);
        let mut outcome = self.begin("set", place.trim().to_owned(), None);
        let (param, _, value) = offline::read_set(self.protocol(), set)?;
        // What the set causes may take it away before anything is told.
        self.secrets.extend(self.protocol().param(param).secret.then(|| value.to_bytes()));
        let param = offline::set(&mut self.engine, &mut self.ctx, set)?;
        let caused = self.caused();
        outcome.taken = "whole";
        let value = |param| codec::Set { param, value: self.engine.params().get(param).clone() };
        let sets = param.map(value).into_iter().collect();
        self.values(&mut outcome, &caused, sets, &|_| None);
        self.end(&mut outcome, caused);
        Ok(outcome)
    }

    fn begin(&mut self, kind: &'static str, source: String, came: Option<Came>) -> Outcome {
        self.count += 1;
        self.secrets.clear();
        self.learn();
        Outcome {
            kind,
            number: self.count,
            source,
            came,
            answers: None,
            response: None,
            taken: "none",
            why: Vec::new(),
            params: Vec::new(),
            tables: Vec::new(),
            unreadable: 0,
            then: Vec::new(),
            left_out: 0,
            waiting: 0,
            awaits: Vec::new(),
        }
    }

    /// What the last input caused, and what the time after it brings.
    fn caused(&mut self) -> Caused {
        let mut caused = Caused::default();
        self.take(&mut caused, Duration::ZERO);
        let (began, end) = (self.ctx.now, self.ctx.now + self.wait);
        for _ in 0..MAX_TICKS {
            let silent = self.asked.iter().min().copied();
            let next = self.engine.wake_at().into_iter().chain(silent.map(|(at, _)| at)).min();
            let Some(at) = next.filter(|at| *at <= end && !self.wait.is_zero()) else { break };
            self.ctx.advance(at.saturating_duration_since(self.ctx.now));
            self.engine.tick(&mut self.ctx);
            if let Some((deadline, id)) = silent.filter(|(deadline, _)| *deadline <= at) {
                self.asked.retain(|one| *one != (deadline, id));
                let silence = session::Outcome::Silence { written: Written::Maybe };
                self.engine.answered(&mut self.ctx, id, silence);
            }
            let after = self.ctx.now.saturating_duration_since(began);
            self.take(&mut caused, after);
        }
        self.ctx.advance(end.saturating_duration_since(self.ctx.now));
        caused
    }

    /// What must not be seen in what is told of the present input.
    fn mask(&self) -> Mask {
        let mut mask = Mask::default();
        mask.extend(self.secrets.iter().cloned());
        mask
    }

    /// Keeps the secrets of now: what follows may clear them.
    fn learn(&mut self) {
        self.secrets.extend(Mask::of(self.engine.params()).secrets().cloned());
    }

    fn take(&mut self, caused: &mut Caused, after: Duration) {
        let (steps, left_out) = self.engine.traced();
        let params = self.engine.params();
        let sets = steps.iter().flat_map(|traced| traced.step.values());
        let secret = sets.filter(|(param, _)| params.describe(*param).secret);
        let secret: Vec<Bytes> = secret.map(|(_, value)| value.to_bytes()).collect();
        self.secrets.extend(secret);
        self.learn();
        let effects: Vec<Effect> = self.engine.effects().collect();
        if !self.wait.is_zero() {
            self.asked.extend(effects.iter().filter_map(|effect| asked(&self.ctx, effect)));
        }
        caused.turns.push(Turn { after, steps, effects });
        caused.left_out = caused.left_out.saturating_add(left_out);
    }

    /// The parameters that the message sets, in its order, then all others that changed or did not take a value.
    fn values(
        &mut self,
        outcome: &mut Outcome,
        caused: &Caused,
        sets: Vec<codec::Set>,
        place: &dyn Fn(ParamIx) -> Option<String>,
    ) {
        let (params, mask) = (self.engine.params(), self.mask());
        let (changed, tables) = self.before.renew(params, &mask, &caused.tables(params.protocol()));
        let mut refused: BTreeMap<ParamIx, &Rejected> = BTreeMap::new();
        for (param, why) in caused.steps().filter_map(Step::rejected) {
            refused.entry(param).or_insert(why);
        }
        let set = sets.iter().map(|set| set.param);
        let mut seen = BTreeSet::new();
        let all = set.chain(refused.keys().copied()).chain(changed.keys().copied());
        for param in all.filter(|param| seen.insert(*param)) {
            let described = params.describe(param);
            let came = sets.iter().rev().find(|set| set.param == param);
            let (why, now) = (refused.get(&param), params.get(param));
            let what = match (why, changed.contains_key(&param)) {
                (Some(_), _) => What::Rejected,
                (None, true) => What::Changed,
                (None, false) => What::Same,
            };
            let old = reading(described, changed.get(&param).unwrap_or(now));
            outcome.params.push(Set {
                reading: reading(described, now),
                units: described.units.clone(),
                was: shown(&old),
                before: old.value,
                what,
                from: came.and_then(|_| place(param)),
                rejected: why.and(came).map(|set| masked_by(&mask, masked_value(described, &set.value))),
                why: why.map(|why| in_words(described.secret, why)),
            });
        }
        outcome.tables = tables;
    }

    /// The parameters for which a message that was taken has nothing.
    fn nothing_at<'a>(&self, outcome: &mut Outcome, places: impl Iterator<Item = (ParamIx, &'a Arc<str>)>) {
        let params = self.engine.params();
        for (param, path) in places {
            let described = params.describe(param);
            if outcome.params.iter().any(|set| set.reading.id == described.id.0) {
                continue;
            }
            let now = reading(described, params.get(param));
            outcome.params.push(Set {
                units: described.units.clone(),
                was: shown(&now),
                before: now.value.clone(),
                reading: now,
                what: What::Nothing,
                from: Some(path.to_string()),
                rejected: None,
                why: None,
            });
        }
    }

    fn end(&mut self, outcome: &mut Outcome, caused: Caused) {
        let protocol = self.protocol().clone();
        let mask = self.mask();
        outcome.left_out = caused.left_out;
        outcome.then = followed(&protocol, &mask, caused.turns);
        outcome.waiting = self.engine.queued();
        outcome.awaits = self.engine.awaited().map(|site| site.describe(&protocol)).collect();
    }
}

/// Why a value was not taken; of a secret nothing of the value.
fn in_words(secret: bool, why: &Rejected) -> String {
    if secret { "does not fit".to_owned() } else { why.to_string() }
}

/// The id of a request that is sent, and when it has its time-out.
fn asked(ctx: &Context, effect: &Effect) -> Option<(Instant, u64)> {
    let Effect::Request(order) = effect else { return None };
    Some((ctx.now + order.timeout, order.id))
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Next => "the request succeeded, and the session goes on",
        Verdict::Ended(Ending::Succeeded) => "the session succeeded",
        Verdict::Ended(Ending::Refused { ignored: false }) => "the session failed, which counts as a timeout",
        Verdict::Ended(Ending::Refused { ignored: true }) => {
            "the session failed, which `ignoreTimeout` keeps from the element's state"
        }
        Verdict::Ended(Ending::TimedOut { .. } | Ending::WithoutToken | Ending::NotSent) => {
            "the session failed"
        }
        Verdict::Nothing | Verdict::TryFailed => "the request is sent again",
    }
}

fn named_response(protocol: &Protocol, response: ResponseIx) -> Named {
    let described = protocol.response(response);
    Named { id: described.id.0, name: described.name.clone() }
}

fn place_of(extracts: &[Extract], param: ParamIx) -> Option<String> {
    why::places(extracts).find(|(of, _)| *of == param).map(|(_, path)| path.to_string())
}

/// Where in a message the value of a parameter is.
fn place_in_response(protocol: &Protocol, response: ResponseIx, param: ParamIx) -> Option<String> {
    let described = protocol.response(response);
    let path = place_of(&described.mapping.extracts, param);
    path.or_else(|| {
        let at = described.fields.iter().position(|field| *field == param)?;
        Some(format!("field {}", at + 1))
    })
}

/// Where in an answer the value of a parameter is.
fn place_in_answer(protocol: &Protocol, given: &Given<'_>, param: ParamIx) -> Option<String> {
    let exchange = protocol.session(given.session).exchanges.get(given.exchange)?;
    let path = place_of(&exchange.mapping.extracts, param);
    let header = || {
        let found = exchange.header_params.iter().find(|(_, of)| *of == param);
        found.map(|(name, _)| format!("header {name}"))
    };
    let status = (exchange.status_param == Some(param)).then(|| "status line".to_owned());
    let body = (exchange.content_param == Some(param)).then(|| "body".to_owned());
    let token = || {
        let found = protocol.tokens.iter().find(|one| one.session == given.session && one.param == param);
        found.map(|one| match &one.place {
            TokenPlace::Body => "body".to_owned(),
            TokenPlace::Path(path) => path.text.to_string(),
            TokenPlace::Header(name) => format!("header {name}"),
            TokenPlace::Cookies => "header Set-Cookie".to_owned(),
        })
    };
    path.or_else(header).or(status).or(body).or_else(token)
}

#[cfg(test)]
mod tests;
