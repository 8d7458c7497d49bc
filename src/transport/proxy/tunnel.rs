//! A tunnel through a proxy over a connection that is already there: HTTP `CONNECT` and SOCKS5; chooses no proxy.

use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio_socks::tcp::Socks5Stream;

use super::Proxy;
use crate::engine::target::request::basic;
use crate::transport::dial::{Io, words};
use crate::transport::failure::{FailureKind, Trouble};
use crate::transport::handshake::{HeadError, ReadError, read_body, read_head};

/// Asks an HTTP proxy for a tunnel to `authority`, which is `host:port`; returns what arrived behind the answer.
pub(crate) async fn connect(
    io: &mut Io,
    proxy: &Proxy,
    authority: &str,
    deadline: Instant,
) -> Result<BytesMut, Trouble> {
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(credentials) = &proxy.credentials {
        request.push_str(&format!("Proxy-Authorization: {}\r\n", basic(credentials)));
    }
    request.push_str("\r\n");
    let broken = |summary: String| {
        Trouble::new(FailureKind::ProxyRefused, summary, "check that the address is that of an HTTP proxy")
    };
    let lost =
        |error: std::io::Error| broken(format!("the connection to the proxy broke: {}", words(&error)));
    io.write_all(request.as_bytes()).await.map_err(lost)?;
    io.flush().await.map_err(lost)?;
    let answer = read_head(io).await.map_err(|error| match error {
        ReadError::Io(error) => lost(error),
        ReadError::Closed(_) => broken("the proxy ended the connection without an answer".to_owned()),
        ReadError::Head(HeadError::Tls) => Trouble::new(
            FailureKind::ProxyRefused,
            "the proxy answers with TLS",
            "write the proxy's address as https://host:port",
        ),
        ReadError::Head(error) => broken(format!("the proxy's answer cannot be read: {error}")),
    })?;
    match answer.response.status {
        200..=299 => Ok(answer.leftover),
        status => {
            let response = read_body(io, answer, deadline).await;
            let summary = format!("the proxy answered `{}` to CONNECT {authority}", response.shown_status());
            let (kind, advice) = if status == 407 {
                let asks = response.header("proxy-authenticate").unwrap_or_default();
                let asks = crate::transport::handshake::shown(&asks);
                let advice = format!(
                    "407: the proxy asks for {}: {} (Basic only)",
                    if asks.is_empty() { "credentials" } else { &asks },
                    if proxy.credentials.is_none() {
                        "put user name and password into the proxy's URL"
                    } else {
                        "check user name and password of the proxy"
                    }
                );
                (FailureKind::ProxyCredentials, advice)
            } else {
                let advice = format!(
                    "{status}: the proxy does not make the connection: ask its administrator to allow {authority}, or set bypassProxy"
                );
                (FailureKind::ProxyRefused, advice)
            };
            Err(Trouble::new(kind, summary, advice).with_response(response))
        }
    }
}

/// Where a SOCKS5 proxy is to connect to.
pub(crate) enum Destination<'a> {
    /// A name that the proxy resolves.
    Name(&'a str, u16),
    /// An address.
    Address(SocketAddr),
}

/// Asks a SOCKS5 proxy for a tunnel (RFC 1928, RFC 1929).
pub(crate) async fn socks5(io: Io, proxy: &Proxy, destination: Destination<'_>) -> Result<Io, Trouble> {
    let to = match &destination {
        Destination::Name(host, port) => format!("{host}:{port}"),
        Destination::Address(address) => address.to_string(),
    };
    let stream = match (&proxy.credentials, destination) {
        (None, Destination::Name(host, port)) => Socks5Stream::connect_with_socket(io, (host, port)).await,
        (None, Destination::Address(address)) => Socks5Stream::connect_with_socket(io, address).await,
        (Some(credentials), Destination::Name(host, port)) => {
            let (user, password) = (&credentials.user, credentials.password.expose());
            Socks5Stream::connect_with_password_and_socket(io, (host, port), user, password).await
        }
        (Some(credentials), Destination::Address(address)) => {
            let (user, password) = (&credentials.user, credentials.password.expose());
            Socks5Stream::connect_with_password_and_socket(io, address, user, password).await
        }
    };
    stream.map(Socks5Stream::into_inner).map_err(|error| socks_trouble(&error, proxy, &to))
}

/// What an answer of a SOCKS5 proxy means; `to` is the destination.
fn socks_trouble(error: &tokio_socks::Error, proxy: &Proxy, to: &str) -> Trouble {
    use tokio_socks::Error;
    let (kind, summary, advice) = match error {
        Error::PasswordAuthFailure(_) => (
            FailureKind::ProxyCredentials,
            "the SOCKS5 proxy does not accept this user name and password".to_owned(),
            "check user name and password of the proxy",
        ),
        Error::InvalidAuthValues(_) => (
            FailureKind::ProxyCredentials,
            "user name and password for a SOCKS5 proxy must have 1 to 255 bytes each".to_owned(),
            "check user name and password of the proxy",
        ),
        Error::NoAcceptableAuthMethods | Error::UnknownAuthMethod | Error::AuthorizationRequired => {
            if proxy.credentials.is_none() {
                (
                    FailureKind::ProxyCredentials,
                    "the SOCKS5 proxy asks for credentials, and none are set".to_owned(),
                    "put user name and password into the proxy's URL: socks5://user:password@host:port",
                )
            } else {
                (
                    FailureKind::ProxyCredentials,
                    "the SOCKS5 proxy takes no user name and password".to_owned(),
                    "ask the proxy's administrator which credentials it wants; GSSAPI is not possible",
                )
            }
        }
        Error::ConnectionNotAllowedByRuleset => (
            FailureKind::ProxyRefused,
            format!("the SOCKS5 proxy's rules forbid a connection to {to}"),
            "ask the proxy's administrator to allow it, or set bypassProxy",
        ),
        Error::AddressTypeNotSupported => (
            FailureKind::ProxyRefused,
            format!("the SOCKS5 proxy does not take an address such as {to}"),
            "use socks5h if it shall resolve the name, socks5 if it cannot",
        ),
        Error::InvalidResponseVersion | Error::InvalidReservedByte | Error::UnknownAddressType => (
            FailureKind::ProxyRefused,
            "what answers is no SOCKS5 proxy".to_owned(),
            "check the proxy's address and kind: an HTTP proxy is written http://host:port",
        ),
        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => (
            FailureKind::ProxyRefused,
            "the SOCKS5 proxy ended the connection without an answer".to_owned(),
            "check the proxy's address and kind, user name and password, and see its log",
        ),
        Error::Io(error) => (
            FailureKind::ProxyRefused,
            format!("the connection to the SOCKS5 proxy broke: {}", words(error)),
            "check the proxy's address and kind, user name and password, and see its log",
        ),
        // A foreign enum: the replies of RFC 1928 that are left, in the crate's words.
        other => (
            FailureKind::ProxyRefused,
            format!("the SOCKS5 proxy cannot connect to {to}: {}", other.to_string().to_lowercase()),
            "the proxy works but does not reach the peer: check address and port, and see the proxy's log",
        ),
    };
    Trouble::new(kind, summary, advice)
}
