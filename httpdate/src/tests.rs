use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{SECONDS_MAX, fmt_http_date, parse_http_date};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The example of RFC 9110, section 5.6.7, in its three forms.
#[test]
fn the_three_forms_of_a_date_are_one_time() {
    let written = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(fmt_http_date(at(784_111_777)), written);
    for text in [written, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert_eq!(parse_http_date(text).expect(text), at(784_111_777));
    }
}

#[test]
fn a_clock_out_of_bounds_gives_the_nearest_date() {
    let before = UNIX_EPOCH - Duration::from_secs(300_000_000);
    assert_eq!(fmt_http_date(before), "Thu, 01 Jan 1970 00:00:00 GMT");
    for beyond in [SECONDS_MAX + 1, SECONDS_MAX + 400_000_000_000] {
        assert_eq!(fmt_http_date(at(beyond)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}

/// `hyper` keeps the date in a field of 29 bytes.
#[test]
fn every_date_has_29_bytes_and_is_read_back() {
    let step = 86_400 * 31 + 3_607;
    for seconds in (0..SECONDS_MAX).step_by(step * 37).chain([0, 1, SECONDS_MAX]) {
        let text = fmt_http_date(at(seconds));
        assert_eq!(text.len(), 29, "{text}");
        assert_eq!(parse_http_date(&text).expect(&text), at(seconds));
    }
}

#[test]
fn other_texts_are_no_dates() {
    for text in ["", "now", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 CET", "\u{e9}"] {
        assert!(parse_http_date(text).is_err(), "{text}");
    }
}
