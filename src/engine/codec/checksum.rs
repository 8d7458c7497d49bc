//! The checksums that a definition can ask for, over bytes that are given; cuts no message and sets nothing.

use std::borrow::Cow;

use crate::language::model::param::{Checksum, ChecksumKind, GroupForm};

/// Whether the engine can work it out; the rules of two makers are accepted and not run.
pub fn is_run(kind: ChecksumKind) -> bool {
    match kind {
        ChecksumKind::Codan | ChecksumKind::Rcds => false,
        ChecksumKind::Sum
        | ChecksumKind::Subtract
        | ChecksumKind::LsbAfterSum
        | ChecksumKind::LsbAfterSubtract
        | ChecksumKind::Exor
        | ChecksumKind::TwosComplement
        | ChecksumKind::Rest
        | ChecksumKind::Crc
        | ChecksumKind::Crc16
        | ChecksumKind::CrcCcitt
        | ChecksumKind::Modbus
        | ChecksumKind::Fletcher => true,
    }
}

/// The checksum of bytes, as the number that the checksum parameter gets.
///
/// The order is: `byte_offset` on every byte (which stays a byte), the sum with `offset`, `modulo`, `total_offset`, the
/// complement. What is left is cut to `width` bytes, the length of the field; without one to the kind's own: one byte, two
/// for the checks of 16 bits, four for sums.
///
/// `None` if the kind is not [run](is_run), or if bytes that are grouped are no hexadecimal digits or more than a number holds.
pub fn of(how: &Checksum, width: Option<u32>, bytes: &[u8]) -> Option<u64> {
    let bytes = offset(bytes, how.byte_offset);
    let sum = raw(how, &bytes)?;
    let rest = match (how.modulo, how.kind) {
        (Some(modulo), _) => sum.rem_euclid(i128::from(modulo)),
        (None, ChecksumKind::Rest) => sum.rem_euclid(256),
        (None, _) => sum,
    };
    let total = i128::from(how.total_offset);
    let value = if how.or_total_offset { rest | total } else { rest + total };
    let value = if how.ones_complement { !value } else { value };
    let bits = 8 * width.unwrap_or(own_width(how)).clamp(1, 8);
    u64::try_from(value & ((1 << bits) - 1)).ok()
}

/// Adds a number to every byte.
fn offset(bytes: &[u8], by: i64) -> Cow<'_, [u8]> {
    // The rest of a division by 256 is a byte.
    match u8::try_from(by.rem_euclid(256)).unwrap_or(0) {
        0 => Cow::Borrowed(bytes),
        by => bytes.iter().map(|byte| byte.wrapping_add(by)).collect(),
    }
}

/// The sum itself, before anything is done to it.
fn raw(how: &Checksum, bytes: &[u8]) -> Option<i128> {
    let by = i128::from(how.offset);
    let value = match how.kind {
        ChecksumKind::Sum => sum(how, bytes)? + by,
        ChecksumKind::Subtract => by - sum(how, bytes)?,
        ChecksumKind::LsbAfterSum => (sum(how, bytes)? + by) & 0xFF,
        ChecksumKind::LsbAfterSubtract => (by - sum(how, bytes)?) & 0xFF,
        ChecksumKind::Exor => {
            let all = numbers(how, bytes).try_fold(0, |all, number| Some(all ^ number?));
            i128::from(all?)
        }
        ChecksumKind::TwosComplement => -plain_sum(bytes),
        ChecksumKind::Rest => plain_sum(bytes) + by,
        ChecksumKind::Crc => i128::from(crc8(bytes)),
        ChecksumKind::Crc16 => i128::from(crc16(0, bytes)),
        ChecksumKind::Modbus => i128::from(crc16(0xFFFF, bytes)),
        ChecksumKind::CrcCcitt => i128::from(crc_ccitt(bytes)),
        ChecksumKind::Fletcher => i128::from(fletcher(bytes)),
        ChecksumKind::Codan | ChecksumKind::Rcds => return None,
    };
    Some(value)
}

/// How many bytes the value has where its field does not say.
fn own_width(how: &Checksum) -> u32 {
    match how.kind {
        ChecksumKind::Sum | ChecksumKind::Subtract | ChecksumKind::Rest => 4,
        ChecksumKind::Exor => match how.group {
            Some((count, GroupForm::Binary)) => u32::from(count),
            Some((count, GroupForm::Hex)) => u32::from(count).div_ceil(2),
            None => 1,
        },
        ChecksumKind::LsbAfterSum
        | ChecksumKind::LsbAfterSubtract
        | ChecksumKind::TwosComplement
        | ChecksumKind::Crc
        | ChecksumKind::Codan
        | ChecksumKind::Rcds => 1,
        ChecksumKind::Crc16 | ChecksumKind::CrcCcitt | ChecksumKind::Modbus | ChecksumKind::Fletcher => 2,
    }
}

fn plain_sum(bytes: &[u8]) -> i128 {
    bytes.iter().map(|byte| i128::from(*byte)).sum()
}

fn sum(how: &Checksum, bytes: &[u8]) -> Option<i128> {
    numbers(how, bytes).try_fold(0, |sum, number| Some(sum + i128::from(number?)))
}

/// The numbers that are added: each byte, or what so many bytes together mean (`groupbytes`); the last may be fewer.
fn numbers<'a>(how: &Checksum, bytes: &'a [u8]) -> impl Iterator<Item = Option<u64>> + 'a {
    let (count, form) = how.group.unwrap_or((1, GroupForm::Binary));
    bytes.chunks(usize::from(count).max(1)).map(move |group| match form {
        GroupForm::Hex if group.iter().all(u8::is_ascii_hexdigit) => {
            u64::from_str_radix(std::str::from_utf8(group).ok()?, 16).ok()
        }
        // The first byte is the lowest.
        GroupForm::Binary if group.len() <= 8 => {
            Some(group.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        GroupForm::Hex | GroupForm::Binary => None,
    })
}

/// Polynomial 0x07, not reflected, from zero: the check of the text "123456789" is 0xF4.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}

/// Reflected, polynomial 0x8005 (0xA001 reversed).
fn crc16(start: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

/// Not reflected, polynomial 0x1021, from all ones.
fn crc_ccitt(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        let crc = crc ^ u16::from(*byte) << 8;
        (0..8).fold(crc, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

/// Two sums modulo 255, the second in the upper byte.
fn fletcher(bytes: &[u8]) -> u16 {
    let (low, high) = bytes.iter().fold((0_u16, 0_u16), |(low, high), byte| {
        let low = (low + u16::from(*byte)) % 255;
        (low, (high + low) % 255)
    });
    high << 8 | low
}

#[cfg(test)]
mod tests;
