//! What the commands share that try a definition out in their own process: its report, `--set`; opens no socket.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::render::printable;
use super::{Status, complain, files, render};
use crate::engine::logic::Engine;
use crate::engine::param::Origin;
use crate::language::diagnostic;
use crate::language::model::Protocol;
use crate::language::model::id::{ParamId, ParamIx};
use crate::language::schema::did_you_mean;
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

/// Sets parameters as a person would: `PARAM=VALUE` by id or name, or `COLUMN[KEY]=VALUE` for the cell of a row.
///
/// # Errors
///
/// What was wrong has been told on standard error.
pub(super) fn set_all(engine: &mut Engine, ctx: &mut Context, sets: &[String]) -> Result<(), Status> {
    for set in sets {
        let Some((place, value)) = set.split_once('=') else {
            complain(&format!("`--set {}` has no `=`: write PARAM=VALUE", printable(set)));
            return Err(Status::Misuse);
        };
        let protocol = Arc::clone(engine.protocol());
        let (param, row) = match find(&protocol, place) {
            Some(param) => (Some(param), None),
            None => match place.strip_suffix(']').and_then(|place| place.split_once('[')) {
                Some((column, key)) => (find(&protocol, column), Some(key)),
                None => (None, None),
            },
        };
        let Some(param) = param else {
            let name = place.split_once('[').map_or(place, |(column, _)| column);
            let names = protocol.params.iter().map(|param| param.name.as_ref());
            let near = did_you_mean(name, names).map(|near| format!("; did you mean `{near}`?"));
            let (name, near) = (printable(name), near.unwrap_or_default());
            complain(&format!("the definition has no parameter `{name}`{near}"));
            return Err(Status::Bad);
        };
        if let Err(rejected) = engine.set(ctx, param, row, Value::text(value), Origin::User) {
            let place = printable(place);
            complain(&format!("parameter `{place}` does not take this value: {rejected}"));
            return Err(Status::Bad);
        }
    }
    Ok(())
}

/// The parameter that an id or a name means where it is set.
pub(super) fn find(protocol: &Protocol, name: &str) -> Option<ParamIx> {
    let by_id = name.trim().parse().ok().and_then(|id| protocol.param_by_id(ParamId(id)));
    by_id.or_else(|| {
        let entry = protocol.params_by_name(name.trim());
        entry.write.or(entry.read)
    })
}
