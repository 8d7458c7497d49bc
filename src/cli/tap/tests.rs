//! What `tap` prints.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::api::tests::{fake, served};
use crate::cli::remote::tests::{arguments, control};
use crate::element::handle::{Payload, TapEvent, WireEvent};
use crate::language::model::message::MessageKind;

fn payload(bytes: &'static [u8]) -> Payload {
    Payload { size: bytes.len(), shown: Bytes::from_static(bytes), cut: false }
}

async fn tapped(words: &[&str]) -> String {
    let mut served = served().await;
    let mut out = Vec::new();
    let (control, arguments) = (control(served.port), arguments(words));
    let events = async {
        served.one.listeners.wait_for(|count| *count == 1).await.unwrap();
        for (missed, wire) in [
            (0, WireEvent::RequestLine("GET /a HTTP/1.1".into())),
            (0, WireEvent::RequestLine("Authorization: ***".into())),
            (0, WireEvent::RequestLine(String::new())),
            (0, WireEvent::ResponseLine("HTTP/1.1 101 Switching Protocols".into())),
            (0, WireEvent::State("connecting", "ready", String::new())),
            (0, WireEvent::Sent(MessageKind::Text, payload(b"{\"command\":\"health\"}"))),
            (7, WireEvent::Received(MessageKind::Binary, payload(b"\0\xff"), Some(3))),
            (0, WireEvent::Received(MessageKind::Text, payload(b"\x1b[31m"), None)),
            (0, WireEvent::Closed(1001, "bye".into(), "closed by the peer".into())),
            (0, WireEvent::Closed(1006, String::new(), "the connection ended".into())),
            (0, WireEvent::State("ready", "backoff", "the peer closed".into())),
            (0, WireEvent::Failed("connection refused".into())),
        ] {
            served
                .one
                .tap
                .send(TapEvent { at: fake::AT, connection: 0, epoch: 3, missed, wire })
                .await
                .unwrap();
        }
        // The element ends when it has passed on what is above.
        while served.one.tap.capacity() < served.one.tap.max_capacity() {
            tokio::task::yield_now().await;
        }
        served.one.driver.stop(Duration::ZERO).await;
    };
    let (ended, ()) = tokio::join!(follow(&control, &arguments, &mut out), events);
    ended.unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn the_wire_is_printed_as_lines() {
    let expected = "> GET /a HTTP/1.1\n\
         > Authorization: ***\n\
         < HTTP/1.1 101 Switching Protocols\n\
         - connecting -> ready\n\
         > text 20 bytes: {\"command\":\"health\"}\n\
         (7 events were too fast to show)\n\
         < binary 2 bytes [response 3]: base64:AP8=\n\
         < text 5 bytes: \\u{1b}[31m\n\
         x closed 1001 \"bye\": closed by the peer\n\
         x closed 1006: the connection ended\n\
         - ready -> backoff: the peer closed\n\
         ! connection refused\n";
    let expected: String =
        expected.lines().map(|line| format!("2026-07-01T00:00:00.000Z  0#3  {line}\n")).collect();
    assert_eq!(tapped(&["one"]).await, expected);
}

#[tokio::test]
async fn with_json_each_event_is_a_line() {
    let printed = tapped(&["one", "--json"]).await;
    assert_eq!(printed.lines().count(), 12);
    for line in printed.lines() {
        serde_json::from_str::<TapMessage>(line).unwrap();
    }
}
