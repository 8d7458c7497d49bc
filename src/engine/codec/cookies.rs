//! What a `Cookie` header gives back of what one answer sets (RFC 6265); keeps no cookies and knows no address.

use std::time::Duration;

use crate::value::{Wall, days_since_1970};

/// What stands between two cookies of a `Cookie` header (RFC 6265, 4.2.1).
pub(super) const BETWEEN: &str = "; ";

/// The cookies that live after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cookies {
    /// `name=value` by `; `; empty if there are none.
    pub(super) text: String,
    /// How many were left out because no header can have them, or because a blank would tear them.
    pub(super) odd: usize,
}

/// A cookie as an answer sets it.
struct Cookie<'a> {
    name: &'a str,
    value: &'a str,
    /// In lower case; empty for the host that answers.
    domain: String,
    /// Empty for the folder of what was asked for.
    path: &'a str,
    /// Whether it is set to take it away.
    is_gone: bool,
}

/// Reads the headers `Set-Cookie` of an answer in their order; `now` counts where the answer has no `Date`.
///
/// A cookie replaces, in its place, or takes away the one with its name, domain and path before it (RFC 6265, 5.3 and 5.4); one
/// that is left out takes it away, too. Where a request would go is
/// not known: of those that differ only in domain or path the last one is given back, whatever both are.
pub(super) fn cookies(headers: &[(String, String)], now: Wall) -> Cookies {
    let all = |wanted: &'static str| {
        headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| &**value)
    };
    // By the clock that wrote `Expires`, if it tells.
    let now = all("date").find_map(date).unwrap_or_else(|| seconds(Duration::from_nanos(now.0)));
    // In the order of their making, each with when it was set last.
    let mut live: Vec<(usize, Cookie<'_>)> = Vec::new();
    let mut odd = 0;
    for (set, cookie) in all("set-cookie").filter_map(|value| cookie(value, now)).enumerate() {
        let can_be_sent = is_plain(cookie.name) && is_plain(cookie.value);
        let is_odd = !cookie.is_gone && !can_be_sent;
        odd += usize::from(is_odd);
        let before = live.iter().position(|(_, other)| {
            (other.name, &other.domain, other.path) == (cookie.name, &cookie.domain, cookie.path)
        });
        match (before, cookie.is_gone || is_odd) {
            (Some(at), true) => drop(live.remove(at)),
            (None, true) => {}
            (Some(at), false) => live[at] = (set, cookie),
            (None, false) => live.push((set, cookie)),
        }
    }
    let is_last = |(set, cookie): &&(usize, Cookie<'_>)| {
        live.iter().all(|(other_set, other)| other.name != cookie.name || other_set <= set)
    };
    let given = live.iter().filter(is_last);
    let pairs: Vec<String> = given.map(|(_, cookie)| format!("{}={}", cookie.name, cookie.value)).collect();
    Cookies { text: pairs.join(BETWEEN), odd }
}

/// Whether a text can be part of a header between blanks.
pub(super) fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// One header (RFC 6265, 5.2); none if it sets nothing.
fn cookie(header: &str, now: i64) -> Option<Cookie<'_>> {
    let (pair, attributes) = header.split_once(';').unwrap_or((header, ""));
    let (name, value) = pair.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() {
        return None;
    }
    let (mut domain, mut path, mut expires, mut max_age) = (String::new(), "", None, None);
    // Of an attribute that is given twice the last one counts.
    for attribute in attributes.split(';') {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let (key, value) = (key.trim(), value.trim());
        if key.eq_ignore_ascii_case("expires") {
            expires = date(value).or(expires);
        } else if key.eq_ignore_ascii_case("max-age") {
            max_age = lives(value).or(max_age);
        } else if key.eq_ignore_ascii_case("domain") && !value.is_empty() {
            domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
        } else if key.eq_ignore_ascii_case("path") {
            path = if value.starts_with('/') { value } else { "" };
        }
    }
    // `Max-Age` goes before `Expires`.
    let lives = max_age.unwrap_or_else(|| expires.is_none_or(|expires| expires > now));
    Some(Cookie { name, value, domain, path, is_gone: !lives })
}

/// Whether a `Max-Age` is more than nothing (RFC 6265, 5.2.2); none if it is no number.
fn lives(max_age: &str) -> Option<bool> {
    let digits = max_age.strip_prefix('-').unwrap_or(max_age);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.len() == max_age.len() && digits.bytes().any(|byte| byte != b'0'))
}

fn seconds(since_1970: Duration) -> i64 {
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

/// Seconds from 1970 to a date in any of the forms that servers write (RFC 6265, 5.1.1).
fn date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == ':' || c.is_ascii_control() || !c.is_ascii();
    for token in text.split(|c| c == '\t' || !is_part(c)).filter(|token| !token.is_empty()) {
        if time.is_none()
            && let Some(found) = clock(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = number(token, 1..=2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(start) = token.get(..3)
            && let Some(at) = (1..).zip(MONTHS).find(|(_, name)| start.eq_ignore_ascii_case(name))
        {
            month = Some(at.0);
        } else if year.is_none()
            && let Some(found) = number(token, 2..=4)
        {
            year = Some(found);
        }
    }
    let ((hour, minute, second), day, month) = (time?, day?, month?);
    let year = match year? {
        year @ 70..=99 => 1900 + year,
        year @ 0..=69 => 2000 + year,
        year => year,
    };
    let is_date = (1..=31).contains(&day) && year >= 1601 && hour <= 23 && minute <= 59 && second <= 59;
    is_date.then(|| days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Hours, minutes and seconds.
fn clock(token: &str) -> Option<(i64, i64, i64)> {
    let (hour, rest) = token.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    // Something may follow the seconds only.
    let whole = |part: &str| number(part, part.len()..=part.len().min(2));
    Some((whole(hour)?, whole(minute)?, number(second, 1..=2)?))
}

/// The number that a text begins with, if it has so many digits.
fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    digits.contains(&count).then(|| text.get(..count)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-21T12:00:00Z.
    const NOON: i64 = 1_795_262_400;

    fn given(set: &[&str]) -> Cookies {
        let header = |value: &&str| ("set-cookie".to_owned(), (*value).to_owned());
        let headers: Vec<_> = set.iter().map(header).collect();
        cookies(&headers, Wall(u64::try_from(NOON).unwrap() * 1_000_000_000))
    }

    #[track_caller]
    fn check(set: &[&str], expected: &str) {
        assert_eq!(given(set).text, expected, "{set:?}");
    }

    #[test]
    fn names_and_values_are_given_back_without_attributes() {
        check(
            &["JSESSIONID=node01.n0; Path=/; HttpOnly; Expires=Thu, 01 Jan 2099 00:00:00 GMT"],
            "JSESSIONID=node01.n0",
        );
        check(&["a=1; Path=/", "b=x=y;Secure"], "a=1; b=x=y");
        check(&["  a  =  1  ; Path=/"], "a=1");
        check(&["a=\"1\""], "a=\"1\"");
        check(&["a="], "a=");
        check(&["a=; Path=/", "b=2"], "a=; b=2");
        check(&[], "");
        check(&["no pair", "=nameless", " = ", "", ";", "; a=1"], "");
    }

    #[test]
    fn a_later_cookie_replaces_the_one_before_it() {
        check(&["a=1", "a=2"], "a=2");
        check(&["a=1; Path=/; Domain=x.example", "b=3", "a=2; path=/; domain=.X.Example"], "a=2; b=3");
        // A domain that is empty is none (RFC 6265, 5.2.3).
        check(
            &["a=1; Domain=x.example; Domain=", "a=2; Domain=x.example", "b=3; Domain=", "b=4"],
            "a=2; b=4",
        );
        check(&["a=1; Domain=x.example; Domain=", "a=; Domain=x.example; Max-Age=0"], "");
        check(&["a=1", "A=2"], "a=1; A=2");
        // Whether the first one is for another address is not known, and one of a name is sent.
        check(&["a=1; Path=/login", "a=2; Path=/"], "a=2");
        check(&["a=2; Path=/", "a=1; Path=/login"], "a=1");
        check(&["a=1; Path=/", "a=2; Path=/login", "a=3; Path=/"], "a=3");
    }

    #[test]
    fn a_cookie_that_is_over_takes_away_the_one_with_its_name_domain_and_path() {
        for over in [
            "Max-Age=0",
            "max-age = -1",
            "Max-Age=00",
            "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "expires=Thu, 01-Jan-1970 00:00:10 GMT",
            "Expires=Sat, 21 Nov 2026 12:00:00 GMT",
            "Expires=Saturday, 21-Nov-26 11:59:59 GMT",
            "Expires=Mon Jan  1 00:00:00 1601",
            "Max-Age=10; Max-Age=0",
            "Expires=Thu, 01 Jan 2099 00:00:00 GMT; Max-Age=0",
        ] {
            check(&["a=1", &format!("a=; {over}")], "");
            check(&["a=1", &format!("a=\"it is gone\"; {over}"), "b=2"], "b=2");
            // What the server forgets elsewhere it keeps here.
            check(&["a=1; Path=/", &format!("a=gone; Path=/old; {over}")], "a=1");
            check(&["a=1; Path=/", &format!("a=gone; Path=/; Domain=x.example; {over}")], "a=1");
            check(&[&format!("a=gone; {over}"), "a=1"], "a=1");
        }
        for lives in [
            "Max-Age=1",
            "Max-Age=99999999999999999999999",
            "Max-Age=soon",
            "Max-Age=",
            "Max-Age=+1",
            "Max-Age=-",
            "Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "Expires=Sat, 21 Nov 2026 12:00:01 GMT",
            "Expires=Sat, 21-Nov-26 12:00:01 GMT",
            "Expires=Sat Nov 21 12:00:01 2026",
            "Expires=0",
            "Expires=Thu, 01 Jan 1600 00:00:00 GMT",
            "Expires=Thu, 32 Jan 1970 00:00:00 GMT",
            "Expires=Thu, 01 Jan 1970 24:00:00 GMT",
            "Expires=Thu, 01 Jan 1970 00:00 GMT",
        ] {
            check(&[&format!("a=1; {lives}")], "a=1");
        }
    }

    #[test]
    fn a_cookie_is_over_by_the_clock_of_who_set_it() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [
            header("Set-Cookie", "a=1; Expires=Fri, 20 Nov 2026 12:30:00 GMT"),
            header("Date", "Fri, 20 Nov 2026 12:00:00 GMT"),
        ];
        assert_eq!(cookies(&headers, Wall(u64::MAX)).text, "a=1");
        assert_eq!(cookies(&headers[..1], Wall(u64::MAX)).text, "");
    }

    #[test]
    fn a_cookie_that_no_header_can_have_is_left_out() {
        for bad in ["b=1 2", "b=\u{1}", "b b=1", "b=\u{a0}x\u{2003}y"] {
            assert_eq!(given(&["a=1", bad, "c=3"]), Cookies { text: "a=1; c=3".to_owned(), odd: 1 }, "{bad}");
        }
        assert_eq!(given(&["b=1 2"]), Cookies { text: String::new(), odd: 1 });
        // Nor is what it replaces given back.
        assert_eq!(given(&["b=old", "c=3", "b=1 2"]), Cookies { text: "c=3".to_owned(), odd: 1 });
        assert_eq!(given(&["b=1 2", "b=new"]), Cookies { text: "b=new".to_owned(), odd: 1 });
    }

    #[test]
    fn a_date_is_read_in_each_of_its_forms() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(date(text), expected, "{text}");
        for text in [
            "Sat, 21 Nov 2026 12:00:00 GMT",
            "Saturday, 21-Nov-26 12:00:00 GMT",
            "Sat Nov 21 12:00:00 2026",
            "21 november 2026 12:0:0xyz",
            "12:00:00 21 Nov 2026",
        ] {
            check(text, Some(NOON));
        }
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Wed, 31 Dec 1969 23:59:59 GMT", Some(-1));
        check("Thu, 01 Jan 70 00:00:00 GMT", Some(0));
        for text in [
            "",
            "soon",
            "21 Nov 2026",
            "12:00:00 Nov 2026",
            "12:00:00 21 2026",
            "1a:00:00 21 Nov 2026",
            "12:00:00 21 Nov 202666",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn any_header_gives_pairs_without_blanks(
            set in prop::collection::vec("[a-c \t]{0,2}=?[0-9 \u{1}é\"]{0,3}(; ?(Max-Age|Expires|Path|Domain)=[0-9:/ a-zé-]{0,12}){0,3}", 0..6),
        ) {
            let texts: Vec<&str> = set.iter().map(String::as_str).collect();
            let found = given(&texts);
            let mut names: Vec<&str> = Vec::new();
            for pair in found.text.split(BETWEEN).filter(|pair| !pair.is_empty()) {
                let (name, _) = pair.split_once('=').expect("a pair");
                prop_assert!(is_plain(pair) && !name.is_empty() && !names.contains(&name), "{}", found.text);
                names.push(name);
            }
        }

        #[test]
        fn any_text_is_a_date_or_none(text in "\\PC{0,40}") {
            let _ = date(&text);
        }
    }
}
