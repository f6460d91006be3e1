//! Stores whose truth is older than what was derived from it, which no crash leaves behind.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, Latest};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{OpenError, Random, Replica, ReplicaOptions};
use laterbase_core::store::{Area, Batch, Scan, Store, StoreError, Table};

const NOW: i64 = 1_700_000_000_000_000_000;

fn open(store: &MemoryStore) -> Result<Replica, OpenError> {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let random: Random = Box::new(|| [COUNT.fetch_add(1, Ordering::Relaxed); 16]);
    let folds = Arc::new(Folds::new().fallback(Arc::new(Latest)));
    let store = Arc::new(store.reopen());
    Replica::open(store, folds, ReplicaOptions::default(), random)
}

/// Writes ten events and closes.
fn write(store: &MemoryStore) {
    let mut replica = open(store).unwrap();
    let folds = Arc::clone(replica.reader().folds());
    let mut batch = PreparedBatch::new(RootName::new("shipment").unwrap(), folds, NOW);
    for _ in 0..10 {
        batch.push(&Record::json("a", "Moved", "1")).unwrap();
    }
    replica.append(&batch, NOW).unwrap();
    replica.close().unwrap();
}

/// A store with the truth of one and the derived tables of another.
fn patched(truth: &MemoryStore, derived: &MemoryStore) -> MemoryStore {
    let patched = MemoryStore::new();
    for table in Table::ALL {
        let from = if table.area() == Area::Truth { truth } else { derived };
        let mut batch = Batch::new(table.area());
        let snapshot = from.snapshot().unwrap();
        let copied = snapshot.scan(Scan::all(table), &mut |key, value| {
            batch.put(table, key, value);
            ControlFlow::Continue(())
        });
        copied.unwrap();
        patched.commit(&batch).unwrap();
    }
    patched
}

/// Its newest events may be elsewhere already: to write on under the old id would name two
/// events by one dot. Mutation: `has_lost_its_end` says false.
#[test]
fn a_store_whose_log_has_lost_its_end_takes_a_new_id() {
    let store = MemoryStore::new();
    write(&store);
    let early = patched(&store, &store);
    write(&store);
    let id = open(&store).unwrap().id();
    assert_eq!(open(&patched(&store, &store)).unwrap().id(), id);
    let replica = open(&patched(&early, &store)).unwrap();
    assert_ne!(replica.id(), id);
    assert_eq!(replica.reader().own_ids()[0], id);
}

/// Mutation: leave out `check_present`; the store opens as an empty one.
#[test]
fn a_store_that_has_lost_its_whole_truth_does_not_open() {
    let store = MemoryStore::new();
    write(&store);
    match open(&patched(&MemoryStore::new(), &store)) {
        Err(OpenError::Store(StoreError::Corrupt { .. })) => {}
        other => panic!("{other:?}"),
    }
}
