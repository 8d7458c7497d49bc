//! A peer that does what a scenario says: answers handshakes, messages and requests, also wrongly; judges nothing.

mod fill;
mod link;
mod log;
mod serve;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use super::expect::{self, Content};
use super::file::{self, Fault, Rule, Then, When};
use crate::element::clock::Clock;

pub use self::log::{Entry, Log, Repeats, Totals};
pub use self::serve::run;
pub(in crate::scenario) use self::serve::{DRIP, response};

/// Orders that a link may be behind with.
const ORDERS: usize = 64;

/// The longest body of a request.
const MAX_BODY: usize = 64 << 20;

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
        self.write(|log| log.add(entry));
    }

    /// Remembers what no rule fitted, and why.
    fn unmatched(&self, what: &Entry, why: &str) {
        self.write(|log| log.unmatched.add(format!("no rule fits {what}: {why}")));
    }

    fn problem(&self, problem: String) {
        tracing::warn!(problem, "the scenario");
        self.write(|log| log.add_problem(problem));
    }

    /// The first rule that fits and is not used up, with the number of its use from 1.
    ///
    /// Where there are rules and none fits, the difference to the nearest of them.
    fn rule(&self, fits: impl Fn(&When) -> Option<Result<(), expect::Difference>>) -> Found<'_> {
        let mut used = self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut nearest: Option<(usize, String)> = None;
        for (rule, used) in self.described.rules.iter().zip(used.iter_mut()) {
            match fits(&rule.when) {
                None => {}
                Some(Ok(())) => match claim(rule, used) {
                    Some(count) => return Found::Rule(rule, count),
                    // Nothing is nearer than a rule that fits.
                    None => nearest = Some((usize::MAX, format!("{} is used up (`times`)", at(rule)))),
                },
                Some(Err(difference))
                    if nearest.as_ref().is_none_or(|(depth, _)| difference.depth > *depth) =>
                {
                    nearest = Some((difference.depth, format!("{} differs: {difference}", at(rule))));
                }
                Some(Err(_)) => {}
            }
        }
        nearest.map_or(Found::NoRules, |(_, why)| Found::None(why))
    }

    /// What becomes of an opening handshake.
    fn handshake(&self, path: &str, headers: &HeaderMap) -> (Then, Duration, Value) {
        let by_name = by_name(headers);
        let entry = Entry::Handshake(path.to_owned(), by_name.clone());
        self.note(entry.clone());
        let context = json!({"path": path, "headers": joined(&by_name)});
        let found = self.rule(|when| match when {
            When::Handshake(head) => Some(expect::head(head, "GET", path, &by_name)),
            When::Message(_) | When::Request(..) | When::Every(_) => None,
        });
        match found {
            Found::Rule(rule, count) => (rule.then.clone(), rule.after, with_count(context, count)),
            // A peer that says nothing of handshakes takes each.
            Found::NoRules => (Then::default(), Duration::ZERO, context),
            Found::None(why) => {
                self.unmatched(&entry, &why);
                let body = format!("no rule of the scenario fits this handshake: {why}\n");
                let then = Then { status: Some(404), body: Some(Value::String(body)), ..Then::default() };
                (then, Duration::ZERO, Value::Null)
            }
        }
    }

    /// What a message is answered with; none where no rule fits.
    fn message(&self, content: &Content) -> Option<(&Rule, Value)> {
        let entry = Entry::Message(content.clone());
        self.note(entry.clone());
        let found = self.rule(|when| match when {
            When::Message(expected) => Some(expect::content(expected, content)),
            When::Handshake(_) | When::Request(..) | When::Every(_) => None,
        });
        match found {
            Found::Rule(rule, count) => {
                Some((rule, with_count(json!({"message": of_content(content)}), count)))
            }
            Found::None(why) => {
                self.unmatched(&entry, &why);
                None
            }
            Found::NoRules => None,
        }
    }

    /// What a request of an HTTP session is answered with.
    pub fn answer(&self, method: &str, path: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
        let (by_name, content) = (by_name(headers), Content::new(body));
        let entry = Entry::Request(method.to_owned(), path.to_owned(), by_name.clone(), content.clone());
        self.note(entry.clone());
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
                    Found::None(why) => why,
                    Found::NoRules | Found::Rule(..) => "it has none for requests".into(),
                };
                self.unmatched(&entry, &why);
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
        let (body, is_json) =
            then.body.as_ref().map_or((Bytes::new(), false), |body| self.body(body, context));
        if is_json && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".into(), "application/json".into()));
        }
        Answer { after: rule.after, fault: then.fault, status: then.status.unwrap_or(200), headers, body }
    }

    /// A body, and whether it is JSON.
    fn body(&self, body: &Value, context: &Value) -> (Bytes, bool) {
        match self.filled(body, context) {
            Value::String(text) => (text.into(), false),
            other => match self.bytes(&other) {
                Some(bytes) => (bytes, false),
                None => (other.to_string().into(), true),
            },
        }
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

/// A rule by the line where it stands.
fn at(rule: &Rule) -> String {
    match rule.line {
        Some(line) => format!("the rule in line {line}"),
        None => "the rule for everything".to_owned(),
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
