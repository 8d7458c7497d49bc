//! Replaces runs of bytes in built and received messages; knows no field and sets nothing.

use bytes::Bytes;

/// The longest result of replacing, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// Replaces runs of bytes in one pass: at each place the first pair that fits is taken, what it put in is not looked at again.
///
/// Unchanged if the result is over 64 MiB.
pub fn replace(bytes: &Bytes, pairs: &[(&[u8], &[u8])]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    let mut found = false;
    while let Some((first, tail)) = rest.split_first() {
        match pairs.iter().find(|(from, _)| !from.is_empty() && rest.starts_with(from)) {
            Some((from, to)) => {
                found = true;
                out.extend_from_slice(to);
                rest = &rest[from.len()..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
        if out.len() > MAX_BYTES {
            return bytes.clone();
        }
    }
    if found { Bytes::from(out) } else { bytes.clone() }
}

#[cfg(test)]
mod tests;
