//! The sources of a simulated sender and how they move; sends nothing.

use serde_json::{Value, json};

/// Something that emits events.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The id of the source.
    pub id: String,
    /// The id of the flow that its messages belong to.
    pub flow: String,
    /// How its value moves.
    pub kind: Kind,
}

/// The event types that are simulated, and how each moves.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `boolean`: on, off, on.
    Boolean,
    /// A `number` with a scale that goes up and down between two numerators.
    Number {
        /// The event type, such as `number/temperature/C`.
        event_type: String,
        /// The least numerator.
        low: i64,
        /// The greatest numerator.
        high: i64,
        /// How far a move goes; at least 1.
        step: i64,
        /// The denominator.
        scale: i64,
    },
    /// `string`: one text after the other.
    String(Vec<String>),
    /// `string/enum/NAME`: one of its values after the other.
    Enum {
        /// The name of the enumeration.
        name: String,
        /// Its values.
        values: Vec<String>,
    },
}

impl Source {
    /// The event type that its messages name.
    fn event_type(&self) -> String {
        match &self.kind {
            Kind::Boolean => "boolean".to_owned(),
            Kind::Number { event_type, .. } => event_type.clone(),
            Kind::String(_) => "string".to_owned(),
            Kind::Enum { name, .. } => format!("string/enum/{name}"),
        }
    }

    /// The payload after so many moves.
    fn payload(&self, moves: u64) -> Value {
        match &self.kind {
            Kind::Boolean => json!({"value": moves % 2 == 1}),
            Kind::Number { low, high, step, scale, .. } => {
                json!({"value": between(*low, *high, *step, moves), "scale": scale})
            }
            Kind::String(texts) | Kind::Enum { values: texts, .. } => {
                json!({"value": turn(texts, moves)})
            }
        }
    }
}

/// Goes from low to high and back in steps; both ends are reached exactly.
fn between(low: i64, high: i64, step: i64, moves: u64) -> i64 {
    let (low, high, step) = (low.min(high), low.max(high), step.max(1));
    let up =
        u64::try_from(high.saturating_sub(low).saturating_add(step - 1) / step).unwrap_or(u64::MAX).max(1);
    let phase = moves % up.saturating_mul(2);
    let steps = if phase <= up { phase } else { up.saturating_mul(2) - phase };
    low.saturating_add(step.saturating_mul(i64::try_from(steps).unwrap_or(i64::MAX))).min(high)
}

fn turn(texts: &[String], moves: u64) -> &str {
    let count = u64::try_from(texts.len()).unwrap_or(u64::MAX).max(1);
    let index = usize::try_from(moves % count).unwrap_or_default();
    texts.get(index).map_or("", String::as_str)
}

/// What the string source says by default.
pub const LABELS: [&str; 4] = ["Camera 1", "Camera 2", "Graphics", "Replay"];

/// One source of each kind, as a small studio has them; the ids are those that the reference definition subscribes to.
pub fn studio(labels: &[&str]) -> Vec<Source> {
    let source = |id: &str, flow: &str, kind| Source { id: id.to_owned(), flow: flow.to_owned(), kind };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    vec![
        source("b9a5d8b4-6e6c-4f6a-9d0e-000000000001", "b9a5d8b4-6e6c-4f6a-9d0f-000000000001", Kind::Boolean),
        source(
            "b9a5d8b4-6e6c-4f6a-9d0e-000000000002",
            "b9a5d8b4-6e6c-4f6a-9d0f-000000000002",
            Kind::Number {
                event_type: "number/temperature/C".to_owned(),
                low: 195,
                high: 248,
                step: 3,
                scale: 10,
            },
        ),
        source(
            "b9a5d8b4-6e6c-4f6a-9d0e-000000000003",
            "b9a5d8b4-6e6c-4f6a-9d0f-000000000003",
            Kind::String(texts(labels)),
        ),
        source(
            "b9a5d8b4-6e6c-4f6a-9d0e-000000000004",
            "b9a5d8b4-6e6c-4f6a-9d0f-000000000004",
            Kind::Enum { name: "StudioCondition".to_owned(), values: texts(&["idle", "rehearsal", "tx"]) },
        ),
    ]
}

/// Where all sources are; the order is that of the options.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    turn: u64,
    moves: Vec<u64>,
    created: Vec<String>,
}

impl States {
    pub(super) fn new(sources: &[Source]) -> Self {
        Self { turn: 0, moves: vec![0; sources.len()], created: vec!["0:0".to_owned(); sources.len()] }
    }

    /// Moves the source whose turn it is; at the first call all come into being.
    pub(super) fn step(&mut self, sources: &[Source], timestamp: &str) {
        if self.turn == 0 {
            self.created.fill(timestamp.to_owned());
        } else {
            let count = u64::try_from(sources.len()).unwrap_or(u64::MAX).max(1);
            let index = usize::try_from((self.turn - 1) % count).unwrap_or_default();
            if let (Some(moves), Some(created)) = (self.moves.get_mut(index), self.created.get_mut(index)) {
                *moves += 1;
                timestamp.clone_into(created);
            }
        }
        self.turn += 1;
    }

    /// How often a source has moved.
    pub(super) fn moves(&self, index: usize) -> u64 {
        self.moves.get(index).copied().unwrap_or_default()
    }

    /// The `state` message of a source.
    pub(super) fn message(&self, index: usize, source: &Source) -> Value {
        json!({
            "identity": {"source_id": source.id, "flow_id": source.flow},
            "event_type": source.event_type(),
            "timing": {"creation_timestamp": self.created.get(index)},
            "payload": source.payload(self.moves(index)),
            "message_type": "state",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_up_and_down_and_reaches_both_ends() {
        let values: Vec<_> = (0..9).map(|moves| between(10, 15, 2, moves)).collect();
        assert_eq!(values, [10, 12, 14, 15, 14, 12, 10, 12, 14]);
        assert_eq!(between(i64::MIN, i64::MAX, 0, 1), i64::MIN + 1);
        assert_eq!(between(5, 5, 1, 7), 5);
    }

    #[test]
    fn sources_take_turns() {
        let sources = studio(&LABELS);
        let mut states = States::new(&sources);
        for turn in 0..6 {
            states.step(&sources, &format!("{turn}:0"));
        }
        assert_eq!((0..4).map(|index| states.moves(index)).collect::<Vec<_>>(), [2, 1, 1, 1]);
        assert_eq!(
            states.message(1, &sources[1]),
            json!({
                "identity": {"source_id": sources[1].id, "flow_id": sources[1].flow},
                "event_type": "number/temperature/C",
                "timing": {"creation_timestamp": "2:0"},
                "payload": {"value": 198, "scale": 10},
                "message_type": "state",
            })
        );
        let payloads: Vec<_> = (0..3).map(|moves| sources[3].payload(moves)["value"].clone()).collect();
        assert_eq!(payloads, ["idle", "rehearsal", "tx"]);
    }
}
