//! Runs of bytes.

use super::*;

#[test]
fn runs_are_replaced_in_one_pass() {
    let bytes = Bytes::from_static;
    for (text, pairs, expected) in [
        (&b"aXbX"[..], &[(&b"X"[..], &b"YY"[..])][..], &b"aYYbYY"[..]),
        (b"ab", &[(b"a", b"b"), (b"b", b"a")], b"ba"),
        (b"aaa", &[(b"aa", b"a")], b"aa"),
        (b"abc", &[(b"", b"x")], b"abc"),
        (b"abc", &[], b"abc"),
    ] {
        assert_eq!(replace(&bytes(text), pairs), expected, "{text:?}");
    }
    let grows = vec![b'a'; 1024];
    let large = Bytes::from(vec![b'a'; 128 * 1024]);
    assert_eq!(replace(&large, &[(b"a", &grows)]), large, "over 64 MiB nothing is replaced");
}
