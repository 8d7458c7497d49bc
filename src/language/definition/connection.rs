//! Connections and HTTP sessions as written; resolves nothing.

use crate::language::definition::message::Mapping;
use crate::language::definition::{Id, Text};
use crate::language::source::Span;

/// The connections in all three syntaxes; using the first two together is an error that `model::compile` reports.
#[derive(Debug, Default)]
pub struct Connections<'a> {
    /// `Type`.
    pub kind: Option<Text<'a>>,
    /// `Type@advanced`: `kind:name` for each further connection.
    pub advanced: Option<Text<'a>>,
    /// `Type@communicationOptions`.
    pub options: Option<Text<'a>>,
    /// `PortSettings`.
    pub main_port: Option<Port<'a>>,
    /// `Ports/PortSettings`, in order.
    pub ports: Vec<Port<'a>>,
    /// `Connections/Connection`, in order.
    pub list: Vec<Connection<'a>>,
}

/// `Connections/Connection`.
#[derive(Debug)]
pub struct Connection<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Option<Id>,
    /// `@name`.
    pub name: Option<Text<'a>>,
    /// `Type`, or the name of the element that stands for it (`Http`, `Snmp`, ...).
    pub kind: Option<String>,
    /// Whether that is the name of an element.
    pub by_element: bool,
    /// Its settings.
    pub port: Port<'a>,
}

/// `PortSettings`, or what stands in `Http`: `UserSettings` with `CommunicationOptions`.
#[derive(Debug, Default)]
pub struct Port<'a> {
    /// The start tag.
    pub span: Span,
    /// `@name`.
    pub name: Option<Text<'a>>,
    /// `BusAddress/DefaultValue`.
    pub bus_address: Option<Text<'a>>,
    /// `IPport/DefaultValue`.
    pub ip_port: Option<Text<'a>>,
    /// `TimeoutTime/DefaultValue`.
    pub timeout: Option<Text<'a>>,
    /// `TimeoutTimeElement/DefaultValue`.
    pub element_timeout: Option<Text<'a>>,
    /// `Retries/DefaultValue`.
    pub retries: Option<Text<'a>>,
    /// `SkipCertificateVerification/DefaultValue`.
    pub skip_verification: Option<Text<'a>>,
    /// `CommunicationOptions`.
    pub options: Options<'a>,
}

/// `CommunicationOptions`.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// `WebSocket`.
    pub web_socket: Option<Text<'a>>,
    /// `WebSocketHandshake`.
    pub handshake: Option<Id>,
    /// `NotifyConnectionPIDs/Connections`.
    pub connections_pid: Option<Id>,
    /// `NotifyConnectionPIDs/Disconnections`.
    pub disconnections_pid: Option<Id>,
    /// `MakeCommandByProtocol`.
    pub make_command: Option<Text<'a>>,
    /// `RedundantPolling`.
    pub redundant_polling: Option<Text<'a>>,
    /// `CustomRedirect`.
    pub custom_redirect: Option<Text<'a>>,
    /// `bs:Token`.
    pub token: Option<Settings<'a>>,
    /// `bs:Reconnect`.
    pub reconnect: Option<Settings<'a>>,
    /// `bs:KeepAlive`.
    pub keep_alive: Option<Settings<'a>>,
    /// `bs:Tls`.
    pub tls: Option<Settings<'a>>,
    /// `bs:Limits`.
    pub limits: Option<Settings<'a>>,
    /// `bs:Proxy`.
    pub proxy: Option<Settings<'a>>,
}

/// An element that is nothing but attributes.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The start tag.
    pub span: Span,
    /// Name and value, in file order.
    pub values: Vec<(&'a str, Text<'a>)>,
}

impl<'a> Settings<'a> {
    /// The value of an attribute; an empty one is none.
    pub fn get(&self, name: &str) -> Option<&Text<'a>> {
        self.values.iter().find(|(key, text)| *key == name && !text.value.is_empty()).map(|(_, text)| text)
    }
}

/// `Threads/Thread`.
#[derive(Debug)]
pub struct Thread<'a> {
    /// `@connection`: numbers between commas.
    pub connection: Option<Text<'a>>,
    /// `@id`.
    pub id: Option<Id>,
}

/// `HTTP/Session`.
#[derive(Debug)]
pub struct Session<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Id,
    /// `@name`.
    pub name: Option<Text<'a>>,
    /// `@userName`, `@password`, `@loginMethod`, `@proxyServer` and so on.
    pub settings: Settings<'a>,
    /// `Condition`.
    pub condition: Option<Text<'a>>,
    /// `Connection`, in order.
    pub exchanges: Vec<Exchange<'a>>,
}

/// `HTTP/Session/Connection`.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Option<Id>,
    /// `Condition`.
    pub condition: Option<Text<'a>>,
    /// `@timeout`.
    pub timeout: Option<Text<'a>>,
    /// `@ignoreTimeout`.
    pub ignore_timeout: Option<Text<'a>>,
    /// `Request@verb`.
    pub verb: Option<Text<'a>>,
    /// `Request@url`.
    pub url: Option<Text<'a>>,
    /// `Request@pid`.
    pub pid: Option<Id>,
    /// `Request/Headers/Header`.
    pub headers: Vec<Field<'a>>,
    /// `Request/Parameters/Parameter`.
    pub parameters: Vec<Field<'a>>,
    /// `Request/Data`: literal text.
    pub data: Option<Text<'a>>,
    /// `Request/Data@pid`.
    pub data_pid: Option<Id>,
    /// `Request/Data/bs:Template`.
    pub template: Option<Text<'a>>,
    /// `Response@statusCode`.
    pub status: Option<Id>,
    /// `Response/Headers/Header`.
    pub response_headers: Vec<Field<'a>>,
    /// `Response/Content@pid`.
    pub content: Option<Id>,
    /// What is done with the body, and `bs:Match`.
    pub mapping: Mapping<'a>,
}

/// A header or a parameter of a request, or a header of a response.
#[derive(Debug)]
pub struct Field<'a> {
    /// The start tag.
    pub span: Span,
    /// `@key`.
    pub key: Option<Text<'a>>,
    /// `@pid`.
    pub pid: Option<Id>,
    /// The literal text.
    pub text: Option<Text<'a>>,
    /// Whether an attribute is misspelt, which `schema` reports: perhaps it was the value.
    pub slip: bool,
    /// `@bs:secret`.
    pub secret: Option<Text<'a>>,
    /// `@bs:watch`.
    pub watch: Option<Text<'a>>,
    /// `@bs:file`.
    pub file: Option<Text<'a>>,
    /// `@bs:mediaType`.
    pub media_type: Option<Text<'a>>,
}
