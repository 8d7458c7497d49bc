//! Where requests go, in each form that sending them needs, worked out once for all that go there; sends nothing.

use std::sync::Arc;

use url::Url;

use crate::engine::target::Target;

/// A target, its origin and its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    target: Target,
    origin: Arc<str>,
    place: String,
    /// None if the library that sends would not take it.
    url: Option<Url>,
}

impl Address {
    /// The address of a target.
    pub fn of(target: &Target) -> Self {
        let place = target.authority();
        let origin = format!("{}://{place}", target.scheme().http_name()).into();
        let url = Url::parse(&target.http_url()).ok();
        Self { target: target.clone().without_credentials(), origin, place, url }
    }

    /// Where it goes; without credentials.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Scheme, host and port, always with the port: `http://h:80`.
    pub fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    /// Host and port.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_form_that_each_use_needs() {
        let check = |url: &str, origin: &str, place: &str, written: &str| {
            let address = Address::of(&Target::parse(url).unwrap());
            assert_eq!((&**address.origin(), address.place()), (origin, place), "{url}");
            assert_eq!(address.url().map(Url::as_str), Some(written), "{url}");
            assert_eq!(address.target().credentials(), None);
        };
        check("http://u:p@h/a?b=[c]|%20", "http://h:80", "h:80", "http://h/a?b=[c]|%20");
        check("wss://[::1]:8443", "https://[::1]:8443", "[::1]:8443", "https://[::1]:8443/");
    }
}
