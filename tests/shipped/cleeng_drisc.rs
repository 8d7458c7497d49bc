//! `protocols/cleeng-drisc`: the session's answer is the address; expiry, takeover both ways, refusals, and the end.

use backshell::element::handle::Readable;
use serde_json::json;

use super::bounded;
use crate::running::Element;
use crate::web::{Asked, Peer, Socket};

const SOCKET: i32 = 7;
const SERVICE: i32 = 22;
const OTHER_NAME: i32 = 25;
const ACTIVE_SESSIONS: i32 = 1000;
const SLOT: i32 = 30;
const TAKEN_BY: i32 = 31;
const START: i32 = 70;
const FINISH: i32 = 71;
const TAKE_OVER: i32 = 72;

fn start(peer: &Peer) -> Element {
    start_with(peer, &[])
}

/// The same with further changes of the settings.
fn start_with(peer: &Peer, changes: &[(&str, &str)]) -> Element {
    let port = format!(
        "port = {}\n[element.connection.1]\nreconnect = {{ initial_delay_ms = 20, max_delay_ms = 100 }}",
        peer.port
    );
    let own = [
        ("https://drisc.cleeng.com", "http://127.0.0.1"),
        ("port = 443", &*port),
        ("{ file = \"viewer-42.authorization\" }", "\"Bearer viewer.jwt\""),
    ];
    super::start("cleeng-drisc", &[], &[&own[..], changes].concat())
}

fn endpoint(peer: &Peer, token: &str) -> String {
    json!({"endpoint": format!("ws://127.0.0.1:{}/live?token={token}", peer.port)}).to_string()
}

async fn session(peer: &mut Peer) -> Asked {
    let asked = peer.asked_for("POST", "/sessions").await;
    assert_eq!(asked.header("authorization"), "Bearer viewer.jwt");
    assert_eq!(asked.json(), json!({"sessionName": "Living room", "offerId": "S000000001_XY"}));
    asked
}

/// Opens the socket of a session and takes the request for the slot.
async fn socket(peer: &mut Peer, token: &str) -> Socket {
    let mut socket = peer.asked_for("GET", &format!("/live?token={token}")).await.open(&[]).await;
    assert_eq!(socket.json().await, json!({"action": "REQUESTED"}));
    socket
}

/// A session that is granted, up to the slot.
async fn granted(peer: &mut Peer, element: &Element, token: &str) -> Socket {
    let body = endpoint(peer, token);
    session(peer).await.answer(200, &body);
    let mut socket = socket(peer, token).await;
    socket.send(r#"{"action":"OK"}"#);
    element.reads(SLOT, "OK").await;
    socket
}

#[tokio::test]
async fn a_session_runs_before_each_dial_and_pings_are_answered() {
    bounded(async {
        let mut peer = Peer::start().await;
        let element = start(&peer);
        let mut first = granted(&mut peer, &element, "a").await;
        for _ in 0..3 {
            first.send(r#"{"action":"PING"}"#);
            assert_eq!(first.json().await, json!({"action": "PONG"}));
        }

        // A drop: the next session may fail as it likes, the one after it counts.
        drop(first);
        element.reads(SOCKET, "0").await;
        session(&mut peer).await.answer(401, r#"{"message":"jwt expired"}"#);
        session(&mut peer).await.answer(200, "no json at all");
        let mut second = granted(&mut peer, &element, "b").await;

        // The session is gone: a new one, and a new socket.
        second.send(r#"{"action":"EXPIRED"}"#);
        let mut third = granted(&mut peer, &element, "c").await;

        let ending = tokio::spawn(element.end());
        assert_eq!(third.json().await, json!({"action": "FINISHED"}), "the slot is free at once");
        third.closed().await;
        ending.await.unwrap();
        assert!(!peer.is_asked());
    })
    .await;
}

#[tokio::test]
async fn a_slot_that_another_takes_is_let_go_until_somebody_starts_anew() {
    bounded(async {
        let mut peer = Peer::start().await;
        let element = start(&peer);
        let mut socket = granted(&mut peer, &element, "a").await;
        socket.send(r#"{"action":"TAKE_OVER","sessionName":"Kitchen"}"#);
        socket.closed().await;
        element.link_is(1, "closed").await;
        element.reads(TAKEN_BY, "Kitchen").await;
        element.reads(SLOT, "TAKE_OVER").await;
        assert!(!peer.is_asked());

        element.set(START, 1.0).await;
        let mut socket = granted(&mut peer, &element, "b").await;
        element.reads(TAKEN_BY, "").await;
        element.set(FINISH, 1.0).await;
        assert_eq!(socket.json().await, json!({"action": "FINISHED"}));
        socket.closed().await;
        element.link_is(1, "closed").await;

        // Closed in good order without a word: `stopOn`.
        element.set(START, 1.0).await;
        let mut socket = granted(&mut peer, &element, "c").await;
        socket.close(1000, "taken over");
        element.link_is(1, "rejected").await;
        let link = element.handle.fresh_status().await.connections[1].link.clone().unwrap();
        assert_eq!(
            link.last_close.as_ref().map(|close| (close.code, &*close.reason)),
            Some((1000, "taken over"))
        );
        assert!(!peer.is_asked());
        element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_session_says_who_has_the_slot_which_can_then_be_taken_over() {
    bounded(async {
        let mut peer = Peer::start().await;
        let element = start(&peer);
        let full = json!({"details": {"takeOverEnabled": true, "activeSessions": [{"sessionId": "s-9", "name": "Kitchen"}, {"sessionId": "s-8", "name": "Hall"}]}});
        session(&mut peer).await.answer(403, &full.to_string());
        element.reads(OTHER_NAME, "Kitchen").await;
        let Readable::Table(rows) = element.handle.get(element.param(ACTIVE_SESSIONS)).await.unwrap().value else {
            panic!("a table")
        };
        let keys: Vec<_> = rows.iter().map(|(key, _)| key.to_string()).collect();
        assert_eq!(keys, ["s-9", "s-8"]);
        element.link_is(1, "closed").await;

        element.set(TAKE_OVER, 1.0).await;
        let asked = peer.asked_for("POST", "/takeover").await;
        let expected = json!({"sessionName": "Living room", "offerId": "S000000001_XY", "sessionId": "s-9"});
        assert_eq!(asked.json(), expected);
        let body = endpoint(&peer, "t");
        asked.answer(200, &body);
        // The answer has the address: no other session is asked for.
        let mut taken = socket(&mut peer, "t").await;
        taken.send(r#"{"action":"OK"}"#);
        element.reads(SLOT, "OK").await;
        drop(taken);
        let mut socket = granted(&mut peer, &element, "u").await;
        socket.send(r#"{"action":"TERMINATE"}"#);
        element.link_is(1, "closed").await;

        element.set(START, 1.0).await;
        session(&mut peer).await.answer(200, r#"{"status":"disabled","message":"Session tracking disabled."}"#);
        element.reads(SERVICE, "disabled").await;
        element.link_is(1, "closed").await;
        assert!(!peer.is_asked());
        element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_tag_goes_in_place_of_an_offer_also_in_a_takeover() {
    bounded(async {
        let mut peer = Peer::start().await;
        let element = start_with(&peer, &[("OfferId = \"S000000001_XY\"", "Tag = \"sports \\\"live\\\"\"")]);
        let tag = "sports \"live\"";
        let full = json!({"details": {"takeOverEnabled": true, "activeSessions": [{"sessionId": "s-9", "name": "Kitchen"}]}});
        let asked = peer.asked_for("POST", "/sessions").await;
        assert_eq!(asked.json(), json!({"sessionName": "Living room", "tag": tag}));
        asked.answer(403, &full.to_string());
        element.reads(OTHER_NAME, "Kitchen").await;

        element.set(TAKE_OVER, 1.0).await;
        let asked = peer.asked_for("POST", "/takeover").await;
        assert_eq!(asked.json(), json!({"sessionName": "Living room", "tag": tag, "sessionId": "s-9"}));
        let body = endpoint(&peer, "t");
        asked.answer(200, &body);
        let mut taken = socket(&mut peer, "t").await;
        taken.send(r#"{"action":"OK"}"#);
        element.reads(SLOT, "OK").await;
        element.end().await;
    })
    .await;
}
