//! Does what the engine decides: sends, saves, tells links and those who watch; decides nothing.

use std::sync::Arc;

use crate::element::driver::show::payload;
use crate::element::driver::{Driver, number};
use crate::element::handle::WireEvent;
use crate::element::status::ScriptFault;
use crate::element::witness::Told;
use crate::engine::codec::command::Outgoing;
use crate::engine::link::cause::{Change as LinkChange, Origin as LinkOrigin, Values};
use crate::engine::link::{Input, Target};
use crate::engine::logic::effect::{Effect, Report, ScriptFailure, ScriptLine, Severity};
use crate::engine::logic::script::Failure;
use crate::engine::param::Origin;
use crate::engine::param::change::Save;
use crate::language::model::id::{ConnectionIx, ParamIx};
use crate::language::model::message::MessageKind;
use crate::store::Write;
use crate::transport::wire::{Kind, Message};
use crate::value::{Secret, Value};

impl Driver {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { connection, message } => self.send(connection, message),
            Effect::Prepared { connection, ready } => self.prepared(connection, ready),
            Effect::Request(order) => self.request_sent(*order),
            Effect::Watched { connection, param, old, new, origin } => {
                self.watched(connection, param, old, new, origin);
            }
            Effect::Save(save) => {
                let mut writes = writes(self.engine.protocol(), save);
                // What is not known must not be deleted as a whole; reading it makes up for it.
                if self.reading.is_some() {
                    writes.retain(|write| !matches!(write, Write::Clear { .. }));
                }
                self.save(writes);
            }
            Effect::Remember { param } => self.remember(param),
            Effect::Change(change) => {
                if self.is_from_outside(change.param) {
                    self.outside.get_or_insert(change.param);
                }
                self.tell(&change);
            }
            Effect::Open(connection) => self.link_inputs.push_back((connection, Input::Open(self.by))),
            Effect::Close(connection) => self.link_inputs.push_back((connection, Input::Close)),
            // A button moves the link at once; what the definition does by itself is rationed.
            Effect::Reconnect(connection) => {
                self.link_inputs.push_back((connection, Input::Reconnect(self.by)));
            }
            Effect::HeartbeatLost(connection) => {
                let ready =
                    self.slots.get(connection.index()).and_then(|slot| slot.life.as_ref()?.link.ready());
                if let Some(epoch) = ready {
                    self.link_inputs.push_back((connection, Input::HeartbeatLost { epoch }));
                }
            }
            Effect::ElementTimeout { active } => {
                self.status_is_old = true;
                if active {
                    tracing::warn!(element = %self.spec.name, "element is in timeout");
                } else {
                    tracing::info!(element = %self.spec.name, "element is no longer in timeout");
                }
            }
            Effect::ReadFile { name, start, bytes, into } => self.read_file(name, start, bytes, into),
            Effect::Report(report) => self.report(&report),
            Effect::ScriptLog(line) => self.script_log(&line),
            Effect::ScriptFailed(failure) => self.script_failed(&failure),
        }
    }

    fn script_log(&mut self, line: &ScriptLine) {
        let text = self.masked_text(&line.text);
        let (element, script) = (&self.spec.name, self.engine.protocol().script(line.script).id);
        if line.suppressed > 0 {
            let lines = line.suppressed;
            tracing::warn!(%element, %script, lines, "lines of scripts were left out: too many in a second");
        }
        match line.severity {
            Severity::Note => tracing::info!(%element, %script, "{text}"),
            Severity::Warning | Severity::Error => tracing::warn!(%element, %script, "{text}"),
        }
    }

    fn script_failed(&mut self, failed: &ScriptFailure) {
        let described = self.engine.protocol().script(failed.script);
        let (element, script, name) = (&self.spec.name, described.id, &described.name);
        let Failure { text, place, stack } = &failed.failure;
        let mut mask = self.mask();
        let (text, stack) = (self.masked_with(&mut mask, text), self.masked_with(&mut mask, stack));
        let more = if failed.suppressed > 0 {
            format!(" ({} more since the last report)", failed.suppressed)
        } else {
            String::new()
        };
        tracing::error!(%element, %script, %name, %place, %stack, "script failed: {text}{more}");
        let (script, place) = (script.0, Arc::from(place.as_str()));
        if let Some(scripts) = &mut self.scripts {
            let fault = Arc::new(ScriptFault { script, text, place, at: self.ctx.wall });
            if let Some(witness) = &self.services.witness {
                // One that is full has heard enough.
                let _left_out = witness.try_send(Told::ScriptFailed(fault.clone()));
            }
            scripts.last_failure = Some(fault);
        }
        self.status_is_old = true;
    }

    fn send(&mut self, connection: ConnectionIx, message: Outgoing) {
        // By its parts, and by value: a secret may also have been copied into what is sent.
        let shown = self.is_tapped().then(|| {
            let mut mask = self.mask();
            message.hide(&mut mask);
            payload(&mask, &message.payload)
        });
        let Some(life) = self.slots.get_mut(connection.index()).and_then(|slot| slot.life.as_mut()) else {
            return;
        };
        let epoch = life.link.ready();
        let Some(socket) = life.sockets.iter_mut().find(|socket| Some(socket.epoch) == epoch) else { return };
        let kind = message.kind;
        let wire_kind = match kind {
            MessageKind::Text => Kind::Text,
            MessageKind::Binary => Kind::Binary,
        };
        // The codec only makes texts that are UTF-8.
        let Ok(message) = Message::new(wire_kind, message.payload) else { return };
        match socket.outbox.try_send(message) {
            Ok(()) => {
                if let Some(shown) = shown {
                    self.tap(connection, epoch, || WireEvent::Sent(kind, shown));
                }
            }
            Err(error) => {
                if life.count_unsent(self.ctx.now) {
                    tracing::warn!(
                        element = %self.spec.name, connection = connection.index(), %error,
                        "message not sent; further ones are only counted, as `unsent`"
                    );
                }
            }
        }
    }

    fn watched(&mut self, connection: ConnectionIx, param: ParamIx, old: Value, new: Value, origin: Origin) {
        let described = self.engine.protocol().param(param);
        let values = if described.secret {
            Values::Secret { old: Secret::new(old), new: Secret::new(new) }
        } else {
            Values::Shown { old, new }
        };
        let by = match origin {
            Origin::Message | Origin::Engine | Origin::Startup => LinkOrigin::Engine,
            Origin::User => LinkOrigin::User,
            Origin::Api => LinkOrigin::Api,
            Origin::Script => LinkOrigin::Script,
        };
        let change = LinkChange { param: number(described.id), values, by };
        self.link_inputs.push_back((connection, Input::Changed(change)));
        let target = self.target_of(connection);
        self.link_inputs.push_back((connection, Input::Target(target)));
    }

    /// Whether a connection has an address now.
    pub(super) fn target_of(&self, connection: ConnectionIx) -> Target {
        // The session before the link may bring it, if a parameter takes it; otherwise it is asked for nothing.
        let described = self.engine.protocol().connection(connection);
        let is_brought = described.before.is_some() && described.dynamic_ip.is_some();
        if is_brought || self.has_address(connection) { Target::Known } else { Target::Empty }
    }

    /// Whether a dynamic address or a host is there.
    pub(super) fn has_address(&self, connection: ConnectionIx) -> bool {
        let protocol = self.engine.protocol();
        let dynamic = protocol.connection(connection).dynamic_ip;
        let filled = |value: &Value| !value.to_text().trim().is_empty();
        let has_dynamic = dynamic.is_some_and(|param| filled(self.engine.params().get(param)));
        let host = self.spec.connections.get(connection.index()).and_then(|spec| spec.host.as_ref());
        has_dynamic || host.is_some_and(|host| !host.trim().is_empty())
    }

    fn save(&mut self, writes: Vec<Write>) {
        if writes.is_empty() {
            return;
        }
        if let Some(store) = &self.services.store {
            // Outside of a set nobody waits for the answer; the store itself reports that it is down.
            self.acks.push(store.save(&self.spec.name, writes));
        } else {
            self.unsaved = true;
        }
    }

    fn remember(&mut self, param: ParamIx) {
        let id = number(self.engine.protocol().param(param).id);
        let Some(setting) = self.spec.params.iter().find(|setting| setting.param == param) else { return };
        if let Some(store) = &self.services.store {
            let value = setting.value.clone();
            self.acks.push(store.save(&self.spec.name, vec![Write::Applied { param: id, value }]));
        }
    }

    /// Whether the definition saves a parameter whose setting comes from outside: that wins at each start, so nothing is saved.
    fn is_from_outside(&self, param: ParamIx) -> bool {
        self.engine.protocol().param(param).save
            && self.spec.params.iter().any(|setting| setting.param == param && setting.external)
    }

    fn report(&mut self, report: &Report) {
        self.show_hindrance(report);
        if let Some(witness) = self.services.witness.as_ref().filter(|_| report.severity > Severity::Note) {
            let _left_out = witness.try_send(Told::Report(report.to_string()));
        }
        let element = &self.spec.name;
        match report.severity {
            Severity::Note => tracing::info!(%element, "{report}"),
            Severity::Warning => tracing::warn!(%element, "{report}"),
            Severity::Error => tracing::error!(%element, "{report}"),
        }
    }
}

/// What the store has to write for a save of the engine.
fn writes(protocol: &crate::language::model::Protocol, save: Save) -> Vec<Write> {
    let id = |param: ParamIx| number(protocol.param(param).id);
    let columns = |table: ParamIx| -> Vec<u32> {
        let table = protocol.param(table).table.map(|table| protocol.table(table));
        table.into_iter().flat_map(|table| &table.columns).map(|column| id(column.param)).collect()
    };
    let row = |key: &Arc<str>, cells: Vec<(ParamIx, Value)>| {
        let key = key.clone();
        cells.into_iter().map(move |(column, value)| (id(column), key.clone(), value)).collect::<Vec<_>>()
    };
    match save {
        Save::Value { param, value } => vec![Write::param(id(param), value)],
        Save::Row { key, cells, .. } => {
            row(&key, cells).into_iter().map(|(column, key, value)| Write::cell(column, key, value)).collect()
        }
        Save::DeleteRow { table, key } => {
            columns(table).into_iter().map(|column| Write::cell(column, key.clone(), Value::Empty)).collect()
        }
        Save::Table { table, rows } => {
            let clear = columns(table).into_iter().map(|param| Write::Clear { param });
            let cells = rows.into_iter().flat_map(|saved| row(&saved.key, saved.cells));
            clear.chain(cells.map(|(column, key, value)| Write::cell(column, key, value))).collect()
        }
    }
}
