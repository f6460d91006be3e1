//! Where the events of a branch go when it moves.
//!
//! A branch moves to the id that its first event derives. Another branch that shares its first
//! events may have moved there before: what the two share is there once, and from where they part
//! the rest moves on, to the id that derives from there in the same way.

use std::sync::Arc;

use crate::chain::{ChainHash, RecordHash};
use crate::entry::Entry;
use crate::fork::branch_id;
use crate::hlc::Hlc;
use crate::id::{ReplicaId, RootName};
use crate::keys;
use crate::shared::Shared;
use crate::store::{Snapshot, StoreError, Table};
use crate::view::{damaged, find_run};

/// What an event adds to a chain.
pub(super) type Link = (Hlc, RecordHash);

/// The ids that the parts of a branch move to.
#[derive(Debug)]
pub(super) struct Landing {
    /// Each with the index of the part's first event, rising.
    parts: Vec<(ReplicaId, usize)>,
}

impl Landing {
    /// Compares a branch with what the committed log holds under the id that it moves to.
    pub(super) fn of(
        shared: &Arc<Shared>,
        (root, name): (u32, &RootName),
        into: ReplicaId,
        links: &[Link],
    ) -> Result<Self, StoreError> {
        let snapshot = shared.snapshot()?;
        let mut parts = vec![(into, 0)];
        let (mut into, mut first) = (into, 0);
        while let Some((index, chain)) =
            first_difference(shared, &*snapshot, (root, name), into, &links[first..])?
        {
            (into, first) = (branch_id(name, into, chain), first + index);
            parts.push((into, first));
        }
        Ok(Self { parts })
    }

    /// The id and seq that an event of the branch gets, by its index.
    pub(super) fn place(&self, index: usize) -> (ReplicaId, u64) {
        let behind = self.parts.partition_point(|(_, first)| *first <= index);
        let (into, first) = self.parts[behind - 1];
        (into, (index - first) as u64 + 1)
    }

    /// The ids, in the order of their parts.
    pub(super) fn ids(&self) -> impl Iterator<Item = ReplicaId> {
        self.parts.iter().map(|(into, _)| *into)
    }
}

/// What a branch's chain comes to under an id.
pub(super) fn chain_under(name: &RootName, id: ReplicaId, links: &[Link]) -> ChainHash {
    let genesis = ChainHash::genesis(name, id);
    links.iter().fold(genesis, |chain, (recorded, hash)| chain.next(*recorded, *hash))
}

/// The first event that differs from the one that is held under an id at its place, and the chain
/// behind it.
fn first_difference(
    shared: &Arc<Shared>,
    snapshot: &dyn Snapshot,
    (root, name): (u32, &RootName),
    id: ReplicaId,
    links: &[Link],
) -> Result<Option<(usize, ChainHash)>, StoreError> {
    let (origin, held) = {
        let state = shared.state();
        let Some(origin) = state.names.origin(id) else { return Ok(None) };
        (origin, state.heads.get(&(root, origin)).map_or(0, |head| head.seq))
    };
    let mut chain = ChainHash::genesis(name, id);
    for (seq, (index, (recorded, hash))) in (1..=held).zip(links.iter().enumerate()) {
        chain = chain.next(*recorded, *hash);
        let position = find_run(snapshot, root, origin, seq)?.position;
        let bytes = snapshot.get(Table::Log, &keys::position(position))?.unwrap_or_default();
        let entry = Entry::decode(&bytes).map_err(|error| damaged(position, error))?;
        if entry.chain != chain {
            return Ok(Some((index, chain)));
        }
    }
    Ok(None)
}
