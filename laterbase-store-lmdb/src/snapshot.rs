//! A view of the store: one read transaction in each environment.

use std::borrow::Cow;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use heed::{RoTxn, WithoutTls};
use laterbase_core::store::{Area, Direction, Scan, Snapshot, StoreError, Table, Visit};

use crate::environment::{Environment, Trees};
use crate::error::engine;
use crate::seal;
use crate::store::LmdbStore;
use crate::tree_reader::TreeReader;

/// A view of the store.
///
/// LMDB never overwrites a page that a read transaction may still see, so a view that is kept for
/// long makes the files grow, but never stops a writer.
pub(crate) struct LmdbSnapshot {
    truth: AreaView,
    derived: AreaView,
}

/// A view of one area. Invariant: the trees are those of the transaction, whose pages do not change
/// while it is open.
struct AreaView {
    trees: Trees,
    transaction: RoTxn<'static, WithoutTls>,
    environment: Arc<Environment>,
}

impl AreaView {
    fn open(environment: Arc<Environment>) -> Result<Self, StoreError> {
        let (transaction, trees) = environment.look()?;
        Ok(Self { trees, transaction, environment })
    }

    /// Nothing where LMDB itself reads.
    fn reader(&self, table: Table) -> Option<TreeReader<'_>> {
        let pages = self.environment.pages.as_ref()?;
        let tree = self.trees.iter().find(|(candidate, _)| *candidate == table)?.1;
        Some(TreeReader::new(pages, tree))
    }
}

impl LmdbSnapshot {
    pub(crate) fn new(store: &LmdbStore) -> Result<Self, StoreError> {
        let open = |area| AreaView::open(store.environment(area));
        Ok(Self { truth: open(Area::Truth)?, derived: open(Area::Derived)? })
    }

    const fn area(&self, table: Table) -> &AreaView {
        match table.area() {
            Area::Truth => &self.truth,
            Area::Derived => &self.derived,
        }
    }
}

impl Snapshot for LmdbSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        let view = self.area(table);
        let value = match view.reader(table) {
            Some(reader) => reader.get(key).map_err(|error| view.environment.fault(error))?,
            None => {
                let entries = view.environment.entries(table);
                entries.get(&view.transaction, key).map_err(engine("read a value"))?
            }
        };
        let value = value.map(|stored| seal::open(table, key, stored)).transpose()?;
        Ok(value.map(Cow::Borrowed))
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        // LMDB knows no empty key to look for, and nothing sorts before one.
        if scan.limit == 0 || scan.end.is_some_and(<[u8]>::is_empty) {
            return Ok(());
        }
        let view = self.area(scan.table);
        match view.reader(scan.table) {
            Some(reader) => visit_tree(view, &reader, scan, visit),
            None => visit_by_lmdb(view, scan, visit),
        }
    }
}

fn visit_tree(
    view: &AreaView,
    reader: &TreeReader<'_>,
    scan: Scan<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    let fault = |error| view.environment.fault(error);
    let forward = scan.direction == Direction::Forward;
    let cursor = match (forward, scan.end) {
        (true, _) if scan.start.is_empty() => reader.first(),
        (true, _) => reader.seek(scan.start),
        (false, None) => reader.last(),
        (false, Some(end)) => reader.seek_before(end),
    };
    let mut cursor = cursor.map_err(fault)?;
    for _ in 0..scan.limit {
        let Some(key) = cursor.key().map_err(fault)? else { return Ok(()) };
        let is_inside = match forward {
            true => scan.end.is_none_or(|end| key < end),
            false => key >= scan.start,
        };
        if !is_inside {
            return Ok(());
        }
        let stored = cursor.value().map_err(fault)?;
        let value = seal::open(scan.table, key, stored)?;
        if visit(key, value) == ControlFlow::Break(()) {
            return Ok(());
        }
        if forward { cursor.next() } else { cursor.previous() }.map_err(fault)?;
    }
    Ok(())
}

/// The same where LMDB is let loose on its own pages.
fn visit_by_lmdb(view: &AreaView, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
    let entries = view.environment.entries(scan.table);
    let start = match scan.start {
        [] => Bound::Unbounded,
        start => Bound::Included(start),
    };
    let range = (start, scan.end.map_or(Bound::Unbounded, Bound::Excluded));
    let begin = engine("begin a scan");
    match scan.direction {
        Direction::Forward => {
            visit_page(entries.range(&view.transaction, &range).map_err(begin)?, scan, visit)
        }
        Direction::Backward => {
            visit_page(entries.rev_range(&view.transaction, &range).map_err(begin)?, scan, visit)
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
