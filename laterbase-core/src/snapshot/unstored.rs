//! Snapshots that reads have left and no flush has stored yet. Readers go on from them as they do
//! from stored ones.
//!
//! Invariant: of every snapshot in here, each event that it should have seen and has not is in the
//! front of any view that is opened now, or beyond its head. For an event leaves the front only
//! with a flush, and a flush first takes away what the event overtakes: from here, and by a mark on
//! every read that is under way, from what those are going to leave.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ladder::{LADDER_BYTES_MAX, LADDER_RUNGS_MAX, size_bytes, thin};
use super::{Candidate, Ladder, Overtaking};
use crate::flushed::Flushed;
use crate::keys::Place;

/// Bytes of states that are held in memory at most; what comes then is dropped.
const UNSTORED_BYTES_MAX: usize = 16 * 1024 * 1024;
const _: () = assert!(4 * LADDER_BYTES_MAX <= UNSTORED_BYTES_MAX);

/// The moment that a read looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The last arrival position.
    pub head: u64,
    /// How many flushes had begun, looked up before anything else.
    pub flushes: u64,
    /// The number of the log.
    pub rewrites: u64,
}

/// The snapshots of one aggregate by one fold.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnstoredLadder {
    /// Of [`super::ladder_prefix`].
    pub prefix: Vec<u8>,
    /// The aggregate's fold index prefix.
    pub aggregate: Vec<u8>,
    /// Rising in place.
    pub rungs: Vec<Candidate>,
}

impl UnstoredLadder {
    fn size_bytes(&self) -> usize {
        self.prefix.len() + self.aggregate.len() + size_bytes(&self.rungs)
    }
}

/// See the module. Bounded: what does not fit is dropped, as a later read leaves it again.
#[derive(Debug, Default)]
pub(crate) struct Unstored {
    flushes: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The number of the log that all of this is of.
    rewrites: u64,
    /// By prefix.
    ladders: BTreeMap<Vec<u8>, UnstoredLadder>,
    /// Invariant: the sum of the ladders' sizes.
    size_bytes: usize,
    reads: BTreeMap<u64, ReadUnderWay>,
    next_read: u64,
}

/// A read that is going to leave snapshots.
#[derive(Debug)]
struct ReadUnderWay {
    aggregate: Vec<u8>,
    head: u64,
    /// The first place of an event that was flushed meanwhile and that the read does not see.
    overtaken_from: Option<Place>,
}

impl Unstored {
    /// How many flushes have begun.
    pub(crate) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// Whether so much is held that it should be stored.
    pub(crate) fn is_large(&self) -> bool {
        self.lock().size_bytes > UNSTORED_BYTES_MAX / 2
    }

    /// Forgets everything, and takes in only what is of the log with this number from now on.
    pub(crate) fn restart(&self, rewrites: u64) {
        let mut held = self.lock();
        held.rewrites = rewrites;
        held.ladders.clear();
        held.size_bytes = 0;
    }

    /// The last snapshot of a ladder that will do.
    pub(crate) fn last(
        &self,
        prefix: &[u8],
        rewrites: u64,
        will_do: impl Fn(&Candidate) -> bool,
    ) -> Option<Candidate> {
        let held = self.lock();
        let ladder = held.ladders.get(prefix).filter(|_| held.rewrites == rewrites)?;
        ladder.rungs.iter().rev().find(|candidate| will_do(candidate)).cloned()
    }

    /// Follows a read of an aggregate, so that it may leave snapshots. `None` if an event that it
    /// does not see may have been flushed since its moment. `is_untouched` says that no event of
    /// the aggregate has arrived since.
    pub(crate) fn follow(
        &self,
        aggregate: &[u8],
        moment: Moment,
        is_untouched: impl FnOnce() -> bool,
    ) -> Option<Followed<'_>> {
        let mut held = self.lock();
        if held.rewrites != moment.rewrites || (self.flushes() != moment.flushes && !is_untouched())
        {
            return None;
        }
        let (aggregate, id) = (aggregate.to_vec(), held.next_read);
        held.next_read += 1;
        let read = ReadUnderWay { aggregate, head: moment.head, overtaken_from: None };
        held.reads.insert(id, read);
        Some(Followed { unstored: self, id, rewrites: moment.rewrites })
    }

    /// Begins a flush that is going to store a layer, after which the tables are built up to a
    /// position. Takes away what the layer's events overtake, and gives what the flush may store.
    pub(crate) fn begin_flush(&self, layer: &Flushed, built: u64) -> Vec<UnstoredLadder> {
        let mut held = self.lock();
        if !layer.layer().is_empty() {
            self.flushes.fetch_add(1, Ordering::Release);
            held.overtake(layer);
        }
        held.ladders
            .values()
            .map(|ladder| {
                let mut ladder = ladder.clone();
                // Else a crash of a relaxed store might leave a snapshot of events that are gone.
                ladder.rungs.retain(|candidate| candidate.rung.position <= built);
                ladder
            })
            .filter(|ladder| !ladder.rungs.is_empty())
            .collect()
    }

    /// Forgets what a flush has stored.
    pub(crate) fn forget(&self, stored: &[UnstoredLadder]) {
        let mut held = self.lock();
        for ladder in stored {
            let is_stored = |rung| ladder.rungs.iter().any(|stored| stored.rung == rung);
            held.change(&ladder.prefix, |rungs| rungs.retain(|held| !is_stored(held.rung)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn overtake(&mut self, layer: &Flushed) {
        for read in self.reads.values_mut() {
            let overtaken = layer.overtaking(&read.aggregate).first_after(read.head);
            read.overtaken_from = match (read.overtaken_from, overtaken) {
                (Some(before), Some(now)) => Some(before.min(now)),
                (before, now) => before.or(now),
            };
        }
        let prefixes: Vec<Vec<u8>> = self.ladders.keys().cloned().collect();
        for prefix in prefixes {
            let overtaking = layer.overtaking(&self.ladders[&prefix].aggregate);
            self.change(&prefix, |rungs| {
                rungs.retain(|candidate| !overtaking.hits(&candidate.rung));
            });
        }
    }

    /// Changes a ladder, which goes away once it is empty.
    fn change(&mut self, prefix: &[u8], change: impl FnOnce(&mut Vec<Candidate>)) {
        let Some(mut ladder) = self.ladders.remove(prefix) else { return };
        self.size_bytes -= ladder.size_bytes();
        change(&mut ladder.rungs);
        self.insert(ladder);
    }

    fn insert(&mut self, ladder: UnstoredLadder) {
        if !ladder.rungs.is_empty() && self.size_bytes + ladder.size_bytes() <= UNSTORED_BYTES_MAX {
            self.size_bytes += ladder.size_bytes();
            self.ladders.insert(ladder.prefix.clone(), ladder);
        }
    }

    /// Adds what a read has left.
    fn add(&mut self, prefix: Vec<u8>, aggregate: Vec<u8>, new: Vec<Candidate>) {
        let mut ladder = match self.ladders.remove(&prefix) {
            Some(ladder) => {
                self.size_bytes -= ladder.size_bytes();
                ladder
            }
            None => UnstoredLadder { prefix, aggregate, rungs: Vec::new() },
        };
        let is_new = |place| new.iter().any(|new| new.rung.place == place);
        ladder.rungs.retain(|held| !is_new(held.rung.place));
        ladder.rungs.extend(new);
        ladder.rungs.sort_by_key(|candidate| candidate.rung.place);
        if ladder.rungs.len() > LADDER_RUNGS_MAX || size_bytes(&ladder.rungs) > LADDER_BYTES_MAX {
            thin(&mut ladder.rungs, LADDER_BYTES_MAX);
        }
        self.insert(ladder);
    }
}

/// A read that may leave snapshots. Once this is dropped, it may not.
#[derive(Debug)]
pub(crate) struct Followed<'u> {
    unstored: &'u Unstored,
    id: u64,
    rewrites: u64,
}

impl Followed<'_> {
    /// Leaves what the read's ladder holds and no flush has overtaken, and takes away what
    /// `overtaking`, events that the read has seen, make wrong.
    pub(crate) fn leave(&self, prefix: Vec<u8>, ladder: Ladder, overtaking: &Overtaking) {
        let mut held = self.unstored.lock();
        let Some(read) = held.reads.remove(&self.id) else { return };
        if held.rewrites != self.rewrites {
            return;
        }
        held.change(&prefix, |rungs| rungs.retain(|held| !overtaking.hits(&held.rung)));
        let mut new = ladder.rungs;
        new.retain(|new| read.overtaken_from.is_none_or(|from| new.rung.place < from));
        if !new.is_empty() {
            held.add(prefix, read.aggregate, new);
        }
    }
}

impl Drop for Followed<'_> {
    fn drop(&mut self) {
        self.unstored.lock().reads.remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
