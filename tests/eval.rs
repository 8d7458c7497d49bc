//! `backshell eval` as its users see it: all that it prints, and how it ends, as goldens in `tests/eval`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::program;

/// A golden, the words of a command line with files of `tests/eval`, and what stands on standard input.
type Case = (&'static str, &'static [&'static str], &'static str);

const CASES: &[Case] = &[
    ("taken", &["door.xml", "--message", "state.json"], ""),
    ("taken-json", &["door.xml", "--message", "state.json", "--message", "wrong.json", "--json"], ""),
    ("values-that-do-not-fit", &["door.xml", "--message", "wrong.json"], ""),
    ("lines", &["door.xml", "--message", "day.jsonl", "--lines", "--set", "Key=abcdef"], ""),
    ("binary", &["door.xml", "--binary", "--message", "gap.bin"], ""),
    ("tap", &["door.xml", "--tap", "--message", "tap.jsonl"], ""),
    ("tap-that-is-cut", &["door.xml", "--tap", "--message", "tap-cut.jsonl"], ""),
    ("tap-of-something-else", &["door.xml", "--tap", "--message", "day.jsonl"], ""),
    ("none-takes-it", &["door.xml", "--message", "-"], r#"{"type":"state","floor":1}"#),
    ("none-takes-it-json", &["door.xml", "--json", "--message", "-"], r#"{"type":"stat"}"#),
    ("no-json", &["door.xml", "--message", "-"], "state=open"),
    ("in-part", &["door.xml", "--binary", "--message", "-"], "\u{2}\u{7}xy"),
    ("too-long", &["door.xml", "--message", "state.json", "--message", "long.json"], ""),
    ("no-text", &["door.xml", "--message", "bytes.bin"], ""),
    ("time-passes", &["door.xml", "--wait", "60", "--message", "-"], r#"{"type":"ping"}"#),
    (
        "settings",
        &["door.xml", "--settings", "door.toml", "--element", "front", "--message", "state.json"],
        "",
    ),
    (
        "settings-limit",
        &["door.xml", "--settings", "door.toml", "--element", "front", "--message", "day.jsonl"],
        "",
    ),
    ("settings-of-several", &["door.xml", "--settings", "door.toml", "--message", "state.json"], ""),
    ("settings-without-it", &["door.xml", "--settings", "door.toml", "--element", "x", "--session", "2"], ""),
    ("answer", &["door.xml", "--session", "2", "--set", "Key=abc", "--message", "settings.json"], ""),
    (
        "answer-json",
        &["door.xml", "--session", "2", "--set", "12=abc", "--message", "settings.json", "--json"],
        "",
    ),
    (
        "answer-to-the-second-request",
        &["door.xml", "--session", "settings", "--exchange", "2", "--message", "-"],
        "key",
    ),
    (
        "answer-in-another-charset",
        &[
            "door.xml",
            "--session",
            "settings",
            "--exchange",
            "2",
            "--header",
            "Content-Type: text/plain; charset=latin1",
            "--message",
            "bytes.bin",
        ],
        "",
    ),
    ("secret-that-is-cleared", &["clears.xml", "--wait", "2", "--message", "-"], r#"{"key":"s3cret-k3y"}"#),
    ("answer-of-something-else", &["door.xml", "--session", "2", "--message", "-"], r#"{"window":1}"#),
    ("answer-that-is-refused", &["door.xml", "--session", "2", "--status", "404"], ""),
    (
        "answer-to-a-handshake",
        &[
            "door.xml",
            "--session",
            "Handshake",
            "--status",
            "HTTP/1.1 101 Switching Protocols",
            "--header",
            "X-Door: side",
        ],
        "",
    ),
    ("answer-that-nobody-asks-for", &["door.xml", "--session", "3"], ""),
    ("set", &["crane.xml", "--set", "Target=5", "--set", "50=25"], ""),
    ("set-json", &["crane.xml", "--set", "Target=5", "--json"], ""),
    (
        "set-of-a-secret-that-is-used-up",
        &["vault.xml", "--set", "Key=s3cret-k3y", "--set", "Key=s3cret-k3y", "--set", "Pin[door]=s3cret-k3y"],
        "",
    ),
    ("set-of-an-element", &["crane.xml", "--settings", "crane.toml", "--set", "Spin=1"], ""),
    ("set-alone-that-does-not-fit", &["crane.xml", "--set", "Target=5", "--set", "Target=x"], ""),
    ("set-that-moves-a-link", &["door.xml", "--set", "Path=side", "--set", "Path=side"], ""),
    ("no-such-connection", &["door.xml", "--connection", "2", "--message", "state.json"], ""),
    ("no-websocket", &["door.xml", "--connection", "1", "--message", "state.json"], ""),
    ("no-such-session", &["door.xml", "--session", "Seting"], ""),
    ("no-such-request", &["door.xml", "--session", "1", "--exchange", "2"], ""),
    ("no-such-parameter", &["door.xml", "--set", "Flor=1", "--message", "state.json"], ""),
    ("set-that-does-not-fit", &["door.xml", "--set", "Floor=x", "--message", "state.json"], ""),
    ("no-status", &["door.xml", "--session", "1", "--status", "OK"], ""),
    ("no-header", &["door.xml", "--session", "1", "--header", "X-Door"], ""),
    ("a-folder", &[".", "--message", "state.json"], ""),
    ("no-message", &["door.xml", "--lines", "--message", "-"], "\n \n"),
    ("no-such-message", &["door.xml", "--message", "none.json"], ""),
    ("definition-with-errors", &["broken.xml", "--message", "state.json"], ""),
    ("standard-input-twice", &["-", "--message", "-"], ""),
];

/// The values that the cases give to a secret parameter.
const SECRETS: [&str; 2] = ["s3cret-k3y", "abc"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/eval")
}

fn eval(words: &[&str], stdin: &str) -> Output {
    let mut program = program::command(&folder())
        .arg("eval")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = program.stdin.take().expect("standard input is a pipe");
    // It may have ended before it read anything.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    program.wait_with_output().expect("the program ends")
}

/// All that came of a command line, as a golden has it.
fn report(words: &[&str], output: &Output) -> String {
    let mut text = format!("$ backshell eval {}\n", words.join(" "));
    text.push_str(&String::from_utf8(output.stdout.clone()).expect("output is UTF-8"));
    for line in String::from_utf8(output.stderr.clone()).expect("output is UTF-8").lines() {
        let _ = writeln!(text, "! {line}");
    }
    let _ = writeln!(text, "exit {}", output.status.code().expect("it ends by itself"));
    text
}

#[test]
fn each_command_line_prints_what_its_golden_has() {
    let updating = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| !value.is_empty());
    for (name, words, stdin) in CASES {
        let found = report(words, &eval(words, stdin));
        // The first line is the command, which may set one.
        let (_, printed) = found.split_once('\n').expect("more than the command");
        assert!(!SECRETS.iter().any(|secret| printed.contains(secret)), "{name} prints a secret: {found}");
        let golden = folder().join(name).with_extension("expected");
        if updating {
            fs::write(&golden, &found).expect("golden file is writable");
        }
        let wanted = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(found, wanted, "{name}: run with UPDATE_GOLDEN=1 and read the difference");
    }
}

#[test]
fn scripts_that_cause_each_other_nest_as_deep_as_in_the_daemon() {
    let output = eval(&["crane.xml", "--json", "--set", "Depth=150"], "");
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    let outcome = text.lines().next().expect("an outcome");
    let outcome: serde_json::Value = serde_json::from_str(outcome).expect("a line is JSON");
    let note = outcome["params"].as_array().and_then(|all| all.iter().find(|set| set["name"] == "Note"));
    assert_eq!(note.map(|note| note["value"].clone()), Some("depth 0".into()), "{text}");
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn every_file_belongs_to_a_case() {
    let mut used: BTreeSet<String> = CASES.iter().map(|(name, ..)| format!("{name}.expected")).collect();
    used.extend(CASES.iter().flat_map(|(_, words, _)| words.iter().map(|word| (*word).to_owned())));
    let found = fs::read_dir(folder()).expect("folder is readable");
    let mut count = 0;
    for entry in found {
        let name = entry.expect("entry is readable").file_name().into_string().expect("name is UTF-8");
        assert!(used.contains(&name), "tests/eval/{name} is used by no case");
        count += 1;
    }
    assert!(count >= CASES.len(), "only {count} files");
}

#[test]
fn each_line_of_json_is_an_object_and_the_last_one_is_the_summary() {
    let output = eval(&["door.xml", "--lines", "--json", "--message", "day.jsonl"], "");
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["message", "message", "message", "message", "summary"]);
    assert_eq!(lines[2]["params"][0]["before"], "events");
    assert_eq!(lines[2]["then"][0]["kind"], "move");
    assert_eq!(lines[4]["notTaken"], 0);
}
