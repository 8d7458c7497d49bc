//! HTTP sessions of groups: order, tries, triggers, time-outs, holds and the second connection.

use bytes::Bytes;

use super::*;
use crate::engine::codec::handshake::Answer;
use crate::engine::logic::OwnAddress;
use crate::engine::logic::session::{Outcome, Written};
use crate::language::model::build;
use crate::language::model::condition::Expression;
use crate::language::model::connection::{ConnectionKind, Exchange, IgnoreTimeout, Source};
use crate::language::model::id::SessionIx;
use crate::language::model::logic::{Item, Time};
use crate::language::model::token::{Lifetime, Token, TokenPlace};

/// An HTTP connection with one retry, parameters `status` and `body`, a session of `/a` and `/b`, and a group with it.
struct World {
    traced: Traced,
    status: ParamIx,
    session: SessionIx,
    group: GroupIx,
}

fn world(retries: u32, redundant: bool, change: impl FnOnce(&mut Vec<Exchange>)) -> World {
    let mut traced = Traced { build: Build::new(), trace: ParamIx::new(0).expect("the first") };
    let build = &mut traced.build;
    build.text("trace");
    let (status, body) = (build.text("status"), build.text("body"));
    for _ in 0..2 {
        build.connection(|connection| {
            connection.kind = ConnectionKind::Http;
            connection.defaults.retries = retries;
            connection.redundant_polling = redundant;
        });
    }
    let mut first = build::exchange(Source::Literal("/a".into()));
    first.status_param = Some(status);
    first.content_param = Some(body);
    let mut exchanges = vec![first, build::exchange(Source::Literal("/b".into()))];
    change(&mut exchanges);
    let session = build.session(exchanges, |_| {});
    let group = build.group(&[GroupRun::Session { session, exchange: None }], |_| {});
    World { traced, status, session, group }
}

fn rig(build: Build) -> Rig {
    let mut rig = Rig::new(build);
    let address = OwnAddress { host: Some("10.4.2.8".into()), port: Some(80) };
    rig.engine.options.addresses = vec![address.clone(), OwnAddress { port: Some(81), ..address }];
    rig.engine.start(&mut rig.ctx, First::default());
    rig.engine.effects();
    rig
}

impl Rig {
    fn answer(&mut self, id: u64, status: u16, retry_after: Option<u64>) {
        let body = Bytes::from_static(b"ok");
        let line = format!("HTTP/1.1 {status}");
        let answer = Answer { status_line: &line, headers: &[], body: Some(&body) };
        let retry_after = retry_after.map(Duration::from_secs);
        self.engine.answered(&mut self.ctx, id, Outcome::Answer { status, answer, retry_after });
    }

    fn silence(&mut self, id: u64, written: Written) {
        self.engine.answered(&mut self.ctx, id, Outcome::Silence { written });
    }

    /// The requests since the last call: the id of the last one, and their words.
    fn requests(&mut self) -> (u64, Vec<String>) {
        let mut last = 0;
        let mut lines = Vec::new();
        for effect in self.engine.effects() {
            if let Effect::Request(order) = effect {
                last = order.id;
                lines.push(order.request.to_string());
            }
        }
        (last, lines)
    }
}

#[test]
fn exchanges_go_one_after_the_other_and_values_change_before_the_group_goes_on() {
    let mut world = world(1, false, |_| {});
    let (session, group, status, trace) = (world.session, world.group, world.status, world.traced.trace);
    for (item, time, letter) in [
        (Item::Param(status), Time::Change, "v"),
        (Item::Session(session), Time::Before, "("),
        (Item::Session(session), Time::Succeeded, "s"),
        (Item::Session(session), Time::After, ")"),
        (Item::Group(group), Time::After, "."),
    ] {
        let step = world.traced.step(letter);
        world.traced.build.trigger(Some((item, time)), &[step], |_| {});
    }
    let mut rig = rig(world.traced.build);
    rig.enqueue(group, GroupOp::Execute);
    let (first, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8/a"]);
    // A stale or an unknown answer changes nothing.
    rig.answer(first + 100, 200, None);
    assert_eq!(rig.requests().1, [""; 0]);
    rig.answer(first, 200, None);
    assert_eq!((rig.value(status), rig.value(trace)), ("HTTP/1.1 200".to_owned(), "(v".to_owned()));
    let (second, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8/b"]);
    rig.answer(second, 200, None);
    assert_eq!(rig.value(trace), "(vs).");
    assert_eq!((rig.engine.counters().requests, rig.engine.queued()), (2, 0));
}

#[test]
fn a_refusal_ends_the_session_and_the_element_is_in_timeout_unless_it_is_ignored() {
    for (ignore, in_timeout) in
        [(IgnoreTimeout::Nothing, true), (IgnoreTimeout::Statuses(vec![(404, 404)]), false)]
    {
        let mut world = world(1, false, |exchanges| exchanges[0].ignore_timeout = ignore);
        let (session, group, trace) = (world.session, world.group, world.traced.trace);
        let step = world.traced.step("t");
        world.traced.build.trigger(Some((Item::Session(session), Time::Timeout)), &[step], |_| {});
        let mut rig = rig(world.traced.build);
        rig.enqueue(group, GroupOp::Execute);
        let (id, _) = rig.requests();
        rig.answer(id, 404, None);
        assert_eq!(rig.requests().1, [""; 0], "the second exchange is not sent");
        assert_eq!(rig.value(trace), "t");
        rig.pass(40_000);
        assert_eq!(rig.engine.is_in_timeout(), in_timeout);
        rig.enqueue(group, GroupOp::Execute);
        for _ in 0..2 {
            let (id, _) = rig.requests();
            rig.answer(id, 200, None);
        }
        rig.pass(1);
        assert!(!rig.engine.is_in_timeout());
    }
}

#[test]
fn silence_is_tried_again_but_a_post_only_if_it_was_never_written() {
    let check = |verb: http::Method, written: Written, expected: usize| {
        let world = world(1, false, |exchanges| exchanges[0].verb = verb.clone());
        let group = world.group;
        let mut rig = rig(world.traced.build);
        rig.enqueue(group, GroupOp::Execute);
        let mut sent = 0;
        loop {
            let (id, lines) = rig.requests();
            if lines.is_empty() {
                break;
            }
            sent += lines.len();
            rig.silence(id, written);
        }
        assert_eq!(sent, expected, "{verb} {written:?}");
    };
    check(http::Method::GET, Written::Maybe, 2);
    check(http::Method::PUT, Written::Maybe, 2);
    check(http::Method::POST, Written::Maybe, 1);
    check(http::Method::PATCH, Written::Maybe, 1);
    check(http::Method::POST, Written::No, 2);
}

#[test]
fn retry_after_holds_the_next_request_of_the_connection_back() {
    let world = world(1, false, |_| {});
    let group = world.group;
    let mut rig = rig(world.traced.build);
    rig.enqueue(group, GroupOp::Execute);
    let (id, _) = rig.requests();
    rig.answer(id, 429, Some(7));
    rig.enqueue(group, GroupOp::Execute);
    rig.pass(6_999);
    assert_eq!(rig.requests().1, [""; 0]);
    rig.pass(1);
    assert_eq!(rig.requests().1, ["GET http://10.4.2.8/a"]);
}

#[test]
fn redundant_polling_goes_over_to_the_second_connection_and_back() {
    let world = world(0, true, |_| {});
    let group = world.group;
    let mut rig = rig(world.traced.build);
    for expected in ["http://10.4.2.8/a", "http://10.4.2.8:81/a", "http://10.4.2.8/a"] {
        rig.enqueue(group, GroupOp::Execute);
        let (id, lines) = rig.requests();
        assert_eq!(lines, [format!("GET {expected}")]);
        rig.silence(id, Written::Maybe);
        rig.pass(250);
    }
}

#[test]
fn the_second_connection_is_not_asked_because_a_token_is_missing() {
    let mut world = world(0, true, |exchanges| exchanges.truncate(1));
    with_token(&mut world, Lifetime::Unknown, false);
    let group = world.group;
    let mut rig = rig(world.traced.build);
    rig.enqueue(group, GroupOp::Execute);
    let (fetch, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8/token"]);
    rig.answer(fetch, 500, None);
    rig.pass(1_000);
    rig.enqueue(group, GroupOp::Execute);
    let (fetch, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8/token"]);
    rig.answer(fetch, 200, None);
    assert_eq!(rig.requests().1, ["GET http://10.4.2.8/a"]);
}

#[test]
fn groups_of_other_connections_go_on_while_one_wants_to_be_left_alone() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    let (session, first) = (world.session, world.group);
    let run = GroupRun::Session { session, exchange: None };
    let second = world.traced.build.group(&[run], |group| group.connection = ConnectionIx::new(1).unwrap());
    let mut rig = rig(world.traced.build);
    rig.enqueue(first, GroupOp::Execute);
    let (id, _) = rig.requests();
    rig.answer(id, 503, Some(60));
    rig.enqueue(first, GroupOp::Execute);
    rig.enqueue(second, GroupOp::Execute);
    let (id, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8:81/a"]);
    rig.answer(id, 200, None);
    assert_eq!(rig.engine.queued(), 1);
    rig.pass(60_000);
    assert_eq!(rig.requests().1, ["GET http://10.4.2.8/a"]);
}

#[test]
fn a_group_that_puts_itself_back_does_not_ask_a_silent_device_as_fast_as_it_fails() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    let group = world.group;
    let again = Run::Group(Targets::These(vec![group]), GroupOp::Execute);
    let again = world.traced.build.action(again, |_| {});
    world.traced.build.trigger(Some((Item::Group(group), Time::After)), &[Step::Action(again)], |_| {});
    let mut rig = rig(world.traced.build);
    rig.enqueue(group, GroupOp::Execute);
    let mut sent = 0;
    for _ in 0..200 {
        let (id, lines) = rig.requests();
        sent += lines.len();
        if !lines.is_empty() {
            rig.silence(id, Written::No);
        }
        rig.pass(50);
    }
    // Ten seconds.
    assert_eq!(sent, 40);
}

#[test]
fn a_request_that_cannot_be_made_is_reported_and_the_group_goes_on() {
    let world = world(1, false, |_| {});
    let group = world.group;
    // No address is given to it.
    let mut rig = Rig::started(world.traced.build);
    rig.enqueue(group, GroupOp::Execute);
    let reports: Vec<String> = rig.reports().iter().map(ToString::to_string).collect();
    assert_eq!(reports, ["session 1 was not sent: there is no address"]);
    assert_eq!((rig.engine.queued(), rig.engine.counters().not_sent), (0, 1));
}

/// A session 2 that fetches a token for connection 0, and group 3 of ours that runs it; group 4 of ours runs session 1.
fn with_token(world: &mut World, lifetime: Lifetime, before: bool) -> ParamIx {
    let build = &mut world.traced.build;
    let param = build.text("token");
    let fetch = build.session(vec![build::exchange(Source::Literal("/token".into()))], |_| {});
    let group = build.group(&[GroupRun::Session { session: fetch, exchange: None }], |group| group.queue = 1);
    let session = world.session;
    let ahead = build.group(&[GroupRun::Session { session, exchange: Some(0) }], |group| group.queue = 2);
    (build.queues, build.own_queues) = (3, 2);
    build.tokens.push(Token {
        session: fetch,
        group,
        param,
        prefix: "Bearer ".into(),
        place: TokenPlace::Body,
        lifetime,
        margin: Duration::from_secs(30),
        renew: None,
    });
    let connection = &mut build.connections[0];
    connection.token = Some(0);
    connection.before = before.then_some(ahead);
    param
}

#[test]
fn requests_wait_for_one_token_and_a_refused_one_is_replaced_once() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    let param = with_token(&mut world, Lifetime::Unknown, false);
    let group = world.group;
    let mut rig = rig(world.traced.build);
    rig.enqueue(group, GroupOp::Execute);
    rig.enqueue(group, GroupOp::Execute);
    let (fetch, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8/token"]);
    rig.answer(fetch, 200, None);
    assert_eq!(rig.value(param), "Bearer ok");
    for (status, expected) in [(200, "/a"), (401, "/token"), (200, "/a"), (401, "")] {
        let (id, lines) = rig.requests();
        assert_eq!(lines, ["GET http://10.4.2.8/a"], "{status}");
        rig.answer(id, status, None);
        if expected == "/token" {
            let (fetch, lines) = rig.requests();
            assert_eq!(lines, ["GET http://10.4.2.8/token"]);
            rig.answer(fetch, 200, None);
        }
        if status == 200 && expected == "/a" && rig.engine.counters().requests > 3 {
            // The second group is done; the third has a token that is refused twice.
            rig.enqueue(group, GroupOp::Execute);
        }
    }
    let (fetch, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8/token"]);
    rig.answer(fetch, 200, None);
    let (id, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8/a"]);
    rig.answer(id, 401, None);
    assert_eq!(rig.requests().1, [""; 0], "once, and no more");
}

#[test]
fn a_token_is_renewed_before_its_end_by_one_fetch() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    with_token(&mut world, Lifetime::Fixed(Duration::from_secs(60)), false);
    let group = world.group;
    let mut rig = rig(world.traced.build);
    rig.enqueue(group, GroupOp::Execute);
    let mut fetches = Vec::new();
    for _ in 0..600 {
        loop {
            let (id, lines) = rig.requests();
            if lines.is_empty() {
                break;
            }
            fetches.push(rig.ctx.now.duration_since(rig.began).as_secs());
            rig.answer(id, 200, None);
        }
        rig.pass(1_000);
    }
    // The first two are the fetch and the request itself; then one each half minute.
    assert_eq!(&fetches[..5], &[0, 0, 30, 60, 90]);
    assert_eq!(fetches.len(), 21);
}

#[test]
fn without_a_token_requests_fail_and_the_fetch_waits_longer_each_time() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    with_token(&mut world, Lifetime::Unknown, false);
    let group = world.group;
    let mut rig = rig(world.traced.build);
    let mut sent = 0;
    for _ in 0..40 {
        rig.enqueue(group, GroupOp::Execute);
        let (id, lines) = rig.requests();
        sent += lines.len();
        if !lines.is_empty() {
            rig.answer(id, 500, None);
        }
        rig.pass(250);
    }
    // At 0, 1, 3 and 7 s of ten.
    assert_eq!((sent, rig.engine.queued()), (4, 0));
}

#[test]
fn what_comes_before_a_link_is_the_token_and_then_the_session() {
    let prepared = |rig: &mut Rig| {
        let effects: Vec<Effect> = rig.engine.effects().collect();
        let mut id = None;
        let mut lines = Vec::new();
        for effect in effects {
            match effect {
                Effect::Request(order) => {
                    id = Some(order.id);
                    lines.push(order.request.target().path().to_owned());
                }
                Effect::Prepared { ready, .. } => lines.push(format!("prepared {ready}")),
                _ => {}
            }
        }
        (id.unwrap_or_default(), lines)
    };
    let zero = ConnectionIx::new(0).expect("the first");
    for before in [true, false] {
        let mut world = world(0, false, |exchanges| exchanges.truncate(1));
        with_token(&mut world, Lifetime::Unknown, before);
        let mut rig = rig(world.traced.build);
        rig.engine.prepare(&mut rig.ctx, zero);
        rig.engine.prepare(&mut rig.ctx, zero);
        let (id, lines) = prepared(&mut rig);
        assert_eq!(lines, ["/token"]);
        rig.answer(id, 200, None);
        let (id, lines) = prepared(&mut rig);
        if before {
            assert_eq!(lines, ["/a"]);
            rig.answer(id, 200, None);
            assert_eq!(prepared(&mut rig).1, ["prepared true"]);
            rig.engine.prepare(&mut rig.ctx, zero);
            let (id, lines) = prepared(&mut rig);
            assert_eq!(lines, ["/a"], "each dial has its own");
            rig.answer(id, 503, None);
            assert_eq!(prepared(&mut rig).1, ["prepared false"]);
        } else {
            assert_eq!(lines, ["prepared true"]);
            rig.engine.prepare(&mut rig.ctx, zero);
            assert_eq!(prepared(&mut rig).1, ["prepared true"]);
        }
    }
}

#[test]
fn one_call_is_enough_for_the_token_of_the_session_before_a_link() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    with_token(&mut world, Lifetime::Unknown, true);
    let mut rig = rig(world.traced.build);
    rig.engine.prepare(&mut rig.ctx, ConnectionIx::new(0).expect("the first"));
    let (fetch, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8/token"]);
    rig.answer(fetch, 200, None);
    assert_eq!(rig.requests().1, ["GET http://10.4.2.8/a"]);
}

#[test]
fn a_token_whose_fetch_needs_another_token_waits_for_it_in_a_queue_of_its_own() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    with_token(&mut world, Lifetime::Unknown, false);
    let build = &mut world.traced.build;
    let param = build.text("second");
    let fetch = build.session(vec![build::exchange(Source::Literal("/second".into()))], |_| {});
    // Over connection 0, which has a token itself; in the queue ahead of that of the first.
    let group = build.group(&[GroupRun::Session { session: fetch, exchange: None }], |group| group.queue = 2);
    build.tokens.push(Token { session: fetch, group, param, ..build.tokens[0].clone() });
    build.connections[1].token = Some(1);
    let session = world.session;
    let needs = build.group(&[GroupRun::Session { session, exchange: None }], |group| {
        group.connection = ConnectionIx::new(1).expect("the second");
    });
    let mut rig = rig(world.traced.build);
    rig.enqueue(needs, GroupOp::Execute);
    for expected in ["http://10.4.2.8/token", "http://10.4.2.8/second", "http://10.4.2.8:81/a"] {
        let (id, lines) = rig.requests();
        assert_eq!(lines, [format!("GET {expected}")]);
        rig.answer(id, 200, None);
    }
}

#[test]
fn a_handshake_that_is_refused_with_its_token_gets_another_one_once() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    with_token(&mut world, Lifetime::Unknown, false);
    let mut rig = rig(world.traced.build);
    let zero = ConnectionIx::new(0).expect("the first");
    let one = ConnectionIx::new(1).expect("the second");
    // What the link needs: whether it is fetched, and whether it may open then.
    let prepare = |rig: &mut Rig| {
        rig.engine.prepare(&mut rig.ctx, zero);
        let mut fetched = false;
        loop {
            let effects: Vec<Effect> = rig.engine.effects().collect();
            let mut next = None;
            for effect in effects {
                match effect {
                    Effect::Prepared { ready, .. } => return (fetched, ready),
                    Effect::Request(order) => next = Some(order.id),
                    _ => {}
                }
            }
            rig.answer(next.expect("a fetch"), 200, None);
            fetched = true;
        }
    };
    assert_eq!(prepare(&mut rig), (true, true));
    assert_eq!(prepare(&mut rig), (false, true));
    assert!(!rig.engine.link_refused(rig.ctx.now, one), "it has no token");
    for hold in [0, 1_000] {
        assert!(rig.engine.link_refused(rig.ctx.now, zero));
        rig.pass(hold);
        assert_eq!(prepare(&mut rig), (true, true));
        assert!(!rig.engine.link_refused(rig.ctx.now, zero), "the new one is refused too");
        assert_eq!(prepare(&mut rig), (false, true));
    }
    assert!(rig.engine.link_refused(rig.ctx.now, zero));
    assert_eq!(prepare(&mut rig), (false, false), "each new one was refused: the next fetch waits");
    rig.pass(2_000);
    assert_eq!(prepare(&mut rig), (true, true));
    rig.link(0, LinkChange::Ready);
    assert!(rig.engine.link_refused(rig.ctx.now, zero), "it was good, and is over");
    assert_eq!(prepare(&mut rig), (true, true));
}

#[test]
fn links_that_share_a_token_are_each_refused_with_the_one_that_they_carried() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    with_token(&mut world, Lifetime::Unknown, false);
    world.traced.build.connections[1].token = Some(0);
    let mut rig = rig(world.traced.build);
    let links = [0, 1].map(|index| ConnectionIx::new(index).expect("small"));
    rig.engine.prepare(&mut rig.ctx, links[0]);
    let (fetch, _) = rig.requests();
    rig.answer(fetch, 200, None);
    rig.engine.prepare(&mut rig.ctx, links[1]);
    assert!(rig.engine.link_refused(rig.ctx.now, links[0]));
    rig.engine.prepare(&mut rig.ctx, links[0]);
    let (fetch, lines) = rig.requests();
    assert_eq!(lines, ["GET http://10.4.2.8/token"]);
    rig.answer(fetch, 200, None);
    // Refused late, with the old one: the new one is not given up.
    assert!(rig.engine.link_refused(rig.ctx.now, links[1]));
    rig.engine.prepare(&mut rig.ctx, links[1]);
    let effects: Vec<Effect> = rig.engine.effects().collect();
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Request(_))), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Prepared { ready: true, .. })));
}

#[test]
fn a_session_that_fetches_two_tokens_brings_both() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    with_token(&mut world, Lifetime::Unknown, false);
    let build = &mut world.traced.build;
    let param = build.text("second");
    let session = build.tokens[0].session;
    let group = build.group(&[GroupRun::Session { session, exchange: None }], |group| group.queue = 2);
    build.tokens.push(Token { group, param, prefix: "".into(), ..build.tokens[0].clone() });
    build.connections[1].token = Some(1);
    let (session, first) = (world.session, build.tokens[0].param);
    let needs = build.group(&[GroupRun::Session { session, exchange: None }], |group| {
        group.connection = ConnectionIx::new(1).expect("the second");
    });
    let mut rig = rig(world.traced.build);
    rig.enqueue(needs, GroupOp::Execute);
    for expected in ["/token", ":81/a"] {
        let (id, lines) = rig.requests();
        assert!(lines.len() == 1 && lines[0].ends_with(expected), "{lines:?}");
        rig.answer(id, 200, None);
    }
    assert_eq!((rig.value(first), rig.value(param)), ("Bearer ok".to_owned(), "ok".to_owned()));
}

#[test]
fn an_exchange_that_is_left_out_is_no_answer() {
    let mut world = world(0, false, |exchanges| exchanges.truncate(1));
    let (group, allow) = (world.group, world.traced.build.number("allow"));
    world.traced.build.sessions[0].exchanges[0].condition = Some(build::condition(Expression::Param(allow)));
    let mut rig = rig(world.traced.build);
    rig.set(allow, 1.0);
    rig.enqueue(group, GroupOp::Execute);
    let (id, _) = rig.requests();
    rig.answer(id, 500, None);
    rig.pass(40_000);
    assert!(rig.engine.is_in_timeout());
    rig.set(allow, 0.0);
    rig.enqueue(group, GroupOp::Execute);
    assert_eq!(rig.requests().1, [""; 0], "the condition does not hold");
    rig.pass(1);
    assert!(rig.engine.is_in_timeout(), "nothing was asked, so nothing answered");
}

#[test]
fn an_answer_that_was_captured_is_taken_as_if_its_group_had_just_asked_for_it() {
    let mut world = world(1, false, |_| {});
    let (session, group, status, trace) = (world.session, world.group, world.status, world.traced.trace);
    let other = world.traced.build.session(vec![build::exchange(Source::Literal("/c".into()))], |_| {});
    let step = world.traced.step(".");
    world.traced.build.trigger(Some((Item::Group(group), Time::After)), &[step], |_| {});
    let mut rig = rig(world.traced.build);
    let asked = rig.engine.rehearse(session, 0, None).expect("the group asks for it");
    assert_eq!(asked.connection, ConnectionIx::FIRST);
    // Nothing is asked twice.
    assert_eq!(rig.engine.rehearse(session, 0, None), Some(asked));
    rig.answer(asked.id, 200, None);
    let (second, lines) = rig.requests();
    assert_eq!(
        (rig.value(status), lines),
        ("HTTP/1.1 200".to_owned(), vec!["GET http://10.4.2.8/b".to_owned()])
    );
    rig.answer(second, 200, None);
    assert_eq!(rig.value(trace), ".");
    // The last exchange alone ends the session; over another connection if that is wanted.
    let asked = rig.engine.rehearse(session, 1, ConnectionIx::new(1)).expect("the group asks for it");
    assert_eq!(asked.connection, ConnectionIx::new(1).expect("the second"));
    rig.answer(asked.id, 200, None);
    assert_eq!((rig.value(trace), rig.requests().1), ("..".to_owned(), Vec::new()));
    // The same answer again and again leaves nothing behind.
    for _ in 0..3 {
        let asked = rig.engine.rehearse(session, 0, None).expect("the group asks for it");
        rig.answer(asked.id, 200, None);
        assert_eq!((rig.requests().1.len(), rig.engine.awaited().count()), (1, 1));
    }
    let asked = rig.engine.rehearse(session, 1, None).expect("the group asks for it");
    rig.answer(asked.id, 200, None);
    assert_eq!((rig.value(trace), rig.engine.awaited().count()), ("...".to_owned(), 0));
    // Nobody asks for these.
    assert_eq!(rig.engine.rehearse(session, 2, None), None);
    assert_eq!(rig.engine.rehearse(other, 0, None), None);
}
