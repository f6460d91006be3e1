//! The law of aggregates on the memory store.
//!
//! Mutations that turn it red, each tried: leave out `ladders::invalidate` in a flush, or let it
//! pass over the first rung; fold the snapshot's own event again (`places` without the pushed
//! zero); `<` for `<=` in `Axes::admit` and in `last_arrived_until`; keep candidates whatever
//! `built` was, or whatever the front holds; let the reader's `unseen` see nothing; leave the
//! version out of `ladder_prefix`; leave out `HotStates::touch`; let later twins count; leave
//! snapshots of filtered reads. `<` for `<=` in `is_stale` changes nothing: no two events share a
//! place.

use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;
use laterbase_testkit::histories;

#[test]
fn every_read_equals_a_fold_from_scratch() {
    for seed in 0..150 {
        let store = MemoryStore::new();
        histories::check_reads(&mut || Arc::new(store.reopen()), seed, 120);
    }
}

#[test]
fn reading_twice_changes_nothing() {
    histories::check_reads_change_nothing(Arc::new(MemoryStore::new()));
}

#[test]
fn a_snapshot_loses_the_race_against_a_late_event() {
    for flushes in [false, true] {
        histories::check_late_event_during_read(Arc::new(MemoryStore::new()), flushes);
    }
}
