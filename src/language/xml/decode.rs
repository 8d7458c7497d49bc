//! Turns text as written into text as meant: entities, numeric references and line ends; knows nothing of tags.

use std::borrow::Cow;

/// How a piece of text is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Between tags: entities, and line ends to line feeds.
    Text,
    /// CDATA: line ends only.
    Cdata,
    /// An attribute's value: entities, and every tab or line end to a blank.
    Attribute,
}

impl Mode {
    fn is_special(self, byte: u8) -> bool {
        match self {
            Self::Text => byte == b'&' || byte == b'\r',
            Self::Cdata => byte == b'\r',
            Self::Attribute => matches!(byte, b'&' | b'\r' | b'\n' | b'\t'),
        }
    }
}

/// One step of decoding: bytes of the text as written, and what they mean.
enum Step<'a> {
    Same(&'a str),
    Other { written: usize, meant: char },
}

/// Splits off the next step; `None` at the end.
fn step(text: &str, mode: Mode) -> Option<Step<'_>> {
    let first = *text.as_bytes().first()?;
    if !mode.is_special(first) {
        let end = text.bytes().position(|byte| mode.is_special(byte)).unwrap_or(text.len());
        return text.get(..end).map(Step::Same);
    }
    let line_end = if mode == Mode::Attribute { ' ' } else { '\n' };
    Some(match first {
        b'\r' => Step::Other { written: if text.starts_with("\r\n") { 2 } else { 1 }, meant: line_end },
        b'&' => match reference(text) {
            Some((written, meant)) => Step::Other { written, meant },
            // The parser refuses such a file; whoever reads on sees the sign itself.
            None => Step::Other { written: 1, meant: '&' },
        },
        _ => Step::Other { written: 1, meant: ' ' },
    })
}

/// The character that a reference at the start of `text` means, and the length of the reference.
pub(super) fn reference(text: &str) -> Option<(usize, char)> {
    // The longest legal one is `&#1114111;`; leading zeros are allowed, within reason.
    let end = text.bytes().take(32).position(|byte| byte == b';')?;
    Some((end + 1, resolve(text.get(1..end)?)?))
}

/// The character that the name of a reference means, `&` and `;` taken off.
pub(super) fn resolve(name: &str) -> Option<char> {
    let number = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => name.strip_prefix('#')?,
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // `from_str_radix` alone would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let meant = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    is_allowed(meant).then_some(meant)
}

/// Whether XML 1.0 allows the character in a document (section 2.2, production 2).
pub(super) fn is_allowed(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// The text as meant; borrowed where that is the text as written.
pub(super) fn decode(text: &str, mode: Mode) -> Cow<'_, str> {
    if !text.bytes().any(|byte| mode.is_special(byte)) {
        return Cow::Borrowed(text);
    }
    let mut meant = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(step) = step(rest, mode) {
        let written = match step {
            Step::Same(same) => {
                meant.push_str(same);
                same.len()
            }
            Step::Other { written, meant: character } => {
                meant.push(character);
                written
            }
        };
        rest = rest.get(written..).unwrap_or_default();
    }
    Cow::Owned(meant)
}

/// Where byte `offset` of the decoded text stands in the text as written; otherwise the length of the decoded text.
pub(super) fn locate(text: &str, mode: Mode, offset: usize) -> Result<usize, usize> {
    let (mut at, mut length) = (0, 0);
    while let Some(step) = step(text.get(at..).unwrap_or_default(), mode) {
        let (written, meant) = match step {
            Step::Same(same) => (same.len(), same.len()),
            Step::Other { written, meant } => (written, meant.len_utf8()),
        };
        if offset < length + meant {
            return Ok(if written == meant { at + (offset - length) } else { at });
        }
        at += written;
        length += meant;
    }
    Err(length)
}

/// Adds the places where the decoded text and the text as written do not go on side by side, and the starts of lines: pairs of
/// an offset in the decoded text and one in the text as written, counted from `meant` and `written`. Gives the decoded length.
pub(super) fn anchors(
    text: &str,
    mode: Mode,
    (meant, written): (usize, usize),
    into: &mut Vec<(usize, usize)>,
) -> usize {
    let (mut at, mut length) = (0, 0);
    while let Some(step) = step(text.get(at..).unwrap_or_default(), mode) {
        into.push((meant + length, written + at));
        match step {
            Step::Same(same) => {
                let breaks = same.match_indices('\n').map(|(offset, _)| offset + 1);
                into.extend(breaks.map(|offset| (meant + length + offset, written + at + offset)));
                at += same.len();
                length += same.len();
            }
            Step::Other { written: taken, meant: character } => {
                at += taken;
                length += character.len_utf8();
            }
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_and_line_ends_are_decoded() {
        for (written, mode, meant) in [
            ("plain", Mode::Text, "plain"),
            ("a &lt; b &amp;&amp; c &gt; &quot;&apos;", Mode::Text, "a < b && c > \"'"),
            ("&#65;&#x42;&#x1F600;", Mode::Text, "AB\u{1f600}"),
            ("a\r\nb\rc\nd", Mode::Text, "a\nb\nc\nd"),
            ("a\r\n&amp;", Mode::Cdata, "a\n&amp;"),
            ("a\r\nb\tc", Mode::Attribute, "a b c"),
            ("&unknown; & &#0; &#xD800;", Mode::Text, "&unknown; & &#0; &#xD800;"),
        ] {
            assert_eq!(decode(written, mode), meant, "{written}");
        }
    }

    #[test]
    fn a_place_in_the_meant_text_is_found_in_the_written_one() {
        let text = "a&amp;b\r\nc";
        for (offset, written) in [(0, Ok(0)), (1, Ok(1)), (2, Ok(6)), (3, Ok(7)), (4, Ok(9)), (5, Err(5))] {
            assert_eq!(locate(text, Mode::Text, offset), written, "{offset}");
        }
    }

    #[test]
    fn references_that_xml_forbids_are_none() {
        for name in ["#0", "#x0", "#xD800", "#x110000", "#+5", "#", "#x", "nbsp", "", "#8", "#xFFFF"] {
            assert_eq!(resolve(name), None, "{name}");
        }
    }
}
