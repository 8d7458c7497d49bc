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
    /// `bs:Match`.
    pub matches: Vec<Match<'a>>,
    /// `bs:Extract`.
    pub extracts: Vec<Extract<'a>>,
}

/// `bs:Match`.
#[derive(Debug)]
pub struct Match<'a> {
    /// The start tag.
    pub span: Span,
    /// `@path`.
    pub path: Option<Text<'a>>,
    /// `@equals`, blanks included.
    pub equals: Option<Text<'a>>,
    /// `@exists`.
    pub exists: Option<Text<'a>>,
    /// `@matches`.
    pub matches: Option<Text<'a>>,
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
    /// `@default`.
    pub default: Option<Text<'a>>,
    /// `@divisor`: a second path, of the number that the value is divided by.
    pub divisor: Option<Text<'a>>,
}
