//! What the commands that talk to a running daemon share: its address, errors, columns, values; asks nothing by itself.

use std::future::Future;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::DeserializeOwned;

use crate::api::wire::{Reading, Value};
use crate::cli::render::printable;
use crate::cli::{Status, complain};
use crate::transport::control::{Channel, Control, ControlError};
use crate::transport::wire::Closed;
use crate::value::format_number;

/// Where the API is when nobody says otherwise; the default of `api.listen`.
const DEFAULT_API: &str = "http://127.0.0.1:8780";

/// Which daemon is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Daemon {
    /// The API of the daemon
    #[arg(long, value_name = "URL", env = "BACKSHELL_API", default_value = DEFAULT_API)]
    api: String,
}

/// Why a command that talks to a daemon failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The daemon could not be asked, or refused.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The output could not be written.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Misuse(String),
    /// What was asked for happened only in part, or not at all.
    #[error("{0}")]
    Bad(String),
}

impl Daemon {
    /// Runs the work of a command against the daemon and turns what went wrong into words on standard error.
    pub(super) fn run<F, Fut>(&self, work: F) -> io::Result<Status>
    where
        F: FnOnce(Control) -> Fut,
        Fut: Future<Output = Result<(), Failed>>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(async { work(Control::new(&self.api)?).await });
        report(result)
    }
}

/// The exit status of a result; what went wrong is told on standard error.
fn report(result: Result<(), Failed>) -> io::Result<Status> {
    match result {
        Ok(()) => Ok(Status::Good),
        Err(Failed::Output(error)) => Err(error),
        Err(error) => {
            complain(&words(&error));
            Ok(match error {
                Failed::Misuse(_) | Failed::Control(ControlError::BadUrl { .. }) => Status::Misuse,
                Failed::Control(_) | Failed::Output(_) | Failed::Bad(_) => Status::Bad,
            })
        }
    }
}

/// An error with what to do about it.
pub(super) fn words(error: &Failed) -> String {
    match error {
        Failed::Control(ControlError::Unreachable { error: cause, .. }) => format!(
            "{error}: {}\n  help: start one with `backshell run`, or name another with `--api URL` or BACKSHELL_API",
            root(cause)
        ),
        Failed::Control(_) | Failed::Output(_) | Failed::Misuse(_) | Failed::Bad(_) => error.to_string(),
    }
}

/// The innermost cause: what the system said.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Writes rows as columns, two blanks apart; the last column is not padded.
pub(super) fn columns(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..count).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A value in one line for people; what is shown for it is in brackets behind it.
pub(super) fn shown(reading: &Reading) -> String {
    if reading.secret {
        return if reading.set == Some(true) { "***".to_owned() } else { "(empty)".to_owned() };
    }
    let value = one_line(&reading.value);
    match reading.display.as_deref() {
        Some(display) if display != value => format!("{value} ({})", printable(display)),
        Some(_) | None => value,
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Empty => "(empty)".to_owned(),
        Value::Number(number) => format_number(*number),
        Value::Text(text) => format!("\"{}\"", printable(text)),
        Value::Bytes(bytes) => format!("base64:{}", BASE64.encode(bytes)),
        Value::Table(rows) if rows.len() == 1 => "1 row".to_owned(),
        Value::Table(rows) => format!("{} rows", rows.len()),
    }
}

/// A value as a program wants it: the text itself, nothing for an empty one.
pub(super) fn bare(value: &Value) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Number(number) => format_number(*number),
        Value::Text(text) => text.to_string(),
        Value::Bytes(bytes) => BASE64.encode(bytes),
        // A row of its own for each row is what `get` prints; a table within a line is its JSON.
        Value::Table(_) => serde_json::to_string(value).unwrap_or_default(),
    }
}

/// Prints a value of the API as JSON, indented for people.
pub(super) fn json<T: serde::Serialize>(out: &mut impl Write, value: &T) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Prints each message of a channel when it comes, also behind a pipe; how the channel ended.
///
/// # Errors
///
/// The output has ended, or a message cannot be read.
pub(super) async fn each<W: Write>(
    channel: &mut Channel,
    out: &mut W,
    mut print: impl FnMut(&str, &mut W) -> Result<(), Failed>,
) -> Result<Closed, Failed> {
    loop {
        match channel.next().await {
            Ok(text) => print(&text, out)?,
            Err(closed) => return Ok(closed),
        }
        out.flush()?;
    }
}

/// What a message of a channel says.
pub(super) fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, Failed> {
    serde_json::from_str(text)
        .map_err(|error| Failed::Bad(format!("the daemon sent what cannot be read: {error}")))
}

/// The daemon ended a channel that would go on for ever.
pub(super) fn gone(closed: &Closed) -> Failed {
    Failed::Bad(format!("the daemon has gone: {closed}"))
}

/// Runs `work` until it ends or the user interrupts it, which is a good end for a command that would go on for ever.
pub(super) async fn until_interrupted(work: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::select! {
        result = work => result,
        // Where signals cannot be had, the system's own end of the process will do.
        Ok(()) = tokio::signal::ctrl_c() => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clap::Parser;

    /// The arguments of a command, as they are typed.
    pub(in crate::cli) fn arguments<A: clap::Args>(words: &[&str]) -> A {
        #[derive(Parser)]
        struct Typed<A: clap::Args> {
            #[command(flatten)]
            arguments: A,
        }
        Typed::parse_from(std::iter::once("backshell").chain(words.iter().copied())).arguments
    }

    pub(in crate::cli) fn control(port: u16) -> Control {
        Control::new(&format!("http://127.0.0.1:{port}")).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_blank_end() {
        let rows = [
            vec!["a".into(), "b".into()],
            vec!["long \u{e9}".into(), "".into()],
            vec!["c".into(), "d".into()],
        ];
        let mut out = Vec::new();
        columns(&mut out, &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a       b\nlong \u{e9}\nc       d\n");
    }

    #[tokio::test]
    async fn without_a_daemon_the_error_says_where_it_was_looked_for_and_what_to_do() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = control(port).get::<Value>(&["healthz"], &[]).await.unwrap_err();
        assert_eq!(
            words(&Failed::Control(error)),
            format!(
                "no daemon answers at http://127.0.0.1:{port}: Connection refused (os error 111)\n  help: start one with `backshell run`, or name another with `--api URL` or BACKSHELL_API"
            )
        );
    }

    #[tokio::test]
    async fn something_else_than_a_daemon_is_recognised() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "its answer cannot be read"),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nhi", "it answered 404 Not Found"),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let control = control(listener.local_addr().unwrap().port());
            let serve = async {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream
            };
            let (error, _stream) = tokio::join!(control.get::<Value>(&["x"], &[]), serve);
            match error.unwrap_err() {
                ControlError::Stranger { what, .. } => assert_eq!(what, expected),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn addresses_that_cannot_be_an_api_are_misuse() {
        for url in ["localhost:8780", "https://localhost", "", "http://"] {
            assert!(matches!(Control::new(url), Err(ControlError::BadUrl { .. })), "{url}");
        }
        assert_eq!(report(Err(Control::new("x").unwrap_err().into())).unwrap(), Status::Misuse);
    }
}
