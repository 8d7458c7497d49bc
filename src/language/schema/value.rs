//! How simple values are read, for the walker and for the later stages alike; reports nothing.

/// Reads `true` or `false`, whatever the case and the blanks around it.
pub fn flag(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Reads a whole number, blanks around it allowed; one with a plus sign or beyond 64 bits is none.
pub fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// Reads the id of an item: a whole number of 32 bits, blanks around it allowed.
pub fn id(text: &str) -> Option<i32> {
    text.trim().parse().ok()
}

/// Reads a finite number with or without a decimal point, blanks around it allowed.
pub fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    // `f64::from_str` alone takes "inf" and "nan".
    let written =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'));
    if written { text.parse().ok().filter(|number: &f64| number.is_finite()) } else { None }
}

/// The separator of an option string: its first character if that is a punctuation mark, else `;`.
pub fn separator(text: &str) -> char {
    text.trim_start().chars().next().filter(char::is_ascii_punctuation).unwrap_or(';')
}

/// Splits an option string at `separator`: parts are trimmed, empty ones left out.
///
/// Each part comes with its byte offset in `text`, for places.
pub fn options(text: &str, separator: char) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(separator).filter_map(move |part| {
        let start = at + (part.len() - part.trim_start().len());
        at += part.len() + separator.len_utf8();
        let part = part.trim();
        (!part.is_empty()).then_some((start, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_values_are_read_trimmed_and_in_any_case() {
        assert_eq!(flag(" True "), Some(true));
        assert_eq!(flag("FALSE"), Some(false));
        assert_eq!(flag("1"), None);
        assert_eq!(integer(" -12 "), Some(-12));
        assert_eq!([integer("+1"), integer("1.0"), integer(""), integer("99999999999999999999")], [None; 4]);
        assert_eq!([id(" -1 "), id("2147483647"), id("2147483648")], [Some(-1), Some(i32::MAX), None]);
        assert_eq!(decimal(" -1.5e3 "), Some(-1500.0));
        assert_eq!([decimal("inf"), decimal("NaN"), decimal("1,5"), decimal("1e999")], [None; 4]);
    }

    #[test]
    fn option_strings_lose_empty_parts_and_keep_places() {
        let parts: Vec<_> = options(";dynamic ip; retries:3;;", ';').collect();
        assert_eq!(parts, [(1, "dynamic ip"), (13, "retries:3")]);
        assert_eq!(options("", ';').count(), 0);
        assert_eq!(
            [separator(";a;b"), separator("a;b"), separator("|a|b"), separator("")],
            [';', ';', '|', ';']
        );
    }
}
