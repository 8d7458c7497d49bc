//! What followed a message, step by step, as it is shown: what ran, what would be sent, what is reported; runs nothing.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use super::outcome::{After, Named, Ran, Then};
use super::snapshot::{masked, masked_by, masked_key, masked_value};
use crate::api::wire::Value;
use crate::engine::codec::command::Outgoing;
use crate::engine::codec::mask::{Ends, Mask};
use crate::engine::logic::effect::{Code, Effect, Severity};
use crate::engine::logic::trace::{self, RowsEdit, Step, Traced};
use crate::engine::session::requests::Order;
use crate::engine::target::exchange::Content;
use crate::language::model::Protocol;
use crate::language::model::condition::Condition;
use crate::language::model::id::{ConnectionIx, ParamIx, ScriptIx, TableIx};
use crate::language::model::message::MessageKind;
use crate::language::model::script;
use crate::value;

/// What happened in one turn of the element, in order.
pub(super) struct Turn {
    /// Since the message.
    pub(super) after: Duration,
    pub(super) steps: Vec<Traced>,
    pub(super) effects: Vec<Effect>,
}

/// What followed.
pub(super) fn followed(protocol: &Protocol, mask: &Mask, turns: Vec<Turn>) -> Vec<Then> {
    let shown = Followed { protocol, mask };
    let mut all = Vec::new();
    for turn in turns {
        let mut of_turn = Vec::new();
        let mut steps = turn.steps.into_iter().peekable();
        for (position, effect) in turn.effects.into_iter().enumerate() {
            while let Some(step) = steps.next_if(|step| step.effects_before <= position) {
                of_turn.extend(shown.step(&step.step));
            }
            of_turn.extend(shown.effect(effect));
        }
        of_turn.extend(steps.filter_map(|step| shown.step(&step.step)));
        if !of_turn.is_empty() && !turn.after.is_zero() {
            all.push(Then::Later { after: u64::try_from(turn.after.as_millis()).unwrap_or(u64::MAX) });
        }
        all.extend(of_turn);
    }
    all
}

struct Followed<'a> {
    protocol: &'a Protocol,
    mask: &'a Mask,
}

impl Followed<'_> {
    fn step(&self, step: &Step) -> Option<Then> {
        let protocol = self.protocol;
        Some(match step {
            // These are shown with the values.
            Step::Response { .. } | Step::Answer { .. } | Step::Rejected { .. } => return None,
            Step::Trigger(ix, how) => {
                let one = protocol.trigger(*ix);
                let condition = one.condition.as_ref().or(one.guard.as_ref());
                Then::Trigger(ran(one.id.0, &one.name, *how, condition))
            }
            Step::Action(ix, how) => {
                let one = protocol.action(*ix);
                Then::Action(ran(one.id.0, &one.name, *how, one.condition.as_ref()))
            }
            Step::Group(ix, how) => {
                let one = protocol.group(*ix);
                Then::Group(ran(one.id.0, &one.name, *how, one.condition.as_ref()))
            }
            Step::Pair(ix, how) => {
                let one = protocol.pair(*ix);
                Then::Pair(ran(one.id.0, &one.name, *how, one.condition.as_ref()))
            }
            Step::Session(ix, how) => {
                let one = protocol.session(*ix);
                Then::Session(ran(one.id.0, &one.name, *how, one.condition.as_ref()))
            }
            Step::Script(ix, after, how) => {
                let one = protocol.script(*ix);
                let after = match after {
                    script::Trigger::Param(param) => After::Param(self.named(*param)),
                    script::Trigger::Group(ix) => {
                        let group = protocol.group(*ix);
                        After::Group(Named { id: group.id.0, name: group.name.clone() })
                    }
                };
                Then::Script { ran: ran(one.id.0, &one.name, *how, one.condition.as_ref()), after }
            }
            Step::ScriptSet { script, param, row, value } => Then::Set {
                script: self.script(*script),
                param: self.named(*param),
                row: row.as_ref().map(|key| {
                    let column = protocol.param(*param).column;
                    column.map_or_else(|| key.clone(), |(table, _)| self.key(table, key))
                }),
                value: masked_by(self.mask, masked_value(protocol.param(*param), value)),
            },
            Step::ScriptRows { script, table, edit } => {
                let (edit, count, keys) = match edit {
                    RowsEdit::Added(key) => ("added", Some(1), slice::from_ref(key)),
                    RowsEdit::Set(key) => ("set", Some(1), slice::from_ref(key)),
                    RowsEdit::Deleted(keys) => ("deleted", Some(keys.len()), &**keys),
                    RowsEdit::Filled(count) => ("filled", Some(*count), &[][..]),
                    RowsEdit::Cleared => ("cleared", None, &[][..]),
                };
                let keys = keys.iter().map(|key| self.key(*table, key)).collect();
                let table = self.named(protocol.table(*table).param);
                Then::Rows { script: self.script(*script), table, edit, count, keys }
            }
            // What is sent is an effect.
            Step::Exchange(_, _, trace::Ran::Yes | trace::Ran::Otherwise) => return None,
            Step::Exchange(ix, at, trace::Ran::No) => {
                let one = protocol.session(*ix);
                let condition = one.exchanges.get(*at).and_then(|exchange| exchange.condition.as_ref());
                Then::LeftOut {
                    session: Named { id: one.id.0, name: one.name.clone() },
                    exchange: at + 1,
                    condition: condition.map(|condition| condition.text.clone()).unwrap_or_default(),
                }
            }
        })
    }

    fn effect(&self, effect: Effect) -> Option<Then> {
        let link = |connection: ConnectionIx, what| Then::Link { connection: number(connection), what };
        Some(match effect {
            Effect::Send { connection, message } => self.send(connection, &message),
            Effect::Request(order) => self.request(&order),
            Effect::Watched { connection, param, old, new, .. } => Then::Move {
                connection: number(connection),
                param: self.named(param),
                old: self.value(param, &old),
                new: self.value(param, &new),
            },
            Effect::Open(connection) => link(connection, "opens"),
            Effect::Close(connection) => link(connection, "closes"),
            Effect::Reconnect(connection) => link(connection, "opens anew"),
            Effect::HeartbeatLost(connection) => link(connection, "is dropped: its heartbeat got no answer"),
            Effect::ElementTimeout { active } => Then::Timeout { active },
            Effect::ReadFile { name, into, .. } => Then::ReadFile { name, into: self.named(into) },
            // Shown with the values.
            Effect::Report(report) if report.code == Code::Dropped => return None,
            Effect::Report(report) => {
                Then::Report { severity: in_words(report.severity), text: masked(self.mask, &report.text) }
            }
            Effect::ScriptLog(line) => Then::Report {
                severity: in_words(line.severity),
                text: masked(self.mask, &format!("script {}: {}", self.script(line.script).id, line.text)),
            },
            Effect::ScriptFailed(failed) => Then::Report {
                severity: "error",
                text: masked(
                    self.mask,
                    &format!("script {} failed: {}", self.script(failed.script).id, failed.failure),
                ),
            },
            // The values are compared as a whole; there is neither a store nor a link that waits.
            Effect::Change(_) | Effect::Save(_) | Effect::Remember { .. } | Effect::Prepared { .. } => {
                return None;
            }
        })
    }

    fn script(&self, script: ScriptIx) -> Named {
        let described = self.protocol.script(script);
        Named { id: described.id.0, name: described.name.clone() }
    }

    fn send(&self, connection: ConnectionIx, message: &Outgoing) -> Then {
        let mut mask = Mask::default();
        mask.extend(self.mask.secrets().cloned());
        message.hide(&mut mask);
        let shown = mask.shown(&message.payload, usize::MAX, Ends::Whole);
        let (form, data) = match message.kind {
            MessageKind::Text => ("text", Value::Text(String::from_utf8_lossy(&shown).into())),
            MessageKind::Binary => ("binary", Value::Bytes(shown.into())),
        };
        Then::Send { connection: number(connection), form, size: message.payload.len(), data }
    }

    fn request(&self, order: &Order) -> Then {
        let request = &order.request;
        let body = match request.content() {
            Content::None => None,
            Content::Bytes(bytes) => {
                let shown = self.mask.shown(bytes.expose(), usize::MAX, Ends::Whole);
                Some(String::from_utf8_lossy(&shown).into_owned())
            }
            Content::Form(parts) => {
                let shown: Vec<String> =
                    parts.iter().map(|part| masked(self.mask, &part.to_string())).collect();
                Some(shown.join("\n"))
            }
        };
        let session = self.protocol.session(order.session);
        Then::Request {
            connection: number(order.connection),
            session: Named { id: session.id.0, name: session.name.clone() },
            line: masked(self.mask, &format!("{} {}", request.method(), request.shown_url())),
            body,
        }
    }

    fn named(&self, param: ParamIx) -> Named {
        let described = self.protocol.param(param);
        Named { id: described.id.0, name: described.name.clone() }
    }

    fn key(&self, table: TableIx, key: &str) -> Arc<str> {
        masked_key(self.protocol, self.mask, table, key)
    }

    fn value(&self, param: ParamIx, value: &value::Value) -> String {
        if value.is_empty() {
            "(empty)".to_owned()
        } else if self.protocol.param(param).secret {
            "***".to_owned()
        } else {
            // Of whatever it is made, it may hold a secret.
            format!("\"{}\"", masked(self.mask, &value.to_text()))
        }
    }
}

fn ran(id: i32, name: &Arc<str>, how: trace::Ran, condition: Option<&Condition>) -> Ran {
    let (ran, condition) = match how {
        trace::Ran::Yes => ("yes", None),
        trace::Ran::Otherwise => ("else", condition),
        trace::Ran::No => ("no", condition),
    };
    let condition = condition.map(|condition| condition.text.clone());
    Ran { named: Named { id, name: name.clone() }, ran, condition }
}

/// The index of a connection.
pub(super) fn number(connection: ConnectionIx) -> u32 {
    u32::try_from(connection.index()).unwrap_or(u32::MAX)
}

fn in_words(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
