//! The units of a reload: the settings file, each definition with all elements that use it, each element with its secrets; starts and stops nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ring::digest;

use crate::daemon::assemble::{self, System};
use crate::daemon::fleet::load::{
    Definition, Loaded, Trouble, load_definition, load_settings, read_settings,
};
use crate::daemon::fleet::refusal::{Outcome, Refusal, Worse};
use crate::daemon::plan::Identity;
use crate::element::spec::Spec;
use crate::language::model::Protocol;
use crate::settings::{self, Dial, Http, Settings};
use crate::tasks::blocking;

/// How long settings that remove elements must stay as they are: the first half of a file is sound TOML without the
/// elements of the second half.
const SETTLED: Duration = Duration::from_secs(1);

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

/// What should run, by element name.
pub type WantedAll = BTreeMap<Arc<str>, Wanted>;

type Definitions = BTreeMap<PathBuf, Definition>;

/// All units, as they were applied last.
#[derive(Debug)]
pub struct Units {
    config: PathBuf,
    settings: Arc<Settings>,
    definitions: Definitions,
    /// What was wanted when a unit was applied last. It is kept and not put together anew at the next reload, because a
    /// secret that has gone since must not be taken for a change of another unit.
    wanted: WantedAll,
    /// Units whose file is not applied as it is now, by that file. Each is tried again when anything else changes, because
    /// what it has to fit may be what changed.
    refused: BTreeMap<PathBuf, Refusal>,
}

impl Units {
    /// Units with settings and no definitions yet.
    pub fn new(config: PathBuf, loaded: Loaded) -> Self {
        Self {
            config,
            settings: Arc::new(loaded.settings),
            definitions: BTreeMap::new(),
            wanted: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// The bounds of HTTP requests of the settings that are applied.
    pub fn http(&self) -> Http {
        self.settings.http
    }

    /// What scripts may take by the settings that are applied.
    pub fn script(&self) -> settings::Script {
        self.settings.script
    }

    /// The dial budget of the settings that are applied.
    pub fn dial(&self) -> Dial {
        self.settings.dial
    }

    /// Every file that is watched: the settings, and the definitions and secrets that they name, also those that are refused.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::from([self.config.clone()]);
        let refused = self.refused.get(&self.config).and_then(Refusal::settings);
        for settings in refused.into_iter().chain([&self.settings]) {
            files.extend(definition_paths(settings));
            files.extend(settings.elements.iter().flat_map(assemble::secret_files));
        }
        files.extend(self.script_files().map(|(_, file)| file.clone()));
        files
    }

    /// The files of scripts, each with the definition that they belong to, also of definitions that are refused.
    fn script_files(&self) -> impl Iterator<Item = (&PathBuf, &PathBuf)> {
        let applied = self.definitions.iter().map(|(path, definition)| (path, &definition.files));
        let refused = self.refused.iter().filter_map(|(path, refusal)| Some((path, refusal.files()?)));
        applied.chain(refused).flat_map(|(path, files)| files.iter().map(move |file| (path, file)))
    }

    /// Changed files, with the definitions that changed with their scripts.
    fn with_definitions(&self, changed: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        let of = |(path, file): (&PathBuf, &PathBuf)| changed.contains(file).then(|| path.clone());
        self.script_files().filter_map(of).chain(changed.iter().cloned()).collect()
    }

    /// What should run at the start: elements that cannot are there as invalid.
    pub async fn first(&mut self) -> WantedAll {
        for path in definition_paths(&self.settings) {
            let definition = match load_definition(&path, None).await {
                Ok(Some(definition)) => definition,
                Ok(None) => continue,
                Err(trouble) => {
                    let broken = Definition::broken(&trouble);
                    self.refused.insert(path.clone(), Refusal::File(trouble));
                    broken
                }
            };
            self.definitions.insert(path, definition);
        }
        let all = self.settings.elements.clone();
        match assembled(all, &self.settings, &self.definitions).await {
            Ok(wanted) => self.wanted = wanted,
            Err(reason) => tracing::error!(%reason, "no element is started"),
        }
        self.wanted.clone()
    }

    /// Prepares the units that changed, and those that were refused before; what should run from now on, or nothing if no
    /// unit can be applied.
    ///
    /// # Cancel safety
    ///
    /// A unit is taken whole or not at all; those that were taken before are not given out.
    pub async fn reload(&mut self, changed: &BTreeSet<PathBuf>) -> Option<WantedAll> {
        let changed = self.with_definitions(changed);
        let due = changed.iter().chain(self.refused.keys()).cloned().collect();
        self.attempt(due, &changed).await
    }

    /// Files whose content may be refused for a reason that passes by itself.
    pub fn to_try_again(&self) -> BTreeSet<PathBuf> {
        let passing =
            self.refused.iter().filter(|(_, refusal)| refusal.may_pass()).map(|(path, _)| path.clone());
        let invalid = self
            .elements(|element| matches!(self.wanted.get(&element.name.value), Some(Wanted::Invalid { .. })));
        passing.chain(invalid.iter().flat_map(assemble::secret_files)).collect()
    }

    /// Prepares those units once more; says only what is new.
    ///
    /// # Cancel safety
    ///
    /// As of [`Units::reload`].
    pub async fn try_again(&mut self) -> Option<WantedAll> {
        self.attempt(self.to_try_again(), &BTreeSet::new()).await
    }

    /// Prepares units until no more of them can be taken; tells of a refusal if it is new or its file has changed.
    async fn attempt(
        &mut self,
        mut due: BTreeSet<PathBuf>,
        changed: &BTreeSet<PathBuf>,
    ) -> Option<WantedAll> {
        let told: BTreeMap<_, _> =
            self.refused.iter().map(|(path, refusal)| (path.clone(), refusal.summary())).collect();
        let mut any = false;
        // Bound: each further pass begins with a unit taken, which is one less to be tried.
        while self.pass(&due).await || self.take_together().await {
            any = true;
            due = self.refused.keys().cloned().collect();
        }
        let files = self.files();
        self.refused.retain(|path, _| files.contains(path));
        for (path, refusal) in &self.refused {
            if changed.contains(path) || told.get(path) != Some(&refusal.summary()) {
                refusal.log(path, &self.config);
            }
        }
        any.then(|| self.wanted.clone())
    }

    /// Tries each of these units once, by itself; whether one was taken.
    async fn pass(&mut self, due: &BTreeSet<PathBuf>) -> bool {
        let mut taken = false;
        if due.contains(&self.config) {
            let outcome = self.reload_settings().await;
            taken |= self.note(self.config.clone(), outcome);
        }
        let definitions: Vec<_> =
            due.iter().filter(|path| self.definitions.contains_key(*path)).cloned().collect();
        for path in definitions {
            let outcome = self.reload_definition(&path).await;
            taken |= self.note(path, outcome);
        }
        self.reload_secrets(due).await || taken
    }

    fn note(&mut self, path: PathBuf, outcome: Outcome) -> bool {
        self.refused.remove(&path);
        match outcome {
            Outcome::Taken => true,
            Outcome::Same => false,
            Outcome::Refused(refusal) => {
                self.refused.insert(path, refusal);
                false
            }
        }
    }

    async fn reload_settings(&mut self) -> Outcome {
        let config = self.config.clone();
        let loaded = match blocking(move || load_settings(&config)).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(trouble)) => return Outcome::Refused(Refusal::File(trouble)),
            Err(ended) => return Outcome::Refused(Refusal::Failed(format!("{ended:?}").into())),
        };
        if let Some(trouble) = self.unfinished(&loaded).await {
            return Outcome::Refused(Refusal::File(Box::new(trouble)));
        }
        let settings = Arc::new(loaded.settings);
        if settings == self.settings {
            tracing::debug!("settings read again: no difference in them");
            return Outcome::Same;
        }
        let definitions = match self.with_new_definitions(&settings).await {
            Ok(definitions) => definitions,
            Err(trouble) => return Outcome::Refused(Refusal::NewDefinition(settings, trouble)),
        };
        let changed = self.changed_elements(&settings);
        let fresh = match assembled(changed, &settings, &definitions).await {
            Ok(fresh) => fresh,
            Err(reason) => return Outcome::Refused(Refusal::Failed(reason)),
        };
        let worse = self.worse(&fresh);
        if !worse.is_empty() {
            return Outcome::Refused(Refusal::Settings(settings, worse));
        }
        self.take_settings(settings, definitions, fresh);
        Outcome::Taken
    }

    /// Whether a settings file looks as if somebody were still writing it: it would end elements, and is empty or changes.
    async fn unfinished(&self, loaded: &Loaded) -> Option<Trouble> {
        let stays: BTreeSet<_> = loaded.settings.elements.iter().map(|element| &element.name.value).collect();
        if self.settings.elements.iter().all(|element| stays.contains(&element.name.value)) {
            return None;
        }
        let trouble = |what: &str| Trouble {
            path: self.config.clone(),
            io: Some(what.to_owned()),
            report: None,
            files: Vec::new(),
        };
        let text = loaded.source.text();
        if text.trim().is_empty() {
            return Some(trouble(
                "the file is empty: most likely it is being written; to end all elements, stop the daemon or comment them out",
            ));
        }
        tokio::time::sleep(SETTLED).await;
        let config = self.config.clone();
        match blocking(move || read_settings(&config)).await {
            Ok(Ok(again)) if again == **text => None,
            Ok(Ok(_) | Err(_)) | Err(_) => {
                Some(trouble("it would end elements, and it is still being written"))
            }
        }
    }

    /// Takes settings that fit; `fresh` are the elements that change with them.
    fn take_settings(&mut self, settings: Arc<Settings>, definitions: Definitions, mut fresh: WantedAll) {
        for (name, same) in [
            ("api.listen", settings.api == self.settings.api),
            ("data_dir", settings.data_dir == self.settings.data_dir),
            ("log", settings.log == self.settings.log),
            ("grace_ms", settings.grace == self.settings.grace),
            ("script.threads", settings.script.threads == self.settings.script.threads),
        ] {
            if !same {
                tracing::warn!(setting = name, "a change of this setting is applied at the next start");
            }
        }
        let of = |element: &settings::Element| {
            let name = &element.name.value;
            let wanted = fresh.remove(name).or_else(|| self.wanted.get(name).cloned())?;
            Some((name.clone(), wanted))
        };
        self.wanted = settings.elements.iter().filter_map(of).collect();
        self.definitions = definitions;
        self.settings = settings;
    }

    /// The definitions that settings use; an error if one that is new in them does not load.
    async fn with_new_definitions(&self, settings: &Settings) -> Result<Definitions, Box<Trouble>> {
        let mut definitions = Definitions::new();
        for path in definition_paths(settings) {
            let definition = match self.definitions.get(&path) {
                Some(known) => known.clone(),
                None => match load_definition(&path, None).await? {
                    Some(definition) => definition,
                    None => continue,
                },
            };
            definitions.insert(path, definition);
        }
        Ok(definitions)
    }

    /// Takes settings and definitions that were refused one by one and fit each other, as after a parameter was renamed in
    /// both; whether there were any.
    async fn take_together(&mut self) -> bool {
        let Some(Refusal::Settings(settings, _)) = self.refused.get(&self.config) else { return false };
        let settings = settings.clone();
        let Ok(mut definitions) = self.with_new_definitions(&settings).await else { return false };
        let mut with: BTreeMap<PathBuf, Definition> = BTreeMap::new();
        for (path, refusal) in &self.refused {
            if let Refusal::Definition(definition, _) = refusal
                && definitions.contains_key(path)
            {
                with.insert(path.clone(), definition.clone());
            }
        }
        // Bound: each turn leaves out one definition at least.
        while !with.is_empty() {
            definitions.extend(with.clone());
            let mut users = self.changed_elements(&settings);
            let known: BTreeSet<_> = users.iter().map(|element| element.name.value.clone()).collect();
            let uses_one = |element: &&settings::Element| {
                with.contains_key(&element.protocol.value) && !known.contains(&element.name.value)
            };
            users.extend(settings.elements.iter().filter(uses_one).cloned());
            let Ok(fresh) = assembled(users, &settings, &definitions).await else { return false };
            let worse = self.worse(&fresh);
            if worse.is_empty() {
                self.take_settings(settings, definitions, fresh);
                self.refused.remove(&self.config);
                self.refused.retain(|path, _| !with.contains_key(path));
                return true;
            }
            let left_out: BTreeSet<_> = settings
                .elements
                .iter()
                .filter(|element| worse.iter().any(|(name, _)| *name == element.name.value))
                .filter(|element| with.contains_key(&element.protocol.value))
                .map(|element| element.protocol.value.clone())
                .collect();
            if left_out.is_empty() {
                return false;
            }
            for path in left_out {
                with.remove(&path);
                if let Some(old) = self.definitions.get(&path) {
                    definitions.insert(path, old.clone());
                }
            }
        }
        false
    }

    /// The elements that are new in other settings, or that these say something else of.
    fn changed_elements(&self, settings: &Settings) -> Vec<settings::Element> {
        let known: BTreeMap<_, _> =
            self.settings.elements.iter().map(|element| (&element.name.value, element)).collect();
        let all_change = settings.tai_offset_seconds != self.settings.tai_offset_seconds;
        let is_new =
            |element: &&settings::Element| all_change || known.get(&element.name.value) != Some(element);
        settings.elements.iter().filter(is_new).cloned().collect()
    }

    async fn reload_definition(&mut self, path: &Path) -> Outcome {
        let old = self.definitions.get(path);
        let definition = match load_definition(path, old).await {
            Ok(Some(definition)) => definition,
            Ok(None) => return Outcome::Same,
            Err(trouble) => return Outcome::Refused(Refusal::File(trouble)),
        };
        if let Some(old) = self.definitions.get_mut(path)
            && old.does_as(&definition)
        {
            tracing::info!(path = %path.display(), "definition is written differently and says the same; nothing restarts");
            if let (Ok(runs), Ok(written)) = (&old.protocol, &definition.protocol) {
                runs.scripts.move_to(&written.scripts);
            }
            old.digest = definition.digest;
            old.files = definition.files;
            return Outcome::Same;
        }
        let mut definitions = self.definitions.clone();
        definitions.insert(path.to_owned(), definition.clone());
        let users = self.elements(|element| element.protocol.value == path);
        let fresh = match assembled(users, &self.settings, &definitions).await {
            Ok(fresh) => fresh,
            Err(reason) => return Outcome::Refused(Refusal::Failed(reason)),
        };
        let worse = self.worse(&fresh);
        if !worse.is_empty() {
            return Outcome::Refused(Refusal::Definition(definition, worse));
        }
        self.definitions = definitions;
        self.wanted.extend(fresh);
        Outcome::Taken
    }

    /// Whether an element takes a secret that changed; each is a unit of its own.
    async fn reload_secrets(&mut self, due: &BTreeSet<PathBuf>) -> bool {
        let users =
            self.elements(|element| assemble::secret_files(element).iter().any(|file| due.contains(file)));
        if users.is_empty() {
            return false;
        }
        let files: BTreeMap<_, _> = users
            .iter()
            .map(|element| (element.name.value.clone(), assemble::secret_files(element)))
            .collect();
        let Ok(fresh) = assembled(users, &self.settings, &self.definitions).await else { return false };
        self.refused.retain(|path, refusal| !matches!(refusal, Refusal::Secret(_)) || !due.contains(path));
        let mut any = false;
        for (name, wanted) in fresh {
            let old = self.wanted.get(&name);
            if old.is_some_and(|old| old.identity() == wanted.identity()) {
                continue;
            }
            if let (Some(Wanted::Valid { .. }), Wanted::Invalid { reason, .. }) = (old, &wanted) {
                // Told once, with the first of its files that is looked at again.
                let file = files.get(&name).and_then(|files| files.iter().find(|file| due.contains(*file)));
                let refused = file.map(|file| self.refused.entry(file.clone()));
                if let Some(Refusal::Secret(worse)) =
                    refused.map(|entry| entry.or_insert_with(|| Refusal::Secret(Vec::new())))
                {
                    worse.push((name, reason.clone()));
                }
                continue;
            }
            tracing::info!(element = %name, "a secret of the element changed");
            self.wanted.insert(name, wanted);
            any = true;
        }
        any
    }

    fn elements(&self, which: impl Fn(&settings::Element) -> bool) -> Vec<settings::Element> {
        self.settings.elements.iter().filter(|element| which(element)).cloned().collect()
    }

    /// The elements that are new or could run and would be invalid.
    ///
    /// One that was invalid may stay so: nothing of it runs that could be lost.
    fn worse(&self, fresh: &WantedAll) -> Worse {
        let worse = |(name, wanted): (&Arc<str>, &Wanted)| match wanted {
            Wanted::Invalid { reason, .. }
                if !matches!(self.wanted.get(name), Some(Wanted::Invalid { .. })) =>
            {
                Some((name.clone(), reason.clone()))
            }
            Wanted::Invalid { .. } | Wanted::Valid { .. } => None,
        };
        fresh.iter().filter_map(worse).collect()
    }
}

fn definition_paths(settings: &Settings) -> BTreeSet<PathBuf> {
    settings.elements.iter().map(|element| element.protocol.value.clone()).collect()
}

/// Puts elements together, off the workers, because secrets are read from files; an error if that failed altogether.
async fn assembled(
    elements: Vec<settings::Element>,
    settings: &Arc<Settings>,
    definitions: &Definitions,
) -> Result<WantedAll, Arc<str>> {
    let (settings, definitions) = (settings.clone(), definitions.clone());
    let work = move || {
        let of = |element: &settings::Element| {
            (element.name.value.clone(), wanted(element, &settings, &definitions))
        };
        elements.iter().map(of).collect()
    };
    blocking(work).await.map_err(|ended| format!("elements could not be put together: {ended:?}").into())
}

/// What should run of one element.
fn wanted(element: &settings::Element, settings: &Settings, definitions: &Definitions) -> Wanted {
    let definition = definitions.get(&element.protocol.value);
    let digest = definition.and_then(|definition| definition.identity);
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
}
