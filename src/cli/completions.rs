//! `backshell completions`: prints a shell's completion script; installs nothing.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Status};

/// What `completions` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell that the script is for
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "backshell", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Status::Good)
}
