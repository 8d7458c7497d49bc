//! A list of a thousand objects into a table with five cells each, beside `serde_json` reading the same text into a `Value`.

use std::hint::black_box;
use std::sync::Arc;

use backshell::engine::codec::layout::Layouts;
use backshell::engine::codec::message::Message;
use backshell::engine::codec::response;
use backshell::engine::param::Params;
use backshell::language;
use backshell::language::model::id::ConnectionIx;
use backshell::language::model::message::MessageKind;
use backshell::language::source::Source;
use bytes::Bytes;

use crate::codec::best;

const DEFINITION: &str = r#"<Protocol xmlns:bs="urn:backshell:1">
  <Connections>
    <Connection id="0"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection>
  </Connections>
  <Params>
    <Param id="1000"><Name>Inputs</Name><Type>array</Type><ArrayOptions index="0">
      <ColumnOption idx="0" pid="1001"/><ColumnOption idx="1" pid="1002"/><ColumnOption idx="2" pid="1003"/>
      <ColumnOption idx="3" pid="1004"/><ColumnOption idx="4" pid="1005"/>
    </ArrayOptions></Param>
    <Param id="1001"><Name>Id</Name><Type>read</Type></Param>
    <Param id="1002"><Name>Label</Name><Type>read</Type></Param>
    <Param id="1003"><Name>Level</Name><Type>read</Type><Interprete><Type>double</Type></Interprete></Param>
    <Param id="1004"><Name>Muted</Name><Type>read</Type><Interprete><Type>double</Type></Interprete></Param>
    <Param id="1005"><Name>Source</Name><Type>read</Type></Param>
  </Params>
  <Responses>
    <Response id="1">
      <bs:Match path="$.type" equals="inputs"/>
      <bs:Rows path="$.inputs[*]" table="1000">
        <bs:Cell path="$.id" pid="1001"/>
        <bs:Cell path="$.label" pid="1002"/>
        <bs:Cell path="$.level" pid="1003"/>
        <bs:Cell path="$.muted" pid="1004"/>
        <bs:Cell path="$.source" pid="1005"/>
      </bs:Rows>
    </Response>
  </Responses>
</Protocol>
"#;

/// How often each is measured; the best counts.
const ROUNDS: usize = 200;
/// How many objects the list has.
const OBJECTS: u32 = 1_000;

/// A list of which every level is another one for another `seed`.
fn list(seed: u32) -> Bytes {
    let objects: Vec<String> = (0..OBJECTS)
        .map(|n| {
            let (level, muted) = (f64::from(n * 7 % 600 + seed) / 10.0, n % 3 == 0);
            format!(r#"{{"id":"in-{n}","label":"Input {n}","level":{level:?},"muted":{muted},"source":"10.0.{}.{}"}}"#, n / 250, n % 250)
        })
        .collect();
    Bytes::from(format!(r#"{{"type":"inputs","inputs":[{}]}}"#, objects.join(",")))
}

/// Prints both, for lists in which every row changes and for lists that stay the same.
pub(crate) fn run() {
    let (protocol, report) = language::load(&Source::new("rows.xml", DEFINITION));
    let protocol: Arc<_> = protocol.unwrap_or_else(|| panic!("the definition has no error: {report:?}"));
    let connection = ConnectionIx::new(0).expect("the first");
    let lists = [list(0), list(1)];
    for (what, lists) in
        [("every row changes", [&lists[0], &lists[1]]), ("nothing changes", [&lists[0], &lists[0]])]
    {
        let mut params = Params::new(Arc::clone(&protocol));
        let layouts = Layouts::default();
        let mut events = 0;
        let ours = best(ROUNDS, || {
            for payload in lists {
                let message = Message::new(MessageKind::Text, payload.clone());
                let candidates = protocol.candidates(connection).iter().copied();
                let (_, reading) =
                    response::take(&params, &layouts, candidates, &message).expect("the message fits");
                for fill in reading.got.fills {
                    events += usize::from(params.take_rows(fill).event.is_some());
                }
            }
        });
        black_box(events);
        let theirs = best(ROUNDS, || {
            for payload in lists {
                let tree: serde_json::Value = serde_json::from_slice(payload).expect("the message is JSON");
                black_box(&tree);
            }
        });
        let [ours, theirs] = [ours, theirs].map(|time| time.as_secs_f64() / 2.0);
        println!(
            "{:>6} B, {what}: {:.0} us = {:.0} ns a row; serde_json {:.0} us; ratio of speeds {:.2}",
            lists[0].len(),
            ours * 1e6,
            ours * 1e9 / f64::from(OBJECTS),
            theirs * 1e6,
            theirs / ours
        );
    }
}
