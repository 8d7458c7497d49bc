//! What an element does with its link, its store and its end.

use super::*;
use crate::element::queue;
use crate::engine::link::status::Epoch;

#[tokio::test(start_paused = true)]
async fn every_link_begins_with_the_work_of_its_opening() {
    let (mut rig, peer) = Rig::open("").await;
    drop(peer);
    // `up` reads the subscription.
    rig.up().await;
    rig.up().await;
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_has_no_answer_is_tried_again_and_one_after_a_drop_runs_on_the_new_link() {
    let (mut rig, mut peer) = Rig::open("").await;
    rig.set(31, 1.0).await;
    assert_eq!(peer.message().await, "ask");
    drop(peer);
    let mut peer = rig.up().await;
    assert_eq!(peer.message().await, "ask");
    peer.send(r#"{"answer":"yes"}"#);
    rig.until_text(42, "yes").await;
    assert_eq!(rig.text(36).await, "1", "a drop ends the try that was under way");
}

#[tokio::test(start_paused = true)]
async fn a_stop_says_goodbye_closes_with_1001_and_ends_the_task() {
    let (mut rig, mut peer) = Rig::open("").await;
    let handle = rig.handle.clone();
    rig.stop.cancel();
    assert_eq!(peer.message().await, "bye");
    assert_eq!(peer.close_code().await, 1001);
    rig.ended().await;
    assert_eq!(handle.status().state, ElementState::Stopped);
    assert_eq!(link_of(&handle.status()).state, "stopped");
    assert_eq!(rig.try_set(8, "/x").await, Err(SetError::NotRunning));
}

/// A stop takes at least and at most so many milliseconds.
async fn check_stop(mut rig: Rig, what: &str, took: std::ops::RangeInclusive<u128>) {
    let began = Moment::now();
    rig.stop.cancel();
    rig.ended().await;
    let elapsed = began.elapsed().as_millis();
    assert!(took.contains(&elapsed), "{what}: {elapsed} ms");
    assert_eq!(link_of(&rig.handle.status()).state, "stopped", "{what}");
    if let Ok(call) = rig.calls.try_recv() {
        panic!("{what}: {} was called", call.address);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_bounded_whatever_the_link_does() {
    // The peer does not answer the close.
    let mut rig = Rig::new(r#"<bs:Reconnect closeTimeout="400"/>"#);
    let (_, mut dead) = rig.call().await.upgrade_raw("").await;
    rig.until_state("ready").await;
    check_stop(rig, "a dead peer", 400..=410).await;
    for expected in ["subscribe", "bye"] {
        assert_eq!(read_frame(&mut dead).await, (1, expected.as_bytes().to_vec()));
    }
    assert_eq!(read_frame(&mut dead).await, (8, 1001_u16.to_be_bytes().to_vec()));

    // What is to be said at the end never comes to an end.
    let mut rig = Rig::start(Given { params: &[(12, "ask at the end")], ..Given::default() });
    let _peer = rig.up().await;
    check_stop(rig, "work without end", 3_000..=3_010).await;

    // Without a link there is nobody to say goodbye to.
    let mut rig = Rig::new("");
    let mut call = rig.call().await;
    call.head().await;
    check_stop(rig, "a dial", 0..=10).await;
    assert_eq!(call.io.read(&mut [0]).await.expect("a pipe"), 0, "its socket is closed");

    let mut rig = Rig::new("");
    rig.call().await.refuse("503 Service Unavailable", "", "").await;
    rig.until_state("backoff").await;
    check_stop(rig, "a back-off", 0..=10).await;

    let mut rig = Rig::new("");
    rig.call().await.refuse("403 Forbidden", "", "").await;
    rig.until_state("rejected").await;
    check_stop(rig, "a refusal", 0..=10).await;

    let rig = Rig::start(Given { host: "", ..Given::default() });
    rig.until_state("idle").await;
    check_stop(rig, "no address", 0..=10).await;

    // Already closing, for a move, when the stop comes.
    let mut rig = Rig::new(r#"<bs:Reconnect window="0" closeTimeout="400"/>"#);
    let (_, _dead) = rig.call().await.upgrade_raw("").await;
    rig.until_state("ready").await;
    rig.set(8, "/b").await;
    rig.until_state("closing").await;
    check_stop(rig, "a move", 390..=410).await;
}

/// A store below a folder; its tasks are stopped after those that save.
fn store(folder: &std::path::Path) -> (Tasks, Store) {
    let mut below = Tasks::new(&CancellationToken::new());
    let store = Store::start(&mut below, folder, Wall(EPOCH));
    (below, store)
}

#[tokio::test(start_paused = true)]
async fn a_set_answers_after_its_saves_and_the_value_is_there_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    for wanted in ["", "kept"] {
        let (mut below, store) = store(folder.path());
        let mut rig = Rig::start(Given { store: Some(store), ..Given::default() });
        let _peer = rig.up().await;
        assert_eq!(rig.text(13).await, wanted);
        assert_eq!(rig.try_set(13, "kept").await, Ok(SetDone { not_saved: None }));
        rig.stop.cancel();
        rig.ended().await;
        assert_eq!(below.stop(Duration::from_secs(20)).await, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_cannot_be_saved_says_why_and_holds_all_the_same() {
    let (rig, _peer) = Rig::open("").await;
    let done = rig.try_set(13, "v").await.expect("it is set");
    assert_eq!(done.not_saved.as_deref(), Some("there is no store"));
    assert_eq!(rig.text(13).await, "v");
    // Nothing of this one is saved: there is nothing to complain about.
    assert_eq!(rig.try_set(12, "v").await, Ok(SetDone { not_saved: None }));
}

#[tokio::test(start_paused = true)]
async fn watchers_that_have_gone_leave_nothing_behind() {
    let (requests_in, requests) = mpsc::channel(REQUEST_QUEUE);
    drop(requests_in);
    let gate = Gate::new(Given::default().budget);
    let (calls_in, _calls) = mpsc::unbounded_channel();
    let dials = Environment { connector: Arc::new(Net(calls_in)), system_proxy: System::read(|_| None) };
    let clock = Clock::at(Wall(0), 1);
    let services = Services {
        gate,
        store: None,
        dials,
        http: Http::default(),
        scripts: Default::default(),
        clock,
        witness: None,
    };
    let mut driver = Driver::new(Arc::new(spec(&protocol(""), "", &[])), services, requests);
    for _ in 0..100 {
        let (reply, answer) = tokio::sync::oneshot::channel();
        driver.serve(Request::Subscribe(reply));
        drop(answer);
        let (reply, answer) = tokio::sync::oneshot::channel();
        driver.serve(Request::Subscribe(reply));
        drop(answer.await.expect("it answers"));
        let (events, _) = queue::channel(1, 1);
        driver.serve(Request::Tap(events));
    }
    assert!(driver.subscribers.len() <= 1 && driver.taps.len() <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_saved_path_and_a_saved_address_establish_the_link_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    for (address, path) in [("10.0.0.1:80", "/a"), ("10.0.0.9:8099", "/saved/path")] {
        let (mut below, store) = store(folder.path());
        let mut rig = Rig::start(Given { store: Some(store), ..Given::default() });
        // The very first dial goes there.
        let peer = rig.up().await;
        assert_eq!((peer.address.to_string().as_str(), peer.path()), (address, path));
        assert_eq!(rig.until_state("ready").await.epoch, 1);
        for (id, value) in [(58, "saved/path"), (10, "ws://10.0.0.9:8099")] {
            assert_eq!(rig.try_set(id, value).await, Ok(SetDone { not_saved: None }));
        }
        rig.stop.cancel();
        rig.ended().await;
        assert_eq!(below.stop(Duration::from_secs(20)).await, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_saved_parameter_that_was_emptied_stays_empty_though_its_setting_has_a_value() {
    let folder = tempfile::tempdir().expect("a folder");
    for (setting, starts_with, then) in [
        ("set", "set", Value::Empty),
        // The same setting: the emptied one stands, at every further start.
        ("set", "", Value::Empty),
        ("set", "", "by hand".into()),
        ("set", "by hand", Value::Empty),
        // Another setting wins.
        ("another", "another", Value::Empty),
    ] {
        let (mut below, store) = store(folder.path());
        let mut rig = Rig::start(Given { store: Some(store), params: &[(13, setting)], ..Given::default() });
        assert_eq!(rig.text(13).await, starts_with);
        assert_eq!(rig.try_set(13, then).await, Ok(SetDone { not_saved: None }));
        rig.stop.cancel();
        rig.ended().await;
        assert_eq!(below.stop(Duration::from_secs(20)).await, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_named_in_the_answer_and_never_stops_the_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a file where the folder should be");
    std::fs::write(&file, "").expect("written");
    let (_below, store) = store(&file);
    let mut rig = Rig::start(Given { store: Some(store), ..Given::default() });
    let mut peer = rig.up().await;
    let done = rig.try_set(13, "v").await.expect("it is set");
    let reason = done.not_saved.expect("it cannot be saved");
    assert!(reason.starts_with("the store is down: "), "{reason}");
    assert_eq!(rig.text(13).await, "v");
    peer.value("works");
    rig.until_text(41, "works").await;
    let done = rig.try_set(8, "/b").await.expect("it is set");
    assert!(done.not_saved.is_some());
    assert_eq!(peer.close_code().await, 1000);
    assert_eq!(rig.up().await.path(), "/b");
}

#[tokio::test(start_paused = true)]
async fn values_that_cannot_be_read_are_not_replaced_by_the_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backshell.db");
    let run = async |params: &[(i32, &str)], expected: &str| {
        let (mut below, store) = store(folder.path());
        let mut rig = Rig::start(Given { store: Some(store), params, ..Given::default() });
        let mut peer = rig.call().await.upgrade("").await;
        assert_eq!(peer.path(), expected);
        assert_eq!(peer.message().await, "subscribe");
        if params.is_empty() {
            assert_eq!(rig.try_set(8, "/saved").await, Ok(SetDone { not_saved: None }));
        }
        rig.stop.cancel();
        rig.ended().await;
        assert_eq!(below.stop(Duration::from_secs(20)).await, Vec::<String>::new());
    };
    run(&[], "/a").await;
    let aside = folder.path().join("aside");
    std::fs::rename(&file, &aside).expect("it is there");
    // Nobody can read a folder as a file, and it is no damage that could be set aside.
    std::fs::create_dir(&file).expect("made");
    run(&[(8, "/settings")], "/settings").await;
    std::fs::remove_dir(&file).expect("still empty");
    std::fs::rename(&aside, &file).expect("still there");
    run(&[], "/saved").await;
}

#[tokio::test(start_paused = true)]
async fn saved_values_are_read_when_the_store_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backshell.db");
    let (mut below, first) = store(folder.path());
    let element: Arc<str> = Arc::from("tested");
    for id in [8, 13] {
        let saved = first.save(&element, vec![crate::store::Write::param(id, "/saved".into())]);
        crate::store::acknowledged(saved).await.expect("saved");
    }
    below.stop(Duration::from_secs(20)).await;
    let aside = folder.path().join("aside");
    std::fs::rename(&file, &aside).expect("it is there");
    std::fs::create_dir(&file).expect("made");

    let (mut below, store) = store(folder.path());
    let mut rig = Rig::start(Given { store: Some(store), ..Given::default() });
    let mut peer = rig.up().await;
    assert_eq!(peer.path(), "/a");
    // What somebody sets meanwhile holds.
    let done = rig.try_set(13, "by hand").await.expect("it is set");
    assert!(done.not_saved.is_some());
    std::fs::remove_dir(&file).expect("still empty");
    std::fs::rename(&aside, &file).expect("still there");
    // The link moves to what was saved.
    assert_eq!(peer.close_code().await, 1000);
    let mut peer = rig.up().await;
    assert_eq!(peer.path(), "/saved");
    assert_eq!(rig.text(13).await, "by hand");
    assert_eq!(rig.try_set(8, "/b").await, Ok(SetDone { not_saved: None }));
    assert_eq!(peer.close_code().await, 1000);
    rig.stop.cancel();
    rig.ended().await;
    assert_eq!(below.stop(Duration::from_secs(20)).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_set_that_waits_for_its_save_at_the_stop_is_answered_by_what_became_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_below, store) = store(folder.path());
    let mut rig = Rig::start(Given { store: Some(store), ..Given::default() });
    let _peer = rig.up().await;
    let stop = rig.stop.clone();
    let set = rig.try_set(13, "last");
    let (done, ()) = tokio::join!(set, async move { stop.cancel() });
    assert_eq!(done, Ok(SetDone { not_saved: None }));
    rig.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_noisy_connection_does_not_hold_up_the_others() {
    let ctx = Clock::at(Wall(EPOCH), 1).context(1);
    let mut tasks = Tasks::new(&CancellationToken::new());
    let mut ends = Vec::new();
    let mut slots = Vec::new();
    for index in 0..3 {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (inbox, outbox, link) = Setup::new(near, Role::Client).open();
        let abort = tasks.spawn("link", |stop| async move { drop(link.run(stop).await) });
        let nowhere: Arc<str> = Arc::from("");
        let socket = slot::Socket {
            epoch: Epoch(1),
            counters: inbox.counters(),
            inbox,
            outbox,
            abort: Some(abort),
            target: nowhere.clone(),
            peer: nowhere,
            subprotocol: None,
            extensions: None,
            opening: (ctx.now, Vec::new()),
            was_up: true,
            captured: crate::engine::codec::Gathered::default(),
            events: Vec::new(),
        };
        let life = slot::Life {
            link: link::Link::new(&ctx, link::policy::Policy::default()),
            ticket: None,
            preparing: None,
            dial: None,
            sockets: vec![socket],
            epoch: 1,
            target: None,
            peer: None,
            last_close: None,
            last_failure: None,
            past: Default::default(),
            last_unsent: None,
        };
        let connection = ConnectionIx::new(index).expect("small");
        slots.push(Slot { connection, life: Some(Box::new(life)), web: None, web_state: "idle" });
        ends.push(far);
    }
    // Each time before the driver looks, every peer has sent something.
    let mut first = 0;
    let mut seen = Vec::new();
    for _ in 0..6 {
        for end in &mut ends {
            write_frame(end, 1, b"x").await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        seen.push(poll_fn(|cx| slot::poll(&mut slots, &mut first, cx)).await.0);
    }
    assert_eq!(seen, [0, 1, 2, 0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_set_says_that_a_setting_from_outside_wins_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let (mut below, store) = store(folder.path());
        let params = [(8, "/outside"), (12, "plain")];
        let given = Given { params: &params, external: &[8, 12], store: Some(store), ..Given::default() };
        let mut rig = Rig::start(given);
        assert_eq!(rig.up().await.path(), "/outside", "also after the set of the life before");
        let reason = "the setting of parameter 8 comes from outside and wins at the next start";
        // By itself, and by the parameter that sets it.
        for id in [8, 58] {
            let done = rig.try_set(id, format!("/set-by-{id}")).await;
            assert_eq!(done, Ok(SetDone { not_saved: Some(reason.to_owned()) }));
        }
        // The definition does not save the one, and saves the other.
        for id in [12, 13] {
            assert_eq!(rig.try_set(id, "v").await, Ok(SetDone { not_saved: None }));
        }
        rig.stop.cancel();
        rig.ended().await;
        below.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_action_read_file_reads_below_its_folder_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("in");
    std::fs::create_dir(&inside).expect("made");
    std::fs::write(inside.join("a.txt"), "within").expect("written");
    std::fs::write(folder.path().join("b.txt"), "outside").expect("written");
    let mut rig = Rig::start(Given { files: Some(inside), ..Given::default() });
    let _peer = rig.up().await;
    rig.set(45, "a.txt").await;
    rig.until_text(46, "within").await;
    for other in ["../b.txt", "missing"] {
        rig.set(45, other).await;
        // Virtual time stands still while a file is being read.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(rig.text(46).await, "within");
    }
    rig.stop.cancel();
    rig.ended().await;
    // Without a folder nothing is read.
    let mut rig = Rig::new("");
    let _peer = rig.up().await;
    rig.set(45, "Cargo.toml").await;
    assert_eq!(rig.text(46).await, "");
}
