//! Which events are taken back, looked up for events of any aggregates as they come along.

use std::collections::BTreeMap;

use super::query::Axes;
use super::voided::{Voided, void_entries, void_entries_of_root};
use crate::id::Dot;
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::store::StoreError;
use crate::target::Within;
use crate::view::View;

/// Aggregates of one root that are remembered at once.
const AGGREGATES_MAX: usize = 1_024;

/// Entries of the table of voids that one root may have for all of its aggregates with some to be
/// known at once; also the most that are looked at for one aggregate.
const ENTRIES_MAX: usize = 10_000;

/// The events of all roots that are taken back as far as a view knows.
///
/// Feeds are read off the log, and go on while the derived tables are built or cannot be read: then
/// nothing is marked. Nor is anything of an aggregate that has more than 10,000 voids.
#[derive(Default)]
pub(super) struct VoidedAcross {
    /// By their numbers.
    roots: BTreeMap<u32, Root>,
    /// The events that take the one back that was asked for last.
    by: Vec<Dot>,
}

#[derive(Default)]
struct Root {
    /// Aggregates with voids, as far as they are known, by their ids. `None` if one was not looked
    /// at yet.
    aggregates: BTreeMap<String, Option<Voided>>,
    /// Whether there may be others.
    is_partial: bool,
}

impl VoidedAcross {
    /// The events that take the one at a place back. It must be the same view each time.
    pub(super) fn by(
        &mut self,
        (shared, view): (&Shared, &View<'_>),
        root: u32,
        aggregate_id: &str,
        place: &Place,
    ) -> &[Dot] {
        let by = self.look((shared, view), root, aggregate_id, place);
        self.by = by.unwrap_or_default();
        &self.by
    }

    fn look(
        &mut self,
        (shared, view): (&Shared, &View<'_>),
        root: u32,
        aggregate_id: &str,
        place: &Place,
    ) -> Result<Vec<Dot>, StoreError> {
        let of_root = self.roots.entry(root).or_insert_with(|| {
            // What cannot be looked at marks nothing.
            Root::of(shared, view, root).unwrap_or_default()
        });
        if !of_root.aggregates.contains_key(aggregate_id) {
            if !of_root.is_partial {
                return Ok(Vec::new());
            }
            if of_root.aggregates.len() >= AGGREGATES_MAX {
                of_root.aggregates.clear();
            }
            of_root.aggregates.insert(aggregate_id.to_owned(), None);
        }
        let Some(known) = of_root.aggregates.get_mut(aggregate_id) else { return Ok(Vec::new()) };
        let voided = match known {
            Some(voided) => voided,
            unknown => {
                let within = Within { shared, view, root, id: aggregate_id };
                let entries = void_entries(within, ENTRIES_MAX + 1);
                let entries = entries.ok().filter(|entries| entries.len() <= ENTRIES_MAX);
                let axes = Axes::everything(view);
                let voided = entries.and_then(|entries| Voided::of(within, &entries, &axes).ok());
                unknown.insert(voided.unwrap_or_default())
            }
        };
        voided.by(view, place)
    }
}

impl Root {
    /// What there is in the table of voids.
    fn of(shared: &Shared, view: &View<'_>, root: u32) -> Result<Self, StoreError> {
        if shared.needs_building() {
            return Ok(Self::default());
        }
        let entries = void_entries_of_root(view, root, ENTRIES_MAX + 1)?;
        let is_partial = entries.len() > ENTRIES_MAX;
        let ids =
            entries.iter().filter_map(|(key, _)| Some((keys::take_index_prefix(key)?.1, None)));
        let aggregates = if is_partial { BTreeMap::new() } else { ids.collect() };
        Ok(Self { aggregates, is_partial })
    }
}
