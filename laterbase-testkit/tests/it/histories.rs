//! The law of aggregates on the memory store.
//!
//! Mutations that turn it red, each tried: leave out `ladders::invalidate` in a flush; in
//! `ladders::is_stale`, and in the reader's `unseen`, `<` for `<=` at the place; keep candidates
//! whatever `built` was; leave the version out of `ladder_prefix`; leave out `HotStates::touch`.

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
