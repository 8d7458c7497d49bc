//! Requests of a definition, explained.

use super::*;
use crate::element::clock::Clock;
use crate::engine::logic::{self, Engine, First};
use crate::engine::param::Origin;
use crate::language::load;
use crate::language::model::id::ParamId;
use crate::language::source;
use crate::value::Value;

const DEFINITION: &str = r#"<Protocol xmlns:bs="urn:backshell:1"><Name>E</Name><Type>http</Type>
  <Params>
    <Param id="1" bs:secret="true"><Name>Key</Name><Type>read</Type></Param>
    <Param id="2"><Name>Room</Name><Type>read</Type></Param>
    <Param id="3"><Name>User</Name><Type>read</Type></Param>
    <Param id="4"><Name>Host</Name><Type options="dynamic ip">read</Type></Param>
  </Params>
  <HTTP>
    <Session id="1" name="Ask" loginMethod="credentials" userName="3" password="1"><Connection id="1">
      <Request verb="GET" url="/rooms"><Headers><Header key="X-Room" pid="2"/></Headers>
        <Parameters><Parameter key="room" pid="2"/><Parameter key="all">1</Parameter></Parameters></Request>
    </Connection></Session>
    <Session id="2"><Connection id="1">
      <Request verb="POST" url="/rooms"><Headers><Header key="X-Key" pid="1"/></Headers>
        <Data><bs:Template>{"key": {{ Key | json }}, "room": "{{ Room }}"}</bs:Template></Data></Request>
    </Connection></Session>
    <Session id="3"><Connection id="1"><Request verb="GET" url="/never"/></Connection></Session>
  </HTTP>
  <Groups><Group id="1"><Content><Session>2</Session><Session>1</Session><Session>2</Session></Content></Group></Groups>
</Protocol>"#;

/// The lines, each with where it comes from behind an arrow.
fn explained(sets: &[(i32, &str)], address: Address<'_>) -> Vec<String> {
    explained_of(DEFINITION, 0, sets, address)
}

/// The same of any definition and connection.
fn explained_of(text: &str, connection: usize, sets: &[(i32, &str)], address: Address<'_>) -> Vec<String> {
    let (protocol, report) = load::whole(&source::Source::new("e.xml", text.to_owned()));
    let protocol = protocol.unwrap_or_else(|| panic!("{:#?}", report.diagnostics()));
    let mut ctx = Clock::start().context(0);
    let mut engine = Engine::new(protocol.clone(), logic::Options::default());
    engine.start(&mut ctx, First::default());
    for (id, value) in sets {
        let param = protocol.param_by_id(ParamId(*id)).expect("the definition has it");
        engine.set(&mut ctx, param, None, Value::text(*value), Origin::User).expect("it fits");
    }
    let connection = ConnectionIx::new(connection).expect("small");
    let all = requests(&mut ctx, engine.params(), &Options::default(), connection, address);
    let mut lines = Vec::new();
    for request in all {
        lines.push(request.title);
        match request.lines {
            Ok(all) => lines.extend(all.into_iter().map(|line| format!("{} <- {}", line.line, line.from))),
            Err(reason) => lines.push(reason),
        }
    }
    lines
}

#[test]
fn each_part_of_a_request_has_where_it_comes_from_and_secrets_are_masked() {
    let address = Address { host: Some("10.4.2.8"), port: Some(80) };
    assert_eq!(
        explained(&[(1, "s3cret \"key\""), (2, "a b"), (3, "Ann")], address),
        [
            "session 1 \"Ask\", request 1",
            "connect to 10.4.2.8:80 (http) <- settings",
            "GET /rooms?room=a%20b&all=1 <- parameter 2 \"Room\"",
            "Host: 10.4.2.8 <- settings",
            "X-Room: a b <- parameter 2 \"Room\"",
            "Authorization: *** <- parameter 3 \"User\", parameter 1 \"Key\"",
            "session 2, request 1",
            "connect to 10.4.2.8:80 (http) <- settings",
            "POST /rooms <- definition",
            "Host: 10.4.2.8 <- settings",
            "X-Key: *** <- parameter 1 \"Key\"",
            "{\"key\": \"***\", \"room\": \"a b\"} <- parameter 1 \"Key\", parameter 2 \"Room\"",
        ]
    );
}

#[test]
fn what_cannot_be_sent_says_why_and_a_dynamic_address_is_named() {
    let lines = explained(&[], Address::default());
    assert_eq!(lines[..2], ["session 1 \"Ask\", request 1", "there is no address"]);
    let lines = explained(&[(4, "http://other:81")], Address::default());
    assert_eq!(lines[1], "connect to other:81 (http) <- parameter 4 \"Host\"");
}

#[test]
fn a_session_stands_at_the_connection_that_carries_it_now_and_at_the_second_one() {
    let definition = r#"<Protocol><Name>E</Name>
      <Connections>
        <Connection id="0"><Http><CommunicationOptions><RedundantPolling>true</RedundantPolling></CommunicationOptions></Http></Connection>
        <Connection id="1"><Http/></Connection>
        <Connection id="2"><Http/></Connection>
      </Connections>
      <Params><Param id="1"><Name>Which</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><LengthType>next param</LengthType><Type>double</Type></Interprete></Param></Params>
      <HTTP>
        <Session id="1"><Connection id="1"><Request url="/a"/></Connection></Session>
        <Session id="2"><Connection id="1"><Request url="/b"/></Connection></Session>
      </HTTP>
      <Groups>
        <Group id="1"><Content><Session>1</Session></Content></Group>
        <Group id="2" connection="1" connectionPID="1"><Content><Session>2</Session></Content></Group>
      </Groups>
    </Protocol>"#;
    let address = Address { host: Some("10.4.2.8"), port: Some(80) };
    let titles = |connection: usize, which: &str| -> Vec<String> {
        let sets: &[(i32, &str)] = if which.is_empty() { &[] } else { &[(1, which)] };
        let lines = explained_of(definition, connection, sets, address);
        lines.into_iter().filter(|line| line.starts_with("session ")).collect()
    };
    let (first, second) = ("session 1, request 1", "session 2, request 1");
    let instead = "session 1, request 1, while connection 0 gets no answer";
    assert_eq!(titles(0, ""), [first]);
    assert_eq!(titles(1, ""), [instead, second]);
    assert_eq!(titles(1, "2"), [instead]);
    assert_eq!(titles(2, "2"), [second]);
    assert_eq!(titles(1, "7"), [instead, second], "there is no such connection");
    assert_eq!(titles(0, "0"), [first, second]);
}
