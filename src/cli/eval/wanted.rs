//! Which connection or which request of an HTTP session the messages are for, as the command line says; reads no message.

use bytes::Bytes;

use super::Arguments;
use super::outcome::Outcome;
use super::trial::{Given, Trial};
use crate::api::wire::{TapMessage, Value, WireEvent};
use crate::cli::Status;
use crate::cli::render::printable;
use crate::engine::codec::handshake::Answer;
use crate::language::model::Protocol;
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::{ConnectionIx, SessionIx};
use crate::language::model::message::MessageKind;
use crate::language::schema::did_you_mean;

/// Why nothing can be tried, and how the command ends.
pub(super) type Wrong = (Status, String);

/// What the messages are.
pub(super) enum Wanted {
    /// Messages of the peer.
    Messages { connection: ConnectionIx, kind: MessageKind },
    /// Lines of a tap.
    Tap,
    /// Answers to a request.
    Answers(Answers),
}

/// The longest line of a tap, in bytes: 64 KiB of a message, each byte of them escaped, and the rest of the line.
const MAX_TAP_LINE: usize = 512 << 10;

/// What is the same of all answers.
pub(super) struct Answers {
    session: SessionIx,
    /// By position.
    exchange: usize,
    /// The connection that the command line names.
    over: Option<ConnectionIx>,
    /// The connection that the session is sent over.
    own: ConnectionIx,
    status: u16,
    status_line: String,
    headers: Vec<(String, String)>,
}

impl Wanted {
    /// What a command line asks for.
    ///
    /// # Errors
    ///
    /// What of it cannot be.
    pub(super) fn new(arguments: &Arguments, protocol: &Protocol) -> Result<Self, Wrong> {
        let given = arguments.connection.map(|index| connection(protocol, index)).transpose()?;
        match &arguments.session {
            Some(name) => answers(arguments, protocol, name, given).map(Self::Answers),
            None if arguments.tap => Ok(Self::Tap),
            None => {
                let kind = if arguments.binary { MessageKind::Binary } else { MessageKind::Text };
                taker(protocol, given).map(|connection| Self::Messages { connection, kind })
            }
        }
    }

    /// How long a message may be, or a line of a tap, in bytes; `of` has the longest message of each connection.
    pub(super) fn longest(&self, of: &[usize]) -> usize {
        let longest = |connection: ConnectionIx| of.get(connection.index()).copied().unwrap_or_default();
        match self {
            Self::Messages { connection, .. } => longest(*connection),
            Self::Tap => MAX_TAP_LINE,
            Self::Answers(answers) => longest(answers.over.unwrap_or(answers.own)),
        }
    }

    /// Gives the element one message, or an answer with that body; nothing for what of a tap is no message.
    ///
    /// # Errors
    ///
    /// What is wrong with a line of a tap.
    pub(super) fn give(
        &self,
        trial: &mut Trial,
        source: String,
        payload: Option<Bytes>,
    ) -> Result<Option<Outcome>, String> {
        let payload_of = payload.clone().unwrap_or_default();
        Ok(Some(match self {
            Self::Messages { connection, kind } => trial.message(source, *connection, *kind, payload_of),
            Self::Tap => match tapped(trial.protocol(), &source, &payload_of)? {
                Some((connection, kind, payload)) => trial.message(source, connection, kind, payload),
                None => return Ok(None),
            },
            Self::Answers(one) => {
                let answer =
                    Answer { status_line: &one.status_line, headers: &one.headers, body: payload.as_ref() };
                let given =
                    Given { session: one.session, exchange: one.exchange, status: one.status, answer };
                trial.answer(source, one.over, &given)
            }
        }))
    }
}

/// The message that a line of a tap has received, if it is one of a WebSocket.
fn tapped(
    protocol: &Protocol,
    source: &str,
    line: &[u8],
) -> Result<Option<(ConnectionIx, MessageKind, Bytes)>, String> {
    let source = printable(source);
    let event: TapMessage = serde_json::from_slice(line)
        .map_err(|error| format!("`{source}` is no line of `backshell tap --json`: {error}"))?;
    let payload = match event.wire {
        WireEvent::Received(payload) => payload,
        WireEvent::RequestLine { .. }
        | WireEvent::ResponseLine { .. }
        | WireEvent::Sent(_)
        | WireEvent::State { .. }
        | WireEvent::Failed { .. }
        | WireEvent::Closed { .. } => return Ok(None),
    };
    let connection =
        connection(protocol, event.connection).map_err(|(_, why)| format!("`{source}`: {why}"))?;
    // The answer to a request does not say which one it answers.
    if protocol.connection(connection).kind != ConnectionKind::WebSocket {
        return Ok(None);
    }
    if payload.cut {
        return Err(format!("`{source}` has only the first 64 KiB of a message: a tap shows no more"));
    }
    match (&*payload.kind, payload.data) {
        ("text", Value::Text(text)) => {
            Ok(Some((connection, MessageKind::Text, Bytes::copy_from_slice(text.as_bytes()))))
        }
        ("binary", Value::Bytes(bytes)) => Ok(Some((connection, MessageKind::Binary, bytes))),
        (kind, _) => Err(format!("`{source}` has a message of the kind `{}`", printable(kind))),
    }
}

fn connection(protocol: &Protocol, index: u32) -> Result<ConnectionIx, Wrong> {
    let found = usize::try_from(index).ok().filter(|index| *index < protocol.connections.len());
    found.and_then(ConnectionIx::new).ok_or_else(|| {
        let has = match connections(protocol) {
            list if list.is_empty() => "it has none".to_owned(),
            list => format!("it has {}", list.join(", ")),
        };
        (Status::Bad, format!("the definition has no connection {index}: {has}"))
    })
}

/// `0 "Device" (http)`.
fn connections(protocol: &Protocol) -> Vec<String> {
    let kind = |kind| match kind {
        ConnectionKind::WebSocket => "websocket",
        ConnectionKind::Http => "http",
        ConnectionKind::Virtual => "virtual",
        ConnectionKind::NotRun => "not run",
    };
    let one = |(index, one): (usize, &crate::language::model::connection::Connection)| {
        format!("{index} \"{}\" ({})", printable(&one.name), kind(one.kind))
    };
    protocol.connections.iter().enumerate().map(one).collect()
}

/// The connection that takes messages.
fn taker(protocol: &Protocol, given: Option<ConnectionIx>) -> Result<ConnectionIx, Wrong> {
    let takes = |ix: &ConnectionIx| protocol.connection(*ix).kind == ConnectionKind::WebSocket;
    if let Some(connection) = given.filter(takes) {
        return Ok(connection);
    }
    let sessions = match sessions(protocol) {
        list if list.is_empty() => String::new(),
        list => {
            format!("\n  help: for the answer to a request give --session with one of {}", list.join(", "))
        }
    };
    if let Some(connection) = given {
        let index = connection.index();
        return Err((
            Status::Bad,
            format!("connection {index} takes no messages: it is no WebSocket{sessions}"),
        ));
    }
    let mut all = (0..protocol.connections.len()).filter_map(ConnectionIx::new);
    all.find(takes).ok_or_else(|| {
        let why = "the definition has no connection that takes messages: none is a WebSocket";
        (Status::Bad, format!("{why}{sessions}"))
    })
}

/// `1 "Status"`.
fn sessions(protocol: &Protocol) -> Vec<String> {
    let one = |session: &crate::language::model::connection::Session| match &*session.name {
        "" => session.id.to_string(),
        name => format!("{} \"{}\"", session.id, printable(name)),
    };
    protocol.sessions.iter().map(one).collect()
}

fn session(protocol: &Protocol, name: &str) -> Result<SessionIx, Wrong> {
    let is_it = |session: &crate::language::model::connection::Session| {
        name.trim().parse() == Ok(session.id.0) || session.name.eq_ignore_ascii_case(name.trim())
    };
    let found = protocol.sessions.iter().position(is_it).and_then(SessionIx::new);
    found.ok_or_else(|| {
        let names = protocol.sessions.iter().map(|session| session.name.as_ref());
        let hint = match (did_you_mean(name, names), sessions(protocol)) {
            (Some(near), _) => format!("; did you mean `{near}`?"),
            (None, list) if list.is_empty() => ": it has none".to_owned(),
            (None, list) => format!(": it has {}", list.join(", ")),
        };
        (Status::Bad, format!("the definition has no HTTP session `{}`{hint}", printable(name)))
    })
}

fn answers(
    arguments: &Arguments,
    protocol: &Protocol,
    name: &str,
    over: Option<ConnectionIx>,
) -> Result<Answers, Wrong> {
    let session = session(protocol, name)?;
    let described = protocol.session(session);
    let count = described.exchanges.len();
    let exchange = arguments.exchange.checked_sub(1).filter(|position| *position < count);
    let exchange = exchange.ok_or_else(|| {
        let has = match count {
            0 => "no requests".to_owned(),
            1 => "1 request".to_owned(),
            _ => format!("{count} requests"),
        };
        let why = format!("--exchange {}: session {} has {has}", arguments.exchange, described.id);
        (Status::Bad, why)
    })?;
    let (status, status_line) = status(&arguments.status)?;
    let headers = arguments.headers.iter().map(|header| header_of(header)).collect::<Result<_, _>>()?;
    let own = own_connection(protocol, session, exchange);
    Ok(Answers { session, exchange, over, own, status, status_line, headers })
}

/// The status of a status line, and the line; a status alone gets the line that HTTP/1.1 would have without a reason.
fn status(text: &str) -> Result<(u16, String), Wrong> {
    let text = text.trim();
    let of =
        |word: &str| word.parse().ok().filter(|status: &u16| word.len() == 3 && (100..=999).contains(status));
    if let Some(status) = of(text) {
        return Ok((status, format!("HTTP/1.1 {text}")));
    }
    let second = text.split(' ').nth(1).filter(|_| text.starts_with("HTTP/"));
    let found = second.and_then(of).filter(|_| !text.chars().any(char::is_control));
    found.map(|status| (status, text.to_owned())).ok_or_else(|| {
        let why = format!(
            "`--status {}` is no status line, such as `HTTP/1.1 404 Not Found` or `404`",
            printable(text)
        );
        (Status::Misuse, why)
    })
}

fn header_of(text: &str) -> Result<(String, String), Wrong> {
    let parts = text.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    parts.filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        (Status::Misuse, format!("`--header {}` is no header: write NAME: VALUE", printable(text)))
    })
}

/// The connection that an exchange goes over: of its handshake, of the first group that sends it, or the first one.
fn own_connection(protocol: &Protocol, session: SessionIx, exchange: usize) -> ConnectionIx {
    let opens = protocol.connections.iter().find(|one| one.handshake == Some(session)).map(|one| one.index);
    let sends = || protocol.senders(session, Some(exchange)).next().map(|(_, group, _)| group.connection);
    opens.or_else(sends).unwrap_or(ConnectionIx::FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_line_or_a_number() {
        for (text, expected) in [
            ("404", Some((404, "HTTP/1.1 404"))),
            ("HTTP/1.1 200 OK", Some((200, "HTTP/1.1 200 OK"))),
            (" HTTP/2 503 ", Some((503, "HTTP/2 503"))),
            ("40", None),
            ("1000", None),
            ("OK", None),
            ("HTTP/1.1", None),
            ("FTP 200 x", None),
            ("HTTP/1.1 200 O\u{1b}K", None),
            ("", None),
        ] {
            let found = status(text).ok();
            assert_eq!(found, expected.map(|(status, line)| (status, line.to_owned())), "{text}");
        }
    }
}
