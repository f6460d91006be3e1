//! A layer on its way into the derived tables, and the snapshots that it makes wrong or useless.

use std::collections::BTreeMap;

use crate::entry::Entry;
use crate::event::{Record, Void};
use crate::front::Layer;
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::snapshot::Overtaking;
use crate::store::{Snapshot, StoreError, Table};
use crate::view::{damaged, seek_run};

/// What a flush is about to write.
#[derive(Debug, Default)]
pub(crate) struct Flushed {
    layer: Layer,
    /// By the aggregate's fold index prefix: the places of what the layer's events take back, as far
    /// as it is held, with their own arrival positions.
    voided: BTreeMap<Vec<u8>, Vec<(Place, u64)>>,
}

impl Flushed {
    /// Looks up what the layer's events take back.
    pub(crate) fn of(shared: &Shared, layer: Layer) -> Result<Self, StoreError> {
        let mut voided: BTreeMap<Vec<u8>, Vec<(Place, u64)>> = BTreeMap::new();
        let mut snapshot = None;
        for (table, key, position) in layer.entries() {
            if table != Table::Voids {
                continue;
            }
            let Some((prefix, void)) = take_void(key) else { continue };
            let snapshot = match &mut snapshot {
                Some(snapshot) => snapshot,
                none => none.insert(shared.raw_snapshot()?),
            };
            if let Some(place) = place_of(shared, &**snapshot, prefix, &void)? {
                voided.entry(prefix.to_vec()).or_default().push((place, position));
            }
        }
        Ok(Self { layer, voided })
    }

    pub(crate) const fn layer(&self) -> &Layer {
        &self.layer
    }

    /// The events of an aggregate that snapshots should have seen. One that takes another back counts
    /// at the place of that one too: a snapshot from there on serves no read any more that knows of
    /// it.
    pub(crate) fn overtaking(&self, aggregate: &[u8]) -> Overtaking {
        let events = self.layer.aggregate(aggregate);
        match self.voided.get(aggregate) {
            None => Overtaking::of(events),
            Some(voided) => {
                let mut all: Vec<(Place, u64)> = events.chain(voided.iter().copied()).collect();
                all.sort_unstable();
                Overtaking::of(all)
            }
        }
    }
}

#[cfg(test)]
impl From<Layer> for Flushed {
    fn from(layer: Layer) -> Self {
        Self { layer, voided: BTreeMap::new() }
    }
}

/// Reads a key of the voids: the aggregate's prefix, and what is taken back.
fn take_void(key: &[u8]) -> Option<(&[u8], Void)> {
    const REST: usize = 16 + 8 + 8 + 32;
    let (prefix, rest) = key.split_at_checked(key.len().checked_sub(REST)?)?;
    Some((prefix, keys::read_void(rest)?.0))
}

/// Where an event that is taken back stands, if it is held.
fn place_of(
    shared: &Shared,
    snapshot: &dyn Snapshot,
    prefix: &[u8],
    void: &Void,
) -> Result<Option<Place>, StoreError> {
    let root = keys::number_at(prefix, 0).expect("the keys of voids start with a root");
    let origin = shared.state().names.origin(void.dot.origin);
    let Some(origin) = origin else { return Ok(None) };
    let Some(run) = seek_run(snapshot, root, origin, void.dot.seq)? else { return Ok(None) };
    let Some(bytes) = snapshot.get(Table::Log, &keys::position(run.position))? else {
        return Ok(None);
    };
    let entry = Entry::decode(&bytes).map_err(|error| damaged(run.position, error))?;
    let record = Record::decode(entry.record).map_err(|error| damaged(run.position, error))?;
    Ok(Some(Place::new(record.kept_occurred(), entry.recorded, void.dot.origin)))
}
