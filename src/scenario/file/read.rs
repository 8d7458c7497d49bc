//! TOML → a scenario, or what is wrong with it and where; runs nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::check;
use super::element;
use super::places::{Part, Places, Wrong};
use super::{Act, Counts, Fault, File, Head, PROTOCOL, Peer, Rule, Step, Then, When};
use crate::scenario::expect;
use crate::value::Wall;

/// How long a step waits for what it expects when neither it nor the file says otherwise.
const WITHIN: Duration = Duration::from_secs(60);

/// The longest time that a file may name: 400 days.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// 2026-01-01T00:00:00Z.
const WALL: Wall = Wall(1_767_225_600_000_000_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    #[serde(default)]
    title: String,
    protocol: Option<PathBuf>,
    wall: Option<String>,
    seed: Option<u64>,
    within: Option<Time>,
    #[serde(default)]
    element: toml::Table,
    #[serde(default, rename = "peer", deserialize_with = "list")]
    peers: Vec<RawPeer>,
    #[serde(default, rename = "step", deserialize_with = "list")]
    steps: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPeer {
    host: Option<String>,
    #[serde(default = "yes")]
    deflate: bool,
    #[serde(default)]
    subprotocols: Vec<String>,
    #[serde(default, rename = "on", deserialize_with = "list")]
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    handshake: Option<Head>,
    message: Option<Value>,
    request: Option<String>,
    headers: Option<BTreeMap<String, Value>>,
    content: Option<Value>,
    every: Option<Time>,
    times: Option<u32>,
    after: Option<Time>,
    send: Option<OneOrMany>,
    answer: Option<RawAnswer>,
    close: Option<u16>,
    fault: Option<Fault>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    wait: Option<Time>,
    set: Option<BTreeMap<String, Value>>,
    params: Option<BTreeMap<String, Value>>,
    rows: Option<BTreeMap<String, usize>>,
    states: Option<BTreeMap<String, String>>,
    timeout: Option<bool>,
    received: Option<Value>,
    handshake: Option<Head>,
    requested: Option<String>,
    headers: Option<BTreeMap<String, Value>>,
    content: Option<Value>,
    seen: Option<Counts>,
    send: Option<OneOrMany>,
    close: Option<u16>,
    drop: Option<bool>,
    fault: Option<Fault>,
    reachable: Option<bool>,
    script_failed: Option<Value>,
    peer: Option<usize>,
    within: Option<Time>,
}

/// A list of tables; what stands in single brackets is told how it is written.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list, whose parts begin with double brackets: [[peer]], [[peer.on]], [[step]]")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(part) = parts.next_element()? {
                list.push(part);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_seq(List(PhantomData))
}

/// One message, or a list of messages.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Value>),
    One(Value),
}

impl OneOrMany {
    fn list(self) -> Vec<Value> {
        match self {
            Self::Many(list) => list,
            Self::One(one) => vec![one],
        }
    }
}

/// A duration as people write it: `250ms`, `5s`, `1h 30m`.
#[derive(Clone, Copy)]
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = humantime::parse_duration(&text).map_err(|error| {
            D::Error::custom(format!("`{text}` is no time such as 250ms, 5s or 1h: {error}"))
        })?;
        if time > LONGEST {
            return Err(D::Error::custom(format!("`{text}` is more than 400 days")));
        }
        Ok(Self(time))
    }
}

fn yes() -> bool {
    true
}

impl RawRule {
    fn rule(self, line: Option<usize>) -> Result<Rule, Wrong> {
        let raw = self;
        let mut found = Vec::new();
        let is_request = raw.request.is_some();
        if (raw.headers.is_some() || raw.content.is_some()) && !is_request {
            return Err(
                "`headers` and `content` say what a `request` must have; those of an answer are in `answer`"
                    .into(),
            );
        }
        found.extend(raw.handshake.map(When::Handshake));
        found.extend(raw.message.map(When::Message));
        if let Some(line) = raw.request {
            found.push(When::Request(request_line("request", &line, raw.headers)?, raw.content));
        }
        found.extend(raw.every.map(|time| When::Every(time.0)));
        let (Some(when), true) = (found.pop(), found.is_empty()) else {
            return Err("a rule waits for one of `handshake`, `message`, `request` and `every`".into());
        };
        if matches!(when, When::Every(every) if every < Duration::from_millis(1)) {
            return Err(Wrong::at(&["every"], "`every` is at least 1ms"));
        }
        let is_handshake = matches!(when, When::Handshake(_));
        let fits = |fault: Fault| match when {
            When::Handshake(_) => fault.is_of_handshakes(),
            When::Message(_) | When::Every(_) => fault.is_of_messages(),
            When::Request(..) => fault.is_of_requests(),
        };
        if let Some(fault) = raw.fault.filter(|fault| !fits(*fault)) {
            return Err(Wrong::at(&["fault"], format!("the fault `{}` cannot happen here", fault.name())));
        }
        if raw.answer.is_some() && !is_handshake && !is_request {
            return Err(
                "only a `handshake` or a `request` has an `answer`; a message is followed by `send`".into()
            );
        }
        let send = raw.send.map(OneOrMany::list).unwrap_or_default();
        if is_request && (!send.is_empty() || raw.close.is_some()) {
            return Err("a `request` is followed by an `answer`, not by `send` or `close`".into());
        }
        let answer = raw.answer.unwrap_or_default();
        let rule = Rule {
            line,
            when,
            times: raw.times,
            after: raw.after.map_or(Duration::ZERO, |time| time.0),
            then: Then {
                status: answer.status,
                headers: answer.headers,
                body: answer.body,
                send,
                close: raw.close,
                fault: raw.fault,
            },
        };
        check::rule(&rule)?;
        Ok(rule)
    }
}

/// `PUT /air`, `GET /status?full=1`, `GET {match: /pumps/[0-9]+}`, or a path alone.
fn request_line(key: &str, line: &str, headers: Option<BTreeMap<String, Value>>) -> Result<Head, Wrong> {
    let (method, path) = match line.split_once(' ') {
        // A pattern may have blanks in it.
        Some((method, path)) if !line.starts_with('{') => (Some(method.to_owned()), path.trim()),
        Some(_) | None => (None, line),
    };
    let is_method = method.as_ref().is_none_or(|method| Method::from_bytes(method.as_bytes()).is_ok());
    if !is_method || !check::is_path(path) {
        let message = format!("`{line}` is no method and path, such as `GET /status`");
        return Err(Wrong::at(&[key], message));
    }
    if let Some(problem) = expect::bad_pattern(path) {
        return Err(Wrong::at(&[key], problem));
    }
    Ok(Head { method, path: Some(path.to_owned()), headers: headers.unwrap_or_default() })
}

impl RawStep {
    fn act(self, peers: usize) -> Result<(Act, Option<Time>), Wrong> {
        let peer = self.peer.unwrap_or(0);
        let mut of_peer = true;
        let mut found: Vec<Act> = Vec::new();
        if (self.headers.is_some() || self.content.is_some()) && self.requested.is_none() {
            return Err("`headers` and `content` belong to `requested`".into());
        }
        found.extend(self.received.map(|message| Act::Received(peer, message)));
        found.extend(self.handshake.map(|head| Act::Handshake(peer, head)));
        if let Some(line) = self.requested {
            found.push(Act::Requested(peer, request_line("requested", &line, self.headers)?, self.content));
        }
        found.extend(self.seen.map(|counts| Act::Seen(peer, counts)));
        found.extend(self.send.map(|send| Act::Send(peer, send.list())));
        found.extend(self.close.map(|code| Act::Close(peer, code)));
        match self.drop {
            Some(true) => found.push(Act::Drop(peer)),
            Some(false) => return Err(Wrong::at(&["drop"], "`drop` is `true`")),
            None => {}
        }
        if let Some(fault) = self.fault {
            if !fault.is_of_messages() {
                let message = format!("the fault `{}` cannot happen to an open link", fault.name());
                return Err(Wrong::at(&["fault"], message));
            }
            found.push(Act::Fault(peer, fault));
        }
        found.extend(self.reachable.map(|is| Act::Reachable(peer, is)));
        if found.is_empty() {
            of_peer = false;
        }
        found.extend(self.wait.map(|time| Act::Wait(time.0)));
        found.extend(self.set.map(Act::Set));
        found.extend(self.params.map(Act::Params));
        found.extend(self.rows.map(Act::Rows));
        found.extend(self.timeout.map(Act::Timeout));
        found.extend(self.script_failed.map(Act::ScriptFailed));
        if let Some(states) = self.states {
            let parse = |(index, state): (String, String)| match index.parse() {
                Ok(index) => Ok((index, state)),
                Err(_) => {
                    let message = format!("`{index}` is no index of a connection, such as 0");
                    Err(Wrong::at(&["states", &index], message))
                }
            };
            found.push(Act::States(states.into_iter().map(parse).collect::<Result<_, _>>()?));
        }
        let (Some(act), true) = (found.pop(), found.is_empty()) else {
            return Err(
                "a step has one of `wait`, `set`, `params`, `rows`, `states`, `timeout`, `script_failed`, `received`, \
                 `handshake`, `requested`, `seen`, `send`, `close`, `drop`, `fault` and `reachable`"
                    .into(),
            );
        };
        if self.peer.is_some() && !of_peer {
            return Err(Wrong::at(&["peer"], "`peer` says nothing here"));
        }
        if of_peer && peer >= peers {
            let message = format!("there is no peer {peer}: the file has {peers}, counted from 0");
            return Err(Wrong::at(&["peer"], message));
        }
        check::act(&act)?;
        Ok((act, self.within))
    }
}

impl RawFile {
    /// The scenario, checked as far as that goes without its definition.
    pub(super) fn file(self, places: &Places<'_>) -> Result<File, Wrong> {
        let wall = match &self.wall {
            None => WALL,
            Some(text) => wall(text).ok_or_else(|| {
                let message = format!("`wall` is `{text}`, and not a time such as 2026-01-01T00:00:00Z");
                Wrong::at(&["wall"], message)
            })?,
        };
        let within = self.within.map_or(WITHIN, |time| time.0);
        for word in ["name", "protocol"] {
            if self.element.contains_key(word) {
                let message = format!("`[element]` has no `{word}` in a scenario");
                return Err(Wrong::at(&["element", word], message));
            }
        }
        let element = element::text(places);
        element::check(&element)?;
        let mut peers = Vec::new();
        for (raw, number) in self.peers.into_iter().zip(0..) {
            let way = |rule| [Part::from("peer"), Part::Index(number), Part::from("on"), Part::Index(rule)];
            let mut rules = Vec::new();
            for (rule, place) in raw.rules.into_iter().zip(0..) {
                let way = way(place);
                rules.push(rule.rule(places.line(&way)).map_err(|wrong| wrong.below(&way))?);
            }
            let RawPeer { host, deflate, subprotocols, .. } = raw;
            let peer = Peer { host, deflate, subprotocols, rules };
            check::host(&peer, &peers)
                .map_err(|wrong| wrong.below(&[Part::from("peer"), Part::Index(number)]))?;
            peers.push(peer);
        }
        let mut steps = Vec::new();
        for (step, number) in self.steps.into_iter().zip(0..) {
            let way = [Part::from("step"), Part::Index(number)];
            let (act, own) = step.act(peers.len()).map_err(|wrong| wrong.below(&way))?;
            let line = places.line(&way).unwrap_or(1);
            steps.push(Step { number, line, act, within: own.map_or(within, |time| time.0) });
        }
        Ok(File {
            title: self.title,
            protocol: self.protocol.unwrap_or_else(|| PathBuf::from(PROTOCOL)),
            wall,
            seed: self.seed.unwrap_or(1),
            within,
            element,
            peers,
            steps,
            source: places.source().clone(),
        })
    }
}

/// A time in RFC 3339.
fn wall(text: &str) -> Option<Wall> {
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Wall(u64::try_from(since.as_nanos()).ok()?))
}
