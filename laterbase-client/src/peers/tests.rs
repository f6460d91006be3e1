#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use laterbase_core::event::Record;
use laterbase_core::memory_store::MemoryStore;

use super::*;
use crate::device::DeviceOptions;

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

fn say(device: &Device, peer: ReplicaId, vv: VersionVector) {
    device.acknowledge(peer, &BTreeMap::from([(root(), vv)])).unwrap();
}

fn own(device: &Device, seq: u64) -> VersionVector {
    VersionVector::from_iter([(device.id(), seq)])
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
    say(&device, depot, own(&device, 3));
    check_pending(&device, 2);
    say(&device, port, own(&device, 1));
    check_pending(&device, 2);
    record(&device, 1);
    check_pending(&device, 3);
    say(&device, port, own(&device, 6));
    check_pending(&device, 0);
}

#[test]
fn a_peer_that_lost_what_it_had_acknowledged_is_believed() {
    let (device, depot) = (device(), ReplicaId::from_bytes([1; 16]));
    record(&device, 5);
    say(&device, depot, own(&device, 5));
    say(&device, depot, own(&device, 2));
    check_pending(&device, 3);
}

#[test]
fn events_of_others_are_never_pending() {
    let (device, other) = (device(), device());
    record(&other, 4);
    let page = other.reader().delta(&root(), &VersionVector::new(), 10, 1 << 20).unwrap();
    let merged = device.merge_from(other.id(), &page.bytes).unwrap();
    assert_eq!(merged.stored, 4);
    check_pending(&device, 0);
}

#[test]
fn a_page_tells_what_its_sender_holds() {
    let (device, other) = (device(), device());
    record(&device, 4);
    let page = device.reader().delta(&root(), &VersionVector::new(), 3, 1 << 20).unwrap();
    device.merge_from(other.id(), &page.bytes).unwrap();
    check_pending(&device, 1);
    assert_eq!(device.acknowledged(other.id(), &root()).unwrap(), own(&device, 3));
}

#[test]
fn a_refused_page_is_not_remembered() {
    let (device, other) = (device(), device());
    record(&other, 4);
    let vv = VersionVector::from_iter([(other.id(), 2)]);
    let page = other.reader().delta(&root(), &vv, 10, 1 << 20).unwrap();
    assert!(matches!(device.merge_from(other.id(), &page.bytes), Err(WriteError::Hole { .. })));
    assert!(device.acknowledged(other.id(), &root()).unwrap().is_empty());
}
