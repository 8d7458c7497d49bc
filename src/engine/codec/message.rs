//! A received message or body, looked into at most once for all responses that it is offered to; matches nothing itself.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::engine::codec::Gathered;
use crate::engine::codec::json::{Found, JsonError, Kind, Step, Tape};
use crate::engine::codec::mapping::{self, Problem, Why};
use crate::engine::codec::xml::{self, Search};
use crate::engine::codec::{lines, rows};
use crate::engine::param::Params;
use crate::language::model::message::{
    Format, General, JsonPath, Mapping, Match, MessageKind, Path, PathForm, Place, Test,
};
use crate::value::parse_number;

/// How many values a message may have that a general path is evaluated on: its tree takes some 50 bytes for each.
const MAX_TREE: usize = 1 << 19;

/// How many steps the evaluation of a general path may take at most, as worked out before.
const MAX_STEPS: usize = 1 << 24;

/// How many steps a regular expression in a filter counts as: it is compiled anew for each value.
const PATTERN_STEPS: usize = 512;

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
    /// The JSON that it amounts to in the first other format that was asked for.
    made: OnceLock<Box<(Format, Message)>>,
    xml: OnceLock<Box<Result<xml::Tree, &'static str>>>,
}

/// A message in the notation of a mapping.
#[derive(Clone, Copy)]
pub(super) enum Look<'m> {
    Json(&'m Message),
    Xml(&'m xml::Tree),
}

/// The message itself, or the JSON that it amounts to in another format.
enum Seen<'m> {
    Own(&'m Message),
    Made(Box<Message>),
}

impl std::ops::Deref for Seen<'_> {
    type Target = Message;

    fn deref(&self) -> &Message {
        match self {
            Self::Own(message) => message,
            Self::Made(message) => message,
        }
    }
}

/// What comes with the body of an HTTP answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// The status; none for a message of a WebSocket.
    pub status: Option<u16>,
    /// Names and values in the order received.
    pub headers: &'a [(String, String)],
}

/// A general path that would take too long on a message, or a message that is too large for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Message {
    /// Takes a message as it came.
    pub fn new(kind: MessageKind, payload: Bytes) -> Self {
        Self {
            kind,
            payload,
            tape: OnceLock::new(),
            tree: OnceLock::new(),
            made: OnceLock::new(),
            xml: OnceLock::new(),
        }
    }

    /// The message as JSON, or as the JSON that it amounts to.
    fn seen(&self, format: &Format) -> Seen<'_> {
        if matches!(format, Format::Json | Format::Xml) {
            return Seen::Own(self);
        }
        let make = || match lines::to_json(&self.payload, format) {
            Ok(json) => Self::new(MessageKind::Text, json),
            Err(what) => {
                let none = Self::new(MessageKind::Text, Bytes::new());
                let _is_new = none.tape.set(Err(JsonError { what, at: 0 }));
                none
            }
        };
        let first = self.made.get_or_init(|| Box::new((format.clone(), make())));
        if first.0 == *format { Seen::Own(&first.1) } else { Seen::Made(Box::new(make())) }
    }

    fn xml(&self) -> Result<&xml::Tree, &'static str> {
        let tree = self.xml.get_or_init(|| Box::new(xml::Tree::new(&self.payload)));
        tree.as_ref().as_ref().map_err(|what| *what)
    }

    /// Why the message is not of a format; none if it is.
    pub fn format_error(&self, format: &Format) -> Option<&'static str> {
        match format {
            Format::Json => self.json_error().map(|error| error.what),
            Format::Xml => self.xml().err(),
            Format::Csv { .. } | Format::KeyValue { .. } => {
                self.seen(format).json_error().map(|error| error.what)
            }
        }
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

    pub(super) fn tape(&self) -> Result<&Tape, &JsonError> {
        let tape = self.tape.get_or_init(|| {
            let text = std::str::from_utf8(self.json())
                .map_err(|error| JsonError { what: "not UTF-8", at: error.valid_up_to() })?;
            Tape::new(text)
        });
        tape.as_ref()
    }

    /// The bytes without a byte order mark in front, which is not part of the text (RFC 8259, section 8.1).
    pub(super) fn json(&self) -> &[u8] {
        self.payload.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.payload)
    }

    /// What general paths are evaluated on, if this one can be within bounds.
    pub(super) fn tree_for(&self, path: &General) -> Result<Option<&serde_json::Value>, TooMuch> {
        if self.tape().is_err() {
            return Ok(None);
        }
        if !self.allows(path) {
            return Err(TooMuch);
        }
        let tree = self.tree.get_or_init(|| serde_json::from_slice(self.json()).ok().map(Box::new));
        Ok(tree.as_deref())
    }

    /// Whether a general path is evaluated in bounded time and memory.
    pub(super) fn allows(&self, path: &General) -> bool {
        self.tape().is_ok_and(|tape| tape.values <= MAX_TREE && steps(path, tape) <= MAX_STEPS)
    }

    /// What a path selects; of several nodes the first.
    pub(super) fn select(&self, path: &JsonPath) -> Option<Node<'_>> {
        self.try_select(path).unwrap_or_default()
    }

    /// As [`Message::select`], or that the path would take too long.
    pub(super) fn try_select(&self, path: &JsonPath) -> Result<Option<Node<'_>>, TooMuch> {
        match &path.form {
            PathForm::Singular(segments) => {
                let Ok(tape) = self.tape() else { return Ok(None) };
                Ok(tape.find(self.json(), segments).map(Node::Literal))
            }
            PathForm::Each(_) => {
                let mut first = None;
                self.each(path, &mut |trail| {
                    first = trail.last().and_then(|step| step.spot.found(self.json()));
                    ControlFlow::Break(())
                });
                Ok(first.map(Node::Literal))
            }
            PathForm::General(general) => {
                let Some(tree) = self.tree_for(general)? else { return Ok(None) };
                Ok(general.query.query(tree).first().map(Node::Tree))
            }
        }
    }

    /// Goes over the values of a path of names, indices and wildcards.
    pub(super) fn each(&self, path: &JsonPath, visit: &mut dyn FnMut(&[Step]) -> ControlFlow<()>) {
        let (PathForm::Singular(segments) | PathForm::Each(segments)) = &path.form else { return };
        let Ok(tape) = self.tape() else { return };
        let Some(spot) = tape.root(self.json()) else { return };
        let mut trail = vec![Step { spot, name: None }];
        let _flow = tape.each(self.json(), &mut trail, segments, visit);
    }

    /// How many values a path selects.
    pub(super) fn count(&self, path: &JsonPath) -> Result<usize, TooMuch> {
        match &path.form {
            PathForm::Singular(_) | PathForm::Each(_) => {
                let mut count = 0;
                self.each(path, &mut |_| {
                    count += 1;
                    ControlFlow::Continue(())
                });
                Ok(count)
            }
            PathForm::General(general) => {
                Ok(self.tree_for(general)?.map_or(0, |tree| general.query.query(tree).len()))
            }
        }
    }

    /// Whether all conditions of `bs:Match` hold.
    ///
    /// One that looks into the message does not hold on a message that is not of the format. A header or a status that is not
    /// there is nothing.
    pub fn matches(&self, mapping: &Mapping, head: Head<'_>) -> bool {
        mapping.matches.iter().all(|one| self.holds(one, &mapping.format, head))
    }

    /// Whether all of some conditions on JSON and on the whole text hold.
    pub fn fulfils(&self, matches: &[Match]) -> bool {
        matches.iter().all(|one| self.holds(one, &Format::Json, Head::default()))
    }

    /// The text at a path, for people; none if nothing is there.
    pub(super) fn text_at(&self, path: &Path, format: &Format) -> Option<String> {
        match path {
            Path::Json(path) => self.seen(format).select(path).map(|node| node.text().into_owned()),
            Path::Xml(path) => {
                let search = Search::new(self.xml().ok()?, xml::FUEL);
                let found = search.value(path, search.whole()).ok().flatten()?;
                Some(Node::Tree(&found).text().into_owned())
            }
        }
    }

    /// Whether a condition holds.
    pub(super) fn holds(&self, one: &Match, format: &Format, head: Head<'_>) -> bool {
        match &one.at {
            Place::Part(Path::Json(path)) => {
                let seen = self.seen(format);
                seen.json_error().is_none() && test_node(&one.test, seen.select(path))
            }
            Place::Part(Path::Xml(path)) => {
                let Ok(tree) = self.xml() else { return false };
                let search = Search::new(tree, xml::FUEL);
                match search.value(path, search.whole()) {
                    // A condition is there if it holds.
                    Ok(Some(serde_json::Value::Bool(false))) => one.test == Test::Exists(false),
                    Ok(found) => test_node(&one.test, found.as_ref().map(Node::Tree)),
                    Err(_) => false,
                }
            }
            Place::Whole => match std::str::from_utf8(&self.payload) {
                Ok(text) => test_text(&one.test, Some(text)),
                Err(_) => false,
            },
            Place::Header(name) => {
                let same = head.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
                let values: Vec<&str> = same.map(|(_, value)| value.as_str()).collect();
                test_text(&one.test, (!values.is_empty()).then(|| values.join("\r\n")).as_deref())
            }
            Place::Status => match &one.test {
                Test::Among(ranges) => head.status.is_some_and(|status| {
                    ranges.iter().any(|(first, last)| (*first..=*last).contains(&status))
                }),
                Test::Equals(_) | Test::Exists(_) | Test::Matches(_) => false,
            },
        }
    }

    /// What a message has for the parameters: `bs:Extract` and then `bs:Rows`.
    ///
    /// A path that selects nothing gives the default, or nothing. What cannot be worked out is counted, and the first of it
    /// described. On a message that is not of the format nothing is set, and each extract and each list counts as dropped.
    pub fn map(&self, mapping: &Mapping, params: &Params, got: &mut Gathered) {
        if mapping.extracts.is_empty() && mapping.rows.is_empty() {
            return;
        }
        if let Some(what) = self.format_error(&mapping.format) {
            let count = mapping.extracts.len() + mapping.rows.len();
            let problem = Problem { path: None, param: None, table: None, why: Why::NotOfFormat(what) };
            got.lose(u32::try_from(count).unwrap_or(u32::MAX), || problem);
            return;
        }
        got.sets.reserve(mapping.extracts.len());
        let seen = self.seen(&mapping.format);
        let look = match (&mapping.format, self.xml.get().map(|tree| tree.as_ref().as_ref())) {
            (Format::Xml, Some(Ok(tree))) => Look::Xml(tree),
            (_, _) => Look::Json(&seen),
        };
        for extract in &mapping.extracts {
            mapping::extract(look, extract, params, got);
        }
        for one in &mapping.rows {
            match look {
                Look::Json(message) => rows::gather(message, one, params, got),
                Look::Xml(tree) => rows::gather_xml(tree, one, params, got),
            }
        }
    }
}

/// How many steps the evaluation of a general path takes at most.
///
/// A value is reached in as many ways as it has values around it for each descent behind the first, and for each selector of a
/// union; a filter that looks at the whole message does so for each value.
fn steps(path: &General, tape: &Tape) -> usize {
    let ways = tape.depth.max(1).saturating_pow(path.power).saturating_mul(path.fan as usize);
    let each = if path.absolute_filter { tape.values } else { 1 };
    let patterns = if path.patterns { PATTERN_STEPS } else { 1 };
    tape.values.saturating_mul(ways).saturating_mul(each).saturating_mul(patterns)
}

fn test_node(test: &Test, node: Option<Node<'_>>) -> bool {
    match (test, node) {
        (Test::Exists(wanted), node) => node.is_some() == *wanted,
        (Test::Equals(text), Some(node)) => node.equals(text),
        (Test::Matches(pattern), Some(node)) => pattern.is_match(&node.text()),
        (Test::Equals(_) | Test::Matches(_), None) | (Test::Among(_), _) => false,
    }
}

fn test_text(test: &Test, text: Option<&str>) -> bool {
    match (test, text) {
        (Test::Exists(wanted), text) => text.is_some() == *wanted,
        // A text that is nothing but a JSON string counts as that string too.
        (Test::Equals(wanted), Some(text)) => {
            let (text, wanted) = (text.trim(), wanted.trim());
            text == wanted
                || (text.starts_with('"')
                    && serde_json::from_str::<String>(text).is_ok_and(|text| text == wanted))
        }
        (Test::Matches(pattern), Some(text)) => pattern.is_match(text),
        (Test::Equals(_) | Test::Matches(_), None) | (Test::Among(_), _) => false,
    }
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

    /// The value as JSON.
    pub(super) fn literal(&self) -> Cow<'a, str> {
        match self {
            Self::Literal(found) => Cow::Borrowed(found.literal),
            Self::Tree(value) => Cow::Owned(value.to_string()),
        }
    }

    pub(super) fn kind(&self) -> Kind {
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

    /// How many elements or members it has; one for a scalar.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Tree(serde_json::Value::Array(list)) => list.len(),
            Self::Tree(serde_json::Value::Object(members)) => members.len(),
            Self::Tree(_) => 1,
            Self::Literal(found) => found.count(),
        }
    }

    /// Whether it is what a text says: that string, or that number, `true`, `false` or `null`.
    pub(super) fn equals(&self, text: &str) -> bool {
        match self.kind() {
            Kind::Text | Kind::EscapedText | Kind::Null | Kind::True | Kind::False => self.text() == text,
            Kind::Number => {
                let own = self.text();
                own == text || parse_number(&own).is_some_and(|own| parse_number(text) == Some(own))
            }
            Kind::Array | Kind::Object => false,
        }
    }
}

#[cfg(test)]
mod tests;
