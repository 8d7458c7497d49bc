//! How web servers treat whoever asks: credentials, redirects, too many requests, connections that they end; by `aiohttp`.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::time::{Duration, Instant};

use backshell::engine::target::Credentials;
use backshell::transport::http::Http;
use backshell::value::Secret;
use serde_json::Value as Json;

use super::asking::{
    Asking, BODY, DATA, GIVEN, LOCATION, PASSWORD, STATUS_LINE, USER, at, header, seen, times,
};
use super::bounded;
use super::peer::{Kind, Peer, shared};
use super::web::{Ask, url};

/// The credentials that the peer wants.
const LOGIN: (&str, &str) = ("u", "p:\u{e4}");

async fn login(asking: &Asking, user: &str, password: &str) {
    asking.set(USER, user).await;
    asking.set(PASSWORD, password).await;
}

/// The `Authorization` of each request that came with an id, and the status line that the element had at the end.
async fn authorizations(peer: &Peer, id: &str) -> Vec<String> {
    let seen = seen(peer, id).await;
    seen.iter().map(|one| header(one, "Authorization").unwrap_or("none").to_owned()).collect()
}

#[tokio::test]
async fn a_basic_realm_lets_in_who_is_known_and_the_password_is_shown_nowhere() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        for (user, password, line, body, state) in [
            ("", "", "HTTP/1.1 401 Unauthorized", "who are you", "timeout"),
            ("u", "wrong", "HTTP/1.1 401 Unauthorized", "who are you", "timeout"),
            (LOGIN.0, LOGIN.1, "HTTP/1.1 200 OK", "let in", "ready"),
        ] {
            login(&asking, user, password).await;
            let shown = asking.ask("get", "/basic?id=basic").await;
            assert_eq!((shown.line.as_str(), shown.body.as_str(), shown.http.state), (line, body, state));
            if state == "timeout" {
                assert_eq!(shown.failure(), "the peer answered `HTTP/1.1 401 Unauthorized`");
                assert_eq!(
                    shown.advice(),
                    "the peer asks for Basic realm=\"a \\\"quoted\\\" realm\", charset=\"UTF-8\": \
                     check the login, or the parameter with the credentials or the token"
                );
            }
            assert_eq!(shown.tapped("> Authorization: ***"), !user.is_empty(), "{:?}", shown.tap);
            let all = shown.tap.join("\n");
            assert!(!all.contains(LOGIN.1) && !all.contains("dTpw"), "{all}");
        }
        assert_eq!(
            authorizations(&peer, "basic").await,
            ["none", "Basic dTp3cm9uZw==", "Basic dTpwOsOk"],
            "none is asked twice"
        );
        let status = asking.element.until(0, |_| true).await.http.unwrap();
        assert_eq!((status.requests, status.refusals), (3, 2));
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn digest_is_answered_once_it_is_asked_for_and_kept() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        for algorithm in ["MD5", "SHA-256"] {
            // An origin of its own: what a server asks for is remembered by origin, for the whole process.
            let mut asking = Asking::of(&peer).await;
            login(&asking, LOGIN.0, LOGIN.1).await;
            let id = format!("digest-{algorithm}");
            let path = format!("/digest?id={id}&algorithm={algorithm}&a=%20b");
            for (button, body) in [("get", "let in 1"), ("post", "let in 2"), ("get", "let in 3")] {
                asking.set(DATA, "some data").await;
                let shown = asking.ask(button, &path).await;
                assert_eq!(
                    (shown.line.as_str(), shown.body.as_str()),
                    ("HTTP/1.1 200 OK", body),
                    "{algorithm}"
                );
            }
            let sent = authorizations(&peer, &id).await;
            assert_eq!(sent.len(), 4, "one challenge: {sent:?}");
            assert!(sent[0].starts_with("Basic "), "{sent:?}");
            for (one, count) in sent[1..].iter().zip(["nc=00000001", "nc=00000002", "nc=00000003"]) {
                assert!(one.starts_with("Digest ") && one.contains(count), "{one}");
                assert!(one.contains(&format!("algorithm={algorithm}")), "{one}");
            }
            login(&asking, LOGIN.0, "wrong").await;
            let shown = asking.ask("get", &path).await;
            assert_eq!(shown.line, "HTTP/1.1 401 Unauthorized");
            assert_eq!(
                authorizations(&peer, &id).await.len(),
                6,
                "a wrong password is tried with one nonce more"
            );
            let shown = asking.element.until(0, |_| true).await.http.unwrap();
            assert_eq!((shown.requests, shown.refusals, shown.state), (4, 1, "timeout"));
            asking.element.end().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_nonce_that_is_used_up_is_replaced_without_a_refusal() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        login(&asking, LOGIN.0, LOGIN.1).await;
        for _ in 0..3 {
            let shown = asking.ask("get", "/digest?id=used-up&algorithm=SHA-256&lives=1").await;
            assert_eq!((shown.body.as_str(), shown.http.refusals), ("let in 1", 0));
        }
        let sent = authorizations(&peer, "used-up").await;
        assert_eq!(sent.len(), 6, "{sent:?}");
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn many_requests_at_once_use_each_count_of_a_nonce_once() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let http = Http::default();
        for nonce in ["&nonce=one-for-all", ""] {
            let path = format!("/digest?id=many{}&algorithm=SHA-256&pause=0.02{nonce}", nonce.len());
            let ask = || async {
                let login =
                    Some(Credentials { user: LOGIN.0.to_owned(), password: Secret::new(LOGIN.1.to_owned()) });
                Ask::with(login).of(&http, &url(&peer, &path)).await.unwrap()
            };
            for round in 0..2 {
                let answers = futures_util::future::join_all((0..12).map(|_| ask())).await;
                let bodies: Vec<_> = answers.iter().map(|answer| answer.body.clone()).collect();
                assert!(answers.iter().all(|answer| answer.status == 200), "{round}: {bodies:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn redirects_are_followed_to_the_end_and_a_circle_is_left() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        asking.set(GIVEN, "goes along").await;
        let shown = asking.ask("get", "/redirect?id=way&left=2&to=/hello?id=way%26say=there").await;
        assert_eq!((shown.line.as_str(), shown.body.as_str()), ("HTTP/1.1 200 OK", "there"));
        let way = seen(&peer, "way").await;
        let lines: Vec<&str> = way.iter().map(|one| one["line"].as_str().unwrap()).collect();
        assert_eq!(lines, ["GET /redirect", "GET /redirect", "GET /redirect", "GET /hello"]);
        assert!(way.iter().all(|one| header(one, "X-Given") == Some("goes along")));
        assert_eq!(shown.tap.iter().filter(|line| line.starts_with("< redirected to ")).count(), 3);

        // 303 turns a POST into a GET; 307 sends it again.
        asking.set(DATA, "job").await;
        for (code, line, body) in [(303, "GET /echo", ""), (307, "POST /echo", "job")] {
            let id = format!("post-{code}");
            let shown = asking.ask("post", &format!("/redirect?id={id}&code={code}&to=/echo?id={id}")).await;
            assert_eq!(shown.body, body);
            let last = seen(&peer, &id).await.pop().unwrap();
            assert_eq!((last["line"].as_str(), last["body"].as_str()), (Some(line), Some(body)));
        }

        let shown = asking.ask("get", "/redirect?id=circle&left=100&to=/never").await;
        assert!(
            shown.failure().starts_with("http: `HTTP/1.1 302 Found` after 5 redirects: http://127.0.0.1:"),
            "{}",
            shown.failure()
        );
        assert_eq!(shown.advice(), "the peer redirects in a circle: use the address that it ends at");
        assert!(shown.tapped(&format!("! {}", shown.failure())), "{:?}", shown.tap);
        assert_eq!(shown.http.state, "timeout");
        assert_eq!(times(&peer, "circle").await, 6, "and it is not begun anew");
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_redirect_that_the_definition_wants_for_itself_is_an_answer() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::start_edited(&at(&peer), |definition| {
            let options =
                "<CommunicationOptions><CustomRedirect>true</CustomRedirect></CommunicationOptions>";
            definition.replace("<UserSettings>", &format!("{options}<UserSettings>"))
        })
        .await;
        let shown = asking.ask("get", "/redirect?id=own&to=/hello").await;
        assert_eq!(shown.line, "HTTP/1.1 302 Found");
        assert_eq!(asking.element.text(LOCATION).await, "/hello");
        assert_eq!((shown.http.state, shown.failure()), ("ready", ""));
        assert_eq!(times(&peer, "own").await, 1);
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn who_asks_too_often_waits_as_long_as_the_server_says() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        // In seconds, and as a date, which is cut to whole seconds.
        for (how, least) in [("after=1", 1.0), ("at=2", 1.0)] {
            let mut asking = Asking::of(&peer).await;
            let path = format!("/status?id=often-{how}&code=429&times=1&{how}");
            let shown = asking.ask("get", &path).await;
            assert_eq!(shown.line, "HTTP/1.1 429 Too Many Requests");
            assert_eq!(shown.failure(), "the peer answered `HTTP/1.1 429 Too Many Requests`");
            assert!(shown.http.held_until.is_some(), "{how}");
            let refused: f64 = shown.body.parse().unwrap();
            // Nobody who asks meanwhile changes that.
            asking.begin("get", &path).await;
            let began = Instant::now();
            let shown = asking.done().await;
            assert_eq!((shown.line.as_str(), shown.http.state), ("HTTP/1.1 200 OK", "ready"));
            assert!(shown.http.held_until.is_none());
            let answered: f64 = shown.body.parse().unwrap();
            // The clocks of both are the same; how long our requests take is not counted twice.
            assert!(answered - refused >= least - 0.05, "{how}: {}", answered - refused);
            assert!(began.elapsed() < Duration::from_secs(5));
            assert_eq!(times(&peer, &format!("often-{how}")).await, 2);
            assert_eq!((shown.http.requests, shown.http.refusals), (2, 1));
            asking.element.end().await;
        }
    })
    .await;
}

#[tokio::test]
async fn statuses_that_a_definition_expects_are_no_timeout() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        for (code, line, state) in [
            (404, "HTTP/1.1 404 Not Found", "idle"),
            (503, "HTTP/1.1 503 Service Unavailable", "idle"),
            (403, "HTTP/1.1 403 Forbidden", "timeout"),
            (200, "HTTP/1.1 200 OK", "ready"),
        ] {
            let shown = asking.ask("sure", &format!("/status?id=sure-{code}&code={code}")).await;
            assert_eq!(shown.line, line);
            assert_eq!(shown.http.state == "timeout", state == "timeout", "{code}: {}", shown.http.state);
        }
        asking.element.end().await;
    })
    .await;
}

fn connections(seen: &[Json]) -> Vec<&Json> {
    seen.iter().map(|one| &one["connection"]).collect()
}

#[tokio::test]
async fn a_connection_that_the_server_ends_between_requests_costs_nothing() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::of(&peer).await;
        asking.set(DATA, "data").await;
        for (round, button) in ["post", "get", "post", "post", "get"].into_iter().enumerate() {
            let shown = asking.ask(button, "/leave?id=leave").await;
            assert_eq!((shown.line.as_str(), shown.http.state), ("HTTP/1.1 200 OK", "ready"), "{round}");
            while seen(&peer, "leave").await[round]["closed"] != true {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let seen = seen(&peer, "leave").await;
        let lines: Vec<&str> = seen.iter().map(|one| one["line"].as_str().unwrap()).collect();
        assert_eq!(lines, ["POST /leave", "GET /leave", "POST /leave", "POST /leave", "GET /leave"]);
        let mut connections = connections(&seen);
        connections.dedup();
        assert_eq!(connections.len(), 5, "each over its own");
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_the_server_ends_at_any_moment_loses_no_poll() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::start(&format!("{}\nretries = 2", at(&peer))).await;
        for round in 0..20 {
            let shown = asking.ask("get", "/leave?id=any-moment").await;
            assert_eq!((shown.line.as_str(), shown.http.state), ("HTTP/1.1 200 OK", "ready"), "{round}");
            // The server ends it after 10 ms: before, while and after the next one is sent.
            tokio::time::sleep(Duration::from_millis(round % 20)).await;
        }
        assert!(times(&peer, "any-moment").await >= 20);
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_ends_under_a_request_is_made_anew_and_a_post_is_not_doubled() {
    let Some(peer) = shared(Kind::Pages) else { return };
    bounded(async {
        let mut asking = Asking::start(&format!("{}\nretries = 1", at(&peer))).await;
        let shown = asking.ask("get", "/drop?id=drop").await;
        assert_eq!(shown.body, "first");
        asking.set(BODY, "").await;
        let shown = asking.ask("get", "/drop?id=drop").await;
        assert_eq!((shown.body.as_str(), shown.http.state), ("first", "ready"));
        let seen_here = seen(&peer, "drop").await;
        let [first, second, third] = connections(&seen_here)[..] else { panic!("{seen_here:?}") };
        assert!(first == second && second != third);

        // The connection is kept from here: the POST reaches the server, which drops it without an answer.
        asking.set(DATA, "order").await;
        asking.set(STATUS_LINE, "").await;
        let shown = asking.ask("post", "/drop?id=drop").await;
        assert_eq!((shown.line.as_str(), shown.http.state), ("", "timeout"));
        assert!(
            shown.failure().starts_with("http: the ") && shown.failure().contains(" before "),
            "{}",
            shown.failure()
        );
        let posts = seen(&peer, "drop").await.iter().filter(|one| one["line"] == "POST /drop").count();
        assert_eq!(posts, 1);
        asking.element.end().await;
    })
    .await;
}
