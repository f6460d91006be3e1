//! Snapshots that reads have left, on their way into the store.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Rung, Snapshot, SnapshotContext, SnapshotPolicy, kept_rungs};

/// Snapshots of one fold that are kept in memory at once.
const LADDER_RUNGS_MAX: usize = 96;

/// Bytes of states that the queue holds at most; what comes then is dropped.
const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Snapshots on the way of a long fold are at least this fraction of its length apart.
const SPACING_DIVISOR: u64 = 64;

/// A snapshot that a read has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub rung: Rung,
    pub snapshot: Snapshot,
}

/// The snapshots that one read leaves of one aggregate.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    /// Of [`super::ladder_prefix`].
    pub prefix: Vec<u8>,
    /// The aggregate's fold index prefix.
    pub aggregate: Vec<u8>,
    /// Up to where the derived tables were built when the read looked: nothing has entered the
    /// fold index unseen as long as they still are.
    pub built: u64,
    /// The number of the log that the read looked at.
    pub rewrites: u64,
    policy: SnapshotPolicy,
    last_count: u64,
    /// Rising in place and count.
    pub rungs: Vec<Candidate>,
}

impl Ladder {
    /// The ladder of a read that starts from a snapshot of `last_count` events.
    pub(crate) fn new(
        prefix: Vec<u8>,
        aggregate: Vec<u8>,
        (built, rewrites): (u64, u64),
        policy: SnapshotPolicy,
        last_count: u64,
    ) -> Self {
        Self { prefix, aggregate, built, rewrites, policy, last_count, rungs: Vec::new() }
    }

    /// The same for a read that had to start over.
    pub(crate) fn restarted(self) -> Self {
        Self { last_count: 0, rungs: Vec::new(), ..self }
    }

    /// Whether the state behind `event_count` events is due as a snapshot. `is_last` says that
    /// the read ends with it.
    pub(crate) fn is_due(&self, event_count: u64, is_last: bool) -> bool {
        let since = event_count - self.last_count;
        let spacing = if is_last { 0 } else { event_count / SPACING_DIVISOR };
        self.policy.events().is_some_and(|events| since >= events.max(spacing))
    }

    /// Takes a snapshot that was due, if the policy keeps it.
    pub(crate) fn push(&mut self, rung: Rung, snapshot: Snapshot) {
        let events_since = rung.event_count - self.last_count;
        let context =
            SnapshotContext { events_since, event_count: rung.event_count, state: &snapshot.state };
        self.last_count = rung.event_count;
        if !self.policy.keeps(&context) {
            return;
        }
        self.rungs.push(Candidate { rung, snapshot });
        if self.rungs.len() > LADDER_RUNGS_MAX || self.size_bytes() > QUEUE_BYTES_MAX / 2 {
            self.thin();
        }
    }

    fn thin(&mut self) {
        let counts: Vec<u64> = self.rungs.iter().map(|rung| rung.rung.event_count).collect();
        let mut kept = kept_rungs(&counts).into_iter();
        self.rungs.retain(|_| kept.next().unwrap_or(true));
        while self.size_bytes() > QUEUE_BYTES_MAX / 2 && self.rungs.len() > 1 {
            // States this long: the newest is worth most.
            self.rungs.remove(0);
        }
    }

    fn size_bytes(&self) -> usize {
        self.rungs.iter().map(|rung| rung.snapshot.state.len() + 256).sum()
    }
}

/// What reads have left since the last flush. Bounded: what does not fit is dropped, as a later
/// read leaves it again.
#[derive(Debug, Default)]
pub(crate) struct CandidateQueue {
    queued: Mutex<Queued>,
}

#[derive(Debug, Default)]
struct Queued {
    /// By prefix.
    ladders: BTreeMap<Vec<u8>, Ladder>,
    /// Invariant: the sum of the ladders' sizes.
    size_bytes: usize,
}

impl CandidateQueue {
    /// Takes in what a read has left. Of two reads of one aggregate the later one saw more.
    pub(crate) fn push(&self, ladder: Ladder) {
        if ladder.rungs.is_empty() {
            return;
        }
        let mut queued = self.lock();
        if let Some(older) = queued.ladders.remove(&ladder.prefix) {
            queued.size_bytes -= older.size_bytes();
        }
        if queued.size_bytes + ladder.size_bytes() <= QUEUE_BYTES_MAX {
            queued.size_bytes += ladder.size_bytes();
            queued.ladders.insert(ladder.prefix.clone(), ladder);
        }
    }

    /// Everything that is queued, in the order of the prefixes.
    pub(crate) fn take(&self) -> Vec<Ladder> {
        std::mem::take(&mut *self.lock()).ladders.into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
