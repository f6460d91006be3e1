use std::path::{Path, PathBuf};

use laterbase_core::store::Durability;
use laterbase_store_rocks::{OpenError, RocksOptions, RocksStore};
use laterbase_testkit::conformance::Harness;
use tempfile::TempDir;

/// A directory within a temporary one, or one that another process made.
pub(crate) struct RocksHarness {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Harness for RocksHarness {
    type Store = RocksStore;

    fn fresh() -> Self {
        let temporary = TempDir::new().unwrap();
        Self { path: temporary.path().join("store"), _temporary: Some(temporary) }
    }

    fn open_with(&self, durability: Durability) -> Result<RocksStore, OpenError> {
        RocksStore::open(&self.path, RocksOptions { durability, ..RocksOptions::default() })
    }

    fn directory(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn at(directory: &Path) -> Option<Self> {
        Some(Self { path: directory.to_owned(), _temporary: None })
    }
}

laterbase_testkit::conformance!(RocksHarness);
