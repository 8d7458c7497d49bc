//! `protocols/http-json-status`: polls, maps, writes back, and goes on after whatever the device does.

use backshell::element::handle::Readable;

use super::bounded;
use crate::running::Element;
use crate::web::Peer;

const WRITE_ERROR: i32 = 3;
const STATUS_LINE: i32 = 1;
const STATE: i32 = 10;
const TEMPERATURE: i32 = 11;
const TARGET: i32 = 12;
const FANS: i32 = 1000;
const NOTE: i32 = 14;
const SET_TARGET: i32 = 62;
const RESTART: i32 = 70;

fn start(peer: &Peer, period: &str) -> Element {
    let port = format!("port = {}", peer.port);
    let period = format!(">{period}<");
    super::start(
        "http-json-status",
        &[(">5000<", &period)],
        &[("http://10.4.3.17", "http://127.0.0.1"), ("port = 80", &port)],
    )
}

fn status(state: &str, target: f64) -> String {
    format!(
        r#"{{"state":"{state}","air":{{"temperature":21.4,"target":{target}}},"fans":[{{"rpm":1200}},{{"rpm":900}}]}}"#
    )
}

#[tokio::test]
async fn what_the_page_says_is_shown_and_what_is_set_is_written_and_read_back() {
    bounded(async {
        let mut peer = Peer::start().await;
        let element = start(&peer, "3600000");
        let asked = peer.asked_for("GET", "/status").await;
        assert_eq!(asked.header("accept"), "application/json");
        asked.answer(200, &status("running", 22.0));
        for (id, expected) in [(STATE, "running"), (TEMPERATURE, "21.4"), (TARGET, "22"), (NOTE, "none")] {
            element.reads(id, expected).await;
        }
        // All of an answer is set at once, so the table is there when the values are.
        let Readable::Table(rows) = element.handle.get(element.param(FANS)).await.unwrap().value else {
            panic!("a table")
        };
        let rows: Vec<String> =
            rows.iter().map(|(key, cells)| format!("{key}={}", cells[1].to_text())).collect();
        assert_eq!(rows, ["0=1200", "1=900"]);

        element.set(SET_TARGET, 23.5).await;
        let asked = peer.asked_for("PUT", "/air").await;
        assert_eq!(
            (asked.header("content-type"), asked.text().as_str()),
            ("application/json", r#"{"target": 23.5}"#)
        );
        asked.answer(200, "{}");
        peer.asked_for("GET", "/status").await.answer(200, &status("running", 23.5));
        element.reads(TARGET, "23.5").await;

        element.set(SET_TARGET, 30.0).await;
        peer.asked_for("PUT", "/air").await.answer(409, r#"{"error":"starting"}"#);
        element.reads(WRITE_ERROR, "starting").await;
        peer.asked_for("GET", "/status").await.answer(200, &status("starting", 23.5));
        element.reads(STATE, "starting").await;
        assert_eq!(element.handle.fresh_status().await.counters.refusals, 1);

        element.set(RESTART, 1.0).await;
        peer.asked_for("POST", "/restart").await.answer(202, "");
        element.end().await;
    })
    .await;
}

#[tokio::test]
async fn polling_goes_on_after_other_pages_refusals_and_cut_connections() {
    bounded(async {
        let mut peer = Peer::start().await;
        let element = start(&peer, "20");
        peer.asked_for("GET", "/status").await.answer(200, &status("running", 22.0));
        element.reads(STATE, "running").await;
        for (code, body) in [(200, "<html>Welcome</html>"), (401, "{}"), (503, "")] {
            peer.asked_for("GET", "/status").await.answer(code, body);
            let line = format!("HTTP/1.1 {code}");
            let asked = peer.asked_for("GET", "/status").await;
            let shown = element.handle.get(element.param(STATUS_LINE)).await.unwrap();
            let Readable::Scalar(value) = shown.value else { panic!("one value") };
            assert!(value.to_text().starts_with(&line), "{}", value.to_text());
            asked.answer(200, &status("running", 22.0));
        }
        element.reads(STATE, "running").await;
        let asked = peer.asked_for("GET", "/status").await;
        peer.cut();
        // The same request again, since no answer came.
        drop(asked);
        peer.asked_for("GET", "/status").await.answer(200, &status("back", 22.0));
        element.reads(STATE, "back").await;
        drop(peer);
        element.end().await;
    })
    .await;
}
