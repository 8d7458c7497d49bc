//! One token's life: missing, being fetched, good, due for renewal; fetches nothing.
//!
//! ```text
//!            needed                 came                     the margin before its end
//!  Missing ────────> Fetching ─────────────> Good ──────────────────> Good, Fetching
//!     ^                  │ none came: Missing, and none is asked for until `hold`
//!     └──────────────────┴───── refused with 401, or over
//! ```

use std::time::{Duration, Instant};

/// The first wait after a fetch that brought no token; it doubles up to [`LAST_HOLD`].
const FIRST_HOLD: Duration = Duration::from_secs(1);

/// The longest wait between fetches that bring no token.
const LAST_HOLD: Duration = Duration::from_secs(60);

/// How soon after the last one a token is fetched anew at the earliest, whatever its lifetime says.
const SOONEST: Duration = Duration::from_secs(1);

/// What a request that needs the token has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Go on: the token is there. The number tells it from later ones.
    Have(u64),
    /// Fetch it, and wait.
    Fetch,
    /// Wait: it is being fetched.
    Wait,
    /// Do without, that is, fail: it could not be fetched a moment ago.
    Fail,
}

/// A token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenState {
    /// Which token it is, counted from 1; 0 before the first.
    number: u64,
    good: bool,
    fetching: bool,
    /// When it is over.
    ends: Option<Instant>,
    /// When a new one is fetched.
    renew: Option<Instant>,
    /// None is fetched before.
    hold: Option<Instant>,
    /// Fetches in a row that brought none.
    failures: u32,
    /// Refusals in a row of tokens that nothing was accepted with.
    refusals: u32,
}

impl TokenState {
    /// What a request has to do now; after [`Need::Fetch`] the state counts as being fetched.
    pub fn need(&mut self, now: Instant) -> Need {
        self.expire(now);
        match (self.good, self.fetching) {
            (true, _) => Need::Have(self.number),
            (false, true) => Need::Wait,
            (false, false) if self.hold.is_some_and(|hold| hold > now) => Need::Fail,
            (false, false) => {
                self.fetching = true;
                Need::Fetch
            }
        }
    }

    /// Whether a new one has to be fetched now because the present one ends soon; counts as being fetched then.
    pub fn renewal_due(&mut self, now: Instant) -> bool {
        self.expire(now);
        let due = self.renew.is_some_and(|renew| renew <= now) && !self.fetching;
        if due {
            self.fetching = true;
            self.renew = None;
        }
        due
    }

    /// A token came; `lifetime` from now, if anybody says. Gives whether it takes the place of an earlier one.
    pub fn came(&mut self, now: Instant, lifetime: Option<Duration>, margin: Duration) -> bool {
        let renewed = self.number > 0;
        self.number += 1;
        (self.good, self.fetching, self.failures, self.hold) = (true, false, 0, None);
        self.ends = lifetime.and_then(|lifetime| now.checked_add(lifetime));
        // A margin longer than the life would renew without end: then at half of it.
        self.renew = lifetime.and_then(|lifetime| {
            let early = if margin < lifetime { lifetime - margin } else { lifetime / 2 };
            now.checked_add(early.max(SOONEST))
        });
        renewed
    }

    /// The fetch brought none.
    pub fn failed(&mut self, now: Instant) {
        self.fetching = false;
        let until = now + hold(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.hold = Some(until);
        // One that is still good is asked for again.
        self.renew = self.good.then_some(until);
    }

    /// The fetch was given up: who needs it next begins anew.
    pub fn given_up(&mut self) {
        self.fetching = false;
    }

    /// A request with this token was answered with 401; one with an older token says nothing about the present one.
    ///
    /// A service that refuses each new one is not about the token: the next fetch waits, longer each time.
    pub fn refused(&mut self, now: Instant, number: u64) {
        if self.number != number || !self.good {
            return;
        }
        self.good = false;
        self.renew = None;
        self.hold = self.hold.max(self.refusals.checked_sub(1).map(|before| now + hold(before)));
        self.refusals = self.refusals.saturating_add(1);
    }

    /// A request with this token was answered with anything else.
    pub fn accepted(&mut self, number: u64) {
        if self.number == number {
            self.refusals = 0;
        }
    }

    /// Whether it is good now.
    pub fn is_good(&self, now: Instant) -> bool {
        self.good && self.ends.is_none_or(|ends| ends > now)
    }

    /// Which token it is, counted from 1; 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether one is being fetched.
    pub fn is_fetching(&self) -> bool {
        self.fetching
    }

    /// When a new one is fetched by itself; none if nobody says how long it is good for, or while one is being fetched.
    pub fn renewal(&self) -> Option<Instant> {
        self.renew.filter(|_| self.good)
    }

    /// When it is over; none if nobody says.
    pub fn ends(&self) -> Option<Instant> {
        self.ends.filter(|_| self.good)
    }

    /// When [`Self::renewal_due`] has something to say; none if it waits for requests.
    pub fn wake_at(&self) -> Option<Instant> {
        if self.fetching { None } else { self.renew }
    }

    fn expire(&mut self, now: Instant) {
        if self.ends.is_some_and(|ends| ends <= now) {
            self.good = false;
            self.ends = None;
        }
    }
}

/// The wait after so many failures in a row before this one.
fn hold(before: u32) -> Duration {
    FIRST_HOLD.saturating_mul(1 << before.min(6)).min(LAST_HOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: Duration = Duration::from_secs(30);

    #[allow(clippy::disallowed_methods, reason = "an instant can be made in no other way")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn many_that_need_it_cause_one_fetch() {
        let (now, mut token) = (start(), TokenState::default());
        assert_eq!(
            [token.need(now), token.need(now), token.need(now)],
            [Need::Fetch, Need::Wait, Need::Wait]
        );
        assert!(!token.came(now, None, MARGIN));
        assert_eq!((token.need(now), token.wake_at()), (Need::Have(1), None));
    }

    #[test]
    fn it_is_renewed_before_its_end_and_good_meanwhile() {
        let (now, mut token) = (start(), TokenState::default());
        token.need(now);
        token.came(now, Some(Duration::from_secs(60)), MARGIN);
        let due = now + Duration::from_secs(30);
        assert_eq!(token.wake_at(), Some(due));
        assert!(!token.renewal_due(due - Duration::from_millis(1)));
        assert!(token.renewal_due(due) && !token.renewal_due(due));
        assert_eq!(token.need(due), Need::Have(1));
        assert!(token.came(due, Some(Duration::from_secs(60)), MARGIN));
        assert_eq!(token.need(due), Need::Have(2));
        // Over, and nobody renewed it.
        assert_eq!(token.need(due + Duration::from_secs(60)), Need::Fetch);
    }

    #[test]
    fn a_margin_longer_than_its_life_and_a_life_of_nothing_do_not_spin() {
        let (now, mut token) = (start(), TokenState::default());
        token.need(now);
        token.came(now, Some(Duration::from_secs(20)), MARGIN);
        assert_eq!(token.wake_at(), Some(now + Duration::from_secs(10)));
        token.came(now, Some(Duration::ZERO), MARGIN);
        assert_eq!(token.wake_at(), Some(now + SOONEST));
    }

    #[test]
    fn a_fetch_that_fails_is_not_repeated_at_once() {
        let (mut now, mut token) = (start(), TokenState::default());
        let mut holds = Vec::new();
        for _ in 0..9 {
            assert_eq!(token.need(now), Need::Fetch);
            token.failed(now);
            assert_eq!(token.need(now), Need::Fail);
            let hold = token.hold.unwrap();
            holds.push(hold.duration_since(now).as_secs());
            now = hold;
        }
        assert_eq!(holds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn when_each_new_one_is_refused_the_next_fetch_waits_longer_each_time() {
        let (mut now, mut token) = (start(), TokenState::default());
        let mut holds = Vec::new();
        for number in 1..=5 {
            assert_eq!(token.need(now), Need::Fetch);
            token.came(now, None, MARGIN);
            // Two requests carried it: it is refused once.
            token.refused(now, number);
            token.refused(now, number);
            let hold = token.hold.unwrap_or(now);
            if hold > now {
                assert_eq!(token.need(hold - Duration::from_millis(1)), Need::Fail);
            }
            holds.push(hold.duration_since(now).as_secs());
            now = hold;
        }
        assert_eq!(holds, [0, 1, 2, 4, 8]);
        assert_eq!(token.need(now), Need::Fetch);
        token.came(now, None, MARGIN);
        token.accepted(5);
        assert_eq!(token.refusals, 5, "an older one was accepted");
        token.accepted(6);
        token.refused(now, 6);
        assert_eq!(token.need(now), Need::Fetch, "it was good, and is over");
    }

    #[test]
    fn a_refusal_of_an_older_one_says_nothing_about_the_present_one() {
        let (now, mut token) = (start(), TokenState::default());
        token.came(now, None, MARGIN);
        token.came(now, None, MARGIN);
        token.refused(now, 1);
        assert_eq!(token.need(now), Need::Have(2));
        token.refused(now, 2);
        assert_eq!(token.need(now), Need::Fetch);
        assert!(token.came(now, None, MARGIN), "an open link has to be told, also after a refusal");
    }
}
