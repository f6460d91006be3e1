//! A view of the store: one snapshot of each database.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::store::{Area, Direction, Scan, Snapshot, StoreError, Table, Visit};
use rocksdb::{DBRawIterator, ReadOptions};
use self_cell::self_cell;

use crate::database::Database;
use crate::error::engine;

/// A view of the store.
///
/// RocksDB keeps what a snapshot may still see when it merges its files, so a view that is kept
/// for long takes room, but never stops a writer.
pub(crate) struct RocksSnapshot {
    truth: AreaView,
    /// Nothing if the derived tables cannot be read beside the process that has them open.
    derived: Option<AreaView>,
}

type Moment<'d> = rocksdb::Snapshot<'d>;

self_cell!(
    /// A snapshot, and the database that it keeps open.
    struct AreaView {
        owner: Arc<Database>,
        #[not_covariant]
        dependent: Moment,
    }
);

impl RocksSnapshot {
    pub(crate) fn new(truth: Arc<Database>, derived: Option<Arc<Database>>) -> Self {
        let view = |database| AreaView::new(database, |database| database.db.snapshot());
        Self { truth: view(truth), derived: derived.map(view) }
    }

    const fn area(&self, table: Table) -> Option<&AreaView> {
        match table.area() {
            Area::Truth => Some(&self.truth),
            Area::Derived => self.derived.as_ref(),
        }
    }
}

impl Snapshot for RocksSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        let Some(area) = self.area(table) else { return Ok(None) };
        let value = area.with_dependent(|database, moment| {
            moment.get_cf(database.entries(table), key).map_err(engine("read a value"))
        });
        Ok(value?.map(Cow::Owned))
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if scan.limit == 0 || scan.end.is_some_and(|end| end <= scan.start) {
            return Ok(());
        }
        let Some(area) = self.area(scan.table) else { return Ok(()) };
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(scan.start);
        if let Some(end) = scan.end {
            options.set_iterate_upper_bound(end);
        }
        area.with_dependent(|database, moment| {
            let page = moment.raw_iterator_cf_opt(database.entries(scan.table), options);
            visit_page(page, scan, visit)
        })
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
