//! What a message did, as it is printed for people and as JSON; works nothing out.

use std::sync::Arc;

use serde::Serialize;

use crate::api::wire::{Reading, Value};

/// Something of the definition with its number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Named {
    pub(super) id: i32,
    #[serde(skip_serializing_if = "is_empty")]
    pub(super) name: Arc<str>,
}

fn is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

/// What a message, the answer to a request, or a set did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    /// `message`, `answer` or `set`.
    pub(super) kind: &'static str,
    /// Which one, from 1.
    pub(super) number: usize,
    /// The file, with the line where each line is a message; of a set what is set.
    pub(super) source: String,
    /// None of a set.
    #[serde(flatten)]
    pub(super) came: Option<Came>,
    /// Of an answer: what it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answers: Option<Answers>,
    /// The response that took a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<Named>,
    /// `whole`, `part` (it begins like the response and then differs), `none`, or `ignored` (`bs:Ignore`).
    pub(super) taken: &'static str,
    /// Why it was not taken as a whole, the nearest response first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) why: Vec<Why>,
    /// The parameters that the message sets, and all others that changed.
    pub(super) params: Vec<Set>,
    /// The tables that changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tables: Vec<Table>,
    /// Values that could not be worked out.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) unreadable: u32,
    /// What followed, in order.
    pub(super) then: Vec<Then>,
    /// How many more steps followed.
    #[serde(skip_serializing_if = "is_none")]
    pub(super) left_out: u64,
    /// Groups that wait for an answer, for a link, or for time to pass.
    pub(super) waiting: usize,
    /// What is to be answered: pairs and HTTP sessions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) awaits: Vec<String>,
}

/// How a message or an answer came.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Came {
    pub(super) connection: u32,
    /// `text`, `binary`, or `body` of an answer.
    #[serde(rename = "type")]
    pub(super) form: &'static str,
    pub(super) size: usize,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

/// What an answer answers, and what it means for that.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answers {
    pub(super) session: Named,
    /// Which request of it, from 1.
    pub(super) exchange: usize,
    pub(super) status_line: String,
    /// In words.
    pub(super) meaning: &'static str,
}

/// Why a response did not take a message.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Why {
    /// None for an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<Named>,
    pub(super) why: String,
}

/// A parameter that the message sets, or that changed because of it.
#[derive(Debug, Serialize)]
pub(super) struct Set {
    /// How it reads now.
    #[serde(flatten)]
    pub(super) reading: Reading,
    #[serde(skip_serializing_if = "is_empty")]
    pub(super) units: Arc<str>,
    /// How it read before.
    pub(super) before: Value,
    /// `changed`, `same`, `rejected`, `nothing` (the message has no value for it).
    pub(super) what: What,
    /// Where in the message its value is; none if it changed by what followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// The value that it did not take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rejected: Option<Value>,
    /// Why it did not take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// How it read before, for people.
    #[serde(skip)]
    pub(super) was: String,
}

/// What became of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum What {
    Changed,
    Same,
    Rejected,
    Nothing,
}

/// What became of a table.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    #[serde(flatten)]
    pub(super) named: Named,
    pub(super) columns: Vec<Named>,
    /// How many rows it has now.
    pub(super) rows: usize,
    pub(super) added: Vec<Vec<Value>>,
    pub(super) changed: Vec<RowChange>,
    /// The keys of the rows that are gone.
    pub(super) removed: Vec<Arc<str>>,
}

/// A row with other cells than before.
#[derive(Debug, Serialize)]
pub(super) struct RowChange {
    pub(super) key: Arc<str>,
    pub(super) before: Vec<Value>,
    pub(super) cells: Vec<Value>,
}

/// Something that followed.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(super) enum Then {
    Trigger(Ran),
    Action(Ran),
    Group(Ran),
    Pair(Ran),
    Session(Ran),
    Script {
        #[serde(flatten)]
        ran: Ran,
        /// What brought its turn.
        after: After,
    },
    /// A script has set a parameter, or a cell.
    Set {
        script: Named,
        param: Named,
        #[serde(skip_serializing_if = "Option::is_none")]
        row: Option<Arc<str>>,
        value: Value,
    },
    /// A script has changed rows of a table.
    Rows {
        script: Named,
        table: Named,
        /// `added`, `set`, `deleted`, `filled` or `cleared`.
        edit: &'static str,
        /// How many rows; none if it is all of them.
        #[serde(skip_serializing_if = "Option::is_none")]
        count: Option<usize>,
        /// Their keys, as far as they are known.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<Arc<str>>,
    },
    Send {
        connection: u32,
        #[serde(rename = "type")]
        form: &'static str,
        size: usize,
        data: Value,
    },
    Request {
        connection: u32,
        session: Named,
        line: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// A request of a session whose condition does not hold.
    LeftOut {
        session: Named,
        exchange: usize,
        condition: Arc<str>,
    },
    /// A parameter is set of which the address or the handshake of a link is made.
    Move {
        connection: u32,
        param: Named,
        old: String,
        new: String,
    },
    Link {
        connection: u32,
        /// `opens`, `closes`, `opens anew` or `is dropped`.
        what: &'static str,
    },
    Timeout {
        active: bool,
    },
    ReadFile {
        name: Arc<str>,
        into: Named,
    },
    Report {
        severity: &'static str,
        text: String,
    },
    /// What follows happens so many milliseconds after the message.
    Later {
        after: u64,
    },
}

/// A part of the definition whose turn came.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Ran {
    #[serde(flatten)]
    pub(super) named: Named,
    /// `yes`, `else` or `no`.
    pub(super) ran: &'static str,
    /// The condition that does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<Arc<str>>,
}

/// What brought the turn of a script.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum After {
    Param(Named),
    Group(Named),
}

/// All messages together.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) kind: &'static str,
    pub(super) messages: usize,
    pub(super) not_taken: usize,
    pub(super) changed: usize,
    pub(super) rejected: usize,
    pub(super) rows: usize,
    pub(super) sent: usize,
    pub(super) errors: usize,
    /// What they are called.
    #[serde(skip)]
    pub(super) noun: &'static str,
}

impl Summary {
    /// Adds one.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        let count = |what: What| outcome.params.iter().filter(|set| set.what == what).count();
        (self.messages, self.noun) = (self.messages + 1, outcome.kind);
        self.not_taken += usize::from(!matches!(outcome.taken, "whole" | "ignored"));
        self.changed += count(What::Changed);
        self.rejected += count(What::Rejected) + usize::try_from(outcome.unreadable).unwrap_or(usize::MAX);
        let rows = outcome.tables.iter();
        self.rows +=
            rows.map(|table| table.added.len() + table.changed.len() + table.removed.len()).sum::<usize>();
        let sent = |then: &&Then| matches!(then, Then::Send { .. } | Then::Request { .. });
        self.sent += outcome.then.iter().filter(sent).count();
        let is_error = |then: &&Then| matches!(then, Then::Report { severity: "error", .. });
        self.errors += outcome.then.iter().filter(is_error).count();
    }

    /// Whether everything was taken and nothing was refused.
    pub(super) fn is_good(&self) -> bool {
        self.not_taken == 0 && self.rejected == 0 && self.errors == 0
    }
}
