//! What a shell hands to the core because the core must not reach for it: time and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970 UTC by the system's clock, negative before.
///
/// A clock beyond what 64 bits hold (before 1677 or after 2262) gives the nearest value that they
/// do. It never panics.
pub fn wall_clock_nanos() -> i64 {
    nanos_since_epoch(SystemTime::now())
}

/// 128 bits from the operating system's random source.
///
/// # Panics
/// If the system has no random source. Nothing that needs an id can go on then.
pub fn random_bytes_16() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

fn nanos_since_epoch(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

#[cfg(test)]
mod tests;
