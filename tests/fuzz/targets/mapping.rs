//! Any bytes as JSON, XML, CSV and `key=value`: conditions, values and rows of every kind; keys stay unique and limits hold.
#![no_main]

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use backshell::engine::logic::{Engine, First, Options};
use backshell::language::load;
use backshell::language::model::Protocol;
use backshell::language::model::id::{ConnectionIx, TableIx};
use backshell::language::model::message::MessageKind;
use backshell::language::source::Source;
use backshell::value::{Context, Wall};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

/// The `limit` of every list in the definition.
const LIMIT: usize = 5;

fn protocol() -> &'static Arc<Protocol> {
    static PROTOCOL: OnceLock<Arc<Protocol>> = OnceLock::new();
    PROTOCOL.get_or_init(|| {
        let (protocol, report) = load::whole(&Source::new("mapping.xml", include_str!("../mapping.xml")));
        assert!(!report.has_errors(), "{:#?}", report.diagnostics());
        protocol.expect("the definition has no error")
    })
}

// A message for each of the connections, each of which has a format; messages are separated by a zero byte.
fuzz_target!(|data: &[u8]| {
    let mut ctx = Context::new(Instant::now(), Wall(1_700_000_000_000_000_000), 7);
    let mut engine = Engine::new(Arc::clone(protocol()), Options::default());
    engine.start(&mut ctx, First::default());
    let connections = protocol().connections.len();
    for payload in data.split(|byte| *byte == 0).take(16) {
        for connection in 0..connections {
            let connection = ConnectionIx::new(connection).expect("small");
            engine.message(&mut ctx, connection, MessageKind::Text, Bytes::copy_from_slice(payload));
            drop(engine.effects());
        }
        for table in (0..protocol().tables.len()).filter_map(TableIx::new) {
            let rows = engine.params().rows(table);
            assert!(rows.len() <= LIMIT, "a list is longer than its limit");
            for (position, row) in rows.iter().enumerate() {
                assert_eq!(rows.position(row.key()), Some(position), "a key is there twice");
                assert!(!row.key().is_empty(), "a key is empty");
            }
        }
    }
});
