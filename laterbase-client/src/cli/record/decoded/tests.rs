#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::BufReader;

use super::*;

const TEXT: &str = "größer, 漢字 🚚\r\n";

/// Reads through a buffer of few bytes, so that units and pairs are torn.
#[track_caller]
fn check(bytes: &[u8], expected: Option<&[u8]>) {
    for capacity in [1, 2, 3, 7, 8192] {
        let mut text = Vec::new();
        let mut decoded = Decoded::new(BufReader::with_capacity(capacity, bytes));
        let read = decoded.read_to_end(&mut text);
        assert_eq!(read.is_ok().then_some(&text[..]), expected, "{capacity}");
    }
}

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let marked = format!("\u{feff}{text}");
    marked.encode_utf16().flat_map(bytes_of).collect()
}

#[test]
fn text_of_every_mark_becomes_utf8() {
    check(&utf16(TEXT, u16::to_le_bytes), Some(TEXT.as_bytes()));
    check(&utf16(TEXT, u16::to_be_bytes), Some(TEXT.as_bytes()));
    check(format!("\u{feff}{TEXT}").as_bytes(), Some(TEXT.as_bytes()));
}

#[test]
fn what_has_no_mark_is_passed_on_as_it_is() {
    for bytes in [TEXT.as_bytes(), b"", b"x", b"\xef\xbb", b"\xffx", b"\xef\xbbx", b"\xfe"] {
        check(bytes, Some(bytes));
    }
}

#[test]
fn torn_text_is_refused() {
    let whole = utf16("🚚", u16::to_le_bytes);
    check(&whole[..5], None);
    check(&whole[..4], None);
    check(&[0xff, 0xfe, 0x3d, 0xd8, 0x3d, 0xd8, 0x9a, 0xde], None);
    check(&[0xff, 0xfe, 0x9a, 0xde], None);
}
