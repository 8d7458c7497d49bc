//! Runs one action on one target: groups, commands, responses, pairs, the element; parameters and timers have files of their own.

use std::time::Duration;

use bytes::Bytes;

use crate::engine::codec::command::Outgoing;
use crate::engine::codec::{Set, command, condition, response};
use crate::engine::logic::Engine;
use crate::engine::logic::effect::{Code, Effect, Severity, Site};
use crate::engine::logic::lock::Priority;
use crate::engine::logic::octets;
use crate::engine::logic::schedule::millis;
use crate::engine::logic::stack::{Fired, Frame};
use crate::engine::logic::state::{Chain, Hold, ItemNext, Made, PairSettings};
use crate::engine::logic::timer::MAX_PERIOD;
use crate::engine::logic::trace::{Ran, Step};
use crate::engine::param::Origin;
use crate::language::model::Protocol;
use crate::language::model::id::{ActionIx, CommandIx, GroupIx, PairIx, ParamId, ParamIx, ResponseIx};
use crate::language::model::logic::{
    CommandOp, GroupRun, Item, Operand, PairOp, ProtocolOp, ResponseOp, Run, Targets,
};
use crate::language::model::param::{Checksum, ParamKind};
use crate::value::{Context, Value};

/// The pause of `sleep` without a time.
const SLEEP: Duration = Duration::from_secs(5);

/// The shortest `sleep`.
const MIN_SLEEP: Duration = Duration::from_millis(15);

/// The target at a position; without targets of its own an action has one, what the trigger fired for.
fn target<Ix: Copy>(targets: &Targets<Ix>, next: usize, fired: Option<Ix>) -> Option<Ix> {
    match targets {
        Targets::Fired => fired.filter(|_| next == 0),
        Targets::These(these) => these.get(next).copied(),
    }
}

impl Engine {
    /// Runs an action on its target at a position and puts the rest back.
    pub(super) fn act(
        &mut self,
        ctx: &mut Context,
        protocol: &Protocol,
        action: ActionIx,
        fired: Fired,
        next: usize,
    ) {
        let described = protocol.action(action);
        if next == 0 {
            let holds = condition::allows(described.condition.as_ref(), &self.params, fired.row());
            self.note(|| Step::Action(action, Ran::if_it(holds)));
            if !holds {
                return;
            }
        }
        macro_rules! on {
            ($targets:expr, $kind:ident, |$target:ident| $run:expr) => {{
                let item = if let Item::$kind(ix) = fired.item { Some(ix) } else { None };
                match target($targets, next, item) {
                    Some($target) => {
                        self.stack.push(Frame::Action { action, fired: fired.clone(), next: next + 1 });
                        $run;
                    }
                    None if next == 0 => self.report_operand(ctx, action, "something to work on"),
                    None => {}
                }
            }};
        }
        match &described.run {
            Run::Param(targets, op) => {
                on!(targets, Param, |param| self.param_op(ctx, param, op, &fired, action));
            }
            Run::Group(targets, op) => on!(targets, Group, |group| self.enqueue(ctx, group, *op)),
            Run::Command(targets, op) => {
                on!(targets, Command, |command| self.command_op(ctx, command, op, action));
            }
            Run::Response(targets, op) => {
                on!(targets, Response, |response| self.response_op(ctx, response, op, action));
            }
            Run::Timer(targets, op) => on!(targets, Timer, |timer| self.timer_op(ctx, timer, op)),
            // The pairs of the group that fired, by their positions.
            Run::Pair(Targets::Fired, PairOp::SetNext { positions, wait })
                if matches!(fired.item, Item::Group(_)) =>
            {
                let Item::Group(group) = fired.item else { return };
                let content = protocol.group(group).content.iter().enumerate();
                for (at, item) in content {
                    if let GroupRun::Pair(_) = item.run
                        && (positions.is_empty() || positions.contains(&at))
                    {
                        self.set_next(ctx, ItemOf { group, item: at }, wait, action);
                    }
                }
            }
            Run::Pair(targets, op) => on!(targets, Pair, |pair| self.pair_op(ctx, pair, op, action)),
            Run::Protocol(op) => self.protocol_op(ctx, op),
            Run::Nothing => {
                let site = Site::Action(action);
                self.report(ctx.now, Severity::Note, Code::NotRun, &[site], |protocol| {
                    format!("{} is not run", site.describe(protocol))
                });
            }
        }
    }

    /// The present value of an operand, in a row if there is one.
    pub(super) fn operand(&self, operand: &Operand, row: Option<&str>) -> Value {
        match operand {
            Operand::Value(value) => value.clone(),
            Operand::Param(param) => self.params.get_in(*param, row).clone(),
        }
    }

    fn command_op(&mut self, ctx: &mut Context, command: CommandIx, op: &CommandOp, action: ActionIx) {
        match op {
            CommandOp::Make => self.make(ctx, command, Origins::Action),
            CommandOp::Replace(replace) => {
                let done = self.named_param(replace.by).is_some_and(|by| {
                    self.layouts.replace_in_command(&self.protocol, command, replace.position, by)
                });
                if !done {
                    self.report_operand(
                        ctx,
                        action,
                        "the id of a parameter and a position that the command has",
                    );
                }
            }
            CommandOp::Crc => {
                if let Some(made) = self.made_of(ctx, command) {
                    let fields = self.layouts.command(&self.protocol, command);
                    let how = checksum_of(&self.protocol, fields);
                    let set = how.and_then(|how| command::checksum(&self.params, fields, &made, how));
                    self.set_field(ctx, command, set, action);
                }
            }
            CommandOp::Length => {
                if let Some(made) = self.made_of(ctx, command) {
                    let fields = self.layouts.command(&self.protocol, command);
                    let sets = command::lengths(&self.params, fields, &made);
                    let none = sets.is_empty();
                    for set in sets {
                        self.set_field(ctx, command, Some(set), action);
                    }
                    if none {
                        self.report_operand(ctx, action, "a length parameter in the command");
                    }
                }
            }
            CommandOp::ReplaceData(how) => {
                if let Some(made) = self.made_of(ctx, command) {
                    let payload = octets::replaced(&made.payload, how);
                    self.edit_made(command, payload);
                }
            }
            CommandOp::Stuffing(stuffing) => {
                if let Some(made) = self.made_of(ctx, command) {
                    let payload = octets::stuffed(&made.payload, stuffing);
                    self.edit_made(command, payload);
                }
            }
        }
    }

    /// Builds a command from the present values and keeps it for the pair that sends it.
    fn make(&mut self, ctx: &mut Context, command: CommandIx, origin: Origins) {
        match command::make(ctx, &self.params, &self.layouts, command, &self.options.messages) {
            Ok(message) => {
                let explicit = match origin {
                    Origins::Action => true,
                    Origins::Engine => self.made.iter().any(|made| made.command == command && made.explicit),
                };
                self.made.retain(|made| made.command != command);
                self.made.push(Made { command, message, explicit, edited: false });
            }
            Err(error) => self.report_command(ctx, command, &error),
        }
    }

    /// The built message of a command, built now if there is none.
    fn made_of(&mut self, ctx: &mut Context, command: CommandIx) -> Option<Outgoing> {
        if !self.made.iter().any(|made| made.command == command) {
            self.make(ctx, command, Origins::Engine);
        }
        self.made.iter().find(|made| made.command == command).map(|made| made.message.clone())
    }

    /// Sets a length or a checksum, and builds the command again so that it is part of it.
    fn set_field(&mut self, ctx: &mut Context, command: CommandIx, set: Option<Set>, action: ActionIx) {
        let Some(set) = set else {
            self.report_operand(ctx, action, "a checksum parameter in the command, with fields before it");
            return;
        };
        let outcome = self.params.set(set.param, set.value, Origin::Engine);
        self.make(ctx, command, Origins::Engine);
        self.set_now(ctx, outcome, set.param);
    }

    fn edit_made(&mut self, command: CommandIx, payload: Bytes) {
        if let Some(at) = self.made.iter().position(|made| made.command == command) {
            let made = self.made.swap_remove(at);
            let message = made.message.with_payload(payload);
            self.made.push(Made { message, edited: true, ..made });
        }
    }

    fn response_op(&mut self, ctx: &Context, response: ResponseIx, op: &ResponseOp, action: ActionIx) {
        let at = self.last.iter().position(|(of, _)| *of == response);
        match op {
            ResponseOp::Read => {
                if let Some((_, message)) = at.and_then(|at| self.last.get(at)) {
                    let reading = response::read(&self.params, &self.layouts, response, message);
                    self.set_all(ctx, reading.got, Site::Item(Item::Response(response)));
                }
            }
            ResponseOp::Clear => {
                at.into_iter().for_each(|at| {
                    self.last.swap_remove(at);
                });
            }
            ResponseOp::ClearLengthInfo => {}
            ResponseOp::Crc => self.check_checksum(ctx, response),
            // A length parameter that is wrong keeps the message from fitting at all: there is nothing left to check.
            ResponseOp::Length => {}
            ResponseOp::Replace(replace) => {
                let done = self.named_param(replace.by).is_some_and(|by| {
                    self.layouts.replace_in_response(&self.protocol, response, replace.position, by)
                });
                if !done {
                    self.report_operand(
                        ctx,
                        action,
                        "the id of a parameter and a position that the response has",
                    );
                }
            }
            ResponseOp::ReplaceData(how) => {
                self.edit_last(response, |payload| octets::replaced(payload, how))
            }
            ResponseOp::Stuffing(how) => self.edit_last(response, |payload| octets::stuffed(payload, how)),
            ResponseOp::ReadStuffing(how) => {
                self.edit_last(response, |payload| octets::unstuffed(payload, how));
            }
        }
    }

    /// The parameter whose id another one holds.
    fn named_param(&self, holder: ParamIx) -> Option<ParamIx> {
        let id = self.params.get(holder).to_text().trim().parse().ok()?;
        self.protocol.param_by_id(ParamId(id))
    }

    /// A message with a wrong checksum is not read: before the response, as if it had not come.
    fn check_checksum(&mut self, ctx: &Context, response: ResponseIx) {
        let Some((_, message)) = self.last.iter().find(|(of, _)| *of == response) else { return };
        let fields = self.layouts.response(&self.protocol, response);
        let Some(how) = checksum_of(&self.protocol, fields) else { return };
        let reading = response::read(&self.params, &self.layouts, response, message);
        if !response::checksum_is_right(&self.params, fields, &reading, message, how) {
            self.last.retain(|(of, _)| *of != response);
            self.count_unmatched();
            let site = Site::Item(Item::Response(response));
            self.report(ctx.now, Severity::Warning, Code::Response, &[site], |protocol| {
                format!("{} was not taken: its checksum is wrong", site.describe(protocol))
            });
        }
    }

    fn edit_last(&mut self, response: ResponseIx, edit: impl FnOnce(&Bytes) -> Bytes) {
        if let Some((_, message)) = self.last.iter_mut().find(|(of, _)| *of == response) {
            *message = message.with_payload(edit(message.payload()));
        }
    }

    fn pair_op(&mut self, ctx: &Context, pair: PairIx, op: &PairOp, action: ActionIx) {
        let operand = match op {
            PairOp::Timeout(operand) | PairOp::SetNext { wait: operand, .. } => operand,
        };
        let Some(time) = millis(&self.operand(operand, None)) else {
            self.report_operand(ctx, action, "a time in milliseconds");
            return;
        };
        let time = time.min(MAX_PERIOD);
        let at = self.pairs.iter().position(|(of, _)| *of == pair).unwrap_or_else(|| {
            self.pairs.push((pair, PairSettings::default()));
            self.pairs.len() - 1
        });
        let settings = &mut self.pairs[at].1;
        match op {
            PairOp::Timeout(_) => settings.timeout = Some(time),
            PairOp::SetNext { .. } => settings.next = Some(time),
        }
    }

    /// `set next` on a pair of the group that fired: for that place of the group only.
    fn set_next(&mut self, ctx: &Context, at: ItemOf, wait: &Operand, action: ActionIx) {
        let Some(time) = millis(&self.operand(wait, None)) else {
            self.report_operand(ctx, action, "a time in milliseconds");
            return;
        };
        self.nexts.retain(|next| (next.group, next.item) != (at.group, at.item));
        self.nexts.push(ItemNext { group: at.group, item: at.item, next: time.min(MAX_PERIOD) });
    }

    /// The queue that an action about queues means: the one that runs it, the main one otherwise.
    fn present_queue(&self) -> u16 {
        match self.chain {
            Chain::Queue(queue) | Chain::Input(Some(queue)) => queue,
            Chain::Input(None) => 0,
        }
    }

    fn protocol_op(&mut self, ctx: &Context, op: &ProtocolOp) {
        let queue = self.present_queue();
        match op {
            ProtocolOp::Open(connection) => self.effects.push(Effect::Open(*connection)),
            ProtocolOp::Close(connection) => self.effects.push(Effect::Close(*connection)),
            ProtocolOp::Reconnect(connection) => self.effects.push(Effect::Reconnect(*connection)),
            ProtocolOp::Lock => self.take_lock(ctx, queue, Priority::Normal),
            ProtocolOp::PriorityLock => self.take_lock(ctx, queue, Priority::High),
            ProtocolOp::Unlock | ProtocolOp::PriorityUnlock => {
                self.lock.release(queue, ctx.now);
                self.stirred = true;
            }
            ProtocolOp::Sleep(operand) => {
                let time = millis(&self.operand(operand, None)).unwrap_or(SLEEP).clamp(MIN_SLEEP, MAX_PERIOD);
                self.sleep(queue, ctx.now + time);
            }
            ProtocolOp::StopCurrentGroup => {
                let runs = &mut self.lanes[usize::from(queue)].queue.runs;
                if let Some(run) = runs.last_mut() {
                    run.stop = true;
                }
            }
            ProtocolOp::ReadFile { name, bytes, start, into } => {
                let name = self.params.get(*name).to_text();
                let whole = |param: ParamIx| self.params.get(param).to_text().trim().parse::<u64>().ok();
                let (start, bytes) = (start.and_then(whole).unwrap_or(0), bytes.and_then(whole));
                self.effects.push(Effect::ReadFile { name, start, bytes, into: *into });
            }
        }
    }

    /// A chain of a queue stops here until then; any other chain goes on, and only the queue pauses.
    fn sleep(&mut self, queue: u16, until: std::time::Instant) {
        self.stirred = true;
        match self.chain {
            Chain::Queue(_) => self.hold = Some(Hold::Until(until)),
            Chain::Input(_) => {
                let queue = &mut self.lanes[usize::from(queue)].queue;
                queue.pause = queue.pause.max(Some(until));
            }
        }
    }

    /// A chain of a queue waits for the lock; any other chain only asks for it.
    fn take_lock(&mut self, ctx: &Context, queue: u16, priority: Priority) {
        self.stirred = true;
        let has_it = self.lock.take(queue, priority, ctx.now);
        if !has_it && matches!(self.chain, Chain::Queue(_)) {
            self.hold = Some(Hold::Lock);
        }
    }
}

/// An item of a group, by position from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ItemOf {
    group: GroupIx,
    item: usize,
}

/// Why a command is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origins {
    /// By the action `make`: what it built is what is sent.
    Action,
    /// Because another action works on it.
    Engine,
}

/// How the checksum parameter of a command or response is worked out.
fn checksum_of<'a>(protocol: &'a Protocol, fields: &[ParamIx]) -> Option<&'a Checksum> {
    let crc = fields.iter().find(|param| protocol.param(**param).kind == ParamKind::Crc)?;
    protocol.param(*crc).checksum.as_ref()
}
