//! The tap: what crosses the wire of one element, as it happens; a slow client is told how much it missed.

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;

use crate::api::elements::Parts;
use crate::api::problem::{Kind, Problem};
use crate::api::server::Slot;
use crate::api::upgrade::{Socket, place, upgrade};
use crate::api::wire::TapMessage;
use crate::api::{ELEMENT_TIMEOUT, Shared};
use crate::element::handle::TapEvent;
use crate::element::queue;

/// `GET /api/v1/elements/{name}/tap`.
pub(super) async fn open(
    State(shared): State<Shared>,
    Extension(slot): Extension<Slot>,
    Parts(name): Parts<String>,
    request: Request,
) -> Result<Response, Problem> {
    let uri = request.uri().clone();
    let handle = shared.running(&name, &uri)?;
    let place = place(&shared, &uri)?;
    let unavailable = || Problem::new(Kind::Unavailable, &uri, format!("element `{name}` is not running"));
    let asked = tokio::time::timeout(ELEMENT_TIMEOUT, handle.tap()).await;
    let events = asked.ok().flatten().ok_or_else(unavailable)?;
    upgrade(request, &slot, place, move |socket| run(socket, events))
}

async fn run(mut socket: Socket, mut events: queue::Receiver<TapEvent>) {
    loop {
        let event = tokio::select! {
            biased;
            over = socket.over() => return socket.end(over).await, // Cancel-safe per its docs.
            event = events.recv() => event,                        // Cancel-safe per its docs.
        };
        let Some(event) = event else { return socket.close(1000, "the element has stopped").await };
        if let Err(over) = socket.send(&TapMessage::from(event)).await {
            return socket.end(over).await;
        }
    }
}
