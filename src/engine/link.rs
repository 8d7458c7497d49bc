//! Decides what one connection does next: dial, move, back off, close, stop; performs no I/O and reads no clock.
//!
//! ```text
//!            address known                     opened                     a watched parameter set, reconnect
//!   (idle) ───────────────> (connecting) ──────────────────> (ready) ──────────────────────┐
//!      ^  address empty       ^   ^   │  dial failed            │  │                      v
//!      └──── from any         │   │   ├─────────────┐   lost    │  │ close            (closing)
//!                             │   │   │             v <─────────┘  │                   │  │  │ the peer's close,
//!                             │   │   │         (backoff)          │                   │  │  │ or closeTimeout
//!                             │   └───┼──wait over──┘              │                   │  │  │
//!                             │       │ refused for good           │                   │  │  └──> (connecting)
//!                             │       v                            v                   │  └─────> (closed)
//!                             └── (rejected)                   (closing) ─> (closed)   └────────> (stopped)
//!                       longer wait over, or
//!                       a watched parameter set      (closed) ── open, or set by a user, script or API ──> (connecting)
//!
//!   stop: from any state, through closing if there is a socket, to (stopped), which nothing leaves.
//! ```
//!
//! A dial is numbered when it is asked for: [`Effect::RequestDial`] goes to the dial budget, [`Input::Granted`] comes back,
//! [`Effect::Dial`] starts it. Whatever carries a number that is no longer live is counted and dropped.
//! Under `handover="open-first"` the state stays ready while a *successor* is dialled; the swap is at its 101, and the old link
//! closes in the background, within `closeTimeout`.
//!
//! A driver gives each event to [`Link::step`], does the effects in their order, and calls it with [`Input::Tick`] at
//! [`Link::wake_at`]; a message counts if [`Link::admit`] says so. It keeps one socket or dial for each epoch that it was told
//! to dial, until `CancelDial`, `Drop` or the end of the socket.
//!
//! Values are read when the dial starts, not when it is asked for: the driver works out the target at [`Effect::Dial`].

pub mod budget;
pub mod cause;
mod moves;
pub mod policy;
pub mod status;
mod step;

use std::time::{Duration, Instant};

use crate::engine::link::cause::{Cause, Change, Changes, Origin};
use crate::engine::link::policy::{Policy, Rejection, Verdict};
use crate::engine::link::status::{Close, Epoch, Flaps, Phase, Snapshot, Successor};
use crate::value::Context;

/// The transport keeps the dial deadline and says at which stage it passed; this much later the link gives up by itself.
pub const DIAL_SLACK: Duration = Duration::from_millis(500);

/// How long a dial may wait for the budget before it is asked for anew: 200 dials a second serve 120,000 links in that time.
pub const QUEUE_LIMIT: Duration = Duration::from_secs(600);

/// Moves that the definition itself may cause at once on a link that does not settle; further ones wait like failures do.
///
/// A peer whose first message changes a watched parameter would otherwise be dialled in a hot loop.
pub const HASTY_MOVES: u8 = 4;

/// Whether there is an address to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Neither the dynamic address nor the element's host has a value.
    Empty,
    /// There is one; the driver works it out when the dial starts.
    Known,
}

/// What happens to a link.
#[derive(Clone, Debug)]
pub enum Input {
    /// The address became known or empty. Send it after the `Changed` that caused it.
    Target(Target),
    /// A watched parameter was set.
    Changed(Change),
    /// The dial budget allows a dial.
    Granted {
        /// Which.
        epoch: Epoch,
    },
    /// The handshake succeeded.
    Opened {
        /// Of which dial.
        epoch: Epoch,
    },
    /// The dial failed at any stage.
    Failed {
        /// Which.
        epoch: Epoch,
        /// Whether trying again can help.
        verdict: Verdict,
    },
    /// A link ended: closed by the peer, reset, silent, without a pong, or after our own close frame.
    Lost {
        /// Which.
        epoch: Epoch,
        /// Whether trying again can help.
        verdict: Verdict,
        /// The peer's close frame, if there was one.
        close: Option<Close>,
    },
    /// The application's heartbeat had no answer after its retries.
    HeartbeatLost {
        /// On which link.
        epoch: Epoch,
    },
    /// The action `open`.
    Open(Origin),
    /// The action `close`.
    Close,
    /// The action `reconnect`: moves the link as a set of a watched parameter does, at once.
    Reconnect(Origin),
    /// The element stops.
    Stop,
    /// Nothing but time.
    Tick,
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the dial budget, with the host of the present target.
    RequestDial {
        /// The number of the dial.
        epoch: Epoch,
    },
    /// Take the request back; one that was granted is given up.
    CancelRequest {
        /// Which.
        epoch: Epoch,
    },
    /// Work out the target from the present values and dial it.
    Dial {
        /// The number of the dial.
        epoch: Epoch,
        /// When it must be over.
        deadline: Instant,
    },
    /// Give up the dial; a socket that it has meanwhile is dropped.
    CancelDial {
        /// Which.
        epoch: Epoch,
    },
    /// Send what was already handed to the link, then a close frame; `Drop` follows if the peer does not answer by the deadline.
    Close {
        /// Which link.
        epoch: Epoch,
        /// The close code: 1000, or 1001 when the element stops.
        code: u16,
        /// The close reason, at most 123 bytes.
        reason: &'static str,
        /// When the link drops the socket.
        deadline: Instant,
    },
    /// Drop the socket at once.
    Drop {
        /// Of which dial.
        epoch: Epoch,
    },
    /// This dial is now the link: messages go to it, `opened` triggers run.
    Up {
        /// Which.
        epoch: Epoch,
        /// The link that it takes over from, under open-first.
        from: Option<Epoch>,
    },
    /// A link that was up is over: its pairs end, `closed` triggers run, `Disconnections` gets its address.
    ///
    /// Told when the socket is over; under open-first that is after the successor's `Up`.
    Down {
        /// Which.
        epoch: Epoch,
    },
    /// The state changed.
    State {
        /// From.
        from: Phase,
        /// To.
        to: Phase,
        /// Why.
        why: Cause,
    },
    /// The link moves, or is told to dial now, for this reason.
    Moved {
        /// Why.
        cause: Cause,
    },
    /// The link began to flap (with the number of drops) or ceased to (`None`).
    Flapping(Option<usize>),
}

/// A dial at any stage before its end.
#[derive(Clone, Copy, Debug)]
enum Attempt {
    /// Waits for the end of the window.
    Held,
    /// Waits for the budget; asked for anew at `until`.
    Queued { epoch: Epoch, until: Instant },
    /// Has a place of the budget and waits for the end of the window: a dial reads its values when it starts.
    Granted { epoch: Epoch },
    /// Under way.
    Dialling { epoch: Epoch, deadline: Instant },
    /// Waits before the next try; only of a successor, otherwise the state says so.
    Waiting { until: Instant, reason: Option<Rejection> },
}

/// What follows a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Dial,
    Idle,
    Closed,
    Stopped,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Connecting {
        attempt: Attempt,
    },
    Ready {
        epoch: Epoch,
        /// When the back-off starts anew; `None` once it has.
        settles: Option<Instant>,
        successor: Option<Attempt>,
    },
    Closing {
        epoch: Epoch,
        deadline: Instant,
        then: Then,
    },
    Backoff {
        until: Instant,
    },
    Rejected {
        reason: Rejection,
        until: Instant,
    },
    Closed,
    Stopped,
}

impl State {
    fn phase(&self) -> Phase {
        match self {
            Self::Idle => Phase::Idle,
            Self::Connecting { .. } => Phase::Connecting,
            Self::Ready { .. } => Phase::Ready,
            Self::Closing { .. } => Phase::Closing,
            Self::Backoff { .. } => Phase::Backoff,
            Self::Rejected { .. } => Phase::Rejected,
            Self::Closed => Phase::Closed,
            Self::Stopped => Phase::Stopped,
        }
    }
}

/// Changes that are being gathered.
#[derive(Debug)]
struct Window {
    ends: Instant,
    changes: Changes,
}

/// The life of one connection; see the module's diagram.
#[derive(Debug)]
pub struct Link {
    policy: Policy,
    state: State,
    since: Instant,
    why: Cause,
    target: Target,
    window: Option<Window>,
    /// What the successor was dialled for, so that a value changed back calls it off.
    unapplied: Changes,
    /// The old link of an open-first move, while it closes.
    retiring: Option<(Epoch, Instant)>,
    last_epoch: u64,
    failures: u32,
    refusals: u32,
    hasty_moves: u8,
    /// Dials wait until then, unless a user, a script or the API asks.
    not_before: Option<Instant>,
    moved: Option<Cause>,
    last_close: Option<Close>,
    flaps: Flaps,
    dials: u64,
    opens: u64,
    drops: u64,
    stale: u64,
}

impl Link {
    /// A link without an address, idle; the policy is brought into its ranges.
    pub fn new(ctx: &Context, policy: Policy) -> Self {
        Self {
            policy: policy.bounded(),
            state: State::Idle,
            since: ctx.now,
            why: Cause::TargetEmpty,
            target: Target::Empty,
            window: None,
            unapplied: Changes::default(),
            retiring: None,
            last_epoch: 0,
            failures: 0,
            refusals: 0,
            hasty_moves: HASTY_MOVES,
            not_before: None,
            moved: None,
            last_close: None,
            flaps: Flaps::default(),
            dials: 0,
            opens: 0,
            drops: 0,
            stale: 0,
        }
    }

    /// The state.
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// The policy, within its ranges.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The link that messages are sent on, if there is one.
    pub fn ready(&self) -> Option<Epoch> {
        match self.state {
            State::Ready { epoch, .. } => Some(epoch),
            State::Idle
            | State::Connecting { .. }
            | State::Closing { .. }
            | State::Backoff { .. }
            | State::Rejected { .. }
            | State::Closed
            | State::Stopped => None,
        }
    }

    /// Whether a link is up that has not settled: how it ends tells more about the handshake than about the link.
    pub fn is_fresh(&self, epoch: Epoch, now: Instant) -> bool {
        matches!(self.state, State::Ready { epoch: own, settles: Some(at), .. } if own == epoch && now < at)
    }

    /// Whether a message that arrived on this dial counts; one that does not is counted as stale.
    pub fn admit(&mut self, epoch: Epoch) -> Admission {
        if self.ready() == Some(epoch) {
            Admission::Current
        } else {
            self.stale += 1;
            Admission::Stale
        }
    }

    /// When [`Link::step`] must be called again if nothing else happens.
    pub fn wake_at(&self) -> Option<Instant> {
        let attempt_due = |attempt: &Attempt| match attempt {
            Attempt::Held | Attempt::Granted { .. } => None,
            Attempt::Queued { until, .. } | Attempt::Waiting { until, .. } => Some(*until),
            Attempt::Dialling { deadline, .. } => Some(*deadline),
        };
        let (first, second) = match &self.state {
            State::Idle | State::Closed | State::Stopped => (None, None),
            State::Connecting { attempt } => (attempt_due(attempt), None),
            State::Ready { settles, successor, .. } => (*settles, successor.as_ref().and_then(attempt_due)),
            State::Closing { deadline, .. } => (Some(*deadline), None),
            State::Backoff { until } | State::Rejected { until, .. } => (Some(*until), None),
        };
        let window = self.window.as_ref().map(|window| window.ends);
        let retiring = self.retiring.map(|(_, deadline)| deadline);
        [first, second, window, retiring, self.flaps.ends()].into_iter().flatten().min()
    }

    /// A copy of all that the API tells.
    pub fn snapshot(&self) -> Snapshot {
        let (mut epoch, mut next_dial, mut queued, mut rejection, mut next) = (None, None, false, None, None);
        match self.state {
            State::Idle | State::Closed | State::Stopped => {}
            State::Connecting { attempt } => match attempt {
                Attempt::Held => next_dial = self.window.as_ref().map(|window| window.ends),
                Attempt::Queued { epoch: dial, .. } => (epoch, queued) = (Some(dial), true),
                Attempt::Granted { epoch: dial } | Attempt::Dialling { epoch: dial, .. } => {
                    epoch = Some(dial)
                }
                Attempt::Waiting { until, .. } => next_dial = Some(until),
            },
            State::Ready { epoch: live, successor, .. } => {
                epoch = Some(live);
                next = successor.map(|attempt| match attempt {
                    Attempt::Held => Successor { epoch: None, next_dial: None, rejection: None },
                    Attempt::Queued { epoch, .. } => {
                        queued = true;
                        Successor { epoch: Some(epoch), next_dial: None, rejection: None }
                    }
                    Attempt::Granted { epoch } | Attempt::Dialling { epoch, .. } => {
                        Successor { epoch: Some(epoch), next_dial: None, rejection: None }
                    }
                    Attempt::Waiting { until, reason } => {
                        Successor { epoch: None, next_dial: Some(until), rejection: reason }
                    }
                });
            }
            State::Closing { epoch: closing, .. } => epoch = Some(closing),
            State::Backoff { until } => next_dial = Some(until),
            State::Rejected { reason, until } => (next_dial, rejection) = (Some(until), Some(reason)),
        }
        Snapshot {
            phase: self.phase(),
            epoch,
            since: self.since,
            why: self.why.clone(),
            attempts: self.failures,
            next_dial,
            queued,
            moved: self.moved.clone(),
            successor: next,
            rejection,
            last_close: self.last_close.clone(),
            flapping: self.flaps.count(),
            dials: self.dials,
            opens: self.opens,
            drops: self.drops,
            stale: self.stale,
        }
    }
}

/// Whether something that arrived belongs to the present link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It does.
    Current,
    /// It is from an older dial, or the link is closing.
    Stale,
}

#[cfg(test)]
mod clock {
    use std::time::Instant;

    /// Where simulated time starts; nothing waits for the real clock.
    #[allow(clippy::disallowed_methods, reason = "an instant can be made in no other way")]
    pub(super) fn base() -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
mod tests;
