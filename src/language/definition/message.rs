//! Commands and responses as written; resolves nothing.

use crate::language::definition::{Id, Text};
use crate::language::source::Span;

/// `Command`.
#[derive(Debug)]
pub struct Command<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Id,
    /// `Name`.
    pub name: Option<Text<'a>>,
    /// `WebSocketMessageType`.
    pub kind: Option<Text<'a>>,
    /// `Content/Param`.
    pub content: Vec<Id>,
    /// `Content/bs:Template`.
    pub template: Option<Text<'a>>,
}

/// `Response`.
#[derive(Debug)]
pub struct Response<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Id,
    /// `@options`.
    pub options: Option<Text<'a>>,
    /// `Name`.
    pub name: Option<Text<'a>>,
    /// `Content/Param`.
    pub content: Vec<Id>,
    /// Whether a child is misspelt, which `schema` reports: perhaps it was what makes the response one.
    pub slip: bool,
    /// What is done with the message.
    pub mapping: Mapping<'a>,
}

/// The notation of a message: `bs:format` and what goes with it.
#[derive(Debug, Default)]
pub struct Format<'a> {
    /// `@bs:format`.
    pub format: Option<Text<'a>>,
    /// `@bs:separator`, blanks included.
    pub separator: Option<Text<'a>>,
    /// `@bs:headerRow`.
    pub header_row: Option<Text<'a>>,
}

/// What is done with a message: `bs:format`, `bs:Match`, `bs:Extract` and `bs:Rows`.
#[derive(Debug, Default)]
pub struct Mapping<'a> {
    /// Its notation.
    pub format: Format<'a>,
    /// `bs:Match`.
    pub matches: Vec<Match<'a>>,
    /// `bs:Extract`.
    pub extracts: Vec<Extract<'a>>,
    /// `bs:Rows`.
    pub rows: Vec<Rows<'a>>,
}

/// `bs:Match`.
#[derive(Debug)]
pub struct Match<'a> {
    /// The start tag.
    pub span: Span,
    /// `@path`.
    pub path: Option<Text<'a>>,
    /// `@header`.
    pub header: Option<Text<'a>>,
    /// `@status`.
    pub status: Option<Text<'a>>,
    /// `@equals`, blanks included.
    pub equals: Option<Text<'a>>,
    /// `@exists`.
    pub exists: Option<Text<'a>>,
    /// `@matches`.
    pub matches: Option<Text<'a>>,
}

/// `bs:Ignore`.
#[derive(Debug)]
pub struct Ignore<'a> {
    /// The start tag.
    pub span: Span,
    /// `@connection`.
    pub connection: Option<Id>,
    /// What stands on it, as far as anything does, and its `bs:Match`es.
    pub matches: Vec<Match<'a>>,
}

/// How a part of a message becomes a value.
#[derive(Debug)]
pub struct How<'a> {
    /// `@default`, blanks included.
    pub default: Option<Text<'a>>,
    /// `@type`.
    pub form: Option<Text<'a>>,
    /// `@map`, blanks included.
    pub map: Option<Text<'a>>,
    /// `@divisor`: a second path, of the number that the value is divided by.
    pub divisor: Option<Text<'a>>,
    /// `@scale`.
    pub scale: Option<Text<'a>>,
    /// `@onError`.
    pub on_error: Option<Text<'a>>,
}

/// `bs:Extract`.
#[derive(Debug)]
pub struct Extract<'a> {
    /// The start tag.
    pub span: Span,
    /// `@path`.
    pub path: Option<Text<'a>>,
    /// `@pid`.
    pub pid: Option<Id>,
    /// How the part becomes a value.
    pub how: How<'a>,
}

/// `bs:Rows`.
#[derive(Debug)]
pub struct Rows<'a> {
    /// The start tag.
    pub span: Span,
    /// `@path`.
    pub path: Option<Text<'a>>,
    /// `@table`.
    pub table: Option<Id>,
    /// `@mode`.
    pub mode: Option<Text<'a>>,
    /// `@limit`.
    pub limit: Option<Text<'a>>,
    /// `@absent`.
    pub absent: Option<Text<'a>>,
    /// `bs:Cell`.
    pub cells: Vec<Cell<'a>>,
}

/// `bs:Cell`.
#[derive(Debug)]
pub struct Cell<'a> {
    /// The start tag.
    pub span: Span,
    /// `@path`.
    pub path: Option<Text<'a>>,
    /// `@part`.
    pub part: Option<Text<'a>>,
    /// `@up`.
    pub up: Option<Text<'a>>,
    /// `@pid`.
    pub pid: Option<Id>,
    /// `@join`, blanks included.
    pub join: Option<Text<'a>>,
    /// How the part becomes a value.
    pub how: How<'a>,
}
