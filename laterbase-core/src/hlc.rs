//! Hybrid logical clocks (Kulkarni et al., "Logical Physical Clocks", 2014), on `uhlc`'s
//! time type.
//!
//! A stamp is an NTP64 time: seconds since 1970 in the upper 32 bits, a binary fraction of a
//! second (about 0.23 ns a step) in the lower. When the wall clock does not move forward, the
//! lowest bits count on.

use std::fmt;
use std::str::FromStr;

use uhlc::NTP64;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The latest wall clock reading that is taken at face value: 18 hours before NTP64 ends in
/// 2106. Above it, 2^48 stamps are left to count with.
const PHYSICAL_MAX: u64 = u64::MAX - (1 << 48);

/// A hybrid logical time: when an origin recorded an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc(NTP64);

impl Hlc {
    /// Before every stamp that a replica gives.
    pub const ZERO: Self = Self(NTP64(0));

    /// The last stamp there is.
    pub const MAX: Self = Self(NTP64(u64::MAX));

    /// Takes the 64 bits of an NTP64 time.
    pub const fn from_bits(bits: u64) -> Self {
        Self(NTP64(bits))
    }

    /// The 64 bits of the NTP64 time.
    pub const fn to_bits(self) -> u64 {
        self.0.0
    }

    /// The stamp of a wall clock reading, in nanoseconds since 1970. What lies outside the range
    /// is moved to its nearer end: 1970, or shortly before 2106-02-07.
    pub fn from_unix_nanos(nanos: i64) -> Self {
        let nanos = u64::try_from(nanos).unwrap_or(0);
        let second = NANOS_PER_SECOND.unsigned_abs();
        let seconds = (nanos / second).min(u64::from(u32::MAX));
        // Rounded up, so that the reading comes back unchanged.
        let fraction = ((nanos % second) << 32).div_ceil(second);
        Self(NTP64(((seconds << 32) + fraction).min(PHYSICAL_MAX)))
    }

    /// The physical part, in nanoseconds since 1970.
    pub fn to_unix_nanos(self) -> i64 {
        let bits = self.to_bits();
        let seconds = i64::from(u32::try_from(bits >> 32).unwrap_or(u32::MAX));
        let fraction = bits & u64::from(u32::MAX);
        let nanos = (fraction * NANOS_PER_SECOND.unsigned_abs()) >> 32;
        seconds * NANOS_PER_SECOND + i64::try_from(nanos).unwrap_or(0)
    }
}

/// Sixteen hex digits; text order is clock order.
impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.to_bits())
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hlc {
    type Err = HlcError;

    fn from_str(text: &str) -> Result<Self, HlcError> {
        if text.len() != 16 || text.starts_with('+') {
            return Err(HlcError::Text);
        }
        u64::from_str_radix(text, 16).map(Self::from_bits).map_err(|_not_hex| HlcError::Text)
    }
}

/// A replica's clock.
///
/// Invariant: every stamp it gives is greater than every stamp it gave before and than every
/// stamp it has accepted from others, whatever the wall clock says.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    last: Hlc,
    drift_nanos_max: i64,
}

impl Clock {
    /// A clock that goes on after `last`, its own durable high-water mark.
    ///
    /// Seeding skips the drift check on purpose: after a restart with the wall clock set back by
    /// fifty years, one's own old stamps still count.
    pub const fn new(last: Hlc, drift_nanos_max: i64) -> Self {
        Self { last, drift_nanos_max }
    }

    /// The greatest stamp given or accepted.
    pub const fn last(&self) -> Hlc {
        self.last
    }

    /// Gives the next stamp. `now_nanos` is the wall clock, in nanoseconds since 1970.
    ///
    /// # Errors
    /// [`HlcError::Exhausted`] if the last stamp there is has been given. The clock is unchanged.
    pub fn tick(&mut self, now_nanos: i64) -> Result<Hlc, HlcError> {
        let counted = self.last.to_bits().checked_add(1).ok_or(HlcError::Exhausted)?;
        self.last = Hlc::from_unix_nanos(now_nanos).max(Hlc::from_bits(counted));
        Ok(self.last)
    }

    /// Hears of another replica's stamp, so that later own stamps follow it.
    ///
    /// A stamp that is ahead of the wall clock by more than the drift bound is not believed: the
    /// clock stays as it is.
    pub fn observe(&mut self, stamp: Hlc, now_nanos: i64) -> Observation {
        let bound = Hlc::from_unix_nanos(now_nanos.saturating_add(self.drift_nanos_max));
        if stamp > bound && stamp > self.last {
            return Observation::Suspect;
        }
        self.last = self.last.max(stamp);
        Observation::Believed
    }
}

/// What a clock made of another replica's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The clock is not behind it now.
    Believed,
    /// It is too far in the future, so the clock did not move.
    Suspect,
}

/// Why there is no stamp. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HlcError {
    /// The clock has given its last stamp.
    #[error("the hybrid logical clock has reached its end")]
    Exhausted,
    /// Not sixteen hex digits.
    #[error("a hybrid logical time is 16 hex digits")]
    Text,
}

#[cfg(test)]
mod tests;
