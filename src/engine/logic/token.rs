//! Tokens of an element, and what has to be there before a link opens: starts fetches in queues of ours; sends nothing.

use std::sync::Arc;
use std::time::Instant;

use crate::engine::codec::handshake::Answer;
use crate::engine::codec::{Set, token};
use crate::engine::logic::effect::{Code, Effect, Severity, Site};
use crate::engine::logic::queue::{Answers, Entry};
use crate::engine::logic::{Engine, Life};
use crate::engine::session::requests::Requests;
use crate::engine::session::token::{Need, TokenState};
use crate::language::model::id::{ConnectionIx, SessionIx};
use crate::language::model::logic::{GroupOp, Item};
use crate::language::model::token::Token;
use crate::value::{Context, Value};

/// What a request needs before it may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// It may go; with the number of the token that it carries, if it needs one.
    Go(Option<u64>),
    /// It waits for a token, whose fetch has just been queued.
    Fetch,
    /// It waits for a token that is being fetched.
    Wait,
    /// There is no token.
    Without,
}

impl Engine {
    /// Whether a request may go: it needs the token of its connection, unless it fetches that itself.
    pub(super) fn permit(&mut self, ctx: &Context, requests: &Requests) -> Permit {
        let Some(index) = self.protocol.connection(requests.connection).token else {
            return Permit::Go(None);
        };
        if self.protocol.tokens[index].session == requests.session {
            return Permit::Go(None);
        }
        match self.need(ctx, index) {
            Need::Have(number) => Permit::Go(Some(number)),
            Need::Fetch => Permit::Fetch,
            Need::Wait => Permit::Wait,
            Need::Fail => Permit::Without,
        }
    }

    fn need(&mut self, ctx: &Context, index: usize) -> Need {
        let need = self.tokens[index].need(ctx.now);
        if need == Need::Fetch {
            self.fetch(ctx, index);
        }
        need
    }

    fn fetch(&mut self, ctx: &Context, index: usize) {
        let group = self.protocol.tokens[index].group;
        self.enqueue(ctx, group, GroupOp::ExecuteOne);
    }

    /// A request with the token of its connection was answered with 401; whether another token may help.
    pub(super) fn token_refused(&mut self, now: Instant, connection: ConnectionIx, number: u64) -> bool {
        let Some(index) = self.protocol.connection(connection).token else { return false };
        self.tokens[index].refused(now, number);
        true
    }

    /// A request with the token of its connection was answered with anything else.
    pub(super) fn token_accepted(&mut self, connection: ConnectionIx, number: u64) {
        if let Some(index) = self.protocol.connection(connection).token {
            self.tokens[index].accepted(number);
        }
    }

    /// Fetches anew what ends soon.
    pub(super) fn renew_tokens(&mut self, ctx: &Context) {
        if self.life != Life::Running {
            return;
        }
        for index in 0..self.tokens.len() {
            if self.tokens[index].renewal_due(ctx.now) {
                self.fetch(ctx, index);
            }
        }
    }

    /// When a token has to be fetched anew.
    pub(super) fn tokens_wake(&self) -> Option<Instant> {
        self.tokens.iter().filter_map(|token| token.wake_at()).min()
    }

    /// The tokens that an answer brings, for their parameters; none if the session fetches none with this exchange.
    pub(super) fn tokens_came(
        &mut self,
        ctx: &Context,
        session: SessionIx,
        exchange: usize,
        answer: &Answer<'_>,
    ) -> Vec<Set> {
        let protocol = Arc::clone(&self.protocol);
        if exchange + 1 < protocol.session(session).exchanges.len() {
            return Vec::new();
        }
        let mut sets = Vec::new();
        for (index, described) in protocol.tokens.iter().enumerate() {
            if described.session == session {
                sets.extend(self.token_came(ctx, index, described, answer));
            }
        }
        sets
    }

    fn token_came(
        &mut self,
        ctx: &Context,
        index: usize,
        described: &Token,
        answer: &Answer<'_>,
    ) -> Option<Set> {
        let site = Site::Item(Item::Session(described.session));
        match token::find(described, answer, ctx.wall) {
            Ok(found) => {
                if let Some(odd) = found.odd {
                    self.report(ctx.now, Severity::Warning, Code::Token, &[site], |protocol| {
                        format!("the token of {} is used, but {odd}", site.describe(protocol))
                    });
                }
                let renewed = self.tokens[index].came(ctx.now, found.lifetime, described.margin);
                // Without an open link there is nobody to tell: the next one opens with the new token.
                let links = &self.links;
                let mut users = self.protocol.connections.iter().filter(|user| user.token == Some(index));
                let is_open = users.any(|user| links[user.index.index()].ready);
                if let Some(group) = described.renew.filter(|_| renewed && is_open) {
                    self.enqueue(ctx, group, GroupOp::ExecuteOne);
                }
                let text = format!("{}{}", described.prefix, found.token.expose());
                Some(Set { param: described.param, value: Value::text(text) })
            }
            Err(missing) => {
                self.report(ctx.now, Severity::Error, Code::Token, &[site], |protocol| {
                    format!("{}: {missing}", site.describe(protocol))
                });
                None
            }
        }
    }

    /// What has to be there before the link of a connection may open: its token, and what the session before it brings.
    ///
    /// [`Effect::Prepared`] follows, at once or later; a call while one is under way changes nothing.
    pub fn prepare(&mut self, ctx: &mut Context, connection: ConnectionIx) {
        self.begin();
        self.stirred = true;
        self.links[connection.index()].preparing = true;
        let described = self.protocol.connection(connection);
        let (before, token) = (described.before, described.token);
        if let Some(group) = before {
            // Its requests wait for the token themselves.
            let queue = &self.lane_of(group).queue;
            if !queue.has(group) && !queue.runs.iter().any(|run| run.entry.group == group) {
                self.enqueue(ctx, group, GroupOp::ExecuteOne);
            }
        } else if let Some(index) = token {
            match self.need(ctx, index) {
                Need::Have(_) => self.tell_prepared(connection, true),
                Need::Fail => self.tell_prepared(connection, false),
                // The end of the fetch tells it.
                Need::Fetch | Need::Wait => {}
            }
        } else {
            self.tell_prepared(connection, true);
        }
        self.finish(ctx);
    }

    /// The handshake of a link was answered with 401; whether another token may help, which the next dial fetches.
    ///
    /// One that is refused like the one before it is not replaced at once: then it is not the token.
    pub fn link_refused(&mut self, now: Instant, connection: ConnectionIx) -> bool {
        let Some(index) = self.protocol.connection(connection).token else { return false };
        let link = &mut self.links[connection.index()];
        let (number, was_replaced) = (link.token.take(), std::mem::take(&mut link.token_replaced));
        let Some(number) = number.filter(|_| !was_replaced) else { return false };
        link.token_replaced = true;
        self.tokens[index].refused(now, number);
        true
    }

    /// Tells a link that asked for it that it may open, or that it cannot.
    fn tell_prepared(&mut self, connection: ConnectionIx, ready: bool) {
        let token = self.protocol.connection(connection).token;
        let link = &mut self.links[connection.index()];
        // Another link has asked for it.
        if !std::mem::take(&mut link.preparing) {
            return;
        }
        link.token = token.map(|index| self.tokens[index].number());
        self.effects.push(Effect::Prepared { connection, ready });
    }

    /// The token that requests and the link of a connection need; none if they need none.
    pub fn token(&self, connection: ConnectionIx) -> Option<&TokenState> {
        self.tokens.get(self.protocol.connections.get(connection.index())?.token?)
    }

    /// Whether a session fetches a token.
    pub fn fetches_token(&self, session: SessionIx) -> bool {
        self.protocol.tokens.iter().any(|token| token.session == session)
    }

    /// Whether a link has to be prepared before it opens.
    pub fn needs_preparation(&self, connection: ConnectionIx) -> bool {
        let described = self.protocol.connection(connection);
        described.before.is_some() || described.token.is_some()
    }

    /// A group of ours has ended: a fetch, or what comes before a link.
    pub(super) fn own_group_over(&mut self, ctx: &Context, entry: &Entry, answers: Answers) {
        let protocol = Arc::clone(&self.protocol);
        if let Some(index) = protocol.tokens.iter().position(|token| token.group == entry.group) {
            if self.tokens[index].is_fetching() {
                self.tokens[index].failed(ctx.now);
            }
            let ready = self.tokens[index].is_good(ctx.now);
            for connection in &protocol.connections {
                if connection.token == Some(index) && connection.before.is_none() {
                    self.tell_prepared(connection.index, ready);
                }
            }
            self.stirred = true;
        }
        for connection in &protocol.connections {
            if connection.before == Some(entry.group) {
                // A session whose condition does not hold is left out: there is nothing to wait for.
                let ready = matches!(answers, Answers::Well | Answers::Nothing);
                self.tell_prepared(connection.index, ready);
            }
        }
    }

    /// Whether a queue is one of ours, which no lock of the definition holds up.
    pub(super) fn is_own_queue(&self, queue: u16) -> bool {
        queue >= self.protocol.queues.saturating_sub(self.protocol.own_queues)
    }
}
