//! Sends the requests of HTTP sessions: redirects, credentials, bounds and failures in words; decides nothing about when.

mod address;
mod clients;
pub mod instead;
mod login;
mod origins;
#[cfg(test)]
pub(crate) mod peer;
mod progress;
mod words;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::HeaderValue;
use tokio::time::{Instant, timeout_at};

pub use self::address::Address;
use self::clients::Clients;
pub(crate) use self::clients::trusting_nobody;
use self::instead::Respond;
use self::login::Logins;
use self::origins::Origins;
pub use self::origins::PER_ORIGIN;
use self::progress::{Destination, Progress};
use super::dial::{Environment, MAX_REDIRECTS, elsewhere};
use super::failure::{Failure, FailureKind, RetryAfter, Stage, StageLog, Trouble};
use super::handshake::printable;
use super::{proxy, tls};
use crate::engine::session::requests::{After, Redirects};
use crate::engine::target::Scheme;
use crate::engine::target::exchange::{Content, HttpRequest};
use crate::engine::target::request::RedirectError;

/// How many bytes of a body a failure shows.
const SNIPPET: usize = 512;

/// What is sent, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The request.
    pub request: HttpRequest,
    /// The address of its target.
    pub address: Arc<Address>,
    /// For everything together: waiting for a place, redirects, credentials and the body.
    pub timeout: Duration,
    /// TLS, used if the target is encrypted.
    pub tls: tls::Settings,
    /// Which proxy.
    pub proxy: proxy::Choice,
    /// The longest body, after decompression, in bytes.
    pub max_bytes: usize,
    /// Whether redirects are followed.
    pub redirects: Redirects,
    /// What becomes of the connection.
    pub connection_after: After,
}

/// An answer; every status is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The whole status line, such as `HTTP/1.1 200 OK`.
    pub status_line: String,
    /// Names and values in the order received; bytes that are not UTF-8 are read as ISO 8859-1.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Bytes,
    /// How it came: that of the last address.
    pub scheme: Scheme,
    /// Addresses that redirects led to, in order, without secrets.
    pub redirects: Vec<String>,
}

impl Answer {
    /// When the peer wants to be asked again.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        RetryAfter::of(&self.headers)
    }

    /// What an answer that is no success means, in one line, and what to do about it in another.
    ///
    /// Names the peer's words as they came: whoever shows them masks secrets.
    pub fn refusal(&self) -> (String, String) {
        words::refusal(self)
    }

    /// The beginning of the body as one line, for people; empty if there is none.
    pub fn snippet(&self) -> String {
        let text = String::from_utf8_lossy(self.body.get(..SNIPPET.min(self.body.len())).unwrap_or_default());
        printable(text.trim())
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Why no answer came.
#[derive(Clone, Debug)]
pub struct Fault {
    /// In words, with the stage.
    pub failure: Failure,
    /// Whether a byte of the request may have reached the peer: if not, even a POST may be sent again.
    pub written: bool,
}

/// Sends requests; one for the process, shared by all elements.
///
/// Elements with equal TLS and proxy settings share connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Http {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clients: Clients,
    logins: Logins,
    origins: Origins,
    /// Who answers in the place of the network.
    instead: Option<Arc<dyn Respond>>,
}

impl Default for Http {
    fn default() -> Self {
        Self::new(PER_ORIGIN)
    }
}

impl Http {
    /// A sender with at most `per_origin` requests under way to the same scheme, host and port; at least one.
    pub fn new(per_origin: usize) -> Self {
        Self::with(per_origin, None)
    }

    /// A sender that no network carries: everything is answered by one who stands in for all peers.
    pub fn simulated(peers: Arc<dyn Respond>) -> Self {
        Self::with(PER_ORIGIN, Some(peers))
    }

    fn with(per_origin: usize, instead: Option<Arc<dyn Respond>>) -> Self {
        let shared = Shared {
            clients: Clients::default(),
            logins: Logins::default(),
            origins: Origins::new(per_origin),
            instead,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Changes how many requests may be under way to one server; those that are, or wait, keep to what held before.
    pub fn set_per_origin(&self, per_origin: usize) {
        self.shared.origins.set(per_origin);
    }

    /// Sends a request and reads the whole answer.
    ///
    /// Redirects (301, 302, 303, 307, 308 with a `Location`) are followed up to [`MAX_REDIRECTS`], never from https to http,
    /// and without secrets to another origin. A 401 is answered once with the request's login.
    ///
    /// # Errors
    ///
    /// [`Fault`]: no answer came, or one that is too long, is cut, or cannot be decompressed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the request up; the peer may have had it.
    pub async fn send(&self, plan: &Plan, environment: &Environment) -> Result<Answer, Fault> {
        let deadline = Instant::now() + plan.timeout;
        let mut log = StageLog::default();
        let mut progress = Progress::default();
        let answer = self.follow(plan, environment, &mut log, &mut progress);
        match timeout_at(deadline, answer).await {
            Ok(Ok(mut answer)) => {
                answer.redirects = std::mem::take(&mut log.redirects);
                Ok(answer)
            }
            Ok(Err(trouble)) => {
                if let Some(stage) = words::stage(trouble.kind) {
                    log.belongs_to(stage);
                }
                Err(Fault { failure: log.fail(trouble), written: progress.may_be_written() })
            }
            Err(_) => {
                let failure = words::out_of_time(log, plan.timeout, &progress);
                Err(Fault { failure, written: progress.may_be_written() })
            }
        }
    }

    async fn follow(
        &self,
        plan: &Plan,
        environment: &Environment,
        log: &mut StageLog,
        progress: &mut Progress,
    ) -> Result<Answer, Trouble> {
        // The one that a redirect led to.
        let mut redirected: Option<(HttpRequest, Arc<Address>)> = None;
        loop {
            let at = match &redirected {
                Some((request, address)) => (request, address),
                None => (&plan.request, &plan.address),
            };
            let answer = self.hop(plan, at, environment, log, progress).await?;
            let (request, _) = at;
            let location = match answer.status {
                301 | 302 | 303 | 307 | 308 => answer.header("location").map(str::to_owned),
                _ => None,
            };
            let Some(location) = location.filter(|_| plan.redirects == Redirects::Follow) else {
                return Ok(answer);
            };
            if log.redirects.len() >= MAX_REDIRECTS {
                return Err(Trouble::new(
                    FailureKind::Redirect,
                    format!(
                        "`{}` after {MAX_REDIRECTS} redirects: {}",
                        printable(&answer.status_line),
                        log.redirects.join(" -> ")
                    ),
                    "the peer redirects in a circle: use the address that it ends at",
                ));
            }
            let next = request.redirected(answer.status, &location).map_err(|error| {
                let advice = match error {
                    RedirectError::Target(_) => "use the peer's final address instead of one that redirects",
                    RedirectError::Downgrade => {
                        "use an address that stays encrypted, or begin with http if that is acceptable"
                    }
                    RedirectError::Content => {
                        "use the final address: what is sent is not given to a server that nobody configured"
                    }
                };
                Trouble::new(FailureKind::Redirect, printable(&error.to_string()), advice)
            })?;
            log.done(format!("{}: redirected to {}", printable(&answer.status_line), next.shown_url()));
            log.redirects.push(next.shown_url());
            let address = Arc::new(Address::of(next.target()));
            redirected = Some((next, address));
        }
    }

    /// One address: the request, and once more with credentials if the peer asks for them.
    async fn hop(
        &self,
        plan: &Plan,
        (request, address): (&HttpRequest, &Arc<Address>),
        environment: &Environment,
        log: &mut StageLog,
        progress: &mut Progress,
    ) -> Result<Answer, Trouble> {
        let target = request.target();
        debug_assert_eq!(address.target(), target, "a plan has the address of its request");
        log.begin(Stage::Http, format!("waiting for {}", address.place()));
        let settings = match self.shared.instead {
            None => elsewhere(&plan.tls, plan.request.target().same_origin(target)),
            // No TLS is spoken: neither files nor the system's roots are needed.
            Some(_) => tls::Settings { verification: tls::Verification::None, ..tls::Settings::default() },
        };
        let proxy = proxy::choose(&plan.proxy, &environment.system_proxy, target).map_err(|error| {
            Trouble::new(
                FailureKind::ProxySetting,
                error.to_string(),
                "correct the proxy's address, or set bypassProxy",
            )
        })?;
        let client = self.shared.clients.client(&settings, proxy.as_ref(), target).await?;
        let _place = self.shared.origins.place(address.origin()).await;
        let mut logins = self.shared.logins.of(address.origin(), request);
        loop {
            let mut built = build(&client, request, address, &settings);
            if plan.connection_after == After::Close {
                // HTTP/2 has one connection for all, and knows no such header.
                built = built.header(http::header::CONNECTION, "close");
            }
            if let Some(value) = logins.header(request) {
                built = built.header(http::header::AUTHORIZATION, value);
            }
            let destination =
                Destination { address: Arc::clone(address), proxy: proxy.as_ref().map(ToString::to_string) };
            let sent = match &self.shared.instead {
                None => progress.watch(destination, built.send()).await,
                Some(peers) => match progress.watch(destination, instead::send(&**peers, built)).await {
                    Ok(response) => Ok(response),
                    Err((trouble, may_be_written)) => {
                        if !may_be_written {
                            progress.not_connected();
                        }
                        return Err(trouble);
                    }
                },
            };
            let response = match sent {
                Ok(response) => response,
                Err(error) => {
                    // Where there was no connection nothing can have been written, except to the address that redirected to it.
                    if error.is_connect() {
                        progress.not_connected();
                    }
                    return Err(words::trouble(&error, request, proxy.as_ref()));
                }
            };
            if response.status() == http::StatusCode::UNAUTHORIZED && logins.challenged(&response) {
                // The connection is of use again only if the body was read.
                drop(body(response, plan.max_bytes).await);
                continue;
            }
            return answer(response, target.scheme(), plan.max_bytes, log).await;
        }
    }
}

/// The request as reqwest takes it.
fn build(
    client: &clients::Client,
    request: &HttpRequest,
    address: &Address,
    settings: &tls::Settings,
) -> reqwest::RequestBuilder {
    let method = request.method().clone();
    let mut built = match (client.other_url(request.target(), settings), address.url()) {
        (None, Some(url)) => client.http.request(method, url.clone()),
        // The library says what it does not like about it.
        (None, None) => client.http.request(method, request.target().http_url()),
        (Some(url), _) => client.http.request(method, url),
    };
    let mut has_host = false;
    for header in request.headers() {
        has_host |= header.name.eq_ignore_ascii_case("host");
        built = match HeaderValue::from_str(header.value.expose()) {
            Ok(mut value) => {
                // No log of a library shows it, and no table of HTTP/2 keeps it.
                value.set_sensitive(header.is_credential());
                built.header(header.name.as_str(), value)
            }
            // Bytes beyond ASCII.
            Err(_) => built.header(header.name.as_str(), header.value.expose().as_bytes()),
        };
    }
    if client.hides_host && !has_host {
        built = built.header(http::header::HOST, request.target().host_header());
    }
    match request.content() {
        Content::None => built,
        Content::Bytes(bytes) => built.body(bytes.expose().clone()),
        Content::Form(parts) => {
            let mut form = reqwest::multipart::Form::new();
            for part in parts {
                let bytes = part.content.expose().clone();
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let mut made = reqwest::multipart::Part::stream_with_length(bytes, length);
                if let Some(file) = &part.file {
                    made = made.file_name(file.clone());
                }
                if let Some(media_type) = &part.media_type {
                    // Checked when the definition was loaded; one that is none is left out.
                    made = match made.mime_str(media_type) {
                        Ok(made) => made,
                        Err(_) => continue,
                    };
                }
                form = form.part(part.name.clone(), made);
            }
            built.multipart(form)
        }
    }
}

async fn answer(
    response: reqwest::Response,
    scheme: Scheme,
    max_bytes: usize,
    log: &mut StageLog,
) -> Result<Answer, Trouble> {
    let status = response.status();
    let reason = response.extensions().get::<hyper::ext::ReasonPhrase>();
    let reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()));
    let reason = reason.or_else(|| status.canonical_reason().map(Into::into)).unwrap_or_default();
    let mut status_line = match response.version() {
        http::Version::HTTP_11 => "HTTP/1.1 ".to_owned(),
        other => format!("{other:?} "),
    };
    status_line.push_str(status.as_str());
    if !reason.trim_end().is_empty() {
        status_line.push(' ');
        status_line.push_str(reason.trim_end());
    }
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect();
    log.done(printable(&status_line));
    log.begin(Stage::Body, format!("reading the body behind `{}`", printable(&status_line)));
    let body = body(response, max_bytes).await?;
    Ok(Answer { status: status.as_u16(), status_line, headers, body, scheme, redirects: Vec::new() })
}

/// The value of a header: UTF-8, else ISO 8859-1 (RFC 9110, 5.5).
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// The whole body, decompressed, at most `max_bytes` of it.
async fn body(mut response: reqwest::Response, max_bytes: usize) -> Result<Bytes, Trouble> {
    let mut whole = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if whole.len() + chunk.len() > max_bytes => {
                return Err(Trouble::new(
                    FailureKind::Content,
                    format!("the body of the answer is longer than {max_bytes} bytes"),
                    "ask for less, or raise maxMessageBytes of the connection's limits",
                ));
            }
            Ok(Some(chunk)) => {
                whole.extend_from_slice(&chunk);
                // Whoever waits for the answer has other work too.
                tokio::task::coop::consume_budget().await;
            }
            Ok(None) => return Ok(whole.freeze()),
            Err(error) => return Err(words::body_trouble(&error)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the servers of a test live as long as the test")]
#[cfg(test)]
mod tests;
