//! Why a unit that changed is not applied: says so once, and whether time alone may mend it; applies nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::daemon::fleet::load::{Definition, Trouble};
use crate::settings::Settings;

/// What became of a unit whose file changed.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is wanted from now on.
    Taken,
    /// It says nothing else than before.
    Same,
    /// What ran stays as it is.
    Refused(Refusal),
}

/// Elements that would be invalid, and why.
pub(super) type Worse = Vec<(Arc<str>, Arc<str>)>;

/// Why a unit is not applied.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// Its file cannot be read or does not load.
    File(Box<Trouble>),
    /// Settings that name a definition which does not load.
    NewDefinition(Arc<Settings>, Box<Trouble>),
    /// Settings that fit no definition that is in use; they may fit one that comes later.
    Settings(Arc<Settings>, Worse),
    /// A definition that the settings in use do not fit; others may.
    Definition(Definition, Worse),
    /// A secret that an element needs cannot be used.
    Secret(Worse),
    /// Reading it went wrong in a way that no file is to blame for.
    Failed(Arc<str>),
}

impl Refusal {
    /// Whether the next try may go well although no file has changed: the system refused, and not the content.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::File(trouble) | Self::NewDefinition(_, trouble) => trouble.io.is_some(),
            Self::Secret(_) | Self::Failed(_) => true,
            Self::Settings(..) | Self::Definition(..) => false,
        }
    }

    /// The settings that are not applied, if they could be read.
    pub(super) fn settings(&self) -> Option<&Arc<Settings>> {
        match self {
            Self::NewDefinition(settings, _) | Self::Settings(settings, _) => Some(settings),
            Self::File(_) | Self::Definition(..) | Self::Secret(_) | Self::Failed(_) => None,
        }
    }

    /// The files of the scripts of a definition that is not applied.
    pub(super) fn files(&self) -> Option<&Vec<PathBuf>> {
        match self {
            Self::File(trouble) | Self::NewDefinition(_, trouble) => Some(&trouble.files),
            Self::Definition(definition, _) => Some(&definition.files),
            Self::Settings(..) | Self::Secret(_) | Self::Failed(_) => None,
        }
    }

    /// One line, to tell a new refusal from one that has been told.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::File(trouble) | Self::NewDefinition(_, trouble) => trouble.summary(),
            Self::Settings(_, worse) | Self::Definition(_, worse) | Self::Secret(worse) => {
                let line = |(name, reason): &(Arc<str>, Arc<str>)| format!("{name}: {reason}");
                worse.iter().map(line).collect::<Vec<_>>().join("; ")
            }
            Self::Failed(reason) => reason.to_string(),
        }
    }

    /// Writes everything to the log; `config` is the path of the settings, any other one that of a definition or a secret.
    pub(super) fn log(&self, path: &Path, config: &Path) {
        match self {
            Self::File(trouble) | Self::NewDefinition(_, trouble) => trouble.log(),
            Self::Settings(_, worse) | Self::Definition(_, worse) => {
                for (name, reason) in worse {
                    tracing::error!(element = %name, %reason, "element would be invalid");
                }
            }
            Self::Secret(worse) => {
                for (name, reason) in worse {
                    tracing::error!(element = %name, %reason, "secret is not applied; the element stays as it is");
                }
                return;
            }
            Self::Failed(reason) => tracing::error!(%reason, "a unit could not be prepared"),
        }
        match self {
            Self::NewDefinition(..) => {
                tracing::error!("settings are not applied: a definition that is new in them does not load");
            }
            Self::File(_) | Self::Settings(..) | Self::Definition(..) | Self::Failed(_) if path == config => {
                tracing::error!("settings are not applied; what runs stays as it is");
            }
            Self::File(_) | Self::Settings(..) | Self::Definition(..) | Self::Failed(_) => {
                tracing::error!(path = %path.display(), "definition is not applied; what runs stays as it is");
            }
            Self::Secret(_) => {}
        }
    }
}
