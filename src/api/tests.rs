//! The API over real loopback sockets and raw HTTP, against simulated elements.

pub(crate) mod fake;

mod hostile;
mod rest;
mod stream;

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::api::serve;
use crate::daemon::roster::Roster;
use crate::tasks::Tasks;

/// A served API with the element `one` and the invalid one `broken`.
pub(crate) struct Served {
    pub(crate) port: u16,
    pub(crate) one: fake::Fake,
    pub(crate) roster: watch::Sender<Arc<Roster>>,
    pub(crate) server: Tasks,
}

pub(crate) async fn served() -> Served {
    let one = fake::start("one");
    let (roster, seen) = watch::channel(Arc::new(fake::roster(&[("one", &one)])));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut server = Tasks::default();
    server.spawn("api", |stop| async move { serve(listener, seen, stop).await.unwrap() });
    Served { port, one, roster, server }
}

/// An answer as it came.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends raw bytes and reads until the server closes.
async fn raw(port: u16, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    parse(&answer)
}

fn parse(answer: &[u8]) -> Answer {
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

async fn get(port: u16, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    raw(port, request.as_bytes()).await
}

async fn put(port: u16, path: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    raw(port, request.as_bytes()).await
}
