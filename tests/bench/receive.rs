//! One whole element that takes a stream apart, beside bare tokio-tungstenite only reading it, and beside bare flate2.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use backshell::element::driver;
use backshell::tasks::Tasks;
use futures_util::StreamExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use crate::{element, peer, wire};

const ROUNDS: usize = 5;

/// How many messages differ.
pub(crate) const DISTINCT: u32 = 100;

/// The value of the last message, which no other has.
pub(crate) const LAST: u32 = 424_242;

/// An IS-07 state message of which every extracted value changes with the index; padded.
pub(crate) fn state(length: usize, index: u32, value: u32) -> Vec<u8> {
    let mut text = format!(
        "{{\"message_type\":\"state\",\"timing\":{{\"creation_timestamp\":\"1:{index:03}\"}},\"payload\":{{\"value\":{value},\"scale\":{}}}",
        index % 9 + 1
    );
    if text.len() + 10 < length {
        text.push_str(",\"pad\":\"");
        let words = ["lorem", "ipsum", "dolor", "sit", "amet", "consectetur"];
        for word in (index as usize..).step_by(7) {
            if text.len() + 2 >= length {
                break;
            }
            text.push_str(words[(word * 5 + word * word / 7) % words.len()]);
        }
        text.truncate(length - 2);
        text.push('"');
    }
    // A blank is the only padding that is left for the last few bytes.
    while text.len() + 1 < length {
        text.push(' ');
    }
    text.push('}');
    assert_eq!(text.len(), length);
    text.into_bytes()
}

/// A stream of prepared frames, and the one that ends it.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) frames: Vec<u8>,
    pub(crate) copies: usize,
    pub(crate) last: Vec<u8>,
    pub(crate) extensions: Option<&'static str>,
}

impl Stream {
    pub(crate) fn count(&self) -> usize {
        self.copies * DISTINCT as usize + 1
    }
}

/// Serves one client; says when it began to write.
fn serve(stream: Stream) -> (SocketAddr, mpsc::Receiver<Instant>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let (began_in, began) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        let mut head = Vec::new();
        let mut piece = [0; 4096];
        while !head.ends_with(b"\r\n\r\n") {
            let length = socket.read(&mut piece).expect("a request");
            head.extend(&piece[..length]);
        }
        let answer = peer::answer(&String::from_utf8_lossy(&head), stream.extensions);
        socket.write_all(answer.as_bytes()).expect("writes");
        began_in.send(Instant::now()).expect("somebody waits");
        for _ in 0..stream.copies {
            if socket.write_all(&stream.frames).is_err() {
                return;
            }
        }
        // A client that has gone has seen enough.
        let _ = socket.write_all(&stream.last);
        while socket.read(&mut piece).is_ok_and(|length| length > 0) {}
    });
    (address, began)
}

/// Until the element has the last message's value.
async fn through_element(stream: Stream) -> Duration {
    through(stream, element::SMALL).await
}

/// The same with another definition, which has the value in parameter 41 and the time in 43.
pub(crate) async fn through(stream: Stream, definition: &str) -> Duration {
    let count = stream.count();
    let (address, began) = serve(stream);
    let protocol = element::protocol(definition);
    let mut tasks = Tasks::new(&CancellationToken::new());
    let services = element::services(element::UNLIMITED, &mut tasks);
    let stop = CancellationToken::new();
    let spec = element::spec("bench", &protocol, address, "");
    let handle = driver::start(spec, services, &mut tasks, stop.clone());
    let value = element::param(&protocol, 41);
    while element::text_of(&handle, value).await != LAST.to_string() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let elapsed = began.recv().expect("the peer has begun").elapsed();
    let status = handle.fresh_status().await;
    let counters = status.connections[0].link.as_ref().expect("a link").counters;
    assert_eq!((counters.messages_in, counters.unmatched, counters.opened), (count as u64, 0, 1));
    assert_eq!(element::text_of(&handle, element::param(&protocol, 43)).await, "1:999");
    stop.cancel();
    tasks.stop(Duration::from_secs(5)).await;
    elapsed
}

async fn through_tungstenite(stream: Stream) -> Duration {
    let count = stream.count();
    let (address, began) = serve(stream);
    let (socket, rest) = peer::open_bare(address, "/events").await;
    let mut socket = WebSocketStream::from_partially_read(socket, rest, Role::Client, None).await;
    for _ in 0..count {
        socket.next().await.expect("a message").expect("valid");
    }
    began.recv().expect("the peer has begun").elapsed()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Everything on one thread but the peer.
pub(crate) fn plain() {
    let runtime = runtime();
    for (length, copies) in [(100, 5_000), (1024, 3_000)] {
        let frames =
            (0..DISTINCT).flat_map(|index| wire::frame(0x81, &state(length, index, index * 7 % 1_000)));
        let stream = Stream {
            frames: frames.collect(),
            copies,
            last: wire::frame(0x81, &state(1024, 999, LAST)),
            extensions: None,
        };
        let (mut ours, mut rival) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            rival.push(wire::per_second(
                stream.count(),
                runtime.block_on(through_tungstenite(stream.clone())),
            ));
            ours.push(wire::per_second(stream.count(), runtime.block_on(through_element(stream.clone()))));
        }
        wire::compare(&format!("{length} B"), "msg/s", &ours, "bare tokio-tungstenite", &rival, 0.1);
    }
}

/// The same with compressed frames.
pub(crate) fn deflated() {
    let runtime = runtime();
    let payloads: Vec<Vec<u8>> =
        (0..DISTINCT).map(|index| wire::deflate(&state(1024, index, index * 7 % 1_000))).collect();
    let stream = Stream {
        frames: payloads.iter().flat_map(|payload| wire::frame(0xc1, payload)).collect(),
        copies: 1_500,
        last: wire::frame(0xc1, &wire::deflate(&state(1024, 999, LAST))),
        extensions: Some("permessage-deflate; server_no_context_takeover"),
    };
    let (mut ours, mut rival) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let count = stream.count() - 1;
        rival.push(wire::per_second(count, wire::inflate_all(&payloads, stream.copies)));
        ours.push(wire::per_second(stream.count(), runtime.block_on(through_element(stream.clone()))));
    }
    wire::compare("1024 B deflated", "msg/s", &ours, "bare flate2", &rival, 0.4);
}
