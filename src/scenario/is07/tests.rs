//! The simulated sender over pipes in virtual time, and once over a real socket.

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::transport::deflate::Offer;
use crate::transport::wire::{Event, Inbox, Message, Outbox, Role, Setup};

/// 2026-07-01T00:00:00Z.
const WALL: Wall = Wall(1_782_864_000_000_000_000);

struct Sender {
    control: Control,
    dial: mpsc::Sender<DuplexStream>,
    tasks: Tasks,
}

fn sender(change: impl FnOnce(&mut Options)) -> Sender {
    let (dial, incoming) = mpsc::channel::<DuplexStream>(4);
    let mut options = Options::new(WALL);
    // Still unless a test wants it to move.
    options.tick = Duration::from_secs(86_400);
    change(&mut options);
    let mut tasks = Tasks::default();
    let control = start(incoming, options, &mut tasks);
    Sender { control, dial, tasks }
}

/// Sends an opening request and reads the head of the answer.
async fn open<S: AsyncRead + AsyncWrite + Unpin>(io: &mut S, path: &str, more: &str) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: device\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// An open link of a test's client.
struct Client {
    inbox: Inbox,
    outbox: Outbox,
    _link: Tasks,
}

impl Client {
    async fn new(sender: &Sender, more: &str) -> Self {
        let (mut io, theirs) = tokio::io::duplex(1 << 16);
        sender.dial.send(theirs).await.unwrap();
        let head = open(&mut io, PATH, more).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut setup = Setup::new(io, Role::Client);
        let answer = head.lines().find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
        let offered = more.strip_prefix("Sec-WebSocket-Extensions: ").unwrap_or_default();
        setup.deflate = Offer::parse(offered.trim()).accept(answer).unwrap();
        Self::over(setup)
    }

    fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(setup: Setup<S>) -> Self {
        let (inbox, outbox, link) = setup.open();
        let mut tasks = Tasks::default();
        tasks.spawn("link", |stop| async move { drop(link.run(stop).await) });
        Self { inbox, outbox, _link: tasks }
    }

    fn send(&mut self, message: &Value) {
        self.outbox.try_send(Message::text(message.to_string())).unwrap();
    }

    /// The next events: messages as JSON, and the close as text.
    async fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        self.inbox.recv_many(&mut events).await;
        let read = |event| match event {
            Event::Message(message) => serde_json::from_slice(message.data()).unwrap(),
            Event::Closed(closed) => Value::String(closed.to_string()),
        };
        events.into_iter().map(read).collect()
    }

    /// So many events.
    async fn next(&mut self, count: usize) -> Vec<Value> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(self.events().await);
        }
        all
    }
}

fn subscription(indices: &[usize]) -> Value {
    let sources = studio(&LABELS);
    let ids: Vec<_> = indices.iter().map(|index| sources[*index].id.clone()).collect();
    json!({"command": "subscription", "sources": ids})
}

fn health() -> Value {
    json!({"command": "health", "timestamp": "1441974485:12300000"})
}

/// What a state message says: which type, which value.
fn values(messages: &[Value]) -> Vec<(String, Value)> {
    let value = |message: &Value| {
        assert_eq!(message["message_type"], "state", "{message}");
        (message["event_type"].as_str().unwrap().to_owned(), message["payload"]["value"].clone())
    };
    messages.iter().map(value).collect()
}

#[tokio::test(start_paused = true)]
async fn each_subscription_gets_the_present_states_and_then_only_news() {
    let sender = sender(|options| options.tick = Duration::from_secs(1));
    let mut client = Client::new(&sender, "").await;
    client.send(&subscription(&[0, 3]));
    let first = client.next(2).await;
    assert_eq!(
        values(&first),
        [("boolean".to_owned(), json!(false)), ("string/enum/StudioCondition".to_owned(), json!("idle"))]
    );
    assert_eq!(first[0]["timing"], json!({"creation_timestamp": "1782864037:0"}));
    // The temperature and the text move as well and are not told.
    assert_eq!(
        values(&client.next(2).await),
        [("boolean".to_owned(), json!(true)), ("string/enum/StudioCondition".to_owned(), json!("rehearsal"))]
    );
    client.send(&subscription(&[0, 1]));
    assert_eq!(
        values(&client.next(2).await),
        [("boolean".to_owned(), json!(true)), ("number/temperature/C".to_owned(), json!(198))]
    );
}

#[tokio::test(start_paused = true)]
async fn a_health_command_is_answered_with_its_own_time() {
    let sender = sender(|_| {});
    let mut client = Client::new(&sender, "").await;
    tokio::time::advance(Duration::from_millis(1500)).await;
    client.send(&health());
    assert_eq!(
        client.next(1).await,
        [json!({
            "timing": {"origin_timestamp": "1441974485:12300000", "creation_timestamp": "1782864038:500000000"},
            "message_type": "health",
        })]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reports_no_health_for_12_seconds_is_closed() {
    let sender = sender(|_| {});
    let mut client = Client::new(&sender, "").await;
    let started = Instant::now();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(11)).await;
        client.send(&health());
        assert_eq!(client.next(1).await[0]["message_type"], "health");
    }
    // Other messages are no sign of health.
    tokio::time::sleep(Duration::from_secs(6)).await;
    client.send(&json!({"command": "subscription", "sources": []}));
    client.send(&json!({"command": "dance"}));
    assert_eq!(client.next(1).await, ["the peer closed: 1000 \"no health command within 12 s\""]);
    assert_eq!(started.elapsed().as_secs(), 3 * 11 + 12);
    assert_eq!(sender.control.seen().unhealthy, 1);
}

#[tokio::test(start_paused = true)]
async fn messages_are_compressed_where_the_client_offers_it() {
    let sender = sender(|options| {
        options.deflate = Preference { server_no_context_takeover: true, ..Preference::default() };
    });
    let (mut io, theirs) = tokio::io::duplex(1 << 16);
    sender.dial.send(theirs).await.unwrap();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let head = open(&mut io, PATH, offer).await;
    assert!(
        head.contains("sec-websocket-extensions: permessage-deflate; server_no_context_takeover\r\n"),
        "{head}"
    );
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    let mut client = Client::new(&sender, offer).await;
    client.send(&subscription(&[2]));
    assert_eq!(values(&client.next(1).await), [("string".to_owned(), json!("Camera 1"))]);
    let counts = client.inbox.counts();
    assert!(counts.wire_bytes_in < counts.bytes_in, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn only_its_own_paths_are_served_and_refusals_have_a_status() {
    let sender = sender(|options| options.paths.push("/second".to_owned()));
    let dial = async |path: &str| {
        let (mut io, theirs) = tokio::io::duplex(1 << 16);
        sender.dial.send(theirs).await.unwrap();
        let head = open(&mut io, path, "").await;
        head.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    for (path, status) in
        [(PATH, 101), ("/second?x=1", 101), ("/x-nmos/events/ws/", 404), ("/", 404), ("/SECOND", 404)]
    {
        assert_eq!(dial(path).await, status, "{path}");
    }
    sender.control.set_mode(Mode::Refuse(http::StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(dial(PATH).await, 503);
    sender.control.set_mode(Mode::Serve);
    assert_eq!(dial(PATH).await, 101);
    assert_eq!(sender.control.seen().refused, 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_handshake_is_refused_and_harms_nobody() {
    let sender = sender(|_| {});
    for (request, expected) in [
        (format!("GET {PATH} HTTP/1.1\r\nHost: device\r\n\r\n"), "HTTP/1.1 426 "),
        ("nonsense\r\n\r\n".to_owned(), ""),
        (format!("GET {PATH} HTTP/1.1\r\n{}", "A: b\r\n".repeat(5000)), ""),
        (String::new(), ""),
    ] {
        let (mut io, theirs) = tokio::io::duplex(1 << 16);
        sender.dial.send(theirs).await.unwrap();
        io.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(expected) && (answer.is_empty() == expected.is_empty()), "{answer}");
    }
    Client::new(&sender, "").await;
}

#[tokio::test(start_paused = true)]
async fn links_are_dropped_and_restarts_and_shutdowns_announced() {
    let mut sender = sender(|_| {});
    let mut dropped = Client::new(&sender, "").await;
    sender.control.watch().wait_for(|seen| seen.links == 1).await.unwrap();
    sender.control.drop_links();
    assert_eq!(dropped.next(1).await, ["the connection ended without a close frame"]);

    let mut client = Client::new(&sender, "").await;
    client.send(&subscription(&[1]));
    client.next(1).await;
    sender.control.reboot();
    let told = client.next(2).await;
    assert_eq!(
        (&told[0]["message_type"], &told[0]["identity"]["source_id"], &told[1]),
        (
            &json!("reboot"),
            &json!(studio(&LABELS)[1].id),
            &json!("the peer closed: 1001 \"the sender restarts\"")
        )
    );

    let mut client = Client::new(&sender, "").await;
    client.send(&subscription(&[1, 2]));
    client.next(2).await;
    let (late, told) = tokio::join!(sender.tasks.stop(Duration::from_secs(5)), client.next(3));
    assert_eq!(
        (&told[0]["message_type"], &told[1]["message_type"]),
        (&json!("shutdown"), &json!("shutdown"))
    );
    assert_eq!(told[2], "the peer closed: 1001 \"the sender shuts down\"");
    assert_eq!((late, sender.control.seen().links), (Vec::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_silent_sender_answers_nothing_until_it_wakes() {
    let sender = sender(|_| {});
    let mut client = Client::new(&sender, "").await;
    sender.control.watch().wait_for(|seen| seen.links == 1).await.unwrap();
    sender.control.set_mode(Mode::Silent);
    client.send(&health());
    let silence = tokio::time::timeout(Duration::from_secs(9), client.events()).await;
    assert!(silence.is_err(), "{silence:?}");
    sender.control.set_mode(Mode::Serve);
    assert_eq!(client.next(1).await[0]["message_type"], "health");
}

#[tokio::test]
async fn it_serves_on_a_real_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = Tasks::default();
    let control = start(listener, Options::new(WALL), &mut tasks);
    let mut io = TcpStream::connect(address).await.unwrap();
    assert!(open(&mut io, PATH, "").await.starts_with("HTTP/1.1 101 "));
    let mut client = Client::over(Setup::new(io, Role::Client));
    client.send(&subscription(&[0, 1, 2, 3]));
    assert_eq!(client.next(4).await.len(), 4);
    assert_eq!(control.seen().links, 1);
}
