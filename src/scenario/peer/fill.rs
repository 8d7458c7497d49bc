//! Fills in the templates of a scenario's texts; decides nothing.

use bytes::Bytes;
use minijinja::value::{Serde, Value as Filler};
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

use super::Peer;
use crate::element::clock;
use crate::scenario::binary;

impl Peer {
    /// The bytes that a value stands for; none if it stands for none, or for what are no bytes.
    pub(super) fn bytes(&self, value: &Value) -> Option<Bytes> {
        match binary::bytes(value)? {
            Ok(bytes) => Some(bytes.into()),
            Err(problem) => {
                self.problem(problem);
                Some(Bytes::new())
            }
        }
    }

    /// A text with what stands in its double braces.
    pub(super) fn text(&self, text: &str, context: &Value) -> String {
        match self.filled(&Value::String(text.to_owned()), context) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// A value of the scenario with the templates in its texts filled in; one that is a template only keeps its type.
    pub(super) fn filled(&self, value: &Value, context: &Value) -> Value {
        match value {
            Value::String(text) if text.contains("{{") || text.contains("{%") => self.template(text, context),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
            Value::Array(list) => list.iter().map(|value| self.filled(value, context)).collect(),
            Value::Object(members) => Value::Object(
                members.iter().map(|(name, value)| (name.clone(), self.filled(value, context))).collect(),
            ),
        }
    }

    fn template(&self, text: &str, context: &Value) -> Value {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(100_000));
        let wall = self.clock.wall(clock::now());
        environment.add_global("now", wall.rfc3339());
        environment.add_global("unix", wall.0 / 1_000_000_000);
        environment.add_global("unix_ms", wall.0 / 1_000_000);
        let alone = text
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"))
            .filter(|inner| !inner.contains("{{") && !inner.contains("}}"));
        let filled = match alone {
            Some(expression) => environment
                .compile_expression(expression.trim())
                .and_then(|expression| expression.eval(Filler::from(Serde(context))))
                .and_then(|value| match value.is_undefined() {
                    true => Err(minijinja::ErrorKind::UndefinedError.into()),
                    false => Ok(serde_json::to_value(value).unwrap_or(Value::Null)),
                }),
            None => environment.render_str(text, Filler::from(Serde(context))).map(Value::String),
        };
        filled.unwrap_or_else(|error| {
            self.problem(format!("`{text}` cannot be filled in: {error:#}"));
            Value::String(text.to_owned())
        })
    }
}
