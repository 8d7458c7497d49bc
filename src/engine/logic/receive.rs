//! From a message of the peer to change events and answered pairs; reads no socket.

use bytes::Bytes;

use crate::engine::codec::message::Message;
use crate::engine::codec::response::{self, Fit, Reading};
use crate::engine::codec::why::{self, Mismatch};
use crate::engine::logic::Engine;
use crate::engine::logic::effect::Site;
use crate::engine::logic::queue::Phase;
use crate::engine::logic::stack::Frame;
use crate::engine::logic::state::Chain;
use crate::engine::logic::trace::Step;
use crate::engine::session::{self, Received};
use crate::language::model::Protocol;
use crate::language::model::id::{ConnectionIx, PairIx, ResponseIx};
use crate::language::model::logic::{Item, ParamOp, Run, Time};
use crate::language::model::message::MessageKind;
use crate::value::Context;

/// How long a message may be that is kept for actions that read it again.
const MAX_KEPT: usize = 64 << 10;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A response took it.
    By(ResponseIx),
    /// No response did; it is counted.
    Unmatched,
    /// It means nothing (`bs:Ignore`).
    Ignored,
}

/// Who wants to know of a response besides its parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard(u8);

impl Heard {
    const BEFORE: u8 = 1;
    const AFTER: u8 = 2;
    /// Actions read the message again.
    const KEEP: u8 = 4;

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// Who wants to know of each response.
pub(super) fn heard(protocol: &Protocol) -> Box<[Heard]> {
    let reads_again = protocol.actions.iter().any(|action| match &action.run {
        Run::Response(..) | Run::Param(_, ParamOp::Read) => true,
        Run::Param(_, ParamOp::Reverse(positions)) => !positions.is_empty(),
        Run::Param(..)
        | Run::Group(..)
        | Run::Command(..)
        | Run::Timer(..)
        | Run::Pair(..)
        | Run::Protocol(_)
        | Run::Nothing => false,
    });
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let of = |ix: ResponseIx| {
        let has = |time| !protocol.triggers_on(Item::Response(ix), time).is_empty();
        Heard(
            flag(has(Time::Before), Heard::BEFORE)
                | flag(has(Time::After), Heard::AFTER)
                | flag(reads_again, Heard::KEEP),
        )
    };
    (0..protocol.responses.len()).map(|index| ResponseIx::new(index).map_or(Heard(0), of)).collect()
}

impl Engine {
    /// A message of the peer, and all that it causes; the driver has dropped those of older links.
    pub fn message(
        &mut self,
        ctx: &mut Context,
        connection: ConnectionIx,
        kind: MessageKind,
        payload: Bytes,
    ) -> Taken {
        self.begin();
        self.receiving = Some(connection);
        let taker = self.receive(ctx, connection, kind, payload);
        self.run(ctx);
        self.receiving = None;
        self.finish(ctx);
        if !self.last.is_empty() {
            self.last.retain(|(_, message)| message.payload().len() <= MAX_KEPT);
        }
        taker
    }

    fn receive(
        &mut self,
        ctx: &mut Context,
        connection: ConnectionIx,
        kind: MessageKind,
        payload: Bytes,
    ) -> Taken {
        self.counters.messages += 1;
        let message = Message::new(kind, payload);
        if response::is_ignored(&self.protocol, connection, &message) {
            self.counters.ignored += 1;
            return Taken::Ignored;
        }
        let Some((response, reading)) = self.taker(connection, &message) else {
            self.count_unmatched();
            return Taken::Unmatched;
        };
        let then = self.waiter(connection, response);
        let heard = self.heard[response.index()];
        if heard.has(Heard::BEFORE) {
            // The triggers may change the message before it is read.
            self.keep(response, message);
            self.stack.push(Frame::Read { response, then });
            self.fire(Item::Response(response), Time::Before);
            return Taken::By(response);
        }
        if heard.has(Heard::KEEP) {
            self.keep(response, message);
        }
        self.accept(ctx, response, reading, then);
        Taken::By(response)
    }

    /// Which response takes a message: those of the waiting pairs first.
    fn taker(&self, connection: ConnectionIx, message: &Message) -> Option<(ResponseIx, Reading)> {
        let others = self.protocol.candidates(connection).iter().copied();
        let mut waiting = self.waiting_pairs(connection).peekable();
        if waiting.peek().is_none() {
            return response::take(&self.params, &self.layouts, others, message);
        }
        let own = waiting.flat_map(|(_, pair)| {
            let described = self.protocol.pair(pair);
            described.responses.iter().chain(&described.bad_commands).copied()
        });
        response::take(&self.params, &self.layouts, own.chain(others), message)
    }

    /// Why no response takes a message of a connection, the nearest first; empty if one does.
    pub fn mismatches(&self, connection: ConnectionIx, kind: MessageKind, payload: Bytes) -> Vec<Mismatch> {
        let candidates = self.protocol.candidates(connection).iter().copied();
        why::mismatches(&self.params, &self.layouts, candidates, &Message::new(kind, payload))
    }

    /// The queues whose running pair waits for an answer over a connection.
    fn waiting_pairs(&self, connection: ConnectionIx) -> impl Iterator<Item = (u16, PairIx)> {
        let queues = (0_u16..).zip(0..self.lanes.len());
        queues.filter_map(move |(queue, lane)| Some((queue, self.waits_on(lane, connection)?)))
    }

    /// The pair that a queue's running group waits for over a connection.
    pub(super) fn waits_on(&self, queue: usize, connection: ConnectionIx) -> Option<PairIx> {
        match &self.lanes.get(queue)?.queue.runs.last()?.phase {
            Phase::Exchange(exchange, _) if exchange.connection == connection && exchange.is_waiting() => {
                Some(exchange.pair)
            }
            Phase::Exchange(..)
            | Phase::Requests(_)
            | Phase::Begin
            | Phase::Item
            | Phase::End
            | Phase::Over => None,
        }
    }

    /// The queue that waits for a response.
    fn waiter(&self, connection: ConnectionIx, response: ResponseIx) -> Option<(u16, Received)> {
        self.waiting_pairs(connection)
            .find_map(|(queue, pair)| Some((queue, session::answer_of(&self.protocol, pair, response)?)))
    }

    /// The `before` triggers of a response have run: reads the message as it is now.
    pub(super) fn read_response(
        &mut self,
        ctx: &Context,
        response: ResponseIx,
        then: Option<(u16, Received)>,
    ) {
        let Some((_, message)) = self.last.iter().find(|(of, _)| *of == response) else { return };
        let reading = response::read(&self.params, &self.layouts, response, message);
        if !self.heard[response.index()].has(Heard::KEEP) {
            self.last.retain(|(of, _)| *of != response);
        }
        self.accept(ctx, response, reading, then);
    }

    /// Sets what a response read; a full match ends the pair that waited for it.
    fn accept(
        &mut self,
        ctx: &Context,
        response: ResponseIx,
        reading: Reading,
        then: Option<(u16, Received)>,
    ) {
        self.note(|| {
            let Reading { fit, ref got, .. } = reading;
            Step::Response { response, fit, sets: got.sets.clone(), dropped: got.dropped + got.unsaid }
        });
        if reading.fit == Fit::Full {
            if let Some((queue, received)) = then {
                self.chain = Chain::Input(Some(queue));
                self.advance_exchange(ctx, usize::from(queue), session::Input::Response(received));
            }
            if self.heard[response.index()].has(Heard::AFTER) {
                self.fire(Item::Response(response), Time::After);
            }
        }
        self.set_all(ctx, reading.got, Site::Item(Item::Response(response)));
    }

    fn keep(&mut self, response: ResponseIx, message: Message) {
        match self.last.iter_mut().find(|(of, _)| *of == response) {
            Some((_, last)) => *last = message,
            None => self.last.push((response, message)),
        }
    }
}
