//! A received message or body, looked into at most once for all responses that it is offered to; matches nothing itself.

use std::borrow::Cow;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::engine::codec::Set;
use crate::engine::codec::json::{Found, JsonError, Kind, Tape};
use crate::engine::param::Params;
use crate::language::model::id::ParamIx;
use crate::language::model::message::{Extract, JsonPath, Match, MessageKind, PathForm, Test};
use crate::language::model::param::ValueType;
use crate::value::{Value, parse_number};

/// A received message, or the body of an answer.
///
/// It is checked to be UTF-8 and JSON when a path is first asked for, and once only.
#[derive(Debug)]
pub struct Message {
    /// Text or binary; JSON is read from both.
    pub kind: MessageKind,
    payload: Bytes,
    tape: OnceLock<Result<Tape, JsonError>>,
    /// What general paths are evaluated on.
    tree: OnceLock<Option<Box<serde_json::Value>>>,
}

impl Message {
    /// Takes a message as it came.
    pub fn new(kind: MessageKind, payload: Bytes) -> Self {
        Self { kind, payload, tape: OnceLock::new(), tree: OnceLock::new() }
    }

    /// The bytes.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The same message with other bytes, after `replace data` or `read stuffing`.
    #[must_use]
    pub fn with_payload(&self, payload: Bytes) -> Self {
        Self::new(self.kind, payload)
    }

    /// Why the message is no JSON; `None` if it is.
    pub fn json_error(&self) -> Option<&JsonError> {
        self.tape().err()
    }

    fn tape(&self) -> Result<&Tape, &JsonError> {
        let tape = self.tape.get_or_init(|| {
            let text = std::str::from_utf8(self.json())
                .map_err(|error| JsonError { what: "not UTF-8", at: error.valid_up_to() })?;
            Tape::new(text)
        });
        tape.as_ref()
    }

    /// The bytes without a byte order mark in front, which is not part of the text (RFC 8259, section 8.1).
    fn json(&self) -> &[u8] {
        self.payload.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.payload)
    }

    fn tree(&self) -> Option<&serde_json::Value> {
        let tree = self.tree.get_or_init(|| {
            self.tape().ok()?;
            serde_json::from_slice(self.json()).ok().map(Box::new)
        });
        tree.as_deref()
    }

    /// What a path selects; of several nodes the first.
    pub(super) fn select(&self, path: &JsonPath) -> Option<Node<'_>> {
        match &path.form {
            PathForm::Singular(segments) => self.tape().ok()?.find(self.json(), segments).map(Node::Literal),
            PathForm::General(general) => general.query(self.tree()?).first().map(Node::Tree),
        }
    }

    /// Whether all conditions of `bs:Match` hold; none do on a message that is no JSON.
    pub fn matches(&self, matches: &[Match]) -> bool {
        matches.iter().all(|one| self.holds(one))
    }

    fn holds(&self, one: &Match) -> bool {
        if self.json_error().is_some() {
            return false;
        }
        let node = self.select(&one.path);
        match (&one.test, node) {
            (Test::Exists(wanted), node) => node.is_some() == *wanted,
            (Test::Equals(text), Some(node)) => node.equals(text),
            (Test::Matches(pattern), Some(node)) => pattern.is_match(&node.text()),
            (Test::Equals(_) | Test::Matches(_), None) => false,
        }
    }

    /// The values of `bs:Extract`, and how many could not be worked out.
    ///
    /// A path that selects nothing gives the default, or nothing. A divisor that is not there divides by one; one that is zero
    /// or no number drops the value. On a message that is no JSON nothing is set and each extract counts as dropped.
    pub fn extract(&self, extracts: &[Extract], params: &Params, sets: &mut Vec<Set>) -> u32 {
        if extracts.is_empty() {
            return 0;
        }
        if self.json_error().is_some() {
            return u32::try_from(extracts.len()).unwrap_or(u32::MAX);
        }
        let mut dropped = 0;
        sets.reserve(extracts.len());
        for extract in extracts {
            match self.extracted(extract, params) {
                Ok(Some(value)) => sets.push(Set { param: extract.param, value }),
                Ok(None) => {}
                Err(NoQuotient) => dropped += 1,
            }
        }
        dropped
    }

    fn extracted(&self, extract: &Extract, params: &Params) -> Result<Option<Value>, NoQuotient> {
        let Some(node) = self.select(&extract.path) else { return Ok(extract.default.clone()) };
        let value = node.value(value_type(params, extract.param), params.get(extract.param));
        let Some(divisor) = extract.divisor.as_ref().and_then(|path| self.select(path)) else {
            return Ok(Some(value));
        };
        match (value.as_number(), parse_number(&divisor.text())) {
            (Some(number), Some(divisor)) => match Value::number(number / divisor) {
                Value::Empty => Err(NoQuotient),
                quotient @ (Value::Number(_) | Value::Text(_) | Value::Bytes(_)) => Ok(Some(quotient)),
            },
            (Some(_) | None, None) | (None, Some(_)) => Err(NoQuotient),
        }
    }
}

/// A value and its divisor have no quotient.
struct NoQuotient;

fn value_type(params: &Params, param: ParamIx) -> ValueType {
    params.describe(param).value_type
}

/// A value that a path selects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    Literal(Found<'a>),
    Tree(&'a serde_json::Value),
}

impl<'a> Node<'a> {
    /// The text of a value: a string as it is, anything else as JSON.
    pub(super) fn text(&self) -> Cow<'a, str> {
        match self {
            Self::Literal(found) => found.text(),
            Self::Tree(serde_json::Value::String(text)) => Cow::Borrowed(text),
            Self::Tree(other) => Cow::Owned(other.to_string()),
        }
    }

    /// The text of a string or a number; none of anything else.
    pub(super) fn scalar(&self) -> Option<Cow<'a, str>> {
        match self.kind() {
            Kind::Text | Kind::EscapedText | Kind::Number => Some(self.text()),
            Kind::Null | Kind::True | Kind::False | Kind::Array | Kind::Object => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Literal(found) => found.kind,
            Self::Tree(serde_json::Value::Null) => Kind::Null,
            Self::Tree(serde_json::Value::Bool(true)) => Kind::True,
            Self::Tree(serde_json::Value::Bool(false)) => Kind::False,
            Self::Tree(serde_json::Value::Number(_)) => Kind::Number,
            Self::Tree(serde_json::Value::String(_)) => Kind::Text,
            Self::Tree(serde_json::Value::Array(_)) => Kind::Array,
            Self::Tree(serde_json::Value::Object(_)) => Kind::Object,
        }
    }

    /// Whether it is what a text says: that string, or that number, `true`, `false` or `null`.
    fn equals(&self, text: &str) -> bool {
        match self.kind() {
            Kind::Text | Kind::EscapedText | Kind::Null | Kind::True | Kind::False => self.text() == text,
            Kind::Number => {
                let own = self.text();
                own == text || parse_number(&own).is_some_and(|own| parse_number(text) == Some(own))
            }
            Kind::Array | Kind::Object => false,
        }
    }

    /// The value for a parameter: `null` is empty, `true` and `false` are 1 and 0 for numbers, arrays and objects are JSON text.
    ///
    /// A text parameter gets a number as it is written in the message, so that no digit is lost. A text that is the present
    /// one shares its memory.
    fn value(&self, value_type: ValueType, present: &Value) -> Value {
        let is_number = match value_type {
            ValueType::Double | ValueType::HighNibble => true,
            ValueType::String => false,
        };
        match self.kind() {
            Kind::Null => Value::Empty,
            Kind::True if is_number => Value::Number(1.0),
            Kind::False if is_number => Value::Number(0.0),
            Kind::Number if is_number => {
                let text = self.text();
                whole(&text)
                    .or_else(|| parse_number(&text))
                    .map_or_else(|| Value::text(&*text), Value::Number)
            }
            Kind::True
            | Kind::False
            | Kind::Number
            | Kind::Text
            | Kind::EscapedText
            | Kind::Array
            | Kind::Object => match (self.text(), present) {
                (text, Value::Text(present)) if *text == **present => Value::Text(present.clone()),
                (text, Value::Text(_) | Value::Empty | Value::Number(_) | Value::Bytes(_)) => {
                    Value::text(&*text)
                }
            },
        }
    }
}

/// A short whole number, which most are; `None` for all others.
fn whole(text: &str) -> Option<f64> {
    /// Nine digits are below 2^32.
    const DIGITS: usize = 9;
    let (digits, sign) = text.strip_prefix('-').map_or((text, 1.0), |digits| (digits, -1.0));
    if digits.is_empty() || digits.len() > DIGITS {
        return None;
    }
    let add = |sum: u32, byte: u8| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0'));
    digits.bytes().try_fold(0, add).map(|number| sign * f64::from(number))
}

#[cfg(test)]
mod tests;
