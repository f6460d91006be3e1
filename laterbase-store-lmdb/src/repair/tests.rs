#![allow(clippy::unwrap_used, clippy::host_endian_bytes, reason = "tests of LMDB's own form")]

use laterbase_core::store::{Batch, Store, Table};
use tempfile::TempDir;

use super::*;
use crate::{LmdbOptions, LmdbStore};

/// A store with short and long values, several levels of pages, and free ones.
fn filled(path: &Path) {
    let store = LmdbStore::open(path, LmdbOptions::default()).unwrap();
    for round in 0..30_u64 {
        let mut truth = Batch::new(Area::Truth);
        let mut derived = Batch::new(Area::Derived);
        for number in 0..100_u64 {
            let value = vec![7; usize::try_from(number * number).unwrap()];
            truth.put(Table::Log, &(round * 100 + number).to_be_bytes(), &value);
            derived.put(
                Table::FoldIndex,
                &(number * 7919 % 1009 + round).to_be_bytes(),
                b"12345678",
            );
        }
        truth.put(Table::Meta, b"round", &round.to_be_bytes());
        if round % 10 == 9 {
            derived.clear(Table::FoldIndex);
            truth.delete(Table::Log, &round.to_be_bytes());
        }
        store.commit(&truth).unwrap();
        store.commit(&derived).unwrap();
    }
}

#[test]
fn files_that_lmdb_has_written_are_sound() {
    let directory = TempDir::new().unwrap();
    assert!(check_files(directory.path()).unwrap().is_sound(), "an empty store");
    filled(directory.path());
    let report = check_files(directory.path()).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}

#[test]
fn a_truth_that_is_gone_is_not_made_anew() {
    for cut in [None, Some(0), Some(100), Some(4096), Some(40_960)] {
        let directory = TempDir::new().unwrap();
        filled(directory.path());
        let path = directory.path().join("truth/data.mdb");
        match cut {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => {
                fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes).unwrap()
            }
        }
        let opened = LmdbStore::open(directory.path(), LmdbOptions::default()).err();
        let told = opened.map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("truth/data.mdb"), "{cut:?}: {told}");
        assert!(!check_files(directory.path()).unwrap().is_truth_sound());
    }
}

#[test]
fn derived_tables_that_cannot_be_opened_can_be_removed() {
    let directory = TempDir::new().unwrap();
    filled(directory.path());
    fs::write(directory.path().join("derived/data.mdb"), b"nonsense").unwrap();
    let report = check_files(directory.path()).unwrap();
    assert!(report.is_truth_sound() && !report.is_sound(), "{:?}", report.faults);
    discard_derived(directory.path()).unwrap();
    let store = LmdbStore::open(directory.path(), LmdbOptions::default()).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.get(Table::Log, &5_u64.to_be_bytes()).unwrap().is_some());
}

/// The number of pages is believed by nobody: it once was, and took as much memory as it said.
#[test]
fn a_file_that_claims_more_pages_than_it_has_is_damaged() {
    // Of either meta page, behind its header, 24 bytes and two trees.
    for last_page in [1_u64 << 40, u64::MAX / 4096 - 1, u64::MAX] {
        let directory = TempDir::new().unwrap();
        filled(directory.path());
        let path = directory.path().join("derived/data.mdb");
        let mut bytes = fs::read(&path).unwrap();
        for page in [0, 4096] {
            bytes[page + 136..page + 144].copy_from_slice(&last_page.to_ne_bytes());
        }
        fs::write(&path, bytes).unwrap();
        let report = check_files(directory.path()).unwrap();
        assert!(report.is_truth_sound() && !report.is_sound(), "{last_page}: {report:?}");
    }
}
