//! What an element shows of the requests of its HTTP sessions: states, failures, tokens, the wire; sends nothing.

use std::sync::Arc;

use crate::element::driver::Driver;
use crate::element::driver::show::payload;
use crate::element::driver::slot::{Slot, Web};
use crate::element::handle::{Payload, WireEvent};
use crate::element::status::{ElementState, FailureStatus, HttpStatus, TokenStatus};
use crate::engine::codec::mask::Mask;
use crate::engine::link::status::Epoch;
use crate::engine::target::exchange::{Content, HttpRequest};
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::{ConnectionIx, SessionIx};
use crate::language::model::message::MessageKind;
use crate::transport::http::Answer;

/// One part of a request or an answer for a tap.
enum Shown {
    Line(String),
    Body(MessageKind, Payload),
}

impl Driver {
    /// What a connection keeps of its requests.
    pub(super) fn web(&mut self, connection: ConnectionIx) -> Option<&mut Web> {
        self.slots.get_mut(connection.index()).map(|slot| &mut **slot.web.get_or_insert_default())
    }

    /// The state of the requests over a connection: `idle` before the first answer, then `ready`, or `timeout` while they fail.
    fn web_state(&self, slot: &Slot) -> &'static str {
        let is_http = self.spec.protocol.connection(slot.connection).kind == ConnectionKind::Http;
        let web = slot.web.as_deref();
        let fails = if is_http {
            self.engine.requested(slot.connection).failing.is_some()
        } else {
            // The engine also counts a link that is down.
            web.is_some_and(|web| !web.failing.is_empty())
        };
        match self.state {
            ElementState::Stopped => "stopped",
            _ if fails => "timeout",
            _ if web.is_some_and(|web| web.answered.is_some()) => "ready",
            _ => "idle",
        }
    }

    /// Tells of states that have changed since they were looked at last.
    pub(super) fn show_web_states(&mut self) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let (old, new) = (slot.web_state, self.web_state(slot));
            if old == new || self.http_status(slot).is_none() {
                continue;
            }
            let connection = slot.connection;
            self.slots[index].web_state = new;
            self.status_is_old = true;
            self.tap(connection, None, || WireEvent::State(old, new, String::new()));
        }
    }

    pub(super) fn http_status(&self, slot: &Slot) -> Option<HttpStatus> {
        let is_http = self.spec.protocol.connection(slot.connection).kind == ConnectionKind::Http;
        let web = slot.web.as_deref();
        if !is_http && web.is_none() {
            return None;
        }
        let requested = self.engine.requested(slot.connection);
        Some(HttpStatus {
            state: self.web_state(slot),
            target: web.and_then(|web| Some(Arc::clone(web.address.as_ref()?.origin()))),
            answered: web.and_then(|web| web.answered.clone()),
            last_failure: web.and_then(|web| self.web_failure(web)),
            held_until: requested.held_until.filter(|at| *at > self.ctx.now).map(|at| self.wall(at)),
            requests: requested.requests,
            refusals: requested.refusals,
        })
    }

    pub(super) fn token_status(&self, connection: ConnectionIx) -> Option<TokenStatus> {
        let token = self.engine.token(connection)?;
        let is_good = token.is_good(self.ctx.now);
        let described = self.spec.protocol.connection(connection).token;
        let session = described.and_then(|index| self.spec.protocol.tokens.get(index)).map(|one| one.session);
        Some(TokenStatus {
            // One whose end is known is as it should be.
            note: session
                .and_then(|session| self.odd_token(session))
                .filter(|_| is_good && token.ends().is_none()),
            state: match (is_good, token.is_fetching()) {
                (true, _) => "ready",
                (false, true) => "fetching",
                (false, false) => "missing",
            },
            renew_at: token.renewal().filter(|_| is_good).map(|at| self.wall(at)),
            ends_at: token.ends().filter(|_| is_good).map(|at| self.wall(at)),
        })
    }

    /// An exchange works; whether that is news.
    pub(super) fn web_works(&mut self, connection: ConnectionIx, exchange: (SessionIx, usize)) -> bool {
        let Some(web) = self.web(connection) else { return false };
        let Some(at) = web.failing.iter().position(|(failing, _)| *failing == exchange) else { return false };
        web.failing.remove(at);
        self.status_is_old = true;
        true
    }

    /// An exchange has failed; whether that is news.
    pub(super) fn web_fails(
        &mut self,
        connection: ConnectionIx,
        exchange: (SessionIx, usize),
        failure: FailureStatus,
    ) -> bool {
        let Some(web) = self.web(connection) else { return false };
        let shown = web.failing.last().map(|(_, failure)| failure.summary.clone());
        let before = web.failing.iter().position(|(failing, _)| *failing == exchange);
        if let Some(at) = before {
            web.failing.remove(at);
        }
        // Who watches is not woken for the same failure again.
        let differs = shown.is_none_or(|shown| shown != failure.summary);
        web.failing.push((exchange, Arc::new(failure)));
        self.status_is_old |= differs;
        before.is_none()
    }

    /// Why what a link needs before it opens could not be fetched, if that is known.
    pub(super) fn failure_before(&self, connection: ConnectionIx) -> Option<Arc<FailureStatus>> {
        let protocol = &self.spec.protocol;
        let described = protocol.connection(connection);
        let token = described.token.and_then(|index| protocol.tokens.get(index)).map(|token| token.group);
        let groups = [described.before, token].into_iter().flatten();
        let mut over = groups.map(|group| protocol.group(group).connection);
        over.find_map(|over| self.web_failure(self.slots.get(over.index())?.web.as_deref()?))
    }

    /// Shows a request to those who watch the wire; its number stands in place of an epoch.
    pub(super) fn tap_request(&mut self, connection: ConnectionIx, id: u64, request: &HttpRequest) {
        if !self.is_tapped() {
            return;
        }
        let mask = self.mask();
        let mut shown: Vec<Shown> =
            request.shown_lines().iter().map(|(line, _)| Shown::Line(self.masked_text(line))).collect();
        if request.login().is_some() && !request.has_header("authorization") {
            // Basic, or Digest once the peer has asked for it.
            shown.push(Shown::Line("Authorization: ***".to_owned()));
        }
        match request.content() {
            Content::None => {}
            Content::Bytes(bytes) => shown.push(body(&mask, bytes.expose())),
            Content::Form(parts) => {
                for part in parts {
                    shown.push(Shown::Line(self.masked_text(&part.to_string())));
                    shown.push(body(&mask, part.content.expose()));
                }
            }
        }
        for shown in shown {
            self.tap(connection, Some(Epoch(id)), || match shown {
                Shown::Line(line) => WireEvent::RequestLine(line),
                Shown::Body(kind, payload) => WireEvent::Sent(kind, payload),
            });
        }
    }

    /// Shows an answer to those who watch the wire; `mask` has the secrets of before it came, which may be in it as well.
    pub(super) fn tap_answer(&mut self, connection: ConnectionIx, id: u64, mut mask: Mask, answer: &Answer) {
        // What it brought may itself be a secret.
        self.hide(&mut mask);
        let redirects = answer.redirects.iter().map(|url| format!("redirected to {url}"));
        let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}"));
        let lines: Vec<String> =
            redirects.chain(std::iter::once(answer.status_line.clone())).chain(headers).collect();
        for line in lines {
            let line = self.masked_with(&mut mask, &line);
            self.tap(connection, Some(Epoch(id)), || WireEvent::ResponseLine(line));
        }
        if !answer.body.is_empty() {
            let Shown::Body(kind, payload) = body(&mask, &answer.body) else { return };
            self.tap(connection, Some(Epoch(id)), || WireEvent::Received(kind, payload, None));
        }
    }
}

/// A body: text if it is UTF-8.
fn body(mask: &Mask, bytes: &[u8]) -> Shown {
    let is_text = std::str::from_utf8(bytes).is_ok();
    Shown::Body(if is_text { MessageKind::Text } else { MessageKind::Binary }, payload(mask, bytes))
}
