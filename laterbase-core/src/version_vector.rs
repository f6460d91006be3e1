//! Version vectors (Parker et al., "Detection of Mutual Inconsistency in Distributed Systems",
//! 1983): which events of a root are held, in one number per origin.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::codec::{self, CodecError};
use crate::id::ReplicaId;

const FORMAT: u8 = 1;

/// For each origin, the highest seq held. As seqs have no holes, it says exactly which events.
///
/// Invariant: no entry is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionVector {
    seqs: BTreeMap<ReplicaId, u64>,
}

impl VersionVector {
    /// Holds nothing.
    pub const fn new() -> Self {
        Self { seqs: BTreeMap::new() }
    }

    /// The highest seq held of an origin; 0 for none.
    pub fn get(&self, origin: &ReplicaId) -> u64 {
        self.seqs.get(origin).copied().unwrap_or(0)
    }

    /// Says that the origin's events `1..=seq` are held, and no later ones.
    pub fn set(&mut self, origin: ReplicaId, seq: u64) {
        if seq == 0 {
            self.seqs.remove(&origin);
        } else {
            self.seqs.insert(origin, seq);
        }
    }

    /// Says that the origin's events `1..=seq` are held, if that is more than was held.
    pub fn raise(&mut self, origin: ReplicaId, seq: u64) {
        if seq > self.get(&origin) {
            self.seqs.insert(origin, seq);
        }
    }

    /// The union: what either holds.
    pub fn join(&mut self, other: &Self) {
        for (&origin, &seq) in &other.seqs {
            self.raise(origin, seq);
        }
    }

    /// Whether everything that `other` holds is held here too.
    pub fn covers(&self, other: &Self) -> bool {
        other.seqs.iter().all(|(origin, &seq)| self.get(origin) >= seq)
    }

    /// The origins and their seqs, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, u64)> {
        self.seqs.iter().map(|(&origin, &seq)| (origin, seq))
    }

    /// How many origins there are.
    pub fn len(&self) -> usize {
        self.seqs.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.seqs.is_empty()
    }

    /// How many events are held. Saturates.
    pub fn event_count(&self) -> u64 {
        self.seqs.values().fold(0, |sum, &seq| sum.saturating_add(seq))
    }

    /// The bytes that `docs/format.md` draws.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.seqs.len() * 20);
        out.push(FORMAT);
        codec::encode(&self.seqs.len(), &mut out);
        for (origin, seq) in &self.seqs {
            out.extend_from_slice(origin.as_bytes());
            codec::encode(seq, &mut out);
        }
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] unless the bytes are exactly one vector, in the order of the ids.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut input = bytes;
        let [format] = codec::take_array(&mut input)?;
        if format != FORMAT {
            return Err(CodecError::NewerFormat { found: format });
        }
        let count: usize = codec::decode(&mut input)?;
        let mut seqs = BTreeMap::new();
        for _ in 0..count {
            let origin = ReplicaId::from_bytes(codec::take_array(&mut input)?);
            let seq: u64 = codec::decode(&mut input)?;
            let rises = seqs.last_key_value().is_none_or(|(last, _)| *last < origin);
            if seq == 0 || !rises {
                return Err(CodecError::Malformed);
            }
            seqs.insert(origin, seq);
        }
        if input.is_empty() { Ok(Self { seqs }) } else { Err(CodecError::Malformed) }
    }
}

impl FromIterator<(ReplicaId, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, u64)>>(items: I) -> Self {
        let mut vector = Self::new();
        for (origin, seq) in items {
            vector.set(origin, seq);
        }
        vector
    }
}

/// Base64 for URLs, without padding. The empty vector is the empty text's equal.
impl fmt::Display for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}

impl FromStr for VersionVector {
    type Err = CodecError;

    fn from_str(text: &str) -> Result<Self, CodecError> {
        if text.is_empty() {
            return Ok(Self::new());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_not_base64| CodecError::Malformed)?;
        Self::from_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests;
