//! The units of a reload: the settings file, each definition with all elements that use it, each element with its secrets; starts and stops nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest;

use crate::daemon::assemble::{self, System};
use crate::daemon::fleet::load::{Definition, Loaded, load_definition, load_settings};
use crate::daemon::plan::Identity;
use crate::element::spec::Spec;
use crate::language::model::Protocol;
use crate::settings::{self, Settings};
use crate::tasks::blocking;

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
}

impl Units {
    /// Units with settings and no definitions yet.
    pub fn new(config: PathBuf, loaded: Loaded) -> Self {
        Self {
            config,
            settings: Arc::new(loaded.settings),
            definitions: BTreeMap::new(),
            wanted: BTreeMap::new(),
        }
    }

    /// Every file that is watched: the settings, the definitions, and the secrets that the settings name.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let secrets = self.settings.elements.iter().flat_map(assemble::secret_files);
        std::iter::once(self.config.clone()).chain(definition_paths(&self.settings)).chain(secrets).collect()
    }

    /// What should run at the start: elements that cannot are there as invalid.
    pub async fn first(&mut self) -> WantedAll {
        for path in definition_paths(&self.settings) {
            let definition = match load_definition(&path, None).await {
                Ok(Some(definition)) => definition,
                Ok(None) => continue,
                Err(trouble) => Definition::broken(&trouble),
            };
            self.definitions.insert(path, definition);
        }
        let all = self.settings.elements.clone();
        if let Some(wanted) = assembled(all, &self.settings, &self.definitions).await {
            self.wanted = wanted;
        }
        self.wanted.clone()
    }

    /// Prepares the units that changed; what should run from now on, or nothing if no unit can be applied.
    ///
    /// # Cancel safety
    ///
    /// A unit is taken whole or not at all; those that were taken before are not given out.
    pub async fn reload(&mut self, changed: &BTreeSet<PathBuf>) -> Option<WantedAll> {
        let mut any = false;
        if changed.contains(&self.config) {
            any |= self.reload_settings().await;
        }
        let definitions: Vec<_> =
            changed.iter().filter(|path| self.definitions.contains_key(*path)).cloned().collect();
        for path in definitions {
            any |= self.reload_definition(&path).await;
        }
        any |= self.reload_secrets(changed).await;
        any.then(|| self.wanted.clone())
    }

    /// Whether the new settings were taken.
    async fn reload_settings(&mut self) -> bool {
        let config = self.config.clone();
        let settings = match blocking(move || load_settings(&config)).await {
            Ok(Ok(loaded)) => Arc::new(loaded.settings),
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
        if settings == self.settings {
            tracing::debug!("settings read again: no difference in them");
            return false;
        }
        let Some(definitions) = self.with_new_definitions(&settings).await else { return false };
        let changed = self.changed_elements(&settings);
        let Some(mut fresh) = assembled(changed, &settings, &definitions).await else { return false };
        if self.any_worse(&fresh) {
            tracing::error!("settings are not applied; what runs stays as it is");
            return false;
        }
        for (name, same) in [
            ("api.listen", settings.api == self.settings.api),
            ("data_dir", settings.data_dir == self.settings.data_dir),
            ("log", settings.log == self.settings.log),
            ("dial", settings.dial == self.settings.dial),
            ("grace_ms", settings.grace == self.settings.grace),
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
        true
    }

    /// The definitions that new settings use; `None` if one that is new in them does not load.
    async fn with_new_definitions(&self, settings: &Settings) -> Option<Definitions> {
        let mut definitions = Definitions::new();
        for path in definition_paths(settings) {
            let definition = match self.definitions.get(&path) {
                Some(known) => known.clone(),
                None => match load_definition(&path, None).await {
                    Ok(Some(definition)) => definition,
                    Ok(None) => continue,
                    Err(trouble) => {
                        trouble.log();
                        tracing::error!(
                            "settings are not applied: a definition that is new in them does not load"
                        );
                        return None;
                    }
                },
            };
            definitions.insert(path, definition);
        }
        Some(definitions)
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

    /// Whether the new definition was taken.
    async fn reload_definition(&mut self, path: &Path) -> bool {
        let known = self.definitions.get(path).and_then(|definition| definition.digest);
        let definition = match load_definition(path, known).await {
            Ok(Some(definition)) => definition,
            Ok(None) => return false,
            Err(trouble) => {
                trouble.log();
                tracing::error!(path = %path.display(), "definition is not applied; what runs stays as it is");
                return false;
            }
        };
        let mut definitions = self.definitions.clone();
        definitions.insert(path.to_owned(), definition);
        let users = self.elements(|element| element.protocol.value == path);
        let Some(fresh) = assembled(users, &self.settings, &definitions).await else { return false };
        if self.any_worse(&fresh) {
            tracing::error!(path = %path.display(), "definition is not applied; what runs stays as it is");
            return false;
        }
        self.definitions = definitions;
        self.wanted.extend(fresh);
        true
    }

    /// Whether an element takes a secret that changed; each is a unit of its own.
    async fn reload_secrets(&mut self, changed: &BTreeSet<PathBuf>) -> bool {
        let users = self
            .elements(|element| assemble::secret_files(element).iter().any(|file| changed.contains(file)));
        if users.is_empty() {
            return false;
        }
        let Some(fresh) = assembled(users, &self.settings, &self.definitions).await else { return false };
        let mut any = false;
        for (name, wanted) in fresh {
            let old = self.wanted.get(&name);
            if old.is_some_and(|old| old.identity() == wanted.identity()) {
                continue;
            }
            if let (Some(Wanted::Valid { .. }), Wanted::Invalid { reason, .. }) = (old, &wanted) {
                tracing::error!(element = %name, %reason, "secret is not applied; the element stays as it is");
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

    /// Whether an element that is new or could run would be invalid; says which.
    ///
    /// One that was invalid may stay so: nothing of it runs that could be lost.
    fn any_worse(&self, fresh: &WantedAll) -> bool {
        let mut worse = false;
        for (name, wanted) in fresh {
            if let Wanted::Invalid { reason, .. } = wanted
                && !matches!(self.wanted.get(name), Some(Wanted::Invalid { .. }))
            {
                tracing::error!(element = %name, %reason, "element would be invalid");
                worse = true;
            }
        }
        worse
    }
}

fn definition_paths(settings: &Settings) -> BTreeSet<PathBuf> {
    settings.elements.iter().map(|element| element.protocol.value.clone()).collect()
}

/// Puts elements together, off the workers, because secrets are read from files; `None` if that failed altogether.
async fn assembled(
    elements: Vec<settings::Element>,
    settings: &Arc<Settings>,
    definitions: &Definitions,
) -> Option<WantedAll> {
    let (settings, definitions) = (settings.clone(), definitions.clone());
    let work = move || {
        let of = |element: &settings::Element| {
            (element.name.value.clone(), wanted(element, &settings, &definitions))
        };
        elements.iter().map(of).collect()
    };
    match blocking(work).await {
        Ok(wanted) => Some(wanted),
        Err(ended) => {
            tracing::error!(?ended, "elements could not be put together; what runs stays as it is");
            None
        }
    }
}

/// What should run of one element.
fn wanted(element: &settings::Element, settings: &Settings, definitions: &Definitions) -> Wanted {
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
}
