//! What one response with `bs:Match` and three `bs:Extract` costs, sets included, beside `serde_json` reading the same fields.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backshell::engine::codec::layout::Layouts;
use backshell::engine::codec::message::Message;
use backshell::engine::codec::response;
use backshell::engine::param::{Origin, Params};
use backshell::language;
use backshell::language::model::Protocol;
use backshell::language::model::id::ConnectionIx;
use backshell::language::model::message::MessageKind;
use backshell::language::source::Source;
use bytes::Bytes;

const DEFINITION: &str = r#"<Protocol xmlns:bs="urn:backshell:1">
  <Connections>
    <Connection id="0">
      <Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http>
    </Connection>
  </Connections>
  <Params>
    <Param id="1"><Name>Kind</Name><Type>read</Type></Param>
    <Param id="2"><Name>Value</Name><Type>read</Type><Interprete><Type>double</Type></Interprete></Param>
    <Param id="3"><Name>Time</Name><Type>read</Type></Param>
  </Params>
  <Responses>
    <Response id="1">
      <bs:Match path="$.message_type" equals="state"/>
      <bs:Extract path="$.event_type" pid="1"/>
      <bs:Extract path="$.payload.value" pid="2"/>
      <bs:Extract path="$.timing.creation_timestamp" pid="3"/>
    </Response>
  </Responses>
</Protocol>
"#;

/// How often each is measured; the best counts.
const ROUNDS: usize = 600;
/// How many messages a round has.
const MESSAGES: u32 = 200;

/// A state message of IS-07 of about this many bytes, and one with another value; so that every message is a change.
pub(crate) fn messages(len: usize) -> [Bytes; 2] {
    [1, 2].map(|value| {
        let short = format!(
            r#"{{"message_type":"state","event_type":"number","payload":{{"value":{value}}},"timing":{{"creation_timestamp":"1:{value}"}}}}"#
        );
        let identity =
            r#","identity":{"source_id":"9f463872-0a4b-4bcc-9f3c-5a0c8c5c1a11"},"padding":""}"#;
        if len < short.len() + identity.len() {
            return Bytes::from(short);
        }
        let padding = "x".repeat(len - short.len() - identity.len() + 1);
        let identity = identity.replace("\"\"", &format!("\"{padding}\""));
        Bytes::from(format!("{}{identity}", &short[..short.len() - 1]))
    })
}

/// The shortest time of so many runs.
pub(crate) fn best(rounds: usize, mut run: impl FnMut()) -> Duration {
    (0..rounds).fold(Duration::MAX, |best, _| {
        let start = Instant::now();
        run();
        best.min(start.elapsed())
    })
}

/// The definition that is measured.
pub(crate) fn protocol() -> Arc<Protocol> {
    let (protocol, report) = language::load(&Source::new("codec.xml", DEFINITION));
    protocol.unwrap_or_else(|| panic!("the definition has no error: {report:?}"))
}

/// Reads the same fields with `serde_json`; true if the message is a state message.
pub(crate) fn serde_json_reads(payload: &[u8]) -> bool {
    let tree: serde_json::Value = serde_json::from_slice(payload).expect("the message is JSON");
    black_box((&tree["event_type"], &tree["payload"]["value"], &tree["timing"]["creation_timestamp"]));
    tree["message_type"] == "state"
}

/// Prints both for 100 B and 1 KiB.
pub(crate) fn run() {
    let protocol = protocol();
    let connection = ConnectionIx::new(0).expect("the first");
    let mut params = Params::new(protocol.clone());
    let layouts = Layouts::default();
    for len in [100, 1024] {
        let messages = messages(len);
        let mut events = 0;
        let ours = best(ROUNDS, || {
            for payload in messages.iter().cycle().take(MESSAGES as usize) {
                let message = Message::new(MessageKind::Text, payload.clone());
                let candidates = protocol.candidates(connection).iter().copied();
                let (_, reading) =
                    response::take(&params, &layouts, candidates, &message).expect("the message fits");
                let sets = reading.got.sets.into_iter().map(|set| (set.param, set.value));
                events += params.apply(sets, Origin::Message).len();
            }
        });
        assert!(events > ROUNDS * MESSAGES as usize, "each message changes the value and the time");
        let theirs = best(ROUNDS, || {
            for payload in messages.iter().cycle().take(MESSAGES as usize) {
                assert!(serde_json_reads(payload));
            }
        });
        let [ours, theirs] = [ours, theirs].map(|time| time.as_secs_f64() / f64::from(MESSAGES));
        println!(
            "{:>5} B: {:.0} ns = {:.2} M/s with sets and events; serde_json {:.0} ns; ratio of speeds {:.2}",
            messages[0].len(),
            ours * 1e9,
            1e-6 / ours,
            theirs * 1e9,
            theirs / ours
        );
    }
}
