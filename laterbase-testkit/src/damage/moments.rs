//! The states that the specimen's truth once had, one behind each commit.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{
    Area, Batch, Durability, Scan, Snapshot, Store, StoreError, Table, WriterSlot,
};

use super::answers::print_of as print_of_bytes;
use super::specimen;

/// A number that other contents of the truth hardly have; nothing if they cannot be read.
pub(super) fn print_of(store: &dyn Store) -> Option<u64> {
    let snapshot = store.snapshot().ok()?;
    let mut all = 0_u64;
    for table in Table::ALL.into_iter().filter(|table| table.area() == Area::Truth) {
        let scanned = snapshot.scan(Scan::all(table), &mut |key, value| {
            // Where the store lives is no part of what it holds.
            if (table, key) == (Table::Meta, b"home") {
                return ControlFlow::Continue(());
            }
            for part in [table.name().as_bytes(), key, value] {
                all = all.rotate_left(7).wrapping_mul(31) ^ print_of_bytes(part);
            }
            ControlFlow::Continue(())
        });
        scanned.ok()?;
    }
    Some(all)
}

/// Whether a print is that of a state that the specimen once had.
pub(super) fn was_once(print: Option<u64>) -> bool {
    static PRINTS: OnceLock<BTreeSet<u64>> = OnceLock::new();
    let prints = PRINTS.get_or_init(|| {
        let store = Arc::new(Recorder::default());
        // Before the first commit.
        let nothing = print_of(&store.inner);
        let mut replica =
            specimen::open(Arc::clone(&store) as Arc<dyn Store>, 1).expect("an empty store opens");
        specimen::fill(&mut replica);
        replica.close().expect("the store closes");
        let prints = store.prints.lock().unwrap_or_else(PoisonError::into_inner);
        prints.iter().copied().chain(nothing).collect()
    });
    print.is_some_and(|print| prints.contains(&print))
}

/// A store that takes the print of its truth after every commit.
#[derive(Debug, Default)]
struct Recorder {
    inner: MemoryStore,
    prints: Mutex<BTreeSet<u64>>,
}

impl Store for Recorder {
    fn engine(&self) -> &'static str {
        self.inner.engine()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        self.inner.home()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        self.inner.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.inner.commit(batch)?;
        if batch.area() == Area::Truth {
            let print = print_of(&self.inner);
            self.prints.lock().unwrap_or_else(PoisonError::into_inner).extend(print);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.inner.sync()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.inner.size_bytes()
    }

    fn writer(&self) -> &WriterSlot {
        self.inner.writer()
    }
}
