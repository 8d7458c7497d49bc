//! The start: what does not load, what cannot be bound, what is not there.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::net::TcpListener;

use super::{DEFINITION, Daemon, PROGRAM, Stage, url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_element_that_does_not_load_is_shown_and_the_others_run_until_a_signal_stops_all_in_order() {
    let mut stage = Stage::new();
    let (peer, sender) = stage.sender().await;
    stage.write("good.xml", DEFINITION);
    stage.write("bad.xml", "<Protocol><Params><Param id=\"1\"/><Param id=\"1\"/></Params></Protocol>");
    let config =
        stage.settings(&[("good", "good.xml", peer), ("bad", "bad.xml", peer), ("none", "none.xml", peer)]);
    let mut daemon = Daemon::start(&config, &[]).await;
    daemon.ready_at("good", &url(peer, "x-nmos/events/ws")).await;
    for (name, reason) in [("bad", "P2002"), ("none", "none.xml")] {
        let element = daemon.element(name).await;
        assert_eq!(element["state"], "invalid");
        assert!(element["reason"].as_str().is_some_and(|text| text.contains(reason)), "{element:#}");
    }
    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    assert!(daemon.log().contains("\"to\":\"stopped\""), "{}", daemon.log());
    assert_eq!(sender.seen().opened, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_and_bad_settings_end_the_process_with_a_clear_message() {
    let stage = Stage::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address");
    let run_as = |format: &str, config: &Path| {
        let output = Command::new(PROGRAM)
            .args(["run", "--log", format, "--config"])
            .arg(config)
            .output()
            .expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let run = |config: PathBuf| run_as("human", &config);
    let in_use = stage.write("in-use.toml", &format!("[api]\nlisten = \"{address}\"\n"));
    let (code, said) = run_as("json", &in_use);
    assert_eq!(code, Some(1));
    let line: serde_json::Value = serde_json::from_str(&said).expect("one object");
    assert!(
        line["message"].as_str().is_some_and(|text| text.contains("choose another `api.listen`")),
        "{line}"
    );
    let (code, said) = run(in_use);
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("the API cannot listen on {address}")), "{said}");

    let bad = stage.write("bad.toml", "[[element]]\nnam = \"a\"\nprotocol = \"p.xml\"\n");
    let (code, said) = run(bad);
    assert_eq!(code, Some(1));
    for part in ["error[P6002]", "bad.toml:2:1", "did you mean `name`?"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let (code, said) = run(stage.path("nowhere.toml"));
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot read"), "{said}");

    // A line of the settings may hold a secret, and this is no terminal.
    let spoilt =
        "[[element]]\nname = \"a\"\nprotocol = \"p.xml\"\n[element.connection.0]\nproxy = [\"mark-proxy\"]\n";
    let spoilt = stage.write("spoilt.toml", spoilt);
    for format in ["human", "json"] {
        let (code, said) = run_as(format, &spoilt);
        assert_eq!(code, Some(1));
        assert!(said.contains("`element.connection.0.proxy` is an array"), "{said}");
        assert!(said.contains("P6003") && !said.contains("mark-proxy"), "{said}");
        let objects =
            said.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
        assert_eq!(objects, if format == "json" { 1 } else { 0 }, "{said}");
    }
}
