//! A text of the author with the way back from its bytes to their places; interprets nothing.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::language::source::{Span, Spanned};
use crate::language::xml::{Attribute, Element};

/// From how many bytes on a text with entities has one place only.
const LONG: usize = 8 << 10;

/// A value or a text as written, entities decoded, without the blanks around it unless it is free text.
#[derive(Clone)]
pub struct Text<'a> {
    /// What was written.
    pub value: Cow<'a, str>,
    /// Where.
    pub span: Span,
    origin: Origin<'a>,
}

#[derive(Clone, Debug)]
enum Origin<'a> {
    Element(Element<'a>),
    Raw(Element<'a>),
    // The bytes in front of the trimmed value are counted, since an attribute locates in its whole value.
    Attribute(Attribute<'a>, usize),
}

impl<'a> Text<'a> {
    /// The trimmed text of an element; `None` if there is none.
    pub(super) fn of(element: Element<'a>) -> Option<Self> {
        let text = element.text();
        let origin = Origin::Element(element);
        (!text.value.is_empty()).then_some(Self { value: text.value, span: text.span, origin })
    }

    /// The whole text of an element, blanks included; `None` if there is none.
    pub(super) fn free(element: Element<'a>) -> Option<Self> {
        let text = element.raw_text();
        (!text.value.is_empty()).then_some(Self {
            value: text.value,
            span: text.span,
            origin: Origin::Raw(element),
        })
    }

    /// The trimmed value of an attribute; an empty value is a value.
    pub(super) fn value(attribute: Attribute<'a>) -> Self {
        let whole = attribute.value().value;
        let lead = whole.len() - whole.trim_start().len();
        let trimmed = attribute.trimmed();
        Self { value: trimmed.value, span: trimmed.span, origin: Origin::Attribute(attribute, lead) }
    }

    /// The value of an attribute with its blanks.
    pub(super) fn whole_value(attribute: Attribute<'a>) -> Self {
        let value = attribute.value();
        Self { value: value.value, span: value.span, origin: Origin::Attribute(attribute, 0) }
    }

    /// Where a range of bytes of the value stands in the file; ranges beyond the end are cut to it.
    ///
    /// Of a text over 8 KiB with entities or line breaks it is the whole place, since each look-up reads the text anew.
    pub fn part(&self, range: Range<usize>) -> Span {
        let end = range.end.min(self.value.len());
        let start = range.start.min(end);
        let length = (self.span.end - self.span.start) as usize;
        if length == self.value.len() {
            let base = self.span.start as usize;
            return Span::new(base + start, base + end);
        }
        if self.value.len() > LONG {
            return self.span;
        }
        let locate = |offset: usize| match &self.origin {
            Origin::Element(element) => element.locate(offset),
            Origin::Raw(element) => element.locate_raw(offset),
            Origin::Attribute(attribute, lead) => attribute.locate(offset + lead),
        };
        let start = locate(start);
        Span { start, end: locate(end).clamp(start, self.span.end.max(start)) }
    }

    /// The value in lower case, for enumerations and options.
    pub fn lower(&self) -> String {
        self.value.to_ascii_lowercase()
    }

    /// The value as a number or another type that reads from text; `None` if it is none.
    pub fn parse<T: FromStr>(&self) -> Option<Spanned<T>> {
        self.value.trim().parse().ok().map(|value| Spanned::new(value, self.span))
    }

    /// The value as `true` or `false`, in any case.
    pub fn flag(&self) -> Option<bool> {
        match self.lower().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The parts between separators, trimmed, without the empty ones, each with its place.
    pub fn split(&self, separator: char) -> Vec<Spanned<&str>> {
        let mut parts = Vec::new();
        let mut start = 0;
        for part in self.value.split(separator) {
            let trimmed = part.trim();
            if !trimmed.is_empty() {
                let lead = start + part.len() - part.trim_start().len();
                parts.push(Spanned::new(trimmed, self.part(lead..lead + trimmed.len())));
            }
            start += part.len() + separator.len_utf8();
        }
        parts
    }

    /// The value of an option such as `retries:3` among parts between `;`, and its place; names in any case.
    pub fn option(&self, name: &str) -> Option<Spanned<&str>> {
        self.split(';').into_iter().find_map(|part| {
            let head = part.value.get(..name.len())?;
            let rest = part.value.get(name.len()..)?.trim_start();
            let rest = rest.strip_prefix([':', '=']).or_else(|| rest.is_empty().then_some(rest))?;
            head.eq_ignore_ascii_case(name).then(|| Spanned::new(rest.trim(), part.span))
        })
    }
}

impl fmt::Debug for Text<'_> {
    /// Value and place; the way back to the file would print all of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({:?} at {:?})", self.value, self.span)
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
