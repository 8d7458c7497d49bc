//! TOML → fields that fit the table of keys, each with its place, and a report of all that does not; builds no settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::language::diagnostic::{Code, Diagnostic, Report};
use crate::language::schema::bounds;
use crate::language::source::{Source, Span, Spanned};
use crate::settings::keys::{self, Fallback, KEYS, Key, Kind};
use crate::settings::{Given, ParamKey, Reference};
use crate::value::{Value, parse_number};

/// The value of one key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Leaf {
    Text(Arc<str>),
    Path(PathBuf),
    Integer(i64),
    Millis(Duration),
    Flag(bool),
    Given(Given),
    Address(SocketAddr),
    Codes(Vec<u16>),
}

/// What stands behind one key.
#[derive(Debug)]
pub(crate) enum Entry {
    Leaf(Spanned<Leaf>),
    Table(Fields),
    Tables(Vec<Fields>),
    Numbered(BTreeMap<u32, Fields>),
    Params(Vec<(Spanned<ParamKey>, Spanned<Given>)>),
}

/// The keys of one table that were there.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) span: Span,
    pub(crate) entries: BTreeMap<&'static str, Entry>,
    /// Keys that were there, and what is wrong with them has been reported.
    pub(crate) broken: Vec<&'static str>,
}

/// Reads a file; paths are joined to `folder`.
pub(crate) fn read(source: &Source, folder: &Path) -> (Fields, Report) {
    let text = source.text();
    let body = text.trim_start_matches('\u{feff}');
    let mut reader = Reader {
        folder,
        source,
        offset: text.len() - body.len(),
        broken_lines: Vec::new(),
        index: None,
        report: Report::default(),
    };
    let (table, errors) = DeTable::parse_recoverable(body);
    for error in errors {
        let span = reader.span(error.span().unwrap_or(0..0));
        reader.malformed(span, error.message());
    }
    let fields = reader.table("", table.get_ref(), Span::default());
    (fields, reader.report)
}

struct Reader<'a> {
    folder: &'a Path,
    source: &'a Source,
    /// Lines that are not TOML: what was read of them is guessed, and not reported again.
    broken_lines: Vec<u32>,
    /// The connection whose table is being read.
    index: Option<u32>,
    /// Bytes of byte order marks before the text that is parsed.
    offset: usize,
    report: Report,
}

impl Reader<'_> {
    fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span::new(range.start + self.offset, range.end + self.offset)
    }

    fn malformed(&mut self, span: Span, message: &str) {
        let line = self.source.position(span.start).line;
        let before = self.source.slice(Span { start: 0, end: span.start });
        let message = if span.start == span.end && before.trim_end_matches(' ').ends_with('=') {
            "the value after `=` is missing"
        } else {
            // The library's message may have several lines; the first says what is wrong.
            message.lines().next().unwrap_or("not TOML")
        };
        self.push(Diagnostic::new(Code::SettingsMalformed, span, message));
        self.broken_lines.push(line);
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        let line = self.source.position(diagnostic.span.start).line;
        let echo = diagnostic.code != Code::SettingsMalformed && self.broken_lines.contains(&line);
        if !echo {
            self.report.push(diagnostic);
        }
    }

    /// The name of a key as the author would write it.
    fn shown(&self, path: &str) -> String {
        match self.index {
            Some(index) if path == "element.connection" => format!("{path}.{index}"),
            Some(index) => path.replace(".N", &format!(".{index}")),
            None => path.to_owned(),
        }
    }

    fn table(&mut self, path: &str, table: &DeTable<'_>, span: Span) -> Fields {
        let mut fields = Fields { span, ..Fields::default() };
        for (name, value) in table {
            let at = self.span(name.span());
            match keys::of_table(path).find(|key| key.name() == name.get_ref().as_ref()) {
                Some(key) => {
                    let value_at = self.span(value.span());
                    match self.entry(key, value.get_ref(), value_at, at) {
                        Some(entry) => drop(fields.entries.insert(key.name(), entry)),
                        None => fields.broken.push(key.name()),
                    }
                }
                None => self.unknown(path, name.get_ref(), at),
            }
        }
        fields
    }

    fn entry(&mut self, key: &'static Key, value: &DeValue<'_>, span: Span, name: Span) -> Option<Entry> {
        match (key.kind, value) {
            (Kind::Table, DeValue::Table(table)) => Some(Entry::Table(self.table(key.path, table, name))),
            (Kind::Tables, DeValue::Array(array)) => {
                let mut tables = Vec::new();
                for item in array.iter() {
                    let at = self.span(item.span());
                    match item.get_ref() {
                        DeValue::Table(table) => tables.push(self.table(key.path, table, at)),
                        other => self.wrong(key.path, "a table", other, at),
                    }
                }
                Some(Entry::Tables(tables))
            }
            (Kind::Numbered, DeValue::Table(table)) => Some(self.numbered(key, table)),
            (Kind::Params, DeValue::Table(table)) => Some(self.params(table)),
            (Kind::Table | Kind::Tables | Kind::Numbered | Kind::Params, other) => {
                self.wrong(key.path, &key.kind.describe(), other, span);
                None
            }
            (_, value) => self.leaf(key, value, span).map(|leaf| Entry::Leaf(Spanned::new(leaf, span))),
        }
    }

    fn numbered(&mut self, key: &Key, table: &DeTable<'_>) -> Entry {
        let mut found = BTreeMap::new();
        for (name, value) in table {
            let at = self.span(name.span());
            let Ok(index) = name.get_ref().parse::<u32>() else {
                let message = format!("connection `{}` is not named by its index", name.get_ref());
                let help = "write `[element.connection.0]` for the first connection of the definition";
                self.push(Diagnostic::new(Code::SettingsConnectionIndex, at, message).with_help(help));
                continue;
            };
            match value.get_ref() {
                DeValue::Table(table) => {
                    self.index = Some(index);
                    found.insert(index, self.table(key.path, table, at));
                    self.index = None;
                }
                other => {
                    let span = self.span(value.span());
                    self.wrong(key.path, "a table", other, span);
                }
            }
        }
        Entry::Numbered(found)
    }

    fn params(&mut self, table: &DeTable<'_>) -> Entry {
        let mut found = Vec::new();
        for (name, value) in table {
            let span = self.span(value.span());
            let given = match value.get_ref() {
                DeValue::Integer(number) => {
                    let number = if number.radix() == 10 { parse_number(number.as_str()) } else { None };
                    number.map(|number| Given::Literal(Value::number(number)))
                }
                DeValue::Float(number) => {
                    parse_number(number.as_str()).map(|number| Given::Literal(Value::number(number)))
                }
                DeValue::String(text) => Some(Given::Literal(Value::text(text.as_ref()))),
                DeValue::Table(table) => match self.reference(table, span) {
                    Some(reference) => Some(Given::Reference(reference)),
                    None => continue,
                },
                DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) => None,
            };
            match given {
                Some(given) => {
                    let key = ParamKey::of(name.get_ref());
                    found.push((Spanned::new(key, self.span(name.span())), Spanned::new(given, span)));
                }
                None => {
                    let path = format!("element.params.{}", name.get_ref());
                    self.wrong(&path, "a decimal number, a text or a reference", value.get_ref(), span);
                }
            }
        }
        // By key, so that moving a line is not a change.
        found.sort_by(|a, b| a.0.value.cmp(&b.0.value));
        Entry::Params(found)
    }

    fn reference(&mut self, table: &DeTable<'_>, span: Span) -> Option<Reference> {
        let mut references = Vec::new();
        let mut sound = true;
        for (name, value) in table {
            let text = value.get_ref().as_str().filter(|text| !text.is_empty());
            match (name.get_ref().as_ref(), text) {
                ("env", Some(text)) => references.push(Reference::Env(text.into())),
                ("file", Some(text)) => references.push(Reference::File(self.folder.join(text))),
                ("credential", Some(text)) => references.push(Reference::Credential(text.into())),
                (_, _) => sound = false,
            }
        }
        match <[Reference; 1]>::try_from(references) {
            Ok([reference]) if sound => Some(reference),
            Ok(_) | Err(_) => {
                let message = "a reference needs exactly one of `env`, `file` and `credential`, with a text";
                let help = "write `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ credential = \"name\" }`";
                self.push(Diagnostic::new(Code::SettingsReference, span, message).with_help(help));
                None
            }
        }
    }

    fn leaf(&mut self, key: &Key, value: &DeValue<'_>, span: Span) -> Option<Leaf> {
        match (key.kind, value) {
            (Kind::Integer(least, most), DeValue::Integer(_)) => {
                self.integer(key, value, span, least, most).map(Leaf::Integer)
            }
            (Kind::Millis(least, most), DeValue::Integer(_)) => {
                let millis = u64::try_from(self.integer(key, value, span, least, most)?).ok()?;
                Some(Leaf::Millis(Duration::from_millis(millis)))
            }
            (Kind::Flag, DeValue::Boolean(flag)) => Some(Leaf::Flag(*flag)),
            (Kind::Given, DeValue::String(text)) => {
                Some(Leaf::Given(Given::Literal(Value::text(text.as_ref()))))
            }
            (Kind::Given, DeValue::Table(table)) => {
                self.reference(table, span).map(|reference| Leaf::Given(Given::Reference(reference)))
            }
            (Kind::Codes, DeValue::Array(codes)) => {
                let texts: Option<Vec<&str>> =
                    codes.iter().map(|code| Some(code.get_ref().as_integer()?.as_str())).collect();
                match texts {
                    Some(texts) => self.text(key, &texts.join(";"), span),
                    None => {
                        self.wrong(key.path, &key.kind.describe(), value, span);
                        None
                    }
                }
            }
            (
                Kind::Text
                | Kind::Path
                | Kind::Choice(_)
                | Kind::Address
                | Kind::Codes
                | Kind::Name
                | Kind::LogFilter,
                DeValue::String(text),
            ) => self.text(key, text, span),
            (_, other) => {
                self.wrong(key.path, &key.kind.describe(), other, span);
                None
            }
        }
    }

    fn integer(&mut self, key: &Key, value: &DeValue<'_>, span: Span, least: i64, most: i64) -> Option<i64> {
        let number = value.as_integer()?;
        // A number that does not fit 64 bits is out of every range.
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                let message = format!(
                    "`{}` is {}, it must be from {least} to {most}",
                    self.shown(key.path),
                    number.as_str()
                );
                self.push(Diagnostic::new(Code::SettingsRange, span, message));
                None
            }
        }
    }

    /// Reads a text as the key's kind.
    fn text(&mut self, key: &Key, text: &str, span: Span) -> Option<Leaf> {
        match parse(key, &self.shown(key.path), text, self.folder) {
            Ok(leaf) => Some(leaf),
            Err((code, message)) => {
                let mut diagnostic = Diagnostic::new(code, span, message);
                if let Kind::Choice(words) = key.kind
                    && let Some(word) = nearest(text, words.iter().copied())
                {
                    diagnostic = diagnostic.with_help(format!("did you mean `{word}`?"));
                }
                self.push(diagnostic);
                None
            }
        }
    }

    fn wrong(&mut self, path: &str, expected: &str, found: &DeValue<'_>, span: Span) {
        let path = self.shown(path);
        let found = match found {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(true) => "`true`",
            DeValue::Boolean(false) => "`false`",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{path}` is {found}, expected {expected}");
        self.push(Diagnostic::new(Code::SettingsType, span, message));
    }

    fn unknown(&mut self, path: &str, name: &str, span: Span) {
        let place =
            if path.is_empty() { "the settings file".to_owned() } else { format!("`{}`", self.shown(path)) };
        let mut diagnostic =
            Diagnostic::new(Code::SettingsUnknownKey, span, format!("{place} has no key `{name}`"));
        let elsewhere = KEYS.iter().find(|key| key.name() == name);
        if let Some(near) = nearest(name, keys::of_table(path).map(Key::name)) {
            diagnostic = diagnostic.with_help(format!("did you mean `{near}`?"));
        } else if let Some(key) = elsewhere {
            diagnostic = diagnostic.with_help(format!("the key is `{}`", key.path));
        }
        self.push(diagnostic);
    }
}

/// Reads a text as a kind that is written as text.
fn parse(key: &Key, name: &str, text: &str, folder: &Path) -> Result<Leaf, (Code, String)> {
    let bad =
        |expected: &str| Err((Code::SettingsValue, format!("`{}` is `{text}`, expected {expected}", name)));
    match key.kind {
        Kind::Text => Ok(Leaf::Text(text.into())),
        Kind::Given => Ok(Leaf::Given(Given::Literal(Value::text(text)))),
        Kind::Path if text.is_empty() => bad("a path"),
        Kind::Path => Ok(Leaf::Path(folder.join(text))),
        Kind::Choice(words) if words.contains(&text) => Ok(Leaf::Text(text.into())),
        Kind::Choice(_) => {
            let message = format!("`{}` is `{text}`, expected {}", name, key.kind.describe());
            Err((Code::SettingsChoice, message))
        }
        Kind::Address => match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Leaf::Address(address)),
            Ok(_) => {
                Err((Code::SettingsNotLoopback, format!("`{}` is `{text}`, which is not loopback", name)))
            }
            Err(_) => bad("an IP address with a port, such as `127.0.0.1:8780` or `[::1]:8780`"),
        },
        Kind::Codes => {
            let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
            let codes: Option<Vec<u16>> =
                parts.map(|part| part.parse().ok().filter(|code| bounds::is_stop_code(*code))).collect();
            match codes {
                Some(mut codes) => {
                    codes.sort_unstable();
                    codes.dedup();
                    Ok(Leaf::Codes(codes))
                }
                None => bad(&format!("codes: {}", bounds::STOP_CODES)),
            }
        }
        Kind::LogFilter if text.split(',').all(|part| is_directive(part.trim())) => {
            Ok(Leaf::Text(text.into()))
        }
        Kind::LogFilter => bad(
            "`error`, `warn`, `info`, `debug`, `trace` or `off`, or a filter such as `info,backshell::transport=debug`",
        ),
        Kind::Name => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            // `.` and `..` would be folders where a name becomes part of a path or URL.
            let sound = (1..=64).contains(&text.len())
                && text.bytes().all(allowed)
                && !text.trim_matches('.').is_empty();
            if sound {
                return Ok(Leaf::Text(text.into()));
            }
            let expected = "1 to 64 letters, digits, `.`, `_` and `-`";
            Err((Code::SettingsElementName, format!("element name `{text}` is not {expected}")))
        }
        // Only fallbacks of the table come here.
        Kind::Integer(..) => text.parse().map(Leaf::Integer).or_else(|_| bad("a number")),
        Kind::Millis(..) => text
            .parse()
            .map(|millis| Leaf::Millis(Duration::from_millis(millis)))
            .or_else(|_| bad("a number")),
        Kind::Flag => text.parse().map(Leaf::Flag).or_else(|_| bad("`true` or `false`")),
        Kind::Table | Kind::Tables | Kind::Numbered | Kind::Params => bad("a table"),
    }
}

/// Whether a part of a log filter names a level.
///
/// A bare word that is no level would be taken for the name of a module, and a misspelt level would silence the log.
fn is_directive(part: &str) -> bool {
    let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
    ["error", "warn", "info", "debug", "trace", "off"].iter().any(|word| level.eq_ignore_ascii_case(word))
}

/// What holds where a key is absent, if the table says it.
pub(crate) fn fallback(path: &str, folder: &Path) -> Option<Leaf> {
    let key = keys::find(path)?;
    match key.fallback {
        Fallback::Value(text) => parse(key, path, text, folder).ok(),
        Fallback::Required | Fallback::Definition | Fallback::Nothing => None,
    }
}

/// The word that was probably meant; the case, underscores and a unit at the end do not count as mistakes.
fn nearest<'a>(written: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| {
        let text = text.to_ascii_lowercase().replace(['_', '-'], "");
        text.strip_suffix("ms").map_or(text.clone(), str::to_owned)
    };
    let written = plain(written);
    let most = (written.chars().count() / 3).max(1);
    words
        .filter_map(|word| {
            let plain = plain(word);
            let distance = strsim::osa_distance(&written, &plain);
            // The original's `TimeoutTime` is `timeout_ms` here.
            let longer = plain.len() > 4 && written.starts_with(&plain);
            (distance <= most || longer).then_some((distance, word))
        })
        .min()
        .map(|(_, word)| word)
}
