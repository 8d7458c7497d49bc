//! Answers to challenges of servers: Basic at once, Digest (RFC 7616) once a server asks for it; keeps no password.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http_auth::{PasswordClient, PasswordParams};

use crate::engine::target::Credentials;
use crate::engine::target::exchange::{Content, HttpRequest};
use crate::engine::target::request::basic;

/// How many servers' challenges are kept.
const KEPT: usize = 4_096;

/// What servers asked for, by origin: a challenge holds no secret of ours.
#[derive(Debug, Default)]
pub(super) struct Logins {
    kept: Arc<Mutex<HashMap<String, PasswordClient>>>,
}

/// The credentials of one request.
pub(super) struct Login {
    kept: Arc<Mutex<HashMap<String, PasswordClient>>>,
    origin: String,
    with: Option<Credentials>,
    /// A challenge has been answered in this request.
    answered: bool,
}

impl Logins {
    pub(super) fn of(&self, origin: &str, request: &HttpRequest) -> Login {
        // What the definition says in a header of its own is not touched.
        let with = request.login().filter(|_| !request.has_header("authorization")).cloned();
        Login { kept: self.kept.clone(), origin: origin.to_owned(), with, answered: false }
    }
}

impl Login {
    /// The value of `Authorization`: Basic, unless the server has asked for Digest before; marked so that no log shows it.
    pub(super) fn header(&mut self, request: &HttpRequest) -> Option<HeaderValue> {
        let with = self.with.as_ref()?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match kept.get_mut(&self.origin) {
            Some(client) => {
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
                client.respond(&params).ok()?
            }
            None => basic(with),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Takes the challenge of a 401; whether the request is worth another try.
    ///
    /// Basic, sent and refused, is not; a challenge is answered once, a stale nonce included.
    pub(super) fn challenged(&mut self, response: &reqwest::Response) -> bool {
        if self.with.is_none() || self.answered {
            return false;
        }
        let Ok(client) = PasswordClient::try_from(response.headers().get_all(WWW_AUTHENTICATE)) else {
            return false;
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match client {
            // Another part of the server asked for Digest before; Basic that was sent and refused is not repeated.
            PasswordClient::Basic(_) => {
                self.answered = true;
                return kept.remove(&self.origin).is_some();
            }
            PasswordClient::Digest(_) => {}
            // Schemes that come with later versions of the library.
            _ => return false,
        }
        self.answered = true;
        if kept.len() >= KEPT && !kept.contains_key(&self.origin) {
            // Asked for again when it is needed.
            kept.clear();
        }
        kept.insert(self.origin.clone(), client);
        true
    }
}
