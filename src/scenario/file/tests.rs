//! What is read, and what is wrong with what is not, with its place.

use super::*;

fn problem(text: &str) -> String {
    parse(&Source::new("x.scenario.toml", text)).expect_err(text).to_string()
}

#[test]
fn a_whole_file_is_read() {
    let text = r#"
title = "asks"
within = "5s"
wall = "2026-02-03T04:05:06Z"
[element.params]
Path = "x"
[[peer]]
host = "device:80"
[[peer.on]]
handshake = { path = "/x", headers = { Authorization = "Bearer t", Cookie = false } }
send = ["hello", { a = 1 }]
[[peer.on]]
request = "PUT /air"
content = { target = 21 }
answer = { status = 204 }
times = 1
[[step]]
wait = "1h 30m"
[[step]]
params = { 10 = 5 }
within = "250ms"
"#;
    let file = parse(&Source::new("x.scenario.toml", text)).expect("a scenario");
    assert_eq!((file.title.as_str(), file.within, file.seed), ("asks", Duration::from_secs(5), 1));
    assert_eq!(file.wall.rfc3339(), "2026-02-03T04:05:06.000Z");
    assert_eq!(file.definition(Path::new("a/x.scenario.toml")), Path::new("a/protocol.xml"));
    let [first, second] = &file.peers[0].rules[..] else { panic!("two rules") };
    assert!(matches!(&first.when, When::Handshake(head) if head.headers.len() == 2));
    assert_eq!(first.then.send, [Value::from("hello"), serde_json::json!({"a": 1})]);
    let When::Request(head, Some(_)) = &second.when else { panic!("{second:?}") };
    assert_eq!((head.method.as_deref(), head.path.as_deref()), (Some("PUT"), Some("/air")));
    assert_eq!((second.then.status, second.times), (Some(204), Some(1)));
    let [wait, params] = &file.steps[..] else { panic!("two steps") };
    assert!(matches!(wait.act, Act::Wait(time) if time == Duration::from_secs(5_400)));
    assert_eq!((wait.line, params.line), (17, 19));
    assert_eq!((wait.within, params.within), (Duration::from_secs(5), Duration::from_millis(250)));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let check = |text: &str, expected: &str| {
        let found = problem(text);
        assert!(found.starts_with(expected), "{text:?} gives {found:?}");
    };
    check("title = 5", "1:9: invalid type");
    check("\nabc = 5", "2:1: unknown field `abc`, expected one of ");
    check("[[step]]\ntimout = true", "2:1: unknown field `timout`; did you mean `timeout`?");
    check("[[peer]]\n[[step]]\nfault = 'resett'", "3:9: unknown variant `resett`; did you mean `reset`?");
    for (text, place) in [("[peer]", "1:1"), ("[step]", "1:1"), ("[[peer]]\n[peer.on]", "2:1")] {
        check(
            text,
            &format!("{place}: invalid type: map, expected a list, whose parts begin with double brackets"),
        );
    }
    check("within = \"soon\"", "1:10: `soon` is no time such as 250ms, 5s or 1h");
    check("within = \"9000h 400days\"", "1:10: `9000h 400days` is more than 400 days");
    check("wall = \"today\"", "1:8: `wall` is `today`, and not a time");
    check("[element]\nname = \"x\"", "2:8: `[element]` has no `name` in a scenario");
    check("[[step]]", "1:1: a step has one of");
    check("\n[[step]]\nwait = \"1s\"\ntimeout = true", "2:1: a step has one of");
    check("[[step]]\ndrop = true", "1:1: there is no peer 0: the file has 0");
    check("[[step]]\nwait = \"1s\"\npeer = 1", "3:8: `peer` says nothing here");
    check("[[peer]]\n[[step]]\nfault = \"cut\"", "3:9: the fault `cut` cannot happen to an open link");
    check("[[step]]\nstates = { x = \"ready\" }", "2:16: `x` is no index of a connection");
    check("[[peer]]\n[[peer.on]]\nsend = \"x\"", "2:1: a rule waits for one of");
    for request in ["status", "GET", "GET status", "{match: GET} /a", "G(T /a"] {
        let expected = format!("3:11: `{request}` is no method and path, such as `GET /status`");
        check(&format!("[[peer]]\n[[peer.on]]\nrequest = '{request}'"), &expected);
    }
    check("[[peer]]\n[[peer.on]]\nrequest = 'GET {match: (}'", "3:11: `{match: (}` is no pattern");
    check(
        "[[peer]]\n[[peer.on]]\nhandshake = { path = 'live' }",
        "3:22: `live` is no path: it begins with `/`",
    );
    check("[[peer]]\n[[peer.on]]\nhandshake = {}\ntimes = 0", "4:9: a rule that is followed no times");
    for (answer, expected) in [
        ("request = '/a'\nanswer = { status = 100 }", "4:21: 100 ends no request"),
        ("request = '/a'\nanswer = { status = 101 }", "4:21: 101 ends no request"),
        ("handshake = {}\nanswer = { status = 102 }", "4:21: 102 ends no request"),
        (
            "handshake = {}\nanswer = { status = 401 }\nsend = 'x'",
            "5:8: a handshake that is answered with 401",
        ),
        (
            "handshake = {}\nanswer = { status = 302 }\nclose = 1000",
            "5:9: a handshake that is answered with 302",
        ),
    ] {
        check(&format!("[[peer]]\n[[peer.on]]\n{answer}"), expected);
    }
    check("[[peer]]\n[[peer]]\nhost = 'a'\n[[peer]]\nhost = 'A'", "5:8: peer 1 answers for `A` already");
    check("[[peer]]\n[[peer]]\nhost = 'a'\n[[peer]]\n", "4:1: peer 0 has no `host` either");
    check(
        "[[peer]]\n[[peer.on]]\nrequest = \"GET /a\"\nsend = 1",
        "2:1: a `request` is followed by an `answer`",
    );
    check("[[peer]]\n[[peer.on]]\nmessage = \"a\"\nanswer = { status = 200 }", "2:1: only a `handshake` or");
    check(
        "[[peer]]\n[[peer.on]]\nmessage = \"a\"\nfault = \"bad-deflate\"",
        "4:9: the fault `bad-deflate` cannot",
    );
    check("[[peer]]\n[[peer.on]]\nmessage = \"a\"\nfault = \"none\"", "4:9: unknown variant `none`");
    check("[[peer]]\n[[peer.on]]\nhandshake = {}\nanswer = { status = 99 }", "4:21: 99 is no status");
    check("[[peer]]\n[[peer.on]]\nevery = \"0s\"", "3:9: `every` is at least 1ms");
    check(
        "[[peer]]\n[[peer.on]]\nmessage = \"a\"\nclose = 1006",
        "4:9: no close frame may hold the code 1006",
    );
    check("[[peer]]\n[[step]]\nclose = 5000", "3:9: no close frame may hold the code 5000");
    check(
        "[[peer]]\n[[peer.on]]\nmessage = { a = [1, '{match: (}'] }",
        "3:21: `{match: (}` is no pattern: unclosed group",
    );
    check(
        "[[peer]]\n[[peer.on]]\nrequest = '/a'\nheaders = { X = '{match: [}' }",
        "4:17: `{match: [}` is no pattern: unclosed character class",
    );
    check("[[peer]]\n[[peer.on]]\nhandshake = { path = '{match: (}' }", "3:22: `{match: (}` is no");
    check("[[step]]\nparams = { 10 = '{match: (}' }", "2:17: `{match: (}` is no pattern");
    check("[[peer]]\n[[step]]\nreceived = '{match: (}'", "3:12: `{match: (}` is no pattern");
    check("[[peer]]\n[[step]]\nrequested = '/a'\ncontent = ['{match: (}']", "4:12: `{match: (}` is no");
    check("[[peer]]\n[[step]]\nsend = [1, { binary = 'xy' }]", "3:23: `xy` are no bytes, such as `00 ff`");
    check("[[peer]]\n[[step]]\nsend = { base64 = 'A' }", "3:19: `A` is no base64: ");
    check("[[peer]]\n[[step]]\nreceived = { binary = '0' }", "3:23: `0` are no bytes");
    check(
        "[[peer]]\n[[peer.on]]\nrequest = '/a'\nanswer = { body = { binary = '0' } }",
        "4:30: `0` are no bytes",
    );
    check(
        "[[peer]]\n[[peer.on]]\nrequest = '/a'\nanswer = { headers = { 'a b' = 'c' } }",
        "4:32: `a b: c` is no header",
    );
    check(
        "[[step]]\nstates = { 0 = 'open' }",
        "2:16: no connection is ever `open`: links are idle, connecting, ready, closing, backoff, rejected, closed; connections of requests are idle, ready, timeout",
    );
    check("[[step]]\nstates = { 0 = 'stopped' }", "2:16: no connection is `stopped` while the scenario runs");
    for key in ["set", "params", "rows", "states"] {
        check(&format!("[[step]]\n{key} = {{}}"), &format!("2:{}: `{key}` says nothing", key.len() + 4));
    }
    check("[[peer]]\n[[step]]\nseen = {}", "3:8: `seen` says nothing");
}

#[test]
fn what_is_wrong_with_the_element_is_said_with_its_line() {
    let check = |text: &str, expected: &str| {
        let found = problem(text);
        assert!(found.starts_with(expected), "{text:?} gives {found:?}");
    };
    check("title = 'x'\n\n[element.connection.0]\nhost = 'ws://x'\nport = 'x'", "5: [element]: ");
    check("[element.params]\nA = 1\n\nB = [1]\n[element]\nnobody = 1", "4: [element]: ");
    check("[element.params]\nA = { nothing = 1 }", "2: [element]: ");
    assert!(problem("[element.connection.0]\nprot = 80").contains("\nhelp: "));
    check("seed = 1\nelement.connection.0.host = 5", "2: [element]: ");
    check("[element]\nconnection = { 0 = {\n  host = 5 } }", "3: [element]: ");
    check("[element]\n\nprotocol = 'x.xml'", "3:12: `[element]` has no `protocol` in a scenario");
}

#[test]
fn a_scenario_has_to_check_something() {
    let check = |text: &str, expected: Option<&str>| {
        let file = parse(&Source::new("x.scenario.toml", text)).expect(text);
        let found = file.must_check().err().map(|problem| problem.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    };
    check("", Some("1: it has no [[step]], and so it checks nothing"));
    check(
        "[[peer]]\n[[step]]\nwait = '1s'\n[[step]]\nsend = 'x'",
        Some(
            "4: no step checks anything, such as `params`, `received` or `seen`: it would hold whatever happens",
        ),
    );
    check("[[step]]\nwait = '1s'\n[[step]]\ntimeout = false", None);
}
