//! Origins whose events cannot be read on from some seq, because a log entry is damaged.
//!
//! Damage to one entry holds back its origin in its root from there on, and nothing else: a page
//! ends that origin's run before the gap, and says nothing of what lies behind.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Reader;
use crate::id::{ReplicaId, RootName};
use crate::keys;
use crate::shared::Shared;
use crate::store::{Scan, Snapshot, StoreError, Table};
use crate::view::read_run;

/// An origin whose events are held back, as a log entry of theirs is damaged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damaged {
    /// The root.
    pub root: RootName,
    /// Who wrote the events.
    pub origin: ReplicaId,
    /// The first event that was found damaged. It and all behind it are held back.
    pub seq: u64,
}

/// What was found damaged since the store was opened. (root number, origin number) → first seq.
#[derive(Debug, Default)]
pub(crate) struct DamageFound {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    first_seqs: BTreeMap<(u32, u32), u64>,
    /// Log positions whose event is among them, or which no run leads to.
    positions: BTreeSet<u64>,
}

impl DamageFound {
    /// Remembers that an event cannot be read, or not be passed on.
    pub(super) fn note(&self, root: u32, origin: u32, seq: u64) {
        let mut places = self.places();
        let first = places.first_seqs.entry((root, origin)).or_insert(seq);
        *first = seq.min(*first);
    }

    /// Whether an event lies behind damage to its origin's events.
    pub(super) fn holds_back(&self, root: u32, origin: u32, seq: u64) -> bool {
        self.places().first_seqs.get(&(root, origin)).is_some_and(|first| seq >= *first)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives what was read of an origin's event, or nothing if it is damaged, which is remembered
/// then. A store that fails in another way is still an error.
pub(super) fn unless_damaged<T>(
    shared: &Shared,
    (root, origin, seq): (u32, u32, u64),
    read: Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Corrupt { .. }) => {
            shared.damage.note(root, origin, seq);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Remembers whose event lies at a log position that cannot be read: the runs tell.
pub(super) fn note_position(
    shared: &Shared,
    snapshot: &dyn Snapshot,
    position: u64,
) -> Result<(), StoreError> {
    if shared.damage.places().positions.contains(&position) {
        return Ok(());
    }
    snapshot.scan(Scan::all(Table::Runs), &mut |key, value| {
        let numbers =
            keys::number_at(key, 0).zip(keys::number_at(key, 4)).zip(read_run(key, value));
        if let Some(((root, origin), (first_seq, start, length))) = numbers
            && let Some(offset) = position.checked_sub(start).filter(|offset| *offset < length)
        {
            shared.damage.note(root, origin, first_seq.saturating_add(offset));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    shared.damage.places().positions.insert(position);
    Ok(())
}

impl Reader {
    /// The origins whose events are held back because a log entry was found damaged since the
    /// store was opened, in the order of roots and origins. `laterbase verify` looks for all
    /// damage; this is what readers have met.
    pub fn damaged(&self) -> Vec<Damaged> {
        let found = self.shared.damage.places().first_seqs.clone();
        let state = self.shared.state();
        let mut damaged: Vec<Damaged> = found
            .into_iter()
            .filter_map(|((root, origin), seq)| {
                let root = state.names.root_name(root)?.clone();
                Some(Damaged { root, origin: state.names.origin_id(origin)?, seq })
            })
            .collect();
        damaged.sort_unstable();
        damaged
    }
}

#[cfg(test)]
mod tests;
