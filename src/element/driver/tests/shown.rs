//! What an element shows: changes without gaps, the wire, and never a secret.

use super::*;
use crate::element::handle::{
    CHANGE_BYTES, CHANGE_QUEUE, Payload, TAP_BYTES, TAP_QUEUE, TAP_SHOWN, WireEvent,
};
use crate::element::queue;

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
            got.push(change.reading.value.clone());
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
            got.push(change.reading.value.clone());
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
        // Known noise: as JSON and bare.
        r#""dump""#,
        "dump",
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
            Some((String::from_utf8(data.shown.to_vec()).expect("text"), response))
        }
        WireEvent::RequestLine(_)
        | WireEvent::ResponseLine(_)
        | WireEvent::Sent(..)
        | WireEvent::State(..)
        | WireEvent::Failed(_)
        | WireEvent::Closed(..) => None,
    });
    let status = rig.handle.fresh_status().await;
    assert_eq!((status.counters.unmatched, link_of(&status).counters.unmatched), (1, 1));
    assert_eq!(status.counters.ignored, 2);
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
async fn drain(tap: &mut queue::Receiver<TapEvent>) -> Vec<TapEvent> {
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
async fn a_secret_that_a_handshakes_answer_brings_is_shown_nowhere() {
    let mut rig = Rig::new("");
    let mut tap = rig.handle.tap().await.expect("it runs");
    let call = rig.call().await;
    call.refuse("401 Unauthorized", "X-Session: first-secret\r\n", "sorry, first-secret").await;
    rig.until_state("rejected").await;
    let refused = format!("{:?}{:?}", drain(&mut tap).await, rig.handle.fresh_status().await);
    let head = "X-Session: second-secret\r\n";
    let _peer = rig.call().await.upgrade(head).await;
    rig.until_state("ready").await;
    let opened = format!("{:?}{:?}", drain(&mut tap).await, rig.handle.fresh_status().await);
    for (shown, secret) in [(refused, "first-secret"), (opened, "second-secret")] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(shown.contains("***"), "{shown}");
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
        position("sent", &|wire| matches!(wire, WireEvent::Sent(_, data) if &data.shown[..] == b"subscribe")),
        position(
            "received",
            &|wire| matches!(wire, WireEvent::Received(_, data, _) if data.shown.starts_with(b"{\"state\"")),
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

/// What a tap has of a message that came.
fn payload(event: &TapEvent) -> Option<&Payload> {
    match &event.wire {
        WireEvent::Received(_, payload, _) => Some(payload),
        WireEvent::RequestLine(_)
        | WireEvent::ResponseLine(_)
        | WireEvent::Sent(..)
        | WireEvent::State(..)
        | WireEvent::Failed(_)
        | WireEvent::Closed(..) => None,
    }
}

/// Sends a message that sets the value 41 to so many letters, with a number, and waits until it is set.
async fn large(rig: &Rig, peer: &mut Peer, number: usize, letters: usize) {
    peer.outbox.room(letters + 32).await;
    peer.value(&"x".repeat(letters));
    peer.value(&number.to_string());
    rig.until_text(41, &number.to_string()).await;
}

#[tokio::test(start_paused = true)]
async fn a_tap_keeps_the_beginning_of_a_long_message_and_no_more_bytes_than_its_bound() {
    let (rig, mut peer) = Rig::open("").await;
    let mut tap = rig.handle.tap().await.expect("it runs");
    let letters = 1 << 20;
    large(&rig, &mut peer, 0, letters).await;
    let events = drain(&mut tap).await;
    let first = events.iter().find_map(payload).expect("it came");
    assert_eq!((first.size, first.cut, first.shown.len()), (letters + 12, true, TAP_SHOWN));
    // Far fewer than the queue holds, and more bytes than it holds.
    let count = TAP_BYTES / TAP_SHOWN + 10;
    for number in 1..=count {
        large(&rig, &mut peer, number, TAP_SHOWN).await;
    }
    peer.value("after");
    rig.until_text(41, "after").await;
    let kept = drain(&mut tap).await;
    let bytes: usize = kept.iter().filter_map(payload).map(|payload| payload.shown.len()).sum();
    assert!((TAP_BYTES / 2..=TAP_BYTES).contains(&bytes), "{bytes} bytes are kept");
    peer.value("now there is room");
    rig.until_text(41, "now there is room").await;
    let missed = kept.iter().chain(&drain(&mut tap).await).map(|event| event.missed).sum::<u64>();
    assert!(missed >= 10, "{missed} were missed");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_when_its_changes_have_too_many_bytes() {
    let (rig, mut peer) = Rig::open("").await;
    let mut slow = rig.handle.subscribe().await.expect("it runs");
    let letters = CHANGE_BYTES / 8;
    for number in 0..10 {
        large(&rig, &mut peer, number, letters).await;
    }
    let mut told = 0;
    while tokio::time::timeout(PATIENCE, slow.next()).await.expect("it ends").is_some() {
        told += 1;
    }
    assert!((8..16).contains(&told), "{told} changes were kept");
}

#[tokio::test(start_paused = true)]
async fn a_changed_table_is_kept_once_for_all_who_watch() {
    let (rig, _peer) = Rig::open("").await;
    let mut first = rig.handle.subscribe().await.expect("it runs");
    let mut second = rig.handle.subscribe().await.expect("it runs");
    let row = |key: usize| vec![Value::text(key.to_string()), Value::Empty];
    let rows = (0..1_000).map(row).collect();
    rig.handle.set(rig.ix(1000), NewValue::Table(rows), PATIENCE).await.expect("it is set");
    let (first, second) = (first.next().await.expect("told"), second.next().await.expect("told"));
    let Readable::Table(rows) = &first.reading.value else { panic!("no table") };
    assert_eq!((rows.len(), first.whole), (1_000, true));
    assert!(Arc::ptr_eq(&first, &second));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_a_peer_gives_back_escaped_is_masked_wherever_it_stands() {
    let secret = r#"p"q\r/s t&u"#;
    let json = r#"p\"q\\r\/s\u0020t\u0026u"#;
    let percent = "p%22q%5cr%2Fs%20t%26u";
    let mut rig = Rig::start(Given { params: &[(11, secret)], ..Given::default() });
    let mut tap = rig.handle.tap().await.expect("it runs");
    let call = rig.call().await;
    // The last one is cut in the summary, which has the beginning of the body.
    let body = format!("<{json}> <{percent}> {}{secret}", "x".repeat(120 - 56));
    call.refuse("401 Unauthorized", &format!("WWW-Authenticate: Form t=\"{percent}\"\r\n"), &body).await;
    let refused = rig.until_state("rejected").await;
    let failure = refused.last_failure.expect("it failed");
    assert!(failure.body.as_ref().is_some_and(|body| body.starts_with("<***> <***> x")), "{failure:?}");
    rig.set(39, "reconnect").await;
    let mut peer = rig.up().await;
    peer.send(&format!(r#"{{"unknown":"{json}","at":"/a?t={percent}"}}"#));
    peer.close(1008, &format!("{percent} is wrong"));
    let close = rig.until_state("rejected").await.last_close.expect("it closed");
    assert_eq!(&*close.reason, "*** is wrong");
    let events = drain(&mut tap).await;
    let all = format!("{failure:?} {events:?}");
    for piece in [r#"p\"q"#, r"q\\", "q%5c", "%26u"] {
        assert!(!all.contains(piece), "`{piece}` is in {all}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_column_reads_as_its_cells_each_behind_the_key_of_its_row() {
    let (rig, _peer) = Rig::open("").await;
    let rows = [("b", "secret"), ("a", "")].map(|(key, cell)| vec![Value::text(key), Value::text(cell)]);
    rig.handle.set(rig.ix(1000), NewValue::Table(rows.to_vec()), PATIENCE).await.expect("it is set");
    let read = async |id| rig.handle.get(rig.ix(id)).await.expect("it runs");
    let keys = read(1001).await;
    let row = |key: &str, cells: &[Value]| (Arc::from(key), cells.to_vec());
    let expected = ["b", "a"].map(|key| row(key, &[Value::text(key)]));
    assert_eq!((keys.value, keys.secret, keys.set), (Readable::Table(expected.to_vec()), false, true));
    let secret = read(1002).await;
    let expected = ["b", "a"].map(|key| row(key, &[Value::text(key), Value::Empty]));
    assert_eq!((secret.value, secret.secret, secret.set), (Readable::Table(expected.to_vec()), true, true));
}
