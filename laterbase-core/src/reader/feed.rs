//! What a caller lacks, in feed order: by stamp, then by origin.
//!
//! Stamps rise along every origin's seqs, so a merge of the origins' runs gives pages that are
//! both in clock order and without holes per origin (invariant 8). It streams: per origin, a
//! small stretch of the log is in memory.
//!
//! A caller says what it holds by its version vector, or by the short cursor of the page before
//! ([`FeedCursor`]), which says the same in a few bytes; `feed/pass.rs` has why that is exact.
//!
//! A log entry that is damaged ends its origin's run; the other origins go on.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;

use super::damaged::unless_damaged;
use super::voided_across::VoidedAcross;
use super::{ReadError, Reader, VisitEvent};
use crate::chain::ChainHash;
use crate::cursor::FeedCursor;
use crate::delta::{DeltaBuilder, Outgoing};
use crate::entry::{Entry, chain_of_damaged};
use crate::event::Event;
use crate::id::{ReplicaId, RootName};
use crate::keys::{self, Place};
use crate::limits::BATCH_BYTES_MAX;
use crate::store::{Snapshot, StoreError, Table};
use crate::version_vector::VersionVector;
use crate::view::{View, damaged, find_run};

mod ahead;
mod look;
mod pass;
mod run;
mod suspended;

use pass::{Marks, Opening, Waiting};
pub(super) use run::LackingRun;
pub(crate) use suspended::SuspendedFeeds;

/// Log entries that are read ahead at most, over all origins of a feed.
const READ_AHEAD_ENTRIES: usize = 1_024;

/// What a caller of a feed holds.
#[derive(Clone, Copy, Debug)]
pub enum FeedFrom<'f> {
    /// What it says itself.
    Holding(&'f VersionVector),
    /// What the page said that gave this cursor.
    After(&'f FeedCursor),
}

/// What a page of a feed came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// The caller's version vector and what the page delivered; nothing else.
    pub vv: VersionVector,
    /// How many events were visited.
    pub events: usize,
    /// Whether there was more to deliver.
    pub more: bool,
}

/// A page of a feed as a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaPage {
    /// The delta's bytes, which [`crate::delta::Delta::decode`] reads.
    pub bytes: Vec<u8>,
    /// How many events it holds.
    pub events: usize,
    /// The caller's version vector and what the page delivers; nothing else.
    pub vv: VersionVector,
    /// Whether there was more to deliver.
    pub more: bool,
}

/// What a page of a feed came to that goes on by a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedPage {
    /// The caller's version vector and what the page delivered; `None` if it came with a cursor.
    pub vv: Option<VersionVector>,
    /// How many events were visited.
    pub events: usize,
    /// Whether there was more to deliver.
    pub more: bool,
    /// The same as the vector, in a few bytes. `None` if it does not fit, which it does unless
    /// the caller's vector is ahead of the page in dozens of origins.
    pub after: Option<FeedCursor>,
}

/// Takes one event, and what can be said behind it, and says whether to go on.
pub type VisitFed<'v> = dyn FnMut(&Event<'_>, &Behind<'_>) -> ControlFlow<()> + 'v;

/// The place behind an event of a feed.
#[derive(Debug)]
pub struct Behind<'m> {
    marks: &'m Marks,
    place: crate::cursor::FeedPlace,
}

impl Behind<'_> {
    /// What a caller goes on with that has taken in the events up to this one; `None` as in
    /// [`FollowedPage::after`].
    pub fn cursor(&self) -> Option<FeedCursor> {
        self.marks.cursor(Some(self.place))
    }
}

impl Reader {
    /// Visits what a caller that holds `vv` lacks of a root, in feed order, at most `limit`
    /// events and 16 MiB of records.
    ///
    /// A visitor that breaks has taken the event it was given.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn feed(
        &self,
        root: &RootName,
        vv: &VersionVector,
        limit: usize,
        visit: &mut VisitEvent<'_>,
    ) -> Result<FeedPage, ReadError> {
        let mut opening = Opening::holding(&self.shared, root, vv)?;
        let page = self.visit_runs(&mut opening, limit, &mut |event, _| visit(event))?;
        let FollowedPage { vv, events, more, .. } = page;
        Ok(FeedPage { vv: vv.unwrap_or_default(), events, more })
    }

    /// [`Self::feed`] for a caller that goes on by a cursor; `None` if the one it came with is not
    /// of this log, as it is now.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn follow(
        &self,
        root: &RootName,
        from: FeedFrom<'_>,
        limit: usize,
        visit: &mut VisitFed<'_>,
    ) -> Result<Option<FollowedPage>, ReadError> {
        match Opening::of(&self.shared, root, from)? {
            Some(mut opening) => self.visit_runs(&mut opening, limit, visit).map(Some),
            None => Ok(None),
        }
    }

    fn visit_runs(
        &self,
        opening: &mut Opening<'_>,
        limit: usize,
        visit: &mut VisitFed<'_>,
    ) -> Result<FollowedPage, ReadError> {
        let mut bytes = 0;
        let view = View::open(&self.shared)?;
        let mut voided = VoidedAcross::default();
        self.merge_runs(opening, limit, &mut |taken| {
            let Taken { origin, position, entry, marks, .. } = *taken;
            let event = entry.event(position, origin)?;
            let place = Place::new(event.record.kept_occurred(), entry.recorded, origin);
            let (seen, id) = ((&*self.shared, &view), event.record.aggregate_id);
            let voided_by = voided.by(seen, entry.root, id, &place);
            let event = Event { voided_by, ..event };
            bytes += entry.record.len();
            let flow = visit(&event, &Behind { marks, place: (entry.recorded, origin) });
            Ok(if bytes >= BATCH_BYTES_MAX { Step::TakenLast } else { Step::of(flow) })
        })
    }

    /// What a caller that holds `vv` lacks of a root, as a delta of at most `limit` events and
    /// about `bytes_max` bytes. One event is always delivered, if there is any.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn delta(
        &self,
        root: &RootName,
        vv: &VersionVector,
        limit: usize,
        bytes_max: usize,
    ) -> Result<DeltaPage, ReadError> {
        let mut opening = Opening::holding(&self.shared, root, vv)?;
        let (bytes, page) = self.build_delta(&mut opening, root, limit, bytes_max)?;
        let FollowedPage { vv, events, more, .. } = page;
        Ok(DeltaPage { bytes, events, vv: vv.unwrap_or_default(), more })
    }

    /// [`Self::delta`] for a caller that goes on by a cursor; `None` if the one it came with is
    /// not of this log, as it is now.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn follow_delta(
        &self,
        root: &RootName,
        from: FeedFrom<'_>,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Option<(Vec<u8>, FollowedPage)>, ReadError> {
        match Opening::of(&self.shared, root, from)? {
            Some(mut opening) => self.build_delta(&mut opening, root, limit, bytes_max).map(Some),
            None => Ok(None),
        }
    }

    fn build_delta(
        &self,
        opening: &mut Opening<'_>,
        root: &RootName,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<u8>, FollowedPage), ReadError> {
        let mut builder = DeltaBuilder::new();
        let mut runs: BTreeMap<ReplicaId, usize> = BTreeMap::new();
        let page = self.merge_runs(opening, limit, &mut |taken| {
            let Taken { snapshot, origin, entry, .. } = *taken;
            if !builder.has_room(entry.record.len(), limit, bytes_max) {
                return Ok(Step::NotTaken);
            }
            let run = match runs.get(&origin) {
                Some(run) => *run,
                None => {
                    let before = chain_before(snapshot, root, origin, entry)?;
                    let run = builder.start_run(root, origin, entry.seq, before);
                    runs.insert(origin, run);
                    run
                }
            };
            let (seq, recorded, record) = (entry.seq, entry.recorded, entry.record);
            builder.push(run, Outgoing { origin, seq, recorded, record, chain: entry.chain });
            Ok(Step::Taken)
        })?;
        Ok((builder.finish(), page))
    }

    fn merge_runs(
        &self,
        opening: &mut Opening<'_>,
        limit: usize,
        take: &mut Take<'_>,
    ) -> Result<FollowedPage, ReadError> {
        let Opening { snapshot, number, heap, marks, vv, .. } = opening;
        let (snapshot, marks) = (&**snapshot, &*marks);
        let mut page = FollowedPage { vv: vv.take(), events: 0, more: false, after: None };
        let mut place = None;
        let ahead = (READ_AHEAD_ENTRIES / heap.len().max(1)).clamp(1, limit.clamp(1, 256));
        // By the origins' numbers, those of which an event was at the top.
        let mut runs: BTreeMap<u32, LackingRun> = BTreeMap::new();
        while let Some(mut top) = heap.peek_mut() {
            if page.events == limit {
                break;
            }
            let Waiting { origin_id: origin, origin: lane, next_seq, last_seq, .. } = top.0;
            let run = runs
                .entry(lane)
                .or_insert_with(|| LackingRun::new((*number, lane), next_seq - 1, last_seq));
            let entry = run.opened(snapshot, ahead).and_then(|()| run.entry());
            let taken = entry.and_then(|entry| {
                let position = run.position();
                let step = take(&Taken { snapshot, origin, position, entry: &entry, marks })?;
                Ok((step, entry.recorded))
            });
            let Some((step, recorded)) = unless_damaged(&self.shared, run.place(), taken)? else {
                PeekMut::pop(top);
                continue;
            };
            if step == Step::NotTaken {
                break;
            }
            page.events += 1;
            place = Some((recorded, origin));
            if let Some(vv) = &mut page.vv {
                vv.raise(origin, run.next_seq());
            }
            let next = run.next(snapshot, ahead);
            match unless_damaged(&self.shared, run.place(), next)?.flatten() {
                Some(recorded) => {
                    top.0 = Waiting { recorded, next_seq: run.next_seq(), ..top.0 };
                    drop(top);
                }
                None => {
                    PeekMut::pop(top);
                }
            }
            if step == Step::TakenLast {
                break;
            }
        }
        opening.end(place, &mut page)?;
        Ok(page)
    }
}

/// An event that is offered to a page.
#[derive(Clone, Copy)]
struct Taken<'t> {
    snapshot: &'t dyn Snapshot,
    origin: ReplicaId,
    position: u64,
    entry: &'t Entry<'t>,
    marks: &'t Marks,
}

type Take<'t> = dyn FnMut(&Taken<'_>) -> Result<Step, StoreError> + 't;

/// What became of an event that was offered to a page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Taken,
    TakenLast,
    NotTaken,
}

impl Step {
    const fn of(flow: ControlFlow<()>) -> Self {
        match flow {
            ControlFlow::Continue(()) => Self::Taken,
            ControlFlow::Break(()) => Self::TakenLast,
        }
    }
}

/// Waiting events, the one whose turn is next at the top.
type Heap = BinaryHeap<Reverse<Waiting>>;

/// The chain's value before an event.
pub(super) fn chain_before(
    snapshot: &dyn Snapshot,
    root: &RootName,
    origin: ReplicaId,
    entry: &Entry<'_>,
) -> Result<ChainHash, StoreError> {
    if entry.seq == 1 {
        return Ok(ChainHash::genesis(root, origin));
    }
    let at = find_run(snapshot, entry.root, entry.origin, entry.seq - 1)?;
    let bytes = snapshot.get(Table::Log, &keys::position(at.position))?;
    let bytes = bytes.ok_or_else(|| missing(at.position))?;
    match Entry::decode(&bytes) {
        Ok(before) => Ok(before.chain),
        Err(error) => chain_of_damaged(&bytes, entry).ok_or_else(|| damaged(at.position, error)),
    }
}

fn missing(position: u64) -> StoreError {
    StoreError::corrupt(format!("log position {position} is missing"))
}

#[cfg(test)]
pub(super) mod tests;
