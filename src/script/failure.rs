//! What went wrong in a script, in words, with places of the definition's files; decides nothing.

use std::fmt::Write as _;

use rquickjs::{CatchResultExt, CaughtError, Ctx, Error, Exception, Result};

use crate::engine::logic::script::{Failure, cut};
use crate::language::model::id::ScriptIx;
use crate::language::model::script::{Body, Dialect, Script, Scripts};
use crate::language::source::Position;
use crate::script::values;

/// What the texts are called that every context begins with; no file is called so.
pub(super) const OURS: &str = "backshell:own";

/// What QuickJS calls the text that `JSON.parse` reads.
const PARSED: &str = "<input>";

/// What a value is called that has no text.
pub(super) const NO_TEXT: &str = "a value without a text";

/// How many calls of a stack are kept.
const MAX_CALLS: usize = 16;

/// How long a message may be, in characters.
const MAX_TEXT: usize = 1_000;

/// What stands in front of the text of a `jscript`, on its first line.
pub(super) const CLASSIC_HEAD: &str = "(function (SLScript) {";

/// What a script is called where it runs; no file is called so.
pub(super) fn module_name(script: &Script) -> String {
    format!("QAction:{}", script.id)
}

/// A place in what QuickJS was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) module: String,
    pub(super) position: Position,
}

/// An error as QuickJS tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Thrown {
    pub(super) text: String,
    /// The calls, the innermost first: what, and where.
    pub(super) calls: Vec<(String, Option<Place>)>,
}

impl Thrown {
    /// Takes what stands in front of a file that was read as a `jscript` off its places.
    pub(super) fn unwrap_classic(&mut self, module: &str) {
        for place in self.calls.iter_mut().filter_map(|(_, place)| place.as_mut()) {
            if place.module == module {
                place.position = unwrapped(Dialect::Classic, place.position);
            }
        }
    }
}

/// Takes the exception of a call that failed.
pub(super) fn caught<'js, T>(ctx: &Ctx<'js>, result: Result<T>) -> std::result::Result<T, Thrown> {
    result.catch(ctx).map_err(|error| match error {
        CaughtError::Exception(exception) => of_exception(&exception),
        CaughtError::Value(value) => {
            let text = match value.as_string() {
                Some(text) => values::string(text).map_or_else(|_| String::new(), |text| text.to_string()),
                // QuickJS throws null when there is no memory left for an error that says so.
                None if value.is_null() => {
                    "null, as JavaScript itself does when it is out of memory".to_owned()
                }
                None => match ctx.json_stringify(value) {
                    Ok(Some(text)) => text.to_string().unwrap_or_default(),
                    Ok(None) => NO_TEXT.to_owned(),
                    Err(_) => {
                        let why = ctx.catch();
                        let is_full = why.is_null() || why.as_exception().is_some_and(is_out_of_memory);
                        (if is_full { "something, and is out of memory" } else { NO_TEXT }).to_owned()
                    }
                },
            };
            Thrown { text: short(&format!("threw {text}")), calls: Vec::new() }
        }
        CaughtError::Error(error) => Thrown { text: short(&of_error(&error)), calls: Vec::new() },
    })
}

fn is_out_of_memory(exception: &Exception<'_>) -> bool {
    exception.message().is_some_and(|message| message.contains("out of memory"))
}

fn of_error(error: &Error) -> String {
    match error {
        Error::Allocation => "out of memory".to_owned(),
        Error::WouldBlock => "it waits for something that never comes".to_owned(),
        error => error.to_string(),
    }
}

pub(super) fn of_exception(exception: &Exception<'_>) -> Thrown {
    let name: Option<String> = exception.as_object().get("name").ok();
    let message = exception.message().unwrap_or_default();
    let text = match name.filter(|name| !name.is_empty()) {
        Some(name) if message.is_empty() => name,
        Some(name) => format!("{name}: {message}"),
        None => message,
    };
    let stack = exception.stack().unwrap_or_default();
    Thrown { text: short(&text), calls: stack.lines().filter_map(call).take(MAX_CALLS).collect() }
}

/// The beginning of a text in one line. A line end becomes an escape, by which those who hide secrets know it.
fn short(text: &str) -> String {
    cut(text.trim().chars().take(MAX_TEXT + 1).collect(), MAX_TEXT).replace('\n', "\\n").replace('\r', "\\r")
}

/// One line of a stack: `    at Run (QAction:5:3:10)`, `    at lib/a.js:1:1`, `    at parse (native)`. Nothing of those that
/// are in what every context begins with: they are nobody's mistake.
fn call(line: &str) -> Option<(String, Option<Place>)> {
    let line = line.trim().strip_prefix("at ")?;
    let (what, place) = line.strip_suffix(')').and_then(split).unwrap_or(("", line));
    let place = parse(place);
    if place.as_ref().is_some_and(|place| place.module == OURS) {
        return None;
    }
    Some((short(what), place))
}

/// The function and the place: both may hold brackets, but those of a place are closed in it.
fn split(line: &str) -> Option<(&str, &str)> {
    let closed = |place: &str| {
        let mut open = 0_usize;
        let mut brackets = place.bytes().filter(|byte| matches!(byte, b'(' | b')'));
        let never_too_many = brackets.all(|byte| {
            let now = if byte == b'(' { open.checked_add(1) } else { open.checked_sub(1) };
            now.map(|now| open = now).is_some()
        });
        never_too_many && open == 0
    };
    let mut splits = line.match_indices('(').map(|(at, _)| (&line[..at], &line[at + 1..]));
    let (what, place) = splits.find(|(_, place)| closed(place)).or_else(|| line.rsplit_once('('))?;
    Some((what.trim(), place))
}

fn parse(place: &str) -> Option<Place> {
    let (rest, column) = place.rsplit_once(':')?;
    let (module, line) = rest.rsplit_once(':')?;
    let position = Position { line: line.parse().ok()?, column: column.parse().ok()? };
    Some(Place { module: module.to_owned(), position })
}

/// Where the files of a definition are, for people.
#[derive(Debug)]
pub(super) struct Map<'a> {
    /// What the definition's file is called.
    pub(super) definition: &'a str,
    pub(super) scripts: &'a Scripts,
}

impl Map<'_> {
    /// The place in the definition's file, if it is there: offset, line and column.
    pub(super) fn in_definition(&self, place: &Place) -> Option<(u32, Position)> {
        let (at, script) = self.script(place)?;
        self.scripts.in_definition(at, unwrapped(script.dialect, place.position))
    }

    /// The script that a place is in, and not in a file that it imports.
    fn script(&self, place: &Place) -> Option<(ScriptIx, &Script)> {
        let id: i32 = place.module.strip_prefix("QAction:")?.parse().ok()?;
        let (at, script) = self.scripts.list.iter().enumerate().find(|(_, script)| script.id.0 == id)?;
        Some((ScriptIx::new(at)?, script))
    }

    /// A place in words: `protocol.xml:12:5`, `lib/a.js:3:1`.
    pub(super) fn words(&self, place: &Place) -> String {
        let (file, Position { line, column }) = match self.in_definition(place) {
            Some((_, position)) => (self.definition, position),
            None => match self.script(place).map(|(_, script)| (&script.body, script.dialect)) {
                Some((Body::File(file), dialect)) => (&*file.path, unwrapped(dialect, place.position)),
                Some((Body::Inline { .. }, _)) | None => (place.module.as_str(), place.position),
            },
        };
        format!("{file}:{line}:{column}")
    }

    /// The failure of a run.
    pub(super) fn failure(&self, thrown: Thrown) -> Failure {
        // The first one may be in a text that a script has parsed: whoever looks for the mistake wants both.
        let (in_text, calls) = match thrown.calls.split_first() {
            Some(((_, Some(place)), rest)) if place.module == PARSED => (Some(place.position), rest),
            Some(_) | None => (None, &thrown.calls[..]),
        };
        let place = calls.iter().find_map(|(_, place)| place.as_ref());
        let text = match in_text {
            Some(Position { line, column }) => {
                format!("{} (at line {line}, column {column} of the text)", thrown.text)
            }
            None => thrown.text,
        };
        let mut stack = String::new();
        for (what, place) in calls {
            let place =
                place.as_ref().map_or_else(|| "in JavaScript itself".to_owned(), |place| self.words(place));
            let gap = if what.is_empty() { "" } else { " " };
            let _ = writeln!(stack, "at {what}{gap}({place})");
        }
        Failure {
            text,
            place: place.map_or_else(String::new, |place| self.words(place)),
            stack: stack.trim_end().to_owned(),
        }
    }
}

/// Takes what stands in front of a `jscript` off its first line.
fn unwrapped(dialect: Dialect, Position { line, column }: Position) -> Position {
    let head = match dialect {
        Dialect::Classic if line == 1 => u32::try_from(CLASSIC_HEAD.len()).unwrap_or(0),
        Dialect::Classic | Dialect::Module => 0,
    };
    Position { line, column: column.saturating_sub(head).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_stack_are_read_whatever_they_are_about() {
        let place = |module: &str, line, column| {
            Some(Place { module: module.to_owned(), position: Position { line, column } })
        };
        for (line, what, expected) in [
            ("    at Run (QAction:5:3:10)", "Run", place("QAction:5", 3, 10)),
            ("    at <anonymous> (lib/a (b).js:12:1)", "<anonymous>", place("lib/a (b).js", 12, 1)),
            ("    at a (b) (lib/a.js:12:1)", "a (b)", place("lib/a.js", 12, 1)),
            ("    at f (x) (lib (2)/(a).js:12:1)", "f (x)", place("lib (2)/(a).js", 12, 1)),
            ("    at x) (lib/a.js:12:1)", "x)", place("lib/a.js", 12, 1)),
            ("    at lib/a.js:1:7", "", place("lib/a.js", 1, 7)),
            ("    at lib/a (b).js:1:7", "", place("lib/a (b).js", 1, 7)),
            ("    at parse (native)", "parse", None),
            ("    at Run (lib/a).js:12:1)", "Run", place("lib/a).js", 12, 1)),
        ] {
            let (found, at) = call(line).unwrap();
            assert_eq!((found.as_str(), at), (what, expected), "{line}");
        }
        assert_eq!(call("something else"), None);
        assert_eq!(call("    at reverse (backshell:own:9:98)"), None);
    }

    #[test]
    fn a_text_that_is_cut_ends_with_the_mark_that_those_who_hide_secrets_know() {
        let text = short(&format!(" {}\nend", "x".repeat(MAX_TEXT - 1)));
        assert_eq!(text, format!("{}\\n…", "x".repeat(MAX_TEXT - 1)));
        assert_eq!(short("a\r\nb "), "a\\r\\nb");
    }
}
