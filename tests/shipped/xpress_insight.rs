//! `protocols/xpress-insight`: token, socket, job, results; a refused token, a renewed one, and a socket that drops.

use serde_json::json;

use super::bounded;
use crate::running::Element;
use crate::web::{Asked, Peer};

const SOCKET: i32 = 7;
const CONNECTION_ID: i32 = 9;
const JOB_ERROR: i32 = 33;
const JOB_PATH: i32 = 34;
const JOB_STATUS: i32 = 40;
const RESULTS: i32 = 43;
const PAYLOAD: i32 = 31;
const ANSWER: i32 = 32;
const SUBMIT: i32 = 81;
const PAYLOAD_FILE: i32 = 82;
const REMOVE: i32 = 83;

const TOKEN: &str = "/api/authentication/token";
const MESSAGES: &str = "/api/compute-job-messages";
const JOBS: &str = "/api/compute-jobs";
const ACCEPT: &str = "application/vnd.com.fico.xpress.insight.v2+json";

fn start(peer: &Peer, definition: &[(&str, &str)]) -> Element {
    start_with(peer, definition, "")
}

/// The same with a line more in the settings of the element.
fn start_with(peer: &Peer, definition: &[(&str, &str)], line: &str) -> Element {
    let name = format!("name = \"planning\"\n{line}");
    let port = format!("port = {}\nreconnect = {{ initial_delay_ms = 20, max_delay_ms = 100 }}", peer.port);
    super::start(
        "xpress-insight",
        definition,
        &[
            ("https://insight.example.com", "http://127.0.0.1"),
            ("wss://insight.example.com", "ws://127.0.0.1"),
            ("port = 443", &port),
            ("{ env = \"INSIGHT_CLIENT_SECRET\" }", "\"s3cret\""),
            ("name = \"planning\"", &name),
        ],
    )
}

fn give(asked: Asked, token: &str) {
    asked.answer_with(200, &[("content-type", "text/plain")], token);
}

/// The opening of the socket, which must have this token.
async fn opening(peer: &mut Peer, token: &str) -> Asked {
    let asked = peer.asked_for("GET", MESSAGES).await;
    assert_eq!(
        (asked.header("authorization"), asked.header("accept")),
        (format!("Bearer {token}").as_str(), ACCEPT)
    );
    asked
}

#[tokio::test]
async fn from_the_token_to_the_results_and_over_a_refused_token_and_a_drop() {
    bounded(async {
        let mut peer = Peer::start().await;
        let element = start(&peer, &[]);
        let asked = peer.asked_for("POST", TOKEN).await;
        let expected = json!({"clientId": "b7f0c9e2-planning", "secret": "s3cret", "maxAge": 900});
        assert_eq!(asked.json(), expected);
        // The service is not ready: no socket without a token, and the token is asked for again after a while.
        asked.answer(503, "{}");
        give(peer.asked_for("POST", TOKEN).await, "t1");
        let mut socket = opening(&mut peer, "t1").await.open(&[("connection-id", "c-1")]).await;
        element.reads(SOCKET, "1").await;
        element.reads(CONNECTION_ID, "c-1").await;

        element.set(SUBMIT, 1.0).await;
        // The token has been revoked: one new one, told to the socket, and the same request again.
        peer.asked_for("POST", JOBS).await.answer(401, "{}");
        give(peer.asked_for("POST", TOKEN).await, "t2");
        let asked = peer.asked_for("POST", JOBS).await;
        assert_eq!((asked.header("authorization"), asked.header("connection-id")), ("Bearer t2", "c-1"));
        assert!(asked.header("content-type").starts_with("multipart/form-data; boundary="));
        let form = asked.text();
        for part in ["name=\"computeJobRequest\"", "Content-Type: application/json", "\"id\": \"blend-1\""] {
            assert!(form.to_lowercase().contains(&part.to_lowercase()), "{form}");
        }
        assert!(!form.contains("payload"), "{form}");
        asked.answer_with(201, &[("location", "/api/compute-jobs/blend-1")], "{}");
        element.reads(JOB_PATH, "/api/compute-jobs/blend-1").await;
        let update = json!({"messageType": "UPDATE_TOKEN", "messagePayload": {"token": "t2"}});
        assert_eq!(socket.json().await, update);

        let event = |status: &str, result: &str| {
            json!({"computeJobId": "blend-1", "messageType": "JOB_STATUS_UPDATED",
                "messagePayload": {"status": status, "modelStatus": "OK", "resultUrl": result}})
            .to_string()
        };
        socket.send(&event("EXECUTING", ""));
        element.reads(JOB_STATUS, "EXECUTING").await;

        // The socket drops: a new one with a new id, and what was missed is asked for.
        drop(socket);
        let mut socket = opening(&mut peer, "t2").await.open(&[("connection-id", "c-2")]).await;
        peer.asked_for("GET", "/api/compute-jobs/blend-1").await.answer(200, r#"{"status":"COMPLETING"}"#);
        element.reads(CONNECTION_ID, "c-2").await;
        element.reads(JOB_STATUS, "COMPLETING").await;

        socket.send(&event("COMPLETED", "/api/compute-jobs/blend-1/results"));
        let asked = peer.asked_for("GET", "/api/compute-jobs/blend-1/results").await;
        assert_eq!(asked.header("authorization"), "Bearer t2");
        asked.answer_with(200, &[("content-type", "text/plain")], "a zip, say");
        element.reads(RESULTS, "a zip, say").await;

        element.set(SUBMIT, 1.0).await;
        let refused = r#"{"error":{"code":409,"message":"the id is taken"}}"#;
        peer.asked_for("POST", JOBS).await.answer(409, refused);
        element.reads(JOB_ERROR, "the id is taken").await;
        element.reads(JOB_PATH, "").await;
        element.set(REMOVE, 1.0).await;
        element.end().await;
        assert!(!peer.is_asked(), "without a job there is nothing to remove");
    })
    .await;
}

#[tokio::test]
async fn a_token_is_renewed_in_band_and_a_socket_that_is_refused_gets_a_new_one() {
    bounded(async {
        let mut peer = Peer::start().await;
        // The shortest time between two tokens is a second.
        let quick = [("lifetime=\"900000\"", "lifetime=\"2500\""), ("margin=\"60000\"", "margin=\"1000\"")];
        let element = start(&peer, &quick);
        give(peer.asked_for("POST", TOKEN).await, "t1");
        let mut socket = opening(&mut peer, "t1").await.open(&[("connection-id", "c-1")]).await;
        give(peer.asked_for("POST", TOKEN).await, "t2");
        assert_eq!(socket.json().await["messagePayload"]["token"], "t2");
        assert_eq!(
            element.handle.fresh_status().await.connections[1].link.as_ref().unwrap().counters.opened,
            1
        );

        // Refused with this token: another one is fetched, and the socket opens with it.
        drop(socket);
        opening(&mut peer, "t2").await.answer(401, "{}");
        give(peer.asked_for("POST", TOKEN).await, "t3");
        let _socket = opening(&mut peer, "t3").await.open(&[]).await;
        element.reads(SOCKET, "1").await;
        // An answer without the header leaves no id of an earlier socket behind.
        element.reads(CONNECTION_ID, "").await;
        element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_payload_goes_with_its_job_byte_by_byte_and_a_job_is_removed() {
    bounded(async {
        let mut peer = Peer::start().await;
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        std::fs::create_dir(&files).unwrap();
        // No text, and with the bytes that end a part and a line.
        let model: Vec<u8> = (0..=255).chain(*b"PK\r\n--\r\n\x00").collect();
        std::fs::write(files.join("model.zip"), &model).unwrap();
        std::fs::write(folder.path().join("other.zip"), "not of this element").unwrap();
        let element = start_with(&peer, &[], &format!("files_dir = {files:?}"));
        give(peer.asked_for("POST", TOKEN).await, "t1");
        let _socket = opening(&mut peer, "t1").await.open(&[("connection-id", "c-1")]).await;
        element.reads(CONNECTION_ID, "c-1").await;

        element.set(PAYLOAD_FILE, "../other.zip").await;
        element.set(SUBMIT, 1.0).await;
        let asked = peer.asked_for("POST", JOBS).await;
        assert!(!asked.text().contains("name=\"payload\""), "what is outside is not read: {}", asked.text());
        asked.answer_with(201, &[("location", "/api/compute-jobs/blend-1")], "{}");
        element.reads(JOB_PATH, "/api/compute-jobs/blend-1").await;

        element.set(PAYLOAD_FILE, "model.zip").await;
        while element.text(PAYLOAD).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        element.set(SUBMIT, 1.0).await;
        let asked = peer.asked_for("POST", JOBS).await;
        let boundary = asked.header("content-type").split_once("boundary=").unwrap().1.to_owned();
        let head = "Content-Disposition: form-data; name=\"payload\"; filename=\"payload.zip\"\r\n\
                    Content-Type: application/zip\r\n\r\n";
        let part = [head.as_bytes(), &model, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        assert!(asked.body.ends_with(&part), "{}", asked.text());
        asked.answer_with(201, &[("location", "/api/compute-jobs/blend-2")], "{}");
        element.reads(JOB_PATH, "/api/compute-jobs/blend-2").await;

        element.set(REMOVE, 1.0).await;
        let asked = peer.asked_for("DELETE", "/api/compute-jobs/blend-2").await;
        assert_eq!((asked.header("authorization"), asked.header("accept")), ("Bearer t1", ACCEPT));
        assert_eq!((asked.header("content-type"), asked.body.len()), ("", 0));
        asked.answer_with(204, &[], "");
        element.reads(ANSWER, "HTTP/1.1 204 No Content").await;
        element.end().await;
    })
    .await;
}
