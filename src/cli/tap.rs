//! `backshell tap`: prints what crosses the wire of an element of a running daemon; secrets are masked by the daemon.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::api::wire::{Payload, TapMessage, Value, WireEvent};
use crate::cli::Status;
use crate::cli::remote::{Daemon, Failed, each, gone, parsed, until_interrupted};
use crate::cli::render::printable;
use crate::transport::control::Control;

/// How much of a message stands on its line.
const SHOWN: usize = 1024;

/// What `tap` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The element
    element: String,
    /// Print each event as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    daemon: Daemon,
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    let work = async |control| follow(&control, arguments, &mut io::stdout().lock()).await;
    arguments.daemon.run(|control| until_interrupted(work(control)))
}

/// Prints until the element, the daemon or the output ends.
async fn follow(control: &Control, arguments: &Arguments, out: &mut impl Write) -> Result<(), Failed> {
    let path = ["api", "v1", "elements", &arguments.element, "tap"];
    let mut channel = control.open(&path, &[]).await?;
    let closed = each(&mut channel, out, |text, out| match arguments.json {
        true => Ok(writeln!(out, "{text}")?),
        false => Ok(print(&parsed(text)?, out)?),
    });
    match closed.await? {
        // The daemon closes with 1000 when the element has stopped.
        closed if closed.code() == 1000 => Ok(()),
        closed => Err(gone(&closed)),
    }
}

/// One line: when, connection and epoch, direction, what.
fn print(message: &TapMessage, out: &mut impl Write) -> io::Result<()> {
    let head = format!("{}  {}#{}", message.at, message.connection, message.epoch);
    if message.missed > 0 {
        writeln!(out, "{head}  ({} events were too fast to show)", message.missed)?;
    }
    match &message.wire {
        // The empty line that ends a head says nothing to a reader.
        WireEvent::RequestLine { line } | WireEvent::ResponseLine { line } if line.is_empty() => Ok(()),
        WireEvent::RequestLine { line } => writeln!(out, "{head}  > {}", printable(line)),
        WireEvent::ResponseLine { line } => writeln!(out, "{head}  < {}", printable(line)),
        WireEvent::Sent(payload) => writeln!(out, "{head}  > {}", content(payload)),
        WireEvent::Received(payload) => writeln!(out, "{head}  < {}", content(payload)),
        WireEvent::State { from, to, why } if why.is_empty() => writeln!(out, "{head}  - {from} -> {to}"),
        WireEvent::State { from, to, why } => writeln!(out, "{head}  - {from} -> {to}: {}", printable(why)),
        WireEvent::Failed { reason } => writeln!(out, "{head}  ! {}", printable(reason)),
        WireEvent::Closed { code, reason, by } if reason.is_empty() => {
            writeln!(out, "{head}  x closed {code}: {}", printable(by))
        }
        WireEvent::Closed { code, reason, by } => {
            writeln!(out, "{head}  x closed {code} \"{}\": {}", printable(reason), printable(by))
        }
    }
}

/// Kind, size, who took it, and the beginning of the content.
fn content(payload: &Payload) -> String {
    let taken = payload.response.map(|id| format!(" [response {id}]")).unwrap_or_default();
    let text = match &payload.data {
        Value::Text(text) => printable(text),
        Value::Bytes(bytes) => format!("base64:{}", BASE64.encode(bytes)),
        Value::Empty | Value::Number(_) | Value::Table(_) => String::new(),
    };
    let mut shown: String = text.chars().take(SHOWN).collect();
    if payload.cut || shown.len() < text.len() {
        shown.push_str(" ...");
    }
    format!("{} {} bytes{taken}: {shown}", payload.kind, payload.size)
}

#[cfg(test)]
mod tests;
