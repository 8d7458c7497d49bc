//! Looks for what a step expects in what a peer has seen; waits for nothing.

use std::collections::HashMap;

use super::Look;
use crate::scenario::expect::{Difference, short};
use crate::scenario::file::{Act, Counts};
use crate::scenario::peer::{Entry, Peer, Totals};

/// What a step looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Handshake,
    Message,
    Request,
}

/// What steps have found so far: of each peer and kind the number of the first entry that none has found yet.
#[derive(Debug, Default)]
pub(super) struct Cursors(HashMap<(usize, Kind), u64>);

impl Cursors {
    /// Looks for what a step expects of a peer; none if it expects nothing of one.
    pub(super) fn look(&mut self, act: &Act, peers: &[impl AsRef<Peer>]) -> Option<Look> {
        let peer = |number: usize| peers[number].as_ref();
        Some(match act {
            Act::Received(number, expected) => {
                let what = format!("a message with {}", short(expected));
                self.find((*number, Kind::Message), peer(*number), &what, |entry| {
                    entry.against_message(expected)
                })
            }
            Act::Handshake(number, expected) => {
                let what = "an opening handshake like this";
                self.find((*number, Kind::Handshake), peer(*number), what, |entry| {
                    entry.against_handshake(expected)
                })
            }
            Act::Requested(number, expected, body) => {
                let method = expected.method.as_deref().unwrap_or("any method");
                let what = format!("{method} {}", expected.path.as_deref().unwrap_or("anywhere"));
                self.find((*number, Kind::Request), peer(*number), &what, |entry| {
                    entry.against_request(expected, body.as_ref())
                })
            }
            Act::Seen(number, expected) => seen(*expected, peer(*number).read(|log| log.totals)),
            Act::Params(_)
            | Act::Rows(_)
            | Act::States(_)
            | Act::Timeout(_)
            | Act::ScriptFailed(_)
            | Act::Wait(_)
            | Act::Set(_)
            | Act::Send(..)
            | Act::Close(..)
            | Act::Drop(_)
            | Act::Fault(..)
            | Act::Reachable(..) => return None,
        })
    }

    /// Looks for an entry that no earlier step has found.
    fn find(
        &mut self,
        of: (usize, Kind),
        peer: &Peer,
        what: &str,
        fits: impl Fn(&Entry) -> Option<Result<(), Difference>>,
    ) -> Look {
        let cursor = self.0.entry(of).or_insert(0);
        let first = *cursor;
        let found = peer.read(|log| {
            let mut differences = Vec::new();
            for (number, entry) in log.entries.iter().filter(|(number, _)| *number >= *cursor) {
                match fits(entry) {
                    Some(Ok(())) => return Ok(*number),
                    Some(Err(difference)) => differences.push((difference, entry)),
                    None => {}
                }
            }
            // The nearest first; of equally near ones the last.
            differences.reverse();
            differences.sort_by_key(|(difference, _)| std::cmp::Reverse(difference.depth));
            let mut nearest: Vec<String> = Vec::new();
            for (difference, entry) in &differences {
                let line = format!("\n  {entry}: {difference}");
                if nearest.len() < 3 && !nearest.contains(&line) {
                    nearest.push(line);
                }
            }
            Err((differences.len(), nearest.concat()))
        });
        match found {
            Ok(number) => {
                *cursor = number + 1;
                Look::Good
            }
            Err((count, nearest)) => {
                let of = of.0;
                let others = match count {
                    0 if first == 0 => ", nor any other".to_owned(),
                    0 => ", nor any other since the last one that was found".to_owned(),
                    1 => format!("; it got another:{nearest}"),
                    count => format!("; it got {count} others, the nearest first:{nearest}"),
                };
                Look::Not(format!("peer {of} did not get {what}{others}"))
            }
        }
    }
}

/// Compares counts; what is too many stays so.
fn seen(expected: Counts, found: Totals) -> Look {
    let pairs = [
        ("opening handshakes", expected.handshakes, found.handshakes),
        ("messages", expected.messages, found.messages),
        ("requests", expected.requests, found.requests),
    ];
    let mut look = Look::Good;
    for (what, expected, found) in pairs {
        let Some(expected) = expected else { continue };
        let why = format!("the peer has seen {found} {what}, not {expected}");
        if found > expected {
            return Look::Never(why);
        }
        if found < expected {
            look = Look::Not(why);
        }
    }
    look
}
