#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn blank_lines_are_skipped_and_counted() {
    let mut lines = Lines::new(&b"one\n\n  \r\ntwo"[..]);
    assert_eq!(lines.next().unwrap(), Some(Line { number: 1, text: b"one", input_bytes: 4 }));
    assert_eq!(lines.next().unwrap(), Some(Line { number: 4, text: b"two", input_bytes: 8 }));
    assert_eq!(lines.next().unwrap(), None);
}

/// Also where the mark is all there is, as in an empty file that some editors save.
#[test]
fn a_byte_order_mark_before_a_line_is_passed_over() {
    let mut lines = Lines::new(&b"\xef\xbb\xbfone\n\xef\xbb\xbf\r\n\xef\xbb\xbftwo"[..]);
    assert_eq!(lines.next().unwrap(), Some(Line { number: 1, text: b"one", input_bytes: 7 }));
    assert_eq!(lines.next().unwrap(), Some(Line { number: 3, text: b"two", input_bytes: 11 }));
    assert_eq!(lines.next().unwrap(), None);
}

#[test]
fn an_endless_line_is_refused_before_it_fills_the_memory() {
    let mut lines = Lines::new(io::BufReader::new(io::repeat(b'x')));
    assert!(matches!(lines.next(), Err(LineFault { error: LineError::TooLong, number: 1 })));
    assert!(lines.text.capacity() <= 2 * LINE_BYTES_MAX + 2);
}

/// It was the number of the line before, plus one, blank lines or not.
#[test]
fn a_line_that_is_too_long_is_named_by_its_number() {
    let text = [b"one\n\n\n".to_vec(), vec![b'x'; LINE_BYTES_MAX + 1]].concat();
    let mut lines = Lines::new(&text[..]);
    assert_eq!(lines.next().unwrap().map(|line| line.number), Some(1));
    assert!(matches!(lines.next(), Err(LineFault { error: LineError::TooLong, number: 4 })));
}
