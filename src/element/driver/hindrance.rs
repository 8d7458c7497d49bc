//! What keeps sessions from asking at all, and what is wrong with the tokens that they bring; decides nothing.

use std::sync::Arc;

use crate::element::driver::Driver;
use crate::element::driver::slot::{Hindrance, Web};
use crate::element::handle::{TapEvent, WireEvent};
use crate::element::status::FailureStatus;
use crate::engine::logic::effect::{Code, Report, Severity, Site};
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::{ConnectionIx, SessionIx};
use crate::language::model::logic::Item;

impl Driver {
    /// The last failure of requests over a connection; what keeps them from being sent goes behind it.
    pub(super) fn web_failure(&self, web: &Web) -> Option<Arc<FailureStatus>> {
        web.failing.last().map(|(_, failure)| failure).or_else(|| self.hindrance(web)).cloned()
    }

    fn hindrance<'a>(&self, web: &'a Web) -> Option<&'a Arc<FailureStatus>> {
        let mut hindered = web.hindered.iter().rev();
        let found = hindered.find(|(session, hindrance, _)| match hindrance {
            Hindrance::Request => true,
            Hindrance::Token => !self.has_token_of(*session),
            Hindrance::OddToken => false,
        });
        found.map(|(_, _, failure)| failure)
    }

    /// The connections that need the token of a session.
    fn users_of(&self, session: SessionIx) -> impl Iterator<Item = ConnectionIx> {
        let protocol = &self.spec.protocol;
        let users = protocol.connections.iter().filter(move |connection| {
            let token = connection.token.and_then(|index| protocol.tokens.get(index));
            token.is_some_and(|token| token.session == session)
        });
        users.map(|connection| connection.index)
    }

    fn has_token_of(&self, session: SessionIx) -> bool {
        self.users_of(session)
            .any(|user| self.engine.token(user).is_some_and(|token| token.is_good(self.ctx.now)))
    }

    /// What hinders sessions now, for a new tap: the engine does not repeat itself each time.
    pub(super) fn hindrances(&self) -> Vec<TapEvent> {
        let slots = self.slots.iter().filter_map(|slot| Some((slot.connection, slot.web.as_deref()?)));
        let found = slots.filter_map(|(connection, web)| Some((connection, self.hindrance(web)?)));
        let event = |(connection, failure): (ConnectionIx, &Arc<FailureStatus>)| TapEvent {
            at: self.ctx.wall,
            connection: u32::try_from(connection.index()).unwrap_or(u32::MAX),
            epoch: 0,
            missed: 0,
            wire: WireEvent::Failed(failure.summary.clone()),
        };
        found.map(event).collect()
    }

    /// Shows a report about a session that cannot ask, or gets no token, at the connections where it matters.
    pub(super) fn show_hindrance(&mut self, report: &Report) {
        let hindrance = match report.code {
            Code::Request => Hindrance::Request,
            Code::Token if report.severity == Severity::Error => Hindrance::Token,
            Code::Token => Hindrance::OddToken,
            Code::LoopCut
            | Code::WorkCut
            | Code::QueueFull
            | Code::QueueBusy
            | Code::Command
            | Code::Dropped
            | Code::Condition
            | Code::Response
            | Code::Rows
            | Code::Action
            | Code::NotRun
            | Code::PeriodCut
            | Code::LockReleased
            | Code::LinkQueueFull
            | Code::Script
            | Code::ScriptFailed => return,
        };
        let advice = match hindrance {
            Hindrance::Request => {
                "nothing was sent: correct the parameter, or what the definition makes of it; see `backshell explain`"
            }
            Hindrance::Token => {
                "compare the answer, which `backshell tap` shows, with the place that `bs:Token` names"
            }
            Hindrance::OddToken => {
                "nobody knows when it ends: a new one is fetched when it is refused; compare the answer with `bs:Token`"
            }
        };
        let Some(Site::Item(Item::Session(session))) = report.sites.first().copied() else { return };
        let protocol = Arc::clone(&self.spec.protocol);
        let over = protocol.senders(session, None).map(|(_, group, _)| group.connection);
        let users = self.users_of(session).filter(|_| hindrance != Hindrance::Request);
        let mut shown: Vec<ConnectionIx> = over.chain(users).collect();
        shown.sort_by_key(|connection| connection.index());
        shown.dedup();
        // A socket shows it as the reason why it does not open.
        shown.retain(|connection| protocol.connection(*connection).kind == ConnectionKind::Http);
        for connection in shown {
            let failure = self.failure_of(&report.text, advice, None, None);
            let summary = failure.summary.clone();
            let Some(web) = self.web(connection) else { continue };
            web.hindered.retain(|(of, kind, _)| (*of, *kind) != (session, hindrance));
            web.hindered.push((session, hindrance, Arc::new(failure)));
            self.status_is_old = true;
            self.tap(connection, None, || WireEvent::Failed(summary));
        }
    }

    /// What is odd about the token of a session, as it was told last.
    pub(super) fn odd_token(&self, session: SessionIx) -> Option<Arc<str>> {
        let mut all = self.slots.iter().filter_map(|slot| slot.web.as_deref()).flat_map(|web| &web.hindered);
        let found = all.find(|(of, hindrance, _)| (*of, *hindrance) == (session, Hindrance::OddToken));
        found.map(|(_, _, failure)| Arc::from(failure.summary.as_str()))
    }

    /// A session has come to its end well: nothing hinders it any more.
    pub(super) fn unhindered(&mut self, session: SessionIx) {
        let has_token = self.has_token_of(session);
        let has_end = self
            .users_of(session)
            .any(|user| self.engine.token(user).is_some_and(|token| token.ends().is_some()));
        for web in self.slots.iter_mut().filter_map(|slot| slot.web.as_deref_mut()) {
            let before = web.hindered.len();
            web.hindered.retain(|(of, hindrance, _)| match hindrance {
                Hindrance::Request => *of != session,
                Hindrance::Token => *of != session || !has_token,
                // Told again if the next one is odd as well.
                Hindrance::OddToken => *of != session || !has_end,
            });
            self.status_is_old |= web.hindered.len() < before;
        }
    }
}
