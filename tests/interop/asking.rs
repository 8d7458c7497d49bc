//! An element that asks web servers what a test wants, and all that people see of it; tests nothing itself.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;

use backshell::element::handle::{TapEvent, WireEvent};
use backshell::element::queue::Receiver;
use backshell::element::status::HttpStatus;
use backshell::transport::http::Http;
use backshell::value::Value;
use futures_util::FutureExt;
use serde_json::Value as Json;

use super::peer::Peer;
use super::web::{Ask, url};
use crate::running::Element;

pub(super) const PATH: i32 = 10;
pub(super) const DATA: i32 = 11;
pub(super) const USER: i32 = 12;
pub(super) const PASSWORD: i32 = 13;
pub(super) const GIVEN: i32 = 14;
pub(super) const STATUS_LINE: i32 = 20;
pub(super) const BODY: i32 = 21;
pub(super) const MODEL: i32 = 22;
pub(super) const LOCATION: i32 = 23;
pub(super) const SECOND_LINE: i32 = 24;
const DONE: i32 = 30;
const FAILED_TRIES: i32 = 31;
const BUTTON: i32 = 50;

/// The element of `asking.xml`.
pub(super) struct Asking {
    pub(super) element: Element,
    tap: Receiver<TapEvent>,
    done: u32,
}

/// What people see after a group is done.
pub(super) struct Shown {
    /// The status line and the body as their parameters have them.
    pub(super) line: String,
    pub(super) body: String,
    /// What the connection shows.
    pub(super) http: HttpStatus,
    /// What a tap has shown since the last group: `> ` for what was sent, `< ` for what came, `! ` for what failed.
    pub(super) tap: Vec<String>,
    /// Tries that failed, since the start.
    pub(super) failed_tries: String,
}

impl Shown {
    /// The first line of the last failure.
    pub(super) fn failure(&self) -> &str {
        self.http.last_failure.as_ref().map_or("", |failure| &failure.summary)
    }

    pub(super) fn advice(&self) -> &str {
        self.http.last_failure.as_ref().map_or("", |failure| &failure.advice)
    }

    /// Whether a tap has shown this line.
    pub(super) fn tapped(&self, line: &str) -> bool {
        self.tap.iter().any(|shown| shown == line)
    }
}

impl Asking {
    /// Asks a peer, with one try for each request and time for it.
    pub(super) async fn of(peer: &Peer) -> Self {
        Self::start(&at(peer)).await
    }

    /// Starts it with these settings of its connection.
    pub(super) async fn start(connection: &str) -> Self {
        Self::start_edited(connection, |definition| definition).await
    }

    /// As [`Asking::start`], with the text of the definition changed.
    pub(super) async fn start_edited(connection: &str, edit: impl FnOnce(String) -> String) -> Self {
        let definition = edit(include_str!("asking.xml").to_owned());
        let settings = format!(
            "[[element]]\nname = \"asking\"\nprotocol = \"protocol.xml\"\n[element.connection.0]\n{connection}\n"
        );
        let element = Element::start(Path::new("."), definition, settings);
        let tap = element.handle.tap().await.unwrap();
        Self { element, tap, done: 0 }
    }

    pub(super) async fn set(&self, id: i32, text: &str) {
        self.element.set(id, Value::text(text)).await;
    }

    /// Sends what a button asks for, and does not wait for the answer.
    pub(super) async fn begin(&self, button: &str, path: &str) {
        self.set(PATH, path).await;
        self.set(BUTTON, button).await;
    }

    /// Sends what a button asks for, and tells what people see afterwards.
    pub(super) async fn ask(&mut self, button: &str, path: &str) -> Shown {
        self.begin(button, path).await;
        self.done().await
    }

    /// Waits for the end of a group that was begun.
    pub(super) async fn done(&mut self) -> Shown {
        self.done += 1;
        self.element.reads(DONE, &self.done.to_string()).await;
        let http = self.element.until(0, |_| true).await.http.unwrap();
        let mut tap = Vec::new();
        while let Some(Some(event)) = self.tap.recv().now_or_never() {
            assert_eq!(event.missed, 0);
            tap.extend(line(event.wire));
        }
        Shown {
            line: self.element.text(STATUS_LINE).await,
            body: self.element.text(BODY).await,
            http,
            tap,
            failed_tries: self.element.text(FAILED_TRIES).await,
        }
    }
}

/// Settings of a connection to a peer.
pub(super) fn at(peer: &Peer) -> String {
    format!("host = \"http://127.0.0.1\"\nport = {}", peer.port)
}

fn line(wire: WireEvent) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match wire {
        WireEvent::RequestLine(line) => Some(format!("> {line}")),
        WireEvent::ResponseLine(line) => Some(format!("< {line}")),
        WireEvent::Sent(_, payload) => Some(format!("> {}", text(&payload.shown))),
        WireEvent::Received(_, payload, _) => Some(format!("< {}", text(&payload.shown))),
        WireEvent::Failed(why) => Some(format!("! {why}")),
        WireEvent::State(..) => None,
        WireEvent::Closed(..) => panic!("no link is here"),
    }
}

/// What the `aiohttp` peer was asked with an id: in order, each with its line, headers, body and connection.
pub(super) async fn seen(peer: &Peer, id: &str) -> Vec<Json> {
    let answer = Ask::default().of(&Http::default(), &url(peer, &format!("/seen?of={id}"))).await.unwrap();
    serde_json::from_slice(&answer.body).unwrap()
}

/// How many requests it was asked with an id.
pub(super) async fn times(peer: &Peer, id: &str) -> usize {
    seen(peer, id).await.len()
}

/// A header of a request that it was asked, the first of this name.
pub(super) fn header<'a>(request: &'a Json, name: &str) -> Option<&'a str> {
    let headers = request["headers"].as_array().unwrap().iter();
    let found = { headers }.find(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
    found.map(|header| header[1].as_str().unwrap())
}
