//! Links through a proxy that we did not write: `pproxy`, with and without credentials, plain and with TLS inside.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backshell::transport::failure::{FailureKind, Stage};
use backshell::transport::proxy::Choice;
use backshell::transport::wire::Message;
use backshell::value::Secret;

use super::element::{studio, studio_edited};
use super::peer::{Kind, Peer, or_skipped, shared};
use super::secure::Authority;
use super::{bounded, bytes, dial, open_plan, plan};

fn by(text: String) -> Choice {
    Choice::Url(Secret::new(text))
}

/// The proxy; `guarded` wants `u:p`.
fn proxy(mode: &str) -> Option<Peer> {
    or_skipped(Peer::start(Kind::Proxy, 0, mode))
}

#[tokio::test]
async fn links_go_through_every_kind_of_proxy() {
    let (Some(open), Some(guarded)) = (proxy("open"), proxy("guarded")) else { return };
    let authority = Authority::new();
    let Some(secure) = authority.server(&authority.identity("localhost", 2090)) else { return };
    let Some(plain) = shared(Kind::Python) else { return };
    bounded(async {
        for scheme in ["http", "socks5", "socks5h"] {
            for (proxy, credentials) in [(&open, ""), (&open, "u:p@"), (&guarded, "u:p@")] {
                let proxy = format!("{scheme}://{credentials}127.0.0.1:{}", proxy.port);
                for url in [plain.url("/echo"), format!("wss://localhost:{}/echo", secure.port)] {
                    let mut plan = plan(&url, &[]);
                    plan.proxy = by(proxy.clone());
                    plan.tls = authority.trusted();
                    let mut client = open_plan(plan).await;
                    client.echo(Message::binary(bytes(400 << 10))).await;
                    assert!(
                        client.opened.stages.iter().any(|report| report.stage == Stage::Proxy && report.ok)
                    );
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn credentials_that_are_missing_or_wrong_are_a_failure_of_the_proxy() {
    let Some(guarded) = proxy("guarded") else { return };
    bounded(async {
        for (scheme, credentials, kind, summary) in [
            (
                "http",
                "",
                FailureKind::ProxyCredentials,
                "the proxy answered `HTTP/1.1 407 Proxy Authentication Required` to CONNECT peer.example:80",
            ),
            (
                "http",
                "u:hunter2@",
                FailureKind::ProxyCredentials,
                "the proxy answered `HTTP/1.1 407 Proxy Authentication Required` to CONNECT peer.example:80",
            ),
            // This proxy does not answer what it does not like, it hangs up.
            (
                "socks5h",
                "",
                FailureKind::ProxyRefused,
                "the SOCKS5 proxy ended the connection without an answer",
            ),
            (
                "socks5h",
                "u:hunter2@",
                FailureKind::ProxyRefused,
                "the SOCKS5 proxy ended the connection without an answer",
            ),
        ] {
            let mut plan = plan("ws://peer.example/", &[]);
            plan.proxy = by(format!("{scheme}://{credentials}127.0.0.1:{}", guarded.port));
            let failure = dial(plan).await.unwrap_err();
            assert_eq!((failure.kind, failure.summary.as_str()), (kind, summary));
            let last = failure.stages.last().unwrap();
            assert_eq!((last.stage, last.ok), (Stage::Proxy, false));
            assert!(failure.advice.contains("user name and password"), "{}", failure.advice);
            assert!(!format!("{failure:?}").contains("hunter2"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_the_proxy_does_not_reach_is_not_blamed_on_us() {
    let Some(open) = proxy("open") else { return };
    // Bound and not listening: refuses every connection while it lives.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    bounded(async {
        let mut plan = plan(&format!("ws://{}/", held.local_addr().unwrap()), &[]);
        plan.proxy = by(format!("http://127.0.0.1:{}", open.port));
        let failure = dial(plan).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.summary.as_str()),
            (FailureKind::ProxyRefused, "the proxy ended the connection without an answer")
        );
    })
    .await;
}

#[tokio::test]
async fn an_element_goes_through_the_proxy_of_its_settings_or_of_its_handshake() {
    let (Some(guarded), Some(peer)) = (proxy("guarded"), shared(Kind::Python)) else { return };
    bounded(async {
        let port = guarded.port;
        let plain = format!("host = \"ws://127.0.0.1\"\nport = {}", peer.port);
        let dead = "proxy = \"http://127.0.0.1:1\"";
        let by_settings = format!("{plain}\nproxy = \"socks5h://u:p@127.0.0.1:{port}\"");
        let by_session = format!(
            "<Session id=\"25\" proxyServer=\"127.0.0.1:{port}\" proxyUser=\"u\" proxyPassword=\"p\""
        );
        let edit = |session: &str| {
            let session = session.to_owned();
            move |definition: String| {
                assert!(definition.contains("<Session id=\"25\""));
                definition.replacen("<Session id=\"25\"", &session, 1)
            }
        };
        for (connection, session) in [
            (by_settings, "<Session id=\"25\""),
            // The session's goes first: through the other one nothing would open.
            (format!("{plain}\n{dead}"), by_session.as_str()),
        ] {
            let element = studio_edited(&connection, "", edit(session));
            let mut status = element.handle.watch_status();
            let status = status.wait_for(|status| {
                let link = status.connections[0].link.as_ref();
                link.is_some_and(|link| link.state == "ready" || link.last_failure.is_some())
            });
            let link = status.await.unwrap().connections[0].link.clone().unwrap();
            assert_eq!((link.state, link.last_failure), ("ready", None));
            element.end().await;
        }
        let element = studio(&format!("{plain}\n{dead}"), "");
        let mut status = element.handle.watch_status();
        let status = status.wait_for(|status| {
            status.connections[0].link.as_ref().is_some_and(|link| link.last_failure.is_some())
        });
        let failure = status.await.unwrap().connections[0].link.clone().unwrap().last_failure.unwrap();
        assert_eq!(
            failure.summary,
            "tcp: the proxy http://127.0.0.1:1 cannot be reached: 127.0.0.1:1: connection refused"
        );
        element.end().await;
    })
    .await;
}
