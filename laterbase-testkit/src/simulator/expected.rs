//! What must become of a page, from what a device is known to hold.

use laterbase_core::delta::{Delta, Run};
use laterbase_core::fork::{Doubt, Fork, HeldBack, branch_id};

use super::ledger::Ledger;
use super::node::{Memory, Node};

#[derive(Debug)]
pub(super) struct Expected {
    /// Events that are new and fit.
    pub new: u64,
    pub known: u64,
    pub held_back: Vec<HeldBack>,
    /// Whether the page shows that the device's own id is in doubt: there are events of it that
    /// the device does not hold, or holds others in place of.
    pub shows_own: bool,
}

impl Expected {
    pub(super) fn of(node: &Node, ledger: &Ledger, delta: &Delta<'_>) -> Self {
        let mut expected = Self { new: 0, known: 0, held_back: Vec::new(), shows_own: false };
        // Pages have one run of an origin at most.
        for run in &delta.runs {
            let is_own = node.id == Some(run.origin);
            let held = node.memory.seq(&run.root, run.origin);
            let length = run.events.len() as u64;
            if let Some(reason) = doubt(&node.memory, ledger, run) {
                expected.shows_own |= is_own && matches!(reason, Doubt::Fork { .. });
                let (root, origin, seq) = (run.root.clone(), run.origin, run.first_seq);
                expected.held_back.push(HeldBack { root, origin, seq, reason });
                continue;
            }
            let known = (held + 1 - run.first_seq).min(length);
            expected.known += known;
            expected.new += length - known;
            expected.shows_own |= is_own && known < length;
        }
        expected
    }

    /// As [`Self::of`], where the page is taken whole or not at all.
    pub(super) fn of_whole(node: &Node, ledger: &Ledger, delta: &Delta<'_>) -> Self {
        let mut expected = Self::of(node, ledger, delta);
        if !expected.held_back.is_empty() {
            (expected.new, expected.known) = (0, 0);
            let mut held_back = expected.held_back.iter();
            expected.shows_own = held_back.any(|held| {
                node.id == Some(held.origin) && matches!(held.reason, Doubt::Fork { .. })
            });
        }
        expected
    }

    /// Whether events before those of a run are missing that are not held back for a fork.
    pub(super) fn has_hole(&self, memory: &Memory) -> bool {
        self.held_back.iter().any(|held| {
            matches!(held.reason, Doubt::Hole { .. })
                && memory.fork(&held.root, held.origin).is_none()
        })
    }
}

/// Why a run cannot be taken, if so.
fn doubt(memory: &Memory, ledger: &Ledger, run: &Run<'_>) -> Option<Doubt> {
    let chain = |seq| memory.chain(ledger, &run.root, run.origin, seq);
    let held_seq = memory.seq(&run.root, run.origin);
    if run.first_seq > held_seq + 1 {
        return Some(Doubt::Hole { held_seq });
    }
    let mut is_located = chain(run.first_seq - 1) == Some(run.chain_before);
    for (seq, event) in (run.first_seq..=held_seq).zip(&run.events) {
        if chain(seq) != Some(event.chain) {
            return Some(Doubt::Fork { seq, is_located });
        }
        is_located = true;
    }
    if !is_located {
        return Some(Doubt::Fork { seq: run.first_seq - 1, is_located });
    }
    let fork = memory.fork(&run.root, run.origin).filter(|_| run.last_seq() > held_seq)?;
    // It goes on with the branch that is held, but somebody has to decide first.
    Some(Doubt::Fork { seq: fork.seq, is_located: false })
}

/// The id that the branch which a device holds would move to.
pub(super) fn own_branch(
    memory: &Memory,
    ledger: &Ledger,
    fork: &Fork,
) -> Option<laterbase_core::id::ReplicaId> {
    let chain = memory.chain(ledger, &fork.root, fork.origin, fork.seq)?;
    Some(branch_id(&fork.root, fork.origin, chain))
}

/// The fork that a page says was resolved elsewhere, by moving the branch that the device holds.
pub(super) fn followed(memory: &Memory, ledger: &Ledger, delta: &Delta<'_>) -> Option<Fork> {
    let located = || memory.forks.iter().filter(|fork| fork.is_located);
    delta.runs.iter().find_map(|run| {
        let mut forks = located().filter(|fork| fork.root == run.root);
        forks.find(|fork| own_branch(memory, ledger, fork) == Some(run.origin)).cloned()
    })
}
