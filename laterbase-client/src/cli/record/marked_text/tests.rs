#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// What is rejected and recorded again is what it was, however often.
#[track_caller]
fn check(text: &[u8], expected: &str) {
    let line = marked(text, Some(7), "no \"reason\"");
    assert_eq!(String::from_utf8_lossy(&line), expected);
    assert_eq!(marked(&line, Some(7), "no \"reason\""), line, "nothing piles up");
    let again = unmarked(&line).unwrap();
    assert_eq!(marked(&again, Some(7), "no \"reason\""), line, "it comes back as it was");
}

const MARKS: &str = r#""rejected_row":7,"rejected_because":"no \"reason\"""#;

#[test]
fn objects_get_two_fields_and_keep_their_text() {
    check(br#"{"a":1.50,"a":1e400}"#, &format!(r#"{{{MARKS},"a":1.50,"a":1e400}}"#));
    check(b" {} ", &format!("{{{MARKS}}}"));
    check(b"{\n \"a\": [\n1]\r\n}\n", &format!("{{{MARKS},\"a\": [ 1]  }}"));
}

#[test]
fn broken_objects_stay_broken() {
    check(br#"{"a":1,"#, &format!(r#"{{{MARKS},"a":1,"#));
    check(br#"{"a":"x"#, &format!(r#"{{{MARKS},"a":"x"#));
    check(br#"{"a" 1}"#, &format!(r#"{{{MARKS},"a" 1}}"#));
    check(b"{,}", &format!("{{{MARKS},,}}"));
    check(b"{\"a\":\"\xff\"}", &format!("{{{MARKS},\"a\":\"\u{fffd}\"}}"));
    assert!(marked(b"{\"a\":\"\xff\"}", None, "").contains(&0xff));
}

#[test]
fn what_is_no_object_is_kept_as_a_text() {
    check(b"not json", &format!(r#"{{{MARKS},"rejected_text":"not json"}}"#));
    check(b"[\xff]", &format!(r#"{{{MARKS},"rejected_text":"[\\xff]"}}"#));
    check(b"{\"a\":\"x\ny\"}", &format!(r#"{{{MARKS},"rejected_text":"{{\"a\":\"x\ny\"}}"}}"#));
}

#[test]
fn the_fields_are_found_wherever_they_stand() {
    let sorted =
        br#"{"data":{"rejected_row":1},"rejected_because":"x" , "rejected_row":1,"type":"t"}"#;
    let unmarked = unmarked(sorted).unwrap();
    assert_eq!(str::from_utf8(&unmarked).unwrap(), r#"{"data":{"rejected_row":1},"type":"t"}"#);
    assert_eq!(super::unmarked(br#"{"data":{"rejected_row":1}}"#), None);
    assert_eq!(super::unmarked(b"not json"), None);
    // Somebody wrote the object beside the text that it was made of.
    let mended = br#"{"rejected_text":"no","type":"t"}"#;
    assert_eq!(super::unmarked(mended).unwrap(), br#"{"type":"t"}"#);
}
