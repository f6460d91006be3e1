//! The snapshots that one read leaves.

use super::{Rung, Snapshot, SnapshotContext, SnapshotPolicy, kept_rungs};
use crate::keys::Place;

/// Snapshots of one read that are kept in memory at once.
pub(super) const LADDER_RUNGS_MAX: usize = 96;

/// Bytes of states that one read leaves at most, but for a single one that is longer.
pub(super) const LADDER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Snapshots on the way of a long fold are at least this fraction of its length apart.
const SPACING_DIVISOR: u64 = 64;

/// Nearer to where a read went on from, they are as close as this fraction of what it has folded.
/// Late events that keep coming near the end are then read from a snapshot near the end.
const NEARNESS_DIVISOR: u64 = 4;

/// A snapshot that a read has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub rung: Rung,
    pub snapshot: Snapshot,
}

impl Candidate {
    pub(super) fn size_bytes(&self) -> usize {
        self.snapshot.state.len() + 256
    }
}

/// The snapshots that one read leaves of one aggregate.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    policy: SnapshotPolicy,
    start_count: u64,
    last_count: u64,
    /// The first event that the read leaves out, as it lies beyond its times: from there on, what
    /// is folded is not all there is up to a place.
    pub end: Option<Place>,
    /// Rising in place and count.
    pub rungs: Vec<Candidate>,
}

impl Ladder {
    /// The ladder of a read that starts from a snapshot of `start_count` events.
    pub(crate) const fn new(policy: SnapshotPolicy, start_count: u64) -> Self {
        Self { policy, start_count, last_count: start_count, end: None, rungs: Vec::new() }
    }

    /// Begins anew with a read that starts over.
    pub(crate) fn restart(&mut self) {
        (self.start_count, self.last_count, self.end) = (0, 0, None);
        self.rungs.clear();
    }

    /// Whether the state behind `event_count` events, the last of them at a place, is due as a
    /// snapshot. `is_last` says that the read ends with it.
    pub(crate) fn is_due(&self, event_count: u64, place: &Place, is_last: bool) -> bool {
        if self.end.is_some_and(|end| *place > end) {
            return false;
        }
        let since = event_count - self.last_count;
        let nearness = (event_count - self.start_count) / NEARNESS_DIVISOR;
        let spacing = if is_last { 0 } else { (event_count / SPACING_DIVISOR).min(nearness) };
        self.policy.events().is_some_and(|events| since >= events.max(spacing))
    }

    /// Passes over a snapshot that was due and that there is none of.
    pub(crate) const fn pass(&mut self, event_count: u64) {
        self.last_count = event_count;
    }

    /// Takes a snapshot that was due, if the policy keeps it.
    ///
    /// # Errors
    /// What the user's own policy panicked with.
    pub(crate) fn push(&mut self, rung: Rung, snapshot: Snapshot) -> Result<(), String> {
        let events_since = rung.event_count - self.last_count;
        let context =
            SnapshotContext { events_since, event_count: rung.event_count, state: &snapshot.state };
        self.last_count = rung.event_count;
        if self.policy.keeps(&context)? {
            self.rungs.push(Candidate { rung, snapshot });
            if self.rungs.len() > LADDER_RUNGS_MAX || size_bytes(&self.rungs) > LADDER_BYTES_MAX {
                thin(&mut self.rungs, LADDER_BYTES_MAX);
            }
        }
        Ok(())
    }
}

pub(super) fn size_bytes(rungs: &[Candidate]) -> usize {
    rungs.iter().map(Candidate::size_bytes).sum()
}

/// Leaves rungs out until those that stay have a bounded number and size. The newest stays.
pub(super) fn thin(rungs: &mut Vec<Candidate>, bytes_max: usize) {
    let counts: Vec<u64> = rungs.iter().map(|rung| rung.rung.event_count).collect();
    let mut kept = kept_rungs(&counts).into_iter();
    rungs.retain(|_| kept.next().unwrap_or(true));
    while rungs.len() > 1 && (size_bytes(rungs) > bytes_max || rungs.len() > LADDER_RUNGS_MAX) {
        // States this long: every second one makes a ladder as well.
        let mut is_kept = rungs.len().is_multiple_of(2);
        rungs.retain(|_| {
            is_kept = !is_kept;
            is_kept
        });
    }
}
