//! A view of the store: one snapshot of each database.

use std::borrow::Cow;
use std::ops::ControlFlow;

use laterbase_core::store::{Area, Direction, Scan, Snapshot, StoreError, Table, Visit};
use rocksdb::{DBRawIterator, ReadOptions};

use crate::environment::Environment;
use crate::error::engine;
use crate::store::RocksStore;

/// A view of the store.
///
/// RocksDB keeps what a snapshot may still see when it merges its files, so a view that is kept
/// for long takes room, but never stops a writer.
pub(crate) struct RocksSnapshot<'s> {
    store: &'s RocksStore,
    truth: rocksdb::Snapshot<'s>,
    derived: rocksdb::Snapshot<'s>,
}

impl<'s> RocksSnapshot<'s> {
    pub(crate) fn new(store: &'s RocksStore) -> Self {
        let open = |area| store.environment(area).db.snapshot();
        Self { store, truth: open(Area::Truth), derived: open(Area::Derived) }
    }

    fn table(&self, table: Table) -> (&rocksdb::Snapshot<'s>, &Environment) {
        let snapshot = match table.area() {
            Area::Truth => &self.truth,
            Area::Derived => &self.derived,
        };
        (snapshot, self.store.environment(table.area()))
    }
}

impl Snapshot for RocksSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        let (snapshot, environment) = self.table(table);
        let value = snapshot.get_cf(environment.entries(table), key);
        Ok(value.map_err(engine("read a value"))?.map(Cow::Owned))
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (snapshot, environment) = self.table(scan.table);
        if scan.limit == 0 || scan.end.is_some_and(|end| end <= scan.start) {
            return Ok(());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(scan.start);
        if let Some(end) = scan.end {
            options.set_iterate_upper_bound(end);
        }
        let page = snapshot.raw_iterator_cf_opt(environment.entries(scan.table), options);
        visit_page(page, scan, visit)
    }
}

/// Visits entries within the bounds that the iterator was made with.
fn visit_page(
    mut page: DBRawIterator<'_>,
    scan: Scan<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    let forward = scan.direction == Direction::Forward;
    if forward {
        page.seek_to_first()
    } else {
        page.seek_to_last()
    }
    let mut visited = 0;
    while let Some((key, value)) = page.item() {
        visited += 1;
        if visit(key, value) == ControlFlow::Break(()) || visited == scan.limit {
            return Ok(());
        }
        if forward { page.next() } else { page.prev() }
    }
    // The end of the range and a failed read look alike until asked.
    page.status().map_err(engine("read the next entry"))
}
