//! What is seen of a frozen store.

use std::borrow::Cow;
use std::ops::{Bound, ControlFlow};

use laterbase_core::store::{Direction, Scan, Snapshot, StoreError, Table, Visit};

use crate::error::engine;
use crate::frozen::FrozenLmdb;
use crate::seal;

/// Entries that a scan takes out of the transaction at once: few at first, as most scans are short.
const ENTRIES_FIRST: usize = 16;
const ENTRIES_MAX: usize = 1_024;

/// Bytes that it takes out at once, unless a single entry is larger.
const BYTES_MAX: usize = 1024 * 1024;

/// A view of a frozen store. All of them show the same.
///
/// The store has one transaction, which one thread at a time may use. So nothing is lent out of
/// it: values are copied, and a scan visits a copy of each page.
pub(crate) struct FrozenSnapshot<'s> {
    store: &'s FrozenLmdb,
}

impl<'s> FrozenSnapshot<'s> {
    pub(crate) const fn new(store: &'s FrozenLmdb) -> Self {
        Self { store }
    }
}

impl Snapshot for FrozenSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        let Some(area) = self.store.area(table.area()) else { return Ok(None) };
        let (transaction, entries) = area.table(table);
        let Some(entries) = entries else { return Ok(None) };
        let value = entries.get(&transaction, key).map_err(engine("read a value"))?;
        let value = value.map(|stored| seal::open(table, key, stored)).transpose()?;
        Ok(value.map(|value| Cow::Owned(value.to_vec())))
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut range = Range::of(&scan);
        let (mut left, mut entries_max) = (scan.limit, ENTRIES_FIRST);
        while left > 0 {
            let page = self.page(scan.table, scan.direction, &range, entries_max.min(left))?;
            for (key, stored) in page.iter() {
                if visit(key, seal::open(scan.table, key, stored)?) == ControlFlow::Break(()) {
                    return Ok(());
                }
            }
            left -= page.ends.len();
            let Some(last) = page.last().filter(|_| page.is_full) else { return Ok(()) };
            range.go_on_behind(last, scan.direction);
            entries_max = (entries_max * 4).min(ENTRIES_MAX);
        }
        Ok(())
    }
}

impl FrozenSnapshot<'_> {
    fn page(
        &self,
        table: Table,
        direction: Direction,
        range: &Range,
        entries_max: usize,
    ) -> Result<Page, StoreError> {
        let Some(area) = self.store.area(table.area()) else { return Ok(Page::default()) };
        let (transaction, entries) = area.table(table);
        let Some(entries) = entries.filter(|_| !range.is_empty()) else {
            return Ok(Page::default());
        };
        let bounds = range.bounds();
        let begun = engine("begin a scan");
        match direction {
            Direction::Forward => {
                Page::gather(entries.range(&transaction, &bounds).map_err(begun)?, entries_max)
            }
            Direction::Backward => {
                Page::gather(entries.rev_range(&transaction, &bounds).map_err(begun)?, entries_max)
            }
        }
    }
}

/// What of a scan's range is left.
struct Range {
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
}

impl Range {
    fn of(scan: &Scan<'_>) -> Self {
        let start = match scan.start {
            [] => Bound::Unbounded,
            start => Bound::Included(start.to_vec()),
        };
        let end = scan.end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.to_vec()));
        Self { start, end }
    }

    fn go_on_behind(&mut self, key: &[u8], direction: Direction) {
        match direction {
            Direction::Forward => self.start = Bound::Excluded(key.to_vec()),
            Direction::Backward => self.end = Bound::Excluded(key.to_vec()),
        }
    }

    /// LMDB knows no empty key to look for, and nothing sorts before one.
    fn is_empty(&self) -> bool {
        matches!(&self.end, Bound::Excluded(end) if end.is_empty())
    }

    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        fn lent(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
            bound.as_ref().map(Vec::as_slice)
        }
        (lent(&self.start), lent(&self.end))
    }
}

/// A copy of some entries.
#[derive(Default)]
struct Page {
    bytes: Vec<u8>,
    /// Where each key and its value end.
    ends: Vec<(usize, usize)>,
    /// Whether it was ended by a bound, so that there may be more.
    is_full: bool,
}

impl Page {
    fn gather<'t>(
        entries: impl Iterator<Item = heed::Result<(&'t [u8], &'t [u8])>>,
        entries_max: usize,
    ) -> Result<Self, StoreError> {
        let mut page = Self::default();
        for entry in entries {
            let (key, stored) = entry.map_err(engine("read the next entry"))?;
            page.bytes.extend_from_slice(key);
            let key_end = page.bytes.len();
            page.bytes.extend_from_slice(stored);
            page.ends.push((key_end, page.bytes.len()));
            page.is_full = page.ends.len() >= entries_max || page.bytes.len() >= BYTES_MAX;
            if page.is_full {
                break;
            }
        }
        Ok(page)
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(key_end, end)| {
            let entry = (&self.bytes[start..key_end], &self.bytes[key_end..end]);
            start = end;
            entry
        })
    }

    fn last(&self) -> Option<&[u8]> {
        self.iter().last().map(|(key, _)| key)
    }
}
