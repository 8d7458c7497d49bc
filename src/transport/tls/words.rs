//! What a failed TLS connection means and what to do about it, in words for an operator; opens nothing.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use super::{Asked, http_date};
use crate::transport::dial::words;
use crate::transport::failure::{FailureKind, Trouble};
use crate::transport::handshake::printable;

/// The error of rustls inside an I/O error; a peer's alert may come as late as the first read.
pub(crate) fn inner(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}

/// What a failed TLS connection means, and what to do about it.
pub(crate) fn trouble(error: &io::Error, asked: Asked) -> Trouble {
    let Some(tls) = inner(error) else {
        if let Some(trouble) = ended_after_asking(asked) {
            return trouble;
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Trouble::new(
                FailureKind::Tls,
                "the peer ended the connection during the TLS handshake",
                "check that the port speaks TLS; use ws instead of wss if it does not",
            );
        }
        return Trouble::new(
            FailureKind::Tls,
            format!("the connection broke during the TLS handshake: {}", words(error)),
            "check that the port speaks TLS and that nothing in between cuts the connection",
        );
    };
    let said = |summary: &str, advice: &str| Trouble::new(FailureKind::Tls, summary, advice);
    match tls {
        rustls::Error::InvalidCertificate(error) => certificate_trouble(error),
        rustls::Error::AlertReceived(alert) => alert_trouble(*alert, asked),
        rustls::Error::InvalidMessage(_) => said(
            "the peer answers, but not with TLS",
            "use ws instead of wss, or the port on which the peer speaks TLS",
        ),
        rustls::Error::PeerIncompatible(what) => said(
            &format!("the peer speaks no TLS that is possible here: {what:?}"),
            "the peer needs TLS 1.2 with an ECDHE cipher, or TLS 1.3: update its software or its settings",
        ),
        other => said(&format!("TLS failed: {other}"), "check the TLS settings of both sides"),
    }
}

fn certificate_trouble(error: &CertificateError) -> Trouble {
    let date = |time: &rustls::pki_types::UnixTime| http_date(Duration::from_secs(time.as_secs()));
    let (summary, advice) = match error {
        CertificateError::ExpiredContext { not_after, .. } => (
            format!("the peer's certificate expired on {}", date(not_after)),
            "renew the peer's certificate, or check the clock of this host".to_owned(),
        ),
        CertificateError::NotValidYetContext { not_before, .. } => (
            format!("the peer's certificate is valid only from {}", date(not_before)),
            "check the clocks of this host and of the peer".to_owned(),
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str().into_owned();
            let names: Vec<String> = presented.iter().take(10).map(|name| shown_name(name)).collect();
            if names.is_empty() {
                (
                    format!("the peer's certificate has no name that can be compared with {expected}"),
                    "give the peer a certificate with a subjectAltName; a common name alone does not count"
                        .to_owned(),
                )
            } else {
                (
                    format!("the peer's certificate is for {}, not for {expected}", names.join(", ")),
                    "set serverName of the TLS settings to a name of the certificate, or correct the address".to_owned(),
                )
            }
        }
        CertificateError::UnknownIssuer => (
            "the peer's certificate is signed by an issuer that is not trusted".to_owned(),
            "set ca of the TLS settings to a file with the issuer's certificate; for a self-signed one, with the certificate itself".to_owned(),
        ),
        CertificateError::BadSignature => (
            "the peer's certificate is signed by an issuer that only has the name of a trusted one".to_owned(),
            "if the issuer has a new key, set ca of the TLS settings to a file with its new certificate".to_owned(),
        ),
        // The names of webpki's own errors, which rustls passes on as they are.
        CertificateError::Other(error) if error.to_string() == "CaUsedAsEndEntity" => (
            "the peer's certificate is that of a CA or self-signed, and is not listed as trusted".to_owned(),
            "if you know this very certificate, set ca of the TLS settings to a file with it".to_owned(),
        ),
        CertificateError::Other(error) if error.to_string() == "UnsupportedCertVersion" => (
            "the peer's certificate is of an old form (not X.509 version 3) that has no names".to_owned(),
            "give the peer a certificate of version 3 with a subjectAltName".to_owned(),
        ),
        other => (
            format!("the peer's certificate is not accepted: {other}"),
            "give the peer a certificate of a known issuer, or set ca of the TLS settings to a file with its issuer's".to_owned(),
        ),
    };
    Trouble::new(FailureKind::Certificate, summary, advice)
}

/// A name as rustls lists it, `DnsName("a.example")`, without the frame.
pub(super) fn shown_name(name: &str) -> String {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    printable(inside.trim_matches('"'))
}

const OWN_CERTIFICATE: &str = "set certificate and key of the TLS settings to files that the peer's administrator gave out, and check that they are valid";

/// What it means that a peer ended the connection without a word after it had asked for a client certificate.
///
/// Servers on OpenSSL inside asyncio, for one, drop the connection before their alert has left. It is no rejection: a peer
/// to which a certificate is only a wish, or that knows ours, does the same when it restarts.
pub(crate) fn ended_after_asking(asked: Asked) -> Option<Trouble> {
    match asked {
        Asked::GotNone => Some(Trouble::new(
            FailureKind::Tls,
            "the peer asked for a client certificate, got none and ended the connection",
            OWN_CERTIFICATE,
        )),
        Asked::GotOurs => Some(Trouble::new(
            FailureKind::Tls,
            "the peer asked for our client certificate, got it and ended the connection",
            "the peer may not accept our certificate: check that it is valid and of an issuer that the peer knows, and see the peer's log",
        )),
        Asked::No => None,
    }
}

fn alert_trouble(alert: AlertDescription, asked: Asked) -> Trouble {
    let ours = |summary: &str| Trouble::new(FailureKind::ClientCertificate, summary, OWN_CERTIFICATE);
    let missing = || ours("the peer requires a client certificate, and none is set");
    match alert {
        AlertDescription::CertificateRequired => missing(),
        // Before TLS 1.3 there was no alert of its own, and each library has its favourite.
        AlertDescription::HandshakeFailure
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied
            if asked == Asked::GotNone =>
        {
            missing()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            ours(&format!("the peer does not accept our client certificate ({alert:?})"))
        }
        AlertDescription::UnrecognisedName => Trouble::new(
            FailureKind::Tls,
            "the peer does not serve the name that was asked for",
            "correct the address, or set serverName of the TLS settings to a name that the peer serves",
        ),
        other => Trouble::new(
            FailureKind::Tls,
            format!("the peer ended the TLS handshake: {other:?}"),
            "check the TLS settings of the peer: versions, ciphers, and whether it wants a client certificate",
        ),
    }
}
