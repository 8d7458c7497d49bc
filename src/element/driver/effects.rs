//! Does what the engine decides: sends, saves, tells links and those who watch; decides nothing.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::element::driver::show::payload;
use crate::element::driver::{Came, Driver, number};
use crate::element::handle::WireEvent;
use crate::engine::codec::command::Outgoing;
use crate::engine::link::cause::{Change as LinkChange, Origin as LinkOrigin, Values};
use crate::engine::link::{Input, Target};
use crate::engine::logic::effect::{Effect, Report, Severity};
use crate::engine::param::Origin;
use crate::engine::param::change::Save;
use crate::language::model::id::{ConnectionIx, ParamIx};
use crate::language::model::message::MessageKind;
use crate::store::Write;
use crate::transport::wire::{Kind, Message};
use crate::value::{Secret, Value};

/// The largest file that the action `read file` takes.
const MAX_FILE: u64 = 16 << 20;

impl Driver {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { connection, message } => self.send(connection, message),
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
            Effect::ReadFile { name, start, bytes, into } => self.read_file(&name, start, bytes, into),
            Effect::Report(report) => self.report(&report),
        }
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
        let protocol = self.engine.protocol();
        let dynamic = protocol.connection(connection).dynamic_ip;
        let filled = |value: &Value| !value.to_text().trim().is_empty();
        let has_dynamic = dynamic.is_some_and(|param| filled(self.engine.params().get(param)));
        let host = self.spec.connections.get(connection.index()).and_then(|spec| spec.host.as_ref());
        if has_dynamic || host.is_some_and(|host| !host.trim().is_empty()) {
            Target::Known
        } else {
            Target::Empty
        }
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

    fn read_file(&mut self, name: &str, start: u64, bytes: Option<u64>, into: ParamIx) {
        let Some(path) = self.spec.files.as_deref().and_then(|folder| below(folder, name)) else {
            self.file_came(into, Err(format!("`{name}` is not a file below the configured folder")));
            return;
        };
        let name = name.to_owned();
        self.waiting.push(Box::pin(async move {
            let content = read(&path, start, bytes)
                .await
                .map(Value::Bytes)
                .map_err(|error| format!("cannot read `{name}`: {error}"));
            Came::File { into, content }
        }));
    }

    pub(super) fn file_came(&mut self, into: ParamIx, content: Result<Value, String>) {
        let taken = match content {
            Ok(value) => {
                let set = self.engine.set(&mut self.ctx, into, None, value, Origin::Engine);
                set.map_err(|rejected| rejected.to_string())
            }
            Err(reason) => Err(reason),
        };
        if let Err(reason) = taken {
            tracing::warn!(element = %self.spec.name, %reason, "action `read file`");
        }
    }

    fn report(&self, report: &Report) {
        let element = &self.spec.name;
        match report.severity {
            Severity::Note => tracing::info!(%element, "{report}"),
            Severity::Warning => tracing::warn!(%element, "{report}"),
            Severity::Error => tracing::error!(%element, "{report}"),
        }
    }
}

/// A file below a folder; none for a name that leads out of it.
fn below(folder: &Path, name: &str) -> Option<PathBuf> {
    let relative = Path::new(name.trim());
    let stays = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    (stays && !name.trim().is_empty()).then(|| folder.join(relative))
}

/// Reads a part of a file: `bytes` from `start` on, all that follows if none.
async fn read(path: &Path, start: u64, bytes: Option<u64>) -> std::io::Result<bytes::Bytes> {
    use tokio::io::{AsyncReadExt, AsyncSeekExt};
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(std::io::SeekFrom::Start(start)).await?;
    let mut content = Vec::new();
    file.take(bytes.unwrap_or(u64::MAX).min(MAX_FILE + 1)).read_to_end(&mut content).await?;
    if content.len() as u64 > MAX_FILE {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "larger than 16 MiB"));
    }
    Ok(content.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_outside_of_the_folder_is_not_read() {
        let folder = Path::new("/data");
        assert_eq!(below(folder, "a/b.txt"), Some(PathBuf::from("/data/a/b.txt")));
        for name in ["", " ", "../a", "a/../../b", "/etc/passwd"] {
            assert_eq!(below(folder, name), None, "{name}");
        }
    }
}
