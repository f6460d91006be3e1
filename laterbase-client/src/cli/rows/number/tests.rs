use super::*;

#[track_caller]
fn check(numbers: &[&str], are: bool) {
    for text in numbers {
        assert_eq!(is_number(text), are, "{text}");
    }
}

#[test]
fn numbers_that_read_back_as_they_are_written_are_numbers() {
    check(&["0", "7", "-7", "12.50", "-0.5", "0.001", "123456789012345"], true);
}

#[test]
fn what_only_looks_like_a_number_stays_text() {
    check(&["", "-", "00123", "-01", "1.", ".5", "+1", "1e5", "1,5", " 1", "0x1", "NaN"], false);
    check(&["-0", "-0.0", "1.2.3", "١٢"], false);
}

#[test]
fn numbers_longer_than_every_reader_keeps_stay_text() {
    check(&["340123450000000018", "0.1234567890123456", "1234567890123456"], false);
}
