//! Tests of the system's roots, in a process of their own whose roots are a file of the test.

use std::process::Command;

use super::{Authority, Clients, Folder, Settings, Verification, check, dial};
use crate::transport::failure::FailureKind;

/// Tells a child process that it is one; the value is the folder in which its roots are to be.
const FOLDER: &str = "BACKSHELL_TEST_ROOTS";

/// Runs one test of this file with the system's roots in a file that is not there yet.
fn in_own_process(test: &str) {
    let folder = Folder::new();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("transport::tls::tests::system::{test}"), "--nocapture"])
        .env(FOLDER, folder.path(""))
        .env("SSL_CERT_FILE", folder.path("roots.pem"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(
        status.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&status.stderr)
    );
}

#[tokio::test(start_paused = true)]
async fn the_systems_roots_are_looked_for_again_and_decide_where_no_ca_is_set() {
    let Some(folder) = std::env::var_os(FOLDER).map(std::path::PathBuf::from) else {
        in_own_process("the_systems_roots_are_looked_for_again_and_decide_where_no_ca_is_set");
        return;
    };
    let (public, private) = (Authority::new("Public"), Authority::new("Private"));
    let (url, default) = ("wss://device.example/p", Settings::default());
    let server = public.identity(&["device.example"]).server(Clients::All);
    // A bundle that is mounted late, or descriptors that were exhausted: no reason to refuse for ever.
    let failure = dial(&server, url, &default).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TlsSettings);
    assert!(failure.summary.starts_with("this system has no certificates to trust"), "{failure}");
    std::fs::write(folder.join("roots.pem"), public.pem()).unwrap();
    let opened = dial(&server, url, &default).await.unwrap();
    assert_eq!(opened.tls.unwrap().verification, Verification::Full);

    check(
        dial(&private.identity(&["device.example"]).server(Clients::All), url, &default).await,
        FailureKind::Certificate,
        "the peer's certificate is signed by an issuer that is not trusted",
        "set ca of the TLS settings to a file with the issuer's certificate",
    );
    check(
        dial(&public.identity(&["other.example"]).server(Clients::All), url, &default).await,
        FailureKind::Certificate,
        "the peer's certificate is for other.example, not for device.example",
        "serverName",
    );
    check(
        dial(&public.dated(&["device.example"], 2001, 2002).server(Clients::All), url, &default).await,
        FailureKind::Certificate,
        "the peer's certificate expired on Tue, 01 Jan 2002 00:00:00 GMT",
        "renew",
    );

    // A CA of one's own takes the place of the system's for a peer, and stands beside them for a proxy.
    let files = Folder::new();
    let own = files.trusting(&private.pem());
    assert!(dial(&server, url, &own).await.is_err());
    for authority in [&public, &private] {
        let server = authority.identity(&["device.example"]).server(Clients::All);
        let opened = dial(&server, url, &own.of_proxy()).await;
        assert!(opened.is_ok(), "{opened:?}");
    }
}
