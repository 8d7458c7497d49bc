//! From an HTTP request to a WebSocket of the server side; offers no compression, since a client is on this machine.

use std::future::Future;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::api::Shared;
use crate::api::problem::{Kind, Problem};
use crate::api::server::Slot;
use crate::transport::accept::{self, Refusal};
use crate::transport::wire::queue::SendError;
use crate::transport::wire::{Event, Inbox, Limits, Message, Outbox, Role, Setup};

/// The largest message to a client: a snapshot of one element.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// Messages that wait for a client; behind them waits the element's own queue, which ends in a new snapshot.
const SEND_QUEUE: usize = 16;
/// How long a client may take to confirm a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A WebSocket to a client.
pub(super) struct Socket {
    inbox: Inbox,
    outbox: Outbox,
    events: Vec<Event>,
    /// Cancelled when the server stops.
    stop: CancellationToken,
}

/// Why nothing more goes to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The client has left, or is told to.
    Left,
    /// The server stops.
    Stopping,
}

impl Socket {
    /// Cancelled when the server stops.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Sends a message as JSON text; waits while the client is slow.
    pub(super) async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), Over> {
        let text = serde_json::to_string(message).map_err(|error| {
            debug!(%error, "a message of the API has no JSON form");
            Over::Left
        })?;
        let mut message = Message::text(text);
        loop {
            let bytes = message.data().len();
            match self.outbox.try_send(message) {
                Ok(()) => return Ok(()),
                Err(SendError::Full(back)) => message = back,
                Err(SendError::Closed(_)) => return Err(Over::Left),
                Err(SendError::TooBig { limit, .. }) => {
                    self.outbox.close(
                        1009,
                        &format!("a message is larger than {limit} bytes"),
                        CLOSE_TIMEOUT,
                    );
                    return Err(Over::Left);
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Over::Stopping), // Cancel-safe: no state.
                () = self.outbox.room(bytes) => {}              // Cancel-safe per its docs.
            }
        }
    }

    /// Waits until the client has left or the server stops; what the client sends meanwhile has no meaning.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: only what would be dropped anyway is lost.
    pub(super) async fn over(&mut self) -> Over {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Over::Stopping, // Cancel-safe: no state.
            () = left(&mut self.inbox, &mut self.events) => Over::Left, // Cancel-safe: see above.
        }
    }

    /// Ends what [`Socket::over`] or [`Socket::send`] found over.
    pub(super) async fn end(self, over: Over) {
        match over {
            Over::Stopping => self.close(1001, "the daemon stops").await,
            Over::Left => {}
        }
    }

    /// Closes with a code and waits for the end, which is bounded.
    pub(super) async fn close(mut self, code: u16, reason: &str) {
        self.outbox.close(code, reason, CLOSE_TIMEOUT);
        left(&mut self.inbox, &mut self.events).await;
    }
}

/// Waits until the link is over.
async fn left(inbox: &mut Inbox, events: &mut Vec<Event>) {
    loop {
        events.clear();
        let count = inbox.recv_many(events).await;
        if count == 0 || events.iter().any(|event| matches!(event, Event::Closed(_))) {
            return;
        }
    }
}

/// Takes a place among the sockets; one more than there are is refused.
pub(super) fn place(shared: &Shared, uri: &Uri) -> Result<OwnedSemaphorePermit, Problem> {
    let taken = |_| Problem::new(Kind::Unavailable, uri, "too many streams and taps are open");
    shared.sockets.clone().try_acquire_owned().map_err(taken)
}

/// Checks a client's opening handshake, answers 101, and runs `work` on the connection's own task afterwards.
pub(super) fn upgrade<F, Fut>(
    mut request: Request,
    slot: &Slot,
    place: OwnedSemaphorePermit,
    work: F,
) -> Result<Response, Problem>
where
    F: FnOnce(Socket) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let uri = request.uri().clone();
    let accepted = accept::validate(request.method(), request.headers(), &accept::Options::default())
        .map_err(|refusal| Problem::new(kind(refusal), &uri, refusal.to_string()))?;
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = accepted.headers();
    let upgraded = hyper::upgrade::on(&mut request);
    let stop = slot.stop.clone();
    let left = slot.leave(Box::pin(async move {
        let _place = place;
        let io = match upgraded.await {
            Ok(io) => TokioIo::new(io),
            Err(error) => return debug!(%error, "a client left during its handshake"),
        };
        let mut setup = Setup::new(io, Role::Server);
        setup.limits =
            Limits { max_message_bytes: MAX_MESSAGE_BYTES, send_queue: SEND_QUEUE, ..Limits::default() };
        let (inbox, outbox, link) = setup.open();
        // The link ends by the socket's close, so that a client learns of the stop; then it is no token's business.
        let socket = Socket { inbox, outbox, events: Vec::new(), stop };
        tokio::join!(link.run(CancellationToken::new()), work(socket));
    }));
    if left {
        Ok(answer)
    } else {
        Err(Problem::new(Kind::BadRequest, &uri, "this connection is upgraded already"))
    }
}

fn kind(refusal: Refusal) -> Kind {
    match refusal {
        Refusal::Method => Kind::Method,
        Refusal::NoUpgrade | Refusal::Version => Kind::UpgradeRequired,
        Refusal::Key => Kind::BadRequest,
    }
}
