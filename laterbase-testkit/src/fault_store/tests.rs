#![allow(clippy::unwrap_used, reason = "tests")]

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{Area, Batch, Store, StoreError, Table};

use super::{Fault, FaultStore};

fn batch(area: Area, key: &[u8]) -> Batch {
    let mut batch = Batch::new(area);
    batch.put(if area == Area::Truth { Table::Meta } else { Table::Progress }, key, b"");
    batch
}

fn has(store: &impl Store, table: Table, key: &[u8]) -> bool {
    store.snapshot().unwrap().get(table, key).unwrap().is_some()
}

#[test]
fn the_commit_that_was_named_fails_and_no_other() {
    let store = FaultStore::new(MemoryStore::new());
    store.fail_commit(Area::Truth, 2, Fault::Full);
    for (number, key) in [b"1", b"2", b"3"].iter().enumerate() {
        store.commit(&batch(Area::Derived, *key)).unwrap();
        let committed = store.commit(&batch(Area::Truth, *key));
        assert_eq!(committed.is_err(), number == 1, "{committed:?}");
    }
    assert!(has(&store, Table::Meta, b"1") && !has(&store, Table::Meta, b"2"));
    assert!(has(&store, Table::Meta, b"3"));
    assert_eq!(store.commits_tried(Area::Truth), 3);
    assert!(!store.is_poisoned(), "a full store is not broken");
}

#[test]
fn a_fault_before_or_after_differs_only_in_what_is_found_later() {
    for (fault, kept) in [(Fault::Before, false), (Fault::After, true)] {
        let store = FaultStore::new(MemoryStore::new());
        store.fail_commit(Area::Truth, 1, fault);
        let failed = store.commit(&batch(Area::Truth, b"key"));
        assert!(matches!(failed, Err(StoreError::Engine { .. })), "{failed:?}");
        for area in [Area::Truth, Area::Derived] {
            let refused = store.commit(&batch(area, b"more"));
            assert!(matches!(refused, Err(StoreError::Poisoned)), "{refused:?}");
        }
        assert_eq!(store.commits_tried(Area::Truth), 1);
        assert_eq!(has(&store.into_inner(), Table::Meta, b"key"), kept, "{fault:?}");
    }
}

#[test]
fn a_failed_sync_poisons() {
    let store = FaultStore::new(MemoryStore::new());
    store.sync().unwrap();
    store.fail_next_sync();
    let failed = store.sync();
    assert!(matches!(failed, Err(StoreError::Engine { .. })), "{failed:?}");
    assert!(matches!(store.sync(), Err(StoreError::Poisoned)));
    assert!(matches!(store.commit(&batch(Area::Truth, b"key")), Err(StoreError::Poisoned)));
}
