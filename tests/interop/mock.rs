//! `backshell mock` with clients that we did not write: `websockets` of PyPI and Python's own HTTP client.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use backshell::transport::failure::FailureKind;
use serde_json::{Value, json};

use crate::interop::peer::{Kind, library, or_skipped, scripts};
use crate::interop::secure::Authority;
use crate::interop::{bounded, dial, plan};

const SCENARIO: &str = r#"
[[peer]]
subprotocols = ["v1"]
[[peer.on]]
handshake = { path = "/live", headers = { X-Key = "k" } }
send = "hello"
[[peer.on]]
message = { ask = "{number}" }
send = { told = "{{ message.ask + 1 }}", times = "{{ count }}" }
[[peer.on]]
request = "GET /status"
answer = { body = { level = 5 } }
[[peer.on]]
request = "GET /reset"
fault = "reset"
"#;

/// How long a line may take; it only ends a test that hangs.
const BOUND: Duration = Duration::from_secs(60);

/// A running program and its lines; ends with the test.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (line_in, lines) = mpsc::channel();
        // It ends with the program, whose output it reads.
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| line_in.send(line))
        });
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(BOUND).unwrap()
    }

    /// Waits for its end, which must be a good one.
    fn end(&mut self) {
        // The end of its lines first: that can be waited for with a bound.
        let end = loop {
            if let Err(end) = self.lines.recv_timeout(BOUND) {
                break end;
            }
        };
        assert_eq!(end, RecvTimeoutError::Disconnected, "the program does not end");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `backshell mock`.
struct Mock {
    program: Running,
    orders: ChildStdin,
    address: String,
}

impl Mock {
    fn start(text: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.scenario.toml");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_backshell"));
        let mut program = Running::start(command.arg("mock").arg(&file).args(more).stdin(Stdio::piped()));
        let address = program.next().rsplit("://").next().unwrap().to_owned();
        let orders = program.child.stdin.take().unwrap();
        Self { program, orders, address }
    }

    /// A connection to it whose reads are bounded.
    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(BOUND)).unwrap();
        socket
    }

    fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").unwrap();
    }

    /// The lines up to one that begins so.
    fn until(&mut self, beginning: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let line = self.program.lines.recv_timeout(BOUND);
            let line = line.unwrap_or_else(|why| panic!("no `{beginning}` in {seen:?}: {why}"));
            let found = line.starts_with(beginning);
            seen.push(line);
            if found {
                return seen;
            }
        }
    }
}

#[test]
fn clients_of_others_get_what_the_scenario_says() {
    let mock = Mock::start(SCENARIO, &[]);
    let address = mock.address.clone();
    talk(mock, &[&address]);
}

#[test]
fn clients_of_others_get_the_same_over_tls() {
    let authority = Authority::new();
    let [certificate, key] = authority.identity("localhost", 2090).map(|file| file.display().to_string());
    let mock = Mock::start(SCENARIO, &["--tls", &certificate, &key]);
    let address = mock.address.replace("127.0.0.1", "localhost");
    talk(mock, &[&address, &authority.ca().display().to_string()]);
}

#[test]
fn a_client_that_speaks_tls_to_a_peer_without_it_is_told_of() {
    let mut mock = Mock::start(SCENARIO, &[]);
    let mut socket = mock.connect();
    // The beginning of a ClientHello.
    socket.write_all(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 3]).unwrap();
    let client = socket.local_addr().unwrap();
    mock.until(&format!("peer 0: {client} speaks TLS, and this peer has no certificate"));
}

#[tokio::test]
async fn a_client_whose_tls_handshake_fails_is_told_of() {
    let (authority, other) = (Authority::new(), Authority::new());
    let [certificate, key] = authority.identity("localhost", 2090).map(|file| file.display().to_string());
    let mut mock = Mock::start(SCENARIO, &["--tls", &certificate, &key]);
    let mut plan = plan(&format!("wss://{}/live", mock.address.replace("127.0.0.1", "localhost")), &[]);
    plan.tls = other.trusted();
    bounded(async { assert_eq!(dial(plan).await.unwrap_err().kind, FailureKind::Certificate) }).await;
    let told = mock.until("peer 0: the TLS handshake with 127.0.0.1:").pop().unwrap();
    assert!(
        told.contains("failed: it does not accept the certificate (UnknownCA): it has to trust it"),
        "{told}"
    );

    let mut plain = mock.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let client = plain.local_addr().unwrap();
    mock.until(&format!(
        "peer 0: the TLS handshake with {client} failed: what it sends is not TLS: its address"
    ));
    let gone = mock.connect().local_addr().unwrap();
    mock.until(&format!(
        "peer 0: the TLS handshake with {gone} failed: it ended the connection without a word"
    ));
}

#[test]
fn a_certificate_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.scenario.toml");
    fs::write(&file, SCENARIO).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_backshell"))
        .arg("mock")
        .arg(&file)
        .arg("--tls")
        .args([&file, &file])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("x.scenario.toml` cannot be used: it has no `BEGIN CERTIFICATE`"), "{told}");
}

#[test]
fn two_pairs_of_certificate_and_key_are_refused() {
    let pair = ["--tls", "certificate.pem", "key.pem"];
    let output = Command::new(env!("CARGO_BIN_EXE_backshell"))
        .args(["mock", "x.scenario.toml"])
        .args([pair, pair].concat())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("'--tls <CERTIFICATE> <KEY>' cannot be used multiple times"), "{told}");
}

/// What a client gets that is told these words.
fn talk(mut mock: Mock, words: &[&str]) {
    let Some(folder) = or_skipped(library(Kind::Python)) else { return };
    let mut client = Running::start(
        Command::new("python3")
            .env("PYTHONPATH", folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(scripts().join("client.py"))
            .args(words)
            .stdin(Stdio::null()),
    );
    let next = || serde_json::from_str::<Value>(&client.next()).unwrap();
    assert_eq!(next(), json!({"status": 200, "type": "application/json", "body": "{\"level\":5}"}));
    let missing = next();
    assert_eq!((&missing["status"], &missing["type"]), (&json!(404), &json!("text/plain")));
    assert_eq!(
        missing["body"],
        "no rule of the scenario fits GET /nothing: the rule in line 10 differs: the path: expected `/status`, found `/nothing`\n"
    );
    assert!(next()["failed"].is_string());
    assert_eq!(next(), json!({"refused": 404}));
    assert_eq!(next(), json!({"opened": "v1", "deflate": ["permessage-deflate"]}));
    assert_eq!(next(), json!({"got": "hello"}));
    assert_eq!(next(), json!({"got": {"told": 8, "times": 1}}));
    mock.until("peer 0 got the message {\"ask\":7}");
    mock.order("send more");
    assert_eq!(next(), json!({"got": "more"}));
    mock.order("fault slow-drip");
    mock.until("`slow-drip` happens to handshakes or requests: use --fault");
    mock.order("5 drop");
    mock.until("there is no peer 5");
    mock.order("close 1006");
    mock.until("`1006` is no close code");
    mock.order("0 close 4001");
    assert_eq!(next(), json!({"closed": 4001}));
    client.end();
    mock.order("quit");
    mock.program.end();
}

#[test]
fn a_fault_of_the_command_line_goes_before_the_rules() {
    let mut mock = Mock::start(SCENARIO, &["--fault", "reset"]);
    let mut socket = mock.connect();
    socket.write_all(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // An end without a word, or a reset: no answer in either case.
    let _ = std::io::Read::read_to_end(&mut socket, &mut answer);
    assert_eq!(answer, b"");
    mock.until("peer 0 got GET /status");
}
