//! Opens a link: name, TCP, proxy, TLS, HTTP and negotiation inside one deadline; does not decide when to try again.

mod connect;
mod hop;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::connect::words;
pub use self::connect::{Connector, Network};
use super::deflate::Agreed;
use super::failure::{Failure, FailureKind, Stage, StageLog, StageReport, Trouble};
use super::handshake::Response;
use super::{proxy, tls};
use crate::engine::target::Scheme;
use crate::engine::target::request::{RedirectError, Request};

/// How many redirects are followed (LANGUAGE 2.1).
pub const MAX_REDIRECTS: usize = 5;

/// A connection to a peer: a socket, TLS over one, or a pipe in tests.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// A connection of any kind.
pub type Io = Box<dyn Socket>;

/// What a dial gets from the process.
#[derive(Clone)]
pub struct Environment {
    /// Resolves names and opens connections.
    pub connector: Arc<dyn Connector>,
    /// The proxies of the environment.
    pub system_proxy: proxy::System,
}

impl Environment {
    /// The real network, and the proxies that the process was started with.
    pub fn of_process() -> Self {
        Self {
            connector: Arc::new(Network::default()),
            system_proxy: proxy::System::read(|name| std::env::var(name).ok()),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("system_proxy", &self.system_proxy).finish_non_exhaustive()
    }
}

/// What is to be opened, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The request; its nonce must be new.
    pub request: Request,
    /// For everything together, redirects included (`TimeoutTime`).
    pub timeout: Duration,
    /// TLS, used if the target is encrypted.
    pub tls: tls::Settings,
    /// Which proxy.
    pub proxy: proxy::Choice,
}

/// An open link, and how it came about.
pub struct Opened {
    /// The connection; the next bytes are WebSocket frames, those of `leftover` first.
    pub io: Io,
    /// What arrived behind the 101.
    pub leftover: Bytes,
    /// The 101.
    pub response: Response,
    /// The subprotocol that the server selected.
    pub subprotocol: Option<String>,
    /// The agreed compression.
    pub deflate: Option<Agreed>,
    /// The stages, in order; with redirects, those of every hop.
    pub stages: Vec<StageReport>,
    /// The address of the peer, or of the proxy.
    pub address: SocketAddr,
    /// What TLS agreed on.
    pub tls: Option<tls::Summary>,
    /// Addresses that redirects led to, in order.
    pub redirects: Vec<String>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("address", &self.address)
            .field("subprotocol", &self.subprotocol)
            .field("deflate", &self.deflate)
            .field("tls", &self.tls)
            .field("stages", &self.stages)
            .finish_non_exhaustive()
    }
}

/// Opens a link.
///
/// Names are resolved anew, also for each redirect. Redirects (301, 302, 303, 307, 308 with a `Location`) are followed up to
/// [`MAX_REDIRECTS`], never from wss to ws, and without secrets to another origin. The dial budget is the caller's and counts
/// the first host: waiting for a place of each further one would use up the deadline.
///
/// # Errors
///
/// [`Failure`] has every stage that was tried, the peer's answer if there was one, and one line of advice.
///
/// # Cancel safety
///
/// Dropping the future closes every connection that it has opened or begun; nothing is left behind.
pub async fn open(plan: Plan, environment: &Environment) -> Result<Opened, Failure> {
    let deadline = Instant::now() + plan.timeout;
    let mut log = StageLog::default();
    // The future is dropped when the time is over, and with it every connection; the log stays.
    match timeout_at(deadline, follow(&plan, environment, &mut log, deadline)).await {
        Ok(Ok(hop)) => Ok(Opened {
            io: hop.io,
            leftover: hop.leftover,
            response: hop.response,
            subprotocol: hop.negotiated.subprotocol,
            deflate: hop.negotiated.deflate,
            address: hop.address,
            tls: hop.tls,
            redirects: std::mem::take(&mut log.redirects),
            stages: log.into_reports(),
        }),
        Ok(Err(trouble)) => Err(log.fail(trouble)),
        Err(_) => Err(log.out_of_time(plan.timeout)),
    }
}

async fn follow(
    plan: &Plan,
    environment: &Environment,
    log: &mut StageLog,
    deadline: Instant,
) -> Result<hop::Upgraded, Trouble> {
    let mut request = plan.request.clone();
    loop {
        let same_origin = plan.request.target().same_origin(request.target());
        let settings = elsewhere(&plan.tls, same_origin);
        let response = match hop::open(&request, plan, &settings, environment, log, deadline).await? {
            hop::Outcome::Upgraded(upgraded) => return Ok(upgraded),
            hop::Outcome::Answered(response) => response,
        };
        let location = match response.status {
            301 | 302 | 303 | 307 | 308 => response.first("location").map(str::to_owned),
            _ => None,
        };
        let Some(location) = location else { return Err(refusal(response, request.target().scheme())) };
        let status = response.shown_status();
        if log.redirects.len() >= MAX_REDIRECTS {
            let trouble = Trouble::new(
                FailureKind::Redirect,
                format!("`{status}` after {MAX_REDIRECTS} redirects: {}", log.redirects.join(" -> ")),
                "the peer redirects in a circle: use the address that it ends at",
            );
            return Err(trouble.with_response(response));
        }
        let next = request.redirected(&location).map_err(|error| {
            let advice = match error {
                RedirectError::Target(_) => "use the peer's final address instead of one that redirects",
                RedirectError::Downgrade => {
                    "use an address that stays encrypted, or begin with ws if that is acceptable"
                }
                RedirectError::Content => "a handshake has no content: this cannot be",
            };
            Trouble::new(FailureKind::Redirect, super::handshake::printable(&error.to_string()), advice)
                .with_response(response)
        })?;
        request = next.with_key(rand::random());
        log.done(format!("{status}: redirected to {}", request.shown_target()));
        log.redirects.push(request.shown_target());
    }
}

/// The TLS settings for a hop: our certificate and the name are for the address that was configured, and for no other.
///
/// `verify="false"` goes along: whoever sent the redirect was not checked either, and no secret is sent to another origin.
pub(crate) fn elsewhere(settings: &tls::Settings, same_origin: bool) -> tls::Settings {
    if same_origin {
        return settings.clone();
    }
    tls::Settings { certificate: None, key: None, server_name: None, ..settings.clone() }
}

/// An answer that is neither an upgrade nor a redirect.
fn refusal(response: Response, scheme: Scheme) -> Trouble {
    // nginx, Apache, Go and others answer plain text on a TLS port so, each with these five letters.
    let wants_tls = scheme == Scheme::Ws
        && response.status == 400
        && response.snippet().to_ascii_lowercase().contains("https");
    let asks = response.header("www-authenticate").map(|text| super::handshake::shown(&text));
    let advice = match response.status {
        101 => "the peer switches to something else than WebSocket".to_owned(),
        200..=299 => "the peer answers as a web server: check that the path is that of a WebSocket".to_owned(),
        300..=399 => "the peer redirects without saying where: use its final address".to_owned(),
        400 if wants_tls => "use wss instead of ws: the peer speaks TLS on this port".to_owned(),
        400 => "400: the peer does not like the request: check path, subprotocol and headers".to_owned(),
        401 => format!(
            "401: the peer asks for {}: check the header or parameter with the credentials",
            asks.as_deref().unwrap_or("credentials")
        ),
        403 => "403: the peer does not allow it: check credentials, the Origin header and what the account may do".to_owned(),
        404 | 410 => format!("{}: the peer has nothing at this path: check the path parameter", response.status),
        405 => "405: there is something at this path, but no WebSocket".to_owned(),
        407 => "407: a proxy in between asks for credentials: set bs:Proxy with user name and password".to_owned(),
        426 => "426: the peer wants another protocol or version: see its Upgrade and Sec-WebSocket-Version headers".to_owned(),
        429 => "429: the peer has had too many requests: it is tried again later".to_owned(),
        502..=504 => format!(
            "{}: something in front of the peer answers, the peer itself does not: it is tried again",
            response.status
        ),
        500..=599 => format!("{}: the peer has an error of its own: see its log", response.status),
        other => format!("{other}: see the peer's documentation for this status"),
    };
    let mut summary = format!("the peer answered `{}`", response.shown_status());
    let body = response.snippet();
    if !body.is_empty() {
        summary.push_str(&format!(", `{}`", body.chars().take(120).collect::<String>()));
    }
    Trouble::new(FailureKind::Refused, summary, advice).with_response(response)
}

#[expect(clippy::disallowed_methods, reason = "the fake peers live as long as the test")]
#[cfg(test)]
mod tests;
