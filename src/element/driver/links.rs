//! Between links and everything else: performs what a link decides, and brings back what became of it.

use std::sync::Arc;
use std::time::Duration;

use crate::element::driver::Driver;
use crate::element::driver::show::payload;
use crate::element::driver::slot::{Happened, Life};
use crate::element::handle::WireEvent;
use crate::element::status::CloseStatus;
use crate::engine::codec::Gathered;
use crate::engine::link::cause::Cause;
use crate::engine::link::policy::verdict_of_close;
use crate::engine::link::status::{Close, Epoch, Phase};
use crate::engine::link::{Admission, Effect, Input};
use crate::engine::logic::link::LinkChange;
use crate::engine::logic::receive::Taken;
use crate::language::model::id::ConnectionIx;
use crate::language::model::message::MessageKind;
use crate::script::pool::real_now;
use crate::transport::failure::Failure;
use crate::transport::wire::{Closed, Event, Kind, Why};

/// How long the messages of one turn may take where scripts run; what is left comes in a later turn.
const SLICE: Duration = Duration::from_millis(50);

impl Driver {
    /// Tells a link something and performs what it decides.
    pub(super) fn step_link_at(&mut self, index: usize, input: Input) {
        if let Some(connection) = ConnectionIx::new(index) {
            self.step_link(connection, input);
        }
    }

    /// Tells a link something and performs what it decides.
    pub(super) fn step_link(&mut self, connection: ConnectionIx, input: Input) {
        let Some(life) = self.slots.get_mut(connection.index()).and_then(|slot| slot.life.as_mut()) else {
            return;
        };
        let mut effects = std::mem::take(&mut self.link_effects);
        life.link.step(&mut self.ctx, input, &mut effects);
        for effect in effects.drain(..) {
            self.perform_link(connection, effect);
        }
        self.link_effects = effects;
        let now = self.ctx.now;
        if let Some(life) = self.life(connection) {
            for socket in &mut life.sockets {
                if !socket.opening.1.is_empty() && !life.link.is_fresh(socket.epoch, now) {
                    socket.opening.1 = Vec::new();
                }
            }
        }
    }

    pub(super) fn life(&mut self, connection: ConnectionIx) -> Option<&mut Life> {
        self.slots.get_mut(connection.index()).and_then(|slot| slot.life.as_deref_mut())
    }

    fn perform_link(&mut self, connection: ConnectionIx, effect: Effect) {
        match effect {
            Effect::RequestDial { epoch } => {
                if self.engine.needs_preparation(connection) {
                    if let Some(life) = self.life(connection) {
                        life.preparing = Some(epoch);
                    }
                    self.engine.prepare(&mut self.ctx, connection);
                } else {
                    self.ask_for_dial(connection, epoch);
                }
            }
            Effect::CancelRequest { epoch } => {
                if let Some(life) = self.life(connection) {
                    life.ticket.take_if(|(of, _)| *of == epoch);
                    life.preparing.take_if(|of| *of == epoch);
                }
            }
            Effect::Dial { epoch, deadline } => self.dial(connection, epoch, deadline),
            Effect::CancelDial { epoch } => {
                if let Some(life) = self.life(connection) {
                    // Dropped: the task is aborted and its socket with it.
                    life.dial.take_if(|dial| dial.epoch == epoch);
                }
            }
            Effect::Close { epoch, code, reason, deadline } => {
                let within = deadline.saturating_duration_since(self.ctx.now);
                if let Some(socket) = self.life(connection).and_then(|life| life.socket_mut(epoch)) {
                    socket.outbox.close(code, reason, within);
                }
            }
            Effect::Drop { epoch } => self.drop_socket(connection, epoch),
            Effect::Up { epoch, from } => self.up(connection, epoch, from.is_some()),
            // The change of state has told the engine, and why.
            Effect::Down { .. } => {}
            Effect::State { from, to, why } => self.state_changed(connection, from, to, &why),
            Effect::Moved { cause } => {
                tracing::info!(element = %self.spec.name, connection = connection.index(), %cause, "link moves");
                self.aim_anew(connection);
                self.status_is_old = true;
            }
            Effect::Flapping(drops) => {
                match drops {
                    Some(drops) => tracing::warn!(
                        element = %self.spec.name, connection = connection.index(), drops, "link is flapping"
                    ),
                    None => tracing::info!(
                        element = %self.spec.name, connection = connection.index(), "link is no longer flapping"
                    ),
                }
                self.status_is_old = true;
            }
        }
    }

    /// Asks the dial budget, with the host of the present target.
    fn ask_for_dial(&mut self, connection: ConnectionIx, epoch: Epoch) {
        let host = self.aim(connection, epoch);
        let ticket = self.services.gate.ask(&host);
        if let Some(life) = self.life(connection) {
            life.ticket = Some((epoch, ticket));
        }
        self.status_is_old = true;
    }

    /// What a link needs before it opens is there, or could not be had.
    pub(super) fn prepared(&mut self, connection: ConnectionIx, ready: bool) {
        // Nobody may wait any more.
        let Some(epoch) = self.life(connection).and_then(|life| life.preparing.take()) else { return };
        if ready && self.has_address(connection) {
            self.ask_for_dial(connection, epoch);
            return;
        }
        self.not_prepared(connection, epoch, ready);
    }

    fn up(&mut self, connection: ConnectionIx, epoch: Epoch, took_over: bool) {
        let Some(life) = self.life(connection) else { return };
        let Some(socket) = life.sockets.iter_mut().find(|socket| socket.epoch == epoch) else { return };
        let captured = std::mem::take(&mut socket.captured);
        socket.was_up = true;
        let old = life.peer.replace(socket.peer.clone());
        life.last_failure = None;
        if captured != Gathered::default() {
            self.engine.captured(&mut self.ctx, connection, captured);
        }
        let change = if took_over { LinkChange::Swapped } else { LinkChange::Ready };
        self.engine.link(&mut self.ctx, connection, change, old.as_deref());
        self.status_is_old = true;
    }

    /// Ends a link from our side, without the peer's word.
    fn drop_socket(&mut self, connection: ConnectionIx, epoch: Epoch) {
        let at = self.ctx.wall;
        let Some(life) = self.life(connection) else { return };
        // A socket that came too late was never a link.
        if life.remove_socket(epoch).is_some_and(|socket| socket.was_up) {
            let by = if life.link.snapshot().why == Cause::HeartbeatLost {
                "the heartbeat was not answered".to_owned()
            } else {
                Why::CloseTimeout.to_string()
            };
            life.last_close =
                Some(CloseStatus { code: 1006, reason: Arc::from(""), by: Arc::from(by.as_str()), at });
            self.tap(connection, Some(epoch), || WireEvent::Closed(1006, String::new(), by));
        }
        self.status_is_old = true;
    }

    fn state_changed(&mut self, connection: ConnectionIx, from: Phase, to: Phase, why: &Cause) {
        self.status_is_old = true;
        match (from, to) {
            // A host that cannot be reached must not fill the log.
            (Phase::Backoff, Phase::Connecting) | (Phase::Connecting, Phase::Backoff) => tracing::debug!(
                element = %self.spec.name, connection = connection.index(), %from, %to, %why, "link state changed"
            ),
            (_, _) => tracing::info!(
                element = %self.spec.name, connection = connection.index(), %from, %to, %why, "link state changed"
            ),
        }
        let why_text = why.to_string();
        let epoch = self.life(connection).and_then(|life| life.link.snapshot().epoch);
        self.tap(connection, epoch, || WireEvent::State(from.name(), to.name(), why_text));
        let peer = self.life(connection).filter(|_| from == Phase::Ready).and_then(|life| life.peer.take());
        let changes: &[LinkChange] = match (from, to) {
            (_, Phase::Connecting | Phase::Ready) if from != Phase::Ready => &[],
            (Phase::Ready, Phase::Closing) => match why {
                Cause::Params(_) | Cause::Reconnect(_) => &[LinkChange::Moved],
                Cause::TargetKnown
                | Cause::TargetEmpty
                | Cause::Open
                | Cause::Close
                | Cause::Stop
                | Cause::Opened
                | Cause::DialFailed
                | Cause::DialTimeout
                | Cause::Lost(_)
                | Cause::HeartbeatLost
                | Cause::Rejected(_)
                | Cause::Retry
                | Cause::Closed
                | Cause::CloseTimeout => &[LinkChange::Closed],
            },
            // It was open: that it is over comes before that it will not be opened again soon.
            (Phase::Ready, Phase::Rejected) => &[LinkChange::Down, LinkChange::Rejected],
            (_, Phase::Rejected) => &[LinkChange::Rejected],
            (_, Phase::Backoff | Phase::Connecting) => &[LinkChange::Down],
            (_, Phase::Idle | Phase::Closed | Phase::Stopped) => &[LinkChange::Closed],
            (_, Phase::Ready | Phase::Closing) => &[],
        };
        for change in changes {
            self.engine.link(&mut self.ctx, connection, *change, peer.as_deref());
        }
    }

    /// What has happened on a connection, outside.
    pub(super) fn link_happened(&mut self, index: usize, happened: Happened) {
        let Some(connection) = ConnectionIx::new(index) else { return };
        match happened {
            Happened::Granted(epoch) => self.step_link(connection, Input::Granted { epoch }),
            Happened::Dialled(epoch, address, Some(result)) => match *result {
                Ok(opened) => self.dial_succeeded(connection, epoch, address, opened),
                Err(failure) => self.dial_failed(connection, epoch, &failure),
            },
            Happened::Dialled(epoch, _, None) => self.dial_lost(connection, epoch),
            Happened::Events(epoch, events) => self.link_events(connection, epoch, events),
        }
    }

    fn link_events(&mut self, connection: ConnectionIx, epoch: Epoch, events: Vec<Event>) {
        if events.is_empty() {
            self.link_over(connection, epoch, None);
            return;
        }
        let began = self.scripts.is_some().then(real_now);
        let mut events = events.into_iter();
        while let Some(event) = events.next() {
            match event {
                Event::Message(message) => {
                    let admitted = self
                        .life(connection)
                        .is_some_and(|life| life.link.admit(epoch) == Admission::Current);
                    if !admitted {
                        continue;
                    }
                    let kind = match message.kind() {
                        Kind::Text => MessageKind::Text,
                        Kind::Binary => MessageKind::Binary,
                    };
                    let shown = self.is_tapped().then(|| (self.mask(), message.data().clone()));
                    let taker = self.engine.message(&mut self.ctx, connection, kind, message.into_data());
                    let response = match taker {
                        Taken::By(response) => Some(self.engine.protocol().response(response).id.0),
                        Taken::Unmatched | Taken::Ignored => None,
                    };
                    if let Some((mut mask, data)) = shown.filter(|_| taker != Taken::Ignored) {
                        // What it brought may itself be a secret.
                        self.hide(&mut mask);
                        let shown = payload(&mask, &data);
                        self.tap(connection, Some(epoch), || WireEvent::Received(kind, shown, response));
                    }
                    // What the message caused comes before the next one.
                    self.settle();
                    // Scripts may take their time: others ask something of the element too.
                    if began.is_some_and(|began| began.elapsed() >= SLICE)
                        && let Some(socket) = self.life(connection).and_then(|life| life.socket_mut(epoch))
                    {
                        socket.events = events.collect();
                        return;
                    }
                }
                Event::Closed(closed) => self.link_over(connection, epoch, Some(*closed)),
            }
        }
    }

    fn link_over(&mut self, connection: ConnectionIx, epoch: Epoch, closed: Option<Closed>) {
        let wall = self.ctx.wall;
        let Some(life) = self.life(connection) else { return };
        let received = closed.as_ref().and_then(|closed| closed.received.clone());
        let close = received.map(|frame| Close {
            code: frame.code.unwrap_or(1005),
            reason: Arc::from(frame.reason.as_str()),
        });
        let verdict = verdict_of_close(close.as_ref().map(|close| close.code), &life.link.policy().stop_on);
        let by: Arc<str> = match &closed {
            Some(closed) => Arc::from(closed.why.to_string()),
            None => Arc::from("the link's task failed"),
        };
        let code = closed.as_ref().map_or(1006, Closed::code);
        // The peer's own words.
        let reason: Arc<str> = Arc::from(self.masked_text(close.as_ref().map_or("", |close| &close.reason)));
        let Some(life) = self.life(connection) else { return };
        life.last_close = Some(CloseStatus { code, reason: reason.clone(), by: by.clone(), at: wall });
        self.tap(connection, Some(epoch), || WireEvent::Closed(code, reason.to_string(), by.to_string()));
        if let Some(failure) = closed.and_then(|closed| self.before_first_message(connection, epoch, &closed))
        {
            let shown = self.shown_failure(&failure);
            self.failed(connection, epoch, shown);
        }
        self.step_link(connection, Input::Lost { epoch, verdict, close });
        // After the step: its effects may still want to know the peer.
        if let Some(socket) = self.life(connection).and_then(|life| life.remove_socket(epoch)) {
            socket.let_go();
        }
        self.status_is_old = true;
    }

    /// A link that is gone before it settled and before a message came: that is a refusal, late.
    fn before_first_message(
        &mut self,
        connection: ConnectionIx,
        epoch: Epoch,
        closed: &Closed,
    ) -> Option<Failure> {
        let now = self.ctx.now;
        let life = self.life(connection)?;
        let socket = life.socket(epoch).filter(|socket| socket.counters.read().messages_in == 0)?;
        if !life.link.is_fresh(epoch, now) {
            return None;
        }
        let (opened, stages) = &socket.opening;
        Failure::before_first_message(stages, closed, now.saturating_duration_since(*opened))
    }
}
