//! Tells whether a request still waits for its connection when its time is over; sends nothing.
//!
//! The library says nothing of how far it has come. But it makes a connection inside the future of the request that wants it:
//! a layer around its connector notes each time that it is polled there without an end. If the last poll of the request was
//! such a one, nothing of the request has been written; once it has a connection, its own or an idle one, the connector is not
//! polled there any more.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::transport::http::Address;

tokio::task_local! {
    static OF_REQUEST: Arc<AtomicBool>;
}

/// How far one request has come, over all its addresses.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// A request has been handed to the library.
    handed: bool,
    /// One of them may have reached its peer.
    written: bool,
    connecting: Arc<AtomicBool>,
    /// Where the last one went.
    destination: Option<Destination>,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) address: Arc<Address>,
    /// The proxy on the way, without its credentials.
    pub(super) proxy: Option<String>,
}

impl Progress {
    /// Sends, and notes how far it has come each time that it is polled.
    pub(super) async fn watch<F: Future>(&mut self, destination: Destination, sending: F) -> F::Output {
        self.written = self.may_be_written();
        self.handed = true;
        self.destination = Some(destination);
        let connecting = Arc::clone(&self.connecting);
        let mut sending = pin!(sending);
        poll_fn(|context| {
            connecting.store(false, Ordering::Relaxed);
            OF_REQUEST.sync_scope(Arc::clone(&connecting), || sending.as_mut().poll(context))
        })
        .await
    }

    /// The last one that was handed over had no connection: it does not count.
    pub(super) fn not_connected(&mut self) {
        self.handed = false;
    }

    /// Where a connection is still being made to.
    pub(super) fn connecting_to(&self) -> Option<&Destination> {
        self.destination.as_ref().filter(|_| self.handed && self.connecting.load(Ordering::Relaxed))
    }

    /// Whether a byte of any request may have reached a peer.
    pub(super) fn may_be_written(&self) -> bool {
        self.written || (self.handed && self.connecting_to().is_none())
    }
}

/// Put around the connector of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noticed;

impl<S> Layer<S> for Noticed {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector { inner }
    }
}

/// A connector whose waiting is noticed.
#[derive(Clone, Debug)]
pub(super) struct Connector<S> {
    inner: S,
}

impl<S, R> Service<R> for Connector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let mut connecting = Box::pin(self.inner.call(request));
        Box::pin(poll_fn(move |context| {
            let polled = connecting.as_mut().poll(context);
            if polled.is_pending() {
                // Elsewhere: the request has got another connection, and this one is made for later.
                let _ = OF_REQUEST.try_with(|of_request| of_request.store(true, Ordering::Relaxed));
            }
            polled
        }))
    }
}
