//! What is in doubt.

use super::Reader;
use crate::chain::ChainHash;
use crate::fork::Fork;
use crate::id::{ReplicaId, RootName};
use crate::store::StoreError;
use crate::view::View;

impl Reader {
    /// The forks that are known and not resolved, in the order of their roots and origins as this
    /// store met them.
    pub fn forks(&self) -> Vec<Fork> {
        let state = self.shared.state();
        let described = state.forks.iter().filter_map(|(&(root, origin), fork)| {
            let head = state.heads.get(&(root, origin)).map_or(0, |head| head.seq);
            Some(Fork {
                root: state.names.root_name(root)?.clone(),
                origin: state.names.origin_id(origin)?,
                seq: fork.seq,
                is_located: fork.ours.is_some(),
                ours: (head + 1).saturating_sub(fork.seq),
                theirs: fork.event_count(),
            })
        });
        described.collect()
    }

    /// A number that changes when events which were held back are to be had again: a cursor into
    /// a peer's log that was remembered under another number has passed them by.
    pub fn generation(&self) -> u64 {
        self.shared.state().generation
    }

    /// The chain behind an event that is held; `None` if it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chain_at(
        &self,
        root: &RootName,
        origin: ReplicaId,
        seq: u64,
    ) -> Result<Option<ChainHash>, StoreError> {
        let view = View::open(&self.shared)?;
        let (root, origin, held) = {
            let state = self.shared.state();
            let numbers = state.names.root(root).zip(state.names.origin(origin));
            let Some((root, origin)) = numbers else { return Ok(None) };
            (root, origin, state.heads.get(&(root, origin)).map_or(0, |head| head.seq))
        };
        if seq == 0 || seq > held {
            return Ok(None);
        }
        let at = view.run_of(root, origin, seq)?;
        Ok(Some(view.entry(at.position, |entry| entry.chain)?))
    }
}
