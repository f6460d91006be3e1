//! A line in the log for each request, for as many of them as can be afforded.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Lines a second. Of further requests, only how many there were is said.
const LINES_PER_SECOND_MAX: u64 = 200;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Says which requests get a line.
#[derive(Debug, Default)]
pub(crate) struct AccessLog {
    /// The second since 1970 that `lines` is of.
    second: AtomicI64,
    lines: AtomicU64,
    skipped: AtomicU64,
}

impl AccessLog {
    /// Whether there is a line for a request at a time, in nanoseconds since 1970; and how many
    /// requests had none before that nobody was told of.
    pub(crate) fn admit(&self, now: i64) -> (bool, u64) {
        let second = now / NANOS_PER_SECOND;
        // Whoever is first in a second begins it anew. A line more or less does not matter.
        let mut untold = 0;
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.lines.store(0, Ordering::Relaxed);
            untold = self.skipped.swap(0, Ordering::Relaxed);
        }
        let has_room = self.lines.fetch_add(1, Ordering::Relaxed) < LINES_PER_SECOND_MAX;
        if !has_room {
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
        (has_room, untold)
    }
}

#[cfg(test)]
mod tests;
