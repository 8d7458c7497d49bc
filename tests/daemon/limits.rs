//! The limit of open files: raised as far as it goes, warned about where that is too low, survived where it is reached.
#![cfg(target_os = "linux")]

use serde_json::Value;

use super::{DEFINITION, Daemon, Stage, url};

const LOW: &str = "the hard limit of open files is too low for these elements: raise it (`ulimit -Hn`, systemd: `LimitNOFILE=`)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_soft_limit_is_raised_and_a_low_hard_one_is_warned_about() {
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("a", "p.xml", peer)]);
    for (limit, raised, warned) in [("64:4096", "4096", false), ("64:64", "64", true)] {
        let daemon = Daemon::start_under(&["prlimit", &format!("--nofile={limit}")], &config, &[]).await;
        daemon.ready_at("a", &url(peer, "x-nmos/events/ws")).await;
        let limits =
            std::fs::read_to_string(format!("/proc/{}/limits", daemon.process.id())).expect("it runs");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
        assert_eq!(line.split_whitespace().nth(3), Some(raised), "{line}");
        let warning = daemon.line(LOW);
        assert_eq!(warning.is_some(), warned, "{warning:?}");
        if let Some(warning) = warning {
            assert_eq!(
                (&warning["level"], &warning["limit"], &warning["elements"]),
                (&"WARN".into(), &64.into(), &1.into())
            );
        }
    }
}

/// More links than descriptors: those that have one work, the others say why not, and the API goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_out_of_descriptors_is_told_and_survived() {
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let names: Vec<String> = (0..60).map(|number| format!("e{number}")).collect();
    let elements: Vec<_> = names.iter().map(|name| (name.as_str(), "p.xml", peer)).collect();
    let config = stage.settings(&elements);
    let mut daemon = Daemon::start_under(&["prlimit", "--nofile=64:64"], &config, &[]).await;
    // The sender takes 64, so it is the descriptors that are scarce.
    daemon.until_logged("this process has no file descriptor left: raise its limit").await;
    // The API keeps a few for itself.
    for _ in 0..20 {
        assert_eq!(daemon.health("readyz").await["status"], "ready");
    }
    let elements: Vec<Value> =
        daemon.control.get(&["api", "v1", "elements"], &[]).await.expect("the API answers");
    let ready = elements.iter().filter(|element| element["connections"][0]["state"] == "ready").count();
    assert!((20..60).contains(&ready), "{ready} links are ready");
    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
}
