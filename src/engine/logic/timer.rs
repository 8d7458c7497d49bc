//! Timers as values: when each fires next, without drift; runs no group.

use std::time::{Duration, Instant};

use rand::RngExt;

use crate::language::model::Protocol;
use crate::language::model::id::TimerIx;
use crate::language::model::logic::Period;
use crate::value::Context;

/// The longest period of a timer: 24 days; what is longer is cut to it.
pub const MAX_PERIOD: Duration = Duration::from_secs(24 * 24 * 3600);

/// The shortest time between two cycles of a timer, so that a loop without work does not take a whole processor.
pub const MIN_PERIOD: Duration = Duration::from_millis(10);

/// One timer of a running element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    period: Period,
    state: State,
    /// How many of its groups wait or run.
    pub(super) outstanding: u32,
    /// Its next group in the queue does not start before.
    pub(super) gap: Option<Instant>,
    /// When the present cycle began.
    began: Option<Instant>,
    /// `reschedule`: one more cycle, from then.
    extra: Option<Instant>,
    /// `reschedule` during a cycle: one more when it has ended.
    again: bool,
}

/// What a timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// For the action `start`.
    Stopped,
    /// For a point in time.
    Until(Instant),
    /// For the end of a cycle of a loop.
    Cycle,
}

impl Clock {
    /// All timers of a definition, stopped.
    pub(super) fn all(protocol: &Protocol) -> Box<[Self]> {
        let clock = |period| Self {
            period,
            state: State::Stopped,
            outstanding: 0,
            gap: None,
            began: None,
            extra: None,
            again: false,
        };
        protocol.timers.iter().map(|timer| clock(fit(timer.period))).collect()
    }

    /// When it wants [`Clock::due`].
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let regular = match self.state {
            State::Until(at) => Some(at),
            State::Stopped | State::Cycle => None,
        };
        regular.into_iter().chain(self.extra).min()
    }

    /// Starts it at a given time; a timer that runs goes on as it is.
    pub(super) fn start(&mut self, at: Instant) {
        if self.state == State::Stopped {
            self.state = State::Until(self.earliest(at));
        }
    }

    /// Stops it; groups that wait in the queue stay there.
    pub(super) fn stop(&mut self) {
        (self.extra, self.again) = (None, false);
        self.state = State::Stopped;
    }

    /// Starts its clock anew: the next cycle is one period from now.
    pub(super) fn restart(&mut self, now: Instant) {
        self.state = match self.period {
            Period::Every(period) => State::Until(now + period),
            Period::Loop => State::Until(self.earliest(now)),
        };
    }

    /// One more cycle: now, or when the groups of the present one have finished; the beat stays as it is.
    pub(super) fn cycle_soon(&mut self, now: Instant) {
        if self.outstanding == 0 {
            // A timer whose own triggers ask for one more cycle must not take a whole processor.
            self.extra = Some(self.earliest(now));
        } else {
            self.again = true;
        }
    }

    /// Whether a cycle is due; if so, the next one is set and the number of cycles that were missed is added to `missed`.
    pub(super) fn due(&mut self, now: Instant, missed: &mut u64) -> bool {
        let extra = self.extra.take_if(|at| *at <= now).is_some();
        if extra {
            self.began = Some(now);
        }
        let State::Until(at) = self.state else { return extra };
        if at > now {
            return extra;
        }
        self.began = Some(now);
        self.state = match self.period {
            Period::Loop => State::Cycle,
            Period::Every(period) => {
                let next = at + period;
                if next > now {
                    State::Until(next)
                } else {
                    // The process was held up: the beat stays, what was missed is not made up for.
                    let behind = now.duration_since(at).as_nanos() / period.as_nanos();
                    let periods = u32::try_from(behind).unwrap_or(u32::MAX);
                    *missed += u64::from(periods);
                    State::Until(period.checked_mul(periods).map_or(now, |time| at + time) + period)
                }
            }
        };
        true
    }

    /// The last group of the cycle has finished.
    pub(super) fn cycle_ended(&mut self, now: Instant) {
        if std::mem::take(&mut self.again) {
            self.extra = Some(self.earliest(now));
        }
        if self.state == State::Cycle {
            self.state = State::Until(self.earliest(now));
        }
    }

    /// When the next cycle may begin at the earliest: [`MIN_PERIOD`] after the one before.
    fn earliest(&self, now: Instant) -> Instant {
        self.began.map_or(now, |began| now.max(began + MIN_PERIOD))
    }
}

/// A period within its limits.
fn fit(period: Period) -> Period {
    match period {
        Period::Every(time) => Period::Every(time.clamp(MIN_PERIOD, MAX_PERIOD)),
        Period::Loop => Period::Loop,
    }
}

/// Whether the period that the definition gives is longer than a timer can be.
pub(super) fn is_cut(period: Period) -> bool {
    matches!(period, Period::Every(time) if time > MAX_PERIOD)
}

/// When each timer starts that runs from the start; timers with the same `random` range start together.
pub(super) fn first_starts(protocol: &Protocol, ctx: &mut Context) -> Vec<(TimerIx, Instant)> {
    let mut drawn: Vec<((u32, u32), Duration)> = Vec::new();
    let mut starts = Vec::new();
    for (index, timer) in protocol.timers.iter().enumerate() {
        let Some(ix) = TimerIx::new(index).filter(|_| timer.initial) else { continue };
        let delay = timer.random.map_or(Duration::ZERO, |range| {
            if let Some((_, delay)) = drawn.iter().find(|(other, _)| *other == range) {
                return *delay;
            }
            let delay = draw(range, ctx);
            drawn.push((range, delay));
            delay
        });
        starts.push((ix, ctx.now + delay));
    }
    starts
}

/// A random time in a range of seconds, both ends included, to the millisecond; never beyond [`MAX_PERIOD`].
pub(super) fn draw((low, high): (u32, u32), ctx: &mut Context) -> Duration {
    let (low, high) = (low.min(high), low.max(high));
    let millis = ctx.rng.random_range(u64::from(low) * 1000..=u64::from(high) * 1000);
    Duration::from_millis(millis).min(MAX_PERIOD)
}
