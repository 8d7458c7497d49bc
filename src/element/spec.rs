//! What an element is started with: the protocol, its settings with secrets resolved, and the services of the process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::logic::{Options, OwnAddress};
use crate::engine::session::Overrides;
use crate::language::model::Protocol;
use crate::language::model::connection::{KeepAlive, Limits, Reconnect, Tls};
use crate::language::model::id::ParamIx;
use crate::value::{Secret, Value};

/// An element to be started: everything resolved, nothing read from a file any more.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The element's name, unique in the daemon.
    pub name: Arc<str>,
    /// Its protocol.
    pub protocol: Arc<Protocol>,
    /// One entry for each connection of the protocol, in order of index: the definition's values with the settings' on top.
    pub connections: Vec<ConnectionSpec>,
    /// Values that the settings give to parameters.
    pub params: Vec<ParamSpec>,
    /// TAI minus UTC, for `tai()` in templates.
    pub tai_offset: Duration,
    /// The folder below which the action `read file` may read; none if the settings name none.
    pub files: Option<PathBuf>,
}

impl Spec {
    /// What the engine is told of the settings.
    pub fn options(&self) -> Options {
        let overrides = |spec: &ConnectionSpec| Overrides {
            timeout: Some(spec.timeout),
            retries: Some(spec.retries),
            element_timeout: Some(spec.element_timeout),
            max_message_bytes: Some(spec.limits.max_message_bytes),
            send_queue: Some(spec.limits.send_queue),
        };
        let own = |spec: &ConnectionSpec| OwnAddress { host: spec.host.clone(), port: spec.port };
        let mut options = Options {
            connections: self.connections.iter().map(overrides).collect(),
            addresses: self.connections.iter().map(own).collect(),
            ..Options::default()
        };
        options.messages.tai_offset = i64::try_from(self.tai_offset.as_secs()).unwrap_or(0);
        options
    }
}

/// One connection of an element.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionSpec {
    /// The host, possibly with a scheme; a dynamic address goes before it.
    pub host: Option<Arc<str>>,
    /// The port.
    pub port: Option<u16>,
    /// For dialling with its handshake, and for an answer.
    pub timeout: Duration,
    /// Tries after the first.
    pub retries: u32,
    /// The bus address, for parameters of type `bus`.
    pub bus_address: Option<Arc<str>>,
    /// Whether the system's proxy is left out.
    pub bypass_proxy: bool,
    /// The proxy to use; goes before the system's.
    pub proxy: Option<Secret<Arc<str>>>,
    /// How long this connection may be in timeout before the element is.
    pub element_timeout: Duration,
    /// How the link comes back.
    pub reconnect: Reconnect,
    /// How a dead link is found.
    pub keep_alive: KeepAlive,
    /// TLS; file names are absolute.
    pub tls: Tls,
    /// Bounds of messages and queues.
    pub limits: Limits,
}

/// A value that the settings give to a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// The parameter.
    pub param: ParamIx,
    /// The value, resolved.
    pub value: Secret<Value>,
    /// Whether it came from `env`, `file` or a credential: such a value always wins and is never written to the store.
    pub external: bool,
}
