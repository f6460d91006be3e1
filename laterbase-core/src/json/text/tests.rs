#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;

#[track_caller]
fn check_good(text: &str) {
    assert_eq!(check_data(text.as_bytes()), Ok(()), "{text}");
}

#[track_caller]
fn check_bad(text: &str, error: DataError) {
    assert_eq!(check_data(text.as_bytes()), Err(error), "{text}");
}

#[test]
fn json_of_every_form_can_be_read() {
    for text in [
        "0",
        "-0",
        "1E2",
        "1e-400",
        "1e400",
        "1.0",
        "-12.5e+7",
        "\"\"",
        "null",
        " true\r\n\t",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1,2 , 3]",
        r#"{"a":{"a":[{}]},"b":"c"}"#,
        r#""\"\\\/\b\f\n\r\t\u0000\u00e9""#,
        r#""😀 \ud83d\ude00 \uD83D\uDE00""#,
        r#"{"a":1,"a":2}"#,
        "\"\u{7f}\u{2028}\"",
    ] {
        check_good(text);
    }
    check_good(&"9".repeat(300));
    check_good(&format!("\"{}\"", "x".repeat(1000)));
}

#[test]
fn what_is_no_json_is_found_where_it_begins() {
    for (text, at) in [
        ("", 0),
        ("  ", 2),
        ("nul", 0),
        ("nullx", 4),
        ("01", 1),
        ("-", 1),
        ("1.", 2),
        (".5", 0),
        ("1e", 2),
        ("+1", 0),
        ("NaN", 0),
        ("[1,]", 3),
        ("[1", 2),
        ("{1:2}", 1),
        ("{\"a\"}", 4),
        ("{\"a\":1,}", 7),
        ("[1}", 2),
        ("\"a", 2),
        ("\"\n\"", 1),
        (r#""\x""#, 1),
        (r#""\u12"#, 3),
        (r#""\u12G4""#, 3),
        ("\"\\", 1),
        ("1 2", 2),
        ("'a'", 0),
        ("\u{feff}1", 0),
        ("]", 0),
    ] {
        check_bad(text, DataError::NotJson { at });
    }
    assert_eq!(check_data(b"\"\xff\""), Err(DataError::NotJson { at: 1 }));
}

/// A text was cut within an emoji, and the built-in folds left out the whole event.
#[test]
fn half_of_a_surrogate_pair_is_no_character() {
    for (text, at) in [
        (r#""\ud83d""#, 1),
        (r#"{"note":"a\uD83D","qty":7}"#, 10),
        (r#"{"\udc00":1}"#, 2),
        (r#""\ud83d\u0041""#, 1),
        (r#""\ud83d\ud83d\ude00""#, 1),
        (r#""\ud83dx""#, 1),
    ] {
        check_bad(text, DataError::HalfCharacter { at });
    }
    check_good(r#""\\ud83d""#);
}

/// Data of 100,000 nested arrays was taken, and no page of a feed with it could be parsed.
#[test]
fn data_nests_128_deep_and_no_deeper() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [1, 127, 128] {
            let core = if open == "[" { "" } else { "1" };
            check_good(&format!("{}{core}{}", open.repeat(depth), close.repeat(depth)));
        }
        for depth in [129, 100_000] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            check_bad(&text, DataError::TooDeep);
        }
    }
    check_good(&format!("[{}]", vec!["[]"; 1000].join(",")));
    check_good(&format!("\"{}\"", "[".repeat(1000)));
}

/// JSON of all kinds, also of those that only look like it.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just(":".to_owned()),
        Just(" ".to_owned()),
        Just("\"".to_owned()),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        "\"([a-c \\u{e9}\\u{1f600}]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,12}\"",
        "true|false|null|nul|tru",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Well-formed JSON.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        "\"([a-c \\u{e9}\\u{1f600}]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-f]{2}|\\\\ud83d\\\\ude0[0-9]){0,12}\"",
        "true|false|null",
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[ {} ]", items.join(" , "))),
            prop::collection::vec(("[a-c]|\\\\u006[1-3]", inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
                format!("{{{}}}", members.join(",\n"))
            }),
        ]
    })
}

proptest! {
    /// The parser of others is the judge of what is JSON.
    #[test]
    fn what_is_json_is_what_others_take_for_it(text in text()) {
        let is_json = serde_json::from_str::<&RawValue>(&text).is_ok();
        match check_data(text.as_bytes()) {
            Ok(()) => prop_assert!(is_json, "{text} is no JSON"),
            Err(DataError::NotJson { .. }) => prop_assert!(!is_json, "{text} is JSON"),
            // The fault may stand before another one.
            Err(DataError::HalfCharacter { .. }) => {
                prop_assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
            }
            Err(DataError::TooDeep) => prop_assert!(false, "{text} is not deep"),
        }
    }

    #[test]
    fn documents_can_be_read(text in document()) {
        prop_assert_eq!(check_data(text.as_bytes()), Ok(()));
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = check_data(&bytes);
    }

    /// Eight bytes at a time finds what one at a time finds.
    #[test]
    fn plain_characters_end_at_the_first_that_is_not(bytes: Vec<u8>, start in 0..20_usize) {
        let start = start.min(bytes.len());
        let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
        let end = bytes[start..].iter().position(|byte| !is_plain(byte));
        prop_assert_eq!(end_of_plain(&bytes, start), end.map_or(bytes.len(), |end| start + end));
    }
}
