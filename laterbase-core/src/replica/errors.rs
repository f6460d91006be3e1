//! Why a store could not be opened, or a write was not taken.

use super::{KeyHolder, VoidFault};
use crate::codec::CodecError;
use crate::hlc::HlcError;
use crate::id::{EventId, ReplicaId, RootName};
use crate::store::StoreError;
use crate::version_vector::VersionVector;

/// Why a store could not be opened as a replica.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store failed, or contradicts itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another version of Laterbase wrote the store.
    #[error("the store has format {found}, and this version reads format {read}")]
    OtherFormat {
        /// The store's format.
        found: u64,
        /// The one format that is read.
        read: u64,
    },
    /// The store was to be read only, and holds nothing yet: somebody is just making it.
    #[error("the store holds no replica yet")]
    Unmade,
}

/// Why nothing of a write was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The storage engine failed, is full, or takes no more writes.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The writer's fault: an event is said to happen too far in the future.
    #[error("event {index} is said to happen in the future")]
    Future {
        /// Which event of the batch, from 0.
        index: usize,
    },
    /// The writer's fault: an idempotency key was used before, for another event.
    #[error("the idempotency key of event {index} was used for another event")]
    KeyConflict {
        /// Which event of the batch, from 0.
        index: usize,
        /// The event that has the key; `None` if it is an earlier one of the same batch.
        holder: Option<KeyHolder>,
    },
    /// The writer's fault: an event takes one back that it cannot take back.
    #[error("event {index} cannot take {event} back: {fault}")]
    Void {
        /// Which event of the batch, from 0.
        index: usize,
        /// The event that it names.
        event: EventId,
        /// Why not.
        fault: VoidFault,
    },
    /// The writer's view is out of date: the batch's precondition does not hold.
    #[error("the aggregate is not as the writer expects")]
    Precondition {
        /// The aggregate's etag now; `None` if it has no events.
        etag: Option<String>,
    },
    /// What the write depends on is staged, so it cannot be judged:
    /// [`Replica::commit`](super::Replica::commit), then stage it again.
    #[error("what the write depends on is staged and not committed")]
    Uncommitted,
    /// The sender's view is out of date: its delta starts after what is held here.
    #[error("the delta leaves a hole in {root} after event {held_seq} of {origin}")]
    Hole {
        /// The root that would have a hole.
        root: RootName,
        /// Whose events.
        origin: ReplicaId,
        /// The last of them that is held.
        held_seq: u64,
        /// Everything that is held of the root.
        held: VersionVector,
    },
    /// Two histories claim the same ids.
    #[error("{root} has two histories of {origin} from event {seq} on")]
    Fork {
        /// The root.
        root: RootName,
        /// Whose history.
        origin: ReplicaId,
        /// The first event known to differ.
        seq: u64,
    },
    /// The operator's mistake: there is no fork to resolve.
    #[error("{root} has one history of {origin}, as far as is known")]
    NoFork {
        /// The root.
        root: RootName,
        /// Whose history.
        origin: ReplicaId,
    },
    /// The operator's mistake: no branch in quarantine that could take the place of the one held here
    /// would move to this id.
    #[error("{root} has no branch of {origin} that would move to {branch}")]
    NoBranch {
        /// The root.
        root: RootName,
        /// Whose history.
        origin: ReplicaId,
        /// The id that was named.
        branch: ReplicaId,
    },
    /// It is not known yet where the histories part: sync with a peer that has the other one.
    #[error("where the histories of {origin} in {root} part is not known yet, at {seq} or before")]
    ForkNotLocated {
        /// The root.
        root: RootName,
        /// Whose history.
        origin: ReplicaId,
        /// The first event known to differ.
        seq: u64,
    },
    /// The sender's fault: the delta is not well-formed.
    #[error("the delta is damaged: {0}")]
    Malformed(#[from] CodecError),
    /// The clock has no stamps left.
    #[error(transparent)]
    Clock(#[from] HlcError),
}

impl WriteError {
    /// Which event of the batch is at fault, from 0; `None` if it is not one of them.
    pub const fn index(&self) -> Option<usize> {
        match self {
            Self::Future { index } | Self::KeyConflict { index, .. } | Self::Void { index, .. } => {
                Some(*index)
            }
            _ => None,
        }
    }
}
