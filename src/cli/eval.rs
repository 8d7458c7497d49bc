//! `backshell eval`: what captured messages, or sets, do to the parameters of a definition; opens no socket and changes no file.

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
use crate::script::pool;
use input::{Form, Messages};
use outcome::{Outcome, Summary};
use start::Started;
use trial::Trial;
use wanted::Wanted;

/// The longest `--wait`, in seconds: a day.
const MAX_WAIT: f64 = 86_400.0;

/// What `eval` is given.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("peer").args(["messages", "session"]).multiple(true)))]
#[command(after_help = "\
The element has just started and its links are open; the messages come in the order given, each to what the ones before it left.
Without a message, each --set is tried, one after the other: triggers, scripts, and what would be sent.
Nothing is sent, saved or read from a store. Secrets are masked.

Examples:
  backshell eval protocol.xml --message state.json
  echo '{\"type\":\"pong\"}' | backshell eval protocol.xml --message -
  backshell eval protocol.xml --session Status --message status.json --header 'ETag: \"7\"'
  backshell eval protocol.xml --session 2 --status 409
  backshell eval protocol.xml --set 'Target=5'
  backshell tap studio --json > day.jsonl; backshell eval protocol.xml --tap --message day.jsonl

Exit status: 0 if everything was taken and nothing failed, 1 with a message that no response takes, a value that does not fit, or a definition with errors, 2 for a wrong command line.")]
pub(super) struct Arguments {
    /// The definition file, or - for standard input
    #[arg(value_name = "DEFINITION")]
    definition: PathBuf,

    /// A file with a message as the peer sends it, or - for standard input; may be given several times
    #[arg(long = "message", value_name = "FILE", required_unless_present_any = ["session", "sets"])]
    messages: Vec<PathBuf>,

    /// Take each line of the files as a message
    #[arg(long, requires = "messages")]
    lines: bool,

    /// Take the messages as binary ones, every byte of the file
    #[arg(long, conflicts_with = "lines", requires = "messages")]
    binary: bool,

    /// Take the files as what `backshell tap --json` printed: each received message, over the connection that it came over
    #[arg(long, conflicts_with_all = ["lines", "binary", "connection", "session"], requires = "messages")]
    tap: bool,

    /// The connection that the messages come over, by its index [default: the first WebSocket, or where the session is sent]
    #[arg(long, value_name = "INDEX", requires = "peer")]
    connection: Option<u32>,

    /// Let so much time pass after each message or set: timers, timeouts and pauses happen
    #[arg(long, value_name = "SECONDS", value_parser = wait)]
    wait: Option<Duration>,

    /// Print JSON: one object a message or set, then a summary
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
    // Scripts that cause each other nest as deep as in the daemon.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("eval".to_owned()).stack_size(pool::STACK);
        let trial = thread.spawn_scoped(scope, || tried(arguments))?;
        trial.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn tried(arguments: &Arguments) -> io::Result<Status> {
    let Some(protocol) = offline::definition(&arguments.definition)? else { return Ok(Status::Bad) };
    let only_sets = arguments.messages.is_empty() && arguments.session.is_none();
    let wanted = match (!only_sets).then(|| Wanted::new(arguments, &protocol)).transpose() {
        Ok(wanted) => wanted,
        Err((status, why)) => {
            complain(&why);
            return Ok(status);
        }
    };
    let Started { mut engine, mut ctx, longest } =
        match arguments.element.start(protocol, &arguments.definition)? {
            Ok(started) => started,
            Err(status) => return Ok(status),
        };
    let sets = &arguments.element.sets;
    if !only_sets && let Err(status) = offline::set_all(&mut engine, &mut ctx, sets) {
        return Ok(status);
    }
    let mut trial = Trial::new(engine, ctx, arguments.wait.unwrap_or_default());
    let mut shown = Shown {
        out: BufWriter::new(io::stdout().lock()),
        summary: Summary { kind: "summary", ..Summary::default() },
        json: arguments.json,
    };
    // What is wrong with a set is told at once.
    let (told, why) = match wanted {
        None => (set_each(&mut trial, sets, &mut shown)?, None),
        Some(wanted) => {
            let messages = Messages::new(&arguments.messages, form(arguments), wanted.longest(&longest));
            (None, give_each(&mut trial, &wanted, messages, &mut shown)?)
        }
    };
    let is_good = shown.end()?;
    if let Some(why) = &why {
        complain(why);
    }
    Ok(match (told, why) {
        (Some(status), _) => status,
        (None, None) if is_good => Status::Good,
        (None, None | Some(_)) => Status::Bad,
    })
}

/// What the bytes of the files are.
fn form(arguments: &Arguments) -> Form {
    if arguments.binary {
        Form::Binary
    } else if arguments.lines || arguments.tap {
        Form::Lines
    } else if arguments.session.is_some() {
        Form::Body
    } else {
        Form::Text
    }
}

/// Sets each parameter that the command line gives a value; the status if one could not be, which has been told.
fn set_each(trial: &mut Trial, sets: &[String], shown: &mut Shown<impl Write>) -> io::Result<Option<Status>> {
    for set in sets {
        match trial.set(set) {
            Ok(outcome) => shown.show(&outcome)?,
            Err(status) => return Ok(Some(status)),
        }
    }
    Ok(None)
}

/// Gives each message to the element; why one could not be.
fn give_each(
    trial: &mut Trial,
    wanted: &Wanted,
    mut messages: Messages<'_>,
    shown: &mut Shown<impl Write>,
) -> io::Result<Option<String>> {
    if messages.are_none()
        && let Ok(Some(outcome)) = wanted.give(trial, "no body".to_owned(), None)
    {
        shown.show(&outcome)?;
    }
    loop {
        let given = match messages.next() {
            Ok(Some(message)) => wanted.give(trial, message.source, Some(message.payload)),
            Ok(None) if shown.summary.messages == 0 => {
                return Ok(Some("there is no message in what was given".to_owned()));
            }
            Ok(None) => return Ok(None),
            Err(why) => return Ok(Some(why)),
        };
        match given {
            Ok(Some(outcome)) => shown.show(&outcome)?,
            Ok(None) => {}
            Err(why) => return Ok(Some(why)),
        }
    }
}

/// Where outcomes are shown, and what they come to.
struct Shown<W: Write> {
    out: W,
    summary: Summary,
    json: bool,
}

impl<W: Write> Shown<W> {
    fn show(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.summary.add(outcome);
        if self.json {
            writeln!(self.out, "{}", serde_json::to_string(outcome)?)
        } else {
            print::outcome(&mut self.out, outcome)
        }
    }

    /// Shows the summary; whether all was taken.
    fn end(mut self) -> io::Result<bool> {
        if self.json {
            writeln!(self.out, "{}", serde_json::to_string(&self.summary)?)?;
        } else if self.summary.messages > 0 {
            print::summary(&mut self.out, &self.summary)?;
        }
        self.out.flush()?;
        Ok(self.summary.is_good())
    }
}
