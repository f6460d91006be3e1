#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, BufReader};

use super::*;

/// Rows with the lines that they begin in, read through a buffer of few bytes.
fn read(text: &[u8], delimiter: Option<u8>) -> (Vec<(u64, Vec<String>)>, Option<String>) {
    let mut rows = Delimited::new(BufReader::with_capacity(3, text), delimiter);
    let (mut row, mut read) = (Row::default(), Vec::new());
    loop {
        match rows.next(&mut row) {
            Ok(true) => {
                read.push((row.number, row.cells().map(|cell| cell.text.to_owned()).collect()));
            }
            Ok(false) => return (read, None),
            Err(error) => return (read, Some(error.to_string())),
        }
    }
}

#[track_caller]
fn check(text: &str, expected: &[(u64, &[&str])]) {
    let (read, error) = read(text.as_bytes(), None);
    let expected: Vec<(u64, Vec<String>)> = expected
        .iter()
        .map(|(number, cells)| (*number, cells.iter().map(|cell| (*cell).to_owned()).collect()))
        .collect();
    assert_eq!((read, error), (expected, None), "{text:?}");
}

#[test]
fn rows_end_with_any_line_break_or_with_the_file() {
    check("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
    check("a,b\r\n1,2\r\n3,4", &[(1, &["a", "b"]), (2, &["1", "2"]), (3, &["3", "4"])]);
    check("", &[]);
    check("a", &[(1, &["a"])]);
    check("a,", &[(1, &["a", ""])]);
}

/// As spreadsheets of old Macs save them. All rows counted as the first line, and one that was
/// rejected took the others with it.
#[test]
fn rows_that_end_with_a_return_have_numbers_of_their_own() {
    check("a,b\r1,2\r\r3,4\r", &[(1, &["a", "b"]), (2, &["1", "2"]), (4, &["3", "4"])]);
    check(
        "a,b\r\n\r\r\n1,\"x\ry\r\nz\"\r3,4",
        &[(1, &["a", "b"]), (4, &["1", "x\ry\r\nz"]), (7, &["3", "4"])],
    );
    check("sep=|\ra|b\r1,2|3", &[(2, &["a", "b"]), (3, &["1,2", "3"])]);
}

#[test]
fn blank_lines_are_passed_over_and_counted() {
    check("\n\na,b\n\r\n\n1,2\n\n", &[(3, &["a", "b"]), (6, &["1", "2"])]);
}

#[test]
fn cells_in_quotes_hold_delimiters_and_line_breaks() {
    check(
        "a,b\r\n\"1,\r\n2\",\"say \"\"so\"\"\"\r\n3,5\" pipe",
        &[(1, &["a", "b"]), (2, &["1,\r\n2", "say \"so\""]), (4, &["3", "5\" pipe"])],
    );
}

#[test]
fn the_delimiter_is_found_out_or_said() {
    check("a;b,c;d\n1;2;3\n", &[(1, &["a", "b,c", "d"]), (2, &["1", "2", "3"])]);
    check("a\tb\n1,5\t2\n", &[(1, &["a", "b"]), (2, &["1,5", "2"])]);
    check("\"a;b;c\",d\n", &[(1, &["a;b;c", "d"])]);
    check("sep=\t\r\na\tb;c\n", &[(2, &["a", "b;c"])]);
    check("\n\r\na;b;c,d\n", &[(3, &["a", "b", "c,d"])]);
    check("sep=|\r\na|b\r\n1,2|3\r\n", &[(2, &["a", "b"]), (3, &["1,2", "3"])]);
    let (rows, _) = read(b"a;b,c\n", Some(b','));
    assert_eq!(rows, [(1, vec!["a;b".to_owned(), "c".to_owned()])]);
}

#[test]
fn long_rows_are_read_whole() {
    let cell = "x".repeat(100_000);
    let cells = vec![cell.as_str(); 3];
    check(&format!("{}\n1,2\n", cells.join(",")), &[(1, &cells), (2, &["1", "2"])]);
    let many: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    check(&many.join(","), &[(1, &many)]);
}

/// The rest of the file would be one cell otherwise, without a word.
#[test]
fn a_quote_that_is_not_closed_is_refused() {
    let (rows, error) = read(b"a,b\n1,2\n3,\"4\n5,6\n", None);
    assert_eq!(rows.len(), 2);
    assert!(error.unwrap().contains("not closed"));
}

#[test]
fn an_endless_row_is_refused_before_it_fills_the_memory() {
    for endless in [b'x', b','] {
        let mut rows = Delimited::new(BufReader::new(io::repeat(endless)), Some(b','));
        assert!(matches!(rows.next(&mut Row::default()), Err(RowError::Broken { number: 1, .. })));
        assert!(rows.unfinished.bytes.len() <= 2 * ROW_BYTES_MAX);
    }
}

#[test]
fn a_row_that_is_no_text_is_refused_alone() {
    let mut rows = Delimited::new(&b"a,b\n1,\xff\n3,4\n"[..], None);
    let mut row = Row::default();
    assert!(rows.next(&mut row).unwrap());
    assert!(matches!(rows.next(&mut row), Err(RowError::Bad(_))));
    assert_eq!(row.kept_bytes(), Some(&[b"1".to_vec(), b"\xff".to_vec()][..]));
    assert!(rows.next(&mut row).unwrap());
    assert_eq!((row.number, row.cell(0).text), (3, "3"));
}

/// Input that pauses before every byte.
struct Halting<'h> {
    bytes: &'h [u8],
    is_paused: bool,
}

impl io::Read for Halting<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.is_paused = !self.is_paused;
        if self.is_paused {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = self.bytes.len().min(bytes.len()).min(1);
        bytes[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

#[test]
fn reading_goes_on_behind_a_pause() {
    let halting = Halting { bytes: b"a,b\r\n\r\n\"1\n2\",3\r\n4,5", is_paused: false };
    let mut rows = Delimited::new(BufReader::new(halting), None);
    let (mut row, mut read) = (Row::default(), Vec::new());
    loop {
        match rows.next(&mut row) {
            Ok(true) => read.push((row.number, row.cell(0).text.to_owned(), row.len())),
            Ok(false) => break,
            Err(error) => assert!(matches!(error, RowError::Paused), "{error}"),
        }
    }
    let expected = [(1, "a", 2), (3, "1\n2", 2), (5, "4", 2)];
    assert_eq!(read, expected.map(|(number, text, len)| (number, text.to_owned(), len)));
}
