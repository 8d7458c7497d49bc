//! The server's side of an opening handshake (RFC 6455, 4.2): checks a request and answers it; serves no frames.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::deflate::{Agreed, Offer, Preference};
use super::handshake::{MAX_HEAD_BYTES, MAX_HEADERS, accept_key};

/// What a server is ready to agree to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Subprotocols that it speaks; the client's order decides. Default none.
    pub subprotocols: Vec<String>,
    /// Whether it compresses, and what it asks for; default not.
    pub deflate: Option<Preference>,
}

/// A request that is an upgrade, and what the answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// The subprotocol that was selected.
    pub subprotocol: Option<String>,
    /// The compression that was agreed.
    pub deflate: Option<Agreed>,
}

/// Why a request is no upgrade; each has a status for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not `GET`.
    #[error("a WebSocket is opened with GET")]
    Method,
    /// No `Upgrade: websocket` or no `Connection: Upgrade`.
    #[error("this is a WebSocket: the request needs `Upgrade: websocket` and `Connection: Upgrade`")]
    NoUpgrade,
    /// Not version 13.
    #[error("only WebSocket version 13 is spoken here")]
    Version,
    /// The nonce is missing, doubled, or not 16 bytes in base64.
    #[error("the request needs one `Sec-WebSocket-Key` with 16 bytes in base64")]
    Key,
}

impl Refusal {
    /// The status of the answer: 405, 426 or 400.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::NoUpgrade | Self::Version => 426,
            Self::Key => 400,
        }
    }

    /// Headers that the answer must have.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("allow", "GET")],
            Self::NoUpgrade | Self::Version => {
                &[("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-version", "13")]
            }
            Self::Key => &[],
        }
    }
}

/// Checks a request and decides on the answer; who may connect is the caller's to decide.
///
/// # Errors
///
/// [`Refusal`] for whatever is no upgrade to WebSocket version 13.
pub fn validate(method: &Method, headers: &HeaderMap, options: &Options) -> Result<Accepted, Refusal> {
    if method != Method::GET {
        return Err(Refusal::Method);
    }
    if !list(headers, "upgrade").any(|token| token.eq_ignore_ascii_case("websocket"))
        || !list(headers, "connection").any(|token| token.eq_ignore_ascii_case("upgrade"))
    {
        return Err(Refusal::NoUpgrade);
    }
    if !list(headers, "sec-websocket-version").eq(["13"]) {
        return Err(Refusal::Version);
    }
    let mut keys = headers.get_all("sec-websocket-key").iter();
    let key = match (keys.next().and_then(|key| key.to_str().ok()), keys.next()) {
        (Some(key), None) => key.trim(),
        (Some(_) | None, _) => return Err(Refusal::Key),
    };
    if STANDARD.decode(key).ok().is_none_or(|nonce| nonce.len() != 16) {
        return Err(Refusal::Key);
    }
    let subprotocol = list(headers, "sec-websocket-protocol")
        .find(|name| options.subprotocols.iter().any(|own| own == name))
        .map(str::to_owned);
    let deflate = options.deflate.and_then(|preference| {
        let offers: Vec<&str> = list_of_fields(headers, "sec-websocket-extensions").collect();
        Offer::parse(&offers.join(", ")).choose(preference)
    });
    Ok(Accepted { accept: accept_key(key), subprotocol, deflate })
}

impl Accepted {
    /// The headers of the 101, for a server that writes it itself.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(http::header::CONNECTION, HeaderValue::from_static("Upgrade"));
        let more = [
            ("sec-websocket-accept", Some(self.accept.clone())),
            ("sec-websocket-protocol", self.subprotocol.clone()),
            ("sec-websocket-extensions", self.deflate.as_ref().map(ToString::to_string)),
        ];
        for (name, value) in more {
            // The values are base64, a text out of a header, and our own: all of them fit.
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }
}

fn list_of_fields<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

fn list<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    list_of_fields(headers, name)
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// A request as a server sees it.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The method.
    pub method: Method,
    /// Path and query as sent.
    pub path: String,
    /// The headers; names in lower case.
    pub headers: HeaderMap,
}

/// A connection that was upgraded here.
#[derive(Debug)]
pub struct Served<S> {
    /// The connection.
    pub io: S,
    /// What arrived behind the request.
    pub leftover: Bytes,
    /// The request.
    pub request: Arrived,
    /// The subprotocol that was selected.
    pub subprotocol: Option<String>,
    /// The compression that was agreed.
    pub deflate: Option<Agreed>,
}

/// What a server answers to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Upgrade, if the request is one.
    Upgrade(Options),
    /// Refuse, or redirect.
    Refuse {
        /// The status, such as 404.
        status: u16,
        /// Further headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
}

/// Why a connection was not upgraded.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(std::io::Error),
    /// No request came in time.
    #[error("no request came in time")]
    Late,
    /// What came is no HTTP request, or its head is too large.
    #[error("what came is no HTTP request")]
    NotHttp,
    /// The request is no upgrade; it has been answered.
    #[error("the request was refused: {0}")]
    Refused(Refusal),
    /// The caller decided so; the request has been answered.
    #[error("the request was refused with {0}")]
    Decided(u16),
}

/// Reads a request from a fresh connection, asks `decide` and answers, all within `limit`.
///
/// # Errors
///
/// [`AcceptError`]; where there is a request it has been answered before.
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub async fn serve<S>(
    mut io: S,
    limit: Duration,
    decide: impl FnOnce(&Arrived) -> Decision,
) -> Result<Served<S>, AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let work = async {
        let (request, leftover) = read_request(&mut io).await?;
        let options = match decide(&request) {
            Decision::Upgrade(options) => options,
            Decision::Refuse { status, headers, body } => {
                answer(&mut io, status, &headers, &body).await?;
                return Err(AcceptError::Decided(status));
            }
        };
        let accepted = match validate(&request.method, &request.headers, &options) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                let headers: Vec<(String, String)> = refusal
                    .headers()
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect();
                answer(&mut io, refusal.status(), &headers, &refusal.to_string()).await?;
                return Err(AcceptError::Refused(refusal));
            }
        };
        let mut text = "HTTP/1.1 101 Switching Protocols\r\n".to_owned();
        for (name, value) in &accepted.headers() {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
        }
        text.push_str("\r\n");
        io.write_all(text.as_bytes()).await.map_err(AcceptError::Io)?;
        io.flush().await.map_err(AcceptError::Io)?;
        Ok((request, leftover, accepted))
    };
    let (request, leftover, accepted) = timeout(limit, work).await.map_err(|_| AcceptError::Late)??;
    Ok(Served { io, leftover, request, subprotocol: accepted.subprotocol, deflate: accepted.deflate })
}

async fn read_request(io: &mut (impl AsyncRead + Unpin)) -> Result<(Arrived, Bytes), AcceptError> {
    let mut buffer = BytesMut::with_capacity(2048);
    loop {
        if io.read_buf(&mut buffer).await.map_err(AcceptError::Io)? == 0 {
            return Err(AcceptError::NotHttp);
        }
        if let Some((request, length)) = parse_request(&buffer)? {
            let leftover = buffer.split_off(length).freeze();
            return Ok((request, leftover));
        }
        if buffer.len() >= MAX_HEAD_BYTES {
            return Err(AcceptError::NotHttp);
        }
    }
}

fn parse_request(bytes: &[u8]) -> Result<Option<(Arrived, usize)>, AcceptError> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut lines);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(AcceptError::NotHttp),
    };
    let method = parsed.method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let mut headers = HeaderMap::new();
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| AcceptError::NotHttp)?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| AcceptError::NotHttp)?;
        headers.append(name, value);
    }
    let method = method.ok_or(AcceptError::NotHttp)?;
    Ok(Some((Arrived { method, path: parsed.path.unwrap_or("/").to_owned(), headers }, length)))
}

async fn answer(
    io: &mut (impl AsyncWrite + Unpin),
    status: u16,
    headers: &[(String, String)],
    body: &str,
) -> Result<(), AcceptError> {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason.unwrap_or("Refused"));
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
        text.push_str("Connection: close\r\n");
    }
    text.push_str(&format!(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    io.write_all(text.as_bytes()).await.map_err(AcceptError::Io)?;
    io.shutdown().await.map_err(AcceptError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET /a?b HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Protocol: x, b, a\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

    fn options() -> Options {
        Options {
            subprotocols: vec!["a".to_owned(), "b".to_owned()],
            deflate: Some(Preference { server_no_context_takeover: true, ..Preference::default() }),
        }
    }

    async fn run(
        request: &str,
        decision: Decision,
    ) -> (Result<Served<tokio::io::DuplexStream>, AcceptError>, String) {
        let (near, mut far) = tokio::io::duplex(100_000);
        far.write_all(request.as_bytes()).await.unwrap();
        let served = serve(near, Duration::from_secs(5), |_| decision).await;
        let mut answer = vec![0; 4096];
        let length = far.read(&mut answer).await.unwrap();
        answer.truncate(length);
        (served, String::from_utf8(answer).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn an_upgrade_is_answered_with_what_was_agreed_and_the_rest_is_kept() {
        let (served, answer) = run(&format!("{REQUEST}frames"), Decision::Upgrade(options())).await;
        let served = served.unwrap();
        assert_eq!((served.request.path.as_str(), &served.leftover[..]), ("/a?b", &b"frames"[..]));
        assert_eq!(served.subprotocol.as_deref(), Some("b"));
        assert!(served.deflate.unwrap().server_no_context_takeover());
        for part in [
            "HTTP/1.1 101 Switching Protocols\r\n",
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
            "sec-websocket-extensions: permessage-deflate; server_no_context_takeover\r\n",
        ] {
            assert!(answer.contains(part), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_upgrade_is_refused_with_a_status() {
        for (from, to, status) in [
            ("GET", "POST", 405),
            ("websocket", "h2c", 426),
            ("keep-alive, Upgrade", "keep-alive", 426),
            ("Version: 13", "Version: 8", 426),
            ("dGhl", "", 400),
            ("Sec-WebSocket-Key", "X-Key", 400),
        ] {
            let (served, answer) = run(&REQUEST.replace(from, to), Decision::Upgrade(options())).await;
            assert!(matches!(served, Err(AcceptError::Refused(_))), "{from}");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        let refuse = Decision::Refuse { status: 404, headers: Vec::new(), body: "no".to_owned() };
        let (_, answer) = run(REQUEST, refuse).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.ends_with("\r\n\r\nno"),
            "{answer}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_or_too_much_is_left() {
        let (near, _far) = tokio::io::duplex(10);
        let late = serve(near, Duration::from_secs(5), |_| Decision::Upgrade(options())).await;
        assert!(matches!(late, Err(AcceptError::Late)));
        let (near, mut far) = tokio::io::duplex(200_000);
        far.write_all(format!("GET /{} HTTP/1.1", "a".repeat(100_000)).as_bytes()).await.unwrap();
        let long = serve(near, Duration::from_secs(5), |_| Decision::Upgrade(options())).await;
        assert!(matches!(long, Err(AcceptError::NotHttp)));
    }
}
