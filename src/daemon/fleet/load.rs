//! Reads settings and definitions from their files, with what is wrong with them as a value; keeps nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest;

use crate::language;
use crate::language::diagnostic::{Report, Severity};
use crate::language::model::Protocol;
use crate::language::source::Source;
use crate::settings::{self, Settings};
use crate::tasks::blocking;

/// The largest settings file.
const MAX_SETTINGS: u64 = 16 << 20;

/// Settings that were read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What they say.
    pub settings: Settings,
    /// Where, for messages about places.
    pub source: Source,
}

/// Why a file was not taken.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The file.
    pub path: PathBuf,
    /// What the file system says; none if it could be read.
    pub io: Option<String>,
    /// The text and what is wrong with it.
    pub report: Option<(Source, Report)>,
}

impl Trouble {
    /// One line: the first error.
    pub fn summary(&self) -> String {
        let path = self.path.display();
        if let Some(io) = &self.io {
            return format!("cannot read `{path}`: {io}");
        }
        let errors = self.report.iter().flat_map(|(source, report)| {
            let errors = report.diagnostics().iter().filter(|problem| problem.severity == Severity::Error);
            errors.map(move |problem| (source, problem))
        });
        let mut errors = errors.peekable();
        match errors.next() {
            Some((source, problem)) => {
                let place = source.position(problem.span.start);
                let more = errors.count();
                let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
                format!("{path}:{}:{}: {} {}{more}", place.line, place.column, problem.code, problem.message)
            }
            None => format!("`{path}` does not load"),
        }
    }

    /// Writes every problem to the log, a line each.
    pub fn log(&self) {
        if let Some(io) = &self.io {
            tracing::error!(path = %self.path.display(), error = %io, "cannot read file");
        }
        if let Some((source, report)) = &self.report {
            log_report(source, report);
        }
    }
}

/// Writes errors and warnings to the log, a line each.
fn log_report(source: &Source, report: &Report) {
    for problem in report.diagnostics() {
        let place = source.position(problem.span.start);
        let (file, line, column, code) = (source.name(), place.line, place.column, problem.code);
        let help = problem.help.as_deref();
        match problem.severity {
            Severity::Error => tracing::error!(%file, line, column, %code, help, "{}", problem.message),
            Severity::Warning => tracing::warn!(%file, line, column, %code, help, "{}", problem.message),
            Severity::Note => tracing::debug!(%file, line, column, %code, help, "{}", problem.message),
        }
    }
}

/// Reads a settings file.
///
/// # Errors
///
/// The file cannot be read, or has errors.
pub fn load_settings(path: &Path) -> Result<Loaded, Box<Trouble>> {
    let trouble = |io, report| Box::new(Trouble { path: path.to_owned(), io, report });
    let text = read_settings(path).map_err(|error| trouble(Some(error.to_string()), None))?;
    let source = Source::new(path.to_string_lossy().as_ref(), text);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    match settings::parse(&source, folder) {
        (Some(settings), report) => {
            log_report(&source, &report);
            Ok(Loaded { settings, source })
        }
        (None, report) => Err(trouble(None, Some((source, report)))),
    }
}

/// Reads the text of a settings file: all of it, and nothing that is no file.
pub(super) fn read_settings(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    regular(path)?.take(MAX_SETTINGS + 1).read_to_string(&mut text)?;
    // The first part of it would be sound settings without the elements of the rest.
    if text.len() as u64 > MAX_SETTINGS {
        return Err(io::Error::other(format!("it is larger than {} MiB", MAX_SETTINGS >> 20)));
    }
    Ok(text)
}

/// A definition that is in use, or why its file does not load.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// A digest of the file's bytes; none if they did not load.
    pub(super) digest: Option<[u8; 32]>,
    /// A digest of the bytes that what is in use was compiled from first: other bytes that mean the same change nothing.
    pub(super) identity: Option<[u8; 32]>,
    pub(super) protocol: Result<Arc<Protocol>, Arc<str>>,
}

impl Definition {
    /// One that does not load; writes why to the log.
    pub(super) fn broken(trouble: &Trouble) -> Self {
        trouble.log();
        Self { digest: None, identity: None, protocol: Err(Arc::from(trouble.summary())) }
    }

    /// Whether another one does just the same, however it is written.
    pub(super) fn does_as(&self, other: &Self) -> bool {
        matches!((&self.protocol, &other.protocol), (Ok(own), Ok(other)) if own == other)
    }
}

/// Reads and compiles a definition, off the workers; `None` if its bytes are the `known` ones.
pub(super) async fn load_definition(
    path: &Path,
    known: Option<[u8; 32]>,
) -> Result<Option<Definition>, Box<Trouble>> {
    let owned = path.to_owned();
    let loaded = blocking(move || load_definition_now(&owned, known)).await;
    loaded.unwrap_or_else(|ended| {
        let io = Some(format!("loading it failed: {ended:?}"));
        Err(Box::new(Trouble { path: path.to_owned(), io, report: None }))
    })
}

fn load_definition_now(path: &Path, known: Option<[u8; 32]>) -> Result<Option<Definition>, Box<Trouble>> {
    let trouble = |io, report| Box::new(Trouble { path: path.to_owned(), io, report });
    let mut bytes = Vec::new();
    let limit = language::xml::MAX_BYTES as u64 + 1;
    regular(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| trouble(Some(error.to_string()), None))?;
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, &bytes).as_ref());
    if known == Some(sum) {
        return Ok(None);
    }
    let source = match language::load::decode(&path.to_string_lossy(), bytes) {
        Ok(source) => source,
        Err(refused) => {
            let mut report = Report::default();
            report.push(refused.problem);
            return Err(trouble(None, Some((refused.source, report))));
        }
    };
    match language::load(&source) {
        (Some(protocol), report) => {
            log_report(&source, &report);
            Ok(Some(Definition { digest: Some(sum), identity: Some(sum), protocol: Ok(protocol) }))
        }
        (None, report) => Err(trouble(None, Some((source, report)))),
    }
}

/// Opens a file, and nothing else: a pipe would hold up the reload until somebody writes to it.
fn regular(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path)?.is_file() { File::open(path) } else { Err(io::Error::other("it is no file")) }
}
