//! What the demo shows: gathers the API's messages and lays them out as lines; prints nothing.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::api::wire::{Connection, Reading, StreamMessage};
use crate::cli::remote::shown;
use crate::cli::render::printable;
use crate::cli::watch::{Printer, last_trouble};

/// The parameters in the block: id and label.
const VALUES: [(i32, &str); 4] = [(40, "boolean"), (41, "number"), (42, "string"), (43, "enum")];

/// What was heard so far.
#[derive(Default)]
pub(super) struct View {
    printer: Printer,
    values: BTreeMap<i32, String>,
    connection: Option<Connection>,
    /// Since when the link is in its state.
    since: Option<Instant>,
    changes: u64,
    opened: u64,
    silent: bool,
}

impl View {
    /// Takes a message of the stream and gives the lines to print for it.
    ///
    /// Where a block shows the values (`live`), their changes are no lines.
    pub(super) fn take(&mut self, text: &str, live: bool) -> Vec<String> {
        let Ok(message) = serde_json::from_str::<StreamMessage>(text) else {
            return vec!["(a message of the API cannot be read)".to_owned()];
        };
        let mut is_value = false;
        match &message {
            StreamMessage::Snapshot { params, .. } => params.iter().for_each(|param| self.value(param)),
            StreamMessage::Change { param, .. } => {
                self.value(param);
                self.changes += 1;
                // The times of messages change with each of them.
                is_value = live || matches!(param.id, 44..=46);
            }
            StreamMessage::Status { status, .. } => self.link(status.connections.first()),
            StreamMessage::Removed { .. } => self.link(None),
        }
        if is_value {
            return Vec::new();
        }
        let mut lines = Vec::new();
        if self.printer.print(message, &mut lines).is_err() {
            return Vec::new();
        }
        String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect()
    }

    fn value(&mut self, param: &Reading) {
        self.values.insert(param.id, shown(param));
    }

    fn link(&mut self, connection: Option<&Connection>) {
        let state = |connection: &Connection| connection.state.clone();
        if self.connection.as_ref().map(state) != connection.map(state) {
            self.since = Some(Instant::now());
        }
        let opened = |link: &Connection| link.link.as_ref().map_or(0, |link| link.counters.opened);
        let is_ready = |link: &Connection| link.state.as_deref() == Some("ready");
        if let Some(connection) = connection {
            self.opened = self.opened.max(opened(connection)).max(u64::from(is_ready(connection)));
        }
        self.connection = connection.cloned();
    }

    /// Turns the sender's silence on or off; says which it is now.
    pub(super) fn toggle_silence(&mut self) -> bool {
        self.silent = !self.silent;
        self.silent
    }

    /// Whether the link was ready at any time.
    pub(super) fn was_ready(&self) -> bool {
        self.opened > 0
    }

    /// The block at a moment: the link, the values, the keys.
    pub(super) fn block(&self, now: Instant) -> Vec<String> {
        let mut lines = vec![String::new()];
        let since = self.since.map_or(0, |since| now.saturating_duration_since(since).as_secs());
        match &self.connection {
            Some(connection) => {
                let state = connection.state.as_deref().unwrap_or("-");
                let target = connection.target.as_deref().map_or_else(|| "no address".to_owned(), printable);
                lines.push(format!("  link     {state:<10} {target}   {since} s"));
                lines.extend(connection.link.as_ref().map(|link| {
                    let more = match state {
                        "ready" => link.extensions.as_deref().map(printable),
                        "idle" | "connecting" | "closing" => None,
                        _ => last_trouble(link).as_deref().map(printable),
                    };
                    let more = more.unwrap_or_default();
                    format!("           dial {}   {more}", link.epoch)
                }));
            }
            None => lines.push("  link     -".to_owned()),
        }
        for (id, label) in VALUES {
            let value = self.values.get(&id).map_or("(empty)", String::as_str);
            lines.push(format!("  {label:<8} {value}"));
        }
        let silence = if self.silent { "s lets it speak" } else { "s makes it hang" };
        lines.push(String::new());
        lines.push(format!("  d drops the link   r restarts the sender   {silence}   q quits"));
        lines
    }

    /// The last line.
    pub(super) fn summary(&self) -> String {
        let times = if self.opened == 1 { "once".to_owned() } else { format!("{} times", self.opened) };
        format!("the link opened {times}; {} changes of values", self.changes)
    }
}

#[cfg(test)]
mod tests;
