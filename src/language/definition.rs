//! What the author wrote: every part of the language that is used, with its place, optional and unresolved; judges nothing.
//!
//! [`lower`] takes a document apart. It never fails: an element that is not there is `None`, one whose id is not a number is
//! left out (`schema` reports it), and a section that stands twice is one list. `model::compile` gives all of it a meaning.

pub mod connection;
pub mod logic;
mod lower;
pub mod message;
pub mod param;
mod text;

pub use lower::lower;
pub use text::Text;

use crate::language::definition::connection::{Connections, Session, Thread};
use crate::language::definition::logic::{Action, Group, Pair, Script, Timer, Trigger};
use crate::language::definition::message::{Command, Ignore, Response};
use crate::language::definition::param::Param;
use crate::language::source::{Span, Spanned};

/// A number that names an item or a parameter.
pub type Id = Spanned<i32>;

/// One definition as written.
#[derive(Debug)]
pub struct Definition<'a> {
    /// The start tag of the root element.
    pub span: Span,
    /// `Name`.
    pub name: Option<Text<'a>>,
    /// `Version`.
    pub version: Option<Text<'a>>,
    /// The connections, in whichever syntax.
    pub connections: Connections<'a>,
    /// `Threads/Thread`.
    pub threads: Vec<Thread<'a>>,
    /// `Params/Param`, and those that stand beside `Params`.
    pub params: Vec<Param<'a>>,
    /// `Commands/Command`.
    pub commands: Vec<Command<'a>>,
    /// `Responses/Response`.
    pub responses: Vec<Response<'a>>,
    /// `Responses/bs:Ignore`.
    pub ignores: Vec<Ignore<'a>>,
    /// `Pairs/Pair`.
    pub pairs: Vec<Pair<'a>>,
    /// `HTTP/Session`.
    pub sessions: Vec<Session<'a>>,
    /// `Groups/Group`.
    pub groups: Vec<Group<'a>>,
    /// `Triggers/Trigger`.
    pub triggers: Vec<Trigger<'a>>,
    /// `Actions/Action`.
    pub actions: Vec<Action<'a>>,
    /// `Timers/Timer`.
    pub timers: Vec<Timer<'a>>,
    /// `QActions/QAction`, in the order of the file.
    pub scripts: Vec<Script<'a>>,
    /// Items that are there and could not be read, so that a reference to one is not reported as dangling.
    pub unreadable: Vec<Unreadable>,
}

/// An item that is there and could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The name of its element, as it should be written.
    pub kind: &'static str,
    /// Its id; `None` if that is what could not be read.
    pub id: Option<i32>,
}
