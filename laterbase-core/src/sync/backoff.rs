//! When a failed question is put again.

use std::time::Duration;

/// How often, and when, a failed question is put again.
///
/// The wait doubles with every failure in a row. A random half of each is left out ([`Pause`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffOptions {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait, also if the peer asks for a longer one.
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
pub struct Backoff {
    options: BackoffOptions,
    failures: u32,
}

impl Backoff {
    /// No failure so far.
    pub const fn new(options: BackoffOptions) -> Self {
        Self { options, failures: 0 }
    }

    /// Something went well.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after another failure; `None` if it was one too many. `asked` is what the
    /// peer asks for.
    pub fn next_pause(&mut self, asked: Option<Duration>) -> Option<Pause> {
        self.failures += 1;
        if self.failures >= self.options.failures_max {
            return None;
        }
        let doubled = 2_u32.saturating_pow(self.failures - 1);
        let whole = self.options.first.saturating_mul(doubled).min(self.options.longest);
        let bound = |wait: Duration| wait.max(asked.unwrap_or_default()).min(self.options.longest);
        Some(Pause { least: bound(whole / 2), most: bound(whole) })
    }
}

/// How long to wait, between two bounds: whoever waits chooses at random, so that a fleet that lost
/// its server at one moment does not come back to it at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The shortest wait.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Pause {
    /// A wait between the bounds, by a random number.
    pub fn at(self, random: u8) -> Duration {
        self.least + (self.most - self.least) * u32::from(random) / u32::from(u8::MAX)
    }
}

#[cfg(test)]
mod tests;
