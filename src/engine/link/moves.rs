//! How a link moves, waits and dials: what is given up, how soon the next dial may start; performs nothing.

use std::time::Instant;

use crate::engine::link::cause::{Cause, Changes, Origin};
use crate::engine::link::policy::{MAX_RETRY_AFTER, Rejection, Verdict};
use crate::engine::link::status::Epoch;
use crate::engine::link::step::NORMAL;
use crate::engine::link::{Attempt, Effect, HASTY_MOVES, Link, QUEUE_LIMIT, State, Target, Then};
use crate::language::model::connection::Handover;
use crate::value::Context;

/// Close code of an element that stops.
const GOING_AWAY: u16 = 1001;

/// Who wants a move decides how soon it may start and what it may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urge {
    /// The definition itself: rationed on a link that does not settle, and leaves `closed` alone.
    Own,
    /// A user, a script or the API: at once, and leaves `closed`.
    Asked,
}

impl From<Origin> for Urge {
    fn from(origin: Origin) -> Self {
        if origin.is_forced() { Self::Asked } else { Self::Own }
    }
}

impl Link {
    // --- moves ---

    /// Gives up what is there in favour of a dial with the present values.
    pub(super) fn move_link(
        &mut self,
        ctx: &mut Context,
        cause: Cause,
        urge: Urge,
        changes: Option<&Changes>,
        effects: &mut Vec<Effect>,
    ) {
        match self.state {
            State::Stopped => {}
            State::Closed if urge == Urge::Own => {}
            State::Closing { then: Then::Stopped, .. } => {}
            State::Closing { then: Then::Closed, .. } if urge == Urge::Own => {}
            State::Closing { epoch, deadline, .. } => {
                self.hurry(ctx, urge);
                self.note_move(cause, effects);
                self.state = State::Closing { epoch, deadline, then: self.after_close() };
            }
            State::Idle if self.target == Target::Empty => {}
            State::Backoff { .. } | State::Rejected { .. }
                if self.target == Target::Known && !self.may_hurry(urge) =>
            {
                self.move_in_turn(ctx, cause, effects);
            }
            State::Idle | State::Closed | State::Backoff { .. } | State::Rejected { .. } => {
                self.hurry(ctx, urge);
                self.refusals = 0;
                self.note_move(cause.clone(), effects);
                self.dial(ctx, cause, effects);
            }
            // A dial that has not started reads the new values: nothing is given up, so nothing is rationed. A session that
            // runs before each dial sets the address each time.
            State::Connecting { attempt }
                if urge == Urge::Own && attempt.is_ahead() && self.target == Target::Known =>
            {
                self.note_move(cause, effects);
            }
            State::Connecting { attempt } => {
                self.hurry(ctx, urge);
                self.note_move(cause.clone(), effects);
                if !self.keeps_place(ctx, attempt) {
                    self.cancel(attempt, effects);
                    self.dial(ctx, cause, effects);
                }
            }
            State::Ready { .. }
                if self.policy.handover == Handover::OpenFirst && self.target == Target::Known =>
            {
                self.move_open_first(ctx, cause, urge, changes, effects);
            }
            State::Ready { .. } => {
                self.hurry(ctx, urge);
                self.note_move(cause.clone(), effects);
                let then = self.after_close();
                self.close_link(ctx, then, NORMAL, cause, effects);
            }
        }
    }

    /// A move beyond the ration, while a wait is on: it waits as after a failure, and what is waited for longer is cut short.
    fn move_in_turn(&mut self, ctx: &mut Context, cause: Cause, effects: &mut Vec<Effect>) {
        // Once a wait: a definition that goes on setting values must not draw until a short one comes.
        if let State::Rejected { reason, until } = self.state
            && self.not_before.is_none_or(|at| at <= ctx.now)
        {
            self.hurry(ctx, Urge::Own);
            let until = self.not_before.map_or(until, |at| at.min(until));
            self.note_move(cause, effects);
            self.state = State::Rejected { reason, until };
        } else {
            self.moved = Some(cause);
        }
    }

    /// Dials a successor while the live link stays.
    pub(super) fn move_open_first(
        &mut self,
        ctx: &mut Context,
        cause: Cause,
        urge: Urge,
        changes: Option<&Changes>,
        effects: &mut Vec<Effect>,
    ) {
        let State::Ready { epoch, settles, successor } = self.state else { return };
        match changes {
            Some(changes) => self.unapplied.absorb(changes),
            // Whatever the values are: so says the action `reconnect`.
            None => self.unapplied.force(),
        }
        if let Some(attempt) = successor
            && self.unapplied.is_undone()
            && !self.unapplied.is_forced()
        {
            // The values are again those of the link that is still there.
            self.cancel(attempt, effects);
            self.unapplied = Changes::default();
            if settles.is_none() {
                self.settle(false);
            }
            self.note_move(cause, effects);
            self.state = State::Ready { epoch, settles, successor: None };
            return;
        }
        self.hurry(ctx, urge);
        self.refusals = 0;
        self.note_move(cause, effects);
        if let Some(attempt) = successor {
            if self.keeps_place(ctx, attempt) {
                return;
            }
            self.cancel(attempt, effects);
        }
        let attempt = match self.not_before.take_if(|at| *at > ctx.now) {
            Some(until) => Attempt::Waiting { until, reason: None },
            None => self.request(ctx, effects),
        };
        self.state = State::Ready { epoch, settles, successor: Some(attempt) };
    }

    /// Whether a dial that has not started can serve the move as it is: its place in the budget is kept.
    fn keeps_place(&self, ctx: &Context, attempt: Attempt) -> bool {
        let waits = self.not_before.is_some_and(|at| at > ctx.now);
        attempt.is_ahead() && self.target == Target::Known && !waits
    }

    pub(super) fn note_move(&mut self, cause: Cause, effects: &mut Vec<Effect>) {
        self.moved = Some(cause.clone());
        effects.push(Effect::Moved { cause });
    }

    pub(super) fn after_close(&self) -> Then {
        match self.target {
            Target::Known => Then::Dial,
            Target::Empty => Then::Idle,
        }
    }

    /// Whether a wait may be cut short.
    pub(super) fn may_hurry(&self, urge: Urge) -> bool {
        match urge {
            Urge::Asked => true,
            Urge::Own => self.hasty_moves > 0,
        }
    }

    /// Says from when on the next dial may start: at once, or later if the definition asks too often.
    pub(super) fn hurry(&mut self, ctx: &mut Context, urge: Urge) {
        match urge {
            Urge::Asked => self.not_before = None,
            Urge::Own => match self.hasty_moves.checked_sub(1) {
                Some(left) => {
                    self.hasty_moves = left;
                    self.not_before = None;
                }
                None => {
                    let wait = self.policy.backoff(self.failures, &mut ctx.rng);
                    self.failures = self.failures.saturating_add(1);
                    self.not_before = Some(ctx.now + wait);
                }
            },
        }
    }

    /// Leaves for a state without a link: closes a link, gives up a dial.
    pub(super) fn leave(&mut self, ctx: &Context, then: Then, why: Cause, effects: &mut Vec<Effect>) {
        if then != Then::Idle {
            self.window = None;
        }
        if then == Then::Stopped {
            self.drop_retiring(effects);
        }
        match self.state {
            State::Stopped => {}
            State::Ready { .. } => {
                let code = if then == Then::Stopped { GOING_AWAY } else { NORMAL };
                self.close_link(ctx, then, code, why, effects);
            }
            State::Closing { then: Then::Stopped, .. } => {}
            State::Closing { then: Then::Closed, .. } if then == Then::Idle => {}
            State::Closing { epoch, deadline, .. } => self.state = State::Closing { epoch, deadline, then },
            State::Connecting { attempt } => {
                self.cancel(attempt, effects);
                self.rest(ctx, then, why, effects);
            }
            State::Closed if then != Then::Stopped => {}
            State::Idle | State::Backoff { .. } | State::Rejected { .. } | State::Closed => {
                self.rest(ctx, then, why, effects);
            }
        }
    }

    /// Starts the close handshake of the live link and gives up its successor.
    pub(super) fn close_link(
        &mut self,
        ctx: &Context,
        then: Then,
        code: u16,
        why: Cause,
        effects: &mut Vec<Effect>,
    ) {
        if let State::Ready { epoch, successor, .. } = self.state {
            if let Some(attempt) = successor {
                self.cancel(attempt, effects);
            }
            self.unapplied = Changes::default();
            let deadline = ctx.now + self.policy.close_timeout;
            self.enter(ctx, State::Closing { epoch, deadline, then }, why, effects);
            effects.push(Effect::Close { epoch, code, reason: "", deadline });
        }
    }

    /// The close is over.
    pub(super) fn closed(&mut self, ctx: &mut Context, then: Then, why: Cause, effects: &mut Vec<Effect>) {
        match then {
            Then::Dial => self.dial(ctx, why, effects),
            Then::Idle | Then::Closed | Then::Stopped => self.rest(ctx, then, why, effects),
        }
    }

    pub(super) fn rest(&mut self, ctx: &Context, then: Then, why: Cause, effects: &mut Vec<Effect>) {
        let state = match then {
            Then::Dial | Then::Idle => State::Idle,
            Then::Closed => State::Closed,
            Then::Stopped => State::Stopped,
        };
        if state.phase() != self.phase() {
            self.enter(ctx, state, why, effects);
        }
    }

    // --- dials ---

    /// Dials as soon as the window, the ration of hasty moves and the budget allow.
    pub(super) fn dial(&mut self, ctx: &Context, why: Cause, effects: &mut Vec<Effect>) {
        if self.target == Target::Empty {
            self.rest(ctx, Then::Idle, why, effects);
        } else if self.window.is_some() {
            self.enter(ctx, State::Connecting { attempt: Attempt::Held }, why, effects);
        } else if let Some(until) = self.not_before.take_if(|at| *at > ctx.now) {
            self.enter(ctx, State::Backoff { until }, why, effects);
        } else {
            // The state first: readers see `connecting` before the dial is asked for.
            self.enter(ctx, State::Connecting { attempt: Attempt::Held }, why, effects);
            let attempt = self.request(ctx, effects);
            self.state = State::Connecting { attempt };
        }
    }

    pub(super) fn request(&mut self, ctx: &Context, effects: &mut Vec<Effect>) -> Attempt {
        self.last_epoch += 1;
        let epoch = Epoch(self.last_epoch);
        effects.push(Effect::RequestDial { epoch });
        Attempt::Queued { epoch, until: ctx.now + QUEUE_LIMIT }
    }

    pub(super) fn cancel(&mut self, attempt: Attempt, effects: &mut Vec<Effect>) {
        match attempt {
            Attempt::Held | Attempt::Waiting { .. } => {}
            Attempt::Queued { epoch, .. } | Attempt::Granted { epoch } => {
                effects.push(Effect::CancelRequest { epoch })
            }
            Attempt::Dialling { epoch, .. } => effects.push(Effect::CancelDial { epoch }),
        }
    }

    pub(super) fn drop_retiring(&mut self, effects: &mut Vec<Effect>) {
        if let Some((epoch, _)) = self.retiring.take() {
            effects.push(Effect::Drop { epoch });
            effects.push(Effect::Down { epoch });
        }
    }

    // --- failures ---

    /// The link has been up long enough to believe in it.
    pub(super) fn settle(&mut self, keeps_failures: bool) {
        self.hasty_moves = HASTY_MOVES;
        // The failures of a successor are not mended by the old link's health.
        if !keeps_failures {
            self.failures = 0;
            self.refusals = 0;
        }
    }

    /// The live link is gone without our asking.
    pub(super) fn dropped(
        &mut self,
        ctx: &mut Context,
        verdict: Verdict,
        why: Cause,
        effects: &mut Vec<Effect>,
    ) {
        let State::Ready { settles, successor, .. } = self.state else { return };
        self.drops += 1;
        self.flaps.drop_at(ctx.now);
        self.unapplied = Changes::default();
        if settles.is_some_and(|at| at <= ctx.now) {
            self.settle(successor.is_some());
        }
        match successor {
            None => self.fail(ctx, verdict, why, effects),
            // The move becomes an ordinary one.
            Some(Attempt::Waiting { until, reason: Some(reason) }) => {
                self.enter(ctx, State::Rejected { reason, until }, why, effects);
            }
            Some(Attempt::Waiting { until, reason: None }) => {
                self.enter(ctx, State::Backoff { until }, why, effects);
            }
            Some(
                attempt @ (Attempt::Held
                | Attempt::Queued { .. }
                | Attempt::Granted { .. }
                | Attempt::Dialling { .. }),
            ) => self.enter(ctx, State::Connecting { attempt }, why, effects),
        }
    }

    /// There is neither a link nor a dial any more: wait.
    pub(super) fn fail(
        &mut self,
        ctx: &mut Context,
        verdict: Verdict,
        why: Cause,
        effects: &mut Vec<Effect>,
    ) {
        match self.wait_after(ctx, verdict) {
            (until, None) => self.enter(ctx, State::Backoff { until }, why, effects),
            (until, Some(reason)) => {
                self.enter(ctx, State::Rejected { reason, until }, Cause::Rejected(reason), effects);
            }
        }
    }

    pub(super) fn successor_failed(&mut self, ctx: &mut Context, verdict: Verdict) -> Attempt {
        let (until, reason) = self.wait_after(ctx, verdict);
        Attempt::Waiting { until, reason }
    }

    pub(super) fn wait_after(&mut self, ctx: &mut Context, verdict: Verdict) -> (Instant, Option<Rejection>) {
        let failures = self.failures;
        self.failures = self.failures.saturating_add(1);
        match verdict {
            // The jitter comes on top, or all links that one server sent away would come back at once.
            Verdict::Transient { retry_after } => {
                let asked = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                let wait = self.policy.backoff(failures, &mut ctx.rng) + asked;
                (ctx.now + wait, None)
            }
            Verdict::Rejected { reason, retry_after } => {
                let wait = self.policy.rejected_wait(self.refusals, retry_after, &mut ctx.rng);
                self.refusals = self.refusals.saturating_add(1);
                (ctx.now + wait, Some(reason))
            }
        }
    }
}
