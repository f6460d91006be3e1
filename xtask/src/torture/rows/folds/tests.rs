#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::{Event, fold, sortable};

fn event(id: &str, occurred_at: &str, data: serde_json::Value, voids: &[&str]) -> Event {
    serde_json::from_value(json!({
        "id": id, "occurred_at": occurred_at, "hlc": "00", "data": data, "voids": voids,
    }))
    .unwrap()
}

#[test]
fn events_are_folded_by_when_they_happened() {
    let events = [
        event("r:a-1", "2024-03-01T08:00:01Z", json!({"x": 1, "y": 1}), &[]),
        event("r:a-2", "2024-03-01T08:00:00.5Z", json!({"x": 2, "z": 2}), &[]),
    ];
    assert_eq!(fold(&events, None).unwrap(), json!({"x": 1, "y": 1, "z": 2}));
    let until = Some("2024-03-01T08:00:00.5Z");
    assert_eq!(fold(&events, until).unwrap(), json!({"x": 2, "z": 2}));
}

#[test]
fn what_was_taken_back_is_left_out_and_cannot_take_back_what_takes_back() {
    let events = [
        event("r:a-1", "2024-03-01T08:00:00Z", json!({"x": 1}), &[]),
        event("r:a-2", "2024-03-01T08:00:01Z", json!({"y": 2}), &["r:a-1"]),
        event("r:a-3", "2024-03-01T08:00:02Z", json!({"z": 3}), &["r:a-2"]),
    ];
    assert_eq!(fold(&events, None).unwrap(), json!({"y": 2, "z": 3}));
}

#[test]
fn times_sort_as_texts() {
    assert!(sortable("2024-03-01T08:00:00Z") < sortable("2024-03-01T08:00:00.25Z"));
    assert_eq!(sortable("2024-03-01T08:00:00.25Z"), "2024-03-01T08:00:00.250000000");
}
