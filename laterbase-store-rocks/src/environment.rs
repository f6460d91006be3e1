//! One area of the store: its database, which is closed and opened again where that helps.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;
use std::{io, thread};

use laterbase_core::store::{Area, Batch, StoreError};
use laterbase_directory::{DISK_RESERVE_BYTES, OpenError, free_bytes, set_folder_aside};
use rocksdb::WriteOptions;

use crate::database::{Database, Memory};
use crate::error;
use crate::presence;

/// How often, and how far apart, it is looked whether a database is still looked at by somebody.
const LOOKS_MAX: u32 = 2_000;
const LOOK_PERIOD: Duration = Duration::from_millis(1);

/// Bytes that a database takes from one look at its files to the next before they are counted again.
const RECOUNT_BYTES: u64 = 16 * 1024 * 1024;

/// One area of the store.
#[derive(Debug)]
pub(crate) struct Environment {
    directory: PathBuf,
    area: Area,
    memory: Memory,
    /// Whether a commit is on disk when it returns.
    sync: bool,
    /// Nothing if the database was closed and could not be opened again.
    database: RwLock<Option<Arc<Database>>>,
    /// Held by the one who commits. RocksDB could take several at once, but then one that fails
    /// could not stop the next.
    turn: Mutex<()>,
    /// Whether the last commit found the disk full. RocksDB refuses all further ones then, for good
    /// or until it notices that there is room.
    was_full: AtomicBool,
    /// Bytes of all files when last counted, and bytes that were written since.
    counted: AtomicU64,
    written: AtomicU64,
}

impl Environment {
    pub(crate) fn open(
        directory: &Path,
        area: Area,
        memory: &Memory,
        sync: bool,
    ) -> Result<Self, OpenError> {
        let database = Database::open(directory, area, memory)?;
        let was_full = AtomicBool::new(database.is_read_only);
        Ok(Self {
            directory: directory.to_owned(),
            area,
            memory: memory.clone(),
            sync,
            database: RwLock::new(Some(Arc::new(database))),
            turn: Mutex::default(),
            was_full,
            counted: AtomicU64::new(0),
            written: AtomicU64::new(RECOUNT_BYTES),
        })
    }

    /// The database as it is now. Whoever looks at it keeps it open.
    pub(crate) fn database(&self) -> Result<Arc<Database>, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        database.clone().ok_or_else(|| closed(self.area))
    }

    pub(crate) fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a batch. Where the disk was full and has room now, opens the database again first:
    /// RocksDB does not take writes on by itself after each kind of failure.
    ///
    /// The caller has taken its turn.
    pub(crate) fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let written = self.write_once(batch);
        let is_full = matches!(written, Err(StoreError::Full { .. }));
        self.was_full.store(is_full, Ordering::Release);
        self.written.fetch_add(batch.size_bytes() as u64, Ordering::Relaxed);
        if !is_full || self.lacks_room().is_some() {
            return written;
        }
        self.open_again()?;
        let written = self.write_once(batch);
        self.was_full.store(matches!(written, Err(StoreError::Full { .. })), Ordering::Release);
        written
    }

    fn write_once(&self, batch: &Batch) -> Result<(), StoreError> {
        let database = self.database()?;
        if database.is_read_only {
            return Err(full("it was opened on a full disk"));
        }
        let mut options = WriteOptions::default();
        options.set_sync(self.sync);
        database.db.write_opt(database.changes(batch), &options).map_err(error::write)
    }

    /// Makes what is written survive power loss.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let database = self.database()?;
        if database.is_read_only || self.was_full.load(Ordering::Acquire) {
            return Err(full("its disk has no room"));
        }
        database.db.flush_wal(true).map_err(error::write)
    }

    /// Why a write would find no room, if it would.
    pub(crate) fn lacks_room(&self) -> Option<String> {
        let free = free_bytes(&self.folder())?;
        let needed = if self.was_full.load(Ordering::Acquire) {
            // Opening writes what is in the write-ahead log to table files.
            let logs = self.files_bytes(&|name| name.ends_with(".log")).unwrap_or(0);
            logs + logs / 4 + 4 * DISK_RESERVE_BYTES
        } else {
            DISK_RESERVE_BYTES
        };
        (free < needed).then(|| format!("its disk has {free} bytes left"))
    }

    fn open_again(&self) -> Result<(), StoreError> {
        let mut slot = self.close()?;
        *slot = Some(Arc::new(self.reopen()?));
        Ok(())
    }

    fn reopen(&self) -> Result<Database, StoreError> {
        Database::open(&self.directory, self.area, &self.memory).map_err(into_store_error)
    }

    /// Closes the database once nobody looks at it. Nobody gets to look meanwhile.
    fn close(&self) -> Result<RwLockWriteGuard<'_, Option<Arc<Database>>>, StoreError> {
        let mut slot = self.database.write().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..LOOKS_MAX {
            match slot.take().map(Arc::try_unwrap) {
                Some(Err(shared)) => *slot = Some(shared),
                Some(Ok(database)) => {
                    drop(database);
                    return Ok(slot);
                }
                None => return Ok(slot),
            }
            thread::sleep(LOOK_PERIOD);
        }
        Err(StoreError::Rebuilding)
    }

    /// Sets the area's files aside and begins an empty database. Gives where they are.
    pub(crate) fn renew(&self) -> Result<PathBuf, StoreError> {
        let _turn = self.take_turn();
        let mut slot = self.close()?;
        let name = presence::folder_name(self.area);
        let aside = set_folder_aside(&self.directory, name).map_err(into_store_error)?;
        make_folder(&self.folder())?;
        *slot = Some(Arc::new(self.reopen()?));
        Ok(aside)
    }

    fn folder(&self) -> PathBuf {
        self.directory.join(presence::folder_name(self.area))
    }

    pub(crate) fn size_bytes(&self) -> Result<u64, StoreError> {
        let bytes = self.files_bytes(&|_| true);
        let bytes = bytes.map_err(|error| StoreError::engine("count its files", error))?;
        self.counted.store(bytes, Ordering::Relaxed);
        self.written.store(0, Ordering::Relaxed);
        Ok(bytes)
    }

    /// About as many bytes as [`Self::size_bytes`], without a look at the files each time.
    pub(crate) fn size_bytes_about(&self) -> Result<u64, StoreError> {
        let written = self.written.load(Ordering::Relaxed);
        if written >= RECOUNT_BYTES {
            return self.size_bytes();
        }
        Ok(self.counted.load(Ordering::Relaxed) + written)
    }

    fn files_bytes(&self, counts: &dyn Fn(&str) -> bool) -> io::Result<u64> {
        presence::bytes_of(&self.folder(), counts)
    }
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    match laterbase_directory::make_folder(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StoreError::engine("make its folder", error))
        }
        _ => Ok(()),
    }
}

fn full(detail: &str) -> StoreError {
    StoreError::Full { detail: detail.to_owned() }
}

fn closed(area: Area) -> StoreError {
    let name = presence::folder_name(area);
    StoreError::engine("read", io::Error::other(format!("{name} could not be opened again")))
}

fn into_store_error(error: OpenError) -> StoreError {
    match error {
        OpenError::Engine(error) => error,
        error => StoreError::engine("open its database", error),
    }
}
