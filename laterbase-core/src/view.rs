//! One consistent look at a store and at the front of its derived tables.

use crate::codec::CodecError;
use crate::entry::Entry;
use crate::front::{Front, in_order};
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::snapshot::{Moment, Rung};
use crate::store::{Scan, Snapshot, StoreError, Table};
use crate::turns::Turns;

use std::ops::ControlFlow;

/// A look at everything that had arrived at one moment.
///
/// Invariant: `front` was taken before `snapshot`, and entries leave the front only after the
/// tables hold them. So the two together hold every entry up to `head`; what lies beyond, and
/// what both hold, is filtered.
pub(crate) struct View<'s> {
    snapshot: Box<dyn Snapshot + 's>,
    front: Front,
    moment: Moment,
    turns: Turns,
}

impl<'s> View<'s> {
    pub(crate) fn open(shared: &'s Shared) -> Result<Self, StoreError> {
        let _steady = shared.steady();
        let flushes = shared.unstored.flushes();
        let (head, rewrites, front, turns) = {
            let state = shared.state();
            (state.head, state.rewrites, state.front.clone(), state.turns.clone())
        };
        let moment = Moment { head, flushes, rewrites };
        Ok(Self { snapshot: shared.snapshot()?, front, moment, turns })
    }

    /// A view of a moment that the caller took from the state, and has kept steady since. It knows
    /// nothing of when entries arrived.
    pub(crate) fn of(
        shared: &'s Shared,
        (head, rewrites): (u64, u64),
        front: Front,
    ) -> Result<Self, StoreError> {
        let moment = Moment { head, flushes: shared.unstored.flushes(), rewrites };
        Ok(Self { snapshot: shared.snapshot()?, front, moment, turns: Turns::default() })
    }

    /// A view of now, for a caller that holds the lock of flushes: nothing is written anew meanwhile.
    pub(crate) fn of_now(shared: &'s Shared) -> Result<Self, StoreError> {
        let (moment, front) = {
            let state = shared.state();
            ((state.head, state.rewrites), state.front.clone())
        };
        Self::of(shared, moment, front)
    }

    /// The number of the log that this is a view of.
    pub(crate) const fn rewrites(&self) -> u64 {
        self.moment.rewrites
    }

    /// The last arrival position that is part of the view.
    pub(crate) const fn head(&self) -> u64 {
        self.moment.head
    }

    /// The moment that this is a view of.
    pub(crate) const fn moment(&self) -> Moment {
        self.moment
    }

    /// The last position that had arrived at a time; 0 for none.
    pub(crate) fn last_arrived_until(&self, time: i64) -> Result<u64, StoreError> {
        let arrived = |position| self.entry(position, |entry| entry.arrived);
        self.turns.last_arrived_until(time, self.moment.head, arrived)
    }

    pub(crate) fn snapshot(&self) -> &dyn Snapshot {
        &*self.snapshot
    }

    /// Reads the log entry at a position.
    pub(crate) fn entry<R>(
        &self,
        position: u64,
        read: impl FnOnce(&Entry<'_>) -> R,
    ) -> Result<R, StoreError> {
        let bytes = self
            .snapshot
            .get(Table::Log, &keys::position(position))?
            .ok_or_else(|| StoreError::corrupt(format!("log position {position} is missing")))?;
        let entry = Entry::decode(&bytes).map_err(|error| damaged(position, error))?;
        Ok(read(&entry))
    }

    /// The keys of a derived table that a scan of a bounded range asks for, with their positions,
    /// in its order.
    pub(crate) fn indexed(&self, scan: Scan<'_>) -> Result<Vec<(Vec<u8>, u64)>, StoreError> {
        let Scan { table, direction, limit, .. } = scan;
        let mut found = self.front.range(scan);
        found.retain(|&(_, position)| position <= self.head());
        let front_count = found.len();
        let mut damaged = false;
        // The limit is kept below: some of what is found may not count.
        self.snapshot.scan(scan.limit(usize::MAX), &mut |key, value| {
            match keys::read_u64(value) {
                // A flush may have put later arrivals into the table since.
                Some(position) if position > self.head() => {}
                Some(position) => found.push((key.to_vec(), position)),
                None => damaged = true,
            }
            if found.len() - front_count < limit && !damaged {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        if damaged {
            return Err(StoreError::corrupt(format!("a value in {} is no position", table.name())));
        }
        if front_count > 0 {
            in_order(&mut found, direction, limit);
        }
        Ok(found)
    }

    /// Places and positions of the fold index in `start..end` that only the front holds for sure.
    pub(crate) fn unflushed(&self, start: &[u8], end: &[u8]) -> Vec<(Place, u64)> {
        let found = self.front.range(Scan::range(Table::FoldIndex, start, end));
        let placed = found.into_iter().filter_map(|(key, at)| Some((keys::place_of(&key)?, at)));
        placed.collect()
    }

    /// Whether an event of an aggregate, at or before a snapshot's place, arrived behind what the
    /// snapshot has seen, and up to `position_max`. Costs what has arrived since the snapshot.
    pub(crate) fn overtakes(&self, aggregate: &[u8], rung: &Rung, position_max: u64) -> bool {
        let mut late = self.front.arrived_behind(rung.position, aggregate, &rung.place);
        late.any(|position| position <= position_max)
    }

    /// The log position of an origin's event, if it is part of the view. A commit that failed may
    /// have left more in the store.
    pub(crate) fn find(&self, root: u32, origin: u32, seq: u64) -> Result<Option<u64>, StoreError> {
        let run = seek_run(&*self.snapshot, root, origin, seq)?;
        Ok(run.map(|run| run.position).filter(|position| *position <= self.head()))
    }

    /// The log position of an origin's event, by way of its run.
    pub(crate) fn run_of(&self, root: u32, origin: u32, seq: u64) -> Result<RunAt, StoreError> {
        find_run(&*self.snapshot, root, origin, seq)
    }
}

/// Where an event lies in the log, and how many of its origin follow it there directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunAt {
    pub position: u64,
    pub remaining: u64,
    /// The seq that the run starts with.
    pub first_seq: u64,
}

/// Finds the run of an event that is held: one seek back.
pub(crate) fn find_run(
    snapshot: &dyn Snapshot,
    root: u32,
    origin: u32,
    seq: u64,
) -> Result<RunAt, StoreError> {
    seek_run(snapshot, root, origin, seq)?.ok_or_else(|| {
        StoreError::corrupt(format!("no run holds event {seq} of origin {origin} in root {root}"))
    })
}

/// Looks for the run of an event: one seek back. `None` if the event is not held.
pub(crate) fn seek_run(
    snapshot: &dyn Snapshot,
    root: u32,
    origin: u32,
    seq: u64,
) -> Result<Option<RunAt>, StoreError> {
    let start = keys::run(root, origin, 0);
    let end = keys::run(root, origin, seq.saturating_add(1));
    let mut found = None;
    let scan = Scan::range(Table::Runs, &start, &end).backward().limit(1);
    snapshot.scan(scan, &mut |key, value| {
        found = read_run(key, value);
        ControlFlow::Break(())
    })?;
    let Some((first_seq, position, length)) = found else { return Ok(None) };
    let offset = seq.checked_sub(first_seq).filter(|offset| *offset < length);
    Ok(offset.map(|offset| RunAt {
        position: position + offset,
        remaining: length - offset,
        first_seq,
    }))
}

/// A run as (first seq, position, length).
pub(crate) fn read_run(key: &[u8], value: &[u8]) -> Option<(u64, u64, u64)> {
    let first_seq = keys::read_u64(key.get(8..)?)?;
    let position = keys::read_u64(value.get(..8)?)?;
    let length = keys::read_u64(value.get(8..)?)?;
    Some((first_seq, position, length))
}

/// Says that a log entry cannot be read.
pub(crate) fn damaged(position: u64, error: CodecError) -> StoreError {
    StoreError::corrupt(format!("log position {position}: {error}"))
}
