//! Answers to challenges of servers: Basic at once, Digest (RFC 7616) once a server asks for it; keeps no password.
//!
//! A nonce may be used by many requests at once, but each count of it only once: those who use one share its count. A server
//! may have several realms, and ask each request for its own; so a request answers the challenge that it was given itself, and
//! only the first try of a request uses the one that its origin gave last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http_auth::{DigestClient, PasswordClient, PasswordParams};

use crate::engine::target::Credentials;
use crate::engine::target::exchange::{Content, HttpRequest};
use crate::engine::target::request::basic;

/// How many servers' challenges are kept.
const KEPT: usize = 4_096;
/// How many nonces of one server are kept: one for each of its realms, and those that requests under way still use.
const KEPT_OF_ORIGIN: usize = 16;
/// How often one request answers that its nonce is stale.
const STALE: usize = 3;

/// A challenge with the count of its nonce, for all who use it.
type Digest = Arc<Mutex<DigestClient>>;

/// What servers asked for, by origin, the last one at the end: a challenge holds no secret of ours.
#[derive(Debug, Default)]
pub(super) struct Logins {
    // Bound: `KEPT` origins of `KEPT_OF_ORIGIN`.
    kept: Mutex<HashMap<String, Vec<Digest>>>,
}

/// The credentials of one request.
pub(super) struct Login<'a> {
    logins: &'a Logins,
    origin: &'a str,
    with: Option<Credentials>,
    /// What the next try answers; none is Basic.
    digest: Option<Digest>,
    /// A challenge has been answered in this request.
    answered: bool,
    /// How often a server may still say that a nonce was stale.
    stale_left: usize,
}

impl Logins {
    pub(super) fn of<'a>(&'a self, origin: &'a str, request: &HttpRequest) -> Login<'a> {
        // What the definition says in a header of its own is not touched.
        let with = request.login().filter(|_| !request.has_header("authorization")).cloned();
        let digest = with.as_ref().and_then(|_| self.last(origin));
        Login { logins: self, origin, with, digest, answered: false, stale_left: STALE }
    }

    fn last(&self, origin: &str) -> Option<Digest> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(origin)?.last().cloned()
    }

    /// Keeps a challenge; one with a nonce that is known goes on with its count.
    fn keep(&self, origin: &str, client: DigestClient) -> Digest {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT && !kept.contains_key(origin) {
            // Asked for again when it is needed.
            kept.clear();
        }
        let of_origin = kept.entry(origin.to_owned()).or_default();
        let known = of_origin.iter().position(|one| {
            let one = one.lock().unwrap_or_else(PoisonError::into_inner);
            (one.nonce(), one.realm(), one.algorithm())
                == (client.nonce(), client.realm(), client.algorithm())
        });
        let digest = match known {
            Some(at) => of_origin.remove(at),
            None => Arc::new(Mutex::new(client)),
        };
        of_origin.push(Arc::clone(&digest));
        if of_origin.len() > KEPT_OF_ORIGIN {
            of_origin.remove(0);
        }
        digest
    }

    /// Forgets what an origin asked for; whether there was something.
    fn forget(&self, origin: &str) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(origin).is_some()
    }
}

impl Login<'_> {
    /// The value of `Authorization`: Basic, unless the server has asked for Digest before; marked so that no log shows it.
    pub(super) fn header(&mut self, request: &HttpRequest) -> Option<HeaderValue> {
        let with = self.with.as_ref()?;
        let text = match &self.digest {
            Some(digest) => {
                let body = match request.content() {
                    Content::None => Some(&b""[..]),
                    Content::Bytes(bytes) => Some(bytes.expose().as_ref()),
                    Content::Form(_) => None,
                };
                let params = PasswordParams {
                    username: &with.user,
                    password: with.password.expose(),
                    uri: request.target().path(),
                    method: request.method().as_str(),
                    body,
                };
                digest.lock().unwrap_or_else(PoisonError::into_inner).respond(&params).ok()?
            }
            None => basic(with),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Takes the challenge of a 401; whether the request is worth another try.
    ///
    /// Basic, sent and refused, is not; a challenge is answered once, and then only one that says that the login was right
    /// and the nonce stale, [`STALE`] times.
    pub(super) fn challenged(&mut self, response: &reqwest::Response) -> bool {
        if self.with.is_none() {
            return false;
        }
        let Ok(client) = PasswordClient::try_from(response.headers().get_all(WWW_AUTHENTICATE)) else {
            return false;
        };
        match client {
            // Another part of the server asked for Digest before; Basic that was sent and refused is not repeated.
            PasswordClient::Basic(_) => {
                let had = self.digest.take().is_some();
                !std::mem::replace(&mut self.answered, true) && (self.logins.forget(self.origin) || had)
            }
            PasswordClient::Digest(client) => {
                if std::mem::replace(&mut self.answered, true) {
                    if !client.stale() || self.stale_left == 0 {
                        return false;
                    }
                    self.stale_left -= 1;
                }
                self.digest = Some(self.logins.keep(self.origin, client));
                true
            }
            // Schemes that come with later versions of the library.
            _ => false,
        }
    }
}
