//! RocksDB.

use std::path::Path;
use std::sync::Arc;

use laterbase_core::store::Store;
use laterbase_directory::OpenError;
use laterbase_store_rocks::{RocksOptions, RocksStore};

use super::StoreOptions;

pub(super) fn open(path: &Path, options: StoreOptions) -> Result<Arc<dyn Store>, OpenError> {
    let StoreOptions { durability, size_bytes_max, new_on: _ } = options;
    let options = RocksOptions { durability, size_bytes_max, ..RocksOptions::default() };
    let store = RocksStore::open(path, options)?;
    Ok(Arc::new(store))
}

pub(super) fn open_to_read(path: &Path) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(RocksStore::open_to_read(path)?))
}

pub(super) fn compact(path: &Path) -> Result<(), OpenError> {
    Ok(RocksStore::open(path, RocksOptions::default())?.compact()?)
}
