#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[track_caller]
fn check(retry_after_text: &str, date: Option<&str>, seconds: Option<u64>) {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, retry_after_text.parse().unwrap());
    if let Some(date) = date {
        headers.insert(DATE, date.parse().unwrap());
    }
    assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{retry_after_text}");
}

#[test]
fn seconds_are_taken_also_where_they_are_more_than_a_number_holds() {
    check("0", None, Some(0));
    check(" 120 ", None, Some(120));
    check("99999999999999999999999999", None, Some(u64::MAX));
    check("", None, None);
    check("-1", None, None);
    check("1.5", None, None);
    check("soon", None, None);
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

/// The story: a proxy asked for 8 s by a date, and was asked again after 0.2 s.
#[test]
fn a_date_is_told_by_the_clock_of_the_server_that_gave_it() {
    let now = Some("Fri, 01 Mar 2024 08:00:00 GMT");
    check("Fri, 01 Mar 2024 08:00:08 GMT", now, Some(8));
    check("Fri, 01 Mar 2024 07:59:59 GMT", now, Some(0));
    // The two other forms that a date may have.
    check("Friday, 01-Mar-24 08:01:00 GMT", now, Some(60));
    check("Fri Mar  1 08:01:00 2024", now, Some(60));
    check("Fri, 32 Mar 2024 08:00:08 GMT", now, None);
}

#[test]
fn without_a_clock_of_the_server_ours_has_to_do() {
    check("Fri, 01 Mar 2024 08:00:00 GMT", None, Some(0));
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, "Mon, 01 Jan 9990 00:00:00 GMT".parse().unwrap());
    assert!(retry_after(&headers).unwrap() > Duration::from_secs(3_600));
}
