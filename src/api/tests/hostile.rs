//! Clients that mean no good, or only little.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Answer, fake, get, parse, raw, served};
use crate::api::server::connection;
use crate::api::{BODY_TIMEOUT, HEAD_TIMEOUT, MAX_BODY_BYTES, ServeError, router, serve};

const PATH: &str = "/api/v1/elements/one/params/Level";

#[tokio::test]
async fn foreign_hosts_and_origins_reach_nothing() {
    let served = served().await;
    for headers in [
        "",
        "Host: evil.example\r\n",
        "Host: 127.0.0.1\r\nHost: evil.example\r\n",
        "Host: 127.0.0.1\r\nOrigin: http://evil.example\r\n",
        "Host: 127.0.0.1\r\nOrigin: null\r\n",
        "Host: 127.0.0.1:1\r\nOrigin: http://127.0.0.1:2\r\n",
    ] {
        for page in [PATH, "/healthz", "/nowhere", "/api/v1/stream", "/api/v1/elements/one/tap"] {
            let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
            for extra in ["Connection: close\r\n", upgrade] {
                let request = format!("GET {page} HTTP/1.0\r\n{headers}{extra}\r\n");
                let answer = raw(served.port, request.as_bytes()).await;
                assert_eq!(answer.status, 403, "{request}");
                assert!(!answer.head.contains("access-control"), "{}", answer.head);
            }
        }
    }
    let answer = raw(
        served.port,
        b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(answer.status, 403);
    let preflight = format!(
        "OPTIONS {PATH} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(raw(served.port, preflight.as_bytes()).await.status, 403);
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_changes_nothing() {
    let served = served().await;
    for content_type in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/jsonp\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
    ] {
        let request = format!(
            "PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{content_type}Content-Length: 11\r\n\r\n{{\"value\":1}}"
        );
        assert_eq!(raw(served.port, request.as_bytes()).await.status, 415, "{content_type}");
    }
    assert_eq!(get(served.port, PATH).await.json()["value"], -12.5);
    let request = format!(
        "PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: Application/JSON; charset=utf-8\r\nContent-Length: 11\r\n\r\n{{\"value\":1}}"
    );
    assert_eq!(raw(served.port, request.as_bytes()).await.status, 200);
}

async fn over_duplex(parts: &[(&[u8], Duration)]) -> Answer {
    let fake = fake::start("one");
    let (_roster, seen) = watch::channel(std::sync::Arc::new(fake::roster(&[("one", &fake)])));
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let talk = async {
        for (bytes, wait) in parts {
            if client.write_all(bytes).await.is_err() {
                break;
            }
            tokio::time::sleep(*wait).await;
        }
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        parse(&answer)
    };
    let (answer, ()) = tokio::join!(talk, connection(server, router(seen), CancellationToken::new()));
    answer
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_given_up() {
    let head = format!(
        "PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{{"
    );
    let started = tokio::time::Instant::now();
    let answer = over_duplex(&[(head.as_bytes(), Duration::ZERO)]).await;
    assert_eq!(answer.status, 408);
    assert!(started.elapsed() >= BODY_TIMEOUT && started.elapsed() < BODY_TIMEOUT + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn slow_heads_and_idle_connections_are_given_up() {
    for start in
        [b"".as_slice(), b"GET /healthz HTTP/1.1\r\nHo", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    {
        let started = tokio::time::Instant::now();
        over_duplex(&[(start, Duration::ZERO)]).await;
        let took = started.elapsed();
        assert!(took >= HEAD_TIMEOUT && took < HEAD_TIMEOUT + Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test]
async fn a_huge_body_is_refused_whether_it_is_announced_or_not() {
    let head = format!("PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    let announced = format!("{head}Content-Length: {}\r\n\r\n", MAX_BODY_BYTES + 1);
    assert_eq!(over_duplex(&[(announced.as_bytes(), Duration::ZERO)]).await.status, 413);
    let absurd = format!("{head}Content-Length: 9223372036854775807\r\n\r\n");
    assert_eq!(over_duplex(&[(absurd.as_bytes(), Duration::ZERO)]).await.status, 413);
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, " ".repeat(1 << 16));
    let mut parts = vec![(chunked.as_bytes(), Duration::ZERO)];
    parts.extend(std::iter::repeat_n((chunk.as_bytes(), Duration::ZERO), 17));
    assert_eq!(over_duplex(&parts).await.status, 413);
}

#[tokio::test]
async fn junk_is_refused_and_harms_nobody() {
    let served = served().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(500));
    for (request, status) in [
        (b"\0\0\0\0\0\0\0\0\r\n\r\n".as_slice(), 400),
        // The preface of HTTP/2, which is not spoken here: closed without an answer.
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /api/v1/elements/%FF HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400),
        (b"GET /api/v1/elements/one/params/%C3%28 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400),
        (b"GET /api/v1/elements/%ZZ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (b"GET /api/v1/elements/.. HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (many.as_bytes(), 431),
    ] {
        let answer = raw(served.port, request).await;
        assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&request[..request.len().min(80)]));
    }
    assert_eq!(over_duplex(&[(long.as_bytes(), Duration::ZERO)]).await.status, 431);
    assert_eq!(get(served.port, "/healthz").await.status, 200);
}

#[tokio::test]
async fn junk_behind_a_good_request_does_not_spoil_its_answer() {
    let served = served().await;
    let mut request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    request.extend([0, 159, 146, 150, b'\r', b'\n', b'\r', b'\n']);
    let answer = raw(served.port, &request).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("HTTP/1.1 400 Bad Request"), "{}", answer.body);
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (_roster, seen) = watch::channel(std::sync::Arc::default());
    let error = serve(listener, seen, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ServeError::NotLoopback(_)), "{error}");
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_ends() {
    let mut served = served().await;
    let mut idle = tokio::net::TcpStream::connect(("127.0.0.1", served.port)).await.unwrap();
    assert_eq!(get(served.port, "/healthz").await.status, 200);
    assert_eq!(served.server.stop(Duration::from_secs(10)).await, Vec::<String>::new());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", served.port)).await.is_err());
}
