//! Reads the messages of a command line, one after the other and never more than one is allowed to have; knows no definition.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::cli::render::printable;

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// What the bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One text message; a line break at its end is the editor's.
    Text,
    /// One binary message, every byte of it.
    Binary,
    /// A text message a line; blank lines are none.
    Lines,
    /// The body of an answer, in whatever charset; a line break at its end is the editor's.
    Body,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The file, with the line where each line is a message.
    pub(super) source: String,
    pub(super) payload: Bytes,
}

/// The messages of files, in their order.
pub(super) struct Messages<'a> {
    form: Form,
    /// The longest message, in bytes.
    limit: usize,
    files: std::slice::Iter<'a, PathBuf>,
    /// A file of which each line is a message, its name, and how many lines were read.
    open: Option<(Box<dyn BufRead + 'a>, String, usize)>,
}

impl<'a> Messages<'a> {
    pub(super) fn new(files: &'a [PathBuf], form: Form, limit: usize) -> Self {
        Self { form, limit, files: files.iter(), open: None }
    }

    /// Whether no file was given.
    pub(super) fn are_none(&self) -> bool {
        self.files.len() == 0 && self.open.is_none()
    }

    /// The next message; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// Why there is none, with its file, as one line.
    pub(super) fn next(&mut self) -> Result<Option<Message>, String> {
        loop {
            if let Some((reader, name, line)) = &mut self.open {
                *line += 1;
                let place = format!("{name}:{line}");
                match bounded_line(reader, self.limit).map_err(|error| cannot_read(&place, &error))? {
                    None => self.open = None,
                    Some(bytes) if bytes.trim_ascii().is_empty() => {}
                    Some(bytes) => return self.checked(place, bytes).map(Some),
                }
                continue;
            }
            let Some(path) = self.files.next() else { return Ok(None) };
            let name =
                if is_standard_input(path) { "<stdin>".to_owned() } else { path.display().to_string() };
            let reader = open(path).map_err(|error| cannot_read(&name, &error))?;
            if self.form == Form::Lines {
                self.open = Some((reader, name, 0));
                continue;
            }
            let mut bytes = Vec::new();
            // One more than allowed, and a line break that does not count: a pipe does not say how long it is.
            let most = u64::try_from(self.limit).unwrap_or(u64::MAX).saturating_add(3);
            reader.take(most).read_to_end(&mut bytes).map_err(|error| cannot_read(&name, &error))?;
            return self.checked(name, bytes).map(Some);
        }
    }

    fn checked(&self, source: String, mut bytes: Vec<u8>) -> Result<Message, String> {
        let name = printable(&source);
        if self.form != Form::Binary {
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
                if bytes.last() == Some(&b'\r') {
                    bytes.pop();
                }
            }
            if let (Form::Text | Form::Lines, Err(error)) = (self.form, std::str::from_utf8(&bytes)) {
                let at = error.valid_up_to();
                let found = bytes.get(at).copied().unwrap_or_default();
                return Err(format!(
                    "`{name}` is no text message: byte 0x{found:02X} at offset {at} is not UTF-8, for which a link is closed (1007)\n  \
                     help: give --binary if it is a binary message"
                ));
            }
        }
        if bytes.len() > self.limit {
            return Err(format!(
                "`{name}` is longer than {} bytes, the longest message that the connection takes (`maxMessageBytes`)",
                self.limit
            ));
        }
        Ok(Message { source, payload: bytes.into() })
    }
}

/// Whether a path stands for standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if is_standard_input(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    Ok(Box::new(BufReader::new(file)))
}

/// A line with its line break; of one that is too long as much as shows that.
fn bounded_line(reader: &mut dyn BufRead, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(3);
    let mut line = Vec::new();
    reader.take(most).read_until(b'\n', &mut line)?;
    Ok((!line.is_empty()).then_some(line))
}

fn cannot_read(name: &str, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot read the message `{}`: {why}", printable(name))
}

#[cfg(test)]
mod tests;
