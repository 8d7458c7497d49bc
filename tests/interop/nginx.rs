//! An element that asks `nginx`: HTTP/2, client certificates, realms, limits; what it shows, and what the log of nginx has.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::PathBuf;
use std::time::Duration;

use super::asking::{Asking, DATA, LOCATION, PASSWORD, USER, at};
use super::bounded;
use super::peer::{Kind, Peer, or_without};
use super::secure::Authority;

/// One `nginx` with its folder.
struct Nginx {
    peer: Peer,
    folder: tempfile::TempDir,
}

impl Nginx {
    fn start(tls: &[PathBuf]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let files = [&[folder.path().to_owned()], tls].concat();
        Some(Self { peer: or_without(Peer::start_with(Kind::Nginx, 0, "", &files))?, folder })
    }

    /// Its log from some line on, once that has as many lines: protocol, verb, path, status, user.
    async fn log(&self, from: usize, lines: usize) -> Vec<String> {
        loop {
            let text = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
            let found: Vec<String> = text.lines().skip(from).map(str::to_owned).collect();
            // It is written after the answer.
            if found.len() >= lines {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A line of the log without the numbers of the connection and of the request on it.
fn without_numbers(line: &str) -> &str {
    line.splitn(3, ' ').nth(2).unwrap()
}

#[tokio::test]
async fn nginx_lets_in_packs_redirects_and_holds_back() {
    let Some(nginx) = Nginx::start(&[]) else { return };
    bounded(async {
        let mut asking = Asking::of(&nginx.peer).await;
        let page = "the page of nginx, 21.5 \u{b0}C\n".repeat(100);
        asking.set(USER, "u").await;
        asking.set(PASSWORD, "wrong").await;
        let shown = asking.ask("get", "/basic").await;
        assert_eq!(shown.line, "HTTP/1.1 401 Unauthorized");
        assert!(shown.advice().contains("Basic realm=\"the shop\""), "{}", shown.advice());
        asking.set(PASSWORD, "p").await;
        let shown = asking.ask("get", "/basic").await;
        assert!(shown.body == page && shown.http.state == "ready");
        let shown = asking.ask("get", "/packed").await;
        assert!(shown.body == page);
        let shown = asking.ask("get", "/old").await;
        assert_eq!(shown.body, "HTTP/1.1 client ");
        let shown = asking.ask("get", "/circle").await;
        assert!(shown.failure().contains("after 5 redirects"), "{}", shown.failure());
        assert_eq!(asking.element.text(LOCATION).await, "");
        asking.set(DATA, "0123456789a").await;
        let shown = asking.ask("post", "/small").await;
        assert_eq!(shown.line, "HTTP/1.1 413 Request Entity Too Large");
        let log: Vec<String> =
            nginx.log(0, 12).await.iter().map(|line| without_numbers(line).to_owned()).collect();
        let mut expected = vec!["/basic 401", "/basic 200", "/packed 200", "/old 301", "/who 200"];
        expected.extend(["/circle 302"; 6]);
        let mut expected: Vec<String> =
            expected.iter().map(|line| format!("HTTP/1.1 GET {line} u")).collect();
        expected.push("HTTP/1.1 POST /small 413 u".to_owned());
        assert_eq!(log, expected);
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn the_limit_of_nginx_is_kept_to_as_it_says() {
    let Some(nginx) = Nginx::start(&[]) else { return };
    bounded(async {
        let mut asking = Asking::of(&nginx.peer).await;
        let mut statuses = Vec::new();
        while statuses.iter().filter(|status| **status == 429).count() < 2 {
            let shown = asking.ask("get", "/limited").await;
            statuses.push(shown.line.split(' ').nth(1).unwrap().parse::<u16>().unwrap());
            assert!(statuses.len() < 6, "{statuses:?}");
        }
        // Behind each refusal the second that it names: then it is one answer again.
        assert!(!statuses.windows(2).any(|pair| pair == [429, 429]), "{statuses:?}");
        let shown = asking.element.until(0, |_| true).await.http.unwrap();
        assert_eq!((shown.requests, shown.refusals), (u64::try_from(statuses.len()).unwrap(), 2));
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn connections_that_nginx_ends_early_cost_nothing() {
    let Some(nginx) = Nginx::start(&[]) else { return };
    bounded(async {
        let mut asking = Asking::of(&nginx.peer).await;
        for path in ["/once", "/once", "/once", "/hasty", "/hasty"] {
            let shown = asking.ask("get", path).await;
            assert_eq!((shown.line.as_str(), shown.http.state), ("HTTP/1.1 200 OK", "ready"), "{path}");
            // Longer than nginx keeps an idle connection at the second path.
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
        let log = nginx.log(0, 5).await;
        let mut connections: Vec<&str> = log.iter().map(|line| line.split(' ').next().unwrap()).collect();
        connections.dedup();
        assert_eq!((log.len(), connections.len()), (5, 5), "{log:?}");
        asking.element.end().await;
    })
    .await;
}

#[tokio::test]
async fn nginx_speaks_http2_and_knows_the_client_by_its_certificate() {
    let authority = Authority::new();
    let [certificate, key] = authority.identity("localhost", 2090);
    let Some(nginx) = Nginx::start(&[certificate, key, authority.ca()]) else { return };
    bounded(async {
        let secure = |tls: &str| {
            let ca = authority.ca();
            format!("host = \"https://localhost\"\nport = {}\ntls = {{ ca = {ca:?}{tls} }}", nginx.peer.port)
        };
        let [certificate, key] = authority.identity("the-client", 2090);
        let shows = secure(&format!(", certificate = {certificate:?}, key = {key:?}"));
        let mut asking = Asking::start(&shows).await;
        for (button, line) in [("get", "HTTP/2.0 GET /who 200 -"), ("post", "HTTP/2.0 POST /who 200 -")] {
            asking.set(DATA, "data").await;
            let shown = asking.ask(button, "/who").await;
            assert_eq!(shown.line, "HTTP/2.0 200 OK");
            assert_eq!(shown.body, "HTTP/2.0 client CN=rcgen self signed cert");
            assert_eq!(
                shown.http.target.as_deref(),
                Some(&*format!("https://localhost:{}", nginx.peer.port))
            );
            assert_eq!(without_numbers(nginx.log(0, 1).await.last().unwrap()), line);
        }
        let connections = nginx.log(0, 2).await;
        assert_eq!(connections[0].split(' ').next(), connections[1].split(' ').next(), "over one connection");
        asking.element.end().await;

        // nginx tells in words of HTTP who shows none.
        let mut asking = Asking::start(&secure("")).await;
        let shown = asking.ask("get", "/who").await;
        assert_eq!(shown.line, "HTTP/2.0 400 Bad Request");
        assert!(shown.body.contains("No required SSL certificate was sent"), "{}", shown.body);
        assert!(
            shown.advice().ends_with("set certificate and key of the TLS settings"),
            "{}",
            shown.advice()
        );
        asking.element.end().await;

        // Plain HTTP on its port for TLS.
        let mut asking = Asking::start(&at(&nginx.peer)).await;
        let shown = asking.ask("get", "/who").await;
        assert!(shown.body.contains("plain HTTP request was sent to HTTPS port"), "{}", shown.body);
        assert_eq!(shown.advice(), "use https instead of http: the peer speaks TLS on this port");
        asking.element.end().await;
    })
    .await;
}
