//! Comma-separated values and `key=value` as the JSON that they amount to, so that one notation of paths serves all; maps nothing.

use std::io;

use bytes::Bytes;

use crate::language::model::message::Format;

/// How long the JSON may become that a text amounts to.
const MAX_JSON: usize = 64 << 20;

/// The JSON of a message in one of these formats; or what is wrong.
pub(super) fn to_json(payload: &[u8], format: &Format) -> Result<Bytes, &'static str> {
    to_json_within(MAX_JSON, payload, format)
}

fn to_json_within(limit: usize, payload: &[u8], format: &Format) -> Result<Bytes, &'static str> {
    let text = std::str::from_utf8(payload.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(payload));
    let text = text.map_err(|_| "not UTF-8")?;
    match format {
        Format::Csv { separator, header_row } => csv(limit, text, *separator, *header_row),
        Format::KeyValue { separator } => key_value(limit, text, separator.as_deref()),
        Format::Json | Format::Xml => Ok(Bytes::copy_from_slice(payload)),
    }
}

/// Collects JSON up to a limit.
struct Writer {
    out: Vec<u8>,
    limit: usize,
}

impl Writer {
    /// Adds what stands between values.
    fn raw(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    /// Adds a text with its quotes.
    fn text(&mut self, text: &str) -> Result<(), &'static str> {
        serde_json::to_writer(self, text).map_err(|_| "too long as JSON")
    }
}

impl io::Write for Writer {
    /// A character may become six.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A list with an object for each line, by the names in the first one; or with a list for each line.
///
/// A column without a name has its number, from 0. Lines that are shorter lack the last members. Of two columns with one name
/// the last counts.
fn csv(limit: usize, text: &str, separator: u8, header_row: bool) -> Result<Bytes, &'static str> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut writer = Writer { out: Vec::with_capacity(text.len() * 2), limit };
    let mut record = csv::StringRecord::new();
    let mut names: Vec<String> = Vec::new();
    if header_row && reader.read_record(&mut record).map_err(|_| "no comma-separated values")? {
        names = record.iter().map(|name| name.trim().to_owned()).collect();
    }
    writer.raw(b"[");
    let mut is_first = true;
    while reader.read_record(&mut record).map_err(|_| "no comma-separated values")? {
        if !std::mem::replace(&mut is_first, false) {
            writer.raw(b",");
        }
        writer.raw(if header_row { b"{" } else { b"[" });
        for (number, field) in record.iter().enumerate() {
            if number > 0 {
                writer.raw(b",");
            }
            if header_row {
                match names.get(number).filter(|name| !name.is_empty()) {
                    Some(name) => writer.text(name)?,
                    None => writer.text(&number.to_string())?,
                }
                writer.raw(b":");
            }
            writer.text(field)?;
        }
        writer.raw(if header_row { b"}" } else { b"]" });
    }
    writer.raw(b"]");
    Ok(writer.out.into())
}

/// One object: entries between line breaks or separators, each with a name, `=` or `:`, and a value without the quotes and
/// blanks around it. Entries without a name or a value, and lines that begin with `#`, are left out; of two with one name the
/// last counts.
fn key_value(limit: usize, text: &str, separator: Option<&str>) -> Result<Bytes, &'static str> {
    let mut writer = Writer { out: Vec::with_capacity(text.len() + text.len() / 4), limit };
    writer.raw(b"{");
    let mut is_first = true;
    let mut add = |writer: &mut Writer, entry: &str| {
        let entry = entry.trim();
        let parts = entry.split_once('=').or_else(|| entry.split_once(':'));
        let Some((key, value)) = parts.filter(|(key, _)| !entry.starts_with('#') && !key.trim().is_empty())
        else {
            return Ok(());
        };
        if !std::mem::replace(&mut is_first, false) {
            writer.raw(b",");
        }
        let value = value.trim();
        let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        writer.text(key.trim())?;
        writer.raw(b":");
        writer.text(inside.unwrap_or(value))
    };
    match separator {
        Some(separator) => text.split(separator).try_for_each(|entry| add(&mut writer, entry))?,
        None => text.split(['\n', '\r']).try_for_each(|entry| add(&mut writer, entry))?,
    }
    writer.raw(b"}");
    Ok(writer.out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &Format, text: &str, expected: &str) {
        let json = to_json(text.as_bytes(), format).expect("it is text");
        assert_eq!(String::from_utf8_lossy(&json), expected, "{text:?}");
        serde_json::from_slice::<serde_json::Value>(&json).expect("what is made is JSON");
    }

    #[test]
    fn each_line_is_an_object_by_the_names_of_the_first() {
        let csv = Format::Csv { separator: b';', header_row: true };
        for (text, expected) in [
            ("id;level\na;1\r\nb;\"x;\"\"y\"\n", r#"[{"id":"a","level":"1"},{"id":"b","level":"x;\"y"}]"#),
            ("id; level \n\nc\nd;1;2\n", r#"[{"id":"c"},{"id":"d","level":"1","2":"2"}]"#),
            ("\u{feff}id\n\"two\nlines\"", "[{\"id\":\"two\\nlines\"}]"),
            ("id;;id\n1;2;3", r#"[{"id":"1","1":"2","id":"3"}]"#),
            ("id;level", "[]"),
            ("", "[]"),
        ] {
            check(&csv, text, expected);
        }
        let plain = Format::Csv { separator: b'\t', header_row: false };
        check(&plain, "a\tb\nc", r#"[["a","b"],["c"]]"#);
        assert_eq!(to_json(b"a\xFF", &csv), Err("not UTF-8"));
    }

    #[test]
    fn entries_are_the_members_of_one_object() {
        let lines = Format::KeyValue { separator: None };
        for (text, expected) in [
            ("a=1\r\nb = two words \n", r#"{"a":"1","b":"two words"}"#),
            ("# note=1\nc: 3\nurl=http://x?y=z\n=4\nnothing\n", r#"{"c":"3","url":"http://x?y=z"}"#),
            ("q=\" x \"\nhalf=\"y\n", r#"{"q":" x ","half":"\"y"}"#),
            ("", "{}"),
        ] {
            check(&lines, text, expected);
        }
        assert_eq!(to_json(b"a=1\nb=\xFF", &lines), Err("not UTF-8"));
        let separated = Format::KeyValue { separator: Some(", ".into()) };
        check(&separated, "a=1, b=2,c=3", r#"{"a":"1","b":"2,c=3"}"#);
    }

    #[test]
    fn what_becomes_too_long_is_refused() {
        let (csv, lines) =
            (Format::Csv { separator: b',', header_row: true }, Format::KeyValue { separator: None });
        for (format, text) in [
            // A name for each line, a number for each column without one, six bytes for one.
            (&csv, format!("{}\n{}", "n".repeat(100), "1\n".repeat(100))),
            (&csv, format!("v\n{}", ",".repeat(2_000))),
            (&csv, format!("v\n{}", "\u{1}".repeat(2_000))),
            (&lines, format!("v={}", "\u{1}".repeat(2_000))),
            (&lines, "v=\n".repeat(2_000)),
        ] {
            assert_eq!(to_json_within(8_000, text.as_bytes(), format), Err("too long as JSON"));
            assert!(to_json(text.as_bytes(), format).is_ok());
        }
    }
}
