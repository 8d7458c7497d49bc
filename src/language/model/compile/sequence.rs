//! `Scale`, `Factor`, `OffSet` and `Sequence` to steps; computes nothing.

use crate::language::definition::Text;
use crate::language::definition::param::Interprete;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::compile::value::{number, short};
use crate::language::model::param::{SequenceOp, SequenceOperand, SequenceStep};
use crate::language::source::{Span, Spanned};
use crate::value::parse_number;

/// All steps of a parameter, in the order in which they are done.
pub(super) fn of(scope: &mut Scope, written: &Interprete<'_>, user: User) -> Vec<SequenceStep> {
    let mut steps = Vec::new();
    if let Some(scale) = &written.scale
        && let [Some(low_data), Some(high_data), Some(low), Some(high)] =
            scale.each_ref().map(|text| number(text.as_ref()))
    {
        let place = scale.iter().flatten().next().map_or(Span::default(), |text| text.span);
        steps.extend(scale_steps(scope, [low_data, high_data, low, high], place, user));
    }
    if let Some(factor) = number(written.factor.as_ref()) {
        steps.push(step(SequenceOp::Factor, factor));
    }
    let offset = match written.offset_id {
        Some(id) => scope.param_for(id, user, Use::Source).map(SequenceOperand::Param),
        None => number(written.offset.as_ref()).map(SequenceOperand::Number),
    };
    if let Some(text) = &written.sequence {
        steps.extend(steps_of(scope, text, offset, user));
    }
    steps
}

fn step(op: SequenceOp, number: f64) -> SequenceStep {
    SequenceStep { op, operand: SequenceOperand::Number(number) }
}

/// A range mapped onto another, as three steps.
pub(super) fn scale_steps(
    scope: &mut Scope,
    [low_data, high_data, low, high]: [f64; 4],
    place: Span,
    user: User,
) -> Vec<SequenceStep> {
    let factor = (high - low) / (high_data - low_data);
    if !factor.is_finite() {
        scope.say(Code::BadRange, place, format!("the scale of {user} has no width"));
        return Vec::new();
    }
    vec![step(SequenceOp::Minus, low_data), step(SequenceOp::Factor, factor), step(SequenceOp::Offset, low)]
}

/// The steps of a text such as `div:100;+:id:5`; `offset` is what a bare `offset` adds.
pub(super) fn steps_of(
    scope: &mut Scope,
    text: &Text<'_>,
    offset: Option<SequenceOperand>,
    user: User,
) -> Vec<SequenceStep> {
    let mut steps = Vec::new();
    for part in text.split(';') {
        match one(scope, part, offset, user) {
            Ok(step) => steps.extend(step),
            Err(why) => scope.push(
                Diagnostic::new(
                    Code::BadSequence,
                    part.span,
                    format!("the step `{}` of {user} cannot be read: {why}", short(part.value)),
                )
                .with_help("a step is an operation with a number, `id:12` or `param:12`, such as `div:100`"),
            ),
        }
    }
    steps
}

fn one(
    scope: &mut Scope,
    part: Spanned<&str>,
    offset: Option<SequenceOperand>,
    user: User,
) -> Result<Option<SequenceStep>, &'static str> {
    let (word, operand) = part.value.split_once(':').unwrap_or((part.value, ""));
    let op = match word.trim().to_ascii_lowercase().as_str() {
        "factor" | "*" => SequenceOp::Factor,
        "offset" | "+" => SequenceOp::Offset,
        "min" | "-" => SequenceOp::Minus,
        "pow" | "^" => SequenceOp::Pow,
        "div" | "/" => SequenceOp::Div,
        "rest" | "%" => SequenceOp::Rest,
        "log10" => return Ok(Some(step(SequenceOp::Log10, 10.0))),
        "log20" => return Ok(Some(step(SequenceOp::Log20, 20.0))),
        _ => return Err("the operation is not known"),
    };
    let operand = operand.trim();
    if operand.is_empty() {
        return match (op, offset) {
            (SequenceOp::Offset, Some(operand)) => Ok(Some(SequenceStep { op, operand })),
            _ => Err("it has no operand"),
        };
    }
    let lower = operand.to_ascii_lowercase();
    let named = lower.strip_prefix("id:").or_else(|| lower.strip_prefix("param:"));
    if let Some(id) = named {
        let id = id.trim().parse().map_err(|_| "the parameter has no number")?;
        let param = scope.param_for(Spanned::new(id, part.span), user, Use::Source);
        return Ok(param.map(|param| SequenceStep { op, operand: SequenceOperand::Param(param) }));
    }
    let number = parse_number(operand).ok_or("the operand is no number")?;
    if number == 0.0 && matches!(op, SequenceOp::Div | SequenceOp::Rest) {
        return Err("it divides by 0");
    }
    Ok(Some(step(op, number)))
}
