//! `backshell demo` as a user runs it: the program itself, over real sockets, moved by the shell commands.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_backshell");

struct Demo {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    api: String,
}

impl Demo {
    /// Starts a demo that ends by itself if a test hangs.
    fn start() -> Self {
        let mut process = Command::new(PROGRAM)
            .args(["demo", "--plain", "--for", "60"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut demo = Self { process, lines, api: String::new() };
        let tap = demo.until("tap studio");
        // The address is only printed where it is not the usual one.
        demo.api = match tap.split_once("--api ") {
            Some((_, rest)) => rest.split(' ').next().unwrap_or_default().to_owned(),
            None => "http://127.0.0.1:8780".to_owned(),
        };
        demo
    }

    /// The next line that has a text in it; the end of the output is a failure.
    fn until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.expect("the output is text");
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("`{text}` did not come; what came:\n{}", seen.join("\n"));
    }

    /// Runs a command against the demo's daemon and gives its output.
    fn command(&self, words: &[&str]) -> String {
        let output = Command::new(PROGRAM).args(words).args(["--api", &self.api]).output().expect("it runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("the output is text")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already where the test was good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(unix)]
#[test]
fn values_move_a_changed_path_moves_the_link_and_a_signal_ends_it() {
    let mut demo = Demo::start();
    demo.until("link 0 ready ws://127.0.0.1:");
    demo.until("NumberValue = 19.8");
    assert_eq!(demo.command(&["get", "studio", "WebsocketStatus"]), "1\n");
    demo.command(&["set", "studio", "WebsocketUrl", "x-nmos/events/second"]);
    demo.until(
        "/x-nmos/events/second, moved by parameter 8: \"x-nmos/events/ws\" -> \"x-nmos/events/second\"",
    );
    demo.until("EnumValue = ");
    demo.command(&["set", "studio", "WebsocketUrl", "nowhere"]);
    demo.until("link 0 rejected ");
    assert_eq!(demo.command(&["get", "studio", "HandshakeStatus"]), "HTTP/1.1 404 Not Found\n");

    let pid = demo.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    demo.until("the link opened ");
    assert!(demo.process.wait().expect("it ends").success());
    let folder = std::env::temp_dir().join(format!("backshell-demo-{pid}"));
    assert!(!folder.exists(), "{} is left", folder.display());
}
