#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use laterbase_core::event::Record;
use laterbase_core::memory_store::MemoryStore;

use super::*;
use crate::device::{Device, DeviceOptions};
use crate::local::Local;
use crate::peers;

const DEPOT: ReplicaId = ReplicaId::from_bytes([1; 16]);

fn device(roots: &[&str]) -> Device {
    let device = Device::over(Arc::new(MemoryStore::new()), DeviceOptions::default()).unwrap();
    for root in roots {
        let mut batch = device.batch(&root.parse().unwrap());
        for _ in 0..5 {
            batch.push(&Record::json("P1", "Packed", "{}")).unwrap();
        }
        device.record(&batch).unwrap();
    }
    device
}

fn say(device: &Device, root: &str, seq: u64) {
    let root = root.parse().unwrap();
    device.remember(vec![peers::entry(DEPOT, (&root, device.id()), seq)]).unwrap();
}

#[track_caller]
fn check(device: &Device, selection: &str, excluded: &Excluded, expected: &[(&str, u64)]) {
    let selection = selection.parse().unwrap();
    let lacking = Lacking::find(device.reader(), DEPOT, &selection, excluded, None).unwrap();
    let found: Vec<(&str, u64)> =
        lacking.stretches.iter().map(|want| (want.root.as_str(), want.after)).collect();
    assert_eq!(found, expected);
    assert!(lacking.stretches.iter().all(|want| want.until == 5));
    assert_eq!(lacking.event_count, expected.iter().map(|(_, after)| 5 - after).sum::<u64>());
    assert_eq!(lacking.next, None);
}

#[test]
fn what_is_acknowledged_not_selected_or_in_doubt_is_not_lacking() {
    let device = device(&["pallet", "pallet@east", "truck"]);
    let none = Excluded::default();
    check(&device, "", &none, &[("pallet", 0), ("pallet@east", 0), ("truck", 0)]);
    say(&device, "pallet", 3);
    say(&device, "truck", 5);
    check(&device, "", &none, &[("pallet", 3), ("pallet@east", 0)]);
    check(&device, "pallet@*", &none, &[("pallet@east", 0)]);
    let roots = ["pallet".parse().unwrap()].into();
    let refused = Excluded { roots, ..Excluded::default() };
    check(&device, "", &refused, &[("pallet@east", 0)]);
    let places = [("pallet".parse().unwrap(), device.id())].into();
    let in_doubt = Excluded { places, ..Excluded::default() };
    check(&device, "", &in_doubt, &[("pallet@east", 0)]);
    say(&device, "pallet", 0);
    check(&device, "pallet", &none, &[("pallet", 0)]);
}

#[test]
fn more_stretches_than_are_looked_at_together_are_found_in_the_next_step() {
    let mut lacking = Lacking::default();
    for number in 0..STRETCHES_MAX as u64 + 2 {
        let origin = ReplicaId::from_bytes(u128::from(number).to_be_bytes());
        lacking.add(("pallet".parse().unwrap(), origin), 1, 3);
    }
    assert_eq!(lacking.stretches.len(), STRETCHES_MAX);
    assert_eq!(lacking.event_count, 2 * (STRETCHES_MAX as u64 + 2));
    let last = ReplicaId::from_bytes((STRETCHES_MAX as u128 - 1).to_be_bytes());
    assert_eq!(lacking.next, Some(("pallet".parse().unwrap(), last)));
}
