//! Who may ask: `Host` must name this machine and `Origin` must be absent or our own; knows no user.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Uri, header};

use crate::api::problem::{Kind, Problem};

/// Lets a request pass that comes from this machine and from no foreign web page; answers every other with 403.
pub(super) async fn check(request: Request, next: Next) -> Response {
    if let Err(reason) = allowed(request.uri(), request.headers()) {
        return Problem::new(Kind::Forbidden, request.uri(), reason).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn allowed(uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
    const HOST: &str = "the Host header must name this machine: 127.0.0.0/8, [::1] or localhost";
    let host = single(headers, header::HOST).map_err(|()| HOST)?.ok_or(HOST)?;
    // An absolute request target goes before `Host` (RFC 9112 3.2.2), so both must be ours.
    let target = uri.authority().map_or(host, |authority| authority.as_str());
    if !is_loopback(host) || !is_loopback(target) {
        return Err(HOST);
    }
    const ORIGIN: &str = "requests from the pages of another origin are refused";
    match single(headers, header::ORIGIN).map_err(|()| ORIGIN)? {
        None => Ok(()),
        // A browser takes `Host` from the address of the page's request, so a page of ours has the same in both.
        Some(origin) => match origin.strip_prefix("http://") {
            Some(authority) if authority.eq_ignore_ascii_case(host) => Ok(()),
            Some(_) | None => Err(ORIGIN),
        },
    }
}

/// The only value of a header; `Err` if it is there twice or is not plain text.
fn single(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(());
    }
    first.map(|value| value.to_str().map_err(|_| ())).transpose()
}

/// Whether `host` or `host:port` is a loopback address or `localhost`.
fn is_loopback(authority: &str) -> bool {
    let is_port = |text: &str| text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return port_fits && address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    port.is_none_or(is_port)
        && (host.eq_ignore_ascii_case("localhost")
            || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, headers: &[(&str, &str)], expected: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(header::HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let uri: Uri = uri.parse().unwrap();
        assert_eq!(allowed(&uri, &map).is_ok(), expected, "{uri} {headers:?}");
    }

    #[test]
    fn only_a_host_of_this_machine_passes() {
        for host in
            ["127.0.0.1", "127.0.0.1:8780", "127.9.9.9:1", "localhost", "LOCALHOST:80", "[::1]", "[::1]:8780"]
        {
            check("/", &[("host", host)], true);
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil.example:8780",
            "127.0.0.1.evil.example",
            "127.0.0.1:80:80",
            "127.0.0.1:",
            "127.0.0.1:+80",
            "127.0.0.1:99999",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::1",
            "::1",
            "[::1]x",
            "localhost:80@evil.example",
            "2130706433",
            "0x7f.1",
            "127.1",
        ] {
            check("/", &[("host", host)], false);
        }
        check("/", &[], false);
        check("/", &[("host", "localhost"), ("host", "evil.example")], false);
        check("http://evil.example/", &[("host", "localhost")], false);
        check("http://localhost/", &[("host", "localhost")], true);
        check("http://user@localhost/", &[("host", "localhost")], false);
    }

    #[test]
    fn only_our_own_origin_passes() {
        let host = ("host", "localhost:8780");
        check("/", &[host, ("origin", "http://localhost:8780")], true);
        for origin in [
            "null",
            "",
            "http://localhost",
            "http://localhost:3000",
            "https://localhost:8780",
            "http://127.0.0.1:8780",
            "http://evil.example",
            "http://localhost:8780/",
            "file://",
        ] {
            check("/", &[host, ("origin", origin)], false);
        }
        check("/", &[host, ("origin", "http://localhost:8780"), ("origin", "http://evil.example")], false);
    }
}
