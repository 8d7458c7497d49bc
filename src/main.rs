//! The `backshell` program; everything it does is in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    backshell::cli::run(std::env::args_os())
}
