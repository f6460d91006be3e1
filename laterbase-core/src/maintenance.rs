//! Background work, as steps that a shell's thread calls.
//!
//! Derived tables trail the truth. Each flush writes what the front holds into them, together
//! with the arrival position up to which they are then complete; after a crash, the front is
//! filled again from there.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::entry::Entry;
use crate::event::Record;
use crate::front::{self, Layer};
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::store::{Area, Batch, Scan, Snapshot, StoreError, Table};
use crate::verify::discard_derived;
use crate::view::damaged;

/// The background work of one replica.
#[derive(Debug)]
pub struct Maintenance {
    shared: Arc<Shared>,
    events_flush: usize,
}

impl Maintenance {
    pub(crate) const fn new(shared: Arc<Shared>, events_flush: usize) -> Self {
        Self { shared, events_flush }
    }

    /// Flushes the front if it has grown to its bound. Says whether it did.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost, and a later step tries again.
    pub fn step(&mut self) -> Result<bool, StoreError> {
        if self.shared.state().front.event_count() < self.events_flush {
            return Ok(false);
        }
        self.flush()?;
        Ok(true)
    }

    /// Brings the derived tables up to date, however little there is to do.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost, and a later flush tries again.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        flush(&self.shared, None)
    }
}

/// Writes the front into the derived tables, which are then built up to `built`, or up to the
/// head if that is `None`.
fn flush(shared: &Shared, built: Option<u64>) -> Result<(), StoreError> {
    let _one_at_a_time = shared.flushing();
    let (layers, built) = {
        let mut state = shared.state_mut();
        (state.front.freeze(), built.unwrap_or(state.head))
    };
    if layers.is_empty() {
        return Ok(());
    }
    let layer = front::merge_all(&layers);
    let batch = {
        let snapshot = shared.store.snapshot()?;
        let mut batch = Batch::new(Area::Derived);
        for (table, key, position) in layer.entries() {
            batch.put(table, key, &position.to_be_bytes());
        }
        count_aggregates(&*snapshot, &layer, &mut batch)?;
        batch.put(Table::Progress, keys::BUILT, &built.to_be_bytes());
        batch
    };
    shared.store.commit(&batch)?;
    shared.state_mut().front.thaw();
    Ok(())
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

/// Fills the front with what the derived tables lack, after the store was opened.
pub(crate) fn catch_up(shared: &Shared, events_flush: usize) -> Result<(), StoreError> {
    let head = shared.state().head;
    let mut built = built(shared)?;
    if built > head {
        // The truth lost its tail, which the derived tables still know: they start anew.
        discard_derived(&*shared.store)?;
        built = 0;
    }
    while built < head {
        let until = head.min(built.saturating_add(events_flush.max(1) as u64));
        let layer = read_layer(shared, built, until)?;
        shared.state_mut().front.push(layer);
        built = until;
        if built < head {
            flush(shared, Some(built))?;
        }
    }
    Ok(())
}

fn built(shared: &Shared) -> Result<u64, StoreError> {
    let snapshot = shared.store.snapshot()?;
    let built = snapshot.get(Table::Progress, keys::BUILT)?;
    Ok(built.and_then(|bytes| keys::read_u64(&bytes)).unwrap_or(0))
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
        None => {
            layer.sort();
            Ok(layer)
        }
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
    let occurred = record.occurred.unwrap_or_else(|| entry.recorded.to_unix_nanos());
    let place = Place::new(occurred, entry.recorded, origin);
    let key = keys::index(entry.root, record.aggregate_id, &place);
    layer.push(Table::FoldIndex, &key, position);
    if let Some(name) = record.idempotency_key {
        let key = keys::keyed(entry.root, name, record.aggregate_id, &place);
        layer.push(Table::Keys, &key, position);
    }
    Ok(())
}
