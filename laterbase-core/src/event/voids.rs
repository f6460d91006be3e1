//! Which events another one takes back.

use crate::codec;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::limits::VOIDS_MAX;

/// Bytes of one of them.
pub(crate) const VOID_BYTES: usize = 48;

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
    /// What the writer's replica held under that id, if it held it.
    pub seen: Option<Seen>,
}

/// What an event looked like to whoever takes it back: a dot that was used twice is told apart by it,
/// and an event is found by it that has another id since a fork was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The start of its record's hash.
    pub check: [u8; 8],
    /// When it happened, in nanoseconds since 1970 UTC.
    pub occurred: i64,
    /// When its origin recorded it.
    pub recorded: Hlc,
}

impl Void {
    /// Of an event of which the writer's replica knows no more than the id.
    pub const fn unseen(dot: Dot) -> Self {
        Self { dot, seen: None }
    }

    /// Appends the origin (16 bytes) and the seq, then the check, `occurred` and the stamp, or as many
    /// zeros: 8 bytes each, numbers big-endian.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.dot.origin.as_bytes());
        out.extend_from_slice(&self.dot.seq.to_be_bytes());
        let nothing = Seen { check: [0; 8], occurred: 0, recorded: Hlc::ZERO };
        let Seen { check, occurred, recorded } = self.seen.unwrap_or(nothing);
        out.extend_from_slice(&check);
        out.extend_from_slice(&occurred.to_be_bytes());
        out.extend_from_slice(&recorded.to_bits().to_be_bytes());
    }

    /// Reads what [`Self::write`] wrote.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        let input = &mut bytes;
        let origin = ReplicaId::from_bytes(codec::take_array(input).ok()?);
        let seq = u64::from_be_bytes(codec::take_array(input).ok()?);
        let check = codec::take_array(input).ok()?;
        let occurred = i64::from_be_bytes(codec::take_array(input).ok()?);
        let recorded = Hlc::from_bits(u64::from_be_bytes(codec::take_array(input).ok()?));
        let seen = Seen { check, occurred, recorded };
        let is_seen = seen != Seen { check: [0; 8], occurred: 0, recorded: Hlc::ZERO };
        Some(Self { dot: Dot { origin, seq }, seen: is_seen.then_some(seen) })
    }
}

impl<'a> Voids<'a> {
    /// None are taken back.
    pub const NONE: Self = Self(&[]);

    /// Takes the bytes that a record keeps. [`Self::is_sound`] says whether they are any.
    pub(super) const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// One behind the other, rising by origin and seq.
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
        voids.iter().filter_map(|bytes| Void::read(bytes))
    }

    /// The same without what was seen.
    pub(crate) fn unseen(&self) -> VoidsBuf {
        self.iter().map(|void| void.dot).collect()
    }

    /// Whether the bytes are voids within the bounds, each dot once.
    pub(super) fn is_sound(&self) -> bool {
        self.0.len().is_multiple_of(VOID_BYTES)
            && self.len() <= VOIDS_MAX
            && self.iter().all(|void| void.dot.seq > 0)
            && self.iter().is_sorted_by(|a, b| a.dot < b.dot)
    }
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
            void.write(&mut bytes);
        }
        Self { bytes }
    }
}

impl FromIterator<Dot> for VoidsBuf {
    fn from_iter<T: IntoIterator<Item = Dot>>(dots: T) -> Self {
        dots.into_iter().map(Void::unseen).collect()
    }
}

#[cfg(test)]
mod tests;
