#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::event::Record;
use crate::fold::MergePatch;
use crate::id::RootName;
use crate::memory_store::MemoryStore;
use crate::prepared::PreparedBatch;
use crate::reader::{Query, Status};
use crate::replica::{Replica, ReplicaOptions};

fn folds() -> Arc<Folds> {
    Arc::new(Folds::new().fallback(Arc::new(MergePatch)))
}

fn root() -> RootName {
    RootName::new("pallet").unwrap()
}

fn open(store: &MemoryStore) -> Replica {
    let mut next = 0;
    let random = Box::new(move || {
        next += 1;
        [next; 16]
    });
    let store = Arc::new(store.clone());
    Replica::open(store, folds(), ReplicaOptions::default(), random).unwrap()
}

fn write(replica: &mut Replica, data: &str) {
    let mut batch = PreparedBatch::new(root(), folds(), 0);
    batch.push(&Record::json("P1", "Packed", data)).unwrap();
    replica.append(&batch, 1_000).unwrap();
}

/// A store whose derived tables hold the first of two events.
fn trailing() -> MemoryStore {
    let store = MemoryStore::new();
    let mut replica = open(&store);
    write(&mut replica, "{\"a\":1}");
    replica.close().unwrap();
    let mut replica = open(&store);
    write(&mut replica, "{\"b\":2}");
    drop(replica);
    store
}

fn look(store: &MemoryStore) -> (Status, Vec<u8>, u64) {
    let reader = Reader::of_frozen(Arc::new(store.clone()), folds()).unwrap();
    let read = reader.aggregate(&root(), "P1", &Query::default()).unwrap().unwrap();
    (reader.status().unwrap(), read.state, read.event_count)
}

#[track_caller]
fn check_whole(store: &MemoryStore) {
    let (status, state, events) = look(store);
    assert_eq!((state.as_slice(), events), (b"{\"a\":1,\"b\":2}".as_slice(), 2));
    assert_eq!((status.roots[0].events, status.roots[0].aggregates), (2, 1));
}

#[test]
fn what_the_derived_tables_lack_is_read_from_the_log() {
    check_whole(&trailing());
}

#[test]
fn derived_tables_that_know_more_than_the_log_are_not_used() {
    let store = trailing();
    let mut batch = Batch::new(Area::Derived);
    batch.put(Table::Progress, keys::BUILT, &9_u64.to_be_bytes());
    batch.clear(Table::FoldIndex);
    store.commit(&batch).unwrap();
    check_whole(&store);
}

#[test]
fn derived_tables_of_another_log_are_not_used() {
    let store = trailing();
    let mut batch = Batch::new(Area::Derived);
    batch.put(Table::Progress, keys::REWRITES, &1_u64.to_be_bytes());
    batch.clear(Table::FoldIndex);
    store.commit(&batch).unwrap();
    check_whole(&store);
}

#[test]
fn derived_tables_that_make_no_sense_are_not_used() {
    let store = trailing();
    let mut batch = Batch::new(Area::Derived);
    batch.put(Table::Progress, keys::BUILT, b"soon");
    batch.clear(Table::FoldIndex);
    store.commit(&batch).unwrap();
    check_whole(&store);
}

#[test]
fn reading_leaves_the_store_as_it_was() {
    let store = trailing();
    let before: Vec<_> = Table::ALL.into_iter().map(|table| contents(&store, table)).collect();
    check_whole(&store);
    let after: Vec<_> = Table::ALL.into_iter().map(|table| contents(&store, table)).collect();
    assert_eq!(before, after);
}

#[test]
fn a_store_that_is_just_being_made_is_an_error() {
    let made = Reader::of_frozen(Arc::new(MemoryStore::new()), folds());
    assert!(matches!(made, Err(OpenError::Unmade)));
}

fn contents(store: &MemoryStore, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        std::ops::ControlFlow::Continue(())
    };
    store.snapshot().unwrap().scan(Scan::all(table), &mut visit).unwrap();
    found
}
