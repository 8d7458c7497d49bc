//! Commands and responses with their compiled paths, patterns and templates; `engine::codec` evaluates them.

use std::fmt;
use std::sync::Arc;

use crate::language::model::id::{CommandId, ConnectionIx, ParamIx, ResponseId};
use crate::value::Value;

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The author's number.
    pub id: CommandId,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// Text or binary frames (`WebSocketMessageType`).
    pub kind: MessageKind,
    /// What the message is made of.
    pub content: CommandContent,
}

/// `WebSocketMessageType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Text: must be UTF-8.
    Text,
    /// Binary, the original's default.
    #[default]
    Binary,
}

/// What a command's message is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandContent {
    /// The raw values of parameters, one after the other.
    Params(Vec<ParamIx>),
    /// `bs:Template`.
    Template(Template),
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The author's number.
    pub id: ResponseId,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// The connection whose messages it takes; every WebSocket connection if none.
    pub connection: Option<ConnectionIx>,
    /// The fields, in order; their kind is that of the parameter. Empty for a response of `bs:Match` and `bs:Extract` alone.
    pub fields: Vec<ParamIx>,
    /// All must hold for the response to take a message.
    pub matches: Vec<Match>,
    /// What goes into which parameter.
    pub extracts: Vec<Extract>,
}

/// `bs:Match`: a condition on a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Where to look.
    pub path: JsonPath,
    /// What must be there.
    pub test: Test,
}

/// What a `bs:Match` asks of the value at its path.
#[derive(Clone, Debug)]
pub enum Test {
    /// Equal to a text, or to what the text means as a JSON number, `true`, `false` or `null`.
    Equals(Arc<str>),
    /// There (true) or not (false).
    Exists(bool),
    /// Its text matches a regular expression, anywhere in it.
    Matches(regex::Regex),
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equals(a), Self::Equals(b)) => a == b,
            (Self::Exists(a), Self::Exists(b)) => a == b,
            (Self::Matches(a), Self::Matches(b)) => a.as_str() == b.as_str(),
            (Self::Equals(_) | Self::Exists(_) | Self::Matches(_), _) => false,
        }
    }
}

/// `bs:Extract`: one value of a message into a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Extract {
    /// Where the value is.
    pub path: JsonPath,
    /// Where it goes.
    pub param: ParamIx,
    /// What the parameter gets where the path selects nothing; without it the parameter keeps its value.
    pub default: Option<Value>,
    /// What the value is divided by: a second path of the same message, for values with a scale of their own.
    pub divisor: Option<JsonPath>,
}

/// A compiled RFC 9535 path.
#[derive(Clone)]
pub struct JsonPath {
    /// The path as written.
    pub text: Arc<str>,
    /// How it is evaluated.
    pub form: PathForm,
}

/// How a path is evaluated.
#[derive(Clone)]
pub enum PathForm {
    /// A singular query: names and indices only, so that a lazy reader can go straight to the value.
    Singular(Arc<[Segment]>),
    /// Anything else; the first node that it selects counts.
    General(Arc<serde_json_path::JsonPath>),
}

/// One step of a singular query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A member of an object.
    Name(Arc<str>),
    /// An element of an array; negative counts from the end.
    Index(i64),
}

impl PartialEq for JsonPath {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonPath({})", self.text)
    }
}

/// A compiled `bs:Template`, in an environment of its own.
#[derive(Clone)]
pub struct Template {
    /// The template as written.
    pub text: Arc<str>,
    /// The parameters that it reads.
    pub params: Arc<[ParamIx]>,
    /// The parsed template, under the name [`Template::NAME`].
    pub environment: Arc<minijinja::Environment<'static>>,
}

impl Template {
    /// The name of the template in its environment.
    pub const NAME: &'static str = "template";
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.params == other.params
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.text)
    }
}
