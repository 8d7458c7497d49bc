//! Links that are lost or refused: how it is found out, and when it is tried again.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_link_that_the_peer_closes_comes_back() {
    let (mut rig, mut peer) = Rig::open("").await;
    peer.close(1001, "going away");
    let link = rig.until_state("backoff").await;
    let close = link.last_close.expect("it closed");
    assert_eq!((close.code, &*close.reason), (1001, "going away"));
    assert!(link.next_dial.is_some());
    assert_eq!((rig.text(7).await, rig.text(33).await), ("0".to_owned(), "1".to_owned()));
    let _peer = rig.up().await;
    let link = rig.until_state("ready").await;
    assert_eq!((link.epoch, link.counters.opened, link.counters.dropped), (2, 2, 1));
    rig.until_text(7, "1").await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_and_drops_is_not_hammered() {
    let mut rig = Rig::new("");
    let began = Moment::now();
    let mut dials = 0;
    loop {
        let call = rig.call().await;
        if call.at.duration_since(began) > Duration::from_secs(60) {
            break;
        }
        dials += 1;
        drop(call.upgrade_raw("").await);
    }
    assert!((3..=16).contains(&dials), "{dials} dials in a minute");
    let link = rig.link().await;
    assert!(link.attempts > 0 && link.flapping, "{link:#?}");
    // One that stays is believed in after a while, and what was is forgotten in the end.
    let mut peer = rig.up().await;
    peer.value("here");
    rig.until(|link| !link.flapping).await;
    assert_eq!(rig.link().await.attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_is_shown_with_its_stages_and_a_set_dials_at_once() {
    let mut rig = Rig::new("");
    rig.call().await.refuse("401 Unauthorized", "Server: gate\r\n", "no token, no entry").await;
    let link = rig.until_state("rejected").await;
    let failure = link.last_failure.expect("it failed");
    assert_eq!((failure.status, failure.body.as_deref()), (Some(401), Some("no token, no entry")));
    let stages: Vec<_> = failure.stages.iter().map(|stage| (stage.stage, stage.ok)).collect();
    assert_eq!(stages, [("name", true), ("tcp", true), ("http", false)]);
    assert!(!failure.advice.is_empty());
    // What the definition wants of the answer, also of a refusal.
    assert_eq!(rig.text(220).await, "HTTP/1.1 401 Unauthorized");
    assert_eq!(rig.text(221).await, "gate");
    assert_eq!(rig.text(222).await, "no token, no entry");
    rig.no_call(Duration::from_secs(9)).await;
    let began = Moment::now();
    rig.set(12, "better").await;
    let call = rig.call().await;
    assert!(call.at.duration_since(began) <= Duration::from_millis(60), "it waited");
    let peer = call.upgrade("Server: gate 2\r\n").await;
    assert!(peer.head.contains("\r\nX-Plain: better\r\n"), "{}", peer.head);
    rig.until_text(220, "HTTP/1.1 101 Switching Protocols").await;
    rig.until_text(221, "gate 2").await;
    assert_eq!(rig.until_state("ready").await.last_failure, None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_is_tried_again_slower_each_time() {
    let mut rig = Rig::new("");
    let mut waits = Vec::new();
    let mut last = None;
    for _ in 0..4 {
        let call = rig.call().await;
        waits.extend(last.map(|last: Moment| call.at.duration_since(last).as_secs()));
        last = Some(call.at);
        call.refuse("403 Forbidden", "", "").await;
    }
    // At least 10 s, 20 s and 40 s, and up to half as long again, so that many links come back spread out.
    assert!((10..=15).contains(&waits[0]) && (20..=30).contains(&waits[1]), "{waits:?}");
    assert!(waits.len() == 3 && (40..=60).contains(&waits[2]), "{waits:?}");
}

/// What a close of the peer leads to, how it is shown, and when it is dialled again.
async fn check_close(options: &str, close: Option<(u16, &str)>, state: &str, shown: (u16, &str)) {
    let mut rig = Rig::new(options);
    let (_, mut io) = rig.call().await.upgrade_raw("").await;
    assert_eq!(read_frame(&mut io).await, (1, b"subscribe".to_vec()));
    if let Some((code, reason)) = close {
        let code = if code == 0 { Vec::new() } else { code.to_be_bytes().to_vec() };
        write_frame(&mut io, 8, &[&code, reason.as_bytes()].concat()).await;
        let (opcode, answer) = read_frame(&mut io).await;
        assert_eq!((opcode, answer.starts_with(&code)), (8, true), "the close is answered: {answer:?}");
    }
    drop(io);
    let link = rig.until(|link| link.last_close.is_some()).await;
    let what = format!("{close:?} with {options:?}");
    let told = link.last_close.expect("it closed");
    assert_eq!((link.state, told.code, &*told.reason), (state, shown.0, shown.1), "{what}");
    assert_eq!((rig.text(7).await, rig.text(70).await), ("0".to_owned(), "10.0.0.1:80".to_owned()), "{what}");
    let rejected = state == "rejected";
    assert_eq!((rig.text(33).await, rig.text(38).await == "1"), ("1".to_owned(), rejected), "{what}");
    let began = Moment::now();
    let call = rig.call().await;
    let took = call.at.duration_since(began);
    if rejected {
        assert!((10..=15).contains(&took.as_secs()), "{what}: {took:?}");
    } else {
        assert!(took <= Duration::from_millis(501), "{what}: {took:?}");
    }
    assert_eq!(call.upgrade("").await.message().await, "subscribe");
}

#[tokio::test(start_paused = true)]
async fn the_close_code_decides_what_happens_next() {
    let listed = r#"<bs:Reconnect stopOn="4401;4402"/>"#;
    for (options, close, state, shown) in [
        ("", Some((1000, "done")), "backoff", (1000, "done")),
        ("", Some((1001, "going away")), "backoff", (1001, "going away")),
        ("", Some((1008, "not you")), "rejected", (1008, "not you")),
        ("", Some((1011, "oops")), "backoff", (1011, "oops")),
        ("", Some((1012, "restart")), "backoff", (1012, "restart")),
        ("", Some((1013, "later")), "backoff", (1013, "later")),
        ("", Some((4401, "token")), "backoff", (4401, "token")),
        (listed, Some((4401, "token")), "rejected", (4401, "token")),
        (listed, Some((4400, "")), "backoff", (4400, "")),
        // Without a code, and without a close frame.
        ("", Some((0, "")), "backoff", (1005, "")),
        ("", None, "backoff", (1006, "")),
    ] {
        check_close(options, close, state, shown).await;
    }
}

/// What a refusal leads to, and after how many seconds it is dialled again.
async fn check_refusal(options: &str, status: &str, headers: &str, state: &str, wait: std::ops::Range<f64>) {
    let mut rig = Rig::new(options);
    rig.call().await.refuse(status, headers, "").await;
    let began = Moment::now();
    let link = rig.until(|link| link.last_failure.is_some()).await;
    let what = format!("{status} {headers:?} with {options:?}");
    assert_eq!((link.state, link.attempts), (state, 1), "{what}");
    let failure = link.last_failure.expect("it failed");
    assert_eq!(failure.status.map(|code| code.to_string()).as_deref(), status.split(' ').next(), "{what}");
    assert!(!failure.advice.is_empty(), "{what}");
    let next = Duration::from_nanos(link.next_dial.expect("it is tried again").0 - EPOCH).as_secs_f64();
    let took = rig.call().await.at.duration_since(began).as_secs_f64();
    assert!(wait.contains(&took) && wait.contains(&next), "{what}: {took} s, told {next} s");
    // It never was open.
    assert_eq!((rig.text(7).await.as_str(), rig.text(33).await.as_str()), ("0", "0"), "{what}");
    assert_eq!(rig.text(38).await == "1", state == "rejected", "{what}");
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_refusal_decides_what_happens_next() {
    let (soon, slowly) = (0.0..0.51, 9.99..15.01);
    let listed = r#"<bs:Reconnect stopOn="503"/>"#;
    for (options, status, headers, state, wait) in [
        ("", "400 Bad Request", "", "backoff", soon.clone()),
        ("", "401 Unauthorized", "", "rejected", slowly.clone()),
        ("", "403 Forbidden", "", "rejected", slowly.clone()),
        ("", "404 Not Found", "", "rejected", slowly.clone()),
        ("", "410 Gone", "", "rejected", slowly.clone()),
        ("", "426 Upgrade Required", "", "rejected", slowly.clone()),
        ("", "500 Internal Server Error", "", "backoff", soon.clone()),
        ("", "503 Service Unavailable", "", "backoff", soon),
        (listed, "503 Service Unavailable", "", "rejected", slowly.clone()),
        // `Retry-After`, in seconds or as a date, is the least that is waited.
        ("", "503 Service Unavailable", "Retry-After: 20\r\n", "backoff", 20.0..20.51),
        (
            "",
            "429 Too Many Requests",
            "Retry-After: Tue, 14 Nov 2023 22:13:50 GMT\r\n",
            "backoff",
            29.9..30.51,
        ),
        ("", "403 Forbidden", "Retry-After: 60\r\n", "rejected", 59.9..65.01),
        ("", "403 Forbidden", "Retry-After: 3\r\n", "rejected", slowly),
    ] {
        check_refusal(options, status, headers, state, wait).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_has_is_told_with_its_stage_and_a_right_one_is_dialled_at_once() {
    let mut rig = Rig::start(Given { host: "ws://no.such.host", ..Given::default() });
    let link = rig.until_state("backoff").await;
    let failure = link.last_failure.expect("it failed");
    let stages: Vec<_> = failure.stages.iter().map(|stage| (stage.stage, stage.ok)).collect();
    assert_eq!((stages.as_slice(), failure.status), (&[("name", false)][..], None));
    assert!(failure.summary.contains("no.such.host") && !failure.advice.is_empty(), "{failure:?}");
    assert_eq!(link.target.as_deref(), Some("ws://no.such.host/a"));
    let began = Moment::now();
    rig.set(10, "10.0.0.3").await;
    let call = rig.call().await;
    assert_eq!((call.address.to_string(), began.elapsed().as_millis() / 10), ("10.0.0.3:80".to_owned(), 5));
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_at_once_with_its_payload_also_between_the_parts_of_a_message() {
    let mut rig = Rig::new("");
    let (_, mut io) = rig.call().await.upgrade_raw("").await;
    assert_eq!(read_frame(&mut io).await, (1, b"subscribe".to_vec()));
    let began = Moment::now();
    write_frame(&mut io, 9, b"").await;
    assert_eq!(read_frame(&mut io).await, (10, Vec::new()));
    // The beginning of a text, a ping, and the rest.
    io.write_all(b"\x01\x0a{\"state\":\"").await.expect("it is read");
    write_frame(&mut io, 9, b"are you there?").await;
    assert_eq!(read_frame(&mut io).await, (10, b"are you there?".to_vec()));
    write_frame(&mut io, 0, b"whole\"}").await;
    rig.until_text(41, "whole").await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// The link is lost after at least and at most so long, without a word of the peer.
async fn check_silent(options: &str, at_least: u64, at_most: u64, why: &str) {
    let mut rig = Rig::new(options);
    let (_, silent) = rig.call().await.upgrade_raw("").await;
    rig.until_state("ready").await;
    let began = Moment::now();
    let link = rig.until(|link| link.last_close.is_some()).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(at_least) && took <= Duration::from_millis(at_most), "{took:?}");
    let close = link.last_close.expect("it closed");
    assert!(close.by.contains(why), "{close:?}");
    assert_eq!((rig.text(7).await.as_str(), rig.text(70).await.as_str()), ("0", "10.0.0.1:80"));
    drop(silent);
    rig.up().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_found_by_the_pong_that_does_not_come() {
    check_silent(r#"<bs:KeepAlive pingInterval="5000" pongTimeout="2000"/>"#, 6_900, 7_200, "pong").await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_data_is_found_by_the_silence_clock() {
    let silence = r#"<bs:KeepAlive pingInterval="0" silence="4000"/>"#;
    check_silent(silence, 3_900, 4_200, "message").await;
    // One that sends is not.
    let (rig, mut peer) = Rig::open(silence).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        peer.value("alive");
    }
    rig.until_text(41, "alive").await;
    assert_eq!(rig.link().await.epoch, 1);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_pair_without_an_answer_drops_the_link_after_its_retries() {
    let (mut rig, mut peer) = Rig::open(r#"<bs:KeepAlive heartbeat="2"/>"#).await;
    let began = Moment::now();
    rig.set(31, 1.0).await;
    // It answers pings, and closes; only the application is dead.
    assert_eq!((peer.message().await, peer.message().await), ("ask".to_owned(), "ask".to_owned()));
    peer.closed().await;
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(6), "{took:?}");
    let link = rig.link().await;
    assert!(link.last_close.as_ref().is_some_and(|close| close.by.contains("heartbeat")), "{link:#?}");
    assert_eq!((rig.text(36).await.as_str(), rig.text(70).await.as_str()), ("2", "10.0.0.1:80"));
    rig.up().await;
    assert_eq!(rig.link().await.epoch, 2);
}

#[tokio::test(start_paused = true)]
async fn a_pair_without_an_answer_is_tried_again_after_its_time_and_leaves_the_link_alone() {
    let (rig, mut peer) = Rig::open("").await;
    let began = Moment::now();
    rig.set(31, 1.0).await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        assert_eq!(peer.message().await, "ask");
        asked.push(began.elapsed().as_millis());
    }
    rig.until_text(36, "2").await;
    assert_eq!((asked, began.elapsed().as_millis()), (vec![0, 2_000], 4_000));
    assert_eq!((rig.link().await.state, rig.link().await.epoch), ("ready", 1));
    // The next one is answered in time.
    rig.set(31, 2.0).await;
    assert_eq!(peer.message().await, "ask");
    tokio::time::sleep(Duration::from_millis(1_990)).await;
    peer.send(r#"{"answer":"yes"}"#);
    rig.until_text(42, "yes").await;
    assert_eq!(rig.text(36).await, "2");
}

#[tokio::test(start_paused = true)]
async fn any_byte_of_the_peer_keeps_the_pong_clock_from_running_out() {
    let mut rig = Rig::new(r#"<bs:KeepAlive pingInterval="5000" pongTimeout="2000"/>"#);
    let (_, mut io) = rig.call().await.upgrade_raw("").await;
    assert_eq!(read_frame(&mut io).await, (1, b"subscribe".to_vec()));
    // It answers no ping, but it sends.
    for number in 0..20 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        write_frame(&mut io, 1, format!("{{\"state\":\"{number}\"}}").as_bytes()).await;
    }
    rig.until_text(41, "19").await;
    assert_eq!((rig.link().await.state, rig.link().await.epoch), ("ready", 1));
    let began = Moment::now();
    rig.until(|link| link.state != "ready").await;
    assert!(began.elapsed() <= Duration::from_millis(7_001), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_never_answered_ends_at_its_deadline() {
    let mut rig = Rig::new("");
    let mut call = rig.call().await;
    call.head().await;
    let failure = rig.until(|link| link.last_failure.is_some()).await.last_failure.expect("it failed");
    let took = call.at.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2_600), "{took:?}");
    assert!(failure.stages.iter().any(|stage| stage.stage == "http" && !stage.ok), "{failure:#?}");
    rig.up().await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_sent_is_never_sent_and_is_named() {
    let mut rig = Rig::start(Given { params: &[(12, "good\r\nX-Evil: 1")], ..Given::default() });
    let failure = rig.until_state("rejected").await.last_failure.expect("it failed");
    for part in ["X-Plain", "12"] {
        assert!(failure.summary.contains(part), "{part}: {}", failure.summary);
    }
    assert!(!failure.advice.is_empty());
    // Tried again for as long as it likes, nothing is dialled until the value changes.
    rig.no_call(Duration::from_secs(600)).await;
    rig.set(12, "good").await;
    assert!(rig.up().await.head.contains("\r\nX-Plain: good\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_element_stops_reading_counts_it_and_gets_everything_afterwards() {
    let (rig, mut peer) = Rig::open("").await;
    let mut changes = rig.handle.subscribe().await.expect("it runs");
    // The link's task reads as fast as the peer writes; the driver comes to its turn only after that.
    for number in 0..900 {
        peer.value(&number.to_string());
    }
    let value = rig.ix(41);
    let mut got = Vec::new();
    while got.len() < 900 {
        let change =
            tokio::time::timeout(PATIENCE, changes.next()).await.expect("it comes").expect("not dropped");
        if change.reading.param == value {
            got.push(change.reading.value.clone());
        }
    }
    let sent: Vec<_> = (0..900).map(|number| Readable::Scalar(Value::text(number.to_string()))).collect();
    assert_eq!(got, sent, "every message, once and in order");
    let counters = rig.link().await.counters;
    assert!(counters.pauses >= 1, "{counters:?}");
    assert_eq!((counters.messages_in, counters.unmatched), (900, 0));
}

#[tokio::test(start_paused = true)]
async fn an_element_is_in_timeout_when_its_link_has_been_down_for_long() {
    let mut rig = Rig::new("");
    let began = Moment::now();
    rig.call().await.refuse("403 Forbidden", "", "").await;
    let mut status = rig.handle.watch_status();
    let mut calls = std::mem::replace(&mut rig.calls, mpsc::unbounded_channel().1);
    rig.tasks.spawn("refusals", |_| async move {
        while let Some(call) = calls.recv().await {
            if call.at.duration_since(began) < Duration::from_secs(60) {
                call.refuse("403 Forbidden", "", "").await;
            } else {
                call.upgrade("").await.closed().await;
            }
        }
    });
    tokio::time::timeout(PATIENCE, status.wait_for(|status| status.timeout))
        .await
        .expect("in time")
        .expect("it runs");
    assert_eq!(began.elapsed().as_millis(), 30_000);
    tokio::time::timeout(PATIENCE, status.wait_for(|status| !status.timeout))
        .await
        .expect("in time")
        .expect("it runs");
    assert_eq!(rig.link().await.state, "ready");
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_breaks_inside_does_not_take_the_element_with_it() {
    let mut rig = Rig::start(Given { host: BROKEN, ..Given::default() });
    let link = rig.until(|link| link.last_failure.is_some()).await;
    assert_eq!((link.state, link.next_dial.is_some()), ("backoff", true));
    assert!(link.last_failure.is_some_and(|failure| failure.summary.contains("inside backshell")));
    rig.set(10, "10.0.0.1").await;
    rig.up().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_on_sending_after_its_mistake_still_reads_the_close_frame() {
    let mut rig = Rig::start(Given { options: r#"<bs:Limits maxMessageBytes="4096"/>"#, ..Given::default() });
    let (_, mut io) = rig.call().await.upgrade_raw("").await;
    // The subscription: two bytes of head, four of mask.
    let mut subscription = [0; 6 + "subscribe".len()];
    io.read_exact(&mut subscription).await.expect("it begins with it");
    // A text of 8 KiB, which is beyond the limit, and then the payload all the same.
    io.write_all(&[0x81, 126, 0x20, 0x00]).await.expect("it is read");
    rig.until(|link| link.last_close.is_some()).await;
    for _ in 0..8 {
        io.write_all(&[b'x'; 1024]).await.expect("the element still reads and throws away");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut head = [0; 2];
    io.read_exact(&mut head).await.expect("a close frame");
    assert_eq!(head[0], 0x88);
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_limit_ends_the_link_with_1009_and_the_next_one_works() {
    let (mut rig, mut peer) = Rig::open(r#"<bs:Limits maxMessageBytes="4096"/>"#).await;
    let most = "x".repeat(4_096 - br#"{"state":""}"#.len());
    peer.value(&most);
    rig.until_text(41, &most).await;
    peer.value(&format!("{most}x"));
    assert_eq!(peer.close_code().await, 1009);
    let link = rig.until(|link| link.last_close.is_some()).await;
    let close = link.last_close.expect("it closed");
    assert!(close.by.contains("4096"), "{close:?}");
    assert_eq!((link.state, rig.text(41).await), ("backoff", most));
    rig.up().await;
}

#[tokio::test(start_paused = true)]
async fn messages_for_a_peer_that_does_not_read_are_counted_and_warned_about_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // For this thread only, on which the whole test runs.
    let _guard = tracing::subscriber::set_default(subscriber);
    let warnings = || {
        let log = log.text();
        log.lines().filter(|line| line.contains("message not sent")).count()
    };
    let mut rig = Rig::new(r#"<bs:Limits sendQueue="2"/><bs:KeepAlive pingInterval="0"/>"#);
    let (_, mut io) = rig.call().await.upgrade_raw("").await;
    let mut lost = 0;
    for episode in 1..=2 {
        for number in 0..20 {
            rig.set(37, format!("{number}{}", "x".repeat(40 << 10))).await;
            // The link's task takes what the pipe has room for.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let counters = rig.link().await.counters;
        assert!((10..=19).contains(&(counters.unsent - lost)), "{counters:?}");
        assert_eq!(warnings(), episode);
        lost = counters.unsent;
        // The peer reads again, and all is well for a while.
        let mut rest = vec![0; 1 << 20];
        while tokio::time::timeout(Duration::from_secs(1), io.read(&mut rest)).await.is_ok() {}
        for _ in 0..61 {
            rig.set(37, "small").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(rig.link().await.counters.unsent, lost);
    }
}
