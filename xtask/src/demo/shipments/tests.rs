#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{SHIPMENTS, day};

#[test]
fn the_day_is_the_same_every_time() {
    assert_eq!(day().collect::<Vec<_>>(), day().collect::<Vec<_>>());
}

#[test]
fn every_shipment_is_seen_by_all_devices_and_some_events_come_late() {
    let mut devices: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut latest: BTreeMap<usize, String> = BTreeMap::new();
    let mut late = 0;
    for (device, line) in day() {
        let event: Value = serde_json::from_str(&line).unwrap();
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        devices.entry(text("aggregate_id")).or_default().insert(device);
        let latest = latest.entry(device).or_default();
        if text("occurred_at") < *latest {
            late += 1;
        }
        *latest = text("occurred_at").max(latest.clone());
    }
    assert_eq!(devices.len(), SHIPMENTS as usize);
    assert!(devices.values().all(|devices| devices.len() == 3));
    assert!(late > 10, "{late}");
}
