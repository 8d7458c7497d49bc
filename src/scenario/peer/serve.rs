//! The connections of a simulated peer, over HTTP/1.1: handshakes become links, requests get their answers; decides nothing.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming as Body};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::{MAX_BODY, Peer, link};
use crate::scenario::file::{Fault, Then};
use crate::scenario::secure::Refused;
use crate::scenario::{ACCEPT_PAUSE, Incoming};
use crate::tasks::Tasks;
use crate::transport::accept::{self, Accepted, Options};
use crate::transport::deflate::Preference;

/// Connections at a time; one more is dropped unheard.
const MAX_CONNECTIONS: usize = 256;

/// How long connections have to end when the peer stops.
const GRACE: Duration = Duration::from_secs(1);

/// The pace of [`Fault::SlowDrip`].
pub(in crate::scenario) const DRIP: Duration = Duration::from_millis(20);

/// The first byte of a TLS handshake: the type of its record (RFC 8446, 5.1).
const TLS: u8 = 22;

/// What is said to somebody who begins one: pipes never do, as no TLS goes over a simulated network.
const NO_TLS: &str = "speaks TLS, and this peer has no certificate: the address has to be `ws://` or `http://`, or the peer needs `--tls`";

/// Serves connections until `stop`.
pub async fn run(mut incoming: impl Incoming, peer: Arc<Peer>, stop: CancellationToken) {
    let mut connections = Tasks::new(&stop);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break, // Cancel-safe: no state.
            Some((name, ended)) = connections.join_next() => { // Cancel-safe per its docs.
                tracing::debug!(connection = %name, ?ended, "a connection of the simulated peer has ended");
            }
            accepted = incoming.next() => match accepted { // Cancel-safe per its docs.
                Ok((io, name)) if connections.len() < MAX_CONNECTIONS && peer.is_reachable() => {
                    let peer = Arc::clone(&peer);
                    connections.spawn(name.clone(), |stop| connection(io, peer, name, stop));
                }
                Ok((_, name)) if peer.is_reachable() => {
                    peer.problem(format!("{name} is not heard: {MAX_CONNECTIONS} connections are open already"));
                }
                Ok((_, name)) => tracing::debug!(connection = %name, "the simulated peer is away"),
                Err(error) => {
                    tracing::warn!(%error, "the simulated peer cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(incoming);
    connections.stop(GRACE).await;
}

/// A link that was agreed on.
struct Opening {
    upgrade: hyper::upgrade::OnUpgrade,
    accepted: Accepted,
    then: Then,
    context: Value,
}

pub(in crate::scenario) type Content = BoxBody<Bytes, io::Error>;

async fn connection<S>(io: S, peer: Arc<Peer>, client: String, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let slow = Arc::new(AtomicBool::new(false));
    let first = Arc::new(OnceLock::new());
    let io = Drip { io, slow: Arc::clone(&slow), pause: None, first: Some(Arc::clone(&first)) };
    let (opening_in, mut opening) = mpsc::channel(1);
    let service = service_fn(|request| {
        let (peer, slow, opening) = (Arc::clone(&peer), Arc::clone(&slow), opening_in.clone());
        async move { serve(request, &peer, &slow, &opening).await }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades();
    tokio::select! {
        biased;
        () = stop.cancelled() => return, // Nothing of it is used again.
        served = served => if let Err(error) = served { // Never polled again.
            tracing::debug!(%error, "a connection of the simulated peer broke");
        }
    }
    match first.get() {
        Some(First::Tls) => peer.problem(format!("{client} {NO_TLS}")),
        Some(First::Refused(why)) => {
            peer.problem(format!("the TLS handshake with {client} failed: {why}"));
        }
        Some(First::Plain) | None => {}
    }
    let Ok(Opening { upgrade, accepted, then, context }) = opening.try_recv() else { return };
    let Ok(upgraded) = upgrade.await else { return };
    // Only the answer to the handshake was slow.
    slow.store(false, Ordering::Relaxed);
    link::talk(&peer, TokioIo::new(upgraded), accepted.deflate, then, context, stop).await;
}

/// The connection is to end without a word.
#[derive(Debug, thiserror::Error)]
#[error("the scenario wants the connection to end")]
struct Ended;

async fn serve(
    mut request: Request<Body>,
    peer: &Peer,
    slow: &AtomicBool,
    opening: &mpsc::Sender<Opening>,
) -> Result<Response<Content>, Ended> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let is_upgrade = request.headers().get(http::header::UPGRADE).is_some();
    if !is_upgrade {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_| Ended)?.to_bytes();
        // A peer that has gone away answers nothing over the connections that it had.
        present(peer)?;
        let answer = peer.answer(head.method.as_str(), &path, &head.headers, &body);
        sleep(answer.after).await;
        present(peer)?;
        misbehave(answer.fault, slow).await?;
        return Ok(response(answer.status, answer.headers, answer.body, answer.fault));
    }
    present(peer)?;
    let (then, after, context) = peer.handshake(&path, request.headers());
    sleep(after).await;
    present(peer)?;
    misbehave(then.fault, slow).await?;
    let headers = then.headers.iter().map(|(name, value)| (name.clone(), peer.text(value, &context)));
    let headers: Vec<(String, String)> = headers.collect();
    if let Some(status) = then.status.filter(|status| *status != 101) {
        let body = then.body.as_ref().map(|body| peer.body(body, &context).0).unwrap_or_default();
        return Ok(response(status, headers, body, None));
    }
    let described = &peer.described;
    let options = Options {
        subprotocols: described.subprotocols.clone(),
        deflate: described.deflate.then(Preference::default),
    };
    match accept::validate(request.method(), request.headers(), &options) {
        Ok(accepted) => {
            let mut answer = response(101, headers, Bytes::new(), None);
            answer.headers_mut().extend(accepted.headers());
            let upgrade = hyper::upgrade::on(&mut request);
            // A connection is upgraded once.
            let _full = opening.try_send(Opening { upgrade, accepted, then, context });
            Ok(answer)
        }
        Err(refusal) => {
            let headers =
                refusal.headers().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Ok(response(refusal.status(), headers, Bytes::from(refusal.to_string()), None))
        }
    }
}

fn present(peer: &Peer) -> Result<(), Ended> {
    if peer.is_reachable() { Ok(()) } else { Err(Ended) }
}

/// What goes wrong before an answer.
async fn misbehave(fault: Option<Fault>, slow: &AtomicBool) -> Result<(), Ended> {
    // The next answer over this connection may be an ordinary one.
    slow.store(fault == Some(Fault::SlowDrip), Ordering::Relaxed);
    match fault {
        Some(Fault::NeverAnswer) => std::future::pending().await,
        Some(Fault::Reset) => Err(Ended),
        Some(
            Fault::SlowDrip
            | Fault::AcceptAndClose
            | Fault::HalfOpen
            | Fault::HugeFrame
            | Fault::BadDeflate
            | Fault::Cut,
        )
        | None => Ok(()),
    }
}

pub(in crate::scenario) fn response(
    status: u16,
    headers: impl IntoIterator<Item = (String, String)>,
    body: Bytes,
    fault: Option<Fault>,
) -> Response<Content> {
    let cut = fault == Some(Fault::Cut);
    let first = if cut { body.slice(..body.len() / 2) } else { body.clone() };
    // More is announced than is sent, also where there is nothing to cut.
    let length = if cut { body.len().max(1) } else { body.len() };
    let begin = stream::once(std::future::ready(Ok(Frame::data(first))));
    let end = stream::iter(cut.then_some(())).then(|()| async {
        // What was written before is sent before the connection ends.
        tokio::task::yield_now().await;
        Err(io::Error::other(Ended))
    });
    let body = BodyExt::boxed(StreamBody::new(begin.chain(end)));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status >= 200 && status != 204 && status != 304 {
        response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    for (name, value) in headers {
        // What no header can be is left out, as a peer cannot send it.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A connection that can be made to write a byte at a time.
struct Drip<S> {
    io: S,
    slow: Arc<AtomicBool>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Until something came: where to say what.
    first: Option<Arc<OnceLock<First>>>,
}

/// What came over a connection first.
#[derive(Debug)]
enum First {
    /// Something that may be HTTP.
    Plain,
    /// A TLS handshake, where none is possible.
    Tls,
    /// A TLS handshake that failed, and why.
    Refused(String),
}

impl First {
    fn of(result: &io::Result<()>, bytes: &[u8]) -> Self {
        let refused = |error: &io::Error| error.get_ref()?.downcast_ref::<Refused>().cloned();
        match (result.as_ref().err().and_then(refused), bytes.first()) {
            (Some(Refused(why)), _) => Self::Refused(why),
            (None, Some(&TLS)) => Self::Tls,
            (None, Some(_) | None) => Self::Plain,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Drip<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        if let Some(first) = self.first.take() {
            let _only_here = first.set(First::of(&result, buffer.filled().get(before..).unwrap_or_default()));
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Drip<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.slow.load(Ordering::Relaxed) {
            return Pin::new(&mut self.io).poll_write(cx, bytes);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes.get(..1).unwrap_or_default()));
        self.pause = Some(Box::pin(tokio::time::sleep_until(Instant::now() + DRIP)));
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
