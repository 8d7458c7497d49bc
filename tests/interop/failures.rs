//! What an operator reads when a whole element gets no link: the state, what went wrong, one line of advice, the stages.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use backshell::element::handle::Handle;

use super::bounded;
use super::element::studio;
use super::peer::{Kind, Peer, or_skipped, shared};
use super::secure::Authority;

/// The first failure of the link as text, line by line.
async fn failure(handle: &Handle) -> String {
    let mut status = handle.watch_status();
    let status = status
        .wait_for(|status| {
            let link = status.connections[0].link.as_ref();
            link.is_some_and(|link| link.last_failure.is_some() && link.state != "connecting")
        })
        .await
        .unwrap();
    let link = status.connections[0].link.as_ref().unwrap();
    let failure = link.last_failure.as_ref().unwrap();
    let stages: Vec<String> = failure
        .stages
        .iter()
        .map(|stage| format!("{} {}", stage.stage, if stage.ok { "ok" } else { "failed" }))
        .collect();
    format!("{}\n{}\n{}\n{}", link.state, failure.summary, failure.advice, stages.join(", "))
}

/// Starts an element whose connection has these settings, and compares what it shows.
async fn check(connection: &str, params: &str, expected: &str) {
    let element = studio(connection, params);
    assert_eq!(failure(&element.handle).await, expected);
    element.end().await;
}

fn connection(scheme: &str, port: u16, ca: &Path) -> String {
    // Back-off waits long enough to be seen.
    format!("host = \"{scheme}://localhost\"\nport = {port}\ntls = {{ ca = {ca:?} }}")
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_reads_so() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (files, expected) in [
        (
            ours.identity("localhost", 2021),
            "rejected\n\
             tls: the peer's certificate expired on Fri, 01 Jan 2021 00:00:00 GMT\n\
             renew the peer's certificate, or check the clock of this host\n\
             name ok, tcp ok, tls failed",
        ),
        (
            ours.identity("camera-7.example", 2090),
            "rejected\n\
             tls: the peer's certificate is for camera-7.example, not for localhost\n\
             set serverName of the TLS settings to a name of the certificate, or correct the address\n\
             name ok, tcp ok, tls failed",
        ),
        (
            theirs.identity("localhost", 2090),
            "rejected\n\
             tls: the peer's certificate is signed by an issuer that is not trusted\n\
             set ca of the TLS settings to a file with the issuer's certificate; for a self-signed one, with the certificate itself\n\
             name ok, tcp ok, tls failed",
        ),
    ] {
        let Some(peer) = ours.server(&files) else { return };
        bounded(check(&connection("wss", peer.port, &ours.ca()), "", expected)).await;
    }
}

#[tokio::test]
async fn a_wrong_scheme_a_missing_client_certificate_and_a_missing_file_read_so() {
    let ours = Authority::new();
    let [certificate, key] = ours.identity("localhost", 2090);
    let Some(peer) = ours.server(&[certificate, key, ours.ca()]) else { return };
    bounded(check(
        &connection("wss", peer.port, &ours.ca()),
        "",
        "backoff\n\
         tls: the peer asked for a client certificate, got none and ended the connection\n\
         set certificate and key of the TLS settings to files that the peer's administrator gave out, and check that they are valid\n\
         name ok, tcp ok, tls failed",
    ))
    .await;
    let missing = ours.ca().with_file_name("gone.pem");
    let expected = format!(
        "rejected\n\
         tls: cannot read the CA file `{}`: no such file or directory\n\
         correct the files and names of the connection's TLS settings\n\
         name ok, tcp ok, tls failed",
        missing.display()
    );
    bounded(check(&connection("wss", peer.port, &missing), "", &expected)).await;
    bounded(async {
        let element = studio(&connection("ws", peer.port, &ours.ca()), "");
        let text = failure(&element.handle).await;
        let lines: Vec<&str> = text.lines().skip(1).collect();
        // OpenSSL may reset the connection before its answer is read; the advice must hold all the same.
        assert!(lines[1].contains("use wss instead of ws"), "{text}");
        assert_eq!(lines[2], "name ok, tcp ok, http failed", "{text}");
        element.end().await;
    })
    .await;
    let Some(plain) = shared(Kind::Python) else { return };
    bounded(async {
        let element = studio(&connection("wss", plain.port, &ours.ca()), "");
        let text = failure(&element.handle).await;
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert!(lines[0].starts_with("tls: ") && lines[1].contains("use ws instead of wss"), "{text}");
        assert_eq!(lines[2], "name ok, tcp ok, tls failed");
        element.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_closes_before_its_first_message_reads_so() {
    let Some(peer) = or_skipped(Peer::start(Kind::Python, 0, "closing")) else { return };
    let connection = format!("host = \"ws://127.0.0.1\"\nport = {}", peer.port);
    bounded(check(
        &connection,
        "WebsocketUrl = \"close?code=1008&reason=who%20are%20you\"",
        "rejected\n\
         first message: the peer closed with code 1008 `who are you` before its first message\n\
         1008: the peer will not have this client: check the credentials and what is sent first\n\
         name ok, tcp ok, http ok, negotiation ok, first message failed",
    ))
    .await;
    bounded(async {
        let path = "WebsocketUrl = \"close?code=4401&reason=token%20is%20old\"";
        let element = studio(&connection, path);
        let text = failure(&element.handle).await;
        let (_, text) = text.split_once('\n').unwrap();
        assert_eq!(
            text,
            "first message: the peer closed with code 4401 `token is old` before its first message\n\
             4401: this code is the peer's own: see its documentation; credentials, path and what is sent first are the usual reasons\n\
             name ok, tcp ok, http ok, negotiation ok, first message failed"
        );
        element.end().await;
    })
    .await;
}

/// A log that a test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn verify_false_opens_and_is_warned_about_at_the_start() {
    let theirs = Authority::new();
    let Some(peer) = theirs.server(&theirs.identity("camera-7.example", 2021)) else { return };
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // For this thread only, on which the whole test runs.
    let _guard = tracing::subscriber::set_default(subscriber);
    bounded(async {
        let connection =
            format!("host = \"wss://localhost\"\nport = {}\ntls = {{ verify = false }}", peer.port);
        let element = studio(&connection, "");
        let mut status = element.handle.watch_status();
        let ready = status
            .wait_for(|status| status.connections[0].link.as_ref().is_some_and(|link| link.state == "ready"));
        drop(ready.await.unwrap());
        element.end().await;
    })
    .await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warnings: Vec<&str> =
        log.lines().filter(|line| line.contains("certificates are not checked")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("WARN") && warnings[0].contains("studio"), "{}", warnings[0]);
}
