//! What an element shows: changes without gaps, the wire, and never a secret.

use super::*;
use crate::element::handle::{CHANGE_QUEUE, TAP_QUEUE, WireEvent};

#[tokio::test(start_paused = true)]
async fn a_subscriber_gets_a_snapshot_and_then_every_change_without_a_gap() {
    let (rig, mut peer) = Rig::open("").await;
    peer.value("before");
    rig.until_text(41, "before").await;
    let mut changes = rig.handle.subscribe().await.expect("it runs");
    let value = rig.ix(41);
    let in_snapshot = changes.snapshot.readings.iter().find(|reading| reading.param == value);
    assert_eq!(in_snapshot.map(|reading| &reading.value), Some(&Readable::Scalar(Value::text("before"))));
    let mut seq = changes.snapshot.seq;
    let mut got = Vec::new();
    for number in 0..100 {
        peer.value(&number.to_string());
    }
    while got.len() < 100 {
        let change =
            tokio::time::timeout(PATIENCE, changes.next()).await.expect("it comes").expect("not dropped");
        assert_eq!(change.seq, seq + 1);
        seq = change.seq;
        if change.reading.param == value {
            got.push(change.reading.value);
        }
    }
    let expected: Vec<_> =
        (0..100).map(|number: u8| Readable::Scalar(Value::text(number.to_string()))).collect();
    assert_eq!(got, expected);
}

#[tokio::test(start_paused = true)]
async fn each_change_carries_the_value_of_its_moment() {
    let (rig, _peer) = Rig::open("").await;
    let mut changes = rig.handle.subscribe().await.expect("it runs");
    rig.set(32, 1.0).await;
    let mut got = Vec::new();
    while got.len() < 2 {
        let change = tokio::time::timeout(PATIENCE, changes.next()).await.expect("it comes").expect("told");
        if change.reading.param == rig.ix(8) {
            got.push(change.reading.value);
        }
    }
    assert_eq!(got, ["/b", "/a"].map(|path| Readable::Scalar(Value::text(path))));
}

#[tokio::test(start_paused = true)]
async fn clear_is_the_engine_s_business_and_clear_on_display_that_of_people() {
    for (action, shown) in [("clear", "v"), ("clear on display", "")] {
        let (rig, mut peer) = Rig::open("").await;
        peer.value("v");
        rig.until_text(41, "v").await;
        rig.set(39, action).await;
        assert_eq!(rig.text(41).await, shown, "{action}");
        // The same value again is shown again.
        peer.value("v");
        rig.until_text(41, "v").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_lags_is_dropped_and_can_begin_anew() {
    let (rig, mut peer) = Rig::open("").await;
    let mut slow = rig.handle.subscribe().await.expect("it runs");
    let count = CHANGE_QUEUE + 50;
    for number in 0..count {
        peer.outbox.room(32).await;
        peer.value(&number.to_string());
    }
    rig.until_text(41, &(count - 1).to_string()).await;
    // What had room comes without a gap, then it is told: the subscription ends while the element runs.
    let mut seq = slow.snapshot.seq;
    while let Some(change) = slow.next().await {
        assert_eq!(change.seq, seq + 1);
        seq = change.seq;
    }
    assert_eq!(seq, slow.snapshot.seq + u64::try_from(CHANGE_QUEUE).expect("small"));
    // A new snapshot has what was missed, and the changes go on from there.
    let mut fresh = rig.handle.subscribe().await.expect("it runs");
    let value = rig.ix(41);
    let reading =
        fresh.snapshot.readings.iter().find(|reading| reading.param == value).expect("all are there");
    assert_eq!(reading.value, Readable::Scalar(Value::text((count - 1).to_string())));
    peer.value("next");
    let change = fresh.next().await.expect("it is told");
    assert_eq!((change.seq, change.reading.param), (fresh.snapshot.seq + 1, value));
}

#[tokio::test(start_paused = true)]
async fn a_tap_names_the_response_that_took_a_message_and_masks_a_secret_that_it_brings() {
    let (rig, mut peer) = Rig::open("").await;
    let mut tap = rig.handle.tap().await.expect("it runs");
    let rows = [("a", "cell-secret"), ("b", "cell-secret-2")];
    let rows = rows.map(|(account, password)| vec![Value::text(account), Value::text(password)]);
    let set = rig.handle.set(rig.ix(1000), NewValue::Table(rows.to_vec()), PATIENCE).await;
    set.expect("it is set");
    for message in [
        r#"{"state":"s"}"#,
        r#"{"answer":"a"}"#,
        r#"{"other":["cell-secret-2","cell-secret"]}"#,
        &format!(r#"{{"token":"{SECRET}"}}"#),
    ] {
        peer.send(message);
    }
    // The secrets are known from now on.
    peer.value("end");
    rig.until_text(41, "end").await;
    assert!(rig.handle.get(rig.ix(11)).await.expect("it runs").set);
    let received = drain(&mut tap).await.into_iter().filter_map(|event| match event.wire {
        WireEvent::Received(_, data, response) => {
            Some((String::from_utf8(data.to_vec()).expect("text"), response))
        }
        WireEvent::RequestLine(_)
        | WireEvent::ResponseLine(_)
        | WireEvent::Sent(..)
        | WireEvent::State(..)
        | WireEvent::Failed(_)
        | WireEvent::Closed(..) => None,
    });
    let expected = [
        (r#"{"state":"s"}"#, Some(1)),
        (r#"{"answer":"a"}"#, Some(2)),
        (r#"{"other":["***","***"]}"#, None),
        (r#"{"token":"***"}"#, Some(3)),
        (r#"{"state":"end"}"#, Some(1)),
    ];
    assert_eq!(received.collect::<Vec<_>>(), expected.map(|(text, response)| (text.to_owned(), response)));
}

/// Takes all events that are there.
async fn drain(tap: &mut mpsc::Receiver<TapEvent>) -> Vec<TapEvent> {
    let mut events = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), tap.recv()).await {
        events.push(event);
    }
    events
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_sent_and_never_shown() {
    let mut rig = Rig::start(Given { params: &[(11, SECRET)], ..Given::default() });
    let mut tap = rig.handle.tap().await.expect("it runs");
    let mut changes = rig.handle.subscribe().await.expect("it runs");
    let call = rig.call().await;
    // The peer gives it back wherever it can.
    let head =
        call.refuse("401 Unauthorized", &format!("Server: {SECRET}\r\n"), &format!("bad {SECRET}")).await;
    assert!(head.contains(&format!("\r\nAuthorization: {SECRET}\r\n")), "{head}");
    let rejected = rig.until_state("rejected").await;
    rig.set(11, format!("{SECRET}\r\nX: 1")).await;
    let unsendable = rig.until(|link| link.last_failure != rejected.last_failure).await;
    let summary = unsendable.last_failure.as_ref().expect("it failed").summary.clone();
    assert!(summary.contains("Authorization"), "{summary}");
    rig.set(11, SECRET).await;
    let mut peer = rig.up().await;
    rig.set(37, SECRET).await;
    assert_eq!(peer.message().await, SECRET);
    rig.set(37, "x").await;
    peer.send(&format!("{{\"unknown\":\"{SECRET}\"}}"));
    peer.close(1008, SECRET);
    let closed = rig.until_state("rejected").await;
    let explained = rig.handle.explain(ConnectionIx::new(0).expect("small")).await.expect("it runs");
    let explained = explained.expect("it can be written");
    assert!(explained.iter().any(|line| line.line == "Authorization: ***"), "{explained:#?}");
    let reading = rig.handle.get(rig.ix(11)).await.expect("it runs");
    assert_eq!((&reading.value, reading.set), (&Readable::Scalar(Value::Empty), true));
    let events = drain(&mut tap).await;
    assert!(events.len() > 10, "{events:#?}");
    let token = rig.ix(11);
    let mut told = Vec::new();
    while let Ok(Some(change)) = tokio::time::timeout(Duration::from_millis(1), changes.next()).await {
        if change.reading.param == token {
            told.push(change);
        }
    }
    assert!(!told.is_empty());
    for (place, text) in [
        ("status after a refusal", format!("{rejected:?}")),
        ("status of a request that cannot be sent", format!("{unsendable:?}")),
        ("status after a close", format!("{closed:?}")),
        ("explanation", format!("{explained:?}")),
        ("tap", format!("{events:?}")),
        ("changes", format!("{told:?}")),
    ] {
        assert!(!text.contains(SECRET), "the secret is in the {place}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tap_sees_the_handshake_the_messages_and_the_close_and_is_told_what_it_missed() {
    let mut rig = Rig::new("");
    let mut tap = rig.handle.tap().await.expect("it runs");
    let mut peer = rig.up().await;
    peer.value("v");
    rig.until_text(41, "v").await;
    peer.close(1001, "bye");
    rig.until_state("backoff").await;
    let wires: Vec<_> = drain(&mut tap).await.into_iter().map(|event| event.wire).collect();
    let position = |what: &str, fits: &dyn Fn(&WireEvent) -> bool| {
        wires.iter().position(fits).unwrap_or_else(|| panic!("no {what}: {wires:#?}"))
    };
    let order = [
        position(
            "request",
            &|wire| matches!(wire, WireEvent::RequestLine(line) if line == "GET /a HTTP/1.1"),
        ),
        position(
            "response",
            &|wire| matches!(wire, WireEvent::ResponseLine(line) if line.starts_with("HTTP/1.1 101")),
        ),
        position("sent", &|wire| matches!(wire, WireEvent::Sent(_, data) if &data[..] == b"subscribe")),
        position(
            "received",
            &|wire| matches!(wire, WireEvent::Received(_, data, _) if data.starts_with(b"{\"state\"")),
        ),
        position("close", &|wire| matches!(wire, WireEvent::Closed(1001, reason, _) if reason == "bye")),
    ];
    assert!(order.is_sorted(), "{order:?}: {wires:#?}");

    let mut peer = rig.up().await;
    drain(&mut tap).await;
    for number in 0..TAP_QUEUE + 10 {
        peer.outbox.room(32).await;
        peer.value(&number.to_string());
    }
    rig.until_text(41, &(TAP_QUEUE + 9).to_string()).await;
    drain(&mut tap).await;
    peer.value("after");
    rig.until_text(41, "after").await;
    let missed: Vec<u64> = drain(&mut tap).await.iter().map(|event| event.missed).collect();
    assert_eq!(missed, [10]);
}
