//! The storage engines that this program was built with, and which of them a store is on.
//!
//! A store says by its stamp which engine wrote it, so nobody else has to. LMDB is there with the
//! feature `lmdb`, RocksDB with the feature `rocks`. A new store is on LMDB, and on RocksDB where
//! that is the only one or is asked for.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use laterbase_core::store::{Durability, Store};
use laterbase_core::verify::{Region, VerifyReport};
use laterbase_directory::{OpenError, Stamp};

#[cfg(feature = "lmdb")]
mod lmdb;
#[cfg(feature = "rocks")]
mod rocks;

/// How a store is opened, whatever its engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// When a write is acknowledged.
    pub durability: Durability,
    /// Most bytes that the store may take; `None` for what the disk has. A store that holds more
    /// already opens, and takes no more until the bound is raised.
    pub size_bytes_max: Option<u64>,
    /// What a store is made on that is not there yet; `None` for [`Engine::default`]. One that is
    /// there stays on its own.
    pub new_on: Option<Engine>,
}

/// A storage engine on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// LMDB, behind the feature `lmdb`.
    Lmdb,
    /// RocksDB, behind the feature `rocks`.
    Rocks,
}

impl Engine {
    /// Its name, as a store is stamped with it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lmdb => "lmdb",
            Self::Rocks => "rocks",
        }
    }
}

/// LMDB, or RocksDB where that is the only one that the program was built with.
impl Default for Engine {
    fn default() -> Self {
        if cfg!(all(feature = "rocks", not(feature = "lmdb"))) { Self::Rocks } else { Self::Lmdb }
    }
}

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, UnknownEngine> {
        let all = [Self::Lmdb, Self::Rocks];
        all.into_iter().find(|engine| engine.name() == name).ok_or(UnknownEngine)
    }
}

/// Not the name of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an engine is lmdb or rocks")]
pub struct UnknownEngine;

/// Which engine a store is on.
enum Found {
    #[cfg(feature = "lmdb")]
    Lmdb,
    #[cfg(feature = "rocks")]
    Rocks,
}

fn engine_of(path: &Path) -> Result<Found, OpenError> {
    engine_or(path, Engine::default())
}

/// The engine of a store, or the one that a new one is made on.
fn engine_or(path: &Path, new: Engine) -> Result<Found, OpenError> {
    match Stamp::engine_of(path)?.as_deref().unwrap_or(new.name()) {
        #[cfg(feature = "lmdb")]
        "lmdb" => Ok(Found::Lmdb),
        #[cfg(feature = "rocks")]
        "rocks" => Ok(Found::Rocks),
        other => Err(missing(path, other)),
    }
}

fn missing(path: &Path, engine: &str) -> OpenError {
    OpenError::EngineMissing { path: path.to_owned(), found: engine.to_owned() }
}

/// Opens the store in a directory by the engine that it is stamped with, and makes one if there is
/// none.
///
/// # Errors
/// [`OpenError`]; the data is as it was.
pub fn open(path: &Path, options: StoreOptions) -> Result<Arc<dyn Store>, OpenError> {
    match engine_or(path, options.new_on.unwrap_or_default())? {
        #[cfg(feature = "lmdb")]
        Found::Lmdb => lmdb::open(path, options),
        #[cfg(feature = "rocks")]
        Found::Rocks => rocks::open(path, options),
    }
}

/// Opens a store to be read as it is now, beside whoever has it open, and on a read-only medium too.
///
/// # Errors
/// [`OpenError`].
pub fn open_to_read(path: &Path) -> Result<Arc<dyn Store>, OpenError> {
    match engine_of(path)? {
        #[cfg(feature = "lmdb")]
        Found::Lmdb => lmdb::open_to_read(path),
        #[cfg(feature = "rocks")]
        Found::Rocks => rocks::open_to_read(path),
    }
}

/// Checks a store's files without its engine, where damage to them could mislead that one. RocksDB
/// has checksums on everything and looks itself.
///
/// # Errors
/// [`OpenError`] if the store is open, or its files cannot be read.
pub fn check_files(path: &Path) -> Result<VerifyReport, OpenError> {
    match engine_of(path)? {
        #[cfg(feature = "lmdb")]
        Found::Lmdb => lmdb::check_files(path),
        #[cfg(feature = "rocks")]
        Found::Rocks => Ok(VerifyReport::default()),
    }
}

/// [`check_files`], also of a store that is open elsewhere.
///
/// # Errors
/// As for [`check_files`].
pub fn check_files_in_use(path: &Path) -> Result<VerifyReport, OpenError> {
    match engine_of(path)? {
        #[cfg(feature = "lmdb")]
        Found::Lmdb => lmdb::check_files_in_use(path),
        #[cfg(feature = "rocks")]
        Found::Rocks => Ok(VerifyReport::default()),
    }
}

/// Gives back the room of what was replaced or deleted. The store keeps its identity.
///
/// # Errors
/// [`OpenError::Locked`] if the store is open; [`OpenError::BeingRead`] if another process reads it
/// and its engine cannot bear that; else if a file is damaged, or there is not enough room. The
/// data is as it was.
pub fn compact(path: &Path) -> Result<(), OpenError> {
    match engine_of(path)? {
        #[cfg(feature = "lmdb")]
        Found::Lmdb => lmdb::compact(path),
        #[cfg(feature = "rocks")]
        Found::Rocks => rocks::compact(path),
    }
}

/// Adds what a store found damaged when it was opened: it has begun anew what is derived.
pub fn report_set_aside(store: &dyn Store, report: &mut VerifyReport) {
    for found in store.condition().set_aside {
        report.fault(Region::Derived, found);
    }
}

/// What can still be read of the truth of a store on LMDB whose files are damaged.
///
/// # Errors
/// [`OpenError`] if that is nothing.
pub fn wreck(path: &Path) -> Result<Box<dyn Store>, OpenError> {
    #[cfg(feature = "lmdb")]
    return lmdb::wreck(path);
    #[cfg(not(feature = "lmdb"))]
    Err(missing(path, "lmdb"))
}

/// Removes the files of the derived tables, which the next opening builds anew.
///
/// # Errors
/// [`OpenError`] if the store is open, or the system refuses.
pub fn discard_derived(path: &Path) -> Result<(), OpenError> {
    match engine_of(path)? {
        #[cfg(feature = "lmdb")]
        Found::Lmdb => lmdb::discard_derived(path),
        // Opening it has done so.
        #[cfg(feature = "rocks")]
        Found::Rocks => Ok(()),
    }
}
