//! The storage engines that a server can be told to open.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{Durability, Store};

use crate::builder::BuildError;

/// A storage engine, by the name that `--store` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// LMDB on disk: small, and reads at memory speed.
    #[default]
    Lmdb,
    /// RocksDB on disk: writes faster and takes less room.
    Rocks,
    /// In memory: gone when the server ends.
    Memory,
}

impl Engine {
    /// Whether this program was built with it.
    pub(crate) const fn is_built_in(self) -> bool {
        match self {
            Self::Lmdb => cfg!(feature = "lmdb"),
            Self::Rocks => cfg!(feature = "rocks"),
            Self::Memory => true,
        }
    }

    /// Opens the store in a directory, and makes one if there is none.
    pub(crate) fn open(
        self,
        path: &Path,
        durability: Durability,
        size_bytes_max: Option<u64>,
    ) -> Result<Arc<dyn Store>, BuildError> {
        match self {
            Self::Lmdb => open_lmdb(path, durability, size_bytes_max),
            Self::Rocks => open_rocks(path, durability, size_bytes_max),
            Self::Memory => Ok(Arc::new(MemoryStore::with_durability(durability))),
        }
    }
}

#[cfg(feature = "lmdb")]
fn open_lmdb(
    path: &Path,
    durability: Durability,
    size_bytes_max: Option<u64>,
) -> Result<Arc<dyn Store>, BuildError> {
    use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
    let options = LmdbOptions { durability, size_bytes_max, ..LmdbOptions::default() };
    Ok(Arc::new(LmdbStore::open(path, options)?))
}

#[cfg(not(feature = "lmdb"))]
fn open_lmdb(
    _path: &Path,
    _durability: Durability,
    _size_bytes_max: Option<u64>,
) -> Result<Arc<dyn Store>, BuildError> {
    Err(BuildError::EngineMissing { engine: Engine::Lmdb })
}

#[cfg(feature = "rocks")]
fn open_rocks(
    path: &Path,
    durability: Durability,
    size_bytes_max: Option<u64>,
) -> Result<Arc<dyn Store>, BuildError> {
    use laterbase_store_rocks::{RocksOptions, RocksStore};
    let options = RocksOptions { durability, size_bytes_max, ..RocksOptions::default() };
    Ok(Arc::new(RocksStore::open(path, options)?))
}

#[cfg(not(feature = "rocks"))]
fn open_rocks(
    _path: &Path,
    _durability: Durability,
    _size_bytes_max: Option<u64>,
) -> Result<Arc<dyn Store>, BuildError> {
    Err(BuildError::EngineMissing { engine: Engine::Rocks })
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lmdb => "lmdb",
            Self::Rocks => "rocks",
            Self::Memory => "memory",
        })
    }
}

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        [Self::Lmdb, Self::Rocks, Self::Memory]
            .into_iter()
            .find(|engine| engine.to_string() == text)
            .ok_or(UnknownEngine)
    }
}

/// A name that is no engine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a store is one of lmdb, rocks and memory")]
pub struct UnknownEngine;
