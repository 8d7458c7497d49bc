//! What tungstenite takes for its socket: an adaptive read buffer, the checks and inflating of `inbound`, and counts.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use crate::transport::wire::inbound::Inbound;
use crate::transport::wire::{CloseFrame, violation_error};

/// The first read after a rest: an idle link's next frame is nearly always smaller.
const LEAST_READ: usize = 2 * 1024;

/// Reads do not get cheaper above this (measured).
const MOST_READ: usize = 128 * 1024;

/// The socket below tungstenite.
pub(crate) struct Below<S> {
    io: S,
    /// Empty and without memory while the link rests.
    buffer: BytesMut,
    /// How much to ask for in the next read; grows while reads are full, shrinks while they are small.
    target: usize,
    inbound: Inbound,
    /// Bytes read from the socket.
    pub(crate) bytes_read: u64,
    /// Bytes that the socket took.
    pub(crate) bytes_written: u64,
    ended: bool,
}

impl<S> Below<S> {
    pub(crate) fn new(io: S, leftover: &Bytes, inbound: Inbound) -> Self {
        let buffer = BytesMut::from(leftover.as_ref());
        let bytes_read = leftover.len() as u64;
        Self { io, buffer, target: LEAST_READ, inbound, bytes_read, bytes_written: 0, ended: false }
    }

    /// The peer's close frame as it came.
    pub(crate) fn peer_close(&self) -> Option<&CloseFrame> {
        self.inbound.peer_close()
    }
}

impl<S: AsyncRead + Unpin> Below<S> {
    /// Reads from the socket once; 0 is its end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(self.target);
        let room = self.buffer.capacity() - self.buffer.len();
        let Poll::Ready(result) = poll_read_buf(Pin::new(&mut self.io), cx, &mut self.buffer) else {
            if self.buffer.is_empty() {
                // Thousands of links rest at a time: memory goes back at once, and the next read takes it anew.
                self.buffer = BytesMut::new();
                self.inbound.rest();
            }
            return Poll::Pending;
        };
        let count = result?;
        self.bytes_read += count as u64;
        if count == room {
            self.target = (self.target * 4).min(MOST_READ);
        } else if count < self.target / 8 {
            self.target = (self.target / 2).max(LEAST_READ);
        }
        Poll::Ready(Ok(count))
    }

    /// Reads and throws away until the end of the stream, so that closing does not reset what the peer still has to read.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Bounded: a peer that sends for ever is cut by the caller's deadline, which this must let fire.
        for _ in 0..16 {
            self.buffer.clear();
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Below<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = output.filled().len();
        loop {
            this.inbound.convert(&mut this.buffer, output).map_err(violation_error)?;
            if output.filled().len() > before || output.remaining() == 0 || this.ended {
                return Poll::Ready(Ok(()));
            }
            this.ended = ready!(this.poll_fill(cx))? == 0;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Below<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.io).poll_write(cx, bytes))?;
        this.bytes_written += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
