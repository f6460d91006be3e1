//! The storage engines that this program was built with, and which of them a store is on.
//!
//! A store says by its stamp which engine wrote it, so nobody else has to. LMDB is always there;
//! RocksDB is with the feature `rocks`.

use std::path::Path;
use std::sync::Arc;

use laterbase_core::store::Store;
use laterbase_core::verify::{Region, VerifyReport};
use laterbase_directory::{OpenError, Stamp};
use laterbase_store_lmdb::{LmdbOptions, LmdbStore, Wreck};

/// A store, and where it lives.
#[derive(Debug)]
pub struct OpenStore {
    /// The store.
    pub store: Arc<dyn Store>,
    /// A hash that no copy of it has.
    pub home: [u8; 32],
}

/// Which engine a store is on.
enum Engine {
    Lmdb,
    Rocks,
}

/// The engine of a store; LMDB where there is none yet.
fn engine_of(path: &Path) -> Result<Engine, OpenError> {
    match Stamp::engine_of(path)?.as_deref() {
        None | Some("lmdb") => Ok(Engine::Lmdb),
        Some("rocks") if cfg!(feature = "rocks") => Ok(Engine::Rocks),
        Some(other) => {
            Err(OpenError::EngineMissing { path: path.to_owned(), found: other.to_owned() })
        }
    }
}

/// Opens the store in a directory by the engine that it is stamped with, and makes one on LMDB if
/// there is none. Of the options, another engine takes what it has too.
///
/// # Errors
/// [`OpenError`]; the data is as it was.
pub fn open(path: &Path, options: LmdbOptions) -> Result<OpenStore, OpenError> {
    match engine_of(path)? {
        Engine::Lmdb => {
            let store = LmdbStore::open(path, options)?;
            let home = store.home()?;
            Ok(OpenStore { store: Arc::new(store), home })
        }
        Engine::Rocks => open_rocks(path, options),
    }
}

/// Opens a store to be read as it is now: on LMDB beside whoever has it open, and on a read-only
/// medium too. On another engine it is opened as by its one owner.
///
/// # Errors
/// [`OpenError`].
pub fn open_to_read(path: &Path) -> Result<Arc<dyn Store>, OpenError> {
    match engine_of(path)? {
        Engine::Lmdb => Ok(Arc::new(LmdbStore::open_to_read(path)?)),
        Engine::Rocks => Ok(open_rocks(path, LmdbOptions::default())?.store),
    }
}

/// [`check_files`], also of a store that is open elsewhere.
///
/// # Errors
/// As for [`check_files`].
pub fn check_files_in_use(path: &Path) -> Result<VerifyReport, OpenError> {
    match engine_of(path)? {
        Engine::Lmdb => laterbase_store_lmdb::check_files_in_use(path),
        Engine::Rocks => Ok(VerifyReport::default()),
    }
}

#[cfg(feature = "rocks")]
fn open_rocks(path: &Path, options: LmdbOptions) -> Result<OpenStore, OpenError> {
    use laterbase_store_rocks::{RocksOptions, RocksStore};
    let LmdbOptions { durability, size_bytes_max, .. } = options;
    let options = RocksOptions { durability, size_bytes_max, ..RocksOptions::default() };
    let store = RocksStore::open(path, options)?;
    let home = store.home()?;
    Ok(OpenStore { store: Arc::new(store), home })
}

#[cfg(not(feature = "rocks"))]
fn open_rocks(path: &Path, _options: LmdbOptions) -> Result<OpenStore, OpenError> {
    Err(OpenError::EngineMissing { path: path.to_owned(), found: "rocks".to_owned() })
}

/// Checks a store's files without its engine, where damage to them could mislead that one. RocksDB
/// has checksums on everything and looks itself.
///
/// # Errors
/// [`OpenError`] if the store is open, or its files cannot be read.
pub fn check_files(path: &Path) -> Result<VerifyReport, OpenError> {
    match engine_of(path)? {
        Engine::Lmdb => laterbase_store_lmdb::check_files(path),
        Engine::Rocks => Ok(VerifyReport::default()),
    }
}

/// Adds what a store found damaged when it was opened: it has begun anew what is derived.
pub fn report_set_aside(store: &dyn Store, report: &mut VerifyReport) {
    for found in store.condition().set_aside {
        report.fault(Region::Derived, found);
    }
}

/// What can still be read of the truth of a store whose files are damaged.
///
/// # Errors
/// [`OpenError`] if that is nothing.
pub fn wreck(path: &Path) -> Result<Box<dyn Store>, OpenError> {
    Ok(Box::new(Wreck::open(path)?))
}

/// Removes the files of the derived tables, which the next opening builds anew.
///
/// # Errors
/// [`OpenError`] if the store is open, or the system refuses.
pub fn discard_derived(path: &Path) -> Result<(), OpenError> {
    match engine_of(path)? {
        Engine::Lmdb => laterbase_store_lmdb::discard_derived(path),
        // Opening it has done so.
        Engine::Rocks => Ok(()),
    }
}
