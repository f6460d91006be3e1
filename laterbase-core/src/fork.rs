//! Forks: two histories that claim the ids of one origin.
//!
//! A fork is never resolved silently. The branch that a store holds stays in its event set; what
//! it learns of another one is kept beside it, in quarantine, and the origin's further events are
//! held back. To resolve a fork, one branch gives up the ids from the first difference on: its
//! events are recorded again, stamps, order and bytes unchanged, under an id that is derived from
//! the branch itself. So whoever moves a branch, and however often, makes the same events of it,
//! and a replica that meets a branch of its own under that id knows what was decided.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use crate::chain::ChainHash;
use crate::codec;
use crate::hlc::Hlc;
use crate::id::{ReplicaId, RootName};
use crate::keys;
use crate::store::{Scan, Snapshot, StoreError, Table};

const LABEL: &[u8] = b"laterbase branch 1";

/// Bytes of a quarantined event before its record: the chain before it and behind it, and its
/// stamp.
const HEAD_BYTES: usize = 32 + 32 + 8;

/// Two histories of one origin in a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The root.
    pub root: RootName,
    /// Whose history.
    pub origin: ReplicaId,
    /// The first event that differs, or the first one known to differ.
    pub seq: u64,
    /// Whether the histories are known to be equal before `seq`.
    pub is_located: bool,
    /// Events of the branch that this store holds, from `seq` on.
    pub ours: u64,
    /// Events of other branches that are in quarantine.
    pub theirs: u64,
}

/// Which branch of a fork keeps the ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The one that this store holds.
    Ours,
    /// The one that its peers hold. Of several that part at the same event, one that nobody is known
    /// to have moved, as whoever moved the others kept it; and of those the longest.
    Theirs,
    /// Of those that part at the same event, the one in quarantine that would move to this id
    /// ([`branch_id`]).
    Branch(ReplicaId),
}

/// Events of an origin that were not taken from a page whose other events were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// The root.
    pub root: RootName,
    /// Whose events.
    pub origin: ReplicaId,
    /// The first of them.
    pub seq: u64,
    /// Why.
    pub reason: Doubt,
}

/// Why events were held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// Two histories claim the same ids, from here on.
    Fork {
        /// The first event that differs, or the first one known to differ.
        seq: u64,
        /// Whether the histories are known to be equal before it.
        is_located: bool,
    },
    /// Events before them are missing.
    Hole {
        /// The last event that is held.
        held_seq: u64,
    },
    /// Their stamps do not rise above those of the events before them.
    Stamps,
    /// A peer takes no more of the origin's events, as it knows of two histories. This store has
    /// one of them, or what both have in common.
    ForkAtPeer {
        /// The first event that is in doubt there.
        seq: u64,
    },
    /// The record is damaged on this store's disk.
    Damaged,
    /// The first of them is larger than what the way to a peer lets through.
    TooLarge {
        /// How large it is, alone on a page; 0 if that is not known.
        size_bytes: u64,
        /// The largest page that did get through, if any.
        passed_bytes: Option<u64>,
        /// Whether it is this store that has it, and not the peer.
        is_ours: bool,
    },
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, origin, seq, .. } = self;
        match self.reason {
            Doubt::Fork { seq, .. } => write!(f, "{root} has two histories of {origin} at {seq}"),
            Doubt::Hole { held_seq } => {
                write!(f, "{root} lacks events of {origin} between {held_seq} and {seq}")
            }
            Doubt::Stamps => write!(f, "{root}: stamps of {origin} do not rise at {seq}"),
            Doubt::ForkAtPeer { seq } => {
                write!(f, "the peer has two histories of {origin} in {root} at {seq}")
            }
            Doubt::Damaged => write!(f, "{root}: event {seq} of {origin} is damaged here"),
            Doubt::TooLarge { size_bytes, passed_bytes, .. } => {
                write!(f, "{root}: event {origin}-{seq} does not fit through on its own")?;
                if size_bytes > 0 {
                    write!(f, ", its page has {size_bytes} bytes")?;
                }
                match passed_bytes {
                    Some(passed) => write!(f, "; the largest that got through had {passed}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// The id that a branch moves to: 16 bytes of BLAKE3 over a label, the root, the origin and the
/// chain behind the branch's first event.
pub fn branch_id(root: &RootName, origin: ReplicaId, first: ChainHash) -> ReplicaId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(LABEL);
    hasher.update(origin.as_bytes());
    hasher.update(first.as_bytes());
    hasher.update(root.as_str().as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    ReplicaId::from_bytes(id)
}

/// What a store knows of a fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForkState {
    /// The first event known to differ.
    pub seq: u64,
    /// The id that the branch held here would move to; `None` if it is not known where the
    /// branches part.
    pub ours: Option<ReplicaId>,
    /// Other branches, as far as they are known.
    pub branches: Vec<Branch>,
}

impl ForkState {
    /// Events in quarantine.
    pub(crate) fn event_count(&self) -> u64 {
        self.branches.iter().map(|branch| branch.event_count).sum()
    }

    /// Bytes of the events in quarantine.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.branches.iter().map(|branch| branch.size_bytes).sum()
    }
}

/// A branch in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    /// The id that it moves to.
    pub id: ReplicaId,
    pub first_seq: u64,
    pub event_count: u64,
    pub size_bytes: u64,
    /// The chain behind its last event.
    pub tip: ChainHash,
}

impl Branch {
    pub(crate) const fn last_seq(&self) -> u64 {
        self.first_seq + self.event_count - 1
    }
}

/// An event in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quarantined<'q> {
    pub seq: u64,
    pub recorded: Hlc,
    pub before: ChainHash,
    pub chain: ChainHash,
    pub record: &'q [u8],
}

impl<'q> Quarantined<'q> {
    pub(crate) fn key(&self, root: u32, origin: u32) -> Vec<u8> {
        keys::quarantined(root, origin, self.seq, self.chain.as_bytes())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.before.as_bytes());
        out.extend_from_slice(self.chain.as_bytes());
        out.extend_from_slice(&self.recorded.to_bits().to_be_bytes());
        out.extend_from_slice(self.record);
    }

    pub(crate) fn decode(seq: u64, value: &'q [u8]) -> Option<Self> {
        let mut input = value;
        Some(Self {
            seq,
            before: ChainHash::from_bytes(codec::take_array(&mut input).ok()?),
            chain: ChainHash::from_bytes(codec::take_array(&mut input).ok()?),
            recorded: Hlc::from_bits(u64::from_be_bytes(codec::take_array(&mut input).ok()?)),
            record: input,
        })
    }

    /// How many bytes it takes in the store.
    pub(crate) const fn size_bytes(&self) -> u64 {
        (HEAD_BYTES + self.record.len()) as u64
    }
}

/// Visits the events in quarantine of an origin in a root, rising in seq.
pub(crate) fn each_quarantined(
    snapshot: &dyn Snapshot,
    root: u32,
    origin: u32,
    visit: &mut dyn FnMut(&Quarantined<'_>),
) -> Result<(), StoreError> {
    let prefix = keys::numbered(&[], &[root, origin]);
    let end = keys::after_prefix(&prefix);
    let scan = Scan { start: &prefix, end: end.as_deref(), ..Scan::all(Table::Quarantine) };
    let mut is_damaged = false;
    snapshot.scan(scan, &mut |key, value| {
        let seq = key.get(8..16).and_then(keys::read_u64);
        match seq.and_then(|seq| Quarantined::decode(seq, value)) {
            Some(event) => visit(&event),
            None => is_damaged = true,
        }
        ControlFlow::Continue(())
    })?;
    if is_damaged {
        return Err(StoreError::corrupt("an event in quarantine has the wrong form"));
    }
    Ok(())
}

/// The branches in quarantine of an origin in a root, in the order of their first seqs.
pub(crate) fn read_branches(
    snapshot: &dyn Snapshot,
    root: (u32, &RootName),
    origin: (u32, ReplicaId),
) -> Result<Vec<Branch>, StoreError> {
    let mut branches: Vec<Branch> = Vec::new();
    each_quarantined(snapshot, root.0, origin.0, &mut |event| {
        extend(&mut branches, root.1, origin.1, event);
    })?;
    Ok(branches)
}

/// Adds an event to the branch that it goes on with, or begins one.
pub(crate) fn extend(
    branches: &mut Vec<Branch>,
    root: &RootName,
    origin: ReplicaId,
    event: &Quarantined<'_>,
) {
    let known = branches
        .iter_mut()
        .find(|branch| branch.tip == event.before && branch.last_seq() + 1 == event.seq);
    if let Some(branch) = known {
        branch.event_count += 1;
        branch.size_bytes += event.size_bytes();
        branch.tip = event.chain;
        return;
    }
    branches.push(Branch {
        id: branch_id(root, origin, event.chain),
        first_seq: event.seq,
        event_count: 1,
        size_bytes: event.size_bytes(),
        tip: event.chain,
    });
}

/// (root, origin) → what is known of their fork.
pub(crate) type Forks = BTreeMap<(u32, u32), ForkState>;

#[cfg(test)]
mod tests;
