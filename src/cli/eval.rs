//! `backshell eval`: what captured messages do to the parameters of a definition; opens no socket and changes no file.

mod followed;
mod input;
mod outcome;
mod print;
mod snapshot;
mod start;
mod trial;
mod wanted;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::{Status, complain, offline};
use input::{Form, Messages};
use outcome::{Outcome, Summary};
use trial::Trial;
use wanted::Wanted;

/// The longest `--wait`, in seconds: a day.
const MAX_WAIT: f64 = 86_400.0;

/// What `eval` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The element has just started and its links are open; the messages come in the order given, each to what the ones before it left.
Nothing is sent, saved or read from a store. Secrets are masked.

Examples:
  backshell eval protocol.xml --message state.json
  echo '{\"type\":\"pong\"}' | backshell eval protocol.xml --message -
  backshell eval protocol.xml --session Status --message status.json --header 'ETag: \"7\"'
  backshell eval protocol.xml --session 2 --status 409
  backshell tap studio --json > day.jsonl; backshell eval protocol.xml --tap --message day.jsonl

Exit status: 0 if all was taken, 1 with a message that no response takes, a value that does not fit, or a definition with errors, 2 for a wrong command line.")]
pub(super) struct Arguments {
    /// The definition file, or - for standard input
    #[arg(value_name = "DEFINITION")]
    definition: PathBuf,

    /// A file with a message as the peer sends it, or - for standard input; may be given several times
    #[arg(long = "message", value_name = "FILE", required_unless_present = "session")]
    messages: Vec<PathBuf>,

    /// Take each line of the files as a message
    #[arg(long)]
    lines: bool,

    /// Take the messages as binary ones, every byte of the file
    #[arg(long, conflicts_with = "lines")]
    binary: bool,

    /// Take the files as what `backshell tap --json` printed: each received message, over the connection that it came over
    #[arg(long, conflicts_with_all = ["lines", "binary", "connection", "session"])]
    tap: bool,

    /// The connection that the messages come over, by its index [default: the first WebSocket, or where the session is sent]
    #[arg(long, value_name = "INDEX")]
    connection: Option<u32>,

    /// Let so much time pass after each message: timers, timeouts and pauses happen
    #[arg(long, value_name = "SECONDS", value_parser = wait)]
    wait: Option<Duration>,

    /// Print JSON: one object a message, then a summary
    #[arg(long)]
    json: bool,

    /// Take the messages as bodies of answers to this HTTP session, by id or name; without a message the answer has no body
    #[arg(long, value_name = "SESSION", help_heading = "Answers over HTTP")]
    session: Option<String>,

    /// Which request of the session is answered, from 1
    #[arg(
        long,
        value_name = "N",
        requires = "session",
        help_heading = "Answers over HTTP",
        default_value_t = 1
    )]
    exchange: usize,

    /// The status line, or the status alone
    #[arg(
        long,
        value_name = "LINE",
        requires = "session",
        help_heading = "Answers over HTTP",
        default_value = "HTTP/1.1 200 OK"
    )]
    status: String,

    /// A header of the answer; may be given several times
    #[arg(
        long = "header",
        value_name = "NAME: VALUE",
        requires = "session",
        help_heading = "Answers over HTTP"
    )]
    headers: Vec<String>,

    #[command(flatten)]
    element: start::Element,
}

fn wait(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| (0.0..=MAX_WAIT).contains(seconds));
    let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    wait.ok_or_else(|| format!("it has to be a number of seconds, at most {MAX_WAIT}"))
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    let from_stdin = arguments.messages.iter().chain([&arguments.definition]);
    if from_stdin.filter(|path| input::is_standard_input(path)).count() > 1 {
        complain("standard input can be read only once: give `-` for one file");
        return Ok(Status::Misuse);
    }
    let Some(protocol) = offline::definition(&arguments.definition)? else { return Ok(Status::Bad) };
    let wanted = match Wanted::new(arguments, &protocol) {
        Ok(wanted) => wanted,
        Err((status, why)) => {
            complain(&why);
            return Ok(status);
        }
    };
    let started = match arguments.element.start(protocol, &arguments.definition)? {
        Ok(started) => started,
        Err(status) => return Ok(status),
    };
    let form = if arguments.binary {
        Form::Binary
    } else if arguments.lines || arguments.tap {
        Form::Lines
    } else if arguments.session.is_some() {
        Form::Body
    } else {
        Form::Text
    };
    let limit = wanted.longest(&started);
    let mut messages = Messages::new(&arguments.messages, form, limit);
    let mut trial = Trial::new(started.engine, started.ctx, arguments.wait.unwrap_or_default());
    let mut out = BufWriter::new(io::stdout().lock());
    let mut summary = Summary { kind: "summary", ..Summary::default() };
    if arguments.messages.is_empty()
        && let Ok(Some(outcome)) = wanted.give(&mut trial, "no body".to_owned(), None)
    {
        show(&mut out, &mut summary, &outcome, arguments)?;
    }
    let mut failed = None;
    loop {
        match messages.next() {
            Ok(Some(message)) => match wanted.give(&mut trial, message.source, Some(message.payload)) {
                Ok(Some(outcome)) => show(&mut out, &mut summary, &outcome, arguments)?,
                Ok(None) => {}
                Err(why) => {
                    failed = Some(why);
                    break;
                }
            },
            Ok(None) => break,
            Err(why) => {
                failed = Some(why);
                break;
            }
        }
    }
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&summary)?)?;
    } else if summary.messages > 0 {
        print::summary(&mut out, &summary)?;
    }
    out.flush()?;
    if summary.messages == 0 && failed.is_none() {
        failed = Some("there is no message in what was given".to_owned());
    }
    if let Some(why) = &failed {
        complain(why);
    }
    Ok(if failed.is_none() && summary.is_good() { Status::Good } else { Status::Bad })
}

fn show(
    out: &mut impl Write,
    summary: &mut Summary,
    outcome: &Outcome,
    arguments: &Arguments,
) -> io::Result<()> {
    summary.add(outcome);
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(outcome)?)
    } else {
        print::outcome(out, outcome)
    }
}
