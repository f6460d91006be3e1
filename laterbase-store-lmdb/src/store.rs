//! The store: two environments, a latch, and the directory that holds them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use heed::EnvFlags;
use laterbase_core::store::{Area, Batch, Durability, Snapshot, Store, StoreError};
use laterbase_directory::{Directory, OpenError, Stamp};

use crate::dead_readers::DeadReaders;
use crate::environment::{Environment, MAP_STEP_BYTES};
use crate::error;
use crate::frozen::FrozenLmdb;
use crate::options::LmdbOptions;
use crate::repair::{check_head, folder_name};
use crate::snapshot::LmdbSnapshot;

pub(crate) const STAMP: Stamp = Stamp { engine: "lmdb", format: 2 };

/// The files whose numbers are part of the store's home: LMDB keeps them for the store's life.
/// Not the one of the derived tables, which is made anew where it is damaged.
const ANCHORS: [&str; 1] = ["truth/data.mdb"];

/// A store on LMDB.
#[derive(Debug)]
pub struct LmdbStore {
    durability: Durability,
    /// Set once by a commit that failed, for both areas and for good.
    poisoned: AtomicBool,
    dead_readers: DeadReaders,
    truth: Environment,
    derived: Environment,
    /// Declared last: the lock is given up after the environments are closed.
    directory: Directory,
}

impl LmdbStore {
    /// Opens the store in `path`, and makes one if there is none.
    ///
    /// # Errors
    /// See [`OpenError`]. The data is as it was.
    pub fn open(path: &Path, options: LmdbOptions) -> Result<Self, OpenError> {
        let directory = Directory::open(path, STAMP)?;
        let truth_flags = match options.durability {
            Durability::Durable => EnvFlags::empty(),
            Durability::Relaxed => EnvFlags::NO_META_SYNC,
        };
        let open = |area: Area, flags| {
            let folder = directory.folder(folder_name(area))?;
            check_head(path, area)?;
            let environment = Environment::open(&folder, area, options.map_bytes_max, flags)?;
            // LMDB syncs its file, and never the name of it.
            directory.sync_names(folder_name(area))?;
            Ok::<_, OpenError>(environment)
        };
        let truth = open(Area::Truth, truth_flags)?;
        let derived = open(Area::Derived, EnvFlags::NO_META_SYNC)?;
        let (durability, poisoned) = (options.durability, AtomicBool::new(false));
        let dead_readers = DeadReaders::default();
        Ok(Self { durability, poisoned, dead_readers, truth, derived, directory })
    }

    /// Opens the store in `path` to be read as it is now, whether or not another process has it
    /// open, and on a read-only medium too. Nothing is written.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Locked`] if this same process has it open.
    pub fn open_to_read(path: &Path) -> Result<FrozenLmdb, OpenError> {
        FrozenLmdb::open(path)
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
    fn failed(&self, error: heed::Error, batch_bytes: usize) -> StoreError {
        // LMDB copies every page that it touches, so a batch can need several times its own size.
        let needed = 4 * batch_bytes as u64 + MAP_STEP_BYTES;
        let error =
            error::write(error, || self.directory.free_bytes().is_some_and(|free| free < needed));
        if !matches!(error, StoreError::Full { .. }) {
            self.poisoned.store(true, Ordering::Release);
        }
        error
    }
}

impl Store for LmdbStore {
    fn engine(&self) -> &'static str {
        STAMP.engine
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(LmdbSnapshot::new(self)?))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let environment = self.environment(batch.area());
        let failed = |error| self.failed(error, batch.size_bytes());
        self.check_poison()?;
        let mut transaction = environment.env.write_txn().map_err(failed)?;
        // Looked at again, now that it is this writer's turn: the one before may just have failed.
        self.check_poison()?;
        for operation in batch.operations() {
            environment.apply(&mut transaction, operation).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        self.dead_readers.after_commit([&self.truth.env, &self.derived.env]);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.check_poison()?;
        for area in [Area::Truth, Area::Derived] {
            self.environment(area).env.force_sync().map_err(|error| self.failed(error, 0))?;
        }
        Ok(())
    }

    /// Bytes of the pages in use. The files also hold pages that are free to be used again.
    fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.truth.size_bytes()? + self.derived.size_bytes()?)
    }
}
