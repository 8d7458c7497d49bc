//! The definitions that we ship, each with its example of settings, against a peer of the test on loopback.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod cleeng_drisc;
mod guide;
mod http_json_status;
mod peer;
mod xpress_insight;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backshell::daemon::assemble::{self, System};
use backshell::element::clock::Clock;
use backshell::element::driver::{self, Services};
use backshell::element::gate::Gate;
use backshell::element::handle::{Handle, NewValue, Readable};
use backshell::engine::link::budget::Limits;
use backshell::language::load;
use backshell::language::model::id::{ParamId, ParamIx};
use backshell::language::source::Source;
use backshell::settings;
use backshell::tasks::Tasks;
use backshell::transport::dial::Environment;
use backshell::transport::http::Http;
use backshell::value::Value;
use tokio_util::sync::CancellationToken;

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

/// A running element; its tasks are aborted when it is dropped.
struct Element {
    handle: Handle,
    stop: CancellationToken,
    tasks: Tasks,
}

impl Element {
    /// Starts a shipped definition with its example of settings, both with these changes.
    fn start(name: &str, definition: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let read = |file: &str| std::fs::read_to_string(folder(name).join(file)).unwrap();
        let definition = replaced(read("protocol.xml"), definition);
        Self::start_texts(&folder(name), definition, replaced(read("backshell.toml"), settings))
    }

    /// Starts the first element of a settings file with a definition, both as texts.
    fn start_texts(folder: &Path, definition: String, settings: String) -> Self {
        let (protocol, report) = load::whole(&Source::new("protocol.xml", definition));
        let protocol = protocol.unwrap_or_else(|| panic!("{:?}", report.diagnostics()));
        let (settings, report) = settings::parse(&Source::new("backshell.toml", settings), folder);
        let settings = settings.unwrap_or_else(|| panic!("{:?}", report.diagnostics()));
        let spec = assemble::assemble(&settings.elements[0], &settings, &protocol, &System).unwrap();
        let mut tasks = Tasks::new(&CancellationToken::new());
        let gate = Gate::new(Limits { per_second: None, per_host_per_second: None });
        let granting = gate.clone();
        tasks.spawn("dial budget", |stop| granting.run(stop));
        let services = Services {
            gate,
            store: None,
            dials: Environment::of_process(),
            http: Http::default(),
            clock: Clock::start(),
        };
        let stop = CancellationToken::new();
        let handle = driver::start(Arc::new(spec), services, &mut tasks, stop.clone());
        Self { handle, stop, tasks }
    }

    fn param(&self, id: i32) -> ParamIx {
        self.handle.protocol().param_by_id(ParamId(id)).unwrap()
    }

    /// Sets a parameter as a user does.
    async fn set(&self, id: i32, value: impl Into<Value>) {
        self.handle.set(self.param(id), NewValue::Scalar(value.into()), BOUND).await.unwrap();
    }

    /// Waits until a parameter reads so; an empty text is a parameter that is empty or has that text.
    async fn reads(&self, id: i32, expected: &str) {
        let param = self.param(id);
        let mut changes = self.handle.subscribe().await.unwrap();
        let readings = &changes.snapshot.readings;
        let mut reading = readings.iter().find(|reading| reading.param == param).cloned().unwrap();
        loop {
            if let Readable::Scalar(value) = &reading.value
                && (reading.set || expected.is_empty())
                && &*value.to_text() == expected
            {
                return;
            }
            let change = changes.next().await.unwrap();
            if change.reading.param == param {
                reading = change.reading.clone();
            }
        }
    }

    /// Waits until the link of a connection is in a state.
    async fn link_is(&self, connection: usize, state: &str) {
        let mut status = self.handle.watch_status();
        let is_there = |status: &Arc<backshell::element::status::Status>| {
            status.connections[connection].link.as_ref().is_some_and(|link| link.state == state)
        };
        while !is_there(&self.handle.fresh_status().await) {
            // What is shown may lag behind: then it is asked for.
            let _shown = tokio::time::timeout(Duration::from_millis(50), status.changed()).await;
        }
    }

    /// Stops it and waits for its end.
    async fn end(mut self) {
        self.stop.cancel();
        assert!(self.tasks.stop(Duration::from_secs(5)).await.is_empty(), "the element ends by itself");
    }
}

#[test]
fn every_definition_that_we_ship_is_without_problems() {
    let folders = std::fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    assert!(folders.len() >= 4, "{folders:?}");
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
