//! LMDB.

use std::path::Path;
use std::sync::Arc;

use laterbase_core::store::Store;
use laterbase_directory::OpenError;
use laterbase_store_lmdb::{LmdbOptions, LmdbStore, Wreck};

use super::StoreOptions;

pub(super) use laterbase_store_lmdb::{check_files, check_files_in_use, discard_derived};

pub(super) fn open(path: &Path, options: StoreOptions) -> Result<Arc<dyn Store>, OpenError> {
    let StoreOptions { durability, size_bytes_max, new_on: _ } = options;
    let options = LmdbOptions { durability, size_bytes_max, ..LmdbOptions::default() };
    let store = LmdbStore::open(path, options)?;
    Ok(Arc::new(store))
}

pub(super) fn open_to_read(path: &Path) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(LmdbStore::open_to_read(path)?))
}

pub(super) fn compact(path: &Path) -> Result<(), OpenError> {
    laterbase_store_lmdb::compact(path, LmdbOptions::default())
}

pub(super) fn wreck(path: &Path) -> Result<Box<dyn Store>, OpenError> {
    Ok(Box::new(Wreck::open(path)?))
}
