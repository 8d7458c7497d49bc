//! What a peer can do wrong, and where; does none of it.

use serde::Deserialize;

/// What a peer can do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Takes what comes, and says nothing.
    NeverAnswer,
    /// Ends the connection without a word.
    Reset,
    /// Opens the link, and ends the connection.
    AcceptAndClose,
    /// Writes a byte every 20 ms.
    SlowDrip,
    /// Keeps the connection, and neither reads nor writes any more.
    HalfOpen,
    /// Sends a message of 17 MiB.
    HugeFrame,
    /// Sends a frame with compressed data that is none.
    BadDeflate,
    /// Ends an answer in the middle of its body.
    Cut,
}

/// All faults.
pub const FAULTS: [Fault; 8] = [
    Fault::NeverAnswer,
    Fault::Reset,
    Fault::AcceptAndClose,
    Fault::SlowDrip,
    Fault::HalfOpen,
    Fault::HugeFrame,
    Fault::BadDeflate,
    Fault::Cut,
];

impl Fault {
    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverAnswer => "never-answer",
            Self::Reset => "reset",
            Self::AcceptAndClose => "accept-and-close",
            Self::SlowDrip => "slow-drip",
            Self::HalfOpen => "half-open",
            Self::HugeFrame => "huge-frame",
            Self::BadDeflate => "bad-deflate",
            Self::Cut => "cut",
        }
    }

    /// Whether an opening handshake can go wrong so.
    pub fn is_of_handshakes(self) -> bool {
        match self {
            Self::NeverAnswer
            | Self::Reset
            | Self::AcceptAndClose
            | Self::SlowDrip
            | Self::HalfOpen
            | Self::HugeFrame
            | Self::BadDeflate => true,
            Self::Cut => false,
        }
    }

    /// Whether the answer to a message can go wrong so.
    pub fn is_of_messages(self) -> bool {
        match self {
            Self::Reset | Self::HalfOpen | Self::HugeFrame => true,
            Self::NeverAnswer | Self::AcceptAndClose | Self::SlowDrip | Self::BadDeflate | Self::Cut => false,
        }
    }

    /// Whether the answer to a request of an HTTP session can go wrong so.
    pub fn is_of_requests(self) -> bool {
        match self {
            Self::NeverAnswer | Self::Reset | Self::SlowDrip | Self::Cut => true,
            Self::AcceptAndClose | Self::HalfOpen | Self::HugeFrame | Self::BadDeflate => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_name_and_a_place_where_it_can_happen() {
        for fault in FAULTS {
            let read: Fault = serde_json::from_value(fault.name().into()).expect("a fault");
            assert_eq!(read, fault);
            assert!(fault.is_of_handshakes() || fault.is_of_messages() || fault.is_of_requests());
        }
    }
}
