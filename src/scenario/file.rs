//! Scenario files (`*.scenario.toml`): what a peer does, what a definition must do, step by step; runs nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::language::source::Source;
use crate::value::Wall;

/// How the name of a scenario file ends.
pub const SUFFIX: &str = ".scenario.toml";

/// The largest file that is read.
pub const MAX_BYTES: u64 = 4 << 20;

/// How long a step waits for what it expects when neither it nor the file says otherwise.
const WITHIN: Duration = Duration::from_secs(60);

/// The longest time that a file may name: 400 days.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// 2026-01-01T00:00:00Z.
const WALL: Wall = Wall(1_767_225_600_000_000_000);

/// A problem of a file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; none if it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A whole file.
#[derive(Clone, Debug)]
pub struct File {
    /// What it shows, for people.
    pub title: String,
    /// The definition, as a path from the folder of the file; `protocol.xml` if the file names none.
    pub protocol: PathBuf,
    /// The wall time at the start; default 2026-01-01T00:00:00Z.
    pub wall: Wall,
    /// Decides what is left to chance; default 1.
    pub seed: u64,
    /// How long a step waits for what it expects; default 60 s.
    pub within: Duration,
    /// What `[element]` says, as in the daemon's settings, without `name` and `protocol`.
    pub element: toml::Table,
    /// The peers.
    pub peers: Vec<Peer>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One simulated peer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The host, or `host:port`, that it answers for; none answers for every one that no other peer answers for.
    pub host: Option<String>,
    /// Whether it agrees to permessage-deflate; default yes.
    #[serde(default = "yes")]
    pub deflate: bool,
    /// The subprotocols that it speaks.
    #[serde(default)]
    pub subprotocols: Vec<String>,
    /// What it does; of those that fit the first one counts.
    #[serde(default, rename = "on")]
    pub rules: Vec<Rule>,
}

/// What a peer does when something comes: one of `handshake`, `message`, `request` and `every`, and what follows.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawRule")]
pub struct Rule {
    /// What it waits for.
    pub when: When,
    /// How often it is followed; then it counts no more.
    pub times: Option<u32>,
    /// How long it waits before it does something.
    pub after: Duration,
    /// What it does.
    pub then: Then,
}

/// What a rule waits for.
#[derive(Clone, Debug)]
pub enum When {
    /// The opening handshake of a link.
    Handshake(Head),
    /// A message on a link.
    Message(Value),
    /// A request of an HTTP session.
    Request(Head, Option<Value>),
    /// Time, while a link is open.
    Every(Duration),
}

/// What a request must be.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The method, such as `PUT`; none is any.
    #[serde(skip)]
    pub method: Option<String>,
    /// Path and query, or a path only, which leaves the query open; none is any.
    pub path: Option<String>,
    /// Header fields: a text that the value must be, or `false` for one that must not be there.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
}

/// What follows.
#[derive(Clone, Debug, Default)]
pub struct Then {
    /// The status of the answer; default 101 for a handshake, and 200 for a request.
    pub status: Option<u16>,
    /// Headers of the answer.
    pub headers: BTreeMap<String, String>,
    /// The body of an answer to a request.
    pub body: Option<Value>,
    /// Messages on the link, in order.
    pub send: Vec<Value>,
    /// Closes the link with this code.
    pub close: Option<u16>,
    /// Does it wrong.
    pub fault: Option<Fault>,
}

/// What a peer can do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Takes what comes, and says nothing.
    NeverAnswer,
    /// Ends the connection without a word.
    Reset,
    /// Opens the link, and ends the connection.
    AcceptAndClose,
    /// Writes a byte every 20 ms.
    SlowDrip,
    /// Keeps the connection, and neither reads nor writes any more.
    HalfOpen,
    /// Sends a message of 17 MiB.
    HugeFrame,
    /// Sends a frame with compressed data that is none.
    BadDeflate,
    /// Ends an answer in the middle of its body.
    Cut,
}

/// All faults.
pub const FAULTS: [Fault; 8] = [
    Fault::NeverAnswer,
    Fault::Reset,
    Fault::AcceptAndClose,
    Fault::SlowDrip,
    Fault::HalfOpen,
    Fault::HugeFrame,
    Fault::BadDeflate,
    Fault::Cut,
];

impl Fault {
    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverAnswer => "never-answer",
            Self::Reset => "reset",
            Self::AcceptAndClose => "accept-and-close",
            Self::SlowDrip => "slow-drip",
            Self::HalfOpen => "half-open",
            Self::HugeFrame => "huge-frame",
            Self::BadDeflate => "bad-deflate",
            Self::Cut => "cut",
        }
    }

    /// Whether an opening handshake can go wrong so.
    pub fn is_of_handshakes(self) -> bool {
        match self {
            Self::NeverAnswer
            | Self::Reset
            | Self::AcceptAndClose
            | Self::SlowDrip
            | Self::HalfOpen
            | Self::HugeFrame
            | Self::BadDeflate => true,
            Self::Cut => false,
        }
    }

    /// Whether the answer to a message can go wrong so.
    pub fn is_of_messages(self) -> bool {
        match self {
            Self::Reset | Self::HalfOpen | Self::HugeFrame => true,
            Self::NeverAnswer | Self::AcceptAndClose | Self::SlowDrip | Self::BadDeflate | Self::Cut => false,
        }
    }

    /// Whether the answer to a request of an HTTP session can go wrong so.
    pub fn is_of_requests(self) -> bool {
        match self {
            Self::NeverAnswer | Self::Reset | Self::SlowDrip | Self::Cut => true,
            Self::AcceptAndClose | Self::HalfOpen | Self::HugeFrame | Self::BadDeflate => false,
        }
    }
}

/// One step, and the line where it begins.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line, from 1.
    pub line: usize,
    /// What happens, or must have happened.
    pub act: Act,
    /// How long it is waited for, where it is.
    pub within: Duration,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Lets time pass.
    Wait(Duration),
    /// Sets parameters as a user.
    Set(BTreeMap<String, Value>),
    /// Parameters must have these values.
    Params(BTreeMap<String, Value>),
    /// Tables must have so many rows.
    Rows(BTreeMap<String, usize>),
    /// Connections must be in these states.
    States(BTreeMap<u32, String>),
    /// The element must be in timeout, or not.
    Timeout(bool),
    /// A peer must have received a message like that, after those that earlier steps found.
    Received(usize, Value),
    /// A peer must have got an opening handshake like that.
    Handshake(usize, Head),
    /// A peer must have got a request like that, with that body.
    Requested(usize, Head, Option<Value>),
    /// A peer must have seen so many of each since the start.
    Seen(usize, Counts),
    /// A peer sends messages on its open links.
    Send(usize, Vec<Value>),
    /// A peer closes its open links.
    Close(usize, u16),
    /// A peer drops its open links without a close frame.
    Drop(usize),
    /// A peer's open links go wrong.
    Fault(usize, Fault),
    /// A peer cannot be reached any more, or again.
    Reachable(usize, bool),
}

/// What a peer has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Opening handshakes.
    pub handshakes: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
    /// Requests of HTTP sessions.
    pub requests: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    title: String,
    protocol: Option<PathBuf>,
    wall: Option<String>,
    seed: Option<u64>,
    within: Option<Time>,
    #[serde(default)]
    element: toml::Table,
    #[serde(default, rename = "peer")]
    peers: Vec<Peer>,
    #[serde(default, rename = "step")]
    steps: Vec<toml::Spanned<RawStep>>,
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
    peer: Option<usize>,
    within: Option<Time>,
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

impl TryFrom<RawRule> for Rule {
    type Error = String;

    fn try_from(raw: RawRule) -> Result<Self, String> {
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
            found.push(When::Request(request_line(&line, raw.headers)?, raw.content));
        }
        found.extend(raw.every.map(|time| When::Every(time.0)));
        let (Some(when), true) = (found.pop(), found.is_empty()) else {
            return Err("a rule waits for one of `handshake`, `message`, `request` and `every`".into());
        };
        if matches!(when, When::Every(every) if every < Duration::from_millis(1)) {
            return Err("`every` is at least 1ms".into());
        }
        let is_handshake = matches!(when, When::Handshake(_));
        let fits = |fault: Fault| match when {
            When::Handshake(_) => fault.is_of_handshakes(),
            When::Message(_) | When::Every(_) => fault.is_of_messages(),
            When::Request(..) => fault.is_of_requests(),
        };
        if let Some(fault) = raw.fault.filter(|fault| !fits(*fault)) {
            return Err(format!("the fault `{}` cannot happen here", fault.name()));
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
        if let Some(status) = answer.status.filter(|status| !(100..=599).contains(status)) {
            return Err(format!("{status} is no status"));
        }
        Ok(Self {
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
        })
    }
}

/// `PUT /air`, `GET /status?full=1`, or a path alone.
fn request_line(line: &str, headers: Option<BTreeMap<String, Value>>) -> Result<Head, String> {
    let (method, path) = match line.split_once(' ') {
        Some((method, path)) => (Some(method.to_owned()), path.trim()),
        None => (None, line),
    };
    if !path.starts_with('/') {
        return Err(format!("`{line}` is no method and path, such as `GET /status`"));
    }
    Ok(Head { method, path: Some(path.to_owned()), headers: headers.unwrap_or_default() })
}

impl RawStep {
    fn act(self, peers: usize) -> Result<(Act, Option<Time>), String> {
        let peer = self.peer.unwrap_or(0);
        let mut of_peer = true;
        let mut found: Vec<Act> = Vec::new();
        if (self.headers.is_some() || self.content.is_some()) && self.requested.is_none() {
            return Err("`headers` and `content` belong to `requested`".into());
        }
        found.extend(self.received.map(|message| Act::Received(peer, message)));
        found.extend(self.handshake.map(|head| Act::Handshake(peer, head)));
        if let Some(line) = self.requested {
            found.push(Act::Requested(peer, request_line(&line, self.headers)?, self.content));
        }
        found.extend(self.seen.map(|counts| Act::Seen(peer, counts)));
        found.extend(self.send.map(|send| Act::Send(peer, send.list())));
        found.extend(self.close.map(|code| Act::Close(peer, code)));
        match self.drop {
            Some(true) => found.push(Act::Drop(peer)),
            Some(false) => return Err("`drop` is `true`".into()),
            None => {}
        }
        if let Some(fault) = self.fault {
            if !fault.is_of_messages() {
                return Err(format!("the fault `{}` cannot happen to an open link", fault.name()));
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
        if let Some(states) = self.states {
            let parse = |(index, state): (String, String)| match index.parse() {
                Ok(index) => Ok((index, state)),
                Err(_) => Err(format!("`{index}` is no index of a connection, such as 0")),
            };
            found.push(Act::States(states.into_iter().map(parse).collect::<Result<_, _>>()?));
        }
        let (Some(act), true) = (found.pop(), found.is_empty()) else {
            return Err(
                "a step has one of `wait`, `set`, `params`, `rows`, `states`, `timeout`, `received`, `handshake`, \
                 `requested`, `seen`, `send`, `close`, `drop`, `fault` and `reachable`"
                    .into(),
            );
        };
        if self.peer.is_some() && !of_peer {
            return Err("`peer` says nothing here".into());
        }
        if of_peer && peer >= peers {
            return Err(format!("there is no peer {peer}: the file has {peers}, counted from 0"));
        }
        Ok((act, self.within))
    }
}

/// Reads a file.
///
/// # Errors
///
/// The first problem, with its line.
pub fn parse(source: &Source) -> Result<File, Problem> {
    let text = source.text();
    let line_at = |offset: usize| text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
    let raw: RawFile = toml::from_str(text).map_err(|error| Problem {
        line: error.span().map(|span| line_at(span.start)),
        message: error.message().to_owned(),
    })?;
    let wall = match &raw.wall {
        None => WALL,
        Some(text) => wall(text).ok_or_else(|| Problem {
            line: None,
            message: format!("`wall` is `{text}`, and not a time such as 2026-01-01T00:00:00Z"),
        })?,
    };
    let within = raw.within.map_or(WITHIN, |time| time.0);
    for word in ["name", "protocol"] {
        if raw.element.contains_key(word) {
            return Err(Problem {
                line: None,
                message: format!("`[element]` has no `{word}` in a scenario"),
            });
        }
    }
    let peers = raw.peers.len();
    let mut steps = Vec::new();
    for step in raw.steps {
        let line = line_at(step.span().start);
        let problem = |message| Problem { line: Some(line), message };
        let (act, own) = step.into_inner().act(peers).map_err(problem)?;
        steps.push(Step { line, act, within: own.map_or(within, |time| time.0) });
    }
    Ok(File {
        title: raw.title,
        protocol: raw.protocol.unwrap_or_else(|| PathBuf::from("protocol.xml")),
        wall,
        seed: raw.seed.unwrap_or(1),
        within,
        element: raw.element,
        peers: raw.peers,
        steps,
    })
}

/// A time in RFC 3339.
fn wall(text: &str) -> Option<Wall> {
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Wall(u64::try_from(since.as_nanos()).ok()?))
}

impl File {
    /// The path of its definition, for a file at `path`.
    pub fn definition(&self, path: &Path) -> PathBuf {
        path.parent().unwrap_or(Path::new(".")).join(&self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(&Source::new("x.scenario.toml", text)).expect_err(text).to_string()
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = r#"
title = "asks"
within = "5s"
wall = "2026-02-03T04:05:06Z"
[element.params]
Path = "x"
[[peer]]
host = "device:80"
[[peer.on]]
handshake = { path = "/x", headers = { Authorization = "Bearer t", Cookie = false } }
send = ["hello", { a = 1 }]
[[peer.on]]
request = "PUT /air"
content = { target = 21 }
answer = { status = 204 }
times = 1
[[step]]
wait = "1h 30m"
[[step]]
params = { 10 = 5 }
within = "250ms"
"#;
        let file = parse(&Source::new("x.scenario.toml", text)).expect("a scenario");
        assert_eq!((file.title.as_str(), file.within, file.seed), ("asks", Duration::from_secs(5), 1));
        assert_eq!(file.wall.rfc3339(), "2026-02-03T04:05:06.000Z");
        assert_eq!(file.definition(Path::new("a/x.scenario.toml")), Path::new("a/protocol.xml"));
        let [first, second] = &file.peers[0].rules[..] else { panic!("two rules") };
        assert!(matches!(&first.when, When::Handshake(head) if head.headers.len() == 2));
        assert_eq!(first.then.send, [Value::from("hello"), serde_json::json!({"a": 1})]);
        let When::Request(head, Some(_)) = &second.when else { panic!("{second:?}") };
        assert_eq!((head.method.as_deref(), head.path.as_deref()), (Some("PUT"), Some("/air")));
        assert_eq!((second.then.status, second.times), (Some(204), Some(1)));
        let [wait, params] = &file.steps[..] else { panic!("two steps") };
        assert!(matches!(wait.act, Act::Wait(time) if time == Duration::from_secs(5_400)));
        assert_eq!((wait.line, params.line), (17, 19));
        assert_eq!((wait.within, params.within), (Duration::from_secs(5), Duration::from_millis(250)));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let check = |text: &str, expected: &str| {
            let found = problem(text);
            assert!(found.starts_with(expected), "{text:?} gives {found:?}");
        };
        check("title = 5", "1: invalid type");
        check("\nabc = 5", "2: unknown field `abc`");
        check("within = \"soon\"", "1: `soon` is no time such as 250ms, 5s or 1h");
        check("within = \"9000h 400days\"", "1: `9000h 400days` is more than 400 days");
        check("wall = \"today\"", "`wall` is `today`, and not a time");
        check("[element]\nname = \"x\"", "`[element]` has no `name` in a scenario");
        check("[[step]]", "1: a step has one of");
        check("\n[[step]]\nwait = \"1s\"\ntimeout = true", "2: a step has one of");
        check("[[step]]\ndrop = true", "1: there is no peer 0: the file has 0");
        check("[[step]]\nwait = \"1s\"\npeer = 1", "1: `peer` says nothing here");
        check("[[peer]]\n[[step]]\nfault = \"cut\"", "2: the fault `cut` cannot happen to an open link");
        check("[[step]]\nstates = { x = \"ready\" }", "1: `x` is no index of a connection");
        check("[[peer]]\n[[peer.on]]\nsend = \"x\"", "2: a rule waits for one of");
        check("[[peer]]\n[[peer.on]]\nrequest = \"status\"", "2: `status` is no method and path");
        check(
            "[[peer]]\n[[peer.on]]\nrequest = \"GET /a\"\nsend = 1",
            "2: a `request` is followed by an `answer`",
        );
        check(
            "[[peer]]\n[[peer.on]]\nmessage = \"a\"\nanswer = { status = 200 }",
            "2: only a `handshake` or",
        );
        check(
            "[[peer]]\n[[peer.on]]\nmessage = \"a\"\nfault = \"bad-deflate\"",
            "2: the fault `bad-deflate` cannot",
        );
        check("[[peer]]\n[[peer.on]]\nmessage = \"a\"\nfault = \"none\"", "4: unknown variant `none`");
        check("[[peer]]\n[[peer.on]]\nhandshake = {}\nanswer = { status = 99 }", "2: 99 is no status");
        check("[[peer]]\n[[peer.on]]\nevery = \"0s\"", "2: `every` is at least 1ms");
    }

    #[test]
    fn each_fault_has_its_name_and_a_place_where_it_can_happen() {
        for fault in FAULTS {
            let read: Fault = serde_json::from_value(fault.name().into()).expect("a fault");
            assert_eq!(read, fault);
            assert!(fault.is_of_handshakes() || fault.is_of_messages() || fault.is_of_requests());
        }
    }
}
