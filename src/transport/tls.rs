//! TLS towards peers: settings to a shared configuration, and errors in the certificate's own words; dials nothing.

mod asked;
mod validity;
mod verify;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, InconsistentKeys, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use self::asked::Asked;
use self::validity::Validity;
pub(crate) use self::words::{ended_after_asking, inner, trouble};
use super::dial::words;
use super::failure::{FailureKind, Trouble};
use super::handshake::printable;
use crate::value::Wall;

/// How many configurations are kept; the least recently used one goes first.
const CACHED: usize = 64;
/// Largest certificate or key file; the system's bundle of roots is about 220 KiB.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// How a peer is checked and what we show it; paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// A PEM file with one or more certificates to trust *instead of* the system's.
    pub ca: Option<PathBuf>,
    /// A PEM file with our certificate and those between it and its root.
    pub certificate: Option<PathBuf>,
    /// A PEM file with our private key: PKCS#8, PKCS#1 or SEC1, not encrypted; default the certificate's file.
    pub key: Option<PathBuf>,
    /// The name that is asked for and that the certificate must have; default the host of the address.
    pub server_name: Option<String>,
    /// Whether the peer's certificate is checked.
    pub verification: Verification,
}

/// Whether a peer's certificate is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verification {
    /// Against the roots and the name.
    #[default]
    Full,
    /// Not at all (`verify="false"`): anybody in between can read and change everything. The caller warns at each start.
    None,
}

/// What was agreed with the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// `TLSv1_3` or `TLSv1_2`.
    pub version: String,
    /// The cipher suite's name.
    pub cipher: String,
    /// When the peer's certificate expires; `None` if it has no date that can be read.
    pub expires: Option<Wall>,
    /// Whether the peer's certificate was checked.
    pub verification: Verification,
    /// Whether the peer asked for a client certificate.
    pub asked: Asked,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.version, self.cipher)?;
        match self.expires {
            // As far as a `Wall` goes; RFC 5280 has the year 9999 for "never".
            Some(Wall(u64::MAX)) => f.write_str(", certificate without an end")?,
            Some(expires) => {
                write!(f, ", certificate valid until {}", http_date(Duration::from_nanos(expires.0)))?;
            }
            None => {}
        }
        match self.asked {
            Asked::No => {}
            Asked::GotNone => f.write_str(", asked for a client certificate and got none")?,
            Asked::GotOurs => f.write_str(", our certificate shown")?,
        }
        match self.verification {
            Verification::Full => Ok(()),
            Verification::None => f.write_str(", certificate not checked (verify=\"false\")"),
        }
    }
}

/// Why a configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("cannot read {what} `{}`: {}", path.display(), words(error))]
    Read {
        /// What the file is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file has not what it should have.
    #[error("{what} `{}` cannot be used: {problem}", path.display())]
    Content {
        /// What the file is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The key belongs to another certificate.
    #[error("the key `{}` does not belong to the certificate `{}`", key.display(), certificate.display())]
    KeyMismatch {
        /// The key.
        key: PathBuf,
        /// The certificate.
        certificate: PathBuf,
    },
    /// A key without a certificate.
    #[error("a key is set, but no certificate")]
    KeyAlone,
    /// The system has no roots.
    #[error("this system has no certificates to trust: {0}")]
    NoRoots(String),
    /// Something else in rustls.
    #[error("TLS cannot be set up: {0}")]
    Other(rustls::Error),
}

/// Makes the configuration for sockets and for HTTP, or returns the one made before for equal settings.
///
/// A file that changed since is read anew. Blocks while it reads files: call it from a blocking task, or see [`config`].
///
/// # Errors
///
/// [`SettingsError`] names the file.
pub fn config_blocking(settings: &Settings) -> Result<Arc<ClientConfig>, SettingsError> {
    static CACHE: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
    // The server's name is no part of a configuration.
    let settings = Settings { server_name: None, ..settings.clone() };
    let stamps = stamps(&settings);
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = cache.iter().position(|entry| entry.settings == settings) {
        let entry = cache.remove(at);
        if entry.stamps == stamps {
            let config = entry.config.clone();
            cache.push(entry);
            return Ok(config);
        }
    }
    // Made under the lock, so that a thousand elements that start at once read the files once.
    let config = Arc::new(make(&settings)?);
    if cache.len() >= CACHED {
        cache.remove(0);
    }
    cache.push(Entry { settings, stamps, config: config.clone() });
    Ok(config)
}

/// As [`config_blocking`], on a blocking thread.
///
/// # Errors
///
/// As [`config_blocking`].
///
/// # Cancel safety
///
/// Cancel-safe: the work goes on and its result is cached.
pub async fn config(settings: &Settings) -> Result<Arc<ClientConfig>, SettingsError> {
    let settings = settings.clone();
    match tokio::task::spawn_blocking(move || config_blocking(&settings)).await {
        Ok(result) => result,
        Err(_) => Err(SettingsError::Other(rustls::Error::General("reading the files failed".to_owned()))),
    }
}

struct Entry {
    settings: Settings,
    stamps: Vec<Option<(SystemTime, u64)>>,
    config: Arc<ClientConfig>,
}

/// When each file was changed and how long it is; `None` for one that is not there.
fn stamps(settings: &Settings) -> Vec<Option<(SystemTime, u64)>> {
    [&settings.ca, &settings.certificate, &settings.key]
        .into_iter()
        .flatten()
        .map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        })
        .collect()
}

fn make(settings: &Settings) -> Result<ClientConfig, SettingsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(SettingsError::Other)?;
    let builder = match (settings.verification, &settings.ca) {
        (Verification::None, _) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verify::Anything::new(&provider)))
        }
        (Verification::Full, Some(path)) => {
            let verifier = own_roots(path, &provider)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        (Verification::Full, None) => builder.with_root_certificates(system_roots()?),
    };
    let mut config = match (&settings.certificate, &settings.key) {
        (None, None) => builder.with_no_client_auth(),
        (None, Some(_)) => return Err(SettingsError::KeyAlone),
        (Some(certificate), key) => {
            let key = key.as_ref().unwrap_or(certificate);
            let chain = certificates("the certificate", certificate)?;
            builder.with_client_auth_cert(chain, private_key(key)?).map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    SettingsError::KeyMismatch { key: key.clone(), certificate: certificate.clone() }
                }
                error => SettingsError::Content {
                    what: "the certificate",
                    path: certificate.clone(),
                    problem: unreadable(&error),
                },
            })?
        }
    };
    let resolver = config.client_auth_cert_resolver.clone();
    config.client_auth_cert_resolver = Arc::new(asked::Noting(resolver));
    // A WebSocket starts as HTTP/1.1; a peer that would rather speak HTTP/2 must know.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The system's roots, read once in the life of the process.
fn system_roots() -> Result<Arc<RootCertStore>, SettingsError> {
    static ROOTS: OnceLock<Result<Arc<RootCertStore>, String>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(found.certs);
        if added > 0 {
            return Ok(Arc::new(store));
        }
        Err(found.errors.first().map_or_else(|| "none were found".to_owned(), ToString::to_string))
    });
    roots.clone().map_err(SettingsError::NoRoots)
}

fn own_roots(path: &Path, provider: &Arc<CryptoProvider>) -> Result<verify::Listed, SettingsError> {
    let bad =
        |problem: String| SettingsError::Content { what: "the CA file", path: path.to_owned(), problem };
    let mut store = RootCertStore::empty();
    let listed = certificates("the CA file", path)?;
    for certificate in &listed {
        store.add(certificate.clone()).map_err(|error| bad(unreadable(&error)))?;
    }
    let by_issuer = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|error| bad(error.to_string()))?;
    Ok(verify::Listed::new(by_issuer, listed))
}

/// What is wrong with a file whose certificates rustls does not take.
fn unreadable(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => {
            "a certificate in it cannot be read".to_owned()
        }
        error => error.to_string(),
    }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
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
    let failed = |error| SettingsError::Read { what, path: path.to_owned(), error };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
        let problem = format!("it is larger than {MAX_FILE_BYTES} bytes");
        return Err(SettingsError::Content { what, path: path.to_owned(), problem });
    }
    std::fs::read(path).map_err(failed)
}

/// Shakes hands over `io` as a client; `host` is the address's, without brackets. The caller sets the deadline.
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub(crate) async fn connect<S>(
    settings: &Settings,
    host: &str,
    io: S,
) -> Result<(TlsStream<S>, Summary), Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let settings_trouble = |summary: String| {
        Trouble::new(
            FailureKind::TlsSettings,
            summary,
            "correct the files and names of the connection's TLS settings",
        )
    };
    let config = config(settings).await.map_err(|error| settings_trouble(error.to_string()))?;
    let wanted = settings.server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(wanted.to_owned()).map_err(|_| {
        settings_trouble(format!("`{}` is no name that a certificate can have", printable(wanted)))
    })?;
    let (stream, asked) = asked::noting(TlsConnector::from(config).connect(name, io)).await;
    let stream = stream.map_err(|error| trouble(&error, asked))?;
    let (_, session) = stream.get_ref();
    let summary = Summary {
        version: session.protocol_version().map_or_else(String::new, |version| format!("{version:?}")),
        cipher: session
            .negotiated_cipher_suite()
            .map_or_else(String::new, |suite| format!("{:?}", suite.suite())),
        expires: session.peer_certificates().and_then(|chain| expires(chain.first()?)),
        verification: settings.verification,
        asked,
    };
    Ok((stream, summary))
}

fn expires(certificate: &CertificateDer<'_>) -> Option<Wall> {
    let not_after = Validity::of(certificate)?.not_after;
    // Saturates in the year 2554, which is as good as never.
    Some(Wall::default().after(Duration::from_secs(not_after.as_secs())))
}

/// A date for people, as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(since_1970: Duration) -> String {
    match UNIX_EPOCH.checked_add(since_1970) {
        // The form has four digits for the year.
        Some(at) if since_1970.as_secs() < 253_402_300_800 => httpdate::fmt_http_date(at),
        Some(_) | None => "the end of time".to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the fake peers live as long as the test")]
#[cfg(test)]
pub(crate) mod tests;
