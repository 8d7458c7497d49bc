//! What the commands share that try a definition out in their own process: its report, `--set`; opens no socket.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::render::printable;
use super::{Status, complain, files, render};
use crate::engine::logic::Engine;
use crate::engine::param::Origin;
use crate::language::diagnostic;
use crate::language::model::id::ParamIx;
use crate::language::model::{Access, Protocol};
use crate::script::load;
use crate::value::{Context, Value};

/// Loads a definition; none if it has errors, which are printed to standard error as `check` does.
pub(super) fn definition(path: &Path) -> io::Result<Option<Arc<Protocol>>> {
    if path.is_dir() {
        let shown = printable(&path.display().to_string());
        let inside = printable(&path.join("protocol.xml").display().to_string());
        complain(&format!("`{shown}` is a folder: give the definition in it, such as {inside}"));
        return Ok(None);
    }
    let (source, report) = match files::read(path) {
        Ok(source) => {
            let loaded = load::whole(&source, path.parent());
            if loaded.protocol.is_some() {
                return Ok(loaded.protocol);
            }
            (source, loaded.report)
        }
        Err(refused) => {
            let mut report = diagnostic::Report::default();
            report.push(refused.problem);
            (refused.source, report)
        }
    };
    render::print_report(&source, &report)?;
    Ok(None)
}

/// Sets parameters as a person would, one after the other, as [`set`] does.
///
/// # Errors
///
/// What was wrong has been told on standard error.
pub(super) fn set_all(engine: &mut Engine, ctx: &mut Context, sets: &[String]) -> Result<(), Status> {
    sets.iter().try_for_each(|one| set(engine, ctx, one).map(drop))
}

/// Sets a parameter as a person would: `PARAM=VALUE` by id or name, or `COLUMN[KEY]=VALUE` for the cell of a row, which
/// says no parameter alone; what it causes happens.
///
/// # Errors
///
/// What was wrong has been told on standard error.
pub(super) fn set(engine: &mut Engine, ctx: &mut Context, set: &str) -> Result<Option<ParamIx>, Status> {
    let (param, row, value) = read_set(engine.protocol(), set)?;
    if let Err(rejected) = engine.set(ctx, param, row, value, Origin::User) {
        let place = printable(set.split_once('=').map_or(set, |(place, _)| place));
        complain(&format!("parameter `{place}` does not take this value: {rejected}"));
        return Err(Status::Bad);
    }
    Ok(row.is_none().then_some(param))
}

/// What [`set`] sets: a parameter, the key of the row if it is a column, and the value.
///
/// # Errors
///
/// What was wrong has been told on standard error.
pub(super) fn read_set<'s>(
    protocol: &Protocol,
    set: &'s str,
) -> Result<(ParamIx, Option<&'s str>, Value), Status> {
    let Some((place, value)) = set.split_once('=') else {
        complain(&format!("`--set {}` has no `=`: write PARAM=VALUE", printable(set)));
        return Err(Status::Misuse);
    };
    match protocol.find_place(place.trim(), Access::Write) {
        Ok((param, row)) => Ok((param, row, Value::text(value))),
        Err(problem) => {
            complain(&printable(&problem));
            Err(Status::Bad)
        }
    }
}
