//! Bits out of groups and into them.

use super::*;
use crate::engine::param::Origin;
use crate::language::model::build::Build;
use crate::language::model::param::{RawType, ValueType};

/// A group with bits of one kind; their `(start, count)`.
fn group(kind: ParamKind, all: &[(u32, u32)]) -> (Params, ParamIx, Vec<ParamIx>) {
    let mut build = Build::new();
    let group = build.param("group", ParamKind::Group, ValueType::String, |param| {
        param.length = Length::Fixed(2);
    });
    let bits = all.iter().map(|(start, count)| {
        build.param("bit", kind, ValueType::Double, |param| {
            param.bits = Some(Bits { group, start: *start, count: *count });
        })
    });
    let bits = bits.collect();
    // Bits of another group are none of ours.
    let other = build.param("other", ParamKind::Group, ValueType::String, |_| {});
    build.param("not ours", kind, ValueType::Double, |param| {
        param.bits = Some(Bits { group: other, start: 0, count: 1 });
    });
    (Params::new(build.done()), group, bits)
}

#[test]
fn bits_are_counted_from_the_most_significant_one_of_the_first_byte() {
    for (start, count, expected) in [
        (0, 1, Some(1.0)),
        (1, 1, Some(0.0)),
        (15, 1, Some(1.0)),
        (0, 4, Some(10.0)),
        (4, 8, Some(240.0)),
        (0, 16, Some(44_801.0)),
        (15, 2, None),
        (16, 1, None),
        (0, 0, None),
        (0, 65, None),
        (u32::MAX, u32::MAX, None),
    ] {
        let (params, group, bits) = group(ParamKind::ReadBit, &[(start, count)]);
        let sets: Vec<_> =
            expected.map(|n| Set { param: bits[0], value: Value::Number(n) }).into_iter().collect();
        assert_eq!(read(&params, group, &[0xAF, 0x01]), sets, "{count} from {start}");
        assert_eq!(merged(&params, bits[0]), None, "read bits write nothing");
    }
}

#[test]
fn written_bits_change_nothing_but_themselves() {
    for (start, count, value, expected) in [
        (0, 1, Value::from(0.0), Some([0x2F, 0x01])),
        (1, 1, 1.0.into(), Some([0xEF, 0x01])),
        (4, 8, 0.0.into(), Some([0xA0, 0x01])),
        (4, 8, 255.0.into(), Some([0xAF, 0xF1])),
        (4, 8, 256.0.into(), None),
        (4, 8, (-1.0).into(), None),
        (4, 8, 0.5.into(), None),
        (12, 8, 0.0.into(), None),
        (0, 1, Value::Empty, None),
    ] {
        let (mut params, group, bits) = group(ParamKind::WriteBit, &[(start, count)]);
        let _ = params.set(group, Value::Bytes(Bytes::from_static(&[0xAF, 0x01])), Origin::Message);
        let _ = params.set(bits[0], value.clone(), Origin::Api);
        let written = merged(&params, bits[0]).map(|set| (set.param, set.value.to_bytes().to_vec()));
        assert_eq!(
            written,
            expected.map(|bytes| (group, bytes.to_vec())),
            "{value:?} at {count} from {start}"
        );
        assert_eq!(read(&params, group, &[0xFF, 0xFF]), [], "write bits are not read");
    }
}

#[test]
fn an_empty_group_is_zeros_and_a_number_is_put_together_by_its_raw_type() {
    let (mut params, _, bits) = group(ParamKind::WriteBit, &[(0, 4)]);
    let _ = params.set(bits[0], 6.0.into(), Origin::Api);
    let set = merged(&params, bits[0]).expect("zeros with the bits");
    assert_eq!(set.value.to_bytes(), &b"\x60\x00"[..]);

    let mut build = Build::new();
    let group = build.param("group", ParamKind::Group, ValueType::Double, |param| {
        param.raw_type = RawType::UnsignedNumber;
        param.length = Length::Fixed(2);
        param.little_endian = false;
    });
    let bit = build.param("bit", ParamKind::WriteBit, ValueType::Double, |param| {
        param.bits = Some(Bits { group, start: 7, count: 1 });
    });
    let low = build.param("low", ParamKind::ReadBit, ValueType::Double, |param| {
        param.bits = Some(Bits { group, start: 0, count: 8 });
    });
    let mut params = Params::new(build.done());
    let _ = params.set(group, 256.0.into(), Origin::Message);
    let _ = params.set(bit, 1.0.into(), Origin::Api);
    assert_eq!(merged(&params, bit), Some(Set { param: group, value: 257.0.into() }));
    // With the big end first the count begins at the least significant byte.
    assert_eq!(read(&params, group, &[0x31, 0x02]), [Set { param: low, value: 2.0.into() }]);
}
