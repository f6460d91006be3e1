//! Devices that hold the same events are in the same state, and in the end all do.

use std::collections::BTreeSet;

use laterbase_core::id::RootName;
use laterbase_core::reader::{AggregateState, Query, RootStatus};

use crate::simulator::ledger::Ledger;
use crate::simulator::node::Node;
use crate::simulator::outcome::{Verdict, ensure, no_reason};

/// Digests are equal exactly where what is held is, and aggregates and their etags with them.
pub(in crate::simulator) fn check_pair(a: &Node, b: &Node, ledger: &Ledger) -> Verdict {
    let (Some(left), Some(right)) = (roots(a)?, roots(b)?) else { return Ok(()) };
    for one in &left {
        let Some(other) = right.iter().find(|other| other.name == one.name) else { continue };
        // Behind a fork, equal vvs may stand for other events.
        let same_events = events(a, &one.name, ledger) == events(b, &one.name, ledger);
        ensure(same_events == (one.digest == other.digest), "digests", || {
            format!("{one:?} and {other:?}, where the same is held: {same_events}")
        })?;
        if same_events && a.fold.version == b.fold.version {
            let (ours, theirs) = (aggregates(a, &one.name)?, aggregates(b, &one.name)?);
            ensure(ours == theirs, "convergence of aggregates", || {
                let differs = ours.iter().zip(&theirs).find(|(a, b)| a != b);
                format!("{} with equal events: {differs:?}", one.name)
            })?;
        }
    }
    Ok(())
}

/// Every device holds every event that any of them holds.
pub(in crate::simulator) fn check_all(nodes: &[&Node], ledger: &Ledger) -> Verdict {
    let facts = |node: &Node| -> BTreeSet<usize> {
        node.memory.arrivals.iter().map(|arrival| arrival.fact).collect()
    };
    let all: BTreeSet<usize> = nodes.iter().flat_map(|node| facts(node)).collect();
    for node in nodes {
        let held = facts(node);
        ensure(held == all, "convergence", || {
            format!("{:?} holds {} of {} events", node.id, held.len(), all.len())
        })?;
    }
    nodes.windows(2).try_for_each(|pair| check_pair(pair[0], pair[1], ledger))
}

/// The numbers of a root's events in the ledger.
fn events(node: &Node, root: &RootName, ledger: &Ledger) -> BTreeSet<usize> {
    let held = node.memory.arrivals.iter().map(|arrival| arrival.fact);
    held.filter(|fact| ledger.fact(*fact).root == *root).collect()
}

fn roots(node: &Node) -> Verdict<Option<Vec<RootStatus>>> {
    let status = node.reader().map(|reader| reader.status()).transpose();
    let status = status.map_err(|error| no_reason("convergence", "asking", &error))?;
    Ok(status.map(|status| status.roots))
}

/// An aggregate's state, etag and counts: what does not depend on where the device keeps it.
type Shown = (String, String, String, u64, u64);

fn show((id, read): (String, AggregateState)) -> Shown {
    let state = String::from_utf8_lossy(&read.state).into_owned();
    (id, state, read.etag, read.event_count, read.refused_count)
}

fn aggregates(node: &Node, root: &RootName) -> Verdict<Vec<Shown>> {
    let Some(reader) = node.reader() else { return Ok(Vec::new()) };
    let page = reader.aggregates(root, None, usize::MAX, &Query::default());
    let page = page.map_err(|error| no_reason("convergence", "listing aggregates", &error))?;
    let folded = page.aggregates.into_iter().map(|(id, state)| Ok(show((id, state?))));
    let folded: Result<Vec<_>, laterbase_core::reader::FoldFailure> = folded.collect();
    folded.map_err(|error| no_reason("convergence", "folding", &error))
}
