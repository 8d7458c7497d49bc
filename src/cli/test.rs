//! `backshell test`: runs scenarios and says which hold; the work is done by `scenario`.

mod junit;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::render::{self, Style};
use super::{Status, complain, files};
use crate::files::Unread;
use crate::language::diagnostic::Severity;
use crate::language::model::Protocol;
use crate::language::source::Source;
use crate::scenario::file::{self, PROTOCOL, Problem, SUFFIX};
use crate::scenario::run;
use crate::script::load;

/// What `test` is given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 if all scenarios hold, 1 if one does not, 2 for a wrong command line."
)]
pub(super) struct Arguments {
    /// Scenario files, or folders that are searched for *.scenario.toml (not in hidden ones, node_modules and the target of Cargo)
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,

    /// Write the results as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A definition as it was loaded, or what is wrong with it, for people.
type Loaded = Result<Arc<Protocol>, String>;

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    let found = files::find(&arguments.paths, SUFFIX);
    if found.files.is_empty() && found.unreadable.is_empty() {
        let places: Vec<String> = arguments.paths.iter().map(|path| format!("`{}`", shown(path))).collect();
        complain(&format!("no *{SUFFIX} in {}", places.join(", ")));
        return Ok(Status::Misuse);
    }
    let mut cases = Vec::new();
    for (path, error) in &found.unreadable {
        cases.push(failed(case(path), String::new(), format!("cannot be read: {error}"), &mut out)?);
    }
    let mut definitions: HashMap<PathBuf, Loaded> = HashMap::new();
    let mut known = BTreeSet::new();
    let mut scenarios = Vec::new();
    for path in &found.files {
        // The same file may be named twice, or be in two folders of the command line.
        if known.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())) {
            scenarios.push(one(path, &mut definitions, &mut out)?);
            out.flush()?;
        }
    }
    writeln!(out, "{}", summary(&scenarios, found.unreadable.len()))?;
    out.flush()?;
    cases.extend(scenarios);
    if let Some(path) = &arguments.junit
        && let Err(error) = fs::write(path, junit::report(&cases))
    {
        complain(&format!("cannot write `{}`: {error}", shown(path)));
        return Ok(Status::Bad);
    }
    let bad = cases.iter().any(|case| case.failure.is_some());
    Ok(if bad { Status::Bad } else { Status::Good })
}

/// The last line: how many hold.
fn summary(scenarios: &[junit::Case], unreadable: usize) -> String {
    let failed = scenarios.iter().filter(|case| case.failure.is_some()).count();
    let mut summary = count(scenarios.len(), "scenario");
    summary.push_str(&match (scenarios.len(), failed) {
        (0, _) => String::new(),
        (_, 0) => ": all hold".to_owned(),
        (_, failed) => format!(": {failed} failed"),
    });
    if unreadable > 0 {
        summary.push_str(&format!("; {} could not be read", count(unreadable, "place")));
    }
    summary
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn shown(path: &Path) -> String {
    render::printable(&path.to_string_lossy())
}

/// The case of a file or folder, before anything is known of it.
fn case(path: &Path) -> junit::Case {
    junit::Case { file: shown(path), title: String::new(), took: Duration::ZERO, failure: None }
}

/// Runs one file and tells how it went.
fn one(
    path: &Path,
    definitions: &mut HashMap<PathBuf, Loaded>,
    out: &mut dyn Write,
) -> io::Result<junit::Case> {
    let mut case = case(path);
    let read = read(path).and_then(|source| file::parse(&source));
    let scenario = match read.and_then(|scenario| scenario.must_check().map(|()| scenario)) {
        Ok(scenario) => scenario,
        Err(problem) => return failed(case, problem.place(), problem.message, out),
    };
    case.title = render::printable(&scenario.title);
    let definition = scenario.definition(path);
    if let Some(message) = missing(&scenario, &definition) {
        return failed(case, String::new(), message, out);
    }
    let loaded = definitions.entry(definition.clone()).or_insert_with(|| self::definition(&definition));
    let protocol = match loaded {
        Ok(protocol) => Arc::clone(protocol),
        Err(problems) => {
            let message = problems.clone();
            return failed(case, String::new(), message, out);
        }
    };
    let outcome = run::run(&scenario, &protocol, definition.parent().unwrap_or(Path::new(".")));
    case.took = outcome.real;
    match outcome.failure {
        Some(failure) => failed(case, failure.place(), failure.message, out),
        None => {
            let title = if case.title.is_empty() { String::new() } else { format!(": {}", case.title) };
            writeln!(
                out,
                "ok   {}{title} ({}, {} in {} ms)",
                case.file,
                count(outcome.steps, "step"),
                humantime::format_duration(Duration::from_millis(
                    u64::try_from(outcome.simulated.as_millis()).unwrap_or(u64::MAX)
                )),
                outcome.real.as_millis()
            )?;
            Ok(case)
        }
    }
}

/// Tells that it does not hold; `place` stands behind the name of the file.
fn failed(
    mut case: junit::Case,
    place: String,
    message: String,
    out: &mut dyn Write,
) -> io::Result<junit::Case> {
    let title = if case.title.is_empty() { String::new() } else { format!(": {}", case.title) };
    writeln!(out, "FAIL {}{place}{title}", case.file)?;
    for line in message.lines() {
        writeln!(out, "     {}", render::printable(line))?;
    }
    case.failure = Some((place, message));
    Ok(case)
}

/// Why there is no definition to load, if there is none.
fn missing(scenario: &file::File, definition: &Path) -> Option<String> {
    let name = render::printable(&scenario.protocol.to_string_lossy());
    match fs::metadata(definition) {
        Ok(found) if found.is_file() => return None,
        Ok(_) => return Some(format!("the definition `{name}` is no file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Whoever reads it says what is wrong.
        Err(_) => return None,
    }
    let folder = definition.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut near: Vec<String> = names.filter(|name| name.to_ascii_lowercase().ends_with(".xml")).collect();
    near.sort();
    near.truncate(5);
    let why = match scenario.protocol == Path::new(PROTOCOL) {
        true => format!("there is no `{name}` beside it, and it names no other definition"),
        false => format!("there is no definition `{name}`, seen from its folder"),
    };
    let help = match near.first() {
        Some(first) => {
            let near_path = scenario.protocol.with_file_name(first);
            let near_path = near_path.to_string_lossy();
            format!(
                "that folder has {}: name one at the top of the scenario, such as protocol = {}",
                near.iter()
                    .map(|name| format!("`{}`", render::printable(name)))
                    .collect::<Vec<_>>()
                    .join(", "),
                render::printable(&toml::Value::from(&*near_path).to_string())
            )
        }
        None => "name one at the top of the scenario: protocol = \"FILE\"".to_owned(),
    };
    Some(format!("{why}\nhelp: {help}"))
}

/// Reads a scenario file.
///
/// # Errors
///
/// Why it cannot be read, or is none.
pub(super) fn read(path: &Path) -> Result<Source, Problem> {
    let refuse = |line, message: String| Problem { line, column: None, message };
    let bytes = crate::files::read(path, file::MAX_BYTES).map_err(|why| match why {
        Unread::System(error) if error.kind() == io::ErrorKind::NotFound => {
            refuse(None, "there is no such file".to_owned())
        }
        why => refuse(None, format!("cannot be read: {why}")),
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(path.to_string_lossy(), text)),
        Err(error) => {
            let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(refuse(Some(line), "is not UTF-8".to_owned()))
        }
    }
}

/// Loads a definition.
pub(super) fn definition(path: &Path) -> Loaded {
    let source = match files::read(path) {
        Ok(source) => source,
        Err(refused) => {
            return Err(render::human(&refused.source, &refused.problem, Style::Plain).to_string());
        }
    };
    let load::Loaded { protocol, report, .. } = load::whole(&source, path.parent());
    protocol.ok_or_else(|| {
        let errors = report.diagnostics().iter().filter(|problem| problem.severity == Severity::Error);
        let shown: Vec<String> =
            errors.take(5).map(|problem| render::human(&source, problem, Style::Plain).to_string()).collect();
        format!("the definition does not load:\n{}", shown.join("\n"))
    })
}
