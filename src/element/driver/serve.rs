//! Answers what handles ask: readings, sets, subscriptions, taps and explanations.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::element::driver::show::{Subscriber, TapEnd};
use crate::element::driver::{Came, Driver};
use crate::element::handle::{
    CHANGE_BYTES, CHANGE_QUEUE, NewValue, Readable, Reading, Request, SetDone, SetError, Snapshot,
    Subscription,
};
use crate::element::queue;
use crate::engine::link::cause::Origin as LinkOrigin;
use crate::engine::logic::TableEdit;
use crate::engine::param::change::{Shown, display_text};
use crate::engine::param::{Fill, Origin, Rejected};
use crate::language::model::id::{ParamIx, TableIx};
use crate::store::{Ack, acknowledged};
use crate::value::Value;

/// A set whose saves have been answered.
pub(super) struct Saved {
    not_saved: Option<String>,
    reply: oneshot::Sender<Result<SetDone, SetError>>,
}

impl Saved {
    pub(super) fn answer(self) {
        // A caller that has gone away does not want the answer.
        let _ = self.reply.send(Ok(SetDone { not_saved: self.not_saved }));
    }
}

impl Driver {
    pub(super) fn serve(&mut self, request: Request) {
        // A caller that has gone away does not want the answer: every `send` below may fail.
        match request {
            Request::Status(reply) => {
                self.status_is_old = true;
                self.publish();
                let _ = reply.send(self.status.borrow().clone());
            }
            Request::Get(param, reply) => {
                let _ = reply.send(self.reading(param));
            }
            Request::Snapshot(reply) => {
                let _ = reply.send(self.snapshot());
            }
            Request::Set(param, value, reply) => self.set(param, *value, reply),
            Request::Subscribe(reply) => {
                // Full: the subscription ends, and its owner asks for a new snapshot.
                let (changes_in, changes) = queue::channel(CHANGE_QUEUE, CHANGE_BYTES);
                // Those who have gone are otherwise only noticed at the next change.
                self.subscribers.retain(|subscriber| !subscriber.changes.is_closed());
                if reply.send(Subscription::new(self.snapshot(), changes)).is_ok() {
                    self.subscribers.push(Subscriber { changes: changes_in });
                }
            }
            Request::Tap(events) => {
                self.taps.retain(|tap| !tap.events.is_closed());
                for event in self.hindrances() {
                    // It is new and cannot be full.
                    let _ = events.try_send(event);
                }
                self.taps.push(TapEnd { events, missed: 0 });
            }
            Request::Explain(connection, reply) => {
                let _ = reply.send(self.explain(connection));
            }
            Request::ExplainRequests(connection, reply) => {
                let _ = reply.send(self.explain_requests(connection));
            }
        }
    }

    /// Sets a value and answers after all that it caused, and after the saves of that.
    fn set(&mut self, param: ParamIx, value: NewValue, reply: oneshot::Sender<Result<SetDone, SetError>>) {
        let described = self.engine.protocol().param(param);
        if !described.is_settable() {
            let _ = reply.send(Err(SetError::Fixed(described.id.0)));
            return;
        }
        self.acks.clear();
        self.unsaved = false;
        self.outside = None;
        let done = match value {
            NewValue::Scalar(value) if described.table.is_none() => {
                self.engine.set(&mut self.ctx, param, None, value, Origin::Api)
            }
            NewValue::Cell(key, value) => {
                self.engine.set(&mut self.ctx, param, Some(&key), value, Origin::Api)
            }
            NewValue::Table(rows) => match described.table {
                Some(table) => self.fill(table, rows),
                None => Err(Rejected::InTable),
            },
            NewValue::Scalar(_) => Err(Rejected::InTable),
        };
        if let Err(rejected) = done {
            let error = match rejected {
                Rejected::NoRow(key) => SetError::NoRow(key.to_string()),
                rejected => SetError::Unfit(format!(
                    "parameter {} does not take this value: {rejected}",
                    self.engine.protocol().param(param).id
                )),
            };
            let _ = reply.send(Err(error));
            return;
        }
        // The whole chain, the saves among it, is performed before the answer.
        self.by = LinkOrigin::Api;
        self.settle();
        self.by = LinkOrigin::Engine;
        let acks = std::mem::take(&mut self.acks);
        let no_store = self.unsaved.then(|| "there is no store".to_owned());
        let outside = self.outside.map(|param| {
            let id = self.engine.protocol().param(param).id;
            format!("the setting of parameter {id} comes from outside and wins at the next start")
        });
        let reason = no_store.or(outside);
        if acks.is_empty() {
            Saved { not_saved: reason, reply }.answer();
        } else {
            self.waiting.push(Box::pin(async move {
                Came::Saved(Saved { not_saved: wait(acks).await.or(reason), reply })
            }));
        }
    }

    fn fill(&mut self, table: TableIx, rows: Vec<Vec<Value>>) -> Result<(), Rejected> {
        let cells = |row: Vec<Value>| row.into_iter().map(Some).collect();
        let edit = TableEdit::Fill { rows: rows.into_iter().map(cells).collect(), mode: Fill::Replace };
        self.engine.edit(&mut self.ctx, table, edit, Origin::Api)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let protocol = self.engine.protocol();
        let whole = (0..protocol.params.len()).filter_map(ParamIx::new);
        // Cells are read with their table.
        let readings =
            whole.filter(|param| protocol.param(*param).column.is_none()).map(|param| self.reading(param));
        Snapshot { seq: self.engine.params().sequence(), readings: readings.collect() }
    }

    pub(super) fn reading(&self, param: ParamIx) -> Reading {
        let params = self.engine.params();
        let described = self.engine.protocol().param(param);
        let (value, set) = match (described.table, described.column) {
            (Some(table), _) => {
                let rows: Vec<_> = self.table_rows(table).collect();
                let set = !rows.is_empty();
                (Readable::Table(rows), set)
            }
            (None, Some((table, column))) => {
                let cells = params.rows(table).iter().filter_map(|row| row.cells().get(usize::from(column)));
                let set = { cells }.any(|cell| !cell.is_empty());
                (Readable::Table(self.column(table, column)), set)
            }
            (None, None) => return self.scalar(param, params.shown(param)),
        };
        Reading { param, value, display: None, secret: described.secret, set }
    }

    /// What is seen of a column: each cell behind the key of its row; of the key's own column only the keys.
    fn column(&self, table: TableIx, column: u16) -> Vec<(Arc<str>, Vec<Value>)> {
        let key = self.engine.protocol().table(table).key;
        let row = |(name, mut cells): (Arc<str>, Vec<Value>)| {
            let mut take = |at: u16| cells.get_mut(usize::from(at)).map(std::mem::take).unwrap_or_default();
            let own = take(column);
            let cells = if column == key { vec![own] } else { vec![take(key), own] };
            (name, cells)
        };
        self.table_rows(table).map(row).collect()
    }

    /// What is seen of a table.
    fn table_rows(&self, table: TableIx) -> impl Iterator<Item = (Arc<str>, Vec<Value>)> {
        let rows = self.engine.params().rows(table).iter();
        rows.map(move |row| (row.key().clone(), self.shown_cells(table, row.cells())))
    }

    /// What is seen of a standalone parameter that has, or had, this value.
    pub(super) fn scalar(&self, param: ParamIx, shown: Shown) -> Reading {
        let described = self.engine.protocol().param(param);
        let (value, display, set) = match shown {
            Shown::Value(value) => {
                let text = display_text(described, &value);
                let display = (!value.is_empty() && *text != *value.to_text()).then_some(text);
                let set = !value.is_empty();
                (value, display, set)
            }
            Shown::Secret { set } => (Value::Empty, None, set),
        };
        Reading { param, value: Readable::Scalar(value), display, secret: described.secret, set }
    }

    /// Cells without those of secret columns.
    pub(super) fn shown_cells(&self, table: TableIx, cells: &[Value]) -> Vec<Value> {
        let protocol = self.engine.protocol();
        let columns = &protocol.table(table).columns;
        let shown = |(index, cell): (usize, &Value)| match columns.get(index) {
            Some(column) if protocol.param(column.param).secret => Value::Empty,
            Some(_) | None => cell.clone(),
        };
        cells.iter().enumerate().map(shown).collect()
    }
}

/// Waits for all saves; the first reason why one is not in the store.
async fn wait(acks: Vec<Ack>) -> Option<String> {
    let mut reason = None;
    for ack in acks {
        if let Err(error) = acknowledged(ack).await {
            reason.get_or_insert(error.to_string());
        }
    }
    reason
}
