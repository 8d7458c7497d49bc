//! Finds and reads the files of a command line; checks nothing in them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::load::{self, Refused};
use crate::language::source::{Source, Span};
use crate::language::xml;

/// How deep folders are walked; deeper ones are no place for definitions.
const MAX_FOLDER_DEPTH: usize = 32;

/// The files that a command line means.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files to read, in the order of the command line, those of a folder sorted by name.
    pub(super) files: Vec<PathBuf>,
    /// How many files of folders were left out, since their names end in something else.
    pub(super) skipped: usize,
    /// Folders that could not be listed and files that are none, and why.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
}

/// What stands for standard input on a command line.
const STANDARD_INPUT: &str = "-";

/// Takes files as they are and walks folders for names that end in `suffix`.
///
/// Hidden files and folders are left out, and so is what tools make and nobody writes: see [`is_made`].
pub(super) fn find(paths: &[PathBuf], suffix: &str) -> Found {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            walk(path, suffix, MAX_FOLDER_DEPTH, &mut BTreeSet::new(), &mut found);
        } else {
            found.files.push(path.clone());
        }
    }
    found
}

/// `known` holds the real paths of the folders walked so far: a link to one of them adds nothing, and loops end.
fn walk(folder: &Path, suffix: &str, depth: usize, known: &mut BTreeSet<PathBuf>, found: &mut Found) {
    let listed = fs::canonicalize(folder).and_then(|real| Ok((real, fs::read_dir(folder)?)));
    let (real, entries) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            found.unreadable.push((folder.to_owned(), error));
            return;
        }
    };
    if !known.insert(real) {
        return;
    }
    if depth == 0 {
        let why = format!("folders are nested more than {MAX_FOLDER_DEPTH} deep");
        found.unreadable.push((folder.to_owned(), io::Error::other(why)));
        return;
    }
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name =
            path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if is_made(folder, &name) {
                continue;
            }
            walk(&path, suffix, depth - 1, known, found);
        } else if !name.ends_with(suffix) {
            found.skipped += 1;
        } else if fs::metadata(&path).is_ok_and(|file| !file.is_file()) {
            // Reading a pipe that nobody writes to would wait for ever.
            found.unreadable.push((path, io::Error::other("it is a pipe, a socket or a device")));
        } else {
            found.files.push(path);
        }
    }
}

/// Whether a folder is one of packages that npm fetched, or of what Cargo built.
fn is_made(above: &Path, name: &str) -> bool {
    match name {
        "node_modules" => true,
        "target" => above.join("Cargo.toml").is_file(),
        _ => false,
    }
}

/// Reads a file as a source; `-` is standard input.
///
/// # Errors
///
/// If it cannot be read, is too large or not UTF-8.
pub(super) fn read(path: &Path) -> Result<Source, Box<Refused>> {
    if path == Path::new(STANDARD_INPUT) {
        return match bytes(io::stdin().lock()) {
            Ok(bytes) => load::decode("<stdin>", bytes),
            Err(error) => Err(unreadable(Path::new("<stdin>"), &error)),
        };
    }
    match File::open(path).and_then(bytes) {
        Ok(bytes) => load::decode(&path.to_string_lossy(), bytes),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// All bytes up to one more than a file may have: a pipe has no size beforehand, and a file may grow while it is read.
fn bytes(file: impl Read) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(xml::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The problem with a file or folder that cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Box<Refused> {
    let what = if path.is_dir() { "folder" } else { "file" };
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    let message = format!("cannot read the {what}: {reason}");
    Refused::without_text(
        &path.to_string_lossy(),
        Diagnostic::new(Code::Unreadable, Span::default(), message),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_without_hidden_files_and_loops() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/c")).unwrap();
        fs::create_dir_all(at(".git")).unwrap();
        for name in ["b/c/2.XML", "a.xml", "z.txt", ".hidden.xml", ".git/x.xml", "b/1.xml"] {
            fs::write(at(name), "").unwrap();
        }
        #[cfg(unix)]
        for link in ["b/loop", "b/once-more"] {
            std::os::unix::fs::symlink(folder.path(), at(link)).unwrap();
        }
        let found = find(&[folder.path().to_owned(), at("z.txt")], ".xml");
        let names: Vec<_> =
            found.files.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, ["a.xml", "b/1.xml", "b/c/2.XML", "z.txt"].map(Path::new));
        assert_eq!((found.skipped, found.unreadable.len()), (1, 0));
    }

    #[test]
    fn what_tools_make_is_left_out_unless_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a/target", "target", "node_modules/b"] {
            fs::create_dir_all(at(name)).unwrap();
            fs::write(at(name).join("x.xml"), "").unwrap();
        }
        fs::write(at("Cargo.toml"), "").unwrap();
        // A folder of that name that is not Cargo's may be anybody's.
        assert_eq!(find(&[folder.path().to_owned()], ".xml").files, [at("a/target/x.xml")]);
        let named = find(&[at("target"), at("node_modules")], ".xml").files;
        assert_eq!(named, [at("target/x.xml"), at("node_modules/b/x.xml")]);
    }

    #[test]
    fn what_a_walk_cannot_take_is_named_and_not_left_out_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join(["d"; MAX_FOLDER_DEPTH].join("/"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("a.xml"), "").unwrap();
        #[cfg(unix)]
        let socket = std::os::unix::net::UnixListener::bind(folder.path().join("s.xml")).unwrap();
        let found = find(&[folder.path().to_owned()], ".xml");
        let reasons: Vec<_> = found.unreadable.iter().map(|(_, error)| error.to_string()).collect();
        let expected = ["folders are nested more than 32 deep", "it is a pipe, a socket or a device"];
        assert_eq!(reasons, expected.get(..reasons.len()).unwrap_or_default());
        assert_eq!(reasons.len(), if cfg!(unix) { 2 } else { 1 });
        assert_eq!(found.files, [] as [PathBuf; 0]);
        #[cfg(unix)]
        drop(socket);
    }
}
