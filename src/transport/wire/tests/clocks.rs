//! The clocks of a link in virtual time.

use tokio::time::Instant;

use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn keep_alive(ping: u64, pong: u64, silence: u64) -> impl FnOnce(&mut Setup<DuplexStream>) {
    move |setup| {
        setup.keep_alive = KeepAlive {
            ping_interval: seconds(ping),
            pong_timeout: seconds(pong),
            silence: seconds(silence),
        };
    }
}

/// So many seconds after `start`, to the resolution of the timer.
#[track_caller]
fn at(start: Instant, expected: u64) {
    let elapsed = start.elapsed();
    let fits = elapsed >= seconds(expected) && elapsed < seconds(expected) + Duration::from_millis(20);
    assert!(fits, "{elapsed:?} is not {expected} s");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_a_ping_is_dropped() {
    let start = Instant::now();
    let mut rig = rig(keep_alive(30, 10, 0));
    assert_eq!(rig.closed().await.why, Why::PongTimeout(seconds(10)));
    at(start, 40);
    assert_eq!(rig.peer.frame().await.unwrap().0, 0x89);
    assert_eq!(rig.peer.close_code().await, 1011);
}

#[tokio::test(start_paused = true)]
async fn any_received_byte_restarts_the_pong_clock() {
    let start = Instant::now();
    let mut rig = rig(keep_alive(30, 10, 0));
    rig.peer.frame().await.unwrap();
    at(start, 30);
    // One byte of a message every nine seconds: no frame is whole, and the link stays.
    rig.peer.io.write_all(&[0x82, 100]).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(seconds(9)).await;
        rig.peer.io.write_all(&[1]).await.unwrap();
    }
    assert!(matches!(rig.closed().await.why, Why::PongTimeout(_)));
    at(start, 30 + 45 + 10);
}

#[tokio::test(start_paused = true)]
async fn an_answered_ping_keeps_the_link_and_gives_the_round_trip() {
    let mut rig = rig(keep_alive(30, 10, 0));
    for _ in 0..20 {
        let (first, payload) = rig.peer.frame().await.unwrap();
        assert_eq!(first, 0x89);
        tokio::time::sleep(Duration::from_millis(70)).await;
        rig.peer.send(0x8a, &payload).await;
    }
    rig.peer.send(0x81, b"x").await;
    rig.message().await;
    assert_eq!(rig.inbox.counts().rtt, Some(Duration::from_millis(70)));
}

#[tokio::test(start_paused = true)]
async fn silence_is_about_messages_only() {
    let start = Instant::now();
    let mut rig = rig(keep_alive(0, 10, 60));
    tokio::time::sleep(seconds(50)).await;
    rig.peer.send(0x82, b"x").await;
    rig.message().await;
    for _ in 0..5 {
        tokio::time::sleep(seconds(10)).await;
        rig.peer.send(0x89, b"").await;
    }
    assert_eq!(rig.closed().await.why, Why::Silence(seconds(60)));
    at(start, 110);
}

#[tokio::test(start_paused = true)]
async fn clocks_stand_still_while_we_do_not_read() {
    let mut rig = rig(|setup| {
        keep_alive(30, 10, 60)(setup);
        setup.limits.receive_queue = 1;
    });
    rig.peer.send(0x81, b"1").await;
    rig.peer.frame().await.unwrap(); // The ping at 30 s.
    rig.peer.send(0x81, b"2").await;
    rig.peer.send(0x81, b"3").await;
    tokio::time::sleep(seconds(200)).await;
    let start = Instant::now();
    let counts = rig.inbox.counts();
    assert_eq!((counts.pauses, counts.messages_in), (1, 2));
    for expected in ["1", "2", "3"] {
        assert_eq!(rig.message().await.data().as_ref(), expected.as_bytes());
    }
    assert!(matches!(rig.closed().await.why, Why::PongTimeout(_)));
    at(start, 10);
    assert!(rig.inbox.counts().paused >= seconds(199), "{:?}", rig.inbox.counts());
}

#[tokio::test(start_paused = true)]
async fn an_element_that_takes_nothing_ends_the_link_in_the_end() {
    let start = Instant::now();
    let mut rig = rig(|setup| {
        setup.limits.receive_queue = 1;
        setup.limits.pause = seconds(120);
    });
    rig.peer.send(0x81, b"1").await;
    rig.peer.send(0x81, b"2").await;
    rig.task.await.unwrap();
    at(start, 120);
    assert_eq!(rig.inbox.recv().await, Some(Event::Message(Message::text("1"))));
    let Some(Event::Closed(closed)) = rig.inbox.recv().await else { panic!("an event") };
    assert_eq!(closed.why, Why::Stalled(seconds(120)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_under_a_large_message_is_not_a_dead_one() {
    // 1 KiB a second: our ping waits behind 60 KB, much longer than the pong clock.
    let mut rig = rig_on(1024, keep_alive(5, 10, 0));
    rig.outbox.try_send(Message::binary(noise(60_000))).unwrap();
    let start = Instant::now();
    let mut taken = vec![0; 1024];
    while start.elapsed() < seconds(40) {
        tokio::time::sleep(seconds(1)).await;
        rig.peer.io.read_exact(&mut taken).await.unwrap();
    }
    assert!(!rig.task.is_finished());
    assert!(matches!(rig.closed().await.why, Why::PongTimeout(_)));
    at(start, 50);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_are_off_do_nothing() {
    let mut rig = rig(|setup| {
        setup.keep_alive =
            KeepAlive { ping_interval: Duration::ZERO, pong_timeout: seconds(1), silence: Duration::MAX };
    });
    tokio::time::sleep(seconds(1_000_000)).await;
    rig.peer.send(0x81, b"still here").await;
    assert_eq!(rig.message().await.data().as_ref(), b"still here");
}
