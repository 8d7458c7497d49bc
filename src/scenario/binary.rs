//! Bytes as scenarios write them: `{ binary = "00 ff" }` and `{ base64 = "AP8=" }`; sends none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The word and the text of bytes; none if the value is something else.
pub(super) fn written(value: &Value) -> Option<(&'static str, &str)> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    ["binary", "base64"].into_iter().find_map(|word| Some((word, members.get(word)?.as_str()?)))
}

/// The bytes that a value stands for; none if it stands for none.
///
/// # Errors
///
/// In words, if its text is not written as it must be.
pub(super) fn bytes(value: &Value) -> Option<Result<Vec<u8>, String>> {
    let (word, text) = written(value)?;
    Some(match word {
        "base64" => STANDARD.decode(text).map_err(|error| format!("`{text}` is no base64: {error}")),
        _ => hex(text).ok_or_else(|| format!("`{text}` are no bytes, such as `00 ff`")),
    })
}

/// The bytes of pairs of hexadecimal digits, with blanks between them or not.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks(2).map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_are_written_in_two_ways() {
        let check = |value: Value, expected: Option<Result<&[u8], &str>>| {
            let found = bytes(&value);
            let found = found.as_ref().map(|found| found.as_deref().map_err(String::as_str));
            match (found, expected) {
                (Some(Err(found)), Some(Err(expected))) => assert!(found.starts_with(expected), "{found}"),
                (found, expected) => assert_eq!(found, expected, "{value}"),
            }
        };
        check(json!({"binary": "00 fF"}), Some(Ok(&[0, 255])));
        check(json!({"binary": ""}), Some(Ok(&[])));
        check(json!({"base64": "AP8="}), Some(Ok(&[0, 255])));
        check(json!({"binary": "0"}), Some(Err("`0` are no bytes, such as `00 ff`")));
        check(json!({"binary": "xx"}), Some(Err("`xx` are no bytes")));
        check(json!({"base64": "AP8"}), Some(Err("`AP8` is no base64: ")));
        check(json!({"binary": 5}), None);
        check(json!({"binary": "00", "more": 1}), None);
        check(json!("00"), None);
    }
}
