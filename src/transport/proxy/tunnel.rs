//! A tunnel through a proxy over a connection that is already there: HTTP `CONNECT` and SOCKS5; chooses no proxy.

use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio_socks::tcp::Socks5Stream;

use super::Proxy;
use crate::engine::target::request::basic;
use crate::transport::dial::Io;
use crate::transport::failure::{FailureKind, Trouble};
use crate::transport::handshake::{ReadError, read_body, read_head};

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
    let lost = |error: std::io::Error| broken(format!("the connection to the proxy broke: {error}"));
    io.write_all(request.as_bytes()).await.map_err(lost)?;
    io.flush().await.map_err(lost)?;
    let answer = read_head(io).await.map_err(|error| match error {
        ReadError::Io(error) => lost(error),
        ReadError::Closed(_) => broken("the proxy ended the connection without an answer".to_owned()),
        ReadError::Head(error) => broken(format!("proxy: {error}")),
    })?;
    match answer.response.status {
        200..=299 => Ok(answer.leftover),
        status => {
            let response = read_body(io, answer, deadline).await;
            let summary = format!("the proxy answered `{}` to CONNECT {authority}", response.shown_status());
            let (kind, advice) = if status == 407 {
                let asks = response.header("proxy-authenticate").unwrap_or_default();
                let asks = crate::transport::handshake::printable(&asks);
                let advice = format!(
                    "407: the proxy asks for {}: put user name and password into the proxy's URL (Basic only)",
                    if asks.is_empty() { "credentials" } else { &asks }
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
    stream.map(Socks5Stream::into_inner).map_err(|error| {
        use tokio_socks::Error;
        let (kind, advice) = match &error {
            Error::PasswordAuthFailure(_)
            | Error::NoAcceptableAuthMethods
            | Error::UnknownAuthMethod
            | Error::AuthorizationRequired
            | Error::InvalidAuthValues(_) => {
                (FailureKind::ProxyCredentials, "check user name and password in the proxy's URL")
            }
            Error::ConnectionNotAllowedByRuleset => {
                (FailureKind::ProxyRefused, "the proxy's rules forbid the address: ask its administrator")
            }
            Error::NetworkUnreachable
            | Error::HostUnreachable
            | Error::ConnectionRefused
            | Error::TtlExpired => (
                FailureKind::ProxyRefused,
                "the proxy works but cannot reach the peer: check address and port",
            ),
            Error::InvalidResponseVersion | Error::Io(_) => {
                (FailureKind::ProxyRefused, "check that the address is that of a SOCKS5 proxy")
            }
            // A foreign enum: whatever else it names is shown as it is.
            _ => (FailureKind::ProxyRefused, "see the proxy's log for its reason"),
        };
        Trouble::new(kind, format!("the SOCKS5 proxy answered: {error}"), advice)
    })
}
