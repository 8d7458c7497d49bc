//! The opening request of a link from the present values, and what of an answer goes into parameters; sends nothing.

use rand::Rng;

use bytes::Bytes;

use crate::engine::codec::http::decode;
use crate::engine::codec::message::{Head, Message};
use crate::engine::codec::{Gathered, Set};
use crate::engine::param::Params;
use crate::engine::target::request::{Header, Provenance, Request, RequestError, basic};
use crate::engine::target::{self, Target, TargetError};
use crate::language::model::connection::{self, Connection, Exchange, Source};
use crate::language::model::id::ConnectionIx;
use crate::language::model::message::{Format, MessageKind};
use crate::value::{Context, Secret, Value};

/// The element's own address of a connection: its settings, else the definition's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address<'a> {
    /// The host, possibly with a scheme.
    pub host: Option<&'a str>,
    /// The port.
    pub port: Option<u16>,
}

/// Why a link has no opening request; nothing is sent until a value changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// The address cannot be used.
    #[error(transparent)]
    Target(TargetError),
    /// A header cannot be sent.
    #[error(transparent)]
    Request(RequestError),
}

/// Works out the opening request of a WebSocket connection; `None` while there is no address.
///
/// The nonce comes from the context's generator. Each part knows the parameter that it comes from; the values of secret
/// parameters and headers are masked wherever the request is shown.
///
/// # Errors
///
/// An address that cannot be used, or a header that cannot be sent; the message never has the value of a secret parameter,
/// nor a password.
pub fn opening(
    ctx: &mut Context,
    params: &Params,
    connection: ConnectionIx,
    address: Address<'_>,
) -> Result<Option<Request>, OpeningError> {
    let described = params.protocol().connection(connection);
    let session = described.handshake.map(|session| params.protocol().session(session));
    let exchange = session.and_then(|session| session.exchanges.first());
    let dynamic_is_secret = described.dynamic_ip.is_some_and(|param| params.describe(param).secret);
    let resolved = resolve(params, described, exchange, address)
        .map_err(|error| OpeningError::Target(if dynamic_is_secret { error.unshown() } else { error }))?;
    let Some((target, path_source)) = resolved else { return Ok(None) };
    let mut headers: Vec<_> = exchange
        .iter()
        .flat_map(|exchange| &exchange.headers)
        .map(|header| to_header(params, header))
        .collect();
    let is_given = headers
        .iter()
        .any(|header| header.name.eq_ignore_ascii_case("authorization") && !header.value.expose().is_empty());
    if let Some(credentials) = session.and_then(|session| session.credentials.as_ref())
        && !is_given
    {
        let pair = target::Credentials {
            user: text_of(params, &credentials.user),
            password: Secret::new(text_of(params, &credentials.password)),
        };
        if !pair.user.is_empty() {
            headers.push(Header::secret("Authorization", basic(&pair), from(params, &credentials.password)));
        }
    }
    let mut key = [0; 16];
    ctx.rng.fill_bytes(&mut key);
    let request =
        Request::new(target, headers, key).map_err(OpeningError::Request)?.with_path_from(path_source.from);
    Ok(Some(if path_source.is_secret { request.with_secret_path() } else { request }))
}

/// The proxy that a connection's handshake session names (`proxyServer`), as URL or `host:port`, and its credentials;
/// `None` if it names none, or an empty one.
pub fn proxy(
    params: &Params,
    connection: ConnectionIx,
) -> Option<(Secret<String>, Option<target::Credentials>)> {
    proxy_of(params, params.protocol().session(params.protocol().connection(connection).handshake?))
}

/// The proxy that a session names; see [`proxy`].
pub fn proxy_of(
    params: &Params,
    session: &connection::Session,
) -> Option<(Secret<String>, Option<target::Credentials>)> {
    let proxy = session.proxy.as_ref()?;
    let server = text_of(params, &proxy.server);
    if is_blank(&server) {
        return None;
    }
    let text =
        |source: &Option<Source>| source.as_ref().map(|source| text_of(params, source)).unwrap_or_default();
    let credentials =
        target::Credentials { user: text(&proxy.user), password: Secret::new(text(&proxy.password)) };
    Some((Secret::new(server), Some(credentials).filter(|credentials| !credentials.user.is_empty())))
}

/// Where the path of a target comes from.
struct PathSource {
    from: Provenance,
    is_secret: bool,
}

fn resolve(
    params: &Params,
    connection: &Connection,
    exchange: Option<&Exchange>,
    address: Address<'_>,
) -> Result<Option<(Target, PathSource)>, TargetError> {
    let dynamic = connection.dynamic_ip.map(|param| params.get(param).to_text());
    let path = exchange.map(|exchange| text_of(params, &exchange.url));
    let made = |path: Option<&str>| target::target(dynamic.as_deref(), address.host, address.port, path);
    let Some(target) = made(path.as_deref())? else { return Ok(None) };
    let dynamic_param = connection.dynamic_ip.filter(|param| !is_blank(&params.get(*param).to_text()));
    // A path inside a dynamic address goes before the handshake's, and that before one inside the host.
    let own_path = dynamic_param.is_some() && made(None)?.is_some_and(|own| own.path() != "/");
    let source = match (dynamic_param, exchange) {
        (Some(param), _) if own_path => {
            let described = params.describe(param);
            PathSource { from: Provenance::Param(described.id), is_secret: described.secret }
        }
        (_, Some(exchange)) if path.as_deref().is_some_and(|path| !is_blank(path)) => {
            PathSource { from: from(params, &exchange.url), is_secret: is_secret(params, &exchange.url) }
        }
        (_, Some(_) | None) => PathSource { from: Provenance::Settings, is_secret: false },
    };
    Ok(Some((target, source)))
}

pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

pub(super) fn to_header(params: &Params, header: &connection::Header) -> Header {
    let value = text_of(params, &header.value);
    let from = from(params, &header.value);
    if header.secret || is_secret(params, &header.value) {
        Header::secret(&*header.name, value, from)
    } else {
        Header::new(&*header.name, value, from)
    }
}

/// The text of a source; empty for an empty parameter.
pub fn text_of(params: &Params, source: &Source) -> String {
    match source {
        Source::Literal(text) => text.to_string(),
        Source::Param(param) => params.get(*param).to_text().to_string(),
    }
}

pub(super) fn from(params: &Params, source: &Source) -> Provenance {
    match source {
        Source::Literal(_) => Provenance::Literal,
        Source::Param(param) => Provenance::Param(params.describe(*param).id),
    }
}

pub(super) fn is_secret(params: &Params, source: &Source) -> bool {
    match source {
        Source::Literal(_) => false,
        Source::Param(param) => params.describe(*param).secret,
    }
}

/// What came back for a request.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The whole status line, such as `HTTP/1.1 101 Switching Protocols`.
    pub status_line: &'a str,
    /// Names and values in the order received.
    pub headers: &'a [(String, String)],
    /// The body; `None` where there is none, as after a 101.
    pub body: Option<&'a Bytes>,
}

/// What of an answer goes into parameters.
///
/// A header that is given more than once is joined with CR LF; one that is not there makes its parameter empty, so that
/// nobody reads that of an earlier answer. Of an answer that fulfils all of `bs:Match` the values of `bs:Extract` and the rows
/// of `bs:Rows` follow.
pub fn capture(params: &Params, exchange: &Exchange, answer: &Answer<'_>) -> Gathered {
    let mut got = Gathered::default();
    if let Some(param) = exchange.status_param {
        got.sets.push(Set { param, value: Value::text(answer.status_line) });
    }
    for (name, param) in &exchange.header_params {
        let same = answer.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let values: Vec<_> = same.map(|(_, value)| value.as_str()).collect();
        let value = if values.is_empty() { Value::Empty } else { Value::text(values.join("\r\n")) };
        got.sets.push(Set { param: *param, value });
    }
    let Some(body) = answer.body else { return got };
    if let Some(param) = exchange.content_param {
        got.sets.push(Set { param, value: decode(body, content_type(answer.headers)).value });
    }
    if exchange.mapping.is_empty() {
        return got;
    }
    let Some(message) = body_message(answer, &exchange.mapping.format) else { return got };
    if message.matches(&exchange.mapping, head(answer)) {
        message.map(&exchange.mapping, params, &mut got);
    }
    got
}

/// The body of an answer as the message that `bs:Match` and `bs:Extract` look into; none if it has none.
pub(super) fn body_message(answer: &Answer<'_>, format: &Format) -> Option<Message> {
    let body = answer.body?;
    // JSON is UTF-8 (RFC 8259, 8.1); an answer that names another charset is read in that.
    let text = match decode(body, content_type(answer.headers)).value {
        Value::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
        Value::Empty | Value::Number(_) | Value::Bytes(_) => body.clone(),
    };
    // Where there is no body (204, say) no path finds anything, and what is said for that case holds.
    let text = match format {
        Format::Json if text.is_empty() => Bytes::from_static(b"null"),
        Format::Xml if text.is_empty() => Bytes::from_static(b"<nothing/>"),
        Format::Json | Format::Xml | Format::Csv { .. } | Format::KeyValue { .. } => text,
    };
    Some(Message::new(MessageKind::Text, text))
}

/// What comes with the body of an answer.
pub(super) fn head<'a>(answer: &Answer<'a>) -> Head<'a> {
    Head { status: status(answer.status_line), headers: answer.headers }
}

/// The number in a status line.
fn status(line: &str) -> Option<u16> {
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

pub(super) fn content_type(headers: &[(String, String)]) -> &str {
    headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map_or("", |(_, value)| value.as_str())
}

#[cfg(test)]
mod tests;
