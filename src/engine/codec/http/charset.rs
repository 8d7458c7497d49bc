//! Bodies between text and the bytes of their charset (WHATWG Encoding, as browsers read `Content-Type`); guesses nothing else.

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::value::Value;

/// A body as a value, and whether it is what its charset says.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// A text, or the bytes as they came where they are no text in their charset.
    pub value: Value,
    /// The charset that the answer names and the body does not keep to; `None` if all is well.
    pub not: Option<&'static str>,
}

/// Reads a body: a byte order mark decides, then the charset of `content_type`, then UTF-8; bytes stay bytes.
///
/// A charset that nobody knows counts as none.
pub fn decode(body: &Bytes, content_type: &str) -> Decoded {
    let named = named(content_type);
    let (encoding, mark) = Encoding::for_bom(body).unwrap_or((named.unwrap_or(UTF_8), 0));
    let bytes = body.get(mark..).unwrap_or_default();
    match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => Decoded { value: Value::text(text.as_ref()), not: None },
        None => Decoded { value: Value::Bytes(body.clone()), not: named.map(|_| encoding.name()) },
    }
}

/// Writes a text in the charset that its `Content-Type` names, default UTF-8.
///
/// # Errors
///
/// The name of the charset, if it lacks a character of the text.
pub(super) fn encode(text: &str, content_type: &str) -> Result<Bytes, &'static str> {
    let encoding = named(content_type).unwrap_or(UTF_8);
    // UTF-16 has no encoder in the standard: browsers send UTF-8 in its place, a device wants what it says.
    if encoding == UTF_16LE {
        return Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    }
    if encoding == UTF_16BE {
        return Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    let (bytes, _, unmappable) = encoding.encode(text);
    if unmappable { Err(encoding.name()) } else { Ok(Bytes::copy_from_slice(&bytes)) }
}

/// The charset of a `Content-Type` (RFC 9110, 8.3): `text/html; charset="ISO-8859-4"`.
fn named(content_type: &str) -> Option<&'static Encoding> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let charset = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?.1;
    Encoding::for_label(charset.trim().trim_matches('"').as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_as_its_mark_or_its_charset_says() {
        let check = |body: &[u8], content_type: &str, expected: &str| {
            let decoded = decode(&Bytes::copy_from_slice(body), content_type);
            assert_eq!((decoded.value.to_text().as_ref(), decoded.not), (expected, None), "{content_type}");
        };
        check("é".as_bytes(), "", "é");
        check("é".as_bytes(), "application/json", "é");
        check(b"\xe9", "text/plain; charset=ISO-8859-1", "é");
        check(b"\x80", "text/plain;charset=\"windows-1252\"", "€");
        check(b"\x82\xa0", "text/plain; Charset=Shift_JIS", "あ");
        check(b"\xff\xfea\0", "text/plain; charset=iso-8859-1", "a");
        check(b"\xef\xbb\xbfa", "text/plain", "a");
        check("é".as_bytes(), "text/plain; charset=nobody-knows", "é");
        check(b"", "text/plain; charset=utf-8", "");
    }

    #[test]
    fn a_body_that_is_not_its_charset_stays_bytes_and_is_told() {
        let body = Bytes::from_static(b"a\xff");
        let said = decode(&body, "text/plain; charset=utf-8");
        assert_eq!(said, Decoded { value: Value::Bytes(body.clone()), not: Some("UTF-8") });
        // Nobody said that it is text.
        assert_eq!(decode(&body, "image/png"), Decoded { value: Value::Bytes(body), not: None });
    }

    #[test]
    fn a_text_goes_out_in_the_charset_of_its_content_type() {
        let check = |text: &str, content_type: &str, expected: Result<&[u8], &str>| {
            let bytes = encode(text, content_type);
            assert_eq!(bytes.as_deref().map_err(|name| *name), expected, "{content_type}");
        };
        check("é", "", Ok("é".as_bytes()));
        check("é", "text/plain; charset=iso-8859-1", Ok(b"\xe9"));
        check("a", "text/plain; charset=utf-16le", Ok(b"a\0"));
        check("a", "text/plain; charset=utf-16be", Ok(b"\0a"));
        check("あ", "text/plain; charset=iso-8859-1", Err("windows-1252"));
    }
}
