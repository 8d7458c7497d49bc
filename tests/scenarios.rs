//! `backshell test` as its users see it, and the scenarios of the definitions that we ship; opens no socket.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use backshell::language::model::Protocol;
use backshell::language::source::Source;
use backshell::language::xml;
use backshell::scenario::file::{self, Act, File};
use backshell::scenario::run;
use backshell::script::load;

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
    // From the root: what is not a scenario of its own, such as a template or what Cargo has built, is none.
    let output = backshell(root, &["test"]);
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
    let check = "[[step]]\ntimeout = false\n";
    write("d.scenario.toml", &format!("protocol = \"nowhere.xml\"\n{check}"));
    write("e.scenario.toml", &format!("protocol = \"broken.xml\"\n{check}"));
    write("f.scenario.toml", "title = \"\\u001b[31m\"\n[[step]]\nwait = \"1s\"\n");
    let output = backshell(folder.path(), &["test", "--junit", "results.xml", "."]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "");
    let told = settled(&text(&output.stdout));
    let expected = "ok   ./a.scenario.toml: holds (1 step, 20ms in N ms)\nFAIL ./b.scenario.toml:8: does not\n     after 2s: parameter 10 (State) is \"on\", not \"off\"\nFAIL ./c.scenario.toml:2:8\n     `long` is no time such as 250ms, 5s or 1h: expected number at 0\nFAIL ./d.scenario.toml\n     there is no definition `nowhere.xml`, seen from its folder\n     help: that folder has `broken.xml`, `protocol.xml`: name one at the top of the scenario, such as protocol = \"broken.xml\"\nFAIL ./e.scenario.toml\n     the definition does not load:\n";
    assert!(told.starts_with(expected), "{told}");
    let vain = "FAIL ./f.scenario.toml:2\n     no step checks anything, such as `params`, `received` or `seen`: it would hold whatever happens\n";
    assert!(told.ends_with(&format!("{vain}6 scenarios: 5 failed\n")), "{told}");
    let junit = fs::read_to_string(folder.path().join("results.xml")).expect("written");
    assert!(junit.contains("tests=\"6\" failures=\"5\""), "{junit}");
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
    check(&["mock", "wrong.scenario.toml"], 1, "wrong.scenario.toml:3:1: unknown field `port`");
    let element = "[element.connection.0]\nprot = 80\n[[peer]]\n";
    fs::write(folder.path().join("wrong.scenario.toml"), element).expect("writes");
    let expected = "wrong.scenario.toml:2: [element]: `element.connection.0` has no key `prot`\n  help: ";
    check(&["mock", "wrong.scenario.toml"], 1, expected);
}

#[test]
fn what_cannot_be_read_is_counted_and_a_file_that_is_named_twice_runs_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("protocol.xml"), "<Protocol><Name>Empty</Name></Protocol>").expect("writes");
    fs::write(at("a.scenario.toml"), "[[step]]\ntimeout = false\n").expect("writes");
    let output = backshell(folder.path(), &["test", "a.scenario.toml", "./a.scenario.toml", "."]);
    let told = text(&output.stdout);
    assert!(output.status.success() && told.ends_with("1 scenario: all hold\n"), "{told}");
    assert_eq!(told.matches("a.scenario.toml").count(), 1, "{told}");
    #[cfg(unix)]
    {
        let made = std::process::Command::new("mkfifo").arg(at("pipe.scenario.toml")).status();
        assert!(made.expect("mkfifo runs").success());
        let arguments = ["test", "--junit", "results.junit", "pipe.scenario.toml", "."];
        let output = backshell(folder.path(), &arguments);
        let told = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let expected = "FAIL ./pipe.scenario.toml\n     cannot be read: it is a pipe, a socket or a device\n\
            FAIL pipe.scenario.toml\n     cannot be read: it is no file, but a folder, a pipe, a socket or a device\n";
        assert!(told.starts_with(expected), "{told}");
        assert!(told.ends_with("2 scenarios: 1 failed; 1 place could not be read\n"), "{told}");
        let junit = fs::read_to_string(at("results.junit")).expect("written");
        assert!(junit.contains("tests=\"3\" failures=\"2\""), "{junit}");
        fs::write(at("b.scenario.toml"), "protocol = \"pipe.scenario.toml\"\n[[step]]\ntimeout = false\n")
            .expect("writes");
        let output = backshell(folder.path(), &["test", "b.scenario.toml"]);
        assert!(text(&output.stdout).contains("the definition `pipe.scenario.toml` is no file"));
        let output = backshell(folder.path(), &["mock", "pipe.scenario.toml"]);
        assert!(text(&output.stderr).contains("cannot be read: it is no file, but a folder, a pipe"));
    }
    fs::remove_file(at("protocol.xml")).expect("removes");
    let told = text(&backshell(folder.path(), &["test", "a.scenario.toml"]).stdout);
    let expected = "there is no `protocol.xml` beside it, and it names no other definition\n     \
        help: name one at the top of the scenario: protocol = \"FILE\"\n";
    assert!(told.contains(expected), "{told}");
    fs::create_dir(at("sub")).expect("makes");
    fs::write(at("sub/a.xml"), "<Protocol><Name>Empty</Name></Protocol>").expect("writes");
    let named = |protocol: &str| {
        let scenario = format!("protocol = \"{protocol}\"\n[[step]]\ntimeout = false\n");
        fs::write(at("a.scenario.toml"), scenario).expect("writes");
        text(&backshell(folder.path(), &["test", "a.scenario.toml"]).stdout)
    };
    // What the help says can be typed.
    let told = named("sub/nowhere.xml");
    assert!(
        told.contains("has `a.xml`: name one at the top of the scenario, such as protocol = \"sub/a.xml\""),
        "{told}"
    );
    assert!(named("sub/a.xml").ends_with("all hold\n"));
}

/// A scenario that holds, and its definition.
struct Held {
    file: File,
    protocol: Arc<Protocol>,
    folder: std::path::PathBuf,
}

impl Held {
    fn read(path: &Path) -> Self {
        let written = fs::read_to_string(path).expect("a scenario");
        let file = file::parse(&Source::new(path.to_string_lossy(), written)).expect("a scenario");
        let definition = file.definition(path);
        let folder = definition.parent().expect("a folder").to_owned();
        let source = Source::new("protocol.xml", fs::read_to_string(&definition).expect("a definition"));
        let protocol = load::whole(&source, Some(&folder)).protocol.expect("it loads");
        Self { file, protocol, folder }
    }

    /// Whether it still holds when something is changed.
    fn holds(&self, change: impl FnOnce(&mut File)) -> bool {
        let mut file = self.file.clone();
        change(&mut file);
        run::run(&file, &self.protocol, &self.folder).failure.is_none()
    }
}

#[test]
fn each_shipped_scenario_fails_with_a_peer_that_follows_no_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols");
    let mut seen = 0;
    for entry in fs::read_dir(root).expect("a folder") {
        for file in fs::read_dir(entry.expect("an entry").path()).expect("a folder of a definition") {
            let path = file.expect("an entry").path();
            if !path.to_string_lossy().ends_with(file::SUFFIX) {
                continue;
            }
            let held = Held::read(&path);
            assert!(
                !held.holds(|file| file.peers.iter_mut().for_each(|peer| peer.rules.clear())),
                "{path:?}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 7, "{seen}");
}

#[test]
fn the_scenarios_of_the_templates_fail_without_any_part_of_what_happens() {
    let folder = tempfile::tempdir().expect("a folder");
    for template in ["websocket", "http"] {
        let output = backshell(folder.path(), &["new", template, "--template", template]);
        assert!(output.status.success());
        let held = Held::read(&folder.path().join(format!("{template}/{template}.scenario.toml")));
        assert!(held.holds(|_| {}), "{template}");
        for (place, step) in held.file.steps.iter().enumerate() {
            assert!(
                step.act.checks()
                    || matches!(step.act, Act::Wait(_))
                    || !held.holds(|file| drop(file.steps.remove(place))),
                "{template} holds without the step in line {}",
                step.line
            );
        }
        for (place, rule) in held.file.peers[0].rules.iter().enumerate() {
            let line = rule.line;
            let without = held.holds(|file| drop(file.peers[0].rules.remove(place)));
            assert!(!without, "{template} holds without the rule in line {line:?}");
        }
    }
}

/// The TOML of a page, with the lines where it begins.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if line == "```toml" {
            let block: Vec<&str> =
                lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```").collect();
            blocks.push((number, block.join("\n") + "\n"));
        }
    }
    blocks
}

/// A definition of the pump that the page is about.
const PUMP: &str = r#"<Protocol xmlns:bs="urn:backshell:1"><Name>Pump</Name>
  <Connections><Connection id="0" name="Pump"><Http/></Connection></Connections>
  <HTTP><Session id="1"><Connection id="1"><Request verb="GET" url="/level"/>
    <Response><bs:Extract path="$.level" pid="10"/></Response></Connection></Session></HTTP>
  <Params>
    <Param id="10"><Name>Level</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><Type>double</Type></Interprete></Param>
  </Params>
  <Groups><Group id="1"><Content><Session>1</Session></Content></Group></Groups>
  <Timers><Timer id="1"><Time initial="true">5000</Time><Content><Group>1</Group></Content></Timer></Timers>
</Protocol>"#;

#[test]
fn what_the_page_about_scenarios_shows_is_so() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md")).expect("a page");
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("protocol.xml"), PUMP).expect("writes");
    let blocks = blocks(&page);
    assert!(blocks.len() >= 3, "{}", blocks.len());
    for (line, block) in &blocks {
        if let Err(problem) = file::parse(&Source::new("docs/scenarios.md", block.clone())) {
            panic!("docs/scenarios.md, in the block of line {line}: {problem}");
        }
    }
    let (_, whole) = &blocks[0];
    fs::write(at("pump.scenario.toml"), whole).expect("writes");
    let output = backshell(folder.path(), &["test", "pump.scenario.toml"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    // The device says something else than the scenario expects.
    fs::write(at("pump.scenario.toml"), whole.replace("level = 12.5", "level = 12")).expect("writes");
    let told = text(&backshell(folder.path(), &["test", "pump.scenario.toml"]).stdout);
    let shown = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a sample");
    assert!(told.starts_with(shown), "{told}");
}
