//! The in-memory front of the derived tables: entries of arrivals that the tables lack.
//!
//! Each commit adds one layer. Small layers are merged as they come; large ones are left for the
//! maintenance to merge, and are sorted by whoever reads them first, so that no commit waits for
//! that. Readers take the layers as they are (they never change) and combine them with the
//! tables. A flush freezes the layers, writes them, and drops them.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use crate::keys::{self, Place};
use crate::store::{Direction, Scan, Table};

/// Layers up to this many entries are merged when the next one comes.
const SMALL_ENTRIES_MAX: usize = 256;

/// More layers than this are worth merging in the background.
const LAYERS_MERGE: usize = 8;

/// Entries of derived tables. Values are arrival positions.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    bytes: Vec<u8>,
    /// As they were pushed.
    pushed: Vec<Slot>,
    /// Sorted by key, each key once. Made by the first reader.
    sorted: OnceLock<Vec<Slot>>,
    event_count: usize,
    /// The greatest position.
    position_max: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    start: u32,
    end: u32,
    position: u64,
}

/// The first byte of a layer's key, which stands for the table.
const fn tag(table: Table) -> u8 {
    match table {
        Table::FoldIndex => 0,
        Table::Keys => 1,
        Table::Voids => 2,
        _ => panic!("only the fold index, the keys and the voids have a front"),
    }
}

fn tagged(table: Table, key: &[u8]) -> Vec<u8> {
    let mut tagged = Vec::with_capacity(1 + key.len());
    tagged.push(tag(table));
    tagged.extend_from_slice(key);
    tagged
}

impl Layer {
    /// Adds an entry.
    pub(crate) fn push(&mut self, table: Table, key: &[u8], position: u64) {
        self.push_with(table, position, |bytes| bytes.extend_from_slice(key));
    }

    /// Adds an entry whose key `write` appends to the layer's own buffer.
    pub(crate) fn push_with(
        &mut self,
        table: Table,
        position: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        debug_assert!(self.sorted.get().is_none(), "a layer that was read does not change");
        let start = self.end();
        self.bytes.push(tag(table));
        write(&mut self.bytes);
        let end = self.end();
        self.pushed.push(Slot { start, end, position });
        self.position_max = self.position_max.max(position);
        if table == Table::FoldIndex {
            self.event_count += 1;
        }
    }

    fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("a layer has less than 4 GiB of keys")
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.pushed.is_empty()
    }

    const fn len(&self) -> usize {
        self.pushed.len()
    }

    /// Whether a key of a table starts so. Does not sort the layer, so more may be pushed.
    pub(crate) fn has_prefix(&self, table: Table, prefix: &[u8]) -> bool {
        let prefix = tagged(table, prefix);
        self.pushed.iter().any(|slot| self.key(slot).starts_with(&prefix))
    }

    /// The aggregates' prefixes of the fold index entries, with the positions, as pushed.
    pub(crate) fn touched(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.pushed.iter().filter_map(|slot| match self.key(slot) {
            [first, key @ ..] if *first == tag(Table::FoldIndex) => {
                Some((keys::index_prefix(key)?, slot.position))
            }
            _ => None,
        })
    }

    fn sorted(&self) -> &[Slot] {
        self.sorted.get_or_init(|| {
            let mut sorted = self.pushed.clone();
            if !sorted.is_sorted_by(|a, b| self.key(a) < self.key(b)) {
                sorted.sort_unstable_by(|a, b| self.key(a).cmp(self.key(b)));
            }
            sorted
        })
    }

    fn key(&self, slot: &Slot) -> &[u8] {
        &self.bytes[slot.start as usize..slot.end as usize]
    }

    /// Keys of a table in `start..end` with their positions, in order.
    pub(crate) fn table_range<'l>(
        &'l self,
        table: Table,
        start: &[u8],
        end: &[u8],
    ) -> impl DoubleEndedIterator<Item = (&'l [u8], u64)> + use<'l> {
        let (start, end) = (tagged(table, start), tagged(table, end));
        let entries = self.sorted();
        let from = entries.partition_point(|slot| self.key(slot) < start.as_slice());
        let to = entries.partition_point(|slot| self.key(slot) < end.as_slice());
        let range = entries.get(from..to).unwrap_or_default();
        range.iter().map(|slot| (&self.key(slot)[1..], slot.position))
    }

    /// Places and positions of an aggregate's events, in fold order.
    pub(crate) fn aggregate<'l>(
        &'l self,
        prefix: &[u8],
    ) -> impl Iterator<Item = (Place, u64)> + use<'l> {
        let end = keys::after_prefix(prefix).expect("the end mark of a text is no 0xff");
        self.table_range(Table::FoldIndex, prefix, &end)
            .filter_map(|(key, position)| Some((keys::place_of(key)?, position)))
    }

    /// All entries in order: their tables, keys and positions.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Table, &[u8], u64)> {
        self.sorted().iter().map(|slot| {
            let key = self.key(slot);
            let table = match key[0] {
                0 => Table::FoldIndex,
                1 => Table::Keys,
                _ => Table::Voids,
            };
            (table, &key[1..], slot.position)
        })
    }

    /// Both layers as one, with each key once. They may share some: tables that are built anew are
    /// read from the log, and what was written meanwhile is in the front already.
    fn merge(a: &Self, b: &Self) -> Self {
        let mut merged = Self {
            bytes: Vec::with_capacity(a.bytes.len() + b.bytes.len()),
            pushed: Vec::with_capacity(a.len() + b.len()),
            sorted: OnceLock::new(),
            event_count: 0,
            position_max: a.position_max.max(b.position_max),
        };
        let (mut left, mut right) = (a.sorted().iter().peekable(), b.sorted().iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => a.key(l).cmp(b.key(r)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return merged,
            };
            let from_left = (order != Ordering::Greater).then(|| left.next()).flatten();
            let from_right = (order != Ordering::Less).then(|| right.next()).flatten();
            let slot = from_left.map(|slot| (a, slot)).or(from_right.map(|slot| (b, slot)));
            if let Some((layer, slot)) = slot {
                merged.copy(layer, slot);
            }
        }
    }

    fn copy(&mut self, layer: &Self, slot: &Slot) {
        let start = self.end();
        let key = layer.key(slot);
        self.bytes.extend_from_slice(key);
        let end = self.end();
        self.pushed.push(Slot { start, end, position: slot.position });
        self.event_count += usize::from(key.first() == Some(&tag(Table::FoldIndex)));
    }
}

/// The layers of a front, oldest first. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Front {
    /// Being flushed: no longer merged.
    frozen: Vec<Arc<Layer>>,
    active: Vec<Arc<Layer>>,
}

impl Front {
    /// Adds the layer of a commit.
    pub(crate) fn push(&mut self, layer: Layer) {
        if layer.is_empty() {
            return;
        }
        let mut newest = layer;
        while let Some(last) = self.active.last() {
            let small = last.len().max(newest.len()) <= SMALL_ENTRIES_MAX;
            if !small || last.len() > 2 * newest.len() {
                break;
            }
            newest = Layer::merge(last, &newest);
            self.active.pop();
        }
        self.active.push(Arc::new(newest));
    }

    /// Sets the layers apart that a flush is going to write.
    pub(crate) fn freeze(&mut self) -> Vec<Arc<Layer>> {
        self.frozen.append(&mut self.active);
        self.frozen.clone()
    }

    /// Drops the frozen layers: the tables hold them now.
    pub(crate) fn thaw(&mut self) {
        self.frozen.clear();
    }

    /// The layers that are worth merging in the background; none if there are few.
    pub(crate) fn mergeable(&self) -> Vec<Arc<Layer>> {
        let large = self.active.iter().take_while(|layer| layer.len() > SMALL_ENTRIES_MAX);
        let large: Vec<Arc<Layer>> = large.cloned().collect();
        if large.len() > LAYERS_MERGE { large } else { Vec::new() }
    }

    /// Puts what the first layers were merged into in their place, unless they were frozen.
    pub(crate) fn replace(&mut self, layers: &[Arc<Layer>], merged: Layer) {
        let same = self.active.len() >= layers.len()
            && self.active.iter().zip(layers).all(|(a, b)| Arc::ptr_eq(a, b));
        if same {
            self.active.splice(..layers.len(), [Arc::new(merged)]);
        }
    }

    /// How many events the front holds.
    pub(crate) fn event_count(&self) -> usize {
        self.layers().map(|layer| layer.event_count).sum()
    }

    /// Positions of an aggregate's events up to a place that arrived behind a position. Layers that
    /// hold none of those are not looked at.
    pub(crate) fn arrived_behind(
        &self,
        position: u64,
        aggregate: &[u8],
        until: &Place,
    ) -> impl Iterator<Item = u64> {
        let end = [aggregate, until.as_bytes(), &[0]].concat();
        let newer = self.layers().filter(move |layer| layer.position_max > position);
        let events = newer.flat_map(move |layer| {
            layer.table_range(Table::FoldIndex, aggregate, &end).map(|(_, at)| at)
        });
        events.filter(move |at| *at > position)
    }

    fn layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.frozen.iter().chain(&self.active)
    }

    /// The keys that a scan of a bounded range asks for, with their positions, in its order.
    pub(crate) fn range(&self, scan: Scan<'_>) -> Vec<(Vec<u8>, u64)> {
        let Scan { table, start, direction, limit, .. } = scan;
        let end = scan.end.expect("the front is read in bounded ranges");
        let mut found: Vec<(Vec<u8>, u64)> = Vec::new();
        for layer in self.layers() {
            let entries = layer.table_range(table, start, end);
            let owned = |(key, position): (&[u8], u64)| (key.to_vec(), position);
            match direction {
                Direction::Forward => found.extend(entries.take(limit).map(owned)),
                Direction::Backward => found.extend(entries.rev().take(limit).map(owned)),
            }
        }
        in_order(&mut found, direction, limit);
        found
    }
}

/// Puts keys in the order of a scan, each once, at most `limit` of them.
pub(crate) fn in_order(found: &mut Vec<(Vec<u8>, u64)>, direction: Direction, limit: usize) {
    found.sort_unstable();
    found.dedup();
    if direction == Direction::Backward {
        found.reverse();
    }
    found.truncate(limit);
}

/// All layers as one.
pub(crate) fn merge_all(layers: &[Arc<Layer>]) -> Layer {
    match layers {
        [] => Layer::default(),
        [a] => Layer::merge(a, &Layer::default()),
        [a, b] => Layer::merge(a, b),
        _ => {
            let (left, right) = layers.split_at(layers.len() / 2);
            Layer::merge(&merge_all(left), &merge_all(right))
        }
    }
}

#[cfg(test)]
mod tests;
