//! `backshell watch`: prints the changes of an element of a running daemon as they happen.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::api::wire::{Connection, Element, Link, Reading, StreamMessage, Value};
use crate::cli::Status;
use crate::cli::remote::{Daemon, Failed, bare, each, gone, parsed, shown, until_interrupted};
use crate::cli::render::printable;
use crate::transport::control::Control;

/// What `watch` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The element
    element: String,
    /// Print each message of the daemon as one line of JSON, the snapshots too
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    daemon: Daemon,
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    let work = async |control| follow(&control, arguments, &mut io::stdout().lock()).await;
    arguments.daemon.run(|control| until_interrupted(work(control)))
}

/// Prints until the daemon or the output ends.
async fn follow(control: &Control, arguments: &Arguments, out: &mut impl Write) -> Result<(), Failed> {
    let query = [("element", arguments.element.as_str())];
    let mut channel = control.open(&["api", "v1", "stream"], &query).await?;
    let mut printer = Printer::default();
    let closed = each(&mut channel, out, |text, out| match arguments.json {
        true => Ok(writeln!(out, "{text}")?),
        false => Ok(printer.print(parsed(text)?, out)?),
    });
    Err(gone(&closed.await?))
}

/// Remembers what was printed of the states, so that only news is.
#[derive(Default)]
pub(super) struct Printer {
    state: Option<String>,
    links: BTreeMap<u32, String>,
    /// The number of the last change; `None` before the first snapshot.
    seq: Option<u64>,
}

impl Printer {
    /// Prints the news of a message.
    pub(super) fn print(&mut self, message: StreamMessage, out: &mut impl Write) -> io::Result<()> {
        match message {
            StreamMessage::Status { status, .. } => self.status(&status, out),
            StreamMessage::Snapshot { seq, .. } => match self.seq.replace(seq) {
                Some(last) if seq > last => writeln!(out, "({} changes were too fast to show)", seq - last),
                Some(_) | None => Ok(()),
            },
            StreamMessage::Change { seq, at, param, whole, deleted, .. } => {
                self.seq = Some(seq);
                if whole && !param.secret {
                    // All rows follow; what is not among them is gone.
                    writeln!(out, "{at}  {} {} = {}", param.id, printable(&param.name), shown(&param))?;
                }
                change(&at, &param, &deleted, out)
            }
            StreamMessage::Removed { .. } => writeln!(out, "the element is no longer configured"),
        }
    }

    fn status(&mut self, status: &Element, out: &mut impl Write) -> io::Result<()> {
        let mut state = status.state.to_string();
        if status.timeout {
            state.push_str(", in timeout");
        }
        if let Some(reason) = &status.reason {
            state.push_str(": ");
            state.push_str(&printable(reason));
        }
        if self.state.as_ref() != Some(&state) {
            writeln!(out, "element {state}")?;
            if status.state != "running" {
                // The next life counts its changes and its dials from the beginning.
                self.seq = None;
                self.links.clear();
            }
            self.state = Some(state);
        }
        for connection in &status.connections {
            let Some(line) = link(connection) else { continue };
            if self.links.get(&connection.index) != Some(&line) {
                writeln!(out, "{line}")?;
                self.links.insert(connection.index, line);
            }
        }
        Ok(())
    }
}

/// One line on the state of a link, without the counters that move all the time.
fn link(connection: &Connection) -> Option<String> {
    let (state, link) = (connection.state.as_ref()?, connection.link.as_ref()?);
    let mut line = format!("{}  link {} {state}", link.since, connection.index);
    if let Some(target) = &connection.target {
        line.push_str(&format!(" {}", printable(target)));
    }
    match state.as_ref() {
        "ready" | "connecting" => {
            if let Some(cause) = &link.cause {
                line.push_str(&format!(", moved by {}", printable(cause)));
            }
        }
        "backoff" | "rejected" | "closed" => {
            if let Some(why) = last_trouble(link) {
                line.push_str(&format!(": {}", printable(&why)));
            }
            if let Some(next) = &link.next_dial {
                line.push_str(&format!(", next dial {next}"));
            }
        }
        _ => {}
    }
    Some(line)
}

/// What went wrong last: a link that was lost, or one that could not be opened.
pub(super) fn last_trouble(link: &Link) -> Option<String> {
    let close = link.last_close.as_ref().map(|close| {
        let reason = if close.reason.is_empty() { String::new() } else { format!(" \"{}\"", close.reason) };
        (close.at.as_str(), format!("{} ({}{reason})", close.by, close.code))
    });
    let failure = link.last_failure.as_ref().map(|failure| (failure.at.as_str(), failure.summary.clone()));
    // Times in RFC 3339 with the same zone and precision are in the order of their text.
    // A link that ended before its first message is both; the failure says more, and stands last.
    close.into_iter().chain(failure).max_by_key(|(at, _)| *at).map(|(_, why)| why)
}

fn change(
    at: &str,
    param: &Reading,
    deleted: &[std::sync::Arc<str>],
    out: &mut impl Write,
) -> io::Result<()> {
    let name = format!("{} {}", param.id, printable(&param.name));
    match &param.value {
        Value::Table(rows) if !param.secret => {
            for row in rows {
                let cells: Vec<_> = row.iter().map(|cell| printable(&bare(cell))).collect();
                writeln!(out, "{at}  {name} row: {}", cells.join(" | "))?;
            }
            for key in deleted {
                writeln!(out, "{at}  {name} row deleted: {}", printable(key))?;
            }
            Ok(())
        }
        Value::Table(_) | Value::Empty | Value::Number(_) | Value::Text(_) | Value::Bytes(_) => {
            writeln!(out, "{at}  {name} = {}", shown(param))
        }
    }
}

#[cfg(test)]
mod tests;
