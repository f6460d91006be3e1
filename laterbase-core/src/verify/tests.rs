#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::*;
use crate::PreparedBatch;
use crate::fold::Folds;
use crate::id::RootName;
use crate::memory_store::MemoryStore;
use crate::replica::{Replica, ReplicaOptions};

fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    let folds = Arc::new(Folds::new());
    let options = ReplicaOptions { front_events_flush: 4, ..ReplicaOptions::default() };
    let shared: Arc<dyn Store> = Arc::new(store.reopen());
    let random = Box::new(|| [3; 16]);
    let mut replica = Replica::open(shared, Arc::clone(&folds), options, 0, random).unwrap();
    for index in 0..10 {
        let mut batch = PreparedBatch::new(RootName::new("r").unwrap(), Arc::clone(&folds));
        let (id, key) = (format!("a{}", index % 3), format!("k{index}"));
        let record = Record { idempotency_key: Some(&key), ..Record::json(&id, "t", "{}") };
        batch.push(&record).unwrap();
        replica.append(&batch, index).unwrap();
    }
    replica.close().unwrap();
    store
}

fn value(store: &MemoryStore, table: Table, key: &[u8]) -> Vec<u8> {
    store.snapshot().unwrap().get(table, key).unwrap().unwrap().into_owned()
}

#[track_caller]
fn check_found(damage: impl FnOnce(&MemoryStore, &mut Batch), area: Area, expected: &str) {
    let store = filled();
    let mut batch = Batch::new(area);
    damage(&store, &mut batch);
    store.commit(&batch).unwrap();
    let report = verify(&store, &mut |_, _| {}).unwrap();
    assert!(!report.is_sound());
    assert!(report.faults.iter().any(|fault| fault.contains(expected)), "{:?}", report.faults);
}

#[test]
fn a_sound_store_has_no_faults() {
    let report = verify(&filled(), &mut |_, _| {}).unwrap();
    assert_eq!(report, VerifyReport { events: 10, ..VerifyReport::default() });
}

#[test]
fn damage_to_the_log_is_found_by_position() {
    let at = keys::position(4);
    check_found(|_, batch| batch.delete(Table::Log, &at), Area::Truth, "log position 4 is missing");
    let flip = |store: &MemoryStore, batch: &mut Batch| {
        let mut bytes = value(store, Table::Log, &at);
        bytes[80] ^= 1;
        batch.put(Table::Log, &at, &bytes);
    };
    check_found(flip, Area::Truth, "log position 4: the checksum");
    let swap = |store: &MemoryStore, batch: &mut Batch| {
        batch.put(Table::Log, &at, &value(store, Table::Log, &keys::position(5)));
    };
    check_found(swap, Area::Truth, "log position 4: seq 5 where 4 is due");
}

#[test]
fn damage_to_heads_and_runs_is_found() {
    let head = keys::numbered(keys::HEAD, &[0, 0]);
    check_found(
        |_, batch| batch.delete(Table::Meta, &head),
        Area::Truth,
        "the head says otherwise",
    );
    let run = keys::run(0, 0, 1);
    check_found(|_, batch| batch.delete(Table::Runs, &run), Area::Truth, "the runs end at 0");
    let longer = |store: &MemoryStore, batch: &mut Batch| {
        let mut bytes = value(store, Table::Runs, &run);
        bytes[15] += 1;
        batch.put(Table::Runs, &run, &bytes);
    };
    check_found(longer, Area::Truth, "leads to log position 11");
}

#[test]
fn damage_to_derived_tables_is_found_and_mended_from_the_log() {
    let extra = keys::index(0, "zz", &Place::START);
    let one = 1_u64.to_be_bytes();
    let add = |_: &MemoryStore, batch: &mut Batch| batch.put(Table::FoldIndex, &extra, &one);
    check_found(add, Area::Derived, "hold 21 entries where 20 are due");
    check_found(|_, batch| batch.clear(Table::Keys), Area::Derived, "is not in the table keys");
    let count = keys::numbered(keys::AGGREGATES, &[0]);
    let drop = |_: &MemoryStore, batch: &mut Batch| batch.delete(Table::Progress, &count);
    check_found(drop, Area::Derived, "counts 0 aggregates and has 3");

    let store = filled();
    let mut batch = Batch::new(Area::Derived);
    batch.clear(Table::FoldIndex);
    store.commit(&batch).unwrap();
    discard_derived(&store).unwrap();
    let shared: Arc<dyn Store> = Arc::new(store.reopen());
    let folds = Arc::new(Folds::new());
    let options = ReplicaOptions { front_events_flush: 3, ..ReplicaOptions::default() };
    let replica = Replica::open(shared, folds, options, 0, Box::new(|| [4; 16])).unwrap();
    replica.close().unwrap();
    let report = verify(&store, &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}
