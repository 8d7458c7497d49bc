//! How links end, and what the element and the peer are told.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_close_sends_what_was_handed_over_and_waits_for_the_peer() {
    let mut rig = rig(|_| {});
    for text in ["one", "two"] {
        rig.outbox.try_send(Message::text(text)).unwrap();
    }
    rig.outbox.close(1000, "moving", SECOND);
    assert!(matches!(rig.outbox.try_send(Message::text("late")), Err(SendError::Closed(_))));
    assert_eq!(rig.peer.frame().await.unwrap(), (0x81, b"one".to_vec()));
    assert_eq!(rig.peer.frame().await.unwrap(), (0x81, b"two".to_vec()));
    assert_eq!(rig.peer.frame().await.unwrap(), (0x88, b"\x03\xe8moving".to_vec()));
    // What is under way still arrives.
    rig.peer.send(0x81, b"last").await;
    assert_eq!(rig.message().await.data().as_ref(), b"last");
    rig.peer.send(0x88, b"\x03\xe8").await;
    let closed = rig.closed().await;
    assert_eq!((closed.why.clone(), closed.code()), (Why::Us, 1000));
    assert_eq!(closed.sent.unwrap().reason, "moving");
    assert_eq!(rig.inbox.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_confirm_costs_the_deadline_and_no_more() {
    for write_is_stuck in [false, true] {
        let mut rig = rig_on(1000, |_| {});
        if write_is_stuck {
            rig.outbox.try_send(Message::binary(noise(500_000))).unwrap();
        }
        let start = tokio::time::Instant::now();
        rig.outbox.close(1000, "", SECOND);
        assert_eq!(rig.closed().await.why, Why::CloseTimeout);
        rig.task.await.unwrap();
        assert_eq!(start.elapsed().as_millis() / 10, 100, "stuck: {write_is_stuck}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_peers_close_is_answered_and_kept() {
    for (payload, code, reason, role) in [
        (&b"\x03\xe9going"[..], 1001, "going", Role::Client),
        (b"", 1005, "", Role::Client),
        (b"\x0f\xa0\xc3\xa9", 4000, "\u{e9}", Role::Client),
        (b"\x03\xf4", 1012, "", Role::Client),
        (b"\x03\xf6gateway", 1014, "gateway", Role::Client),
        (b"\x03\xf6gateway", 1014, "gateway", Role::Server),
    ] {
        let mut rig = rig(|setup| setup.role = role);
        rig.peer.send(0x81, b"x").await;
        rig.peer.send(0x88, payload).await;
        // The same frame, and not that of a violation.
        let answer = if code == 1014 { b"\x03\xe8gateway" } else { payload };
        assert_eq!(rig.peer.frame().await.unwrap(), (0x88, answer.to_vec()));
        assert_eq!(rig.message().await.data().as_ref(), b"x");
        let closed = rig.closed().await;
        assert_eq!((closed.why.clone(), closed.code()), (Why::Peer, code));
        assert_eq!(closed.received.unwrap().reason, reason);
        drop(rig.peer);
        rig.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_of_a_link_whose_reading_stands_still_sees_the_peers_answer() {
    let mut rig = rig(|_| {});
    let mut sent = 0;
    while rig.inbox.counters().read().pauses == 0 {
        rig.peer.send(0x81, b"x").await;
        tokio::task::yield_now().await;
        sent += 1;
        assert!(sent < 1000, "reading goes on for ever");
    }
    let start = tokio::time::Instant::now();
    rig.outbox.close(1000, "", SECOND);
    assert_eq!(rig.peer.close_code().await, 1000);
    rig.peer.send(0x88, b"\x03\xe8").await;
    drop(rig.peer);
    // The element takes nothing meanwhile.
    assert_eq!(rig.task.await.unwrap().why, Why::Us);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_close_behind_a_full_buffer_goes_out_when_the_peer_reads_again() {
    for violates in [false, true] {
        let mut rig = rig(|_| {});
        // More pongs than the pipe and what is kept for it can hold.
        for _ in 0..4_000 {
            rig.peer.send(0x89, &[7; 125]).await;
        }
        tokio::task::yield_now().await;
        if violates {
            rig.peer.send(0xb1, b"").await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        } else {
            rig.outbox.close(1000, &"r".repeat(123), SECOND);
            tokio::task::yield_now().await;
        }
        let mut last = None;
        while let Ok(Some(frame)) = tokio::time::timeout(SECOND / 2, rig.peer.frame()).await {
            assert!(last.is_none(), "nothing comes after the close frame");
            if frame.0 == 0x88 {
                last = Some(u16::from_be_bytes([frame.1[0], frame.1[1]]));
            }
        }
        assert_eq!(last, Some(if violates { 1002 } else { 1000 }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_hangs_up_is_1006() {
    for partial in [&b""[..], &[0x81], &[0x81, 5, b'a'], &[0x01, 1, b'a']] {
        let mut rig = rig(|_| {});
        rig.peer.io.write_all(partial).await.unwrap();
        drop(rig.peer);
        let Event::Closed(closed) = rig.inbox.recv().await.unwrap() else { panic!("an event") };
        assert_eq!((closed.why.clone(), closed.code()), (Why::Eof, 1006));
    }
}

#[tokio::test(start_paused = true)]
async fn violations_end_the_link_with_their_code() {
    let big = [0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0];
    for (bytes, code) in [
        (&[0x81, 2, 0xc3, 0x28][..], 1007),
        (&[0xc1, 3, 0xff, 0xff, 0xff], 1007),
        (&[0xb1, 0], 1002),
        (&[0x88, 2, 0x03, 0xed], 1002),
        (&[0x88, 3, 0x03, 0xe8, 0xff], 1007),
        (&big, 1009),
    ] {
        let mut rig = rig(|setup| setup.deflate = deflate("permessage-deflate"));
        rig.peer.send(0x81, b"before").await;
        rig.peer.io.write_all(bytes).await.unwrap();
        assert_eq!(rig.message().await.data().as_ref(), b"before");
        // The element answers what came before; the answer goes out first.
        rig.outbox.try_send(Message::text("answer")).unwrap();
        let (frame, closed) = tokio::join!(rig.peer.frame(), rig.inbox.recv());
        assert_eq!(frame.unwrap().1, b"answer");
        let Some(Event::Closed(closed)) = closed else { panic!("an event") };
        let Why::Violation(violation) = &closed.why else { panic!("{closed}") };
        assert_eq!(violation.close_code(), code, "{bytes:x?}: {violation}");
        assert_eq!(rig.peer.close_code().await, code);
        // The peer does not hang up: the wait for it is bounded.
        rig.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_violation_does_not_wait_for_an_element_that_is_busy() {
    let mut rig = rig(|_| {});
    rig.peer.send(0x81, b"before").await;
    rig.peer.send(0xb1, b"").await;
    let start = tokio::time::Instant::now();
    assert_eq!(rig.peer.close_code().await, 1002);
    assert!(start.elapsed() <= Duration::from_millis(110), "{:?}", start.elapsed());
    assert!(matches!(rig.closed().await.why, Why::Violation(_)));
}

#[tokio::test(start_paused = true)]
async fn stop_is_quick_and_says_goodbye() {
    let mut free = rig(|_| {});
    free.stop.cancel();
    assert_eq!(free.closed().await.why, Why::Stopped);
    assert_eq!(free.peer.close_code().await, 1001);
    assert_eq!(free.task.await.unwrap().why, Why::Stopped);

    let mut stuck = rig_on(100, |_| {});
    stuck.outbox.try_send(Message::binary(noise(100_000))).unwrap();
    stuck.peer.io.read_exact(&mut [0; 10]).await.unwrap();
    stuck.stop.cancel();
    assert_eq!(stuck.closed().await.why, Why::Stopped);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_or_unrun_link_tells_the_element() {
    let mut rig = rig(|_| {});
    rig.task.abort();
    assert_eq!(rig.closed().await.why, Why::Stopped);
    let (mut inbox, mut outbox, link) = Setup::new(tokio::io::duplex(10).0, Role::Client).open();
    drop(link);
    assert!(matches!(inbox.recv().await, Some(Event::Closed(_))));
    assert!(matches!(outbox.try_send(Message::text("x")), Err(SendError::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_inbox_closes_the_link() {
    let mut rig = rig(|_| {});
    drop(rig.inbox);
    assert_eq!(rig.peer.close_code().await, 1001);
    drop(rig.peer);
    assert_eq!(rig.task.await.unwrap().why, Why::Abandoned);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_begun_comes_back() {
    let mut rig = rig_on(100, |_| {});
    for _ in 0..3 {
        rig.outbox.try_send(Message::binary(noise(100_000))).unwrap();
    }
    rig.peer.io.read_exact(&mut [0; 10]).await.unwrap();
    drop(rig.peer);
    assert!(matches!(rig.inbox.recv().await, Some(Event::Closed(_))));
    assert_eq!(rig.outbox.take_unsent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn codes_and_reasons_that_no_frame_may_hold_are_made_fit() {
    let mut rig = rig(|_| {});
    rig.outbox.close(1006, &"\u{e9}".repeat(100), SECOND);
    let (_, payload) = rig.peer.frame().await.unwrap();
    assert_eq!(payload[..2], 1000_u16.to_be_bytes());
    assert_eq!(std::str::from_utf8(&payload[2..]).unwrap(), "\u{e9}".repeat(61));
}

#[tokio::test(start_paused = true)]
async fn a_server_ends_the_connection_after_both_close_frames() {
    let mut rig = rig(|setup| setup.role = Role::Server);
    rig.peer.send(0x88, b"\x03\xe8").await;
    assert_eq!(rig.peer.frame().await.unwrap(), (0x88, b"\x03\xe8".to_vec()));
    assert_eq!(rig.peer.frame().await, None);
    assert_eq!(rig.closed().await.why, Why::Peer);
}
