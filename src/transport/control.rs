//! The client of a daemon's own API: REST and WebSockets to this machine; knows no page and no type of the API.

use std::pin::Pin;
use std::time::Duration;

use http::header;
use reqwest::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::transport::wire::{Closed, Event, Inbox, KeepAlive, Limits, Outbox, Role, Setup};

/// How long the connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take: a little longer than the daemon gives an element.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// The largest message of a WebSocket: what the daemon sends at most.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// How long the daemon may take to confirm a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a daemon could not be asked, or what it refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The base address cannot be used.
    #[error("`{url}` is no address of an API: {why}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing answers there.
    #[error("no daemon answers at {base}")]
    Unreachable {
        /// Where.
        base: String,
        /// What happened.
        #[source]
        error: reqwest::Error,
    },
    /// The daemon did not answer in time.
    #[error("the daemon at {base} did not answer in time")]
    Timeout {
        /// Where.
        base: String,
    },
    /// The daemon said no.
    #[error("{detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The daemon's words.
        detail: String,
    },
    /// Something else than a daemon answered.
    #[error("what answers at {base} is no Backshell daemon: {what}")]
    Stranger {
        /// Where.
        base: String,
        /// What it did.
        what: String,
    },
}

/// A client of one daemon.
#[derive(Clone, Debug)]
pub struct Control {
    base: Url,
    http: reqwest::Client,
}

impl Control {
    /// A client of the API at `base`, such as `http://127.0.0.1:8780`; connects to nothing yet.
    ///
    /// # Errors
    ///
    /// An address that is not plain `http://host[:port]`.
    pub fn new(base: &str) -> Result<Self, ControlError> {
        let bad = |why: String| ControlError::BadUrl { url: base.to_owned(), why };
        let url = Url::parse(base).map_err(|error| bad(error.to_string()))?;
        if url.scheme() != "http" || !url.has_host() {
            return Err(bad("write http://host:port".to_owned()));
        }
        // The API is on this machine, where no proxy of the system leads to; it never redirects.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .tls_backend_preconfigured(
                super::http::trusting_nobody().map_err(|error| bad(error.to_string()))?,
            )
            .build()
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self { base: url, http })
    }

    /// Where the daemon is looked for.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Gets a page; the segments of its path and the query are encoded here.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, ControlError> {
        let request = self.http.get(self.url(path, query)?).timeout(ANSWER_TIMEOUT);
        let answer = self.accepted(request.send().await).await?;
        answer.json().await.map_err(|error| self.failed(error))
    }

    /// Puts a JSON body.
    ///
    /// # Errors
    ///
    /// See [`ControlError`]; after a time-out the change may still happen.
    pub async fn put<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &B,
    ) -> Result<T, ControlError> {
        let request = self.http.put(self.url(path, &[])?).timeout(ANSWER_TIMEOUT).json(body);
        let answer = self.accepted(request.send().await).await?;
        answer.json().await.map_err(|error| self.failed(error))
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn open(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Channel, ControlError> {
        let request = self
            .http
            .get(self.url(path, query)?)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            // A fixed key is enough: no cache and no foreign server is between a shell and its own machine.
            .header(header::SEC_WEBSOCKET_KEY, "YmFja3NoZWxsIGNvbnRybw==");
        let timeout = || ControlError::Timeout { base: self.base().to_owned() };
        let sent = tokio::time::timeout(ANSWER_TIMEOUT, request.send()).await.map_err(|_| timeout())?;
        let answer = self.accepted(sent).await?;
        if answer.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.stranger(format!("it answered {} to a WebSocket", answer.status())));
        }
        let io = answer.upgrade().await.map_err(|error| self.failed(error))?;
        Ok(Channel::new(io))
    }

    /// The address of a page; `.`, `..` and nothing cannot be a name in one.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, ControlError> {
        if let Some(name) = path.iter().find(|name| matches!(**name, "" | "." | "..")) {
            let detail = format!("nothing is called `{name}`");
            return Err(ControlError::Refused { status: 404, detail });
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Passes a good answer on and turns a problem into an error.
    async fn accepted(&self, sent: Result<Response, reqwest::Error>) -> Result<Response, ControlError> {
        let answer = sent.map_err(|error| self.failed(error))?;
        let status = answer.status();
        if status.is_success() || status == reqwest::StatusCode::SWITCHING_PROTOCOLS {
            return Ok(answer);
        }
        #[derive(serde::Deserialize)]
        struct Problem {
            detail: String,
        }
        match answer.json::<Problem>().await {
            Ok(problem) => Err(ControlError::Refused { status: status.as_u16(), detail: problem.detail }),
            Err(_) => Err(self.stranger(format!("it answered {status}"))),
        }
    }

    fn failed(&self, error: reqwest::Error) -> ControlError {
        let base = self.base().to_owned();
        if error.is_timeout() && !error.is_connect() {
            ControlError::Timeout { base }
        } else if error.is_decode() {
            ControlError::Stranger { base, what: "its answer cannot be read".to_owned() }
        } else {
            ControlError::Unreachable { base, error }
        }
    }

    fn stranger(&self, what: String) -> ControlError {
        ControlError::Stranger { base: self.base().to_owned(), what }
    }
}

/// An open WebSocket to a daemon; dropping it drops the connection.
pub struct Channel {
    inbox: Inbox,
    outbox: Outbox,
    link: Pin<Box<dyn Future<Output = Closed> + Send>>,
    over: bool,
    /// How the connection ended, once that has been told.
    told: Option<Closed>,
    waiting: std::vec::IntoIter<Event>,
}

impl Channel {
    fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let mut setup = Setup::new(io, Role::Client);
        setup.limits =
            Limits { max_message_bytes: MAX_MESSAGE_BYTES, pause: Duration::ZERO, ..Limits::default() };
        setup.keep_alive = KeepAlive::default();
        let (inbox, outbox, link) = setup.open();
        // The link needs no task: it is driven while its messages are awaited.
        let link = Box::pin(link.run(CancellationToken::new()));
        Self { inbox, outbox, link, over: false, told: None, waiting: Vec::new().into_iter() }
    }

    /// The next message as text, or how the connection ended; the same again after that.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: no message is lost.
    pub async fn next(&mut self) -> Result<String, Closed> {
        loop {
            match self.waiting.next() {
                Some(Event::Message(message)) => {
                    return Ok(String::from_utf8_lossy(message.data()).into_owned());
                }
                Some(Event::Closed(closed)) => {
                    self.told = Some((*closed).clone());
                    return Err(*closed);
                }
                None => {}
            }
            if let Some(closed) = &self.told {
                return Err(closed.clone());
            }
            let mut events = Vec::new();
            tokio::select! {
                biased;
                _ = self.inbox.recv_many(&mut events) => {}               // Cancel-safe per its docs.
                _ = self.link.as_mut(), if !self.over => self.over = true, // Polled again next time: nothing is lost.
            }
            self.waiting = events.into_iter();
        }
    }

    /// Closes in an orderly way, at most a second long.
    pub async fn close(mut self) {
        self.outbox.close(1000, "", CLOSE_TIMEOUT);
        while self.next().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_channel_that_is_over_says_so_each_time_it_is_asked() {
        let (near, far) = tokio::io::duplex(100);
        let mut channel = Channel::new(near);
        drop(far);
        let first = channel.next().await.expect_err("nobody is there");
        let second = channel.next().await.expect_err("nor later");
        assert_eq!((first.code(), &first.why), (1006, &second.why));
        channel.close().await;
    }
}
