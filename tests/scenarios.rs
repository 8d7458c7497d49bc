//! `backshell test` as its users see it, and the scenarios of the definitions that we ship; opens no socket.

use std::fs;
use std::path::Path;

use backshell::language::source::Source;
use backshell::language::xml;

use crate::program::{backshell, text};

/// The times that differ from run to run.
fn settled(text: &str) -> String {
    regex::Regex::new(r" in \d+ ms\)").expect("valid").replace_all(text, " in N ms)").into_owned()
}

#[test]
fn the_scenarios_of_each_shipped_definition_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut scenarios = 0;
    let mut definitions = 0;
    for entry in fs::read_dir(root.join("protocols")).expect("a folder") {
        let folder = entry.expect("an entry").path();
        let own = fs::read_dir(&folder).expect("a folder of a definition").filter(|file| {
            let name = file.as_ref().expect("an entry").file_name();
            name.to_string_lossy().ends_with(".scenario.toml")
        });
        let own = own.count();
        assert!(own > 0, "{} has no scenario", folder.display());
        (definitions, scenarios) = (definitions + 1, scenarios + own);
    }
    assert!(definitions >= 6 && scenarios >= 14, "{definitions} definitions, {scenarios} scenarios");
    let output = backshell(root, &["test", "protocols"]);
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.ends_with(&format!("{scenarios} scenarios: all hold\n")), "{told}");
}

#[test]
fn what_fails_is_told_with_its_place_and_in_junit() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("writes");
    let protocols = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols/http-json-status");
    fs::copy(protocols.join("protocol.xml"), folder.path().join("protocol.xml")).expect("copies");
    write("broken.xml", "<Protocol><Name>Broken</Name><Params><Param id=\"x\"/></Params></Protocol>");
    let device = "[element.connection.0]\nhost = \"http://device\"\n[[peer]]\n[[peer.on]]\nrequest = \"GET /status\"\nanswer = { body = { state = \"on\" } }\n";
    write(
        "a.scenario.toml",
        &format!("title = \"holds\"\n{device}[[step]]\nparams = {{ State = \"on\" }}\n"),
    );
    write(
        "b.scenario.toml",
        &format!("title = \"does not\"\n{device}[[step]]\nparams = {{ State = \"off\" }}\nwithin = \"2s\"\n"),
    );
    write("c.scenario.toml", "[[step]]\nwait = \"long\"\n");
    write("d.scenario.toml", "protocol = \"nowhere.xml\"\n");
    write("e.scenario.toml", "protocol = \"broken.xml\"\n");
    let output = backshell(folder.path(), &["test", "--junit", "results.xml", "."]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "");
    let told = settled(&text(&output.stdout));
    let expected = "ok   ./a.scenario.toml: holds (1 steps, 20ms in N ms)\nFAIL ./b.scenario.toml:8: does not\n     after 2s: parameter 10 (State) is \"on\", not \"off\"\nFAIL ./c.scenario.toml:2\n     `long` is no time such as 250ms, 5s or 1h: expected number at 0\nFAIL ./d.scenario.toml\n";
    assert!(told.starts_with(expected), "{told}");
    assert!(
        told.contains("there is no such file") && told.contains("the definition does not load:"),
        "{told}"
    );
    assert!(told.ends_with("5 scenarios: 4 failed\n"), "{told}");
    let junit = fs::read_to_string(folder.path().join("results.xml")).expect("written");
    assert!(junit.contains("tests=\"5\" failures=\"4\""), "{junit}");
    assert!(xml::parse(&Source::new("results.xml", junit)).1.is_empty());
}

#[test]
fn a_call_that_means_nothing_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output = backshell(folder.path(), arguments);
        let told = text(&output.stderr);
        assert_eq!(
            (output.status.code(), told.contains(expected)),
            (Some(code), true),
            "{arguments:?}: {told}"
        );
    };
    check(&["test"], 2, "no *.scenario.toml in `.`");
    check(&["mock", "nowhere.scenario.toml"], 1, "nowhere.scenario.toml: there is no such file");
    check(&["mock", "x", "--fault", "none"], 2, "the faults are never-answer, reset, accept-and-close");
    fs::write(folder.path().join("empty.scenario.toml"), "").expect("writes");
    check(&["mock", "empty.scenario.toml"], 1, "empty.scenario.toml has no [[peer]]");
    fs::write(folder.path().join("wrong.scenario.toml"), "\n[[peer]]\nport = 5\n").expect("writes");
    check(&["mock", "wrong.scenario.toml"], 1, "wrong.scenario.toml:3: unknown field `port`");
}
