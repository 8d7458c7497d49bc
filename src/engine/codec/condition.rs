//! Evaluates conditions; parses none, never fails.
//!
//! What the language leaves open is decided so that a condition on something unknown does not hold:
//! - arithmetic with an empty operand, with a text that is no number, or without a finite result (a division by zero) is empty;
//! - an empty value is equal to `empty` and to `emptystring` only; `!=` is the opposite of `==`, every `<` and `>` is false;
//! - a text against a number is read as a number, and is unequal if it is none; two texts are compared as texts;
//! - `+` adds where both sides are numbers or one is and the other spells one, and joins texts otherwise; joining an empty
//!   value adds nothing.

use std::cmp::Ordering;

use crate::engine::param::Params;
use crate::language::model::condition::{Condition, Expression, Operator};
use crate::value::Value;

/// How deep an expression may nest before the rest counts as empty; `compile` refuses less.
const MAX_DEPTH: usize = 512;

/// Whether a condition holds; in a row, columns mean the cells of that row.
pub fn holds(condition: &Condition, params: &Params, row: Option<&str>) -> bool {
    truth(&evaluate(&condition.expression, &Scope { params, row }, 0))
}

/// Whether an optional condition holds; none always does.
pub fn allows(condition: Option<&Condition>, params: &Params, row: Option<&str>) -> bool {
    condition.is_none_or(|condition| holds(condition, params, row))
}

struct Scope<'a> {
    params: &'a Params,
    row: Option<&'a str>,
}

fn evaluate(expression: &Expression, scope: &Scope<'_>, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Empty;
    }
    match expression {
        Expression::Param(param) => scope.params.get_in(*param, scope.row).clone(),
        Expression::Number(number) => Value::number(*number),
        Expression::Text(text) => Value::Text(text.clone()),
        Expression::Empty => Value::Empty,
        Expression::EmptyString => Value::text(""),
        Expression::Binary(operator, left, right) => binary(*operator, left, right, scope, depth + 1),
    }
}

fn binary(
    operator: Operator,
    left: &Expression,
    right: &Expression,
    scope: &Scope<'_>,
    depth: usize,
) -> Value {
    let first = evaluate(left, scope, depth);
    match operator {
        Operator::And if !truth(&first) => return boolean(false),
        Operator::Or if truth(&first) => return boolean(true),
        Operator::And | Operator::Or => return boolean(truth(&evaluate(right, scope, depth))),
        Operator::Add
        | Operator::Subtract
        | Operator::Multiply
        | Operator::Divide
        | Operator::BitAnd
        | Operator::BitXor
        | Operator::BitOr
        | Operator::Equal
        | Operator::NotEqual
        | Operator::Less
        | Operator::LessEqual
        | Operator::Greater
        | Operator::GreaterEqual => {}
    }
    let second = evaluate(right, scope, depth);
    let empty_string = matches!(left, Expression::EmptyString) || matches!(right, Expression::EmptyString);
    let is_equal = || if empty_string { both_blank(&first, &second) } else { equal(&first, &second) };
    match operator {
        Operator::Add => add(&first, &second),
        Operator::Subtract => arithmetic(&first, &second, |a, b| a - b),
        Operator::Multiply => arithmetic(&first, &second, |a, b| a * b),
        Operator::Divide => arithmetic(&first, &second, |a, b| a / b),
        Operator::BitAnd => bits(&first, &second, |a, b| a & b),
        Operator::BitXor => bits(&first, &second, |a, b| a ^ b),
        Operator::BitOr => bits(&first, &second, |a, b| a | b),
        Operator::Equal => boolean(is_equal()),
        Operator::NotEqual => boolean(!is_equal()),
        Operator::Less => ordered(&first, &second, |order| order.is_lt()),
        Operator::LessEqual => ordered(&first, &second, |order| order.is_le()),
        Operator::Greater => ordered(&first, &second, |order| order.is_gt()),
        Operator::GreaterEqual => ordered(&first, &second, |order| order.is_ge()),
        Operator::And | Operator::Or => boolean(truth(&second)),
    }
}

fn boolean(holds: bool) -> Value {
    Value::Number(f64::from(u8::from(holds)))
}

/// A number other than 0 and a text that is not empty are true.
fn truth(value: &Value) -> bool {
    match value {
        Value::Empty => false,
        Value::Number(number) => *number != 0.0,
        Value::Text(text) => !text.is_empty(),
        Value::Bytes(bytes) => !bytes.is_empty(),
    }
}

/// Empty, or an empty text: what `emptystring` means.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Empty => true,
        Value::Number(_) => false,
        Value::Text(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
    }
}

fn both_blank(first: &Value, second: &Value) -> bool {
    is_blank(first) && is_blank(second)
}

fn equal(first: &Value, second: &Value) -> bool {
    match (first, second) {
        (Value::Empty, Value::Empty) => true,
        (Value::Empty, Value::Number(_) | Value::Text(_) | Value::Bytes(_))
        | (Value::Number(_) | Value::Text(_) | Value::Bytes(_), Value::Empty) => false,
        (Value::Number(_), _) | (_, Value::Number(_)) => match (first.as_number(), second.as_number()) {
            (Some(first), Some(second)) => first == second,
            (Some(_) | None, None) | (None, Some(_)) => false,
        },
        (Value::Bytes(first), Value::Bytes(second)) => first == second,
        (Value::Text(first), Value::Text(second)) => first == second,
        (Value::Text(text), Value::Bytes(bytes)) | (Value::Bytes(bytes), Value::Text(text)) => {
            text.as_bytes() == &**bytes
        }
    }
}

fn ordered(first: &Value, second: &Value, holds: fn(Ordering) -> bool) -> Value {
    let order = match (first, second) {
        (Value::Empty, _) | (_, Value::Empty) => None,
        (Value::Number(_), _) | (_, Value::Number(_)) => {
            first.as_number().zip(second.as_number()).and_then(|(first, second)| first.partial_cmp(&second))
        }
        (Value::Text(_) | Value::Bytes(_), Value::Text(_) | Value::Bytes(_)) => {
            Some(first.to_text().cmp(&second.to_text()))
        }
    };
    boolean(order.is_some_and(holds))
}

fn arithmetic(first: &Value, second: &Value, apply: fn(f64, f64) -> f64) -> Value {
    match (first.as_number(), second.as_number()) {
        (Some(first), Some(second)) => Value::number(apply(first, second)),
        (Some(_) | None, None) | (None, Some(_)) => Value::Empty,
    }
}

fn add(first: &Value, second: &Value) -> Value {
    let a_number = matches!(first, Value::Number(_)) || matches!(second, Value::Number(_));
    if a_number && let (Some(first), Some(second)) = (first.as_number(), second.as_number()) {
        return Value::number(first + second);
    }
    match (first, second) {
        (Value::Empty, Value::Empty)
        | (Value::Empty, Value::Number(_))
        | (Value::Number(_), Value::Empty) => Value::Empty,
        (Value::Empty, Value::Text(_) | Value::Bytes(_)) => second.clone(),
        (Value::Text(_) | Value::Bytes(_), Value::Empty) => first.clone(),
        (Value::Number(_) | Value::Text(_) | Value::Bytes(_), _) => {
            Value::text([first.to_text(), second.to_text()].concat())
        }
    }
}

fn bits(first: &Value, second: &Value, apply: fn(i64, i64) -> i64) -> Value {
    let whole = |value: &Value| value.as_number().and_then(floor);
    match (whole(first), whole(second)) {
        #[expect(clippy::cast_precision_loss, reason = "numbers of the language are doubles")]
        (Some(first), Some(second)) => Value::number(apply(first, second) as f64),
        (Some(_) | None, None) | (None, Some(_)) => Value::Empty,
    }
}

/// The whole number at or below; `None` beyond 64 bits.
fn floor(number: f64) -> Option<i64> {
    /// Two to the power of 63, the first double that does not fit.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let floored = number.floor();
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (-LIMIT..LIMIT).contains(&floored).then_some(floored as i64)
}

#[cfg(test)]
mod tests;
