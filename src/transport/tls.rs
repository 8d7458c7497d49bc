//! TLS towards peers: settings to a shared configuration, and errors in the certificate's own words; dials nothing.

mod asked;
mod files;
pub mod server;
mod validity;
mod verify;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use self::asked::Asked;
use self::files::{Identity, certificates, unreadable};
use self::validity::Validity;
pub(crate) use self::words::{ended_after_asking, inner, trouble};
use super::dial::words;
use super::failure::{FailureKind, Trouble};
use super::handshake::printable;
use crate::value::Wall;

/// How many configurations are kept; the least recently used one goes first. More than one for each client certificate
/// that a large installation has, or each dial would read its files anew.
const CACHED: usize = 1024;

/// How a peer is checked and what we show it; paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// A PEM file with one or more certificates to trust; `trust` says whether the system's count as well.
    pub ca: Option<PathBuf>,
    /// What `ca` means for the system's roots.
    pub trust: Trust,
    /// A PEM file with our certificate and those between it and its root.
    pub certificate: Option<PathBuf>,
    /// A PEM file with our private key: PKCS#8, PKCS#1 or SEC1, not encrypted; default the certificate's file.
    pub key: Option<PathBuf>,
    /// The name that is asked for and that the certificate must have; default the host of the address.
    pub server_name: Option<String>,
    /// Whether the peer's certificate is checked.
    pub verification: Verification,
}

/// Whether the system's roots are trusted where a CA file is set; without one they always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// No: the file is trusted *instead of* them.
    #[default]
    CaAlone,
    /// Yes, the file is trusted beside them.
    CaAndSystem,
}

impl Settings {
    /// The settings for a proxy on the way to the peer: always checked, by the system's roots and by `ca`.
    ///
    /// `verify="false"`, our certificate and the name are about the peer; a proxy may get a password.
    #[must_use]
    pub fn of_proxy(&self) -> Self {
        Self { ca: self.ca.clone(), trust: Trust::CaAndSystem, ..Self::default() }
    }
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
/// A file that changed since is read anew, on a blocking thread. Settings are made one after the other only among equal
/// ones: a thousand elements that start at once read the files once, and a file system that hangs holds one thread and
/// no other settings.
///
/// # Errors
///
/// [`SettingsError`] names the file.
///
/// # Cancel safety
///
/// Cancel-safe: the work goes on and its result is cached.
pub async fn config(settings: &Settings) -> Result<Arc<ClientConfig>, SettingsError> {
    // The server's name is no part of a configuration.
    let settings = Settings { server_name: None, ..settings.clone() };
    let mut made = entry(&settings).lock_owned().await;
    let work = move || {
        let stamps = stamps(&settings);
        if let Some(made) = made.as_ref().filter(|made| made.stamps == stamps) {
            return Ok(made.config.clone());
        }
        let config = Arc::new(make(&settings)?);
        *made = Some(Made { stamps, config: config.clone() });
        Ok(config)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(SettingsError::Other(rustls::Error::General("reading the files failed".to_owned()))),
    }
}

/// A configuration, and the files from which it was made.
struct Made {
    stamps: Vec<Option<(SystemTime, u64)>>,
    config: Arc<ClientConfig>,
}

/// The place of a configuration; held while it is made.
type Entry = Arc<tokio::sync::Mutex<Option<Made>>>;

/// The place for some settings, the present one or a new one.
fn entry(settings: &Settings) -> Entry {
    static CACHE: Mutex<Vec<(Settings, Entry)>> = Mutex::new(Vec::new());
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let found = match cache.iter().position(|(of, _)| of == settings) {
        Some(at) => cache.remove(at),
        None => (settings.clone(), Entry::default()),
    };
    if cache.len() >= CACHED {
        cache.remove(0);
    }
    let entry = found.1.clone();
    cache.push(found);
    entry
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
            let verifier = own_roots(path, settings.trust, &provider)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        (Verification::Full, None) => builder.with_root_certificates(system_roots()?),
    };
    let mut config = match (&settings.certificate, &settings.key) {
        (None, None) => builder.with_no_client_auth(),
        (None, Some(_)) => return Err(SettingsError::KeyAlone),
        (Some(certificate), key) => {
            let ours = Identity::new(certificate, key.as_ref().unwrap_or(certificate));
            let (chain, key) = ours.read()?;
            builder.with_client_auth_cert(chain, key).map_err(|error| ours.unfit(&error))?
        }
    };
    let resolver = config.client_auth_cert_resolver.clone();
    config.client_auth_cert_resolver = Arc::new(asked::Noting(resolver));
    // A WebSocket starts as HTTP/1.1; a peer that would rather speak HTTP/2 must know.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The system's roots, read once in the life of the process; where they could not be read, that is tried again.
fn system_roots() -> Result<Arc<RootCertStore>, SettingsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(roots.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(ROOTS.get_or_init(|| Arc::new(store)).clone());
    }
    let why = found.errors.first().map_or_else(|| "none were found".to_owned(), ToString::to_string);
    Err(SettingsError::NoRoots(why))
}

fn own_roots(
    path: &Path,
    trust: Trust,
    provider: &Arc<CryptoProvider>,
) -> Result<verify::Listed, SettingsError> {
    let bad =
        |problem: String| SettingsError::Content { what: "the CA file", path: path.to_owned(), problem };
    let mut store = match trust {
        Trust::CaAlone => RootCertStore::empty(),
        // A system without any still has the file.
        Trust::CaAndSystem => {
            system_roots().map_or_else(|_| RootCertStore::empty(), |roots| (*roots).clone())
        }
    };
    let listed = certificates("the CA file", path)?;
    for certificate in &listed {
        store.add(certificate.clone()).map_err(|error| bad(unreadable(&error)))?;
    }
    let by_issuer = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|error| bad(error.to_string()))?;
    Ok(verify::Listed::new(by_issuer, listed))
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
