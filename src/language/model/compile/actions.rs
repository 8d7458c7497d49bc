//! Actions with their operands to those of the model; runs none of them.
//!
//! [`targets_of`] lists every type with what it can be done on; the later matches see only what it let through, so their
//! last arm is never taken.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::language::definition::logic as written;
use crate::language::definition::{Id, Text};
use crate::language::diagnostic::{Code, Diagnostic, Report};
use crate::language::model::compile::scope::{Index, Scope, Use, User};
use crate::language::model::compile::value::{hex_bytes, is_true, literal, name, short};
use crate::language::model::compile::{condition, sequence, value};
use crate::language::model::id::{ActionId, ConnectionIx, ParamIx};
use crate::language::model::logic::{
    Action, CommandOp, GroupOp, Operand, PairOp, ParamOp, ProtocolOp, Replace, ReplaceData, ReplacePart,
    ResponseOp, Run, Stuffing, Targets, TimerOp,
};
use crate::language::schema::enumerations::{ActionOn, ActionType};
use crate::language::source::Spanned;
use crate::value::Value;

/// Compiles the actions.
pub(super) fn compile(scope: &mut Scope, list: &[written::Action<'_>]) -> Vec<Action> {
    list.iter().map(|action| one(scope, action)).collect()
}

fn one(scope: &mut Scope, written: &written::Action<'_>) -> Action {
    let user = User("action", written.id.value);
    Action {
        id: ActionId(written.id.value),
        name: name(written.name.as_ref()),
        condition: condition::compile(scope, written.condition.as_ref(), user),
        run: run(scope, written, user),
    }
}

fn run(scope: &mut Scope, written: &written::Action<'_>, user: User) -> Run {
    let on = written.on.as_ref().and_then(|text| ActionOn::parse(&text.value));
    let kind = written.kind.as_ref().and_then(|text| ActionType::parse(&text.value));
    // What is missing or misspelt, `schema` has reported.
    let (Some(on), Some(kind), Some(kind_text)) = (on, kind, &written.kind) else { return Run::Nothing };
    let Some(fits) = targets_of(kind) else { return Run::Nothing };
    if !fits.contains(&on) {
        let words: Vec<String> = fits.iter().map(|on| format!("`{}`", on.name())).collect();
        scope.push(
            Diagnostic::new(
                Code::ActionMismatch,
                kind_text.span,
                format!("{user} cannot do `{}` on a {}", kind.name(), on.name()),
            )
            .with_help(format!("`{}` is done on {}", kind.name(), words.join(" or "))),
        );
        return Run::Nothing;
    }
    let done = match on {
        ActionOn::Parameter => on_param(scope, written, kind, user),
        ActionOn::Command => on_command(scope, written, kind, user),
        ActionOn::Response => on_response(scope, written, kind, user),
        ActionOn::Group => group_op(kind)
            .map(|op| Run::Group(targets(&mut scope.groups, &mut scope.report, written, user), op)),
        ActionOn::Timer => on_timer(scope, written, kind, user),
        ActionOn::Pair => on_pair(scope, written, kind, user),
        ActionOn::Protocol => on_protocol(scope, written, kind, user),
    };
    done.unwrap_or(Run::Nothing)
}

/// What an action type can be done on; `None` if the type is not run at all.
fn targets_of(kind: ActionType) -> Option<&'static [ActionOn]> {
    use ActionOn::{Command, Group, Pair, Parameter, Protocol, Response, Timer};
    Some(match kind {
        ActionType::AddToExecute
        | ActionType::Execute
        | ActionType::ExecuteNext
        | ActionType::ExecuteOne
        | ActionType::ExecuteOneTop
        | ActionType::ExecuteOneNow
        | ActionType::ForceExecute => &[Group],
        ActionType::Append
        | ActionType::AppendData
        | ActionType::ChangeLength
        | ActionType::ClearOnDisplay
        | ActionType::Copy
        | ActionType::CopyReverse
        | ActionType::Go
        | ActionType::Increment
        | ActionType::Multiply
        | ActionType::Normalize
        | ActionType::Pow
        | ActionType::Reverse
        | ActionType::RunActions
        | ActionType::Save
        | ActionType::SetInfo => &[Parameter],
        ActionType::Clear => &[Parameter, Response],
        ActionType::Read => &[Response, Parameter],
        ActionType::ReplaceData => &[Parameter, Command, Response],
        ActionType::ClearLengthInfo | ActionType::ReadStuffing => &[Response],
        ActionType::Crc | ActionType::Length | ActionType::Replace | ActionType::Stuffing => {
            &[Command, Response]
        }
        ActionType::Make => &[Command],
        ActionType::Reschedule | ActionType::RestartTimer | ActionType::Start | ActionType::Stop => &[Timer],
        ActionType::SetNext | ActionType::Timeout => &[Pair],
        ActionType::Close
        | ActionType::Lock
        | ActionType::Open
        | ActionType::PriorityLock
        | ActionType::PriorityUnlock
        | ActionType::ReadFile
        | ActionType::Reconnect
        | ActionType::Sleep
        | ActionType::StopCurrentGroup
        | ActionType::Unlock => &[Protocol],
        ActionType::Aggregate
        | ActionType::CreateElement
        | ActionType::Merge
        | ActionType::Set
        | ActionType::SetAndGetWithWait
        | ActionType::SetWithWait
        | ActionType::SwapColumn
        | ActionType::Wmi => return None,
    })
}

/// The items that `On@id` names; without it the one that the trigger fired for.
fn targets<Ix: Copy>(
    index: &mut Index<Ix>,
    report: &mut Report,
    written: &written::Action<'_>,
    user: User,
) -> Targets<Ix> {
    let Some(text) = &written.on_id else { return Targets::Fired };
    let ids = text.split(';').into_iter().filter_map(|part| number(report, part, "an id", user));
    Targets::These(ids.filter_map(|id| index.resolve(id, user)).collect())
}

/// A part of an attribute as a number; reports one that is none.
fn number<T: FromStr>(
    report: &mut Report,
    part: Spanned<&str>,
    what: &str,
    user: User,
) -> Option<Spanned<T>> {
    let number = part.value.parse().ok();
    if number.is_none() {
        report.push(
            Diagnostic::new(
                Code::BadValue,
                part.span,
                format!("expected {what} for {user}, found `{}`", short(part.value)),
            )
            .with_help("it counts as if it were not there"),
        );
    }
    Some(Spanned::new(number?, part.span))
}

fn argument<'d, 'a>(written: &'d written::Action<'a>, name: &str) -> Option<&'d Text<'a>> {
    written.arguments.get(name)
}

/// The parameter in an attribute of `Type`.
fn param(
    scope: &mut Scope,
    written: &written::Action<'_>,
    name: &str,
    purpose: Use,
    user: User,
) -> Option<ParamIx> {
    let text = argument(written, name)?;
    let id: Id =
        number(&mut scope.report, Spanned::new(&*text.value, text.span), "the id of a parameter", user)?;
    scope.param_for(id, user, purpose)
}

/// `Type@id` names a parameter, or else `Type@value` is the value; `None` if neither is there or it leads nowhere.
fn operand(scope: &mut Scope, written: &written::Action<'_>, user: User) -> Option<Operand> {
    if argument(written, "id").is_some() {
        return param(scope, written, "id", Use::Source, user).map(Operand::Param);
    }
    argument(written, "value").map(|text| {
        let number = value::number(Some(text)).map(Value::number);
        Operand::Value(number.unwrap_or_else(|| Value::text(Arc::<str>::from(&*text.value))))
    })
}

/// The same where it must be a number, and one holds if nothing is said.
fn amount(scope: &mut Scope, written: &written::Action<'_>, default: f64, user: User) -> Option<Operand> {
    if argument(written, "id").is_none() && argument(written, "value").is_none() {
        return Some(Operand::Value(Value::number(default)));
    }
    let operand = operand(scope, written, user)?;
    if let (Operand::Value(Value::Text(text)), Some(place)) = (&operand, argument(written, "value")) {
        scope.say(Code::NotANumber, place.span, format!("`{}` of {user} is no number", short(text)));
        return None;
    }
    Some(operand)
}

/// Says that an action has not what it needs.
fn needs(scope: &mut Scope, written: &written::Action<'_>, what: &str, user: User) {
    let place = written.kind.as_ref().map_or(written.span, |text| text.span);
    let kind = written.kind.as_ref().map(|text| short(&text.value)).unwrap_or_default();
    scope.say(Code::ActionIncomplete, place, format!("{user} does nothing: `{kind}` needs {what}"));
}

fn on_param(scope: &mut Scope, written: &written::Action<'_>, kind: ActionType, user: User) -> Option<Run> {
    let source = |scope: &mut Scope| {
        let found = operand(scope, written, user);
        // A source that leads nowhere has been reported; one that is not there is an incomplete action.
        if found.is_none() && argument(written, "id").is_none() {
            needs(scope, written, "`Type@id`, the parameter with the value", user);
        }
        found
    };
    // Without a source the parameter that the trigger is on is copied; with one that leads nowhere nothing is.
    let optional = |scope: &mut Scope| match argument(written, "id").or(argument(written, "value")) {
        Some(_) => operand(scope, written, user).map(Some),
        None => Some(None),
    };
    let op = match kind {
        ActionType::Append => {
            let source = source(scope)?;
            let hex = argument(written, "options").filter(|text| text.lower().starts_with("hex"));
            match hex {
                Some(text) => {
                    let group = text.value.split_once('-').and_then(|(_, count)| count.trim().parse().ok());
                    ParamOp::AppendHex(source, group)
                }
                None => ParamOp::Append(source),
            }
        }
        ActionType::AppendData => ParamOp::AppendData(source(scope)?),
        ActionType::ChangeLength => ParamOp::ChangeLength(source(scope)?),
        ActionType::Clear => ParamOp::Clear,
        ActionType::ClearOnDisplay => ParamOp::ClearOnDisplay,
        ActionType::Copy => ParamOp::Copy(optional(scope)?),
        ActionType::CopyReverse => ParamOp::CopyReverse(optional(scope)?),
        ActionType::Go => ParamOp::Go,
        ActionType::Increment => ParamOp::Increment(amount(scope, written, 1.0, user)?),
        ActionType::Multiply => ParamOp::Multiply(amount(scope, written, 1.0, user)?),
        ActionType::Pow => ParamOp::Pow(amount(scope, written, 1.0, user)?),
        ActionType::Normalize => ParamOp::Normalize(param(scope, written, "id", Use::Source, user)),
        ActionType::Read => ParamOp::Read,
        ActionType::ReplaceData => ParamOp::ReplaceData(replace_data(scope, written, user)?),
        ActionType::Reverse => ParamOp::Reverse(positions(written.on_nr.as_ref(), 0)),
        ActionType::RunActions => ParamOp::RunActions,
        ActionType::Save => ParamOp::Save,
        ActionType::SetInfo => ParamOp::SetInfo(set_info(scope, written, user)),
        _ => return None,
    };
    let targets = targets(&mut scope.params, &mut scope.report, written, user);
    if let Targets::These(list) = &targets {
        scope.written.extend(list);
    }
    Some(Run::Param(targets, op))
}

/// `scale="lowData;highData;low;high"` and `sequence`, scale first; `-` is none.
fn set_info(
    scope: &mut Scope,
    written: &written::Action<'_>,
    user: User,
) -> Vec<crate::language::model::param::SequenceStep> {
    let mut steps = Vec::new();
    if let Some(text) = argument(written, "scale").filter(|text| text.value != "-") {
        let numbers: Vec<f64> =
            text.split(';').iter().filter_map(|part| crate::value::parse_number(part.value)).collect();
        match numbers.as_slice() {
            [low_data, high_data, low, high] => {
                steps.extend(sequence::scale_steps(
                    scope,
                    [*low_data, *high_data, *low, *high],
                    text.span,
                    user,
                ));
            }
            _ => scope.push(
                Diagnostic::new(
                    Code::BadSequence,
                    text.span,
                    format!("the scale of {user} is not four numbers"),
                )
                .with_help("write `lowData;highData;low;high`, such as `0;65535;-10;10`, or `-` for none"),
            ),
        }
    }
    if let Some(text) = argument(written, "sequence").filter(|text| text.value != "-") {
        steps.extend(sequence::steps_of(scope, text, None, user));
    }
    steps
}

/// Positions between `;`; `first` is what the first is called.
fn positions(text: Option<&Text<'_>>, first: usize) -> Vec<usize> {
    let parts = text.into_iter().flat_map(|text| text.split(';'));
    parts.filter_map(|part| part.value.parse::<usize>().ok()?.checked_sub(first)).collect()
}

fn offset(written: &written::Action<'_>, name: &str) -> usize {
    argument(written, name).and_then(Text::parse).map_or(0, |offset| offset.value)
}

/// `old1-old2;new1-new2;use_offset`, each a run of hexadecimal digits.
fn replace_data(scope: &mut Scope, written: &written::Action<'_>, user: User) -> Option<ReplaceData> {
    let Some(text) = argument(written, "options") else {
        needs(scope, written, "`Type@options`, such as `0x0D;0x0A`", user);
        return None;
    };
    let mut parts = text.value.split(';').map(str::trim);
    let bytes = |list: Option<&str>| -> Option<Vec<Bytes>> {
        list?.split('-').map(|run| digits(run.trim())).collect()
    };
    let old = bytes(parts.next());
    let new = bytes(parts.next());
    let (Some(old), Some(new)) = (old, new) else {
        scope.push(
            Diagnostic::new(Code::BadLiteral, text.span, format!("`{}` of {user} are no bytes to replace", short(&text.value)))
                .with_help("write old and new bytes in hexadecimal, such as `0x0D0A;0x20`, or several with `-` between them"),
        );
        return None;
    };
    if old.len() != new.len() || old.iter().any(Bytes::is_empty) {
        scope.push(
            Diagnostic::new(
                Code::BadLiteral,
                text.span,
                format!("{user} replaces {} values by {}", old.len(), new.len()),
            )
            .with_help("there are as many new values as old ones, and an old one is never empty"),
        );
        return None;
    }
    let outer = parts.any(|part| part.eq_ignore_ascii_case("use_offset"));
    Some(ReplaceData {
        pairs: old.into_iter().zip(new).collect(),
        start: offset(written, "startoffset"),
        end: offset(written, "endoffset"),
        part: if outer { ReplacePart::Outer } else { ReplacePart::Inner },
    })
}

/// Hexadecimal digits with or without `0x`; nothing is no bytes.
fn digits(run: &str) -> Option<Bytes> {
    if run.is_empty() {
        return Some(Bytes::new());
    }
    let run = run.replace("0X", "0x");
    hex_bytes(&run).or_else(|| hex_bytes(&format!("0x{run}")))
}

fn stuffing(scope: &mut Scope, written: &written::Action<'_>, user: User) -> Option<Stuffing> {
    let Some(text) = argument(written, "value") else {
        needs(scope, written, "`Type@value`, the bytes that are repeated", user);
        return None;
    };
    let value = literal(scope, text);
    let allowed = argument(written, "allowed").map(|text| literal(scope, text)).unwrap_or_default();
    Some(Stuffing {
        value,
        allowed,
        start: offset(written, "startoffset"),
        end: offset(written, "endoffset"),
    })
}

fn replace(scope: &mut Scope, written: &written::Action<'_>, user: User) -> Option<Replace> {
    let position = argument(written, "nr").and_then(Text::parse::<usize>);
    let by = argument(written, "id").is_some();
    let (Some(position), true) = (position, by) else {
        needs(
            scope,
            written,
            "`Type@nr`, a position from 0, and `Type@id`, the parameter that holds the id of the other",
            user,
        );
        return None;
    };
    Some(Replace { position: position.value, by: param(scope, written, "id", Use::Source, user)? })
}

fn on_command(scope: &mut Scope, written: &written::Action<'_>, kind: ActionType, user: User) -> Option<Run> {
    let op = match kind {
        ActionType::Make => CommandOp::Make,
        ActionType::Crc => CommandOp::Crc,
        ActionType::Length => CommandOp::Length,
        ActionType::Replace => CommandOp::Replace(replace(scope, written, user)?),
        ActionType::ReplaceData => CommandOp::ReplaceData(replace_data(scope, written, user)?),
        ActionType::Stuffing => CommandOp::Stuffing(stuffing(scope, written, user)?),
        _ => return None,
    };
    Some(Run::Command(targets(&mut scope.commands, &mut scope.report, written, user), op))
}

fn on_response(
    scope: &mut Scope,
    written: &written::Action<'_>,
    kind: ActionType,
    user: User,
) -> Option<Run> {
    let op = match kind {
        ActionType::Read => ResponseOp::Read,
        ActionType::Clear => ResponseOp::Clear,
        ActionType::ClearLengthInfo => ResponseOp::ClearLengthInfo,
        ActionType::Crc => ResponseOp::Crc,
        ActionType::Length => ResponseOp::Length,
        ActionType::Replace => ResponseOp::Replace(replace(scope, written, user)?),
        ActionType::ReplaceData => ResponseOp::ReplaceData(replace_data(scope, written, user)?),
        ActionType::Stuffing => ResponseOp::Stuffing(stuffing(scope, written, user)?),
        ActionType::ReadStuffing => ResponseOp::ReadStuffing(stuffing(scope, written, user)?),
        _ => return None,
    };
    Some(Run::Response(targets(&mut scope.responses, &mut scope.report, written, user), op))
}

fn group_op(kind: ActionType) -> Option<GroupOp> {
    Some(match kind {
        ActionType::AddToExecute => GroupOp::AddToExecute,
        ActionType::Execute => GroupOp::Execute,
        ActionType::ExecuteNext => GroupOp::ExecuteNext,
        ActionType::ExecuteOne => GroupOp::ExecuteOne,
        ActionType::ExecuteOneTop => GroupOp::ExecuteOneTop,
        ActionType::ExecuteOneNow => GroupOp::ExecuteOneNow,
        ActionType::ForceExecute => GroupOp::ForceExecute,
        _ => return None,
    })
}

fn on_timer(scope: &mut Scope, written: &written::Action<'_>, kind: ActionType, user: User) -> Option<Run> {
    let op = match kind {
        ActionType::Start => TimerOp::Start,
        ActionType::Stop => TimerOp::Stop,
        ActionType::RestartTimer => TimerOp::Restart { reschedule: is_true(argument(written, "reschedule")) },
        ActionType::Reschedule => TimerOp::Reschedule,
        _ => return None,
    };
    Some(Run::Timer(targets(&mut scope.timers, &mut scope.report, written, user), op))
}

fn on_pair(scope: &mut Scope, written: &written::Action<'_>, kind: ActionType, user: User) -> Option<Run> {
    let milliseconds = operand(scope, written, user);
    if milliseconds.is_none() && argument(written, "id").is_none() {
        needs(scope, written, "`Type@id`, the parameter with the milliseconds, or `Type@value`", user);
    }
    let milliseconds = milliseconds?;
    let op = match kind {
        ActionType::Timeout => PairOp::Timeout(milliseconds),
        ActionType::SetNext => {
            PairOp::SetNext { positions: positions(written.on_nr.as_ref(), 1), wait: milliseconds }
        }
        _ => return None,
    };
    Some(Run::Pair(targets(&mut scope.pairs, &mut scope.report, written, user), op))
}

fn on_protocol(
    scope: &mut Scope,
    written: &written::Action<'_>,
    kind: ActionType,
    user: User,
) -> Option<Run> {
    let connection = |scope: &mut Scope| -> Option<ConnectionIx> {
        let Some(text) = argument(written, "nr").or(written.on_nr.as_ref()) else {
            return Some(ConnectionIx::FIRST);
        };
        let part = Spanned::new(&*text.value, text.span);
        let index = number(&mut scope.report, part, "the index of a connection", user)?;
        scope.connection(index, user)
    };
    let op = match kind {
        ActionType::Open => ProtocolOp::Open(connection(scope)?),
        ActionType::Close => ProtocolOp::Close(connection(scope)?),
        ActionType::Reconnect => ProtocolOp::Reconnect(connection(scope)?),
        ActionType::Lock => ProtocolOp::Lock,
        ActionType::Unlock => ProtocolOp::Unlock,
        ActionType::PriorityLock => ProtocolOp::PriorityLock,
        ActionType::PriorityUnlock => ProtocolOp::PriorityUnlock,
        ActionType::Sleep => ProtocolOp::Sleep(amount(scope, written, 5_000.0, user)?),
        ActionType::StopCurrentGroup => ProtocolOp::StopCurrentGroup,
        ActionType::ReadFile => {
            if argument(written, "id").is_none() || argument(written, "returnValue").is_none() {
                needs(
                    scope,
                    written,
                    "`Type@id`, the parameter with the name, and `Type@returnValue`, the one that receives the content",
                    user,
                );
                return None;
            }
            ProtocolOp::ReadFile {
                name: param(scope, written, "id", Use::Source, user)?,
                bytes: param(scope, written, "nr", Use::Source, user),
                start: param(scope, written, "startoffset", Use::Source, user),
                into: param(scope, written, "returnValue", Use::Sink, user)?,
            }
        }
        _ => return None,
    };
    Some(Run::Protocol(op))
}
