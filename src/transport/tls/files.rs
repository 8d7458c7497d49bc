//! Certificates and keys from PEM files, and what is wrong with a file in words; keeps nothing.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustls::CertificateError;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::SettingsError;

/// Largest certificate or key file; the system's bundle of roots is about 220 KiB.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

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

pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SettingsError> {
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

/// Reads a whole file that is one: a device or a pipe of that name would never end.
fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    let failed = |error| SettingsError::Read { what, path: path.to_owned(), error };
    let bad = |problem: String| SettingsError::Content { what, path: path.to_owned(), problem };
    // Before it is opened, which already waits for ever on a pipe.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(bad("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    // By what comes, and not by the length that the file system claims.
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE_BYTES) {
        Ok(bytes)
    } else {
        Err(bad(format!("it is larger than {MAX_FILE_BYTES} bytes")))
    }
}
