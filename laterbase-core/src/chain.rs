//! The running hash over one origin's events, by which two histories under one id are told
//! apart.
//!
//! `chain(0)` is BLAKE3 over a label, the origin and the root's name; `chain(n)` is BLAKE3 over
//! `chain(n-1)`, the event's stamp and the first 24 bytes of the BLAKE3 of its record: 64 bytes,
//! one block of the hash. The record's hash does not depend on what the writer gives it, so it
//! can be had before the writer is reached.

use std::fmt;

use crate::hlc::Hlc;
use crate::id::{ReplicaId, RootName};

const LABEL: &[u8] = b"laterbase chain 1";

/// The first 24 bytes of BLAKE3 over a record's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHash([u8; 24]);

impl RecordHash {
    /// Hashes a record.
    pub fn of(record: &[u8]) -> Self {
        let mut short = [0; 24];
        short.copy_from_slice(&blake3::hash(record).as_bytes()[..24]);
        Self(short)
    }

    /// The hash's first 8 bytes.
    pub(crate) const fn start(self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        [a, b, c, d, e, f, g, h]
    }
}

/// The chain's value behind an event: two origins' histories are equal up to there exactly when
/// these are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// The value before an origin's first event in a root.
    pub fn genesis(root: &RootName, origin: ReplicaId) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(LABEL);
        hasher.update(origin.as_bytes());
        hasher.update(root.as_str().as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The value behind the next event.
    #[must_use]
    pub fn next(self, recorded: Hlc, record: RecordHash) -> Self {
        let mut input = [0; 64];
        input[..32].copy_from_slice(&self.0);
        input[32..40].copy_from_slice(&recorded.to_bits().to_be_bytes());
        input[40..].copy_from_slice(&record.0);
        Self(*blake3::hash(&input).as_bytes())
    }

    /// Takes the 32 bytes of a value.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the value.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
