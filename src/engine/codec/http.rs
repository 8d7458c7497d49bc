//! Builds one HTTP request of a session from the present values, and says what its answer means; sends nothing.

mod charset;

use std::fmt::Write as _;

use bytes::Bytes;
use http::Method;

use crate::engine::codec::command::Options;
use crate::engine::codec::handshake::{Address, is_blank, is_secret, text_of, to_header};
use crate::engine::codec::render::{self, RenderError};
use crate::engine::param::Params;
use crate::engine::target::exchange::{Content, HttpRequest, Part};
use crate::engine::target::request::{Header, Provenance, RequestError};
use crate::engine::target::{self, Credentials, Target, TargetError};
use crate::language::model::connection::{Body, Connection, Exchange, IgnoreTimeout, Session, Source};
use crate::value::{Context, Secret, Value};

pub use charset::{Decoded, decode};

/// Why a request of a session cannot be made; nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum RequestFault {
    /// There is no address yet: no dynamic address, and no host in the settings.
    #[error("there is no address")]
    NoAddress,
    /// The address or the path cannot be used.
    #[error(transparent)]
    Target(TargetError),
    /// A header cannot be sent.
    #[error(transparent)]
    Request(RequestError),
    /// The template of the body has no result.
    #[error("the template of the body cannot be filled in: {0}")]
    Template(#[source] RenderError),
    /// The body is longer than `maxMessageBytes`.
    #[error("the body would be longer than {0} bytes")]
    TooLong(usize),
    /// A character that the charset of `Content-Type` does not have.
    #[error("the body has a character that the charset `{0}` does not have")]
    Charset(&'static str),
}

/// What a request is made of besides the values.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The connection over which it goes.
    pub connection: &'a Connection,
    /// Its session.
    pub session: &'a Session,
    /// The exchange of the session.
    pub exchange: &'a Exchange,
    /// The element's own address of the connection.
    pub address: Address<'a>,
    /// The longest body, in bytes.
    pub max_bytes: usize,
}

/// Makes the request of an exchange.
///
/// Target: an absolute `url` as it stands; else the dynamic address, or the element's host and port, with the exchange's path.
/// A GET or HEAD puts `Parameters` into the query, or appends `Data` to the address; other verbs put either into the body, and
/// `Parameters` goes first where both are given. A text body goes out in the charset of its `Content-Type`, default UTF-8;
/// the bytes of a parameter go out as they are.
///
/// # Errors
///
/// [`RequestFault`]; its text never has the value of a secret parameter.
pub fn request(
    ctx: &mut Context,
    params: &Params,
    options: &Options,
    order: Order<'_>,
) -> Result<HttpRequest, RequestFault> {
    let exchange = order.exchange;
    let (target, mut path_is_secret) = base(params, order)?;
    let mut headers: Vec<Header> = exchange.headers.iter().map(|header| to_header(params, header)).collect();
    let in_query = exchange.verb == Method::GET || exchange.verb == Method::HEAD;
    let (target, content) = if in_query {
        let (target, secret) = with_query(ctx, params, options, exchange, target)?;
        path_is_secret |= secret;
        (target, Content::None)
    } else {
        (target, content(ctx, params, options, order, &mut headers)?)
    };
    let login = order.session.credentials.as_ref().map(|login| Credentials {
        user: text_of(params, &login.user),
        password: Secret::new(text_of(params, &login.password)),
    });
    let login = login.filter(|login| !login.user.is_empty());
    let request = HttpRequest::new(exchange.verb.clone(), target, headers, content, login)
        .map_err(RequestFault::Request)?;
    Ok(if path_is_secret { request.with_secret_path() } else { request })
}

/// Where the request goes before its query, and whether a secret parameter is part of the path.
fn base(params: &Params, order: Order<'_>) -> Result<(Target, bool), RequestFault> {
    let url = text_of(params, &order.exchange.url);
    let url_is_secret = is_secret(params, &order.exchange.url);
    let hide =
        |error: TargetError, secret: bool| RequestFault::Target(if secret { error.unshown() } else { error });
    if url.split(['?', '#']).next().unwrap_or_default().contains("://") {
        let target = Target::parse(url.trim()).map_err(|error| hide(error, url_is_secret))?;
        return Ok((target, url_is_secret));
    }
    let dynamic_param = order.connection.dynamic_ip;
    let dynamic = dynamic_param.map(|param| params.get(param).to_text());
    let dynamic_is_secret = dynamic_param.is_some_and(|param| params.describe(param).secret);
    let target = target::target(dynamic.as_deref(), order.address.host, order.address.port, None)
        .map_err(|error| hide(error, dynamic_is_secret))?
        .ok_or(RequestFault::NoAddress)?;
    if is_blank(&url) || url.trim() == "/" {
        return Ok((target, dynamic_is_secret));
    }
    let target = target.with_path(url.trim()).map_err(|error| hide(error, url_is_secret))?;
    Ok((target, url_is_secret))
}

/// Puts `Parameters`, else `Data`, behind the path; and whether a secret is part of it.
fn with_query(
    ctx: &mut Context,
    params: &Params,
    options: &Options,
    exchange: &Exchange,
    target: Target,
) -> Result<(Target, bool), RequestFault> {
    if exchange.parameters.is_empty() && exchange.data.is_none() {
        return Ok((target, false));
    }
    let mut path = target.path().to_owned();
    let secret = if exchange.parameters.is_empty() {
        match &exchange.data {
            None => false,
            Some(Body::Plain(source)) => {
                path.push_str(&text_of(params, source));
                is_secret(params, source)
            }
            Some(Body::Template(template)) => {
                let text = render::render(ctx, params, template, options);
                path.push_str(&text.map_err(RequestFault::Template)?);
                template.params.iter().any(|param| params.describe(*param).secret)
            }
        }
    } else {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&fields(params, exchange));
        exchange.parameters.iter().any(|field| is_secret(params, &field.value))
    };
    let target = target
        .with_path(&path)
        .map_err(|error| RequestFault::Target(if secret { error.unshown() } else { error }))?;
    Ok((target, secret))
}

/// `Parameters` as `application/x-www-form-urlencoded`, with `%20` for a blank, which every reader of queries takes.
fn fields(params: &Params, exchange: &Exchange) -> String {
    let mut text = String::new();
    for field in &exchange.parameters {
        if !text.is_empty() {
            text.push('&');
        }
        encode(&mut text, field.name.as_bytes());
        text.push('=');
        encode(&mut text, text_of(params, &field.value).as_bytes());
    }
    text
}

/// Percent-encodes all but the unreserved characters (RFC 3986, 2.3).
fn encode(into: &mut String, bytes: &[u8]) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            into.push(char::from(*byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// The body of a request that has one, and the `Content-Type` that goes with it if the definition gives none.
fn content(
    ctx: &mut Context,
    params: &Params,
    options: &Options,
    order: Order<'_>,
    headers: &mut Vec<Header>,
) -> Result<Content, RequestFault> {
    let exchange = order.exchange;
    let given = |headers: &[Header]| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-type"));
        header.map(|header| header.value.expose().clone()).filter(|text| !is_blank(text))
    };
    let media_type = given(headers);
    let media = media_type.as_deref().unwrap_or_default();
    let bounded = |bytes: Bytes| {
        if bytes.len() > order.max_bytes { Err(RequestFault::TooLong(order.max_bytes)) } else { Ok(bytes) }
    };
    if !exchange.parameters.is_empty() {
        if media.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
            // The frame of the form, its boundary among it, is made when it is sent.
            headers.retain(|header| !header.name.eq_ignore_ascii_case("content-type"));
            let parts = exchange.parameters.iter().map(|field| Part {
                name: field.name.to_string(),
                file: field.file.as_deref().map(str::to_owned),
                media_type: field.media_type.as_deref().map(str::to_owned),
                content: Secret::new(bytes_of(params, &field.value)),
            });
            let form = Content::Form(parts.collect());
            return if form.len() > order.max_bytes {
                Err(RequestFault::TooLong(order.max_bytes))
            } else {
                Ok(form)
            };
        }
        if media_type.is_none() {
            let kind = "application/x-www-form-urlencoded";
            headers.push(Header::new("Content-Type", kind, Provenance::Runtime));
        }
        return Ok(Content::Bytes(Secret::new(bounded(Bytes::from(fields(params, exchange)))?)));
    }
    let bytes = match &exchange.data {
        None => return Ok(Content::None),
        Some(Body::Plain(Source::Param(param))) => match params.get(*param) {
            Value::Bytes(bytes) => bytes.clone(),
            value @ (Value::Empty | Value::Number(_) | Value::Text(_)) => {
                charset::encode(&value.to_text(), media).map_err(RequestFault::Charset)?
            }
        },
        Some(Body::Plain(Source::Literal(text))) => {
            charset::encode(text, media).map_err(RequestFault::Charset)?
        }
        Some(Body::Template(template)) => {
            let limited = Options { max_bytes: order.max_bytes, ..*options };
            let text = render::render(ctx, params, template, &limited).map_err(RequestFault::Template)?;
            charset::encode(&text, media).map_err(RequestFault::Charset)?
        }
    };
    Ok(Content::Bytes(Secret::new(bounded(bytes)?)))
}

fn bytes_of(params: &Params, source: &Source) -> Bytes {
    match source {
        Source::Param(param) => match params.get(*param) {
            Value::Bytes(bytes) => bytes.clone(),
            value @ (Value::Empty | Value::Number(_) | Value::Text(_)) => {
                Bytes::copy_from_slice(value.to_text().as_bytes())
            }
        },
        Source::Literal(text) => Bytes::copy_from_slice(text.as_bytes()),
    }
}

/// What an answer means for its session (LANGUAGE 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The session goes on.
    Good,
    /// A timeout, as 4xx and 5xx are; the element's state is left alone if `ignored`.
    Bad {
        /// `ignoreTimeout` names the status.
        ignored: bool,
    },
}

/// What a status means: 4xx, 5xx, and a 3xx that nobody followed, are a timeout.
pub fn meaning(exchange: &Exchange, custom_redirect: bool, status: u16, has_location: bool) -> Meaning {
    let ignored = match &exchange.ignore_timeout {
        IgnoreTimeout::Nothing => false,
        IgnoreTimeout::Everything => true,
        IgnoreTimeout::Statuses(ranges) => {
            ranges.iter().any(|(first, last)| (*first..=*last).contains(&status))
        }
    };
    match status {
        // A definition that follows redirects itself reads the location out of a header parameter.
        300..=399 if status != 304 && !(custom_redirect && has_location) => Meaning::Bad { ignored },
        400.. => Meaning::Bad { ignored },
        _ => Meaning::Good,
    }
}

/// Whether no answer at all leaves the element's state alone.
pub fn ignores_silence(exchange: &Exchange) -> bool {
    match exchange.ignore_timeout {
        IgnoreTimeout::Everything => true,
        IgnoreTimeout::Nothing | IgnoreTimeout::Statuses(_) => false,
    }
}

/// Whether a request may be sent again though the first one may have arrived (RFC 9110, 9.2.2): all but POST and PATCH.
pub fn may_be_repeated(verb: &Method) -> bool {
    verb != Method::POST && verb != Method::PATCH
}

#[cfg(test)]
mod tests;
