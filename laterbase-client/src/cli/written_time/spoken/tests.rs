#![allow(clippy::unwrap_used, reason = "tests")]

use laterbase_core::time::format_time;

use super::*;

/// Reads on a Wednesday in Berlin, in winter.
fn spoken(text: &str) -> Result<Spoken, WrittenTimeError> {
    let now: Zoned = "2024-03-06T15:30:00+01:00[Europe/Berlin]".parse().unwrap();
    read(text, &now)
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let Spoken { first, last } = spoken(text).unwrap();
    assert_eq!((format_time(first.nanos).as_str(), first.nanos), (expected, last), "{text}");
}

#[track_caller]
fn check_day(text: &str, first: &str, last: &str) {
    let spoken = spoken(text).unwrap();
    let found = (format_time(spoken.first.nanos), format_time(spoken.last));
    assert_eq!(found, (first.to_owned(), last.to_owned()), "{text}");
}

#[test]
fn moments_are_said_from_now_on_back() {
    check("now", "2024-03-06T14:30:00Z");
    check("2h ago", "2024-03-06T12:30:00Z");
    check("90 minutes ago", "2024-03-06T13:00:00Z");
    check("1 week ago", "2024-02-28T14:30:00Z");
    check("yesterday 18:00", "2024-03-05T17:00:00Z");
    check("Monday 8:05".replace("8:", "08:").as_str(), "2024-03-04T07:05:00Z");
    check("tomorrow 06:00:30", "2024-03-07T05:00:30Z");
}

#[test]
fn moments_say_how_far_the_clocks_were_from_utc() {
    for text in ["now", "2h ago", "monday", "monday 08:00", "2024-03-01 08:00"] {
        assert_eq!(spoken(text).unwrap().first.offset, Some(60), "{text}");
    }
    assert_eq!(spoken("2024-07-01").unwrap().first.offset, Some(120));
    assert_eq!(spoken("2024-07-01T08:00:00-05:00").unwrap().first.offset, Some(-300));
    assert_eq!(spoken("2024-07-01T08:00:00Z").unwrap().first.offset, None);
}

#[test]
fn a_day_lasts_from_its_beginning_to_its_end() {
    check_day("today", "2024-03-05T23:00:00Z", "2024-03-06T22:59:59.999999999Z");
    check_day("monday", "2024-03-03T23:00:00Z", "2024-03-04T22:59:59.999999999Z");
    check_day("wed", "2024-03-05T23:00:00Z", "2024-03-06T22:59:59.999999999Z");
    check_day("thursday", "2024-02-28T23:00:00Z", "2024-02-29T22:59:59.999999999Z");
    check_day("2024-03-31", "2024-03-30T23:00:00Z", "2024-03-31T21:59:59.999999999Z");
}

#[test]
fn times_that_are_written_are_read_as_well() {
    check("2024-03-01 08:00", "2024-03-01T07:00:00Z");
    check("2024-03-01T08:00:00Z", "2024-03-01T08:00:00Z");
    check("2024-03-01 08:00:15.5", "2024-03-01T07:00:15.5Z");
}

#[test]
fn what_nobody_says_is_refused() {
    for text in ["", "soon", "ago", "2 moons ago", "monday noon", "monday 25:00", "in 2h", "18:00"]
    {
        let error = spoken(text).unwrap_err().to_string();
        assert!(error.contains("yesterday 18:00"), "{text}: {error}");
    }
    let error = spoken("2024-10-27 02:30").unwrap_err().to_string();
    assert!(error.contains("+02:00") && error.contains("+01:00"), "{error}");
    assert!(spoken("300000 years ago").is_err());
}
