//! The other end: a small WebSocket peer that does as it is told, in a thread or as a process of its own; checks nothing.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{http, wire};

/// What the peer says to a health command.
const HEALTH: &[u8] =
    br#"{"message_type":"health","timing":{"origin_timestamp":"1:0","creation_timestamp":"1:0"}}"#;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 8_192;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It stays, pings and closes are answered; at a path with `dead` in it a close never is.
    Stay,
    /// It is ended before the handshake.
    EndAtOnce,
    /// It is ended after the handshake, without a close frame.
    EndOpened,
    /// It is closed with 1000 after the handshake.
    CloseOpened,
}

/// What a peer does.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    pub(crate) manner: Manner,
    /// The answer's `Sec-WebSocket-Extensions`.
    pub(crate) extensions: Option<String>,
}

/// What a peer has seen.
#[derive(Clone, Debug, Default)]
struct Seen {
    accepted: Arc<Mutex<Vec<Instant>>>,
    drop_all: Arc<Mutex<CancellationToken>>,
}

/// A peer in a thread of its own, for as long as the process lives.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    seen: Seen,
}

impl Peer {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let seen = Seen::default();
        let (address_in, address) = std::sync::mpsc::channel();
        let theirs = seen.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = listen();
                address_in.send(listener.local_addr().expect("bound")).expect("somebody waits");
                serve(listener, behaviour, theirs).await;
            });
        });
        Self { address: address.recv().expect("the peer starts"), seen }
    }

    /// When connections came.
    pub(crate) fn accepted(&self) -> Vec<Instant> {
        self.seen.accepted.lock().expect("whole").clone()
    }
}

fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback");
    socket.listen(BACKLOG).expect("listens")
}

async fn serve(listener: TcpListener, behaviour: Behaviour, seen: Seen) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        seen.accepted.lock().expect("whole").push(Instant::now());
        if behaviour.manner == Manner::EndAtOnce {
            continue;
        }
        let stop = seen.drop_all.lock().expect("whole").clone();
        let behaviour = behaviour.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = connection(socket, behaviour) => {}
            }
        });
    }
}

async fn connection(mut socket: TcpStream, behaviour: Behaviour) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let end = loop {
        if socket.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    socket.write_all(answer(&head, behaviour.extensions.as_deref()).as_bytes()).await?;
    match behaviour.manner {
        Manner::Stay => {}
        Manner::EndAtOnce | Manner::EndOpened => return Ok(()),
        Manner::CloseOpened => {
            socket.write_all(&[0x88, 2, 3, 0xe8]).await?;
            // Until the close frame has been answered.
            let _ = tokio::time::timeout(Duration::from_secs(1), socket.read_buf(&mut buffer)).await;
            return Ok(());
        }
    }
    let is_dead = head.lines().next().is_some_and(|line| line.contains("dead"));
    let health = match behaviour.extensions {
        Some(_) => wire::frame(0xc1, &wire::deflate(HEALTH)),
        None => wire::frame(0x81, HEALTH),
    };
    buffer.drain(..end);
    buffer.shrink_to_fit();
    loop {
        while let Some((opcode, payload)) = take_frame(&mut buffer) {
            match opcode {
                1 | 2 => socket.write_all(&health).await?,
                8 if is_dead => {}
                8 => {
                    socket.write_all(&wire::frame(0x88, &payload)).await?;
                    return Ok(());
                }
                9 => socket.write_all(&wire::frame(0x8a, &payload)).await?,
                _ => {}
            }
        }
        if socket.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// The 101 for a request.
pub(crate) fn answer(head: &str, extensions: Option<&str>) -> String {
    let key = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map_or("", |(_, value)| value.trim());
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let accept = BASE64_STANDARD.encode(digest.as_ref());
    let extensions =
        extensions.map(|text| format!("Sec-WebSocket-Extensions: {text}\r\n")).unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{extensions}\r\n"
    )
}

/// The next whole frame of a client: its opcode and payload.
fn take_frame(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (opcode, short) = (buffer.first()? & 0x0f, usize::from(buffer.get(1)? & 0x7f));
    let (length, start) = match short {
        126 => (usize::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (short, 2),
    };
    let mask: [u8; 4] = buffer.get(start..start + 4)?.try_into().ok()?;
    let masked = buffer.get(start + 4..start + 4 + length)?;
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    buffer.drain(..start + 4 + length);
    Some((opcode, payload))
}

/// Opens a link the shortest way: TCP, a request, its answer; returns the bytes behind the answer too.
pub(crate) async fn open_bare(address: SocketAddr, path: &str) -> (TcpStream, Vec<u8>) {
    let mut socket = TcpStream::connect(address).await.expect("connects");
    socket.set_nodelay(true).expect("a socket");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.expect("writes");
    let mut buffer = Vec::new();
    loop {
        assert!(socket.read_buf(&mut buffer).await.expect("reads") > 0, "an answer");
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            assert!(buffer.starts_with(b"HTTP/1.1 101"));
            buffer.drain(..end + 4);
            return (socket, buffer);
        }
    }
}

/// Tells a child process that it is a peer, and with which extensions; or that it is the HTTP server.
const PEER: &str = "BACKSHELL_BENCH_PEER";

/// No extension is called so.
const HTTP: &str = "the HTTP server";

/// A peer in a process of its own, so that its memory is counted apart.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
}

impl Process {
    pub(crate) fn start(extensions: Option<&str>) -> Self {
        Self::with(extensions.unwrap_or_default())
    }

    /// The HTTP server.
    pub(crate) fn http() -> Self {
        Self::with(HTTP)
    }

    fn with(what: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a program"))
            .env(PEER, what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let orders = child.stdin.take().expect("piped");
        let mut line = String::new();
        answers.read_line(&mut line).expect("an address");
        Self { address: line.trim().parse().expect("an address"), child, orders, answers }
    }

    /// Drops all links at once.
    pub(crate) fn drop_all(&mut self) {
        self.ask("drop");
    }

    /// When connections came, since the last drop.
    pub(crate) fn returns(&mut self) -> Vec<Duration> {
        let line = self.ask("returns");
        line.split_whitespace()
            .map(|micros| Duration::from_micros(micros.parse().expect("a number")))
            .collect()
    }

    /// Of the HTTP server: the number in each path that was asked for, and when, in microseconds of wall time.
    pub(crate) fn arrivals(&mut self) -> Vec<(usize, u128)> {
        let line = self.ask("arrivals");
        let parsed = line.split_whitespace().map(|word| {
            let (number, at) = word.split_once(':').expect("two numbers");
            (number.parse().expect("a number"), at.parse().expect("a number"))
        });
        parsed.collect()
    }

    fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").expect("the peer lives");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peer lives");
        line
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends by itself when its orders end; this only makes sure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// If this process is a peer: serves until its orders end, and returns true.
pub(crate) fn is_peer() -> bool {
    let Ok(extensions) = std::env::var(PEER) else { return false };
    rlimit::increase_nofile_limit(u64::MAX).expect("descriptors");
    if extensions == HTTP {
        http::serve();
        return true;
    }
    let extensions = Some(extensions).filter(|text| !text.is_empty());
    let peer = Peer::start(Behaviour { manner: Manner::Stay, extensions });
    println!("{}", peer.address);
    let mut dropped = Instant::now();
    for order in std::io::stdin().lines().map_while(Result::ok) {
        if order == "drop" {
            dropped = Instant::now();
            peer.seen.accepted.lock().expect("whole").clear();
            std::mem::take(&mut *peer.seen.drop_all.lock().expect("whole")).cancel();
            println!();
        } else {
            let since: Vec<String> =
                peer.accepted().iter().map(|at| (*at - dropped).as_micros().to_string()).collect();
            println!("{}", since.join(" "));
        }
    }
    true
}
