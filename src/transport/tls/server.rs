//! TLS of a simulated peer: its certificate and key out of PEM files, and why a client would not have it; serves nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::{AlertDescription, ServerConfig};

use super::files::Identity;
use super::{SettingsError, inner};
use crate::transport::dial::words;

/// What a server shows: a certificate with those between it and its root, and its key, both PEM; asks for none of a client.
///
/// HTTP/1.1 only, as simulated peers speak it.
///
/// # Errors
///
/// A file cannot be read or is none, or the two do not belong together.
pub fn server(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, SettingsError> {
    let ours = Identity::new(certificate, key);
    let (chain, key) = ours.read()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SettingsError::Other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| ours.unfit(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Why the handshake with a client failed, and what to do about it.
pub fn refusal(error: &io::Error) -> String {
    let Some(tls) = inner(error) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                "it ended the connection without a word: perhaps it does not accept the certificate"
                    .to_owned()
            }
            _ => words(error),
        };
    };
    match tls {
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA),
        ) => format!(
            "it does not accept the certificate ({alert:?}): it has to trust it, or who signed it, and to ask for a name that stands in it"
        ),
        rustls::Error::AlertReceived(alert) => format!("it ended the handshake ({alert:?})"),
        rustls::Error::InvalidMessage(_) => {
            "what it sends is not TLS: its address has to be `wss://` or `https://`".to_owned()
        }
        rustls::Error::PeerIncompatible(why) => format!("it speaks no TLS that is possible here: {why:?}"),
        other => other.to_string(),
    }
}
