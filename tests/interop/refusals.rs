//! Peers that do not give a link: what the failure says; answers of the libraries, and a raw server for what they cannot do.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::time::Duration;

use backshell::tasks::Tasks;
use backshell::transport::failure::{Failure, FailureKind, Stage};
use backshell::transport::handshake::accept_key;
use backshell::transport::wire::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{bounded, dial, open, plan, with_both};

/// What all failures have: the stages up to the one that failed, a line in `Display`, and advice.
fn check(failure: &Failure, kind: FailureKind, last: Stage) {
    assert_eq!(failure.kind, kind, "{failure}");
    let (failed, done) = failure.stages.split_last().unwrap();
    assert_eq!((failed.stage, failed.ok), (last, false), "{failure}");
    assert!(done.iter().all(|report| report.ok), "{failure}");
    assert!(done.iter().any(|report| report.stage == Stage::Tcp), "{failure}");
    assert!(!failure.advice.trim().is_empty() && !failure.advice.contains('\n'), "{failure}");
    assert!(!failure.to_string().contains('\n'));
}

#[tokio::test]
async fn refusals_are_told_with_status_body_and_advice() {
    with_both(|peer| async move {
        for (status, query, advice) in [
            (401, "&body=who%20are%20you&WWW-Authenticate=Basic%20realm%3D%22x%22", "Basic realm=\"x\""),
            (403, "&body=not%20you", "credentials"),
            (404, "&body=nothing%20here", "path"),
            (500, "&body=out%20of%20cheese", "log"),
            (503, "&body=later&Retry-After=120", "tried again"),
        ] {
            let url = peer.url(&format!("/status?code={status}{query}"));
            let failure = dial(plan(&url, &[])).await.unwrap_err();
            check(&failure, FailureKind::Refused, Stage::Http);
            assert_eq!(failure.status(), Some(status));
            let body = query.trim_start_matches("&body=").split('&').next().unwrap().replace("%20", " ");
            assert_eq!(failure.snippet(), Some(body), "{:?}", peer.kind);
            assert!(failure.advice.contains(advice), "{}", failure.advice);
            assert_eq!(failure.retry_after().is_some(), status == 503);
        }
    })
    .await;
}

#[tokio::test]
async fn redirects_are_followed_until_they_go_round() {
    with_both(|peer| async move {
        for status in [301, 302, 307, 308] {
            let url = peer.url(&format!("/status?code={status}&Location=/echo"));
            let mut client = open(&url, &[]).await;
            assert_eq!(client.opened.redirects, [peer.url("/echo")]);
            client.echo(Message::text("there")).await;
        }
        let failure = dial(plan(&peer.url("/loop"), &[])).await.unwrap_err();
        check(&failure, FailureKind::Redirect, Stage::Http);
        assert_eq!((failure.status(), failure.redirects.len()), (Some(301), 5));
    })
    .await;
}

/// What the raw server does after it has read a request, or without reading one.
#[derive(Clone, Copy, Debug)]
enum Raw {
    /// Answers with a text in which `{accept}` is filled in, and closes.
    Answer(&'static str),
    /// Reads and never answers.
    Silent,
    /// Resets the connection after it has read the request.
    Reset,
    /// Ends its direction after the request and goes on reading.
    HalfClose,
    /// Ends the connection at once.
    Drop,
}

async fn play(mut stream: TcpStream, raw: Raw) {
    if matches!(raw, Raw::Drop) {
        return;
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let mut rest = Vec::new();
    match raw {
        // What the client does meanwhile is its own business.
        Raw::Answer(text) => {
            drop(stream.write_all(text.replace("{accept}", &accept_key(key)).as_bytes()).await)
        }
        Raw::Silent => drop(stream.read_to_end(&mut rest).await),
        Raw::Reset => stream.set_zero_linger().unwrap(),
        Raw::HalfClose => {
            stream.shutdown().await.unwrap();
            drop(stream.read_to_end(&mut rest).await);
        }
        Raw::Drop => {}
    }
}

/// Dials a raw server with an offered subprotocol and gives the failure.
async fn against(raw: Raw, timeout: Duration) -> Failure {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/p", listener.local_addr().unwrap());
    let mut tasks = Tasks::new(&CancellationToken::new());
    tasks.spawn("raw server", |_| async move {
        // A client that follows a redirect comes more than once.
        while let Ok((stream, _)) = listener.accept().await {
            play(stream, raw).await;
        }
    });
    let mut plan = plan(&url, &[("Sec-WebSocket-Protocol", "offered")]);
    plan.timeout = timeout;
    dial(plan).await.map(|opened| panic!("{raw:?} gave a link: {opened:?}")).unwrap_err()
}

#[tokio::test]
async fn broken_peers_are_told_apart() {
    let upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let (long, short) = (Duration::from_secs(10), Duration::from_millis(300));
    bounded(async {
        for (raw, timeout, kind, stage) in [
            (Raw::Answer("SSH-2.0-OpenSSH_9.6\r\n"), long, FailureKind::NotHttp, Stage::Http),
            (Raw::Answer("\x00\x01\x02 no text \r\n\r\n"), long, FailureKind::NotHttp, Stage::Http),
            (Raw::Silent, short, FailureKind::Deadline, Stage::Http),
            (Raw::Reset, long, FailureKind::Broken, Stage::Http),
            (Raw::HalfClose, long, FailureKind::Closed, Stage::Http),
            (Raw::Answer("HTTP/1.1 101 Switch"), long, FailureKind::Closed, Stage::Http),
            (
                Raw::Answer("HTTP/1.1 302 Found\r\nLocation: /p\r\nContent-Length: 0\r\n\r\n"),
                long,
                FailureKind::Redirect,
                Stage::Http,
            ),
        ] {
            let failure = against(raw, timeout).await;
            check(&failure, kind, stage);
            let status = if kind == FailureKind::Redirect { Some(302) } else { None };
            assert_eq!(failure.status(), status, "{raw:?}");
        }
        let dropped = against(Raw::Drop, long).await;
        // With the request unread the system may say "reset" instead of "end".
        assert!(matches!(dropped.kind, FailureKind::Closed | FailureKind::Broken), "{dropped}");
        check(&dropped, dropped.kind, Stage::Http);
    })
    .await;
    bounded(async {
        let answer = |more: &str| -> &'static str { format!("{upgraded}{more}\r\n").leak() };
        let accept = "Sec-WebSocket-Accept: {accept}\r\n";
        for (more, kind, stage) in [
            (
                format!("{accept}Sec-WebSocket-Protocol: other\r\n"),
                FailureKind::Subprotocol,
                Stage::Negotiation,
            ),
            (
                format!("{accept}Sec-WebSocket-Extensions: permessage-deflate\r\n"),
                FailureKind::Extension,
                Stage::Negotiation,
            ),
            (
                "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n".to_owned(),
                FailureKind::Upgrade,
                Stage::Http,
            ),
        ] {
            let failure = against(Raw::Answer(answer(&more)), long).await;
            check(&failure, kind, stage);
            assert_eq!(failure.status(), Some(101));
        }
    })
    .await;
}
