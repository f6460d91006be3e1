//! A floor under the speed at which bytes come in or go out.

use std::time::Duration;

use tokio::time::Instant;

/// How slow a stream may be: behind its rate for so long, and no longer.
///
/// Being early earns nothing beyond that, so that a stream which was fast at first cannot stand
/// still for the rest. A whole stream takes at most the lag and its bytes at the rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    lag_time_max: Duration,
    bytes_per_second_min: u64,
    deadline: Instant,
}

impl Pace {
    /// Begins now. The rate is not zero.
    pub(crate) fn new(lag_time_max: Duration, bytes_per_second_min: u64) -> Self {
        assert!(bytes_per_second_min > 0, "bounds are checked when the server is built");
        let deadline = Instant::now() + lag_time_max;
        Self { lag_time_max, bytes_per_second_min, deadline }
    }

    /// Some bytes got through.
    pub(crate) fn advance(&mut self, bytes: usize) {
        let nanos = u128::try_from(bytes).unwrap_or(u128::MAX).saturating_mul(1_000_000_000)
            / u128::from(self.bytes_per_second_min);
        let earned = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        // The rest of an earned time that is longer than the lag is of no use.
        let earned = earned.min(2 * self.lag_time_max);
        self.deadline = (self.deadline + earned).min(Instant::now() + self.lag_time_max);
    }

    /// When the stream is too slow, unless something gets through before.
    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

#[cfg(test)]
mod tests;
