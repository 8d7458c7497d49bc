//! Requests of sessions and what their answers mean.

use super::*;
use crate::engine::codec::clock;
use crate::engine::param::Origin;
use crate::language::model::build::{self, Build};
use crate::language::model::connection::{FormField, IgnoreTimeout};
use crate::language::model::id::{ConnectionIx, ParamIx, SessionIx};
use crate::language::model::param::{ParamKind, ValueType};
use crate::value::Wall;

/// Parameters `address` (1), `path` (2), `text` (3), `token` (4, secret).
fn element(change: impl FnOnce(&mut Exchange, [ParamIx; 4])) -> (Params, [ParamIx; 4]) {
    let mut build = Build::new();
    let all = [
        build.text("address"),
        build.text("path"),
        build.text("text"),
        build.param("token", ParamKind::Write, ValueType::String, |param| param.secret = true),
    ];
    let mut exchange = build::exchange(Source::Param(all[1]));
    change(&mut exchange, all);
    build.session(vec![exchange], |_| {});
    build.connection(|connection| connection.dynamic_ip = Some(all[0]));
    (Params::new(build.done()), all)
}

fn field(name: &str, value: Source) -> FormField {
    FormField { name: name.into(), value, file: None, media_type: None }
}

fn made(params: &Params) -> Result<HttpRequest, String> {
    let protocol = params.protocol();
    let first = SessionIx::new(0).expect("the first");
    let session = protocol.session(first);
    let order = Order {
        connection: protocol.connection(ConnectionIx::new(0).expect("the first")),
        session,
        exchange: &session.exchanges[0],
        address: Address { host: Some("10.4.2.8"), port: Some(8080) },
        max_bytes: 64,
    };
    request(&mut clock::context(Wall(0)), params, &Options::default(), order)
        .map_err(|error| error.to_string())
}

fn set(params: &mut Params, param: ParamIx, text: &str) {
    let _ = params.set(param, Value::text(text), Origin::Api);
}

#[test]
fn the_address_is_absolute_or_the_dynamic_one_or_the_elements_own() {
    for (dynamic, path, expected) in [
        ("", "", "http://10.4.2.8:8080/"),
        ("", "api/x?y=1", "http://10.4.2.8:8080/api/x?y=1"),
        ("", "https://other.example/z", "https://other.example/z"),
        ("", "/login?back=http://h/", "http://10.4.2.8:8080/login?back=http://h/"),
        ("peer:81", "/x", "http://peer:81/x"),
        ("https://peer/own", "/x", "https://peer:8080/x"),
        ("https://peer:443/own", "", "https://peer/own"),
        ("[::1]:81", "/x", "http://[::1]:81/x"),
    ] {
        let (mut params, [address, url, ..]) = element(|_, _| {});
        set(&mut params, address, dynamic);
        set(&mut params, url, path);
        assert_eq!(made(&params).unwrap().shown_url(), expected, "{dynamic} {path}");
    }
}

#[test]
fn a_get_carries_its_parameters_in_the_query_and_its_data_behind_the_address() {
    let fields = |exchange: &mut Exchange, [_, _, text, _]: [ParamIx; 4]| {
        exchange.parameters =
            vec![field("a b", Source::Param(text)), field("c", Source::Literal("1".into()))];
        exchange.data = Some(Body::Plain(Source::Literal("?not=sent".into())));
    };
    let (mut params, [_, url, text, _]) = element(fields);
    set(&mut params, url, "/x?old=1");
    set(&mut params, text, "ü&=+/");
    let request = made(&params).unwrap();
    assert_eq!(request.target().path(), "/x?old=1&a%20b=%C3%BC%26%3D%2B%2F&c=1");
    assert_eq!(request.content(), &Content::None);
    let (mut params, [_, url, text, _]) =
        element(|exchange, all| exchange.data = Some(Body::Plain(Source::Param(all[2]))));
    set(&mut params, url, "/x");
    set(&mut params, text, "/y?a=b c&d=%20");
    assert_eq!(made(&params).unwrap().target().path(), "/x/y?a=b%20c&d=%20");
}

#[test]
fn other_verbs_carry_it_in_the_body() {
    let (mut params, [.., text, _]) = element(|exchange, all| {
        exchange.verb = Method::POST;
        exchange.parameters =
            vec![field("a", Source::Param(all[2])), field("b", Source::Literal("1 2".into()))];
        exchange.data = Some(Body::Plain(Source::Literal("not sent".into())));
    });
    set(&mut params, text, "x=y");
    let request = made(&params).unwrap();
    assert_eq!(request.content(), &Content::Bytes(Secret::new(Bytes::from_static(b"a=x%3Dy&b=1%202"))));
    let lines: Vec<String> = request.shown_lines().into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, ["POST /", "Host: 10.4.2.8:8080", "Content-Type: application/x-www-form-urlencoded"]);
}

#[test]
fn bytes_go_out_untouched_and_text_in_the_charset_of_its_type() {
    let with_type = |charset: &'static str| {
        move |exchange: &mut Exchange, all: [ParamIx; 4]| {
            exchange.verb = Method::PUT;
            exchange.headers = vec![crate::language::model::connection::Header {
                name: "content-type".into(),
                value: Source::Literal(charset.into()),
                secret: false,
                watch: true,
            }];
            exchange.data = Some(Body::Plain(Source::Param(all[2])));
        }
    };
    let content = |request: Result<HttpRequest, String>| match request.map(|made| made.content().clone()) {
        Ok(Content::Bytes(bytes)) => Ok(bytes.expose().to_vec()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    let (mut params, [.., text, _]) = element(with_type("text/plain; charset=iso-8859-1"));
    set(&mut params, text, "é");
    assert_eq!(content(made(&params)).unwrap(), b"\xe9");
    let _ = params.set(text, Value::Bytes(Bytes::from_static(b"\xff\0")), Origin::Api);
    assert_eq!(content(made(&params)).unwrap(), b"\xff\0");
    set(&mut params, text, "あ");
    assert!(content(made(&params)).unwrap_err().contains("windows-1252"));
    set(&mut params, text, &"x".repeat(65));
    assert_eq!(content(made(&params)).unwrap_err(), "the body would be longer than 64 bytes");
}

#[test]
fn a_multipart_form_leaves_its_frame_to_the_sender() {
    let (mut params, [.., text, _]) = element(|exchange, all| {
        exchange.verb = Method::POST;
        exchange.headers = vec![crate::language::model::connection::Header {
            name: "Content-Type".into(),
            value: Source::Literal("multipart/form-data".into()),
            secret: false,
            watch: true,
        }];
        exchange.parameters = vec![field("job", Source::Param(all[2]))];
    });
    let _ = params.set(text, Value::Bytes(Bytes::from_static(b"\xff\0")), Origin::Api);
    let request = made(&params).unwrap();
    assert!(!request.has_header("content-type"));
    let Content::Form(parts) = request.content() else { panic!("{request:?}") };
    assert_eq!((parts[0].name.as_str(), parts[0].content.expose().as_ref()), ("job", &b"\xff\0"[..]));
}

#[test]
fn no_message_and_no_url_shows_a_secret() {
    let (mut params, [_, url, _, token]) = element(|exchange, all| {
        exchange.parameters = vec![field("key", Source::Param(all[3]))];
    });
    set(&mut params, url, "/x");
    set(&mut params, token, "s3cret");
    let request = made(&params).unwrap();
    assert_eq!(request.target().path(), "/x?key=s3cret");
    let lines = format!("{:?}", request.shown_lines());
    assert!(!format!("{request}{lines}").contains("s3cret"), "{request}{lines}");
    let (mut params, [.., token]) = element(|exchange, all| exchange.url = Source::Param(all[3]));
    set(&mut params, token, "/s3cret/../..");
    // Which path it is must not be said.
    assert_eq!(made(&params).unwrap_err(), "the path climbs above the root of the server with `..`");
    set(&mut params, token, "http://s3cret host/");
    assert!(!made(&params).unwrap_err().contains("s3cret"));
}

#[test]
fn a_status_is_good_or_a_timeout_unless_it_is_ignored() {
    let mut exchange = build::exchange(Source::Literal("/".into()));
    let check = |exchange: &Exchange, expected: &[(u16, Meaning)]| {
        for (status, expected) in expected {
            assert_eq!(meaning(exchange, false, *status, true), *expected, "{status}");
        }
    };
    let (bad, ignored) = (Meaning::Bad { ignored: false }, Meaning::Bad { ignored: true });
    check(
        &exchange,
        &[(200, Meaning::Good), (204, Meaning::Good), (304, Meaning::Good), (302, bad), (404, bad)],
    );
    assert_eq!(meaning(&exchange, true, 302, true), Meaning::Good);
    assert_eq!(meaning(&exchange, true, 302, false), bad);
    exchange.ignore_timeout = IgnoreTimeout::Statuses(vec![(404, 404), (500, 599)]);
    check(&exchange, &[(404, ignored), (503, ignored), (403, bad), (200, Meaning::Good)]);
    assert!(!ignores_silence(&exchange));
    exchange.ignore_timeout = IgnoreTimeout::Everything;
    check(&exchange, &[(404, ignored), (403, ignored)]);
    assert!(ignores_silence(&exchange));
}
