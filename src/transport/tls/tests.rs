//! Tests of TLS: whole dials over pipes to servers with certificates that are made here, good ones and bad ones.

mod clients;
mod files;
mod system;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::{Settings, Trust, Verification};
use crate::engine::target::Target;
use crate::engine::target::request::{Header, Provenance, Request};
use crate::transport::dial::{Connector, Environment, Io, Opened, Plan, open};
use crate::transport::failure::{Failure, FailureKind, Stage};
use crate::transport::handshake::accept_key;
use crate::transport::proxy;

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate of the present for names or addresses.
    pub(crate) fn identity(&self, names: &[&str]) -> Identity {
        self.dated(names, 2020, 2090)
    }

    /// A certificate from the first day of a year to the first day of another.
    fn dated(&self, names: &[&str], from: i32, until: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params(names, from, until).signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }
}

fn params(names: &[&str], from: i32, until: i32) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

/// A certificate that is signed by nobody but itself; one that says it is a CA is what `openssl req -x509` makes.
fn self_signed(names: &[&str], is_ca: IsCa) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = params(names, 2020, 2090);
    params.is_ca = is_ca;
    let certificate = params.self_signed(&key).unwrap();
    Identity { certificate: certificate.der().clone(), pem: certificate.pem(), key }
}

/// A certificate with its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

/// Which clients a server takes.
enum Clients<'a> {
    All,
    SignedBy(&'a Authority),
}

impl Identity {
    /// The settings of a server with it that takes any client.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        match self.server(Clients::All) {
            Peer::Tls(config) => config,
            Peer::Says(_) | Peer::TlsThenDrops(_) | Peer::Silent => unreachable!("a server is a TLS server"),
        }
    }

    /// A server with it.
    fn server(&self, clients: Clients<'_>) -> Peer {
        self.server_of(clients, &[&rustls::version::TLS13, &rustls::version::TLS12])
    }

    fn server_of(
        &self,
        clients: Clients<'_>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Peer {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = match clients {
            Clients::All => builder.with_no_client_auth(),
            Clients::SignedBy(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        Peer::Tls(Arc::new(builder.with_single_cert(vec![self.certificate.clone()], key).unwrap()))
    }
}

/// What answers at every address.
#[derive(Clone)]
enum Peer {
    /// A WebSocket server over TLS.
    Tls(Arc<ServerConfig>),
    /// Reads once and answers this, whatever came.
    Says(&'static [u8]),
    /// Ends the connection after the handshake, without an alert or a farewell.
    TlsThenDrops(Arc<ServerConfig>),
    /// Takes the connection and says nothing.
    Silent,
}

impl Connector for Peer {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        assert!(host.parse::<std::net::IpAddr>().is_err(), "an address is not resolved");
        Box::pin(async move { Ok(vec![SocketAddr::from(([10, 0, 0, 1], port))]) })
    }

    fn connect(&self, _address: SocketAddr) -> BoxFuture<'_, io::Result<Io>> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let peer = self.clone();
        tokio::task::spawn(async move {
            match peer {
                Peer::Tls(config) => {
                    if let Ok(stream) = TlsAcceptor::from(config).accept(far).await {
                        upgrade(stream).await;
                    }
                }
                Peer::Says(text) => {
                    let mut far = far;
                    let mut seen = [0; 4096];
                    let _ = far.read(&mut seen).await;
                    let _ = far.write_all(text).await;
                }
                Peer::TlsThenDrops(config) => drop(TlsAcceptor::from(config).accept(far).await),
                Peer::Silent => {
                    let _far = far;
                    std::future::pending::<()>().await;
                }
            }
        });
        Box::pin(async move { Ok(Box::new(near) as Io) })
    }
}

/// Answers an opening request and stays until the client goes.
pub(crate) async fn upgrade(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key)
    );
    // A client that has gone meanwhile is no business of the server.
    let _ = io.write_all(answer.as_bytes()).await;
    let _ = io.flush().await;
    let _ = io.read_to_end(&mut Vec::new()).await;
}

/// A folder with files of TLS settings.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Settings that trust one authority.
    pub(crate) fn trusting(&self, pem: &str) -> Settings {
        Settings { ca: Some(self.file("ca.pem", pem)), ..Settings::default() }
    }

    /// Settings that trust one authority and show a certificate with its key.
    fn showing(&self, ca: &str, certificate: &str, key: &str) -> Settings {
        Settings {
            certificate: Some(self.file("client.pem", certificate)),
            key: Some(self.file("client.key", key)),
            ..self.trusting(ca)
        }
    }
}

pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

async fn dial(peer: &Peer, url: &str, tls: &Settings) -> Result<Opened, Failure> {
    let headers = vec![Header::secret("Authorization", "Bearer s3cret", Provenance::Literal)];
    let plan = Plan {
        request: Request::new(Target::parse(url).unwrap(), headers, [7; 16]).unwrap(),
        timeout: TIMEOUT,
        tls: tls.clone(),
        proxy: proxy::Choice::Direct,
    };
    let environment =
        Environment { connector: Arc::new(peer.clone()), system_proxy: proxy::System::default() };
    open(plan, &environment).await
}

/// A dial that fails in the stage TLS: kind, the whole summary, and a part of the advice.
#[track_caller]
fn check(result: Result<Opened, Failure>, kind: FailureKind, summary: &str, advice: &str) {
    let failure = result.map(|opened| panic!("it opened: {opened:?}")).unwrap_err();
    assert_eq!(failure.summary, summary);
    assert_eq!(failure.kind, kind);
    assert!(failure.advice.contains(advice), "{}", failure.advice);
    assert!(!failure.advice.contains('\n') && !failure.summary.contains('\n'));
    let (last, before) = failure.stages.split_last().unwrap();
    assert_eq!((last.stage, last.ok), (Stage::Tls, false), "{failure:?}");
    assert!(before.iter().all(|report| report.ok && report.stage != Stage::Tls), "{failure:?}");
    assert!(!format!("{failure:?}{failure}").contains("s3cret"));
}

#[tokio::test(start_paused = true)]
async fn a_private_ca_opens_and_says_what_was_agreed() {
    let (ca, folder) = (Authority::new("Ours"), Folder::new());
    let server = ca.identity(&["device.example"]);
    let trusting = folder.trusting(&ca.pem());
    let opened = dial(&server.server(Clients::All), "wss://device.example/p", &trusting).await.unwrap();
    let stages: Vec<&str> = opened.stages.iter().map(|report| report.stage.name()).collect();
    assert_eq!(stages, ["name", "tcp", "tls", "http", "negotiation"]);
    let tls = opened.tls.unwrap();
    assert_eq!((tls.version.as_str(), tls.verification), ("TLSv1_3", Verification::Full));
    let expires = date_time_ymd(2090, 1, 1).unix_timestamp_nanos();
    assert_eq!(tls.expires.map(|wall| i128::from(wall.0)), Some(expires));
    let detail = &opened.stages[2].detail;
    assert!(
        detail.starts_with("TLSv1_3, ")
            && detail.ends_with("certificate valid until Sun, 01 Jan 2090 00:00:00 GMT"),
        "{detail}"
    );

    let old = server.server_of(Clients::All, &[&rustls::version::TLS12]);
    let opened = dial(&old, "wss://device.example/p", &folder.trusting(&ca.pem())).await.unwrap();
    assert_eq!(opened.tls.unwrap().version, "TLSv1_2");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_does_not_hold_is_told_in_its_own_words() {
    let (ca, other, folder) = (Authority::new("Ours"), Authority::new("Theirs"), Folder::new());
    let ours = folder.trusting(&ca.pem());
    let url = "wss://device.example/p";
    let certificate = FailureKind::Certificate;

    let server = Authority::new("Ours").identity(&["device.example"]).server(Clients::All);
    check(
        dial(&server, url, &ours).await,
        certificate,
        "the peer's certificate is signed by an issuer that only has the name of a trusted one",
        "set ca of the TLS settings to a file with its new certificate",
    );
    let server = other.identity(&["device.example"]).server(Clients::All);
    check(
        dial(&server, url, &ours).await,
        certificate,
        "the peer's certificate is signed by an issuer that is not trusted",
        "set ca of the TLS settings to a file with the issuer's certificate",
    );
    let server = ca.dated(&["device.example"], 2001, 2002).server(Clients::All);
    check(
        dial(&server, url, &ours).await,
        certificate,
        "the peer's certificate expired on Tue, 01 Jan 2002 00:00:00 GMT",
        "renew the peer's certificate",
    );
    let server = ca.dated(&["device.example"], 2080, 2090).server(Clients::All);
    check(
        dial(&server, url, &ours).await,
        certificate,
        "the peer's certificate is valid only from Mon, 01 Jan 2080 00:00:00 GMT",
        "clocks",
    );
    let server = ca.identity(&["a.example", "*.b.example", "10.1.2.3", "fd00::1"]).server(Clients::All);
    check(
        dial(&server, url, &ours).await,
        certificate,
        "the peer's certificate is for a.example, *.b.example, 10.1.2.3, fd00::1, not for device.example",
        "set serverName",
    );
    check(
        dial(&server, "wss://10.9.9.9/p", &ours).await,
        certificate,
        "the peer's certificate is for a.example, *.b.example, 10.1.2.3, fd00::1, not for 10.9.9.9",
        "set serverName",
    );
    let server = ca.identity(&[]).server(Clients::All);
    check(
        dial(&server, url, &ours).await,
        certificate,
        "the peer's certificate has no name that can be compared with device.example",
        "subjectAltName",
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_of_the_settings_an_address_and_a_wildcard_are_compared_too() {
    let (ca, folder) = (Authority::new("Ours"), Folder::new());
    let ours = folder.trusting(&ca.pem());
    let server = ca.identity(&["inside.example", "10.9.9.9", "fd00::7", "*.wild.example"]);
    let server = server.server(Clients::All);
    let named = |name: &str| Settings { server_name: Some(name.to_owned()), ..ours.clone() };
    for (url, settings) in [
        ("wss://10.9.9.9/p", ours.clone()),
        ("wss://[fd00::7]/p", ours.clone()),
        ("wss://one.wild.example:8443/p", ours.clone()),
        ("wss://INSIDE.example/p", ours.clone()),
        ("wss://10.0.0.5/p", named("inside.example")),
        ("wss://outside.example/p", named("10.9.9.9")),
    ] {
        let opened = dial(&server, url, &settings).await;
        assert!(opened.is_ok(), "{url}: {opened:?}");
    }
    check(
        dial(&server, "wss://a.b.wild.example/p", &ours).await,
        FailureKind::Certificate,
        "the peer's certificate is for inside.example, 10.9.9.9, fd00::7, *.wild.example, not for a.b.wild.example",
        "serverName",
    );
    check(
        dial(&server, "wss://inside.example/p", &named("not a name")).await,
        FailureKind::TlsSettings,
        "`not a name` is no name that a certificate can have",
        "TLS settings",
    );
}

#[tokio::test(start_paused = true)]
async fn a_self_signed_certificate_opens_where_it_is_listed_and_nowhere_else() {
    let (ca, folder) = (Authority::new("Ours"), Folder::new());
    let url = "wss://device.example/p";
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let says_ca = matches!(is_ca, IsCa::Ca(_));
        let own = self_signed(&["device.example"], is_ca);
        let server = own.server(Clients::All);
        let opened = dial(&server, url, &folder.trusting(&own.pem)).await;
        assert!(opened.is_ok(), "{opened:?}");
        let both = format!("{}{}", ca.pem(), own.pem);
        let server12 = own.server_of(Clients::All, &[&rustls::version::TLS12]);
        assert!(dial(&server12, url, &folder.trusting(&both)).await.is_ok());
        check(
            dial(&server, "wss://other.example/", &folder.trusting(&own.pem)).await,
            FailureKind::Certificate,
            "the peer's certificate is for device.example, not for other.example",
            "serverName",
        );
        let (summary, advice) = if says_ca {
            (
                "the peer's certificate is that of a CA or self-signed, and is not listed as trusted",
                "set ca of the TLS settings to a file with it",
            )
        } else {
            (
                "the peer's certificate is signed by an issuer that is not trusted",
                "for a self-signed one, with the certificate itself",
            )
        };
        check(
            dial(&server, url, &folder.trusting(&ca.pem())).await,
            FailureKind::Certificate,
            summary,
            advice,
        );
    }
    // One that its own name and key signed, but not the very one that is listed.
    let key = KeyPair::generate().unwrap();
    let made = |until| {
        let mut params = params(&["device.example"], 2020, until);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&key).unwrap()
    };
    let (listed, used, over) = (made(2090), made(2089), made(2021));
    let of = |certificate: &rcgen::Certificate| Identity {
        certificate: certificate.der().clone(),
        pem: certificate.pem(),
        key: KeyPair::from_pem(&key.serialize_pem()).unwrap(),
    };
    check(
        dial(&of(&used).server(Clients::All), url, &folder.trusting(&listed.pem())).await,
        FailureKind::Certificate,
        "the peer's certificate is that of a CA or self-signed, and is not listed as trusted",
        "set ca",
    );
    check(
        dial(&of(&over).server(Clients::All), url, &folder.trusting(&over.pem())).await,
        FailureKind::Certificate,
        "the peer's certificate expired on Fri, 01 Jan 2021 00:00:00 GMT",
        "renew",
    );
}

#[tokio::test(start_paused = true)]
async fn verify_false_opens_whatever_the_certificate_is_and_says_so() {
    let unchecked = Settings { verification: Verification::None, ..Settings::default() };
    let server = Authority::new("Theirs").dated(&["other.example"], 2001, 2002);
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let server = server.server_of(Clients::All, versions);
        let opened = dial(&server, "wss://device.example/", &unchecked).await.unwrap();
        let tls = opened.tls.unwrap();
        assert_eq!(tls.verification, Verification::None);
        assert!(tls.to_string().ends_with("certificate not checked (verify=\"false\")"), "{tls}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_wrong_scheme_is_told_in_one_line() {
    let (ca, folder) = (Authority::new("Ours"), Folder::new());
    let ours = folder.trusting(&ca.pem());
    check(
        dial(&Peer::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "wss://device.example/", &ours).await,
        FailureKind::Tls,
        "the peer answers, but not with TLS",
        "use ws instead of wss",
    );
    check(
        dial(&Peer::Says(b""), "wss://device.example/", &ours).await,
        FailureKind::Tls,
        "the peer ended the connection during the TLS handshake",
        "use ws instead of wss",
    );
    let start = tokio::time::Instant::now();
    check(
        dial(&Peer::Silent, "wss://device.example/", &ours).await,
        FailureKind::Deadline,
        "no answer within 5000 ms, while shaking hands with device.example",
        "use ws instead of wss",
    );
    assert_eq!(start.elapsed(), TIMEOUT);

    let server = ca.identity(&["device.example"]).server(Clients::All);
    let https = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    for (peer, kind) in [
        (server, FailureKind::NotHttp),
        (Peer::Says(b"\x15\x03\x01\x00\x02\x02\x46"), FailureKind::NotHttp),
        (Peer::Says(https), FailureKind::Refused),
    ] {
        let failure = dial(&peer, "ws://device.example/", &ours).await.unwrap_err();
        assert_eq!((failure.kind, failure.stages.last().unwrap().stage), (kind, Stage::Http), "{failure}");
        assert_eq!(failure.advice, "use wss instead of ws: the peer speaks TLS on this port");
    }
}

#[tokio::test(start_paused = true)]
async fn certificate_and_name_are_for_the_configured_peer_only() {
    // What is trusted goes along with a redirect to another origin; our certificate and the name do not.
    let settings = Settings {
        ca: Some(Path::new("/ca").to_owned()),
        certificate: Some(Path::new("/c").to_owned()),
        key: Some(Path::new("/k").to_owned()),
        server_name: Some("n".to_owned()),
        ..Settings::default()
    };
    let elsewhere = crate::transport::dial::elsewhere(&settings, false);
    assert_eq!(elsewhere, Settings { ca: settings.ca.clone(), ..Settings::default() });
    assert_eq!(crate::transport::dial::elsewhere(&settings, true), settings);
    // A proxy is always checked: what is not, is the peer.
    let unchecked = Settings { verification: Verification::None, ..settings.clone() };
    let proxy = Settings { ca: settings.ca, trust: Trust::CaAndSystem, ..Settings::default() };
    assert_eq!(unchecked.of_proxy(), proxy);
}

#[test]
fn names_are_shown_without_their_frame() {
    for (listed, shown) in [
        ("DnsName(\"a.example\")", "a.example"),
        ("IpAddress(10.1.2.3)", "10.1.2.3"),
        ("a\u{1b}[31m", "a\\u{1b}[31m"),
    ] {
        assert_eq!(super::words::shown_name(listed), shown);
    }
}
