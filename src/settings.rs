//! `backshell.toml` → typed settings with their places, and a report of every problem; reads no file and resolves no secret.
//!
//! What may be written is one table, [`keys::KEYS`]; the text is checked against it first, then typed here. A secret stays a
//! [`Reference`] until the element starts.

pub mod keys;
mod read;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::language::diagnostic::{Code, Diagnostic, Report};
use crate::language::source::{Source, Span, Spanned};
use crate::settings::read::{Entry, Fields, Leaf};
use crate::value::Value;

pub use keys::reference;

/// Where a value comes from that does not stand in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// An environment variable.
    Env(Arc<str>),
    /// The content of a file, a line break at its end not counted.
    File(PathBuf),
    /// A file of this name in the folder that systemd passes in `CREDENTIALS_DIRECTORY`.
    Credential(Arc<str>),
}

/// A value, or where it comes from.
///
/// `Debug` masks a literal: whether its parameter is secret is known to the definition only.
#[derive(Clone, PartialEq)]
pub enum Given {
    /// The value itself.
    Literal(Value),
    /// Where it comes from: wins over what was saved, and is never saved or shown.
    Reference(Reference),
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("Literal(***)"),
            Self::Reference(reference) => f.debug_tuple("Reference").field(reference).finish(),
        }
    }
}

/// How a parameter is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParamKey {
    /// By its id: all digits.
    Id(u32),
    /// By its name.
    Name(Arc<str>),
}

impl ParamKey {
    /// Digits only are an id, everything else is a name.
    pub fn of(text: &str) -> Self {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(id) if digits => Self::Id(id),
            Ok(_) | Err(_) => Self::Name(text.into()),
        }
    }
}

/// The whole file; equality ignores where things stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Folder of the store.
    pub data_dir: PathBuf,
    /// How long stopping may take.
    pub grace: Duration,
    /// Seconds between UTC and TAI.
    pub tai_offset_seconds: u32,
    /// Logs.
    pub log: Log,
    /// The dial budget.
    pub dial: Dial,
    /// How HTTP sessions send their requests.
    pub http: Http,
    /// What the scripts of definitions may take.
    pub script: Script,
    /// The control API.
    pub api: Api,
    /// The elements, in the order of the file; names are unique.
    pub elements: Vec<Element>,
    /// Where the lines of the file begin, for what turns out to be wrong later.
    pub lines: Lines,
}

/// Where the lines of a file begin, without its text; equal to any other, as places are.
#[derive(Clone)]
pub struct Lines {
    file: Arc<str>,
    // Invariant: sorted, each the offset after a line feed.
    starts: Arc<[u32]>,
}

impl Lines {
    fn of(source: &Source) -> Self {
        let feeds = source.text().bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n');
        Self { file: source.name().clone(), starts: feeds.map(|(_, after)| after).collect() }
    }

    /// The place of a span as messages name it: `backshell.toml:12`.
    pub fn place(&self, span: Span) -> String {
        let line = 1 + self.starts.partition_point(|start| *start <= span.start);
        format!("{}:{line}", self.file)
    }

    /// The same file with its first lines not counted, for a text that somebody put in front of it.
    pub fn behind(&self, lines: usize) -> Self {
        Self { file: self.file.clone(), starts: self.starts.get(lines..).unwrap_or_default().into() }
    }
}

impl PartialEq for Lines {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lines({})", self.file)
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// A level, or a filter in the syntax of `tracing-subscriber`.
    pub level: Arc<str>,
}

/// The dial budget; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// In the whole process.
    pub per_second: u32,
    /// To one host.
    pub per_host_per_second: u32,
}

/// How HTTP sessions send their requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http {
    /// How many may be under way to the same scheme, host and port; from 1 to 10,000, default 32.
    pub per_origin: u32,
}

/// What the scripts of definitions may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// How long one run may take, with all runs that it causes; from 10 ms to 1 min, default 1 s.
    pub time_limit: Duration,
    /// How much memory all scripts of one element may have together; from 1 to 1,024, default 32.
    pub memory_mib: u32,
    /// How many elements run scripts at the same time; from 2 to 512, default 64.
    pub threads: u32,
}

/// The control API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// A loopback address and a port; port 0 takes any free one.
    pub listen: SocketAddr,
}

/// One running definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Unique: `[A-Za-z0-9._-]{1,64}`.
    pub name: Spanned<Arc<str>>,
    /// The definition file.
    pub protocol: Spanned<PathBuf>,
    /// The folder below which the action `read file` may read.
    pub files_dir: Option<PathBuf>,
    /// Settings of connections, by index; boxed, because a map keeps room for several, and there are thousands of elements.
    pub connections: BTreeMap<u32, Box<Connection>>,
    /// Values of parameters at start, sorted by key.
    pub params: Vec<(Spanned<ParamKey>, Spanned<Given>)>,
}

/// Settings of one connection; `None` is what the definition says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    /// Where its index stands.
    pub index: Spanned<u32>,
    /// Host, perhaps with a scheme.
    pub host: Option<Spanned<Given>>,
    /// Port, from 1.
    pub port: Option<u16>,
    /// Time for a dial, and for an answer.
    pub timeout: Option<Duration>,
    /// How long the connection may be in timeout before the element is.
    pub element_timeout: Option<Duration>,
    /// Tries after the first.
    pub retries: Option<u32>,
    /// Bus address; `bypassProxy` is a direct connection.
    pub bus_address: Option<Arc<str>>,
    /// URL of a proxy.
    pub proxy: Option<Spanned<Given>>,
    /// How the peer is checked.
    pub tls: Tls,
    /// When a link comes back.
    pub reconnect: Reconnect,
    /// How a dead link is found.
    pub keep_alive: KeepAlive,
    /// Bounds.
    pub limits: Limits,
}

/// How a TLS peer is checked, and what we show it; `None` is what the definition says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// PEM file of the authorities.
    pub ca: Option<Spanned<PathBuf>>,
    /// PEM file of the client certificate; there if `key` is.
    pub certificate: Option<Spanned<PathBuf>>,
    /// PEM file of its private key; there if `certificate` is.
    pub key: Option<Spanned<PathBuf>>,
    /// The name that the certificate must have.
    pub server_name: Option<Spanned<Arc<str>>>,
    /// Whether the certificate is checked.
    pub verify: Option<bool>,
}

/// Which of two links comes first when a link moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// The old one closes first.
    CloseFirst,
    /// The new one opens first.
    OpenFirst,
}

/// When and how a link comes back; `None` is what the definition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconnect {
    /// Upper end of the first wait, from 10 ms to 1 h.
    pub initial_delay: Option<Duration>,
    /// Upper end of every wait, from 10 ms to 24 h; not below `initial_delay` where both are given.
    pub max_delay: Option<Duration>,
    /// How long a link must be up, to 1 h.
    pub settle: Option<Duration>,
    /// How long changes are gathered, to 60 s.
    pub window: Option<Duration>,
    /// How long the peer's close is waited for, to 60 s.
    pub close_timeout: Option<Duration>,
    /// Longest wait after a refusal, from 1 s to 7 days.
    pub rejected_delay: Option<Duration>,
    /// Which link comes first.
    pub handover: Option<Handover>,
    /// Further permanent codes and statuses, sorted.
    pub stop_on: Option<Vec<u16>>,
}

/// How a dead link is found; `None` is what the definition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// Pause between pings, to 24 h; zero is off.
    pub ping_interval: Option<Duration>,
    /// How long nothing may arrive after a ping, from 100 ms to 1 h.
    pub pong_timeout: Option<Duration>,
    /// Id of the heartbeat's pair; 0 is none.
    pub heartbeat: Option<Spanned<u32>>,
    /// How long no message may arrive, to 7 days; zero is off.
    pub silence: Option<Duration>,
}

/// Bounds of one link; `None` is what the definition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The largest message, from 1 byte to 1 GiB.
    pub max_message_bytes: Option<u32>,
    /// Messages kept while the link is down, to 1,000,000; 0 keeps none.
    pub send_queue: Option<u32>,
}

/// Reads a settings file; paths in it are joined to `folder`, the folder that it stands in.
///
/// The settings are there exactly if the report has no errors.
pub fn parse(source: &Source, folder: &Path) -> (Option<Settings>, Report) {
    let (mut fields, report) = read::read(source, folder);
    let malformed = report.has_errors();
    let mut builder = Builder { folder, report, lines: Lines::of(source) };
    let settings = builder.settings(&mut fields, malformed);
    let mut report = builder.report;
    report.finish();
    let settings = settings.filter(|_| !report.has_errors());
    (settings, report)
}

struct Builder<'a> {
    folder: &'a Path,
    report: Report,
    lines: Lines,
}

/// Takes a typed value out of the fields of one table.
macro_rules! take {
    ($fields:expr, $name:literal, $kind:ident) => {
        match $fields.entries.remove($name) {
            Some(Entry::Leaf(Spanned { value: Leaf::$kind(value), span })) => Some(Spanned::new(value, span)),
            Some(_) | None => None,
        }
    };
}

/// The same, with the fallback of the table of keys; `None` only if what was there has been reported.
macro_rules! or_fallback {
    ($self:expr, $fields:expr, $path:literal, $name:literal, $kind:ident) => {
        match take!($fields, $name, $kind) {
            Some(spanned) => Some(spanned.value),
            None => match read::fallback($path, $self.folder) {
                Some(Leaf::$kind(value)) => Some(value),
                Some(_) | None => None,
            },
        }
    };
}

impl Builder<'_> {
    /// Every fallback is there and of its kind, which a test asserts; without it there would be no settings at all.
    fn settings(&mut self, fields: &mut Fields, malformed: bool) -> Option<Settings> {
        let mut log = take_table(fields, "log");
        let mut dial = take_table(fields, "dial");
        let mut http = take_table(fields, "http");
        let mut script = take_table(fields, "script");
        let mut api = take_table(fields, "api");
        let elements = self.elements(fields, malformed);
        let format = or_fallback!(self, log, "log.format", "format", Text)?;
        let per_host = or_fallback!(self, dial, "dial.per_host_per_second", "per_host_per_second", Integer)?;
        Some(Settings {
            data_dir: or_fallback!(self, fields, "data_dir", "data_dir", Path)?,
            grace: or_fallback!(self, fields, "grace_ms", "grace_ms", Millis)?,
            tai_offset_seconds: number(or_fallback!(
                self,
                fields,
                "tai_offset_seconds",
                "tai_offset_seconds",
                Integer
            )?),
            log: Log {
                format: if format.as_ref() == "json" { LogFormat::Json } else { LogFormat::Human },
                level: or_fallback!(self, log, "log.level", "level", Text)?,
            },
            dial: Dial {
                per_second: number(or_fallback!(self, dial, "dial.per_second", "per_second", Integer)?),
                per_host_per_second: number(per_host),
            },
            http: Http {
                per_origin: number(or_fallback!(self, http, "http.per_origin", "per_origin", Integer)?),
            },
            script: Script {
                time_limit: or_fallback!(self, script, "script.time_limit_ms", "time_limit_ms", Millis)?,
                memory_mib: number(or_fallback!(self, script, "script.memory_mib", "memory_mib", Integer)?),
                threads: number(or_fallback!(self, script, "script.threads", "threads", Integer)?),
            },
            api: Api { listen: or_fallback!(self, api, "api.listen", "listen", Address)? },
            elements,
            lines: self.lines.clone(),
        })
    }

    fn elements(&mut self, fields: &mut Fields, malformed: bool) -> Vec<Element> {
        let tables = match fields.entries.remove("element") {
            Some(Entry::Tables(tables)) => tables,
            // After an error, the elements may have been there.
            Some(_) | None if malformed => return Vec::new(),
            Some(_) | None => {
                let diagnostic = Diagnostic::new(
                    Code::SettingsNoElement,
                    Span::default(),
                    "the settings file names no element",
                )
                .with_help("write `[[element]]` with `name` and `protocol`");
                self.report.push(diagnostic);
                return Vec::new();
            }
        };
        let mut elements: Vec<Element> = Vec::new();
        let mut names: HashMap<Arc<str>, Span> = HashMap::new();
        for mut table in tables {
            let Some(element) = self.element(&mut table) else { continue };
            let name = &element.name;
            if let Some(first) = names.get(&name.value) {
                let message = format!("element `{}` is already defined", name.value);
                let diagnostic = Diagnostic::new(Code::SettingsElementTwice, name.span, message)
                    .with_related(*first, "first defined here");
                self.report.push(diagnostic);
            } else {
                names.insert(name.value.clone(), name.span);
                elements.push(element);
            }
        }
        elements
    }

    fn element(&mut self, table: &mut Fields) -> Option<Element> {
        for name in ["name", "protocol"] {
            if !table.entries.contains_key(name) && !table.broken.contains(&name) {
                let diagnostic =
                    Diagnostic::new(Code::SettingsMissing, table.span, format!("element has no `{name}`"));
                self.report.push(diagnostic);
            }
        }
        let connections = match table.entries.remove("connection") {
            Some(Entry::Numbered(tables)) => tables
                .into_iter()
                .map(|(index, mut table)| (index, Box::new(self.connection(index, &mut table))))
                .collect(),
            Some(_) | None => BTreeMap::new(),
        };
        let params = match table.entries.remove("params") {
            Some(Entry::Params(params)) => params,
            Some(_) | None => Vec::new(),
        };
        let name = take!(table, "name", Text);
        let protocol = take!(table, "protocol", Path);
        let files_dir = take!(table, "files_dir", Path).map(|path| path.value);
        Some(Element { name: name?, protocol: protocol?, files_dir, connections, params })
    }

    fn connection(&mut self, index: u32, table: &mut Fields) -> Connection {
        let mut tls = take_table(table, "tls");
        let mut reconnect = take_table(table, "reconnect");
        let mut keep_alive = take_table(table, "keep_alive");
        let mut limits = take_table(table, "limits");
        let connection = Connection {
            index: Spanned::new(index, table.span),
            host: take!(table, "host", Given),
            port: take!(table, "port", Integer).and_then(|port| u16::try_from(port.value).ok()),
            timeout: take!(table, "timeout_ms", Millis).map(|time| time.value),
            element_timeout: take!(table, "element_timeout_ms", Millis).map(|time| time.value),
            retries: take!(table, "retries", Integer).map(|retries| number(retries.value)),
            bus_address: take!(table, "bus_address", Text).map(|text| text.value),
            proxy: take!(table, "proxy", Given),
            tls: Tls {
                ca: take!(tls, "ca", Path),
                certificate: take!(tls, "certificate", Path),
                key: take!(tls, "key", Path),
                server_name: take!(tls, "server_name", Text),
                verify: take!(tls, "verify", Flag).map(|flag| flag.value),
            },
            reconnect: self.reconnect(&mut reconnect),
            keep_alive: KeepAlive {
                ping_interval: take!(keep_alive, "ping_interval_ms", Millis).map(|time| time.value),
                pong_timeout: take!(keep_alive, "pong_timeout_ms", Millis).map(|time| time.value),
                heartbeat: take!(keep_alive, "heartbeat", Integer).map(|pair| pair.map(number)),
                silence: take!(keep_alive, "silence_ms", Millis).map(|time| time.value),
            },
            limits: Limits {
                max_message_bytes: take!(limits, "max_message_bytes", Integer)
                    .map(|bytes| number(bytes.value)),
                send_queue: take!(limits, "send_queue", Integer).map(|length| number(length.value)),
            },
        };
        let alone = match (&connection.tls.certificate, &connection.tls.key) {
            (Some(certificate), None) if !tls_broken(&tls) => Some((certificate.span, "certificate", "key")),
            (None, Some(key)) if !tls_broken(&tls) => Some((key.span, "key", "certificate")),
            (_, _) => None,
        };
        if let Some((span, there, missing)) = alone {
            let message = format!("`tls.{there}` is given without `tls.{missing}`");
            self.report.push(Diagnostic::new(Code::SettingsContradiction, span, message));
        }
        connection
    }

    fn reconnect(&mut self, table: &mut Fields) -> Reconnect {
        let initial = take!(table, "initial_delay_ms", Millis);
        let most = take!(table, "max_delay_ms", Millis);
        if let (Some(initial), Some(most)) = (&initial, &most)
            && most.value < initial.value
        {
            let message = format!(
                "`max_delay_ms` {} is below `initial_delay_ms` {}",
                most.value.as_millis(),
                initial.value.as_millis()
            );
            let diagnostic = Diagnostic::new(Code::SettingsContradiction, most.span, message)
                .with_related(initial.span, "`initial_delay_ms` is here");
            self.report.push(diagnostic);
        }
        Reconnect {
            initial_delay: initial.map(|time| time.value),
            max_delay: most.map(|time| time.value),
            settle: take!(table, "settle_ms", Millis).map(|time| time.value),
            window: take!(table, "window_ms", Millis).map(|time| time.value),
            close_timeout: take!(table, "close_timeout_ms", Millis).map(|time| time.value),
            rejected_delay: take!(table, "rejected_delay_ms", Millis).map(|time| time.value),
            handover: take!(table, "handover", Text).map(|word| match word.value.as_ref() {
                "open-first" => Handover::OpenFirst,
                _ => Handover::CloseFirst,
            }),
            stop_on: take!(table, "stop_on", Codes).map(|codes| codes.value),
        }
    }
}

/// Whether a half of the pair was there and has been reported; both were taken out if they were sound.
fn tls_broken(tls: &Fields) -> bool {
    tls.broken.iter().any(|name| matches!(*name, "certificate" | "key"))
}

fn take_table(fields: &mut Fields, name: &str) -> Fields {
    match fields.entries.remove(name) {
        Some(Entry::Table(table)) => table,
        Some(_) | None => Fields::default(),
    }
}

/// A number whose range in the table of keys fits.
fn number(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(if value < 0 { 0 } else { u32::MAX })
}

#[cfg(test)]
mod tests;
