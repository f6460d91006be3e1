//! What a store remembers of its peers: how much of each origin's events they hold.
//!
//! Per peer, root and origin there is one number: the last seq up to which the peer has said that
//! it durably holds the events that this store holds. It is written in the transaction that
//! stores the page, or takes in the answer, that it came from. A value of 0 is as good as none.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::Place;
use crate::id::{ReplicaId, RootName};
use crate::reader::{ReadError, Reader, Remembered};
use crate::store::StoreError;
use crate::version_vector::VersionVector;

/// Keys are this, the peer's 16 bytes, the root's name, a zero byte and the origin's 16 bytes.
const HELD: &[u8] = b"held/";

/// Keys are this, the root's name, a zero byte and the origin's 16 bytes.
const EXPORTED: &[u8] = b"exported/";

const ID_BYTES: usize = 16;

/// What a peer has said that it durably holds of a root, as far as the store holds it too.
///
/// # Errors
/// [`StoreError`] if the store fails, or what it remembers makes no sense.
pub fn acknowledged(
    reader: &Reader,
    peer: ReplicaId,
    root: &RootName,
) -> Result<VersionVector, StoreError> {
    let held = recall(reader, &root_prefix(peer, root))?;
    Ok(held.into_iter().map(|word| (word.place.1, word.seq)).collect())
}

/// Per root, how many of the events that a store originated no peer has yet acknowledged as
/// durable. Roots with none are listed too.
///
/// # Errors
/// [`StoreError`] if the store fails, or what it remembers makes no sense.
pub fn pending(reader: &Reader) -> Result<BTreeMap<RootName, u64>, StoreError> {
    let own_ids: BTreeSet<ReplicaId> = reader.own_ids().into_iter().collect();
    let safe = safe(reader, &own_ids)?;
    let count = |root: RootName| {
        let count = count_of(reader, &root, &own_ids, &safe);
        (root, count)
    };
    Ok(reader.roots().into_iter().map(count).collect())
}

/// What of a root's events is [`pending`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// How many of them.
    pub count: u64,
    /// When the first of them was recorded, in nanoseconds since 1970 UTC; `None` if there are none.
    pub since: Option<i64>,
}

/// As [`pending`], with the time of the first one.
///
/// # Errors
/// [`ReadError`] if the store fails, or what it remembers makes no sense.
pub fn pending_since(reader: &Reader) -> Result<BTreeMap<RootName, Pending>, ReadError> {
    let own_ids: BTreeSet<ReplicaId> = reader.own_ids().into_iter().collect();
    let safe = safe(reader, &own_ids)?;
    let mut pending = BTreeMap::new();
    for root in reader.roots() {
        let (count, mut since) = (count_of(reader, &root, &own_ids, &safe), None);
        if count > 0 {
            // What a peer would hold that had everything else.
            let vv = reader.version_vector(&root);
            let held = vv.iter().map(|(id, seq)| {
                let safe = safe.get(&(root.clone(), id)).copied().unwrap_or(0);
                (id, if own_ids.contains(&id) { safe.min(seq) } else { seq })
            });
            let held = held.filter(|(_, seq)| *seq > 0).collect();
            reader.feed(&root, &held, 1, &mut |event| {
                since = Some(event.recorded.to_unix_nanos());
                ControlFlow::Break(())
            })?;
        }
        pending.insert(root, Pending { count, since });
    }
    Ok(pending)
}

/// How many of a store's own events of a root nobody has acknowledged.
fn count_of(
    reader: &Reader,
    root: &RootName,
    own_ids: &BTreeSet<ReplicaId>,
    safe: &BTreeMap<Place, u64>,
) -> u64 {
    let held = reader.version_vector(root);
    let lacking = own_ids.iter().map(|&id| {
        let safe = safe.get(&(root.clone(), id)).copied().unwrap_or(0);
        held.get(&id).saturating_sub(safe)
    });
    lacking.sum()
}

/// Up to where somebody has acknowledged a store's own events.
fn safe(
    reader: &Reader,
    own_ids: &BTreeSet<ReplicaId>,
) -> Result<BTreeMap<Place, u64>, StoreError> {
    let mut safe: BTreeMap<Place, u64> = BTreeMap::new();
    for Acknowledged { place, seq } in recall(reader, HELD)? {
        if own_ids.contains(&place.1) {
            let safe = safe.entry(place).or_default();
            *safe = seq.max(*safe);
        }
    }
    Ok(safe)
}

/// The last of an origin's events that somebody else may have: a peer has acknowledged it, or it
/// left in a file. 0 if there is none.
pub(super) fn last_seen(reader: &Reader, place: &Place) -> Result<u64, StoreError> {
    let held = recall(reader, HELD)?.into_iter().filter(|word| word.place == *place);
    let held = held.map(|word| word.seq).max().unwrap_or(0);
    let exported = match reader.recall(&exported_key(&place.0, place.1))? {
        Some(value) => read(&value)?,
        None => 0,
    };
    Ok(held.max(exported))
}

/// What is to be remembered for the events of an own id up to a seq to have left in a file. They
/// are pending all the same: a file is nobody's word.
pub fn exported_entry(root: &RootName, origin: ReplicaId, seq: u64) -> Remembered {
    (exported_key(root, origin), seq.to_be_bytes().to_vec())
}

fn exported_key(root: &RootName, origin: ReplicaId) -> Vec<u8> {
    [EXPORTED, root.as_str().as_bytes(), &[0], origin.as_bytes().as_slice()].concat()
}

/// What a peer has acknowledged of one origin.
pub(super) fn acknowledged_seq(
    reader: &Reader,
    peer: ReplicaId,
    (root, origin): (&RootName, ReplicaId),
) -> Result<u64, StoreError> {
    match reader.recall(&key(peer, root, origin))? {
        Some(value) => read(&value),
        None => Ok(0),
    }
}

/// What a peer has acknowledged of the places from `first` to `last`, both included, or of all
/// behind `first`. So a page of heads costs what it has, however many others there are.
pub(super) fn acknowledged_between(
    reader: &Reader,
    peer: ReplicaId,
    first: Option<&Place>,
    last: Option<&Place>,
) -> Result<BTreeMap<Place, u64>, StoreError> {
    let start = match first {
        Some((root, origin)) => key(peer, root, *origin),
        None => peer_prefix(peer),
    };
    let end = match last {
        // No key is another's beginning, so this is the first one behind it.
        Some((root, origin)) => Some([&key(peer, root, *origin), [0].as_slice()].concat()),
        None => after_prefix(&peer_prefix(peer)),
    };
    let held = reader.recall_between(&start, end.as_deref())?;
    let held = held.into_iter().map(read_entry).collect::<Result<Vec<_>, _>>()?;
    Ok(held.into_iter().map(|word| (word.place, word.seq)).collect())
}

/// The smallest key that does not begin with a prefix; `None` if there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

/// What is to be remembered for a peer to have acknowledged an origin's events up to a seq.
pub(super) fn entry(
    peer: ReplicaId,
    (root, origin): (&RootName, ReplicaId),
    seq: u64,
) -> Remembered {
    (key(peer, root, origin), seq.to_be_bytes().to_vec())
}

/// A peer's word on one origin.
struct Acknowledged {
    place: Place,
    seq: u64,
}

fn recall(reader: &Reader, prefix: &[u8]) -> Result<Vec<Acknowledged>, StoreError> {
    reader.recall_all(prefix)?.into_iter().map(read_entry).collect()
}

fn read_entry((key, value): Remembered) -> Result<Acknowledged, StoreError> {
    let place = place_of(&key).ok_or_else(|| {
        StoreError::corrupt("a peer's acknowledgement is of no root or no origin")
    })?;
    Ok(Acknowledged { place, seq: read(&value)? })
}

fn key(peer: ReplicaId, root: &RootName, origin: ReplicaId) -> Vec<u8> {
    [&root_prefix(peer, root), origin.as_bytes().as_slice()].concat()
}

fn root_prefix(peer: ReplicaId, root: &RootName) -> Vec<u8> {
    [&peer_prefix(peer), root.as_str().as_bytes(), &[0]].concat()
}

fn peer_prefix(peer: ReplicaId) -> Vec<u8> {
    [HELD, peer.as_bytes()].concat()
}

fn place_of(key: &[u8]) -> Option<Place> {
    let (_peer, rest) = key.strip_prefix(HELD)?.split_first_chunk::<ID_BYTES>()?;
    let (name, origin) = rest.split_last_chunk::<ID_BYTES>()?;
    let name = std::str::from_utf8(name.strip_suffix(&[0])?).ok()?;
    Some((RootName::new(name).ok()?, ReplicaId::from_bytes(*origin)))
}

fn read(value: &[u8]) -> Result<u64, StoreError> {
    let bytes = value.try_into();
    let bytes = bytes
        .map_err(|_wrong_length| StoreError::corrupt("a peer's acknowledgement is not a number"))?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests;
