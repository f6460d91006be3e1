#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::MemoryStore;
use super::sorted_table::SortedTable;
use crate::store::{Area, Batch, Durability, Scan, Store, Table};

fn truth(value: &[u8]) -> Batch {
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Meta, b"key", value);
    batch
}

fn derived(value: &[u8]) -> Batch {
    let mut batch = Batch::new(Area::Derived);
    batch.put(Table::Progress, b"key", value);
    batch
}

fn value(store: &MemoryStore, table: Table) -> Option<Vec<u8>> {
    let snapshot = store.snapshot().unwrap();
    let value = snapshot.get(table, b"key").unwrap();
    value.map(|value| value.into_owned())
}

fn entries(table: &SortedTable, scan: Scan<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    table.scan(scan, &mut |key, value| {
        entries.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    });
    entries
}

#[test]
fn power_loss_takes_unsynced_derived_commits_but_no_truth() {
    let store = MemoryStore::new();
    store.commit(&derived(b"1")).unwrap();
    store.sync().unwrap();
    store.commit(&derived(b"2")).unwrap();
    store.commit(&truth(b"2")).unwrap();

    let survivor = store.after_power_loss();
    assert_eq!(value(&survivor, Table::Meta), Some(b"2".to_vec()));
    assert_eq!(value(&survivor, Table::Progress), Some(b"1".to_vec()));
    assert_eq!(value(&store, Table::Progress), Some(b"2".to_vec()), "the store itself goes on");
}

#[test]
fn power_loss_takes_unsynced_truth_from_a_relaxed_store() {
    let store = MemoryStore::with_durability(Durability::Relaxed);
    store.commit(&truth(b"1")).unwrap();
    assert_eq!(value(&store.after_power_loss(), Table::Meta), None);
    store.sync().unwrap();
    store.commit(&truth(b"2")).unwrap();
    assert_eq!(value(&store.after_power_loss(), Table::Meta), Some(b"1".to_vec()));
}

#[test]
fn a_survivor_of_power_loss_is_a_store_of_its_own() {
    let store = MemoryStore::new();
    store.commit(&truth(b"1")).unwrap();
    let survivor = store.after_power_loss();
    survivor.commit(&truth(b"2")).unwrap();
    assert_eq!(value(&store, Table::Meta), Some(b"1".to_vec()));
    assert_eq!(value(&survivor.reopen(), Table::Meta), Some(b"2".to_vec()));
}

#[test]
#[should_panic(expected = "keys are not empty")]
fn reading_an_empty_key_is_the_callers_fault() {
    let store = MemoryStore::new();
    let snapshot = store.snapshot().unwrap();
    let _ = snapshot.get(Table::Meta, b"");
}

/// Start, end and limit of a scan.
type Bounds = (Vec<u8>, Option<Vec<u8>>, usize);

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 0x7f, 0x80, 0xff]), 1..6)
}

proptest! {
    /// Enough keys for many splits, and copies taken on the way that must not change.
    #[test]
    fn a_sorted_table_is_a_sorted_map(
        writes in prop::collection::vec((key(), any::<Option<u8>>()), 1..1_500),
        bounds in prop::collection::vec((key(), prop::option::of(key()), 0usize..300), 1..20),
        copy_at in 0usize..1_500,
    ) {
        let (mut table, mut model) = (SortedTable::default(), BTreeMap::new());
        let mut copy = None;
        for (index, (key, value)) in writes.into_iter().enumerate() {
            if index == copy_at {
                copy = Some((table.clone(), model.clone()));
            }
            match value {
                Some(value) => {
                    table.put(&key, &[value]);
                    model.insert(key, vec![value]);
                }
                None => {
                    table.delete(&key);
                    model.remove(&key);
                }
            }
        }
        for (table, model) in copy.into_iter().chain([(table, model)]) {
            check_same(&table, &model, &bounds);
        }
    }
}

#[track_caller]
fn check_same(table: &SortedTable, model: &BTreeMap<Vec<u8>, Vec<u8>>, bounds: &[Bounds]) {
    let bytes: usize = model.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert_eq!(table.size_bytes(), bytes as u64);
    for (start, end, limit) in bounds {
        let scan = Scan { start, end: end.as_deref(), ..Scan::all(Table::Meta) }.limit(*limit);
        let inside = |key: &Vec<u8>| key >= start && end.as_ref().is_none_or(|end| key < end);
        let mut expected: Vec<_> = model.clone().into_iter().filter(|(k, _)| inside(k)).collect();
        let forward: Vec<_> = expected.iter().take(*limit).cloned().collect();
        assert_eq!(entries(table, scan), forward);
        expected.reverse();
        expected.truncate(*limit);
        assert_eq!(entries(table, scan.backward()), expected);
        assert_eq!(table.get(start), model.get(start).map(Vec::as_slice));
    }
}
