//! Tells which of a set of files changed, once they are quiet; reads no content and decides nothing.
//!
//! The parent folders are watched, because the usual save is a rename over the file. An event only wakes: what changed is
//! found by comparing stamps, so that lost events, links that are swapped and folders that come and go all end up right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a folder must be quiet before its files are looked at: an editor writes, renames and sets rights in a burst.
pub const QUIET: Duration = Duration::from_millis(100);
/// How long a folder that is never quiet may put off the look.
pub const AT_MOST: Duration = Duration::from_secs(2);
/// How often files are looked at without an event, where the system reports all of them: a net below the net.
pub const SAFETY: Duration = Duration::from_secs(60);
/// How often files are looked at where the system reports nothing for at least one folder.
pub const POLL: Duration = Duration::from_secs(2);

/// A set of files that are watched.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    signal: Arc<Notify>,
    files: BTreeMap<PathBuf, Stamp>,
    folders: BTreeSet<PathBuf>,
    // Folders that the system does not report on: not there yet, no rights, or no watches left.
    unreported: BTreeSet<PathBuf>,
}

/// What is compared to tell whether a file changed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    Missing,
    There { modified: Option<SystemTime>, len: u64, identity: u64 },
}

impl Watch {
    /// Starts with no files.
    pub fn new() -> Self {
        let signal = Arc::new(Notify::new());
        let wake = signal.clone();
        // An error of the watcher (an overflow, say) wakes as well: the stamps tell what it was about. Reading does not.
        let is_read = |event: &notify::Event| {
            matches!(event.kind, EventKind::Access(AccessKind::Open(_) | AccessKind::Read))
        };
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.as_ref().is_ok_and(is_read) {
                wake.notify_one();
            }
        })
        .ok();
        Self {
            watcher,
            signal,
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            unreported: BTreeSet::new(),
        }
    }

    /// Replaces the set of files and names those that are new in it; the others keep their stamps, so that no change is lost.
    ///
    /// # Cancel safety
    ///
    /// Not cancel-safe: files may be missing from the set.
    pub async fn set_files(&mut self, files: impl IntoIterator<Item = PathBuf>) -> BTreeSet<PathBuf> {
        let (mut stamps, mut fresh) = (BTreeMap::new(), BTreeSet::new());
        let mut wanted = BTreeSet::new();
        for file in files {
            let stamp = match self.files.remove(&file) {
                Some(stamp) => stamp,
                None => {
                    fresh.insert(file.clone());
                    stamp(&file).await
                }
            };
            wanted.extend(folders(&file).await);
            stamps.insert(file, stamp);
        }
        self.files = stamps;
        for gone in self.folders.difference(&wanted) {
            if let Some(watcher) = &mut self.watcher {
                // The folder may be gone already, and its watch with it.
                let _ = watcher.unwatch(gone);
            }
        }
        self.unreported.retain(|folder| wanted.contains(folder));
        self.unreported.extend(wanted.difference(&self.folders).cloned());
        self.folders = wanted;
        self.report_again();
        fresh
    }

    /// Whether some folder is only looked at now and then, because the system does not report on it.
    pub fn is_polling(&self) -> bool {
        !self.unreported.is_empty()
    }

    /// Waits until files of the set have changed and are quiet, and names them; never returns an empty set.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: a change that was not returned is found by the next call.
    pub async fn changed(&mut self) -> BTreeSet<PathBuf> {
        loop {
            let pause = if self.is_polling() { POLL } else { SAFETY };
            if timeout(pause, self.signal.notified()).await.is_ok() {
                self.quiet().await;
            }
            self.report_again();
            let changed = self.compare().await;
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    async fn quiet(&self) {
        let end = Instant::now() + AT_MOST;
        while timeout_at(end.min(Instant::now() + QUIET), self.signal.notified()).await.is_ok() {}
    }

    /// Asks the system anew for the folders that it did not report on.
    fn report_again(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        self.unreported.retain(|folder| watcher.watch(folder, RecursiveMode::NonRecursive).is_err());
    }

    async fn compare(&mut self) -> BTreeSet<PathBuf> {
        let mut fresh = Vec::new();
        for (file, old) in &self.files {
            let new = stamp(file).await;
            if new != *old {
                fresh.push((file.clone(), new, folders(file).await));
            }
        }
        // Stamps are replaced without a wait in between, so that a cancelled look loses nothing.
        let mut changed = BTreeSet::new();
        for (file, stamp, there) in fresh {
            // A folder that was made again, or that a link leads to, may be another one now: it is asked for anew.
            self.folders.extend(there.iter().cloned());
            self.unreported.extend(there);
            self.files.insert(file.clone(), stamp);
            changed.insert(file);
        }
        if !changed.is_empty() {
            self.report_again();
        }
        changed
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("files", &self.files)
            .field("unreported", &self.unreported)
            .finish_non_exhaustive()
    }
}

/// The folder that a file is named in, and the one that it is in if links lead there.
async fn folders(file: &Path) -> BTreeSet<PathBuf> {
    let named = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    let real = tokio::fs::canonicalize(file).await.ok();
    let real = real.as_deref().and_then(Path::parent).map(Path::to_owned);
    real.into_iter().chain([named]).collect()
}

async fn stamp(file: &Path) -> Stamp {
    match tokio::fs::metadata(file).await {
        Ok(metadata) => Stamp::There {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            identity: identity(&metadata),
        },
        Err(_) => Stamp::Missing,
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.ino()
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next(watch: &mut Watch) -> Vec<String> {
        let changed = timeout(Duration::from_secs(20), watch.changed()).await.expect("a change is found");
        changed
            .iter()
            .map(|file| file.file_name().unwrap_or_default().to_string_lossy().into_owned())
            .collect()
    }

    #[tokio::test]
    async fn a_rename_over_a_file_is_a_change_of_that_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.xml"), "1").unwrap();
        std::fs::write(path("b.xml"), "1").unwrap();
        let mut watch = Watch::new();
        watch.set_files([path("a.xml"), path("b.xml")]).await;
        assert!(!watch.is_polling());

        std::fs::write(path("a.xml.new"), "22").unwrap();
        std::fs::rename(path("a.xml.new"), path("a.xml")).unwrap();
        assert_eq!(next(&mut watch).await, ["a.xml"]);

        std::fs::remove_file(path("b.xml")).unwrap();
        assert_eq!(next(&mut watch).await, ["b.xml"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_comes_later_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("later/a.xml");
        let mut watch = Watch::new();
        watch.set_files([file.clone()]).await;
        assert!(watch.is_polling());
        std::fs::create_dir(folder.path().join("later")).unwrap();
        std::fs::write(&file, "1").unwrap();
        assert_eq!(next(&mut watch).await, ["a.xml"]);
        assert!(!watch.is_polling());
    }
}
