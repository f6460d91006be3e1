#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use laterbase_core::event::Record;
use laterbase_core::memory_store::MemoryStore;

use super::*;
use crate::device::DeviceOptions;
use crate::local::Local;

fn root() -> RootName {
    RootName::new("pallet").unwrap()
}

fn device() -> Device {
    Device::over(Arc::new(MemoryStore::new()), DeviceOptions::default()).unwrap()
}

fn record(device: &Device, count: usize) {
    let mut batch = device.batch(&root());
    for _ in 0..count {
        batch.push(&Record::json("P1", "Packed", "{}")).unwrap();
    }
    device.record(&batch).unwrap();
}

fn say(device: &Device, peer: ReplicaId, seq: u64) {
    device.remember(vec![entry(peer, (&root(), device.id()), seq)]).unwrap();
}

#[track_caller]
fn check_pending(device: &Device, expected: u64) {
    assert_eq!(device.pending().unwrap(), BTreeMap::from([(root(), expected)]));
}

#[test]
fn own_events_are_pending_until_some_peer_holds_them() {
    let (device, depot, port) =
        (device(), ReplicaId::from_bytes([1; 16]), ReplicaId::from_bytes([2; 16]));
    record(&device, 5);
    check_pending(&device, 5);
    say(&device, depot, 3);
    check_pending(&device, 2);
    say(&device, port, 1);
    check_pending(&device, 2);
    record(&device, 1);
    check_pending(&device, 3);
    say(&device, port, 6);
    check_pending(&device, 0);
}

#[test]
fn a_peer_that_lost_what_it_had_acknowledged_is_believed() {
    let (device, depot) = (device(), ReplicaId::from_bytes([1; 16]));
    record(&device, 5);
    say(&device, depot, 5);
    say(&device, depot, 2);
    check_pending(&device, 3);
}

#[test]
fn events_of_others_are_never_pending() {
    let (device, other) = (device(), device());
    record(&other, 4);
    let page = other.reader().delta(&root(), &VersionVector::new(), 10, 1 << 20).unwrap();
    assert_eq!(device.merge(&page.bytes).unwrap().stored, 4);
    check_pending(&device, 0);
}

#[test]
fn each_origin_of_each_root_is_acknowledged_by_itself() {
    let (device, depot) = (device(), ReplicaId::from_bytes([1; 16]));
    let (pallets, all) = (root(), RootName::new("pallet@east").unwrap());
    let origins = [ReplicaId::from_bytes([0; 16]), ReplicaId::from_bytes([255; 16])];
    for (seq, root) in (1..).zip([&pallets, &all]) {
        for origin in origins {
            device.remember(vec![entry(depot, (root, origin), seq)]).unwrap();
        }
    }
    let of_pallets = device.acknowledged(depot, &pallets).unwrap();
    assert_eq!(of_pallets, origins.into_iter().map(|origin| (origin, 1)).collect());
    let of_all = acknowledged_between(device.reader(), depot, None, None).unwrap();
    assert_eq!(of_all.len(), 4);
    assert_eq!(acknowledged_seq(device.reader(), depot, (&all, origins[1])).unwrap(), 2);
    let somebody = ReplicaId::from_bytes([2; 16]);
    let of_none = acknowledged_between(device.reader(), somebody, None, None).unwrap();
    assert!(of_none.is_empty());
    assert_eq!(last_seen(device.reader(), &(all, origins[0])).unwrap(), 2);
}
