//! How slow a server, or the way to it, may be.

use std::time::Duration;

use tokio::time::Instant;

use crate::transport::TransportError;

/// How slow a server, or the way to it, may be. There is no bound on how long an answer takes
/// altogether: a slow link that carries bytes gets its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long nothing may come, or next to nothing.
    pub silence_max: Duration,
    /// The slowest link that is waited for, in bytes a second. What comes more slowly uses up
    /// `silence_max` as silence does.
    pub slowest_link_bytes: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence_max: Duration::from_secs(30), slowest_link_bytes: 1_000 }
    }
}

impl Patience {
    /// How long a request and the head of its answer may take. What has been seen of the link
    /// shortens it, as the network does not tell how much of a request has arrived.
    pub(super) fn for_sending(self, body_bytes: usize, seen_bytes_per_second: u64) -> Duration {
        let rate = self.slowest_link_bytes.max(seen_bytes_per_second / 16).max(1);
        self.silence_max + Duration::from_secs(body_bytes as u64 / rate)
    }
}

/// Waits for an answer's bytes. Every byte makes the wait longer by its time on the slowest link,
/// and never longer than a silence.
#[derive(Debug)]
pub(super) struct Waiting {
    patience: Patience,
    start: Instant,
    deadline: Instant,
    bytes: u64,
}

impl Waiting {
    pub(super) fn start(patience: Patience) -> Self {
        let start = Instant::now();
        Self { patience, start, deadline: start + patience.silence_max, bytes: 0 }
    }

    /// When it is given up.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn received(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        let nanos = bytes as u64 * 1_000_000_000 / self.patience.slowest_link_bytes.max(1);
        let latest = Instant::now() + self.patience.silence_max;
        self.deadline = (self.deadline + Duration::from_nanos(nanos)).min(latest);
    }

    /// Why it is given up.
    pub(super) fn exhausted(&self) -> TransportError {
        let seconds = self.start.elapsed().as_secs();
        match self.bytes {
            0 => TransportError::Silent { seconds },
            bytes => TransportError::Crawling { bytes, seconds },
        }
    }
}

#[cfg(test)]
mod tests;
