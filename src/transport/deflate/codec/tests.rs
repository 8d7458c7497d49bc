//! The codec against itself and against a plain zlib stream, in each takeover mode.

use super::*;

fn inflate(inflater: &mut Inflater, mut input: &[u8], room: usize) -> Result<Vec<u8>, BadData> {
    let mut whole = Vec::new();
    loop {
        let mut piece = Vec::with_capacity(room);
        let used = inflater.inflate(input, &mut piece)?;
        input = &input[used..];
        let full = piece.len() == piece.capacity();
        whole.extend(piece);
        if input.is_empty() && !full {
            break;
        }
    }
    loop {
        let mut piece = Vec::with_capacity(room);
        let done = inflater.finish(&mut piece)?;
        whole.extend(piece);
        if done {
            return Ok(whole);
        }
    }
}

/// A peer that keeps its window, which ours never does.
struct KeepingPeer(Compress);

impl KeepingPeer {
    fn new() -> Self {
        Self(Compress::new(Compression::new(6), false))
    }

    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut output = Vec::with_capacity(payload.len() * 2 + 100);
        // Without this a flush with nothing to flush writes nothing, and there would be no tail to strip.
        self.0.compress_vec(payload, &mut output, FlushCompress::None).unwrap();
        self.0.compress_vec(&payload[payload.len()..], &mut output, FlushCompress::Sync).unwrap();
        assert!(output.ends_with(&TAIL));
        output.truncate(output.len() - 4);
        output
    }
}

/// Bytes that no deflater makes smaller.
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

fn samples() -> Vec<Vec<u8>> {
    let json = br#"{"message_type":"state","state":{"value":true}}"#;
    let noise = noise(100_000);
    vec![
        json.repeat(20),
        Vec::new(),
        json.to_vec(),
        Vec::new(),
        noise,
        vec![0; 300_000],
        Vec::new(),
        json.repeat(3),
    ]
}

#[test]
fn messages_come_back_from_a_peer_that_keeps_its_window() {
    for room in [1, 7, 16 * 1024] {
        let mut peer = KeepingPeer::new();
        let mut inflater = Inflater::new(Context::Kept);
        for sample in samples() {
            let message = peer.message(&sample);
            assert_eq!(inflate(&mut inflater, &message, room).unwrap(), sample);
        }
    }
}

#[test]
fn our_own_messages_come_back_at_every_window_and_in_fragments() {
    for bits in 9..=15 {
        let deflater = Deflater::new(bits).unwrap();
        for context in [Context::Kept, Context::Fresh] {
            let mut inflater = Inflater::new(context);
            for sample in samples() {
                let mut message = Vec::new();
                let mut chunks = sample.chunks(64 * 1024).peekable();
                if chunks.peek().is_none() {
                    message = deflater.deflate_always(&[], Place::Last);
                }
                while let Some(chunk) = chunks.next() {
                    let place = if chunks.peek().is_some() { Place::Inner } else { Place::Last };
                    message.extend(deflater.deflate_always(chunk, place));
                }
                assert_eq!(
                    inflate(&mut inflater, &message, 16 * 1024).unwrap(),
                    sample,
                    "{bits} {context:?}"
                );
            }
        }
    }
    assert_eq!(Deflater::new(8), None);
}

#[test]
fn a_window_of_nine_is_kept_to() {
    // Two equal halves 4 KiB apart: only a window larger than 512 bytes could refer back.
    let noise = noise(4096);
    let twice = [noise.clone(), noise].concat();
    let narrow = Deflater::new(9).unwrap().deflate_always(&twice, Place::Last);
    let wide = Deflater::new(15).unwrap().deflate_always(&twice, Place::Last);
    assert!(wide.len() < 5000 && narrow.len() > 8000, "{} {}", wide.len(), narrow.len());
    let mut strict = Decompress::new_with_window_bits(false, 9);
    let mut output = Vec::with_capacity(16 * 1024);
    strict.decompress_vec(&narrow, &mut output, FlushDecompress::Sync).unwrap();
    assert_eq!(output, twice);
}

#[test]
fn what_does_not_shrink_is_not_deflated() {
    let noise = noise(1000);
    assert_eq!(Deflater::new(15).unwrap().deflate(&noise, Place::Last), None);
    assert!(!Deflater::wants(0) && !Deflater::wants(20));
}

#[test]
fn an_empty_message_of_either_form_is_empty_and_harms_nothing() {
    for context in [Context::Kept, Context::Fresh] {
        let mut inflater = Inflater::new(context);
        let mut peer = KeepingPeer::new();
        for round in 0..3 {
            let text = format!("message {round} of the same text, of the same text");
            let message = match context {
                Context::Kept => peer.message(text.as_bytes()),
                Context::Fresh => KeepingPeer::new().message(text.as_bytes()),
            };
            assert_eq!(inflate(&mut inflater, &message, 64).unwrap(), text.as_bytes());
            assert_eq!(inflate(&mut inflater, &[0], 64).unwrap(), b"");
            assert_eq!(inflate(&mut inflater, &[], 64).unwrap(), b"");
        }
    }
}

#[test]
fn examples_of_the_rfc() {
    // RFC 7692, 7.2.3.1 to 7.2.3.5.
    let mut inflater = Inflater::new(Context::Kept);
    for message in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        assert_eq!(inflate(&mut inflater, message, 64).unwrap(), b"Hello", "{message:x?}");
    }
}

#[test]
fn bad_data_is_an_error_and_never_a_loop() {
    for bad in [&[0xff_u8; 40][..], &[0x06, 1, 2, 3], &[0x01, 0x05, 0x00, 0x00, 0x00, 1]] {
        assert_eq!(inflate(&mut Inflater::new(Context::Kept), bad, 64), Err(BadData), "{bad:x?}");
    }
}

#[test]
fn a_deflater_is_reused_after_what_did_not_shrink() {
    let deflater = Deflater::new(13).unwrap();
    for round in 0..50 {
        let fragment = noise(1000 + round * 1300);
        let message = deflater.deflate_always(&fragment, Place::Last);
        assert_eq!(deflater.deflate(&fragment, Place::Last), None);
        assert_eq!(inflate(&mut Inflater::new(Context::Fresh), &message, 4096).unwrap(), fragment);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_end_in_a_result(input in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = inflate(&mut Inflater::new(Context::Kept), &input, 32);
    }

    #[test]
    fn any_payload_comes_back(payload in proptest::collection::vec(0u8..4, 0..2000), bits in 9u8..=15, split in 1usize..500) {
        let deflater = Deflater::new(bits).unwrap();
        let mut message = Vec::new();
        let count = payload.chunks(split).count();
        for (index, chunk) in payload.chunks(split).enumerate() {
            let place = if index + 1 == count { Place::Last } else { Place::Inner };
            message.extend(deflater.deflate_always(chunk, place));
        }
        let back = inflate(&mut Inflater::new(Context::Fresh), &message, 128).unwrap();
        proptest::prop_assert_eq!(back, payload);
    }
}
