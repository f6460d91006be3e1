//! An etag names exactly the events of an aggregate that are held.

use std::collections::BTreeMap;

use laterbase_core::id::{Dot, RootName};

use crate::simulator::ledger::{Fact, Ledger};
use crate::simulator::node::Memory;
use crate::simulator::outcome::{Verdict, ensure};

/// The events of an aggregate, in fold order, and what tells two under one id apart.
type Content = Vec<(RootName, Dot, Vec<u8>)>;

/// Every etag that was ever given by any device, and what for.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Etags {
    given: BTreeMap<String, Content>,
    contents: BTreeMap<Content, String>,
}

/// The events of an aggregate that a device holds, in fold order.
pub(in crate::simulator) fn content(
    memory: &Memory,
    ledger: &Ledger,
    root: &RootName,
    aggregate_id: &str,
) -> Content {
    let facts = memory.facts(ledger, root).map(|(fact, _)| fact);
    let mut facts: Vec<&Fact> = facts.filter(|fact| fact.aggregate_id == aggregate_id).collect();
    facts.sort_by_key(|fact| (fact.occurred, fact.recorded, fact.dot.origin));
    let content = facts.into_iter().map(|fact| {
        let told_apart = [&fact.recorded.to_bits().to_be_bytes(), fact.record.as_slice()].concat();
        (root.clone(), fact.dot, told_apart)
    });
    content.collect()
}

impl Etags {
    /// Takes down an etag that a device gave for what it holds.
    pub(in crate::simulator) fn learn(
        &mut self,
        etag: Option<&str>,
        content: Content,
        ledger: &Ledger,
    ) -> Verdict {
        ensure(etag.is_none() == content.is_empty(), "etags", || {
            format!("{etag:?} for {} events", content.len())
        })?;
        let Some(etag) = etag else { return Ok(()) };
        // Behind a fork, equal records may stand on different histories.
        if content.iter().any(|(_, dot, _)| ledger.is_doubted(dot.origin)) {
            return Ok(());
        }
        let same = self.given.entry(etag.to_owned()).or_insert_with(|| content.clone());
        ensure(*same == content, "etags", || format!("{etag} is given for other events, too"))?;
        let name = self.contents.entry(content).or_insert_with(|| etag.to_owned());
        ensure(name == etag, "etags", || format!("{etag} and {name} are given for the same"))
    }

    /// What an etag was given for.
    pub(in crate::simulator) fn given_for(&self, etag: &str) -> Option<&Content> {
        self.given.get(etag)
    }

    /// An etag that was given once, by its number.
    pub(in crate::simulator) fn nth(&self, number: usize) -> Option<&String> {
        self.given.keys().nth(number)
    }

    pub(in crate::simulator) fn count(&self) -> usize {
        self.given.len()
    }
}
