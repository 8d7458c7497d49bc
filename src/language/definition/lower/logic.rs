//! Pairs, groups, triggers, actions, timers and scripts of a document; resolves nothing.

use crate::language::definition::connection::Settings;
use crate::language::definition::logic::{Action, Group, GroupItem, ItemKind, Pair, Script, Timer, Trigger};
use crate::language::definition::lower::{content, id, number, number_in, our_value, settings, text, value};
use crate::language::definition::{Id, Text};
use crate::language::source::{Places, Spanned};
use crate::language::xml::{Element, Namespace};

pub(super) fn pair(element: Element<'_>, id: Id) -> Pair<'_> {
    Pair {
        span: element.tag_span(),
        id,
        name: text(element, "Name"),
        condition: text(element, "Condition"),
        timeout: value(element, "timeout"),
        options: value(element, "options"),
        when_down: our_value(element, "whenDown"),
        commands: content(element, "Command"),
        responses: content(element, "Response"),
        bad_commands: content(element, "ResponseOnBadCommand"),
    }
}

pub(super) fn group(element: Element<'_>, id: Id) -> Group<'_> {
    Group {
        span: element.tag_span(),
        id,
        name: text(element, "Name"),
        condition: text(element, "Condition"),
        kind: text(element, "Type"),
        connection: number(element, "connection"),
        connection_pid: number(element, "connectionPID"),
        thread: number(element, "threadId"),
        items: element
            .children_named("Content")
            .flat_map(|content| content.children())
            .filter_map(group_item)
            .collect(),
    }
}

fn group_item(element: Element<'_>) -> Option<GroupItem<'_>> {
    let kind = match element.name() {
        "Param" => ItemKind::Param,
        "Pair" => ItemKind::Pair,
        "Session" => ItemKind::Session,
        "Action" => ItemKind::Action,
        "Trigger" => ItemKind::Trigger,
        _ => return None,
    };
    let words = Text::of(element).filter(|_| element.namespace() == Namespace::Original)?;
    // A polled parameter may say how: `25:table`.
    let own = words.split(':').first()?.value.parse().ok()?;
    Some(GroupItem {
        kind,
        id: Spanned::new(own, words.span),
        next: value(element, "next"),
        connection: number(element, "connection"),
    })
}

pub(super) fn trigger(element: Element<'_>, id: Id) -> Trigger<'_> {
    let on = element.child("On");
    let time = element.child("Time");
    Trigger {
        span: element.tag_span(),
        id,
        name: text(element, "Name"),
        condition: text(element, "Condition"),
        on: on.and_then(Text::of),
        on_id: on.and_then(|on| value(on, "id")),
        time: time.and_then(Text::of),
        guard: time.map_or(Settings { span: element.tag_span(), values: Vec::new() }, settings),
        kind: text(element, "Type"),
        content: element
            .children_named("Content")
            .flat_map(|content| content.children_named("Id"))
            .filter_map(|step| {
                let otherwise = value(step, "else").and_then(|text| text.flag()) == Some(true);
                Some((number_in(step)?, otherwise))
            })
            .collect(),
    }
}

pub(super) fn action(element: Element<'_>, id: Id) -> Action<'_> {
    let on = element.child("On");
    let kind = element.child("Type");
    Action {
        span: element.tag_span(),
        id,
        name: text(element, "Name"),
        condition: text(element, "Condition"),
        on: on.and_then(Text::of),
        on_id: on.and_then(|on| value(on, "id")),
        on_nr: on.and_then(|on| value(on, "nr")),
        kind: kind.and_then(Text::of),
        arguments: kind.map_or(Settings { span: element.tag_span(), values: Vec::new() }, settings),
    }
}

pub(super) fn timer(element: Element<'_>, id: Id) -> Timer<'_> {
    let time = element.child("Time");
    Timer {
        span: element.tag_span(),
        id,
        name: text(element, "Name"),
        condition: text(element, "Condition"),
        time: time.and_then(Text::of),
        initial: time.and_then(|time| value(time, "initial")),
        options: value(element, "options"),
        interval: text(element, "Interval"),
        groups: element
            .children_named("Content")
            .flat_map(|content| content.children_named("Group"))
            .filter_map(|group| {
                let words = Text::of(group)?;
                // `col:69:2` names a column of a table and the group to fall back to.
                let number = words.split(':').last()?.value.parse().ok()?;
                Some((Spanned::new(number, words.span), value(group, "next")))
            })
            .collect(),
    }
}

pub(super) fn script(element: Element<'_>) -> Script<'_> {
    let body = Text::free(element).filter(|text| !text.value.trim().is_empty());
    Script {
        span: element.tag_span(),
        id: id(element),
        name: value(element, "name"),
        encoding: value(element, "encoding"),
        triggers: value(element, "triggers"),
        inputs: value(element, "inputParameters"),
        options: value(element, "options"),
        row: value(element, "row"),
        entries: value(element, "entryPoint"),
        include: value(element, "include"),
        src: our_value(element, "src").filter(|text| !text.value.is_empty()),
        condition: text(element, "Condition"),
        places: if body.is_some() { element.places() } else { Places::default() },
        body,
    }
}
