//! Why a link moved or changed its state, and the changes that one window gathers; never holds a secret as text.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::engine::link::policy::Rejection;
use crate::value::{Secret, Value};

/// More parameters than this in one window and the move no longer lists them; it happens all the same.
const MAX_LISTED: usize = 64;

/// The most characters of a value that a cause shows.
const MAX_SHOWN: usize = 120;

/// Who set a value or asked for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The engine: a response, a copy, a trigger. Counts only if the value differs.
    Engine,
    /// A person.
    User,
    /// A script of the definition.
    Script,
    /// A program.
    Api,
}

impl Origin {
    /// Whether a set counts even if the value is the same as before.
    pub fn is_forced(self) -> bool {
        match self {
            Self::Engine => false,
            Self::User | Self::Script | Self::Api => true,
        }
    }
}

/// The values of a watched parameter before and after it was set.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Values that may be shown.
    Shown {
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
    /// Values that may only be compared.
    Secret {
        /// Before.
        old: Secret<Value>,
        /// After.
        new: Secret<Value>,
    },
}

impl Values {
    /// Whether both are the same.
    pub fn is_same(&self) -> bool {
        match self {
            Self::Shown { old, new } => old == new,
            Self::Secret { old, new } => old == new,
        }
    }

    /// Takes over what another set, later, ended with.
    fn extend(&mut self, later: Self) {
        match (self, later) {
            (Self::Shown { new, .. }, Self::Shown { new: last, .. }) => *new = last,
            (Self::Secret { new, .. }, Self::Secret { new: last, .. }) => *new = last,
            // A parameter does not become secret while it runs; if the caller says so, nothing may be shown.
            (this @ Self::Shown { .. }, later @ Self::Secret { .. }) => *this = later,
            (Self::Secret { new, .. }, Self::Shown { new: last, .. }) => *new = Secret::new(last),
        }
    }
}

/// One set of a watched parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The parameter's id as the author wrote it.
    pub param: u32,
    /// Before and after.
    pub values: Values,
    /// Who set it.
    pub by: Origin,
}

impl fmt::Display for Change {
    /// Writes `parameter 8: "/a" -> "/b"`, of a secret only `parameter 9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parameter {}", self.param)?;
        match &self.values {
            Values::Secret { .. } => Ok(()),
            Values::Shown { old, new } if old == new => write!(f, ": {} set again", Shown(new)),
            Values::Shown { old, new } => write!(f, ": {} -> {}", Shown(old), Shown(new)),
        }
    }
}

struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Empty => f.write_str("empty"),
            Value::Number(_) => f.write_str(&self.0.to_text()),
            Value::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Value::Text(text) => {
                let text = without_credentials(text);
                match text.char_indices().nth(MAX_SHOWN) {
                    Some((end, _)) => write!(f, "{:?}...", text.get(..end).unwrap_or_default()),
                    None => write!(f, "{text:?}"),
                }
            }
        }
    }
}

/// An address without its user name and password (RFC 3986, 3.2.1), which are secret even where their parameter is not.
fn without_credentials(text: &str) -> Cow<'_, str> {
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None => ("", text),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // A slash in a password that is not escaped: what stands before it is no host and port.
    let is_place = authority.contains('@')
        || authority.ends_with(']')
        || authority.rsplit_once(':').is_none_or(|(_, port)| port.is_empty() || port.parse::<u16>().is_ok());
    if !is_place && let Some((_, host)) = path.rsplit_once('@') {
        return Cow::Owned(format!("{scheme}***@{host}"));
    }
    match authority.rsplit_once('@') {
        // Without a scheme and a password, it is more likely no address.
        Some((user, host)) if !scheme.is_empty() || user.contains(':') => {
            Cow::Owned(format!("{scheme}***@{host}{path}"))
        }
        Some(_) | None => Cow::Borrowed(text),
    }
}

/// Why a link changed its state, or moved; `Display` is what logs and pages show.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// The address became known.
    TargetKnown,
    /// The address became empty.
    TargetEmpty,
    /// Watched parameters were set; empty if there were too many to list.
    Params(Arc<[Change]>),
    /// The action `reconnect`.
    Reconnect(Origin),
    /// The action `open`.
    Open,
    /// The action `close`.
    Close,
    /// The element stops.
    Stop,
    /// The handshake succeeded.
    Opened,
    /// The dial failed.
    DialFailed,
    /// The dial had no end within its deadline.
    DialTimeout,
    /// The peer closed, or the socket failed, with the close code if there was one.
    Lost(Option<u16>),
    /// The application's heartbeat had no answer.
    HeartbeatLost,
    /// The peer will not have us.
    Rejected(Rejection),
    /// The wait is over.
    Retry,
    /// The old link has closed.
    Closed,
    /// The old link did not close in time and was dropped.
    CloseTimeout,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TargetKnown => f.write_str("address known"),
            Self::TargetEmpty => f.write_str("address empty"),
            Self::Params(changes) if changes.is_empty() => f.write_str("many parameters"),
            Self::Params(changes) => {
                for (index, change) in changes.iter().enumerate() {
                    write!(f, "{}{change}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Self::Reconnect(_) => f.write_str("action reconnect"),
            Self::Open => f.write_str("action open"),
            Self::Close => f.write_str("action close"),
            Self::Stop => f.write_str("element stops"),
            Self::Opened => f.write_str("handshake succeeded"),
            Self::DialFailed => f.write_str("dial failed"),
            Self::DialTimeout => f.write_str("dial timed out"),
            Self::Lost(Some(code)) => write!(f, "closed by the peer with code {code}"),
            Self::Lost(None) => f.write_str("link lost"),
            Self::HeartbeatLost => f.write_str("heartbeat not answered"),
            Self::Rejected(reason) => write!(f, "rejected: {reason}"),
            Self::Retry => f.write_str("wait is over"),
            Self::Closed => f.write_str("old link closed"),
            Self::CloseTimeout => f.write_str("old link did not close in time"),
        }
    }
}

/// The changes of one window: the value before the first set and after the last, a parameter each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    // Invariant: one entry a parameter, at most `MAX_LISTED`.
    list: Vec<Change>,
    forced: bool,
    overflowed: bool,
}

impl Changes {
    pub(crate) fn add(&mut self, change: Change) {
        self.forced |= change.by.is_forced();
        if let Some(known) = self.list.iter_mut().find(|known| known.param == change.param) {
            known.values.extend(change.values);
            if change.by.is_forced() {
                known.by = change.by;
            }
        } else if self.list.len() < MAX_LISTED {
            self.list.push(change);
        } else {
            self.overflowed = true;
        }
    }

    pub(crate) fn absorb(&mut self, later: &Self) {
        for change in &later.list {
            self.add(change.clone());
        }
        self.overflowed |= later.overflowed;
        self.forced |= later.forced;
    }

    /// Somebody asks for a move, whatever the values are.
    pub(crate) fn force(&mut self) {
        self.forced = true;
    }

    /// Whether someone asked for a move, whatever the values are.
    pub(crate) fn is_forced(&self) -> bool {
        self.forced
    }

    /// Whether every value is again what it was before the first change.
    pub(crate) fn is_undone(&self) -> bool {
        !self.overflowed && self.list.iter().all(|change| change.values.is_same())
    }

    pub(crate) fn cause(&self) -> Cause {
        if self.overflowed {
            return Cause::Params(Arc::new([]));
        }
        let told = |change: &&Change| !change.values.is_same() || change.by.is_forced();
        Cause::Params(self.list.iter().filter(told).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(param: u32, old: &str, new: &str, by: Origin) -> Change {
        Change { param, values: Values::Shown { old: old.into(), new: new.into() }, by }
    }

    #[test]
    fn a_cause_tells_the_values_and_hides_secrets() {
        let mut changes = Changes::default();
        changes.add(change(8, "/a", "/x", Origin::Engine));
        changes.add(change(8, "/x", "/b", Origin::User));
        let secret = |text: &str| Secret::new(Value::from(text));
        changes.add(Change {
            param: 9,
            values: Values::Secret { old: secret("hunter1"), new: secret("hunter2") },
            by: Origin::Engine,
        });
        changes.add(change(10, "same", "same", Origin::Engine));
        assert_eq!(changes.cause().to_string(), "parameter 8: \"/a\" -> \"/b\"; parameter 9");
        assert!(!format!("{changes:?}").contains("hunter"));
    }

    #[test]
    fn a_value_that_the_engine_changes_back_is_undone_and_a_users_set_is_forced() {
        let mut changes = Changes::default();
        changes.add(change(8, "/a", "/b", Origin::Engine));
        assert!(!changes.is_undone());
        changes.add(change(8, "/b", "/a", Origin::Engine));
        assert!(changes.is_undone() && !changes.is_forced());
        changes.add(change(8, "/a", "/a", Origin::Api));
        assert!(changes.is_undone() && changes.is_forced());
        assert_eq!(changes.cause().to_string(), "parameter 8: \"/a\" set again");
    }

    #[test]
    fn too_many_parameters_still_move() {
        let mut changes = Changes::default();
        for param in 0..1_000 {
            changes.add(change(param, "a", "b", Origin::Engine));
        }
        assert!(!changes.is_undone());
        assert_eq!(changes.cause().to_string(), "many parameters");
    }

    #[test]
    fn a_cause_shows_no_password_of_an_address() {
        for (text, shown) in [
            ("ws://me:secret@host:1/a@b?c", "ws://***@host:1/a@b?c"),
            ("ws://token@host", "ws://***@host"),
            ("ws://me:sec/ret@host/a", "ws://***@host/a"),
            ("me:sec?ret@host", "***@host"),
            ("ws://[::1]/a@b", "ws://[::1]/a@b"),
            ("ws://host:80/a@b", "ws://host:80/a@b"),
            ("me:se@cret@host", "***@host"),
            ("me@host", "me@host"),
            ("/path/me:x@y", "/path/me:x@y"),
            ("ws://host/?me:x@y", "ws://host/?me:x@y"),
            ("", ""),
        ] {
            let change = Change {
                param: 8,
                values: Values::Shown { old: Value::Empty, new: text.into() },
                by: Origin::Api,
            };
            assert_eq!(change.to_string(), format!("parameter 8: empty -> {shown:?}"));
        }
    }
}
