//! The law of aggregates on RocksDB.

use std::sync::Arc;

use laterbase_core::store::Store;
use laterbase_store_rocks::{RocksOptions, RocksStore};
use laterbase_testkit::histories::{self, Lateness, Steady};
use tempfile::TempDir;

fn open(directory: &TempDir) -> Arc<dyn Store> {
    Arc::new(RocksStore::open(directory.path(), RocksOptions::default()).unwrap())
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

#[test]
fn a_snapshot_of_a_listing_loses_the_race_against_a_late_event() {
    histories::check_late_event_during_listing(open(&TempDir::new().unwrap()));
}

#[test]
fn reads_fold_little_anew_however_steadily_late_events_come() {
    for rate in [1, 10, 100] {
        let directory = TempDir::new().unwrap();
        let lateness = Lateness::Seconds(100);
        let steady = Steady { length: 50_000, rate, lateness, seconds: 15 };
        let folded = histories::count_folded(&mut || open(&directory), steady);
        assert!(folded.most_permille() <= 20, "at {rate} a second: {folded:?}");
        assert!(folded.after_restart <= folded.event_count / 50, "at {rate} a second: {folded:?}");
    }
}
