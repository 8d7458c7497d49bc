//! What a message or an answer does to the values, without triggers, links and all else that follows from it; sends nothing.

use crate::engine::codec::Gathered;
use crate::engine::codec::layout::Layouts;
use crate::engine::codec::message::Message;
use crate::engine::codec::response::{self, Fit};
use crate::engine::param::change::Event;
use crate::engine::param::fill::Filled;
use crate::engine::param::{Origin, Outcome, Params, Rejected};
use crate::language::model::id::{ConnectionIx, ParamIx, ResponseIx};

/// What a message does.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// Who takes it.
    pub taken: PreviewTaken,
    /// What it sets; empty if nobody takes it.
    pub applied: Applied,
}

/// Who takes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewTaken {
    /// A response, wholly or in part.
    By(ResponseIx, Fit),
    /// Nobody.
    Nobody,
    /// It means nothing, as `bs:Ignore` says.
    Ignored,
}

/// What became of the values of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The change events in their order, which would run now; the values are set.
    pub events: Vec<Event>,
    /// The values that their parameters did not take, and why.
    pub rejected: Vec<(ParamIx, Rejected)>,
    /// What became of the rows of each table, in the order of the definition; their events are among `events`.
    pub tables: Vec<Filled>,
    /// What could not be worked out, in words.
    pub problem: Option<String>,
    /// How many values could not be worked out, those among them that the definition says are only counted.
    pub lost: u32,
}

/// Sets what a message of a connection has, as it would be set if no pair waited for it.
///
/// `params` is a scratch of the caller's: what the message sets, is set there.
pub fn message(
    params: &mut Params,
    layouts: &Layouts,
    connection: ConnectionIx,
    message: &Message,
) -> Preview {
    let protocol = params.protocol().clone();
    if response::is_ignored(&protocol, connection, message) {
        return Preview { taken: PreviewTaken::Ignored, applied: Applied::default() };
    }
    let candidates = protocol.candidates(connection).iter().copied();
    match response::take(params, layouts, candidates, message) {
        Some((response, reading)) => {
            Preview { taken: PreviewTaken::By(response, reading.fit), applied: apply(params, reading.got) }
        }
        None => Preview { taken: PreviewTaken::Nobody, applied: Applied::default() },
    }
}

/// Sets what a message, or an answer ([`handshake::capture`](super::handshake::capture)), has.
pub fn apply(params: &mut Params, got: Gathered) -> Applied {
    let mut applied = Applied {
        problem: got.problem.as_ref().map(|problem| problem.describe(params.protocol())),
        lost: got.dropped.saturating_add(got.unsaid),
        ..Applied::default()
    };
    for set in got.sets {
        match params.set(set.param, set.value, Origin::Message) {
            Outcome::Event(event) => applied.events.push(event),
            Outcome::Quiet => {}
            Outcome::Rejected(rejected) => applied.rejected.push((set.param, rejected)),
        }
    }
    for fill in got.fills {
        let filled = params.take_rows(fill);
        applied.events.extend(filled.event.clone());
        applied.tables.push(filled);
    }
    applied
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::language::load;
    use crate::language::model::message::MessageKind;
    use crate::language::source::Source;
    use crate::value::Value;

    #[test]
    fn a_message_sets_values_and_rows_and_nothing_runs() {
        let text = r#"<Protocol xmlns:bs="urn:backshell:1">
  <Connections><Connection id="0"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections>
  <Params>
    <Param id="1"><Name>A</Name><Type>read</Type><Interprete><Type>double</Type></Interprete></Param>
    <Param id="10"><Type>array</Type><ArrayOptions index="0"><ColumnOption idx="0" pid="11"/></ArrayOptions></Param>
    <Param id="11"><Name>K</Name><Type>read</Type></Param>
  </Params>
  <Responses><bs:Ignore equals="dump"/><Response id="1"><bs:Match path="$.a" exists="true"/><bs:Extract path="$.a" pid="1"/>
    <bs:Extract path="$.b" pid="1" type="number"/><bs:Rows path="$.k[*]" table="10"><bs:Cell path="$" pid="11"/></bs:Rows></Response></Responses>
</Protocol>"#;
        let (protocol, report) = load::whole(&Source::new("preview.xml", text));
        let mut params = Params::new(protocol.unwrap_or_else(|| panic!("{report:?}")));
        let first = ConnectionIx::new(0).expect("small");
        let mut look = |text: &'static str| {
            let of = Message::new(MessageKind::Text, Bytes::from(text));
            let preview = message(&mut params, &Layouts::default(), first, &of);
            (preview.taken, preview.applied)
        };
        assert_eq!(look("\"dump\"").0, PreviewTaken::Ignored);
        assert_eq!(look("dump").0, PreviewTaken::Ignored);
        assert_eq!(look("{}"), (PreviewTaken::Nobody, Applied::default()));
        let (taken, applied) = look(r#"{"a":5,"b":"x","k":["p","q"]}"#);
        assert!(matches!(taken, PreviewTaken::By(_, Fit::Full)));
        assert_eq!((applied.events.len(), applied.tables.len(), applied.lost), (2, 1, 1));
        assert_eq!(applied.problem.as_deref(), Some("`$.b` for parameter 1 is no number"));
        let (_, applied) = look(r#"{"a":"x"}"#);
        assert_eq!(applied.rejected.len(), 1);
        let id = params.protocol().param_by_id(crate::language::model::id::ParamId(1)).expect("there");
        assert_eq!(*params.get(id), Value::Number(5.0));
    }
}
