//! The in-memory front of the derived tables: entries of arrivals that the tables lack.
//!
//! Each commit adds one sorted layer; small layers are merged as they come, so that their number
//! grows with the logarithm of what they hold. Readers take the layers as they are (they never
//! change) and combine them with the tables. A flush freezes the layers, writes them, and drops
//! them.

use std::sync::Arc;

use crate::store::Table;

/// Layers up to this many entries are merged when the next one comes; larger ones are left for
/// readers to combine, so that no commit waits for a big merge.
const MERGE_ENTRIES_MAX: usize = 4_096;

/// Entries of derived tables, sorted by table and key. Values are arrival positions.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    bytes: Vec<u8>,
    /// Invariant: sorted by key, each key once.
    entries: Vec<Slot>,
    event_count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    end: usize,
    position: u64,
}

/// The first byte of a layer's key, which stands for the table.
const fn tag(table: Table) -> u8 {
    match table {
        Table::FoldIndex => 0,
        Table::Keys => 1,
        _ => panic!("only the fold index and the keys have a front"),
    }
}

fn tagged(table: Table, key: &[u8]) -> Vec<u8> {
    let mut tagged = Vec::with_capacity(1 + key.len());
    tagged.push(tag(table));
    tagged.extend_from_slice(key);
    tagged
}

impl Layer {
    /// Adds an entry; [`Self::sort`] must follow before the layer is read.
    pub(crate) fn push(&mut self, table: Table, key: &[u8], position: u64) {
        let start = self.bytes.len();
        self.bytes.push(tag(table));
        self.bytes.extend_from_slice(key);
        self.entries.push(Slot { start, end: self.bytes.len(), position });
        if table == Table::FoldIndex {
            self.event_count += 1;
        }
    }

    pub(crate) fn sort(&mut self) {
        let bytes = &self.bytes;
        let key = |slot: &Slot| &bytes[slot.start..slot.end];
        if !self.entries.is_sorted_by(|a, b| key(a) < key(b)) {
            self.entries.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn key(&self, slot: &Slot) -> &[u8] {
        &self.bytes[slot.start..slot.end]
    }

    /// Keys of a table in `start..end` with their positions, in order.
    pub(crate) fn table_range<'l>(
        &'l self,
        table: Table,
        start: &[u8],
        end: &[u8],
    ) -> impl Iterator<Item = (&'l [u8], u64)> + use<'l> {
        let (start, end) = (tagged(table, start), tagged(table, end));
        let from = self.entries.partition_point(|slot| self.key(slot) < start.as_slice());
        let to = self.entries.partition_point(|slot| self.key(slot) < end.as_slice());
        let range = self.entries.get(from..to).unwrap_or_default();
        range.iter().map(|slot| (&self.key(slot)[1..], slot.position))
    }

    /// All entries in order: their tables, keys and positions.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Table, &[u8], u64)> {
        self.entries.iter().map(|slot| {
            let key = self.key(slot);
            let table =
                if key[0] == tag(Table::FoldIndex) { Table::FoldIndex } else { Table::Keys };
            (table, &key[1..], slot.position)
        })
    }

    fn merge(a: &Self, b: &Self) -> Self {
        let mut merged = Self {
            bytes: Vec::with_capacity(a.bytes.len() + b.bytes.len()),
            entries: Vec::with_capacity(a.entries.len() + b.entries.len()),
            event_count: a.event_count + b.event_count,
        };
        let (mut left, mut right) = (a.entries.iter().peekable(), b.entries.iter().peekable());
        loop {
            let from_left = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => a.key(l) <= b.key(r),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return merged,
            };
            let (layer, slot) = if from_left { (a, left.next()) } else { (b, right.next()) };
            if let Some(slot) = slot {
                let start = merged.bytes.len();
                merged.bytes.extend_from_slice(layer.key(slot));
                let end = merged.bytes.len();
                merged.entries.push(Slot { start, end, position: slot.position });
            }
        }
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
            let small = last.entries.len() <= MERGE_ENTRIES_MAX;
            if !small || last.entries.len() > 2 * newest.entries.len() {
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

    /// How many events the front holds.
    pub(crate) fn event_count(&self) -> usize {
        self.layers().map(|layer| layer.event_count).sum()
    }

    fn layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.frozen.iter().chain(&self.active)
    }

    /// Keys of a table in `start..end` with their positions, sorted, at most `limit` of them.
    pub(crate) fn range(
        &self,
        table: Table,
        start: &[u8],
        end: &[u8],
        limit: usize,
    ) -> Vec<(Vec<u8>, u64)> {
        let mut found: Vec<(Vec<u8>, u64)> = Vec::new();
        for layer in self.layers() {
            let entries = layer.table_range(table, start, end).take(limit);
            found.extend(entries.map(|(key, position)| (key.to_vec(), position)));
        }
        found.sort_unstable();
        found.dedup();
        found.truncate(limit);
        found
    }
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
