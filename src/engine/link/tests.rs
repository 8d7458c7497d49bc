//! Properties and examples of a link against a simulated transport that answers late, twice, or never; opens no socket.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
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

// --- properties ---

#[derive(Clone, Debug)]
enum Op {
    Run(u64),
    Set {
        param: u32,
        value: u8,
        by: u8,
    },
    Target(Target),
    Open,
    Close,
    Reconnect(u8),
    Peer(Peer),
    Line(Line),
    /// The live link, or one that is long gone, ends.
    Lose {
        back: u64,
        code: Option<u16>,
    },
    Heartbeat {
        back: u64,
    },
    Stop,
}

fn origin(by: u8) -> Origin {
    [Origin::Engine, Origin::Engine, Origin::User, Origin::Script, Origin::Api][usize::from(by) % 5]
}

fn peers() -> impl Strategy<Value = Peer> {
    prop_oneof![
        3 => Just(Peer::Accepts),
        2 => (0..8_000_u64, prop::option::of(prop_oneof![Just(1000), Just(1008), Just(1012)]))
            .prop_map(|(after_ms, code)| Peer::AcceptsAndDrops { after_ms, code }),
        2 => (prop_oneof![Just(401), Just(404), Just(500), Just(503)], prop::option::of(0..200_000_u64))
            .prop_map(|(status, retry_after_s)| Peer::Refuses { status, retry_after_s }),
        1 => Just(Peer::NeverAnswers),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let line = (0..15_000_u64, 0..3_000_u64, 0..2_000_u64, any::<bool>()).prop_map(
        |(dial_ms, close_ms, grant_ms, leaks)| Op::Line(Line { dial_ms, close_ms, grant_ms, leaks }),
    );
    let op = prop_oneof![
        6 => (0..100_u64).prop_map(Op::Run),
        4 => (0..60_000_u64).prop_map(Op::Run),
        6 => (0..3_u32, 0..3_u8, 0..5_u8).prop_map(|(param, value, by)| Op::Set { param, value, by }),
        2 => prop_oneof![3 => Just(Target::Known), 1 => Just(Target::Empty)].prop_map(Op::Target),
        1 => Just(Op::Open),
        1 => Just(Op::Close),
        2 => (0..5_u8).prop_map(Op::Reconnect),
        3 => peers().prop_map(Op::Peer),
        2 => line,
        2 => (0..3_u64, prop::option::of(1000..1016_u16)).prop_map(|(back, code)| Op::Lose { back, code }),
        1 => (0..3_u64).prop_map(|back| Op::Heartbeat { back }),
        1 => Just(Op::Stop),
    ];
    prop::collection::vec(op, 1..60)
}

fn policies() -> impl Strategy<Value = Policy> {
    (any::<bool>(), prop_oneof![Just(0_u64), Just(50), 1..2_000_u64], 0..3_000_u64, 0..10_000_u64).prop_map(
        |(open_first, window, close, settle)| Policy {
            handover: if open_first { Handover::OpenFirst } else { Handover::CloseFirst },
            window: ms(window),
            close_timeout: ms(close),
            settle: ms(settle),
            ..Policy::default()
        },
    )
}

fn play(world: &mut World, ops: &[Op]) {
    let mut values = [0_u8; 3];
    for op in ops {
        let newest = world.link.snapshot().epoch.map_or(0, |epoch| epoch.0);
        match op {
            Op::Run(millis) => world.run(ms(*millis)),
            Op::Set { param, value, by } => {
                let old = std::mem::replace(&mut values[*param as usize], *value);
                if old != *value || origin(*by).is_forced() {
                    world.set(*param, &old.to_string(), &value.to_string(), origin(*by));
                }
            }
            Op::Target(target) => world.give(Input::Target(*target)),
            Op::Open => world.give(Input::Open(Origin::User)),
            Op::Close => world.give(Input::Close),
            Op::Reconnect(by) => world.give(Input::Reconnect(origin(*by))),
            Op::Peer(peer) => world.peer = *peer,
            Op::Line(line) => world.line = *line,
            Op::Lose { back, code } => {
                let epoch = Epoch(newest.saturating_sub(*back));
                // A dial cannot be lost before it is open; an old one may be.
                if world.open.contains(&epoch) || !world.is_live(epoch) {
                    let close = code.map(|code| Close { code, reason: "".into() });
                    let verdict = verdict_of_close(*code, &StopOn::default());
                    world.give(Input::Lost { epoch, verdict, close });
                }
            }
            Op::Heartbeat { back } => {
                let epoch = Epoch(newest.saturating_sub(*back));
                if world.link.ready() == Some(epoch) || !world.is_live(epoch) {
                    world.give(Input::HeartbeatLost { epoch });
                }
            }
            Op::Stop => world.give(Input::Stop),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The checks of `World` hold after every step; in the end exactly one link is left, or none where none is wanted.
    #[test]
    fn n_changes_leave_exactly_one_link(policy in policies(), ops in ops(), seed in any::<u64>()) {
        let mut world = World::new(policy, seed);
        world.give(Input::Target(Target::Known));
        play(&mut world, &ops);
        world.peer = Peer::Accepts;
        world.line = Line { leaks: world.line.leaks, ..PROMPT };
        // Longer than every wait that the past can have left behind, a `Retry-After` of a day included.
        world.run(MAX_RETRY_AFTER * 2);
        let sockets = world.open.len() + world.dialling.len() + world.queued.len();
        match world.link.phase() {
            Phase::Ready => prop_assert_eq!(sockets, 1),
            Phase::Idle | Phase::Closed | Phase::Stopped => prop_assert_eq!(sockets, 0),
            other => prop_assert!(false, "still {:?} after two days with a good peer", other),
        }
        let stopped = ops.iter().any(|op| matches!(op, Op::Stop));
        prop_assert_eq!(world.link.phase() == Phase::Stopped, stopped, "stop is final");
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_seed_gives_the_same_life(policy in policies(), ops in ops(), seed in any::<u64>()) {
        let life = || {
            let mut world = World::new(policy.clone(), seed);
            world.give(Input::Target(Target::Known));
            play(&mut world, &ops);
            let moves = |effect: &Effect| match effect {
                Effect::Dial { epoch, .. } => format!("dial {epoch}"),
                Effect::Close { epoch, code, .. } => format!("close {epoch} {code}"),
                other => format!("{other:?}"),
            };
            world.log.iter().map(|(at, effect)| (*at, moves(effect))).collect::<Vec<_>>()
        };
        prop_assert_eq!(life(), life());
    }

    #[test]
    fn a_peer_that_drops_before_settle_never_resets_the_backoff(
        lives in prop::collection::vec(0..4_999_u64, 1..30), seed in any::<u64>(),
    ) {
        let mut world = World::new(Policy::default(), seed);
        world.line = Line { dial_ms: 0, ..PROMPT };
        world.peer = Peer::AcceptsAndDrops { after_ms: lives[0], code: Some(1000) };
        world.give(Input::Target(Target::Known));
        for (index, _) in lives.iter().enumerate() {
            let next = lives.get(index + 1).copied().unwrap_or(0);
            world.peer = Peer::AcceptsAndDrops { after_ms: next, code: Some(1000) };
            while usize::try_from(world.link.snapshot().drops) == Ok(index) {
                world.turn();
            }
            let ceiling = world.link.policy().backoff_ceiling(u32::try_from(index).unwrap());
            let snapshot = world.link.snapshot();
            prop_assert_eq!(snapshot.attempts as usize, index + 1);
            prop_assert!(snapshot.next_dial.is_none_or(|at| at - world.ctx.now <= ceiling));
            if snapshot.phase == Phase::Backoff {
                let wait = snapshot.next_dial.unwrap() - world.ctx.now;
                // Stops right before the next dial, so that each round starts in the back-off.
                world.run(wait.saturating_sub(ms(1)));
            }
        }
    }

    #[test]
    fn a_permanent_refusal_leaves_the_loop(seed in any::<u64>(), status in prop_oneof![Just(401_u16), Just(403), Just(404), Just(410), Just(426)]) {
        let mut world = World::new(Policy::default(), seed);
        world.peer = Peer::Refuses { status, retry_after_s: None };
        world.give(Input::Target(Target::Known));
        world.run(Duration::from_secs(3_600));
        prop_assert_eq!(world.link.phase(), Phase::Rejected);
        // After 10 s, 20 s, 40 s and so on to 300 s, each up to a third less or more for the spread.
        prop_assert!((16..=22).contains(&world.dials()), "{} dials", world.dials());
    }
}

// --- examples ---

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
fn changes_within_the_window_are_one_move_that_states_its_cause() {
    let mut world = World::ready(Policy::default());
    world.set(8, "/a", "/b", Origin::Engine);
    world.run(ms(20));
    world.set(9, "x", "y", Origin::Engine);
    world.run(ms(29));
    assert_eq!(world.link.phase(), Phase::Ready, "the move starts when the window ends");
    world.run(ms(10));
    assert_eq!(world.states(), [Phase::Closing, Phase::Connecting, Phase::Ready]);
    assert_eq!(world.dials(), 1);
    let moved = world.link.snapshot().moved.unwrap();
    assert_eq!(moved.to_string(), "parameter 8: \"/a\" -> \"/b\"; parameter 9: \"x\" -> \"y\"");
}

#[test]
fn a_value_changed_back_within_the_window_moves_only_if_somebody_asked() {
    for (by, dials) in [(Origin::Engine, 0), (Origin::User, 1), (Origin::Script, 1), (Origin::Api, 1)] {
        let mut world = World::ready(Policy::default());
        world.set(8, "/a", "/b", by);
        world.set(8, "/b", "/a", Origin::Engine);
        world.run(ms(100));
        assert_eq!(world.dials(), dials, "{by:?}");
        let mut world = World::ready(Policy::default());
        world.set(8, "/a", "/a", by);
        world.run(ms(100));
        assert_eq!(world.dials(), dials, "{by:?}, equal");
    }
}

#[test]
fn without_a_window_every_change_moves_at_once() {
    let mut world = World::ready(Policy { window: Duration::ZERO, ..Policy::default() });
    world.set(8, "/a", "/b", Origin::Engine);
    assert_eq!(world.link.phase(), Phase::Closing);
}

#[test]
fn a_dead_old_device_delays_the_move_by_the_close_timeout_and_no_more() {
    let mut world = World::ready(Policy::default());
    world.line = Line { close_ms: 60_000, ..PROMPT };
    world.give(Input::Reconnect(Origin::User));
    world.run(ms(999));
    assert_eq!(world.link.phase(), Phase::Closing);
    world.run(ms(2));
    assert_eq!(world.link.phase(), Phase::Ready);
    assert_eq!(world.count(|effect| matches!(effect, Effect::Drop { .. })), 1);
}

#[test]
fn changes_during_the_close_do_not_dial_twice() {
    let mut world = World::ready(Policy::default());
    world.line = Line { close_ms: 500, ..PROMPT };
    world.give(Input::Reconnect(Origin::User));
    world.run(ms(480));
    world.set(8, "/a", "/b", Origin::User);
    world.run(ms(30));
    assert_eq!(world.link.phase(), Phase::Connecting, "the close is over, the window is not");
    assert_eq!(world.dials(), 0);
    world.run(ms(100));
    assert_eq!(world.dials(), 1);
    assert_eq!(world.link.phase(), Phase::Ready);
}

#[test]
fn open_first_swaps_at_the_handshake_and_the_status_stays_open() {
    let mut world = World::ready(Policy { handover: Handover::OpenFirst, ..Policy::default() });
    let old = world.link.ready().unwrap();
    world.set(8, "/a", "/b", Origin::User);
    world.run(ms(200));
    let new = world.link.ready().unwrap();
    assert!(new > old);
    assert_eq!(world.states(), []);
    assert_eq!(world.count(|effect| *effect == Effect::Up { epoch: new, from: Some(old) }), 1);
    assert_eq!(
        world.count(|effect| matches!(effect, Effect::Close { epoch, code: 1000, .. } if *epoch == old)),
        1
    );
    assert_eq!(world.count(|effect| *effect == Effect::Down { epoch: old }), 1);
}

#[test]
fn open_first_never_has_three_sockets() {
    let mut world = World::ready(Policy { handover: Handover::OpenFirst, ..Policy::default() });
    world.line = Line { close_ms: 60_000, ..PROMPT };
    let first = world.link.ready().unwrap();
    world.give(Input::Reconnect(Origin::User));
    world.run(ms(5));
    let second = world.link.ready().unwrap();
    assert!(world.open.contains(&first), "the old link is still closing");
    world.give(Input::Reconnect(Origin::User));
    world.run(ms(5));
    assert!(world.link.ready().unwrap() > second);
    assert!(!world.open.contains(&first), "it had its time");
    world.run(Duration::from_secs(2));
    assert_eq!(world.open.len(), 1);
}

#[test]
fn open_first_keeps_the_old_link_while_the_new_target_fails() {
    let mut world = World::ready(Policy { handover: Handover::OpenFirst, ..Policy::default() });
    let old = world.link.ready().unwrap();
    world.peer = Peer::Refuses { status: 500, retry_after_s: None };
    world.set(8, "/a", "/b", Origin::Engine);
    world.run(Duration::from_secs(120));
    assert_eq!(world.link.ready(), Some(old));
    assert!(world.dials() > 4);
    assert!(world.link.snapshot().successor.is_some());
    // The engine takes the value back: the link that is there is the right one.
    world.set(8, "/b", "/a", Origin::Engine);
    world.run(Duration::from_secs(600));
    assert_eq!((world.link.ready(), world.link.snapshot().successor), (Some(old), None));
    assert_eq!(world.link.snapshot().attempts, 0);
}

#[test]
fn open_first_becomes_an_ordinary_move_when_the_old_link_drops() {
    for (peer, phase) in [
        (Peer::Refuses { status: 500, retry_after_s: Some(60) }, Phase::Backoff),
        (Peer::Refuses { status: 401, retry_after_s: None }, Phase::Rejected),
        (Peer::NeverAnswers, Phase::Connecting),
    ] {
        let mut world = World::ready(Policy { handover: Handover::OpenFirst, ..Policy::default() });
        let epoch = world.link.ready().unwrap();
        world.peer = peer;
        world.set(8, "/a", "/b", Origin::User);
        world.run(ms(500));
        world.give(Input::Lost { epoch, verdict: Verdict::TRANSIENT, close: None });
        assert_eq!(world.link.phase(), phase);
        world.peer = Peer::Accepts;
        world.run(Duration::from_secs(100));
        assert_eq!(world.link.phase(), Phase::Ready);
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

/// A link that has used up its ration of moves by the engine, and is rejected for minutes.
fn rejected_beyond_the_ration(retry_after_s: u64) -> World {
    let mut world = World::new(Policy::default(), 1);
    world.peer = Peer::Refuses { status: 401, retry_after_s: Some(retry_after_s) };
    world.give(Input::Target(Target::Known));
    for token in 0..HASTY_MOVES {
        world.run(ms(100));
        world.set(9, &format!("token {token}"), &format!("token {}", token + 1), Origin::Engine);
        world.run(ms(100));
    }
    assert_eq!((world.link.phase(), world.dials()), (Phase::Rejected, usize::from(HASTY_MOVES) + 1));
    world
}

#[test]
fn a_renewed_token_beyond_the_ration_waits_as_after_a_failure_and_not_as_after_a_refusal() {
    let mut world = rejected_beyond_the_ration(3_600);
    world.peer = Peer::Accepts;
    world.set(9, "old", "right", Origin::Engine);
    world.run(ms(60));
    assert!(world.link.snapshot().moved.is_some_and(|cause| cause.to_string().contains("right")));
    world.run(world.link.policy().max_delay);
    assert_eq!(world.link.phase(), Phase::Ready);

    // One that sets without end is dialled no more often than a failure would be.
    let mut world = rejected_beyond_the_ration(3_600);
    let before = world.dials();
    for token in 0..6_000 {
        world.set(9, &token.to_string(), &(token + 1).to_string(), Origin::Engine);
        world.run(ms(100));
    }
    let dials = world.dials() - before;
    assert!((10..=60).contains(&dials), "{dials} dials in ten minutes");
}

#[test]
fn an_address_that_became_empty_beyond_the_ration_is_idle_at_once() {
    let mut world = rejected_beyond_the_ration(3_600);
    world.set(1, "device", "", Origin::Engine);
    world.give(Input::Target(Target::Empty));
    world.run(ms(60));
    assert_eq!((world.link.phase(), world.link.wake_at()), (Phase::Idle, None));
}

#[test]
fn a_move_that_somebody_asked_for_is_not_called_off_by_values_that_come_back() {
    let set: fn(&mut World) = |world| world.set(8, "/a", "/a", Origin::User);
    let reconnect: fn(&mut World) = |world| world.give(Input::Reconnect(Origin::Engine));
    for ask in [set, reconnect] {
        let mut world = World::ready(Policy { handover: Handover::OpenFirst, ..Policy::default() });
        let old = world.link.ready().unwrap();
        world.line = Line { dial_ms: 1_000, ..PROMPT };
        ask(&mut world);
        world.run(ms(100));
        world.set(9, "x", "y", Origin::Engine);
        world.run(ms(100));
        world.set(9, "y", "x", Origin::Engine);
        world.run(Duration::from_secs(5));
        assert!(world.link.ready().is_some_and(|new| new > old), "{:?}", world.link.snapshot());
    }
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
fn a_definition_that_moves_its_own_link_for_ever_is_slowed_down() {
    let mut world = World::new(Policy::default(), 5);
    world.give(Input::Target(Target::Known));
    let mut token = 0;
    let start = world.ctx.now;
    while world.ctx.now - start < Duration::from_secs(60) {
        world.run(ms(10));
        if world.link.phase() == Phase::Ready {
            token += 1;
            world.set(9, &(token - 1).to_string(), &token.to_string(), Origin::Engine);
            world.run(ms(60));
        }
    }
    assert!(world.dials() <= usize::from(HASTY_MOVES) + 16, "{} dials", world.dials());
    // A person is not slowed down.
    world.set(9, "a", "b", Origin::User);
    world.run(ms(100));
    assert_eq!(world.link.phase(), Phase::Ready);
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

/// A link that waits for the budget, and the number of its dial.
fn queued(handover: Handover) -> (World, Epoch) {
    let policy = Policy { handover, ..Policy::default() };
    let mut world = match handover {
        Handover::CloseFirst => World::new(policy, 1),
        Handover::OpenFirst => World::ready(policy),
    };
    world.line.grant_ms = 1_000_000;
    match handover {
        Handover::CloseFirst => world.give(Input::Target(Target::Known)),
        Handover::OpenFirst => {
            world.set(8, "/", "/a", Origin::User);
            world.run(ms(60));
        }
    }
    let epoch = *world.queued.iter().next().expect("a dial waits");
    (world, epoch)
}

#[test]
fn a_move_keeps_the_place_of_a_dial_that_waits_for_the_budget() {
    for handover in [Handover::CloseFirst, Handover::OpenFirst] {
        let (mut world, epoch) = queued(handover);
        for (old, new) in [("/a", "/b"), ("/b", "/c")] {
            world.set(8, old, new, Origin::Engine);
            world.run(ms(60));
        }
        world.give(Input::Reconnect(Origin::User));
        assert_eq!(world.queued.iter().copied().collect::<Vec<_>>(), [epoch], "{handover:?}");
        world.give(Input::Granted { epoch });
        assert_eq!(world.dialling.iter().copied().collect::<Vec<_>>(), [epoch], "{handover:?}");
    }
}

#[test]
fn no_dial_starts_while_a_window_is_open_or_it_would_read_what_is_taken_back() {
    for handover in [Handover::CloseFirst, Handover::OpenFirst] {
        let (mut world, epoch) = queued(handover);
        world.set(9, "/a", "/b", Origin::Engine);
        world.give(Input::Granted { epoch });
        assert!(world.dialling.is_empty(), "{handover:?}");
        world.set(9, "/b", "/a", Origin::Engine);
        let ends = world.ctx.now - world.start + ms(50);
        world.run(ms(100));
        let dials = world
            .log
            .iter()
            .filter(|(_, effect)| matches!(effect, Effect::Dial { epoch: dialled, .. } if *dialled == epoch));
        assert_eq!(dials.map(|(at, _)| *at).collect::<Vec<_>>(), [ends], "{handover:?}");
        // Stopped with a place that was not used.
        let (mut world, epoch) = queued(handover);
        world.set(9, "/a", "/b", Origin::User);
        world.give(Input::Granted { epoch });
        world.give(Input::Stop);
        assert!(world.queued.is_empty() && world.dialling.is_empty(), "{handover:?}");
    }
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

/// When each of so many links that one server drops at once is ready again, in seconds after the drop, and when each dialled.
fn storm(links: u64, limits: Limits) -> (Vec<f64>, Vec<Instant>) {
    let mut ctx = Context::new(base(), Wall(0), 11);
    let mut effects = Vec::new();
    let mut all: Vec<Link> = (0..links).map(|_| Link::new(&ctx, Policy::default())).collect();
    // Up, and for long enough to be believed in.
    for link in &mut all {
        link.step(&mut ctx, Input::Target(Target::Known), &mut effects);
        link.step(&mut ctx, Input::Granted { epoch: Epoch(1) }, &mut effects);
        link.step(&mut ctx, Input::Opened { epoch: Epoch(1) }, &mut effects);
    }
    ctx.advance(Duration::from_secs(60));
    let start = ctx.now;
    let mut budget = Budget::new(start, limits);
    let mut wakes: BTreeSet<(Instant, usize)> = BTreeSet::new();
    let (mut back, mut dialled, mut granted) = (Vec::new(), Vec::new(), Vec::new());
    for (index, link) in all.iter_mut().enumerate() {
        let lost = Input::Lost { epoch: Epoch(1), verdict: Verdict::TRANSIENT, close: None };
        link.step(&mut ctx, lost, &mut effects);
        wakes.extend(link.wake_at().map(|at| (at, index)));
    }
    while back.len() < all.len() {
        let wake = wakes.first().map(|(at, _)| *at);
        let next = wake.into_iter().chain(budget.wake_at()).min().unwrap();
        let forward = next.saturating_duration_since(ctx.now);
        ctx.advance(forward);
        while let Some((at, index)) = wakes.first().copied().filter(|(at, _)| *at <= ctx.now) {
            wakes.remove(&(at, index));
            effects.clear();
            all[index].step(&mut ctx, Input::Tick, &mut effects);
            if effects.iter().any(|effect| matches!(effect, Effect::RequestDial { .. })) {
                budget.request(ctx.now, "server", index);
            } else {
                wakes.extend(all[index].wake_at().map(|at| (at, index)));
            }
        }
        granted.clear();
        budget.grant(ctx.now, &mut granted);
        for index in &granted {
            let epoch = Epoch(2);
            all[*index].step(&mut ctx, Input::Granted { epoch }, &mut effects);
            all[*index].step(&mut ctx, Input::Opened { epoch }, &mut effects);
            assert_eq!(all[*index].ready(), Some(epoch));
            dialled.push(ctx.now);
            back.push((ctx.now - start).as_secs_f64());
        }
    }
    (back, dialled)
}

#[test]
fn two_thousand_links_dropped_at_once_come_back_spread_out() {
    let (back, _) = storm(2_000, Limits { per_second: None, per_host_per_second: None });
    let mean = back.iter().sum::<f64>() / 2_000.0;
    let deviation = (back.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / 2_000.0).sqrt();
    let window = Policy::default().initial_delay.as_secs_f64();
    assert!(deviation >= window / 4.0, "deviation {deviation} s of a window of {window} s");

    let (back, dialled) = storm(2_000, Limits::default());
    assert_eq!(back.len(), 2_000);
    for pair in dialled.windows(51) {
        assert!(pair[50] - pair[0] >= Duration::from_secs(1), "more than 50 dials in a second");
    }
    assert!(
        back.last().is_some_and(|last| (40.0..50.0).contains(last)),
        "2,000 at 50 a second, a tenth spread, take 48 s: {:?}",
        back.last()
    );
}
