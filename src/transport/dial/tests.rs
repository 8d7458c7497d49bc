//! Tests of dialling with names and peers that exist only in memory, on a clock that stands still.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::engine::target::Target;
use crate::engine::target::request::{Header, Provenance};
use crate::transport::handshake::accept_key;
use crate::value::Secret;

/// What a fake address does.
#[derive(Clone)]
enum Peer {
    /// Refuses the connection.
    Refuses,
    /// Never answers the connection.
    Silent,
    /// Answers each request head in turn with a text in which `{accept}` is filled in, then stays or closes.
    Answers { texts: Vec<String>, closes: bool },
}

fn answers(texts: &[&str]) -> Peer {
    Peer::Answers { texts: texts.iter().map(|text| (*text).to_owned()).collect(), closes: true }
}

const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";

/// A network of names and peers; keeps what was sent to each, and counts connections that are alive.
struct World {
    names: HashMap<&'static str, Vec<&'static str>>,
    peers: HashMap<&'static str, Peer>,
    seen: Arc<Mutex<Vec<String>>>,
    dialled: Arc<Mutex<Vec<(SocketAddr, Instant)>>>,
    alive: Arc<AtomicUsize>,
}

/// Counts a connection attempt for as long as it lives.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl World {
    fn new(names: &[(&'static str, &[&'static str])], peers: &[(&'static str, Peer)]) -> Arc<Self> {
        Arc::new(Self {
            names: names.iter().map(|(name, addresses)| (*name, addresses.to_vec())).collect(),
            peers: peers.iter().cloned().collect(),
            seen: Arc::default(),
            dialled: Arc::default(),
            alive: Arc::default(),
        })
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Connector for World {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let Some(addresses) = self.names.get(host) else {
                return Err(io::Error::other("no such host"));
            };
            Ok(addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), port)).collect())
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Io>> {
        self.dialled.lock().unwrap().push((address, Instant::now()));
        let name = address.to_string();
        let peer = self.peers.get(name.as_str()).cloned();
        let seen = self.seen.clone();
        self.alive.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(self.alive.clone());
        Box::pin(async move {
            let _alive = alive;
            match peer.unwrap_or_else(|| panic!("nothing is expected at {name}")) {
                Peer::Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
                Peer::Silent => std::future::pending().await,
                Peer::Answers { texts, closes } => {
                    let (near, far) = tokio::io::duplex(1 << 20);
                    tokio::task::spawn(play(far, texts, closes, seen));
                    Ok(Box::new(near) as Io)
                }
            }
        })
    }
}

async fn play(mut far: DuplexStream, texts: Vec<String>, closes: bool, seen: Arc<Mutex<Vec<String>>>) {
    for text in texts {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match far.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
        let text = text.replace("{accept}", &accept_key(key));
        seen.lock().unwrap().push(head);
        if far.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
    if !closes {
        std::future::pending::<()>().await;
    }
}

fn plan(url: &str) -> Plan {
    let headers = vec![
        Header::secret("X-Token", "s3cret", Provenance::Literal),
        Header::new("X-Plain", "1", Provenance::Literal),
    ];
    Plan {
        request: Request::new(Target::parse(url).unwrap(), headers, [7; 16]).unwrap(),
        timeout: Duration::from_secs(5),
        tls: tls::Settings::default(),
        proxy: proxy::Choice::Direct,
    }
}

async fn dial(world: &Arc<World>, plan: Plan) -> Result<Opened, Failure> {
    let environment = Environment { connector: world.clone(), system_proxy: proxy::System::default() };
    open(plan, &environment).await
}

#[tokio::test(start_paused = true)]
async fn a_link_opens_and_what_came_behind_the_101_is_kept() {
    let world =
        World::new(&[("h", &["1.1.1.1"])], &[("1.1.1.1:80", answers(&[&format!("{UPGRADE}frames")]))]);
    let opened = dial(&world, plan("ws://h/p")).await.unwrap();
    assert_eq!(&opened.leftover[..], b"frames");
    assert_eq!(opened.response.status_line, "HTTP/1.1 101 Switching Protocols");
    let stages: Vec<&str> = opened.stages.iter().map(|report| report.stage.name()).collect();
    assert_eq!(stages, ["name", "tcp", "http", "negotiation"]);
    assert!(opened.stages.iter().all(|report| report.ok));
}

#[tokio::test(start_paused = true)]
async fn a_silent_address_delays_the_next_by_a_quarter_of_a_second_and_a_refusing_one_by_nothing() {
    let world = World::new(
        &[("h", &["::1", "::2", "1.1.1.1", "1.1.1.2"])],
        &[
            ("[::1]:80", Peer::Silent),
            ("1.1.1.1:80", Peer::Refuses),
            ("[::2]:80", answers(&[UPGRADE])),
            ("1.1.1.2:80", Peer::Refuses),
        ],
    );
    let start = Instant::now();
    let opened = dial(&world, plan("ws://h/")).await.unwrap();
    assert_eq!(opened.address.to_string(), "[::2]:80");
    let dialled = world.dialled.lock().unwrap().clone();
    let times: Vec<(String, u128)> = dialled
        .iter()
        .map(|(address, at)| (address.to_string(), at.duration_since(start).as_millis()))
        .collect();
    let expected = [("[::1]:80", 0), ("1.1.1.1:80", 250), ("[::2]:80", 250)];
    assert_eq!(times, expected.map(|(address, at)| (address.to_owned(), at)));
    assert_eq!(world.alive.load(Ordering::SeqCst), 0, "the silent attempt must have been given up");
}

#[tokio::test(start_paused = true)]
async fn each_failure_names_its_stage_and_kind() {
    let closed_early = Peer::Answers { texts: vec!["HTTP/1.1 10".to_owned()], closes: true };
    let silent_http = Peer::Answers { texts: Vec::new(), closes: false };
    let bad_accept = UPGRADE.replace("{accept}", "x");
    let protocol = UPGRADE.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: x\r\n\r\n");
    for (peer, stage, kind) in [
        (Peer::Refuses, "tcp", FailureKind::ConnectionRefused),
        (Peer::Silent, "tcp", FailureKind::Deadline),
        (silent_http, "http", FailureKind::Deadline),
        (answers(&[]), "http", FailureKind::Closed),
        (closed_early, "http", FailureKind::Closed),
        (answers(&["SSH-2.0-x\r\n"]), "http", FailureKind::NotHttp),
        (
            answers(&["HTTP/1.1 401 U\r\nWWW-Authenticate: Basic realm=\"r\"\r\nRetry-After: 7\r\n\r\nno"]),
            "http",
            FailureKind::Refused,
        ),
        (answers(&["HTTP/1.1 302 F\r\n\r\n"]), "http", FailureKind::Refused),
        (answers(&["HTTP/1.1 302 F\r\nLocation: ftp://x\r\n\r\n"]), "http", FailureKind::Redirect),
        (answers(&[&bad_accept]), "http", FailureKind::Upgrade),
        (answers(&[&protocol]), "negotiation", FailureKind::Subprotocol),
    ] {
        let world = World::new(&[("h", &["1.1.1.1"])], &[("1.1.1.1:80", peer)]);
        let start = Instant::now();
        let failure = dial(&world, plan("ws://h/")).await.unwrap_err();
        assert_eq!((failure.kind, failure.stages.last().unwrap().stage.name()), (kind, stage), "{failure}");
        assert!(!failure.stages.last().unwrap().ok && !failure.advice.is_empty());
        assert!(start.elapsed() <= Duration::from_secs(5));
        assert!(!format!("{failure:?}{failure}").contains("s3cret"));
        assert_eq!(world.alive.load(Ordering::SeqCst), 0);
        if failure.status() == Some(401) {
            assert_eq!(failure.snippet().as_deref(), Some("no"));
            assert!(failure.advice.contains("Basic realm=\"r\""), "{}", failure.advice);
            assert!(failure.retry_after().is_some());
        }
    }
    let world = World::new(&[], &[]);
    let failure = dial(&world, plan("ws://nowhere/")).await.unwrap_err();
    assert_eq!(failure.to_string(), "name: the name `nowhere` does not resolve: no such host");
}

#[tokio::test(start_paused = true)]
async fn redirects_are_followed_five_times_and_secrets_stay_at_home() {
    let to = |place: &str| {
        answers(&[&format!("HTTP/1.1 307 T\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n")])
    };
    let world = World::new(
        &[("h", &["1.1.1.1"]), ("other", &["2.2.2.2"])],
        &[("1.1.1.1:80", to("http://other/x")), ("2.2.2.2:80", answers(&[UPGRADE]))],
    );
    let opened = dial(&world, plan("ws://h/")).await.unwrap();
    assert_eq!(opened.redirects, ["ws://other/x"]);
    let seen = world.seen();
    assert!(seen[0].contains("X-Token: s3cret\r\n") && seen[0].contains("X-Plain: 1\r\n"), "{}", seen[0]);
    assert!(!seen[1].contains("X-Token") && seen[1].contains("X-Plain: 1\r\n"), "{}", seen[1]);
    assert!(seen[1].starts_with("GET /x HTTP/1.1\r\nHost: other\r\n"), "{}", seen[1]);

    let world = World::new(&[("h", &["1.1.1.1"])], &[("1.1.1.1:80", to("/again"))]);
    let failure = dial(&world, plan("ws://h/")).await.unwrap_err();
    assert_eq!((failure.kind, failure.redirects.len()), (FailureKind::Redirect, MAX_REDIRECTS));
    assert_eq!(world.seen().len(), MAX_REDIRECTS + 1);
}

#[tokio::test(start_paused = true)]
async fn an_http_proxy_is_asked_for_ws_too_and_its_refusal_is_shown() {
    let through = |peer: Peer| World::new(&[("proxy", &["9.9.9.9"])], &[("9.9.9.9:3128", peer)]);
    let by = |url: &str| Plan { proxy: proxy::Choice::Url(Secret::new(url.to_owned())), ..plan("ws://h/") };
    let world = through(answers(&["HTTP/1.1 200 OK\r\n\r\n", UPGRADE]));
    let opened = dial(&world, by("http://u:hunter2@proxy:3128")).await.unwrap();
    let stages: Vec<&str> = opened.stages.iter().map(|report| report.stage.name()).collect();
    assert_eq!(stages, ["name", "tcp", "proxy", "http", "negotiation"]);
    assert_eq!(
        world.seen()[0],
        "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nProxy-Authorization: Basic dTpodW50ZXIy\r\n\r\n"
    );
    assert!(world.seen()[1].starts_with("GET / HTTP/1.1\r\nHost: h\r\n"));
    assert!(!format!("{opened:?}").contains("hunter2"));

    for (answer, kind) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope", FailureKind::ProxyRefused),
        (
            "HTTP/1.1 407 P\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            FailureKind::ProxyCredentials,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nsmuggled", FailureKind::ProxyRefused),
    ] {
        let failure = dial(&through(answers(&[answer])), by("proxy:3128")).await.unwrap_err();
        assert_eq!((failure.kind, failure.status()), (kind, None), "{failure}");
        assert_eq!(failure.stages.last().unwrap().stage, Stage::Proxy);
    }
    let failure = dial(&through(Peer::Refuses), by("proxy:3128")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ProxyUnreachable);
    // What is silent is the proxy: nothing is said about the peer.
    let failure = dial(&through(Peer::Silent), by("proxy:3128")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ProxyUnreachable);
    let summary = "the proxy http://proxy:3128 cannot be reached: no answer within 5000 ms, while connecting to 9.9.9.9:3128";
    assert_eq!(failure.summary, summary);
    assert_eq!(failure.advice, "check the proxy's address, or set bypassProxy");
    let failure = dial(&through(Peer::Refuses), by("gopher://proxy")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ProxySetting);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_dial_leaves_nothing_behind() {
    let world = World::new(
        &[("h", &["1.1.1.1", "1.1.1.2"])],
        &[("1.1.1.1:80", Peer::Silent), ("1.1.1.2:80", Peer::Silent)],
    );
    let dropped = tokio::time::timeout(Duration::from_secs(1), dial(&world, plan("ws://h/"))).await;
    assert!(dropped.is_err());
    assert_eq!(world.dialled.lock().unwrap().len(), 2);
    assert_eq!(world.alive.load(Ordering::SeqCst), 0);
}
