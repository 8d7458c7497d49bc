//! Messages against responses.

use proptest::prelude::*;

use super::*;
use crate::language::model::build::{self, Build};
use crate::language::model::message::{Match, MessageKind, Place, Test};
use crate::language::model::param::{Bits, ChecksumKind, RawType};

fn message(text: &[u8]) -> Message {
    Message::new(MessageKind::Text, Bytes::copy_from_slice(text))
}

fn response(index: usize) -> ResponseIx {
    ResponseIx::new(index).expect("a test has few responses")
}

fn read_one(params: &Params, text: &[u8]) -> Reading {
    read(params, &Layouts::default(), response(0), &message(text))
}

/// The fit and the values by the parameters' names.
fn check(params: &Params, text: &str, fit: Fit, expected: &[(&str, Value)]) {
    let reading = read_one(params, text.as_bytes());
    let sets: Vec<_> =
        reading.got.sets.iter().map(|set| (&*params.describe(set.param).name, set.value.clone())).collect();
    assert_eq!((reading.fit, &*sets), (fit, expected), "{text}");
}

#[test]
fn fields_end_at_the_next_constant_or_at_the_end() {
    let mut build = Build::new();
    let header = build.fixed("header", b"<");
    build.params[header.index()].kind = ParamKind::Header;
    let (name, equals, value, end) =
        (build.text("name"), build.fixed("=", b"="), build.number("value"), build.fixed("end", b">"));
    build.response(&[header, name, equals, value, end], |_| {});
    let params = Params::new(build.done());
    // The raw type is *other*, so the field is a text; the set makes a number of it.
    let a = ("name", Value::from("a"));
    check(&params, "<a=1>", Fit::Full, &[a.clone(), ("value", "1".into())]);
    check(&params, "<=>", Fit::Full, &[("name", "".into()), ("value", Value::Empty)]);
    // Left over, and a wrong constant at the start.
    check(&params, "<a=1>x", Fit::Partial, &[a, ("value", "1".into())]);
    check(&params, "a=1>", Fit::None, &[]);
    // A field without an end empties all variable ones.
    check(&params, "<a", Fit::Partial, &[("name", Value::Empty), ("value", Value::Empty)]);
}

#[test]
fn a_small_part_of_a_message_does_not_keep_the_message() {
    for (length, copied) in [(4, true), (4_000, true), (40_000, true), (60_000, false)] {
        let mut build = Build::new();
        let length_of = |param: &mut Param| {
            param.length = Length::Fixed(length);
        };
        let part = build.param("part", ParamKind::Read, ValueType::String, length_of);
        let rest = build.text("rest");
        build.response(&[part, rest], |_| {});
        let params = Params::new(build.done());
        // No text, so that the value is bytes.
        let payload = Bytes::from(vec![0xff; 100_000]);
        let whole = payload.as_ptr() as usize..payload.as_ptr() as usize + payload.len();
        let message = Message::new(MessageKind::Binary, payload);
        let reading = read(&params, &Layouts::default(), response(0), &message);
        let Value::Bytes(part) = &reading.got.sets[0].value else { panic!("{:?}", reading.got.sets[0]) };
        assert_eq!(part.len(), usize::try_from(length).unwrap());
        assert_eq!(!whole.contains(&(part.as_ptr() as usize)), copied, "{length}");
    }
}

#[test]
fn a_wrong_constant_after_a_right_one_leaves_the_fields_so_far() {
    let mut build = Build::new();
    let fields = [
        build.fixed("a", b"A"),
        build.param("two", ParamKind::Read, ValueType::String, |p| p.length = Length::Fixed(2)),
        build.fixed("b", b"B"),
        build.text("rest"),
    ];
    build.response(&fields, |_| {});
    let params = Params::new(build.done());
    check(&params, "A12Bxyz", Fit::Full, &[("two", "12".into()), ("rest", "xyz".into())]);
    check(&params, "A12Cxyz", Fit::Partial, &[("two", "12".into())]);
    check(&params, "A1", Fit::Partial, &[("two", Value::Empty), ("rest", Value::Empty)]);
}

#[test]
fn the_last_next_constant_counts_where_the_field_says_so() {
    for (length, first) in [(Length::NextParam, "a"), (Length::LastNextParam, "a.b")] {
        let mut build = Build::new();
        let fields = [
            build.param("first", ParamKind::Read, ValueType::String, |p| p.length = length),
            build.fixed(".", b"."),
            build.text("second"),
        ];
        build.response(&fields, |_| {});
        let params = Params::new(build.done());
        let reading = read_one(&params, b"a.b.c");
        assert_eq!((reading.fit, &reading.got.sets[0].value), (Fit::Full, &first.into()));
    }
}

#[test]
fn a_field_before_fixed_lengths_ends_where_they_begin() {
    let mut build = Build::new();
    let fields = [
        build.text("body"),
        build.param("sum", ParamKind::Crc, ValueType::Double, |p| {
            p.length = Length::Fixed(2);
            p.raw_type = RawType::UnsignedNumber;
        }),
        build.fixed("end", b"\r"),
    ];
    build.response(&fields, |_| {});
    let params = Params::new(build.done());
    check(&params, "hello\u{1}\u{2}\r", Fit::Full, &[("body", "hello".into()), ("sum", 513.0.into())]);
}

#[test]
fn another_parameter_may_say_the_length_also_one_of_the_same_message() {
    let mut build = Build::new();
    let size = build.param("size", ParamKind::Read, ValueType::Double, |p| {
        p.length = Length::Fixed(1);
        p.raw_type = RawType::NumericText;
    });
    let body = build.param("body", ParamKind::Read, ValueType::String, |p| {
        p.length = Length::OtherParam(size);
    });
    let colon = build.fixed(":", b":");
    build.response(&[colon, size, body], |_| {});
    let params = Params::new(build.done());
    check(&params, ":3abc", Fit::Full, &[("size", 3.0.into()), ("body", "abc".into())]);
    check(&params, ":4abc", Fit::Partial, &[("size", Value::Empty), ("body", Value::Empty)]);
}

#[test]
fn a_length_parameter_must_be_right() {
    let mut build = Build::new();
    let start = build.fixed("start", b"#");
    let length = build.param("length", ParamKind::Length, ValueType::Double, |p| {
        p.length = Length::Fixed(2);
        p.raw_type = RawType::NumericText;
    });
    let body = build.text("body");
    build.response(&[start, length, body], |_| {});
    let params = Params::new(build.done());
    assert_eq!(read_one(&params, b"#04abc").fit, Fit::Full);
    assert_eq!(read_one(&params, b"#05abc").fit, Fit::Partial);
}

#[test]
fn a_value_that_its_raw_type_cannot_read_is_dropped_and_the_rest_taken() {
    let mut build = Build::new();
    let fields = [
        build.param("n", ParamKind::Read, ValueType::Double, |p| p.raw_type = RawType::NumericText),
        build.fixed(",", b","),
        build.text("t"),
    ];
    build.response(&fields, |_| {});
    let params = Params::new(build.done());
    let reading = read_one(&params, b"x,y");
    assert_eq!((reading.fit, reading.got.dropped, reading.got.sets.len()), (Fit::Full, 1, 1));
}

#[test]
fn a_received_checksum_is_compared() {
    let mut build = Build::new();
    let body = build.param("body", ParamKind::Read, ValueType::String, |p| p.length = Length::Fixed(3));
    let sum = build.param("sum", ParamKind::Crc, ValueType::Double, |p| {
        p.length = Length::Fixed(1);
        p.raw_type = RawType::UnsignedNumber;
    });
    build.response(&[body, sum], |_| {});
    let params = Params::new(build.done());
    let how = build::checksum(ChecksumKind::Exor);
    for (text, expected) in [(b"abc\x60", true), (b"abc\x61", false)] {
        let message = message(text);
        let reading = read(&params, &Layouts::default(), response(0), &message);
        assert_eq!(checksum_is_right(&params, &[body, sum], &reading, &message, &how), expected);
    }
}

#[test]
fn a_length_that_names_fields_counts_those() {
    let mut build = Build::new();
    let start = build.fixed("start", b"#");
    let length = build.param("length", ParamKind::Length, ValueType::Double, |p| {
        p.length = Length::Fixed(2);
        p.raw_type = RawType::NumericText;
        p.length_of = vec![2];
    });
    let body = build.text("body");
    build.response(&[start, length, body], |_| {});
    let params = Params::new(build.done());
    assert_eq!(read_one(&params, b"#03abc").fit, Fit::Full);
    assert_eq!(read_one(&params, b"#04abc").fit, Fit::Partial);
}

#[test]
fn a_checksum_of_a_kind_that_is_not_run_is_not_compared() {
    let mut build = Build::new();
    let sum = build.param("sum", ParamKind::Crc, ValueType::Double, |p| p.length = Length::Fixed(1));
    build.response(&[sum], |_| {});
    let params = Params::new(build.done());
    let message = message(b"7");
    let reading = read(&params, &Layouts::default(), response(0), &message);
    for (kind, expected) in [(ChecksumKind::Codan, true), (ChecksumKind::Sum, false)] {
        assert_eq!(checksum_is_right(&params, &[sum], &reading, &message, &build::checksum(kind)), expected);
    }
}

#[test]
fn a_group_is_followed_by_its_bits_and_a_response_parameter_by_its_fields() {
    let mut build = Build::new();
    let group = build.param("group", ParamKind::Group, ValueType::String, |p| p.length = Length::Fixed(1));
    let bit = build.param("bit", ParamKind::ReadBit, ValueType::Double, |p| {
        p.bits = Some(Bits { group, start: 0, count: 4 });
    });
    let whole =
        build.param("whole", ParamKind::Response, ValueType::String, |p| p.response = Some(response(1)));
    let (name, colon, rest) = (build.text("name"), build.fixed(":", b":"), build.text("rest"));
    build.response(&[group, whole], |_| {});
    build.response(&[name, colon, rest], |_| {});
    let mut params = Params::new(build.done());
    let inner = [("name", Value::from("a")), ("rest", "b".into())];
    let mut all = vec![("group", Value::from("A")), ("bit", 4.0.into()), ("whole", "a:b".into())];
    all.extend(inner);
    check(&params, "Aa:b", Fit::Full, &all);
    // What was set by something else is split the same way.
    let layouts = Layouts::default();
    let _ = params.set(group, "A".into(), crate::engine::param::Origin::Script);
    assert_eq!(parts(&params, &layouts, group), [Set { param: bit, value: 4.0.into() }]);
    let _ = params.set(whole, "c:d".into(), crate::engine::param::Origin::Script);
    let values: Vec<_> = parts(&params, &layouts, whole).into_iter().map(|set| set.value).collect();
    assert_eq!(values, ["c".into(), "d".into()]);
    assert_eq!(parts(&params, &layouts, name), []);
}

#[test]
fn a_response_that_stands_in_its_own_field_ends() {
    let mut build = Build::new();
    let own = build.param("own", ParamKind::Response, ValueType::String, |p| p.response = Some(response(0)));
    build.response(&[own], |_| {});
    let params = Params::new(build.done());
    let reading = read_one(&params, b"x");
    assert_eq!((reading.fit, reading.got.sets.len()), (Fit::Full, usize::from(MAX_DEPTH) + 1));
}

/// Three responses of JSON and one that takes everything.
fn json() -> Params {
    let mut build = Build::new();
    let (kind, value, free) = (build.text("kind"), build.number("value"), build.text("free"));
    build.response(&[], |response| {
        response.mapping.matches = vec![build::equals("type", "state"), build::equals("grain.on", "true")];
        response.mapping.extracts = vec![build::extract("type", kind), build::extract("grain.value", value)];
    });
    build.response(&[], |response| {
        let path = build::path("$..code");
        let matches = |text| Test::Matches(regex::Regex::new(text).expect("a pattern"));
        response.mapping.matches = vec![
            Match { at: Place::Part(path.clone().into()), test: matches("^4\\d\\d$") },
            Match { at: Place::Part(build::path("none").into()), test: Test::Exists(false) },
        ];
        response.mapping.extracts = vec![build::extract("$..code", value)];
    });
    build.response(&[], |response| {
        let path = build::path("x");
        response.mapping.matches = vec![Match { at: Place::Part(path.into()), test: Test::Exists(true) }];
    });
    build.response(&[free], |_| {});
    Params::new(build.done())
}

#[test]
fn the_first_response_that_a_message_fits_takes_it() {
    let params = json();
    for (text, expected) in [
        (r#"{"type":"state","grain":{"on":true,"value":5}}"#, 0),
        (r#"{"type":"state","grain":{"on":false,"value":5}}"#, 3),
        (r#"{"type":"state","grain":{"on":"true","value":5}}"#, 0),
        (r#"{"error":{"code":404}}"#, 1),
        (r#"{"error":{"code":404},"none":null}"#, 3),
        (r#"{"error":{"code":504}}"#, 3),
        (r#"{"x":null}"#, 2),
        (r#"{"x":null"#, 3),
        ("PING", 3),
        ("", 3),
        ("NaN", 3),
    ] {
        let all = (0..4).map(response);
        let taken = take(&params, &Layouts::default(), all, &message(text.as_bytes()));
        let (by, reading) = taken.expect("the last takes everything");
        assert_eq!((by, reading.fit), (response(expected), Fit::Full), "{text}");
    }
    let not_text = message(b"{\"type\":\"\xFF\"}");
    assert_eq!(not_text.json_error().map(|error| (error.what, error.at)), Some(("not UTF-8", 9)));
    assert_eq!(take(&params, &Layouts::default(), (0..3).map(response), &not_text), None);
}

#[test]
fn extracts_have_the_type_of_their_parameter() {
    let mut build = Build::new();
    let (text, number) = (build.text("text"), build.number("number"));
    build.response(&[], |response| {
        response.mapping.extracts = vec![build::extract("v", text), build::extract("v", number)];
    });
    let params = Params::new(build.done());
    for (literal, as_text, as_number) in [
        ("5", Value::from("5"), Value::from(5.0)),
        ("1.10", "1.10".into(), 1.1.into()),
        ("123456789012345678901", "123456789012345678901".into(), 1.234_567_890_123_456_8e20.into()),
        ("true", "true".into(), 1.0.into()),
        ("false", "false".into(), 0.0.into()),
        ("null", Value::Empty, Value::Empty),
        ("\"12\"", "12".into(), "12".into()),
        ("[1, 2]", "[1, 2]".into(), "[1, 2]".into()),
        ("1e999", "1e999".into(), "1e999".into()),
    ] {
        let text = format!("{{\"v\":{literal}}}");
        check(&params, &text, Fit::Full, &[("text", as_text), ("number", as_number)]);
    }
    check(&params, "{}", Fit::Full, &[]);
    check(&params, "{", Fit::None, &[]);
}

#[test]
fn an_extract_may_have_a_default_and_a_divisor() {
    let mut build = Build::new();
    let number = build.number("number");
    build.response(&[], |response| {
        response.mapping.extracts = vec![build::extract("value", number)];
        response.mapping.extracts[0].how.default = Some(7.0.into());
        response.mapping.extracts[0].how.divisor = Some(build::path("scale").into());
    });
    let params = Params::new(build.done());
    for (text, value) in [
        (r#"{"value":25,"scale":10}"#, Some(2.5)),
        (r#"{"value":25}"#, Some(25.0)),
        (r#"{"scale":10}"#, Some(7.0)),
        (r#"{"value":25,"scale":0}"#, None),
        (r#"{"value":25,"scale":"x"}"#, None),
        (r#"{"value":[],"scale":2}"#, None),
    ] {
        let reading = read_one(&params, text.as_bytes());
        let set = reading.got.sets.first().and_then(|set| set.value.as_number());
        assert_eq!((set, reading.got.dropped), (value, u32::from(value.is_none())), "{text}");
    }
}

#[test]
fn a_replaced_field_counts_from_then_on() {
    let mut build = Build::new();
    let (a, b) = (build.text("a"), build.text("b"));
    let response = build.response(&[a], |_| {});
    let params = Params::new(build.done());
    let mut layouts = Layouts::default();
    assert!(layouts.replace_in_response(params.protocol(), response, 0, b));
    assert!(!layouts.replace_in_response(params.protocol(), response, 1, b));
    let reading = read(&params, &layouts, response, &message(b"x"));
    assert_eq!(reading.got.sets, [Set { param: b, value: "x".into() }]);
}

/// Responses of all kinds of fields.
fn mixed() -> Params {
    let mut build = Build::new();
    let mut all = vec![build.fixed("a", b"a"), build.fixed("empty", b""), build.fixed("ab", b"ab")];
    for (name, length) in [
        ("next", Length::NextParam),
        ("last", Length::LastNextParam),
        ("two", Length::Fixed(2)),
        ("other", Length::OtherParam(all[0])),
    ] {
        let of = [RawType::Other, RawType::NumericText, RawType::SignedNumber, RawType::Double, RawType::Bcd];
        for (raw_type, kind) in of.into_iter().zip([ParamKind::Read, ParamKind::Length].into_iter().cycle()) {
            all.push(build.param(name, kind, ValueType::Double, |param| {
                param.length = length;
                param.raw_type = raw_type;
            }));
        }
    }
    for start in 0..all.len() {
        let fields: Vec<_> = (0..4).map(|step| all[(start + step * 5) % all.len()]).collect();
        build.response(&fields, |_| {});
    }
    Params::new(build.done())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reading_panic(
        bytes in prop::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'2'), any::<u8>()], 0..40),
    ) {
        let (params, message) = (mixed(), message(&bytes));
        for index in 0..params.protocol().responses.len() {
            let reading = read(&params, &Layouts::default(), response(index), &message);
            for range in &reading.fields {
                prop_assert!(range.start <= range.end && range.end <= bytes.len());
            }
            if reading.fit == Fit::None {
                prop_assert!(reading.got.sets.is_empty());
            }
        }
        let json = json();
        let _ = take(&json, &Layouts::default(), (0..4).map(response), &message);
    }
}
