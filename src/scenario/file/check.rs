//! Finds in a scenario what can only go wrong when it runs: patterns, bytes, codes, states; looks at no definition.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::places::{Part, Wrong};
use super::{Act, Head, Peer, Rule, Then, When};
use crate::element::status::HTTP_STATES;
use crate::engine::link::status::Phase;
use crate::language::model::connection::ConnectionKind;
use crate::scenario::{binary, expect};
use crate::transport::wire::frame;

/// The state that no connection gets into before the scenario is over.
const LAST: &str = Phase::Stopped.name();

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
    if rule.times == Some(0) {
        return Err(Wrong::at(
            &["times"],
            "a rule that is followed no times does nothing: `times` is at least 1",
        ));
    }
    let then = &rule.then;
    answer(&rule.when, then)?;
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

/// Whether an answer can be given, and what stands beside it can follow.
fn answer(when: &When, then: &Then) -> Result<(), Wrong> {
    let Some(status) = then.status else { return Ok(()) };
    let wrong = |message: String| Err(Wrong::at(&["answer", "status"], message));
    let opens = match when {
        When::Handshake(_) => status == 101,
        When::Request(..) | When::Message(_) | When::Every(_) => false,
    };
    match status {
        200..=599 => {}
        101 if opens => {}
        100..=199 => {
            return wrong(format!(
                "{status} ends no request: 101 answers a handshake, and 200 to 599 are final answers"
            ));
        }
        _ => return wrong(format!("{status} is no status")),
    }
    match () {
        () if opens => Ok(()),
        () if !then.send.is_empty() => Err(Wrong::at(&["send"], refused(status, "nothing can be sent"))),
        () if then.close.is_some() => Err(Wrong::at(&["close"], refused(status, "nothing can be closed"))),
        () => Ok(()),
    }
}

fn refused(status: u16, what: &str) -> String {
    format!("a handshake that is answered with {status} opens no link: {what}")
}

/// Whether a peer can be told from those before it.
pub(super) fn host(peer: &Peer, before: &[Peer]) -> Result<(), Wrong> {
    let same = |other: &Peer| match (&peer.host, &other.host) {
        (Some(host), Some(other)) => host.eq_ignore_ascii_case(other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    match (before.iter().position(same), &peer.host) {
        (None, _) => Ok(()),
        (Some(first), Some(host)) => Err(Wrong::at(
            &["host"],
            format!("peer {first} answers for `{host}` already: nothing would come here"),
        )),
        (Some(first), None) => Err(Wrong::from(format!(
            "peer {first} has no `host` either and answers for all that no other peer answers for: nothing would come here"
        ))),
    }
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
        Act::States(states) => states.iter().try_for_each(|(index, name)| state(*index, name, None)),
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

/// Whether a connection can be in a state while a scenario runs; of no kind, whether any can.
pub(in crate::scenario) fn state(index: u32, name: &str, kind: Option<ConnectionKind>) -> Result<(), Wrong> {
    let links: Vec<&str> = Phase::all().map(Phase::name).filter(|name| *name != LAST).collect();
    let requests: Vec<&str> = HTTP_STATES.into_iter().filter(|name| *name != LAST).collect();
    let of_links = || format!("links are {}", links.join(", "));
    let of_requests = || format!("connections of requests are {}", requests.join(", "));
    let (fits, why) = match kind {
        Some(ConnectionKind::WebSocket) => (links.contains(&name), of_links()),
        Some(ConnectionKind::Http) => (requests.contains(&name), of_requests()),
        Some(ConnectionKind::Virtual | ConnectionKind::NotRun) => {
            (false, "it is neither a link nor one of requests".to_owned())
        }
        None => {
            (links.contains(&name) || requests.contains(&name), format!("{}; {}", of_links(), of_requests()))
        }
    };
    let whom = if kind.is_some() { format!("connection {index}") } else { "no connection".to_owned() };
    let message = match (fits, name == LAST) {
        (true, _) => return Ok(()),
        (false, true) => format!("no connection is `{name}` while the scenario runs: {why}"),
        (false, false) if kind.is_some() => format!("{whom} is never `{name}`: {why}"),
        (false, false) => format!("{whom} is ever `{name}`: {why}"),
    };
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
    // Its path stands in the line of the request and is checked there, its headers beside it.
    headers(&expected.headers)?;
    body.map_or(Ok(()), |body| pattern(body).map_err(|wrong| wrong.below(&["content".into()])))
}

fn head(expected: &Head) -> Result<(), Wrong> {
    if let Some(path) = expected.path.as_deref() {
        if let Some(problem) = expect::bad_pattern(path) {
            return Err(Wrong::at(&["path"], problem));
        }
        if !is_path(path) {
            return Err(Wrong::at(&["path"], format!("`{path}` is no path: it begins with `/`")));
        }
    }
    headers(&expected.headers)
}

/// Whether the path of a request can be like that.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with('/') || expect::is_pattern(path)
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
