//! Any bytes as what a peer sends: no panic, bounded, valid plain frames out, and the same however the bytes are cut.
#![no_main]

use backshell::transport::deflate::{Agreed, Offer};
use backshell::transport::wire::inbound::Inbound;
use backshell::transport::wire::{Role, Violation};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tokio::io::ReadBuf;

const LIMIT: usize = 40_000;

fuzz_target!(|data: &[u8]| {
    let [choice, cut, stream @ ..] = data else { return };
    let role = if choice & 1 == 0 { Role::Client } else { Role::Server };
    let answer = match (choice >> 1) & 3 {
        0 => None,
        1 => Some("permessage-deflate"),
        _ => Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
    };
    let agreed = Offer::parse("permessage-deflate").accept(answer).expect("the answer fits");
    let whole = run(role, agreed, stream, usize::MAX, 70_000);
    let pieces = run(role, agreed, stream, usize::from(*cut % 61) + 1, usize::from(*cut) * 7 + 1);
    assert_eq!(whole, pieces);
});

/// Frames as (opcode of the message, payload), fragments joined; and how it ended.
type Outcome = (Vec<(u8, Vec<u8>)>, Option<Violation>);

fn run(role: Role, agreed: Option<Agreed>, stream: &[u8], piece: usize, room: usize) -> Outcome {
    let deflates = agreed.is_some();
    let mut inbound = Inbound::new(role, LIMIT, agreed);
    let mut input = BytesMut::new();
    let mut out = Vec::new();
    let mut buffer = vec![0; room];
    let mut violation = None;
    'all: for chunk in stream.chunks(piece.min(stream.len().max(1))) {
        input.extend_from_slice(chunk);
        loop {
            let mut output = ReadBuf::new(&mut buffer);
            match inbound.convert(&mut input, &mut output) {
                Ok(()) if output.filled().is_empty() => break,
                Ok(()) => out.extend_from_slice(output.filled()),
                Err(error) => {
                    violation = Some(error);
                    break 'all;
                }
            }
        }
        // Only an unfinished header or control frame may wait.
        assert!(input.len() < 14 + 125, "{} bytes wait", input.len());
    }
    // Data that are broken behind the limit are both; which of the two is seen first depends on how the bytes were cut.
    if deflates && violation == Some(Violation::BadDeflate) {
        violation = Some(Violation::TooBig { limit: LIMIT });
    }
    let mut messages = read_plain(role, &out);
    if violation.is_some() {
        // How much of a message was passed on before it went wrong depends on how the bytes were cut.
        messages.retain(|(opcode, _)| opcode & 0x80 != 0);
    } else if messages.last().is_some_and(|(opcode, _)| opcode & 0x80 == 0) {
        messages.pop();
    }
    (messages, violation)
}

/// Reads frames that must be plain; the highest bit of the opcode says that the message is whole.
fn read_plain(role: Role, mut out: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut open: Option<(u8, Vec<u8>)> = None;
    while let [first, second, rest @ ..] = out {
        assert_eq!(first & 0x70, 0, "a reserved bit is passed on");
        assert_eq!(second & 0x80 != 0, role == Role::Server, "the mask fits the role");
        let (length, rest) = match second & 0x7f {
            126 => {
                let [a, b, rest @ ..] = rest else { break };
                (usize::from(u16::from_be_bytes([*a, *b])), rest)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk::<8>() else { break };
                (usize::try_from(u64::from_be_bytes(*length)).expect("bounded"), rest)
            }
            short => (usize::from(short), rest),
        };
        assert!(length <= LIMIT);
        let (mask, rest) = match role {
            Role::Client => ([0; 4], rest),
            Role::Server => {
                let Some((mask, rest)) = rest.split_first_chunk::<4>() else { break };
                (*mask, rest)
            }
        };
        let there = length.min(rest.len());
        let mut payload = rest[..there].to_vec();
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        let whole = there == length;
        out = &rest[there..];
        let opcode = first & 0x0f;
        if opcode >= 8 {
            assert!(length <= 125 && whole);
            frames.push((opcode | 0x80, payload));
            continue;
        }
        let (kind, mut message) = match (opcode, open.take()) {
            (0, Some(open)) => open,
            (1 | 2, None) => (opcode, Vec::new()),
            (opcode, open) => panic!("opcode {opcode} while {open:?}"),
        };
        message.extend(payload);
        assert!(message.len() <= LIMIT, "bounded while it inflates");
        if first & 0x80 != 0 && whole {
            frames.push((kind | 0x80, message));
        } else {
            open = Some((kind, message));
        }
    }
    frames.extend(open);
    frames
}
