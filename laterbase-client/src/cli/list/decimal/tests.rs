#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[track_caller]
fn check_order(a: &str, b: &str, expected: Ordering) {
    let [left, right] = [a, b].map(|text| Decimal::parse(text).unwrap());
    assert_eq!(left.cmp(&right), expected, "{a} and {b}");
    assert_eq!(right.cmp(&left), expected.reverse(), "{b} and {a}");
    assert_eq!(left == right, expected.is_eq(), "{a} and {b}");
}

#[test]
fn numbers_that_are_worth_the_same_are_equal_however_they_are_written() {
    for (a, b) in [
        ("12", "12.0"),
        ("12", "1.2e1"),
        ("12", "120E-1"),
        ("0", "-0.0"),
        ("0e9", "0"),
        ("0.001", "1e-3"),
        ("-5", "-5.00"),
    ] {
        check_order(a, b, Ordering::Equal);
    }
}

#[test]
fn numbers_are_ordered_without_rounding() {
    let rising = [
        "-1e400",
        "-12",
        "-2",
        "-0.5",
        "0",
        "1e-400",
        "0.5",
        "0.50000000000000000001",
        "2",
        "12",
        "9007199254740992",
        "9007199254740993",
        "1e400",
        "1e99999999999999999999",
    ];
    for pair in rising.windows(2) {
        check_order(pair[0], pair[1], Ordering::Less);
    }
}

#[test]
fn what_json_does_not_write_is_no_number() {
    for text in ["", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", "NaN", "1 ", "٣", "1e1.5"] {
        assert_eq!(Decimal::parse(text), None, "{text:?}");
    }
}
