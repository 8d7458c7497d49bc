//! Matches messages against responses and reads their values; sets nothing.

use std::ops::Range;

use bytes::Bytes;

use crate::engine::codec::layout::Layouts;
use crate::engine::codec::mapping::{Problem, Why};
use crate::engine::codec::message::{Head, Message};
use crate::engine::codec::{Gathered, Set, bits, checksum, command, raw};
use crate::engine::param::Params;
use crate::language::model::Protocol;
use crate::language::model::id::{ConnectionIx, ParamIx, ResponseIx};
use crate::language::model::message::{Ignore, MessageKind, Response};
use crate::language::model::param::{Checksum, Length, Param, ParamKind, ValueType};
use crate::value::Value;

/// How deep responses may stand in the fields of others.
const MAX_DEPTH: u8 = 8;

/// How well a message fits a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Not at all: nothing is to be set.
    None,
    /// It begins like the response and then differs: what `sets` says is to be set, but the response was not received.
    Partial,
    /// Wholly.
    Full,
}

/// What a response makes of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// How well it fits.
    pub fit: Fit,
    /// What is to be set.
    pub got: Gathered,
    /// Where each field stands in the message, by position, as far as it was read.
    pub fields: Vec<Range<usize>>,
}

impl Reading {
    fn none() -> Self {
        Self { fit: Fit::None, got: Gathered::default(), fields: Vec::new() }
    }
}

/// Whether the definition says that a message means nothing (`bs:Ignore`).
pub fn is_ignored(protocol: &Protocol, connection: ConnectionIx, message: &Message) -> bool {
    let here = |ignore: &&Ignore| ignore.connection.is_none_or(|only| only == connection);
    protocol.ignores.iter().filter(here).any(|ignore| message.fulfils(&ignore.matches))
}

/// Finds the response that takes a message: the first candidate that it fits wholly, else the first that it fits in part.
///
/// The candidates are those of a waiting pair and then [`Protocol::candidates`](crate::language::model::Protocol::candidates).
/// The message is checked and looked into once, however many candidates there are.
pub fn take(
    params: &Params,
    layouts: &Layouts,
    candidates: impl IntoIterator<Item = ResponseIx>,
    message: &Message,
) -> Option<(ResponseIx, Reading)> {
    let mut partial = None;
    for response in candidates {
        let reading = read(params, layouts, response, message);
        match reading.fit {
            Fit::Full => return Some((response, reading)),
            Fit::Partial => partial = partial.or(Some((response, reading))),
            Fit::None => {}
        }
    }
    partial
}

/// Reads one response; also the action `read` on a response.
///
/// - All of `bs:Match` must hold, constants (fixed, header, trailer) must stand where they belong, and a length parameter must
///   say the number of bytes of the fields that it counts (all that are no length parameters, unless it names them).
/// - Variable fields may be empty; an empty field of text is an empty text, of a number an empty value.
/// - A message that matched a constant and then has another wrong one fits in part, with the fields so far; one with a field
///   that cannot be delimited, with all variable fields empty. One that matched no constant does not fit at all.
/// - A response without fields and conditions takes every message; with `bs:Extract`, every JSON message.
/// - A group is followed by its bits, a parameter of type response by what the response that it names makes of its bytes.
pub fn read(params: &Params, layouts: &Layouts, response: ResponseIx, message: &Message) -> Reading {
    read_at(params, layouts, response, message, 0)
}

/// As [`read`], in a field of a field of so many others.
fn read_at(
    params: &Params,
    layouts: &Layouts,
    response: ResponseIx,
    message: &Message,
    depth: u8,
) -> Reading {
    let described = params.protocol().response(response);
    let fields = layouts.response(params.protocol(), response);
    if !is_taken(described, fields, message) {
        return Reading::none();
    }
    let mut reading = Cutter::new(params, layouts, fields, message, depth).read();
    if reading.fit == Fit::Full {
        let first = reading.got.sets.len();
        message.map(&described.mapping, params, &mut reading.got);
        split_sets(params, layouts, &mut reading, first, depth);
    }
    reading
}

/// Adds what the values from the `first` one are split into.
fn split_sets(params: &Params, layouts: &Layouts, reading: &mut Reading, first: usize, depth: u8) {
    for at in first..reading.got.sets.len() {
        let Some(set) = reading.got.sets.get(at).filter(|set| is_split(params.describe(set.param))) else {
            continue;
        };
        let (param, bytes) = (set.param, field_bytes(params, set.param, &set.value));
        split(params, layouts, param, &bytes, reading, depth);
    }
}

/// Whether the value of a parameter is split into those of others.
pub fn is_split(described: &Param) -> bool {
    described.kind == ParamKind::Group || described.response.is_some()
}

/// The bytes that a value would have in the field of its parameter; those of its text if it does not fit there.
fn field_bytes(params: &Params, param: ParamIx, value: &Value) -> Bytes {
    raw::encode(params.describe(param), params.length(param), value).unwrap_or_else(|_| value.to_bytes())
}

/// Values from elsewhere than the fields of a message, with what they are split into behind them.
pub fn with_parts(params: &Params, layouts: &Layouts, got: Gathered) -> Gathered {
    let mut reading = Reading { got, ..Reading::none() };
    split_sets(params, layouts, &mut reading, 0, 0);
    reading.got
}

/// What the value of a parameter is split into: the bits of a group, the fields of the response that a parameter of type
/// response names; nothing for all others.
///
/// [`read`] does this by itself with the fields of a message; it is for a value that was set.
pub fn parts(params: &Params, layouts: &Layouts, param: ParamIx) -> Vec<Set> {
    let mut reading = Reading::none();
    let bytes = field_bytes(params, param, params.get(param));
    split(params, layouts, param, &bytes, &mut reading, 0);
    reading.got.sets
}

/// Adds what the bytes of a field are split into.
fn split(
    params: &Params,
    layouts: &Layouts,
    param: ParamIx,
    bytes: &Bytes,
    reading: &mut Reading,
    depth: u8,
) {
    let described = params.describe(param);
    if described.kind == ParamKind::Group {
        reading.got.sets.extend(bits::read(params, param, bytes));
    }
    if let Some(response) = described.response.filter(|_| depth < MAX_DEPTH) {
        // What a field holds has no kind of its own; JSON is read from binary messages too.
        let message = Message::new(MessageKind::Binary, bytes.clone());
        let inner = read_at(params, layouts, response, &message, depth + 1);
        reading.got.add(inner.got);
    }
}

/// The action `crc` on a response: whether the checksum that was received is the one of the bytes received.
///
/// True if the response has no checksum parameter, or one of a kind that is [not run](checksum::is_run): there is nothing to
/// compare.
pub fn checksum_is_right(
    params: &Params,
    fields: &[ParamIx],
    reading: &Reading,
    message: &Message,
    how: &Checksum,
) -> bool {
    let position = fields.iter().position(|param| params.describe(*param).kind == ParamKind::Crc);
    let crc = position.and_then(|position| Some((position, *fields.get(position)?)));
    let Some((position, param)) = crc.filter(|_| checksum::is_run(how.kind)) else { return true };
    let received =
        reading.got.sets.iter().find(|set| set.param == param).and_then(|set| set.value.as_number());
    let expected = command::covered(message.payload(), &reading.fields, position, how)
        .and_then(|bytes| checksum::of(how, command::width(params, param), &bytes));
    #[expect(clippy::cast_precision_loss, reason = "checksums have at most four bytes in practice")]
    let expected = expected.map(|expected| expected as f64);
    expected.is_some() && expected == received
}

/// Where the fields of a response stop fitting a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stopped {
    /// The field, by position; one past the last if they all fit, but not the whole message.
    pub(super) position: usize,
    /// The byte, from 0.
    pub(super) at: usize,
    /// What must stand there, if the field is a constant.
    pub(super) constant: Option<Bytes>,
}

/// Where the fields of a response stop fitting a message; none if they fit, or if it has none.
pub(super) fn stopped(
    params: &Params,
    layouts: &Layouts,
    response: ResponseIx,
    message: &Message,
) -> Option<Stopped> {
    let fields = layouts.response(params.protocol(), response);
    let mut cutter = Cutter::new(params, layouts, fields, message, 0);
    if fields.is_empty() || cutter.cut_all().is_ok() {
        return None;
    }
    let position = cutter.out.fields.len();
    let constant = fields.get(position).and_then(|param| cutter.constant(*param));
    Some(Stopped { position, at: cutter.at, constant })
}

fn is_taken(described: &Response, fields: &[ParamIx], message: &Message) -> bool {
    let only_inside = fields.is_empty() && described.mapping.looks_inside();
    message.matches(&described.mapping, Head::default())
        && !(only_inside && message.format_error(&described.mapping.format).is_some())
}

/// Why reading stops.
enum Stop {
    /// A constant is not where it belongs, or something is left over.
    Mismatch,
    /// A field has no end.
    NoEnd,
}

/// Cuts a message into fields.
struct Cutter<'a> {
    params: &'a Params,
    layouts: &'a Layouts,
    fields: &'a [ParamIx],
    payload: &'a Bytes,
    at: usize,
    matched_constant: bool,
    /// In how many fields this message stands.
    depth: u8,
    out: Reading,
}

impl<'a> Cutter<'a> {
    fn new(
        params: &'a Params,
        layouts: &'a Layouts,
        fields: &'a [ParamIx],
        message: &'a Message,
        depth: u8,
    ) -> Self {
        let payload = message.payload();
        let out = Reading::none();
        Self { params, layouts, fields, payload, at: 0, matched_constant: false, depth, out }
    }

    fn read(mut self) -> Reading {
        if self.fields.is_empty() {
            self.out.fit = Fit::Full;
            return self.out;
        }
        let stop = self.cut_all();
        self.out.fit = match stop {
            Ok(()) => Fit::Full,
            Err(_) if !self.matched_constant => return Reading::none(),
            Err(Stop::Mismatch) => Fit::Partial,
            Err(Stop::NoEnd) => {
                let empty = |param: &ParamIx| Set { param: *param, value: Value::Empty };
                self.out.got.sets =
                    self.fields.iter().filter(|p| self.constant(**p).is_none()).map(empty).collect();
                Fit::Partial
            }
        };
        self.out
    }

    fn cut_all(&mut self) -> Result<(), Stop> {
        for (position, param) in self.fields.iter().enumerate() {
            let start = self.at;
            if let Some(expected) = self.constant(*param) {
                if !self.rest().starts_with(&expected) {
                    return Err(Stop::Mismatch);
                }
                self.matched_constant |= !expected.is_empty();
                self.at += expected.len();
            } else {
                let len = self.length_of(position, *param).ok_or(Stop::NoEnd)?;
                self.at += len;
                self.take(*param, start..self.at);
            }
            self.out.fields.push(start..self.at);
        }
        if self.at < self.payload.len() || !self.lengths_are_right() { Err(Stop::Mismatch) } else { Ok(()) }
    }

    fn rest(&self) -> &'a [u8] {
        self.payload.get(self.at..).unwrap_or_default()
    }

    /// The bytes that must stand for a parameter; `None` for a variable one.
    fn constant(&self, param: ParamIx) -> Option<Bytes> {
        match self.params.describe(param).kind {
            ParamKind::Fixed | ParamKind::Header | ParamKind::Trailer => {
                Some(self.params.get(param).to_bytes())
            }
            ParamKind::Read
            | ParamKind::Write
            | ParamKind::Dummy
            | ParamKind::Array
            | ParamKind::Bus
            | ParamKind::Ip
            | ParamKind::PollingIp
            | ParamKind::ElementId
            | ParamKind::ElementName
            | ParamKind::ElementDmaId
            | ParamKind::Group
            | ParamKind::ReadBit
            | ParamKind::WriteBit
            | ParamKind::Length
            | ParamKind::Crc
            | ParamKind::DiscreetInfo
            | ParamKind::Response
            | ParamKind::Other => None,
        }
    }

    /// How many bytes a variable field has.
    fn length_of(&self, position: usize, param: ParamIx) -> Option<usize> {
        let rest = self.rest();
        let len = match self.params.length(param) {
            Length::Fixed(bytes) => usize::try_from(bytes).ok()?,
            Length::OtherParam(other) => self.number_of(other)?,
            Length::NextParam => self.up_to_next(position, find)?,
            Length::LastNextParam => self.up_to_next(position, find_last)?,
        };
        (len <= rest.len()).then_some(len)
    }

    /// The bytes up to the next constant, less what the fields of fixed length between take; up to the end without one.
    fn up_to_next(&self, position: usize, find: fn(&[u8], &[u8]) -> Option<usize>) -> Option<usize> {
        let rest = self.rest();
        let mut between = 0;
        for param in self.fields.get(position + 1..)? {
            match self.constant(*param) {
                Some(constant) if constant.is_empty() => {}
                Some(constant) => return find(rest.get(between..)?, &constant),
                None => match self.params.length(*param) {
                    Length::Fixed(bytes) => between += usize::try_from(bytes).ok()?,
                    Length::OtherParam(other) => between += self.number_of(other).unwrap_or(0),
                    Length::NextParam | Length::LastNextParam => {}
                },
            }
        }
        rest.len().checked_sub(between)
    }

    /// A length that another parameter says: as just read from this message, else its present value.
    fn number_of(&self, param: ParamIx) -> Option<usize> {
        let read = self.out.got.sets.iter().rev().find(|set| set.param == param);
        let number = read.map_or(self.params.get(param), |set| &set.value).as_number()?;
        let whole = number.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(&number);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        whole.then_some(number as usize)
    }

    /// Reads the value of a field.
    fn take(&mut self, param: ParamIx, range: Range<usize>) {
        let described = self.params.describe(param);
        let bytes = self.payload.slice(range.clone());
        let value = match described.value_type {
            ValueType::String if range.is_empty() => Ok(Value::text("")),
            ValueType::String | ValueType::Double | ValueType::HighNibble => {
                raw::field(described, self.payload, range)
            }
        };
        match value {
            Ok(value) => {
                self.out.got.sets.push(Set { param, value });
                split(self.params, self.layouts, param, &bytes, &mut self.out, self.depth);
            }
            Err(_) => {
                let problem = Problem { path: None, param: Some(param), table: None, why: Why::RawType };
                self.out.got.lose(1, || problem);
            }
        }
    }

    /// Whether every length parameter says how many bytes the fields have that it counts.
    fn lengths_are_right(&self) -> bool {
        let is_length = |param: &&ParamIx| self.params.describe(**param).kind == ParamKind::Length;
        self.fields.iter().filter(is_length).all(|param| {
            let described = self.params.describe(*param);
            let bytes = command::counted(self.params, self.fields, &self.out.fields, described);
            self.number_of(*param) == Some(bytes)
        })
    }
}

// Linear in the text whatever is looked for, so that no peer can make a search slow.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, wanted)
}

fn find_last(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(text, wanted)
}

#[cfg(test)]
mod tests;
