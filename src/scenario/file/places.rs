//! Where things stand in a scenario's text: a way of names and indexes leads to a place; judges nothing.

use toml::de::{DeTable, DeValue};

use super::Problem;
use crate::language::source::{Source, Span};

/// One part of the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::scenario) enum Part {
    Name(String),
    Index(usize),
}

impl From<&str> for Part {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

/// Something is wrong with the value that a way leads to.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Wrong {
    way: Vec<Part>,
    /// The line, where it is known better than by the way.
    line: Option<usize>,
    message: String,
}

impl Wrong {
    /// The value of a key, or of a key of it and so on.
    pub(in crate::scenario) fn at(names: &[&str], message: impl Into<String>) -> Self {
        let way = names.iter().map(|name| Part::from(*name)).collect();
        Self { way, line: None, message: message.into() }
    }

    /// The whole line.
    pub(super) fn in_line(line: Option<usize>, message: String) -> Self {
        Self { way: Vec::new(), line, message }
    }

    /// The same, seen from further out.
    pub(in crate::scenario) fn below(mut self, outer: &[Part]) -> Self {
        self.way.splice(0..0, outer.iter().cloned());
        self
    }
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self::at(&[], message)
    }
}

impl From<&str> for Wrong {
    fn from(message: &str) -> Self {
        Self::at(&[], message)
    }
}

/// The places of a text.
pub(super) struct Places<'a> {
    source: &'a Source,
    /// None if the text is no TOML.
    table: Option<toml::Spanned<DeTable<'a>>>,
}

impl<'a> Places<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, table: DeTable::parse(source.text()).ok() }
    }

    /// The text and its name.
    pub(super) fn source(&self) -> &Source {
        self.source
    }

    /// The table of a name at the top.
    pub(super) fn table(&self, name: &str) -> Option<&DeTable<'a>> {
        self.table.as_ref()?.get_ref().get(name)?.get_ref().as_table()
    }

    /// Where a value stands, or the last one on the way to it.
    fn span(&self, way: &[Part]) -> Option<Span> {
        let mut table = Some(self.table.as_ref()?.get_ref());
        let mut array = None;
        let mut span = None;
        for part in way {
            let next = match part {
                Part::Name(name) => table.and_then(|table| table.get(name.as_str())),
                // Where one stands for a list of one.
                Part::Index(0) if array.is_none() => continue,
                Part::Index(index) => array.and_then(|array: &toml::de::DeArray<'_>| array.get(*index)),
            };
            let Some(next) = next else { break };
            span = Some(Span::new(next.span().start, next.span().end));
            table = next.get_ref().as_table();
            array = match next.get_ref() {
                DeValue::Array(array) => Some(array),
                _ => None,
            };
        }
        span
    }

    /// The line of a value, from 1.
    pub(super) fn line(&self, way: &[Part]) -> Option<usize> {
        Some(self.source.position(self.span(way)?.start).line as usize)
    }

    /// What is wrong, with its place.
    pub(super) fn problem(&self, wrong: Wrong) -> Problem {
        match wrong.line {
            Some(line) => Problem { line: Some(line), column: None, message: wrong.message },
            None => {
                problem(self.source, self.span(&wrong.way).map(|span| span.start as usize), wrong.message)
            }
        }
    }
}

/// A problem at an offset; without one it is about the whole file.
pub(super) fn problem(source: &Source, offset: Option<usize>, message: String) -> Problem {
    let position = offset.map(|offset| source.position(Span::new(offset, offset).start));
    Problem {
        line: position.map(|position| position.line as usize),
        column: position.map(|position| position.column as usize),
        message,
    }
}
