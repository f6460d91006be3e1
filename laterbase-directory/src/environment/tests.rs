#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, UNIX_EPOCH};

use super::{nanos_since_epoch, random_bytes_16, wall_clock_nanos};

const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

#[test]
fn times_on_both_sides_of_1970_are_counted_from_it() {
    assert_eq!(nanos_since_epoch(UNIX_EPOCH), 0);
    assert_eq!(nanos_since_epoch(UNIX_EPOCH + Duration::from_nanos(7)), 7);
    assert_eq!(nanos_since_epoch(UNIX_EPOCH - Duration::from_nanos(7)), -7);
}

#[test]
fn times_beyond_64_bits_saturate() {
    assert_eq!(nanos_since_epoch(UNIX_EPOCH + 3 * CENTURY), i64::MAX);
    assert_eq!(nanos_since_epoch(UNIX_EPOCH - 3 * CENTURY), i64::MIN);
}

#[test]
fn the_wall_clock_is_past_this_codes_writing() {
    let start_of_2025 = 1_735_689_600_000_000_000;
    assert!(wall_clock_nanos() > start_of_2025);
}

#[test]
fn random_bytes_do_not_repeat() {
    assert_ne!(random_bytes_16(), random_bytes_16());
}
