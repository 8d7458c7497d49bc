//! Tests of the files of TLS settings: what is wrong is told with the file's name, and a changed file is read anew.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Authority, Clients, Folder, Identity, KeyPair, Settings, check, dial, params};
use crate::transport::failure::FailureKind;
use crate::transport::tls::{SettingsError, config, entry};

/// A key that signs nothing outside these tests; making one takes long, and ring cannot.
const RSA: &str = include_str!("../../../../tests/keys/rsa.pem");

/// The inner key of a PKCS#8 key in another frame: PKCS#1 for RSA, SEC1 for EC.
fn reframed(pkcs8: &str, label: &str, length_of_outside: usize) -> String {
    let base64: String = pkcs8.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(base64).unwrap();
    let inner = STANDARD.encode(&der[length_of_outside..]);
    format!("-----BEGIN {label}-----\n{inner}\n-----END {label}-----\n")
}

#[tokio::test(start_paused = true)]
async fn keys_of_all_three_forms_are_read() {
    let (ca, clients, folder) = (Authority::new("Ours"), Authority::new("Clients"), Folder::new());
    let server = ca.identity(&["device.example"]).server(Clients::SignedBy(&clients));
    let rsa = KeyPair::from_pem(RSA).unwrap();
    let rsa = params(&["client"], 2020, 2090).signed_by(&rsa, &clients.0).unwrap().pem();
    let ec = clients.identity(&["client"]);
    let ec_key = ec.key.serialize_pem();
    // What stands around the inner key: version, algorithm, and the head of the octet string.
    let sec1 = {
        let der = ec.key.serialize_der();
        let inner = der.windows(5).position(|window| window == [0x02, 0x01, 0x01, 0x04, 0x20]).unwrap();
        reframed(&ec_key, "EC PRIVATE KEY", inner - 2)
    };
    for (certificate, key) in [
        (&rsa, RSA.to_owned()),
        (&rsa, reframed(RSA, "RSA PRIVATE KEY", 26)),
        (&ec.pem, ec_key.clone()),
        (&ec.pem, sec1),
        // With Windows line ends and a text before it, as some tools write it.
        (&ec.pem, format!("Bag Attributes\n  friendlyName: x\n{ec_key}").replace('\n', "\r\n")),
    ] {
        let shown = folder.showing(&ca.pem(), certificate, &key);
        let opened = dial(&server, "wss://device.example/", &shown).await;
        assert!(opened.is_ok(), "{}: {opened:?}", key.lines().next().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_used_is_named() {
    let (ca, folder) = (Authority::new("Ours"), Folder::new());
    let server = ca.identity(&["device.example"]).server(Clients::All);
    let (one, two) = (ca.identity(&["one"]), ca.identity(&["two"]));
    let ours = folder.trusting(&ca.pem());
    // A folder for each, since all settings are made before the first dial.
    let folders: Vec<Folder> = (0..8).map(|_| Folder::new()).collect();
    let mut fresh = folders.iter();
    let mut with = |certificate: &str, key: &str| fresh.next().unwrap().showing(&ca.pem(), certificate, key);
    let mut number = 0;
    let mut ca_file = |text: &str| {
        number += 1;
        Settings { ca: Some(folder.file(&format!("bad-{number}.pem"), text)), ..Settings::default() }
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let unended = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let key = one.key.serialize_pem();
    for (settings, file, says) in [
        (
            Settings { ca: Some(folder.path("missing.pem")), ..Settings::default() },
            "missing.pem",
            "cannot read the CA file",
        ),
        (Settings { ca: Some(folder.path("")), ..Settings::default() }, "", "the CA file"),
        (ca_file(""), "bad-1.pem", "it has no `BEGIN CERTIFICATE`"),
        (ca_file("no PEM at all"), "bad-2.pem", "it has no `BEGIN CERTIFICATE`"),
        (ca_file(&key), "bad-3.pem", "it has no `BEGIN CERTIFICATE`"),
        (ca_file(unended), "bad-4.pem", "has no `END CERTIFICATE`"),
        (ca_file(broken), "bad-5.pem", "a certificate in it cannot be read"),
        (with(&one.pem, &two.key.serialize_pem()), "client.key", "does not belong to the certificate"),
        (with(&one.pem, ""), "client.key", "it has no `BEGIN PRIVATE KEY`"),
        (with(&one.pem, encrypted), "client.key", "it is encrypted"),
        (with("", &key), "client.pem", "it has no `BEGIN CERTIFICATE`"),
        (with(broken, &key), "client.pem", "a certificate in it cannot be read"),
        (Settings { key: Some(folder.file("alone.key", &key)), ..ours.clone() }, "", "no certificate"),
        (Settings { certificate: Some(folder.file("alone.pem", &one.pem)), ..ours }, "alone.pem", "the key"),
    ] {
        let failure = dial(&server, "wss://device.example/", &settings).await.unwrap_err();
        let (kind, summary) = (failure.kind, failure.summary.clone());
        assert!(summary.contains(file) && summary.contains(says), "{file}: {summary}");
        assert!(!summary.contains("MII"), "{summary}");
        check(Err(failure), FailureKind::TlsSettings, &summary, "TLS settings");
        assert_eq!(kind.rejection(), Some(crate::engine::link::policy::Rejection::Certificate));
    }
    let large = folder.file("large.pem", "");
    fs::File::options().write(true).open(&large).unwrap().set_len(5 << 20).unwrap();
    let error = config(&Settings { ca: Some(large), ..Settings::default() }).await.unwrap_err();
    assert!(
        matches!(&error, SettingsError::Content { problem, .. } if problem == "it is larger than 4 MiB"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_is_used_at_the_next_dial() {
    let (old, new, folder) = (Authority::new("Old"), Authority::new("New, longer"), Folder::new());
    let server = |identity: Identity| identity.server(Clients::All);
    let (of_old, of_new) = (server(old.identity(&["d.example"])), server(new.identity(&["d.example"])));
    let settings = folder.trusting(&old.pem());
    let first = config(&settings).await.unwrap();
    assert!(dial(&of_old, "wss://d.example/", &settings).await.is_ok());
    assert!(dial(&of_new, "wss://d.example/", &settings).await.is_err());
    let same = Settings { server_name: Some("other".to_owned()), ..settings.clone() };
    assert!(
        std::sync::Arc::ptr_eq(&first, &config(&same).await.unwrap()),
        "one configuration for equal files"
    );

    // As an operator or a tool does it: a new file over the old one.
    fs::rename(folder.file("ca.new", &new.pem()), folder.path("ca.pem")).unwrap();
    assert!(dial(&of_new, "wss://d.example/", &settings).await.is_ok());
    assert!(dial(&of_old, "wss://d.example/", &settings).await.is_err());

    fs::remove_file(folder.path("ca.pem")).unwrap();
    let failure = dial(&of_new, "wss://d.example/", &settings).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TlsSettings, "{failure}");
}

/// A wait of the real clock: what it bounds is a thread that hangs.
#[cfg(unix)]
#[tokio::test]
async fn what_never_ends_is_no_file_and_holds_up_nothing_else() {
    let (ca, folder) = (Authority::new("Ours"), Folder::new());
    let pipe = folder.path("pipe.pem");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe, "/dev/zero".into()] {
        let endless = Settings { ca: Some(path.clone()), ..Settings::default() };
        let made = tokio::time::timeout(Duration::from_secs(20), config(&endless)).await;
        let error = made.expect("nothing hangs").unwrap_err();
        let shown = format!(
            "the CA file `{}` cannot be used: it is no file, but a folder, a pipe, a socket or a device",
            path.display()
        );
        assert_eq!(error.to_string(), shown);
    }
    // While one configuration is being made, others are not kept waiting.
    let (busy, other) = (
        folder.trusting(&ca.pem()),
        Settings { ca: Some(folder.file("o.pem", &ca.pem())), ..Settings::default() },
    );
    let held = entry(&busy).lock_owned().await;
    let made = tokio::time::timeout(Duration::from_secs(20), config(&other)).await;
    assert!(made.expect("nothing hangs").is_ok());
    drop(held);
    assert!(config(&busy).await.is_ok());
}
