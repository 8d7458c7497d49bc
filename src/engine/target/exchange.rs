//! One HTTP request of a session, complete and checked, and the one that follows a redirect; sends nothing.

use std::fmt;

use bytes::Bytes;
use http::Method;

use super::request::{Header, Provenance, RedirectError, RequestError, check_name_and_value};
use super::{Credentials, Scheme, Target};
use crate::value::Secret;

/// Headers that follow from the body and the connection; a definition's own would contradict what is sent.
pub const OWNED: [&str; 2] = ["content-length", "transfer-encoding"];

/// The longest head of a request in bytes; servers take 8 to 16 KiB.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What a request carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    None,
    /// These bytes.
    Bytes(Secret<Bytes>),
    /// `multipart/form-data` (RFC 7578); the boundary is made when it is sent.
    Form(Vec<Part>),
}

impl Content {
    /// How many bytes it has, without the frame of a form.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Bytes(bytes) => bytes.expose().len(),
            Self::Form(parts) => parts.iter().map(|part| part.content.expose().len()).sum(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// The name of the file, for a part that is one.
    pub file: Option<String>,
    /// The part's `Content-Type`; without one the receiver takes text, or for a file `application/octet-stream`.
    pub media_type: Option<String>,
    /// The bytes.
    pub content: Secret<Bytes>,
}

/// What a form says of the part, for people.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content-Disposition: form-data; name=\"{}\"", self.name)?;
        if let Some(file) = &self.file {
            write!(f, "; filename=\"{file}\"")?;
        }
        if let Some(media_type) = &self.media_type {
            write!(f, "; Content-Type: {media_type}")?;
        }
        Ok(())
    }
}

/// A complete HTTP request; [`HttpRequest::new`] checks it, so that it can always be sent.
///
/// `Display` is the verb and the address for people, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    method: Method,
    target: Target,
    path_secret: bool,
    // Invariant: valid names and values, none empty, none of `OWNED`.
    headers: Vec<Header>,
    content: Content,
    login: Option<Credentials>,
}

impl HttpRequest {
    /// Makes a request; headers without a value are left out. Credentials of the address count as `login` if that is none.
    ///
    /// # Errors
    ///
    /// [`RequestError`] names the header that cannot be sent and where its value comes from, never the value.
    pub fn new(
        method: Method,
        target: Target,
        headers: Vec<Header>,
        content: Content,
        login: Option<Credentials>,
    ) -> Result<Self, RequestError> {
        let headers: Vec<Header> =
            headers.into_iter().filter(|header| !header.value.expose().is_empty()).collect();
        for header in &headers {
            check_name_and_value(header)?;
            if OWNED.iter().any(|name| header.name.eq_ignore_ascii_case(name)) {
                return Err(RequestError::Owned { name: header.name.clone() });
            }
        }
        let is_host = |header: &&Header| header.name.eq_ignore_ascii_case("host");
        if headers.iter().filter(is_host).count() > 1 {
            return Err(RequestError::TwoHosts);
        }
        let head = target.path().len()
            + headers.iter().map(|header| header.name.len() + header.value.expose().len() + 4).sum::<usize>();
        if head > MAX_HEAD_BYTES {
            return Err(RequestError::TooLong);
        }
        let login = login.or_else(|| target.credentials().cloned());
        let target = target.without_credentials();
        Ok(Self { method, target, path_secret: false, headers, content, login })
    }

    /// Masks the path wherever the request is shown: a secret parameter is part of it.
    #[must_use]
    pub fn with_secret_path(mut self) -> Self {
        self.path_secret = true;
        self
    }

    /// The verb.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Where it goes; without credentials.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The headers of the definition, in order.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Whether the definition gives a header.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name))
    }

    /// What it carries.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// User name and password for the server, if it asks, or for Basic at once.
    pub fn login(&self) -> Option<&Credentials> {
        self.login.as_ref()
    }

    /// The address for people: without credentials, and with `***` for a secret path.
    pub fn shown_url(&self) -> String {
        if self.path_secret {
            format!("{}://{}/***", self.target.scheme().http_name(), self.target.host_header())
        } else {
            self.target.http_url()
        }
    }

    /// The lines of the request for people, secrets masked: the request line, `Host`, and the definition's headers.
    pub fn shown_lines(&self) -> Vec<(String, Provenance)> {
        let path = if self.path_secret { "/***" } else { self.target.path() };
        let mut lines = vec![(format!("{} {path}", self.method), Provenance::Literal)];
        if !self.has_header("host") {
            lines.push((format!("Host: {}", self.target.host_header()), Provenance::Settings));
        }
        lines.extend(self.headers.iter().map(|header| (super::request::shown(header), header.from)));
        lines
    }

    /// The request that follows a redirect with this status (RFC 9110, 15.4).
    ///
    /// A 303, and a 301 or 302 that answers a POST, make it a GET without content. On another origin the credentials,
    /// `Authorization`, `Cookie`, `Host`, every secret header and the content stay behind, if there is a secret in them:
    /// content is kept only on the same origin.
    ///
    /// # Errors
    ///
    /// [`RedirectError`] for a location that cannot be used, and for a way from https to http.
    pub fn redirected(&self, status: u16, location: &str) -> Result<Self, RedirectError> {
        let target = self.target.join(location).map_err(RedirectError::Target)?.without_credentials();
        if self.target.scheme() == Scheme::Wss && target.scheme() == Scheme::Ws {
            return Err(RedirectError::Downgrade);
        }
        let becomes_get = match status {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        let same = self.target.same_origin(&target);
        if !same && !becomes_get && !self.content.is_empty() {
            return Err(RedirectError::Content);
        }
        let stays = |header: &&Header| {
            let about_content = header.name.to_ascii_lowercase().starts_with("content-");
            (same || !(header.is_credential() || header.name.eq_ignore_ascii_case("host")))
                && !(becomes_get && about_content)
        };
        Ok(Self {
            method: if becomes_get { Method::GET } else { self.method.clone() },
            headers: self.headers.iter().filter(stays).cloned().collect(),
            content: if becomes_get { Content::None } else { self.content.clone() },
            login: self.login.clone().filter(|_| same),
            path_secret: self.path_secret,
            target,
        })
    }
}

impl fmt::Display for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.shown_url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, url: &str, headers: Vec<Header>) -> HttpRequest {
        let content = Content::Bytes(Secret::new(Bytes::from_static(b"s3cret")));
        HttpRequest::new(method, Target::parse(url).unwrap(), headers, content, None).unwrap()
    }

    fn names(request: &HttpRequest) -> Vec<&str> {
        request.headers().iter().map(|header| header.name.as_str()).collect()
    }

    #[test]
    fn a_redirect_keeps_or_changes_the_verb_as_rfc_9110_says() {
        let headers = || {
            vec![
                Header::new("Content-Type", "text/plain", Provenance::Literal),
                Header::new("Accept", "*/*", Provenance::Literal),
            ]
        };
        let check = |method: Method, status: u16, expected: (Method, usize, &[&str])| {
            let to = request(method, "http://h/a", headers()).redirected(status, "/b").unwrap();
            assert_eq!((to.method().clone(), to.content().len(), &names(&to)[..]), expected, "{status}");
            assert_eq!(to.to_string(), format!("{} http://h/b", to.method()));
        };
        check(Method::POST, 301, (Method::GET, 0, &["Accept"]));
        check(Method::POST, 302, (Method::GET, 0, &["Accept"]));
        check(Method::PUT, 303, (Method::GET, 0, &["Accept"]));
        check(Method::PUT, 302, (Method::PUT, 6, &["Content-Type", "Accept"]));
        check(Method::POST, 307, (Method::POST, 6, &["Content-Type", "Accept"]));
        check(Method::POST, 308, (Method::POST, 6, &["Content-Type", "Accept"]));
        check(Method::HEAD, 303, (Method::HEAD, 6, &["Content-Type", "Accept"]));
    }

    #[test]
    fn nothing_secret_goes_to_another_origin() {
        let headers = vec![
            Header::new("Authorization", "Bearer t", Provenance::Literal),
            Header::secret("X-Key", "k", Provenance::Literal),
            Header::new("Host", "front", Provenance::Literal),
            Header::new("X-Plain", "1", Provenance::Literal),
        ];
        let from = request(Method::POST, "http://u:p@h/a", headers);
        assert_eq!(from.login().map(|login| login.user.as_str()), Some("u"));
        assert!(from.redirected(303, "/b").unwrap().login().is_some());
        for elsewhere in ["http://h:81/", "https://h/", "//u:q@other/"] {
            let to = from.redirected(303, elsewhere).unwrap();
            assert_eq!((names(&to), to.login()), (vec!["X-Plain"], None), "{elsewhere}");
            assert_eq!(from.redirected(307, elsewhere), Err(RedirectError::Content), "{elsewhere}");
        }
        let secure = request(Method::GET, "https://h/", Vec::new());
        assert_eq!(secure.redirected(302, "http://h/").unwrap_err(), RedirectError::Downgrade);
        assert!(!format!("{from:?}").contains("s3cret"));
    }

    #[test]
    fn what_must_not_be_sent_is_refused() {
        let check = |name: &str, value: &str| {
            let headers = vec![Header::new(name, value, Provenance::Literal)];
            let target = Target::parse("http://h/").unwrap();
            HttpRequest::new(Method::GET, target, headers, Content::None, None).unwrap_err().to_string()
        };
        assert!(check("X-A", "a\r\nB: c").contains("line break"));
        assert!(check("content-LENGTH", "3").contains("belongs to the runtime"));
        assert!(check("X A", "3").contains("no header name"));
        assert!(check("X", &"a".repeat(70_000)).contains("longer than"));
    }

    #[test]
    fn a_path_that_climbs_is_refused() {
        let target = Target::parse("http://h/base").unwrap();
        for path in ["..", "/a/../..", "/%2e%2E/x", "a/b/../../../c"] {
            assert_eq!(target.clone().with_path(path), Err(super::super::TargetError::Climbs), "{path}");
        }
        for path in ["/a/../b", "a/b/../../c", "/x?next=../..", "/a..b"] {
            assert!(target.clone().with_path(path).is_ok(), "{path}");
        }
    }
}
