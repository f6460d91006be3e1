//! Which events are taken back, by the definition: what laws, histories and the simulator hold
//! replicas to.

use std::collections::{BTreeMap, BTreeSet};

use laterbase_core::event::{Record, Void};
use laterbase_core::id::Dot;

/// An event of a root that a read knows.
pub(crate) struct Fact<'f> {
    pub dot: Dot,
    /// Its record, as it is kept.
    pub bytes: &'f [u8],
    pub record: Record<'f>,
}

impl<'f> Fact<'f> {
    /// # Panics
    /// If the bytes are no record.
    pub(crate) fn new(dot: Dot, bytes: &'f [u8]) -> Self {
        Self { dot, bytes, record: Record::decode(bytes).expect("it was a record") }
    }

    /// Whether it can be taken back by an event of an aggregate.
    fn can_be(&self, aggregate_id: &str) -> bool {
        self.record.aggregate_id == aggregate_id && self.record.voids.is_empty()
    }
}

/// Whether a void means a record, as far as that goes.
pub(crate) fn is_meant(void: &Void, bytes: &[u8]) -> bool {
    let hash = blake3::hash(bytes);
    void.seen.is_none_or(|seen| hash.as_bytes().starts_with(&seen.check))
}

/// The events that are taken back, each with all that take it back. `moved` says what an event that
/// is not there as it was named is called now.
pub(crate) fn taken_back(
    known: &[Fact<'_>],
    moved: impl Fn(&Void) -> Option<Dot>,
) -> BTreeMap<Dot, BTreeSet<Dot>> {
    let mut taken: BTreeMap<Dot, BTreeSet<Dot>> = BTreeMap::new();
    for by in known {
        let id = by.record.aggregate_id;
        for void in by.record.voids.iter() {
            let can_be = || known.iter().filter(|fact| fact.can_be(id));
            let under = can_be().find(|fact| fact.dot == void.dot && is_meant(&void, fact.bytes));
            let elsewhere = || {
                let dot = moved(&void)?;
                can_be().find(|fact| fact.dot == dot)
            };
            let Some(meant) = under.or_else(elsewhere) else { continue };
            taken.entry(meant.dot).or_default().insert(by.dot);
            let key = meant.record.idempotency_key;
            let twins = can_be().filter(|fact| key.is_some() && fact.record.idempotency_key == key);
            for twin in twins {
                taken.entry(twin.dot).or_default().insert(by.dot);
            }
        }
    }
    taken
}
