//! Definitions through all of loading: what the model says of good ones, and that no change to one breaks the loader.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use backshell::language::load;
use backshell::language::model::Protocol;
use backshell::language::model::connection::{ConnectionKind, Handover, IgnoreTimeout, Source as Value};
use backshell::language::model::id::{ConnectionIx, ParamId};
use backshell::language::model::logic::{GroupRun, Item, Run, Step, Targets, Time};
use backshell::language::model::message::{self, CommandContent, JsonPath, PathForm};
use backshell::language::source::Source;
use proptest::prelude::*;

fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/definitions/valid").join(name);
    fs::read_to_string(path).expect("definition is there")
}

fn protocol(text: &str) -> Arc<Protocol> {
    let (protocol, report) = load::whole(&Source::new("test.xml", text));
    protocol.unwrap_or_else(|| panic!("{:#?}", report.diagnostics()))
}

/// The author's ids of the triggers that fire.
fn fired(protocol: &Protocol, item: Item, time: Time) -> Vec<i32> {
    protocol.triggers_on(item, time).iter().map(|ix| protocol.trigger(*ix).id.0).collect()
}

fn param(protocol: &Protocol, id: i32) -> backshell::language::model::id::ParamIx {
    protocol.param_by_id(ParamId(id)).expect("parameter is there")
}

#[test]
fn the_reference_handshake_is_resolved() {
    let protocol = protocol(&file("reference-handshake.xml"));
    let connection = &protocol.connections[0];
    assert_eq!(connection.kind, ConnectionKind::WebSocket);
    assert_eq!(connection.id.map(|id| id.0), Some(1));
    assert!(connection.make_command_by_protocol && connection.defaults.bypass_proxy);
    assert_eq!(connection.defaults.port, Some(8050));
    assert_eq!(connection.connections_param, Some(param(&protocol, 7)));
    assert_eq!(connection.dynamic_ip, Some(param(&protocol, 1)));
    let session = protocol.session(connection.handshake.expect("handshake"));
    let exchange = &session.exchanges[0];
    assert_eq!(exchange.url, Value::Param(param(&protocol, 8)));
    assert_eq!(&*exchange.headers[0].name, "Sec-WebSocket-Extensions");
    let watched: Vec<i32> =
        protocol.params.iter().filter(|param| !param.watched_by.is_empty()).map(|param| param.id.0).collect();
    assert_eq!(watched, [1, 8, 9]);
    let names = protocol.params_by_name("WEBSOCKETURL");
    assert_eq!((names.read, names.write), (Some(param(&protocol, 8)), Some(param(&protocol, 58))));
    assert_eq!(protocol.param(param(&protocol, 58)).setter, Some(param(&protocol, 8)));
}

#[test]
fn cells_of_a_volatile_column_are_not_saved_whatever_the_column_is() {
    let columns = ["", ";save", ";save;volatile", ";volatile;foreignKey=10", "|save|foreignKey=10"];
    let options: String = columns
        .iter()
        .enumerate()
        .map(|(at, options)| {
            format!("<ColumnOption idx=\"{at}\" pid=\"{}\" options=\"{options}\"/>", at + 11)
        })
        .collect();
    let params: String = (11..16).map(|id| format!("<Param id=\"{id}\"><Type>read</Type></Param>")).collect();
    let text = format!(
        "<Protocol><Params><Param id=\"10\"><Type>array</Type><ArrayOptions index=\"0\">{options}</ArrayOptions></Param>{params}</Params></Protocol>"
    );
    let saved: Vec<bool> = protocol(&text).tables[0].columns.iter().map(|column| column.save).collect();
    assert_eq!(saved, [true, true, false, false, true]);
}

#[test]
fn a_link_is_moved_by_what_its_handshake_is_made_of_unless_the_author_says_otherwise() {
    let text = file("additions.xml");
    let (header, param) =
        (r#"pid="3" bs:watch="false""#, r#"<Param id="3" bs:secret="true" bs:watch="false""#);
    let watched = |what: &str, text: &str, expected: &[i32]| {
        let protocol = protocol(text);
        let watched = protocol.params.iter().filter(|param| !param.watched_by.is_empty());
        assert_eq!(watched.map(|param| param.id.0).collect::<Vec<_>>(), expected, "{what}");
    };
    assert!(text.contains(header) && text.contains(param));
    let header_watched = text.replace(header, r#"pid="3""#);
    let param_watched = text.replace(param, r#"<Param id="3" bs:secret="true""#);
    let both = header_watched.replace(param, r#"<Param id="3" bs:secret="true""#);
    watched("neither", &text, &[2]);
    watched("the parameter says no", &header_watched, &[2]);
    watched("the header says no", &param_watched, &[2]);
    watched("nobody says no", &both, &[2, 3]);
    let session = r#"<Session id="1" name="Handshake" loginMethod="credentials" userName="2" password="3">"#;
    let login = param_watched.replace(r#"<Session id="1" name="Handshake">"#, session);
    watched("a password", &login, &[2, 3]);
}

#[test]
fn everything_is_compiled() {
    let protocol = protocol(&file("everything.xml"));
    let link = &protocol.connections[0];
    assert_eq!(link.reconnect.handover, Handover::OpenFirst);
    assert_eq!(link.reconnect.stop_on, [402, 4001]);
    assert_eq!(link.keep_alive.heartbeat.map(|ix| protocol.pair(ix).id.0), Some(3));
    assert_eq!(protocol.connections[2].kind, ConnectionKind::Virtual);
    let login = protocol.sessions.iter().find(|session| session.id.0 == 30).expect("session 30");
    assert_eq!(login.exchanges[0].ignore_timeout, IgnoreTimeout::Statuses(vec![(404, 404), (500, 599)]));
    assert_eq!(login.exchanges[1].ignore_timeout, IgnoreTimeout::Everything);
    assert_eq!(protocol.queues, 3);
    let group = protocol.groups.iter().find(|group| group.id.0 == 2).expect("group 2");
    assert_eq!(group.queue, 1);
    assert!(matches!(group.content[0].run, GroupRun::Session { exchange: Some(0), .. }));
    let response = &protocol.responses[0];
    assert!(matches!(
        response.mapping.extracts[0].path,
        message::Path::Json(JsonPath { form: PathForm::Singular(_), .. })
    ));
    assert!(matches!(
        response.mapping.extracts[1].path,
        message::Path::Json(JsonPath { form: PathForm::General(_), .. })
    ));
    assert!(response.mapping.extracts[0].how.divisor.is_some());
    let CommandContent::Template(template) = &protocol.commands[0].content else { panic!("a template") };
    assert_eq!(template.params.len(), 2);
    let table = protocol.tables.iter().find(|table| table.auto_add).expect("table 1000");
    let saved: Vec<bool> = table.columns.iter().map(|column| column.save).collect();
    assert_eq!(saved, [true, false, false, true, true]);
    assert!(protocol.actions.iter().all(|action| action.run != Run::Nothing), "every action does something");
}

#[test]
fn a_trigger_on_each_fires_where_none_of_its_own_is() {
    let protocol = protocol(&file("everything.xml"));
    let command = |at| Item::Command(backshell::language::model::id::CommandIx::new(at).expect("small"));
    assert_eq!(fired(&protocol, command(0), Time::Before), [4]);
    assert_eq!(fired(&protocol, command(1), Time::Before), [5]);
    assert_eq!(fired(&protocol, command(1), Time::After), [6]);
    assert_eq!(fired(&protocol, command(0), Time::After), [0_i32; 0]);
    assert_eq!(fired(&protocol, Item::Protocol, Time::AfterStartup), [1]);
    let connection = |at| Item::Connection(ConnectionIx::new(at).expect("small"));
    assert_eq!(fired(&protocol, connection(2), Time::Closed), [19]);
}

#[test]
fn responses_that_ask_for_something_come_before_those_that_take_anything() {
    let text = r#"<Protocol xmlns:bs="urn:backshell:1">
      <Connections><Connection id="0"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection>
        <Connection id="1"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection>
        <Connection id="2"><Http/></Connection></Connections>
      <Params><Param id="1"><Type>read</Type></Param>
        <Param id="2"><Type>fixed</Type><Interprete><Value>a</Value></Interprete></Param></Params>
      <Responses><Response id="9"><Content><Param>1</Param></Content></Response>
        <Response id="7"><Content><Param>2</Param></Content></Response>
        <Response id="8" options="Connection:1"><bs:Match path="$.a" equals="1"/></Response>
        <Response id="1" options=";connection:0"><Content><Param>2</Param><Param>1</Param></Content></Response>
      </Responses></Protocol>"#;
    let protocol = protocol(text);
    let order = |at: usize| -> Vec<i32> {
        let list = protocol.candidates(ConnectionIx::new(at).expect("small"));
        list.iter().map(|ix| protocol.response(*ix).id.0).collect()
    };
    assert_eq!(order(0), [7, 1, 9]);
    assert_eq!(order(1), [7, 8, 9]);
    assert_eq!(order(2), [0_i32; 0]);
}

#[test]
fn an_item_without_its_target_does_nothing_and_the_rest_stays() {
    let text = r#"<Protocol><Params><Param id="10"><Type>read</Type></Param></Params>
      <Triggers><Trigger id="1"><On id="10">parameter</On><Time>change</Time><Type>action</Type><Content><Id>1</Id><Id>2</Id></Content></Trigger></Triggers>
      <Actions><Action id="2"><On id="10;11">parameter</On><Type>clear</Type></Action></Actions></Protocol>"#;
    let (protocol, report) = load::whole(&Source::new("test.xml", text));
    let protocol = protocol.expect("loads");
    let messages: Vec<&str> = report.diagnostics().iter().map(|found| found.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "trigger 1 refers to action 1, which is not defined",
            "action 2 refers to parameter 11, which is not defined"
        ]
    );
    assert!(matches!(protocol.triggers[0].content[..], [Step::Action(_)]));
    let Run::Param(Targets::These(list), _) = &protocol.actions[0].run else { panic!("on a parameter") };
    assert_eq!(list.len(), 1);
}

#[test]
fn sections_given_twice_are_one_list_and_an_id_in_both_is_reported_with_both_places() {
    let text = "<Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params>\n<Params><Param id=\"2\"><Type>read</Type></Param></Params></Protocol>";
    let both = load::whole(&Source::new("test.xml", text)).0.expect("loads");
    assert_eq!(both.params.len(), 2);
    let (none, report) = load::whole(&Source::new("test.xml", text.replace("id=\"2\"", "id=\"1\"")));
    assert!(none.is_none());
    let doubled = report.diagnostics().iter().find(|found| found.code.name() == "P2002").expect("reported");
    assert!(doubled.related[0].span.start < doubled.span.start);
}

#[test]
fn a_missing_item_is_reported_once_with_its_further_uses() {
    let uses: String =
        (1..=9).map(|id| format!("<Group id=\"{id}\"><Content><Pair>5</Pair></Content></Group>")).collect();
    let text = format!(
        "<Protocol><Groups>{uses}</Groups><Pairs><Pair id=\"4\"><Content/></Pair></Pairs></Protocol>"
    );
    let (_, report) = load::whole(&Source::new("test.xml", text));
    let dangling: Vec<_> = report.diagnostics().iter().filter(|found| found.code.name() == "P2001").collect();
    assert_eq!(dangling.len(), 1);
    assert!(dangling[0].related.iter().any(|place| place.message == "the nearest pair is 4"));
}

/// The places of all attribute values and of all short texts of a definition.
fn values(text: &str) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut start = 0;
    while let Some(at) = text.get(start..).and_then(|rest| rest.find(['"', '>'])) {
        let from = start + at + 1;
        let close = if text.as_bytes()[from - 1] == b'"' { '"' } else { '<' };
        let Some(length) = text.get(from..).and_then(|rest| rest.find(close)) else { break };
        if length > 0 && length < 60 {
            places.push((from, from + length));
        }
        start = if close == '"' { from + length + 1 } else { from + length };
    }
    places
}

const WORDS: &[&str] = &[
    "",
    "0",
    "1",
    "2",
    "-1",
    "7",
    "25",
    "40",
    "1000",
    "65536",
    "4294967296",
    "99999999999999999999",
    "0x",
    "0x0D",
    "0x0",
    "each",
    "true",
    "false",
    "loop",
    "id:1 == 1",
    "id:1 == ",
    "((((",
    "parameter",
    "command",
    "group",
    "array",
    "fixed",
    "double",
    "$",
    "$.a[",
    "$..a",
    "{{ x }}",
    "{{ param(1) }}",
    "{% for a in b %}",
    "{{ \"",
    ";",
    ";;;",
    "1;2;3",
    "random=5:1",
    "dynamic ip 9",
    "Connection:9",
    "div:0",
    "div:id:1",
    "*:",
    "é",
    "\u{1F600}",
    "connection",
    "after startup",
    "execute",
    "read file",
    "copy",
    "[",
    "(",
    "&#10;",
    "&amp;",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn values_exchanged_at_random_are_reported_inside_the_file_and_never_break_the_loader(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..3_u8), 1..12),
        which in 0..3_usize,
    ) {
        let name = ["everything.xml", "reference-handshake.xml", "connections-with-types.xml"][which];
        let mut text = file(name);
        for (place, word, kind) in changes {
            let places = values(&text);
            let (start, end) = *place.get(&places);
            let other = match kind {
                // Another value of the same file makes doubled ids and references to the wrong kind.
                0 => { let (from, to) = *word.get(&places); text[from..to].to_owned() }
                1 => WORDS[word.index(WORDS.len())].to_owned(),
                _ => String::new(),
            };
            text.replace_range(start..end, &other);
        }
        let source = Source::new("changed.xml", text);
        let (protocol, report) = load::whole(&source);
        prop_assert_eq!(protocol.is_some(), !report.has_errors());
        let length = source.text().len();
        for found in report.diagnostics() {
            let places = std::iter::once(found.span).chain(found.related.iter().map(|place| place.span));
            for span in places {
                prop_assert!(span.start <= span.end && span.end as usize <= length, "{:?}", found);
            }
        }
        if let Some(protocol) = protocol {
            sound(&protocol);
        }
    }
}

/// Every index of a model is one of the model: each look-up would panic otherwise.
fn sound(protocol: &Protocol) {
    assert!(!protocol.connections.is_empty());
    for param in &protocol.params {
        param.setter.iter().for_each(|ix| touch(protocol.param(*ix)));
        param.table.iter().for_each(|ix| touch(protocol.table(*ix)));
        param.column.iter().for_each(|(ix, at)| touch(&protocol.table(*ix).columns[usize::from(*at)]));
        param.watched_by.iter().for_each(|ix| touch(protocol.connection(*ix)));
    }
    for table in &protocol.tables {
        assert!(usize::from(table.key) < table.columns.len());
        table.columns.iter().for_each(|column| touch(protocol.param(column.param)));
    }
    for response in &protocol.responses {
        response.fields.iter().for_each(|ix| touch(protocol.param(*ix)));
        response.mapping.extracts.iter().for_each(|extract| touch(protocol.param(extract.param)));
        for rows in &response.mapping.rows {
            let table = protocol.table(rows.table);
            assert!(!rows.columns.is_empty() && rows.cells.iter().all(|cell| cell.at < rows.columns.len()));
            rows.columns.iter().for_each(|column| touch(&table.columns[usize::from(column.column)]));
        }
    }
    for pair in &protocol.pairs {
        pair.command.iter().for_each(|ix| touch(protocol.command(*ix)));
        pair.responses.iter().for_each(|ix| touch(protocol.response(*ix)));
    }
    for group in &protocol.groups {
        assert!(group.queue < protocol.queues);
        protocol.connection(group.connection);
        for item in &group.content {
            match item.run {
                GroupRun::Param(ix) => touch(protocol.param(ix)),
                GroupRun::Pair(ix) => touch(protocol.pair(ix)),
                GroupRun::Action(ix) => touch(protocol.action(ix)),
                GroupRun::Trigger(ix) => touch(protocol.trigger(ix)),
                GroupRun::Session { session, exchange } => {
                    let session = protocol.session(session);
                    exchange.iter().for_each(|at| touch(&session.exchanges[usize::from(*at)]));
                }
            }
        }
    }
    for trigger in &protocol.triggers {
        for step in trigger.content.iter().chain(&trigger.otherwise) {
            match step {
                Step::Action(ix) => touch(protocol.action(*ix)),
                Step::Trigger(ix) => touch(protocol.trigger(*ix)),
            }
        }
    }
    for connection in &protocol.connections {
        protocol.candidates(connection.index).iter().for_each(|ix| touch(protocol.response(*ix)));
        connection.handshake.iter().for_each(|ix| assert_eq!(protocol.session(*ix).exchanges.len(), 1));
    }
    assert!(protocol.params.is_sorted_by_key(|param| param.id));
    assert!(protocol.triggers.is_sorted_by_key(|trigger| trigger.id));
}

/// Says that only the look-up counts.
fn touch<T>(_: &T) {}

#[test]
fn each_fetch_of_a_token_and_each_session_before_a_link_has_a_queue_of_its_own() {
    let text = file("token-chain.xml");
    let shared = "<bs:Token sharedWith=\"0\"/>";
    let own = "<bs:Token session=\"4\" pid=\"14\" connection=\"0\"/>";
    for (text, expected) in [(text.clone(), 2), (text.replace(shared, own), 3)] {
        let protocol = protocol(&text);
        let groups = protocol.tokens.iter().map(|token| token.group);
        let own = groups.chain(protocol.connections.iter().filter_map(|connection| connection.before));
        let queues: Vec<u16> = own.map(|group| protocol.group(group).queue).collect();
        let last = protocol.queues;
        assert_eq!(queues, (last - expected..last).collect::<Vec<_>>());
        assert_eq!(protocol.own_queues, expected);
    }
}
