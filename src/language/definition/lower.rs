//! Takes a document apart into what the author wrote; reports nothing and resolves nothing.

mod connection;
mod logic;
mod message;

use connection::{connections, session};
use logic::{action, group, pair, script, timer, trigger};
use message::{ignore, mapping};

use crate::language::definition::connection::{Settings, Thread};
use crate::language::definition::message::{Command, Response};
use crate::language::definition::param::{
    ArrayOptions, ColumnOption, Crc, Exception, Interprete, Other, Param,
};
use crate::language::definition::{Definition, Id, Text, Unreadable};
use crate::language::schema::{self, Owner};
use crate::language::xml::{Document, Element, Namespace};

/// Takes a well-formed document apart; `None` if it has no root element.
pub fn lower(document: &Document) -> Option<Definition<'_>> {
    let root = document.root()?;
    let mut unreadable = Vec::new();
    let mut params = items(root, &["Params"], "Param", &mut unreadable, param);
    // A `Param` beside `Params` occurs in real files; `schema` says that it is in the wrong place.
    params.extend(root.children_named("Param").filter_map(|element| Some(param(element, id(element)?))));
    Some(Definition {
        span: root.tag_span(),
        name: text(root, "Name"),
        version: text(root, "Version"),
        connections: connections(root),
        threads: root
            .children_named("Threads")
            .flat_map(|section| section.children_named("Thread"))
            .map(|thread| Thread { connection: value(thread, "connection"), id: id(thread) })
            .collect(),
        params,
        commands: items(root, &["Commands"], "Command", &mut unreadable, command),
        responses: items(root, &["Responses"], "Response", &mut unreadable, response),
        ignores: root
            .children_named("Responses")
            .flat_map(|section| section.our_children("Ignore"))
            .map(ignore)
            .collect(),
        pairs: items(root, &["Pairs"], "Pair", &mut unreadable, pair),
        sessions: items(root, &["HTTP", "Http"], "Session", &mut unreadable, session),
        groups: items(root, &["Groups"], "Group", &mut unreadable, group),
        triggers: items(root, &["Triggers"], "Trigger", &mut unreadable, trigger),
        actions: items(root, &["Actions"], "Action", &mut unreadable, action),
        timers: items(root, &["Timers"], "Timer", &mut unreadable, timer),
        scripts: root
            .children_named("QActions")
            .flat_map(|section| section.children_named("QAction"))
            .map(script)
            .collect(),
        unreadable,
    })
}

/// All items of a kind in all sections of its name.
fn items<'a, T>(
    root: Element<'a>,
    sections: &[&'a str],
    name: &'static str,
    unreadable: &mut Vec<Unreadable>,
    read: impl Fn(Element<'a>, Id) -> T,
) -> Vec<T> {
    let mut found = Vec::new();
    let mut lost = Vec::new();
    for section in root.children().filter(|child| sections.iter().any(|name| child.is(name))) {
        // Items are large, so that a list that grows step by step costs more than counting first.
        found.reserve_exact(section.children_named(name).count());
        for element in section.children_named(name) {
            match id(element) {
                Some(id) => found.push(read(element, id)),
                None => unreadable.push(Unreadable { kind: name, id: None }),
            }
        }
        // Something that is nearly called like an item may be one that is referred to.
        lost.extend(section.children().filter(|child| is_slip_of(*child, &[name])));
    }
    let slips =
        root.children().take(MAX_SECTIONS).filter(|child| !child.is(name) && is_slip_of(*child, sections));
    lost.extend(slips.flat_map(|section| section.children()));
    unreadable.extend(
        lost.into_iter().map(|element| Unreadable { kind: name, id: id(element).map(|id| id.value) }),
    );
    found
}

/// How many children of the root are looked at for misspelt sections; the language has fewer than a hundred.
const MAX_SECTIONS: usize = 200;

/// Whether an element has no name of the language and is called nearly like one of some; `schema` reports it.
fn is_slip_of(element: Element<'_>, names: &[&str]) -> bool {
    element.namespace() == Namespace::Original
        && !names.contains(&element.name())
        && schema::PROTOCOL.child(Owner::Original, element.name()).is_none()
        && schema::did_you_mean(element.name(), names.iter().copied()).is_some()
}

fn id(element: Element<'_>) -> Option<Id> {
    number(element, "id")
}

/// The text of a child.
fn text<'a>(element: Element<'a>, name: &str) -> Option<Text<'a>> {
    element.child(name).and_then(Text::of)
}

/// The text of a child with its blanks.
fn free<'a>(element: Element<'a>, name: &str) -> Option<Text<'a>> {
    element.child(name).and_then(Text::free)
}

/// An attribute.
fn value<'a>(element: Element<'a>, name: &str) -> Option<Text<'a>> {
    element.attribute(name).map(Text::value).filter(|text| !text.value.is_empty())
}

/// An attribute that this runtime adds.
fn our_value<'a>(element: Element<'a>, name: &str) -> Option<Text<'a>> {
    element.our_attribute(name).map(Text::value)
}

/// An attribute that is a number.
fn number(element: Element<'_>, name: &str) -> Option<Id> {
    element.attribute(name).and_then(|attribute| Text::value(attribute).parse())
}

/// A text that is a number.
fn number_in(element: Element<'_>) -> Option<Id> {
    Text::of(element).and_then(|text| text.parse())
}

/// The numbers in the children of a name below `Content`.
fn content(element: Element<'_>, name: &'static str) -> Vec<Id> {
    element
        .children_named("Content")
        .flat_map(|content| content.children_named(name))
        .filter_map(number_in)
        .collect()
}

/// All attributes of the language or of ours, as they stand.
fn settings(element: Element<'_>) -> Settings<'_> {
    let known = |namespace| matches!(namespace, Namespace::Original | Namespace::Ours);
    let values = element
        .attributes()
        .filter(|attribute| known(attribute.namespace()))
        .map(|attribute| (attribute.name(), Text::value(attribute)))
        .collect();
    Settings { span: element.tag_span(), values }
}

fn param(element: Element<'_>, id: Id) -> Param<'_> {
    let kind = element.child("Type");
    Param {
        span: element.tag_span(),
        id,
        name: text(element, "Name"),
        description: text(element, "Description"),
        kind: kind.and_then(Text::of),
        kind_id: kind.and_then(|kind| value(kind, "id")),
        kind_options: kind.and_then(|kind| value(kind, "options")),
        save: value(element, "save"),
        setter: value(element, "setter"),
        secret: our_value(element, "secret"),
        watch: our_value(element, "watch"),
        interprete: Box::new(element.child("Interprete").map(interprete).unwrap_or_default()),
        crc: element.child("CRC").map(crc),
        length_of: element.child("Length").map(|length| content(length, "Param")).unwrap_or_default(),
        discreets: element
            .child("Measurement")
            .and_then(|measurement| measurement.child("Discreets"))
            .into_iter()
            .flat_map(|discreets| discreets.children_named("Discreet"))
            .map(|discreet| (text(discreet, "Value"), text(discreet, "Display")))
            .collect(),
        units: element.child("Display").and_then(|display| text(display, "Units")),
        array: element.child("ArrayOptions").map(array_options),
    }
}

fn interprete(element: Element<'_>) -> Interprete<'_> {
    let range = element.child("Range");
    let scale = element.child("Scale");
    let offset = element.child("OffSet");
    Interprete {
        value_type: text(element, "Type"),
        raw_type: text(element, "RawType"),
        length_type: text(element, "LengthType"),
        length_id: element.child("LengthType").and_then(id),
        length: text(element, "Length"),
        endian: text(element, "Endian"),
        default: free(element, "DefaultValue"),
        value: free(element, "Value"),
        exceptions: element
            .children_named("Exceptions")
            .flat_map(|list| list.children_named("Exception"))
            .map(|exception| Exception {
                value: value(exception, "value"),
                display: text(exception, "Display"),
                stored: text(exception, "Value"),
            })
            .collect(),
        others: element
            .children_named("Others")
            .flat_map(|list| list.children_named("Other"))
            .map(|other| Other {
                id: id(other),
                display: text(other, "Display"),
                stored: text(other, "Value"),
            })
            .collect(),
        low: range.and_then(|range| text(range, "Low")),
        high: range.and_then(|range| text(range, "High")),
        scale: scale.map(|scale| ["lowData", "highData", "low", "high"].map(|name| value(scale, name))),
        factor: text(element, "Factor"),
        offset: offset.and_then(Text::of),
        offset_id: offset.and_then(id),
        sequence: text(element, "Sequence"),
        decimals: text(element, "Decimals"),
        rounding: text(element, "Rounding"),
        base: text(element, "Base"),
        trim: element.child("Type").and_then(|kind| value(kind, "trim")),
        start_position: text(element, "StartPosition"),
        bits: text(element, "NbrOfBits"),
    }
}

fn crc(element: Element<'_>) -> Crc<'_> {
    let kind = element.child("Type");
    let attribute = |name| kind.and_then(|kind| value(kind, name));
    Crc {
        span: element.tag_span(),
        kind: kind.and_then(Text::of),
        byte_offset: attribute("byteoffset"),
        group_bytes: attribute("groupbytes"),
        offset: attribute("off"),
        modulo: attribute("mod"),
        total_offset: attribute("totaloffset"),
        options: attribute("options"),
        content: content(element, "Param"),
    }
}

fn array_options(element: Element<'_>) -> ArrayOptions<'_> {
    ArrayOptions {
        span: element.tag_span(),
        index: value(element, "index"),
        options: value(element, "options"),
        columns: element
            .children_named("ColumnOption")
            .map(|column| ColumnOption {
                span: column.tag_span(),
                idx: number(column, "idx"),
                pid: number(column, "pid"),
                kind: value(column, "type"),
                options: value(column, "options"),
            })
            .collect(),
    }
}

fn command(element: Element<'_>, id: Id) -> Command<'_> {
    Command {
        span: element.tag_span(),
        id,
        name: text(element, "Name"),
        kind: text(element, "WebSocketMessageType"),
        content: content(element, "Param"),
        template: element
            .children_named("Content")
            .find_map(|content| content.our_child("Template"))
            .and_then(Text::of),
    }
}

fn response(element: Element<'_>, id: Id) -> Response<'_> {
    Response {
        span: element.tag_span(),
        id,
        options: value(element, "options"),
        name: text(element, "Name"),
        content: content(element, "Param"),
        slip: element.children().any(|child| {
            child.namespace() == Namespace::Original
                && !matches!(child.name(), "Name" | "Description" | "Content")
        }),
        mapping: mapping(element),
    }
}
