//! When a link counts as dead; values only, no timer runs here.

use std::time::Duration;

use tokio::time::Instant;

use crate::transport::wire::KeepAlive;

/// Something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Ping,
    PongTimeout,
    Silence,
    Stalled,
}

/// The clocks of one open link.
///
/// `awaiting` is the moment from which the pong clock counts: the ping, or the last byte after it. Both it and
/// `last_message` move forward by the time that we ourselves have stopped reading.
pub(crate) struct Clocks {
    keep_alive: KeepAlive,
    pause_limit: Duration,
    next_ping: Option<Instant>,
    awaiting: Option<Instant>,
    last_message: Instant,
    paused: Option<Instant>,
}

impl Clocks {
    pub(crate) fn new(keep_alive: KeepAlive, pause_limit: Duration, now: Instant) -> Self {
        let next_ping = after(now, keep_alive.ping_interval);
        Self { keep_alive, pause_limit, next_ping, awaiting: None, last_message: now, paused: None }
    }

    pub(crate) fn keep_alive(&self) -> KeepAlive {
        self.keep_alive
    }

    /// Bytes arrived, or our own ping still waits and the socket took some of what stands before it.
    pub(crate) fn alive(&mut self, now: Instant) {
        if self.awaiting.is_some() {
            self.awaiting = Some(now);
        }
    }

    pub(crate) fn message(&mut self, now: Instant) {
        self.last_message = now;
    }

    pub(crate) fn pinged(&mut self, now: Instant) {
        self.awaiting.get_or_insert(now);
        self.next_ping = after(now, self.keep_alive.ping_interval);
    }

    pub(crate) fn ponged(&mut self) {
        self.awaiting = None;
    }

    /// We stop reading; returns whether that is new.
    pub(crate) fn pause(&mut self, now: Instant) -> bool {
        let new = self.paused.is_none();
        self.paused.get_or_insert(now);
        new
    }

    /// We read again; returns how long the pause was, if there was one.
    pub(crate) fn resume(&mut self, now: Instant) -> Option<Duration> {
        let pause = now.saturating_duration_since(self.paused.take()?);
        self.last_message += pause;
        self.awaiting = self.awaiting.map(|since| since + pause);
        self.next_ping = self.next_ping.map(|at| at.max(now));
        Some(pause)
    }

    /// When to look again.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.deadlines().into_iter().flatten().map(|(at, _)| at).min()
    }

    /// What is due, the gravest first.
    pub(crate) fn due(&self, now: Instant) -> Option<Due> {
        self.deadlines().into_iter().flatten().find(|(at, _)| *at <= now).map(|(_, due)| due)
    }

    fn deadlines(&self) -> [Option<(Instant, Due)>; 3] {
        if let Some(paused) = self.paused {
            return [after(paused, self.pause_limit).map(|at| (at, Due::Stalled)), None, None];
        }
        let pong = self.awaiting.and_then(|since| after(since, self.keep_alive.pong_timeout));
        let silence = after(self.last_message, self.keep_alive.silence);
        [
            pong.map(|at| (at, Due::PongTimeout)),
            silence.map(|at| (at, Due::Silence)),
            self.next_ping.map(|at| (at, Due::Ping)),
        ]
    }
}

/// A duration of 0 switches a clock off, and so does one beyond what the clock can show.
fn after(since: Instant, duration: Duration) -> Option<Instant> {
    if duration.is_zero() { None } else { since.checked_add(duration) }
}
