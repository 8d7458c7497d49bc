//! XML messages as trees that XPath is evaluated on, with a bound on the work; judges no value.
//!
//! The text is read by the reader of definitions, which takes no document type and so no entities but the five. Names match
//! without their namespace: `level` finds `<level>` in any, `x:level` only what is written with that prefix.

use std::cell::Cell;
use std::cmp::Ordering;

use encoding_rs::Encoding;
use xpath_eval::{EvaluationContext, ExpandedName, NodeKind, Value as Outcome, evaluate};

use crate::language::diagnostic::{Code, Severity};
use crate::language::model::message::XPath;
use crate::language::source::Source;
use crate::language::xml::{self, Element};

/// How many elements, attributes and texts a message may have, 32 bytes each.
const MAX_NODES: usize = 1 << 18;

/// How many steps one path may take: nodes looked at, and every four bytes of a text that is read.
pub(super) const FUEL: usize = 1 << 22;

/// How many steps all paths of one list may take together.
pub(super) const LIST_FUEL: usize = 1 << 25;

/// A part of a message, in the order of the text.
#[derive(Clone, Copy, Debug)]
struct Part {
    kind: NodeKind,
    parent: u32,
    /// After the last part below it.
    end: u32,
    /// Where its name stands among the names, and how long its prefix is, colon included.
    name: (u32, u32, u16),
    /// What its text is: of elements, that of all below.
    text: (u32, u32),
}

/// A message in XML.
#[derive(Debug)]
pub(super) struct Tree {
    // Invariant: the first is the root; attributes stand behind their element and before its children.
    parts: Vec<Part>,
    names: String,
    /// The texts in order, so that the text of an element is one piece.
    texts: String,
    values: String,
}

impl Tree {
    /// Reads a message, or says what it is instead of XML.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = text_of(bytes).ok_or("not text in its encoding")?;
        let (document, problems) = xml::parse(&Source::new("message", text));
        let fatal = problems.iter().find(|problem| problem.severity == Severity::Error);
        let Some(root) = document.root() else {
            return Err(match fatal.map(|problem| problem.code) {
                Some(Code::DoctypeRefused) => "a document type, which is never read",
                Some(Code::TooLarge) => "too large, or nested too deep",
                Some(_) | None => "no well-formed XML",
            });
        };
        let mut tree =
            Self { parts: Vec::new(), names: String::new(), texts: String::new(), values: String::new() };
        tree.push(NodeKind::Root, 0, (0, 0, 0))?;
        tree.element(root, 0)?;
        tree.close(0);
        Ok(tree)
    }

    fn push(&mut self, kind: NodeKind, parent: usize, name: (u32, u32, u16)) -> Result<usize, &'static str> {
        let index = self.parts.len();
        if index >= MAX_NODES {
            return Err("too many elements, attributes and texts");
        }
        let at = narrow(self.texts.len());
        self.parts.push(Part { kind, parent: narrow(parent), end: narrow(index + 1), name, text: (at, at) });
        Ok(index)
    }

    fn close(&mut self, index: usize) {
        let (end, text) = (narrow(self.parts.len()), narrow(self.texts.len()));
        if let Some(part) = self.parts.get_mut(index) {
            part.end = end;
            part.text.1 = text;
        }
    }

    fn name(&mut self, full: &str, local: &str) -> (u32, u32, u16) {
        let start = self.names.len();
        self.names.push_str(full);
        let prefix = u16::try_from(full.len() - local.len().min(full.len())).unwrap_or(u16::MAX);
        (narrow(start), narrow(self.names.len()), prefix)
    }

    /// Adds an element with all below; as deep as the reader lets elements nest.
    fn element(&mut self, element: Element<'_>, parent: usize) -> Result<(), &'static str> {
        let name = self.name(element.full_name(), element.name());
        let index = self.push(NodeKind::Element, parent, name)?;
        for attribute in element.attributes() {
            let name = self.name(attribute.full_name(), attribute.name());
            let at = self.push(NodeKind::Attribute, index, name)?;
            let start = narrow(self.values.len());
            self.values.push_str(&attribute.value().value);
            if let Some(part) = self.parts.get_mut(at) {
                part.text = (start, narrow(self.values.len()));
            }
        }
        let mut pieces = element.pieces().peekable();
        for child in element.children() {
            while let Some(piece) = pieces.next_if(|piece| piece.span.start < child.span().start) {
                self.text(&piece.value, index)?;
            }
            self.element(child, index)?;
        }
        for piece in pieces {
            self.text(&piece.value, index)?;
        }
        self.close(index);
        Ok(())
    }

    /// Adds a text; what follows a text without an element between is one with it.
    fn text(&mut self, text: &str, parent: usize) -> Result<(), &'static str> {
        if text.is_empty() {
            return Ok(());
        }
        let last = self.parts.len().saturating_sub(1);
        let goes_on = self
            .parts
            .last()
            .is_some_and(|part| part.kind == NodeKind::Text && part.parent as usize == parent);
        let index = if goes_on { last } else { self.push(NodeKind::Text, parent, (0, 0, 0))? };
        self.texts.push_str(text);
        self.close(index);
        Ok(())
    }
}

/// A position as a part has it: messages are smaller than 4 GiB.
fn narrow(wide: usize) -> u32 {
    u32::try_from(wide).unwrap_or(u32::MAX)
}

/// The text of a message: UTF-8, or else in the encoding that its declaration names.
fn text_of(bytes: &[u8]) -> Option<String> {
    /// A declaration is shorter than that.
    const DECLARATION: usize = 200;
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text.to_owned());
    }
    let (encoding, _) = Encoding::for_bom(bytes).or_else(|| {
        let head = String::from_utf8_lossy(bytes.get(..DECLARATION.min(bytes.len()))?).into_owned();
        let rest = head.strip_prefix("<?xml")?.split("?>").next()?.split_once("encoding")?.1;
        let rest = rest.trim_start().strip_prefix('=')?.trim_start();
        let quote = rest.chars().next()?;
        Some((Encoding::for_label(rest.get(1..)?.split(quote).next()?.as_bytes())?, 0))
    })?;
    let (text, _, had_errors) = encoding.decode(bytes);
    (!had_errors).then(|| text.into_owned())
}

/// A path found nothing in bounded time, or cannot be worked out on this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    TooMuch,
    NoValue,
}

/// The evaluation of paths on one message, with what is left of the steps that it may take.
pub(super) struct Search<'t> {
    tree: &'t Tree,
    fuel: Cell<usize>,
}

/// What a path finds.
pub(super) enum Selected<'s> {
    /// Nodes, in the order of the text.
    Nodes(Vec<Node<'s>>),
    /// A value that was worked out.
    Value(serde_json::Value),
}

impl<'t> Search<'t> {
    pub(super) fn new(tree: &'t Tree, fuel: usize) -> Self {
        Self { tree, fuel: Cell::new(fuel) }
    }

    /// The whole message.
    pub(super) fn whole(&self) -> Node<'_> {
        Node { search: self, index: 0 }
    }

    /// What a path finds from a node on.
    pub(super) fn select<'s>(&'s self, path: &XPath, from: Node<'s>) -> Result<Selected<'s>, Trouble> {
        // A prefix stands for itself: messages declare theirs where authors cannot see it.
        let prefix = |prefix: &str| Some(prefix.to_owned());
        let mut context = EvaluationContext::new(from);
        context.namespaces = Some(&prefix);
        let found = evaluate(&path.expression, &context);
        if self.fuel.get() == 0 {
            return Err(Trouble::TooMuch);
        }
        match found.map_err(|_| Trouble::NoValue)? {
            Outcome::NodeSet(mut nodes) => {
                nodes.sort_unstable_by_key(|node| node.index);
                Ok(Selected::Nodes(nodes))
            }
            Outcome::Boolean(is) => Ok(Selected::Value(serde_json::Value::Bool(is))),
            Outcome::String(text) => Ok(Selected::Value(serde_json::Value::String(text))),
            Outcome::Number(number) => Ok(Selected::Value(number_of(number))),
        }
    }

    /// The text, flag or number that a path comes to; nothing if it finds no node.
    pub(super) fn value(&self, path: &XPath, from: Node<'_>) -> Result<Option<serde_json::Value>, Trouble> {
        let from = self.again(from);
        Ok(match self.select(path, from)? {
            Selected::Nodes(nodes) => {
                nodes.first().map(|node| serde_json::Value::String(node.text().to_owned()))
            }
            Selected::Value(value) => Some(value),
        })
    }

    /// The same node for further paths.
    pub(super) fn again(&self, node: Node<'_>) -> Node<'_> {
        Node { search: self, index: node.index }
    }

    fn burn(&self, steps: usize) -> bool {
        let left = self.fuel.get().saturating_sub(steps);
        self.fuel.set(left);
        left > 0
    }
}

/// A number as JSON has it, whole ones without a fraction; `null` for what is none.
fn number_of(number: f64) -> serde_json::Value {
    /// Two to the power of 53.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        return serde_json::Value::from(number as i64);
    }
    serde_json::Value::from(number)
}

/// A part of a message while paths are evaluated.
#[derive(Clone, Copy)]
pub(super) struct Node<'s> {
    search: &'s Search<'s>,
    index: u32,
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl Eq for Node<'_> {}

impl<'s> Node<'s> {
    fn part(self) -> Option<&'s Part> {
        self.search.tree.parts.get(self.index as usize)
    }

    fn at(self, index: u32) -> Self {
        Self { search: self.search, index }
    }

    /// The text of a node; empty when the steps are used up.
    pub(super) fn text(self) -> &'s str {
        let Some(part) = self.part() else { return "" };
        let arena =
            if part.kind == NodeKind::Attribute { &self.search.tree.values } else { &self.search.tree.texts };
        let text = arena.get(part.text.0 as usize..part.text.1 as usize).unwrap_or_default();
        if self.search.burn(text.len() / 4 + 1) { text } else { "" }
    }

    /// The name without its prefix.
    pub(super) fn local_name(self) -> &'s str {
        let full = self.full_name();
        full.get(usize::from(self.part().map_or(0, |part| part.name.2))..).unwrap_or(full)
    }

    fn full_name(self) -> &'s str {
        let Some(part) = self.part() else { return "" };
        self.search.tree.names.get(part.name.0 as usize..part.name.1 as usize).unwrap_or_default()
    }

    /// The parts directly below, attributes or all others.
    fn below(self, attributes: Attributes) -> impl Iterator<Item = Self> + 's {
        let end = self.part().map_or(0, |part| if part.kind == NodeKind::Attribute { 0 } else { part.end });
        let mut next = self.index + 1;
        std::iter::from_fn(move || {
            while next < end && self.search.burn(1) {
                let node = self.at(next);
                let part = node.part()?;
                next = part.end;
                match (part.kind == NodeKind::Attribute, attributes) {
                    (true, Attributes::Only) | (false, Attributes::Not) => return Some(node),
                    // They stand before all children.
                    (false, Attributes::Only) => return None,
                    (true, Attributes::Not) => {}
                }
            }
            None
        })
    }
}

/// Which of the parts below an element are asked for.
#[derive(Clone, Copy)]
enum Attributes {
    Only,
    Not,
}

impl<'s> xpath_eval::Node<'s> for Node<'s> {
    fn kind(self) -> NodeKind {
        self.part().map_or(NodeKind::Text, |part| part.kind)
    }

    fn parent(self) -> Option<Self> {
        let part = self.part().filter(|_| self.index > 0 && self.search.burn(1))?;
        Some(self.at(part.parent))
    }

    fn children(self) -> impl Iterator<Item = Self> + 's {
        self.below(Attributes::Not)
    }

    fn attributes(self) -> impl Iterator<Item = Self> + 's {
        self.below(Attributes::Only)
    }

    fn namespaces(self) -> impl Iterator<Item = Self> + 's {
        std::iter::empty()
    }

    fn expanded_name(self) -> Option<ExpandedName> {
        match self.kind() {
            NodeKind::Element | NodeKind::Attribute => {
                Some(ExpandedName { namespace_uri: None, local_name: self.local_name().to_owned() })
            }
            NodeKind::Root
            | NodeKind::Namespace
            | NodeKind::ProcessingInstruction
            | NodeKind::Comment
            | NodeKind::Text => None,
        }
    }

    fn string_value(self) -> String {
        self.text().to_owned()
    }

    fn document_order(self, other: Self) -> Ordering {
        self.index.cmp(&other.index)
    }

    fn has_expanded_name(self, prefix: Option<&str>, local: &str) -> bool {
        let own = self.full_name().strip_suffix(self.local_name()).unwrap_or_default();
        self.search.burn(1)
            && self.local_name() == local
            && prefix.is_none_or(|prefix| own.strip_suffix(':') == Some(prefix))
    }

    fn with_string_value<R>(self, f: impl FnOnce(&str) -> R) -> R {
        f(self.text())
    }
}

#[cfg(test)]
mod tests;
