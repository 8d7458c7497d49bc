//! Drives the XML reader over a text and builds the document; the rules inside a tag are in `tag`.

mod declaration;
mod namespace;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::Event;

use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::source::{Source, Span};

use super::decode::{self, Mode};
use super::tag::{self, Fatal, RawAttribute, malformed};
use super::{AttributeNode, Document, MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, NONE, Namespace, Node, TextNode};
use namespace::{Binding, Part, is_declaration};

/// Reads a text into a document; the document has no root if the text is not well-formed.
///
/// The problems are in file order: at most one that ended the reading, after those that did not.
pub fn parse(source: &Source) -> (Document, Vec<Diagnostic>) {
    let document = Document {
        source: source.clone(),
        nodes: Vec::new(),
        attributes: Vec::new(),
        texts: Vec::new(),
        declarations: Vec::new(),
        complete: false,
    };
    let mut builder = Builder {
        text: source.text(),
        document,
        open: Vec::new(),
        bindings: Vec::new(),
        raw: Vec::new(),
        problems: Vec::new(),
    };
    match builder.read() {
        Ok(()) => builder.document.complete = true,
        Err(fatal) => builder.problems.push(*fatal),
    }
    (builder.document, builder.problems)
}

/// An element whose end tag has not come.
struct Open {
    index: u32,
    bindings: usize,
}

struct Builder<'t> {
    text: &'t str,
    document: Document,
    open: Vec<Open>,
    bindings: Vec<Binding>,
    // The attributes of the tag at hand; kept to save allocations.
    raw: Vec<RawAttribute>,
    problems: Vec<Diagnostic>,
}

/// Lengths and offsets fit: the text is at most 64 MiB.
fn offset(at: usize) -> u32 {
    Span::new(at, at).start
}

impl Builder<'_> {
    fn read(&mut self) -> Result<(), Fatal> {
        let text = self.text;
        if text.len() > MAX_BYTES {
            let message =
                format!("the file has {} MiB; at most {} are read", text.len() >> 20, MAX_BYTES >> 20);
            return Err(Box::new(Diagnostic::new(Code::TooLarge, Span::default(), message)));
        }
        let control = forbidden_character(text);
        let base = text.len() - text.trim_start_matches('\u{feff}').len();
        let mut reader = Reader::from_str(text.get(base..).unwrap_or_default());
        let config = reader.config_mut();
        // The end tags are checked here, where the place of the start tag is known.
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        let mut start = base;
        loop {
            let event = reader.read_event();
            let end = base + usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            if let Some((at, character)) = control.filter(|(at, _)| *at < end) {
                let message = format!("{} is not allowed in XML", tag::quoted(character));
                return Err(malformed(Span::new(at, at + character.len_utf8()), message).into());
            }
            match event {
                Ok(Event::Start(_)) => self.start(start, end)?,
                Ok(Event::Empty(_)) => {
                    self.start(start, end)?;
                    self.close(end);
                }
                Ok(Event::End(name)) => self.end(name.name().as_ref(), start, end)?,
                Ok(Event::Text(_)) => self.text(start, end)?,
                Ok(Event::GeneralRef(name)) => self.reference(&name, start, end)?,
                Ok(Event::CData(_)) => self.cdata(start, end)?,
                Ok(Event::Comment(_)) => self.comment(start, end)?,
                Ok(Event::Decl(declaration)) => {
                    let place = Span::new(start, end);
                    if start != base {
                        return Err(declaration::late(place));
                    }
                    self.problems.extend(declaration::check(&declaration, text, place)?);
                }
                Ok(Event::PI(_)) => {}
                Ok(Event::DocType(_)) => return Err(doctype(start, end)),
                Ok(Event::Eof) => return self.finish(),
                Err(error) => {
                    let at = base + usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
                    return Err(self.failure(&error, at));
                }
            }
            start = end;
        }
    }

    fn start(&mut self, start: usize, end: usize) -> Result<(), Fatal> {
        let mut raw = std::mem::take(&mut self.raw);
        raw.clear();
        let name = tag::scan(self.text, start, end, &mut raw)?;
        self.may_open(name)?;
        let bindings = self.bindings.len();
        self.declare(&raw);
        let mut name = self.resolve(name, Namespace::Original, Part::Element)?;
        if self.document.nodes.is_empty() && name.namespace == Namespace::Foreign {
            self.adopt(&mut name);
        }
        let first = self.document.attributes.len();
        for attribute in &raw {
            if !is_declaration(self.slice(attribute.name)) {
                let name = self.resolve(attribute.name, Namespace::Original, Part::Attribute)?;
                self.document.attributes.push(AttributeNode { name, value: attribute.value });
            }
        }
        self.raw = raw;
        self.drop_blank_text();
        let index = offset(self.document.nodes.len());
        self.document.nodes.push(Node {
            name,
            span: Span::new(start, self.text.len()),
            tag_end: offset(end),
            subtree_end: index + 1,
            parent: self.open.last().map_or(NONE, |open| open.index),
            attributes: (offset(first), offset(self.document.attributes.len())),
            first_text: NONE,
            last_text: NONE,
        });
        self.open.push(Open { index, bindings });
        Ok(())
    }

    fn may_open(&self, name: Span) -> Result<(), Fatal> {
        let refuse = |message: String| Err(Box::new(Diagnostic::new(Code::TooLarge, name, message)));
        if let (true, Some(root)) = (self.open.is_empty(), self.document.nodes.first()) {
            let message = format!("a second root element `<{}>`", self.slice(name));
            return Err(malformed(name, message)
                .with_related(root.name.span, "the file's element is this one")
                .with_help("one file holds one element with all others inside it")
                .into());
        }
        if self.open.len() >= MAX_DEPTH {
            return refuse(format!("elements are nested more than {MAX_DEPTH} deep"));
        }
        if self.document.nodes.len() >= MAX_ELEMENTS {
            return refuse(format!("the file has more than {MAX_ELEMENTS} elements"));
        }
        Ok(())
    }

    /// Takes the innermost open element off; its last byte is before `end`.
    fn close(&mut self, end: usize) {
        let count = offset(self.document.nodes.len());
        if let Some(open) = self.open.pop() {
            self.bindings.truncate(open.bindings);
            if let Some(node) = self.document.nodes.get_mut(open.index as usize) {
                node.span.end = offset(end);
                node.subtree_end = count;
            }
        }
    }

    fn end(&mut self, name: &str, start: usize, end: usize) -> Result<(), Fatal> {
        let place = Span::new(start, end);
        let Some(open) = self.innermost() else {
            return Err(malformed(place, format!("`</{name}>` closes nothing: no element is open"))
                .with_help("remove the end tag")
                .into());
        };
        let expected = self.slice(open.name.span);
        if expected == name {
            self.close(end);
            return Ok(());
        }
        if !tag::is_name(name) {
            let message =
                format!("expected `</{expected}>`, found an end tag that is not closed or has no name");
            return Err(malformed(self.first_line(place), message)
                .with_related(open.name.span, format!("`<{expected}>` is opened here"))
                .into());
        }
        let outer =
            self.open.iter().rev().skip(1).filter_map(|open| self.document.nodes.get(open.index as usize));
        let problem = malformed(place, format!("expected `</{expected}>`, found `</{name}>`"))
            .with_related(open.name.span, format!("`<{expected}>` is opened here"));
        Err(match outer.map(|node| node.name.span).find(|span| self.slice(*span) == name) {
            Some(span) => problem
                .with_related(span, format!("`</{name}>` would close this one"))
                .with_help(format!("add `</{expected}>` before it")),
            None => problem.with_help(format!("write `</{expected}>`")),
        }
        .into())
    }

    fn innermost(&self) -> Option<&Node> {
        self.document.nodes.get(self.open.last()?.index as usize)
    }

    fn comment(&self, start: usize, end: usize) -> Result<(), Fatal> {
        let (open, close) = ("<!--".len(), "-->".len());
        let inside = self.text.get(start + open..end.saturating_sub(close)).unwrap_or_default();
        // `<!--a--->` ends in three, of which the first belongs to the comment.
        let at = inside.find("--").or(inside.ends_with('-').then(|| inside.len() - 1));
        at.map_or(Ok(()), |at| {
            let place = Span::new(start + open + at, start + open + at + 2);
            let help = "write something else, such as `==`; comments cannot stand in one another";
            Err(malformed(place, "`--` is not allowed inside a comment").with_help(help).into())
        })
    }

    fn text(&mut self, start: usize, end: usize) -> Result<(), Fatal> {
        let text = self.slice(Span::new(start, end));
        if let Some(at) = text.find("]]>") {
            let place = Span::new(start + at, start + at + 3);
            return Err(malformed(place, "`]]>` ends no CDATA section")
                .with_help("write `<![CDATA[` where it begins, or `]]&gt;` for the text itself")
                .into());
        }
        if self.open.is_empty() {
            return match text.find(|found: char| !found.is_whitespace() && found != '\u{feff}') {
                None => Ok(()),
                Some(at) => Err(self.outside(start + at)),
            };
        }
        // Blanks behind a child are layout; those in front of the first one go when it comes.
        let blank = text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        if blank && self.has_children() && self.last_text().is_none_or(|last| last.span.end != offset(start))
        {
            return Ok(());
        }
        self.append(start, end, Mode::Text);
        Ok(())
    }

    fn reference(&mut self, name: &str, start: usize, end: usize) -> Result<(), Fatal> {
        if self.open.is_empty() {
            return Err(self.outside(start));
        }
        if decode::resolve(name).is_none() {
            let rest = self.text.get(start..).unwrap_or_default();
            return Err(Box::new(tag::bad_reference(rest, start)));
        }
        self.append(start, end, Mode::Text);
        Ok(())
    }

    fn cdata(&mut self, start: usize, end: usize) -> Result<(), Fatal> {
        if self.open.is_empty() {
            return Err(self.outside(start));
        }
        let (open, close) = ("<![CDATA[".len(), "]]>".len());
        self.append(start + open, end.saturating_sub(close), Mode::Cdata);
        Ok(())
    }

    /// Adds a piece of text to the innermost element; a reference joins the text that it touches.
    fn append(&mut self, start: usize, end: usize, mode: Mode) {
        let Some(owner) = self.open.last().map(|open| open.index as usize) else { return };
        let index = offset(self.document.texts.len());
        let Some(node) = self.document.nodes.get_mut(owner) else { return };
        let last = node.last_text;
        match self.document.texts.get_mut(last as usize) {
            Some(piece) if mode == Mode::Text && piece.mode == mode && piece.span.end == offset(start) => {
                piece.span.end = offset(end);
                return;
            }
            Some(piece) => piece.next = index,
            None => node.first_text = index,
        }
        node.last_text = index;
        self.document.texts.push(TextNode { span: Span::new(start, end), next: NONE, mode });
    }

    fn has_children(&self) -> bool {
        self.open.last().is_some_and(|open| open.index as usize + 1 != self.document.nodes.len())
    }

    fn last_text(&self) -> Option<&TextNode> {
        self.document.texts.get(self.innermost()?.last_text as usize)
    }

    /// Forgets the blanks between a start tag and the first child: layout, not text.
    fn drop_blank_text(&mut self) {
        let Some(owner) = self.open.last().map(|open| open.index as usize) else { return };
        let Some(node) = self.document.nodes.get_mut(owner) else { return };
        let only = node.first_text != NONE
            && node.first_text == node.last_text
            && node.first_text as usize + 1 == self.document.texts.len();
        let blank = |piece: &TextNode| {
            piece.mode == Mode::Text
                && self
                    .text
                    .get(piece.span.start as usize..piece.span.end as usize)
                    .is_some_and(|text| text.trim().is_empty())
        };
        if only && self.document.texts.last().is_some_and(blank) {
            node.first_text = NONE;
            node.last_text = NONE;
            self.document.texts.pop();
        }
    }

    fn finish(&mut self) -> Result<(), Fatal> {
        if let Some(node) = self.innermost() {
            let name = self.slice(node.name.span);
            let message = format!("the file ends before `<{name}>` is closed");
            let place = self.text.trim_end().len();
            return Err(malformed(Span::new(place, place), message)
                .with_related(node.name.span, format!("`<{name}>` is opened here"))
                .with_help(format!("add `</{name}>`, or restore what is missing behind the last line"))
                .into());
        }
        if self.document.nodes.is_empty() {
            let blank = self.text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty();
            let what = if blank { "the file is empty" } else { "the file has no element" };
            let message = format!("{what}; expected `<Protocol>`");
            return Err(malformed(Span::new(0, 0), message).into());
        }
        Ok(())
    }

    /// Text before or behind the root element.
    fn outside(&self, at: usize) -> Fatal {
        let rest = self.text.get(at..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let shown = line.get(..line.find('<').filter(|at| *at > 0).unwrap_or(line.len())).unwrap_or_default();
        let place = Span::new(at, at + shown.trim_end().len());
        match self.document.nodes.first() {
            Some(root) => {
                let message = format!("text behind the end of `<{}>`", self.slice(root.name.span));
                malformed(place, message)
                    .with_related(root.name.span, "the file's element is this one")
                    .with_help("remove it")
            }
            None => malformed(place, "text in front of the first element").with_help("remove it"),
        }
        .into()
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn first_line(&self, span: Span) -> Span {
        let length = self.slice(span).lines().next().unwrap_or_default().trim_end().len();
        Span { start: span.start, end: span.start + offset(length) }
    }

    /// Says what the reader's error means at its place, in our words.
    fn failure(&self, error: &Error, at: usize) -> Fatal {
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.get(..9).is_some_and(|word| word.eq_ignore_ascii_case("<!DOCTYPE")) {
            return doctype(at, at + rest.lines().next().unwrap_or_default().len());
        }
        // A start that is cut short may be followed by a wider character: the span ends at a border.
        let opening = |length: usize| {
            let length = (0..=length.min(rest.len())).rev().find(|end| rest.is_char_boundary(*end));
            Span::new(at, at + length.unwrap_or_default())
        };
        match error {
            Error::Syntax(syntax) => match syntax {
                SyntaxError::UnclosedTag
                | SyntaxError::UnclosedSingleQuotedAttributeValue
                | SyntaxError::UnclosedDoubleQuotedAttributeValue => self.unclosed_tag(at),
                SyntaxError::UnclosedComment => {
                    malformed(opening(4), "the comment is not closed").with_help("end it with `-->`").into()
                }
                SyntaxError::UnclosedCData => malformed(opening(9), "the CDATA section is not closed")
                    .with_help("end it with `]]>`")
                    .into(),
                SyntaxError::UnclosedPI | SyntaxError::UnclosedXmlDecl => {
                    malformed(opening(2), "the instruction is not closed")
                        .with_help("end it with `?>`")
                        .into()
                }
                SyntaxError::UnclosedDoctype | SyntaxError::InvalidBangMarkup => {
                    malformed(opening(2), "`<!` begins neither a comment nor a CDATA section")
                        .with_help("write `<!--` or `<![CDATA[`, or `&lt;!` for the text itself")
                        .into()
                }
            },
            Error::IllFormed(IllFormedError::UnclosedReference) => {
                // The reader's place may be where it gave up; the sign stands at or before it.
                let sign = self.text.get(..=at).and_then(|text| text.rfind('&')).unwrap_or(at);
                let rest = self.text.get(sign..).unwrap_or_default();
                Box::new(tag::bad_reference(rest, sign))
            }
            other => malformed(opening(1), format!("not well-formed: {other}")).into(),
        }
    }

    /// A tag for which the reader found no end.
    fn unclosed_tag(&self, at: usize) -> Fatal {
        if self.text.get(at..).is_some_and(|rest| rest.starts_with("</")) {
            let place = self.first_line(Span::new(at, self.text.len()));
            return malformed(place, "the file ends inside an end tag").with_help("end it with `>`").into();
        }
        match tag::scan(self.text, at, self.text.len(), &mut Vec::new()) {
            Err(fatal) => fatal,
            Ok(name) => malformed(name, format!("the tag `<{}` is not closed", self.slice(name))).into(),
        }
    }
}

fn doctype(start: usize, end: usize) -> Fatal {
    Diagnostic::new(Code::DoctypeRefused, Span::new(start, end), "a document type declaration is not allowed")
        .with_help("remove it; entities are not expanded, and external files are never read")
        .into()
}

/// The first character that XML forbids, with its place.
fn forbidden_character(text: &str) -> Option<(usize, char)> {
    // Those beyond ASCII are two, U+FFFE and U+FFFF, whose first byte is this one.
    let suspicious = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0xef;
    let mut places = text.bytes().enumerate().filter(|(_, byte)| suspicious(*byte)).map(|(at, _)| at);
    places.find_map(|at| {
        let character = text.get(at..)?.chars().next()?;
        (!decode::is_allowed(character)).then_some((at, character))
    })
}
