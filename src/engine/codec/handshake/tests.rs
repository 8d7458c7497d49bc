//! Opening requests and captured answers.

use super::*;
use crate::engine::codec::clock;
use crate::engine::param::Origin;
use crate::language::model::build::{self, Build};
use crate::language::model::id::ParamIx;
use crate::language::model::param::{ParamKind, ValueType};
use crate::value::Wall;

fn context() -> Context {
    clock::context(Wall(0))
}

/// Parameters `address` (1), `path` (2), `extensions` (3), `token` (4, secret).
fn element() -> (Params, [ParamIx; 4]) {
    let mut build = Build::new();
    let all = [
        build.text("address"),
        build.text("path"),
        build.text("extensions"),
        build.param("token", ParamKind::Write, ValueType::String, |param| param.secret = true),
    ];
    let mut exchange = build::exchange(Source::Param(all[1]));
    let header =
        |name: &str, value| connection::Header { name: name.into(), value, secret: false, watch: true };
    exchange.headers = vec![
        header("Sec-WebSocket-Extensions", Source::Param(all[2])),
        header("Authorization", Source::Param(all[3])),
        header("x-Literal", Source::Literal("yes".into())),
    ];
    let session = build.session(vec![exchange], |_| {});
    build.connection(|connection| {
        connection.dynamic_ip = Some(all[0]);
        connection.handshake = Some(session);
    });
    (Params::new(build.done()), all)
}

fn open(params: &Params, address: Address<'_>) -> Result<Option<Request>, OpeningError> {
    opening(&mut context(), params, ConnectionIx::new(0).expect("the first"), address)
}

const HOST: Address<'static> = Address { host: Some("10.4.2.8"), port: Some(8050) };

#[test]
fn the_target_is_the_dynamic_address_else_the_elements_own_with_the_path_of_the_handshake() {
    for (dynamic, path, expected, from) in [
        ("", "", "ws://10.4.2.8:8050/", Provenance::Settings),
        (
            "",
            "x/y?z=1",
            "ws://10.4.2.8:8050/x/y?z=1",
            Provenance::Param(crate::language::model::id::ParamId(2)),
        ),
        ("peer", "/x", "ws://peer:8050/x", Provenance::Param(crate::language::model::id::ParamId(2))),
        (
            "wss://peer:1/own",
            "/x",
            "wss://peer:1/own",
            Provenance::Param(crate::language::model::id::ParamId(1)),
        ),
        ("ws://peer:1", "", "ws://peer:1/", Provenance::Settings),
    ] {
        let (mut params, [address, of_path, ..]) = element();
        let _ = params.set(address, dynamic.into(), Origin::Api);
        let _ = params.set(of_path, path.into(), Origin::Api);
        let request = open(&params, HOST).expect("usable").expect("has an address");
        assert_eq!(request.target().to_string(), expected, "{dynamic} {path}");
        assert_eq!(request.render()[0].from, from, "{dynamic} {path}");
    }
    let (params, _) = element();
    assert_eq!(open(&params, Address::default()), Ok(None));
}

#[test]
fn headers_are_sent_as_written_empty_ones_left_out_and_secrets_masked() {
    let (mut params, [_, _, extensions, token]) = element();
    let shown = |params: &Params| {
        let request = open(params, HOST).expect("usable").expect("has an address");
        let lines: Vec<_> = request.render().into_iter().map(|part| part.shown).collect();
        (lines, String::from_utf8(request.encode()).expect("ASCII"))
    };
    let (lines, _) = shown(&params);
    assert!(lines.contains(&"x-Literal: yes".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("Sec-WebSocket-Ext") || line.starts_with("Auth")));

    let _ = params.set(extensions, "permessage-deflate".into(), Origin::Api);
    let _ = params.set(token, "Bearer hunter2".into(), Origin::Api);
    let (lines, sent) = shown(&params);
    assert!(lines.contains(&"Sec-WebSocket-Extensions: permessage-deflate".to_owned()), "{lines:?}");
    assert!(lines.contains(&"Authorization: Bearer ***".to_owned()), "{lines:?}");
    assert!(sent.contains("\r\nAuthorization: Bearer hunter2\r\n"));

    let _ = params.set(extensions, "a\r\nb: c".into(), Origin::Api);
    let error = open(&params, HOST).expect_err("a line break");
    assert!(error.to_string().contains("parameter 3"), "{error}");
}

#[test]
fn an_error_has_nothing_of_a_secret_address() {
    for value in ["hunter2://x", "x:hunter2", "x y hunter2", "a:b:hunter2", "[hunter2", "x:1/\nhunter2"] {
        let mut build = Build::new();
        let address =
            build.param("address", ParamKind::Write, ValueType::String, |param| param.secret = true);
        build.connection(|connection| connection.dynamic_ip = Some(address));
        let mut params = Params::new(build.done());
        let _ = params.set(address, value.into(), Origin::Api);
        let error = open(&params, HOST).expect_err("no address");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{value}: {error}");
    }
}

#[test]
fn an_answer_is_captured_into_its_parameters() {
    let mut build = Build::new();
    let (status, server, cookie, gone, body, code) = (
        build.text("status"),
        build.text("server"),
        build.text("cookie"),
        build.text("gone"),
        build.text("body"),
        build.number("code"),
    );
    let mut exchange = build::exchange(Source::Literal("/".into()));
    exchange.status_param = Some(status);
    exchange.header_params =
        vec![("server".into(), server), ("Set-Cookie".into(), cookie), ("Gone".into(), gone)];
    exchange.content_param = Some(body);
    exchange.mapping.extracts = vec![build::extract("code", code)];
    let params = Params::new(build.done());
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = [header("Server", "x"), header("set-cookie", "a"), header("Set-Cookie", "b")];
    let head = vec![
        Set { param: status, value: "HTTP/1.1 403 Forbidden".into() },
        Set { param: server, value: "x".into() },
        Set { param: cookie, value: "a\r\nb".into() },
        Set { param: gone, value: Value::Empty },
    ];
    let text = Bytes::from_static(b"{\"code\":7}");
    let answer = Answer { status_line: "HTTP/1.1 403 Forbidden", headers: &headers, body: None };
    let only = |sets| Gathered { sets, ..Gathered::default() };
    assert_eq!(capture(&params, &exchange, &answer), only(head.clone()));
    let got = capture(&params, &exchange, &Answer { body: Some(&text), ..answer });
    let mut expected = head;
    expected.push(Set { param: body, value: "{\"code\":7}".into() });
    expected.push(Set { param: code, value: 7.0.into() });
    assert_eq!(got, only(expected));
}

#[test]
fn a_body_is_text_where_its_charset_is_known() {
    let value = |bytes: &'static [u8], kind| decode(&Bytes::from_static(bytes), kind).value;
    assert_eq!(value("é".as_bytes(), ""), "é".into());
    assert_eq!(value(b"\xE9", "text/plain; charset=ISO-8859-1"), "é".into());
    assert_eq!(value(b"\xE9", "text/plain"), Value::Bytes(Bytes::from_static(b"\xE9")));
}

#[test]
fn the_proxy_of_the_handshake_session_is_worked_out_from_the_present_values() {
    let mut build = Build::new();
    let server = build.text("server");
    let password = build.param("password", ParamKind::Write, ValueType::String, |param| param.secret = true);
    let exchange = build::exchange(Source::Literal("/".into()));
    let session = build.session(vec![exchange], |session| {
        session.proxy = Some(connection::SessionProxy {
            server: Source::Param(server),
            user: Some(Source::Literal("u".into())),
            password: Some(Source::Param(password)),
        });
    });
    build.connection(|connection| connection.handshake = Some(session));
    let mut params = Params::new(build.done());
    let first = ConnectionIx::new(0).expect("the first");
    assert!(proxy(&params, first).is_none(), "an empty one is none");
    let _ = params.set(server, "gate:3128".into(), Origin::Api);
    let _ = params.set(password, "hunter2".into(), Origin::Api);
    let (server, credentials) = proxy(&params, first).expect("it is set");
    let credentials = credentials.expect("there is a user");
    assert_eq!((server.expose().as_str(), credentials.user.as_str()), ("gate:3128", "u"));
    assert_eq!(credentials.password.expose(), "hunter2");
}
