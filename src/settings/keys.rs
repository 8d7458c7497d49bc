//! The table of every key of the settings file, from which reading, "did you mean" and the reference page come.

use std::fmt::Write as _;

use crate::language::schema::bounds::{self, Bounds};

/// What may stand behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table of further keys of this list.
    Table,
    /// An array of tables, each with further keys of this list.
    Tables,
    /// Tables by number, such as `[element.connection.0]`.
    Numbered,
    /// A table whose keys are parameters: names or ids.
    Params,
    /// A text.
    Text,
    /// A path, relative to the settings file.
    Path,
    /// A whole number within a range.
    Integer(i64, i64),
    /// A time in milliseconds within a range.
    Millis(i64, i64),
    /// `true` or `false`.
    Flag,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A text, or a reference to an environment variable, a file or a credential.
    Given,
    /// An address and port to listen on.
    Address,
    /// Close codes and HTTP statuses: numbers in an array, or a text with `;` between them.
    Codes,
    /// The name of an element.
    Name,
    /// What is logged.
    LogFilter,
}

/// What holds where a key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The key must be there.
    Required,
    /// This value, as one would write it (a text without its quotes).
    Value(&'static str),
    /// What the definition says.
    Definition,
    /// Nothing.
    Nothing,
}

/// One row of the table.
#[derive(Debug)]
pub struct Key {
    /// The whole name; `N` stands for a connection's index.
    pub path: &'static str,
    /// What may stand behind it.
    pub kind: Kind,
    /// What holds where it is absent.
    pub fallback: Fallback,
    /// What it means, as a sentence.
    pub doc: &'static str,
}

impl Key {
    /// The table that the key stands in; empty for the file itself.
    pub fn table(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// The last part of the name.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

const HOUR: i64 = 3_600_000;

/// A number in the range that the definition's has.
const fn integer(bounds: Bounds) -> Kind {
    Kind::Integer(bounds.min, bounds.max)
}

/// A time in the range that the definition's has.
const fn millis(bounds: Bounds) -> Kind {
    Kind::Millis(bounds.min, bounds.max)
}

const fn key(path: &'static str, kind: Kind, fallback: Fallback, doc: &'static str) -> Key {
    Key { path, kind, fallback, doc }
}

use Fallback::{Definition, Nothing, Required, Value};

/// Every key, in the order of the reference page; a table stands before its keys.
pub const KEYS: &[Key] = &[
    key(
        "data_dir",
        Kind::Path,
        Value("data"),
        "Folder of the store with the saved values; made with access for its owner only.",
    ),
    key(
        "grace_ms",
        Kind::Millis(0, HOUR),
        Value("10000"),
        "How long stopping may take before what still runs is cut off.",
    ),
    key(
        "tai_offset_seconds",
        Kind::Integer(0, 1_000),
        Value("37"),
        "Seconds between UTC and TAI, for `tai()` in templates; changes with a leap second.",
    ),
    key("log", Kind::Table, Nothing, "What is logged and how."),
    key(
        "log.format",
        Kind::Choice(&["human", "json"]),
        Value("human"),
        "Lines for people, or one JSON object a line.",
    ),
    key(
        "log.level",
        Kind::LogFilter,
        Value("info"),
        "`error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,backshell::transport=debug`.",
    ),
    key(
        "dial",
        Kind::Table,
        Nothing,
        "How many dials may start in any one second; further ones wait in order.",
    ),
    key("dial.per_second", Kind::Integer(0, 1_000_000), Value("200"), "In the whole process; 0 is no limit."),
    key("dial.per_host_per_second", Kind::Integer(0, 1_000_000), Value("50"), "To one host; 0 is no limit."),
    key("http", Kind::Table, Nothing, "How HTTP sessions send their requests."),
    key(
        "http.per_origin",
        Kind::Integer(1, 10_000),
        Value("32"),
        "How many requests of all elements may be under way to the same scheme, host and port; further ones wait in order.",
    ),
    key("script", Kind::Table, Nothing, "What the scripts of definitions may take."),
    key(
        "script.time_limit_ms",
        Kind::Millis(10, 60_000),
        Value("1000"),
        "How long one run may take, with all runs that it causes; then it is stopped and reported. All runs of one input (a message, an answer, a set) have three times that together; what is left of them is left out and reported.",
    ),
    key(
        "script.memory_mib",
        Kind::Integer(1, 1_024),
        Value("32"),
        "How much memory all scripts of one element may have together, in MiB.",
    ),
    key(
        "script.threads",
        Kind::Integer(2, 512),
        Value("64"),
        "How many elements run scripts at the same time; further ones wait in order.",
    ),
    key("api", Kind::Table, Nothing, "The control API and the web page."),
    key(
        "api.listen",
        Kind::Address,
        Value("127.0.0.1:8780"),
        "Address and port; only a loopback address is allowed, and port 0 takes any free port.",
    ),
    key("element", Kind::Tables, Nothing, "One running definition each, written `[[element]]`."),
    key(
        "element.name",
        Kind::Name,
        Required,
        "The element's name, unique in the file: 1 to 64 letters, digits, `.`, `_` and `-`.",
    ),
    key("element.protocol", Kind::Path, Required, "The definition file."),
    key(
        "element.files_dir",
        Kind::Path,
        Nothing,
        "Folder below which the action `read file` may read; without it the action reads nothing.",
    ),
    key(
        "element.connection",
        Kind::Numbered,
        Nothing,
        "Settings of one connection, by its index from 0; each overrides its counterpart in the definition.",
    ),
    key(
        "element.connection.N.host",
        Kind::Given,
        Definition,
        "Host name or address, with or without a scheme such as `ws://`.",
    ),
    key("element.connection.N.port", Kind::Integer(1, 65_535), Definition, "Port."),
    key(
        "element.connection.N.timeout_ms",
        millis(bounds::TIMEOUT),
        Definition,
        "Time for a dial with its handshake, and for an answer.",
    ),
    key(
        "element.connection.N.element_timeout_ms",
        millis(bounds::ELEMENT_TIMEOUT),
        Definition,
        "How long a connection may be in timeout before the element is; the first connection's counts.",
    ),
    key(
        "element.connection.N.retries",
        integer(bounds::RETRIES),
        Definition,
        "Tries after the first one where no answer came.",
    ),
    key(
        "element.connection.N.bus_address",
        Kind::Text,
        Definition,
        "Bus address; `bypassProxy` means a direct connection.",
    ),
    key(
        "element.connection.N.proxy",
        Kind::Given,
        Definition,
        "URL of a proxy: `http://`, `https://`, `socks5://` or `socks5h://`, with user and password if need be; `none` is a direct connection.",
    ),
    key(
        "element.connection.N.tls",
        Kind::Table,
        Nothing,
        "How a `wss` or `https` peer is checked, and what we show it.",
    ),
    key(
        "element.connection.N.tls.ca",
        Kind::Path,
        Definition,
        "PEM file of certificate authorities that are trusted instead of the system's.",
    ),
    key(
        "element.connection.N.tls.certificate",
        Kind::Path,
        Definition,
        "PEM file of the client certificate; needs `key`.",
    ),
    key(
        "element.connection.N.tls.key",
        Kind::Path,
        Definition,
        "PEM file of the client certificate's private key.",
    ),
    key(
        "element.connection.N.tls.server_name",
        Kind::Text,
        Definition,
        "The name that the peer's certificate must have, if it is not the host.",
    ),
    key(
        "element.connection.N.tls.verify",
        Kind::Flag,
        Definition,
        "`false` takes any certificate; said in the log at each start.",
    ),
    key("element.connection.N.reconnect", Kind::Table, Nothing, "When and how a link comes back."),
    key(
        "element.connection.N.reconnect.initial_delay_ms",
        millis(bounds::INITIAL_DELAY),
        Definition,
        "Upper end of the first wait after a failure; it doubles with each.",
    ),
    key(
        "element.connection.N.reconnect.max_delay_ms",
        millis(bounds::MAX_DELAY),
        Definition,
        "Upper end of every such wait.",
    ),
    key(
        "element.connection.N.reconnect.settle_ms",
        millis(bounds::SETTLE),
        Definition,
        "How long a link must be up before the waits start anew.",
    ),
    key(
        "element.connection.N.reconnect.window_ms",
        millis(bounds::WINDOW),
        Definition,
        "How long changes of watched parameters are gathered into one move; 0 is off.",
    ),
    key(
        "element.connection.N.reconnect.close_timeout_ms",
        millis(bounds::CLOSE_TIMEOUT),
        Definition,
        "How long the peer's close frame is waited for.",
    ),
    key(
        "element.connection.N.reconnect.rejected_delay_ms",
        millis(bounds::REJECTED_DELAY),
        Definition,
        "Longest wait after a permanent refusal.",
    ),
    key(
        "element.connection.N.reconnect.handover",
        Kind::Choice(&["close-first", "open-first"]),
        Definition,
        "Whether the old link closes before or after the new one opens.",
    ),
    key(
        "element.connection.N.reconnect.stop_on",
        Kind::Codes,
        Definition,
        "Further close codes and HTTP statuses that count as permanent refusals.",
    ),
    key("element.connection.N.keep_alive", Kind::Table, Nothing, "How a dead link is found."),
    key(
        "element.connection.N.keep_alive.ping_interval_ms",
        millis(bounds::PING_INTERVAL),
        Definition,
        "Pause between pings; 0 is off.",
    ),
    key(
        "element.connection.N.keep_alive.pong_timeout_ms",
        millis(bounds::PONG_TIMEOUT),
        Definition,
        "How long nothing at all may arrive after a ping.",
    ),
    key(
        "element.connection.N.keep_alive.heartbeat",
        Kind::Integer(0, 4_294_967_295),
        Definition,
        "Id of the pair whose timeout drops the link; 0 is none.",
    ),
    key(
        "element.connection.N.keep_alive.silence_ms",
        millis(bounds::SILENCE),
        Definition,
        "How long no message may arrive; 0 is off.",
    ),
    key("element.connection.N.limits", Kind::Table, Nothing, "Bounds of one link."),
    key(
        "element.connection.N.limits.max_message_bytes",
        integer(bounds::MAX_MESSAGE_BYTES),
        Definition,
        "The largest message, after inflating.",
    ),
    key(
        "element.connection.N.limits.send_queue",
        integer(bounds::SEND_QUEUE),
        Definition,
        "Messages kept while the link is down; 0 keeps none.",
    ),
    key(
        "element.params",
        Kind::Params,
        Nothing,
        "Values of parameters at start, by name or id: a number, a text, or a reference.",
    ),
];

/// The row of a key.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The keys that may stand in a table.
pub(crate) fn of_table(table: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.table() == table || key.table() == format!("{table}.N"))
}

impl Kind {
    /// What may stand there, for people.
    pub fn describe(self) -> String {
        match self {
            Self::Table => "table".to_owned(),
            Self::Tables => "array of tables".to_owned(),
            Self::Numbered => "tables by number".to_owned(),
            Self::Params => "table of parameters".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Integer(least, most) => format!("whole number from {least} to {most}"),
            Self::Millis(least, most) => format!("milliseconds from {least} to {most}"),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
            }
            Self::Given => "text or reference".to_owned(),
            Self::Address => "address:port".to_owned(),
            Self::Codes => "codes, as an array or with `;` between them".to_owned(),
            Self::Name => "name".to_owned(),
            Self::LogFilter => "level or filter".to_owned(),
        }
    }
}

/// The settings section of the reference page in Markdown, without its heading.
pub fn reference() -> String {
    let mut text = String::from(
        "`backshell.toml` holds the settings of the daemon and its elements.\n\
         Paths are relative to the settings file.\n\
         A reference is `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ credential = \"name\" }` (systemd's `LoadCredential=`): the value is read when the element starts, shown nowhere and never saved.\n\n\
         | key | value | default | meaning |\n|---|---|---|---|\n",
    );
    for key in KEYS {
        let default = match key.fallback {
            Required => "required".to_owned(),
            Value(value) => format!("`{value}`"),
            Definition => "the definition's".to_owned(),
            Nothing => String::new(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{}` | {} | {default} | {} |", key.path, key.kind.describe(), key.doc);
    }
    text
}
