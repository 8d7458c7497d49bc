//! Validates a JSON text once and finds the values of singular paths in it; builds no tree, never recurses.
//!
//! The text is checked as a whole (RFC 8259): strings, numbers, literals, commas, what comes after the value. Nesting is
//! limited to [`MAX_DEPTH`] as in `serde_json`, which evaluates general paths, so that both see the same messages. Of members
//! with the same name the last counts, as it does there.
//!
//! While it checks, the scanner notes each value on a *tape*: where it begins and ends and which note follows it. A path is
//! then a walk over notes. A text with more than [`MAX_NOTES`] values gets no tape; its paths walk over the text itself, so that
//! a hostile message of 16 MiB costs 4 MiB of notes at most.

mod each;
mod scan;

use std::borrow::Cow;

use crate::engine::codec::json::scan::Scanner;
use crate::language::model::message::Segment;

use each::spot_of;
pub(super) use each::{Spot, Step};

/// How deep arrays and objects may nest.
pub(super) const MAX_DEPTH: usize = 128;

/// How many values are noted, 16 bytes each.
const MAX_NOTES: usize = 1 << 18;

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON: {what} at byte {at}")]
pub struct JsonError {
    /// What is wrong.
    pub what: &'static str,
    /// Where, counted from 0.
    pub at: usize,
}

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Number,
    Text,
    /// A text with at least one escape.
    EscapedText,
    Array,
    Object,
}

/// A value in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    start: u32,
    /// After the value's last byte.
    end: u32,
    /// The note after this value and all that is in it.
    next: u32,
    kind: Kind,
}

/// A value that was found: its kind and its literal in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) kind: Kind,
    pub(super) literal: &'a str,
}

impl<'a> Found<'a> {
    /// How many elements or members it has; one for a scalar.
    pub(super) fn count(&self) -> usize {
        let text = self.literal.as_bytes();
        let mut scanner = Scanner::new(text);
        match (self.kind, spot_of(&mut scanner)) {
            (Kind::Array | Kind::Object, Some(spot)) => {
                let mut count = 0;
                let _all = each::scan_children(text, spot, self.kind == Kind::Object, &mut |_, _| {
                    count += 1;
                    std::ops::ControlFlow::Continue(())
                });
                count
            }
            (_, _) => 1,
        }
    }

    /// The text of a value: a string without quotes and escapes, anything else as it is written.
    pub(super) fn text(&self) -> Cow<'a, str> {
        match self.kind {
            Kind::Text => Cow::Borrowed(inside(self.literal)),
            Kind::EscapedText => Cow::Owned(unescape(inside(self.literal))),
            Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::Array | Kind::Object => {
                Cow::Borrowed(self.literal)
            }
        }
    }
}

/// A text that was found to be JSON.
#[derive(Debug)]
pub(super) struct Tape {
    /// Empty if there are too many values; then paths walk over the text.
    notes: Vec<Note>,
    /// How many values and names there are.
    pub(super) values: usize,
    /// How deep arrays and objects are nested.
    pub(super) depth: usize,
}

impl Tape {
    /// Checks a text.
    pub(super) fn new(text: &str) -> Result<Self, JsonError> {
        if u32::try_from(text.len()).is_err() {
            return Err(JsonError { what: "a message over 4 GiB", at: 0 });
        }
        // About one value or name in eight bytes is common in short messages; a little too much costs less than growing.
        let notes = Vec::with_capacity((text.len() / 6).clamp(16, 256));
        let mut scanner = Scanner { notes, is_noting: true, ..Scanner::new(text.as_bytes()) };
        scanner.document()?;
        let (values, depth) = (scanner.values, scanner.deepest);
        Ok(Self { notes: if scanner.is_noting { scanner.notes } else { Vec::new() }, values, depth })
    }

    /// The value at a singular path of the text that the tape was made of.
    ///
    /// Takes bytes, and looks only at a found literal as text: to look at all of it for each path costs more than the path.
    pub(super) fn find<'a>(&self, text: &'a [u8], path: &[Segment]) -> Option<Found<'a>> {
        if self.notes.is_empty() {
            return walk(text, path);
        }
        let mut at = 0;
        for segment in path {
            at = match segment {
                Segment::Name(name) => self.member(text, at, name)?,
                Segment::Index(index) => self.element(at, *index)?,
                // A path with wildcards is walked by `each`.
                Segment::All => return None,
            };
        }
        let note = self.notes.get(at)?;
        let literal = text.get(note.start as usize..note.end as usize)?;
        Some(Found { kind: note.kind, literal: std::str::from_utf8(literal).ok()? })
    }

    /// The last member of an object with a name.
    fn member(&self, text: &[u8], object: usize, name: &str) -> Option<usize> {
        let note = self.notes.get(object).filter(|note| note.kind == Kind::Object)?;
        let (mut at, end, mut found) = (object + 1, note.next as usize, None);
        while at < end {
            let key = self.notes.get(at)?;
            let value = self.notes.get(at + 1)?;
            if is_name(text.get(key.start as usize..key.end as usize)?, key.kind, name) {
                found = Some(at + 1);
            }
            at = value.next as usize;
        }
        found
    }

    /// An element of an array; a negative index counts from the end.
    fn element(&self, array: usize, index: i64) -> Option<usize> {
        let note = self.notes.get(array).filter(|note| note.kind == Kind::Array)?;
        let end = note.next as usize;
        let elements = || {
            std::iter::successors(Some(array + 1), |at| Some(self.notes.get(*at)?.next as usize))
                .take_while(move |at| *at < end)
        };
        elements().nth(position(index, || elements().count())?)
    }
}

/// The position that an index means; `None` before the first element.
fn position(index: i64, len: impl FnOnce() -> usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// Whether the literal of a member's name means a name.
fn is_name(literal: &[u8], kind: Kind, name: &str) -> bool {
    match kind {
        Kind::EscapedText => {
            std::str::from_utf8(literal).is_ok_and(|literal| unescape(inside(literal)) == name)
        }
        Kind::Text => literal.get(1..literal.len().saturating_sub(1)) == Some(name.as_bytes()),
        Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::Array | Kind::Object => false,
    }
}

/// A string literal without its quotes.
fn inside(literal: &str) -> &str {
    literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default()
}

/// The text of a checked string literal's inside; half a surrogate pair becomes the replacement character.
fn unescape(inside: &str) -> String {
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut after = escape.chars();
        match after.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let (decoded, used) = code_point(after.as_str());
                text.push(decoded);
                rest = after.as_str().get(used..).unwrap_or_default();
                continue;
            }
            Some(other) => text.push(other),
            None => {}
        }
        rest = after.as_str();
    }
    text.push_str(rest);
    text
}

/// The character of what follows `\u`, and how many bytes of it were used.
fn code_point(after: &str) -> (char, usize) {
    let hex = |text: Option<&str>| text.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = hex(after.get(..4)) else { return (char::REPLACEMENT_CHARACTER, 0) };
    if let Some(decoded) = char::from_u32(first) {
        return (decoded, 4);
    }
    let second = after.get(4..6).filter(|between| *between == "\\u").and_then(|_| hex(after.get(6..10)));
    match second {
        Some(second) if (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&second) => {
            let decoded = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            (char::from_u32(decoded).unwrap_or(char::REPLACEMENT_CHARACTER), 10)
        }
        Some(_) | None => (char::REPLACEMENT_CHARACTER, 4),
    }
}

/// Goes to a path over a text that was checked but has no tape.
fn walk<'a>(text: &'a [u8], path: &[Segment]) -> Option<Found<'a>> {
    let mut scanner = Scanner::new(text);
    for segment in path {
        scanner.blanks();
        match segment {
            Segment::Name(name) => scanner.go_to_member(name)?,
            Segment::Index(index) => scanner.go_to_element(*index)?,
            Segment::All => return None,
        }
    }
    scanner.blanks();
    let start = scanner.at;
    let kind = scanner.value().ok()?;
    Some(Found { kind, literal: std::str::from_utf8(text.get(start..scanner.at)?).ok()? })
}

/// A position as a note has it: `Tape::new` has looked at the length, and there are fewer notes than bytes.
fn narrow(wide: usize) -> u32 {
    u32::try_from(wide).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
