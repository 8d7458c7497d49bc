//! Back-pressure, fragments, pings in the middle of messages, bounds, counts, the observer.

use std::sync::Mutex;

use super::*;
use crate::transport::deflate::codec::{Deflater, Place};

#[tokio::test(start_paused = true)]
async fn reading_stops_at_64_waiting_messages_and_goes_on_when_they_are_taken() {
    let mut rig = rig_on(256, |_| {});
    let flood = async {
        for index in 0..2000_u32 {
            rig.peer.send(0x82, &index.to_be_bytes()).await;
        }
    };
    // The pipe is small: the peer is held up while the inbox is full.
    assert!(tokio::time::timeout(Duration::from_secs(5), flood).await.is_err());
    let counts = rig.inbox.counts();
    assert_eq!((counts.messages_in, counts.pauses), (65, 1), "64 wait and one is held");
    assert!(counts.wire_bytes_in < 10_000, "{counts:?}");
    let mut events = Vec::new();
    assert_eq!(rig.inbox.recv_many(&mut events).await, 64);
    assert!(rig.inbox.recv_many(&mut events).await > 0);
    for (index, event) in (0_u32..).zip(&events) {
        assert_eq!(*event, Event::Message(Message::binary(index.to_be_bytes().to_vec())));
    }
    assert!(rig.inbox.counts().paused >= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn waiting_messages_are_bounded_in_bytes() {
    let mut rig = rig(|setup| setup.limits.max_message_bytes = 1000);
    for _ in 0..10 {
        rig.peer.send(0x82, &[0; 300]).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut events = Vec::new();
    assert_eq!(rig.inbox.try_recv_many(&mut events), 3);
    let mut count = 3;
    while count < 10 {
        count += rig.inbox.recv_many(&mut events).await;
    }
    // A message of the full size fits into an empty inbox.
    rig.peer.send(0x82, &[0; 1000]).await;
    assert_eq!(rig.message().await.data().len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn pings_before_the_message_that_stops_reading_are_answered() {
    let mut rig = rig(|setup| setup.limits.receive_queue = 1);
    rig.peer.send(0x81, b"1").await;
    rig.peer.send(0x89, b"a").await;
    rig.peer.send(0x81, b"2").await;
    rig.peer.send(0x89, b"b").await;
    assert_eq!(rig.peer.frame().await.unwrap(), (0x8a, b"a".to_vec()));
    // Behind the message that did not fit: answered once the element goes on.
    assert!(tokio::time::timeout(Duration::from_secs(5), rig.peer.frame()).await.is_err());
    rig.message().await;
    assert_eq!(rig.peer.frame().await.unwrap(), (0x8a, b"b".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_between_the_fragments_of_a_large_message() {
    for answer in [None, Some("permessage-deflate")] {
        let mut rig = rig_on(1024, |setup| setup.deflate = answer.and_then(deflate));
        let data = noise(1_000_000);
        rig.outbox.try_send(Message::binary(data.clone())).unwrap();
        let (first, mut whole) = rig.peer.frame().await.unwrap();
        assert_eq!((first, whole.len()), (0x02, 64 * 1024));
        rig.peer.send(0x89, b"now").await;
        let mut pong_at = None;
        for index in 1.. {
            let (first, payload) = rig.peer.frame().await.unwrap();
            if first == 0x8a {
                assert_eq!(payload, b"now");
                pong_at = Some(index);
                continue;
            }
            whole.extend(payload);
            if first == 0x80 {
                break;
            }
            assert_eq!(first, 0);
        }
        assert!(pong_at.is_some_and(|at| at <= 4), "{pong_at:?}");
        assert!(whole == data);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_while_a_large_message_arrives() {
    for deflated in [false, true] {
        let mut rig = rig(|setup| setup.deflate = deflate("permessage-deflate").filter(|_| deflated));
        let data = b"0123456789".repeat(100);
        let mut bytes = data.clone();
        let mut first = 0x02;
        if deflated {
            bytes = Deflater::new(15).unwrap().deflate_always(&data, Place::Last);
            first = 0x42;
        }
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        rig.peer.send(first, head).await;
        rig.peer.send(0x89, b"in between").await;
        assert_eq!(rig.peer.frame().await.unwrap(), (0x8a, b"in between".to_vec()));
        rig.peer.send(0x00, b"").await;
        rig.peer.send(0x80, tail).await;
        assert_eq!(rig.message().await.data().as_ref(), data);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_that_reads_no_pongs_stays_bounded() {
    let mut rig = rig(|_| {});
    for _ in 0..20_000 {
        rig.peer.send(0x89, &[7; 125]).await;
    }
    // The latest pong is what counts (RFC 6455, 5.5.3); the rest may be left out.
    let mut pongs = 0;
    while let Ok(Some((first, _))) = tokio::time::timeout(Duration::from_secs(1), rig.peer.frame()).await {
        assert_eq!(first, 0x8a);
        pongs += 1;
    }
    assert!(pongs > 100 && pongs < 4000, "{pongs}");
    rig.peer.send(0x81, b"x").await;
    rig.message().await;
}

#[tokio::test(start_paused = true)]
async fn the_outbox_is_bounded_and_gives_the_message_back() {
    let mut rig = rig_on(16, |setup| {
        setup.limits.send_queue = 3;
        setup.limits.max_message_bytes = 100_000;
    });
    let refused = rig.outbox.try_send(Message::binary(vec![0; 100_001]));
    assert!(matches!(refused, Err(SendError::TooBig { limit: 100_000, .. })));
    rig.outbox.try_send(Message::binary(noise(90_000))).unwrap();
    let refused = rig.outbox.try_send(Message::binary(noise(20_000))).unwrap_err();
    assert_eq!(refused.into_message().data().len(), 20_000);
    rig.outbox.try_send(Message::text("2")).unwrap();
    rig.outbox.try_send(Message::text("3")).unwrap();
    assert!(matches!(rig.outbox.try_send(Message::text("4")), Err(SendError::Full(_))));
    rig.outbox.room(1).await;
    rig.outbox.try_send(Message::text("4")).unwrap();
    let mut texts = Vec::new();
    while texts.len() < 3 {
        let (first, payload) = rig.peer.frame().await.unwrap();
        if first == 0x81 {
            texts.push(payload);
        }
    }
    assert_eq!(texts, [b"2", b"3", b"4"]);
    assert_eq!(rig.outbox.waiting(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_while_writing_is_stuck() {
    let mut rig = rig_on(1000, |_| {});
    rig.outbox.try_send(Message::binary(noise(500_000))).unwrap();
    rig.peer.io.read_exact(&mut [0; 10]).await.unwrap();
    for _ in 0..1000 {
        rig.peer.send(0x82, &[1; 100]).await;
        rig.message().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_with_the_handshake_is_read_first() {
    let mut rig = rig(|setup| setup.leftover = Bytes::from_static(&[0x81, 2, b'h', b'i', 0x81, 2, b'y']));
    assert_eq!(rig.message().await, Message::text("hi"));
    rig.peer.io.write_all(b"o").await.unwrap();
    assert_eq!(rig.message().await, Message::text("yo"));
}

#[tokio::test(start_paused = true)]
async fn small_and_incompressible_messages_go_out_as_they_are() {
    let mut rig = rig(|setup| setup.deflate = deflate("permessage-deflate"));
    let json = "{\"value\":1}".repeat(100);
    for (message, first) in [
        (Message::text(""), 0x81),
        (Message::text("short"), 0x81),
        (Message::text(json.as_str()), 0xc1),
        (Message::binary(noise(1000)), 0x82),
        (Message::text(json.as_str()), 0xc1),
    ] {
        rig.outbox.try_send(message.clone()).unwrap();
        let (found, payload) = rig.peer.frame().await.unwrap();
        assert_eq!(found, first, "{message:?}");
        assert_eq!(payload == *message.data(), first & 0x40 == 0);
    }
}

#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Tap for Recorder {
    fn is_on(&self) -> bool {
        true
    }

    fn fact(&self, fact: Fact) {
        self.0.lock().unwrap().push(format!("{fact:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_what_crosses_the_wire() {
    let recorder = Arc::new(Recorder::default());
    let mut rig = rig(|setup| setup.tap = Some(recorder.clone()));
    rig.outbox.try_send(Message::text("out")).unwrap();
    rig.peer.frame().await.unwrap();
    rig.peer.send(0x82, b"in").await;
    rig.peer.send(0x89, b"p").await;
    rig.peer.send(0x88, b"").await;
    rig.closed().await;
    assert_eq!(
        *recorder.0.lock().unwrap(),
        [
            "Sent(Message(Text, 3 bytes))",
            "Received(Message(Binary, 2 bytes))",
            "PingReceived(b\"p\")",
            "CloseReceived(CloseFrame { code: None, reason: \"\" })",
            "CloseSent(CloseFrame { code: None, reason: \"\" })",
        ]
    );
    let counts = rig.inbox.counts();
    assert_eq!((counts.messages_in, counts.messages_out, counts.bytes_in, counts.bytes_out), (1, 1, 2, 3));
    assert_eq!(counts.wire_bytes_in, 4 + 3 + 2);
}
