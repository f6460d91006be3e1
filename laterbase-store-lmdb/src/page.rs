//! One page of a tree, read without trusting it.
//!
//! Every accessor gives nothing where the page says something impossible, so that whatever a file
//! holds, reading it is an error at worst. [`check`] says more: that LMDB, which believes its pages,
//! can be let loose on this one.

use crate::data_file::{HEADER_BYTES, number_u16, number_u32, number_u64};

pub(crate) const BRANCH_FLAG: u16 = 0x01;
pub(crate) const LEAF_FLAG: u16 = 0x02;
pub(crate) const OVERFLOW_FLAG: u16 = 0x04;

/// What a node of a leaf is marked with: its value is on overflow pages.
pub(crate) const BIG_NODE: u16 = 0x01;

/// What a node of the tree of tables is marked with: its value is a tree.
pub(crate) const TREE_NODE: u16 = 0x02;

/// Bytes of a node before its key.
pub(crate) const NODE_BYTES: usize = 8;

/// A page of a tree.
#[derive(Clone, Copy)]
pub(crate) struct Page<'p> {
    bytes: &'p [u8],
}

/// A value, or where it is.
#[derive(Clone, Copy)]
pub(crate) enum Stored<'p> {
    Here(&'p [u8]),
    /// On overflow pages, from this one on.
    Long {
        first: u64,
        bytes: usize,
    },
}

impl<'p> Page<'p> {
    pub(crate) const fn new(bytes: &'p [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is(self, page: u64, flag: u16) -> bool {
        number_u64(self.bytes, 0) == Some(page) && number_u16(self.bytes, 10) == Some(flag)
    }

    /// How many nodes there are.
    pub(crate) fn count(self) -> usize {
        let lower = number_u16(self.bytes, 12).map_or(0, usize::from);
        lower.saturating_sub(HEADER_BYTES) / 2
    }

    fn offset(self, index: usize) -> Option<usize> {
        number_u16(self.bytes, HEADER_BYTES + 2 * index).map(usize::from)
    }

    fn field(self, index: usize, field: usize) -> Option<u16> {
        number_u16(self.bytes, self.offset(index)? + 2 * field)
    }

    /// The low and the high half of a node's first word.
    fn halves(self, index: usize) -> Option<(u16, u16)> {
        let (first, second) = (self.field(index, 0)?, self.field(index, 1)?);
        Some(if cfg!(target_endian = "big") { (second, first) } else { (first, second) })
    }

    pub(crate) fn key(self, index: usize) -> Option<&'p [u8]> {
        let start = self.offset(index)? + NODE_BYTES;
        let length = usize::from(self.field(index, 3)?);
        self.bytes.get(start..start + length)
    }

    /// Of a branch: the page below.
    pub(crate) fn child(self, index: usize) -> Option<u64> {
        let (low, high) = self.halves(index)?;
        Some(u64::from(low) | u64::from(high) << 16 | u64::from(self.field(index, 2)?) << 32)
    }

    /// Of a leaf: how long a value is.
    fn value_bytes(self, index: usize) -> Option<usize> {
        let (low, high) = self.halves(index)?;
        Some(usize::from(low) | usize::from(high) << 16)
    }

    /// Of a leaf: a value.
    pub(crate) fn stored(self, index: usize) -> Option<Stored<'p>> {
        let bytes = self.value_bytes(index)?;
        let start = self.offset(index)? + NODE_BYTES + usize::from(self.field(index, 3)?);
        if self.field(index, 2)? & BIG_NODE != 0 {
            let first = number_u64(self.bytes, start)?;
            return Some(Stored::Long { first, bytes });
        }
        self.bytes.get(start..start + bytes).map(Stored::Here)
    }

    /// How many nodes satisfy a condition that holds for the first of them and for no later one.
    pub(crate) fn partition_point(self, is_before: impl Fn(&[u8]) -> bool, from: usize) -> usize {
        let (mut low, mut high) = (from, self.count());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.key(middle) {
                Some(key) if is_before(key) => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }
}

/// What the nodes of a leaf may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Values of any length.
    Values,
    /// Trees, by the names of their tables.
    Tables,
}

/// Says what is wrong with a page that is to be a leaf, or a branch.
///
/// Nodes fill the page from its end without gaps, as LMDB moves them by their own sizes; keys rise.
///
/// The keys of the tree of free pages are numbers of the machine; whoever walks it sees to their
/// order.
pub(crate) fn check(
    bytes: &[u8],
    is_leaf: bool,
    leaves: Leaves,
    are_keys_numbers: bool,
) -> Result<(), &'static str> {
    let page = Page::new(bytes);
    let lower = number_u16(bytes, 12).map_or(0, usize::from);
    let upper = number_u16(bytes, 14).map_or(0, usize::from);
    if lower < HEADER_BYTES || !lower.is_multiple_of(2) || lower > upper || upper > bytes.len() {
        return Err("the bounds of its free room");
    }
    // LMDB keeps no branch that leads to one page only, and no empty leaf.
    let fewest = if is_leaf || are_keys_numbers { 1 } else { 2 };
    if page.count() < fewest {
        return Err("it has too few nodes");
    }
    let mut places = Vec::with_capacity(page.count());
    let mut last: Option<&[u8]> = None;
    for index in 0..page.count() {
        let node = node(page, index, is_leaf, leaves).ok_or("a node reaches over its end")??;
        places.push(node);
        let key = page.key(index).ok_or("a node reaches over its end")?;
        // The first key of a branch stands for all that is smaller, and is never looked at.
        let counts = (is_leaf || index > 0) && !are_keys_numbers;
        if are_keys_numbers && is_leaf && key.len() != 8 {
            return Err("a key of another length");
        }
        if counts && last.is_some_and(|last| last >= key) {
            return Err("its keys are not in order");
        }
        last = counts.then_some(key);
    }
    places.sort_unstable();
    let mut end = upper;
    for (start, length) in places {
        if start != end {
            return Err("its nodes do not fill their room");
        }
        end = start + length;
    }
    if end == bytes.len() { Ok(()) } else { Err("its nodes do not fill their room") }
}

/// Where a node is and how much room it takes.
fn node(
    page: Page<'_>,
    index: usize,
    is_leaf: bool,
    leaves: Leaves,
) -> Option<Result<(usize, usize), &'static str>> {
    let start = page.offset(index)?;
    let key_bytes = page.key(index)?.len();
    let mut length = NODE_BYTES + key_bytes;
    if is_leaf {
        let flags = page.field(index, 2)?;
        let allowed = match leaves {
            Leaves::Values => flags == 0 || flags == BIG_NODE,
            Leaves::Tables => flags == TREE_NODE,
        };
        if !allowed {
            return Some(Err("a value of an unknown kind"));
        }
        length += match page.stored(index)? {
            Stored::Here(value) => value.len(),
            Stored::Long { .. } => 8,
        };
    }
    Some(Ok((start, length + length % 2)))
}

/// How many pages a long value takes, by the head of the first one; nothing if that is none, or has
/// less room than the value needs.
pub(crate) fn overflow_pages(head: &[u8], first: u64, value_bytes: usize) -> Option<u64> {
    let count = number_u32(head, 12).map(u64::from)?;
    let needed = ((HEADER_BYTES - 1 + value_bytes) / head.len() + 1) as u64;
    (Page::new(head).is(first, OVERFLOW_FLAG) && count >= needed).then_some(count)
}
