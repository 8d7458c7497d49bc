//! Runs one pair of a group: its message, its tries and what follows its end; sends by effects only.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::codec::command::{self, Outgoing};
use crate::engine::codec::condition;
use crate::engine::logic::effect::{Code, Effect, Severity, Site};
use crate::engine::logic::queue::{Phase, Stage};
use crate::engine::logic::state::{Made, PairSettings};
use crate::engine::logic::trace::{Ran, Step};
use crate::engine::logic::{Engine, Life, limits};
use crate::engine::session::{Again, Answer, Ending, Exchange, Input, State, Verdict};
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::{CommandIx, ConnectionIx, PairIx};
use crate::language::model::logic::{Item, Time, WhenDown};
use crate::language::model::message::CommandContent;
use crate::value::Context;

impl Engine {
    /// Begins a pair of the running group, if its condition holds and its connection can carry it.
    pub(super) fn begin_pair(&mut self, ctx: &Context, queue: u16, pair: PairIx, connection: ConnectionIx) {
        let protocol = Arc::clone(&self.protocol);
        let holds = condition::allows(protocol.pair(pair).condition.as_ref(), &self.params, None);
        self.note(|| Step::Pair(pair, Ran::if_it(holds)));
        if !holds {
            return;
        }
        match protocol.connection(connection).kind {
            ConnectionKind::WebSocket => {}
            ConnectionKind::Http | ConnectionKind::Virtual | ConnectionKind::NotRun => {
                let site = Site::Item(Item::Pair(pair));
                self.report(ctx.now, Severity::Warning, Code::NotRun, &[site], |protocol| {
                    format!("{} is not run: its connection is no WebSocket", site.describe(protocol))
                });
                return;
            }
        }
        let overrides = self.options.connections.get(connection.index()).copied().unwrap_or_default();
        let timeout = self.pair_settings(pair).timeout;
        let exchange = Exchange::new(&protocol, pair, connection, overrides, timeout);
        if let Some(run) = self.lanes[usize::from(queue)].queue.runs.last_mut() {
            run.phase = Phase::Exchange(exchange, Stage::Before);
        }
    }

    /// What actions have set for a pair.
    pub(super) fn pair_settings(&self, pair: PairIx) -> PairSettings {
        self.pairs.iter().find(|(of, _)| *of == pair).map(|(_, settings)| *settings).unwrap_or_default()
    }

    /// Does the next thing of the running pair.
    pub(super) fn advance_pair(&mut self, ctx: &mut Context, queue: u16) -> bool {
        let lane = &mut self.lanes[usize::from(queue)];
        let Some(run) = lane.queue.runs.last_mut() else { return false };
        let Phase::Exchange(exchange, stage) = &mut run.phase else { return false };
        if let State::Waiting { deadline } = exchange.state {
            let due = deadline <= ctx.now;
            if due {
                self.advance_exchange(ctx, usize::from(queue), Input::Tick { now: ctx.now });
            }
            return due;
        }
        let (pair, connection) = (exchange.pair, exchange.connection);
        if !self.links[connection.index()].ready {
            self.wait_for_link(ctx, queue);
            return true;
        }
        let command = self.protocol.pair(pair).command;
        match *stage {
            Stage::Before => {
                *stage = Stage::Make;
                self.fire(Item::Pair(pair), Time::Before);
                self.fire(Item::Communication, Time::Before);
            }
            Stage::Make => {
                *stage = Stage::Made;
                self.make_for(ctx, queue, command);
            }
            Stage::Made => {
                *stage = Stage::Send;
                self.take_made(ctx, queue, command);
            }
            Stage::Send => self.send(ctx, queue),
        }
        true
    }

    /// The link of a pair is not ready: the group waits for it, or the pair is left out.
    fn wait_for_link(&mut self, ctx: &Context, queue: u16) {
        let Some(run) = self.lanes[usize::from(queue)].queue.runs.last() else { return };
        let Phase::Exchange(exchange, _) = &run.phase else { return };
        let (pair, connection) = (exchange.pair, exchange.connection);
        let keep = self.protocol.pair(pair).when_down == WhenDown::Keep && self.life != Life::Stopping;
        if !keep {
            self.advance_exchange(ctx, usize::from(queue), Input::GiveUp);
            return;
        }
        // Full: the newest is left out and counted; its group goes on.
        if !self.park(ctx, queue, connection, Site::Item(Item::Pair(pair))) {
            self.advance_exchange(ctx, usize::from(queue), Input::GiveUp);
        }
    }

    /// Makes the command of the running pair before its `before` triggers.
    fn make_for(&mut self, ctx: &mut Context, queue: u16, command: Option<CommandIx>) {
        let Some(command) = command else { return };
        if self.is_made_early(queue) {
            return;
        }
        self.made.retain(|made| made.command != command);
        if self.protocol.triggers_on(Item::Command(command), Time::Before).is_empty() {
            return;
        }
        // A command that cannot be made yet may be after its triggers have run.
        if let Ok(message) = command::make(ctx, &self.params, &self.layouts, command, &self.options.messages)
        {
            self.made.push(Made { command, message, explicit: false, edited: false });
        }
        self.fire(Item::Command(command), Time::Before);
    }

    /// Whether the commands of the running pair were made when its group was queued.
    fn is_made_early(&self, queue: u16) -> bool {
        let run = self.lanes[usize::from(queue)].queue.runs.last();
        run.is_some_and(|run| match &run.phase {
            Phase::Exchange(exchange, _) => {
                self.protocol.connection(exchange.connection).make_command_by_protocol
            }
            Phase::Requests(_) | Phase::Begin | Phase::Item | Phase::End | Phase::Over => false,
        })
    }

    /// Settles what the running pair sends.
    fn take_made(&mut self, ctx: &mut Context, queue: u16, command: Option<CommandIx>) {
        let early = self.is_made_early(queue);
        let made = command.and_then(|command| self.made.iter().position(|made| made.command == command));
        let made = made.map(|at| self.made.swap_remove(at));
        let Some(run) = self.lanes[usize::from(queue)].queue.runs.last_mut() else { return };
        // What actions have changed cannot be filled in anew, nor what was made when the group was queued.
        let again = match command.map(|command| &self.protocol.command(command).content) {
            Some(CommandContent::Template(_)) if !early && made.as_ref().is_none_or(|made| !made.edited) => {
                Again::Anew
            }
            Some(CommandContent::Template(_) | CommandContent::Params(_)) | None => Again::Same,
        };
        let message = match command {
            None => None,
            Some(command) if early => {
                let at = run.entry.made.iter().position(|(of, _)| *of == command);
                at.and_then(|at| run.entry.made.remove(at).1)
            }
            Some(command) => match made {
                Some(made) if made.explicit || made.edited => Some(made.message),
                Some(_) | None => {
                    let made =
                        command::make(ctx, &self.params, &self.layouts, command, &self.options.messages);
                    match made {
                        Ok(message) => Some(message),
                        Err(error) => {
                            self.report_command(ctx, command, &error);
                            None
                        }
                    }
                }
            },
        };
        if let Some(command) = command
            && message.is_none()
        {
            if early {
                self.report_command(ctx, command, &"no action made it");
            }
            self.advance_exchange(ctx, usize::from(queue), Input::GiveUp);
            return;
        }
        let Some(run) = self.lanes[usize::from(queue)].queue.runs.last_mut() else { return };
        let Phase::Exchange(exchange, _) = &mut run.phase else { return };
        let (longest, _) = limits(&self.protocol, &self.options, exchange.connection);
        let too_long = message.as_ref().is_some_and(|message| message.payload.len() > longest);
        exchange.message = message;
        exchange.again = again;
        if let Some(command) = command.filter(|_| too_long) {
            self.report_command(ctx, command, &command::MakeError::TooLong(longest));
            self.advance_exchange(ctx, usize::from(queue), Input::GiveUp);
        }
    }

    pub(super) fn report_command(&mut self, ctx: &Context, command: CommandIx, why: &dyn std::fmt::Display) {
        let site = Site::Item(Item::Command(command));
        let why = why.to_string();
        self.report(ctx.now, Severity::Error, Code::Command, &[site], |protocol| {
            format!("{} was not sent: {why}", site.describe(protocol))
        });
    }

    /// Fills the template of the running pair in anew for a further try; the bytes stay if that cannot be done.
    fn renew(&mut self, ctx: &mut Context, queue: u16) {
        let Some(run) = self.lanes[usize::from(queue)].queue.runs.last_mut() else { return };
        let Phase::Exchange(exchange, _) = &mut run.phase else { return };
        if exchange.tries == 0 || exchange.again == Again::Same {
            return;
        }
        let Some(command) = self.protocol.pair(exchange.pair).command else { return };
        match command::make(ctx, &self.params, &self.layouts, command, &self.options.messages) {
            Ok(message) => exchange.message = Some(message),
            Err(error) => self.report_command(ctx, command, &error),
        }
    }

    /// Hands the message of the running pair to its link.
    fn send(&mut self, ctx: &mut Context, queue: u16) {
        self.renew(ctx, queue);
        let Some(run) = self.lanes[usize::from(queue)].queue.runs.last() else { return };
        let Phase::Exchange(exchange, _) = &run.phase else { return };
        let (pair, connection) = (exchange.pair, exchange.connection);
        let message: Option<Outgoing> = exchange.message.clone();
        let described = self.protocol.pair(pair);
        let answer = if described.responses.is_empty() { Answer::NotExpected } else { Answer::Expected };
        let command = described.command;
        let sent = Input::Sent { now: ctx.now, answer };
        self.advance_exchange(ctx, usize::from(queue), sent);
        if let Some(message) = message {
            self.counters.sent += 1;
            self.effects.push(Effect::Send { connection, message });
        }
        if let Some(command) = command {
            self.fire(Item::Command(command), Time::After);
        }
    }

    /// Gives an input to the exchange of a queue, and does what follows.
    pub(super) fn advance_exchange(&mut self, ctx: &Context, queue: usize, input: Input) {
        let Some(run) = self.lanes[queue].queue.runs.last_mut() else { return };
        let Phase::Exchange(exchange, _) = &mut run.phase else { return };
        let (pair, connection) = (exchange.pair, exchange.connection);
        self.stirred = true;
        match exchange.step(input) {
            Verdict::Nothing => {}
            Verdict::TryFailed => {
                self.counters.timeouts += 1;
                self.fire(Item::Communication, Time::Timeout);
                self.fire(Item::Pair(pair), Time::Timeout);
            }
            Verdict::Ended(ending) => {
                run.phase = Phase::Item;
                run.answers = run.answers.and(ending);
                self.pair_ended(ctx, pair, connection, ending);
                if let Ok(queue) = u16::try_from(queue) {
                    self.pause_after_item(ctx, queue, Some(pair));
                }
            }
        }
    }

    /// The triggers after a pair, and what its end says about the element.
    fn pair_ended(&mut self, ctx: &Context, pair: PairIx, connection: ConnectionIx, ending: Ending) {
        let item = Item::Pair(pair);
        if ending == Ending::NotSent {
            self.counters.not_sent += 1;
            return;
        }
        // The last frame runs first.
        self.fire(Item::Communication, Time::After);
        self.fire(item, Time::After);
        match ending {
            Ending::Succeeded => {
                self.pair_answered(connection);
                self.fire(Item::Communication, Time::Succeeded);
                self.fire(item, Time::Succeeded);
            }
            Ending::BadCommand => self.pair_answered(connection),
            Ending::TimedOut => {
                self.counters.timeouts += 1;
                self.fire(Item::Communication, Time::TimeoutAfterRetries);
                self.fire(item, Time::TimeoutAfterRetries);
                self.fire(Item::Communication, Time::Timeout);
                self.fire(item, Time::Timeout);
                if !self.protocol.pair(pair).ignore_timeout {
                    self.pair_failed(ctx.now, connection);
                }
                let heartbeat = self.protocol.connection(connection).keep_alive.heartbeat;
                if heartbeat == Some(pair) && self.links[connection.index()].ready {
                    self.effects.push(Effect::HeartbeatLost(connection));
                }
            }
            Ending::Sent | Ending::NotSent => {}
        }
    }

    /// The pause after an item: of the action `set next`, else `next` of the item, or the interval of the timer between pairs.
    ///
    /// After the last item only the first two count; they delay the next group.
    pub(super) fn pause_after_item(&mut self, ctx: &Context, queue: u16, pair: Option<PairIx>) {
        let protocol = Arc::clone(&self.protocol);
        let Some(run) = self.lanes[usize::from(queue)].queue.runs.last() else { return };
        let content = &protocol.group(run.entry.group).content;
        let item = run.item.checked_sub(1).and_then(|at| content.get(at));
        let is_last = run.item >= content.len();
        let own = item.and_then(|item| item.next).map(|wait| self.wait(wait));
        let by_position = |at| {
            let mut set = self.nexts.iter();
            set.find(|next| next.group == run.entry.group && next.item == at).map(|next| next.next)
        };
        let by_action = run
            .item
            .checked_sub(1)
            .and_then(by_position)
            .or_else(|| pair.and_then(|pair| self.pair_settings(pair).next));
        let interval = || {
            let timer = run.entry.timer.filter(|_| pair.is_some() && !is_last);
            timer.map(|(timer, _)| protocol.timer(timer).interval)
        };
        let pause = by_action.or(own).or_else(interval).unwrap_or(Duration::ZERO);
        if !pause.is_zero() {
            let until = ctx.now + pause;
            let queue = &mut self.lanes[usize::from(queue)].queue;
            queue.pause = queue.pause.max(Some(until));
        }
    }
}
