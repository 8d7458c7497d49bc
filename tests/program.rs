//! The program itself, as its users call it; tests nothing.

use std::path::Path;
use std::process::{Command, Output};

/// A call of the program in a folder, without colours.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backshell"));
    command.current_dir(folder).env_remove("CLICOLOR_FORCE").env_remove("FORCE_COLOR");
    command
}

/// Runs it to its end.
pub(crate) fn backshell(folder: &Path, words: &[&str]) -> Output {
    command(folder).args(words).output().expect("the program starts")
}

/// What came out, which is text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}
