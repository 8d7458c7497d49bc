//! Certificates and keys from PEM files, and what is wrong with a file in words; keeps nothing.

use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, InconsistentKeys};

use super::SettingsError;
use crate::files::{self, Unread};

/// Largest certificate or key file; the system's bundle of roots is about 220 KiB.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// A certificate with those between it and its root, and its key.
pub(super) struct Identity<'a> {
    certificate: &'a Path,
    key: &'a Path,
}

impl<'a> Identity<'a> {
    /// What these files hold.
    pub(super) fn new(certificate: &'a Path, key: &'a Path) -> Self {
        Self { certificate, key }
    }

    pub(super) fn read(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), SettingsError> {
        Ok((certificates("the certificate", self.certificate)?, private_key(self.key)?))
    }

    /// Why rustls does not take what was read.
    pub(super) fn unfit(&self, error: &rustls::Error) -> SettingsError {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => SettingsError::KeyMismatch {
                key: self.key.to_owned(),
                certificate: self.certificate.to_owned(),
            },
            error => SettingsError::Content {
                what: "the certificate",
                path: self.certificate.to_owned(),
                problem: unreadable(error),
            },
        }
    }
}

/// What is wrong with a file whose certificates rustls does not take.
pub(super) fn unreadable(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => {
            "a certificate in it cannot be read".to_owned()
        }
        error => error.to_string(),
    }
}

pub(super) fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let bad = |problem: String| SettingsError::Content { what, path: path.to_owned(), problem };
    let text = read(what, path)?;
    let list: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(malformed(&error)))?;
    if list.is_empty() {
        return Err(bad("it has no `BEGIN CERTIFICATE`; a file in DER must be converted to PEM".to_owned()));
    }
    Ok(list)
}

/// What is wrong with the frame of a PEM file.
fn malformed(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "it has no `END CERTIFICATE`: the file has been cut off".to_owned()
        }
        pem::Error::Base64Decode(_) => "what stands between BEGIN and END is no base64".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a line with BEGIN in it is cut off".to_owned(),
        error => error.to_string(),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SettingsError> {
    let text = read("the key", path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let encrypted = text.windows(9).any(|window| window == b"ENCRYPTED");
        let problem = if encrypted {
            "it is encrypted: store it without a password, readable only by this user"
        } else {
            "it has no `BEGIN PRIVATE KEY`, `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY`"
        };
        SettingsError::Content { what: "the key", path: path.to_owned(), problem: problem.to_owned() }
    })
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    files::read(path, MAX_FILE_BYTES).map_err(|why| match why {
        Unread::System(error) => SettingsError::Read { what, path: path.to_owned(), error },
        Unread::NoFile | Unread::NoText | Unread::TooLarge(_) => {
            SettingsError::Content { what, path: path.to_owned(), problem: why.to_string() }
        }
    })
}
