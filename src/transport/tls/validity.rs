//! The two dates of a certificate (RFC 5280, 4.1.2.5), read from its DER; checks nothing else of it.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};

use crate::value::days_since_1970;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// From when until when a certificate is valid, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
}

impl Validity {
    /// Reads the dates; `None` for what is no certificate, and for dates before 1970.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (whole, _) = take(certificate, SEQUENCE)?;
        let (fields, _) = take(whole, SEQUENCE)?;
        // A certificate of version 1 has no version.
        let fields = take(fields, VERSION).map_or(fields, |(_, rest)| rest);
        let (_, fields) = take(fields, INTEGER)?;
        let (_, fields) = take(fields, SEQUENCE)?;
        let (_, fields) = take(fields, SEQUENCE)?;
        let (dates, _) = take(fields, SEQUENCE)?;
        let (not_before, dates) = date(dates)?;
        let (not_after, _) = date(dates)?;
        Some(Self { not_before, not_after })
    }
}

/// The content of the first value, which must have the tag, and what follows it.
fn take(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = digits.iter().try_fold(0_usize, |length, digit| {
                length.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (length, rest)
        }
        // Without an end, or longer than any certificate.
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A date: `YYMMDDHHMMSSZ` from 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn date(bytes: &[u8]) -> Option<(UnixTime, &[u8])> {
    let (year, text, rest) = match take(bytes, UTC_TIME) {
        Some((text, rest)) => {
            let (year, text) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text, rest)
        }
        None => {
            let (text, rest) = take(bytes, GENERALIZED_TIME)?;
            let (year, text) = text.split_at_checked(4)?;
            (number(year)?, text, rest)
        }
    };
    let text = text.strip_suffix(b"Z").filter(|text| text.len() == 10)?;
    let mut parts = text.chunks(2).map(number);
    let mut next = |range: std::ops::RangeInclusive<i64>| parts.next()?.filter(|part| range.contains(part));
    let (month, day) = (next(1..=12)?, next(1..=31)?);
    let (hour, minute, second) = (next(0..=23)?, next(0..=59)?, next(0..=60)?);
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = u64::try_from(seconds).ok()?;
    Some((UnixTime::since_unix_epoch(Duration::from_secs(seconds)), rest))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(*digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(not_before: (i32, u8, u8), not_after: (i32, u8, u8)) -> CertificateDer<'static> {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(not_before.0, not_before.1, not_before.2);
        params.not_after = rcgen::date_time_ymd(not_after.0, not_after.1, not_after.2);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn dates_of_both_forms_are_read() {
        let check = |at: (i32, u8, u8)| {
            let expected = rcgen::date_time_ymd(at.0, at.1, at.2).unix_timestamp();
            let validity = Validity::of(&made((1999, 12, 31), at)).unwrap();
            assert_eq!(i64::try_from(validity.not_after.as_secs()).unwrap(), expected, "{at:?}");
            assert_eq!(validity.not_before.as_secs(), 946_598_400);
        };
        for at in [(2000, 2, 29), (2000, 3, 1), (2024, 2, 29), (2049, 12, 31), (2050, 1, 1), (2100, 3, 1)] {
            check(at);
        }
        check((9999, 12, 31));
    }

    #[test]
    fn what_is_no_certificate_has_no_dates() {
        let whole = made((2020, 1, 1), (2030, 1, 1));
        for end in 0..120 {
            assert_eq!(Validity::of(&CertificateDer::from(&whole[..end])), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0_usize..200, byte: u8, tail in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = made((2020, 1, 1), (2030, 1, 1)).to_vec();
            let end = at.min(bytes.len() - 1);
            bytes[end] = byte;
            let _ = Validity::of(&CertificateDer::from(bytes));
            let _ = Validity::of(&CertificateDer::from(tail));
        }
    }
}
