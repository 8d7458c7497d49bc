//! `backshell run` as an operator runs it: the program over real sockets, killed, reloaded, stopped; no fixed waits.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backshell::scenario::is07;
use backshell::tasks::Tasks;
use backshell::transport::control::Control;
use backshell::value::Wall;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const PROGRAM: &str = env!("CARGO_BIN_EXE_backshell");
const DEFINITION: &str = include_str!("../protocols/nmos-is07-events/protocol.xml");
const SECOND: &str = "x-nmos/events/second";

/// A running daemon; killed at the end.
struct Daemon {
    process: Child,
    log: Arc<Mutex<String>>,
    control: Control,
}

impl Daemon {
    /// Starts one and waits until it listens.
    async fn start(config: &Path, env: &[(&str, &str)]) -> Self {
        let mut process = Command::new(PROGRAM)
            .args(["run", "--log", "json", "--log-level", "debug,hyper=off", "--config"])
            .arg(config)
            .envs(env.iter().copied())
            .env_remove("NOTIFY_SOCKET")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let (address_in, address) = tokio::sync::oneshot::channel();
        let sink = log.clone();
        std::thread::spawn(move || {
            let mut address_in = Some(address_in);
            for line in lines.map_while(Result::ok) {
                let value: Value = serde_json::from_str(&line).unwrap_or_default();
                if value["message"] == "backshell is running"
                    && let Some(sender) = address_in.take()
                {
                    let _ = sender.send(value["address"].as_str().unwrap_or_default().to_owned());
                }
                let mut log = sink.lock().expect("whole");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address =
            tokio::time::timeout(Duration::from_secs(30), address).await.expect("it starts in time");
        let address = address.unwrap_or_else(|_| panic!("it ended: {}", log.lock().expect("whole")));
        let control = Control::new(&format!("http://{address}")).expect("an address");
        Self { process, log, control }
    }

    async fn element(&self, name: &str) -> Value {
        self.control.get(&["api", "v1", "elements", name], &[]).await.expect("the API answers")
    }

    /// Waits until an element is as asked, and gives it.
    async fn until(&self, name: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1_500 {
            // An element that is added is not there at once.
            let element = self.control.get::<Value>(&["api", "v1", "elements", name], &[]).await;
            if let Ok(element) = element
                && fits(&element)
            {
                return element;
            }
            // Polling: there is nothing to wait for in another process.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{name}: {what} did not happen: {:#}\n{}", self.element(name).await, self.log());
    }

    async fn ready_at(&self, name: &str, target: &str) -> Value {
        self.until(name, target, |element| {
            let link = &element["connections"][0];
            link["state"] == "ready" && link["target"] == target
        })
        .await
    }

    async fn until_logged(&self, text: &str) {
        for _ in 0..1_500 {
            if self.log().contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("`{text}` was not logged: {}", self.log());
    }

    fn log(&self) -> String {
        self.log.lock().expect("whole").clone()
    }

    async fn set(&self, element: &str, param: &str, value: &str) {
        let path = ["api", "v1", "elements", element, "params", param];
        let done: Value = self.control.put(&path, &json!({ "value": value })).await.expect("it is set");
        assert_eq!(done, json!({ "saved": true }));
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.process.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end, and gives the exit code.
    async fn ended(&mut self) -> Option<i32> {
        for _ in 0..1_500 {
            if let Some(status) = self.process.try_wait().expect("a child") {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not end: {}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder with settings and definitions, and senders to talk to.
struct Stage {
    folder: tempfile::TempDir,
    tasks: Tasks,
}

impl Stage {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), tasks: Tasks::new(&CancellationToken::new()) }
    }

    async fn sender(&mut self) -> (SocketAddr, is07::Control) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut options = is07::Options::new(Wall(1_700_000_000_000_000_000));
        options.paths.push(format!("/{SECOND}"));
        (address, is07::start(listener, options, &mut self.tasks))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        // As editors do: a new file takes the old one's place.
        let fresh = self.path(&format!(".{name}.new"));
        std::fs::write(&fresh, text).expect("it is written");
        std::fs::rename(&fresh, &path).expect("it is renamed");
        path
    }

    /// Settings with an element for each name, definition and peer.
    fn settings(&self, elements: &[(&str, &str, SocketAddr)]) -> PathBuf {
        let mut text = "[api]\nlisten = \"127.0.0.1:0\"\n".to_owned();
        for (name, definition, peer) in elements {
            text.push_str(&format!(
                "[[element]]\nname = \"{name}\"\nprotocol = \"{definition}\"\n\
                 [element.connection.0]\nhost = \"ws://{}\"\nport = {}\n",
                peer.ip(),
                peer.port()
            ));
        }
        self.write("backshell.toml", &text)
    }
}

fn url(peer: SocketAddr, path: &str) -> String {
    format!("ws://{peer}/{path}")
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_touches_only_what_changed_and_a_broken_file_changes_nothing() {
    let mut stage = Stage::new();
    let (peer, sender) = stage.sender().await;
    stage.write("a.xml", DEFINITION);
    stage.write("b.xml", DEFINITION);
    let config = stage.settings(&[("a", "a.xml", peer), ("b", "b.xml", peer)]);
    let daemon = Daemon::start(&config, &[]).await;
    let target = url(peer, "x-nmos/events/ws");
    let a = daemon.ready_at("a", &target).await;
    let b = daemon.ready_at("b", &target).await;
    let since = |element: &Value| element["connections"][0]["since"].as_str().unwrap_or_default().to_owned();

    // A changed definition restarts its own elements.
    stage.write("a.xml", &DEFINITION.replace("<Version>1.0.0.1<", "<Version>1.0.0.2<"));
    let fresh = daemon
        .until("a", "the new version", |element| {
            element["version"] == "1.0.0.2" && element["connections"][0]["state"] == "ready"
        })
        .await;
    assert_ne!(since(&fresh), since(&a));
    assert_eq!(since(&daemon.element("b").await), since(&b), "b was touched");

    // A broken definition, broken settings and settings that are gone leave what runs as it is.
    stage.write("a.xml", "<Protocol><Name>");
    daemon.until_logged("definition is not applied").await;
    stage.write("backshell.toml", "[[element]]\nnam = 1\n");
    daemon.until_logged("settings are not applied").await;
    std::fs::remove_file(&config).expect("it was there");
    daemon.until_logged("cannot read file").await;
    for (name, before) in [("a", &fresh), ("b", &b)] {
        assert_eq!(since(&daemon.element(name).await), since(before), "{name} was touched");
    }

    // An element that is removed closes in order, one that is added starts.
    stage.write("a.xml", DEFINITION);
    stage.settings(&[("b", "b.xml", peer), ("c", "b.xml", peer)]);
    daemon.signal("-HUP");
    daemon.ready_at("c", &target).await;
    daemon.until_logged("element removed").await;
    assert_eq!(since(&daemon.element("b").await), since(&b), "b was touched");
    let mut seen = sender.watch();
    let two_links =
        tokio::time::timeout(Duration::from_secs(10), seen.wait_for(|seen| seen.links == 2)).await;
    assert!(two_links.is_ok(), "{:?}", sender.seen());
}

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
async fn a_secret_is_in_no_log_no_answer_and_no_file() {
    const SECRET: &str = "hunter2-correct-horse";
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    let header = "<Header key=\"Sec-WebSocket-Extensions\" pid=\"9\"/>";
    let token = "<Param id=\"90\" bs:secret=\"true\" save=\"true\"><Name>Token</Name><Type>read</Type><Interprete>\
                 <RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param></Params>";
    let definition = DEFINITION
        .replace(header, &format!("{header}<Header key=\"Authorization\" pid=\"90\"/>"))
        .replace("</Params>", token);
    stage.write("p.xml", &definition);
    let config = stage.settings(&[("studio", "p.xml", peer)]);
    let mut text = std::fs::read_to_string(&config).expect("it was written");
    text.push_str("[element.params]\nToken = { env = \"STUDIO_TOKEN\" }\n");
    stage.write("backshell.toml", &text);
    let daemon = Daemon::start(&config, &[("STUDIO_TOKEN", SECRET)]).await;
    daemon.ready_at("studio", &url(peer, "x-nmos/events/ws")).await;
    let base = ["api", "v1", "elements", "studio"];
    let all: Value = daemon.control.get(&[&base[..], &["params"]].concat(), &[]).await.expect("an answer");
    let token =
        all.as_array().and_then(|params| params.iter().find(|param| param["id"] == 90)).expect("it is there");
    assert_eq!(
        (&token["value"], &token["secret"], &token["set"]),
        (&Value::Null, &json!(true), &json!(true))
    );
    let explained: Value = daemon
        .control
        .get(&[&base[..], &["connections", "0", "explain"]].concat(), &[])
        .await
        .expect("an answer");
    assert!(explained.to_string().contains("Authorization: ***"), "{explained:#}");
    daemon.set("studio", "WebsocketUrl", SECOND).await;
    let element = daemon.ready_at("studio", &url(peer, SECOND)).await;
    for (place, text) in [
        ("parameters", all.to_string()),
        ("explain", explained.to_string()),
        ("element", element.to_string()),
        ("log", daemon.log()),
    ] {
        assert!(!text.contains(SECRET), "the secret is in the {place}: {text}");
    }
    let mut files = 0;
    for entry in std::fs::read_dir(stage.path("data")).expect("the store's folder") {
        let content = std::fs::read(entry.expect("readable").path()).expect("readable");
        assert!(
            !content.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()),
            "the secret is in the store"
        );
        files += 1;
    }
    assert!(files >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_and_bad_settings_end_the_process_with_a_clear_message() {
    let stage = Stage::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address");
    let run = |config: PathBuf| {
        let output = Command::new(PROGRAM).args(["run", "--config"]).arg(config).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let in_use = stage.write("in-use.toml", &format!("[api]\nlisten = \"{address}\"\n"));
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
}
