//! The action `read file`: a part of a file below the folder of the element, and of nothing else; never writes.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path};
use std::sync::Arc;

use bytes::Bytes;

use crate::element::driver::{Came, Driver};
use crate::engine::param::Origin;
use crate::files;
use crate::language::model::id::ParamIx;
use crate::tasks::blocking;
use crate::value::Value;

/// The largest part of a file that is read.
const MAX_FILE: u64 = 16 << 20;

/// How many files an element reads at the same time; each may take `MAX_FILE` of memory.
const MAX_READING: usize = 4;

/// What goes on with the files of an element.
#[derive(Debug, Default)]
pub(super) struct Files {
    reading: usize,
    /// Why the last one could not be read: what fails each time is told once.
    trouble: Option<Box<str>>,
}

impl Driver {
    pub(super) fn read_file(&mut self, name: Arc<str>, start: u64, bytes: Option<u64>, into: ParamIx) {
        let Some(folder) = self.spec.files.clone() else {
            self.no_file("the settings of the element name no `files_dir`".to_owned());
            return;
        };
        if self.files.reading >= MAX_READING {
            self.no_file(format!("`{}` was left out: {MAX_READING} files are being read", name.trim()));
            return;
        }
        self.files.reading += 1;
        self.waiting.push(Box::pin(async move {
            let shown = name.trim().to_owned();
            let content = match blocking(move || read(&folder, name.trim(), start, bytes)).await {
                Ok(content) => content.map_err(|error| format!("cannot read `{shown}`: {error}")),
                Err(ended) => Err(format!("reading `{shown}` ended: {ended:?}")),
            };
            Came::File { into, content: content.map(Value::Bytes) }
        }));
    }

    pub(super) fn file_came(&mut self, into: ParamIx, content: Result<Value, String>) {
        self.files.reading = self.files.reading.saturating_sub(1);
        let taken = content.and_then(|value| {
            let set = self.engine.set(&mut self.ctx, into, None, value, Origin::Engine);
            set.map_err(|rejected| format!("the content of the file does not fit its parameter: {rejected}"))
        });
        match taken {
            Ok(()) => self.files.trouble = None,
            Err(reason) => self.no_file(reason),
        }
    }

    fn no_file(&mut self, reason: String) {
        if self.files.trouble.as_deref() != Some(reason.as_str()) {
            tracing::warn!(element = %self.spec.name, %reason, "action `read file`");
            self.files.trouble = Some(reason.into());
        }
    }
}

/// Reads a part of a file: `bytes` from `start` on, all that follows if none.
///
/// The name must not lead out of the folder, neither by itself nor by a link on its way.
fn read(folder: &Path, name: &str, start: u64, bytes: Option<u64>) -> io::Result<Bytes> {
    let refused = |what: &str| io::Error::other(what.to_owned());
    let relative = Path::new(name);
    let stays = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if name.is_empty() {
        return Err(refused("the parameter with its name is empty"));
    }
    if !stays {
        return Err(refused("it is not below `files_dir`"));
    }
    let folder = fs::canonicalize(folder).map_err(|error| refused(&format!("`files_dir`: {error}")))?;
    let path = fs::canonicalize(folder.join(relative))?;
    if !path.starts_with(&folder) {
        return Err(refused("a link on its way leads out of `files_dir`"));
    }
    let mut file = files::open(&path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut content = Vec::new();
    file.take(bytes.unwrap_or(u64::MAX).min(MAX_FILE + 1)).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE {
        return Err(refused("it is larger than 16 MiB"));
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder `in` with files, beside things that are not for the element.
    fn folder() -> tempfile::TempDir {
        let stage = tempfile::tempdir().unwrap();
        let path = |name: &str| stage.path().join(name);
        fs::create_dir_all(path("in/sub")).unwrap();
        fs::write(path("secret.txt"), "secret").unwrap();
        fs::write(path("in/a.txt"), "0123456789").unwrap();
        fs::write(path("in/sub/b.bin"), [0, 255]).unwrap();
        symlink("a.txt", path("in/within")).unwrap();
        symlink("../secret.txt", path("in/out")).unwrap();
        symlink(stage.path(), path("in/up")).unwrap();
        symlink("loop", path("in/loop")).unwrap();
        fs::File::create(path("in/large")).unwrap().set_len(MAX_FILE + 1).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("in/pipe")).status().unwrap();
        assert!(made.success());
        stage
    }

    #[test]
    fn a_part_of_a_file_below_the_folder_is_read() {
        let stage = folder();
        let part = |name, start, bytes| read(&stage.path().join("in"), name, start, bytes).unwrap();
        for (name, start, bytes, expected) in [
            ("a.txt", 0, None, b"0123456789".as_slice()),
            ("./a.txt", 3, Some(4), b"3456"),
            ("a.txt", 8, Some(100), b"89"),
            ("a.txt", 100, None, b""),
            ("a.txt", 0, Some(0), b""),
            ("sub/b.bin", 0, None, &[0, 255]),
            ("within", 9, None, b"9"),
        ] {
            assert_eq!(part(name, start, bytes), expected, "{name} {start} {bytes:?}");
        }
        // A part of what is too large as a whole.
        assert_eq!(part("large", 1, None).len() as u64, MAX_FILE);
        assert_eq!(part("large", 0, Some(MAX_FILE)).len() as u64, MAX_FILE);
    }

    #[test]
    fn what_is_not_read_is_said_to_be_so() {
        let stage = folder();
        for (name, expected) in [
            ("", "the parameter with its name is empty"),
            ("../secret.txt", "it is not below `files_dir`"),
            ("sub/../../secret.txt", "it is not below `files_dir`"),
            ("/etc/passwd", "it is not below `files_dir`"),
            ("out", "a link on its way leads out of `files_dir`"),
            ("up/secret.txt", "a link on its way leads out of `files_dir`"),
            ("loop", "Too many levels of symbolic links"),
            ("large", "it is larger than 16 MiB"),
            ("pipe", "it is no file"),
            ("sub", "it is no file"),
            (".", "it is no file"),
            ("missing", "No such file or directory"),
            ("a\0b", "NUL byte"),
        ] {
            let error = read(&stage.path().join("in"), name, 0, None).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
        let error = read(&stage.path().join("none"), "a.txt", 0, None).unwrap_err().to_string();
        assert!(error.starts_with("`files_dir`: No such file"), "{error}");
    }
}
