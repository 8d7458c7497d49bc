//! What a peer has seen, bounded in number and in bytes, and how it differs from what is expected; waits for nothing.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::Order;
use crate::scenario::expect::{self, Content};
use crate::scenario::file::Head;

/// What of the past is kept for the steps of a test.
const MAX_ENTRIES: usize = 10_000;

/// How much memory it may take, about; the last entry is kept in any case.
const MAX_BYTES: usize = 64 << 20;

/// How much of what no rule fitted is kept.
const MAX_UNMATCHED: usize = 20;

/// How many problems are kept: one is enough to fail a test, and a loop must not fill the memory.
const MAX_PROBLEMS: usize = 20;

/// What a peer has seen of one thing.
#[derive(Clone, Debug)]
pub enum Entry {
    /// An opening handshake: path and query, headers by name in lower case.
    Handshake(String, BTreeMap<String, Vec<String>>),
    /// A message.
    Message(Content),
    /// A request of an HTTP session: method, path and query, headers, body.
    Request(String, String, BTreeMap<String, Vec<String>>, Content),
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Opening handshakes.
    pub handshakes: u64,
    /// Messages.
    pub messages: u64,
    /// Requests of HTTP sessions.
    pub requests: u64,
    /// Links open now, without those that are half open.
    pub links: u64,
    /// Links that are half open now.
    pub half_open: u64,
}

impl Totals {
    /// How many links an order reaches: a half-open one can only be dropped.
    pub fn reached(&self, order: &Order) -> u64 {
        match order {
            Order::Drop => self.links + self.half_open,
            Order::Send(_) | Order::Close(_) | Order::Fault(_) => self.links,
        }
    }
}

/// What a peer has seen, and what went wrong with its own rules.
#[derive(Debug, Default)]
pub struct Log {
    /// The last entries, each with its number.
    pub entries: VecDeque<(u64, Entry)>,
    /// Counts since the start.
    pub totals: Totals,
    /// The last things that the scenario or a client got wrong, such as a template that cannot be filled in; each with its
    /// number from 0.
    pub problems: VecDeque<(u64, String)>,
    /// The last things that no rule fitted, where there are rules for such things, and which rule was nearest.
    pub unmatched: Repeats<MAX_UNMATCHED>,
    next: u64,
    /// About how much memory the entries take.
    bytes: usize,
}

impl Log {
    pub(super) fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Handshake(..) => self.totals.handshakes += 1,
            Entry::Message(_) => self.totals.messages += 1,
            Entry::Request(..) => self.totals.requests += 1,
        }
        self.bytes += entry.weight();
        self.entries.push_back((self.next, entry));
        self.next += 1;
        while self.entries.len() > MAX_ENTRIES || (self.bytes > MAX_BYTES && self.entries.len() > 1) {
            let Some((_, oldest)) = self.entries.pop_front() else { break };
            self.bytes -= oldest.weight();
        }
    }

    pub(super) fn add_problem(&mut self, problem: String) {
        let number = self.problems.back().map_or(0, |(last, _)| last + 1);
        if self.problems.len() >= MAX_PROBLEMS {
            self.problems.pop_front();
        }
        self.problems.push_back((number, problem));
    }
}

/// The last lines that were told, each once and with how often it was told; at most so many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repeats<const MOST: usize>(VecDeque<(String, u64)>);

impl<const MOST: usize> Repeats<MOST> {
    /// Tells a line, perhaps once more.
    pub fn add(&mut self, line: String) {
        let known = self.0.iter().position(|(known, _)| *known == line);
        let before = known.and_then(|place| self.0.remove(place)).map_or(0, |(_, count)| count);
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((line, before + 1));
    }

    /// The last ones, at most so many, each with how often it was told where that is more than once.
    pub fn last(&self, most: usize) -> impl Iterator<Item = String> {
        self.0.iter().skip(self.0.len().saturating_sub(most)).map(|(line, count)| match count {
            1 => line.clone(),
            count => format!("{line} ({count} times)"),
        })
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Handshake(path, _) => write!(f, "a handshake for {}", expect::cut(path)),
            Self::Message(content) => write!(f, "the message {content}"),
            Self::Request(method, path, _, content) if content.text.is_empty() => {
                write!(f, "{method} {}", expect::cut(path))
            }
            Self::Request(method, path, _, content) => {
                write!(f, "{method} {} with {content}", expect::cut(path))
            }
        }
    }
}

impl Entry {
    /// About how much memory it takes.
    fn weight(&self) -> usize {
        let of = |headers: &BTreeMap<String, Vec<String>>| -> usize {
            headers
                .iter()
                .map(|(name, values)| {
                    64 + name.len() + values.iter().map(|value| 24 + value.len()).sum::<usize>()
                })
                .sum()
        };
        size_of::<Self>()
            + match self {
                Self::Handshake(path, headers) => path.len() + of(headers),
                Self::Message(content) => content.weight(),
                Self::Request(method, path, headers, content) => {
                    method.len() + path.len() + of(headers) + content.weight()
                }
            }
    }

    /// How it differs from an opening handshake that is expected; none if it is none.
    pub fn against_handshake(&self, expected: &Head) -> Option<Result<(), expect::Difference>> {
        match self {
            Self::Handshake(path, headers) => Some(expect::head(expected, "GET", path, headers)),
            Self::Message(_) | Self::Request(..) => None,
        }
    }

    /// How it differs from a message that is expected; none if it is none.
    pub fn against_message(&self, expected: &Value) -> Option<Result<(), expect::Difference>> {
        match self {
            Self::Message(content) => Some(expect::content(expected, content)),
            Self::Handshake(..) | Self::Request(..) => None,
        }
    }

    /// How it differs from a request that is expected; none if it is none.
    pub fn against_request(
        &self,
        expected: &Head,
        body: Option<&Value>,
    ) -> Option<Result<(), expect::Difference>> {
        match self {
            Self::Request(method, path, headers, content) => Some(
                expect::head(expected, method, path, headers)
                    .and_then(|()| body.map_or(Ok(()), |body| expect::content(body, content))),
            ),
            Self::Handshake(..) | Self::Message(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_problems_and_of_what_repeats_itself_the_last_is_kept() {
        let mut log = Log::default();
        for number in 0..MAX_PROBLEMS + 5 {
            log.add_problem(format!("no {number}"));
        }
        assert_eq!((log.problems.len(), &log.problems[0]), (MAX_PROBLEMS, &(5, "no 5".to_owned())));
        let mut repeats = Repeats::<2>::default();
        for line in ["a", "b", "a", "c"] {
            repeats.add(line.to_owned());
        }
        assert_eq!(repeats.last(5).collect::<Vec<_>>(), ["a (2 times)", "c"]);
        assert_eq!(repeats.last(1).collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn what_a_peer_has_seen_is_bounded_in_number_and_in_bytes() {
        let entry = |bytes: usize| Entry::Message(Content::new("x".repeat(bytes).as_bytes()));
        let mut log = Log::default();
        for _ in 0..MAX_ENTRIES + 10 {
            log.add(entry(1));
        }
        assert_eq!(
            (log.entries.len(), log.entries.front().map(|(number, _)| *number)),
            (MAX_ENTRIES, Some(10))
        );
        for _ in 0..10 {
            log.add(entry(MAX_BYTES / 4));
        }
        assert_eq!(log.entries.len(), 3);
        assert!(log.bytes <= MAX_BYTES, "{}", log.bytes);
        assert_eq!(log.bytes, log.entries.iter().map(|(_, entry)| entry.weight()).sum::<usize>());
        log.add(entry(2 * MAX_BYTES));
        assert_eq!((log.entries.len(), log.totals.messages), (1, 10_021));
        log.add(entry(1));
        assert_eq!(log.entries.len(), 1);
    }
}
