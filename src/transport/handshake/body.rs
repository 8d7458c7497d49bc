//! The body of an answer by length, in chunks or until close, bounded; reads from no connection itself.

use bytes::Bytes;

use super::{MAX_BODY_BYTES, Response};

/// Longest line with the size of a chunk, extensions included.
const MAX_SIZE_LINE: usize = 256;

/// How the end of a body is found (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl Framing {
    /// Reads the headers; a length that is none, or two different ones, counts as "until close", since the body is only shown.
    pub(crate) fn of(response: &Response) -> Self {
        if matches!(response.status, 100..=199 | 204 | 304) {
            return Self::None;
        }
        if response.has_token("transfer-encoding", "chunked") {
            return Self::Chunked;
        }
        let mut lengths = response.all("content-length").map(|value| value.trim().parse::<u64>().ok());
        match lengths.next() {
            Some(Some(length)) if lengths.all(|other| other == Some(length)) => Self::Length(length),
            Some(_) | None => Self::UntilClose,
        }
    }
}

/// Where a body in chunks stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// In the line with a size: the size so far, whether digits may still come, how long the line is.
    Size { size: u64, digits: bool, seen: usize },
    /// In the data of a chunk.
    Data(u64),
    /// In the line break behind the data.
    Break,
}

/// A body under way.
#[derive(Debug)]
pub(crate) struct Body {
    state: State,
    // Invariant: at most `MAX_BODY_BYTES`.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    Chunked(Chunk),
    UntilClose,
    Complete,
    Cut,
}

const FIRST_SIZE: Chunk = Chunk::Size { size: 0, digits: true, seen: 0 };

impl Body {
    pub(crate) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Complete,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(FIRST_SIZE),
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, bytes: Vec::new() }
    }

    pub(crate) fn wants_more(&self) -> bool {
        !matches!(self.state, State::Complete | State::Cut)
    }

    /// Takes what arrived; what stands behind the end is left alone.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.state {
                State::Complete | State::Cut => return,
                State::UntilClose => {
                    self.take(bytes);
                    return;
                }
                State::Length(left) => {
                    let (data, rest) = split(bytes, left);
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::Complete } else { State::Length(left) };
                    self.take(data);
                    bytes = rest;
                }
                State::Chunked(Chunk::Data(left)) => {
                    let (data, rest) = split(bytes, left);
                    let left = left - data.len() as u64;
                    self.state = State::Chunked(if left == 0 { Chunk::Break } else { Chunk::Data(left) });
                    self.take(data);
                    bytes = rest;
                }
                State::Chunked(chunk @ (Chunk::Size { .. } | Chunk::Break)) => {
                    if let Some((first, rest)) = bytes.split_first() {
                        self.state = line(chunk, *first);
                        bytes = rest;
                    }
                }
            }
        }
    }

    /// The connection has ended.
    pub(crate) fn end(&mut self) {
        self.state = if self.state == State::UntilClose { State::Complete } else { State::Cut };
    }

    /// The connection broke or took too long.
    pub(crate) fn broken(&mut self) {
        self.state = State::Cut;
    }

    /// The bytes, and whether they are not all.
    pub(crate) fn finish(self) -> (Bytes, bool) {
        (Bytes::from(self.bytes), self.state != State::Complete)
    }

    fn take(&mut self, data: &[u8]) {
        let room = MAX_BODY_BYTES - self.bytes.len();
        if data.len() > room {
            self.state = State::Cut;
        }
        self.bytes.extend_from_slice(data.get(..room).unwrap_or(data));
    }
}

/// One byte of a size line or of the break behind a chunk.
fn line(chunk: Chunk, byte: u8) -> State {
    match chunk {
        Chunk::Break => match byte {
            b'\r' => State::Chunked(Chunk::Break),
            b'\n' => State::Chunked(FIRST_SIZE),
            _ => State::Cut,
        },
        Chunk::Size { seen, .. } if seen > MAX_SIZE_LINE => State::Cut,
        Chunk::Size { size, digits, seen } => match byte {
            b'\n' if seen == 0 => State::Cut,
            // The last chunk; trailers are not read.
            b'\n' if size == 0 => State::Complete,
            b'\n' => State::Chunked(Chunk::Data(size)),
            byte if digits && byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                match size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit))) {
                    Some(size) => State::Chunked(Chunk::Size { size, digits, seen: seen + 1 }),
                    None => State::Cut,
                }
            }
            _ if seen == 0 => State::Cut,
            _ => State::Chunked(Chunk::Size { size, digits: false, seen: seen + 1 }),
        },
        Chunk::Data(left) => State::Chunked(Chunk::Data(left)),
    }
}

fn split(bytes: &[u8], left: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()))
}
