//! What a device remembers of its peers, in its own store.
//!
//! Per peer and root there is one version vector: what the peer has said that it durably holds.
//! It is written in the transaction that stores the page, or answers the push, that it came from.

use std::collections::BTreeMap;

use laterbase_core::delta::Delta;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::Reader;
use laterbase_core::replica::{Merged, WriteError};
use laterbase_core::store::StoreError;
use laterbase_core::version_vector::VersionVector;

use crate::device::Device;

/// Keys are this, the peer's 16 bytes, and the root's name.
const ACKNOWLEDGED: &[u8] = b"ack/";

const PEER_BYTES: usize = 16;

impl Device {
    /// What a peer has said that it durably holds of a root.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails, or what it remembers makes no sense.
    pub fn acknowledged(
        &self,
        peer: ReplicaId,
        root: &RootName,
    ) -> Result<VersionVector, StoreError> {
        match self.reader().recall(&key(peer, root))? {
            Some(bytes) => read(root, &bytes),
            None => Ok(VersionVector::new()),
        }
    }

    /// Per root, how many of the events that this store originated no peer has yet acknowledged
    /// as durable. Roots with none are listed too.
    ///
    /// # Errors
    /// [`StoreError`] as for [`Self::acknowledged`].
    pub fn pending(&self) -> Result<BTreeMap<RootName, u64>, StoreError> {
        pending(self.reader())
    }

    /// Remembers what a peer says that it holds. Costs a commit, unless that is known already.
    pub(crate) fn acknowledge(
        &self,
        peer: ReplicaId,
        held: &BTreeMap<RootName, VersionVector>,
    ) -> Result<(), WriteError> {
        let mut news = Vec::new();
        for (root, vv) in held {
            // What counts is the peer's latest word, also where it is less than it once said.
            if self.acknowledged(peer, root)? != *vv {
                news.push((key(peer, root), vv.to_bytes()));
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        self.write(|replica, _now| {
            for (key, value) in &news {
                replica.remember(key, value);
            }
            Ok(())
        })
    }

    /// Merges a page that a peer sent, and remembers that the peer holds what is on it.
    pub(crate) fn merge_from(&self, peer: ReplicaId, page: &[u8]) -> Result<Merged, WriteError> {
        let delta = Delta::decode(page)?;
        let mut held = BTreeMap::new();
        for run in &delta.runs {
            if !held.contains_key(&run.root) {
                held.insert(run.root.clone(), self.acknowledged(peer, &run.root)?);
            }
            let vv = held.get_mut(&run.root).expect("just put there");
            vv.raise(run.origin, run.last_seq());
        }
        self.write(|replica, now_nanos| {
            let merged = replica.stage_merge(&delta, now_nanos)?;
            for (root, vv) in &held {
                replica.remember(&key(peer, root), &vv.to_bytes());
            }
            Ok(merged)
        })
    }
}

fn pending(reader: &Reader) -> Result<BTreeMap<RootName, u64>, StoreError> {
    let mut acknowledged: BTreeMap<RootName, VersionVector> = BTreeMap::new();
    for (key, value) in reader.recall_all(ACKNOWLEDGED)? {
        let root = root_of(&key)?;
        let vv = read(&root, &value)?;
        acknowledged.entry(root).or_default().join(&vv);
    }
    let own_ids = reader.own_ids();
    let nothing = VersionVector::new();
    let count = |root: RootName| {
        let held = reader.version_vector(&root);
        let safe = acknowledged.get(&root).unwrap_or(&nothing);
        let lacking = own_ids.iter().map(|id| held.get(id).saturating_sub(safe.get(id))).sum();
        (root, lacking)
    };
    Ok(reader.roots().into_iter().map(count).collect())
}

fn key(peer: ReplicaId, root: &RootName) -> Vec<u8> {
    [ACKNOWLEDGED, peer.as_bytes(), root.as_str().as_bytes()].concat()
}

fn root_of(key: &[u8]) -> Result<RootName, StoreError> {
    key.get(ACKNOWLEDGED.len() + PEER_BYTES..)
        .and_then(|name| RootName::new(std::str::from_utf8(name).ok()?).ok())
        .ok_or_else(|| StoreError::corrupt("a peer's acknowledgement is of no root"))
}

fn read(root: &RootName, bytes: &[u8]) -> Result<VersionVector, StoreError> {
    VersionVector::from_bytes(bytes).map_err(|error| {
        StoreError::corrupt(format!("a peer's acknowledgement of {root}: {error}"))
    })
}

#[cfg(test)]
mod tests;
