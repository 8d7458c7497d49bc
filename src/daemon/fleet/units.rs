//! The units of a reload: the settings file, and each definition with all elements that use it; starts and stops nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest;

use crate::daemon::assemble::{self, System};
use crate::daemon::plan::Identity;
use crate::element::spec::Spec;
use crate::language;
use crate::language::diagnostic::{Report, Severity};
use crate::language::model::Protocol;
use crate::language::source::Source;
use crate::settings::{self, Settings};
use crate::tasks::blocking;

/// The largest settings file.
const MAX_SETTINGS: u64 = 16 << 20;

/// An element as it should run.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// It can run.
    Valid {
        /// What it is started with.
        spec: Arc<Spec>,
        /// What a change is compared with.
        identity: Identity,
    },
    /// It cannot run, and why.
    Invalid {
        /// One line.
        reason: Arc<str>,
        /// The name and version of its definition, where that loads.
        protocol: Option<Arc<Protocol>>,
        /// What a change is compared with.
        identity: Identity,
    },
}

impl Wanted {
    /// What a change is compared with.
    pub fn identity(&self) -> Identity {
        match self {
            Self::Valid { identity, .. } | Self::Invalid { identity, .. } => identity.clone(),
        }
    }

    /// What it is started with, if it can run.
    pub fn spec(&self) -> Option<&Arc<Spec>> {
        match self {
            Self::Valid { spec, .. } => Some(spec),
            Self::Invalid { .. } => None,
        }
    }

    /// Name and version of its definition; empty if that did not load.
    pub fn protocol(&self) -> (Arc<str>, Arc<str>) {
        let protocol = match self {
            Self::Valid { spec, .. } => Some(&spec.protocol),
            Self::Invalid { protocol, .. } => protocol.as_ref(),
        };
        protocol.map_or_else(|| (Arc::from(""), Arc::from("")), |p| (p.name.clone(), p.version.clone()))
    }
}

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
pub(super) fn log_report(source: &Source, report: &Report) {
    for problem in report.diagnostics() {
        let place = source.position(problem.span.start);
        let (file, line, column, code) = (source.name(), place.line, place.column, problem.code);
        match problem.severity {
            Severity::Error => tracing::error!(%file, line, column, %code, "{}", problem.message),
            Severity::Warning => tracing::warn!(%file, line, column, %code, "{}", problem.message),
            Severity::Note => tracing::debug!(%file, line, column, %code, "{}", problem.message),
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
    let read = || {
        use std::io::Read;
        let mut text = String::new();
        std::fs::File::open(path)?.take(MAX_SETTINGS).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let text = read().map_err(|error| trouble(Some(error.to_string()), None))?;
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

/// A definition that is in use.
#[derive(Clone, Debug)]
struct Definition {
    digest: Option<[u8; 32]>,
    protocol: Result<Arc<Protocol>, Arc<str>>,
}

/// All units, as they were applied last.
#[derive(Debug)]
pub struct Units {
    config: PathBuf,
    settings: Settings,
    definitions: BTreeMap<PathBuf, Definition>,
}

type WantedAll = BTreeMap<Arc<str>, Wanted>;

impl Units {
    /// Units with settings and no definitions yet.
    pub fn new(config: PathBuf, loaded: Loaded) -> Self {
        Self { config, settings: loaded.settings, definitions: BTreeMap::new() }
    }

    /// Every file that is watched.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        std::iter::once(self.config.clone()).chain(paths(&self.settings)).collect()
    }

    /// What should run at the start: elements that cannot are there as invalid.
    pub async fn first(&mut self) -> WantedAll {
        for path in paths(&self.settings) {
            let definition = load_definition(&path).await.unwrap_or_else(|trouble| {
                trouble.log();
                Definition { digest: None, protocol: Err(Arc::from(trouble.summary())) }
            });
            self.definitions.insert(path, definition);
        }
        wanted(&self.settings, &self.definitions)
    }

    /// Prepares the units that changed; what should run from now on, or nothing if no unit can be applied.
    pub async fn reload(&mut self, changed: &BTreeSet<PathBuf>) -> Option<WantedAll> {
        let mut any = false;
        if changed.contains(&self.config) {
            any |= self.reload_settings().await;
        }
        for path in
            changed.iter().filter(|path| self.definitions.contains_key(*path)).cloned().collect::<Vec<_>>()
        {
            any |= self.reload_definition(&path).await;
        }
        any.then(|| wanted(&self.settings, &self.definitions))
    }

    /// Whether the new settings were taken.
    async fn reload_settings(&mut self) -> bool {
        let config = self.config.clone();
        let loaded = match blocking(move || load_settings(&config)).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(trouble)) => {
                trouble.log();
                tracing::error!("settings are not applied; what runs stays as it is");
                return false;
            }
            Err(ended) => {
                tracing::error!(?ended, "settings are not applied; what runs stays as it is");
                return false;
            }
        };
        if loaded.settings == self.settings {
            // Secrets and files may have changed behind references: that is seen when the elements are put together.
            tracing::info!("settings read again: no difference in them");
        }
        for (name, same) in [
            ("api.listen", loaded.settings.api == self.settings.api),
            ("data_dir", loaded.settings.data_dir == self.settings.data_dir),
            ("log", loaded.settings.log == self.settings.log),
        ] {
            if !same {
                tracing::warn!(setting = name, "a change of this setting is applied at the next start");
            }
        }
        let mut definitions = self.definitions.clone();
        for path in paths(&loaded.settings) {
            if definitions.contains_key(&path) {
                continue;
            }
            match load_definition(&path).await {
                Ok(definition) => drop(definitions.insert(path, definition)),
                Err(trouble) => {
                    trouble.log();
                    tracing::error!(
                        "settings are not applied: a definition that is new in them does not load"
                    );
                    return false;
                }
            }
        }
        let before = wanted(&self.settings, &self.definitions);
        let after = wanted(&loaded.settings, &definitions);
        if !all_fit(&before, &after) {
            tracing::error!("settings are not applied; what runs stays as it is");
            return false;
        }
        let used = paths(&loaded.settings);
        definitions.retain(|path, _| used.contains(path));
        self.settings = loaded.settings;
        self.definitions = definitions;
        true
    }

    /// Whether the new definition was taken.
    async fn reload_definition(&mut self, path: &Path) -> bool {
        let definition = match load_definition(path).await {
            Ok(definition) => definition,
            Err(trouble) => {
                trouble.log();
                tracing::error!(path = %path.display(), "definition is not applied; what runs stays as it is");
                return false;
            }
        };
        let same = self.definitions.get(path).is_some_and(|old| old.digest == definition.digest);
        if same {
            return false;
        }
        let before = wanted(&self.settings, &self.definitions);
        let mut definitions = self.definitions.clone();
        definitions.insert(path.to_owned(), definition);
        let after = wanted(&self.settings, &definitions);
        if !all_fit(&before, &after) {
            tracing::error!(path = %path.display(), "definition is not applied; what runs stays as it is");
            return false;
        }
        self.definitions = definitions;
        true
    }
}

/// Whether no element that should be new or changed is invalid; says which are.
fn all_fit(before: &WantedAll, after: &WantedAll) -> bool {
    let mut fit = true;
    for (name, wanted) in after {
        let is_old = before.get(name).is_some_and(|old| old.identity() == wanted.identity());
        if let Wanted::Invalid { reason, .. } = wanted
            && !is_old
        {
            tracing::error!(element = %name, %reason, "element would be invalid");
            fit = false;
        }
    }
    fit
}

fn paths(settings: &Settings) -> BTreeSet<PathBuf> {
    settings.elements.iter().map(|element| element.protocol.value.clone()).collect()
}

/// Reads and compiles a definition, off the workers.
async fn load_definition(path: &Path) -> Result<Definition, Box<Trouble>> {
    let owned = path.to_owned();
    let loaded = blocking(move || load_definition_now(&owned)).await;
    loaded.unwrap_or_else(|ended| {
        let io = Some(format!("loading it failed: {ended:?}"));
        Err(Box::new(Trouble { path: path.to_owned(), io, report: None }))
    })
}

fn load_definition_now(path: &Path) -> Result<Definition, Box<Trouble>> {
    use std::io::Read;
    let trouble = |io, report| Box::new(Trouble { path: path.to_owned(), io, report });
    let mut bytes = Vec::new();
    let limit = language::xml::MAX_BYTES as u64 + 1;
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| trouble(Some(error.to_string()), None))?;
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, &bytes).as_ref());
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
            Ok(Definition { digest: Some(sum), protocol: Ok(protocol) })
        }
        (None, report) => Err(trouble(None, Some((source, report)))),
    }
}

/// What should run by these settings and definitions.
fn wanted(settings: &Settings, definitions: &BTreeMap<PathBuf, Definition>) -> WantedAll {
    let wanted_of = |element: &settings::Element| {
        let definition = definitions.get(&element.protocol.value);
        let digest = definition.and_then(|definition| definition.digest);
        let invalid = |reason: Arc<str>, protocol| {
            let mut sum = [0; 32];
            sum.copy_from_slice(digest::digest(&digest::SHA256, reason.as_bytes()).as_ref());
            Wanted::Invalid { reason, protocol, identity: Identity { definition: digest, settings: sum } }
        };
        let protocol = match definition.map(|definition| &definition.protocol) {
            Some(Ok(protocol)) => protocol,
            Some(Err(reason)) => return invalid(reason.clone(), None),
            None => return invalid(Arc::from("its definition was not loaded"), None),
        };
        match assemble::assemble(element, settings, protocol, &System) {
            Ok(spec) => {
                let identity = Identity { definition: digest, settings: assemble::digest(&spec) };
                Wanted::Valid { spec: Arc::new(spec), identity }
            }
            Err(problems) => invalid(Arc::from(problems.join("; ")), Some(protocol.clone())),
        }
    };
    settings.elements.iter().map(|element| (element.name.value.clone(), wanted_of(element))).collect()
}
