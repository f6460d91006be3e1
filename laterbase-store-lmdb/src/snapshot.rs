//! A view of the store: one read transaction in each environment.

use std::borrow::Cow;
use std::ops::{Bound, ControlFlow};

use heed::{RoTxn, WithoutTls};
use laterbase_core::store::{Area, Direction, Scan, Snapshot, StoreError, Table, Visit};

use crate::environment::Entries;
use crate::error::engine;
use crate::seal;
use crate::store::LmdbStore;

/// A view of the store.
///
/// LMDB never overwrites a page that a read transaction may still see, so a view that is kept for
/// long makes the files grow, but never stops a writer.
pub(crate) struct LmdbSnapshot<'s> {
    store: &'s LmdbStore,
    truth: RoTxn<'s, WithoutTls>,
    derived: RoTxn<'s, WithoutTls>,
}

impl<'s> LmdbSnapshot<'s> {
    pub(crate) fn new(store: &'s LmdbStore) -> Result<Self, StoreError> {
        let open = |area| {
            store.environment(area).env.read_txn().map_err(engine("begin a read transaction"))
        };
        Ok(Self { store, truth: open(Area::Truth)?, derived: open(Area::Derived)? })
    }

    fn table(&self, table: Table) -> (&RoTxn<'s, WithoutTls>, Entries) {
        let transaction = match table.area() {
            Area::Truth => &self.truth,
            Area::Derived => &self.derived,
        };
        (transaction, self.store.environment(table.area()).entries(table))
    }
}

impl Snapshot for LmdbSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        let (transaction, entries) = self.table(table);
        let value = entries.get(transaction, key).map_err(engine("read a value"))?;
        let value = value.map(|stored| seal::open(table, key, stored)).transpose()?;
        Ok(value.map(Cow::Borrowed))
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (transaction, entries) = self.table(scan.table);
        let start = match scan.start {
            [] => Bound::Unbounded,
            start => Bound::Included(start),
        };
        let range = (start, scan.end.map_or(Bound::Unbounded, Bound::Excluded));
        // LMDB knows no empty key to look for, and nothing sorts before one.
        if scan.limit == 0 || scan.end.is_some_and(<[u8]>::is_empty) {
            return Ok(());
        }
        match scan.direction {
            Direction::Forward => {
                let page = entries.range(transaction, &range).map_err(engine("begin a scan"))?;
                visit_page(page, scan, visit)
            }
            Direction::Backward => {
                let page =
                    entries.rev_range(transaction, &range).map_err(engine("begin a scan"))?;
                visit_page(page, scan, visit)
            }
        }
    }
}

fn visit_page<'t>(
    page: impl Iterator<Item = heed::Result<(&'t [u8], &'t [u8])>>,
    scan: Scan<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    for entry in page.take(scan.limit) {
        let (key, stored) = entry.map_err(engine("read the next entry"))?;
        let value = seal::open(scan.table, key, stored)?;
        if visit(key, value) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}
