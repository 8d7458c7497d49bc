//! Dials for a link: works out the request from the present values, starts the dial, and takes its outcome.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::element::driver::Driver;
use crate::element::driver::slot::{Dial, Socket};
use crate::element::explain;
use crate::element::handle::{ExplainedLine, ExplainedRequest, WireEvent};
use crate::element::spec::ConnectionSpec;
use crate::element::status::{FailureStatus, StageStatus};
use crate::engine::codec::Gathered;
use crate::engine::codec::handshake::{self, Address, Answer};
use crate::engine::codec::mask::Mask;
use crate::engine::link::Input;
use crate::engine::link::policy::{Rejection, Verdict, verdict_of_status};
use crate::engine::link::status::Epoch;
use crate::engine::target::Credentials;
use crate::engine::target::request::Request;
use crate::language::model::id::ConnectionIx;
use crate::transport::dial::{self, Opened, Plan};
use crate::transport::failure::{Failure, FailureKind};
use crate::transport::handshake::Response;
use crate::transport::proxy::Choice;
use crate::transport::tls::{Settings as TlsSettings, Verification};
use crate::transport::wire::{KeepAlive, Limits, Role, Setup};
use crate::value::Secret;

impl Driver {
    /// The opening request that a connection would send now; `Ok(None)` while there is no address.
    fn request(&mut self, connection: ConnectionIx) -> Result<Option<Request>, String> {
        let Some(spec) = self.spec.connections.get(connection.index()) else { return Ok(None) };
        let address = Address { host: spec.host.as_deref(), port: spec.port };
        let opening = handshake::opening(&mut self.ctx, self.engine.params(), connection, address);
        opening.map_err(|error| explain::words(&error, self.engine.params(), connection))
    }

    /// Shows where the next dial goes, and gives the host whose budget it uses; empty if the values make no address.
    pub(super) fn aim(&mut self, connection: ConnectionIx, epoch: Epoch) -> String {
        let (target, host) = match self.request(connection) {
            Ok(Some(request)) => (Some(Arc::from(request.shown_target())), request.target().host()),
            Ok(None) | Err(_) => (None, String::new()),
        };
        if let Some(life) = self.life(connection) {
            life.epoch = epoch.0;
            life.target = target;
        }
        host
    }

    /// The values have changed while a dial waits: it keeps its place, unless it now goes to another host.
    pub(super) fn aim_anew(&mut self, connection: ConnectionIx) {
        let Some(epoch) = self.life(connection).and_then(|life| Some(life.ticket.as_ref()?.0)) else {
            return;
        };
        let host = self.aim(connection, epoch);
        let gate = self.services.gate.clone();
        if let Some(life) = self.life(connection)
            && let Some((_, ticket)) = &mut life.ticket
            && ticket.host() != host
        {
            *ticket = gate.ask(&host);
        }
    }

    pub(super) fn dial(&mut self, connection: ConnectionIx, epoch: Epoch, deadline: Instant) {
        let request = match self.request(connection) {
            Ok(Some(request)) => request,
            Ok(None) => {
                self.request_failed(connection, epoch, "there is no address");
                return;
            }
            Err(reason) => {
                self.request_failed(connection, epoch, &reason);
                return;
            }
        };
        let Some(spec) = self.spec.connections.get(connection.index()) else { return };
        let plan = Plan {
            request,
            tls: tls_settings(spec),
            proxy: proxy(handshake::proxy(self.engine.params(), connection), spec),
            timeout: deadline.saturating_duration_since(self.ctx.now),
        };
        let target: Arc<str> = Arc::from(plan.request.shown_target());
        if self.is_tapped() {
            for part in plan.request.render() {
                self.tap(connection, Some(epoch), || WireEvent::RequestLine(part.shown));
            }
        }
        let (result_in, result) = oneshot::channel();
        let environment = self.services.dials.clone();
        let peer: Arc<str> = Arc::from(plan.request.target().authority());
        let abort = self.tasks.spawn("dial", |_| async move {
            // The driver has given the dial up.
            let _ = result_in.send(dial::open(plan, &environment).await);
        });
        if let Some(life) = self.life(connection) {
            life.epoch = epoch.0;
            life.target = Some(target.clone());
            life.dial = Some(Dial { epoch, abort, result, target, peer });
        }
        self.status_is_old = true;
    }

    /// The request cannot even be written: nothing is dialled until a value changes.
    fn request_failed(&mut self, connection: ConnectionIx, epoch: Epoch, reason: &str) {
        let failure = FailureStatus {
            summary: self.masked_text(reason),
            advice:
                "correct the parameter or the setting that it names; the link is tried again when it is set"
                    .to_owned(),
            status: None,
            body: None,
            stages: Vec::new(),
            at: self.ctx.wall,
        };
        self.failed(connection, epoch, failure);
        let verdict = Verdict::rejected(Rejection::Request);
        self.link_inputs.push_back((connection, Input::Failed { epoch, verdict }));
    }

    /// The link cannot be dialled yet: its token is missing, or the session before it failed, or that ran and gave no address.
    pub(super) fn not_prepared(&mut self, connection: ConnectionIx, epoch: Epoch, has_run: bool) {
        let known = self.failure_before(connection).filter(|_| !has_run);
        let (summary, advice) = match known {
            Some(failure) => (
                format!("what the link needs before it opens could not be fetched: {}", failure.summary),
                failure.advice.clone(),
            ),
            None if has_run => (
                "the session before the link gave no address".to_owned(),
                "compare its answer, with `backshell tap`, with where the definition looks for the address; it is tried again".to_owned(),
            ),
            None => (
                "what the link needs before it opens could not be fetched".to_owned(),
                "see the messages of its HTTP session in the log; it is tried again".to_owned(),
            ),
        };
        let (status, body, stages) = (None, None, Vec::new());
        let failure = FailureStatus { summary, advice, status, body, stages, at: self.ctx.wall };
        self.failed(connection, epoch, failure);
        self.link_inputs.push_back((connection, Input::Failed { epoch, verdict: Verdict::TRANSIENT }));
    }

    /// The dial's task panicked: an error of ours, which must not take the element with it.
    pub(super) fn dial_lost(&mut self, connection: ConnectionIx, epoch: Epoch) {
        let failure = FailureStatus {
            summary: "the dial failed inside backshell".to_owned(),
            advice: "this is an error of backshell: its log has the place; the link is tried again"
                .to_owned(),
            status: None,
            body: None,
            stages: Vec::new(),
            at: self.ctx.wall,
        };
        self.failed(connection, epoch, failure);
        self.step_link(connection, Input::Failed { epoch, verdict: Verdict::TRANSIENT });
    }

    pub(super) fn failed(&mut self, connection: ConnectionIx, epoch: Epoch, failure: FailureStatus) {
        // A host that cannot be reached must not fill the log: the same failure again is only for those who look closely.
        let last = self.life(connection).and_then(|life| life.last_failure.clone());
        if last.is_some_and(|last| last.summary == failure.summary) {
            tracing::debug!(
                element = %self.spec.name, connection = connection.index(), epoch = epoch.0,
                reason = %failure.summary, "link failed, as before"
            );
        } else {
            tracing::warn!(
                element = %self.spec.name, connection = connection.index(), epoch = epoch.0,
                reason = %failure.summary, advice = %failure.advice, "link failed"
            );
        }
        let summary = failure.summary.clone();
        self.tap(connection, Some(epoch), || WireEvent::Failed(summary));
        if let Some(life) = self.life(connection) {
            life.last_failure = Some(Arc::new(failure));
        }
        self.status_is_old = true;
    }

    pub(super) fn shown_failure(&self, failure: &Failure) -> FailureStatus {
        self.shown_failure_with(&mut self.mask(), failure)
    }

    fn shown_failure_with(&self, mask: &mut Mask, failure: &Failure) -> FailureStatus {
        let stages = failure.stages.iter().map(|report| StageStatus {
            stage: report.stage.name(),
            ok: report.ok,
            detail: self.masked_with(mask, &report.detail),
            took: report.took,
        });
        let stages = stages.collect();
        FailureStatus {
            summary: self.masked_with(mask, &failure.to_string()),
            advice: self.masked_with(mask, &failure.advice),
            status: failure.status(),
            body: failure.snippet().map(|snippet| self.masked_with(mask, &snippet)),
            stages,
            at: self.ctx.wall,
        }
    }

    pub(super) fn dial_failed(&mut self, connection: ConnectionIx, epoch: Epoch, failure: &Failure) {
        // Only the answer of the peer itself is the definition's business.
        let own = failure.response.as_ref().filter(|_| failure.status().is_some());
        let captured = own.map(|response| self.capture(connection, response));
        let nothing = Gathered::default();
        let brought = captured.as_ref().unwrap_or(&nothing);
        let shown = self.shown_failure_with(&mut self.mask_of_answer(brought), failure);
        if let Some(response) = &failure.response {
            self.tap_response(connection, epoch, response, brought);
        }
        self.failed(connection, epoch, shown);
        if let Some(captured) = captured {
            self.engine.captured(&mut self.ctx, connection, captured);
            self.settle();
        }
        let now = self.ctx.wall;
        let verdict = match (failure.kind.rejection(), failure.status()) {
            (Some(reason), _) => Verdict::rejected(reason),
            // Its token may be over before its time: with another one it is tried as after any failure.
            (None, Some(401))
                if failure.kind == FailureKind::Refused
                    && self.engine.link_refused(self.ctx.now, connection) =>
            {
                Verdict::TRANSIENT
            }
            (None, Some(status)) if failure.kind == FailureKind::Refused => {
                let retry_after = failure.retry_after().map(|retry| retry.delay(now));
                match self.life(connection) {
                    Some(life) => verdict_of_status(status, retry_after, &life.link.policy().stop_on),
                    None => Verdict::TRANSIENT,
                }
            }
            (None, Some(_) | None) => Verdict::TRANSIENT,
        };
        self.step_link(connection, Input::Failed { epoch, verdict });
    }

    pub(super) fn dial_succeeded(
        &mut self,
        connection: ConnectionIx,
        epoch: Epoch,
        (target, peer): (Arc<str>, Arc<str>),
        mut opened: Opened,
    ) {
        let captured = self.capture(connection, &opened.response);
        self.tap_response(connection, epoch, &opened.response, &captured);
        let Some(spec) = self.spec.connections.get(connection.index()) else { return };
        let shown = |text: &str| Arc::from(self.masked_text(text));
        let extensions = opened.response.header("sec-websocket-extensions").map(|text| shown(&text));
        let subprotocol = opened.subprotocol.as_deref().map(shown);
        let opening = (self.ctx.now, std::mem::take(&mut opened.stages));
        let (inbox, outbox, link) = setup(spec, opened).open();
        let abort = self.tasks.spawn("link", |stop| {
            let run = link.run(stop);
            async move {
                // How it ended comes through the inbox.
                let _ = run.await;
            }
        });
        let socket = Socket {
            epoch,
            counters: inbox.counters(),
            inbox,
            outbox,
            abort: Some(abort),
            target,
            peer,
            subprotocol,
            extensions,
            opening,
            was_up: false,
            captured,
            events: Vec::new(),
        };
        if let Some(life) = self.life(connection) {
            life.sockets.push(socket);
        }
        self.step_link(connection, Input::Opened { epoch });
        // A link that was opened too late has been dropped by now, or is not wanted: `Drop` says so for current dials only.
        if let Some(life) = self.life(connection)
            && life.link.ready() != Some(epoch)
        {
            drop(life.remove_socket(epoch));
        }
    }

    fn capture(&self, connection: ConnectionIx, response: &Response) -> Gathered {
        let answer = Answer {
            status_line: &response.status_line,
            headers: &response.headers,
            body: Some(&response.body).filter(|_| response.status != 101),
        };
        let protocol = self.engine.protocol();
        let session = protocol.connection(connection).handshake.map(|session| protocol.session(session));
        let Some(exchange) = session.and_then(|session| session.exchanges.first()) else {
            return Gathered::default();
        };
        handshake::capture(self.engine.params(), exchange, &answer)
    }

    /// What hides the element's secrets, and those that an answer is about to bring.
    fn mask_of_answer(&self, captured: &Gathered) -> Mask {
        let mut mask = self.mask();
        mask.extend(captured.secrets(self.engine.params()));
        mask
    }

    fn tap_response(
        &mut self,
        connection: ConnectionIx,
        epoch: Epoch,
        response: &Response,
        captured: &Gathered,
    ) {
        if !self.is_tapped() {
            return;
        }
        let mut mask = self.mask_of_answer(captured);
        let lines = std::iter::once(response.status_line.clone())
            .chain(response.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        for line in lines.collect::<Vec<_>>() {
            let line = self.masked_with(&mut mask, &line);
            self.tap(connection, Some(epoch), || WireEvent::ResponseLine(line));
        }
    }

    /// The handshake that a connection would send now, line by line, secrets masked.
    pub(super) fn explain(&mut self, connection: ConnectionIx) -> Result<Vec<ExplainedLine>, String> {
        let spec = self.spec.connections.get(connection.index());
        let address = spec
            .map_or_else(Address::default, |spec| Address { host: spec.host.as_deref(), port: spec.port });
        let lines = explain::lines(&mut self.ctx, self.engine.params(), connection, address);
        lines.map_err(|reason| self.masked_text(&reason))
    }

    /// What HTTP sessions would send over a connection now, secrets masked.
    pub(super) fn explain_requests(&mut self, connection: ConnectionIx) -> Vec<ExplainedRequest> {
        let spec = self.spec.connections.get(connection.index());
        let address = spec
            .map_or_else(Address::default, |spec| Address { host: spec.host.as_deref(), port: spec.port });
        let options = self.engine.message_options();
        explain::requests::requests(&mut self.ctx, self.engine.params(), &options, connection, address)
    }
}

pub(super) fn tls_settings(spec: &ConnectionSpec) -> TlsSettings {
    let path = |file: &Option<Arc<str>>| file.as_deref().map(PathBuf::from);
    TlsSettings {
        ca: path(&spec.tls.ca),
        certificate: path(&spec.tls.certificate),
        key: path(&spec.tls.key),
        server_name: spec.tls.server_name.as_deref().map(str::to_owned),
        verification: if spec.tls.verify { Verification::Full } else { Verification::None },
        ..TlsSettings::default()
    }
}

/// The proxy of the handshake session goes first: a parameter may hold it, which people set while the element runs.
pub(super) fn proxy(
    of_session: Option<(Secret<String>, Option<Credentials>)>,
    spec: &ConnectionSpec,
) -> Choice {
    match of_session {
        Some((url, Some(credentials))) => return Choice::Server { url, credentials },
        Some((url, None)) => return Choice::Url(url),
        None => {}
    }
    match &spec.proxy {
        Some(url) => Choice::Url(Secret::new(url.expose().to_string())),
        None if spec.bypass_proxy => Choice::Direct,
        None => Choice::System,
    }
}

fn setup(spec: &ConnectionSpec, opened: Opened) -> Setup<dial::Io> {
    let mut setup = Setup::new(opened.io, Role::Client);
    setup.leftover = opened.leftover;
    setup.deflate = opened.deflate;
    setup.limits = Limits {
        max_message_bytes: spec.limits.max_message_bytes,
        send_queue: spec.limits.send_queue,
        ..Limits::default()
    };
    setup.keep_alive = KeepAlive {
        ping_interval: spec.keep_alive.ping_interval,
        pong_timeout: spec.keep_alive.pong_timeout,
        silence: spec.keep_alive.silence,
    };
    setup
}
