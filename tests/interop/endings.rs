//! Links that end badly, by the sockets of libraries that we did not write: silence, resets, half-closes, drops for ever.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::time::Duration;

use backshell::transport::wire::{KeepAlive, Message, Why};

use super::element::studio;
use super::peer::{Kind, shared};
use super::{bounded, bytes, open, open_watched, plan, with_both};

#[tokio::test]
async fn a_server_that_goes_silent_is_noticed_by_its_missing_pong() {
    with_both(|peer| async move {
        let pong_timeout = Duration::from_millis(200);
        let keep_alive =
            KeepAlive { ping_interval: Duration::from_millis(100), pong_timeout, silence: Duration::ZERO };
        let mut client = open_watched(plan(&peer.url("/silent"), &[]), keep_alive).await;
        // More than the system's buffers take: what waits to be sent must not keep the link alive.
        client.outbox.try_send(Message::binary(bytes(16 << 20))).unwrap();
        let closed = client.closed().await;
        assert_eq!(
            (closed.why.clone(), closed.code()),
            (Why::PongTimeout(pong_timeout), 1006),
            "{:?}",
            peer.kind
        );
    })
    .await;
}

#[tokio::test]
async fn a_server_that_says_nothing_of_use_is_noticed_by_its_silence() {
    with_both(|peer| async move {
        // Long enough for an echo of a server that is busy with other tests.
        let silence = Duration::from_secs(2);
        let keep_alive = KeepAlive {
            ping_interval: Duration::from_millis(50),
            pong_timeout: Duration::from_secs(10),
            silence,
        };
        let mut client = open_watched(plan(&peer.url("/echo"), &[]), keep_alive).await;
        client.echo(Message::text("once")).await;
        let closed = client.closed().await;
        assert_eq!(closed.why, Why::Silence(silence), "{:?}", peer.kind);
    })
    .await;
}

#[tokio::test]
async fn resets_drops_and_half_closes_end_a_link_at_once() {
    with_both(|peer| async move {
        for (path, whys) in [
            ("/reset", &[Why::Reset][..]),
            // A connection that is let go with something unread is a reset as well.
            ("/drop", &[Why::Eof, Why::Reset]),
            ("/half-close", &[Why::Eof]),
        ] {
            let closed = open(&peer.url(path), &[]).await.closed().await;
            assert!(whys.contains(&closed.why), "{path} of {:?}: {closed:?}", peer.kind);
            assert_eq!((closed.code(), closed.received), (1006, None), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_accepts_and_drops_for_ever_is_told_as_flapping_and_not_hammered() {
    let Some(peer) = shared(Kind::Python) else { return };
    bounded(async {
        let connection = format!("host = \"ws://127.0.0.1\"\nport = {}", peer.port);
        let element = studio(&connection, "WebsocketUrl = \"drop\"");
        let mut status = element.handle.watch_status();
        let status =
            status.wait_for(|status| status.connections[0].link.as_ref().is_some_and(|link| link.flapping));
        let status = status.await.unwrap().clone();
        let link = status.connections[0].link.as_ref().unwrap();
        assert!(link.counters.dropped >= 5 && link.counters.opened >= link.counters.dropped, "{link:?}");
        // An open link that has not settled does not make the failures before it undone.
        assert_eq!(u64::from(link.attempts), link.counters.dropped);
        let failure = link.last_failure.as_ref().unwrap();
        assert!(failure.summary.starts_with("first message: "), "{failure:?}");
        assert!(failure.advice.contains("lets the link go right after the handshake"), "{failure:?}");
        element.end().await;
    })
    .await;
}
