//! A whole element inside the test, as an operator would start it, and what people see of it; tests nothing itself.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backshell::daemon::assemble::{self, System};
use backshell::element::clock::Clock;
use backshell::element::driver::{self, Services};
use backshell::element::gate::Gate;
use backshell::element::handle::{Handle, NewValue, Readable};
use backshell::element::status::{ConnectionStatus, Status};
use backshell::engine::link::budget::Limits;
use backshell::language::load;
use backshell::language::model::id::{ParamId, ParamIx};
use backshell::language::source::Source;
use backshell::settings;
use backshell::tasks::Tasks;
use backshell::transport::dial::Environment;
use backshell::transport::http::Http;
use backshell::transport::proxy;
use backshell::value::Value;
use tokio_util::sync::CancellationToken;

/// How long a set may take.
const SET: Duration = Duration::from_secs(20);
/// How long an element may take to end.
const END: Duration = Duration::from_secs(5);

/// A running element; its tasks are aborted when it is dropped.
pub(crate) struct Element {
    pub(crate) handle: Handle,
    stop: CancellationToken,
    tasks: Tasks,
}

impl Element {
    /// Starts the first element of a settings file with a definition, both as texts; no proxy of the machine is used.
    pub(crate) fn start(folder: &Path, definition: String, settings: String) -> Self {
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
            dials: Environment { system_proxy: proxy::System::default(), ..Environment::of_process() },
            http: Http::default(),
            scripts: Default::default(),
            clock: Clock::start(),
            witness: None,
        };
        let stop = CancellationToken::new();
        let handle = driver::start(Arc::new(spec), services, &mut tasks, stop.clone());
        Self { handle, stop, tasks }
    }

    pub(crate) fn param(&self, id: i32) -> ParamIx {
        self.handle.protocol().param_by_id(ParamId(id)).unwrap()
    }

    /// Sets a parameter as a user does.
    pub(crate) async fn set(&self, id: i32, value: impl Into<Value>) {
        self.handle.set(self.param(id), NewValue::Scalar(value.into()), SET).await.unwrap();
    }

    /// The text of a parameter; empty if it is empty.
    pub(crate) async fn text(&self, id: i32) -> String {
        match self.handle.get(self.param(id)).await.unwrap().value {
            Readable::Scalar(value) => value.to_text().to_string(),
            Readable::Table(_) => panic!("parameter {id} is a table"),
        }
    }

    /// Waits until a parameter reads so; an empty text is a parameter that is empty or has that text.
    pub(crate) async fn reads(&self, id: i32, expected: &str) {
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

    /// Waits until a connection is so, and returns what it shows then.
    pub(crate) async fn until(
        &self,
        connection: usize,
        is_so: impl Fn(&ConnectionStatus) -> bool,
    ) -> ConnectionStatus {
        let mut status = self.handle.watch_status();
        loop {
            let now: Arc<Status> = self.handle.fresh_status().await;
            if is_so(&now.connections[connection]) {
                return now.connections[connection].clone();
            }
            // What is shown may lag behind: then it is asked for.
            let _shown = tokio::time::timeout(Duration::from_millis(50), status.changed()).await;
        }
    }

    /// Waits until the link of a connection is in a state.
    pub(crate) async fn link_is(&self, connection: usize, state: &str) {
        self.until(connection, |shown| shown.link.as_ref().is_some_and(|link| link.state == state)).await;
    }

    /// Stops it and waits for its end.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        assert!(self.tasks.stop(END).await.is_empty(), "the element ends by itself");
    }
}
