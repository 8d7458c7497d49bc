//! `backshell explain`: the handshakes and HTTP requests that would be sent now, of a running element or of a definition file.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::remote::{Daemon, Failed};
use super::render::printable;
use super::{Status, complain, offline};
use crate::api::wire::{self, Explained};
use crate::element::clock::Clock;
use crate::element::explain;
use crate::element::handle::{ExplainedLine, ExplainedRequest};
use crate::engine::codec::handshake::Address;
use crate::engine::logic::{Engine, First, Options};
use crate::language::model::Protocol;
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::ConnectionIx;
use crate::transport::control::Control;

/// What `explain` is given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each line says where it comes from: a parameter, the definition, or the settings. Secrets are masked."
)]
pub(super) struct Arguments {
    /// An element of a running daemon, or a definition file
    #[arg(value_name = "ELEMENT|FILE")]
    subject: String,

    /// The connection, by its index; all that carry something if left out
    #[arg(long, value_name = "INDEX")]
    connection: Option<u32>,

    /// The host, for a definition file
    #[arg(long)]
    host: Option<String>,

    /// The port, for a definition file
    #[arg(long)]
    port: Option<u16>,

    /// Sets a parameter first, by id or name, for a definition file; may be given several times
    #[arg(long = "set", value_name = "PARAM=VALUE")]
    sets: Vec<String>,

    #[command(flatten)]
    daemon: Daemon,
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    let path = Path::new(&arguments.subject);
    // What looks like a file is not asked for as an element, so that a slip in its name is told as one.
    let is_path = path.components().count() > 1 || path.extension().is_some_and(|end| end == "xml");
    if is_path || path.is_file() {
        return file(arguments, path);
    }
    if arguments.host.is_some() || arguments.port.is_some() || !arguments.sets.is_empty() {
        complain(&format!(
            "there is no file `{}`; --host, --port and --set are for definition files",
            arguments.subject
        ));
        return Ok(Status::Misuse);
    }
    arguments.daemon.run(async |control| element(&control, arguments, &mut io::stdout().lock()).await)
}

async fn element(control: &Control, arguments: &Arguments, out: &mut impl Write) -> Result<(), Failed> {
    let base = ["api", "v1", "elements", &arguments.subject];
    let indices: Vec<u32> = match arguments.connection {
        Some(index) => vec![index],
        None => {
            let element: serde_json::Value = control.get(&base, &[]).await?;
            let connections = element["connections"].as_array().cloned().unwrap_or_default();
            let carries = |kind: &serde_json::Value| kind == "websocket" || kind == "http";
            let links = connections.iter().filter(|connection| carries(&connection["kind"]));
            links.filter_map(|link| u32::try_from(link["index"].as_u64()?).ok()).collect()
        }
    };
    for index in indices {
        let number = index.to_string();
        let path: Vec<&str> = base.into_iter().chain(["connections", &number, "explain"]).collect();
        let explained: Explained = control.get(&path, &[]).await?;
        let lines = |lines: Vec<wire::ExplainedLine>| -> Vec<ExplainedLine> {
            lines.into_iter().map(|line| ExplainedLine { line: line.line, from: line.from }).collect()
        };
        if let Some(reason) = &explained.reason {
            writeln!(out, "connection {index}: nothing would be sent: {}", printable(reason))?;
        } else if !explained.lines.is_empty() {
            print(out, &format!("connection {index}"), &lines(explained.lines))?;
        } else if explained.requests.is_empty() && arguments.connection.is_some() {
            writeln!(out, "connection {index}: no session asks anything over it")?;
        }
        for request in explained.requests {
            let all = match request.reason {
                Some(reason) => Err(reason),
                None => Ok(lines(request.lines)),
            };
            print_request(out, index, &ExplainedRequest { title: request.title, lines: all })?;
        }
    }
    Ok(())
}

fn file(arguments: &Arguments, path: &Path) -> io::Result<Status> {
    match offline::definition(path)? {
        Some(protocol) => explain_protocol(arguments, protocol),
        None => Ok(Status::Bad),
    }
}

fn explain_protocol(arguments: &Arguments, protocol: Arc<Protocol>) -> io::Result<Status> {
    let mut ctx = Clock::start().context(0);
    let mut engine = Engine::new(protocol.clone(), Options::default());
    engine.start(&mut ctx, First::default());
    if let Err(status) = offline::set_all(&mut engine, &mut ctx, &arguments.sets) {
        return Ok(status);
    }
    let mut out = io::stdout().lock();
    let (mut status, mut seen) = (Status::Good, 0);
    for connection in (0..protocol.connections.len()).filter_map(ConnectionIx::new) {
        let described = protocol.connection(connection);
        let index = u32::try_from(connection.index()).unwrap_or(u32::MAX);
        let wanted = arguments.connection.is_none_or(|wanted| wanted == index);
        let has_link = match described.kind {
            ConnectionKind::WebSocket => true,
            ConnectionKind::Http => false,
            ConnectionKind::Virtual | ConnectionKind::NotRun => continue,
        };
        if !wanted {
            continue;
        }
        seen += 1;
        let host = arguments.host.as_deref().or(described.defaults.host.as_deref());
        let port = arguments.port.or(described.defaults.port);
        let address = Address { host, port };
        let lines = has_link.then(|| explain::lines(&mut ctx, engine.params(), connection, address));
        match lines {
            None => {}
            Some(Ok(lines)) => print(&mut out, &format!("connection {index}"), &lines)?,
            Some(Err(reason)) => {
                writeln!(out, "connection {index}: nothing would be sent: {}", printable(&reason))?;
                if host.is_none() {
                    writeln!(out, "  help: give the address that the settings would: --host ws://10.4.2.8")?;
                }
                status = Status::Bad;
            }
        }
        let options = engine.message_options();
        let requests = explain::requests::requests(&mut ctx, engine.params(), &options, connection, address);
        for request in &requests {
            print_request(&mut out, index, request)?;
            if request.lines.is_err() {
                status = Status::Bad;
            }
        }
    }
    if seen == 0 {
        complain("the definition has no such WebSocket or HTTP connection");
        status = Status::Bad;
    }
    Ok(status)
}

/// The lines as sent, and beside each where it comes from.
fn print(out: &mut impl Write, title: &str, lines: &[ExplainedLine]) -> io::Result<()> {
    writeln!(out, "{title}:")?;
    let shown: Vec<String> = lines.iter().map(|line| printable(&line.line)).collect();
    let width = shown.iter().map(|line| line.chars().count()).max().unwrap_or_default().min(72);
    for (line, shown) in lines.iter().zip(&shown) {
        let gap = " ".repeat(width.saturating_sub(shown.chars().count()));
        let from =
            if line.from.is_empty() { String::new() } else { format!("{gap}  <- {}", printable(&line.from)) };
        writeln!(out, "  {shown}{from}")?;
    }
    Ok(())
}

/// A request of an HTTP session, or why it cannot be sent.
fn print_request(out: &mut impl Write, index: u32, request: &ExplainedRequest) -> io::Result<()> {
    let title = format!("connection {index}, {}", printable(&request.title));
    match &request.lines {
        Ok(lines) => print(out, &title, lines),
        Err(reason) => writeln!(out, "{title}: nothing would be sent: {}", printable(reason)),
    }
}
