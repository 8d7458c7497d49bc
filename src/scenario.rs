//! Simulated peers, and definitions that are tried against them in virtual time; tells people nothing.

mod binary;
pub mod expect;
pub mod file;
pub mod is07;
mod network;
pub mod peer;
pub mod run;
pub mod secure;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How long accepting pauses after a failure.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where clients come from: a listener, or pipes in a test with virtual time.
pub trait Incoming: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection, with a name for its client; cancel-safe.
    fn next(&mut self) -> impl Future<Output = io::Result<(Self::Io, String)>> + Send;
}

impl Incoming for TcpListener {
    type Io = TcpStream;

    async fn next(&mut self) -> io::Result<(TcpStream, String)> {
        let (stream, peer) = self.accept().await?;
        Ok((stream, peer.to_string()))
    }
}

/// Pipes; nothing more comes when their other end is gone.
impl Incoming for mpsc::Receiver<DuplexStream> {
    type Io = DuplexStream;

    async fn next(&mut self) -> io::Result<(DuplexStream, String)> {
        match self.recv().await {
            Some(stream) => Ok((stream, "pipe".to_owned())),
            None => std::future::pending().await,
        }
    }
}
