//! Properties of a link whatever happens to it.

use proptest::prelude::*;

use super::*;

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
