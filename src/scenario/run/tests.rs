//! Scenarios that hold, and scenarios that fail with words that help; peers and scripts have files of their own.

mod peers;
mod scripts;

use super::*;
use crate::language::load;
use crate::language::source::Source;
use crate::scenario::file;

/// A link whose path is parameter 8, with state messages into 41; a session that polls into 10 and 11 each second.
const DEFINITION: &str = r#"<Protocol xmlns:bs="urn:backshell:1">
  <Name>Small</Name>
  <Connections>
    <Connection id="0" name="Link"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection>
    <Connection id="1" name="Rest"><Http/></Connection>
  </Connections>
  <HTTP>
    <Session id="25"><Connection id="1"><Request verb="GET" pid="8"><Headers><Header key="X-Key">k</Header></Headers></Request></Connection></Session>
    <Session id="2"><Connection id="1"><Request verb="GET" url="/status"/><Response statusCode="10"><bs:Extract path="$.level" pid="11"/></Response></Connection></Session>
  </HTTP>
  <Params>
    <Param id="8"><Name>Path</Name><Type>read</Type><Interprete><RawType>other</RawType><Type>string</Type><DefaultValue>events</DefaultValue></Interprete></Param>
    <Param id="58" setter="true"><Name>Path</Name><Type>write</Type><Interprete><RawType>other</RawType><Type>string</Type></Interprete></Param>
    <Param id="10"><Name>Line</Name><Type>read</Type><Interprete><RawType>other</RawType><Type>string</Type></Interprete></Param>
    <Param id="11"><Name>Level</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><Type>double</Type></Interprete></Param>
    <Param id="41"><Name>Value</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><Type>double</Type></Interprete></Param>
    <Param id="42" bs:secret="true"><Name>Secret</Name><Type>read</Type><Interprete><RawType>other</RawType><Type>string</Type></Interprete></Param>
  </Params>
  <Commands><Command id="1"><Name>Ask</Name><Content><bs:Template>{"ask":"{{ Path }}"}</bs:Template></Content></Command></Commands>
  <Responses><Response id="1"><Name>State</Name><bs:Match path="$.state" exists="true"/><bs:Extract path="$.state" pid="41"/></Response></Responses>
  <Pairs>
    <Pair id="1"><Name>State</Name><Content><Response>1</Response></Content></Pair>
    <Pair id="2"><Name>Ask</Name><Content><Command>1</Command></Content></Pair>
  </Pairs>
  <Groups>
    <Group id="1" connection="1"><Content><Session>2</Session></Content></Group>
    <Group id="2"><Content><Pair>2</Pair></Content></Group>
  </Groups>
  <Triggers><Trigger id="1"><On id="0">connection</On><Time>opened</Time><Type>action</Type><Content><Id>1</Id></Content></Trigger></Triggers>
  <Actions><Action id="1"><On id="2">group</On><Type>execute</Type></Action></Actions>
  <Timers><Timer id="1"><Time>1000</Time><Interval>75</Interval><Content><Group>1</Group></Content></Timer></Timers>
</Protocol>"#;

/// The element's settings: both connections lead to one device.
const ELEMENT: &str = r#"
[element.connection.0]
host = "ws://device"
port = 80
[element.connection.1]
host = "http://device"
port = 80
"#;

fn played(text: &str) -> Outcome {
    let (protocol, report) = load::whole(&Source::new("protocol.xml", DEFINITION));
    let protocol = protocol.unwrap_or_else(|| panic!("{:#?}", report.diagnostics()));
    let file = file::parse(&Source::new("x.scenario.toml", format!("{ELEMENT}{text}"))).expect("a scenario");
    run(&file, &protocol, Path::new("."))
}

fn passes(text: &str) -> Outcome {
    let outcome = played(text);
    assert_eq!(outcome.failure, None, "{text}");
    outcome
}

/// Fails at its last step, with a message that begins so.
fn fails(text: &str, expected: &str) {
    let failure = played(text).failure.expect(text);
    assert!(failure.message.starts_with(expected), "{:?} is no {expected:?}", failure.message);
    let line = failure.line.expect("a step");
    let whole = format!("{ELEMENT}{text}");
    let last =
        whole.lines().collect::<Vec<_>>().iter().rposition(|line| *line == "[[step]]").expect("a step");
    // What does not fit the definition has the place of its value, below that of the step.
    match failure.column {
        None => assert_eq!(line, last + 1, "{}", failure.message),
        Some(column) => assert!(line > last + 1 && column > 1, "{failure:?}"),
    }
}

const PEER: &str = r#"
[[peer]]
[[peer.on]]
handshake = { path = "/events", headers = { X-Key = "k", Cookie = false } }
send = { state = 1 }
[[peer.on]]
message = { ask = "{string}" }
send = ['{"state":{{ count + 1 }},"asked":"{{ message.ask }}"}']
[[peer.on]]
request = "GET /status"
answer = { body = { level = "{{ count }}" } }
"#;

#[test]
fn a_link_is_opened_messages_go_both_ways_and_requests_are_answered() {
    let outcome = passes(&format!(
        r#"{PEER}
[[step]]
handshake = {{ path = "/events", headers = {{ Upgrade = "websocket" }} }}
[[step]]
states = {{ 0 = "ready" }}
[[step]]
received = {{ ask = "events" }}
[[step]]
params = {{ Value = 2, 8 = "events" }}
[[step]]
requested = "GET /status"
[[step]]
params = {{ 10 = "HTTP/1.1 200 OK", Level = "{{number}}" }}
[[step]]
send = {{ state = 40 }}
[[step]]
params = {{ 41 = 40 }}
[[step]]
wait = "1h"
[[step]]
seen = {{ handshakes = 1, messages = 1 }}
[[step]]
timeout = false
"#
    ));
    assert_eq!(outcome.steps, 11);
    assert!(outcome.simulated >= Duration::from_secs(3_600) && outcome.real < REAL);
}

#[test]
fn a_link_comes_back_after_drops_refusals_and_faults() {
    passes(
        r#"
[[peer]]
[[peer.on]]
handshake = {}
times = 1
answer = { status = 503, headers = { Retry-After = "5" }, body = "busy" }
[[peer.on]]
handshake = {}
times = 1
fault = "never-answer"
[[peer.on]]
handshake = {}
times = 1
fault = "reset"
[[peer.on]]
handshake = {}
times = 1
fault = "accept-and-close"
[[peer.on]]
handshake = {}
times = 1
fault = "bad-deflate"
[[peer.on]]
handshake = {}
times = 1
fault = "huge-frame"
[[peer.on]]
handshake = {}
times = 1
fault = "slow-drip"
[[peer.on]]
handshake = {}
[[step]]
seen = { handshakes = 8 }
within = "10m"
[[step]]
states = { 0 = "ready" }
[[step]]
fault = "half-open"
[[step]]
seen = { handshakes = 9 }
within = "5m"
[[step]]
states = { 0 = "ready" }
[[step]]
drop = true
[[step]]
seen = { handshakes = 10 }
[[step]]
states = { 0 = "ready" }
[[step]]
close = 1001
[[step]]
reachable = false
[[step]]
seen = { handshakes = 10 }
[[step]]
states = { 0 = "backoff" }
[[step]]
wait = "10m"
[[step]]
reachable = true
[[step]]
states = { 0 = "ready" }
within = "2m"
"#,
    );
}

#[test]
fn a_set_of_a_watched_parameter_moves_the_link() {
    passes(
        r#"
[[peer]]
[[step]]
states = { 0 = "ready" }
[[step]]
set = { Path = "other?x=1" }
[[step]]
handshake = { path = "/other?x=1" }
[[step]]
params = { 8 = "other?x=1" }
"#,
    );
}

#[test]
fn requests_that_go_wrong_put_the_element_into_timeout() {
    for fault in ["never-answer", "reset", "cut", "slow-drip"] {
        passes(&format!(
            r#"
[[peer]]
[[peer.on]]
request = "GET /status"
fault = "{fault}"
answer = {{ body = "{long}" }}
[[step]]
timeout = true
within = "5m"
"#,
            long = "x".repeat(600)
        ));
    }
}

#[test]
fn what_is_not_as_expected_is_told() {
    let with = |step: &str| format!("{PEER}\n[[step]]\n{step}");
    let fails = |step: &str, expected: &str| fails(&with(step), expected);
    fails("params = { Value = 5 }\nwithin = \"2s\"", "after 2s: parameter 41 (Value) is 2, not 5");
    fails(
        "params = { Value = 5, Path = \"x\" }\nwithin = \"2s\"",
        "after 2s: parameter 8 (Path) is \"events\", not \"x\"\nparameter 41 (Value) is 2, not 5",
    );
    fails("params = { 10 = \"x\" }\nwithin = \"0s\"", "after 0s: parameter 10 (Line) is empty, not \"x\"");
    fails("params = { Valu = 5 }", "the definition has no parameter `Valu`; did you mean `Value`?");
    fails("params = { Secret = \"x\" }", "parameter 42 (Secret) is secret");
    fails("rows = { 41 = 5 }", "parameter 41 is no table");
    fails("states = { 0 = \"closed\" }\nwithin = \"1s\"", "after 1s: connection 0 is ready, not closed");
    fails("states = { 9 = \"ready\" }", "the definition has no connection 9");
    fails("timeout = true\nwithin = \"1s\"", "after 1s: the element is not in timeout");
    fails(
        "received = { ask = \"other\" }\nwithin = \"1s\"",
        "after 1s: peer 0 did not get a message with {\"ask\":\"other\"}; it got another:\n  the message {\"ask\":\"events\"}: $.ask: expected \"other\", found \"events\"",
    );
    fails("requested = \"PUT /status\"\nwithin = \"5s\"", "after 5s: peer 0 did not get PUT /status; it got");
    fails(
        "handshake = { path = \"/x\" }\nwithin = \"1s\"",
        "after 1s: peer 0 did not get an opening handshake like this; it got another",
    );
    fails(
        "seen = { handshakes = 2 }\nwithin = \"1s\"",
        "after 1s: the peer has seen 1 opening handshakes, not 2",
    );
    fails("set = { Path = [1] }", "[1] is no value of a parameter");
    fails("params = { \"41[x]\" = 2 }", "parameter 41 (Value) is no column of a table: it has no row `x`");
    fails("set = { \"Path[x]\" = 2 }", "parameter 58 (Path) is no column of a table");
    fails("script_failed = \"x\"", "the definition has no scripts");
    fails("set = { Level = \"x\" }", "`set` of `Level`: parameter 11 ");
}

#[test]
fn a_scenario_that_is_wrong_itself_fails() {
    fails(
        "\n[[peer]]\n[[peer.on]]\nhandshake = {}\nsend = \"{{ nobody }}\"\n[[step]]\nwait = \"5s\"",
        "peer 0 of the scenario: `{{ nobody }}` cannot be filled in",
    );
    fails(
        "\n[[peer]]\nhost = \"elsewhere\"\n[[step]]\nsend = \"x\"\nwithin = \"3s\"",
        "after 3s: peer 0 has no open link",
    );
    let (protocol, _) = load::whole(&Source::new("protocol.xml", DEFINITION));
    let text =
        "title = \"x\"\n[element.connection.0]\nhost = \"ws://device\"\n\n[element.params]\nNobody = 1";
    let file = file::parse(&Source::new("x.scenario.toml", text)).expect("a scenario");
    let outcome = run(&file, &protocol.expect("a protocol"), Path::new("."));
    let failure = outcome.failure.expect("there is no such parameter");
    assert_eq!(failure.line, Some(6));
    assert!(failure.message.contains("no parameter `Nobody`"), "{}", failure.message);
    assert!(!failure.message.contains("x.scenario.toml"), "{}", failure.message);
}

#[test]
fn what_does_not_fit_the_definition_is_told_before_anything_happens() {
    let text = format!("{PEER}[[step]]\nwait = \"1h\"\n[[step]]\nparams = {{ Nobody = 1 }}");
    let outcome = played(&text);
    assert_eq!((outcome.steps, outcome.simulated), (0, Duration::ZERO));
    fails(&text, "the definition has no parameter `Nobody`");
    let place = |step: &str| {
        let text = format!("[[peer]]\n[[step]]\nwait = \"1h\"\n[[step]]\n{step}");
        let failure = played(&text).failure.expect(step);
        assert_eq!(failure.line, Some(ELEMENT.lines().count() + 5), "{step}");
        format!("{}: {}", failure.column.expect("a column"), failure.message)
    };
    assert_eq!(
        place("params = { Value = 5, Secret = 1 }"),
        "32: parameter 42 (Secret) is secret: nobody sees its value"
    );
    assert!(place("set = { Path = [1] }").starts_with("16: [1] is no value"));
    assert_eq!(place("rows = { 41 = 5 }"), "15: parameter 41 is no table");
    assert_eq!(place("script_failed = 'x'"), "17: the definition has no scripts");
    // States that such a connection never has, instead of a minute of waiting for them.
    assert_eq!(
        place("states = { 1 = 'backoff' }"),
        "16: connection 1 is never `backoff`: connections of requests are idle, ready, timeout"
    );
    let of_links = "16: connection 0 is never `timeout`: links are idle, connecting, ready, closing, backoff, rejected, closed";
    assert_eq!(place("states = { 0 = 'timeout' }"), of_links);
}

#[test]
fn a_request_is_found_by_a_pattern_of_its_path() {
    let outcome = passes(
        r#"
[[peer]]
[[peer.on]]
request = "GET {match: /stat[a-z]+}"
answer = { body = { level = 7 } }
[[step]]
params = { Level = 7 }
[[step]]
requested = "{match: /status|/a b}"
[[step]]
requested = "GET {any}"
"#,
    );
    assert_eq!(outcome.steps, 3);
}

/// Fails with a message that has all these lines.
fn fails_with(text: &str, lines: &[&str]) {
    let failure = played(text).failure.expect(text);
    for line in lines {
        let found = failure.message.lines().any(|found| found.starts_with(line));
        assert!(found, "no {line:?} in {:?}", failure.message);
    }
}

#[test]
fn a_scenario_that_fails_says_what_else_went_wrong() {
    let rules = r#"
[[peer]]
[[peer.on]]
handshake = { path = "/other" }
[[peer.on]]
request = "GET /else"
[[peer.on]]
request = "PUT /status"
[[step]]
params = { Level = 5 }
within = "5s"
"#;
    fails_with(
        rules,
        &[
            "after 5s: parameter 11 (Level) is empty, not 5",
            "connection 0 (Link) is rejected; the link to ws://device/events failed: http: the peer answered `HTTP/1.1 404",
            "connection 1 (Rest): a request failed: ",
            "peer 0: no rule fits a handshake for /events: the rule in line 10 differs: the path: expected `/other`",
            "peer 0: no rule fits GET /status: the rule in line 12 differs: the path: expected `/else`, found `/status`",
        ],
    );
    let messages = r#"
[[peer]]
[[peer.on]]
message = { ask = "other" }
[[peer.on]]
message = "{any}"
times = 1
send = { odd = 5 }
[[step]]
states = { 0 = "ready" }
[[step]]
set = { Path = "events" }
[[step]]
params = { Value = 5 }
within = "5s"
"#;
    fails_with(
        messages,
        &[
            "after 5s: parameter 41 (Value) is empty, not 5",
            "connection 0 (Link): 1 message that no response of the definition takes, the last: {\"odd\":5}",
            "peer 0: no rule fits the message {\"ask\":\"events\"}: the rule in line 12 is used up (`times`)",
        ],
    );
    let elsewhere = "\n[[peer]]\nhost = \"elsewhere\"\n[[step]]\nstates = { 0 = \"ready\" }\nwithin = \"1s\"";
    fails_with(elsewhere, &["connection 0 (Link) is backoff; the link to ws://device/events failed: "]);
}

#[test]
fn links_and_requests_that_want_tls_get_what_stands_for_it() {
    let (protocol, _) = load::whole(&Source::new("protocol.xml", DEFINITION));
    // A certificate that is not there: no TLS is spoken, and nothing of it is read.
    let text = r#"
[element.connection.0]
host = "wss://device"
tls = { ca = "nowhere.pem" }
[element.connection.1]
host = "https://device"
tls = { ca = "nowhere.pem", server_name = "other" }
[[peer]]
host = "device:443"
[[peer.on]]
handshake = { headers = { Host = "device" } }
send = { state = 4 }
[[peer.on]]
request = "GET /status"
answer = { body = { level = 5 } }
[[step]]
params = { Value = 4, Level = 5 }
[[step]]
states = { 0 = "ready", 1 = "ready" }
"#;
    let file = file::parse(&Source::new("x.scenario.toml", text)).expect("a scenario");
    let outcome = run(&file, &protocol.expect("a protocol"), Path::new("."));
    assert_eq!(outcome.failure, None);
}

#[test]
fn a_step_about_a_link_needs_a_definition_with_one() {
    let (protocol, _) = load::whole(&Source::new("protocol.xml", "<Protocol><Name>Empty</Name></Protocol>"));
    let protocol = protocol.expect("a protocol");
    for step in
        ["received = 1", "handshake = {}", "send = 1", "close = 1000", "drop = true", "fault = 'reset'"]
    {
        let text = format!("[[peer]]\n[[step]]\n{step}\n");
        let file = file::parse(&Source::new("x.scenario.toml", text)).expect("a scenario");
        let failure = run(&file, &protocol, Path::new(".")).failure.expect(step);
        let word = step.split(' ').next().expect("a word");
        let expected = format!("`{word}` is about links, and no connection of the definition is a WebSocket");
        assert_eq!(
            (failure.line, failure.column, failure.message),
            (Some(3), Some(word.len() + 4), expected)
        );
    }
}

#[test]
fn what_the_engine_reports_is_among_the_reasons() {
    let text = r#"
[[peer]]
[[peer.on]]
handshake = {}
send = [{ state = "much" }, { state = "more" }, { state = "more" }]
[[step]]
params = { Value = 5 }
within = "5s"
"#;
    fails_with(
        text,
        &[
            "after 5s: parameter 41 (Value) is empty, not 5",
            "a value for parameter 41 was dropped: does not fit the raw type (3 times)",
        ],
    );
}

#[test]
fn yes_and_no_are_the_same_for_numbers_choices_and_texts() {
    let param = |id: u32, kind: &str, raw: &str, discreets: &str| {
        let measured = match discreets {
            "" => String::new(),
            list => format!("<Measurement><Type>discreet</Type><Discreets>{list}</Discreets></Measurement>"),
        };
        format!(
            "<Param id=\"{id}\"><Name>P{id}</Name><Type>read</Type><Interprete><RawType>{raw}</RawType><Type>{kind}</Type></Interprete>{measured}</Param>"
        )
    };
    let choice = |shown: &str, value: &str| {
        format!("<Discreet><Display>{shown}</Display><Value>{value}</Value></Discreet>")
    };
    let definition = format!(
        "<Protocol><Name>Yes</Name><Params>{}{}{}{}</Params></Protocol>",
        param(1, "double", "numeric text", ""),
        param(2, "double", "numeric text", &(choice("Off", "0") + &choice("On", "1"))),
        param(3, "string", "other", ""),
        param(4, "string", "other", &(choice("No", "False") + &choice("Yes", "True"))),
    );
    let (protocol, report) = load::whole(&Source::new("protocol.xml", definition));
    let protocol = protocol.unwrap_or_else(|| panic!("{:#?}", report.diagnostics()));
    let text = r#"
[[step]]
set = { 1 = true, 2 = true, 3 = true, 4 = true }
[[step]]
params = { 1 = true, 2 = true, 3 = true, 4 = true }
within = "0s"
[[step]]
params = { 1 = 1, 2 = "On", 3 = "true", 4 = "True" }
within = "0s"
[[step]]
set = { 1 = false, 2 = false, 3 = false, 4 = false }
[[step]]
params = { 1 = 0, 2 = "Off", 3 = "false", 4 = "No" }
within = "0s"
[[step]]
params = { 4 = true }
within = "0s"
"#;
    let file = file::parse(&Source::new("x.scenario.toml", text)).expect("a scenario");
    let failure = run(&file, &protocol, Path::new(".")).failure.expect("the last step does not hold");
    assert_eq!(failure.message, "after 0s: parameter 4 (P4) is \"False\", not true");
}
