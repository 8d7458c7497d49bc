//! Says in words why responses do not take a message, the nearest first; decides nothing.

use std::sync::Arc;

use crate::engine::codec::handshake::{self, Answer};
use crate::engine::codec::layout::Layouts;
use crate::engine::codec::message::{Head, Message};
use crate::engine::codec::response::{self, Stopped};
use crate::engine::param::Params;
use crate::language::model::connection::Exchange;
use crate::language::model::id::{ParamIx, ResponseIx};
use crate::language::model::message::{Extract, Format, Mapping, Match, Place, Test};

/// How much of a found text is shown, in characters.
const SHOWN: usize = 60;

/// How many bytes of a field are shown.
const SHOWN_BYTES: usize = 16;

/// Why one response does not take a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The response.
    pub response: ResponseIx,
    /// Why, as a clause: `` `$.type` is `pong`, not `state` ``. It quotes the message.
    pub why: String,
    /// How many of its conditions and fields come before what does not fit.
    near: usize,
}

/// Why none of these responses takes a message: the ones of which most fits first, else in the order given.
///
/// One that does take it is left out.
pub fn mismatches(
    params: &Params,
    layouts: &Layouts,
    candidates: impl IntoIterator<Item = ResponseIx>,
    message: &Message,
) -> Vec<Mismatch> {
    let of = |response: &ResponseIx| mismatch(params, layouts, *response, message);
    let mut found: Vec<Mismatch> = candidates.into_iter().filter_map(|response| of(&response)).collect();
    found.sort_by_key(|mismatch| std::cmp::Reverse(mismatch.near));
    found
}

fn mismatch(params: &Params, layouts: &Layouts, response: ResponseIx, message: &Message) -> Option<Mismatch> {
    let described = params.protocol().response(response);
    if let Some((near, why)) = condition(&described.mapping, message, Head::default()) {
        return Some(Mismatch { response, why, near });
    }
    let fields = layouts.response(params.protocol(), response);
    let stopped = response::stopped(params, layouts, response, message)?;
    let near = described.mapping.matches.len() + stopped.position;
    let Some(param) = fields.get(stopped.position) else {
        let why = if stopped.at < message.payload().len() {
            format!("it goes on behind the last field, at byte {}", stopped.at)
        } else {
            "a length in it is not that of its fields".to_owned()
        };
        return Some(Mismatch { response, why, near });
    };
    Some(Mismatch { response, why: field(params.describe(*param).id.0, &stopped, message), near })
}

/// Where the mapping of a message, or of the body of an answer, looks for the values of parameters, as written.
pub fn places(extracts: &[Extract]) -> impl Iterator<Item = (ParamIx, &Arc<str>)> {
    extracts.iter().map(|one| (one.param, one.path.text()))
}

/// Why the body of an answer gives nothing to an exchange: it is no JSON, or a condition does not hold; none if there is no
/// reason, or no body.
pub fn refused_body(exchange: &Exchange, answer: &Answer<'_>) -> Option<String> {
    let message = handshake::body_message(answer, &exchange.mapping.format)?;
    condition(&exchange.mapping, &message, handshake::head(answer)).map(|(_, why)| why)
}

/// The first condition that does not hold, by position.
fn condition(mapping: &Mapping, message: &Message, head: Head<'_>) -> Option<(usize, String)> {
    if mapping.looks_inside()
        && let Some(error) = message.format_error(&mapping.format)
    {
        let error = match message.json_error().filter(|_| mapping.format == Format::Json) {
            Some(error) => error.to_string(),
            None => error.to_owned(),
        };
        return Some((0, error));
    }
    let failing = |(_, one): &(usize, &Match)| !message.holds(one, &mapping.format, head);
    let (position, one) = mapping.matches.iter().enumerate().find(failing)?;
    let (place, found) = found(one, mapping, message, head);
    let found = found.map(|text| shortened(&text));
    let why = match (&one.test, found) {
        (Test::Exists(true), _) => format!("{place} is not there"),
        (Test::Exists(false), _) => format!("{place} is there"),
        (Test::Equals(text), Some(found)) => format!("{place} is `{found}`, not `{text}`"),
        (Test::Equals(text), None) => format!("{place} is not there, and should be `{text}`"),
        (Test::Matches(pattern), Some(found)) => {
            format!("{place} is `{found}`, which does not match `{pattern}`")
        }
        (Test::Matches(pattern), None) => format!("{place} is not there, and should match `{pattern}`"),
        (Test::Among(_), Some(found)) => {
            format!("{place} is `{found}`, which is none of those that are asked for")
        }
        (Test::Among(_), None) => format!("{place} is not there"),
    };
    Some((position, why))
}

/// Where a condition looks, in words, and what is there.
fn found(one: &Match, mapping: &Mapping, message: &Message, head: Head<'_>) -> (String, Option<String>) {
    match &one.at {
        Place::Part(path) => (format!("`{}`", path.text()), message.text_at(path, &mapping.format)),
        Place::Whole => {
            ("the text".to_owned(), std::str::from_utf8(message.payload()).ok().map(str::to_owned))
        }
        Place::Header(name) => {
            let same = head.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
            (format!("the header `{name}`"), same.map(|(_, value)| value.clone()))
        }
        Place::Status => ("the status".to_owned(), head.status.map(|status| status.to_string())),
    }
}

/// Why a field does not fit.
fn field(param: i32, stopped: &Stopped, message: &Message) -> String {
    let at = stopped.at;
    let rest = message.payload().get(at..).unwrap_or_default();
    match &stopped.constant {
        Some(expected) => {
            let found = rest.get(..expected.len().min(rest.len())).unwrap_or_default();
            // Both in the same notation, so that they can be compared.
            let plain = is_plain(expected) && is_plain(found);
            let (expected, found) = (bytes(expected, plain), bytes(found, plain));
            format!("parameter {param} is {expected}, and at byte {at} it has {found}")
        }
        None => format!("the field of parameter {param}, from byte {at}, has no end in it"),
    }
}

fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
}

/// Bytes in hexadecimal digits, or as the text that they are.
fn bytes(all: &[u8], plain: bool) -> String {
    if all.is_empty() {
        return "nothing".to_owned();
    }
    let shown = all.get(..SHOWN_BYTES).unwrap_or(all);
    let rest = if shown.len() < all.len() { "..." } else { "" };
    if plain {
        return format!("\"{}{rest}\"", String::from_utf8_lossy(shown));
    }
    let digits: String = shown.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("0x{digits}{rest}")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
