//! `backshell elements`: lists what a running daemon runs.

use std::io::{self, Write};

use crate::api::wire::Element;
use crate::cli::Status;
use crate::cli::remote::{Daemon, Failed, columns, json};
use crate::cli::render::printable;
use crate::transport::control::Control;

/// What `elements` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    daemon: Daemon,
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    arguments.daemon.run(async |control| print(&control, arguments, &mut io::stdout().lock()).await)
}

async fn print(control: &Control, arguments: &Arguments, out: &mut impl Write) -> Result<(), Failed> {
    let elements: Vec<Element> = control.get(&["api", "v1", "elements"], &[]).await?;
    if arguments.json {
        return Ok(json(out, &elements)?);
    }
    let mut rows =
        vec![["ELEMENT", "STATE", "PROTOCOL", "CONNECTION", "LINK", "TARGET"].map(String::from).to_vec()];
    for element in &elements {
        rows.extend(lines(element));
    }
    columns(out, &rows)?;
    for element in &elements {
        if let Some(reason) = &element.reason {
            writeln!(out, "{}: {}", element.name, printable(reason))?;
        }
    }
    for element in &elements {
        let Some(scripts) = element.scripts.as_ref().filter(|scripts| scripts.failures > 0) else { continue };
        let last = scripts.last_failure.as_ref().map(|last| {
            let gap = if last.place.is_empty() { "" } else { ": " };
            format!(", last script {}: {}{gap}{}", last.script, last.place, last.error)
        });
        let (name, failed, runs) = (&element.name, scripts.failures, scripts.runs);
        let last = printable(&last.unwrap_or_default());
        writeln!(out, "{name}: {failed} of {runs} runs of scripts failed{last}")?;
    }
    if let Some(reason) = elements.iter().find_map(|element| element.store.as_ref()) {
        writeln!(out, "values are not saved: {}", printable(reason))?;
    }
    Ok(())
}

/// A line for each connection; the element itself stands on the first.
fn lines(element: &Element) -> Vec<Vec<String>> {
    let state =
        if element.timeout { format!("{}, timeout", element.state) } else { element.state.to_string() };
    let protocol = match (element.protocol.as_ref(), element.version.as_ref()) {
        ("", _) => "-".to_owned(),
        (name, "") => printable(name),
        (name, version) => printable(&format!("{name} {version}")),
    };
    let mut head = vec![element.name.to_string(), state, protocol];
    if element.connections.is_empty() {
        return vec![head];
    }
    let mut lines = Vec::new();
    for connection in &element.connections {
        let mut line = std::mem::replace(&mut head, vec![String::new(); 3]);
        line.push(match connection.name.as_ref() {
            "" => format!("{} {}", connection.index, connection.kind),
            name => format!("{} {} {}", connection.index, connection.kind, printable(name)),
        });
        line.push(connection.state.as_deref().unwrap_or("-").to_owned());
        line.push(connection.target.as_deref().map_or_else(|| "-".to_owned(), printable));
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests;
