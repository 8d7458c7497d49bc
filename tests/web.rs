//! A small web server of a test: it hands each request to the test, which answers it or takes it as a WebSocket.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{self, Body};
use backshell::tasks::Tasks;
use backshell::transport::accept;
use backshell::transport::wire::{Closed, Event, Inbox, Limits, Message, Outbox, Role, Setup};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a wait may take; nothing waits for so long where all is well.
const BOUND: Duration = Duration::from_secs(30);

/// The server; ends with all its connections when it is dropped.
pub(crate) struct Peer {
    pub(crate) port: u16,
    requests: mpsc::Receiver<Asked>,
    connections: Arc<Mutex<JoinSet<()>>>,
    _accepting: Tasks,
}

/// A request that waits for the test.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    upgrade: Option<OnUpgrade>,
    reply: oneshot::Sender<Response<Body>>,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, requests) = mpsc::channel(64);
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let theirs = connections.clone();
        let mut accepting = Tasks::new(&CancellationToken::new());
        accepting.spawn("peer", |_| async move {
            while let Ok((socket, _)) = listener.accept().await {
                let asked = asked.clone();
                let service = hyper::service::service_fn(move |request| serve(request, asked.clone()));
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .with_upgrades();
                theirs.lock().unwrap().spawn(async move {
                    // The client may leave as it likes.
                    let _ = serving.await;
                });
            }
        });
        Self { port, requests, connections, _accepting: accepting }
    }

    /// The next request.
    pub(crate) async fn asked(&mut self) -> Asked {
        tokio::time::timeout(BOUND, self.requests.recv()).await.expect("a request comes").unwrap()
    }

    /// The next request, which must be this one.
    pub(crate) async fn asked_for(&mut self, method: &str, path: &str) -> Asked {
        let asked = self.asked().await;
        assert_eq!((asked.method.as_str(), asked.path.as_str()), (method, path));
        asked
    }

    /// Whether a request waits.
    pub(crate) fn is_asked(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Cuts every connection on which requests come, as if the cable were pulled.
    pub(crate) fn cut(&self) {
        self.connections.lock().unwrap().abort_all();
    }
}

async fn serve(
    mut request: Request<Incoming>,
    asked: mpsc::Sender<Asked>,
) -> Result<Response<Body>, Infallible> {
    let upgrade =
        request.headers().contains_key(http::header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    let (reply, answer) = oneshot::channel();
    let asking = Asked {
        method: head.method,
        path: head.uri.to_string(),
        headers: head.headers,
        body: body::to_bytes(Body::new(body), 1 << 20).await.unwrap_or_default(),
        upgrade,
        reply,
    };
    let _ = asked.send(asking).await;
    // A test that drops the request without an answer has ended.
    Ok(answer.await.unwrap_or_default())
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{:?}", self.body))
    }

    /// Waits until the client has given it up.
    pub(crate) async fn given_up(mut self) {
        tokio::time::timeout(BOUND, self.reply.closed()).await.expect("it is given up");
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Answers with headers and a body.
    pub(crate) fn answer_with(self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let mut answer = Response::new(Body::from(body.to_owned()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
        // The client may have given up.
        let _ = self.reply.send(answer);
    }

    /// Answers with JSON.
    pub(crate) fn answer(self, status: u16, body: &str) {
        self.answer_with(status, &[("content-type", "application/json")], body);
    }

    /// Opens the WebSocket that was asked for.
    pub(crate) async fn open(mut self, headers: &[(&'static str, &str)]) -> Socket {
        let options = accept::Options { deflate: None, ..accept::Options::default() };
        let accepted = accept::validate(&self.method, &self.headers, &options).unwrap();
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *answer.headers_mut() = accepted.headers();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let upgrade = self.upgrade.take().unwrap();
        self.reply.send(answer).unwrap();
        let mut setup = Setup::new(TokioIo::new(upgrade.await.unwrap()), Role::Server);
        setup.limits = Limits::default();
        let (inbox, outbox, link) = setup.open();
        let mut tasks = Tasks::new(&CancellationToken::new());
        tasks.spawn("socket", |stop| async move {
            // How it ended comes through the inbox.
            let _ = link.run(stop).await;
        });
        Socket { inbox, outbox, _tasks: tasks }
    }
}

/// A WebSocket of the peer; dropping it cuts the connection.
pub(crate) struct Socket {
    inbox: Inbox,
    outbox: Outbox,
    _tasks: Tasks,
}

impl Socket {
    pub(crate) fn send(&mut self, text: &str) {
        self.outbox.try_send(Message::text(text)).unwrap();
    }

    pub(crate) async fn json(&mut self) -> Json {
        match tokio::time::timeout(BOUND, self.inbox.recv()).await.expect("a message comes") {
            Some(Event::Message(message)) => serde_json::from_slice(&message.into_data()).unwrap(),
            other => panic!("a message was expected: {other:?}"),
        }
    }

    pub(crate) async fn closed(&mut self) -> Closed {
        match tokio::time::timeout(BOUND, self.inbox.recv()).await.expect("the end comes") {
            Some(Event::Closed(closed)) => *closed,
            other => panic!("the end was expected: {other:?}"),
        }
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.outbox.close(code, reason, BOUND);
    }
}
