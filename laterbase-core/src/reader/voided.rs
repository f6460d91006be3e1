//! Which events of an aggregate are taken back.
//!
//! An event is left out of every fold that knows, by `recorded_until` and `known_at`, of another one
//! that takes it back. Twins under one idempotency key are one fact: with one of them, all are taken
//! back. An event that takes others back cannot be taken back itself. When any of them happened
//! plays no part, nor does which of them arrived first.

use std::collections::BTreeMap;

use super::query::Axes;
use crate::event::Void;
use crate::id::Dot;
use crate::keys::{self, Place};
use crate::limits::VOIDS_MAX;
use crate::snapshot::VoidedMark;
use crate::store::{Scan, StoreError, Table};
use crate::target::Within;
use crate::view::View;

/// The events of an aggregate that a read leaves out.
#[derive(Debug, Default)]
pub(super) struct Voided {
    places: BTreeMap<Place, Taken>,
    /// Whether the read does not know of an event that takes others back, so that it leaves out
    /// less than others do.
    pub is_partial: bool,
}

/// An event that is taken back.
#[derive(Debug)]
struct Taken {
    /// Places and positions of the events that do it: the first of them in fold order.
    by: Vec<(Place, u64)>,
    /// What names the set up to there.
    mark: VoidedMark,
}

/// Entries of the table of voids.
pub(super) type VoidEntries = Vec<(Vec<u8>, u64)>;

impl Voided {
    /// What an aggregate's entries in the table of voids say to a read.
    pub(super) fn of(
        within: Within<'_>,
        entries: &VoidEntries,
        axes: &Axes,
    ) -> Result<Self, StoreError> {
        let mut voided = Self::default();
        let mut voids: BTreeMap<Void, Vec<(Place, u64)>> = BTreeMap::new();
        for (key, position) in entries {
            let Some((_, void, place)) = keys::read_void(key) else {
                return Err(StoreError::corrupt(format!("a key in voids leads to {position}")));
            };
            if axes.know(&place, *position) {
                voids.entry(void).or_default().push((place, *position));
            } else {
                voided.is_partial = true;
            }
        }
        let mut places: BTreeMap<Place, Vec<(Place, u64)>> = BTreeMap::new();
        for (void, by) in voids {
            for place in taken_back(within, &void, axes)? {
                places.entry(place).or_default().extend_from_slice(&by);
            }
        }
        let mut mark = VoidedMark::default();
        for (place, mut by) in places {
            by.sort_unstable();
            by.dedup();
            by.truncate(VOIDS_MAX);
            mark = mark.and(&place);
            voided.places.insert(place, Taken { by, mark });
        }
        Ok(voided)
    }

    /// Whether the event at a place is left out.
    pub(super) fn contains(&self, place: &Place) -> bool {
        self.places.contains_key(place)
    }

    /// The events that take the one at a place back, at most 256; none if it counts.
    pub(super) fn by(&self, view: &View<'_>, place: &Place) -> Result<Vec<Dot>, StoreError> {
        let Some(taken) = self.places.get(place) else { return Ok(Vec::new()) };
        let dots = taken.by.iter().map(|(by, position)| {
            let seq = view.entry(*position, |entry| entry.seq)?;
            Ok(Dot { origin: by.origin(), seq })
        });
        dots.collect()
    }

    /// Names the events that are left out up to a place.
    pub(super) fn mark_up_to(&self, place: &Place) -> VoidedMark {
        let last = self.places.range(..=*place).next_back();
        last.map(|(_, taken)| taken.mark).unwrap_or_default()
    }
}

/// Whether the table of voids has any of a root.
pub(super) fn has_voids(view: &View<'_>, root: u32) -> Result<bool, StoreError> {
    Ok(!void_entries_of_root(view, root, 1)?.is_empty())
}

/// A root's entries in the table of voids, at most `limit`.
pub(super) fn void_entries_of_root(
    view: &View<'_>,
    root: u32,
    limit: usize,
) -> Result<VoidEntries, StoreError> {
    let start = keys::index_root(root);
    let end = keys::after_prefix(&start).unwrap_or_else(|| vec![0xff; 5]);
    view.indexed(Scan::range(Table::Voids, &start, &end).limit(limit))
}

/// An aggregate's entries in the table of voids, at most `limit`.
pub(super) fn void_entries(within: Within<'_>, limit: usize) -> Result<VoidEntries, StoreError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let prefix = within.prefix();
    let end = keys::after_prefix(&prefix).expect("the end mark of a text is no 0xff");
    within.view.indexed(Scan::range(Table::Voids, &prefix, &end).limit(limit))
}

/// The places of what a void means, as far as the axes admit it.
fn taken_back(within: Within<'_>, void: &Void, axes: &Axes) -> Result<Vec<Place>, StoreError> {
    let meant = within.meant(void)?;
    let Some(meant) = meant.filter(|meant| axes.know(&meant.place, meant.position)) else {
        return Ok(Vec::new());
    };
    let mut places = vec![(meant.place, meant.position)];
    if let Some(key) = meant.key {
        places.extend(within.twins(&key)?);
    }
    places.retain(|(place, position)| axes.admit(place, *position));
    Ok(places.into_iter().map(|(place, _)| place).collect())
}
