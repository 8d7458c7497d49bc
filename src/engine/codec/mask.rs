//! Hides secret values in what is shown, also where a peer gives them back escaped; shows nothing itself.

use bytes::Bytes;

use crate::engine::codec::cookies;
use crate::engine::param::Params;
use crate::language::model::id::TableIx;
use crate::language::model::token::TokenPlace;
use crate::value::{Secret, Value};

/// What stands for a secret.
const STARS: &[u8] = b"***";

/// How many bytes of the beginning of a secret give it away where a text was cut.
const MIN_BEGINNING: usize = 4;

/// How long the value of a cookie is at least that is hidden without its name, in bytes: `true` or `dark` are no secrets.
const MIN_COOKIE: usize = 6;

/// How long one byte of a secret can be in a message: `\u00e9` stands for two bytes, `\u0041` for one.
const MAX_ESCAPE: usize = 6;

/// What must not be seen.
#[derive(Debug, Default)]
pub struct Mask {
    secrets: Vec<Secret<Bytes>>,
}

/// How a peer may have written what it gives back.
#[derive(Clone, Copy, Debug)]
struct How {
    /// `\"`, `\/`, `\n`, `\u00e9` (RFC 8259, 7).
    json: bool,
    /// `%2F`, `%2f` (RFC 3986, 2.1), and `+` for a blank.
    percent: bool,
}

/// Whether a text ends where its author ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It is whole.
    Whole,
    /// It, or what it quotes, may have been cut: the beginning of a secret at a cut is hidden too.
    Cut,
}

impl Mask {
    /// Every secret that stands in a parameter or a cell now, and each token without its scheme, as a peer gives it.
    pub fn of(params: &Params) -> Self {
        let mut mask = Self::default();
        mask.add_all(params);
        mask
    }

    /// Hides what [`Self::of`] hides, too.
    pub fn add_all(&mut self, params: &Params) {
        let protocol = params.protocol();
        for param in params.standalone().filter(|param| params.describe(*param).secret) {
            self.add(params.get(param).to_bytes());
        }
        for (at, table) in protocol.tables.iter().enumerate() {
            let Some(ix) = TableIx::new(at) else { continue };
            let columns = table.columns.iter().enumerate();
            let secret: Vec<usize> = columns
                .filter(|(_, column)| protocol.param(column.param).secret)
                .map(|(position, _)| position)
                .collect();
            if secret.is_empty() {
                continue;
            }
            for row in params.rows(ix).iter() {
                let cells = secret.iter().filter_map(|position| row.cells().get(*position));
                cells.map(Value::to_bytes).for_each(|cell| self.add(cell));
            }
        }
        for token in protocol.tokens.iter().filter(|token| params.describe(token.param).secret) {
            let value = params.get(token.param).to_text();
            let bare = value.strip_prefix(&*token.prefix).unwrap_or_default();
            self.add(Bytes::copy_from_slice(bare.as_bytes()));
            if token.place == TokenPlace::Cookies {
                self.add_cookies(bare);
            }
        }
    }

    /// Hides each cookie of a header `Cookie`: an answer sets them one by one, and a peer may quote a value alone.
    fn add_cookies(&mut self, header: &str) {
        for pair in header.split(cookies::BETWEEN) {
            let value = pair.split_once('=').map_or("", |(_, value)| value.trim_matches('"'));
            // `b=` is part of much else.
            if value.is_empty() {
                continue;
            }
            self.add(Bytes::copy_from_slice(pair.as_bytes()));
            if value.len() >= MIN_COOKIE {
                self.add(Bytes::copy_from_slice(value.as_bytes()));
            }
        }
    }

    /// Hides several more.
    pub fn extend(&mut self, secrets: impl IntoIterator<Item = Bytes>) {
        secrets.into_iter().for_each(|secret| self.add(secret));
    }

    /// Hides one more; an empty one is nothing to hide.
    pub fn add(&mut self, secret: Bytes) {
        if !secret.is_empty() {
            self.secrets.push(Secret::new(secret));
        }
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The secrets, to add other forms of them.
    pub fn secrets(&self) -> impl Iterator<Item = &Bytes> {
        self.secrets.iter().map(Secret::expose)
    }

    /// A copy of the first `limit` bytes with `***` for each secret that begins in them; at most `limit` bytes long.
    ///
    /// A secret is found as it is, escaped as in JSON, percent-encoded, or both. Where several begin, the longest is hidden.
    pub fn shown(&self, bytes: &[u8], limit: usize, ends: Ends) -> Vec<u8> {
        let shown = limit.min(bytes.len());
        if self.is_empty() {
            return bytes[..shown].to_vec();
        }
        let longest = self.secrets().map(Bytes::len).max().unwrap_or_default();
        // A secret that begins in what is shown may end behind it.
        let behind = longest.saturating_mul(MAX_ESCAPE);
        let seen = &bytes[..shown.saturating_add(behind).min(bytes.len())];
        let json = seen.contains(&b'\\');
        let percent = seen.iter().any(|byte| matches!(byte, b'%' | b'+'));
        let hows: Vec<How> = [(false, false), (true, false), (false, true), (true, true)]
            .into_iter()
            .filter(|(is_json, is_percent)| (json || !is_json) && (percent || !is_percent))
            .map(|(json, percent)| How { json, percent })
            .collect();
        let begins = self.begins(json, percent);
        let mut out = Vec::with_capacity(shown);
        let mut at = 0;
        while at < shown {
            let rest = &seen[at..];
            let found = if begins[usize::from(rest[0])] { self.longest(rest, &hows, ends) } else { None };
            match found {
                Some(length) => {
                    out.extend_from_slice(STARS);
                    at += length;
                }
                None => {
                    out.push(rest[0]);
                    at += 1;
                }
            }
        }
        out.truncate(limit);
        out
    }

    /// The bytes that a secret can begin with.
    fn begins(&self, json: bool, percent: bool) -> [bool; 256] {
        let mut begins = [false; 256];
        for secret in self.secrets() {
            begins[usize::from(secret[0])] = true;
        }
        begins[usize::from(b'\\')] |= json;
        begins[usize::from(b'%')] |= percent;
        begins[usize::from(b'+')] |= percent;
        begins
    }

    /// The length of the longest secret that `bytes` begins with.
    fn longest(&self, bytes: &[u8], hows: &[How], ends: Ends) -> Option<usize> {
        let lengths = self
            .secrets()
            .flat_map(|secret| hows.iter().filter_map(move |how| length_of(bytes, secret, *how, ends)));
        lengths.max()
    }
}

/// How many bytes of a message a secret takes at its beginning; none if it does not stand there.
fn length_of(bytes: &[u8], secret: &[u8], how: How, ends: Ends) -> Option<usize> {
    let (mut at, mut rest) = (0, secret);
    while !rest.is_empty() {
        let left = &bytes[at..];
        match step(left, rest, how) {
            Some((length, taken)) => {
                at += length;
                rest = &rest[taken..];
            }
            None => {
                let begun = secret.len() - rest.len() >= MIN_BEGINNING;
                return (ends == Ends::Cut && begun && is_cut(left)).then_some(at);
            }
        }
    }
    Some(at)
}

/// Whether a text that goes on like this was cut here: it is over, or has what is put where something was left out.
fn is_cut(rest: &[u8]) -> bool {
    rest.is_empty() || rest.starts_with("…".as_bytes()) || rest.starts_with(b"`")
}

/// What the next character of a message takes of it and of a secret; none if the secret has something else there.
fn step(bytes: &[u8], secret: &[u8], how: How) -> Option<(usize, usize)> {
    if how.json
        && let Some((length, c)) = json_escape(bytes)
    {
        let mut buffer = [0; 4];
        let utf8 = c.encode_utf8(&mut buffer).as_bytes();
        let byte = u8::try_from(u32::from(c)).ok();
        return match byte {
            _ if secret.starts_with(utf8) => Some((length, utf8.len())),
            // Bytes that are no UTF-8 are written as Latin-1 by some.
            Some(byte) => (secret[0] == byte).then_some((length, 1)),
            None => None,
        };
    }
    if how.percent {
        if let Some(byte) = percent_escape(bytes) {
            return (secret[0] == byte).then_some((3, 1));
        }
        if bytes.first() == Some(&b'+') && secret[0] == b' ' {
            return Some((1, 1));
        }
    }
    (bytes.first() == Some(&secret[0])).then_some((1, 1))
}

/// A character that is escaped as in a JSON string, and how long its escape is.
fn json_escape(bytes: &[u8]) -> Option<(usize, char)> {
    let [b'\\', kind, ..] = bytes else { return None };
    let c = match kind {
        b'"' | b'\\' | b'/' => char::from(*kind),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let high = unit(bytes)?;
            return match char::from_u32(high) {
                Some(c) => Some((6, c)),
                None => {
                    // Two surrogates stand for one character (RFC 8259, 7).
                    let low = unit(bytes.get(6..)?)?;
                    let both = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
                    Some((12, char::decode_utf16(both).next()?.ok()?))
                }
            };
        }
        _ => return None,
    };
    Some((2, c))
}

/// The number of a `\u` escape with four hexadecimal digits.
fn unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes else { return None };
    let digits = digits.get(..4)?;
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// The byte of `%XX`.
fn percent_escape(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        let mut mask = Mask::default();
        secrets.iter().for_each(|secret| mask.add(Bytes::copy_from_slice(secret.as_bytes())));
        mask
    }

    #[track_caller]
    fn check(secrets: &[&str], text: &str, shown: &str) {
        let masked = mask(secrets).shown(text.as_bytes(), usize::MAX, Ends::Whole);
        assert_eq!(String::from_utf8_lossy(&masked), shown, "{text}");
    }

    #[test]
    fn a_secret_is_hidden_in_every_form_that_a_peer_gives_it_back_in() {
        check(&[], "all", "all");
        check(&[""], "all", "all");
        check(&["b", "bcd"], "abcdb", "a******");
        let secret = "p\"\\/ é\u{1}😀%";
        for form in [
            secret.to_owned(),
            serde_json::to_string(secret).unwrap().trim_matches('"').to_owned(),
            r#"p\"\\\/ \u00e9\u0001\ud83d\uDE00%"#.to_owned(),
            r#"\u0070\u0022\u005C\u002f\u0020\u00E9\u0001\uD83D\ude00\u0025"#.to_owned(),
            "p%22%5C%2F%20%C3%A9%01%F0%9F%98%80%25".to_owned(),
            "p%22%5c%2f+%c3%a9%01%f0%9f%98%80%25".to_owned(),
            "%70\\\"%5C\\/%20%C3%A9%01%F0%9F%98%80%25".to_owned(),
        ] {
            check(&[secret], &format!("<{form}><{form}>"), "<***><***>");
        }
        // What only looks like an escape is none, and text that is no secret stays.
        check(&["a%zz"], r"a%zz \u12 \x a%z", r"*** \u12 \x a%z");
        check(&["a b"], "a+b a%20b a%2b", "*** *** a%2b");
        check(&[r"a\b"], r"a\b a\\b a\u005cb", "*** *** ***");
    }

    #[test]
    fn a_cookie_is_hidden_with_its_name_and_alone_if_it_is_long() {
        let mut mask = Mask::default();
        mask.add_cookies("sid=0123456; b=; c=\"\"; theme=dark");
        let shown = |text: &str| {
            String::from_utf8(mask.shown(text.as_bytes(), usize::MAX, Ends::Whole)).expect("UTF-8")
        };
        assert_eq!(shown("sid=0123456 0123456 theme=dark dark"), "*** *** *** dark");
        assert_eq!(shown("?job=5&abc=\"\""), "?job=5&abc=\"\"");
    }

    #[test]
    fn a_secret_of_bytes_is_hidden_where_it_is_written_as_latin_1() {
        let mut mask = Mask::default();
        mask.add(Bytes::from_static(&[0xff, 0x00, 0xfe]));
        let shown = mask.shown(br"<\u00ff\u0000\u00fe><%FF%00%fe>", usize::MAX, Ends::Whole);
        assert_eq!(shown, b"<***><***>");
    }

    #[test]
    fn a_secret_across_the_end_of_what_is_shown_does_not_show_its_beginning() {
        let mask = mask(&["hunter2"]);
        for (text, limit, shown) in [
            ("abhunter2cd", 4, "ab**"),
            (r"ab\u0068unter2cd", 3, "ab*"),
            ("hunter2hunter2hunter2", 10, "******"),
            ("ahunter2", 1, "a"),
        ] {
            assert_eq!(String::from_utf8_lossy(&mask.shown(text.as_bytes(), limit, Ends::Whole)), shown);
        }
    }

    #[test]
    fn the_beginning_of_a_secret_at_a_cut_is_hidden() {
        let mask = mask(&["hunter2-correct"]);
        for (text, shown) in [
            ("bad `hunter2-cor`", "bad `***`"),
            ("bad hunter2-c…", "bad ***…"),
            ("bad hunter2-c", "bad ***"),
            ("bad hun…", "bad hun…"),
            ("hunters…", "hunters…"),
        ] {
            assert_eq!(String::from_utf8_lossy(&mask.shown(text.as_bytes(), usize::MAX, Ends::Cut)), shown);
        }
        assert_eq!(mask.shown(b"hunter2-c", usize::MAX, Ends::Whole), b"hunter2-c");
    }

    #[test]
    fn a_message_longer_than_any_limit_is_hidden_as_well() {
        let mut long = vec![b'x'; 65 << 20];
        long[..7].copy_from_slice(b"hunter2");
        assert_eq!(mask(&["hunter2"]).shown(&long, 5, Ends::Whole), b"***");
        // A mask of the whole message takes all of it.
        let mut whole = Mask::default();
        whole.add(Bytes::from(long.clone()));
        assert_eq!(whole.shown(&long, 5, Ends::Whole), b"***");
    }

    proptest! {
        #[test]
        fn no_secret_is_left_in_what_json_makes_of_it(secret in ".{1,8}", before in "[a-z]{0,4}", limit in 0_usize..40) {
            let mask = mask(&[&secret]);
            let text = serde_json::to_string(&format!("{before}\u{0}{secret}\u{0}")).unwrap();
            let shown = mask.shown(text.as_bytes(), limit, Ends::Whole);
            prop_assert!(shown.len() <= limit);
            let shown = mask.shown(text.as_bytes(), usize::MAX, Ends::Whole);
            prop_assert!(shown.windows(3).any(|window| window == STARS));
        }
    }
}
