//! What of HTTP sessions and tokens is likely a mistake although everything resolves; changes nothing of the model.

use std::collections::HashSet;

use crate::language::definition::connection::{self as written, Field};
use crate::language::definition::{Definition, Text};
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::Protocol;
use crate::language::model::compile::scope::Scope;
use crate::language::model::connection::{ConnectionKind, Exchange, Source};
use crate::language::model::id::{ParamIx, SessionIx};
use crate::language::model::logic::Group;

/// Headers that prove who asks.
const OF_CREDENTIALS: &[&str] = &["authorization", "proxy-authorization", "x-api-key"];

/// Fields of a form that do.
const SECRET_FIELDS: &[&str] = &["password", "secret", "client_secret", "api_key"];

/// Looks at all sessions and at the groups that send them.
pub(super) fn check(scope: &mut Scope, definition: &Definition<'_>, protocol: &Protocol) {
    over_nothing(scope, definition, protocol);
    unused(scope, definition, protocol);
    let tokens: HashSet<ParamIx> = protocol.tokens.iter().map(|token| token.param).collect();
    let fetches: HashSet<SessionIx> = protocol.tokens.iter().map(|token| token.session).collect();
    for (at, (session, source)) in protocol.sessions.iter().zip(&definition.sessions).enumerate() {
        let is_fetch = SessionIx::new(at).is_some_and(|ix| fetches.contains(&ix));
        let login = source.settings.get("userName").filter(|_| session.credentials.is_some());
        for (exchange, source) in session.exchanges.iter().zip(&source.exchanges) {
            plain(scope, source, session.id.0);
            two_logins(scope, source, login, session.id.0);
            let carries = is_fetch || login.is_some() || carries_credentials(exchange, &tokens);
            if carries {
                in_clear(scope, source, session.id.0);
            }
        }
    }
}

/// Groups that send a session over a connection which speaks no HTTP.
fn over_nothing(scope: &mut Scope, definition: &Definition<'_>, protocol: &Protocol) {
    // The groups of ours stand behind those of the author.
    for (group, source) in protocol.groups.iter().zip(&definition.groups) {
        let connection = protocol.connection(group.connection);
        let what = match connection.kind {
            ConnectionKind::Http | ConnectionKind::WebSocket => continue,
            ConnectionKind::Virtual => "virtual",
            ConnectionKind::NotRun => "not run",
        };
        // A parameter chooses the connection while it runs.
        if group.connection_param.is_some() || group.sessions().next().is_none() {
            continue;
        }
        let number = connection.index.index();
        let place = source.connection.map_or(source.span, |id| id.span);
        let message = format!(
            "group {} sends an HTTP session over connection {number}, which is {what}, so nothing is sent",
            group.id
        );
        let http = protocol.connections.iter().find(|connection| connection.kind == ConnectionKind::Http);
        let help = match http {
            Some(http) => {
                format!(
                    "connection {} speaks HTTP: `connection=\"{}\"`",
                    http.index.index(),
                    http.index.index()
                )
            }
            None => "declare an HTTP connection, and name its position: `connection=\"1\"`".to_owned(),
        };
        scope.push(Diagnostic::new(Code::SessionOverNothing, place, message).with_help(help));
    }
}

/// Sessions that nothing sends.
fn unused(scope: &mut Scope, definition: &Definition<'_>, protocol: &Protocol) {
    let mut used: HashSet<SessionIx> =
        protocol.groups.iter().flat_map(Group::sessions).map(|sent| sent.session).collect();
    used.extend(protocol.connections.iter().filter_map(|connection| connection.handshake));
    used.extend(protocol.tokens.iter().map(|token| token.session));
    for (at, source) in definition.sessions.iter().enumerate() {
        if SessionIx::new(at).is_none_or(|ix| used.contains(&ix)) {
            continue;
        }
        let message = format!("nothing sends session {}", source.id.value);
        scope.push(Diagnostic::new(Code::UnusedSession, source.span, message).with_help(
            "put it into a group, or name it as `WebSocketHandshake`, in `bs:Token` or in `bs:Reconnect before`",
        ));
    }
}

/// Secrets written out in headers and forms.
fn plain(scope: &mut Scope, source: &written::Exchange<'_>, session: i32) {
    let is_one_of = |field: &Field<'_>, names: &[&str]| {
        field.pid.is_none() && field.key.as_ref().is_some_and(|key| names.contains(&key.lower().as_str()))
    };
    let headers = source.headers.iter().filter(|field| is_one_of(field, OF_CREDENTIALS));
    let fields = source.parameters.iter().filter(|field| is_one_of(field, SECRET_FIELDS));
    for field in headers.chain(fields) {
        let (Some(key), Some(text)) = (&field.key, &field.text) else { continue };
        // A scheme alone, such as `Bearer`, tells nothing.
        if text.value.trim().is_empty() || matches!(text.lower().trim(), "bearer" | "basic" | "digest") {
            continue;
        }
        let message = format!("`{}` of session {session} stands in the file for all to read", key.value);
        scope.push(Diagnostic::new(Code::PlainSecret, text.span, message).with_help(
            "put it into a parameter with `bs:secret=\"true\"` and give the parameter's id as `pid`",
        ));
    }
}

/// A header `Authorization` beside a user name: only one of them can be sent.
fn two_logins(scope: &mut Scope, source: &written::Exchange<'_>, login: Option<&Text<'_>>, session: i32) {
    let Some(login) = login else { return };
    let is_given = |key: &&Text<'_>| key.value.eq_ignore_ascii_case("authorization");
    let header = source.headers.iter().filter_map(|field| field.key.as_ref()).find(is_given);
    if let Some(key) = header {
        let message = format!("session {session} has a user name, and a header `{}` as well", key.value);
        scope.push(
            Diagnostic::new(Code::TwoLogins, key.span, message)
                .with_related(login.span, "the user name")
                .with_help("keep one of them; the header is sent while it has a value"),
        );
    }
}

/// Whether a request proves who asks: with a token of ours, or with a header for it.
fn carries_credentials(exchange: &Exchange, tokens: &HashSet<ParamIx>) -> bool {
    exchange.headers.iter().any(|header| {
        let is_token = matches!(header.value, Source::Param(param) if tokens.contains(&param));
        is_token || OF_CREDENTIALS.contains(&header.name.to_ascii_lowercase().as_str())
    })
}

/// A token or a password that goes over the network for all to read.
fn in_clear(scope: &mut Scope, source: &written::Exchange<'_>, session: i32) {
    let Some(url) = &source.url else { return };
    let lower = url.lower();
    let Some(rest) = lower.trim().strip_prefix("http://") else { return };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    // What stays on this machine is read by nobody else.
    if host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]") {
        return;
    }
    let message = format!("session {session} sends a token or a password to an address without encryption");
    scope.push(
        Diagnostic::new(Code::TokenInClear, url.span, message)
            .with_help("use `https://`; on the way anybody can read what goes over `http://`"),
    );
}
