//! `backshell run` as an operator runs it: the program over real sockets, killed, reloaded, stopped; no fixed waits.

mod limits;
mod reload;
mod requests;
mod secrets;
mod signals;
mod start;
mod store;

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
/// What the daemons under test log: all of their own, nothing of the HTTP server.
const LEVEL: &str = "debug,backshell=trace,hyper=off";
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
        Self::start_under(&[], config, env).await
    }

    /// Starts one by a program that becomes it, such as `prlimit` with its arguments, and waits until it listens.
    async fn start_under(wrapper: &[&str], config: &Path, env: &[(&str, &str)]) -> Self {
        Self::launch(wrapper, "json", config, env).await
    }

    async fn launch(wrapper: &[&str], format: &str, config: &Path, env: &[(&str, &str)]) -> Self {
        let words = [wrapper, &[PROGRAM, "run", "--log", format, "--log-level", LEVEL, "--config"]].concat();
        let mut process = Command::new(words[0])
            .args(&words[1..])
            .arg(config)
            .env_remove("NOTIFY_SOCKET")
            .envs(env.iter().copied())
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
                if let Some(address) = running_at(&line)
                    && let Some(sender) = address_in.take()
                {
                    let _ = sender.send(address);
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

    async fn health(&self, page: &str) -> Value {
        self.control.get(&[page], &[]).await.expect("the API answers")
    }

    /// Waits until the store is as asked, and gives what the daemon says of its health.
    async fn until_store(&self, fits: impl Fn(&str) -> bool) -> Value {
        for _ in 0..1_500 {
            let health = self.health("healthz").await;
            if fits(health["store"].as_str().unwrap_or_default()) {
                return health;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the store did not change: {}\n{}", self.health("healthz").await, self.log());
    }

    /// The lines that are there now, each an object.
    fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.log().lines().map(parse).collect()
    }

    /// The first line with this message.
    fn line(&self, message: &str) -> Option<Value> {
        self.lines().into_iter().find(|line| line["message"] == message)
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

/// The address in the line that says that it runs.
fn running_at(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("backshell is running")?;
    let (_, address) = rest.split_once("127.0.0.1:")?;
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("127.0.0.1:{port}"))
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

    /// Adds lines to the settings.
    fn add(&self, text: &str) {
        let old = std::fs::read_to_string(self.path("backshell.toml")).expect("it was written");
        self.write("backshell.toml", &format!("{old}{text}\n"));
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

/// When the first connection of an element came into its state.
fn since(element: &Value) -> String {
    element["connections"][0]["since"].as_str().unwrap_or_default().to_owned()
}
