//! What a replica holds, in numbers that are cheap to ask for again and again.

use super::Reader;
use crate::hlc::Hlc;
use crate::id::RootName;
use crate::shared::Counters;

/// A replica in numbers, for those who watch it. [`super::Status`] says more, and costs more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The roots that hold events, in the order of their names.
    pub roots: Vec<RootTally>,
    /// Events that were kept although something about them is odd.
    pub counters: Counters,
    /// The greatest stamp given or accepted.
    pub clock: Hlc,
    /// Events that the derived tables do not hold yet.
    pub front_events: u64,
    /// Snapshots of folds that were stored since the store was opened.
    pub snapshots_stored: u64,
}

/// A root in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootTally {
    /// Its name.
    pub name: RootName,
    /// How many events it holds.
    pub events: u64,
    /// How many of them have data that no fold can read.
    pub unreadable: u64,
}

impl Reader {
    /// What the replica holds, in numbers. Reads memory only, and costs a step per origin and root.
    pub fn tally(&self) -> Tally {
        let state = self.shared.state();
        let mut roots: Vec<RootTally> = state
            .names
            .roots()
            .map(|(number, name)| RootTally {
                name: name.clone(),
                events: state.heads_of(number).map(|(_, head)| head.seq).sum(),
                unreadable: state.unreadable.get(&number).copied().unwrap_or(0),
            })
            .filter(|root| root.events > 0)
            .collect();
        roots.sort_by(|a, b| a.name.cmp(&b.name));
        Tally {
            roots,
            counters: state.counters,
            clock: state.clock,
            front_events: state.front.event_count() as u64,
            snapshots_stored: self.shared.snapshots_stored(),
        }
    }
}

#[cfg(test)]
mod tests;
