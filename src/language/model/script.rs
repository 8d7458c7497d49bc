//! Scripts (`QAction`) as the engine knows them: what runs them, what they get, their texts; parses and runs none of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::language::model::condition::Condition;
use crate::language::model::id::{GroupIx, ParamIx, ScriptId, ScriptIx};
use crate::language::model::logic::Item;
use crate::language::source::{Places, Position, Span};

/// All scripts of a definition that run.
#[derive(Debug, PartialEq)]
pub struct Scripts {
    /// The scripts, in the order of the file.
    pub list: Vec<Script>,
    /// Which run after a change of each parameter, in the order of the file.
    pub(crate) on_param: BTreeMap<ParamIx, Box<[Call]>>,
    /// Which run after each group, in the order of the file.
    pub(crate) on_group: BTreeMap<GroupIx, Box<[Call]>>,
    /// What the definition's file is called in messages about places in it; filled in with `files`.
    pub definition: Arc<str>,
    /// The texts of the files that scripts name or import, by their path relative to the definition with `/` between its parts;
    /// `compile` reads no file, so they are filled in afterwards.
    pub files: BTreeMap<Arc<str>, Arc<str>>,
    /// Where the scripts stand since they were moved.
    pub(crate) moved: Moved,
}

/// Where scripts stand in a definition that was written differently meanwhile and says the same, by their position; none of
/// those in files. Equality ignores it, as that of [`Places`] ignores places.
#[derive(Debug, Default)]
pub(crate) struct Moved(Mutex<Option<Box<[Option<Places>]>>>);

impl PartialEq for Moved {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One script of those that run after something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The script.
    pub script: ScriptIx,
    /// Which of its triggers it is, from 0.
    pub entry: u16,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            on_param: BTreeMap::new(),
            on_group: BTreeMap::new(),
            definition: Arc::from(""),
            files: BTreeMap::new(),
            moved: Moved::default(),
        }
    }
}

impl Scripts {
    /// Whether nothing is there that runs.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes over where the same scripts stand now: places are told by it from now on, also of those that run.
    pub fn move_to(&self, now: &Self) {
        let places = |script: &Script| match &script.body {
            Body::Inline { places, .. } => Some(places.clone()),
            Body::File(_) => None,
        };
        let all = now.list.iter().map(places).collect();
        *self.moved.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(all);
    }

    /// Where a place in the text of a script in the definition stands there: its offset, line and column.
    pub fn in_definition(&self, script: ScriptIx, position: Position) -> Option<(u32, Position)> {
        let Body::Inline { text, places } = &self.list.get(script.index())?.body else { return None };
        let moved = self.moved.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = moved.as_ref().and_then(|all| all.get(script.index())?.as_ref());
        Some(now.unwrap_or(places).of(text, position))
    }

    /// The scripts that run after a change of a parameter.
    pub fn on_param(&self, param: ParamIx) -> &[Call] {
        self.on_param.get(&param).map_or(&[], |calls| calls)
    }

    /// The scripts that run after a group (`options="group"`).
    pub fn on_group(&self, group: GroupIx) -> &[Call] {
        self.on_group.get(&group).map_or(&[], |calls| calls)
    }
}

/// One `QAction` that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The author's number.
    pub id: ScriptId,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// Whose JavaScript it is.
    pub dialect: Dialect,
    /// The text.
    pub body: Body,
    /// The files that run ahead of it, in order (`include` of `jscript`).
    pub includes: Vec<File>,
    /// Whether it runs.
    pub condition: Option<Condition>,
    /// What runs it, in the author's order; a reference that leads nowhere keeps its place.
    pub triggers: Vec<Option<Trigger>>,
    /// The functions to call, by the order of `triggers`; `Run` where there is none.
    pub entries: Vec<Arc<str>>,
    /// The parameters whose values it gets, in order; a reference that leads nowhere keeps its place.
    pub inputs: Vec<Option<ParamIx>>,
    /// `row="true"`: it runs for each row that is set, by itself.
    pub row: bool,
    /// `options="binary"`: its input parameters come as bytes.
    pub binary: bool,
    /// `options="queued"`: it runs when all else that the present input causes is done.
    pub queued: bool,
}

/// What runs a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The change of a parameter.
    Param(ParamIx),
    /// The end of a group.
    Group(GroupIx),
}

impl From<Trigger> for Item {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Param(param) => Self::Param(param),
            Trigger::Group(group) => Self::Group(group),
        }
    }
}

/// Which JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `javascript`: an ES module, strict, with entry points.
    Module,
    /// `jscript`: the original's; statements that run each time, with `SLScript`.
    Classic,
}

/// Where the text of a script is.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// In the definition.
    Inline {
        /// The text.
        text: Arc<str>,
        /// Where it stands in the definition.
        places: Places,
    },
    /// In a file, by [`Scripts::files`].
    File(File),
}

/// A file that a definition names.
#[derive(Clone, Debug)]
pub struct File {
    /// Relative to the definition.
    pub path: Arc<str>,
    /// Where it is named.
    pub span: Span,
}

/// A name that moved is the same name.
impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Script {
    /// The function that the trigger at a position calls.
    pub fn entry(&self, at: usize) -> &str {
        // One name serves all triggers, as in the original, where they must be as many.
        let named =
            self.entries.get(at).or(if self.entries.len() == 1 { self.entries.first() } else { None });
        named.filter(|name| !name.is_empty()).map_or("Run", |name| name)
    }
}

/// The path that `name`, as written in a file of the folder `folder`, means: relative to the definition, `/` between its parts.
///
/// `None` if it leads out of the definition's folder: an absolute path, a drive, too many `..`.
pub fn resolve(folder: &str, name: &str) -> Option<Arc<str>> {
    let name = name.replace('\\', "/");
    if name.starts_with('/') || name.contains([':', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_looked_for_beside_who_names_it_and_never_outside() {
        for (folder, name, expected) in [
            ("", "a.js", Some("a.js")),
            ("", "./lib/a.js", Some("lib/a.js")),
            ("lib", "./b.js", Some("lib/b.js")),
            ("lib/deep", "../b.js", Some("lib/b.js")),
            ("lib", "..\\c.js", Some("c.js")),
            ("lib", "../../c.js", None),
            ("", "../c.js", None),
            ("", "/etc/passwd", None),
            ("", "C:\\c.js", None),
            ("", "file:///etc/passwd", None),
            ("", "", None),
            ("lib", "..", None),
        ] {
            assert_eq!(resolve(folder, name).as_deref(), expected, "{folder} {name}");
        }
    }
}
