//! Turns received bytes into frames that tungstenite reads: checks headers, inflates, bounds; reads no socket.
//!
//! Frames of uncompressed messages and control frames pass as they are. A compressed message is passed on as plain
//! fragments of what it inflates to, so that no more than one piece of it is ever held here, and a control frame in
//! its middle passes at once.

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

use crate::transport::deflate::Agreed;
use crate::transport::deflate::codec::{BadData, Context, Inflater};
use crate::transport::wire::frame::{self, Header, Opcode, protocol};
use crate::transport::wire::{CloseFrame, Role, Violation};

/// A close code that came after RFC 6455; tungstenite would call it a violation, and so answers to an ordinary close.
const BAD_GATEWAY: u16 = 1014;
const NORMAL: u16 = 1000;

/// How much of a compressed message is inflated at a time.
const PIECE: usize = 16 * 1024;

/// Room before a piece for the header that is written once its length is known: two bytes, a length of two, a mask.
const HEAD: usize = 8;

/// The receiving half of a connection, from the socket's bytes to frames without extensions.
pub struct Inbound {
    role: Role,
    max_message_bytes: usize,
    /// Present if deflate was agreed.
    inflater: Option<Inflater>,
    message: Option<Assembly>,
    /// The data frame whose payload is under way.
    frame: Option<Payload>,
    /// A made frame on its way out, from `at`.
    staged: Vec<u8>,
    at: usize,
    failed: Option<Violation>,
    peer_close: Option<CloseFrame>,
}

/// A message that has begun and not ended.
struct Assembly {
    opcode: u8,
    compressed: bool,
    /// Payload bytes so far, after inflating.
    length: usize,
    /// Whether a frame of it has been passed on, so that the next one is a continuation.
    begun: bool,
}

struct Payload {
    header: Header,
    /// Payload bytes used so far.
    used: u64,
    /// Bytes at the start of the input whose mask has been removed.
    unmasked: usize,
    /// Whether the inflater has had the whole message and only its output is missing.
    finishing: bool,
}

impl Inbound {
    /// A fresh connection; a message may have up to `max_message_bytes` bytes after inflating.
    pub fn new(role: Role, max_message_bytes: usize, deflate: Option<Agreed>) -> Self {
        let inflater = deflate.map(|agreed| {
            let fresh = match role {
                Role::Client => agreed.server_no_context_takeover(),
                Role::Server => agreed.client_no_context_takeover(),
            };
            Inflater::new(if fresh { Context::Fresh } else { Context::Kept })
        });
        Self {
            role,
            max_message_bytes,
            inflater,
            message: None,
            frame: None,
            staged: Vec::new(),
            at: 0,
            failed: None,
            peer_close: None,
        }
    }

    /// The peer's close frame, once it has passed; what comes behind it is thrown away.
    pub fn peer_close(&self) -> Option<&CloseFrame> {
        self.peer_close.as_ref()
    }

    /// Gives back memory that an idle link does not need.
    pub fn rest(&mut self) {
        if self.at == self.staged.len() {
            self.staged = Vec::new();
            self.at = 0;
        }
    }

    /// Moves what it can from `input` to `output`; nothing moved means that more input is needed.
    ///
    /// # Errors
    ///
    /// The peer's violation, after all that came before it has been moved; the same again on each further call.
    pub fn convert(&mut self, input: &mut BytesMut, output: &mut ReadBuf<'_>) -> Result<(), Violation> {
        let before = output.filled().len();
        while output.remaining() > 0 {
            let staged = self.staged.get(self.at..).unwrap_or_default();
            if !staged.is_empty() {
                let count = staged.len().min(output.remaining());
                output.put_slice(staged.get(..count).unwrap_or_default());
                self.at += count;
                continue;
            }
            if self.failed.is_some() {
                break;
            }
            if self.peer_close.is_some() {
                input.clear();
                break;
            }
            match self.step(input, output) {
                Ok(true) => {}
                Ok(false) => break,
                Err(violation) => {
                    // What was inflated before it went wrong has no header and must not pass.
                    self.staged.clear();
                    self.at = 0;
                    self.failed = Some(violation);
                }
            }
        }
        match &self.failed {
            Some(violation) if output.filled().len() == before => Err(violation.clone()),
            _ => Ok(()),
        }
    }

    /// Does one piece of work; `false` if more input is needed.
    fn step(&mut self, input: &mut BytesMut, output: &mut ReadBuf<'_>) -> Result<bool, Violation> {
        let Some(payload) = &mut self.frame else { return self.begin_frame(input) };
        if self.message.as_ref().is_some_and(|message| message.compressed) {
            return self.inflate(input);
        }
        let left = usize::try_from(payload.header.length - payload.used).unwrap_or(usize::MAX);
        let count = left.min(input.len()).min(output.remaining());
        if count == 0 && left > 0 {
            return Ok(false);
        }
        output.put_slice(input.get(..count).unwrap_or_default());
        input.advance(count);
        payload.used += count as u64;
        if payload.used == payload.header.length {
            self.end_frame();
        }
        Ok(true)
    }

    fn begin_frame(&mut self, input: &mut BytesMut) -> Result<bool, Violation> {
        let Some(header) = frame::parse(input)? else { return Ok(false) };
        self.check(&header)?;
        if header.opcode.is_control() {
            return self.pass_control(header, input);
        }
        if header.opcode != Opcode::Continuation {
            let opcode = input.first().copied().unwrap_or_default() & 0x0f;
            self.message = Some(Assembly { opcode, compressed: header.rsv1, length: 0, begun: false });
        }
        if let Some(message) = &mut self.message
            && !message.compressed
        {
            let length = usize::try_from(header.length).unwrap_or(usize::MAX);
            message.length = message.length.saturating_add(length);
            if message.length > self.max_message_bytes {
                return Err(Violation::TooBig { limit: self.max_message_bytes });
            }
            self.stage(input.get(..header.size).unwrap_or_default());
        }
        input.advance(header.size);
        self.frame = Some(Payload { header, used: 0, unmasked: 0, finishing: false });
        Ok(true)
    }

    /// What depends on the role, on what was agreed and on the frames before.
    fn check(&self, header: &Header) -> Result<(), Violation> {
        match (self.role, header.mask) {
            (Role::Client, Some(_)) => return Err(protocol("a masked frame from a server")),
            (Role::Server, None) => return Err(protocol("an unmasked frame from a client")),
            (Role::Client, None) | (Role::Server, Some(_)) => {}
        }
        let begins = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        if header.rsv1 && (self.inflater.is_none() || !begins) {
            return Err(protocol("a frame with a reserved bit"));
        }
        match (header.opcode, &self.message) {
            (Opcode::Continuation, None) => Err(protocol("a continuation of no message")),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(protocol("a message inside a message")),
            (Opcode::Continuation, Some(_)) | (Opcode::Text | Opcode::Binary, None) => Ok(()),
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => Ok(()),
        }
    }

    /// Control frames are short, so they are passed on whole.
    fn pass_control(&mut self, header: Header, input: &mut BytesMut) -> Result<bool, Violation> {
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(whole) = input.get(..header.size + length) else { return Ok(false) };
        if header.opcode == Opcode::Close {
            let mut payload = whole.get(header.size..).unwrap_or_default().to_vec();
            if let Some(mask) = header.mask {
                frame::apply_mask(&mut payload, mask, 0);
            }
            self.peer_close = Some(frame::parse_close(&payload)?);
        }
        self.staged.clear();
        self.staged.extend_from_slice(whole);
        self.at = 0;
        if self.peer_close.as_ref().is_some_and(|close| close.code == Some(BAD_GATEWAY))
            && let Some(low) = self.staged.get_mut(header.size + 1)
        {
            // The same bits under any mask.
            *low ^= (BAD_GATEWAY ^ NORMAL).to_be_bytes()[1];
        }
        input.advance(header.size + length);
        Ok(true)
    }

    fn stage(&mut self, bytes: &[u8]) {
        self.staged.clear();
        self.staged.extend_from_slice(bytes);
        self.at = 0;
    }

    /// Inflates the next piece of the payload under way and stages it as a plain frame.
    fn inflate(&mut self, input: &mut BytesMut) -> Result<bool, Violation> {
        let (Some(payload), Some(message), Some(inflater)) =
            (&mut self.frame, &mut self.message, &mut self.inflater)
        else {
            return Err(Violation::BadDeflate);
        };
        let left = usize::try_from(payload.header.length - payload.used).unwrap_or(usize::MAX);
        let count = left.min(input.len());
        if count == 0 && left > 0 {
            return Ok(false);
        }
        self.staged.clear();
        self.staged.reserve_exact(HEAD + PIECE);
        self.staged.extend_from_slice(&[0; HEAD]);
        self.at = HEAD;
        let bad = |BadData| Violation::BadDeflate;
        if !payload.finishing {
            let piece = input.get_mut(..count).unwrap_or_default();
            if let (Some(mask), Some(fresh)) = (payload.header.mask, piece.get_mut(payload.unmasked..)) {
                frame::apply_mask(fresh, mask, payload.used + payload.unmasked as u64);
            }
            let used = inflater.inflate(piece, &mut self.staged).map_err(bad)?;
            input.advance(used);
            payload.used += used as u64;
            payload.unmasked = count - used;
            payload.finishing = payload.used == payload.header.length && payload.header.fin;
        }
        let whole = payload.finishing
            && self.staged.len() < self.staged.capacity()
            && inflater.finish(&mut self.staged).map_err(bad)?;
        let produced = self.staged.len() - HEAD;
        message.length += produced;
        if message.length > self.max_message_bytes {
            return Err(Violation::TooBig { limit: self.max_message_bytes });
        }
        if whole || produced > 0 {
            let opcode = if message.begun { 0 } else { message.opcode };
            let first = opcode | if whole { 0x80 } else { 0 };
            message.begun = true;
            self.at = write_head(&mut self.staged, first, self.role);
        } else {
            self.staged.clear();
            self.at = 0;
        }
        let ended = payload.used == payload.header.length;
        if whole || (ended && !payload.header.fin) {
            self.end_frame();
        }
        Ok(true)
    }

    fn end_frame(&mut self) {
        if self.frame.take().is_some_and(|payload| payload.header.fin) {
            self.message = None;
        }
    }
}

/// Writes a header right before the piece that starts at `HEAD`; returns where it starts.
///
/// A server expects a mask: four zero bytes leave the piece as it is.
fn write_head(staged: &mut [u8], first: u8, role: Role) -> usize {
    let length = staged.len().saturating_sub(HEAD);
    let (mask, mask_bit): (&[u8], u8) = match role {
        Role::Client => (&[], 0),
        Role::Server => (&[0; 4], 0x80),
    };
    let mut head = Vec::with_capacity(HEAD);
    head.push(first);
    match u8::try_from(length) {
        Ok(short) if short < 126 => head.push(short | mask_bit),
        _ => {
            head.push(126 | mask_bit);
            // A piece is at most `PIECE` bytes.
            head.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    head.extend_from_slice(mask);
    let at = HEAD - head.len();
    if let Some(room) = staged.get_mut(at..HEAD) {
        room.copy_from_slice(&head);
    }
    at
}

#[cfg(test)]
mod tests;
