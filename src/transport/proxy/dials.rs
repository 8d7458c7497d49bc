//! Tests of dials through proxies that are written here, over pipes: what they are asked for, and how each can fail.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::{Choice, System};
use crate::engine::target::request::Request;
use crate::engine::target::{Credentials, Target};
use crate::transport::dial::{Connector, Environment, Io, Opened, Plan, open};
use crate::transport::failure::{Failure, FailureKind, Stage};
use crate::transport::tls;
use crate::transport::tls::tests::{Authority, Folder, TIMEOUT, upgrade};
use crate::value::Secret;

/// What a proxy does.
#[derive(Clone)]
enum Proxy {
    /// HTTP CONNECT; with credentials it wants `u:p`.
    Http { wants_credentials: bool },
    /// HTTP CONNECT inside TLS.
    Https(Arc<ServerConfig>),
    /// SOCKS5; the reply is for every destination but IPv4 addresses if it is no 0.
    Socks { wants_credentials: bool, reply: u8 },
    /// SOCKS5 that knows only a method which nobody else has.
    SocksOfAnotherKind,
    /// Reads once, answers this and closes.
    Says(&'static [u8]),
    /// As `Says`, and stays.
    SaysAndStays(&'static [u8]),
}

/// A network with a proxy at 9.9.9.9, and peers behind it and everywhere else.
#[derive(Clone)]
struct World {
    proxy: Proxy,
    /// TLS of the peers; none is plain.
    peer: Option<Arc<ServerConfig>>,
    /// Whether the proxy is gone once it has been asked for something.
    goes: bool,
    /// Names resolved, connections made, and what the proxy was asked for.
    seen: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new(proxy: Proxy) -> Self {
        Self { proxy, peer: None, goes: false, seen: Arc::default() }
    }

    fn note(&self, what: String) {
        self.seen.lock().unwrap().push(what);
    }

    async fn be_peer(self, io: Io) {
        match self.peer {
            None => upgrade(io).await,
            Some(config) => {
                if let Ok(stream) = TlsAcceptor::from(config).accept(io).await {
                    upgrade(stream).await;
                }
            }
        }
    }

    async fn be_proxy(self, io: Io) {
        // A client that goes in the middle is part of some tests.
        let _ = match self.proxy.clone() {
            Proxy::Http { wants_credentials } => self.be_http(io, wants_credentials).await,
            Proxy::Https(config) => match TlsAcceptor::from(config).accept(io).await {
                Ok(stream) => self.be_http(Box::new(stream), false).await,
                Err(error) => Err(error),
            },
            Proxy::Socks { wants_credentials, reply } => self.be_socks(io, wants_credentials, reply).await,
            Proxy::SocksOfAnotherKind => says(io, b"\x05\xff").await,
            Proxy::Says(text) => says(io, text).await,
            Proxy::SaysAndStays(text) => {
                let mut io = io;
                io.write_all(text).await.unwrap();
                std::future::pending().await
            }
        };
    }

    async fn be_http(self, mut io: Io, wants_credentials: bool) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(io.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        self.note(head.lines().next().unwrap().to_owned());
        // `u:p` in base64.
        if wants_credentials && !head.contains("\r\nProxy-Authorization: Basic dTpw\r\n") {
            let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"gate\"\r\nContent-Length: 4\r\n\r\nnope";
            return io.write_all(refusal).await;
        }
        io.write_all(b"HTTP/1.0 200 Connection established\r\nVia: gate\r\n\r\n").await?;
        io.flush().await?;
        self.be_peer(io).await;
        Ok(())
    }

    /// RFC 1928 and RFC 1929, the server's side.
    async fn be_socks(self, mut io: Io, wants_credentials: bool, reply: u8) -> io::Result<()> {
        assert_eq!(io.read_u8().await?, 5);
        let mut methods = vec![0; usize::from(io.read_u8().await?)];
        io.read_exact(&mut methods).await?;
        let method = if wants_credentials { 2 } else { 0 };
        if !methods.contains(&method) {
            return io.write_all(&[5, 0xff]).await;
        }
        io.write_all(&[5, method]).await?;
        if wants_credentials {
            assert_eq!(io.read_u8().await?, 1);
            let mut pair = Vec::new();
            for _ in 0..2 {
                let mut part = vec![0; usize::from(io.read_u8().await?)];
                io.read_exact(&mut part).await?;
                pair.push(part);
            }
            let good = pair == [b"u", b"p"];
            io.write_all(&[1, u8::from(!good)]).await?;
            if !good {
                return Ok(());
            }
        }
        let mut request = [0; 4];
        io.read_exact(&mut request).await?;
        assert_eq!(request[..3], [5, 1, 0]);
        let host = match request[3] {
            1 => std::net::Ipv4Addr::from(io.read_u32().await?).to_string(),
            4 => std::net::Ipv6Addr::from(io.read_u128().await?).to_string(),
            3 => {
                let mut name = vec![0; usize::from(io.read_u8().await?)];
                io.read_exact(&mut name).await?;
                String::from_utf8(name).unwrap()
            }
            other => panic!("no kind of address: {other}"),
        };
        self.note(format!("socks {host} {}", io.read_u16().await?));
        let reply = if request[3] == 1 { 0 } else { reply };
        io.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        if reply == 0 {
            self.be_peer(io).await;
        }
        Ok(())
    }
}

async fn says(mut io: Io, text: &[u8]) -> io::Result<()> {
    let mut request = [0; 4096];
    // A part of the request is enough to answer.
    let _ = io.read(&mut request).await?;
    io.write_all(text).await
}

impl Connector for World {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.note(format!("resolve {host}"));
        let addresses: &[&str] = match host {
            "proxy" => &["9.9.9.9"],
            "peer.example" => &["fd00::1", "10.0.0.1"],
            "six.example" => &["fd00::1", "fd00::2"],
            _ => &[],
        };
        let addresses = addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), port)).collect();
        Box::pin(async move { Ok(addresses) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Io>> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let world = self.clone();
        let is_proxy = address.ip().to_string() == "9.9.9.9";
        let asked = self.seen.lock().unwrap().iter().any(|what| what.starts_with("socks"));
        if is_proxy && self.goes && asked {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        }
        tokio::task::spawn(async move {
            let far: Io = Box::new(far);
            if is_proxy {
                world.be_proxy(far).await;
            } else {
                world.note(format!("direct {address}"));
                world.be_peer(far).await;
            }
        });
        Box::pin(async move { Ok(Box::new(near) as Io) })
    }
}

async fn dial_with(
    world: &World,
    url: &str,
    proxy: Choice,
    system: System,
    tls: tls::Settings,
) -> Result<Opened, Failure> {
    let request = Request::new(Target::parse(url).unwrap(), Vec::new(), [7; 16]).unwrap();
    let plan = Plan { request, timeout: TIMEOUT, tls, proxy };
    open(plan, &Environment { connector: Arc::new(world.clone()), system_proxy: system }).await
}

fn named(proxy: &str) -> Choice {
    Choice::Url(Secret::new(proxy.to_owned()))
}

async fn dial(world: &World, url: &str, proxy: &str) -> Result<Opened, Failure> {
    dial_with(world, url, named(proxy), System::default(), tls::Settings::default()).await
}

/// A dial that opens; what the network saw of it, in order.
async fn opens(proxy: Proxy, url: &str, by: &str, expected: &[&str]) {
    let world = World::new(proxy);
    let opened = dial(&world, url, by).await.unwrap_or_else(|failure| panic!("{by}: {failure}"));
    let stages: Vec<Stage> = opened.stages.iter().map(|report| report.stage).collect();
    assert!(stages.contains(&Stage::Proxy) && opened.stages.iter().all(|report| report.ok), "{stages:?}");
    assert_eq!(opened.address.to_string(), "9.9.9.9:3128");
    assert_eq!(*world.seen.lock().unwrap(), expected, "{by}");
    assert!(!format!("{opened:?}").contains("u:p"), "{opened:?}");
}

/// A dial that fails at the stage of the proxy: kind, the whole summary, and a part of the advice.
#[track_caller]
fn check(result: Result<Opened, Failure>, kind: FailureKind, summary: &str, advice: &str) {
    let failure = result.map(|opened| panic!("it opened: {opened:?}")).unwrap_err();
    assert_eq!(failure.summary, summary);
    assert_eq!((failure.kind, failure.status(), failure.retry_after()), (kind, None, None));
    assert!(failure.advice.contains(advice), "{}", failure.advice);
    let last = failure.stages.last().unwrap();
    assert_eq!((last.stage, last.ok), (Stage::Proxy, false));
    let shown = format!("{failure:?}{failure}{}", failure.advice);
    assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}'), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_resolved_by_whom_the_kind_of_proxy_says() {
    let http = Proxy::Http { wants_credentials: false };
    let socks = Proxy::Socks { wants_credentials: false, reply: 0 };
    let via = "resolve proxy";
    let connect = "CONNECT peer.example:80 HTTP/1.1";
    opens(http.clone(), "ws://peer.example/", "http://proxy:3128", &[via, connect]).await;
    opens(http.clone(), "ws://peer.example/", "proxy:3128", &[via, connect]).await;
    opens(http, "ws://[fd00::5]:81/", "http://proxy:3128", &[via, "CONNECT [fd00::5]:81 HTTP/1.1"]).await;
    let by_proxy = "socks peer.example 80";
    opens(socks.clone(), "ws://peer.example/", "socks5h://proxy:3128", &[via, by_proxy]).await;
    let here = ["resolve peer.example", via, "socks fd00::1 80"];
    opens(socks.clone(), "ws://peer.example/", "socks5://proxy:3128", &here).await;
    for scheme in ["socks5", "socks5h"] {
        let by = format!("{scheme}://9.9.9.9:3128");
        opens(socks.clone(), "ws://10.0.0.7:82/", &by, &["socks 10.0.0.7 82"]).await;
        opens(socks.clone(), "ws://[fd00::7]:83/", &by, &["socks fd00::7 83"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_given_where_they_are_wanted() {
    let http = Proxy::Http { wants_credentials: true };
    let socks = Proxy::Socks { wants_credentials: true, reply: 0 };
    let url = "ws://peer.example/";
    let asked = ["CONNECT peer.example:80 HTTP/1.1"];
    opens(http.clone(), url, "http://u:p@9.9.9.9:3128", &asked).await;
    opens(socks.clone(), url, "socks5h://u:p@9.9.9.9:3128", &["socks peer.example 80"]).await;
    let here = ["resolve peer.example", "socks fd00::1 80"];
    opens(socks.clone(), url, "socks5://u:p@9.9.9.9:3128", &here).await;
    // They may be given and not wanted.
    let free = Proxy::Socks { wants_credentials: false, reply: 0 };
    opens(free, url, "socks5h://u:p@9.9.9.9:3128", &["socks peer.example 80"]).await;

    let refused = FailureKind::ProxyCredentials;
    let of_http =
        "the proxy answered `HTTP/1.1 407 Proxy Authentication Required` to CONNECT peer.example:80";
    let world = World::new(http);
    check(
        dial(&world, url, "http://9.9.9.9").await,
        refused,
        of_http,
        "407: the proxy asks for Basic realm=\"gate\": put user name and password into the proxy's URL",
    );
    check(
        dial(&world, url, "http://u:hunter2@9.9.9.9").await,
        refused,
        of_http,
        "check user name and password of the proxy",
    );
    let failure = dial(&world, url, "http://9.9.9.9").await.unwrap_err();
    assert_eq!(failure.snippet().as_deref(), Some("nope"));
    let own = Choice::Server {
        url: Secret::new("http://u:hunter2@9.9.9.9".to_owned()),
        credentials: Credentials { user: "u".to_owned(), password: Secret::new("p".to_owned()) },
    };
    assert!(dial_with(&world, url, own, System::default(), tls::Settings::default()).await.is_ok());

    let world = World::new(socks);
    check(
        dial(&world, url, "socks5h://9.9.9.9").await,
        refused,
        "the SOCKS5 proxy asks for credentials, and none are set",
        "socks5://user:password@host:port",
    );
    check(
        dial(&world, url, "socks5h://u:hunter2@9.9.9.9").await,
        refused,
        "the SOCKS5 proxy does not accept this user name and password",
        "check user name and password",
    );
    check(
        dial(&world, url, &format!("socks5h://u:{}@9.9.9.9", "p".repeat(256))).await,
        refused,
        "user name and password for a SOCKS5 proxy must have 1 to 255 bytes each",
        "check user name and password",
    );
    check(
        dial(&World::new(Proxy::SocksOfAnotherKind), url, "socks5h://u:hunter2@9.9.9.9").await,
        refused,
        "the SOCKS5 proxy takes no user name and password",
        "GSSAPI",
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_proxy_says_what_it_refused() {
    let refused = FailureKind::ProxyRefused;
    for (reply, summary, advice) in [
        (1, "the SOCKS5 proxy cannot connect to peer.example:80: general socks server failure", "log"),
        (2, "the SOCKS5 proxy's rules forbid a connection to peer.example:80", "administrator"),
        (3, "the SOCKS5 proxy cannot connect to peer.example:80: network unreachable", "address and port"),
        (4, "the SOCKS5 proxy cannot connect to peer.example:80: host unreachable", "address and port"),
        (5, "the SOCKS5 proxy cannot connect to peer.example:80: connection refused", "address and port"),
        (8, "the SOCKS5 proxy does not take an address such as peer.example:80", "socks5h"),
    ] {
        let world = World::new(Proxy::Socks { wants_credentials: false, reply });
        check(dial(&world, "ws://peer.example/", "socks5h://9.9.9.9").await, refused, summary, advice);
    }
    let blocked: &[u8] = b"HTTP/1.1 403 Blocked\x1b[31m\r\nContent-Length: 6\r\n\r\npolicy";
    let world = World::new(Proxy::Says(blocked));
    let failure = dial(&world, "ws://peer.example/", "http://9.9.9.9").await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::ProxyRefused), "{failure}");
    let world = World::new(Proxy::Says(
        b"HTTP/1.1 502 Bad Gateway\r\nRetry-After: 9\r\nContent-Length: 4\r\n\r\ngone",
    ));
    check(
        dial(&world, "ws://peer.example/", "http://9.9.9.9").await,
        refused,
        "the proxy answered `HTTP/1.1 502 Bad Gateway` to CONNECT peer.example:80",
        "ask its administrator to allow peer.example:80",
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_that_the_proxy_does_not_reach_leaves_the_others() {
    let world = World::new(Proxy::Socks { wants_credentials: false, reply: 3 });
    assert!(dial(&world, "ws://peer.example/", "socks5://9.9.9.9").await.is_ok());
    let seen = world.seen.lock().unwrap().clone();
    assert_eq!(seen, ["resolve peer.example", "socks fd00::1 80", "socks 10.0.0.1 80"]);
    check(
        dial(&world, "ws://six.example/", "socks5://9.9.9.9").await,
        FailureKind::ProxyRefused,
        "the SOCKS5 proxy cannot connect to [fd00::2]:80: network unreachable",
        "address and port",
    );
    let mut gone = World::new(Proxy::Socks { wants_credentials: false, reply: 3 });
    gone.goes = true;
    check(
        dial(&gone, "ws://six.example/", "socks5://9.9.9.9").await,
        FailureKind::ProxyUnreachable,
        "the proxy socks5://9.9.9.9:1080 cannot be reached: 9.9.9.9:1080: connection refused",
        "check the proxy's address",
    );
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_none_is_told_apart() {
    let refused = FailureKind::ProxyRefused;
    let url = "ws://peer.example/";
    let (http, socks) = ("http://9.9.9.9", "socks5h://9.9.9.9");
    let of = |text: &'static [u8]| World::new(Proxy::Says(text));
    let ended = "the proxy ended the connection without an answer";
    check(dial(&of(b""), url, http).await, refused, ended, "HTTP proxy");
    let garbage =
        "the proxy's answer cannot be read: what came is no HTTP answer: it begins with `SSH-2.0-x`";
    check(dial(&of(b"SSH-2.0-x\r\n"), url, http).await, refused, garbage, "HTTP proxy");
    let tls = "the proxy answers with TLS";
    check(dial(&of(b"\x15\x03\x03\x00\x02\x02\x32"), url, http).await, refused, tls, "https://host:port");
    let smuggled = "the proxy sent bytes that do not belong to its answer";
    check(dial(&of(b"HTTP/1.1 200 OK\r\n\r\nx"), url, http).await, refused, smuggled, "HTTP proxy");

    let ended = "the SOCKS5 proxy ended the connection without an answer";
    check(dial(&of(b""), url, socks).await, refused, ended, "see its log");
    check(dial(&of(b"\x05"), url, socks).await, refused, ended, "see its log");
    let none = "what answers is no SOCKS5 proxy";
    check(
        dial(&of(b"HTTP/1.1 400 Bad Request\r\n\r\n"), url, socks).await,
        refused,
        none,
        "http://host:port",
    );

    for (text, by) in [(&b""[..], http), (b"HTTP/1.1 200 O", http), (b"", socks), (b"\x05\x00\x05", socks)] {
        let start = Instant::now();
        let kind = by.split_once("://").unwrap().0;
        let port = if kind == "http" { 80 } else { 1080 };
        check(
            dial(&World::new(Proxy::SaysAndStays(text)), url, by).await,
            FailureKind::Deadline,
            &format!("no answer within 5000 ms, while asking {kind}://9.9.9.9:{port} for peer.example:80"),
            "the proxy does not answer in time",
        );
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}

#[tokio::test(start_paused = true)]
async fn tls_goes_through_a_proxy_and_to_a_proxy() {
    let (ca, folder) = (Authority::new("Ours"), Folder::new());
    let settings = folder.trusting(&ca.pem());
    let tls_to = |proxy: Proxy, by: &'static str| {
        let mut world = World::new(proxy);
        world.peer = Some(ca.identity(&["peer.example"]).config());
        let settings = settings.clone();
        async move { dial_with(&world, "wss://peer.example/", named(by), System::default(), settings).await }
    };
    let https = Proxy::Https(ca.identity(&["proxy"]).config());
    for (proxy, by) in [
        (Proxy::Http { wants_credentials: true }, "http://u:p@proxy"),
        (Proxy::Socks { wants_credentials: true, reply: 0 }, "socks5h://u:p@proxy"),
        (https, "https://proxy"),
    ] {
        let opened = tls_to(proxy, by).await.unwrap_or_else(|failure| panic!("{by}: {failure}"));
        let stages: Vec<&str> = opened.stages.iter().map(|report| report.stage.name()).collect();
        assert_eq!(stages, ["name", "tcp", "proxy", "tls", "http", "negotiation"]);
        assert_eq!(opened.tls.unwrap().version, "TLSv1_3");
    }
    check(
        tls_to(Proxy::Https(ca.identity(&["other"]).config()), "https://proxy").await,
        FailureKind::Certificate,
        "TLS with the proxy: the peer's certificate is for other, not for proxy",
        "must be for the proxy's name",
    );
    // What is not checked is the peer; whoever says that it is the proxy gets the proxy's password.
    let mut world = World::new(Proxy::Https(Authority::new("Theirs").identity(&["proxy"]).config()));
    world.peer = Some(Authority::new("Device").identity(&["device"]).config());
    let unchecked = tls::Settings { verification: tls::Verification::None, ..settings.clone() };
    let by = named("https://u:p@proxy");
    check(
        dial_with(&world, "wss://peer.example/", by, System::default(), unchecked.clone()).await,
        FailureKind::Certificate,
        "TLS with the proxy: the peer's certificate is signed by an issuer that is not trusted",
        "must be for the proxy's name",
    );
    world.proxy = Proxy::Https(ca.identity(&["proxy"]).config());
    let by = named("https://u:p@proxy");
    assert!(dial_with(&world, "wss://peer.example/", by, System::default(), unchecked).await.is_ok());
    check(
        tls_to(Proxy::Http { wants_credentials: false }, "https://proxy").await,
        FailureKind::Deadline,
        "no answer within 5000 ms, while asking https://proxy:443 for peer.example:443",
        "the proxy does not answer in time",
    );
}

#[tokio::test(start_paused = true)]
async fn the_environment_decides_unless_it_is_bypassed() {
    let system = System::read(|name| match name {
        "http_proxy" => Some("http://9.9.9.9".to_owned()),
        "NO_PROXY" => Some("six.example, 10.0.0.0/8".to_owned()),
        _ => None,
    });
    let (via, direct) = ("CONNECT peer.example:80 HTTP/1.1", "direct [fd00::1]:80");
    for (url, choice, last) in [
        ("ws://peer.example/", Choice::System, via),
        ("ws://peer.example/", named(""), via),
        ("ws://peer.example/", Choice::Direct, direct),
        ("ws://peer.example/", named("none"), direct),
        ("ws://six.example/", Choice::System, direct),
        ("ws://10.4.5.6/", Choice::System, "direct 10.4.5.6:80"),
        ("ws://six.example/", named("9.9.9.9"), "CONNECT six.example:80 HTTP/1.1"),
    ] {
        let world = World::new(Proxy::Http { wants_credentials: false });
        let opened = dial_with(&world, url, choice.clone(), system.clone(), tls::Settings::default()).await;
        assert!(opened.is_ok(), "{url} {choice:?}: {opened:?}");
        let seen = world.seen.lock().unwrap();
        assert_eq!(seen.last().map(String::as_str), Some(last), "{url} {choice:?}");
    }
    let broken = System::read(|name| (name == "http_proxy").then(|| "ftp://u:hunter2@x".to_owned()));
    let world = World::new(Proxy::Http { wants_credentials: false });
    check(
        dial_with(&world, "ws://peer.example/", Choice::System, broken, tls::Settings::default()).await,
        FailureKind::ProxySetting,
        "a proxy of the kind `ftp` is not possible: only http, https, socks5 and socks5h are",
        "bs:Proxy",
    );
    assert!(world.seen.lock().unwrap().is_empty(), "nothing goes out where the setting cannot be used");
}
