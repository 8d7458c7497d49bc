//! Triggers, actions, groups, pairs, timers and scripts as written; resolves nothing.

use crate::language::definition::connection::Settings;
use crate::language::definition::{Id, Text};
use crate::language::source::{Places, Span};

/// `Pair`.
#[derive(Debug)]
pub struct Pair<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Id,
    /// `Name`.
    pub name: Option<Text<'a>>,
    /// `Condition`.
    pub condition: Option<Text<'a>>,
    /// `@timeout`.
    pub timeout: Option<Text<'a>>,
    /// `@options`.
    pub options: Option<Text<'a>>,
    /// `@bs:whenDown`.
    pub when_down: Option<Text<'a>>,
    /// `Content/Command`.
    pub commands: Vec<Id>,
    /// `Content/Response`.
    pub responses: Vec<Id>,
    /// `Content/ResponseOnBadCommand`.
    pub bad_commands: Vec<Id>,
}

/// `Group`.
#[derive(Debug)]
pub struct Group<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Id,
    /// `Name`.
    pub name: Option<Text<'a>>,
    /// `Condition`.
    pub condition: Option<Text<'a>>,
    /// `Type`.
    pub kind: Option<Text<'a>>,
    /// `@connection`.
    pub connection: Option<Id>,
    /// `@connectionPID`.
    pub connection_pid: Option<Id>,
    /// `@threadId`.
    pub thread: Option<Id>,
    /// `Content`.
    pub items: Vec<GroupItem<'a>>,
}

/// An item of a group's content.
#[derive(Debug)]
pub struct GroupItem<'a> {
    /// What kind of item.
    pub kind: ItemKind,
    /// Which one; a parameter may have an addition such as `:table`.
    pub id: Id,
    /// `@next`.
    pub next: Option<Text<'a>>,
    /// `Session@connection`.
    pub connection: Option<Id>,
}

/// What a group's content can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// `Param`.
    Param,
    /// `Pair`.
    Pair,
    /// `Session`.
    Session,
    /// `Action`.
    Action,
    /// `Trigger`.
    Trigger,
}

/// `Trigger`.
#[derive(Debug)]
pub struct Trigger<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Id,
    /// `Name`.
    pub name: Option<Text<'a>>,
    /// `Condition`.
    pub condition: Option<Text<'a>>,
    /// `On`.
    pub on: Option<Text<'a>>,
    /// `On@id`.
    pub on_id: Option<Text<'a>>,
    /// `Time`.
    pub time: Option<Text<'a>>,
    /// `Time@case`, `@value`, `@id`, `@nr`.
    pub guard: Settings<'a>,
    /// `Type`.
    pub kind: Option<Text<'a>>,
    /// `Content/Id`, and whether it has `else="true"`.
    pub content: Vec<(Id, bool)>,
}

/// `Action`.
#[derive(Debug)]
pub struct Action<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Id,
    /// `Name`.
    pub name: Option<Text<'a>>,
    /// `Condition`.
    pub condition: Option<Text<'a>>,
    /// `On`.
    pub on: Option<Text<'a>>,
    /// `On@id`.
    pub on_id: Option<Text<'a>>,
    /// `On@nr`.
    pub on_nr: Option<Text<'a>>,
    /// `Type`.
    pub kind: Option<Text<'a>>,
    /// The attributes of `Type`.
    pub arguments: Settings<'a>,
}

/// `Timer`.
#[derive(Debug)]
pub struct Timer<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Id,
    /// `Name`.
    pub name: Option<Text<'a>>,
    /// `Condition`.
    pub condition: Option<Text<'a>>,
    /// `Time`.
    pub time: Option<Text<'a>>,
    /// `Time@initial`.
    pub initial: Option<Text<'a>>,
    /// `@options`.
    pub options: Option<Text<'a>>,
    /// `Interval`.
    pub interval: Option<Text<'a>>,
    /// `Content/Group`, in order, with its `next`.
    pub groups: Vec<(Id, Option<Text<'a>>)>,
}

/// `QAction`.
#[derive(Debug)]
pub struct Script<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Option<Id>,
    /// `@name`.
    pub name: Option<Text<'a>>,
    /// `@encoding`.
    pub encoding: Option<Text<'a>>,
    /// `@triggers`: numbers between semicolons.
    pub triggers: Option<Text<'a>>,
    /// `@inputParameters`: numbers between semicolons.
    pub inputs: Option<Text<'a>>,
    /// `@options`; with `group` its triggers are groups.
    pub options: Option<Text<'a>>,
    /// `@row`.
    pub row: Option<Text<'a>>,
    /// `@entryPoint`: names between semicolons.
    pub entries: Option<Text<'a>>,
    /// `@include`: files between semicolons.
    pub include: Option<Text<'a>>,
    /// `@bs:src`.
    pub src: Option<Text<'a>>,
    /// `Condition`.
    pub condition: Option<Text<'a>>,
    /// The body; none if there is nothing but blanks.
    pub body: Option<Text<'a>>,
    /// Where all of the body stands.
    pub places: Places,
}
