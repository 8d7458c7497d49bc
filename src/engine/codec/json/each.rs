//! Walks over all values of a path with wildcards, in the order of the text; builds no list of them.

use std::ops::ControlFlow;

use crate::engine::codec::json::scan::Scanner;
use crate::engine::codec::json::{Found, Kind, Tape, is_name, position};
use crate::language::model::message::Segment;

/// A value of a checked text: where it stands, and its note if there is a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::codec) struct Spot {
    /// The number of its note; of no meaning without a tape.
    at: usize,
    start: usize,
    end: usize,
    pub(in crate::engine::codec) kind: Kind,
}

impl Spot {
    /// Where it begins, which is another place for each value.
    pub(in crate::engine::codec) fn start(self) -> usize {
        self.start
    }

    /// The value with its literal; `text` is the one that it was found in.
    pub(in crate::engine::codec) fn found(self, text: &[u8]) -> Option<Found<'_>> {
        let literal = text.get(self.start..self.end)?;
        Some(Found { kind: self.kind, literal: std::str::from_utf8(literal).ok()? })
    }
}

/// A value on the way to another one.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::codec) struct Step {
    /// The value.
    pub(in crate::engine::codec) spot: Spot,
    /// The name of the member that it is.
    pub(in crate::engine::codec) name: Option<Spot>,
}

/// Called with each value, and with what is around it from the root on; the last is the value itself.
pub(in crate::engine::codec) type Visit<'v> = &'v mut dyn FnMut(&[Step]) -> ControlFlow<()>;

/// Called with each member or element, and the name of a member.
type Child<'c> = &'c mut dyn FnMut(Option<Spot>, Spot) -> ControlFlow<()>;

impl Tape {
    /// The whole of the text.
    pub(in crate::engine::codec) fn root(&self, text: &[u8]) -> Option<Spot> {
        if self.notes.is_empty() {
            let mut scanner = Scanner::new(text);
            scanner.blanks();
            return spot_of(&mut scanner);
        }
        self.spot(0)
    }

    /// Whether values have notes; without them each look goes over the text.
    pub(in crate::engine::codec) fn has_notes(&self) -> bool {
        !self.notes.is_empty()
    }

    /// Walks over the values of a path that begins at a value; `trail` is the way to that one, itself included.
    pub(in crate::engine::codec) fn each(
        &self,
        text: &[u8],
        trail: &mut Vec<Step>,
        path: &[Segment],
        visit: Visit<'_>,
    ) -> ControlFlow<()> {
        let Some((segment, rest)) = path.split_first() else { return visit(trail) };
        let Some(here) = trail.last().map(|step| step.spot) else { return ControlFlow::Continue(()) };
        let go = |trail: &mut Vec<Step>, step: Step, visit: Visit<'_>| {
            trail.push(step);
            let flow = self.each(text, trail, rest, visit);
            trail.pop();
            flow
        };
        match segment {
            Segment::All => {
                self.children(text, here, &mut |name, spot| go(trail, Step { spot, name }, visit))
            }
            Segment::Name(name) => match self.named(text, here, name) {
                Some((key, spot)) => go(trail, Step { spot, name: Some(key) }, visit),
                None => ControlFlow::Continue(()),
            },
            Segment::Index(index) => match self.at(text, here, *index) {
                Some(spot) => go(trail, Step { spot, name: None }, visit),
                None => ControlFlow::Continue(()),
            },
        }
    }

    /// The value of a singular path that begins at a value with a note.
    pub(in crate::engine::codec) fn find_from<'a>(
        &self,
        text: &'a [u8],
        from: Spot,
        path: &[Segment],
    ) -> Option<Found<'a>> {
        let mut at = from.at;
        for segment in path {
            at = match segment {
                Segment::Name(name) => self.member(text, at, name)?,
                Segment::Index(index) => self.element(at, *index)?,
                Segment::All => return None,
            };
        }
        self.spot(at)?.found(text)
    }

    fn spot(&self, at: usize) -> Option<Spot> {
        let note = self.notes.get(at)?;
        Some(Spot { at, start: note.start as usize, end: note.end as usize, kind: note.kind })
    }

    /// Goes over the elements of an array, or the members of an object.
    pub(in crate::engine::codec) fn children(
        &self,
        text: &[u8],
        of: Spot,
        child: Child<'_>,
    ) -> ControlFlow<()> {
        let is_object = match of.kind {
            Kind::Object => true,
            Kind::Array => false,
            Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::Text | Kind::EscapedText => {
                return ControlFlow::Continue(());
            }
        };
        if self.notes.is_empty() {
            return scan_children(text, of, is_object, child).unwrap_or(ControlFlow::Continue(()));
        }
        let end = self.notes.get(of.at).map_or(0, |note| note.next as usize);
        let mut at = of.at + 1;
        while at < end {
            let name = if is_object { self.spot(at) } else { None };
            let value = if is_object { at + 1 } else { at };
            let Some(spot) = self.spot(value) else { break };
            child(name, spot)?;
            at = self.notes.get(value).map_or(end, |note| note.next as usize);
        }
        ControlFlow::Continue(())
    }

    /// The last member with a name, and that name.
    fn named(&self, text: &[u8], of: Spot, name: &str) -> Option<(Spot, Spot)> {
        if of.kind != Kind::Object {
            return None;
        }
        if !self.notes.is_empty() {
            let value = self.member(text, of.at, name)?;
            return Some((self.spot(value - 1)?, self.spot(value)?));
        }
        let mut found = None;
        let _all = self.children(text, of, &mut |key, spot| {
            let same = key.is_some_and(|key| {
                text.get(key.start..key.end).is_some_and(|literal| is_name(literal, key.kind, name))
            });
            if same {
                found = key.map(|key| (key, spot));
            }
            ControlFlow::Continue(())
        });
        found
    }

    /// An element of an array; a negative index counts from the end.
    fn at(&self, text: &[u8], of: Spot, index: i64) -> Option<Spot> {
        if of.kind != Kind::Array {
            return None;
        }
        if !self.notes.is_empty() {
            return self.spot(self.element(of.at, index)?);
        }
        let count = || {
            let mut count = 0;
            let _all = self.children(text, of, &mut |_, _| {
                count += 1;
                ControlFlow::Continue(())
            });
            count
        };
        let wanted = position(index, count)?;
        let (mut at, mut found) = (0, None);
        let _stopped = self.children(text, of, &mut |_, spot| {
            if at == wanted {
                found = Some(spot);
                return ControlFlow::Break(());
            }
            at += 1;
            ControlFlow::Continue(())
        });
        found
    }
}

/// The value at which a scanner stands, which goes behind it.
pub(super) fn spot_of(scanner: &mut Scanner<'_>) -> Option<Spot> {
    let start = scanner.at;
    let kind = scanner.value().ok()?;
    Some(Spot { at: 0, start, end: scanner.at, kind })
}

/// Goes over what is in a container by its text, which was checked.
pub(super) fn scan_children(
    text: &[u8],
    of: Spot,
    is_object: bool,
    child: Child<'_>,
) -> Option<ControlFlow<()>> {
    let mut scanner = Scanner::new(text.get(..of.end)?);
    scanner.at = of.start + 1;
    scanner.blanks();
    if scanner.is_closed_at_once(is_object) {
        return None;
    }
    loop {
        let name = if is_object {
            let start = scanner.at;
            let kind = scanner.string().ok()?;
            let name = Spot { at: 0, start, end: scanner.at, kind };
            scanner.blanks();
            // The colon, which was checked.
            scanner.at += 1;
            scanner.blanks();
            Some(name)
        } else {
            None
        };
        let value = spot_of(&mut scanner)?;
        if child(name, value).is_break() {
            return Some(ControlFlow::Break(()));
        }
        scanner.blanks();
        if scanner.peek() != Some(b',') {
            return None;
        }
        scanner.at += 1;
        scanner.blanks();
    }
}
