//! Passes between two pages: what waits, so that the next page need not find it anew.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Heap;
use crate::cursor::FeedCursor;

/// Passes with fewer origins are found anew.
const ORIGINS_MIN: usize = if cfg!(test) { 3 } else { 64 };

/// Origins that wait in all of them together at most: about 10 MB.
const ORIGINS_MAX: usize = 200_000;

/// What waits behind cursors that were given lately.
///
/// It is remembered of the log, not of a reader: what waits behind a cursor is the same whoever
/// sends it and whenever, and whatever is not here is found again. Whoever comes with the cursor
/// takes it.
#[derive(Debug, Default)]
pub(crate) struct SuspendedFeeds {
    passes: Mutex<VecDeque<(FeedCursor, Heap)>>,
}

impl SuspendedFeeds {
    /// What waits behind a cursor, if that is at hand.
    pub(super) fn take(&self, cursor: &FeedCursor) -> Option<Heap> {
        let mut passes = self.passes();
        let index = passes.iter().position(|(known, _)| known == cursor)?;
        passes.remove(index).map(|(_, heap)| heap)
    }

    /// Keeps what waits behind a cursor. The oldest make room.
    pub(super) fn put(&self, cursor: &FeedCursor, heap: Heap) {
        if !(ORIGINS_MIN..=ORIGINS_MAX).contains(&heap.len()) {
            return;
        }
        let mut passes = self.passes();
        passes.retain(|(known, _)| known != cursor);
        passes.push_back((cursor.clone(), heap));
        let mut count: usize = passes.iter().map(|(_, heap)| heap.len()).sum();
        while count > ORIGINS_MAX {
            let oldest = passes.pop_front();
            count -= oldest.map_or(count, |(_, heap)| heap.len());
        }
    }

    fn passes(&self) -> MutexGuard<'_, VecDeque<(FeedCursor, Heap)>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
