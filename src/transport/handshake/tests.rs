//! Tests of answers: heads, bodies, checks of an upgrade, and that no bytes make the reader panic or grow.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::engine::target::Target;
use crate::engine::target::request::{Header, Provenance};

const KEY: [u8; 16] = *b"the sample nonce";

fn request(headers: &[(&str, &str)]) -> Request {
    let headers =
        headers.iter().map(|(name, value)| Header::new(*name, *value, Provenance::Literal)).collect();
    Request::new(Target::parse("ws://h/").unwrap(), headers, KEY).unwrap()
}

fn head(text: &str) -> Response {
    parse_head(text.as_bytes()).unwrap().unwrap().0
}

/// The kept body and whether it was cut, for an answer written in pieces of `step` bytes and then closed.
async fn body(answer: &[u8], step: usize) -> (Bytes, bool) {
    let (mut near, mut far) = tokio::io::duplex(1 << 20);
    let pieces = answer.to_vec();
    let write = async move {
        for piece in pieces.chunks(step) {
            far.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let read = async {
        let answer = read_head(&mut near).await.unwrap();
        read_body(&mut near, answer, Instant::now() + Duration::from_secs(60)).await
    };
    let (_, response) = tokio::join!(write, read);
    (response.body, response.truncated)
}

#[test]
fn the_sample_of_rfc_6455_is_computed() {
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(request(&[]).key(), "dGhlIHNhbXBsZSBub25jZQ==");
}

#[test]
fn the_head_is_kept_as_it_came() {
    let response = head("HTTP/1.1 403 No way\r\nSet-Cookie: a\r\nX: \r\nset-cookie: b\r\nL: \u{fc}\r\n\r\n");
    assert_eq!(response.status_line, "HTTP/1.1 403 No way");
    assert_eq!(response.header("SET-COOKIE").as_deref(), Some("a\r\nb"));
    assert_eq!(response.header("x").as_deref(), Some(""));
    assert_eq!(response.header("l").as_deref(), Some("ü"));
    assert_eq!(response.header("none"), None);
}

#[test]
fn what_is_no_answer_is_told_early() {
    for garbage in ["SSH-2.0-OpenSSH_9.6\r\n", "\x15\x05\x01\0\x02", "HTTP/2.0 101 x\r\n", "HTTP/1.1 1x1"] {
        assert!(matches!(parse_head(garbage.as_bytes()), Err(HeadError::NotHttp { .. })), "{garbage:?}");
    }
    assert_eq!(parse_head(b"\x15\x03\x01\0\x02\x02\x0a"), Err(HeadError::Tls));
    assert_eq!(parse_head(b"HTTP/1.1 101 Swi"), Ok(None));
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(MAX_HEAD_BYTES));
    assert_eq!(parse_head(long.as_bytes()), Err(HeadError::TooLong));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
    assert_eq!(parse_head(many.as_bytes()), Err(HeadError::TooManyHeaders));
}

#[tokio::test]
async fn bodies_end_by_length_by_chunk_or_with_the_connection() {
    let big = "x".repeat(70_000);
    for step in [1, 7, 4096, 1 << 20] {
        let check = async |answer: &str, expected: &str, cut: bool| {
            let got = body(answer.as_bytes(), step).await;
            assert_eq!((std::str::from_utf8(&got.0).unwrap(), got.1), (expected, cut), "step {step}");
        };
        check("HTTP/1.1 404 N\r\nContent-Length: 3\r\n\r\nabcdef", "abc", false).await;
        check("HTTP/1.1 404 N\r\nContent-Length: 9\r\n\r\nabc", "abc", true).await;
        check("HTTP/1.1 404 N\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "abcd", false).await;
        check("HTTP/1.0 404 N\r\n\r\nabc", "abc", false).await;
        check("HTTP/1.1 204 N\r\n\r\nabc", "", false).await;
        let chunked = "HTTP/1.1 500 N\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{chunked}3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"), "abc0123456789", false)
            .await;
        check(&format!("{chunked}3\r\nab"), "ab", true).await;
        check(&format!("{chunked}zz\r\nab"), "", true).await;
        check(&format!("{chunked}fffffffffffffffff\r\nab"), "", true).await;
        check(
            "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 N\r\nContent-Length: 1\r\n\r\nz",
            "z",
            false,
        )
        .await;
    }
    let (kept, cut) = body(format!("HTTP/1.1 500 N\r\n\r\n{big}").as_bytes(), 9000).await;
    assert_eq!((kept.len(), cut), (MAX_BODY_BYTES, true));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_for_ever_is_cut_in_time() {
    let (mut near, mut far) = tokio::io::duplex(100);
    far.write_all(b"HTTP/1.1 503 N\r\nContent-Length: 1000\r\n\r\nsorry").await.unwrap();
    let answer = read_head(&mut near).await.unwrap();
    let response = read_body(&mut near, answer, Instant::now() + Duration::from_secs(600)).await;
    assert_eq!((&response.body[..], response.truncated), (&b"sorry"[..], true));
    assert_eq!(response.snippet(), "sorry…");
}

#[test]
fn an_upgrade_is_checked_strictly() {
    let good = "HTTP/1.1 101 S\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let check = |answer: String, expected: &str| {
        let result = check_upgrade(&request(&[]), &head(&answer)).map_err(|trouble| trouble.summary);
        assert_eq!(result.err().unwrap_or_default(), expected);
    };
    check(good.to_owned(), "");
    check(good.replace("1.1", "1.0"), "the answer 101 is HTTP/1.0, which has no upgrade");
    check(good.replace("WebSocket\r", "h2c\r"), "the answer 101 has no `Upgrade: websocket`");
    check(good.replace("keep-alive, Upgrade", "keep-alive"), "the answer 101 has no `Connection: Upgrade`");
    check(good.replace("s3p", "S3p"), "the answer's `Sec-WebSocket-Accept` belongs to another request");
    check(good.replace("-Accept", "-Except"), "the answer 101 has no `Sec-WebSocket-Accept`");
    let twice = good.replace("\r\n\r\n", "\r\nSec-WebSocket-Accept: x\r\n\r\n");
    check(twice, "the answer has several `Sec-WebSocket-Accept`");
}

#[test]
fn what_the_server_selects_must_have_been_offered() {
    let check = |sent: &[(&str, &str)], answer: &str, expected: Result<Option<&str>, FailureKind>| {
        let got = negotiate(&request(sent), &head(&format!("HTTP/1.1 101 S\r\n{answer}\r\n")));
        let got = got.map(|negotiated| negotiated.subprotocol).map_err(|trouble| trouble.kind);
        assert_eq!(got, expected.map(|name| name.map(str::to_owned)), "{sent:?} {answer}");
    };
    let offer = &[("Sec-WebSocket-Protocol", "a, b"), ("sec-websocket-protocol", "c")];
    check(offer, "", Ok(None));
    check(offer, "Sec-WebSocket-Protocol: b\r\n", Ok(Some("b")));
    check(offer, "Sec-WebSocket-Protocol: c\r\n", Ok(Some("c")));
    check(offer, "Sec-WebSocket-Protocol: B\r\n", Err(FailureKind::Subprotocol));
    check(offer, "Sec-WebSocket-Protocol: a, b\r\n", Err(FailureKind::Subprotocol));
    check(offer, "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n", Err(FailureKind::Subprotocol));
    check(&[], "Sec-WebSocket-Protocol: a\r\n", Err(FailureKind::Subprotocol));
    check(&[], "Sec-WebSocket-Extensions: permessage-deflate\r\n", Err(FailureKind::Extension));
    let deflate = &[("Sec-WebSocket-Extensions", "permessage-deflate")];
    check(deflate, "Sec-WebSocket-Extensions: x-other\r\n", Err(FailureKind::Extension));
    check(
        deflate,
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n",
        Err(FailureKind::Extension),
    );
    let agreed = negotiate(
        &request(&[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]),
        &head(
            "HTTP/1.1 101 S\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n\r\n",
        ),
    );
    assert_eq!(agreed.unwrap().deflate.unwrap().client_max_window_bits(), 9);
}

#[test]
fn what_the_server_selects_is_shown_short_and_without_control_characters() {
    for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"] {
        for value in [format!("{}\u{9b}31m", "a".repeat(60_000)), "\u{9b}31m\u{202e}\"".to_owned()] {
            let response = head(&format!("HTTP/1.1 101 S\r\n{name}: {value}\r\n\r\n"));
            let offer = &[("Sec-WebSocket-Extensions", "permessage-deflate")];
            let trouble = negotiate(&request(offer), &response).unwrap_err();
            let shown = format!("{}{}", trouble.summary, trouble.advice);
            assert!(shown.chars().count() < 500, "{} characters", shown.chars().count());
            assert!(!shown.contains(['\u{9b}', '\u{202e}']), "{shown}");
        }
    }
}

#[test]
fn a_peers_text_cannot_play_with_the_terminal() {
    assert_eq!(printable("a\x1b[31mb\r\nc\u{202e}d\u{9b}"), "a\\u{1b}[31mb c\\u{202e}d\\u{9b}");
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_an_error(
        start in prop_oneof![Just(""), Just("HTTP/1.1 "), Just("HTTP/1.1 200 OK\r\n"), Just("HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n")],
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        step in 1usize..50,
    ) {
        let mut all = start.as_bytes().to_vec();
        all.extend(bytes);
        if let Ok(Some((response, length))) = parse_head(&all) {
            prop_assert!(length <= all.len());
            let rest = &all[length..];
            let mut whole = Body::new(Framing::of(&response));
            whole.push(rest);
            let mut pieces = Body::new(Framing::of(&response));
            rest.chunks(step).for_each(|piece| pieces.push(piece));
            let (whole, pieces) = (whole.finish(), pieces.finish());
            prop_assert!(whole.0.len() <= rest.len());
            prop_assert_eq!(whole, pieces);
        }
    }
}
