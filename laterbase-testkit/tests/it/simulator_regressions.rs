//! Faults that the simulator found, each told as a story of its own.

use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::store::{Area, Batch, Durability, Scan, Store, Table};
use laterbase_core::verify::verify;

const NOW: i64 = 1_700_000_000_000_000_000;

fn folds() -> Arc<Folds> {
    Arc::new(Folds::new().fallback(Arc::new(MergePatch)))
}

fn open(store: &MemoryStore, seed: u8) -> Replica {
    let random = Box::new(move || [seed; 16]);
    let store = Arc::new(store.reopen());
    Replica::open(store, folds(), ReplicaOptions::default(), NOW, random).unwrap()
}

fn write(replica: &mut Replica, aggregate_id: &str) {
    let mut batch = PreparedBatch::new(RootName::new("shipment").unwrap(), folds());
    batch.push(&Record::json(aggregate_id, "Moved", "{}")).unwrap();
    replica.append(&batch, NOW).unwrap();
}

fn copy_area(from: &MemoryStore, to: &MemoryStore, area: Area) {
    let mut batch = Batch::new(area);
    let snapshot = from.snapshot().unwrap();
    for table in Table::ALL.into_iter().filter(|table| table.area() == area) {
        snapshot
            .scan(Scan::all(table), &mut |key, value| {
                batch.put(table, key, value);
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    to.commit(&batch).unwrap();
}

/// Seed 796. The truth lost its tail, so the derived tables knew events that were no more. They
/// were discarded at the next start, but nobody told the disk to keep it that way. New events
/// took the lost ones' positions; then a second power loss brought the old tables back, which now
/// claimed no more than the log held, and the index led to other events.
#[test]
fn derived_tables_that_were_discarded_stay_so_after_a_second_power_loss() {
    let written = MemoryStore::new();
    let mut replica = open(&written, 1);
    write(&mut replica, "kept");
    let early = written.after_power_loss();
    for index in 0..3 {
        write(&mut replica, &format!("lost {index}"));
    }
    replica.maintenance().flush().unwrap();

    let store = MemoryStore::with_durability(Durability::Durable);
    copy_area(&early, &store, Area::Truth);
    copy_area(&written, &store, Area::Derived);
    store.sync().unwrap();
    let mut replica = open(&store, 2);
    for index in 0..5 {
        write(&mut replica, &format!("new {index}"));
    }
    drop(replica);

    let store = store.after_power_loss();
    let replica = open(&store, 3);
    assert_eq!(replica.reader().status().unwrap().roots[0].aggregates, 6);
    let report = verify(&store, &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}
