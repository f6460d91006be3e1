//! What a store remembers of its peers: how much of each origin's events they hold
//! ([`laterbase_core::sync`]).

use std::collections::BTreeMap;

use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::store::StoreError;
use laterbase_core::sync;
use laterbase_core::version_vector::VersionVector;

use crate::device::Device;

pub use laterbase_core::sync::{Pending, pending, pending_since};

impl Device {
    /// What a peer has said that it durably holds of a root, as far as this store holds it too.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails, or what it remembers makes no sense.
    pub fn acknowledged(
        &self,
        peer: ReplicaId,
        root: &RootName,
    ) -> Result<VersionVector, StoreError> {
        sync::acknowledged(self.reader(), peer, root)
    }

    /// Per root, how many of the events that this store originated no peer has yet acknowledged
    /// as durable. Roots with none are listed too.
    ///
    /// # Errors
    /// [`StoreError`] as for [`Self::acknowledged`].
    pub fn pending(&self) -> Result<BTreeMap<RootName, u64>, StoreError> {
        pending(self.reader())
    }
}
