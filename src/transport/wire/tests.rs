//! Links over in-memory pipes, against raw bytes and against each other; time is virtual.

mod clocks;
mod closing;
mod flow;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::transport::deflate::Offer;

/// One end under test, the other in the hands of the test.
struct Rig {
    inbox: Inbox,
    outbox: Outbox,
    peer: Peer,
    stop: CancellationToken,
    task: JoinHandle<Closed>,
}

/// The raw other end; a server unless the link under test is one.
struct Peer {
    io: DuplexStream,
    input: BytesMut,
    masks: bool,
}

fn rig(change: impl FnOnce(&mut Setup<DuplexStream>)) -> Rig {
    rig_on(64 * 1024, change)
}

fn rig_on(pipe: usize, change: impl FnOnce(&mut Setup<DuplexStream>)) -> Rig {
    let (ours, theirs) = tokio::io::duplex(pipe);
    let mut setup = Setup::new(ours, Role::Client);
    change(&mut setup);
    let masks = setup.role == Role::Server;
    let (inbox, outbox, link) = setup.open();
    let stop = CancellationToken::new();
    // The test's own runtime owns the task and ends with it.
    let task = Handle::current().spawn(link.run(stop.clone()));
    Rig { inbox, outbox, peer: Peer { io: theirs, input: BytesMut::new(), masks }, stop, task }
}

fn deflate(answer: &str) -> Option<Agreed> {
    Offer::parse("permessage-deflate; client_max_window_bits").accept(Some(answer)).unwrap()
}

impl Rig {
    async fn next(&mut self) -> Event {
        self.inbox.recv().await.expect("an event")
    }

    async fn message(&mut self) -> Message {
        match self.next().await {
            Event::Message(message) => message,
            Event::Closed(closed) => panic!("closed: {closed}"),
        }
    }

    async fn closed(&mut self) -> Closed {
        loop {
            if let Event::Closed(closed) = self.next().await {
                return *closed;
            }
        }
    }
}

impl Peer {
    async fn send(&mut self, first: u8, payload: &[u8]) {
        let mut bytes = vec![first];
        let bit = if self.masks { 0x80 } else { 0 };
        let length = payload.len().to_be_bytes();
        match payload.len() {
            0..126 => bytes.push(bit | length[7]),
            126..65536 => {
                bytes.push(bit | 126);
                bytes.extend(&length[6..]);
            }
            _ => {
                bytes.push(bit | 127);
                bytes.extend(length);
            }
        }
        if self.masks {
            bytes.extend([0; 4]);
        }
        bytes.extend(payload);
        self.io.write_all(&bytes).await.unwrap();
    }

    /// The first byte and the payload of the next frame; `None` at the end of the stream.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(header) = frame::parse(&without_rsv1(&self.input)).unwrap() {
                let whole = header.size + usize::try_from(header.length).unwrap();
                if self.input.len() >= whole {
                    let bytes = self.input.split_to(whole);
                    assert_eq!(header.mask.is_none(), self.masks, "a client masks, a server does not");
                    let mut payload = bytes[header.size..].to_vec();
                    frame::apply_mask(&mut payload, header.mask.unwrap_or_default(), 0);
                    return Some((bytes[0], payload));
                }
            }
            if self.io.read_buf(&mut self.input).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            let (first, payload) = self.frame().await.expect("a close frame");
            if first == 0x88 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}

fn without_rsv1(input: &[u8]) -> Vec<u8> {
    let mut head = input[..input.len().min(14)].to_vec();
    if let Some(first) = head.first_mut() {
        *first &= 0xbf;
    }
    head
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(length)
    .collect()
}

/// Two links of ours, each the other's peer.
fn both(deflate: Option<Agreed>, pipe: usize) -> [(Inbox, Outbox); 2] {
    let (a, b) = tokio::io::duplex(pipe);
    [(a, Role::Client), (b, Role::Server)].map(|(io, role)| {
        let mut setup = Setup::new(io, role);
        setup.deflate = deflate;
        let (inbox, outbox, link) = setup.open();
        drop(Handle::current().spawn(link.run(CancellationToken::new())));
        (inbox, outbox)
    })
}

#[tokio::test]
async fn messages_of_any_size_arrive_whole_in_order_both_ways() {
    let json = br#"{"value":1,"text":"abc"}"#;
    let mut samples: Vec<Bytes> = vec![Bytes::new()];
    for length in [1, 125, 126, 4096, 65535, 65536, 65537, 400 * 1024] {
        samples.push(json.repeat(length / json.len() + 1)[..length].to_vec().into());
        samples.push(noise(length).into());
        samples.push(Bytes::new());
    }
    for answer in [
        None,
        Some("permessage-deflate"),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        Some("permessage-deflate; server_max_window_bits=9; client_max_window_bits=8"),
    ] {
        let mut samples = samples.clone();
        // The default limit itself; less where an unoptimised deflater would take its time.
        let largest = if answer.is_none() { 16 << 20 } else { 1 << 20 };
        samples.push(noise(largest).into());
        let [(client_in, client_out), (server_in, server_out)] = both(answer.and_then(deflate), 50_000);
        for (from, to) in &mut [(client_out, server_in), (server_out, client_in)] {
            let send = async {
                for sample in &samples {
                    let kind = if sample.first() == Some(&b'{') { Kind::Text } else { Kind::Binary };
                    from.room(sample.len()).await;
                    from.try_send(Message::new(kind, sample.clone()).unwrap()).unwrap();
                }
            };
            let receive = async {
                let mut received = Vec::new();
                while received.len() < samples.len() {
                    match to.recv().await.unwrap() {
                        Event::Message(message) => received.push(message.into_data()),
                        Event::Closed(closed) => panic!("{answer:?}: {closed}"),
                    }
                }
                received
            };
            let ((), received) = tokio::join!(send, receive);
            assert!(received == samples, "{answer:?}");
        }
    }
}
