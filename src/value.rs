//! Parameter values, secrets, and the context that pure code gets instead of a clock; performs no I/O.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// The value of a parameter or a cell.
///
/// *Empty* means "not initialised"; an empty text is not empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Not initialised.
    #[default]
    Empty,
    /// A number; never NaN and never infinite.
    Number(f64),
    /// A text.
    Text(Arc<str>),
    /// Bytes that are not known to be text.
    Bytes(Bytes),
}

impl Value {
    /// Makes a text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a number; NaN and the infinities become empty.
    pub fn number(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Empty }
    }

    /// Whether the value is not initialised.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The value as a number: a number itself, or a text or UTF-8 bytes that spell one (surrounding blanks allowed).
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Empty => None,
            Self::Number(number) => Some(*number),
            Self::Text(text) => parse_number(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok().and_then(parse_number),
        }
    }

    /// The value as text: empty is the empty text, a number is written without a needless fraction, bytes that are not UTF-8 have replacement characters.
    pub fn to_text(&self) -> Arc<str> {
        match self {
            Self::Empty => Arc::from(""),
            Self::Number(number) => Arc::from(format_number(*number)),
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => Arc::from(String::from_utf8_lossy(bytes)),
        }
    }

    /// The value as the bytes that go onto a wire: bytes as they are, everything else as UTF-8 text.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Number(number) => Bytes::from(format_number(*number)),
            Self::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::number(number)
    }
}

/// Writes a number the way people do: `5`, not `5.0`; at most what is needed to read it back.
pub fn format_number(number: f64) -> String {
    // -0.0 would print as "-0".
    let number = if number == 0.0 { 0.0 } else { number };
    format!("{number}")
}

/// Reads a decimal number; refuses NaN, the infinities and the empty text.
pub fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    // `f64::from_str` takes "inf", "nan" and "infinity" in any case; an author who writes those means a text.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Numbers written as text in a base from 2 to 36.
pub mod base {
    /// Beyond this a double is not exact as a whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;

    /// Writes a number in a base, with capital letters; one with a fraction or beyond 2^53 is written in base 10.
    pub fn format(number: f64, base: u32) -> String {
        if base == 10 || !(2..=36).contains(&base) || number.fract() != 0.0 || number.abs() > EXACT {
            return super::format_number(number);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        let mut rest = number.abs() as u64;
        let mut digits = Vec::new();
        while rest > 0 || digits.is_empty() {
            let digit = u32::try_from(rest % u64::from(base)).unwrap_or(0);
            digits.push(char::from_digit(digit, base).unwrap_or('0').to_ascii_uppercase());
            rest /= u64::from(base);
        }
        if number < 0.0 {
            digits.push('-');
        }
        digits.iter().rev().collect()
    }

    /// Reads a number in a base; upper and lower case are the same, and only base 10 has fractions.
    pub fn parse(text: &str, base: u32) -> Option<f64> {
        if base == 10 || !(2..=36).contains(&base) {
            return super::parse_number(text);
        }
        let whole = i64::from_str_radix(text.trim(), base).ok()?;
        #[expect(clippy::cast_precision_loss, reason = "numbers of the language are doubles")]
        Some(whole as f64)
    }
}

/// Whether a text is a token (RFC 9110, 5.6.2), as names of headers, subprotocols and media types are.
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A value that must reach no log, page, API answer, error or recording.
///
/// `Debug` prints `***`; there is no `Display`, no `Serialize` and no `Deref`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; each call is a place to check that it goes to the peer and nowhere else.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Wall-clock time in nanoseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

impl Wall {
    /// Adds a duration; stops at the end of the range, the year 2554.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Writes the time in UTC with milliseconds (RFC 3339); what is below a millisecond is cut off.
    pub fn rfc3339(self) -> String {
        let millis = self.0 / 1_000_000;
        let (seconds, millis) = (millis / 1_000, millis % 1_000);
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Counts from 0000-03-01, so that the leap day ends a year and each month's start is a linear function.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, of which `month` and `day` count from 1; negative before it.
pub fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// What pure code gets instead of a clock and a random source, so that tests decide both.
#[derive(Debug)]
pub struct Context {
    /// The present on the monotonic clock.
    pub now: Instant,
    /// The present on the wall clock.
    pub wall: Wall,
    /// Random numbers; tests seed it.
    pub rng: StdRng,
}

impl Context {
    /// A context at a given time with a seeded generator.
    pub fn new(now: Instant, wall: Wall, seed: u64) -> Self {
        Self { now, wall, rng: StdRng::seed_from_u64(seed) }
    }

    /// Moves both clocks forward.
    pub fn advance(&mut self, duration: Duration) {
        self.now += duration;
        self.wall = self.wall.after(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_782_864_000, "2026-07-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Wall(seconds * 1_000_000_000).rfc3339(), expected);
        }
        assert_eq!(Wall(1_999_999).rfc3339(), "1970-01-01T00:00:00.001Z");
        assert_eq!(Wall(u64::MAX).rfc3339(), "2554-07-21T23:34:33.709Z");
    }

    #[test]
    fn numbers_read_and_write_like_people_do() {
        assert_eq!(format_number(5.0), "5");
        assert_eq!(format_number(-0.0), "0");
        assert_eq!(format_number(0.1), "0.1");
        assert_eq!(parse_number(" 12.50 "), Some(12.5));
        for text in ["", " ", "nan", "inf", "1e999", "12a", "0x10"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
        assert_eq!(Value::number(f64::NAN), Value::Empty);
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }
}
