//! Sends what HTTP sessions ask for and brings the answers back to the engine; decides nothing.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::element::driver::Driver;
use crate::element::driver::dial::{proxy, tls_settings};
use crate::element::handle::WireEvent;
use crate::element::status::FailureStatus;
use crate::engine::codec::handshake;
use crate::engine::link::status::Epoch;
use crate::engine::logic::session::{Outcome, Written};
use crate::engine::session::requests::{Ending, Order, Verdict};
use crate::engine::target::Target;
use crate::engine::target::exchange::HttpRequest;
use crate::language::model::id::{ConnectionIx, SessionIx};
use crate::transport::http::{Address, Answer, Fault, Plan};

/// A task that ends with whoever waits for it.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request that was sent.
#[derive(Clone, Copy)]
struct Sent {
    id: u64,
    connection: ConnectionIx,
    /// Session and position of the exchange.
    exchange: (SessionIx, usize),
}

/// What became of a request.
pub(super) struct Answered {
    sent: Sent,
    /// The request and its outcome; none if sending panicked.
    came: Option<(HttpRequest, Result<Answer, Fault>)>,
}

impl Driver {
    /// Sends a request; its outcome comes out of `asking`.
    pub(super) fn request_sent(&mut self, order: Order) {
        let Order {
            id,
            session,
            exchange,
            connection,
            request,
            timeout,
            redirects,
            connection_after,
            certificate,
            proxy: of_session,
        } = order;
        let whole = Arc::clone(&self.spec);
        let Some(spec) = whole.connections.get(connection.index()) else { return };
        let sent = Sent { id, connection, exchange: (session, exchange) };
        self.tap_request(connection, id, &request);
        if certificate && spec.tls.certificate.is_none() {
            tracing::warn!(
                element = %self.spec.name, connection = connection.index(), %request,
                "loginMethod=\"certificate\" needs tls.certificate in the connection's settings, or bs:Tls"
            );
        }
        let Some(address) = self.address_of(connection, request.target()) else { return };
        self.status_is_old |= self.engine.fetches_token(session);
        let plan = Plan {
            request,
            address,
            timeout,
            tls: tls_settings(spec),
            proxy: proxy(of_session, spec),
            max_bytes: spec.limits.max_message_bytes,
            redirects,
            connection_after,
        };
        let (http, environment) = (self.services.http.clone(), self.services.dials.clone());
        // Boxed, and not a task: the answer wakes the one who needs it, and nobody between.
        let sending = async move {
            // What is left after a panic is dropped.
            let sending = AssertUnwindSafe(http.send(&plan, &environment)).catch_unwind();
            let came = sending.await.ok().map(|result| (plan.request, result));
            Box::new(Answered { sent, came })
        };
        let asked: BoxFuture<'static, _> =
            if self.scripts.is_some() { self.beside_scripts(sent, sending) } else { Box::pin(sending) };
        self.asking.get_or_insert_default().push(asked);
    }

    /// Sends in a task: while scripts run for seconds nobody polls what the driver waits for, and an answer would come too late.
    fn beside_scripts(
        &mut self,
        sent: Sent,
        sending: impl Future<Output = Box<Answered>> + Send + 'static,
    ) -> BoxFuture<'static, Box<Answered>> {
        let (result_in, result) = oneshot::channel();
        let task = self.tasks.spawn("request", |stop| async move {
            if let Some(answered) = stop.run_until_cancelled(sending).await {
                // Nobody waits any more if the element has stopped.
                let _ = result_in.send(answered);
            }
        });
        let task = AbortOnDrop(task);
        Box::pin(async move {
            let answered = result.await;
            drop(task);
            answered.unwrap_or_else(|_| Box::new(Answered { sent, came: None }))
        })
    }

    /// The address of a target; mostly that of the last request. People see its origin.
    fn address_of(&mut self, connection: ConnectionIx, target: &Target) -> Option<Arc<Address>> {
        let web = self.web(connection)?;
        let last = web.address.take();
        let (address, is_news) = match last {
            Some(last) if last.target() == target => (last, false),
            last => {
                let address = Arc::new(Address::of(target));
                let is_news = last.is_none_or(|last| last.origin() != address.origin());
                (address, is_news)
            }
        };
        web.address = Some(Arc::clone(&address));
        self.status_is_old |= is_news;
        Some(address)
    }

    /// Hands the outcome of a request to the engine.
    pub(super) fn answered(&mut self, answered: Answered) {
        let Answered { sent, came } = answered;
        match came {
            Some((request, Ok(answer))) => self.answer_came(&sent, &request, &answer),
            Some((request, Err(fault))) => {
                let failure = self.shown_failure(&fault.failure);
                let written = if fault.written { Written::Maybe } else { Written::No };
                self.no_answer_came(&sent, &request, written, failure);
            }
            None => {
                let advice = "this is an error of backshell: its log has the place";
                let failure = self.failure_of("the request failed inside backshell", advice, None, None);
                self.no_answer_came(&sent, &"a request", Written::Maybe, failure);
            }
        }
    }

    fn no_answer_came(
        &mut self,
        sent: &Sent,
        request: &dyn Display,
        written: Written,
        failure: FailureStatus,
    ) {
        let summary = failure.summary.clone();
        self.tap(sent.connection, Some(Epoch(sent.id)), || WireEvent::Failed(summary));
        let verdict = self.engine.answered(&mut self.ctx, sent.id, Outcome::Silence { written });
        self.not_answered_well(sent, request, verdict, failure);
    }

    fn answer_came(&mut self, sent: &Sent, request: &HttpRequest, answer: &Answer) {
        let before = self.is_tapped().then(|| self.mask());
        let retry_after = answer.retry_after().map(|retry| retry.delay(self.ctx.wall));
        let outcome = Outcome::Answer {
            status: answer.status,
            answer: handshake::Answer {
                status_line: &answer.status_line,
                headers: &answer.headers,
                body: Some(&answer.body),
            },
            retry_after,
        };
        let verdict = self.engine.answered(&mut self.ctx, sent.id, outcome);
        if let Some(mask) = before {
            self.tap_answer(sent.connection, sent.id, mask, answer);
        }
        self.note_status_line(sent.connection, &answer.status_line);
        self.status_is_old |=
            retry_after.is_some() || answer.status == 401 || self.engine.fetches_token(sent.exchange.0);
        if verdict == Verdict::Ended(Ending::Succeeded) {
            self.unhindered(sent.exchange.0);
        }
        if matches!(verdict, Verdict::Next | Verdict::Ended(Ending::Succeeded)) {
            if self.web_works(sent.connection, sent.exchange) {
                tracing::info!(
                    element = %self.spec.name, connection = sent.connection.index(), %request,
                    "the request works again"
                );
            }
            return;
        }
        let (summary, advice) = answer.refusal();
        let body = Some(answer.snippet()).filter(|body| !body.is_empty());
        let failure = self.failure_of(&summary, &advice, Some(answer.status), body.as_deref());
        self.not_answered_well(sent, request, verdict, failure);
    }

    /// Keeps the status line of the last answer; who watches is woken only by another one.
    fn note_status_line(&mut self, connection: ConnectionIx, line: &str) {
        let at = self.ctx.wall;
        let last = self.web(connection).and_then(|web| web.answered.take()).map(|(last, _)| last);
        let line = match last {
            Some(last) if *last == *line => last,
            last => {
                let line = self.masked_text(line);
                let same = last.filter(|last| **last == *line);
                self.status_is_old |= same.is_none();
                same.unwrap_or_else(|| Arc::from(line))
            }
        };
        if let Some(web) = self.web(connection) {
            web.answered = Some((line, at));
        }
    }

    pub(super) fn failure_of(
        &self,
        summary: &str,
        advice: &str,
        status: Option<u16>,
        body: Option<&str>,
    ) -> FailureStatus {
        FailureStatus {
            summary: self.masked_text(summary),
            advice: self.masked_text(advice),
            status,
            body: body.map(|body| self.masked_text(body)),
            stages: Vec::new(),
            at: self.ctx.wall,
        }
    }

    /// Tells people of a failure: once, and then only those who look closely, until it works again.
    fn not_answered_well(
        &mut self,
        sent: &Sent,
        request: &dyn Display,
        verdict: Verdict,
        failure: FailureStatus,
    ) {
        let Sent { connection, exchange, .. } = sent;
        let (element, index, reason) = (self.spec.name.clone(), connection.index(), failure.summary.clone());
        match verdict {
            Verdict::Ended(Ending::Refused { ignored: false } | Ending::TimedOut { ignored: false }) => {
                let advice = failure.advice.clone();
                if self.web_fails(*connection, *exchange, failure) {
                    tracing::warn!(%element, connection = index, %request, %reason, %advice, "request failed");
                } else {
                    tracing::debug!(%element, connection = index, %request, %reason, "request failed, as before");
                }
            }
            // Another try, another token, or a failure that the definition does not mind.
            Verdict::Nothing | Verdict::Next | Verdict::TryFailed | Verdict::Ended(_) => {
                tracing::debug!(%element, connection = index, %request, %reason, "request failed");
            }
        }
    }
}
