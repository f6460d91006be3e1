//! When a failed request is made again.

use std::time::Duration;

use laterbase_directory::environment::random_bytes_16;

/// How often, and when, a failed request is made again.
///
/// The wait doubles with every failure in a row. Of each wait, a random half is left out, so that
/// a fleet that lost its server at one moment does not come back to it at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffOptions {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait, also if the server asks for a longer one.
    pub longest: Duration,
    /// Failures in a row after which the sync gives up.
    pub failures_max: u32,
}

impl Default for BackoffOptions {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            failures_max: 6,
        }
    }
}

/// Counts the failures in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    options: BackoffOptions,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(options: BackoffOptions) -> Self {
        Self { options, failures: 0 }
    }

    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after another failure; `None` if it was one too many.
    pub(crate) fn next_delay(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.failures += 1;
        if self.failures >= self.options.failures_max {
            return None;
        }
        let doubled = 2_u32.saturating_pow(self.failures - 1);
        let whole = self.options.first.saturating_mul(doubled).min(self.options.longest);
        let [random, ..] = random_bytes_16();
        let delay = whole / 2 + whole / 2 * u32::from(random) / u32::from(u8::MAX);
        Some(delay.max(asked.unwrap_or_default()).min(self.options.longest))
    }
}

#[cfg(test)]
mod tests;
