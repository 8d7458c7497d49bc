//! Properties and examples of a link against a simulated transport that answers late, twice, or never; opens no socket.

mod moves;
mod properties;
mod storm;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::engine::link::budget::{Budget, Limits};
use crate::engine::link::cause::{Cause, Change, Origin, Values};
use crate::engine::link::clock::base;
use crate::engine::link::policy::{
    MAX_RETRY_AFTER, Policy, StopOn, Verdict, verdict_of_close, verdict_of_status,
};
use crate::engine::link::status::{Close, Epoch, Phase};
use crate::engine::link::{DIAL_SLACK, Effect, HASTY_MOVES, Input, Link, QUEUE_LIMIT, Target};
use crate::language::model::connection::{Handover, Reconnect};
use crate::value::{Context, Value, Wall};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How the simulated peer takes a dial.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Accepts,
    AcceptsAndDrops { after_ms: u64, code: Option<u16> },
    Refuses { status: u16, retry_after_s: Option<u64> },
    NeverAnswers,
}

/// How fast and how honest the simulated transport is.
#[derive(Clone, Copy, Debug)]
struct Line {
    dial_ms: u64,
    close_ms: u64,
    grant_ms: u64,
    /// Whether answers that were under way when something was given up still arrive.
    leaks: bool,
}

const PROMPT: Line = Line { dial_ms: 1, close_ms: 1, grant_ms: 0, leaks: false };

/// A link, a transport and a clock.
struct World {
    start: Instant,
    ctx: Context,
    rng: StdRng,
    link: Link,
    peer: Peer,
    line: Line,
    handover: Handover,
    events: BTreeMap<(Instant, u64), Input>,
    order: u64,
    queued: BTreeSet<Epoch>,
    dialling: BTreeSet<Epoch>,
    open: BTreeSet<Epoch>,
    phase: Phase,
    log: Vec<(Duration, Effect)>,
}

impl World {
    fn new(policy: Policy, seed: u64) -> Self {
        let start = base();
        let ctx = Context::new(start, Wall(0), seed);
        let handover = policy.handover;
        let link = Link::new(&ctx, policy);
        Self {
            start,
            ctx,
            rng: StdRng::seed_from_u64(seed ^ 0x5eed),
            link,
            peer: Peer::Accepts,
            line: PROMPT,
            handover,
            events: BTreeMap::new(),
            order: 0,
            queued: BTreeSet::new(),
            dialling: BTreeSet::new(),
            open: BTreeSet::new(),
            phase: Phase::Idle,
            log: Vec::new(),
        }
    }

    /// A world whose link is ready.
    fn ready(policy: Policy) -> Self {
        let mut world = Self::new(policy, 1);
        world.give(Input::Target(Target::Known));
        world.run(ms(5));
        assert_eq!(world.link.phase(), Phase::Ready);
        world.log.clear();
        world
    }

    fn later(&mut self, millis: u64, input: Input) {
        self.order += 1;
        self.events.insert((self.ctx.now + ms(millis), self.order), input);
    }

    /// The dial or link that an input is about.
    fn epoch_of(input: &Input) -> Option<Epoch> {
        match input {
            Input::Granted { epoch }
            | Input::Opened { epoch }
            | Input::Failed { epoch, .. }
            | Input::Lost { epoch, .. }
            | Input::HeartbeatLost { epoch } => Some(*epoch),
            Input::Target(_)
            | Input::Changed(_)
            | Input::Open(_)
            | Input::Close
            | Input::Reconnect(_)
            | Input::Stop
            | Input::Tick => None,
        }
    }

    fn is_live(&self, epoch: Epoch) -> bool {
        self.queued.contains(&epoch) || self.dialling.contains(&epoch) || self.open.contains(&epoch)
    }

    fn give(&mut self, input: Input) {
        // What is due by time comes first, so that the effects of the input stand alone.
        self.step(Input::Tick);
        let about = Self::epoch_of(&input);
        let stale = about.is_some_and(|epoch| !self.is_live(epoch));
        let counted = self.link.snapshot().stale;
        match &input {
            Input::Opened { epoch } => {
                self.dialling.remove(epoch);
                self.open.insert(*epoch);
            }
            Input::Failed { epoch, .. } => {
                self.dialling.remove(epoch);
            }
            Input::Lost { epoch, .. } => {
                self.open.remove(epoch);
            }
            Input::Granted { .. }
            | Input::HeartbeatLost { .. }
            | Input::Target(_)
            | Input::Changed(_)
            | Input::Open(_)
            | Input::Close
            | Input::Reconnect(_)
            | Input::Stop
            | Input::Tick => {}
        }
        let opened = matches!(input, Input::Opened { .. });
        let effects = self.step(input);
        if stale {
            let allowed: Vec<Effect> =
                about.into_iter().filter(|_| opened).map(|epoch| Effect::Drop { epoch }).collect();
            assert_eq!(effects, allowed, "a stale event has no effect but the end of its own socket");
            assert_eq!(self.link.snapshot().stale, counted + 1);
        }
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let was_stopped = self.link.phase() == Phase::Stopped;
        let mut effects = Vec::new();
        self.link.step(&mut self.ctx, input, &mut effects);
        for effect in &effects {
            assert!(!was_stopped || matches!(effect, Effect::Drop { .. }), "{effect:?} after the stop");
            self.perform(effect);
            self.log.push((self.ctx.now - self.start, effect.clone()));
        }
        self.check();
        effects
    }

    fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::RequestDial { epoch } => {
                assert!(self.queued.is_empty(), "one request at a time");
                self.queued.insert(*epoch);
                self.later(self.line.grant_ms, Input::Granted { epoch: *epoch });
            }
            Effect::CancelRequest { epoch } => assert!(self.queued.remove(epoch)),
            Effect::Dial { epoch, .. } => {
                assert!(self.queued.remove(epoch));
                self.dialling.insert(*epoch);
                self.answer(*epoch);
            }
            Effect::CancelDial { epoch } => assert!(self.dialling.remove(epoch)),
            Effect::Close { epoch, deadline, .. } => {
                assert!(self.open.contains(epoch));
                assert!(*deadline - self.ctx.now <= self.link.policy().close_timeout);
                self.later(
                    self.line.close_ms,
                    Input::Lost { epoch: *epoch, verdict: Verdict::TRANSIENT, close: None },
                );
            }
            Effect::Drop { epoch } => assert!(self.open.remove(epoch), "drop of a socket that is not there"),
            Effect::Up { epoch, from } => {
                assert!(self.open.contains(epoch));
                assert!(from.is_none_or(|old| self.open.contains(&old) && old < *epoch));
            }
            Effect::Down { epoch } => assert!(!self.open.contains(epoch)),
            Effect::State { from, to, .. } => {
                assert_eq!(*from, self.phase);
                assert_ne!(from, to);
                self.phase = *to;
            }
            Effect::Moved { .. } | Effect::Flapping(_) => {}
        }
    }

    fn answer(&mut self, epoch: Epoch) {
        let dial = self.rng.random_range(0..=self.line.dial_ms);
        match self.peer {
            Peer::Accepts => self.later(dial, Input::Opened { epoch }),
            Peer::AcceptsAndDrops { after_ms, code } => {
                self.later(dial, Input::Opened { epoch });
                let close = code.map(|code| Close { code, reason: "".into() });
                let verdict = verdict_of_close(code, &StopOn::default());
                self.later(dial + after_ms, Input::Lost { epoch, verdict, close });
            }
            Peer::Refuses { status, retry_after_s } => {
                let verdict = verdict_of_status(
                    status,
                    retry_after_s.map(Duration::from_secs),
                    &self.link.policy().stop_on,
                );
                self.later(dial, Input::Failed { epoch, verdict });
            }
            Peer::NeverAnswers => {}
        }
    }

    fn check(&self) {
        assert_eq!(self.phase, self.link.phase());
        assert!(self.dialling.len() <= 1, "one dial at a time");
        let most = if self.handover == Handover::OpenFirst { 2 } else { 1 };
        assert!(self.open.len() + self.dialling.len() <= most, "too many sockets");
        let now = self.ctx.now;
        let wake = self.link.wake_at();
        assert!(wake.is_none_or(|at| at > now), "woken for nothing");
        let policy = self.link.policy();
        let bound = match self.phase {
            Phase::Idle | Phase::Ready | Phase::Closed => None,
            Phase::Stopped => {
                assert_eq!(wake, None);
                None
            }
            Phase::Connecting if self.dialling.is_empty() => Some(QUEUE_LIMIT),
            Phase::Connecting => Some(policy.dial_timeout + DIAL_SLACK),
            Phase::Closing => Some(policy.close_timeout),
            Phase::Backoff => Some(policy.max_delay + MAX_RETRY_AFTER),
            Phase::Rejected => Some(policy.rejected_delay.max(MAX_RETRY_AFTER)),
        };
        if let Some(bound) = bound {
            assert!(wake.is_some_and(|at| at - now <= bound), "{:?} waits without a bound", self.phase);
        }
    }

    /// Lets time pass: events and deadlines happen in order.
    fn run(&mut self, time: Duration) {
        let end = self.ctx.now + time;
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = event.into_iter().chain(self.link.wake_at()).min().filter(|at| *at <= end)
            else {
                break;
            };
            let forward = next.saturating_duration_since(self.ctx.now);
            self.ctx.advance(forward);
            if event == Some(next) {
                let (_, input) = self.events.pop_first().unwrap();
                let stale = Self::epoch_of(&input).is_some_and(|epoch| !self.is_live(epoch));
                if self.line.leaks || !stale {
                    self.give(input);
                }
            } else {
                self.step(Input::Tick);
            }
        }
        let forward = end - self.ctx.now;
        self.ctx.advance(forward);
        self.step(Input::Tick);
    }

    /// Lets time pass until the next thing happens.
    fn turn(&mut self) {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let next = event.into_iter().chain(self.link.wake_at()).min();
        self.run(next.map_or(Duration::ZERO, |at| at.saturating_duration_since(self.ctx.now)));
    }

    fn set(&mut self, param: u32, old: &str, new: &str, by: Origin) {
        let values = Values::Shown { old: Value::from(old), new: Value::from(new) };
        self.give(Input::Changed(Change { param, values, by }));
    }

    fn count(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        self.log.iter().filter(|(_, effect)| wanted(effect)).count()
    }

    fn dials(&self) -> usize {
        self.count(|effect| matches!(effect, Effect::Dial { .. }))
    }

    fn states(&self) -> Vec<Phase> {
        let to = |effect: &Effect| match effect {
            Effect::State { to, .. } => Some(*to),
            _ => None,
        };
        self.log.iter().filter_map(|(_, effect)| to(effect)).collect()
    }
}

#[test]
fn a_peer_that_accepts_and_closes_at_once_is_dialled_at_most_sixteen_times_a_minute() {
    for seed in 0..200 {
        let mut world = World::new(Policy::default(), seed);
        world.peer = Peer::AcceptsAndDrops { after_ms: 0, code: Some(1000) };
        world.give(Input::Target(Target::Known));
        world.run(Duration::from_secs(60));
        assert!((4..=16).contains(&world.dials()), "seed {seed}: {} dials", world.dials());
    }
}

#[test]
fn a_rejected_link_opens_when_a_watched_parameter_is_set() {
    let mut world = World::new(Policy::default(), 1);
    world.peer = Peer::Refuses { status: 401, retry_after_s: None };
    world.give(Input::Target(Target::Known));
    world.run(Duration::from_secs(100));
    assert_eq!(world.link.phase(), Phase::Rejected);
    world.peer = Peer::Accepts;
    world.set(9, "old token", "new token", Origin::Engine);
    world.run(ms(60));
    assert_eq!(world.link.phase(), Phase::Ready);
}

#[test]
fn close_code_1008_rejects_and_1012_does_not() {
    for (code, phase) in [(1008, Phase::Rejected), (1012, Phase::Backoff), (1013, Phase::Backoff)] {
        let mut world = World::ready(Policy::default());
        let epoch = world.link.ready().unwrap();
        let verdict = verdict_of_close(Some(code), &StopOn::default());
        let close = Some(Close { code, reason: "why".into() });
        world.give(Input::Lost { epoch, verdict, close: close.clone() });
        assert_eq!(world.link.phase(), phase, "{code}");
        assert_eq!(world.link.snapshot().last_close, close);
    }
}

#[test]
fn retry_after_is_honoured_and_bounded() {
    let mut world = World::new(Policy::default(), 3);
    world.peer = Peer::Refuses { status: 503, retry_after_s: Some(20) };
    world.give(Input::Target(Target::Known));
    world.run(Duration::from_secs(19));
    assert_eq!(world.dials(), 1);
    world.run(Duration::from_secs(2));
    assert_eq!(world.dials(), 2);
    world.peer = Peer::Refuses { status: 503, retry_after_s: Some(u64::MAX / 4) };
    world.run(Duration::from_secs(30));
    let wait = world.link.snapshot().next_dial.unwrap() - world.ctx.now;
    assert!(wait <= MAX_RETRY_AFTER + world.link.policy().max_delay);
}

#[test]
fn closed_is_left_by_open_or_by_a_set_that_somebody_asked_for() {
    let open: fn(&mut World) = |world| world.give(Input::Open(Origin::Engine));
    let user: fn(&mut World) = |world| world.set(8, "/a", "/a", Origin::User);
    let engine: fn(&mut World) = |world| world.set(8, "/a", "/b", Origin::Engine);
    let reconnect: fn(&mut World) = |world| world.give(Input::Reconnect(Origin::User));
    for (what, act, phase) in [
        ("open", open, Phase::Ready),
        ("user", user, Phase::Ready),
        ("engine", engine, Phase::Closed),
        ("reconnect", reconnect, Phase::Closed),
    ] {
        for settle_first in [ms(0), ms(100)] {
            let mut world = World::ready(Policy::default());
            world.line = Line { close_ms: 20, ..PROMPT };
            world.give(Input::Close);
            world.run(settle_first);
            act(&mut world);
            world.run(ms(500));
            assert_eq!(world.link.phase(), phase, "{what} after {settle_first:?}");
        }
    }
}

#[test]
fn a_stop_closes_with_1001_and_is_final() {
    let mut world = World::ready(Policy::default());
    world.give(Input::Stop);
    assert_eq!(world.count(|effect| matches!(effect, Effect::Close { code: 1001, .. })), 1);
    world.run(ms(10));
    assert_eq!(world.states(), [Phase::Closing, Phase::Stopped]);
    for input in [
        Input::Open(Origin::User),
        Input::Reconnect(Origin::User),
        Input::Target(Target::Empty),
        Input::Target(Target::Known),
    ] {
        world.give(input);
    }
    world.set(8, "/a", "/b", Origin::User);
    world.run(Duration::from_secs(3_600));
    assert_eq!(world.link.phase(), Phase::Stopped);
}

#[test]
fn flapping_is_told_when_it_starts_and_when_it_ends() {
    let mut world = World::new(Policy::default(), 7);
    world.peer = Peer::AcceptsAndDrops { after_ms: 100, code: None };
    world.give(Input::Target(Target::Known));
    world.run(Duration::from_secs(120));
    assert_eq!(world.link.snapshot().flapping, Some(5));
    assert_eq!(world.count(|effect| matches!(effect, Effect::Flapping(_))), 1);
    world.peer = Peer::Accepts;
    world.run(Duration::from_secs(600));
    assert_eq!(world.link.snapshot().flapping, None);
    assert_eq!(world.log.last().map(|(_, effect)| effect.clone()), Some(Effect::Flapping(None)));
}

#[test]
fn a_dial_without_an_answer_ends_soon_after_its_deadline() {
    let mut world = World::new(Policy::default(), 1);
    world.peer = Peer::NeverAnswers;
    world.give(Input::Target(Target::Known));
    world.run(ms(10_499));
    assert_eq!(world.link.phase(), Phase::Connecting);
    world.run(ms(2));
    assert_eq!(world.link.phase(), Phase::Backoff);
    assert_eq!(world.link.snapshot().why, Cause::DialTimeout);
}

#[test]
fn a_policy_is_what_the_definition_and_the_settings_say_brought_into_the_ranges() {
    let reconnect = Reconnect {
        initial_delay: ms(500),
        max_delay: ms(1),
        settle: ms(9),
        window: ms(7),
        close_timeout: ms(1_000),
        rejected_delay: ms(300_000),
        handover: Handover::OpenFirst,
        stop_on: vec![4_002, 4_001],
    };
    let policy = Policy::of(&reconnect, ms(2_500));
    assert_eq!((policy.window, policy.settle, policy.dial_timeout), (ms(7), ms(9), ms(2_500)));
    assert_eq!(policy.handover, Handover::OpenFirst);
    assert!(policy.stop_on.contains(4_001) && policy.stop_on.contains(4_002));
    assert_eq!(policy.max_delay, policy.initial_delay, "brought into the range that the other value allows");
}

#[test]
fn a_step_in_which_nothing_happens_allocates_nothing() {
    let mut world = World::ready(Policy::default());
    let mut effects = Vec::new();
    world.link.step(&mut world.ctx, Input::Tick, &mut effects);
    assert_eq!(effects.capacity(), 0);
}
