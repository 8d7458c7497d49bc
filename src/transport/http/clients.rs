//! One client, with its pool of connections, for each set of TLS and proxy settings; sends nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::Instant;
use url::Url;

use crate::engine::target::{Scheme, Target};
use crate::transport::failure::{FailureKind, Trouble};
use crate::transport::http::progress::Noticed;
use crate::transport::proxy::{Kind, Proxy};
use crate::transport::tls::{self, Verification};

/// How many clients are kept; the least recently used goes first.
const KEPT: usize = 256;
/// How long an idle connection is kept: shorter than what most servers allow, so that they seldom close first.
const IDLE: Duration = Duration::from_secs(55);
/// How many idle connections to one server are kept.
const IDLE_PER_HOST: usize = 32;
/// How often the files of TLS settings are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// A client, and how addresses are given to it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    /// The address that it is given has the certificate's name in place of the host (`serverName`).
    pub(super) hides_host: bool,
}

impl Client {
    /// The URL for a target, where it is not the target's own.
    pub(super) fn other_url(&self, target: &Target, settings: &tls::Settings) -> Option<String> {
        let name = settings.server_name.as_ref().filter(|_| self.hides_host)?;
        Some(format!("https://{name}:{}{}", target.port(), target.path()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    tls: tls::Settings,
    proxy: Option<Proxy>,
    /// The host behind `serverName`.
    host: Option<String>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    client: Client,
    /// What it was made from, and when the files were looked at last; none for a plain one.
    made: Option<(Arc<ClientConfig>, Instant)>,
}

/// The clients of the process.
#[derive(Debug, Default)]
pub(super) struct Clients {
    // Bound: `KEPT`, the most recently used last.
    kept: Mutex<Vec<Entry>>,
}

impl Clients {
    /// The client for a target; made anew if the files of its TLS settings have changed.
    pub(super) async fn client(
        &self,
        settings: &tls::Settings,
        proxy: Option<&Proxy>,
        target: &Target,
    ) -> Result<Client, Trouble> {
        let encrypted =
            target.scheme() == Scheme::Wss || proxy.is_some_and(|proxy| proxy.kind == Kind::Https);
        let key = Key {
            tls: if encrypted { settings.clone() } else { tls::Settings::default() },
            proxy: proxy.cloned(),
            host: settings.server_name.as_ref().filter(|_| encrypted).map(|_| target.host_name()),
        };
        refused(&key)?;
        if let Some(client) = self.find(&key, None) {
            return Ok(client);
        }
        let config = if encrypted {
            let config = tls::config(settings).await.map_err(|error| {
                let advice = "correct the files and names of the connection's TLS settings";
                Trouble::new(FailureKind::TlsSettings, error.to_string(), advice)
            })?;
            if let Some(client) = self.find(&key, Some(&config)) {
                return Ok(client);
            }
            Some(config)
        } else {
            None
        };
        let client = make(&key, config.as_deref())?;
        let entry =
            Entry { key, client: client.clone(), made: config.map(|config| (config, Instant::now())) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.key != entry.key);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(entry);
        Ok(client)
    }

    /// A client that was made before: one that was looked at lately, or is made from `config`.
    fn find(&self, key: &Key, config: Option<&Arc<ClientConfig>>) -> Option<Client> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().rposition(|entry| entry.key == *key)?;
        let good = match (&mut kept[at].made, config) {
            (None, _) => true,
            (Some((_, looked)), None) => looked.elapsed() < LOOK,
            (Some((from, looked)), Some(config)) => {
                *looked = Instant::now();
                Arc::ptr_eq(from, config)
            }
        };
        if !good {
            return None;
        }
        // Those of use stay at the end.
        if at + 1 < kept.len() {
            let entry = kept.remove(at);
            kept.push(entry);
        }
        kept.last().map(|entry| entry.client.clone())
    }
}

/// What cannot be had together.
fn refused(key: &Key) -> Result<(), Trouble> {
    let Some(proxy) = &key.proxy else { return Ok(()) };
    if proxy.kind == Kind::Https && key.tls.verification == Verification::None {
        // The proxy would go unchecked as well, and it may get a password.
        return Err(Trouble::new(
            FailureKind::ProxySetting,
            "an https proxy cannot be used for HTTP requests together with verify=\"false\"",
            "set ca to the peer's certificate in place of verify=\"false\", or use an http proxy",
        ));
    }
    if proxy.kind == Kind::Https && (key.tls.certificate.is_some() || key.tls.ca.is_some()) {
        // The sender has one configuration for both: the proxy would see our certificate, and `ca` would not know the proxy.
        return Err(Trouble::new(
            FailureKind::ProxySetting,
            "an https proxy cannot be used for HTTP requests together with ca or a client certificate",
            "use an http proxy: what goes through it to an https address is encrypted all the same",
        ));
    }
    if key.host.is_some() {
        return Err(Trouble::new(
            FailureKind::ProxySetting,
            "serverName cannot be used for HTTP requests together with a proxy",
            "use an address that is a name of the peer's certificate",
        ));
    }
    Ok(())
}

fn make(key: &Key, config: Option<&ClientConfig>) -> Result<Client, Trouble> {
    let unusable = |what: String| {
        Trouble::new(FailureKind::Request, what, "this is an error of backshell or of a proxy setting")
    };
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("backshell/", env!("CARGO_PKG_VERSION")))
        .http1_title_case_headers()
        .tcp_nodelay(true)
        .connector_layer(Noticed)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST);
    if let Some(proxy) = &key.proxy {
        let proxy = proxy_of(proxy).ok_or_else(|| unusable(format!("the proxy {proxy} cannot be used")))?;
        builder = builder.proxy(proxy);
    }
    let mut config = match config {
        Some(config) => config.clone(),
        None => trusting_nobody().map_err(|error| unusable(error.to_string()))?,
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if let Some(host) = &key.host {
        // HTTP/2 has no `Host` beside its authority, which is the certificate's name here.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        builder = builder.http1_only().dns_resolver(Arc::new(Instead { host: host.clone() }));
    }
    let http =
        builder.tls_backend_preconfigured(config).build().map_err(|error| unusable(error.to_string()))?;
    Ok(Client { http, hides_host: key.host.is_some() })
}

/// A configuration for clients that speak no TLS; without one the library would look for roots of its own.
pub(crate) fn trusting_nobody() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn proxy_of(proxy: &Proxy) -> Option<reqwest::Proxy> {
    let mut url = Url::parse(&proxy.to_string()).ok()?;
    if let Some(credentials) = &proxy.credentials {
        url.set_username(&credentials.user).ok()?;
        url.set_password(Some(credentials.password.expose())).ok()?;
    }
    reqwest::Proxy::all(url).ok()
}

/// Resolves every name to one host: that behind a `serverName`.
#[derive(Debug)]
struct Instead {
    host: String,
}

impl reqwest::dns::Resolve for Instead {
    fn resolve(&self, _name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let host = self.host.clone();
        Box::pin(async move {
            // The port of the URL goes before the one here.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_would_let_a_proxy_see_or_do_too_much_is_refused() {
        let proxy = |text: &str| Proxy::parse(text).ok();
        let plain = tls::Settings::default;
        let check = |tls: tls::Settings, proxy: Option<Proxy>, host: Option<&str>, fits: bool| {
            let key = Key { tls, proxy, host: host.map(str::to_owned) };
            assert_eq!(refused(&key).is_ok(), fits, "{key:?}");
        };
        let unchecked = || tls::Settings { verification: Verification::None, ..plain() };
        let ours = || tls::Settings { certificate: Some(PathBuf::from("/a.pem")), ..plain() };
        let own_ca = || tls::Settings { ca: Some(PathBuf::from("/ca.pem")), ..plain() };
        for tls in [unchecked(), ours(), own_ca()] {
            check(tls.clone(), proxy("https://p:3128"), None, false);
            check(tls.clone(), proxy("http://p:3128"), None, true);
            check(tls, None, Some("10.0.0.1"), true);
        }
        check(plain(), proxy("https://p:3128"), None, true);
        check(plain(), proxy("http://p:3128"), Some("10.0.0.1"), false);
    }
}
