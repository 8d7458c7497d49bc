//! Fields to bytes and back.

use proptest::prelude::*;

use super::*;
use crate::language::model::build::Build;
use crate::language::model::param::ParamKind;

fn field(raw_type: RawType, length: Length, little_endian: bool) -> Param {
    let mut build = Build::new();
    build.param("p", ParamKind::Read, ValueType::Double, |param| {
        param.raw_type = raw_type;
        param.length = length;
        param.little_endian = little_endian;
    });
    build.params.remove(0)
}

#[test]
fn numbers_have_the_bytes_that_the_language_says() {
    use RawType::{Bcd, Double, NumericText, Other, SignedNumber, Text, UnsignedNumber};
    let fixed = Length::Fixed;
    let free = Length::NextParam;
    for (raw_type, length, little, value, bytes) in [
        (SignedNumber, fixed(4), true, Value::from(-3.0), &b"\xFD\xFF\xFF\xFF"[..]),
        (SignedNumber, fixed(4), true, 3.0.into(), b"\x03\0\0\0"),
        (UnsignedNumber, fixed(2), false, 258.0.into(), b"\x01\x02"),
        (UnsignedNumber, free, true, 1.0.into(), b"\x01"),
        (UnsignedNumber, free, true, 258.0.into(), b"\x02\x01"),
        (NumericText, free, true, (-3.0).into(), b"-3"),
        (NumericText, fixed(4), true, 12.0.into(), b"0012"),
        (NumericText, fixed(4), true, (-12.0).into(), b"-012"),
        (Bcd, fixed(2), true, 1234.0.into(), b"\x12\x34"),
        (Bcd, free, true, 123.0.into(), b"\x01\x23"),
        (Double, fixed(4), true, 1.5.into(), b"\0\0\xC0\x3F"),
        (Double, fixed(8), false, 1.5.into(), b"\x3F\xF8\0\0\0\0\0\0"),
        (Other, fixed(4), true, "ab".into(), b"ab  "),
        (Text, free, true, "é".into(), "é".as_bytes()),
    ] {
        let param = field(raw_type, length, little);
        let encoded = encode(&param, length, &value);
        assert_eq!(encoded.as_deref(), Ok(bytes), "{raw_type:?} {value:?}");
    }
}

#[test]
fn an_empty_value_fills_a_fixed_field_and_has_no_bytes_otherwise() {
    for (raw_type, fill) in [
        (RawType::Other, b' '),
        (RawType::Text, b' '),
        (RawType::NumericText, b'0'),
        (RawType::SignedNumber, 0),
        (RawType::Bcd, 0),
        (RawType::Double, 0),
    ] {
        let param = field(raw_type, Length::Fixed(2), true);
        assert_eq!(encode(&param, Length::Fixed(2), &Value::Empty).as_deref(), Ok(&[fill; 2][..]));
        assert_eq!(encode(&param, Length::NextParam, &Value::Empty).as_deref(), Ok(&b""[..]));
    }
}

#[test]
fn what_does_not_fit_is_an_error_and_never_cut() {
    use RawType::{Bcd, Double, NumericText, Other, SignedNumber, UnsignedNumber};
    for (raw_type, bytes, value, error) in [
        (Other, 1, Value::from("ab"), RawError::TooBig(1)),
        (NumericText, 1, 12.0.into(), RawError::TooBig(1)),
        (NumericText, 0, (-1.0).into(), RawError::TooBig(0)),
        (NumericText, 2, "x".into(), RawError::NotANumber),
        (UnsignedNumber, 1, 256.0.into(), RawError::TooBig(1)),
        (UnsignedNumber, 1, (-1.0).into(), RawError::TooBig(1)),
        (UnsignedNumber, 1, 1.5.into(), RawError::TooBig(1)),
        (UnsignedNumber, 9, 1.0.into(), RawError::TooBig(9)),
        (SignedNumber, 1, 128.0.into(), RawError::TooBig(1)),
        (SignedNumber, 8, 1e300.into(), RawError::TooBig(8)),
        (Bcd, 1, 100.0.into(), RawError::TooBig(1)),
        (Bcd, 1, (-1.0).into(), RawError::TooBig(1)),
        (Double, 3, 1.0.into(), RawError::TooBig(3)),
    ] {
        let length = Length::Fixed(bytes);
        let param = field(raw_type, length, true);
        assert_eq!(encode(&param, length, &value), Err(error), "{raw_type:?} {value:?}");
    }
}

#[test]
fn bytes_that_do_not_fit_the_raw_type_have_no_value() {
    use RawType::{Bcd, Double, NumericText, SignedNumber, Text};
    for (raw_type, bytes) in [
        (Text, &b"\xFF"[..]),
        (NumericText, b"1x"),
        (NumericText, b"nan"),
        (SignedNumber, b"123456789"),
        (Double, b"123"),
        (Double, b"\0\0\x80\x7F"),
        (Bcd, b"\x1A"),
        (Bcd, b"123456789"),
    ] {
        let param = field(raw_type, Length::NextParam, true);
        assert_eq!(decode(&param, &Bytes::from_static(bytes)), Err(RawError::Bytes), "{raw_type:?}");
    }
    let param = field(NumericText, Length::NextParam, true);
    assert_eq!(decode(&param, &Bytes::from_static(b" 1,5 ")), Ok(1.5.into()), "a decimal comma");
}

#[test]
fn four_bits_are_the_upper_half_of_a_byte() {
    let mut param = field(RawType::Other, Length::Fixed(1), true);
    param.value_type = ValueType::HighNibble;
    assert_eq!(encode(&param, Length::Fixed(1), &10.0.into()).as_deref(), Ok(&b"\xA0"[..]));
    assert_eq!(decode(&param, &Bytes::from_static(b"\xAF")), Ok(10.0.into()));
    assert_eq!(encode(&param, Length::Fixed(1), &16.0.into()), Err(RawError::TooBig(1)));
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(number in any::<i64>(), width in 1..9_u32, little in any::<bool>()) {
        let shift = 64 - 8 * width;
        let (signed, unsigned) = (number >> shift, number.cast_unsigned() >> shift);
        for (raw_type, number) in [
            (RawType::SignedNumber, signed as f64),
            (RawType::UnsignedNumber, unsigned as f64),
            (RawType::NumericText, (signed % 1_000_000) as f64),
            (RawType::Bcd, (unsigned % 100) as f64),
            (RawType::Double, signed as f64 / 3.0),
        ] {
            let length = match raw_type {
                RawType::Double => Length::Fixed(8),
                RawType::NumericText => Length::NextParam,
                _ => Length::Fixed(width),
            };
            let param = field(raw_type, length, little);
            // A number of eight bytes may have more digits than a double; near the end it is then too big.
            if let Ok(bytes) = encode(&param, length, &number.into()) {
                prop_assert_eq!(decode(&param, &bytes), Ok(number.into()), "{:?} {}", raw_type, number);
            } else {
                prop_assert!(width == 8 && number.abs() >= 9e18, "{raw_type:?} {number}");
            }
        }
    }

    #[test]
    fn no_bytes_and_no_value_panic(bytes in prop::collection::vec(any::<u8>(), 0..20), number in any::<f64>(), width in 0..12_u32) {
        for raw_type in [
            RawType::Other, RawType::Text, RawType::NumericText, RawType::SignedNumber,
            RawType::UnsignedNumber, RawType::Double, RawType::Bcd,
        ] {
            for length in [Length::Fixed(width), Length::NextParam] {
                let param = field(raw_type, length, true);
                let _ = decode(&param, &Bytes::copy_from_slice(&bytes));
                if let Ok(encoded) = encode(&param, length, &Value::number(number)) {
                    prop_assert!(length == Length::NextParam || encoded.len() == width as usize);
                }
            }
        }
    }
}
