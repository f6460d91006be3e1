//! The laws on memory and on LMDB.

mod lmdb {
    use std::cell::RefCell;
    use std::sync::Arc;

    use laterbase_core::store::Store;
    use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
    use tempfile::TempDir;

    /// Makes stores in directories that live as long as it does.
    fn fresh() -> impl Fn() -> Arc<dyn Store> {
        let directories = RefCell::new(Vec::new());
        move || {
            let directory = TempDir::new().unwrap();
            let options = LmdbOptions { map_bytes_max: 64 << 20, ..LmdbOptions::default() };
            let store = LmdbStore::open(directory.path(), options).unwrap();
            directories.borrow_mut().push(directory);
            Arc::new(store)
        }
    }

    laterbase_testkit::laws!(3, fresh());
}

mod memory {
    use std::sync::Arc;

    use laterbase_core::memory_store::MemoryStore;
    use laterbase_core::store::Store;

    fn fresh() -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    laterbase_testkit::laws!(40, fresh);
}
