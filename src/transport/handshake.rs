//! Reads the answer to an opening request and checks it (RFC 6455, 4.1); opens no connection and follows no redirect.

pub(crate) mod body;

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use self::body::{Body, Framing};
use super::deflate::{Agreed, Offer};
use super::failure::{FailureKind, Trouble};
use crate::engine::target::request::Request;

/// Largest head of an answer, interim answers (1xx) included; browsers take about as much.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most header lines of one answer.
pub const MAX_HEADERS: usize = 256;
/// How much of a refusal's body is kept.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// How much of a body is shown to people.
pub const MAX_SNIPPET_BYTES: usize = 1024;
/// How long a refusal's body may take once its head is there; the status alone is enough to go on.
const BODY_TIME: Duration = Duration::from_secs(2);

/// An HTTP answer: of the peer, or of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The whole status line, such as `HTTP/1.1 101 Switching Protocols`.
    pub status_line: String,
    /// The status, 100 to 999.
    pub status: u16,
    /// Names and values in the order in which they came; bytes that are not UTF-8 are read as Latin-1.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`MAX_BODY_BYTES`]; empty for a 101.
    pub body: Bytes,
    /// Whether the body was cut: it was longer, took too long, or the connection broke.
    pub truncated: bool,
}

impl Response {
    /// A header's value; a repeated one is joined with CR LF. Names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.joined(name, "\r\n")
    }

    /// The first value of a header.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn joined(&self, name: &str, separator: &str) -> Option<String> {
        let values: Vec<&str> = self.all(name).collect();
        (!values.is_empty()).then(|| values.join(separator))
    }

    /// The body for people: at most [`MAX_SNIPPET_BYTES`], control characters shown as escapes.
    pub fn snippet(&self) -> String {
        let shown = self.body.get(..MAX_SNIPPET_BYTES).unwrap_or(&self.body);
        let mut text = printable(&String::from_utf8_lossy(shown));
        if self.truncated || self.body.len() > shown.len() {
            text.push('…');
        }
        text
    }

    /// Status line for people: control characters shown as escapes, bounded.
    pub(crate) fn shown_status(&self) -> String {
        shown(&self.status_line)
    }

    fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    }
}

/// Makes a peer's text safe to show on a terminal and in a log: a control character becomes its escape, line breaks a blank.
pub(crate) fn printable(text: &str) -> String {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.trim().to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '\r' => {}
            // Bidirectional overrides turn a line around; they are no control characters for `char`.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// How many characters of a peer's header are shown to people.
const MAX_SHOWN: usize = 200;

/// A peer's words inside a line of ours: [`printable`], and only their beginning.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", printable(text.get(..end).unwrap_or_default())),
        None => printable(text),
    }
}

/// Why bytes are no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It is no HTTP.
    #[error("what came is no HTTP answer: it begins with `{start}`")]
    NotHttp {
        /// The first bytes, made printable.
        start: String,
    },
    /// It is TLS, to which we spoke plain text.
    #[error("the peer answers with TLS")]
    Tls,
    /// The head is larger than [`MAX_HEAD_BYTES`].
    #[error("the head of the answer is larger than {MAX_HEAD_BYTES} bytes")]
    TooLong,
    /// There are more header lines than [`MAX_HEADERS`].
    #[error("the answer has more than {MAX_HEADERS} header lines")]
    TooManyHeaders,
}

/// Reads the head of an answer from the start of `bytes`; `None` if it is not all there, else also its length.
///
/// # Errors
///
/// [`HeadError`] as soon as the bytes cannot become an answer; never panics.
pub fn parse_head(bytes: &[u8]) -> Result<Option<(Response, usize)>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD_BYTES => length,
        Ok(httparse::Status::Complete(_)) => return Err(HeadError::TooLong),
        Ok(httparse::Status::Partial) if bytes.len() >= MAX_HEAD_BYTES => return Err(HeadError::TooLong),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
        Err(_) if is_tls_record(bytes) => return Err(HeadError::Tls),
        Err(_) => {
            let start = bytes.get(..80).unwrap_or(bytes);
            return Err(HeadError::NotHttp { start: printable(&String::from_utf8_lossy(start)) });
        }
    };
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    let status_line = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .find(|line| !line.is_empty())
        .map(text)
        .unwrap_or_default();
    let response = Response {
        status_line,
        status: parsed.code.unwrap_or_default(),
        headers: parsed.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect(),
        body: Bytes::new(),
        truncated: false,
    };
    Ok(Some((response, length)))
}

/// An answer and what came behind its head.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) leftover: BytesMut,
}

/// Why no answer was read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The connection broke.
    Io(io::Error),
    /// The peer ended the connection; how many bytes of an answer had come.
    Closed(usize),
    /// What came is no answer.
    Head(HeadError),
}

/// Whether bytes begin like a record of TLS (RFC 8446, 5.1), which is what a TLS server says to plain text.
fn is_tls_record(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x17, 0x03, 0x00..=0x04, ..])
}

/// Reads one final answer: interim ones (100, 103) are passed over. The caller sets the deadline.
///
/// # Cancel safety
///
/// Not cancel-safe: what was read is lost. The caller drops the connection with it.
pub(crate) async fn read_head(io: &mut (impl AsyncRead + Unpin)) -> Result<Answer, ReadError> {
    let mut buffer = BytesMut::with_capacity(4096);
    let (mut interim, mut looked_at) = (0, 0);
    loop {
        if worth_parsing(&buffer, looked_at)
            && let Some((response, length)) = parse_head(&buffer).map_err(ReadError::Head)?
        {
            let leftover = buffer.split_off(length);
            if !(100..200).contains(&response.status) || response.status == 101 {
                return Ok(Answer { response, leftover });
            }
            interim += length;
            if interim > MAX_HEAD_BYTES {
                return Err(ReadError::Head(HeadError::TooLong));
            }
            (buffer, looked_at) = (leftover, 0);
            continue;
        }
        looked_at = buffer.len();
        match io.read_buf(&mut buffer).await {
            Ok(0) => return Err(ReadError::Closed(buffer.len())),
            Ok(_) => {}
            // The end of a TLS connection without a farewell; many servers end so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ReadError::Closed(buffer.len()));
            }
            Err(error) => return Err(ReadError::Io(error)),
        }
    }
}

/// Whether a head may be complete or wrong: a large one that drips in must not be parsed anew for each byte.
fn worth_parsing(buffer: &[u8], looked_at: usize) -> bool {
    let fresh = buffer.get(looked_at.saturating_sub(3)..).unwrap_or_default();
    !buffer.is_empty()
        && (buffer.len() <= 1024
            || buffer.len() >= MAX_HEAD_BYTES
            || fresh.windows(2).any(|pair| pair == b"\n\n")
            || fresh.windows(3).any(|three| three == b"\n\r\n"))
}

/// Reads the body of an answer that is no 101, as far as it comes in time; never fails, since the head says enough.
pub(crate) async fn read_body(
    io: &mut (impl AsyncRead + Unpin),
    answer: Answer,
    deadline: Instant,
) -> Response {
    let Answer { mut response, leftover } = answer;
    let deadline = deadline.min(Instant::now() + BODY_TIME);
    let mut body = Body::new(Framing::of(&response));
    body.push(&leftover);
    let mut buffer = BytesMut::with_capacity(4096);
    while body.wants_more() {
        buffer.clear();
        match timeout_at(deadline, io.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => body.end(),
            Ok(Ok(_)) => body.push(&buffer),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => body.end(),
            Ok(Err(_)) | Err(_) => body.broken(),
        }
    }
    (response.body, response.truncated) = body.finish();
    response
}

/// What a handshake agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// The subprotocol that the server selected.
    pub subprotocol: Option<String>,
    /// The compression, if the server selected it.
    pub deflate: Option<Agreed>,
}

/// The value of `Sec-WebSocket-Accept` for a nonce (RFC 6455, 4.2.2).
pub fn accept_key(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    // RFC 6455 asks for SHA-1; nothing secret rests on it.
    STANDARD.encode(ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// Checks that a 101 is the upgrade that was asked for.
pub(crate) fn check_upgrade(request: &Request, response: &Response) -> Result<(), Trouble> {
    let trouble = |summary: String| {
        Trouble::new(
            FailureKind::Upgrade,
            summary,
            "the peer, or a proxy in between, does not do the WebSocket handshake right: check that the path is that of a WebSocket",
        )
    };
    if response.status_line.starts_with("HTTP/1.0") {
        return Err(trouble("the answer 101 is HTTP/1.0, which has no upgrade".to_owned()));
    }
    if !response.has_token("upgrade", "websocket") {
        return Err(trouble("the answer 101 has no `Upgrade: websocket`".to_owned()));
    }
    if !response.has_token("connection", "upgrade") {
        return Err(trouble("the answer 101 has no `Connection: Upgrade`".to_owned()));
    }
    let accepts: Vec<&str> = response.all("sec-websocket-accept").map(str::trim).collect();
    match accepts.as_slice() {
        [] => Err(trouble("the answer 101 has no `Sec-WebSocket-Accept`".to_owned())),
        [accept] if *accept == accept_key(request.key()) => Ok(()),
        [_] => Err(trouble("the answer's `Sec-WebSocket-Accept` belongs to another request".to_owned())),
        _ => Err(trouble("the answer has several `Sec-WebSocket-Accept`".to_owned())),
    }
}

/// Checks what the server selected against what was offered.
pub(crate) fn negotiate(request: &Request, response: &Response) -> Result<Negotiated, Trouble> {
    let offered = request.subprotocols();
    let subprotocol = response.joined("sec-websocket-protocol", ", ").map(|text| text.trim().to_owned());
    if let Some(selected) = &subprotocol
        && !offered.contains(selected)
    {
        let list = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
        return Err(Trouble::new(
            FailureKind::Subprotocol,
            format!("the peer selected the subprotocol `{}`, offered: {list}", shown(selected)),
            "set Sec-WebSocket-Protocol to a subprotocol that the peer speaks",
        ));
    }
    let extensions = response.joined("sec-websocket-extensions", ", ");
    let deflate = Offer::parse(&request.extensions()).accept(extensions.as_deref()).map_err(|error| {
        Trouble::new(
            FailureKind::Extension,
            shown(&error.to_string()),
            "correct the offer in Sec-WebSocket-Extensions, or offer none: the peer answers with what cannot be used",
        )
    })?;
    Ok(Negotiated { subprotocol, deflate })
}

#[cfg(test)]
mod tests;
