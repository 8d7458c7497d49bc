//! Connections in all three syntaxes to connections of the model, with their defaults and `bs:` settings; opens nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::language::definition::connection::{self as written, Connections, Options, Port, Settings};
use crate::language::definition::param::Param;
use crate::language::definition::{Id, Text};
use crate::language::diagnostic::{Code, Diagnostic, Report, Severity};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::compile::value::{is_true, name, shared, short};
use crate::language::model::connection::{
    Connection, ConnectionDefaults, ConnectionKind, Handover, KeepAlive, Limits, Reconnect, Tls,
};
use crate::language::model::id::{ConnectionId, ConnectionIx, SessionIx};
use crate::language::model::param as model;
use crate::language::schema::bounds::{self, Bounds};
use crate::language::schema::enumerations as words;
use crate::language::source::{Span, Spanned};

/// Most connections of a definition; the largest known has 12. Each has a list of its responses.
const MAX_CONNECTIONS: usize = 100;

/// A connection as far as the syntaxes agree.
#[derive(Debug)]
pub(super) struct Plan<'d, 'a> {
    id: Option<Id>,
    name: Arc<str>,
    kind: String,
    port: Option<&'d Port<'a>>,
    // Options of the whole protocol, for its main connection.
    main: Option<&'d Text<'a>>,
}

impl Plan<'_, '_> {
    /// What `CommunicationOptions` say.
    pub(super) fn options(&self) -> Option<&Options<'_>> {
        self.port.map(|port| &port.options)
    }

    /// The session that is named as the handshake.
    pub(super) fn handshake(&self) -> Option<Id> {
        self.port.and_then(|port| port.options.handshake)
    }
}

/// Lists the connections, whichever syntax declares them; there is always one.
pub(super) fn plan<'d, 'a>(report: &mut Report, all: &'d Connections<'a>) -> Vec<Plan<'d, 'a>> {
    if let Some(first) = all.list.first() {
        mixed(report, all, first);
        let make = |connection: &'d written::Connection<'a>| Plan {
            id: connection.id,
            name: name(connection.name.as_ref()),
            kind: connection.kind.clone().unwrap_or_else(|| "virtual".into()),
            port: Some(&connection.port),
            main: None,
        };
        if let Some(beyond) = all.list.get(MAX_CONNECTIONS) {
            too_many(report, beyond.span);
        }
        return all.list.iter().take(MAX_CONNECTIONS).map(make).collect();
    }
    let main = Plan {
        id: None,
        name: name(all.main_port.as_ref().and_then(|port| port.name.as_ref())),
        kind: all.kind.as_ref().map_or_else(|| "virtual".into(), Text::lower),
        port: all.main_port.as_ref(),
        main: all.options.as_ref(),
    };
    let mut plans = vec![main];
    for (at, part) in all.advanced.iter().flat_map(|text| text.split(';')).enumerate() {
        if at + 1 == MAX_CONNECTIONS {
            too_many(report, part.span);
            break;
        }
        let (kind, label) = part.value.split_once(':').unwrap_or((part.value, ""));
        let port = all.ports.get(at);
        let written = port.and_then(|port| port.name.as_ref());
        if let Some(text) =
            written.filter(|text| !label.is_empty() && !text.value.eq_ignore_ascii_case(label.trim()))
        {
            report.push(
                Diagnostic::new(
                    Code::PortOrder,
                    text.span,
                    format!("these settings are named `{}` and belong to connection {}, `{}`", short(&text.value), at + 1, short(label)),
                )
                .with_related(part.span, "the connection")
                .with_help("`PortSettings` below `Ports` belong to the connections of `Type@advanced` by their order"),
            );
        }
        plans.push(Plan {
            id: None,
            name: Arc::from(label.trim()),
            kind: kind.trim().to_ascii_lowercase(),
            port,
            main: None,
        });
    }
    plans
}

fn too_many(report: &mut Report, place: Span) {
    let message = format!("the definition has more than {MAX_CONNECTIONS} connections");
    report.push(Diagnostic::new(Code::TooLarge, place, message));
}

/// Reports connections that are declared in more than one way; `Connections` then counts.
fn mixed(report: &mut Report, all: &Connections<'_>, first: &written::Connection<'_>) {
    let by_element = |connection: &&written::Connection<'_>| connection.by_element;
    let by_type = all.list.iter().find(|connection| !connection.by_element && connection.kind.is_some());
    let other = all.kind.as_ref().or(all.advanced.as_ref()).or(all.options.as_ref());
    let other = other.map(|text| (text.span, "`Type`"));
    let port = all.main_port.iter().chain(&all.ports).next().map(|port| (port.span, "`PortSettings`"));
    let outside = other.or(port);
    let inside = by_type.map(|connection| (connection.span, "a `Connection` with `Type`"));
    let third = all.list.iter().find(by_element);
    let found = match (third, outside.or(inside), outside) {
        (Some(third), Some(found), _) => {
            Some((found, third.span, "a connection in the other way", Severity::Error))
        }
        (None, _, Some(found)) => Some((found, first.span, "the first of `Connections`", Severity::Warning)),
        (Some(_) | None, _, _) => None,
    };
    if let Some(((span, what), place, label, severity)) = found {
        let mut diagnostic = Diagnostic::new(
            Code::MixedSyntax,
            span,
            format!("{what} and `Connections` both declare connections"),
        )
        .with_related(place, label)
        .with_help("keep one of the two ways; until then only `Connections` counts");
        if inside.is_some_and(|(inside, _)| inside == span) {
            diagnostic.message = format!("{what} stands beside one that names its kind by an element");
        }
        diagnostic.severity = severity;
        report.push(diagnostic);
    }
}

/// Compiles the connections; `params` are told whose address they are.
pub(super) fn compile(
    scope: &mut Scope,
    plans: &[Plan<'_, '_>],
    written: &[Param<'_>],
    params: &mut [model::Param],
) -> Vec<Connection> {
    let mut connections: Vec<Connection> = plans
        .iter()
        .enumerate()
        .filter_map(|(at, plan)| Some(one(scope, plan, ConnectionIx::new(at)?)))
        .collect();
    dynamic_addresses(scope, written, params, &mut connections);
    connections
}

fn one(scope: &mut Scope, plan: &Plan<'_, '_>, index: ConnectionIx) -> Connection {
    let number = i32::try_from(index.index()).unwrap_or(i32::MAX);
    let user = User("connection", number);
    let none = Options::default();
    let options = plan.port.map_or(&none, |port| &port.options);
    if let Some(id) = plan.id.filter(|id| id.value != number) {
        scope.push(
            Diagnostic::new(
                Code::ConnectionNumber,
                id.span,
                format!("the connection with id {} has the index {number}", id.value),
            )
            .with_help(format!(
                "`Connection:n`, `dynamic ip n`, `Group@connection` and the settings mean the index: {number}"
            )),
        );
    }
    let kind = kind(plan, options);
    let flag = |text: Option<&Text<'_>>, option: &str| {
        is_true(text) || plan.main.is_some_and(|options| options.option(option).is_some())
    };
    let notify = plan.main.and_then(|options| options.option("notifyConnectionPIDs"));
    let notified = |at: usize| -> Option<Id> {
        let words = notify.as_ref()?;
        Some(Spanned::new(words.value.split(',').nth(at)?.trim().parse().ok()?, words.span))
    };
    let opened = options.connections_pid.or_else(|| notified(0));
    let closed = options.disconnections_pid.or_else(|| notified(1));
    let skip = plan.port.and_then(|port| port.skip_verification.as_ref());
    Connection {
        index,
        id: plan.id.map(|id| ConnectionId(id.value)),
        name: plan.name.clone(),
        kind,
        defaults: plan.port.map_or_else(defaults_of_nothing, defaults),
        dynamic_ip: None,
        handshake: handshake(scope, options, kind, user),
        connections_param: opened.and_then(|id| scope.param_for(id, user, Use::NumberSink)),
        disconnections_param: closed.and_then(|id| scope.param_for(id, user, Use::Sink)),
        redundant_polling: flag(options.redundant_polling.as_ref(), "redundantPolling"),
        custom_redirect: flag(options.custom_redirect.as_ref(), "customRedirect"),
        make_command_by_protocol: flag(options.make_command.as_ref(), "makeCommandByProtocol"),
        reconnect: reconnect(scope, options.reconnect.as_ref(), user),
        keep_alive: keep_alive(scope, options.keep_alive.as_ref(), user),
        tls: tls(scope, options.tls.as_ref(), skip, user),
        limits: limits(options.limits.as_ref()),
        token: None,
        before: None,
        proxy: proxy(scope, options.proxy.as_ref(), user),
    }
}

fn kind(plan: &Plan<'_, '_>, options: &Options<'_>) -> ConnectionKind {
    if is_true(options.web_socket.as_ref()) {
        return ConnectionKind::WebSocket;
    }
    match words::ConnectionKind::parse(&plan.kind) {
        Some(words::ConnectionKind::Http) => ConnectionKind::Http,
        Some(words::ConnectionKind::Virtual) => ConnectionKind::Virtual,
        Some(
            words::ConnectionKind::Serial
            | words::ConnectionKind::SerialSingle
            | words::ConnectionKind::SmartSerial
            | words::ConnectionKind::SmartSerialSingle
            | words::ConnectionKind::Snmp
            | words::ConnectionKind::SnmpV2
            | words::ConnectionKind::SnmpV3
            | words::ConnectionKind::Gpib
            | words::ConnectionKind::Service
            | words::ConnectionKind::Sla
            | words::ConnectionKind::Opc,
        )
        | None => ConnectionKind::NotRun,
    }
}

fn handshake(
    scope: &mut Scope,
    options: &Options<'_>,
    kind: ConnectionKind,
    user: User,
) -> Option<SessionIx> {
    let id = options.handshake?;
    if kind != ConnectionKind::WebSocket {
        scope.push(
            Diagnostic::new(
                Code::HandshakeUnused,
                id.span,
                format!("{user} has a handshake and is no WebSocket"),
            )
            .with_help("add `<WebSocket>true</WebSocket>` to its `CommunicationOptions`"),
        );
    }
    let found = scope.sessions.get(id.value);
    if found.is_none() {
        scope.push(
            Diagnostic::new(
                Code::HandshakeMissing,
                id.span,
                format!("{user} takes its handshake from session {}, which is not defined", id.value),
            )
            .with_help(format!("define `<Session id=\"{}\">` with one `Connection` below `HTTP`", id.value)),
        );
    }
    found
}

fn defaults_of_nothing() -> ConnectionDefaults {
    defaults(&Port::default())
}

fn defaults(port: &Port<'_>) -> ConnectionDefaults {
    ConnectionDefaults {
        host: None,
        port: port.ip_port.as_ref().and_then(Text::parse).map(|port| port.value).filter(|port| *port != 0),
        timeout: millis_within(port.timeout.as_ref(), bounds::TIMEOUT)
            .unwrap_or(Duration::from_millis(1_500)),
        retries: within(port.retries.as_ref(), bounds::RETRIES)
            .and_then(|retries| u32::try_from(retries).ok())
            .unwrap_or(2),
        bus_address: port.bus_address.as_ref().map(shared),
        bypass_proxy: port.bus_address.as_ref().is_some_and(|text| text.option("bypassproxy").is_some()),
        element_timeout: millis_within(port.element_timeout.as_ref(), bounds::ELEMENT_TIMEOUT)
            .unwrap_or(Duration::from_secs(30)),
    }
}

/// Finds the parameters that hold the address of a connection.
fn dynamic_addresses(
    scope: &mut Scope,
    written: &[Param<'_>],
    params: &mut [model::Param],
    connections: &mut [Connection],
) {
    for (at, param) in written.iter().enumerate() {
        let options = param.kind_options.iter().flat_map(|text| text.split(';'));
        let option = options.into_iter().find_map(|part| {
            let lower = part.value.to_ascii_lowercase();
            let rest = lower.strip_prefix("dynamic ip")?.trim().to_owned();
            Some(Spanned::new(rest, part.span))
        });
        let Some(option) = option else { continue };
        let user = User("parameter", param.id.value);
        let number = if option.value.is_empty() { Ok(0) } else { option.value.parse::<i32>() };
        let Ok(number) = number else { continue };
        let Some(connection) = scope.connection(Spanned::new(number, option.span), user) else { continue };
        let (Some(param), Some(target)) = (params.get_mut(at), connections.get_mut(connection.index()))
        else {
            continue;
        };
        match target.dynamic_ip {
            None => {
                target.dynamic_ip = crate::language::model::id::ParamIx::new(at);
                param.dynamic_ip = Some(connection);
            }
            Some(first) => {
                let place = scope.fact(first).map(|fact| fact.span).unwrap_or_default();
                scope.push(
                    Diagnostic::new(
                        Code::SecondAddress,
                        option.span,
                        format!(
                            "{user} holds the address of connection {number}, as another one does already"
                        ),
                    )
                    .with_related(place, "this one is taken")
                    .with_help(
                        "give each connection one such parameter: `dynamic ip 1` is that of connection 1",
                    ),
                );
            }
        }
    }
}

/// A time of a `bs:` element, in ms.
fn time(settings: Option<&Settings<'_>>, name: &str, bounds: Bounds, default_ms: u64) -> Duration {
    let text = settings.and_then(|settings| settings.get(name));
    millis_within(text, bounds).unwrap_or(Duration::from_millis(default_ms))
}

/// A number within its bounds; `schema` reports one outside.
fn within(text: Option<&Text<'_>>, bounds: Bounds) -> Option<i64> {
    text.and_then(Text::parse::<i64>).map(|number| number.value).filter(|number| bounds.holds(*number))
}

fn millis_within(text: Option<&Text<'_>>, bounds: Bounds) -> Option<Duration> {
    within(text, bounds).and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis)
}

fn text_of(settings: Option<&Settings<'_>>, name: &str) -> Option<Arc<str>> {
    settings.and_then(|settings| settings.get(name)).map(shared)
}

fn reconnect(scope: &mut Scope, settings: Option<&Settings<'_>>, user: User) -> Reconnect {
    let reconnect = Reconnect {
        initial_delay: time(settings, "initialDelay", bounds::INITIAL_DELAY, 500),
        max_delay: time(settings, "maxDelay", bounds::MAX_DELAY, 30_000),
        settle: time(settings, "settle", bounds::SETTLE, 5_000),
        window: time(settings, "window", bounds::WINDOW, 50),
        close_timeout: time(settings, "closeTimeout", bounds::CLOSE_TIMEOUT, 1_000),
        rejected_delay: time(settings, "rejectedDelay", bounds::REJECTED_DELAY, 300_000),
        handover: match settings
            .and_then(|settings| settings.get("handover"))
            .and_then(|text| words::Handover::parse(&text.value))
        {
            Some(words::Handover::OpenFirst) => Handover::OpenFirst,
            Some(words::Handover::CloseFirst) | None => Handover::CloseFirst,
        },
        stop_on: stop_on(scope, settings.and_then(|settings| settings.get("stopOn")), user),
    };
    if reconnect.initial_delay > reconnect.max_delay
        && let Some(settings) = settings
    {
        scope.push(
            Diagnostic::new(
                Code::BadRange,
                settings.span,
                format!("the first pause of {user} is longer than its longest"),
            )
            .with_help("make `maxDelay` at least as long as `initialDelay`; until then every pause has the length of the longest"),
        );
    }
    reconnect
}

fn stop_on(scope: &mut Scope, text: Option<&Text<'_>>, user: User) -> Vec<u16> {
    let mut codes = Vec::new();
    for part in text.iter().flat_map(|text| text.split(';')) {
        match part.value.parse::<u16>() {
            Ok(code) if bounds::is_stop_code(code) => codes.push(code),
            Ok(_) | Err(_) => scope.push(
                Diagnostic::new(
                    Code::BadStopCode,
                    part.span,
                    format!("`{}` of {user} is neither an HTTP status nor a close code", short(part.value)),
                )
                .with_help(format!("{}, with `;` between them", bounds::STOP_CODES)),
            ),
        }
    }
    codes
}

fn keep_alive(scope: &mut Scope, settings: Option<&Settings<'_>>, user: User) -> KeepAlive {
    let heartbeat = settings.and_then(|settings| settings.get("heartbeat")).and_then(Text::parse::<i32>);
    KeepAlive {
        ping_interval: time(settings, "pingInterval", bounds::PING_INTERVAL, 30_000),
        pong_timeout: time(settings, "pongTimeout", bounds::PONG_TIMEOUT, 10_000),
        heartbeat: heartbeat.and_then(|id| scope.pairs.resolve(id, user)),
        silence: time(settings, "silence", bounds::SILENCE, 0),
    }
}

fn tls(scope: &mut Scope, settings: Option<&Settings<'_>>, skip: Option<&Text<'_>>, user: User) -> Tls {
    let verify = settings.and_then(|settings| settings.get("verify"));
    let off = verify
        .filter(|text| text.flag() == Some(false))
        .or_else(|| skip.filter(|text| text.flag() == Some(true)));
    if let Some(text) = off {
        scope.push(
            Diagnostic::new(Code::NoVerification, text.span, format!("{user} takes any certificate"))
                .with_help("name the certificate of your own authority instead: `<bs:Tls ca=\"ca.pem\"/>`"),
        );
    }
    let tls = Tls {
        ca: text_of(settings, "ca"),
        certificate: text_of(settings, "certificate"),
        key: text_of(settings, "key"),
        server_name: text_of(settings, "serverName"),
        verify: off.is_none(),
    };
    if tls.certificate.is_some() != tls.key.is_some()
        && let Some(settings) = settings
    {
        scope.push(
            Diagnostic::new(
                Code::HalfCertificate,
                settings.span,
                format!("{user} has one of `certificate` and `key` without the other"),
            )
            .with_help("a client certificate needs both files"),
        );
    }
    tls
}

fn limits(settings: Option<&Settings<'_>>) -> Limits {
    let number = |name: &str, bounds: Bounds, default: usize| {
        let text = settings.and_then(|settings| settings.get(name));
        within(text, bounds).and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    };
    Limits {
        max_message_bytes: number("maxMessageBytes", bounds::MAX_MESSAGE_BYTES, 16 << 20),
        send_queue: number("sendQueue", bounds::SEND_QUEUE, 1_024),
    }
}

fn proxy(scope: &mut Scope, settings: Option<&Settings<'_>>, user: User) -> Option<Arc<str>> {
    let text = settings.and_then(|settings| settings.get("url"))?;
    let fits = text.value.eq_ignore_ascii_case("none")
        || url::Url::parse(&text.value).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.host().is_some()
        });
    if !fits {
        // The text may hold a password, so it is not repeated.
        scope.push(
            Diagnostic::new(
                Code::BadProxy,
                text.span,
                format!("the proxy of {user} is no address of a proxy"),
            )
            .with_help("write `http://host:port`, `https://host:port`, `socks5://host:port`, `socks5h://host:port` or `none`"),
        );
        return None;
    }
    if has_password(&text.value) {
        scope.push(
            Diagnostic::new(
                Code::PlainSecret,
                text.span,
                format!("the password for the proxy of {user} stands in the file for all to read"),
            )
            .with_help("leave `bs:Proxy` out and set `proxy` of the connection in the settings, which can take it from the environment or a file"),
        );
    }
    Some(shared(text))
}

/// Whether an address has a password in front of its host.
pub(super) fn has_password(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.password().is_some_and(|password| !password.is_empty()))
}
