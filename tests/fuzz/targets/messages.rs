//! Any bytes as messages: `bs:Match` and `bs:Extract`, fields of every raw type and length, a pair that waits; and the JSON scanner against `serde_json`.
#![no_main]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use backshell::engine::codec::message::Message;
use backshell::engine::logic::effect::Effect;
use backshell::engine::logic::link::LinkChange;
use backshell::engine::logic::{Engine, First, Options};
use backshell::language::load;
use backshell::language::model::Protocol;
use backshell::language::model::id::ConnectionIx;
use backshell::language::model::message::MessageKind;
use backshell::language::source::Source;
use backshell::value::{Context, Wall};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fn protocol() -> &'static Arc<Protocol> {
    static PROTOCOL: OnceLock<Arc<Protocol>> = OnceLock::new();
    PROTOCOL.get_or_init(|| {
        let (protocol, report) = load::whole(&Source::new("messages.xml", include_str!("../messages.xml")));
        assert!(report.diagnostics().is_empty(), "{:#?}", report.diagnostics());
        protocol.expect("the definition has no error")
    })
}

fuzz_target!(|data: &[u8]| {
    let [choice, data @ ..] = data else { return };
    json(data);
    let connection = ConnectionIx::new(0).expect("small");
    let mut ctx = Context::new(Instant::now(), Wall(1_700_000_000_000_000_000), 7);
    let mut engine = Engine::new(Arc::clone(protocol()), Options::default());
    engine.start(&mut ctx, First::default());
    engine.link(&mut ctx, connection, LinkChange::Ready, None);
    let mut sent = 0;
    let mut came = 0;
    // A zero byte between two messages would be missed in binary ones, so the first byte says where to cut.
    let length = if *choice == 0 { data.len().max(1) } else { usize::from(*choice) };
    for payload in data.chunks(length).take(64) {
        let kind = match std::str::from_utf8(payload) {
            Ok(_) => MessageKind::Text,
            Err(_) => MessageKind::Binary,
        };
        engine.message(&mut ctx, connection, kind, Bytes::copy_from_slice(payload));
        came += 1;
        for effect in engine.effects() {
            if let Effect::Send { message, .. } = effect {
                sent += 1;
                if message.kind == MessageKind::Text {
                    assert!(std::str::from_utf8(&message.payload).is_ok(), "a text is UTF-8");
                }
            }
        }
        ctx.advance(Duration::from_millis(300));
        engine.tick(&mut ctx);
    }
    sent += engine.effects().filter(|effect| matches!(effect, Effect::Send { .. })).count();
    assert_eq!(engine.counters().messages, came);
    assert!(engine.counters().sent >= sent as u64);
    assert_eq!(engine.counters().cuts, 0, "nothing here feeds itself");
});

/// The scanner takes what `serde_json` takes, and no text that is no JSON.
fn json(data: &[u8]) {
    let message = Message::new(MessageKind::Binary, Bytes::copy_from_slice(data));
    let data = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let is_json = message.json_error().is_none();
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(!is_json, "not UTF-8");
        return;
    };
    if is_json {
        assert!(serde_json::from_str::<IgnoredAny>(text).is_ok(), "taken, and no JSON");
    } else {
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "JSON, and refused");
    }
}
