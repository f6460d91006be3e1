//! What was measured, and what is told of it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Numbers of one kind: nanoseconds or bytes.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    values: Vec<u64>,
    /// Time that belongs to the work as a whole and to no single sample, in nanoseconds.
    extra: u64,
}

/// Where samples lie, in their own unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The smallest.
    pub min: u64,
    /// A quarter is no larger.
    pub q1: u64,
    /// The middle one.
    pub median: u64,
    /// Three quarters are no larger.
    pub q3: u64,
    /// Nine tenths are no larger.
    pub p90: u64,
    /// 99 of a hundred are no larger.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

impl Samples {
    /// Adds a value.
    pub fn push(&mut self, value: u64) {
        self.values.push(value);
    }

    /// Does some work, adds the time that it took, and gives its result.
    pub fn time<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        self.push(nanos(start.elapsed()));
        result
    }

    /// Does some work whose time counts in the total and in no sample.
    pub fn time_extra<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        self.extra += nanos(start.elapsed());
        result
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All of them together, and what was extra.
    pub fn total(&self) -> u64 {
        self.values.iter().sum::<u64>() + self.extra
    }

    /// Where they lie: by nearest rank, without interpolation. All zero if there are none.
    pub fn quantiles(&self) -> Quantiles {
        let mut sorted = self.values.clone();
        sorted.sort_unstable();
        let Some(last) = sorted.len().checked_sub(1) else { return Quantiles::default() };
        let at = |thousandths: usize| sorted[(last * thousandths).div_ceil(1_000)];
        Quantiles {
            min: sorted[0],
            q1: at(250),
            median: at(500),
            q3: at(750),
            p90: at(900),
            p99: at(990),
            max: sorted[last],
        }
    }
}

/// A duration in nanoseconds.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
