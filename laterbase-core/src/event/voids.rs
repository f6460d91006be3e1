//! Which events another one takes back.

use crate::chain::RecordHash;
use crate::id::{Dot, ReplicaId};
use crate::limits::VOIDS_MAX;

const VOID_BYTES: usize = 32;

/// Events of the same aggregate that an event takes back: they were wrong. At most 256, each once.
///
/// A fold leaves them out in every read that knows of the voiding event, by `recorded_until` and
/// `known_at`. When either of them happened plays no part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Voids<'a>(&'a [u8]);

/// One event that is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Void {
    /// Which one of the root's events.
    pub dot: Dot,
    /// The start of its record's hash, where the writer's replica held it; else zeros. A dot that was
    /// used twice is told apart by it.
    pub check: [u8; 8],
}

impl Void {
    /// Whether it means an event with this dot and record.
    pub(crate) fn means(&self, dot: Dot, hash: RecordHash) -> bool {
        self.dot == dot && (self.check == [0; 8] || self.check == hash.start())
    }
}

impl<'a> Voids<'a> {
    /// None are taken back.
    pub const NONE: Self = Self(&[]);

    /// Takes the bytes that a record keeps. [`Self::is_sound`] says whether they are any.
    pub(super) const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// For each: the origin (16 bytes), the seq (8 bytes, big-endian) and the check (8 bytes), rising
    /// by origin and seq.
    pub(super) const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether it takes none back.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many it takes back.
    pub const fn len(&self) -> usize {
        self.0.len() / VOID_BYTES
    }

    /// Those that it takes back, rising by dot.
    pub fn iter(&self) -> impl Iterator<Item = Void> + use<'a> {
        let (voids, _) = self.0.as_chunks::<VOID_BYTES>();
        voids.iter().map(read)
    }

    /// The same without the checks.
    pub(crate) fn unchecked(&self) -> VoidsBuf {
        self.iter().map(|void| Void { check: [0; 8], ..void }).collect()
    }

    /// Whether the bytes are voids within the bounds, each dot once.
    pub(super) fn is_sound(&self) -> bool {
        self.0.len().is_multiple_of(VOID_BYTES)
            && self.len() <= VOIDS_MAX
            && self.iter().all(|void| void.dot.seq > 0)
            && self.iter().is_sorted_by(|a, b| a.dot < b.dot)
    }
}

fn read(bytes: &[u8; VOID_BYTES]) -> Void {
    let (mut origin, mut seq, mut check) = ([0; 16], [0; 8], [0; 8]);
    origin.copy_from_slice(&bytes[..16]);
    seq.copy_from_slice(&bytes[16..24]);
    check.copy_from_slice(&bytes[24..]);
    let dot = Dot { origin: ReplicaId::from_bytes(origin), seq: u64::from_be_bytes(seq) };
    Void { dot, check }
}

impl Default for Voids<'_> {
    fn default() -> Self {
        Self::NONE
    }
}

impl std::fmt::Debug for Voids<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Voids that own their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoidsBuf {
    bytes: Vec<u8>,
}

impl VoidsBuf {
    /// The same to look at.
    pub const fn as_voids(&self) -> Voids<'_> {
        Voids(self.bytes.as_slice())
    }
}

impl FromIterator<Void> for VoidsBuf {
    /// In any order; a dot that is there twice counts once.
    fn from_iter<T: IntoIterator<Item = Void>>(voids: T) -> Self {
        let mut sorted: Vec<Void> = voids.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|void| void.dot);
        let mut bytes = Vec::with_capacity(sorted.len() * VOID_BYTES);
        for void in sorted {
            bytes.extend_from_slice(void.dot.origin.as_bytes());
            bytes.extend_from_slice(&void.dot.seq.to_be_bytes());
            bytes.extend_from_slice(&void.check);
        }
        Self { bytes }
    }
}

impl FromIterator<Dot> for VoidsBuf {
    fn from_iter<T: IntoIterator<Item = Dot>>(dots: T) -> Self {
        dots.into_iter().map(|dot| Void { dot, check: [0; 8] }).collect()
    }
}

#[cfg(test)]
mod tests;
