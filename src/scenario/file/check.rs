//! Finds in a scenario what can only go wrong when it runs: patterns, bytes, codes, states; looks at no definition.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::places::{Part, Wrong};
use super::{Act, Head, Rule, When};
use crate::engine::link::status::Phase;
use crate::scenario::{binary, expect};
use crate::transport::wire::frame;

/// The states of links, in the order of their life.
const PHASES: [Phase; 8] = [
    Phase::Idle,
    Phase::Connecting,
    Phase::Ready,
    Phase::Closing,
    Phase::Backoff,
    Phase::Rejected,
    Phase::Closed,
    Phase::Stopped,
];

/// The state of requests that links do not have.
const TIMEOUT: &str = "timeout";

/// Whether a template is in it, so that it is not known yet.
fn is_open(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// A rule.
pub(super) fn rule(rule: &Rule) -> Result<(), Wrong> {
    match &rule.when {
        When::Handshake(expected) => head(expected).map_err(|wrong| wrong.below(&["handshake".into()]))?,
        When::Message(expected) => pattern(expected).map_err(|wrong| wrong.below(&["message".into()]))?,
        When::Request(expected, body) => request(expected, body.as_ref())?,
        When::Every(_) => {}
    }
    let then = &rule.then;
    for (name, value) in &then.headers {
        let fits = HeaderName::try_from(name.as_str()).is_ok()
            && (is_open(value) || HeaderValue::try_from(value.as_str()).is_ok());
        if !fits {
            let message = format!("`{name}: {value}` is no header");
            return Err(Wrong::at(&["answer", "headers", name], message));
        }
    }
    if let Some(body) = &then.body {
        bytes(body).map_err(|wrong| wrong.below(&["answer".into(), "body".into()]))?;
    }
    messages(&then.send)?;
    then.close.map_or(Ok(()), close)
}

/// What a step does.
pub(super) fn act(act: &Act) -> Result<(), Wrong> {
    let empty = |key: &str| Wrong::at(&[key], format!("`{key}` says nothing"));
    match act {
        Act::Set(values) if values.is_empty() => Err(empty("set")),
        Act::Params(values) if values.is_empty() => Err(empty("params")),
        Act::Rows(rows) if rows.is_empty() => Err(empty("rows")),
        Act::States(states) if states.is_empty() => Err(empty("states")),
        Act::Seen(_, counts) if *counts == Default::default() => Err(empty("seen")),
        Act::Params(values) => values.iter().try_for_each(|(key, value)| {
            pattern(value).map_err(|wrong| wrong.below(&["params".into(), key.as_str().into()]))
        }),
        Act::States(states) => states.iter().try_for_each(|(index, name)| state(*index, name)),
        Act::ScriptFailed(expected) => {
            pattern(expected).map_err(|wrong| wrong.below(&["script_failed".into()]))
        }
        Act::Received(_, expected) => pattern(expected).map_err(|wrong| wrong.below(&["received".into()])),
        Act::Handshake(_, expected) => head(expected).map_err(|wrong| wrong.below(&["handshake".into()])),
        Act::Requested(_, expected, body) => request(expected, body.as_ref()),
        Act::Send(_, values) => messages(values),
        Act::Close(_, code) => close(*code),
        Act::Wait(_)
        | Act::Set(_)
        | Act::Rows(_)
        | Act::Timeout(_)
        | Act::Seen(..)
        | Act::Drop(_)
        | Act::Fault(..)
        | Act::Reachable(..) => Ok(()),
    }
}

fn state(index: u32, name: &str) -> Result<(), Wrong> {
    if name == TIMEOUT || PHASES.iter().any(|phase| phase.name() == name) {
        return Ok(());
    }
    let names: Vec<&str> = PHASES.iter().map(|phase| phase.name()).collect();
    let message = format!(
        "no connection is ever `{name}`: links are {}; connections of requests are idle, ready, {TIMEOUT} or stopped",
        names.join(", ")
    );
    Err(Wrong::at(&["states", &index.to_string()], message))
}

fn close(code: u16) -> Result<(), Wrong> {
    if frame::may_be_sent(code) {
        return Ok(());
    }
    let message = format!(
        "no close frame may hold the code {code}: 1000 to 1003, 1007 to 1014 and 3000 to 4999 are allowed (RFC 6455, 7.4)"
    );
    Err(Wrong::at(&["close"], message))
}

/// The messages of `send`.
fn messages(values: &[Value]) -> Result<(), Wrong> {
    values.iter().zip(0..).try_for_each(|(value, index)| {
        bytes(value).map_err(|wrong| wrong.below(&["send".into(), Part::Index(index)]))
    })
}

/// The bytes of something that is sent, if they are written as such.
fn bytes(value: &Value) -> Result<(), Wrong> {
    match binary::written(value) {
        Some((_, text)) if is_open(text) => Ok(()),
        Some((word, _)) => match binary::bytes(value) {
            Some(Err(message)) => Err(Wrong::at(&[word], message)),
            Some(Ok(_)) | None => Ok(()),
        },
        None => Ok(()),
    }
}

fn request(expected: &Head, body: Option<&Value>) -> Result<(), Wrong> {
    // Its path stands in the line of the request, its headers beside it.
    headers(&expected.headers)?;
    body.map_or(Ok(()), |body| pattern(body).map_err(|wrong| wrong.below(&["content".into()])))
}

fn head(expected: &Head) -> Result<(), Wrong> {
    if let Some(problem) = expected.path.as_deref().and_then(expect::bad_pattern) {
        return Err(Wrong::at(&["path"], problem));
    }
    headers(&expected.headers)
}

fn headers(headers: &BTreeMap<String, Value>) -> Result<(), Wrong> {
    headers.iter().try_for_each(|(name, value)| {
        pattern(value).map_err(|wrong| wrong.below(&["headers".into(), name.as_str().into()]))
    })
}

/// The patterns of something that is expected, however deep.
fn pattern(expected: &Value) -> Result<(), Wrong> {
    bytes(expected)?;
    match expected {
        Value::String(text) => match expect::bad_pattern(text) {
            Some(problem) => Err(Wrong::from(problem)),
            None => Ok(()),
        },
        Value::Array(list) => list.iter().zip(0..).try_for_each(|(value, index)| {
            pattern(value).map_err(|wrong| wrong.below(&[Part::Index(index)]))
        }),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            pattern(value).map_err(|wrong| wrong.below(&[name.as_str().into()]))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}
