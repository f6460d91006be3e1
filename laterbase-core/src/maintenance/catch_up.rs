//! Filling the front after a store was opened.

use std::ops::ControlFlow;
use std::sync::MutexGuard;

use super::flush::{built, flush_alone};
use crate::entry::Entry;
use crate::event::Record;
use crate::front::Layer;
use crate::keys::{self, Place};
use crate::limits::FRONT_EVENTS_FLUSH;
use crate::shared::Shared;
use crate::store::{Area, Batch, Scan, StoreError, Table};
use crate::view::damaged;

/// What the derived tables may lack, in flushes, for the opening of the store to wait for it. A
/// crash leaves no more than this behind.
const FLUSHES_AT_OPENING: usize = 4;

/// Fills the front with what the derived tables lack, after the store was opened. If that is much,
/// it is left to whoever asks for it first.
pub(crate) fn catch_up(shared: &Shared, events_flush: usize) -> Result<(), StoreError> {
    let flushing = shared.flushing();
    let (head, rewrites) = {
        let state = shared.state();
        (state.head, state.rewrites)
    };
    let (built, of) = {
        let snapshot = shared.store.snapshot()?;
        let of = snapshot.get(Table::Progress, keys::REWRITES)?;
        (built(&*snapshot)?, of.and_then(|bytes| keys::read_u64(&bytes)).unwrap_or(0))
    };
    if built > head || (of != rewrites && built > 0) {
        // The truth lost its tail, which the derived tables still know, or was written anew.
        clear(shared)?;
        return begin(shared, 0, head, events_flush, &flushing);
    }
    begin(shared, built, head, events_flush, &flushing)
}

fn begin(
    shared: &Shared,
    built: u64,
    head: u64,
    events_flush: usize,
    flushing: &MutexGuard<'_, ()>,
) -> Result<(), StoreError> {
    if head - built > events_flush.saturating_mul(FLUSHES_AT_OPENING) as u64 {
        shared.state_mut().unbuilt = Some(built);
        return Ok(());
    }
    fill(shared, built, events_flush, flushing, &mut |_, _| {})
}

/// Builds the derived tables from where they end, while others write and read the truth.
pub(crate) fn build(shared: &Shared, flushing: &MutexGuard<'_, ()>) -> Result<(), StoreError> {
    let Some(built) = shared.state().unbuilt else { return Ok(()) };
    fill(shared, built, FRONT_EVENTS_FLUSH, flushing, &mut |_, _| {})?;
    // Whoever looks sees front and tables from before this or from behind it.
    let _nobody_looks = shared.close_for_rewriting();
    shared.state_mut().unbuilt = None;
    Ok(())
}

/// Builds the derived tables anew from the log. The front must be empty.
pub(crate) fn rebuild(
    shared: &Shared,
    events_flush: usize,
    flushing: &MutexGuard<'_, ()>,
) -> Result<(), StoreError> {
    clear(shared)?;
    fill(shared, 0, events_flush, flushing, &mut |_, _| {})
}

/// Empties the derived tables.
pub(crate) fn clear(shared: &Shared) -> Result<(), StoreError> {
    let rewrites = shared.state().rewrites;
    let mut batch = Batch::new(Area::Derived);
    for table in Table::ALL.into_iter().filter(|table| table.area() == Area::Derived) {
        batch.clear(table);
    }
    if rewrites > 0 {
        batch.put(Table::Progress, keys::REWRITES, &rewrites.to_be_bytes());
    }
    shared.store.commit(&batch)?;
    // Before the log grows past what they claim: a second power loss must not bring them back.
    shared.store.sync()
}

/// The same for a store that nobody else has open: everything is in the tables afterwards.
/// `progress` is told how many of how many log entries are.
pub(crate) fn rebuild_whole(
    shared: &Shared,
    events_flush: usize,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let flushing = shared.flushing();
    clear(shared)?;
    fill(shared, 0, events_flush, &flushing, progress)?;
    flush_alone(shared, None, &flushing)
}

/// Fills the front with the log's entries behind `built`, and flushes what is too much for it.
fn fill(
    shared: &Shared,
    mut built: u64,
    events_flush: usize,
    flushing: &MutexGuard<'_, ()>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let head = shared.state().head;
    while built < head {
        // First, so that one who tries again and again does not fill the memory.
        if shared.state().front.event_count() >= events_flush.max(1) {
            flush_alone(shared, Some(built), flushing)?;
        }
        let until = head.min(built.saturating_add(events_flush.max(1) as u64));
        let layer = read_layer(shared, built, until)?;
        {
            let mut state = shared.state_mut();
            state.front.push(layer);
            state.unbuilt = state.unbuilt.map(|_| until);
        }
        built = until;
        progress(built, head);
    }
    Ok(())
}

/// Fills the front with the log's entries behind `built`, which stay there: for a store that is
/// only read. Each `layer_events` of them make a layer.
pub(crate) fn fill_for_good(
    shared: &Shared,
    mut built: u64,
    layer_events: u64,
) -> Result<(), StoreError> {
    let head = shared.state().head;
    while built < head {
        let until = head.min(built.saturating_add(layer_events));
        let layer = read_layer(shared, built, until)?;
        shared.state_mut().front.push(layer);
        built = until;
    }
    Ok(())
}

/// The derived entries of the log's positions `after + 1..=until`.
fn read_layer(shared: &Shared, after: u64, until: u64) -> Result<Layer, StoreError> {
    let snapshot = shared.store.snapshot()?;
    let mut layer = Layer::default();
    let mut expected = after + 1;
    let mut failure = None;
    let (start, end) = (keys::position(after + 1), keys::position(until + 1));
    snapshot.scan(Scan::range(Table::Log, &start, &end), &mut |key, value| {
        let position = keys::read_u64(key).unwrap_or(0);
        let indexed = if position == expected {
            index_entry(shared, &mut layer, position, value)
        } else {
            Err(StoreError::corrupt(format!("log position {expected} is missing")))
        };
        expected += 1;
        match indexed {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match failure {
        Some(error) => Err(error),
        None if expected <= until => {
            Err(StoreError::corrupt(format!("log position {expected} is missing")))
        }
        None => Ok(layer),
    }
}

fn index_entry(
    shared: &Shared,
    layer: &mut Layer,
    position: u64,
    value: &[u8],
) -> Result<(), StoreError> {
    let entry = Entry::decode(value).map_err(|error| damaged(position, error))?;
    let record = Record::decode(entry.record).map_err(|error| damaged(position, error))?;
    let origin = shared.state().names.origin_id(entry.origin);
    let origin = origin.ok_or_else(|| {
        StoreError::corrupt(format!("log position {position}: its origin has no name"))
    })?;
    let occurred = record.kept_occurred();
    let place = Place::new(occurred, entry.recorded, origin);
    let key = keys::index(entry.root, record.aggregate_id, &place);
    layer.push(Table::FoldIndex, &key, position);
    if let Some(name) = record.idempotency_key {
        let key = keys::keyed(entry.root, name, record.aggregate_id, &place);
        layer.push(Table::Keys, &key, position);
    }
    for void in record.voids.iter() {
        layer.push_with(Table::Voids, position, |key| {
            keys::write_void(key, entry.root, record.aggregate_id, &void, &place);
        });
    }
    Ok(())
}
