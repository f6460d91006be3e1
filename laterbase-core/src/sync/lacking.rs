//! What a peer lacks of a store, as far as is known.

use std::collections::BTreeSet;

use crate::heads::HeadEntry;
use crate::id::{ReplicaId, RootName};
use crate::limits::BATCH_EVENTS_MAX;
use crate::reader::Reader;
use crate::selection::RootSelection;
use crate::store::StoreError;
use crate::wants::Want;

use super::Place;
use super::acknowledged::acknowledged_between;

/// Heads that are looked at together.
const HEADS_PER_STEP: usize = 10_000;

/// Stretches of events that are pushed before the next ones are looked for.
const STRETCHES_MAX: usize = BATCH_EVENTS_MAX;

/// What is not pushed.
#[derive(Debug, Default)]
pub(super) struct Excluded {
    /// Roots that the peer does not take.
    pub(super) roots: BTreeSet<RootName>,
    /// Origins in doubt.
    pub(super) places: BTreeSet<Place>,
}

impl Excluded {
    pub(super) fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.places.is_empty()
    }

    pub(super) fn holds(&self, root: &RootName, origin: ReplicaId) -> bool {
        self.roots.contains(root) || self.places.contains(&(root.clone(), origin))
    }
}

/// Stretches of events that a peer lacks.
#[derive(Debug, Default)]
pub(super) struct Lacking {
    /// The next ones, in the order of root and origin.
    pub(super) stretches: Vec<Want>,
    /// How many events there are in them; where nothing was left behind `after`, also in those
    /// that come after them.
    pub(super) event_count: u64,
    /// Behind which head to look for more; `None` if these are all.
    pub(super) next: Option<Place>,
}

impl Lacking {
    /// Looks at the heads behind `after`: at all of them if there is none, else until there are
    /// stretches enough, so that looking again and again comes to looking twice.
    pub(super) fn find(
        reader: &Reader,
        peer: ReplicaId,
        selection: &RootSelection,
        excluded: &Excluded,
        after: Option<&Place>,
    ) -> Result<Self, StoreError> {
        let mut lacking = Self::default();
        let is_first = after.is_none();
        let mut after = after.cloned();
        loop {
            let page = reader.heads_page(selection, after.as_ref(), HEADS_PER_STEP);
            let ends = page.entries.first().zip(page.entries.last());
            let Some((first, last)) = ends.map(|(first, last)| (place_of(first), place_of(last)))
            else {
                return Ok(lacking);
            };
            let acknowledged = acknowledged_between(reader, peer, Some(&first), Some(&last))?;
            for head in page.entries {
                let place = (head.root, head.origin);
                let held = acknowledged.get(&place).copied().unwrap_or(0);
                if held < head.seq && !excluded.holds(&place.0, place.1) {
                    lacking.add(place, held, head.seq);
                }
            }
            after = page.next;
            if after.is_none() || (lacking.next.is_some() && !is_first) {
                return Ok(lacking);
            }
        }
    }

    fn add(&mut self, place: Place, after: u64, until: u64) {
        self.event_count += until - after;
        if self.stretches.len() < STRETCHES_MAX {
            let (root, origin) = place;
            self.stretches.push(Want { root, origin, after, until });
        } else if self.next.is_none() {
            let last = self.stretches.last().map(|last| (last.root.clone(), last.origin));
            self.next = last;
        }
    }
}

fn place_of(head: &HeadEntry) -> Place {
    (head.root.clone(), head.origin)
}

#[cfg(test)]
mod tests;
