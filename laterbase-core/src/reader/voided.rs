//! Which events of an aggregate are taken back.
//!
//! An event is left out of every fold that knows, by `recorded_until` and `known_at`, of another one
//! that takes it back. Twins under one idempotency key are one fact: with one of them, all are taken
//! back. An event that takes others back cannot be taken back itself. When any of them happened
//! plays no part, nor does which of them arrived first.

use std::collections::BTreeMap;

use super::query::Axes;
use crate::chain::{ChainHash, RecordHash};
use crate::event::{Record, Void};
use crate::fork::branch_id;
use crate::id::{Dot, ReplicaId, RootName};
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::snapshot::VoidedMark;
use crate::store::{StoreError, Table};
use crate::view::{View, damaged};

/// The events of an aggregate that a read leaves out.
#[derive(Debug, Default)]
pub(super) struct Voided {
    /// With the events that take each of them back, and what names the set up to there.
    places: BTreeMap<Place, (Vec<Dot>, VoidedMark)>,
    /// Whether the read does not know of an event that takes others back, so that it leaves out
    /// less than others do.
    pub is_partial: bool,
}

impl Voided {
    /// The events that take the one at a place back; none if it counts.
    pub(super) fn by(&self, place: &Place) -> &[Dot] {
        self.places.get(place).map_or(&[], |(by, _)| by)
    }

    /// Names the events that are left out up to a place.
    pub(super) fn mark_up_to(&self, place: &Place) -> VoidedMark {
        self.places.range(..=*place).next_back().map(|(_, (_, mark))| *mark).unwrap_or_default()
    }
}

/// An aggregate in which something is looked for.
#[derive(Clone, Copy)]
pub(super) struct Within<'w> {
    pub shared: &'w Shared,
    pub view: &'w View<'w>,
    pub root: u32,
    pub name: &'w RootName,
    pub id: &'w str,
}

/// An event that is held.
struct Found {
    place: Place,
    position: u64,
    key: Option<String>,
}

impl Within<'_> {
    /// Which of the aggregate's events are left out of a read.
    pub(super) fn voided(self, axes: &Axes) -> Result<Voided, StoreError> {
        let prefix = keys::index_aggregate(self.root, self.id);
        let end = keys::after_prefix(&prefix).expect("the end mark of a text is no 0xff");
        let entries = self.view.indexed(Table::Voids, &prefix, &end, usize::MAX)?;
        let mut voided = Voided::default();
        let mut voids: BTreeMap<Void, Vec<Dot>> = BTreeMap::new();
        for (key, position) in entries {
            let Some((void, place)) = keys::read_void(&key[prefix.len()..]) else {
                return Err(StoreError::corrupt(format!("a key in voids leads to {position}")));
            };
            if position <= axes.position_max() && axes.admit_recorded(place.recorded()) {
                let seq = self.view.entry(position, |entry| entry.seq)?;
                voids.entry(void).or_default().push(Dot { origin: place.origin(), seq });
            } else {
                voided.is_partial = true;
            }
        }
        let mut places: BTreeMap<Place, Vec<Dot>> = BTreeMap::new();
        for (void, by) in voids {
            for place in self.taken_back(&void, axes)? {
                places.entry(place).or_default().extend(by.iter().copied());
            }
        }
        let mut mark = VoidedMark::default();
        for (place, mut by) in places {
            by.sort_unstable();
            by.dedup();
            mark = mark.and(&place);
            voided.places.insert(place, (by, mark));
        }
        Ok(voided)
    }

    /// The places of what a void means, as far as the axes admit it.
    fn taken_back(self, void: &Void, axes: &Axes) -> Result<Vec<Place>, StoreError> {
        let found = match self.held(void.dot, |hash| void.means(void.dot, hash))? {
            Some(found) => Some(found),
            None if void.check == [0; 8] => None,
            None => self.moved(void)?,
        };
        let knows = |found: &Found| {
            found.position <= axes.position_max() && axes.admit_recorded(found.place.recorded())
        };
        let Some(found) = found.filter(knows) else { return Ok(Vec::new()) };
        let mut places = vec![found.place];
        if let Some(key) = found.key {
            places.extend(self.twins(&key, axes)?);
        }
        places.retain(|place| axes.admit_occurred(place));
        Ok(places)
    }

    /// An event of the aggregate that may be taken back, by its id and its record's hash.
    fn held(
        self,
        dot: Dot,
        is_meant: impl FnOnce(RecordHash) -> bool,
    ) -> Result<Option<Found>, StoreError> {
        let origin = self.shared.state().names.origin(dot.origin);
        let Some(origin) = origin else { return Ok(None) };
        let Some(position) = self.view.find(self.root, origin, dot.seq)? else { return Ok(None) };
        self.at(position, dot.origin, is_meant)
    }

    fn at(
        self,
        position: u64,
        origin: ReplicaId,
        is_meant: impl FnOnce(RecordHash) -> bool,
    ) -> Result<Option<Found>, StoreError> {
        self.view.entry(position, |entry| {
            let record = Record::decode(entry.record).map_err(|error| damaged(position, error))?;
            let may_be = record.aggregate_id == self.id
                && record.voids.is_empty()
                && is_meant(RecordHash::of(entry.record));
            Ok(may_be.then(|| Found {
                place: Place::new(record.kept_occurred(), entry.recorded, origin),
                position,
                key: record.idempotency_key.map(str::to_owned),
            }))
        })?
    }

    /// The places of all events under an idempotency key that may be taken back.
    fn twins(self, key: &str, axes: &Axes) -> Result<Vec<Place>, StoreError> {
        let mut start = keys::key_prefix(self.root, key);
        keys::push_text(&mut start, self.id);
        let end = keys::after_prefix(&start).expect("the end mark of a text is no 0xff");
        let mut places = Vec::new();
        for (key, position) in self.view.indexed(Table::Keys, &start, &end, usize::MAX)? {
            let Some(place) = keys::place_of(&key).filter(|place| axes.admit(place, position))
            else {
                continue;
            };
            places.extend(self.at(position, place.origin(), |_| true)?.map(|found| found.place));
        }
        Ok(places)
    }

    /// The event that a void means where it moved to another id with its branch, when a fork was
    /// decided: the one with its record whose id derives from the void's.
    ///
    /// It looks through the aggregate, which only a void needs whose event is not held as it was.
    fn moved(self, void: &Void) -> Result<Option<Found>, StoreError> {
        let prefix = keys::index_aggregate(self.root, self.id);
        let end = keys::after_prefix(&prefix).expect("the end mark of a text is no 0xff");
        for (key, position) in self.view.indexed(Table::FoldIndex, &prefix, &end, usize::MAX)? {
            let Some(place) = keys::place_of(&key) else { continue };
            let found = self.at(position, place.origin(), |hash| void.check == hash.start())?;
            let Some(found) = found else { continue };
            let seq = self.view.entry(position, |entry| entry.seq)?;
            if self.derives(place.origin(), seq, void.dot)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether an event of a branch was this one before the branch moved.
    fn derives(self, branch: ReplicaId, seq: u64, before: Dot) -> Result<bool, StoreError> {
        let Some(first) = (before.seq + 1).checked_sub(seq).filter(|first| *first > 0) else {
            return Ok(false);
        };
        let (origin, moved) = {
            let names = &self.shared.state().names;
            (names.origin(before.origin), names.origin(branch))
        };
        let chain = match first.checked_sub(1).filter(|last| *last > 0) {
            None => ChainHash::genesis(self.name, before.origin),
            Some(last) => {
                let Some(origin) = origin else { return Ok(false) };
                let Some(position) = self.view.find(self.root, origin, last)? else {
                    return Ok(false);
                };
                self.view.entry(position, |entry| entry.chain)?
            }
        };
        let Some(moved) = moved else { return Ok(false) };
        let Some(position) = self.view.find(self.root, moved, 1)? else { return Ok(false) };
        let chain = self
            .view
            .entry(position, |entry| chain.next(entry.recorded, RecordHash::of(entry.record)))?;
        Ok(branch_id(self.name, before.origin, chain) == branch)
    }
}
