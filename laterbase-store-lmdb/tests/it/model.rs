//! A replica on LMDB against the model.

use std::sync::Arc;

use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
use laterbase_testkit::model;
use tempfile::TempDir;

#[test]
fn a_replica_does_what_the_model_does() {
    let tried = model::check(
        &mut || {
            let directory = TempDir::new().unwrap();
            Box::new(move || {
                let options = LmdbOptions { map_bytes_max: 64 << 20, ..LmdbOptions::default() };
                Arc::new(LmdbStore::open(directory.path(), options).unwrap())
            })
        },
        12,
    );
    assert!(tried["crashed"] > 0 && tried["merged"] > 0, "{tried:?}");
}
