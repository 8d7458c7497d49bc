//! A message into the whole engine of an element: `bs:Match`, three `bs:Extract`, parameters and change events, no socket; beside `serde_json` only reading the fields.

use std::hint::black_box;
use std::time::Instant;

use backshell::engine::logic::effect::Effect;
use backshell::engine::logic::link::LinkChange;
use backshell::engine::logic::{Engine, First, Options};
use backshell::language::model::id::ConnectionIx;
use backshell::language::model::message::MessageKind;
use backshell::value::{Context, Wall};

use crate::codec::{best, messages, protocol, serde_json_reads};

/// How often each is measured; the best counts.
const ROUNDS: usize = 600;
/// How many messages a round has.
const MESSAGES: u32 = 200;

/// Prints both for 100 B and 1 KiB.
pub(crate) fn run() {
    let connection = ConnectionIx::new(0).expect("the first");
    let mut ctx = Context::new(Instant::now(), Wall(0), 1);
    let mut engine = Engine::new(protocol(), Options::default());
    engine.start(&mut ctx, First::default());
    engine.link(&mut ctx, connection, LinkChange::Ready, None);
    engine.effects().for_each(drop);
    for len in [100, 1024] {
        let messages = messages(len);
        let mut changes = 0;
        let ours = best(ROUNDS, || {
            for payload in messages.iter().cycle().take(MESSAGES as usize) {
                engine.message(&mut ctx, connection, MessageKind::Text, payload.clone());
                changes += engine.effects().filter(|effect| matches!(effect, Effect::Change(_))).count();
            }
        });
        assert!(
            changes > 2 * (ROUNDS - 1) * MESSAGES as usize,
            "each message changes the value and the time"
        );
        let theirs = best(ROUNDS, || {
            for payload in messages.iter().cycle().take(MESSAGES as usize) {
                black_box(serde_json_reads(payload));
            }
        });
        let [ours, theirs] = [ours, theirs].map(|time| time.as_secs_f64() / f64::from(MESSAGES));
        println!(
            "{:>5} B: {:.0} ns = {:.2} M/s with change events; serde_json {:.0} ns; ratio of speeds {:.2}",
            messages[0].len(),
            ours * 1e9,
            1e-6 / ours,
            theirs * 1e9,
            theirs / ours
        );
    }
}
