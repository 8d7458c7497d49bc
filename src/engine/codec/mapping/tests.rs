//! Parts of messages into single values: forms, maps, policies.

use proptest::prelude::*;

use super::*;
use crate::engine::codec::message::{Head, Message};
use crate::language::load;
use crate::language::model::id::{ParamId, ResponseIx};
use crate::language::model::message::MessageKind;
use crate::language::source::Source;

/// Parameter 1 is a number, 2 a text, 3 a number from 0 to 9 with discreet values; the response is as given.
fn params(response: &str) -> Params {
    let text = format!(
        r#"<Protocol xmlns:bs="urn:backshell:1">
  <Connections><Connection id="0"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections>
  <Params>
    <Param id="1"><Name>Number</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><Type>double</Type></Interprete></Param>
    <Param id="2"><Name>Text</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param>
    <Param id="3"><Name>State</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><Type>double</Type><Range><Low>0</Low><High>9</High></Range></Interprete>
      <Measurement><Discreets><Discreet><Display>Idle</Display><Value>0</Value></Discreet><Discreet><Display>Busy</Display><Value>4</Value></Discreet></Discreets></Measurement></Param>
  </Params>
  <Responses><Response id="1">{response}</Response></Responses>
</Protocol>"#
    );
    let (protocol, report) = load::whole(&Source::new("mapping.xml", text));
    assert!(!report.has_errors(), "{:#?}", report.diagnostics());
    Params::new(protocol.expect("without an error there is a protocol"))
}

fn gathered(params: &Params, message: &[u8]) -> Gathered {
    let message = Message::new(MessageKind::Text, Bytes::copy_from_slice(message));
    let mut got = Gathered::default();
    let response = params.protocol().response(ResponseIx::new(0).expect("small"));
    message.map(&response.mapping, params, &mut got);
    got
}

/// What one extract makes of `{"v": LITERAL}`.
fn check(extract: &str, literal: &str, expected: Result<Option<Value>, Why>) {
    let params = params(&format!(r#"<bs:Extract path="$.v" {extract}/>"#));
    let message = if literal.is_empty() { "{}".to_owned() } else { format!(r#"{{"v":{literal}}}"#) };
    let got = gathered(&params, message.as_bytes());
    let value = got.sets.into_iter().next().map(|set| set.value);
    let found = match got.problem {
        Some(problem) => Err(problem.why),
        None => Ok(value),
    };
    assert_eq!(found, expected, "{extract} on {message}");
}

fn number(number: f64) -> Result<Option<Value>, Why> {
    Ok(Some(Value::Number(number)))
}

fn text(text: &str) -> Result<Option<Value>, Why> {
    Ok(Some(Value::text(text)))
}

#[test]
fn each_form_reads_what_it_says() {
    for (form, literal, expected) in [
        ("number", "5", number(5.0)),
        ("number", "\" 12.5 \"", number(12.5)),
        ("number", "\"x\"", Err(Why::NotANumber)),
        ("number", "true", Err(Why::NotANumber)),
        ("number", "[1]", Err(Why::NotANumber)),
        ("number", "1e999", Err(Why::NotANumber)),
        ("flag", "true", number(1.0)),
        ("flag", "0", number(0.0)),
        ("flag", "\"Off\"", number(0.0)),
        ("flag", "2", Err(Why::NotAFlag)),
        ("flag", "\"maybe\"", Err(Why::NotAFlag)),
        ("flag", "null", Ok(Some(Value::Empty))),
        ("count", "[1,[2,3],{}]", number(3.0)),
        ("count", "[]", number(0.0)),
        ("count", "{\"a\":1,\"b\":[1,2]}", number(2.0)),
        ("count", "5", number(1.0)),
        ("time", "\"1970-01-01T00:00:00Z\"", number(0.0)),
        ("time", "\"2026-11-21T17:00:00.25+01:00\"", number(1_795_276_800.25)),
        ("time", "\"2000-02-29 12:00:00-00:30\"", number(951_827_400.0)),
        ("time", "\"yesterday\"", Err(Why::NotATime)),
        ("time", "\"2026-13-21T17:00:00Z\"", Err(Why::NotATime)),
        ("time", "\"2026-11-21T17:00:00\"", Err(Why::NotATime)),
        ("time", "17", Err(Why::NotATime)),
    ] {
        check(&format!("pid=\"1\" type=\"{form}\""), literal, expected);
    }
    for (form, literal, expected) in [
        ("text", "1.10", text("1.10")),
        ("text", "\"a\\n\"", text("a\n")),
        ("json", "\"a\\n\"", text("\"a\\n\"")),
        ("json", "{\"b\": 1}", text("{\"b\": 1}")),
        ("json", "null", text("null")),
        ("base64", "\"aGk=\"", Ok(Some(Value::Bytes(Bytes::from_static(b"hi"))))),
        ("base64", "\"_-8\"", Ok(Some(Value::Bytes(Bytes::from_static(b"\xFF\xEF"))))),
        ("base64", "\"?\"", Err(Why::NotBase64)),
    ] {
        check(&format!("pid=\"2\" type=\"{form}\""), literal, expected);
    }
}

#[test]
fn whole_numbers_in_texts_and_absent_defaults_come_out_right() {
    // The JSON of protobuf: 64-bit numbers are texts, members with their default are left out, `null` is the default.
    let extract = r#"pid="1" default="0""#;
    for (literal, expected) in
        [("\"42\"", text("42")), ("7", number(7.0)), ("", number(0.0)), ("null", number(0.0))]
    {
        check(extract, literal, expected);
    }
    check(r#"pid="2" default="""#, "", text(""));
    check(r#"pid="2""#, "9223372036854775807", text("9223372036854775807"));
    check(r#"pid="1" default="""#, "", Ok(Some(Value::Empty)));
    check(r#"pid="1""#, "", Ok(None));
    check(r#"pid="1""#, "null", Ok(Some(Value::Empty)));
    check(r#"pid="1" type="number""#, "\"-9007199254740993\"", number(-9_007_199_254_740_992.0));
}

#[test]
fn maps_give_the_value_that_stands_for_a_text_or_a_number() {
    for (map, literal, expected) in [
        ("idle=0;run ning=1", "\"run ning\"", number(1.0)),
        ("idle=0;running=1", "\"Idle\"", Err(Why::NotInMap)),
        ("idle=0;*=9", "\"other\"", number(9.0)),
        ("1=10;2=20", "2.0", number(20.0)),
        ("true=5;false=6;null=7", "true", number(5.0)),
        ("true=5;null=7", "null", number(7.0)),
        ("a=;*=1", "\"a\"", Ok(Some(Value::Empty))),
        ("discreets", "\"Busy\"", number(4.0)),
        ("discreets", "\"busy\"", Err(Why::NotInMap)),
        ("a=1", "{\"a\":1}", Err(Why::NotInMap)),
    ] {
        check(&format!("pid=\"3\" map=\"{map}\""), literal, expected);
    }
    check(r#"pid="2" map="0=off;1=on""#, "1", text("on"));
}

#[test]
fn scales_multiply_and_divisors_divide() {
    for (how, literal, expected) in [
        (r#"scale="0.1""#, "25", number(2.5)),
        // A time in milliseconds: a product with 0.001 ends in 1230001.
        (r#"scale="0.001""#, "1700000000123", number(1_700_000_000.123)),
        (r#"scale="-0.001""#, "1700000000123", number(-1_700_000_000.123)),
        (r#"scale="0.3""#, "10", number(3.0)),
        (r#"scale="0""#, "10", number(0.0)),
        (r#"scale="-2""#, "\"4\"", number(-8.0)),
        (r#"scale="2""#, "\"x\"", Err(Why::NotANumber)),
        (r#"scale="2""#, "null", Ok(Some(Value::Empty))),
        (r#"scale="1e308""#, "1e10", Err(Why::NoQuotient)),
        (r#"map="a=3" scale="2""#, "\"a\"", number(6.0)),
    ] {
        check(&format!("pid=\"1\" {how}"), literal, expected);
    }
}

#[test]
fn an_error_keeps_clears_or_is_reported_as_the_definition_says() {
    for (policy, literal, expected, lost) in [
        ("report", "\"x\"", None, (1, 0)),
        ("keep", "\"x\"", None, (0, 1)),
        ("clear", "\"x\"", Some(Value::Empty), (0, 1)),
        // Outside of its range, which only the parameter knows.
        ("keep", "12", None, (0, 1)),
        ("clear", "12", Some(Value::Empty), (0, 1)),
        ("clear", "5", Some(Value::Number(5.0)), (0, 0)),
    ] {
        let params = params(&format!(r#"<bs:Extract path="$.v" pid="3" type="number" onError="{policy}"/>"#));
        let got = gathered(&params, format!(r#"{{"v":{literal}}}"#).as_bytes());
        let value = got.sets.into_iter().next().map(|set| set.value);
        assert_eq!((value, (got.dropped, got.unsaid)), (expected, lost), "{policy} {literal}");
    }
}

#[test]
fn a_problem_is_told_with_its_path_and_its_parameter_and_without_its_value() {
    let params =
        params(r#"<bs:Extract path="$.a" pid="1"/><bs:Extract path="$.secret" pid="1" type="number"/>"#);
    let got = gathered(&params, br#"{"a":1,"secret":"hunter2"}"#);
    let problem = got.problem.expect("a problem");
    assert_eq!(problem.describe(params.protocol()), "`$.secret` for parameter 1 is no number");
    let got = gathered(&params, b"{\"a\":1");
    assert_eq!(got.dropped, 2);
    let problem = got.problem.expect("a problem").describe(params.protocol());
    assert_eq!(problem, "the message is not of its format: the text ends too early");
}

#[test]
fn hostile_messages_are_bounded() {
    let params = params(
        r#"<bs:Extract path="$..x" pid="1"/><bs:Extract path="$.*.y" pid="2"/><bs:Extract path="$.z" pid="3"/><bs:Extract path="$.*" type="count" pid="1"/>"#,
    );
    // Many values: what needs a tree is refused, what does not is found.
    let many = format!("{{{}\"z\":5}}", (0..270_000).map(|n| format!("\"k{n}\":1,")).collect::<String>());
    let got = gathered(&params, many.as_bytes());
    assert_eq!(got.problem.map(|problem| problem.why), Some(Why::TooMuch));
    let values: Vec<_> =
        got.sets.iter().map(|set| (params.describe(set.param).id, set.value.clone())).collect();
    assert_eq!(values, [(ParamId(3), Value::Number(5.0)), (ParamId(1), Value::Number(270_001.0))]);
    // 16 MiB of brackets, cut in the middle or not; bytes that are no text; a name that is there twice.
    for (message, dropped) in [
        ("[".repeat(16 << 20).into_bytes(), 4),
        (["[".repeat(8 << 20), "]".repeat(8 << 20)].concat().into_bytes(), 4),
        (b"{\"z\":\xFF}".to_vec(), 4),
        (b"{\"z\":NaN}".to_vec(), 4),
    ] {
        let got = gathered(&params, &message);
        assert_eq!((got.dropped, got.sets.len()), (dropped, 0));
    }
    let got = gathered(&params, br#"{"z":1,"z":2}"#);
    assert_eq!(got.sets[0].value, Value::Number(2.0), "the last of two members counts");
}

#[test]
fn answers_are_told_apart_by_status_and_header() {
    let headers = [("Content-Type".to_owned(), "application/problem+json".to_owned())];
    for (matches, expected) in [
        (r#"<bs:Match status="404"/>"#, true),
        (r#"<bs:Match status="2xx;4xx"/>"#, true),
        (r#"<bs:Match status="5xx"/>"#, false),
        (r#"<bs:Match header="content-type" matches="json"/>"#, true),
        (r#"<bs:Match header="content-type" equals="application/json"/>"#, false),
        (r#"<bs:Match header="x-none" exists="false"/>"#, true),
        (r#"<bs:Match header="x-none" exists="true"/>"#, false),
        (r#"<bs:Match status="404"/><bs:Match path="$.a" equals="2"/>"#, false),
        (r#"<bs:Match status="404"/><bs:Match path="$.a" equals="1"/><bs:Match matches="^\{"/>"#, true),
    ] {
        let text = format!(
            r#"<Protocol xmlns:bs="urn:backshell:1"><HTTP><Session id="1"><Connection id="1"><Request url="/"/><Response>{matches}</Response></Connection></Session></HTTP></Protocol>"#
        );
        let (protocol, report) = load::whole(&Source::new("status.xml", text));
        let protocol = protocol.unwrap_or_else(|| panic!("{report:?}"));
        let mapping = &protocol.sessions[0].exchanges[0].mapping;
        let message = Message::new(MessageKind::Text, Bytes::from_static(br#"{"a":1}"#));
        let head = Head { status: Some(404), headers: &headers };
        assert_eq!(message.matches(mapping, head), expected, "{matches}");
    }
}

#[test]
fn the_whole_text_can_be_asked_for_of_what_is_no_json() {
    let whole = |matches: &str, text: &'static [u8]| {
        let params = params(matches);
        let mapping = &params.protocol().response(ResponseIx::new(0).expect("small")).mapping;
        assert!(!mapping.looks_inside());
        Message::new(MessageKind::Text, Bytes::from_static(text)).matches(mapping, Head::default())
    };
    assert!(whole(r#"<bs:Match equals="dump"/>"#, b"dump\n"));
    assert!(!whole(r#"<bs:Match equals="dump"/>"#, b"dumps"));
    assert!(whole(r#"<bs:Match matches="^du"/>"#, b"dump"));
    assert!(!whole(r#"<bs:Match matches="^"/>"#, b"\xFF"));
}

proptest! {
    /// A message that ends too early gives nothing, wherever it was cut.
    #[test]
    fn what_is_cut_off_gives_nothing(at in 0_usize..60) {
        let whole = r#"{"a":[1,{"b":"\u00e9x"}],"v":5.25,"w":"text","n":{"m":-1e3}}"#;
        let params = params(r#"<bs:Extract path="$.v" pid="1"/><bs:Extract path="$..b" pid="2"/>"#);
        let got = gathered(&params, whole.as_bytes());
        prop_assert_eq!((got.sets.len(), got.dropped), (2, 0));
        let cut = whole.as_bytes().get(..at.min(whole.len() - 1)).expect("a beginning");
        let got = gathered(&params, cut);
        prop_assert_eq!((got.sets.len(), got.dropped), (0, 2));
    }

    #[test]
    fn times_are_read_as_they_are_written(seconds in 0_u64..253_402_300_799) {
        let written = crate::value::Wall(seconds % 18_000_000_000 * 1_000_000_000).rfc3339();
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let expected = (seconds % 18_000_000_000) as f64;
        prop_assert_eq!(time(&written), Some(expected));
    }

    #[test]
    fn any_text_is_a_time_or_none(text in "\\PC{0,40}") {
        let _ = time(&text);
    }
}

#[test]
fn values_of_other_formats_are_matched_and_extracted() {
    for (format, response, message, expected) in [
        (
            r#"bs:format="xml""#,
            r#"<bs:Match path="/s/@kind" equals="state"/><bs:Match path="count(//v) = 2" exists="true"/><bs:Extract path="//v[2]" pid="1"/><bs:Extract path="//v" type="count" pid="3"/><bs:Extract path="//none" pid="2" default="-"/>"#,
            "<s kind='state'><v>1</v><v>2.5</v></s>",
            vec![(1, Value::text("2.5")), (3, Value::Number(2.0)), (2, Value::text("-"))],
        ),
        (
            r#"bs:format="keyvalue""#,
            r#"<bs:Match path="$.state" exists="true"/><bs:Extract path="$.state" pid="3" map="idle=0;busy=4"/><bs:Extract path="$['up time']" pid="1" type="number"/>"#,
            "state: busy\nup time = 17\n",
            vec![(3, Value::Number(4.0)), (1, Value::Number(17.0))],
        ),
        (
            r#"bs:format="csv" bs:separator=";""#,
            r#"<bs:Match path="$[0].level" exists="true"/><bs:Extract path="$[-1].level" pid="1" scale="10"/>"#,
            "level\n1\n2\n",
            vec![(1, Value::Number(20.0))],
        ),
    ] {
        let text = format!(r#"{response}</Response><Response id="2" {format}>{response}"#);
        let params =
            params(&text.replacen(response, "", 1).replace("<Response id=\"2\"", "<Response id=\"3\""));
        let mapping = &params.protocol().responses[1].mapping;
        let message = Message::new(MessageKind::Text, Bytes::from(message));
        assert!(message.matches(mapping, Head::default()), "{format}");
        let mut got = Gathered::default();
        message.map(mapping, &params, &mut got);
        let values: Vec<_> =
            got.sets.iter().map(|set| (params.describe(set.param).id.0, set.value.clone())).collect();
        assert_eq!((values, got.dropped), (expected, 0), "{format}");
    }
}

/// What a response in another format gives of a message: how many values were lost, and the others by parameter.
fn of_format(format: &str, extracts: &str, message: Vec<u8>) -> (u32, Vec<(i32, String)>) {
    let params = params(&format!(r#"</Response><Response id="2" {format}>{extracts}"#));
    let mut got = Gathered::default();
    Message::new(MessageKind::Text, Bytes::from(message)).map(
        &params.protocol().responses[1].mapping,
        &params,
        &mut got,
    );
    let values =
        got.sets.iter().map(|set| (params.describe(set.param).id.0, set.value.to_text().to_string()));
    (got.dropped, values.collect())
}

#[test]
fn hostile_bodies_in_xml_are_bounded() {
    let extracts = r#"<bs:Extract path="/r/v" pid="1" type="number"/><bs:Extract path="count(//v)" pid="2"/><bs:Extract path="//none" pid="3"/>"#;
    let check = |message: Vec<u8>, lost: u32, expected: &[(i32, &str)]| {
        let shown = String::from_utf8_lossy(&message[..message.len().min(40)]).into_owned();
        let expected: Vec<_> = expected.iter().map(|(param, text)| (*param, (*text).to_owned())).collect();
        assert_eq!(of_format(r#"bs:format="xml""#, extracts, message), (lost, expected), "{shown}");
    };
    check(b"<r><v>5</v><v>6</v></r>".to_vec(), 0, &[(1, "5"), (2, "2")]);
    // Wrong types, and a path that selects nothing.
    for wrong in ["NaN", "Infinity", "five", "<w>x</w>"] {
        check(format!("<r><v>{wrong}</v></r>").into_bytes(), 1, &[(2, "1")]);
    }
    // Cut, not well-formed, not text, two attributes of one name.
    for bad in [
        &b"<r><v>5</v>"[..],
        b"<r><v>5</v></",
        b"<r><v>5</r>",
        b"<r><v>\xFF</v></r>",
        b"<r><v a='1' a='2'>5</v></r>",
        b"",
    ] {
        check(bad.to_vec(), 3, &[]);
    }
    // 16 MiB of nesting, with an end and without; many nodes.
    check("<r>".repeat((16 << 20) / 3).into_bytes(), 3, &[]);
    check(["<r>".repeat(1 << 17), "</r>".repeat(1 << 17)].concat().into_bytes(), 3, &[]);
    check(format!("<r>{}</r>", "<v>1</v>".repeat(20_000)).into_bytes(), 0, &[(1, "1"), (2, "20000")]);
}

#[test]
fn hostile_bodies_in_csv_and_key_value_are_bounded() {
    let csv = r#"bs:format="csv""#;
    let rows = r#"<bs:Extract path="$[0].v" pid="1" type="number"/><bs:Extract path="$[*]" type="count" pid="3"/><bs:Extract path="$[0].none" pid="2"/>"#;
    let pairs = r#"<bs:Extract path="$.v" pid="1" type="number"/><bs:Extract path="$.none" pid="2"/>"#;
    let check = |format: &str, extracts: &str, message: Vec<u8>, lost: u32, expected: &[(i32, &str)]| {
        let shown = String::from_utf8_lossy(&message[..message.len().min(40)]).into_owned();
        let expected: Vec<_> = expected.iter().map(|(param, text)| (*param, (*text).to_owned())).collect();
        assert_eq!(of_format(format, extracts, message), (lost, expected), "{shown}");
    };
    check(csv, rows, b"v,w\n5,x\n".to_vec(), 0, &[(1, "5"), (3, "1")]);
    // A quote that nothing closes, two columns of one name, wrong types.
    check(csv, rows, b"w,v\nx,\"5".to_vec(), 0, &[(1, "5"), (3, "1")]);
    check(csv, rows, b"v,v\n4,5".to_vec(), 0, &[(1, "5"), (3, "1")]);
    for wrong in ["NaN", "inf", "five", ""] {
        check(csv, rows, format!("w,v\nx,{wrong}\n").into_bytes(), 1, &[(3, "1")]);
    }
    check(csv, rows, b"v\n\xFF\n".to_vec(), 3, &[]);
    // More lines than notes are kept of.
    check(csv, rows, ["v\n", &"1\n".repeat(100_000)].concat().into_bytes(), 0, &[(1, "1"), (3, "100000")]);

    let lines = r#"bs:format="keyvalue""#;
    check(lines, pairs, b"v=5\nv = 6".to_vec(), 0, &[(1, "6")]);
    for wrong in ["NaN", "five", "", "\"5"] {
        check(lines, pairs, format!("v={wrong}\nw=1").into_bytes(), 1, &[]);
    }
    check(lines, pairs, b"v=5\nw=\xFF".to_vec(), 2, &[]);
    check(lines, pairs, "=".repeat(1 << 20).into_bytes(), 0, &[]);
    check(lines, pairs, "v=1\n".repeat(50_000).into_bytes(), 0, &[(1, "1")]);
}
