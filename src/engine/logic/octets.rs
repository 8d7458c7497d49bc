//! What actions do to runs of bytes in values and messages: replacing, stuffing, hexadecimal digits; sets nothing.

use std::fmt::Write;

use bytes::Bytes;

use crate::engine::codec::frame;
use crate::language::model::logic::{ReplaceData, ReplacePart, Stuffing};

/// The action `replace data`: in the part of the bytes that it names.
pub(super) fn replaced(bytes: &Bytes, how: &ReplaceData) -> Bytes {
    let pairs: Vec<(&[u8], &[u8])> = how.pairs.iter().map(|(from, to)| (&from[..], &to[..])).collect();
    let (head, inner, tail) = parts(bytes, how.start, how.end);
    match how.part {
        ReplacePart::Inner => joined(&[head, frame::replace(&inner, &pairs), tail]),
        ReplacePart::Outer => joined(&[frame::replace(&head, &pairs), inner, frame::replace(&tail, &pairs)]),
    }
}

/// The action `stuffing`: the stuffing bytes are repeated, unless one of the allowed bytes follows.
pub(super) fn stuffed(bytes: &Bytes, how: &Stuffing) -> Bytes {
    let (head, inner, tail) = parts(bytes, how.start, how.end);
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = &inner[..];
    while let Some((first, after)) = rest.split_first() {
        match rest.strip_prefix(&how.value[..]).filter(|_| !how.value.is_empty()) {
            Some(next) => {
                out.extend_from_slice(&how.value);
                if !next.first().is_some_and(|byte| how.allowed.contains(byte)) {
                    out.extend_from_slice(&how.value);
                }
                rest = next;
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    joined(&[head, Bytes::from(out), tail])
}

/// The action `read stuffing`: repeated stuffing bytes become single ones.
pub(super) fn unstuffed(bytes: &Bytes, how: &Stuffing) -> Bytes {
    let (head, inner, tail) = parts(bytes, how.start, how.end);
    let doubled = [&how.value[..], &how.value[..]].concat();
    joined(&[head, frame::replace(&inner, &[(&doubled, &how.value)]), tail])
}

/// Bytes as hexadecimal digits, with a blank after every so many bytes.
pub(super) fn hex(bytes: &[u8], blank_after: Option<u32>) -> String {
    let every = blank_after.and_then(|every| usize::try_from(every).ok()).filter(|every| *every > 0);
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && every.is_some_and(|every| at % every == 0) {
            text.push(' ');
        }
        let _never_fails = write!(text, "{byte:02X}");
    }
    text
}

/// The first `start` bytes, what is between, and the last `end` bytes; the first win where they overlap.
fn parts(bytes: &Bytes, start: usize, end: usize) -> (Bytes, Bytes, Bytes) {
    let start = start.min(bytes.len());
    let end = bytes.len().saturating_sub(end).max(start);
    (bytes.slice(..start), bytes.slice(start..end), bytes.slice(end..))
}

fn joined(parts: &[Bytes]) -> Bytes {
    Bytes::from(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_keeps_to_its_part() {
        let how = |part| ReplaceData { pairs: vec![("a".into(), "xy".into())], start: 1, end: 1, part };
        let bytes = Bytes::from_static(b"aaaa");
        assert_eq!(replaced(&bytes, &how(ReplacePart::Inner)), "axyxya");
        assert_eq!(replaced(&bytes, &how(ReplacePart::Outer)), "xyaaxy");
        assert_eq!(replaced(&Bytes::from_static(b"a"), &how(ReplacePart::Inner)), "a");
    }

    #[test]
    fn stuffing_is_taken_out_again() {
        let how = Stuffing { value: "=".into(), allowed: "!".into(), start: 1, end: 0 };
        let bytes = Bytes::from_static(b"=a=b=!=");
        let out = stuffed(&bytes, &how);
        assert_eq!(out, "=a==b=!==");
        assert_eq!(unstuffed(&out, &how), bytes);
    }

    #[test]
    fn hexadecimal_digits_stand_in_groups() {
        assert_eq!(hex(&[0, 255, 16], None), "00FF10");
        assert_eq!(hex(&[0, 255, 16], Some(2)), "00FF 10");
    }
}
