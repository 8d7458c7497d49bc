//! The bits of a group parameter: cut out of its bytes, and put into them; sets nothing.
//!
//! Bit 0 is the most significant one of the first byte, and a run of bits is a whole number with its first bit as the most
//! significant one.

use bytes::Bytes;

use crate::engine::codec::Set;
use crate::engine::param::Params;
use crate::language::model::id::ParamIx;
use crate::language::model::param::{Bits, ParamKind};
use crate::value::Value;

/// The values of the *read bit* parameters of a group, cut out of its bytes; those that lie beyond the bytes keep theirs.
pub fn read(params: &Params, group: ParamIx, bytes: &[u8]) -> Vec<Set> {
    let value = |(param, bits): (ParamIx, Bits)| {
        let is_read = params.describe(param).kind == ParamKind::ReadBit;
        let number = is_read.then(|| cut(bytes, bits)).flatten()?;
        #[expect(clippy::cast_precision_loss, reason = "numbers of the language are doubles")]
        Some(Set { param, value: Value::Number(number as f64) })
    };
    params.bits_of(group).filter_map(value).collect()
}

/// The bytes of a group with the values of its *write bit* parameters put in.
///
/// A parameter without a value, with one that its bits cannot hold, or with bits beyond the bytes changes nothing.
pub fn write(params: &Params, group: ParamIx, bytes: Bytes) -> Bytes {
    let mut changed: Option<Vec<u8>> = None;
    for (param, bits) in params.bits_of(group) {
        let number = params.get(param).as_number();
        let Some(number) = number.filter(|_| params.describe(param).kind == ParamKind::WriteBit) else {
            continue;
        };
        put(changed.get_or_insert_with(|| bytes.to_vec()), bits, number);
    }
    changed.map_or(bytes, Bytes::from)
}

/// The places of the bits, if they are in the bytes and a number can hold them.
fn places(len: usize, bits: Bits) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(bits.start).ok()?;
    let end = start.checked_add(usize::try_from(bits.count).ok()?)?;
    (end <= len.saturating_mul(8) && (1..=64).contains(&bits.count)).then_some(start..end)
}

fn cut(bytes: &[u8], bits: Bits) -> Option<u64> {
    let bit = |at: usize| bytes.get(at / 8).map(|byte| byte >> (7 - at % 8) & 1);
    places(bytes.len(), bits)?.try_fold(0, |number, at| Some(number << 1 | u64::from(bit(at)?)))
}

fn put(bytes: &mut [u8], bits: Bits, number: f64) {
    let Some(places) = places(bytes.len(), bits) else { return };
    let limit = 2_f64.powi(i32::try_from(bits.count).unwrap_or(64));
    if number.fract() != 0.0 || !(0.0..limit).contains(&number) {
        return;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    let number = number as u64;
    for (shift, at) in places.rev().enumerate() {
        let mask = 0x80 >> (at % 8);
        if let Some(byte) = bytes.get_mut(at / 8) {
            *byte = if number >> shift & 1 == 1 { *byte | mask } else { *byte & !mask };
        }
    }
}

#[cfg(test)]
mod tests;
