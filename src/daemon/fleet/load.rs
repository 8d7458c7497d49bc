//! Reads settings and definitions from their files, with what is wrong with them as a value; keeps nothing.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest;

use crate::files;
use crate::language;
use crate::language::diagnostic::{Report, Severity};
use crate::language::model::Protocol;
use crate::language::source::Source;
use crate::script;
use crate::script::load::content;
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
    /// Of a definition: the files of its scripts.
    pub files: Vec<PathBuf>,
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
    let trouble = |io, report| Box::new(Trouble { path: path.to_owned(), io, report, files: Vec::new() });
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
    // Never a first part of it: that would be sound settings without the elements of the rest.
    Ok(files::text(path, MAX_SETTINGS)?)
}

/// A definition that is in use, or why its file does not load.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// A digest of the file's bytes, and of those of its scripts' files; none if they did not load.
    pub(super) digest: Option<[u8; 32]>,
    /// A digest of the bytes that what is in use was compiled from first: other bytes that mean the same change nothing.
    pub(super) identity: Option<[u8; 32]>,
    pub(super) protocol: Result<Arc<Protocol>, Arc<str>>,
    /// The files of its scripts, also those that could not be read.
    pub(super) files: Vec<PathBuf>,
}

impl Definition {
    /// One that does not load; writes why to the log.
    pub(super) fn broken(trouble: &Trouble) -> Self {
        trouble.log();
        let files = trouble.files.clone();
        Self { digest: None, identity: None, protocol: Err(Arc::from(trouble.summary())), files }
    }

    /// Whether another one does just the same, however it is written.
    pub(super) fn does_as(&self, other: &Self) -> bool {
        matches!((&self.protocol, &other.protocol), (Ok(own), Ok(other)) if own == other)
    }
}

/// Reads and compiles a definition with its scripts, off the workers; `None` if its bytes are the `known` ones, and those of
/// its scripts' files.
pub(super) async fn load_definition(
    path: &Path,
    known: Option<&Definition>,
) -> Result<Option<Definition>, Box<Trouble>> {
    let owned = path.to_owned();
    let known = known.and_then(|known| Some((known.digest?, known.files.clone())));
    let loaded = blocking(move || load_definition_now(&owned, known)).await;
    loaded.unwrap_or_else(|ended| {
        let io = Some(format!("loading it failed: {ended:?}"));
        Err(Box::new(Trouble { path: path.to_owned(), io, report: None, files: Vec::new() }))
    })
}

/// A digest of a definition's bytes and of what its scripts' files hold; the same as that of its bytes if it has none.
fn digest_of(bytes: &[u8], files: &[PathBuf], contents: &[Option<Arc<[u8]>>]) -> [u8; 32] {
    let mut all = digest::Context::new(&digest::SHA256);
    all.update(bytes);
    for (file, content) in files.iter().zip(contents) {
        all.update(file.to_string_lossy().as_bytes());
        all.update(&[u8::from(content.is_some())]);
        all.update(content.as_deref().unwrap_or_default());
    }
    let mut sum = [0; 32];
    sum.copy_from_slice(all.finish().as_ref());
    sum
}

fn load_definition_now(
    path: &Path,
    known: Option<([u8; 32], Vec<PathBuf>)>,
) -> Result<Option<Definition>, Box<Trouble>> {
    let trouble = |io, report| Box::new(Trouble { path: path.to_owned(), io, report, files: Vec::new() });
    let mut bytes = Vec::new();
    let limit = language::xml::MAX_BYTES as u64 + 1;
    files::open(path)
        .map_err(io::Error::from)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| trouble(Some(error.to_string()), None))?;
    if let Some((sum, files)) = known {
        let contents: Vec<_> = files.iter().map(|file| content(file).ok()).collect();
        if digest_of(&bytes, &files, &contents) == sum {
            return Ok(None);
        }
    }
    compile(path, bytes, script::load::whole).map(Some)
}

/// Compiles a definition with its scripts. Its digest is of what was read for that: a file that changes meanwhile is another.
fn compile(
    path: &Path,
    bytes: Vec<u8>,
    load: impl FnOnce(&Source, Option<&Path>) -> script::load::Loaded,
) -> Result<Definition, Box<Trouble>> {
    let trouble = |io, report| Box::new(Trouble { path: path.to_owned(), io, report, files: Vec::new() });
    let whole = bytes.clone();
    let source = match language::load::decode(&path.to_string_lossy(), bytes) {
        Ok(source) => source,
        Err(refused) => {
            let mut report = Report::default();
            report.push(refused.problem);
            return Err(trouble(None, Some((refused.source, report))));
        }
    };
    let script::load::Loaded { protocol, report, files, contents } = load(&source, path.parent());
    match protocol {
        Some(protocol) => {
            log_report(&source, &report);
            let sum = digest_of(&whole, &files, &contents);
            Ok(Definition { digest: Some(sum), identity: Some(sum), protocol: Ok(protocol), files })
        }
        None => Err(Box::new(Trouble { files, ..*trouble(None, Some((source, report))) })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_script_that_changes_while_it_is_loaded_is_noticed_at_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let (path, script) = (folder.path().join("p.xml"), folder.path().join("run.js"));
        let definition = r#"<Protocol xmlns:bs="urn:backshell:1"><Name>p</Name><Version>1.0.0.1</Version>
            <QActions><QAction id="1" encoding="javascript" bs:src="run.js"/></QActions></Protocol>"#;
        std::fs::write(&path, definition).unwrap();
        std::fs::write(&script, "export function Run() {}").unwrap();
        let load = |source: &Source, folder: Option<&Path>| {
            let loaded = script::load::whole(source, folder);
            std::fs::write(&script, "export function Run() { return 2; }").unwrap();
            loaded
        };
        let known = compile(&path, definition.as_bytes().to_vec(), load).unwrap();
        let look = |known: &Definition| {
            load_definition_now(&path, Some((known.digest.unwrap(), known.files.clone()))).unwrap()
        };
        let next = look(&known).expect("the file is another one now");
        assert!(look(&next).is_none(), "nothing has changed since");
        std::fs::remove_file(&script).unwrap();
        let known = Some((next.digest.unwrap(), next.files.clone()));
        assert!(load_definition_now(&path, known).is_err(), "the file is gone");
    }
}
