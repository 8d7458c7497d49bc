//! The message layer beside bare tokio-tungstenite and bare flate2: prepared frames over loopback, and idle links.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use backshell::transport::deflate::{Agreed, Offer};
use backshell::transport::wire::{Event, Message, Role, Setup};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use futures_util::StreamExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol;
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 3;

/// A server that writes prepared frames as fast as they are taken; returns our end.
fn serve(frames: Vec<u8>, copies: usize) -> tokio::net::TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        for _ in 0..copies {
            if socket.write_all(&frames).is_err() {
                return;
            }
        }
        // Until the client has had enough.
        let _ = socket.read(&mut [0; 64]);
    });
    let socket = TcpStream::connect(address).expect("connects");
    socket.set_nonblocking(true).expect("nonblocking");
    tokio::net::TcpStream::from_std(socket).expect("in a runtime")
}

pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// An IS-07 state message, padded.
fn payload(length: usize, index: usize) -> Vec<u8> {
    let mut text = format!(
        "{{\"message_type\":\"state\",\"event_type\":\"number\",\"payload\":{{\"value\":{}}},\"pad\":\"",
        index * 7919 % 1000
    );
    let words = ["lorem", "ipsum", "dolor", "sit", "amet", "consectetur"];
    for word in 0.. {
        if text.len() + 2 >= length {
            break;
        }
        text.push_str(words[(word * 5 + index * 3 + word * word / 7) % words.len()]);
    }
    text.truncate(length.saturating_sub(2));
    text.push_str("\"}");
    text.into_bytes()
}

async fn through_wire(io: tokio::net::TcpStream, deflate: Option<Agreed>, count: usize) -> Duration {
    let (mut inbox, _outbox, link) = Setup { deflate, ..Setup::new(io, Role::Client) }.open();
    let stop = CancellationToken::new();
    let task = tokio::spawn(link.run(stop.clone()));
    let start = Instant::now();
    let (mut seen, mut bytes) = (0, 0);
    let mut events = Vec::new();
    while seen < count {
        inbox.recv_many(&mut events).await;
        for event in events.drain(..) {
            match event {
                Event::Message(message) => bytes += message.data().len(),
                Event::Closed(closed) => panic!("{closed}"),
            }
            seen += 1;
        }
    }
    let elapsed = start.elapsed();
    assert!(bytes > 0);
    stop.cancel();
    task.await.expect("the link ends");
    elapsed
}

async fn through_tungstenite(io: tokio::net::TcpStream, count: usize) -> Duration {
    let mut socket = WebSocketStream::from_raw_socket(io, protocol::Role::Client, None).await;
    let start = Instant::now();
    for _ in 0..count {
        socket.next().await.expect("a message").expect("valid");
    }
    start.elapsed()
}

pub(crate) fn per_second(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Prints the medians of an element and its rival, and their ratio beside what it should be.
pub(crate) fn compare(what: &str, unit: &str, ours: &[f64], rival_name: &str, rival: &[f64], target: f64) {
    let mut ratios: Vec<f64> = ours.iter().zip(rival).map(|(ours, rival)| ours / rival).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "{what}: element {:.0} {unit}, {rival_name} {:.0} {unit}, ratio {:.3} ({:.3} to {:.3}), target {target}: {}",
        median(ours.to_vec()),
        median(rival.to_vec()),
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1],
        if ratios[ratios.len() / 2] >= target { "met" } else { "NOT met" },
    );
}

/// Receiving, one link, client on one thread.
pub(crate) fn receive() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (length, copies) in [(100, 20_000), (1024, 10_000)] {
        let frames: Vec<u8> = (0..100).flat_map(|index| frame(0x81, &payload(length, index))).collect();
        let count = copies * 100;
        let (mut ours, mut rival) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let elapsed =
                runtime.block_on(async { through_tungstenite(serve(frames.clone(), copies), count).await });
            rival.push(per_second(count, elapsed));
            let elapsed =
                runtime.block_on(async { through_wire(serve(frames.clone(), copies), None, count).await });
            ours.push(per_second(count, elapsed));
        }
        let (ours, rival) = (median(ours), median(rival));
        println!(
            "{length} B: wire {ours:.0} msg/s, bare tokio-tungstenite {rival:.0} msg/s, ratio {:.2}",
            ours / rival
        );
    }
    deflated(&runtime);
}

fn deflated(runtime: &tokio::runtime::Runtime) {
    let payloads: Vec<Vec<u8>> = (0..100).map(|index| deflate(&payload(1024, index))).collect();
    let frames: Vec<u8> = payloads.iter().flat_map(|payload| frame(0xc1, payload)).collect();
    let answer = "permessage-deflate; server_no_context_takeover";
    let agreed = Offer::parse("permessage-deflate").accept(Some(answer)).expect("fits");
    let copies = 3_000;
    let count = copies * 100;
    let (mut ours, mut rival) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        rival.push(per_second(count, inflate_all(&payloads, copies)));
        let elapsed =
            runtime.block_on(async { through_wire(serve(frames.clone(), copies), agreed, count).await });
        ours.push(per_second(count, elapsed));
    }
    let (ours, rival) = (median(ours), median(rival));
    println!(
        "1024 B deflated: wire {ours:.0} msg/s, bare flate2 {rival:.0} msg/s, ratio {:.2}",
        ours / rival
    );
}

pub(crate) fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut deflater = Compress::new(Compression::default(), false);
    let mut output = Vec::with_capacity(payload.len() + 100);
    deflater.compress_vec(payload, &mut output, FlushCompress::Sync).expect("compresses");
    output.truncate(output.len() - 4);
    output
}

pub(crate) fn inflate_all(payloads: &[Vec<u8>], copies: usize) -> Duration {
    let mut inflater = Decompress::new(false);
    let mut output = Vec::with_capacity(4096);
    let start = Instant::now();
    for _ in 0..copies {
        for payload in payloads {
            inflater.reset(false);
            output.clear();
            inflater.decompress_vec(payload, &mut output, FlushDecompress::Sync).expect("inflates");
            inflater
                .decompress_vec(&[0, 0, 0xff, 0xff], &mut output, FlushDecompress::Sync)
                .expect("inflates");
            assert_eq!(output.len(), 1024);
        }
    }
    start.elapsed()
}

/// Tells a child process which kind of link to measure.
const KIND: &str = "BACKSHELL_BENCH_IDLE";

/// Resident memory of an idle link, after a message each way; a process for each kind, so that none reuses what
/// another has given back.
pub(crate) fn idle() {
    let kinds = [None, Some("permessage-deflate; server_no_context_takeover"), Some("permessage-deflate")];
    if let Some(kind) = std::env::var(KIND).ok().and_then(|kind| kind.parse::<usize>().ok()) {
        measure_idle(kinds[kind]);
        return;
    }
    for kind in 0..kinds.len() {
        let program = std::env::current_exe().expect("a program");
        let status = std::process::Command::new(program).arg("idle").env(KIND, kind.to_string()).status();
        assert!(status.is_ok_and(|status| status.success()));
    }
}

fn measure_idle(answer: Option<&str>) {
    const LINKS: usize = 2_000;
    rlimit::increase_nofile_limit(3 * LINKS as u64).expect("enough descriptors");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let agreed = Offer::parse("permessage-deflate").accept(answer).expect("fits");
    let kib = runtime.block_on(idle_links(LINKS, agreed));
    println!("{LINKS} idle links, {}: {kib:.1} KiB each", answer.unwrap_or("no extension"));
}

async fn idle_links(count: usize, deflate_agreed: Option<Agreed>) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let message = payload(1000, 1);
    let bytes = match deflate_agreed {
        Some(_) => frame(0xc1, &deflate(&message)),
        None => frame(0x81, &message),
    };
    let before = resident_kib();
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    let mut peers = Vec::new();
    let mut handles = Vec::new();
    for _ in 0..count {
        let io = tokio::net::TcpStream::connect(address).await.expect("connects");
        let (mut peer, _) = listener.accept().expect("a client");
        let setup = Setup { deflate: deflate_agreed, ..Setup::new(io, Role::Client) };
        let (mut inbox, mut outbox, link) = setup.open();
        tasks.spawn(link.run(stop.clone()));
        outbox.try_send(Message::text("{\"command\":\"health\"}")).expect("room");
        peer.write_all(&bytes).expect("writes");
        let event = inbox.recv().await.expect("an event");
        assert!(matches!(event, Event::Message(message) if message.data().len() == 1000));
        peers.push(peer);
        handles.push((inbox, outbox));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = resident_kib();
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    (after - before) as f64 / count as f64
}

pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident size");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}
