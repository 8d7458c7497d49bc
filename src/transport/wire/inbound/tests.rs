//! What is passed on, what is refused and when, from raw bytes.

use super::*;
use crate::transport::deflate::Offer;
use crate::transport::deflate::codec::{Deflater, Place};

fn agreed(answer: &str) -> Option<Agreed> {
    Offer::parse("permessage-deflate; client_max_window_bits").accept(Some(answer)).unwrap()
}

/// Feeds all bytes and returns what comes out, with the violation if one follows.
fn run(inbound: &mut Inbound, bytes: &[u8]) -> (Vec<u8>, Option<Violation>) {
    let mut input = BytesMut::from(bytes);
    let mut out = Vec::new();
    let mut buffer = [0; 1000];
    loop {
        let mut output = ReadBuf::new(&mut buffer);
        match inbound.convert(&mut input, &mut output) {
            Ok(()) if output.filled().is_empty() => return (out, None),
            Ok(()) => out.extend_from_slice(output.filled()),
            Err(violation) => return (out, Some(violation)),
        }
    }
}

#[track_caller]
fn refuses(role: Role, deflate: Option<Agreed>, bytes: &[u8], text: &str) {
    let mut inbound = Inbound::new(role, 1000, deflate);
    let (_, violation) = run(&mut inbound, bytes);
    assert_eq!(violation.map(|violation| violation.to_string()).as_deref(), Some(text), "{bytes:x?}");
}

#[test]
fn frames_that_are_not_allowed_are_refused() {
    let plain =
        |bytes: &[u8], text: &str| refuses(Role::Client, None, bytes, &format!("protocol violation: {text}"));
    plain(&[0x83, 0], "a frame with the unknown opcode 3");
    plain(&[0x8b, 0], "a frame with the unknown opcode 11");
    plain(&[0xa1, 0], "a frame with a reserved bit");
    plain(&[0x91, 0], "a frame with a reserved bit");
    plain(&[0xc1, 0], "a frame with a reserved bit");
    plain(&[0x09, 0], "a control frame that is fragmented or longer than 125 bytes");
    plain(&[0x89, 126], "a control frame that is fragmented or longer than 125 bytes");
    plain(&[0x81, 0x81, 1, 2, 3, 4, 5], "a masked frame from a server");
    plain(&[0x80, 0], "a continuation of no message");
    plain(&[0x01, 0, 0x81, 0], "a message inside a message");
    plain(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], "a frame whose length has the highest bit set");
    plain(&[0x88, 1, 3], "a close frame with half a code");
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535_u16] {
        let [a, b] = code.to_be_bytes();
        plain(&[0x88, 2, a, b], &format!("a close frame with the code {code}"));
    }
    refuses(Role::Client, None, &[0x88, 3, 3, 0xe8, 0xff], "a text is not UTF-8");
    refuses(Role::Server, None, &[0x81, 0], "protocol violation: an unmasked frame from a client");
    let deflate = agreed("permessage-deflate");
    for bytes in [&[0xc9, 0][..], &[0x01, 0, 0xc0, 0], &[0xe1, 0]] {
        refuses(Role::Client, deflate, bytes, "protocol violation: a frame with a reserved bit");
    }
    refuses(
        Role::Client,
        deflate,
        &[0xc1, 4, 0xff, 0xff, 0xff, 0xff],
        "a compressed message cannot be inflated",
    );
}

#[test]
fn a_message_over_the_limit_is_refused_at_its_header() {
    let text = "a message is larger than 1000 bytes";
    refuses(Role::Client, None, &[0x82, 126, 0x03, 0xe9], text);
    refuses(Role::Client, None, &[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], text);
    let mut fragments = vec![0x02, 126, 0x02, 0x00];
    fragments.extend([0; 512]);
    fragments.extend([0x80, 126, 0x02, 0x00]);
    refuses(Role::Client, None, &fragments, text);
}

#[test]
fn what_came_before_a_violation_is_passed_on_first() {
    let mut inbound = Inbound::new(Role::Client, 1000, None);
    let (out, violation) = run(&mut inbound, &[0x81, 2, b'h', b'i', 0xf1, 0]);
    assert_eq!(out, [0x81, 2, b'h', b'i']);
    assert!(violation.is_some());
    assert_eq!(run(&mut inbound, &[0x81, 0]).1, violation, "it stays refused");
}

#[test]
fn a_control_frame_passes_in_the_middle_of_a_compressed_message() {
    let message = Deflater::new(15).unwrap().deflate_always(&[b'x'; 600], Place::Last);
    let (a, b) = message.split_at(message.len() / 2);
    let mut bytes = vec![0x41, u8::try_from(a.len()).unwrap()];
    bytes.extend(a);
    bytes.extend([0x89, 1, b'p']);
    bytes.extend([0x80, u8::try_from(b.len()).unwrap()]);
    bytes.extend(b);
    let mut inbound = Inbound::new(Role::Client, 1000, agreed("permessage-deflate"));
    let (out, violation) = run(&mut inbound, &bytes);
    assert_eq!(violation, None);
    assert_eq!(out.windows(3).filter(|window| window == &[0x89, 1, b'p']).count(), 1);
    assert_eq!(out.iter().filter(|byte| **byte == b'x').count(), 600);
    assert_eq!(out[0] & 0x40, 0);
}

#[test]
fn a_bomb_is_cut_while_it_inflates() {
    // 16 KiB pieces of zeros, starting anew each: a small frame that would inflate to 160 MB.
    let piece = Deflater::new(15).unwrap().deflate_always(&vec![0; 1 << 20], Place::Inner);
    let payload = piece.repeat(160);
    let mut bytes = vec![0xc2, 127];
    bytes.extend((payload.len() as u64).to_be_bytes());
    bytes.extend(payload);
    let mut inbound = Inbound::new(Role::Client, 100_000, agreed("permessage-deflate"));
    let (out, violation) = run(&mut inbound, &bytes);
    assert_eq!(violation, Some(Violation::TooBig { limit: 100_000 }));
    assert!(out.len() <= 101_000, "{}", out.len());
}

#[test]
fn nothing_passes_after_a_close_frame() {
    let mut inbound = Inbound::new(Role::Client, 1000, None);
    let (out, violation) = run(&mut inbound, &[0x88, 2, 0x03, 0xe8, 0x81, 1, b'x', 0xff, 0xff]);
    assert_eq!((out, violation), (vec![0x88, 2, 0x03, 0xe8], None));
    assert_eq!(inbound.peer_close().unwrap().code, Some(1000));
}

proptest::proptest! {
    #[test]
    fn any_bytes_end_in_frames_or_a_violation(
        payload in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        flips in proptest::collection::vec((0usize..400, proptest::num::u8::ANY), 0..4),
    ) {
        let message = Deflater::new(15).unwrap().deflate_always(&payload, Place::Last);
        let mut bytes = vec![0x41, 126];
        bytes.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend(&message);
        bytes.extend([0x89, 1, b'p', 0x80, 0, 0x82, 1, b'x', 0xc1, 1, 0, 0x88, 0]);
        for (at, flip) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= flip;
            }
        }
        let mut inbound = Inbound::new(Role::Client, 5000, agreed("permessage-deflate"));
        let (out, _) = run(&mut inbound, &bytes);
        proptest::prop_assert!(out.len() < 5000 + 500);
        // Whatever is passed on reads as plain frames again, by the same rules without the extension.
        let mut plain = Inbound::new(Role::Client, 5000, None);
        let (again, violation) = run(&mut plain, &out);
        proptest::prop_assert_eq!(violation, None);
        proptest::prop_assert!(again.len() <= out.len());
    }
}
