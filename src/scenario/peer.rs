//! A peer that does what a scenario says: answers handshakes, messages and requests, also wrongly; judges nothing.

mod link;
mod serve;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use minijinja::value::{Serde, Value as Filler};
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use super::expect::{self, Content};
use super::file::{self, Fault, Head, Rule, Then, When};
use crate::element::clock::{self, Clock};

pub use self::serve::run;
pub(in crate::scenario) use self::serve::{DRIP, response};

/// What of the past is kept for the steps of a test.
const MAX_ENTRIES: usize = 10_000;

/// Orders that a link may be behind with.
const ORDERS: usize = 64;

/// The longest body of a request.
const MAX_BODY: usize = 64 << 20;

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
    /// What the scenario got wrong, such as a template that cannot be filled in.
    pub problems: Vec<String>,
    next: u64,
}

/// What a peer is told to do while it runs.
#[derive(Clone, Debug)]
pub enum Order {
    /// Send these messages on each open link.
    Send(Vec<Value>),
    /// Close each open link with this code.
    Close(u16),
    /// Drop each open link.
    Drop,
    /// Let each open link go wrong.
    Fault(Fault),
}

/// A peer.
#[derive(Debug)]
pub struct Peer {
    described: file::Peer,
    clock: Clock,
    used: Mutex<Vec<u32>>,
    log: Mutex<Log>,
    orders: broadcast::Sender<Order>,
    reachable: watch::Sender<bool>,
}

/// The answer to a request of an HTTP session.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How long it takes.
    pub after: Duration,
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Peer {
    /// A peer; `clock` gives its templates the time.
    pub fn new(described: file::Peer, clock: Clock) -> Self {
        let used = Mutex::new(vec![0; described.rules.len()]);
        let (orders, _) = broadcast::channel(ORDERS);
        let (reachable, _) = watch::channel(true);
        Self { described, clock, used, log: Mutex::default(), orders, reachable }
    }

    /// The host that it answers for; none for every one that no other peer answers for.
    pub fn host(&self) -> Option<&str> {
        self.described.host.as_deref()
    }

    /// Tells its open links what to do; how many hear it.
    pub fn order(&self, order: Order) -> u64 {
        let reached = self.read(|log| log.totals.reached(&order));
        // Without a link there is nobody to hear it.
        let _nobody_hears = self.orders.send(order);
        reached
    }

    /// Lets it be reached, or not: then its connections stay, and nothing goes over them in either direction.
    pub fn set_reachable(&self, reachable: bool) {
        self.reachable.send_replace(reachable);
    }

    /// Whether it can be reached.
    pub fn is_reachable(&self) -> bool {
        *self.reachable.borrow()
    }

    /// Looks at what it has seen.
    pub fn read<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        change(&mut self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn note(&self, entry: Entry) {
        tracing::info!(%entry, "the simulated peer got");
        self.write(|log| {
            match entry {
                Entry::Handshake(..) => log.totals.handshakes += 1,
                Entry::Message(_) => log.totals.messages += 1,
                Entry::Request(..) => log.totals.requests += 1,
            }
            if log.entries.len() >= MAX_ENTRIES {
                log.entries.pop_front();
            }
            let number = log.next;
            log.next += 1;
            log.entries.push_back((number, entry));
        });
    }

    fn problem(&self, problem: String) {
        tracing::warn!(problem, "the scenario");
        self.write(|log| {
            // One is enough to fail a test; a loop must not fill the memory.
            if log.problems.len() < 20 {
                log.problems.push(problem);
            }
        });
    }

    /// The first rule that fits and is not used up, with the number of its use from 1.
    ///
    /// Where there are rules and none fits, the difference to the nearest of them.
    fn rule(&self, fits: impl Fn(&When) -> Option<Result<(), expect::Difference>>) -> Found<'_> {
        let mut used = self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut nearest: Option<expect::Difference> = None;
        let mut any = false;
        for (rule, used) in self.described.rules.iter().zip(used.iter_mut()) {
            match fits(&rule.when) {
                None => {}
                Some(Ok(())) => match claim(rule, used) {
                    Some(count) => return Found::Rule(rule, count),
                    None => any = true,
                },
                Some(Err(difference)) => {
                    any = true;
                    if nearest.as_ref().is_none_or(|nearest| difference.depth > nearest.depth) {
                        nearest = Some(difference);
                    }
                }
            }
        }
        match (any, nearest) {
            (false, _) => Found::NoRules,
            (true, Some(difference)) => Found::None(difference.to_string()),
            (true, None) => Found::None("its rules are used up".into()),
        }
    }

    /// What becomes of an opening handshake.
    fn handshake(&self, path: &str, headers: &HeaderMap) -> (Then, Duration, Value) {
        let by_name = by_name(headers);
        self.note(Entry::Handshake(path.to_owned(), by_name.clone()));
        let context = json!({"path": path, "headers": joined(&by_name)});
        let found = self.rule(|when| match when {
            When::Handshake(head) => Some(expect::head(head, "GET", path, &by_name)),
            When::Message(_) | When::Request(..) | When::Every(_) => None,
        });
        match found {
            Found::Rule(rule, count) => (rule.then.clone(), rule.after, with_count(context, count)),
            // A peer that says nothing of handshakes takes each.
            Found::NoRules => (Then::default(), Duration::ZERO, context),
            Found::None(difference) => {
                let body = format!("no rule of the scenario fits this handshake: {difference}\n");
                let then = Then { status: Some(404), body: Some(Value::String(body)), ..Then::default() };
                (then, Duration::ZERO, Value::Null)
            }
        }
    }

    /// What a message is answered with; none where no rule fits.
    fn message(&self, content: &Content) -> Option<(&Rule, Value)> {
        self.note(Entry::Message(content.clone()));
        let found = self.rule(|when| match when {
            When::Message(expected) => Some(expect::content(expected, content)),
            When::Handshake(_) | When::Request(..) | When::Every(_) => None,
        });
        match found {
            Found::Rule(rule, count) => {
                Some((rule, with_count(json!({"message": of_content(content)}), count)))
            }
            Found::NoRules | Found::None(_) => None,
        }
    }

    /// What a request of an HTTP session is answered with.
    pub fn answer(&self, method: &str, path: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
        let (by_name, content) = (by_name(headers), Content::new(body));
        self.note(Entry::Request(method.to_owned(), path.to_owned(), by_name.clone(), content.clone()));
        let found = self.rule(|when| match when {
            When::Request(head, expected) => {
                Some(expect::head(head, method, path, &by_name).and_then(|()| {
                    expected.as_ref().map_or(Ok(()), |expected| expect::content(expected, &content))
                }))
            }
            When::Handshake(_) | When::Message(_) | When::Every(_) => None,
        });
        let context = json!({"path": path, "headers": joined(&by_name), "content": of_content(&content)});
        match found {
            Found::Rule(rule, count) => self.made(rule, &with_count(context, count)),
            Found::NoRules | Found::None(_) => {
                let why = match found {
                    Found::None(difference) => difference,
                    Found::NoRules | Found::Rule(..) => "it has none for requests".into(),
                };
                let body = format!("no rule of the scenario fits {method} {path}: {why}\n");
                Answer {
                    after: Duration::ZERO,
                    fault: None,
                    status: 404,
                    headers: vec![("content-type".into(), "text/plain".into())],
                    body: Bytes::from(body),
                }
            }
        }
    }

    fn made(&self, rule: &Rule, context: &Value) -> Answer {
        let then = &rule.then;
        let mut headers: Vec<(String, String)> =
            then.headers.iter().map(|(name, value)| (name.clone(), self.text(value, context))).collect();
        let body = match &then.body {
            None => Bytes::new(),
            Some(body) => match self.filled(body, context) {
                Value::String(text) => Bytes::from(text),
                json => {
                    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                        headers.push(("content-type".into(), "application/json".into()));
                    }
                    Bytes::from(json.to_string())
                }
            },
        };
        Answer { after: rule.after, fault: then.fault, status: then.status.unwrap_or(200), headers, body }
    }

    /// A text with what stands in its double braces.
    fn text(&self, text: &str, context: &Value) -> String {
        match self.filled(&Value::String(text.to_owned()), context) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// A value of the scenario with the templates in its texts filled in; one that is a template only keeps its type.
    fn filled(&self, value: &Value, context: &Value) -> Value {
        match value {
            Value::String(text) if text.contains("{{") || text.contains("{%") => self.template(text, context),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
            Value::Array(list) => list.iter().map(|value| self.filled(value, context)).collect(),
            Value::Object(members) => Value::Object(
                members.iter().map(|(name, value)| (name.clone(), self.filled(value, context))).collect(),
            ),
        }
    }

    fn template(&self, text: &str, context: &Value) -> Value {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(100_000));
        let wall = self.clock.wall(clock::now());
        environment.add_global("now", wall.rfc3339());
        environment.add_global("unix", wall.0 / 1_000_000_000);
        environment.add_global("unix_ms", wall.0 / 1_000_000);
        let alone = text
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"))
            .filter(|inner| !inner.contains("{{") && !inner.contains("}}"));
        let filled = match alone {
            Some(expression) => environment
                .compile_expression(expression.trim())
                .and_then(|expression| expression.eval(Filler::from(Serde(context))))
                .and_then(|value| match value.is_undefined() {
                    true => Err(minijinja::ErrorKind::UndefinedError.into()),
                    false => Ok(serde_json::to_value(value).unwrap_or(Value::Null)),
                }),
            None => environment.render_str(text, Filler::from(Serde(context))).map(Value::String),
        };
        filled.unwrap_or_else(|error| {
            self.problem(format!("`{text}` cannot be filled in: {error:#}"));
            Value::String(text.to_owned())
        })
    }

    /// The rules that are followed by the clock while a link is open, with their places.
    fn clocks(&self) -> impl Iterator<Item = (Duration, usize)> {
        self.described.rules.iter().enumerate().filter_map(|(place, rule)| match rule.when {
            When::Every(every) => Some((every, place)),
            When::Handshake(_) | When::Message(_) | When::Request(..) => None,
        })
    }

    /// Uses the rule at a place by the clock; none if it is used up.
    fn tick(&self, place: usize) -> Option<(&Rule, Value)> {
        let mut used = self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let rule = self.described.rules.get(place)?;
        let count = claim(rule, used.get_mut(place)?)?;
        Some((rule, with_count(json!({}), count)))
    }
}

/// Uses a rule once more: the number of the use, from 1; none if it is used up.
fn claim(rule: &Rule, used: &mut u32) -> Option<u32> {
    if rule.times.is_some_and(|times| *used >= times) {
        return None;
    }
    *used = used.saturating_add(1);
    Some(*used)
}

enum Found<'a> {
    Rule(&'a Rule, u32),
    /// There are rules of the kind, and none fits; why.
    None(String),
    NoRules,
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Handshake(path, _) => write!(f, "a handshake for {path}"),
            Self::Message(content) => write!(f, "the message {content}"),
            Self::Request(method, path, _, content) if content.text.is_empty() => {
                write!(f, "{method} {path}")
            }
            Self::Request(method, path, _, content) => write!(f, "{method} {path} with {content}"),
        }
    }
}

impl Entry {
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

fn with_count(mut context: Value, count: u32) -> Value {
    if let Value::Object(members) = &mut context {
        members.insert("count".into(), count.into());
    }
    context
}

fn of_content(content: &Content) -> Value {
    content.json.clone().unwrap_or_else(|| Value::String(content.text.clone()))
}

fn by_name(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        by_name.entry(name.as_str().to_owned()).or_default().push(value);
    }
    by_name
}

/// For templates: names with `_` for `-`, so that `headers.user_agent` works.
fn joined(headers: &BTreeMap<String, Vec<String>>) -> Value {
    headers.iter().map(|(name, values)| (name.replace('-', "_"), Value::String(values.join(", ")))).collect()
}

#[cfg(test)]
mod tests;
