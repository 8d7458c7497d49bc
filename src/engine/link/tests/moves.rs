//! Examples of moves: windows, handovers, the ration and the place in the budget.

use super::*;

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
