//! One hop of a dial: from the name to the answer of one server; follows no redirect.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::connect::{connect, resolve, words};
use super::{Environment, FailureKind, Io, Plan, Stage, StageLog, Trouble};
use crate::engine::target::request::Request;
use crate::engine::target::{Scheme, Target};
use crate::transport::failure::proxy_unreachable;
use crate::transport::handshake::{
    Answer, HeadError, Negotiated, ReadError, Response, check_upgrade, negotiate, read_body, read_head,
};
use crate::transport::proxy::tunnel::{self, Destination};
use crate::transport::proxy::{self, Kind, Proxy};
use crate::transport::tls;

/// How long a peer's last words are waited for after a write has failed; they are there already, or never come.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a hop ended.
pub(super) enum Outcome {
    /// With an open link.
    Upgraded(Upgraded),
    /// With another answer.
    Answered(Response),
}

/// An open link.
pub(super) struct Upgraded {
    pub(super) io: Io,
    pub(super) leftover: Bytes,
    pub(super) response: Response,
    pub(super) negotiated: Negotiated,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<tls::Summary>,
}

pub(super) async fn open(
    request: &Request,
    plan: &Plan,
    settings: &tls::Settings,
    environment: &Environment,
    log: &mut StageLog,
    deadline: Instant,
) -> Result<Outcome, Trouble> {
    let target = request.target();
    let (io, address) = route(target, plan, environment, log, deadline).await?;
    let (mut io, summary) = match target.scheme() {
        Scheme::Ws => (io, None),
        Scheme::Wss if environment.connector.is_simulated() => {
            log.begin(Stage::Tls, format!("shaking hands with {}", target.host()));
            log.done("left out: the network is simulated");
            (io, None)
        }
        Scheme::Wss => {
            log.begin(Stage::Tls, format!("shaking hands with {}", target.host()));
            let (stream, summary) = tls::connect(settings, &target.host_name(), io).await?;
            log.done(summary.to_string());
            (Box::new(stream) as Io, Some(summary))
        }
    };
    log.begin(Stage::Http, format!("waiting for the answer of {}", target.host_header()));
    let answer = match exchange(&mut io, request).await {
        Ok(answer) => answer,
        Err(error) => {
            let asked = summary.as_ref().map(|summary| summary.asked).unwrap_or_default();
            return Err(match error {
                ReadError::Io(error) if tls::inner(&error).is_some() => {
                    log.back_to(Stage::Tls);
                    tls::trouble(&error, asked)
                }
                error @ (ReadError::Io(_) | ReadError::Closed(0)) => match tls::ended_after_asking(asked) {
                    Some(trouble) => {
                        log.back_to(Stage::Tls);
                        trouble
                    }
                    None => unread(error, target),
                },
                error @ (ReadError::Closed(_) | ReadError::Head(_)) => unread(error, target),
            });
        }
    };
    if answer.response.status != 101 {
        return Ok(Outcome::Answered(read_body(&mut io, answer, deadline).await));
    }
    let response = answer.response;
    if let Err(trouble) = check_upgrade(request, &response) {
        return Err(trouble.with_response(response));
    }
    log.done(response.shown_status());
    log.begin(Stage::Negotiation, "comparing what was selected");
    let negotiated = match negotiate(request, &response) {
        Ok(negotiated) => negotiated,
        Err(trouble) => return Err(trouble.with_response(response)),
    };
    log.done(agreed(&negotiated));
    let leftover = answer.leftover.freeze();
    Ok(Outcome::Upgraded(Upgraded { io, leftover, response, negotiated, address, tls: summary }))
}

/// Sends the request and reads the head of the answer.
async fn exchange(io: &mut Io, request: &Request) -> Result<Answer, ReadError> {
    let sent = async {
        io.write_all(&request.encode()).await?;
        io.flush().await
    };
    let Err(error) = sent.await else { return read_head(io).await };
    // A peer that ended the connection may have said why: with an answer, or with an alert of TLS.
    let unsent = ReadError::Io(error);
    match timeout(LAST_WORDS, read_head(io)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(ReadError::Io(error))) if tls::inner(&error).is_some() => Err(ReadError::Io(error)),
        Ok(Err(ReadError::Head(error))) => Err(ReadError::Head(error)),
        Ok(Err(ReadError::Io(_) | ReadError::Closed(_))) | Err(_) => Err(unsent),
    }
}

fn agreed(negotiated: &Negotiated) -> String {
    let deflate = negotiated.deflate.as_ref().map(ToString::to_string);
    let subprotocol = negotiated.subprotocol.as_ref().map(|name| format!("subprotocol {name}"));
    let parts: Vec<String> = subprotocol.into_iter().chain(deflate).collect();
    if parts.is_empty() { "nothing beyond the basic protocol".to_owned() } else { parts.join(", ") }
}

/// A connection on which the target is next: direct, or through a proxy.
async fn route(
    target: &Target,
    plan: &Plan,
    environment: &Environment,
    log: &mut StageLog,
    deadline: Instant,
) -> Result<(Io, SocketAddr), Trouble> {
    let chosen = proxy::choose(&plan.proxy, &environment.system_proxy, target);
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(error) => {
            log.begin(Stage::Proxy, "choosing a proxy");
            let advice = "correct bs:Proxy or the proxy variables of the environment";
            return Err(Trouble::new(FailureKind::ProxySetting, error.to_string(), advice));
        }
    };
    let Some(proxy) = chosen else {
        return reach(&target.host_name(), target.port(), environment, log).await;
    };
    // A proxy that resolves itself is given the name; else the name is ours to resolve, before anything is dialled.
    let addresses = match proxy.kind {
        Kind::Socks5 => {
            log.begin(Stage::Name, format!("resolving {}", target.host()));
            let found = resolve(&*environment.connector, &target.host_name(), target.port()).await?;
            log.done(list(&found));
            found
        }
        Kind::Http | Kind::Https | Kind::Socks5h => Vec::new(),
    };
    let unreachable = |trouble: Trouble| proxy_unreachable(&proxy.to_string(), &trouble.summary);
    log.heads_for_proxy(proxy.to_string());
    let (mut io, through) = reach(&proxy.host, proxy.port, environment, log).await.map_err(unreachable)?;
    log.at_proxy();
    log.begin(Stage::Proxy, format!("asking {proxy} for {}", target.authority()));
    let mut addresses = addresses.into_iter();
    let mut address = addresses.next();
    loop {
        match through_proxy(io, &proxy, target, address, plan, deadline).await {
            Ok(io) => {
                log.done(format!("through {proxy}"));
                return Ok((io, through));
            }
            // An address that the proxy does not reach, such as one of IPv6, leaves the others of the name.
            Err(trouble) if trouble.kind == FailureKind::ProxyRefused && addresses.len() > 0 => {
                address = addresses.next();
                log.heads_for_proxy(proxy.to_string());
                (io, _) = connect(&*environment.connector, &[through]).await.map_err(unreachable)?;
                log.at_proxy();
            }
            Err(trouble) => return Err(trouble),
        }
    }
}

async fn through_proxy(
    io: Io,
    proxy: &Proxy,
    target: &Target,
    address: Option<SocketAddr>,
    plan: &Plan,
    deadline: Instant,
) -> Result<Io, Trouble> {
    let mut io = match proxy.kind {
        Kind::Socks5 | Kind::Socks5h => {
            let name = target.host_name();
            let destination = match address {
                Some(address) => Destination::Address(address),
                None => match name.parse() {
                    Ok(ip) => Destination::Address(SocketAddr::new(ip, target.port())),
                    Err(_) => Destination::Name(&name, target.port()),
                },
            };
            return tunnel::socks5(io, proxy, destination).await;
        }
        Kind::Http => io,
        Kind::Https => {
            let (stream, _) = tls::connect(&plan.tls.of_proxy(), &proxy.host, io).await.map_err(|trouble| {
                let summary = format!("TLS with the proxy: {}", trouble.summary);
                let advice = "check the proxy's address and certificate: it must be for the proxy's name, of an issuer in ca or of the system's";
                Trouble::new(trouble.kind, summary, advice)
            })?;
            Box::new(stream) as Io
        }
    };
    let leftover = tunnel::connect(&mut io, proxy, &target.authority(), deadline).await?;
    if !leftover.is_empty() {
        // Neither TLS nor HTTP lets a server speak first: what came is not from the peer.
        return Err(Trouble::new(
            FailureKind::ProxyRefused,
            "the proxy sent bytes that do not belong to its answer",
            "check that the address is that of an HTTP proxy",
        ));
    }
    Ok(io)
}

async fn reach(
    host: &str,
    port: u16,
    environment: &Environment,
    log: &mut StageLog,
) -> Result<(Io, SocketAddr), Trouble> {
    log.begin(Stage::Name, format!("resolving {host}"));
    let addresses = resolve(&*environment.connector, host, port).await?;
    log.done(list(&addresses));
    log.begin(Stage::Tcp, format!("connecting to {}", list(&addresses)));
    let (io, address) = connect(&*environment.connector, &addresses).await?;
    log.done(address.to_string());
    Ok((io, address))
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn broken(error: &std::io::Error, target: &Target) -> Trouble {
    Trouble::new(
        FailureKind::Broken,
        format!("the connection broke before the answer: {}", words(error)),
        scheme_advice(target),
    )
}

fn unread(error: ReadError, target: &Target) -> Trouble {
    match error {
        ReadError::Io(error) => broken(&error, target),
        ReadError::Closed(0) => Trouble::new(
            FailureKind::Closed,
            "the peer ended the connection without an answer",
            scheme_advice(target),
        ),
        ReadError::Closed(bytes) => Trouble::new(
            FailureKind::Closed,
            format!("the peer ended the connection after {bytes} bytes of an answer"),
            "the peer or something in between is faulty: see the peer's log",
        ),
        ReadError::Head(error @ HeadError::Tls) => Trouble::new(
            FailureKind::NotHttp,
            error.to_string(),
            match target.scheme() {
                Scheme::Ws => "use wss instead of ws: the peer speaks TLS on this port",
                Scheme::Wss => "the peer speaks TLS inside TLS: check what stands in front of it",
            },
        ),
        ReadError::Head(error) => {
            Trouble::new(FailureKind::NotHttp, error.to_string(), scheme_advice(target))
        }
    }
}

fn scheme_advice(target: &Target) -> &'static str {
    match target.scheme() {
        Scheme::Ws => "check the port; if the peer expects TLS there, use wss instead of ws",
        Scheme::Wss => "check that a WebSocket or web server listens on this port",
    }
}
