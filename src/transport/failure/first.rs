//! A link that opened and ended before its first message, as a failure with advice by close code; decides no retry.

use std::time::Duration;

use super::{Failure, FailureKind, Stage, StageReport};
use crate::transport::handshake::printable;
use crate::transport::wire::{CloseFrame, Closed, Why};

impl Failure {
    /// The failure of a link that came up and was gone before a message had come; `None` where we ended it ourselves.
    ///
    /// Many peers look at credentials, path and subprotocol only after the upgrade: what they say then is the refusal.
    /// `stages` are those of the dial, and `open_for` is how long the link was open.
    pub fn before_first_message(stages: &[StageReport], closed: &Closed, open_for: Duration) -> Option<Self> {
        let (summary, advice) = match &closed.why {
            Why::Us | Why::CloseTimeout | Why::Stopped | Why::Abandoned | Why::Stalled(_) => return None,
            Why::Peer => {
                let frame = closed.received.as_ref();
                (format!("the peer closed {} before its first message", shown(frame)), of_close(frame))
            }
            Why::Eof | Why::Reset | Why::Io(_) => (
                format!("{}, before the first message", closed.why),
                "the peer, or a proxy in between, lets the link go right after the handshake: check path and credentials, and see the peer's log".to_owned(),
            ),
            Why::PongTimeout(_) | Why::Silence(_) => (
                format!("{} after the link opened", closed.why),
                "the peer takes the link and says nothing: check the path and what it expects to be sent first".to_owned(),
            ),
            Why::Violation(violation) => (
                format!("{violation}, before the first message"),
                "what the peer sends is not what was agreed: offer no extension, and check what stands in between".to_owned(),
            ),
        };
        let mut stages = stages.to_vec();
        let report =
            StageReport { stage: Stage::FirstMessage, ok: false, detail: summary.clone(), took: open_for };
        stages.push(report);
        Some(Self {
            kind: FailureKind::FirstMessage,
            summary,
            advice,
            stages,
            response: None,
            redirects: Vec::new(),
        })
    }
}

/// `with code 1008 "no token"`; the reason is the peer's text.
fn shown(frame: Option<&CloseFrame>) -> String {
    let Some(CloseFrame { code: Some(code), reason }) = frame else { return "without a code".to_owned() };
    let reason = printable(reason);
    if reason.is_empty() { format!("with code {code}") } else { format!("with code {code} `{reason}`") }
}

/// What a close code says (RFC 6455, 7.4.1, and the registry of IANA for 3000 to 3999).
fn of_close(frame: Option<&CloseFrame>) -> String {
    let code = frame.and_then(|frame| frame.code).unwrap_or(1005);
    let text = match code {
        1002 | 1007 => "the peer does not like what it got: check subprotocol, message type and extensions",
        1003 => "the peer takes no messages of this type: check WebSocketMessageType (text or binary)",
        1008 | 3000 | 3003 => {
            "the peer will not have this client: check the credentials and what is sent first"
        }
        1009 => "what is sent first is larger than the peer takes",
        1010 => "the peer wants an extension that was not agreed: offer it in Sec-WebSocket-Extensions",
        1011 => "the peer has an error of its own: see its log",
        1012..=1014 => "the peer restarts or has too much to do: it is tried again",
        3008 => "the peer waited for a message that did not come: check what it expects to be sent first",
        4000..=4999 => {
            "this code is the peer's own: see its documentation; credentials, path and what is sent first are the usual reasons"
        }
        _ => {
            "the peer takes the link and lets it go: check path, subprotocol and what it expects to be sent first"
        }
    };
    format!("{code}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_before_the_first_message_says_why_and_what_to_do() {
        let dialled = [StageReport {
            stage: Stage::Negotiation,
            ok: true,
            detail: "nothing".to_owned(),
            took: Duration::ZERO,
        }];
        let check = |why: Why, received: Option<(Option<u16>, &str)>, expected: Option<(&str, &str)>| {
            let received = received.map(|(code, reason)| CloseFrame { code, reason: reason.to_owned() });
            let closed = Closed { why, received, sent: None };
            let failure = Failure::before_first_message(&dialled, &closed, Duration::from_millis(3));
            let Some((line, advice)) = expected else {
                assert!(failure.is_none(), "{closed:?}");
                return;
            };
            let failure = failure.unwrap();
            assert_eq!(failure.to_string(), format!("first message: {line}"));
            assert!(failure.advice.starts_with(advice), "{}", failure.advice);
            assert_eq!((failure.kind, failure.kind.rejection()), (FailureKind::FirstMessage, None));
            assert_eq!(failure.stages.len(), 2);
            assert_eq!((failure.stages[0].ok, failure.stages[1].ok), (true, false));
            assert_eq!(failure.stages[1].took, Duration::from_millis(3));
            assert_eq!((failure.status(), failure.snippet()), (None, None));
        };
        let line = "the peer closed with code 1008 `no token` before its first message";
        check(
            Why::Peer,
            Some((Some(1008), "no token")),
            Some((line, "1008: the peer will not have this client")),
        );
        let line = "the peer closed with code 4401 `gone\\u{1b}` before its first message";
        check(Why::Peer, Some((Some(4401), "gone\u{1b}")), Some((line, "4401: this code is the peer's own")));
        let line = "the peer closed without a code before its first message";
        check(Why::Peer, Some((None, "")), Some((line, "1005: the peer takes the link and lets it go")));
        let line = "the connection ended without a close frame, before the first message";
        check(Why::Eof, None, Some((line, "the peer, or a proxy in between")));
        let violation = crate::transport::wire::Violation::NotUtf8;
        let line = "a text is not UTF-8, before the first message";
        check(Why::Violation(violation), None, Some((line, "what the peer sends")));
        for ours in [Why::Us, Why::CloseTimeout, Why::Stopped, Why::Abandoned] {
            check(ours, None, None);
        }
    }
}
