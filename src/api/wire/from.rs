//! From the element's types to the API's; the only place where they meet.

use std::sync::Arc;

use crate::api::wire::{
    Close, Column, Connection, Counters, Element, ElementCounters, ExplainedLine, ExplainedRequest, Failure,
    Http, Link, Param, Payload, Reading, ScriptFailure, Scripts, Stage, StreamMessage, TapMessage, Text,
    Token, Value, WireEvent,
};
use crate::element::handle::{self, Change, NewValue, Readable, Snapshot, TapEvent};
use crate::element::status::{
    self, ConnectionStatus, ElementState, HttpStatus, LinkStatus, ScriptStatus, Status, TokenStatus,
};
use crate::engine::logic::effect;
use crate::language::model::Protocol;
use crate::language::model::message::MessageKind;
use crate::language::model::param::{self, ParamKind, ValueType};
use crate::value::{self, Wall};

impl From<&value::Value> for Value {
    fn from(value: &value::Value) -> Self {
        match value {
            value::Value::Empty => Self::Empty,
            value::Value::Number(number) => Self::Number(*number),
            value::Value::Text(text) => Self::Text(text.clone()),
            value::Value::Bytes(bytes) => Self::Bytes(bytes.clone()),
        }
    }
}

impl Value {
    /// The value for a standalone parameter or a cell; `None` for a table.
    fn into_scalar(self) -> Option<value::Value> {
        match self {
            Self::Empty => Some(value::Value::Empty),
            Self::Number(number) => Some(value::Value::number(number)),
            Self::Text(text) => Some(value::Value::Text(text)),
            Self::Bytes(bytes) => Some(value::Value::Bytes(bytes)),
            Self::Table(_) => None,
        }
    }

    /// The value as an element takes it; `None` if a cell is a table itself.
    pub(in crate::api) fn into_new(self) -> Option<NewValue> {
        match self {
            Self::Table(rows) => {
                let row = |row: Vec<Self>| row.into_iter().map(Self::into_scalar).collect();
                rows.into_iter().map(row).collect::<Option<_>>().map(NewValue::Table)
            }
            scalar @ (Self::Empty | Self::Number(_) | Self::Text(_) | Self::Bytes(_)) => {
                scalar.into_scalar().map(NewValue::Scalar)
            }
        }
    }
}

impl Reading {
    /// A reading of a parameter of `protocol`.
    pub(in crate::api) fn new(protocol: &Protocol, reading: &handle::Reading) -> Self {
        let about = protocol.param(reading.param);
        // A second lock on the same door: whatever the element says, a secret parameter's value is not passed on.
        let secret = reading.secret || about.secret;
        let value = match &reading.value {
            _ if secret => Value::Empty,
            Readable::Scalar(value) => Value::from(value),
            Readable::Table(rows) => {
                Value::Table(rows.iter().map(|(_, cells)| cells.iter().map(Value::from).collect()).collect())
            }
        };
        Self {
            id: about.id.0,
            name: about.name.clone(),
            value,
            display: reading.display.clone().filter(|_| !secret),
            secret,
            set: secret.then_some(reading.set),
        }
    }
}

impl Param {
    /// A parameter of `protocol` as it reads.
    pub(in crate::api) fn new(protocol: &Protocol, reading: &handle::Reading) -> Self {
        let about = protocol.param(reading.param);
        let columns = match (about.table, about.column) {
            (Some(table), _) => {
                let table = protocol.table(table);
                columns(protocol, table, (0..).zip(&table.columns).map(|(position, _)| position))
            }
            (None, Some((table, own))) => {
                let table = protocol.table(table);
                columns(protocol, table, [table.key].into_iter().chain((own != table.key).then_some(own)))
            }
            (None, None) => Vec::new(),
        };
        Self {
            reading: Reading::new(protocol, reading),
            description: about.description.clone(),
            kind: Text::Borrowed(kind(about.kind)),
            value_type: Text::Borrowed(match about.value_type {
                _ if about.table.is_some() => "table",
                ValueType::Double | ValueType::HighNibble => "number",
                ValueType::String => "text",
            }),
            settable: about.is_settable(),
            save: about.save,
            units: about.units.clone(),
            columns,
        }
    }
}

/// What stands in the cells of a row, in their order.
fn columns(protocol: &Protocol, table: &param::Table, cells: impl Iterator<Item = u16>) -> Vec<Column> {
    let column = |position: u16| {
        let about = protocol.param(table.columns.get(usize::from(position))?.param);
        Some(Column { id: about.id.0, name: about.name.clone(), key: position == table.key })
    };
    cells.filter_map(column).collect()
}

fn kind(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Read => "read",
        ParamKind::Write => "write",
        ParamKind::Dummy => "dummy",
        ParamKind::Fixed => "fixed",
        ParamKind::Array => "array",
        ParamKind::Bus => "bus",
        ParamKind::Ip => "ip",
        ParamKind::PollingIp => "pollingip",
        ParamKind::ElementId => "elementid",
        ParamKind::ElementName => "elementname",
        ParamKind::ElementDmaId => "elementdmaid",
        ParamKind::Group => "group",
        ParamKind::ReadBit => "read bit",
        ParamKind::WriteBit => "write bit",
        ParamKind::Header => "header",
        ParamKind::Trailer => "trailer",
        ParamKind::Length => "length",
        ParamKind::Crc => "crc",
        ParamKind::DiscreetInfo => "discreet info",
        ParamKind::Response => "response",
        ParamKind::Other => "other",
    }
}

/// How much of the links an [`Element`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Detail {
    /// State and target.
    List,
    /// Everything.
    Full,
}

impl Element {
    /// An element under the name that the daemon knows it by.
    pub(in crate::api) fn new(name: &Arc<str>, status: &Status, detail: Detail) -> Self {
        let is_alive = matches!(status.state, ElementState::Running | ElementState::Stopping);
        let (state, reason, restart_at) = match &status.state {
            ElementState::Running => ("running", None, None),
            ElementState::Invalid(reason) => ("invalid", Some(reason), None),
            ElementState::Restarting { reason, at } => ("restarting", Some(reason), Some(at.rfc3339())),
            ElementState::Stopping => ("stopping", None, None),
            ElementState::Stopped => ("stopped", None, None),
        };
        Self {
            name: name.clone(),
            protocol: status.protocol.clone(),
            version: status.version.clone(),
            state: Text::Borrowed(state),
            reason: reason.cloned(),
            restart_at,
            counters: (detail == Detail::Full && is_alive).then(|| ElementCounters::from(&status.counters)),
            store: None,
            timeout: status.timeout,
            scripts: status.scripts.as_deref().map(Scripts::from),
            connections: status.connections.iter().map(|status| Connection::new(status, detail)).collect(),
        }
    }
}

impl From<&ScriptStatus> for Scripts {
    fn from(status: &ScriptStatus) -> Self {
        let last_failure = status.last_failure.as_ref().map(|fault| ScriptFailure {
            script: fault.script,
            error: fault.text.clone(),
            place: fault.place.clone(),
            at: fault.at.rfc3339(),
        });
        Self { runs: status.counters.runs, failures: status.counters.failures, last_failure }
    }
}

impl From<&effect::Counters> for ElementCounters {
    fn from(counters: &effect::Counters) -> Self {
        Self {
            unmatched: counters.unmatched,
            ignored: counters.ignored,
            timeouts: counters.timeouts,
            not_sent: counters.not_sent,
            requests: counters.requests,
            refusals: counters.refusals,
            skipped_cycles: counters.skipped_cycles,
            queue_full: counters.queue_full,
            cut_chains: counters.cuts,
            dropped_values: counters.dropped_values,
        }
    }
}

impl Connection {
    fn new(status: &ConnectionStatus, detail: Detail) -> Self {
        let (link, http) = (status.link.as_ref(), status.http.as_ref());
        Self {
            index: status.index,
            name: status.name.clone(),
            kind: Text::Borrowed(status.kind),
            state: link.map(|link| link.state).or_else(|| http.map(|http| http.state)).map(Text::Borrowed),
            target: match (link, http) {
                (Some(link), _) => link.target.clone(),
                (None, http) => http.and_then(|http| http.target.clone()),
            },
            link: link.filter(|_| detail == Detail::Full).map(Link::from),
            http: http.filter(|_| detail == Detail::Full).map(Http::from),
            token: status.token.as_ref().filter(|_| detail == Detail::Full).map(Token::from),
        }
    }
}

impl From<&HttpStatus> for Http {
    fn from(http: &HttpStatus) -> Self {
        Self {
            state: Text::Borrowed(http.state),
            target: http.target.clone(),
            status_line: http.answered.as_ref().map(|(line, _)| line.clone()),
            answered_at: http.answered.as_ref().map(|(_, at)| at.rfc3339()),
            last_failure: http.last_failure.as_deref().map(Failure::from),
            held_until: http.held_until.map(Wall::rfc3339),
            requests: http.requests,
            refusals: http.refusals,
        }
    }
}

impl From<&TokenStatus> for Token {
    fn from(token: &TokenStatus) -> Self {
        Self {
            state: Text::Borrowed(token.state),
            renew_at: token.renew_at.map(Wall::rfc3339),
            ends_at: token.ends_at.map(Wall::rfc3339),
            note: token.note.as_deref().map(str::to_owned),
        }
    }
}

impl From<&LinkStatus> for Link {
    fn from(link: &LinkStatus) -> Self {
        let counters = &link.counters;
        Self {
            serving: link.serving.clone(),
            epoch: link.epoch,
            since: link.since.rfc3339(),
            attempts: link.attempts,
            next_dial: link.next_dial.map(Wall::rfc3339),
            cause: link.cause.clone(),
            flapping: link.flapping,
            last_close: link.last_close.as_ref().map(|close| Close {
                code: close.code,
                reason: close.reason.clone(),
                by: close.by.clone(),
                at: close.at.rfc3339(),
            }),
            last_failure: link.last_failure.as_deref().map(Failure::from),
            subprotocol: link.subprotocol.clone(),
            extensions: link.extensions.clone(),
            counters: Counters {
                opened: counters.opened,
                dropped: counters.dropped,
                stale: counters.stale,
                messages_in: counters.messages_in,
                messages_out: counters.messages_out,
                unsent: counters.unsent,
                bytes_in: counters.bytes_in,
                bytes_out: counters.bytes_out,
                unmatched: counters.unmatched,
                pauses: counters.pauses,
            },
        }
    }
}

impl From<&status::FailureStatus> for Failure {
    fn from(failure: &status::FailureStatus) -> Self {
        let stage = |stage: &status::StageStatus| Stage {
            stage: Text::Borrowed(stage.stage),
            ok: stage.ok,
            detail: stage.detail.clone(),
            took_ms: (stage.took.as_secs_f64() * 1e6).round() / 1e3,
        };
        Self {
            summary: failure.summary.clone(),
            advice: failure.advice.clone(),
            status: failure.status,
            body: failure.body.clone(),
            stages: failure.stages.iter().map(stage).collect(),
            at: failure.at.rfc3339(),
        }
    }
}

impl From<handle::ExplainedLine> for ExplainedLine {
    fn from(line: handle::ExplainedLine) -> Self {
        Self { line: line.line, from: line.from }
    }
}

impl From<handle::ExplainedRequest> for ExplainedRequest {
    fn from(request: handle::ExplainedRequest) -> Self {
        let (lines, reason) = match request.lines {
            Ok(lines) => (lines.into_iter().map(Into::into).collect(), None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        Self { title: request.title, lines, reason }
    }
}

impl StreamMessage {
    /// All values of an element.
    pub(in crate::api) fn snapshot(element: &Arc<str>, protocol: &Protocol, snapshot: &Snapshot) -> Self {
        let params = snapshot.readings.iter().map(|reading| Reading::new(protocol, reading)).collect();
        Self::Snapshot { element: element.clone(), seq: snapshot.seq, params }
    }

    /// One change of an element.
    pub(in crate::api) fn change(element: &Arc<str>, protocol: &Protocol, change: &Change) -> Self {
        Self::Change {
            element: element.clone(),
            seq: change.seq,
            at: change.at.rfc3339(),
            param: Reading::new(protocol, &change.reading),
            deleted: change.deleted.clone(),
            whole: change.whole,
        }
    }
}

impl From<TapEvent> for TapMessage {
    fn from(event: TapEvent) -> Self {
        let wire = match event.wire {
            handle::WireEvent::RequestLine(line) => WireEvent::RequestLine { line },
            handle::WireEvent::ResponseLine(line) => WireEvent::ResponseLine { line },
            handle::WireEvent::Sent(kind, data) => WireEvent::Sent(payload(kind, data, None)),
            handle::WireEvent::Received(kind, data, response) => {
                WireEvent::Received(payload(kind, data, response))
            }
            handle::WireEvent::State(from, to, why) => {
                WireEvent::State { from: Text::Borrowed(from), to: Text::Borrowed(to), why }
            }
            handle::WireEvent::Failed(reason) => WireEvent::Failed { reason },
            handle::WireEvent::Closed(code, reason, by) => WireEvent::Closed { code, reason, by },
        };
        Self {
            at: event.at.rfc3339(),
            connection: event.connection,
            epoch: event.epoch,
            missed: event.missed,
            wire,
        }
    }
}

fn payload(kind: MessageKind, data: handle::Payload, response: Option<i32>) -> Payload {
    let (name, value) = match kind {
        // A cut in the middle of a character leaves a replacement character at the end.
        MessageKind::Text => ("text", Value::Text(String::from_utf8_lossy(&data.shown).into())),
        MessageKind::Binary => ("binary", Value::Bytes(data.shown)),
    };
    Payload { kind: Text::Borrowed(name), size: data.size, data: value, cut: data.cut, response }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::model::build::Build;

    #[test]
    fn the_type_of_a_parameter_is_that_of_its_value() {
        for (value_type, shown) in
            [(ValueType::String, "text"), (ValueType::Double, "number"), (ValueType::HighNibble, "number")]
        {
            let mut build = Build::new();
            let param = build.param("p", ParamKind::Read, value_type, |_| {});
            let value = Readable::Scalar(value::Value::Empty);
            let reading = handle::Reading { param, value, display: None, secret: false, set: false };
            assert_eq!(Param::new(&build.done(), &reading).value_type, shown, "{value_type:?}");
        }
    }

    #[test]
    fn an_http_connection_has_the_state_of_its_requests_and_a_list_tells_no_more() {
        let http = HttpStatus {
            state: "timeout",
            target: Some("http://h:80".into()),
            answered: Some(("HTTP/1.1 503 Busy".into(), Wall(0))),
            last_failure: None,
            held_until: Some(Wall(1_000_000_000)),
            requests: 2,
            refusals: 1,
        };
        let token = TokenStatus { state: "ready", renew_at: None, ends_at: Some(Wall(0)), note: None };
        let (index, name, kind, link) = (1, "Rest".into(), "http", None);
        let status = ConnectionStatus { index, name, kind, link, http: Some(http), token: Some(token) };
        let json = |detail| serde_json::to_value(Connection::new(&status, detail)).unwrap();
        let list = serde_json::json!({
            "index": 1, "name": "Rest", "kind": "http", "state": "timeout", "target": "http://h:80"
        });
        assert_eq!(json(Detail::List), list);
        let mut full = list;
        full["http"] = serde_json::json!({
            "state": "timeout", "target": "http://h:80", "statusLine": "HTTP/1.1 503 Busy",
            "answeredAt": "1970-01-01T00:00:00.000Z", "heldUntil": "1970-01-01T00:00:01.000Z",
            "requests": 2, "refusals": 1
        });
        full["token"] = serde_json::json!({"state": "ready", "endsAt": "1970-01-01T00:00:00.000Z"});
        assert_eq!(json(Detail::Full), full);
        // The shell commands read the same type.
        let read: Connection = serde_json::from_value(full).unwrap();
        assert_eq!((read.link, read.http.map(|http| http.requests)), (None, Some(2)));
    }
}
