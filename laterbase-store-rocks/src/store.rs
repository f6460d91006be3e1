//! The store: two databases, a latch, and the directory that holds them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use laterbase_core::store::{Area, Batch, Durability, Snapshot, Store, StoreError};
use laterbase_directory::{Directory, OpenError, Stamp};

use crate::environment::{Environment, Memory};
use crate::error;
use crate::options::RocksOptions;
use crate::presence::folder_name;
use crate::snapshot::RocksSnapshot;

const STAMP: Stamp = Stamp { engine: "rocks", format: 1 };

/// RocksDB replaces all of its files sooner or later, so none can be part of the store's home.
const ANCHORS: [&str; 0] = [];

/// A store on RocksDB.
#[derive(Debug)]
pub struct RocksStore {
    durability: Durability,
    /// Set once by a commit that failed, for both areas and for good.
    poisoned: AtomicBool,
    truth: Environment,
    derived: Environment,
    /// Declared last: the lock is given up after the databases are closed.
    directory: Directory,
}

impl RocksStore {
    /// Opens the store in `path`, and makes one if there is none.
    ///
    /// # Errors
    /// See [`OpenError`]. The data is as it was.
    pub fn open(path: &Path, options: RocksOptions) -> Result<Self, OpenError> {
        let directory = Directory::open(path, STAMP)?;
        let memory = Memory::new(options);
        let open = |area: Area, sync| {
            directory.folder(folder_name(area))?;
            Environment::open(directory.path(), area, &memory, sync)
        };
        let truth = open(Area::Truth, options.durability == Durability::Durable)?;
        let derived = open(Area::Derived, false)?;
        let (durability, poisoned) = (options.durability, AtomicBool::new(false));
        Ok(Self { durability, poisoned, truth, derived, directory })
    }

    /// Where the store lives, as a hash that no copy of it has. See [`Directory::home`].
    ///
    /// # Errors
    /// [`OpenError::Io`] if a file cannot be looked at.
    pub fn home(&self) -> Result<[u8; 32], OpenError> {
        self.directory.home(&ANCHORS)
    }

    pub(crate) const fn environment(&self, area: Area) -> &Environment {
        match area {
            Area::Truth => &self.truth,
            Area::Derived => &self.derived,
        }
    }

    fn check_poison(&self) -> Result<(), StoreError> {
        match self.poisoned.load(Ordering::Acquire) {
            true => Err(StoreError::Poisoned),
            false => Ok(()),
        }
    }

    /// Turns an error into the contract's, and closes the store to writers unless it is harmless.
    fn failed(&self, error: rocksdb::Error) -> StoreError {
        let error = error::write(error);
        if !matches!(error, StoreError::Full { .. }) {
            self.poisoned.store(true, Ordering::Release);
        }
        error
    }
}

impl Store for RocksStore {
    fn engine(&self) -> &'static str {
        STAMP.engine
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(RocksSnapshot::new(self)))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let environment = self.environment(batch.area());
        let changes = environment.changes(batch);
        // Held until the commit is over: the one before may just be failing.
        let _turn = environment.take_turn();
        self.check_poison()?;
        environment.write(changes).map_err(|error| self.failed(error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.check_poison()?;
        for area in [Area::Truth, Area::Derived] {
            self.environment(area).db.flush_wal(true).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Bytes of all files, also those that wait to be merged or removed.
    fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.truth.size_bytes()? + self.derived.size_bytes()?)
    }
}
