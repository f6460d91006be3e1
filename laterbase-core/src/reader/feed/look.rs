//! Where events of a root lie: which had arrived by a position, and which are behind a place.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::Heap;
use super::pass::Waiting;
use crate::cursor::FeedPlace;
use crate::entry::Entry;
use crate::hlc::Hlc;
use crate::id::ReplicaId;
use crate::keys;
use crate::reader::damaged::{note_position, unless_damaged};
use crate::shared::Shared;
use crate::store::{Scan, Snapshot, StoreError, Table};
use crate::view::{RunAt, damaged, find_run};

/// Arrivals behind a position up to which what was held there is told from them. Tests take both
/// ways.
const STEPS_BACK_MAX: u64 = if cfg!(test) { 9 } else { 10_000 };

/// An origin's last event in a root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tip {
    pub origin: u32,
    pub origin_id: ReplicaId,
    pub seq: u64,
    pub recorded: Hlc,
}

impl Tip {
    pub(super) const fn place(&self) -> FeedPlace {
        (self.recorded, self.origin_id)
    }

    pub(super) const fn waiting(&self, recorded: Hlc, next_seq: u64, last_seq: u64) -> Waiting {
        let Self { origin, origin_id, .. } = *self;
        Waiting { recorded, origin_id, origin, next_seq, last_seq }
    }
}

/// A root in a snapshot.
pub(super) struct Look<'l> {
    pub shared: &'l Shared,
    pub snapshot: &'l dyn Snapshot,
    /// The root's number.
    pub root: u32,
    /// The last position that is part of the look.
    pub head: u64,
}

impl Look<'_> {
    /// Where an event lies; `None` if its run cannot be found, which is remembered then.
    pub(super) fn run(&self, origin: u32, seq: u64) -> Result<Option<RunAt>, StoreError> {
        let found = find_run(self.snapshot, self.root, origin, seq);
        unless_damaged(self.shared, (self.root, origin, seq), found)
    }

    /// When an origin's event was recorded; `None` if it cannot be read, which is remembered then.
    pub(super) fn stamp(&self, tip: &Tip, seq: u64) -> Result<Option<Hlc>, StoreError> {
        if seq == tip.seq {
            return Ok(Some(tip.recorded));
        }
        let Some(at) = self.run(tip.origin, seq)? else { return Ok(None) };
        let stamp = self.entry(at.position, |entry| {
            let is_it = (entry.root, entry.origin, entry.seq) == (self.root, tip.origin, seq);
            is_it.then_some(entry.recorded)
        });
        let stamp = stamp.and_then(|stamp| {
            let detail = || format!("log position {} holds another event", at.position);
            stamp.ok_or_else(|| StoreError::corrupt(detail()))
        });
        unless_damaged(self.shared, (self.root, tip.origin, seq), stamp)
    }

    /// When the event at a position was recorded; `None` if it cannot be read.
    pub(super) fn recorded_at(&self, position: u64, seq: u64) -> Result<Option<Hlc>, StoreError> {
        match self.entry(position, |entry| (entry.seq == seq).then_some(entry.recorded)) {
            Err(StoreError::Corrupt { .. }) => Ok(None),
            read => read,
        }
    }

    fn entry<R>(&self, position: u64, read: impl FnOnce(&Entry<'_>) -> R) -> Result<R, StoreError> {
        let bytes = self.snapshot.get(Table::Log, &keys::position(position))?;
        let bytes = bytes.ok_or_else(|| super::missing(position))?;
        Entry::decode(&bytes).map(|entry| read(&entry)).map_err(|error| damaged(position, error))
    }

    /// The digest of the log up to a position; `None` if it does not come that far, or cannot be
    /// read there. `end` is where it ends, and its digest there.
    pub(super) fn history(
        &self,
        position: u64,
        end: (u64, u64),
    ) -> Result<Option<u64>, StoreError> {
        if position == end.0 {
            return Ok(Some(end.1));
        }
        if position == 0 || position > end.0 {
            return Ok((position == 0).then_some(0));
        }
        match self.entry(position, |entry| entry.history) {
            Ok(history) => Ok(Some(history)),
            // What cannot be compared cannot be trusted.
            Err(StoreError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first of an origin's events `first..=last` that is behind a place, and when it was
    /// recorded; `None` if there is none. The origin's last event is behind the place.
    pub(super) fn first_behind(
        &self,
        place: FeedPlace,
        tip: &Tip,
        first: u64,
        last: u64,
    ) -> Result<Option<(Hlc, u64)>, StoreError> {
        // What cannot be read holds back what follows it, so it counts as behind the place.
        let is_before =
            |stamp: Option<Hlc>| stamp.is_some_and(|recorded| (recorded, tip.origin_id) <= place);
        let stamp = self.stamp(tip, first)?;
        if !is_before(stamp) {
            return Ok(stamp.map(|recorded| (recorded, first)));
        }
        let (mut low, mut high, mut found) = (first, last, self.stamp(tip, last)?);
        if is_before(found) {
            return Ok(None);
        }
        // Invariant: `low` is not behind the place, `high` is, and was recorded at `found`.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let stamp = self.stamp(tip, middle)?;
            if is_before(stamp) { low = middle } else { (high, found) = (middle, stamp) }
        }
        Ok(found.map(|recorded| (recorded, high)))
    }

    /// What waits in a pass, found by looking through the log.
    pub(super) fn short_pass(
        &self,
        (base, top): (u64, u64),
        place: FeedPlace,
        had: &dyn Fn(u32) -> u64,
    ) -> Result<Heap, StoreError> {
        let mut waiting: BTreeMap<u32, Waiting> = BTreeMap::new();
        self.each_entry(base, top, &mut |entry| {
            let Entry { root, origin, seq, recorded, .. } = *entry;
            if root != self.root || seq <= had(origin) {
                return ControlFlow::Continue(());
            }
            if let Some(waiting) = waiting.get_mut(&origin) {
                // One that follows a damaged one is held back with it.
                waiting.last_seq += u64::from(waiting.last_seq + 1 == seq);
                return ControlFlow::Continue(());
            }
            let origin_id = self.shared.state().names.origin_id(origin);
            if let Some(origin_id) = origin_id.filter(|origin_id| (recorded, *origin_id) > place)
                && !self.shared.damage.holds_back(root, origin, seq)
            {
                let next = Waiting { recorded, origin_id, origin, next_seq: seq, last_seq: seq };
                waiting.insert(origin, next);
            }
            ControlFlow::Continue(())
        })?;
        Ok(waiting.into_values().map(Reverse).collect())
    }

    /// Visits the log entries behind a position up to another one. Those that cannot be read are
    /// passed over, which is remembered.
    pub(super) fn each_entry(
        &self,
        after: u64,
        until: u64,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut position = after;
        while position < until {
            let (start, end) = (keys::position(position + 1), keys::position(until + 1));
            let mut flow = Ok(ControlFlow::Continue(()));
            let scan = Scan::range(Table::Log, &start, &end);
            let scanned = self.snapshot.scan(scan, &mut |key, value| {
                if keys::read_u64(key) != Some(position + 1) {
                    flow = Err(super::missing(position + 1));
                    return ControlFlow::Break(());
                }
                flow = Entry::decode(value)
                    .map(|entry| visit(&entry))
                    .map_err(|error| damaged(position + 1, error));
                position += u64::from(flow.is_ok());
                flow.as_ref().map_or(ControlFlow::Break(()), |flow| *flow)
            });
            match scanned.and(flow) {
                Ok(ControlFlow::Break(())) => break,
                Ok(ControlFlow::Continue(())) if position == until => break,
                Ok(ControlFlow::Continue(())) | Err(StoreError::Corrupt { .. }) => {
                    position += 1;
                    note_position(self.shared, self.snapshot, position)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What was held of each origin when the log ended at a position.
    pub(super) fn held_at(&self, position: u64) -> Result<HeldAt, StoreError> {
        let mut later = BTreeMap::new();
        let is_near = self.head - position <= STEPS_BACK_MAX;
        if is_near {
            self.each_entry(position, self.head, &mut |entry| {
                if entry.root == self.root {
                    later.entry(entry.origin).or_insert(entry.seq);
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(HeldAt { position, later: is_near.then_some(later) })
    }

    /// The last of an origin's events `1..=last` that had arrived by a position; 0 for none.
    fn arrived_by(&self, position: u64, origin: u32, last: u64) -> Result<Option<u64>, StoreError> {
        let (mut low, mut high, mut probe) = (0, last, last);
        // Invariant: of the events, `low` had arrived (or is 0), and those behind `high` had not.
        while low < high {
            let Some(at) = self.run(origin, probe)? else { return Ok(None) };
            let start = at.position.saturating_sub(probe - at.first_seq);
            let end_seq = probe + at.remaining - 1;
            if start > position {
                high = at.first_seq - 1;
            } else if position - start < end_seq - at.first_seq {
                return Ok(Some((at.first_seq + (position - start)).min(high)));
            } else {
                low = end_seq.min(high);
            }
            probe = low + (high - low).div_ceil(2);
        }
        Ok(Some(low))
    }
}

/// What was held of each origin when the log ended at a position.
pub(super) struct HeldAt {
    position: u64,
    /// Of the origins of which something arrived since, the first seq of that; `None` if that was
    /// too much to look through.
    later: Option<BTreeMap<u32, u64>>,
}

impl HeldAt {
    /// The last seq of an origin; 0 for none. `None` if that cannot be found out.
    pub(super) fn of(&self, look: &Look<'_>, tip: &Tip) -> Result<Option<u64>, StoreError> {
        if self.position == 0 {
            return Ok(Some(0));
        }
        match &self.later {
            Some(later) => Ok(Some(later.get(&tip.origin).map_or(tip.seq, |first| first - 1))),
            None => look.arrived_by(self.position, tip.origin, tip.seq),
        }
    }
}
