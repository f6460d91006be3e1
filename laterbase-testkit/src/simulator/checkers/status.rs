//! What a device says of itself in numbers, and its list of aggregates.

use std::collections::BTreeMap;

use laterbase_core::id::RootName;
use laterbase_core::reader::{Query, Reader};

use crate::simulator::dice::Dice;
use crate::simulator::ledger::Ledger;
use crate::simulator::node::Node;
use crate::simulator::outcome::{Verdict, ensure, no_reason};

/// Checks vv, counts and the listed aggregates of every root.
pub(in crate::simulator) fn check(node: &Node, ledger: &Ledger, dice: &mut Dice) -> Verdict {
    let Some(reader) = node.reader() else { return Ok(()) };
    let status = reader.status().map_err(|error| no_reason("status", "asking", &error))?;
    let mut expected: BTreeMap<&RootName, BTreeMap<&str, u64>> = BTreeMap::new();
    for arrival in &node.memory.arrivals {
        let fact = ledger.fact(arrival.fact);
        *expected.entry(&fact.root).or_default().entry(&fact.aggregate_id).or_default() += 1;
    }
    let said: Vec<&RootName> = status.roots.iter().map(|root| &root.name).collect();
    let held: Vec<&RootName> = expected.keys().copied().collect();
    ensure(said == held, "status", || format!("roots {said:?} where {held:?} are held"))?;
    for root in &status.roots {
        let aggregates = &expected[&root.name];
        let counts = (aggregates.values().sum::<u64>(), aggregates.len() as u64);
        ensure((root.events, root.aggregates) == counts, "status", || {
            format!("{root:?} where {counts:?} events and aggregates are held")
        })?;
        let vv = node.memory.version_vector(&root.name);
        ensure(root.vv == vv, "status", || format!("{root:?} where {vv:?} is held"))?;
        let listed = list(&reader, &root.name, dice)?;
        let same = listed.iter().map(|(id, count)| (id.as_str(), *count)).eq(aggregates.clone());
        ensure(same, "listed aggregates", || format!("{listed:?} where {aggregates:?} are held"))?;
    }
    Ok(())
}

fn list(reader: &Reader, root: &RootName, dice: &mut Dice) -> Verdict<Vec<(String, u64)>> {
    let mut listed = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = reader.aggregates(root, after.as_deref(), dice.count(1, 8), &Query::default());
        let page = page.map_err(|error| no_reason("status", "listing aggregates", &error))?;
        for (id, state) in page.aggregates {
            let state = state.map_err(|error| no_reason("status", "folding", &error))?;
            listed.push((id, state.event_count));
        }
        after = page.next;
        if after.is_none() {
            return Ok(listed);
        }
    }
}
