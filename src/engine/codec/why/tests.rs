//! Why messages are not taken, in words.

use bytes::Bytes;

use super::*;
use crate::engine::codec::layout::Layouts;
use crate::language::load;
use crate::language::model::message::MessageKind;
use crate::language::source::Source;

/// Three responses by their `bs:Match`, one by a header and a trailer.
const RESPONSES: &str = r#"
<Params>
  <Param id="1"><Name>Head</Name><Type>header</Type><Interprete><RawType>other</RawType><LengthType>fixed</LengthType><Type>string</Type><Value>0x02AB</Value><Length>2</Length></Interprete></Param>
  <Param id="2"><Name>Value</Name><Type>read</Type><Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param>
  <Param id="3"><Name>End</Name><Type>trailer</Type><Interprete><RawType>other</RawType><LengthType>fixed</LengthType><Type>string</Type><Value>;</Value><Length>1</Length></Interprete></Param>
</Params>
<Responses>
  <Response id="1"><bs:Match path="$.type" equals="state"/><bs:Match path="$.value" exists="true"/></Response>
  <Response id="2"><bs:Match path="$.type" matches="^p.ng$"/></Response>
  <Response id="3"><bs:Match path="$.error" exists="false"/><bs:Match path="$.code" equals="7"/></Response>
  <Response id="4"><Content><Param>1</Param><Param>2</Param><Param>3</Param></Content></Response>
</Responses>"#;

/// The reasons by the ids of their responses, the nearest first.
fn check(message: &[u8], expected: &[(u32, &str)]) {
    let connection = r#"<Connections><Connection id="0" name="c"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections>"#;
    let text = format!("<Protocol xmlns:bs=\"urn:backshell:1\">{connection}{RESPONSES}</Protocol>");
    let (protocol, report) = load::whole(&Source::new("a.xml", text));
    let protocol = protocol.unwrap_or_else(|| panic!("{:?}", report.diagnostics()));
    let params = Params::new(protocol.clone());
    let all = (0..protocol.responses.len()).filter_map(ResponseIx::new);
    let message = Message::new(MessageKind::Text, Bytes::copy_from_slice(message));
    let found = mismatches(&params, &Layouts::default(), all, &message);
    let found: Vec<(String, &str)> =
        found.iter().map(|one| (protocol.response(one.response).id.to_string(), one.why.as_str())).collect();
    let expected: Vec<(String, &str)> = expected.iter().map(|(id, why)| (id.to_string(), *why)).collect();
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(message.payload()));
}

const HEAD: &str = "parameter 1 is 0x02AB, and at byte 0 it has 0x";

#[test]
fn the_response_of_which_most_fits_comes_first() {
    let head = format!("{HEAD}7B22");
    check(
        br#"{"type":"state","code":8}"#,
        &[
            (1, "`$.value` is not there"),
            (3, "`$.code` is `8`, not `7`"),
            (2, "`$.type` is `state`, which does not match `^p.ng$`"),
            (4, &head),
        ],
    );
    check(
        br#"{"error":1,"code":7}"#,
        &[
            (1, "`$.type` is not there, and should be `state`"),
            (2, "`$.type` is not there, and should match `^p.ng$`"),
            (3, "`$.error` is there"),
            (4, &head),
        ],
    );
}

#[test]
fn a_response_that_takes_the_message_is_not_among_them() {
    let why = "not JSON: not UTF-8 at byte 1";
    check(b"\x02\xABtext;", &[(1, why), (2, why), (3, why)]);
}

#[test]
fn the_field_that_does_not_fit_is_named_with_its_byte() {
    let not_json = "not JSON: not UTF-8 at byte 1";
    let json = [(1, not_json), (2, not_json), (3, not_json)];
    let with = |why| [&[(4, why)], &json[..]].concat();
    check(b"\x02\xABtext", &with("the field of parameter 2, from byte 2, has no end in it"));
    check(b"\x02\xABtext;more", &with("it goes on behind the last field, at byte 7"));
    let head = format!("{HEAD}02");
    let not_json = "not JSON: this begins no value at byte 0";
    check(b"\x02", &[(1, not_json), (2, not_json), (3, not_json), (4, &head)]);
}

#[test]
fn a_long_value_is_cut() {
    let text = "x".repeat(1_000);
    assert_eq!(shortened(&text), format!("{}...", "x".repeat(60)));
    assert_eq!(bytes(&[0; 20], false), format!("0x{}...", "00".repeat(16)));
    assert_eq!((bytes(b"ab", true), bytes(b"", true)), ("\"ab\"".to_owned(), "nothing".to_owned()));
}
