//! The law of aggregates on LMDB.

use std::sync::Arc;

use laterbase_core::store::Store;
use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
use laterbase_testkit::histories;
use tempfile::TempDir;

fn open(directory: &TempDir) -> Arc<dyn Store> {
    Arc::new(LmdbStore::open(directory.path(), LmdbOptions::default()).unwrap())
}

#[test]
fn every_read_equals_a_fold_from_scratch() {
    for seed in 0..8 {
        let directory = TempDir::new().unwrap();
        histories::check_reads(&mut || open(&directory), seed, 100);
    }
}

#[test]
fn reading_twice_changes_nothing() {
    histories::check_reads_change_nothing(open(&TempDir::new().unwrap()));
}

#[test]
fn a_snapshot_loses_the_race_against_a_late_event() {
    for flushes in [false, true] {
        histories::check_late_event_during_read(open(&TempDir::new().unwrap()), flushes);
    }
}
