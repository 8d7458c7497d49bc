//! What else went wrong in a scenario that fails, for the people who look for the reason; decides nothing.

use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::element::handle::{TapEvent, WireEvent};
use crate::element::queue;
use crate::element::status::{ConnectionStatus, LinkStatus, ScriptStatus, Status};
use crate::scenario::expect::{Content, cut};
use crate::scenario::peer::Peer;

/// How much is shown of what no rule of a peer fitted.
const SHOWN: usize = 3;

/// Remembers the last message of each connection that no response took.
#[derive(Default)]
pub(super) struct Unmatched {
    tap: Option<queue::Receiver<TapEvent>>,
    /// By index of the connection.
    last: Vec<(u32, String)>,
}

impl Unmatched {
    pub(super) fn new(tap: Option<queue::Receiver<TapEvent>>) -> Self {
        Self { tap, last: Vec::new() }
    }

    /// Takes what has happened since the last look.
    pub(super) fn look(&mut self) {
        let Some(tap) = &mut self.tap else { return };
        while let Some(Some(event)) = tap.recv().now_or_never() {
            if let WireEvent::Received(_, payload, None) = event.wire {
                self.last.retain(|(connection, _)| *connection != event.connection);
                self.last.push((event.connection, Content::new(&payload.shown).to_string()));
            }
        }
    }
}

/// Everything that may be the reason, a line each.
pub(super) fn reasons(status: &Status, peers: &[Arc<Peer>], unmatched: &Unmatched) -> Vec<String> {
    let mut reasons: Vec<String> =
        status.connections.iter().flat_map(|connection| of_connection(connection, unmatched)).collect();
    if let Some(scripts) = &status.scripts {
        reasons.extend(of_scripts(scripts));
    }
    for (number, peer) in peers.iter().enumerate() {
        peer.read(|log| {
            let skipped = log.unmatched.len().saturating_sub(SHOWN);
            reasons.extend(log.unmatched.iter().skip(skipped).map(|(what, count)| match count {
                1 => format!("peer {number}: {what}"),
                count => format!("peer {number}: {what} ({count} times)"),
            }));
        });
    }
    reasons
}

/// How scripts failed, if they did.
pub(super) fn of_scripts(scripts: &ScriptStatus) -> Option<String> {
    let failed = scripts.last_failure.as_ref().filter(|_| scripts.counters.failures > 0)?;
    let place = if failed.place.is_empty() { String::new() } else { format!(" ({})", failed.place) };
    let more = match scripts.counters.failures {
        1 => String::new(),
        count => format!("; {count} runs of scripts failed, and this is the last that was told"),
    };
    Some(format!("script {} failed: {}{place}{more}", failed.script, cut(&failed.text)))
}

fn of_connection(connection: &ConnectionStatus, unmatched: &Unmatched) -> Vec<String> {
    let name = match connection.name.as_ref() {
        "" => format!("connection {}", connection.index),
        name => format!("connection {} ({})", connection.index, cut(name)),
    };
    let mut reasons = Vec::new();
    if let Some(link) = &connection.link {
        reasons.extend(of_link(&name, link));
        if link.counters.unmatched > 0 {
            let last = unmatched.last.iter().find(|(index, _)| *index == connection.index);
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
