//! Why a link could not be opened: the stages that were tried, the kind of failure and one line of advice; tries nothing.

mod first;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::handshake::Response;
use crate::engine::link::policy::Rejection;
use crate::value::Wall;

/// One stage of opening a link, in the order in which they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Resolving the name.
    Name,
    /// The TCP connection.
    Tcp,
    /// The proxy's answer.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The HTTP request and its answer.
    Http,
    /// Subprotocol and extensions.
    Negotiation,
    /// What came over the link before it was stable; see [`Failure::before_first_message`].
    FirstMessage,
    /// The body of an answer to a request.
    Body,
}

impl Stage {
    /// The name as shown: `name`, `tcp`, `proxy`, `tls`, `http`, `negotiation`, `first message`, `body`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Negotiation => "negotiation",
            Self::FirstMessage => "first message",
            Self::Body => "body",
        }
    }
}

/// What happened at one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageReport {
    /// The stage.
    pub stage: Stage,
    /// Whether it worked.
    pub ok: bool,
    /// What happened, in a few words, without secrets.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

/// What kind of failure it was; `Display` of [`Failure`] has the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The request cannot be sent as the parameters stand.
    Request,
    /// The time for the whole dial was over.
    Deadline,
    /// The name does not resolve.
    Name,
    /// Every address refused the connection.
    ConnectionRefused,
    /// No address can be reached.
    Unreachable,
    /// The proxy's address is wrong, or of a kind that is not possible.
    ProxySetting,
    /// The proxy itself cannot be reached.
    ProxyUnreachable,
    /// The proxy wants other credentials.
    ProxyCredentials,
    /// The proxy does not make the connection.
    ProxyRefused,
    /// A file of the TLS settings cannot be used.
    TlsSettings,
    /// The peer's certificate is not accepted.
    Certificate,
    /// The peer wants a client certificate, or another one.
    ClientCertificate,
    /// TLS failed otherwise.
    Tls,
    /// The peer ended the connection before it answered.
    Closed,
    /// The connection broke.
    Broken,
    /// What came is no HTTP answer, or its head is too large.
    NotHttp,
    /// An answer other than 101.
    Refused,
    /// A redirect that is not followed.
    Redirect,
    /// A 101 that is no WebSocket upgrade.
    Upgrade,
    /// A subprotocol that was not offered.
    Subprotocol,
    /// An extension that was not offered or cannot be used.
    Extension,
    /// The link opened, and ended before its first message.
    FirstMessage,
    /// The body of an answer is too long, or is not what its headers say.
    Content,
}

impl FailureKind {
    /// What the state machine of links calls it; `None` is an ordinary failure, after which trying again can help.
    ///
    /// A refusal by status or by close code is decided with `stopOn`: see `engine::link::policy::verdict_of_status` and
    /// `verdict_of_close`.
    pub fn rejection(self) -> Option<Rejection> {
        match self {
            Self::Request | Self::ProxySetting => Some(Rejection::Request),
            Self::Certificate | Self::ClientCertificate | Self::TlsSettings => Some(Rejection::Certificate),
            Self::Subprotocol => Some(Rejection::Subprotocol),
            Self::Extension => Some(Rejection::Extension),
            Self::Deadline
            | Self::Name
            | Self::ConnectionRefused
            | Self::Unreachable
            | Self::ProxyUnreachable
            | Self::ProxyCredentials
            | Self::ProxyRefused
            | Self::Tls
            | Self::Closed
            | Self::Broken
            | Self::NotHttp
            | Self::Refused
            | Self::Redirect
            | Self::Upgrade
            | Self::FirstMessage
            | Self::Content => None,
        }
    }
}

/// When a peer wants to be asked again (RFC 9110, 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// After a time: seconds were given, or a date beside the answer's own `Date`.
    After(Duration),
    /// At a time of day.
    At(Wall),
}

impl RetryAfter {
    /// What the headers of an answer say, if they say anything that can be read.
    pub fn of(headers: &[(String, String)]) -> Option<Self> {
        let first = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.as_str())
        };
        Self::parse(first("retry-after")?, first("date"))
    }

    /// Reads the header; `date` is the answer's own `Date`, which makes the peer's clock irrelevant.
    fn parse(value: &str, date: Option<&str>) -> Option<Self> {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // A number beyond 64 bits is as good as for ever.
            return Some(Self::After(Duration::from_secs(value.parse().unwrap_or(u64::MAX))));
        }
        let at = httpdate::parse_http_date(value).ok()?;
        if let Some(date) = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()) {
            return Some(Self::After(at.duration_since(date).unwrap_or_default()));
        }
        let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Self::At(Wall::default().after(since)))
    }

    /// How long that is from `now`.
    pub fn delay(self, now: Wall) -> Duration {
        match self {
            Self::After(delay) => delay,
            Self::At(at) => Duration::from_nanos(at.0.saturating_sub(now.0)),
        }
    }
}

/// Why a link could not be opened.
///
/// `Display` is one line: the stage and what went wrong. No field holds a secret of ours; the body is what the peer sent.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// What went wrong, one line without secrets.
    pub summary: String,
    /// What to do about it, one line.
    pub advice: String,
    /// The stages that were tried; the last one failed, except for [`FailureKind::Request`], where nothing was tried.
    pub stages: Vec<StageReport>,
    /// The answer of the peer, or of the proxy, if one came: up to 64 KiB of body.
    pub response: Option<Arc<Response>>,
    /// Addresses that redirects led to, in order.
    pub redirects: Vec<String>,
}

impl Failure {
    /// The status of the peer's answer; `None` without one, and for an answer of a proxy.
    pub fn status(&self) -> Option<u16> {
        if self.is_of_proxy() { None } else { self.response.as_ref().map(|response| response.status) }
    }

    /// The answer's body for people: at most 1 KiB, control characters shown as escapes.
    pub fn snippet(&self) -> Option<String> {
        self.response.as_ref().map(|response| response.snippet()).filter(|text| !text.is_empty())
    }

    /// When the peer wants to be asked again.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        let response = self.response.as_ref().filter(|_| !self.is_of_proxy())?;
        RetryAfter::of(&response.headers)
    }

    fn is_of_proxy(&self) -> bool {
        matches!(self.kind, FailureKind::ProxyRefused | FailureKind::ProxyCredentials)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stages.last().filter(|report| !report.ok) {
            Some(report) => write!(f, "{}: {}", report.stage.name(), self.summary),
            None => f.write_str(&self.summary),
        }
    }
}

impl std::error::Error for Failure {}

/// What went wrong inside a stage, before the log of stages makes a [`Failure`] of it.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) kind: FailureKind,
    pub(crate) summary: String,
    pub(crate) advice: String,
    pub(crate) response: Option<Arc<Response>>,
}

impl Trouble {
    pub(crate) fn new(kind: FailureKind, summary: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { kind, summary: summary.into(), advice: advice.into(), response: None }
    }

    pub(crate) fn with_response(mut self, response: Response) -> Self {
        self.response = Some(Arc::new(response));
        self
    }
}

/// Records the stages of one dial; at most a few for each of six hops.
#[derive(Debug, Default)]
pub(crate) struct StageLog {
    reports: Vec<StageReport>,
    current: Option<(Stage, Instant, String)>,
    /// The proxy that is being reached, until it is.
    to_proxy: Option<String>,
    pub(crate) redirects: Vec<String>,
}

impl StageLog {
    /// Starts a stage; `doing` is shown if the deadline ends it.
    pub(crate) fn begin(&mut self, stage: Stage, doing: impl Into<String>) {
        self.current = Some((stage, Instant::now(), doing.into()));
    }

    /// Until [`Self::at_proxy`], names and connections are those of a proxy, and not of the peer.
    pub(crate) fn heads_for_proxy(&mut self, proxy: impl Into<String>) {
        self.to_proxy = Some(proxy.into());
    }

    /// The proxy has been reached.
    pub(crate) fn at_proxy(&mut self) {
        self.to_proxy = None;
    }

    /// Ends the current stage well.
    pub(crate) fn done(&mut self, detail: impl Into<String>) {
        self.end(true, detail.into());
    }

    fn end(&mut self, ok: bool, detail: String) {
        if let Some((stage, since, _)) = self.current.take() {
            self.reports.push(StageReport { stage, ok, detail, took: since.elapsed() });
        }
    }

    /// What failed in the current stage belongs to another one.
    pub(crate) fn belongs_to(&mut self, stage: Stage) {
        if let Some((current, _, _)) = &mut self.current {
            *current = stage;
        }
    }

    /// What was done is known better than when the stage began.
    pub(crate) fn did(&mut self, what: String) {
        if let Some((_, _, doing)) = &mut self.current {
            *doing = what;
        }
    }

    /// Goes back to a stage that was believed done: what came later shows that it failed.
    ///
    /// Under TLS 1.3 a client has done its part before the server has looked at the client's certificate.
    pub(crate) fn back_to(&mut self, stage: Stage) {
        let Some(at) = self.reports.iter().rposition(|report| report.stage == stage) else { return };
        let later = self.current.take().map_or(Duration::ZERO, |(_, since, _)| since.elapsed());
        let took = self.reports.drain(at..).map(|report| report.took).sum::<Duration>() + later;
        let now = Instant::now();
        self.current = Some((stage, now.checked_sub(took).unwrap_or(now), String::new()));
    }

    pub(crate) fn into_reports(self) -> Vec<StageReport> {
        self.reports
    }

    /// Ends the current stage badly.
    pub(crate) fn fail(mut self, trouble: Trouble) -> Failure {
        self.end(false, trouble.summary.clone());
        Failure {
            kind: trouble.kind,
            summary: trouble.summary,
            advice: trouble.advice,
            stages: self.reports,
            response: trouble.response,
            redirects: self.redirects,
        }
    }

    /// Ends the current stage because the time for the whole dial is over.
    pub(crate) fn out_of_time(self, limit: Duration) -> Failure {
        let (stage, doing) = match &self.current {
            Some((stage, _, doing)) => (*stage, doing.clone()),
            None => (Stage::Name, "starting".to_owned()),
        };
        let what = if stage == Stage::Body { "only part of an answer" } else { "no answer" };
        let summary = format!("{what} within {} ms, while {doing}", limit.as_millis());
        if let Some(proxy) = &self.to_proxy {
            let trouble = proxy_unreachable(proxy, &summary);
            return self.fail(trouble);
        }
        let advice = match stage {
            Stage::Name => {
                "the name service of this host does not answer: check its settings, or use an IP address"
            }
            Stage::Tcp => {
                "nothing answers at this address: check address, port, firewall and whether the device is on"
            }
            Stage::Proxy => "the proxy does not answer in time: check that it may reach the address",
            Stage::Tls => {
                "the peer accepts the connection but speaks no TLS: check the port, or use ws instead of wss"
            }
            Stage::Body => {
                "the peer sends slowly or hangs: give it more time with TimeoutTime, or ask for less at once"
            }
            Stage::Http | Stage::Negotiation | Stage::FirstMessage => {
                "the peer accepts the connection but does not answer: check the port, use wss if it expects TLS, or give it more time with TimeoutTime"
            }
        };
        self.fail(Trouble::new(FailureKind::Deadline, summary, advice))
    }
}

/// A proxy that cannot be reached, whatever the peer behind it does.
pub(crate) fn proxy_unreachable(proxy: &str, why: &str) -> Trouble {
    Trouble::new(
        FailureKind::ProxyUnreachable,
        format!("the proxy {proxy} cannot be reached: {why}"),
        "check the proxy's address, or set bypassProxy",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:50:37 GMT";
        let at = Wall(784_111_837_000_000_000);
        let check = |value: &str, beside: Option<&str>, expected: Option<u64>| {
            let delay = RetryAfter::parse(value, beside).map(|retry| retry.delay(at).as_secs());
            assert_eq!(delay, expected, "{value}");
        };
        check("120", None, Some(120));
        check(" 0 ", None, Some(0));
        check(later, Some(date), Some(60));
        check(later, None, Some(0));
        check("Sun, 06 Nov 1994 08:51:37 GMT", None, Some(60));
        check(date, Some(later), Some(0));
        check("99999999999999999999999", None, Some(u64::MAX));
        check("-1", None, None);
        check("soon", None, None);
        check("", None, None);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [header("DATE", date), header("Retry-After", later), header("retry-after", "1")];
        assert_eq!(RetryAfter::of(&headers), Some(RetryAfter::After(Duration::from_secs(60))));
        assert_eq!(RetryAfter::of(&headers[..1]), None);
    }

    #[test]
    fn a_failure_is_one_line_with_its_stage() {
        let mut log = StageLog::default();
        log.begin(Stage::Tcp, "connecting to 127.0.0.1:1");
        let failure = log.out_of_time(Duration::from_millis(1500));
        assert_eq!(failure.to_string(), "tcp: no answer within 1500 ms, while connecting to 127.0.0.1:1");
        assert!(!failure.stages[0].ok);
    }
}
