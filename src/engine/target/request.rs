//! The opening request of a link: its exact bytes and where each line comes from; sends nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Credentials, Target, TargetError};
use crate::language::model::id::ParamId;
use crate::value::{Secret, is_token};

/// Headers that the runtime writes itself; `Content-Length` and `Transfer-Encoding` would announce a body that there is not.
pub const OWNED: [&str; 6] = [
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "content-length",
    "transfer-encoding",
];

/// Largest request in bytes, all lines together; servers take 8 to 16 KiB.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Where a part of the request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The runtime: what makes the request a WebSocket handshake.
    Runtime,
    /// Literal text of the definition.
    Literal,
    /// A parameter.
    Param(ParamId),
    /// The element's settings: host, port, credentials.
    Settings,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime => f.write_str("runtime"),
            Self::Literal => f.write_str("definition"),
            Self::Param(id) => write!(f, "parameter {id}"),
            Self::Settings => f.write_str("settings"),
        }
    }
}

/// One header as it goes onto the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name, its case kept.
    pub name: String,
    /// The value; a header without a value is left out.
    pub value: Secret<String>,
    /// Where the value comes from.
    pub from: Provenance,
    /// Whether the value is shown as `***`; `Authorization`, `Proxy-Authorization` and `Cookie` always are.
    pub secret: bool,
}

impl Header {
    /// A header that may be shown.
    pub fn new(name: impl Into<String>, value: impl Into<String>, from: Provenance) -> Self {
        Self { name: name.into(), value: Secret::new(value.into()), from, secret: false }
    }

    /// A header whose value is shown as `***` and stays behind when a redirect leads elsewhere.
    pub fn secret(name: impl Into<String>, value: impl Into<String>, from: Provenance) -> Self {
        Self { secret: true, ..Self::new(name, value, from) }
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(crate) fn is_credential(&self) -> bool {
        self.secret || ["authorization", "proxy-authorization", "cookie"].iter().any(|name| self.is(name))
    }
}

/// Why a request cannot be sent; nothing was sent, and trying again cannot help until a value changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The name has a character that a header name cannot have.
    #[error("`{name}` is no header name")]
    Name {
        /// The name, without control characters.
        name: String,
    },
    /// The value has CR, LF or another control character.
    #[error(
        "the header `{name}` is not sent: its value, from {from}, has a line break or another control character"
    )]
    Value {
        /// The header.
        name: String,
        /// Where the value comes from.
        from: Provenance,
    },
    /// The header belongs to the runtime.
    #[error("the header `{name}` belongs to the runtime and cannot be set")]
    Owned {
        /// The header.
        name: String,
    },
    /// `Host` is given more than once.
    #[error("the header `Host` is given more than once")]
    TwoHosts,
    /// More than [`MAX_REQUEST_BYTES`].
    #[error("the request is longer than {MAX_REQUEST_BYTES} bytes")]
    TooLong,
}

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// The location is no address that a link can have.
    #[error("the redirect leads to an address that cannot be used: {0}")]
    Target(TargetError),
    /// From an encrypted link to one that is not.
    #[error("the redirect leads to an address without encryption")]
    Downgrade,
    /// The content of a request would go to another origin.
    #[error("the redirect leads the content of the request to another server")]
    Content,
}

/// A line of the request, with its line break, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The bytes as sent.
    pub bytes: Secret<String>,
    /// The line without its line break, secrets masked.
    pub shown: String,
    /// Where the value comes from.
    pub from: Provenance,
}

/// A complete opening request (RFC 6455, 4.1); [`Request::new`] checks everything, so that it can always be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    target: Target,
    path_from: Provenance,
    path_secret: bool,
    // Invariant: valid names and values, none empty, none owned by the runtime, at most one `Host`.
    headers: Vec<Header>,
    key: String,
}

impl Request {
    /// Makes a request; headers without a value are left out.
    ///
    /// `key` is the nonce: 16 random bytes, new for each dial. Credentials of the address become Basic authorization unless a
    /// header `Authorization` is given.
    ///
    /// # Errors
    ///
    /// [`RequestError`] names the header that cannot be sent and where its value comes from, never the value.
    pub fn new(target: Target, headers: Vec<Header>, key: [u8; 16]) -> Result<Self, RequestError> {
        let mut headers: Vec<Header> =
            headers.into_iter().filter(|header| !header.value.expose().is_empty()).collect();
        for header in &headers {
            check(header)?;
        }
        if headers.iter().filter(|header| header.is("host")).count() > 1 {
            return Err(RequestError::TwoHosts);
        }
        if let Some(credentials) = target.credentials()
            && !headers.iter().any(|header| header.is("authorization"))
        {
            headers.push(Header::secret("Authorization", basic(credentials), Provenance::Settings));
        }
        let request = Self {
            target,
            path_from: Provenance::Settings,
            path_secret: false,
            headers,
            key: STANDARD.encode(key),
        };
        if request.encode().len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLong);
        }
        Ok(request)
    }

    /// Says where the path comes from.
    #[must_use]
    pub fn with_path_from(mut self, from: Provenance) -> Self {
        self.path_from = from;
        self
    }

    /// Masks the path wherever the request is shown: its parameter is secret.
    #[must_use]
    pub fn with_secret_path(mut self) -> Self {
        self.path_secret = true;
        self
    }

    /// Replaces the nonce: each dial and each redirect has its own (RFC 6455, 4.1).
    #[must_use]
    pub fn with_key(mut self, key: [u8; 16]) -> Self {
        self.key = STANDARD.encode(key);
        self
    }

    /// Where it goes.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The address for people: without credentials, and with `***` for a secret path.
    pub fn shown_target(&self) -> String {
        if self.path_secret {
            format!("{}://{}/***", self.target.scheme().name(), self.target.host_header())
        } else {
            self.target.to_string()
        }
    }

    /// The nonce as sent.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The headers besides the runtime's own, in order.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The subprotocols that are offered, in order of preference.
    pub fn subprotocols(&self) -> Vec<String> {
        self.values("sec-websocket-protocol")
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// The extensions that are offered: all their headers joined with a comma; empty without one.
    pub fn extensions(&self) -> String {
        self.values("sec-websocket-extensions").collect::<Vec<_>>().join(", ")
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |header| header.is(name)).map(|header| header.value.expose().as_str())
    }

    /// The request as lines: the exact bytes, and what `explain` shows of them.
    pub fn render(&self) -> Vec<Part> {
        let mut parts = Vec::with_capacity(self.headers.len() + 7);
        let shown_path = if self.path_secret { "/***" } else { self.target.path() };
        parts.push(Part {
            bytes: Secret::new(format!("GET {} HTTP/1.1\r\n", self.target.path())),
            shown: format!("GET {shown_path} HTTP/1.1"),
            from: self.path_from,
        });
        let host = self.headers.iter().find(|header| header.is("host")).cloned();
        let host =
            host.unwrap_or_else(|| Header::new("Host", self.target.host_header(), Provenance::Settings));
        parts.push(line(&host));
        for (name, value) in [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self.key.as_str()),
            ("Sec-WebSocket-Version", "13"),
        ] {
            parts.push(line(&Header::new(name, value, Provenance::Runtime)));
        }
        parts.extend(self.headers.iter().filter(|header| !header.is("host")).map(line));
        parts.push(Part {
            bytes: Secret::new("\r\n".to_owned()),
            shown: String::new(),
            from: Provenance::Runtime,
        });
        parts
    }

    /// The bytes that go onto the wire.
    pub fn encode(&self) -> Vec<u8> {
        self.render().iter().flat_map(|part| part.bytes.expose().bytes()).collect()
    }

    /// The request that follows a redirect.
    ///
    /// On another origin (scheme, host or port) the address's credentials, `Authorization`, `Cookie`, `Host` and every secret
    /// header stay behind. The nonce is kept: give a new one with [`Self::with_key`].
    ///
    /// # Errors
    ///
    /// [`RedirectError`] for a location that cannot be used, and for a way from wss to ws.
    pub fn redirected(&self, location: &str) -> Result<Self, RedirectError> {
        let mut target = self.target.join(location).map_err(RedirectError::Target)?;
        if self.target.scheme() == super::Scheme::Wss && target.scheme() == super::Scheme::Ws {
            return Err(RedirectError::Downgrade);
        }
        // A peer must not choose what is sent as our credentials.
        target.credentials = None;
        let same = self.target.same_origin(&target);
        let headers = self
            .headers
            .iter()
            .filter(|header| same || !(header.is_credential() || header.is("host")))
            .cloned();
        Ok(Self {
            headers: headers.collect(),
            target,
            path_from: Provenance::Runtime,
            path_secret: self.path_secret,
            key: self.key.clone(),
        })
    }
}

/// The value of `Authorization` for a user name and a password (RFC 7617).
pub fn basic(credentials: &Credentials) -> String {
    let pair = format!("{}:{}", credentials.user, credentials.password.expose());
    format!("Basic {}", STANDARD.encode(pair))
}

fn check(header: &Header) -> Result<(), RequestError> {
    check_name_and_value(header)?;
    if OWNED.iter().any(|name| header.is(name)) {
        return Err(RequestError::Owned { name: header.name.clone() });
    }
    Ok(())
}

/// A header that can stand in any request, whatever the runtime writes itself.
pub(super) fn check_name_and_value(header: &Header) -> Result<(), RequestError> {
    if !is_token(&header.name) {
        let name = header.name.chars().filter(|c| !c.is_control()).take(80).collect();
        return Err(RequestError::Name { name });
    }
    if header.value.expose().chars().any(|c| c.is_control() && c != '\t') {
        return Err(RequestError::Value { name: header.name.clone(), from: header.from });
    }
    Ok(())
}

fn line(header: &Header) -> Part {
    let value = header.value.expose();
    Part {
        bytes: Secret::new(format!("{}: {value}\r\n", header.name)),
        shown: shown(header),
        from: header.from,
    }
}

/// The line of a header for people.
pub(super) fn shown(header: &Header) -> String {
    let value = header.value.expose();
    let shown = if header.is_credential() {
        // The scheme of an authorization is no secret, and helps to see what is wrong.
        match value.split_once(' ') {
            Some((scheme, _)) if header.is("authorization") && is_token(scheme) => format!("{scheme} ***"),
            Some(_) | None => "***".to_owned(),
        }
    } else {
        value.clone()
    };
    format!("{}: {shown}", header.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    fn request(url: &str, headers: Vec<Header>) -> Request {
        Request::new(to(url), headers, *b"0123456789abcdef").unwrap()
    }

    fn text(request: &Request) -> String {
        String::from_utf8(request.encode()).unwrap()
    }

    #[test]
    fn the_request_has_the_headers_in_the_authors_order_and_case() {
        let headers = vec![
            Header::new("x-LOWER-Upper", "1", Provenance::Literal),
            Header::new("Empty", "", Provenance::Param(ParamId(7))),
            Header::secret("Authorization", "Bearer s3cret", Provenance::Param(ParamId(12))),
            Header::new("Sec-WebSocket-Protocol", "a, b", Provenance::Param(ParamId(9))),
        ];
        let request = request("ws://h:81/p?q", headers).with_path_from(Provenance::Param(ParamId(8)));
        assert_eq!(
            text(&request),
            "GET /p?q HTTP/1.1\r\nHost: h:81\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\nx-LOWER-Upper: 1\r\n\
             Authorization: Bearer s3cret\r\nSec-WebSocket-Protocol: a, b\r\n\r\n"
        );
        let shown: Vec<String> =
            request.render().iter().map(|part| format!("{} <- {}", part.shown, part.from)).collect();
        assert_eq!(shown[0], "GET /p?q HTTP/1.1 <- parameter 8");
        assert_eq!(shown[7], "Authorization: Bearer *** <- parameter 12");
        assert!(!format!("{request:?}{:?}", request.render()).contains("s3cret"));
        assert_eq!(request.subprotocols(), ["a", "b"]);
    }

    #[test]
    fn host_may_be_overridden_and_credentials_become_basic() {
        let host = vec![Header::new("HOST", "front.example", Provenance::Literal)];
        let text = text(&request("wss://u:p@h/", host));
        assert!(text.starts_with("GET / HTTP/1.1\r\nHOST: front.example\r\nUpgrade"), "{text}");
        assert!(text.contains("\r\nAuthorization: Basic dTpw\r\n"), "{text}");
    }

    #[test]
    fn what_must_not_be_sent_is_refused_with_header_and_parameter() {
        let check = |name: &str, value: &str, expected: &str| {
            let header = Header::new(name, value, Provenance::Param(ParamId(5)));
            let error = Request::new(to("ws://h"), vec![header], [0; 16]).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        for value in ["a\r\nX: y", "a\nb", "a\0", "\x7f", "\u{85}"] {
            check(
                "X-A",
                value,
                "the header `X-A` is not sent: its value, from parameter 5, has a line break or another control character",
            );
        }
        check("X A", "v", "`X A` is no header name");
        check("X:\r\nA", "v", "`X:A` is no header name");
        check("UPGRADE", "v", "the header `UPGRADE` belongs to the runtime and cannot be set");
        check("X", &"a".repeat(70_000), "the request is longer than 65536 bytes");
    }

    #[test]
    fn secrets_stay_behind_when_a_redirect_leads_elsewhere() {
        let headers = vec![
            Header::new("Authorization", "Bearer t", Provenance::Literal),
            Header::new("Cookie", "c=1", Provenance::Literal),
            Header::secret("X-Key", "k", Provenance::Literal),
            Header::new("Host", "front", Provenance::Literal),
            Header::new("X-Plain", "1", Provenance::Literal),
        ];
        let request = request("ws://h/a", headers);
        let names = |request: &Request| {
            request.headers().iter().map(|header| header.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&request.redirected("/b").unwrap()).len(), 5);
        for elsewhere in ["ws://h:81/", "wss://h/", "http://other/", "//u:p@other/"] {
            assert_eq!(names(&request.redirected(elsewhere).unwrap()), ["X-Plain"], "{elsewhere}");
        }
        let secure = Request::new(to("wss://h/"), Vec::new(), [0; 16]).unwrap();
        assert_eq!(secure.redirected("http://h/").unwrap_err(), RedirectError::Downgrade);
        assert!(secure.redirected("mailto:x").is_err());
    }
}
