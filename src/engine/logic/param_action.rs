//! The actions on parameters: what each makes of the value; the set and its events go the way of every engine set.

use bytes::{Bytes, BytesMut};

use crate::engine::codec::{raw, response};
use crate::engine::logic::Engine;
use crate::engine::logic::effect::{Code, Effect, Severity, Site};
use crate::engine::logic::octets::{hex, replaced};
use crate::engine::logic::stack::Fired;
use crate::engine::logic::state::Made;
use crate::engine::param::Origin;
use crate::engine::param::change::{Event, Place, display_text};
use crate::language::model::id::{ActionIx, CommandIx, ParamIx, ResponseIx};
use crate::language::model::logic::{Item, Operand, ParamOp};
use crate::value::{Context, Value};

impl Engine {
    /// Runs an action on one parameter, in the row of the trigger if the parameter is a column.
    pub(super) fn param_op(
        &mut self,
        ctx: &Context,
        param: ParamIx,
        op: &ParamOp,
        fired: &Fired,
        action: ActionIx,
    ) {
        let row = fired.row();
        let value = match op {
            ParamOp::Append(operand) => {
                let added = self.shown_operand(operand, row);
                Some(joined(self.params.get_in(param, row), &added))
            }
            ParamOp::AppendData(operand) => {
                let added = self.operand(operand, row);
                Some(joined(self.params.get_in(param, row), &added))
            }
            ParamOp::AppendHex(operand, blank_after) => {
                let digits = hex(&self.operand(operand, row).to_bytes(), *blank_after);
                Some(joined(self.params.get_in(param, row), &Value::text(digits)))
            }
            ParamOp::Copy(Some(operand)) => Some(self.operand(operand, row)),
            ParamOp::Copy(None) => self.fired_value(ctx, fired, action),
            ParamOp::CopyReverse(Some(operand)) => Some(reversed(&self.operand(operand, row))),
            ParamOp::CopyReverse(None) => self.fired_value(ctx, fired, action).as_ref().map(reversed),
            ParamOp::Increment(by) => {
                let result = self.calculated(param, by, row, |value, by| value + by);
                self.some_or_report(ctx, action, result)
            }
            ParamOp::Multiply(by) => {
                let result = self.calculated(param, by, row, |value, by| value * by);
                self.some_or_report(ctx, action, result)
            }
            ParamOp::Pow(by) => {
                let result = self.calculated(param, by, row, f64::powf);
                self.some_or_report(ctx, action, result)
            }
            ParamOp::Read => self.read_again(param),
            ParamOp::ReplaceData(how) => {
                let value = self.params.get_in(param, row);
                Some(like(value, replaced(&value.to_bytes(), how)))
            }
            ParamOp::Reverse(positions) => self.turned(param, positions, fired),
            ParamOp::Clear
            | ParamOp::ClearOnDisplay
            | ParamOp::Go
            | ParamOp::RunActions
            | ParamOp::Save
            | ParamOp::SetInfo(_)
            | ParamOp::Normalize(_)
            | ParamOp::ChangeLength(_) => {
                self.param_state_op(ctx, param, op, fired, action);
                None
            }
        };
        if let Some(value) = value {
            let outcome = self.params.set_in(param, row, value, Origin::Engine);
            self.set_now(ctx, outcome, param);
        }
    }

    /// The actions that set no value.
    fn param_state_op(
        &mut self,
        ctx: &Context,
        param: ParamIx,
        op: &ParamOp,
        fired: &Fired,
        action: ActionIx,
    ) {
        match op {
            ParamOp::Clear => {
                if let Some(event) = self.params.clear(param) {
                    self.raise(ctx, event);
                }
            }
            ParamOp::ClearOnDisplay => {
                let change = self.params.clear_on_display(param);
                self.effects.push(Effect::Change(change));
            }
            ParamOp::Go => {
                let event = self.present(param, fired.row());
                self.raise(ctx, event);
            }
            ParamOp::Save => {
                let event = self.present(param, fired.row());
                if let Some(save) = self.params.save(&event) {
                    self.effects.push(Effect::Save(save));
                }
            }
            ParamOp::ChangeLength(operand) => {
                let length = self.operand(operand, fired.row()).as_number().filter(|bytes| *bytes >= 1.0);
                match length.and_then(|bytes| format!("{bytes:.0}").parse().ok()) {
                    Some(bytes) => self.params.change_length(param, bytes),
                    None => self.report_operand(ctx, action, "a number of bytes"),
                }
            }
            ParamOp::RunActions => {
                let event = self.present(param, fired.row());
                self.scripts_after(&event).into_iter().for_each(|frame| self.stack.push(frame));
            }
            ParamOp::Normalize(_) => self.report_not_run(ctx, action, "normalize"),
            ParamOp::SetInfo(steps) => self.params.set_sequence(param, steps),
            ParamOp::Append(_)
            | ParamOp::AppendData(_)
            | ParamOp::Copy(_)
            | ParamOp::CopyReverse(_)
            | ParamOp::Increment(_)
            | ParamOp::Multiply(_)
            | ParamOp::Pow(_)
            | ParamOp::AppendHex(..)
            | ParamOp::Read
            | ParamOp::ReplaceData(_)
            | ParamOp::Reverse(_) => {}
        }
    }

    /// The action `reverse`: of the value; with positions, of the bytes at those places in the message that the trigger is on.
    ///
    /// In a command that was built the bytes are turned there. A response that is still to be read is changed before it is;
    /// of one that was read the value is the turned bytes of the last place.
    fn turned(&mut self, param: ParamIx, positions: &[usize], fired: &Fired) -> Option<Value> {
        let places = |fields: &[ParamIx]| -> Vec<usize> {
            let own = fields.iter().enumerate().filter(|(_, of)| **of == param).map(|(at, _)| at);
            let own: Vec<usize> = own.collect();
            positions.iter().filter_map(|position| own.get(*position).copied()).collect()
        };
        match fired.item {
            Item::Command(command) if !positions.is_empty() => {
                let places = places(self.layouts.command(&self.protocol, command));
                self.turn_in_command(command, &places);
                None
            }
            Item::Response(response) if !positions.is_empty() => {
                let places = places(self.layouts.response(&self.protocol, response));
                self.turn_in_response(response, param, &places)
            }
            Item::Command(_)
            | Item::Response(_)
            | Item::Protocol
            | Item::Communication
            | Item::Param(_)
            | Item::Pair(_)
            | Item::Group(_)
            | Item::Session(_)
            | Item::Timer(_)
            | Item::Connection(_) => Some(reversed(self.params.get_in(param, fired.row()))),
        }
    }

    fn turn_in_command(&mut self, command: CommandIx, places: &[usize]) {
        if let Some(at) = self.made.iter().position(|made| made.command == command) {
            let made = self.made.swap_remove(at);
            let message = made.message.with_reversed(places);
            self.made.push(Made { message, edited: true, ..made });
        }
    }

    fn turn_in_response(&mut self, response: ResponseIx, param: ParamIx, places: &[usize]) -> Option<Value> {
        let (_, message) = self.last.iter_mut().find(|(of, _)| *of == response)?;
        let reading = response::read(&self.params, &self.layouts, response, message);
        let mut bytes = message.payload().to_vec();
        for range in places.iter().filter_map(|at| reading.fields.get(*at)) {
            bytes.get_mut(range.clone()).into_iter().for_each(<[u8]>::reverse);
        }
        *message = message.with_payload(bytes.into());
        if self.stack.is_read_later(response) {
            return None;
        }
        let range = places.last().and_then(|at| reading.fields.get(*at))?.clone();
        raw::field(self.protocol.param(param), message.payload(), range).ok()
    }

    /// Says of an action that has no effect yet: there are no scripts and no alarms that it could be about.
    fn report_not_run(&mut self, ctx: &Context, action: ActionIx, what: &str) {
        let site = Site::Action(action);
        self.report(ctx.now, Severity::Note, Code::NotRun, &[site], |protocol| {
            format!("{} is not run: `{what}` is not supported yet", site.describe(protocol))
        });
    }

    /// The event of a value that stays what it is; of the cell, if the parameter is a column and there is a row.
    fn present(&self, param: ParamIx, row: Option<&str>) -> Event {
        let event = self.params.touch(param, Origin::Engine);
        match (self.protocol.param(param).column, row) {
            (Some((table, column)), Some(key)) => {
                let previous = self.params.get_in(param, row).clone();
                Event { place: Place::Cell { table, key: key.into(), column }, previous, ..event }
            }
            (Some(_), None) | (None, _) => event,
        }
    }

    /// The value of the parameter that the trigger is on.
    fn fired_value(&mut self, ctx: &Context, fired: &Fired, action: ActionIx) -> Option<Value> {
        let Item::Param(source) = fired.item else {
            self.report_operand(ctx, action, "a source, or a trigger on a parameter");
            return None;
        };
        Some(self.params.get_in(source, fired.row()).clone())
    }

    /// An operand as people see it.
    fn shown_operand(&self, operand: &Operand, row: Option<&str>) -> Value {
        match operand {
            Operand::Value(value) => value.clone(),
            Operand::Param(param) => {
                Value::Text(display_text(self.protocol.param(*param), self.params.get_in(*param, row)))
            }
        }
    }

    /// A number made of the value and an operand, if it is finite; an empty value counts as 0.
    fn calculated(
        &self,
        param: ParamIx,
        by: &Operand,
        row: Option<&str>,
        apply: fn(f64, f64) -> f64,
    ) -> Option<Value> {
        let value = self.params.get_in(param, row);
        let number = if value.is_empty() { Some(0.0) } else { value.as_number() };
        let by = self.operand(by, row).as_number();
        let result = number.zip(by).map(|(number, by)| apply(number, by)).filter(|result| result.is_finite());
        result.map(Value::Number)
    }

    fn some_or_report(&mut self, ctx: &Context, action: ActionIx, result: Option<Value>) -> Option<Value> {
        if result.is_none() {
            self.report_operand(ctx, action, "numbers with a finite result");
        }
        result
    }

    /// The value of a field in the last message of a response that has it.
    fn read_again(&self, param: ParamIx) -> Option<Value> {
        self.last.iter().rev().find_map(|(response, message)| {
            let reading = response::read(&self.params, &self.layouts, *response, message);
            reading.got.sets.into_iter().find(|set| set.param == param).map(|set| set.value)
        })
    }
}

/// One value after the other: texts stay text, anything with bytes becomes bytes.
fn joined(first: &Value, second: &Value) -> Value {
    if first.is_empty() {
        return second.clone();
    }
    let mut bytes = BytesMut::from(&first.to_bytes()[..]);
    bytes.extend_from_slice(&second.to_bytes());
    like_text(bytes.freeze())
}

/// Bytes as the kind of value that they were made of; nothing made of an empty value is one.
fn like(value: &Value, bytes: Bytes) -> Value {
    match value {
        Value::Bytes(_) => Value::Bytes(bytes),
        Value::Empty if bytes.is_empty() => Value::Empty,
        Value::Empty | Value::Number(_) | Value::Text(_) => like_text(bytes),
    }
}

/// A text if the bytes are one.
fn like_text(bytes: Bytes) -> Value {
    match std::str::from_utf8(&bytes) {
        Ok(text) => Value::text(text),
        Err(_) => Value::Bytes(bytes),
    }
}

/// The bytes of a value the other way round.
fn reversed(value: &Value) -> Value {
    like(value, value.to_bytes().iter().rev().copied().collect())
}
