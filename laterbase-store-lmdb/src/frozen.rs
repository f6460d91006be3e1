//! A store that is only read, as it was when it was opened: beside a process that writes to it, or
//! on a read-only medium.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use heed::types::Bytes;
use heed::{CommitOrAbort, Env, EnvFlags, RoTxn, WithoutTls};
use laterbase_core::store::{
    Area, Batch, Durability, Snapshot, Store, StoreError, Table, Usage, WriterSlot, read_only,
};
use laterbase_directory::{Glance, OpenError};

use crate::data_file::DataFile;
use crate::environment::{Entries, open_env, table_bytes};
use crate::error::engine;
use crate::frozen_snapshot::FrozenSnapshot;
use crate::options::LmdbOptions;
use crate::page_walk;
use crate::repair::{check_present, data_path, files_bytes, folder_name, open_error};
use crate::store::STAMP;

/// How often a look is taken again that a writer got in the way of.
pub(crate) const LOOKS_MAX: usize = 100;

/// An LMDB store at one moment, for reading only.
///
/// Nothing is written but the reader's slot in LMDB's own lock file, so any number of these may be
/// open beside each other and beside the one process that writes. What they see is kept by that
/// process for as long as they live, so its files grow meanwhile.
pub struct FrozenLmdb {
    path: PathBuf,
    // The newer of the two is the truth, which the derived tables may trail.
    derived: Option<FrozenArea>,
    truth: FrozenArea,
    /// Its writer is there to be asked for, and can write nothing.
    writer: WriterSlot,
    /// Declared last: nobody writes to a read-only medium until the transactions have ended.
    _glance: Glance,
}

impl fmt::Debug for FrozenLmdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrozenLmdb").finish_non_exhaustive()
    }
}

/// One environment, and the transaction that everything is read by.
pub(crate) struct FrozenArea {
    /// LMDB lets one thread at a time into a transaction.
    transaction: Mutex<RoTxn<'static, WithoutTls>>,
    tables: Vec<(Table, Entries)>,
}

impl FrozenLmdb {
    /// Opens the store in `path` to be read as it is now, whether or not somebody has it open.
    ///
    /// Derived tables that are missing or that LMDB would trip over are left out.
    ///
    /// # Errors
    /// See [`OpenError`]. The store must not be open in this same process, which LMDB does not
    /// bear: [`OpenError::Locked`].
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let glance = Glance::take(path, STAMP)?;
        let derived = FrozenArea::open(path, Area::Derived, &glance);
        let derived = match derived {
            Ok(area) => Some(area),
            Err(error @ OpenError::Locked { .. }) => return Err(error),
            Err(_) => None,
        };
        let made = fs::metadata(data_path(path, Area::Truth)).is_ok_and(|file| file.len() > 0);
        if derived.is_none() && !made {
            return Err(OpenError::NoStore { path: path.to_owned() });
        }
        let truth = FrozenArea::open(path, Area::Truth, &glance)?;
        let (path, writer) = (path.to_owned(), WriterSlot::default());
        Ok(Self { path, derived, truth, writer, _glance: glance })
    }

    /// The area of a table; `None` if there is nothing of it.
    pub(crate) fn area(&self, area: Area) -> Option<&FrozenArea> {
        match area {
            Area::Truth => Some(&self.truth),
            Area::Derived => self.derived.as_ref(),
        }
    }
}

impl FrozenLmdb {
    fn table_bytes(&self) -> Result<Vec<(Table, u64)>, StoreError> {
        let areas = [Some(&self.truth), self.derived.as_ref()].into_iter().flatten();
        let tables = areas.map(FrozenArea::table_bytes).collect::<Result<Vec<_>, _>>()?;
        Ok(tables.concat())
    }
}

impl FrozenArea {
    fn open(directory: &Path, area: Area, glance: &Glance) -> Result<Self, OpenError> {
        check_file(directory, area, glance)?;
        let env = open_to_read(directory, area)?;
        // Readers that were killed keep the writer from using room again.
        let cleared = env.clear_stale_readers();
        cleared.map_err(engine("look after the readers"))?;
        let tables = open_tables(&env, area).map_err(engine("open the tables"))?;
        let transaction = env.static_read_txn().map_err(engine("begin a read transaction"))?;
        Ok(Self { transaction: Mutex::new(transaction), tables })
    }

    /// The transaction and a table; `None` for the table if the store does not have it yet.
    pub(crate) fn table(
        &self,
        table: Table,
    ) -> (MutexGuard<'_, RoTxn<'static, WithoutTls>>, Option<Entries>) {
        let transaction = self.transaction.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.tables.iter().find(|(candidate, _)| *candidate == table);
        (transaction, found.map(|(_, entries)| *entries))
    }

    fn table_bytes(&self) -> Result<Vec<(Table, u64)>, StoreError> {
        let transaction = self.transaction.lock().unwrap_or_else(PoisonError::into_inner);
        table_bytes(&self.tables, &transaction)
    }
}

/// Opens an area's environment so that nothing of it is changed.
pub(crate) fn open_to_read(directory: &Path, area: Area) -> Result<Env<WithoutTls>, OpenError> {
    let map_bytes_max = LmdbOptions::MAP_BYTES_MAX_DEFAULT;
    let folder = directory.join(folder_name(area));
    match open_env(&folder, map_bytes_max, EnvFlags::READ_ONLY) {
        Err(heed::Error::EnvAlreadyOpened) => Err(OpenError::Locked { path: directory.to_owned() }),
        opened => Ok(opened.map_err(engine("open its environment"))?),
    }
}

fn open_tables(env: &Env<WithoutTls>, area: Area) -> heed::Result<Vec<(Table, Entries)>> {
    let mut tables = Vec::new();
    for table in Table::ALL.into_iter().filter(|table| table.area() == area) {
        let opened = env.open_databases_and_commit(env.read_txn()?, |opener, transaction| {
            let entries = opener.open_database::<Bytes, Bytes>(transaction, Some(table.name()))?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(entries))
        })?;
        let entries = opened.commit().expect("nothing asks to abort");
        tables.extend(entries.map(|entries| (table, entries)));
    }
    Ok(tables)
}

/// Checks what LMDB would trip over. A medium that turned read-only by itself is not sound, so
/// there all derived pages are looked at: they can be done without.
fn check_file(directory: &Path, area: Area, glance: &Glance) -> Result<(), OpenError> {
    let path = data_path(directory, area);
    let check = || {
        check_present(directory, area)?;
        match DataFile::open(&path)? {
            Some(_) if glance.is_on_read_only_medium() && area == Area::Derived => {
                page_walk::check(&path)
            }
            Some(file) if file.is_short() => page_walk::check(&path),
            Some(_) | None => Ok(()),
        }
    };
    // A writer may turn the file over between one look and the next: what is damage stays.
    let mut checked = check();
    for _ in 1..LOOKS_MAX {
        if checked.is_ok() {
            break;
        }
        checked = check();
    }
    checked.map_err(|error| open_error(area, error))
}

impl Store for FrozenLmdb {
    fn engine(&self) -> &'static str {
        STAMP.engine
    }

    fn durability(&self) -> Durability {
        Durability::Durable
    }

    /// It has no writer, so nothing depends on it.
    fn home(&self) -> Result<[u8; 32], StoreError> {
        Ok([0; 32])
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(FrozenSnapshot::new(self)))
    }

    fn commit(&self, _batch: &Batch) -> Result<(), StoreError> {
        Err(read_only())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.table_bytes()?.into_iter().map(|(_, bytes)| bytes).sum())
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        Ok(Usage { tables: self.table_bytes()?, files_bytes: files_bytes(&self.path)? })
    }

    fn writer(&self) -> &WriterSlot {
        &self.writer
    }
}
