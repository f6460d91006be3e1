use std::path::{Path, PathBuf};

use laterbase_core::store::Durability;
use laterbase_store_lmdb::{LmdbOptions, LmdbStore, OpenError};
use laterbase_testkit::conformance::Harness;
use tempfile::TempDir;

/// A directory within a temporary one, or one that another process made.
pub(crate) struct LmdbHarness {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Harness for LmdbHarness {
    type Store = LmdbStore;

    fn fresh() -> Self {
        let temporary = TempDir::new().unwrap();
        Self { path: temporary.path().join("store"), _temporary: Some(temporary) }
    }

    fn open_with(&self, durability: Durability) -> Result<LmdbStore, OpenError> {
        LmdbStore::open(&self.path, LmdbOptions { durability, ..LmdbOptions::default() })
    }

    fn open_bounded(&self, bytes_max: u64) -> Option<Result<LmdbStore, OpenError>> {
        let options = LmdbOptions { map_bytes_max: bytes_max, ..LmdbOptions::default() };
        Some(LmdbStore::open(&self.path, options))
    }

    fn directory(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn at(directory: &Path) -> Option<Self> {
        Some(Self { path: directory.to_owned(), _temporary: None })
    }
}

laterbase_testkit::conformance!(LmdbHarness);
