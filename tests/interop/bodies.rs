//! Bodies as `aiohttp` sends them: packed, in chunks, late, cut, and in every charset; what an element makes of each.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use super::asking::{Asking, BODY, DATA, MODEL, SECOND_LINE, at, header, seen, times};
use super::bounded;
use super::peer::{Kind, shared};

#[tokio::test]
async fn packed_bodies_come_out_plain_however_they_are_cut_into_pieces() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        let plain = "temperature 21.5 \u{b0}C; ".repeat(200);
        for coding in ["gzip", "deflate", "br", "zstd"] {
            for cut in ["", "&chunked"] {
                let id = format!("packed-{coding}{}", cut.len());
                asking.set(BODY, "before").await;
                let shown = asking.ask("get", &format!("/compressed?id={id}&with={coding}{cut}")).await;
                assert_eq!(shown.line, "HTTP/1.1 200 OK", "{id}");
                assert!(shown.body == plain, "{id}: {:.60}", shown.body);
                assert!(shown.tapped(&format!("< {plain}")), "{id}");
                let seen = seen(&peer, &id).await;
                assert_eq!(seen.len(), 1);
                assert!(header(&seen[0], "Accept-Encoding").unwrap().contains(coding), "{:?}", seen[0]);
            }
        }
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_packed_body_that_is_torn_sets_nothing_and_reads_so() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        for coding in ["br", "zstd"] {
            asking.set(BODY, "before").await;
            let shown = asking.ask("get", &format!("/compressed?id=torn&with={coding}&torn")).await;
            assert_eq!((shown.line.as_str(), shown.body.as_str()), ("", "before"), "{coding}");
            assert_eq!(shown.http.state, "timeout");
            assert!(
                shown.failure().starts_with("body: the body of the answer cannot be read"),
                "{}",
                shown.failure()
            );
            assert!(shown.tapped(&format!("! {}", shown.failure())), "{:?}", shown.tap);
        }
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn chunks_are_one_body_and_the_next_request_uses_the_same_connection() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        let shown = asking.ask("get", "/chunks?id=chunks&count=50&pause=0.001").await;
        let expected: String = (0..50).map(|number| format!("chunk {number}\n")).collect();
        assert_eq!(shown.body, expected);
        let shown = asking.ask("get", "/hello?id=chunks&say=again").await;
        assert_eq!((shown.body.as_str(), &*asking.element.text(MODEL).await), ("again", "M1"));
        let seen = seen(&peer, "chunks").await;
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0]["connection"], seen[1]["connection"]);
        asking.element.end().await;
    })
    .await;
}

/// A GET is tried again, a POST that may have been done is not; neither sets anything.
async fn check_failure(settings: &str, path: &str, failure: &str) {
    let Some(peer) = shared(Kind::Pages) else { return };
    let id = path.replace(['/', '?', '='], "-");
    let mark = if path.contains('?') { '&' } else { '?' };
    bounded(async {
        let mut asking = Asking::start(&format!("{}\nretries = 1\n{settings}", at(&peer))).await;
        for (button, tries, failed_tries) in [("get", 2, "2"), ("post", 1, "3")] {
            asking.set(DATA, "once").await;
            let shown = asking.ask(button, &format!("{path}{mark}id={id}-{button}")).await;
            assert_eq!((shown.line.as_str(), shown.body.as_str()), ("", ""), "{path}");
            assert_eq!((shown.http.state, shown.failure()), ("timeout", failure), "{path}");
            assert_eq!(shown.failed_tries, failed_tries, "{path} {button}");
            assert_eq!(shown.tap.iter().filter(|line| **line == format!("! {failure}")).count(), tries);
            assert_eq!(times(&peer, &format!("{id}-{button}")).await, tries, "{path} {button}");
        }
        // And it works again, with the very next answer; the failure stays until both have worked.
        let shown = asking.ask("get", "/hello?say=well").await;
        assert_eq!((shown.http.state, shown.failure(), shown.body.as_str()), ("ready", failure, "well"));
        let shown = asking.ask("post", "/hello?say=well").await;
        assert_eq!((shown.http.state, shown.failure(), shown.body.as_str()), ("ready", "", "well"));
        assert_eq!((shown.http.requests, shown.http.refusals), (5, 0));
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_cut_is_no_answer_and_only_what_is_safe_is_asked_again() {
    let cut = "body: the peer ended the connection in the middle of the answer's body";
    check_failure("", "/cut?how=length", cut).await;
    check_failure("", "/cut?how=chunk", cut).await;
}

#[tokio::test]
async fn an_answer_that_is_late_is_no_answer_wherever_it_hangs() {
    let Some(peer) = shared(Kind::Pages) else { return };
    let late = &format!("http: no answer within 150 ms, while waiting for 127.0.0.1:{}", peer.port);
    check_failure("timeout_ms = 150", "/slow?s=1", late).await;
    let part = "body: only part of an answer within 150 ms, while reading the body behind `HTTP/1.1 200 OK`";
    check_failure("timeout_ms = 150", "/drip", part).await;
}

#[tokio::test]
async fn a_body_is_read_in_the_charset_that_it_comes_in() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        for (charset, bytes, text) in [
            ("iso-8859-1", "32 31 b0", "21\u{b0}"),
            ("windows-1252", "80 31", "\u{20ac}1"),
            ("utf-16le", "b0 00 43 00", "\u{b0}C"),
            ("Shift_JIS", "83 65", "\u{30c6}"),
            ("utf-8", "ef bb bf c3 a4", "\u{e4}"),
            // What does not fit its charset shows where, and the rest is there.
            ("utf-8", "61 b0 62", "a\u{fffd}b"),
            // A charset that nobody knows is taken for UTF-8.
            ("klingon", "c3 a4", "\u{e4}"),
        ] {
            let shown =
                asking.ask("get", &format!("/charset?as={charset}&hex={}", bytes.replace(' ', ""))).await;
            assert_eq!(shown.body, text, "{charset} {bytes}");
            assert_eq!(shown.http.state, "ready");
        }
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_posted_arrives_as_it_was_and_a_failed_exchange_ends_its_session() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        let data = "\u{e4}\u{1f600} & = % \n".repeat(5_000);
        asking.set(DATA, &data).await;
        let shown = asking.ask("post", "/echo?id=echo&a=1%202").await;
        assert!(shown.body == data);
        let seen_here = seen(&peer, "echo").await;
        assert_eq!(seen_here[0]["target"], "/echo?id=echo&a=1%202");
        assert_eq!(seen_here[0]["body"], data);
        assert_eq!(header(&seen_here[0], "Content-Length"), Some(&*data.len().to_string()));

        let shown = asking.ask("two", "/status?id=two&code=500&times=1").await;
        assert_eq!(shown.line, "HTTP/1.1 500 Internal Server Error");
        assert_eq!(asking.element.text(SECOND_LINE).await, "");
        assert_eq!((shown.http.state, shown.http.refusals), ("timeout", 1));
        assert_eq!(times(&peer, "two").await, 1, "the POST behind it is not sent");
        let shown = asking.ask("two", "/status?id=two&code=500&times=1").await;
        assert_eq!(asking.element.text(SECOND_LINE).await, "HTTP/1.1 200 OK");
        assert_eq!(shown.http.state, "ready");
        let lines: Vec<String> =
            seen(&peer, "two").await.iter().map(|one| one["line"].as_str().unwrap().to_owned()).collect();
        assert_eq!(lines, ["GET /status", "GET /status", "POST /status"]);
        asking.element.end().await;
    })
    .await;
}
