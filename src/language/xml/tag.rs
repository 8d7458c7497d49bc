//! Reads one start tag into its name and attributes and says exactly what is wrong with it; knows nothing of other tags.

use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::source::Span;

use super::{MAX_ATTRIBUTES, MAX_NAME_BYTES, decode};

/// An attribute as it stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawAttribute {
    pub(super) name: Span,
    /// Without the quotes.
    pub(super) value: Span,
}

/// A problem that ends the reading of the file; boxed, since it is rare and large.
pub(super) type Fatal = Box<Diagnostic>;

/// Whether a name is one by XML 1.0, section 2.3.
pub(super) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(is_name_start) && bytes.all(is_name_byte) && stranger(name).is_none()
}

/// The first character of a name that cannot stand where it does, with its place; those of ASCII are known to be good.
fn stranger(name: &str) -> Option<(usize, char)> {
    if name.is_ascii() {
        return None;
    }
    name.char_indices().find(|(at, character)| {
        let start = matches!(character,
            '\0'..='\x7f' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
            | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
            | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}');
        let inside = matches!(character, '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}');
        !(start || (inside && *at > 0))
    })
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b':' || byte >= 0x80
}

fn is_name_byte(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A cursor in a tag.
struct Scanner<'t> {
    text: &'t str,
    start: usize,
    at: usize,
    end: usize,
}

/// Reads the tag whose `<` is at `start` and which the reader let end before `end`; gives the place of its name.
///
/// If the reader found no end, `end` is the end of the text, and the result is always an error.
pub(super) fn scan(
    text: &str,
    start: usize,
    end: usize,
    attributes: &mut Vec<RawAttribute>,
) -> Result<Span, Fatal> {
    let mut scanner = Scanner { text, start, at: start + 1, end };
    let name = scanner.name()?;
    loop {
        let before = scanner.at;
        scanner.skip_blanks();
        match scanner.peek() {
            None => return Err(scanner.unclosed_at_end(name)),
            Some(b'>') => return Ok(name),
            Some(b'/') => return scanner.slash(name),
            Some(b'<') => return Err(scanner.unclosed_at(name, before)),
            Some(_) if before == scanner.at => return Err(scanner.glued(attributes.last())),
            Some(_) => {}
        }
        let attribute = scanner.attribute(name)?;
        if let Some(first) = attributes.iter().find(|known| scanner.same_name(known.name, attribute.name)) {
            return Err(scanner.doubled(first.name, attribute.name));
        }
        if attributes.len() >= MAX_ATTRIBUTES {
            let message = format!("a tag has more than {MAX_ATTRIBUTES} attributes");
            return Err(Box::new(Diagnostic::new(Code::TooLarge, attribute.name, message)));
        }
        attributes.push(attribute);
    }
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        if self.at < self.end { self.text.as_bytes().get(self.at).copied() } else { None }
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn take_name(&mut self) -> Span {
        let start = self.at;
        while self.peek().is_some_and(is_name_byte) {
            self.at += 1;
        }
        Span::new(start, self.at)
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn same_name(&self, left: Span, right: Span) -> bool {
        self.slice(left) == self.slice(right)
    }

    /// The character at the cursor, with its place; the place is empty at the end of the text.
    fn here(&self) -> (Span, String) {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => (Span::new(self.at, self.at + found.len_utf8()), quoted(found)),
            None => (Span::new(self.at, self.at), "the end of the file".to_owned()),
        }
    }

    fn name(&mut self) -> Result<Span, Fatal> {
        let name = self.take_name();
        self.characters(name)?;
        if is_name(self.slice(name)) {
            return self.short(name);
        }
        self.at = name.start as usize;
        let (_, found) = self.here();
        let message = format!("expected the name of an element after `<`, found {found}");
        Err(malformed(Span::new(self.start, self.start + 1), message)
            .with_help("write `&lt;` for a literal `<`, or put the text into `<![CDATA[...]]>`")
            .into())
    }

    /// Refuses a character beyond ASCII that no name has, such as a blank that does not look like one.
    fn characters(&self, name: Span) -> Result<(), Fatal> {
        let Some((at, character)) = stranger(self.slice(name)) else { return Ok(()) };
        let start = name.start as usize + at;
        let message = format!("{} cannot be part of a name", quoted(character));
        Err(malformed(Span::new(start, start + character.len_utf8()), message).into())
    }

    /// Refuses a name that would fill every message about it.
    fn short(&self, name: Span) -> Result<Span, Fatal> {
        if self.slice(name).len() <= MAX_NAME_BYTES {
            return Ok(name);
        }
        let message = format!("a name has more than {MAX_NAME_BYTES} bytes");
        Err(Box::new(Diagnostic::new(Code::TooLarge, name, message)))
    }

    fn slash(&mut self, name: Span) -> Result<Span, Fatal> {
        self.at += 1;
        if self.peek() == Some(b'>') && self.at + 1 == self.end {
            return Ok(name);
        }
        let (span, found) = self.here();
        let message = format!("expected `>` after `/` in the tag `<{}`, found {found}", self.slice(name));
        Err(malformed(span, message).into())
    }

    fn attribute(&mut self, tag: Span) -> Result<RawAttribute, Fatal> {
        let name = self.take_name();
        self.characters(name)?;
        if !is_name(self.slice(name)) {
            self.at = name.start as usize;
            let (span, found) = self.here();
            let message =
                format!("expected an attribute or `>` in the tag `<{}`, found {found}", self.slice(tag));
            return Err(malformed(span, message).into());
        }
        let name = self.short(name)?;
        self.skip_blanks();
        if self.peek() != Some(b'=') {
            let word = self.slice(name);
            let message = format!("attribute `{word}` has no value: `=` is missing");
            return Err(malformed(name, message).with_help(format!("write `{word}=\"...\"`")).into());
        }
        self.at += 1;
        self.skip_blanks();
        let quote = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => quote,
            _ => return Err(self.unquoted(name)),
        };
        let open = self.at;
        self.at += 1;
        let rest = self.text.get(self.at..self.end).unwrap_or_default();
        let close = rest.bytes().position(|byte| byte == quote || byte == b'<' || byte == b'&');
        match close.map(|length| (length, rest.as_bytes().get(length))) {
            Some((length, Some(found))) if *found == quote => {
                let value = Span::new(self.at, self.at + length);
                self.at += length + 1;
                Ok(RawAttribute { name, value })
            }
            _ => self.long_value(name, open, quote),
        }
    }

    /// A value with references in it, or a wrong one.
    fn long_value(&mut self, name: Span, open: usize, quote: u8) -> Result<RawAttribute, Fatal> {
        let rest = self.text.get(open + 1..self.end).unwrap_or_default();
        let Some(length) = rest.bytes().position(|byte| byte == quote) else {
            return Err(self.no_closing_quote(name, open));
        };
        let value = rest.get(..length).unwrap_or_default();
        if let Some(less) = value.find('<') {
            if value.contains(['\n', '>']) {
                return Err(self.no_closing_quote(name, open));
            }
            let place = Span::new(open + 1 + less, open + 2 + less);
            let message = format!("`<` is not allowed in the value of attribute `{}`", self.slice(name));
            return Err(malformed(place, message).with_help("write `&lt;`").into());
        }
        for (at, _) in value.match_indices('&') {
            let rest = value.get(at..).unwrap_or_default();
            if decode::reference(rest).is_none() {
                return Err(Box::new(bad_reference(rest, open + 1 + at)));
            }
        }
        self.at = open + 1 + length + 1;
        Ok(RawAttribute { name, value: Span::new(open + 1, open + 1 + length) })
    }

    fn no_closing_quote(&self, name: Span, open: usize) -> Fatal {
        let rest = self.text.get(open..self.end).unwrap_or_default();
        let length = rest.find(['\n', '\r', '<', '>']).unwrap_or(rest.len());
        let shown = rest.get(..length).unwrap_or_default().trim_end().len().max(1);
        let message = format!("the value of attribute `{}` has no closing quote", self.slice(name));
        let quote = rest.chars().next().unwrap_or('"');
        malformed(Span::new(open, open + shown), message)
            .with_help(format!("end the value with {}", quoted(quote)))
            .into()
    }

    fn unquoted(&self, name: Span) -> Fatal {
        let rest = self.text.get(self.at..self.end).unwrap_or_default();
        let length =
            rest.find(|found: char| found.is_whitespace() || "<>\"'".contains(found)).unwrap_or(rest.len());
        let word = self.slice(name);
        let message = format!("the value of attribute `{word}` is not in quotes");
        let value = rest.get(..length).unwrap_or_default().trim_end_matches('/');
        malformed(Span::new(self.at, self.at + value.len()), message)
            .with_help(format!("write `{word}=\"{value}\"`"))
            .into()
    }

    /// Something directly behind a value or the tag's name.
    fn glued(&self, last: Option<&RawAttribute>) -> Fatal {
        let (span, found) = self.here();
        let Some(last) = last else {
            return malformed(span, format!("{found} cannot be part of an element's name")).into();
        };
        let name = self.slice(last.name);
        let message =
            format!("expected a blank, `/` or `>` after the value of attribute `{name}`, found {found}");
        let problem = malformed(span, message);
        match self.slice(last.value).trim_end().strip_suffix('=') {
            Some(value) => {
                let shown = value.trim_end_matches(|c: char| !c.is_whitespace()).trim_end();
                problem
                    .with_help(format!("a quote may be missing: `{name}=\"{shown}\"`"))
                    .with_related(last.value, "the value that ends here")
                    .into()
            }
            None => problem.into(),
        }
    }

    fn doubled(&self, first: Span, second: Span) -> Fatal {
        malformed(second, format!("attribute `{}` is given twice in one tag", self.slice(second)))
            .with_related(first, "first given here")
            .with_help("remove one of them")
            .into()
    }

    fn unclosed_at(&self, name: Span, end: usize) -> Fatal {
        let message =
            format!("the tag `<{}` is not closed: found `<` where `>` was expected", self.slice(name));
        malformed(Span::new(self.start, end), message)
            .with_related(Span::new(self.at, self.at + 1), "the next tag begins here")
            .with_help("end the tag with `>` or `/>`")
            .into()
    }

    fn unclosed_at_end(&self, name: Span) -> Fatal {
        let shown = self.text.get(self.start..self.end).unwrap_or_default().trim_end();
        let shown = shown.lines().next().unwrap_or_default().len();
        let message = format!("the file ends inside the tag `<{}`", self.slice(name));
        malformed(Span::new(self.start, self.start + shown), message)
            .with_help("end the tag with `>` or `/>`")
            .into()
    }
}

/// A problem of form at a place.
pub(super) fn malformed(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Malformed, span, message)
}

/// What is wrong with the `&` at the start of `rest`, which stands at `at` in the text.
pub(super) fn bad_reference(rest: &str, at: usize) -> Diagnostic {
    let length =
        rest.bytes().skip(1).take(64).take_while(|byte| is_name_byte(*byte) || *byte == b'#').count() + 1;
    let name = rest.get(1..length).unwrap_or_default();
    if rest.as_bytes().get(length) != Some(&b';') || name.is_empty() {
        return malformed(Span::new(at, at + 1), "`&` begins no reference")
            .with_help("write `&amp;` for a literal `&`, or put the text into `<![CDATA[...]]>`");
    }
    let span = Span::new(at, at + length + 1);
    if name.starts_with('#') {
        let message = format!("`&{name};` is not a character that XML allows");
        return malformed(span, message);
    }
    Diagnostic::new(Code::UnknownEntity, span, format!("unknown entity `&{name};`")).with_help(
        "only `&lt;`, `&gt;`, `&amp;`, `&apos;`, `&quot;` and numeric references such as `&#160;` exist",
    )
}

/// A character as it stands in a message.
pub(super) fn quoted(character: char) -> String {
    match character {
        '\n' | '\r' => "the end of the line".to_owned(),
        ' ' | '\t' => "a blank".to_owned(),
        '`' => "a backtick".to_owned(),
        control if control.is_control() => format!("the control character U+{:04X}", u32::from(control)),
        unseen
            if unseen.is_whitespace()
                || matches!(unseen, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{200b}') =>
        {
            format!("the character U+{:04X}", u32::from(unseen))
        }
        other => format!("`{other}`"),
    }
}
