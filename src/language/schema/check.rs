//! Whether a text fits a kind, and which of its words are not run; reports nothing itself.

use std::ops::Range;

use super::enumerations::Enumeration;
use super::{Choice, Kind, Run, did_you_mean, value, with_article};

/// Why a text does not fit.
pub(super) struct Fault {
    /// What it should be, to stand behind "expected".
    pub(super) expected: String,
    /// Which bytes of the text are at fault.
    pub(super) part: Range<usize>,
    /// What to do about it.
    pub(super) help: Option<String>,
}

/// What is wrong with a trimmed text that is not empty.
pub(super) fn fault(kind: Kind, text: &str) -> Option<Fault> {
    let expected =
        |expected: &str| Some(Fault { expected: expected.to_owned(), part: 0..text.len(), help: None });
    match kind {
        Kind::Nothing | Kind::Text | Kind::Opaque => None,
        Kind::Flag => match value::flag(text) {
            Some(_) => None,
            None => meant(expected("`true` or `false`"), flag_meant(text)),
        },
        Kind::Integer { min, max } => match value::integer(text) {
            Some(number) if (min..=max).contains(&number) => None,
            _ => expected(&format!("a whole number from {min} to {max}")),
        },
        Kind::Milliseconds { min, max } => match value::integer(text) {
            Some(number) if (min..=max).contains(&number) => None,
            _ => {
                meant(expected(&format!("a number of milliseconds from {min} to {max}")), millis_meant(text))
            }
        },
        Kind::Decimal => match value::decimal(text) {
            Some(_) => None,
            None => expected("a number"),
        },
        Kind::Id(_) => match value::id(text) {
            Some(_) => None,
            None if value::integer(text).is_some() => expected("a whole number up to 2147483647"),
            None => expected("a whole number"),
        },
        Kind::Reference(item) => match value::id(text) {
            Some(_) => None,
            None => expected(&format!("the id of {}", item.with_article())),
        },
        Kind::References(item, separator) => value::options(text, separator)
            .find(|(_, part)| value::id(part).is_none())
            .map(|(at, part)| Fault {
                expected: format!("ids of {}s, separated by `{separator}`,", item.name()),
                part: at..at + part.len(),
                help: None,
            }),
        Kind::Enumeration(table) => enumeration_fault(table, text),
        Kind::Options(choices) => option_fault(choices, text),
    }
}

fn enumeration_fault(table: &'static Enumeration, text: &str) -> Option<Fault> {
    if table.find(text).is_some() {
        return None;
    }
    let names = || table.values.iter().map(|word| word.name);
    let help = match did_you_mean(text, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("one of `{}`", names().collect::<Vec<_>>().join("`, `")),
    };
    Some(Fault { expected: with_article(table.what), part: 0..text.len(), help: Some(help) })
}

fn meant(fault: Option<Fault>, meant: Option<String>) -> Option<Fault> {
    let help = meant.map(|meant| format!("write `{meant}`"));
    fault.map(|fault| Fault { help, ..fault })
}

fn flag_meant(text: &str) -> Option<String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "1" | "on" => Some("true".to_owned()),
        "no" | "0" | "off" => Some("false".to_owned()),
        _ => None,
    }
}

/// A time with its unit, as milliseconds.
fn millis_meant(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = match lower.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (lower.strip_suffix('s')?, 1_000),
    };
    Some(number.trim().parse::<i64>().ok()?.checked_mul(unit)?.to_string())
}

/// Only a slip near a known option is one: there are more options than the table has.
fn option_fault(choices: &'static [Choice], text: &str) -> Option<Fault> {
    for (at, part) in value::options(text, value::separator(text)) {
        if choice(choices, part).is_some() {
            continue;
        }
        let name = part.split([':', '=']).next().unwrap_or(part).trim();
        let known = choices.iter().map(|choice| choice.name.trim_end_matches([':', '=']));
        // One slip is one character, so at most four bytes; a long word is not worth comparing.
        let meant = known.clone().find(|known| {
            name.len().abs_diff(known.len()) <= 4
                && strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase()) == 1
        });
        if let Some(meant) = meant {
            let help = Some(format!("did you mean `{meant}`?"));
            return Some(Fault { expected: "an option".to_owned(), part: at..at + part.len(), help });
        }
    }
    None
}

/// The entry for an option.
fn choice(choices: &'static [Choice], part: &str) -> Option<&'static Choice> {
    choices.iter().find(|choice| {
        part.get(..choice.name.len()).is_some_and(|head| head.eq_ignore_ascii_case(choice.name))
    })
}

/// What options are called in the portability report that the table does not have: the original has more.
const UNKNOWN_OPTIONS: &str = "options that this runtime does not know";

/// The features that the words of a fitting text name and that are not run, each with the place and length of its word.
pub(super) fn features(kind: Kind, text: &str) -> Vec<(&'static str, usize, usize)> {
    let feature = |run: Run| match run {
        Run::No(feature) => Some(feature),
        Run::Yes | Run::Remark => None,
    };
    match kind {
        Kind::Enumeration(table) => {
            let word = table.find(text).and_then(|word| feature(word.run));
            word.map(|feature| (feature, 0, text.len())).into_iter().collect()
        }
        Kind::Options(choices) => value::options(text, value::separator(text))
            .filter_map(|(at, part)| match choice(choices, part) {
                Some(known) => Some((feature(known.run)?, at, part.len())),
                None => Some((UNKNOWN_OPTIONS, at, part.len())),
            })
            .collect(),
        Kind::Nothing
        | Kind::Text
        | Kind::Flag
        | Kind::Integer { .. }
        | Kind::Decimal
        | Kind::Milliseconds { .. }
        | Kind::Id(_)
        | Kind::Reference(_)
        | Kind::References(..)
        | Kind::Opaque => Vec::new(),
    }
}
