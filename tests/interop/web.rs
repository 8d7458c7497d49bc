//! Requests of HTTP sessions to `httpbin`, a web server that we did not write, and one whole element that polls it.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::sync::Arc;
use std::time::Duration;

use backshell::engine::session::requests::{After, Redirects};
use backshell::engine::target::exchange::{Content, HttpRequest, Part};
use backshell::engine::target::request::{Header, Provenance};
use backshell::engine::target::{Credentials, Target};
use backshell::transport::dial::Environment;
use backshell::transport::failure::FailureKind;
use backshell::transport::http::{Address, Answer, Fault, Http, Plan};
use backshell::transport::proxy::Choice;
use backshell::transport::tls;
use backshell::value::Secret;
use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::bounded;
use super::peer::{self, Kind, Peer, or_skipped};
use super::secure::Authority;

/// A request to be changed before it is sent.
pub(super) struct Ask {
    method: http::Method,
    headers: Vec<Header>,
    content: Content,
    login: Option<Credentials>,
    tls: tls::Settings,
    proxy: Choice,
    redirects: Redirects,
    timeout: Duration,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            method: http::Method::GET,
            headers: Vec::new(),
            content: Content::None,
            login: None,
            tls: tls::Settings::default(),
            proxy: Choice::Direct,
            redirects: Redirects::Follow,
            timeout: Duration::from_secs(10),
        }
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::new(name, value, Provenance::Literal)
}

fn bytes(text: &str) -> Secret<Bytes> {
    Secret::new(Bytes::copy_from_slice(text.as_bytes()))
}

impl Ask {
    pub(super) fn with(login: Option<Credentials>) -> Self {
        Self { login, ..Self::default() }
    }

    pub(super) async fn of(self, http: &Http, url: &str) -> Result<Answer, Fault> {
        let target = Target::parse(url).unwrap();
        let request = HttpRequest::new(self.method, target, self.headers, self.content, self.login).unwrap();
        let plan = Plan {
            address: Arc::new(Address::of(request.target())),
            request,
            timeout: self.timeout,
            tls: self.tls,
            proxy: self.proxy,
            max_bytes: 1 << 20,
            redirects: self.redirects,
            connection_after: After::Keep,
        };
        http.send(&plan, &Environment::of_process()).await
    }
}

fn body(answer: &Answer) -> Json {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{:?}", answer.body))
}

pub(super) fn url(peer: &Peer, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", peer.port)
}

#[tokio::test]
async fn what_is_sent_is_what_a_server_understands() {
    let Some(peer) = peer::shared(Kind::Web) else { return };
    bounded(async {
        let http = Http::default();
        let part = |name: &str, file: Option<&str>, content: &str| Part {
            name: name.to_owned(),
            file: file.map(str::to_owned),
            media_type: file.map(|_| "application/zip".to_owned()),
            content: bytes(content),
        };
        let form =
            Content::Form(vec![part("request", None, "{\"id\":1}"), part("payload", Some("a.zip"), "PK")]);
        for (method, headers, content, field, expected) in [
            (
                http::Method::POST,
                vec![header("Content-Type", "application/x-www-form-urlencoded")],
                Content::Bytes(bytes("a%20b=%C3%BC%26&c=1%202")),
                "form",
                json!({"a b": "\u{fc}&", "c": "1 2"}),
            ),
            (
                http::Method::PUT,
                vec![header("content-type", "application/json")],
                Content::Bytes(bytes("{\"x\": [1]}")),
                "json",
                json!({"x": [1]}),
            ),
            (http::Method::POST, Vec::new(), form.clone(), "form", json!({"request": "{\"id\":1}"})),
            (http::Method::POST, Vec::new(), form, "files", json!({"payload": "PK"})),
            (http::Method::PATCH, Vec::new(), Content::Bytes(bytes("text")), "data", json!("text")),
            (http::Method::DELETE, Vec::new(), Content::None, "args", json!({"q": "1 2"})),
        ] {
            let path = format!("/{}?q=1%202", method.as_str().to_ascii_lowercase());
            let ask = Ask { method, headers, content, ..Ask::default() };
            let answer = ask.of(&http, &url(&peer, &path)).await.unwrap();
            assert_eq!(body(&answer)[field], expected, "{path} {field}");
        }
        let answer = Ask { headers: vec![header("X-Api-Key", "k\u{e9}y")], ..Ask::default() };
        let answer = answer.of(&http, &url(&peer, "/headers")).await.unwrap();
        let seen = &body(&answer)["headers"];
        assert!(
            seen["X-Api-Key"].is_string() && seen["User-Agent"].as_str().unwrap().starts_with("backshell/")
        );
    })
    .await;
}

#[tokio::test]
async fn compressed_and_chunked_bodies_come_out_plain() {
    let Some(peer) = peer::shared(Kind::Web) else { return };
    bounded(async {
        let http = Http::default();
        for (path, field) in [("/gzip", "gzipped"), ("/deflate", "deflated"), ("/brotli", "brotli")] {
            let answer = Ask::default().of(&http, &url(&peer, path)).await.unwrap();
            assert_eq!(body(&answer)[field], json!(true), "{path}");
        }
        let answer = Ask::default().of(&http, &url(&peer, "/stream/20")).await.unwrap();
        assert_eq!(answer.body.iter().filter(|byte| **byte == b'\n').count(), 20);
        let answer = Ask::default().of(&http, &url(&peer, "/stream-bytes/70000?seed=1")).await.unwrap();
        assert_eq!(answer.body.len(), 70_000);
        let fault = Ask::default().of(&http, &url(&peer, "/stream-bytes/2000000")).await;
        // The server gives at most 100 KiB of them.
        assert!(fault.unwrap().body.len() <= 102_400);
    })
    .await;
}

#[tokio::test]
async fn credentials_are_given_as_the_server_asks_for_them() {
    let Some(peer) = peer::shared(Kind::Web) else { return };
    bounded(async {
        let http = Http::default();
        let login = |user: &str, password: &str| {
            Some(Credentials { user: user.to_owned(), password: Secret::new(password.to_owned()) })
        };
        let status = async |path: &str, login: Option<Credentials>| {
            let ask = Ask { login, headers: vec![header("Cookie", "fake=fake_value")], ..Ask::default() };
            ask.of(&http, &url(&peer, path)).await.unwrap().status
        };
        assert_eq!(status("/basic-auth/u/p", login("u", "p")).await, 200);
        assert_eq!(status("/basic-auth/u/p", login("u", "wrong")).await, 401);
        assert_eq!(status("/basic-auth/u/p", None).await, 401);
        for algorithm in ["MD5", "SHA-256"] {
            let path = format!("/digest-auth/auth/u/p/{algorithm}/never");
            assert_eq!(status(&path, login("u", "p")).await, 200, "{algorithm}");
            assert_eq!(status(&path, login("u", "wrong")).await, 401, "{algorithm}");
        }
        // A server that asked for Digest once asks for Basic elsewhere.
        assert_eq!(status("/basic-auth/u/p", login("u", "p")).await, 200);
    })
    .await;
}

#[tokio::test]
async fn redirects_statuses_and_slowness() {
    let Some(peer) = peer::shared(Kind::Web) else { return };
    bounded(async {
        let http = Http::default();
        let answer = Ask::default().of(&http, &url(&peer, "/redirect/3")).await.unwrap();
        assert_eq!((answer.status, answer.redirects.len()), (200, 3));
        let fault = Ask::default().of(&http, &url(&peer, "/redirect/9")).await.unwrap_err();
        assert_eq!(fault.failure.kind, FailureKind::Redirect);
        let left = Ask { redirects: Redirects::Leave, ..Ask::default() };
        assert_eq!(left.of(&http, &url(&peer, "/redirect/1")).await.unwrap().status, 302);
        for status in [204, 304, 404, 418, 429, 503] {
            let answer = Ask::default().of(&http, &url(&peer, &format!("/status/{status}"))).await.unwrap();
            assert_eq!(answer.status, status);
        }
        let slow = Ask { timeout: Duration::from_millis(100), ..Ask::default() };
        let fault = slow.of(&http, &url(&peer, "/delay/3")).await.unwrap_err();
        assert_eq!(fault.failure.kind, FailureKind::Deadline);
    })
    .await;
}

#[tokio::test]
async fn https_speaks_http2_shows_our_certificate_and_knows_the_peers() {
    let authority = Authority::new();
    let [certificate, key] = authority.identity("localhost", 2090);
    let files = [certificate, key, authority.ca()];
    let Some(peer) = or_skipped(Peer::start_with(Kind::Web, 0, "secure", &files)) else { return };
    bounded(async {
        let http = Http::default();
        let [certificate, key] = authority.identity("client", 2090);
        let ours = tls::Settings { certificate: Some(certificate), key: Some(key), ..authority.trusted() };
        let there = format!("https://localhost:{}/get", peer.port);
        let answer = Ask { tls: ours.clone(), ..Ask::default() }.of(&http, &there).await.unwrap();
        assert_eq!((answer.status, answer.status_line.as_str()), (200, "HTTP/2.0 200 OK"));
        // The name of the certificate is another one than the address.
        let named = tls::Settings { server_name: Some("localhost".to_owned()), ..ours };
        let by_address = format!("https://127.0.0.1:{}/get", peer.port);
        let answer = Ask { tls: named.clone(), ..Ask::default() }.of(&http, &by_address).await.unwrap();
        assert_eq!(answer.status_line, "HTTP/1.1 200", "the server gives no reason");
        assert_eq!(body(&answer)["headers"]["Host"], json!(format!("127.0.0.1:{}", peer.port)));

        let refused = async |settings: tls::Settings, url: &str| {
            let fault = Ask { tls: settings, ..Ask::default() }.of(&http, url).await.unwrap_err();
            (fault.failure.kind, fault.failure.to_string())
        };
        let (kind, words) = refused(tls::Settings::default(), &there).await;
        assert_eq!(kind, FailureKind::Certificate, "{words}");
        let (kind, words) = refused(tls::Settings { server_name: None, ..named }, &by_address).await;
        assert_eq!(kind, FailureKind::Certificate, "{words}");
        assert!(words.contains("localhost"), "{words}");
        let (kind, words) = refused(authority.trusted(), &there).await;
        // The server's TLS drops the connection before its alert has left, and may reset it.
        let kinds = [FailureKind::ClientCertificate, FailureKind::Closed, FailureKind::Broken];
        assert!(kinds.contains(&kind), "{words}");
    })
    .await;
}

#[tokio::test]
async fn requests_go_through_proxies_with_credentials() {
    let Some(web) = peer::shared(Kind::Web) else { return };
    let Some(proxy) = or_skipped(Peer::start(Kind::Proxy, 0, "guarded")) else { return };
    bounded(async {
        let http = Http::default();
        for scheme in ["http", "socks5", "socks5h"] {
            let through =
                |login: &str| Choice::Url(Secret::new(format!("{scheme}://{login}127.0.0.1:{}", proxy.port)));
            let good = Ask { proxy: through("u:p@"), ..Ask::default() };
            let answer = good
                .of(&http, &url(&web, "/get"))
                .await
                .unwrap_or_else(|fault| panic!("{scheme}: {}", fault.failure));
            assert_eq!(answer.status, 200, "{scheme}");
            let bad = Ask { proxy: through("u:wrong@"), timeout: Duration::from_secs(3), ..Ask::default() };
            let bad = bad.of(&http, &url(&web, "/get")).await;
            assert!(bad.map_or(true, |answer| answer.status != 200), "{scheme}");
        }
    })
    .await;
}
