//! The laws of the event set on RocksDB.

use std::cell::RefCell;
use std::sync::Arc;

use laterbase_core::store::Store;
use laterbase_store_rocks::{RocksOptions, RocksStore};
use tempfile::TempDir;

/// Makes stores in directories that live as long as it does.
fn fresh() -> impl Fn() -> Arc<dyn Store> {
    let directories = RefCell::new(Vec::new());
    move || {
        let directory = TempDir::new().unwrap();
        let store = RocksStore::open(directory.path(), RocksOptions::default()).unwrap();
        directories.borrow_mut().push(directory);
        Arc::new(store)
    }
}

laterbase_testkit::laws!(2, fresh());
