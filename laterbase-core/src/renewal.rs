//! Changes of a replica's own id: what was given up, from where on, and why.
//!
//! They happen by themselves, wherever a history is in doubt, so they are kept for people to read:
//! the last [`RENEWALS_MAX`] of them, in the transaction that changes the id.

use std::fmt;

use bincode::{BorrowDecode, Encode};

use crate::codec::{self, CodecError};
use crate::id::{ReplicaId, RootName};
use crate::limits::{RENEWAL_ROOTS_MAX, RENEWALS_MAX};

/// A change of a replica's own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// How many there were before it.
    pub number: u64,
    /// The id that was given up.
    pub old: ReplicaId,
    /// The id that new events get.
    pub new: ReplicaId,
    /// Per root, the first seq of the old id that this store does not write any more. Roots in
    /// which it had written nothing are left out, and so are all beyond 64.
    pub from: Vec<(RootName, u64)>,
    /// Why.
    pub reason: RenewalReason,
}

/// Why an id was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewalReason {
    /// Whoever opened the store asked for it.
    Requested,
    /// The store is elsewhere than it was: it was copied or restored.
    Elsewhere,
    /// The store, relaxed about what is durable, was not closed.
    UncleanStop,
    /// The log had lost its end.
    LostEnd,
    /// A peer held more of the store's own history than the store did.
    PeerHasMore,
    /// A peer showed another history under the id.
    Forked,
    /// The store's own branch of a fork moved to another id.
    BranchMoved,
}

impl RenewalReason {
    const ALL: [Self; 7] = [
        Self::Requested,
        Self::Elsewhere,
        Self::UncleanStop,
        Self::LostEnd,
        Self::PeerHasMore,
        Self::Forked,
        Self::BranchMoved,
    ];

    /// The reason in one word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Elsewhere => "copied-or-restored",
            Self::UncleanStop => "unclean-stop",
            Self::LostEnd => "lost-end",
            Self::PeerHasMore => "peer-has-more",
            Self::Forked => "forked",
            Self::BranchMoved => "branch-moved",
        }
    }
}

impl fmt::Display for RenewalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "a new identity was asked for",
            Self::Elsewhere => "the store was copied or restored",
            Self::UncleanStop => "the store was not closed, and may have lost its newest events",
            Self::LostEnd => "the store's log had lost its end",
            Self::PeerHasMore => "a peer has more of this store's own history than the store",
            Self::Forked => "a peer has another history under this store's own id",
            Self::BranchMoved => "this store's own branch of a fork moved to another id",
        })
    }
}

impl fmt::Display for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { old, new, from, reason, .. } = self;
        write!(f, "replica {old} writes as {new} now")?;
        for (index, (root, seq)) in from.iter().enumerate() {
            write!(f, "{} {root} from {seq} on", if index == 0 { "," } else { " and" })?;
        }
        write!(f, ": {reason}")
    }
}

/// What the bytes begin with. Root and seq of each entry of `from` follow, up to the end.
#[derive(Encode, BorrowDecode)]
struct RenewalFields {
    old: [u8; 16],
    new: [u8; 16],
    reason: u8,
}

impl Renewal {
    /// Keeps to the bound on roots.
    pub(crate) fn bounded(mut self) -> Self {
        self.from.truncate(RENEWAL_ROOTS_MAX);
        self
    }

    /// The number of the renewal that this one takes the place of, if any.
    pub(crate) const fn replaces(&self) -> Option<u64> {
        self.number.checked_sub(RENEWALS_MAX as u64)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let reason = RenewalReason::ALL.iter().position(|reason| *reason == self.reason);
        let fields = RenewalFields {
            old: *self.old.as_bytes(),
            new: *self.new.as_bytes(),
            reason: u8::try_from(reason.unwrap_or(0)).expect("few reasons"),
        };
        let mut out = Vec::new();
        codec::encode(&fields, &mut out);
        for (root, seq) in &self.from {
            codec::encode(&(root.as_str(), *seq), &mut out);
        }
        out
    }

    pub(crate) fn decode(number: u64, mut bytes: &[u8]) -> Result<Self, CodecError> {
        let RenewalFields { old, new, reason } = codec::decode(&mut bytes)?;
        let reason = RenewalReason::ALL.get(usize::from(reason)).copied();
        let reason = reason.ok_or(CodecError::Malformed)?;
        let mut from = Vec::new();
        while !bytes.is_empty() {
            let (name, seq): (&str, u64) = codec::decode(&mut bytes)?;
            from.push((RootName::new(name).map_err(|_bad_name| CodecError::Malformed)?, seq));
        }
        let (old, new) = (ReplicaId::from_bytes(old), ReplicaId::from_bytes(new));
        Ok(Self { number, old, new, from, reason })
    }
}

#[cfg(test)]
mod tests;
