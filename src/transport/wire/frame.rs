//! Reads and writes frame headers (RFC 6455, 5.2) and close payloads; keeps no state and touches no payload.

use crate::transport::wire::{CloseFrame, Violation};

/// The longest payload of a control frame (RFC 6455, 5.5).
pub(crate) const MAX_CONTROL: u64 = 125;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub(crate) fn is_control(self) -> bool {
        match self {
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Continuation | Self::Text | Self::Binary => false,
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    pub(crate) rsv1: bool,
    pub(crate) opcode: Opcode,
    pub(crate) mask: Option<[u8; 4]>,
    /// Length of the payload.
    pub(crate) length: u64,
    /// Length of the header itself.
    pub(crate) size: usize,
}

/// Reads the header at the start of `bytes`; `None` if it is not all there yet.
///
/// What cannot be right in any frame is refused as soon as the bytes that say so are there.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Header>, Violation> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        other => return Err(protocol(format!("a frame with the unknown opcode {other}"))),
    };
    if first & 0x30 != 0 {
        return Err(protocol("a frame with a reserved bit"));
    }
    let fin = first & 0x80 != 0;
    let short = second & 0x7f;
    if opcode.is_control() && (!fin || u64::from(short) > MAX_CONTROL) {
        return Err(protocol("a control frame that is fragmented or longer than 125 bytes"));
    }
    let (length, extra) = match short {
        126 => match rest {
            [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 2),
            _ => return Ok(None),
        },
        127 => match rest {
            [a, b, c, d, e, f, g, h, ..] => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 8),
            _ => return Ok(None),
        },
        short => (u64::from(short), 0),
    };
    if length >> 63 != 0 {
        return Err(protocol("a frame whose length has the highest bit set"));
    }
    let mask = if second & 0x80 == 0 {
        None
    } else {
        match rest.get(extra..extra + 4) {
            Some([a, b, c, d]) => Some([*a, *b, *c, *d]),
            _ => return Ok(None),
        }
    };
    let size = 2 + extra + if mask.is_some() { 4 } else { 0 };
    Ok(Some(Header { fin, rsv1: first & 0x40 != 0, opcode, mask, length, size }))
}

/// The payload of a close frame.
pub(crate) fn parse_close(payload: &[u8]) -> Result<CloseFrame, Violation> {
    match payload {
        [] => Ok(CloseFrame { code: None, reason: String::new() }),
        [_] => Err(protocol("a close frame with half a code")),
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            if !may_be_sent(code) {
                return Err(protocol(format!("a close frame with the code {code}")));
            }
            let reason = std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
            Ok(CloseFrame { code: Some(code), reason: reason.to_owned() })
        }
    }
}

/// Whether a close frame may hold this code (RFC 6455, 7.4, and IANA's registry, where 1012 to 1014 came later).
pub(crate) fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// A reason cut to what fits into a close frame, at a character's border.
pub(crate) fn fit_reason(reason: &str) -> &str {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default()
}

/// Applies a mask to bytes that stand `offset` bytes into the payload; the same removes it.
pub(crate) fn apply_mask(bytes: &mut [u8], mask: [u8; 4], offset: u64) {
    let mut key = mask;
    key.rotate_left(usize::try_from(offset % 4).unwrap_or(0));
    let mut words = bytes.chunks_exact_mut(4);
    for word in &mut words {
        for (byte, key) in word.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key) {
        *byte ^= key;
    }
}

pub(crate) fn protocol(text: impl Into<String>) -> Violation {
    Violation::Protocol(text.into())
}
