//! Our transport and whole elements against peers that we did not write, see `peers/README.md`.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod asking;
mod bodies;
mod certificates;
mod element;
mod endings;
mod failures;
mod manners;
mod mistakes;
mod mock;
mod nginx;
mod peer;
mod proxies;
mod refusals;
mod secure;
mod systems;
mod web;

use std::future::Future;
use std::time::Duration;

use backshell::engine::target::Target;
use backshell::engine::target::request::{Header, Provenance, Request};
use backshell::tasks::Tasks;
use backshell::transport::dial::{self, Environment, Plan};
use backshell::transport::failure::Failure;
use backshell::transport::proxy::Choice;
use backshell::transport::tls;
use backshell::transport::wire::{
    Closed, Event, Inbox, KeepAlive, Kind, Limits, Message, Outbox, Role, Setup, Why,
};
use bytes::Bytes;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use peer::{Kind as Library, Peer};

/// The bound of a whole test; nothing waits for so long where all is well.
const BOUND: Duration = Duration::from_secs(20);
/// How long a peer may take to confirm a close.
const CLOSE: Duration = Duration::from_secs(5);
const DEFLATE: &str = "permessage-deflate";

async fn bounded(test: impl Future<Output = ()>) {
    tokio::time::timeout(BOUND, test).await.expect("the test ends in time");
}

/// Runs a case against both libraries, each within [`BOUND`].
async fn with_both<F: Future<Output = ()>>(case: impl Fn(std::sync::Arc<Peer>) -> F) {
    for kind in [Library::Python, Library::Node] {
        if let Some(peer) = peer::shared(kind) {
            bounded(case(peer)).await;
        }
    }
}

/// A link as an element has it.
struct Client {
    opened: dial::Opened,
    inbox: Inbox,
    outbox: Outbox,
    // Aborts the link's task when dropped.
    _tasks: Tasks,
}

fn plan(url: &str, headers: &[(&str, &str)]) -> Plan {
    let headers = headers.iter().map(|(name, value)| Header::new(*name, *value, Provenance::Literal));
    Plan {
        request: Request::new(Target::parse(url).unwrap(), headers.collect(), rand::random()).unwrap(),
        timeout: Duration::from_secs(10),
        tls: tls::Settings::default(),
        proxy: Choice::Direct,
    }
}

async fn dial(plan: Plan) -> Result<dial::Opened, Failure> {
    dial::open(plan, &Environment::of_process()).await
}

async fn open(url: &str, headers: &[(&str, &str)]) -> Client {
    open_plan(plan(url, headers)).await
}

async fn open_plan(plan: Plan) -> Client {
    open_watched(plan, KeepAlive::default()).await
}

async fn open_watched(plan: Plan, keep_alive: KeepAlive) -> Client {
    let target = plan.request.shown_target();
    let mut opened = dial(plan).await.unwrap_or_else(|failure| panic!("{target}: {failure}"));
    let (nothing, _) = tokio::io::duplex(1);
    let mut setup = Setup::new(std::mem::replace(&mut opened.io, Box::new(nothing)), Role::Client);
    setup.leftover = std::mem::take(&mut opened.leftover);
    setup.deflate = opened.deflate;
    setup.keep_alive = keep_alive;
    setup.limits = Limits { max_message_bytes: 16 << 20, ..Limits::default() };
    let (inbox, outbox, link) = setup.open();
    let mut tasks = Tasks::new(&CancellationToken::new());
    tasks.spawn("link", |stop| async move {
        // How it ended comes through the inbox.
        let _ = link.run(stop).await;
    });
    Client { opened, inbox, outbox, _tasks: tasks }
}

impl Client {
    async fn message(&mut self) -> Message {
        match self.inbox.recv().await {
            Some(Event::Message(message)) => message,
            other => panic!("a message was expected: {other:?}"),
        }
    }

    async fn text(&mut self) -> String {
        let message = self.message().await;
        assert_eq!(message.kind(), Kind::Text);
        String::from_utf8(message.into_data().to_vec()).unwrap()
    }

    async fn json(&mut self) -> Json {
        serde_json::from_str(&self.text().await).unwrap()
    }

    async fn closed(&mut self) -> Closed {
        match self.inbox.recv().await {
            Some(Event::Closed(closed)) => *closed,
            other => panic!("the end was expected: {other:?}"),
        }
    }

    /// Sends a message and takes its echo.
    async fn echo(&mut self, message: Message) {
        self.outbox.room(message.data().len()).await;
        self.outbox.try_send(message.clone()).unwrap();
        let echoed = self.message().await;
        assert_eq!((echoed.kind(), echoed.data().len()), (message.kind(), message.data().len()));
        assert!(echoed == message, "an echo of {} bytes has other bytes", message.data().len());
    }
}

/// Bytes that neither repeat soon nor are random: like data, they get smaller by some.
fn bytes(length: usize) -> Bytes {
    let mut state = 0x2545_f491_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0] & 0x3f
    };
    (0..length).map(next).collect()
}

#[tokio::test]
async fn headers_arrive_as_they_were_given() {
    with_both(|peer| async move {
        let given = [
            ("X-Zebra", "1"),
            ("x-lower", "two words"),
            ("X-UPPER", "3"),
            ("Authorization", "Bearer t"),
            ("X-Again", "a"),
            ("X-Again", "b"),
        ];
        let mut client = open(&peer.url("/headers?a=1&b=%20x"), &given).await;
        let seen = client.json().await;
        assert_eq!(seen["target"], "/headers?a=1&b=%20x");
        let headers: Vec<(String, String)> = serde_json::from_value(seen["headers"].clone()).unwrap();
        assert_eq!(headers[0], ("Host".to_owned(), format!("127.0.0.1:{}", peer.port)));
        let own = ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"];
        let custom: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !own.contains(name))
            .collect();
        assert_eq!(custom, given, "{:?}", peer.kind);
    })
    .await;
}

#[tokio::test]
async fn a_subprotocol_is_the_one_that_the_server_selects() {
    with_both(|peer| async move {
        let offer = [("Sec-WebSocket-Protocol", "chat.v1, chat.v2")];
        let selected = open(&peer.url("/echo?select=chat.v2"), &offer).await;
        assert_eq!(selected.opened.subprotocol.as_deref(), Some("chat.v2"));
        let mut none = open(&peer.url("/echo"), &offer).await;
        assert_eq!(none.opened.subprotocol, None);
        none.echo(Message::text("works without")).await;
    })
    .await;
}

/// Empty messages, short ones, ones like those before, and ones larger than every window.
async fn many_echoes(client: &mut Client) {
    let words = "temperature pressure humidity ".repeat(40);
    for round in 0..3_usize {
        client.echo(Message::text(format!("{round} {words}"))).await;
        client.echo(Message::text("")).await;
        client.echo(Message::binary(bytes(40_000 + round))).await;
        client.echo(Message::binary(Bytes::new())).await;
        client.echo(Message::text("a")).await;
        client.echo(Message::text("\u{e4}\u{1f600}".repeat(round * 300))).await;
    }
}

#[tokio::test]
async fn every_offer_of_compression_works_in_both_directions() {
    let mut offers: Vec<String> = [
        "",
        "; client_max_window_bits",
        "; client_max_window_bits=10",
        "; client_no_context_takeover",
        "; server_no_context_takeover",
        "; client_no_context_takeover; server_no_context_takeover",
    ]
    .map(str::to_owned)
    .into();
    offers.extend((9..=15).map(|bits| format!("; server_max_window_bits={bits}")));
    offers
        .push("; server_max_window_bits=9; client_max_window_bits=9; client_no_context_takeover".to_owned());
    let offers = &offers;
    with_both(|peer| async move {
        for parameters in offers {
            let offer = format!("{DEFLATE}{parameters}");
            let mut client = open(&peer.url("/echo"), &[("Sec-WebSocket-Extensions", &offer)]).await;
            assert!(client.opened.deflate.is_some(), "{:?} does not agree to `{offer}`", peer.kind);
            many_echoes(&mut client).await;
            let counts = client.inbox.counts();
            assert!(
                counts.wire_bytes_in < counts.bytes_in,
                "`{offer}`: {:?} sends what is not compressed",
                peer.kind
            );
            assert!(counts.wire_bytes_out < counts.bytes_out, "`{offer}`: we send what is not compressed");
        }
    })
    .await;
}

#[tokio::test]
async fn several_offers_are_one_agreement() {
    with_both(|peer| async move {
        let offer = format!("x-unknown, {DEFLATE}; server_max_window_bits=10, {DEFLATE}");
        let mut client = open(&peer.url("/echo"), &[("Sec-WebSocket-Extensions", &offer)]).await;
        assert_eq!(client.opened.deflate.map(|agreed| agreed.server_max_window_bits()), Some(10));
        many_echoes(&mut client).await;
    })
    .await;
}

#[tokio::test]
async fn messages_of_every_size_come_back_whole() {
    with_both(|peer| async move {
        let mut client = open(&peer.url("/echo"), &[]).await;
        for length in [0, 125, 126, 65_535, 65_536, 65_537, 400 << 10, 16 << 20] {
            client.echo(Message::binary(bytes(length))).await;
            client.echo(Message::new(Kind::Text, bytes(length.min(400 << 10))).unwrap()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_ping_amid_fragments_is_answered_and_the_message_whole() {
    with_both(|peer| async move {
        for headers in [&[][..], &[("Sec-WebSocket-Extensions", DEFLATE)]] {
            let mut client = open(&peer.url("/fragments"), headers).await;
            assert_eq!(client.text().await, "one two three");
            assert_eq!(client.text().await, "pong came");
        }
    })
    .await;
}

#[tokio::test]
async fn pings_are_answered_while_a_large_message_is_under_way() {
    with_both(|peer| async move {
        let mut client = open(&peer.url("/pings"), &[]).await;
        // More than the system's buffers hold: the end of it leaves us after the first ping has arrived.
        client.outbox.try_send(Message::binary(bytes(16 << 20))).unwrap();
        let seen = client.json().await;
        assert_eq!((seen["size"].as_u64(), seen["pongs"].as_u64()), (Some(16 << 20), Some(10)));
        assert!(seen["amid"].as_u64() >= Some(1), "{:?}: pongs wait for the message: {seen}", peer.kind);
    })
    .await;
}

#[tokio::test]
async fn a_close_of_the_server_arrives_with_code_and_reason() {
    with_both(|peer| async move {
        let reason = "gr\u{fc}nde";
        for code in [1000, 1001, 1008, 1011, 3000, 4001] {
            let mut client = open(&peer.url(&format!("/close?code={code}&reason=gr%C3%BCnde")), &[]).await;
            let closed = client.closed().await;
            assert_eq!((closed.why.clone(), closed.code()), (Why::Peer, code));
            assert_eq!(closed.received.map(|frame| frame.reason), Some(reason.to_owned()));
        }
        let closed = open(&peer.url("/close"), &[]).await.closed().await;
        assert_eq!((closed.why.clone(), closed.code()), (Why::Peer, 1005), "{:?}", peer.kind);
    })
    .await;
}

#[tokio::test]
async fn our_close_is_confirmed_and_the_server_sees_it() {
    with_both(|peer| async move {
        let mut watcher = open(&peer.url("/ending?of=ours"), &[]).await;
        assert_eq!(watcher.text().await, "waiting");
        let mut client = open(&peer.url("/echo?id=ours"), &[]).await;
        client.echo(Message::text("before")).await;
        client.outbox.close(1000, "enough", CLOSE);
        let closed = client.closed().await;
        assert_eq!((closed.why.clone(), closed.code()), (Why::Us, 1000));
        assert_eq!(watcher.json().await, serde_json::json!({"code": 1000, "reason": "enough"}));
    })
    .await;
}
