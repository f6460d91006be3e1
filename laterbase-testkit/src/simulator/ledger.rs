//! Every event that was ever seen anywhere: the independent record that replicas are held to.

use std::collections::{BTreeMap, BTreeSet};

use laterbase_core::chain::{ChainHash, RecordHash};
use laterbase_core::event::{Event, Record};
use laterbase_core::fork::branch_id;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, ReplicaId, RootName};

use super::outcome::{Verdict, ensure};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub root: RootName,
    pub dot: Dot,
    pub recorded: Hlc,
    pub occurred: i64,
    pub aggregate_id: String,
    pub event_type: String,
    pub key: Option<String>,
    /// The record, byte for byte.
    pub record: Vec<u8>,
    /// What its history comes to with the event before it, and with itself. Two histories that
    /// claim one dot differ in this.
    pub before: ChainHash,
    pub chain: ChainHash,
}

impl Fact {
    pub(super) fn of(root: &RootName, event: &Event<'_>, before: ChainHash) -> Self {
        let mut record = Vec::new();
        event.record.encode(&mut record);
        Self {
            root: root.clone(),
            dot: event.dot,
            recorded: event.recorded,
            occurred: event.occurred(),
            aggregate_id: event.record.aggregate_id.to_owned(),
            event_type: event.record.event_type.to_owned(),
            key: event.record.idempotency_key.map(str::to_owned),
            before,
            chain: before.next(event.recorded, RecordHash::of(&record)),
            record,
        }
    }

    /// Whether it takes others back.
    pub(super) fn is_voiding(&self) -> bool {
        Record::decode(&self.record).is_ok_and(|record| !record.voids.is_empty())
    }

    /// What stays the same when the event moves to another id.
    pub(super) fn content(&self) -> Content<'_> {
        (&self.root, self.recorded, &self.record)
    }
}

/// What was written, and when, whatever it is called.
pub(super) type Content<'f> = (&'f RootName, Hlc, &'f [u8]);

#[derive(Debug, Default)]
pub(super) struct Ledger {
    facts: Vec<Fact>,
    by_dot: BTreeMap<(RootName, Dot), Vec<usize>>,
    /// Ids whose history may have forked, because a run was asked to make it so, and those that
    /// its branches may move to.
    doubted: BTreeSet<ReplicaId>,
    /// Ids that branches may move to.
    branches: BTreeSet<ReplicaId>,
}

impl Ledger {
    pub(super) fn fact(&self, number: usize) -> &Fact {
        &self.facts[number]
    }

    /// Takes down an event that was seen. Invariants 2 and 11: a dot names one event for ever,
    /// and a relay passes it on byte for byte.
    pub(super) fn learn(&mut self, fact: Fact) -> Verdict<usize> {
        let number = self.facts.len();
        let known = self.by_dot.entry((fact.root.clone(), fact.dot)).or_default();
        if let Some(same) = known.iter().find(|known| self.facts[**known] == fact) {
            return Ok(*same);
        }
        ensure(
            known.is_empty() || self.doubted.contains(&fact.dot.origin),
            "no reused dot",
            || {
                format!(
                    "{} of {} was {:?} and is {fact:?}",
                    fact.dot, fact.root, self.facts[known[0]]
                )
            },
        )?;
        known.push(number);
        if self.doubted.contains(&fact.dot.origin) {
            let branch = branch_id(&fact.root, fact.dot.origin, fact.chain);
            self.branches.insert(branch);
            self.doubt(branch);
        }
        self.facts.push(fact);
        Ok(number)
    }

    /// From now on, two events under one of this id's dots are what the run asked for.
    pub(super) fn doubt(&mut self, origin: ReplicaId) {
        if !self.doubted.insert(origin) {
            return;
        }
        let facts = self.facts.iter().filter(|fact| fact.dot.origin == origin);
        let branches: Vec<_> =
            facts.map(|fact| branch_id(&fact.root, origin, fact.chain)).collect();
        for branch in branches {
            self.branches.insert(branch);
            self.doubt(branch);
        }
    }

    pub(super) fn is_doubted(&self, origin: ReplicaId) -> bool {
        self.doubted.contains(&origin)
    }

    /// Whether an id is one that a branch of a forked history moves to.
    pub(super) fn is_branch(&self, origin: ReplicaId) -> bool {
        self.branches.contains(&origin)
    }

    /// Everything that was ever seen under a dot.
    pub(super) fn under<'l>(
        &'l self,
        root: &RootName,
        dot: Dot,
    ) -> impl Iterator<Item = &'l Fact> + use<'l> {
        let numbers = self.by_dot.get(&(root.clone(), dot));
        numbers.into_iter().flatten().map(|number| &self.facts[*number])
    }

    /// Whether somebody wrote this under an id.
    pub(super) fn is_written(&self, origin: ReplicaId, content: Content<'_>) -> bool {
        self.facts.iter().any(|fact| fact.dot.origin == origin && fact.content() == content)
    }

    /// How many events were ever seen.
    pub(super) const fn len(&self) -> usize {
        self.facts.len()
    }

    pub(super) fn has_doubts(&self) -> bool {
        !self.doubted.is_empty()
    }

    /// Forgets an id's events that no disk holds any more, so that their dots are free: nobody
    /// has seen them but who has lost them.
    pub(super) fn forget(&mut self, origin: ReplicaId, held: &BTreeSet<usize>) {
        self.by_dot.retain(|(_, dot), numbers| {
            if dot.origin == origin {
                numbers.retain(|number| held.contains(number));
            }
            !numbers.is_empty()
        });
    }
}
