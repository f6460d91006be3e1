//! Writing the front into the derived tables.

use std::ops::ControlFlow;
use std::sync::MutexGuard;

use super::ladders;
use crate::flushed::Flushed;
use crate::front::{self, Layer};
use crate::keys;
use crate::shared::Shared;
use crate::store::{Area, Batch, Scan, Snapshot, StoreError, Table};

/// Writes the front, and the snapshots that reads have left, into the derived tables, which are
/// then built up to `built`, or up to the head if that is `None`.
///
/// One commit takes in an event's index entry and takes away the snapshots that it makes wrong.
pub(super) fn flush(shared: &Shared, built: Option<u64>) -> Result<(), StoreError> {
    let one_at_a_time = shared.flushing();
    flush_alone(shared, built, &one_at_a_time)
}

/// The same for a caller that holds the lock of flushes.
pub(super) fn flush_alone(
    shared: &Shared,
    built: Option<u64>,
    _one_at_a_time: &MutexGuard<'_, ()>,
) -> Result<(), StoreError> {
    shared.note_derived(write(shared, built))
}

fn write(shared: &Shared, built: Option<u64>) -> Result<(), StoreError> {
    let (layers, built) = {
        let mut state = shared.state_mut();
        (state.front.freeze(), built.unwrap_or(state.head))
    };
    let layer = Flushed::of(shared, front::merge_all(&layers))?;
    // Before the commit: whoever sees what it stores finds no snapshot that has not seen it.
    let unstored = shared.unstored.begin_flush(&layer, built);
    let mut batch = Batch::new(Area::Derived);
    let snapshots_kept = {
        let snapshot = shared.raw_snapshot()?;
        ladders::invalidate(&*snapshot, &layer, &mut batch)?;
        let kept = ladders::keep(&*snapshot, &unstored, &layer, &mut batch)?;
        ladders::sweep(shared, &*snapshot, &mut batch)?;
        let layer = layer.layer();
        if !layer.is_empty() {
            for (table, key, position) in layer.entries() {
                batch.put(table, key, &position.to_be_bytes());
            }
            count_aggregates(&*snapshot, layer, &mut batch)?;
            batch.put(Table::Progress, keys::BUILT, &built.to_be_bytes());
        }
        kept
    };
    if !batch.is_empty() {
        shared.store.commit(&batch)?;
    }
    shared.note_snapshots(snapshots_kept);
    shared.state_mut().front.thaw();
    shared.unstored.forget(&unstored);
    Ok(())
}

/// Up to which arrival position the derived tables are built.
pub(crate) fn built(snapshot: &dyn Snapshot) -> Result<u64, StoreError> {
    let built = snapshot.get(Table::Progress, keys::BUILT)?;
    Ok(built.and_then(|bytes| keys::read_u64(&bytes)).unwrap_or(0))
}

/// Adds the new aggregates of a layer to the counts of their roots.
fn count_aggregates(
    snapshot: &dyn Snapshot,
    layer: &Layer,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let mut current: Option<(u32, u64)> = None;
    let mut last_prefix: &[u8] = &[];
    for (table, key, _) in layer.entries() {
        let prefix = keys::index_prefix(key).filter(|_| table == Table::FoldIndex);
        let Some(prefix) = prefix.filter(|prefix| *prefix != last_prefix) else { continue };
        last_prefix = prefix;
        let root = keys::number_at(prefix, 0).expect("index keys start with a root");
        if current.is_none_or(|(other, _)| other != root) {
            put_count(batch, current);
            current = Some((root, aggregate_count(snapshot, root)?));
        }
        if let Some((_, count)) = &mut current
            && !is_indexed(snapshot, prefix)?
        {
            *count += 1;
        }
    }
    put_count(batch, current);
    Ok(())
}

fn put_count(batch: &mut Batch, counted: Option<(u32, u64)>) {
    if let Some((root, count)) = counted {
        let key = keys::numbered(keys::AGGREGATES, &[root]);
        batch.put(Table::Progress, &key, &count.to_be_bytes());
    }
}

/// How many aggregates of a root the index holds.
pub(crate) fn aggregate_count(snapshot: &dyn Snapshot, root: u32) -> Result<u64, StoreError> {
    let key = keys::numbered(keys::AGGREGATES, &[root]);
    let count = snapshot.get(Table::Progress, &key)?;
    Ok(count.and_then(|bytes| keys::read_u64(&bytes)).unwrap_or(0))
}

/// Whether the index holds an event of the aggregate with this prefix.
pub(crate) fn is_indexed(snapshot: &dyn Snapshot, prefix: &[u8]) -> Result<bool, StoreError> {
    let mut found = false;
    let scan = Scan { start: prefix, limit: 1, ..Scan::all(Table::FoldIndex) };
    snapshot.scan(scan, &mut |key, _| {
        found = key.starts_with(prefix);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
