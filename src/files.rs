//! Opens and reads files whose names somebody else gave: nothing that never ends, nothing too large; interprets nothing.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The system does not give it.
    #[error("{0}")]
    System(io::Error),
    /// It is none: opening a pipe waits for somebody who writes to it, and a device may have no end.
    #[error("it is no file, but a folder, a pipe, a socket or a device")]
    NoFile,
    /// It is to be a text.
    #[error("it is not UTF-8")]
    NoText,
    /// It has more bytes than this.
    #[error("it is larger than {}", size(*.0))]
    TooLarge(u64),
}

impl From<Unread> for io::Error {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::System(error) => error,
            Unread::NoFile | Unread::NoText | Unread::TooLarge(_) => Self::other(unread.to_string()),
        }
    }
}

/// Opens a file, and nothing else that has a name.
///
/// # Errors
///
/// It cannot be opened, or is no file.
pub fn open(path: &Path) -> Result<File, Unread> {
    // Before it is opened, which already waits for ever on a pipe.
    match fs::metadata(path).map_err(Unread::System)?.is_file() {
        true => File::open(path).map_err(Unread::System),
        false => Err(Unread::NoFile),
    }
}

/// Reads a whole file of at most so many bytes.
///
/// # Errors
///
/// It cannot be read, is no file, or is larger.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    // By what comes, and not by the length that the file system claims: a file may grow while it is read.
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(Unread::System)?;
    match bytes.len() as u64 > most {
        true => Err(Unread::TooLarge(most)),
        false => Ok(bytes),
    }
}

/// Reads a whole text of at most so many bytes.
///
/// # Errors
///
/// As [`read`], or it is not UTF-8.
pub fn text(path: &Path, most: u64) -> Result<String, Unread> {
    String::from_utf8(read(path, most)?).map_err(|_| Unread::NoText)
}

/// A number of bytes for people: whole MiB or KiB where it is that.
fn size(bytes: u64) -> String {
    match bytes {
        _ if bytes > 0 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes > 0 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "0123").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"0123");
        assert_eq!(read(&path, 3).unwrap_err().to_string(), "it is larger than 3 bytes");
        assert_eq!(text(&path, 4).unwrap(), "0123");
        fs::write(&path, [255]).unwrap();
        assert_eq!(text(&path, 4).unwrap_err().to_string(), "it is not UTF-8");
        fs::write(&path, "").unwrap();
        assert_eq!(read(&path, 0).unwrap(), b"");
    }

    #[test]
    fn what_is_no_file_is_refused_before_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| read(path, 10).unwrap_err();
        assert!(matches!(refused(folder.path()), Unread::NoFile));
        let missing = refused(&folder.path().join("missing"));
        assert!(
            matches!(&missing, Unread::System(error) if error.kind() == io::ErrorKind::NotFound),
            "{missing}"
        );
        assert_eq!(io::Error::from(missing).kind(), io::ErrorKind::NotFound);
        #[cfg(unix)]
        {
            let pipe = folder.path().join("pipe");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            assert!(matches!(refused(&pipe), Unread::NoFile));
            let device = refused(Path::new("/dev/zero"));
            assert_eq!(
                io::Error::from(device).to_string(),
                "it is no file, but a folder, a pipe, a socket or a device"
            );
        }
    }

    #[test]
    fn sizes_are_told_in_the_largest_whole_unit() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (64 << 10, "64 KiB"),
            (1025 << 10, "1025 KiB"),
            (16 << 20, "16 MiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
