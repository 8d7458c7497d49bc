//! How a link behaves when things fail: the waits, what counts as permanent, and the ranges; keeps no state.

use std::fmt;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::language::model::connection::{Handover, Reconnect};

/// The first wait of a link that was rejected, at least; it doubles up to [`Policy::rejected_delay`].
pub const FIRST_REJECTED_DELAY: Duration = Duration::from_secs(10);

/// The longest `Retry-After` that is believed; a peer must not park a link for ever.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of `bs:Reconnect` and the dial deadline, in time units; see `LANGUAGE.md` 2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Upper end of the first back-off wait, which doubles with each failure. From 10 ms to 1 h, default 500 ms.
    pub initial_delay: Duration,
    /// Upper end of every back-off wait. From `initial_delay` to 24 h, default 30 s.
    pub max_delay: Duration,
    /// How long a link must be ready before the back-off starts anew. From 0 to 1 h, default 5 s.
    pub settle: Duration,
    /// How long changes of watched parameters are gathered into one move. From 0 (off) to 60 s, default 50 ms.
    pub window: Duration,
    /// How long the peer's close frame is waited for. From 0 (drop at once) to 60 s, default 1 s.
    pub close_timeout: Duration,
    /// Longest wait after a permanent refusal. From 1 s to 7 days, default 5 min.
    pub rejected_delay: Duration,
    /// How long name, TCP, proxy, TLS and handshake may take together (`TimeoutTime`). From 100 ms to 1 h, default 10 s.
    pub dial_timeout: Duration,
    /// Which of two links comes first when a link moves; default close first.
    pub handover: Handover,
    /// Close codes and HTTP statuses that count as permanent, beside those that always do; default none.
    pub stop_on: StopOn,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            settle: Duration::from_secs(5),
            window: Duration::from_millis(50),
            close_timeout: Duration::from_secs(1),
            rejected_delay: Duration::from_secs(300),
            dial_timeout: Duration::from_secs(10),
            handover: Handover::CloseFirst,
            stop_on: StopOn::default(),
        }
    }
}

impl Policy {
    /// What a definition and its settings together say, within the ranges; `timeout` is that of a dial.
    pub fn of(reconnect: &Reconnect, timeout: Duration) -> Self {
        Self {
            initial_delay: reconnect.initial_delay,
            max_delay: reconnect.max_delay,
            settle: reconnect.settle,
            window: reconnect.window,
            close_timeout: reconnect.close_timeout,
            rejected_delay: reconnect.rejected_delay,
            dial_timeout: timeout,
            handover: reconnect.handover,
            stop_on: StopOn::of(&reconnect.stop_on),
        }
        .bounded()
    }

    /// The same with every value brought into its range, so that no wait is endless and no loop is hot.
    #[must_use]
    pub fn bounded(self) -> Self {
        let (hour, minute) = (Duration::from_secs(3_600), Duration::from_secs(60));
        let initial_delay = self.initial_delay.clamp(Duration::from_millis(10), hour);
        Self {
            initial_delay,
            max_delay: self.max_delay.clamp(initial_delay, 24 * hour),
            settle: self.settle.min(hour),
            window: self.window.min(minute),
            close_timeout: self.close_timeout.min(minute),
            rejected_delay: self.rejected_delay.clamp(Duration::from_secs(1), 7 * 24 * hour),
            dial_timeout: self.dial_timeout.clamp(Duration::from_millis(100), hour),
            handover: self.handover,
            stop_on: self.stop_on,
        }
    }

    /// The longest wait after so many failures in a row (0 is the first).
    pub fn backoff_ceiling(&self, failures: u32) -> Duration {
        doubled(self.initial_delay, failures, self.max_delay)
    }

    /// A random wait between nothing and the ceiling: full jitter, so that many links come back spread out.
    pub fn backoff(&self, failures: u32, rng: &mut StdRng) -> Duration {
        self.backoff_ceiling(failures).mul_f64(rng.random_range(0.0..1.0))
    }

    /// The wait after so many refusals in a row (0 is the first): 10 s, 20 s, 40 s and up to half as long again, at most
    /// [`Policy::rejected_delay`]; or the peer's `Retry-After` if that is longer, of which a day is believed.
    ///
    /// The third that is random spreads links that one server refused at the same moment, with and without `Retry-After`.
    pub fn rejected_wait(&self, refusals: u32, retry_after: Option<Duration>, rng: &mut StdRng) -> Duration {
        let ceiling = doubled(FIRST_REJECTED_DELAY * 3 / 2, refusals, self.rejected_delay);
        let jitter = (ceiling / 3).mul_f64(rng.random_range(0.0..1.0));
        let least = (ceiling - ceiling / 3).max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER));
        (least + jitter).min(self.rejected_delay.max(MAX_RETRY_AFTER))
    }
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    // 2^31 times 10 ms is far beyond every `most`.
    first.saturating_mul(1 << times.min(31)).min(most)
}

/// Close codes and HTTP statuses that an author declared permanent (`stopOn`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopOn {
    // Invariant: sorted, no duplicates. Statuses (100 to 599) and close codes (1000 to 4999) do not overlap.
    codes: Vec<u16>,
}

impl StopOn {
    /// Reads numbers separated by `;`, blanks and empty parts allowed.
    ///
    /// # Errors
    ///
    /// The first part that is neither an HTTP status (100 to 599) nor a close code (1000 to 4999).
    pub fn parse(text: &str) -> Result<Self, &str> {
        let mut codes = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            match part.parse() {
                Ok(code @ (100..=599 | 1000..=4999)) => codes.push(code),
                Ok(_) | Err(_) => return Err(part),
            }
        }
        Ok(Self::of(&codes))
    }

    /// Takes numbers that were already checked; those that are neither statuses nor close codes match nothing.
    pub fn of(codes: &[u16]) -> Self {
        let mut codes = codes.to_vec();
        codes.sort_unstable();
        codes.dedup();
        Self { codes }
    }

    /// Whether a close code or an HTTP status is listed.
    pub fn contains(&self, code: u16) -> bool {
        self.codes.binary_search(&code).is_ok()
    }
}

/// Why a peer will not have us until something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The handshake was answered with this HTTP status.
    Status(u16),
    /// The link was closed with this code.
    Close(u16),
    /// The peer's certificate, or ours, was not accepted.
    Certificate,
    /// The peer selected a subprotocol that was not offered.
    Subprotocol,
    /// The peer selected an extension that was not offered or is not implemented.
    Extension,
    /// The handshake cannot be written: a bad address, or a value that must not stand in a header.
    Request,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::Close(code) => write!(f, "close code {code}"),
            Self::Certificate => f.write_str("certificate not accepted"),
            Self::Subprotocol => f.write_str("subprotocol was not offered"),
            Self::Extension => f.write_str("extension was not offered"),
            Self::Request => f.write_str("handshake cannot be sent as the parameters stand"),
        }
    }
}

/// What a failed dial or a lost link means for what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Trying again can help; the peer may have said after how long.
    Transient {
        /// The peer's `Retry-After`; more than a day counts as a day.
        retry_after: Option<Duration>,
    },
    /// Trying again cannot help until something changes.
    Rejected {
        /// Why.
        reason: Rejection,
        /// The peer's `Retry-After`; more than a day counts as a day.
        retry_after: Option<Duration>,
    },
}

impl Verdict {
    /// An ordinary failure.
    pub const TRANSIENT: Self = Self::Transient { retry_after: None };

    /// A permanent failure without a `Retry-After`.
    pub fn rejected(reason: Rejection) -> Self {
        Self::Rejected { reason, retry_after: None }
    }
}

/// What the HTTP status of a refused handshake means: 401, 403, 404, 410, 426 and those of `stopOn` are permanent.
pub fn verdict_of_status(status: u16, retry_after: Option<Duration>, stop_on: &StopOn) -> Verdict {
    if matches!(status, 401 | 403 | 404 | 410 | 426) || stop_on.contains(status) {
        Verdict::Rejected { reason: Rejection::Status(status), retry_after }
    } else {
        Verdict::Transient { retry_after }
    }
}

/// What a close code (`None`: the link ended without one) means: 1008 and those of `stopOn` are permanent.
pub fn verdict_of_close(code: Option<u16>, stop_on: &StopOn) -> Verdict {
    match code {
        Some(code) if code == 1008 || stop_on.contains(code) => Verdict::rejected(Rejection::Close(code)),
        Some(_) | None => Verdict::TRANSIENT,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn statuses_and_codes_that_are_permanent() {
        let stop_on = StopOn::parse(" 503; ;4001;1012 ;503").unwrap();
        for (status, permanent) in [
            (400, false),
            (401, true),
            (403, true),
            (404, true),
            (410, true),
            (426, true),
            (429, false),
            (500, false),
            (503, true),
        ] {
            let verdict = verdict_of_status(status, None, &stop_on);
            assert_eq!(matches!(verdict, Verdict::Rejected { .. }), permanent, "{status}");
        }
        for (code, permanent) in [
            (None, false),
            (Some(1000), false),
            (Some(1006), false),
            (Some(1008), true),
            (Some(1012), true),
            (Some(1013), false),
            (Some(4001), true),
        ] {
            let verdict = verdict_of_close(code, &stop_on);
            assert_eq!(matches!(verdict, Verdict::Rejected { .. }), permanent, "{code:?}");
        }
        assert_eq!(verdict_of_close(Some(1012), &StopOn::default()), Verdict::TRANSIENT);
    }

    #[test]
    fn stop_on_names_the_part_that_is_no_code() {
        for (text, bad) in
            [("1008;x", "x"), ("99", "99"), ("600", "600"), ("5000", "5000"), ("1008,1009", "1008,1009")]
        {
            assert_eq!(StopOn::parse(text), Err(bad), "{text}");
        }
        assert_eq!(StopOn::parse(""), Ok(StopOn::default()));
    }

    #[test]
    fn the_backoff_doubles_to_its_maximum_and_uses_the_whole_range() {
        let policy = Policy::default();
        let ceilings: Vec<u128> = (0..8).map(|n| policy.backoff_ceiling(n).as_millis()).collect();
        assert_eq!(ceilings, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(policy.backoff_ceiling(u32::MAX), policy.max_delay);
        let mut rng = StdRng::seed_from_u64(1);
        let waits: Vec<f64> = (0..2_000).map(|_| policy.backoff(9, &mut rng).as_secs_f64()).collect();
        assert!(waits.iter().all(|wait| (0.0..=30.0).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 1.0) && waits.iter().any(|wait| *wait > 29.0));
    }

    #[test]
    fn the_wait_after_a_refusal_doubles_to_its_maximum_and_is_spread() {
        let policy = Policy::default();
        let mut rng = StdRng::seed_from_u64(1);
        let mut check = |refusals: u32, retry_after: Option<u64>, from: f64, to: f64| {
            let retry_after = retry_after.map(Duration::from_secs);
            let waits: Vec<f64> = (0..2_000)
                .map(|_| policy.rejected_wait(refusals, retry_after, &mut rng).as_secs_f64())
                .collect();
            assert!(waits.iter().all(|wait| (from..=to).contains(wait)), "{refusals} {retry_after:?}");
            let mean = waits.iter().sum::<f64>() / 2_000.0;
            let deviation = (waits.iter().map(|wait| (wait - mean).powi(2)).sum::<f64>() / 2_000.0).sqrt();
            assert!(deviation >= (to - from) / 4.0, "{refusals} {retry_after:?}: {deviation}");
        };
        check(0, None, 10.0, 15.0);
        check(1, None, 20.0, 30.0);
        check(4, None, 160.0, 240.0);
        check(5, None, 200.0, 300.0);
        check(u32::MAX, None, 200.0, 300.0);
        check(0, Some(60), 60.0, 65.0);
        check(9, Some(20), 200.0, 300.0);
        let day = policy.rejected_wait(0, Some(Duration::MAX), &mut rng);
        assert_eq!(day, MAX_RETRY_AFTER);
    }

    #[test]
    fn a_policy_out_of_range_is_brought_into_it() {
        let zero = Duration::ZERO;
        let policy = Policy {
            initial_delay: zero,
            max_delay: zero,
            rejected_delay: zero,
            dial_timeout: zero,
            ..Policy::default()
        };
        let policy = policy.bounded();
        assert_eq!(policy.initial_delay, Duration::from_millis(10));
        assert_eq!(policy.max_delay, policy.initial_delay);
        assert_eq!(policy.rejected_delay, Duration::from_secs(1));
        assert_eq!(policy.dial_timeout, Duration::from_millis(100));
        assert_eq!(Policy::default().bounded(), Policy::default());
    }
}
