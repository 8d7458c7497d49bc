//! Accepts connections and runs one bounded task for each; knows nothing of what is asked.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::api::patient::Patient;
use crate::api::reserve::Reserve;
use crate::api::{HEAD_TIMEOUT, MAX_CONNECTIONS, STOP_GRACE, WRITE_TIMEOUT, router};
use crate::daemon::roster::Roster;
use crate::tasks::{Ended, Tasks};

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is not on this machine alone.
    #[error(
        "refused to serve the API on {0}: it is not a loopback address, and the API has no access control yet"
    )]
    NotLoopback(SocketAddr),
    /// The listener has no address.
    #[error("the API's listener has no address")]
    NoAddress(#[source] std::io::Error),
}

/// How long accepting pauses when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the API on a listener until `stop` is cancelled.
///
/// Then, in order: no connection is accepted any more, requests under way are answered, streams and taps are closed
/// with 1001, and after [`STOP_GRACE`] the rest is dropped.
///
/// # Errors
///
/// Refuses a listener that others than this machine could reach.
pub async fn serve(
    listener: TcpListener,
    roster: watch::Receiver<Arc<Roster>>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::NoAddress)?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let mut server = Server {
        listener,
        router: router(roster),
        places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        tasks: Tasks::new(&stop),
        reserve: Reserve::new(),
        failing: false,
    };
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break, // Cancel-safe: no state.
            Some((name, ended)) = server.tasks.join_next() => server.ended(&name, &ended), // Cancel-safe per its docs.
            // Cancel-safe: see there.
            accepted = accept(&server.listener, &server.places, &mut server.reserve) => match accepted {
                Ok(accepted) => server.start(accepted),
                Err(error) => server.failed(&error, &stop).await,
            },
        }
    }
    server.stop().await;
    Ok(())
}

/// The listener and the connections that it has.
struct Server {
    listener: TcpListener,
    router: Router,
    // A connection holds one for as long as it is served.
    places: Arc<Semaphore>,
    tasks: Tasks,
    reserve: Reserve,
    // Whether the last try to accept failed; told at each change only.
    failing: bool,
}

/// A connection with its place.
type Accepted = (tokio::net::TcpStream, SocketAddr, OwnedSemaphorePermit);

impl Server {
    /// Serves a connection in a task of its own.
    fn start(&mut self, (stream, peer, place): Accepted) {
        if std::mem::take(&mut self.failing) {
            info!("API connections are accepted again");
        }
        // Answers are small and wait for nothing else; without it, a delayed acknowledgement costs 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        let router = self.router.clone();
        self.tasks.spawn(format!("api {peer}"), |stop| async move {
            connection(stream, router, stop).await;
            drop(place);
        });
    }

    /// The task of a connection has ended, and its descriptor is free.
    fn ended(&mut self, name: &str, ended: &Ended) {
        if let Ended::Panicked(panic) = ended {
            warn!(connection = %name, %panic, "an API connection failed");
        }
        self.reserve.fill();
    }

    /// Says that nothing can be accepted, and pauses unless the server stops.
    async fn failed(&mut self, error: &std::io::Error, stop: &CancellationToken) {
        if !std::mem::replace(&mut self.failing, true) {
            warn!(%error, "cannot accept API connections; they wait until it works again");
        }
        // The loop sees what of the two it was.
        let _ = tokio::time::timeout(ACCEPT_PAUSE, stop.cancelled()).await;
    }

    /// Accepts nothing any more and waits for what is under way.
    async fn stop(self) {
        let Self { listener, mut tasks, .. } = self;
        drop(listener);
        let dropped = tasks.stop(STOP_GRACE).await;
        if !dropped.is_empty() {
            warn!(connections = ?dropped, "API connections did not end in time and were dropped");
        }
    }
}

/// Accepts a connection when there is a place for it.
///
/// # Cancel safety
///
/// Cancel-safe: a permit that is not used goes back, and a connection stays in the backlog.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    reserve: &mut Reserve,
) -> std::io::Result<Accepted> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((stream, peer, place)),
            // Most likely there is no descriptor left: one of ours makes room.
            Err(_) if reserve.give() => {}
            Err(error) => return Err(error),
        }
    }
}

/// What a connection does after it has been upgraded.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a handler leaves the work of an upgraded connection; the connection's own task does it, so that it has an owner.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    work: mpsc::Sender<Work>,
    /// Cancelled when the server stops.
    pub(super) stop: CancellationToken,
}

impl Slot {
    /// Leaves the work; `false` if this connection has some already.
    pub(super) fn leave(&self, work: Work) -> bool {
        self.work.try_send(work).is_ok()
    }
}

/// Serves one connection until its client leaves, is too slow, or the server stops.
pub(super) async fn connection<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // One upgrade is all that a connection can have.
    let (work, mut left) = mpsc::channel(1);
    let service = TowerToHyperService::new(router.layer(Extension(Slot { work, stop: stop.clone() })));
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(Patient::new(stream, WRITE_TIMEOUT)), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        biased;
        ended = served.as_mut() => ended, // Polled again below if it is not done: nothing is lost.
        () = stop.cancelled() => {        // Cancel-safe: no state.
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an API connection ended early");
    }
    if let Ok(work) = left.try_recv() {
        work.await;
    }
}
