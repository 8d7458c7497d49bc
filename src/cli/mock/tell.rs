//! What is told of a peer: each thing that it got, and of what goes wrong again and again not too much; serves nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::cli::render::printable;
use crate::scenario::peer::Log;

/// How long a period is in which [`MOST`] is told.
const PERIOD: Duration = Duration::from_secs(10);

/// How much of what goes wrong is told in a period; the rest is counted.
const MOST: u64 = 20;

/// What has been told of one peer.
#[derive(Debug)]
pub(super) struct Teller {
    peer: usize,
    /// The number of the first entry that has not been told.
    entries: u64,
    /// The number of the first problem that has not been told.
    problems: u64,
    /// When the period began; none before anything has gone wrong in it.
    began: Option<Instant>,
    told: u64,
    left_out: u64,
}

impl Teller {
    /// Nothing has been told of this peer.
    pub(super) fn new(peer: usize) -> Self {
        Self { peer, entries: 0, problems: 0, began: None, told: 0, left_out: 0 }
    }

    /// The lines for what has happened since the last time.
    pub(super) fn news(&mut self, now: Instant, log: &Log) -> Vec<String> {
        let peer = self.peer;
        let new = log.entries.iter().filter(|(at, _)| *at >= self.entries);
        let mut lines: Vec<String> = new.map(|(_, entry)| format!("peer {peer} got {entry}")).collect();
        self.entries = log.entries.back().map_or(self.entries, |(at, _)| at + 1);
        if self.began.is_some_and(|began| now - began >= PERIOD) {
            if self.left_out > 0 {
                let (count, seconds) = (self.left_out, PERIOD.as_secs());
                lines.push(format!("peer {peer}: {count} more went wrong in {seconds} s and are not shown"));
            }
            (self.began, self.told, self.left_out) = (None, 0, 0);
        }
        for (at, problem) in &log.problems {
            // What is not kept any more went by too fast.
            let Some(missed) = at.checked_sub(self.problems) else { continue };
            self.left_out += missed;
            self.problems = at + 1;
            self.began.get_or_insert(now);
            if self.told < MOST {
                self.told += 1;
                lines.push(format!("peer {peer}: {}", printable(problem)));
            } else {
                self.left_out += 1;
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log whose last problem has this number.
    fn log(last: u64) -> Log {
        let mut log = Log::default();
        log.problems.extend((last.saturating_sub(4)..=last).map(|number| (number, format!("no {number}"))));
        log
    }

    #[test]
    fn what_goes_wrong_for_days_is_told_for_days_and_never_too_fast() {
        let (start, mut teller) = (Instant::now(), Teller::new(3));
        let mut told = Vec::new();
        // A hundred problems each second, for an hour.
        for second in 0..3600 {
            for part in 0..20 {
                let now = start + Duration::from_secs(second) + Duration::from_millis(part * 50);
                told.extend(teller.news(now, &log(second * 100 + part * 5 + 4)));
            }
        }
        assert_eq!(told[0], "peer 3: no 0");
        let counts =
            told.iter().filter(|line| line.ends_with("980 more went wrong in 10 s and are not shown"));
        assert_eq!((counts.count(), told.len()), (359, 360 * 21 - 1), "{:?}", told.last());
        let quiet = start + Duration::from_secs(5000);
        assert_eq!(
            teller.news(quiet, &log(359_999)),
            ["peer 3: 980 more went wrong in 10 s and are not shown"]
        );
        assert_eq!(teller.news(quiet, &log(359_999)), [] as [&str; 0]);
        // What came faster than it was looked at counts too.
        assert_eq!(teller.news(quiet, &log(360_100)).len(), 5);
        let later = teller.news(quiet + PERIOD, &log(360_100));
        assert_eq!(later, ["peer 3: 96 more went wrong in 10 s and are not shown"]);
    }
}
