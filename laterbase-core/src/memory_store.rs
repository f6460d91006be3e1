//! The reference backend: a store in memory.
//!
//! It is as strict as the contract allows: a batch becomes visible by the swap of one pointer, a
//! snapshot is a version that nothing changes any more, calls outside the contract's bounds
//! panic, and [`MemoryStore::after_power_loss`] forgets everything that the contract lets a
//! backend forget. What works here and fails on another backend is that backend's fault; what
//! fails here is the caller's.

mod sorted_table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::limits::KEY_BYTES_MAX;
use crate::store::{
    Area, Batch, Durability, Operation, Scan, Snapshot, Store, StoreError, Table, Usage, Visit,
    WriterSlot,
};
use sorted_table::SortedTable;

/// A store in memory. Its clones are handles on the same data.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    durability: Durability,
    truth: Arc<Versions>,
    derived: Arc<Versions>,
    writer: WriterSlot,
    home: [u8; 32],
}

/// What one area was, is, and is about to be.
#[derive(Debug, Default)]
struct Versions {
    /// Held while the next version is made, so that one follows the other.
    writer: Mutex<()>,
    /// What new snapshots see. Locked only to copy or swap the pointer.
    current: RwLock<Version>,
    /// What power loss cannot take.
    durable: RwLock<Version>,
}

/// All tables of an area at one moment, under their numbers.
type Version = Arc<[SortedTable; Table::ALL.len()]>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that promises `durability`.
    pub fn with_durability(durability: Durability) -> Self {
        Self { durability, ..Self::default() }
    }

    /// The same store in another place, as [`Store::home`] says it: to its replica, a copy.
    #[must_use]
    pub fn at_home(self, home: [u8; 32]) -> Self {
        Self { home, ..self }
    }

    /// Opens the same data again, as after an orderly end of the process.
    #[must_use]
    pub fn reopen(&self) -> Self {
        self.reopen_with(self.durability)
    }

    /// Opens the same data again with another promise.
    #[must_use]
    pub fn reopen_with(&self, durability: Durability) -> Self {
        Self { durability, writer: WriterSlot::default(), ..self.clone() }
    }

    /// A store of its own that holds what is sure to survive a power loss now, and nothing more.
    ///
    /// Truth is whole if the store is durable. All else is as it was at the last
    /// [`Store::sync`].
    #[must_use]
    pub fn after_power_loss(&self) -> Self {
        let survivor = |versions: &Versions| {
            let durable = versions.durable.read().unwrap_or_else(PoisonError::into_inner).clone();
            Arc::new(Versions {
                writer: Mutex::default(),
                current: RwLock::new(Arc::clone(&durable)),
                durable: RwLock::new(durable),
            })
        };
        let (truth, derived) = (survivor(&self.truth), survivor(&self.derived));
        let (durability, home) = (self.durability, self.home);
        Self { durability, truth, derived, writer: WriterSlot::default(), home }
    }

    fn versions(&self, area: Area) -> &Versions {
        match area {
            Area::Truth => &self.truth,
            Area::Derived => &self.derived,
        }
    }
}

impl Store for MemoryStore {
    fn engine(&self) -> &'static str {
        "memory"
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        let truth = self.truth.current();
        let derived = self.derived.current();
        Ok(Box::new(MemorySnapshot { truth, derived }))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let versions = self.versions(batch.area());
        let _writer = versions.lock_writer();
        let mut next = versions.current();
        let tables = Arc::make_mut(&mut next);
        for operation in batch.operations() {
            apply(tables, operation);
        }
        if batch.area() == Area::Truth && self.durability() == Durability::Durable {
            versions.set_durable(Arc::clone(&next));
        }
        *versions.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        for area in [Area::Truth, Area::Derived] {
            let versions = self.versions(area);
            let _writer = versions.lock_writer();
            versions.set_durable(versions.current());
        }
        Ok(())
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        let (truth, derived) = (self.truth.current(), self.derived.current());
        Ok(truth.iter().chain(derived.iter()).map(SortedTable::size_bytes).sum())
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        Ok(self.home)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let (truth, derived) = (self.truth.current(), self.derived.current());
        let bytes = |table: Table| match table.area() {
            Area::Truth => truth[table as usize].size_bytes(),
            Area::Derived => derived[table as usize].size_bytes(),
        };
        let tables: Vec<_> = Table::ALL.into_iter().map(|table| (table, bytes(table))).collect();
        Ok(Usage { files_bytes: tables.iter().map(|(_, bytes)| bytes).sum(), tables })
    }

    fn writer(&self) -> &WriterSlot {
        &self.writer
    }
}

impl Versions {
    fn current(&self) -> Version {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_durable(&self, version: Version) {
        *self.durable.write().unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// A panic while a version is made leaves the current one as it was, so the lock stays good.
    fn lock_writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(tables: &mut [SortedTable], operation: Operation<'_>) {
    match operation {
        Operation::Put { table, key, value } => tables[table as usize].put(key, value),
        Operation::Delete { table, key } => tables[table as usize].delete(key),
        Operation::Clear { table } => tables[table as usize].clear(),
    }
}

struct MemorySnapshot {
    truth: Version,
    derived: Version,
}

impl MemorySnapshot {
    fn table(&self, table: Table) -> &SortedTable {
        match table.area() {
            Area::Truth => &self.truth[table as usize],
            Area::Derived => &self.derived[table as usize],
        }
    }
}

impl Snapshot for MemorySnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        assert!(!key.is_empty(), "keys are not empty");
        assert!(key.len() <= KEY_BYTES_MAX, "key longer than KEY_BYTES_MAX");
        Ok(self.table(table).get(key).map(Cow::Borrowed))
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        assert!(scan.start.len() <= KEY_BYTES_MAX, "start longer than KEY_BYTES_MAX");
        let end_bytes = scan.end.map_or(0, <[u8]>::len);
        assert!(end_bytes <= KEY_BYTES_MAX, "end longer than KEY_BYTES_MAX");
        self.table(scan.table).scan(scan, visit);
        Ok(())
    }
}
