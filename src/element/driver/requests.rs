//! Sends what HTTP sessions ask for and brings the answers back to the engine; decides nothing.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::element::driver::dial::{proxy, tls_settings};
use crate::element::driver::{Came, Driver};
use crate::element::handle::WireEvent;
use crate::element::status::FailureStatus;
use crate::engine::codec::handshake;
use crate::engine::logic::session::{Outcome, Written};
use crate::engine::session::requests::Order;
use crate::language::model::id::ConnectionIx;
use crate::transport::http::{Answer, Fault, Plan};

/// What became of a request.
pub(super) struct Answered {
    id: u64,
    connection: ConnectionIx,
    /// The request for people.
    shown: String,
    /// `None` if its task ended without a word.
    result: Option<Result<Answer, Fault>>,
}

impl Driver {
    /// Sends a request; its outcome comes as [`Came::Answered`].
    pub(super) fn request_sent(&mut self, order: Order) {
        let Order {
            id,
            connection,
            request,
            timeout,
            redirects,
            connection_after,
            certificate,
            proxy: of_session,
        } = order;
        let Some(spec) = self.spec.connections.get(connection.index()).cloned() else { return };
        let shown = request.to_string();
        if self.is_tapped() {
            for (line, _) in request.shown_lines() {
                let line = self.masked_text(&line);
                self.tap(connection, None, || WireEvent::RequestLine(line));
            }
        }
        if certificate && spec.tls.certificate.is_none() {
            tracing::warn!(
                element = %self.spec.name, connection = connection.index(), request = %shown,
                "loginMethod=\"certificate\" needs tls.certificate in the connection's settings, or bs:Tls"
            );
        }
        let plan = Plan {
            request,
            timeout,
            tls: tls_settings(&spec),
            proxy: proxy(of_session, &spec),
            max_bytes: spec.limits.max_message_bytes,
            redirects,
            connection_after,
        };
        let (http, environment) = (self.services.http.clone(), self.services.dials.clone());
        let (result_in, result) = oneshot::channel();
        self.tasks.spawn("request", |_| async move {
            // Nobody waits any more if the element has stopped.
            let _ = result_in.send(http.send(plan, &environment).await);
        });
        self.waiting.push(Box::pin(async move {
            Came::Answered(Box::new(Answered { id, connection, shown, result: result.await.ok() }))
        }));
    }

    /// Hands the outcome of a request to the engine.
    pub(super) fn answered(&mut self, answered: Answered) {
        let Answered { id, connection, shown, result } = answered;
        match result {
            Some(Ok(answer)) => self.answer_came(id, connection, &shown, &answer),
            Some(Err(fault)) => {
                let failure = self.shown_failure(&fault.failure);
                self.request_failed_with(connection, &shown, failure);
                let written = if fault.written { Written::Maybe } else { Written::No };
                self.engine.answered(&mut self.ctx, id, Outcome::Silence { written });
            }
            None => {
                tracing::error!(element = %self.spec.name, request = %shown, "the request failed inside backshell");
                self.engine.answered(&mut self.ctx, id, Outcome::Silence { written: Written::Maybe });
            }
        }
    }

    fn answer_came(&mut self, id: u64, connection: ConnectionIx, shown: &str, answer: &Answer) {
        if self.is_tapped() {
            let lines = std::iter::once(answer.status_line.clone())
                .chain(answer.headers.iter().map(|(name, value)| format!("{name}: {value}")));
            for line in lines.collect::<Vec<_>>() {
                let line = self.masked_text(&line);
                self.tap(connection, None, || WireEvent::ResponseLine(line));
            }
        }
        if answer.status >= 400 {
            let status = self.masked_text(&answer.status_line);
            tracing::debug!(element = %self.spec.name, connection = connection.index(), request = %shown, %status, "answer");
        }
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
        self.engine.answered(&mut self.ctx, id, outcome);
    }

    /// A request without an answer: told once, and then only to those who look closely, until it works again.
    fn request_failed_with(&mut self, connection: ConnectionIx, shown: &str, failure: FailureStatus) {
        tracing::warn!(
            element = %self.spec.name, connection = connection.index(), request = %shown,
            reason = %failure.summary, advice = %failure.advice, "request failed"
        );
        let summary = failure.summary.clone();
        self.tap(connection, None, || WireEvent::Failed(summary));
        if let Some(life) = self.life(connection) {
            life.last_failure = Some(Arc::new(failure));
            self.status_is_old = true;
        }
    }
}
