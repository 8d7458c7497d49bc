//! Hands out dials so that many links behind one restarted server come back spread out; performs no I/O and reads no clock.
//!
//! Two limits, one for the process and one for each host, hold in *every* window of one second. Requests are served in the order
//! in which they came, except that those of a host that has used up its share do not hold up the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::settings;

/// How many dials may start in any one second; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In the whole process. Default 200.
    pub per_second: Option<NonZeroU32>,
    /// To one host (without its port). Default 50.
    pub per_host_per_second: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_second: NonZeroU32::new(200), per_host_per_second: NonZeroU32::new(50) }
    }
}

impl From<settings::Dial> for Limits {
    fn from(dial: settings::Dial) -> Self {
        Self {
            per_second: NonZeroU32::new(dial.per_second),
            per_host_per_second: NonZeroU32::new(dial.per_host_per_second),
        }
    }
}

/// A token bucket that never lets more than its rate through in one second, its burst included.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When the bucket will be full again.
    full: Instant,
}

/// The refill of one second is spread over a tenth more, so that the limit holds at the peer too, where a dial may come late.
const SPREAD_NANOS: u64 = 1_100_000_000;

/// Up to so many a second, the wait between two dials is longer than any of them is late.
const SLOW: u64 = 20;

/// What a rate means for a bucket.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Time for one token.
    interval: Duration,
    /// How far ahead of a full bucket one may be and still take a token.
    lead: Duration,
}

impl Pace {
    /// A tenth of the rate may go at once; the refill is what is left, so that burst and refill of one second make the rate.
    fn new(rate: NonZeroU32) -> Self {
        let burst = (rate.get() / 10).max(1);
        let refill = u64::from(rate.get() - burst + 1);
        // Rounded up: a token too late is within the budget, one too early is not.
        let nanos = if refill > SLOW { SPREAD_NANOS } else { 1_000_000_000 };
        let interval = Duration::from_nanos(nanos.div_ceil(refill));
        Self { interval, lead: interval * (burst - 1) }
    }
}

impl Bucket {
    /// When the next token can be taken.
    fn next(&self, pace: Option<Pace>) -> Instant {
        match pace {
            Some(pace) => self.full.checked_sub(pace.lead).unwrap_or(self.full),
            None => self.full,
        }
    }

    fn take(&mut self, pace: Option<Pace>, now: Instant) {
        self.full = self.full.max(now) + pace.map_or(Duration::ZERO, |pace| pace.interval);
    }
}

#[derive(Debug)]
struct Host<K> {
    bucket: Bucket,
    /// By order of arrival.
    queue: BTreeMap<u64, K>,
}

/// The queue of dials that wait, and what was granted lately; `K` names a request.
#[derive(Debug)]
pub struct Budget<K> {
    process: Option<Pace>,
    host: Option<Pace>,
    all: Bucket,
    last_order: u64,
    requests: HashMap<K, (u64, Arc<str>)>,
    hosts: HashMap<Arc<str>, Host<K>>,
    // Invariant: a host with a queue is in exactly one of `open` and `paced`, by its first request or its next token.
    open: BTreeSet<(u64, Arc<str>)>,
    paced: BTreeSet<(Instant, Arc<str>)>,
    /// Hosts without a queue, by when their bucket is full; then they are forgotten.
    idle: BTreeSet<(Instant, Arc<str>)>,
}

impl<K: Copy + Eq + Hash> Budget<K> {
    /// An empty queue with full buckets.
    pub fn new(now: Instant, limits: Limits) -> Self {
        Self {
            process: limits.per_second.map(Pace::new),
            host: limits.per_host_per_second.map(Pace::new),
            all: Bucket { full: now },
            last_order: 0,
            requests: HashMap::new(),
            hosts: HashMap::new(),
            open: BTreeSet::new(),
            paced: BTreeSet::new(),
            idle: BTreeSet::new(),
        }
    }

    /// Changes the limits; what waits keeps its place.
    pub fn set_limits(&mut self, now: Instant, limits: Limits) {
        let names: Vec<Arc<str>> = self.hosts.keys().cloned().collect();
        for name in &names {
            self.unlist(name);
        }
        self.process = limits.per_second.map(Pace::new);
        self.host = limits.per_host_per_second.map(Pace::new);
        // An old, slower pace must not hold up the new one for longer than an empty bucket would.
        let longest =
            |pace: Option<Pace>| now + pace.map_or(Duration::ZERO, |pace| pace.lead + pace.interval);
        self.all.full = self.all.full.min(longest(self.process));
        for host in self.hosts.values_mut() {
            host.bucket.full = host.bucket.full.min(longest(self.host));
        }
        for name in &names {
            self.list(now, name);
        }
    }

    /// Puts a request at the end of the queue; one with the same name is taken back first.
    pub fn request(&mut self, now: Instant, host: &str, key: K) {
        self.cancel(now, key);
        self.forget_idle(now);
        self.last_order += 1;
        let name = match self.hosts.get_key_value(host) {
            Some((name, _)) => name.clone(),
            None => Arc::from(host),
        };
        self.unlist(&name);
        let entry = self
            .hosts
            .entry(name.clone())
            .or_insert_with(|| Host { bucket: Bucket { full: now }, queue: BTreeMap::new() });
        entry.queue.insert(self.last_order, key);
        self.requests.insert(key, (self.last_order, name.clone()));
        self.list(now, &name);
    }

    /// Takes a request back; nothing happens if it was granted or never made.
    pub fn cancel(&mut self, now: Instant, key: K) {
        let Some((order, name)) = self.requests.remove(&key) else { return };
        self.unlist(&name);
        if let Some(host) = self.hosts.get_mut(&name) {
            host.queue.remove(&order);
        }
        self.list(now, &name);
    }

    /// Appends what may be dialled now to `granted`.
    pub fn grant(&mut self, now: Instant, granted: &mut Vec<K>) {
        self.forget_idle(now);
        while let Some((at, _)) = self.paced.first()
            && *at <= now
            && let Some((_, name)) = self.paced.pop_first()
        {
            self.list(now, &name);
        }
        while self.all.next(self.process) <= now
            && let Some((order, name)) = self.open.pop_first()
        {
            if let Some(host) = self.hosts.get_mut(&name)
                && let Some(key) = host.queue.remove(&order)
            {
                host.bucket.take(self.host, now);
                self.all.take(self.process, now);
                self.requests.remove(&key);
                granted.push(key);
            }
            self.list(now, &name);
        }
    }

    /// When [`Budget::grant`] will have something to grant; `None` if nothing waits.
    pub fn wake_at(&self) -> Option<Instant> {
        let all = self.all.next(self.process);
        if self.open.is_empty() { self.paced.first().map(|(at, _)| (*at).max(all)) } else { Some(all) }
    }

    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether no request waits.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many hosts are remembered.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    fn list(&mut self, now: Instant, name: &Arc<str>) {
        let Some(host) = self.hosts.get(name) else { return };
        let next = host.bucket.next(self.host);
        match host.queue.first_key_value() {
            Some((order, _)) if next <= now => self.open.insert((*order, name.clone())),
            Some(_) => self.paced.insert((next, name.clone())),
            None => self.idle.insert((host.bucket.full, name.clone())),
        };
    }

    fn unlist(&mut self, name: &Arc<str>) {
        let Some(host) = self.hosts.get(name) else { return };
        self.idle.remove(&(host.bucket.full, name.clone()));
        self.paced.remove(&(host.bucket.next(self.host), name.clone()));
        if let Some((order, _)) = host.queue.first_key_value() {
            self.open.remove(&(*order, name.clone()));
        }
    }

    fn forget_idle(&mut self, now: Instant) {
        while let Some((full, _)) = self.idle.first()
            && *full <= now
            && let Some((_, name)) = self.idle.pop_first()
        {
            self.hosts.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::link::clock::base;

    fn limits(process: u32, host: u32) -> Limits {
        Limits { per_second: NonZeroU32::new(process), per_host_per_second: NonZeroU32::new(host) }
    }

    /// The most grants in any window of one second.
    fn most_in_a_second(times: &[Instant]) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (last, time) in times.iter().enumerate() {
            while *time - times[first] >= Duration::from_secs(1) {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_budget_holds_in_every_window_and_each_request_is_granted_once_or_cancelled(
            process in 1..300_u32, host in 1..80_u32,
            ops in prop::collection::vec((0..400_u64, 0..5_u8, 0..20_u32, any::<bool>()), 1..120),
        ) {
            let mut now = base();
            let mut budget = Budget::new(now, limits(process, host));
            let mut waiting: BTreeMap<u32, u8> = BTreeMap::new();
            let mut all = Vec::new();
            let mut by_host: HashMap<u8, Vec<Instant>> = HashMap::new();
            let mut granted = Vec::new();
            let mut next_key = 0;
            let mut run = |budget: &mut Budget<u32>, waiting: &mut BTreeMap<u32, u8>, now: &mut Instant, until: Instant| {
                while let Some(at) = budget.wake_at().filter(|at| *at <= until) {
                    *now = (*now).max(at);
                    granted.clear();
                    budget.grant(*now, &mut granted);
                    assert!(!granted.is_empty(), "woken for nothing");
                    for key in &granted {
                        let host = waiting.remove(key).expect("granted twice, or after the cancel");
                        all.push(*now);
                        by_host.entry(host).or_default().push(*now);
                    }
                }
                *now = (*now).max(until);
            };
            for (gap, host, requests, cancels) in ops {
                let until = now + Duration::from_millis(gap);
                run(&mut budget, &mut waiting, &mut now, until);
                for _ in 0..requests {
                    next_key += 1;
                    budget.request(now, &host.to_string(), next_key);
                    waiting.insert(next_key, host);
                }
                if cancels && let Some((key, _)) = waiting.pop_first() {
                    budget.cancel(now, key);
                }
                prop_assert_eq!(budget.len(), waiting.len());
            }
            // Each request costs at most one interval of each bucket.
            let until = now + Duration::from_secs(2) * u32::try_from(waiting.len() + 1).unwrap();
            run(&mut budget, &mut waiting, &mut now, until);
            prop_assert!(waiting.is_empty(), "{} never granted", waiting.len());
            prop_assert!(most_in_a_second(&all) <= process as usize);
            for times in by_host.values() {
                prop_assert!(most_in_a_second(times) <= host as usize);
            }
            budget.grant(now + Duration::from_secs(2), &mut Vec::new());
            prop_assert_eq!(budget.hosts(), 0, "idle hosts are forgotten");
        }
    }

    #[test]
    fn a_host_that_has_used_up_its_share_does_not_hold_up_the_others() {
        let now = base();
        let mut budget = Budget::new(now, Limits::default());
        for key in 0..100 {
            budget.request(now, "busy", key);
        }
        budget.request(now, "quiet", 100);
        let mut granted = Vec::new();
        budget.grant(now, &mut granted);
        assert_eq!(granted, [0, 1, 2, 3, 4, 100]);
    }

    #[test]
    fn a_full_budget_gives_nearly_all_of_its_rate() {
        let start = base();
        let mut budget = Budget::new(start, Limits::default());
        for key in 0..2_000 {
            budget.request(start, &(key % 100).to_string(), key);
        }
        let mut granted = Vec::new();
        let mut last = start;
        while let Some(at) = budget.wake_at() {
            last = at;
            budget.grant(at, &mut granted);
        }
        assert_eq!(granted, (0..2_000).collect::<Vec<_>>(), "in order of arrival");
        let seconds = (last - start).as_secs_f64();
        assert!((11.0..12.5).contains(&seconds), "2,000 dials at 200/s took {seconds} s");
    }

    #[test]
    fn without_limits_everything_is_granted_at_once() {
        let now = base();
        let mut budget = Budget::new(now, limits(0, 0));
        for key in 0..1_000 {
            budget.request(now, "host", key);
        }
        let mut granted = Vec::new();
        budget.grant(now, &mut granted);
        assert_eq!((granted.len(), budget.wake_at()), (1_000, None));
    }

    #[test]
    fn new_limits_apply_to_what_waits() {
        let now = base();
        let mut budget = Budget::new(now, limits(1, 1));
        for key in 0..50 {
            budget.request(now, "host", key);
        }
        let mut granted = Vec::new();
        budget.grant(now, &mut granted);
        assert_eq!(granted.len(), 1);
        budget.set_limits(now, limits(0, 0));
        budget.grant(now, &mut granted);
        assert_eq!(granted.len(), 50);
    }
}
