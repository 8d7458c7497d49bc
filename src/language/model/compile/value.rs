//! Literals of the language: bytes, numbers, times, and what a text means for a parameter; resolves nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::language::definition::Text;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::Scope;
use crate::language::model::param::ValueType;
use crate::value::{Value, parse_number};

/// The name of an item: empty if there is none.
pub(super) fn name(text: Option<&Text<'_>>) -> Arc<str> {
    text.map_or_else(|| Arc::from(""), shared)
}

/// The text, shared.
pub(super) fn shared(text: &Text<'_>) -> Arc<str> {
    Arc::from(&*text.value)
}

/// Whether a flag is there and `true`.
pub(super) fn is_true(text: Option<&Text<'_>>) -> bool {
    text.and_then(Text::flag) == Some(true)
}

/// Bytes written as `0x0D0x0A`, or as `0x0D0A`; `None` if the text is something else.
pub(super) fn hex_bytes(text: &str) -> Option<Bytes> {
    let mut bytes = Vec::new();
    for part in text.split("0x").skip(1) {
        if part.is_empty() || part.len() % 2 == 1 || !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for pair in part.as_bytes().chunks(2) {
            let digits = std::str::from_utf8(pair).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        }
    }
    (text.starts_with("0x") && !bytes.is_empty()).then(|| Bytes::from(bytes))
}

/// The bytes of a literal: `0x0D0x0A` or the text itself. Reports one that begins like the former and is not.
pub(super) fn literal(scope: &mut Scope, text: &Text<'_>) -> Bytes {
    let trimmed = text.value.trim();
    if let Some(bytes) = hex_bytes(&trimmed.replace("0X", "0x")) {
        return bytes;
    }
    if trimmed.len() > 2 && trimmed.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x")) {
        scope.push(
            Diagnostic::new(
                Code::BadLiteral,
                text.span,
                format!("`{}` begins like bytes and is none, so it is taken as text", short(trimmed)),
            )
            .with_help("bytes are written as `0x0D0x0A`: two hexadecimal digits after each `0x`"),
        );
    }
    Bytes::copy_from_slice(text.value.as_bytes())
}

/// What a literal means for a parameter: a number, a text, or bytes.
pub(super) fn value(scope: &mut Scope, text: &Text<'_>, value_type: ValueType) -> Option<Value> {
    match value_type {
        ValueType::Double | ValueType::HighNibble => {
            let number = parse_number(&text.value).map(Value::number);
            if number.is_none() {
                scope.say(
                    Code::NotANumber,
                    text.span,
                    format!("`{}` is no number, and the parameter holds numbers", short(text.value.trim())),
                );
            }
            number
        }
        ValueType::String => {
            let bytes = literal(scope, text);
            Some(if bytes == text.value.as_bytes() { Value::text(&*text.value) } else { Value::Bytes(bytes) })
        }
    }
}

/// A number of the author's; `None` if there is none or it does not read (`schema` reports that).
pub(super) fn number(text: Option<&Text<'_>>) -> Option<f64> {
    text.and_then(|text| parse_number(&text.value))
}

/// The longest time of the language in milliseconds, 24 days; `schema` reports a longer one.
const LONGEST: u64 = 2_147_483_647;

/// Whole milliseconds as a time.
pub(super) fn millis(text: Option<&Text<'_>>) -> Option<Duration> {
    let millis = text.and_then(Text::parse::<u64>).map(|millis| millis.value);
    millis.filter(|millis| *millis <= LONGEST).map(Duration::from_millis)
}

/// A text cut to what fits into a message.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}...", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_pairs_of_digits_after_each_prefix() {
        let cases: [(&str, Option<&[u8]>); 9] = [
            ("0x0D0x0A", Some(b"\r\n")),
            ("0x0d0A", Some(b"\r\n")),
            ("0xFF", Some(b"\xff")),
            ("", None),
            ("0x", None),
            ("0x0", None),
            ("0x0G", None),
            ("a0x0D", None),
            ("0x0D ", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(hex_bytes(text).as_deref(), bytes, "{text}");
        }
    }
}
