//! What an element shows of mistakes of its author or operator: wrong hosts, ports, paths and values, and bad tokens.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::net::TcpListener;
use std::time::Instant;

use super::asking::{Asking, GIVEN, PATH, at, times};
use super::bounded;
use super::peer::{Kind, shared};

/// Asks twice and looks at what is shown; `sent` says whether each counts as a request.
async fn check(asking: &mut Asking, path: &str, sent: bool, failure: &str, advice: &str) {
    let before = asking.element.handle.fresh_status().await.counters;
    for round in 1..=2 {
        let shown = asking.ask("get", path).await;
        assert!(shown.failure().starts_with(failure), "{}", shown.failure());
        assert!(shown.advice().contains(advice), "{}", shown.advice());
        assert_eq!((shown.line.as_str(), shown.body.as_str()), ("", ""));
        // What could not be made is told once a minute; a failed request each time.
        let tapped = shown.tap.iter().filter(|line| line.starts_with("! ")).count();
        assert_eq!(tapped, usize::from(sent || round == 1), "{:?}", shown.tap);
        let now = asking.element.handle.fresh_status().await.counters;
        let counted = (now.requests - before.requests, now.not_sent - before.not_sent);
        assert_eq!(counted, if sent { (round, 0) } else { (0, round) }, "{failure}: each once, no more");
        assert_eq!(now.timeouts - before.timeouts, if sent { round } else { 0 });
    }
}

#[tokio::test]
async fn a_host_or_a_port_that_is_not_there_reads_so() {
    bounded(async {
        let mut asking = Asking::start("host = \"http://no-such-host.invalid\"\nport = 80").await;
        let failure = "name: the name `no-such-host.invalid` does not resolve: ";
        check(&mut asking, "/", true, failure, "check the spelling of the name").await;
        asking.element.end().await;

        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut asking = Asking::start(&format!("host = \"http://127.0.0.1\"\nport = {port}")).await;
        let failure = format!("tcp: 127.0.0.1:{port} refuses the connection");
        check(&mut asking, "/", true, &failure, "check the port, and whether the service runs").await;
        asking.element.end().await;

        // Takes the connection and says nothing, in the middle of TLS.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let connection = format!(
            "host = \"https://127.0.0.1\"\nport = {port}\ntimeout_ms = 300\ntls = {{ verify = false }}"
        );
        let mut asking = Asking::start(&connection).await;
        let failure =
            format!("tcp: no answer within 300 ms, while connecting to 127.0.0.1:{port}, TLS included");
        check(&mut asking, "/", true, &failure, "or nothing that speaks TLS").await;
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_that_nobody_may_send_is_never_sent_and_reads_so() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        for (path, given, failure) in [
            ("/../../etc/passwd?id=never", "", "the path climbs above the root of the server with `..`"),
            ("/%2e%2e/x?id=never", "", "the path climbs above the root of the server with `..`"),
            ("/a\r\nX-Other: 1?id=never", "", "the path has a control character"),
            (
                "/hello?id=never",
                "a\r\nX-Other: 1",
                "the header `X-Given` is not sent: its value, from parameter 14, has a line break",
            ),
        ] {
            let mut asking = Asking::of(&peer).await;
            asking.set(GIVEN, given).await;
            let failure = format!("session 1 was not sent: {failure}");
            check(&mut asking, path, false, &failure, "nothing was sent: correct the parameter").await;
            // Mended, it goes, and the failure is over.
            asking.set(GIVEN, "fine").await;
            asking.set(PATH, "/hello").await;
            let shown = asking.ask("get", "/hello").await;
            assert_eq!((shown.http.state, shown.failure(), shown.body.as_str()), ("ready", "", "hello"));
            asking.element.end().await;
        }
        assert_eq!(times(&peer, "never").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_answer_without_a_token_reads_so_and_is_not_asked_for_without_end() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let no_token = "session 9: the answer has no token where `bs:Token` says it is";
        let odd = "the token of session 9 is used, but its `exp` is in the past: check the clock of this host";
        for (name, body, failure, note) in [
            // {"error": "invalid_client"}
            ("none", "eyJlcnJvciI6ImludmFsaWRfY2xpZW50In0=", no_token, None),
            // {"token": null}
            ("null", "eyJ0b2tlbiI6bnVsbH0=", no_token, None),
            // {"token": "a\nb"}
            ("break", "eyJ0b2tlbiI6ImFcbmIifQ==", "session 9: the token in the answer has a line break", None),
            // A web token with {"exp": 1000}.
            ("past", "eyJ0b2tlbiI6ImV5SmhiR2NpT2lKdWIyNWxJbjAuZXlKbGVIQWlPakV3TURCOS5jMmxuIn0=", "", Some(odd)),
        ] {
            let id = format!("token-{name}");
            let mut asking = Asking::start_edited(&at(&peer), |definition| {
                let token = r#"<CommunicationOptions><bs:Token session="9" pid="13" path="$.token" jwt="true"/></CommunicationOptions>"#;
                let session = format!(
                    r#"<HTTP><Session id="9"><Connection id="1"><Request url="/data?id={id}&amp;body={body}"/></Connection></Session>"#
                );
                let header = r#"<Header key="X-Given" pid="14"/><Header key="Authorization" pid="13"/>"#;
                definition
                    .replace("<UserSettings>", &format!("{token}<UserSettings>"))
                    .replace("<HTTP>", &session)
                    .replace(r#"<Header key="X-Given" pid="14"/>"#, header)
                    .replace(r#" loginMethod="credentials" userName="12" password="13""#, "")
            })
            .await;
            let began = Instant::now();
            for _ in 0..3 {
                let shown = asking.ask("get", "/hello").await;
                assert!(shown.failure().starts_with(failure), "{name}: {}", shown.failure());
                assert_eq!(shown.failure().is_empty(), note.is_some(), "{name}: {}", shown.failure());
                assert_eq!(shown.body.is_empty(), note.is_none(), "{name}");
            }
            let token = asking.element.until(0, |_| true).await.token.unwrap();
            assert_eq!((token.state, token.note.as_deref()), (if note.is_some() { "ready" } else { "missing" }, note));
            // Asked for again only after pauses, of which the first is a second.
            let times = u64::try_from(times(&peer, &id).await).unwrap();
            assert!(times >= 1 && times <= 1 + began.elapsed().as_secs(), "{name}: {times} times");
            asking.element.end().await;
        }
    })
    .await;
}
