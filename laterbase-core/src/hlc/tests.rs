#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

const YEAR: i64 = 365 * 24 * 3600 * NANOS_PER_SECOND;
const NOW: i64 = 56 * YEAR;

fn clock(last: Hlc) -> Clock {
    Clock::new(last, 500_000_000)
}

#[test]
fn stamps_rise_while_the_wall_clock_stands_still_or_falls() {
    let mut clock = clock(Hlc::ZERO);
    let mut before = Hlc::ZERO;
    for now in [NOW, NOW, NOW - 3600 * NANOS_PER_SECOND, NOW - 50 * YEAR, -1, i64::MIN, NOW] {
        let stamp = clock.tick(now).unwrap();
        assert!(stamp > before, "at {now}");
        before = stamp;
    }
}

#[test]
fn a_restart_with_the_clock_set_back_goes_on_after_the_high_water_mark() {
    let high = clock(Hlc::ZERO).tick(NOW).unwrap();
    for back in [0, 3600 * NANOS_PER_SECOND, 50 * YEAR] {
        assert!(clock(high).tick(NOW - back).unwrap() > high);
    }
}

#[test]
fn a_rogue_stamp_does_not_move_the_clock() {
    let mut clock = clock(Hlc::ZERO);
    let own = clock.tick(NOW).unwrap();
    for rogue in [Hlc::MAX, Hlc::from_unix_nanos(NOW + 10 * YEAR)] {
        assert_eq!(clock.observe(rogue, NOW), Observation::Suspect);
        assert_eq!(clock.last(), own);
    }
}

#[test]
fn a_believed_stamp_is_followed() {
    let mut clock = clock(Hlc::ZERO);
    let theirs = Hlc::from_unix_nanos(NOW + 500_000_000);
    assert_eq!(clock.observe(theirs, NOW), Observation::Believed);
    assert!(clock.tick(NOW).unwrap() > theirs);
}

#[test]
fn the_end_of_time_is_an_error_and_not_a_panic() {
    let mut nearly = clock(Hlc::from_bits(u64::MAX - 1));
    assert_eq!(nearly.tick(i64::MAX), Ok(Hlc::MAX));
    assert_eq!(nearly.tick(i64::MAX), Err(HlcError::Exhausted));
    assert_eq!(nearly.last(), Hlc::MAX);
}

#[test]
fn a_wall_clock_past_2106_leaves_room_to_count() {
    let mut clock = clock(Hlc::ZERO);
    for _ in 0..1000 {
        clock.tick(i64::MAX).unwrap();
    }
    assert!(clock.last() < Hlc::MAX);
}

proptest! {
    #[test]
    fn nanoseconds_come_back_unchanged(nanos in 0_i64..4_294_000_000 * NANOS_PER_SECOND) {
        prop_assert_eq!(Hlc::from_unix_nanos(nanos).to_unix_nanos(), nanos);
    }

    #[test]
    fn text_order_is_clock_order(a: u64, b: u64) {
        let (a, b) = (Hlc::from_bits(a), Hlc::from_bits(b));
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        prop_assert_eq!(a.to_string().parse(), Ok(a));
    }

    #[test]
    fn no_bits_and_no_reading_panic(bits: u64, now: i64) {
        let mut clock = clock(Hlc::from_bits(bits));
        let _ = clock.tick(now);
        clock.observe(Hlc::from_bits(bits.rotate_left(7)), now);
        let _ = Hlc::from_bits(bits).to_unix_nanos();
    }
}
