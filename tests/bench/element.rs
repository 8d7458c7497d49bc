//! Elements for benchmarks: small definitions, settings, the services of a process; measures nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backshell::daemon::assemble::{System, assemble};
use backshell::element::clock::Clock;
use backshell::element::driver::Services;
use backshell::element::gate::Gate;
use backshell::element::handle::{Handle, Readable};
use backshell::element::spec::Spec;
use backshell::element::status::LinkStatus;
use backshell::engine::link::budget::Limits;
use backshell::language::model::Protocol;
use backshell::language::model::id::{ParamId, ParamIx};
use backshell::language::source::Source;
use backshell::script::load;
use backshell::settings;
use backshell::tasks::Tasks;
use backshell::transport::dial::{Environment, Network};
use backshell::transport::http::Http;
use backshell::transport::proxy;
use backshell::value::Value;

/// The definition that the runtime comes with.
pub(crate) const REFERENCE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/protocols/nmos-is07-events/protocol.xml"));

/// A link with its path in parameter 8, and a state message with three values into parameters 41 to 43.
pub(crate) const SMALL: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<Protocol xmlns:bs="urn:backshell:1">
  <Name>Small</Name>
  <Version>1.0.0.1</Version>
  <Connections>
    <Connection id="1" name="Link">
      <Http>
        <CommunicationOptions>
          <WebSocket>true</WebSocket>
          <WebSocketHandshake>25</WebSocketHandshake>
        </CommunicationOptions>
      </Http>
    </Connection>
  </Connections>
  <HTTP>
    <Session id="25" name="Handshake">
      <Connection id="1">
        <Request verb="GET" pid="8">
          <Headers><Header key="Sec-WebSocket-Extensions" pid="9"/></Headers>
        </Request>
      </Connection>
    </Session>
  </HTTP>
  <Params>
    <Param id="8"><Name>Path</Name><Description>Path</Description><Type>read</Type>
      <Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type><DefaultValue>events</DefaultValue></Interprete></Param>
    <Param id="58" setter="true"><Name>Path</Name><Description>Path</Description><Type>write</Type>
      <Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param>
    <Param id="9"><Name>Extensions</Name><Description>Extensions</Description><Type>read</Type>
      <Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type><DefaultValue>permessage-deflate; client_max_window_bits</DefaultValue></Interprete></Param>
    <Param id="41"><Name>Value</Name><Description>Value</Description><Type>read</Type>
      <Interprete><RawType>numeric text</RawType><LengthType>next param</LengthType><Type>double</Type></Interprete></Param>
    <Param id="42"><Name>Scale</Name><Description>Scale</Description><Type>read</Type>
      <Interprete><RawType>numeric text</RawType><LengthType>next param</LengthType><Type>double</Type></Interprete></Param>
    <Param id="43"><Name>Time</Name><Description>Time</Description><Type>read</Type>
      <Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param>
  </Params>
  <Responses>
    <Response id="1">
      <Name>State</Name>
      <bs:Match path="$.message_type" equals="state"/>
      <bs:Extract path="$.payload.value" pid="41"/>
      <bs:Extract path="$.payload.scale" pid="42"/>
      <bs:Extract path="$.timing.creation_timestamp" pid="43"/>
    </Response>
  </Responses>
  <Pairs>
    <Pair id="1"><Name>State</Name><Content><Response>1</Response></Content></Pair>
  </Pairs>
</Protocol>
"#;

/// Compiles a definition.
pub(crate) fn protocol(text: &str) -> Arc<Protocol> {
    let source = Source::new("protocol.xml", text);
    let loaded = load::whole(&source, None);
    loaded.protocol.unwrap_or_else(|| panic!("{:#?}", loaded.report.diagnostics()))
}

/// An element with one link; `reconnect` is the settings' table of that name.
pub(crate) fn spec(name: &str, protocol: &Arc<Protocol>, address: SocketAddr, reconnect: &str) -> Arc<Spec> {
    with_settings(
        name,
        protocol,
        &connection("ws", address, &format!("[element.connection.0.reconnect]\n{reconnect}")),
    )
}

/// An element with one HTTP connection, and the path that it asks for in parameter `Path`.
pub(crate) fn http_spec(name: &str, protocol: &Arc<Protocol>, address: SocketAddr, path: &str) -> Arc<Spec> {
    with_settings(
        name,
        protocol,
        &connection("http", address, &format!("[element.params]\nPath = \"{path}\"")),
    )
}

fn connection(scheme: &str, address: SocketAddr, more: &str) -> String {
    format!(
        "[element.connection.0]\nhost = \"{scheme}://{}\"\nport = {}\ntimeout_ms = 10000\n\
         bus_address = \"bypassProxy\"\n{more}\n",
        address.ip(),
        address.port(),
    )
}

fn with_settings(name: &str, protocol: &Arc<Protocol>, more: &str) -> Arc<Spec> {
    let text = format!("[[element]]\nname = \"{name}\"\nprotocol = \"protocol.xml\"\n{more}");
    let (settings, report) = settings::parse(&Source::new("backshell.toml", text), Path::new("."));
    let settings = settings.unwrap_or_else(|| panic!("{:#?}", report.diagnostics()));
    Arc::new(assemble(&settings.elements[0], &settings, protocol, &System).expect("fits"))
}

/// The services of a process without a store; the gate runs as one of `tasks`.
pub(crate) fn services(limits: Limits, tasks: &mut Tasks) -> Services {
    let gate = Gate::new(limits);
    let run = gate.clone();
    tasks.spawn("gate", |stop| run.run(stop));
    let dials =
        Environment { connector: Arc::new(Network::default()), system_proxy: proxy::System::read(|_| None) };
    Services {
        gate,
        store: None,
        dials,
        http: Http::default(),
        scripts: Default::default(),
        clock: Clock::start(),
        witness: None,
    }
}

/// No limit to dials.
pub(crate) const UNLIMITED: Limits = Limits { per_second: None, per_host_per_second: None };

/// The parameter of an id.
pub(crate) fn param(protocol: &Protocol, id: i32) -> ParamIx {
    protocol.param_by_id(ParamId(id)).expect("the definition has it")
}

/// The life of an element's first link.
pub(crate) fn link(handle: &Handle) -> LinkStatus {
    handle.status().connections.first().and_then(|connection| connection.link.clone()).expect("a link")
}

/// Waits until a link is ready and newer than an epoch; returns its epoch.
pub(crate) async fn ready(handle: &Handle, after: u64) -> u64 {
    let mut status = handle.watch_status();
    loop {
        let found = status
            .borrow_and_update()
            .connections
            .first()
            .and_then(|connection| connection.link.as_ref().map(|link| (link.state, link.epoch)));
        match found {
            Some(("ready", epoch)) if epoch > after => return epoch,
            _ => {}
        }
        let changed = tokio::time::timeout(Duration::from_secs(60), status.changed()).await;
        changed.expect("the link comes up").expect("the element runs");
    }
}

/// The present value of a parameter as text.
pub(crate) async fn text_of(handle: &Handle, param: ParamIx) -> String {
    match handle.get(param).await.expect("the element runs").value {
        Readable::Scalar(value) => match value {
            Value::Empty => String::new(),
            value => value.to_text().to_string(),
        },
        Readable::Table(_) => panic!("a table"),
    }
}
