//! Text of a definition as a tree of elements with places; judges no name and expands nothing but the five entities.
//!
//! [`parse`] never fails and never recurses: it gives a [`Document`] and what is wrong with the text. The tree is a flat
//! list in the order of the file. It owns no string: every name and value is a range of the text and is decoded when asked for.

mod decode;
mod parse;
mod tag;

use std::borrow::Cow;

pub use parse::parse;

use crate::language::source::{Places, Source, Span, Spanned};
use decode::Mode;

/// The namespace of the original language's schema.
pub const ORIGINAL_NAMESPACE: &str = "http://www.skyline.be/protocol";

/// The namespace of all that this runtime adds.
pub const OUR_NAMESPACE: &str = "urn:backshell:1";

/// How many bytes a file may have: 64 MiB, a hundred times the largest known definition.
pub const MAX_BYTES: usize = 64 << 20;

/// How deep elements may be nested; real definitions stay below 12.
pub const MAX_DEPTH: usize = 256;

/// How many elements a file may have; the largest known definition has 21,367.
pub const MAX_ELEMENTS: usize = 1_000_000;

/// How many attributes one tag may have.
pub const MAX_ATTRIBUTES: usize = 64;

/// How many bytes a name may have, prefix included.
pub const MAX_NAME_BYTES: usize = 1_000;

/// "No such entry" in the links between the lists.
const NONE: u32 = u32::MAX;

/// Whose name an element or attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// None, or the original language's: names of the language.
    Original,
    /// `urn:backshell:1`: what this runtime adds.
    Ours,
    /// Of the XML standards themselves (`xml:`, `xsi:`): allowed everywhere, means nothing here.
    Standard,
    /// Any other.
    Foreign,
    /// The prefix is not declared, which [`parse`] has reported.
    Undeclared,
}

impl Namespace {
    /// Which one a namespace name is.
    fn of(uri: &str) -> Self {
        match uri.trim() {
            "" | ORIGINAL_NAMESPACE => Self::Original,
            OUR_NAMESPACE => Self::Ours,
            "http://www.w3.org/XML/1998/namespace"
            | "http://www.w3.org/2001/XMLSchema-instance"
            | "http://www.w3.org/2000/xmlns/" => Self::Standard,
            _ => Self::Foreign,
        }
    }
}

/// A name in the text: the whole of it, and where the part after the prefix begins.
#[derive(Clone, Copy, Debug)]
struct Name {
    span: Span,
    // Bytes of the prefix with its colon; 0 without one.
    prefix: u16,
    namespace: Namespace,
}

#[derive(Clone, Debug)]
struct Node {
    name: Name,
    // From `<` to after the end tag; the end of the text as far as it was read while the element is open.
    span: Span,
    // After the `>` of the start tag.
    tag_end: u32,
    // Index after the last descendant: the next sibling, if the parent goes on.
    subtree_end: u32,
    parent: u32,
    attributes: (u32, u32),
    first_text: u32,
    last_text: u32,
}

#[derive(Clone, Debug)]
struct AttributeNode {
    name: Name,
    // Without the quotes.
    value: Span,
}

#[derive(Clone, Debug)]
struct TextNode {
    span: Span,
    next: u32,
    mode: Mode,
}

/// A namespace declared by an `xmlns` attribute.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The namespace's name as written, decoded.
    pub uri: String,
    /// Whose it is; the original's if it is adopted.
    pub namespace: Namespace,
    /// Whether it is a foreign one that is read as the original's, since the root `Protocol` stands in it.
    pub adopted: bool,
    /// The whole attribute.
    pub span: Span,
}

/// The elements of one file, in its order.
#[derive(Clone, Debug)]
pub struct Document {
    source: Source,
    nodes: Vec<Node>,
    attributes: Vec<AttributeNode>,
    texts: Vec<TextNode>,
    declarations: Vec<Declaration>,
    complete: bool,
}

impl Document {
    /// The root element; `None` if the text is not well-formed.
    pub fn root(&self) -> Option<Element<'_>> {
        (self.complete && !self.nodes.is_empty()).then_some(Element { document: self, index: 0 })
    }

    /// The text that the places refer to.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no element at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The namespace declarations, in file order.
    pub fn declarations(&self) -> &[Declaration] {
        &self.declarations
    }

    fn slice(&self, span: Span) -> &str {
        self.source.text().get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn local(&self, name: &Name) -> &str {
        self.slice(Span { start: name.span.start + u32::from(name.prefix), end: name.span.end })
    }
}

/// One element of a document; as cheap to copy as a reference.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    document: &'a Document,
    index: u32,
}

// Every element is made by its document from an index of its own list.
const STALE: &str = "an element belongs to its document";

impl<'a> Element<'a> {
    fn node(self) -> &'a Node {
        self.document.nodes.get(self.index as usize).expect(STALE)
    }

    /// The document that it belongs to.
    pub fn document(self) -> &'a Document {
        self.document
    }

    /// Its number in the file, from 0 in the order of start tags: a key for tables about elements.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// The name without its prefix, in the case in which it is written.
    pub fn name(self) -> &'a str {
        self.document.local(&self.node().name)
    }

    /// The name as written, with its prefix.
    pub fn full_name(self) -> &'a str {
        self.document.slice(self.node().name.span)
    }

    /// Where the name stands in the start tag, prefix included.
    pub fn name_span(self) -> Span {
        self.node().name.span
    }

    /// Whose name it is.
    pub fn namespace(self) -> Namespace {
        self.node().name.namespace
    }

    /// Whether it is the element of this name in the original language.
    pub fn is(self, name: &str) -> bool {
        self.namespace() == Namespace::Original && self.name() == name
    }

    /// Whether it is the element of this name among those that this runtime adds.
    pub fn is_ours(self, name: &str) -> bool {
        self.namespace() == Namespace::Ours && self.name() == name
    }

    /// From the `<` of the start tag to after the end tag.
    pub fn span(self) -> Span {
        self.node().span
    }

    /// The start tag, from `<` to after `>`.
    pub fn tag_span(self) -> Span {
        Span { start: self.node().span.start, end: self.node().tag_end }
    }

    /// The element around it.
    pub fn parent(self) -> Option<Element<'a>> {
        let parent = self.node().parent;
        (parent != NONE).then_some(Element { document: self.document, index: parent })
    }

    /// The elements directly in it, of every namespace, in file order.
    pub fn children(self) -> Children<'a> {
        Children { document: self.document, next: self.index + 1, end: self.node().subtree_end }
    }

    /// The children of this name in the original language.
    pub fn children_named(self, name: &'a str) -> impl Iterator<Item = Element<'a>> {
        self.children().filter(move |child| child.is(name))
    }

    /// The first child of this name in the original language.
    pub fn child(self, name: &str) -> Option<Element<'a>> {
        self.children().find(|child| child.is(name))
    }

    /// The children of this name among those that this runtime adds.
    pub fn our_children(self, name: &'a str) -> impl Iterator<Item = Element<'a>> {
        self.children().filter(move |child| child.is_ours(name))
    }

    /// The first child of this name among those that this runtime adds.
    pub fn our_child(self, name: &str) -> Option<Element<'a>> {
        self.children().find(|child| child.is_ours(name))
    }

    /// Its attributes in file order, of every namespace; `xmlns` declarations are not among them.
    pub fn attributes(self) -> impl ExactSizeIterator<Item = Attribute<'a>> {
        let (start, end) = self.node().attributes;
        let document = self.document;
        let nodes = document.attributes.get(start as usize..end as usize).unwrap_or_default();
        nodes.iter().map(move |node| Attribute { document, node })
    }

    /// The attribute of this name in the original language.
    pub fn attribute(self, name: &str) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.is(name))
    }

    /// The attribute of this name among those that this runtime adds.
    pub fn our_attribute(self, name: &str) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.is_ours(name))
    }

    /// All text and CDATA directly in it, joined, decoded, without the blanks around it.
    ///
    /// The place is that of the trimmed text; of an element without any, the empty place after its start tag.
    pub fn text(self) -> Spanned<Cow<'a, str>> {
        let raw = self.raw_text();
        let (lead, length) = trimmed(&raw.value);
        if length == raw.value.len() {
            return raw;
        }
        let start = self.locate_raw(lead);
        let last = raw.value.trim_end().chars().next_back().map_or(0, char::len_utf8);
        let end = if length == 0 { start } else { self.after(self.locate_raw(lead + length - last)) };
        let value = match raw.value {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        Spanned::new(value, Span { start, end })
    }

    /// All text and CDATA directly in it, joined and decoded, blanks included; line ends are single line feeds.
    pub fn raw_text(self) -> Spanned<Cow<'a, str>> {
        let mut pieces = self.texts();
        let Some(first) = pieces.next() else {
            let at = self.empty_place();
            return Spanned::new(Cow::Borrowed(""), Span { start: at, end: at });
        };
        let mut value = decode::decode(self.document.slice(first.span), first.mode);
        let mut span = first.span;
        for piece in pieces {
            value.to_mut().push_str(&decode::decode(self.document.slice(piece.span), piece.mode));
            span.end = piece.span.end;
        }
        Spanned::new(value, span)
    }

    /// The trimmed text of an element without children; nothing for one with children.
    pub fn text_if_plain(self) -> Cow<'a, str> {
        if self.children().next().is_some() { Cow::Borrowed("") } else { self.text().value }
    }

    /// Whether it has text that is more than blanks.
    pub fn has_text(self) -> bool {
        self.texts().any(|piece| !self.document.slice(piece.span).trim().is_empty())
    }

    /// Where byte `offset` of [`Element::text`] stands in the file; an offset beyond the end gives the end.
    pub fn locate(self, offset: usize) -> u32 {
        let (lead, _) = trimmed(&self.raw_text().value);
        self.locate_raw(lead + offset)
    }

    /// Where byte `offset` of [`Element::raw_text`] stands in the file; an offset beyond the end gives the end.
    pub fn locate_raw(self, offset: usize) -> u32 {
        let mut left = offset;
        let mut last = None;
        for piece in self.texts() {
            let text = self.document.slice(piece.span);
            match decode::locate(text, piece.mode, left) {
                Ok(at) => return Span::new(piece.span.start as usize + at, 0).start,
                Err(length) => left -= length,
            }
            last = Some(piece.span.end);
        }
        last.unwrap_or_else(|| self.empty_place())
    }

    /// The texts and CDATA directly in it, one by one, decoded, blanks included, each with its place.
    pub fn pieces(self) -> impl Iterator<Item = Spanned<Cow<'a, str>>> {
        let document = self.document;
        self.texts().map(move |piece| {
            Spanned::new(decode::decode(document.slice(piece.span), piece.mode), piece.span)
        })
    }

    /// Where all of [`Element::raw_text`] stands in the file.
    pub fn places(self) -> Places {
        let mut pairs = Vec::new();
        let mut meant = 0;
        for piece in self.texts() {
            let written = piece.span.start as usize;
            let text = self.document.slice(piece.span);
            meant += decode::anchors(text, piece.mode, (meant, written), &mut pairs);
        }
        Places::new(&self.document.source, pairs)
    }

    fn texts(self) -> impl Iterator<Item = &'a TextNode> {
        let list = &self.document.texts;
        let mut next = self.node().first_text;
        std::iter::from_fn(move || {
            let piece = list.get(next as usize)?;
            next = piece.next;
            Some(piece)
        })
    }

    /// After the start tag; for `<a/>`, whose start tag is all, the end of the name.
    fn empty_place(self) -> u32 {
        let node = self.node();
        if node.tag_end == node.span.end { node.name.span.end } else { node.tag_end }
    }

    /// The place after the character or reference at `place`.
    fn after(self, place: u32) -> u32 {
        let rest = self.document.source.text().get(place as usize..).unwrap_or_default();
        let length = match decode::reference(rest) {
            Some((length, _)) if rest.starts_with('&') => length,
            _ => rest.chars().next().map_or(0, char::len_utf8),
        };
        Span::new(place as usize + length, 0).start
    }
}

/// Length of the blanks in front of a text, and of the text without the blanks around it.
fn trimmed(text: &str) -> (usize, usize) {
    let start = text.trim_start();
    (text.len() - start.len(), start.trim_end().len())
}

/// Equality is identity: the same element of the same document.
impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.index == other.index
    }
}

impl Eq for Element<'_> {}

/// The elements directly in an element; made by [`Element::children`].
#[derive(Clone, Debug)]
pub struct Children<'a> {
    document: &'a Document,
    next: u32,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        if self.next >= self.end {
            return None;
        }
        let child = Element { document: self.document, index: self.next };
        self.next = child.node().subtree_end;
        Some(child)
    }
}

/// One attribute of an element.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    document: &'a Document,
    node: &'a AttributeNode,
}

impl<'a> Attribute<'a> {
    /// The name without its prefix.
    pub fn name(self) -> &'a str {
        self.document.local(&self.node.name)
    }

    /// The name as written, with its prefix.
    pub fn full_name(self) -> &'a str {
        self.document.slice(self.node.name.span)
    }

    /// Where the name stands, prefix included.
    pub fn name_span(self) -> Span {
        self.node.name.span
    }

    /// Whose name it is; without a prefix it is the original language's.
    pub fn namespace(self) -> Namespace {
        self.node.name.namespace
    }

    /// Whether it is the attribute of this name in the original language.
    pub fn is(self, name: &str) -> bool {
        self.namespace() == Namespace::Original && self.name() == name
    }

    /// Whether it is the attribute of this name among those that this runtime adds.
    pub fn is_ours(self, name: &str) -> bool {
        self.namespace() == Namespace::Ours && self.name() == name
    }

    /// The value, decoded, blanks included, with its place between the quotes; a tab or a line break in it counts as a blank.
    pub fn value(self) -> Spanned<Cow<'a, str>> {
        Spanned::new(decode::decode(self.document.slice(self.node.value), Mode::Attribute), self.node.value)
    }

    /// The value without the blanks around it; the place is that of the trimmed value.
    pub fn trimmed(self) -> Spanned<Cow<'a, str>> {
        let raw = self.document.slice(self.node.value);
        let (lead, length) = trimmed(raw);
        let start = self.node.value.start as usize + lead;
        let value = decode::decode(raw.trim(), Mode::Attribute);
        Spanned::new(value, Span::new(start, start + length))
    }

    /// From the first character of the name to after the closing quote.
    pub fn span(self) -> Span {
        Span { start: self.node.name.span.start, end: self.node.value.end.saturating_add(1) }
    }

    /// Where byte `offset` of [`Attribute::value`] stands in the file; an offset beyond the end gives the end.
    pub fn locate(self, offset: usize) -> u32 {
        let raw = self.document.slice(self.node.value);
        match decode::locate(raw, Mode::Attribute, offset) {
            Ok(at) => Span::new(self.node.value.start as usize + at, 0).start,
            Err(_) => self.node.value.end,
        }
    }
}

#[cfg(test)]
mod tests;
