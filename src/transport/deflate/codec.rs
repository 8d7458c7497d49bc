//! Inflates and deflates message payloads (RFC 7692, 7.2); knows no frames and keeps no socket.

use std::sync::Mutex;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a sender strips from the end of a compressed message and a receiver appends (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Below this a message is sent as it is: what deflate saves on so little is not worth the time.
const LEAST_TO_COMPRESS: usize = 128;

/// Fast enough not to be the bottleneck of a link; JSON still shrinks to about a fifth.
const LEVEL: u32 = 3;

/// Deflaters are lent for one fragment and never across a wait, so more than the worker threads are never out;
/// what is above this number comes from an unusually large machine and is freed.
const POOLED_DEFLATERS: usize = 4;

/// Inflaters are lent for one message; a few hundred idle ones would be memory for nothing.
const POOLED_INFLATERS: usize = 16;

/// One pool a window size, 9 to 15.
static DEFLATERS: [Mutex<Vec<Compress>>; 7] = [const { Mutex::new(Vec::new()) }; 7];
static INFLATERS: Mutex<Vec<Decompress>> = Mutex::new(Vec::new());

/// The payload cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadData;

/// Whether the peer keeps its window from one message to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// The inflater must be kept between messages.
    Kept,
    /// Each message starts anew: the inflater is given back.
    Fresh,
}

/// Inflates the messages of one direction.
pub(crate) struct Inflater {
    context: Context,
    /// Made at the first compressed message. Always with the full window: it costs the same and reads any smaller one.
    inner: Option<Decompress>,
    /// Whether the message under way has had a byte of payload.
    started: bool,
    /// How much of the tail has been fed.
    tail_fed: usize,
}

impl Inflater {
    pub(crate) fn new(context: Context) -> Self {
        Self { context, inner: None, started: false, tail_fed: 0 }
    }

    /// Inflates a piece of a message, into the spare capacity of `output`; returns how much of `input` was used.
    ///
    /// Call again with the rest after making room; all is out when `input` is used up and room is left.
    pub(crate) fn inflate(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, BadData> {
        self.started |= !input.is_empty();
        self.feed(input, output)
    }

    /// Ends the message; returns whether all of it is out, else make room and call again.
    pub(crate) fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool, BadData> {
        // A compressed message without any payload is not what RFC 7692 7.2.3.6 asks for, but can only mean "empty".
        if self.started {
            while let Some(rest) = TAIL.get(self.tail_fed..) {
                let used = self.feed(rest, output)?;
                self.tail_fed += used;
                if output.len() == output.capacity() {
                    return Ok(false);
                }
                if self.tail_fed == TAIL.len() {
                    break;
                }
                if used == 0 {
                    return Err(BadData);
                }
            }
        }
        self.started = false;
        self.tail_fed = 0;
        if self.context == Context::Fresh {
            self.give_back();
        }
        Ok(true)
    }

    fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, BadData> {
        let mut used = 0;
        loop {
            let inner = self.inner.get_or_insert_with(lend_inflater);
            let (in_before, out_before) = (inner.total_in(), inner.total_out());
            let rest = input.get(used..).unwrap_or_default();
            let status = inner.decompress_vec(rest, output, FlushDecompress::Sync).map_err(|_| BadData)?;
            let step = usize::try_from(inner.total_in() - in_before).map_err(|_| BadData)?;
            let produced = inner.total_out() - out_before;
            used += step;
            match status {
                // A block marked final ends the stream; what follows starts anew (RFC 7692, 7.2.3.4).
                Status::StreamEnd => inner.reset(false),
                Status::Ok | Status::BufError => {
                    if output.len() == output.capacity()
                        || (step == 0 && produced == 0)
                        || used == input.len()
                    {
                        return Ok(used);
                    }
                }
            }
            if used == input.len() {
                return Ok(used);
            }
        }
    }

    fn give_back(&mut self) {
        if let Some(mut inner) = self.inner.take()
            && let Ok(mut pool) = INFLATERS.lock()
            && pool.len() < POOLED_INFLATERS
        {
            inner.reset(false);
            pool.push(inner);
        }
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn lend_inflater() -> Decompress {
    let pooled = INFLATERS.lock().ok().and_then(|mut pool| pool.pop());
    pooled.unwrap_or_else(|| Decompress::new(false))
}

/// Deflates what we send: each fragment starts anew, which RFC 7692 7.1.1 always allows a sender, so that no window is
/// kept for a link and no deflater is held while a slow peer takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deflater {
    window_bits: u8,
}

/// Where a fragment stands in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// More follow.
    Inner,
    /// The last, or the only one.
    Last,
}

impl Deflater {
    /// A deflater for the agreed window; `None` for 8, which zlib cannot do: such a link sends uncompressed messages,
    /// which RFC 7692 permits.
    pub(crate) fn new(window_bits: u8) -> Option<Self> {
        (9..=15).contains(&window_bits).then_some(Self { window_bits })
    }

    /// Whether a message of this length is worth the try.
    pub(crate) fn wants(length: usize) -> bool {
        length >= LEAST_TO_COMPRESS
    }

    /// Deflates one fragment; `None` if that would not make it smaller.
    pub(crate) fn deflate(self, fragment: &[u8], place: Place) -> Option<Vec<u8>> {
        let mut output = self.deflate_always(fragment, place);
        if output.len() >= fragment.len() {
            return None;
        }
        output.shrink_to_fit();
        Some(output)
    }

    /// Deflates one fragment whatever its size: once a message has begun compressed it goes on so.
    pub(crate) fn deflate_always(self, fragment: &[u8], place: Place) -> Vec<u8> {
        // Room for the worst case: stored blocks with five bytes each, and the flush.
        let mut output = Vec::with_capacity(fragment.len() + fragment.len() / 1024 + 64);
        while !self.run(fragment, place, &mut output) {
            let larger = output.capacity() * 2;
            output = Vec::with_capacity(larger);
        }
        output
    }

    /// Returns whether all fitted into the capacity.
    fn run(self, fragment: &[u8], place: Place, output: &mut Vec<u8>) -> bool {
        if fragment.is_empty() {
            // A sync flush without data may write nothing at all; one empty stored block says the same.
            output.extend_from_slice(match place {
                Place::Inner => &[0, 0, 0, 0xff, 0xff],
                Place::Last => &[0],
            });
            return true;
        }
        let pool = DEFLATERS.get(usize::from(self.window_bits - 9));
        let pooled = pool.and_then(|pool| pool.lock().ok()).and_then(|mut pool| pool.pop());
        let mut inner = pooled.unwrap_or_else(|| {
            Compress::new_with_window_bits(Compression::new(LEVEL), false, self.window_bits)
        });
        let status = inner.compress_vec(fragment, output, FlushCompress::Sync);
        // A sync flush is complete only if room is left behind it.
        let all = status.is_ok()
            && inner.total_in() == fragment.len() as u64
            && output.len() < output.capacity()
            && output.ends_with(&TAIL);
        // A deflater with output left over is never used again: the reset of zlib-rs 0.6 forgets that its buffer has an
        // offset, and panics later.
        if all
            && let Some(mut pool) = pool.and_then(|pool| pool.lock().ok())
            && pool.len() < POOLED_DEFLATERS
        {
            inner.reset();
            pool.push(inner);
        }
        if all && place == Place::Last {
            output.truncate(output.len() - TAIL.len());
        }
        all
    }
}

#[cfg(test)]
mod tests;
