//! What an element shows: its status, changes for subscribers, the wire for taps; nothing here waits for a reader.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;

use crate::element::driver::Driver;
use crate::element::driver::slot::{Life, Slot};
use crate::element::handle::{Change, Payload, Readable, Reading, TAP_SHOWN, TapEvent, WireEvent};
use crate::element::queue::{self, Refused};
use crate::element::status::{ConnectionStatus, LinkStatus, Status};
use crate::engine::codec::mask::{Ends, Mask};
use crate::engine::link::status::Epoch;
use crate::engine::param::change::{Change as Told, Changed, Shown};
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::{ConnectionIx, ParamIx, TableIx};
use crate::transport::handshake::printable;
use crate::value::{Value, Wall};

/// One who watches changes.
pub(super) struct Subscriber {
    pub(super) changes: queue::Sender<Arc<Change>>,
}

/// One who watches the wire.
pub(super) struct TapEnd {
    pub(super) events: queue::Sender<TapEvent>,
    pub(super) missed: u64,
}

impl Driver {
    /// Gives a change to everybody who watches; one who is too slow is dropped, and has to ask anew.
    pub(super) fn tell(&mut self, change: &Told) {
        if self.subscribers.is_empty() {
            return;
        }
        // Made once, however many watch: a table may have many rows.
        let told = Arc::new(self.told(change));
        self.subscribers.retain(|subscriber| subscriber.changes.try_send(told.clone()).is_ok());
    }

    fn told(&self, change: &Told) -> Change {
        let mut deleted = Vec::new();
        let reading = match &change.what {
            // The value of that moment: more may have been set since.
            Changed::Value(shown) => self.scalar(change.param, shown.clone()),
            Changed::Table => self.reading(change.param),
            Changed::Cell { key, column, value } => {
                let mut cells = self.row_of(change.param, key);
                if let Some(cell) = cells.get_mut(usize::from(*column)) {
                    *cell = plain(value);
                }
                self.row_reading(change.param, key, cells)
            }
            Changed::Row { key, cells } => {
                self.row_reading(change.param, key, cells.iter().map(plain).collect())
            }
            Changed::RowGone { key } => {
                deleted.push(key.clone());
                self.rows_reading(change.param, Vec::new())
            }
        };
        let whole = matches!((&change.what, &reading.value), (Changed::Table, Readable::Table(_)));
        Change { seq: change.seq, at: self.ctx.wall, reading, deleted, whole }
    }

    /// The table that a parameter is, or is a column of.
    fn table_of(&self, param: ParamIx) -> Option<TableIx> {
        let described = self.engine.protocol().param(param);
        described.table.or(described.column.map(|(table, _)| table))
    }

    /// What is seen of a row now; nothing if it is gone.
    fn row_of(&self, param: ParamIx, key: &str) -> Vec<Value> {
        let row = self.table_of(param).and_then(|table| {
            let row = self.engine.params().rows(table).get(key)?;
            Some(self.shown_cells(table, row.cells()))
        });
        row.unwrap_or_default()
    }

    /// A change of a table carries the rows that changed, under the table's own parameter.
    fn row_reading(&self, param: ParamIx, key: &Arc<str>, cells: Vec<Value>) -> Reading {
        let rows = if cells.is_empty() { Vec::new() } else { vec![(key.clone(), cells)] };
        self.rows_reading(param, rows)
    }

    fn rows_reading(&self, param: ParamIx, rows: Vec<(Arc<str>, Vec<Value>)>) -> Reading {
        let param = self.table_of(param).map_or(param, |table| self.engine.protocol().table(table).param);
        Reading { param, value: Readable::Table(rows), display: None, secret: false, set: true }
    }

    pub(super) fn is_tapped(&self) -> bool {
        !self.taps.is_empty()
    }

    /// Gives an event of the wire to all taps; one that is full misses it and is told how many.
    pub(super) fn tap(
        &mut self,
        connection: ConnectionIx,
        epoch: Option<Epoch>,
        wire: impl FnOnce() -> WireEvent,
    ) {
        if self.taps.is_empty() {
            return;
        }
        let connection = u32::try_from(connection.index()).unwrap_or(u32::MAX);
        let epoch = epoch.map_or(0, |epoch| epoch.0);
        let event = TapEvent { at: self.ctx.wall, connection, epoch, missed: 0, wire: wire() };
        self.taps.retain_mut(|tap| {
            let event = TapEvent { missed: tap.missed, ..event.clone() };
            match tap.events.try_send(event) {
                Ok(()) => {
                    tap.missed = 0;
                    true
                }
                Err(Refused::Full) => {
                    tap.missed += 1;
                    true
                }
                Err(Refused::Closed) => false,
            }
        });
    }

    /// What must not be seen of what comes and goes: every secret of the element as it is now.
    pub(super) fn mask(&self) -> Mask {
        Mask::of(self.engine.params())
    }

    /// Hides every secret of the element as it is now.
    pub(super) fn hide(&self, mask: &mut Mask) {
        mask.add_all(self.engine.params());
    }

    /// A text with every secret of the element replaced by `***`, also one that was cut or made printable.
    pub(super) fn masked_text(&self, text: &str) -> String {
        self.masked_with(&mut self.mask(), text)
    }

    /// The same, with what `mask` has already, which gets further forms of it.
    pub(super) fn masked_with(&self, mask: &mut Mask, text: &str) -> String {
        let texts = mask.secrets().filter_map(|secret| std::str::from_utf8(secret).ok());
        let printed: Vec<String> = texts.map(printable).collect();
        mask.extend(printed.into_iter().map(Bytes::from));
        let masked = mask.shown(text.as_bytes(), usize::MAX, Ends::Cut);
        without_basic(&String::from_utf8_lossy(&masked))
    }

    /// Publishes the status if something of it has changed.
    pub(super) fn publish(&mut self) {
        self.show_web_states();
        if !std::mem::take(&mut self.status_is_old) {
            return;
        }
        let status = Status {
            name: self.spec.name.clone(),
            protocol: self.spec.protocol.name.clone(),
            version: self.spec.protocol.version.clone(),
            state: self.state.clone(),
            timeout: self.engine.is_in_timeout(),
            counters: self.engine.counters(),
            connections: self.slots.iter().map(|slot| self.connection_status(slot)).collect(),
            scripts: self.script_status(),
        };
        // Who waits for a change is not woken for nothing.
        self.status.send_if_modified(|shown| {
            let differs = **shown != status;
            if differs {
                *shown = Arc::new(status);
            }
            differs
        });
    }

    fn connection_status(&self, slot: &Slot) -> ConnectionStatus {
        let described = self.spec.protocol.connection(slot.connection);
        ConnectionStatus {
            index: u32::try_from(slot.connection.index()).unwrap_or(u32::MAX),
            name: described.name.clone(),
            kind: match described.kind {
                ConnectionKind::WebSocket => "websocket",
                ConnectionKind::Http => "http",
                ConnectionKind::Virtual => "virtual",
                ConnectionKind::NotRun => "not run",
            },
            link: slot.life.as_ref().map(|life| self.link_status(slot.connection, life)),
            http: self.http_status(slot),
            token: self.token_status(slot.connection),
        }
    }

    fn link_status(&self, connection: ConnectionIx, life: &Life) -> LinkStatus {
        let snapshot = life.link.snapshot();
        let live = life.link.ready().and_then(|epoch| life.socket(epoch));
        let moving = snapshot.successor.is_some();
        let successor_dial = snapshot.successor.as_ref().and_then(|successor| successor.next_dial);
        let mut counters = life.counters();
        counters.unmatched = self.engine.unmatched(connection);
        LinkStatus {
            state: snapshot.phase.name(),
            target: live
                .filter(|_| !moving)
                .map(|socket| socket.target.clone())
                .or_else(|| life.target.clone()),
            serving: live.filter(|_| moving).map(|socket| socket.target.clone()),
            epoch: life.epoch,
            since: self.wall(snapshot.since),
            attempts: snapshot.attempts,
            next_dial: snapshot.next_dial.or(successor_dial).map(|at| self.wall(at)),
            cause: snapshot.moved.as_ref().map(|cause| Arc::from(cause.to_string())),
            flapping: snapshot.flapping.is_some(),
            last_close: life.last_close.clone(),
            last_failure: life.last_failure.clone(),
            subprotocol: live.and_then(|socket| socket.subprotocol.clone()),
            extensions: live.and_then(|socket| socket.extensions.clone()),
            counters,
        }
    }

    pub(super) fn wall(&self, instant: Instant) -> Wall {
        self.services.clock.wall(instant)
    }
}

/// A text with what follows each `Basic` replaced by `***`, where it is a user name and a password (RFC 7617).
///
/// Those of an address or a proxy's URL are no parameter's value; a peer that refuses may show what it was sent.
fn without_basic(text: &str) -> String {
    const SCHEME: &str = "basic ";
    let lower = text.to_ascii_lowercase();
    let (mut shown, mut done) = (String::new(), 0);
    for (at, _) in lower.match_indices(SCHEME) {
        let start = at + SCHEME.len();
        let rest = text.get(start..).unwrap_or_default();
        let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        let token = rest.split(|c| !is_token(c)).next().unwrap_or_default();
        // A text that was cut may end within the token.
        let whole = token.trim_end_matches('=');
        let whole = whole.get(..whole.len() / 4 * 4).unwrap_or_default();
        if start >= done && STANDARD_NO_PAD.decode(whole).is_ok_and(|pair| pair.contains(&b':')) {
            shown.push_str(text.get(done..start).unwrap_or_default());
            shown.push_str("***");
            done = start + token.len();
        }
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    shown
}

/// What a tap shows of a message: its beginning, copied so that a long message is not kept for it.
pub(super) fn payload(mask: &Mask, message: &[u8]) -> Payload {
    let shown = mask.shown(message, TAP_SHOWN, Ends::Whole);
    Payload { size: message.len(), shown: Bytes::from(shown), cut: message.len() > TAP_SHOWN }
}

/// A value as it is told: that of a secret is empty.
fn plain(shown: &Shown) -> Value {
    match shown {
        Shown::Value(value) => value.clone(),
        Shown::Secret { .. } => Value::Empty,
    }
}

#[cfg(test)]
mod tests {
    use super::without_basic;

    #[test]
    fn credentials_that_a_peer_sends_back_are_masked_and_prose_is_not() {
        for (text, shown) in [
            ("Proxy-Authorization: Basic dXNlcjpwYXNz Host: a", "Proxy-Authorization: Basic *** Host: a"),
            ("a BASIC dXNlcjpwYXNzMQ== b basic dXNlcjpwYXNz", "a BASIC *** b basic ***"),
            ("cut off: Basic dXNlcjpwYX", "cut off: Basic ***"),
            ("Basic authentication is needed", "Basic authentication is needed"),
            ("WWW-Authenticate: Basic realm=\"a\"", "WWW-Authenticate: Basic realm=\"a\""),
            ("é basic ", "é basic "),
            ("", ""),
        ] {
            assert_eq!(without_basic(text), shown);
        }
    }
}
