//! The codes P6xxx, about the settings file; raises none of them.

use super::{Entry, row};
use crate::language::diagnostic::Severity::{Error, Warning};

pub(super) const SETTINGS_MALFORMED: Entry = row(
    "P6001",
    Error,
    "the settings file is not well-formed TOML",
    "A quote or bracket is missing, a key stands twice in one table, or a value is none of TOML's kinds. The rest of the file is read as far as it goes.",
    "grace_ms = ",
    "grace_ms = 10000",
);
pub(super) const SETTINGS_UNKNOWN_KEY: Entry = row(
    "P6002",
    Error,
    "the settings file has a key that nobody knows",
    "A misspelt setting would silently not hold, so it is refused. Names are written in lower case with underscores, and times carry their unit: `timeout_ms`.",
    "[dial]\nper_secnd = 100",
    "[dial]\nper_second = 100",
);
pub(super) const SETTINGS_TYPE: Entry = row(
    "P6003",
    Error,
    "a setting has a value of the wrong kind",
    "Numbers are written without quotes, texts with them, and tables as `[table]` or `{ key = value }`.",
    "grace_ms = \"10000\"",
    "grace_ms = 10000",
);
pub(super) const SETTINGS_RANGE: Entry = row(
    "P6004",
    Error,
    "a setting is out of its range",
    "The message names the range; the reference page lists all of them.",
    "grace_ms = -1",
    "grace_ms = 10000",
);
pub(super) const SETTINGS_MISSING: Entry = row(
    "P6005",
    Error,
    "a setting that must be there is missing",
    "An element needs a name, which the API and the store know it by, and the definition that it runs.",
    "[[element]]\nname = \"tally\"",
    "[[element]]\nname = \"tally\"\nprotocol = \"tally.xml\"",
);
pub(super) const SETTINGS_ELEMENT_NAME: Entry = row(
    "P6006",
    Error,
    "the name of an element has characters that are not allowed",
    "A name stands in URLs, logs and file names: 1 to 64 of the letters A to Z and a to z, the digits, `.`, `_` and `-`.",
    "[[element]]\nname = \"studio 1\"\nprotocol = \"a.xml\"",
    "[[element]]\nname = \"studio-1\"\nprotocol = \"a.xml\"",
);
pub(super) const SETTINGS_ELEMENT_TWICE: Entry = row(
    "P6007",
    Error,
    "two elements have the same name",
    "The store keeps saved values by the element's name, so each name may occur once; the case of letters matters.",
    "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[[element]]\nname = \"a\"\nprotocol = \"y.xml\"",
    "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[[element]]\nname = \"b\"\nprotocol = \"y.xml\"",
);
pub(super) const SETTINGS_CHOICE: Entry = row(
    "P6008",
    Error,
    "a setting is none of the words that are possible",
    "The message lists the words.",
    "[log]\nformat = \"xml\"",
    "[log]\nformat = \"json\"",
);
pub(super) const SETTINGS_CONNECTION_INDEX: Entry = row(
    "P6009",
    Error,
    "a connection is not named by its index",
    "`[element.connection.0]` is the first connection of the definition, in the order in which they stand there; neither its name nor its id is meant.",
    "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.connection.main]\nport = 80",
    "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.connection.0]\nport = 80",
);
pub(super) const SETTINGS_REFERENCE: Entry = row(
    "P6010",
    Error,
    "a reference to a value is not one of the three kinds",
    "Exactly one of `env`, `file` and `credential` names where the value comes from, as a text that is not empty.",
    "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.params]\nToken = { env = \"A\", file = \"b\" }",
    "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.params]\nToken = { env = \"A\" }",
);
pub(super) const SETTINGS_NOT_LOOPBACK: Entry = row(
    "P6011",
    Error,
    "the API would listen on an address that is not loopback",
    "The API has no access control yet, so that only programs on the same machine may reach it. Put a proxy with access control in front of it if others must.",
    "[api]\nlisten = \"0.0.0.0:8780\"",
    "[api]\nlisten = \"127.0.0.1:8780\"",
);
pub(super) const SETTINGS_VALUE: Entry = row(
    "P6012",
    Error,
    "the text of a setting cannot be read as what it must be",
    "The message says what is expected: an address with a port, a list of codes, a text that is not empty.",
    "[api]\nlisten = \"localhost\"",
    "[api]\nlisten = \"127.0.0.1:8780\"",
);
pub(super) const SETTINGS_CONTRADICTION: Entry = row(
    "P6013",
    Error,
    "two settings contradict each other",
    "A client certificate needs its key and a key its certificate; `max_delay_ms` is not below `initial_delay_ms`.",
    "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.connection.0.tls]\ncertificate = \"a.pem\"",
    "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.connection.0.tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"",
);
pub(super) const SETTINGS_NO_ELEMENT: Entry = row(
    "P6014",
    Warning,
    "the settings file names no element",
    "Nothing would run. An element is written as `[[element]]` with a name and a definition.",
    "grace_ms = 10000",
    "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"",
);
