//! One whole element against a peer that we did not write: it subscribes, takes values, moves, and comes back.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;

use backshell::value::Value;
use tokio::net::TcpSocket;

use super::bounded;
use super::peer::{Kind, Peer, or_skipped};
use crate::running::Element;

const WEBSOCKET_STATUS: i32 = 7;
const URL: i32 = 58;
const BOOLEAN: i32 = 40;
const NUMBER: i32 = 41;
const TEXT: i32 = 42;
const ENUMERATED: i32 = 43;

/// Starts the IS-07 definition that we ship with settings of its connection and of parameters.
pub(super) fn studio(connection: &str, params: &str) -> Element {
    studio_edited(connection, params, |definition| definition)
}

/// As [`studio`], with the text of the definition changed.
pub(super) fn studio_edited(connection: &str, params: &str, edit: impl FnOnce(String) -> String) -> Element {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let definition = "protocols/nmos-is07-events/protocol.xml";
    let text = edit(std::fs::read_to_string(folder.join(definition)).unwrap());
    let settings = format!(
        "[[element]]\nname = \"studio\"\nprotocol = \"{definition}\"\n\
         [element.connection.0]\n{connection}\n\
         reconnect = {{ initial_delay_ms = 50, max_delay_ms = 200 }}\n\
         [element.params]\n{params}\n"
    );
    Element::start(folder, text, settings)
}

#[tokio::test]
async fn an_element_subscribes_takes_values_moves_and_comes_back() {
    // Bound and never listening: keeps the port ours while no peer has it.
    let held = TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = held.local_addr().unwrap().port();
    let Some(peer) = or_skipped(Peer::start(Kind::Python, port, "first")) else { return };
    bounded(async {
        let element = studio(&format!("host = \"ws://127.0.0.1\"\nport = {port}"), "");
        let handle = &element.handle;

        element.reads(TEXT, "first /x-nmos/events/ws").await;
        element.reads(BOOLEAN, "true").await;
        element.reads(NUMBER, "21.5").await;
        element.reads(ENUMERATED, "b").await;
        element.reads(WEBSOCKET_STATUS, "1").await;
        let link = handle.fresh_status().await.connections[0].link.clone().unwrap();
        assert_eq!((link.state, link.counters.opened), ("ready", 1));
        assert!(link.extensions.is_some_and(|agreed| agreed.starts_with("permessage-deflate")));

        element.set(URL, Value::text("moved/events")).await;
        element.reads(TEXT, "first /moved/events").await;
        let link = handle.fresh_status().await.connections[0].link.clone().unwrap();
        assert_eq!((link.counters.opened, link.counters.dropped), (2, 0));

        drop(peer);
        element.reads(WEBSOCKET_STATUS, "0").await;
        let _second = Peer::start(Kind::Python, port, "second").unwrap();
        element.reads(TEXT, "second /moved/events").await;
        element.reads(WEBSOCKET_STATUS, "1").await;
        let link = handle.fresh_status().await.connections[0].link.clone().unwrap();
        assert_eq!((link.state, link.counters.dropped), ("ready", 1));

        element.end().await;
    })
    .await;
}
