//! What a replica holds, as plain maps.

use std::collections::{BTreeMap, BTreeSet};

use laterbase_core::Place;
use laterbase_core::event::{Event, Record};
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, ReplicaId};
use laterbase_core::reader::Query;
use laterbase_core::version_vector::VersionVector;

/// What a writer says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub aggregate: String,
    pub is_json: bool,
    pub data: Vec<u8>,
    pub occurred: Option<i64>,
    pub key: Option<String>,
}

impl Draft {
    pub(super) fn record(&self) -> Record<'_> {
        Record {
            occurred: self.occurred,
            idempotency_key: self.key.as_deref(),
            is_json: self.is_json,
            data: &self.data,
            ..Record::json(&self.aggregate, "Moved", "")
        }
    }

    pub(super) fn of(event: &Event<'_>) -> Self {
        let Record { aggregate_id, is_json, data, occurred, .. } = event.record;
        let Record { is_occurred_defaulted, idempotency_key, .. } = event.record;
        Self {
            aggregate: aggregate_id.to_owned(),
            is_json,
            data: data.to_vec(),
            occurred: occurred.filter(|_| !is_occurred_defaulted),
            key: idempotency_key.map(str::to_owned),
        }
    }
}

/// An event that a replica holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub draft: Draft,
    /// What the writer said, or the wall clock at the write.
    pub occurred: i64,
    pub recorded: Hlc,
    pub position: u64,
    pub arrived: i64,
}

impl Fact {
    fn event(&self, dot: Dot) -> Event<'_> {
        Event {
            dot,
            recorded: self.recorded,
            arrived: self.arrived,
            position: self.position,
            record: self.draft.record().at(self.occurred),
            voided_by: &[],
        }
    }

    fn place(&self, dot: Dot) -> Place {
        Place::new(self.occurred, self.recorded, dot.origin)
    }

    /// Whether a query looks at it that was asked when so much had arrived.
    fn is_seen_by(&self, dot: Dot, query: &Query, known: u64) -> bool {
        let until = |bound: Option<i64>, time| bound.is_none_or(|bound| time <= bound);
        until(query.occurred_until, self.place(dot).occurred())
            && until(query.recorded_until, self.recorded.to_unix_nanos())
            && self.position <= known
    }
}

/// What a replica holds of its one root.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub facts: BTreeMap<Dot, Fact>,
    /// Remembered beside the events.
    pub remembered: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Held {
    pub(super) fn vv(&self) -> VersionVector {
        let mut vv = VersionVector::new();
        for dot in self.facts.keys() {
            vv.raise(dot.origin, dot.seq);
        }
        vv
    }

    pub(super) fn last_seq(&self, origin: ReplicaId) -> u64 {
        self.vv().get(&origin)
    }

    pub(super) fn head(&self) -> u64 {
        self.facts.len() as u64
    }

    /// The last position that had arrived when a query asks. Positions are the true order, whatever
    /// the wall clock said on the way.
    fn known(&self, query: &Query) -> u64 {
        let until = |fact: &&Fact| query.known_at.is_none_or(|time| fact.arrived <= time);
        self.facts.values().filter(until).map(|fact| fact.position).max().unwrap_or(0)
    }

    /// What somebody lacks who holds `vv`, in feed order.
    pub(super) fn lacking(&self, vv: &VersionVector) -> Vec<(Dot, &Fact)> {
        let lacks = |(dot, _): &(&Dot, &Fact)| dot.seq > vv.get(&dot.origin);
        let mut lacking: Vec<(Dot, &Fact)> =
            self.facts.iter().filter(lacks).map(|(dot, fact)| (*dot, fact)).collect();
        lacking.sort_by_key(|(dot, fact)| (fact.recorded, dot.origin));
        lacking
    }

    /// The events that have taken a key.
    pub(super) fn holders<'h>(&'h self, key: &'h str) -> impl Iterator<Item = (Dot, &'h Draft)> {
        let holds = move |(_, fact): &(&Dot, &Fact)| fact.draft.key.as_deref() == Some(key);
        self.facts.iter().filter(holds).map(|(dot, fact)| (*dot, &fact.draft))
    }

    pub(super) fn aggregates(&self) -> BTreeSet<&str> {
        self.facts.values().map(|fact| fact.draft.aggregate.as_str()).collect()
    }

    /// The events of an aggregate that a query looks at, in fold order.
    pub(super) fn seen(&self, aggregate: &str, query: &Query) -> Vec<(Dot, &Fact)> {
        let known = self.known(query);
        let mut seen: Vec<(Dot, &Fact)> = self
            .facts
            .iter()
            .filter(|(dot, fact)| {
                fact.draft.aggregate == aggregate && fact.is_seen_by(**dot, query, known)
            })
            .map(|(dot, fact)| (*dot, fact))
            .collect();
        seen.sort_by_key(|(dot, fact)| fact.place(*dot));
        seen
    }

    /// Those of them that are folded: of each key, the first.
    pub(super) fn folded(&self, aggregate: &str, query: &Query) -> Vec<Event<'_>> {
        let mut keys = BTreeSet::new();
        let mut seen = self.seen(aggregate, query);
        seen.retain(|(_, fact)| fact.draft.key.as_ref().is_none_or(|key| keys.insert(key)));
        seen.into_iter().map(|(dot, fact)| fact.event(dot)).collect()
    }
}
