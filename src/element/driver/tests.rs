//! The driver over in-memory pipes with virtual time: the test plays the peer; no socket, no fixed wait of the machine.

mod drops;
mod moves;
mod scripts;
mod shown;
mod web;
mod work;

use std::io;
use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::Instant as Moment;

use super::*;
use crate::element::handle::{NewValue, Readable, SetDone, SetError, TapEvent};
use crate::element::spec::{ConnectionSpec, ParamSpec};
use crate::element::status::LinkStatus;
use crate::engine::link::budget::Limits as Budget;
use crate::language::model::Protocol;
use crate::language::source::Source;
use crate::script;
use crate::transport::dial::{Connector, Io};
use crate::transport::handshake::accept_key;
use crate::transport::http::Http;
use crate::transport::proxy::System;
use crate::transport::wire::{Closed, Event, Inbox, Message, Outbox, Role, Setup};
use crate::value::{Secret, Wall};

/// The wall time at the start of each test: 2023-11-14 22:13:20 UTC.
const EPOCH: u64 = 1_700_000_000_000_000_000;
/// How long a test waits for anything, on the virtual clock.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// An address at which the dialling itself breaks.
const BROKEN: &str = "10.0.0.66";
/// What no output may contain.
const SECRET: &str = "hunter2-correct-horse";

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

/// A network on which the test answers every call.
struct Net(mpsc::UnboundedSender<Call>);

/// A connection that the element has opened, and that nobody has answered yet.
struct Call {
    at: Moment,
    address: SocketAddr,
    io: DuplexStream,
}

impl Connector for Net {
    fn resolve<'a>(&'a self, host: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Err(io::Error::other(format!("nobody is called {host}"))) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Io>> {
        Box::pin(async move {
            assert_ne!(address.ip().to_string(), BROKEN, "a panic that is part of a test");
            let (near, far) = tokio::io::duplex(64 << 10);
            let call = Call { at: Moment::now(), address, io: far };
            self.0.send(call).map_err(|_| io::Error::other("the test is over"))?;
            Ok(Box::new(near) as Io)
        })
    }
}

impl Call {
    /// The request, up to its empty line.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.io.read_u8().await.expect("a whole request"));
        }
        String::from_utf8(head).expect("text")
    }

    /// Answers the request with a text and closes.
    async fn refuse(mut self, status: &str, headers: &str, body: &str) -> String {
        let head = self.head().await;
        let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        self.io.write_all(text.as_bytes()).await.expect("it is read");
        head
    }

    /// Upgrades, with further headers, and leaves the rest to the test.
    async fn upgrade_raw(mut self, headers: &str) -> (String, DuplexStream) {
        let head = self.head().await;
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
        let text = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{headers}\r\n",
            accept_key(key)
        );
        self.io.write_all(text.as_bytes()).await.expect("it is read");
        (head, self.io)
    }

    /// Upgrades and becomes a peer that answers pings and closes.
    async fn upgrade(self, headers: &str) -> Peer {
        let address = self.address;
        let (head, io) = self.upgrade_raw(headers).await;
        Peer::new(address, head, io)
    }
}

/// Writes a whole frame of the peer: final, not masked, at most 125 bytes.
async fn write_frame(io: &mut DuplexStream, opcode: u8, payload: &[u8]) {
    let length = u8::try_from(payload.len()).expect("short");
    assert!(length < 126);
    io.write_all(&[&[0x80 | opcode, length], payload].concat()).await.expect("it is read");
}

/// Reads a whole frame of the element: masked, at most 125 bytes.
async fn read_frame(io: &mut DuplexStream) -> (u8, Vec<u8>) {
    let mut head = [0; 6];
    io.read_exact(&mut head).await.expect("a frame");
    let mut payload = vec![0; usize::from(head[1] & 0x7f)];
    io.read_exact(&mut payload).await.expect("its payload");
    payload.iter_mut().zip(head[2..].iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    (head[0] & 0x0f, payload)
}

/// The other end of an open link.
struct Peer {
    address: SocketAddr,
    head: String,
    inbox: Inbox,
    outbox: Outbox,
    _tasks: Tasks,
}

impl Peer {
    fn new(
        address: SocketAddr,
        head: String,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let (inbox, outbox, link) = Setup::new(io, Role::Server).open();
        let mut tasks = Tasks::new(&CancellationToken::new());
        tasks.spawn("peer", |stop| async move { drop(link.run(stop).await) });
        Self { address, head, inbox, outbox, _tasks: tasks }
    }

    fn path(&self) -> &str {
        self.head.split(' ').nth(1).expect("a request line")
    }

    fn send(&mut self, text: &str) {
        self.outbox.try_send(Message::text(text)).expect("room");
    }

    fn value(&mut self, value: &str) {
        self.send(&format!("{{\"state\":\"{value}\"}}"));
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.outbox.close(code, reason, Duration::from_secs(1));
    }

    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.inbox.recv()).await;
        event.expect("something comes").expect("the last event was taken before")
    }

    /// The next message, as text.
    async fn message(&mut self) -> String {
        match self.event().await {
            Event::Message(message) => String::from_utf8(message.data().to_vec()).expect("text"),
            Event::Closed(closed) => panic!("closed instead of a message: {closed}"),
        }
    }

    /// How the element ended the link; messages before are passed over.
    async fn closed(&mut self) -> Closed {
        loop {
            match self.event().await {
                Event::Message(_) => {}
                Event::Closed(closed) => return *closed,
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        self.closed().await.code()
    }
}

/// A running element, and the network that it dials.
struct Rig {
    calls: mpsc::UnboundedReceiver<Call>,
    protocol: Arc<Protocol>,
    handle: Handle,
    gate: Gate,
    tasks: Tasks,
    stop: CancellationToken,
}

/// What an element is started with.
struct Given<'a> {
    /// Goes into its `CommunicationOptions`.
    options: &'a str,
    /// What the settings say of parameters.
    params: &'a [(i32, &'a str)],
    /// Which of them come from outside.
    external: &'a [i32],
    store: Option<Store>,
    host: &'a str,
    budget: Budget,
    /// Dials to its host that wait before its own.
    ahead: usize,
    /// For the jitter.
    seed: u64,
    /// The folder of the action `read file`.
    files: Option<std::path::PathBuf>,
    /// The content of `QActions`.
    scripts: &'a str,
    /// The threads and limits of scripts.
    pool: Pool,
}

impl Default for Given<'_> {
    fn default() -> Self {
        let budget = Budget { per_second: None, per_host_per_second: None };
        Self {
            options: "",
            params: &[],
            external: &[],
            store: None,
            host: "ws://10.0.0.1",
            budget,
            ahead: 0,
            seed: 1,
            files: None,
            scripts: "",
            pool: Pool::default(),
        }
    }
}

impl Rig {
    /// An element with the definition below; `options` go into its `CommunicationOptions`.
    fn new(options: &str) -> Self {
        Self::start(Given { options, ..Given::default() })
    }

    fn start(given: Given<'_>) -> Self {
        let protocol = protocol_with(given.options, given.scripts);
        let mut spec = Spec { files: given.files, ..spec(&protocol, given.host, given.params) };
        for setting in &mut spec.params {
            setting.external = given.external.contains(&protocol.param(setting.param).id.0);
        }
        let spec = Arc::new(spec);
        let (calls_in, calls) = mpsc::unbounded_channel();
        let mut tasks = Tasks::new(&CancellationToken::new());
        let gate = Gate::new(given.budget);
        for _ in 0..given.ahead {
            wait_in_line(&gate, &mut tasks);
        }
        let run = gate.clone();
        tasks.spawn("gate", |stop| run.run(stop));
        let dials = Environment { connector: Arc::new(Net(calls_in)), system_proxy: System::read(|_| None) };
        let clock = Clock::at(Wall(EPOCH), given.seed);
        let stop = CancellationToken::new();
        let services = Services {
            gate: gate.clone(),
            store: given.store,
            dials,
            http: Http::default(),
            scripts: given.pool,
            clock,
            witness: None,
        };
        let handle = start(spec, services, &mut tasks, stop.clone());
        Self { calls, protocol, handle, gate, tasks, stop }
    }

    /// An element whose first link is open, and the other end of it; the subscription has been read.
    async fn open(options: &str) -> (Self, Peer) {
        let mut rig = Self::new(options);
        let peer = rig.up().await;
        (rig, peer)
    }

    /// The next call.
    async fn call(&mut self) -> Call {
        match tokio::time::timeout(PATIENCE, self.calls.recv()).await {
            Ok(call) => call.expect("the element dials as long as it lives"),
            Err(_) => panic!("no call came: {:#?}", self.handle.status()),
        }
    }

    /// Nobody calls for so long.
    async fn no_call(&mut self, within: Duration) {
        if let Ok(Some(call)) = tokio::time::timeout(within, self.calls.recv()).await {
            panic!("{} was called: {:#?}", call.address, self.handle.status());
        }
    }

    /// Takes the next call, upgrades it, and reads the subscription that each link begins with.
    async fn up(&mut self) -> Peer {
        let mut peer = self.call().await.upgrade("").await;
        assert_eq!(peer.message().await, "subscribe");
        peer
    }

    fn ix(&self, id: i32) -> ParamIx {
        self.protocol.param_by_id(ParamId(id)).expect("the definition has it")
    }

    async fn try_set(&self, id: i32, value: impl Into<Value>) -> Result<SetDone, SetError> {
        self.handle.set(self.ix(id), NewValue::Scalar(value.into()), PATIENCE).await
    }

    async fn set(&self, id: i32, value: impl Into<Value>) {
        self.try_set(id, value).await.expect("it is set");
    }

    async fn get(&self, id: i32) -> Value {
        match self.handle.get(self.ix(id)).await.expect("the element runs").value {
            Readable::Scalar(value) => value,
            Readable::Table(_) => panic!("parameter {id} is a table"),
        }
    }

    async fn text(&self, id: i32) -> String {
        self.get(id).await.to_text().to_string()
    }

    /// Waits until a parameter has a value.
    async fn until_text(&self, id: i32, wanted: &str) {
        let mut changes = self.handle.subscribe().await.expect("the element runs");
        let wait = async {
            while self.text(id).await != wanted {
                changes.next().await.expect("the element runs");
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("parameter {id} is {:?}, not {wanted:?}", self.text(id).await);
        }
    }

    async fn link(&self) -> LinkStatus {
        link_of(&*self.handle.fresh_status().await)
    }

    /// Waits until the status of the link is as asked, and gives it.
    async fn until(&self, fits: impl Fn(&LinkStatus) -> bool) -> LinkStatus {
        let mut status = self.handle.watch_status();
        let found = tokio::time::timeout(PATIENCE, status.wait_for(|status| fits(&link_of(status)))).await;
        match found {
            Ok(status) => link_of(&status.expect("the element runs")),
            Err(_) => panic!("it never came to that: {:#?}", self.handle.status()),
        }
    }

    async fn until_state(&self, state: &str) -> LinkStatus {
        self.until(|link| link.state == state).await
    }

    /// Waits until so many messages of older links were dropped.
    async fn until_stale(&self, wanted: u64) {
        let wait = async {
            while self.link().await.counters.stale < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it comes");
    }

    /// Waits until the element's task has ended.
    async fn ended(&mut self) {
        let name = task_name(&self.handle.status().name);
        let wait = async { while self.tasks.join_next().await.is_some_and(|(ended, _)| ended != name) {} };
        tokio::time::timeout(PATIENCE, wait).await.expect("it ends");
    }
}

fn link_of(status: &Status) -> LinkStatus {
    status.connections[0].link.clone().expect("connection 0 has a link")
}

/// A dial of somebody else to the host of the element.
fn wait_in_line(gate: &Gate, tasks: &mut Tasks) {
    let mut ticket = gate.ask("10.0.0.1");
    tasks.spawn("in line", |_| async move { poll_fn(|cx| ticket.poll_granted(cx)).await });
}

fn protocol(options: &str) -> Arc<Protocol> {
    protocol_with(options, "")
}

fn protocol_with(options: &str, scripts: &str) -> Arc<Protocol> {
    let end = format!("<QActions>{scripts}</QActions></Protocol>");
    let text = DEFINITION.replace("{options}", options).replace("</Protocol>", &end);
    let loaded = script::load::whole(&Source::new("protocol.xml", text), None);
    loaded.protocol.unwrap_or_else(|| panic!("{:#?}", loaded.report.diagnostics()))
}

fn spec(protocol: &Arc<Protocol>, host: &str, params: &[(i32, &str)]) -> Spec {
    let connections = protocol.connections.iter().map(|connection| ConnectionSpec {
        host: Some(Arc::from(host)),
        port: Some(80),
        timeout: connection.defaults.timeout,
        retries: connection.defaults.retries,
        bus_address: None,
        bypass_proxy: true,
        proxy: None,
        element_timeout: connection.defaults.element_timeout,
        reconnect: connection.reconnect.clone(),
        keep_alive: connection.keep_alive.clone(),
        tls: connection.tls.clone(),
        limits: connection.limits,
    });
    let params = params.iter().map(|(id, value)| ParamSpec {
        param: protocol.param_by_id(ParamId(*id)).expect("the definition has it"),
        value: Secret::new(Value::text(*value)),
        external: false,
    });
    Spec {
        name: Arc::from("tested"),
        protocol: protocol.clone(),
        connections: connections.collect(),
        params: params.collect(),
        tai_offset: Duration::from_secs(37),
        files: None,
    }
}

/// Status in 7, addresses of closed links in 70, the path in 8 (58 sets it), the address in 10, a secret header in 11,
/// a plain one in 12, a saved value in 13, what arrives in 41, what the handshake's answer said in 220 to 222.
/// A link begins with `subscribe`; 31 asks, 32 moves the path there and back, 33 counts `closed`, 38 `rejected`.
/// A stop says `bye`, and asks too if 12 is `ask at the end`. The path and the address are saved. 39 is a button: `reconnect`,
/// `close`, `open`; 45 reads a file into 46; if 12 is `restless`, each link that opens is left at once. A message sets the token or the path: `{"path":".."}`.
const DEFINITION: &str = include_str!("tests/definition.xml");
