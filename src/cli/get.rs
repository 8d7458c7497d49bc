//! `backshell get`: reads parameters of an element of a running daemon.

use std::io::{self, Write};

use crate::api::wire::{Param, Value};
use crate::cli::Status;
use crate::cli::remote::{Daemon, Failed, bare, columns, json, shown};
use crate::cli::render::printable;
use crate::transport::control::Control;

/// What `get` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The element
    element: String,
    /// A parameter, by id or name; all if left out
    param: Option<String>,
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
    let params = ["api", "v1", "elements", &arguments.element, "params"];
    let Some(param) = &arguments.param else {
        let params: Vec<Param> = control.get(&params, &[]).await?;
        let printed = if arguments.json { json(out, &params) } else { list(&params, out) };
        return Ok(printed?);
    };
    let path: Vec<_> = params.into_iter().chain([param.as_str()]).collect();
    let param: Param = control.get(&path, &[]).await?;
    if arguments.json {
        return Ok(json(out, &param)?);
    }
    if param.reading.secret {
        return Ok(writeln!(out, "{}", shown(&param.reading))?);
    }
    match &param.reading.value {
        Value::Table(rows) => table(&param, rows, out)?,
        value @ (Value::Empty | Value::Number(_) | Value::Text(_) | Value::Bytes(_)) => {
            writeln!(out, "{}", bare(value))?;
        }
    }
    Ok(())
}

fn list(params: &[Param], out: &mut impl Write) -> io::Result<()> {
    let mut rows = vec![["ID", "NAME", "KIND", "VALUE"].map(String::from).to_vec()];
    for param in params {
        let value = match (shown(&param.reading), param.units.as_ref()) {
            (value, units) if units.is_empty() || param.reading.value == Value::Empty => value,
            (value, units) => format!("{value} {}", printable(units)),
        };
        let name = printable(&param.reading.name);
        rows.push(vec![param.reading.id.to_string(), name, param.kind.to_string(), value]);
    }
    columns(out, &rows)
}

fn table(param: &Param, rows: &[Vec<Value>], out: &mut impl Write) -> io::Result<()> {
    let head = param.columns.iter().map(|column| printable(&column.name).to_uppercase()).collect();
    let cells = |row: &Vec<Value>| row.iter().map(|cell| printable(&bare(cell))).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    columns(out, &lines)
}

#[cfg(test)]
mod tests;
