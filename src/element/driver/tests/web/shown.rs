//! What people see of requests: the status, the log and the wire; when they fail, when nothing can be sent, and never a secret.

use super::*;
use crate::element::handle::{Payload, WireEvent};
use crate::element::status::HttpStatus;

/// What connection `index` shows of its requests.
async fn http_of(rig: &Rig, index: usize) -> HttpStatus {
    rig.handle.fresh_status().await.connections[index].http.clone().expect("it carries requests")
}

/// Waits until connection `index` shows a state of its requests.
async fn until_http(rig: &Rig, index: usize, state: &str) -> HttpStatus {
    let mut status = rig.handle.watch_status();
    let fits = |status: &Arc<Status>| {
        status.connections[index].http.as_ref().is_some_and(|http| http.state == state)
    };
    drop(status.wait_for(fits).await.expect("it runs"));
    http_of(rig, index).await
}

#[tokio::test]
async fn requests_and_tokens_are_seen_in_the_status() {
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        let token = |rig: &Rig| rig.handle.status().connections[1].token.clone().expect("it needs one");
        let asked = web.expect("POST /token").await;
        let http = http_of(&rig, 1).await;
        assert_eq!((http.state, http.requests, token(&rig).state), ("idle", 1, "fetching"));
        assert_eq!(http.target.as_deref(), Some(&*format!("http://127.0.0.1:{}", web.port)));
        asked.ok(&format!(r#"{{"access_token":"{TOKEN}","expires_in":600}}"#));
        let waiting = web.expect("POST /sessions").await;
        let http = until_http(&rig, 1, "ready").await;
        let (line, _) = http.answered.expect("an answer");
        assert_eq!((&*line, token(&rig).state), ("HTTP/1.1 200 OK", "ready"));
        let seconds = |wall: Option<Wall>| (wall.expect("known").0 - EPOCH) / 1_000_000_000;
        assert_eq!((seconds(token(&rig).renew_at), seconds(token(&rig).ends_at)), (599, 600));

        rig.set(50, "status").await;
        web.expect("GET /status").await.answer("503 Service Unavailable", "Retry-After: 1\r\n", "busy");
        let http = until_http(&rig, 2, "timeout").await;
        let failure = http.last_failure.expect("it failed");
        assert_eq!(failure.summary, "the peer answered `HTTP/1.1 503 Service Unavailable`");
        assert!(failure.advice.contains("does not"), "{failure:?}");
        assert_eq!((failure.status, failure.body.as_deref()), (Some(503), Some("busy")));
        assert_eq!((http.requests, http.refusals), (1, 1));
        assert!(http.held_until.is_some());
        assert_eq!(rig.text(18).await, "1");
        // Held back until the peer wants to be asked again.
        rig.set(50, "status").await;
        drop(web.expect("GET /status").await);
        rig.until_text(18, "2").await;
        let http = http_of(&rig, 2).await;
        assert_eq!(http.state, "timeout");
        assert!(
            http.last_failure.is_some_and(|failure| failure.status.is_none() && !failure.stages.is_empty())
        );
        rig.set(50, "status").await;
        web.expect("GET /status").await.ok("fine");
        let http = until_http(&rig, 2, "ready").await;
        assert_eq!((http.requests, http.refusals, http.last_failure, http.held_until), (3, 1, None, None));
        drop(waiting);
    })
    .await;
}

/// The failure that connection `index` shows, if any: its summary.
async fn failure_of(rig: &Rig, index: usize) -> Option<String> {
    http_of(rig, index).await.last_failure.map(|failure| failure.summary.clone())
}

/// The next failure on the wire of a connection.
async fn tapped_failure(tap: &mut crate::element::queue::Receiver<TapEvent>, connection: u32) -> String {
    loop {
        let event = tap.recv().await.expect("it runs");
        if let (WireEvent::Failed(why), true) = (event.wire, event.connection == connection) {
            return why;
        }
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_made_is_shown_until_it_can() {
    bounded(async {
        let mut web = Web::start().await;
        let definition = WEB.replace(
            r#"<Request verb="GET" url="/status"/>"#,
            r#"<Request verb="GET" url="/status"><Headers><Header key="X-Given" pid="16"/></Headers></Request>"#,
        );
        let rig = rig_of(&web, &definition, &[]);
        let _waiting = web.expect("POST /token").await;
        let mut tap = rig.handle.tap().await.expect("it runs");
        rig.set(16, "a\r\nX-Other: 1").await;
        rig.set(50, "status").await;
        let why = tapped_failure(&mut tap, 2).await;
        assert!(why.starts_with("session 3 was not sent: the header `X-Given` is not sent: its value, from parameter 16"), "{why}");
        assert_eq!(failure_of(&rig, 2).await.as_ref(), Some(&why));
        // Again and again: the engine tells it once, a new tap is told at once.
        rig.set(50, "status").await;
        let mut later = rig.handle.tap().await.expect("it runs");
        assert_eq!(tapped_failure(&mut later, 2).await, why);
        while rig.handle.fresh_status().await.counters.not_sent < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        web.nothing_more().await;
        rig.set(16, "good").await;
        rig.set(50, "status").await;
        web.expect("GET /status").await.ok("");
        until_http(&rig, 2, "ready").await;
        assert_eq!(failure_of(&rig, 2).await, None);
    })
    .await;
}

#[tokio::test]
async fn an_answer_without_a_token_is_shown_until_one_comes() {
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        let mut tap = rig.handle.tap().await.expect("it runs");
        for _ in 0..2 {
            web.expect("POST /token").await.ok(r#"{"access_token":null,"error":"invalid_client"}"#);
        }
        let why = tapped_failure(&mut tap, 1).await;
        assert_eq!(why, "session 1: the answer has no token where `bs:Token` says it is");
        assert_eq!(failure_of(&rig, 1).await.as_ref(), Some(&why));
        let link = rig.until(|link| link.last_failure.is_some()).await;
        let failure = link.last_failure.expect("no token, no link");
        assert!(failure.summary.contains(&why), "{failure:?}");
        web.give_token(TOKEN).await;
        let _waiting = web.expect("POST /sessions").await;
        assert_eq!(failure_of(&rig, 1).await, None);
    })
    .await;
}

#[tokio::test]
async fn what_is_odd_about_a_token_is_shown_until_one_comes_that_is_not() {
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        let mut tap = rig.handle.tap().await.expect("it runs");
        web.expect("POST /token").await.ok(r#"{"access_token":"odd"}"#);
        let wanted = "the token of session 1 is used, but its lifetime is not where `lifetimePath` says";
        assert_eq!(tapped_failure(&mut tap, 1).await, wanted);
        let asked = web.expect("POST /sessions").await;
        let note = async |rig: &Rig, index: usize| {
            let status = rig.handle.fresh_status().await;
            status.connections[index].token.clone().expect("it needs one").note
        };
        // At the connection that asks, and at the socket that shares the token.
        for index in [0, 1] {
            assert_eq!(note(&rig, index).await.as_deref(), Some(wanted));
        }
        assert_eq!(failure_of(&rig, 1).await, None, "it is used");
        asked.answer("401 Unauthorized", "", "");
        web.give_token(TOKEN).await;
        let _waiting = web.expect("POST /sessions").await;
        assert_eq!(note(&rig, 1).await, None);
    })
    .await;
}

/// Everything that is logged while the guard lives, by this thread, on which a whole test runs.
fn logged() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    (log, guard)
}

#[tokio::test]
async fn a_request_that_keeps_failing_is_warned_about_once_until_it_works() {
    let (log, _guard) = logged();
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        let _waiting = web.expect("POST /token").await;
        for (failures, round) in [(3, 1), (2, 2)] {
            for _ in 0..failures {
                rig.set(50, "status").await;
                web.expect("GET /status").await.answer("500 Oh", "", "");
            }
            rig.set(50, "status").await;
            web.expect("GET /status").await.ok("");
            until_http(&rig, 2, "ready").await;
            let count = |words: &[&str]| {
                let text = log.text();
                text.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
            };
            assert_eq!(count(&["WARN", "request failed", "500 Oh", "advice="]), round);
            assert_eq!(count(&["INFO", "works again"]), round);
        }
    })
    .await;
}

#[tokio::test]
async fn what_still_fails_is_shown_when_something_else_works_again() {
    bounded(async {
        let mut web = Web::start().await;
        let second =
            r#"<Connection id="2"><Request verb="GET" url="/more"/><Response/></Connection></Session>"#;
        let definition = WEB.replace(
            r#"<Content pid="15"/></Response>
      </Connection>
    </Session>"#,
            &format!(r#"<Content pid="15"/></Response></Connection>{second}"#),
        );
        assert!(definition.contains(second), "the definition has changed");
        let rig = rig_of(&web, &definition, &[]);
        let _waiting = web.expect("POST /token").await;
        rig.set(50, "status").await;
        web.expect("GET /status").await.ok("");
        web.expect("GET /more").await.answer("500 Second", "", "");
        until_failure(&rig, Some("the peer answered `HTTP/1.1 500 Second`")).await;
        rig.set(50, "status").await;
        web.expect("GET /status").await.answer("500 First", "", "");
        until_failure(&rig, Some("the peer answered `HTTP/1.1 500 First`")).await;
        rig.set(50, "status").await;
        web.expect("GET /status").await.ok("");
        let more = web.expect("GET /more").await;
        until_failure(&rig, Some("the peer answered `HTTP/1.1 500 Second`")).await;
        more.ok("");
        until_failure(&rig, None).await;
    })
    .await;
}

/// Waits until connection 2 shows this failure.
async fn until_failure(rig: &Rig, summary: Option<&str>) {
    let mut status = rig.handle.watch_status();
    let shown = |status: &Arc<Status>| {
        let http = status.connections[2].http.as_ref().expect("it carries requests");
        http.last_failure.as_ref().map(|failure| failure.summary.clone()).as_deref() == summary
    };
    drop(status.wait_for(shown).await.expect("it runs"));
}

#[tokio::test]
async fn no_token_and_no_secret_is_seen_anywhere() {
    let (log, _guard) = logged();
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        let mut tap = rig.handle.tap().await.expect("it runs");
        // Both come back in every form: a refusal that shows what it was sent, and answers that carry them.
        let echo =
            format!(r#"{{"error":"bad","sent":"{SECRET}","header":"Bearer {TOKEN}","token":"{TOKEN}"}}"#);
        // Nobody knows the token yet.
        let (known, line) = (format!(r#"{{"sent":"{SECRET}"}}"#), format!("X-Sent: {SECRET}\r\n"));
        web.expect("POST /token").await.answer("400 Bad", &line, &known);
        web.expect("POST /token").await.ok(&format!(r#"{{"access_token":"{TOKEN}"}}"#));
        web.expect("POST /sessions").await.answer(&format!("500 {TOKEN}"), "", &echo);
        rig.set(50, "report").await;
        loop {
            let asked = web.next().await;
            match asked.line() {
                "POST /report" => {
                    assert!(
                        asked.text.contains(&format!(r#"{{"token": "Bearer {TOKEN}""#)),
                        "{}",
                        asked.text
                    );
                    asked.answer(&format!("403 {TOKEN}"), &format!("X-Sent: Bearer {TOKEN}\r\n"), &echo);
                    break;
                }
                _ => asked.ok(&format!(r#"{{"url":"ws://127.0.0.1:1/{TOKEN}"}}"#)),
            }
        }
        let wanted = "the peer answered `HTTP/1.1 403 ***`";
        let mut status = rig.handle.watch_status();
        let fits = |status: &Arc<Status>| {
            let failure = status.connections[1].http.as_ref().and_then(|http| http.last_failure.clone());
            failure.is_some_and(|failure| failure.summary == wanted)
        };
        let seen = status.wait_for(fits).await.expect("it runs").clone();
        rig.stop.cancel();
        let mut events = Vec::new();
        while let Some(event) = tap.recv().await {
            events.push(event);
        }
        let snapshot = format!("{seen:?} {:?}", rig.handle.status());
        let texts: Vec<String> = events.iter().map(shown).collect();
        for (place, text) in [("log", log.text()), ("status", snapshot), ("tap", texts.join("\n"))] {
            for secret in [SECRET, TOKEN] {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "{secret} is in the {place}");
            }
        }
        for expected in [
            "> POST /report",
            "> Authorization: Bearer ***",
            r#"> {"token": "***", "model": ""}"#,
            "< HTTP/1.1 403 ***",
            "< X-Sent: ***",
            r#"< {"error":"bad","sent":"***","header":"***","token":"***"}"#,
        ] {
            let found = texts.iter().any(|text| text.eq_ignore_ascii_case(expected));
            assert!(found, "{expected} is not in {texts:#?}");
        }
    })
    .await;
}

/// An event of the wire as one line.
fn shown(event: &TapEvent) -> String {
    let payload = |payload: &Payload| String::from_utf8_lossy(&payload.shown).into_owned();
    match &event.wire {
        WireEvent::RequestLine(line) => format!("> {line}"),
        WireEvent::ResponseLine(line) => format!("< {line}"),
        WireEvent::Sent(_, data) => format!("> {}", payload(data)),
        WireEvent::Received(_, data, _) => format!("< {}", payload(data)),
        WireEvent::State(..) | WireEvent::Failed(_) | WireEvent::Closed(..) => format!("{:?}", event.wire),
    }
}

#[tokio::test]
async fn each_cookie_of_a_token_is_hidden_alone() {
    bounded(async {
        let mut web = Web::start().await;
        let of_token = r#"scheme="Bearer" path="$.access_token" lifetimePath="$.expires_in""#;
        assert!(WEB.contains(of_token));
        let rig = rig_of(&web, &WEB.replace(of_token, r#"header="Set-Cookie""#), &[]);
        let mut tap = rig.handle.tap().await.expect("it runs");
        let set =
            "Set-Cookie: sid=node1.s3cret; Path=/\r\nSet-Cookie: a=1\r\nSet-Cookie: key=\"t0p-key\"\r\n";
        web.expect("POST /token").await.answer("200 OK", set, "");
        let asked = web.expect("POST /sessions").await;
        assert_eq!(asked.header("authorization"), Some("sid=node1.s3cret; a=1; key=\"t0p-key\""));
        asked.answer(
            "500 No",
            "X-Session: node1.s3cret\r\n",
            r#"{"a":1,"key":"t0p-key","sid":"node1.s3cret"}"#,
        );
        let mut shown_all = String::new();
        while !shown_all.contains(r#"{"a":1"#) {
            shown_all += &shown(&tap.recv().await.expect("it runs"));
            shown_all.push('\n');
        }
        for expected in ["set-cookie: ***; Path=/", "x-session: ***", r#"{"a":1,"key":"***","sid":"***"}"#] {
            assert!(shown_all.contains(expected), "{expected} in {shown_all}");
        }
        assert!(!shown_all.contains("s3cret") && !shown_all.contains("t0p"), "{shown_all}");
    })
    .await;
}
