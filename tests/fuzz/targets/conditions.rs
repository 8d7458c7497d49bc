//! Any text as the condition of an action, a group, a pair, a trigger and a timer: parsed, evaluated and run over values of every kind.
#![no_main]

use std::sync::Arc;
use std::time::{Duration, Instant};

use backshell::engine::codec::condition;
use backshell::engine::logic::link::LinkChange;
use backshell::engine::logic::{Engine, First, Options, TableEdit};
use backshell::engine::param::Origin;
use backshell::language::load;
use backshell::language::model::Protocol;
use backshell::language::model::id::{ConnectionIx, ParamId, TableIx};
use backshell::language::source::Source;
use backshell::value::{Context, Value, Wall};
use libfuzzer_sys::fuzz_target;

/// The definition, with the condition wherever `CONDITION` stands.
const DEFINITION: &str = include_str!("../conditions.xml");

fuzz_target!(|data: &[u8]| {
    let [choice, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    if text.contains("]]>") || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return;
    }
    let source = Source::new("fuzz.xml", DEFINITION.replace("CONDITION", text));
    let (protocol, report) = load::whole(&source);
    for problem in report.diagnostics() {
        let (start, end) = (problem.span.start as usize, problem.span.end as usize);
        assert!(start <= end && end <= source.text().len(), "{problem:?}");
        assert!(source.text().is_char_boundary(start) && source.text().is_char_boundary(end), "{problem:?}");
    }
    if let Some(protocol) = protocol {
        run(&protocol, *choice);
    }
});

/// A value of a kind that the choice picks.
fn value(choice: u8) -> Value {
    match choice % 8 {
        0 => Value::Empty,
        1 => Value::text(""),
        2 => Value::text("on"),
        3 => Value::text("12"),
        4 => Value::number(12.0),
        5 => Value::number(-0.5),
        6 => Value::number(f64::MAX),
        _ => Value::Bytes(vec![0xff, 0x00].into()),
    }
}

fn run(protocol: &Arc<Protocol>, choice: u8) {
    let param = |id| protocol.param_by_id(ParamId(id)).expect("the definition has it");
    let mut ctx = Context::new(Instant::now(), Wall(1_700_000_000_000_000_000), 7);
    let mut engine = Engine::new(Arc::clone(protocol), Options::default());
    engine.start(&mut ctx, First::default());
    engine.link(&mut ctx, ConnectionIx::new(0).expect("small"), LinkChange::Ready, None);
    // A value that the parameter does not take leaves it empty, which is a value too.
    let _ = engine.set(&mut ctx, param(1), None, value(choice), Origin::Engine);
    let _ = engine.set(&mut ctx, param(2), None, value(choice >> 3), Origin::Engine);
    let cells = vec![Some(Value::text("a")), Some(value(choice >> 5))];
    let _ = engine.edit(&mut ctx, TableIx::new(0).expect("small"), TableEdit::AddRow { cells }, Origin::Engine);
    for condition in protocol.actions.iter().filter_map(|action| action.condition.as_ref()) {
        for row in [None, Some("a"), Some("b")] {
            let holds = condition::holds(condition, engine.params(), row);
            assert_eq!(condition::holds(condition, engine.params(), row), holds, "it depends on nothing else");
        }
    }
    let _ = engine.set(&mut ctx, param(5), None, Value::number(1.0), Origin::User);
    assert_eq!(engine.params().get(param(5)).as_number(), Some(1.0));
    for _ in 0..20 {
        let Some(at) = engine.wake_at() else { break };
        ctx.advance(at.saturating_duration_since(ctx.now).min(Duration::from_secs(60)));
        engine.tick(&mut ctx);
        engine.effects().for_each(drop);
    }
    engine.stop(&mut ctx);
    assert_eq!(engine.counters().cuts, 0, "nothing here feeds itself");
}
