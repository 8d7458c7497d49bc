//! Any bytes as JSON, XML, CSV and `key=value`: conditions, values and rows of every kind; keys stay unique and limits hold.
#![no_main]

use std::sync::{Arc, OnceLock};

use backshell::engine::codec::layout::Layouts;
use backshell::engine::codec::message::Message;
use backshell::engine::codec::preview;
use backshell::engine::param::Params;
use backshell::language::load;
use backshell::language::model::Protocol;
use backshell::language::model::id::{ConnectionIx, TableIx};
use backshell::language::model::message::MessageKind;
use backshell::language::source::Source;
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
    let mut params = Params::new(Arc::clone(protocol()));
    let connections = protocol().connections.len();
    for payload in data.split(|byte| *byte == 0).take(16) {
        for connection in 0..connections {
            let connection = ConnectionIx::new(connection).expect("small");
            let message = Message::new(MessageKind::Text, Bytes::copy_from_slice(payload));
            let _told = preview::message(&mut params, &Layouts::default(), connection, &message);
        }
        for table in (0..protocol().tables.len()).filter_map(TableIx::new) {
            let rows = params.rows(table);
            assert!(rows.len() <= LIMIT, "a list is longer than its limit");
            for (position, row) in rows.iter().enumerate() {
                assert_eq!(rows.position(row.key()), Some(position), "a key is there twice");
                assert!(!row.key().is_empty(), "a key is empty");
            }
        }
    }
});
