//! Makes a value fit its parameter: type, exceptions, sequence, decimals, range; stores nothing.

use crate::engine::param::{MAX_VALUE_BYTES, Origin, Rejected};
use crate::language::model::id::ParamIx;
use crate::language::model::param::{
    Exception, Param, RawType, SequenceOp, SequenceOperand, SequenceStep, ValueType,
};
use crate::language::schema::enumerations::{Rounding, Trim};
use crate::value::{Value, base};

/// Makes a value fit, or says why it cannot.
///
/// The order is: blanks of received texts, exceptions (kept as they are; one of `Others` gets what stands for it), raw type, type, `Sequence`, `Decimals`, `Range`. `Sequence` is for values of
/// messages, of the engine and of people; what a script sets and what was saved is the finished value. `Range` binds what
/// comes from outside: messages, people and programs.
pub(super) fn fit(
    param: &Param,
    sequence: &[SequenceStep],
    value: Value,
    origin: Origin,
    operand: &dyn Fn(ParamIx) -> Option<f64>,
) -> Result<Value, Rejected> {
    if value.is_empty() {
        return Ok(value);
    }
    if length(&value) > MAX_VALUE_BYTES {
        return Err(Rejected::TooLong);
    }
    let value = if origin == Origin::Message { trimmed(param.trim, value) } else { value };
    if let Some(exception) = exception(param, &value, origin) {
        let stored = exception.stored.as_ref().filter(|_| exception.other);
        return Ok(stored.unwrap_or(&exception.value).clone());
    }
    if origin == Origin::Message && !fits_raw_type(param, &value) {
        return Err(Rejected::RawType);
    }
    let number = match param.value_type {
        ValueType::String => return Ok(to_text(value, param.base)),
        ValueType::HighNibble => return nibble(&value),
        ValueType::Double => as_number(param, &value, origin).ok_or(Rejected::NotANumber)?,
    };
    let number = match origin {
        Origin::Message | Origin::Engine | Origin::User | Origin::Api => {
            run_sequence(sequence, number, operand).ok_or(Rejected::Sequence)?
        }
        Origin::Script | Origin::Startup => number,
    };
    let number = round(number, param.decimals, param.rounding);
    let bound = matches!(origin, Origin::Message | Origin::User | Origin::Api);
    if bound && !in_range(param, number) {
        return Err(Rejected::Range { value: number });
    }
    Ok(Value::number(number))
}

/// The exception that a value is, compared as number or text; `Others` never for scripts.
fn exception<'a>(param: &'a Param, value: &Value, origin: Origin) -> Option<&'a Exception> {
    param
        .exceptions
        .iter()
        .filter(|exception| !(exception.other && origin == Origin::Script))
        .find(|exception| same(&exception.value, value))
}

/// Whether two values mean the same: equal as numbers where both are, else as text.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one.as_number(), other.as_number()) {
        (Some(one), Some(other)) => one == other,
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => one.is_empty() == other.is_empty() && one.to_text() == other.to_text(),
    }
}

fn fits_raw_type(param: &Param, value: &Value) -> bool {
    match param.raw_type {
        RawType::Other => true,
        RawType::Text => match value {
            Value::Bytes(bytes) => std::str::from_utf8(bytes).is_ok(),
            Value::Empty | Value::Number(_) | Value::Text(_) => true,
        },
        RawType::NumericText
        | RawType::SignedNumber
        | RawType::UnsignedNumber
        | RawType::Double
        | RawType::Bcd => as_number(param, value, Origin::Message).is_some(),
    }
}

/// In bytes; a number has none to speak of.
fn length(value: &Value) -> usize {
    match value {
        Value::Empty | Value::Number(_) => 0,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}

/// Numbers become their text; bytes become text if they are UTF-8 and stay bytes otherwise.
fn to_text(value: Value, base: u32) -> Value {
    match value {
        Value::Number(number) => Value::text(base::format(number, base)),
        Value::Bytes(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => Value::text(text),
            Err(_) => Value::Bytes(bytes),
        },
        Value::Empty | Value::Text(_) => value,
    }
}

fn nibble(value: &Value) -> Result<Value, Rejected> {
    let number = value.as_number().ok_or(Rejected::NotANibble)?;
    let whole = number.fract() == 0.0 && (0.0..16.0).contains(&number);
    if whole { Ok(Value::Number(number)) } else { Err(Rejected::NotANibble) }
}

fn in_range(param: &Param, number: f64) -> bool {
    param.range.low.is_none_or(|low| number >= low) && param.range.high.is_none_or(|high| number <= high)
}

/// Runs the steps in order; `None` if an operand is no number or a result is not finite.
fn run_sequence(
    steps: &[SequenceStep],
    number: f64,
    operand: &dyn Fn(ParamIx) -> Option<f64>,
) -> Option<f64> {
    steps.iter().try_fold(number, |number, step| {
        let by = || match step.operand {
            SequenceOperand::Number(by) => Some(by),
            SequenceOperand::Param(param) => operand(param),
        };
        let result = match step.op {
            SequenceOp::Factor => number * by()?,
            SequenceOp::Offset => number + by()?,
            SequenceOp::Minus => number - by()?,
            SequenceOp::Pow => number.powf(by()?),
            SequenceOp::Div => number / by()?,
            SequenceOp::Rest => number % by()?,
            SequenceOp::Log10 => 10.0 * number.log10(),
            SequenceOp::Log20 => 20.0 * number.log10(),
        };
        result.is_finite().then_some(result)
    })
}

/// Keeps so many digits after the point.
///
/// A number that already has no more digits than that stays what it is: 0.29 with two decimals is 0.29, although the
/// binary number nearest to it is a little less. A half is one within the same noise.
pub fn round(number: f64, decimals: u8, rounding: Rounding) -> f64 {
    /// Beyond 15 significant digits a double has nothing left to round.
    const DIGITS: f64 = 1e15;
    let scale = 10_f64.powi(i32::from(decimals));
    let scaled = number * scale;
    if !scaled.is_finite() || scaled.abs() >= DIGITS {
        return number;
    }
    let noise = scaled.abs().max(1.0) * 4.0 * f64::EPSILON;
    let nearest = scaled.round();
    let whole = if (scaled - nearest).abs() <= noise { nearest } else { to_whole(scaled, noise, rounding) };
    whole / scale
}

/// A number that is not whole, as a whole one.
fn to_whole(number: f64, noise: f64, rounding: Rounding) -> f64 {
    let (down, up) = (number.floor(), number.ceil());
    let (in_, out) = if number < 0.0 { (up, down) } else { (down, up) };
    let half = |tie: f64| {
        let above = number - down - 0.5;
        if above.abs() <= noise {
            tie
        } else if above < 0.0 {
            down
        } else {
            up
        }
    };
    match rounding {
        Rounding::Down => down,
        Rounding::Up => up,
        Rounding::ToZero => in_,
        Rounding::ToInfinity => out,
        Rounding::HalfDown => half(down),
        Rounding::HalfUp => half(up),
        Rounding::HalfToZero => half(in_),
        Rounding::HalfToInfinity => half(out),
    }
}

/// Takes the blanks off a received text (`Type trim`).
fn trimmed(trim: Option<Trim>, value: Value) -> Value {
    let Value::Text(text) = &value else { return value };
    let kept = match trim {
        None => return value,
        Some(Trim::Left) => text.trim_start(),
        Some(Trim::Right) => text.trim_end(),
        Some(Trim::Both) => text.trim(),
    };
    if kept.len() == text.len() { value } else { Value::text(kept) }
}

/// The number that a value is; a received text is read in the parameter's base.
fn as_number(param: &Param, value: &Value, origin: Origin) -> Option<f64> {
    match value {
        Value::Text(text) if origin == Origin::Message => base::parse(text, param.base),
        Value::Empty | Value::Number(_) | Value::Text(_) | Value::Bytes(_) => value.as_number(),
    }
}
