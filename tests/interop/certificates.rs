//! HTTP elements and TLS, by `aiohttp` and `httpbin` on Python's own (OpenSSL): certificates, names, schemes, HTTP/2.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::PathBuf;

use super::asking::{Asking, DATA, PASSWORD, USER};
use super::bounded;
use super::peer::{Kind, Peer, or_skipped, shared};
use super::secure::Authority;

fn secure(kind: Kind, files: &[PathBuf]) -> Option<Peer> {
    or_skipped(Peer::start_with(kind, 0, "secure", files))
}

fn connection(peer: &Peer, tls: &str) -> String {
    format!("host = \"https://localhost\"\nport = {}\ntls = {{ {tls} }}", peer.port)
}

/// One request that must fail, and what it shows: summary and advice.
async fn check(connection: &str, summary: &str, advice: &str) {
    let mut asking = Asking::start(connection).await;
    let shown = asking.ask("get", "/hello").await;
    assert_eq!((shown.failure(), shown.advice()), (summary, advice));
    assert_eq!((shown.http.state, shown.line.as_str(), shown.http.requests), ("timeout", "", 1));
    assert!(shown.tapped(&format!("! {summary}")), "{:?}", shown.tap);
    asking.element.end().await;
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_reads_so() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ca = format!("ca = {:?}", ours.ca());
    for (files, summary, advice) in [
        (
            ours.identity("localhost", 2021),
            "tls: the peer's certificate expired on Fri, 01 Jan 2021 00:00:00 GMT",
            "renew the peer's certificate, or check the clock of this host",
        ),
        (
            ours.identity("camera-7.example", 2090),
            "tls: the peer's certificate is for camera-7.example, not for localhost",
            "set serverName of the TLS settings to a name of the certificate, or correct the address",
        ),
        (
            theirs.identity("localhost", 2090),
            "tls: the peer's certificate is signed by an issuer that is not trusted",
            "set ca of the TLS settings to a file with the issuer's certificate; for a self-signed one, with the certificate itself",
        ),
    ] {
        let Some(peer) = secure(Kind::Pages, &files) else { return };
        bounded(check(&connection(&peer, &ca), summary, advice)).await;
    }
    let missing = ours.ca().with_file_name("gone.pem");
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(check(
        &connection(&peer, &format!("ca = {missing:?}")),
        &format!("tls: cannot read the CA file `{}`: no such file or directory", missing.display()),
        "correct the files and names of the connection's TLS settings",
    ))
    .await;
}

#[tokio::test]
async fn a_wrong_scheme_reads_so() {
    let ours = Authority::new();
    let Some(plain) = shared(Kind::Pages) else { return };
    let Some(peer) = secure(Kind::Pages, &ours.identity("localhost", 2090)) else { return };
    bounded(async {
        let mut asking = Asking::start(&connection(&plain, &format!("ca = {:?}", ours.ca()))).await;
        let shown = asking.ask("get", "/hello").await;
        assert!(
            shown.advice().contains("use http instead of https"),
            "{}: {}",
            shown.failure(),
            shown.advice()
        );
        asking.element.end().await;
        // OpenSSL inside asyncio drops the connection without a word.
        let mut asking = Asking::of(&peer).await;
        let shown = asking.ask("get", "/hello").await;
        assert!(
            shown.advice().contains("use https if the peer expects TLS"),
            "{}: {}",
            shown.failure(),
            shown.advice()
        );
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_the_definition_says_so() {
    let authority = Authority::new();
    let [certificate, key] = authority.identity("localhost", 2090);
    let Some(peer) = secure(Kind::Pages, &[certificate, key, authority.ca()]) else { return };
    bounded(async {
        let [certificate, key] = authority.identity("client", 2090);
        let ca = format!("ca = {:?}", authority.ca());
        let shows = format!("{ca}, certificate = {certificate:?}, key = {key:?}");
        let login = |definition: String| {
            definition.replace("loginMethod=\"credentials\"", "loginMethod=\"certificate\"")
        };
        let mut asking = Asking::start_edited(&connection(&peer, &shows), login).await;
        for _ in 0..2 {
            let shown = asking.ask("get", "/hello?id=shown").await;
            assert_eq!(
                (shown.line.as_str(), shown.http.state),
                ("HTTP/1.1 200 OK", "ready"),
                "{}",
                shown.failure()
            );
        }
        asking.element.end().await;
        // Without one: OpenSSL ends the connection, in the handshake or right behind it.
        let mut asking = Asking::start_edited(&connection(&peer, &ca), login).await;
        let shown = asking.ask("get", "/hello?id=not-shown").await;
        assert_eq!(shown.http.state, "timeout");
        assert!(
            shown.advice().contains("certificate and key of the TLS settings"),
            "{}: {}",
            shown.failure(),
            shown.advice()
        );
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn requests_over_http2_are_as_those_over_http1() {
    let authority = Authority::new();
    let Some(peer) = secure(Kind::Web, &authority.identity("localhost", 2090)) else { return };
    bounded(async {
        let mut asking = Asking::start(&connection(&peer, &format!("ca = {:?}", authority.ca()))).await;
        asking.set(USER, "u").await;
        asking.set(PASSWORD, "p").await;
        asking.set(DATA, "\u{e4} posted").await;
        let shown = asking.ask("post", "/post?a=1").await;
        assert_eq!((shown.line.as_str(), shown.http.state), ("HTTP/2.0 200 OK", "ready"));
        let answer: serde_json::Value = serde_json::from_str(&shown.body).unwrap();
        assert_eq!(answer["data"], "\u{e4} posted");
        assert_eq!(answer["args"]["a"], "1");
        for path in [
            "/basic-auth/u/p",
            "/digest-auth/auth/u/p/MD5/never",
            "/digest-auth/auth/u/p/SHA-256/never",
            "/gzip",
            "/brotli",
        ] {
            let shown = asking.ask("get", path).await;
            assert_eq!((shown.line.as_str(), shown.http.state), ("HTTP/2.0 200 OK", "ready"), "{path}");
        }
        let shown = asking.ask("get", "/redirect/9").await;
        assert!(shown.failure().contains("after 5 redirects"), "{}", shown.failure());
        let shown = asking.ask("get", "/status/418").await;
        assert_eq!(shown.line, "HTTP/2.0 418 I'm a teapot");
        asking.element.end().await;
    })
    .await;
}
