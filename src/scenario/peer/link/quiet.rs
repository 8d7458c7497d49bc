//! A connection that can fall asleep: then nothing goes through it, and only its end is noticed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is thrown away at a time.
const CHUNK: usize = 4 << 10;

/// A connection.
pub(super) struct Quiet<S> {
    io: S,
    asleep: Arc<AtomicBool>,
}

impl<S> Quiet<S> {
    /// A connection that falls asleep when `asleep` is set.
    pub(super) fn new(io: S, asleep: Arc<AtomicBool>) -> Self {
        Self { io, asleep }
    }

    fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Quiet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_asleep() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        // It has to be read to see that the other end has gone: a place that nobody needs must become free.
        let mut space = [0; CHUNK];
        loop {
            let mut nobody = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut nobody))?;
            if nobody.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Quiet<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.is_asleep() {
            // It never wakes up, so that nobody has to be told.
            true => Poll::Pending,
            false => Pin::new(&mut self.io).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
