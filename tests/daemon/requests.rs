//! Elements that ask web servers, under the daemon: reloads, the limit of one server, and what the shell commands show.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Daemon, PROGRAM, Stage};
use crate::web::{Asked, Peer};

const DEFINITION: &str = include_str!("requests.xml");

/// Settings with an element for each name and definition, all at one server, with `more` in front.
fn settings(stage: &Stage, peer: &Peer, more: &str, elements: &[(&str, &str)]) -> PathBuf {
    let mut text = format!("{more}\n[api]\nlisten = \"127.0.0.1:0\"\n");
    for (name, definition) in elements {
        text.push_str(&format!(
            "[[element]]\nname = \"{name}\"\nprotocol = \"{definition}\"\n\
             [element.connection.0]\nhost = \"http://127.0.0.1\"\nport = {}\n\
             [element.params]\nUser = \"{name}\"\nPassword = \"hunter-2\"\n",
            peer.port
        ));
    }
    stage.write("backshell.toml", &text)
}

/// The next request at one of these paths; polls of others are answered meanwhile.
async fn next(peer: &mut Peer, paths: &[&str]) -> Asked {
    loop {
        let asked = peer.asked().await;
        if paths.contains(&asked.path.as_str()) {
            return asked;
        }
        asked.answer(200, "as ever");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_gives_old_requests_up_and_fetches_its_token_where_the_new_definition_says() {
    let stage = Stage::new();
    let mut peer = Peer::start().await;
    stage.write("a.xml", DEFINITION);
    let other = DEFINITION
        .replace("/token", "/other/token")
        .replace("/status", "/other")
        .replace("/orders", "/other/orders");
    stage.write("b.xml", &other);
    let config = settings(&stage, &peer, "", &[("a", "a.xml"), ("b", "b.xml")]);
    let daemon = Daemon::start(&config, &[]).await;
    let mine = ["/token", "/status", "/orders", "/v2/token", "/v2/status", "/v2/orders"];
    let token = |asked: Asked, token: &str| asked.answer(200, &format!(r#"{{"token":"{token}"}}"#));
    // Which of the two elements comes first is not said.
    for _ in 0..2 {
        let asked = next(&mut peer, &["/token", "/other/token"]).await;
        let name = if asked.path == "/token" { "one" } else { "other" };
        token(asked, name);
    }
    let asked = next(&mut peer, &mine).await;
    assert_eq!((asked.path.as_str(), asked.header("authorization")), ("/status", "Bearer one"));
    asked.answer(200, "before");
    daemon.until("a", "the first answer", |element| element["connections"][0]["state"] == "ready").await;
    let asked = next(&mut peer, &mine).await;
    daemon.set("a", "Order", "an order").await;
    asked.answer(200, "before");
    let asked = next(&mut peer, &mine).await;
    assert_eq!((asked.path.as_str(), asked.text().as_str()), ("/orders", "an order"));
    asked.answer(201, "");

    // In the middle of a request: the peer sees that it is given up, and then only what the new definition says.
    let held = next(&mut peer, &mine).await;
    assert_eq!(held.path, "/status");
    let before = daemon.element("b").await["connections"][0]["http"]["requests"].as_u64().unwrap();
    let renewed = DEFINITION
        .replace("\"/token", "\"/v2/token")
        .replace("\"/status", "\"/v2/status")
        .replace("\"/orders", "\"/v2/orders");
    stage.write("a.xml", &renewed);
    held.given_up().await;
    let asked = next(&mut peer, &mine).await;
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v2/token"));
    token(asked, "two");
    for _ in 0..3 {
        let asked = next(&mut peer, &mine).await;
        assert_eq!((asked.path.as_str(), asked.header("authorization")), ("/v2/status", "Bearer two"));
        let body: serde_json::Value =
            daemon.control.get(&["api", "v1", "elements", "a", "params", "Body"], &[]).await.unwrap();
        assert!(body["value"] == "before" || body["value"] == "after", "what was saved is there: {body}");
        asked.answer(200, "after");
    }
    daemon.set("a", "Order", "another").await;
    let asked = loop {
        let asked = next(&mut peer, &mine).await;
        if asked.path != "/v2/status" {
            break asked;
        }
        asked.answer(200, "after");
    };
    assert_eq!((asked.path.as_str(), asked.text().as_str()), ("/v2/orders", "another"));
    asked.answer(201, "");
    // The other element has not noticed: its token and its counts are the old ones.
    loop {
        let asked = peer.asked().await;
        let (path, bearer) = (asked.path.clone(), asked.header("authorization").to_owned());
        asked.answer(200, "as ever");
        if path == "/other" {
            assert_eq!(bearer, "Bearer other");
            break;
        }
    }
    let after = daemon.element("b").await["connections"][0]["http"]["requests"].as_u64().unwrap();
    assert!(after >= before && before >= 2, "{before} and then {after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_gets_as_many_requests_at_a_time_as_the_settings_say() {
    let stage = Stage::new();
    let mut peer = Peer::start().await;
    // Without a token: each element polls at once.
    let definition =
        DEFINITION.replace("<bs:Token", "<!-- <bs:Token").replace("$.token\"/>", "$.token\"/> -->");
    stage.write("a.xml", &definition);
    let elements = [("a", "a.xml"), ("b", "a.xml"), ("c", "a.xml")];
    let config = settings(&stage, &peer, "[http]\nper_origin = 1", &elements);
    let daemon = Daemon::start(&config, &[]).await;
    for _ in 0..6 {
        let asked = peer.asked().await;
        // The others want to poll ten times as often.
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(!peer.is_asked(), "a second request came beside the first");
        asked.answer(200, "");
    }
    let counts: Vec<u64> = {
        let mut counts = Vec::new();
        for (name, _) in elements {
            counts.push(daemon.element(name).await["connections"][0]["http"]["requests"].as_u64().unwrap());
        }
        counts
    };
    assert!(counts.iter().all(|count| *count >= 1), "each had its turn: {counts:?}");
    // A changed number holds for what is sent from then on.
    settings(&stage, &peer, "[http]\nper_origin = 2", &elements);
    let [first, second] = loop {
        let first = peer.asked().await;
        match tokio::time::timeout(Duration::from_millis(300), peer.asked()).await {
            Ok(second) => break [first, second],
            Err(_) => first.answer(200, ""),
        }
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!peer.is_asked(), "a third request came beside two");
    first.answer(200, "");
    second.answer(200, "");
}

/// Runs a shell command against a daemon, and gives its output.
fn shell(daemon: &Daemon, words: &[&str]) -> String {
    let api = daemon.control.base().to_owned();
    let output = Command::new(PROGRAM).args(words).args(["--api", &api]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shell_shows_requests_their_answers_and_no_secret() {
    let stage = Stage::new();
    let mut peer = Peer::start().await;
    stage.write("a.xml", DEFINITION);
    let config = settings(&stage, &peer, "", &[("a", "a.xml")]);
    let daemon = Daemon::start(&config, &[]).await;
    let first = peer.asked_for("POST", "/token").await;
    assert!(first.header("authorization").starts_with("Basic "));
    let mut tap = Command::new(PROGRAM)
        .args(["tap", "a", "--api", daemon.control.base()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tap.stdout.take().unwrap()).lines();
    let (line_in, mut line) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Some(Ok(text)) = lines.next() {
            let _ = line_in.send(text);
        }
    });
    // The tap is there once it shows something: refusals until then.
    first.answer(500, "not yet");
    let mut seen = Vec::new();
    while seen.is_empty() {
        tokio::select! {
            text = line.recv() => seen.extend(text),
            asked = peer.asked() => asked.answer(500, "not yet"),
        }
    }
    loop {
        let asked = peer.asked().await;
        match asked.path.as_str() {
            "/token" => asked.answer(200, r#"{"token":"s3cret-token"}"#),
            _ => {
                asked.answer_with(200, &[("x-sent", "s3cret-token")], "21.5 \u{b0}C");
                break;
            }
        }
    }
    while !seen.iter().any(|text| text.ends_with("< text 8 bytes: 21.5 \u{b0}C")) {
        seen.push(tokio::time::timeout(Duration::from_secs(20), line.recv()).await.unwrap().unwrap());
    }
    tap.kill().unwrap();
    tap.wait().unwrap();
    let all = seen.join("\n");
    for expected in [
        "> POST /token",
        "> Authorization: ***",
        "< HTTP/1.1 200 OK",
        "> GET /status",
        "> Authorization: Bearer ***",
        "< x-sent: ***",
    ] {
        assert!(seen.iter().any(|text| text.ends_with(expected)), "{expected} is not in\n{all}");
    }
    for secret in ["s3cret-token", "hunter-2"] {
        assert!(!all.contains(secret), "{secret} is in\n{all}");
    }

    let explained = shell(&daemon, &["explain", "a"]);
    let place = format!("connect to 127.0.0.1:{} (http)", peer.port);
    let lines: Vec<String> =
        explained.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "connection 0, session 1 \"Token\", request 1:".to_owned(),
        format!("{place} <- settings"),
        "POST /token <- definition".to_owned(),
        format!("Host: 127.0.0.1:{} <- settings", peer.port),
        "Authorization: *** <- parameter 13 \"User\", parameter 14 \"Password\"".to_owned(),
        "connection 0, session 2 \"Poll\", request 1:".to_owned(),
        format!("{place} <- settings"),
        "GET /status <- definition".to_owned(),
        format!("Host: 127.0.0.1:{} <- settings", peer.port),
        "Authorization: Bearer *** <- parameter 12 \"Token\"".to_owned(),
    ];
    for expected in expected {
        assert!(lines.contains(&expected), "{expected} is not in\n{explained}");
    }
    let listed = shell(&daemon, &["elements"]);
    assert!(listed.contains("0 http Rest  ready"), "{listed}");
    assert!(listed.contains(&format!("http://127.0.0.1:{}", peer.port)), "{listed}");
}
