//! The store of a running daemon: a kill, a disk that takes nothing, a folder that cannot be used, a damaged file.

use serde_json::{Value, json};

use super::{DEFINITION, Daemon, SECOND, Stage, since, url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_comes_back_to_the_saved_path_and_the_saved_address() {
    let mut stage = Stage::new();
    let (first, _sender) = stage.sender().await;
    let (other, _other_sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("studio", "p.xml", first)]);
    let mut daemon = Daemon::start(&config, &[]).await;
    daemon.ready_at("studio", &url(first, "x-nmos/events/ws")).await;
    daemon.set("studio", "WebsocketUrl", SECOND).await;
    daemon.set("studio", "Address", &format!("ws://{other}")).await;
    daemon.process.kill().expect("kill -9");
    drop(daemon);
    let daemon = Daemon::start(&config, &[]).await;
    daemon.ready_at("studio", &url(other, SECOND)).await;
}

async fn put(daemon: &Daemon, value: &str) -> Value {
    let path = ["api", "v1", "elements", "studio", "params", "Address"];
    daemon.control.put(&path, &json!({ "value": value })).await.expect("it is set")
}

/// The system's limit of a file's size stands for a disk that is full: nothing more can be written, and then it can again.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_nothing_stops_no_link_and_is_told_until_it_takes_again() {
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("studio", "p.xml", peer)]);
    // Else the signal of that limit ends the process.
    let daemon = Daemon::start_under(&["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"], &config, &[]).await;
    let target = url(peer, "x-nmos/events/ws");
    daemon.ready_at("studio", &target).await;
    assert_eq!(daemon.until_store(|store| store == "ok").await["storeSetAside"], Value::Null);
    assert_eq!(daemon.element("studio").await["store"], Value::Null);
    let limit = |bytes: &str| {
        let pid = daemon.process.id().to_string();
        let status =
            std::process::Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}")]).status();
        assert!(status.expect("prlimit runs").success());
    };

    limit("0:unlimited");
    let path = ["api", "v1", "elements", "studio", "params", "WebsocketUrl"];
    let done: Value = daemon.control.put(&path, &json!({ "value": SECOND })).await.expect("it is set");
    assert_eq!(done["saved"], false);
    let reason = done["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.starts_with("the store is down: cannot use"), "{reason}");
    let health = daemon.until_store(|store| store != "ok").await;
    assert!(reason.ends_with(health["store"].as_str().expect("a text")), "{reason}: {health}");
    assert_eq!(daemon.health("readyz").await["status"], "ready");
    let moved = daemon.ready_at("studio", &url(peer, SECOND)).await;
    assert_eq!(moved["store"], health["store"]);
    assert!(daemon.log().contains("the store is down; links go on without it"));

    limit("unlimited:unlimited");
    daemon.until_store(|store| store == "ok").await;
    daemon.until_logged("the store is back").await;
    daemon.set("studio", "WebsocketUrl", SECOND).await;
    let after = daemon.element("studio").await;
    assert_eq!((since(&after), &after["store"]), (since(&moved), &Value::Null), "the link was touched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_used_stops_no_link_and_is_tried_again() {
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    stage.write("data", "a file where the folder should be");
    let config = stage.settings(&[("studio", "p.xml", peer)]);
    let daemon = Daemon::start(&config, &[]).await;
    daemon.ready_at("studio", &url(peer, "x-nmos/events/ws")).await;
    daemon.until_store(|store| store.starts_with("cannot create")).await;
    let done = put(&daemon, &format!("ws://{peer}")).await;
    assert_eq!(done["saved"], false);
    let moved = |element: &Value| {
        element["connections"][0]["epoch"] == 2 && element["connections"][0]["state"] == "ready"
    };
    let before = daemon.until("studio", "the move", moved).await;
    std::fs::remove_file(stage.path("data")).expect("it was there");
    daemon.until_store(|store| store == "ok").await;
    // The address that it has: the link stays where it is.
    daemon.set("studio", "Address", &format!("ws://{peer}")).await;
    assert_eq!(since(&daemon.element("studio").await), since(&before), "the link was touched");
}

/// Access rights do not bind root, so the daemon runs as nobody where the tests run as root.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_read_only_stops_no_link() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    std::fs::create_dir(stage.path("data")).expect("a folder");
    let config = stage.settings(&[("studio", "p.xml", peer)]);
    let rights = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    let is_root = std::fs::metadata(stage.path("data")).expect("there").uid() == 0;
    rights(stage.folder.path(), 0o755);
    rights(&stage.path("data"), 0o555);
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let daemon = Daemon::start_under(if is_root { &nobody } else { &[] }, &config, &[]).await;
    daemon.ready_at("studio", &url(peer, "x-nmos/events/ws")).await;
    let health = daemon.until_store(|store| store != "ok" && store != "the store is being opened").await;
    assert!(health["store"].as_str().is_some_and(|why| why.contains("Permission denied")), "{health}");
    assert_eq!(put(&daemon, &format!("ws://{peer}")).await["saved"], false);
    rights(&stage.path("data"), 0o777);
    daemon.until_store(|store| store == "ok").await;
    daemon.set("studio", "Address", &format!("ws://{peer}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_set_aside_and_told() {
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    std::fs::create_dir(stage.path("data")).expect("a folder");
    std::fs::write(stage.path("data/backshell.db"), "x".repeat(8_192)).expect("it is written");
    let config = stage.settings(&[("studio", "p.xml", peer)]);
    let daemon = Daemon::start(&config, &[]).await;
    daemon.ready_at("studio", &url(peer, "x-nmos/events/ws")).await;
    let health = daemon.until_store(|store| store == "ok").await;
    let aside = health["storeSetAside"].as_str().expect("it is told");
    assert_eq!(std::fs::read(aside).expect("it is there"), vec![b'x'; 8_192]);
    assert!(daemon.log().contains("the store was damaged; set aside"));
    daemon.set("studio", "Address", &format!("ws://{peer}")).await;
}
