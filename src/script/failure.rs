//! What went wrong in a script, in words, with places of the definition's files; decides nothing.

use std::fmt::Write as _;

use rquickjs::{CatchResultExt, CaughtError, Ctx, Error, Exception, Result};

use crate::engine::logic::script::Failure;
use crate::language::model::script::{Body, Dialect, Script, Scripts};
use crate::language::source::Position;
use crate::script::values;

/// What QuickJS calls the text that `JSON.parse` reads.
const PARSED: &str = "<input>";

/// How many calls of a stack are kept.
const MAX_CALLS: usize = 16;

/// How long a message may be, in characters.
const MAX_TEXT: usize = 1_000;

/// What stands in front of the text of a `jscript`, on its first line.
pub(super) const CLASSIC_HEAD: &str = "(function (SLScript, protocol) {";

/// What the module of a script in the definition is called; no file is called so.
pub(super) fn module_name(script: &Script) -> String {
    match &script.body {
        Body::Inline { .. } => format!("QAction:{}", script.id),
        Body::File(file) => file.path.to_string(),
    }
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

/// Takes the exception of a call that failed.
pub(super) fn caught<'js, T>(ctx: &Ctx<'js>, result: Result<T>) -> std::result::Result<T, Thrown> {
    result.catch(ctx).map_err(|error| match error {
        CaughtError::Exception(exception) => of_exception(&exception),
        CaughtError::Value(value) => {
            let text = match value.as_string() {
                Some(text) => values::string(text).map_or_else(|_| String::new(), |text| text.to_string()),
                None => match ctx.json_stringify(value) {
                    Ok(Some(text)) => text.to_string().unwrap_or_default(),
                    Ok(None) | Err(_) => "a value without a text".to_owned(),
                },
            };
            Thrown { text: short(&format!("threw {text}")), calls: Vec::new() }
        }
        CaughtError::Error(error) => Thrown { text: short(&of_error(&error)), calls: Vec::new() },
    })
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

fn short(text: &str) -> String {
    let text = text.trim().replace(['\n', '\r'], " ");
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// One line of a stack: `    at Run (QAction:5:3:10)`, `    at lib/a.js:1:1`, `    at parse (native)`.
fn call(line: &str) -> Option<(String, Option<Place>)> {
    let line = line.trim().strip_prefix("at ")?;
    let (what, place) = match line.strip_suffix(')').and_then(|line| line.rsplit_once('(')) {
        Some((what, place)) => (what.trim(), place),
        None => ("", line),
    };
    Some((short(what), parse(place)))
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
        let id: i32 = place.module.strip_prefix("QAction:")?.parse().ok()?;
        let script = self.scripts.list.iter().find(|script| script.id.0 == id)?;
        let Body::Inline { text, places } = &script.body else { return None };
        Some(places.of(text, unwrapped(script.dialect, place.position)))
    }

    /// A place in words: `protocol.xml:12:5`, `lib/a.js:3:1`.
    pub(super) fn words(&self, place: &Place) -> String {
        let (file, Position { line, column }) = match self.in_definition(place) {
            Some((_, position)) => (self.definition, position),
            None => {
                let of = |script: &&Script| module_name(script) == place.module;
                let dialect =
                    self.scripts.list.iter().find(of).map_or(Dialect::Module, |script| script.dialect);
                (place.module.as_str(), unwrapped(dialect, place.position))
            }
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
            ("    at <anonymous> (lib/a (b).js:12:1)", "<anonymous> (lib/a", None),
            ("    at lib/a.js:1:7", "", place("lib/a.js", 1, 7)),
            ("    at parse (native)", "parse", None),
        ] {
            let (found, at) = call(line).unwrap();
            if expected.is_some() || !line.contains("(b)") {
                assert_eq!((found.as_str(), at), (what, expected), "{line}");
            }
        }
        assert_eq!(call("something else"), None);
    }
}
