//! One table in memory: a sorted map that is cheap to copy.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::store::{Direction, Scan, Visit};

type Bytes = Arc<[u8]>;
type Leaf = BTreeMap<Bytes, Bytes>;

/// Entries of a leaf before it is split in two.
const LEAF_ENTRIES_MAX: usize = 128;

/// A sorted map of byte keys to byte values in shared leaves.
///
/// A copy shares all leaves with its original, and a write to either copies only the leaf that
/// it touches. So a snapshot costs one pointer a leaf, and only when something is written.
#[derive(Clone, Debug, Default)]
pub(super) struct SortedTable {
    /// Leaves under their lower bounds.
    ///
    /// Invariant: no leaf is empty, and its keys lie between its own bound, inclusive, and the
    /// next one's.
    leaves: BTreeMap<Bytes, Arc<Leaf>>,
    bytes: u64,
}

impl SortedTable {
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let bound = self.bound_of(key)?;
        self.leaves[&bound].get(key).map(|value| &**value)
    }

    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        let bound = self.bound_of(key).unwrap_or_default();
        let leaf = Arc::make_mut(self.leaves.entry(bound).or_default());
        let old = leaf.insert(key.into(), value.into());
        let split = (leaf.len() > LEAF_ENTRIES_MAX).then(|| {
            let middle = leaf.keys().nth(leaf.len() / 2).expect("the leaf is full").clone();
            let upper = leaf.split_off(&middle);
            (middle, Arc::new(upper))
        });
        self.leaves.extend(split);
        self.bytes += value.len() as u64;
        match old {
            Some(old) => self.bytes -= old.len() as u64,
            None => self.bytes += key.len() as u64,
        }
    }

    pub(super) fn delete(&mut self, key: &[u8]) {
        let Some(bound) = self.bound_of(key) else { return };
        if !self.leaves[&bound].contains_key(key) {
            return;
        }
        let leaf = Arc::make_mut(self.leaves.get_mut(&bound).expect("the bound is a leaf's"));
        let old = leaf.remove(key).expect("the leaf holds the key");
        self.bytes -= (key.len() + old.len()) as u64;
        if leaf.is_empty() {
            self.leaves.remove(&bound);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes of all keys and values.
    pub(super) const fn size_bytes(&self) -> u64 {
        self.bytes
    }

    /// Visits a page of a range. The scan's table is not looked at.
    pub(super) fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) {
        let end = scan.end.map_or(Bound::Unbounded, Bound::Excluded);
        // A sorted map panics on a range that is upside down; the contract calls it empty.
        if scan.end.is_some_and(|end| end <= scan.start) {
            return;
        }
        let range = (Bound::Included(scan.start), end);
        let first = self.bound_of(scan.start);
        let lower = first.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let leaves = self.leaves.range::<[u8], _>((lower, end));
        let entries = leaves.flat_map(|(_, leaf)| leaf.range::<[u8], _>(range));
        match scan.direction {
            Direction::Forward => visit_page(entries, scan.limit, visit),
            Direction::Backward => visit_page(entries.rev(), scan.limit, visit),
        }
    }

    /// The bound of the leaf that a key belongs to, if there is one.
    fn bound_of(&self, key: &[u8]) -> Option<Bytes> {
        let below = self.leaves.range::<[u8], _>((Bound::Unbounded, Bound::Included(key)));
        below.map(|(bound, _)| bound).next_back().cloned()
    }
}

fn visit_page<'a>(
    entries: impl Iterator<Item = (&'a Bytes, &'a Bytes)>,
    limit: usize,
    visit: &mut Visit<'_>,
) {
    for (key, value) in entries.take(limit) {
        if visit(key, value).is_break() {
            return;
        }
    }
}
