//! A store that is only read, as it was when it was opened: beside a process that writes to it, or
//! on a read-only medium.
//!
//! RocksDB opens a database to be read while another process writes to it, and does not look
//! whether that process removes files meanwhile. A table file that is gone is an error. A
//! write-ahead log that is gone is none: its entries are then in a table file that the list of
//! files, which was read before, does not name, and so would be left out without a word. So the
//! logs that were there before must still be there once the database is open: they are removed in
//! the order in which they were begun.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs, io, thread};

use laterbase_core::store::{
    Area, Batch, Condition, Durability, Snapshot, Store, StoreError, Usage, WriterSlot, read_only,
};
use laterbase_directory::{Glance, OpenError};

use crate::database::{Database, Memory};
use crate::error::{self, engine};
use crate::options::RocksOptions;
use crate::presence::{CURRENT, bytes_of, folder_name};
use crate::snapshot::RocksSnapshot;
use crate::store::STAMP;

/// How often a look is taken again that a writer got in the way of, and after which rest.
const LOOKS_MAX: usize = 100;
const LOOK_PERIOD: Duration = Duration::from_millis(2);

/// A RocksDB store at one moment, for reading only.
///
/// Nothing is written, so any number of these may be open beside each other and beside the one
/// process that writes. What is in that process's write-ahead log is read into memory. Table files
/// that it removes keep their room on the disk for as long as this lives.
pub struct FrozenRocks {
    // The newer of the two is the truth, which the derived tables may trail.
    derived: Option<Arc<Database>>,
    truth: Arc<Database>,
    /// Why the derived tables are left out, if they are damaged.
    left_out: Vec<String>,
    /// Its writer is there to be asked for, and can write nothing.
    writer: WriterSlot,
    /// Declared last: nobody writes to a read-only medium until the databases are closed.
    _glance: Glance,
}

impl fmt::Debug for FrozenRocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrozenRocks").finish_non_exhaustive()
    }
}

impl FrozenRocks {
    /// Opens the store in `path` to be read as it is now, whether or not somebody has it open.
    ///
    /// Derived tables that are missing, damaged, or replaced faster than they can be opened are left
    /// out.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let glance = Glance::take(path, STAMP)?;
        let memory = Memory::new(RocksOptions::default());
        let (derived, left_out) = match open_area(path, Area::Derived, &memory) {
            Ok(derived) => (derived, Vec::new()),
            Err(Unread::TooFast) => (None, Vec::new()),
            Err(Unread::For(error)) if error::is_of_system(&error) => return Err(error),
            Err(Unread::For(error)) => (None, vec![format!("{error}; left out")]),
        };
        let truth = open_area(path, Area::Truth, &memory)?;
        let Some(truth) = truth else {
            return Err(match derived {
                Some(_) => StoreError::corrupt("truth: the file CURRENT is missing").into(),
                None => OpenError::NoStore { path: path.to_owned() },
            });
        };
        Ok(Self { derived, truth, left_out, writer: WriterSlot::default(), _glance: glance })
    }
}

/// Why an area could not be opened to be read.
enum Unread {
    /// Its files were replaced during every look.
    TooFast,
    For(OpenError),
}

impl From<Unread> for OpenError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooFast => {
                StoreError::engine("read beside its writer", io::Error::other(TOO_FAST)).into()
            }
            Unread::For(error) => error,
        }
    }
}

const TOO_FAST: &str = "it replaces its files faster than they can be opened";

/// Opens an area; nothing if it is not made yet.
fn open_area(path: &Path, area: Area, memory: &Memory) -> Result<Option<Arc<Database>>, Unread> {
    let folder = path.join(folder_name(area));
    let mut looks = 1;
    loop {
        if !folder.join(CURRENT).exists() {
            return Ok(None);
        }
        let before = files_of(&folder)?;
        let opened = Database::open_to_read(&folder, area, memory);
        let after = files_of(&folder)?;
        let failed = match opened {
            Ok(database) if logs(&before).all(|log| after.contains(log)) => {
                return Ok(Some(Arc::new(database)));
            }
            Err(error) if before == after => {
                Unread::For(engine("open its database to read")(error).into())
            }
            Ok(_) | Err(_) => Unread::TooFast,
        };
        if looks == LOOKS_MAX {
            return Err(failed);
        }
        looks += 1;
        thread::sleep(LOOK_PERIOD);
    }
}

/// The names of the files that there are.
fn files_of(folder: &Path) -> Result<BTreeSet<OsString>, Unread> {
    let list = || -> io::Result<BTreeSet<OsString>> {
        fs::read_dir(folder)?.map(|file| Ok(file?.file_name())).collect()
    };
    list().map_err(|error| Unread::For(StoreError::engine("list its files", error).into()))
}

/// Those of the write-ahead logs.
fn logs(names: &BTreeSet<OsString>) -> impl Iterator<Item = &OsString> {
    names.iter().filter(|name| Path::new(name).extension().is_some_and(|is| is == "log"))
}

impl Store for FrozenRocks {
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
        let derived = self.derived.as_ref().map(Arc::clone);
        Ok(Box::new(RocksSnapshot::new(Arc::clone(&self.truth), derived)))
    }

    fn commit(&self, _batch: &Batch) -> Result<(), StoreError> {
        Err(read_only())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Bytes of all files that are there now.
    fn size_bytes(&self) -> Result<u64, StoreError> {
        let areas = [Some(&self.truth), self.derived.as_ref()];
        let bytes =
            areas.into_iter().flatten().map(|database| bytes_of(database.db.path(), &|_| true));
        let bytes: io::Result<u64> = bytes.sum();
        bytes.map_err(|error| StoreError::engine("count its files", error))
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let mut tables = self.truth.table_bytes(Area::Truth)?;
        if let Some(derived) = &self.derived {
            tables.append(&mut derived.table_bytes(Area::Derived)?);
        }
        Ok(Usage { tables, files_bytes: self.size_bytes()? })
    }

    fn writer(&self) -> &WriterSlot {
        &self.writer
    }

    fn condition(&self) -> Condition {
        let (size_bytes, set_aside) = (self.size_bytes().ok(), self.left_out.clone());
        Condition { size_bytes, set_aside, ..Condition::default() }
    }
}
