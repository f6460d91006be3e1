use super::*;

#[test]
fn what_has_no_line_is_counted_and_told_in_the_next_second() {
    let log = AccessLog::default();
    let first = 1_500_000_000;
    let admitted = (0..300).filter(|_| log.admit(first).0).count();
    assert_eq!(admitted, 200);
    assert_eq!(log.admit(2_000_000_000), (true, 100));
    assert_eq!(log.admit(2_900_000_000), (true, 0));
}
