//! The transitions of a link: what each input and each passed deadline leads to; performs nothing.

use crate::engine::link::cause::{Cause, Change, Changes, Origin};
use crate::engine::link::moves::Urge;
use crate::engine::link::policy::Verdict;
use crate::engine::link::status::{Close, Epoch, Flaps, Phase};
use crate::engine::link::{Attempt, DIAL_SLACK, Effect, Input, Link, State, Target, Then, Window};
use crate::value::Context;

/// Close code of an ordinary end.
pub(super) const NORMAL: u16 = 1000;

/// Deadlines that may pass in one step; with zero waits each leads to a later one, so this is never reached.
const MAX_DUE: usize = 16;

impl Link {
    /// Takes one input and appends what has to be done to `effects`, in the order in which to do it.
    ///
    /// Allocates nothing unless something happens. Also does what became due by time, after the input:
    /// an answer that comes together with its deadline counts.
    pub fn step(&mut self, ctx: &mut Context, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Tick => {}
            Input::Target(target) => self.on_target(ctx, target, effects),
            Input::Changed(change) => self.on_changed(ctx, change),
            Input::Granted { epoch } => self.on_granted(epoch),
            Input::Opened { epoch } => self.on_opened(ctx, epoch, effects),
            Input::Failed { epoch, verdict } => self.on_over(ctx, epoch, verdict, None, effects),
            Input::Lost { epoch, verdict, close } => self.on_over(ctx, epoch, verdict, close, effects),
            Input::HeartbeatLost { epoch } => self.on_heartbeat_lost(ctx, epoch, effects),
            Input::Open(by) => self.on_open(ctx, by, effects),
            Input::Close => self.leave(ctx, Then::Closed, Cause::Close, effects),
            Input::Reconnect(by) => {
                if !self.waits_for_open() {
                    self.window = None;
                    self.move_link(ctx, Cause::Reconnect(by), by.into(), None, effects);
                }
            }
            Input::Stop => self.leave(ctx, Then::Stopped, Cause::Stop, effects),
        }
        for _ in 0..MAX_DUE {
            if !self.due(ctx, effects) {
                break;
            }
        }
        if let Some(turned) = self.flaps.turn(ctx.now) {
            effects.push(Effect::Flapping(turned));
        }
    }

    // --- inputs ---

    fn on_target(&mut self, ctx: &Context, target: Target, effects: &mut Vec<Effect>) {
        let before = std::mem::replace(&mut self.target, target);
        // An open window decides when it ends.
        if before == target || self.window.is_some() {
            return;
        }
        self.follow_target(ctx, effects);
    }

    /// Starts or ends what a target that came or went calls for.
    fn follow_target(&mut self, ctx: &Context, effects: &mut Vec<Effect>) {
        match (self.target, self.state) {
            (Target::Known, State::Idle) => self.dial(ctx, Cause::TargetKnown, effects),
            (Target::Known, State::Closing { epoch, deadline, then: Then::Idle }) => {
                self.state = State::Closing { epoch, deadline, then: Then::Dial };
            }
            (
                Target::Known,
                State::Connecting { .. }
                | State::Ready { .. }
                | State::Closing { .. }
                | State::Backoff { .. }
                | State::Rejected { .. }
                | State::Closed
                | State::Stopped,
            ) => {}
            (Target::Empty, _) => self.leave(ctx, Then::Idle, Cause::TargetEmpty, effects),
        }
    }

    fn on_changed(&mut self, ctx: &Context, change: Change) {
        let stopped = matches!(self.state, State::Stopped | State::Closing { then: Then::Stopped, .. });
        if stopped || (self.waits_for_open() && !change.by.is_forced()) {
            return;
        }
        let ends = ctx.now + self.policy.window;
        let window = self.window.get_or_insert_with(|| Window { ends, changes: Changes::default() });
        window.changes.add(change);
    }

    fn on_granted(&mut self, granted: Epoch) {
        let attempt = match &mut self.state {
            State::Connecting { attempt } => Some(attempt),
            State::Ready { successor, .. } => successor.as_mut(),
            State::Idle
            | State::Closing { .. }
            | State::Backoff { .. }
            | State::Rejected { .. }
            | State::Closed
            | State::Stopped => None,
        };
        match attempt {
            Some(attempt @ Attempt::Queued { .. }) if attempt.epoch() == Some(granted) => {
                // Started by `due`, at once unless a window is open.
                *attempt = Attempt::Granted { epoch: granted };
            }
            Some(_) | None => self.stale += 1,
        }
    }

    fn start_dial(&mut self, ctx: &Context, epoch: Epoch, effects: &mut Vec<Effect>) -> Attempt {
        let deadline = ctx.now + self.policy.dial_timeout;
        // Two sockets at most: the old link of the last move had its time.
        self.drop_retiring(effects);
        self.dials += 1;
        effects.push(Effect::Dial { epoch, deadline });
        Attempt::Dialling { epoch, deadline: deadline + DIAL_SLACK }
    }

    fn on_opened(&mut self, ctx: &Context, opened: Epoch, effects: &mut Vec<Effect>) {
        let dials = |attempt: Attempt| matches!(attempt, Attempt::Dialling { epoch, .. } if epoch == opened);
        let ready =
            State::Ready { epoch: opened, settles: Some(ctx.now + self.policy.settle), successor: None };
        let from = match self.state {
            State::Connecting { attempt } if dials(attempt) => None,
            State::Ready { epoch, successor: Some(attempt), .. } if dials(attempt) => Some(epoch),
            State::Idle
            | State::Connecting { .. }
            | State::Ready { .. }
            | State::Closing { .. }
            | State::Backoff { .. }
            | State::Rejected { .. }
            | State::Closed
            | State::Stopped => {
                // The dial was given up while its success was on the way.
                self.stale += 1;
                effects.push(Effect::Drop { epoch: opened });
                return;
            }
        };
        self.opens += 1;
        self.unapplied = Changes::default();
        self.enter(ctx, ready, Cause::Opened, effects);
        effects.push(Effect::Up { epoch: opened, from });
        if let Some(old) = from {
            let deadline = ctx.now + self.policy.close_timeout;
            self.retiring = Some((old, deadline));
            effects.push(Effect::Close { epoch: old, code: NORMAL, reason: "superseded", deadline });
        }
    }

    /// A dial failed or a link ended.
    fn on_over(
        &mut self,
        ctx: &mut Context,
        over: Epoch,
        verdict: Verdict,
        close: Option<Close>,
        effects: &mut Vec<Effect>,
    ) {
        if self.retiring.is_some_and(|(epoch, _)| epoch == over) {
            self.retiring = None;
            effects.push(Effect::Down { epoch: over });
            return;
        }
        match self.state {
            // One that never came to its dial: what it needs first could not be had.
            State::Connecting {
                attempt: Attempt::Dialling { epoch, .. } | Attempt::Queued { epoch, .. },
            } if epoch == over => {
                self.last_close = close.or(self.last_close.take());
                self.fail(ctx, verdict, Cause::DialFailed, effects);
            }
            State::Ready { epoch, .. } if epoch == over => {
                let code = close.as_ref().map(|close| close.code);
                self.last_close = close;
                effects.push(Effect::Down { epoch });
                self.dropped(ctx, verdict, Cause::Lost(code), effects);
            }
            State::Ready {
                epoch,
                settles,
                successor: Some(Attempt::Dialling { epoch: next, .. } | Attempt::Queued { epoch: next, .. }),
            } if next == over => {
                let waiting = self.successor_failed(ctx, verdict);
                self.state = State::Ready { epoch, settles, successor: Some(waiting) };
            }
            State::Closing { epoch, then, .. } if epoch == over => {
                self.last_close = close.or(self.last_close.take());
                effects.push(Effect::Down { epoch });
                self.closed(ctx, then, Cause::Closed, effects);
            }
            State::Idle
            | State::Connecting { .. }
            | State::Ready { .. }
            | State::Closing { .. }
            | State::Backoff { .. }
            | State::Rejected { .. }
            | State::Closed
            | State::Stopped => self.stale += 1,
        }
    }

    fn on_heartbeat_lost(&mut self, ctx: &mut Context, lost: Epoch, effects: &mut Vec<Effect>) {
        match self.state {
            State::Ready { epoch, .. } if epoch == lost => {
                // A peer that does not answer will not answer a close frame either.
                effects.push(Effect::Drop { epoch });
                effects.push(Effect::Down { epoch });
                self.dropped(ctx, Verdict::TRANSIENT, Cause::HeartbeatLost, effects);
            }
            State::Idle
            | State::Connecting { .. }
            | State::Ready { .. }
            | State::Closing { .. }
            | State::Backoff { .. }
            | State::Rejected { .. }
            | State::Closed
            | State::Stopped => self.stale += 1,
        }
    }

    fn on_open(&mut self, ctx: &mut Context, by: Origin, effects: &mut Vec<Effect>) {
        match self.state {
            State::Backoff { .. } | State::Rejected { .. } if !self.may_hurry(by.into()) => {}
            State::Closed | State::Backoff { .. } | State::Rejected { .. } => {
                self.hurry(ctx, by.into());
                self.note_move(Cause::Open, effects);
                self.dial(ctx, Cause::Open, effects);
            }
            State::Closing { epoch, deadline, then: Then::Closed } => {
                self.note_move(Cause::Open, effects);
                self.state = State::Closing { epoch, deadline, then: Then::Dial };
            }
            State::Idle
            | State::Connecting { .. }
            | State::Ready { .. }
            | State::Closing { .. }
            | State::Stopped => {}
        }
    }

    /// Whether the action `close` holds.
    fn waits_for_open(&self) -> bool {
        matches!(self.state, State::Closed | State::Closing { then: Then::Closed, .. })
    }

    // --- time ---

    /// Does one thing that has become due; whether there was one.
    fn due(&mut self, ctx: &mut Context, effects: &mut Vec<Effect>) -> bool {
        let now = ctx.now;
        if self.retiring.is_some_and(|(_, deadline)| deadline <= now) {
            self.drop_retiring(effects);
            return true;
        }
        if let Some(window) = self.window.take_if(|window| window.ends <= now) {
            self.end_window(ctx, &window.changes, effects);
            return true;
        }
        match self.state {
            State::Connecting { attempt } => self.attempt_due(ctx, attempt, effects),
            State::Ready { epoch, settles: Some(settles), successor } if settles <= now => {
                self.settle(successor.is_some());
                self.state = State::Ready { epoch, settles: None, successor };
                true
            }
            State::Ready { epoch, settles, successor: Some(attempt) } => {
                match self.successor_due(ctx, attempt, effects) {
                    Some(attempt) => {
                        self.state = State::Ready { epoch, settles, successor: Some(attempt) };
                        true
                    }
                    None => false,
                }
            }
            State::Closing { epoch, deadline, then } if deadline <= now => {
                effects.push(Effect::Drop { epoch });
                effects.push(Effect::Down { epoch });
                self.closed(ctx, then, Cause::CloseTimeout, effects);
                true
            }
            State::Backoff { until } | State::Rejected { until, .. } if until <= now => {
                self.not_before = None;
                self.dial(ctx, Cause::Retry, effects);
                true
            }
            State::Idle
            | State::Ready { .. }
            | State::Closing { .. }
            | State::Backoff { .. }
            | State::Rejected { .. }
            | State::Closed
            | State::Stopped => false,
        }
    }

    fn attempt_due(&mut self, ctx: &mut Context, attempt: Attempt, effects: &mut Vec<Effect>) -> bool {
        match attempt {
            Attempt::Held if self.window.is_none() => self.dial(ctx, Cause::Retry, effects),
            Attempt::Queued { epoch, until } if until <= ctx.now => {
                effects.push(Effect::CancelRequest { epoch });
                let attempt = self.request(ctx, effects);
                self.state = State::Connecting { attempt };
            }
            Attempt::Dialling { epoch, deadline } if deadline <= ctx.now => {
                effects.push(Effect::CancelDial { epoch });
                self.fail(ctx, Verdict::TRANSIENT, Cause::DialTimeout, effects);
            }
            Attempt::Granted { epoch } if self.window.is_none() => {
                let attempt = self.start_dial(ctx, epoch, effects);
                self.state = State::Connecting { attempt };
            }
            // `Waiting` is a successor's: without a live link the state itself waits.
            Attempt::Held
            | Attempt::Queued { .. }
            | Attempt::Granted { .. }
            | Attempt::Dialling { .. }
            | Attempt::Waiting { .. } => return false,
        }
        true
    }

    fn successor_due(
        &mut self,
        ctx: &mut Context,
        attempt: Attempt,
        effects: &mut Vec<Effect>,
    ) -> Option<Attempt> {
        match attempt {
            Attempt::Queued { epoch, until } if until <= ctx.now => {
                effects.push(Effect::CancelRequest { epoch });
                Some(self.request(ctx, effects))
            }
            Attempt::Dialling { epoch, deadline } if deadline <= ctx.now => {
                effects.push(Effect::CancelDial { epoch });
                Some(self.successor_failed(ctx, Verdict::TRANSIENT))
            }
            Attempt::Granted { epoch } if self.window.is_none() => Some(self.start_dial(ctx, epoch, effects)),
            Attempt::Waiting { until, .. } if until <= ctx.now => Some(self.request(ctx, effects)),
            Attempt::Held
            | Attempt::Queued { .. }
            | Attempt::Granted { .. }
            | Attempt::Dialling { .. }
            | Attempt::Waiting { .. } => None,
        }
    }

    fn end_window(&mut self, ctx: &mut Context, changes: &Changes, effects: &mut Vec<Effect>) {
        if changes.is_undone() && !changes.is_forced() {
            // Nothing changed, but a target that came or went meanwhile must not be missed.
            self.follow_target(ctx, effects);
            return;
        }
        let urge = if changes.is_forced() { Urge::Asked } else { Urge::Own };
        self.move_link(ctx, changes.cause(), urge, Some(changes), effects);
    }

    // --- the one place where the state changes ---

    pub(super) fn enter(&mut self, ctx: &Context, state: State, why: Cause, effects: &mut Vec<Effect>) {
        let (from, to) = (self.phase(), state.phase());
        self.state = state;
        self.since = ctx.now;
        self.why = why;
        if to == Phase::Stopped {
            self.flaps = Flaps::default();
        }
        if from != to {
            effects.push(Effect::State { from, to, why: self.why.clone() });
        }
    }
}

impl Attempt {
    pub(super) fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::Held | Self::Waiting { .. } => None,
            Self::Queued { epoch, .. } | Self::Granted { epoch } | Self::Dialling { epoch, .. } => {
                Some(*epoch)
            }
        }
    }

    /// Whether it will read its values only when it starts, so that a move need not give up its place in the budget.
    pub(super) fn is_ahead(&self) -> bool {
        match self {
            Self::Queued { .. } | Self::Granted { .. } => true,
            Self::Held | Self::Dialling { .. } | Self::Waiting { .. } => false,
        }
    }
}
