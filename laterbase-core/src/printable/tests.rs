#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn what_steers_a_terminal_is_shown_by_its_number() {
    assert_eq!(Printable("a\x1b[2Jb").to_string(), r"a\u{1b}[2Jb");
    assert_eq!(Printable("a\u{9b}2Jb").to_string(), r"a\u{9b}2Jb");
    assert_eq!(Printable("\x07\x7f\0").to_string(), r"\u{7}\u{7f}\u{0}");
    assert_eq!(Printable("\u{202e}gpj.exe").to_string(), r"\u{202e}gpj.exe");
}

#[test]
fn a_value_stays_on_its_line() {
    assert_eq!(Printable("a\nWARN b\r\u{2028}c").to_string(), r"a\nWARN b\r\u{2028}c");
    assert_eq!(PrintableLines("a\nb\rc\u{85}d").to_string(), "a\nb\\rc\\u{85}d");
}

#[test]
fn other_text_is_left_alone() {
    let text = "Kofi Ünlü, 東京 🚚, e\u{301}, \u{a0}non-breaking";
    assert_eq!(Printable(text).to_string(), text);
    assert_eq!(PrintableLines(text).to_string(), text);
}

#[test]
fn every_control_that_rust_or_unicode_names_is_escaped() {
    for c in (0..=0x10_ffff).filter_map(char::from_u32) {
        let shown = Printable(c).to_string();
        assert!(!shown.chars().any(char::is_control), "{:04x}", u32::from(c));
        assert_eq!(shown != c.to_string(), is_control(c), "{:04x}", u32::from(c));
    }
}

#[test]
fn json_says_the_same_and_steers_nothing() {
    let text = "{\"a\u{9b}\":\r\n\t\"b\u{7f}\u{202e}c\", \"d\":[1,\r2]}";
    let shown = printable_json(text);
    assert!(!shown.chars().any(|c| is_control(c) && c != '\n'), "{shown}");
    let [before, after]: [serde_json::Value; 2] =
        [text, &shown].map(|text| serde_json::from_str(text).unwrap());
    assert_eq!(before, after);
    assert!(matches!(printable_json("{\"a\":\n1}"), Cow::Borrowed(_)));
}
