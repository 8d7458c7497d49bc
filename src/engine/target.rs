//! Where a link goes: an address made of a parameter, the element's settings and a path; resolves no name.

pub mod exchange;
pub mod request;

use std::fmt;
use std::net::IpAddr;

use url::Host;

use crate::value::Secret;

/// Longest address or path that is looked at, in bytes.
///
/// Servers refuse request lines of more than about 8 KiB; a longer value is a mistake or an attack.
pub const MAX_BYTES: usize = 8 * 1024;

/// Whether the link is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `ws://`, also written `http://`.
    Ws,
    /// `wss://`, also written `https://`.
    Wss,
}

impl Scheme {
    /// The port of an address that names none: 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// `ws` or `wss`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The name for an HTTP request: `http` or `https`.
    pub fn http_name(self) -> &'static str {
        match self {
            Self::Ws => "http",
            Self::Wss => "https",
        }
    }

    fn of(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "ws" | "http" => Some(Self::Ws),
            "wss" | "https" => Some(Self::Wss),
            _ => None,
        }
    }
}

/// User name and password of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user; may be empty.
    pub user: String,
    /// The password; may be empty.
    pub password: Secret<String>,
}

/// A complete address of a link.
///
/// `Display` is its URL without user name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
    // Invariant: begins with a slash, holds only what a request line can hold, has no fragment.
    path: String,
    credentials: Option<Credentials>,
}

/// Why an address cannot be used; trying again cannot help until it changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A prefix that is none of `ws`, `wss`, `http`, `https`.
    #[error("the address begins with `{0}://`: only ws, wss, http and https are possible")]
    Scheme(String),
    /// There is no host, or it is no name and no IP address.
    #[error("`{0}` is no host name and no IP address")]
    Host(String),
    /// An IPv6 address and a port cannot be told apart.
    #[error("the IPv6 address in `{0}` must stand in brackets, as in `[::1]:8080`")]
    Brackets(String),
    /// The part after the colon is no port.
    #[error("`{0}` is no port: a number from 1 to 65535 is expected")]
    Port(String),
    /// One of the four above, without the text that is wrong: it may be a secret, or the part of a password.
    #[error(
        "{0}; it is not shown, as it may be a secret: `/`, `?`, `@` and `\\` in a password are written %2F, %3F, %40 and %5C"
    )]
    Unshown(&'static str),
    /// A `#`, which RFC 6455 section 3 forbids.
    #[error(
        "the address or path has a `#`, which a WebSocket address cannot have: write `%23` if it is meant"
    )]
    Fragment,
    /// A line break or another control character.
    #[error("the {0} has a control character")]
    Control(&'static str),
    /// The path parameter holds a whole address.
    #[error("the path is a full address: put it into the `dynamic ip` parameter, or leave only the path")]
    PathIsAddress,
    /// The path leads above its root.
    #[error("the path climbs above the root of the server with `..`")]
    Climbs,
    /// More than [`MAX_BYTES`].
    #[error("the {0} is longer than {MAX_BYTES} bytes")]
    TooLong(&'static str),
}

impl TargetError {
    /// The same without any text of the address, for one that is secret.
    #[must_use]
    pub fn unshown(self) -> Self {
        match self {
            Self::Scheme(_) => {
                Self::Unshown("the address begins with a scheme other than ws, wss, http and https")
            }
            Self::Host(_) => Self::Unshown("the address has no host name and no IP address"),
            Self::Brackets(_) => Self::Unshown(
                "the address has colons that do not belong together: an IPv6 address stands in brackets",
            ),
            Self::Port(_) => Self::Unshown("the address has a port that is no number from 1 to 65535"),
            error @ (Self::Unshown(_)
            | Self::Fragment
            | Self::Control(_)
            | Self::PathIsAddress
            | Self::Climbs
            | Self::TooLong(_)) => error,
        }
    }
}

/// Works out where a link goes (LANGUAGE 2.1); `None` while there is no address at all.
///
/// `dynamic` is the value of the `dynamic ip` parameter, `host` and `port` are the element's, `path` is the handshake's.
/// Blanks around each are ignored, and an empty one counts as absent. The first of `dynamic` and `host` is used:
/// - either may be a URL, `host:port` or a host; IPv6 stands in brackets where a port may follow;
/// - a port inside the address goes before `port`, and that before the scheme's default;
/// - the prefix decides on the scheme; without one `dynamic` is `ws`, and `host` is `wss` exactly on port 443;
/// - a path inside `dynamic`, other than a lone slash, goes before `path`, and that before one inside `host`.
///
/// Bytes that a path cannot hold are percent-encoded; existing escapes stay as they are.
///
/// # Errors
///
/// [`TargetError`] says what in the address cannot be used.
pub fn target(
    dynamic: Option<&str>,
    host: Option<&str>,
    port: Option<u16>,
    path: Option<&str>,
) -> Result<Option<Target>, TargetError> {
    let path = filled(path);
    let (written, is_dynamic) = match (filled(dynamic), filled(host)) {
        (Some(dynamic), _) => (dynamic, true),
        (None, Some(host)) => (host, false),
        (None, None) => return Ok(None),
    };
    let address = Address::read(written, if is_dynamic { Bare::Refused } else { Bare::Ipv6 })?;
    let port = address.port.or(port.filter(|port| *port != 0));
    let scheme = match address.scheme {
        Some(scheme) => scheme,
        // A dynamic address without a prefix is never encrypted (LANGUAGE 4.2).
        None if is_dynamic => Scheme::Ws,
        None if port == Some(443) => Scheme::Wss,
        None => Scheme::Ws,
    };
    let own = Some(address.path).filter(|own| !own.is_empty() && *own != "/");
    let path = if is_dynamic { own.or(path) } else { path.or(own) };
    Ok(Some(Target {
        scheme,
        host: address.host,
        port: port.unwrap_or(scheme.default_port()),
        path: clean_path(path.unwrap_or("/"))?,
        credentials: address.credentials,
    }))
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

impl Target {
    /// Reads a full URL, as in a `Location` header.
    ///
    /// # Errors
    ///
    /// As [`target`], and for a text without a scheme.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let Some((scheme, _)) = url.split_once("://") else {
            return Err(TargetError::Scheme(excerpt(url)));
        };
        if Scheme::of(scheme).is_none() {
            return Err(TargetError::Scheme(excerpt(scheme)));
        }
        target(Some(url), None, None, None)?.ok_or_else(|| TargetError::Host(excerpt(url)))
    }

    /// Whether the link is encrypted.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host as in a URL: a name in ASCII, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// The host as a value, to tell a name from an address.
    pub fn host_value(&self) -> &Host<String> {
        &self.host
    }

    /// The host for a name service or a certificate: as [`Self::host`], without brackets.
    pub fn host_name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// The port, 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path with its query: begins with a slash and is ready for a request line.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// User name and password of the address.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// `host:port`, always with the port.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What the header `Host` says: the port only if it is not the scheme's own (RFC 9110, 7.2).
    pub fn host_header(&self) -> String {
        if self.port == self.scheme.default_port() { self.host() } else { self.authority() }
    }

    /// Whether scheme, host and port are the same: what decides which secrets a redirect may see.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }

    /// The same address with another path and query; bytes that they cannot hold are percent-encoded.
    ///
    /// # Errors
    ///
    /// [`TargetError`] if the text cannot be a path, or leads above the root (`/a/../../b`).
    pub fn with_path(self, path: &str) -> Result<Self, TargetError> {
        let path = clean_path(path)?;
        if climbs(&path) {
            return Err(TargetError::Climbs);
        }
        Ok(Self { path, ..self })
    }

    /// The same address without user name and password.
    #[must_use]
    pub fn without_credentials(self) -> Self {
        Self { credentials: None, ..self }
    }

    /// The address as the URL of an HTTP request, without user name and password.
    pub fn http_url(&self) -> String {
        format!("{}://{}{}", self.scheme.http_name(), self.host_header(), self.path)
    }

    /// Resolves a `Location` against this address (RFC 9110, 10.2.2); its fragment is dropped.
    ///
    /// # Errors
    ///
    /// [`TargetError`] if the location is no address that a link can have.
    pub fn join(&self, location: &str) -> Result<Self, TargetError> {
        let bad = || TargetError::Host(excerpt(location));
        let base = url::Url::parse(&self.to_string()).map_err(|_| bad())?;
        let mut url = base.join(location.trim()).map_err(|_| bad())?;
        url.set_fragment(None);
        Self::parse(url.as_str())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.host_header(), self.path)
    }
}

/// Whether an IPv6 address may stand without brackets.
#[derive(Clone, Copy)]
enum Bare {
    /// No: the text may have a port, and the two could not be told apart.
    Refused,
    /// Yes: the port is a setting of its own.
    Ipv6,
}

/// The parts of an address as written.
struct Address<'a> {
    scheme: Option<Scheme>,
    credentials: Option<Credentials>,
    host: Host<String>,
    port: Option<u16>,
    path: &'a str,
}

impl<'a> Address<'a> {
    fn read(text: &'a str, bare: Bare) -> Result<Self, TargetError> {
        if text.len() > MAX_BYTES {
            return Err(TargetError::TooLong("address"));
        }
        if text.chars().any(char::is_control) {
            return Err(TargetError::Control("address"));
        }
        if text.contains('#') {
            return Err(TargetError::Fragment);
        }
        // A user name or a password with a slash in it, not escaped, looks like a host and a path.
        let said =
            |error: TargetError, behind: &str| if behind.contains('@') { error.unshown() } else { error };
        let (scheme, rest) = match text.split_once("://") {
            // A query may hold a URL: only what stands before any slash or question mark is a scheme.
            Some((name, rest)) if !name.contains(['/', '?', '@', '[']) => {
                let scheme =
                    Scheme::of(name).ok_or_else(|| said(TargetError::Scheme(excerpt(name)), rest))?;
                (Some(scheme), rest)
            }
            Some(_) | None => (None, text),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '\\']).unwrap_or(rest.len()));
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(credentials(user)), place),
            None => (None, authority),
        };
        let (host, port) = split_port(place, bare).map_err(|error| said(error, path))?;
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => Host::Ipv6(address),
            Ok(IpAddr::V4(address)) => Host::Ipv4(address),
            // Names, and the other ways to write an IPv4 address.
            Err(_) => Host::parse(host).map_err(|_| said(TargetError::Host(excerpt(host)), path))?,
        };
        Ok(Self { scheme, credentials, host, port, path })
    }
}

fn split_port(place: &str, bare: Bare) -> Result<(&str, Option<u16>), TargetError> {
    let (host, port) = if let Some(inside) = place.strip_prefix('[') {
        let end = inside.find(']').ok_or_else(|| TargetError::Brackets(excerpt(place)))?;
        let (host, rest) = place.split_at(end + 2);
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(TargetError::Host(excerpt(place))),
        }
    } else if place.matches(':').count() > 1 {
        return match (bare, place.parse::<std::net::Ipv6Addr>()) {
            (Bare::Ipv6, Ok(_)) => Ok((place, None)),
            _ => Err(TargetError::Brackets(excerpt(place))),
        };
    } else {
        match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    // `host:` without a number is a host, as in RFC 3986.
    let port = match port.filter(|port| !port.is_empty()) {
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => match text.parse::<u16>() {
            Ok(0) | Err(_) => return Err(TargetError::Port(excerpt(text))),
            Ok(port) => Some(port),
        },
        Some(text) => return Err(TargetError::Port(excerpt(text))),
        None => None,
    };
    Ok((host, port))
}

fn credentials(userinfo: &str) -> Credentials {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    Credentials { user: percent_decode(user), password: Secret::new(percent_decode(password)) }
}

/// Undoes percent-encoding; an escape that is none stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = (*byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escape.unwrap_or(*byte));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What RFC 3986 allows in a path or query, and what browsers leave alone besides: `[ ] |`.
fn may_stand(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%[]|".contains(&byte)
}

/// Makes a path fit for a request line.
fn clean_path(path: &str) -> Result<String, TargetError> {
    if path.len() > MAX_BYTES {
        return Err(TargetError::TooLong("path"));
    }
    if path.starts_with('/') && path.bytes().all(may_stand) {
        return Ok(path.to_owned());
    }
    if path.chars().any(char::is_control) {
        return Err(TargetError::Control("path"));
    }
    if path.contains('#') {
        return Err(TargetError::Fragment);
    }
    let before_query = path.split('?').next().unwrap_or_default();
    if before_query.split_once("://").is_some_and(|(name, _)| Scheme::of(name).is_some()) {
        return Err(TargetError::PathIsAddress);
    }
    let mut out = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        out.push('/');
    }
    for byte in path.bytes() {
        if may_stand(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(out)
}

/// Whether a path has more steps up than down at any place; dots may be escaped.
fn climbs(path: &str) -> bool {
    // Most have no such step.
    if !path.contains("/.") && !path.contains("/%") {
        return false;
    }
    let before_query = path.split('?').next().unwrap_or_default();
    let mut depth = 0_i32;
    for segment in before_query.split('/').filter(|segment| !segment.is_empty()) {
        match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
            "." => {}
            ".." => depth -= 1,
            _ => depth = depth.saturating_add(1),
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// The first part of a text for an error message, without a password.
fn excerpt(text: &str) -> String {
    let text = text.rsplit_once('@').map_or(text, |(_, place)| place);
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    if text.chars().count() > 80 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
