//! Local writes of events that take others back.
//!
//! What is held of those others is looked up when the event is written: whether it may take them
//! back at all, what they look like, and when the earliest of them happened. What is not held may
//! come later.

use std::collections::BTreeMap;

use super::{Replica, WriteError};
use crate::chain::RecordHash;
use crate::event::{Record, Void, VoidsBuf};
use crate::id::{Dot, EventId, RootName};
use crate::keys::Place;
use crate::prepared::{Indexed, PreparedRecord};
use crate::store::StoreError;
use crate::target::Target;
use crate::view::View;

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

/// What is held of the events that a batch takes back, each looked up once.
#[derive(Default)]
pub(super) struct Targets<'t> {
    view: Option<View<'t>>,
    known: BTreeMap<Dot, Option<Target>>,
}

impl<'t> Targets<'t> {
    fn find(
        &mut self,
        replica: &'t Replica,
        root: &RootName,
        dot: Dot,
    ) -> Result<Option<&Target>, StoreError> {
        if !self.known.contains_key(&dot) {
            let shared = &replica.shared;
            let view = match &mut self.view {
                Some(view) => view,
                none => none.insert(View::open(shared)?),
            };
            let number = shared.state().names.root(root);
            let found = match number {
                Some(number) => Target::find(shared, view, number, dot, true)?,
                None => None,
            };
            self.known.insert(dot, found);
        }
        Ok(self.known.get(&dot).and_then(Option::as_ref))
    }
}

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
    pub(super) fn of<'t>(
        replica: &'t Replica,
        root: &RootName,
        targets: &mut Targets<'t>,
        event: &PreparedRecord<'_>,
        index: usize,
    ) -> Result<Self, WriteError> {
        let (mut voids, mut earliest) = (Vec::new(), None);
        for void in event.indexed.voids.iter() {
            let Some(held) = targets.find(replica, root, void.dot)? else {
                voids.push(void);
                continue;
            };
            if let Some(fault) = fault(held, event.indexed.aggregate_id) {
                let event = EventId { root: root.clone(), dot: void.dot };
                return Err(WriteError::Void { index, event, fault });
            }
            voids.push(Void { seen: held.seen, ..void });
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

/// Why an event cannot be taken back by one of this aggregate.
fn fault(held: &Target, aggregate_id: &str) -> Option<VoidFault> {
    if held.aggregate_id != aggregate_id {
        let aggregate_id = held.aggregate_id.clone();
        return Some(VoidFault::OtherAggregate { aggregate_id });
    }
    held.is_voiding.then_some(VoidFault::Voiding)
}
