//! Commands and responses with their compiled paths, patterns and templates; `engine::codec` evaluates them.

use std::fmt;
use std::sync::Arc;

use crate::language::model::id::{CommandId, ConnectionIx, ParamIx, ResponseId, TableIx};
use crate::language::model::template::Inserted;
use crate::language::schema::enumerations::{AbsentRows, RowsMode, ValueForm};
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
    /// What is done with a message that it takes.
    pub mapping: Mapping,
}

/// What is done with a message or the body of an answer, besides its fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// The notation, and so that of the paths.
    pub format: Format,
    /// `bs:Match`: all must hold.
    pub matches: Vec<Match>,
    /// `bs:Extract`: what goes into which parameter.
    pub extracts: Vec<Extract>,
    /// `bs:Rows`: what goes into which table.
    pub rows: Vec<Rows>,
}

impl Mapping {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.matches.is_empty() && self.extracts.is_empty() && self.rows.is_empty()
    }

    /// Whether it looks into the message: then the message must be of the format.
    pub fn looks_inside(&self) -> bool {
        !self.extracts.is_empty() || !self.rows.is_empty() || self.matches.iter().any(Match::looks_inside)
    }
}

/// The notation of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    #[default]
    Json,
    /// XML, with paths in XPath.
    Xml,
    /// Comma-separated values, read as the JSON that they amount to.
    Csv {
        /// The byte between columns.
        separator: u8,
        /// Whether the first line has the names of the columns.
        header_row: bool,
    },
    /// `key=value`, read as the JSON object that it amounts to.
    KeyValue {
        /// What stands between entries; line breaks if none.
        separator: Option<Arc<str>>,
    },
}

/// `bs:Match`: a condition on a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Where to look.
    pub at: Place,
    /// What must be there.
    pub test: Test,
}

impl Match {
    /// Whether it looks into the message.
    pub fn looks_inside(&self) -> bool {
        match self.at {
            Place::Part(_) => true,
            Place::Whole | Place::Header(_) | Place::Status => false,
        }
    }
}

/// Where a `bs:Match` looks.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A part of the message.
    Part(Path),
    /// The whole text of it.
    Whole,
    /// A header of an HTTP answer.
    Header(Arc<str>),
    /// The status of an HTTP answer.
    Status,
}

/// What a `bs:Match` asks of what it looks at.
#[derive(Clone, Debug)]
pub enum Test {
    /// Equal to a text, or to what the text means as a JSON number, `true`, `false` or `null`.
    Equals(Arc<str>),
    /// There (true) or not (false).
    Exists(bool),
    /// Its text matches a regular expression, anywhere in it.
    Matches(regex::Regex),
    /// A number in one of some ranges, both ends included.
    Among(Vec<(u16, u16)>),
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equals(a), Self::Equals(b)) => a == b,
            (Self::Exists(a), Self::Exists(b)) => a == b,
            (Self::Matches(a), Self::Matches(b)) => a.as_str() == b.as_str(),
            (Self::Among(a), Self::Among(b)) => a == b,
            (Self::Equals(_) | Self::Exists(_) | Self::Matches(_) | Self::Among(_), _) => false,
        }
    }
}

/// `bs:Ignore`: messages that mean nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignore {
    /// The connection from which they come; every WebSocket connection if none.
    pub connection: Option<ConnectionIx>,
    /// All must hold; never empty.
    pub matches: Vec<Match>,
}

/// How a part of a message becomes the value of a parameter or a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct How {
    /// What it gets where the path finds nothing, or `null`; without it the value stays, and `null` empties it.
    pub default: Option<Value>,
    /// How the part is read.
    pub form: Form,
    /// What stands for which value.
    pub map: Option<Map>,
    /// What the value is divided by: a second path of the same message, for values with a scale of their own.
    pub divisor: Option<Path>,
    /// What the value is multiplied by.
    pub scale: Option<f64>,
    /// What happens where it cannot be worked out.
    pub on_error: Policy,
}

/// How a part of a message is read; see [`ValueForm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form(pub ValueForm);

impl Default for Form {
    fn default() -> Self {
        Self(ValueForm::Auto)
    }
}

/// `map`: what stands for which value.
#[derive(Clone, Debug, PartialEq)]
pub enum Map {
    /// Pairs, in the author's order, and what all others become.
    Pairs(Vec<(Arc<str>, Value)>, Option<Value>),
    /// The shown texts of the parameter's discreet values.
    Discreets,
}

/// What happens where a part of a message cannot be read as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The value stays; counted and reported.
    #[default]
    Report,
    /// The value stays; counted.
    Keep,
    /// The value becomes empty; counted.
    Clear,
}

/// `bs:Extract`: one value of a message into a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Extract {
    /// Where the value is.
    pub path: Path,
    /// Where it goes.
    pub param: ParamIx,
    /// How it becomes a value.
    pub how: How,
}

/// `bs:Rows`: a list of a message into a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Which parts are rows.
    pub path: Path,
    /// The table.
    pub table: TableIx,
    /// The columns that are filled, without duplicates, and what happens where a value does not fit.
    // Invariant: not empty.
    pub columns: Arc<[FillColumn]>,
    /// Where the values are.
    pub cells: Vec<Cell>,
    /// What happens to the rows that are there.
    pub mode: RowsMode,
    /// The most rows that the table has then.
    pub limit: usize,
    /// Whether no list at all means an empty one.
    pub absent: AbsentRows,
}

/// A column that a message fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillColumn {
    /// Its position in the table.
    pub column: u16,
    /// What happens where a value does not fit.
    pub on_error: Policy,
}

/// `bs:Cell`: one value of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Where the value is.
    pub source: CellSource,
    /// Its position in [`Rows::columns`].
    pub at: usize,
    /// The parameter of the column.
    pub param: ParamIx,
    /// What stands between it and the cells before it for the same column.
    pub join: Option<Arc<str>>,
    /// How it becomes a value.
    pub how: How,
}

/// Where the value of a cell is.
#[derive(Clone, Debug, PartialEq)]
pub enum CellSource {
    /// At a path that begins so many levels above the row.
    Path(Path, usize),
    /// The name of the row: of the member that it is, or of the element.
    Name,
    /// The position of the row among all of the message.
    Index,
}

/// Where something is in a message, in its notation.
#[derive(Clone, Debug, PartialEq)]
pub enum Path {
    /// In JSON, and in what is read as JSON.
    Json(JsonPath),
    /// In XML.
    Xml(XPath),
}

impl Path {
    /// The path as written.
    pub fn text(&self) -> &Arc<str> {
        match self {
            Self::Json(path) => &path.text,
            Self::Xml(path) => &path.text,
        }
    }
}

impl From<JsonPath> for Path {
    fn from(path: JsonPath) -> Self {
        Self::Json(path)
    }
}

/// A compiled path in XPath 1.0.
#[derive(Clone)]
pub struct XPath {
    /// The path as written.
    pub text: Arc<str>,
    /// What is evaluated.
    pub expression: Arc<xpath_eval::Expr>,
}

impl PartialEq for XPath {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for XPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "XPath({})", self.text)
    }
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
    /// Names, indices and wildcards only: every node is found in one pass.
    Each(Arc<[Segment]>),
    /// Anything else.
    General(Arc<General>),
}

/// A path with filters, slices, unions or descendants.
#[derive(Clone, Debug)]
pub struct General {
    /// The compiled query.
    pub query: serde_json_path::JsonPath,
    /// How often it may come to one value by different ways, as a power of the message's depth.
    pub power: u32,
    /// How many selectors stand in unions, multiplied: as often again.
    pub fan: u32,
    /// Whether a filter looks at the whole message for each value.
    pub absolute_filter: bool,
    /// Whether a filter has a regular expression, which the library compiles for each value.
    pub patterns: bool,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A member of an object.
    Name(Arc<str>),
    /// An element of an array; negative counts from the end.
    Index(i64),
    /// Every element of an array, or every member of an object.
    All,
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
    /// The parameters that it reads, the columns of its tables among them.
    pub params: Arc<[ParamIx]>,
    /// The tables that it reads.
    pub tables: Arc<[TableIx]>,
    /// The parsed template, under the name [`Template::NAME`].
    pub environment: Arc<minijinja::Environment<'static>>,
    /// What was put into it so that it runs as it should.
    pub inserted: Inserted,
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
