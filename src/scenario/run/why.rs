//! What else went wrong in a scenario that fails, for the people who look for the reason; decides nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::element::handle::{TapEvent, WireEvent};
use crate::element::queue;
use crate::element::status::{ConnectionStatus, LinkStatus, ScriptFault, Status};
use crate::element::witness::Told;
use crate::scenario::expect::{Content, cut};
use crate::scenario::peer::{Peer, Repeats};

/// How much is shown of each: what no rule of a peer fitted, what the engine reported, how scripts failed.
const SHOWN: usize = 3;

/// How many failures of scripts are kept for the steps that look for them.
const MAX_FAILURES: usize = 1_000;

/// Remembers what went wrong: the last message of each connection that no response took, reports, failures of scripts.
pub(super) struct Noticed {
    tap: Option<queue::Receiver<TapEvent>>,
    told: queue::Receiver<Told>,
    /// By index of the connection.
    unmatched: Vec<(u32, String)>,
    reports: Repeats<SHOWN>,
    /// Each with its number from 0.
    failures: VecDeque<(u64, Arc<ScriptFault>)>,
}

impl Noticed {
    pub(super) fn new(tap: Option<queue::Receiver<TapEvent>>, told: queue::Receiver<Told>) -> Self {
        Self { tap, told, unmatched: Vec::new(), reports: Repeats::default(), failures: VecDeque::new() }
    }

    /// The failures of scripts from a number on, each with its number; those that are older than [`MAX_FAILURES`] are left out.
    pub(super) fn failures(&self, from: u64) -> impl DoubleEndedIterator<Item = (u64, &ScriptFault)> {
        let failures = self.failures.iter().map(|(number, fault)| (*number, &**fault));
        failures.filter(move |(number, _)| *number >= from)
    }

    /// Takes what has happened since the last look.
    pub(super) fn look(&mut self) {
        while let Some(Some(told)) = self.told.recv().now_or_never() {
            match told {
                Told::Report(text) => self.reports.add(cut(&text)),
                Told::ScriptFailed(fault) => {
                    let number = self.failures.back().map_or(0, |(last, _)| last + 1);
                    if self.failures.len() >= MAX_FAILURES {
                        self.failures.pop_front();
                    }
                    self.failures.push_back((number, fault));
                }
            }
        }
        let Some(tap) = &mut self.tap else { return };
        while let Some(Some(event)) = tap.recv().now_or_never() {
            if let WireEvent::Received(_, payload, None) = event.wire {
                self.unmatched.retain(|(connection, _)| *connection != event.connection);
                self.unmatched.push((event.connection, Content::new(&payload.shown).to_string()));
            }
        }
    }
}

/// Everything that may be the reason, a line each.
pub(super) fn reasons(status: &Status, peers: &[Arc<Peer>], noticed: &Noticed) -> Vec<String> {
    let mut reasons: Vec<String> =
        status.connections.iter().flat_map(|connection| of_connection(connection, noticed)).collect();
    reasons.extend(noticed.reports.last(SHOWN));
    let mut failures = Repeats::<SHOWN>::default();
    noticed.failures(0).for_each(|(_, fault)| failures.add(of_script(fault)));
    reasons.extend(failures.last(SHOWN));
    for (number, peer) in peers.iter().enumerate() {
        peer.read(|log| {
            reasons.extend(log.unmatched.last(SHOWN).map(|what| format!("peer {number}: {what}")));
        });
    }
    reasons
}

/// How a script failed.
pub(super) fn of_script(fault: &ScriptFault) -> String {
    let place = if fault.place.is_empty() { String::new() } else { format!(" ({})", fault.place) };
    format!("script {} failed: {}{place}", fault.script, cut(&fault.text))
}

fn of_connection(connection: &ConnectionStatus, noticed: &Noticed) -> Vec<String> {
    let name = match connection.name.as_ref() {
        "" => format!("connection {}", connection.index),
        name => format!("connection {} ({})", connection.index, cut(name)),
    };
    let mut reasons = Vec::new();
    if let Some(link) = &connection.link {
        reasons.extend(of_link(&name, link));
        if link.counters.unmatched > 0 {
            let last = noticed.unmatched.iter().find(|(index, _)| *index == connection.index);
            let last = last.map(|(_, message)| format!(", the last: {message}")).unwrap_or_default();
            let count = link.counters.unmatched;
            let messages = if count == 1 { "message" } else { "messages" };
            reasons
                .push(format!("{name}: {count} {messages} that no response of the definition takes{last}"));
        }
    }
    if let Some(http) = &connection.http {
        if let Some(failure) = &http.last_failure {
            reasons.push(format!("{name}: a request failed: {}", cut(&failure.summary)));
        } else if let Some((line, _)) = http.answered.as_ref().filter(|_| http.refusals > 0) {
            let requests = match http.refusals {
                1 => "1 request was refused".to_owned(),
                count => format!("{count} requests were refused"),
            };
            reasons.push(format!("{name}: {requests}; the last answer: {}", cut(line)));
        }
        if let Some(note) = connection.token.as_ref().and_then(|token| token.note.as_ref()) {
            reasons.push(format!("{name}: the token: {}", cut(note)));
        }
    }
    reasons
}

/// Why a link is not as it should be, if it is not.
fn of_link(name: &str, link: &LinkStatus) -> Option<String> {
    let state = link.state;
    let target = link.target.as_deref().map(|target| format!(" to {}", cut(target))).unwrap_or_default();
    if let Some(failure) = &link.last_failure {
        return Some(format!("{name} is {state}; the link{target} failed: {}", cut(&failure.summary)));
    }
    if state == "ready" {
        return None;
    }
    let cause = match &link.last_close {
        Some(close) => format!(", closed with {} by {}", close.code, cut(&close.by)),
        None => link.cause.as_deref().map(|cause| format!(": {}", cut(cause))).unwrap_or_default(),
    };
    Some(format!("{name} is {state}{cause}"))
}
