//! The store: two environments, a latch, and the directory that holds them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use laterbase_core::store::{
    Area, Batch, Condition, Durability, Refusal, Snapshot, Store, StoreError, Usage, WriterSlot,
};
use laterbase_directory::{DISK_RESERVE_BYTES, Directory, OpenError, Stamp};

use crate::compaction;
use crate::dead_readers::DeadReaders;
use crate::environment::{Environment, MAP_STEP_BYTES};
use crate::error;
use crate::frozen::FrozenLmdb;
use crate::options::LmdbOptions;
use crate::renewal;
use crate::repair::files_bytes;
use crate::snapshot::LmdbSnapshot;

pub(crate) const STAMP: Stamp = Stamp { engine: "lmdb", format: 2 };

/// The files whose numbers are part of the store's home: LMDB keeps them for the store's life.
/// Not the one of the derived tables, which is made anew where it is damaged.
pub(crate) const ANCHORS: [&str; 1] = ["truth/data.mdb"];

/// A store on LMDB.
#[derive(Debug)]
pub struct LmdbStore {
    pub(crate) options: LmdbOptions,
    /// Set once by a commit that failed, for both areas and for good.
    poisoned: AtomicBool,
    dead_readers: DeadReaders,
    /// Bytes that the last commit to each area needed, if there was no room for it; else 0.
    needed: [AtomicU64; 2],
    truth: Arc<Environment>,
    /// Another one after a renewal; snapshots keep the one that they look at.
    pub(crate) derived: RwLock<Arc<Environment>>,
    pub(crate) set_aside: Mutex<Vec<String>>,
    writer: WriterSlot,
    /// Declared last: the lock is given up after the environments are closed.
    pub(crate) directory: Directory,
}

impl LmdbStore {
    /// Opens the store in `path`, and makes one if there is none.
    ///
    /// A derived area that is damaged is set aside, and an empty one begun; the store's
    /// [`Condition`] says so.
    ///
    /// # Errors
    /// See [`OpenError`]. The data is as it was.
    pub fn open(path: &Path, options: LmdbOptions) -> Result<Self, OpenError> {
        let mut directory = Directory::open(path, STAMP)?;
        let was_closed = directory.mark_open()?;
        // It takes room and does no other harm, so it keeps nobody out.
        let _removed = compaction::remove_unfinished(&directory);
        let truth = renewal::open_area(&directory, Area::Truth, options)?;
        let (derived, set_aside) = renewal::open_derived(&directory, options, was_closed)?;
        Ok(Self {
            options,
            poisoned: AtomicBool::new(false),
            needed: [AtomicU64::new(0), AtomicU64::new(0)],
            truth: Arc::new(truth),
            derived: RwLock::new(Arc::new(derived)),
            set_aside: Mutex::new(set_aside),
            writer: WriterSlot::default(),
            dead_readers: DeadReaders::default(),
            directory,
        })
    }

    /// Opens the store in `path` to be read as it is now, whether or not another process has it
    /// open, and on a read-only medium too. Nothing is written.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Locked`] if this same process has it open.
    pub fn open_to_read(path: &Path) -> Result<FrozenLmdb, OpenError> {
        FrozenLmdb::open(path)
    }

    pub(crate) fn environment(&self, area: Area) -> Arc<Environment> {
        match area {
            Area::Truth => Arc::clone(&self.truth),
            Area::Derived => {
                Arc::clone(&self.derived.read().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }

    fn check_poison(&self) -> Result<(), StoreError> {
        match self.poisoned.load(Ordering::Acquire) {
            true => Err(StoreError::Poisoned),
            false => Ok(()),
        }
    }

    /// Refuses a batch that would pass the store's bound.
    fn check_bound(&self, batch: &Batch) -> Result<(), StoreError> {
        let Some(most) = self.options.size_bytes_max else { return Ok(()) };
        match self.size_bytes()?.saturating_add(batch.size_bytes() as u64) > most {
            true => Err(StoreError::Full { detail: format!("its bound is {most} bytes") }),
            false => Ok(()),
        }
    }

    /// Turns an error into the contract's, and closes the store to writers unless it is harmless.
    fn failed(&self, error: heed::Error, area: Area, batch_bytes: usize) -> StoreError {
        // LMDB copies every page that it touches, so a batch can need several times its own size.
        let needed = 4 * batch_bytes as u64 + MAP_STEP_BYTES;
        let free = || self.directory.free_bytes_of(area).is_some_and(|free| free < needed);
        self.judge(error::write(error, free), area, needed)
    }

    fn judge(&self, error: StoreError, area: Area, needed: u64) -> StoreError {
        match &error {
            StoreError::Full { .. } => {
                self.needed[area as usize].store(needed, Ordering::Release);
            }
            // What is derived can be begun anew, and nothing of it was written.
            StoreError::Corrupt { .. } if area == Area::Derived => {}
            _ => self.poisoned.store(true, Ordering::Release),
        }
        error
    }

    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let area = batch.area();
        let environment = self.environment(area);
        let failed = |error| self.failed(error, area, batch.size_bytes());
        let mut transaction = environment.env.write_txn().map_err(failed)?;
        // Looked at again, now that it is this writer's turn: the one before may just have failed.
        self.check_poison()?;
        environment
            .check_ways(&transaction, batch)
            .map_err(|error| self.judge(error, area, batch.size_bytes() as u64))?;
        for operation in batch.operations() {
            environment.apply(&mut transaction, operation).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }
}

impl Drop for LmdbStore {
    fn drop(&mut self) {
        if !*self.poisoned.get_mut() {
            self.directory.mark_closed();
        }
    }
}

impl Store for LmdbStore {
    fn engine(&self) -> &'static str {
        STAMP.engine
    }

    fn durability(&self) -> Durability {
        self.options.durability
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(LmdbSnapshot::new(self)?))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.check_poison()?;
        self.check_bound(batch)?;
        self.write(batch)?;
        self.needed[batch.area() as usize].store(0, Ordering::Release);
        let derived = self.environment(Area::Derived);
        self.dead_readers.after_commit([&self.truth.env, &derived.env]);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.check_poison()?;
        for area in [Area::Truth, Area::Derived] {
            let synced = self.environment(area).env.force_sync();
            synced.map_err(|error| self.failed(error, area, 0))?;
        }
        Ok(())
    }

    /// Bytes of the pages in use. The files also hold pages that are free to be used again.
    fn home(&self) -> Result<[u8; 32], StoreError> {
        let home = self.directory.home(&ANCHORS);
        home.map_err(|error| StoreError::engine("find out where it lives", error))
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.truth.size_bytes()? + self.environment(Area::Derived).size_bytes()?)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let mut tables = self.truth.table_bytes()?;
        tables.append(&mut self.environment(Area::Derived).table_bytes()?);
        Ok(Usage { tables, files_bytes: files_bytes(self.directory.path())? })
    }

    fn writer(&self) -> &WriterSlot {
        &self.writer
    }

    fn renew_derived(&self, reason: &str) -> Result<(), StoreError> {
        self.check_poison()?;
        renewal::renew(self, reason)
    }

    fn refusal(&self, area: Area) -> Option<Refusal> {
        if self.poisoned.load(Ordering::Acquire) {
            return Some(Refusal::Poisoned);
        }
        let needed = self.needed[area as usize].load(Ordering::Acquire).max(DISK_RESERVE_BYTES);
        let bound = self.options.size_bytes_max.filter(|most| {
            self.size_bytes().is_ok_and(|taken| taken.saturating_add(MAP_STEP_BYTES) > *most)
        });
        let detail = match self.directory.free_bytes_of(area) {
            Some(free) if free < needed => format!("its disk has {free} bytes left"),
            _ => format!("its bound is {} bytes", bound?),
        };
        Some(Refusal::Full { detail })
    }

    fn condition(&self) -> Condition {
        Condition {
            size_bytes: self.size_bytes().ok(),
            size_bytes_max: self.options.size_bytes_max,
            disk_free_bytes: self.directory.free_bytes(),
            refusal: self.refusal(Area::Truth),
            derived_refusal: self.refusal(Area::Derived),
            set_aside: self.set_aside.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
