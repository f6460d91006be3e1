#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::*;
use crate::PreparedBatch;
use crate::delta::Delta;
use crate::fold::Folds;
use crate::id::RootName;
use crate::memory_store::MemoryStore;
use crate::replica::{Replica, ReplicaOptions};
use crate::store::{Area, Batch};

fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    let folds = Arc::new(Folds::new());
    let options = ReplicaOptions { front_events_flush: 4, ..ReplicaOptions::default() };
    let shared: Arc<dyn Store> = Arc::new(store.reopen());
    let random = Box::new(|| [3; 16]);
    let mut replica = Replica::open(shared, Arc::clone(&folds), options, random).unwrap();
    for index in 0..10 {
        let mut batch = PreparedBatch::new(RootName::new("r").unwrap(), Arc::clone(&folds), index);
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
    assert!(
        report.faults.iter().any(|fault| fault.to_string().contains(expected)),
        "{:?}",
        report.faults
    );
}

#[test]
fn a_sound_store_has_no_faults() {
    let report = verify(&filled(), &mut |_, _| {}).unwrap();
    assert_eq!(report, VerifyReport { events: 10, ..VerifyReport::default() });
}

#[test]
fn damage_to_what_nothing_else_repeats_is_found() {
    let snapshot = |_: &MemoryStore, batch: &mut Batch| {
        batch.put(Table::Snapshots, &[7; 100], b"no snapshot");
    };
    check_found(snapshot, Area::Derived, "derived tables: 1 snapshots cannot be read");
    let short = |_: &MemoryStore, batch: &mut Batch| {
        batch.put(Table::Quarantine, &[0; 24], b"no event");
    };
    check_found(short, Area::Truth, "quarantine: an event has the wrong form");
    let other = |_: &MemoryStore, batch: &mut Batch| {
        let mut value = vec![0; 72];
        Record::json("a", "t", "{}").filled_in(0).encode(&mut value);
        batch.put(Table::Quarantine, &[0; 24], &value);
    };
    check_found(other, Area::Truth, "0 is another event");
}

#[test]
fn damage_to_the_log_is_found_by_position() {
    let at = keys::position(4);
    check_found(
        |_, batch| batch.delete(Table::Log, &at),
        Area::Truth,
        "log: position 4: it is missing",
    );
    let flip = |store: &MemoryStore, batch: &mut Batch| {
        let mut bytes = value(store, Table::Log, &at);
        bytes[80] ^= 1;
        batch.put(Table::Log, &at, &bytes);
    };
    check_found(flip, Area::Truth, "log: position 4: the checksum");
    let swap = |store: &MemoryStore, batch: &mut Batch| {
        batch.put(Table::Log, &at, &value(store, Table::Log, &keys::position(5)));
    };
    check_found(swap, Area::Truth, "log: position 4: seq 5 where 4 is due");
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
    check_found(add, Area::Derived, "they hold 21 entries where 20 are due");
    check_found(|_, batch| batch.clear(Table::Keys), Area::Derived, "is not in the table keys");
    let count = keys::numbered(keys::AGGREGATES, &[0]);
    let drop = |_: &MemoryStore, batch: &mut Batch| batch.delete(Table::Progress, &count);
    check_found(drop, Area::Derived, "counts 0 aggregates and has 3");
}

/// Everything in the derived tables but the snapshots.
fn derived(store: &MemoryStore) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let snapshot = store.snapshot().unwrap();
    let mut found = Vec::new();
    for table in [Table::Progress, Table::FoldIndex, Table::Keys] {
        let mut visit = |key: &[u8], value: &[u8]| {
            found.push((table, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        snapshot.scan(Scan::all(table), &mut visit).unwrap();
    }
    found
}

#[test]
fn derived_tables_are_built_anew_as_they_were() {
    let store = filled();
    let before = derived(&store);
    assert_eq!(before.len(), 10 + 10 + 2);
    let mut batch = Batch::new(Area::Derived);
    batch.clear(Table::FoldIndex);
    batch.put(Table::Keys, b"nonsense", b"");
    batch.put(Table::Snapshots, b"nonsense", b"");
    store.commit(&batch).unwrap();
    let report = verify(&store, &mut |_, _| {}).unwrap();
    assert!(!report.is_sound() && report.is_truth_sound(), "{:?}", report.faults);
    let mut told = Vec::new();
    rebuild_derived(Arc::new(store.reopen()), &mut |done, all| told.push((done, all))).unwrap();
    assert_eq!(told.last(), Some(&(10, 10)));
    assert_eq!(derived(&store), before);
    assert!(verify(&store, &mut |_, _| {}).unwrap().is_sound());
}

fn salvaged(store: &MemoryStore) -> (Salvaged, MemoryStore) {
    let other = MemoryStore::new();
    let shared: Arc<dyn Store> = Arc::new(other.reopen());
    let folds = Arc::new(Folds::new());
    let options = ReplicaOptions::default();
    let mut replica = Replica::open(shared, folds, options, Box::new(|| [4; 16])).unwrap();
    let mut take = |page: &[u8], events: usize| {
        let merged = replica.merge(&Delta::decode(page).unwrap(), 0).unwrap();
        assert_eq!((merged.stored, merged.known), (events as u64, 0));
        Ok::<(), StoreError>(())
    };
    let salvaged = salvage(store, &|_| true, &mut take, &mut |_, _| {}).unwrap();
    replica.close().unwrap();
    (salvaged, other)
}

#[test]
fn a_sound_store_is_salvaged_whole() {
    let (salvaged, other) = salvaged(&filled());
    assert!(salvaged.is_whole(), "{salvaged:?}");
    assert_eq!((salvaged.events, verify(&other, &mut |_, _| {}).unwrap().events), (10, 10));
}

#[test]
fn what_lies_before_the_damage_is_salvaged() {
    let store = filled();
    let at = keys::position(7);
    let mut bytes = value(&store, Table::Log, &at);
    bytes[80] ^= 1;
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Log, &at, &bytes);
    // Salvage trusts neither heads nor runs.
    batch.clear(Table::Runs);
    batch.put(Table::Meta, &keys::numbered(keys::HEAD, &[0, 0]), b"short");
    store.commit(&batch).unwrap();
    let (salvaged, other) = salvaged(&store);
    assert_eq!((salvaged.events, salvaged.unreadable), (6, 1));
    let [left] = &salvaged.left_out[..] else { panic!("{:?}", salvaged.left_out) };
    assert_eq!((left.root.as_str(), left.first_seq, left.last_seq), ("r", 7, 10));
    let report = verify(&other, &mut |_, _| {}).unwrap();
    assert_eq!((report.events, report.fault_count), (6, 0));
}

#[test]
fn an_event_that_another_took_the_place_of_is_not_salvaged() {
    let store = filled();
    let mut bytes = value(&store, Table::Log, &keys::position(4));
    // A good checksum over a changed record: only the chain tells.
    let end = bytes.len() - 1;
    bytes[end] = b']';
    let checksum = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&checksum.to_be_bytes());
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Log, &keys::position(4), &bytes);
    store.commit(&batch).unwrap();
    assert_eq!(salvaged(&store).0.events, 3);
}

#[test]
fn a_name_that_cannot_be_read_takes_nothing_else_along() {
    let name = keys::numbered(keys::ROOT, &[0]);
    let spoil = |_: &MemoryStore, batch: &mut Batch| batch.put(Table::Meta, &name, b"no name");
    check_found(spoil, Area::Truth, "names: a value under root/");
    let cut = |_: &MemoryStore, batch: &mut Batch| batch.put(Table::Meta, keys::EPOCH, b"cut");
    check_found(cut, Area::Truth, "meta: epoch");
}

#[test]
fn a_key_that_is_far_off_is_damage_and_no_gap() {
    let far = keys::position(u64::MAX - 5);
    let add = |store: &MemoryStore, batch: &mut Batch| {
        batch.put(Table::Log, &far, &value(store, Table::Log, &keys::position(1)));
    };
    check_found(add, Area::Truth, "log: position 11: its key is damaged");
}
