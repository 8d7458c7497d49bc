//! What the parts of the compile step share: ids to indices, references that lead nowhere, the report; compiles nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::language::definition::Id;
use crate::language::diagnostic::{Code, Diagnostic, Report};
use crate::language::model::NameEntry;
use crate::language::model::id::{
    ActionIx, CommandIx, ConnectionIx, GroupIx, PairIx, ParamIx, ResponseIx, SessionIx, TableIx, TimerIx,
    TriggerIx,
};
use crate::language::model::param::{ParamKind, Table, ValueType};
use crate::language::source::{Span, Spanned};

/// How many further places a message about a dangling reference names.
const MAX_RELATED: usize = 3;

/// Who refers to something, for messages: a kind of item and its id.
#[derive(Clone, Copy, Debug)]
pub(super) struct User(pub(super) &'static str, pub(super) i32);

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

/// The author's ids of one kind of item.
#[derive(Debug)]
pub(super) struct Index<Ix> {
    what: &'static str,
    by_id: HashMap<i32, Ix>,
    // Invariant: sorted by id.
    items: Vec<(i32, Span)>,
    // The ids of items that could not be read, and how many have an id that could not be read either: a reference that leads
    // nowhere may mean one of them, which has been reported.
    lost: HashSet<i32>,
    nameless: usize,
    dangling: BTreeMap<i32, Vec<(Span, String)>>,
}

impl<Ix: Copy> Index<Ix> {
    /// Sorts items by id, reports those whose id is taken, and leaves the first of each in the list.
    pub(super) fn build<T>(
        what: &'static str,
        items: &mut Vec<T>,
        key: impl Fn(&T) -> (Id, Span),
        make: impl Fn(usize) -> Option<Ix>,
        report: &mut Report,
    ) -> Self {
        items.sort_by_key(|item| key(item).0.value);
        let mut kept: Vec<(i32, Span)> = Vec::with_capacity(items.len());
        items.retain(|item| {
            let (id, span) = key(item);
            match kept.last() {
                Some((last, first)) if *last == id.value => {
                    let message = format!("{what} {} is defined twice", id.value);
                    report.push(
                        Diagnostic::new(Code::DoubledId, span, message)
                            .with_related(*first, "first defined here")
                            .with_help(format!("give this {what} an id that no other has")),
                    );
                    false
                }
                Some(_) | None => {
                    kept.push((id.value, span));
                    true
                }
            }
        });
        let mut by_id = HashMap::with_capacity(kept.len());
        by_id.extend(kept.iter().enumerate().filter_map(|(at, (id, _))| Some((*id, make(at)?))));
        Self { what, by_id, items: kept, lost: HashSet::new(), nameless: 0, dangling: BTreeMap::new() }
    }

    /// Says that an item of the kind could not be read; `id` is its id, if that could.
    pub(super) fn lost(&mut self, id: Option<i32>) {
        match id {
            Some(id) => _ = self.lost.insert(id),
            None => self.nameless += 1,
        }
    }

    /// Leaves items that nobody wrote out of what messages offer as the nearest.
    pub(super) fn hide(&mut self, ids: &HashSet<i32>) {
        self.items.retain(|(id, _)| !ids.contains(id));
    }

    /// The index of an id, without a report.
    pub(super) fn get(&self, id: i32) -> Option<Ix> {
        self.by_id.get(&id).copied()
    }

    /// The index of an id; notes a reference that leads nowhere.
    pub(super) fn resolve(&mut self, id: Id, user: User) -> Option<Ix> {
        let found = self.get(id.value);
        if found.is_none() {
            self.missing(id, user);
        }
        found
    }

    /// Notes a reference that leads nowhere.
    pub(super) fn missing(&mut self, id: Id, user: User) {
        if !self.lost.contains(&id.value) {
            self.dangling.entry(id.value).or_default().push((id.span, user.to_string()));
        }
    }

    /// One report an id that is referred to and not there.
    pub(super) fn report_dangling(&mut self, report: &mut Report) {
        let dangling = std::mem::take(&mut self.dangling);
        // As many as there are items without an id: each of these may be the one that is meant.
        if dangling.len() <= self.nameless {
            return;
        }
        for (id, mut uses) in dangling {
            uses.sort();
            let Some((span, user)) = uses.first() else { continue };
            let what = self.what;
            let message = format!("{user} refers to {what} {id}, which is not defined");
            let mut diagnostic = Diagnostic::new(Code::DanglingReference, *span, message);
            for (span, user) in uses.iter().skip(1).take(MAX_RELATED) {
                diagnostic = diagnostic.with_related(*span, format!("{user} refers to it too"));
            }
            if let Some((near, place)) = self.nearest(id) {
                diagnostic = diagnostic.with_related(*place, format!("the nearest {what} is {near}"));
            }
            report.push(diagnostic.with_help(format!(
                "define {what} {id}, or correct the number; until then the reference does nothing"
            )));
        }
    }

    /// The defined id that differs least.
    fn nearest(&self, id: i32) -> Option<&(i32, Span)> {
        let at = self.items.partition_point(|(known, _)| *known < id);
        let candidates = [at.checked_sub(1).and_then(|at| self.items.get(at)), self.items.get(at)];
        candidates.into_iter().flatten().min_by_key(|(known, _)| i64::from(*known).abs_diff(i64::from(id)))
    }
}

/// What other items need to know of a parameter before it is compiled.
#[derive(Debug)]
pub(super) struct ParamFacts {
    /// Its id.
    pub(super) id: i32,
    /// Its name as written; empty if it has none.
    pub(super) name: Arc<str>,
    /// Its kind.
    pub(super) kind: ParamKind,
    /// How its value is held.
    pub(super) value_type: ValueType,
    /// Whether it has a default, a constant value, or survives a restart.
    pub(super) has_value: bool,
    /// Whether it has discreet values.
    pub(super) has_discreets: bool,
    /// What it is when nothing else has set it.
    pub(super) default: Option<Spanned<Arc<str>>>,
    /// Its start tag.
    pub(super) span: Span,
}

/// What the parts of the compile step share.
#[derive(Debug)]
pub(super) struct Scope {
    /// Problems found so far.
    pub(super) report: Report,
    /// Parameters by id.
    pub(super) params: Index<ParamIx>,
    /// Commands by id.
    pub(super) commands: Index<CommandIx>,
    /// Responses by id.
    pub(super) responses: Index<ResponseIx>,
    /// Pairs by id.
    pub(super) pairs: Index<PairIx>,
    /// HTTP sessions by id.
    pub(super) sessions: Index<SessionIx>,
    /// Groups by id.
    pub(super) groups: Index<GroupIx>,
    /// Triggers by id.
    pub(super) triggers: Index<TriggerIx>,
    /// Actions by id.
    pub(super) actions: Index<ActionIx>,
    /// Timers by id.
    pub(super) timers: Index<TimerIx>,
    /// Facts of each parameter, by index.
    pub(super) facts: Vec<ParamFacts>,
    /// Parameters by name in lower case.
    pub(super) names: HashMap<Arc<str>, NameEntry>,
    /// The bytes of constant parameters.
    pub(super) constants: HashMap<ParamIx, Bytes>,
    /// Parameters that are masked in every output.
    pub(super) secrets: HashSet<ParamIx>,
    /// The tables, once they are compiled.
    pub(super) tables: Vec<Table>,
    /// Parameters that something of the definition sets.
    pub(super) written: Vec<ParamIx>,
    /// How many connections there are; at least one.
    pub(super) connections: usize,
    /// How many more names may be searched for the one that was meant: each search looks at all of them.
    pub(super) searches_left: u32,
    /// How many more regular expressions may be compiled: each can take a millisecond.
    pub(super) patterns_left: u32,
}

/// How many names of a definition are searched for the one that was meant.
pub(super) const MAX_SEARCHES: u32 = 100;

/// How many regular expressions a definition may have.
pub(super) const MAX_PATTERNS: u32 = 2_000;

/// What a parameter is used for, so that its kind can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Its value is read: a table has none.
    Source,
    /// It receives a value: a table and a constant cannot.
    Sink,
    /// It receives a number.
    NumberSink,
}

impl Scope {
    /// Adds a problem.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.report.push(diagnostic);
    }

    /// Adds a problem without more than its message.
    pub(super) fn say(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.report.push(Diagnostic::new(code, span, message));
    }

    /// What is known of a parameter.
    pub(super) fn fact(&self, ix: ParamIx) -> Option<&ParamFacts> {
        self.facts.get(ix.index())
    }

    /// A parameter for any use.
    pub(super) fn param(&mut self, id: Id, user: User) -> Option<ParamIx> {
        self.params.resolve(id, user)
    }

    /// A parameter for a use; `None` with a report if its kind does not fit.
    pub(super) fn param_for(&mut self, id: Id, user: User, purpose: Use) -> Option<ParamIx> {
        let ix = self.params.resolve(id, user)?;
        let fact = self.fact(ix)?;
        let (place, kind, value_type) = (fact.span, fact.kind, fact.value_type);
        let constant = matches!(kind, ParamKind::Fixed | ParamKind::Header | ParamKind::Trailer);
        let wrong = match purpose {
            Use::Source => {
                (kind == ParamKind::Array).then_some("which is a table and has no value of its own")
            }
            Use::Sink | Use::NumberSink if kind == ParamKind::Array => {
                Some("which is a table and cannot take it")
            }
            Use::Sink | Use::NumberSink if constant => Some("which is constant and cannot take it"),
            Use::NumberSink if value_type == ValueType::String => {
                self.push(
                    Diagnostic::new(
                        Code::TypeMismatch,
                        id.span,
                        format!("{user} puts a number into parameter {}, which holds text", id.value),
                    )
                    .with_related(place, "defined here")
                    .with_help("give the parameter `<Interprete><Type>double</Type></Interprete>`"),
                );
                None
            }
            Use::Sink | Use::NumberSink => None,
        };
        if let Some(why) = wrong {
            self.push(
                Diagnostic::new(
                    Code::TypeMismatch,
                    id.span,
                    format!("{user} uses parameter {}, {why}", id.value),
                )
                .with_related(place, "defined here"),
            );
            return None;
        }
        if purpose != Use::Source {
            self.written.push(ix);
        }
        Some(ix)
    }

    /// The table that an array parameter is.
    pub(super) fn table_at(&self, param: ParamIx) -> Option<TableIx> {
        self.tables.iter().position(|table| table.param == param).and_then(TableIx::new)
    }

    /// The id of the table that a parameter is a column of.
    pub(super) fn table_of(&self, param: ParamIx) -> Option<i32> {
        let has = |table: &&Table| table.columns.iter().any(|column| column.param == param);
        self.fact(self.tables.iter().find(has)?.param).map(|fact| fact.id)
    }

    /// A connection by its index.
    pub(super) fn connection(&mut self, number: Id, user: User) -> Option<ConnectionIx> {
        let index = usize::try_from(number.value).ok().filter(|index| *index < self.connections);
        if index.is_none() {
            let last = self.connections.saturating_sub(1);
            let known = if last == 0 { "only connection 0 is".into() } else { format!("0 to {last} are") };
            self.push(
                Diagnostic::new(
                    Code::DanglingReference,
                    number.span,
                    format!("{user} refers to connection {}, which is not defined", number.value),
                )
                .with_help(format!("connections are counted from 0, in file order; {known} defined")),
            );
        }
        ConnectionIx::new(index?)
    }

    /// Reports all references that lead nowhere.
    pub(super) fn report_dangling(&mut self) {
        let report = &mut self.report;
        self.params.report_dangling(report);
        self.commands.report_dangling(report);
        self.responses.report_dangling(report);
        self.pairs.report_dangling(report);
        self.sessions.report_dangling(report);
        self.groups.report_dangling(report);
        self.triggers.report_dangling(report);
        self.actions.report_dangling(report);
        self.timers.report_dangling(report);
    }
}
