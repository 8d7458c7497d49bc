//! The HTTP side of a running daemon: REST, the stream of changes and the tap; changes nothing but by an element's handle.
//!
//! Until there is access control only this machine may use it: the listener must be on a loopback address, `Host` must
//! name one, and a browser's `Origin` must be our own, so that a web page can neither read nor write a daemon, not even
//! by DNS rebinding. No CORS header is ever sent.
//!
//! ```text
//! listener ── connection (one task each, bounded) ── guard ── elements (REST)
//!                                                         └── upgrade ── stream | tap (same task, after the 101)
//! ```

pub mod wire;

mod elements;
mod guard;
mod patient;
mod problem;
mod reserve;
mod server;
mod stream;
mod tap;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::sync::{Semaphore, watch};

use crate::daemon::roster::Roster;

pub use server::{ServeError, serve};

/// HTTP connections at a time; when they are used up, new ones wait in the listener's backlog.
pub const MAX_CONNECTIONS: usize = 256;
/// Streams and taps at a time; one more is refused with 503.
pub const MAX_SOCKETS: usize = 64;
/// The largest body of a request.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// How long a request's head may take, and how long an idle connection stays open.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a request's body may take.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may take nothing of what is written to it before its connection is dropped.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long an element may take to answer; a set may run a long chain of events.
pub const ELEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests under way and closing sockets have when the server stops.
pub const STOP_GRACE: Duration = Duration::from_secs(3);

/// What every request sees.
#[derive(Clone, Debug)]
struct Shared {
    roster: watch::Receiver<Arc<Roster>>,
    sockets: Arc<Semaphore>,
}

fn router(roster: watch::Receiver<Arc<Roster>>) -> Router {
    Router::new()
        .route("/healthz", get(elements::healthz))
        .route("/readyz", get(elements::readyz))
        .route("/api/v1/elements", get(elements::list))
        .route("/api/v1/elements/{name}", get(elements::detail))
        .route("/api/v1/elements/{name}/params", get(elements::params))
        .route("/api/v1/elements/{name}/params/{param}", get(elements::get_param).put(elements::put_param))
        .route("/api/v1/elements/{name}/connections/{index}/explain", get(elements::explain))
        .route("/api/v1/elements/{name}/tap", get(tap::open))
        .route("/api/v1/stream", get(stream::open))
        .fallback(elements::unknown)
        .method_not_allowed_fallback(elements::wrong_method)
        .layer(axum::middleware::from_fn(guard::check))
        .with_state(Shared { roster, sockets: Arc::new(Semaphore::new(MAX_SOCKETS)) })
}

#[cfg(test)]
pub(crate) mod tests;
