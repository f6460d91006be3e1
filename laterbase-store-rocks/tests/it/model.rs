//! A replica on RocksDB against the model.

use std::sync::Arc;

use laterbase_store_rocks::{RocksOptions, RocksStore};
use laterbase_testkit::model;
use tempfile::TempDir;

#[test]
fn a_replica_does_what_the_model_does() {
    let tried = model::check(
        &mut || {
            let directory = TempDir::new().unwrap();
            Box::new(move || {
                let options = RocksOptions::default();
                Arc::new(RocksStore::open(directory.path(), options).unwrap())
            })
        },
        5,
    );
    assert!(tried["crashed"] > 0 && tried["merged"] > 0, "{tried:?}");
}
