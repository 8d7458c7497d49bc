//! One value as the bytes of its field and back, by `RawType`, length and byte order; knows nothing of whole messages.

use std::ops::Range;

use bytes::Bytes;

use crate::language::model::param::{Length, Param, RawType, ValueType};
use crate::value::{Value, base};

/// Why a value has no bytes, or bytes have no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RawError {
    /// The raw type is a kind of number and the value is none.
    #[error("not a number")]
    NotANumber,
    /// The number has a fraction, a sign, or more digits or bytes than the field holds.
    #[error("does not fit {0} bytes")]
    TooBig(usize),
    /// The bytes are not what the raw type asks for.
    #[error("the bytes do not fit the raw type")]
    Bytes,
}

/// The bytes of a field.
///
/// A field of fixed length is filled up: texts with blanks on the right, digits with zeros on the left, binary numbers to
/// the length; what is too long is an error, never cut. An empty value of variable length has no bytes.
pub fn encode(param: &Param, length: Length, value: &Value) -> Result<Bytes, RawError> {
    let width = match length {
        Length::Fixed(bytes) => usize::try_from(bytes).ok(),
        Length::NextParam | Length::LastNextParam | Length::OtherParam(_) => None,
    };
    if value.is_empty() {
        return Ok(blank(param.raw_type, width));
    }
    if param.value_type == ValueType::HighNibble {
        let number = value.as_number().ok_or(RawError::NotANumber)?;
        let nibble =
            whole(number, 0.0, 15.0).and_then(|n| u8::try_from(n).ok()).ok_or(RawError::TooBig(1))?;
        return Ok(Bytes::copy_from_slice(&[nibble << 4]));
    }
    match param.raw_type {
        RawType::Other | RawType::Text => {
            let bytes = match value {
                Value::Number(number) => Bytes::from(base::format(*number, param.base)),
                Value::Empty | Value::Text(_) | Value::Bytes(_) => value.to_bytes(),
            };
            pad(bytes, width, b' ', Side::Right)
        }
        RawType::NumericText => {
            let number = value.as_number().ok_or(RawError::NotANumber)?;
            numeric_text(number, param.base, width)
        }
        RawType::SignedNumber | RawType::UnsignedNumber => {
            let number = value.as_number().ok_or(RawError::NotANumber)?;
            binary(number, param, width)
        }
        RawType::Double => {
            let number = value.as_number().ok_or(RawError::NotANumber)?;
            float(number, param.little_endian, width.unwrap_or(8))
        }
        RawType::Bcd => {
            let number = value.as_number().ok_or(RawError::NotANumber)?;
            bcd(number, width)
        }
    }
}

/// The value of a field's bytes; no bytes are an empty value.
pub fn decode(param: &Param, bytes: &Bytes) -> Result<Value, RawError> {
    if bytes.is_empty() {
        return Ok(Value::Empty);
    }
    if param.value_type == ValueType::HighNibble {
        return Ok(Value::Number(f64::from(bytes[0] >> 4)));
    }
    match param.raw_type {
        RawType::Other => Ok(text_or_bytes(bytes)),
        RawType::Text => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::text(text)),
            Err(_) => Err(RawError::Bytes),
        },
        RawType::NumericText => numeric_value(param, bytes),
        RawType::SignedNumber | RawType::UnsignedNumber => binary_value(param, bytes),
        RawType::Double => float_value(param.little_endian, bytes),
        RawType::Bcd => bcd_value(bytes),
    }
}

/// Values up to this length are copied out of their message.
const SMALL: usize = 4 << 10;

/// The value of a field of a message, which is not kept in memory for a small part of it.
pub fn field(param: &Param, payload: &Bytes, range: Range<usize>) -> Result<Value, RawError> {
    let value = decode(param, &payload.slice(range))?;
    Ok(match value {
        Value::Bytes(part) if part.len() <= SMALL || part.len() < payload.len() / 2 => {
            Value::Bytes(Bytes::copy_from_slice(&part))
        }
        Value::Bytes(_) | Value::Empty | Value::Number(_) | Value::Text(_) => value,
    })
}

/// What a field without a value looks like: nothing, or the filling of a fixed length.
fn blank(raw_type: RawType, width: Option<usize>) -> Bytes {
    let fill = match raw_type {
        RawType::Other | RawType::Text => b' ',
        RawType::NumericText => b'0',
        RawType::SignedNumber | RawType::UnsignedNumber | RawType::Double | RawType::Bcd => 0,
    };
    Bytes::from(vec![fill; width.unwrap_or(0)])
}

/// Where a field is filled up.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

fn pad(bytes: Bytes, width: Option<usize>, fill: u8, side: Side) -> Result<Bytes, RawError> {
    let Some(width) = width else { return Ok(bytes) };
    let Some(missing) = width.checked_sub(bytes.len()) else { return Err(RawError::TooBig(width)) };
    if missing == 0 {
        return Ok(bytes);
    }
    let filling = vec![fill; missing];
    Ok(Bytes::from(match side {
        Side::Left => [&filling, &bytes[..]].concat(),
        Side::Right => [&bytes[..], &filling].concat(),
    }))
}

/// Digits; the sign stays in front of the zeros.
fn numeric_text(number: f64, in_base: u32, width: Option<usize>) -> Result<Bytes, RawError> {
    let text = base::format(number, in_base);
    match (text.strip_prefix('-'), width) {
        (Some(digits), Some(width)) => {
            let digits = pad(Bytes::from(digits.to_owned()), width.checked_sub(1), b'0', Side::Left)
                .map_err(|_| RawError::TooBig(width))?;
            if width == 0 { Err(RawError::TooBig(0)) } else { Ok(Bytes::from([b"-", &digits[..]].concat())) }
        }
        (Some(_) | None, _) => pad(Bytes::from(text), width, b'0', Side::Left),
    }
}

fn numeric_value(param: &Param, bytes: &Bytes) -> Result<Value, RawError> {
    let text = std::str::from_utf8(bytes).map_err(|_| RawError::Bytes)?;
    // A comma is a decimal point on many devices.
    let number = base::parse(&text.replace(',', "."), param.base).ok_or(RawError::Bytes)?;
    match param.value_type {
        ValueType::String => Ok(Value::text(text)),
        ValueType::Double | ValueType::HighNibble => Ok(Value::Number(number)),
    }
}

/// A whole number in a range, as a 128-bit integer.
fn whole(number: f64, low: f64, high: f64) -> Option<i128> {
    let fits = number.fract() == 0.0 && (low..=high).contains(&number);
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked and below 2^65")]
    fits.then_some(number as i128)
}

fn binary(number: f64, param: &Param, width: Option<usize>) -> Result<Bytes, RawError> {
    let whole = whole(number, -9.3e18, 1.9e19).ok_or(RawError::TooBig(width.unwrap_or(8)))?;
    let width = match width {
        Some(width) => width,
        None => (1..=8).find(|width| fits_bytes(whole, param.raw_type, *width)).unwrap_or(8),
    };
    if width == 0 || width > 8 || !fits_bytes(whole, param.raw_type, width) {
        return Err(RawError::TooBig(width));
    }
    let all = whole.to_le_bytes();
    let mut bytes = all[..width].to_vec();
    if !param.little_endian {
        bytes.reverse();
    }
    Ok(Bytes::from(bytes))
}

fn fits_bytes(number: i128, raw_type: RawType, width: usize) -> bool {
    let bits = u32::try_from(width * 8).unwrap_or(u32::MAX);
    match raw_type {
        RawType::SignedNumber => {
            let half = 1_i128 << (bits - 1);
            (-half..half).contains(&number)
        }
        RawType::Other
        | RawType::Text
        | RawType::NumericText
        | RawType::UnsignedNumber
        | RawType::Double
        | RawType::Bcd => (0..1_i128 << bits).contains(&number),
    }
}

fn binary_value(param: &Param, bytes: &Bytes) -> Result<Value, RawError> {
    if bytes.len() > 8 {
        return Err(RawError::Bytes);
    }
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    let unsigned =
        if param.little_endian { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) };
    // A field without a fixed length has no sign bit of its own.
    let signed = param.raw_type == RawType::SignedNumber && matches!(param.length, Length::Fixed(_));
    let shift = 64 - 8 * bytes.len();
    #[expect(clippy::cast_precision_loss, reason = "numbers of the language are doubles")]
    let number = if signed { ((unsigned << shift).cast_signed() >> shift) as f64 } else { unsigned as f64 };
    Ok(Value::Number(number))
}

fn float(number: f64, little_endian: bool, width: usize) -> Result<Bytes, RawError> {
    let mut bytes = match width {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float of four bytes is less exact by its nature"
        )]
        4 => (number as f32).to_le_bytes().to_vec(),
        8 => number.to_le_bytes().to_vec(),
        _ => return Err(RawError::TooBig(width)),
    };
    if !little_endian {
        bytes.reverse();
    }
    Ok(Bytes::from(bytes))
}

fn float_value(little_endian: bool, bytes: &Bytes) -> Result<Value, RawError> {
    let mut bytes = bytes.to_vec();
    if !little_endian {
        bytes.reverse();
    }
    let number = if let Ok(four) = <[u8; 4]>::try_from(&bytes[..]) {
        f64::from(f32::from_le_bytes(four))
    } else if let Ok(eight) = <[u8; 8]>::try_from(&bytes[..]) {
        f64::from_le_bytes(eight)
    } else {
        return Err(RawError::Bytes);
    };
    if number.is_finite() { Ok(Value::Number(number)) } else { Err(RawError::Bytes) }
}

/// Two digits a byte, the first digit in the upper half.
fn bcd(number: f64, width: Option<usize>) -> Result<Bytes, RawError> {
    let whole = whole(number, 0.0, 1e16).ok_or(RawError::TooBig(width.unwrap_or(8)))?;
    let mut digits = whole.to_string();
    let width = width.unwrap_or(digits.len().div_ceil(2));
    if digits.len() > width * 2 {
        return Err(RawError::TooBig(width));
    }
    digits.insert_str(0, &"0".repeat(width * 2 - digits.len()));
    let pairs = digits.as_bytes().chunks_exact(2);
    Ok(pairs.map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0')).collect())
}

fn bcd_value(bytes: &Bytes) -> Result<Value, RawError> {
    if bytes.len() > 8 {
        return Err(RawError::Bytes);
    }
    let mut number = 0_u64;
    for byte in bytes {
        let (high, low) = (byte >> 4, byte & 15);
        if high > 9 || low > 9 {
            return Err(RawError::Bytes);
        }
        number = number * 100 + u64::from(high) * 10 + u64::from(low);
    }
    #[expect(clippy::cast_precision_loss, reason = "numbers of the language are doubles")]
    Ok(Value::Number(number as f64))
}

fn text_or_bytes(bytes: &Bytes) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::text(text),
        Err(_) => Value::Bytes(bytes.clone()),
    }
}

#[cfg(test)]
mod tests;
