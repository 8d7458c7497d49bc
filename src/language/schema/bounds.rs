//! The smallest and largest values of what both a definition and the settings file can say of a connection; reads neither.

use super::Kind;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A range of whole numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: i64,
}

impl Bounds {
    const fn new(min: i64, max: i64) -> Self {
        Self { min, max }
    }

    /// The kind of a number in this range.
    pub(super) const fn integer(self) -> Kind {
        Kind::Integer { min: self.min, max: self.max }
    }

    /// The kind of a time in this range, in milliseconds.
    pub(super) const fn millis(self) -> Kind {
        Kind::Milliseconds { min: self.min, max: self.max }
    }

    /// Whether a number is in the range.
    pub fn holds(self, number: i64) -> bool {
        (self.min..=self.max).contains(&number)
    }
}

/// `TimeoutTime`, in ms.
pub const TIMEOUT: Bounds = Bounds::new(10, HOUR);
/// `TimeoutTimeElement`, in ms.
pub const ELEMENT_TIMEOUT: Bounds = Bounds::new(0, DAY);
/// `Retries`.
pub const RETRIES: Bounds = Bounds::new(0, 100);
/// `bs:Reconnect initialDelay`, in ms.
pub const INITIAL_DELAY: Bounds = Bounds::new(10, HOUR);
/// `bs:Reconnect maxDelay`, in ms.
pub const MAX_DELAY: Bounds = Bounds::new(10, DAY);
/// `bs:Reconnect settle`, in ms.
pub const SETTLE: Bounds = Bounds::new(0, HOUR);
/// `bs:Reconnect window`, in ms.
pub const WINDOW: Bounds = Bounds::new(0, MINUTE);
/// `bs:Reconnect closeTimeout`, in ms.
pub const CLOSE_TIMEOUT: Bounds = Bounds::new(0, MINUTE);
/// `bs:Reconnect rejectedDelay`, in ms.
pub const REJECTED_DELAY: Bounds = Bounds::new(1_000, 7 * DAY);
/// `bs:KeepAlive pingInterval`, in ms.
pub const PING_INTERVAL: Bounds = Bounds::new(0, DAY);
/// `bs:KeepAlive pongTimeout`, in ms.
pub const PONG_TIMEOUT: Bounds = Bounds::new(100, HOUR);
/// `bs:KeepAlive silence`, in ms.
pub const SILENCE: Bounds = Bounds::new(0, 7 * DAY);
/// `bs:Limits maxMessageBytes`.
pub const MAX_MESSAGE_BYTES: Bounds = Bounds::new(1, 1 << 30);
/// `bs:Limits sendQueue`.
pub const SEND_QUEUE: Bounds = Bounds::new(0, 1_000_000);

/// Whether `stopOn` takes a number: an HTTP status that ends a handshake without a link, or a close code (RFC 6455, 7.4).
pub fn is_stop_code(code: u16) -> bool {
    matches!(code, 300..=599 | 1000..=4999)
}

/// What [`is_stop_code`] takes, for messages.
pub const STOP_CODES: &str = "statuses are 300 to 599, close codes 1000 to 4999";
