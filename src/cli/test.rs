//! `backshell test`: runs scenarios and says which hold; the work is done by `scenario`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::render::{self, Style};
use super::{Status, complain, files};
use crate::language::diagnostic::Severity;
use crate::language::model::Protocol;
use crate::language::source::Source;
use crate::scenario::file::{self, SUFFIX};
use crate::scenario::{junit, run};
use crate::script::load;

/// What `test` is given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 if all scenarios hold, 1 if one does not, 2 for a wrong command line."
)]
pub(super) struct Arguments {
    /// Scenario files, or folders that are searched for *.scenario.toml
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
    for (path, error) in &found.unreadable {
        complain(&format!("cannot read `{}`: {error}", render::printable(&path.to_string_lossy())));
    }
    if found.files.is_empty() {
        let places: Vec<String> = arguments
            .paths
            .iter()
            .map(|path| format!("`{}`", render::printable(&path.to_string_lossy())))
            .collect();
        complain(&format!("no *{SUFFIX} in {}", places.join(", ")));
        return Ok(Status::Misuse);
    }
    let mut definitions: HashMap<PathBuf, Loaded> = HashMap::new();
    let mut cases = Vec::new();
    for path in &found.files {
        let case = one(path, &mut definitions, &mut out)?;
        out.flush()?;
        cases.push(case);
    }
    let failed = cases.iter().filter(|case| case.failure.is_some()).count();
    let total = match cases.len() {
        1 => "1 scenario".to_owned(),
        count => format!("{count} scenarios"),
    };
    match failed {
        0 => writeln!(out, "{total}: all hold")?,
        failed => writeln!(out, "{total}: {failed} failed")?,
    }
    out.flush()?;
    if let Some(path) = &arguments.junit
        && let Err(error) = std::fs::write(path, junit::report(&cases))
    {
        complain(&format!("cannot write `{}`: {error}", render::printable(&path.to_string_lossy())));
        return Ok(Status::Bad);
    }
    let bad = failed > 0 || !found.unreadable.is_empty();
    Ok(if bad { Status::Bad } else { Status::Good })
}

/// Runs one file and tells how it went.
fn one(
    path: &Path,
    definitions: &mut HashMap<PathBuf, Loaded>,
    out: &mut dyn Write,
) -> io::Result<junit::Case> {
    let name = render::printable(&path.to_string_lossy()).to_string();
    let mut case =
        junit::Case { file: name.clone(), title: String::new(), took: Duration::ZERO, failure: None };
    let read =
        read(path).and_then(|source| file::parse(&source).map_err(|problem| (problem.line, problem.message)));
    let scenario = match read {
        Ok(scenario) => scenario,
        Err((line, message)) => return failed(case, line, message, out),
    };
    case.title.clone_from(&scenario.title);
    let definition = scenario.definition(path);
    let loaded = definitions.entry(definition.clone()).or_insert_with(|| self::definition(&definition));
    let protocol = match loaded {
        Ok(protocol) => Arc::clone(protocol),
        Err(problems) => {
            let message = problems.clone();
            return failed(case, None, message, out);
        }
    };
    let outcome = run::run(&scenario, &protocol, definition.parent().unwrap_or(Path::new(".")));
    case.took = outcome.real;
    match outcome.failure {
        Some(failure) => failed(case, failure.line, failure.message, out),
        None => {
            let title = if case.title.is_empty() { String::new() } else { format!(": {}", case.title) };
            writeln!(
                out,
                "ok   {name}{title} ({} steps, {} in {} ms)",
                outcome.steps,
                humantime::format_duration(Duration::from_millis(
                    u64::try_from(outcome.simulated.as_millis()).unwrap_or(u64::MAX)
                )),
                outcome.real.as_millis()
            )?;
            Ok(case)
        }
    }
}

fn failed(
    mut case: junit::Case,
    line: Option<usize>,
    message: String,
    out: &mut dyn Write,
) -> io::Result<junit::Case> {
    let place = line.map(|line| format!(":{line}")).unwrap_or_default();
    let title = if case.title.is_empty() { String::new() } else { format!(": {}", case.title) };
    writeln!(out, "FAIL {}{place}{title}", case.file)?;
    for line in message.lines() {
        writeln!(out, "     {line}")?;
    }
    case.failure = Some((line, message));
    Ok(case)
}

/// Reads a scenario file.
///
/// # Errors
///
/// Why it cannot be read, or is none.
pub(super) fn read(path: &Path) -> Result<Source, (Option<usize>, String)> {
    let refuse = |message: String| (None, message);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(file::MAX_BYTES + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(refuse(match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => format!("cannot be read: {error}"),
        }));
    }
    if bytes.len() as u64 > file::MAX_BYTES {
        return Err(refuse(format!("is longer than {} MiB", file::MAX_BYTES >> 20)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(path.to_string_lossy(), text)),
        Err(error) => {
            let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            Err((Some(line), "is not UTF-8".to_owned()))
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
