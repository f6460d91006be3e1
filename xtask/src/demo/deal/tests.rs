#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::{Search, lines_in_turns};

fn event(root: &str, id: &str) -> String {
    format!(r#"{{"root": "{root}", "aggregate_id": "{id}", "type": "Seen"}}"#)
}

#[test]
fn the_sample_is_an_aggregate_of_many_devices_that_fits_the_screen() {
    let mut search = Search::default();
    for device in [0, 1, 2].repeat(10) {
        search.see(device, &event("shipment", "too long")).unwrap();
    }
    for device in [0, 1, 1, 1] {
        search.see(device, &event("order", "two devices")).unwrap();
    }
    for device in [0, 1, 2] {
        search.see(device, &event("shipment", "three devices")).unwrap();
    }
    assert_eq!(search.best().unwrap().id, "three devices");
    assert_eq!(search.roots.iter().collect::<Vec<_>>(), ["order", "shipment"]);
}

#[test]
fn a_line_that_is_no_event_is_an_error() {
    let mut search = Search::default();
    assert!(search.see(0, "{}").is_err());
    assert!(search.see(0, "not json").is_err());
    assert!(search.best().is_none());
}

#[test]
fn the_lines_of_a_file_are_dealt_in_turns_compressed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let text = "one\n\ntwo\nthree\n";
    let (plain, packed) = (folder.path().join("a.ndjson"), folder.path().join("a.jsonl.zst"));
    fs::write(&plain, text).unwrap();
    fs::write(&packed, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    for path in [plain, packed] {
        let deals: Vec<_> = lines_in_turns(&path, 2).unwrap().map(Result::unwrap).collect();
        assert_eq!(deals, [(0, "one".into()), (1, "two".into()), (0, "three".into())]);
    }
}
