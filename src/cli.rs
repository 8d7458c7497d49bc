//! Reads the command line and starts the subcommand; the work of each is in a file of its own.

mod check;
mod completions;
mod demo;
mod elements;
mod eval;
mod explain;
mod explain_code;
mod files;
mod get;
mod logging;
mod mock;
mod new;
mod offline;
mod remote;
pub mod render;
mod run;
mod set;
mod systemd;
mod tap;
mod test;
mod watch;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A connector runtime driven by XML protocol definitions.
#[derive(Debug, Parser)]
#[command(name = "backshell", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check protocol definitions and report every problem with its place
    Check(check::Arguments),
    /// Run the daemon
    Run(run::Arguments),
    /// See it at work: a simulated device, the connector for it, and the API
    Demo(demo::Arguments),
    /// Print the exact handshake that a connection would send, and where each part comes from
    Explain(explain::Arguments),
    /// Run scenarios: definitions against simulated peers, in virtual time
    Test(test::Arguments),
    /// Start the simulated peers of a scenario, for trying a definition without its device
    Mock(mock::Arguments),
    /// Say what a captured message does to the parameters, without a network
    Eval(eval::Arguments),
    /// Write a definition to start from, with its settings and a test
    New(new::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// List the elements of a running daemon
    Elements(elements::Arguments),
    /// Read parameters of an element
    Get(get::Arguments),
    /// Set a parameter of an element
    Set(set::Arguments),
    /// Follow the changes of an element, a line each
    Watch(watch::Arguments),
    /// Follow the wire of an element: handshakes, messages, closes
    Tap(tap::Arguments),
}

/// How a run ended, as the exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// 0: done, and no errors were found.
    Good,
    /// 1: errors were found, or something failed.
    Bad,
    /// 2: the command line was wrong.
    Misuse,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Good => Self::SUCCESS,
            Status::Bad => Self::from(1),
            Status::Misuse => Self::from(2),
        }
    }
}

/// Runs the program with a command line whose first word is the program's name; exits with 0, 1 (errors) or 2 (wrong use).
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to tell if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Mock(arguments) => mock::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::New(arguments) => new::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Elements(arguments) => elements::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
        Command::Set(arguments) => set::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Tap(arguments) => tap::run(&arguments),
    };
    match result {
        Ok(status) => status.into(),
        // The reader of a pipe has enough: no reason for words.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Status::Bad.into(),
        Err(error) => {
            complain(&format!("cannot write: {error}"));
            Status::Bad.into()
        }
    }
}

/// Says on standard error what is wrong with the call itself.
fn complain(message: &str) {
    use std::io::Write as _;
    let _ = writeln!(anstream::stderr(), "error: {message}");
}
