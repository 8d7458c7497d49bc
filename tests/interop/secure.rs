//! TLS with a server that we did not write: certificates made here, shown by `websockets` on Python's own TLS (OpenSSL).
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::fs;
use std::path::PathBuf;

use backshell::transport::failure::{FailureKind, Stage};
use backshell::transport::tls::{Settings, Verification};
use backshell::transport::wire::Message;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use super::peer::{Kind, Peer, or_skipped};
use super::{DEFLATE, bounded, bytes, dial, open_plan, plan};

/// A folder with the files of an authority, which signs certificates into it.
pub(super) struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // OpenSSL takes a certificate with the name of its issuer for a self-signed one.
        let own = format!("Authority {:x}", rand::random::<u32>());
        params.distinguished_name.push(DnType::CommonName, own);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The files of a certificate for a name until a year, and of its key.
    pub(super) fn identity(&self, name: &str, until: i32) -> [PathBuf; 2] {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        // As strict clients want it (RFC 5280, 4.2.1.1), such as those on Python from 3.13 on.
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = ["pem", "key"].map(|kind| self.folder.path().join(format!("{name}-{until}.{kind}")));
        fs::write(&files[0], certificate.pem()).unwrap();
        fs::write(&files[1], key.serialize_pem()).unwrap();
        files
    }

    /// A server on TLS with these files; `None` where it cannot be had.
    pub(super) fn server(&self, files: &[PathBuf]) -> Option<Peer> {
        or_skipped(Peer::start_with(Kind::Python, 0, "secure", files))
    }

    /// Settings that trust this authority.
    pub(super) fn trusted(&self) -> Settings {
        Settings { ca: Some(self.ca()), ..Settings::default() }
    }
}

#[tokio::test]
async fn messages_go_through_tls_whole() {
    let authority = Authority::new();
    let Some(peer) = authority.server(&authority.identity("localhost", 2090)) else { return };
    bounded(async {
        let url = format!("wss://localhost:{}/echo", peer.port);
        for headers in [&[][..], &[("Sec-WebSocket-Extensions", DEFLATE)]] {
            let mut plan = plan(&url, headers);
            plan.tls = authority.trusted();
            let mut client = open_plan(plan).await;
            let tls = client.opened.tls.clone().unwrap();
            assert_eq!((tls.version.as_str(), tls.verification), ("TLSv1_3", Verification::Full));
            for length in [0, 65_537, 400 << 10, 4 << 20] {
                client.echo(Message::binary(bytes(length))).await;
            }
            client.echo(Message::text("\u{e4}")).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_certificate_of_ours_is_shown_and_a_missing_one_is_a_failure_of_tls() {
    let authority = Authority::new();
    let [certificate, key] = authority.identity("localhost", 2090);
    let Some(peer) = authority.server(&[certificate, key, authority.ca()]) else { return };
    bounded(async {
        let mut plan = plan(&format!("wss://localhost:{}/echo", peer.port), &[]);
        let [certificate, key] = authority.identity("client", 2090);
        plan.tls = Settings { certificate: Some(certificate), key: Some(key), ..authority.trusted() };
        open_plan(plan.clone()).await.echo(Message::text("let in")).await;

        let [certificate, key] = authority.identity("client", 2021);
        let expired = Settings { certificate: Some(certificate), key: Some(key), ..authority.trusted() };
        // Python drops the connection before its alert has left, in the middle of our request: often, for each order.
        for (tls, kind, summary) in [
            (
                authority.trusted(),
                // No rejection: a peer to which a certificate is only a wish does the same when it restarts.
                FailureKind::Tls,
                "the peer asked for a client certificate, got none and ended the connection",
            ),
            (
                expired,
                FailureKind::Tls,
                "the peer asked for our client certificate, got it and ended the connection",
            ),
        ] {
            for _ in 0..20 {
                plan.tls = tls.clone();
                let failure = dial(plan.clone()).await.unwrap_err();
                assert_eq!(failure.summary, summary);
                assert_eq!(failure.kind, kind);
                let last = failure.stages.last().unwrap();
                assert_eq!((last.stage, last.ok), (Stage::Tls, false), "{failure:?}");
            }
        }
    })
    .await;
}
