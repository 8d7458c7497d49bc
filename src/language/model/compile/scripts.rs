//! Scripts (`QAction`): what runs them, what they get, where their texts are; parses no JavaScript and reads no file.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::language::definition::Text;
use crate::language::definition::logic::Script as Written;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, User};
use crate::language::model::compile::{condition, value};
use crate::language::model::id::{ScriptId, ScriptIx};
use crate::language::model::script::{Body, Call, Dialect, File, Script, Scripts, Trigger, resolve};
use crate::language::schema::enumerations::Encoding;
use crate::language::source::{Span, Spanned};

/// Compiles the scripts; those that are not run are looked at for what they refer to.
pub(super) fn compile(scope: &mut Scope, list: &[Written<'_>]) -> Scripts {
    let mut scripts = Scripts::default();
    let mut seen: HashMap<i32, Span> = HashMap::new();
    for written in list {
        let id = written.id.map_or(0, |id| id.value);
        let user = User("script", id);
        let triggers = triggers(scope, written, user);
        let inputs = references(written.inputs.as_ref());
        let inputs = inputs.into_iter().map(|id| scope.param(id?, user)).collect();
        let condition = condition::compile(scope, written.condition.as_ref(), user);
        let Some(dialect) = dialect(scope, written) else { continue };
        let Some(body) = body(scope, written, user) else { continue };
        if let Some(first) = seen.insert(id, written.span) {
            scope.push(
                Diagnostic::new(Code::DoubledId, written.span, format!("{user} is defined twice"))
                    .with_related(first, "first defined here")
                    .with_help("give this script an id that no other has"),
            );
        }
        let has = |option| written.options.as_ref().is_some_and(|text| text.option(option).is_some());
        let includes = match dialect {
            Dialect::Classic => files(scope, written.include.as_ref(), user),
            Dialect::Module => Vec::new(),
        };
        let entries = written.entries.iter().flat_map(|text| text.value.split(';'));
        scripts.list.push(Script {
            id: ScriptId(id),
            name: value::name(written.name.as_ref()),
            dialect,
            body,
            includes,
            condition,
            triggers,
            entries: entries.map(|name| Arc::from(name.trim())).collect(),
            inputs,
            row: value::is_true(written.row.as_ref()),
            binary: has("binary"),
            queued: has("queued"),
        });
    }
    dispatch(&mut scripts);
    scripts
}

/// Which script runs after what.
fn dispatch(scripts: &mut Scripts) {
    let (mut on_param, mut on_group) = (BTreeMap::new(), BTreeMap::new());
    for (at, script) in scripts.list.iter().enumerate() {
        let Some(ix) = ScriptIx::new(at) else { continue };
        for (entry, trigger) in (0_u16..).zip(&script.triggers) {
            let calls: &mut Vec<Call> = match trigger {
                Some(Trigger::Param(param)) => on_param.entry(*param).or_default(),
                Some(Trigger::Group(group)) => on_group.entry(*group).or_default(),
                None => continue,
            };
            // A parameter that is named twice runs it once.
            if calls.iter().all(|call| call.script != ix) {
                calls.push(Call { script: ix, entry });
            }
        }
    }
    scripts.on_param = on_param.into_iter().map(|(param, calls)| (param, calls.into())).collect();
    scripts.on_group = on_group.into_iter().map(|(group, calls)| (group, calls.into())).collect();
}

/// The numbers between semicolons, each in its place; what is no number has been reported.
fn references(text: Option<&Text<'_>>) -> Vec<Option<Spanned<i32>>> {
    let parts = text.into_iter().flat_map(|text| text.split(';'));
    parts.map(|part| Some(Spanned::new(part.value.parse().ok()?, part.span))).collect()
}

fn triggers(scope: &mut Scope, written: &Written<'_>, user: User) -> Vec<Option<Trigger>> {
    let groups = written.options.as_ref().is_some_and(|text| text.option("group").is_some());
    let ids = references(written.triggers.as_ref());
    ids.into_iter()
        .map(|id| {
            if groups {
                scope.groups.resolve(id?, user).map(Trigger::Group)
            } else {
                scope.param(id?, user).map(Trigger::Param)
            }
        })
        .collect()
}

/// Whose language it is, if it is one that runs; an encoding that nobody knows has been reported.
fn dialect(scope: &mut Scope, written: &Written<'_>) -> Option<Dialect> {
    let Some(encoding) = &written.encoding else {
        scope.report.not_run("C# scripts", written.span);
        return None;
    };
    match Encoding::parse(&encoding.value)? {
        Encoding::Javascript => Some(Dialect::Module),
        Encoding::Jscript => Some(Dialect::Classic),
        Encoding::Csharp | Encoding::Vbscript => None,
    }
}

fn body(scope: &mut Scope, written: &Written<'_>, user: User) -> Option<Body> {
    if let Some(src) = &written.src {
        if let Some(body) = &written.body {
            let message = format!("{user} has a body and `bs:src`: the file counts");
            scope.push(
                Diagnostic::new(Code::GivenTwice, body.span, message)
                    .with_related(src.span, "the file is named here"),
            );
        }
        return files(scope, Some(src), user).into_iter().next().map(Body::File);
    }
    let Some(body) = &written.body else {
        scope.report.not_run("scripts without a body", written.span);
        return None;
    };
    Some(Body::Inline { text: body.value.as_ref().into(), places: written.places.clone() })
}

/// The files between semicolons.
fn files(scope: &mut Scope, text: Option<&Text<'_>>, user: User) -> Vec<File> {
    let mut found = Vec::new();
    for part in text.into_iter().flat_map(|text| text.split(';')) {
        match resolve("", part.value) {
            Some(path) => found.push(File { path, span: part.span }),
            None => scope.push(
                Diagnostic::new(
                    Code::ScriptFile,
                    part.span,
                    format!("{user} names `{}`, which is not below the definition's folder", part.value),
                )
                .with_help("name a file by its path from the folder of the definition"),
            ),
        }
    }
    found
}
