//! Local writes of events that take others back.
//!
//! What is held of those others is looked up when the event is written: whether it may take them
//! back at all, the starts of their records' hashes, and when the earliest of them happened. What is
//! not held may come later.

use super::{Replica, WriteError};
use crate::chain::RecordHash;
use crate::event::{Record, Void, VoidsBuf};
use crate::id::{Dot, EventId, RootName};
use crate::keys::Place;
use crate::prepared::{Indexed, PreparedRecord};
use crate::store::StoreError;
use crate::view::{View, damaged};

/// A record with what its replica knows of the events that it takes back.
pub(super) struct Completed {
    bytes: Vec<u8>,
    hash: RecordHash,
    occurred: i64,
    voids: VoidsBuf,
}

impl Completed {
    /// # Errors
    /// [`WriteError::Void`] if one of them is known, and is not to be taken back by it.
    pub(super) fn of(
        replica: &Replica,
        root: &RootName,
        event: &PreparedRecord<'_>,
        index: usize,
    ) -> Result<Self, WriteError> {
        let view = View::open(&replica.shared)?;
        let (mut voids, mut earliest) = (Vec::new(), None);
        for void in event.indexed.voids.iter() {
            let Some(held) = look_up(replica, &view, root, void.dot)? else {
                voids.push(void);
                continue;
            };
            let fault = if held.aggregate_id != event.indexed.aggregate_id {
                Some(VoidFault::OtherAggregate { aggregate_id: held.aggregate_id })
            } else if held.is_voiding {
                Some(VoidFault::Voiding)
            } else {
                None
            };
            if let Some(fault) = fault {
                let event = EventId { root: root.clone(), dot: void.dot };
                return Err(WriteError::Void { index, event, fault });
            }
            voids.push(Void { check: held.hash.start(), ..void });
            earliest =
                Some(earliest.map_or(held.place, |earliest: Place| earliest.min(held.place)));
        }
        let voids: VoidsBuf = voids.into_iter().collect();
        let record = Record::decode(event.bytes)?;
        let occurred = match earliest.filter(|_| event.is_occurred_defaulted) {
            Some(place) => place.occurred(),
            None => event.indexed.occurred,
        };
        let record = Record { occurred: Some(occurred), voids: voids.as_voids(), ..record };
        let mut bytes = Vec::with_capacity(event.bytes.len() + 16);
        record.encode(&mut bytes);
        let hash = RecordHash::of(&bytes);
        Ok(Self { bytes, hash, occurred, voids })
    }

    /// The event as it is stored.
    pub(super) fn prepared<'c>(&'c self, event: &PreparedRecord<'c>) -> PreparedRecord<'c> {
        let voids = self.voids.as_voids();
        let indexed = Indexed { occurred: self.occurred, voids, ..event.indexed };
        PreparedRecord { bytes: &self.bytes, hash: self.hash, indexed, ..*event }
    }
}

/// Why an event cannot be taken back by another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoidFault {
    /// It is of another aggregate.
    #[error("it is of the aggregate {aggregate_id:?}")]
    OtherAggregate {
        /// Which one.
        aggregate_id: String,
    },
    /// It takes others back itself: what was right is recorded again instead.
    #[error("it takes others back itself; record again what was right")]
    Voiding,
}

/// An event that is held.
struct Held {
    aggregate_id: String,
    is_voiding: bool,
    hash: RecordHash,
    place: Place,
}

fn look_up(
    replica: &Replica,
    view: &View<'_>,
    root: &RootName,
    dot: Dot,
) -> Result<Option<Held>, StoreError> {
    let (root, origin) = {
        let names = &replica.shared.state().names;
        (names.root(root), names.origin(dot.origin))
    };
    let (Some(root), Some(origin)) = (root, origin) else { return Ok(None) };
    let Some(position) = view.find(root, origin, dot.seq)? else { return Ok(None) };
    view.entry(position, |entry| {
        let record = Record::decode(entry.record).map_err(|error| damaged(position, error))?;
        Ok(Some(Held {
            aggregate_id: record.aggregate_id.to_owned(),
            is_voiding: !record.voids.is_empty(),
            hash: RecordHash::of(entry.record),
            place: Place::new(record.kept_occurred(), entry.recorded, dot.origin),
        }))
    })?
}
