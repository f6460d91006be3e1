//! Reading a store whose files LMDB cannot be let loose on.
//!
//! Every page is looked at by itself, whatever the trees say: one that is marked as a leaf gives
//! its nodes, and a node counts if its checksum holds. So damage to a page costs what stands on
//! that page. Checksums tell log entries and meta values apart, too.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use laterbase_core::store::{
    Area, Batch, Direction, Durability, Scan, Snapshot, Store, StoreError, Table, Visit, WriterSlot,
};
use laterbase_core::verify::is_log_entry;
use laterbase_directory::{Directory, OpenError};

use crate::data_file::FileFault;
use crate::page_walk;
use crate::raw_file::RawFile;
use crate::repair::{data_path, open_error};
use crate::seal;
use crate::store::STAMP;

/// What can still be read of the truth of a damaged store: its log, and the names of roots and
/// origins. It takes no writes, and has no other tables.
///
/// For [`laterbase_core::verify::salvage`], where [`crate::check_files`] finds faults.
#[derive(Debug)]
pub struct Wreck {
    file: RawFile,
    meta: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Arrival position → the page and the number of the node there.
    log: BTreeMap<u64, (u64, usize)>,
    /// Its writer is there to be asked for, and can write nothing.
    writer: WriterSlot,
    /// Declared last: the lock is given up after the file is closed.
    _directory: Directory,
}

impl Wreck {
    /// Looks at every page of a store's truth. The store must not be open.
    ///
    /// # Errors
    /// [`OpenError`] if the directory is no LMDB store, is open, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let directory = Directory::open(path, STAMP)?;
        let fault = |error: FileFault| open_error(Area::Truth, error);
        let file = RawFile::open(&data_path(path, Area::Truth)).map_err(fault)?;
        let free = file.free_pages();
        let (meta, log) = (BTreeMap::new(), BTreeMap::new());
        let writer = WriterSlot::default();
        let mut wreck = Self { file, meta, log, writer, _directory: directory };
        // Pages that are free hold what once stood there: it counts where nothing newer does.
        for is_free in [false, true] {
            for page in 2..wreck.file.page_count() {
                if free.contains(&page) == is_free {
                    wreck.take(page).map_err(fault)?;
                }
            }
        }
        Ok(wreck)
    }

    /// Takes what is whole on a page.
    fn take(&mut self, page: u64) -> Result<(), FileFault> {
        let Some(bytes) = self.file.page(page)? else { return Ok(()) };
        for (number, node) in page_walk::leaf_nodes(&bytes).into_iter().enumerate() {
            let Some(stored) = self.file.value(&node)? else { continue };
            if let Ok(value) = seal::open(Table::Meta, node.key, &stored) {
                self.meta.entry(node.key.to_vec()).or_insert_with(|| value.to_vec());
            } else if let Ok(position) = node.key.try_into()
                && is_log_entry(&stored)
            {
                let position = u64::from_be_bytes(position);
                self.log.entry(position).or_insert((page, number));
            }
        }
        Ok(())
    }

    fn entry(&self, (page, number): (u64, usize)) -> Result<Vec<u8>, StoreError> {
        let read = || {
            let Some(bytes) = self.file.page(page)? else { return Ok(None) };
            match page_walk::leaf_nodes(&bytes).get(number) {
                Some(node) => self.file.value(node),
                None => Ok(None),
            }
        };
        let gone = || StoreError::corrupt(format!("truth/data.mdb: page {page} has changed"));
        match read() {
            Ok(value) => value.ok_or_else(gone),
            Err(FileFault::Damaged(_)) => Err(gone()),
            Err(FileFault::Unreadable(error)) => Err(StoreError::engine("read its files", error)),
        }
    }
}

impl Store for Wreck {
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
        Ok(Box::new(WreckSnapshot(self)))
    }

    fn commit(&self, _batch: &Batch) -> Result<(), StoreError> {
        Err(StoreError::Poisoned)
    }

    fn sync(&self) -> Result<(), StoreError> {
        Err(StoreError::Poisoned)
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.file.bytes())
    }

    fn writer(&self) -> &WriterSlot {
        &self.writer
    }
}

struct WreckSnapshot<'w>(&'w Wreck);

impl Snapshot for WreckSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        match table {
            Table::Meta => Ok(self.0.meta.get(key).map(|value| Cow::Borrowed(value.as_slice()))),
            Table::Log => {
                let position = key.try_into().ok().map(u64::from_be_bytes);
                let place = position.and_then(|position| self.0.log.get(&position));
                place.map(|place| self.0.entry(*place).map(Cow::Owned)).transpose()
            }
            _ => Ok(None),
        }
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let keys: BTreeSet<Vec<u8>> = match scan.table {
            Table::Meta => self.0.meta.keys().cloned().collect(),
            Table::Log => return self.scan_log(scan, visit),
            _ => BTreeSet::new(),
        };
        let in_range = keys.iter().filter(|key| is_in_range(key, scan));
        let mut in_range: Vec<&Vec<u8>> = in_range.collect();
        if scan.direction == Direction::Backward {
            in_range.reverse();
        }
        for key in in_range.into_iter().take(scan.limit) {
            if visit(key, &self.0.meta[key]).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn is_in_range(key: &[u8], scan: Scan<'_>) -> bool {
    key >= scan.start && scan.end.is_none_or(|end| key < end)
}

impl WreckSnapshot<'_> {
    fn scan_log(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut take = |(position, place): (&u64, &(u64, usize))| {
            let key = position.to_be_bytes();
            if !is_in_range(&key, scan) {
                return Ok(ControlFlow::Continue(()));
            }
            Ok::<_, StoreError>(visit(&key, &self.0.entry(*place)?))
        };
        // Keys of the log are of eight bytes, so the range begins at a position.
        let start = scan.start.try_into().map_or(0, u64::from_be_bytes);
        let mut forward = self.0.log.range(start..);
        let mut visited = 0;
        while visited < scan.limit {
            let next = match scan.direction {
                Direction::Forward => forward.next(),
                Direction::Backward => forward.next_back(),
            };
            let Some(next) = next else { break };
            visited += 1;
            if take(next)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
