//! What is remembered of peers is what was written, and pending is exact and safe.

use std::collections::{BTreeMap, BTreeSet};

use laterbase_core::id::ReplicaId;

use crate::simulator::ledger::Ledger;
use crate::simulator::node::{Memory, Node};
use crate::simulator::outcome::{Verdict, ensure, no_reason};
use crate::simulator::peers::{lacking, recall_all, safe};

/// After a start: what is remembered is from one moment, and that moment is the log's.
pub(in crate::simulator) fn check_start(
    after: &mut Memory,
    found: &BTreeMap<Vec<u8>, Vec<u8>>,
    may_lose_tail: bool,
) -> Verdict {
    let head = after.arrivals.len() as u64;
    let settled = after.notes.settle(found, head, may_lose_tail);
    ensure(settled, "what is remembered goes with its events", || {
        format!("{head} events, and {found:?} where {:?} was written", after.notes)
    })
}

/// Checks a device: its own count of pending events against one that was kept from outside, and
/// both against what other devices were seen to hold.
pub(in crate::simulator) fn check(nodes: &[Node], index: usize, ledger: &Ledger) -> Verdict {
    let node = &nodes[index];
    let Some(reader) = node.reader().filter(|_| !node.disk.is_poisoned()) else { return Ok(()) };
    node.disk.suspend_faults(true);
    let remembered = recall_all(&reader);
    node.disk.suspend_faults(false);
    let (remembered, noted) = (remembered?, node.memory.notes.current());
    ensure(remembered == *noted, "what is remembered", || {
        format!("{remembered:?} where {noted:?} was written")
    })?;
    node.disk.suspend_faults(true);
    let said = laterbase_core::sync::pending(&reader);
    node.disk.suspend_faults(false);
    let said = said.map_err(|error| no_reason("pending", "counting what is pending", &error))?;
    let own: BTreeSet<ReplicaId> = reader.own_ids().into_iter().collect();
    let said_safe = safe(&remembered);
    let known = &node.memory.own_ids;
    ensure(own == *known, "own ids", || format!("{own:?} where {known:?} were its own"))?;
    let held = |root: &_| node.memory.version_vector(root);
    let truth = lacking(held, node.memory.roots(), known, &safe(noted));
    ensure(said == truth, "pending is exact", || {
        format!("{index} says {said:?} where {truth:?} events are pending")
    })?;
    for (root, vv) in &said_safe {
        for id in known.iter().filter(|id| !ledger.is_doubted(**id)) {
            let safe = vv.get(id).min(node.memory.seq(root, *id));
            let others = nodes.iter().enumerate().filter(|(other, _)| *other != index);
            let reached = others.map(|(_, other)| other.reached(root, *id)).max();
            ensure(safe <= reached.unwrap_or(0), "what is not pending is held elsewhere", || {
                format!("{index} takes {id} of {root} for safe up to {safe}: {reached:?}")
            })?;
        }
    }
    Ok(())
}

/// In the end, nothing is pending anywhere.
pub(in crate::simulator) fn check_nothing(node: &Node) -> Verdict {
    let noted = safe(node.memory.notes.current());
    let held = |root: &_| node.memory.version_vector(root);
    let pending = lacking(held, node.memory.roots(), &node.memory.own_ids, &noted);
    ensure(pending.values().all(|count| *count == 0), "nothing stays pending", || {
        format!("{:?} has {pending:?} after everybody synced", node.id)
    })
}
