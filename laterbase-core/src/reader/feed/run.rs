//! One origin's events that are being read.

use std::ops::ControlFlow;

use crate::entry::Entry;
use crate::hlc::Hlc;
use crate::keys;
use crate::store::{Scan, Snapshot, StoreError, Table};
use crate::view::{damaged, find_run};

/// Bytes that a run reads ahead at most, beside the first of its entries.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// One origin's events that a caller lacks, with the next few log entries read ahead.
pub(in crate::reader) struct LackingRun {
    root: u32,
    origin: u32,
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
    /// [`Self::fill`] or [`Self::opened`] must follow.
    pub(in crate::reader) const fn new(
        (root, origin): (u32, u32),
        after: u64,
        last_seq: u64,
    ) -> Self {
        Self {
            root,
            origin,
            next_seq: after + 1,
            last_seq,
            position: 0,
            bytes: Vec::new(),
            ends: Vec::new(),
            index: 0,
        }
    }

    /// Reads the first entries, unless some are there.
    pub(super) fn opened(
        &mut self,
        snapshot: &dyn Snapshot,
        ahead: usize,
    ) -> Result<(), StoreError> {
        if self.ends.is_empty() { self.fill(snapshot, ahead) } else { Ok(()) }
    }

    /// The next event's entry.
    pub(in crate::reader) fn entry(&self) -> Result<Entry<'_>, StoreError> {
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

    pub(super) fn recorded(&self) -> Result<Hlc, StoreError> {
        self.entry().map(|entry| entry.recorded)
    }

    /// The next event's log position.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// The next event: its root and origin, by their numbers, and its seq.
    pub(in crate::reader) const fn place(&self) -> (u32, u32, u64) {
        (self.root, self.origin, self.next_seq)
    }

    pub(super) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Goes on to the next event and gives its stamp; nothing if there is none.
    pub(super) fn next(
        &mut self,
        snapshot: &dyn Snapshot,
        ahead: usize,
    ) -> Result<Option<Hlc>, StoreError> {
        if self.advance(snapshot, ahead)? { self.recorded().map(Some) } else { Ok(None) }
    }

    /// Goes on to the next event. Says whether there is one.
    pub(in crate::reader) fn advance(
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
    pub(in crate::reader) fn fill(
        &mut self,
        snapshot: &dyn Snapshot,
        ahead: usize,
    ) -> Result<(), StoreError> {
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
            if self.bytes.len() < READ_AHEAD_BYTES {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        match scanned {
            // What lies before the damage is good; whoever gets to it meets the damage again.
            Err(StoreError::Corrupt { .. }) if !self.ends.is_empty() => Ok(()),
            Err(error) => Err(error),
            Ok(()) if self.ends.is_empty() => Err(super::missing(at.position)),
            Ok(()) => Ok(()),
        }
    }
}
