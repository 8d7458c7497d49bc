//! What a failed request means and what to do about it, in words for an operator; sends nothing.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::engine::target::Scheme;
use crate::engine::target::exchange::HttpRequest;
use crate::transport::dial::words;
use crate::transport::failure::{Failure, FailureKind, Stage, StageLog, Trouble, proxy_unreachable};
use crate::transport::handshake::printable;
use crate::transport::http::Answer;
use crate::transport::http::progress::Progress;
use crate::transport::proxy::Proxy;
use crate::transport::tls::{self, Asked};

/// The errors below an error, the nearest first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The innermost text of an error: the outer ones of the library only say that a request failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).map(|text| printable(&text)).unwrap_or_default()
}

/// The error of rustls somewhere below an error; one inside an I/O error is not among the sources of that.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    fn inside(error: &io::Error) -> Option<&rustls::Error> {
        let inner = error.get_ref()?;
        inner.downcast_ref::<rustls::Error>().or_else(|| inside(inner.downcast_ref::<io::Error>()?))
    }
    chain(error).find_map(|error| {
        let direct = error.downcast_ref::<rustls::Error>();
        direct.or_else(|| inside(error.downcast_ref::<io::Error>()?))
    })
}

fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    chain(error).filter_map(|error| error.downcast_ref::<io::Error>()).last()
}

/// What an answer that is no success means, and what to do about it.
pub(super) fn refusal(answer: &Answer) -> (String, String) {
    let asks: Vec<&str> = {
        let headers = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
        headers.map(|(_, value)| value.as_str()).collect()
    };
    // Each scheme may have a header of its own.
    let asks = Some(printable(&asks.join(", "))).filter(|asks| !asks.is_empty());
    // What nginx, Apache, Go and others say in a 400 about a connection that is not as they want it.
    let says = |word: &str| answer.status == 400 && answer.snippet().to_ascii_lowercase().contains(word);
    let advice = match answer.status {
        400 if answer.scheme == Scheme::Ws && says("https") => {
            "use https instead of http: the peer speaks TLS on this port".to_owned()
        }
        400 if answer.scheme == Scheme::Wss && says("certificate") => {
            "the peer wants another client certificate, or any: set certificate and key of the TLS settings".to_owned()
        }
        300..=399 => {
            "the peer redirects and nobody follows: use its final address, or read `Location` into a parameter under customRedirect".to_owned()
        }
        400 => "the peer does not like the request: compare its parts, with `backshell explain`, with the peer's documentation".to_owned(),
        401 if asks.as_deref().is_some_and(is_of_windows) => {
            "the peer logs in with NTLM or Negotiate only, which is not run: allow Basic or Digest there, over https".to_owned()
        }
        401 => format!(
            "the peer asks for {}: check the login, or the parameter with the credentials or the token",
            asks.as_deref().unwrap_or("credentials")
        ),
        403 => "the peer does not allow it: check credentials and what the account may do".to_owned(),
        404 | 410 => "the peer has nothing at this path: check the request's url and the address".to_owned(),
        405 => "the peer does not take this verb at this path: check the request's verb".to_owned(),
        406 | 415 => "the peer does not speak this format: check the headers Accept and Content-Type".to_owned(),
        407 => "a proxy in between asks for credentials: set the proxy with user name and password".to_owned(),
        429 => "the peer has had too many requests: poll less often".to_owned(),
        502..=504 => "something in front of the peer answers, the peer itself does not".to_owned(),
        500..=599 => "the peer has an error of its own: see its log".to_owned(),
        _ => "see the peer's documentation for this status".to_owned(),
    };
    (format!("the peer answered `{}`", printable(&answer.status_line)), advice)
}

/// Whether only schemes of Windows are asked for (LANGUAGE 4.2).
fn is_of_windows(asks: &str) -> bool {
    let asks = asks.to_ascii_lowercase();
    let says = |scheme: &str| asks.contains(scheme);
    (says("ntlm") || says("negotiate")) && !says("basic") && !says("digest") && !says("bearer")
}

/// The stage that a failure belongs to; none if it happened where it was noticed.
pub(super) fn stage(kind: FailureKind) -> Option<Stage> {
    match kind {
        FailureKind::Name => Some(Stage::Name),
        FailureKind::ConnectionRefused | FailureKind::Unreachable => Some(Stage::Tcp),
        FailureKind::ProxySetting
        | FailureKind::ProxyUnreachable
        | FailureKind::ProxyCredentials
        | FailureKind::ProxyRefused => Some(Stage::Proxy),
        FailureKind::TlsSettings
        | FailureKind::Certificate
        | FailureKind::ClientCertificate
        | FailureKind::Tls => Some(Stage::Tls),
        FailureKind::Redirect => Some(Stage::Http),
        FailureKind::Request
        | FailureKind::Deadline
        | FailureKind::Closed
        | FailureKind::Broken
        | FailureKind::NotHttp
        | FailureKind::Refused
        | FailureKind::Upgrade
        | FailureKind::Subprotocol
        | FailureKind::Extension
        | FailureKind::FirstMessage
        | FailureKind::Content => None,
    }
}

/// The time for a request is over.
pub(super) fn out_of_time(mut log: StageLog, limit: Duration, progress: &Progress) -> Failure {
    let Some(destination) = progress.connecting_to() else { return log.out_of_time(limit) };
    let place = destination.address.place();
    if let Some(proxy) = &destination.proxy {
        log.belongs_to(Stage::Proxy);
        log.did(format!("connecting to {place} through the proxy {proxy}"));
        return log.out_of_time(limit);
    }
    log.belongs_to(Stage::Tcp);
    if destination.address.target().scheme() != Scheme::Wss {
        log.did(format!("connecting to {place}"));
        return log.out_of_time(limit);
    }
    log.did(format!("connecting to {place}, TLS included"));
    let mut failure = log.out_of_time(limit);
    failure.advice = "nothing answers at this address, or nothing that speaks TLS: check address, port, firewall and whether the device is on"
        .to_owned();
    failure
}

/// Why a request has no answer.
pub(super) fn trouble(error: &reqwest::Error, request: &HttpRequest, proxy: Option<&Proxy>) -> Trouble {
    let place = request.target().authority();
    let texts: Vec<String> = chain(error).map(|error| error.to_string().to_ascii_lowercase()).collect();
    let says = |word: &str| texts.iter().any(|text| text.contains(word));
    if let Some(tls_error) = tls_error(error) {
        let error = io::Error::new(io::ErrorKind::InvalidData, tls_error.clone());
        let mut trouble = tls::trouble(&error, Asked::No);
        // The words are made for sockets.
        trouble.advice = trouble.advice.replace("ws instead of wss", "http instead of https");
        return trouble;
    }
    let plain = io_error(error);
    if says("dns error") {
        let name = proxy.map_or_else(|| request.target().host(), |proxy| proxy.host.clone());
        let why = plain.map_or_else(|| innermost(error), words);
        let summary = format!("the name `{name}` does not resolve: {why}");
        let advice = "check the spelling of the name and the DNS of this host, or use an IP address";
        return match proxy {
            Some(proxy) => proxy_unreachable(&proxy.to_string(), &summary),
            None => Trouble::new(FailureKind::Name, summary, advice),
        };
    }
    if error.is_connect() {
        let why = plain.map_or_else(|| innermost(error), words);
        if let Some(proxy) = proxy {
            if says("proxy authorization required") || says("authentication") {
                return Trouble::new(
                    FailureKind::ProxyCredentials,
                    format!("the proxy {proxy} asks for other credentials"),
                    "correct user name and password of the proxy",
                );
            }
            if says("tunnel") || says("socks") {
                return Trouble::new(
                    FailureKind::ProxyRefused,
                    format!("the proxy {proxy} does not connect to {place}: {why}"),
                    "check that the proxy may reach the address",
                );
            }
            return proxy_unreachable(&proxy.to_string(), &why);
        }
        let refused = plain.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        return if refused {
            Trouble::new(
                FailureKind::ConnectionRefused,
                format!("{place} refuses the connection"),
                "check the port, and whether the service runs",
            )
        } else {
            Trouble::new(
                FailureKind::Unreachable,
                format!("{place} cannot be reached: {why}"),
                "check address, network and firewall",
            )
        };
    }
    exchange_trouble(error, request, plain)
}

/// The connection was there, and no answer came over it.
fn exchange_trouble(error: &reqwest::Error, request: &HttpRequest, plain: Option<&io::Error>) -> Trouble {
    let hyper = chain(error).find_map(|error| error.downcast_ref::<hyper::Error>());
    let wants = match request.target().scheme() {
        Scheme::Ws => "use https if the peer expects TLS on this port",
        // Servers on OpenSSL inside asyncio, for one, drop the connection before their alert has left.
        Scheme::Wss => {
            "a peer that wants a client certificate may end it so: set certificate and key of the TLS settings"
        }
    };
    if hyper.is_some_and(hyper::Error::is_parse) {
        return Trouble::new(
            FailureKind::NotHttp,
            "what the peer answers is no HTTP",
            format!("check the port; {wants}"),
        );
    }
    let ended = plain.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof);
    let gone =
        |error: &hyper::Error| error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    if ended || hyper.is_some_and(gone) {
        return Trouble::new(
            FailureKind::Closed,
            "the peer ended the connection before it answered",
            format!("see whether the peer restarts; {wants}"),
        );
    }
    let why = plain.map_or_else(|| innermost(error), words);
    Trouble::new(
        FailureKind::Broken,
        format!("the connection broke before an answer came: {why}"),
        format!("see whether the peer or something in between cuts the connection; {wants}"),
    )
}

/// Why the body of an answer cannot be read.
pub(super) fn body_trouble(error: &reqwest::Error) -> Trouble {
    // What comes from below the decompression is about the connection, unless it is no frame of HTTP.
    let below = chain(error).find_map(|error| error.downcast_ref::<hyper::Error>());
    if below.is_some_and(|error| !error.is_parse()) {
        return Trouble::new(
            FailureKind::Closed,
            "the peer ended the connection in the middle of the answer's body",
            "see whether the peer or something in between cuts long answers",
        );
    }
    Trouble::new(
        FailureKind::Content,
        format!("the body of the answer cannot be read: {}", innermost(error)),
        "the peer says one Content-Encoding or Transfer-Encoding and sends something else",
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_refusal_says_what_to_do_about_it() {
        let check =
            |scheme: Scheme, status: u16, headers: &[(&str, &str)], body: &'static str, advice: &str| {
                let headers =
                    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
                let status_line = format!("HTTP/1.1 {status} Whatever");
                let body = Bytes::from_static(body.as_bytes());
                let answer = Answer { status, status_line, headers, body, scheme, redirects: Vec::new() };
                let (summary, found) = refusal(&answer);
                assert_eq!(summary, format!("the peer answered `HTTP/1.1 {status} Whatever`"));
                assert!(found.contains(advice), "{status}: {found}");
            };
        let asks = |scheme: &'static str| ("WWW-Authenticate", scheme);
        check(
            Scheme::Ws,
            401,
            &[asks("Basic realm=\"x\"")],
            "",
            "asks for Basic realm=\"x\": check the login",
        );
        check(Scheme::Ws, 401, &[], "", "asks for credentials: check the login");
        check(Scheme::Ws, 401, &[asks("Negotiate"), asks("NTLM")], "", "which is not run");
        check(
            Scheme::Ws,
            401,
            &[asks("Negotiate"), asks("Basic realm=\"x\"")],
            "",
            "asks for Negotiate, Basic",
        );
        check(
            Scheme::Ws,
            400,
            &[],
            "The plain HTTP request was sent to HTTPS port",
            "use https instead of http",
        );
        check(Scheme::Wss, 400, &[], "No required SSL certificate was sent", "set certificate and key");
        check(Scheme::Ws, 400, &[], "no such field `certificate`", "compare its parts");
        check(Scheme::Ws, 302, &[], "", "customRedirect");
        check(Scheme::Ws, 429, &[], "", "poll less often");
        check(Scheme::Ws, 503, &[], "", "in front of the peer");
    }
}
