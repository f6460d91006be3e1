#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::*;

#[test]
fn made_events_have_the_payload_that_tables_speak_of_and_do_not_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let events = Events::make(folder.path(), 20, 2).unwrap();
    let mut text = fs::read_to_string(&events.first).unwrap();
    for path in &events.later {
        text += &fs::read_to_string(path).unwrap();
    }
    let mut lines: Vec<&str> = text.lines().collect();
    for line in &lines {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["data"].to_string().len(), PAYLOAD_BYTES);
    }
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 22);
    let compressed = zstd::encode_all(text.as_bytes(), 3).unwrap().len();
    assert!(compressed > text.len() / 2, "{compressed} of {}", text.len());
}

#[test]
fn samples_that_are_too_short_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let samples = folder.path().join("samples.zst");
    fs::write(&samples, zstd::encode_all(&b"{\"a\":1}\n{\"a\":2}\n"[..], 3).unwrap()).unwrap();
    let events = Events::read(folder.path(), "real", &samples, 1, 1).unwrap();
    assert_eq!(fs::read_to_string(&events.later[0]).unwrap(), "{\"a\":2}\n");
    assert!(Events::read(folder.path(), "real", &samples, 2, 1).is_err());
}
