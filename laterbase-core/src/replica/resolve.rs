//! Resolving a fork: one branch keeps the ids, the other moves to an id of its own.

use super::landing::{Landing, Link};
use super::quarantine::{Kept, branch_events, forget};
use super::staged::Incoming;
use super::{Replica, Resolved, WriteError, rewrite};
use crate::chain::ChainHash;
use crate::event::Record;
use crate::fork::{Branch, ForkState, Keep};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, RootName};
use crate::prepared::Indexed;
use crate::shared::Head;

/// Resolves the fork of an origin in a root, durably. Nothing may be staged: what is would hear of
/// a commit that is not its own.
pub(super) fn resolve(
    replica: &mut Replica,
    root: &RootName,
    origin: ReplicaId,
    keep: Keep,
    now_nanos: i64,
) -> Result<Resolved, WriteError> {
    if replica.staged.is_some() {
        return Err(WriteError::Uncommitted);
    }
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
        Keep::Theirs => rewrite::move_tail(replica, (root, origin), place, &fork, None, now_nanos),
        Keep::Branch(branch) => {
            rewrite::move_tail(replica, (root, origin), place, &fork, Some(branch), now_nanos)
        }
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
    let (mut moved, mut into) = (0, Vec::new());
    for branch in &fork.branches {
        let (taken, ids) = take_in(replica, root, place, branch, now_nanos)?;
        moved += taken;
        into.extend(ids);
        forget(replica, place, branch)?;
    }
    replica.staged().next_generation();
    replica.staged().set_fork(place.0, place.1, None);
    replica.commit()?;
    Ok(Resolved { moved, into })
}

/// Stages the events of a branch in quarantine that are not held under its id yet. Gives how many,
/// and the ids they have.
pub(super) fn take_in(
    replica: &mut Replica,
    root: &RootName,
    place: (u32, u32),
    branch: &Branch,
    now_nanos: i64,
) -> Result<(u64, Vec<ReplicaId>), WriteError> {
    let events = branch_events(replica, place, branch)?;
    let links: Vec<Link> = events.iter().map(Kept::link).collect();
    let landing = Landing::of(&replica.shared, (place.0, root), branch.id, &links)?;
    let mut moved = 0;
    for (index, kept) in events.iter().enumerate() {
        let (into, seq) = landing.place(index);
        let known = replica.shared.state().names.origin(into);
        let origin = replica.staged().origin_number(known, into);
        let head = head_of(replica, (place.0, root), (origin, into));
        if seq <= head.seq {
            continue;
        }
        let (event, (recorded, hash)) = (kept.event(), links[index]);
        let record = Record::decode(event.record)?;
        let chain = head.chain.next(recorded, hash);
        let incoming = Incoming {
            root: place.0,
            origin,
            dot: Dot { origin: into, seq },
            recorded,
            chain,
            bytes: event.record,
            indexed: Indexed::of(&record, hash),
        };
        replica.staged().push(incoming, now_nanos);
        replica.staged().set_head(place.0, origin, Head { seq, chain, recorded });
        moved += 1;
    }
    Ok((moved, landing.ids().collect()))
}

fn head_of(
    replica: &Replica,
    (root, name): (u32, &RootName),
    (origin, id): (u32, ReplicaId),
) -> Head {
    let staged = replica.staged.as_ref().and_then(|staged| staged.head(root, origin));
    staged.or_else(|| replica.shared.state().heads.get(&(root, origin)).copied()).unwrap_or_else(
        || Head { seq: 0, chain: ChainHash::genesis(name, id), recorded: Hlc::ZERO },
    )
}
