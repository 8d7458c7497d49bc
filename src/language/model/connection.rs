//! Connections, HTTP sessions and the settings of links as the engine knows them; opens nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::language::model::condition::Condition;
use crate::language::model::id::{
    ConnectionId, ConnectionIx, GroupIx, PairIx, ParamIx, SessionId, SessionIx,
};
use crate::language::model::message::{Mapping, Template};

/// One configured end point of an element.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// The position, from 0: what `Connection:n` and the settings mean.
    pub index: ConnectionIx,
    /// The author's number, where the syntax has one.
    pub id: Option<ConnectionId>,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// What it speaks.
    pub kind: ConnectionKind,
    /// Defaults that the element's settings override.
    pub defaults: ConnectionDefaults,
    /// The parameter whose value is the address.
    pub dynamic_ip: Option<ParamIx>,
    /// The HTTP session that describes the opening handshake.
    pub handshake: Option<SessionIx>,
    /// The parameter that shows 1 while the link is open and 0 while it is not.
    pub connections_param: Option<ParamIx>,
    /// The parameter that receives `host:port` of each link that closed.
    pub disconnections_param: Option<ParamIx>,
    /// `RedundantPolling`: requests that get no answer go over the other connection of the kind from then on.
    pub redundant_polling: bool,
    /// Whether the definition follows redirects of its HTTP answers itself (`customRedirect`).
    pub custom_redirect: bool,
    /// No automatic `make` of commands (`MakeCommandByProtocol`).
    pub make_command_by_protocol: bool,
    /// `bs:Reconnect`.
    pub reconnect: Reconnect,
    /// `bs:KeepAlive`.
    pub keep_alive: KeepAlive,
    /// `bs:Tls`.
    pub tls: Tls,
    /// `bs:Limits`.
    pub limits: Limits,
    /// The token that requests and the link need, by its place in [`Protocol::tokens`](super::Protocol::tokens).
    pub token: Option<usize>,
    /// A group of ours with the session that runs before each dial (`bs:Reconnect before`).
    pub before: Option<GroupIx>,
    /// `bs:Proxy url`: `http://host:port`, `https://`, `socks5://` or `socks5h://`, or `none` for a direct connection.
    pub proxy: Option<Arc<str>>,
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionKind {
    /// A WebSocket.
    WebSocket,
    /// HTTP requests.
    Http,
    /// Nothing: values come from scripts and people only.
    Virtual,
    /// Something that is accepted and stays idle (SNMP, serial, ...).
    NotRun,
}

/// What the definition says about a connection that the settings may override.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionDefaults {
    /// `PollingIP`/host, possibly with a scheme.
    pub host: Option<Arc<str>>,
    /// `IPport`.
    pub port: Option<u16>,
    /// `TimeoutTime`: for dialling with its handshake, and for an answer; default 1,500 ms.
    pub timeout: Duration,
    /// `Retries` after the first try; default 2 (three tries in all).
    pub retries: u32,
    /// `BusAddress`: shown by parameters of type `bus`.
    pub bus_address: Option<Arc<str>>,
    /// `BusAddress` `bypassProxy`.
    pub bypass_proxy: bool,
    /// `TimeoutTimeElement`: how long a connection may be in timeout before the element is; default 30 s.
    pub element_timeout: Duration,
}

/// `bs:Reconnect`: how a link comes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconnect {
    /// The first upper bound of the random wait; default 500 ms.
    pub initial_delay: Duration,
    /// The last upper bound; default 30 s.
    pub max_delay: Duration,
    /// How long a link must be ready before the back-off starts anew; default 5 s.
    pub settle: Duration,
    /// In which time several changes are one move; default 50 ms, 0 is off.
    pub window: Duration,
    /// How long the peer may take to answer a close; default 1 s.
    pub close_timeout: Duration,
    /// The longest wait in `rejected`; default 5 min.
    pub rejected_delay: Duration,
    /// Which link goes first when a watched parameter changes.
    pub handover: Handover,
    /// Statuses and close codes that end in `rejected`, besides the built-in ones.
    pub stop_on: Vec<u16>,
}

/// `bs:Reconnect handover`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handover {
    /// The old link closes, then the new one opens.
    #[default]
    CloseFirst,
    /// The new link opens, then the old one closes.
    OpenFirst,
}

/// `bs:KeepAlive`: how a dead link is found.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepAlive {
    /// The time between pings; default 30 s, 0 is off.
    pub ping_interval: Duration,
    /// How long any byte may take to come after a ping; default 10 s.
    pub pong_timeout: Duration,
    /// The pair whose timeout after retries drops the link.
    pub heartbeat: Option<PairIx>,
    /// How long no message may come; 0 is off, the default.
    pub silence: Duration,
}

/// `bs:Tls`; file names are relative to the definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// A file of certificates to trust instead of the system's.
    pub ca: Option<Arc<str>>,
    /// The client's certificate chain.
    pub certificate: Option<Arc<str>>,
    /// The client's private key.
    pub key: Option<Arc<str>>,
    /// The name that the certificate must have, and that is asked for.
    pub server_name: Option<Arc<str>>,
    /// Whether the peer's certificate is checked; default true.
    pub verify: bool,
}

/// `bs:Limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, each way; default 16 MiB.
    pub max_message_bytes: usize,
    /// How many messages wait for a link; default 1,024.
    pub send_queue: usize,
}

/// An HTTP session: exchanges in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The author's number.
    pub id: SessionId,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// User name and password, for `loginMethod="credentials"`.
    pub credentials: Option<Credentials>,
    /// `loginMethod="certificate"`: the client certificate of the connection's settings is shown.
    pub certificate: bool,
    /// `proxyServer` with `proxyUser` and `proxyPassword`.
    pub proxy: Option<SessionProxy>,
    /// Whether the connection stays open after the last exchange (`keepAlive`).
    pub keep_alive: bool,
    /// The session is left out while this does not hold.
    pub condition: Option<Condition>,
    /// The exchanges; a handshake has exactly one.
    pub exchanges: Vec<Exchange>,
}

/// User name and password of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Credentials {
    /// The user.
    pub user: Source,
    /// The password.
    pub password: Source,
}

/// The proxy of a session; an empty server means none.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionProxy {
    /// Host, `host:port` or URL.
    pub server: Source,
    /// The user.
    pub user: Option<Source>,
    /// The password.
    pub password: Option<Source>,
}

/// Which failures of an exchange leave the element's state alone (`ignoreTimeout`); the triggers fire all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IgnoreTimeout {
    /// None of them.
    #[default]
    Nothing,
    /// All of them.
    Everything,
    /// Answers with a status in one of these ranges, both ends included.
    Statuses(Vec<(u16, u16)>),
}

/// One request with what is kept of its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// `GET` if the author gave none.
    pub verb: http::Method,
    /// Where to.
    pub url: Source,
    /// Headers in the author's order.
    pub headers: Vec<Header>,
    /// The exchange is left out while this does not hold.
    pub condition: Option<Condition>,
    /// Query or form parameters in the author's order.
    pub parameters: Vec<FormField>,
    /// The body.
    pub data: Option<Body>,
    /// Receives the whole status line.
    pub status_param: Option<ParamIx>,
    /// Receive response headers.
    pub header_params: Vec<(Arc<str>, ParamIx)>,
    /// Receives the body.
    pub content_param: Option<ParamIx>,
    /// What is done with the answer and its body.
    pub mapping: Mapping,
    /// How long the answer may take; the connection's timeout if the author gave none.
    pub timeout: Option<Duration>,
    /// What leaves the element's state alone.
    pub ignore_timeout: IgnoreTimeout,
}

/// A field of a query or a form.
#[derive(Clone, Debug, PartialEq)]
pub struct FormField {
    /// Its name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Source,
    /// The name of the file that it is, in a `multipart/form-data` form (`bs:file`).
    pub file: Option<Arc<str>>,
    /// The file's type (`bs:mediaType`).
    pub media_type: Option<Arc<str>>,
}

/// A body of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Text or the value of a parameter.
    Plain(Source),
    /// `bs:Template`.
    Template(Template),
}

/// A request header.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The name as written, its case included.
    pub name: Arc<str>,
    /// The value.
    pub value: Source,
    /// Masked in every output (`bs:secret`, or the parameter's own).
    pub secret: bool,
    /// Whether a change of the parameter moves the link (`bs:watch`).
    pub watch: bool,
}

/// Where a text of a request comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Written in the definition.
    Literal(Arc<str>),
    /// The value of a parameter.
    Param(ParamIx),
}
