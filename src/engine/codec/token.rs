//! Finds a token and its lifetime in the answer of a session; trusts neither.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::engine::codec::cookies::{cookies, is_plain};
use crate::engine::codec::handshake::Answer;
use crate::engine::codec::http::decode;
use crate::engine::codec::message::Message;
use crate::language::model::message::{JsonPath, MessageKind};
use crate::language::model::token::{Lifetime, Token, TokenPlace};
use crate::value::{Secret, Wall, parse_number};

/// The longest token, in bytes: a header of more is refused everywhere.
pub const MAX_TOKEN: usize = 16 << 10;

/// A token as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The token, without a prefix.
    pub token: Secret<String>,
    /// How long it is good for from now on; none if nobody says.
    pub lifetime: Option<Duration>,
    /// What is odd about it, for people; it is used all the same.
    pub odd: Option<&'static str>,
}

/// Why an answer has no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// There is nothing where it should be.
    #[error("the answer has no token where `bs:Token` says it is")]
    Missing,
    /// It has a character that no header can have.
    #[error(
        "the token in the answer has a line break, a blank or another character that a token cannot have"
    )]
    Characters,
    /// It is longer than [`MAX_TOKEN`].
    #[error("the token in the answer is longer than {MAX_TOKEN} bytes")]
    TooLong,
}

/// Takes the token out of the answer of its session's last exchange.
///
/// # Errors
///
/// [`NoToken`]; its text never has the token.
pub fn find(token: &Token, answer: &Answer<'_>, now: Wall) -> Result<Found, NoToken> {
    let body = answer.body.cloned().unwrap_or_default();
    let content_type = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let text = decode(&body, content_type.map_or("", |(_, value)| value)).value.to_text();
    let message = Message::new(MessageKind::Text, Bytes::copy_from_slice(text.as_bytes()));
    // A `null` in its place is no token.
    let at = |path: &JsonPath| message.select(path)?.scalar().map(Cow::into_owned);
    let mut odd = None;
    let found = match &token.place {
        TokenPlace::Body => match serde_json::from_str(text.trim()) {
            // A service that answers in JSON quotes it.
            Ok(serde_json::Value::String(text)) => text,
            Ok(serde_json::Value::Number(_)) | Err(_) => text.trim().to_owned(),
            // A page that tells of an error, for one.
            Ok(_) => String::new(),
        },
        TokenPlace::Path(path) => at(path).unwrap_or_default(),
        TokenPlace::Header(name) => {
            let header = answer.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
            header.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        }
        TokenPlace::Cookies => {
            let found = cookies(answer.headers, now);
            if found.odd > 0 && found.text.is_empty() {
                return Err(NoToken::Characters);
            }
            odd = (found.odd > 0).then_some("a cookie is left out that has a blank or a control character");
            found.text
        }
    };
    if found.is_empty() {
        return Err(NoToken::Missing);
    }
    if found.len() > MAX_TOKEN {
        return Err(NoToken::TooLong);
    }
    if token.place != TokenPlace::Cookies && !is_plain(&found) {
        return Err(NoToken::Characters);
    }
    let (lifetime, of_lifetime) = match &token.lifetime {
        Lifetime::Unknown => (None, None),
        Lifetime::Fixed(lifetime) => (Some(*lifetime), None),
        Lifetime::Path(path) => match at(path).and_then(|text: String| parse_number(&text)) {
            Some(seconds) if seconds > 0.0 => (Duration::try_from_secs_f64(seconds).ok(), None),
            Some(_) => (None, Some("its lifetime is over")),
            None => (None, Some("its lifetime is not where `lifetimePath` says")),
        },
        Lifetime::Jwt => match expiry(&found) {
            Some(expiry) => match expiry.checked_sub(now.0).filter(|left| *left > 0) {
                Some(left) => (Some(Duration::from_nanos(left)), None),
                // The clocks of the service and of this host may differ.
                None => (None, Some("its `exp` is in the past: check the clock of this host")),
            },
            None => (None, Some("it is no JSON Web Token with an `exp`")),
        },
    };
    Ok(Found { token: Secret::new(found), lifetime, odd: of_lifetime.or(odd) })
}

/// The claim `exp` of a JSON Web Token, in nanoseconds since 1970.
fn expiry(token: &str) -> Option<u64> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let seconds = claims.get("exp")?.as_f64().filter(|seconds| *seconds >= 0.0)?;
    let nanos = Duration::try_from_secs_f64(seconds).ok()?.as_nanos();
    Some(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::model::build::{self, Build};
    use crate::language::model::id::GroupIx;

    fn token(place: TokenPlace, lifetime: Lifetime) -> Token {
        let mut build = Build::new();
        let param = build.text("token");
        let session = build.session(Vec::new(), |_| {});
        Token {
            session,
            group: GroupIx::new(0).expect("the first"),
            param,
            prefix: "Bearer ".into(),
            place,
            lifetime,
            margin: Duration::from_secs(30),
            renew: None,
        }
    }

    fn found(
        token: &Token,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(String, Option<u64>, bool), NoToken> {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answer = Answer { status_line: "HTTP/1.1 200 OK", headers: &headers, body: Some(&body) };
        let now = Wall(1_000_000_000_000);
        find(token, &answer, now).map(|found| {
            (
                found.token.expose().clone(),
                found.lifetime.map(|lifetime| lifetime.as_secs()),
                found.odd.is_some(),
            )
        })
    }

    #[test]
    fn a_token_is_the_body_a_part_of_it_or_a_header() {
        let body = token(TokenPlace::Body, Lifetime::Unknown);
        for text in ["abc", " abc\n", "\"abc\""] {
            assert_eq!(found(&body, &[], text), Ok(("abc".to_owned(), None, false)), "{text}");
        }
        let path = token(TokenPlace::Path(build::path("$.access_token")), Lifetime::Unknown);
        assert_eq!(found(&path, &[], r#"{"access_token":"x.y"}"#).unwrap().0, "x.y");
        let header = token(TokenPlace::Header("X-Token".into()), Lifetime::Unknown);
        assert_eq!(found(&header, &[("x-token", " t ")], "").unwrap().0, "t");
        assert_eq!(found(&body, &[], "0123").unwrap().0, "0123");
        assert_eq!(found(&path, &[], r#"{"access_token":12}"#).unwrap().0, "12");
        for (token, text) in [
            (&body, ""),
            (&body, "null"),
            (&body, r#"{"error":"invalid_client"}"#),
            (&path, "{}"),
            (&path, r#"{"access_token":null}"#),
            (&path, r#"{"access_token":{"a":1}}"#),
            (&path, r#"{"access_token":false}"#),
            (&path, "no json"),
            (&header, "t"),
        ] {
            assert_eq!(found(token, &[], text), Err(NoToken::Missing), "{text}");
        }
        assert_eq!(found(&body, &[], "a\r\nX: y"), Err(NoToken::Characters));
        assert_eq!(found(&body, &[], &"a".repeat(20_000)), Err(NoToken::TooLong));
    }

    #[test]
    fn a_token_out_of_set_cookie_is_what_a_cookie_header_gives_back() {
        let cookies = token(TokenPlace::Cookies, Lifetime::Unknown);
        let check = |set: &[&str], expected: Result<(&str, bool), NoToken>| {
            let headers: Vec<(&str, &str)> = set.iter().map(|value| ("set-cookie", *value)).collect();
            let found = found(&cookies, &headers, "");
            let found = found.as_ref().map(|(token, _, odd)| (token.as_str(), *odd));
            assert_eq!(found.map_err(|error| *error), expected, "{set:?}");
        };
        check(&["sid=old; Path=/", "sid=new; Path=/; HttpOnly", "b="], Ok(("sid=new; b=", false)));
        check(&["a=1", "theme=dark blue", "b=\u{1}"], Ok(("a=1", true)));
        check(&[], Err(NoToken::Missing));
        check(&["a=1", "a=; Max-Age=0"], Err(NoToken::Missing));
        check(&["theme=dark blue"], Err(NoToken::Characters));
        check(&[&format!("a={}", "1".repeat(MAX_TOKEN))], Err(NoToken::TooLong));
    }

    #[test]
    fn a_lifetime_is_fixed_or_a_part_of_the_answer_or_the_expiry_of_a_web_token() {
        let check = |lifetime: Lifetime, body: &str, expected: (Option<u64>, bool)| {
            let token = token(TokenPlace::Path(build::path("$.t")), lifetime);
            let (_, lifetime, odd) = found(&token, &[], body).unwrap();
            assert_eq!((lifetime, odd), expected, "{body}");
        };
        check(Lifetime::Fixed(Duration::from_secs(900)), r#"{"t":"x"}"#, (Some(900), false));
        let path = || Lifetime::Path(build::path("$.expires_in"));
        check(path(), r#"{"t":"x","expires_in":60}"#, (Some(60), false));
        check(path(), r#"{"t":"x","expires_in":"60"}"#, (Some(60), false));
        check(path(), r#"{"t":"x","expires_in":-1}"#, (None, true));
        check(path(), r#"{"t":"x"}"#, (None, true));
        let web =
            |payload: &str| format!(r#"{{"t":"eyJhbGciOiJub25lIn0.{}."}}"#, URL_SAFE_NO_PAD.encode(payload));
        check(Lifetime::Jwt, &web(r#"{"exp":1060}"#), (Some(60), false));
        check(Lifetime::Jwt, &web(r#"{"exp":999}"#), (None, true));
        check(Lifetime::Jwt, &web(r#"{"exp":1e300}"#), (None, true));
        check(Lifetime::Jwt, &web("{}"), (None, true));
        check(Lifetime::Jwt, r#"{"t":"opaque"}"#, (None, true));
    }
}
