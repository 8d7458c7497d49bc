//! HTTP sessions of groups: order, tries, triggers, time-outs, holds and the second connection.

use bytes::Bytes;

use super::*;
use crate::engine::codec::handshake::Answer;
use crate::engine::logic::OwnAddress;
use crate::engine::logic::session::{Outcome, Written};
use crate::language::model::build;
use crate::language::model::connection::{ConnectionKind, Exchange, IgnoreTimeout, Source};
use crate::language::model::id::SessionIx;
use crate::language::model::logic::{Item, Time};

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
    }
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
