//! The bits of a group parameter: cut out of its bytes, and put into its value; sets nothing.
//!
//! Bit 0 is the most significant one of the first byte, and a run of bits is a whole number with its first bit as the most
//! significant one. In a group that is a number with `Endian` big the bytes are counted from the last: bit 0 is the most
//! significant one of the least significant byte.

use bytes::Bytes;

use crate::engine::codec::Set;
use crate::engine::codec::raw::{self, RawError};
use crate::engine::param::Params;
use crate::language::model::id::ParamIx;
use crate::language::model::param::{Bits, Length, ParamKind, RawType};
use crate::value::Value;

/// The values of the *read bit* parameters of a group, cut out of its bytes; those that lie beyond the bytes keep theirs.
pub fn read(params: &Params, group: ParamIx, bytes: &[u8]) -> Vec<Set> {
    let value = |(param, bits): (ParamIx, Bits)| {
        let is_read = params.describe(param).kind == ParamKind::ReadBit;
        let number = is_read.then(|| cut(bytes, bits, order(params, group))).flatten()?;
        #[expect(clippy::cast_precision_loss, reason = "numbers of the language are doubles")]
        Some(Set { param, value: Value::Number(number as f64) })
    };
    params.bits_of(group).filter_map(value).collect()
}

/// The value of a group once that of one of its *write bit* parameters is put into it.
///
/// `None` if the parameter is no write bit or has no value, if its bits cannot hold the value or lie beyond the group's
/// bytes, or if the group's own value has no bytes.
pub fn merged(params: &Params, bit: ParamIx) -> Option<Set> {
    let described = params.describe(bit);
    let bits = described.bits.filter(|_| described.kind == ParamKind::WriteBit)?;
    let number = params.get(bit).as_number()?;
    let mut bytes = bytes_of(params, bits.group).ok()?.to_vec();
    put(&mut bytes, bits, order(params, bits.group), number)?;
    let value = raw::decode(params.describe(bits.group), &Bytes::from(bytes)).ok()?;
    Some(Set { param: bits.group, value })
}

/// The bytes of a group's value; zeros as long as a group of fixed length is empty.
///
/// # Errors
///
/// The value does not fit the group's field.
pub fn bytes_of(params: &Params, group: ParamIx) -> Result<Bytes, RawError> {
    let (length, value) = (params.length(group), params.get(group));
    match length {
        Length::Fixed(width) if value.is_empty() => {
            Ok(Bytes::from(vec![0; usize::try_from(width).map_err(|_| RawError::TooBig(usize::MAX))?]))
        }
        Length::Fixed(_) | Length::NextParam | Length::LastNextParam | Length::OtherParam(_) => {
            raw::encode(params.describe(group), length, value)
        }
    }
}

/// From which end the bytes of a group are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    First,
    Last,
}

impl Order {
    /// The byte that a bit is in.
    fn byte(self, len: usize, bit: usize) -> Option<usize> {
        match self {
            Self::First => Some(bit / 8),
            Self::Last => len.checked_sub(1 + bit / 8),
        }
    }
}

fn order(params: &Params, group: ParamIx) -> Order {
    let described = params.describe(group);
    match described.raw_type {
        RawType::SignedNumber | RawType::UnsignedNumber if !described.little_endian => Order::Last,
        RawType::SignedNumber
        | RawType::UnsignedNumber
        | RawType::Other
        | RawType::Text
        | RawType::NumericText
        | RawType::Double
        | RawType::Bcd => Order::First,
    }
}

/// The places of the bits, if they are in the bytes and a number can hold them.
fn places(len: usize, bits: Bits) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(bits.start).ok()?;
    let end = start.checked_add(usize::try_from(bits.count).ok()?)?;
    (end <= len.saturating_mul(8) && (1..=64).contains(&bits.count)).then_some(start..end)
}

fn cut(bytes: &[u8], bits: Bits, order: Order) -> Option<u64> {
    let byte = |at: usize| bytes.get(order.byte(bytes.len(), at)?);
    let bit = |at: usize| byte(at).map(|byte| byte >> (7 - at % 8) & 1);
    places(bytes.len(), bits)?.try_fold(0, |number, at| Some(number << 1 | u64::from(bit(at)?)))
}

/// `None`, with nothing changed, if the bits cannot hold the number or are not there.
fn put(bytes: &mut [u8], bits: Bits, order: Order, number: f64) -> Option<()> {
    let places = places(bytes.len(), bits)?;
    let limit = 2_f64.powi(i32::try_from(bits.count).unwrap_or(64));
    if number.fract() != 0.0 || !(0.0..limit).contains(&number) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    let number = number as u64;
    for (shift, at) in places.rev().enumerate() {
        let mask = 0x80 >> (at % 8);
        let byte = order.byte(bytes.len(), at);
        if let Some(byte) = byte.and_then(|byte| bytes.get_mut(byte)) {
            *byte = if number >> shift & 1 == 1 { *byte | mask } else { *byte & !mask };
        }
    }
    Some(())
}

#[cfg(test)]
mod tests;
