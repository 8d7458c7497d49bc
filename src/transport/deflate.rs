//! Negotiates permessage-deflate (RFC 7692) for both roles; the compression itself is in the files below.

pub(crate) mod codec;
pub(crate) mod header;

use std::fmt;

use header::{Extension, parse_list};

/// The extension's name on the wire.
pub const NAME: &str = "permessage-deflate";

/// What a client offers in `Sec-WebSocket-Extensions`, in its order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    choices: Vec<Choice>,
    unknown: Vec<String>,
    problems: Vec<String>,
}

/// One `permessage-deflate` element of an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Choice {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: ClientBits,
}

/// What an offer says about the client's window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ClientBits {
    /// Not mentioned: the server must not answer with the parameter.
    #[default]
    Unsupported,
    /// The parameter without a value: any answer from 8 to 15 is fine.
    Any,
    /// A hint: an answer may be the same or smaller.
    AtMost(u8),
}

/// What both ends agreed on; only a valid negotiation makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<u8>,
}

/// What a server wants beyond what a client's offer asks of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preference {
    /// Promises to start anew with each message, also if not asked to: the client needs no window between messages.
    pub server_no_context_takeover: bool,
    /// Tells the client to start anew with each message, so that no inflater is kept between messages.
    pub client_no_context_takeover: bool,
    /// The largest window that the server uses to send, 8 to 15; other values and `None` are 15.
    pub server_max_window_bits: Option<u8>,
    /// The largest window that the client may use, 8 to 15, applied where the client supports the parameter.
    pub client_max_window_bits: Option<u8>,
}

/// Why the extensions that a server selected are refused; the link must not be used (RFC 6455, 4.1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// The header is no list of extensions.
    #[error("the `Sec-WebSocket-Extensions` of the answer cannot be read: {0}")]
    Malformed(String),
    /// The server selected an extension that this runtime does not implement.
    #[error("the server selected the extension `{0}`, which is not implemented")]
    Unknown(String),
    /// The server selected permessage-deflate although it was not offered.
    #[error("the server selected `permessage-deflate`, which was not offered")]
    NotOffered,
    /// The server selected permessage-deflate more than once.
    #[error("the server selected `permessage-deflate` more than once")]
    Twice,
    /// The parameters are wrong in themselves.
    #[error("the server answered `permessage-deflate` with {0}")]
    BadParameter(String),
    /// The parameters are valid, but no offer allows them.
    #[error("the server answered `{0}`, which fits no offer")]
    DoesNotFit(String),
}

impl Offer {
    /// Reads the value of a `Sec-WebSocket-Extensions` request header; never fails.
    ///
    /// Several header fields are joined with a comma by the caller. What cannot be read or is no valid offer is kept
    /// as a problem: it is sent as written, and no answer can select it.
    pub fn parse(header: &str) -> Self {
        let mut offer = Self::default();
        let list = match parse_list(header) {
            Ok(list) => list,
            Err(problem) => {
                offer.problems.push(problem);
                return offer;
            }
        };
        for extension in list {
            if !extension.name.eq_ignore_ascii_case(NAME) {
                offer.unknown.push(extension.name);
                continue;
            }
            match Choice::read(&extension) {
                Ok(choice) => offer.choices.push(choice),
                Err(problem) => offer.problems.push(problem),
            }
        }
        offer
    }

    /// Names of offered extensions that this runtime does not implement; selecting one ends the handshake.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// What is wrong with the offer, a sentence part each, for diagnostics.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Whether permessage-deflate is offered with valid parameters at least once.
    pub fn offers_deflate(&self) -> bool {
        !self.choices.is_empty()
    }

    /// Checks what the server selected, as a client; `None` is an answer without the header.
    ///
    /// `Ok(None)` means that no extension is in use.
    ///
    /// # Errors
    ///
    /// Whatever RFC 6455 4.1 and RFC 7692 7.1 forbid: an extension or parameter that was not offered, a window larger
    /// than offered, a required flag left out, a parameter twice.
    pub fn accept(&self, response: Option<&str>) -> Result<Option<Agreed>, NegotiationError> {
        let list = parse_list(response.unwrap_or_default()).map_err(NegotiationError::Malformed)?;
        if let Some(other) = list.iter().find(|extension| !extension.name.eq_ignore_ascii_case(NAME)) {
            return Err(NegotiationError::Unknown(other.name.clone()));
        }
        let Some(selected) = list.first() else { return Ok(None) };
        if list.len() > 1 {
            return Err(NegotiationError::Twice);
        }
        if self.choices.is_empty() {
            return Err(NegotiationError::NotOffered);
        }
        let answer = Agreed::read(selected).map_err(NegotiationError::BadParameter)?;
        if self.choices.iter().any(|choice| choice.allows(&answer)) {
            Ok(Some(answer))
        } else {
            Err(NegotiationError::DoesNotFit(answer.to_string()))
        }
    }

    /// Chooses, as a server, the first offer that is valid; `None` declines, and the answer has no such header.
    ///
    /// The answer's header value is the `Display` of what is returned.
    pub fn choose(&self, preference: Preference) -> Option<Agreed> {
        let bits = |bits: Option<u8>| bits.filter(|bits| (8..15).contains(bits));
        let choice = self.choices.first()?;
        let server_max = match (choice.server_max_window_bits, bits(preference.server_max_window_bits)) {
            (Some(asked), Some(wanted)) => Some(asked.min(wanted)),
            (asked, wanted) => asked.or(wanted),
        };
        let client_max = match (choice.client_max_window_bits, bits(preference.client_max_window_bits)) {
            (ClientBits::Unsupported, _) | (_, None) => None,
            (ClientBits::Any, Some(wanted)) => Some(wanted),
            (ClientBits::AtMost(hint), Some(wanted)) => Some(hint.min(wanted)),
        };
        Some(Agreed {
            server_no_context_takeover: choice.server_no_context_takeover
                || preference.server_no_context_takeover,
            client_no_context_takeover: choice.client_no_context_takeover
                || preference.client_no_context_takeover,
            server_max_window_bits: server_max,
            client_max_window_bits: client_max,
        })
    }
}

impl Choice {
    fn read(extension: &Extension) -> Result<Self, String> {
        let mut choice = Self::default();
        for (name, value) in extension.parameters()? {
            match (name, value) {
                ("server_no_context_takeover", None) => choice.server_no_context_takeover = true,
                ("client_no_context_takeover", None) => choice.client_no_context_takeover = true,
                ("server_max_window_bits", Some(value)) => {
                    choice.server_max_window_bits = Some(window_bits(name, value)?);
                }
                ("client_max_window_bits", None) => choice.client_max_window_bits = ClientBits::Any,
                ("client_max_window_bits", Some(value)) => {
                    choice.client_max_window_bits = ClientBits::AtMost(window_bits(name, value)?);
                }
                (name, value) => return Err(bad_parameter(name, value)),
            }
        }
        Ok(choice)
    }

    /// Whether an answer may follow from this offer (RFC 7692, 7.1).
    fn allows(&self, answer: &Agreed) -> bool {
        // A server may restrict itself unasked, but must confirm what was asked of it.
        let takeover = !self.server_no_context_takeover || answer.server_no_context_takeover;
        let server_window = match (self.server_max_window_bits, answer.server_max_window_bits) {
            (Some(asked), Some(given)) => given <= asked,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let client_window = match (self.client_max_window_bits, answer.client_max_window_bits) {
            (_, None) | (ClientBits::Any, Some(_)) => true,
            (ClientBits::AtMost(hint), Some(given)) => given <= hint,
            (ClientBits::Unsupported, Some(_)) => false,
        };
        takeover && server_window && client_window
    }
}

impl Agreed {
    fn read(extension: &Extension) -> Result<Self, String> {
        let mut agreed = Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: None,
        };
        for (name, value) in extension.parameters()? {
            match (name, value) {
                ("server_no_context_takeover", None) => agreed.server_no_context_takeover = true,
                ("client_no_context_takeover", None) => agreed.client_no_context_takeover = true,
                ("server_max_window_bits", Some(value)) => {
                    agreed.server_max_window_bits = Some(window_bits(name, value)?);
                }
                ("client_max_window_bits", Some(value)) => {
                    agreed.client_max_window_bits = Some(window_bits(name, value)?);
                }
                (name, value) => return Err(bad_parameter(name, value)),
            }
        }
        Ok(agreed)
    }

    /// Whether the server starts anew with each message.
    pub fn server_no_context_takeover(&self) -> bool {
        self.server_no_context_takeover
    }

    /// Whether the client starts anew with each message.
    pub fn client_no_context_takeover(&self) -> bool {
        self.client_no_context_takeover
    }

    /// The window of what the server sends, as a power of two, 8 to 15.
    pub fn server_max_window_bits(&self) -> u8 {
        self.server_max_window_bits.unwrap_or(15)
    }

    /// The window of what the client sends, as a power of two, 8 to 15.
    pub fn client_max_window_bits(&self) -> u8 {
        self.client_max_window_bits.unwrap_or(15)
    }
}

/// The value of the answer's `Sec-WebSocket-Extensions` header.
impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        if let Some(bits) = self.client_max_window_bits {
            write!(f, "; client_max_window_bits={bits}")?;
        }
        Ok(())
    }
}

/// RFC 7692 7.1.2: a decimal from 8 to 15 without leading zeros.
fn window_bits(name: &str, value: &str) -> Result<u8, String> {
    match value {
        "8" => Ok(8),
        "9" => Ok(9),
        "10" => Ok(10),
        "11" => Ok(11),
        "12" => Ok(12),
        "13" => Ok(13),
        "14" => Ok(14),
        "15" => Ok(15),
        _ => Err(bad_parameter(name, Some(value))),
    }
}

fn bad_parameter(name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("the bad parameter `{name}={value}`"),
        None => format!("the bad parameter `{name}`"),
    }
}

#[cfg(test)]
mod tests;
