//! Commands to messages.

use super::*;
use crate::engine::codec::clock;
use crate::engine::codec::mask::Ends;
use crate::engine::param::Origin;
use crate::language::model::build::{self, Build};
use crate::language::model::param::{Bits, ChecksumKind, ValueType};
use crate::value::Wall;

fn make_one(params: &Params, options: &Options) -> Result<Outgoing, MakeError> {
    let command = CommandIx::new(0).expect("the first");
    make(&mut clock::context(Wall(0)), params, &Layouts::default(), command, options)
}

/// What a tap shows of a message by what is known of the message itself.
fn masked(made: &Outgoing) -> Vec<u8> {
    let mut mask = Mask::default();
    made.hide(&mut mask);
    mask.shown(&made.payload, usize::MAX, Ends::Whole)
}

#[test]
fn a_command_is_the_raw_values_one_after_the_other() {
    let mut build = Build::new();
    let fields = [
        build.fixed("start", b"\x02"),
        build.write("text"),
        build.param("number", ParamKind::Write, ValueType::Double, |param| {
            param.raw_type = RawType::UnsignedNumber;
            param.length = Length::Fixed(2);
            param.little_endian = false;
        }),
        build.write("nothing"),
    ];
    build.command(&fields, |_| {});
    let mut params = Params::new(build.done());
    let _ = params.set(fields[1], "ab".into(), Origin::Api);
    let _ = params.set(fields[2], 258.0.into(), Origin::Api);
    let made = make_one(&params, &Options::default()).expect("fits");
    assert_eq!((&*made.payload, made.kind), (&b"\x02ab\x01\x02"[..], MessageKind::Binary));
    assert_eq!(made.fields, [0..1, 1..3, 3..5, 5..5]);

    let _ = params.set(fields[2], 70_000.0.into(), Origin::Api);
    let error = make_one(&params, &Options::default()).expect_err("too big");
    assert_eq!(error.to_string(), "parameter 3 cannot be written into its field");
}

#[test]
fn a_text_command_must_be_utf_8_and_the_error_names_the_parameter() {
    let mut build = Build::new();
    let fields = [build.write("good"), build.fixed("bad", b"a\xFF")];
    build.command(&fields, |command| command.kind = MessageKind::Text);
    let mut params = Params::new(build.done());
    let _ = params.set(fields[0], "é".into(), Origin::Api);
    let error = make_one(&params, &Options::default()).expect_err("not UTF-8");
    assert_eq!(error.to_string(), "a text message must be UTF-8, and the bytes of parameter 2 are not");
}

#[test]
fn a_message_has_a_bound() {
    let mut build = Build::new();
    let field = build.write("text");
    build.command(&[field], |_| {});
    let mut params = Params::new(build.done());
    let _ = params.set(field, "abcd".into(), Origin::Api);
    let options = |max_bytes| Options { max_bytes, ..Options::default() };
    assert!(make_one(&params, &options(4)).is_ok());
    assert!(matches!(make_one(&params, &options(3)), Err(MakeError::TooLong(3))));
}

#[test]
fn length_and_checksum_are_those_of_the_built_message() {
    let mut build = Build::new();
    let number = |build: &mut Build, name: &str, kind| {
        build.param(name, kind, ValueType::Double, |param| {
            param.raw_type = RawType::UnsignedNumber;
            param.length = Length::Fixed(1);
        })
    };
    let length = number(&mut build, "length", ParamKind::Length);
    let body = build.write("body");
    let sum = number(&mut build, "sum", ParamKind::Crc);
    let fields = [length, body, sum];
    build.command(&fields, |_| {});
    let mut params = Params::new(build.done());
    let _ = params.set(body, "abc".into(), Origin::Api);
    let made = make_one(&params, &Options::default()).expect("fits");
    assert_eq!(lengths(&params, &fields, &made), [Set { param: length, value: 4.0.into() }]);
    let how = Checksum { of: vec![1], ..build::checksum(ChecksumKind::Exor) };
    let set = checksum(&params, &fields, &made, &how).expect("has a checksum parameter");
    assert_eq!(set, Set { param: sum, value: 96.0.into() });
    let all = Checksum { of: Vec::new(), ..how.clone() };
    let set = checksum(&params, &fields, &made, &all).expect("has a checksum parameter");
    assert_eq!(set.value, 96.0.into(), "the empty length before it is a zero");
    let beyond = Checksum { of: vec![1, 9], ..how };
    assert_eq!(checksum(&params, &fields, &made, &beyond), None);
}

#[test]
fn what_is_secret_is_masked_for_those_who_watch() {
    let mut build = Build::new();
    let user = build.write("user");
    let token = build.param("token", ParamKind::Write, ValueType::String, |param| param.secret = true);
    build.command(&[user, token], |_| {});
    let mut params = Params::new(build.done());
    let _ = params.set(user, "me:".into(), Origin::Api);
    let _ = params.set(token, "hunter2".into(), Origin::Api);
    let made = make_one(&params, &Options::default()).expect("fits");
    assert_eq!((&*made.payload, &*masked(&made)), (&b"me:hunter2"[..], &b"me:***"[..]));
    assert!(!format!("{:?}", made.with_payload(Bytes::new())).contains("hunter2"));
}

#[test]
fn a_replaced_parameter_stands_in_the_command_from_then_on() {
    let mut build = Build::new();
    let (a, b) = (build.fixed("a", b"A"), build.fixed("b", b"B"));
    let command = build.command(&[a], |_| {});
    let params = Params::new(build.done());
    let mut layouts = Layouts::default();
    assert!(layouts.replace_in_command(params.protocol(), command, 0, b));
    assert!(!layouts.replace_in_command(params.protocol(), command, 1, b));
    let made =
        make(&mut clock::context(Wall(0)), &params, &layouts, command, &Options::default()).expect("fits");
    assert_eq!(&*made.payload, b"B");
}

#[test]
fn a_length_may_count_some_fields_only_and_itself() {
    for (length_of, expected) in [(vec![], 5.0), (vec![1], 3.0), (vec![0, 1, 2], 6.0), (vec![9], 0.0)] {
        let mut build = Build::new();
        let length = build.param("length", ParamKind::Length, ValueType::Double, |param| {
            param.raw_type = RawType::UnsignedNumber;
            param.length = Length::Fixed(1);
            param.length_of = length_of.clone();
        });
        let fields = [length, build.fixed("abc", b"abc"), build.fixed("de", b"de")];
        build.command(&fields, |_| {});
        let params = Params::new(build.done());
        let made = make_one(&params, &Options::default()).expect("fits");
        assert_eq!(lengths(&params, &fields, &made)[0].value, expected.into(), "{length_of:?}");
    }
}

#[test]
fn a_group_is_sent_as_it_is_and_as_zeros_while_it_is_empty() {
    let mut build = Build::new();
    let group = build.param("group", ParamKind::Group, ValueType::String, |param| {
        param.length = Length::Fixed(2);
    });
    let bit = build.param("bit", ParamKind::WriteBit, ValueType::Double, |param| {
        param.bits = Some(Bits { group, start: 7, count: 2 });
    });
    build.command(&[group], |_| {});
    let mut params = Params::new(build.done());
    let payload = |params: &Params| make_one(params, &Options::default()).expect("fits").payload;
    let _ = params.set(bit, 3.0.into(), Origin::Api);
    assert_eq!(payload(&params), &[0, 0][..], "its bits are put in when they are set, not here");
    let _ = params.set(group, Value::Bytes(Bytes::from_static(b"\xF0\x0F")), Origin::Script);
    assert_eq!(payload(&params), &[0xF0, 0x0F][..]);
}

#[test]
fn a_changed_message_with_a_secret_is_masked_as_a_whole() {
    let mut build = Build::new();
    let token = build.param("token", ParamKind::Write, ValueType::String, |param| param.secret = true);
    let user = build.write("user");
    build.command(&[token, user, token], |_| {});
    let mut params = Params::new(build.done());
    let _ = params.set(token, "hunter2".into(), Origin::Api);
    let _ = params.set(user, "me".into(), Origin::Api);
    let made = make_one(&params, &Options::default()).expect("fits");
    let same = made.clone().with_payload(made.payload.clone());
    assert_eq!(&*masked(&same), b"***me***");
    let reversed = made.with_reversed(&[2, 9]);
    assert_eq!(&*reversed.payload, b"hunter2me2retnuh");
    assert_eq!((&*masked(&reversed), &reversed.fields[..]), (&b"***"[..], &[0..7, 7..9, 9..16][..]));
}
