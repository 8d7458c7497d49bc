//! Every element and attribute of the language as data: where it stands, what it holds, whether it is run; resolves no reference.
//!
//! The one table feeds the walker ([`validate`]), the XSD, the reference page and, through [`enumerations`] and [`value`],
//! the later stages, so that none of them can disagree about a name. Start at [`PROTOCOL`].

pub mod bounds;
mod check;
pub mod enumerations;
mod reference;
mod suggest;
mod table;
mod validate;
pub mod value;
mod xsd;

pub use reference::reference_page;
pub use suggest::did_you_mean;
pub use table::PROTOCOL;
pub use validate::validate;
pub use xsd::{xsd, xsd_extensions, xsd_namespaced};

use enumerations::Enumeration;

/// Whose name an element or attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The original language's: no namespace, or its own.
    Original,
    /// An addition in `urn:backshell:1`.
    Ours,
}

/// Whether something has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It does what the page says.
    Yes,
    /// It is read and has no effect; the words name the feature in the portability report.
    No(&'static str),
    /// It is a remark for people, shown or not; nothing could be expected of it.
    Remark,
}

/// What ids and references are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A parameter.
    Param,
    /// A command.
    Command,
    /// A response.
    Response,
    /// A command with its responses.
    Pair,
    /// A group.
    Group,
    /// A trigger.
    Trigger,
    /// An action.
    Action,
    /// A timer.
    Timer,
    /// An HTTP session.
    Session,
    /// A script.
    QAction,
    /// A connection, by its index.
    Connection,
    /// A further queue.
    Thread,
    /// An exchange of a session, an exception and the like: counted inside their parent only.
    Local,
}

impl Item {
    /// What it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Param => "parameter",
            Self::Command => "command",
            Self::Response => "response",
            Self::Pair => "pair",
            Self::Group => "group",
            Self::Trigger => "trigger",
            Self::Action => "action",
            Self::Timer => "timer",
            Self::Session => "session",
            Self::QAction => "script",
            Self::Connection => "connection",
            Self::Thread => "thread",
            Self::Local => "item",
        }
    }

    /// Its name with "a" or "an".
    pub fn with_article(self) -> String {
        with_article(self.name())
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// What the text of an element or the value of an attribute may be.
///
/// Blanks around every kind but [`Kind::Text`] are ignored, and so is a value that is empty.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// No text: elements only, or nothing.
    Nothing,
    /// Any text; the later stages look closer where it has a form of its own, such as a condition.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number in a range, both ends included.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// A number with a decimal point or without.
    Decimal,
    /// A time in milliseconds in a range, both ends included.
    Milliseconds {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// The id by which the item around it is referred to.
    Id(Item),
    /// The id of an item.
    Reference(Item),
    /// Ids of items, separated by the character.
    References(Item, char),
    /// One of a list.
    Enumeration(&'static Enumeration),
    /// Options separated by `;`, often with a `;` in front.
    Options(&'static [Choice]),
    /// Anything, elements included; never looked into.
    Opaque,
}

/// One option of an option string; what follows `name` is its argument.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// How it begins, in lower case.
    pub name: &'static str,
    /// Whether it has an effect.
    pub run: Run,
    /// What it does.
    pub doc: &'static str,
}

/// How often an element may stand in its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Once; a second one is warned about and ignored.
    Once,
    /// Once, as a list of items; a second one is warned about and its items are added.
    Section,
    /// Any number of times.
    Many,
}

/// An element in its place.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// The element.
    pub element: &'static Element,
    /// How often it may stand there.
    pub count: Count,
    /// Whether the parent has no effect without it.
    pub required: bool,
}

/// An attribute in its place.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// The name without a prefix.
    pub name: &'static str,
    /// Whose name it is.
    pub owner: Owner,
    /// What its value may be.
    pub kind: Kind,
    /// Whether the element has no effect without it.
    pub required: bool,
    /// What holds without it, as it would be written; empty if nothing does.
    pub default: &'static str,
    /// Whether it has an effect.
    pub run: Run,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// The version of this runtime that has it first.
    pub since: &'static str,
}

/// An element of the language; one name in two places with different content is two of these.
#[derive(Debug)]
pub struct Element {
    /// The name without a prefix.
    pub name: &'static str,
    /// Whose name it is.
    pub owner: Owner,
    /// Names that older files or common slips have for it.
    pub old_names: &'static [&'static str],
    /// What its text may be.
    pub kind: Kind,
    /// What holds without it, as it would be written; empty if nothing does.
    pub default: &'static str,
    /// Its attributes.
    pub attributes: &'static [Attribute],
    /// The elements that may stand in it, in any order.
    pub children: &'static [Child],
    /// Whether it has an effect.
    pub run: Run,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// The version of this runtime that has it first.
    pub since: &'static str,
}

impl Element {
    /// The child of this name; `owner` tells an addition from an original of the same name.
    pub fn child(&self, owner: Owner, name: &str) -> Option<&'static Child> {
        self.children.iter().find(|child| child.element.owner == owner && child.element.name == name)
    }

    /// The attribute of this name.
    pub fn attribute(&self, owner: Owner, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.owner == owner && attribute.name == name)
    }
}

/// Every element of the table once, with the first path on which a reader meets it from [`PROTOCOL`] on.
pub fn elements() -> Vec<(String, &'static Element)> {
    let mut found: Vec<(String, &'static Element)> = Vec::new();
    let mut open: Vec<(String, &'static Element)> = vec![(PROTOCOL.name.to_owned(), &PROTOCOL)];
    while let Some((path, element)) = open.pop() {
        if found.iter().any(|(_, known)| std::ptr::eq(*known, element)) {
            continue;
        }
        open.extend(element.children.iter().rev().map(|child| {
            let prefix = if child.element.owner == Owner::Ours { "bs:" } else { "" };
            (format!("{path}/{prefix}{}", child.element.name), child.element)
        }));
        found.push((path, element));
    }
    found
}

const SINCE: &str = "0.1.0";

/// An element of the original language with nothing in it but text of a kind.
const fn element(name: &'static str, kind: Kind, doc: &'static str) -> Element {
    Element {
        name,
        owner: Owner::Original,
        old_names: &[],
        kind,
        default: "",
        attributes: &[],
        children: &[],
        run: Run::Yes,
        doc,
        since: SINCE,
    }
}

impl Element {
    const fn ours(mut self) -> Self {
        self.owner = Owner::Ours;
        self
    }

    const fn attributes(mut self, attributes: &'static [Attribute]) -> Self {
        self.attributes = attributes;
        self
    }

    const fn children(mut self, children: &'static [Child]) -> Self {
        self.children = children;
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    const fn old_names(mut self, names: &'static [&'static str]) -> Self {
        self.old_names = names;
        self
    }

    const fn not_run(mut self, feature: &'static str) -> Self {
        self.run = Run::No(feature);
        self
    }

    const fn remark(mut self) -> Self {
        self.run = Run::Remark;
        self
    }
}

/// An attribute of the original language.
const fn attribute(name: &'static str, kind: Kind, doc: &'static str) -> Attribute {
    Attribute {
        name,
        owner: Owner::Original,
        kind,
        required: false,
        default: "",
        run: Run::Yes,
        doc,
        since: SINCE,
    }
}

impl Attribute {
    const fn ours(mut self) -> Self {
        self.owner = Owner::Ours;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    const fn not_run(mut self, feature: &'static str) -> Self {
        self.run = Run::No(feature);
        self
    }

    const fn remark(mut self) -> Self {
        self.run = Run::Remark;
        self
    }
}

const fn once(element: &'static Element) -> Child {
    Child { element, count: Count::Once, required: false }
}

const fn needed(element: &'static Element) -> Child {
    Child { element, count: Count::Once, required: true }
}

const fn section(element: &'static Element) -> Child {
    Child { element, count: Count::Section, required: false }
}

const fn needed_section(element: &'static Element) -> Child {
    Child { element, count: Count::Section, required: true }
}

const fn needed_many(element: &'static Element) -> Child {
    Child { element, count: Count::Many, required: true }
}

const fn many(element: &'static Element) -> Child {
    Child { element, count: Count::Many, required: false }
}

const fn choice(name: &'static str, doc: &'static str) -> Choice {
    Choice { name, run: Run::Yes, doc }
}

impl Choice {
    const fn remark(mut self) -> Self {
        self.run = Run::Remark;
        self
    }

    const fn not_run(mut self, feature: &'static str) -> Self {
        self.run = Run::No(feature);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_row_has_unique_names_a_sentence_and_room_in_the_counter() {
        let all = elements();
        assert!(all.len() > 200, "only {} rows", all.len());
        for (path, element) in &all {
            assert!(element.doc.ends_with('.'), "{path} has no sentence");
            assert!(element.children.len() < 128, "{path} has too many children for `validate::Seen`");
            let children: BTreeSet<_> = element
                .children
                .iter()
                .map(|child| (child.element.owner as u8, child.element.name))
                .collect();
            assert_eq!(children.len(), element.children.len(), "{path} has two children of one name");
            let attributes: BTreeSet<_> =
                element.attributes.iter().map(|attribute| (attribute.owner as u8, attribute.name)).collect();
            assert_eq!(attributes.len(), element.attributes.len(), "{path} has two attributes of one name");
            for attribute in element.attributes {
                assert!(attribute.doc.ends_with('.'), "{path}@{} has no sentence", attribute.name);
            }
        }
    }

    #[test]
    fn defaults_fit_their_own_kind() {
        for (path, element) in elements() {
            let kinds = element.attributes.iter().map(|attribute| (attribute.kind, attribute.default));
            for (kind, default) in kinds.chain([(element.kind, element.default)]) {
                assert!(default.is_empty() || check::fault(kind, default).is_none(), "{path}: `{default}`");
            }
        }
    }

    #[test]
    fn an_attribute_of_our_own_is_the_same_wherever_it_stands() {
        let mut docs: BTreeMap<&str, &str> = BTreeMap::new();
        for attribute in elements().iter().flat_map(|(_, element)| element.attributes) {
            if attribute.owner == Owner::Ours {
                assert_eq!(
                    *docs.entry(attribute.name).or_insert(attribute.doc),
                    attribute.doc,
                    "{}",
                    attribute.name
                );
            }
        }
        assert_eq!(docs.len(), 9);
    }

    #[test]
    fn words_are_found_in_any_case_and_by_their_aliases() {
        use enumerations::{ActionType, ConnectionKind, Trim};
        assert_eq!(ActionType::parse(" Execute NEXT "), Some(ActionType::ExecuteNext));
        assert_eq!(ConnectionKind::parse("smart serial"), Some(ConnectionKind::SmartSerial));
        assert_eq!(Trim::parse("right;left"), Some(Trim::Both));
        assert_eq!(ActionType::parse("exceute"), None);
        for action in ActionType::ALL {
            assert_eq!(ActionType::parse(action.name()), Some(*action));
        }
    }
}
