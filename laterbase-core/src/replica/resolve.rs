//! Resolving a fork: one branch keeps the ids, the other moves to an id of its own.

use super::quarantine::{branch_events, forget};
use super::staged::Incoming;
use super::{Replica, Resolved, WriteError, rewrite};
use crate::chain::{ChainHash, RecordHash};
use crate::event::Record;
use crate::fork::{Branch, ForkState, Keep};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, RootName};
use crate::prepared::Indexed;
use crate::shared::Head;

/// Resolves the fork of an origin in a root, durably. What is staged is committed first.
pub(super) fn resolve(
    replica: &mut Replica,
    root: &RootName,
    origin: ReplicaId,
    keep: Keep,
    now_nanos: i64,
) -> Result<Resolved, WriteError> {
    replica.commit()?;
    let found = {
        let state = replica.shared.state();
        let numbers = state.names.root(root).zip(state.names.origin(origin));
        numbers.and_then(|place| Some((place, state.forks.get(&place)?.clone())))
    };
    let Some((place, fork)) = found else {
        return Err(WriteError::NoFork { root: root.clone(), origin });
    };
    match keep {
        Keep::Ours => keep_ours(replica, root, place, &fork, now_nanos),
        Keep::Theirs => rewrite::move_tail(replica, root, origin, place, &fork, now_nanos),
    }
}

/// Takes the branches in quarantine into the event set, each under the id it moves to.
fn keep_ours(
    replica: &mut Replica,
    root: &RootName,
    place: (u32, u32),
    fork: &ForkState,
    now_nanos: i64,
) -> Result<Resolved, WriteError> {
    let mut moved = 0;
    for branch in &fork.branches {
        moved += take_in(replica, root, place, branch, now_nanos)?;
        forget(replica, place, branch)?;
    }
    replica.staged().next_generation();
    replica.staged().set_fork(place.0, place.1, None);
    replica.commit()?;
    Ok(Resolved { moved, into: fork.branches.iter().map(|branch| branch.id).collect() })
}

/// Stages the events of a branch that are not held under its id yet. Gives how many.
fn take_in(
    replica: &mut Replica,
    root: &RootName,
    place: (u32, u32),
    branch: &Branch,
    now_nanos: i64,
) -> Result<u64, WriteError> {
    let events = branch_events(replica, place, branch)?;
    let (known, held) = {
        let state = replica.shared.state();
        let known = state.names.origin(branch.id);
        (known, known.and_then(|origin| state.heads.get(&(place.0, origin)).copied()))
    };
    let origin = replica.staged().origin_number(known, branch.id);
    let mut head = held.unwrap_or_else(|| Head {
        seq: 0,
        chain: ChainHash::genesis(root, branch.id),
        recorded: Hlc::ZERO,
    });
    let held_count = usize::try_from(head.seq).unwrap_or(usize::MAX);
    let mut moved = 0;
    for kept in events.iter().skip(held_count) {
        let event = kept.event();
        let record = Record::decode(event.record)?;
        let hash = RecordHash::of(event.record);
        let chain = head.chain.next(event.recorded, hash);
        head = Head { seq: head.seq + 1, chain, recorded: event.recorded };
        let incoming = Incoming {
            root: place.0,
            origin,
            dot: Dot { origin: branch.id, seq: head.seq },
            recorded: event.recorded,
            chain,
            hash,
            bytes: event.record,
            indexed: Indexed::of(&record),
        };
        replica.staged().push(incoming, now_nanos);
        moved += 1;
    }
    if moved > 0 {
        replica.staged().set_head(place.0, origin, head);
    }
    Ok(moved)
}
