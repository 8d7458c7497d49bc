//! A peer as its clients see it, byte by byte, over pipes and in virtual time.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::language::source::Source;
use crate::tasks::Tasks;

/// A peer that runs, and how to connect to it.
struct Rig {
    peer: Arc<Peer>,
    dial: mpsc::Sender<DuplexStream>,
    _running: Tasks,
}

fn rig(rules: &str) -> Rig {
    let source = Source::new("x.scenario.toml", format!("[[peer]]\ndeflate = false\n{rules}"));
    let described = file::parse(&source).expect("a scenario").peers.remove(0);
    let peer = Arc::new(Peer::new(described, Clock::start()));
    let (dial, incoming) = mpsc::channel(1);
    let mut running = Tasks::new(&CancellationToken::new());
    let serving = Arc::clone(&peer);
    running.spawn("peer", |stop| run(incoming, serving, stop));
    Rig { peer, dial, _running: running }
}

impl Rig {
    async fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(64 << 10);
        self.dial.send(far).await.expect("the peer runs");
        near
    }

    /// Waits until a count of the peer's log is there.
    async fn until(&self, what: impl Fn(&Totals) -> bool) {
        let looked = async {
            while !self.peer.read(|log| what(&log.totals)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(60), looked).await.expect("it comes");
    }
}

async fn ask(io: &mut DuplexStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    io.write_all(request.as_bytes()).await.expect("the pipe is open");
}

/// What comes until a text is there, or the end.
async fn until(io: &mut DuplexStream, end: &str) -> String {
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).ends_with(end) {
        let mut byte = [0];
        match timeout(Duration::from_secs(60), io.read(&mut byte)).await.expect("something comes") {
            Ok(0) | Err(_) => break,
            Ok(_) => came.push(byte[0]),
        }
    }
    String::from_utf8_lossy(&came).into_owned()
}

const UPGRADE: &str = "GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A masked frame; the mask is zero, so that the payload reads as it is.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    let mut frame = vec![0x80 | opcode, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_away_answers_nothing_over_a_connection_that_is_kept() {
    let rig = rig("[[peer.on]]\nrequest = 'GET /a'\nanswer = { body = 'yes' }\n");
    let mut io = rig.connect().await;
    ask(&mut io, "/a").await;
    assert!(until(&mut io, "yes").await.starts_with("HTTP/1.1 200 OK"));
    rig.peer.set_reachable(false);
    ask(&mut io, "/a").await;
    assert_eq!(until(&mut io, "yes").await, "");
    assert_eq!(rig.peer.read(|log| log.totals.requests), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_one_too_many_is_told_of() {
    let rig = rig("[[peer.on]]\nrequest = 'GET /a'\nanswer = { body = 'yes' }\n");
    let mut open = Vec::new();
    for _ in 0..256 {
        let mut io = rig.connect().await;
        ask(&mut io, "/a").await;
        assert!(until(&mut io, "yes").await.ends_with("yes"));
        open.push(io);
    }
    let mut io = rig.connect().await;
    assert_eq!(until(&mut io, "never").await, "");
    let problem = rig.peer.read(|log| log.problems.back().cloned()).expect("a problem");
    assert_eq!(problem.1, "pipe is not heard: 256 connections are open already");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_cut_even_if_it_has_no_body() {
    let rig = rig("[[peer.on]]\nrequest = 'GET /a'\nfault = 'cut'\nanswer = { status = 200 }\n");
    let mut io = rig.connect().await;
    ask(&mut io, "/a").await;
    let answer = until(&mut io, "never").await;
    assert!(answer.contains("content-length: 1\r\n") && answer.ends_with("\r\n\r\n"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn only_the_answer_that_is_to_be_slow_is_slow() {
    let rig = rig("[[peer.on]]\nrequest = 'GET /slow'\nfault = 'slow-drip'\nanswer = { body = 'x;' }\n\
         [[peer.on]]\nrequest = 'GET /fast'\nanswer = { body = 'y;' }\n\
         [[peer.on]]\nhandshake = {}\nfault = 'slow-drip'\nsend = 'hello;'\n");
    let mut io = rig.connect().await;
    for (path, end, slow) in [("/slow", "x;", true), ("/fast", "y;", false)] {
        let began = Instant::now();
        ask(&mut io, path).await;
        assert!(until(&mut io, end).await.ends_with(end));
        assert_eq!(began.elapsed() > Duration::from_secs(1), slow, "{path}: {:?}", began.elapsed());
    }
    let mut io = rig.connect().await;
    let began = Instant::now();
    io.write_all(UPGRADE.as_bytes()).await.expect("the pipe is open");
    assert!(until(&mut io, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    assert!(began.elapsed() > Duration::from_secs(1));
    let opened = Instant::now();
    assert!(until(&mut io, "hello;").await.ends_with("hello;"));
    assert!(opened.elapsed() < Duration::from_millis(100), "{:?}", opened.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_end_of_a_link_is_taken() {
    let rig = rig("[[peer.on]]\nhandshake = {}\n");
    let mut io = rig.connect().await;
    let mut all = frame(1, b"first");
    all.extend(frame(1, b"second"));
    all.extend(frame(8, &1000_u16.to_be_bytes()));
    io.write_all(UPGRADE.as_bytes()).await.expect("the pipe is open");
    assert!(until(&mut io, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    io.write_all(&all).await.expect("the pipe is open");
    rig.until(|totals| totals.messages == 2 && totals.links == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_link_counts_as_none_reads_nothing_and_can_be_dropped() {
    let rig = rig("[[peer.on]]\nhandshake = {}\n");
    let mut io = rig.connect().await;
    io.write_all(UPGRADE.as_bytes()).await.expect("the pipe is open");
    assert!(until(&mut io, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    rig.until(|totals| totals.links == 1).await;
    assert_eq!(rig.peer.order(Order::Fault(Fault::HalfOpen)), 1);
    rig.until(|totals| (totals.links, totals.half_open) == (0, 1)).await;
    io.write_all(&frame(1, b"lost")).await.expect("the pipe is open");
    assert_eq!(rig.peer.order(Order::Send(vec!["unheard".into()])), 0);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.peer.read(|log| log.totals.messages), 0);
    assert_eq!(rig.peer.order(Order::Drop), 1);
    assert_eq!(until(&mut io, "never").await, "");
    rig.until(|totals| totals.half_open == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_link_ends_with_its_client() {
    let rig = rig("[[peer.on]]\nhandshake = {}\nfault = 'half-open'\n");
    let mut io = rig.connect().await;
    io.write_all(UPGRADE.as_bytes()).await.expect("the pipe is open");
    assert!(until(&mut io, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    rig.until(|totals| totals.half_open == 1).await;
    drop(io);
    rig.until(|totals| totals.half_open == 0).await;
}
