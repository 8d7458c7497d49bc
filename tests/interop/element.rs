//! One whole element against a peer that we did not write: it subscribes, takes values, moves, and comes back.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;
use std::sync::Arc;

use backshell::daemon::assemble::{self, System};
use backshell::element::clock::Clock;
use backshell::element::driver::{self, Services};
use backshell::element::gate::Gate;
use backshell::element::handle::{Handle, NewValue, Readable};
use backshell::element::spec::Spec;
use backshell::engine::link::budget::Limits;
use backshell::language::load;
use backshell::language::model::id::{ParamId, ParamIx};
use backshell::language::source::Source;
use backshell::settings;
use backshell::tasks::Tasks;
use backshell::transport::dial::Environment;
use backshell::transport::http::Http;
use backshell::value::Value;
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;

use super::peer::{Kind, Peer, or_skipped};
use super::{BOUND, CLOSE, bounded};

const WEBSOCKET_STATUS: i32 = 7;
const URL: i32 = 58;
const BOOLEAN: i32 = 40;
const NUMBER: i32 = 41;
const TEXT: i32 = 42;
const ENUMERATED: i32 = 43;

/// The definition that we ship, edited, with the settings that an operator would write: of the connection, and parameters.
fn spec(connection: &str, params: &str, edit: impl FnOnce(String) -> String) -> Spec {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let definition = "protocols/nmos-is07-events/protocol.xml";
    let text = edit(std::fs::read_to_string(folder.join(definition)).unwrap());
    let protocol = load::whole(&Source::new(definition, text)).0.unwrap();
    let settings = format!(
        "[[element]]\nname = \"studio\"\nprotocol = \"{definition}\"\n\
         [element.connection.0]\n{connection}\n\
         reconnect = {{ initial_delay_ms = 50, max_delay_ms = 200 }}\n\
         [element.params]\n{params}\n"
    );
    let (settings, report) = settings::parse(&Source::new("test.toml", settings), folder);
    let settings = settings.unwrap_or_else(|| panic!("{:?}", report.diagnostics()));
    assemble::assemble(&settings.elements[0], &settings, &protocol, &System).unwrap()
}

/// A running element; its tasks are aborted when it is dropped.
pub(super) struct Element {
    pub(super) handle: Handle,
    stop: CancellationToken,
    tasks: Tasks,
}

impl Element {
    /// Starts the definition that we ship with settings of its connection and of parameters.
    pub(super) fn start(connection: &str, params: &str) -> Self {
        Self::start_edited(connection, params, |definition| definition)
    }

    /// As [`Element::start`], with the text of the definition changed.
    pub(super) fn start_edited(connection: &str, params: &str, edit: impl FnOnce(String) -> String) -> Self {
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
        let handle =
            driver::start(Arc::new(spec(connection, params, edit)), services, &mut tasks, stop.clone());
        Self { handle, stop, tasks }
    }

    /// Stops it and waits for its end.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        assert!(self.tasks.stop(CLOSE).await.is_empty(), "the element ends by itself");
    }
}

fn param(handle: &Handle, id: i32) -> ParamIx {
    handle.protocol().param_by_id(ParamId(id)).unwrap()
}

/// Waits until a parameter reads so.
async fn reads(handle: &Handle, id: i32, expected: &str) {
    let param = param(handle, id);
    let mut changes = handle.subscribe().await.unwrap();
    let mut reading =
        changes.snapshot.readings.iter().find(|reading| reading.param == param).cloned().unwrap();
    loop {
        if let Readable::Scalar(value) = &reading.value
            && reading.set
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

#[tokio::test]
async fn an_element_subscribes_takes_values_moves_and_comes_back() {
    // Bound and never listening: keeps the port ours while no peer has it.
    let held = TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = held.local_addr().unwrap().port();
    let Some(peer) = or_skipped(Peer::start(Kind::Python, port, "first")) else { return };
    bounded(async {
        let element = Element::start(&format!("host = \"ws://127.0.0.1\"\nport = {port}"), "");
        let handle = &element.handle;

        reads(handle, TEXT, "first /x-nmos/events/ws").await;
        reads(handle, BOOLEAN, "true").await;
        reads(handle, NUMBER, "21.5").await;
        reads(handle, ENUMERATED, "b").await;
        reads(handle, WEBSOCKET_STATUS, "1").await;
        let link = handle.fresh_status().await.connections[0].link.clone().unwrap();
        assert_eq!((link.state, link.counters.opened), ("ready", 1));
        assert!(link.extensions.is_some_and(|agreed| agreed.starts_with("permessage-deflate")));

        let path = NewValue::Scalar(Value::text("moved/events"));
        handle.set(param(handle, URL), path, BOUND).await.unwrap();
        reads(handle, TEXT, "first /moved/events").await;
        let link = handle.fresh_status().await.connections[0].link.clone().unwrap();
        assert_eq!((link.counters.opened, link.counters.dropped), (2, 0));

        drop(peer);
        reads(handle, WEBSOCKET_STATUS, "0").await;
        let _second = Peer::start(Kind::Python, port, "second").unwrap();
        reads(handle, TEXT, "second /moved/events").await;
        reads(handle, WEBSOCKET_STATUS, "1").await;
        let link = handle.fresh_status().await.connections[0].link.clone().unwrap();
        assert_eq!((link.state, link.counters.dropped), ("ready", 1));

        element.end().await;
    })
    .await;
}
