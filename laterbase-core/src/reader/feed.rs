//! What a caller lacks, in feed order: by stamp, then by origin.
//!
//! Stamps rise along every origin's seqs, so a merge of the origins' runs gives pages that are
//! both in clock order and without holes per origin (invariant 8). It streams: per origin, a
//! small stretch of the log is in memory.
//!
//! A log entry that is damaged ends its origin's run; the other origins go on.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::ControlFlow;

use super::damaged::unless_damaged;
use super::{ReadError, Reader, VisitEvent};
use crate::chain::ChainHash;
use crate::delta::{DeltaBuilder, Outgoing};
use crate::entry::{Entry, chain_of_damaged};
use crate::event::{Event, Record};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, RootName};
use crate::keys;
use crate::limits::BATCH_BYTES_MAX;
use crate::store::{Scan, Snapshot, StoreError, Table};
use crate::version_vector::VersionVector;
use crate::view::{damaged, find_run};

/// Log entries that are read ahead at most, over all origins of a feed.
const READ_AHEAD_ENTRIES: usize = 1_024;

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
        let mut bytes = 0;
        self.merge_runs(root, vv, limit, &mut |_, origin, position, entry| {
            let record = Record::decode(entry.record).map_err(|error| damaged(position, error))?;
            let event = Event {
                dot: Dot { origin, seq: entry.seq },
                recorded: entry.recorded,
                arrived: entry.arrived,
                position,
                record,
            };
            bytes += entry.record.len();
            let flow = visit(&event);
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
        let mut builder = DeltaBuilder::new();
        let mut runs: BTreeMap<ReplicaId, usize> = BTreeMap::new();
        let page = self.merge_runs(root, vv, limit, &mut |snapshot, origin, _, entry| {
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
        let FeedPage { vv, events, more } = page;
        Ok(DeltaPage { bytes: builder.finish(), events, vv, more })
    }

    fn merge_runs(
        &self,
        root: &RootName,
        vv: &VersionVector,
        limit: usize,
        take: &mut Take<'_>,
    ) -> Result<FeedPage, ReadError> {
        let mut page = FeedPage { vv: vv.clone(), events: 0, more: false };
        let mut runs = self.lacking(root, vv);
        if runs.is_empty() || limit == 0 {
            page.more = !runs.is_empty();
            return Ok(page);
        }
        let snapshot = self.shared.snapshot()?;
        let snapshot = &*snapshot;
        let ahead = (READ_AHEAD_ENTRIES / runs.len()).clamp(1, limit.min(256));
        let mut heap = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            let filled = run.fill(snapshot, ahead).and_then(|()| run.recorded());
            if let Some(recorded) = unless_damaged(&self.shared, run.place(), filled)? {
                heap.push(Reverse((recorded, run.origin_id, index)));
            }
        }
        loop {
            let Some(mut top) = heap.peek_mut() else { break };
            let Reverse((_, origin, index)) = *top;
            if page.events == limit {
                page.more = true;
                break;
            }
            let run = &mut runs[index];
            let taken = take(snapshot, origin, run.position, &run.entry()?);
            let Some(step) = unless_damaged(&self.shared, run.place(), taken)? else {
                PeekMut::pop(top);
                continue;
            };
            if step == Step::NotTaken {
                page.more = true;
                break;
            }
            page.events += 1;
            page.vv.raise(origin, run.next_seq);
            let next = run.next(snapshot, ahead);
            match unless_damaged(&self.shared, run.place(), next)?.flatten() {
                Some(recorded) => {
                    *top = Reverse((recorded, origin, index));
                    drop(top);
                }
                None => {
                    PeekMut::pop(top);
                }
            }
            if step == Step::TakenLast {
                page.more = !heap.is_empty();
                break;
            }
        }
        Ok(page)
    }

    /// Per origin, the events that the caller lacks.
    fn lacking(&self, root: &RootName, vv: &VersionVector) -> Vec<LackingRun> {
        let state = self.shared.state();
        let Some(number) = state.names.root(root) else { return Vec::new() };
        state
            .heads_of(number)
            .filter_map(|(origin, head)| {
                let origin_id = state.names.origin_id(origin)?;
                let held = vv.get(&origin_id);
                (held < head.seq)
                    .then(|| LackingRun::new((number, origin), origin_id, held, head.seq))
            })
            .collect()
    }
}

type Take<'t> =
    dyn FnMut(&dyn Snapshot, ReplicaId, u64, &Entry<'_>) -> Result<Step, StoreError> + 't;

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

/// One origin's events that a caller lacks, with the next few log entries read ahead.
pub(super) struct LackingRun {
    root: u32,
    origin: u32,
    origin_id: ReplicaId,
    next_seq: u64,
    last_seq: u64,
    /// The log position of the next event.
    position: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    index: usize,
}

impl LackingRun {
    /// The events of a root and an origin, by their numbers, behind `after` up to `last_seq`.
    /// [`Self::fill`] must follow.
    pub(super) const fn new(
        (root, origin): (u32, u32),
        origin_id: ReplicaId,
        after: u64,
        last_seq: u64,
    ) -> Self {
        Self {
            root,
            origin,
            origin_id,
            next_seq: after + 1,
            last_seq,
            position: 0,
            bytes: Vec::new(),
            ends: Vec::new(),
            index: 0,
        }
    }

    /// The next event's entry.
    pub(super) fn entry(&self) -> Result<Entry<'_>, StoreError> {
        let start = self.index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let entry = Entry::decode(&self.bytes[start..self.ends[self.index]])
            .map_err(|error| damaged(self.position, error))?;
        if (entry.root, entry.origin, entry.seq) == (self.root, self.origin, self.next_seq) {
            Ok(entry)
        } else {
            let detail = format!("log position {} holds another event", self.position);
            Err(StoreError::corrupt(detail))
        }
    }

    fn recorded(&self) -> Result<Hlc, StoreError> {
        self.entry().map(|entry| entry.recorded)
    }

    /// The next event: its root and origin, by their numbers, and its seq.
    pub(super) const fn place(&self) -> (u32, u32, u64) {
        (self.root, self.origin, self.next_seq)
    }

    /// Goes on to the next event and gives its stamp; nothing if there is none.
    fn next(&mut self, snapshot: &dyn Snapshot, ahead: usize) -> Result<Option<Hlc>, StoreError> {
        if self.advance(snapshot, ahead)? { self.recorded().map(Some) } else { Ok(None) }
    }

    /// Goes on to the next event. Says whether there is one.
    pub(super) fn advance(
        &mut self,
        snapshot: &dyn Snapshot,
        ahead: usize,
    ) -> Result<bool, StoreError> {
        if self.next_seq == self.last_seq {
            return Ok(false);
        }
        self.next_seq += 1;
        self.position += 1;
        self.index += 1;
        if self.index == self.ends.len() {
            self.fill(snapshot, ahead)?;
        }
        Ok(true)
    }

    /// Reads the next entries of the run that the next event is in.
    pub(super) fn fill(&mut self, snapshot: &dyn Snapshot, ahead: usize) -> Result<(), StoreError> {
        let at = find_run(snapshot, self.root, self.origin, self.next_seq)?;
        let lacking = self.last_seq - self.next_seq + 1;
        let count = at.remaining.min(lacking).min(ahead as u64);
        (self.position, self.index) = (at.position, 0);
        self.bytes.clear();
        self.ends.clear();
        let (start, end) = (keys::position(at.position), keys::position(at.position + count));
        let mut expected = at.position;
        let scanned = snapshot.scan(Scan::range(Table::Log, &start, &end), &mut |key, value| {
            if keys::read_u64(key) != Some(expected) {
                return ControlFlow::Break(());
            }
            expected += 1;
            self.bytes.extend_from_slice(value);
            self.ends.push(self.bytes.len());
            ControlFlow::Continue(())
        });
        match scanned {
            // What lies before the damage is good; whoever gets to it meets the damage again.
            Err(StoreError::Corrupt { .. }) if !self.ends.is_empty() => Ok(()),
            Err(error) => Err(error),
            Ok(()) if self.ends.is_empty() => Err(missing(at.position)),
            Ok(()) => Ok(()),
        }
    }
}
