//! How far this machine's clock is from a server's, as far as its answers tell.

use std::sync::atomic::{AtomicI64, Ordering};

use http::HeaderMap;
use http::header::DATE;

use super::retry_after::date;

/// No answer has told it yet.
const UNKNOWN: i64 = i64::MIN;

/// What the last answer told.
#[derive(Debug)]
pub(super) struct ServerClock(AtomicI64);

impl Default for ServerClock {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl ServerClock {
    /// Hears the date of an answer to a request that was sent at a time by this clock, and whose
    /// head came at another. In nanoseconds since 1970 UTC.
    pub(super) fn hear(&self, headers: &HeaderMap, sent: i64, came: i64) {
        if let Some(told) = date(headers, &DATE).and_then(seconds) {
            self.0.store(ahead(told, sent, came), Ordering::Relaxed);
        }
    }

    /// By how many seconds this clock is ahead of the server's, at the least; below 0 if it is
    /// behind. `None` if no answer has told it.
    pub(super) fn ahead_seconds(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|seconds| *seconds != UNKNOWN)
    }
}

/// The server wrote its date somewhen between, in whole seconds that have passed. What can be
/// explained by that is no difference.
fn ahead(told: i64, sent: i64, came: i64) -> i64 {
    const NANOS: i64 = 1_000_000_000;
    let (earliest, latest) = (sent.div_euclid(NANOS), came.div_euclid(NANOS));
    if earliest > told.saturating_add(1) {
        earliest - told - 1
    } else if latest < told {
        latest - told
    } else {
        0
    }
}

fn seconds(time: std::time::SystemTime) -> Option<i64> {
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod tests;
