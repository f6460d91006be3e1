#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;

#[test]
fn times_of_every_offset_are_the_same_instant() {
    for (text, nanos) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2019-11-01T14:00:00.000+01:00", 1_572_613_200 * SECOND),
        ("2019-11-01t13:00:00z", 1_572_613_200 * SECOND),
        ("2019-11-01 13:00:00-00:00", 1_572_613_200 * SECOND),
        ("2019-11-01T07:30:00-05:30", 1_572_613_200 * SECOND),
        ("1948-05-14T00:00:00Z", -682_732_800 * SECOND),
        ("2019-11-01T13:00:00.1234567891Z", 1_572_613_200 * SECOND + 123_456_789),
        ("2019-11-01T13:00:00.99999999999999999999Z", 1_572_613_200 * SECOND + 999_999_999),
        ("2019-11-02T12:59:00+23:59", 1_572_613_200 * SECOND),
        ("2262-04-11T23:47:16.854775807Z", i64::MAX),
        ("1677-09-21T00:12:43.145224192Z", i64::MIN),
    ] {
        assert_eq!(parse_time(text), Ok(nanos), "{text}");
    }
}

#[test]
fn what_is_not_rfc_3339_is_refused() {
    for text in [
        "",
        "yesterday",
        "2013-01-01",
        "2013-01-01T10:15:00",
        "2013-01-01T10:15Z",
        "2013-01-01T10:15:00+01",
        "2013-01-01T10:15:00+0100",
        "2013-01-01T10:15:00.Z",
        "2013-01-01T10:15:00,5Z",
        "2013-01-01T10:15:00Z[UTC]",
        "-001-01-01T00:00:00Z",
        "2013-01-01T10:15:00 01:00",
        " 2013-01-01T10:15:00Z",
        "2013-01-01T10:15:00Z ",
        "+002013-01-01T10:15:00Z",
        "1357035300",
        "2013-01-01T10:15:00é",
        "2013-01-01T10:15:00+é:00",
    ] {
        assert_eq!(parse_time(text), Err(TimeError::Form), "{text:?}");
    }
}

#[test]
fn what_no_calendar_or_clock_has_is_no_time() {
    for text in [
        "2013-02-29T00:00:00Z",
        "2013-13-01T00:00:00Z",
        "2013-00-01T00:00:00Z",
        "2013-01-01T24:00:00Z",
        "2013-01-01T10:60:00Z",
        "2013-01-01T10:15:61Z",
        // A second is only put in where a day ends in UTC.
        "2013-01-01T10:15:60Z",
        "2016-12-31T23:59:60+01:00",
    ] {
        assert_eq!(parse_time(text), Err(TimeError::NoSuchTime), "{text:?}");
    }
}

#[test]
fn an_offset_of_a_day_or_more_is_no_offset() {
    // "+25:59" moved an event by 26 hours without a word.
    for offset in ["+24:00", "-24:00", "+25:59", "+99:99", "+00:60", "-12:99"] {
        let text = format!("2024-03-01T08:00:00{offset}");
        assert_eq!(parse_time(&text), Err(TimeError::Offset), "{text:?}");
    }
}

#[test]
fn a_leap_second_sorts_behind_all_of_its_minute() {
    // The half of a leap second was read as the half of the second before it, and an event of
    // 23:59:59.9 was folded after it.
    let last = parse_time("2016-12-31T23:59:59.999999999Z").unwrap();
    for text in [
        "2016-12-31T23:59:60Z",
        "2016-12-31T23:59:60.5Z",
        "2016-12-31t15:59:60.999-08:00",
        "2017-01-01T09:29:60+09:30",
    ] {
        assert_eq!(parse_time(text), Ok(last), "{text:?}");
    }
}

#[test]
fn times_that_64_bits_do_not_reach_are_out_of_range() {
    for text in [
        "0000-01-01T00:00:00Z",
        "1677-09-21T00:12:43.145224191Z",
        "2262-04-11T23:47:16.854775808Z",
        "9999-12-30T21:59:59Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59-23:59",
        "0000-01-01T00:00:00+23:59",
    ] {
        assert_eq!(parse_time(text), Err(TimeError::Range), "{text}");
    }
}

#[test]
fn a_bound_beyond_what_64_bits_reach_is_no_bound() {
    assert_eq!(parse_time_bound("9999-12-31T23:59:59Z"), Ok(i64::MAX));
    assert_eq!(parse_time_bound("0001-01-01T00:00:00Z"), Ok(i64::MIN));
    assert_eq!(parse_time_bound("1970-01-01T00:00:01Z"), Ok(SECOND));
    assert_eq!(parse_time_bound("9999-12-31"), Err(TimeError::Form));
    assert_eq!(parse_time_bound("9999-02-30T00:00:00Z"), Err(TimeError::NoSuchTime));
}

#[test]
fn a_bound_ahead_is_a_duration_or_none() {
    for (text, nanos) in [
        ("none", i64::MAX),
        ("0s", 0),
        ("90s", 90 * SECOND),
        ("2h 30m", 9_000 * SECOND),
        ("2 hours", 7_200 * SECOND),
        ("5 days", 432_000 * SECOND),
        ("5d", 432_000 * SECOND),
        ("PT1H", 3_600 * SECOND),
        ("250ms", SECOND / 4),
    ] {
        assert_eq!(parse_bound_ahead(text), Ok(nanos), "{text:?}");
    }
    for text in ["", "90", "-90s", "None", "1 month", "1y", "soon", "99999999 days"] {
        assert_eq!(parse_bound_ahead(text), Err(TimeError::Duration), "{text:?}");
    }
}

#[test]
fn recorded_times_carry_nine_digits_and_others_what_they_need() {
    let mut out = Vec::new();
    write_time_nanoseconds(&mut out, 1_500_000_000);
    assert_eq!(out, b"1970-01-01T00:00:01.500000000Z");
    assert_eq!(format_time(1_500_000_000), "1970-01-01T00:00:01.5Z");
    assert_eq!(format_time(0), "1970-01-01T00:00:00Z");
}

proptest! {
    #[test]
    fn every_time_comes_back(nanos: i64) {
        prop_assert_eq!(parse_time(&format_time(nanos)), Ok(nanos));
        let mut out = Vec::new();
        write_time_nanoseconds(&mut out, nanos);
        prop_assert_eq!(parse_time(std::str::from_utf8(&out).unwrap()), Ok(nanos));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}", near in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}[.0-9Z+:-]{0,12}") {
        let _ = parse_time(&text);
        let _ = parse_time(&near);
    }
}
