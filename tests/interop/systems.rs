//! The definitions of Enonic XP and Pydio Cells against a server that behaves as they do, on a library that we did not write.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use backshell::element::handle::Readable;
use backshell::transport::http::Http;
use serde_json::{Value as Json, json};

use super::bounded;
use super::peer::{Kind, Peer, or_skipped};
use super::web::{Ask, url};
use crate::running::Element;

/// Starts a definition that we ship with all of its connections at the peer.
fn start(name: &str, peer: &Peer, user: &str, params: &str) -> Element {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols").join(name);
    let definition = std::fs::read_to_string(folder.join("protocol.xml")).unwrap();
    let mut settings = "[[element]]\nname = \"it\"\nprotocol = \"protocol.xml\"\n".to_owned();
    for (index, scheme) in ["http", "ws", "ws"].into_iter().enumerate() {
        writeln!(
            settings,
            "[element.connection.{index}]\nhost = \"{scheme}://127.0.0.1\"\nport = {}",
            peer.port
        )
        .unwrap();
        if scheme == "ws" {
            settings.push_str("reconnect = { initial_delay_ms = 20, max_delay_ms = 100 }\n");
        }
    }
    write!(settings, "[element.params]\n{user} = \"monitoring\"\nPassword = \"correct-horse\"\n{params}\n")
        .unwrap();
    Element::start(&folder, definition, settings)
}

/// Lets something happen inside of the system.
async fn happens(peer: &Peer, what: &str) {
    let answer = Ask::default().of(&Http::default(), &url(peer, &format!("/do/{what}"))).await.unwrap();
    assert_eq!(answer.status, 200, "{what}");
}

/// A text for `/do/...`.
fn hex(text: &str) -> String {
    text.bytes().fold("hex=".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// What the system has seen, of one kind.
async fn seen(peer: &Peer, what: &str) -> Vec<Json> {
    let answer = Ask::default().of(&Http::default(), &url(peer, "/seen")).await.unwrap();
    let all: Vec<Json> = serde_json::from_slice(&answer.body).unwrap();
    all.into_iter().filter(|one| one["what"] == what).collect()
}

/// A cell as text, by the key of its row and the place of its column from 0.
async fn cell(element: &Element, table: i32, key: &str, column: usize) -> Option<String> {
    let Readable::Table(rows) = element.handle.get(element.param(table)).await.unwrap().value else {
        panic!("{table} is no table")
    };
    let row = rows.iter().find(|(found, _)| &**found == key)?;
    Some(row.1[column].to_text().to_string())
}

/// Waits until a cell reads so.
async fn cell_is(element: &Element, table: i32, key: &str, column: usize, expected: &str) {
    while cell(element, table, key, column).await.as_deref() != Some(expected) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_service_and_the_hub_of_enonic_xp_in_one_http_session_after_the_other() {
    const SERVICE: i32 = 7;
    const TEXT: i32 = 30;
    const EVENT_TYPE: i32 = 31;
    const GRANTED: i32 = 43;
    const DENIED: i32 = 46;
    const HUB_ERROR: i32 = 50;
    const SERVICE_PATH: i32 = 63;
    const PUBLISH_TOPIC: i32 = 105;
    const SEND: i32 = 81;
    const PUBLISH: i32 = 82;
    const TOPICS: i32 = 2000;
    const NEWS: &str = "com.example.news:published";
    let Some(peer) = or_skipped(Peer::start(Kind::Systems, 0, "enonic")) else { return };
    bounded(async {
        let params = "ServicePath = \"/_/service/com.example.chat/chat?room=news\"\nSessionPath = \"/members\"\n\
                      Topic1 = \"com.example.news:published\"\nTopic2 = \"com.example.news:later\"\n\
                      PublishTopic = \"com.example.news:published\"";
        let element = start("enonic-xp", &peer, "User", params);
        element.reads(TEXT, "Welcome to our chat monitoring").await;
        element.reads(GRANTED, NEWS).await;
        element.reads(DENIED, "com.example.news:later").await;
        let link = element.until(1, |_| true).await.link.unwrap();
        assert!(link.extensions.is_some_and(|agreed| agreed.starts_with("permessage-deflate")));

        // What one says, all of the chat get, also the one.
        element.set(SEND, "gr\u{fc}\u{df}e \"all\"").await;
        element.reads(TEXT, "gr\u{fc}\u{df}e \"all\"").await;
        element.set(PUBLISH, r#"{"title": "new", "tags": [1]}"#).await;
        cell_is(&element, TOPICS, NEWS, 2, "42").await;
        cell_is(&element, TOPICS, NEWS, 5, r#"{"title": "new", "tags": [1]}"#).await;
        happens(&peer, "lose?count=3").await;
        cell_is(&element, TOPICS, NEWS, 6, "3").await;
        element.set(PUBLISH_TOPIC, "com.example.news:later").await;
        element.set(PUBLISH, "1").await;
        element.reads(HUB_ERROR, "notSubscribed").await;

        // Nothing of it is an event of the service or a frame of the hub; what follows is.
        happens(&peer, &format!("say?{}", hex("{\"type\":\"node.cr"))).await;
        happens(&peer, &format!("say?{}", hex(r#"{"type":"node.created","timestamp":1,"data":{}}"#))).await;
        element.reads(EVENT_TYPE, "node.created").await;
        element.until(2, |shown| shown.link.as_ref().is_some_and(|link| link.counters.unmatched == 2)).await;

        // Close code 1008: nobody chases it. The next dial finds out that the session has ended, and logs in.
        happens(&peer, "end-sessions").await;
        element.link_is(1, "rejected").await;
        element.link_is(2, "rejected").await;
        element.reads(SERVICE, "0").await;
        assert_eq!(seen(&peer, "login").await.len(), 1);
        element.set(SERVICE_PATH, "/_/service/com.example.chat/chat?room=news").await;
        element.link_is(1, "ready").await;
        element.reads(TEXT, "Welcome to our chat monitoring").await;

        let path = "/_/service/com.example.chat/chat?room=news";
        let deflate = "permessage-deflate; client_max_window_bits";
        let opened = |path: &str, session: &str, protocol: &str| {
            json!({"what": "opened", "path": path, "headers":
                {"Cookie": session, "Sec-WebSocket-Protocol": protocol, "Sec-WebSocket-Extensions": deflate}})
        };
        let all = seen(&peer, "opened").await;
        // On a slow machine the hub may be back as well.
        assert_eq!(all.iter().filter(|one| one["path"] == path).count(), 2, "{all:?}");
        for one in [
            opened(path, "JSESSIONID=node1.n0", "text"),
            opened("/api/admin:events", "JSESSIONID=node1.n0", "json"),
            opened(path, "JSESSIONID=node2.n0", "text"),
        ] {
            assert!(all.contains(&one), "{one} is not in {all:?}");
        }
        assert_eq!(seen(&peer, "login").await.len(), 2);
        let frames: Vec<Json> = seen(&peer, "frame").await.into_iter().map(|one| one["frame"].clone()).collect();
        let expected = [
            json!({"type": "subscribe", "topic": NEWS}),
            json!({"type": "subscribe", "topic": "com.example.news:later"}),
            json!({"type": "pub", "topic": NEWS, "data": {"title": "new", "tags": [1]}}),
            json!({"type": "pub", "topic": "com.example.news:later", "data": 1}),
        ];
        let sent: Vec<Json> = frames.into_iter().filter(|frame| frame["type"] != "ping").take(4).collect();
        assert_eq!(sent, expected);
        element.end().await;
    })
    .await;
}

#[tokio::test]
async fn events_and_a_room_of_pydio_cells_over_a_revoked_token() {
    const TOKEN_ANSWER: i32 = 22;
    const ROOM_OBJECT: i32 = 92;
    const ROOM: i32 = 45;
    const ROOM_STATE: i32 = 48;
    const EDIT_UUID: i32 = 107;
    const POST: i32 = 81;
    const EDIT: i32 = 82;
    const DELETE: i32 = 83;
    const NODES: i32 = 1000;
    const TASKS: i32 = 1100;
    const MEMBERS: i32 = 2000;
    const MESSAGES: i32 = 2100;
    let Some(peer) = or_skipped(Peer::start(Kind::Systems, 0, "pydio")) else { return };
    bounded(async {
        let element = start("pydio", &peer, "Login", "RoomObject = \"n1\"");
        element.reads(ROOM_STATE, "joined").await;
        element.reads(ROOM, "r1").await;
        cell_is(&element, MEMBERS, "al", 0, "al").await;
        while seen(&peer, "event socket").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let change = |event: &Json| format!("change?{}", hex(&event.to_string()));
        let node = json!({"Target": {"Uuid": "n1", "Path": "common/a.txt", "Type": "LEAF", "Size": "12",
            "MetaStore": {"EventWorkspaceId": "\"ws\""}}});
        happens(&peer, &change(&node)).await;
        cell_is(&element, NODES, "n1 \"ws\"", 1, "CREATE").await;
        let task = json!({"TaskUpdated": {"ID": "t1", "Status": "Running", "HasProgress": true, "Progress": 0.25}, "Job": {"Label": "Copy"}});
        happens(&peer, &change(&task)).await;
        cell_is(&element, TASKS, "t1", 5, "0.25").await;
        assert_eq!(cell(&element, TASKS, "t1", 2).await.as_deref(), Some("Copy"));
        assert_eq!(element.until(1, |_| true).await.link.unwrap().counters.unmatched, 0, "the noise is known");

        element.set(POST, "hello \"all\"").await;
        cell_is(&element, MESSAGES, "m1", 3, "hello \"all\"").await;
        element.set(EDIT_UUID, "m1").await;
        element.set(EDIT, "hello").await;
        cell_is(&element, MESSAGES, "m1", 3, "hello").await;
        assert_eq!(cell(&element, MESSAGES, "m1", 5).await.as_deref(), Some("1"));
        element.set(POST, "second").await;
        cell_is(&element, MESSAGES, "m2", 3, "second").await;
        element.set(DELETE, "m2").await;
        cell_is(&element, MESSAGES, "m2", 7, "1").await;

        // The token is revoked, the sockets drop: a new login, the room and what was said in it anew.
        happens(&peer, "revoke").await;
        element.until(2, |shown| shown.link.as_ref().is_some_and(|link| link.counters.opened == 2)).await;
        element.reads(ROOM_STATE, "joined").await;
        element.reads(TOKEN_ANSWER, "HTTP/1.1 200 OK").await;
        assert_eq!(seen(&peer, "login").await.len(), 2);

        // A text that no server sends: the element goes on.
        happens(&peer, &format!("say?{}", hex("{\"@type\":\"ROOM_UPD"))).await;
        element.set(ROOM_OBJECT, "n2").await;
        element.reads(ROOM, "r2").await;
        let ending = tokio::spawn(element.end());
        ending.await.unwrap();

        let chat: Vec<Json> = seen(&peer, "chat").await.into_iter().map(|one| one["message"].clone()).collect();
        let room = |object: &str| json!({"Type": "NODE", "RoomTypeObject": object});
        let leave = |object: &str, uuid: &str| json!({"@type": "LEAVE", "Room": {"Type": "NODE", "RoomTypeObject": object, "Uuid": uuid}});
        let page = json!({"Message": r#"{"Offset":0,"Limit":40}"#});
        let expected = [
            json!({"@type": "subscribe", "jwt": "jwt-1"}),
            json!({"@type": "JOIN", "Room": room("n1")}),
            json!({"@type": "HISTORY", "Room": room("n1"), "Message": page}),
            json!({"@type": "POST", "Message": {"RoomUuid": "r1", "Message": "hello \"all\""}}),
            json!({"@type": "POST", "Message": {"Uuid": "m1", "RoomUuid": "r1", "Message": "hello"}}),
            json!({"@type": "POST", "Message": {"RoomUuid": "r1", "Message": "second"}}),
            json!({"@type": "DELETE_MSG", "Message": {"Uuid": "m2", "RoomUuid": "r1", "Author": "monitoring"}}),
            json!({"@type": "subscribe", "jwt": "jwt-2"}),
            json!({"@type": "JOIN", "Room": room("n1")}),
            json!({"@type": "HISTORY", "Room": room("n1"), "Message": page}),
            leave("n1", "r1"),
            json!({"@type": "JOIN", "Room": room("n2")}),
            json!({"@type": "HISTORY", "Room": room("n2"), "Message": page}),
            leave("n2", "r2"),
            json!({"@type": "unsubscribe"}),
        ];
        assert_eq!(chat, expected, "{chat:#?}");
        let opened = seen(&peer, "opened").await;
        assert!(opened.iter().all(|one| one["headers"] == json!({})), "the token is in a message only: {opened:?}");
    })
    .await;
}

#[tokio::test]
async fn a_close_frame_of_pydio_cells_that_has_text_for_its_code_is_a_drop() {
    const LOOK_PATH: i32 = 65;
    const ROOM_STATE: i32 = 48;
    let Some(peer) = or_skipped(Peer::start(Kind::Systems, 0, "pydio")) else { return };
    bounded(async {
        // What is looked at before each dial does not tell that the token is refused: the socket does.
        let element = start("pydio", &peer, "Login", "RoomObject = \"n1\"\nLookPath = \"/seen\"");
        element.reads(ROOM_STATE, "joined").await;
        happens(&peer, "revoke").await;
        let dropped = |times: u64| {
            element
                .until(1, move |shown| shown.link.as_ref().is_some_and(|link| link.counters.dropped >= times))
        };
        dropped(3).await;
        element.reads(ROOM_STATE, "").await;
        assert_eq!(seen(&peer, "login").await.len(), 1);

        element.set(LOOK_PATH, "/a/user-meta/namespace").await;
        element.reads(ROOM_STATE, "joined").await;
        assert_eq!(seen(&peer, "login").await.len(), 2);
        element.end().await;
    })
    .await;
}
