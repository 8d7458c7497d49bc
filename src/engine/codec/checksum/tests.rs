//! Checksums against the values of the books, and what the attributes do to them.

use super::*;
use crate::language::model::build;

#[test]
fn checksums_are_those_of_the_books() {
    // The check value of a CRC is that of the text "123456789", whose bytes add up to 477.
    let text = b"123456789";
    for (kind, width, expected) in [
        (ChecksumKind::Sum, None, 477),
        (ChecksumKind::Sum, Some(1), 0xDD),
        (ChecksumKind::Subtract, Some(2), 0xFE23),
        (ChecksumKind::Subtract, Some(1), 0x23),
        (ChecksumKind::LsbAfterSum, Some(2), 0xDD),
        (ChecksumKind::LsbAfterSubtract, Some(2), 0x23),
        (ChecksumKind::TwosComplement, None, 0x23),
        (ChecksumKind::Exor, None, 0x31),
        (ChecksumKind::Rest, None, 0xDD),
        (ChecksumKind::Crc, None, 0xF4),
        (ChecksumKind::Crc16, None, 0xBB3D),
        (ChecksumKind::Modbus, None, 0x4B37),
        (ChecksumKind::CrcCcitt, None, 0x29B1),
        (ChecksumKind::Fletcher, None, 0x1EDE),
    ] {
        assert_eq!(of(&build::checksum(kind), width, text), Some(expected), "{kind:?} {width:?}");
    }
    assert_eq!(of(&build::checksum(ChecksumKind::Fletcher), None, b"abcde"), Some(0xC8F0));
    for kind in [ChecksumKind::Codan, ChecksumKind::Rcds] {
        assert_eq!((is_run(kind), of(&build::checksum(kind), None, text)), (false, None));
    }
}

#[test]
fn what_is_added_comes_in_the_order_of_the_language() {
    let plain = || build::checksum(ChecksumKind::Sum);
    // The bytes add up to 3.
    for (how, expected) in [
        (Checksum { byte_offset: 10, ..plain() }, 23),
        (Checksum { byte_offset: -2, ..plain() }, 255),
        (Checksum { offset: 128, ..plain() }, 131),
        (Checksum { offset: 128, modulo: Some(100), ..plain() }, 31),
        (Checksum { offset: 128, modulo: Some(100), total_offset: 32, ..plain() }, 63),
        (Checksum { total_offset: 0x82, or_total_offset: true, ..plain() }, 0x83),
        (Checksum { total_offset: 0x80, ones_complement: true, ..plain() }, 0x7C),
        (Checksum { kind: ChecksumKind::Rest, offset: 300, ..plain() }, 47),
    ] {
        assert_eq!(of(&how, Some(1), &[1, 2]), Some(expected), "{how:?}");
    }
    let inverted = Checksum { kind: ChecksumKind::Crc16, ones_complement: true, ..plain() };
    assert_eq!(of(&inverted, None, b"123456789"), Some(0x44C2), "every bit of the two bytes");
}

#[test]
fn bytes_are_taken_together_as_digits_or_as_a_binary_number() {
    let how = |kind, form| Checksum { group: Some((2, form)), ..build::checksum(kind) };
    for (kind, form, bytes, expected) in [
        (ChecksumKind::Sum, GroupForm::Hex, &b"10"[..], Some(0x10)),
        (ChecksumKind::Sum, GroupForm::Hex, b"10FF", Some(0x10F)),
        (ChecksumKind::Sum, GroupForm::Hex, b"10F", Some(0x1F)),
        (ChecksumKind::Sum, GroupForm::Hex, b"1x", None),
        (ChecksumKind::Sum, GroupForm::Hex, b"\xFF0", None),
        (ChecksumKind::Sum, GroupForm::Binary, b"10", Some(0x3031)),
        (ChecksumKind::Exor, GroupForm::Binary, b"1010", Some(0)),
        (ChecksumKind::Exor, GroupForm::Hex, b"10", Some(0x10)),
        (ChecksumKind::Sum, GroupForm::Hex, b"", Some(0)),
    ] {
        assert_eq!(of(&how(kind, form), None, bytes), expected, "{kind:?} {form:?} {bytes:?}");
    }
    let wide = Checksum { group: Some((9, GroupForm::Binary)), ..build::checksum(ChecksumKind::Sum) };
    assert_eq!(of(&wide, None, b"123456789"), None, "no number holds nine bytes");
}
