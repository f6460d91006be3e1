//! Where the wall clock was set back along the arrival log.
//!
//! An entry says when it arrived as the wall clock said it, so arrival times rise along the log
//! but where the clock was set back. Positions are the true order: a replica knew at a time what
//! had arrived up to the last position whose arrival time is no later. The turns are kept beside
//! the log, so that this position is found by a search in the one stretch that can hold it, and a
//! clock that was once far ahead hides nothing that came after its correction.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::keys;
use crate::store::{Scan, Snapshot, StoreError, Table};

/// A position whose entry arrived earlier, by the wall clock, than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub position: u64,
    /// The arrival time of its entry.
    pub arrived: i64,
}

/// All turns of a log, in its order. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turns(Arc<Vec<Turn>>);

impl Turns {
    /// Reads the turns that a store has kept.
    ///
    /// # Errors
    /// [`StoreError`], also if one of them has another form.
    pub(crate) fn read(snapshot: &dyn Snapshot) -> Result<Self, StoreError> {
        let end = keys::after_prefix(keys::TURN).expect("a prefix is text");
        let mut turns = Some(Vec::new());
        snapshot.scan(Scan::range(Table::Meta, keys::TURN, &end), &mut |key, value| {
            let position = keys::read_u64(&key[keys::TURN.len()..]);
            match (position.zip(keys::read_u64(value)), &mut turns) {
                (Some((position, arrived)), Some(turns)) => {
                    turns.push(Turn { position, arrived: arrived.cast_signed() });
                }
                _ => turns = None,
            }
            ControlFlow::Continue(())
        })?;
        let turns = turns.ok_or_else(|| StoreError::corrupt("a turn of the clock is damaged"))?;
        Ok(Self(Arc::new(turns)))
    }

    pub(crate) fn extend(&mut self, new: Vec<Turn>) {
        if !new.is_empty() {
            Arc::make_mut(&mut self.0).extend(new);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Turn> + '_ {
        self.0.iter().copied()
    }

    /// The arrival time of the entry at a position where the clock was set back.
    pub(crate) fn at(&self, position: u64) -> Option<i64> {
        let index = self.0.binary_search_by_key(&position, |turn| turn.position).ok()?;
        Some(self.0[index].arrived)
    }

    /// The last position up to `head` that had arrived at a time; 0 for none. `arrived` gives the
    /// arrival time of the entry at a position.
    pub(crate) fn last_arrived_until(
        &self,
        time: i64,
        head: u64,
        arrived: impl Fn(u64) -> Result<i64, StoreError>,
    ) -> Result<u64, StoreError> {
        let (mut low, mut high) = self.stretch(time, head);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if arrived(middle)? <= time {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }

    /// The stretch that holds the last position up to `head` that had arrived at a time, if any
    /// has: its first position, which had arrived then, or 0 if that is not known, and its last.
    /// Arrival times rise along it.
    fn stretch(&self, time: i64, head: u64) -> (u64, u64) {
        let mut last = head;
        for turn in self.0.iter().rev().filter(|turn| turn.position <= head) {
            if turn.arrived <= time {
                return (turn.position, last);
            }
            last = turn.position - 1;
        }
        (0, last)
    }
}

#[cfg(test)]
mod tests;
