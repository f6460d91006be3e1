//! The store: two databases, a latch, and the directory that holds them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use laterbase_core::store::{
    Area, Batch, Condition, Durability, Refusal, Snapshot, Store, StoreError, Usage, WriterSlot,
};
use laterbase_directory::{Directory, OpenError, Stamp, note, set_folder_aside};

use crate::database::Memory;
use crate::environment::Environment;
use crate::error;
use crate::frozen::FrozenRocks;
use crate::options::RocksOptions;
use crate::presence::folder_name;
use crate::snapshot::RocksSnapshot;

pub(crate) const STAMP: Stamp = Stamp { engine: "rocks", format: 1 };

/// RocksDB replaces all of its files sooner or later, so none can be part of the store's home.
const ANCHORS: [&str; 0] = [];

/// A store on RocksDB.
#[derive(Debug)]
pub struct RocksStore {
    options: RocksOptions,
    /// Set once by a commit that failed, for both areas and for good.
    poisoned: AtomicBool,
    truth: Environment,
    derived: Environment,
    set_aside: Mutex<Vec<String>>,
    writer: WriterSlot,
    /// Declared last: the lock is given up after the databases are closed.
    directory: Directory,
}

impl RocksStore {
    /// Opens the store in `path`, and makes one if there is none.
    ///
    /// A derived area that is damaged is set aside, and an empty one begun; the store's
    /// [`Condition`] says so. On a full disk the store can be read, and takes writes as soon as
    /// there is room.
    ///
    /// # Errors
    /// See [`OpenError`]. The data is as it was.
    pub fn open(path: &Path, options: RocksOptions) -> Result<Self, OpenError> {
        let directory = Directory::open(path, STAMP)?;
        let memory = Memory::new(options);
        directory.folder(folder_name(Area::Truth))?;
        let sync = options.durability == Durability::Durable;
        let truth = Environment::open(directory.path(), Area::Truth, &memory, sync)?;
        let (derived, set_aside) = open_derived(&directory, &memory)?;
        Ok(Self {
            options,
            poisoned: AtomicBool::new(false),
            truth,
            derived,
            set_aside: Mutex::new(set_aside),
            writer: WriterSlot::default(),
            directory,
        })
    }

    /// Opens the store in `path` to be read as it is now, also one that another process has open,
    /// and on a read-only medium too. Nothing is written.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::NoStore`] if there is none, or it is only being made.
    pub fn open_to_read(path: &Path) -> Result<FrozenRocks, OpenError> {
        FrozenRocks::open(path)
    }

    /// Merges all table files, so that what was replaced or deleted takes no room any more. Writes
    /// and reads go on meanwhile. It needs as much room as the largest table takes.
    ///
    /// # Errors
    /// [`StoreError`]; what is stored is as it was.
    pub fn compact(&self) -> Result<(), StoreError> {
        self.check_poison()?;
        for area in [Area::Truth, Area::Derived] {
            self.environment(area).database()?.compact(area)?;
        }
        Ok(())
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

    /// Refuses a batch that would pass the store's bound.
    fn check_bound(&self, batch: &Batch) -> Result<(), StoreError> {
        let Some(most) = self.options.size_bytes_max else { return Ok(()) };
        match self.size_bytes_about()?.saturating_add(batch.size_bytes() as u64) > most {
            true => Err(StoreError::Full { detail: format!("its bound is {most} bytes") }),
            false => Ok(()),
        }
    }

    fn size_bytes_about(&self) -> Result<u64, StoreError> {
        Ok(self.truth.size_bytes_about()? + self.derived.size_bytes_about()?)
    }

    /// Closes the store to writers after an error, unless it is harmless.
    fn failed(&self, error: StoreError, area: Area) -> StoreError {
        match &error {
            StoreError::Full { .. } | StoreError::Rebuilding => {}
            // What is derived can be begun anew.
            StoreError::Corrupt { .. } if area == Area::Derived => {}
            _ => self.poisoned.store(true, Ordering::Release),
        }
        error
    }
}

fn open_derived(
    directory: &Directory,
    memory: &Memory,
) -> Result<(Environment, Vec<String>), OpenError> {
    let open = || {
        directory.folder(folder_name(Area::Derived))?;
        Environment::open(directory.path(), Area::Derived, memory, false)
    };
    let error = match open() {
        Ok(environment) => return Ok((environment, Vec::new())),
        Err(error) if error::is_of_system(&error) => return Err(error),
        Err(error) => error,
    };
    let aside = set_folder_aside(directory.path(), folder_name(Area::Derived))?;
    Ok((open()?, vec![format!("{error}; set aside as {}", aside.display())]))
}

impl Store for RocksStore {
    fn engine(&self) -> &'static str {
        STAMP.engine
    }

    fn durability(&self) -> Durability {
        self.options.durability
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        let (truth, derived) = (self.truth.database()?, self.derived.database()?);
        Ok(Box::new(RocksSnapshot::new(truth, Some(derived))))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let environment = self.environment(batch.area());
        // Held until the commit is over: the one before may just be failing.
        let _turn = environment.take_turn();
        self.check_poison()?;
        self.check_bound(batch)?;
        environment.write(batch).map_err(|error| self.failed(error, batch.area()))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.check_poison()?;
        for area in [Area::Truth, Area::Derived] {
            self.environment(area).sync().map_err(|error| self.failed(error, area))?;
        }
        Ok(())
    }

    /// Bytes of all files, also those that wait to be merged or removed.
    fn home(&self) -> Result<[u8; 32], StoreError> {
        let home = self.directory.home(&ANCHORS);
        home.map_err(|error| StoreError::engine("find out where it lives", error))
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.truth.size_bytes()? + self.derived.size_bytes()?)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let mut tables = self.truth.database()?.table_bytes(Area::Truth)?;
        tables.append(&mut self.derived.database()?.table_bytes(Area::Derived)?);
        Ok(Usage { tables, files_bytes: self.size_bytes()? })
    }

    fn writer(&self) -> &WriterSlot {
        &self.writer
    }

    fn renew_derived(&self, reason: &str) -> Result<(), StoreError> {
        self.check_poison()?;
        let aside = self.derived.renew()?;
        note(&self.set_aside, format!("{reason}; set aside as {}", aside.display()));
        Ok(())
    }

    fn refusal(&self, area: Area) -> Option<Refusal> {
        if self.poisoned.load(Ordering::Acquire) {
            return Some(Refusal::Poisoned);
        }
        let bound = || {
            let most = self.options.size_bytes_max?;
            let is_met = self.size_bytes_about().is_ok_and(|taken| taken >= most);
            is_met.then(|| format!("its bound is {most} bytes"))
        };
        let detail = self.environment(area).lacks_room().or_else(bound)?;
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
