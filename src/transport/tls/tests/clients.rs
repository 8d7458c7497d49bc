//! Tests of client certificates: shown where they are asked for, and told apart where that is not enough.

use std::io;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::{Authority, Clients, Folder, Peer, check, dial};
use crate::transport::failure::{FailureKind, Stage};
use crate::transport::tls::{Asked, Settings, trouble};

#[tokio::test(start_paused = true)]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let (ca, clients, folder) = (Authority::new("Ours"), Authority::new("Clients"), Folder::new());
    let url = "wss://device.example/p";
    let server = ca.identity(&["device.example"]);
    let client = clients.identity(&["client"]);
    let stranger = ca.identity(&["client"]);
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let server = server.server_of(Clients::SignedBy(&clients), versions);
        let key = client.key.serialize_pem();
        let shown = folder.showing(&ca.pem(), &client.pem, &key);
        let opened = dial(&server, url, &shown).await.unwrap();
        assert_eq!(opened.tls.as_ref().map(|tls| tls.asked), Some(Asked::GotOurs));
        assert!(opened.stages[2].detail.ends_with("our certificate shown"), "{opened:?}");
        // One file with both.
        let both = folder.file("both.pem", &format!("{key}{}", client.pem));
        let shown = Settings { certificate: Some(both), ..folder.trusting(&ca.pem()) };
        assert!(dial(&server, url, &shown).await.is_ok());

        // Under TLS 1.3 the alert comes when the client has long begun to wait for the answer to its request.
        check(
            dial(&server, url, &folder.trusting(&ca.pem())).await,
            FailureKind::ClientCertificate,
            "the peer requires a client certificate, and none is set",
            "set certificate and key",
        );

        let shown = folder.showing(&ca.pem(), &stranger.pem, &stranger.key.serialize_pem());
        check(
            dial(&server, url, &shown).await,
            FailureKind::ClientCertificate,
            "the peer does not accept our client certificate (UnknownCA)",
            "set certificate and key",
        );
    }
    let expired = clients.dated(&["client"], 2001, 2002);
    let shown = folder.showing(&ca.pem(), &expired.pem, &expired.key.serialize_pem());
    check(
        dial(&server.server(Clients::SignedBy(&clients)), url, &shown).await,
        FailureKind::ClientCertificate,
        "the peer does not accept our client certificate (CertificateExpired)",
        "check that they are valid",
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_drops_after_it_asked_for_a_certificate_is_a_failure_of_tls() {
    let (ca, clients, folder) = (Authority::new("Ours"), Authority::new("Clients"), Folder::new());
    let server = ca.identity(&["device.example"]);
    let url = "wss://device.example/p";
    let optional = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let mut roots = RootCertStore::empty();
        roots.add(clients.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let key = PrivateKeyDer::try_from(server.key.serialize_der()).unwrap();
        let builder = builder.with_client_cert_verifier(verifier);
        Arc::new(builder.with_single_cert(vec![server.certificate.clone()], key).unwrap())
    };
    let client = clients.identity(&["client"]);
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let trusting = folder.trusting(&ca.pem());
        let dropping = Peer::TlsThenDrops(optional(versions));
        check(
            dial(&dropping, url, &trusting).await,
            FailureKind::Tls,
            "the peer asked for a client certificate, got none and ended the connection",
            "set certificate and key",
        );
        let shown = folder.showing(&ca.pem(), &client.pem, &client.key.serialize_pem());
        check(
            dial(&dropping, url, &shown).await,
            FailureKind::Tls,
            "the peer asked for our client certificate, got it and ended the connection",
            "see the peer's log",
        );
        // Where it is only a wish, none is no failure.
        let opened = dial(&Peer::Tls(optional(versions)), url, &trusting).await.unwrap();
        assert_eq!(opened.tls.unwrap().asked, Asked::GotNone);
        // A peer that did not ask is no failure of TLS.
        let Peer::Tls(config) = server.server_of(Clients::All, versions) else { unreachable!() };
        let failure = dial(&Peer::TlsThenDrops(config), url, &trusting).await.unwrap_err();
        assert_eq!(failure.stages.last().unwrap().stage, Stage::Http, "{failure}");
    }
}

#[test]
fn an_alert_after_the_peer_asked_for_a_certificate_is_about_that() {
    use rustls::AlertDescription as Alert;
    let missing = "the peer requires a client certificate, and none is set";
    let check = |alert: Alert, asked: Asked, kind: FailureKind, summary: &str| {
        let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
        let trouble = trouble(&error, asked);
        assert_eq!((trouble.kind, trouble.summary.as_str()), (kind, summary), "{alert:?} {asked:?}");
    };
    let client = FailureKind::ClientCertificate;
    check(Alert::CertificateRequired, Asked::No, client, missing);
    check(Alert::HandshakeFailure, Asked::GotNone, client, missing);
    check(Alert::BadCertificate, Asked::GotNone, client, missing);
    let unknown = "the peer does not accept our client certificate (BadCertificate)";
    check(Alert::BadCertificate, Asked::GotOurs, client, unknown);
    let other = "the peer ended the TLS handshake: HandshakeFailure";
    check(Alert::HandshakeFailure, Asked::No, FailureKind::Tls, other);
    check(Alert::HandshakeFailure, Asked::GotOurs, FailureKind::Tls, other);
    let name = "the peer does not serve the name that was asked for";
    check(Alert::UnrecognisedName, Asked::No, FailureKind::Tls, name);
    let reset = trouble(&io::ErrorKind::ConnectionReset.into(), Asked::GotNone);
    // No rejection: to a peer that restarts, a certificate may only have been a wish.
    assert_eq!((reset.kind, reset.kind.rejection()), (FailureKind::Tls, None));
    assert_eq!(reset.summary, "the peer asked for a client certificate, got none and ended the connection");
    let reset = trouble(&io::ErrorKind::ConnectionReset.into(), Asked::No);
    assert_eq!(reset.kind, FailureKind::Tls);
    assert!(reset.summary.starts_with("the connection broke during the TLS handshake"), "{}", reset.summary);
}
