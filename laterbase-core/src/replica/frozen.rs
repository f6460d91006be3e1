//! Reading a store that nobody here writes to: one that another process has open, or whose medium
//! is read-only.
//!
//! The store shows one moment and never changes. What its derived tables lack of the log is read
//! into memory, as after a crash, and stays there: nothing can be flushed. Derived tables that do
//! not fit the log, or cannot be read, are not used at all.

use std::borrow::Cow;
use std::sync::Arc;

use super::{OpenError, open};
use crate::fold::Folds;
use crate::keys;
use crate::limits::HOT_BYTES_MAX_DEFAULT;
use crate::maintenance;
use crate::reader::Reader;
use crate::shared::Shared;
use crate::store::{
    Area, Batch, Durability, Scan, Snapshot, Store, StoreError, Table, Visit, WriterSlot, read_only,
};

/// Log entries whose derived entries make one layer of the front.
const LAYER_EVENTS: u64 = 256 * 1024;

/// See [`Reader::of_frozen`].
pub(crate) fn reader(store: Arc<dyn Store>, folds: Arc<Folds>) -> Result<Reader, OpenError> {
    open::check_format(&*store)?;
    let (identity, built) = {
        let snapshot = store.snapshot()?;
        let identity = open::read_identity(&*snapshot)?.ok_or(OpenError::Unmade)?;
        (identity, fitting(&*snapshot)?)
    };
    let store = if built.is_some() { store } else { Arc::new(TruthOnly(store)) };
    let (state, _clock, _last_run) = open::load(&*store, identity)?;
    let shared = Arc::new(Shared::new(store, folds, state, HOT_BYTES_MAX_DEFAULT, usize::MAX));
    maintenance::fill_for_good(&shared, built.unwrap_or(0), LAYER_EVENTS)?;
    Ok(Reader::new(shared))
}

/// Up to which position the derived tables are built; `None` if they are of no use: damaged, or
/// of another log than this one.
fn fitting(snapshot: &dyn Snapshot) -> Result<Option<u64>, StoreError> {
    let rewrites = open::read_number(snapshot, keys::REWRITES)?;
    let head = open::read_head(snapshot)?;
    let number = |key| {
        let value = snapshot.get(Table::Progress, key)?;
        Ok::<_, StoreError>(value.map_or(Some(0), |bytes| keys::read_u64(&bytes)))
    };
    let (Ok(Some(built)), Ok(Some(of))) = (number(keys::BUILT), number(keys::REWRITES)) else {
        return Ok(None);
    };
    Ok((built <= head && (of == rewrites || built == 0)).then_some(built))
}

/// A store as if its derived tables were empty.
#[derive(Debug)]
struct TruthOnly(Arc<dyn Store>);

impl Store for TruthOnly {
    fn engine(&self) -> &'static str {
        self.0.engine()
    }

    fn durability(&self) -> Durability {
        self.0.durability()
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        self.0.home()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(TruthSnapshot(self.0.snapshot()?)))
    }

    fn commit(&self, _batch: &Batch) -> Result<(), StoreError> {
        Err(read_only())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.0.size_bytes()
    }

    fn writer(&self) -> &WriterSlot {
        self.0.writer()
    }
}

struct TruthSnapshot<'s>(Box<dyn Snapshot + 's>);

impl Snapshot for TruthSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        if table.area() == Area::Derived { Ok(None) } else { self.0.get(table, key) }
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if scan.table.area() == Area::Derived { Ok(()) } else { self.0.scan(scan, visit) }
    }
}

#[cfg(test)]
mod tests;
