//! Moves of a link: which sets cause one, what becomes of what was under way, and both orders of opening and closing.

use super::*;

const OPEN_FIRST: &str = r#"<bs:Reconnect handover="open-first"/>"#;

#[tokio::test(start_paused = true)]
async fn sets_within_the_window_are_one_move_that_states_its_cause() {
    let (mut rig, mut peer) = Rig::open("").await;
    assert_eq!((peer.path(), rig.text(7).await.as_str()), ("/a", "1"));
    let began = Moment::now();
    for path in ["/b", "/c", "/d"] {
        rig.set(58, path).await;
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    let closed = peer.closed().await.received.expect("a close frame");
    assert_eq!((closed.code, closed.reason.as_str()), (Some(1000), ""));
    let next = rig.up().await;
    assert_eq!(next.path(), "/d");
    assert!(began.elapsed() >= Duration::from_millis(50), "the window was cut short");
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    let link = rig.until(|link| link.state == "ready" && link.epoch == 2).await;
    let cause = link.cause.expect("it moved");
    assert!(cause.contains("parameter 8: \"/a\" -> \"/d\""), "{cause}");
    assert_eq!((link.counters.opened, link.target.as_deref()), (2, Some("ws://10.0.0.1/d")));
    rig.no_call(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_value_set_by_the_api_moves_the_link_and_a_change_there_and_back_by_the_engine_does_not() {
    let (mut rig, mut peer) = Rig::open("").await;
    rig.set(32, 1.0).await;
    rig.no_call(Duration::from_secs(10)).await;
    assert_eq!(rig.link().await.epoch, 1);
    rig.set(8, "/a").await;
    assert_eq!(peer.close_code().await, 1000);
    assert_eq!(rig.up().await.path(), "/a");
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_address_moves_the_link_and_an_empty_one_brings_it_back() {
    let (mut rig, mut peer) = Rig::open("").await;
    rig.set(10, "ws://10.0.0.2:8080").await;
    assert_eq!(peer.close_code().await, 1000);
    let mut peer = rig.up().await;
    assert_eq!(peer.address.to_string(), "10.0.0.2:8080");
    rig.set(10, Value::Empty).await;
    assert_eq!(peer.close_code().await, 1000);
    assert_eq!(rig.up().await.address.to_string(), "10.0.0.1:80");
}

#[tokio::test(start_paused = true)]
async fn a_dead_old_peer_delays_a_move_by_no_more_than_the_close_timeout() {
    let mut rig = Rig::new(r#"<bs:Reconnect window="0" closeTimeout="300"/>"#);
    // It neither reads nor answers after the upgrade.
    let (_, dead) = rig.call().await.upgrade_raw("").await;
    rig.until_state("ready").await;
    let began = Moment::now();
    rig.set(8, "/b").await;
    let peer = rig.up().await;
    assert_eq!(peer.path(), "/b");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(350), "{took:?}");
    let close = rig.link().await.last_close.expect("it closed");
    assert_eq!((close.code, &*close.by), (1006, "closed by us, not confirmed in time"));
    drop(dead);
}

#[tokio::test(start_paused = true)]
async fn the_status_parameter_changes_with_the_state_only_and_the_old_address_is_told() {
    let (mut rig, peer) = Rig::open("").await;
    let mut changes = rig.handle.subscribe().await.expect("it runs");
    drop(peer);
    // Refused again and again: the element must not be flooded with "closed".
    for _ in 0..4 {
        rig.call().await.refuse("503 Service Unavailable", "", "").await;
    }
    let peer = rig.up().await;
    rig.until_text(7, "1").await;
    let (status, closed) = (rig.ix(7), rig.ix(70));
    let mut seen = Vec::new();
    while let Ok(Some(change)) = tokio::time::timeout(Duration::from_millis(1), changes.next()).await {
        if change.reading.param == status || change.reading.param == closed {
            seen.push(change.reading.value.clone());
        }
    }
    let scalar = |value: Value| Readable::Scalar(value);
    let expected = [Value::Number(0.0), Value::text("10.0.0.1:80"), Value::Number(1.0)].map(scalar);
    assert_eq!(seen, expected);
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_pair_under_way_is_repeated_after_a_move_without_costing_a_retry() {
    let (mut rig, mut peer) = Rig::open("").await;
    rig.set(31, 1.0).await;
    assert_eq!(peer.message().await, "ask");
    rig.set(8, "/b").await;
    let mut peer = rig.up().await;
    assert_eq!(peer.message().await, "ask");
    assert_eq!(rig.text(36).await, "0", "the move counted as a failed try");
    // Both tries of the pair are still there.
    assert_eq!(peer.message().await, "ask");
    peer.send(r#"{"answer":"yes"}"#);
    rig.until_text(42, "yes").await;
    assert_eq!(rig.text(36).await, "1");
}

#[tokio::test(start_paused = true)]
async fn open_first_swaps_at_the_upgrade_and_drops_what_the_old_link_still_says() {
    let mut rig = Rig::new(OPEN_FIRST);
    let (_, mut old) = rig.call().await.upgrade_raw("").await;
    assert_eq!(read_frame(&mut old).await, (1, b"subscribe".to_vec()));
    write_frame(&mut old, 1, br#"{"state":"old"}"#).await;
    rig.until_text(41, "old").await;
    let mut changes = rig.handle.subscribe().await.expect("it runs");
    rig.set(8, "/b").await;
    let call = rig.call().await;
    // Until the 101 the old link serves.
    write_frame(&mut old, 1, br#"{"state":"still old"}"#).await;
    rig.until_text(41, "still old").await;
    let mut new = call.upgrade("").await;
    assert_eq!(new.message().await, "subscribe");
    // It goes on until it reads the close frame.
    write_frame(&mut old, 1, br#"{"state":"late"}"#).await;
    rig.until_stale(1).await;
    new.value("new");
    rig.until_text(41, "new").await;
    assert_eq!(read_frame(&mut old).await, (8, b"\x03\xe8superseded".to_vec()));
    let link = rig.until(|link| link.state == "ready" && link.epoch == 2 && link.serving.is_none()).await;
    assert_eq!((link.target.as_deref(), link.counters.opened), (Some("ws://10.0.0.1/b"), 2));
    let (status, value) = (rig.ix(7), rig.ix(41));
    while let Ok(Some(change)) = tokio::time::timeout(Duration::from_millis(1), changes.next()).await {
        assert_ne!(change.reading.param, status, "the status changed: {:?}", change.reading.value);
        if change.reading.param == value {
            assert_ne!(change.reading.value, Readable::Scalar(Value::text("late")));
        }
    }
    assert_eq!(rig.text(7).await, "1");
}

#[tokio::test(start_paused = true)]
async fn open_first_tells_the_address_of_the_link_that_was_taken_over() {
    let (mut rig, mut old) = Rig::open(OPEN_FIRST).await;
    rig.set(10, "ws://10.0.0.2:81").await;
    let _new = rig.up().await;
    assert_eq!(old.close_code().await, 1000);
    rig.until_text(70, "10.0.0.1:80").await;
    assert_eq!(rig.text(7).await, "1");
}

#[tokio::test(start_paused = true)]
async fn open_first_keeps_the_old_link_while_the_new_target_fails_and_shows_both() {
    let (mut rig, mut old) = Rig::open(OPEN_FIRST).await;
    rig.set(8, "/b").await;
    for _ in 0..3 {
        rig.call().await.refuse("503 Service Unavailable", "", "").await;
    }
    let link = rig.until(|link| link.last_failure.is_some()).await;
    assert_eq!(link.state, "ready");
    assert_eq!(
        (link.serving.as_deref(), link.target.as_deref()),
        (Some("ws://10.0.0.1/a"), Some("ws://10.0.0.1/b"))
    );
    old.value("alive");
    rig.until_text(41, "alive").await;
    assert_eq!(rig.text(8).await, "/b", "the new value was taken back");
    let new = rig.up().await;
    assert_eq!((new.path(), old.close_code().await), ("/b", 1000));
    assert_eq!(rig.until(|link| link.serving.is_none()).await.target.as_deref(), Some("ws://10.0.0.1/b"));
}

#[tokio::test(start_paused = true)]
async fn open_first_calls_the_new_link_off_when_the_engine_takes_the_change_back() {
    let (mut rig, mut old) = Rig::open(OPEN_FIRST).await;
    // A message counts as the engine's own change.
    old.send(r#"{"path":"/b"}"#);
    let mut given_up = rig.call().await;
    assert!(given_up.head().await.starts_with("GET /b "));
    assert_eq!(rig.until(|link| link.serving.is_some()).await.target.as_deref(), Some("ws://10.0.0.1/b"));
    old.send(r#"{"path":"/a"}"#);
    assert_eq!(rest_of(&mut given_up.io).await, "");
    assert_eq!(given_up.at.elapsed().as_millis(), 50, "it is given up at the end of the window");
    let link = rig.until(|link| link.serving.is_none()).await;
    assert_eq!((link.state, link.target.as_deref()), ("ready", Some("ws://10.0.0.1/a")));
    old.value("alive");
    rig.until_text(41, "alive").await;
    rig.no_call(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn open_first_becomes_an_ordinary_move_when_the_old_link_is_lost_meanwhile() {
    let (mut rig, old) = Rig::open(OPEN_FIRST).await;
    rig.set(8, "/b").await;
    let call = rig.call().await;
    drop(old);
    let link = rig.until_state("connecting").await;
    assert_eq!((link.target.as_deref(), link.serving), (Some("ws://10.0.0.1/b"), None));
    assert_eq!((rig.text(7).await.as_str(), rig.text(70).await.as_str()), ("0", "10.0.0.1:80"));
    assert_eq!(call.upgrade("").await.message().await, "subscribe");
    assert_eq!(rig.until_state("ready").await.epoch, 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_while_dialling_gives_the_dial_up() {
    let mut rig = Rig::new("");
    let mut given_up = rig.call().await;
    assert!(given_up.head().await.starts_with("GET /a "));
    rig.set(8, "/b").await;
    let peer = rig.up().await;
    assert_eq!(peer.path(), "/b");
    assert_eq!(rest_of(&mut given_up.io).await, "", "its socket is closed");
    assert_eq!(given_up.at.elapsed().as_millis(), 50, "at once");
    let link = rig.until_state("ready").await;
    assert_eq!((link.epoch, link.counters.opened), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_within_the_window_is_followed_by_the_move() {
    let mut rig = Rig::new("");
    let call = rig.call().await;
    rig.set(8, "/b").await;
    let mut first = call.upgrade("").await;
    assert_eq!(first.path(), "/a");
    assert_eq!(first.close_code().await, 1000);
    assert_eq!(rig.up().await.path(), "/b");
}

/// The element's words until it has closed its socket.
async fn rest_of(io: &mut DuplexStream) -> String {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, io.read_to_end(&mut rest)).await;
    read.expect("it closes").expect("it is a pipe");
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_a_move_arrives_before_the_close() {
    let (mut rig, mut peer) = Rig::open(r#"<bs:Reconnect window="0"/>"#).await;
    for number in 0..50 {
        rig.set(37, number.to_string()).await;
    }
    rig.set(8, "/b").await;
    for number in 0..50 {
        assert_eq!(peer.message().await, number.to_string());
    }
    assert_eq!(peer.close_code().await, 1000);
    rig.up().await;
}

#[tokio::test(start_paused = true)]
async fn a_move_shows_each_state_once_and_with_its_own_target() {
    let (mut rig, _peer) = Rig::open("").await;
    rig.until_state("ready").await;
    let mut status = rig.handle.watch_status();
    status.mark_unchanged();
    let (shown_in, mut shown) = mpsc::unbounded_channel();
    rig.tasks.spawn("watcher", |_| async move {
        while status.changed().await.is_ok() {
            let link = link_of(&status.borrow_and_update());
            // The test is over.
            let _ = shown_in.send((link.state, link.target.expect("it has one"), link.epoch));
        }
    });
    rig.set(8, "/b").await;
    let _peer = rig.up().await;
    rig.until(|link| link.state == "ready" && link.epoch == 2).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let shown: Vec<_> = std::iter::from_fn(|| shown.try_recv().ok()).collect();
    let (a, b): (Arc<str>, Arc<str>) = (Arc::from("ws://10.0.0.1/a"), Arc::from("ws://10.0.0.1/b"));
    assert_eq!(shown, [("closing", a, 1), ("connecting", b.clone(), 2), ("ready", b, 2)]);
}

/// One dial a second to each host.
fn slowly(options: &str, ahead: usize) -> Rig {
    let budget = Budget { per_second: None, per_host_per_second: std::num::NonZeroU32::new(1) };
    Rig::start(Given { options, budget, ahead, ..Given::default() })
}

#[tokio::test(start_paused = true)]
async fn a_change_keeps_the_place_in_the_dial_budget_and_a_new_host_has_a_queue_of_its_own() {
    for (param, value, after) in [(8, "/b", 3_000), (10, "10.0.0.2", 1_550)] {
        let began = Moment::now();
        let mut rig = slowly("", 3);
        let link = rig.until_state("connecting").await;
        assert_eq!(link.target.as_deref(), Some("ws://10.0.0.1/a"));
        tokio::time::sleep_until(began + Duration::from_millis(1_500)).await;
        for _ in 0..5 {
            wait_in_line(&rig.gate, &mut rig.tasks);
        }
        rig.set(param, value).await;
        let call = rig.call().await;
        let took = call.at.duration_since(began).as_millis();
        assert!((after..after + 10).contains(&took), "{param}: after {took} ms, not {after}");
        let link = rig.link().await;
        assert!(link.cause.is_some_and(|cause| cause.contains(value)));
        assert!(link.target.is_some_and(|target| target.contains(value)));
        let peer = call.upgrade("").await;
        assert_eq!(
            (peer.path() == "/b", peer.address.ip().to_string() == "10.0.0.2"),
            (param == 8, param == 10)
        );
        rig.no_call(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_in_the_budget_that_comes_within_the_window_is_used_at_its_end() {
    let began = Moment::now();
    let mut rig = slowly(r#"<bs:Reconnect window="1000"/>"#, 3);
    tokio::time::sleep_until(began + Duration::from_millis(2_500)).await;
    for _ in 0..5 {
        wait_in_line(&rig.gate, &mut rig.tasks);
    }
    rig.set(8, "/b").await;
    tokio::time::sleep_until(began + Duration::from_millis(3_200)).await;
    rig.set(8, "/c").await;
    let call = rig.call().await;
    let took = call.at.duration_since(began).as_millis();
    assert!((3_500..3_510).contains(&took), "after {took} ms");
    let peer = call.upgrade("").await;
    assert_eq!(peer.path(), "/c");
    rig.no_call(Duration::from_secs(60)).await;
}

/// A network on which everything happens; counts the links that are open at its end, with their paths.
async fn unreliable_network(
    mut calls: mpsc::UnboundedReceiver<Call>,
    seed: u64,
    live: Arc<std::sync::Mutex<Vec<String>>>,
) {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    let mut peers = Tasks::new(&CancellationToken::new());
    while let Some(call) = calls.recv().await {
        let (delay, fate) = (rng.random_range(0..400_u64), rng.random_range(0..6));
        let live = live.clone();
        peers.spawn("one peer", move |_| async move {
            let mut call = call;
            tokio::time::sleep(Duration::from_millis(delay)).await;
            if fate == 0 {
                // The dial may have been given up.
                let _ = call.io.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await;
                return;
            }
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = call.io.read_u8().await else { return };
                head.push(byte);
            }
            let head = String::from_utf8(head).expect("text");
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                accept_key(key)
            );
            if call.io.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            let path = head.split(' ').nth(1).expect("a request line").to_owned();
            live.lock().expect("whole").push(path.clone());
            if fate == 1 {
                // It never answers a close.
                rest_of(&mut call.io).await;
            } else {
                let (_inbox, _outbox, link) = Setup::new(call.io, Role::Server).open();
                let _ = link.run(CancellationToken::new()).await;
            }
            let mut live = live.lock().expect("whole");
            let at = live.iter().position(|of| *of == path).expect("it was there");
            live.swap_remove(at);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_changed_and_whenever_exactly_one_link_is_left() {
    use rand::{RngExt, SeedableRng};
    for seed in 0..16_u64 {
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        let handover = if seed % 2 == 0 { "close-first" } else { "open-first" };
        let options = format!(r#"<bs:Reconnect handover="{handover}"/><bs:KeepAlive pingInterval="0"/>"#);
        let mut rig = Rig::start(Given { options: &options, seed, ..Given::default() });
        let live = Arc::new(std::sync::Mutex::new(Vec::new()));
        let calls = std::mem::replace(&mut rig.calls, mpsc::unbounded_channel().1);
        let network = unreliable_network(calls, seed, live.clone());
        rig.tasks.spawn("network", |_| network);
        let mut last = String::new();
        for change in 0..30 {
            last = format!("/{change}");
            rig.set(8, last.clone()).await;
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
        }
        let link = rig.until(|link| {
            link.state == "ready"
                && link.serving.is_none()
                && link.target.as_deref() == Some(&format!("ws://10.0.0.1{last}"))
        });
        link.await;
        // What closes has had its time.
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(*live.lock().expect("whole"), [last], "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_button_moves_closes_and_opens_the_link_at_once() {
    let (mut rig, mut peer) = Rig::open("").await;
    let began = Moment::now();
    // As often as it is pressed, the link settled or not.
    for _ in 0..10 {
        rig.set(39, "reconnect").await;
        assert_eq!(peer.close_code().await, 1000);
        peer = rig.up().await;
    }
    let link = rig.link().await;
    assert_eq!((link.cause.as_deref(), link.epoch), (Some("action reconnect"), 11));
    rig.set(39, "close").await;
    assert_eq!(peer.close_code().await, 1000);
    rig.until_state("closed").await;
    assert_eq!((rig.text(7).await.as_str(), began.elapsed()), ("0", Duration::ZERO));
    // What the definition changes does not open it, nor does time, nor the other button.
    rig.set(32, 1.0).await;
    rig.set(39, "reconnect").await;
    rig.no_call(Duration::from_secs(3_600)).await;
    assert_eq!(rig.link().await.state, "closed");
    rig.set(39, "open").await;
    let mut peer = rig.up().await;
    rig.set(39, "close").await;
    assert_eq!(peer.close_code().await, 1000);
    rig.until_state("closed").await;
    rig.set(8, "/b").await;
    assert_eq!(rig.up().await.path(), "/b");
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_leaves_every_link_at_once_is_no_hot_loop_and_the_button_still_works() {
    let mut rig = Rig::start(Given { params: &[(12, "restless")], ..Given::default() });
    let began = Moment::now();
    let mut dials = 0;
    loop {
        let call = rig.call().await;
        if call.at.duration_since(began) > Duration::from_secs(60) {
            break;
        }
        dials += 1;
        assert!(dials <= 24, "{dials} dials in {:?}", began.elapsed());
        call.upgrade("").await.closed().await;
    }
    assert!(dials >= 6, "{dials} dials in a minute");
    let waiting = rig.until_state("backoff").await;
    assert!(waiting.next_dial.is_some());
    let pressed = Moment::now();
    rig.set(39, "reconnect").await;
    assert_eq!(rig.call().await.at, pressed);
}
