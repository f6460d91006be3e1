//! A store that is only looked at, for a replica that would write to it.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{
    Area, Batch, Durability, Scan, Snapshot, Store, StoreError, Table, Visit, WriterSlot,
};

/// Shows a store as it is, and keeps in memory what a replica writes when it opens one: who it is, and
/// derived tables that do not fit the log, which it empties and then builds. A replica that flushes
/// nothing ([`UNFLUSHED`]), and is not asked to store any event, writes nothing else.
#[derive(Debug)]
pub(super) struct UnwrittenStore {
    store: Arc<dyn Store>,
    /// What was written, and all of [`Table::Meta`].
    memory: MemoryStore,
    /// Whether the derived tables were emptied.
    has_own_derived: AtomicBool,
    writer: WriterSlot,
}

/// How many events a replica over such a store has in memory before it flushes them.
pub(super) const UNFLUSHED: usize = usize::MAX;

impl UnwrittenStore {
    pub(super) fn over(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let mut meta = Batch::new(Area::Truth);
        store.snapshot()?.scan(Scan::all(Table::Meta), &mut |key, value| {
            meta.put(Table::Meta, key, value);
            ControlFlow::Continue(())
        })?;
        let (memory, writer) = (MemoryStore::new(), WriterSlot::default());
        memory.commit(&meta)?;
        Ok(Self { store, memory, has_own_derived: AtomicBool::new(false), writer })
    }
}

impl Store for UnwrittenStore {
    fn engine(&self) -> &'static str {
        self.store.engine()
    }

    fn durability(&self) -> Durability {
        self.store.durability()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        let has_own_derived = self.has_own_derived.load(Ordering::Acquire);
        let (store, memory) = (self.store.snapshot()?, self.memory.snapshot()?);
        Ok(Box::new(UnwrittenSnapshot { store, memory, has_own_derived }))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.memory.commit(batch)?;
        if batch.area() == Area::Derived {
            self.has_own_derived.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        self.store.home()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.store.size_bytes()
    }

    fn writer(&self) -> &WriterSlot {
        &self.writer
    }
}

struct UnwrittenSnapshot<'s> {
    store: Box<dyn Snapshot + 's>,
    memory: Box<dyn Snapshot + 's>,
    has_own_derived: bool,
}

impl UnwrittenSnapshot<'_> {
    fn of(&self, table: Table) -> &dyn Snapshot {
        let is_own = match table.area() {
            Area::Derived => self.has_own_derived,
            Area::Truth => table == Table::Meta,
        };
        if is_own { &*self.memory } else { &*self.store }
    }
}

impl Snapshot for UnwrittenSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        self.of(table).get(table, key)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.of(scan.table).scan(scan, visit)
    }
}
