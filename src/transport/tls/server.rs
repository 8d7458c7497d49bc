//! TLS of a simulated peer: its certificate and key out of PEM files; serves nothing.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;

use super::SettingsError;
use super::files::{certificates, private_key, unreadable};

/// What a server shows: a certificate with those between it and its root, and its key, both PEM; asks for none of a client.
///
/// HTTP/1.1 only, as simulated peers speak it.
///
/// # Errors
///
/// A file cannot be read or is none, or the two do not belong together.
pub fn server(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, SettingsError> {
    let chain = certificates("the certificate", certificate)?;
    let private = private_key(key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SettingsError::Other)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                SettingsError::KeyMismatch { key: key.to_owned(), certificate: certificate.to_owned() }
            }
            error => SettingsError::Content {
                what: "the certificate",
                path: certificate.to_owned(),
                problem: unreadable(&error),
            },
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
