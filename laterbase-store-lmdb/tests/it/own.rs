//! What LMDB promises beyond the contract.

use std::fs;

use laterbase_core::store::{Area, Batch, Store, StoreError, Table};
use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
use tempfile::TempDir;

fn log_batch(positions: std::ops::Range<u64>, value: &[u8]) -> Batch {
    let mut batch = Batch::new(Area::Truth);
    for position in positions {
        batch.put(Table::Log, &position.to_be_bytes(), value);
    }
    batch
}

#[test]
fn the_map_grows_by_itself_and_the_file_only_as_needed() {
    let root = TempDir::new().unwrap();
    let store = LmdbStore::open(root.path(), LmdbOptions::default()).unwrap();
    let file = root.path().join("truth/data.mdb");
    assert!(fs::metadata(&file).unwrap().len() < 1024 * 1024);
    // More than the 10 MiB that LMDB reserves by itself.
    store.commit(&log_batch(0..20, &vec![1; 1024 * 1024])).unwrap();
    let bytes = fs::metadata(&file).unwrap().len();
    assert!((20..30).contains(&(bytes / 1024 / 1024)), "{bytes}");
}

#[test]
fn a_log_written_in_order_fills_its_pages() {
    let root = TempDir::new().unwrap();
    let store = LmdbStore::open(root.path(), LmdbOptions::default()).unwrap();
    for batch in 0..20 {
        store.commit(&log_batch(batch * 100..(batch + 1) * 100, &[1; 300])).unwrap();
    }
    let (bytes, payload) = (store.size_bytes().unwrap(), 20 * 100 * 308);
    assert!(bytes < payload * 5 / 4, "{bytes} bytes for {payload}: pages are split in halves");
}

#[test]
fn a_full_area_leaves_the_other_open() {
    let root = TempDir::new().unwrap();
    let options = LmdbOptions { map_bytes_max: 1024 * 1024, ..LmdbOptions::default() };
    let store = LmdbStore::open(root.path(), options).unwrap();
    let full = store.commit(&log_batch(0..20, &[1; 64 * 1024]));
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    let mut derived = Batch::new(Area::Derived);
    derived.put(Table::Progress, b"key", b"");
    store.commit(&derived).unwrap();
    store.commit(&log_batch(0..1, &[1; 64 * 1024])).unwrap();
}

#[test]
fn a_store_larger_than_its_new_bound_opens_and_is_full() {
    let root = TempDir::new().unwrap();
    let store = LmdbStore::open(root.path(), LmdbOptions::default()).unwrap();
    store.commit(&log_batch(0..40, &[1; 64 * 1024])).unwrap();
    drop(store);
    let options = LmdbOptions { map_bytes_max: 1024 * 1024, ..LmdbOptions::default() };
    let store = LmdbStore::open(root.path(), options).unwrap();
    let full = store.commit(&log_batch(40..80, &[1; 64 * 1024]));
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    assert!(store.snapshot().unwrap().get(Table::Log, &39_u64.to_be_bytes()).unwrap().is_some());
}

#[test]
fn the_home_stays_until_the_file_of_the_truth_is_replaced() {
    let root = TempDir::new().unwrap();
    let home = || LmdbStore::open(root.path(), LmdbOptions::default()).unwrap().home().unwrap();
    let before = home();
    assert_eq!(home(), before);
    let replace = |name: &str| {
        let (file, copy) = (root.path().join(name), root.path().join("copy"));
        fs::copy(&file, &copy).unwrap();
        fs::rename(&copy, &file).unwrap();
    };
    // As a repair does, which must not cost the store its id.
    replace("derived/data.mdb");
    assert_eq!(home(), before);
    replace("truth/data.mdb");
    assert_ne!(home(), before);
}

/// The story: a compaction was killed where the disk was nearly full, and what it had copied stayed
/// for good.
#[test]
fn what_a_killed_compaction_left_goes_with_the_next_opening() {
    let root = TempDir::new().unwrap();
    drop(LmdbStore::open(root.path(), LmdbOptions::default()).unwrap());
    for name in ["truth.compact", "derived.compact"] {
        fs::create_dir(root.path().join(name)).unwrap();
        fs::write(root.path().join(name).join("data.mdb"), "half of it").unwrap();
    }
    drop(LmdbStore::open(root.path(), LmdbOptions::default()).unwrap());
    assert!(!root.path().join("truth.compact").exists());
    assert!(!root.path().join("derived.compact").exists());
}
