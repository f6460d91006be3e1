//! A layer on its way into the derived tables, and the snapshots that it makes wrong or useless.

use std::collections::BTreeMap;

use crate::front::Layer;
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::snapshot::Overtaking;
use crate::store::{StoreError, Table};
use crate::target::Within;
use crate::view::View;

/// What a flush is about to write.
#[derive(Debug, Default)]
pub(crate) struct Flushed {
    layer: Layer,
    /// By the aggregate's fold index prefix: the places of what the layer's events take back, as far
    /// as it is held, with their own arrival positions.
    voided: BTreeMap<Vec<u8>, Vec<(Place, u64)>>,
}

impl Flushed {
    /// Looks up what the layer's events take back. Held by the lock of flushes, what there is stays.
    pub(crate) fn of(shared: &Shared, layer: Layer) -> Result<Self, StoreError> {
        let mut voided: BTreeMap<Vec<u8>, Vec<(Place, u64)>> = BTreeMap::new();
        let mut view = None;
        for (key, position) in layer.table_range(Table::Voids, &[], &[0xff; 5]) {
            let Some((prefix, void, _)) = keys::read_void(key) else { continue };
            let Some((root, id)) = keys::take_index_prefix(prefix) else { continue };
            let view = match &mut view {
                Some(view) => view,
                none => none.insert(View::of_now(shared)?),
            };
            let within = Within { shared, view, root, id: &id };
            let Some(meant) = within.meant(&void)? else { continue };
            let mut places = vec![meant.place];
            if let Some(key) = meant.key {
                places.extend(within.twins(&key)?.into_iter().map(|(place, _)| place));
            }
            let taken = voided.entry(prefix.to_vec()).or_default();
            taken.extend(places.into_iter().map(|place| (place, position)));
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
