//! Scenarios that hold, and scenarios that fail with words that help.

use super::*;
use crate::language::load;
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
    <Group id="1"><Content><Session>2</Session></Content><Connection>1</Connection></Group>
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
    assert_eq!(line, last + 1, "{}", failure.message);
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
    fails("params = { 10 = \"x\" }\nwithin = \"0s\"", "after 0s: parameter 10 (Line) is empty, not \"x\"");
    fails("params = { Valu = 5 }", "the definition has no parameter `Valu`; did you mean `Value`?");
    fails("params = { Secret = \"x\" }", "parameter 42 (Secret) is secret");
    fails("rows = { 41 = 5 }", "parameter 41 is no table");
    fails("states = { 0 = \"closed\" }\nwithin = \"1s\"", "after 1s: connection 0 is ready, not closed");
    fails("states = { 9 = \"ready\" }", "the definition has no connection 9");
    fails("timeout = true\nwithin = \"1s\"", "after 1s: the element is not in timeout");
    fails(
        "received = { ask = \"other\" }\nwithin = \"1s\"",
        "after 1s: peer 0 did not get a message with {\"ask\":\"other\"}; it got 1 others, the nearest first:\n  the message {\"ask\":\"events\"}: $.ask: expected \"other\", found \"events\"",
    );
    fails("requested = \"PUT /status\"\nwithin = \"5s\"", "after 5s: peer 0 did not get PUT /status; it got");
    fails(
        "handshake = { path = \"/x\" }\nwithin = \"1s\"",
        "after 1s: peer 0 did not get an opening handshake like this; it got 1 others",
    );
    fails(
        "seen = { handshakes = 2 }\nwithin = \"1s\"",
        "after 1s: the peer has seen 1 opening handshakes, not 2",
    );
    fails("set = { Path = [1] }", "[1] is no value of a parameter");
    fails("set = { Level = \"x\" }", "parameter Level:");
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
    let file = file::parse(&Source::new("x", "[element.params]\nNobody = 1")).expect("a scenario");
    let outcome = run(&file, &protocol.expect("a protocol"), Path::new("."));
    let failure = outcome.failure.expect("there is no such parameter");
    assert_eq!((failure.line, failure.message.contains("no parameter `Nobody`")), (None, true));
}

#[test]
fn rules_of_the_clock_heed_their_times_their_delay_and_their_count() {
    passes(
        r#"
[[peer]]
[[peer.on]]
every = "5s"
after = "2s"
times = 2
send = { state = "{{ count }}" }
[[step]]
states = { 0 = "ready" }
[[step]]
wait = "6s"
[[step]]
params = { Value = "" }
within = "0s"
[[step]]
params = { Value = 1 }
within = "2s"
[[step]]
params = { Value = 2 }
within = "6s"
[[step]]
wait = "1m"
[[step]]
params = { Value = 2 }
within = "0s"
"#,
    );
}

#[test]
fn a_peer_that_is_away_says_nothing_over_its_links_and_hears_nothing() {
    passes(
        r#"
[[peer]]
[[peer.on]]
every = "1s"
send = { state = "{{ count }}" }
[[peer.on]]
request = "GET /status"
answer = { body = { level = 5 } }
[[step]]
params = { Value = 1, Level = 5 }
[[step]]
reachable = false
[[step]]
wait = "30s"
[[step]]
params = { Value = 1 }
within = "0s"
[[step]]
seen = { requests = 2 }
[[step]]
timeout = true
[[step]]
reachable = true
[[step]]
params = { Value = "{match: [1-9]|1[0-9]}" }
within = "2s"
[[step]]
timeout = false
"#,
    );
    fails(
        "\n[[peer]]\n[[step]]\nstates = { 0 = \"ready\" }\n[[step]]\nreachable = false\n[[step]]\nsend = \"x\"",
        "peer 0 is not reachable now: only `drop` can happen to its links",
    );
}

#[test]
fn a_peer_that_sends_while_its_link_closes_is_not_wrong() {
    passes(
        r#"
[[peer]]
[[peer.on]]
every = "1ms"
send = { state = 1 }
[[step]]
params = { Value = 1 }
[[step]]
close = 1001
[[step]]
seen = { handshakes = 2 }
"#,
    );
}

#[test]
fn the_peer_that_names_host_and_port_goes_before_the_one_that_names_the_host() {
    passes(
        r#"
[[peer]]
[[peer]]
host = "device"
[[peer]]
host = "DEVICE:80"
[[step]]
seen = { handshakes = 1 }
peer = 2
[[step]]
seen = { handshakes = 0, requests = 0 }
peer = 1
[[step]]
seen = { handshakes = 0, requests = 0 }
"#,
    );
}
