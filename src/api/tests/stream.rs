//! The stream and the tap, over real WebSockets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{fake, get, raw, served};
use crate::api::MAX_SOCKETS;
use crate::api::wire::{StreamMessage, TapMessage, Value, WireEvent};
use crate::daemon::roster::Entry;
use crate::element::handle::{self, CHANGE_QUEUE, NewValue, TAP_SHOWN, TapEvent};
use crate::element::status::ElementState;
use crate::language::model::id::ParamIx;
use crate::language::model::message::MessageKind;
use crate::transport::control::{Channel, Control, ControlError};

const PATIENCE: Duration = Duration::from_secs(20);

fn control(port: u16) -> Control {
    Control::new(&format!("http://127.0.0.1:{port}")).unwrap()
}

async fn stream(port: u16, elements: &[&str]) -> Channel {
    let query: Vec<_> = elements.iter().map(|name| ("element", *name)).collect();
    control(port).open(&["api", "v1", "stream"], &query).await.unwrap()
}

async fn next(channel: &mut Channel) -> StreamMessage {
    let text = tokio::time::timeout(PATIENCE, channel.next()).await.expect("a message").unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The next messages until one fits.
async fn until(channel: &mut Channel, fits: impl Fn(&StreamMessage) -> bool) -> StreamMessage {
    loop {
        let message = next(channel).await;
        if fits(&message) {
            return message;
        }
    }
}

async fn set(fake: &fake::Fake, index: usize, value: impl Into<crate::value::Value>) {
    let param = ParamIx::new(index).unwrap();
    fake.handle.set(param, NewValue::Scalar(value.into()), PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_client_gets_state_and_snapshot_and_then_each_change() {
    let served = served().await;
    let mut channel = stream(served.port, &["one"]).await;
    assert!(
        matches!(next(&mut channel).await, StreamMessage::Status { status, .. } if status.state == "running")
    );
    let StreamMessage::Snapshot { element, seq, params } = next(&mut channel).await else {
        panic!("no snapshot")
    };
    assert_eq!((element.as_ref(), seq, params.len()), ("one", 0, 8));
    assert!(
        params.iter().any(|param| param.secret && param.value == Value::Empty && param.set == Some(true))
    );
    for expected in 1_u32..=3 {
        set(&served.one, 2, f64::from(expected)).await;
        let StreamMessage::Change { seq, at, param, .. } = next(&mut channel).await else {
            panic!("no change")
        };
        assert_eq!((seq, param.id, param.value), (expected.into(), 3, Value::Number(expected.into())));
        assert_eq!(at, "2026-07-01T00:00:00.000Z");
    }
    served.one.status.send_modify(|status| {
        Arc::make_mut(status).connections[0].link.as_mut().unwrap().state = "backoff";
    });
    let StreamMessage::Status { status, .. } = next(&mut channel).await else { panic!("no status") };
    assert_eq!(status.connections[0].state.as_deref(), Some("backoff"));
    channel.close().await;
}

#[tokio::test]
async fn a_secret_is_not_in_the_stream_when_it_changes() {
    let served = served().await;
    let mut channel = stream(served.port, &["one"]).await;
    set(&served.one, 4, "correct horse").await;
    set(&served.one, 2, 1.0).await;
    loop {
        let text = channel.next().await.unwrap();
        assert!(!text.contains("horse") && !text.contains("hunter2"), "{text}");
        if text.contains("\"change\"") && text.contains("\"id\":3") {
            break;
        }
    }
}

#[tokio::test]
async fn a_client_that_lags_gets_a_new_snapshot_instead_of_an_endless_queue() {
    let served = served().await;
    let mut channel = stream(served.port, &["one"]).await;
    until(&mut channel, |message| matches!(message, StreamMessage::Snapshot { .. })).await;
    // Large values fill the socket's buffers soon; many more changes than the element's queue holds follow.
    let large = "x".repeat(256 << 10);
    for round in 0..40 {
        set(&served.one, 9, format!("{round}{large}").as_str()).await;
    }
    let changes = CHANGE_QUEUE * 2;
    for round in 0..changes {
        set(&served.one, 2, round as f64).await;
    }
    let StreamMessage::Snapshot { seq, params, .. } =
        until(&mut channel, |message| matches!(message, StreamMessage::Snapshot { .. })).await
    else {
        panic!("no snapshot")
    };
    assert_eq!(seq, changes as u64 + 40);
    let level = params.iter().find(|param| param.id == 3).unwrap();
    assert_eq!(level.value, Value::Number((changes - 1) as f64));
    set(&served.one, 2, -1.0).await;
    assert!(matches!(next(&mut channel).await, StreamMessage::Change { seq: after, .. } if after == seq + 1));
}

#[tokio::test]
async fn without_a_name_all_elements_are_told_also_those_that_come_later() {
    let served = served().await;
    let mut channel = stream(served.port, &[]).await;
    until(&mut channel, |message| {
        matches!(message, StreamMessage::Status { element, status } if element.as_ref() == "broken" && status.state == "invalid")
    })
    .await;
    let two = fake::start("two");
    served.roster.send_modify(|roster| {
        Arc::make_mut(roster).elements.insert("two".into(), Entry::Running(two.handle.clone()));
    });
    until(
        &mut channel,
        |message| matches!(message, StreamMessage::Snapshot { element, .. } if element.as_ref() == "two"),
    )
    .await;
    served.roster.send_modify(|roster| drop(Arc::make_mut(roster).elements.remove("broken")));
    until(
        &mut channel,
        |message| matches!(message, StreamMessage::Removed { element } if element.as_ref() == "broken"),
    )
    .await;
}

#[tokio::test]
async fn an_element_that_restarts_is_followed_into_its_next_life() {
    let mut served = served().await;
    let mut channel = stream(served.port, &["one", "one"]).await;
    until(&mut channel, |message| matches!(message, StreamMessage::Snapshot { .. })).await;
    served.one.driver.stop(Duration::ZERO).await;
    let mut status = fake::status("one");
    status.state = ElementState::Restarting { reason: "it panicked".into(), at: fake::AT };
    served.roster.send_modify(|roster| {
        Arc::make_mut(roster).elements.insert("one".into(), Entry::Down(Arc::new(status)));
    });
    let StreamMessage::Status { status, .. } = next(&mut channel).await else { panic!("no status") };
    assert_eq!(
        (status.state.as_ref(), status.reason.as_deref(), status.restart_at.as_deref()),
        ("restarting", Some("it panicked"), Some("2026-07-01T00:00:00.000Z"))
    );
    let again = fake::start("one");
    served.roster.send_modify(|roster| {
        Arc::make_mut(roster).elements.insert("one".into(), Entry::Running(again.handle.clone()));
    });
    assert!(
        matches!(next(&mut channel).await, StreamMessage::Status { status, .. } if status.state == "running")
    );
    assert!(matches!(next(&mut channel).await, StreamMessage::Snapshot { .. }));
}

#[tokio::test]
async fn what_cannot_be_streamed_is_refused_with_a_problem() {
    let served = served().await;
    let control = control(served.port);
    for (path, query, status, detail) in [
        (
            vec!["api", "v1", "stream"],
            vec![("element", "onne")],
            404,
            "no element `onne`; did you mean `one`?",
        ),
        (
            vec!["api", "v1", "stream"],
            vec![("elements", "one")],
            400,
            "no option `elements`; there is `element`",
        ),
        (vec!["api", "v1", "elements", "two", "tap"], vec![], 404, "no element `two`"),
        (
            vec!["api", "v1", "elements", "broken", "tap"],
            vec![],
            503,
            "element `broken` is invalid: p.xml:3:1: `Pair` has no id",
        ),
    ] {
        match control.open(&path, &query).await {
            Err(ControlError::Refused { status: seen, detail: words }) => {
                assert_eq!((seen, words.as_str()), (status, detail));
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{path:?} was opened"),
        }
    }
    let plain = get(served.port, "/api/v1/stream").await;
    assert_eq!(
        (plain.status, plain.json()["detail"].as_str()),
        (426, Some("this is a WebSocket: the request needs `Upgrade: websocket` and `Connection: Upgrade`"))
    );
    assert!(plain.head.contains("upgrade: websocket"));
    let port = served.port;
    for (version, key, status) in
        [("12", "dGhlIHNhbXBsZSBub25jZQ==", 426), ("13", "c2hvcnQ=", 400), ("13", "?", 400)]
    {
        let request = format!(
            "GET /api/v1/stream HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(raw(port, request.as_bytes()).await.status, status, "{version} {key}");
    }
}

#[tokio::test]
async fn there_are_so_many_sockets_and_no_more() {
    let served = served().await;
    let mut open = Vec::new();
    for _ in 0..MAX_SOCKETS {
        open.push(stream(served.port, &["one"]).await);
    }
    let refused = control(served.port).open(&["api", "v1", "stream"], &[]).await;
    assert!(matches!(refused, Err(ControlError::Refused { status: 503, .. })));
    open.pop().unwrap().close().await;
    // The place is given back when the server has seen the end.
    let again = async {
        while control(served.port).open(&["api", "v1", "stream"], &[]).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn the_tap_shows_the_wire_as_it_happens() {
    let mut served = served().await;
    let path = ["api", "v1", "elements", "one", "tap"];
    let mut channel = control(served.port).open(&path, &[]).await.unwrap();
    let payload = |bytes: &'static [u8]| handle::Payload {
        size: bytes.len(),
        shown: Bytes::from_static(bytes),
        cut: false,
    };
    let event = |wire| TapEvent { at: fake::AT, connection: 0, epoch: 3, missed: 0, wire };
    for (wire, expected) in [
        (
            handle::WireEvent::RequestLine("GET /a HTTP/1.1".into()),
            r#"{"at":"2026-07-01T00:00:00.000Z","connection":0,"epoch":3,"event":"requestLine","line":"GET /a HTTP/1.1"}"#,
        ),
        (
            handle::WireEvent::Sent(MessageKind::Text, payload(b"hi")),
            r#"{"at":"2026-07-01T00:00:00.000Z","connection":0,"epoch":3,"event":"sent","kind":"text","size":2,"data":"hi"}"#,
        ),
        (
            handle::WireEvent::Received(MessageKind::Binary, payload(b"\0\xff"), Some(7)),
            r#"{"at":"2026-07-01T00:00:00.000Z","connection":0,"epoch":3,"event":"received","kind":"binary","size":2,"data":{"base64":"AP8="},"response":7}"#,
        ),
        (
            handle::WireEvent::State("ready", "backoff", "the peer closed".into()),
            r#"{"at":"2026-07-01T00:00:00.000Z","connection":0,"epoch":3,"event":"state","from":"ready","to":"backoff","why":"the peer closed"}"#,
        ),
        (
            handle::WireEvent::Closed(1001, "bye".into(), "the peer".into()),
            r#"{"at":"2026-07-01T00:00:00.000Z","connection":0,"epoch":3,"event":"closed","code":1001,"reason":"bye","by":"the peer"}"#,
        ),
    ] {
        served.one.tap.send(event(wire)).await.unwrap();
        assert_eq!(channel.next().await.unwrap(), expected);
    }
    let shown = Bytes::from("x".repeat(TAP_SHOWN));
    let long = handle::Payload { size: 70_000, shown, cut: true };
    served.one.tap.send(event(handle::WireEvent::Sent(MessageKind::Text, long))).await.unwrap();
    let message: TapMessage = serde_json::from_str(&channel.next().await.unwrap()).unwrap();
    let WireEvent::Sent(payload) = message.wire else { panic!("not sent") };
    assert_eq!(
        (payload.size, payload.cut, payload.data),
        (70_000, true, Value::Text("x".repeat(65_536).into()))
    );
    served.one.driver.stop(Duration::ZERO).await;
    let closed = channel.next().await.unwrap_err();
    assert_eq!(closed.to_string(), "the peer closed: 1000 \"the element has stopped\"");
}

#[tokio::test]
async fn stopping_tells_streams_and_taps() {
    let mut served = served().await;
    let mut streams = vec![stream(served.port, &[]).await, stream(served.port, &["one"]).await];
    streams.push(control(served.port).open(&["api", "v1", "elements", "one", "tap"], &[]).await.unwrap());
    let stop = served.server.stop(Duration::from_secs(20));
    let told = async {
        for channel in &mut streams {
            let closed = loop {
                if let Err(closed) = channel.next().await {
                    break closed;
                }
            };
            assert_eq!(closed.code(), 1001);
        }
    };
    let (late, ()) = tokio::join!(stop, told);
    assert_eq!(late, Vec::<String>::new());
}
