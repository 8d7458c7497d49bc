//! `backshell set`: sets a parameter of an element of a running daemon.

use std::io::{self, Read};

use crate::api::wire::{Param, Put, PutDone, Value};
use crate::cli::Status;
use crate::cli::remote::{Daemon, Failed};
use crate::transport::control::Control;
use crate::value::parse_number;

/// What `set` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The element
    element: String,
    /// The parameter, by id or name; by name the write parameter is meant
    param: String,
    /// The new value: a number for a numeric parameter, else a text; `-` reads it from standard input
    #[arg(required_unless_present = "empty", allow_hyphen_values = true)]
    value: Option<String>,
    /// Empty the parameter
    #[arg(long, conflicts_with_all = ["value", "json"])]
    empty: bool,
    /// Take the value as JSON: a number, a string, null, {"base64": ...} or {"rows": [...]}
    #[arg(long)]
    json: bool,
    /// For a column: the primary key of the row whose cell is set
    #[arg(long, value_name = "KEY")]
    row: Option<String>,
    #[command(flatten)]
    daemon: Daemon,
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    arguments.daemon.run(async |control| set(&control, arguments, &mut io::stdin().lock()).await)
}

async fn set(control: &Control, arguments: &Arguments, stdin: &mut impl Read) -> Result<(), Failed> {
    let path = ["api", "v1", "elements", &arguments.element, "params", &arguments.param];
    let text = text(arguments, stdin)?;
    let value = match text {
        None => Value::Empty,
        Some(text) if arguments.json => {
            serde_json::from_str(&text).map_err(|error| Failed::Misuse(format!("the value: {error}")))?
        }
        Some(text) => {
            let param: Param = control.get(&path, &[("access", "write")]).await?;
            typed(&param, text)?
        }
    };
    let put = Put { value, row: arguments.row.as_deref().map(Into::into) };
    let done: PutDone = control.put(&path, &put).await?;
    match (done.saved, done.reason) {
        (true, _) => Ok(()),
        (false, reason) => Err(Failed::Bad(format!(
            "the value is set, but it is not saved and will not survive a restart: {}",
            reason.as_deref().unwrap_or("the daemon gave no reason")
        ))),
    }
}

/// What is to be set, as it was typed; `None` is for emptying.
fn text(arguments: &Arguments, stdin: &mut impl Read) -> Result<Option<String>, Failed> {
    match arguments.value.as_deref() {
        None => Ok(None),
        Some("-") => {
            let mut text = String::new();
            stdin.read_to_string(&mut text).map_err(|error| {
                Failed::Misuse(format!("cannot read the value from standard input: {error}"))
            })?;
            // The line break that `echo` and an editor leave is not part of the value.
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()))
        }
        Some(text) => Ok(Some(text.to_owned())),
    }
}

fn typed(param: &Param, text: String) -> Result<Value, Failed> {
    let reading = &param.reading;
    match param.value_type.as_ref() {
        // What is no number may still be the text that people see for one; the daemon knows.
        "number" => Ok(parse_number(&text).map_or_else(|| Value::Text(text.into()), Value::Number)),
        "table" => Err(Failed::Misuse(format!(
            "parameter {} `{}` is a table: give it as JSON, such as --json '{{\"rows\": []}}'",
            reading.id, reading.name
        ))),
        _ => Ok(Value::Text(text.into())),
    }
}

#[cfg(test)]
mod tests;
