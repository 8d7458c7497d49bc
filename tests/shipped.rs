//! The definitions that we ship, each with its example of settings, against a peer of the test on loopback.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod cleeng_drisc;
mod guide;
mod http_json_status;
mod xpress_insight;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backshell::language::load;
use backshell::language::source::Source;
use backshell::settings;

use crate::running::Element;

/// The bound of a whole test, and of each wait in it; nothing waits for so long where all is well.
const BOUND: Duration = Duration::from_secs(30);

async fn bounded(test: impl Future<Output = ()>) {
    tokio::time::timeout(BOUND, test).await.expect("the test ends in time");
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols").join(name)
}

/// Changes a text, which must have what is to be changed.
fn replaced(text: String, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "`{from}` is not there");
        text.replace(from, to)
    })
}

/// Starts a shipped definition with its example of settings, both with these changes.
fn start(name: &str, definition: &[(&str, &str)], settings: &[(&str, &str)]) -> Element {
    let read = |file: &str| std::fs::read_to_string(folder(name).join(file)).unwrap();
    let definition = replaced(read("protocol.xml"), definition);
    Element::start(&folder(name), definition, replaced(read("backshell.toml"), settings))
}

#[test]
fn every_definition_that_we_ship_is_without_problems() {
    let folders = std::fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    assert!(folders.len() >= 6, "{folders:?}");
    for folder in folders {
        let text = std::fs::read_to_string(folder.join("protocol.xml")).unwrap();
        let report = load::check(&Source::new("protocol.xml", text));
        assert_eq!(
            (report.diagnostics().len(), report.features_not_run().len()),
            (usize::from(folder.ends_with("nmos-is07-events")), 0),
            "{}: {:?}",
            folder.display(),
            report.diagnostics()
        );
        if let Ok(text) = std::fs::read_to_string(folder.join("backshell.toml")) {
            let (settings, report) = settings::parse(&Source::new("backshell.toml", text), &folder);
            assert!(settings.is_some() && report.diagnostics().is_empty(), "{:?}", report.diagnostics());
        }
    }
}
