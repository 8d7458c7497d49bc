//! The snippets of docs/authoring.md are definitions that load, and those about HTTP run as the page says.

use std::path::Path;
use std::time::Instant;

use backshell::engine::logic::{Engine, First, Options};
use backshell::language::diagnostic::Code;
use backshell::language::load;
use backshell::language::model::id::{ConnectionIx, TableIx};
use backshell::language::model::message::MessageKind;
use backshell::language::source::Source;
use backshell::script;
use backshell::value::{Context, Wall};
use serde_json::json;

use super::bounded;
use crate::program::backshell;
use crate::running::Element;
use crate::web::Peer;

/// The snippets of a kind between two headings of the page.
fn snippets(kind: &str, from: &str, to: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/authoring.md");
    let page = std::fs::read_to_string(path).unwrap();
    let start = page.find(from).unwrap();
    let end = page.find(to).unwrap();
    let mut found = Vec::new();
    let mut rest = &page[start..end];
    let fence = format!("```{kind}\n");
    while let Some(at) = rest.find(&fence) {
        let (text, after) = rest[at + fence.len()..].split_once("```").unwrap();
        found.push(text.to_owned());
        rest = after;
    }
    found
}

/// A definition of snippets; single parameters get their section, what stands in `CommunicationOptions` goes there.
fn definition(snippets: &[String], more: &str) -> String {
    let mut text = String::new();
    for snippet in snippets {
        let start = snippet.trim_start();
        if start.starts_with("<bs:") {
            text = text.replacen("</CommunicationOptions>", &format!("{snippet}</CommunicationOptions>"), 1);
        } else if start.starts_with("<Param ") {
            text.push_str(&format!("<Params>{snippet}</Params>"));
        } else {
            text.push_str(snippet);
        }
    }
    format!("<Protocol xmlns:bs=\"urn:backshell:1\"><Name>Guide</Name>{text}{more}</Protocol>")
}

/// The parameters of the pump that the page does not write out.
fn plain_parameters() -> String {
    let one = |(id, name, kind, interprete): (i32, &str, &str, &str)| {
        format!(
            "<Param id=\"{id}\"><Name>{name}</Name><Type>{kind}</Type><Interprete>{interprete}</Interprete></Param>"
        )
    };
    let text = "<RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type>";
    let number = "<RawType>numeric text</RawType><LengthType>next param</LengthType><Type>double</Type>";
    let all = [
        (10, "Answer", "read", text),
        (11, "Speed", "read", number),
        (12, "Note", "read", text),
        (61, "Speed", "write", number),
    ];
    format!("<Params>{}</Params>", all.map(one).concat())
}

/// Loads without anything but a section that is given twice, as snippets do.
fn loads(text: &str) {
    let source = Source::new("guide.xml", text);
    let report = load::check(&source);
    let problems: Vec<_> =
        report.diagnostics().iter().filter(|problem| problem.code != Code::GivenTwice).collect();
    assert!(problems.is_empty() && report.features_not_run().is_empty(), "{problems:?}");
}

#[test]
fn the_thermometer_of_the_guide_takes_a_message_as_the_page_says() {
    let folder = tempfile::tempdir().unwrap();
    let text = definition(&snippets("xml", "## 2. A connection", "## 5. What is sent"), "");
    std::fs::write(folder.path().join("thermometer.xml"), text).unwrap();
    let examples = snippets("console", "## 4. What comes back", "## 5. What is sent");
    let [example] = &examples[..] else { panic!("{examples:?}") };
    let (command, printed) = example.split_once('\n').unwrap();
    let message = command.strip_prefix("$ echo '").and_then(|rest| rest.split_once("' | backshell eval "));
    let (message, words) = message.unwrap();
    std::fs::write(folder.path().join("message.json"), format!("{message}\n")).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_backshell"))
        .arg("eval")
        .args(words.split(' '))
        .current_dir(folder.path())
        .stdin(std::fs::File::open(folder.path().join("message.json")).unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), printed);
}

#[test]
fn the_thermometer_of_the_guide_loads() {
    let found = snippets("xml", "## 2. A connection", "## 9. HTTP");
    assert_eq!(found.len(), 7, "{found:?}");
    loads(&definition(&found, ""));
}

#[test]
fn the_chapter_on_lists_and_formats_loads_and_maps_what_it_says() {
    let found = snippets("xml", "## 12. Lists", "## 13. A captured");
    assert_eq!(found.len(), 2, "{found:?}");
    let socket = "<Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection>";
    let more = format!("<Connections>{socket}<Connection id=\"1\"><Http/></Connection></Connections>");
    let text = definition(&found, &more).replace("<Group id=\"3\">", "<Group id=\"3\" connection=\"1\">");
    loads(&text);
    let (protocol, _) = load::whole(&Source::new("guide.xml", text));
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/authoring.md")).unwrap();
    let (_, message) = page.split_once("With `{\"racks\"").unwrap();
    let message = format!("{{\"racks\"{}", message.split_once('`').unwrap().0);
    let mut ctx = Context::new(Instant::now(), Wall(0), 7);
    let mut engine = Engine::new(protocol.unwrap(), Options::default());
    engine.start(&mut ctx, First::default());
    engine.message(&mut ctx, ConnectionIx::new(0).unwrap(), MessageKind::Text, message.into());
    let rows: Vec<String> = engine
        .params()
        .rows(TableIx::new(0).unwrap())
        .iter()
        .map(|row| row.cells().iter().map(|cell| cell.to_text().to_string()).collect::<Vec<_>>().join("|"))
        .collect();
    assert_eq!(rows, ["A/1|-12|", "A/2|0|Talk"]);
}

#[test]
fn the_scenario_of_the_guide_holds() {
    let folder = tempfile::tempdir().unwrap();
    let socket = "<Connections><Connection id=\"0\"><Http/></Connection></Connections>";
    let text =
        definition(&snippets("xml", "## 9. HTTP", "## 10. Credentials"), &(plain_parameters() + socket));
    std::fs::write(folder.path().join("pump.xml"), text).unwrap();
    let found = snippets("toml", "## 14. A test", "## 15. Where");
    let [scenario] = &found[..] else { panic!("{found:?}") };
    std::fs::write(folder.path().join("pump.scenario.toml"), scenario).unwrap();
    let output = backshell(folder.path(), &["test"]);
    assert!(
        output.status.success(),
        "{}{}",
        crate::program::text(&output.stdout),
        crate::program::text(&output.stderr)
    );
}

#[test]
fn the_script_of_the_guide_loads_and_the_file_parses() {
    let found = snippets("xml", "## 15. Where", "## In an editor");
    assert_eq!(found.len(), 1, "{found:?}");
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let report = script::load::check(&Source::new("guide.xml", text), Some(folder.path()));
        assert!(report.diagnostics().is_empty() && report.features_not_run().is_empty(), "{report:?}");
    };
    let text = definition(&found, "");
    check(&text);
    let file = snippets("js", "## 15. Where", "## In an editor").concat();
    std::fs::write(folder.path().join("highest.js"), file).unwrap();
    let average = "export const average = (all) => all.reduce((a, b) => a + b, 0) / all.length;";
    std::fs::write(folder.path().join("numbers.js"), average).unwrap();
    let start = text.find("triggers=\"70\">").unwrap();
    let end = text.find("</QAction>").unwrap() + "</QAction>".len();
    check(&format!("{}triggers=\"70\" bs:src=\"highest.js\"/>{}", &text[..start], &text[end..]));
}

#[tokio::test]
async fn the_pump_of_the_guide_loads_and_its_chain_runs() {
    let found = snippets("xml", "## 9. HTTP", "## 12. Lists");
    assert_eq!(found.len(), 5, "{found:?}");
    let text = definition(&found, &plain_parameters());
    loads(&text);
    let settings = snippets("toml", "## 10. Credentials", "## 11. A chain").concat();
    bounded(async {
        let mut peer = Peer::start().await;
        let settings =
            settings.replace("9080", &peer.port.to_string()).replace("{ env = \"PUMP_KEY\" }", "\"k3y\"");
        let element = Element::start(Path::new("."), text, settings);
        // The poll and the chain begin at once, and one token serves both.
        let asked = peer.asked_for("POST", "/token").await;
        assert_eq!(asked.json(), json!({"key": "k3y"}));
        // Half of it is left when it is renewed, since the margin is longer than its life.
        asked.answer(200, r#"{"token":"x.y","expires_in":4}"#);
        let mut channel = None;
        for _ in 0..2 {
            let asked = peer.asked().await;
            match asked.path.as_str() {
                "/state" => asked.answer(200, r#"{"pump":{"speed":40}}"#),
                "/channels" => channel = Some(asked),
                other => panic!("{other}"),
            }
        }
        element.reads(11, "40").await;
        element.reads(12, "none").await;
        let channel = channel.unwrap();
        assert_eq!(channel.header("authorization"), "Bearer x.y");
        channel.answer(200, &format!(r#"{{"address":"ws://127.0.0.1:{}/c/7?k=1"}}"#, peer.port));
        let asked = peer.asked_for("GET", "/c/7?k=1").await;
        assert_eq!(asked.header("authorization"), "Bearer x.y");
        let mut socket = asked.open(&[("x-channel", "seven")]).await;
        element.reads(34, "seven").await;

        element.set(61, 55.0).await;
        let asked = peer.asked_for("PUT", "/speed").await;
        assert_eq!(asked.json(), json!({"speed": 55}));
        asked.answer(200, "");
        peer.asked_for("GET", "/state").await.answer(200, r#"{"pump":{"speed":55}}"#);
        element.reads(11, "55").await;

        peer.asked_for("POST", "/token").await.answer(200, r#"{"token":"z","expires_in":600}"#);
        assert_eq!(socket.json().await, json!({"token": "z"}));
        socket.close(4001, "taken over");
        element.link_is(1, "rejected").await;
        element.end().await;
    })
    .await;
}
