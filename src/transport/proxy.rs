//! Which proxy a link goes through, decided from settings and environment; opens nothing.

pub(crate) mod tunnel;

use std::fmt;
use std::net::IpAddr;

use url::Host;

use crate::engine::target::{Credentials, MAX_BYTES, Scheme, Target};
use crate::value::Secret;

/// What a connection says about proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The system's proxy, if there is one for the target.
    #[default]
    System,
    /// None (`bypassProxy`).
    Direct,
    /// This one (`bs:Proxy url`); a URL or `host:port`, `none` for a direct connection, empty for the system's.
    Url(Secret<String>),
    /// This one, with credentials of its own (`proxyServer`, `proxyUser`, `proxyPassword`).
    Server {
        /// As for [`Choice::Url`].
        url: Secret<String>,
        /// They go before those in the URL.
        credentials: Credentials,
    },
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTTP `CONNECT` (`http://`, or no scheme).
    Http,
    /// HTTP `CONNECT` inside TLS (`https://`).
    Https,
    /// SOCKS5, the name resolved here (`socks5://`).
    Socks5,
    /// SOCKS5, the name resolved by the proxy (`socks5h://`, `socks://`).
    Socks5h,
}

/// A proxy; `Display` is its URL without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// How it is spoken to.
    pub kind: Kind,
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port; default 80, 443 and 1080.
    pub port: u16,
    /// User name and password.
    pub credentials: Option<Credentials>,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Socks5 => "socks5",
            Kind::Socks5h => "socks5h",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Why a proxy setting cannot be used; none has the setting's text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// An unknown scheme.
    #[error("a proxy of the kind `{0}` is not possible: only http, https, socks5 and socks5h are")]
    Scheme(String),
    /// The rest is no host and port.
    #[error("the proxy's address is no `scheme://host:port`")]
    Address,
}

impl Proxy {
    /// Reads a URL, or `host:port` for an HTTP proxy. A path is ignored.
    ///
    /// # Errors
    ///
    /// [`ProxyError`] for another scheme and for what is no address.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(ProxyError::Address);
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (kind, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            "socks5" => (Kind::Socks5, 1080),
            "socks5h" | "socks" => (Kind::Socks5h, 1080),
            other => {
                // A password can stand before `://` only if somebody mixed up the text: show a word or nothing.
                let word = other.chars().take(16).filter(char::is_ascii_alphanumeric).collect();
                return Err(ProxyError::Scheme(word));
            }
        };
        // The reader of targets knows hosts, brackets, ports and credentials.
        let target = crate::engine::target::target(Some(&format!("ws://{rest}")), None, Some(port), None);
        let Ok(Some(target)) = target else { return Err(ProxyError::Address) };
        Ok(Self {
            kind,
            host: target.host_name(),
            port: target.port(),
            credentials: target.credentials().cloned(),
        })
    }
}

/// The proxies of the environment: `http_proxy` for ws, `https_proxy` for wss, `all_proxy` for both, and `no_proxy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    http: Option<Secret<String>>,
    https: Option<Secret<String>>,
    all: Option<Secret<String>>,
    no_proxy: Vec<Exception>,
}

impl System {
    /// Reads the variables through `get`, in lower case and then in upper case; an empty one counts as absent.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            [name.to_owned(), name.to_ascii_uppercase()]
                .iter()
                .find_map(|name| get(name).filter(|value| !value.trim().is_empty()))
        };
        // With CGI a client's header `Proxy:` arrives as HTTP_PROXY; then only the lower case can be meant.
        let http = if get("REQUEST_METHOD").is_some() { get("http_proxy") } else { either("http_proxy") };
        Self {
            http: http.filter(|value| !value.trim().is_empty()).map(Secret::new),
            https: either("https_proxy").map(Secret::new),
            all: either("all_proxy").map(Secret::new),
            no_proxy: either("no_proxy").map(|text| exceptions(&text)).unwrap_or_default(),
        }
    }

    /// The proxy for a target; loopback and `localhost` never have one.
    ///
    /// # Errors
    ///
    /// [`ProxyError`] if the variable cannot be used: going direct instead would leak what was to be proxied.
    pub fn proxy_for(&self, target: &Target) -> Result<Option<Proxy>, ProxyError> {
        let own = match target.scheme() {
            Scheme::Ws => &self.http,
            Scheme::Wss => &self.https,
        };
        let Some(url) = own.as_ref().or(self.all.as_ref()) else { return Ok(None) };
        if is_local(target.host_value()) || self.no_proxy.iter().any(|exception| exception.covers(target)) {
            return Ok(None);
        }
        Proxy::parse(url.expose()).map(Some)
    }
}

/// Chooses the proxy of a target: a named one, none, or the system's.
///
/// # Errors
///
/// [`ProxyError`] if what was chosen cannot be used.
pub fn choose(choice: &Choice, system: &System, target: &Target) -> Result<Option<Proxy>, ProxyError> {
    let named = |url: &Secret<String>| match url.expose().trim() {
        "" => system.proxy_for(target),
        none if none.eq_ignore_ascii_case("none") => Ok(None),
        url => Proxy::parse(url).map(Some),
    };
    match choice {
        Choice::Direct => Ok(None),
        Choice::Url(url) => named(url),
        Choice::Server { url, credentials } => {
            let credentials = Some(credentials.clone());
            Ok(named(url)?.map(|proxy| Proxy { credentials, ..proxy }))
        }
        Choice::System => system.proxy_for(target),
    }
}

fn is_local(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// One entry of `no_proxy`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    what: Covers,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Covers {
    /// `*`.
    Everything,
    /// `10.0.0.0/8`, or one address.
    Network { network: IpAddr, bits: u8 },
    /// A name and all below it; with a leading `*.` or `.` as well, as curl and Go do in slightly different ways.
    Domain(String),
}

impl Exception {
    fn covers(&self, target: &Target) -> bool {
        if self.port.is_some_and(|port| port != target.port()) {
            return false;
        }
        match (&self.what, target.host_value()) {
            (Covers::Everything, _) => true,
            (Covers::Network { network, bits }, Host::Ipv4(address)) => {
                within(IpAddr::V4(*address), *network, *bits)
            }
            (Covers::Network { network, bits }, Host::Ipv6(address)) => {
                within(IpAddr::V6(*address), *network, *bits)
            }
            (Covers::Domain(domain), Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Covers::Network { .. }, Host::Domain(_))
            | (Covers::Domain(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}

/// Whether an address is in a network; an IPv4 address inside IPv6 counts as IPv4.
fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (address.to_canonical(), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(address) & mask == u128::from(network) & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Reads `no_proxy`: entries separated by commas or blanks; one that cannot be read covers nothing.
fn exceptions(text: &str) -> Vec<Exception> {
    text.split([',', ' ', '\t', ';'])
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .take(1024)
        .filter_map(exception)
        .collect()
}

fn exception(entry: &str) -> Option<Exception> {
    if entry == "*" {
        return Some(Exception { what: Covers::Everything, port: None });
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let network: IpAddr = network.trim_matches(['[', ']']).parse().ok()?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= most)?;
        return Some(Exception { what: Covers::Network { network, bits }, port: None });
    }
    let whole = |address: IpAddr| Covers::Network {
        network: address,
        bits: if address.is_ipv4() { 32 } else { 128 },
    };
    if let Ok(address) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(Exception { what: whole(address), port: None });
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (entry, None),
    };
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(Exception { what: whole(address), port });
    }
    let domain = host.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
    (!domain.is_empty()).then_some(Exception { what: Covers::Domain(domain), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn system_check(environment: &[(&str, &str)], target: &str, expected: &str) {
        let system = System::read(|name| {
            environment.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
        });
        let chosen = choose(&Choice::System, &system, &Target::parse(target).unwrap());
        let shown = match chosen {
            Ok(Some(proxy)) => proxy.to_string(),
            Ok(None) => "direct".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{environment:?} {target}");
    }

    #[test]
    fn the_system_proxy_depends_on_the_scheme() {
        let both = &[("http_proxy", "p:3128"), ("HTTPS_PROXY", "https://q"), ("all_proxy", "socks5://r")];
        system_check(both, "ws://h", "http://p:3128");
        system_check(both, "wss://h", "https://q:443");
        system_check(&both[2..], "ws://h", "socks5://r:1080");
        system_check(&[("http_proxy", " "), ("HTTP_PROXY", "up")], "ws://h", "http://up:80");
        system_check(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "up")], "ws://h", "direct");
        system_check(&[], "wss://h", "direct");
        system_check(both, "ws://localhost:5", "direct");
        system_check(both, "ws://127.1.2.3", "direct");
        system_check(both, "ws://[::1]", "direct");
        system_check(
            &[("http_proxy", "ftp://p")],
            "ws://h",
            "a proxy of the kind `ftp` is not possible: only http, https, socks5 and socks5h are",
        );
        system_check(
            &[("http_proxy", "http://u:pw@p:x")],
            "ws://h",
            "the proxy's address is no `scheme://host:port`",
        );
    }

    #[test]
    fn exceptions_are_hosts_domains_networks_and_ports() {
        let check = |no_proxy: &str, target: &str, direct: bool| {
            let expected = if direct { "direct" } else { "http://p:80" };
            system_check(&[("http_proxy", "p"), ("no_proxy", no_proxy)], target, expected);
        };
        check("*", "ws://h", true);
        check("a.b", "ws://a.b", true);
        check("a.b", "ws://x.A.B", true);
        check("a.b", "ws://xa.b", false);
        check(".a.b", "ws://x.a.b", true);
        check("*.a.b", "ws://x.a.b", true);
        check("x, h:81", "ws://h:81", true);
        check("x, h:81", "ws://h:82", false);
        check("10.0.0.0/8", "ws://10.200.0.1", true);
        check("10.0.0.0/8", "ws://11.0.0.1", false);
        check("0.0.0.0/0", "ws://11.0.0.1", true);
        check("10.1.2.3:80", "ws://10.1.2.3", true);
        check("fd00::/8", "ws://[fd12::1]", true);
        check("[fe80::1]", "ws://[fe80::1]:9", true);
        check("10.0.0.0/8", "ws://ten.example", false);
        check("10.0.0.0/99, :, /, .", "ws://10.0.0.1", false);
    }

    #[test]
    fn a_named_proxy_beats_the_system_and_direct_beats_both() {
        let system = System::read(|name| (name == "http_proxy").then(|| "system".to_owned()));
        let target = Target::parse("ws://127.0.0.1").unwrap();
        let named = Choice::Url(Secret::new("socks5h://u:p%40@[::1]:99/".to_owned()));
        let proxy = choose(&named, &system, &target).unwrap().unwrap();
        assert_eq!(proxy.to_string(), "socks5h://[::1]:99");
        assert_eq!(proxy.credentials.unwrap().password.expose(), "p@");
        assert_eq!(choose(&Choice::Direct, &system, &target), Ok(None));
        let none = Choice::Url(Secret::new(" None".to_owned()));
        assert_eq!(choose(&none, &system, &Target::parse("ws://h").unwrap()), Ok(None));
        let own = Choice::Server {
            url: Secret::new("u:p@host:1".to_owned()),
            credentials: Credentials { user: "v".to_owned(), password: Secret::new("q".to_owned()) },
        };
        let proxy = choose(&own, &system, &target).unwrap().unwrap();
        assert_eq!(
            (proxy.to_string().as_str(), proxy.credentials.unwrap().user.as_str()),
            ("http://host:1", "v")
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "the fake proxies live as long as the test")]
#[cfg(test)]
mod dials;
