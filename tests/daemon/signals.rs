//! Signals, exit codes, and what systemd is told.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use backshell::scenario::is07::Mode;

use super::{DEFINITION, Daemon, Stage, url};

/// Systemd's end of the notification socket.
struct Systemd(UnixDatagram);

impl Systemd {
    fn new(stage: &Stage) -> (Self, String) {
        let path = stage.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(15))).expect("it is set");
        (Self(socket), path.to_string_lossy().into_owned())
    }

    /// The next message that does not only carry a status line; the status lines that came before it.
    fn next(&self) -> (String, Vec<String>) {
        let mut status = Vec::new();
        let mut bytes = [0; 4_096];
        loop {
            let length = self.0.recv(&mut bytes).expect("it is told in time");
            let text = String::from_utf8_lossy(&bytes[..length]).trim_end().to_owned();
            match text.strip_prefix("STATUS=") {
                Some(line) => status.push(line.to_owned()),
                None => return (text, status),
            }
        }
    }

    /// What has been told and not read yet, status lines left out.
    fn rest(&self) -> Vec<String> {
        self.0.set_nonblocking(true).expect("it is set");
        let mut bytes = [0; 4_096];
        let told = std::iter::from_fn(|| {
            self.0.recv(&mut bytes).ok().map(|length| String::from_utf8_lossy(&bytes[..length]).into_owned())
        });
        told.filter(|text| !text.starts_with("STATUS=")).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_is_told_of_the_start_reloads_and_the_stop() {
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("a", "p.xml", peer), ("none", "none.xml", peer)]);
    let (systemd, path) = Systemd::new(&stage);
    let mut daemon = Daemon::start(&config, &[("NOTIFY_SOCKET", &path)]).await;
    let mut status = Vec::new();
    let mut next = || {
        let (text, lines) = systemd.next();
        status.extend(lines);
        text
    };
    assert_eq!(next(), "READY=1");
    for _ in 0..2 {
        daemon.signal("-HUP");
        let reloading = next();
        let time =
            reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{reloading}"));
        assert!(time.parse::<u64>().is_ok_and(|time| time > 0), "{reloading}");
        assert_eq!(next(), "READY=1");
    }
    daemon.signal("-TERM");
    assert_eq!(next(), "STOPPING=1");
    assert_eq!(daemon.ended().await, Some(0));
    assert!(status.iter().any(|line| line.starts_with("2 elements, 1 invalid, 1 running")), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_during_a_reload_is_the_last_word() {
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("a", "p.xml", peer), ("b", "p.xml", peer)]);
    let (systemd, path) = Systemd::new(&stage);
    let mut daemon = Daemon::start(&config, &[("NOTIFY_SOCKET", &path)]).await;
    assert_eq!(systemd.next().0, "READY=1");
    // Settings that end an element are looked at twice, a second apart: the reload takes that long.
    stage.settings(&[("a", "p.xml", peer)]);
    daemon.signal("-HUP");
    assert!(systemd.next().0.starts_with("RELOADING=1"));
    daemon.signal("-TERM");
    assert_eq!(systemd.next().0, "STOPPING=1");
    daemon.signal("-HUP");
    assert_eq!(daemon.ended().await, Some(0));
    assert_eq!(systemd.rest(), Vec::<String>::new());
    assert!(!daemon.log().contains("have been read anew"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_is_gone_stops_nothing() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("a", "p.xml", "127.0.0.1:9".parse().expect("an address"))]);
    let gone = stage.path("gone").to_string_lossy().into_owned();
    let mut daemon = Daemon::start(&config, &[("NOTIFY_SOCKET", &gone)]).await;
    daemon.until_logged("systemd could not be told").await;
    daemon.signal("-INT");
    assert_eq!(daemon.ended().await, Some(0));
    assert_eq!(daemon.log().matches("systemd could not be told").count(), 1, "it is said once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once_with_status_1() {
    let mut stage = Stage::new();
    let (peer, sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("a", "p.xml", peer)]);
    stage.add("reconnect = { close_timeout_ms = 60000 }");
    let mut daemon = Daemon::start(&config, &[]).await;
    daemon.ready_at("a", &url(peer, "x-nmos/events/ws")).await;
    sender.set_mode(Mode::Silent);
    for signal in ["-TERM", "-INT"] {
        let asked = Instant::now();
        daemon.signal(signal);
        if signal == "-TERM" {
            daemon.until_logged("a second signal ends at once").await;
            daemon.until("a", "the close", |element| element["connections"][0]["state"] == "closing").await;
            assert_eq!(daemon.process.try_wait().expect("a child"), None, "it did not wait for the close");
        } else {
            assert_eq!(daemon.ended().await, Some(1));
            assert!(asked.elapsed() < Duration::from_secs(5));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_closes_holds_up_the_stop_for_the_grace_period_only() {
    let mut stage = Stage::new();
    let (peer, sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("a", "p.xml", peer)]);
    stage.add("reconnect = { close_timeout_ms = 60000 }");
    let text = std::fs::read_to_string(&config).expect("it was written");
    stage.write("backshell.toml", &format!("grace_ms = 300\n{text}"));
    let mut daemon = Daemon::start(&config, &[]).await;
    daemon.ready_at("a", &url(peer, "x-nmos/events/ws")).await;
    sender.set_mode(Mode::Silent);
    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    assert!(
        daemon.line("did not end within its time; aborted").is_some_and(|line| line["task"] == "element a")
    );
}
