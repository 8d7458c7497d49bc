//! HTTP sessions to sessions of the model, with what an opening handshake may say; sends nothing.

use std::collections::HashSet;
use std::sync::Arc;

use crate::language::definition::connection::{self as written, Field};
use crate::language::definition::{Id, Text};
use crate::language::diagnostic::{Code, Diagnostic, Severity};
use crate::language::model::compile::links::has_password;
use crate::language::model::compile::mapping::{self, Carrier};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::compile::value::{is_true, millis, name, shared, short};
use crate::language::model::compile::{condition, template};
use crate::language::model::connection::{
    Body, Credentials, Exchange, FormField, Header, IgnoreTimeout, Session, SessionProxy, Source,
};
use crate::language::model::id::{ParamIx, SessionId};
use crate::language::schema::did_you_mean;
use crate::language::schema::enumerations::LoginMethod;
use crate::language::source::{Span, Spanned};
use crate::value::is_token;

/// Headers of a handshake that make it a WebSocket: the runtime writes them.
const OF_THE_RUNTIME: &[&str] =
    &["upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-accept"];

/// What the session of a handshake in a group is called in the portability report.
pub(super) const REQUESTS: &str = "sending the session of an opening handshake from a group";

/// What a session may have and an opening handshake has not, in the portability report.
const NOT_OF_HANDSHAKES: &str = "bodies, conditions and times of an opening handshake's session";

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests of groups.
    Requests,
    /// The opening handshake of a connection.
    Handshake,
}

/// Compiles the sessions; `handshakes` are the ids of those that a connection takes its handshake from.
pub(super) fn compile(
    scope: &mut Scope,
    written: &[written::Session<'_>],
    handshakes: &HashSet<i32>,
) -> Vec<Session> {
    let one = |session: &written::Session<'_>| {
        let purpose =
            if handshakes.contains(&session.id.value) { Purpose::Handshake } else { Purpose::Requests };
        one(scope, session, purpose)
    };
    written.iter().map(one).collect()
}

fn one(scope: &mut Scope, written: &written::Session<'_>, purpose: Purpose) -> Session {
    let user = User("session", written.id.value);
    if purpose == Purpose::Handshake && written.exchanges.len() != 1 {
        let place = written.exchanges.get(1).map_or(written.span, |second| second.span);
        scope.push(
            Diagnostic::new(
                Code::HandshakeConnections,
                place,
                format!(
                    "{user} is a handshake and has {} `Connection`s; it needs exactly one",
                    written.exchanges.len()
                ),
            )
            .with_help("a handshake is one request with one answer"),
        );
    }
    let setting = |name: &str| written.settings.get(name);
    let login = setting("loginMethod").and_then(|text| LoginMethod::parse(&text.value));
    let user_name = setting("userName").map(|text| either(scope, "userName", text, user));
    let password = setting("password").map(|text| secret(scope, "password", text, user));
    let credentials = match (login, user_name) {
        (Some(LoginMethod::Credentials) | None, Some(user)) => {
            Some(Credentials { user, password: password.unwrap_or_else(|| Source::Literal(Arc::from(""))) })
        }
        (Some(LoginMethod::Certificate), _) | (_, None) => None,
    };
    if let Some(server) = setting("proxyServer").filter(|text| has_password(&text.value)) {
        scope.push(
            Diagnostic::new(
                Code::PlainSecret,
                server.span,
                format!("the password for the proxy of {user} stands in the file for all to read"),
            )
            .with_help(
                "give the password as `proxyPassword`, by the id of a parameter with `bs:secret=\"true\"`",
            ),
        );
    }
    let proxy = setting("proxyServer").map(|text| either(scope, "proxyServer", text, user)).map(|server| {
        SessionProxy {
            server,
            user: setting("proxyUser").map(|text| either(scope, "proxyUser", text, user)),
            password: setting("proxyPassword").map(|text| secret(scope, "proxyPassword", text, user)),
        }
    });
    let condition = condition::compile(scope, written.condition.as_ref(), user);
    if purpose == Purpose::Handshake {
        let settings =
            ["keepAlive", "timeout", "ignoreTimeout"].map(|name| setting(name).map(|text| text.span));
        let condition = written.condition.as_ref().map(|text| text.span);
        settings
            .into_iter()
            .chain([condition])
            .flatten()
            .for_each(|span| scope.report.not_run(NOT_OF_HANDSHAKES, span));
    }
    let exchanges = written
        .exchanges
        .iter()
        .map(|exchange| self::exchange(scope, written, exchange, purpose, user))
        .collect();
    Session {
        id: SessionId(written.id.value),
        name: name(written.name.as_ref()),
        credentials,
        certificate: login == Some(LoginMethod::Certificate),
        proxy,
        keep_alive: is_true(setting("keepAlive")),
        condition,
        exchanges,
    }
}

/// A setting that holds the id of a parameter, or else is meant as it stands.
fn either(scope: &mut Scope, name: &str, text: &Text<'_>, user: User) -> Source {
    match text.parse::<i32>() {
        Some(id) if scope.params.get(id.value).is_some() => {
            if let Some(param) = scope.param_for(id, user, Use::Source) {
                return Source::Param(param);
            }
        }
        // Digits are nearly always meant as an id. They may be a password, so they are not repeated.
        Some(id) => scope.push(
            Diagnostic::new(
                Code::DanglingReference,
                id.span,
                format!("`{name}` of {user} looks like the id of a parameter that is not defined, so it is taken as the text itself"),
            )
            .with_help("correct the number, or define the parameter; if the digits are meant, put them into a parameter"),
        ),
        None => {}
    }
    Source::Literal(shared(text))
}

/// The same of a password, which should not stand in the file.
fn secret(scope: &mut Scope, name: &str, text: &Text<'_>, user: User) -> Source {
    let source = either(scope, name, text, user);
    if matches!(source, Source::Literal(_)) && text.parse::<i32>().is_none() {
        scope.push(
            Diagnostic::new(
                Code::PlainSecret,
                text.span,
                format!("a password of {user} stands in the file for all to read"),
            )
            .with_help("put it into a parameter with `bs:secret=\"true\"` and give the parameter's id"),
        );
    }
    source
}

fn exchange(
    scope: &mut Scope,
    session: &written::Session<'_>,
    written: &written::Exchange<'_>,
    purpose: Purpose,
    user: User,
) -> Exchange {
    let headers = written.headers.iter().filter_map(|field| header(scope, field, purpose, user)).collect();
    let parameters = written.parameters.iter().filter_map(|field| form_field(scope, field, user)).collect();
    let data = match (&written.template, written.data_pid, &written.data) {
        (Some(text), _, _) => template::compile(scope, text, user).map(Body::Template),
        (None, Some(pid), _) => scope.param_for(pid, user, Use::Source).map(Source::Param).map(Body::Plain),
        (None, None, Some(text)) => Some(Body::Plain(Source::Literal(shared(text)))),
        (None, None, None) => None,
    };
    let header_params = written
        .response_headers
        .iter()
        .filter_map(|field| {
            Some((shared(field.key.as_ref()?), scope.param_for(field.pid?, user, Use::Sink)?))
        })
        .collect();
    let condition = condition::compile(scope, written.condition.as_ref(), user);
    if purpose == Purpose::Handshake {
        let texts =
            [&written.condition, &written.timeout, &written.ignore_timeout, &written.data, &written.template];
        let body = [written.data_pid.map(|id| id.span), written.parameters.first().map(|field| field.span)];
        let texts = texts.into_iter().flatten().map(|text| text.span);
        texts
            .chain(body.into_iter().flatten())
            .for_each(|span| scope.report.not_run(NOT_OF_HANDSHAKES, span));
    }
    Exchange {
        verb: verb(scope, written.verb.as_ref(), purpose, user),
        url: url(scope, written, purpose, user),
        headers,
        condition,
        parameters,
        data,
        status_param: status(scope, written.status, user),
        header_params,
        content_param: written.content.and_then(|id| scope.param_for(id, user, Use::Sink)),
        mapping: mapping::compile(scope, &written.mapping, Carrier::Answer, user),
        timeout: millis(written.timeout.as_ref().or_else(|| session.settings.get("timeout"))),
        ignore_timeout: ignore_timeout(
            written.ignore_timeout.as_ref().or_else(|| session.settings.get("ignoreTimeout")),
        ),
    }
}

/// A field of a query or a form.
fn form_field(scope: &mut Scope, field: &Field<'_>, user: User) -> Option<FormField> {
    let media_type = field.media_type.as_ref().filter(|text| {
        let fits = text.value.split_once('/').is_some_and(|(kind, rest)| {
            let rest = rest.split(';').next().unwrap_or_default().trim();
            is_token(kind.trim()) && is_token(rest)
        });
        if !fits {
            scope.push(
                Diagnostic::new(
                    Code::BadMediaType,
                    text.span,
                    format!("`{}` of {user} is no type of a file", short(&text.value)),
                )
                .with_help("a type has two parts, as in `application/zip`; until then it is left out"),
            );
        }
        fits
    });
    Some(FormField {
        name: shared(field.key.as_ref()?),
        media_type: media_type.map(shared),
        file: field.file.as_ref().map(shared),
        value: source(scope, field, user)?,
    })
}

fn verb(scope: &mut Scope, text: Option<&Text<'_>>, purpose: Purpose, user: User) -> http::Method {
    let Some(text) = text else { return http::Method::GET };
    let upper = text.value.to_ascii_uppercase();
    let verb = http::Method::from_bytes(upper.as_bytes()).unwrap_or(http::Method::GET);
    if purpose == Purpose::Handshake && verb != http::Method::GET {
        scope.push(
            Diagnostic::new(
                Code::HandshakeVerb,
                text.span,
                format!("{user} is a handshake and asks with `{}`", short(&text.value)),
            )
            .with_help("a WebSocket opens with `GET` (RFC 6455, 4.1), which is sent in its place"),
        );
        return http::Method::GET;
    }
    verb
}

fn url(scope: &mut Scope, written: &written::Exchange<'_>, purpose: Purpose, user: User) -> Source {
    if let Some(text) = &written.url {
        let number = text.parse::<i32>();
        return match (purpose, number) {
            (Purpose::Handshake, Some(id)) => scope
                .param_for(id, user, Use::Source)
                .map_or_else(|| Source::Literal(Arc::from("/")), Source::Param),
            (Purpose::Handshake, None) => {
                scope.push(
                    Diagnostic::new(
                        Code::HandshakeUrl,
                        text.span,
                        format!("the `url` of the handshake in {user} is no parameter, so `{}` is taken as the path itself", short(&text.value)),
                    )
                    .with_help("name the parameter that holds the path, as `pid=\"10\"` or `url=\"10\"`: then the path can change while it runs"),
                );
                Source::Literal(shared(text))
            }
            (Purpose::Requests, _) => Source::Literal(shared(text)),
        };
    }
    let param = written.pid.and_then(|id| scope.param_for(id, user, Use::Source));
    param.map_or_else(|| Source::Literal(Arc::from("/")), Source::Param)
}

/// `Response@statusCode`: the id of a parameter, which is often mistaken for the status itself.
fn status(scope: &mut Scope, id: Option<Id>, user: User) -> Option<ParamIx> {
    let id = id?;
    if scope.params.get(id.value).is_none() && (100..=599).contains(&id.value) {
        scope.push(
            Diagnostic::new(
                Code::StatusIsAParameter,
                id.span,
                format!("{user} puts the status line into parameter {}, which is not defined", id.value),
            )
            .with_help("`statusCode` is the id of the parameter that receives the status line, not a status that is expected"),
        );
        return None;
    }
    scope.param_for(id, user, Use::Sink)
}

fn ignore_timeout(text: Option<&Text<'_>>) -> IgnoreTimeout {
    let Some(text) = text else { return IgnoreTimeout::Nothing };
    if let Some(flag) = text.flag() {
        return if flag { IgnoreTimeout::Everything } else { IgnoreTimeout::Nothing };
    }
    let mut ranges = Vec::new();
    for part in text.value.split([',', ';']).map(|part| part.trim().to_ascii_lowercase()) {
        let class = part.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
        match (part.parse::<u16>(), class) {
            (Ok(status), _) if (100..=599).contains(&status) => ranges.push((status, status)),
            (_, Some(class)) if (1..=5).contains(&class) => ranges.push((class * 100, class * 100 + 99)),
            (Ok(_) | Err(_), _) => {}
        }
    }
    if ranges.is_empty() { IgnoreTimeout::Nothing } else { IgnoreTimeout::Statuses(ranges) }
}

/// The value of a header or a parameter of a request: a parameter, or literal text.
fn source(scope: &mut Scope, field: &Field<'_>, user: User) -> Option<Source> {
    match (field.pid, &field.text) {
        (Some(id), _) => scope.param_for(id, user, Use::Source).map(Source::Param),
        (None, Some(text)) => Some(Source::Literal(shared(text))),
        (None, None) if field.slip => None,
        (None, None) => {
            let key = field.key.as_ref().map(|key| short(&key.value)).unwrap_or_default();
            scope.push(
                Diagnostic::new(
                    Code::NoValue,
                    field.span,
                    format!("`{key}` of {user} has neither a `pid` nor a text"),
                )
                .with_help(
                    "add `pid` with the id of the parameter that holds the value; until then it is left out",
                ),
            );
            None
        }
    }
}

fn header(scope: &mut Scope, field: &Field<'_>, purpose: Purpose, user: User) -> Option<Header> {
    let key = field.key.as_ref()?;
    if http::header::HeaderName::from_bytes(key.value.as_bytes()).is_err() {
        scope.push(
            Diagnostic::new(
                Code::BadHeaderName,
                key.span,
                format!("`{}` of {user} cannot be the name of a header", short(&key.value)),
            )
            .with_help("a name has letters, digits and `-`, without blanks and without a colon"),
        );
        return None;
    }
    let lower = key.lower();
    let reserved = match purpose {
        Purpose::Handshake => OF_THE_RUNTIME.contains(&lower.as_str()),
        Purpose::Requests => lower == "content-length",
    };
    if reserved {
        scope.push(
            Diagnostic::new(
                Code::RuntimeHeader,
                key.span,
                format!("{user} sets the header `{}`, which the runtime writes", key.value),
            )
            .with_help("leave it out; what stands here is not sent"),
        );
        return None;
    }
    let value = match source(scope, field, user)? {
        Source::Literal(text) => Source::Literal(unfold(scope, &text, field, &key.value, user)),
        Source::Param(param) => Source::Param(param),
    };
    let known = match &value {
        Source::Literal(text) => field.text.as_ref().map(|written| Spanned::new(text.clone(), written.span)),
        Source::Param(param) => scope.fact(*param).and_then(|fact| fact.default.clone()),
    };
    if let Some(known) = known {
        header_value(scope, &key.value, &known.value, known.span, user);
    }
    let secret = match &value {
        Source::Param(param) => scope.secrets.contains(param),
        Source::Literal(_) => false,
    };
    let watch = field.watch.as_ref().and_then(Text::flag) != Some(false);
    Some(Header { name: shared(key), value, secret: secret || is_true(field.secret.as_ref()), watch })
}

/// A literal that is wrapped over lines of the file is one line, as wrapped text in XML is.
fn unfold(scope: &mut Scope, text: &Arc<str>, field: &Field<'_>, name: &str, user: User) -> Arc<str> {
    if !text.contains(['\n', '\r']) {
        return text.clone();
    }
    let mut diagnostic = Diagnostic::new(
        Code::HeaderLineBreak,
        field.text.as_ref().map_or(field.span, |text| text.span),
        format!("the value of the header `{name}` of {user} goes over more than one line"),
    )
    .with_help("it is sent as one line with a blank at each break; write it so");
    diagnostic.severity = Severity::Warning;
    scope.push(diagnostic);
    let lines: Vec<&str> = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
    Arc::from(lines.join(" "))
}

/// What is known of a header's value before anything runs.
fn header_value(scope: &mut Scope, name: &str, value: &str, place: Span, user: User) {
    if value.chars().any(|c| c.is_control() && c != '\t') {
        scope.push(
            Diagnostic::new(
                Code::HeaderLineBreak,
                place,
                format!(
                    "a value of the header `{name}` of {user} has a line break or another control character"
                ),
            )
            .with_help(
                "such a value is never sent, since it could add headers of its own; write it on one line",
            ),
        );
    }
    if !name.eq_ignore_ascii_case("sec-websocket-extensions") {
        return;
    }
    for offer in value.split(',') {
        let extension = offer.split(';').next().unwrap_or_default().trim();
        if !extension.is_empty() && !extension.eq_ignore_ascii_case("permessage-deflate") {
            let mut diagnostic = Diagnostic::new(
                Code::UnknownExtension,
                place,
                format!(
                    "{user} offers the extension `{}`, which this runtime does not have",
                    short(extension)
                ),
            );
            diagnostic = match did_you_mean(extension, ["permessage-deflate"]) {
                Some(known) => diagnostic.with_help(format!("did you mean `{known}`?")),
                None => diagnostic.with_help(
                    "if the server chooses it, the link fails; offer `permessage-deflate` or nothing",
                ),
            };
            scope.push(diagnostic);
        }
    }
}

/// Says that a handshake has no path, where nothing else can give one.
pub(super) fn no_path(scope: &mut Scope, written: &written::Session<'_>, user: User) {
    let Some(exchange) = written.exchanges.first() else { return };
    if exchange.url.is_none() && exchange.pid.is_none() {
        let mut diagnostic = Diagnostic::new(
            Code::NoPath,
            exchange.span,
            format!("the handshake in session {} names no path, so {user} asks for `/`", written.id.value),
        )
        .with_help("add `pid=\"10\"` to `Request`, where parameter 10 holds the path");
        diagnostic.severity = Severity::Note;
        scope.push(diagnostic);
    }
}
