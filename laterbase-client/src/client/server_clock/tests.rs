#![allow(clippy::unwrap_used, reason = "tests")]

use http::HeaderValue;

use super::*;

const NANOS: i64 = 1_000_000_000;

/// 1 March 2024, 08:00:00 UTC.
const TOLD: i64 = 1_709_280_000;

#[track_caller]
fn check(sent: i64, came: i64, expected: i64) {
    let (clock, mut headers) = (ServerClock::default(), HeaderMap::new());
    assert_eq!(clock.ahead_seconds(), None);
    clock.hear(&headers, sent, came);
    assert_eq!(clock.ahead_seconds(), None, "an answer without a date tells nothing");
    headers.insert(DATE, HeaderValue::from_static("Fri, 01 Mar 2024 08:00:00 GMT"));
    clock.hear(&headers, sent, came);
    assert_eq!(clock.ahead_seconds(), Some(expected));
}

#[test]
fn what_the_way_and_the_form_of_a_date_explain_is_no_difference() {
    let at = TOLD * NANOS;
    check(at, at, 0);
    check(at + NANOS, at + NANOS + 1, 0);
    check(at - 30 * NANOS, at + 30 * NANOS, 0);
    check(at - 5 * NANOS, at, 0);
}

#[test]
fn what_they_do_not_explain_is_one() {
    let at = TOLD * NANOS;
    check(at + 3_600 * NANOS, at + 3_601 * NANOS, 3_599);
    check(at - 3_600 * NANOS, at - 3_590 * NANOS, -3_590);
    check(i64::MAX, i64::MAX, i64::MAX / NANOS - TOLD - 1);
    check(i64::MIN, i64::MIN, i64::MIN.div_euclid(NANOS) - TOLD);
}
