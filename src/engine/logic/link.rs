//! What the engine knows of the links: ready or not, failing since when; decides nothing about dialling.

use std::time::Instant;

use crate::engine::logic::Engine;
use crate::engine::logic::effect::Effect;
use crate::engine::logic::state::Chain;
use crate::engine::param::Origin;
use crate::engine::session;
use crate::language::model::id::{ConnectionIx, ParamIx};
use crate::language::model::logic::{Item, Time};
use crate::value::{Context, Value};

/// What has become of the link of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// It is open and takes messages.
    Ready,
    /// It closes because a new one is wanted: what was under way is repeated there without costing a try.
    Moved,
    /// A new link has taken over from one that was ready until now (`handover="open-first"`).
    Swapped,
    /// It was lost, or could not be opened; it is tried again.
    Down,
    /// It was refused for good; it is tried again slowly.
    Rejected,
    /// It is closed by an action, has no address, or is stopped.
    Closed,
}

/// One link, as the engine sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    pub(super) ready: bool,
    /// Its messages that no response took.
    unmatched: u64,
    /// The peer has asked not to be asked before (`Retry-After`).
    pub(super) hold: Option<Instant>,
    /// It was silent a moment ago: a group that puts itself back must not ask without a pause.
    pub(super) pause: Option<Instant>,
    /// Its requests of HTTP sessions, every try counted.
    pub(super) requests: u64,
    /// Answers to them that end their session.
    pub(super) refusals: u64,
    /// `RedundantPolling`: requests go over the second connection of the kind, because this one did not answer.
    pub(super) on_second: bool,
    failing: Option<Failing>,
    /// It waits for what it needs before it opens.
    pub(super) preparing: bool,
    /// The token that the last handshake carried.
    pub(super) token: Option<u64>,
    /// That token was fetched because a handshake with the one before was refused.
    pub(super) token_replaced: bool,
}

/// What has become of the requests over a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    /// How many were sent, every try counted.
    pub requests: u64,
    /// Answers that were 4xx, 5xx, or a redirect that is not followed.
    pub refusals: u64,
    /// Since when it does not do what it should; none if it does, or if that is ignored.
    pub failing: Option<Instant>,
    /// Until when the peer wants to be left alone (`Retry-After`).
    pub held_until: Option<Instant>,
}

/// Since when a connection does not do what it should.
#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It has no link.
    Link,
    /// A pair got no answer.
    Pair,
}

impl Link {
    /// Until when no request goes out.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.hold.max(self.pause)
    }

    fn fail(&mut self, since: Instant, why: Why) {
        self.failing.get_or_insert(Failing { since, why });
    }
}

impl Engine {
    /// How many messages of a connection no response took.
    pub fn unmatched(&self, connection: ConnectionIx) -> u64 {
        self.links.get(connection.index()).map_or(0, |link| link.unmatched)
    }

    /// What has become of the requests over a connection.
    pub fn requested(&self, connection: ConnectionIx) -> Requested {
        let link = self.links.get(connection.index()).copied().unwrap_or_default();
        Requested {
            requests: link.requests,
            refusals: link.refusals,
            failing: link.failing.map(|failing| failing.since),
            held_until: link.hold,
        }
    }

    /// Counts the message that is being received, or was received when its chain of events was held up.
    pub(super) fn count_unmatched(&mut self) {
        self.counters.unmatched += 1;
        if let Some(link) = self.receiving.and_then(|connection| self.links.get_mut(connection.index())) {
            link.unmatched += 1;
        }
    }

    /// Whether messages can be sent over a connection.
    pub fn is_ready(&self, connection: ConnectionIx) -> bool {
        self.links[connection.index()].ready
    }

    /// What has become of a link; `peer` is the `host:port` of a link that was open until now.
    pub fn link(
        &mut self,
        ctx: &mut Context,
        connection: ConnectionIx,
        change: LinkChange,
        peer: Option<&str>,
    ) {
        self.begin();
        self.stirred = true;
        let link = &mut self.links[connection.index()];
        let was_ready = link.ready;
        link.ready = matches!(change, LinkChange::Ready | LinkChange::Swapped);
        match change {
            LinkChange::Ready | LinkChange::Swapped => {
                link.token_replaced = false;
                link.failing = link.failing.filter(|failing| failing.why == Why::Pair);
                if let Some(number) = link.token {
                    self.token_accepted(connection, number);
                }
            }
            LinkChange::Down | LinkChange::Rejected => link.fail(ctx.now, Why::Link),
            LinkChange::Closed => link.failing = None,
            LinkChange::Moved => {}
        }
        if was_ready {
            self.interrupt(ctx, connection, change);
        }
        self.show_link(ctx, connection, change, peer.filter(|_| was_ready));
        let time = match change {
            LinkChange::Ready | LinkChange::Swapped => Some(Time::Opened),
            LinkChange::Rejected => Some(Time::Rejected),
            LinkChange::Moved | LinkChange::Down | LinkChange::Closed => was_ready.then_some(Time::Closed),
        };
        if let Some(time) = time {
            self.fire(Item::Connection(connection), time);
            self.run(ctx);
        }
        if self.is_ready(connection) {
            for lane in &mut self.lanes {
                lane.queue.unpark(connection);
            }
        }
        self.finish(ctx);
    }

    /// The exchanges that were waiting for an answer over a link that is gone.
    fn interrupt(&mut self, ctx: &mut Context, connection: ConnectionIx, change: LinkChange) {
        let input = match change {
            LinkChange::Moved | LinkChange::Swapped => session::Input::LinkMoved,
            LinkChange::Down | LinkChange::Rejected | LinkChange::Closed => session::Input::LinkDown,
            LinkChange::Ready => return,
        };
        for queue in 0..self.lanes.len() {
            if self.waits_on(queue, connection).is_some() {
                self.advance_exchange(ctx, queue, input);
                self.run(ctx);
            }
        }
        self.chain = Chain::Input(None);
    }

    /// The parameters of `NotifyConnectionPIDs`; they are set on each change only.
    fn show_link(
        &mut self,
        ctx: &mut Context,
        connection: ConnectionIx,
        change: LinkChange,
        peer: Option<&str>,
    ) {
        let described = self.protocol.connection(connection);
        let (shown, disconnections) = (described.connections_param, described.disconnections_param);
        if let Some(param) = shown {
            let open = matches!(change, LinkChange::Ready | LinkChange::Swapped);
            self.show(ctx, param, Value::Number(f64::from(u8::from(open))));
        }
        if let (Some(param), Some(peer)) = (disconnections, peer) {
            self.show(ctx, param, Value::text(peer));
        }
    }

    fn show(&mut self, ctx: &mut Context, param: ParamIx, value: Value) {
        let outcome = self.params.set(param, value, Origin::Engine);
        self.set_now(ctx, outcome, param);
        self.run(ctx);
    }

    /// A pair or an HTTP session of the connection got no answer.
    pub(super) fn pair_failed(&mut self, now: Instant, connection: ConnectionIx) {
        self.links[connection.index()].fail(now, Why::Pair);
    }

    /// Lets the groups go on whose peer wanted to be left alone until now.
    pub(super) fn end_holds(&mut self, now: Instant) {
        for (index, link) in self.links.iter_mut().enumerate() {
            if link.held_until().is_none_or(|until| until > now) {
                continue;
            }
            (link.hold, link.pause) = (None, None);
            if let Some(connection) = ConnectionIx::new(index) {
                self.lanes.iter_mut().for_each(|lane| lane.queue.unpark(connection));
            }
        }
    }

    /// When the first of them may go on.
    pub(super) fn holds_wake(&self) -> Option<Instant> {
        self.links.iter().filter_map(Link::held_until).min()
    }

    /// The device answers.
    pub(super) fn pair_answered(&mut self, connection: ConnectionIx) {
        self.links[connection.index()].failing = None;
    }

    /// Says when the element goes into timeout or comes out of it.
    pub(super) fn watch_timeouts(&mut self, ctx: &Context) {
        let active = self.timeout_at().is_some_and(|at| at <= ctx.now);
        if active != self.element_timeout {
            self.element_timeout = active;
            self.effects.push(Effect::ElementTimeout { active });
        }
    }

    /// When the element goes into timeout, if nothing gets better until then.
    pub(super) fn timeout_wake(&self) -> Option<Instant> {
        if self.element_timeout { None } else { self.timeout_at() }
    }

    fn timeout_at(&self) -> Option<Instant> {
        let main = self.protocol.connections.first()?;
        let since = self.links.iter().filter_map(|link| link.failing).map(|failing| failing.since).min()?;
        let settings = self.options.connections.first().and_then(|settings| settings.element_timeout);
        Some(since + settings.unwrap_or(main.defaults.element_timeout))
    }
}
