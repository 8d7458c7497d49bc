//! Names to addresses, and addresses to one connection, staggered (RFC 8305); speaks no protocol.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::Io;
use crate::transport::failure::{FailureKind, Trouble};

/// How long an attempt has before the next address is tried beside it (RFC 8305, 5: 250 ms).
const STAGGER: Duration = Duration::from_millis(250);
/// Most addresses of one name that are tried; a name with more is a round robin, where any will do.
const MAX_ADDRESSES: usize = 16;

/// Resolves names and opens connections; tests give one that knows only pipes.
pub trait Connector: Send + Sync {
    /// All addresses of a name, in the system's order of preference; never from a cache of ours.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// Opens one connection; dropping the future gives it up.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Io>>;

    /// Whether its connections are simulated, so that no TLS goes over them and no certificate is needed; default no.
    fn is_simulated(&self) -> bool {
        false
    }
}

/// The real network, without Nagle's delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// When the system probes an idle connection; default never, since WebSocket pings do better.
    pub tcp_keepalive: Option<Duration>,
}

impl Connector for Network {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Io>> {
        let keepalive = self.tcp_keepalive;
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            if let Some(time) = keepalive {
                let setting = socket2::TcpKeepalive::new().with_time(time);
                socket2::SockRef::from(&stream).set_tcp_keepalive(&setting)?;
            }
            Ok(Box::new(stream) as Io)
        })
    }
}

/// All addresses of a host; an IP address is itself.
pub(super) async fn resolve(
    connector: &dyn Connector,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, Trouble> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let advice = "check the spelling of the name and the DNS of this host, or use an IP address";
    match connector.resolve(host, port).await {
        Ok(addresses) if !addresses.is_empty() => Ok(interleave(addresses)),
        Ok(_) => Err(Trouble::new(FailureKind::Name, format!("the name `{host}` has no address"), advice)),
        Err(error) => {
            let summary = format!("the name `{host}` does not resolve: {}", words(&error));
            Err(Trouble::new(FailureKind::Name, summary, advice))
        }
    }
}

/// The families take turns, beginning with that of the first address (RFC 8305, 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut queues = [first, second];
    let mut out: Vec<SocketAddr> = Vec::new();
    while out.len() < MAX_ADDRESSES && queues.iter().any(|queue| !queue.is_empty()) {
        for queue in &mut queues {
            if let Some(address) = queue.pop_front()
                && !out.contains(&address)
            {
                out.push(address);
            }
        }
    }
    out
}

/// The first connection that comes about; the others are given up.
///
/// The next address is tried when an attempt fails, or 250 ms after the last one began.
pub(super) async fn connect(
    connector: &dyn Connector,
    addresses: &[SocketAddr],
) -> Result<(Io, SocketAddr), Trouble> {
    let mut waiting = addresses.iter().copied();
    let mut attempts = FuturesUnordered::new();
    let mut errors: Vec<(SocketAddr, io::Error)> = Vec::new();
    let attempt = |address: SocketAddr| async move { (address, connector.connect(address).await) };
    let mut more = waiting.next();
    let mut next_at = Instant::now();
    loop {
        if let Some(address) = more
            && (attempts.is_empty() || Instant::now() >= next_at)
        {
            attempts.push(attempt(address));
            more = waiting.next();
            next_at = Instant::now() + STAGGER;
        }
        // Cancel-safe: `next` of a stream keeps its futures, and the time is computed anew each turn.
        let ended = tokio::select! {
            biased;
            ended = attempts.next() => ended,
            () = sleep_until(next_at), if more.is_some() => continue,
        };
        match ended {
            Some((address, Ok(io))) => return Ok((io, address)),
            Some((address, Err(error))) => {
                errors.push((address, error));
                // A failed attempt makes room for the next at once.
                next_at = Instant::now();
            }
            None => {}
        }
        if attempts.is_empty() && more.is_none() {
            return Err(unreachable(&errors));
        }
    }
}

fn unreachable(errors: &[(SocketAddr, io::Error)]) -> Trouble {
    let list: Vec<String> =
        errors.iter().map(|(address, error)| format!("{address}: {}", words(error))).collect();
    let all_refused = errors.iter().all(|(_, error)| error.kind() == io::ErrorKind::ConnectionRefused);
    if all_refused {
        let advice = "nothing listens on this port: check the port, and that the peer's service runs";
        return Trouble::new(FailureKind::ConnectionRefused, list.join("; "), advice);
    }
    // EMFILE and ENFILE; no error kind stands for them.
    let ours = |error: &io::Error| cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24));
    if errors.iter().any(|(_, error)| ours(error)) {
        let advice = "this process has no file descriptor left: raise its limit (`ulimit -n`, systemd: `LimitNOFILE=`)";
        return Trouble::new(FailureKind::Unreachable, list.join("; "), advice);
    }
    let advice = "the address cannot be reached: check network, routes and firewall, and that the peer is on";
    Trouble::new(FailureKind::Unreachable, list.join("; "), advice)
}

/// The system's words without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_first_goes_first() {
        let read = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(
            interleave(read(&["[::1]:1", "[::2]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"])),
            read(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"])
        );
        assert_eq!(interleave(vec!["1.1.1.1:1".parse().unwrap(); 40]).len(), 1);
    }
}
