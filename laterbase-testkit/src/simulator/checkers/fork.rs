//! Two histories under one id are found when they meet, and never mixed.

use laterbase_core::delta::Delta;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::replica::WriteError;
use laterbase_core::version_vector::VersionVector;

use crate::simulator::ledger::Ledger;
use crate::simulator::node::Node;
use crate::simulator::outcome::{Verdict, ensure, no_reason};

/// The first seq at which two devices hold different events of one origin.
pub(in crate::simulator) fn between(
    a: &Node,
    b: &Node,
    ledger: &Ledger,
) -> Option<(RootName, ReplicaId, u64)> {
    let held = |node: &Node| -> std::collections::BTreeMap<_, usize> {
        let arrivals = node.memory.arrivals.iter();
        let doubted =
            arrivals.filter(|arrival| ledger.is_doubted(ledger.fact(arrival.fact).dot.origin));
        let by_dot = doubted.map(|arrival| {
            let fact = ledger.fact(arrival.fact);
            ((fact.root.clone(), fact.dot), arrival.fact)
        });
        by_dot.collect()
    };
    let theirs = held(b);
    held(a).into_iter().find_map(|((root, dot), fact)| {
        let other = theirs.get(&(root.clone(), dot))?;
        (*other != fact).then_some((root, dot.origin, dot.seq))
    })
}

/// Shows one device everything that another one holds of a root in which their histories of an
/// origin differ: it must say so, name the first seq in doubt, and store nothing.
pub(in crate::simulator) fn check(
    receiver: &mut Node,
    sender: &Node,
    fork: &(RootName, ReplicaId, u64),
    now: i64,
) -> Verdict {
    let (Some(reader), wall) = (sender.reader(), receiver.wall(now)) else { return Ok(()) };
    let Some(replica) = &mut receiver.replica else { return Ok(()) };
    let (root, origin, first_seq) = fork;
    let page = reader.delta(root, &VersionVector::new(), usize::MAX, usize::MAX);
    let page = page.map_err(|error| no_reason("fork", "reading a delta", &error))?;
    let delta = Delta::decode(&page.bytes);
    let delta = delta.map_err(|error| no_reason("fork", "decoding a delta", &error))?;
    let head = replica.reader().head();
    let met = replica.merge(&delta, wall);
    let found = matches!(&met, Err(WriteError::Fork { root: in_root, origin: of, seq })
        if in_root == root && (of != origin || seq == first_seq));
    ensure(found, "a fork is found", || {
        format!("{root} has two histories of {origin} from {first_seq} on; the answer was {met:?}")
    })?;
    ensure(replica.reader().head() == head, "a fork is not mixed", || {
        format!("{root} grew by a page that was refused")
    })
}
