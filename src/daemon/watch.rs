//! Tells which of a set of files changed, once they are quiet; reads no content and decides nothing.
//!
//! The parent folders are watched, because the usual save is a rename over the file. An event only wakes: what changed is
//! found by comparing stamps, so that lost events, links that are swapped and folders that come and go all end up right.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

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
    // How far the present look is. It is kept here and not in `changed`, which may be dropped at each of its waits.
    look: Look,
    // What the present look has found; told when the look is over.
    found: BTreeSet<PathBuf>,
}

/// How far a look at the files is.
#[derive(Clone, Debug)]
enum Look {
    /// It begins with an event, or at this time; none: the time is not set yet.
    Awaited(Option<Instant>),
    /// There was an event: it waits for quiet, which is at `until` if nothing more comes, and for no longer than to `end`.
    Quieting { until: Instant, end: Instant },
    /// The stamps up to this file have been compared.
    Comparing(Option<PathBuf>),
}

/// What is compared to tell whether a file changed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    Missing,
    There { modified: Option<SystemTime>, len: u64, identity: Identity },
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
            look: Look::Awaited(None),
            found: BTreeSet::new(),
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
        self.found.retain(|file| self.files.contains_key(file));
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
    /// Cancel-safe: the next call goes on where this one was dropped, so that an event, the wait for quiet, and the time of
    /// the next look without an event all hold, however often it is dropped.
    pub async fn changed(&mut self) -> BTreeSet<PathBuf> {
        loop {
            match self.look.clone() {
                Look::Awaited(at) => self.awaited(at).await,
                Look::Quieting { until, end } => self.quieting(until, end).await,
                Look::Comparing(after) => {
                    if self.compared(after).await {
                        self.look = Look::Awaited(None);
                        self.report_again();
                        let found = std::mem::take(&mut self.found);
                        if !found.is_empty() {
                            return found;
                        }
                    }
                }
            }
        }
    }

    async fn awaited(&mut self, at: Option<Instant>) {
        let pause = if self.is_polling() { POLL } else { SAFETY };
        let latest = Instant::now() + pause;
        let at = at.map_or(latest, |at| at.min(latest));
        self.look = Look::Awaited(Some(at));
        // The event is taken and noted without a wait in between.
        self.look = match timeout_at(at, self.signal.notified()).await {
            Ok(()) => {
                let now = Instant::now();
                Look::Quieting { until: now + QUIET, end: now + AT_MOST }
            }
            Err(_) => self.begin(),
        };
    }

    async fn quieting(&mut self, until: Instant, end: Instant) {
        let heard = timeout_at(until.min(end), self.signal.notified()).await.is_ok();
        let now = Instant::now();
        self.look =
            if heard && now < end { Look::Quieting { until: now + QUIET, end } } else { self.begin() };
    }

    fn begin(&mut self) -> Look {
        self.report_again();
        Look::Comparing(None)
    }

    /// Asks the system anew for the folders that it did not report on.
    fn report_again(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        self.unreported.retain(|folder| watcher.watch(folder, RecursiveMode::NonRecursive).is_err());
    }

    /// Compares the stamp of the first file after another; `true` if there is none.
    async fn compared(&mut self, after: Option<PathBuf>) -> bool {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let Some((file, old)) = self.files.range::<PathBuf, _>((from, Bound::Unbounded)).next() else {
            return true;
        };
        let (file, new) = (file.clone(), stamp(file).await);
        if new != *old {
            let there = folders(&file).await;
            // A folder that was made again, or that a link leads to, may be another one now: it is asked for anew.
            self.folders.extend(there.iter().cloned());
            self.unreported.extend(there);
            self.files.insert(file.clone(), new);
            self.found.insert(file.clone());
        }
        self.look = Look::Comparing(Some(file));
        false
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

/// What tells a file from another one of its name, and that its rights changed: device, number, time of the last change of it.
type Identity = (u64, u64, i64, i64);

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> Identity {
    (0, 0, 0, 0)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

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

    /// A watch that the system reports nothing to, so that a test decides what it hears, and its file.
    async fn deaf() -> (tempfile::TempDir, PathBuf, Watch) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.xml");
        std::fs::write(&file, "1").unwrap();
        let mut watch = Watch { watcher: None, ..Watch::new() };
        watch.set_files([file.clone()]).await;
        // As if all folders were reported on.
        watch.unreported.clear();
        (folder, file, watch)
    }

    /// Drops `changed` each `pause` until it has found something, and says how long that took.
    async fn found_in_slices(watch: &mut Watch, pause: Duration) -> Duration {
        let start = Instant::now();
        while start.elapsed() < 3 * SAFETY {
            if let Ok(changed) = timeout(pause, watch.changed()).await {
                assert_eq!(changed.len(), 1);
                return start.elapsed();
            }
        }
        panic!("it was never found");
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_not_lost_when_the_wait_for_quiet_is_dropped() {
        let (_folder, file, mut watch) = deaf().await;
        std::fs::write(&file, "22").unwrap();
        watch.signal.notify_one();
        let took = found_in_slices(&mut watch, QUIET / 2).await;
        assert!(took <= QUIET * 2, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_look_without_an_event_comes_however_often_the_wait_is_dropped() {
        let (_folder, file, mut watch) = deaf().await;
        std::fs::write(&file, "22").unwrap();
        let took = found_in_slices(&mut watch, Duration::from_secs(1)).await;
        assert!(took <= SAFETY + Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_is_never_quiet_puts_the_look_off_for_a_while_only() {
        let (_folder, file, mut watch) = deaf().await;
        std::fs::write(&file, "22").unwrap();
        let signal = watch.signal.clone();
        let noise = async {
            loop {
                signal.notify_one();
                tokio::time::sleep(QUIET / 4).await;
            }
        };
        let took = tokio::select! {
            took = found_in_slices(&mut watch, QUIET * 3) => took,
            () = noise => Duration::MAX,
        };
        assert!(took <= AT_MOST + QUIET * 3, "{took:?}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_change_of_the_rights_is_a_change() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, file, mut watch) = deaf().await;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        watch.signal.notify_one();
        assert_eq!(next(&mut watch).await, ["a.xml"]);
    }
}
