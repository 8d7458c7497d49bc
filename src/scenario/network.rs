//! The network of a scenario: names lead to its peers, over pipes and in virtual time; opens no socket.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::file::Fault;
use super::peer::{self, Peer};
use crate::tasks::Tasks;
use crate::transport::dial::{Connector, Io};
use crate::transport::http::instead::{Respond, Unanswered};

/// How many bytes a pipe holds.
const PIPE: usize = 64 << 10;

/// Connections that a peer has not taken yet.
const BACKLOG: usize = 64;

/// How many names get an address.
const MAX_NAMES: usize = 10_000;

/// The network of a scenario.
#[derive(Debug)]
pub(super) struct Network {
    peers: Vec<(Arc<Peer>, mpsc::Sender<DuplexStream>)>,
    /// The name that an address was given to, so that a connection finds its peer.
    names: Mutex<BTreeMap<IpAddr, String>>,
}

impl Network {
    /// Starts the peers as tasks.
    pub(super) fn start(peers: &[Arc<Peer>], tasks: &mut Tasks) -> Self {
        let peers = peers.iter().zip(0..).map(|(peer, number)| {
            let (dial, incoming) = mpsc::channel::<DuplexStream>(BACKLOG);
            let serving = Arc::clone(peer);
            tasks.spawn(format!("peer {number}"), |stop| peer::run(incoming, serving, stop));
            (Arc::clone(peer), dial)
        });
        Self { peers: peers.collect(), names: Mutex::default() }
    }

    /// The peer of a host and a port: the one that names both, else the one that names the host, else the first that names none.
    fn peer(&self, host: &str, port: u16) -> Option<&(Arc<Peer>, mpsc::Sender<DuplexStream>)> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let whole = format!("{host}:{port}");
        let named = |name: &str| {
            self.peers.iter().find(|(peer, _)| peer.host().is_some_and(|own| own.eq_ignore_ascii_case(name)))
        };
        named(&whole)
            .or_else(|| named(host))
            .or_else(|| self.peers.iter().find(|(peer, _)| peer.host().is_none()))
    }

    /// The address of a name, out of a range for documentation and tests (RFC 2544, 198.18.0.0/15).
    fn address(&self, host: &str) -> io::Result<IpAddr> {
        let mut names = self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((address, _)) = names.iter().find(|(_, name)| *name == host) {
            return Ok(*address);
        }
        if names.len() >= MAX_NAMES {
            return Err(io::Error::other("the scenario has too many names"));
        }
        let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let address = IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + next));
        names.insert(address, host.to_owned());
        Ok(address)
    }
}

impl Connector for Network {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            if self.peer(host, port).is_none() {
                return Err(io::Error::other(format!("no peer of the scenario is `{host}:{port}`")));
            }
            Ok(vec![SocketAddr::new(self.address(host)?, port)])
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Io>> {
        Box::pin(async move {
            let refused = |why: &str| io::Error::new(io::ErrorKind::ConnectionRefused, why.to_owned());
            let name = {
                let names = self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                names.get(&address.ip()).cloned().unwrap_or_else(|| address.ip().to_string())
            };
            let Some((peer, dial)) = self.peer(&name, address.port()) else {
                return Err(refused("no peer of the scenario has this address"));
            };
            if !peer.is_reachable() {
                return Err(refused("the peer cannot be reached now"));
            }
            let (near, far) = tokio::io::duplex(PIPE);
            dial.send(far).await.map_err(|_| refused("the peer has ended"))?;
            Ok(Box::new(near) as Io)
        })
    }

    fn is_simulated(&self) -> bool {
        true
    }
}

impl Respond for Network {
    fn respond(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, Unanswered>> {
        Box::pin(async move {
            let unanswered = |written, why: String| Unanswered { written, why };
            let uri = request.uri();
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
            let host = uri.host().unwrap_or_default().to_owned();
            let Some((peer, _)) = self.peer(&host, port) else {
                return Err(unanswered(false, format!("no peer of the scenario is `{host}:{port}`")));
            };
            if !peer.is_reachable() {
                return Err(unanswered(false, format!("`{host}:{port}` cannot be reached now")));
            }
            let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            let (head, body) = request.into_parts();
            let answer = peer.answer(head.method.as_str(), &path, &head.headers, &body);
            sleep(answer.after).await;
            if !peer.is_reachable() {
                return Err(unanswered(true, format!("`{host}:{port}` went away before it answered")));
            }
            match answer.fault {
                Some(Fault::NeverAnswer) => std::future::pending().await,
                Some(Fault::Reset) => {
                    return Err(unanswered(true, "the peer ended the connection without an answer".into()));
                }
                Some(Fault::Cut) => {
                    return Err(unanswered(true, "the peer ended the connection within its answer".into()));
                }
                Some(Fault::SlowDrip) => {
                    let bytes = u32::try_from(answer.body.len()).unwrap_or(u32::MAX);
                    sleep(peer::DRIP.saturating_mul(bytes)).await;
                }
                Some(Fault::AcceptAndClose | Fault::HalfOpen | Fault::HugeFrame | Fault::BadDeflate)
                | None => {}
            }
            let response = peer::response(answer.status, answer.headers, answer.body, None);
            let (head, body) = response.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            Ok(http::Response::from_parts(head, body))
        })
    }
}
