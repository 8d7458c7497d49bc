//! Takes what is done with messages apart: `bs:Match`, `bs:Extract`, `bs:Rows`, `bs:Ignore`; resolves nothing.

use crate::language::definition::Text;
use crate::language::definition::lower::{number, our_value, value};
use crate::language::definition::message::{Cell, Extract, Format, How, Ignore, Mapping, Match, Rows};
use crate::language::xml::Element;

/// An attribute with its blanks.
fn whole<'a>(element: Element<'a>, name: &str) -> Option<Text<'a>> {
    element.attribute(name).map(Text::whole_value)
}

pub(super) fn mapping(element: Element<'_>) -> Mapping<'_> {
    Mapping {
        format: Format {
            format: our_value(element, "format"),
            separator: element.our_attribute("separator").map(Text::whole_value),
            header_row: our_value(element, "headerRow"),
        },
        matches: matches(element),
        extracts: element
            .our_children("Extract")
            .map(|found| Extract {
                span: found.tag_span(),
                path: value(found, "path"),
                pid: number(found, "pid"),
                how: how(found),
            })
            .collect(),
        rows: element.our_children("Rows").map(rows).collect(),
    }
}

fn matches(element: Element<'_>) -> Vec<Match<'_>> {
    element.our_children("Match").map(one_match).collect()
}

fn one_match(found: Element<'_>) -> Match<'_> {
    Match {
        span: found.tag_span(),
        path: value(found, "path"),
        header: value(found, "header"),
        status: value(found, "status"),
        equals: whole(found, "equals"),
        exists: value(found, "exists"),
        matches: whole(found, "matches"),
    }
}

pub(super) fn ignore(element: Element<'_>) -> Ignore<'_> {
    let own = one_match(element);
    let says = own.path.is_some() || own.equals.is_some() || own.exists.is_some() || own.matches.is_some();
    Ignore {
        span: element.tag_span(),
        connection: number(element, "connection"),
        matches: says.then_some(own).into_iter().chain(matches(element)).collect(),
    }
}

fn how(element: Element<'_>) -> How<'_> {
    How {
        default: whole(element, "default"),
        form: value(element, "type"),
        map: whole(element, "map"),
        divisor: value(element, "divisor"),
        scale: value(element, "scale"),
        on_error: value(element, "onError"),
    }
}

fn rows(element: Element<'_>) -> Rows<'_> {
    Rows {
        span: element.tag_span(),
        path: value(element, "path"),
        table: number(element, "table"),
        mode: value(element, "mode"),
        limit: value(element, "limit"),
        absent: value(element, "absent"),
        cells: element
            .our_children("Cell")
            .map(|cell| Cell {
                span: cell.tag_span(),
                path: value(cell, "path"),
                part: value(cell, "part"),
                up: value(cell, "up"),
                pid: number(cell, "pid"),
                join: whole(cell, "join"),
                how: how(cell),
            })
            .collect(),
    }
}
