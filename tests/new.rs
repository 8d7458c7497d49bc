//! `backshell new` as its users see it: what it writes passes the check and runs, what it prints can be typed, nothing is overwritten.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::program::{backshell, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_backshell");
/// How long a daemon may take to say something; nothing waits for so long where all is well.
const BOUND: Duration = Duration::from_secs(30);
const TEMPLATES: [&str; 3] = ["websocket", "http", "empty"];

/// Runs the program and compares all that comes out.
fn check(folder: &Path, words: &[&str], status: i32, stdout: &str, stderr: &str) {
    let output = backshell(folder, words);
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), (stdout, stderr), "{words:?}");
    assert_eq!(output.status.code(), Some(status), "{words:?}");
}

#[test]
fn every_template_passes_the_strict_check_without_a_word() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for template in TEMPLATES {
        let output = backshell(folder.path(), &["new", template, "--template", template]);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{template}");
        let definition = format!("{template}/protocol.xml");
        check(folder.path(), &["check", "--strict", &definition], 0, "checked 1 file: no problems\n", "");
        for file in ["protocol.xml", "backshell.toml"] {
            let written = fs::read_to_string(folder.path().join(template).join(file)).expect("it is written");
            assert!(written.contains(template) && !written.contains('@'), "{template}/{file}:\n{written}");
        }
    }
    // The list here is the one of the program.
    let help = text(&backshell(folder.path(), &["new", "x", "--template", "none"]).stderr);
    assert!(help.contains(&format!("[possible values: {}]", TEMPLATES.join(", "))), "{help}");
}

#[test]
fn what_is_printed_can_be_typed() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let output = backshell(folder.path(), &["new", "pump-1", "--dir", "a b"]);
    assert_eq!(
        text(&output.stdout),
        "wrote a b/pump-1/protocol.xml\nwrote a b/pump-1/backshell.toml\nwrote a b/pump-1/pump-1.scenario.toml\n\nNext:\n  \
         backshell check --strict 'a b/pump-1/protocol.xml'   # every problem with its place\n  \
         echo '{\"type\":\"state\",\"temperature\":21.5,\"mode\":\"auto\"}' | backshell eval 'a b/pump-1/protocol.xml' --message -   \
         # what a message does\n  \
         backshell test 'a b/pump-1'   # the scenario: a simulated device, no waiting\n  \
         backshell mock 'a b/pump-1/pump-1.scenario.toml' --listen 127.0.0.1:9000   \
         # the same device on a real port, for a daemon in a second terminal\n  \
         backshell run --config 'a b/pump-1/backshell.toml'   # the daemon; Ctrl-C stops it\n"
    );
    for template in TEMPLATES {
        let output =
            backshell(folder.path(), &["new", template, "--template", template, "--dir", "it's here"]);
        let printed = text(&output.stdout);
        let commands: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(commands.len(), if template == "empty" { 3 } else { 5 }, "{printed}");
        // The mock is where the settings look for the device.
        let settings =
            fs::read_to_string(folder.path().join("it's here").join(template).join("backshell.toml"));
        let settings = settings.expect("it is written");
        for (_, at) in commands.iter().filter_map(|command| command.split_once("--listen 127.0.0.1:")) {
            let port = at.split(' ').next().unwrap_or_default();
            assert!(settings.contains(&format!("\nport = {port}\n")), "{port} is not in {settings}");
        }
        // The daemon has a test of its own, who asks it needs one, and a mock goes on until it is stopped.
        let lasting = |command: &&&str| {
            ["backshell run", "backshell elements", "backshell mock"]
                .iter()
                .any(|word| command.contains(word))
        };
        for command in commands.iter().filter(|command| !lasting(command)) {
            if cfg!(unix) {
                typed(folder.path(), command);
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn the_example_of_the_readme_prints_what_stands_there() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a readme");
    let example = page.split("```").find(|part| part.contains("$ backshell new ")).expect("the example");
    let folder = tempfile::tempdir().expect("a folder for the test");
    let commands: Vec<&str> = example.split("\n$ ").skip(1).collect();
    let (last, before) = commands.split_last().expect("commands");
    assert_eq!(before.len(), 2, "{example}");
    before.iter().for_each(|command| drop(typed(folder.path(), command)));
    let (command, printed) = last.split_once('\n').expect("what it prints");
    assert_eq!(typed(folder.path(), command), printed);
}

/// Runs a line in a shell, which must end well; gives what it prints.
fn typed(folder: &Path, line: &str) -> String {
    let programs = Path::new(PROGRAM).parent().expect("the program is in a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs.to_owned()].into_iter().chain(std::env::split_paths(&path)));
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path.expect("paths can be joined"))
        .output()
        .expect("a shell starts");
    assert!(output.status.success(), "{line}\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn every_template_runs_with_its_settings() {
    for template in TEMPLATES {
        let folder = tempfile::tempdir().expect("a folder for the test");
        backshell(folder.path(), &["new", "x", "--template", template]);
        let settings = folder.path().join("x/backshell.toml");
        let mut written = fs::read_to_string(&settings).expect("it is written");
        // Other tests run at the same time.
        written.push_str("\n[api]\nlisten = \"127.0.0.1:0\"\n");
        fs::write(&settings, written).expect("settings are writable");
        let mut daemon = Command::new(PROGRAM)
            .args(["run", "--log", "json", "--config"])
            .arg(&settings)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("BACKSHELL_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(daemon.stderr.take().expect("piped"));
        let (told, lines) = mpsc::channel();
        // It ends with the daemon.
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let (mut seen, mut runs) = (String::new(), false);
        while !runs && let Ok(line) = lines.recv_timeout(BOUND) {
            runs = line.contains("backshell is running");
            seen.push_str(&line);
            seen.push('\n');
        }
        let _ = daemon.kill();
        let _ = daemon.wait();
        assert!(runs && seen.contains("\"elements\":1") && !seen.contains("ERROR"), "{template}: {seen}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("full")).expect("folder can be made");
    fs::write(at("full/notes.txt"), "mine").expect("file is writable");
    fs::write(at("file"), "mine").expect("file is writable");
    fs::create_dir_all(at("free")).expect("folder can be made");
    check(
        folder.path(),
        &["new", "full"],
        1,
        "",
        "error: the folder `full` has something in it already; nothing was written\n  \
         help: take another name, or another place with --dir\n",
    );
    check(
        folder.path(),
        &["new", "file"],
        1,
        "",
        "error: `file` is there already and is no folder; nothing was written\n",
    );
    let below_a_file = backshell(folder.path(), &["new", "x", "--dir", "file"]);
    assert_eq!(below_a_file.status.code(), Some(1));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", at("link")).expect("a link can be made");
        assert_eq!(backshell(folder.path(), &["new", "link"]).status.code(), Some(1));
        assert!(!at("nowhere").exists());
    }
    assert_eq!(backshell(folder.path(), &["new", "free"]).status.code(), Some(0));
    assert_eq!(
        backshell(folder.path(), &["new", "free"]).status.code(),
        Some(1),
        "the second time it is full"
    );
    assert_eq!(fs::read_dir(at("full")).expect("readable").count(), 1);
    assert_eq!(fs::read_to_string(at("file")).expect("readable"), "mine");
}

#[test]
fn a_name_that_cannot_be_one_is_refused_with_one_that_can() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    check(
        folder.path(),
        &["new", "my pump"],
        2,
        "",
        "error: `my pump` cannot be a name: it is made of letters (a-z), digits, `.`, `_` and `-`, begins with a letter or a digit, \
         and does not end with `.`\n  help: backshell new my-pump\n",
    );
    check(
        folder.path(),
        &["new", "protocols/pump"],
        2,
        "",
        "error: `protocols/pump` is a path, not a name\n  help: backshell new pump --dir protocols\n",
    );
    for name in ["", "..", "nul"] {
        assert_eq!(backshell(folder.path(), &["new", name]).status.code(), Some(2), "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
}
